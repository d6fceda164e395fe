//! Pruning and checking.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use std::time::Duration;

use serde_json::json;

use super::{Fresh, HOUR_S, assert_same, id, is_gone, is_there, listed, session};

const HOUR: Duration = Duration::from_secs(3600);

/// Ten records that end in two seconds, of every kind.
async fn short_lived(fixture: &Fresh) {
    let ttl = Duration::from_secs(2);
    for number in 0..6 {
        fixture.port.create(&session(fixture, &format!("short{number}"), Some("anna"), 2)).await.unwrap();
    }
    for key in ["a", "b", "c"] {
        fixture.port.temp_set(key, &json!(1), ttl).await.unwrap();
    }
    fixture.port.temp_count("a", ttl).await.unwrap();
    let ended = || async {
        let mut ended = fixture.port.temp_get("c").await.unwrap().is_none();
        for number in 0..6 {
            ended &= is_gone(fixture, id(&format!("short{number}"))).await;
        }
        ended
    };
    fixture.after(Duration::from_secs(3), "the short-lived end", ended).await;
}

/// **N80**
pub async fn n80_only_what_has_ended_is_removed(fixture: Fresh) {
    let live = session(&fixture, "live", Some("anna"), HOUR_S);
    fixture.port.create(&live).await.unwrap();
    fixture.port.temp_set("live", &json!("value"), HOUR).await.unwrap();
    fixture.port.temp_count("live", HOUR).await.unwrap();
    short_lived(&fixture).await;
    let mut removed = 0;
    while fixture.port.prune(100).await.unwrap() > 0 {
        removed += 1;
        assert!(removed < 100, "pruning finds no end");
    }
    assert_eq!(fixture.port.prune(100).await.unwrap(), 0, "nothing is left to remove");
    assert_same(&fixture.port.load(&live.id).await.unwrap().unwrap().session, &live);
    assert_eq!(listed(&fixture, "anna").await, ["live"]);
    assert_eq!(fixture.port.temp_get("live").await.unwrap(), Some(json!("value")));
    assert_eq!(fixture.port.temp_count("live", HOUR).await.unwrap(), 2);
}

/// **N80**
pub async fn n80_no_more_than_the_limit_at_once(fixture: Fresh) {
    fixture.port.create(&session(&fixture, "live", Some("anna"), HOUR_S)).await.unwrap();
    short_lived(&fixture).await;
    let mut total = 0;
    for _ in 0..20 {
        let removed = fixture.port.prune(3).await.unwrap();
        assert!(removed <= 3, "{removed} removed with a limit of 3");
        total += removed;
        if removed == 0 {
            break;
        }
    }
    assert!(total <= 10, "{total} of 10 ended records removed");
    assert_eq!(fixture.port.prune(3).await.unwrap(), 0);
    assert!(is_there(&fixture, id("live")).await);
}

/// **N90**
pub async fn n90_a_working_store_is_proven_and_unchanged(fixture: Fresh) {
    fixture.port.check().await.unwrap();
    let stored = session(&fixture, "one", Some("anna"), HOUR_S);
    fixture.port.create(&stored).await.unwrap();
    fixture.port.temp_set("k", &json!(1), HOUR).await.unwrap();
    let before = fixture.port.load(&stored.id).await.unwrap();
    fixture.port.check().await.unwrap();
    fixture.port.check().await.unwrap();
    assert_eq!(fixture.port.load(&stored.id).await.unwrap(), before);
    assert_eq!(listed(&fixture, "anna").await, ["one"]);
    assert_eq!(fixture.port.temp_get("k").await.unwrap(), Some(json!(1)));
}
