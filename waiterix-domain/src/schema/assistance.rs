//! Calls for a waiter, and ratings.

use super::{AssistanceStatus, RequestType, entity};
use crate::Timestamp;
use crate::id::{AssistanceId, MenuItemId, OrderId, RatingId, RestaurantId, TableId};

entity! {
    /// A rating: one row per rated dish plus one row for the service, per order.
    Rating in Ratings {
        /// The rating.
        id: RatingId,
        /// The rated order.
        order_id: OrderId => Orders Cascade,
        /// Its restaurant.
        restaurant_id: RestaurantId => Restaurants Cascade,
        /// The rated dish, while it exists.
        menu_item_id: Option<MenuItemId> => MenuItems SetNull,
        /// 1 to 5.
        item_rating: Option<i32>,
        /// `{foodQuality, serviceSpeed, cleanliness, staffFriendliness}`, 1 to 5 each; old rows hold anything.
        service_ratings: Option<serde_json::Value>,
        /// Free text.
        comment: Option<String>,
        /// Creation.
        created_at: Timestamp,
    }
}

entity! {
    /// A call for a waiter.
    AssistanceRequest in AssistanceRequests {
        /// The request.
        id: AssistanceId,
        /// The restaurant.
        restaurant_id: RestaurantId => Restaurants Cascade,
        /// The table, while it exists.
        table_id: Option<TableId> => RestaurantTables SetNull,
        /// The guest's order, while it exists.
        order_id: Option<OrderId> => Orders SetNull,
        /// Free text.
        customer_message: Option<String>,
        /// What is wanted.
        request_type: RequestType,
        /// How far it is.
        status: AssistanceStatus,
        /// Creation.
        created_at: Timestamp,
        /// Last change.
        updated_at: Timestamp,
    }
}
