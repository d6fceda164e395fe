//! One connection to the database that says and hears.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgNotification};
use waiterix_ports::{Error, ErrorKind, Result, Retry};
use waiterix_postgres::connect::Database;

use super::board::Fault;
use super::parts;
use super::settings::WebSocketSettings;
use super::token::Token;

const OPERATION: &str = "websocket.join";
/// Where calls are said.
pub(super) const CALLS: &str = "waiterix_sockets";
/// The first half of the lock a process holds while it listens; the second is its [`Token::key`].
const LOCK: i32 = 0x5758_534B;

/// Says payloads on channels if anybody else listens, and answers who does.
///
/// Whoever holds its lock has listened since before, so it hears what is said after it was seen here. The sub-selects are
/// each done once. Alone, nothing is said: a notification costs the server a transaction id.
const SAY: &str = "\
WITH other AS MATERIALIZED (
    SELECT DISTINCT objid::int8 AS key FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND classid::int8 = $1 AND objsubid = 2 AND objid::int8 <> $2
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT ARRAY(SELECT key FROM other),
       (SELECT count(pg_notify(channel, payload))
        FROM unnest($3::text[], $4::text[]) AS saying(channel, payload)
        WHERE EXISTS (SELECT FROM other))";

/// A peer of the server that is gone without a word is noticed by the server when what it is sent is not acknowledged,
/// and when it is silent. Until then its lock makes others wait for it, once.
const WATCHFUL: &str = "\
SELECT set_config('tcp_user_timeout', '10000', false), set_config('tcp_keepalives_idle', '10', false),
       set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false)";

/// The channel on which a process is answered.
pub(super) fn channel_of(token: Token) -> String {
    format!("{CALLS}_{token}")
}

/// A connection that listens. Given up, it is never used again: what was said meanwhile is lost, and whoever makes the
/// next one must know.
pub(super) struct Line {
    listener: PgListener,
    /// What was heard while the connection was made.
    early: VecDeque<PgNotification>,
    own: Token,
    patience: Duration,
}

impl Line {
    /// Makes the connection, proves that what is said comes back, and lets others know that somebody listens.
    pub(super) async fn open(database: &Database, own: Token, settings: &WebSocketSettings) -> Result<Self> {
        let listener = database.listener(OPERATION).await?;
        let mut line = Self { listener, early: VecDeque::new(), own, patience: settings.patience };
        match tokio::time::timeout(settings.patience, line.join(database)).await {
            Ok(joined) => joined.map(|()| line),
            Err(_) => Err(astray()),
        }
    }

    async fn join(&mut self, database: &Database) -> Result<()> {
        let own = channel_of(self.own);
        self.listener.listen_all([CALLS, own.as_str()]).await.map_err(broken)?;
        // In a pooler in transaction mode the connection that listens is somebody else's by now. So a notification must
        // come back that another connection has sent: one's own would come with the answer, whoever listens. Nothing is
        // locked before that, because the lock would stay with the pooler.
        let probe = parts::answer(self.own, 0, "");
        let mut other = database.acquire(OPERATION).await?;
        let saying = sqlx::query("SELECT pg_notify($1, $2)").bind(&own).bind(&probe).persistent(false);
        match saying.execute(&mut *other).await {
            Ok(_) => other.release(),
            // It came to the one who sent it, and who does not listen.
            Err(sqlx::Error::Protocol(_)) => return Err(astray()),
            Err(error) => return Err(broken(error)),
        }
        loop {
            match self.listener.try_recv().await.map_err(broken)? {
                Some(heard) if heard.channel() == own && heard.payload() == probe => break,
                Some(early) => self.early.push_back(early),
                None => return Err(gone()),
            }
        }
        if let Err(error) = sqlx::query(WATCHFUL).execute(&mut self.listener).await {
            // Without it the server needs longer to notice that this process is gone.
            tracing::debug!(%error, "the server does not watch over its connections as asked");
        }
        let key = i32::from_be_bytes(self.own.key().to_be_bytes());
        let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock_shared($1, $2)")
            .bind(LOCK)
            .bind(key)
            .fetch_one(&mut self.listener)
            .await
            .map_err(broken)?;
        if locked { Ok(()) } else { Err(gone()) }
    }

    /// Says payloads in one transaction, in this order, unless nobody else listens; answers the keys of those who do.
    pub(super) async fn say(&mut self, channels: &[&str], payloads: &[&str]) -> Result<HashSet<u32>> {
        let saying = sqlx::query_as::<_, (Vec<i64>, i64)>(SAY)
            .bind(i64::from(LOCK))
            .bind(i64::from(self.own.key()))
            .bind(channels)
            .bind(payloads)
            .fetch_one(&mut self.listener);
        let (others, _) =
            tokio::time::timeout(self.patience, saying).await.map_err(|_| gone())?.map_err(broken)?;
        Ok(others.into_iter().filter_map(|key| u32::try_from(key).ok()).collect())
    }

    /// Waits for what is said next; nothing when the connection is gone. May be dropped while it waits: what arrived in
    /// part is kept.
    pub(super) async fn hear(&mut self) -> Option<PgNotification> {
        match self.early.pop_front() {
            Some(early) => Some(early),
            None => self.listener.try_recv().await.ok().flatten(),
        }
    }

    /// What arrived by now, without waiting.
    pub(super) fn heard(&mut self) -> Option<PgNotification> {
        self.early.pop_front().or_else(|| self.listener.next_buffered())
    }

    /// Stops listening, so that nobody expects an answer any more.
    pub(super) async fn leave(mut self) {
        let leaving = async {
            let unlock = sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut self.listener).await;
            unlock.is_ok() && self.listener.unlisten_all().await.is_ok()
        };
        if !tokio::time::timeout(self.patience, leaving).await.unwrap_or(false) {
            tracing::debug!("the database did not hear the goodbye of the sockets");
        }
    }
}

fn broken(error: sqlx::Error) -> Error {
    let kind = match &error {
        sqlx::Error::Database(refusal) if refusal.code().is_some_and(|code| code.starts_with("42")) => {
            ErrorKind::Denied
        }
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, OPERATION).retry(Retry::Safe).because(error)
}

fn astray() -> Error {
    Error::new(ErrorKind::Unavailable, OPERATION)
        .retry(Retry::Safe)
        .with("fault", "a notification does not come back; is a pooler in between?")
}

fn gone() -> Error {
    Error::new(ErrorKind::Unavailable, OPERATION)
        .retry(Retry::Safe)
        .with("fault", "the connection that listens fell silent or ended")
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind(), text: error.to_string() }
    }
}
