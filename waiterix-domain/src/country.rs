//! Countries and their currencies.

/// The currency of a country the table does not know.
pub const DEFAULT_CURRENCY: &str = "USD";

/// English country names, exact and case-sensitive as the client sends them, in alphabetical order. Every country the
/// client offers is here (D24).
const CURRENCIES: &[(&str, &str)] = &[
    ("Argentina", "ARS"),
    ("Australia", "AUD"),
    ("Austria", "EUR"),
    ("Bahrain", "BHD"),
    ("Bangladesh", "BDT"),
    ("Belgium", "EUR"),
    ("Brazil", "BRL"),
    ("Bulgaria", "BGN"),
    ("Canada", "CAD"),
    ("Chile", "CLP"),
    ("China", "CNY"),
    ("Colombia", "COP"),
    ("Croatia", "EUR"),
    ("Czech Republic", "CZK"),
    ("Denmark", "DKK"),
    ("Egypt", "EGP"),
    ("Estonia", "EUR"),
    ("Ethiopia", "ETB"),
    ("Finland", "EUR"),
    ("France", "EUR"),
    ("Germany", "EUR"),
    ("Ghana", "GHS"),
    ("Greece", "EUR"),
    ("Hong Kong", "HKD"),
    ("Hungary", "HUF"),
    ("India", "INR"),
    ("Indonesia", "IDR"),
    ("Ireland", "EUR"),
    ("Israel", "ILS"),
    ("Italy", "EUR"),
    ("Ivory Coast", "XOF"),
    ("Japan", "JPY"),
    ("Jordan", "JOD"),
    ("Kenya", "KES"),
    ("Kuwait", "KWD"),
    ("Latvia", "EUR"),
    ("Lebanon", "LBP"),
    ("Lithuania", "EUR"),
    ("Malaysia", "MYR"),
    ("Mexico", "MXN"),
    ("Morocco", "MAD"),
    ("Netherlands", "EUR"),
    ("New Zealand", "NZD"),
    ("Nigeria", "NGN"),
    ("Norway", "NOK"),
    ("Oman", "OMR"),
    ("Pakistan", "PKR"),
    ("Peru", "PEN"),
    ("Philippines", "PHP"),
    ("Poland", "PLN"),
    ("Portugal", "EUR"),
    ("Qatar", "QAR"),
    ("Romania", "RON"),
    ("Russia", "RUB"),
    ("Saudi Arabia", "SAR"),
    ("Singapore", "SGD"),
    ("Slovakia", "EUR"),
    ("Slovenia", "EUR"),
    ("South Africa", "ZAR"),
    ("South Korea", "KRW"),
    ("Spain", "EUR"),
    ("Sri Lanka", "LKR"),
    ("Sweden", "SEK"),
    ("Switzerland", "CHF"),
    ("Taiwan", "TWD"),
    ("Tanzania", "TZS"),
    ("Thailand", "THB"),
    ("Turkey", "TRY"),
    ("Uganda", "UGX"),
    ("Ukraine", "UAH"),
    ("United Arab Emirates", "AED"),
    ("United Kingdom", "GBP"),
    ("United States", "USD"),
    ("Venezuela", "VES"),
    ("Vietnam", "VND"),
];

/// The ISO 4217 code of a country's currency; [`DEFAULT_CURRENCY`] for any other text.
#[must_use]
pub fn currency_of(country: &str) -> &'static str {
    CURRENCIES
        .binary_search_by_key(&country, |(name, _)| name)
        .map_or(DEFAULT_CURRENCY, |place| CURRENCIES[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d24_every_country_of_the_client_has_its_currency() {
        for (country, currency) in [
            ("Bulgaria", "BGN"),
            ("Croatia", "EUR"),
            ("Slovakia", "EUR"),
            ("Slovenia", "EUR"),
            ("Estonia", "EUR"),
            ("Latvia", "EUR"),
            ("Lithuania", "EUR"),
            ("Nigeria", "NGN"),
            ("Argentina", "ARS"),
            ("Vietnam", "VND"),
            ("united kingdom", "USD"),
            (" Germany", "USD"),
            ("", "USD"),
            ("Atlantis", "USD"),
        ] {
            assert_eq!(currency_of(country), currency, "{country:?}");
        }
        assert_eq!(CURRENCIES.len(), 75);
    }

    #[test]
    fn the_table_can_be_searched_and_names_only_existing_currencies() {
        assert!(CURRENCIES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (country, currency) in CURRENCIES {
            assert!(iso_currency::Currency::from_code(currency).is_some(), "{country}");
        }
    }
}
