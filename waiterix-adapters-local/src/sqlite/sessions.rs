//! Sessions and one-time data in a SQLite file of their own.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::session::{MAX_SESSION_BYTES, MAX_TEMP_BYTES, MAX_TTL, is_session_id, is_temp_key};
use waiterix_ports::{
    Clock, Error, ErrorKind, Loaded, Result, Retry, Revision, Session, SessionId, SessionStore,
};

use super::bound::{self, Bound};
use super::connect::Readers;
use super::schema::{Layout, TableLayout};
use super::statement::{Done, Statements};
use super::store::open_file;
use super::writer::Writer;
use super::{fault, reading};

/// Marks a file as a store of sessions.
const APPLICATION: i32 = 0x5754_5353;
/// The version of the layout; raise it with every change.
const VERSION: i32 = 1;

/// Statements of one piece of work.
macro_rules! work {
    ($($sql:literal)+) => { concat!("RELEASE work; SAVEPOINT work; ", $($sql),+) };
}

const CREATE: &str = work!(
    "DELETE FROM sessions WHERE id = ? AND expires_at <= ?;"
    "UPDATE last_revision SET revision = revision + 1;"
    "INSERT INTO sessions (id, user_id, email, created_at, last_activity, expires_at, extra, revision) "
    "SELECT ?, ?, ?, ?, ?, ?, ?, revision FROM last_revision WHERE TRUE ON CONFLICT (id) DO NOTHING"
);
const LOAD: &str = "SELECT user_id, email, created_at, last_activity, expires_at, extra, revision \
                    FROM sessions WHERE id = ?1 AND expires_at > ?2";
const UPDATE: &str = work!(
    "UPDATE last_revision SET revision = revision + 1;"
    "UPDATE sessions SET user_id = ?, email = ?, created_at = ?, last_activity = ?, expires_at = ?, extra = ?, "
    "revision = (SELECT revision FROM last_revision) WHERE id = ? AND revision = ? AND expires_at > ? "
    "RETURNING revision;"
    "SELECT 1 FROM sessions WHERE id = ? AND expires_at > ?"
);
const TOUCH: &str =
    work!("UPDATE sessions SET last_activity = ?, expires_at = ? WHERE id = ? AND expires_at > ?");
const DELETE: &str = work!("DELETE FROM sessions WHERE id = ? RETURNING expires_at > ?");
const OF_USER: &str = "SELECT id FROM sessions WHERE user_id = ?1 AND expires_at > ?2";
const DELETE_OF_USER: &str = work!("DELETE FROM sessions WHERE user_id = ? RETURNING expires_at > ?");
const SET: &str = work!(
    "INSERT INTO temp_values (key, value, expires_at) VALUES (?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at"
);
const SET_IF_ABSENT: &str = work!(
    "INSERT INTO temp_values (key, value, expires_at) VALUES (?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at "
    "WHERE temp_values.expires_at <= ?"
);
const GET: &str = "SELECT value FROM temp_values WHERE key = ?1 AND expires_at > ?2";
const TAKE: &str = work!("DELETE FROM temp_values WHERE key = ? RETURNING expires_at > ?, value");
const COUNT: &str = work!(
    "DELETE FROM temp_counters WHERE key = ? AND expires_at <= ?;"
    "INSERT INTO temp_counters (key, count, expires_at) VALUES (?, 1, ?) "
    "ON CONFLICT (key) DO UPDATE SET count = count + 1 RETURNING count"
);
const PRUNE: [&str; 3] = [
    work!("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= ? LIMIT ?)"),
    work!("DELETE FROM temp_values WHERE key IN (SELECT key FROM temp_values WHERE expires_at <= ? LIMIT ?)"),
    work!(
        "DELETE FROM temp_counters WHERE key IN (SELECT key FROM temp_counters WHERE expires_at <= ? LIMIT ?)"
    ),
];

