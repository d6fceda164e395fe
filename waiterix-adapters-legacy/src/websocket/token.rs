//! The name of a process among those on one database.

use std::fmt;

/// Random, and new at every start, so that nothing an earlier process said can be taken for this one's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Token([u8; 16]);

impl Token {
    pub(super) const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads what [`fmt::Display`] writes, and nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(plain) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }

    /// The lock a process holds while it listens. Of two processes one in four billion pairs has the same one; those two
    /// would not see each other until one of them starts anew.
    pub(super) const fn key(self) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }

    /// A seed for pauses, different in every process.
    pub(super) const fn seed(self) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_is_written() {
        let mut bytes = [0; 16];
        bytes[3] = 7;
        bytes[15] = 255;
        let token = Token::new(bytes);
        assert_eq!(Token::parse(&token.to_string()), Some(token));
        assert_eq!((token.key(), token.seed()), (7, 255));
        for bad in ["", "7", &"F".repeat(32), &"+".repeat(32), &"0".repeat(33), &"ä".repeat(16)] {
            assert_eq!(Token::parse(bad), None, "{bad}");
        }
    }
}
