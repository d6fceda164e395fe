//! Old and new software on the same keys: each reads, lists, changes and ends what the other wrote.

use redis::AsyncCommands as _;
use serde_json::{Value, json};
use waiterix_adapters_aws::elasticache::RedisSessionStore;
use waiterix_backends::Running;
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::{Clock as _, ErrorKind, SessionStore as _, SystemClock};

use crate::own_redis::old::{OldManager, WEEK_S, record};
use crate::own_redis::{id, listed, plain_server, raw, session, store};

const HOUR_S: u64 = 3_600;

async fn both() -> Option<(Running, RedisSessionStore, OldManager)> {
    let server = plain_server()?;
    let old = OldManager(raw(server.url()).await);
    let new = store(server.url());
    Some((server, new, old))
}

/// The id as text.
fn text(name: &str) -> String {
    id(name).reveal().to_owned()
}

async fn redis_set(old: &mut OldManager, key: &str, value: &str) {
    let () = old.0.set(key, value).await.unwrap();
}

fn in_an_hour() -> Timestamp {
    SystemClock.now().plus_seconds(3_600)
}

#[tokio::test]
async fn an_old_record_is_loaded_with_everything_in_it() {
    let Some((_server, new, mut old)) = both().await else { return };
    old.create(&text("one"), &record("anna"), HOUR_S).await;
    let loaded = new.load(&id("one")).await.unwrap().unwrap().session;
    assert_eq!(loaded.user_id, Some("anna".into()));
    assert_eq!(loaded.email.as_deref(), Some("anna@example.org"));
    assert_eq!(loaded.created_at.to_string(), "2025-01-31T09:05:07.123Z");
    assert_eq!(loaded.last_activity.to_string(), "2025-01-31T10:00:00.000Z");
    let left_s = loaded.expires_at.as_seconds() - SystemClock.now().as_seconds();
    assert!((3_590..=3_600).contains(&left_s), "the time of the key is the time of the session: {left_s}");
    let mut expected = record("anna").as_object().unwrap().clone();
    for own in ["userId", "email", "createdAt", "lastActivity"] {
        expected.remove(own);
    }
    assert_eq!(loaded.extra, expected);
    assert_eq!(old.ttl_s("user_sessions:anna").await, 3_600, "reading changes nothing");
}

#[tokio::test]
async fn an_old_record_is_touched_updated_and_ended() {
    let Some((_server, new, mut old)) = both().await else { return };
    old.create(&text("one"), &record("anna"), 60).await;
    let loaded = new.load(&id("one")).await.unwrap().unwrap();
    let (used, ends) = (SystemClock.now(), in_an_hour());
    assert!(new.touch(&id("one"), used, ends).await.unwrap());
    assert!(new.touch(&id("one"), used.plus_millis(5), ends).await.unwrap());
    let touched = new.load(&id("one")).await.unwrap().unwrap();
    assert_eq!(touched.session.last_activity.as_millis(), used.as_millis() + 5);
    assert_eq!(touched.session.extra, loaded.session.extra);
    assert_eq!(touched.revision, loaded.revision, "a touch is no change, also when it rewrites a record");
    assert!(old.ttl_s("user_sessions:anna").await >= 3_600, "the list outlives the longer session");

    let mut changed = loaded.session;
    changed.extra.insert("role".to_owned(), json!("owner"));
    changed.expires_at = ends;
    new.update(&changed, &loaded.revision).await.unwrap();
    assert_eq!(old.get(&text("one")).await.unwrap()["role"], json!("owner"));
    assert!(new.delete(&id("one")).await.unwrap());
    assert_eq!(old.get(&text("one")).await, None);
    assert_eq!(old.list("anna").await, Vec::<String>::new());
}

#[tokio::test]
async fn what_we_write_is_what_the_old_get_expects() {
    let Some((_server, new, mut old)) = both().await else { return };
    let mut stored = session("one", "anna", 3_600);
    stored.created_at = Timestamp::from_micros(stored.created_at.as_micros() + 999).unwrap();
    for (name, value) in
        [("restaurantId", json!("r-1")), ("role", json!("chef")), ("metadata", json!({"a": []}))]
    {
        stored.extra.insert(name.to_owned(), value);
    }
    new.create(&stored).await.unwrap();
    let check = |found: Value| {
        for (name, expected) in [
            ("userId", json!("anna")),
            ("email", json!("anna@example.org")),
            ("restaurantId", json!("r-1")),
            ("role", json!("chef")),
            ("metadata", json!({"a": []})),
            ("createdAt", json!(stored.created_at.to_string())),
        ] {
            assert_eq!(found[name], expected, "{name}");
        }
        for name in ["createdAt", "lastActivity"] {
            let written = found[name].as_str().unwrap();
            assert_eq!(Timestamp::parse(written).unwrap().to_string(), written, "as toISOString writes it");
        }
    };
    check(old.get(&text("one")).await.unwrap());
    assert_eq!(old.list("anna").await, [text("one")]);
    assert!(new.touch(&id("one"), SystemClock.now(), in_an_hour()).await.unwrap());
    check(old.get(&text("one")).await.unwrap());
    let loaded = new.load(&id("one")).await.unwrap().unwrap();
    new.update(&loaded.session, &loaded.revision).await.unwrap();
    check(old.get(&text("one")).await.unwrap());
    assert!(old.delete(&text("one")).await);
    assert_eq!(new.load(&id("one")).await.unwrap(), None);
    assert!(listed(&new, "anna").await.is_empty());
}

