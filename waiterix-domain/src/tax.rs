//! Tax rates: one configured rate for the web checkout, and the rates of US states for voice orders.

use rust_decimal::Decimal;

/// The web checkout's rate where nothing else is configured: the web client computes and shows ten percent.
pub const DEFAULT_WEB_RATE: Decimal = Decimal::from_parts(10, 0, 0, false, 2);

/// The rate of a voice order where the state is missing or unknown, also outside the US.
pub const DEFAULT_STATE_RATE: Decimal = Decimal::from_parts(8, 0, 0, false, 2);

/// State sales tax in hundred-thousandths, with the states it applies to.
const STATES: &[(u32, &[&str])] = &[
    (0, &["AK", "DE", "MT", "NH", "OR"]),
    (2_900, &["CO"]),
    (4_000, &["AL", "GA", "HI", "NY", "WY"]),
    (4_225, &["MO"]),
    (4_450, &["LA"]),
    (4_500, &["OK", "SD"]),
    (4_750, &["NC"]),
    (4_850, &["UT"]),
    (5_000, &["ND", "WI"]),
    (5_125, &["NM"]),
    (5_300, &["VA"]),
    (5_500, &["ME", "NE"]),
    (5_600, &["AZ"]),
    (5_750, &["OH"]),
    (6_000, &["DC", "FL", "IA", "ID", "KY", "MD", "MI", "PA", "SC", "VT", "WV"]),
    (6_250, &["IL", "MA", "TX"]),
    (6_350, &["CT"]),
    (6_500, &["AR", "KS", "WA"]),
    (6_625, &["NJ"]),
    (6_850, &["NV"]),
    (6_875, &["MN"]),
    (7_000, &["IN", "MS", "RI", "TN"]),
    (7_250, &["CA"]),
];

/// The sales tax of a US state as a fraction. The code is trimmed and its case does not matter; a missing or unknown
/// one gives [`DEFAULT_STATE_RATE`].
#[must_use]
pub fn state_rate(state: Option<&str>) -> Decimal {
    let code = state.unwrap_or_default().trim().to_ascii_uppercase();
    let known = STATES.iter().find(|(_, states)| states.contains(&code.as_str()));
    known.map_or(DEFAULT_STATE_RATE, |(rate, _)| Decimal::new(i64::from(*rate), 5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Amount;

    #[test]
    fn fifty_states_and_dc_occur_once_each() {
        let mut all: Vec<&str> = STATES.iter().flat_map(|(_, states)| states.iter().copied()).collect();
        assert_eq!(all.len(), 51);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 51);
        assert!(STATES.is_sorted_by(|(a, _), (b, _)| a < b), "each rate has one line");
    }

    #[test]
    fn rates_are_exact_fractions_whatever_the_case_of_the_code() {
        for (state, rate) in [
            (Some("CA"), "0.0725"),
            (Some(" mo "), "0.04225"),
            (Some("NJ"), "0.06625"),
            (Some("MN"), "0.06875"),
            (Some("CO"), "0.029"),
            (Some("OR"), "0"),
            (Some("dc"), "0.06"),
            (Some("XX"), "0.08"),
            (Some("Bavaria"), "0.08"),
            (Some(""), "0.08"),
            (None, "0.08"),
        ] {
            assert_eq!(state_rate(state), rate.parse::<Decimal>().unwrap(), "{state:?}");
        }
        assert_eq!(DEFAULT_WEB_RATE.to_string(), "0.10");
    }

    #[test]
    fn tax_is_rounded_half_up_to_two_decimals() {
        let subtotal = Amount::parse("10.00").unwrap();
        assert_eq!(subtotal.checked_rate(state_rate(Some("MN"))).unwrap().to_string(), "0.69");
        assert_eq!(subtotal.checked_rate(state_rate(Some("MO"))).unwrap().to_string(), "0.42");
    }
}
