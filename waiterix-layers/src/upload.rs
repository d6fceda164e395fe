//! The body of a put, which can be read once, shared by the attempts to store it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::time::Instant;
use waiterix_domain::id::UserId;
use waiterix_ports::{ByteStream, Bytes, PutBlob, PutMode, Result, Visibility};

/// A [`PutBlob`] that can be handed over again as long as nobody has begun to read its body: a store that cannot be
/// reached, or that refuses, has usually not done so.
pub(crate) struct Upload {
    body: Arc<Mutex<Body>>,
    size: Option<u64>,
    content_type: Option<String>,
    cache_control: Option<String>,
    owner: Option<UserId>,
    visibility: Visibility,
    mode: PutMode,
    max_size: u64,
}

struct Body {
    pieces: ByteStream,
    /// Whether a piece was ever asked for.
    is_begun: bool,
    /// When a piece was taken last.
    taken_at: Option<Instant>,
}

impl Upload {
    pub(crate) fn new(blob: PutBlob) -> Self {
        let PutBlob { body, size, content_type, cache_control, owner, visibility, mode, max_size } = blob;
        let body = Arc::new(Mutex::new(Body { pieces: body, is_begun: false, taken_at: None }));
        Self { body, size, content_type, cache_control, owner, visibility, mode, max_size }
    }

    /// The object for one attempt.
    pub(crate) fn blob(&self) -> PutBlob {
        PutBlob {
            body: Box::pin(Pieces(self.body.clone())),
            size: self.size,
            content_type: self.content_type.clone(),
            cache_control: self.cache_control.clone(),
            owner: self.owner.clone(),
            visibility: self.visibility,
            mode: self.mode.clone(),
            max_size: self.max_size,
        }
    }

    /// Whether the body was begun to be read.
    pub(crate) fn is_begun(&self) -> bool {
        held(&self.body).is_begun
    }

    /// When a piece was taken last.
    pub(crate) fn last_progress(&self) -> Option<Instant> {
        held(&self.body).taken_at
    }
}

/// A stream that panicked is not read on by anybody who could notice, so the poison is of no interest.
fn held(body: &Mutex<Body>) -> MutexGuard<'_, Body> {
    body.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The pieces of the body, whichever attempt reads them.
struct Pieces(Arc<Mutex<Body>>);

impl Stream for Pieces {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = held(&self.0);
        body.is_begun = true;
        let piece = body.pieces.as_mut().poll_next(context);
        if piece.is_ready() {
            body.taken_at = Some(Instant::now());
        }
        piece
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        held(&self.0).pieces.size_hint()
    }
}
