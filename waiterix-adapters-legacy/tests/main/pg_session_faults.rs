//! Bad networks and dying servers. An outage is never an absence: nobody is logged out by one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use waiterix_adapters_legacy::pg_session::PgSessionStore;
use waiterix_backends::postgres::{self, Options};
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_backends::{Backend, given};
use waiterix_contract::{ManualClock, eventually};
use waiterix_ports::{Error, ErrorKind, Retry, Session, SessionStore};
use waiterix_postgres::testing::Scratch;

use crate::pg_session_tables::{HOUR, Made, scratch, session, store};

/// How long a statement and a connection may take in these tests.
const LIMIT: Duration = Duration::from_secs(1);
const BOUND: Duration = Duration::from_secs(20);

struct House {
    _scratch: Scratch,
    proxy: Proxy,
    store: PgSessionStore,
    anna: Session,
}

/// A store behind a proxy with one session and one value.
async fn house() -> Option<House> {
    let scratch = scratch(Made::ByMigration).await?;
    let proxy = Proxy::to(&given(Backend::Postgres)?).await.unwrap();
    let clock = Arc::new(ManualClock::default());
    let store = store(&proxy.url(&scratch.url()), clock.clone(), |settings| {
        (settings.statement_timeout, settings.connect_timeout) = (LIMIT, LIMIT);
    });
    let anna = session(&*clock, "anna", "anna");
    store.create(&anna).await.unwrap();
    store.temp_set("k", &json!("value"), HOUR).await.unwrap();
    Some(House { _scratch: scratch, proxy, store, anna })
}

/// Every question, as the error it ends with.
async fn every_question(store: &dyn SessionStore, anna: &Session) -> Vec<Error> {
    vec![
        store.load(&anna.id).await.map(drop).unwrap_err(),
        store.sessions_of(anna.user_id.as_ref().unwrap()).await.map(drop).unwrap_err(),
        store.delete(&anna.id).await.map(drop).unwrap_err(),
        store.touch(&anna.id, anna.last_activity, anna.expires_at).await.map(drop).unwrap_err(),
        store.temp_get("k").await.map(drop).unwrap_err(),
        store.temp_take("k").await.map(drop).unwrap_err(),
        store.check().await.unwrap_err(),
    ]
}

#[test]
fn n9_while_the_server_is_away_everything_is_unavailable_and_nothing_is_absent() {
    waiterix_contract::run(|| async {
        let Some(House { _scratch, proxy, store, anna }) = house().await else { return };
        proxy.set(Mode::Refuse);
        proxy.cut();
        // A connection that was cut under way may be found out by the first.
        let _ = store.check().await;
        for error in every_question(&store, &anna).await {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert_ne!(error.retry_advice(), Retry::No, "{error}");
            assert!(!error.to_string().contains(anna.id.reveal()), "{error}");
        }
        proxy.set(Mode::Pass);
        let found = || async { store.load(&anna.id).await.is_ok_and(|found| found.is_some()) };
        eventually(BOUND, "the session is there again", found).await;
        assert_eq!(store.temp_take("k").await.unwrap(), Some(json!("value")));
    });
}

