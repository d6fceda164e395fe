//! Every clause of `Mailer` catches a broken mailer.

use std::sync::Arc;

use async_trait::async_trait;
use waiterix_adapters_local::memory::MemoryMailer;
use waiterix_contract::Fixture;
use waiterix_contract::broken::assert_every_clause_catches;
use waiterix_contract::broken::mailer::{BrokenMailer, FAULTS, Fault};
use waiterix_contract::mailer::{CASES, Inbox, MailFixture, Received};

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
async fn fresh(fault: Option<Fault>) -> MailFixture {
    let sound = Arc::new(MemoryMailer::new());
    MailFixture::new(Fixture::new(Arc::new(BrokenMailer::new(sound.clone(), fault))), Arc::new(Sent(sound)))
}

#[test]
fn every_clause_catches_a_broken_mailer() {
    assert_every_clause_catches(CASES, FAULTS, fresh);
}
