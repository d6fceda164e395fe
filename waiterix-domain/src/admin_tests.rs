//! What the admin page promises.

use super::*;
use crate::Timestamp;
use crate::sample::{decide, row};

fn secret(text: &str) -> Option<Secret> {
    Some(Secret::new(text))
}

fn locked() -> Restaurant {
    Restaurant {
        admin_password: secret("old hash"),
        security_question_1: Some("Pet?".to_owned()),
        security_answer_1: secret("hash 1"),
        security_question_2: Some("Town?".to_owned()),
        security_answer_2: secret("hash 2"),
        ..row("r")
    }
}

fn set(restaurant: &Restaurant, proof: Option<&Secret>) -> Result<Decision<()>, Rejection> {
    decide(Timestamp::EPOCH, |env| set_password(restaurant, Secret::new("new hash"), proof, env))
}

#[test]
fn d78_a_passcode_is_replaced_only_with_proof_of_the_present_one() {
    let restaurant = locked();
    let refused = set(&restaurant, None).unwrap_err();
    assert_eq!(
        (refused.kind, refused.message.as_str()),
        (RejectionKind::WrongSecret, "Current password is incorrect")
    );
    assert!(
        set(&restaurant, secret("another hash").as_ref()).is_err(),
        "a hash that is no longer stored proves nothing"
    );
    assert!(set(&restaurant, restaurant.admin_password.as_ref()).is_ok());
    assert!(set(&row("r"), None).is_ok(), "the first passcode needs no proof");
}

#[test]
fn d82_new_passcodes_have_six_characters_and_at_most_seventy_two_bytes() {
    let message = |password: Option<&str>| {
        check_new_password(password.map(Secret::new).as_ref()).err().map(|refused| refused.message)
    };
    assert_eq!(message(Some("123456")), None);
    assert_eq!(message(Some("ääääää")), None);
    for short in [None, Some(""), Some("12345"), Some("äääää")] {
        assert_eq!(message(short).as_deref(), Some("Password must be at least 6 characters"), "{short:?}");
    }
    assert_eq!(message(Some(&"x".repeat(72))), None);
    assert_eq!(message(Some(&"x".repeat(73))).as_deref(), Some("Password must have at most 72 bytes"));
    assert_eq!(message(Some("12345\u{0}7")).as_deref(), Some("Password must not contain U+0000"));
}

#[test]
fn an_attempt_needs_a_passcode_and_meets_the_stored_hash() {
    let restaurant = locked();
    assert_eq!(check_attempt(&restaurant, secret("1").as_ref()).unwrap(), restaurant.admin_password.as_ref());
    assert_eq!(check_attempt(&row("r"), secret("1").as_ref()).unwrap(), None);
    for missing in [None, secret("")] {
        assert_eq!(check_attempt(&restaurant, missing.as_ref()).unwrap_err().message, "Password is required");
    }
    assert!(check_attempt(&restaurant, secret(&"x".repeat(73)).as_ref()).is_err());
    let emptied = Restaurant { admin_password: secret(""), ..row("r") };
    assert!(!has_password(&emptied) && has_password(&restaurant));
}

fn reset(answer_1: &str, answer_2: &str, new_password: &str) -> ResetPassword {
    ResetPassword {
        answer_1: secret(answer_1),
        answer_2: secret(answer_2),
        new_password: secret(new_password),
    }
}

#[test]
fn a_reset_needs_everything_and_a_long_enough_passcode() {
    let message = |reset: &ResetPassword| reset.check().unwrap_err().message;
    for missing in
        [ResetPassword::default(), reset("", "b", "123456"), reset("a", "", "123456"), reset("a", "b", "")]
    {
        assert_eq!(message(&missing), "All fields are required");
    }
    assert_eq!(message(&reset("a", "b", "12345")), "New password must be at least 6 characters");
    assert_eq!(message(&reset(&"x".repeat(73), "b", "123456")), "Answers must have at most 72 bytes");
    assert!(reset("a", "b", "123456").check().is_ok());
}

#[test]
fn a_reset_needs_both_answers_proved() {
    let restaurant = locked();
    let decided = |restaurant: &Restaurant, proof: Option<(&Secret, &Secret)>| {
        decide(Timestamp::EPOCH, |env| reset_password(restaurant, Secret::new("new hash"), proof, env))
    };
    assert_eq!(decided(&row("r"), None).unwrap_err().message, "Security questions not set up");
    let refused = decided(&restaurant, None).unwrap_err();
    assert_eq!(
        (refused.kind, refused.message.as_str()),
        (RejectionKind::WrongSecret, "Security answers are incorrect")
    );
    let (one, two) = answers_of(&restaurant).unwrap();
    assert!(decided(&restaurant, Some((two, one))).is_err());
    assert!(decided(&restaurant, Some((one, two))).is_ok());
}

#[test]
fn d81_questions_are_set_as_two_pairs_and_only_once() {
    let set = |q1: &str, a1: &str, q2: &str, a2: &str| SetQuestions {
        question_1: Some(q1.to_owned()),
        answer_1: secret(a1),
        question_2: Some(q2.to_owned()),
        answer_2: secret(a2),
    };
    let message = |set: &SetQuestions| set.check().unwrap_err().message;
    for missing in
        [SetQuestions::default(), set("", "ab", "q", "ab"), set("q", "", "q", "ab"), set("q", "ab", "q", "")]
    {
        assert_eq!(message(&missing), "All security questions and answers are required");
    }
    for short in [set("q", "a", "q", "ab"), set("q", "ab", "q", " b "), set("q", "  ", "q", "ab")] {
        assert_eq!(message(&short), "Answers must be at least 2 characters");
    }
    assert_eq!(message(&set("q", &"x".repeat(73), "q", "ab")), "Answers must have at most 72 bytes");
    let good = set("Pet?", "ab", "Town?", "cd");
    let store = |restaurant: &Restaurant| {
        decide(Timestamp::EPOCH, |env| {
            set_questions(restaurant, good.check()?, (Secret::new("h1"), Secret::new("h2")), env)
        })
    };
    let refused = store(&locked()).unwrap_err();
    assert_eq!(refused.kind, RejectionKind::Forbidden);
    assert_eq!(refused.message, "Security questions have already been set and cannot be changed");
    assert!(store(&row("r")).is_ok());
    let half = Restaurant { security_answer_2: None, ..locked() };
    assert!(store(&half).is_ok(), "half a recovery is none");
}

#[test]
fn answers_are_compared_lower_cased_and_trimmed() {
    assert_eq!(normal_answer(&Secret::new("  Rex  the DOG ")).reveal(), "rex  the dog");
}

#[test]
fn switches_change_one_flag() {
    let before: Restaurant = row("r");
    let on = |switch| decide(Timestamp::EPOCH, |env| set_switch(&before, switch, true, env)).reply;
    assert_eq!(on(Switch::AiWaiter), Restaurant { ai_waiter_enabled: true, ..before.clone() });
    assert_eq!(on(Switch::AutoPrint), Restaurant { auto_print_orders: true, ..before.clone() });
}
