//! The admin passcode, the security questions that recover it, and the switches of the admin page.
//!
//! The passcode opens a page of the client and protects nothing on the server (D79). bcrypt is computed outside; a
//! decision gets finished hashes, and as proof of a secret the stored hash that it matched. If that hash is no longer the
//! stored one when the decision is made, the proof is void.

use crate::schema::Restaurant;
use crate::text::fault_of;
use crate::{Decision, Env, Rejection, RejectionKind, Secret};

/// The shortest passcode in characters.
pub const MIN_PASSWORD_CHARS: usize = 6;
/// The longest passcode or answer in bytes: bcrypt silently ignores what comes after (D82).
pub const MAX_SECRET_BYTES: usize = 72;
/// The longest security question in characters.
pub const MAX_QUESTION_CHARS: usize = 1_000;
/// How many wrong attempts a restaurant has within [`ATTEMPT_WINDOW_SECONDS`] (D80).
pub const MAX_WRONG_ATTEMPTS: u32 = 5;
/// How long a wrong attempt counts, in seconds.
pub const ATTEMPT_WINDOW_SECONDS: u64 = 15 * 60;

const MIN_ANSWER_CHARS: usize = 2;

/// The refusal of one more attempt.
#[must_use]
pub fn too_many_attempts() -> Rejection {
    Rejection::new(RejectionKind::TooManyRequests, "Too many attempts")
}

/// An answer as it is hashed and compared: lower-cased and trimmed.
#[must_use]
pub fn normal_answer(answer: &Secret) -> Secret {
    Secret::new(answer.reveal().to_lowercase().trim())
}

fn fits_bcrypt(text: &str) -> Result<(), String> {
    if text.len() > MAX_SECRET_BYTES {
        return Err(format!("must have at most {MAX_SECRET_BYTES} bytes"));
    }
    fault_of(text, 0..=usize::MAX).map_or(Ok(()), Err)
}

/// What is wrong with an answer to a security question.
pub(crate) fn answer_fault(answer: &Secret) -> Option<String> {
    let normal = normal_answer(answer);
    if normal.reveal().chars().count() < MIN_ANSWER_CHARS {
        return Some(format!("must be at least {MIN_ANSWER_CHARS} characters"));
    }
    fits_bcrypt(answer.reveal()).and_then(|()| fits_bcrypt(normal.reveal())).err()
}

fn check_password(password: &Secret, name: &str) -> Result<(), Rejection> {
    if password.reveal().chars().count() < MIN_PASSWORD_CHARS {
        return Err(Rejection::invalid(format!("{name} must be at least {MIN_PASSWORD_CHARS} characters")));
    }
    fits_bcrypt(password.reveal()).map_err(|fault| Rejection::invalid(format!("{name} {fault}")))
}

/// Whether a restaurant has a passcode.
#[must_use]
pub fn has_password(restaurant: &Restaurant) -> bool {
    stored(restaurant.admin_password.as_ref()).is_some()
}

fn stored(hash: Option<&Secret>) -> Option<&Secret> {
    hash.filter(|hash| !hash.reveal().is_empty())
}

/// What checking a passcode needs: the stored hash, if there is one.
///
/// # Errors
/// `Invalid` when no passcode was given, or one that cannot be.
pub fn check_attempt<'a>(
    restaurant: &'a Restaurant,
    password: Option<&Secret>,
) -> Result<Option<&'a Secret>, Rejection> {
    let password = password
        .filter(|password| !password.reveal().is_empty())
        .ok_or_else(|| Rejection::invalid("Password is required"))?;
    fits_bcrypt(password.reveal()).map_err(|fault| Rejection::invalid(format!("Password {fault}")))?;
    Ok(stored(restaurant.admin_password.as_ref()))
}

/// Checks a new passcode before it is hashed.
///
/// # Errors
/// `Invalid` for one that is missing, shorter than six characters or longer than bcrypt can tell apart.
pub fn check_new_password(password: Option<&Secret>) -> Result<&Secret, Rejection> {
    let too_short =
        || Rejection::invalid(format!("Password must be at least {MIN_PASSWORD_CHARS} characters"));
    let password = password.ok_or_else(too_short)?;
    check_password(password, "Password").map(|()| password)
}

