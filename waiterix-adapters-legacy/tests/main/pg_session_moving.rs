//! Sessions move from PostgreSQL to Redis, on real servers: listed, copied with their ends, followed while the old application
//! writes, and led by the other store without a failed request.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use waiterix_adapters_aws::elasticache::RedisSessionStore;
use waiterix_adapters_legacy::pg_session::PgSessionStore;
use waiterix_backends::Running;
use waiterix_contract::{ManualClock, eventually};
use waiterix_migration::plan::{Budget, Ended, Pace, Switching, Watch};
use waiterix_migration::{DualSessionStore, Leader, Phases, SessionFault, SessionSweep};
use waiterix_ports::moving::{MovingPort, SessionKeys};
use waiterix_ports::{Clock, ErrorKind, SessionId, SessionStore, SystemClock};
use waiterix_postgres::moving::{PostgresJournal, PostgresPlan, TriggerJournal};
use waiterix_postgres::testing::Scratch;

use crate::pg_session_redis;
use crate::pg_session_tables::{HOUR, Made, execute, id, put, scratch, session, store};

/// All pages, and that none is larger than it should be by much.
async fn all_ids(keys: &dyn SessionKeys, limit: u32) -> Vec<SessionId> {
    let (mut ids, mut at) = (Vec::new(), None);
    loop {
        let page = keys.session_ids(at.as_deref(), limit).await.unwrap();
        ids.extend(page.keys);
        at = page.next;
        if at.is_none() {
            return ids;
        }
    }
}

async fn all_temps(keys: &dyn SessionKeys, prefix: &str, limit: u32) -> Vec<(String, i64)> {
    let (mut found, mut at) = (BTreeSet::new(), None);
    loop {
        let page = keys.temp_keys(prefix, at.as_deref(), limit).await.unwrap();
        found.extend(page.keys.into_iter().map(|temp| (temp.key, temp.ends_at.as_millis())));
        at = page.next;
        if at.is_none() {
            return found.into_iter().collect();
        }
    }
}

/// What every store promises about walks over what it holds.
async fn every_key_is_named<S: SessionStore + SessionKeys>(store: &S, clock: &dyn Clock) {
    for number in 0..230 {
        store.create(&session(clock, &format!("walk{number}"), "anna")).await.unwrap();
    }
    assert!(store.delete(&id("walk7")).await.unwrap());
    let named: BTreeSet<String> =
        all_ids(store, 50).await.into_iter().map(|id| id.reveal().to_owned()).collect();
    let expected: BTreeSet<String> =
        (0..230).filter(|n| *n != 7).map(|n| id(&format!("walk{n}")).reveal().to_owned()).collect();
    assert_eq!(named, expected);
    let begun = clock.now().as_millis();
    for key in ["mail:a", "mail:b:1", "mail-suppressed:x", "ma*l:c", "ma%l:c", "ma_l:c", "other"] {
        store.temp_set(key, &json!(key), HOUR).await.unwrap();
    }
    store.temp_count("mail:count", HOUR).await.unwrap();
    store.temp_set("mail:taken", &json!(1), HOUR).await.unwrap();
    store.temp_take("mail:taken").await.unwrap();
    let found = all_temps(store, "mail:", 2).await;
    assert_eq!(found.iter().map(|(key, _)| &**key).collect::<Vec<_>>(), ["mail:a", "mail:b:1"]);
    for (key, end) in found {
        let end = end - begun;
        assert!((3_599_000..3_660_000).contains(&end), "{key} ends after {end} ms");
    }
    for prefix in ["ma*l:", "ma%l:", "ma_l:"] {
        let found = all_temps(store, prefix, 100).await;
        assert_eq!(found.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [format!("{prefix}c")]);
    }
    let error = store.session_ids(Some("\u{0}no place"), 10).await;
    assert!(error.is_ok() || error.is_err_and(|error| error.kind() == ErrorKind::Invalid));
}

