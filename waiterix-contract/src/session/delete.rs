//! Deleting.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use serde_json::json;
use waiterix_ports::SessionId;

use super::create::malformed_ids;
use super::{Fresh, HOUR_S, id, is_gone, is_there, listed, session};
use crate::race::at_once;

/// **N40**
pub async fn n40_a_deleted_session_is_gone_everywhere(fixture: Fresh) {
    for name in ["one", "two"] {
        fixture.port.create(&session(&fixture, name, Some("anna"), HOUR_S)).await.unwrap();
    }
    assert!(fixture.port.delete(&id("one")).await.unwrap());
    assert!(is_gone(&fixture, id("one")).await);
    assert!(is_there(&fixture, id("two")).await);
    assert_eq!(listed(&fixture, "anna").await, ["two"]);
    assert!(!fixture.port.delete(&id("one")).await.unwrap(), "there was none the second time");
    for bad in malformed_ids() {
        assert!(!fixture.port.delete(&SessionId::new(bad.clone())).await.unwrap(), "{bad:?}");
    }
}

/// **N40**
pub async fn n40_of_several_deletes_exactly_one_found_it(fixture: Fresh) {
    fixture.port.create(&session(&fixture, "one", Some("anna"), HOUR_S)).await.unwrap();
    let answers = at_once(8, |_| {
        let port = fixture.port.clone();
        async move { port.delete(&id("one")).await.unwrap() }
    })
    .await;
    assert_eq!(answers.into_iter().filter(|found| *found).count(), 1);
    assert!(is_gone(&fixture, id("one")).await);
}

/// **N40**
pub async fn n40_a_delete_wins_over_updates_and_touches(fixture: Fresh) {
    for round in 0..10 {
        let name = format!("s{round}");
        fixture.port.create(&session(&fixture, &name, Some("anna"), HOUR_S)).await.unwrap();
        let (read, now) = (fixture.port.load(&id(&name)).await.unwrap().unwrap(), fixture.now());
        let answers = at_once(6, |number| {
            let (port, mut session, revision) =
                (fixture.port.clone(), read.session.clone(), read.revision.clone());
            session.extra.insert("by".to_owned(), json!(number));
            async move {
                match number {
                    0 => port.delete(&session.id).await.unwrap(),
                    1 | 2 => port.touch(&session.id, now, now.plus_seconds(2 * HOUR_S)).await.is_ok(),
                    _ => port.update(&session, &revision).await.is_ok(),
                }
            }
        })
        .await;
        assert!(answers[0], "the session was there to be deleted");
        assert!(is_gone(&fixture, id(&name)).await, "something brought a deleted session back");
        assert!(listed(&fixture, "anna").await.is_empty());
    }
}
