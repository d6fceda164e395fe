//! Recorded scans and AI calls, and how often they happened.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use ::time::{Date, Month, OffsetDateTime};

use crate::facts::ScanFacts;
use crate::schema::{AiCallEvent, Restaurant, RestaurantTable, TableScanEvent};
use crate::text::Faults;
use crate::{Decision, Env, Rejection, Timestamp};

/// The longest table label a scan may name; no table has a longer one.
const MAX_LABEL_CHARS: usize = 50;
/// The longest kind of AI call.
const MAX_CALL_TYPE_CHARS: usize = 50;
/// The longest session id; no guest has a longer one.
const MAX_SESSION_CHARS: usize = 128;
/// What counts without a label are called.
const NO_LABEL: &str = "Unknown";
const WEEK_SECONDS: i64 = 7 * 86_400;

/// A guest scanned a QR code.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordScan {
    /// A table id, or a label in old QR codes.
    pub table: Option<String>,
    /// The label as the guest's page knows it.
    pub table_number: Option<String>,
}

/// An AI service was called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordAiCall {
    /// Kind of call: `a` to `z`, digits, `_` and `-`.
    pub call_type: String,
    /// The guest's session.
    pub customer_session_id: Option<String>,
    /// Tokens used.
    pub token_count: Option<i32>,
    /// Duration in milliseconds.
    pub duration_ms: Option<i32>,
}

/// Records a scan. A table that is not the restaurant's is left out, and the label is looked up when it was not sent.
///
/// # Errors
/// `Invalid` for a label no table can have, then `NotFound` for an unknown restaurant.
pub fn record_scan(
    facts: Option<&ScanFacts>,
    command: &RecordScan,
    env: &mut Env<'_>,
) -> Result<Decision<()>, Rejection> {
    let mut faults = Faults::default();
    if let Some(label) = &command.table_number {
        faults.text("tableNumber", label, 0..=MAX_LABEL_CHARS);
    }
    faults.refuse("Invalid table scan")?;
    let facts = facts.ok_or_else(unknown_restaurant)?;
    let table = command.table.as_deref().and_then(|named| table_named(&facts.tables, named));
    let sent = command.table_number.clone().filter(|label| !label.is_empty());
    let event = TableScanEvent {
        id: env.id(),
        restaurant_id: facts.restaurant.id.clone(),
        table_id: table.map(|table| table.id.clone()),
        table_number: sent.or_else(|| table.map(|table| table.table_number.clone())),
        scanned_at: env.now,
    };
    Ok(Decision::new(env.changes().insert(event), ()))
}

/// The table with this id, else the one with this label.
fn table_named<'a>(tables: &'a [RestaurantTable], named: &str) -> Option<&'a RestaurantTable> {
    let by_id = tables.iter().find(|table| table.id.as_str() == named);
    by_id.or_else(|| tables.iter().find(|table| table.table_number == named))
}

/// Records a call of an AI service.
///
/// # Errors
/// `Invalid` for a malformed kind of call or a negative number, then `NotFound` for an unknown restaurant.
pub fn record_ai_call(
    restaurant: Option<&Restaurant>,
    command: &RecordAiCall,
    env: &mut Env<'_>,
) -> Result<Decision<()>, Rejection> {
    let mut faults = Faults::default();
    faults.text("callType", &command.call_type, 1..=MAX_CALL_TYPE_CHARS);
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    if !command.call_type.bytes().all(plain) {
        faults.add("callType", "must consist of a-z, 0-9, _ and -");
    }
    if let Some(session) = &command.customer_session_id {
        faults.text("customerSessionId", session, 0..=MAX_SESSION_CHARS);
    }
    for (field, number) in [("tokenCount", command.token_count), ("durationMs", command.duration_ms)] {
        if number.is_some_and(i32::is_negative) {
            faults.add(field, "must not be negative");
        }
    }
    faults.refuse("Invalid AI call")?;
    let restaurant = restaurant.ok_or_else(unknown_restaurant)?;
    let event = AiCallEvent {
        id: env.id(),
        restaurant_id: restaurant.id.clone(),
        call_type: command.call_type.clone(),
        customer_session_id: command.customer_session_id.clone(),
        token_count: command.token_count,
        duration_ms: command.duration_ms,
        called_at: env.now,
    };
    Ok(Decision::new(env.changes().insert(event), ()))
}

fn unknown_restaurant() -> Rejection {
    Rejection::not_found("Restaurant not found")
}

/// How far statistics look back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// The last 7 × 24 hours.
    Week,
    /// Since the same day and time of the calendar month before.
    Month,
    /// All time.
    Lifetime,
}

impl Period {
    /// Reads the word of a period; none means all time.
    ///
    /// # Errors
    /// `Invalid` for any other word (D87).
    pub fn parse(word: Option<&str>) -> Result<Self, Rejection> {
        match word.unwrap_or_default() {
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            "lifetime" | "" => Ok(Self::Lifetime),
            _ => Err(Rejection::invalid("Invalid period")),
        }
    }

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Week => "week",
            Self::Month => "month",
            Self::Lifetime => "lifetime",
        }
    }

    /// The first instant of the period (inclusive); `None` for all time.
    #[must_use]
    pub fn since(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Week => Some(now.plus_seconds(-WEEK_SECONDS)),
            Self::Month => Some(month_before(now)),
            Self::Lifetime => None,
        }
    }
}

/// The same day and time one calendar month earlier; the last day of that month when it has no such day.
fn month_before(now: Timestamp) -> Timestamp {
    let at: OffsetDateTime = now.to_utc();
    let year = if at.month() == Month::January { at.year() - 1 } else { at.year() };
    let month = at.month().previous();
    let day = at.day().min(month.length(year));
    // The day exists, and only a clock in January of the year 1 has no month before it: there the year begins.
    let date = Date::from_calendar_date(year, month, day).unwrap_or(Date::MIN);
    let days = (at.date() - date).whole_days();
    now.plus_seconds(-days * 86_400)
}

/// How often each thing happened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// All together.
    pub total: u64,
    /// By label, most frequent first, then by label.
    pub by_label: Vec<(String, u64)>,
}

/// Adds counts up and orders them. What has no label is called `Unknown`.
#[must_use]
pub fn tally(counts: impl IntoIterator<Item = (String, u64)>) -> Tally {
    // A table may really be called like that, so equal names are added up.
    let mut by_label: BTreeMap<String, u64> = BTreeMap::new();
    for (label, count) in counts {
        let label = if label.is_empty() { NO_LABEL.to_owned() } else { label };
        *by_label.entry(label).or_default() += count;
    }
    let total = by_label.values().sum();
    let mut by_label: Vec<(String, u64)> = by_label.into_iter().collect();
    by_label.sort_by_key(|(_, count)| Reverse(*count));
    Tally { total, by_label }
}

#[cfg(test)]
#[path = "analytics_tests.rs"]
mod tests;