#[test]
fn postgresql_names_every_key() {
    waiterix_contract::run(|| async {
        for made in [Made::ByMigration, Made::ByLibrary] {
            let Some(scratch) = scratch(made).await else { return };
            let clock = Arc::new(ManualClock::default());
            let store = store(&scratch.url(), clock.clone(), |_| {});
            put(&scratch.url(), &SessionId::new("short"), "{}", "2099-01-01").await;
            put(&scratch.url(), &id("ended"), r#"{"cookie":{}}"#, "2000-01-01").await;
            every_key_is_named(&store, &*clock).await;
        }
    });
}

#[test]
fn redis_names_every_key() {
    waiterix_contract::run(|| async {
        let Some((_server, store)) = pg_session_redis::store() else { return };
        every_key_is_named(&store, &SystemClock).await;
    });
}

/// Both stores, what a move keeps in the old database, and instances that serve.
struct Moving {
    scratch: Scratch,
    _server: Running,
    old: Arc<PgSessionStore>,
    new: Arc<RedisSessionStore>,
    plan: Arc<PostgresPlan>,
}

impl Moving {
    async fn begun() -> Option<Self> {
        let scratch = scratch(Made::ByMigration).await?;
        let (server, new) = pg_session_redis::store()?;
        let old = store(&scratch.url(), Arc::new(SystemClock), |_| {});
        let plan = PostgresPlan::new(old.database().clone());
        plan.install().await.unwrap();
        PostgresJournal::<waiterix_migration::SessionKey>::new(old.database().clone())
            .install()
            .await
            .unwrap();
        TriggerJournal::new(old.database().clone(), "sessions").install().await.unwrap();
        Some(Self { scratch, _server: server, old: Arc::new(old), new: Arc::new(new), plan: Arc::new(plan) })
    }

    fn mirror(&self, phases: Arc<dyn Phases>) -> Arc<DualSessionStore> {
        let journal = Arc::new(PostgresJournal::new(self.old.database().clone()));
        let (old, new) = (self.old.clone(), self.new.clone());
        Arc::new(DualSessionStore::new(old, new, phases, journal, Arc::new(SystemClock)))
    }

    fn instance(&self, name: &str) -> (Arc<Watch>, Arc<DualSessionStore>) {
        let pace =
            Pace { every: Duration::from_millis(200), near: Duration::from_millis(5), ..Pace::default() };
        let watch = Arc::new(Watch::new(self.plan.clone(), name, pace, Arc::new(SystemClock)));
        let mirror = self.mirror(watch.phases(MovingPort::Sessions));
        (watch, mirror)
    }

    fn sweep(&self, mirror: &Arc<DualSessionStore>) -> SessionSweep {
        SessionSweep::new(mirror.clone(), self.old.clone(), self.new.clone())
    }

    fn noted(&self) -> TriggerJournal {
        TriggerJournal::new(self.old.database().clone(), "sessions")
    }
}

#[test]
fn sessions_of_both_generations_are_copied_with_their_ends_and_without_tokens() {
    waiterix_contract::run(|| async {
        let Some(moving) = Moving::begun().await else { return };
        let current = r#"{"cookie":{"originalMaxAge":604800000,"expires":"2098-12-25T00:00:00.000Z","secure":true,
            "httpOnly":true,"path":"/","sameSite":"none"},"userId":"berta","returnTo":"/menu"}"#;
        let passport = r#"{"cookie":{"originalMaxAge":604800000,"expires":"2026-12-01T10:00:00.500Z","secure":true,
            "httpOnly":true,"path":"/"},"passport":{"user":{"claims":{"sub":"anna","email":"anna@example.org"},
            "access_token":"secret-access","refresh_token":"secret-refresh","expires_at":1}}}"#;
        let soon = SystemClock.now().plus_seconds(86_400).to_string();
        put(&moving.scratch.url(), &id("current"), current, &soon).await;
        put(&moving.scratch.url(), &id("passport"), passport, &soon).await;
        let (_, mirror) = moving.instance("one");
        let swept = moving.sweep(&mirror).backfill(&*moving.plan).await.unwrap();
        assert_eq!((swept.equal, swept.failed, swept.unreadable), (2, 0, 0));
        for name in ["current", "passport"] {
            let (here, there) = (moving.old.load(&id(name)).await, moving.new.load(&id(name)).await);
            let (here, there) = (here.unwrap().unwrap().session, there.unwrap().unwrap().session);
            assert_eq!((&here.user_id, &here.extra), (&there.user_id, &there.extra));
            assert!((here.expires_at.as_millis() - there.expires_at.as_millis()).abs() <= 1000);
            let shown = serde_json::to_string(&there.extra).unwrap();
            assert!(!shown.contains("secret"), "tokens of the provider stay where they are");
        }
        let compared = moving.sweep(&mirror).verify().await.unwrap();
        assert_eq!((compared.compared, compared.differences), (2, vec![]));
        let shorter = SystemClock.now().plus_seconds(43_200).to_string();
        let sql = format!(
            "UPDATE public.sessions SET expire = '{shorter}' WHERE sid = '{}'",
            id("current").reveal()
        );
        execute(&moving.scratch.url(), &sql).await;
        let found = moving.sweep(&mirror).verify().await.unwrap();
        assert_eq!(found.differences.len(), 1, "an end that drifted is found");
        // What it says follows from its end, so both have changed.
        assert!(matches!(found.differences[0].fault, SessionFault::End | SessionFault::Content));
        assert_eq!(moving.sweep(&mirror).repair(&found).await.unwrap(), []);
    });
}

