//! Others in the same database, who say what they like on our channels.

use waiterix_ports::Notifier as _;

use crate::websocket::processes::{
    Admin, PATIENCE, chef, connected, database, delivered, joined, patient, process_with, publish, sees,
};
use waiterix_contract::eventually;

const STRANGER: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_is_counted_and_changes_nothing() {
    let Some(database) = database().await else { return };
    let (one, two) = (joined(&database.url(), 1).await, joined(&database.url(), 2).await);
    let mut peer = connected(&two, "c", chef()).await;
    let mut admin = Admin::of(&database.url()).await;
    let own = format!("waiterix_sockets_{}fd", "02".repeat(15));
    let long = "x".repeat(7_999);
    let part = |rest: &str| format!("1 {STRANGER} {rest}");
    let calls = [
        "",
        "hello",
        "\n\n\n",
        &long,
        &part("1 0 1\n"),
        &part("2 0 1\nnot json"),
        &part("3 0 1\n{\"do\":\"explode\"}"),
        &part("4 0 1\n{\"do\":\"publish\",\"restaurant\":7}"),
        &part("5 1 2\nhalf of nothing"),
        &part("6 0 99999\n{}"),
        &part("18446744073709551616 0 1\n{}"),
        "2 0123456789abcdef0123456789abcdef 1 0 1\n{\"do\":\"hello\"}",
    ];
    let answers = [
        "",
        "1",
        &long,
        &part("1\nnot json"),
        &part("1\n{\"delivery\":{}}"),
        &part("-1\n\"done\""),
        &part("1 0 1\n\"done\""),
    ];
    for call in calls {
        admin.notify("waiterix_sockets", call).await;
    }
    for answer in answers {
        admin.notify(&own, answer).await;
    }
    let strange = (calls.len() + answers.len()) as u64;
    eventually(PATIENCE, "all of it was counted", async || two.snapshot().malformed == strange).await;
    assert_eq!(one.snapshot().malformed, calls.len() as u64);
    assert_eq!(publish(&one, "still here").await, delivered(1));
    assert_eq!(peer.hears().await, "still here");
    assert_eq!((one.snapshot().joins, two.snapshot().joins), (1, 1), "nobody lost the connection over it");
}

/// Counts that others make up cannot make those of a delivery wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_answers_break_no_count() {
    let Some(database) = database().await else { return };
    let (one, two) = (joined(&database.url(), 1).await, joined(&database.url(), 2).await);
    let _peer = connected(&two, "c", chef()).await;
    let mut admin = Admin::of(&database.url()).await;
    let own = format!("waiterix_sockets_{}fe", "01".repeat(15));
    for number in 0..200_u32 {
        let forged = format!(
            "1 {STRANGER} {number}\n{{\"delivery\":{{\"targeted\":1,\"delivered\":4294967295,\"gone\":2,\"failed\":0}}}}"
        );
        admin.notify(&own, &forged).await;
        let delivery = publish(&one, "x").await;
        assert_eq!(delivery.targeted, delivery.delivered + delivery.gone + delivery.failed, "{delivery:?}");
        assert_eq!(delivery.delivered, 1);
    }
}

/// A lock like ours that nobody answers for: whoever sees it waits for an answer once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_without_a_process_is_waited_for_once() {
    let Some(database) = database().await else { return };
    let mut settings = patient();
    settings.deadline = std::time::Duration::from_secs(2);
    let one = process_with(&database.url(), 1, settings.clone());
    crate::websocket::processes::joins(&one).await;
    let mut stranger = Admin::of(&database.url()).await;
    stranger.locks_like_a_process().await;
    sees(&one, 1).await;
    let mut waited = Vec::new();
    for _ in 0..4 {
        let begun = std::time::Instant::now();
        let delivery = publish(&one, "x").await;
        assert_eq!((delivery.targeted, delivery.failed), (1, 1));
        waited.push(begun.elapsed());
    }
    assert!(waited[0] >= settings.deadline, "{waited:?}");
    assert!(waited[1..].iter().all(|waited| *waited < settings.deadline), "{waited:?}");
    assert!(one.check().await.is_ok());
}
