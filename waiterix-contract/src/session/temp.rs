//! Temporary data.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use std::time::Duration;

use serde_json::{Value, json};
use waiterix_ports::ErrorKind;
use waiterix_ports::session::{MAX_TEMP_BYTES, MAX_TTL};

use super::Fresh;
use crate::race::{at_once, refused};

const HOUR: Duration = Duration::from_secs(3600);

async fn is_absent(fixture: &Fresh, key: &str) -> bool {
    matches!(fixture.port.temp_get(key).await, Ok(None))
}

fn malformed_keys() -> Vec<String> {
    let mut bad: Vec<String> =
        ["", "with blank", "täg", "new\nline", "nul\u{0}", "tab\t", "\u{7f}"].map(str::to_owned).to_vec();
    bad.extend(["k".repeat(257), "k".repeat(100_000)]);
    bad
}

/// **N70**
pub async fn n70_any_json_survives(fixture: Fresh) {
    let values = [
        json!(null),
        json!(false),
        json!(0),
        json!(-1.5),
        json!(""),
        json!("ünïcode 😀 \" \\ \n\u{2028}"),
        json!([]),
        json!({}),
        json!({ "userId": "u", "nested": [1, { "x": null }], "": 9_007_199_254_740_991_i64 }),
    ];
    for (number, value) in values.iter().enumerate() {
        let key = format!("value:{number}");
        fixture.port.temp_set(&key, value, HOUR).await.unwrap();
        assert_eq!(fixture.port.temp_get(&key).await.unwrap().as_ref(), Some(value));
        assert_eq!(fixture.port.temp_take(&key).await.unwrap().as_ref(), Some(value));
    }
    assert_eq!(fixture.port.temp_get("never set").await.unwrap(), None);
    assert_eq!(fixture.port.temp_take("never-set").await.unwrap(), None);
}

/// **N70**
pub async fn n70_a_value_is_replaced(fixture: Fresh) {
    fixture.port.temp_set("k", &json!({ "a": 1, "b": 2 }), HOUR).await.unwrap();
    fixture.port.temp_set("k", &json!({ "a": 3 }), HOUR).await.unwrap();
    assert_eq!(fixture.port.temp_get("k").await.unwrap(), Some(json!({ "a": 3 })));
}

/// **N70**
pub async fn n70_a_value_ends_with_its_time_to_live(fixture: Fresh) {
    fixture.port.temp_set("k", &json!(1), Duration::from_secs(2)).await.unwrap();
    fixture.port.temp_set("other", &json!(2), HOUR).await.unwrap();
    fixture.after(Duration::from_secs(3), "it ends", || is_absent(&fixture, "k")).await;
    assert_eq!(fixture.port.temp_get("other").await.unwrap(), Some(json!(2)));
}

/// **N70**
pub async fn n70_a_value_is_found_to_its_end(fixture: Fresh) {
    fixture.port.temp_set("k", &json!(1), HOUR).await.unwrap();
    fixture.advance(HOUR - Duration::from_secs(2));
    assert_eq!(fixture.port.temp_get("k").await.unwrap(), Some(json!(1)));
}

/// **N70**
pub async fn n70_setting_again_starts_the_time_anew(fixture: Fresh) {
    for key in ["longer", "left"] {
        fixture.port.temp_set(key, &json!(1), Duration::from_secs(3)).await.unwrap();
    }
    fixture.port.temp_set("longer", &json!(2), HOUR).await.unwrap();
    fixture.port.temp_set("shorter", &json!(1), HOUR).await.unwrap();
    fixture.port.temp_set("shorter", &json!(2), Duration::from_secs(3)).await.unwrap();
    let ended = || async { is_absent(&fixture, "left").await && is_absent(&fixture, "shorter").await };
    fixture.after(Duration::from_secs(4), "the short ones end", ended).await;
    assert_eq!(fixture.port.temp_get("longer").await.unwrap(), Some(json!(2)));
}

/// **N70**
pub async fn n70_times_to_live_outside_the_limits_are_invalid(fixture: Fresh) {
    for ttl in [Duration::ZERO, Duration::from_millis(999), MAX_TTL + Duration::from_secs(1), Duration::MAX] {
        let what = format!("{ttl:?}");
        refused(fixture.port.temp_set("k", &json!(1), ttl).await, ErrorKind::Invalid, &what);
        refused(fixture.port.temp_set_if_absent("k", &json!(1), ttl).await, ErrorKind::Invalid, &what);
        assert!(is_absent(&fixture, "k").await);
    }
    fixture.port.temp_set("k", &json!(1), MAX_TTL).await.unwrap();
    assert_eq!(fixture.port.temp_get("k").await.unwrap(), Some(json!(1)));
}

/// **N70**
pub async fn n70_keys_at_the_limits_are_fine(fixture: Fresh) {
    for key in [
        "!".to_owned(),
        "k".repeat(256),
        "~`'\"\\%_*?[a]{b}$(x);--".to_owned(),
        "../../etc/passwd".to_owned(),
    ] {
        fixture.port.temp_set(&key, &json!(key), HOUR).await.unwrap();
        assert_eq!(fixture.port.temp_get(&key).await.unwrap(), Some(json!(key)));
    }
}

