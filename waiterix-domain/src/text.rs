//! Rules for texts from outside: faults by field, limits, and the order in which people expect labels.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use crate::{FieldError, Rejection};

/// The most characters of a free text for which the contract states no limit of its own.
pub const MAX_FREE_TEXT_CHARS: usize = 100_000;

/// What is wrong with the fields of one command, collected so that the caller learns all of it at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// Notes a fault of a top-level field.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.push(FieldError::new(field, message));
    }

    /// Notes a fault anywhere.
    pub fn push(&mut self, error: FieldError) {
        self.0.push(error);
    }

    /// Checks a text: it has so many characters, none of them U+0000 (which no store can keep).
    pub fn text(&mut self, field: &str, text: &str, chars: RangeInclusive<usize>) {
        if let Some(message) = fault_of(text, chars) {
            self.add(field, message);
        }
    }

    /// Checks a text that may be missing and for which the contract states no limit.
    pub fn free_text(&mut self, field: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(field, text, 0..=MAX_FREE_TEXT_CHARS);
        }
    }

    /// The first fault.
    #[must_use]
    pub fn first(&self) -> Option<&FieldError> {
        self.0.first()
    }

    /// Ends the checking.
    ///
    /// # Errors
    /// `Invalid` with this message and every fault, if there is any.
    pub fn refuse(self, message: &str) -> Result<(), Rejection> {
        if self.0.is_empty() { Ok(()) } else { Err(Rejection::fields(message, self.0)) }
    }
}

/// What is wrong with a text that shall have so many characters; `None` when nothing is.
#[must_use]
pub fn fault_of(text: &str, chars: RangeInclusive<usize>) -> Option<String> {
    let (min, max) = (*chars.start(), *chars.end());
    if text.contains('\0') {
        return Some("must not contain U+0000".to_owned());
    }
    // A text never has more characters than bytes, so most texts need no counting.
    let count = if text.len() <= max && min <= 1 { text.len() } else { text.chars().count() };
    if chars.contains(&count) {
        None
    } else if min > 0 && max < usize::MAX {
        Some(format!("must have {min} to {max} characters"))
    } else if min > 0 {
        Some(format!("must have at least {min} characters"))
    } else {
        Some(format!("must have at most {max} characters"))
    }
}

/// A piece of a label: its digits count as a number, everything else as text.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece<'a> {
    /// A run of digits without leading zeros, longer ones being larger.
    Number(usize, &'a str),
    /// A run of anything else.
    Text(&'a str),
}

fn pieces(label: &str) -> Vec<Piece<'_>> {
    let mut rest = label;
    let mut pieces = Vec::new();
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        pieces.push(if digits {
            let significant = run.trim_start_matches('0');
            Piece::Number(significant.len(), significant)
        } else {
            Piece::Text(run)
        });
        rest = after;
    }
    pieces
}

/// The order in which people expect labels: 2 before 10, whatever the case; labels that only differ in case or leading
/// zeros are ordered by their text, so that different labels are never equal (D30).
#[must_use]
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (low_a, low_b) = (a.to_lowercase(), b.to_lowercase());
    pieces(&low_a).cmp(&pieces(&low_b)).then_with(|| low_a.cmp(&low_b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits_count_characters_and_u0000_is_refused() {
        assert_eq!(fault_of("äöü", 1..=3), None);
        assert_eq!(fault_of("äöüß", 1..=3).as_deref(), Some("must have 1 to 3 characters"));
        assert_eq!(fault_of("", 1..=3).as_deref(), Some("must have 1 to 3 characters"));
        assert_eq!(fault_of("ä", 2..=3).as_deref(), Some("must have 2 to 3 characters"));
        assert_eq!(fault_of("ab", 0..=1).as_deref(), Some("must have at most 1 characters"));
        assert_eq!(fault_of("", 1..=usize::MAX).as_deref(), Some("must have at least 1 characters"));
        assert_eq!(fault_of("a\0", 0..=9).as_deref(), Some("must not contain U+0000"));
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let mut faults = Faults::default();
        faults.text("a", "", 1..=2);
        faults.text("b", "fine", 1..=4);
        faults.free_text("c", Some("\0"));
        faults.free_text("d", None);
        let rejection = faults.refuse("Invalid thing").unwrap_err();
        let paths: Vec<_> = rejection.errors.iter().map(|error| error.path.join(".")).collect();
        assert_eq!(
            (rejection.message.as_str(), paths),
            ("Invalid thing", vec!["a".to_owned(), "c".to_owned()])
        );
    }

    #[test]
    fn d30_two_comes_before_ten() {
        let mut labels = vec!["10", "VIP", "2", "a10", "A2", "1", "01", "a", "terrace 12", "Terrace 3", ""];
        labels.sort_by(|a, b| natural_order(a, b));
        assert_eq!(labels, ["", "01", "1", "2", "10", "a", "A2", "a10", "Terrace 3", "terrace 12", "VIP"]);
        let huge = ["9".repeat(40), format!("1{}", "0".repeat(40))];
        assert_eq!(natural_order(&huge[0], &huge[1]), Ordering::Less);
    }

    proptest! {
        #[test]
        fn the_natural_order_is_a_total_order(labels in prop::collection::vec("[0-2aAbÄ .]{0,6}", 3)) {
            let [a, b, c] = [&labels[0], &labels[1], &labels[2]];
            prop_assert_eq!(natural_order(a, b), natural_order(b, a).reverse());
            prop_assert_eq!(natural_order(a, b) == Ordering::Equal, a == b);
            if natural_order(a, b) != Ordering::Greater && natural_order(b, c) != Ordering::Greater {
                prop_assert_ne!(natural_order(a, c), Ordering::Greater);
            }
        }
    }
}
