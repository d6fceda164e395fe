//! What the store leaves in Redis and which commands it uses, seen from the server.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use url::Url;
use waiterix_adapters_aws::elasticache::RedisSessionStore;
use waiterix_contract::eventually;
use waiterix_ports::{Clock as _, SessionStore as _, SystemClock};

use crate::own_redis::{self, id, listed, plain_server, raw, session, store};

const HOUR: Duration = Duration::from_secs(3_600);

/// Every operation of the port, also as it is refused, in both forms of records.
async fn everything(store: &RedisSessionStore, raw: &mut MultiplexedConnection) {
    let now = SystemClock.now();
    for number in 0..5 {
        store.create(&session(&format!("s{number}"), "anna", 3_600 + number)).await.unwrap();
    }
    store.create(&session("s0", "mallory", 60)).await.unwrap_err();
    let mut nobody = session("nobody", "x", 60);
    nobody.user_id = None;
    store.create(&nobody).await.unwrap();
    let old = json!({ "userId": "anna", "email": "e", "createdAt": now.to_string(), "lastActivity": now.to_string() });
    let () = raw.set_ex(format!("session:{}", id("old").reveal()), old.to_string(), 600).await.unwrap();
    let strays = vec![id("old").reveal().to_owned(), id("dead").reveal().to_owned()];
    let _: i64 = raw.sadd("user_sessions:anna", strays).await.unwrap();

    let loaded = store.load(&id("s1")).await.unwrap().unwrap();
    let mut moved = loaded.session.clone();
    moved.user_id = Some("bert".into());
    store.update(&moved, &loaded.revision).await.unwrap();
    store.update(&moved, &loaded.revision).await.unwrap_err();
    for name in ["s2", "old", "nobody", "absent"] {
        store.touch(&id(name), now, now.plus_seconds(7_200)).await.unwrap();
        // Far enough ahead that the list has to be asked again.
        store.touch(&id(name), now, now.plus_seconds(10 * 86_400)).await.unwrap();
    }
    listed(store, "anna").await;
    listed(store, "bert").await;
    store.delete(&id("s3")).await.unwrap();
    store.delete(&id("s3")).await.unwrap();
    store.delete_all_of(&"bert".into()).await.unwrap();

    store.temp_set("a", &json!(1), HOUR).await.unwrap();
    store.temp_set_if_absent("a", &json!(2), HOUR).await.unwrap();
    store.temp_set_if_absent("b", &json!(2), HOUR).await.unwrap();
    store.temp_get("a").await.unwrap();
    store.temp_take("b").await.unwrap();
    store.temp_count("a", HOUR).await.unwrap();
    store.temp_count("a", HOUR).await.unwrap();
    store.prune(100).await.unwrap();
    store.check().await.unwrap();
}

/// The slot of a key in a cluster.
async fn slot(client: &mut MultiplexedConnection, key: &str) -> u16 {
    redis::cmd("CLUSTER").arg("KEYSLOT").arg(key).query_async(client).await.unwrap()
}

/// Starts to listen to every command the server does; answers a task that ends with the line that holds a word.
async fn monitor(url: &Url, last: &'static str) -> tokio::task::JoinHandle<Vec<String>> {
    let mut socket = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).await.unwrap();
    socket.write_all(b"MONITOR\r\n").await.unwrap();
    let mut lines = BufReader::new(socket).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "+OK");
    tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(last) {
                break;
            }
            seen.push(line);
        }
        seen
    })
}

/// The words of a command in a line such as `+1738314307.12 [0 127.0.0.1:5] "GET" "session:…"`.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split_once("] ").unwrap().1;
    let unquoted = quoted.trim_matches('"').split("\" \"");
    unquoted.map(str::to_owned).collect()
}

#[tokio::test]
async fn g040_no_command_walks_the_keys_or_reaches_over_slots() {
    let Some(server) = plain_server() else { return };
    // SETEX, SADD and the last GET are the test's own.
    let mut client = raw(server.url()).await;
    let listening = monitor(server.url(), "the-end-of-the-run").await;
    everything(&store(server.url()), &mut client).await;
    let _: Option<String> = client.get("the-end-of-the-run").await.unwrap();
    let seen = listening.await.unwrap();

    let (mut sent, mut within) = (BTreeSet::new(), BTreeSet::new());
    for line in &seen {
        let words = words(line);
        let command = words[0].to_ascii_uppercase();
        if line.contains(" lua] ") {
            within.insert(command);
            continue;
        }
        if command.starts_with("EVAL") {
            let keys: usize = words[2].parse().unwrap();
            assert!(keys <= 1, "a script on several keys: {line}");
        }
        sent.insert(command);
    }
    let allowed = [
        "DEL",
        "EVAL",
        "EVALSHA",
        "GET",
        "GETDEL",
        "PING",
        "PEXPIRETIME",
        "SADD",
        "SET",
        "SETEX",
        "SMEMBERS",
        "SREM",
        "ZRANGE",
        "ZREM",
    ];
    let stray: Vec<_> = sent.iter().filter(|command| !allowed.contains(&command.as_str())).collect();
    assert!(stray.is_empty(), "{stray:?}");
    assert!(sent.contains("EVALSHA") && sent.contains("ZREM"), "the run was seen: {sent:?}");
    for walk in ["KEYS", "SCAN", "FLUSHALL", "FLUSHDB", "MGET", "RANDOMKEY", "UNLINK"] {
        assert!(!within.contains(walk), "{walk} in a script");
    }
    assert!(within.contains("SETRANGE"), "what scripts do was seen: {within:?}");
    // DEL takes one key, wherever it is used.
    for line in seen.iter().filter(|line| words(line)[0].eq_ignore_ascii_case("DEL")) {
        assert_eq!(words(line).len(), 2, "{line}");
    }
    // The two keys of a user are in different slots, so nothing here holds by accident.
    let slots = ["user_sessions:anna", "user_sessions_by_end:anna", "session:s0"];
    let mut of_keys = BTreeSet::new();
    let Some(cluster) = own_redis::cluster_of_one().await else { return };
    let mut client = raw(cluster.url()).await;
    for key in slots {
        of_keys.insert(slot(&mut client, key).await);
    }
    assert_eq!(of_keys.len(), slots.len());
}

