//! Telling what happens: one span and one observation per operation.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use waiterix_ports::{ByteStream, Bytes, ErrorKind, Result, Violation};

use crate::around::{Around, Call};
use crate::attempts::Attempts;
use crate::operation::{Operation, blob};

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It was answered.
    Answered,
    /// It failed.
    Failed(ErrorKind),
    /// The side of a move that was asked does not take writes now. Whoever knows both sides asks the other one, so in a change of
    /// the lead this is no fault; whoever knows one side fails, and says so.
    NotLeading,
    /// The caller stopped waiting.
    Abandoned,
}

impl Ending {
    /// The ending as a stable word, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::Failed(kind) => kind.as_str(),
            Self::NotLeading => "not_leading",
            Self::Abandoned => "abandoned",
        }
    }

    fn of<T>(answer: &Result<T>) -> Self {
        match answer {
            Ok(_) => Self::Answered,
            Err(error) if error.violation() == Some(&Violation::NotLeading) => Self::NotLeading,
            Err(error) => Self::Failed(error.kind()),
        }
    }

    /// Whether somebody should look at it: the outside does not do what it should. That something is not there or has
    /// changed is daily business.
    #[must_use]
    pub const fn is_alarming(self) -> bool {
        use ErrorKind::{Corrupt, Denied, Throttled, Timeout, Unavailable, Unsupported};
        matches!(self, Self::Failed(Corrupt | Denied | Throttled | Timeout | Unavailable | Unsupported))
    }
}

/// What is known about an operation that has ended: no keys, no ids, no addresses, nothing anybody wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The operation.
    pub operation: &'static Operation,
    /// How it ended.
    pub ending: Ending,
    /// How often it was begun; more than 1 only where a [`Retry`](crate::Retry) is inside of the [`Trace`].
    pub attempts: u32,
    /// How long it took.
    pub duration: Duration,
}

/// Takes observations, to make metrics of them.
pub trait Meter: fmt::Debug + Send + Sync + 'static {
    /// Notes one. It is called where the operation ends, so it must not block.
    fn observe(&self, observation: &Observation);
}

/// Takes no notice.
impl Meter for () {
    fn observe(&self, _: &Observation) {}
}

/// Tells what happens to every call: a span named `port` (level DEBUG) with `port` and `operation`, and at its end an event
/// with `outcome`, `attempts` and `duration_ms` as well, at level WARN if the outside does not do what it should and at
/// DEBUG else; and an [`Observation`] for the [`Meter`].
///
/// The texts of errors are left to whoever handles them. A call whose future is dropped ends as `abandoned`. The body of a
/// get is an operation of its own, `blob.get_body`, which ends with its last piece or when the reader drops it.
#[derive(Debug)]
pub struct Trace {
    meter: Arc<dyn Meter>,
}

impl Trace {
    /// One that tells a meter, besides the log.
    #[must_use]
    pub fn new(meter: Arc<dyn Meter>) -> Self {
        Self { meter }
    }

    fn watch(&self, operation: &'static Operation) -> Watch {
        let span = tracing::debug_span!(
            "port",
            port = operation.port.as_str(),
            operation = operation.name,
            outcome = Empty,
            attempts = Empty,
            duration_ms = Empty,
        );
        Watch {
            operation,
            meter: self.meter.clone(),
            span,
            attempts: Attempts::first(),
            begin: Instant::now(),
            ending: Ending::Abandoned,
        }
    }
}

/// One operation under way; tells about it when it is dropped.
struct Watch {
    operation: &'static Operation,
    meter: Arc<dyn Meter>,
    span: Span,
    attempts: Attempts,
    begin: Instant,
    ending: Ending,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let observation = Observation {
            operation: self.operation,
            ending: self.ending,
            attempts: self.attempts.count(),
            duration: self.begin.elapsed(),
        };
        let Observation { operation, ending, attempts, duration } = observation;
        let (port, operation, outcome) = (operation.port.as_str(), operation.name, ending.as_str());
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.span.record("outcome", outcome);
        self.span.record("attempts", attempts);
        self.span.record("duration_ms", duration_ms);
        // Outside of the span, which would say everything a second time.
        if ending.is_alarming() {
            tracing::warn!(port, operation, outcome, attempts, duration_ms, "a port failed");
        } else {
            tracing::debug!(port, operation, outcome, attempts, duration_ms, "a port answered");
        }
        self.meter.observe(&observation);
    }
}

impl Around for Trace {
    async fn around<'a, T: Send + 'a>(&'a self, call: Call<'a, T>) -> Result<T> {
        let mut watch = self.watch(call.operation);
        let attempts = watch.attempts.clone();
        let answer = attempts.scope(call.begin()).instrument(watch.span.clone()).await;
        watch.ending = Ending::of(&answer);
        answer
    }

    fn body(&self, body: ByteStream) -> ByteStream {
        Box::pin(WatchedBody { body, watch: Some(self.watch(&blob::GET_BODY)) })
    }
}

/// A body whose end is told.
struct WatchedBody {
    body: ByteStream,
    watch: Option<Watch>,
}

impl Stream for WatchedBody {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let span = this.watch.as_ref().map(|watch| watch.span.clone());
        let piece = span.unwrap_or_else(Span::none).in_scope(|| this.body.as_mut().poll_next(context));
        let ending = match &piece {
            Poll::Ready(None) => Ending::Answered,
            Poll::Ready(Some(Err(error))) => Ending::Failed(error.kind()),
            _ => return piece,
        };
        if let Some(mut watch) = this.watch.take() {
            watch.ending = ending;
        }
        piece
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.body.size_hint()
    }
}
