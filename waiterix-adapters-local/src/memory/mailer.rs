//! Mail in memory.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use waiterix_ports::mailer::{fault_of, is_address, normalised_address};
use waiterix_ports::{Error, ErrorKind, Mail, MailId, Mailer, Outcome, Result};

/// A [`Mailer`] that keeps what it is given, for tests to look at.
#[derive(Default)]
pub struct MemoryMailer(Mutex<State>);

#[derive(Default)]
struct State {
    sent: Vec<Mail>,
    /// The place in `sent` of every id.
    places: HashMap<MailId, usize>,
    suppressed: HashSet<String>,
}

impl fmt::Debug for MemoryMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryMailer").field("sent", &self.state().sent.len()).finish_non_exhaustive()
    }
}

impl MemoryMailer {
    /// A mailer that has sent nothing and suppresses nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every mail that was sent, in that order.
    #[must_use]
    pub fn sent(&self) -> Vec<Mail> {
        self.state().sent.clone()
    }

    /// A panic elsewhere while the lock was held leaves the lists whole, so the poison is of no interest.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn message_id(place: usize) -> String {
    format!("memory-{place}")
}

#[async_trait]
impl Mailer for MemoryMailer {
    async fn send(&self, mail: &Mail) -> Result<Outcome> {
        if let Some(fault) = fault_of(mail) {
            return Ok(Outcome::Rejected { reason: fault.to_owned() });
        }
        let mut state = self.state();
        if let Some(place) = state.places.get(&mail.id).copied() {
            return Ok(if state.sent[place] == *mail {
                Outcome::Duplicate { message_id: message_id(place) }
            } else {
                Outcome::Conflict
            });
        }
        if state.suppressed.contains(&normalised_address(&mail.to)) {
            return Ok(Outcome::Suppressed);
        }
        let place = state.sent.len();
        state.sent.push(mail.clone());
        state.places.insert(mail.id.clone(), place);
        Ok(Outcome::Accepted { message_id: message_id(place) })
    }

    async fn set_suppressed(&self, address: &str, suppressed: bool) -> Result<()> {
        if !is_address(address) {
            return Err(
                Error::new(ErrorKind::Invalid, "mailer.set_suppressed").with("fault", "malformed address")
            );
        }
        let address = normalised_address(address);
        let mut state = self.state();
        if suppressed {
            state.suppressed.insert(address);
        } else {
            state.suppressed.remove(&address);
        }
        Ok(())
    }

    async fn is_suppressed(&self, address: &str) -> Result<bool> {
        Ok(self.state().suppressed.contains(&normalised_address(address)))
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}
