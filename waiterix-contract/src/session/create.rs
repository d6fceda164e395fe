//! Creating.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use std::time::Duration;

use serde_json::json;
use waiterix_domain::id::UserId;
use waiterix_ports::session::MAX_SESSION_BYTES;
use waiterix_ports::{ErrorKind, SessionId};

use super::{Fresh, HOUR_S, assert_same, id, is_gone, listed, session};
use crate::race::{at_once, refused};

/// **N1**
pub async fn n1_an_id_in_use_conflicts_and_the_old_session_stays(fixture: Fresh) {
    let mut old = session(&fixture, "one", Some("anna"), HOUR_S);
    old.extra.insert("cart".to_owned(), json!([1, 2]));
    fixture.port.create(&old).await.unwrap();
    let new = session(&fixture, "one", Some("mallory"), 2 * HOUR_S);
    refused(fixture.port.create(&new).await, ErrorKind::Conflict, "an id in use");
    refused(fixture.port.create(&old).await, ErrorKind::Conflict, "the very same session again");
    assert_same(&fixture.port.load(&old.id).await.unwrap().unwrap().session, &old);
    assert_eq!(listed(&fixture, "anna").await, ["one"]);
    assert!(listed(&fixture, "mallory").await.is_empty(), "a refused session is in no list");
}

/// **N1**
pub async fn n1_of_several_creates_of_one_id_exactly_one_succeeds(fixture: Fresh) {
    let answers = at_once(8, |number| {
        let (port, new) =
            (fixture.port.clone(), session(&fixture, "one", Some(&format!("u{number}")), HOUR_S));
        async move { port.create(&new).await }
    })
    .await;
    let winners: Vec<_> = (0..8).filter(|number| answers[*number].is_ok()).collect();
    assert_eq!(winners.len(), 1, "exactly one creates it");
    for answer in answers.into_iter().filter(Result::is_err) {
        refused(answer, ErrorKind::Conflict, "a create that came too late");
    }
    let found = fixture.port.load(&id("one")).await.unwrap().unwrap().session;
    assert_eq!(found.user_id, Some(UserId::from(format!("u{}", winners[0]))));
    for number in 0..8 {
        let expected = usize::from(number == winners[0]);
        assert_eq!(listed(&fixture, &format!("u{number}")).await.len(), expected, "list of u{number}");
    }
}

/// **N1**
pub async fn n1_an_ended_id_may_be_used_again(fixture: Fresh) {
    fixture.port.create(&session(&fixture, "one", Some("anna"), 2)).await.unwrap();
    fixture.after(Duration::from_secs(3), "it ends", || is_gone(&fixture, id("one"))).await;
    let new = session(&fixture, "one", Some("bert"), HOUR_S);
    fixture.port.create(&new).await.unwrap();
    assert_same(&fixture.port.load(&new.id).await.unwrap().unwrap().session, &new);
    assert!(listed(&fixture, "anna").await.is_empty());
    assert_eq!(listed(&fixture, "bert").await, ["one"]);
}

