//! Instants.

use std::fmt;

use ::time::format_description::BorrowedFormatItem;
use ::time::format_description::well_known::Rfc3339;
use ::time::macros::format_description;
use ::time::{Date, OffsetDateTime};

/// An instant in UTC with microsecond precision, which is what the database keeps.
///
/// On the wire it is ISO 8601 with milliseconds and `Z`, e.g. `2025-01-31T09:05:07.123Z`; further digits are
/// cut off, not rounded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

const ISO_MILLIS: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const ISO_DATE: &[BorrowedFormatItem<'static>] = format_description!("[year]-[month]-[day]");

/// Microseconds from the Unix epoch to 0001-01-01 and to the end of 9999: what can be written as ISO 8601.
const MIN_MICROS: i64 = -62_135_596_800_000_000;
const MAX_MICROS: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// An instant from microseconds since the Unix epoch; `None` outside the years 1 to 9999.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Option<Self> {
        if micros < MIN_MICROS || micros > MAX_MICROS { None } else { Some(Self(micros)) }
    }

    /// An instant from milliseconds since the Unix epoch; `None` outside the years 1 to 9999.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Option<Self> {
        match millis.checked_mul(1000) {
            Some(micros) => Self::from_micros(micros),
            None => None,
        }
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the Unix epoch, rounded towards the past.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Whole seconds since the Unix epoch, rounded towards the past.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This instant moved by some milliseconds (negative: earlier), held within the years 1 to 9999.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        let moved = self.0.saturating_add(millis.saturating_mul(1000));
        Self(if moved < MIN_MICROS {
            MIN_MICROS
        } else if moved > MAX_MICROS {
            MAX_MICROS
        } else {
            moved
        })
    }

    /// This instant moved by some seconds (negative: earlier), held within the years 1 to 9999.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_millis(seconds.saturating_mul(1000))
    }

    /// Reads an ISO 8601 / RFC 3339 instant with any offset; digits below microseconds are cut off.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let micros = i64::try_from(instant.unix_timestamp_nanos().div_euclid(1000)).ok()?;
        Self::from_micros(micros)
    }

    /// Midnight UTC at the start of a date written `YYYY-MM-DD`.
    #[must_use]
    pub fn parse_date(text: &str) -> Option<Self> {
        let date = Date::parse(text, ISO_DATE).ok()?;
        let seconds = date.midnight().assume_utc().unix_timestamp();
        Self::from_micros(seconds.checked_mul(1_000_000)?)
    }

    /// Reads what a person or a script writes for a moment: a date (midnight UTC) or an ISO time with `T` between
    /// date and time; a time without seconds or without offset is taken as written, in UTC.
    #[must_use]
    pub fn parse_loose(text: &str) -> Option<Self> {
        if let Some(midnight) = Self::parse_date(text) {
            return Some(midnight);
        }
        // The parser takes any character between date and time; nothing but a time may get through here.
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b"TZ:.+-".contains(&b));
        if !plain || text.as_bytes().get(10) != Some(&b'T') {
            return None;
        }
        Self::parse(text)
            .or_else(|| Self::parse(&format!("{text}Z")))
            .or_else(|| Self::parse(&format!("{text}:00Z")))
    }

    /// Midnight UTC at the start of this instant's day.
    #[must_use]
    pub const fn start_of_day(self) -> Self {
        const DAY: i64 = 86_400_000_000;
        Self(self.0.div_euclid(DAY) * DAY)
    }

    /// The instant as calendar fields in UTC.
    #[must_use]
    pub fn to_utc(self) -> OffsetDateTime {
        // The range was checked at construction, so this cannot fail; the epoch stands in for the impossible.
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utc().format(ISO_MILLIS).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}(+{}us)", self.0.rem_euclid(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_three_fractional_digits_and_cuts_the_rest() {
        let at = Timestamp::from_micros(1_738_314_307_123_999).unwrap();
        assert_eq!(at.to_string(), "2025-01-31T09:05:07.123Z");
    }

    #[test]
    fn reads_any_offset_and_refuses_nonsense() {
        assert_eq!(
            Timestamp::parse("2025-01-31T10:05:07.123456+01:00").map(Timestamp::as_micros),
            Some(1_738_314_307_123_456)
        );
        for bad in ["", "yesterday", "2025-02-30T00:00:00Z", "infinity", "2025-01-31"] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
        assert_eq!(Timestamp::parse_date("2025-01-31").unwrap().to_string(), "2025-01-31T00:00:00.000Z");
        assert_eq!(Timestamp::parse_date("2025-1-31"), None);
    }

    #[test]
    fn loose_reading_takes_dates_and_times_and_nothing_else() {
        for (text, want) in [
            ("2025-01-31", "2025-01-31T00:00:00.000Z"),
            ("2025-01-31T09:05", "2025-01-31T09:05:00.000Z"),
            ("2025-01-31T09:05:07", "2025-01-31T09:05:07.000Z"),
            ("2025-01-31T09:05:07.123", "2025-01-31T09:05:07.123Z"),
            ("2025-01-31T09:05:07.123Z", "2025-01-31T09:05:07.123Z"),
            ("2025-01-31T09:05:07+02:00", "2025-01-31T07:05:07.000Z"),
        ] {
            assert_eq!(
                Timestamp::parse_loose(text).map(|at| at.to_string()).as_deref(),
                Some(want),
                "{text}"
            );
        }
        for bad in
            ["", "2025", "2025-01-31T", "2025-01-31 09:05:07Z", "2025-01-31\n09:05:07Z", "2025-01-31T25:00"]
        {
            assert_eq!(Timestamp::parse_loose(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn never_leaves_the_writable_years() {
        assert_eq!(Timestamp::from_micros(i64::MAX), None);
        let last = Timestamp::EPOCH.plus_millis(i64::MAX);
        assert_eq!(last.to_string(), "9999-12-31T23:59:59.999Z");
    }
}
