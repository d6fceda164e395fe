//! What became of a mail, written down: for providers that cannot tell a repeated request from a new one.
//!
//! Every attempt to send the mail of an id has a record in the session store's temporary data, under
//! `mail:<digest of the id>:<number of the attempt>`. One sender makes it, only where there is none, and nobody but that
//! sender writes it again:
//!
//! ```text
//!            (nothing) --> sending --> sent(message id)   the provider took it; repeats are duplicates
//!                             |------> failed             it certainly did not; the next attempt may be made
//!                             '------> unknown            nobody can say; nothing is ever sent under this id again
//! ```
//!
//! - A record says `sending` before the provider is asked. If that cannot be written, nothing is sent.
//! - A sender that dies, or cannot write what became of the mail, leaves a record that says `sending`. After
//!   [`SENDING_BOUND`] that counts as `unknown`: the mail may have been taken, so it is not sent a second time.
//! - Nothing is deleted and no record changes hands, so a late write of a slow sender can only say more about its own
//!   attempt and never lets two send.
//!
//! Mailers that share a session store share the ledger: what one provider took, or may have taken, another does not
//! send. Decision 16 has the alternatives.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep};
use waiterix_domain::Timestamp;
use waiterix_ports::mailer::fault_of;
use waiterix_ports::{Clock, Error, ErrorKind, Mail, Mailer, Outcome, Result, Retry, SessionStore};

use crate::Deadline;

/// How long what became of a mail is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(48 * 3_600);
/// How long a failed attempt is remembered: as long as it is, later attempts are found behind it, so it must outlive
/// them.
pub const FAILURE_REMEMBERED: Duration = Duration::from_secs(30 * 86_400);
/// After this time a sender that has not said what became of its mail is taken for dead. Longer than any sending takes.
pub const SENDING_BOUND: Duration = Duration::from_secs(60);
/// How long a sender waits for another one that is sending the same mail, unless its [`Deadline`] is sooner.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// The most attempts under one id.
pub const MAX_ATTEMPTS: u32 = 50;

/// How often what became of a mail is written before the record is left as it is.
const WRITES: u32 = 3;
/// The first and the longest pause between looking at another sender's record.
const PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// A mailer that keeps the promises about ids (**M2**, **M3**, **M6**) for one that cannot.
///
/// A sending whose future is dropped is like one whose process died: its mail counts as `Unknown` after
/// [`SENDING_BOUND`].
pub struct LedgeredMailer {
    inner: Arc<dyn Mailer>,
    ledger: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    /// Counters of a session store begin anew when it is moved elsewhere, so what tells senders apart is drawn as well: by what the
    /// standard library draws for its maps, since it guards against accidents only.
    marks: RandomState,
    sent: AtomicU64,
}

impl fmt::Debug for LedgeredMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgeredMailer").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// What is written down of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    state: State,
    /// A digest of all that the recipient sees.
    content: String,
    /// When the attempt began, in milliseconds since the Unix epoch.
    since_ms: i64,
    /// A mark of the sender among all that ever tried this id: no two have one.
    sender: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum State {
    Sending,
    Sent { message_id: String },
    Failed,
    Unknown,
}

/// What a record that is there says about a mail.
enum Finding {
    Answer(Outcome),
    /// It is this sender's own; only the answer to its making was lost.
    Own,
    /// It was certainly not sent by that attempt.
    Free,
    /// It is being sent; the sender is taken for dead after this time.
    Busy(Duration),
}

impl LedgeredMailer {
    /// A ledger around a mailer, kept in a session store. `clock` dates the records; the clocks of all senders must
    /// agree to within seconds.
    #[must_use]
    pub fn new(inner: Arc<dyn Mailer>, ledger: Arc<dyn SessionStore>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, ledger, clock, marks: RandomState::new(), sent: AtomicU64::new(0) }
    }

    /// Begins an attempt, or finds what is known of the one that was begun under this key. `None` where it ended in
    /// between.
    async fn begin(&self, key: &str, record: &Record) -> Result<Option<Finding>> {
        match self.ledger.temp_set_if_absent(key, &json(record)?, REMEMBERED).await {
            Ok(true) => Ok(Some(Finding::Own)),
            Ok(false) => self.look(key, record).await,
            // It may have been made all the same, and then nobody else may send.
            Err(error) if is_ambiguous(&error) => match self.look(key, record).await {
                Ok(Some(Finding::Own)) => Ok(Some(Finding::Own)),
                _ => Err(closed(error)),
            },
            Err(error) => Err(closed(error)),
        }
    }

    /// What the record under a key says to the sender of another one.
    async fn look(&self, key: &str, own: &Record) -> Result<Option<Finding>> {
        let found = match self.ledger.temp_get(key).await {
            Ok(None) => return Ok(None),
            Ok(Some(value)) => serde_json::from_value::<Record>(value).ok(),
            Err(error) if error.kind() == ErrorKind::Corrupt => None,
            Err(error) => return Err(closed(error)),
        };
        let Some(found) = found else {
            tracing::error!(key, "a record of the mail ledger cannot be understood");
            return Ok(Some(Finding::Answer(Outcome::Unknown)));
        };
        if found == *own {
            return Ok(Some(Finding::Own));
        }
        Ok(Some(found.finding(&own.content, self.clock.now())))
    }

    /// Sends a mail whose attempt has begun, and writes down what became of it.
    async fn deliver(&self, mail: &Mail, key: &str, record: Record) -> Result<Outcome> {
        let answer = match self.inner.send(mail).await {
            // The contract has no such errors; from a mailer that breaks it they must not pass for `not taken`.
            Err(error) if is_ambiguous(&error) => {
                tracing::warn!(key, %error, "whether the mail was taken is not known");
                Ok(Outcome::Unknown)
            }
            other => other,
        };
        let state = match &answer {
            Ok(Outcome::Accepted { message_id } | Outcome::Duplicate { message_id }) => {
                State::Sent { message_id: message_id.clone() }
            }
            Ok(Outcome::Unknown) => State::Unknown,
            Ok(
                Outcome::Conflict
                | Outcome::Suppressed
                | Outcome::Rejected { .. }
                | Outcome::RetryLater { .. },
            )
            | Err(_) => State::Failed,
        };
        self.write(key, &Record { state, ..record }).await;
        answer
    }

    /// Writes down what became of a mail. That it cannot be written changes nothing about what became of it, so there is
    /// no error; the record then says `sending`.
    async fn write(&self, key: &str, record: &Record) {
        let ttl = if record.state == State::Failed { FAILURE_REMEMBERED } else { REMEMBERED };
        let Ok(value) = json(record) else { return };
        for number in 1..=WRITES {
            match self.ledger.temp_set(key, &value, ttl).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(key, number, %error, "the mail ledger cannot be written"),
            }
            if number < WRITES {
                sleep(PAUSE * number).await;
            }
        }
        tracing::error!(key, "what became of a mail is not written down; it will count as unknown");
    }
}

