//! Sessions in SQLite against the contract, and what only a file can do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_adapters_local::sqlite::{SqliteSessionStore, SqliteStore};
use waiterix_contract::session::differential::{self, Time};
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::{Clock, ErrorKind, Session, SessionId, SessionStore};

const HOUR: Duration = Duration::from_secs(3600);

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap()
}

async fn fresh() -> Fixture<dyn SessionStore> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let clock = Arc::new(ManualClock::default());
    let store = SqliteSessionStore::open(&path, clock.clone()).await.unwrap();
    Fixture::new(Arc::new(store) as Arc<dyn SessionStore>).clocked(clock).guarded(folder).vandalised(
        move |id| {
            let path = path.clone();
            async move {
                let spoil = sqlx::query("UPDATE sessions SET extra = '{ not json' WHERE id = ?").bind(id);
                spoil.execute(&mut raw(&path).await).await.unwrap();
            }
        },
    )
}

waiterix_contract::session_contract!("SQLite", fresh);

fn session(clock: &ManualClock, name: &str) -> Session {
    Session {
        id: SessionId::new(format!("{name:_<24}")),
        user_id: Some("anna".into()),
        email: None,
        created_at: clock.now(),
        last_activity: clock.now(),
        expires_at: clock.now().plus_seconds(3600),
        extra: serde_json::Map::new(),
    }
}

#[tokio::test]
async fn reopening_keeps_sessions_values_counters_and_revisions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/sessions.db");
    let clock = Arc::new(ManualClock::default());
    let first = SqliteSessionStore::open(&path, clock.clone()).await.unwrap();
    let stored = session(&clock, "one");
    first.create(&stored).await.unwrap();
    first.temp_set("value", &json!({"a": [1]}), HOUR).await.unwrap();
    first.temp_count("count", HOUR).await.unwrap();
    let revision = first.load(&stored.id).await.unwrap().unwrap().revision;
    first.close().await;
    assert_eq!(first.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(first.create(&session(&clock, "two")).await.unwrap_err().kind(), ErrorKind::Unavailable);

    let second = SqliteSessionStore::open(&path, clock.clone()).await.unwrap();
    assert_eq!(second.load(&stored.id).await.unwrap().unwrap().session, stored);
    assert_eq!(second.temp_get("value").await.unwrap(), Some(json!({"a": [1]})));
    assert_eq!(second.temp_count("count", HOUR).await.unwrap(), 2);
    second.delete(&stored.id).await.unwrap();
    second.create(&stored).await.unwrap();
    let conflict = second.update(&stored, &revision).await.unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::Conflict, "a revision of before the reopening is not given again");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let clock = Arc::new(ManualClock::default());
    let store = SqliteSessionStore::open(&path, clock.clone()).await.unwrap();
    store.create(&session(&clock, "one")).await.unwrap();
    let mut seen = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
        seen += 1;
    }
    assert!(seen >= 2, "the database and its log");
}

#[tokio::test]
async fn sessions_and_rows_do_not_open_each_others_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let clock = Arc::new(ManualClock::default());
    SqliteSessionStore::open(&path, clock.clone()).await.unwrap().close().await;
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteStore::open(&path, clock).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn two_handles_on_one_file_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let clock = Arc::new(ManualClock::default());
    let one = SqliteSessionStore::open(&path, clock.clone()).await.unwrap();
    let other = SqliteSessionStore::open(&path, clock.clone()).await.unwrap();
    let stored = session(&clock, "one");
    one.create(&stored).await.unwrap();
    assert_eq!(other.load(&stored.id).await.unwrap().unwrap().session, stored);
    assert_eq!(other.create(&stored).await.unwrap_err().kind(), ErrorKind::Conflict);
    for expected in 1..=20 {
        let counter = if expected % 2 == 0 { &one } else { &other };
        assert_eq!(counter.temp_count("shared", HOUR).await.unwrap(), expected);
    }
}

/// Runs the same random steps against memory and SQLite, with time passing.
#[allow(clippy::print_stderr, reason = "a failed run is repeated by its seed")]
async fn agree(seed: u64, steps: usize) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let sqlite = SqliteSessionStore::open(folder.path().join("sessions.db"), clock.clone()).await.unwrap();
    let stores: [(&str, Arc<dyn SessionStore>); 2] =
        [("memory", Arc::new(MemorySessionStore::new(clock.clone()))), ("sqlite", Arc::new(sqlite))];
    eprintln!("seed {seed}");
    let tally = differential::run(&stores, Time::Manual(clock), seed, steps).await;
    eprintln!("{tally:?}");
    let least = [tally.created, tally.updated, tally.conflicts, tally.touched, tally.ended, tally.taken];
    assert!(least.into_iter().all(|count| count > steps / 200) && tally.invalid > 0, "{tally:?}");
}

#[test]
fn sqlite_agrees_with_memory_on_random_steps_of_one_seed() {
    waiterix_contract::run(|| agree(20_250_131, 3_000));
}

#[test]
fn sqlite_agrees_with_memory_on_random_steps_of_another_seed() {
    waiterix_contract::run(|| agree(7, 3_000));
}
