//! Redis behind bad networks, killed, restarted, and shared by many.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use url::Url;
use waiterix_adapters_aws::elasticache::RedisSessionStore;
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_backends::redis::Options;
use waiterix_contract::eventually;
use waiterix_contract::race::at_once;
use waiterix_domain::Timestamp;
use waiterix_ports::{Clock, ErrorKind, Retry, SessionStore as _, SystemClock};

use crate::own_redis::{id, listed, plain_server, raw, server, session, settings, store};

const HOUR: Duration = Duration::from_secs(3_600);
const PATIENCE: Duration = Duration::from_secs(20);

/// The clock of the machine, moved forward when told.
#[derive(Debug, Default)]
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_seconds(self.0.load(Ordering::SeqCst))
    }
}

/// A store with short times.
fn hasty(url: &Url) -> RedisSessionStore {
    let mut settings = settings(url);
    (settings.connect_timeout, settings.command_timeout) =
        (Duration::from_millis(400), Duration::from_millis(400));
    RedisSessionStore::new(&settings, Arc::new(SystemClock)).unwrap()
}

async fn loads(store: &RedisSessionStore) -> bool {
    matches!(store.load(&id("one")).await, Ok(Some(_)))
}

#[tokio::test]
async fn a_store_connects_when_it_is_first_needed_and_once_for_all() {
    let Some(server) = plain_server() else { return };
    let proxy = Proxy::to(server.url()).await.unwrap();
    let store = Arc::new(store(&proxy.url(server.url())));
    tokio::task::yield_now().await;
    assert_eq!(proxy.accepted(), 0, "construction does not touch the network");
    at_once(16, |_| {
        let store = store.clone();
        async move { store.check().await.unwrap() }
    })
    .await;
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn n9_an_outage_is_unavailable_and_ends_with_it() {
    let Some(server) = plain_server() else { return };
    let proxy = Proxy::to(server.url()).await.unwrap();
    let store = hasty(&proxy.url(server.url()));
    store.create(&session("one", "anna", 3_600)).await.unwrap();
    proxy.set(Mode::Refuse);
    eventually(PATIENCE, "the proxy refuses", || async {
        tokio::net::TcpStream::connect(proxy.address()).await.is_err()
    })
    .await;
    proxy.cut();
    let down = |error: waiterix_ports::Error| {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    };
    down(store.load(&id("one")).await.unwrap_err());
    down(store.create(&session("two", "anna", 3_600)).await.unwrap_err());
    down(store.touch(&id("one"), SystemClock.now(), SystemClock.now().plus_seconds(60)).await.unwrap_err());
    down(store.delete(&id("one")).await.unwrap_err());
    down(store.sessions_of(&"anna".into()).await.unwrap_err());
    down(store.delete_all_of(&"anna".into()).await.unwrap_err());
    down(store.temp_set("k", &json!(1), HOUR).await.unwrap_err());
    down(store.temp_take("k").await.unwrap_err());
    down(store.temp_count("k", HOUR).await.unwrap_err());
    down(store.check().await.unwrap_err());
    assert_eq!(store.load(&id("one")).await.unwrap_err().retry_advice(), Retry::Safe, "nothing was sent");
    proxy.set(Mode::Pass);
    eventually(PATIENCE, "it is there again", || loads(&store)).await;
    assert_eq!(listed(&store, "anna").await, ["one"]);
}

#[tokio::test]
async fn a_half_open_socket_costs_one_time_limit_and_is_replaced() {
    let Some(server) = plain_server() else { return };
    let proxy = Proxy::to(server.url()).await.unwrap();
    let store = hasty(&proxy.url(server.url()));
    store.create(&session("one", "anna", 3_600)).await.unwrap();
    for quiet in [Mode::Hold, Mode::Swallow] {
        proxy.set(quiet);
        let begun = Instant::now();
        let late = store.load(&id("one")).await.unwrap_err();
        assert_eq!((late.kind(), late.retry_advice()), (ErrorKind::Timeout, Retry::Ambiguous), "{quiet:?}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        // Now there is no connection, and none can be made: everybody shares the wait for one.
        let begun = Instant::now();
        let store = &store;
        let waits = (0..16).map(|_| async move { store.load(&id("one")).await.unwrap_err().kind() });
        let kinds = futures_util::future::join_all(waits).await;
        assert!(kinds.iter().all(|kind| *kind == ErrorKind::Unavailable), "{kinds:?}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        proxy.set(Mode::Pass);
        eventually(PATIENCE, "it recovers", || loads(store)).await;
    }
}

#[tokio::test]
async fn a_slow_network_is_waited_for_within_the_time_limit() {
    let Some(server) = plain_server() else { return };
    let proxy = Proxy::to(server.url()).await.unwrap();
    let store = hasty(&proxy.url(server.url()));
    proxy.set(Mode::Slow(Duration::from_millis(30)));
    store.create(&session("one", "anna", 3_600)).await.unwrap();
    assert!(loads(&store).await);
    proxy.set(Mode::Slow(Duration::from_secs(2)));
    assert_eq!(store.load(&id("one")).await.unwrap_err().kind(), ErrorKind::Timeout);
    proxy.set(Mode::Pass);
    proxy.cut();
    eventually(PATIENCE, "it recovers", || loads(&store)).await;
}

#[tokio::test]
async fn the_first_command_after_an_idle_close_is_done() {
    let Some(server) = plain_server() else { return };
    let proxy = Proxy::to(server.url()).await.unwrap();
    let clock = Arc::new(Ahead::default());
    let store = RedisSessionStore::new(&settings(&proxy.url(server.url())), clock.clone()).unwrap();
    store.create(&session("one", "anna", 3_600)).await.unwrap();
    for _ in 0..3 {
        proxy.cut();
        assert!(loads(&store).await, "what may be repeated is");
    }
    for round in 1..4 {
        // What may not be repeated is not risked on a connection that was silent.
        clock.0.fetch_add(60, Ordering::SeqCst);
        proxy.cut();
        assert_eq!(store.temp_count("k", HOUR).await.unwrap(), round);
    }
    store.temp_set("ticket", &json!(7), HOUR).await.unwrap();
    clock.0.fetch_add(60, Ordering::SeqCst);
    proxy.cut();
    assert_eq!(store.temp_take("ticket").await.unwrap(), Some(json!(7)));
}

#[tokio::test]
async fn a_connection_that_fell_silent_is_replaced_before_it_is_relied_on() {
    let Some(server) = plain_server() else { return };
    let proxy = Proxy::to(server.url()).await.unwrap();
    let clock = Arc::new(Ahead::default());
    let mut settings = settings(&proxy.url(server.url()));
    settings.command_timeout = Duration::from_millis(400);
    let store = Arc::new(RedisSessionStore::new(&settings, clock.clone()).unwrap());
    assert_eq!(store.temp_count("k", HOUR).await.unwrap(), 1);
    // Frozen for a minute; meanwhile something on the way forgot the connection.
    clock.0.fetch_add(60, Ordering::SeqCst);
    proxy.set(Mode::Hold);
    let counting = tokio::spawn({
        let store = store.clone();
        async move { store.temp_count("k", HOUR).await }
    });
    eventually(PATIENCE, "a new connection is tried", || async { proxy.accepted() > 1 }).await;
    proxy.set(Mode::Pass);
    assert_eq!(counting.await.unwrap().unwrap(), 2, "counted once, and without an error");
}

#[tokio::test]
async fn a_server_that_closes_idle_connections_is_no_trouble() {
    let arguments = ["--timeout", "1"].map(str::to_owned).to_vec();
    let Some(server) = server(&Options { arguments, ..Options::default() }) else { return };
    let (store, watch) = (store(server.url()), raw(server.url()).await);
    store.create(&session("one", "anna", 3_600)).await.unwrap();
    let alone = || {
        let mut watch = watch.clone();
        async move {
            let clients: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut watch).await.unwrap();
            clients.lines().count() == 1
        }
    };
    eventually(PATIENCE, "the server closes what is idle", alone).await;
    assert!(loads(&store).await);
}

#[tokio::test]
async fn what_was_done_although_its_answer_was_lost_is_no_conflict() {
    let Some(server) = plain_server() else { return };
    let proxy = Proxy::to(server.url()).await.unwrap();
    let store = store(&proxy.url(server.url()));
    // The scripts are known to the server from here on, so that the first attempt is the one that does it.
    store.create(&session("warm", "anna", 3_600)).await.unwrap();
    let warm = store.load(&id("warm")).await.unwrap().unwrap();
    store.update(&warm.session, &warm.revision).await.unwrap();
    assert!(store.delete(&id("warm")).await.unwrap());

    proxy.cut_on("$2\r\nNX\r\n");
    store.create(&session("one", "anna", 3_600)).await.unwrap();
    assert!(proxy.has_cut());
    let created = store.load(&id("one")).await.unwrap().unwrap();
    assert_eq!(store.create(&created.session).await.unwrap_err().kind(), ErrorKind::Conflict, "a second one");

    let mut changed = created.session.clone();
    changed.user_id = Some("bert".into());
    changed.extra.insert("step".to_owned(), json!("needle"));
    proxy.cut_on("needle");
    let revision = store.update(&changed, &created.revision).await.unwrap();
    assert!(proxy.has_cut());
    let updated = store.load(&id("one")).await.unwrap().unwrap();
    assert_eq!(updated.revision, revision, "and the revision it answers is the next");
    assert_eq!(updated.session.extra, changed.extra);
    assert_eq!(listed(&store, "bert").await, ["one"]);
    assert!(listed(&store, "anna").await.is_empty());

    // The body of the record is what a removal sends along.
    proxy.cut_on("needle");
    assert!(store.delete(&id("one")).await.unwrap(), "there was one");
    assert!(proxy.has_cut());
    assert_eq!(store.load(&id("one")).await.unwrap(), None);
}

#[tokio::test]
async fn an_update_that_was_not_done_before_its_connection_broke_is_done_once() {
    let Some(server) = plain_server() else { return };
    let proxy = Proxy::to(server.url()).await.unwrap();
    let store = Arc::new(store(&proxy.url(server.url())));
    store.create(&session("one", "anna", 3_600)).await.unwrap();
    let done = AtomicBool::new(false);
    let cutting = async {
        let mut every = tokio::time::interval(Duration::from_millis(3));
        while !done.load(Ordering::SeqCst) {
            every.tick().await;
            proxy.cut();
        }
    };
    let counting = async {
        let (mut known, mut unknown) = (0, 0);
        while known < 60 {
            let Ok(Some(loaded)) = store.load(&id("one")).await else { continue };
            let mut next = loaded.session.clone();
            let count = next.extra.get("count").and_then(serde_json::Value::as_i64).unwrap_or(0);
            next.extra.insert("count".to_owned(), json!(count + 1));
            match store.update(&next, &loaded.revision).await {
                Ok(_) => known += 1,
                Err(error) if error.kind() == ErrorKind::Conflict => panic!("nobody else writes: {error}"),
                Err(error) if error.retry_advice() == Retry::Ambiguous => unknown += 1,
                Err(_) => {}
            }
        }
        done.store(true, Ordering::SeqCst);
        (known, unknown)
    };
    let (_, (known, unknown)) = futures_util::future::join(cutting, counting).await;
    let count = store.load(&id("one")).await.unwrap().unwrap().session.extra["count"].as_i64().unwrap();
    assert!((known..=known + unknown).contains(&count), "{known} done, {unknown} unknown, {count} counted");
}

#[tokio::test]
async fn what_may_not_happen_twice_is_not_repeated() {
    let Some(server) = plain_server() else { return };
    let proxy = Proxy::to(server.url()).await.unwrap();
    let store = store(&proxy.url(server.url()));
    assert_eq!(store.temp_count("k", HOUR).await.unwrap(), 1);
    proxy.cut_on("temp_count:k");
    let lost = store.temp_count("k", HOUR).await.unwrap_err();
    assert_eq!((lost.kind(), lost.retry_advice()), (ErrorKind::Unavailable, Retry::Ambiguous));
    assert_eq!(store.temp_count("k", HOUR).await.unwrap(), 3, "the lost one counted, once");

    proxy.cut_on("temp:ticket");
    let lost = store.temp_set("ticket", &json!(7), HOUR).await.unwrap_err();
    assert_eq!((lost.kind(), lost.retry_advice()), (ErrorKind::Unavailable, Retry::Ambiguous));
    proxy.cut_on("GETDEL");
    let lost = store.temp_take("ticket").await.unwrap_err();
    assert_eq!((lost.kind(), lost.retry_advice()), (ErrorKind::Unavailable, Retry::Ambiguous));
    assert_eq!(store.temp_take("ticket").await.unwrap(), None, "nobody gets in with it any more");

    proxy.cut_on("$2\r\nNX\r\n");
    let lost = store.temp_set_if_absent("once", &json!(1), HOUR).await.unwrap_err();
    assert_eq!((lost.kind(), lost.retry_advice()), (ErrorKind::Unavailable, Retry::Ambiguous));
    assert!(!store.temp_set_if_absent("once", &json!(1), HOUR).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let Some(mut server) = server(&Options { durable: true, ..Options::default() }) else { return };
    let stores: Vec<_> = (0..4).map(|_| Arc::new(hasty(server.url()))).collect();
    let (acknowledged, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (store, count, stop) = (stores[writer % 4].clone(), acknowledged.clone(), stop.clone());
            tokio::spawn(async move {
                let (mut kept, mut deleted) = (BTreeSet::new(), BTreeSet::new());
                for number in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let name = format!("w{writer}-{number}");
                    match store.create(&session(&name, &format!("u{}", writer % 2), 3_600)).await {
                        Ok(()) => count.fetch_add(1, Ordering::SeqCst),
                        Err(error) => {
                            let kind = error.kind();
                            assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout), "{error}");
                            continue;
                        }
                    };
                    if number % 3 == 0 && store.delete(&id(&name)).await.is_ok() {
                        deleted.insert(name);
                    } else if number % 3 != 0 {
                        kept.insert(name);
                    }
                }
                (kept, deleted)
            })
        })
        .collect();
    let at_least = |count: usize| {
        let acknowledged = acknowledged.clone();
        move || {
            let acknowledged = acknowledged.clone();
            async move { acknowledged.load(Ordering::SeqCst) >= count }
        }
    };
    eventually(PATIENCE, "the writers are at work", at_least(50)).await;
    for _ in 0..2 {
        server.kill();
        let before = acknowledged.load(Ordering::SeqCst);
        server.start_again().unwrap();
        eventually(PATIENCE, "they go on", at_least(before + 50)).await;
    }
    stop.store(true, Ordering::SeqCst);
    let (mut kept, mut deleted) = (BTreeSet::new(), BTreeSet::new());
    for writer in writers {
        let (some_kept, some_deleted) = writer.await.unwrap();
        kept.extend(some_kept);
        deleted.extend(some_deleted);
    }
    let mut named: BTreeSet<String> = listed(&stores[0], "u0").await.into_iter().collect();
    named.extend(listed(&stores[1], "u1").await);
    assert!(kept.len() > 50 && deleted.len() > 20);
    assert!(kept.is_subset(&named), "a session that was acknowledged is not listed");
    assert!(named.is_disjoint(&deleted), "a session that was ended is listed");
    for name in &kept {
        assert!(stores[2].load(&id(name)).await.unwrap().is_some(), "{name} was acknowledged");
    }
    for name in &deleted {
        assert!(stores[3].load(&id(name)).await.unwrap().is_none(), "{name} was ended");
    }
}

