//! What opening, changing and closing a restaurant promises.

use super::*;
use crate::blob_ref::Locations;
use crate::picture::PictureFacts;
use crate::sample::{at, decide, row};
use crate::schema::User;
use crate::{Change, Row};

fn account(restaurant: Option<Restaurant>) -> Account {
    Account { user: row::<User>("u1"), restaurant }
}

fn no_pictures() -> PictureFacts {
    PictureFacts::default()
}

fn opened(command: &OpenRestaurant) -> Result<Decision<Restaurant>, Rejection> {
    let (facts, locations) = (no_pictures(), Locations::default());
    let gallery = Gallery::new(&facts, &locations);
    decide(at("2025-01-31T09:05:07.123Z"), |env| {
        open(&account(None), gallery, command, &Hashes::default(), env)
    })
}

fn named(name: &str) -> OpenRestaurant {
    OpenRestaurant { name: name.to_owned(), ..OpenRestaurant::default() }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn secret(text: &str) -> Option<Secret> {
    Some(Secret::new(text))
}

fn faulty_fields(command: &OpenRestaurant) -> Vec<String> {
    let rejection = command.check().unwrap_err();
    assert_eq!(rejection.message, "Invalid restaurant data");
    rejection.errors.into_iter().map(|error| error.path.join(".")).collect()
}

#[test]
fn d22_restaurant_and_three_tables_are_one_change_set() {
    let decision = opened(&named("Bella Vista")).unwrap();
    let rows: Vec<_> = decision.changes.changes().iter().collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0], &Change::Insert(Row::from(decision.reply.clone())));
    let labels: Vec<_> = rows[1..]
        .iter()
        .map(|change| match change {
            Change::Insert(Row::RestaurantTable(table)) => {
                assert_eq!(table.restaurant_id, decision.reply.id);
                table.table_number.clone()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(labels, ["1", "2", "3"]);
}

#[test]
fn d20_the_trial_ends_at_the_end_of_the_thirtieth_day() {
    let restaurant = opened(&named("Bella Vista")).unwrap().reply;
    assert_eq!(restaurant.trial_ends_at, Some(at("2025-03-02T23:59:59.999Z")));
    assert_eq!(restaurant.subscription_status, SubscriptionStatus::Trialing);
    assert_eq!((restaurant.default_language.as_str(), restaurant.currency_code.as_str()), ("en", "USD"));
    assert!(restaurant.ai_waiter_enabled && !restaurant.auto_print_orders);
}

#[test]
fn d24_the_currency_is_as_sent_or_by_country() {
    let currency = |country: Option<&str>, code: Option<&str>| {
        let command = OpenRestaurant {
            country: country.map(str::to_owned),
            currency_code: code.map(str::to_owned),
            ..named("x")
        };
        opened(&command).unwrap().reply.currency_code
    };
    assert_eq!(currency(Some("Bulgaria"), None), "BGN");
    assert_eq!(currency(Some("Bulgaria"), Some("")), "BGN");
    assert_eq!(currency(Some("Germany"), Some("CHF")), "CHF");
    assert_eq!(currency(Some("Atlantis"), None), "USD");
    assert_eq!(currency(None, None), "USD");
}

#[test]
fn d23_a_second_restaurant_is_refused_before_anything_else() {
    let (facts, locations) = (no_pictures(), Locations::default());
    let gallery = Gallery::new(&facts, &locations);
    let refused = decide(Timestamp::EPOCH, |env| {
        open(&account(Some(row("r"))), gallery, &named(""), &Hashes::default(), env)
    });
    assert_eq!(refused.unwrap_err().message, "Restaurant already exists");
}

#[test]
fn d19_names_have_one_to_two_hundred_characters() {
    for good in ["a", &"ä".repeat(200)] {
        assert!(opened(&named(good)).is_ok());
    }
    for bad in ["", "   ", &"a".repeat(201), "a\0"] {
        assert_eq!(faulty_fields(&named(bad)), ["name"], "{bad:?}");
    }
}

#[test]
fn every_broken_field_is_listed() {
    let command = OpenRestaurant {
        description: text("\0"),
        currency_code: text("euro"),
        admin_passcode: secret("12345"),
        security_question_1: text("Pet?"),
        security_answer_2: secret("Rex"),
        ..named("")
    };
    assert_eq!(
        faulty_fields(&command),
        ["name", "description", "currencyCode", "adminPasscode", "securityAnswer1", "securityQuestion2"]
    );
}

#[test]
fn d82_passcodes_have_six_to_seventy_two_bytes() {
    let with = |code: &str| OpenRestaurant { admin_passcode: secret(code), ..named("x") };
    for good in ["123456", &"x".repeat(72)] {
        assert!(with(good).check().is_ok());
    }
    for bad in ["", "12345", &"x".repeat(73), &"ä".repeat(37), "12345\0"] {
        assert_eq!(faulty_fields(&with(bad)), ["adminPasscode"], "{bad:?}");
    }
}

#[test]
fn d81_questions_and_answers_come_in_pairs_with_answers_of_two_characters() {
    let with = |question: &str, answer: &str| OpenRestaurant {
        security_question_1: text(question),
        security_answer_1: secret(answer),
        ..named("x")
    };
    assert!(with("Pet?", " ab ").check().is_ok());
    assert_eq!(faulty_fields(&with("Pet?", " a ")), ["securityAnswer1"]);
    assert_eq!(faulty_fields(&with("Pet?", &"x".repeat(73))), ["securityAnswer1"]);
    assert_eq!(faulty_fields(&with("  ", "ab")), ["securityQuestion1"]);
}

#[test]
fn hashes_are_stored_and_clear_text_is_not() {
    let command = OpenRestaurant {
        admin_passcode: secret("123456"),
        security_question_1: text("Pet?"),
        security_answer_1: secret("Rex"),
        ..named("x")
    };
    let hashes = Hashes {
        admin_passcode: secret("hash of passcode"),
        security_answer_1: secret("hash of answer"),
        security_answer_2: None,
    };
    let (facts, locations) = (no_pictures(), Locations::default());
    let gallery = Gallery::new(&facts, &locations);
    let restaurant =
        decide(Timestamp::EPOCH, |env| open(&account(None), gallery, &command, &hashes, env)).unwrap().reply;
    assert_eq!(restaurant.admin_password, hashes.admin_passcode);
    assert_eq!(restaurant.security_answer_1, hashes.security_answer_1);
    assert_eq!(restaurant.security_question_1.as_deref(), Some("Pet?"));
    assert!(!format!("{command:?}").contains("123456"));
}

fn changed(restaurant: &Restaurant, patch: &RestaurantPatch) -> Result<Decision<Restaurant>, Rejection> {
    let (facts, locations) = (no_pictures(), Locations::default());
    let gallery = Gallery::new(&facts, &locations);
    decide(at("2025-01-31T09:05:07.123Z"), |env| change(restaurant, gallery, patch, env))
}

fn existing() -> Restaurant {
    Restaurant {
        name: "Bella Vista".to_owned(),
        user_id: "u1".into(),
        currency_code: "USD".to_owned(),
        ..row("r1")
    }
}

#[test]
fn d18_only_named_fields_change_and_nothing_named_changes_nothing() {
    let before = existing();
    let patch = RestaurantPatch {
        name: text("Mare"),
        description: Some(text("By the sea")),
        phone: Some(None),
        default_language: text("it"),
        auto_print_orders: Some(true),
        ai_waiter_enabled: Some(false),
        ..RestaurantPatch::default()
    };
    let after = changed(&before, &patch).unwrap().reply;
    let want = Restaurant {
        name: "Mare".to_owned(),
        description: text("By the sea"),
        default_language: "it".to_owned(),
        auto_print_orders: true,
        ai_waiter_enabled: false,
        ..before.clone()
    };
    assert_eq!(after, want);
    assert_eq!(changed(&before, &RestaurantPatch::default()).unwrap().reply, before);
}

#[test]
fn city_and_country_stay_once_they_are_set() {
    let blank = existing();
    let first = RestaurantPatch {
        city: Some(text("Sofia")),
        country: Some(text("Bulgaria")),
        ..RestaurantPatch::default()
    };
    let set = changed(&blank, &first).unwrap().reply;
    assert_eq!((set.city.as_deref(), set.currency_code.as_str()), (Some("Sofia"), "BGN"));
    assert_eq!(changed(&set, &first).unwrap().reply, set, "the client sends the same values back");
    let city = |city: Option<&str>| RestaurantPatch {
        city: Some(city.map(str::to_owned)),
        ..RestaurantPatch::default()
    };
    for other in [Some("Varna"), Some(""), None] {
        assert_eq!(changed(&set, &city(other)).unwrap_err().message, "City cannot be changed once set");
    }
    let country = RestaurantPatch { country: Some(text("Chile")), ..RestaurantPatch::default() };
    assert_eq!(changed(&set, &country).unwrap_err().message, "Country cannot be changed once set");
    let empty = Restaurant { city: text(""), ..existing() };
    assert!(changed(&empty, &city(Some("Varna"))).is_ok());
}

#[test]
fn the_first_country_sets_the_currency_unless_one_is_named() {
    let patch = RestaurantPatch {
        country: Some(text("Bulgaria")),
        currency_code: text("EUR"),
        ..RestaurantPatch::default()
    };
    assert_eq!(changed(&existing(), &patch).unwrap().reply.currency_code, "EUR");
    let bad = RestaurantPatch { currency_code: text("eur"), ..RestaurantPatch::default() };
    assert_eq!(changed(&existing(), &bad).unwrap_err().errors[0].path, ["currencyCode"]);
    let old = Restaurant { currency_code: "doubloons".to_owned(), ..existing() };
    let same = RestaurantPatch { currency_code: text("doubloons"), ..RestaurantPatch::default() };
    assert!(changed(&old, &same).is_ok());
}

#[test]
fn d26_a_cover_image_follows_the_picture_rule() {
    for bad in ["javascript:alert(1)", "/etc/passwd", "not a picture"] {
        let patch = RestaurantPatch { cover_image_url: Some(text(bad)), ..RestaurantPatch::default() };
        assert_eq!(changed(&existing(), &patch).unwrap_err().message, "Invalid image", "{bad}");
    }
    let patch = RestaurantPatch { cover_image_url: Some(text("sea.jpg")), ..RestaurantPatch::default() };
    assert_eq!(changed(&existing(), &patch).unwrap().reply.cover_image_url.as_deref(), Some("sea.jpg"));
}

#[test]
fn d27_closing_deletes_the_row_and_afterwards_the_pictures_it_showed() {
    let upload = |key: &str, attached: bool| Upload {
        user_id: "u1".into(),
        attached_at: attached.then_some(Timestamp::EPOCH),
        ..row(key)
    };
    let uploads = [upload("public/uploads/a", true), upload("public/uploads/b", false)];
    let decision = decide(Timestamp::EPOCH, |env| close(&existing(), &uploads, env));
    assert_eq!(decision.effects, [Effect::DeleteBlob { key: "public/uploads/a".to_owned() }]);
    assert_eq!(decision.changes.changes().len(), 2);
    assert!(matches!(&decision.changes.changes()[1], Change::Delete(key) if key.id == "r1"));
}
