//! That a log which is kept for a test is the log of that test.

use std::thread;

use tracing::Level;
use waiterix_contract::KeptLog;

fn say(word: &str) {
    tracing::info!(word, "said");
}

/// Whether a place in the code is listened to is remembered when it is reached first, for all threads.
#[test]
fn what_others_said_first_at_the_same_place_is_kept_nevertheless() {
    thread::spawn(|| say("before")).join().unwrap();
    let log = KeptLog::begin(Level::INFO);
    thread::spawn(|| say("beside")).join().unwrap();
    say("mine");
    log.assert_says(&["mine"]);
    log.assert_never_says(&["before", "beside"]);
}

#[test]
fn several_threads_keep_a_log_each() {
    let tests: Vec<_> = ["one", "two", "three", "four"]
        .into_iter()
        .map(|name| {
            thread::spawn(move || {
                for _ in 0..50 {
                    let log = KeptLog::begin(Level::INFO);
                    say(name);
                    assert_eq!(log.lines().len(), 1, "{}", log.text());
                    log.assert_says(&[name]);
                }
            })
        })
        .collect();
    for test in tests {
        test.join().unwrap();
    }
}

#[test]
fn what_is_below_the_level_or_after_the_end_is_not_kept() {
    let log = KeptLog::begin(Level::INFO);
    tracing::debug!("too quiet");
    let span = tracing::info_span!("told", word = "wide");
    span.in_scope(|| say("loud"));
    assert_eq!(log.lines().len(), 2, "{}", log.text());
    assert_eq!(
        (&log.lines()[0]["fields"]["message"], &log.lines()[0]["span"]["word"]),
        (&"new".into(), &"wide".into())
    );
    drop(log);
    say("late");
    drop(span);
    let log = KeptLog::begin(Level::TRACE);
    assert_eq!(log.text(), "");
}

#[test]
#[should_panic(expected = "secret in")]
fn a_word_that_must_not_be_said_is_found() {
    let log = KeptLog::begin(Level::INFO);
    say("a secret");
    log.assert_never_says(&["secret"]);
}
