//! The folder of mails against the contract: every mail is read back from its file by a MIME parser.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use mail_parser::{Address, MessageParser};
use waiterix_adapters_local::eml::EmlMailer;
use waiterix_contract::mailer::{Inbox, MailFixture, Received};
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::Mailer;

struct Folder(PathBuf);

fn addresses(address: Option<&Address<'_>>) -> Vec<String> {
    let list = address.into_iter().flat_map(|address| address.iter());
    list.filter_map(|one| one.address().map(str::to_owned)).collect()
}

#[async_trait]
impl Inbox for Folder {
    async fn messages(&self) -> Vec<Received> {
        let files = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let letters = files.filter(|path| path.extension().is_some_and(|extension| extension == "eml"));
        letters
            .map(|path| {
                let bytes = std::fs::read(path).unwrap();
                let letter = MessageParser::default().parse(&bytes).unwrap();
                Received {
                    to: addresses(letter.to()),
                    reply_to: addresses(letter.reply_to()).into_iter().next(),
                    subject: letter.subject().unwrap_or_default().to_owned(),
                    html: letter.body_html(0).unwrap().replace("\r\n", "\n"),
                    text: letter.body_text(0).unwrap().replace("\r\n", "\n"),
                }
            })
            .collect()
    }
}

async fn fresh() -> MailFixture {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::default()));
    let mailer = EmlMailer::open(dir.path(), "waiterix@example.org", clock.clone()).await.unwrap();
    let (mailer, inbox): (Arc<dyn Mailer>, _) = (Arc::new(mailer), Folder(dir.path().to_owned()));
    MailFixture::new(Fixture::new(mailer).clocked(clock).guarded(dir), Arc::new(inbox))
}

waiterix_contract::mailer_contract!("folder of .eml", fresh);
