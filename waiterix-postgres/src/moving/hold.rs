//! Making keys of the side that follows equal to those of the leader.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::Row as _;
use waiterix_ports::moving::{Hold, MovingKey, Wanted};
use waiterix_ports::{Error, ErrorKind, Result, Violation};

use super::PostgresSide;
use super::standing::signed;
use super::tables::{SideTable, Tables, ident};
use super::triggers::SESSIONS;
use super::work::{Bound, Limit, Trouble, Work};
use crate::fault::{self, Failure};
use crate::session::Mode;

const OPERATION: &str = "side.make";

/// Keys are many and the locks a server can hold are few, so keys share this many.
const LOCKS: u64 = 2_048;
/// The first half of these locks' numbers, so that they are nobody else's.
const LOCKS_CLASS: i32 = 0x5754_4d4b;

/// The numbers of the locks of keys, in the order in which everybody takes them. Programs of different versions must agree
/// on them, so the hash is one that stays as it is (FNV-1a).
fn locks(keys: &[MovingKey]) -> BTreeSet<u64> {
    let lock = |key: &MovingKey| {
        let bytes = key.table.bytes().chain([0]).chain(key.id.bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        (hash ^ (hash >> 32)) % LOCKS
    };
    keys.iter().map(lock).collect()
}

/// What a transaction that follows begins with: it says whose epoch it has read, and is admitted or refused.
pub(super) fn following(epoch: u64, operation: &'static str) -> Result<String> {
    let epoch = signed(epoch, operation)?;
    Ok(format!(
        "SELECT set_config('waiterix.converging', '{epoch}', true); SELECT waiterix_migration.admit()"
    ))
}

/// Locked keys: an open transaction on the side that follows.
#[derive(Debug)]
pub(super) struct PostgresHold {
    tables: Arc<Tables>,
    work: Work,
}

/// Locks keys.
pub(super) async fn hold(side: &PostgresSide, epoch: u64, keys: &[MovingKey]) -> Result<PostgresHold> {
    const OPERATION: &str = "side.hold";
    let tables = side.tables.get(&side.database, OPERATION).await?;
    let mut opening = following(epoch, OPERATION)?;
    let numbers: Vec<String> = locks(keys).iter().map(u64::to_string).collect();
    if !numbers.is_empty() {
        opening.push_str(&format!(
            "; SELECT pg_advisory_xact_lock({LOCKS_CLASS}, n) FROM unnest(ARRAY[{}]) AS n",
            numbers.join(", ")
        ));
    }
    // After the locks, which must outlive whatever is undone.
    opening.push_str("; SAVEPOINT held");
    let work = Work::begin(&side.database, Mode::Write, Limit::Usual, &opening, OPERATION).await?;
    Ok(PostgresHold { tables, work })
}

#[async_trait]
impl Hold for PostgresHold {
    async fn make(self: Box<Self>, wanted: &[Wanted]) -> Result<()> {
        let Self { tables, mut work } = *self;
        work.operation = OPERATION;
        let outcome = match Plan::of(&tables, wanted) {
            Ok(plan) => plan.perform(&mut work).await,
            Err(error) => Err(error.into()),
        };
        let outcome = outcome.map_err(|trouble| match trouble {
            Trouble::Failed(failure) => in_the_way(failure),
            refused => refused,
        });
        work.end(outcome).await
    }
}

/// What other rows, or what the table allows, have against it. Anything else failed.
fn in_the_way(failure: Failure) -> Trouble {
    let code = failure.code().unwrap_or_default().to_owned();
    if !failure.is_harmless() || !(code.starts_with("22") || code.starts_with("23")) {
        return failure.into();
    }
    let error = Error::new(ErrorKind::Conflict, OPERATION).with("sqlstate", code);
    match fault::violation(&failure) {
        Some(violation) => error.violating(violation),
        None => error,
    }
    .into()
}

/// What is wanted of one table.
#[derive(Debug)]
struct Part<'a> {
    table: &'a SideTable,
    gone: Vec<&'a str>,
    /// The rows, as an array of JSON, and their keys.
    rows: String,
    there: Vec<&'a str>,
}

