//! Broken mailers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use waiterix_ports::{Error, ErrorKind, Mail, MailId, MailKind, Mailer, Outcome, Result};

use super::held;

/// What a mailer does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Sends ASCII only.
    AsciiOnly,
    /// Sends everything it is given.
    SendsAgain,
    /// Looks at the id only.
    IgnoresContent,
    /// Does not look at the suppression list.
    SendsToSuppressed,
    /// Mends what is malformed.
    MendsFaults,
    /// Looks first and sends then.
    LooksThenSends,
    /// Says that it put an address on the list.
    SuppressesNothing,
    /// Knows of nobody on the list.
    KnowsNobody,
    /// Sends a mail to see whether it can.
    CheckSends,
}

/// Which clause each fault breaks.
pub const FAULTS: &[(&str, Fault)] = &[
    ("M1", Fault::AsciiOnly),
    ("M2", Fault::SendsAgain),
    ("M3", Fault::IgnoresContent),
    ("M4", Fault::SendsToSuppressed),
    ("M5", Fault::MendsFaults),
    ("M6", Fault::LooksThenSends),
    ("M10", Fault::SuppressesNothing),
    ("M11", Fault::KnowsNobody),
    ("M90", Fault::CheckSends),
];

/// A sound mailer with one fault, or none.
#[derive(Debug)]
pub struct BrokenMailer {
    inner: Arc<dyn Mailer>,
    fault: Option<Fault>,
    sent: Mutex<HashMap<MailId, String>>,
    number: AtomicUsize,
}

impl BrokenMailer {
    /// Breaks a mailer.
    #[must_use]
    pub fn new(inner: Arc<dyn Mailer>, fault: Option<Fault>) -> Self {
        Self { inner, fault, sent: Mutex::default(), number: AtomicUsize::new(0) }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// An id that was never used.
    fn another_id(&self) -> Result<MailId> {
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        MailId::new(format!("another/{number}")).ok_or_else(|| Error::new(ErrorKind::Invalid, "broken.send"))
    }

    fn known(&self, id: &MailId) -> Option<String> {
        held(&self.sent).get(id).cloned()
    }

    async fn send_to_suppressed(&self, mail: &Mail) -> Result<Outcome> {
        let listed = self.inner.is_suppressed(&mail.to).await?;
        if listed {
            self.inner.set_suppressed(&mail.to, false).await?;
        }
        let outcome = self.inner.send(mail).await;
        if listed {
            self.inner.set_suppressed(&mail.to, true).await?;
        }
        outcome
    }

    async fn look_then_send(&self, mail: &Mail) -> Result<Outcome> {
        if let Some(message_id) = self.known(&mail.id) {
            return Ok(Outcome::Duplicate { message_id });
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.inner.send(&Mail { id: self.another_id()?, ..mail.clone() }).await
    }
}

fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

#[async_trait]
impl Mailer for BrokenMailer {
    async fn send(&self, mail: &Mail) -> Result<Outcome> {
        let outcome = match self.fault {
            Some(Fault::AsciiOnly) => {
                self.inner.send(&Mail { text: ascii(&mail.text), ..mail.clone() }).await
            }
            Some(Fault::SendsAgain) => {
                self.inner.send(&Mail { id: self.another_id()?, ..mail.clone() }).await
            }
            Some(Fault::SendsToSuppressed) => self.send_to_suppressed(mail).await,
            Some(Fault::LooksThenSends) => self.look_then_send(mail).await,
            _ => self.inner.send(mail).await,
        }?;
        match &outcome {
            Outcome::Accepted { message_id } => {
                held(&self.sent).insert(mail.id.clone(), message_id.clone());
            }
            Outcome::Rejected { .. } if self.has(Fault::MendsFaults) => {
                let (to, subject) =
                    ("guest@example.org".to_owned(), mail.subject.replace(char::is_control, " "));
                return self.inner.send(&Mail { to, subject, reply_to: None, ..mail.clone() }).await;
            }
            Outcome::Conflict if self.has(Fault::IgnoresContent) => {
                if let Some(message_id) = self.known(&mail.id) {
                    return Ok(Outcome::Duplicate { message_id });
                }
            }
            _ => {}
        }
        Ok(outcome)
    }

    async fn set_suppressed(&self, address: &str, suppressed: bool) -> Result<()> {
        let suppressed = suppressed && !self.has(Fault::SuppressesNothing);
        self.inner.set_suppressed(address, suppressed).await
    }

    async fn is_suppressed(&self, address: &str) -> Result<bool> {
        Ok(!self.has(Fault::KnowsNobody) && self.inner.is_suppressed(address).await?)
    }

    async fn check(&self) -> Result<()> {
        if self.has(Fault::CheckSends) {
            let text = "check".to_owned();
            let mail = Mail {
                id: self.another_id()?,
                kind: MailKind::Support,
                to: "check@example.org".to_owned(),
                reply_to: None,
                subject: text.clone(),
                html: text.clone(),
                text,
            };
            self.inner.send(&mail).await?;
        }
        self.inner.check().await
    }
}
