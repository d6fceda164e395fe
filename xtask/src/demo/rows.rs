//! Rows of the old side: real orders, made-up ones, sessions.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::command::{Failure, root};
use crate::psql::Database;

/// Where the file of real orders is looked for unless a variable says otherwise, from the workspace's folder.
const ORDERS_FILE: &str = "../shared/data/restaurant-orders.tsv";
/// The variable that names the file.
const ORDERS_VARIABLE: &str = "WAITERIX_ORDERS_TSV";
const HEAD: &str = "order_id\tquantity\titem_name\tchoice_description\titem_price";
/// The tables of the old system as its first migration made them; the tests of the schema begin with the same.
const OLD_SCHEMA: &str = include_str!("../../../waiterix-postgres/tests/states/base.sql");

/// Makes the tables of the old system in an empty database.
pub(crate) fn old_schema(database: &Database) -> Result<(), Failure> {
    database.script(OLD_SCHEMA, &[]).map(drop)
}

/// Fills the old side and says where the real orders are from.
pub(crate) fn fill(database: &Database, orders: u32, sessions: u32) -> Result<String, Failure> {
    let (published, from) = published()?;
    let real = [include_str!("rows/published.sql"), &published, include_str!("rows/real.sql")].join("\n");
    database.script(&real, &[])?;
    let [orders, sessions] = [orders, sessions].map(|count| count.to_string());
    database.script(include_str!("rows/synthetic.sql"), &[("orders", &orders), ("sessions", &sessions)])?;
    Ok(from)
}

/// SQL that puts the lines of real orders, or made-up ones, into their table; and where they are from.
fn published() -> Result<(String, String), Failure> {
    #[allow(clippy::disallowed_methods, reason = "the tests find the file by the same variable")]
    let given = std::env::var_os(ORDERS_VARIABLE).map(PathBuf::from);
    let path = given.clone().unwrap_or_else(|| root().join(ORDERS_FILE));
    if given.is_none() && !path.exists() {
        let from = format!("made up: {ORDERS_FILE} is not there and {ORDERS_VARIABLE} is not set");
        return Ok((include_str!("rows/made_up.sql").to_owned(), from));
    }
    let text =
        fs::read_to_string(&path).map_err(|error| Failure::Said(format!("{}: {error}", path.display())))?;
    let count = text.lines().count().saturating_sub(1);
    Ok((copy(&text)?, format!("{count} lines of real orders")))
}

/// The file as a COPY of psql's. NULL stands for nothing; nothing else is special in the file.
fn copy(text: &str) -> Result<String, Failure> {
    let mut lines = text.lines();
    if lines.next() != Some(HEAD) {
        return Err(Failure::Said("the file of orders has other columns".to_owned()));
    }
    let mut sql = String::from(
        "COPY published (order_id, quantity, item_name, choice_description, item_price) FROM stdin WITH (NULL 'NULL');\n",
    );
    for line in lines {
        // In the text format of COPY a backslash begins an escape.
        let _ = writeln!(sql, "{}", line.replace('\\', "\\\\"));
    }
    sql.push_str("\\.\n");
    Ok(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_a_copy_with_nothing_special_in_them() {
        let sql = copy(&format!("{HEAD}\n1\t2\tChips\\Salsa\tNULL\t$2.39 \n")).unwrap();
        assert!(sql.ends_with("NULL 'NULL');\n1\t2\tChips\\\\Salsa\tNULL\t$2.39 \n\\.\n"), "{sql}");
        assert!(copy("another\thead\n").is_err());
    }
}