fn layout() -> Layout {
    let table = |name, create: &str| TableLayout { name, create: create.to_owned(), columns: Vec::new() };
    let index = |name, sql: &str| (name, sql.to_owned());
    Layout {
        application: APPLICATION,
        version: VERSION,
        tables: vec![
            table(
                "sessions",
                "CREATE TABLE sessions (id TEXT PRIMARY KEY NOT NULL, user_id TEXT, email TEXT, \
                 created_at INTEGER NOT NULL, last_activity INTEGER NOT NULL, expires_at INTEGER NOT NULL, \
                 extra TEXT NOT NULL, revision INTEGER NOT NULL) STRICT",
            ),
            // A revision is never given twice, so that a session made anew is another one.
            table(
                "last_revision",
                "CREATE TABLE last_revision (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL) \
                 STRICT; INSERT INTO last_revision VALUES (1, 0)",
            ),
            table(
                "temp_values",
                "CREATE TABLE temp_values (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL, \
                 expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
            ),
            table(
                "temp_counters",
                "CREATE TABLE temp_counters (key TEXT PRIMARY KEY NOT NULL, count INTEGER NOT NULL, \
                 expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
            ),
        ],
        indexes: vec![
            index(
                "sessions_of_user",
                "CREATE INDEX sessions_of_user ON sessions (user_id) WHERE user_id IS NOT NULL",
            ),
            index("sessions_by_end", "CREATE INDEX sessions_by_end ON sessions (expires_at)"),
            index("temp_values_by_end", "CREATE INDEX temp_values_by_end ON temp_values (expires_at)"),
            index("temp_counters_by_end", "CREATE INDEX temp_counters_by_end ON temp_counters (expires_at)"),
        ],
    }
}

/// A [`SessionStore`] in one SQLite file, which only its owner can read. Several of them may share the file.
///
/// Session ids are kept as they are, because the list of a user's sessions names them.
pub struct SqliteSessionStore {
    readers: Readers,
    writer: Writer<Statements>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for SqliteSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteSessionStore").field("writer", &self.writer).finish_non_exhaustive()
    }
}

fn invalid(operation: &'static str, fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation).with("fault", fault)
}

fn corrupt(operation: &'static str) -> Error {
    // The cause could quote the record, so it is not kept.
    Error::new(ErrorKind::Corrupt, operation)
}

fn after(now: Timestamp, ttl: Duration) -> Timestamp {
    now.plus_millis(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
}

fn raw(text: &str) -> Bound {
    Bound::Text(text.into())
}

fn raw_optional(text: Option<&str>) -> Bound {
    text.map_or(Bound::Null, raw)
}

fn at(at: Timestamp) -> Bound {
    Bound::Int(at.as_micros())
}

fn limited_json(value: &impl serde::Serialize, max_bytes: usize, operation: &'static str) -> Result<Bound> {
    let json = serde_json::to_string(value).map_err(|_| invalid(operation, "not JSON"))?;
    if json.len() > max_bytes { Err(invalid(operation, "larger than allowed")) } else { Ok(raw(&json)) }
}

/// The first column of the first row that a statement answered with.
fn returned<T>(done: Option<&Done>, operation: &'static str) -> Result<Option<T>>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    let row = done.and_then(|done| done.rows.first());
    row.map(|row| row.try_get_unchecked(0)).transpose().map_err(|_| corrupt(operation))
}

fn session_of(row: &SqliteRow, id: &SessionId) -> Option<Loaded> {
    let instant = |column| Timestamp::from_micros(row.try_get_unchecked(column).ok()?);
    let extra: &str = row.try_get_unchecked(5).ok()?;
    let revision: i64 = row.try_get_unchecked(6).ok()?;
    let session = Session {
        id: id.clone(),
        user_id: row.try_get_unchecked::<Option<String>, _>(0).ok()?.map(UserId::from),
        email: row.try_get_unchecked(1).ok()?,
        created_at: instant(2)?,
        last_activity: instant(3)?,
        expires_at: instant(4)?,
        extra: serde_json::from_str(extra).ok()?,
    };
    Some(Loaded { session, revision: Revision::new(revision.to_string()) })
}

impl SqliteSessionStore {
    /// Opens a file, which is made if it is not there, readable by its owner alone. Sessions end by the clock. Needs a
    /// running Tokio runtime, on which it starts its writing task.
    ///
    /// # Errors
    /// `Unsupported` for a file that belongs to something else or was made by a newer version, which stays as it is;
    /// `Denied` or `Unavailable` when it cannot be opened; `Corrupt` when it is no database.
    pub async fn open(path: impl AsRef<Path> + Send, clock: Arc<dyn Clock>) -> Result<Self> {
        let path = path.as_ref();
        let (connection, readers) = open_file(path, &layout(), "session.open").await?;
        Ok(Self { readers, writer: Writer::start(path, connection), clock })
    }

    /// Finishes what was handed over and lets go of the file. Everything afterwards is `Unavailable`.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn write(
        &self,
        operation: &'static str,
        sql: &'static str,
        arguments: &[Bound],
    ) -> Result<Vec<Done>> {
        self.writer.submit(Statements::new(operation, sql, arguments)).await
    }

    async fn rows(
        &self,
        operation: &'static str,
        sql: &'static str,
        arguments: &[Bound],
    ) -> Result<Vec<SqliteRow>> {
        let mut reader = self.readers.borrow(operation).await?;
        let query = sqlx::query_with(sql, bound::arguments(arguments));
        let found = match reader.connection() {
            Ok(connection) => query.fetch_all(connection).await,
            Err(error) => Err(error),
        };
        found.map_err(|error| reader.failed(&error, operation))
    }

    fn now(&self) -> Bound {
        at(self.clock.now())
    }

    /// Checks what may be stored now, and writes the part that is JSON.
    fn checked(&self, session: &Session, operation: &'static str) -> Result<Bound> {
        if !is_session_id(session.id.reveal()) {
            return Err(invalid(operation, "malformed session id"));
        }
        self.check_end(session.expires_at, operation)?;
        limited_json(&session.extra, MAX_SESSION_BYTES, operation)
    }

    fn check_end(&self, end: Timestamp, operation: &'static str) -> Result<()> {
        let now = self.clock.now();
        if end <= now || end > after(now, MAX_TTL) {
            return Err(invalid(operation, "end of the session is past or more than 400 days ahead"));
        }
        Ok(())
    }

    /// When a temporary record under this key and with this time to live ends.
    fn end_of(&self, key: &str, ttl: Duration, operation: &'static str) -> Result<Bound> {
        if !is_temp_key(key) {
            return Err(invalid(operation, "malformed key"));
        }
        if !(Duration::from_secs(1)..=MAX_TTL).contains(&ttl) {
            return Err(invalid(operation, "time to live is not 1 second to 400 days"));
        }
        Ok(at(after(self.clock.now(), ttl)))
    }
}

