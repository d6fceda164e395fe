//! Finding FAQs by keywords.

use std::cmp::Reverse;

use crate::schema::Faq;
use crate::{ChangeSet, Counter, Env};

/// A shorter search word matches almost everything, so it is ignored (D76).
pub const MIN_KEYWORD_CHARS: usize = 3;
/// The most FAQs a search answers with.
pub const MAX_HITS: usize = 10;
/// A word of a question counts only when it has more characters than this.
const SHORT_WORD_CHARS: usize = 3;

const POINTS_KEYWORD: u32 = 5;
const POINTS_QUESTION: u32 = 3;
const POINTS_ANYWHERE: u32 = 1;
const POINTS_QUESTION_WORD: u32 = 2;

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search<'a> {
    /// Words to look for, in any case; each counts on its own.
    pub keywords: &'a [String],
    /// The guest's whole question; empty is the same as none.
    pub question: Option<&'a str>,
}

/// An FAQ that fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit<'a> {
    /// The FAQ.
    pub faq: &'a Faq,
    /// How well it fits, above 0.
    pub score: u32,
}

/// The FAQs that fit best, best first; equal ones in the order given. Nothing to look for finds nothing.
#[must_use]
pub fn search<'a>(faqs: &'a [Faq], search: &Search<'_>) -> Vec<Hit<'a>> {
    let keywords: Vec<String> = search
        .keywords
        .iter()
        .map(|word| word.trim().to_lowercase())
        .filter(|word| word.chars().count() >= MIN_KEYWORD_CHARS)
        .collect();
    let asked = long_words(&search.question.unwrap_or_default().to_lowercase());
    let mut hits: Vec<Hit<'a>> = faqs
        .iter()
        .map(|faq| Hit { faq, score: score(faq, &keywords, &asked) })
        .filter(|hit| hit.score > 0)
        .collect();
    // The sort is stable, which keeps ties in the order given.
    hits.sort_by_key(|hit| Reverse(hit.score));
    hits.truncate(MAX_HITS);
    hits
}

/// Counts one use of each FAQ that was handed to the assistant. The counter is added to in the store, so that
/// simultaneous uses are all counted (D75); one that has reached the end of its range stays there.
#[must_use]
pub fn count_usage<'a>(handed: impl IntoIterator<Item = &'a Faq>, env: &mut Env<'_>) -> ChangeSet {
    handed
        .into_iter()
        .filter(|faq| faq.usage_count < i32::MAX)
        .fold(env.changes(), |changes, faq| changes.add(Counter::FaqUsage, &faq.id, 1))
}

fn score(faq: &Faq, keywords: &[String], asked: &[String]) -> u32 {
    let question = faq.question.to_lowercase();
    let whole = format!("{question} {}", faq.answer.to_lowercase());
    let stored: Vec<String> = faq.keywords.iter().flatten().map(|word| word.to_lowercase()).collect();
    let known = long_words(&question);

    let of_keywords: u32 = keywords
        .iter()
        .map(|keyword| {
            let in_keywords = stored.iter().any(|word| word.contains(keyword));
            let in_texts = if question.contains(keyword) {
                POINTS_QUESTION
            } else if whole.contains(keyword) {
                POINTS_ANYWHERE
            } else {
                0
            };
            in_texts + if in_keywords { POINTS_KEYWORD } else { 0 }
        })
        .sum();
    let of_question: u32 = asked
        .iter()
        .filter(|word| known.iter().any(|other| word.contains(other) || other.contains(*word)))
        .map(|_| POINTS_QUESTION_WORD)
        .sum();
    of_keywords + of_question
}