#[tokio::test]
async fn a_server_that_forgets_its_scripts_is_taught_again() {
    let Some(server) = plain_server() else { return };
    let (store, mut raw) = (store(server.url()), raw(server.url()).await);
    for round in 0..3 {
        let name = format!("s{round}");
        let flush = || {
            let mut raw = raw.clone();
            async move { redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut raw).await.unwrap() }
        };
        flush().await;
        store.create(&session(&name, "anna", 3_600)).await.unwrap();
        flush().await;
        let loaded = store.load(&id(&name)).await.unwrap().unwrap();
        flush().await;
        store.update(&loaded.session, &loaded.revision).await.unwrap();
        flush().await;
        assert!(store.touch(&id(&name), SystemClock.now(), loaded.session.expires_at).await.unwrap());
        flush().await;
        assert_eq!(store.temp_count("k", HOUR).await.unwrap(), round + 1);
        flush().await;
        assert!(store.delete(&id(&name)).await.unwrap());
    }
    let () = redis::cmd("PING").exec_async(&mut raw).await.unwrap();
}

#[tokio::test]
async fn g003_two_instances_serve_one_session_by_turns() {
    let Some(server) = plain_server() else { return };
    let instances = [store(server.url()), store(server.url())];
    instances[0].create(&session("one", "anna", 3_600)).await.unwrap();
    for turn in 0..10 {
        let (this, other) = (&instances[turn % 2], &instances[(turn + 1) % 2]);
        let loaded = this.load(&id("one")).await.unwrap().unwrap();
        let mut next = loaded.session.clone();
        next.extra.insert("turn".to_owned(), json!(turn));
        let revision = this.update(&next, &loaded.revision).await.unwrap();
        assert_eq!(other.update(&next, &loaded.revision).await.unwrap_err().kind(), ErrorKind::Conflict);
        assert!(other.touch(&id("one"), SystemClock.now(), next.expires_at).await.unwrap());
        assert_eq!(other.load(&id("one")).await.unwrap().unwrap().revision, revision);
        assert_eq!(other.temp_count("turns", HOUR).await.unwrap(), turn as u64 + 1);
    }
    assert!(instances[1].delete(&id("one")).await.unwrap());
    assert_eq!(instances[0].load(&id("one")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g040_sixteen_instances_at_once_agree() {
    let Some(server) = plain_server() else { return };
    let url = server.url().clone();
    at_once(16, |number| {
        let store = store(&url);
        async move {
            for round in 0..10 {
                let name = format!("s{number}-{round}");
                store.create(&session(&name, "anna", 3_600)).await.unwrap();
                let loaded = store.load(&id(&name)).await.unwrap().unwrap();
                store.update(&loaded.session, &loaded.revision).await.unwrap();
                let now = SystemClock.now();
                assert!(store.touch(&id(&name), now, now.plus_seconds(7_200)).await.unwrap());
                assert!(listed(&store, "anna").await.contains(&name), "{name} is live");
                if round % 2 == 0 {
                    assert!(store.delete(&id(&name)).await.unwrap());
                }
                store.temp_count("shared", HOUR).await.unwrap();
            }
        }
    })
    .await;
    let store = store(&url);
    assert_eq!(listed(&store, "anna").await.len(), 80);
    assert_eq!(store.temp_count("shared", HOUR).await.unwrap(), 161);
    assert_eq!(store.delete_all_of(&"anna".into()).await.unwrap(), 80);
}
