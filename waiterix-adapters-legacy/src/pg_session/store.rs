//! Sessions in PostgreSQL.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::session::{MAX_SESSION_BYTES, MAX_TTL, is_session_id};
use waiterix_ports::{
    Clock, Error, ErrorKind, Loaded, Result, Retry, Revision, Session, SessionId, SessionStore,
};
use waiterix_postgres::connect::Database;
use waiterix_postgres::statement::{self, Argument, Refusal};

use super::record::{self, Found, Unwritable, second};
use super::settings::SameSite;
use super::temp;

/// How often a write reads again because the row changed in between. A round is only lost to a write that succeeded.
const ROUNDS: usize = 64;

const CREATE: &str = "INSERT INTO public.sessions AS s (sid, sess, expire) VALUES ($1, $2::json, $3) \
    ON CONFLICT (sid) DO UPDATE SET sess = excluded.sess, expire = excluded.expire WHERE s.expire < $4 RETURNING 1";
const LOAD: &str =
    "SELECT sess::text, expire, xmin::text FROM public.sessions WHERE sid = $1 AND expire >= $2";
/// `xmin` is the transaction that wrote the row, so it is the very row that was read.
const REPLACE: &str = "UPDATE public.sessions SET sess = $2::json, expire = $3 \
    WHERE sid = $1 AND xmin::text = $4 AND expire >= $5 RETURNING sess::text, expire";
const DELETE: &str = "DELETE FROM public.sessions WHERE sid = $1 RETURNING expire >= $2";
/// As an array, what has ended is looked up by key. A join would make the planner go through the whole table.
const PRUNE: &str = "DELETE FROM public.sessions WHERE sid = ANY (ARRAY (SELECT sid FROM public.sessions \
    WHERE expire < $1 ORDER BY expire LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1";
const CHECK: &str = "SELECT EXISTS (SELECT sid, sess, expire FROM public.sessions WHERE false) \
    OR EXISTS (SELECT key, value, ends_at FROM public.waiterix_temp WHERE false)";

/// The user of a row, as `Found::user` reads it.
macro_rules! user {
    () => {
        "coalesce(sess ->> 'userId', sess #>> '{passport,user,claims,sub}')"
    };
}
const OF_USER: &str =
    concat!("SELECT sid, sess::text, expire FROM public.sessions WHERE expire >= $2 AND ", user!(), " = $1");
const DELETE_OF_USER: &str =
    concat!("DELETE FROM public.sessions WHERE ", user!(), " = $1 RETURNING expire >= $2");
/// In a column of type `json` there may be texts that PostgreSQL cannot look into: a NUL, or half of a surrogate pair. One
/// such row makes the statements above fail. Whose it is, is then found out here.
const PERHAPS_OF_USER: &str = concat!(
    "SELECT sid, sess::text, expire FROM public.sessions WHERE expire >= $2 AND \
     CASE WHEN sess::text ~* '\\\\u(0000|d[89a-f])' THEN true ELSE ",
    user!(),
    " = $1 END"
);
const DELETE_THESE: &str = "DELETE FROM public.sessions WHERE sid = ANY ($1) RETURNING expire >= $2";

/// A [`SessionStore`] in the table `sessions` of express-session and connect-pg-simple, and the table `waiterix_temp`, which
/// `waiterix schema migrate` makes. Both ends of sessions and of one-time data are told by the clock, as in the old server.
///
/// Nothing is connected before it is needed.
pub struct PgSessionStore {
    database: Database,
    clock: Arc<dyn Clock>,
    same_site: SameSite,
    marks: Marks,
}

impl fmt::Debug for PgSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgSessionStore").field("database", &self.database).finish_non_exhaustive()
    }
}

/// Texts that no two writes share, of this store or any other. They are no secrets and guard against accidents only, so
/// the seed that the standard library draws for its maps is good enough for the name of a store.
struct Marks {
    store: u64,
    next: AtomicU64,
}

impl Marks {
    fn new() -> Self {
        Self { store: RandomState::new().hash_one(0), next: AtomicU64::new(0) }
    }

