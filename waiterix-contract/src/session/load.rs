//! Reading.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use std::time::Duration;

use serde_json::json;
use waiterix_ports::{ErrorKind, SessionId};

use super::create::malformed_ids;
use super::{Fresh, HOUR_S, assert_same, id, is_gone, is_there, listed, session};
use crate::race::refused;

/// **N10**
pub async fn n10_unknown_deleted_and_malformed_ids_are_none(fixture: Fresh) {
    fixture.port.create(&session(&fixture, "one", Some("anna"), HOUR_S)).await.unwrap();
    assert_eq!(fixture.port.load(&id("two")).await.unwrap(), None, "unknown");
    assert!(fixture.port.delete(&id("one")).await.unwrap());
    assert_eq!(fixture.port.load(&id("one")).await.unwrap(), None, "deleted");
    for bad in malformed_ids() {
        assert_eq!(fixture.port.load(&SessionId::new(bad.clone())).await.unwrap(), None, "{bad:?}");
    }
}

/// **N10**
pub async fn n10_an_ended_session_is_none(fixture: Fresh) {
    fixture.port.create(&session(&fixture, "one", Some("anna"), 2)).await.unwrap();
    fixture.port.load(&id("one")).await.unwrap();
    fixture.after(Duration::from_secs(3), "it ends", || is_gone(&fixture, id("one"))).await;
    assert!(!fixture.port.delete(&id("one")).await.unwrap(), "an ended session is not there to be deleted");
}

/// **N10**
pub async fn n10_a_session_is_found_to_its_end(fixture: Fresh) {
    fixture.port.create(&session(&fixture, "one", Some("anna"), HOUR_S)).await.unwrap();
    fixture.advance(Duration::from_secs(HOUR_S as u64 - 2));
    assert!(is_there(&fixture, id("one")).await, "two seconds before its end");
}

/// **N11**
pub async fn n11_reading_changes_nothing(fixture: Fresh) {
    let mut stored = session(&fixture, "one", Some("anna"), HOUR_S);
    stored.extra.insert("a".to_owned(), json!(1));
    fixture.port.create(&stored).await.unwrap();
    let first = fixture.port.load(&stored.id).await.unwrap().unwrap();
    fixture.advance(Duration::from_secs(60));
    for _ in 0..3 {
        let again = fixture.port.load(&stored.id).await.unwrap().unwrap();
        assert_eq!(again, first);
        assert_same(&again.session, &stored);
    }
    assert_eq!(listed(&fixture, "anna").await, ["one"]);
}

/// **N11**
pub async fn n11_reading_does_not_move_the_expiry(fixture: Fresh) {
    fixture.port.create(&session(&fixture, "one", Some("anna"), 4)).await.unwrap();
    fixture.port.load(&id("one")).await.unwrap();
    fixture.advance(Duration::from_secs(2));
    fixture.port.load(&id("one")).await.unwrap();
    fixture.port.sessions_of(&"anna".into()).await.unwrap();
    fixture
        .after(Duration::from_secs(3), "it ends although it is read", || is_gone(&fixture, id("one")))
        .await;
}

/// **N12**
pub async fn n12_a_record_that_cannot_be_understood_is_corrupt(fixture: Fresh) {
    fixture.port.create(&session(&fixture, "one", Some("anna"), HOUR_S)).await.unwrap();
    fixture.port.create(&session(&fixture, "two", Some("anna"), HOUR_S)).await.unwrap();
    fixture.vandalise(id("one").reveal()).await;
    refused(fixture.port.load(&id("one")).await, ErrorKind::Corrupt, "a spoilt record");
    assert!(is_there(&fixture, id("two")).await, "another session is as it was");
    fixture.port.delete(&id("one")).await.unwrap();
    assert!(is_gone(&fixture, id("one")).await, "a spoilt record can be deleted");
}
