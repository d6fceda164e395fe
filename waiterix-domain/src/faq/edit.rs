//! Changing and deleting FAQs.

use crate::schema::{Faq, Restaurant, Table};
use crate::text::{Faults, MAX_FREE_TEXT_CHARS, fault_of};
use crate::{Decision, Env, FieldError, Rejection};

const MAX_QUESTION_CHARS: usize = 1_000;
const MAX_ANSWER_CHARS: usize = 5_000;
/// The most keywords of an FAQ.
pub const MAX_KEYWORDS: usize = 20;

/// The new content of an FAQ, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditFaq {
    /// The question: 1 to 1 000 characters.
    pub question: String,
    /// The answer: 1 to 5 000 characters.
    pub answer: String,
    /// The search words, at most 20.
    pub keywords: Vec<String>,
}

impl EditFaq {
    /// Checks the new content, which callers do before they look anything up.
    ///
    /// # Errors
    /// `Invalid` with every field that breaks a rule.
    pub fn check(&self) -> Result<(), Rejection> {
        let mut faults = Faults::default();
        faults.text("question", &self.question, 1..=MAX_QUESTION_CHARS);
        faults.text("answer", &self.answer, 1..=MAX_ANSWER_CHARS);
        if self.keywords.len() > MAX_KEYWORDS {
            faults.add("keywords", format!("must have at most {MAX_KEYWORDS} entries"));
        }
        for (place, keyword) in self.keywords.iter().enumerate() {
            if let Some(fault) = fault_of(keyword, 0..=MAX_FREE_TEXT_CHARS) {
                faults.push(FieldError::at(["keywords", &place.to_string()], fault));
            }
        }
        faults.refuse("Validation failed")
    }
}

/// Replaces the content of an FAQ.
///
/// # Errors
/// `Invalid` with every field that breaks a rule; `NotFound` for an unknown FAQ or one of another restaurant.
pub fn edit(
    faq: Option<&Faq>,
    restaurant: &Restaurant,
    command: &EditFaq,
    env: &mut Env<'_>,
) -> Result<Decision<Faq>, Rejection> {
    command.check()?;
    let before = own_faq(faq, restaurant)?;
    let after = Faq {
        question: command.question.clone(),
        answer: command.answer.clone(),
        keywords: Some(command.keywords.clone()),
        updated_at: env.now,
        ..before.clone()
    };
    Ok(Decision::new(env.changes().update(before.clone(), after.clone()), after))
}

/// Deletes an FAQ.
///
/// # Errors
/// `NotFound` for an unknown FAQ or one of another restaurant.
pub fn delete(
    faq: Option<&Faq>,
    restaurant: &Restaurant,
    env: &mut Env<'_>,
) -> Result<Decision<()>, Rejection> {
    let faq = own_faq(faq, restaurant)?;
    Ok(Decision::new(env.changes().delete(Table::Faqs, &faq.id), ()))
}

/// Whether an FAQ exists in another restaurant is nobody's business, so both cases read the same.
fn own_faq<'a>(faq: Option<&'a Faq>, restaurant: &Restaurant) -> Result<&'a Faq, Rejection> {
    faq.filter(|faq| faq.restaurant_id == restaurant.id)
        .ok_or_else(|| Rejection::not_found("FAQ not found or access denied"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{at, decide, row};
    use crate::{Change, RejectionKind, RowKey};

    fn stored() -> Faq {
        Faq { restaurant_id: "r".into(), usage_count: 7, created_at: at("2025-01-01"), ..row("f") }
    }

    fn content() -> EditFaq {
        EditFaq { question: "Q".to_owned(), answer: "A".to_owned(), keywords: vec!["k".to_owned()] }
    }

    #[test]
    fn an_edit_replaces_the_content_and_nothing_else() {
        let decision =
            decide(at("2025-02-01"), |env| edit(Some(&stored()), &row("r"), &content(), env)).unwrap();
        let want = Faq {
            question: "Q".to_owned(),
            answer: "A".to_owned(),
            keywords: Some(vec!["k".to_owned()]),
            updated_at: at("2025-02-01"),
            ..stored()
        };
        assert_eq!(decision.reply, want);
        assert_eq!(
            decision.changes.changes(),
            [Change::Update { before: stored().into(), after: want.into() }]
        );
    }

    #[test]
    fn unknown_and_foreign_faqs_read_the_same() {
        let refusal = Rejection::not_found("FAQ not found or access denied");
        for (faq, restaurant) in [(None, "r"), (Some(stored()), "other")] {
            let edited =
                decide(at("2025-02-01"), |env| edit(faq.as_ref(), &row(restaurant), &content(), env));
            assert_eq!(edited.unwrap_err(), refusal);
            let deleted = decide(at("2025-02-01"), |env| delete(faq.as_ref(), &row(restaurant), env));
            assert_eq!(deleted.unwrap_err(), refusal);
        }
        let deleted = decide(at("2025-02-01"), |env| delete(Some(&stored()), &row("r"), env)).unwrap();
        assert_eq!(deleted.changes.changes(), [Change::Delete(RowKey::new(Table::Faqs, "f"))]);
    }

    #[test]
    fn limits_hold_at_n_and_n_plus_one() {
        for (question, answer, keywords, fits) in [
            (1, 1, 0, true),
            (1000, 5000, 20, true),
            (0, 1, 0, false),
            (1001, 1, 0, false),
            (1, 0, 0, false),
            (1, 5001, 0, false),
            (1, 1, 21, false),
        ] {
            let command = EditFaq {
                question: "ü".repeat(question),
                answer: "ü".repeat(answer),
                keywords: vec![String::new(); keywords],
            };
            assert_eq!(command.check().is_ok(), fits, "{question} {answer} {keywords}");
        }
    }

    #[test]
    fn every_broken_rule_is_listed_before_anything_is_looked_up() {
        let command = EditFaq {
            question: String::new(),
            answer: "a\0".to_owned(),
            keywords: vec!["fine".to_owned(), "b\0".to_owned()],
        };
        let rejection = decide(at("2025-02-01"), |env| edit(None, &row("r"), &command, env)).unwrap_err();
        let paths: Vec<String> = rejection.errors.iter().map(|error| error.path.join(".")).collect();
        assert_eq!(paths, ["question", "answer", "keywords.1"]);
        assert_eq!(
            (rejection.kind, rejection.message.as_str()),
            (RejectionKind::Invalid, "Validation failed")
        );
    }
}