fn long_words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .filter(|word| word.chars().count() > SHORT_WORD_CHARS)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Change, Ids, Timestamp};

    fn faq(id: &str, question: &str, answer: &str, keywords: &[&str]) -> Faq {
        Faq {
            id: id.into(),
            restaurant_id: "r".into(),
            question: question.to_owned(),
            answer: answer.to_owned(),
            keywords: Some(keywords.iter().map(ToString::to_string).collect()),
            related_menu_item_ids: None,
            usage_count: 0,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
        }
    }

    fn found(faqs: &[Faq], keywords: &[&str], question: Option<&str>) -> Vec<(String, u32)> {
        let keywords: Vec<String> = keywords.iter().map(ToString::to_string).collect();
        search(faqs, &Search { keywords: &keywords, question })
            .into_iter()
            .map(|hit| (hit.faq.id.to_string(), hit.score))
            .collect()
    }

    #[test]
    fn every_rule_gives_its_points() {
        let faqs = [faq("a", "Is the soup vegan?", "Yes, without cream.", &["soup", "Vegan"])];
        for (keywords, question, want) in [
            (&["VEGAN"][..], None, 5 + 3),
            (&["cream"], None, 1),
            (&["the soup"], None, 3),
            (&["vegan? yes"], None, 1),
            (&[], Some("any soups?"), 2),
            (&[], Some("soup"), 2),
            (&[], Some("soup soup"), 4),
            (&[], Some("soupy"), 2),
            (&["soup"], Some("your soup"), 5 + 3 + 2),
        ] {
            let got = found(&faqs, keywords, question).first().map_or(0, |hit| hit.1);
            assert_eq!(got, want, "{keywords:?} {question:?}");
        }
    }

    #[test]
    fn nothing_to_look_for_finds_nothing() {
        let faqs = [faq("a", "anything at all", "e", &["e"])];
        assert!(found(&faqs, &[], None).is_empty());
        assert!(found(&faqs, &[], Some("")).is_empty());
    }

    #[test]
    fn d76_words_below_three_characters_match_nothing() {
        let faqs = [faq("a", "eeee eeee", "ee", &["ee", "e"])];
        assert!(found(&faqs, &["e", "ee", " e ", ""], None).is_empty());
        assert_eq!(found(&faqs, &["eee"], None), [("a".to_owned(), 3)]);
        // Two characters of several bytes each are still two.
        assert!(found(&[faq("b", "éé", "", &["éé"])], &["éé"], None).is_empty());
    }

    #[test]
    fn best_first_ties_in_read_order_at_most_ten() {
        let mut faqs: Vec<Faq> = (0..12).map(|n| faq(&format!("f{n}"), "about wine", "", &[])).collect();
        faqs.push(faq("best", "about wine", "", &["wine"]));
        let hits = found(&faqs, &["wine"], None);
        assert_eq!(hits.len(), MAX_HITS);
        assert_eq!(hits[0], ("best".to_owned(), 8));
        assert_eq!(hits[1].0, "f0");
        assert_eq!(hits[9].0, "f8");
    }

    #[test]
    fn faqs_without_keywords_are_found_by_their_texts() {
        let bare = Faq { keywords: None, ..faq("a", "Parking?", "Behind the house", &[]) };
        assert_eq!(found(&[bare], &["parking", "house"], None), [("a".to_owned(), 4)]);
    }

    struct Zeros;
    impl Ids for Zeros {
        fn random(&mut self) -> [u8; 16] {
            [0; 16]
        }
    }

    #[test]
    fn d75_every_faq_handed_over_is_counted_once() {
        let mut faqs = [faq("a", "", "", &[]), faq("b", "", "", &[]), faq("full", "", "", &[])];
        faqs[2].usage_count = i32::MAX;
        let changes = count_usage(&faqs, &mut Env { now: Timestamp::EPOCH, ids: &mut Zeros });
        let add = |id: &str| Change::Add { id: id.to_owned(), counter: Counter::FaqUsage, by: 1 };
        assert_eq!(changes.changes(), [add("a"), add("b")]);
        assert!(changes.needs_record(), "sent twice it must count once");
    }

    /// The rules of the contract, word by word, without sharing code with the search.
    fn independent_score(faq: &Faq, keywords: &[String], question: &str) -> u32 {
        let lower = |text: &str| text.to_lowercase();
        let mut points = 0;
        for keyword in keywords.iter().filter(|keyword| keyword.chars().count() >= 3) {
            for stored in faq.keywords.clone().unwrap_or_default() {
                if lower(&stored).contains(&lower(keyword)) {
                    points += 5;
                    break;
                }
            }
            if lower(&faq.question).contains(&lower(keyword)) {
                points += 3;
            } else if lower(&(faq.question.clone() + " " + &faq.answer)).contains(&lower(keyword)) {
                points += 1;
            }
        }
        for word in lower(question).split(' ').filter(|word| word.len() > 3) {
            for other in lower(&faq.question).split(' ').filter(|other| other.len() > 3) {
                if word.contains(other) || other.contains(word) {
                    points += 2;
                    break;
                }
            }
        }
        points
    }

    proptest! {
        #[test]
        fn scores_equal_an_independent_reading_of_the_rules(
            texts in prop::collection::vec(("[abA ]{0,12}", "[abA ]{0,8}", prop::collection::vec("[abA]{1,4}", 0..3)), 0..15),
            keywords in prop::collection::vec("[abA]{1,4}", 0..4),
            question in "[abA ]{0,14}",
        ) {
            let faqs: Vec<Faq> = texts
                .iter()
                .enumerate()
                .map(|(n, (question, answer, words))| {
                    let words: Vec<&str> = words.iter().map(String::as_str).collect();
                    faq(&n.to_string(), question, answer, &words)
                })
                .collect();
            let mut want: Vec<(usize, u32)> = faqs
                .iter()
                .map(|faq| independent_score(faq, &keywords, &question))
                .enumerate()
                .filter(|(_, points)| *points > 0)
                .collect();
            want.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            want.truncate(10);
            let words: Vec<&str> = keywords.iter().map(String::as_str).collect();
            let got: Vec<(usize, u32)> = found(&faqs, &words, Some(&question))
                .into_iter()
                .map(|(id, points)| (id.parse().unwrap(), points))
                .collect();
            prop_assert_eq!(got, want);
        }
    }
}
