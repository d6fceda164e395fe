//! The built-in demo restaurant. It is never stored: its ids must not reach a store.

use crate::assistance::WaiterCall;
use crate::facts::OrderView;
use crate::id::{OrderId, RestaurantId};
use crate::order::PlaceOrder;
use crate::schema::{
    AssistanceRequest, AssistanceStatus, MenuItem, Order, OrderItem, OrderStatus, PaymentMethod,
    PaymentStatus, Restaurant, RestaurantTable, SubscriptionStatus,
};
use crate::{Amount, Timestamp};

/// The id of the demo restaurant.
pub const RESTAURANT: &str = "demo";
/// How the ids of demo orders begin; the milliseconds at which they were placed follow.
pub const ORDER_PREFIX: &str = "demo-order-";

/// Whether an id names the demo restaurant.
#[must_use]
pub fn is_restaurant(id: &str) -> bool {
    id == RESTAURANT
}

/// Whether an id names a demo order.
#[must_use]
pub fn is_order(id: &str) -> bool {
    id.starts_with(ORDER_PREFIX)
}

/// One dish of the demo menu.
struct Dish {
    id: &'static str,
    name: &'static str,
    description: &'static str,
    category: &'static str,
    price_hundredths: i64,
    picture: &'static str,
    spice: &'static str,
    diets: Diets,
    allergens: &'static [&'static str],
}

/// Which of the flags of a dish are true; no demo dish is kosher.
#[derive(Clone, Copy)]
enum Diets {
    Fish,
    Vegetarian,
    Vegan,
}

const MENU: [Dish; 5] = [
    Dish {
        id: "demo-1",
        name: "Grilled Salmon",
        description: "Salmon fillet from the charcoal grill with lemon butter, dill potatoes and green beans.",
        category: "Main Course",
        price_hundredths: 2_499,
        picture: "/assets/stock_images/demo-grilled-salmon.png",
        spice: "0",
        diets: Diets::Fish,
        allergens: &["fish"],
    },
    Dish {
        id: "demo-2",
        name: "Margherita Pizza",
        description: "Thin sourdough crust with crushed tomatoes, mozzarella and basil picked this morning.",
        category: "Main Course",
        price_hundredths: 1_699,
        picture: "/assets/stock_images/demo-margherita-pizza.png",
        spice: "0",
        diets: Diets::Vegetarian,
        allergens: &["gluten", "dairy"],
    },
    Dish {
        id: "demo-3",
        name: "Caesar Salad",
        description: "Crisp romaine hearts tossed with aged cheese, garlic croutons and our own egg dressing.",
        category: "Appetizers",
        price_hundredths: 1_299,
        picture: "/assets/stock_images/demo-caesar-salad.png",
        spice: "0",
        diets: Diets::Vegetarian,
        allergens: &["gluten", "dairy", "eggs"],
    },
    Dish {
        id: "demo-4",
        name: "Thai Curry Bowl",
        description: "Coconut curry with tofu, aubergine and sweet peppers over steamed jasmine rice.",
        category: "Main Course",
        price_hundredths: 1_899,
        picture: "/assets/stock_images/demo-thai-curry-bowl.png",
        spice: "3",
        diets: Diets::Vegan,
        allergens: &["soy"],
    },
    Dish {
        id: "demo-5",
        name: "Chocolate Lava Cake",
        description: "Dark chocolate cake, baked to order, with a melting heart and a spoon of cream.",
        category: "Desserts",
        price_hundredths: 999,
        picture: "/assets/stock_images/demo-chocolate-lava-cake.png",
        spice: "0",
        diets: Diets::Vegetarian,
        allergens: &["gluten", "dairy", "eggs"],
    },
];

/// The demo restaurant.
#[must_use]
pub fn restaurant(now: Timestamp) -> Restaurant {
    let text = |text: &str| Some(text.to_owned());
    Restaurant {
        id: RESTAURANT.into(),
        user_id: RESTAURANT.into(),
        name: "The Gourmet Kitchen".to_owned(),
        description: text(
            "A neighbourhood kitchen for trying out ordering from the table: nothing is really cooked.",
        ),
        address: text("48 Sample Avenue, Suite 2"),
        city: text("Portland"),
        state: text("OR"),
        country: text("United States"),
        phone: text("(555) 123-4567"),
        hours: text("Mon-Fri 11:00 AM - 10:00 PM, Sat-Sun 10:00 AM - 11:00 PM"),
        cover_image_url: None,
        default_language: "en".to_owned(),
        currency_code: "USD".to_owned(),
        admin_password: None,
        security_question_1: None,
        security_answer_1: None,
        security_question_2: None,
        security_answer_2: None,
        ai_waiter_enabled: false,
        auto_print_orders: false,
        stripe_account_id: None,
        stripe_onboarding_complete: false,
        stripe_customer_id: None,
        paystack_subaccount_code: None,
        paystack_bank_code: None,
        paystack_account_number: None,
        paystack_account_name: None,
        paystack_onboarding_complete: false,
        telr_merchant_id: None,
        telr_api_key: None,
        telr_onboarding_complete: false,
        adyen_merchant_account: None,
        adyen_onboarding_complete: false,
        subscription_status: SubscriptionStatus::Trialing,
        subscription_id: None,
        trial_ends_at: None,
        current_period_end: None,
        ai_usage_count: 0,
        current_month_usage: 0,
        stripe_usage_item_id: None,
        last_usage_reported_at: None,
        created_at: now,
    }
}