#[tokio::test]
async fn a_write_of_old_software_is_noticed_and_its_reading_is_not() {
    let Some((_server, new, mut old)) = both().await else { return };
    new.create(&session("one", "anna", 3_600)).await.unwrap();
    let loaded = new.load(&id("one")).await.unwrap().unwrap();
    old.get(&text("one")).await.unwrap();
    let revision = new.update(&loaded.session, &loaded.revision).await.expect("a read changes nothing");

    old.update(&text("one"), &json!({ "metadata": { "by": "old" } })).await.unwrap();
    let refused = new.update(&loaded.session, &revision).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let again = new.load(&id("one")).await.unwrap().unwrap();
    assert_eq!(again.session.extra["metadata"], json!({ "by": "old" }), "and it is kept");
    assert!(!again.session.extra.contains_key("waiterixMark"), "what is the store's own is not shown");
    new.update(&again.session, &again.revision).await.unwrap();

    // A record of the same id, written anew over ours.
    let read = new.load(&id("one")).await.unwrap().unwrap();
    old.create(&text("one"), &record("anna"), HOUR_S).await;
    assert_eq!(new.update(&read.session, &read.revision).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn n5_an_old_set_that_ends_too_early_is_repaired_when_it_is_read() {
    let Some((_server, new, mut old)) = both().await else { return };
    old.create(&text("long"), &record("anna"), WEEK_S).await;
    old.create(&text("short"), &record("anna"), 60).await;
    assert_eq!(old.ttl_s("user_sessions:anna").await, 60, "this is the defect");
    assert_eq!(listed(&new, "anna").await, ["long", "short"]);
    let week_s = i64::try_from(WEEK_S).unwrap();
    assert!(old.ttl_s("user_sessions:anna").await >= week_s - 5);

    // Even when the old set goes away, the sessions it named are known.
    let _: i64 = old.0.del("user_sessions:anna").await.unwrap();
    assert_eq!(listed(&new, "anna").await, ["long", "short"]);
    assert_eq!(old.list("anna").await, [text("long"), text("short")], "and the old set is whole again");
    assert!(old.ttl_s("user_sessions:anna").await >= week_s - 5);
}

#[tokio::test]
async fn n5_an_old_login_does_not_hide_our_sessions() {
    let Some((_server, new, mut old)) = both().await else { return };
    new.create(&session("ours", "anna", 3_600)).await.unwrap();
    old.create(&text("old"), &record("anna"), 1).await;
    let mut watch = old.0.clone();
    let is_gone = || {
        let mut watch = watch.clone();
        async move { !watch.exists::<_, bool>("user_sessions:anna").await.unwrap() }
    };
    waiterix_contract::eventually(std::time::Duration::from_secs(20), "the old set ends", is_gone).await;
    let _: bool = watch.exists("session:x").await.unwrap();
    assert_eq!(listed(&new, "anna").await, ["ours"]);
    assert_eq!(new.delete_all_of(&UserId::from("anna")).await.unwrap(), 1);
}

#[tokio::test]
async fn an_old_set_without_an_end_gets_one() {
    let Some((_server, new, mut old)) = both().await else { return };
    let _: i64 = old.0.sadd("user_sessions:anna", text("dead")).await.unwrap();
    new.create(&session("one", "anna", 3_600)).await.unwrap();
    assert!(old.ttl_s("user_sessions:anna").await >= 3_600);

    old.create(&text("two"), &record("bert"), HOUR_S).await;
    let _: bool = old.0.persist("user_sessions:bert").await.unwrap();
    assert_eq!(listed(&new, "bert").await, ["two"]);
    assert!(old.ttl_s("user_sessions:bert").await >= 3_590);
}

#[tokio::test]
async fn n6_dead_ids_leave_an_old_set_when_it_is_read() {
    let Some((_server, new, mut old)) = both().await else { return };
    old.create(&text("one"), &record("anna"), HOUR_S).await;
    old.create(&text("of-bert"), &record("bert"), HOUR_S).await;
    let strays = vec![text("dead1"), text("dead2"), text("of-bert")];
    let _: i64 = old.0.sadd("user_sessions:anna", strays).await.unwrap();
    let _: i64 = old.0.sadd("user_sessions:anna", b"\xff\xfe").await.unwrap();
    assert_eq!(listed(&new, "anna").await, ["one"]);
    let left: Vec<Vec<u8>> = old.0.smembers("user_sessions:anna").await.unwrap();
    assert_eq!(left.len(), 2, "the live one, and what is no text at all");
    assert_eq!(listed(&new, "bert").await, ["of-bert"], "another's session is not touched");
}

#[tokio::test]
async fn n7_log_out_everywhere_ends_old_and_new_sessions_alike() {
    let Some((_server, new, mut old)) = both().await else { return };
    for number in 0..70 {
        old.create(&text(&format!("old{number}")), &record("anna"), HOUR_S).await;
        new.create(&session(&format!("new{number}"), "anna", 3_600)).await.unwrap();
    }
    // The old manager took any id; such a session is worth nothing here, but it is there.
    old.create("x", &record("anna"), HOUR_S).await;
    old.create(&text("other"), &record("bert"), HOUR_S).await;
    let _: i64 = old.0.sadd("user_sessions:anna", text("other")).await.unwrap();
    assert_eq!(listed(&new, "anna").await.len(), 140);
    assert!(old.list("anna").await.contains(&"x".to_owned()), "what only the old manager understands stays");
    assert_eq!(new.delete_all_of(&UserId::from("anna")).await.unwrap(), 141);
    assert!(listed(&new, "anna").await.is_empty());
    assert_eq!(old.list("anna").await, Vec::<String>::new());
    assert_eq!(old.get("x").await, None);
    assert!(old.get(&text("other")).await.is_some(), "only this user's");
}

#[tokio::test]
async fn the_old_set_follows_a_session_that_changes_its_user() {
    let Some((_server, new, mut old)) = both().await else { return };
    new.create(&session("one", "anna", 3_600)).await.unwrap();
    let loaded = new.load(&id("one")).await.unwrap().unwrap();
    let mut moved = loaded.session;
    moved.user_id = Some("bert".into());
    new.update(&moved, &loaded.revision).await.unwrap();
    assert_eq!(old.list("anna").await, Vec::<String>::new());
    assert_eq!(old.list("bert").await, [text("one")]);

    let refused = new.create(&session("one", "mallory", 3_600)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert_eq!(old.list("mallory").await, Vec::<String>::new(), "mallory's log-out would have ended it");
    new.create(&session("one", "bert", 3_600)).await.unwrap_err();
    assert_eq!(old.list("bert").await, [text("one")]);
}

#[tokio::test]
async fn n12_what_is_no_session_is_corrupt_and_can_be_ended() {
    let Some((_server, new, mut old)) = both().await else { return };
    let forever = format!("session:{}", text("forever"));
    redis_set(&mut old, &forever, &record("anna").to_string()).await;
    let hash = format!("session:{}", text("hash"));
    let _: i64 = old.0.hset(&hash, "a", "b").await.unwrap();
    let () = old.0.set_ex(format!("session:{}", text("spoilt")), "{ not json", HOUR_S).await.unwrap();
    let names = ["forever", "hash", "spoilt"];
    let _: i64 = old.0.sadd("user_sessions:anna", names.map(text).to_vec()).await.unwrap();
    for name in names {
        assert_eq!(new.load(&id(name)).await.unwrap_err().kind(), ErrorKind::Corrupt, "{name}");
        let conflict = new.create(&session(name, "anna", 60)).await.unwrap_err();
        assert_eq!(conflict.kind(), ErrorKind::Conflict, "{name} is in use");
    }
    assert_eq!(listed(&new, "anna").await, names, "they are there, so they are named");
    assert_eq!(listed(&new, "anna").await, names, "and stay so");
    assert!(new.delete(&id("hash")).await.unwrap());
    assert_eq!(new.delete_all_of(&UserId::from("anna")).await.unwrap(), 2);
    assert_eq!(listed(&new, "anna").await, Vec::<String>::new());
}

#[tokio::test]
async fn one_time_data_is_read_and_taken_on_both_sides() {
    let Some((_server, new, mut old)) = both().await else { return };
    let () = old.0.set_ex("temp:code", json!({ "code": "123456" }).to_string(), 60).await.unwrap();
    assert_eq!(new.temp_get("code").await.unwrap(), Some(json!({ "code": "123456" })));
    assert_eq!(new.temp_take("code").await.unwrap(), Some(json!({ "code": "123456" })));
    assert!(!old.0.exists::<_, bool>("temp:code").await.unwrap());
    new.temp_set("code", &json!([1]), std::time::Duration::from_secs(60)).await.unwrap();
    let raw: String = old.0.get("temp:code").await.unwrap();
    assert_eq!(raw, "[1]");
    let () = old.0.set_ex("temp:bad", "{ not json", 60).await.unwrap();
    assert_eq!(new.temp_get("bad").await.unwrap_err().kind(), ErrorKind::Corrupt);
    let _: i64 = old.0.lpush("temp_count:bad", 1).await.unwrap();
    let hour = std::time::Duration::from_secs(3_600);
    assert_eq!(new.temp_count("bad", hour).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let () = old.0.set_ex("temp_count:worse", "many", 60).await.unwrap();
    assert_eq!(new.temp_count("worse", hour).await.unwrap_err().kind(), ErrorKind::Corrupt);
}