/// **N70**
pub async fn n70_malformed_keys_are_invalid_on_writes_and_absent_on_reads(fixture: Fresh) {
    for key in malformed_keys() {
        let what = format!("key {key:.20?}");
        refused(fixture.port.temp_set(&key, &json!(1), HOUR).await, ErrorKind::Invalid, &what);
        refused(fixture.port.temp_set_if_absent(&key, &json!(1), HOUR).await, ErrorKind::Invalid, &what);
        assert_eq!(fixture.port.temp_get(&key).await.unwrap(), None, "{what}");
        assert_eq!(fixture.port.temp_take(&key).await.unwrap(), None, "{what}");
    }
}

/// **N70**
pub async fn n70_a_value_at_the_limit_is_fine_and_above_it_invalid(fixture: Fresh) {
    let largest = json!("x".repeat(MAX_TEMP_BYTES - 2));
    fixture.port.temp_set("k", &largest, HOUR).await.unwrap();
    assert_eq!(fixture.port.temp_get("k").await.unwrap(), Some(largest.clone()));
    let larger = json!("x".repeat(MAX_TEMP_BYTES - 1));
    refused(fixture.port.temp_set("k", &larger, HOUR).await, ErrorKind::Invalid, "one byte more");
    refused(fixture.port.temp_set_if_absent("j", &larger, HOUR).await, ErrorKind::Invalid, "one byte more");
    assert_eq!(fixture.port.temp_get("k").await.unwrap(), Some(largest), "the old value stays");
    assert!(is_absent(&fixture, "j").await);
}

/// **N70**
pub async fn n70_similar_keys_are_strangers(fixture: Fresh) {
    let keys = ["a", "A", "a*", "a:b", "a:", "temp:a", "%", "_", "*", "session:a"];
    for key in keys {
        fixture.port.temp_set(key, &json!(key), HOUR).await.unwrap();
    }
    assert_eq!(fixture.port.temp_take("*").await.unwrap(), Some(json!("*")));
    assert_eq!(fixture.port.temp_take("%").await.unwrap(), Some(json!("%")));
    for key in keys.into_iter().filter(|key| !["*", "%"].contains(key)) {
        assert_eq!(fixture.port.temp_get(key).await.unwrap(), Some(json!(key)), "{key}");
    }
}

/// **N71**
pub async fn n71_only_an_absent_value_is_set(fixture: Fresh) {
    assert!(fixture.port.temp_set_if_absent("k", &json!(1), HOUR).await.unwrap());
    assert!(!fixture.port.temp_set_if_absent("k", &json!(2), HOUR).await.unwrap());
    assert!(!fixture.port.temp_set_if_absent("k", &json!(1), HOUR).await.unwrap(), "the same value again");
    assert_eq!(fixture.port.temp_get("k").await.unwrap(), Some(json!(1)));
    fixture.port.temp_take("k").await.unwrap();
    assert!(fixture.port.temp_set_if_absent("k", &json!(null), HOUR).await.unwrap());
    assert!(!fixture.port.temp_set_if_absent("k", &json!(3), HOUR).await.unwrap(), "null is a value");
}

/// **N71**
pub async fn n71_of_several_at_once_exactly_one_succeeds(fixture: Fresh) {
    for round in 0..5 {
        let key = format!("k{round}");
        let answers = at_once(8, |number| {
            let (port, key) = (fixture.port.clone(), key.clone());
            async move { port.temp_set_if_absent(&key, &json!(number), HOUR).await.unwrap() }
        })
        .await;
        let winners: Vec<_> = (0..8).filter(|number| answers[*number]).collect();
        assert_eq!(winners.len(), 1, "exactly one sets it");
        assert_eq!(fixture.port.temp_get(&key).await.unwrap(), Some(json!(winners[0])));
    }
}

/// **N71**
pub async fn n71_an_expired_value_counts_as_absent(fixture: Fresh) {
    let second = Duration::from_secs(2);
    fixture.port.temp_set("k", &json!(1), second).await.unwrap();
    let set = || async { fixture.port.temp_set_if_absent("k", &json!(2), HOUR).await.unwrap() };
    fixture.after(second + Duration::from_secs(1), "the old value ends", set).await;
    assert_eq!(fixture.port.temp_get("k").await.unwrap(), Some(json!(2)));
}

/// **N71**
pub async fn n71_a_refused_set_changes_nothing(fixture: Fresh) {
    fixture.port.temp_set("k", &json!(1), Duration::from_secs(3)).await.unwrap();
    assert!(!fixture.port.temp_set_if_absent("k", &json!(2), HOUR).await.unwrap());
    fixture.after(Duration::from_secs(4), "the end was not moved", || is_absent(&fixture, "k")).await;
}

/// **N72**
pub async fn n72_reading_changes_nothing(fixture: Fresh) {
    fixture.port.temp_set("k", &json!([1]), HOUR).await.unwrap();
    for _ in 0..3 {
        assert_eq!(fixture.port.temp_get("k").await.unwrap(), Some(json!([1])));
    }
    assert_eq!(fixture.port.temp_take("k").await.unwrap(), Some(json!([1])));
}

