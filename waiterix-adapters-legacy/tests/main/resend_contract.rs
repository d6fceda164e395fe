//! Resend against the contract, as in the service: behind the suppression list and the ledger. Once with a key, once with
//! one that the connector hands out.

use std::sync::Arc;

use waiterix_adapters_legacy::resend::{ResendMailer, ResendSettings};
use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_contract::Fixture;
use waiterix_contract::mailer::MailFixture;
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_layers::suppression::SuppressingMailer;
use waiterix_ports::Mailer;

use crate::resend_scripted::ScriptedResend;

fn mailer_at(server: ScriptedResend, settings: ResendSettings) -> MailFixture {
    let clock = server.clock.clone();
    let sessions = Arc::new(MemorySessionStore::new(clock.clone()));
    let resend = Arc::new(ResendMailer::open(settings, clock.clone()).unwrap());
    let suppressing = Arc::new(SuppressingMailer::new(resend, sessions.clone()));
    let mailer: Arc<dyn Mailer> = Arc::new(LedgeredMailer::new(suppressing, sessions, clock.clone()));
    let inbox = server.inbox();
    MailFixture::new(Fixture::new(mailer).clocked(clock).guarded(server), inbox)
}

mod with_key {
    use super::*;

    async fn fresh() -> MailFixture {
        let server = ScriptedResend::start().await;
        let settings = server.settings();
        mailer_at(server, settings)
    }

    waiterix_contract::mailer_contract!("Resend", fresh);
}

mod with_connector {
    use super::*;

    async fn fresh() -> MailFixture {
        let server = ScriptedResend::start().await;
        let settings = server.connected();
        mailer_at(server, settings)
    }

    waiterix_contract::mailer_contract!("Resend with a key of the connector", fresh);
}
