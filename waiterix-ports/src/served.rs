//! An object on its way out: which bytes of it a server says it sends, and that it sends all of them.

use std::future::Future;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::try_unfold;

use crate::{ByteStream, Error, ErrorKind, Retry};

/// A body that a client of a server receives.
pub trait Pieces: Send + 'static {
    /// The next piece; nothing at the end. What went wrong is left out, because texts of clients may name the host or the object.
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes, Broken>>> + Send;
}

/// A body broke off or is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// `bytes 0-9/100`, as `Content-Range` says it, as a range and the size of the object; `None` for what is not such a text.
#[must_use]
pub fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, size): (u64, u64, u64) = (first.parse().ok()?, last.parse().ok()?, size.parse().ok()?);
    (first <= last && last < size).then_some((first..last + 1, size))
}

/// A body of exactly so many bytes, of which no piece takes longer than `limit`. One that ends early, does not go on, or is
/// damaged is an error, of `operation`, and not a short body: `Unavailable`, `Timeout`, or `Corrupt` if it is too long.
pub fn exactly(operation: &'static str, body: impl Pieces, length: u64, limit: Duration) -> ByteStream {
    let broken = move |kind, fault| Error::new(kind, operation).retry(Retry::Safe).with("fault", fault);
    Box::pin(try_unfold((body, length), move |(mut body, left)| async move {
        match tokio::time::timeout(limit, body.next()).await {
            Err(_) => Err(broken(ErrorKind::Timeout, "the body does not go on")),
            Ok(Some(Err(Broken))) => Err(broken(ErrorKind::Unavailable, "the body broke off or is damaged")),
            Ok(None) if left > 0 => Err(broken(ErrorKind::Unavailable, "the body is too short")),
            Ok(None) => Ok(None),
            Ok(Some(Ok(piece))) => match left.checked_sub(piece.len() as u64) {
                Some(left) => Ok(Some((piece, (body, left)))),
                None => Err(broken(ErrorKind::Corrupt, "the body is too long")),
            },
        }
    }))
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    /// Pieces, and what comes after them.
    struct Body(Vec<&'static [u8]>, End);

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum End {
        Ends,
        Breaks,
        Hangs,
    }

    impl Pieces for Body {
        async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
            if let Some(piece) = self.0.pop() {
                return Some(Ok(Bytes::from_static(piece)));
            }
            match self.1 {
                End::Ends => None,
                End::Breaks => Some(Err(Broken)),
                End::Hangs => std::future::pending().await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_another_length_is_an_error() {
        for (end, length, expected) in [
            (End::Ends, 10, Ok(b"ten bytes!".to_vec())),
            (End::Ends, 11, Err(ErrorKind::Unavailable)),
            (End::Ends, 9, Err(ErrorKind::Corrupt)),
            (End::Breaks, 11, Err(ErrorKind::Unavailable)),
            (End::Hangs, 11, Err(ErrorKind::Timeout)),
        ] {
            let body = exactly("test", Body(vec![b"bytes!", b"ten "], end), length, Duration::from_secs(1));
            let whole = body.try_collect::<Vec<Bytes>>().await.map(|pieces| pieces.concat());
            assert_eq!(whole.map_err(|error| error.kind()), expected, "{end:?} {length}");
        }
    }

    #[test]
    fn content_ranges_are_read_exactly() {
        assert_eq!(content_range("bytes 0-0/1"), Some((0..1, 1)));
        assert_eq!(content_range("bytes 5-9/100"), Some((5..10, 100)));
        for bad in
            ["", "bytes */10", "bytes 5-4/10", "bytes 0-10/10", "bytes 0-1/*", "items 0-1/2", "bytes -1/2"]
        {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
