//! The suppression list against the contract, inside of the ledger as in the service: in front of a mailer that has a list
//! of its own, and of one that has none.

use std::sync::Arc;

use async_trait::async_trait;
use waiterix_adapters_local::memory::{MemoryMailer, MemorySessionStore};
use waiterix_contract::mailer::{Inbox, MailFixture, Received};
use waiterix_contract::{Fixture, ManualClock};
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_layers::suppression::SuppressingMailer;
use waiterix_ports::{Error, ErrorKind, Mail, Mailer, Outcome, Result};

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

/// A mailer over sessions with the ledger around it, and the memory it sends to.
fn around(
    suppressing: impl FnOnce(Arc<MemorySessionStore>) -> SuppressingMailer,
    memory: Arc<MemoryMailer>,
) -> MailFixture {
    let clock = Arc::new(ManualClock::default());
    let sessions = Arc::new(MemorySessionStore::new(clock.clone()));
    let inner = Arc::new(suppressing(sessions.clone()));
    let mailer: Arc<dyn Mailer> = Arc::new(LedgeredMailer::new(inner, sessions, clock.clone()));
    MailFixture::new(Fixture::new(mailer).clocked(clock), Arc::new(Sent(memory)))
}

mod over_memory {
    use super::*;

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> MailFixture {
        let memory = Arc::new(MemoryMailer::new());
        let inner = memory.clone();
        around(|list| SuppressingMailer::new(inner, list).with_list_of_provider(), memory)
    }

    waiterix_contract::mailer_contract!("suppression list over memory", fresh);
}

mod over_none {
    use super::*;

    /// A mailer whose provider has no list that can be asked and set.
    #[derive(Debug)]
    struct Listless(Arc<MemoryMailer>);

    #[async_trait]
    impl Mailer for Listless {
        async fn send(&self, mail: &Mail) -> Result<Outcome> {
            self.0.send(mail).await
        }
        async fn set_suppressed(&self, _: &str, _: bool) -> Result<()> {
            Err(Error::new(ErrorKind::Unsupported, "listless.set_suppressed"))
        }
        async fn is_suppressed(&self, _: &str) -> Result<bool> {
            Err(Error::new(ErrorKind::Unsupported, "listless.is_suppressed"))
        }
        async fn check(&self) -> Result<()> {
            self.0.check().await
        }
    }

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> MailFixture {
        let memory = Arc::new(MemoryMailer::new());
        let inner = Arc::new(Listless(memory.clone()));
        around(|list| SuppressingMailer::new(inner, list), memory)
    }

    waiterix_contract::mailer_contract!("suppression list over a mailer without one", fresh);
}
