//! Foreign text on one line: for subjects, headings and the lines of a receipt.

/// The character that stands for what was cut off.
const ELLIPSIS: char = '…';

/// A text as one line of at most `max_chars` characters: line breaks, control characters and runs of blanks become one
/// blank, invisible characters that turn the direction of what follows are left out, and what does not fit is replaced by
/// an ellipsis. So no foreign text can begin a line of its own, smuggle in a header, or reorder the digits beside it.
#[must_use]
pub fn one_line(text: &str, max_chars: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max_chars.saturating_mul(4)));
    let mut count = 0;
    let mut blank = false;
    for c in text.chars().filter(|c| !turns_direction(*c)) {
        if c.is_whitespace() || c.is_control() {
            blank = count > 0;
            continue;
        }
        for c in blank.then_some(' ').into_iter().chain([c]) {
            if count == max_chars {
                line.pop();
                line.truncate(line.trim_end().len());
                line.push(ELLIPSIS);
                return line;
            }
            line.push(c);
            count += 1;
        }
        blank = false;
    }
    line
}

/// Whether a character is an invisible one that turns the direction of what follows: with it, foreign text could make
/// what stands beside it read differently.
#[must_use]
pub const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn m2_line_breaks_and_control_characters_become_one_blank() {
        for (text, line) in [
            ("Soup", "Soup"),
            ("a\r\nBcc: x@y.z", "a Bcc: x@y.z"),
            (" \t a \u{0} \u{7f}\u{2028} b \n", "a b"),
            ("a\u{202e}b\u{2066}c", "abc"),
            ("\n", ""),
            ("", ""),
        ] {
            assert_eq!(one_line(text, 200), line, "{text:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_on_a_character_boundary() {
        assert_eq!(one_line("äöüß", 4), "äöüß");
        assert_eq!(one_line("äöüßx", 4), "äöü…");
        assert_eq!(one_line("ab cd", 3), "ab…");
        assert_eq!(one_line("ab cd", 4), "ab…");
    }

    proptest! {
        #[test]
        fn a_line_is_one_line_and_never_longer_than_allowed(text in any::<String>(), max in 1_usize..50) {
            let line = one_line(&text, max);
            prop_assert!(line.chars().count() <= max);
            prop_assert!(!line.chars().any(|c| c.is_control() || turns_direction(c)));
            prop_assert_eq!(line.trim(), line.as_str());
            prop_assert_eq!(one_line(&line, max), line);
        }
    }
}
