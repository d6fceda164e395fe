//! SES against the contract, with the mail ledger that gives it the promises about ids: once on MiniStack, once on a
//! scripted server. MiniStack has no suppression list, so the scripted server in front of it keeps that.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use waiterix_adapters_aws::ses::{SesMailer, SesSettings};
use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_contract::mailer::MailFixture;
use waiterix_contract::{Fixture, ManualClock};
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_ports::Mailer;

use crate::scripted_ses::{FROM, ScriptedSes};

async fn mailer_at(server: ScriptedSes, from: &str) -> MailFixture {
    let clock = Arc::new(ManualClock::default());
    let settings = SesSettings { from: from.to_owned(), configuration_set: None };
    let ses = Arc::new(SesMailer::open(&server.config().await, settings));
    let ledger = Arc::new(MemorySessionStore::new(clock.clone()));
    let mailer: Arc<dyn Mailer> = Arc::new(LedgeredMailer::new(ses, ledger, clock.clone()));
    let inbox = server.inbox();
    MailFixture::new(Fixture::new(mailer).clocked(clock).guarded(server), inbox)
}

mod ministack {
    use waiterix_backends::{Backend, given};

    use super::*;

    async fn fresh() -> Option<MailFixture> {
        let ministack = given(Backend::Aws)?;
        // MiniStack takes an access key of twelve digits for an account, so each case has one to itself.
        let account = format!("{:012}", RandomState::new().hash_one("account") % 1_000_000_000_000);
        let from = format!("waiterix@{account}.example");
        let server = ScriptedSes::before(&ministack, &account).await;
        let ses = aws_sdk_sesv2::Client::new(&server.config().await);
        ses.create_email_identity().email_identity(&from).send().await.unwrap();
        Some(mailer_at(server, &from).await)
    }

    waiterix_contract::mailer_contract!("SES", fresh);
}

mod scripted {
    use super::*;

    async fn fresh() -> MailFixture {
        mailer_at(ScriptedSes::start().await, FROM).await
    }

    waiterix_contract::mailer_contract!("SES, scripted", fresh);
}
