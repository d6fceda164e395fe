//! Realtime connections move from the servers' own sockets to API Gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinHandle;
use url::Url;
use waiterix_contract::eventually;
use waiterix_postgres::statement;
use waiterix_tests::client::Client;
use waiterix_tests::cloud::Cloud;
use waiterix_tests::gateway::Gateway;
use waiterix_tests::socket::{Heard, Socket};

use crate::migrate::ground::{Ground, Restaurant};

const SOON: Duration = Duration::from_secs(30);
/// As a client makes one. All who listen in this test do so in one session.
const SESSION: &str = "customer-1738314307000-abcdefghi";
const LISTENERS: usize = 24;
/// How long a frame may be on its way to a client.
const MOMENT: Duration = Duration::from_millis(500);
const SOCKETS: [&str; 2] = ["--port", "sockets"];

/// What one client lived to see.
#[derive(Debug, Default)]
struct Diary {
    /// The answers it heard, in order.
    heard: Vec<u64>,
    /// When it was told to go, and when it listened again.
    away: Vec<(Instant, Instant)>,
    failures: Vec<String>,
}

/// The place where clients listen.
fn path(restaurant: &str) -> String {
    format!("/ws?restaurantId={restaurant}&customerSessionId={SESSION}")
}

/// Listens at the old server until it is told to go, then at the gateway, until it hears of the end.
async fn listen(mut socket: Socket, gateway: Url, path: String) -> Diary {
    let mut diary = Diary::default();
    loop {
        match socket.next().await {
            Heard::Event(event) => {
                let Some(number) = event["data"]["answer"].as_str().and_then(|text| text.parse().ok()) else {
                    return diary;
                };
                diary.heard.push(number);
            }
            Heard::Closed(1001) => {
                let gone = Instant::now();
                socket = match Socket::open(&gateway, &path, &[]).await {
                    Ok(socket) => socket,
                    Err(status) => {
                        diary.failures.push(format!("refused with {status}"));
                        return diary;
                    }
                };
                diary.away.push((gone, Instant::now()));
            }
            Heard::Closed(code) => {
                diary.failures.push(format!("closed with {code}"));
                return diary;
            }
        }
    }
}

/// Asks a question in the session and has the chef answer it.
async fn answer(owner: &Client, restaurant: &str, text: &str) -> Result<(), String> {
    let question =
        json!({ "restaurantId": restaurant, "customerSessionId": SESSION, "question": "How many?" });
    let question =
        crate::migrate::gallery::asked(owner, Method::POST, "/api/pending-questions", Some(&question))
            .await?;
    let answer = json!({ "questionId": question["id"], "textAnswer": text });
    crate::migrate::gallery::asked(owner, Method::POST, "/api/chef/answer", Some(&answer)).await.map(drop)
}

/// When each answer was on its way.
type Answers = BTreeMap<u64, (Instant, Instant)>;

/// A chef who answers without a pause; tells when each answer was on its way.
struct Chef {
    enough: Arc<AtomicBool>,
    answering: JoinHandle<(Answers, Vec<String>)>,
}

impl Chef {
    fn comes(owner: &Client, restaurant: &str) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let (owner, restaurant, stop) = (owner.clone(), restaurant.to_owned(), enough.clone());
        let answering = tokio::spawn(async move {
            let (mut answers, mut failures) = (BTreeMap::new(), Vec::new());
            for number in 1.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let begun = Instant::now();
                match answer(&owner, &restaurant, &number.to_string()).await {
                    Ok(()) => drop(answers.insert(number, (begun, Instant::now()))),
                    Err(failure) => failures.push(failure),
                }
            }
            (answers, failures)
        });
        Self { enough, answering }
    }

    async fn leaves(self) -> Answers {
        self.enough.store(true, Ordering::SeqCst);
        let (answers, failures) = self.answering.await.unwrap();
        assert_eq!(failures, Vec::<String>::new());
        answers
    }
}

