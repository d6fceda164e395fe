//! The texts of the statements a commit consists of.
//!
//! A text depends on the kinds of changes and on which tables they are about, and on whether there is one row or several,
//! but on no value and no number of rows: several rows come as one array per column. So there are few texts, and they
//! stay prepared.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};
use waiterix_domain::Table;
use waiterix_domain::value::Kind;

use super::program::{Action, Lock};
use crate::bind::parameter_type;
use crate::layout::Layout;

/// What a text depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) layout: usize,
    pub(super) record: bool,
    pub(super) raise: bool,
    pub(super) locks: Vec<(Table, Lock)>,
    pub(super) groups: Vec<(Action, Table, bool)>,
}

/// The texts made so far.
#[derive(Debug, Default)]
pub(crate) struct Texts(Mutex<HashMap<Key, Arc<str>>>);

/// How many texts are kept; there are hardly more kinds of commits than this.
const MAX_TEXTS: usize = 512;

impl Texts {
    pub(super) fn get(&self, key: Key, layout: Layout) -> SqlStr {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = texts.get(&key) {
            return AssertSqlSafe(text.clone()).into_sql_str();
        }
        if texts.len() >= MAX_TEXTS {
            texts.clear();
        }
        let text: Arc<str> = Text::of(&key, layout).into();
        texts.insert(key, text.clone());
        AssertSqlSafe(text).into_sql_str()
    }
}

/// The values an action needs per row: their places in it and their kinds.
pub(super) fn columns(layout: Layout, action: Action, table: Table) -> Vec<(usize, Kind)> {
    let kinds = table.columns();
    let row = || layout.places(table).map(|place| (place, kinds[place].kind));
    match action {
        Action::Insert | Action::Unchanged => row().collect(),
        Action::Update => {
            // The key stands in both rows and is needed once.
            let after = row().skip(1).map(|(place, kind)| (kinds.len() + place, kind));
            row().chain(after).collect()
        }
        Action::Add(_) => vec![(0, Kind::Text), (1, Kind::Int)],
        Action::Present | Action::Absent | Action::Delete => vec![(0, Kind::Text)],
    }
}

/// The gate of everything in a statement that records its commit: nothing is done twice.
const GATE: &str = "(SELECT count(*) FROM record) = 1";

/// A statement that is being written.
struct Text {
    parts: Vec<String>,
    parameters: usize,
    gate: bool,
}

impl Text {
    fn of(key: &Key, layout: Layout) -> String {
        let mut text = Self { parts: Vec::new(), parameters: 0, gate: key.record };
        if key.record {
            text.parameters += 2;
            text.parts.push(
                "record AS (INSERT INTO public.waiterix_commits (id, recorded_at) VALUES ($1, $2) \
                 ON CONFLICT (id) DO NOTHING RETURNING 1)"
                    .to_owned(),
            );
        }
        let mut counts = Vec::new();
        for (number, (table, lock)) in key.locks.iter().enumerate() {
            text.lock(number, *table, *lock);
            counts.push(format!("(SELECT count(*) FROM l{number}) >= 0"));
        }
        let mut answers = Vec::new();
        for (number, (action, table, several)) in key.groups.iter().enumerate() {
            let first = text.parameters + 1;
            text.group(layout, number, *action, *table, *several);
            let expected = if *several { format!("cardinality(${first})") } else { "1".to_owned() };
            let compared =
                if *action == Action::Delete { ">= 0".to_owned() } else { format!("= {expected}") };
            counts.push(format!("(SELECT count(*) FROM g{number}) {compared}"));
            answers.push(match action {
                Action::Insert | Action::Delete => format!("(SELECT count(*) FROM g{number})"),
                _ => format!("ARRAY(SELECT n FROM g{number})"),
            });
        }
        let select = if key.raise {
            raising(key.record, &counts)
        } else {
            // What nobody looks at is not computed, so locks are looked at.
            let record = if key.record { "(SELECT count(*) FROM record)" } else { "1::bigint" };
            let opening = counts.iter().take(key.locks.len()).map(String::as_str);
            let record = format!("CASE WHEN {record} = 0 THEN 0::bigint {}ELSE 1::bigint END", {
                let opening = opening.collect::<Vec<_>>().join(" AND ");
                if opening.is_empty() { opening } else { format!("WHEN {opening} THEN 1::bigint ") }
            });
            if answers.is_empty() { record } else { answers.join(", ") }
        };
        format!("WITH {} SELECT {select}", text.parts.join(", "))
    }

