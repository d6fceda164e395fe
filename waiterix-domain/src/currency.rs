//! Currencies: how many decimals they have and how amounts in them are written.

use std::fmt;

use crate::line::one_line;

/// A currency as a restaurant names it. Old rows may hold any text, so an unknown code is kept and never refused.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Currency(Code);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Code {
    Iso(iso_currency::Currency),
    Other(String),
}

/// How a symbol is put before an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// The symbol alone, as in `€12.50`.
    Alone,
    /// The code before the symbol, because two currencies share it, as in `JPY ¥1200`.
    Shared,
    /// The code before the symbol, which is isolated because it is written from right to left: without the isolation
    /// the digits beside it would change places.
    RightToLeft,
}

/// The symbols the service knows; every other currency is written with its code.
const SYMBOLS: &[(&str, &str, Style)] = &[
    ("USD", "$", Style::Alone),
    ("EUR", "€", Style::Alone),
    ("GBP", "£", Style::Alone),
    ("JPY", "¥", Style::Shared),
    ("CNY", "¥", Style::Shared),
    ("NGN", "₦", Style::Alone),
    ("ZAR", "R", Style::Alone),
    ("INR", "₹", Style::Alone),
    ("AUD", "A$", Style::Alone),
    ("CAD", "C$", Style::Alone),
    ("CHF", "Fr", Style::Alone),
    ("BRL", "R$", Style::Alone),
    ("AED", "د.إ", Style::RightToLeft),
    ("SAR", "ر.س", Style::RightToLeft),
];

/// First strong isolate and its end, Unicode's brackets around text of its own direction.
const ISOLATE: char = '\u{2068}';
const END_ISOLATE: char = '\u{2069}';

/// The most characters of an unknown code that are shown.
const MAX_CODE_CHARS: usize = 10;

impl Currency {
    /// The currency of a code such as `EUR`; the case of the letters does not matter. Any other text is kept as it is.
    #[must_use]
    pub fn of_code(code: &str) -> Self {
        let trimmed = code.trim();
        match iso_currency::Currency::from_code(&trimmed.to_ascii_uppercase()) {
            Some(iso) => Self(Code::Iso(iso)),
            None => Self(Code::Other(trimmed.to_owned())),
        }
    }

    /// Whether ISO 4217 knows it.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        matches!(self.0, Code::Iso(_))
    }

    /// The code as text.
    #[must_use]
    pub fn code(&self) -> &str {
        match &self.0 {
            Code::Iso(iso) => iso.code(),
            Code::Other(code) => code,
        }
    }

    /// How many decimals its smallest unit has: 0 for the yen, 2 for the euro, 3 for the Kuwaiti dinar. `None` where
    /// there is no such thing (gold) or it is not known; such a currency cannot be handed to a payment provider.
    #[must_use]
    pub fn minor_digits(&self) -> Option<u32> {
        match &self.0 {
            Code::Iso(iso) => iso.exponent().map(u32::from),
            Code::Other(_) => None,
        }
    }

    /// What stands before an amount: `$`, `JPY ¥`, `MXN `.
    #[must_use]
    pub fn prefix(&self) -> String {
        let code = self.code();
        match SYMBOLS.iter().find(|(known, ..)| *known == code) {
            Some((_, symbol, Style::Alone)) if symbol.chars().count() > 1 && ends_in_letter(symbol) => {
                format!("{symbol} ")
            }
            Some((_, symbol, Style::Alone)) => (*symbol).to_owned(),
            Some((_, symbol, Style::Shared)) => format!("{code} {symbol}"),
            Some((_, symbol, Style::RightToLeft)) => format!("{code} {ISOLATE}{symbol}{END_ISOLATE}"),
            None if code.is_empty() => String::new(),
            None => format!("{} ", one_line(code, MAX_CODE_CHARS)),
        }
    }
}

fn ends_in_letter(symbol: &str) -> bool {
    symbol.chars().next_back().is_some_and(char::is_alphabetic)
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.code(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_come_from_iso_4217() {
        for (code, digits) in [
            ("USD", Some(2)),
            ("JPY", Some(0)),
            ("KRW", Some(0)),
            ("VND", Some(0)),
            ("CLP", Some(0)),
            ("UGX", Some(0)),
            ("XOF", Some(0)),
            ("KWD", Some(3)),
            ("BHD", Some(3)),
            ("JOD", Some(3)),
            ("OMR", Some(3)),
            ("XAU", None),
            ("pesos", None),
        ] {
            assert_eq!(Currency::of_code(code).minor_digits(), digits, "{code}");
        }
    }

    #[test]
    fn codes_are_read_in_any_case_and_unknown_ones_are_kept() {
        assert_eq!(Currency::of_code(" eur ").code(), "EUR");
        assert_eq!(Currency::of_code("Taler").code(), "Taler");
        assert!(!Currency::of_code("Taler").is_known());
    }

    #[test]
    fn a_symbol_two_currencies_share_is_never_shown_alone() {
        for (code, symbol, style) in SYMBOLS {
            let sharing = SYMBOLS.iter().filter(|(_, other, _)| other == symbol).count();
            assert_eq!(sharing > 1, *style == Style::Shared, "{code}");
            let right_to_left = symbol.chars().any(|c| ('\u{590}'..='\u{8ff}').contains(&c));
            assert_eq!(right_to_left, *style == Style::RightToLeft, "{code}");
            assert!(Currency::of_code(code).is_known(), "{code}");
        }
    }

    #[test]
    fn prefixes() {
        for (code, prefix) in [
            ("USD", "$"),
            ("CHF", "Fr "),
            ("ZAR", "R"),
            ("AUD", "A$"),
            ("JPY", "JPY ¥"),
            ("SAR", "SAR \u{2068}ر.س\u{2069}"),
            ("MXN", "MXN "),
            ("", ""),
            ("a\r\nb", "a b "),
            ("abcdefghijklmnop", "abcdefghi… "),
        ] {
            assert_eq!(Currency::of_code(code).prefix(), prefix, "{code}");
        }
    }
}
