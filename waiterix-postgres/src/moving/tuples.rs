//! Rows of a binary `COPY` with their hashes: the hash of each is its last column, and is taken off on the way.
//!
//! So what was read is counted and hashed in the one pass that reads it, by the server that has it.

use waiterix_ports::moving::Leaf;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// The signature, the flags, and the length of what else there is, which is nothing.
const HEADER: usize = SIGNATURE.len() + 8;
/// How many columns the end has instead.
const END: i16 = -1;

/// What came is no binary copy, or has no hash at the end of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Takes hashes off rows.
#[derive(Debug, Default)]
pub(super) struct Tuples {
    /// The beginning of what has not come wholly.
    pending: Vec<u8>,
    data: Vec<u8>,
    leaf: Leaf,
    begun: bool,
    ended: bool,
    malformed: bool,
}

impl Tuples {
    /// Takes the next piece, cut anywhere.
    pub(super) fn take(&mut self, piece: &[u8]) {
        if self.pending.is_empty() {
            let used = self.advance(piece);
            self.pending.extend_from_slice(piece.get(used..).unwrap_or_default());
        } else {
            let mut pending = std::mem::take(&mut self.pending);
            pending.extend_from_slice(piece);
            let used = self.advance(&pending);
            pending.drain(..used);
            self.pending = pending;
        }
    }

    /// The rows without their hashes, and what was counted of them.
    pub(super) fn finish(self) -> Result<(Leaf, Vec<u8>), Malformed> {
        if self.malformed || !self.ended || !self.pending.is_empty() {
            return Err(Malformed);
        }
        Ok((self.leaf, self.data))
    }

    /// Handles all that has come wholly; answers how many bytes that was.
    fn advance(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while !self.malformed && used < bytes.len() {
            match self.piece(&bytes[used..]) {
                Some(length) => used += length,
                None => break,
            }
        }
        used
    }

    /// Handles the header or a row at the beginning of `bytes`, if it is there wholly; answers its length.
    fn piece(&mut self, bytes: &[u8]) -> Option<usize> {
        if !self.begun {
            let header = bytes.get(..HEADER)?;
            self.malformed = !header.starts_with(SIGNATURE) || header[SIGNATURE.len()..] != [0; 8];
            self.data.extend_from_slice(header);
            self.begun = true;
            return Some(HEADER);
        }
        let columns = i16::from_be_bytes(*bytes.first_chunk()?);
        if self.ended || (columns < 2 && columns != END) {
            self.malformed = true;
            return None;
        }
        if columns == END {
            self.data.extend_from_slice(&bytes[..2]);
            self.ended = true;
            return Some(2);
        }
        let (mut at, mut last) = (2, 2);
        for _ in 0..columns {
            last = at;
            let length = i32::from_be_bytes(*bytes.get(at..)?.first_chunk()?);
            // Less than nothing is null.
            at += 4 + usize::try_from(length).unwrap_or(0);
        }
        let hash = bytes.get(last..at)?;
        let &[0, 0, 0, 8, ref hash @ ..] = hash else {
            self.malformed = true;
            return None;
        };
        let Some(hash) = hash.first_chunk() else {
            self.malformed = true;
            return None;
        };
        add(&mut self.leaf, u64::from_be_bytes(*hash));
        self.data.extend_from_slice(&(columns - 1).to_be_bytes());
        self.data.extend_from_slice(&bytes[2..last]);
        Some(at)
    }
}

/// Counts a row, as the server does.
fn add(leaf: &mut Leaf, hash: u64) {
    leaf.rows += 1;
    leaf.hash ^= hash;
    leaf.sum = leaf.sum.wrapping_add(hash);
}

/// No rows at all.
pub(super) fn none() -> Vec<u8> {
    [SIGNATURE, &[0; 8], &END.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: &[Option<&[u8]>]) -> Vec<u8> {
        let mut row = i16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
        for column in columns {
            match column {
                None => row.extend((-1_i32).to_be_bytes()),
                Some(bytes) => {
                    row.extend(i32::try_from(bytes.len()).unwrap().to_be_bytes());
                    row.extend(*bytes);
                }
            }
        }
        row
    }

    fn whole(rows: &[Vec<u8>]) -> Vec<u8> {
        [SIGNATURE, &[0; 8], &rows.concat(), &END.to_be_bytes()].concat()
    }

    #[test]
    fn hashes_are_taken_off_wherever_the_pieces_are_cut() {
        let (one, two) = (7_u64.to_be_bytes(), u64::MAX.to_be_bytes());
        let with =
            whole(&[row(&[Some(b"a"), None, Some(&one)]), row(&[Some(b""), Some(b"long"), Some(&two)])]);
        let without = whole(&[row(&[Some(b"a"), None]), row(&[Some(b""), Some(b"long")])]);
        let expected = Leaf { rows: 2, hash: 7 ^ u64::MAX, sum: 6 };
        for size in 1..=with.len() {
            let mut tuples = Tuples::default();
            with.chunks(size).for_each(|piece| tuples.take(piece));
            assert_eq!(tuples.finish(), Ok((expected, without.clone())), "pieces of {size}");
        }
    }

    #[test]
    fn nothing_but_a_whole_copy_is_taken_for_one() {
        let good = whole(&[row(&[Some(b"a"), Some(&7_u64.to_be_bytes())])]);
        let finish = |bytes: &[u8]| {
            let mut tuples = Tuples::default();
            tuples.take(bytes);
            tuples.finish()
        };
        assert!(finish(&good).is_ok());
        for length in 0..good.len() {
            assert_eq!(finish(&good[..length]), Err(Malformed), "the first {length} bytes");
        }
        assert_eq!(finish(&[good.as_slice(), b"x"].concat()), Err(Malformed));
        assert_eq!(finish(&whole(&[row(&[Some(b"a"), Some(b"short")])])), Err(Malformed));
        assert_eq!(finish(&whole(&[row(&[Some(b"a"), None])])), Err(Malformed));
        assert_eq!(finish(&whole(&[row(&[Some(&7_u64.to_be_bytes())])])), Err(Malformed));
        assert_eq!(finish(&none()), Ok((Leaf::default(), none())));
    }
}