#[test]
fn what_the_old_application_does_to_its_table_is_followed_in_redis() {
    waiterix_contract::run(|| async {
        let Some(moving) = Moving::begun().await else { return };
        let (_, mirror) = moving.instance("one");
        for name in ["logout", "changed"] {
            mirror.create(&session(&SystemClock, name, "anna")).await.unwrap();
        }
        mirror.relay().await.unwrap();
        let sweep = moving.sweep(&mirror);
        sweep.relay_noted(&moving.noted()).await.unwrap();
        assert!(moving.new.load(&id("logout")).await.unwrap().is_some());
        let soon = SystemClock.now().plus_seconds(3_600).to_string();
        let row = r#"{"cookie":{"originalMaxAge":3600000,"path":"/"},"userId":"carla"}"#;
        put(&moving.scratch.url(), &id("signed-in"), row, &soon).await;
        let sql = format!(
            "DELETE FROM public.sessions WHERE sid = '{}'; \
             UPDATE public.sessions SET sess = jsonb_set(sess::jsonb, '{{step}}', '2') WHERE sid = '{}'",
            id("logout").reveal(),
            id("changed").reveal(),
        );
        execute(&moving.scratch.url(), &sql).await;
        let pass = sweep.relay_noted(&moving.noted()).await.unwrap();
        assert_eq!((pass.converged, pass.failed), (3, 0));
        assert_eq!(
            moving.new.load(&id("logout")).await.unwrap(),
            None,
            "who logs out there is logged out here"
        );
        let changed = moving.new.load(&id("changed")).await.unwrap().unwrap();
        assert_eq!(changed.session.extra["step"], json!(2));
        assert!(moving.new.load(&id("signed-in")).await.unwrap().is_some());
        // What the mirror itself writes there is noted too, and comes to rest.
        while sweep.relay_noted(&moving.noted()).await.unwrap().converged > 0 {}
        assert!(sweep.verify().await.unwrap().differences.is_empty());
    });
}

#[test]
fn guests_are_served_without_a_failure_while_redis_takes_the_lead_and_gives_it_back() {
    waiterix_contract::run(|| async {
        let Some(moving) = Moving::begun().await else { return };
        let instances = [moving.instance("one"), moving.instance("two")];
        let watching: Vec<_> = instances
            .iter()
            .map(|(watch, _)| {
                let watch = watch.clone();
                tokio::spawn(async move { watch.run(std::future::pending()).await })
            })
            .collect();
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let guests: Vec<_> = (0..4)
            .map(|number| {
                let mirrors = instances.clone().map(|(_, mirror)| mirror);
                let (stop, served, name) = (stop.clone(), served.clone(), format!("guest{number}"));
                tokio::spawn(async move {
                    mirrors[0].create(&session(&SystemClock, &name, "anna")).await.unwrap();
                    let mut counted = 0_u64;
                    for turn in 0.. {
                        if stop.load(Ordering::SeqCst) {
                            break;
                        }
                        let mirror = &mirrors[turn % 2];
                        let mut read = mirror.load(&id(&name)).await.unwrap().expect("it stays signed in");
                        read.session.extra.insert("count".to_owned(), json!(counted + 1));
                        match mirror.update(&read.session, &read.revision).await {
                            Ok(_) => counted += 1,
                            // What was read was the other store's.
                            Err(error) if error.kind() == ErrorKind::Conflict => {}
                            Err(error) => panic!("{error}"),
                        }
                        let (now, end) = (SystemClock.now(), SystemClock.now().plus_seconds(3_600));
                        assert!(mirror.touch(&id(&name), now, end).await.unwrap());
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                    counted
                })
            })
            .collect();
        for to in [Leader::New, Leader::Old, Leader::New] {
            let before = served.load(Ordering::SeqCst);
            eventually(Duration::from_secs(60), "guests are served", || async {
                served.load(Ordering::SeqCst) > before + 20
            })
            .await;
            // A machine that is busy with other tests needs longer to walk through the journal than one that serves.
            let budget = Budget { pause: Duration::from_secs(4), ..Budget::default() };
            instances[0].1.relay().await.unwrap();
            let sides = instances[0].1.clone();
            let switching = Switching::new(moving.plan.clone(), MovingPort::Sessions, sides, "ops", budget);
            let ended = switching.run(to, &json!({})).await.unwrap();
            assert!(matches!(ended, Ended::Changed { all_follow: true, .. }), "{ended:?}");
        }
        stop.store(true, Ordering::SeqCst);
        for (number, guest) in guests.into_iter().enumerate() {
            let counted = guest.await.unwrap();
            let there = moving.new.load(&id(&format!("guest{number}"))).await.unwrap().unwrap();
            assert_eq!(there.session.extra["count"], json!(counted), "no write was lost");
        }
        for task in watching {
            task.abort();
        }
    });
}
