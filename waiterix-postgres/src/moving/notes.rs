//! What is noted beside the rows: how much is dirty, what could not be made equal, who reads.

use std::time::Duration;

use sqlx::Row as _;
use waiterix_ports::moving::{Backlog, Forgetting, Instance, MovingKey, Quarantined};
use waiterix_ports::{Error, ErrorKind, Result, Violation};

use super::standing::signed;
use super::triggers::note;
use super::work::{Bound, Limit, Trouble, Work};
use crate::connect::Database;
use crate::session::Mode;

/// One statement, so one snapshot.
const BACKLOG: &str = "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8, \
    (SELECT count(*) FROM waiterix_migration.quarantine) \
    FROM waiterix_migration.journal WHERE NOT of_sessions";
const MARK: &str = note!("k.tab", "k.key", " FROM unnest($1::text[], $2::text[]) AS k (tab, key)");
/// Keys are found by their hash: the keys themselves may be too long for an index.
const DIRTY: &str = "SELECT k.tab, k.key FROM unnest($1::text[], $2::text[]) AS k (tab, key) \
    WHERE EXISTS (SELECT 1 FROM waiterix_migration.journal j \
                  WHERE j.hash = hashtextextended(k.key, 0) AND j.tab = k.tab AND j.key = k.key)";
const QUARANTINE: &str = "INSERT INTO waiterix_migration.quarantine (tab, key, reason) \
    SELECT DISTINCT ON (k.tab, k.key) k.tab, k.key, k.reason FROM unnest($1::text[], $2::text[], $3::text[]) AS k (tab, key, reason) \
    ON CONFLICT (tab, md5(key)) DO UPDATE SET reason = excluded.reason, at = now()";
const QUARANTINED: &str = "SELECT tab, key, reason FROM waiterix_migration.quarantine \
    ORDER BY tab COLLATE \"C\", key COLLATE \"C\" LIMIT $1";
const RELEASE: &str = concat!(
    "WITH gone AS (DELETE FROM waiterix_migration.quarantine RETURNING tab, key), noted AS (",
    note!("tab", "key", " FROM gone RETURNING 1"),
    ") SELECT count(*) FROM noted"
);
const REPORT: &str = "WITH gone AS (DELETE FROM waiterix_migration.readers \
        WHERE seen_at < now() - interval '1 day' AND id <> $1 AND NOT is_forgotten) \
    INSERT INTO waiterix_migration.readers AS r (id, old_turn, new_turn, seen_at) VALUES ($1, $2, $3, now()) \
    ON CONFLICT (id) DO UPDATE SET old_turn = excluded.old_turn, new_turn = excluded.new_turn, seen_at = now() \
        WHERE NOT r.is_forgotten RETURNING 1";
const READERS_ARE_THERE: &str = "SELECT to_regclass('waiterix_migration.readers') IS NOT NULL";
const LEAVE: &str = "DELETE FROM waiterix_migration.readers WHERE id = $1";
const FORGET: &str = "UPDATE waiterix_migration.readers SET is_forgotten = true WHERE id = $1 AND \
    (is_forgotten OR seen_at <= clock_timestamp() - $2::bigint * interval '1 millisecond') RETURNING 1";
const READERS: &str = "SELECT id, old_turn, new_turn, greatest(extract(epoch FROM clock_timestamp() - seen_at), 0)::float8, is_forgotten \
    FROM waiterix_migration.readers ORDER BY id";

/// Tables and keys as two arrays. A key that no database can hold is none that anybody notes.
pub(super) fn arrays(keys: &[MovingKey]) -> (Vec<&str>, Vec<&str>) {
    keys.iter().filter(|key| !key.id.contains('\0')).map(|key| (key.table.as_ref(), key.id.as_str())).unzip()
}