/// What is wanted, parents first.
#[derive(Debug)]
struct Plan<'a>(Vec<Part<'a>>);

/// Which rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    /// Those whose key is there already, or is not.
    Known(bool),
}

impl<'a> Plan<'a> {
    fn of(tables: &'a Tables, wanted: &'a [Wanted]) -> Result<Self> {
        let mut by_table: BTreeMap<&str, Vec<&Wanted>> = BTreeMap::new();
        for one in wanted {
            // Sessions move in a way of their own.
            if &*one.key.table == SESSIONS {
                return Err(Error::new(ErrorKind::Invalid, OPERATION).with("table", SESSIONS));
            }
            by_table.entry(&one.key.table).or_default().push(one);
        }
        for name in by_table.keys() {
            tables.named(name, OPERATION)?;
        }
        let part = |table: &'a SideTable| {
            let wanted = by_table.get(&*table.name)?;
            let mut part = Part { table, gone: Vec::new(), rows: String::from("["), there: Vec::new() };
            for one in wanted {
                match &one.image {
                    None => part.gone.push(&one.key.id),
                    Some(image) => {
                        if part.rows.len() > 1 {
                            part.rows.push(',');
                        }
                        part.rows.push_str(&image.0);
                        part.there.push(&one.key.id);
                    }
                }
            }
            part.rows.push(']');
            Some(part)
        };
        Ok(Self(tables.list.iter().filter_map(part).collect()))
    }

    /// Rows are written before others go, because what goes takes along whatever still refers to it. Where that cannot be,
    /// because a row that goes or changes has what must be unique, there are two more ways.
    async fn perform(&self, work: &mut Work) -> Result<(), Trouble> {
        if self.0.is_empty() {
            return Ok(());
        }
        let failure = match self.in_order(work, false).await {
            Err(Trouble::Failed(failure)) if failure.is_unique_violation() => failure,
            outcome => return outcome,
        };
        tracing::debug!(code = failure.code(), "rows stand in the way of each other");
        work.run("ROLLBACK TO SAVEPOINT held").await?;
        let failure = match self.in_order(work, true).await {
            Err(Trouble::Failed(failure)) if failure.is_unique_violation() => failure,
            outcome => return outcome,
        };
        tracing::debug!(code = failure.code(), "rows stand in the way of each other still");
        work.run("ROLLBACK TO SAVEPOINT held").await?;
        self.vacate(work).await?;
        self.write_all(work, Which::Known(true)).await?;
        self.remove_all(work).await?;
        self.write_all(work, Which::Known(false)).await
    }

    async fn in_order(&self, work: &mut Work, vacating: bool) -> Result<(), Trouble> {
        if vacating {
            self.vacate(work).await?;
        }
        self.write_all(work, Which::All).await?;
        self.remove_all(work).await
    }

    /// Gets the rows that are about to be written or to go out of each other's way.
    async fn vacate(&self, work: &mut Work) -> Result<(), Trouble> {
        for Part { table, gone, there, .. } in self.0.iter().rev().filter(|part| part.table.has_rules()) {
            let ids: Vec<&str> = gone.iter().chain(there).copied().collect();
            let (of, key) = (table.sql(), ident(&table.key));
            let sql = if !table.is_referenced {
                format!("DELETE FROM {of} WHERE {key} = ANY($1)")
            } else if let Some(sets) = table.vacating() {
                format!("UPDATE {of} SET {sets} WHERE {key} = ANY($1)")
            } else {
                continue;
            };
            work.rows(sql, Bound::default().and(ids, OPERATION)?).await?;
        }
        Ok(())
    }

    /// Writes rows, parents first.
    async fn write_all(&self, work: &mut Work, which: Which) -> Result<(), Trouble> {
        for part in self.0.iter().filter(|part| !part.there.is_empty()) {
            let bound = Bound::default().and(part.rows.as_str(), OPERATION)?;
            work.rows(part.table.writing(which), bound).await?;
        }
        Ok(())
    }

    /// Takes rows away, children first. What refers to a row that goes and is not known to go would go unseen, with
    /// everything that refers to it in turn, and might be there on the leader under another parent; so that is refused, and
    /// asks for a larger set.
    async fn remove_all(&self, work: &mut Work) -> Result<(), Trouble> {
        for Part { table, gone, .. } in self.0.iter().rev().filter(|part| !part.gone.is_empty()) {
            let (of, key) = (table.sql(), ident(&table.key));
            if !table.dependants.is_empty() {
                // Nobody can refer to a locked row anew.
                let lock = format!("SELECT 1 FROM {of} WHERE {key} = ANY($1) FOR UPDATE");
                work.rows(lock, Bound::default().and(gone.as_slice(), OPERATION)?).await?;
                let questions: Vec<_> = table
                    .dependants
                    .iter()
                    .map(|(child, column)| {
                        format!("SELECT 1 FROM public.{} WHERE {} = ANY($1)", ident(child), ident(column))
                    })
                    .collect();
                let sql = format!("SELECT EXISTS ({})", questions.join(" UNION ALL "));
                let row = work.row(sql, Bound::default().and(gone.as_slice(), OPERATION)?).await?;
                if row.try_get_unchecked(0)? {
                    return Err(Error::new(ErrorKind::Conflict, OPERATION)
                        .violating(Violation::ForeignKey)
                        .with("table", &table.name)
                        .with("fault", "what refers to a row that goes is there still")
                        .into());
                }
            }
            let sql = format!("DELETE FROM {of} WHERE {key} = ANY($1)");
            work.rows(sql, Bound::default().and(gone.as_slice(), OPERATION)?).await?;
        }
        Ok(())
    }
}

