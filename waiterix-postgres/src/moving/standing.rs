//! What a side enforces, and how that changes.

use std::time::Duration;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use waiterix_ports::moving::{Mode, Standing};
use waiterix_ports::{Error, ErrorKind, Result};

use super::work::{Bound, Limit, Trouble, Work};
use crate::connect::Database;
use crate::session::Mode as Access;

/// Every guarded statement holds this lock, shared, until its transaction ends; whoever shuts out writers by a change of the standing
/// holds it alone. The number means nothing.
pub(super) const LOCK: i64 = 0x5741_4954_4d4f_5645;

const READ: &str = "SELECT epoch, mode, turn FROM waiterix_migration.standing";
const IS_THERE: &str = "SELECT to_regclass('waiterix_migration.standing') IS NOT NULL";
const SHIFT: &str = "UPDATE waiterix_migration.standing SET epoch = $1, mode = $2, turn = turn + 1 \
    WHERE epoch = $3 AND mode = $4 AND turn = $5 RETURNING turn";

/// How much longer than the wait for others a change itself may take.
const MOMENT: Duration = Duration::from_secs(5);

fn decoded(row: &PgRow, operation: &'static str) -> Result<Standing, Trouble> {
    let (epoch, mode, turn): (i64, String, i64) =
        (row.try_get_unchecked(0)?, row.try_get_unchecked(1)?, row.try_get_unchecked(2)?);
    match (u64::try_from(epoch), Mode::named(&mode), u64::try_from(turn)) {
        (Ok(epoch), Some(mode), Ok(turn)) => Ok(Standing { epoch, mode, turn }),
        _ => Err(Error::new(ErrorKind::Corrupt, operation).with("fault", "no such standing").into()),
    }
}

/// A number as PostgreSQL has them.
pub(super) fn signed(number: u64, operation: &'static str) -> Result<i64> {
    i64::try_from(number)
        .map_err(|_| Error::new(ErrorKind::Invalid, operation).with("fault", "a number too large"))
}

/// What a side enforces.
pub(super) async fn read(database: &Database, operation: &'static str) -> Result<Option<Standing>> {
    let mut work = Work::begin(database, Access::Read, Limit::Usual, "", operation).await?;
    let outcome = read_within(&mut work).await;
    work.end(outcome).await
}

/// The same within a transaction.
pub(super) async fn read_within(work: &mut Work) -> Result<Option<Standing>, Trouble> {
    let is_there: bool = work.row(IS_THERE, Bound::default()).await?.try_get_unchecked(0)?;
    if !is_there {
        return Ok(None);
    }
    let rows = work.rows(READ, Bound::default()).await?;
    rows.first().map(|row| decoded(row, work.operation)).transpose()
}

/// Whether somebody whom a standing lets in is not let in by the next one, so that writes under way must end first. It is the rule of
/// the protocol, which this crate does not know; `tests/tests/main/guards_agree.rs` compares the two in every case.
const fn shuts_out(seen: Standing, mode: Mode, epoch: u64) -> bool {
    match seen.mode {
        Mode::Open | Mode::Announced => !matches!(mode, Mode::Open | Mode::Announced),
        Mode::Mirror => !matches!(mode, Mode::Mirror) || epoch != seen.epoch,
        Mode::Fenced | Mode::Decided => false,
    }
}

/// Replaces a standing, see [`waiterix_ports::moving::RowSide::shift`].
///
/// Of those who change it at the same time the lock of the row makes one succeed, whether or not they wait for writes. It is also what
/// a transaction that is not READ COMMITTED holds until its end: that one is waited for in any case, with the same patience.
pub(super) async fn shift(
    database: &Database,
    seen: Standing,
    mode: Mode,
    epoch: u64,
    patience: Duration,
) -> Result<bool> {
    const OPERATION: &str = "side.shift";
    // Without any patience there would be no limit.
    let patience_ms = patience.as_millis().max(1);
    let mut opening = format!("SET LOCAL lock_timeout = {patience_ms}");
    if shuts_out(seen, mode, epoch) {
        opening.push_str(&format!("; SELECT pg_advisory_xact_lock({LOCK})"));
    }
    let limit = Limit::Of(patience + MOMENT);
    let mut work = Work::begin(database, Access::Write, limit, &opening, OPERATION).await?;
    let outcome = replace(&mut work, seen, mode, epoch).await;
    work.end(outcome).await
}

async fn replace(work: &mut Work, seen: Standing, mode: Mode, epoch: u64) -> Result<bool, Trouble> {
    let operation = work.operation;
    let bound = Bound::default()
        .and(signed(epoch, operation)?, operation)?
        .and(mode.as_str(), operation)?
        .and(signed(seen.epoch, operation)?, operation)?
        .and(seen.mode.as_str(), operation)?
        .and(signed(seen.turn, operation)?, operation)?;
    if !work.rows(SHIFT, bound).await?.is_empty() {
        return Ok(true);
    }
    // An earlier attempt whose answer was lost may have made it.
    let made = Standing { epoch, mode, turn: seen.turn.saturating_add(1) };
    Ok(read_within(work).await? == Some(made))
}
