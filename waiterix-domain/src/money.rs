//! Amounts in a currency: arithmetic that refuses to mix, exact conversion for payment providers, display.

use std::fmt;

use crate::Amount;
use crate::currency::Currency;

/// An amount in a currency.
///
/// `Display` writes it for people: `$12.50`, `JPY ¥1200`, `MXN 12.50`, `-€0.05`. There is no grouping of digits. A
/// currency without smaller unit loses a fraction of zero, but never another one; one with three decimals shows three.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Money {
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

/// Why an amount cannot be handed to or taken from a payment provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadMinorUnits {
    /// ISO 4217 names no smallest unit for the currency.
    #[error("the currency has no known smallest unit")]
    NoMinorUnit,
    /// The amount is no whole number of smallest units, or has more decimals than a stored amount.
    #[error("the amount cannot be expressed exactly")]
    Inexact,
    /// The amount is larger than a stored amount can be.
    #[error("the amount is out of range")]
    OutOfRange,
}

impl Money {
    /// An amount in a currency.
    #[must_use]
    pub const fn new(amount: Amount, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Sum; `None` for different currencies or a sum too large.
    #[must_use]
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        let amount = self.amount.checked_add(other.amount).filter(|_| self.currency == other.currency)?;
        Some(Self { amount, currency: self.currency.clone() })
    }

    /// This so many times; `None` when too large.
    #[must_use]
    pub fn checked_times(&self, times: i64) -> Option<Self> {
        Some(Self { amount: self.amount.checked_times(times)?, currency: self.currency.clone() })
    }

    /// The amount in smallest units (cents, yen, fils), as payment providers count. Never rounds.
    ///
    /// # Errors
    /// [`BadMinorUnits::NoMinorUnit`]; [`BadMinorUnits::Inexact`] for half a yen.
    pub fn to_minor_units(&self) -> Result<i64, BadMinorUnits> {
        let (up, down) = scale(&self.currency)?;
        let hundredths = self.amount.hundredths();
        if hundredths % down != 0 {
            return Err(BadMinorUnits::Inexact);
        }
        (hundredths / down).checked_mul(up).ok_or(BadMinorUnits::OutOfRange)
    }

    /// The amount a payment provider means. Never rounds.
    ///
    /// # Errors
    /// [`BadMinorUnits::NoMinorUnit`]; [`BadMinorUnits::Inexact`] for one fils, which two decimals cannot hold;
    /// [`BadMinorUnits::OutOfRange`].
    pub fn from_minor_units(units: i64, currency: Currency) -> Result<Self, BadMinorUnits> {
        let (up, down) = scale(&currency)?;
        if units % up != 0 {
            return Err(BadMinorUnits::Inexact);
        }
        let hundredths = (units / up).checked_mul(down).ok_or(BadMinorUnits::OutOfRange)?;
        let amount = Amount::from_hundredths(hundredths).ok_or(BadMinorUnits::OutOfRange)?;
        Ok(Self { amount, currency })
    }
}

/// Smallest units = hundredths × up ÷ down.
fn scale(currency: &Currency) -> Result<(i64, i64), BadMinorUnits> {
    match currency.minor_digits().ok_or(BadMinorUnits::NoMinorUnit)? {
        0 => Ok((1, 100)),
        1 => Ok((1, 10)),
        2 => Ok((1, 1)),
        3 => Ok((10, 1)),
        4 => Ok((100, 1)),
        _ => Err(BadMinorUnits::NoMinorUnit),
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(i128::from(self.amount.hundredths()), &self.currency))
    }
}

