//! What the log says of mail: ids, kinds and digests, neither address nor content.

use std::sync::Arc;

use serde_json::json;
use tracing::Level;
use waiterix_adapters_aws::ses::{SesMailer, SesSettings};
use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_contract::mailer::marked::{GUEST, MARKS, marked};
use waiterix_contract::{KeptLog, ManualClock};
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_ports::{Mailer, Outcome};

use crate::scripted_ses::{FROM, Refusal, ScriptedSes};

/// Everything that can become of a mail, and every other operation.
async fn all_of_it(server: &ScriptedSes) {
    let clock = Arc::new(ManualClock::default());
    let settings = SesSettings { from: FROM.to_owned(), configuration_set: None };
    let ses = Arc::new(SesMailer::open(&server.config().await, settings));
    let mailer = LedgeredMailer::new(ses, Arc::new(MemorySessionStore::new(clock.clone())), clock);
    for _ in 0..2 {
        mailer.send(&marked("sign-in/accepted", GUEST)).await.unwrap();
    }
    let unverified =
        "Email address is not verified. The following identities failed the check in region EU: ";
    let words: &'static str = Box::leak(format!("{unverified}{GUEST}").into_boxed_str());
    for (number, (status, code)) in [
        (400, "MessageRejected"),
        (400, "AccountSuspendedException"),
        (429, "TooManyRequestsException"),
        (500, "InternalFailure"),
        (403, "AccessDeniedException"),
    ]
    .into_iter()
    .enumerate()
    {
        server.refuse(Refusal::new(status, code).saying(words));
        let _ = mailer.send(&marked(&format!("sign-in/refused/{number}"), GUEST)).await;
    }
    mailer.send(&marked("sign-in/malformed", "zzguest@")).await.unwrap();
    mailer.set_suppressed(GUEST, true).await.unwrap();
    assert_eq!(mailer.send(&marked("sign-in/suppressed", GUEST)).await.unwrap(), Outcome::Suppressed);
    mailer.set_suppressed(GUEST, false).await.unwrap();
    server.refuse_look_up(Refusal::new(403, "AccessDeniedException").saying(words));
    let error = mailer.send(&marked("sign-in/denied", GUEST)).await.unwrap_err();
    tracing::error!(%error, "as the service logs it");
    server.set_account(json!({ "SendingEnabled": false }));
    mailer.check().await.unwrap();
}

#[tokio::test]
async fn g037_the_log_names_mails_by_ids_and_digests_and_holds_neither_address_nor_content() {
    let server = ScriptedSes::start().await;
    let log = KeptLog::begin(Level::INFO);
    all_of_it(&server).await;
    let message_id = &server.taken()[0].message_id;
    log.assert_says(&[
        message_id.as_str(),
        r#""kind":"sign-in-code""#,
        r#""outcome":"rejected""#,
        r#""outcome":"denied""#,
        r#""outcome":"unknown""#,
        r#""outcome":"suppressed""#,
        r#""outcome":"retry later""#,
        r#""recipient":"#,
        "SES_CONFIGURATION_SET is not set",
        "sandbox",
        "not verified",
        "suppression list",
    ]);
    log.assert_never_says(&MARKS);
    log.assert_never_says(&["secret"]);
}

#[tokio::test]
async fn g037_not_even_what_the_sdk_says_for_debugging_holds_content() {
    let server = ScriptedSes::start().await;
    let log = KeptLog::begin(Level::DEBUG);
    all_of_it(&server).await;
    assert!(
        log.lines().iter().any(|line| line["target"].as_str().unwrap().starts_with("aws_")),
        "the SDK says something"
    );
    log.assert_never_says(&MARKS);
}
