//! Which words of a text are worth searching for.

/// Words that say nothing about what a text is about.
pub const STOP_WORDS: &[&str] = &[
    "the", "is", "are", "was", "were", "have", "has", "had", "do", "does", "did", "will", "would", "should",
    "could", "can", "may", "what", "when", "where", "who", "why", "how", "this", "that", "these", "those",
    "you", "your", "for", "and", "but", "not", "with", "from",
];

/// A keyword has more characters than this.
const SHORT_WORD_CHARS: usize = 3;
/// How many words of the question, and again of the answer, become keywords of an FAQ.
const WORDS_PER_TEXT: usize = 5;
/// How many keywords an FAQ gets at most.
const MAX_OF_ANSWER: usize = 10;
/// How many keywords a guest's message gives at most.
const MAX_OF_MESSAGE: usize = 10;

/// The keywords of a new FAQ: the first five meaningful words of the question, then the first five of the answer,
/// each once.
#[must_use]
pub fn of_answer(question: &str, answer: &str) -> Vec<String> {
    let mut keywords = Vec::with_capacity(MAX_OF_ANSWER);
    let words =
        meaningful_words(question).take(WORDS_PER_TEXT).chain(meaningful_words(answer).take(WORDS_PER_TEXT));
    for word in words {
        if !keywords.contains(&word) {
            keywords.push(word);
        }
    }
    keywords
}

/// The keywords to search for when a guest writes something: its first ten meaningful words.
#[must_use]
pub fn of_message(message: &str) -> Vec<String> {
    meaningful_words(message).take(MAX_OF_MESSAGE).collect()
}

/// The words of a text, in lower case and without the punctuation around them, that are long enough and no stop
/// words. Both sides of a search use it: a question mark left on one side would keep equal words apart (D73).
fn meaningful_words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace()
        .map(|word| word.trim_matches(|c| !belongs_to_word(c)).to_lowercase())
        .filter(|word| word.chars().count() > SHORT_WORD_CHARS && !STOP_WORDS.contains(&word.as_str()))
}

/// Letters and digits of any script, and the combining marks that decomposed letters end with.
fn belongs_to_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\u{0300}'..='\u{036f}' | '\u{3099}'..='\u{309a}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn d73_keywords_are_clean_words_without_stop_words() {
        assert_eq!(
            of_answer("What fish do you have today?", "Today: (salmon), \"trout\" and cod!"),
            ["fish", "today", "salmon", "trout"]
        );
    }

    #[test]
    fn five_words_of_each_text_and_no_duplicates() {
        assert_eq!(
            of_answer("alpha bravo charlie delta echoes foxtrot", "golf1 hotel india juliet kilos limas"),
            ["alpha", "bravo", "charlie", "delta", "echoes", "golf1", "hotel", "india", "juliet", "kilos"]
        );
        assert_eq!(of_answer("alpha alpha ALPHA bravo bravo charlie", "Alpha"), ["alpha", "bravo"]);
    }

    #[test]
    fn punctuation_inside_a_word_stays() {
        assert_eq!(of_message("gluten-free crêpes, don't you?"), ["gluten-free", "crêpes", "don't"]);
        assert_eq!(of_message("¿Tienen opción vegana?"), ["tienen", "opción", "vegana"]);
        assert_eq!(of_message("cafe\u{0301}s"), ["cafe\u{0301}s"]);
    }

    #[test]
    fn length_is_counted_in_characters_after_cleaning() {
        assert_eq!(of_message("(abc) (abcd) été? été!s Straße ???? ..."), ["abcd", "été!s", "straße"]);
    }

    #[test]
    fn a_message_gives_its_first_ten_words_with_repeats() {
        let message = "soup ".repeat(12);
        assert_eq!(of_message(&message), vec!["soup"; 10]);
        assert!(of_message("").is_empty());
    }

    proptest! {
        #[test]
        fn keywords_are_few_distinct_long_lower_case_and_no_stop_words(q in "\\PC{0,80}", a in "\\PC{0,80}") {
            let keywords = of_answer(&q, &a);
            prop_assert!(keywords.len() <= MAX_OF_ANSWER);
            for (place, word) in keywords.iter().enumerate() {
                prop_assert!(word.chars().count() > 3);
                prop_assert_eq!(&word.to_lowercase(), word);
                prop_assert!(!STOP_WORDS.contains(&word.as_str()));
                prop_assert!(!keywords[..place].contains(word));
                prop_assert!(!word.chars().any(char::is_whitespace));
            }
        }
    }
}
