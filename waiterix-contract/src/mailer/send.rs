//! Sending.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed case is a panic")]

use waiterix_ports::mailer::{MAX_MAIL_BYTES, MAX_SUBJECT_CHARS};
use waiterix_ports::{Mail, MailKind, Outcome};

use super::{MailFixture, Received, mail};
use crate::race::at_once;

/// Sends something that must be refused for good and must not arrive.
async fn assert_rejected(fixture: &MailFixture, mail: &Mail, what: &str) {
    let outcome = fixture.send(mail).await;
    let Outcome::Rejected { reason } = &outcome else { panic!("{what}: {outcome:?}") };
    assert!(!reason.is_empty() && !reason.contains(&mail.to) || mail.to.is_empty(), "{what}: {reason}");
    assert!(fixture.arrived().await.is_empty(), "{what} was sent");
}

/// **M1**
pub async fn m1_an_accepted_mail_arrives_as_it_was_rendered(fixture: MailFixture) {
    let plain = mail("receipt/1", "guest@example.org");
    let answerable = Mail {
        reply_to: Some("owner+support@sub.example.com".to_owned()),
        subject: "[Waiterix Support] Help".to_owned(),
        ..mail("support/2", "support@example.net")
    };
    let ids = [fixture.accepted(&plain).await, fixture.accepted(&answerable).await];
    assert_ne!(ids[0], ids[1], "every message has its own id");
    assert_eq!(fixture.arrived().await, [Received::of(&plain), Received::of(&answerable)]);
}

/// **M1**
pub async fn m1_any_unicode_arrives(fixture: MailFixture) {
    let mail = Mail {
        subject: "Ünïcödé 領収書 😀 ر.س \u{202e}x — “quotes” =?utf-8?q?no?=".to_owned(),
        html: format!("<p>Ünïcödé 領収書 😀 ر.س</p>\n{}", "<b>längé Zeile</b>".repeat(500)),
        text: format!("Ünïcödé 領収書 😀 ر.س = =3D =20\t tab\n{}", "längé Zeile ".repeat(500).trim_end()),
        ..mail("receipt/1", "guest@example.org")
    };
    fixture.accepted(&mail).await;
    assert_eq!(fixture.arrived().await, [Received::of(&mail)]);
}

/// **M1**
pub async fn m1_text_that_looks_like_mail_syntax_arrives(fixture: MailFixture) {
    let mail = Mail {
        subject: "Subject: Re: <script>alert(1)</script> \"a\" & 'b', c; d".to_owned(),
        html: "<html><body>\n.\n..\nFrom here\n--boundary\n--boundary--\nContent-Type: text/plain\n</body></html>".to_owned(),
        text: "first\n.\n..\nFrom here\n>From there\n--boundary--\nBcc: x@example.com\n\n\nlast".to_owned(),
        ..mail("receipt/1", "guest@example.org")
    };
    fixture.accepted(&mail).await;
    assert_eq!(fixture.arrived().await, [Received::of(&mail)]);
}

/// **M1**
pub async fn m1_every_kind_and_long_ids_are_sent(fixture: MailFixture) {
    let kinds = [MailKind::Receipt, MailKind::Support, MailKind::SignInCode];
    for (number, kind) in kinds.into_iter().enumerate() {
        let id = format!("{number}/../\"'\\%2F?*<>|:{}", "x".repeat(230));
        fixture.accepted(&Mail { kind, ..mail(&id, "guest@example.org") }).await;
    }
    assert_eq!(fixture.arrived().await.len(), 3);
}

/// **M2**: a repeated request sends no second receipt (M6 of the old system).
pub async fn m2_the_same_mail_again_is_a_duplicate(fixture: MailFixture) {
    let mail = mail("receipt/1", "guest@example.org");
    let message_id = fixture.accepted(&mail).await;
    for _ in 0..3 {
        assert_eq!(fixture.send(&mail).await, Outcome::Duplicate { message_id: message_id.clone() });
    }
    assert_eq!(fixture.arrived().await, [Received::of(&mail)]);
}

