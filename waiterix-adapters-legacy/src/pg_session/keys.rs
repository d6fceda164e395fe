//! What the tables hold, for walks over all of it.

use async_trait::async_trait;
use waiterix_ports::moving::{KeyPage, SessionKeys, TempKey};
use waiterix_ports::session::is_session_id;
use waiterix_ports::{Result, SessionId};
use waiterix_postgres::statement::{self, Argument};

use super::store::{PgSessionStore, corrupt, text};

/// In the order of the primary key, whatever its collation, so that a page is a piece of its index.
const IDS: &str = "SELECT sid FROM public.sessions WHERE sid > $1 AND expire >= $2 ORDER BY sid LIMIT $3";
const TEMP: &str = "SELECT key, ends_at FROM public.waiterix_temp \
    WHERE key > $1 AND starts_with(key, $2) AND ends_at > $3 ORDER BY key LIMIT $4";

/// Values stand under this, counters under something else.
const VALUE: &str = "value:";

#[async_trait]
impl SessionKeys for PgSessionStore {
    async fn session_ids(&self, from: Option<&str>, limit: u32) -> Result<KeyPage<SessionId>> {
        const OPERATION: &str = "session.session_ids";
        let arguments =
            [Argument::Bound(Some(from.unwrap_or(""))), self.this_second(), Argument::Number(limit.into())];
        let rows = self.read(OPERATION, IDS, &arguments).await?;
        let mut keys = Vec::with_capacity(rows.len());
        let mut last = None;
        for row in &rows {
            let sid = text(row, 0, OPERATION)?;
            last = Some(sid.to_owned());
            // Others make other ids, which no cookie of this service can have.
            if is_session_id(sid) {
                keys.push(SessionId::new(sid));
            }
        }
        Ok(KeyPage { keys, next: last.filter(|_| rows.len() == limit as usize) })
    }

    async fn temp_keys(&self, prefix: &str, from: Option<&str>, limit: u32) -> Result<KeyPage<TempKey>> {
        const OPERATION: &str = "session.temp_keys";
        let beginning = format!("{VALUE}{prefix}");
        let arguments = [
            Argument::Bound(Some(from.unwrap_or(""))),
            Argument::Bound(Some(&beginning)),
            Argument::Instant(Some(self.now())),
            Argument::Number(limit.into()),
        ];
        let rows = self.read(OPERATION, TEMP, &arguments).await?;
        let mut keys = Vec::with_capacity(rows.len());
        let mut last = None;
        for row in &rows {
            let key = text(row, 0, OPERATION)?;
            last = Some(key.to_owned());
            let key = key.strip_prefix(VALUE).ok_or_else(|| corrupt(OPERATION))?.to_owned();
            let ends_at = statement::instant(row, 1).map_err(|_| corrupt(OPERATION))?;
            keys.push(TempKey { key, ends_at });
        }
        Ok(KeyPage { keys, next: last.filter(|_| rows.len() == limit as usize) })
    }
}
