//! The statements a commit consists of, with their arguments.

use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, AssertSqlSafe, SqlSafeStr as _, SqlStr};
use waiterix_domain::value::{Kind, Value};
use waiterix_domain::{Table, UniqueRule};

use super::program::{Action, Group, Lock, Piece, Program};
use super::text::{Key, Texts, columns};
use crate::bind::Cells;
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