/// Writes any number of hundredths as [`Money`] is written, also one that is larger than a stored amount can be.
#[must_use]
pub fn written(hundredths: i128, currency: &Currency) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    let (whole, fraction) = (hundredths.unsigned_abs() / 100, hundredths.unsigned_abs() % 100);
    let mut text = format!("{sign}{}{whole}", currency.prefix());
    match currency.minor_digits() {
        Some(0) if fraction == 0 => {}
        Some(digits) => {
            text.push_str(&format!(".{fraction:02}"));
            text.extend(std::iter::repeat_n('0', digits.saturating_sub(2) as usize));
        }
        None => text.push_str(&format!(".{fraction:02}")),
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(amount: &str, code: &str) -> Money {
        Money::new(Amount::parse(amount).unwrap(), Currency::of_code(code))
    }

    #[test]
    fn d56_amounts_are_written_in_their_currency() {
        for (amount, code, written) in [
            ("12.50", "USD", "$12.50"),
            ("12.50", "EUR", "€12.50"),
            ("-0.05", "EUR", "-€0.05"),
            ("1200.00", "JPY", "JPY ¥1200"),
            ("1200.50", "JPY", "JPY ¥1200.50"),
            ("0.00", "KRW", "KRW 0"),
            ("12.50", "CNY", "CNY ¥12.50"),
            ("12.50", "KWD", "KWD 12.500"),
            ("-1.00", "BHD", "-BHD 1.000"),
            ("12.50", "AED", "AED \u{2068}د.إ\u{2069}12.50"),
            ("12.50", "CHF", "Fr 12.50"),
            ("12.50", "PLN", "PLN 12.50"),
            ("12.50", "", "12.50"),
            ("12.00", "Taler", "Taler 12.00"),
            ("99999999.99", "NGN", "₦99999999.99"),
            ("-99999999.99", "USD", "-$99999999.99"),
        ] {
            assert_eq!(money(amount, code).to_string(), written);
        }
    }

    #[test]
    fn minor_units_never_round() {
        for (amount, code, units) in [
            ("12.50", "USD", Ok(1250)),
            ("1200.00", "JPY", Ok(1200)),
            ("1200.50", "JPY", Err(BadMinorUnits::Inexact)),
            ("12.50", "KWD", Ok(12_500)),
            ("-12.50", "KWD", Ok(-12_500)),
            ("12.50", "XAU", Err(BadMinorUnits::NoMinorUnit)),
            ("12.50", "Taler", Err(BadMinorUnits::NoMinorUnit)),
        ] {
            assert_eq!(money(amount, code).to_minor_units(), units, "{amount} {code}");
        }
        let fils = Money::from_minor_units(12_501, Currency::of_code("KWD"));
        assert_eq!(fils, Err(BadMinorUnits::Inexact));
        for units in [i64::MAX, i64::MIN, 100_000_000] {
            let yen = Money::from_minor_units(units, Currency::of_code("JPY"));
            assert_eq!(yen, Err(BadMinorUnits::OutOfRange), "{units}");
        }
    }

    #[test]
    fn currencies_do_not_mix() {
        assert_eq!(money("1", "USD").checked_add(&money("1", "EUR")), None);
        assert_eq!(money("1", "USD").checked_add(&money("2", "usd")), Some(money("3", "USD")));
        assert_eq!(money("99999999.99", "USD").checked_times(2), None);
    }

    fn any_amount() -> impl Strategy<Value = Amount> {
        (-9_999_999_999_i64..=9_999_999_999).prop_map(|h| Amount::from_hundredths(h).unwrap())
    }

    fn any_code() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["USD", "EUR", "JPY", "CLP", "KWD", "BHD", "CNY", "AED", "MXN", "Taler"])
    }

    proptest! {
        #[test]
        fn minor_units_convert_back_to_the_same_amount(amount in any_amount(), code in any_code()) {
            let money = Money::new(amount, Currency::of_code(code));
            if let Ok(units) = money.to_minor_units() {
                prop_assert_eq!(Money::from_minor_units(units, money.currency.clone()), Ok(money));
            }
        }

        #[test]
        fn amounts_convert_back_to_the_same_minor_units(units in any::<i64>(), code in any_code()) {
            if let Ok(money) = Money::from_minor_units(units, Currency::of_code(code)) {
                prop_assert_eq!(money.to_minor_units(), Ok(units));
            }
        }

        #[test]
        fn what_is_written_reads_back_as_the_same_amount(amount in any_amount(), code in any_code()) {
            let money = Money::new(amount, Currency::of_code(code));
            let written = money.to_string().replace(&money.currency.prefix(), "");
            prop_assert_eq!(Amount::parse(&written), Ok(amount));
        }
    }
}
