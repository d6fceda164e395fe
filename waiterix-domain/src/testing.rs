//! One restaurant with an order, for the tests of this crate.

use crate::env::Env;
use crate::sample::{CountingIds, row};
use crate::schema::{
    MenuItem, Order, OrderItem, OrderStatus, PaymentMethod, PaymentStatus, Restaurant, RestaurantTable,
    SubscriptionStatus,
};
use crate::{Amount, Timestamp};

/// A moment and ids that count up.
pub(crate) struct TestEnv {
    now: Timestamp,
    ids: CountingIds,
}

impl TestEnv {
    pub(crate) fn env(&mut self) -> Env<'_> {
        Env { now: self.now, ids: &mut self.ids }
    }
}

/// Surroundings at so many milliseconds after the epoch.
pub(crate) fn env(now_ms: i64) -> TestEnv {
    TestEnv { now: Timestamp::from_millis(now_ms).unwrap(), ids: CountingIds(0) }
}

pub(crate) fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

pub(crate) fn restaurant() -> Restaurant {
    Restaurant {
        user_id: "u1".into(),
        name: "Bella Vista".to_owned(),
        currency_code: "USD".to_owned(),
        subscription_status: SubscriptionStatus::Trialing,
        ..row("r1")
    }
}

/// A table of `r1`.
pub(crate) fn table(id: &str, label: &str) -> RestaurantTable {
    RestaurantTable { restaurant_id: "r1".into(), table_number: label.to_owned(), ..row(id) }
}

/// A dish of `r1`.
pub(crate) fn dish(id: &str, name: &str, price: &str) -> MenuItem {
    MenuItem {
        restaurant_id: "r1".into(),
        name: name.to_owned(),
        price: amount(price),
        available: true,
        ..row(id)
    }
}

/// A new cash order of `r1`, 25.00 and 10 % tax.
pub(crate) fn order() -> Order {
    Order {
        restaurant_id: "r1".into(),
        payment_method: PaymentMethod::Cash,
        payment_status: PaymentStatus::Pending,
        subtotal: amount("25.00"),
        tax: amount("2.50"),
        total: amount("27.50"),
        status: OrderStatus::New,
        ..row("0b5e3a1c-1f2d-4c3b-8a49-5f6e7d8c9b0a")
    }
}

/// A line of that order.
pub(crate) fn line(id: &str, dish: Option<&str>, position: i32) -> OrderItem {
    OrderItem {
        order_id: order().id,
        menu_item_id: dish.map(Into::into),
        name: "Soup".to_owned(),
        price: amount("12.50"),
        quantity: 1,
        position: Some(position),
        ..row(id)
    }
}
