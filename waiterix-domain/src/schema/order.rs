//! Orders.

use super::{OrderStatus, PaymentMethod, PaymentStatus, entity};
use crate::id::{MenuItemId, OrderId, OrderItemId, RestaurantId, TableId};
use crate::{Amount, Timestamp};

entity! {
    /// The header of an order.
    Order in Orders {
        /// The order; random, because knowing it is the permission to see it.
        id: OrderId,
        /// The restaurant.
        restaurant_id: RestaurantId => Restaurants Cascade,
        /// The table, while it exists.
        table_id: Option<TableId> => RestaurantTables SetNull,
        /// Note of the guest; a cancellation reason is appended to it.
        customer_note: Option<String>,
        /// How it is paid.
        payment_method: PaymentMethod,
        /// Whether it is paid.
        payment_status: PaymentStatus,
        /// Payment provider.
        payment_gateway: Option<String>,
        /// Stripe payment; at most one order each.
        stripe_payment_intent_id: Option<String>,
        /// Paystack payment.
        paystack_reference: Option<String>,
        /// Telr payment.
        telr_transaction_ref: Option<String>,
        /// Adyen payment.
        adyen_psp_reference: Option<String>,
        /// Sum of the lines.
        subtotal: Amount,
        /// Tax on the subtotal.
        tax: Amount,
        /// Tip.
        tip: Amount,
        /// Subtotal + tax + tip.
        total: Amount,
        /// How far it is.
        status: OrderStatus,
        /// Allergies of the guests.
        allergies: Option<String>,
        /// Placed at.
        created_at: Timestamp,
        /// Last change.
        updated_at: Timestamp,
        /// The table's label when the order was placed (new system only; never sent as a field of its own).
        table_number: Option<String>,
        /// Why it was cancelled (new system only; never sent as a field of its own).
        cancellation_reason: Option<String>,
    }
}

entity! {
    /// A line of an order; name and price are copies taken from the menu when it was placed.
    OrderItem in OrderItems {
        /// The line.
        id: OrderItemId,
        /// The order.
        order_id: OrderId => Orders Cascade,
        /// The dish, while it exists.
        menu_item_id: Option<MenuItemId> => MenuItems SetNull,
        /// Name of the dish.
        name: String,
        /// Unit price.
        price: Amount,
        /// How many.
        quantity: i32,
        /// Note of the guest.
        customer_note: Option<String>,
        /// Allergies.
        allergies: Option<String>,
        /// Place in the order, from 0 (new system only); null in old rows.
        position: Option<i32>,
    }
}
