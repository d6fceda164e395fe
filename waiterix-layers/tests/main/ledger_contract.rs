//! The ledger against the contract, around mailers that keep the promises about ids themselves.

use std::sync::Arc;

use async_trait::async_trait;
use waiterix_adapters_local::memory::{MemoryMailer, MemorySessionStore};
use waiterix_contract::mailer::{Inbox, MailFixture, Received};
use waiterix_contract::{Fixture, ManualClock};
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_ports::Mailer;

use crate::eml_inbox;

fn around(inner: Arc<dyn Mailer>, clock: Arc<ManualClock>) -> Fixture<dyn Mailer> {
    let ledger = Arc::new(MemorySessionStore::new(clock.clone()));
    Fixture::new(Arc::new(LedgeredMailer::new(inner, ledger, clock.clone())) as Arc<dyn Mailer>)
        .clocked(clock)
}

mod over_memory {
    use super::*;

    struct Sent(Arc<MemoryMailer>);

    #[async_trait]
    impl Inbox for Sent {
        async fn messages(&self) -> Vec<Received> {
            let sent = self.0.sent().into_iter();
            sent.map(|mail| Received {
                to: vec![mail.to],
                reply_to: mail.reply_to,
                subject: mail.subject,
                html: mail.html,
                text: mail.text,
            })
            .collect()
        }
    }

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> MailFixture {
        let mailer = Arc::new(MemoryMailer::new());
        MailFixture::new(around(mailer.clone(), Arc::default()), Arc::new(Sent(mailer)))
    }

    waiterix_contract::mailer_contract!("ledger over memory", fresh);
}

mod over_folder {
    use waiterix_adapters_local::eml::EmlMailer;

    use super::*;

    async fn fresh() -> MailFixture {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::default()));
        let mailer = EmlMailer::open(dir.path(), "waiterix@example.org", clock.clone()).await.unwrap();
        let inbox = eml_inbox::Folder(dir.path().to_owned());
        MailFixture::new(around(Arc::new(mailer), clock).guarded(dir), Arc::new(inbox))
    }

    waiterix_contract::mailer_contract!("ledger over folder of .eml", fresh);
}
