//! Looking up what was written down, and taking all of it away.

use waiterix_ports::Result;
use waiterix_ports::moving::{LedgerEntry, MovingPort, Recorded};

use super::corrupt;
use super::intents::text;
use super::plan::{PostgresPlan, count};
use crate::statement::{self, Argument};

const LAST: &str = "SELECT id, at, who, port, what, evidence::text FROM waiterix_migration.ledger \
    WHERE port = $1 AND what = ANY ($2::text[]) ORDER BY id DESC LIMIT 1";
const IS_THERE: &str = "SELECT (to_regclass('waiterix_migration.ledger') IS NOT NULL)::text";
/// What others keep in the schema stays, and the schema with it.
const REMOVE: &str = "DO $do$ BEGIN \
    DROP TABLE IF EXISTS waiterix_migration.ports, waiterix_migration.instances, waiterix_migration.ledger, \
        waiterix_migration.places, waiterix_migration.objects, waiterix_migration.intents; \
    IF EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'waiterix_migration') \
       AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                       WHERE n.nspname = 'waiterix_migration') THEN \
        DROP SCHEMA waiterix_migration; \
    END IF; END $do$";

impl PostgresPlan {
    /// Whether there is a plan.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    pub async fn is_there(&self) -> Result<bool> {
        const OPERATION: &str = "plan.is_there";
        let rows = self.read(OPERATION, IS_THERE, &[]).await?;
        Ok(text(rows.first().ok_or_else(|| corrupt(OPERATION))?, 0, OPERATION)? == "true")
    }

    /// The last entry of the ledger that says one of these things of a port; none where there is no ledger.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    pub async fn last(&self, port: MovingPort, whats: &[&str]) -> Result<Option<Recorded>> {
        const OPERATION: &str = "plan.last";
        let arguments = [Argument::Bound(Some(port.as_str())), Argument::Texts(whats)];
        let rows = match statement::read(&self.database, LAST, &arguments, OPERATION).await {
            Ok(rows) => rows,
            Err(refusal) if matches!(refusal.sqlstate.as_deref(), Some("42P01" | "3F000")) => {
                return Ok(None);
            }
            Err(refusal) => return Err(super::error_of(refusal)),
        };
        let Some(row) = rows.first() else { return Ok(None) };
        let entry = LedgerEntry {
            who: text(row, 2, OPERATION)?.to_owned(),
            port,
            what: text(row, 4, OPERATION)?.to_owned(),
            evidence: serde_json::from_str(text(row, 5, OPERATION)?).map_err(|_| corrupt(OPERATION))?,
        };
        let at = statement::instant(row, 1).map_err(|_| corrupt(OPERATION))?;
        Ok(Some(Recorded { id: count(row, 0, OPERATION)?, at, entry }))
    }

    /// Takes the plan and its ledger away, and whatever else ports without triggers keep of the move.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`, `Timeout`.
    pub async fn uninstall(&self) -> Result<()> {
        self.write("plan.uninstall", REMOVE, &[]).await.map(drop)
    }
}
