//! Changing and deleting FAQs.

use crate::schema::{Faq, Restaurant, Table};
use crate::text::Faults;
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
        for (place, keyword) in self.keywords.iter().enumerate().filter(|(_, word)| word.contains('\0')) {
            let _ = keyword;
            faults.push(FieldError::at(["keywords", &place.to_string()], "must not contain U+0000"));
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
