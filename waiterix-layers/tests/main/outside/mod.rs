//! An outside that does as it is told: put around a memory adapter, it is what is behind a wrapper under test.

#![allow(unreachable_pub, missing_docs, reason = "test support")]

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::pending;
use tokio::time::Instant;
use waiterix_adapters_local::memory::{MemoryBlobStore, MemoryMailer, MemoryStore};
use waiterix_contract::ManualClock;
use waiterix_domain::Secret;
use waiterix_layers::{Around, Call, wrap};
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{BlobStore, Error, ErrorKind, Mailer, Result, Retry, Store};

/// What happens to one call.
#[derive(Debug, Clone, Copy)]
pub enum Reaction {
    /// It is done and answered.
    Answers,
    /// It is done and answered after a time.
    AnswersAfter(Duration),
    /// It is not done and fails with this advice.
    Fails(Retry),
    /// It is done, and no answer ever comes.
    Hangs,
}

#[derive(Clone)]
pub struct Outside {
    script: Arc<dyn Fn(u32) -> Reaction + Send + Sync>,
    calls: Arc<Mutex<Vec<Instant>>>,
    given_up: Arc<AtomicU32>,
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outside")
    }
}

impl Outside {
    /// One that reacts to the n-th call, counted from 1, as the script says.
    pub fn new(script: impl Fn(u32) -> Reaction + Send + Sync + 'static) -> Self {
        Self { script: Arc::new(script), calls: Arc::default(), given_up: Arc::default() }
    }

    /// One that always reacts alike.
    pub fn always(reaction: Reaction) -> Self {
        Self::new(move |_| reaction)
    }

    /// A store behind it.
    pub fn store(&self) -> Arc<dyn Store> {
        wrap::<dyn Store>(Arc::new(MemoryStore::new(clock())), self.clone())
    }

    /// A store of objects behind it.
    pub fn blobs(&self) -> Arc<dyn BlobStore> {
        wrap(memory_blobs(), self.clone())
    }

    /// A mailer behind it.
    pub fn mailer(&self, mailer: Arc<MemoryMailer>) -> Arc<dyn Mailer> {
        wrap::<dyn Mailer>(mailer, self.clone())
    }

    /// How often it was called.
    pub fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    /// The time between the calls.
    pub fn pauses(&self) -> Vec<Duration> {
        self.calls.lock().unwrap().windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// How many calls were dropped before they were answered.
    pub fn given_up(&self) -> u32 {
        self.given_up.load(Ordering::SeqCst)
    }
}

pub fn memory_blobs() -> Arc<dyn BlobStore> {
    let base = "http://127.0.0.1:1".parse().unwrap();
    Arc::new(MemoryBlobStore::new(clock(), UrlSigner::new(base, Secret::new("of a test"))))
}

pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::default())
}

/// Counts itself when it is dropped before the call was answered.
struct Unanswered(Option<Arc<AtomicU32>>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Around for Outside {
    async fn around<'a, T: Send + 'a>(&'a self, call: Call<'a, T>) -> Result<T> {
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(Instant::now());
            u32::try_from(calls.len()).unwrap()
        };
        let mut unanswered = Unanswered(Some(self.given_up.clone()));
        let answer = match (self.script)(number) {
            Reaction::Answers => call.begin().await,
            Reaction::AnswersAfter(time) => {
                let answer = call.begin().await;
                pause(time).await;
                answer
            }
            Reaction::Fails(advice) => {
                Err(Error::new(ErrorKind::Unavailable, call.operation.name).retry(advice))
            }
            Reaction::Hangs => {
                drop(call.begin().await);
                pending().await
            }
        };
        unanswered.0 = None;
        answer
    }
}

/// Lets the paused time of a test go on.
pub async fn pause(time: Duration) {
    let nothing = tokio::time::timeout(time, pending::<()>()).await;
    assert!(nothing.is_err());
}
