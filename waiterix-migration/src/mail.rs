//! Mail through exactly one of two providers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use tokio::{join, try_join};
use waiterix_ports::mailer::{fault_of, normalised_address};
use waiterix_ports::{ErrorKind, Mail, Mailer, Outcome, Result, Retry};

/// How many of a hundred recipients are the new provider's. Can be changed while mail is sent.
///
/// Which ones these are depends on the address alone, and whoever is among them at a lower share is so at a higher one.
#[derive(Debug, Default)]
pub struct Share(AtomicU8);

impl Share {
    /// A share in percent; more than 100 is 100.
    #[must_use]
    pub fn percent(percent: u8) -> Self {
        Self(AtomicU8::new(percent.min(100)))
    }

    /// Changes it for all mail that is sent from now on.
    pub fn set_percent(&self, percent: u8) {
        self.0.store(percent.min(100), Ordering::SeqCst);
    }

    /// What it is now.
    #[must_use]
    pub fn get_percent(&self) -> u8 {
        self.0.load(Ordering::SeqCst)
    }

    fn includes(&self, address: &str) -> bool {
        let digest = Sha256::digest(normalised_address(address));
        let place = u16::from_be_bytes([digest[0], digest[1]]) % 100;
        place < u16::from(self.0.load(Ordering::SeqCst))
    }
}

/// Two providers of mail, of which every mail gets exactly one.
///
/// - Whose a mail is, is said by the share and the recipient. The other provider is asked only when the first one definitely
///   did not take it: it refused the credentials, was throttled or paused, or could not be reached.
/// - Where nobody knows whether it was taken, the answer is [`Outcome::Unknown`] and the other provider is not asked. What a
///   provider refuses for good, the other one would refuse as well, and is not asked either; nor when the id stands for
///   another mail.
/// - A recipient on either suppression list gets nothing, and suppressing an address tells both lists.
///
/// It does not remember what it sent. So that a mail is not sent by one provider now and by the other when it is repeated, the
/// ledger (`waiterix_layers::ledger`) stands around it, and not around each of the providers.
#[derive(Debug)]
pub struct RoutedMailer {
    old: Arc<dyn Mailer>,
    new: Arc<dyn Mailer>,
    share: Arc<Share>,
}

impl RoutedMailer {
    /// Routes between two providers.
    #[must_use]
    pub fn new(old: Arc<dyn Mailer>, new: Arc<dyn Mailer>, share: Arc<Share>) -> Self {
        Self { old, new, share }
    }

    /// Who sends to an address first, and who does if that one definitely cannot.
    fn route(&self, address: &str) -> (&dyn Mailer, &dyn Mailer) {
        if self.share.includes(address) { (&*self.new, &*self.old) } else { (&*self.old, &*self.new) }
    }
}

/// What an attempt came to.
enum Attempt {
    /// The answer, which stands.
    Answer(Result<Outcome>),
    /// The provider certainly did not take it, but another one may.
    NotTaken(Result<Outcome>),
}

async fn attempt(mailer: &dyn Mailer, mail: &Mail) -> Attempt {
    match mailer.send(mail).await {
        Ok(Outcome::RetryLater { after }) => Attempt::NotTaken(Ok(Outcome::RetryLater { after })),
        Ok(outcome) => Attempt::Answer(Ok(outcome)),
        Err(error) => match (error.retry_advice(), error.kind()) {
            // The port has no other word for it, whatever an adapter or a wrapper made of it.
            (Retry::Ambiguous, _) | (_, ErrorKind::Timeout) => Attempt::Answer(Ok(Outcome::Unknown)),
            (_, ErrorKind::Unavailable | ErrorKind::Denied | ErrorKind::Throttled) => {
                Attempt::NotTaken(Err(error))
            }
            _ => Attempt::Answer(Err(error)),
        },
    }
}

#[async_trait]
impl Mailer for RoutedMailer {
    async fn send(&self, mail: &Mail) -> Result<Outcome> {
        if let Some(fault) = fault_of(mail) {
            return Ok(Outcome::Rejected { reason: fault.to_owned() });
        }
        let (first, second) = self.route(&mail.to);
        // A list that cannot be asked keeps nobody from getting mail: addresses are put on both.
        if matches!(second.is_suppressed(&mail.to).await, Ok(true)) {
            return Ok(Outcome::Suppressed);
        }
        let refusal = match attempt(first, mail).await {
            Attempt::Answer(answer) => return answer,
            Attempt::NotTaken(refusal) => refusal,
        };
        if matches!(first.is_suppressed(&mail.to).await, Ok(true)) {
            return Ok(Outcome::Suppressed);
        }
        match attempt(second, mail).await {
            Attempt::Answer(answer) => answer,
            // What the one says whose mail it is tells more; unless it could only say that it is not there.
            Attempt::NotTaken(Ok(later)) if refusal.is_err() => Ok(later),
            Attempt::NotTaken(_) => refusal,
        }
    }

    async fn set_suppressed(&self, address: &str, suppressed: bool) -> Result<()> {
        let (old, new) =
            join!(self.old.set_suppressed(address, suppressed), self.new.set_suppressed(address, suppressed));
        // The address may be on one list and not on the other now; repeating it is harmless and makes up for that.
        old.and(new).map_err(|error| {
            if error.kind() == ErrorKind::Invalid { error } else { error.with("lists", "may differ") }
        })
    }

    async fn is_suppressed(&self, address: &str) -> Result<bool> {
        match join!(self.old.is_suppressed(address), self.new.is_suppressed(address)) {
            (Ok(true), _) | (_, Ok(true)) => Ok(true),
            (old, new) => Ok(old? || new?),
        }
    }

    async fn check(&self) -> Result<()> {
        try_join!(self.old.check(), self.new.check()).map(drop)
    }
}