/// The demo menu.
#[must_use]
pub fn menu(now: Timestamp) -> Vec<MenuItem> {
    let dishes = MENU.iter().map(|dish| MenuItem {
        id: dish.id.into(),
        restaurant_id: RESTAURANT.into(),
        name: dish.name.to_owned(),
        description: dish.description.to_owned(),
        price: amount(dish.price_hundredths),
        category: dish.category.to_owned(),
        image_url: Some(dish.picture.to_owned()),
        spice_level: Some(dish.spice.to_owned()),
        is_vegan: matches!(dish.diets, Diets::Vegan),
        is_vegetarian: !matches!(dish.diets, Diets::Fish),
        is_halal: !matches!(dish.diets, Diets::Fish),
        is_kosher: false,
        allergens: Some(dish.allergens.iter().map(|&allergen| allergen.to_owned()).collect()),
        available: true,
        created_at: now,
    });
    dishes.collect()
}

/// A demo order as it is answered when it is placed. It has no more fields than these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoOrder {
    /// `demo-order-` and the milliseconds.
    pub id: OrderId,
    /// The guest's note, or the empty text.
    pub customer_note: String,
    /// As sent; cash if nothing was.
    pub payment_method: String,
    /// Pending for cash, else completed.
    pub payment_status: PaymentStatus,
    /// As sent.
    pub stripe_payment_intent_id: Option<String>,
    /// As sent.
    pub subtotal: String,
    /// As sent.
    pub tax: String,
    /// As sent, or `0.00`.
    pub tip: String,
    /// As sent.
    pub total: String,
    /// When it was placed.
    pub placed_at: Timestamp,
}

/// Places a demo order: nothing is checked and nothing is stored. A sum that is no number becomes `0.00`, so that the
/// guest's screen can always show it.
#[must_use]
pub fn place(command: &PlaceOrder, payment_intent: Option<String>, now: Timestamp) -> DemoOrder {
    let sum = |text: &str| match Amount::parse(text) {
        Ok(_) => text.to_owned(),
        Err(_) => Amount::ZERO.to_string(),
    };
    let method = if command.payment_method.is_empty() { "cash" } else { &command.payment_method };
    DemoOrder {
        id: format!("{ORDER_PREFIX}{}", now.as_millis()).into(),
        customer_note: command.customer_note.clone().unwrap_or_default(),
        payment_method: method.to_owned(),
        payment_status: if method == "cash" { PaymentStatus::Pending } else { PaymentStatus::Completed },
        stripe_payment_intent_id: payment_intent.filter(|intent| !intent.is_empty()),
        subtotal: sum(&command.subtotal),
        tax: sum(&command.tax),
        tip: sum(command.tip.as_deref().unwrap_or_default()),
        total: sum(&command.total),
        placed_at: now,
    }
}

/// What the tracking page shows for any demo order.
#[must_use]
pub fn tracking(id: &OrderId, now: Timestamp) -> OrderView {
    view(id, "Table 1", now)
}

/// What the receipt shows for any demo order.
#[must_use]
pub fn receipt(id: &OrderId, now: Timestamp) -> OrderView {
    view(id, "1", now)
}

fn view(id: &OrderId, label: &str, now: Timestamp) -> OrderView {
    let placed_at = id
        .as_str()
        .strip_prefix(ORDER_PREFIX)
        .and_then(|millis| millis.parse().ok())
        .and_then(Timestamp::from_millis)
        .unwrap_or(now);
    OrderView {
        order: Order {
            id: id.clone(),
            restaurant_id: RESTAURANT.into(),
            table_id: None,
            customer_note: None,
            payment_method: PaymentMethod::Cash,
            payment_status: PaymentStatus::Pending,
            payment_gateway: None,
            stripe_payment_intent_id: None,
            paystack_reference: None,
            telr_transaction_ref: None,
            adyen_psp_reference: None,
            subtotal: amount(2_500),
            tax: amount(250),
            tip: amount(500),
            total: amount(3_250),
            status: OrderStatus::New,
            allergies: None,
            created_at: placed_at,
            updated_at: placed_at,
            table_number: None,
            cancellation_reason: None,
        },
        restaurant: Restaurant { name: "Demo Restaurant".to_owned(), ..restaurant(now) },
        table: Some(RestaurantTable {
            id: "demo-table-1".into(),
            restaurant_id: RESTAURANT.into(),
            table_number: label.to_owned(),
            qr_code_url: None,
            created_at: placed_at,
        }),
        items: vec![OrderItem {
            id: "demo-item-1".into(),
            order_id: id.clone(),
            menu_item_id: None,
            name: "Demo Menu Item".to_owned(),
            price: amount(2_500),
            quantity: 1,
            customer_note: None,
            allergies: None,
            position: Some(0),
        }],
        has_been_rated: false,
    }
}