/// A length of time that the server counted in seconds.
pub(super) fn lasted(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

fn counted(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

async fn write(database: &Database, sql: &'static str, bound: Bound, operation: &'static str) -> Result<()> {
    let mut work = Work::begin(database, Mode::Write, Limit::Usual, "", operation).await?;
    let outcome = work.rows(sql, bound).await.map(drop);
    work.end(outcome).await
}

pub(super) async fn backlog(database: &Database) -> Result<Backlog> {
    let mut work = Work::begin(database, Mode::Read, Limit::Usual, "", "side.backlog").await?;
    let outcome = async {
        let row = work.row(BACKLOG, Bound::default()).await?;
        let entries = counted(row.try_get_unchecked(0)?);
        let (age, quarantined) = (lasted(row.try_get_unchecked(1)?), counted(row.try_get_unchecked(2)?));
        Ok::<_, Trouble>(Backlog { entries, quarantined, age })
    }
    .await;
    work.end(outcome).await
}

pub(super) async fn mark(database: &Database, keys: &[MovingKey]) -> Result<()> {
    const OPERATION: &str = "side.mark";
    let (tables, keys) = arrays(keys);
    if keys.is_empty() {
        return Ok(());
    }
    let bound = Bound::default().and(tables, OPERATION)?.and(keys, OPERATION)?;
    write(database, MARK, bound, OPERATION).await
}

pub(super) async fn dirty(database: &Database, keys: &[MovingKey]) -> Result<Vec<MovingKey>> {
    const OPERATION: &str = "side.dirty";
    let (tables, keys) = arrays(keys);
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let bound = Bound::default().and(tables, OPERATION)?.and(keys, OPERATION)?;
    let mut work = Work::begin(database, Mode::Read, Limit::Usual, "", OPERATION).await?;
    let outcome = async {
        let rows = work.rows(DIRTY, bound).await?;
        let key = |row: &sqlx::postgres::PgRow| -> Result<MovingKey, Trouble> {
            let table: String = row.try_get_unchecked(0)?;
            Ok(MovingKey { table: table.into(), id: row.try_get_unchecked(1)? })
        };
        rows.iter().map(key).collect::<Result<_, _>>()
    }
    .await;
    work.end(outcome).await
}

pub(super) async fn quarantine(database: &Database, keys: &[Quarantined]) -> Result<()> {
    const OPERATION: &str = "side.quarantine";
    if keys.is_empty() {
        return Ok(());
    }
    let tables: Vec<&str> = keys.iter().map(|found| found.key.table.as_ref()).collect();
    let ids: Vec<&str> = keys.iter().map(|found| found.key.id.as_str()).collect();
    let reasons: Vec<&str> = keys.iter().map(|found| found.reason.as_str()).collect();
    let bound = Bound::default().and(tables, OPERATION)?.and(ids, OPERATION)?.and(reasons, OPERATION)?;
    write(database, QUARANTINE, bound, OPERATION).await
}

pub(super) async fn quarantined(database: &Database, limit: u32) -> Result<Vec<Quarantined>> {
    const OPERATION: &str = "side.quarantined";
    let bound = Bound::default().and(i64::from(limit), OPERATION)?;
    let mut work = Work::begin(database, Mode::Read, Limit::Usual, "", OPERATION).await?;
    let outcome = async {
        let rows = work.rows(QUARANTINED, bound).await?;
        let found = |row: &sqlx::postgres::PgRow| -> Result<Quarantined, Trouble> {
            let table: String = row.try_get_unchecked(0)?;
            let key = MovingKey { table: table.into(), id: row.try_get_unchecked(1)? };
            Ok(Quarantined { key, reason: row.try_get_unchecked(2)? })
        };
        rows.iter().map(found).collect::<Result<_, _>>()
    }
    .await;
    work.end(outcome).await
}

pub(super) async fn release(database: &Database) -> Result<u64> {
    let mut work = Work::begin(database, Mode::Write, Limit::Usual, "", "side.release").await?;
    let outcome = async {
        let row = work.row(RELEASE, Bound::default()).await?;
        Ok::<_, Trouble>(counted(row.try_get_unchecked(0)?))
    }
    .await;
    work.end(outcome).await
}

pub(super) async fn report(database: &Database, id: &str, old_turn: u64, new_turn: u64) -> Result<()> {
    const OPERATION: &str = "side.report";
    let bound = Bound::default()
        .and(id, OPERATION)?
        .and(signed(old_turn, OPERATION)?, OPERATION)?
        .and(signed(new_turn, OPERATION)?, OPERATION)?;
    let mut work = Work::begin(database, Mode::Write, Limit::Usual, "", OPERATION).await?;
    let outcome = async {
        if work.rows(REPORT, bound).await?.is_empty() {
            let error = Error::new(ErrorKind::Unavailable, OPERATION);
            return Err(Trouble::from(error.violating(Violation::Forgotten)));
        }
        Ok(())
    }
    .await;
    work.end(outcome).await
}

pub(super) async fn leave(database: &Database, id: &str) -> Result<()> {
    const OPERATION: &str = "side.leave";
    let bound = Bound::default().and(id, OPERATION)?;
    let mut work = Work::begin(database, Mode::Write, Limit::Usual, "", OPERATION).await?;
    let outcome = async {
        let are_there: bool = work.row(READERS_ARE_THERE, Bound::default()).await?.try_get_unchecked(0)?;
        if are_there {
            work.rows(LEAVE, bound).await?;
        }
        Ok::<_, Trouble>(())
    }
    .await;
    work.end(outcome).await
}

pub(super) async fn forget(database: &Database, id: &str, silent: Duration) -> Result<Forgetting> {
    const OPERATION: &str = "side.forget";
    let ms = i64::try_from(silent.as_millis()).unwrap_or(i64::MAX);
    let bound = Bound::default().and(id, OPERATION)?.and(ms, OPERATION)?;
    let mut work = Work::begin(database, Mode::Write, Limit::Usual, "", OPERATION).await?;
    let outcome = async {
        let are_there: bool = work.row(READERS_ARE_THERE, Bound::default()).await?.try_get_unchecked(0)?;
        if !are_there {
            return Ok(Some(Forgetting::Unknown));
        }
        let is_done = !work.rows(FORGET, bound).await?.is_empty();
        Ok::<_, Trouble>(is_done.then_some(Forgetting::Done))
    }
    .await;
    if let Some(forgetting) = work.end(outcome).await? {
        return Ok(forgetting);
    }
    let heard = instances(database).await?.into_iter().find(|one| one.id == id);
    Ok(heard.map_or(Forgetting::Unknown, |one| Forgetting::Heard(one.silent_for)))
}

pub(super) async fn instances(database: &Database) -> Result<Vec<Instance>> {
    const OPERATION: &str = "side.instances";
    let mut work = Work::begin(database, Mode::Read, Limit::Usual, "", OPERATION).await?;
    let outcome = async {
        let rows = work.rows(READERS, Bound::default()).await?;
        let found = |row: &sqlx::postgres::PgRow| -> Result<Instance, Trouble> {
            let (old, new): (i64, i64) = (row.try_get_unchecked(1)?, row.try_get_unchecked(2)?);
            let turn = |turn: i64| {
                u64::try_from(turn).map_err(|_| Error::new(ErrorKind::Corrupt, OPERATION).with("turn", turn))
            };
            Ok(Instance {
                id: row.try_get_unchecked(0)?,
                old_turn: turn(old)?,
                new_turn: turn(new)?,
                silent_for: lasted(row.try_get_unchecked(3)?),
                is_forgotten: row.try_get_unchecked(4)?,
            })
        };
        rows.iter().map(found).collect::<Result<_, _>>()
    }
    .await;
    work.end(outcome).await
}
