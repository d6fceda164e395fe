//! Databases that die, connections that break or freeze, processes that vanish.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use waiterix_adapters_legacy::websocket::{WebSocketNotifier, WebSocketSettings};
use waiterix_adapters_local::sockets::SocketNotifier;
use waiterix_backends::pgbouncer;
use waiterix_backends::postgres::{self, Options};
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_backends::{Backend, given};
use waiterix_contract::{KeptLog, eventually};
use waiterix_ports::{ConnectionId, ErrorKind, Notifier as _};
use waiterix_postgres::testing;

use crate::websocket::processes::{
    Admin, PATIENCE, chef, connected, connection, database, delivered, guest, joined, joined_with, joins,
    partly, patient, process_with, publish, sees,
};

/// Well below the deadline: nobody waited for anybody.
const AT_ONCE: Duration = Duration::from_secs(4);

async fn is_apart(process: &WebSocketNotifier) {
    eventually(PATIENCE, "it is apart", async || {
        process.check().await.is_err_and(|error| error.kind() == ErrorKind::Unavailable)
    })
    .await;
}

/// The database falls silent, and a process that is alone has nothing to wait for: it answers at once until it has
/// noticed, and at once from then on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_alone_waits_for_nobody_and_not_for_the_database() {
    let Some(database) = database().await else { return };
    let proxy = Proxy::to(&database.url()).await.unwrap();
    let settings = WebSocketSettings { deadline: Duration::from_secs(60), ..patient() };
    let one = joined_with(&proxy.url(&database.url()), 1, settings).await;
    let mut peer = connected(&one, "c", chef()).await;
    sees(&one, 0).await;
    proxy.set(Mode::Hold);
    let begun = Instant::now();
    for number in 0..20 {
        assert_eq!(publish(&one, &number.to_string()).await, delivered(1));
        assert_eq!(peer.hears().await, number.to_string());
        let (another, _far_end) = connection(&format!("d{number}"), guest(), 1);
        one.connect(&another).await.unwrap();
        one.disconnect(&another.id).await.unwrap();
    }
    assert!(!one.send(&ConnectionId::new("elsewhere"), "x").await.unwrap());
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    assert!(one.snapshot().joined, "it had not noticed yet, so it was not that");
}

/// What is said while nobody was known to listen reaches whoever begins to listen meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_alone_counts_the_sockets_of_the_next_one_from_the_first() {
    let Some(database) = database().await else { return };
    let one = joined(&database.url(), 1).await;
    sees(&one, 0).await;
    for number in 2..12 {
        let next = joined(&database.url(), number).await;
        let mut peer = connected(&next, "c", chef()).await;
        assert_eq!(publish(&one, "x").await, delivered(1));
        assert_eq!(peer.hears().await, "x");
        next.close(PATIENCE).await;
        sees(&one, 0).await;
    }
}