/// Calls a waiter in the demo restaurant, where nobody comes: the request as answered, and its table's label.
#[must_use]
pub fn call_waiter(command: &WaiterCall, now: Timestamp) -> (AssistanceRequest, Option<String>) {
    let request = AssistanceRequest {
        id: format!("demo-assistance-{}", now.as_millis()).into(),
        restaurant_id: RestaurantId::from(RESTAURANT),
        table_id: command.table.as_deref().map(Into::into),
        order_id: command.order.clone(),
        customer_message: command.message.clone(),
        request_type: command.request_type.clone(),
        status: AssistanceStatus::Pending,
        created_at: now,
        updated_at: now,
    };
    let label = command.table.as_ref().map(|_| "5".to_owned());
    (request, label)
}

/// An amount written in this file; all of them fit.
fn amount(hundredths: i64) -> Amount {
    Amount::from_hundredths(hundredths).unwrap_or(Amount::ZERO)
}

/// Path and category of every picture of the demo menu.
pub fn pictures() -> impl Iterator<Item = (&'static str, &'static str)> {
    MENU.iter().map(|dish| (dish.picture, dish.category))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assistance::CallWaiter;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_738_314_307_123).unwrap()
    }

    fn command() -> PlaceOrder {
        PlaceOrder {
            restaurant: RESTAURANT.into(),
            table: Some("5".to_owned()),
            lines: Vec::new(),
            subtotal: "24.99".to_owned(),
            tax: "2.5".to_owned(),
            tip: None,
            total: "nonsense".to_owned(),
            payment_method: "online".to_owned(),
            customer_note: None,
            allergies: None,
            idempotency: None,
            faults: Vec::new(),
        }
    }

    #[test]
    fn the_menu_is_that_of_the_contract() {
        let seen: Vec<_> = menu(now())
            .iter()
            .map(|item| {
                let flags = [item.is_vegan, item.is_vegetarian, item.is_halal, item.is_kosher];
                let allergens = item.allergens.clone().unwrap_or_default().join(",");
                let spice = item.spice_level.clone().unwrap_or_default();
                format!(
                    "{} {} {} {} {flags:?} {spice} {allergens}",
                    item.id, item.name, item.category, item.price
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                "demo-1 Grilled Salmon Main Course 24.99 [false, false, false, false] 0 fish",
                "demo-2 Margherita Pizza Main Course 16.99 [false, true, true, false] 0 gluten,dairy",
                "demo-3 Caesar Salad Appetizers 12.99 [false, true, true, false] 0 gluten,dairy,eggs",
                "demo-4 Thai Curry Bowl Main Course 18.99 [true, true, true, false] 3 soy",
                "demo-5 Chocolate Lava Cake Desserts 9.99 [false, true, true, false] 0 gluten,dairy,eggs",
            ]
        );
        for item in menu(now()) {
            assert!(
                item.available && item.image_url.unwrap().starts_with('/') && !item.description.is_empty()
            );
        }
    }

    #[test]
    fn a_demo_order_answers_what_was_sent() {
        let order = place(&command(), None, now());
        assert_eq!(order.id.as_str(), "demo-order-1738314307123");
        assert!(is_order(order.id.as_str()));
        assert_eq!(order.payment_status, PaymentStatus::Completed);
        assert_eq!([order.subtotal, order.tax, order.tip, order.total], ["24.99", "2.5", "0.00", "0.00"]);
        let cash = place(&PlaceOrder { payment_method: "cash".to_owned(), ..command() }, None, now());
        assert_eq!(cash.payment_status, PaymentStatus::Pending);
    }

    #[test]
    fn tracking_and_receipt_show_the_fixed_sums() {
        let id = OrderId::from("demo-order-1738314307123");
        let later = now().plus_seconds(60);
        let (tracking, receipt) = (tracking(&id, later), receipt(&id, later));
        assert_eq!(tracking.order.total.to_string(), "32.50");
        assert_eq!(tracking.order.created_at, now());
        assert_eq!(tracking.table.unwrap().table_number, "Table 1");
        assert_eq!(receipt.table.unwrap().table_number, "1");
        assert_eq!(view(&"demo-order-x".into(), "1", later).order.created_at, later);
    }

    #[test]
    fn a_demo_waiter_is_called_to_table_5_if_to_any() {
        let call = |table: Option<&str>| {
            let command = CallWaiter {
                restaurant: RESTAURANT.to_owned(),
                table: table.map(String::from),
                ..CallWaiter::default()
            };
            call_waiter(&command.check().unwrap(), now())
        };
        let (request, label) = call(Some("9"));
        assert_eq!((request.id.as_str(), label.as_deref()), ("demo-assistance-1738314307123", Some("5")));
        assert_eq!(call(None).1, None);
    }

    #[test]
    fn no_demo_id_looks_like_a_stored_one() {
        assert!(!crate::id::is_uuid(RESTAURANT) && !crate::id::is_uuid("demo-order-1"));
    }
}