/// Sets the passcode. If there is one, `proof` must be its hash: the current passcode was given and matched it (D78).
///
/// # Errors
/// `WrongSecret` without that proof.
pub fn set_password(
    restaurant: &Restaurant,
    hash: Secret,
    proof: Option<&Secret>,
    env: &mut Env<'_>,
) -> Result<Decision<()>, Rejection> {
    let current = stored(restaurant.admin_password.as_ref());
    if current.is_some() && current != proof {
        return Err(Rejection::new(RejectionKind::WrongSecret, "Current password is incorrect"));
    }
    let after = Restaurant { admin_password: Some(hash), ..restaurant.clone() };
    Ok(Decision::new(env.changes().update(restaurant.clone(), after), ()))
}

/// Recovers the passcode with the answers to the security questions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResetPassword {
    /// The first answer in clear.
    pub answer_1: Option<Secret>,
    /// The second answer in clear.
    pub answer_2: Option<Secret>,
    /// The new passcode in clear.
    pub new_password: Option<Secret>,
}

/// A [`ResetPassword`] with everything there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedReset<'a> {
    /// The first answer in clear.
    pub answer_1: &'a Secret,
    /// The second answer in clear.
    pub answer_2: &'a Secret,
    /// The new passcode in clear.
    pub new_password: &'a Secret,
}

impl ResetPassword {
    /// Checks what was sent, before anything is looked up or hashed.
    ///
    /// # Errors
    /// `Invalid` when something is missing, the passcode is too short, or something is longer than bcrypt can tell apart.
    pub fn check(&self) -> Result<CheckedReset<'_>, Rejection> {
        let (Some(answer_1), Some(answer_2), Some(new_password)) =
            (given(self.answer_1.as_ref()), given(self.answer_2.as_ref()), given(self.new_password.as_ref()))
        else {
            return Err(Rejection::invalid("All fields are required"));
        };
        check_password(new_password, "New password")?;
        for answer in [answer_1, answer_2] {
            fits_bcrypt(answer.reveal())
                .and_then(|()| fits_bcrypt(normal_answer(answer).reveal()))
                .map_err(|fault| Rejection::invalid(format!("Answers {fault}")))?;
        }
        Ok(CheckedReset { answer_1, answer_2, new_password })
    }
}

fn given(secret: Option<&Secret>) -> Option<&Secret> {
    secret.filter(|secret| !secret.reveal().is_empty())
}

/// The hashes of both answers.
///
/// # Errors
/// `Invalid` when the security questions are not set up.
pub fn answers_of(restaurant: &Restaurant) -> Result<(&Secret, &Secret), Rejection> {
    let hashes =
        stored(restaurant.security_answer_1.as_ref()).zip(stored(restaurant.security_answer_2.as_ref()));
    hashes
        .filter(|_| has_questions(restaurant))
        .ok_or_else(|| Rejection::invalid("Security questions not set up"))
}

/// The refusal of wrong answers; it does not say which one is wrong.
#[must_use]
pub fn wrong_answers() -> Rejection {
    Rejection::new(RejectionKind::WrongSecret, "Security answers are incorrect")
}

/// Sets a new passcode after both answers matched the hashes given as proof.
///
/// # Errors
/// `Invalid` when the security questions are not set up, `WrongSecret` without that proof.
pub fn reset_password(
    restaurant: &Restaurant,
    hash: Secret,
    proof: Option<(&Secret, &Secret)>,
    env: &mut Env<'_>,
) -> Result<Decision<()>, Rejection> {
    let stored = answers_of(restaurant)?;
    if proof != Some(stored) {
        return Err(wrong_answers());
    }
    let after = Restaurant { admin_password: Some(hash), ..restaurant.clone() };
    Ok(Decision::new(env.changes().update(restaurant.clone(), after), ()))
}