/// **M2**
pub async fn m2_ids_that_look_alike_are_different(fixture: MailFixture) {
    let ids = ["receipt/1", "receipt/11", "Receipt/1", "receipt/1/", "receipt_1", "receipt%2F1", "receipt/*"];
    for id in ids {
        fixture.accepted(&mail(id, "guest@example.org")).await;
    }
    assert_eq!(fixture.arrived().await.len(), ids.len());
}

/// **M3**
pub async fn m3_the_same_id_with_other_content_is_a_conflict(fixture: MailFixture) {
    let first = mail("receipt/1", "guest@example.org");
    let message_id = fixture.accepted(&first).await;
    let others = [
        Mail { to: "other@example.org".to_owned(), ..first.clone() },
        Mail { reply_to: Some("owner@example.org".to_owned()), ..first.clone() },
        Mail { subject: "Another".to_owned(), ..first.clone() },
        Mail { html: "<p>Another</p>".to_owned(), ..first.clone() },
        Mail { text: "Another".to_owned(), ..first.clone() },
    ];
    for other in others {
        assert_eq!(fixture.send(&other).await, Outcome::Conflict);
        assert_eq!(fixture.arrived().await, [Received::of(&first)]);
    }
    assert_eq!(fixture.send(&first).await, Outcome::Duplicate { message_id }, "the first is still known");
}

/// **M4**
pub async fn m4_a_suppressed_recipient_gets_nothing(fixture: MailFixture) {
    fixture.port().set_suppressed("guest@example.org", true).await.unwrap();
    let refused = mail("receipt/1", "guest@example.org");
    for to in ["guest@example.org", "guest@EXAMPLE.org"] {
        let mail = Mail { to: to.to_owned(), ..refused.clone() };
        assert_eq!(fixture.send(&mail).await, Outcome::Suppressed, "{to}");
        assert!(fixture.arrived().await.is_empty());
    }
    for (number, to) in ["other@example.org", "guest@example.com", "guest+x@example.org"].iter().enumerate() {
        fixture.accepted(&mail(&format!("receipt/other{number}"), to)).await;
    }
    assert_eq!(fixture.arrived().await.len(), 3);
    fixture.port().set_suppressed("guest@example.org", false).await.unwrap();
    fixture.accepted(&refused).await;
    assert_eq!(fixture.arrived().await.len(), 4, "nothing was sent under the id before, so now it is");
}

/// **M5**
pub async fn m5_malformed_addresses_are_rejected(fixture: MailFixture) {
    let bad = [
        "",
        "guest",
        "guest@",
        "@example.org",
        "guest@example",
        "a@b@example.org",
        "a b@example.org",
        "a@example..org",
        "Guest <guest@example.org>",
        "a@example.org,b@example.org",
        "a@example.org;b@example.org",
        "\"a\"@example.org",
        "a@[127.0.0.1]",
        &format!("{}@example.org", "x".repeat(65)),
        &format!("a@{}.org", "x".repeat(260)),
    ];
    for (number, address) in bad.iter().enumerate() {
        let id = format!("receipt/{number}");
        assert_rejected(&fixture, &mail(&id, address), &format!("recipient {address:?}")).await;
        let answerable = Mail { reply_to: Some((*address).to_owned()), ..mail(&id, "guest@example.org") };
        assert_rejected(&fixture, &answerable, &format!("reply-to {address:?}")).await;
    }
}

