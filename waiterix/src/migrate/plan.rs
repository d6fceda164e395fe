//! `waiterix migrate plan`: what would move, and what stands in the way.

use serde_json::{Value, json};
use waiterix_ports::moving::Survey;

use super::checks::{self, Found};
use super::databases::Move;
use super::evidence;
use super::options::Look;
use super::show::{size, spoken};
use crate::banner;

pub(super) async fn plan(rows: &Move, options: &Look) -> Result<(), String> {
    let found = checks::look(&rows.sides).await?;
    let json = as_json(&found);
    if options.json {
        banner::say(&json.to_string());
    } else {
        banner::say(&text(&found));
    }
    if let Some(folder) = &options.report {
        evidence::write(folder, "plan", &json)?;
    }
    refused(&found)
}

/// Everything that stands in the way, as a failure.
pub(super) fn refused(found: &Found) -> Result<(), String> {
    if found.refusals.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = found.refusals.iter().map(|refusal| format!("\n  {refusal}")).collect();
    Err(format!("the move cannot begin, and nothing was changed:{}", list.concat()))
}

fn side(survey: &Survey) -> Value {
    json!({
        "version": survey.version,
        "clockAheadMs": survey.clock_ahead_ms,
        "mode": survey.standing.map(|standing| standing.mode.as_str()),
    })
}

fn as_json(found: &Found) -> Value {
    let tables: Vec<Value> = found
        .old
        .tables
        .iter()
        .map(|table| json!({ "table": table.name, "rows": table.rows, "bytes": table.bytes }))
        .collect();
    json!({
        "port": "rows",
        "begun": found.is_begun(),
        "old": side(&found.old),
        "new": side(&found.new),
        "rows": found.rows(),
        "bytes": found.bytes(),
        "seconds": found.estimate.map(|estimate| estimate.as_secs()),
        "tables": tables,
        "unguarded": found.unguarded(),
        "refusals": found.refusals,
    })
}

fn text(found: &Found) -> String {
    let mut lines = vec![
        format!("from  PostgreSQL {}", found.old.version),
        format!("to    PostgreSQL {}", found.new.version),
        String::new(),
    ];
    for table in &found.old.tables {
        lines.push(format!("{:>12} rows {:>12}  {}", table.rows, size(table.bytes), table.name));
    }
    lines.push(format!(
        "{:>12} rows {:>12}  in all, as the server estimates",
        found.rows(),
        size(found.bytes())
    ));
    if let Some(estimate) = found.estimate {
        lines.push(format!(
            "\nthe copy takes about {}, by the speed at which a part was read now",
            spoken(estimate)
        ));
        lines.push(format!("the new server needs about {} of free space", size(found.bytes() * 3 / 2)));
    }
    if found.is_begun() {
        lines.push("a move was begun already: see `waiterix migrate status`".to_owned());
        lines.extend(found.unguarded());
    }
    lines.join("\n")
}
