//! Fresh memory adapters for the suites, wrapped in what is to be certified.

#![allow(unreachable_pub, missing_docs, clippy::print_stdout, reason = "test support")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use waiterix_adapters_local::memory::{
    MemoryBlobStore, MemoryMailer, MemoryNotifier, MemorySessionStore, MemoryStore,
};
use waiterix_contract::blob::SignedUrls;
use waiterix_contract::mailer::{Inbox, MailFixture, Received};
use waiterix_contract::notifier::NotifierFixture;
use waiterix_contract::{Fixture, ManualClock};
use waiterix_layers::{Chaos, Limits, Odds, RetryPolicy, Wrap};
use waiterix_ports::{BlobStore, Mailer, Notifier, SessionId, SessionStore, Store};

/// What is put around an adapter. Implemented by the four stacks that are certified.
pub trait Stack {
    fn over<P: Wrap + ?Sized>(port: Arc<P>) -> Arc<P>;
}

pub struct TimedOut;
pub struct Retried;
pub struct Traced;
pub struct RetriedChaos;

impl Stack for TimedOut {
    fn over<P: Wrap + ?Sized>(port: Arc<P>) -> Arc<P> {
        waiterix_layers::timeout(port, Limits::default())
    }
}

impl Stack for Retried {
    fn over<P: Wrap + ?Sized>(port: Arc<P>) -> Arc<P> {
        waiterix_layers::retry(port, RetryPolicy::default(), 1)
    }
}

impl Stack for Traced {
    fn over<P: Wrap + ?Sized>(port: Arc<P>) -> Arc<P> {
        waiterix_layers::trace(port, Arc::new(()))
    }
}

impl Stack for RetriedChaos {
    /// The seed is made of the name of the case, so that every case meets other faults, and the same in every run.
    fn over<P: Wrap + ?Sized>(port: Arc<P>) -> Arc<P> {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default();
        let seed = name.bytes().fold(1, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        println!("chaos with seed {seed} for {name}");
        waiterix_layers::retry(
            waiterix_layers::chaos(port, Chaos::repairable(seed, FREQUENT)),
            patient(),
            seed,
        )
    }
}

/// More than a third of all calls go wrong.
pub const FREQUENT: Odds = Odds {
    refused: 0.15,
    lost: 0.15,
    doubled: 0.1,
    delayed: 0.05,
    longest_delay: Duration::from_micros(500),
};

/// A policy that gets through [`FREQUENT`] faults: 0.3 to the 25th is never.
pub fn patient() -> RetryPolicy {
    RetryPolicy {
        max_attempts: 25,
        first_pause: Duration::from_micros(10),
        longest_pause: Duration::from_micros(500),
        spare_per_second: 1_000_000,
        ..RetryPolicy::default()
    }
}

pub fn store<S: Stack>() -> Fixture<dyn Store> {
    let clock = Arc::new(ManualClock::default());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
    Fixture::new(S::over(store)).clocked(clock)
}

pub async fn blobs<S: Stack>() -> Fixture<dyn BlobStore> {
    let (clock, urls) = (Arc::new(ManualClock::default()), SignedUrls::bind().await);
    let store: Arc<dyn BlobStore> = Arc::new(MemoryBlobStore::new(clock.clone(), urls.signer()));
    let store = S::over(store);
    let served = urls.serve(store.clone(), clock.clone());
    Fixture::new(store).clocked(clock).guarded(served)
}

pub fn sessions<S: Stack>() -> Fixture<dyn SessionStore> {
    let clock = Arc::new(ManualClock::default());
    let store = Arc::new(MemorySessionStore::new(clock.clone()));
    let spoilt = store.clone();
    Fixture::new(S::over::<dyn SessionStore>(store)).clocked(clock).vandalised(move |id| {
        spoilt.spoil(&SessionId::new(id));
        std::future::ready(())
    })
}

pub fn notifier<S: Stack>() -> NotifierFixture {
    NotifierFixture::sockets(S::over::<dyn Notifier>(Arc::new(MemoryNotifier::new())))
}

struct Sent(Arc<MemoryMailer>);

#[async_trait]
impl Inbox for Sent {
    async fn messages(&self) -> Vec<Received> {
        let sent = self.0.sent().into_iter();
        sent.map(|mail| Received {
            to: vec![mail.to],
            reply_to: mail.reply_to,
            subject: mail.subject,
            html: mail.html,
            text: mail.text,
        })
        .collect()
    }
}

pub fn mailer<S: Stack>() -> MailFixture {
    let mailer = Arc::new(MemoryMailer::new());
    MailFixture::new(Fixture::new(S::over::<dyn Mailer>(mailer.clone())), Arc::new(Sent(mailer)))
}
