//! What is logged while something is done, kept for a test to look at.

use std::cell::RefCell;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::sync::Once;

use serde_json::Value;
use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;

/// What a thread keeps.
struct Kept {
    level: Level,
    bytes: Vec<u8>,
}

std::thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// What one thread logs from the beginning of this until it is dropped, the words of libraries included: a line of JSON for
/// each event, and for the beginning and the end of each span.
///
/// What other threads log is not in it, so a test that looks at a log runs on one thread (`#[tokio::test]`, and not
/// [`run`](crate::run)). All logs of a process have one subscriber, which stays. With one for each test they would take words
/// away from one another, because whether anybody wants what is said at a place in the code is remembered for all threads.
#[derive(Debug)]
pub struct KeptLog {
    /// It belongs to the thread that began it.
    thread: PhantomData<*const ()>,
}

impl KeptLog {
    /// Keeps what this thread logs from now on at this level and above.
    ///
    /// # Panics
    /// When the thread keeps its log already, or when the process has a subscriber of its own.
    #[must_use]
    #[allow(clippy::expect_used, reason = "a test that cannot be set up must fail")]
    pub fn begin(level: Level) -> Self {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let lines = tracing_subscriber::fmt::layer()
                .json()
                .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
                .with_writer(|| OfThisThread);
            let kept = dynamic_filter_fn(|metadata, _| is_kept(*metadata.level()));
            let subscriber = tracing_subscriber::registry().with(lines.with_filter(kept));
            tracing::subscriber::set_global_default(subscriber).expect("no other subscriber in the process");
        });
        let before = KEPT.replace(Some(Kept { level, bytes: Vec::new() }));
        assert!(before.is_none(), "a thread keeps one log at a time");
        Self { thread: PhantomData }
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> String {
        let bytes = KEPT.with_borrow(|kept| kept.as_ref().map(|kept| kept.bytes.clone()));
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    }

    /// Line by line; what an event says is in `fields`.
    ///
    /// # Panics
    /// When a line is no JSON.
    #[must_use]
    #[allow(clippy::expect_used, reason = "a test that looks at what is no log must fail")]
    pub fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Asserts that all of these are in it.
    ///
    /// # Panics
    /// When one is not.
    pub fn assert_says(&self, words: &[&str]) {
        let text = self.text();
        for word in words {
            assert!(text.contains(word), "{word} is missing in {text}");
        }
    }

    /// Asserts that none of these is in it.
    ///
    /// # Panics
    /// When one is, with the line.
    pub fn assert_never_says(&self, words: &[&str]) {
        for line in self.text().lines() {
            for word in words {
                assert!(!line.contains(word), "{word} in {line}");
            }
        }
    }
}

impl Drop for KeptLog {
    fn drop(&mut self) {
        KEPT.set(None);
    }
}

/// Whether this thread keeps what is said at a level. A thread that is about to end keeps nothing.
fn is_kept(level: Level) -> bool {
    let kept = KEPT.try_with(|kept| kept.borrow().as_ref().is_some_and(|kept| level <= kept.level));
    kept.unwrap_or(false)
}

/// Writes to what the thread keeps that logs.
struct OfThisThread;

impl Write for OfThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A span may end where nothing is kept any more.
        let _ = KEPT.try_with(|kept| {
            if let Some(kept) = kept.borrow_mut().as_mut() {
                kept.bytes.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
