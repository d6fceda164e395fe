//! A restaurant behind the functions, as its people see it.

use serde_json::{Value, json};
use url::Url;

use crate::client::Client;
use crate::cloud::{Cloud, SITE};
use crate::gateway::Gateway;
use crate::socket::Socket;

/// An owner with a restaurant and a dish.
#[derive(Debug)]
pub struct Kitchen {
    /// The owner, signed in.
    pub owner: Client,
    /// The id of the restaurant.
    pub restaurant: String,
    /// The dish.
    pub dish: Value,
    /// The origin of the page on which its chefs work.
    site: String,
}

impl Kitchen {
    /// Opens a restaurant, as its owner would: a code is mailed, and so on.
    pub async fn open(cloud: &Cloud, base: &Url, email: &str) -> Self {
        Self::open_from(SITE, cloud, base, email).await
    }

    /// The same for chefs on a page of this origin.
    pub async fn open_from(site: &str, cloud: &Cloud, base: &Url, email: &str) -> Self {
        let mut owner = Client::new(base);
        owner.post("/api/auth/code", &json!({ "email": email })).await;
        let code = cloud.code_for(email).await;
        owner.sign_in(email, &code).await;
        let restaurant = owner.post("/api/restaurant", &json!({ "name": "Casa" })).await;
        let restaurant = restaurant["id"].as_str().unwrap().to_owned();
        let dish = json!({
            "restaurantId": restaurant, "name": "Soup", "description": "", "price": "10.00", "category": "Soups",
        });
        let dish = owner.post("/api/menu-items", &dish).await;
        Self { owner, restaurant, dish, site: site.to_owned() }
    }

    /// Where a chef listens.
    #[must_use]
    pub fn chef_path(&self) -> String {
        format!("/ws?restaurantId={}&role=chef", self.restaurant)
    }

    /// A chef who listens.
    pub async fn chef(&self, gateway: &Gateway) -> Socket {
        let headers = [("cookie", self.owner.cookie()), ("origin", self.site.as_str())];
        Socket::open(&gateway.ws, &self.chef_path(), &headers).await.unwrap()
    }

    /// Two guests' soup is ordered.
    pub async fn order(&self, base: &Url) -> Value {
        let body = json!({
            "restaurantId": self.restaurant, "tableId": "2", "paymentMethod": "cash",
            "items": [{ "id": self.dish["id"], "name": "Soup", "price": "10.00", "quantity": 1 }],
            "subtotal": "10.00", "tax": "1.00", "total": "11.00",
        });
        Client::new(base).post("/api/orders", &body).await
    }
}
