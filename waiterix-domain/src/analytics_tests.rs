use proptest::prelude::*;

use super::*;
use crate::sample::{at, decide, row};
use crate::{Change, RejectionKind, Row};

fn facts() -> ScanFacts {
    let table = |id: &str, label: &str| RestaurantTable {
        table_number: label.to_owned(),
        ..row::<RestaurantTable>(id)
    };
    ScanFacts { restaurant: row("r"), tables: vec![table("t1", "5"), table("t2", "t1")], order: None }
}

fn scanned(table: Option<&str>, label: Option<&str>) -> (Option<String>, Option<String>) {
    let command = RecordScan { table: table.map(str::to_owned), table_number: label.map(str::to_owned) };
    let decision = decide(at("2025-01-31"), |env| record_scan(Some(&facts()), &command, env)).unwrap();
    let [Change::Insert(Row::TableScanEvent(event))] = decision.changes.changes() else {
        panic!("{decision:?}")
    };
    assert_eq!((event.restaurant_id.as_str(), event.scanned_at), ("r", at("2025-01-31")));
    (event.table_id.as_ref().map(ToString::to_string), event.table_number.clone())
}

#[test]
fn the_label_of_a_scanned_table_is_looked_up_unless_it_was_sent() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(scanned(Some("t1"), None), (some("t1"), some("5")));
    assert_eq!(scanned(Some("t1"), Some("")), (some("t1"), some("5")));
    assert_eq!(scanned(Some("t1"), Some("five")), (some("t1"), some("five")));
    assert_eq!(scanned(Some("5"), None), (some("t1"), some("5")), "old codes name the label");
    assert_eq!(scanned(None, Some("9")), (None, some("9")));
    assert_eq!(scanned(None, None), (None, None));
}

#[test]
fn d86_a_table_of_another_restaurant_is_left_out() {
    assert_eq!(scanned(Some("foreign"), None), (None, None));
    assert_eq!(scanned(Some("foreign"), Some("3")), (None, Some("3".to_owned())));
}

#[test]
fn scans_of_unknown_restaurants_and_impossible_labels_are_refused() {
    let record = |facts: Option<&ScanFacts>, label: String| {
        let command = RecordScan { table: None, table_number: Some(label) };
        decide(at("2025-01-31"), |env| record_scan(facts, &command, env)).map(|_| ())
    };
    assert_eq!(record(None, "1".to_owned()), Err(Rejection::not_found("Restaurant not found")));
    assert_eq!(record(Some(&facts()), "x".repeat(50)), Ok(()));
    assert_eq!(record(None, "x".repeat(51)).unwrap_err().kind, RejectionKind::Invalid);
    assert_eq!(record(None, "\0".to_owned()).unwrap_err().kind, RejectionKind::Invalid);
}

fn call(call_type: &str) -> RecordAiCall {
    RecordAiCall { call_type: call_type.to_owned(), ..RecordAiCall::default() }
}

#[test]
fn an_ai_call_is_stored_as_it_was_told() {
    let command = RecordAiCall {
        customer_session_id: Some("s".to_owned()),
        token_count: Some(0),
        duration_ms: Some(i32::MAX),
        ..call("speech-to_text2")
    };
    let decision = decide(at("2025-01-31"), |env| record_ai_call(Some(&row("r")), &command, env)).unwrap();
    let [Change::Insert(Row::AiCallEvent(event))] = decision.changes.changes() else {
        panic!("{decision:?}")
    };
    assert_eq!(
        (event.call_type.as_str(), event.customer_session_id.as_deref()),
        ("speech-to_text2", Some("s"))
    );
    assert_eq!(
        (event.token_count, event.duration_ms, event.called_at),
        (Some(0), Some(i32::MAX), at("2025-01-31"))
    );
}

