//! How a table is told apart for a comparison.

/// The keys of a table, told apart into shares by a hash of the key. Which share a key belongs to is the same on both sides of a move,
/// wherever its row lies and whatever keys look like; so all shares are counted in one pass, in the order in which the rows of each side
/// lie, and those of a few are read in another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    bits: u32,
}

impl Shares {
    /// The most there are.
    pub const MOST: u32 = 1 << 14;
    /// Everything as one share.
    pub const WHOLE: Self = Self { bits: 0 };

    /// Shares of about `each` rows, or fewer, of a table with about `rows` of them; [`Shares::MOST`] at most.
    #[must_use]
    pub fn of(rows: u64, each: u64) -> Self {
        let wanted = rows / each.max(1);
        let bits = (u64::BITS - wanted.leading_zeros()).min(Self::MOST.trailing_zeros());
        Self { bits }
    }

    /// How many there are: a power of two.
    #[must_use]
    pub const fn count(self) -> u32 {
        1 << self.bits
    }

    /// The share that a key with this hash belongs to.
    #[must_use]
    pub const fn of_hash(self, hash: u64) -> u32 {
        // Fewer bits than a share's number has.
        (hash & (self.count() as u64 - 1)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_shares_as_rows_need_and_no_more_than_a_statement_bears() {
        let count = |rows, each| Shares::of(rows, each).count();
        assert_eq!([count(0, 1_000), count(999, 1_000), count(1_000, 1_000)], [1, 1, 2]);
        assert_eq!([count(3_999, 1_000), count(4_000, 1_000)], [4, 8]);
        assert_eq!([count(4_000_000, 1_000), count(u64::MAX, 1), count(5, 0)], [4_096, 16_384, 8]);
        assert_eq!(Shares::WHOLE.count(), 1);
    }

    #[test]
    fn every_hash_belongs_to_one_of_them() {
        for rows in [0, 5, 70, u64::MAX] {
            let shares = Shares::of(rows, 1);
            for hash in [0, 1, 63, 64, u64::MAX, u64::MAX / 3] {
                assert!(shares.of_hash(hash) < shares.count());
                assert_eq!(u64::from(shares.of_hash(hash)), hash % u64::from(shares.count()));
            }
        }
    }
}