/// **N72**
pub async fn n72_reading_does_not_move_the_end(fixture: Fresh) {
    fixture.port.temp_set("k", &json!(1), Duration::from_secs(4)).await.unwrap();
    fixture.advance(Duration::from_secs(2));
    fixture.port.temp_get("k").await.unwrap();
    fixture.after(Duration::from_secs(3), "it ends although it is read", || is_absent(&fixture, "k")).await;
}

/// **N73**
pub async fn n73_a_value_is_taken_once(fixture: Fresh) {
    fixture.port.temp_set("k", &json!("ticket"), HOUR).await.unwrap();
    assert_eq!(fixture.port.temp_take("k").await.unwrap(), Some(json!("ticket")));
    assert_eq!(fixture.port.temp_take("k").await.unwrap(), None);
    assert_eq!(fixture.port.temp_get("k").await.unwrap(), None);
}

/// **N73**: a one-time code cannot be replayed (N11 of the old system).
pub async fn n73_of_several_at_once_exactly_one_gets_it(fixture: Fresh) {
    for round in 0..5 {
        let key = format!("k{round}");
        fixture.port.temp_set(&key, &json!(round), HOUR).await.unwrap();
        let answers: Vec<Option<Value>> = at_once(8, |_| {
            let (port, key) = (fixture.port.clone(), key.clone());
            async move { port.temp_take(&key).await.unwrap() }
        })
        .await;
        let taken: Vec<_> = answers.into_iter().flatten().collect();
        assert_eq!(taken, [json!(round)], "exactly one gets it");
    }
}

/// **N73**
pub async fn n73_an_ended_value_is_not_taken(fixture: Fresh) {
    fixture.port.temp_set("k", &json!(1), Duration::from_secs(2)).await.unwrap();
    fixture.after(Duration::from_secs(3), "it ends", || is_absent(&fixture, "k")).await;
    assert_eq!(fixture.port.temp_take("k").await.unwrap(), None);
}

/// **N74**
pub async fn n74_counts_from_one(fixture: Fresh) {
    for expected in 1..=3 {
        assert_eq!(fixture.port.temp_count("k", HOUR).await.unwrap(), expected);
    }
    assert_eq!(fixture.port.temp_count("other", HOUR).await.unwrap(), 1);
}

/// **N74**
pub async fn n74_many_at_once_get_each_number_once(fixture: Fresh) {
    let mut counts = at_once(40, |_| {
        let port = fixture.port.clone();
        async move { port.temp_count("k", HOUR).await.unwrap() }
    })
    .await;
    counts.sort_unstable();
    assert_eq!(counts, (1..=40).collect::<Vec<u64>>());
}

/// **N74**
pub async fn n74_later_calls_do_not_move_the_end(fixture: Fresh) {
    assert_eq!(fixture.port.temp_count("k", Duration::from_secs(3)).await.unwrap(), 1);
    fixture.advance(Duration::from_secs(1));
    assert_eq!(fixture.port.temp_count("k", HOUR).await.unwrap(), 2);
    // Asking counts, so a counter whose end moved along would never be back at one.
    let begins_anew = || async { fixture.port.temp_count("k", HOUR).await.unwrap() == 1 };
    fixture.after(Duration::from_secs(3), "the counter begins anew", begins_anew).await;
    fixture.advance(Duration::from_secs(10));
    assert_eq!(fixture.port.temp_count("k", HOUR).await.unwrap(), 2, "the new one has its own end");
}

/// **N74**
pub async fn n74_bad_keys_and_times_are_invalid(fixture: Fresh) {
    for key in malformed_keys() {
        refused(fixture.port.temp_count(&key, HOUR).await, ErrorKind::Invalid, &format!("key {key:.20?}"));
    }
    for ttl in [Duration::ZERO, Duration::from_millis(999), MAX_TTL + Duration::from_secs(1)] {
        refused(fixture.port.temp_count("k", ttl).await, ErrorKind::Invalid, &format!("{ttl:?}"));
    }
    assert_eq!(fixture.port.temp_count("k", MAX_TTL).await.unwrap(), 1, "refused calls did not count");
}

/// **N75**
pub async fn n75_counters_and_values_do_not_meet(fixture: Fresh) {
    assert_eq!(fixture.port.temp_count("k", HOUR).await.unwrap(), 1);
    assert_eq!(fixture.port.temp_get("k").await.unwrap(), None);
    assert_eq!(fixture.port.temp_take("k").await.unwrap(), None);
    assert!(fixture.port.temp_set_if_absent("k", &json!(7), HOUR).await.unwrap());
    assert_eq!(fixture.port.temp_count("k", HOUR).await.unwrap(), 2);
    fixture.port.temp_set("k", &json!("text"), HOUR).await.unwrap();
    assert_eq!(fixture.port.temp_count("k", HOUR).await.unwrap(), 3);
    assert_eq!(fixture.port.temp_take("k").await.unwrap(), Some(json!("text")));
    assert_eq!(fixture.port.temp_count("k", HOUR).await.unwrap(), 4);
}