impl Record {
    fn finding(self, content: &str, now: Timestamp) -> Finding {
        let is_same = self.content == content;
        let unknown = if is_same { Outcome::Unknown } else { Outcome::Conflict };
        match self.state {
            State::Failed => Finding::Free,
            State::Sent { message_id } if is_same => Finding::Answer(Outcome::Duplicate { message_id }),
            State::Sent { .. } => Finding::Answer(Outcome::Conflict),
            State::Unknown => Finding::Answer(unknown),
            State::Sending => match self.time_left(now) {
                Some(left) => Finding::Busy(left),
                None => Finding::Answer(unknown),
            },
        }
    }

    /// How much longer the sender may be at it; `None` when it is taken for dead.
    fn time_left(&self, now: Timestamp) -> Option<Duration> {
        let passed = now.as_millis().saturating_sub(self.since_ms);
        SENDING_BOUND
            .checked_sub(Duration::from_millis(passed.max(0).unsigned_abs()))
            .filter(|left| !left.is_zero())
    }
}

/// Whether what was asked for may have been done in spite of the error.
fn is_ambiguous(error: &Error) -> bool {
    error.kind() == ErrorKind::Timeout || error.retry_advice() == Retry::Ambiguous
}

/// The ledger does not work, so nothing is sent.
fn closed(error: Error) -> Error {
    Error::new(ErrorKind::Unavailable, "ledger.send")
        .retry(Retry::Safe)
        .with("fault", "the mail ledger does not answer; nothing was sent")
        .because(error)
}

fn json(record: &Record) -> Result<serde_json::Value> {
    serde_json::to_value(record)
        .map_err(|error| Error::new(ErrorKind::Invalid, "ledger.record").because(error))
}

/// A digest of all that the recipient sees. Lengths are part of it, so that no text can pass for another field.
fn digest(mail: &Mail) -> String {
    let mut hash = Sha256::new();
    let reply_to = mail.reply_to.as_deref().unwrap_or_default();
    for field in [mail.kind.as_str(), &mail.to, reply_to, &mail.subject, &mail.html, &mail.text] {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    format!("{:x}", hash.finalize())
}

#[async_trait]
impl Mailer for LedgeredMailer {
    async fn send(&self, mail: &Mail) -> Result<Outcome> {
        // What no provider takes leaves no trace.
        if let Some(fault) = fault_of(mail) {
            return Ok(Outcome::Rejected { reason: fault.to_owned() });
        }
        let (id, content) = (format!("{:x}", Sha256::digest(mail.id.as_str())), digest(mail));
        let number =
            self.ledger.temp_count(&format!("mail:{id}"), FAILURE_REMEMBERED).await.map_err(closed)?;
        let sender = self.marks.hash_one((number, self.sent.fetch_add(1, Ordering::Relaxed)));
        let patient_until = Instant::now() + PATIENCE;
        let (mut attempt, mut pause) = (1, PAUSE);
        loop {
            let key = format!("mail:{id}:{attempt}");
            let since_ms = self.clock.now().as_millis();
            let record = Record { state: State::Sending, content: content.clone(), since_ms, sender };
            let left = match self.begin(&key, &record).await? {
                Some(Finding::Own) => return self.deliver(mail, &key, record).await,
                Some(Finding::Answer(outcome)) => return Ok(outcome),
                Some(Finding::Free) if attempt == MAX_ATTEMPTS => {
                    return Ok(Outcome::Rejected { reason: "refused too often under this id".to_owned() });
                }
                Some(Finding::Free) => {
                    attempt += 1;
                    continue;
                }
                Some(Finding::Busy(left)) => left,
                // It ended between the two questions; the next turn begins anew.
                None => Duration::ZERO,
            };
            // Who waits beyond the deadline is heard by nobody; who is told to come back can do so.
            let is_due = Deadline::current().is_some_and(|deadline| deadline.left() <= pause);
            if is_due || Instant::now() >= patient_until {
                return Ok(Outcome::RetryLater { after: Some(left) });
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn set_suppressed(&self, address: &str, suppressed: bool) -> Result<()> {
        self.inner.set_suppressed(address, suppressed).await
    }

    async fn is_suppressed(&self, address: &str) -> Result<bool> {
        self.inner.is_suppressed(address).await
    }

    /// Proves the mailer and the ledger.
    async fn check(&self) -> Result<()> {
        self.ledger.check().await?;
        self.inner.check().await
    }
}
