//! Updating.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use std::time::Duration;

use serde_json::json;
use waiterix_domain::id::UserId;
use waiterix_ports::session::MAX_SESSION_BYTES;
use waiterix_ports::{ErrorKind, Loaded, Revision};

use super::{Fresh, HOUR_S, assert_same, id, is_gone, listed, session};
use crate::race::{at_once, refused};

async fn created(fixture: &Fresh, name: &str) -> Loaded {
    fixture.port.create(&session(fixture, name, Some("anna"), HOUR_S)).await.unwrap();
    fixture.port.load(&id(name)).await.unwrap().unwrap()
}

/// **N20**
pub async fn n20_an_update_replaces_everything(fixture: Fresh) {
    let mut old = session(&fixture, "one", Some("anna"), HOUR_S);
    old.extra = serde_json::from_value(json!({ "kept": 1, "dropped": { "a": [1] } })).unwrap();
    fixture.port.create(&old).await.unwrap();
    let loaded = fixture.port.load(&old.id).await.unwrap().unwrap();
    let mut new = session(&fixture, "one", Some("anna"), 2 * HOUR_S);
    new.email = None;
    new.last_activity = new.last_activity.plus_millis(1_234);
    new.extra = serde_json::from_value(json!({ "kept": 2, "added": null })).unwrap();
    fixture.port.update(&new, &loaded.revision).await.unwrap();
    assert_same(&fixture.port.load(&old.id).await.unwrap().unwrap().session, &new);
    assert_eq!(listed(&fixture, "anna").await, ["one"]);
}

/// **N20**
pub async fn n20_a_session_changed_since_conflicts(fixture: Fresh) {
    let read = created(&fixture, "one").await;
    let mut first = read.session.clone();
    first.extra.insert("by".to_owned(), json!("first"));
    fixture.port.update(&first, &read.revision).await.unwrap();
    let mut second = read.session.clone();
    second.extra.insert("by".to_owned(), json!("second"));
    second.user_id = Some(UserId::from("mallory"));
    refused(
        fixture.port.update(&second, &read.revision).await,
        ErrorKind::Conflict,
        "an update from an old state",
    );
    assert_same(&fixture.port.load(&id("one")).await.unwrap().unwrap().session, &first);
    assert!(listed(&fixture, "mallory").await.is_empty());
    assert_eq!(listed(&fixture, "anna").await, ["one"]);
    let stranger = Revision::new("no such revision; 0' \u{e9}");
    refused(fixture.port.update(&second, &stranger).await, ErrorKind::Conflict, "a revision nobody gave");
}

/// **N20**
pub async fn n20_of_several_updates_exactly_one_succeeds(fixture: Fresh) {
    let read = created(&fixture, "one").await;
    let answers = at_once(8, |number| {
        let (port, mut session, revision) =
            (fixture.port.clone(), read.session.clone(), read.revision.clone());
        session.extra.insert("by".to_owned(), json!(number));
        async move { port.update(&session, &revision).await }
    })
    .await;
    let winners: Vec<_> = (0..8).filter(|number| answers[*number].is_ok()).collect();
    assert_eq!(winners.len(), 1, "exactly one update from one revision succeeds");
    for answer in answers.into_iter().filter(Result::is_err) {
        refused(answer, ErrorKind::Conflict, "an update that came too late");
    }
    let found = fixture.port.load(&id("one")).await.unwrap().unwrap().session;
    assert_eq!(found.extra["by"], json!(winners[0]));
}

/// **N20**
pub async fn n20_updates_that_read_again_lose_nothing(fixture: Fresh) {
    let mut start = session(&fixture, "one", Some("anna"), HOUR_S);
    start.extra.insert("count".to_owned(), json!(0));
    fixture.port.create(&start).await.unwrap();
    at_once(5, |_| {
        let port = fixture.port.clone();
        async move {
            for _ in 0..5 {
                loop {
                    let Loaded { mut session, revision } = port.load(&id("one")).await.unwrap().unwrap();
                    let count = session.extra["count"].as_u64().unwrap();
                    session.extra.insert("count".to_owned(), json!(count + 1));
                    match port.update(&session, &revision).await {
                        Ok(_) => break,
                        refusal => refused(refusal, ErrorKind::Conflict, "an update in a race"),
                    }
                }
            }
        }
    })
    .await;
    assert_eq!(fixture.port.load(&id("one")).await.unwrap().unwrap().session.extra["count"], json!(25));
}

/// **N20**
pub async fn n20_an_update_that_ends_the_session_or_is_oversize_is_invalid(fixture: Fresh) {
    let read = created(&fixture, "one").await;
    for ttl_s in [0, -5, 400 * 86_400 + HOUR_S] {
        let mut ended = read.session.clone();
        ended.expires_at = fixture.now().plus_seconds(ttl_s);
        refused(
            fixture.port.update(&ended, &read.revision).await,
            ErrorKind::Invalid,
            "an end outside the limits",
        );
    }
    let mut large = read.session.clone();
    large.extra.insert("blob".to_owned(), json!("x".repeat(MAX_SESSION_BYTES)));
    refused(fixture.port.update(&large, &read.revision).await, ErrorKind::Invalid, "more than 64 KiB");
    assert_eq!(fixture.port.load(&id("one")).await.unwrap().unwrap(), read);
}

