//! Guests' questions and chefs' answers.

use crate::facts::QuestionAccess;
use crate::id::{QuestionId, UserId};
use crate::schema::{ChefAnswer, Faq, PendingQuestion, QuestionStatus, Restaurant, Table};
use crate::text::Faults;
use crate::{Audience, ChangeSet, Decision, Env, Event, Rejection, RejectionKind, Timestamp, faq};

/// The languages the client offers.
pub const LANGUAGES: &[&str] = &["en", "es", "fr", "de", "it", "zh", "ja", "ar", "pt", "ru"];
/// The language of what does not name one.
pub const DEFAULT_LANGUAGE: &str = "en";
/// The shortest session id of a guest; a shorter one could be guessed (D72).
pub const MIN_SESSION_CHARS: usize = 16;
/// The longest session id of a guest.
pub const MAX_SESSION_CHARS: usize = 128;
/// The largest recording of an answer in bytes.
pub const MAX_AUDIO_BYTES: usize = 10 * 1024 * 1024;

const MAX_QUESTION_CHARS: usize = 1_000;
const MAX_ANSWER_CHARS: usize = 5_000;

/// The message of a refused body on routes that use the key `error`.
const VALIDATION_FAILED: &str = "Validation failed";

/// A guest asks the chef something.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AskQuestion {
    /// The guest's session: 16 to 128 characters.
    pub customer_session_id: String,
    /// The question: 1 to 1 000 characters after trimming.
    pub question: String,
    /// The dish it is about.
    pub menu_item_context: Option<String>,
    /// One of [`LANGUAGES`]; `en` when not named.
    pub language: Option<String>,
    /// The label of the guest's table.
    pub table_number: Option<String>,
}

/// Stores a guest's question for the chef; it is pending, whatever the guest says about it (D68).
///
/// # Errors
/// `Invalid` with every field that breaks a rule, then `NotFound` for an unknown restaurant.
pub fn ask(
    restaurant: Option<&Restaurant>,
    command: &AskQuestion,
    env: &mut Env<'_>,
) -> Result<Decision<PendingQuestion>, Rejection> {
    let question = command.question.trim();
    let mut faults = Faults::default();
    faults.text("customerSessionId", &command.customer_session_id, MIN_SESSION_CHARS..=MAX_SESSION_CHARS);
    faults.text("question", question, 1..=MAX_QUESTION_CHARS);
    for (field, text) in
        [("menuItemContext", &command.menu_item_context), ("tableNumber", &command.table_number)]
    {
        faults.free_text(field, text.as_deref());
    }
    let language = command.language.as_deref().unwrap_or(DEFAULT_LANGUAGE);
    if !LANGUAGES.contains(&language) {
        faults.add("language", format!("must be one of {}", LANGUAGES.join(", ")));
    }
    faults.refuse(VALIDATION_FAILED)?;
    let restaurant = restaurant.ok_or_else(|| Rejection::not_found("Restaurant not found"))?;
    let question = PendingQuestion {
        id: env.id(),
        restaurant_id: restaurant.id.clone(),
        customer_session_id: command.customer_session_id.clone(),
        question: question.to_owned(),
        menu_item_context: command.menu_item_context.clone(),
        language: language.to_owned(),
        status: QuestionStatus::Pending,
        table_number: command.table_number.clone(),
        created_at: env.now,
        table_id: None,
    };
    Ok(Decision::new(env.changes().insert(question.clone()), question.clone())
        .publish(Audience::Chefs(restaurant.id.clone()), Event::NewQuestion { question }))
}

/// How a chef answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerForm {
    /// In writing.
    Text(String),
    /// Spoken: a recording, which needs speech recognition.
    Audio {
        /// The content type the client named.
        content_type: String,
        /// The size of the recording in bytes.
        bytes: usize,
    },
}

/// A chef answers a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerQuestion {
    /// The question.
    pub question_id: QuestionId,
    /// The language of the answer.
    pub language: String,
    /// The answer.
    pub form: AnswerForm,
}

impl AnswerQuestion {
    /// Puts an answer together from what was sent. A written answer goes before a spoken one.
    ///
    /// # Errors
    /// `Invalid`, in this order: no question named, no answer, and the rules of the answer itself: 1 to 5 000
    /// characters after trimming, or a recording of a content type `audio/*`; `TooLarge` for a recording above
    /// [`MAX_AUDIO_BYTES`].
    pub fn new(
        question_id: Option<String>,
        language: Option<String>,
        text: Option<String>,
        audio: Option<(String, usize)>,
    ) -> Result<Self, Rejection> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let question_id = given(question_id).ok_or_else(|| Rejection::invalid("Question ID is required"))?;
        let form = match (given(text), audio) {
            (Some(text), _) => AnswerForm::Text(text.trim().to_owned()),
            (None, Some((content_type, bytes))) => AnswerForm::Audio { content_type, bytes },
            (None, None) => {
                return Err(Rejection::invalid("Either audio file or text answer is required"));
            }
        };
        let language = given(language).unwrap_or_else(|| DEFAULT_LANGUAGE.to_owned());
        let mut faults = Faults::default();
        faults.free_text("language", Some(&language));
        match &form {
            AnswerForm::Text(text) => faults.text("textAnswer", text, 1..=MAX_ANSWER_CHARS),
            AnswerForm::Audio { content_type, .. } if !is_audio(content_type) => {
                faults.add("audio", "must be an audio file");
            }
            AnswerForm::Audio { bytes, .. } if *bytes > MAX_AUDIO_BYTES => {
                return Err(Rejection::new(RejectionKind::TooLarge, "Request body too large"));
            }
            AnswerForm::Audio { .. } => {}
        }
        faults.refuse(VALIDATION_FAILED)?;
        Ok(Self { question_id: question_id.into(), language, form })
    }
}