/// A stored value; `Corrupt` when it is no JSON.
fn value_of(row: &SqliteRow, column: usize, operation: &'static str) -> Result<Value> {
    let json: &str =
        row.try_get_unchecked(column).map_err(|error| fault::of(&error, operation, Retry::No))?;
    serde_json::from_str(json).map_err(|_| corrupt(operation))
}

/// How many of the deleted rows were still live.
fn live(done: Option<&Done>) -> u32 {
    let rows = done.map_or(&[][..], |done| &done.rows);
    let live = rows.iter().filter(|row| row.try_get_unchecked::<i64, _>(0).is_ok_and(|live| live == 1));
    u32::try_from(live.count()).unwrap_or(u32::MAX)
}

#[async_trait]
impl SessionStore for SqliteSessionStore {
    async fn create(&self, session: &Session) -> Result<()> {
        const OPERATION: &str = "session.create";
        let extra = self.checked(session, OPERATION)?;
        let id = raw(session.id.reveal());
        let arguments = [
            id.clone(),
            self.now(),
            id,
            raw_optional(session.user_id.as_ref().map(UserId::as_str)),
            raw_optional(session.email.as_deref()),
            at(session.created_at),
            at(session.last_activity),
            at(session.expires_at),
            extra,
        ];
        let done = self.write(OPERATION, CREATE, &arguments).await?;
        match done.last() {
            Some(Done { changed: 1, .. }) => Ok(()),
            _ => Err(Error::new(ErrorKind::Conflict, OPERATION)),
        }
    }

    async fn load(&self, id: &SessionId) -> Result<Option<Loaded>> {
        const OPERATION: &str = "session.load";
        if !is_session_id(id.reveal()) {
            return Ok(None);
        }
        let rows = self.rows(OPERATION, LOAD, &[raw(id.reveal()), self.now()]).await?;
        rows.first().map(|row| session_of(row, id).ok_or_else(|| corrupt(OPERATION))).transpose()
    }

    async fn update(&self, session: &Session, revision: &Revision) -> Result<Revision> {
        const OPERATION: &str = "session.update";
        let extra = self.checked(session, OPERATION)?;
        let id = raw(session.id.reveal());
        let arguments = [
            raw_optional(session.user_id.as_ref().map(UserId::as_str)),
            raw_optional(session.email.as_deref()),
            at(session.created_at),
            at(session.last_activity),
            at(session.expires_at),
            extra,
            id.clone(),
            // What is no number is no revision of this store, and equals none.
            revision.as_str().parse().map_or(Bound::Null, Bound::Int),
            self.now(),
            id,
            self.now(),
        ];
        let done = self.write(OPERATION, UPDATE, &arguments).await?;
        match returned::<i64>(done.get(1), OPERATION)? {
            Some(revision) => Ok(Revision::new(revision.to_string())),
            None if done.get(2).is_some_and(|found| !found.rows.is_empty()) => {
                Err(Error::new(ErrorKind::Conflict, OPERATION))
            }
            None => Err(Error::new(ErrorKind::NotFound, OPERATION)),
        }
    }

