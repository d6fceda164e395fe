//! The `Range` header.

use std::ops::Range;

use axum::http::HeaderValue;

/// What a `Range` header asks for. Whatever is not one plain range of bytes asks for everything, as the header's own
/// rules permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Everything.
    All,
    /// From a byte to a byte, inclusive; to the end without.
    From(u64, Option<u64>),
    /// So many bytes at the end.
    Last(u64),
}

/// Reads the header.
pub(super) fn wanted(header: Option<&HeaderValue>) -> Wanted {
    header.and_then(|value| parse(value.to_str().ok()?)).unwrap_or(Wanted::All)
}

fn parse(text: &str) -> Option<Wanted> {
    let (start, end) = text.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse::<u64>().unwrap_or(u64::MAX))
    };
    match (start, end) {
        ("", end) => Some(Wanted::Last(number(end)?)),
        (start, "") => Some(Wanted::From(number(start)?, None)),
        (start, end) => {
            let (start, end) = (number(start)?, number(end)?);
            (start <= end).then_some(Wanted::From(start, Some(end)))
        }
    }
}

impl Wanted {
    /// The bytes of an object of this size; `None` when it has none of those asked for.
    pub(super) fn within(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::All => 0..size,
            Self::From(start, end) => start..end.map_or(size, |end| end.saturating_add(1).min(size)),
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_plain_range_is_understood_and_everything_else_means_all() {
        for (text, want) in [
            ("bytes=0-4", Wanted::From(0, Some(4))),
            ("bytes=5-", Wanted::From(5, None)),
            ("bytes=-3", Wanted::Last(3)),
            ("bytes=4-3", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=a-b", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("items=0-4", Wanted::All),
            ("", Wanted::All),
        ] {
            assert_eq!(wanted(Some(&HeaderValue::from_static(text))), want, "{text}");
        }
        assert_eq!(wanted(None), Wanted::All);
    }

    #[test]
    fn ranges_are_cut_to_the_object() {
        for (wanted, want) in [
            (Wanted::From(0, Some(4)), Some(0..5)),
            (Wanted::From(8, Some(u64::MAX)), Some(8..10)),
            (Wanted::From(9, None), Some(9..10)),
            (Wanted::From(10, None), None),
            (Wanted::Last(3), Some(7..10)),
            (Wanted::Last(99), Some(0..10)),
            (Wanted::Last(0), None),
        ] {
            assert_eq!(wanted.within(10), want, "{wanted:?}");
        }
        assert_eq!(Wanted::Last(1).within(0), None);
    }
}
