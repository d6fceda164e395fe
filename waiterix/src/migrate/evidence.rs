//! Evidence: what was done and found, for those who ask later. No values of rows are in it.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use waiterix_migration::rows::{Found, Report};
use waiterix_ports::moving::Hashing;

/// A comparison as JSON.
pub(super) fn of_report(report: &Report) -> Value {
    let tables: Vec<Value> = report
        .tables
        .iter()
        .map(|table| {
            let differences: Vec<Value> = table
                .differences
                .iter()
                .map(|difference| {
                    let (what, columns) = match &difference.found {
                        Found::Missing => ("missing", Vec::new()),
                        Found::Extra => ("extra", Vec::new()),
                        Found::Differs { columns } => ("differs", columns.clone()),
                    };
                    json!({ "id": difference.key.id, "what": what, "columns": columns })
                })
                .collect();
            json!({
                "table": table.table, "rows": table.rows, "ranges": table.leaves, "unequalRanges": table.unequal.len(),
                "differences": differences, "restless": table.restless,
            })
        })
        .collect();
    json!({
        "clean": report.is_clean(),
        "leader": report.direction.leader.as_str(),
        "epoch": report.direction.epoch,
        "began": report.began.to_string(),
        "ended": report.ended.to_string(),
        "how": how(report.hashing),
        "tables": tables,
    })
}

/// The same without the names of keys, for the ledger.
pub(super) fn summary(report: &Report) -> Value {
    let count =
        |of: fn(&waiterix_migration::rows::TableReport) -> u64| report.tables.iter().map(of).sum::<u64>();
    json!({
        "clean": report.is_clean(),
        "leader": report.direction.leader.as_str(),
        "how": how(report.hashing),
        "tables": report.tables.len(),
        "rows": count(|table| table.rows),
        "ranges": count(|table| table.leaves),
        "differences": count(|table| table.differences.len() as u64),
        "restless": count(|table| table.restless),
        "began": report.began.to_string(),
        "ended": report.ended.to_string(),
    })
}

const fn how(hashing: Hashing) -> &'static str {
    match hashing {
        Hashing::Record => {
            "rows, and two combinations of the server's 64-bit hashes of all columns, by shares of the keys"
        }
        Hashing::Text => {
            "rows, and two combinations of hashes of the text of every column, by shares of the keys"
        }
    }
}

/// Writes evidence into a folder: `<what>.json` for machines and `<what>.md` for people, each whole or not at all. Earlier evidence of
/// the same kind stays, under a name with a number.
pub(super) fn write(folder: &Path, what: &str, evidence: &Value) -> Result<(), String> {
    let said = |error: std::io::Error| format!("cannot write evidence into {}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(said)?;
    let name = (1_u32..)
        .map(|number| if number == 1 { what.to_owned() } else { format!("{what}-{number}") })
        .find(|name| !folder.join(format!("{name}.json")).exists())
        .unwrap_or_else(|| what.to_owned());
    let json = serde_json::to_string_pretty(evidence).map_err(|error| error.to_string())?;
    for (ending, text) in [("md", markdown(what, evidence)), ("json", json)] {
        let unfinished = folder.join(format!(".{name}.{ending}.unfinished"));
        let mut file = fs::File::create(&unfinished).map_err(said)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(said)?;
        fs::rename(&unfinished, folder.join(format!("{name}.{ending}"))).map_err(said)?;
    }
    Ok(())
}

/// Any JSON as a page: values as lists, lists of objects as tables.
fn markdown(title: &str, evidence: &Value) -> String {
    let mut page = format!("# {title}\n");
    section(&mut page, evidence, 2);
    page
}

fn section(page: &mut String, value: &Value, depth: usize) {
    let Value::Object(fields) = value else {
        page.push_str(&format!("\n{}\n", plain(value)));
        return;
    };
    let (deep, flat): (Vec<_>, Vec<_>) = fields.iter().partition(|(_, value)| is_deep(value));
    if !flat.is_empty() {
        page.push('\n');
    }
    for (name, value) in flat {
        page.push_str(&format!("- {name}: {}\n", plain(value)));
    }
    for (name, value) in deep {
        page.push_str(&format!("\n{} {name}\n", "#".repeat(depth.min(6))));
        match value {
            Value::Array(rows) => table(page, rows),
            _ => section(page, value, depth + 1),
        }
    }
}

fn is_deep(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(rows) => rows.iter().any(Value::is_object),
        _ => false,
    }
}

fn table(page: &mut String, rows: &[Value]) {
    let mut columns: Vec<&String> = Vec::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    page.push('\n');
    page.push_str(&line(columns.iter().map(ToString::to_string).collect()));
    page.push_str(&line(columns.iter().map(|_| "---".to_owned()).collect()));
    for row in rows {
        page.push_str(&line(columns.iter().map(|column| plain(&row[column.as_str()])).collect()));
    }
}

fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        other => other.to_string(),
    };
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_a_page_and_a_document_and_earlier_evidence_stays() {
        let folder = tempfile::tempdir().unwrap();
        let evidence =
            json!({ "clean": true, "tables": [{ "table": "orders", "rows": 3 }], "more": { "who": "a|b" } });
        write(folder.path(), "verify", &evidence).unwrap();
        write(folder.path(), "verify", &evidence).unwrap();
        let page = fs::read_to_string(folder.path().join("verify-2.md")).unwrap();
        assert!(page.starts_with("# verify\n\n- clean: true\n"), "{page}");
        assert!(page.contains("| rows | table |\n| --- | --- |\n| 3 | orders |\n"), "{page}");
        assert!(page.contains("## more\n\n- who: a\\|b\n"), "{page}");
        let json: Value =
            serde_json::from_str(&fs::read_to_string(folder.path().join("verify.json")).unwrap()).unwrap();
        assert_eq!(json, evidence);
    }
}
