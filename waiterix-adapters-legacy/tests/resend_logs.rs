//! What the log says of mail: ids, kinds and digests, neither address nor content nor key.

#![cfg(feature = "resend")]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod resend_scripted;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use resend_scripted::{Refusal, ScriptedResend};
use serde_json::json;
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;
use waiterix_adapters_legacy::resend::ResendMailer;
use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_layers::suppression::SuppressingMailer;
use waiterix_ports::{Mail, MailId, MailKind, Mailer, Outcome};

/// A log that is kept in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Catches what this thread logs, the words of the client included.
    fn catch(&self, level: Level) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt().with_max_level(level).with_ansi(false);
        tracing::subscriber::set_default(subscriber.with_writer(self.clone()).finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn mail(id: &str, to: &str) -> Mail {
    Mail {
        id: MailId::new(id).unwrap(),
        kind: MailKind::SignInCode,
        to: to.to_owned(),
        reply_to: Some("zzowner@replies.example".to_owned()),
        subject: "zzsubject".to_owned(),
        html: "<p>zzhtml 048151</p>".to_owned(),
        text: "zztext 048151".to_owned(),
    }
}

const GUEST: &str = "zzguest@recipients.example";
/// As Resend words some refusals.
const WORDS: &str = "zzguest@recipients.example is refused, and zzowner@replies.example re_secret";

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
        mailer.send(&mail("sign-in/accepted", GUEST)).await.unwrap();
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
        let answer = mailer.send(&mail(&format!("sign-in/refused/{number}"), GUEST)).await;
        tracing::error!(?answer, "as the service logs it");
        server.forget_turns();
    }
    server.replace_key("re_secret2");
    server.set_connection(connection("re_secret2"));
    mailer.send(&mail("sign-in/renewed", GUEST)).await.unwrap();
    mailer.send(&mail("sign-in/malformed", "zzguest@")).await.unwrap();
    mailer.set_suppressed(GUEST, true).await.unwrap();
    assert_eq!(mailer.send(&mail("sign-in/suppressed", GUEST)).await.unwrap(), Outcome::Suppressed);
    mailer.set_suppressed(GUEST, false).await.unwrap();
    server.refuse_connection(Some(401));
    server.replace_key_silently("re_secret3");
    let error = mailer.send(&mail("sign-in/denied", GUEST)).await.unwrap_err();
    tracing::error!(%error, ?mailer, "as the service logs it");
    server.refuse_connection(None);
    server.replace_key("re_secret4");
    server.set_connection(connection("re_secret4"));
    server.set_domain_status("pending");
    mailer.check().await.unwrap();
}

#[tokio::test]
async fn m13_the_log_names_mails_by_ids_and_digests_and_holds_neither_address_nor_content_nor_key() {
    let log = Log::default();
    let server = ScriptedResend::start().await;
    let guard = log.catch(Level::INFO);
    all_of_it(&server).await;
    drop(guard);
    let text = log.text();
    let message_id = &server.taken()[0].id;
    for said in [
        message_id.as_str(),
        "kind=\"sign-in-code\"",
        "outcome=\"rejected\"",
        "outcome=\"denied\"",
        "outcome=\"unknown\"",
        "outcome=\"retry later\"",
        "recipient=",
        "is on the suppression list",
        "RESEND_WEBHOOK_SECRET is not set",
        "the domain of RESEND_FROM_EMAIL is not verified",
        "hands out no other",
    ] {
        assert!(text.contains(said), "{said} is missing in {text}");
    }
    for unsaid in ["zz", "048151", "recipients.example", "replies.example", "re_secret", "identity"] {
        assert!(!text.contains(unsaid), "{unsaid} in {}", text.lines().find(|l| l.contains(unsaid)).unwrap());
    }
}

#[tokio::test]
async fn m13_not_even_what_the_client_says_for_debugging_holds_content_or_keys() {
    let log = Log::default();
    let server = ScriptedResend::start().await;
    let guard = log.catch(Level::DEBUG);
    all_of_it(&server).await;
    drop(guard);
    let text = log.text();
    assert!(text.contains("DEBUG"), "the client says something");
    for unsaid in ["zz", "048151", "recipients.example", "replies.example", "re_secret", "identity"] {
        assert!(!text.contains(unsaid), "{unsaid} in {}", text.lines().find(|l| l.contains(unsaid)).unwrap());
    }
}
