//! Messages that fit into one notification, and those that do not.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use waiterix_ports::ErrorKind;
use waiterix_ports::Notifier as _;
use waiterix_ports::notifier::MAX_MESSAGE_BYTES;

use crate::websocket::processes::{
    chef, chefs, connected, database, delivered, joined, message, publish, seed,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r23_r24_texts_of_every_size_arrive_unchanged_at_other_processes() {
    let Some(database) = database().await else { return };
    let (one, two) = (joined(&database.url(), 1).await, joined(&database.url(), 2).await);
    let mut peer = connected(&two, "c", chef()).await;
    // One byte more each time, across the border of one notification (7999 bytes with everything around) and of two.
    let sizes = (7_800..8_000).chain(15_650..15_850).chain([1, MAX_MESSAGE_BYTES - 1, MAX_MESSAGE_BYTES]);
    for size in sizes {
        let text: String = "abcdefghijklmnopqrstuvwxyz".chars().cycle().take(size).collect();
        assert_eq!(publish(&one, &text).await, delivered(1), "{size} bytes");
        assert!(peer.hears().await == text, "{size} bytes");
    }
    let error = one.publish(&chefs(), &message(&"x".repeat(MAX_MESSAGE_BYTES + 1))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(peer.arrived(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r23_characters_of_every_kind_arrive_unchanged_at_other_processes() {
    let Some(database) = database().await else { return };
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let (one, two) = (joined(&database.url(), 1).await, joined(&database.url(), 2).await);
    let mut peer = connected(&two, "c", chef()).await;
    // The longest is what JSON writes in six bytes each.
    let mut texts = vec!["\u{1}".repeat(MAX_MESSAGE_BYTES), "\u{0}".repeat(20_000)];
    for _ in 0..40 {
        let length = random.random_range(0..30_000);
        texts.push((0..length).map(|_| random.random::<char>()).collect());
    }
    for text in texts {
        assert_eq!(publish(&one, &text).await, delivered(1), "{} bytes", text.len());
        assert!(peer.hears().await == text, "{} bytes", text.len());
    }
    assert_eq!((one.snapshot().malformed, two.snapshot().malformed), (0, 0));
}
