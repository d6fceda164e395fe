use proptest::prelude::*;

use super::*;
use crate::sample::{at, decide, row};
use crate::{Change, Effect, Row};

const SESSION: &str = "customer-1700000000000-abc";

fn restaurant() -> Restaurant {
    Restaurant { user_id: "owner".into(), ..row("r") }
}

fn asked() -> AskQuestion {
    AskQuestion {
        customer_session_id: SESSION.to_owned(),
        question: "  Is the soup vegan today?\n".to_owned(),
        table_number: Some("5".to_owned()),
        ..AskQuestion::default()
    }
}

fn ask_now(command: &AskQuestion) -> Result<Decision<PendingQuestion>, Rejection> {
    decide(at("2025-01-31"), |env| ask(Some(&restaurant()), command, env))
}

#[test]
fn a_question_is_stored_pending_and_chefs_are_told() {
    let decision = ask_now(&asked()).unwrap();
    let question = decision.reply.clone();
    assert_eq!(question.question, "Is the soup vegan today?");
    assert_eq!((question.language.as_str(), &question.status), ("en", &QuestionStatus::Pending));
    assert_eq!((question.table_number.as_deref(), question.created_at), (Some("5"), at("2025-01-31")));
    assert_eq!(decision.changes.changes(), [Change::Insert(Row::from(question.clone()))]);
    assert_eq!(
        decision.effects,
        [Effect::Publish {
            audience: Audience::Chefs("r".into()),
            event: Box::new(Event::NewQuestion { question }),
        }]
    );
}

#[test]
fn d68_every_broken_rule_of_a_question_is_listed() {
    let command = AskQuestion {
        customer_session_id: "s".repeat(15),
        question: " \n ".to_owned(),
        menu_item_context: Some("a\0".to_owned()),
        language: Some("xx".to_owned()),
        table_number: None,
    };
    let rejection = ask_now(&command).unwrap_err();
    let paths: Vec<String> = rejection.errors.iter().map(|error| error.path.join(".")).collect();
    assert_eq!(paths, ["customerSessionId", "question", "menuItemContext", "language"]);
    assert_eq!((rejection.kind, rejection.message.as_str()), (RejectionKind::Invalid, "Validation failed"));
}

#[test]
fn limits_of_a_question_hold_at_n_and_n_plus_one() {
    for (session, question, fits) in
        [(16, 1, true), (128, 1000, true), (15, 1, false), (129, 1, false), (16, 0, false), (16, 1001, false)]
    {
        let command = AskQuestion {
            customer_session_id: "ü".repeat(session),
            question: "ß".repeat(question),
            ..asked()
        };
        assert_eq!(ask_now(&command).is_ok(), fits, "{session} {question}");
    }
    for language in LANGUAGES {
        let command = AskQuestion { language: Some((*language).to_owned()), ..asked() };
        assert_eq!(ask_now(&command).unwrap().reply.language, *language);
    }
}

#[test]
fn an_unknown_restaurant_is_told_after_the_rules() {
    let ask_nowhere =
        |command: &AskQuestion| decide(at("2025-01-31"), |env| ask(None, command, env)).unwrap_err();
    assert_eq!(ask_nowhere(&asked()), Rejection::not_found("Restaurant not found"));
    assert_eq!(ask_nowhere(&AskQuestion::default()).kind, RejectionKind::Invalid);
}

fn pending() -> QuestionAccess {
    let question = PendingQuestion {
        restaurant_id: "r".into(),
        customer_session_id: SESSION.to_owned(),
        question: "Is the soup vegan today?".to_owned(),
        language: "en".to_owned(),
        status: QuestionStatus::Pending,
        table_id: Some("t".into()),
        ..row("q")
    };
    QuestionAccess { question, restaurant: restaurant(), answers: Vec::new() }
}

fn written(text: &str) -> AnswerQuestion {
    AnswerQuestion::new(Some("q".to_owned()), None, Some(text.to_owned()), None).unwrap()
}

