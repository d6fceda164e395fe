//! The suppression list, and checking.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use waiterix_ports::{ErrorKind, Outcome};

use super::{MailFixture, Received, mail};
use crate::race::refused;

const GUEST: &str = "guest@example.org";

/// **M10**
pub async fn m10_suppression_takes_effect_for_the_next_send(fixture: MailFixture) {
    fixture.accepted(&mail("receipt/1", GUEST)).await;
    fixture.port().set_suppressed(GUEST, true).await.unwrap();
    assert_eq!(fixture.send(&mail("receipt/2", GUEST)).await, Outcome::Suppressed);
    fixture.port().set_suppressed(GUEST, false).await.unwrap();
    fixture.accepted(&mail("receipt/3", GUEST)).await;
    assert_eq!(
        fixture.arrived().await,
        [Received::of(&mail("receipt/1", GUEST)), Received::of(&mail("receipt/3", GUEST))]
    );
}

/// **M10**
pub async fn m10_repeating_is_harmless_and_the_case_of_the_domain_does_not_matter(fixture: MailFixture) {
    for address in [GUEST, "guest@Example.ORG", GUEST] {
        fixture.port().set_suppressed(address, true).await.unwrap();
    }
    assert_eq!(fixture.send(&mail("receipt/1", "guest@EXAMPLE.org")).await, Outcome::Suppressed);
    for address in ["guest@EXAMPLE.ORG", GUEST, "never@example.org"] {
        fixture.port().set_suppressed(address, false).await.unwrap();
        assert!(!fixture.port().is_suppressed(GUEST).await.unwrap(), "once is enough");
    }
    fixture.accepted(&mail("receipt/1", GUEST)).await;
}

/// **M10**
pub async fn m10_a_malformed_address_is_invalid(fixture: MailFixture) {
    for address in [
        "",
        "guest",
        "guest@example",
        "a@example.org,b@example.org",
        "a@example.org\r\nBcc: x@y.z",
        "../../x@y.z/\u{0}",
    ] {
        for suppressed in [true, false] {
            let answer = fixture.port().set_suppressed(address, suppressed).await;
            refused(answer, ErrorKind::Invalid, &format!("{address:?}"));
        }
        assert!(!fixture.port().is_suppressed(address).await.unwrap());
    }
}

/// **M11**
pub async fn m11_the_answer_is_what_was_set_last(fixture: MailFixture) {
    let port = fixture.port();
    assert!(!port.is_suppressed(GUEST).await.unwrap(), "unknown");
    for suppressed in [true, false, true] {
        port.set_suppressed(GUEST, suppressed).await.unwrap();
        assert_eq!(port.is_suppressed(GUEST).await.unwrap(), suppressed);
        assert_eq!(port.is_suppressed("guest@EXAMPLE.org").await.unwrap(), suppressed, "case of the domain");
        for other in [
            "other@example.org",
            "guest@example.com",
            "guest@example.org.uk",
            "xguest@example.org",
            "%@example.org",
        ] {
            assert!(!port.is_suppressed(other).await.unwrap(), "{other}");
        }
    }
    for number in 0..120 {
        port.set_suppressed(&format!("guest{number}@example.org"), true).await.unwrap();
    }
    for number in 0..120 {
        assert!(port.is_suppressed(&format!("guest{number}@example.org")).await.unwrap(), "{number}");
    }
}

/// **M90**
pub async fn m90_a_working_mailer_is_proven_and_sends_nothing(fixture: MailFixture) {
    fixture.port().check().await.unwrap();
    fixture.port().check().await.unwrap();
    assert!(fixture.arrived().await.is_empty());
    assert!(!fixture.port().is_suppressed(GUEST).await.unwrap());
    fixture.accepted(&mail("receipt/1", GUEST)).await;
    fixture.port().check().await.unwrap();
    assert_eq!(fixture.arrived().await.len(), 1);
}
