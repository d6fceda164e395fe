//! What is wrong with a set of changes that no store needs to be asked about.

use waiterix_domain::value::Value;
use waiterix_domain::{Change, ChangeSet, Requirement, Row};

/// What no state of any store would take; adapters call this first.
#[must_use]
pub fn fault_of(changes: &ChangeSet) -> Option<&'static str> {
    if changes.changes().len() > ChangeSet::MAX_CHANGES {
        return Some("too many changes");
    }
    if changes.id().as_str().contains('\0') {
        return Some("a text with U+0000");
    }
    changes.changes().iter().find_map(fault_of_change)
}

fn fault_of_change(change: &Change) -> Option<&'static str> {
    let has_nul = match change {
        Change::Insert(row) | Change::Require(Requirement::Unchanged(row)) => row_has_nul(row),
        Change::Update { before, after } if before.row_key() != after.row_key() => {
            return Some("an update of another key");
        }
        Change::Update { before, after } => row_has_nul(before) || row_has_nul(after),
        Change::Delete(key) | Change::Require(Requirement::Absent(key) | Requirement::Present(key)) => {
            key.id.contains('\0')
        }
        Change::Add { id, .. } => id.contains('\0'),
    };
    has_nul.then_some("a text with U+0000")
}

fn row_has_nul(row: &Row) -> bool {
    row.to_values().iter().any(|value| match value {
        Value::Text(text) => text.contains('\0'),
        Value::TextArray(texts) => texts.iter().any(|text| text.contains('\0')),
        Value::Json(json) => json_has_nul(json),
        _ => false,
    })
}

fn json_has_nul(json: &serde_json::Value) -> bool {
    match json {
        serde_json::Value::String(text) => text.contains('\0'),
        serde_json::Value::Array(elements) => elements.iter().any(json_has_nul),
        serde_json::Value::Object(members) => {
            members.iter().any(|(name, member)| name.contains('\0') || json_has_nul(member))
        }
        _ => false,
    }
}
