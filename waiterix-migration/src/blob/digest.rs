//! The digest of bytes that pass by.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::stream::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use waiterix_ports::blob::ByteStream;
use waiterix_ports::{Bytes, Result};

/// The SHA-256 of what has been read of a body.
#[derive(Clone, Default)]
pub(super) struct Sum(Arc<Mutex<(Sha256, u64)>>);

impl Sum {
    /// The digest, if so many bytes were read.
    pub(super) fn of_bytes(&self, size: u64) -> Option<[u8; 32]> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (state.1 == size).then(|| state.0.clone().finalize().into())
    }
}

struct Digested {
    body: ByteStream,
    sum: Sum,
}

impl Stream for Digested {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(self.body.poll_next_unpin(context));
        if let Some(Ok(bytes)) = &piece {
            let mut state = self.sum.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.0.update(bytes);
            state.1 += bytes.len() as u64;
        }
        Poll::Ready(piece)
    }
}

/// A body that tells its digest afterwards.
pub(super) fn digested(body: ByteStream) -> (ByteStream, Sum) {
    let sum = Sum::default();
    (Box::pin(Digested { body, sum: sum.clone() }), sum)
}

/// The digest of a body and how many bytes it had, reading it to its end.
pub(super) async fn digest_of(mut body: ByteStream) -> Result<([u8; 32], u64)> {
    let (mut state, mut size) = (Sha256::new(), 0);
    while let Some(piece) = body.next().await {
        let piece = piece?;
        size += piece.len() as u64;
        state.update(&piece);
    }
    Ok((state.finalize().into(), size))
}