/// Every key of the database with its time to live in milliseconds.
async fn ttls(client: &mut MultiplexedConnection) -> BTreeMap<String, i64> {
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(client).await.unwrap();
    let mut ttls = BTreeMap::new();
    for key in keys {
        ttls.insert(key.clone(), client.pttl(&key).await.unwrap());
    }
    ttls
}

#[tokio::test]
async fn g044_every_key_ends() {
    let Some(server) = plain_server() else { return };
    let mut client = raw(server.url()).await;
    everything(&store(server.url()), &mut client).await;
    let ttls = ttls(&mut client).await;
    for kind in ["session:", "user_sessions:", "user_sessions_by_end:", "temp:", "temp_count:"] {
        assert!(ttls.keys().any(|key| key.starts_with(kind)), "no key {kind}: {ttls:?}");
    }
    for (key, ttl_ms) in &ttls {
        assert!(*ttl_ms > 0, "{key} has no end");
        assert!(*ttl_ms <= 402 * 86_400_000, "{key} ends in {ttl_ms} ms");
    }
    let longest =
        ttls.iter().filter(|(key, _)| key.starts_with("session:")).map(|(_, ttl)| *ttl).max().unwrap();
    for list in ["user_sessions:anna", "user_sessions_by_end:anna"] {
        assert!(ttls[list] >= longest, "{list} ends before the longest session");
    }
}

async fn sizes(client: &mut MultiplexedConnection, user: &str) -> (usize, usize) {
    let set = client.scard(format!("user_sessions:{user}")).await.unwrap();
    let list = client.zcard(format!("user_sessions_by_end:{user}")).await.unwrap();
    (set, list)
}

#[tokio::test]
async fn g044_the_lists_of_a_user_do_not_outgrow_the_live_sessions() {
    let Some(server) = plain_server() else { return };
    let (store, mut client) = (store(server.url()), raw(server.url()).await);
    for round in 0..3 {
        for number in 0..10 {
            store.create(&session(&format!("s{round}-{number}"), "anna", 3_600)).await.unwrap();
        }
        // Half are updated, which makes new memberships; all but one end in one way or another.
        for number in 0..5 {
            let loaded = store.load(&id(&format!("s{round}-{number}"))).await.unwrap().unwrap();
            store.update(&loaded.session, &loaded.revision).await.unwrap();
        }
        for number in 1..10 {
            assert!(store.delete(&id(&format!("s{round}-{number}"))).await.unwrap());
        }
        assert_eq!(sizes(&mut client, "anna").await, (round + 1, round + 1));
    }
    store.create(&session("short", "anna", 1)).await.unwrap();
    assert_eq!(sizes(&mut client, "anna").await, (4, 4));
    let three = || async { listed(&store, "anna").await.len() == 3 };
    eventually(Duration::from_secs(20), "the short one ends", three).await;
    listed(&store, "anna").await;
    assert_eq!(sizes(&mut client, "anna").await, (3, 3), "what ended by itself goes when the list is read");
    assert_eq!(store.delete_all_of(&"anna".into()).await.unwrap(), 3);
    assert_eq!(sizes(&mut client, "anna").await, (0, 0));
}

#[tokio::test]
async fn a_membership_without_session_stays_until_its_session_would_have_ended() {
    let Some(server) = plain_server() else { return };
    let (store, mut client) = (store(server.url()), raw(server.url()).await);
    // As a create leaves it that has not come further yet, or never will: one ends in an hour, one has ended.
    let (now, day) = (SystemClock.now().as_millis(), 86_400_000);
    for (name, ends) in [("pending", now + 3_600_000), ("lost", now - 1_000)] {
        let member = format!("{}.mark", id(name).reveal());
        let _: i64 = client.zadd("user_sessions_by_end:anna", member, ends + day).await.unwrap();
        let _: i64 = client.sadd("user_sessions:anna", id(name).reveal()).await.unwrap();
    }
    assert!(listed(&store, "anna").await.is_empty());
    let list: Vec<String> = client.zrange("user_sessions_by_end:anna", 0, -1).await.unwrap();
    assert_eq!(
        list,
        [format!("{}.mark", id("pending").reveal())],
        "a session about to appear stays a member"
    );
    let set: Vec<String> = client.smembers("user_sessions:anna").await.unwrap();
    assert_eq!(set, [id("pending").reveal()]);
    store.create(&session("pending", "anna", 3_600)).await.unwrap();
    assert_eq!(listed(&store, "anna").await, ["pending"]);
}