/// Whether a content type is `audio/…`, with or without parameters.
fn is_audio(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.strip_prefix("audio/").is_some_and(|kind| !kind.is_empty())
}

/// Answers a question: in one set of changes the answer, a new FAQ and the question's new status (D70). Only a
/// pending question can be answered, and only once (D69): the update of the question is what simultaneous answers
/// meet at.
///
/// # Errors
/// `NotFound`, `Forbidden` for the question of another's restaurant, `Conflict` when it is answered already, and
/// `Unavailable` for a recording, as there is no speech recognition.
pub fn answer(
    facts: Option<&QuestionAccess>,
    caller: &UserId,
    command: &AnswerQuestion,
    env: &mut Env<'_>,
) -> Result<Decision<ChefAnswer>, Rejection> {
    let facts = own_question(facts, caller)?;
    let question = &facts.question;
    if question.status != QuestionStatus::Pending {
        return Err(Rejection::conflict("Question already answered"));
    }
    let AnswerForm::Text(text) = &command.form else {
        return Err(Rejection::new(
            RejectionKind::Unavailable,
            "Voice answers are not available, please type the answer",
        ));
    };
    let answer = ChefAnswer {
        id: env.id(),
        pending_question_id: question.id.clone(),
        restaurant_id: question.restaurant_id.clone(),
        answer: text.clone(),
        answered_by: caller.clone(),
        created_at: env.now,
    };
    let learnt = Faq {
        id: env.id(),
        restaurant_id: question.restaurant_id.clone(),
        question: question.question.clone(),
        answer: text.clone(),
        keywords: Some(faq::of_answer(&question.question, text)),
        related_menu_item_ids: None,
        usage_count: 0,
        created_at: env.now,
        updated_at: env.now,
    };
    let answered = PendingQuestion { status: QuestionStatus::Answered, ..question.clone() };
    let changes = without_leftovers(env.changes(), facts)
        .update(question.clone(), answered)
        .insert(answer.clone())
        .insert(learnt);
    let audience = Audience::Customer {
        restaurant: question.restaurant_id.clone(),
        session: question.customer_session_id.clone(),
    };
    let event = Event::ChefAnswer {
        question_id: question.id.clone(),
        question: question.question.clone(),
        answer: text.clone(),
        language: command.language.clone(),
    };
    Ok(Decision::new(changes, answer).publish(audience, event))
}

/// Takes away answers a pending question has already. The old system wrote the answer first and the status last,
/// without a transaction (S4): such an answer is half of an attempt that failed, no guest ever saw it, and it would
/// keep the question from ever being answered.
fn without_leftovers(changes: ChangeSet, facts: &QuestionAccess) -> ChangeSet {
    facts.answers.iter().fold(changes, |changes, left| changes.delete(Table::ChefAnswers, &left.id))
}

/// Deletes a question together with its answers; what was learnt from it stays.
///
/// # Errors
/// `NotFound`, then `Forbidden` for the question of another's restaurant.
pub fn delete(
    facts: Option<&QuestionAccess>,
    caller: &UserId,
    env: &mut Env<'_>,
) -> Result<Decision<()>, Rejection> {
    let facts = own_question(facts, caller)?;
    Ok(Decision::new(env.changes().delete(Table::PendingQuestions, &facts.question.id), ()))
}

fn own_question<'a>(
    facts: Option<&'a QuestionAccess>,
    caller: &UserId,
) -> Result<&'a QuestionAccess, Rejection> {
    let facts = facts.ok_or_else(|| Rejection::not_found("Question not found"))?;
    if facts.restaurant.user_id == *caller { Ok(facts) } else { Err(Rejection::forbidden()) }
}

/// An answer as the guest who asked sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenAnswer {
    /// The question.
    pub question_id: QuestionId,
    /// Its text.
    pub question: String,
    /// The answer.
    pub answer: String,
    /// When it was given.
    pub answered_at: Timestamp,
}

/// Checks the session id of a guest who asks for answers.
///
/// # Errors
/// `Invalid` when it is too short to be a secret (D72).
pub fn check_session(session: &str) -> Result<(), Rejection> {
    if session.chars().count() < MIN_SESSION_CHARS {
        return Err(Rejection::invalid("Invalid customer session id"));
    }
    Ok(())
}

/// The answers a guest has not seen yet: those given after `since`, or all of them without it. A text that is no
/// time leaves nothing.
///
/// The guest knows times to the millisecond only, so they are compared in milliseconds: the last answer seen would
/// otherwise come back with every request.
#[must_use]
pub fn unseen(answers: Vec<(PendingQuestion, ChefAnswer)>, since: Option<&str>) -> Vec<SeenAnswer> {
    let since = match since.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => match Timestamp::parse_loose(text) {
            Some(since) => Some(since.as_millis()),
            None => return Vec::new(),
        },
    };
    answers
        .into_iter()
        .filter(|(_, answer)| since.is_none_or(|since| answer.created_at.as_millis() > since))
        .map(|(question, answer)| SeenAnswer {
            question_id: question.id,
            question: question.question,
            answer: answer.answer,
            answered_at: answer.created_at,
        })
        .collect()
}

#[cfg(test)]
#[path = "question_tests.rs"]
mod tests;
