//! The journal that processes share.

use std::sync::Arc;

use sqlx::Connection as _;

use waiterix_backends::{Backend, given};
use waiterix_contract::race::{at_once, refused};
use waiterix_ports::moving::{Backlog, EntryId, Journal, JournalKey, Mode, RowSide as _, Standing};
use waiterix_ports::{ErrorKind, SystemClock};
use waiterix_postgres::moving::{PostgresJournal, PostgresSide, TriggerJournal};
use waiterix_postgres::testing::{Scratch, database};

/// A key that a later version might write differently.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key(String);

impl JournalKey for Key {
    const PORT: &'static str = "test";

    fn to_text(&self) -> String {
        format!("key:{}", self.0)
    }

    fn of_text(text: &str) -> Option<Self> {
        Some(Self(text.strip_prefix("key:")?.to_owned()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Other;

impl JournalKey for Other {
    const PORT: &'static str = "other";

    fn to_text(&self) -> String {
        "key:a".to_owned()
    }

    fn of_text(_: &str) -> Option<Self> {
        Some(Self)
    }
}

fn key(text: &str) -> Key {
    Key(text.to_owned())
}

async fn fresh() -> Option<(Scratch, PostgresJournal<Key>)> {
    let url = given(Backend::Postgres)?;
    let scratch = Scratch::empty(&url).await.unwrap();
    let journal = PostgresJournal::new(database(&scratch.url()).unwrap());
    journal.install().await.unwrap();
    Some((scratch, journal))
}

async fn keys(journal: &dyn Journal<Key>) -> Vec<String> {
    journal.entries(None, 1000).await.unwrap().into_iter().map(|entry| entry.key.0).collect()
}

#[tokio::test]
async fn an_entry_outlives_whoever_added_it_until_it_is_done() {
    let Some((scratch, journal)) = fresh().await else { return };
    let first = journal.add(&key("a")).await.unwrap();
    let second = journal.add(&key("a")).await.unwrap();
    journal.add(&key("b'\u{e9};--")).await.unwrap();
    drop(journal);
    let journal = PostgresJournal::<Key>::new(database(&scratch.url()).unwrap());
    assert_eq!(keys(&journal).await, ["a", "a", "b'\u{e9};--"]);
    assert!(journal.holds(&key("a")).await.unwrap());
    journal.done(&[first]).await.unwrap();
    assert!(journal.holds(&key("a")).await.unwrap(), "it was written again");
    journal.done(&[first, second, EntryId(u64::MAX)]).await.unwrap();
    assert!(!journal.holds(&key("a")).await.unwrap());
    assert_eq!(keys(&journal).await, ["b'\u{e9};--"]);
}

#[tokio::test]
async fn pages_name_every_entry_once() {
    let Some((_scratch, journal)) = fresh().await else { return };
    for number in 0..25 {
        journal.add(&key(&number.to_string())).await.unwrap();
    }
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = journal.entries(after, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        found.extend(page.into_iter().map(|entry| entry.key.0));
    }
    assert_eq!(found, (0..25).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_one_version_does_not_know_stays_and_counts() {
    let Some((scratch, journal)) = fresh().await else { return };
    let mut connection = sqlx::postgres::PgConnection::connect(scratch.url().as_str()).await.unwrap();
    let sql = "INSERT INTO waiterix_migration.intents (port, key, open) SELECT 'test', 'later:' || n, false FROM generate_series(1, 7) n";
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    let known = journal.add(&key("a")).await.unwrap();
    let page = journal.entries(None, 3).await.unwrap();
    assert_eq!(page.len(), 1, "pages of nothing known are passed over");
    journal.done(&[known]).await.unwrap();
    assert!(journal.entries(None, 3).await.unwrap().is_empty());
    assert_eq!(journal.backlog().await.unwrap().entries, 7, "so nobody takes it for empty");
}

#[tokio::test]
async fn kinds_of_keys_do_not_meet() {
    let Some((scratch, journal)) = fresh().await else { return };
    let other = PostgresJournal::<Other>::new(database(&scratch.url()).unwrap());
    let id = journal.add(&key("a")).await.unwrap();
    assert!(!other.holds(&Other).await.unwrap());
    assert_eq!(other.entries(None, 10).await.unwrap(), []);
    other.done(&[id]).await.unwrap();
    assert!(journal.holds(&key("a")).await.unwrap());
}

#[tokio::test]
async fn the_backlog_is_counted_and_grows_old() {
    let Some((scratch, journal)) = fresh().await else { return };
    assert_eq!(journal.backlog().await.unwrap(), Backlog::default());
    journal.add(&key("a")).await.unwrap();
    journal.add(&key("b")).await.unwrap();
    let mut connection = sqlx::postgres::PgConnection::connect(scratch.url().as_str()).await.unwrap();
    let sql = "UPDATE waiterix_migration.intents SET at = at - interval '90 seconds' WHERE key = 'key:a'";
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    let backlog = journal.backlog().await.unwrap();
    assert_eq!(backlog.entries, 2);
    assert!((90..120).contains(&backlog.age.as_secs()), "{backlog:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_begin_at_once_make_one_table_and_lose_no_entry() {
    let Some(url) = given(Backend::Postgres) else { return };
    let scratch = Scratch::empty(&url).await.unwrap();
    let journal = Arc::new(PostgresJournal::<Key>::new(database(&scratch.url()).unwrap()));
    at_once(8, |number| {
        let journal = journal.clone();
        async move {
            journal.install().await.unwrap();
            journal.add(&key(&number.to_string())).await.unwrap();
        }
    })
    .await;
    let mut found = keys(&*journal).await;
    found.sort();
    assert_eq!(found, ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

#[tokio::test]
async fn a_key_that_cannot_be_written_down_is_refused_and_nothing_is_noted() {
    let Some((_scratch, journal)) = fresh().await else { return };
    refused(journal.add(&key("a\0b")).await, ErrorKind::Invalid, "no text holds a NUL");
    assert_eq!(journal.backlog().await.unwrap().entries, 0);
}

#[tokio::test]
async fn before_the_move_the_journal_says_what_to_do() {
    let Some(url) = given(Backend::Postgres) else { return };
    let scratch = Scratch::empty(&url).await.unwrap();
    let journal = PostgresJournal::<Key>::new(database(&scratch.url()).unwrap());
    let error = journal.add(&key("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("the move was not begun"), "{error}");
}

#[tokio::test]
async fn what_triggers_noted_of_a_table_is_read_and_forgotten_by_name() {
    let Some(url) = given(Backend::Postgres) else { return };
    let scratch = Scratch::empty(&url).await.unwrap();
    let mut connection = sqlx::postgres::PgConnection::connect(scratch.url().as_str()).await.unwrap();
    // As the side of a move makes it.
    let sql = "CREATE SCHEMA waiterix_migration; \
        CREATE TABLE waiterix_migration.journal (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
            hash bigint NOT NULL, at timestamptz NOT NULL DEFAULT now(), of_sessions boolean NOT NULL, \
            tab text NOT NULL, key text NOT NULL); \
        INSERT INTO waiterix_migration.journal (tab, key, of_sessions, hash) \
            SELECT tab, key, tab = 'sessions', hashtextextended(key, 0) FROM (VALUES \
                ('sessions', 'one'), ('orders', 'one'), ('sessions', 'two'), ('sessions', 'one')) AS k (tab, key)";
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    let journal = TriggerJournal::new(database(&scratch.url()).unwrap(), "sessions");
    let entries = journal.entries(None, 10).await.unwrap();
    assert_eq!(entries.iter().map(|entry| &*entry.key).collect::<Vec<_>>(), ["one", "two", "one"]);
    let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    journal.done(&[ids[0], ids[1]]).await.unwrap();
    assert!(
        journal.holds(&"one".to_owned()).await.unwrap() && !journal.holds(&"two".to_owned()).await.unwrap()
    );
    assert_eq!(journal.backlog().await.unwrap().entries, 1);
    journal.done(&[ids[2], EntryId(2)]).await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM waiterix_migration.journal")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(left, 1, "what was noted of another table is somebody else's");
}

#[tokio::test]
async fn an_entry_is_open_until_its_write_has_ended_or_cannot_be_under_way_any_more() {
    let Some((scratch, journal)) = fresh().await else { return };
    let added = journal.add(&key("added")).await.unwrap();
    let begun = journal.begin(&key("begun")).await.unwrap();
    let died = journal.begin(&key("died")).await.unwrap();
    let open = async || -> Vec<_> {
        let entries = journal.entries(None, 10).await.unwrap();
        entries.into_iter().filter(|entry| entry.is_open).map(|entry| entry.id).collect()
    };
    assert_eq!(open().await, [begun, died]);
    assert!(journal.holds(&key("begun")).await.unwrap(), "it counts from the beginning");
    journal.ended(&[added, begun, EntryId(u64::MAX)]).await.unwrap();
    assert_eq!(open().await, [died]);
    let mut connection = sqlx::postgres::PgConnection::connect(scratch.url().as_str()).await.unwrap();
    let sql = "UPDATE waiterix_migration.intents SET at = at - interval '15 minutes'";
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    assert_eq!(open().await, []);
    assert_eq!(journal.backlog().await.unwrap().entries, 3);
}

#[tokio::test]
async fn a_table_that_moves_alone_is_noted_by_triggers_and_left_as_it_was() {
    let Some(url) = given(Backend::Postgres) else { return };
    let scratch = Scratch::migrated(&url).await.unwrap();
    let mut connection = sqlx::postgres::PgConnection::connect(scratch.url().as_str()).await.unwrap();
    let database = database(&scratch.url()).unwrap();
    let journal = TriggerJournal::new(database.clone(), "sessions");
    assert_eq!(journal.backlog().await.unwrap_err().kind(), ErrorKind::Unsupported, "it was not begun");
    for _ in 0..2 {
        journal.install().await.unwrap();
    }
    let sql = "INSERT INTO sessions (sid, sess, expire) VALUES ('one', '{}', now()), ('two', '{}', now()); \
        UPDATE sessions SET sid = 'three' WHERE sid = 'two'; DELETE FROM sessions WHERE sid = 'one'";
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    let noted = async || -> Vec<String> {
        let mut keys: Vec<_> =
            journal.entries(None, 100).await.unwrap().into_iter().map(|entry| entry.key).collect();
        keys.sort();
        keys
    };
    assert_eq!(noted().await, ["one", "one", "three", "two", "two"]);
    sqlx::raw_sql("TRUNCATE sessions").execute(&mut connection).await.unwrap();
    assert_eq!(noted().await.len(), 6, "emptied at once, each is noted");
    // It keeps nobody from writing, and whoever moves the rows later finds it there.
    let side = PostgresSide::new(database.clone(), Arc::new(SystemClock));
    assert_eq!(side.standing().await.unwrap(), None);
    side.install(Standing { epoch: 1, mode: Mode::Open, turn: 1 }).await.unwrap();
    assert_eq!(side.survey().await.unwrap().faults, Vec::<String>::new());
    journal.uninstall().await.unwrap();
    assert_eq!(noted().await.len(), 6, "it belongs to the rows now");
    side.uninstall().await.unwrap();
    journal.install().await.unwrap();
    journal.uninstall().await.unwrap();
    let left = "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = 'waiterix_migration') \
        + (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'waiterix%')";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&mut connection).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_table_that_is_not_there_cannot_be_noted() {
    let Some(url) = given(Backend::Postgres) else { return };
    let scratch = Scratch::empty(&url).await.unwrap();
    let journal = TriggerJournal::new(database(&scratch.url()).unwrap(), "sessions");
    let error = journal.install().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("schema migrate --legacy"), "{error}");
}
