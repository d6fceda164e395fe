//! Looking up what was written down last.

use waiterix_ports::Result;
use waiterix_ports::moving::{LedgerEntry, MovingPort, Recorded};

use super::corrupt;
use super::intents::text;
use super::plan::{PostgresPlan, count};
use crate::statement::{self, Argument};

const LAST: &str = "SELECT id, at, who, port, what, evidence::text FROM waiterix_migration.ledger \
    WHERE port = $1 AND what = ANY ($2::text[]) ORDER BY id DESC LIMIT 1";
const IS_THERE: &str = "SELECT (to_regclass('waiterix_migration.ledger') IS NOT NULL)::text";
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
            Err(refusal) if super::is_absent(&refusal) => return Ok(None),
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
}
