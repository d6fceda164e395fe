//! The folder of mails against the contract.

use std::sync::Arc;

use waiterix_adapters_local::eml::EmlMailer;
use waiterix_contract::mailer::MailFixture;
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::Mailer;

use crate::eml_inbox::Folder;

async fn fresh() -> MailFixture {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::default()));
    let mailer = EmlMailer::open(dir.path(), "waiterix@example.org", clock.clone()).await.unwrap();
    let (mailer, inbox): (Arc<dyn Mailer>, _) = (Arc::new(mailer), Folder(dir.path().to_owned()));
    MailFixture::new(Fixture::new(mailer).clocked(clock).guarded(dir), Arc::new(inbox))
}

waiterix_contract::mailer_contract!("folder of .eml", fresh);
