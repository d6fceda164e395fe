//! Orders.

use serde::Serialize;
use utoipa::ToSchema;
use waiterix_domain::facts::{LabelledOrder, OrderView};
use waiterix_domain::{demo, order, schema};

use super::time;

/// The header of an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    id: String,
    restaurant_id: String,
    table_id: Option<String>,
    customer_note: Option<String>,
    payment_method: String,
    payment_status: String,
    payment_gateway: Option<String>,
    stripe_payment_intent_id: Option<String>,
    paystack_reference: Option<String>,
    telr_transaction_ref: Option<String>,
    adyen_psp_reference: Option<String>,
    /// With two decimals, like all sums.
    subtotal: String,
    tax: String,
    tip: String,
    total: String,
    status: String,
    allergies: Option<String>,
    created_at: String,
    updated_at: String,
}

impl From<schema::Order> for Order {
    fn from(order: schema::Order) -> Self {
        Self {
            id: order.id.into_string(),
            restaurant_id: order.restaurant_id.into_string(),
            table_id: order.table_id.map(waiterix_domain::id::TableId::into_string),
            customer_note: order.customer_note,
            payment_method: order.payment_method.to_string(),
            payment_status: order.payment_status.to_string(),
            payment_gateway: order.payment_gateway,
            stripe_payment_intent_id: order.stripe_payment_intent_id,
            paystack_reference: order.paystack_reference,
            telr_transaction_ref: order.telr_transaction_ref,
            adyen_psp_reference: order.adyen_psp_reference,
            subtotal: order.subtotal.to_string(),
            tax: order.tax.to_string(),
            tip: order.tip.to_string(),
            total: order.total.to_string(),
            status: order.status.to_string(),
            allergies: order.allergies,
            created_at: time(order.created_at),
            updated_at: time(order.updated_at),
        }
    }
}

impl Order {
    /// An order as guests see it: the payment providers' references are null (D52).
    #[must_use]
    pub fn for_guests(order: &schema::Order) -> Self {
        order::for_guests(order).into()
    }
}

/// An order with the label of its table.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderWithTable {
    #[serde(flatten)]
    order: Order,
    table_number: Option<String>,
}

impl From<LabelledOrder> for OrderWithTable {
    fn from(labelled: LabelledOrder) -> Self {
        let table_number = order::table_label(&labelled.order, labelled.table_number.as_deref());
        Self { order: labelled.order.into(), table_number }
    }
}

/// A line of an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    id: String,
    order_id: String,
    menu_item_id: Option<String>,
    name: String,
    /// Unit price when it was ordered.
    price: String,
    quantity: i32,
    customer_note: Option<String>,
    allergies: Option<String>,
}

impl From<schema::OrderItem> for OrderItem {
    fn from(item: schema::OrderItem) -> Self {
        Self {
            id: item.id.into_string(),
            order_id: item.order_id.into_string(),
            menu_item_id: item.menu_item_id.map(waiterix_domain::id::MenuItemId::into_string),
            name: item.name,
            price: item.price.to_string(),
            quantity: item.quantity,
            customer_note: item.customer_note,
            allergies: item.allergies,
        }
    }
}

/// An order in the demo restaurant: it has these fields only.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DemoOrder {
    id: String,
    restaurant_id: &'static str,
    /// Always null.
    table_id: Option<String>,
    customer_note: String,
    payment_method: String,
    payment_status: String,
    stripe_payment_intent_id: Option<String>,
    subtotal: String,
    tax: String,
    tip: String,
    total: String,
    status: &'static str,
    created_at: String,
    updated_at: String,
}

impl From<demo::DemoOrder> for DemoOrder {
    fn from(order: demo::DemoOrder) -> Self {
        Self {
            id: order.id.into_string(),
            restaurant_id: demo::RESTAURANT,
            table_id: None,
            customer_note: order.customer_note,
            payment_method: order.payment_method,
            payment_status: order.payment_status.to_string(),
            stripe_payment_intent_id: order.stripe_payment_intent_id,
            subtotal: order.subtotal,
            tax: order.tax,
            tip: order.tip,
            total: order.total,
            status: "new",
            created_at: time(order.placed_at),
            updated_at: time(order.placed_at),
        }
    }
}

/// A cancelled order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cancelled {
    success: bool,
    order: Order,
    refunded: bool,
    /// Absent when nothing was paid back.
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<String>,
}

impl From<order::Cancelled> for Cancelled {
    fn from(cancelled: order::Cancelled) -> Self {
        Self { success: true, order: cancelled.order.into(), refunded: cancelled.refunded, refund_id: None }
    }
}

/// The label of a table.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableLabel {
    table_number: String,
}

fn label_of(view: &OrderView) -> Option<TableLabel> {
    let current = view.table.as_ref().map(|table| table.table_number.as_str());
    order::table_label(&view.order, current).map(|table_number| TableLabel { table_number })
}

/// What the tracking page shows of the restaurant.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrackedRestaurant {
    id: String,
    name: String,
    currency_code: String,
    default_language: String,
}

/// Everything the tracking page shows.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tracking {
    order: Order,
    items: Vec<OrderItem>,
    restaurant: TrackedRestaurant,
    table: Option<TableLabel>,
    has_been_rated: bool,
}

impl From<OrderView> for Tracking {
    fn from(view: OrderView) -> Self {
        Self {
            order: Order::for_guests(&view.order),
            table: label_of(&view),
            items: view.items.into_iter().map(OrderItem::from).collect(),
            restaurant: TrackedRestaurant {
                id: view.restaurant.id.into_string(),
                name: view.restaurant.name,
                currency_code: view.restaurant.currency_code,
                default_language: view.restaurant.default_language,
            },
            has_been_rated: view.has_been_rated,
        }
    }
}

/// What a receipt shows of the restaurant.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptRestaurant {
    id: String,
    name: String,
    address: Option<String>,
    city: Option<String>,
    country: Option<String>,
    phone: Option<String>,
    currency_code: String,
    default_language: String,
}

/// Everything the receipt page shows.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Receipt {
    order: Order,
    items: Vec<OrderItem>,
    restaurant: ReceiptRestaurant,
    table: Option<TableLabel>,
}

impl From<OrderView> for Receipt {
    fn from(view: OrderView) -> Self {
        Self {
            order: Order::for_guests(&view.order),
            table: label_of(&view),
            items: view.items.into_iter().map(OrderItem::from).collect(),
            restaurant: ReceiptRestaurant {
                id: view.restaurant.id.into_string(),
                name: view.restaurant.name,
                address: view.restaurant.address,
                city: view.restaurant.city,
                country: view.restaurant.country,
                phone: view.restaurant.phone,
                currency_code: view.restaurant.currency_code,
                default_language: view.restaurant.default_language,
            },
        }
    }
}

/// That a receipt was sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReceiptSent {
    success: bool,
    message: String,
    /// Present for demo orders only, whose receipts are not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    dev_note: Option<&'static str>,
}

impl ReceiptSent {
    /// A receipt that is on its way to this address.
    #[must_use]
    pub fn to(email: &str) -> Self {
        Self { success: true, message: format!("Receipt sent to {email}"), dev_note: None }
    }

    /// The same for a demo order.
    #[must_use]
    pub fn of_demo(email: &str) -> Self {
        Self { dev_note: Some("Demo order: no e-mail was sent"), ..Self::to(email) }
    }
}
