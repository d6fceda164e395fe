//! The sessions of a user.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use std::time::Duration;

use waiterix_domain::id::UserId;

use super::{Fresh, HOUR_S, id, is_gone, is_there, listed, session};

const SIMILAR: [&str; 9] = ["a", "A", "a:b", "a*", "%", "_", "a' OR '1'='1", "*", "ä"];

/// **N50**
pub async fn n50_exactly_the_live_sessions_of_the_user(fixture: Fresh) {
    for (name, user) in [
        ("one", Some("anna")),
        ("two", Some("anna")),
        ("three", Some("bert")),
        ("four", None),
        ("five", Some("anna")),
    ] {
        fixture.port.create(&session(&fixture, name, user, HOUR_S)).await.unwrap();
    }
    assert!(fixture.port.delete(&id("two")).await.unwrap());
    assert_eq!(listed(&fixture, "anna").await, ["five", "one"]);
    assert_eq!(listed(&fixture, "bert").await, ["three"]);
    assert_eq!(fixture.port.sessions_of(&UserId::from("nobody")).await.unwrap(), []);
}

/// **N50**
pub async fn n50_ended_sessions_are_not_named(fixture: Fresh) {
    fixture.port.create(&session(&fixture, "long", Some("anna"), HOUR_S)).await.unwrap();
    fixture.port.create(&session(&fixture, "short", Some("anna"), 2)).await.unwrap();
    let only_long = || async { listed(&fixture, "anna").await == ["long"] };
    fixture.after(Duration::from_secs(3), "the ended one is not named", only_long).await;
    assert!(is_gone(&fixture, id("short")).await, "what is not named cannot be loaded");
}

/// **N50**: the list lives as long as its longest session (N5 of the old system).
pub async fn n50_a_short_session_does_not_hide_a_long_one(fixture: Fresh) {
    fixture.port.create(&session(&fixture, "long", Some("anna"), HOUR_S)).await.unwrap();
    fixture.port.create(&session(&fixture, "short", Some("anna"), 2)).await.unwrap();
    fixture.after(Duration::from_secs(3), "the short one ends", || is_gone(&fixture, id("short"))).await;
    fixture.advance(Duration::from_secs(60));
    assert!(is_there(&fixture, id("long")).await);
    assert_eq!(listed(&fixture, "anna").await, ["long"]);
    assert_eq!(fixture.port.delete_all_of(&UserId::from("anna")).await.unwrap(), 1);
    assert!(is_gone(&fixture, id("long")).await);
}

/// **N50**
pub async fn n50_a_touched_session_stays_listed(fixture: Fresh) {
    for name in ["touched", "left"] {
        fixture.port.create(&session(&fixture, name, Some("anna"), 3)).await.unwrap();
    }
    let now = fixture.now();
    assert!(fixture.port.touch(&id("touched"), now, now.plus_seconds(HOUR_S)).await.unwrap());
    fixture.after(Duration::from_secs(4), "the other one ends", || is_gone(&fixture, id("left"))).await;
    fixture.advance(Duration::from_secs(60));
    assert!(is_there(&fixture, id("touched")).await);
    assert_eq!(listed(&fixture, "anna").await, ["touched"]);
}

/// **N50**
pub async fn n50_users_with_similar_names_are_strangers(fixture: Fresh) {
    for (number, user) in SIMILAR.iter().enumerate() {
        fixture.port.create(&session(&fixture, &format!("s{number}"), Some(user), HOUR_S)).await.unwrap();
    }
    for (number, user) in SIMILAR.iter().enumerate() {
        assert_eq!(listed(&fixture, user).await, [format!("s{number}")], "{user}");
    }
}

/// **N50**
pub async fn n50_many_sessions_are_all_named(fixture: Fresh) {
    let names: Vec<String> = (0..130).map(|number| format!("s{number:03}")).collect();
    for name in &names {
        fixture.port.create(&session(&fixture, name, Some("anna"), HOUR_S)).await.unwrap();
    }
    assert_eq!(listed(&fixture, "anna").await, names);
}

/// **N60**
pub async fn n60_every_session_of_the_user_is_gone_and_no_other(fixture: Fresh) {
    for number in 0..130 {
        fixture.port.create(&session(&fixture, &format!("s{number}"), Some("a"), HOUR_S)).await.unwrap();
    }
    for (number, user) in SIMILAR.iter().enumerate().skip(1) {
        fixture.port.create(&session(&fixture, &format!("other{number}"), Some(user), HOUR_S)).await.unwrap();
    }
    fixture.port.create(&session(&fixture, "nobody", None, HOUR_S)).await.unwrap();
    assert_eq!(fixture.port.delete_all_of(&UserId::from("a")).await.unwrap(), 130);
    for number in 0..130 {
        assert!(is_gone(&fixture, id(&format!("s{number}"))).await, "s{number}");
    }
    assert!(listed(&fixture, "a").await.is_empty());
    for (number, user) in SIMILAR.iter().enumerate().skip(1) {
        assert!(is_there(&fixture, id(&format!("other{number}"))).await, "of {user}");
        assert_eq!(listed(&fixture, user).await.len(), 1, "{user}");
    }
    assert!(is_there(&fixture, id("nobody")).await);
}

/// **N60**
pub async fn n60_a_user_without_sessions_has_none_to_end(fixture: Fresh) {
    assert_eq!(fixture.port.delete_all_of(&UserId::from("anna")).await.unwrap(), 0);
    fixture.port.create(&session(&fixture, "one", Some("anna"), HOUR_S)).await.unwrap();
    assert_eq!(fixture.port.delete_all_of(&UserId::from("anna")).await.unwrap(), 1);
    assert_eq!(fixture.port.delete_all_of(&UserId::from("anna")).await.unwrap(), 0);
    fixture.port.create(&session(&fixture, "two", Some("anna"), HOUR_S)).await.unwrap();
    assert!(is_there(&fixture, id("two")).await, "a later session lives");
    assert_eq!(listed(&fixture, "anna").await, ["two"]);
}

/// **N60**
pub async fn n60_sessions_created_before_are_gone_even_when_others_come(fixture: Fresh) {
    for number in 0..20 {
        fixture.port.create(&session(&fixture, &format!("old{number}"), Some("anna"), HOUR_S)).await.unwrap();
    }
    let creating = {
        let port = fixture.port.clone();
        let new: Vec<_> =
            (0..20).map(|number| session(&fixture, &format!("new{number}"), Some("anna"), HOUR_S)).collect();
        tokio::spawn(async move {
            for session in new {
                port.create(&session).await.unwrap();
            }
        })
    };
    assert!(fixture.port.delete_all_of(&UserId::from("anna")).await.unwrap() >= 20);
    creating.await.unwrap();
    let left = listed(&fixture, "anna").await;
    for number in 0..20 {
        assert!(is_gone(&fixture, id(&format!("old{number}"))).await, "old{number}");
        let name = format!("new{number}");
        assert_eq!(
            left.contains(&name),
            is_there(&fixture, id(&name)).await,
            "{name} is listed exactly if it lives"
        );
    }
    assert!(!left.iter().any(|name| name.starts_with("old")));
}
