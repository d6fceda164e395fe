//! G036: a mail is rendered once, and every provider brings the same bytes to the recipient. The mails are those the
//! service renders, as its own tests hold them, hostile ones included.

use std::path::Path;
use std::sync::Arc;

use waiterix_adapters_aws::ses::{SesMailer, SesSettings};
use waiterix_adapters_local::eml::EmlMailer;
use waiterix_adapters_local::memory::MemoryMailer;
use waiterix_contract::ManualClock;
use waiterix_contract::mailer::{Inbox as _, Received};
use waiterix_ports::{Mail, MailId, MailKind, Mailer, Outcome};

use crate::eml_inbox;
use crate::scripted_ses::{FROM, ScriptedSes};

/// Every mail the service renders in its tests.
fn rendered() -> Vec<Mail> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../waiterix-app/tests/golden");
    let files = std::fs::read_dir(golden).unwrap().map(|file| file.unwrap().path());
    let pages = files.filter(|file| file.extension().is_some_and(|ending| ending == "html"));
    pages
        .map(|page| {
            let text = std::fs::read_to_string(page.with_extension("txt")).unwrap();
            let (subject, text) = text.split_once("\n\n").unwrap();
            Mail {
                id: MailId::new(page.file_stem().unwrap().to_str().unwrap()).unwrap(),
                kind: MailKind::Receipt,
                to: "guest@example.org".to_owned(),
                reply_to: Some("owner@example.net".to_owned()),
                subject: subject.strip_prefix("Subject: ").unwrap().to_owned(),
                html: std::fs::read_to_string(&page).unwrap(),
                text: text.to_owned(),
            }
        })
        .collect()
}

async fn sent_by(mailer: &dyn Mailer, mails: &[Mail]) {
    for mail in mails {
        let outcome = mailer.send(mail).await.unwrap();
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{:?}: {outcome:?}", mail.id);
    }
}

/// What arrived, in the order of the subjects and texts.
fn sorted(mut arrived: Vec<Received>) -> Vec<Received> {
    arrived.sort_by(|one, other| (&one.subject, &one.text).cmp(&(&other.subject, &other.text)));
    arrived
}

#[tokio::test]
async fn g036_the_same_bytes_reach_the_recipient_through_every_provider() {
    let mails = rendered();
    assert!(mails.len() >= 9, "only {} mails", mails.len());
    let as_rendered = |mail: &Mail| Received {
        to: vec![mail.to.clone()],
        reply_to: mail.reply_to.clone(),
        subject: mail.subject.clone(),
        html: mail.html.clone(),
        text: mail.text.clone(),
    };
    let want = sorted(mails.iter().map(as_rendered).collect());

    let memory = MemoryMailer::new();
    sent_by(&memory, &mails).await;
    assert_eq!(sorted(memory.sent().iter().map(as_rendered).collect()), want, "memory");

    let dir = tempfile::tempdir().unwrap();
    let folder = EmlMailer::open(dir.path(), FROM, Arc::new(ManualClock::default())).await.unwrap();
    sent_by(&folder, &mails).await;
    let arrived = eml_inbox::Folder(dir.path().to_owned()).messages().await;
    assert_eq!(sorted(arrived), want, "folder of .eml");

    let server = ScriptedSes::start().await;
    let settings = SesSettings { from: FROM.to_owned(), configuration_set: None };
    sent_by(&SesMailer::open(&server.config().await, settings), &mails).await;
    assert_eq!(sorted(server.inbox().messages().await), want, "SES");
}
