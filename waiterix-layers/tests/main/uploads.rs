//! Bodies: which are sent again, which are given up, and when.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{iter, unfold};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;
use waiterix_layers::{Around, Call, Limits, RetryPolicy, operation, retry, timeout, wrap};
use waiterix_ports::{BlobStore, ByteStream, Bytes, ErrorKind, PutBlob, Result, Retry, Visibility};

use crate::mocks::{MockBlobStore, failure};
use crate::outside::{Outside, Reaction, memory_blobs, pause};
use crate::sample::{self, KEY, SECOND};

/// A body whose pieces take a time each.
fn slow(pieces: usize, each: Duration) -> PutBlob {
    let body = unfold(0, move |sent| async move {
        if sent == pieces {
            return None;
        }
        pause(each).await;
        Some((Ok(Bytes::from_static(b"piece")), sent + 1))
    });
    PutBlob { body: Box::pin(body), size: None, ..PutBlob::new("") }
}

async fn text(body: ByteStream) -> Result<String> {
    let pieces: Vec<Bytes> = body.try_collect().await?;
    Ok(String::from_utf8(pieces.concat()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_put_that_was_refused_before_its_body_was_read_is_sent_again_whole() {
    let outside =
        Outside::new(|call| if call < 3 { Reaction::Fails(Retry::Safe) } else { Reaction::Answers });
    let blobs = retry(outside.blobs(), RetryPolicy::default(), 1);
    let pieces = ["one ", "two ", "three"].map(|piece| Ok(Bytes::from(piece)));
    let mut blob = PutBlob::new("");
    (blob.body, blob.size) = (Box::pin(iter(pieces)), Some(13));
    blob.owner = Some(sample::user());
    blob.visibility = Visibility::Public;
    blob.content_type = Some("text/plain".to_owned());
    blob.cache_control = Some("no-store".to_owned());
    let stored = blobs.put(KEY, blob).await.unwrap();
    assert_eq!(outside.count(), 3);
    assert_eq!(stored.owner, Some(sample::user()));
    assert_eq!(stored.visibility, Visibility::Public);
    assert_eq!(
        (stored.content_type.as_str(), stored.cache_control.as_deref()),
        ("text/plain", Some("no-store"))
    );
    let found = blobs.get(KEY, None).await.unwrap();
    assert_eq!(text(found.body).await.unwrap(), "one two three");
}

#[tokio::test(start_paused = true)]
async fn a_put_whose_body_was_begun_is_not_sent_again() {
    let mut biting = MockBlobStore::new();
    biting.expect_put().times(1).returning(|mut blob| {
        assert!(blob.body.next().now_or_never().is_some());
        Err(failure(Retry::Safe))
    });
    let biting: Arc<dyn BlobStore> = Arc::new(biting);
    // Another retry in between does not hide that the body was begun.
    let blobs = retry(retry(biting, RetryPolicy::default(), 1), RetryPolicy::default(), 2);
    let error = blobs.put(KEY, PutBlob::new("x")).await.unwrap_err();
    assert_eq!(error.retry_advice(), Retry::Safe, "whoever has the bytes may send them again");
}

const STALL: Limits = Limits { point: SECOND, walk: SECOND, stall: Duration::from_secs(10) };

#[tokio::test(start_paused = true)]
async fn a_put_takes_as_long_as_its_pieces_move() {
    let blobs = timeout(memory_blobs(), STALL);
    let begin = Instant::now();
    blobs.put(KEY, slow(20, 9 * SECOND)).await.unwrap();
    assert!(begin.elapsed() >= 180 * SECOND);
    assert_eq!(blobs.head(KEY).await.unwrap().size, 100);
}

#[tokio::test(start_paused = true)]
async fn a_put_that_stalls_is_given_up_and_leaves_the_old_object() {
    let memory = memory_blobs();
    memory.put(KEY, PutBlob::new("old")).await.unwrap();
    let blobs = timeout(memory.clone(), STALL);
    let begin = Instant::now();
    let error = blobs.put(KEY, slow(3, 11 * SECOND)).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Timeout, Retry::Ambiguous));
    assert!(begin.elapsed() < 11 * SECOND, "{:?}", begin.elapsed());
    assert_eq!(text(memory.get(KEY, None).await.unwrap().body).await.unwrap(), "old");
}

#[tokio::test(start_paused = true)]
async fn a_put_whose_answer_does_not_come_is_given_up() {
    let blobs = timeout(Outside::always(Reaction::Hangs).blobs(), STALL);
    let begin = Instant::now();
    let error = blobs.put(KEY, slow(3, 5 * SECOND)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let elapsed = begin.elapsed();
    assert!((25 * SECOND..26 * SECOND).contains(&elapsed), "ten seconds after the last piece: {elapsed:?}");
}

/// Answers with a body whose pieces take a time each, and then one that never comes.
#[derive(Debug)]
struct Trickles(Duration);

impl Around for Trickles {
    async fn around<'a, T: Send + 'a>(&'a self, call: Call<'a, T>) -> Result<T> {
        call.begin().await
    }

    fn body(&self, _: ByteStream) -> ByteStream {
        let each = self.0;
        Box::pin(slow(3, each).body.chain(slow(1, 3600 * SECOND).body))
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_ends_with_a_timeout_and_one_that_moves_does_not() {
    let memory = memory_blobs();
    memory.put(KEY, PutBlob::new("x")).await.unwrap();
    let outside = Outside::always(Reaction::Answers);
    let trickling = wrap(wrap(memory, Trickles(9 * SECOND)), outside.clone());
    let blobs = retry(timeout(trickling, STALL), RetryPolicy::default(), 1);
    let mut body = blobs.get(KEY, None).await.unwrap().body;
    for _ in 0..3 {
        assert_eq!(body.next().await.unwrap().unwrap(), "piece");
    }
    let begin = Instant::now();
    let error = body.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, operation::blob::GET_BODY.name));
    assert_eq!(begin.elapsed().as_secs(), 10);
    assert!(body.next().await.is_none(), "it ends there");
    assert_eq!(outside.count(), 1, "what was read is with the caller, so it is not sent again");
}
