//! A change set as SQL.
//!
//! The common case is that everything holds, so all statements are first sent together and only counted: a requirement
//! must find its row, an insert must insert. At the first surprise the set is undone and performed again change by
//! change, which finds out what exactly does not hold, or that it is done already.

use std::fmt::Write as _;
use std::sync::LazyLock;

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{AssertSqlSafe, Either, Executor};
use waiterix_domain::{Change, ChangeSet, Counter, Requirement, Row, Table, Timestamp};
use waiterix_ports::{Error, ErrorKind, Result};

use super::bound::{self, Bound};
use super::careful;
use super::writer::{NEXT, Trouble, undo};

pub(super) const OPERATION: &str = "store.commit";
/// Records the commit, unless it is recorded.
pub(super) const RECORD: &str =
    "INSERT INTO waiterix_commits (id, recorded_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING";
/// A text with more statements or rows is rarely the same again, so it would fill the cache for nothing.
const MAX_STATEMENTS: usize = 24;
const MAX_ROWS: usize = 32;
/// How many requirements are asked about at once.
const MAX_TOGETHER: usize = 8;

/// One change, ready to be bound.
#[derive(Debug)]
pub(super) enum Step {
    /// Insert rows of one table; their changes follow one another.
    Insert { table: Table, rows: Vec<Vec<Bound>> },
    /// Set some columns of a row that is still as it was read.
    Update { table: Table, set: Vec<usize>, before: Vec<Bound>, after: Vec<Bound> },
    /// Delete a row.
    Delete { table: Table, id: Bound },
    /// Add to a counter.
    Add { counter: Counter, id: Bound, by: Bound },
    /// Require a row to be as it was read.
    Unchanged { table: Table, row: Vec<Bound> },
    /// Require that there is no row.
    Absent { table: Table, id: Bound },
    /// Require that there is a row.
    Present { table: Table, id: Bound },
}

/// What a statement must have done for the quick way to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Anything,
    /// It is the record of the commit: without a change the set is done already.
    Recorded,
    Changed(u64),
    Rows(u64),
}

/// Statements that are sent together.
#[derive(Debug, Default)]
struct Segment {
    sql: String,
    arguments: SqliteArguments,
    expects: Vec<Expect>,
    rows: usize,
}

/// A change set, ready to be performed.
#[derive(Debug)]
pub(super) struct Program {
    /// The id and the instant to record, if the set does not leave traces enough of its own.
    pub(super) record: Option<[Bound; 2]>,
    /// Every step with the place of its (first) change.
    pub(super) steps: Vec<(usize, Step)>,
    segments: Vec<Segment>,
}

/// How the quick way ended.
enum Outcome {
    Done,
    Repeated,
    Surprise,
}

fn invalid(place: usize, fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, OPERATION).with("change", place).with("fault", fault)
}

fn bind(row: &Row) -> Result<Vec<Bound>, &'static str> {
    row.to_values().into_iter().map(Bound::of).collect()
}

impl Step {
    fn of(change: &Change) -> Result<Self, &'static str> {
        Ok(match change {
            Change::Insert(row) => Self::Insert { table: row.table(), rows: vec![bind(row)?] },
            Change::Update { before, after } => {
                if before.row_key() != after.row_key() {
                    return Err("update of another row");
                }
                let table = before.table();
                let (before, after) = (bind(before)?, bind(after)?);
                let set: Vec<_> = (0..before.len()).filter(|place| before[*place] != after[*place]).collect();
                // An update that changes nothing only requires that nothing changed.
                if set.is_empty() {
                    return Ok(Self::Unchanged { table, row: before });
                }
                Self::Update { table, set, before, after }
            }
            Change::Delete(key) => Self::Delete { table: key.table, id: Bound::text(&key.id)? },
            Change::Add { id, counter, by } => {
                Self::Add { counter: *counter, id: Bound::text(id)?, by: Bound::Int((*by).into()) }
            }
            Change::Require(Requirement::Unchanged(row)) => {
                Self::Unchanged { table: row.table(), row: bind(row)? }
            }
            Change::Require(Requirement::Absent(key)) => {
                Self::Absent { table: key.table, id: Bound::text(&key.id)? }
            }
            Change::Require(Requirement::Present(key)) => {
                Self::Present { table: key.table, id: Bound::text(&key.id)? }
            }
        })
    }
}

impl Step {
    const fn is_requirement(&self) -> bool {
        matches!(self, Self::Unchanged { .. } | Self::Absent { .. } | Self::Present { .. })
    }

    /// The condition of a requirement; that of a change always holds.
    fn condition(&self) -> String {
        match self {
            Self::Unchanged { table, .. } => format!("EXISTS ({})", texts(*table).same),
            Self::Absent { table, .. } => format!("NOT EXISTS ({})", texts(*table).present),
            Self::Present { table, .. } => format!("EXISTS ({})", texts(*table).present),
            _ => "TRUE".to_owned(),
        }
    }