    fn gated(&self, word: &str) -> String {
        if self.gate { format!(" {word} {GATE}") } else { String::new() }
    }

    /// Locks rows of a table in the order of their keys.
    fn lock(&mut self, number: usize, table: Table, lock: Lock) {
        self.parameters += 1;
        let strength = match lock {
            Lock::KeyShare => "KEY SHARE",
            Lock::Share => "SHARE",
            Lock::NoKeyUpdate => "NO KEY UPDATE",
            Lock::Update => "UPDATE",
        };
        self.parts.push(format!(
            "l{number} AS (SELECT 1 FROM public.{} t WHERE t.id = ANY(${}){} ORDER BY t.id FOR {strength})",
            table.name(),
            self.parameters,
            self.gated("AND")
        ));
    }

    /// The rows given, called `u`: a column for each value, and the number of the row.
    fn source(&mut self, columns: &[(usize, Kind)], several: bool) -> String {
        let mut parameters = Vec::with_capacity(columns.len());
        for (place, kind) in columns {
            self.parameters += 1;
            let (number, name) = (self.parameters, parameter_type(*kind).2);
            parameters.push(match several {
                true => format!("${number}::{name}[]"),
                false => format!("${number}::{name} AS c{place}"),
            });
        }
        let parameters = parameters.join(", ");
        if !several {
            return format!("(SELECT {parameters}, 1::bigint AS n) u");
        }
        let names: Vec<_> = columns.iter().map(|(place, _)| format!("c{place}")).collect();
        format!("unnest({parameters}) WITH ORDINALITY AS u ({}, n)", names.join(", "))
    }

    fn group(&mut self, layout: Layout, number: usize, action: Action, table: Table, several: bool) {
        let all = columns(layout, action, table);
        let source = self.source(&all, several);
        let (columns, name) = (table.columns(), table.name());
        let guard = || {
            let conditions = layout
                .places(table)
                .skip(1)
                .map(|place| same(columns[place].name, columns[place].kind, place));
            conditions.collect::<Vec<_>>().join(" AND ")
        };
        let key = "t.id = u.c0";
        let body = match action {
            Action::Unchanged => format!(
                "SELECT u.n FROM {source} JOIN public.{name} t ON {key} AND {}{} ORDER BY t.id FOR SHARE OF t",
                guard(),
                self.gated("WHERE")
            ),
            Action::Present => format!(
                "SELECT u.n FROM {source} JOIN public.{name} t ON {key}{} ORDER BY t.id FOR KEY SHARE OF t",
                self.gated("WHERE")
            ),
            Action::Absent => {
                format!(
                    "SELECT u.n FROM {source} WHERE NOT EXISTS (SELECT 1 FROM public.{name} t WHERE {key})"
                )
            }
            Action::Update => {
                let set = all.iter().filter(|(place, _)| *place >= columns.len()).map(|(place, kind)| {
                    format!("{} = {}", columns[place - columns.len()].name, given(*place, *kind))
                });
                format!(
                    "UPDATE public.{name} t SET {} FROM {source} WHERE {key} AND {}{} RETURNING u.n",
                    set.collect::<Vec<_>>().join(", "),
                    guard(),
                    self.gated("AND")
                )
            }
            Action::Add(counter) => {
                let column = counter.column();
                format!(
                    "UPDATE public.{name} t SET {column} = t.{column} + u.c1 FROM {source} WHERE {key} \
                     AND t.{column}::bigint + u.c1 BETWEEN {} AND {}{} RETURNING u.n",
                    i32::MIN,
                    i32::MAX,
                    self.gated("AND")
                )
            }
            Action::Insert => {
                let names: Vec<_> = all.iter().map(|(place, _)| columns[*place].name).collect();
                let values: Vec<_> = all.iter().map(|(place, kind)| given(*place, *kind)).collect();
                format!(
                    "INSERT INTO public.{name} ({}) SELECT {} FROM {source}{} ON CONFLICT (id) DO NOTHING RETURNING 1",
                    names.join(", "),
                    values.join(", "),
                    self.gated("WHERE")
                )
            }
            Action::Delete => {
                format!(
                    "DELETE FROM public.{name} t USING {source} WHERE {key}{} RETURNING 1",
                    self.gated("AND")
                )
            }
        };
        self.parts.push(format!("g{number} AS ({body})"));
    }
}

