//! Touching.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use std::time::Duration;

use serde_json::json;
use waiterix_ports::{ErrorKind, SessionId};

use super::create::malformed_ids;
use super::{Fresh, HOUR_S, assert_same, id, is_gone, is_there, listed, session};
use crate::race::{at_once, refused};

/// **N30**
pub async fn n30_a_touch_notes_the_use_and_moves_the_expiry(fixture: Fresh) {
    let mut stored = session(&fixture, "one", Some("anna"), HOUR_S);
    stored.extra.insert("kept".to_owned(), json!({ "a": 1 }));
    fixture.port.create(&stored).await.unwrap();
    stored.last_activity = stored.last_activity.plus_millis(61_007);
    stored.expires_at = stored.expires_at.plus_seconds(60);
    assert!(fixture.port.touch(&stored.id, stored.last_activity, stored.expires_at).await.unwrap());
    assert_same(&fixture.port.load(&stored.id).await.unwrap().unwrap().session, &stored);
}

/// **N30**
pub async fn n30_a_touch_lengthens_and_shortens(fixture: Fresh) {
    for (name, ttl_s) in [("lengthened", 3), ("shortened", HOUR_S)] {
        fixture.port.create(&session(&fixture, name, Some("anna"), ttl_s)).await.unwrap();
    }
    let now = fixture.now();
    assert!(fixture.port.touch(&id("lengthened"), now, now.plus_seconds(HOUR_S)).await.unwrap());
    assert!(fixture.port.touch(&id("shortened"), now, now.plus_seconds(3)).await.unwrap());
    fixture
        .after(Duration::from_secs(4), "the shortened one ends", || is_gone(&fixture, id("shortened")))
        .await;
    assert!(is_there(&fixture, id("lengthened")).await);
    assert_eq!(listed(&fixture, "anna").await, ["lengthened"]);
}

/// **N30**
pub async fn n30_a_session_that_is_gone_is_false(fixture: Fresh) {
    fixture.port.create(&session(&fixture, "one", Some("anna"), HOUR_S)).await.unwrap();
    assert!(fixture.port.delete(&id("one")).await.unwrap());
    let now = fixture.now();
    let mut absent = vec![id("one"), id("two")];
    absent.extend(malformed_ids().into_iter().map(SessionId::new));
    for id in absent {
        match fixture.port.touch(&id, now, now.plus_seconds(HOUR_S)).await {
            Ok(touched) => assert!(!touched, "touched a session that is not there"),
            refusal => refused(refusal, ErrorKind::Invalid, "a malformed id"),
        }
        assert!(is_gone(&fixture, &id).await);
    }
    assert!(listed(&fixture, "anna").await.is_empty());
}

/// **N30**
pub async fn n30_an_ended_session_is_not_revived(fixture: Fresh) {
    fixture.port.create(&session(&fixture, "one", Some("anna"), 2)).await.unwrap();
    fixture.after(Duration::from_secs(3), "it ends", || is_gone(&fixture, id("one"))).await;
    let now = fixture.now();
    assert!(!fixture.port.touch(&id("one"), now, now.plus_seconds(HOUR_S)).await.unwrap());
    assert!(is_gone(&fixture, id("one")).await);
    assert!(listed(&fixture, "anna").await.is_empty());
}

/// **N30**
pub async fn n30_a_delete_at_the_same_time_wins(fixture: Fresh) {
    for round in 0..15 {
        let name = format!("s{round}");
        fixture.port.create(&session(&fixture, &name, Some("anna"), HOUR_S)).await.unwrap();
        let (now, id) = (fixture.now(), id(&name));
        at_once(4, |number| {
            let (port, id) = (fixture.port.clone(), id.clone());
            async move {
                if number == 0 {
                    assert!(port.delete(&id).await.unwrap());
                } else {
                    port.touch(&id, now, now.plus_seconds(2 * HOUR_S)).await.unwrap();
                }
            }
        })
        .await;
        assert!(is_gone(&fixture, &id).await, "a touch brought a deleted session back");
        assert!(listed(&fixture, "anna").await.is_empty());
    }
}

/// **N30**
pub async fn n30_an_expiry_outside_the_limits_is_invalid(fixture: Fresh) {
    let stored = session(&fixture, "one", Some("anna"), HOUR_S);
    fixture.port.create(&stored).await.unwrap();
    let now = fixture.now();
    for ttl_s in [0, -60, 400 * 86_400 + HOUR_S] {
        let answer = fixture.port.touch(&stored.id, now, now.plus_seconds(ttl_s)).await;
        refused(answer, ErrorKind::Invalid, "an end outside the limits");
    }
    assert_same(&fixture.port.load(&stored.id).await.unwrap().unwrap().session, &stored);
}

/// **N31**
pub async fn n31_an_update_succeeds_after_a_touch(fixture: Fresh) {
    fixture.port.create(&session(&fixture, "one", Some("anna"), HOUR_S)).await.unwrap();
    let read = fixture.port.load(&id("one")).await.unwrap().unwrap();
    let now = fixture.now();
    assert!(fixture.port.touch(&id("one"), now.plus_millis(5), now.plus_seconds(2 * HOUR_S)).await.unwrap());
    let mut changed = read.session.clone();
    changed.extra.insert("a".to_owned(), json!(1));
    fixture.port.update(&changed, &read.revision).await.unwrap();
    assert_eq!(fixture.port.load(&id("one")).await.unwrap().unwrap().session.extra["a"], json!(1));
}

/// **N31**
pub async fn n31_a_touch_never_undoes_an_update(fixture: Fresh) {
    for round in 0..10 {
        let name = format!("s{round}");
        fixture.port.create(&session(&fixture, &name, Some("anna"), HOUR_S)).await.unwrap();
        let (read, now) = (fixture.port.load(&id(&name)).await.unwrap().unwrap(), fixture.now());
        at_once(5, |number| {
            let (port, mut session, revision) =
                (fixture.port.clone(), read.session.clone(), read.revision.clone());
            async move {
                if number == 0 {
                    session.user_id = Some("bert".into());
                    session.extra.insert("step".to_owned(), json!("updated"));
                    port.update(&session, &revision).await.unwrap();
                } else {
                    let end = now.plus_seconds(2 * HOUR_S);
                    assert!(port.touch(&session.id, now.plus_millis(7), end).await.unwrap());
                }
            }
        })
        .await;
        let found = fixture.port.load(&id(&name)).await.unwrap().unwrap().session;
        assert_eq!(found.extra["step"], json!("updated"));
        assert_eq!(found.user_id, Some("bert".into()));
    }
    assert!(listed(&fixture, "anna").await.is_empty());
    assert_eq!(listed(&fixture, "bert").await.len(), 10);
}
