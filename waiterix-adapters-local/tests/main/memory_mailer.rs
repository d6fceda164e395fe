//! The in-memory mailer against the contract.

use std::sync::Arc;

use async_trait::async_trait;
use waiterix_adapters_local::memory::MemoryMailer;
use waiterix_contract::Fixture;
use waiterix_contract::mailer::{Inbox, MailFixture, Received};

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
    MailFixture::new(Fixture::new(mailer.clone()), Arc::new(Sent(mailer)))
}

waiterix_contract::mailer_contract!("memory", fresh);