    /// What a requirement names.
    fn required(&self) -> &[Bound] {
        match self {
            Self::Unchanged { row, .. } => row,
            Self::Absent { id, .. } | Self::Present { id, .. } => std::slice::from_ref(id),
            _ => &[],
        }
    }
}

impl Program {
    /// The program of a set, recorded at an instant; `Invalid` for a set that no store takes. What is wrong with it is
    /// found while its values are bound, so that they need to be looked at only once.
    pub(super) fn of(changes: &ChangeSet, now: Timestamp) -> Result<Self> {
        if changes.changes().len() > ChangeSet::MAX_CHANGES {
            return Err(invalid(ChangeSet::MAX_CHANGES, "more changes than one set may hold"));
        }
        let id = Bound::text(changes.id().as_str()).map_err(|fault| invalid(0, fault))?;
        let record = changes.needs_record().then(|| [id, Bound::Int(now.as_micros())]);
        let mut steps: Vec<(usize, Step)> = Vec::new();
        for (place, change) in changes.changes().iter().enumerate() {
            let step = Step::of(change).map_err(|fault| invalid(place, fault))?;
            // Inserts into one table that follow one another are one statement.
            if let (Step::Insert { table, rows: more }, Some((_, Step::Insert { table: last, rows }))) =
                (&step, steps.last_mut())
                && table == last
                && rows.len() < MAX_ROWS
            {
                rows.extend_from_slice(more);
                continue;
            }
            steps.push((place, step));
        }
        let segments = segments(record.as_ref(), &steps);
        Ok(Self { record, steps, segments })
    }

    /// Performs the set. Other sets are not concerned when it is refused.
    pub(super) async fn perform(&mut self, connection: &mut SqliteConnection) -> Result<(), Trouble> {
        let segments = std::mem::take(&mut self.segments);
        match attempt(segments, connection).await {
            Outcome::Done => Ok(()),
            Outcome::Repeated => Ok(undo(connection).await?),
            Outcome::Surprise => {
                undo(connection).await?;
                careful::perform(self, connection).await
            }
        }
    }
}

/// The quick way. What fails here fails again the careful way, which knows how to tell it.
async fn attempt(segments: Vec<Segment>, connection: &mut SqliteConnection) -> Outcome {
    for segment in segments {
        let mut expects = segment.expects.into_iter();
        let mut rows = 0;
        let query = sqlx::query_with(AssertSqlSafe(segment.sql), segment.arguments);
        let mut answers = connection.fetch_many(query);
        loop {
            match answers.try_next().await {
                Ok(Some(Either::Right(_))) => rows += 1,
                Ok(Some(Either::Left(result))) => {
                    let holds = match expects.next() {
                        Some(Expect::Anything) => true,
                        Some(Expect::Recorded) if result.rows_affected() == 0 => return Outcome::Repeated,
                        Some(Expect::Recorded) => true,
                        Some(Expect::Changed(expected)) => result.rows_affected() == expected,
                        Some(Expect::Rows(expected)) => rows == expected,
                        None => false,
                    };
                    if !holds {
                        return Outcome::Surprise;
                    }
                    rows = 0;
                }
                Ok(None) if expects.next().is_none() => break,
                Ok(None) | Err(_) => return Outcome::Surprise,
            }
        }
    }
    Outcome::Done
}

fn segments(record: Option<&[Bound; 2]>, steps: &[(usize, Step)]) -> Vec<Segment> {
    let mut first = Segment { sql: NEXT.to_owned(), ..Segment::default() };
    first.expects.extend([Expect::Anything, Expect::Anything]);
    if let Some(record) = record {
        first.push(RECORD, record, Expect::Recorded, 0);
    }
    let mut segments = vec![first];
    // Requirements that follow one another hold together or not, so they are asked about at once.
    for run in steps.chunk_by(|(_, a), (_, b)| a.is_requirement() && b.is_requirement()) {
        for part in run.chunks(MAX_TOGETHER) {
            let rows = if let [(_, Step::Insert { rows, .. })] = part { rows.len() } else { part.len() };
            let full = segments
                .last()
                .is_none_or(|last| last.expects.len() >= MAX_STATEMENTS || last.rows + rows > MAX_ROWS);
            if full {
                segments.push(Segment::default());
            }
            if let Some(last) = segments.last_mut() {
                last.push_part(part, rows);
            }
        }
    }
    segments
}