    async fn touch(&self, id: &SessionId, last_activity: Timestamp, expires_at: Timestamp) -> Result<bool> {
        const OPERATION: &str = "session.touch";
        self.check_end(expires_at, OPERATION)?;
        let arguments = [at(last_activity), at(expires_at), raw(id.reveal()), self.now()];
        let done = self.write(OPERATION, TOUCH, &arguments).await?;
        Ok(done.last().is_some_and(|done| done.changed == 1))
    }

    async fn delete(&self, id: &SessionId) -> Result<bool> {
        let done = self.write("session.delete", DELETE, &[raw(id.reveal()), self.now()]).await?;
        Ok(live(done.last()) == 1)
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionId>> {
        const OPERATION: &str = "session.sessions_of";
        let rows = self.rows(OPERATION, OF_USER, &[raw(user.as_str()), self.now()]).await?;
        let ids = rows.iter().map(|row| row.try_get_unchecked::<String, _>(0).map(SessionId::new));
        ids.collect::<Result<_, _>>().map_err(|error| fault::of(&error, OPERATION, Retry::No))
    }

    async fn delete_all_of(&self, user: &UserId) -> Result<u32> {
        let arguments = [raw(user.as_str()), self.now()];
        let done = self.write("session.delete_all_of", DELETE_OF_USER, &arguments).await?;
        Ok(live(done.last()))
    }

    async fn temp_set(&self, key: &str, value: &Value, ttl: Duration) -> Result<()> {
        const OPERATION: &str = "session.temp_set";
        let end = self.end_of(key, ttl, OPERATION)?;
        let json = limited_json(value, MAX_TEMP_BYTES, OPERATION)?;
        self.write(OPERATION, SET, &[raw(key), json, end]).await.map(drop)
    }

    async fn temp_set_if_absent(&self, key: &str, value: &Value, ttl: Duration) -> Result<bool> {
        const OPERATION: &str = "session.temp_set_if_absent";
        let end = self.end_of(key, ttl, OPERATION)?;
        let json = limited_json(value, MAX_TEMP_BYTES, OPERATION)?;
        let done = self.write(OPERATION, SET_IF_ABSENT, &[raw(key), json, end, self.now()]).await?;
        Ok(done.last().is_some_and(|done| done.changed == 1))
    }

    async fn temp_get(&self, key: &str) -> Result<Option<Value>> {
        const OPERATION: &str = "session.temp_get";
        let rows = self.rows(OPERATION, GET, &[raw(key), self.now()]).await?;
        rows.first().map(|row| value_of(row, 0, OPERATION)).transpose()
    }

    async fn temp_take(&self, key: &str) -> Result<Option<Value>> {
        const OPERATION: &str = "session.temp_take";
        let done = self.write(OPERATION, TAKE, &[raw(key), self.now()]).await?;
        let row = done.last().filter(|done| live(Some(done)) == 1).and_then(|done| done.rows.first());
        row.map(|row| value_of(row, 1, OPERATION)).transpose()
    }

    async fn temp_count(&self, key: &str, ttl: Duration) -> Result<u64> {
        const OPERATION: &str = "session.temp_count";
        let end = self.end_of(key, ttl, OPERATION)?;
        let done = self.write(OPERATION, COUNT, &[raw(key), self.now(), raw(key), end]).await?;
        let count = returned::<i64>(done.last(), OPERATION)?.and_then(|count| u64::try_from(count).ok());
        count.ok_or_else(|| corrupt(OPERATION))
    }

    async fn prune(&self, limit: u32) -> Result<u32> {
        let mut left = limit;
        for sql in PRUNE {
            if left == 0 {
                break;
            }
            let done = self.write("session.prune", sql, &[self.now(), Bound::Int(left.into())]).await?;
            let removed = done.last().map_or(0, |done| done.changed);
            left = left.saturating_sub(u32::try_from(removed).unwrap_or(u32::MAX));
        }
        Ok(limit - left)
    }

    async fn check(&self) -> Result<()> {
        reading::check(&self.readers, "session.check").await
    }
}
