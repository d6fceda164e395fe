//! Recorded events.

use super::entity;
use crate::Timestamp;
use crate::id::{AiCallId, RestaurantId, ScanId, TableId};

entity! {
    /// A scan of a QR code.
    TableScanEvent in TableScanEvents {
        /// The event.
        id: ScanId,
        /// The restaurant.
        restaurant_id: RestaurantId => Restaurants Cascade,
        /// The table, while it exists.
        table_id: Option<TableId> => RestaurantTables SetNull,
        /// The table's label when it was scanned.
        table_number: Option<String>,
        /// When.
        scanned_at: Timestamp,
    }
}

entity! {
    /// A call of an AI service.
    AiCallEvent in AiCallEvents {
        /// The event.
        id: AiCallId,
        /// The restaurant.
        restaurant_id: RestaurantId => Restaurants Cascade,
        /// Kind of call, e.g. `chat-completion`.
        call_type: String,
        /// The guest's session.
        customer_session_id: Option<String>,
        /// Tokens used.
        token_count: Option<i32>,
        /// Duration in milliseconds.
        duration_ms: Option<i32>,
        /// When.
        called_at: Timestamp,
    }
}