/// Nothing is there yet when the first guest comes, and nothing ever will be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_the_sockets_of_the_process_hear_and_the_truth_is_told() {
    if given(Backend::Postgres).is_none() {
        return;
    }
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nowhere.local_addr().unwrap().port();
    drop(nowhere);
    let url = format!("postgres://waiterix:waiterix@127.0.0.1:{port}/none?connect_timeout=1");
    let settings = WebSocketSettings { deadline: Duration::from_millis(500), ..patient() };
    let one = process_with(&url.parse().unwrap(), 1, settings);
    let mut peer = connected(&one, "c", chef()).await;
    assert_eq!(publish(&one, "x").await, partly(1, 1), "as if one connection elsewhere had failed");
    assert_eq!(peer.hears().await, "x");
    is_apart(&one).await;
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(publish(&one, "y").await, partly(1, 1));
        assert_eq!(one.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert!(one.send(&peer.id, "pong").await.unwrap(), "what is ours can be told");
        assert_eq!(
            one.send(&ConnectionId::new("elsewhere"), "x").await.unwrap_err().kind(),
            ErrorKind::Unavailable
        );
    }
    assert!(begun.elapsed() < AT_ONCE, "nobody waits for what is known to be down: {:?}", begun.elapsed());
    one.disconnect(&peer.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_killed_and_started_again_in_the_middle_of_events() {
    if given(Backend::Postgres).is_none() {
        return;
    }
    let mut server = postgres::start(&Options::default()).unwrap();
    let url = server.url().clone();
    let settings = WebSocketSettings { deadline: Duration::from_millis(800), ..patient() };
    let one = joined_with(&url, 1, settings.clone()).await;
    let two = joined_with(&url, 2, settings).await;
    let (mut here, mut there) =
        (connected(&one, "here", chef()).await, connected(&two, "there", chef()).await);
    sees(&one, 1).await;
    let restarted = Arc::new(AtomicBool::new(false));
    let publishing = {
        let (one, restarted) = (one.clone(), restarted.clone());
        tokio::spawn(async move {
            let mut deliveries = Vec::new();
            loop {
                let (begun, is_up) = (Instant::now(), restarted.load(Ordering::Relaxed));
                let delivery = publish(&one, &deliveries.len().to_string()).await;
                assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
                deliveries.push(delivery);
                if is_up && delivery == delivered(2) {
                    return deliveries;
                }
                tokio::task::yield_now().await;
            }
        })
    };
    eventually(PATIENCE, "some events were heard", async || there.has_heard(20)).await;
    server.kill();
    eventually(PATIENCE, "the outage is noticed", async || one.snapshot().unheard > 0).await;
    let server = tokio::task::spawn_blocking(move || {
        server.start_again().unwrap();
        server
    });
    let server = server.await.unwrap();
    restarted.store(true, Ordering::Relaxed);
    let deliveries = publishing.await.unwrap();
    assert!(deliveries.iter().all(|delivery| delivery.delivered >= 1), "those here hear in any case");
    joins(&two).await;
    let (here, there) = (here.arrived(), there.arrived());
    let numbers = |heard: &[String]| heard.iter().map(|text| text.parse().unwrap()).collect::<Vec<usize>>();
    assert_eq!(numbers(&here), (0..deliveries.len()).collect::<Vec<_>>());
    let there = numbers(&there);
    assert!(there.is_sorted_by(|a, b| a < b), "nothing twice, everything in order: {there:?}");
    for (number, delivery) in deliveries.iter().enumerate() {
        assert!(delivery.delivered < 2 || there.contains(&number), "{number} was said to be heard");
    }
    assert_eq!(there.last(), Some(&(deliveries.len() - 1)), "and it goes on");
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_terminated_comes_back_and_hears_nothing_twice() {
    let Some(database) = database().await else { return };
    let (one, two) = (joined(&database.url(), 1).await, joined(&database.url(), 2).await);
    let mut peer = connected(&two, "c", chef()).await;
    let mut admin = Admin::of(&database.url()).await;
    for round in 0..5 {
        assert_eq!(publish(&one, &format!("before {round}")).await, delivered(1));
        assert!(admin.terminate(2).await);
        eventually(PATIENCE, "it is back", async || two.snapshot().joins == round + 2).await;
        sees(&one, 1).await;
        sees(&two, 1).await;
        assert_eq!(publish(&one, &format!("after {round}")).await, delivered(1));
        assert_eq!(peer.arrived(), [format!("before {round}"), format!("after {round}")]);
    }
}

/// The publisher's connection breaks after the database has said the event to the other process, and before the
/// publisher learns it. It says it again, and the other process answers again and does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_again_after_a_broken_connection_is_heard_once() {
    let Some(database) = database().await else { return };
    let proxy = Proxy::to(&database.url()).await.unwrap();
    let one = joined(&proxy.url(&database.url()), 1).await;
    let two = joined(&database.url(), 2).await;
    sees(&one, 1).await;
    let mut peer = connected(&two, "c", chef()).await;
    for round in 0..3 {
        let text = format!("event number {round}");
        proxy.cut_on(text.as_str());
        assert_eq!(publish(&one, &text).await, delivered(1));
        assert!(proxy.has_cut());
        assert_eq!(publish(&one, "next").await, delivered(1));
        assert_eq!(peer.arrived(), [text, "next".to_owned()]);
        assert_eq!(one.snapshot().joins, round + 2);
        assert_eq!(two.snapshot().repeated, round + 1);
    }
}

/// Nothing passes any more and nobody is told. The others wait for it once; it notices by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_connection_is_noticed_and_waited_for_once() {
    let Some(database) = database().await else { return };
    let proxy = Proxy::to(&database.url()).await.unwrap();
    let settings = WebSocketSettings { deadline: Duration::from_secs(2), ..patient() };
    let impatient = WebSocketSettings {
        ping_every: Duration::from_millis(200),
        patience: Duration::from_millis(1_500),
        ..settings.clone()
    };
    let one = joined_with(&database.url(), 1, settings.clone()).await;
    let two = joined_with(&proxy.url(&database.url()), 2, impatient).await;
    let (mut here, mut there) =
        (connected(&one, "here", chef()).await, connected(&two, "there", chef()).await);
    sees(&one, 1).await;
    sees(&two, 1).await;
    proxy.set(Mode::Hold);
    let begun = Instant::now();
    assert_eq!(publish(&one, "first").await, partly(1, 1));
    let waited = begun.elapsed();
    assert!(waited >= settings.deadline && waited < AT_ONCE, "{waited:?}");
    let begun = Instant::now();
    assert_eq!(publish(&one, "second").await, partly(1, 1));
    assert!(begun.elapsed() < settings.deadline, "it is waited for once: {:?}", begun.elapsed());
    assert_eq!(here.arrived(), ["first", "second"]);
    eventually(PATIENCE, "it is noticed with nobody asking", async || !two.snapshot().joined).await;
    is_apart(&two).await;
    assert_eq!(publish(&two, "there only").await, partly(1, 1));
    assert_eq!(there.arrived(), ["there only"]);

    proxy.set(Mode::Pass);
    joins(&two).await;
    eventually(PATIENCE, "it is heard again", async || publish(&one, "third").await == delivered(2)).await;
    let heard = there.arrived();
    assert!(heard.iter().all(|text| text == "third"), "what was missed is not heard later: {heard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_vanishes_is_not_waited_for() {
    let Some(database) = database().await else { return };
    let proxy = Proxy::to(&database.url()).await.unwrap();
    let one = joined(&database.url(), 1).await;
    let two = joined(&proxy.url(&database.url()), 2).await;
    let three = joined(&database.url(), 3).await;
    sees(&one, 2).await;
    // The machine's kernel closes the sockets of a process that is killed.
    proxy.set(Mode::Refuse);
    proxy.cut();
    sees(&one, 1).await;
    drop(three);
    sees(&one, 0).await;
    let _peer = connected(&one, "c", chef()).await;
    let begun = Instant::now();
    assert_eq!(publish(&one, "x").await, delivered(1));
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    drop(two);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_says_goodbye_and_leaves_nothing_behind() {
    let Some(database) = database().await else { return };
    let (one, two) = (joined(&database.url(), 1).await, joined(&database.url(), 2).await);
    let mut admin = Admin::of(&database.url()).await;
    assert_eq!(admin.listening().await, 2);
    two.close(PATIENCE).await;
    assert_eq!(admin.listening().await, 1);
    assert_eq!(publish(&one, "x").await, delivered(0));
    assert_eq!(two.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(publish(&two, "x").await, partly(0, 1), "and does not come back by itself");
    two.close(PATIENCE).await;
    assert_eq!(admin.listening().await, 1);
}

#[tokio::test]
async fn the_address_of_a_pooler_is_refused_with_a_remedy() {
    let url = "postgres://u:p@ep-cool-name-123456-pooler.eu-central-1.aws.neon.tech/d".parse().unwrap();
    let database = testing::database(&url).unwrap();
    let settings = WebSocketSettings::default();
    let refused = WebSocketNotifier::new(Arc::new(SocketNotifier::new()), database, settings, [0; 16]);
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("without -pooler"), "{error}");
}

/// Waits until a process says why it cannot join, and says this.
async fn says(process: &WebSocketNotifier, fault: &str) {
    eventually(PATIENCE, fault, async || {
        process.check().await.is_err_and(|error| error.to_string().contains(fault))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_nobody_declared_refuses_the_settings_of_the_session() {
    let (Some(database), Some(pooler)) = (database().await, given(Backend::PgBouncer)) else { return };
    let one = process_with(&database.through(&pooler), 1, patient());
    says(&one, "is a pooler in between?").await;
    assert_eq!(Admin::of(&database.url()).await.listening().await, 0);
}

/// One that ignores such settings lends the connection that listens to somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_nobody_declared_is_found_out_before_anything_is_locked() {
    let (Some(server), Some(database)) = (given(Backend::Postgres), database().await) else { return };
    let pooler = pgbouncer::start(&server).unwrap();
    let file = pooler.folder().join("pgbouncer.ini");
    let ignoring = "ignore_startup_parameters = extra_float_digits,options";
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("ignore_startup_parameters = extra_float_digits", ignoring)).unwrap();
    pooler.signal("HUP");
    let settings = WebSocketSettings { patience: Duration::from_secs(2), ..patient() };
    let one = process_with(&database.through(pooler.url()), 1, settings);
    says(&one, "a notification does not come back; is a pooler in between?").await;
    assert_eq!(Admin::of(&database.url()).await.listening().await, 0, "no lock is left with the pooler");
    assert_eq!(one.snapshot().joins, 0);
}

#[tokio::test]
async fn logs_name_nobody() {
    let Some(database) = database().await else { return };
    let log = KeptLog::begin(tracing::Level::TRACE);
    let (one, two) = (joined(&database.url(), 1).await, joined(&database.url(), 2).await);
    let _peer = connected(&two, "private-connection", guest()).await;
    let mut admin = Admin::of(&database.url()).await;
    for text in ["private-words", "private-words again"] {
        publish(&one, text).await;
        admin.terminate(1).await;
        admin.terminate(2).await;
    }
    sees(&one, 1).await;
    two.send(&ConnectionId::new("private-id"), "private-words").await.unwrap();
    log.assert_says(&["sockets of other processes"]);
    log.assert_never_says(&["private"]);
}