impl Segment {
    fn push<'a>(
        &mut self,
        sql: &str,
        arguments: impl IntoIterator<Item = &'a Bound>,
        expect: Expect,
        rows: usize,
    ) {
        self.sql.push_str(sql);
        self.sql.push(';');
        for argument in arguments {
            argument.push_to(&mut self.arguments);
        }
        self.expects.push(expect);
        self.rows += rows;
    }

    /// Appends one step, or several requirements.
    fn push_part(&mut self, part: &[(usize, Step)], count: usize) {
        match part {
            [(_, step)] if !step.is_requirement() => self.push_step(step, count),
            requirements => {
                let conditions: Vec<_> = requirements.iter().map(|(_, step)| step.condition()).collect();
                let sql = format!("SELECT 1 WHERE {}", conditions.join(" AND "));
                let arguments = requirements.iter().flat_map(|(_, step)| step.required());
                self.push(&sql, arguments, Expect::Rows(1), count);
            }
        }
    }

    fn push_step(&mut self, step: &Step, count: usize) {
        match step {
            Step::Insert { table, rows } => {
                let sql = insert(*table, rows.len());
                self.push(&sql, rows.iter().flatten(), Expect::Changed(rows.len() as u64), count);
            }
            Step::Update { table, set, before, after } => {
                let arguments = set.iter().map(|place| &after[*place]).chain(before);
                self.push(&update(*table, set), arguments, Expect::Changed(1), count);
            }
            Step::Delete { table, id } => {
                self.push(texts(*table).delete.as_str(), [id], Expect::Anything, count);
            }
            Step::Add { counter, id, by } => {
                self.push(&add(*counter), [by, id, by], Expect::Changed(1), count);
            }
            // Requirements come through `push_part`.
            Step::Unchanged { .. } | Step::Absent { .. } | Step::Present { .. } => {}
        }
    }
}

/// The fixed texts of a table.
pub(super) struct Texts {
    /// `INSERT INTO … VALUES `
    insert: String,
    /// `(?, ?, …)`
    values: String,
    /// `id = ? AND a IS ? AND …`
    guard: String,
    /// One row if a row is exactly as given.
    pub(super) same: String,
    /// One row if there is a row with a key.
    pub(super) present: String,
    /// Deletes a row.
    pub(super) delete: String,
}

/// The texts of a table.
pub(super) fn texts(table: Table) -> &'static Texts {
    static ALL: LazyLock<Vec<Texts>> =
        LazyLock::new(|| Table::ALL.iter().map(|table| Texts::of(*table)).collect());
    // Tables are numbered in the order of `Table::ALL`; a test holds that.
    &ALL[table as usize]
}

impl Texts {
    fn of(table: Table) -> Self {
        let names: Vec<_> = table.columns().iter().map(|column| column.name).collect();
        let mut guard = "id = ?".to_owned();
        for name in &names[1..] {
            let _ = write!(guard, " AND {name} IS ?");
        }
        let name = table.name();
        Self {
            insert: format!("INSERT INTO {name} ({}) VALUES ", names.join(", ")),
            values: format!("({})", vec!["?"; names.len()].join(", ")),
            same: format!("SELECT 1 FROM {name} WHERE {guard}"),
            present: format!("SELECT 1 FROM {name} WHERE id = ?"),
            delete: format!("DELETE FROM {name} WHERE id = ?"),
            guard,
        }
    }
}

/// Inserts rows unless their keys are there.
pub(super) fn insert(table: Table, rows: usize) -> String {
    let texts = texts(table);
    let mut sql = String::with_capacity(texts.insert.len() + rows * (texts.values.len() + 1) + 32);
    sql.push_str(&texts.insert);
    for row in 0..rows {
        if row > 0 {
            sql.push(',');
        }
        sql.push_str(&texts.values);
    }
    sql.push_str(" ON CONFLICT (id) DO NOTHING");
    sql
}

/// Sets columns, then requires all of them to be as they were.
pub(super) fn update(table: Table, set: &[usize]) -> String {
    let columns = table.columns();
    let set: Vec<_> = set.iter().map(|place| format!("{} = ?", columns[*place].name)).collect();
    format!("UPDATE {} SET {} WHERE {}", table.name(), set.join(", "), texts(table).guard)
}

/// Adds to a counter unless the result would not fit; takes the number, the key and the number again.
pub(super) fn add(counter: Counter) -> String {
    let (table, column) = (counter.table().name(), counter.column());
    format!(
        "UPDATE {table} SET {column} = {column} + ? WHERE id = ? AND {column} + ? BETWEEN {} AND {}",
        i32::MIN,
        i32::MAX
    )
}

/// The arguments of an [`update`].
pub(super) fn update_arguments(set: &[usize], before: &[Bound], after: &[Bound]) -> SqliteArguments {
    bound::arguments(set.iter().map(|place| &after[*place]).chain(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_numbered_in_the_order_of_their_list() {
        for (number, table) in Table::ALL.iter().enumerate() {
            assert_eq!(*table as usize, number);
            assert!(texts(*table).delete.contains(table.name()));
        }
    }
}
