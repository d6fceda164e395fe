//! The text and the arguments of the statements a commit consists of.
//!
//! A text depends on the kinds of changes and on which tables they are about, and on whether there is one row or several,
//! but on no value and no number of rows: several rows come as one array per column. So there are few texts, and they
//! stay prepared.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, AssertSqlSafe, SqlSafeStr as _, SqlStr};
use waiterix_domain::value::{Kind, Value};
use waiterix_domain::{Table, UniqueRule};

use super::program::{Action, Group, Lock, Piece, Program};
use crate::bind::{Cells, parameter_type};
use crate::layout::Layout;
use crate::schema::rule_keys;

/// The same action on some rows of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) action: Action,
    pub(super) table: Table,
    pub(super) rows: &'a [Vec<Value>],
}

impl Group {
    pub(super) fn view(&self) -> View<'_> {
        self.view_as(self.action)
    }

    /// Another action on the same rows.
    pub(super) fn view_as(&self, action: Action) -> View<'_> {
        View { action, table: self.table, rows: &self.rows }
    }
}

/// What a text depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    layout: usize,
    record: bool,
    raise: bool,
    locks: Vec<(Table, Lock)>,
    groups: Vec<(Action, Table, bool)>,
}

/// The texts made so far.
#[derive(Debug, Default)]
pub(crate) struct Texts(Mutex<HashMap<Key, Arc<str>>>);

/// How many texts are kept; there are hardly more kinds of commits than this.
const MAX_TEXTS: usize = 512;

impl Texts {
    fn get(&self, key: Key, layout: Layout) -> SqlStr {
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

type Statement = Result<(SqlStr, PgArguments), BoxDynError>;

/// Everything a set of one piece does, in one statement that fails as a whole where anything does not hold. Answers 1
/// when it was done, 0 when the set was recorded before.
pub(super) fn whole(texts: &Texts, layout: Layout, program: &Program, piece: &Piece) -> Statement {
    let views: Vec<_> = piece.groups.iter().map(Group::view).collect();
    build(texts, layout, program.record.as_ref(), &program.locks(), &views, true)
}

/// The record of a commit, if it is not there, and the locks of everything it is about. Answers how many records were
/// made; `None` where there is nothing to do.
pub(super) fn opening(texts: &Texts, layout: Layout, program: &Program) -> Option<Statement> {
    let locks = program.locks();
    if program.record.is_none() && locks.is_empty() {
        return None;
    }
    Some(build(texts, layout, program.record.as_ref(), &locks, &[], false))
}

/// Actions that are tried. Answers per action how many rows were inserted, or for which rows (counted from 1) it was
/// possible.
pub(super) fn trial(texts: &Texts, layout: Layout, views: &[View<'_>]) -> Statement {
    build(texts, layout, None, &[], views, false)
}

/// How many of these values, of a rule that no index enforces, more than one row has.
pub(super) fn clashes(rule: UniqueRule, keys: &[(UniqueRule, Vec<String>)]) -> Statement {
    let expressions: Vec<_> = rule_keys(rule).split(", ").collect();
    let mut arguments = PgArguments::default();
    let (mut given, mut names, mut same) = (Vec::new(), Vec::new(), Vec::new());
    for (place, expression) in expressions.iter().enumerate() {
        let values: Vec<&str> =
            keys.iter().filter_map(|(_, key)| key.get(place)).map(String::as_str).collect();
        arguments.add(values)?;
        given.push(format!("${}::text[]", place + 1));
        names.push(format!("c{place}"));
        same.push(format!("{expression} = u.c{place}"));
    }
    let condition = rule.condition().map(|sql| format!(" AND {sql}")).unwrap_or_default();
    let sql = format!(
        "SELECT count(*) FROM unnest({}) AS u ({}) WHERE (SELECT count(*) FROM public.{} WHERE {}{condition}) > 1",
        given.join(", "),
        names.join(", "),
        rule.table().name(),
        same.join(" AND ")
    );
    Ok((AssertSqlSafe(sql).into_sql_str(), arguments))
}

fn build(
    texts: &Texts,
    layout: Layout,
    record: Option<&[Value; 2]>,
    locks: &[(Table, Lock, Vec<&Value>)],
    views: &[View<'_>],
    raise: bool,
) -> Statement {
    let mut arguments = PgArguments::default();
    if let Some(record) = record {
        arguments.add(Cells { kind: Kind::Text, column: 0, rows: &[record] })?;
        arguments.add(Cells { kind: Kind::Timestamp, column: 1, rows: &[record] })?;
    }
    for (.., keys) in locks {
        let keys: Vec<&str> = keys.iter().filter_map(|key| text_of(key)).collect();
        arguments.add(keys)?;
    }
    for view in views {
        let rows: Vec<&[Value]> = view.rows.iter().map(Vec::as_slice).collect();
        for (column, kind) in columns(layout, view.action, view.table) {
            arguments.add(Cells { kind, column, rows: &rows })?;
        }
    }
    let key = Key {
        layout: layout.number(),
        record: record.is_some(),
        raise,
        locks: locks.iter().map(|(table, lock, _)| (*table, *lock)).collect(),
        groups: views.iter().map(|view| (view.action, view.table, view.rows.len() != 1)).collect(),
    };
    Ok((texts.get(key, layout), arguments))
}

fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// The values an action needs per row: their places in it and their kinds.
fn columns(layout: Layout, action: Action, table: Table) -> Vec<(usize, Kind)> {
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
