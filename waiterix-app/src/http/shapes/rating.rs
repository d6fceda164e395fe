//! Ratings.

use serde::Serialize;
use utoipa::ToSchema;
use waiterix_domain::schema;

use super::time;

/// A rating of a dish or of the service.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rating {
    id: String,
    order_id: String,
    restaurant_id: String,
    menu_item_id: Option<String>,
    /// 1 to 5.
    item_rating: Option<i32>,
    /// `foodQuality`, `serviceSpeed`, `cleanliness`, `staffFriendliness`, 1 to 5 each.
    #[schema(value_type = Option<Object>)]
    service_ratings: Option<serde_json::Value>,
    comment: Option<String>,
    created_at: String,
}

impl From<schema::Rating> for Rating {
    fn from(rating: schema::Rating) -> Self {
        Self {
            id: rating.id.into_string(),
            order_id: rating.order_id.into_string(),
            restaurant_id: rating.restaurant_id.into_string(),
            menu_item_id: rating.menu_item_id.map(waiterix_domain::id::MenuItemId::into_string),
            item_rating: rating.item_rating,
            service_ratings: rating.service_ratings,
            comment: rating.comment,
            created_at: time(rating.created_at),
        }
    }
}

/// The ratings of an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderRatings {
    ratings: Vec<Rating>,
    has_been_rated: bool,
}

impl From<Vec<schema::Rating>> for OrderRatings {
    fn from(ratings: Vec<schema::Rating>) -> Self {
        Self { has_been_rated: !ratings.is_empty(), ratings: ratings.into_iter().map(Rating::from).collect() }
    }
}
