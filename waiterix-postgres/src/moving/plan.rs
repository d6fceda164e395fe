//! The plan of a move, its ledger and its instances, in one database for all processes: that which is moved to, because it is
//! there at the end.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use waiterix_ports::moving::{
    Forgetting, Leader, Ledger, LedgerEntry, Mirroring, MovingPort, Plan, PlanStore, PortStanding, Recorded,
    Stage, Turns, Watcher,
};
use waiterix_ports::{Error, ErrorKind, Result, Violation};

use super::intents::{flag_at, text};
use super::{corrupt, error_of, is_absent};
use crate::connect::Database;
use crate::statement::{self, Argument};

/// The lock keeps two that begin at once from making the same schema; it ends with the statement.
const INSTALL: &str = "DO $do$ BEGIN \
    PERFORM pg_advisory_xact_lock(hashtext('waiterix_migration')); \
    CREATE SCHEMA IF NOT EXISTS waiterix_migration; \
    DROP TABLE IF EXISTS waiterix_migration.finished; \
    CREATE TABLE IF NOT EXISTS waiterix_migration.ports ( \
        port text PRIMARY KEY, leader text NOT NULL, mirroring text NOT NULL, stage text NOT NULL, \
        share bigint NOT NULL, turn bigint NOT NULL); \
    INSERT INTO waiterix_migration.ports SELECT port, 'old', 'background', 'steady', 0, 0 \
        FROM unnest(ARRAY['rows', 'objects', 'sessions', 'mail', 'sockets']) port ON CONFLICT DO NOTHING; \
    CREATE TABLE IF NOT EXISTS waiterix_migration.instances ( \
        id text PRIMARY KEY, turns jsonb NOT NULL, seen_at timestamptz NOT NULL, \
        is_forgotten boolean NOT NULL DEFAULT false); \
    CREATE TABLE IF NOT EXISTS waiterix_migration.ledger ( \
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), \
        who text NOT NULL, port text NOT NULL, what text NOT NULL, evidence jsonb NOT NULL); \
    CREATE TABLE IF NOT EXISTS waiterix_migration.places ( \
        walk text PRIMARY KEY, at text, done bigint NOT NULL, finished boolean NOT NULL, \
        kept_at timestamptz NOT NULL); \
    CREATE TABLE IF NOT EXISTS waiterix_migration.objects ( \
        key text PRIMARY KEY, size bigint NOT NULL, sha256 bytea NOT NULL, old_etag text NOT NULL, \
        new_etag text NOT NULL, at timestamptz NOT NULL); \
    END $do$";
/// The schema goes with its last table; what the sides of a move of rows keep there is theirs to take away.
const UNINSTALL: &str = "DO $do$ BEGIN \
    PERFORM pg_advisory_xact_lock(hashtext('waiterix_migration')); \
    DROP TABLE IF EXISTS waiterix_migration.ports, waiterix_migration.instances, waiterix_migration.ledger, \
        waiterix_migration.places, waiterix_migration.objects, waiterix_migration.intents, \
        waiterix_migration.finished; \
    BEGIN DROP SCHEMA IF EXISTS waiterix_migration RESTRICT; \
    EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END; \
    END $do$";
const UNINSTALL_ALL_BUT_THE_END: &str = "DROP TABLE IF EXISTS waiterix_migration.ports, waiterix_migration.instances, \
    waiterix_migration.ledger, waiterix_migration.places, waiterix_migration.objects, waiterix_migration.intents";
/// Where no side of rows remembers that it gave the lead away, this does.
const END: &str = "CREATE TABLE IF NOT EXISTS waiterix_migration.finished (at timestamptz NOT NULL)";
const IS_ENDED: &str = "SELECT (to_regclass('waiterix_migration.finished') IS NOT NULL)::text";
const PLAN: &str = "SELECT port, leader, mirroring, stage, share, turn FROM waiterix_migration.ports";
const SHIFT: &str = "WITH moved AS (UPDATE waiterix_migration.ports \
        SET leader = $2, mirroring = $3, stage = $4, share = $5, turn = $6 WHERE port = $1 AND turn = $7 RETURNING 1), \
    noted AS (INSERT INTO waiterix_migration.ledger (who, port, what, evidence) \
        SELECT $8, $1, $9, $10::jsonb FROM moved) \
    SELECT count(*) FROM moved";