/// Whether both questions and both answers are stored.
#[must_use]
pub fn has_questions(restaurant: &Restaurant) -> bool {
    let text = |question: &Option<String>| question.as_deref().is_some_and(|text| !text.is_empty());
    text(&restaurant.security_question_1)
        && text(&restaurant.security_question_2)
        && stored(restaurant.security_answer_1.as_ref()).is_some()
        && stored(restaurant.security_answer_2.as_ref()).is_some()
}

/// Sets both security questions, once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetQuestions {
    /// The first question.
    pub question_1: Option<String>,
    /// Its answer in clear.
    pub answer_1: Option<Secret>,
    /// The second question.
    pub question_2: Option<String>,
    /// Its answer in clear.
    pub answer_2: Option<Secret>,
}

/// A [`SetQuestions`] with everything there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedQuestions<'a> {
    /// The first question.
    pub question_1: &'a str,
    /// Its answer in clear.
    pub answer_1: &'a Secret,
    /// The second question.
    pub question_2: &'a str,
    /// Its answer in clear.
    pub answer_2: &'a Secret,
}

impl SetQuestions {
    /// Checks what was sent, before anything is looked up or hashed.
    ///
    /// # Errors
    /// `Invalid` when something is missing, an answer has less than two characters after trimming, or something is too
    /// long.
    pub fn check(&self) -> Result<CheckedQuestions<'_>, Rejection> {
        let question = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
        let (Some(question_1), Some(answer_1), Some(question_2), Some(answer_2)) = (
            self.question_1.as_deref().filter(|_| question(&self.question_1)),
            given(self.answer_1.as_ref()),
            self.question_2.as_deref().filter(|_| question(&self.question_2)),
            given(self.answer_2.as_ref()),
        ) else {
            return Err(Rejection::invalid("All security questions and answers are required"));
        };
        if let Some(fault) = [answer_1, answer_2].into_iter().find_map(answer_fault) {
            return Err(Rejection::invalid(format!("Answers {fault}")));
        }
        for text in [question_1, question_2] {
            if let Some(fault) = fault_of(text, 1..=MAX_QUESTION_CHARS) {
                return Err(Rejection::invalid(format!("Questions {fault}")));
            }
        }
        Ok(CheckedQuestions { question_1, answer_1, question_2, answer_2 })
    }
}

/// Refuses to replace security questions: whoever has the session could else take the passcode over.
///
/// # Errors
/// `Forbidden` when both are set already.
pub fn must_have_no_questions(restaurant: &Restaurant) -> Result<(), Rejection> {
    if has_questions(restaurant) {
        let text = "Security questions have already been set and cannot be changed";
        return Err(Rejection::new(RejectionKind::Forbidden, text));
    }
    Ok(())
}

/// Stores both questions with the hashes of their answers.
///
/// # Errors
/// `Forbidden` when both are set already.
pub fn set_questions(
    restaurant: &Restaurant,
    questions: CheckedQuestions<'_>,
    hashes: (Secret, Secret),
    env: &mut Env<'_>,
) -> Result<Decision<()>, Rejection> {
    must_have_no_questions(restaurant)?;
    let after = Restaurant {
        security_question_1: Some(questions.question_1.to_owned()),
        security_answer_1: Some(hashes.0),
        security_question_2: Some(questions.question_2.to_owned()),
        security_answer_2: Some(hashes.1),
        ..restaurant.clone()
    };
    Ok(Decision::new(env.changes().update(restaurant.clone(), after), ()))
}

/// A switch of the admin page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Whether guests may talk to the assistant.
    AiWaiter,
    /// Whether the dashboard prints new orders by itself.
    AutoPrint,
}

/// Turns a switch on or off.
pub fn set_switch(
    restaurant: &Restaurant,
    switch: Switch,
    on: bool,
    env: &mut Env<'_>,
) -> Decision<Restaurant> {
    let mut after = restaurant.clone();
    match switch {
        Switch::AiWaiter => after.ai_waiter_enabled = on,
        Switch::AutoPrint => after.auto_print_orders = on,
    }
    Decision::new(env.changes().update(restaurant.clone(), after.clone()), after)
}

#[cfg(test)]
#[path = "admin_tests.rs"]
mod tests;
