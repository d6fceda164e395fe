//! The report as a CSV text.

use std::collections::HashMap;

use ::time::macros::format_description;

use super::cell::{cell, quoted_cell};
use super::{Figures, ReportRange};
use crate::Timestamp;
use crate::facts::LabelledOrder;
use crate::schema::OrderItem;

const DETAIL_COLUMNS: &str =
    "Order ID,Date,Time,Table,Status,Items,Subtotal,Tax,Tip,Total,Payment Method,Payment Status";

/// What a report is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Report<'a> {
    /// The restaurant's name.
    pub restaurant: &'a str,
    /// The period.
    pub range: &'a ReportRange,
    /// The orders of the period in the order they are listed: newest first.
    pub orders: &'a [LabelledOrder],
    /// The lines of those orders, in order within each; lines of other orders are ignored.
    pub items: &'a [OrderItem],
    /// When the report is made.
    pub generated: Timestamp,
}

/// Writes the report: lines separated by a line feed, none at the end.
///
/// The item cell is always quoted, other cells only where CSV needs it; a text that a spreadsheet would take for a
/// formula is guarded by an apostrophe.
#[must_use]
pub fn sheet(report: &Report<'_>) -> String {
    let figures = Figures::of(report.orders);
    let mut lines = head(report, &figures);
    let mut items: HashMap<&str, Vec<&OrderItem>> = HashMap::new();
    for item in report.items {
        items.entry(item.order_id.as_str()).or_default().push(item);
    }
    lines.extend(report.orders.iter().map(|labelled| {
        let items = items.get(labelled.order.id.as_str()).map_or(&[][..], Vec::as_slice);
        order_line(labelled, items)
    }));
    lines.join("\n")
}

fn head(report: &Report<'_>, figures: &Figures) -> Vec<String> {
    vec![
        cell(&format!("Financial Report for {}", report.restaurant)),
        format!("Period: {} to {}", report.range.start(), report.range.end()),
        format!("Generated: {}", report.generated),
        String::new(),
        "=== SUMMARY ===".to_owned(),
        format!("Total Orders,{}", figures.orders),
        format!("Completed Orders,{}", figures.completed),
        format!("Cancelled Orders,{}", figures.cancelled),
        String::new(),
        format!("Total Subtotal,{}", figures.subtotal),
        format!("Total Tax,{}", figures.tax),
        format!("Total Tips,{}", figures.tip),
        format!("Total Revenue,{}", figures.revenue),
        format!("Average Order Value,{}", figures.average),
        String::new(),
        "=== PAYMENT METHODS ===".to_owned(),
        format!("Online Payments,{}", figures.online),
        format!("Cash Payments,{}", figures.cash),
        String::new(),
        "=== ORDER DETAILS ===".to_owned(),
        DETAIL_COLUMNS.to_owned(),
    ]
}

fn order_line(labelled: &LabelledOrder, items: &[&OrderItem]) -> String {
    let order = &labelled.order;
    let (date, time) = date_and_time(order.created_at);
    let table = crate::order::table_label(order, labelled.table_number.as_deref());
    let dishes =
        items.iter().map(|item| format!("{}x {}", item.quantity, item.name)).collect::<Vec<_>>().join("; ");
    [
        cell(order.id.as_str()),
        date,
        time,
        cell(table.as_deref().unwrap_or("N/A")),
        cell(order.status.as_str()),
        quoted_cell(&dishes),
        order.subtotal.to_string(),
        order.tax.to_string(),
        order.tip.to_string(),
        order.total.to_string(),
        cell(order.payment_method.as_str()),
        cell(order.payment_status.as_str()),
    ]
    .join(",")
}

/// The date and the time of day in UTC.
fn date_and_time(at: Timestamp) -> (String, String) {
    let at = at.to_utc();
    // Every timestamp lies within the years 1 to 9999, for which neither format can fail.
    let date = at.format(format_description!("[year]-[month]-[day]")).unwrap_or_default();
    let time = at.format(format_description!("[hour]:[minute]:[second]")).unwrap_or_default();
    (date, time)
}

#[cfg(test)]
#[path = "sheet_tests.rs"]
mod tests;