/// Functions come and go without leaving, so who has been silent for a day is taken away; but for those who are refused. No row is
/// answered to one of them.
const LOOK: &str = "WITH gone AS (DELETE FROM waiterix_migration.instances \
        WHERE seen_at < clock_timestamp() - interval '1 day' AND id <> $1 AND NOT is_forgotten) \
    INSERT INTO waiterix_migration.instances AS i (id, turns, seen_at) VALUES ($1, $2::jsonb, clock_timestamp()) \
    ON CONFLICT (id) DO UPDATE SET turns = i.turns || excluded.turns, seen_at = excluded.seen_at \
        WHERE NOT i.is_forgotten RETURNING true";
/// One that looks at this very moment is waited for by the lock of its row, and then it was heard.
const FORGET: &str = "WITH gone AS (UPDATE waiterix_migration.instances SET is_forgotten = true \
        WHERE id = $1 AND NOT is_forgotten \
        AND seen_at <= clock_timestamp() - $2::bigint * interval '1 millisecond' RETURNING 1), \
    noted AS (INSERT INTO waiterix_migration.ledger (who, port, what, evidence) \
        SELECT $3, $4, $5, $6::jsonb FROM gone) \
    SELECT count(*) FROM gone";
const LEAVE: &str = "DELETE FROM waiterix_migration.instances WHERE id = $1";
const INSTANCES: &str = "SELECT id, turns::text, \
    (extract(epoch FROM clock_timestamp() - seen_at) * 1000)::bigint, is_forgotten \
    FROM waiterix_migration.instances ORDER BY id";
const NOTE: &str =
    "INSERT INTO waiterix_migration.ledger (who, port, what, evidence) VALUES ($1, $2, $3, $4::jsonb)";
const RECORDED: &str = "SELECT id, at, who, port, what, evidence::text FROM waiterix_migration.ledger \
    WHERE id > $1 ORDER BY id LIMIT $2";

/// The plan in the schema `waiterix_migration`; also what walks remember.
#[derive(Debug, Clone)]
pub struct PostgresPlan {
    pub(super) database: Database,
}

impl PostgresPlan {
    /// A plan in a database. Nothing is asked of it yet.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes the tables unless they are there, with every port at the beginning, and the journals of [`super::PostgresJournal`]
    /// before them: whoever sees a plan writes by it at once.
    ///
    /// # Errors
    /// `Denied` without the privilege to make a schema; `Unavailable`, `Timeout`.
    pub async fn install(&self) -> Result<()> {
        self.write("plan.install", super::intents::INSTALL, &[]).await?;
        self.write("plan.install", INSTALL, &[]).await.map(drop)
    }

    /// Takes away everything of the plan, with its ledger and the journals of [`super::PostgresJournal`]. Nothing may be served by a
    /// plan any more; what shall be known later is read before.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`, `Timeout`.
    pub async fn uninstall(&self) -> Result<()> {
        self.write("plan.uninstall", UNINSTALL, &[]).await.map(drop)
    }

    /// Takes away everything of the plan, but leaves behind that there was one. Who looks for a plan then is told that the move is over,
    /// and does not take the old provider for the leader, as it was before. [`PostgresPlan::uninstall`] takes that away as well.
    ///
    /// # Errors
    /// As [`PostgresPlan::uninstall`].
    pub async fn end(&self) -> Result<()> {
        const OPERATION: &str = "plan.end";
        // First the one, then the other: a process that looks in between finds a plan, or that it is over.
        self.write(OPERATION, END, &[]).await?;
        self.write(OPERATION, UNINSTALL_ALL_BUT_THE_END, &[]).await.map(drop)
    }

    /// Whether a plan was [ended](PostgresPlan::end).
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    pub async fn is_ended(&self) -> Result<bool> {
        const OPERATION: &str = "plan.is_ended";
        let rows = self.read(OPERATION, IS_ENDED, &[]).await?;
        Ok(text(rows.first().ok_or_else(|| corrupt(OPERATION))?, 0, OPERATION)? == "true")
    }