/// Answers 1, or 0 for a set that was recorded before, or fails. What fails is reading a text as a number: the text is
/// there for those who find it in the server's log.
fn raising(record: bool, counts: &[String]) -> String {
    let mut sql = "CASE ".to_owned();
    if record {
        sql.push_str("WHEN (SELECT count(*) FROM record) = 0 THEN 0 ");
    }
    let _ = write!(
        sql,
        "WHEN {} THEN 1 ELSE ('waiterix: a commit met another state and is looked at again' || \
         (SELECT count(*) FROM g0))::integer END",
        counts.join(" AND ")
    );
    sql
}

/// A given value, as its column needs it.
fn given(place: usize, kind: Kind) -> String {
    match kind {
        Kind::TextArray => format!("u.c{place}::text[]"),
        Kind::Json => format!("u.c{place}::jsonb"),
        _ => format!("u.c{place}"),
    }
}

/// The condition on a column, of `t`, to be as given.
fn same(column: &str, kind: Kind, place: usize) -> String {
    let given = given(place, kind);
    match kind {
        // Arrays are read without their nulls and whatever numbers their elements begin with.
        Kind::TextArray => format!(
            "(t.{column} IS NOT DISTINCT FROM {given} OR (t.{column} IS NOT NULL AND \
             ARRAY(SELECT e FROM unnest(t.{column}) e WHERE e IS NOT NULL) = {given}))"
        ),
        _ => format!("t.{column} IS NOT DISTINCT FROM {given}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(groups: &[(Action, Table, bool)]) -> Key {
        Key { layout: 1, record: true, raise: true, locks: Vec::new(), groups: groups.to_vec() }
    }

    #[test]
    fn a_text_names_every_parameter_once_and_in_order() {
        let key = key(&[
            (Action::Unchanged, Table::MenuItems, true),
            (Action::Update, Table::Restaurants, false),
            (Action::Insert, Table::Orders, false),
            (Action::Insert, Table::OrderItems, true),
        ]);
        let text = Text::of(&key, Layout::ALL[1]);
        let parameters: usize =
            key.groups.iter().map(|(action, table, _)| columns(Layout::ALL[1], *action, *table).len()).sum();
        for number in 1..=parameters + 2 {
            assert!(text.contains(&format!("${number}")), "${number} of {text}");
        }
        assert!(!text.contains(&format!("${}", parameters + 3)), "{text}");
    }

    #[test]
    fn a_column_that_is_not_there_is_neither_written_nor_compared() {
        for action in [Action::Insert, Action::Update, Action::Unchanged] {
            for layout in Layout::ALL {
                let text = Text::of(&key(&[(action, Table::PendingQuestions, false)]), layout);
                assert_eq!(text.contains("table_id"), layout.has_table_of_question, "{text}");
            }
        }
    }
}
