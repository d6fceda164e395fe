//! Neon's computing sleeps when nobody asks, and wakes up when somebody does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use url::Url;
use waiterix_adapters_legacy::neon::{self, NeonSettings, NeonStore};
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_backends::tls::Authority;
use waiterix_backends::{Backend, given, postgres};
use waiterix_contract::KeptLog;
use waiterix_contract::race::at_once;
use waiterix_ports::vars::Vars;
use waiterix_ports::{Clock, ErrorKind, Retry, Store as _, SystemClock};
use waiterix_postgres::connect::Hosting;

use crate::neon_sleeper::Sleeper;

const STARTING: (&str, &str) = ("57P03", "the database system is starting up");
/// What Neon's proxy says, all with one code.
const OF_NEON: [&str; 3] = [
    "Couldn't connect to compute node",
    "Control plane request failed",
    "The endpoint has been disabled. Enable it using Neon API and retry.",
];
const BOUND: Duration = Duration::from_secs(15);

fn settings(vars: &[(&str, &str)]) -> NeonSettings {
    let map: BTreeMap<_, _> = vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut vars = Vars::new(&map);
    let settings = NeonSettings::read(&mut vars, Hosting::Server);
    assert!(vars.problems().is_empty(), "{:?}", vars.problems());
    settings
}

fn store(url: &Url, change: impl FnOnce(&mut NeonSettings)) -> NeonStore {
    let mut settings = settings(&[("LEGACY_DATABASE_URL", url.as_str())]);
    change(&mut settings);
    neon::open(&settings, &(Arc::new(SystemClock) as Arc<dyn Clock>)).unwrap()
}

#[test]
fn a_server_that_is_starting_up_is_waited_for() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        for (code, message) in [STARTING].into_iter().chain(OF_NEON.map(|message| ("XX000", message))) {
            let sleeper = Sleeper::before(&server, 3, code, message).await;
            store(&sleeper.url, |_| {}).check().await.unwrap();
            assert_eq!(sleeper.calls(), 4, "{message}");
        }
    });
}

#[test]
fn everybody_who_asks_while_it_wakes_up_is_answered() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let sleeper = Sleeper::before(&server, 6, STARTING.0, STARTING.1).await;
        let store = Arc::new(store(&sleeper.url, |_| {}));
        let answers = at_once(5, |_| {
            let store = store.clone();
            async move { store.check().await }
        })
        .await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    });
}

#[test]
fn an_address_at_which_nobody_listens_yet_is_tried_again() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let proxy = Proxy::to(&server).await.unwrap();
        proxy.set(Mode::Refuse);
        // The listener is gone a moment later.
        while tokio::net::TcpStream::connect(proxy.address()).await.is_ok() {}
        let store = store(&proxy.url(&server), |_| {});
        let begin = Instant::now();
        let opened = async {
            waiterix_contract::eventually(BOUND, "a moment passes", || async {
                begin.elapsed() > Duration::from_millis(400)
            })
            .await;
            proxy.set(Mode::Pass);
        };
        let (answer, ()) = tokio::join!(store.check(), opened);
        answer.unwrap();
        assert!(begin.elapsed() < BOUND);
    });
}

#[test]
fn a_proxy_that_holds_the_caller_while_it_wakes_the_server_is_waited_for() {
    waiterix_contract::run(|| async {
        if given(Backend::Postgres).is_none() {
            return;
        }
        // The proxy is between the halves of the TLS handshake too.
        let authority = Authority::new().unwrap();
        let tls = Some(authority.identity(&["localhost", "127.0.0.1"]).unwrap());
        let server = postgres::start(&postgres::Options { tls, ..postgres::Options::default() }).unwrap();
        let root_cert = server.folder().join("ca.pem");
        std::fs::write(&root_cert, &authority.certificate_pem).unwrap();
        let proxy = Proxy::to(server.url()).await.unwrap();
        proxy.set(Mode::Slow(Duration::from_millis(400)));
        let mut url = proxy.url(server.url());
        url.query_pairs_mut()
            .append_pair("sslmode", "require")
            .append_pair("sslrootcert", root_cert.to_str().unwrap())
            .append_pair("connect_timeout", "20");
        let (store, begin) = (store(&url, |_| {}), Instant::now());
        store.check().await.unwrap();
        assert!(begin.elapsed() > Duration::from_secs(1), "the handshake was slow");
        assert_eq!(proxy.accepted(), 1, "and was not given up");
        // Somebody else's certificate is not a server that wakes up.
        let stranger = Authority::new().unwrap();
        std::fs::write(&root_cert, &stranger.certificate_pem).unwrap();
        proxy.set(Mode::Pass);
        let error = self::store(&url, |_| {}).check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert_eq!(proxy.accepted(), 2, "one attempt was enough");
    });
}