impl SideTable {
    /// The statement that writes rows. What is equal, to the last bit, is left alone.
    fn writing(&self, which: Which) -> String {
        let (of, key) = (self.sql(), ident(&self.key));
        let condition = match which {
            Which::All => String::new(),
            Which::Known(known) => {
                let not = if known { "" } else { "NOT " };
                format!(" WHERE {not}EXISTS (SELECT 1 FROM {of} k WHERE k.{key} = x.{key})")
            }
        };
        let sets: Vec<_> = self
            .columns
            .iter()
            .filter(|column| column.name != self.key)
            .map(|column| format!("{name} = excluded.{name}", name = ident(&column.name)))
            .collect();
        format!(
            "INSERT INTO {of} AS t ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {images}{condition} \
             ON CONFLICT ({key}) DO UPDATE SET {sets} WHERE t.* *<> excluded.*",
            columns = self.column_list(),
            images = self.of_images(1),
            sets = sets.join(", "),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_of_the_program_takes_the_same_locks() {
        let key = |table: &str, id: &str| MovingKey { table: table.into(), id: id.to_owned() };
        let numbers = |keys: &[MovingKey]| locks(keys).into_iter().collect::<Vec<_>>();
        let (one, other) = (key("users", "a"), key("orders", "0b6f9f0e-54f3-4c6f-8a0b-6d4b3b7d3c11"));
        assert_eq!(numbers(std::slice::from_ref(&one)), [1659]);
        assert_eq!(numbers(std::slice::from_ref(&other)), [1957]);
        assert_eq!(numbers(&[one.clone(), other.clone()]), numbers(&[other, one.clone(), one]));
        assert!(numbers(&[]).is_empty());
        let many: Vec<_> = (0..100_000).map(|n| key("users", &n.to_string())).collect();
        assert_eq!(numbers(&many).len(), 2_048, "they are spread over all");
    }
}
