//! Rows the service keeps for itself.

use super::entity;
use crate::Timestamp;
use crate::id::{IdempotencyId, OrderId, RestaurantId};

entity! {
    /// Remembers which order an `Idempotency-Key` led to.
    IdempotencyKey in IdempotencyKeys {
        /// Digest of restaurant and key, so that no client text becomes a key of ours.
        id: IdempotencyId,
        /// The restaurant.
        restaurant_id: RestaurantId => Restaurants Cascade,
        /// The order it led to.
        order_id: OrderId => Orders Cascade,
        /// When it was used first.
        created_at: Timestamp,
    }
}
