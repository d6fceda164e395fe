//! A body on its way in, cut into parts: what every store does that sends large objects in parts.

use std::fmt;
use std::future::poll_fn;

use bytes::{Bytes, BytesMut};

use crate::{ByteStream, Error, ErrorKind, Result};

/// A body that is being taken. It never holds more than one part and one piece of its sender.
pub struct Intake {
    operation: &'static str,
    body: ByteStream,
    announced: Option<u64>,
    limit: u64,
    taken: u64,
    /// What was received and belongs to the next part.
    ahead: Bytes,
}

/// One part of a body.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its bytes.
    pub bytes: Bytes,
    /// Whether nothing follows.
    pub is_last: bool,
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("taken", &self.taken)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl Intake {
    /// Takes `limit` bytes at most, and exactly as many as were announced, if they were. `operation` is named by errors.
    ///
    /// # Errors
    /// `Invalid` when more are announced than may be taken; then nothing was read.
    pub fn new(
        operation: &'static str,
        body: ByteStream,
        announced: Option<u64>,
        limit: u64,
    ) -> Result<Self> {
        if announced.is_some_and(|size| size > limit) {
            return Err(invalid(operation, "body is too long"));
        }
        Ok(Self { operation, body, announced, limit, taken: 0, ahead: Bytes::new() })
    }

    /// How many bytes were received so far.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// The next part: exactly `size` bytes, or fewer if it is the last. What was received of a body that fails is lost.
    ///
    /// # Errors
    /// `Invalid` for a body longer than the limit or of another length than announced, and what the body itself fails with.
    pub async fn part(&mut self, size: usize) -> Result<Part> {
        let mut part = BytesMut::new();
        loop {
            let fits = self.ahead.len().min(size - part.len());
            part.extend_from_slice(&self.ahead.split_to(fits));
            if !self.ahead.is_empty() {
                return Ok(Part { bytes: part.freeze(), is_last: false });
            }
            match poll_fn(|context| self.body.as_mut().poll_next(context)).await {
                Some(piece) => self.receive(piece?)?,
                None => {
                    if self.announced.is_some_and(|announced| announced != self.taken) {
                        return Err(invalid(self.operation, "body has another length than announced"));
                    }
                    return Ok(Part { bytes: part.freeze(), is_last: true });
                }
            }
        }
    }

    fn receive(&mut self, piece: Bytes) -> Result<()> {
        self.taken = self.taken.saturating_add(piece.len() as u64);
        if self.taken > self.limit {
            return Err(invalid(self.operation, "body is too long"));
        }
        if self.announced.is_some_and(|announced| self.taken > announced) {
            return Err(invalid(self.operation, "body has another length than announced"));
        }
        self.ahead = piece;
        Ok(())
    }
}

fn invalid(operation: &'static str, fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation).with("fault", fault)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(pieces: &[usize]) -> (ByteStream, Vec<u8>) {
        let mut number = 0_u8;
        let pieces: Vec<Bytes> = pieces
            .iter()
            .map(|size| {
                (0..*size)
                    .map(|_| {
                        number = number.wrapping_add(1);
                        number
                    })
                    .collect()
            })
            .collect();
        let all = pieces.concat();
        (Box::pin(futures_util::stream::iter(pieces.into_iter().map(Ok))), all)
    }

    /// Takes everything in parts of a size.
    fn taken(mut intake: Intake, size: usize) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        futures_util::FutureExt::now_or_never(async {
            loop {
                let part = intake.part(size).await?;
                let is_last = part.is_last;
                parts.push(part);
                if is_last {
                    return Ok(parts);
                }
            }
        })
        .expect("a body in memory is ready")
    }

    proptest! {
        #[test]
        fn every_part_but_the_last_is_full_and_nothing_is_lost(
            pieces in proptest::collection::vec(0..20_usize, 0..12),
            size in 1..15_usize,
        ) {
            let (body, all) = body(&pieces);
            let announced = (all.len() % 2 == 0).then_some(all.len() as u64);
            let parts = taken(Intake::new("test", body, announced, all.len() as u64).unwrap(), size).unwrap();
            let (last, full) = parts.split_last().unwrap();
            prop_assert!(full.iter().all(|part| part.bytes.len() == size));
            prop_assert!(last.bytes.len() <= size);
            // An empty last part would be one request for nothing; only an empty body is an empty part.
            prop_assert!(!last.bytes.is_empty() || full.is_empty());
            prop_assert_eq!(parts.iter().flat_map(|part| part.bytes.to_vec()).collect::<Vec<u8>>(), all);
        }
    }

    #[test]
    fn lengths_are_checked_before_a_part_is_given_away() {
        for (pieces, announced, limit) in [
            (vec![5, 6], None, 10),
            (vec![5, 5], Some(9), 10),
            (vec![5, 5], Some(11), 20),
            (vec![], Some(1), 20),
            (vec![1], Some(0), 20),
        ] {
            let (body, _) = body(&pieces);
            let fault = taken(Intake::new("test", body, announced, limit).unwrap(), 100).unwrap_err();
            assert_eq!(fault.kind(), ErrorKind::Invalid, "{pieces:?} {announced:?}");
        }
        let (body, _) = body(&[]);
        assert!(Intake::new("test", body, Some(11), 10).is_err(), "refused without reading");
    }
}