#[test]
fn a_killed_server_comes_back_with_every_session_it_confirmed() {
    waiterix_contract::run(|| async {
        if given(Backend::Postgres).is_none() {
            return;
        }
        let mut server = postgres::start(&Options { durable: true, ..Options::default() }).unwrap();
        let scratch = Scratch::migrated(server.url()).await.unwrap();
        let clock = Arc::new(ManualClock::default());
        let store = store(&scratch.url(), clock.clone(), |settings| settings.connect_timeout = LIMIT);
        let mut anna = session(&*clock, "anna", "anna");
        store.create(&anna).await.unwrap();
        let revision = store.load(&anna.id).await.unwrap().unwrap().revision;
        anna.extra.insert("a".to_owned(), json!(1));
        store.update(&anna, &revision).await.unwrap();
        assert_eq!(store.temp_count("k", HOUR).await.unwrap(), 1);
        server.kill();
        // A process of the server may answer once more before it notices.
        let fails = || async { store.load(&anna.id).await.is_err() };
        eventually(BOUND, "the outage is noticed", fails).await;
        let error = store.load(&anna.id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        server.start_again().unwrap();
        let found = || async { store.load(&anna.id).await.is_ok_and(|found| found.is_some()) };
        eventually(BOUND, "the session is there again", found).await;
        assert_eq!(store.load(&anna.id).await.unwrap().unwrap().session.extra["a"], 1);
        assert_eq!(store.temp_count("k", HOUR).await.unwrap(), 2);
    });
}

#[test]
fn a_frozen_socket_costs_a_bounded_time() {
    waiterix_contract::run(|| async {
        for mode in [Mode::Hold, Mode::Swallow] {
            let Some(House { _scratch, proxy, store, anna }) = house().await else { return };
            proxy.set(mode);
            let begin = Instant::now();
            let error = store.load(&anna.id).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{error}");
            assert!(begin.elapsed() < LIMIT * 5, "{mode:?}: {:?}", begin.elapsed());
            proxy.set(Mode::Pass);
            let found = || async { store.load(&anna.id).await.is_ok_and(|found| found.is_some()) };
            eventually(BOUND, "the session is there again", found).await;
        }
    });
}

#[test]
fn an_answer_that_was_lost_is_ambiguous_and_what_was_asked_for_was_done() {
    waiterix_contract::run(|| async {
        let Some(House { _scratch, proxy, store, anna }) = house().await else { return };
        let mut bert = session(&ManualClock::default(), "bert", "bert");
        bert.extra.insert("marked".to_owned(), json!("cut here"));
        proxy.cut_on("cut here");
        let error = store.create(&bert).await.unwrap_err();
        assert!(proxy.has_cut());
        assert_eq!(
            (error.kind(), error.retry_advice()),
            (ErrorKind::Unavailable, Retry::Ambiguous),
            "{error}"
        );
        assert!(store.load(&bert.id).await.unwrap().is_some());

        let read = store.load(&anna.id).await.unwrap().unwrap();
        let mut changed = read.session.clone();
        changed.extra.insert("marked".to_owned(), json!("cut there"));
        proxy.cut_on("cut there");
        let error = store.update(&changed, &read.revision).await.unwrap_err();
        assert_eq!(error.retry_advice(), Retry::Ambiguous, "{error}");
        assert_eq!(store.load(&anna.id).await.unwrap().unwrap().session.extra["marked"], "cut there");
    });
}

#[test]
fn behind_a_pooler_a_write_is_only_in_doubt_once_its_end_was_sent() {
    waiterix_contract::run(|| async {
        let Some(pooler) = given(Backend::PgBouncer) else { return };
        let Some(scratch) = scratch(Made::ByMigration).await else { return };
        let proxy = Proxy::to(&pooler).await.unwrap();
        let clock = Arc::new(ManualClock::default());
        let store =
            store(&proxy.url(&scratch.through(&pooler)), clock.clone(), |settings| settings.pooled = true);
        for (needle, advice, is_there) in
            [("cut here", Retry::Safe, false), ("COMMIT\0", Retry::Ambiguous, true)]
        {
            let mut new = session(&*clock, if is_there { "there" } else { "not_there" }, "anna");
            new.extra.insert("marked".to_owned(), json!("cut here"));
            proxy.cut_on(needle);
            let error = store.create(&new).await.unwrap_err();
            assert!(proxy.has_cut(), "{needle}");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            if advice == Retry::Ambiguous {
                assert_eq!(error.retry_advice(), advice, "{error}");
            } else {
                assert_ne!(error.retry_advice(), Retry::Ambiguous, "{error}");
            }
            assert_eq!(store.load(&new.id).await.unwrap().is_some(), is_there, "{needle}");
        }
    });
}
