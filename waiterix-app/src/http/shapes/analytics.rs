//! How often guests scan and ask.

use serde::Serialize;
use utoipa::ToSchema;
use waiterix_domain::analytics::{Period, Tally};

/// The figures of a period.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    period: &'static str,
    table_scans: TableScans,
    ai_calls: AiCalls,
}

/// Scans of QR codes.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableScans {
    total_scans: u64,
    /// Most frequent first, then by label.
    scans_by_table: Vec<ScansOfTable>,
}

/// Scans of one table.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScansOfTable {
    /// The label stored with the scan, `Unknown` without one.
    table_number: String,
    count: u64,
}

/// Calls of AI services.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AiCalls {
    total_calls: u64,
    /// Most frequent first, then by type.
    calls_by_type: Vec<CallsOfType>,
}

/// Calls of one type.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallsOfType {
    call_type: String,
    count: u64,
}

impl Stats {
    /// Puts the figures of a period together.
    #[must_use]
    pub fn new(period: Period, scans: Tally, calls: Tally) -> Self {
        let scans_by_table = scans
            .by_label
            .into_iter()
            .map(|(table_number, count)| ScansOfTable { table_number, count })
            .collect();
        let calls_by_type =
            calls.by_label.into_iter().map(|(call_type, count)| CallsOfType { call_type, count }).collect();
        Self {
            period: period.as_str(),
            table_scans: TableScans { total_scans: scans.total, scans_by_table },
            ai_calls: AiCalls { total_calls: calls.total, calls_by_type },
        }
    }
}