    pub(super) async fn read(
        &self,
        operation: &'static str,
        sql: &'static str,
        arguments: &[Argument<'_>],
    ) -> Result<Vec<PgRow>> {
        statement::read(&self.database, sql, arguments, operation).await.map_err(error_of)
    }

    pub(super) async fn write(
        &self,
        operation: &'static str,
        sql: &'static str,
        arguments: &[Argument<'_>],
    ) -> Result<Vec<PgRow>> {
        statement::write(&self.database, sql, arguments, operation).await.map_err(error_of)
    }

    async fn standings(&self, operation: &'static str) -> Result<Plan> {
        let rows = self.read(operation, PLAN, &[]).await?;
        let mut standings = Vec::with_capacity(rows.len());
        for row in &rows {
            // A port that a later version moves is none of this one's.
            if let Some(port) = MovingPort::named(text(row, 0, operation)?) {
                standings.push((port, standing(row, operation)?));
            }
        }
        Ok(Plan::new(standings))
    }
}

fn standing(row: &PgRow, operation: &'static str) -> Result<PortStanding> {
    let named = |column| text(row, column, operation);
    Ok(PortStanding {
        leader: Leader::named(named(1)?).ok_or_else(|| corrupt(operation))?,
        mirroring: Mirroring::named(named(2)?).ok_or_else(|| corrupt(operation))?,
        stage: Stage::named(named(3)?).ok_or_else(|| corrupt(operation))?,
        share: u8::try_from(number(row, 4, operation)?).map_err(|_| corrupt(operation))?,
        turn: count(row, 5, operation)?,
    })
}

pub(super) fn number(row: &PgRow, column: usize, operation: &'static str) -> Result<i64> {
    row.try_get_unchecked(column).map_err(|_| corrupt(operation))
}

pub(super) fn count(row: &PgRow, column: usize, operation: &'static str) -> Result<u64> {
    u64::try_from(number(row, column, operation)?).map_err(|_| corrupt(operation))
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

const fn word(text: &str) -> Argument<'_> {
    Argument::Bound(Some(text))
}

fn json(text: &str, operation: &'static str) -> Result<Value> {
    serde_json::from_str(text).map_err(|_| corrupt(operation))
}

#[async_trait]
impl PlanStore for PostgresPlan {
    async fn plan(&self) -> Result<Plan> {
        self.standings("plan.read").await
    }

    async fn shift(&self, port: MovingPort, seen: u64, to: &PortStanding, why: &LedgerEntry) -> Result<bool> {
        const OPERATION: &str = "plan.shift";
        if seen.checked_add(1) != Some(to.turn) {
            return Err(Error::new(ErrorKind::Invalid, OPERATION).with("fault", "not the next turn"));
        }
        let evidence = why.evidence.to_string();
        let arguments = [
            word(port.as_str()),
            word(to.leader.as_str()),
            word(to.mirroring.as_str()),
            word(to.stage.as_str()),
            Argument::Number(to.share.into()),
            Argument::Number(signed(to.turn)),
            Argument::Number(signed(seen)),
            word(&why.who),
            word(&why.what),
            word(&evidence),
        ];
        let rows = self.write(OPERATION, SHIFT, &arguments).await?;
        let moved =
            rows.first().ok_or_else(|| corrupt(OPERATION)).and_then(|row| number(row, 0, OPERATION))?;
        // What an earlier attempt made, whose answer was lost, is found again.
        Ok(moved == 1 || self.standings(OPERATION).await?.of(port) == *to)
    }

    async fn look(&self, instance: &str, seen: &Turns) -> Result<Plan> {
        const OPERATION: &str = "plan.look";
        let turns: serde_json::Map<String, Value> =
            seen.iter().map(|(of, turn)| (of.clone(), Value::from(*turn))).collect();
        let turns = Value::Object(turns).to_string();
        match statement::write(&self.database, LOOK, &[word(instance), word(&turns)], OPERATION).await {
            Ok(heard) if heard.is_empty() => {
                Err(Error::new(ErrorKind::Unavailable, OPERATION).violating(Violation::Forgotten))
            }
            Ok(_) => self.standings(OPERATION).await,
            Err(refusal) if is_absent(&refusal) && self.is_ended().await? => {
                Err(Error::new(ErrorKind::Unavailable, OPERATION)
                    .with("fault", "the move is over: serve with the new provider alone"))
            }
            Err(refusal) if is_absent(&refusal) => Ok(Plan::none()),
            Err(refusal) => Err(error_of(refusal)),
        }
    }

    async fn leave(&self, instance: &str) -> Result<()> {
        self.write("plan.leave", LEAVE, &[word(instance)]).await.map(drop)
    }

    async fn forget(&self, instance: &str, silent: Duration, why: &LedgerEntry) -> Result<Forgetting> {
        const OPERATION: &str = "plan.forget";
        let evidence = why.evidence.to_string();
        let arguments = [
            word(instance),
            Argument::Number(i64::try_from(silent.as_millis()).unwrap_or(i64::MAX)),
            word(&why.who),
            word(why.port.as_str()),
            word(&why.what),
            word(&evidence),
        ];
        let rows = self.write(OPERATION, FORGET, &arguments).await?;
        if count(rows.first().ok_or_else(|| corrupt(OPERATION))?, 0, OPERATION)? == 1 {
            return Ok(Forgetting::Done);
        }
        let instances = self.instances().await?;
        Ok(match instances.into_iter().find(|one| one.id == instance) {
            // Earlier, perhaps by an attempt whose answer was lost.
            Some(one) if one.is_forgotten => Forgetting::Done,
            Some(one) => Forgetting::Heard(one.silent),
            None => Forgetting::Unknown,
        })
    }

    async fn instances(&self) -> Result<Vec<Watcher>> {
        const OPERATION: &str = "plan.instances";
        let rows = self.read(OPERATION, INSTANCES, &[]).await?;
        rows.iter()
            .map(|row| {
                let turns = json(text(row, 1, OPERATION)?, OPERATION)?;
                let turns = turns.as_object().ok_or_else(|| corrupt(OPERATION))?;
                let turns: Option<Turns> =
                    turns.iter().map(|(of, turn)| Some((of.clone(), turn.as_u64()?))).collect();
                Ok(Watcher {
                    id: text(row, 0, OPERATION)?.to_owned(),
                    turns: turns.ok_or_else(|| corrupt(OPERATION))?,
                    // A clock that was set back makes nobody silent.
                    silent: Duration::from_millis(u64::try_from(number(row, 2, OPERATION)?).unwrap_or(0)),
                    is_forgotten: flag_at(row, 3, OPERATION)?,
                })
            })
            .collect()
    }
}

#[async_trait]
impl Ledger for PostgresPlan {
    async fn note(&self, entry: &LedgerEntry) -> Result<()> {
        let evidence = entry.evidence.to_string();
        let arguments = [word(&entry.who), word(entry.port.as_str()), word(&entry.what), word(&evidence)];
        self.write("plan.note", NOTE, &arguments).await.map(drop)
    }

    async fn recorded(&self, after: Option<u64>, limit: u32) -> Result<Vec<Recorded>> {
        const OPERATION: &str = "plan.recorded";
        let arguments = [Argument::Number(after.map_or(-1, signed)), Argument::Number(limit.into())];
        let rows = self.read(OPERATION, RECORDED, &arguments).await?;
        rows.iter()
            .map(|row| {
                let entry = LedgerEntry {
                    who: text(row, 2, OPERATION)?.to_owned(),
                    port: MovingPort::named(text(row, 3, OPERATION)?).ok_or_else(|| corrupt(OPERATION))?,
                    what: text(row, 4, OPERATION)?.to_owned(),
                    evidence: json(text(row, 5, OPERATION)?, OPERATION)?,
                };
                let at = statement::instant(row, 1).map_err(|_| corrupt(OPERATION))?;
                Ok(Recorded { id: count(row, 0, OPERATION)?, at, entry })
            })
            .collect()
    }
}