fn answer_as(
    user: &str,
    facts: Option<&QuestionAccess>,
    command: &AnswerQuestion,
) -> Result<Decision<ChefAnswer>, Rejection> {
    decide(at("2025-02-01"), |env| answer(facts, &user.into(), command, env))
}

#[test]
fn d70_an_answer_its_faq_and_the_new_status_are_one_set_of_changes() {
    let facts = pending();
    let decision = answer_as("owner", Some(&facts), &written(" Yes, without cream. ")).unwrap();
    let [
        Change::Update { before, after },
        Change::Insert(Row::ChefAnswer(stored)),
        Change::Insert(Row::Faq(faq)),
    ] = decision.changes.changes()
    else {
        panic!("{:?}", decision.changes)
    };
    let answered = PendingQuestion { status: QuestionStatus::Answered, ..facts.question.clone() };
    assert_eq!((before, after), (&Row::from(facts.question.clone()), &Row::from(answered)));
    assert_eq!(**stored, decision.reply);
    assert_eq!((stored.answer.as_str(), stored.answered_by.as_str()), ("Yes, without cream.", "owner"));
    assert_eq!(
        (faq.question.as_str(), faq.answer.as_str()),
        ("Is the soup vegan today?", "Yes, without cream.")
    );
    assert_eq!(faq.keywords.as_deref().unwrap(), ["soup", "vegan", "today", "without", "cream"]);
    assert_eq!((faq.usage_count, faq.created_at, faq.updated_at), (0, at("2025-02-01"), at("2025-02-01")));
}

#[test]
fn d71_the_answer_goes_to_the_session_that_asked() {
    let mut command = written("Yes");
    command.language = "fr".to_owned();
    let decision = answer_as("owner", Some(&pending()), &command).unwrap();
    let event = Event::ChefAnswer {
        question_id: "q".into(),
        question: "Is the soup vegan today?".to_owned(),
        answer: "Yes".to_owned(),
        language: "fr".to_owned(),
    };
    let audience = Audience::Customer { restaurant: "r".into(), session: SESSION.to_owned() };
    assert_eq!(decision.effects, [Effect::Publish { audience, event: Box::new(event) }]);
}

#[test]
fn d69_only_a_pending_question_can_be_answered() {
    for status in [QuestionStatus::Answered, QuestionStatus::Other("closed".to_owned())] {
        let mut facts = pending();
        facts.question.status = status;
        let rejection = answer_as("owner", Some(&facts), &written("Yes")).unwrap_err();
        assert_eq!(rejection, Rejection::conflict("Question already answered"));
    }
}

#[test]
fn s4_half_of_an_old_attempt_does_not_keep_a_question_from_being_answered() {
    let mut facts = pending();
    facts.answers = vec![ChefAnswer { pending_question_id: "q".into(), ..row("old") }];
    let decision = answer_as("owner", Some(&facts), &written("Yes")).unwrap();
    let key = crate::RowKey::new(Table::ChefAnswers, "old");
    assert_eq!(
        decision.changes.changes()[0],
        Change::Delete(key),
        "freed before the new answer takes its place"
    );
}

#[test]
fn refusals_come_in_the_order_of_the_contract() {
    let voice = AnswerQuestion::new(Some("q".into()), None, None, Some(("audio/webm".into(), 10))).unwrap();
    let mut answered = pending();
    answered.question.status = QuestionStatus::Answered;
    let refused = |user, facts| answer_as(user, facts, &voice).unwrap_err();
    assert_eq!(refused("other", None), Rejection::not_found("Question not found"));
    assert_eq!(refused("other", Some(&answered)), Rejection::forbidden());
    assert_eq!(refused("owner", Some(&answered)).kind, RejectionKind::Conflict);
    let unavailable = refused("owner", Some(&pending()));
    assert_eq!(unavailable.kind, RejectionKind::Unavailable);
    assert_eq!(unavailable.message, "Voice answers are not available, please type the answer");
}

