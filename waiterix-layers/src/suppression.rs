//! Addresses that get no mail any more, on whichever provider it would go out.
//!
//! A provider's own list is known to that provider alone, and not every provider lets one ask. So the service keeps one of
//! its own, which is consulted before every sending, and which all mailers over one session store share. An entry is a value
//! of the session store's temporary data, `mail-suppressed:<digest of the address>`:
//!
//! - Whoever puts an address on the list, or takes it off, overwrites the entry, so the last one wins and repeating it is
//!   harmless. Sending only reads: nothing that was taken off comes back because a mail was on its way.
//! - An entry ends [`KEPT`] after it was last written. What happens then is the provider's own list: SES drops such mail, and
//!   Resend does and says so, which puts the address on the list again.
//! - Without the list nothing is sent: a list that is down means `Unavailable`.
//! - An entry that cannot be understood was written for a reason, so it counts.
//!
//! A provider's own list, where it can be asked and set, is kept up to date ([`SuppressingMailer::with_list_of_provider`]): it
//! is told what was set, and believed as well. Decision 23 has the alternatives.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use waiterix_ports::mailer::{ascii_address, fault_of, is_address, normalised_address};
use waiterix_ports::session::MAX_TTL;
use waiterix_ports::{Error, ErrorKind, Mail, Mailer, Outcome, Result, Retry, SessionStore};

/// How long an address stays on the list when nobody puts it there again: as long as a session store keeps anything.
pub const KEPT: Duration = MAX_TTL;
/// How long an entry is kept that says the address is not on the list, which is what no entry says as well.
const CLEARED: Duration = Duration::from_secs(1);

/// A mailer that consults the service's own suppression list first (**M4**, **M10**, **M11**).
///
/// It stands inside of a [`LedgeredMailer`](crate::ledger::LedgeredMailer): a mail that was suppressed was not sent, and may
/// be when the address is off the list.
pub struct SuppressingMailer {
    inner: Arc<dyn Mailer>,
    list: Arc<dyn SessionStore>,
    /// Whether the mailer inside has a list that can be asked and set.
    has_list_of_provider: bool,
}

impl fmt::Debug for SuppressingMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SuppressingMailer").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl SuppressingMailer {
    /// A list in front of a mailer that has none, kept in a session store.
    #[must_use]
    pub fn new(inner: Arc<dyn Mailer>, list: Arc<dyn SessionStore>) -> Self {
        Self { inner, list, has_list_of_provider: false }
    }

    /// Says that the mailer has a list as well: it is told what is set, and what is on it counts.
    #[must_use]
    pub fn with_list_of_provider(self) -> Self {
        Self { has_list_of_provider: true, ..self }
    }

    /// Whether an address is on the list of the service.
    async fn is_listed(&self, address: &str) -> Result<bool> {
        let key = key(address);
        match self.list.temp_get(&key).await {
            Ok(entry) => Ok(entry.is_some_and(|entry| entry != Value::Bool(false))),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                tracing::error!(key, "an entry of the suppression list cannot be understood; it counts");
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Tells the provider's list, if there is one.
    async fn tell(&self, address: &str, suppressed: bool) -> Result<()> {
        if self.has_list_of_provider { self.inner.set_suppressed(address, suppressed).await } else { Ok(()) }
    }

    async fn write(&self, address: &str, suppressed: bool) -> Result<()> {
        let ttl = if suppressed { KEPT } else { CLEARED };
        let written = self.list.temp_set(&key(address), &json!(suppressed), ttl).await;
        written.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "suppression.set")
                .retry(Retry::Ambiguous)
                .with("fault", "the suppression list does not answer")
                .because(error)
        })
    }
}

/// The key of an address's entry. Spellings of one mailbox have one key, and the key does not show the address.
fn key(address: &str) -> String {
    let address = ascii_address(address).unwrap_or_else(|| address.to_owned());
    format!("mail-suppressed:{:x}", Sha256::digest(normalised_address(&address)))
}

#[async_trait]
impl Mailer for SuppressingMailer {
    async fn send(&self, mail: &Mail) -> Result<Outcome> {
        if let Some(fault) = fault_of(mail) {
            return Ok(Outcome::Rejected { reason: fault.to_owned() });
        }
        let listed = self.is_listed(&mail.to).await.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "suppression.send")
                .retry(Retry::Safe)
                .with("fault", "the suppression list does not answer; nothing was sent")
                .because(error)
        })?;
        if listed {
            tracing::info!(
                kind = mail.kind.as_str(),
                mail = format!("{:x}", Sha256::digest(mail.id.as_str())),
                "mail not sent: the recipient is on the suppression list"
            );
            return Ok(Outcome::Suppressed);
        }
        self.inner.send(mail).await
    }

    /// Writes both lists in the order in which a failure in between leaves the address suppressed.
    async fn set_suppressed(&self, address: &str, suppressed: bool) -> Result<()> {
        if !is_address(address) {
            return Err(
                Error::new(ErrorKind::Invalid, "suppression.set").with("fault", "address is malformed")
            );
        }
        if suppressed {
            self.write(address, true).await?;
            self.tell(address, true).await
        } else {
            self.tell(address, false).await?;
            self.write(address, false).await
        }
    }

    async fn is_suppressed(&self, address: &str) -> Result<bool> {
        if !is_address(address) {
            return Ok(false);
        }
        let listed = self.is_listed(address).await.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "suppression.get").retry(Retry::Safe).because(error)
        })?;
        Ok(listed || (self.has_list_of_provider && self.inner.is_suppressed(address).await?))
    }

    /// Proves the mailer and the list.
    async fn check(&self) -> Result<()> {
        self.list.check().await?;
        self.inner.check().await
    }
}
