//! Doing the same thing several times at once.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Barrier;
use waiterix_ports::{ErrorKind, Result};

/// Runs `count` tasks that start together, and answers what each of them answered, in the order of their numbers.
///
/// # Panics
/// When one of the tasks panics.
#[allow(clippy::expect_used, reason = "a failed case is a panic")]
pub async fn at_once<T, F>(count: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(count));
    let running: Vec<_> = (0..count)
        .map(|number| {
            let (barrier, work) = (barrier.clone(), task(number));
            tokio::spawn(async move {
                barrier.wait().await;
                work.await
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(count);
    for task in running {
        answers.push(task.await.expect("a task of the race panicked"));
    }
    answers
}

/// Asserts that something was refused with this kind of error.
///
/// # Panics
/// When it succeeded or was refused otherwise.
#[track_caller]
#[allow(clippy::panic, reason = "a failed case is a panic")]
pub fn refused<T>(answer: Result<T>, kind: ErrorKind, what: &str) {
    match answer {
        Ok(_) => panic!("{what}: succeeded, expected {}", kind.as_str()),
        Err(error) => assert_eq!(error.kind(), kind, "{what}: {error}"),
    }
}