#[test]
fn a_malformed_answer_is_refused_before_anything_is_read() {
    let audio = |kind: &str, bytes| Some((kind.to_owned(), bytes));
    let text = |text: &str| Some(text.to_owned());
    for (id, answer, audio, want) in [
        (None, text("Yes"), None, "Question ID is required"),
        (text(""), None, None, "Question ID is required"),
        (text("q"), None, None, "Either audio file or text answer is required"),
        (text("q"), text(""), None, "Either audio file or text answer is required"),
        (text("q"), text("  "), None, "Validation failed"),
        (text("q"), text(&"a".repeat(5001)), None, "Validation failed"),
        (text("q"), text("a\0"), None, "Validation failed"),
        (text("q"), None, audio("video/webm", 1), "Validation failed"),
        (text("q"), None, audio("audio/", 1), "Validation failed"),
        (text("q"), None, audio("", 1), "Validation failed"),
        (text("q"), None, audio("audio/webm", MAX_AUDIO_BYTES + 1), "Request body too large"),
    ] {
        let rejection = AnswerQuestion::new(id, None, answer, audio).unwrap_err();
        assert_eq!(rejection.message, want);
    }
    assert!(AnswerQuestion::new(text("q"), None, text(&"a".repeat(5000)), None).is_ok());
    assert!(
        AnswerQuestion::new(text("q"), None, None, audio("Audio/WebM; codecs=opus", MAX_AUDIO_BYTES)).is_ok()
    );
    let both = AnswerQuestion::new(text("q"), None, text("Yes"), audio("video/webm", 1)).unwrap();
    assert_eq!(both.form, AnswerForm::Text("Yes".to_owned()), "what is written needs no recognition");
}

#[test]
fn a_question_is_deleted_by_its_owner_only() {
    let facts = pending();
    let delete_as = |user: &str, facts| decide(at("2025-02-01"), |env| delete(facts, &user.into(), env));
    assert_eq!(delete_as("owner", None).unwrap_err(), Rejection::not_found("Question not found"));
    assert_eq!(delete_as("other", Some(&facts)).unwrap_err(), Rejection::forbidden());
    let decision = delete_as("owner", Some(&facts)).unwrap();
    assert_eq!(
        decision.changes.changes(),
        [Change::Delete(crate::RowKey::new(Table::PendingQuestions, "q"))]
    );
}

#[test]
fn d72_short_session_ids_are_refused() {
    assert_eq!(
        check_session(&"s".repeat(15)).unwrap_err(),
        Rejection::invalid("Invalid customer session id")
    );
    assert!(check_session(&"s".repeat(16)).is_ok());
}

fn given_at(micros: i64) -> (PendingQuestion, ChefAnswer) {
    let created_at = Timestamp::from_micros(micros).unwrap();
    (row("q"), ChefAnswer { created_at, ..row("a") })
}

#[test]
fn an_answer_whose_time_was_seen_does_not_come_back() {
    let answers = vec![given_at(2_000_999), given_at(1_000_500)];
    let seen = |since: Option<&str>| unseen(answers.clone(), since).len();
    assert_eq!(seen(None), 2);
    assert_eq!(seen(Some("")), 2);
    assert_eq!(seen(Some("1970-01-01T00:00:01.000Z")), 1, "microseconds are not seen by the guest");
    assert_eq!(seen(Some("1970-01-01T00:00:02.000Z")), 0);
    assert_eq!(seen(Some("1970-01-01")), 2);
    assert_eq!(seen(Some("some day")), 0);
}

proptest! {
    #[test]
    fn following_the_times_shows_every_answer_exactly_once(mut times in prop::collection::vec(0..4_000_000i64, 0..12)) {
        times.sort_unstable();
        // A guest never learns of a second answer within the same millisecond as the last one seen.
        times.dedup_by_key(|micros| *micros / 1000);
        let (mut since, mut shown) = (String::from("1969-12-31"), 0);
        for so_far in 1..=times.len() {
            let stored = times[..so_far].iter().rev().map(|micros| given_at(*micros)).collect();
            let new = unseen(stored, Some(&since));
            prop_assert_eq!(new.len(), 1);
            since = new[0].answered_at.to_string();
            shown += 1;
        }
        prop_assert_eq!(shown, times.len());
    }
}
