//! Orders: placing them, moving them on, cancelling them.

pub(crate) mod note;
mod place;
mod progress;
mod state;
mod totals;

#[cfg(test)]
mod place_tests;

use rust_decimal::Decimal;

pub use note::MAX_NOTE_CHARS;
pub use place::{MAX_LINES, MAX_QUANTITY, PlaceOrder, PlacedLine, place};
pub use progress::{CancelOrder, Cancelled, cancel, change_status};
pub use totals::{ShownTotals, TAX_TOLERANCE_HUNDREDTHS, TOTAL_TOLERANCE_HUNDREDTHS, Totals};

use crate::id::{OrderId, TableId};
use crate::schema::{Order, RestaurantTable};
use crate::tax::DEFAULT_WEB_RATE;
use crate::time::Timestamp;

/// How long a completed order stays in the dashboard's list, counted from when it was placed. It stays stored for ever.
pub const COMPLETED_SHOWN_MS: i64 = 24 * 60 * 60 * 1_000;

/// How long an `Idempotency-Key` is remembered.
pub const IDEMPOTENCY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What is configured about orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRules {
    /// Tax of the web checkout as a fraction (0.10 for ten percent).
    pub web_tax_rate: Decimal,
}

impl Default for OrderRules {
    fn default() -> Self {
        Self { web_tax_rate: DEFAULT_WEB_RATE }
    }
}

/// From when on completed orders are in the dashboard's list.
#[must_use]
pub const fn completed_since(now: Timestamp) -> Timestamp {
    now.plus_millis(-COMPLETED_SHOWN_MS)
}

/// The number people know an order by: the first eight characters of its id, in capitals.
#[must_use]
pub fn number(order: &OrderId) -> String {
    order.as_str().chars().take(8).flat_map(char::to_uppercase).collect()
}

/// The label to show for an order: that of its table now, else the one the table had when the order was placed (D31).
#[must_use]
pub fn table_label(order: &Order, current: Option<&str>) -> Option<String> {
    current.map(str::to_owned).or_else(|| order.table_number.clone())
}

/// The table a guest's text means: the one with this id, else the one with this label. `tables` are those of one
/// restaurant, so that a table of another one is never found.
pub(crate) fn named_table<'a>(
    tables: &'a [RestaurantTable],
    text: Option<&str>,
) -> Option<&'a RestaurantTable> {
    let text = text?;
    let by_id = tables.iter().find(|table| table.id == TableId::from(text));
    by_id.or_else(|| tables.iter().find(|table| table.table_number == text))
}

/// An order as guests may see it: without the payment providers' references (D52).
#[must_use]
pub fn for_guests(order: &Order) -> Order {
    Order {
        stripe_payment_intent_id: None,
        paystack_reference: None,
        telr_transaction_ref: None,
        adyen_psp_reference: None,
        ..order.clone()
    }
}