/// **N2**
pub async fn n2_session_and_membership_appear_together(fixture: Fresh) {
    let names: Vec<String> = (0..12).map(|number| format!("s{number:02}")).collect();
    let creating = {
        let port = fixture.port.clone();
        let new: Vec<_> = names.iter().map(|name| session(&fixture, name, Some("anna"), HOUR_S)).collect();
        tokio::spawn(async move {
            for session in new {
                port.create(&session).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    loop {
        let done = creating.is_finished();
        for name in &names {
            // What was found first must be listed afterwards, because nothing is deleted here.
            let found = fixture.port.load(&id(name)).await.unwrap().is_some();
            let named = listed(&fixture, "anna").await.contains(name);
            assert!(named || !found, "{name} can be used but is not listed");
        }
        for named in fixture.port.sessions_of(&UserId::from("anna")).await.unwrap() {
            assert!(fixture.port.load(&named).await.unwrap().is_some(), "a listed session is not there");
        }
        if done {
            break;
        }
    }
    creating.await.unwrap();
    assert_eq!(listed(&fixture, "anna").await, names);
}

/// **N3**
pub async fn n3_everything_survives_a_round_trip(fixture: Fresh) {
    let mut stored = session(&fixture, "one", Some("ünï|con:od 😀"), HOUR_S);
    stored.email = Some("josé+tag@exämple.org".to_owned());
    stored.created_at = stored.created_at.plus_millis(-86_400_123);
    stored.last_activity = stored.last_activity.plus_millis(-4_567);
    stored.extra = serde_json::from_value(json!({
        "restaurantId": "r1", "role": null, "": "empty name", "näme 😀": "\u{7f}\"\\ \n\u{2028}'; DROP TABLE x;--",
        "nested": { "list": [1, -2, 3.5, true, [], {}], "deep": { "deeper": { "deepest": "x" } } },
        "large": 9_007_199_254_740_991_i64, "returnTo": "/a?b=c&d=%20",
    }))
    .unwrap();
    fixture.port.create(&stored).await.unwrap();
    assert_same(&fixture.port.load(&stored.id).await.unwrap().unwrap().session, &stored);
}

/// **N3**
pub async fn n3_a_session_without_user_or_email_survives(fixture: Fresh) {
    let mut stored = session(&fixture, "one", None, HOUR_S);
    stored.extra.insert("returnTo".to_owned(), json!("/menu"));
    fixture.port.create(&stored).await.unwrap();
    assert_same(&fixture.port.load(&stored.id).await.unwrap().unwrap().session, &stored);
    assert!(listed(&fixture, "").await.is_empty(), "a session of nobody is in no list");
}

/// **N3**
pub async fn n3_extra_cannot_forge_the_user(fixture: Fresh) {
    for (number, member) in ["userId", "user_id", "email", "id", "createdAt", "expiresAt"].iter().enumerate()
    {
        let mut stored = session(&fixture, &format!("s{number}"), Some("anna"), HOUR_S);
        stored.extra.insert((*member).to_owned(), json!("mallory"));
        match fixture.port.create(&stored).await {
            Ok(()) => {
                let found = fixture.port.load(&stored.id).await.unwrap().unwrap().session;
                assert_eq!(found.user_id, stored.user_id, "extra member {member}");
                assert_eq!(found.email, stored.email, "extra member {member}");
                assert_eq!(
                    found.created_at.as_millis(),
                    stored.created_at.as_millis(),
                    "extra member {member}"
                );
            }
            refusal => {
                refused(refusal, ErrorKind::Invalid, member);
                assert!(is_gone(&fixture, &stored.id).await);
            }
        }
    }
    assert!(listed(&fixture, "mallory").await.is_empty());
}

/// **N3**
pub async fn n3_text_a_store_may_dislike_survives_or_is_invalid(fixture: Fresh) {
    let mut stored = session(&fixture, "one", Some("anna"), HOUR_S);
    stored.extra.insert("text".to_owned(), json!("before\u{0}after"));
    match fixture.port.create(&stored).await {
        Ok(()) => assert_same(&fixture.port.load(&stored.id).await.unwrap().unwrap().session, &stored),
        refusal => {
            refused(refusal, ErrorKind::Invalid, "a NUL in a text");
            assert!(is_gone(&fixture, &stored.id).await);
            assert!(listed(&fixture, "anna").await.is_empty());
        }
    }
}

/// **N4**
pub async fn n4_an_ended_session_is_invalid_and_not_stored(fixture: Fresh) {
    for ttl_s in [0, -1, -86_400] {
        let ended = session(&fixture, "one", Some("anna"), ttl_s);
        refused(fixture.port.create(&ended).await, ErrorKind::Invalid, "a session that has ended");
        assert!(is_gone(&fixture, &ended.id).await);
        assert!(listed(&fixture, "anna").await.is_empty());
    }
}

/// **N4**
pub async fn n4_a_lifetime_above_the_limit_is_invalid(fixture: Fresh) {
    // An hour of slack, because the store reads its clock later than the case.
    let long = session(&fixture, "long", Some("anna"), 400 * 86_400 - HOUR_S);
    fixture.port.create(&long).await.unwrap();
    let longer = session(&fixture, "longer", Some("anna"), 400 * 86_400 + HOUR_S);
    refused(fixture.port.create(&longer).await, ErrorKind::Invalid, "more than 400 days");
    assert_eq!(listed(&fixture, "anna").await, ["long"]);
}

/// **N4**
pub async fn n4_a_malformed_id_is_invalid_and_not_stored(fixture: Fresh) {
    for bad in malformed_ids() {
        let mut wrong = session(&fixture, "one", Some("anna"), HOUR_S);
        wrong.id = SessionId::new(bad.clone());
        refused(fixture.port.create(&wrong).await, ErrorKind::Invalid, &format!("id {bad:?}"));
        assert!(is_gone(&fixture, &wrong.id).await, "{bad:?}");
    }
    assert!(listed(&fixture, "anna").await.is_empty());
}

/// **N4**
pub async fn n4_ids_at_the_limits_are_fine(fixture: Fresh) {
    for text in ["a".repeat(16), "Z".repeat(128), "-_-_-_-_-_-_-_-_".to_owned()] {
        let mut new = session(&fixture, "one", Some("anna"), HOUR_S);
        new.id = SessionId::new(text.clone());
        fixture.port.create(&new).await.unwrap();
        assert_eq!(fixture.port.load(&new.id).await.unwrap().unwrap().session.id.reveal(), text);
    }
}

/// **N4**
pub async fn n4_a_record_at_the_limit_is_fine_and_above_it_invalid(fixture: Fresh) {
    let around = serde_json::to_string(&json!({ "blob": "" })).unwrap().len();
    let mut largest = session(&fixture, "largest", Some("anna"), HOUR_S);
    largest.extra.insert("blob".to_owned(), json!("x".repeat(MAX_SESSION_BYTES - around)));
    fixture.port.create(&largest).await.unwrap();
    assert_same(&fixture.port.load(&largest.id).await.unwrap().unwrap().session, &largest);
    let mut larger = session(&fixture, "larger", Some("anna"), HOUR_S);
    larger.extra.insert("blob".to_owned(), json!("x".repeat(MAX_SESSION_BYTES - around + 1)));
    refused(fixture.port.create(&larger).await, ErrorKind::Invalid, "one byte more than 64 KiB");
    assert!(is_gone(&fixture, &larger.id).await);
    assert_eq!(listed(&fixture, "anna").await, ["largest"]);
}

/// Texts that are no session ids.
pub(super) fn malformed_ids() -> Vec<String> {
    let mut bad: Vec<String> =
        ["", "short", "with blank 123456", "with*glob*12345678", "with:colon:1234567", "umläut_1234567890"]
            .map(str::to_owned)
            .to_vec();
    bad.extend([
        "line\nbreak_12345678".to_owned(),
        "'; DROP TABLE s; --".to_owned(),
        "nul\u{0}nul_12345678".to_owned(),
    ]);
    bad.extend(["a".repeat(15), "a".repeat(129), "a".repeat(100_000)]);
    bad
}
