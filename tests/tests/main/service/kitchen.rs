//! A restaurant with one dish, its owner, and a guest.

use serde_json::{Value, json};
use waiterix_tests::client::Client;
use waiterix_tests::stage::Stage;

/// A restaurant that takes orders.
pub(crate) struct Kitchen<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) owner: Client,
    pub(crate) guest: Client,
    pub(crate) restaurant: String,
    pub(crate) dish: Value,
}

pub(crate) const OWNER: &str = "owner@example.org";

impl<'a> Kitchen<'a> {
    pub(crate) async fn open(stage: &'a Stage) -> Self {
        let owner = stage.user(OWNER).await;
        let (restaurant, dish) = restaurant_of(&owner, "Casa").await;
        Self { stage, owner, guest: stage.guest(), restaurant, dish }
    }

    /// What a guest sends who wants a soup and sees these sums.
    pub(crate) fn soup(&self, quantity: u32, [subtotal, tax, total]: [&str; 3]) -> Value {
        json!({
            "restaurantId": self.restaurant, "tableId": "2", "paymentMethod": "cash", "allergies": "nuts",
            "items": [{ "id": self.dish["id"], "name": "Soup", "price": "10.00", "quantity": quantity }],
            "subtotal": subtotal, "tax": tax, "tip": "0.00", "total": total,
        })
    }

    pub(crate) async fn order(&self) -> Value {
        self.guest.post("/api/orders", &self.soup(1, ["10.00", "1.00", "11.00"])).await
    }
}

/// A restaurant with a soup for ten.
pub(crate) async fn restaurant_of(owner: &Client, name: &str) -> (String, Value) {
    let restaurant = owner.post("/api/restaurant", &json!({ "name": name })).await;
    let restaurant = id_of(&restaurant);
    let dish = json!({
        "restaurantId": restaurant, "name": "Soup", "description": "", "price": "10.00", "category": "Soups",
    });
    let dish = owner.post("/api/menu-items", &dish).await;
    (restaurant, dish)
}

pub(crate) fn id_of(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}
