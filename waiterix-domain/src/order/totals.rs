//! The sums of an order, and whether they are what the guest was shown.

use rust_decimal::Decimal;

use crate::Amount;

/// How far the client's tax may be from ours, in hundredths.
pub const TAX_TOLERANCE_HUNDREDTHS: u64 = 1;
/// How far the client's total may be from ours, in hundredths: the client rounds each of the four sums on its own.
pub const TOTAL_TOLERANCE_HUNDREDTHS: u64 = 2;

/// The sums of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Sum of the lines.
    pub subtotal: Amount,
    /// Tax on the subtotal.
    pub tax: Amount,
    /// Tip.
    pub tip: Amount,
    /// Subtotal + tax + tip.
    pub total: Amount,
}

/// The sums the guest was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownTotals {
    /// Sum of the lines.
    pub subtotal: Amount,
    /// Tax on the subtotal.
    pub tax: Amount,
    /// Subtotal + tax + tip.
    pub total: Amount,
}

impl Totals {
    /// The sums of lines of unit price and quantity; `None` when a sum is larger than a column can hold.
    #[must_use]
    pub fn of(
        lines: impl IntoIterator<Item = (Amount, i32)>,
        tax_rate: Decimal,
        tip: Amount,
    ) -> Option<Self> {
        let subtotal = lines.into_iter().try_fold(Amount::ZERO, |sum, (price, quantity)| {
            sum.checked_add(price.checked_times(i64::from(quantity))?)
        })?;
        let tax = subtotal.checked_rate(tax_rate)?;
        let total = subtotal.checked_add(tax)?.checked_add(tip)?;
        Some(Self { subtotal, tax, tip, total })
    }

    /// Whether these are the sums the guest was shown: the same subtotal, tax and total but for rounding.
    #[must_use]
    pub fn agree_with(&self, shown: &ShownTotals) -> bool {
        self.subtotal == shown.subtotal
            && self.tax.distance(shown.tax) <= TAX_TOLERANCE_HUNDREDTHS
            && self.total.distance(shown.total) <= TOTAL_TOLERANCE_HUNDREDTHS
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tax::DEFAULT_WEB_RATE;

    fn amount(text: &str) -> Amount {
        Amount::parse(text).unwrap()
    }

    fn shown(subtotal: &str, tax: &str, total: &str) -> ShownTotals {
        ShownTotals { subtotal: amount(subtotal), tax: amount(tax), total: amount(total) }
    }

    #[test]
    fn d57_tax_is_the_configured_rate_of_the_subtotal_rounded_half_up() {
        let totals =
            Totals::of([(amount("12.55"), 1), (amount("3.00"), 2)], DEFAULT_WEB_RATE, amount("2.00"));
        let totals = totals.unwrap();
        assert_eq!(totals.subtotal, amount("18.55"));
        assert_eq!(totals.tax, amount("1.86"));
        assert_eq!(totals.total, amount("22.41"));
        let free = Totals::of([(amount("12.55"), 1)], Decimal::ZERO, Amount::ZERO).unwrap();
        assert_eq!(free.total, amount("12.55"));
    }

    #[test]
    fn d43_tolerances_cover_rounding_and_nothing_more() {
        let totals = Totals::of([(amount("25.00"), 1)], DEFAULT_WEB_RATE, Amount::ZERO).unwrap();
        for (sums, agree) in [
            (shown("25.00", "2.50", "27.50"), true),
            (shown("25.00", "2.51", "27.52"), true),
            (shown("25.00", "2.49", "27.48"), true),
            (shown("25.01", "2.50", "27.50"), false),
            (shown("24.99", "2.50", "27.50"), false),
            (shown("25.00", "2.52", "27.50"), false),
            (shown("25.00", "2.50", "27.53"), false),
            (shown("25.00", "2.50", "27.47"), false),
            (shown("25.00", "2.50", "0.01"), false),
            (shown("25.00", "-2.50", "22.50"), false),
        ] {
            assert_eq!(totals.agree_with(&sums), agree, "{sums:?}");
        }
    }

    #[test]
    fn sums_a_column_cannot_hold_are_no_sums() {
        assert_eq!(Totals::of([(Amount::MAX, 2)], Decimal::ZERO, Amount::ZERO), None);
        assert_eq!(Totals::of([(Amount::MAX, 1)], DEFAULT_WEB_RATE, Amount::ZERO), None);
        assert_eq!(Totals::of([(Amount::MAX, 1)], Decimal::ZERO, amount("0.01")), None);
    }

    proptest! {
        /// What the web client does: binary floats, each sum rounded on its own from unrounded parts.
        #[test]
        fn the_clients_own_rounding_is_always_accepted(
            lines in prop::collection::vec((0_i64..=100_000, 1_i32..=99), 1..20),
            tip_percent in prop::sample::select(vec![0.0, 0.10, 0.15, 0.20]),
        ) {
            let float: f64 = lines.iter().map(|(price, n)| *price as f64 / 100.0 * f64::from(*n)).sum();
            let (tax, tip) = (float * 0.10, float * tip_percent);
            let cents = |value: f64| Amount::parse(&format!("{value:.2}")).unwrap();
            let shown = ShownTotals { subtotal: cents(float), tax: cents(tax), total: cents(float + tax + tip) };
            let lines = lines.iter().map(|(price, n)| (Amount::from_hundredths(*price).unwrap(), *n));
            let totals = Totals::of(lines, DEFAULT_WEB_RATE, cents(tip)).unwrap();
            prop_assert!(totals.agree_with(&shown), "{totals:?} {shown:?}");
        }

        #[test]
        fn the_total_is_always_the_sum_of_its_parts(
            lines in prop::collection::vec((0_i64..=1_000_000, 1_i32..=99), 1..20),
            rate in 0_i64..=100_000,
            tip in 0_i64..=1_000_000,
        ) {
            let lines = lines.iter().map(|(price, n)| (Amount::from_hundredths(*price).unwrap(), *n));
            let tip = Amount::from_hundredths(tip).unwrap();
            if let Some(totals) = Totals::of(lines, Decimal::new(rate, 5), tip) {
                let parts = totals.subtotal.hundredths() + totals.tax.hundredths() + totals.tip.hundredths();
                prop_assert_eq!(parts, totals.total.hundredths());
                prop_assert!(totals.tax <= totals.subtotal);
            }
        }
    }
}
