//! What the log says of mail: ids, kinds and digests, neither address nor content nor key.

use std::sync::Arc;

use serde_json::json;
use tracing::Level;
use waiterix_adapters_legacy::resend::ResendMailer;
use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_contract::KeptLog;
use waiterix_contract::mailer::marked::{GUEST, MARKS, marked};
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_layers::suppression::SuppressingMailer;
use waiterix_ports::{Mailer, Outcome};

use crate::resend_scripted::{Refusal, ScriptedResend};

/// As Resend words some refusals.
const WORDS: &str = "zzguest@recipients.example is refused, and zzowner@replies.example re_secret";

/// What a key and the credentials of the connector have in them.
const KEYS: [&str; 2] = ["re_secret", "identity"];

/// Everything that can become of a mail, and every other operation.
async fn all_of_it(server: &ScriptedResend) {
    let sessions = Arc::new(MemorySessionStore::new(server.clock.clone()));
    let connection = |key: &str| json!({ "items": [{ "settings": { "api_key": key, "from_email": "zzsender <zz@waiterix.example>" } }] });
    server.replace_key("re_secret1");
    server.set_connection(connection("re_secret1"));
    let resend = Arc::new(ResendMailer::open(server.connected(), server.clock.clone()).unwrap());
    let suppressing = Arc::new(SuppressingMailer::new(resend, sessions.clone()));
    let mailer = LedgeredMailer::new(suppressing, sessions, server.clock.clone());
    for _ in 0..2 {
        mailer.send(&marked("sign-in/accepted", GUEST)).await.unwrap();
    }
    for (number, (status, name, times)) in [
        (422, "validation_error", 1),
        (400, "missing_required_field", 1),
        (403, "validation_error", 1),
        (429, "daily_quota_exceeded", 1),
        (500, "application_error", 4),
        (401, "missing_api_key", 2),
    ]
    .into_iter()
    .enumerate()
    {
        (0..times).for_each(|_| server.refuse(Refusal::new(status, name).saying(WORDS)));
        let answer = mailer.send(&marked(&format!("sign-in/refused/{number}"), GUEST)).await;
        tracing::error!(?answer, "as the service logs it");
        server.forget_turns();
    }
    server.replace_key("re_secret2");
    server.set_connection(connection("re_secret2"));
    mailer.send(&marked("sign-in/renewed", GUEST)).await.unwrap();
    mailer.send(&marked("sign-in/malformed", "zzguest@")).await.unwrap();
    mailer.set_suppressed(GUEST, true).await.unwrap();
    assert_eq!(mailer.send(&marked("sign-in/suppressed", GUEST)).await.unwrap(), Outcome::Suppressed);
    mailer.set_suppressed(GUEST, false).await.unwrap();
    server.refuse_connection(Some(401));
    server.replace_key_silently("re_secret3");
    let error = mailer.send(&marked("sign-in/denied", GUEST)).await.unwrap_err();
    tracing::error!(%error, ?mailer, "as the service logs it");
    server.refuse_connection(None);
    server.replace_key("re_secret4");
    server.set_connection(connection("re_secret4"));
    server.set_domain_status("pending");
    mailer.check().await.unwrap();
}

#[tokio::test]
async fn m13_the_log_names_mails_by_ids_and_digests_and_holds_neither_address_nor_content_nor_key() {
    let server = ScriptedResend::start().await;
    let log = KeptLog::begin(Level::INFO);
    all_of_it(&server).await;
    let message_id = &server.taken()[0].id;
    log.assert_says(&[
        message_id.as_str(),
        r#""kind":"sign-in-code""#,
        r#""outcome":"rejected""#,
        r#""outcome":"denied""#,
        r#""outcome":"unknown""#,
        r#""outcome":"retry later""#,
        r#""recipient":"#,
        "is on the suppression list",
        "RESEND_WEBHOOK_SECRET is not set",
        "the domain of RESEND_FROM_EMAIL is not verified",
        "hands out no other",
    ]);
    log.assert_never_says(&MARKS);
    log.assert_never_says(&KEYS);
}

#[tokio::test]
async fn m13_not_even_what_the_client_says_for_debugging_holds_content_or_keys() {
    let server = ScriptedResend::start().await;
    let log = KeptLog::begin(Level::DEBUG);
    all_of_it(&server).await;
    assert!(log.lines().iter().any(|line| line["level"] == "DEBUG"), "the client says something");
    log.assert_never_says(&MARKS);
    log.assert_never_says(&KEYS);
}
