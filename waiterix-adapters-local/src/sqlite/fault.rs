//! What SQLite's failures mean to a caller.

use std::time::Duration;

use waiterix_domain::{Table, UniqueRule};
use waiterix_ports::{Error, ErrorKind, Retry, Violation};

const FOREIGN_KEY: i32 = 787;
const PRIMARY_KEY: i32 = 1555;
const UNIQUE: i32 = 2067;

/// The extended result code and the message, if SQLite itself refused. Messages name columns and never hold values.
fn refusal(error: &sqlx::Error) -> Option<(i32, &str)> {
    let error = error.as_database_error()?;
    Some((error.code()?.parse().ok()?, error.message()))
}

/// An error of the port. `retry` says what is known about the effect of the failed statement.
pub(super) fn of(error: &sqlx::Error, operation: &'static str, retry: Retry) -> Error {
    let Some((code, message)) = refusal(error) else {
        let kind = match error {
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => ErrorKind::Corrupt,
            _ => ErrorKind::Unavailable,
        };
        return Error::new(kind, operation).retry(retry).with("fault", error);
    };
    // The low byte of an extended code is the plain one.
    let (kind, retry) = match code & 0xff {
        5 | 6 => (ErrorKind::Unavailable, busy(retry)),
        3 | 8 | 23 => (ErrorKind::Denied, Retry::No),
        9 => (ErrorKind::Timeout, retry),
        11 | 26 => (ErrorKind::Corrupt, Retry::No),
        18..=20 => (ErrorKind::Invalid, Retry::No),
        _ => (ErrorKind::Unavailable, retry),
    };
    Error::new(kind, operation).retry(retry).with("sqlite_code", code).with("fault", message)
}

fn busy(retry: Retry) -> Retry {
    if retry == Retry::Safe { Retry::After(Duration::from_millis(100)) } else { retry }
}

/// The error after [`close`](super::SqliteStore::close).
pub(super) fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, operation).with("fault", "the store was closed")
}

/// Which promise of the schema a statement broke, if that is why it failed.
pub(super) fn violation(error: &sqlx::Error) -> Option<Violation> {
    match refusal(error)? {
        (FOREIGN_KEY, _) => Some(Violation::ForeignKey),
        (PRIMARY_KEY | UNIQUE, message) => rule_of(message).map(Violation::Unique),
        _ => None,
    }
}

/// Whether a statement failed because of what it was to write, so that nothing else is concerned.
pub(super) fn is_about_content(error: &sqlx::Error) -> bool {
    refusal(error).is_some_and(|(code, _)| matches!(code & 0xff, 18..=20))
}

/// SQLite names an index over expressions as `index 'name'`, and any other by its columns: `table.a, table.b`.
fn rule_of(message: &str) -> Option<UniqueRule> {
    let what = message.strip_prefix("UNIQUE constraint failed: ")?;
    if let Some(name) = what.strip_prefix("index '").and_then(|rest| rest.strip_suffix('\'')) {
        return UniqueRule::ALL.iter().copied().find(|rule| rule.index_name() == name);
    }
    let table = Table::named(what.split('.').next()?)?;
    let columns: Vec<_> = what.split(", ").filter_map(|column| column.split_once('.').map(|c| c.1)).collect();
    let columns = columns.join(", ");
    if columns == "id" {
        return Some(UniqueRule::PrimaryKey(table));
    }
    UniqueRule::ALL.iter().copied().find(|rule| rule.table() == table && rule.expressions() == columns)
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;
    use sqlx::sqlite::SqliteConnection;

    use super::*;

    #[tokio::test]
    async fn failures_of_the_surroundings_are_told_apart_from_faults_of_the_content() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let setup = "PRAGMA max_page_count = 3; CREATE TABLE t (a INTEGER NOT NULL, b BLOB) STRICT";
        sqlx::raw_sql(setup).execute(&mut connection).await.unwrap();
        for (sql, kind, about_content) in [
            ("INSERT INTO t VALUES (1, zeroblob(100000))", ErrorKind::Unavailable, false),
            ("INSERT INTO t VALUES (NULL, NULL)", ErrorKind::Invalid, true),
            ("INSERT INTO t VALUES ('text', NULL)", ErrorKind::Invalid, true),
            ("PRAGMA query_only = ON; INSERT INTO t VALUES (1, NULL)", ErrorKind::Denied, false),
        ] {
            let error = sqlx::raw_sql(sql).execute(&mut connection).await.unwrap_err();
            assert_eq!(of(&error, "store.commit", Retry::Safe).kind(), kind, "{sql}: {error}");
            assert_eq!(is_about_content(&error), about_content, "{sql}: {error}");
            assert_eq!(violation(&error), None, "{sql}: {error}");
        }
    }

    #[test]
    fn every_rule_is_recognised_in_both_ways_sqlite_names_it() {
        for rule in UniqueRule::ALL {
            let by_name = format!("UNIQUE constraint failed: index '{}'", rule.index_name());
            assert_eq!(rule_of(&by_name), Some(*rule));
            if !rule.expressions().contains('(') {
                let columns: Vec<_> =
                    rule.expressions().split(", ").map(|c| format!("{}.{c}", rule.table().name())).collect();
                let by_columns = format!("UNIQUE constraint failed: {}", columns.join(", "));
                assert_eq!(rule_of(&by_columns), Some(*rule), "{by_columns}");
            }
        }
        for table in Table::ALL {
            let message = format!("UNIQUE constraint failed: {}.id", table.name());
            assert_eq!(rule_of(&message), Some(UniqueRule::PrimaryKey(*table)));
        }
        assert_eq!(rule_of("UNIQUE constraint failed: orders.subtotal"), None);
    }
}
