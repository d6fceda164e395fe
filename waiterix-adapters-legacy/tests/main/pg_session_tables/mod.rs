//! Databases with a table of sessions, and a plain look at it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use url::Url;
use waiterix_adapters_legacy::pg_session::{PgSessionStore, SameSite};
use waiterix_backends::{Backend, given};
use waiterix_contract::{Fixture, ManualClock};
use waiterix_domain::{Secret, Timestamp};
use waiterix_ports::{Clock, Session, SessionId, SessionStore};
use waiterix_postgres::connect::{Database, FixedPassword, PostgresSettings};
use waiterix_postgres::testing::{Scratch, settings};

/// Which of the two tables a database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// By the old server's migrations, and ours: `jsonb`, `timestamp`.
    ByMigration,
    /// By the session library itself: `json`, `timestamp(6)`.
    ByLibrary,
}

/// What connect-pg-simple 10 does where the table is missing; `pg_session_node.rs` has it do that itself.
const BY_LIBRARY: &str = r#"
    DROP TABLE public.sessions;
    CREATE TABLE public.sessions (sid varchar NOT NULL COLLATE "default", sess json NOT NULL, expire timestamp(6) NOT NULL);
    ALTER TABLE public.sessions ADD CONSTRAINT session_pkey PRIMARY KEY (sid) NOT DEFERRABLE INITIALLY IMMEDIATE;
    CREATE INDEX "IDX_session_expire" ON public.sessions (expire);
"#;

/// A database of its own, if there is a server.
pub(crate) async fn scratch(made: Made) -> Option<Scratch> {
    let scratch = Scratch::migrated(&given(Backend::Postgres)?).await.unwrap();
    if made == Made::ByLibrary {
        execute(&scratch.url(), BY_LIBRARY).await;
    }
    Some(scratch)
}

/// A store at a URL.
pub(crate) fn store(
    url: &Url,
    clock: Arc<dyn Clock>,
    change: impl FnOnce(&mut PostgresSettings),
) -> PgSessionStore {
    let mut settings = settings(url).unwrap();
    change(&mut settings);
    let password = settings.password.clone().unwrap_or_else(|| Secret::new(""));
    let database = Database::new(settings, Arc::new(FixedPassword::new(password)), clock.clone()).unwrap();
    PgSessionStore::new(database, clock, SameSite::None)
}

/// The fixture of the contract. `spoilt` leads round whatever is in between to the database.
pub(crate) fn fixture(
    store: PgSessionStore,
    clock: Arc<ManualClock>,
    scratch: Scratch,
) -> Fixture<dyn SessionStore> {
    let url = scratch.url();
    Fixture::new(Arc::new(store) as Arc<dyn SessionStore>).clocked(clock).guarded(scratch).vandalised(
        move |id| {
            let url = url.clone();
            async move {
                let spoil = sqlx::query("UPDATE public.sessions SET sess = '[]' WHERE sid = $1").bind(id);
                spoil.execute(&mut connect(&url).await).await.unwrap();
            }
        },
    )
}

pub(crate) async fn connect(url: &Url) -> PgConnection {
    PgConnection::connect(url.as_str()).await.unwrap()
}

pub(crate) async fn execute(url: &Url, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connect(url).await).await.unwrap();
}

/// `sess` and `expire` as they are stored, the latter as the table shows it.
pub(crate) async fn row(url: &Url, id: &SessionId) -> (Value, String) {
    let query = sqlx::query_as("SELECT sess::text, expire::text FROM public.sessions WHERE sid = $1");
    let (sess, expire): (String, String) =
        query.bind(id.reveal()).fetch_one(&mut connect(url).await).await.unwrap();
    (serde_json::from_str(&sess).unwrap(), expire)
}

/// Puts a row there as the old server might have.
pub(crate) async fn put(url: &Url, id: &SessionId, sess: &str, expire: &str) {
    let sql =
        "INSERT INTO public.sessions (sid, sess, expire) VALUES ($1, $2::text::json, $3::text::timestamp)";
    let query = sqlx::query(sql).bind(id.reveal()).bind(sess).bind(expire);
    query.execute(&mut connect(url).await).await.unwrap();
}

pub(crate) fn id(name: &str) -> SessionId {
    SessionId::new(format!("{name:_<32}"))
}

/// A session of a user that starts now and lasts an hour.
pub(crate) fn session(clock: &dyn Clock, name: &str, user: &str) -> Session {
    let now = Timestamp::from_millis(clock.now().as_millis()).unwrap();
    Session {
        id: id(name),
        user_id: Some(user.into()),
        email: Some(format!("{user}@example.org")),
        created_at: now,
        last_activity: now,
        expires_at: now.plus_seconds(3_600),
        extra: Map::new(),
    }
}

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