    fn draw(&self) -> String {
        format!("{:016x}-{}", self.store, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

pub(super) fn invalid(operation: &'static str, fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation).with("fault", fault)
}

pub(super) fn corrupt(operation: &'static str) -> Error {
    // A cause could quote the record, so none is kept.
    Error::new(ErrorKind::Corrupt, operation)
}

/// So many others changed a session meanwhile that it was not this one's turn.
fn crowded(operation: &'static str) -> Error {
    Error::new(ErrorKind::Throttled, operation)
        .retry(Retry::Safe)
        .with("fault", "changed too often meanwhile")
}

/// Adds what helps when the table is not there.
pub(super) fn error_of(refusal: Refusal) -> Error {
    match refusal.sqlstate.as_deref() {
        Some("42P01") => refusal.error.with("hint", "run `waiterix schema migrate` for this database"),
        _ => refusal.error,
    }
}

/// Whether a user can have sessions here: no text of PostgreSQL holds a NUL.
pub(super) fn is_storable(user: &UserId) -> bool {
    !user.as_str().contains('\0')
}

/// Whether the server could not look into what is stored.
fn is_unreadable(refusal: &Refusal) -> bool {
    refusal.sqlstate.as_deref().is_some_and(|code| code.starts_with("22"))
}

/// The text in a column.
pub(super) fn text<'r>(row: &'r PgRow, column: usize, operation: &'static str) -> Result<&'r str> {
    row.try_get_unchecked(column).map_err(|_| corrupt(operation))
}

/// The yes or no in a column.
pub(super) fn flag(row: &PgRow, column: usize, operation: &'static str) -> Result<bool> {
    row.try_get_unchecked(column).map_err(|_| corrupt(operation))
}

/// How many of the deleted rows were still live.
fn live(rows: &[PgRow], operation: &'static str) -> Result<u32> {
    let mut live = 0;
    for row in rows {
        live += u32::from(flag(row, 0, operation)?);
    }
    Ok(live)
}

/// A row as it was read: `sess` and `expire` in these columns. `None` if it cannot be understood.
fn found(row: &PgRow, sess: usize, expire: usize, operation: &'static str) -> Result<Option<Found>> {
    let ends = statement::instant(row, expire).map_err(|_| corrupt(operation))?;
    Ok(Found::parse(text(row, sess, operation)?, ends))
}

/// What was found under an id, and which version of the row it was.
struct Version {
    found: Found,
    xmin: String,
}

impl PgSessionStore {
    /// A store in a database that has the tables; nothing is asked of it yet. The records it makes say of their cookie what
    /// `same_site` says.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>, same_site: SameSite) -> Self {
        Self { database, clock, same_site, marks: Marks::new() }
    }

    /// The database, for those who look after its connections.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// Finishes what is running and lets go of the connections, within a time; answers whether that was enough.
    /// Everything afterwards is `Unavailable`.
    pub async fn close(&self, within: Duration) -> bool {
        self.database.close(within).await
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Now as the old server asks for it, rounded up to the second: what ended before that has ended.
    pub(super) fn this_second(&self) -> Argument<'static> {
        Argument::Instant(Some(second(self.now())))
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

    fn check_end(&self, end: Timestamp, operation: &'static str) -> Result<()> {
        let now = self.now();
        let max_ttl_ms = i64::try_from(MAX_TTL.as_millis()).unwrap_or(i64::MAX);
        if end <= now || end > now.plus_millis(max_ttl_ms) {
            return Err(invalid(operation, "end of the session is past or more than 400 days ahead"));
        }
        Ok(())
    }

    /// Whether a session may be stored now.
    fn check_session(&self, session: &Session, operation: &'static str) -> Result<()> {
        if !is_session_id(session.id.reveal()) {
            return Err(invalid(operation, "malformed session id"));
        }
        self.check_end(session.expires_at, operation)?;
        if session.user_id.as_ref().is_some_and(|user| !is_storable(user)) {
            return Err(invalid(operation, "the user is no id"));
        }
        let extra = serde_json::to_string(&session.extra).map_err(|_| invalid(operation, "not JSON"))?;
        if extra.len() > MAX_SESSION_BYTES {
            return Err(invalid(operation, "session record is larger than 64 KiB"));
        }
        Ok(())
    }

    /// The live session under an id; `Corrupt` if it cannot be understood.
    async fn version(&self, id: &SessionId, operation: &'static str) -> Result<Option<Version>> {
        let arguments = [Argument::Text(Some(id.reveal())), self.this_second()];
        let rows = self.read(operation, LOAD, &arguments).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let found = found(row, 0, 1, operation)?.ok_or_else(|| corrupt(operation))?;
        Ok(Some(Version { found, xmin: text(row, 2, operation)?.to_owned() }))
    }

    /// Replaces a row that is still the one that was read; answers it as it is now.
    async fn replace(
        &self,
        id: &SessionId,
        version: &Version,
        sess: &str,
        expires_at: Timestamp,
        operation: &'static str,
    ) -> Result<Option<Found>> {
        let arguments = [
            Argument::Text(Some(id.reveal())),
            Argument::Bound(Some(sess)),
            Argument::Instant(Some(second(expires_at))),
            Argument::Bound(Some(&version.xmin)),
            self.this_second(),
        ];
        let rows = self.write(operation, REPLACE, &arguments).await?;
        rows.first().map(|row| found(row, 0, 1, operation)?.ok_or_else(|| corrupt(operation))).transpose()
    }

    /// The ids of the rows that are right.
    fn ids(
        rows: &[PgRow],
        operation: &'static str,
        is_right: impl Fn(&SessionId, &Found) -> bool,
    ) -> Result<Vec<SessionId>> {
        let mut ids = Vec::new();
        for row in rows {
            let id = SessionId::new(text(row, 0, operation)?);
            if found(row, 1, 2, operation)?.is_some_and(|found| is_right(&id, &found)) {
                ids.push(id);
            }
        }
        Ok(ids)
    }
}

#[async_trait]
impl SessionStore for PgSessionStore {
    async fn create(&self, session: &Session) -> Result<()> {
        const OPERATION: &str = "session.create";
        self.check_session(session, OPERATION)?;
        let sess = record::created(session, self.same_site, &self.marks.draw());
        let sess = sess.map_err(|Unwritable(fault)| invalid(OPERATION, fault))?;
        let arguments = [
            Argument::Text(Some(session.id.reveal())),
            Argument::Bound(Some(&sess)),
            Argument::Instant(Some(second(session.expires_at))),
            self.this_second(),
        ];
        match self.write(OPERATION, CREATE, &arguments).await?[..] {
            [] => Err(Error::new(ErrorKind::Conflict, OPERATION)),
            _ => Ok(()),
        }
    }

    async fn load(&self, id: &SessionId) -> Result<Option<Loaded>> {
        const OPERATION: &str = "session.load";
        if !is_session_id(id.reveal()) {
            return Ok(None);
        }
        let Some(Version { found, .. }) = self.version(id, OPERATION).await? else { return Ok(None) };
        let session = found.session(id).ok_or_else(|| corrupt(OPERATION))?;
        Ok(Some(Loaded { session, revision: found.revision() }))
    }

    async fn update(&self, session: &Session, revision: &Revision) -> Result<Revision> {
        const OPERATION: &str = "session.update";
        self.check_session(session, OPERATION)?;
        let mark = self.marks.draw();
        for _ in 0..ROUNDS {
            let Some(version) = self.version(&session.id, OPERATION).await? else {
                return Err(Error::new(ErrorKind::NotFound, OPERATION));
            };
            if version.found.revision() != *revision {
                return Err(Error::new(ErrorKind::Conflict, OPERATION));
            }
            let sess = version.found.updated(session, &mark);
            let sess = sess.map_err(|Unwritable(fault)| invalid(OPERATION, fault))?;
            if let Some(now) =
                self.replace(&session.id, &version, &sess, session.expires_at, OPERATION).await?
            {
                return Ok(now.revision());
            }
        }
        Err(crowded(OPERATION))
    }

    async fn touch(&self, id: &SessionId, last_activity: Timestamp, expires_at: Timestamp) -> Result<bool> {
        const OPERATION: &str = "session.touch";
        self.check_end(expires_at, OPERATION)?;
        if !is_session_id(id.reveal()) {
            return Ok(false);
        }
        for _ in 0..ROUNDS {
            let Some(version) = self.version(id, OPERATION).await? else { return Ok(false) };
            let sess = version.found.touched(last_activity, expires_at);
            if self.replace(id, &version, &sess, expires_at, OPERATION).await?.is_some() {
                return Ok(true);
            }
        }
        Err(crowded(OPERATION))
    }

    async fn delete(&self, id: &SessionId) -> Result<bool> {
        const OPERATION: &str = "session.delete";
        if !is_session_id(id.reveal()) {
            return Ok(false);
        }
        let arguments = [Argument::Text(Some(id.reveal())), self.this_second()];
        Ok(live(&self.write(OPERATION, DELETE, &arguments).await?, OPERATION)? == 1)
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionId>> {
        const OPERATION: &str = "session.sessions_of";
        if !is_storable(user) {
            return Ok(Vec::new());
        }
        let arguments = [Argument::Bound(Some(user.as_str())), self.this_second()];
        let rows = match statement::read(&self.database, OF_USER, &arguments, OPERATION).await {
            Err(refusal) if is_unreadable(&refusal) => {
                self.read(OPERATION, PERHAPS_OF_USER, &arguments).await?
            }
            rows => rows.map_err(error_of)?,
        };
        Self::ids(&rows, OPERATION, |id, found| {
            let session = found.session(id).filter(|_| is_session_id(id.reveal()));
            session.is_some_and(|session| session.user_id.as_ref() == Some(user))
        })
    }

    async fn delete_all_of(&self, user: &UserId) -> Result<u32> {
        const OPERATION: &str = "session.delete_all_of";
        if !is_storable(user) {
            return Ok(0);
        }
        let arguments = [Argument::Bound(Some(user.as_str())), self.this_second()];
        match statement::write(&self.database, DELETE_OF_USER, &arguments, OPERATION).await {
            Err(refusal) if is_unreadable(&refusal) => {
                let rows = self.read(OPERATION, PERHAPS_OF_USER, &arguments).await?;
                // Whatever else is wrong with it: what the old server would take for the user's has to go.
                let ids = Self::ids(&rows, OPERATION, |_, found| found.user() == Ok(Some(user.clone())))?;
                let these: Vec<&str> = ids.iter().map(SessionId::reveal).collect();
                let arguments = [Argument::Texts(&these), self.this_second()];
                live(&self.write(OPERATION, DELETE_THESE, &arguments).await?, OPERATION)
            }
            rows => live(&rows.map_err(error_of)?, OPERATION),
        }
    }

    async fn temp_set(&self, key: &str, value: &Value, ttl: Duration) -> Result<()> {
        temp::set(self, key, value, ttl).await
    }

    async fn temp_set_if_absent(&self, key: &str, value: &Value, ttl: Duration) -> Result<bool> {
        temp::set_if_absent(self, key, value, ttl).await
    }

    async fn temp_get(&self, key: &str) -> Result<Option<Value>> {
        temp::get(self, key).await
    }

    async fn temp_take(&self, key: &str) -> Result<Option<Value>> {
        temp::take(self, key).await
    }

    async fn temp_count(&self, key: &str, ttl: Duration) -> Result<u64> {
        temp::count(self, key, ttl).await
    }

    async fn prune(&self, limit: u32) -> Result<u32> {
        const OPERATION: &str = "session.prune";
        if limit == 0 {
            return Ok(0);
        }
        let arguments = [self.this_second(), Argument::Number(limit.into())];
        let ended = self.write(OPERATION, PRUNE, &arguments).await?.len();
        let left = limit.saturating_sub(u32::try_from(ended).unwrap_or(u32::MAX));
        Ok(limit - left + temp::prune(self, left).await?)
    }

    async fn check(&self) -> Result<()> {
        self.read("session.check", CHECK, &[]).await.map(drop)
    }
}
