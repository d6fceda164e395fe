//! Two memory mailers under a router, each behind a wire that a test can cut.

#![allow(unreachable_pub, missing_docs, reason = "test support")]

use std::sync::Arc;

use async_trait::async_trait;
use waiterix_adapters_local::memory::{MemoryMailer, MemorySessionStore};
use waiterix_contract::mailer::{Inbox, MailFixture, Received};
use waiterix_contract::{Fixture, ManualClock};
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_migration::{RoutedMailer, Share};
use waiterix_ports::{Mail, MailId, MailKind, Mailer};

use crate::pair::Wire;

pub struct Mails {
    pub old: Arc<MemoryMailer>,
    pub new: Arc<MemoryMailer>,
    pub old_wire: Wire,
    pub new_wire: Wire,
    pub share: Arc<Share>,
    pub router: Arc<RoutedMailer>,
    pub ledgered: Arc<LedgeredMailer>,
}

impl Mails {
    pub fn new(percent: u8) -> Self {
        let (old, new) = (Arc::new(MemoryMailer::new()), Arc::new(MemoryMailer::new()));
        let (old_wire, new_wire) = (Wire::default(), Wire::default());
        let share = Arc::new(Share::percent(percent));
        let router = Arc::new(RoutedMailer::new(
            old_wire.to::<dyn Mailer>(old.clone()),
            new_wire.to::<dyn Mailer>(new.clone()),
            share.clone(),
        ));
        let clock = Arc::new(ManualClock::default());
        let records = Arc::new(MemorySessionStore::new(clock.clone()));
        let ledgered = Arc::new(LedgeredMailer::new(router.clone(), records, clock));
        Self { old, new, old_wire, new_wire, share, router, ledgered }
    }

    /// How often a mail was sent, by both.
    pub fn sent(&self) -> usize {
        self.old.sent().len() + self.new.sent().len()
    }

    pub fn fixture(self, is_ledgered: bool) -> MailFixture {
        let mailer: Arc<dyn Mailer> = if is_ledgered { self.ledgered.clone() } else { self.router.clone() };
        MailFixture::new(Fixture::new(mailer), Arc::new(Both(self.old, self.new)))
    }
}

struct Both(Arc<MemoryMailer>, Arc<MemoryMailer>);

#[async_trait]
impl Inbox for Both {
    async fn messages(&self) -> Vec<Received> {
        let sent = self.0.sent().into_iter().chain(self.1.sent());
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

#[allow(clippy::unwrap_used, reason = "a failed test is a panic")]
pub fn mail(id: &str, to: &str) -> Mail {
    Mail {
        id: MailId::new(id).unwrap(),
        kind: MailKind::Receipt,
        to: to.to_owned(),
        reply_to: None,
        subject: "Receipt".to_owned(),
        html: "<p>Thank you</p>".to_owned(),
        text: "Thank you".to_owned(),
    }
}
