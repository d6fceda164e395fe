//! Giving up in time.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::unfold;
use tokio::time::{Instant, timeout_at};
use waiterix_ports::{ByteStream, Error, ErrorKind, Result, Retry};

use crate::around::{Around, Call};
use crate::deadline::Deadline;
use crate::operation::{Effect, Operation, Size, blob};

/// How long an operation may take, by its [`Size`].
///
/// The defaults end before the 29 s after which API Gateway gives up on a function, and a point leaves time for a second
/// attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One question or one change. 8 s.
    pub point: Duration,
    /// Many rows, keys or connections. 20 s.
    pub walk: Duration,
    /// The time in which at least one piece of an object must move; a copy, whose bytes nobody sees, must be done in it.
    /// 20 s.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { point: Duration::from_secs(8), walk: Duration::from_secs(20), stall: Duration::from_secs(20) }
    }
}

impl Limits {
    const fn of(&self, operation: &Operation) -> Duration {
        match operation.size {
            Size::Point => self.point,
            Size::Walk => self.walk,
            Size::Transfer => self.stall,
        }
    }
}

/// Gives a call up when it takes longer than its limit, or than the [`Deadline`] of the task: `Timeout`, with the advice
/// `Safe` if it only reads, `Ambiguous` if it may have been done. A call that could only begin after the deadline is not
/// begun, which is `Safe`.
///
/// Giving up drops the future of the port:
///
/// | port | what is dropped |
/// |---|---|
/// | `Store` | a read has no effect; a commit is done whole or not at all (S11), nobody knows which, and can be sent again (S19) |
/// | `BlobStore` | a put leaves the old object or the new one (B2); a copy likewise; the rest says what is to be |
/// | `Mailer` | the mail may be on its way, so the answer is [`Outcome::Unknown`](waiterix_ports::Outcome::Unknown) |
/// | `SessionStore` | every operation is one step of the store, done or not; what is taken or counted may be lost |
/// | `Notifier` | some of the audience may have heard; nobody hears half a message |
///
/// The limit of a put and of the body of a get is one for progress: it starts anew with every piece, so that large objects
/// take as long as they need. A body that stalls ends with the error.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timeout {
    limits: Limits,
}

impl Timeout {
    /// One with limits of its own.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits }
    }
}

impl Around for Timeout {
    async fn around<'a, T: Send + 'a>(&'a self, call: Call<'a, T>) -> Result<T> {
        let operation = call.operation;
        let deadline = Deadline::current();
        if deadline.is_some_and(|deadline| deadline.left().is_zero()) {
            return Err(given_up(operation, "the deadline has passed").retry(Retry::Safe));
        }
        let limit = self.limits.of(operation);
        let mut answer = call.begin();
        let mut progress = Instant::now();
        loop {
            let end = within(progress + limit, deadline);
            if let Ok(answer) = timeout_at(end, &mut answer).await {
                return answer;
            }
            match call.last_progress() {
                Some(last) if last > progress && within(last + limit, deadline) > end => progress = last,
                _ if deadline.is_some_and(|deadline| deadline.instant() == end) => {
                    return Err(given_up(operation, "the deadline has passed"));
                }
                _ => return Err(given_up(operation, "no answer in time").with("limit_ms", limit.as_millis())),
            }
        }
    }

    fn body(&self, body: ByteStream) -> ByteStream {
        let limit = self.limits.of(&blob::GET_BODY);
        Box::pin(unfold(Some(body), move |body| async move {
            let mut body = body?;
            match timeout_at(within(Instant::now() + limit, Deadline::current()), body.next()).await {
                Ok(piece) => Some((piece?, Some(body))),
                Err(_) => Some((Err(given_up(&blob::GET_BODY, "the body stalls")), None)),
            }
        }))
    }
}

fn within(end: Instant, deadline: Option<Deadline>) -> Instant {
    deadline.map_or(end, |deadline| deadline.instant().min(end))
}

fn given_up(operation: &'static Operation, why: &'static str) -> Error {
    let retry = match operation.effect {
        Effect::Reads => Retry::Safe,
        Effect::Writes => Retry::Ambiguous,
    };
    Error::new(ErrorKind::Timeout, operation.name).retry(retry).with("fault", why)
}
