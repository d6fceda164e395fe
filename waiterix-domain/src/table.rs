//! Tables with QR codes.

use crate::id::RestaurantId;
use crate::schema::{Restaurant, RestaurantTable, Table};
use crate::text::{Faults, natural_order};
use crate::{Decision, Env, Rejection};

/// The longest label in characters.
const MAX_LABEL_CHARS: usize = 50;

/// Tables in the order in which people expect their labels.
#[must_use]
pub fn sorted(mut tables: Vec<RestaurantTable>) -> Vec<RestaurantTable> {
    tables.sort_by(|a, b| natural_order(&a.table_number, &b.table_number).then_with(|| a.id.cmp(&b.id)));
    tables
}

pub(crate) fn new_table(restaurant: &RestaurantId, label: &str, env: &mut Env<'_>) -> RestaurantTable {
    RestaurantTable {
        id: env.id(),
        restaurant_id: restaurant.clone(),
        table_number: label.to_owned(),
        qr_code_url: None,
        created_at: env.now,
    }
}

fn check_label(label: &str) -> Result<(), Rejection> {
    let mut faults = Faults::default();
    faults.text("tableNumber", label, 1..=MAX_LABEL_CHARS);
    faults.refuse("Invalid table data")
}

/// A QR code names the label only, so two tables of one label could not be told apart (D28, D29).
fn must_be_free<'a>(
    label: &str,
    mut others: impl Iterator<Item = &'a RestaurantTable>,
) -> Result<(), Rejection> {
    let folded = label.to_lowercase();
    if others.any(|other| other.table_number.to_lowercase() == folded) {
        return Err(Rejection::conflict("Table number already exists"));
    }
    Ok(())
}

/// Adds a table. The label is trimmed and then has 1 to 50 characters.
///
/// # Errors
/// `Invalid` for a bad label, `Conflict` for one in use, whatever the case.
pub fn add(
    restaurant: &Restaurant,
    tables: &[RestaurantTable],
    label: &str,
    env: &mut Env<'_>,
) -> Result<Decision<RestaurantTable>, Rejection> {
    let label = label.trim();
    check_label(label)?;
    must_be_free(label, tables.iter())?;
    let table = new_table(&restaurant.id, label, env);
    Ok(Decision::new(env.changes().insert(table.clone()), table))
}

/// One of a restaurant's tables.
///
/// # Errors
/// `NotFound` for any other.
pub fn find<'a>(tables: &'a [RestaurantTable], id: &str) -> Result<&'a RestaurantTable, Rejection> {
    tables.iter().find(|table| table.id.as_str() == id).ok_or_else(|| Rejection::not_found("Table not found"))
}

/// Gives a table another label.
///
/// # Errors
/// `NotFound` unless it is one of the restaurant's tables, then `Invalid` for a bad label and `Conflict` for one in use.
pub fn rename(
    tables: &[RestaurantTable],
    id: &str,
    label: Option<&str>,
    env: &mut Env<'_>,
) -> Result<Decision<RestaurantTable>, Rejection> {
    let table = find(tables, id)?;
    let label = label.map(str::trim).filter(|label| !label.is_empty());
    let label = label.ok_or_else(|| Rejection::invalid("Table number is required and cannot be empty"))?;
    check_label(label)?;
    must_be_free(label, tables.iter().filter(|other| other.id != table.id))?;
    let after = RestaurantTable { table_number: label.to_owned(), ..table.clone() };
    Ok(Decision::new(env.changes().update(table.clone(), after.clone()), after))
}

/// Removes a table. Orders keep the label they were placed with (D31).
///
/// # Errors
/// `NotFound` unless it is one of the restaurant's tables.
pub fn remove(tables: &[RestaurantTable], id: &str, env: &mut Env<'_>) -> Result<Decision<()>, Rejection> {
    let table = find(tables, id)?;
    Ok(Decision::new(env.changes().delete(Table::RestaurantTables, &table.id), ()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{decide, row};
    use crate::{Change, RejectionKind, Row, Timestamp};

    fn table(id: &str, label: &str) -> RestaurantTable {
        RestaurantTable { restaurant_id: "r".into(), table_number: label.to_owned(), ..row(id) }
    }

    fn with_env<T>(decision: impl FnOnce(&mut Env<'_>) -> T) -> T {
        decide(Timestamp::EPOCH, decision)
    }

    #[test]
    fn d30_tables_come_in_natural_order_and_ties_by_id() {
        let tables = ["10", "2", "VIP", "1", "2"].iter().enumerate();
        let tables = sorted(tables.map(|(place, label)| table(&format!("t{place}"), label)).collect());
        let labels: Vec<_> = tables.iter().map(|t| (t.table_number.as_str(), t.id.as_str())).collect();
        assert_eq!(labels, [("1", "t3"), ("2", "t1"), ("2", "t4"), ("10", "t0"), ("VIP", "t2")]);
    }

    #[test]
    fn d28_labels_are_trimmed_not_empty_and_unique_whatever_the_case() {
        let tables = [table("t1", "VIP"), table("t2", "Ä")];
        let added = with_env(|env| add(&row("r"), &tables, "  Terrace 1 ", env)).unwrap();
        assert_eq!(added.reply.table_number, "Terrace 1");
        assert_eq!(added.changes.changes(), [Change::Insert(Row::from(added.reply.clone()))]);
        for taken in ["vip", " VIP", "ä"] {
            let refused = with_env(|env| add(&row("r"), &tables, taken, env)).unwrap_err();
            assert_eq!(
                (refused.kind, refused.message.as_str()),
                (RejectionKind::Conflict, "Table number already exists")
            );
        }
        for bad in ["", "   ", &"x".repeat(51), "a\0b"] {
            let refused = with_env(|env| add(&row("r"), &tables, bad, env)).unwrap_err();
            assert_eq!(refused.message, "Invalid table data");
            assert_eq!(refused.errors[0].path, ["tableNumber"]);
        }
        assert!(with_env(|env| add(&row("r"), &tables, &"ü".repeat(50), env)).is_ok());
    }

    #[test]
    fn d29_renaming_follows_the_same_rules_but_a_table_may_keep_its_own_label() {
        let tables = [table("t1", "1"), table("t2", "2")];
        let renamed = with_env(|env| rename(&tables, "t1", Some(" 3 "), env)).unwrap();
        assert_eq!(renamed.reply.table_number, "3");
        assert!(with_env(|env| rename(&tables, "t1", Some("1"), env)).is_ok());
        let refuse =
            |id: &str, label: Option<&str>| with_env(|env| rename(&tables, id, label, env)).unwrap_err();
        assert_eq!(refuse("t1", Some("2")).kind, RejectionKind::Conflict);
        assert_eq!(refuse("elsewhere", Some("9")).message, "Table not found");
        for empty in [None, Some(""), Some("  ")] {
            assert_eq!(refuse("t1", empty).message, "Table number is required and cannot be empty");
        }
        assert_eq!(refuse("t1", Some(&"x".repeat(51))).message, "Invalid table data");
    }

    #[test]
    fn only_a_table_of_the_restaurant_is_removed() {
        let tables = [table("t1", "1")];
        let removed = with_env(|env| remove(&tables, "t1", env)).unwrap();
        assert_eq!(removed.changes.changes().len(), 1);
        assert_eq!(with_env(|env| remove(&tables, "t2", env)).unwrap_err().message, "Table not found");
    }
}