/// **M5**: no header comes from user text (M2 of the old system).
pub async fn m5_headers_cannot_be_smuggled_in(fixture: MailFixture) {
    for (number, end) in
        ["\r\n", "\n", "\r", "\u{0}", "\u{b}", "\u{c}", "\u{85}", "\t", "\u{7f}"].iter().enumerate()
    {
        let id = format!("receipt/{number}");
        let smuggled = format!("x{end}Bcc: mallory@example.com");
        let subject = Mail { subject: smuggled.clone(), ..mail(&id, "guest@example.org") };
        assert_rejected(&fixture, &subject, &format!("subject with {end:?}")).await;
        let to = format!("guest@example.org{end}Bcc: mallory@example.com");
        assert_rejected(&fixture, &mail(&id, &to), &format!("recipient with {end:?}")).await;
        let reply_to = Mail { reply_to: Some(to), ..mail(&id, "guest@example.org") };
        assert_rejected(&fixture, &reply_to, &format!("reply-to with {end:?}")).await;
    }
}

/// **M5**
pub async fn m5_subjects_at_the_limit_are_fine_and_above_it_rejected(fixture: MailFixture) {
    let long =
        Mail { subject: "ü".repeat(MAX_SUBJECT_CHARS + 1), ..mail("receipt/long", "guest@example.org") };
    assert_rejected(&fixture, &long, "a subject of 201 characters").await;
    let longest =
        Mail { subject: "ü".repeat(MAX_SUBJECT_CHARS), ..mail("receipt/longest", "guest@example.org") };
    fixture.accepted(&longest).await;
    assert_eq!(fixture.arrived().await, [Received::of(&longest)]);
}

/// **M5**: both parts are always there (M16 of the old system).
pub async fn m5_an_empty_part_is_rejected(fixture: MailFixture) {
    let whole = mail("receipt/1", "guest@example.org");
    assert_rejected(&fixture, &Mail { html: String::new(), ..whole.clone() }, "no HTML part").await;
    assert_rejected(&fixture, &Mail { text: String::new(), ..whole }, "no text part").await;
}

/// **M5**
pub async fn m5_a_mail_at_the_limit_is_fine_and_above_it_rejected(fixture: MailFixture) {
    let small = mail("receipt/1", "guest@example.org");
    let room = MAX_MAIL_BYTES - small.subject.len() - small.text.len();
    let line = "<p>0123456789</p>\n";
    let filled =
        |bytes: usize| format!("{}{}", line.repeat(bytes / line.len()), "x".repeat(bytes % line.len()));
    let large = Mail { html: filled(room + 1), ..small.clone() };
    assert_rejected(&fixture, &large, "a mail above 1 MiB").await;
    let largest = Mail { html: filled(room), ..small };
    fixture.accepted(&largest).await;
    assert!(fixture.arrived().await == [Received::of(&largest)], "1 MiB arrives unchanged");
}

/// **M5**
pub async fn m5_a_rejected_mail_can_be_sent_when_it_is_mended(fixture: MailFixture) {
    let good = mail("receipt/1", "guest@example.org");
    assert_rejected(&fixture, &Mail { to: "guest".to_owned(), ..good.clone() }, "a malformed recipient")
        .await;
    fixture.accepted(&good).await;
    assert_eq!(fixture.arrived().await, [Received::of(&good)]);
}

/// **M6**
pub async fn m6_several_sends_of_one_id_at_once_send_one_mail(fixture: MailFixture) {
    let mail = mail("receipt/1", "guest@example.org");
    let port = fixture.fixture.port.clone();
    let outcomes = at_once(8, |_| {
        let (port, mail) = (port.clone(), mail.clone());
        async move { port.send(&mail).await.unwrap() }
    })
    .await;
    let accepted: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Accepted { message_id } => Some(message_id.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(accepted.len(), 1, "{outcomes:?}");
    for outcome in outcomes {
        match outcome {
            Outcome::Accepted { message_id } | Outcome::Duplicate { message_id } => {
                assert_eq!(message_id, accepted[0]);
            }
            // A provider may not know the answer before the first send is done.
            Outcome::RetryLater { .. } => {}
            other => panic!("{other:?} for one of several sends"),
        }
    }
    assert_eq!(fixture.arrived().await, [Received::of(&mail)]);
    assert_eq!(fixture.send(&mail).await, Outcome::Duplicate { message_id: accepted[0].clone() });
}