/// **N20**
pub async fn n20_a_session_made_anew_under_the_same_id_conflicts(fixture: Fresh) {
    let read = created(&fixture, "one").await;
    assert!(fixture.port.delete(&id("one")).await.unwrap());
    let mut other = session(&fixture, "one", Some("bert"), 2 * HOUR_S);
    other.extra.insert("of".to_owned(), json!("bert"));
    fixture.port.create(&other).await.unwrap();
    refused(
        fixture.port.update(&read.session, &read.revision).await,
        ErrorKind::Conflict,
        "another session's state",
    );
    assert_same(&fixture.port.load(&id("one")).await.unwrap().unwrap().session, &other);
}

/// **N21**
pub async fn n21_a_session_that_is_gone_is_not_found(fixture: Fresh) {
    let read = created(&fixture, "one").await;
    assert!(fixture.port.delete(&id("one")).await.unwrap());
    refused(
        fixture.port.update(&read.session, &read.revision).await,
        ErrorKind::NotFound,
        "a deleted session",
    );
    let unknown = session(&fixture, "two", Some("anna"), HOUR_S);
    refused(fixture.port.update(&unknown, &read.revision).await, ErrorKind::NotFound, "an unknown session");
    assert!(
        is_gone(&fixture, id("one")).await && is_gone(&fixture, id("two")).await,
        "nothing was resurrected"
    );
    assert!(listed(&fixture, "anna").await.is_empty());
}

/// **N21**
pub async fn n21_an_ended_session_is_not_found(fixture: Fresh) {
    fixture.port.create(&session(&fixture, "one", Some("anna"), 3)).await.unwrap();
    let read = fixture.port.load(&id("one")).await.unwrap().unwrap();
    fixture.after(Duration::from_secs(4), "it ends", || is_gone(&fixture, id("one"))).await;
    let longer = session(&fixture, "one", Some("anna"), HOUR_S);
    refused(fixture.port.update(&longer, &read.revision).await, ErrorKind::NotFound, "an ended session");
    assert!(is_gone(&fixture, id("one")).await);
    assert!(listed(&fixture, "anna").await.is_empty());
}

/// **N21**
pub async fn n21_a_delete_at_the_same_time_wins(fixture: Fresh) {
    for round in 0..15 {
        let name = format!("s{round}");
        let read = created(&fixture, &name).await;
        at_once(4, |number| {
            let (port, mut session, revision) =
                (fixture.port.clone(), read.session.clone(), read.revision.clone());
            session.extra.insert("by".to_owned(), json!(number));
            async move {
                if number == 0 {
                    assert!(port.delete(&session.id).await.unwrap());
                } else if let Err(error) = port.update(&session, &revision).await {
                    assert!(matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound), "{error}");
                }
            }
        })
        .await;
        assert!(is_gone(&fixture, id(&name)).await, "an update brought a deleted session back");
        assert!(listed(&fixture, "anna").await.is_empty());
    }
}

/// **N22**
pub async fn n22_a_changed_user_moves_the_session(fixture: Fresh) {
    let read = created(&fixture, "one").await;
    let mut moved = read.session.clone();
    moved.user_id = Some(UserId::from("bert"));
    let revision = fixture.port.update(&moved, &read.revision).await.unwrap();
    assert!(listed(&fixture, "anna").await.is_empty());
    assert_eq!(listed(&fixture, "bert").await, ["one"]);
    assert_eq!(fixture.port.delete_all_of(&UserId::from("anna")).await.unwrap(), 0);
    moved.user_id = None;
    let revision = fixture.port.update(&moved, &revision).await.unwrap();
    assert!(listed(&fixture, "bert").await.is_empty(), "a session of nobody");
    moved.user_id = Some(UserId::from("anna"));
    fixture.port.update(&moved, &revision).await.unwrap();
    assert_eq!(listed(&fixture, "anna").await, ["one"]);
    assert_same(&fixture.port.load(&id("one")).await.unwrap().unwrap().session, &moved);
}

/// **N23**
pub async fn n23_the_answered_revision_is_the_next(fixture: Fresh) {
    let Loaded { mut session, mut revision } = created(&fixture, "one").await;
    for number in 0..4 {
        session.extra.insert("number".to_owned(), json!(number));
        revision = fixture.port.update(&session, &revision).await.unwrap();
        let loaded = fixture.port.load(&id("one")).await.unwrap().unwrap();
        assert_eq!(loaded.revision, revision, "what an update answers is what a load answers");
        assert_same(&loaded.session, &session);
    }
}