#[test]
fn malformed_ai_calls_are_refused_before_the_restaurant_is_looked_at() {
    let negative = RecordAiCall { token_count: Some(-1), duration_ms: Some(-1), ..call("chat") };
    let session = RecordAiCall { customer_session_id: Some("s".repeat(129)), ..call("chat") };
    for (command, faults) in [
        (call(""), 1),
        (call(&"a".repeat(51)), 1),
        (call("Chat"), 1),
        (call("chat completion"), 1),
        (call("chät"), 1),
        (negative, 2),
        (session, 1),
    ] {
        let refusal = decide(at("2025-01-31"), |env| record_ai_call(None, &command, env)).unwrap_err();
        assert_eq!((refusal.kind, refusal.errors.len()), (RejectionKind::Invalid, faults), "{command:?}");
    }
    let refusal =
        decide(at("2025-01-31"), |env| record_ai_call(None, &call(&"a".repeat(50)), env)).unwrap_err();
    assert_eq!(refusal, Rejection::not_found("Restaurant not found"));
}

#[test]
fn d87_periods_are_week_month_and_lifetime_only() {
    for (word, want) in [
        (None, Period::Lifetime),
        (Some("lifetime"), Period::Lifetime),
        (Some("week"), Period::Week),
        (Some("month"), Period::Month),
    ] {
        assert_eq!(Period::parse(word), Ok(want));
        assert_eq!(Period::parse(Some(want.as_str())), Ok(want));
    }
    for word in ["year", "Week", "week ", "all"] {
        assert_eq!(Period::parse(Some(word)), Err(Rejection::invalid("Invalid period")), "{word:?}");
    }
}

#[test]
fn a_week_is_seven_days_and_a_month_goes_back_to_the_same_day() {
    let since = |period: Period, now: &str| period.since(at(now)).map(|since| since.to_string());
    assert_eq!(since(Period::Lifetime, "2025-03-31"), None);
    for (period, now, want) in [
        (Period::Week, "2025-03-03T10:00:00.5Z", "2025-02-24T10:00:00.500Z"),
        (Period::Month, "2025-05-15T23:59:59.999Z", "2025-04-15T23:59:59.999Z"),
        (Period::Month, "2025-03-31T08:00:00Z", "2025-02-28T08:00:00.000Z"),
        (Period::Month, "2024-03-30T08:00:00Z", "2024-02-29T08:00:00.000Z"),
        (Period::Month, "2025-01-31T08:00:00Z", "2024-12-31T08:00:00.000Z"),
        (Period::Month, "2025-07-31T08:00:00Z", "2025-06-30T08:00:00.000Z"),
    ] {
        assert_eq!(since(period, now).as_deref(), Some(want), "{now}");
    }
}

fn tallied(counts: &[(&str, u64)]) -> (u64, Vec<(String, u64)>) {
    let tally = tally(counts.iter().map(|(label, count)| ((*label).to_owned(), *count)));
    (tally.total, tally.by_label)
}

#[test]
fn counts_are_ordered_by_frequency_then_by_the_shown_name() {
    let owned =
        |pairs: &[(&str, u64)]| pairs.iter().map(|(label, n)| ((*label).to_owned(), *n)).collect::<Vec<_>>();
    let (total, by_label) = tallied(&[("", 2), ("A", 2), ("Z", 2), ("b", 5)]);
    assert_eq!((total, by_label), (11, owned(&[("b", 5), ("A", 2), ("Unknown", 2), ("Z", 2)])));
    assert_eq!(tallied(&[("", 2), ("Unknown", 1)]), (3, owned(&[("Unknown", 3)])));
    assert_eq!(tallied(&[]), (0, Vec::new()));
}

proptest! {
    #[test]
    fn a_month_back_is_28_to_31_days_at_the_same_time_of_day(micros in -50_000_000_000_000_000i64..200_000_000_000_000_000) {
        let now = Timestamp::from_micros(micros).unwrap();
        let back = now.as_micros() - Period::Month.since(now).unwrap().as_micros();
        prop_assert_eq!(back % 86_400_000_000, 0);
        prop_assert!((28..=31).contains(&(back / 86_400_000_000)));
    }

    #[test]
    fn a_tally_loses_nothing(counts in prop::collection::vec(("[ab]{0,1}", 0u64..100), 0..10)) {
        let tally = tally(counts.clone());
        prop_assert_eq!(tally.total, counts.iter().map(|(_, count)| count).sum::<u64>());
        prop_assert_eq!(tally.total, tally.by_label.iter().map(|(_, count)| count).sum::<u64>());
        prop_assert!(tally.by_label.windows(2).all(|pair| pair[0].1 > pair[1].1 || (pair[0].1 == pair[1].1 && pair[0].0 < pair[1].0)));
    }
}
