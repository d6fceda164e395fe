//! Order, and once each, with many publishers at several processes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use waiterix_adapters_legacy::websocket::WebSocketNotifier;

use crate::websocket::processes::{
    Admin, Peer, chef, connected, database, delivered, joined, message, publish, seed, sees,
};
use waiterix_ports::Notifier as _;

const PROCESSES: u8 = 3;
const PUBLISHERS: u8 = 3;
const EVENTS: usize = 60;

/// Three processes with two chefs each.
async fn scene(url: &url::Url) -> (Vec<Arc<WebSocketNotifier>>, Vec<Peer>) {
    let mut processes = Vec::new();
    for number in 0..PROCESSES {
        processes.push(joined(url, number).await);
    }
    let mut peers = Vec::new();
    for (number, process) in processes.iter().enumerate() {
        sees(process, u32::from(PROCESSES) - 1).await;
        for place in 0..2 {
            peers.push(connected(process, &format!("c{number}{place}"), chef()).await);
        }
    }
    (processes, peers)
}

/// Publishes from every process by several publishers at once; a text is `process/publisher/number`, and some are long.
async fn everybody_publishes(
    processes: &[Arc<WebSocketNotifier>],
    seed: u64,
) -> Vec<waiterix_ports::Delivery> {
    let mut tasks = tokio::task::JoinSet::new();
    for (place, process) in processes.iter().enumerate() {
        for publisher in 0..PUBLISHERS {
            let process = process.clone();
            let mut random = StdRng::seed_from_u64(seed ^ ((place as u64) << 8 | u64::from(publisher)));
            tasks.spawn(async move {
                let mut deliveries = Vec::new();
                for number in 0..EVENTS {
                    let length = if random.random_bool(0.1) { random.random_range(0..20_000) } else { 0 };
                    let text = format!("{place}/{publisher}/{number}/{}", "x".repeat(length));
                    for _ in 0..random.random_range(0..4) {
                        tokio::task::yield_now().await;
                    }
                    let chefs = crate::websocket::processes::chefs();
                    deliveries.push(process.publish(&chefs, &message(&text)).await.unwrap());
                }
                deliveries
            });
        }
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

type ByPublisher = BTreeMap<(usize, u8), Vec<usize>>;
type ByProcess = BTreeMap<usize, Vec<String>>;

/// The events a peer heard, by process and publisher, as numbers in the order heard; and by process in the order heard.
fn sorted(heard: &[String]) -> (ByPublisher, ByProcess) {
    let (mut by_publisher, mut by_process) = (ByPublisher::new(), ByProcess::new());
    for text in heard {
        let words: Vec<&str> = text.split('/').collect();
        let (process, publisher) = (words[0].parse().unwrap(), words[1].parse().unwrap());
        by_publisher.entry((process, publisher)).or_default().push(words[2].parse().unwrap());
        by_process.entry(process).or_default().push(words[..3].join("/"));
    }
    (by_publisher, by_process)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_r23_everybody_hears_everything_once_and_in_the_order_of_each_process() {
    let Some(database) = database().await else { return };
    let seed = seed();
    let (processes, mut peers) = scene(&database.url()).await;
    let deliveries = everybody_publishes(&processes, seed).await;
    assert!(deliveries.iter().all(|delivery| *delivery == delivered(6)), "{deliveries:?}");
    let mut orders: Option<ByProcess> = None;
    for peer in &mut peers {
        let (by_publisher, by_process) = sorted(&peer.arrived());
        assert_eq!(by_publisher.len(), usize::from(PROCESSES * PUBLISHERS));
        for (publisher, numbers) in by_publisher {
            assert_eq!(numbers, (0..EVENTS).collect::<Vec<_>>(), "{publisher:?}");
        }
        // Not only each publisher's events: all those of a process are in one order, on its own sockets and on others.
        assert_eq!(*orders.get_or_insert_with(|| by_process.clone()), by_process);
    }
    for process in &processes {
        assert_eq!((process.snapshot().repeated, process.snapshot().unheard), (0, 0));
    }
}

/// Connections are ended at random all the time. What a process misses meanwhile is lost to it; what it hears, it hears
/// once and in order, and its own sockets miss nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_r23_nothing_is_heard_twice_or_in_another_order_while_connections_break() {
    let Some(database) = database().await else { return };
    let seed = seed();
    let (processes, mut peers) = scene(&database.url()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (url, stopped) = (database.url(), stop.clone());
    let breaking = tokio::spawn(async move {
        let mut random = StdRng::seed_from_u64(seed);
        let mut admin = Admin::of(&url).await;
        let mut ended = 0;
        while !stopped.load(Ordering::Relaxed) {
            ended += u32::from(admin.terminate(random.random_range(0..PROCESSES)).await);
            for _ in 0..random.random_range(0..200) {
                tokio::task::yield_now().await;
            }
        }
        ended
    });
    everybody_publishes(&processes, seed).await;
    stop.store(true, Ordering::Relaxed);
    assert!(breaking.await.unwrap() > 0, "nothing was broken");
    for process in &processes {
        sees(process, u32::from(PROCESSES) - 1).await;
    }
    assert_eq!(publish(&processes[0], "0/9/0/").await, delivered(6), "all is well again");
    for (place, peer) in peers.iter_mut().enumerate() {
        let (by_publisher, _) = sorted(&peer.arrived());
        for ((process, publisher), numbers) in by_publisher {
            assert!(numbers.is_sorted_by(|a, b| a < b), "{process}/{publisher}: {numbers:?}");
            if process == place / 2 && publisher < PUBLISHERS {
                assert_eq!(numbers.len(), EVENTS, "its own process needs no connection");
            }
        }
    }
}
