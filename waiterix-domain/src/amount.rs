//! Exact amounts of money.

use std::fmt;
use std::iter::Sum;

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

/// An exact amount with two decimals, counted in hundredths: what `numeric(10,2)` holds and the API writes.
///
/// All arithmetic is checked; the range is that of the column, ±99 999 999.99.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i64);

/// The text or number is not an amount that can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAmount {
    /// Not a plain decimal number.
    #[error("not a decimal number")]
    NotANumber,
    /// Larger than the column can hold.
    #[error("must be between -99999999.99 and 99999999.99")]
    OutOfRange,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount a column can hold, 99 999 999.99.
    pub const MAX: Self = Self(9_999_999_999);

    /// An amount from hundredths; `None` when the column could not hold it.
    #[must_use]
    pub const fn from_hundredths(hundredths: i64) -> Option<Self> {
        if hundredths > Self::MAX.0 || hundredths < -Self::MAX.0 { None } else { Some(Self(hundredths)) }
    }

    /// The amount in hundredths.
    #[must_use]
    pub const fn hundredths(self) -> i64 {
        self.0
    }

    /// Reads a plain decimal such as `12`, `12.5`, `-0.05` or `+3.00`. More than two decimals are rounded half
    /// away from zero, as the database does it. Exponents, blanks, `NaN` and separators are refused.
    ///
    /// # Errors
    /// [`BadAmount::NotANumber`] or [`BadAmount::OutOfRange`].
    pub fn parse(text: &str) -> Result<Self, BadAmount> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if !(plain(whole) && plain(fraction)) || (whole.is_empty() && fraction.is_empty()) {
            return Err(BadAmount::NotANumber);
        }
        if whole.trim_start_matches('0').len() > 8 {
            return Err(BadAmount::OutOfRange);
        }
        // Digits past the twelfth cannot change a rounding half away from zero except by being there at all.
        let fraction = if fraction.len() > 12 { &fraction[..12] } else { fraction };
        let whole = if whole.is_empty() { "0" } else { whole.trim_start_matches('0') };
        let sign = if text.starts_with('-') { "-" } else { "" };
        let whole = if whole.is_empty() { "0" } else { whole };
        let decimal: Decimal =
            format!("{sign}{whole}.{fraction}0").parse().map_err(|_| BadAmount::NotANumber)?;
        Self::from_decimal(decimal).ok_or(BadAmount::OutOfRange)
    }

    /// Rounds a decimal half away from zero to two places; `None` when the column could not hold it.
    #[must_use]
    pub fn from_decimal(decimal: Decimal) -> Option<Self> {
        let rounded = decimal.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        Self::from_hundredths((rounded * Decimal::ONE_HUNDRED).to_i64()?)
    }

    /// The amount as a decimal with two places.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, 2)
    }

    /// Sum; `None` when the column could not hold it.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Self::from_hundredths(sum),
            None => None,
        }
    }

    /// This amount so many times; `None` when the column could not hold it.
    #[must_use]
    pub const fn checked_times(self, times: i64) -> Option<Self> {
        match self.0.checked_mul(times) {
            Some(product) => Self::from_hundredths(product),
            None => None,
        }
    }

    /// This amount times a rate (0.10 for 10 %), rounded half away from zero to two places.
    #[must_use]
    pub fn checked_rate(self, rate: Decimal) -> Option<Self> {
        Self::from_decimal(self.to_decimal().checked_mul(rate)?)
    }

    /// How far two amounts are apart, in hundredths.
    #[must_use]
    pub const fn distance(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }

    /// Whether it is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let hundredths = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A total over many rows, which may be larger than one column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Total(i128);

impl Total {
    /// This total divided by a count, rounded half away from zero to two places; zero for a count of zero.
    #[must_use]
    pub const fn average(self, count: u64) -> Self {
        if count == 0 {
            return Self(0);
        }
        let count = count as i128;
        let magnitude = (self.0.abs() * 2 + count) / (2 * count);
        Self(if self.0 < 0 { -magnitude } else { magnitude })
    }

    /// The total in hundredths.
    #[must_use]
    pub const fn hundredths(self) -> i128 {
        self.0
    }
}

impl Sum<Amount> for Total {
    fn sum<I: Iterator<Item = Amount>>(amounts: I) -> Self {
        Self(amounts.map(|amount| i128::from(amount.0)).sum())
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let hundredths = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_decimals_and_rounds_half_away_from_zero() {
        for (text, want) in [
            ("12.50", "12.50"),
            ("12.345", "12.35"),
            ("-12.345", "-12.35"),
            ("1.005", "1.01"),
            ("0", "0.00"),
            (".5", "0.50"),
            ("7.", "7.00"),
            ("+3", "3.00"),
            ("0000000000012", "12.00"),
            ("99999999.99", "99999999.99"),
            ("0.0049999999999999999999999999", "0.00"),
        ] {
            assert_eq!(Amount::parse(text).map(|a| a.to_string()).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_number_or_does_not_fit() {
        for text in ["", ".", "-", "1e3", "NaN", "1,5", " 1", "1 ", "0x1", "١", "--1", "1.2.3"] {
            assert_eq!(Amount::parse(text), Err(BadAmount::NotANumber), "{text:?}");
        }
        for text in ["100000000", "99999999.995", "-100000000.00", &"9".repeat(400)] {
            assert_eq!(Amount::parse(text), Err(BadAmount::OutOfRange), "{text:?}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_column_range() {
        assert_eq!(Amount::MAX.checked_add(Amount(1)), None);
        assert_eq!(Amount::MAX.checked_times(2), None);
        assert_eq!(Amount(1999).checked_rate(Decimal::new(10, 2)), Some(Amount(200)));
    }

    #[test]
    fn averages_round_half_away_from_zero() {
        let total: Total = [Amount(1), Amount(2)].into_iter().sum();
        assert_eq!(total.average(2).to_string(), "0.02");
        assert_eq!(total.average(0).to_string(), "0.00");
    }
}