/// Whether a server wrote down that it has closed all who listened.
async fn has_drained(ground: &Ground) -> bool {
    const SQL: &str =
        "SELECT 1 FROM waiterix_migration.ledger WHERE what = 'drained' AND evidence->>'closed' = $1";
    let closed = LISTENERS.to_string();
    let arguments = [statement::Argument::Bound(Some(&closed))];
    !statement::read(&Ground::database(&ground.new), SQL, &arguments, "test").await.unwrap().is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_old_sockets_go_to_the_gateway_at_a_pace_and_hear_no_event_twice() {
    let Some(mut ground) = Ground::prepare().await else { return };
    let Some(cloud) = Cloud::prepare().await else { return };
    let gateway = Gateway::start(&cloud).await;
    ground.more = cloud.variables();
    ground.more.retain(|(name, _)| *name != "DATABASE_URL");
    let (_, callbacks) =
        gateway.variables().iter().find(|(name, _)| name == "WEBSOCKET_API_ENDPOINT").unwrap();
    ground.more.push(("WEBSOCKET_API_ENDPOINT", callbacks.clone()));
    ground.more.push(("WAITERIX_NOTIFIER", "dual".to_owned()));
    let data = tempfile::tempdir().unwrap();
    let service = ground.serve(data.path(), "local");
    let restaurant = Restaurant::open(&service.base, data.path()).await;
    let path = path(&restaurant.id);
    let mut listeners = Vec::new();
    for _ in 0..LISTENERS {
        let socket = Socket::open(&service.base, &path, &[]).await.unwrap();
        listeners.push(tokio::spawn(listen(socket, gateway.ws.clone(), path.clone())));
    }
    let chef = Chef::comes(&restaurant.owner, &restaurant.id);

    ground.migrate(&[&["start"], &SOCKETS[..]].concat()).await.output();
    let cutover = [&["cutover", "--yes", "--sockets-per-second", "20"], &SOCKETS[..]].concat();
    let said = ground.migrate(&cutover).await.output();
    assert!(said.contains("close the old sockets now, 20 a second"), "{said}");
    eventually(SOON, "everybody is at the gateway", async || gateway.open_sockets() == LISTENERS).await;
    eventually(SOON, "the server says so", async || has_drained(&ground).await).await;
    assert_eq!(cloud.connections().await, LISTENERS);
    assert_eq!(ground.status_of("sockets").await["leader"], "new");
    // Who knows no other address is served there on, and both hear what is said.
    let mut late = Socket::open(&service.base, &path, &[]).await.unwrap();
    assert!(matches!(late.next().await, Heard::Event(_)));
    let answers = chef.leaves().await;
    answer(&restaurant.owner, &restaurant.id, "the end").await.unwrap();

    let mut closings = Vec::new();
    for listener in listeners {
        let diary = listener.await.unwrap();
        assert_eq!(diary.failures, Vec::<String>::new());
        let once: BTreeSet<u64> = diary.heard.iter().copied().collect();
        assert_eq!(once.len(), diary.heard.len(), "an event was heard twice: {:?}", diary.heard);
        let (gone, back) = diary.away[0];
        assert_eq!(diary.away.len(), 1, "it is told to go once");
        closings.push(gone);
        assert!(once.len() > answers.len() / 2, "{} of {} were heard", once.len(), answers.len());
        for (number, (begun, ended)) in answers.iter().filter(|(number, _)| !once.contains(number)) {
            let was_away = *ended + MOMENT >= gone && *begun <= back + MOMENT;
            assert!(was_away, "{number} was missed by a client that listened");
        }
    }
    closings.sort();
    let took = closings[LISTENERS - 1] - closings[0];
    assert!(took >= Duration::from_secs_f64((LISTENERS - 2) as f64 / 20.0), "20 a second, and not {took:?}");
    // What was missed between the two is there to be read, as whenever a connection breaks.
    let missed = Client::new(&service.base).get(&format!("/api/public/chef-answers/{SESSION}")).await;
    assert_eq!(missed["answers"].as_array().unwrap().len(), answers.len() + 1);

    ground.migrate(&[&["rollback", "--yes"], &SOCKETS[..]].concat()).await.output();
    assert_eq!(ground.status_of("sockets").await["leader"], "old");
    answer(&restaurant.owner, &restaurant.id, "0").await.unwrap();
    while late.event().await["data"]["answer"] != "0" {}
}
