//! The function that hears what became of mails.

mod envelope;
mod notice;

use serde::Serialize;
use serde_json::Value;
use waiterix_app::Shared;
use waiterix_compose::Needs;
use waiterix_ports::ErrorKind;

use crate::{Failure, Function, Time};
use envelope::{Batch, Envelope};
use notice::Notice;

/// Puts addresses that bounced for good or complained on the suppression list.
#[derive(Debug, Clone)]
pub struct MailEvents {
    app: Shared,
}

/// The messages of a queue that are to be delivered again; of other sources, none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    batch_item_failures: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    item_identifier: String,
}

impl MailEvents {
    /// The mails of an app.
    #[must_use]
    pub const fn new(app: Shared) -> Self {
        Self { app }
    }

    /// Does what a notice asks for; answers whether it was done. What can never be done counts as done, because
    /// delivering it again would change nothing.
    async fn heed(&self, notice: &Notice) -> bool {
        let mut done = true;
        for address in notice.addresses() {
            match self.app.ports.mailer.set_suppressed(address, true).await {
                Ok(()) => tracing::info!(reason = notice.reason(), "an address is suppressed"),
                Err(error) if error.kind() == ErrorKind::Invalid => {
                    tracing::warn!(reason = notice.reason(), "an address that is none cannot be suppressed");
                }
                Err(error) => {
                    tracing::error!(%error, reason = notice.reason(), "an address could not be suppressed");
                    done = false;
                }
            }
        }
        done
    }

    async fn heed_all(&self, envelopes: &[Envelope]) -> Vec<Item> {
        let mut failed = Vec::new();
        for envelope in envelopes {
            let notice = Notice::read(&envelope.content);
            if !self.heed(&notice).await {
                failed.push(Item { item_identifier: envelope.id.clone() });
            }
        }
        failed
    }
}

impl Function for MailEvents {
    const NEEDS: Needs = Needs { mailer: true, sessions: true, ..Needs::NOTHING };

    type Answer = Report;

    /// Heeds every message of the event, whatever becomes of the others. A queue is told which of them to deliver again;
    /// from any other source the invocation fails if one of them did, and the platform repeats all of it, which is
    /// harmless.
    async fn answer(&self, event: Value, time: Time) -> Result<Report, Failure> {
        let Batch { envelopes, is_queue } = Batch::read(event)?;
        let failed = time.scope(self.heed_all(&envelopes)).await;
        if is_queue || failed.is_empty() {
            return Ok(Report { batch_item_failures: failed });
        }
        let message = format!("{} of {} messages could not be heeded", failed.len(), envelopes.len());
        Err(Failure::new("NotSuppressed", message))
    }
}