#[test]
fn a_database_that_does_not_wake_up_is_unavailable_in_time() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let sleeper = Sleeper::before(&server, usize::MAX, STARTING.0, STARTING.1).await;
        let limit = Duration::from_millis(800);
        let store = store(&sleeper.url, |settings| settings.postgres.connect_timeout = limit);
        let begin = Instant::now();
        let error = store.check().await.unwrap_err();
        assert!(begin.elapsed() < limit * 4, "{:?}", begin.elapsed());
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(matches!(error.retry_advice(), Retry::After(_)), "nothing was sent: {error}");
        let text = error.to_string();
        assert!(text.contains("57P03") && text.contains(&format!("attempts={}", sleeper.calls())), "{text}");
        assert!(sleeper.calls() > 2);
        // One that takes the call and says nothing is given all the time there is, and no more.
        let proxy = Proxy::to(&server).await.unwrap();
        proxy.set(Mode::Hold);
        let store = self::store(&proxy.url(&server), |settings| settings.postgres.connect_timeout = limit);
        let begin = Instant::now();
        let error = store.check().await.unwrap_err();
        assert!((limit..limit * 4).contains(&begin.elapsed()), "{:?}", begin.elapsed());
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("attempts=1"), "{error}");
    });
}

#[test]
fn what_will_not_pass_is_not_tried_again() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        for (code, message, kind) in [
            ("28P01", "password authentication failed", ErrorKind::Denied),
            ("28000", "no such role", ErrorKind::Denied),
            ("3D000", "no such database", ErrorKind::NotFound),
            ("08P01", "unsupported startup parameter", ErrorKind::Invalid),
        ] {
            let sleeper = Sleeper::before(&server, usize::MAX, code, message).await;
            let error = store(&sleeper.url, |_| {}).check().await.unwrap_err();
            assert_eq!((error.kind(), sleeper.calls()), (kind, 1), "{error}");
        }
    });
}

/// A server that never sleeps is not waited for: whoever asks can do something better with the time.
#[test]
fn only_a_server_that_may_sleep_is_woken_up() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let sleeper = Sleeper::before(&server, 1, STARTING.0, STARTING.1).await;
        let awake = store(&sleeper.url, |settings| settings.postgres.may_sleep = false);
        let error = awake.check().await.unwrap_err();
        assert_eq!((error.kind(), sleeper.calls()), (ErrorKind::Unavailable, 1), "{error}");
    });
}

#[tokio::test]
async fn waking_up_is_told_in_the_log_and_the_password_is_not() {
    let Some(server) = given(Backend::Postgres) else { return };
    let sleeper = Sleeper::before(&server, 2, STARTING.0, STARTING.1).await;
    let log = KeptLog::begin(tracing::Level::INFO);
    store(&sleeper.url, |_| {}).check().await.unwrap();
    assert_eq!(log.lines().len(), 2, "once when it begins and once when it ends: {}", log.text());
    log.assert_says(&["it is being woken up", "57P03"]);
    let end = &log.lines()[1]["fields"];
    assert_eq!((end["message"].as_str(), &end["attempts"]), (Some("the database has woken up"), &3.into()));
    log.assert_never_says(&[&format!(":{}@", server.password().unwrap_or("none"))]);
}
