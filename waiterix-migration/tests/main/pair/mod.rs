//! Two memory adapters under a mirror, each behind a wire that a test can cut.

#![allow(unreachable_pub, missing_docs, reason = "test support")]

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use waiterix_adapters_local::memory::{MemoryBlobStore, MemorySessionStore};
use waiterix_contract::blob::SignedUrls;
use waiterix_contract::{Fixture, ManualClock};
use waiterix_layers::{Around, Call, Wrap};
use waiterix_migration::{
    BlobKey, DualBlobStore, DualSessionStore, Leader, MemoryJournal, Phase, SessionKey, Switch,
};
use waiterix_ports::{BlobStore, Error, ErrorKind, Result, Retry, SessionId, SessionStore};

/// The way to a provider.
#[derive(Clone, Default)]
pub struct Wire(Arc<AtomicU8>, Arc<Mutex<Option<Intrusion>>>);

/// What happens just before an operation gets through.
type Intrusion = (&'static str, BoxFuture<'static, ()>);

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    /// From now on nothing gets through.
    pub fn cut(&self) {
        self.0.store(1, Ordering::SeqCst);
    }

    /// From now on everything gets through, and no answer comes back.
    pub fn swallow(&self) {
        self.0.store(2, Ordering::SeqCst);
    }

    /// Has somebody come in between, once: just before the next call of an operation gets through.
    #[allow(clippy::unwrap_used, reason = "a failed test is a panic")]
    pub fn before(&self, operation: &'static str, then: impl Future<Output = ()> + Send + 'static) {
        *self.1.lock().unwrap() = Some((operation, Box::pin(then)));
    }

    /// Whether nobody is left who would come in between.
    #[allow(clippy::unwrap_used, reason = "a failed test is a panic")]
    pub fn has_happened(&self) -> bool {
        self.1.lock().unwrap().is_none()
    }

    pub fn mend(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    pub fn to<P: Wrap + ?Sized>(&self, port: Arc<P>) -> Arc<P> {
        waiterix_layers::wrap(port, self.clone())
    }
}

impl Around for Wire {
    #[allow(clippy::unwrap_used, reason = "a failed test is a panic")]
    async fn around<'a, T: Send + 'a>(&'a self, call: Call<'a, T>) -> Result<T> {
        let name = call.operation.name;
        let intrusion = self.1.lock().unwrap().take_if(|(operation, _)| *operation == name);
        if let Some((_, then)) = intrusion {
            then.await;
        }
        match self.0.load(Ordering::SeqCst) {
            0 => call.begin().await,
            1 => Err(Error::new(ErrorKind::Unavailable, name).retry(Retry::Safe)),
            _ => {
                drop(call.begin().await);
                Err(Error::new(ErrorKind::Timeout, name).retry(Retry::Ambiguous))
            }
        }
    }
}

/// A mirror of sessions and what is under it.
pub struct Sessions {
    pub old: Arc<MemorySessionStore>,
    pub new: Arc<MemorySessionStore>,
    pub old_wire: Wire,
    pub new_wire: Wire,
    pub switch: Arc<Switch>,
    pub journal: Arc<MemoryJournal<SessionKey>>,
    pub clock: Arc<ManualClock>,
    pub mirror: Arc<DualSessionStore>,
}

impl Sessions {
    pub fn new(phase: Phase) -> Self {
        let clock = Arc::new(ManualClock::default());
        let (old, new) = (MemorySessionStore::new(clock.clone()), MemorySessionStore::new(clock.clone()));
        let (old, new) = (Arc::new(old), Arc::new(new));
        let (old_wire, new_wire) = (Wire::default(), Wire::default());
        let (switch, journal) = (Arc::new(Switch::new(phase)), Arc::new(MemoryJournal::default()));
        let mirror = Arc::new(DualSessionStore::new(
            old_wire.to::<dyn SessionStore>(old.clone()),
            new_wire.to::<dyn SessionStore>(new.clone()),
            switch.clone(),
            journal.clone(),
            clock.clone(),
        ));
        Self { old, new, old_wire, new_wire, switch, journal, clock, mirror }
    }

    /// Another instance over the same stores and journal, in a phase of its own.
    pub fn instance(&self, phase: Phase) -> DualSessionStore {
        DualSessionStore::new(
            self.old_wire.to::<dyn SessionStore>(self.old.clone()),
            self.new_wire.to::<dyn SessionStore>(self.new.clone()),
            Arc::new(Switch::new(phase)),
            self.journal.clone(),
            self.clock.clone(),
        )
    }

    pub fn fixture(self) -> Fixture<dyn SessionStore> {
        let (old, new) = (self.old.clone(), self.new.clone());
        Fixture::new(self.mirror.clone() as Arc<dyn SessionStore>).clocked(self.clock.clone()).vandalised(
            move |id| {
                old.spoil(&SessionId::new(id.clone()));
                new.spoil(&SessionId::new(id));
                std::future::ready(())
            },
        )
    }
}

/// A mirror of objects and what is under it.
pub struct Blobs {
    pub old: Arc<MemoryBlobStore>,
    pub new: Arc<MemoryBlobStore>,
    pub old_wire: Wire,
    pub new_wire: Wire,
    pub switch: Arc<Switch>,
    pub journal: Arc<MemoryJournal<BlobKey>>,
    pub clock: Arc<ManualClock>,
    pub mirror: Arc<DualBlobStore>,
    urls: Option<SignedUrls>,
}

impl Blobs {
    pub async fn new(phase: Phase) -> Self {
        let (clock, urls) = (Arc::new(ManualClock::default()), SignedUrls::bind().await);
        let old = Arc::new(MemoryBlobStore::new(clock.clone(), urls.signer()));
        let new = Arc::new(MemoryBlobStore::new(clock.clone(), urls.signer()));
        let (old_wire, new_wire) = (Wire::default(), Wire::default());
        let (switch, journal) = (Arc::new(Switch::new(phase)), Arc::new(MemoryJournal::default()));
        let mirror = Arc::new(DualBlobStore::new(
            old_wire.to::<dyn BlobStore>(old.clone()),
            new_wire.to::<dyn BlobStore>(new.clone()),
            switch.clone(),
            journal.clone(),
            clock.clone(),
        ));
        Self { old, new, old_wire, new_wire, switch, journal, clock, mirror, urls: Some(urls) }
    }

    /// Another instance over the same stores and journal, in a phase of its own.
    pub fn instance(&self, phase: Phase) -> DualBlobStore {
        DualBlobStore::new(
            self.old_wire.to::<dyn BlobStore>(self.old.clone()),
            self.new_wire.to::<dyn BlobStore>(self.new.clone()),
            Arc::new(Switch::new(phase)),
            self.journal.clone(),
            self.clock.clone(),
        )
    }

    /// Signed URLs lead to the store that leads, past the mirror, as those of providers do.
    pub fn fixture(mut self) -> Fixture<dyn BlobStore> {
        let leader = match self.switch.now().leader {
            Leader::Old => self.old.clone(),
            Leader::New => self.new.clone(),
        };
        let served = self.urls.take().map(|urls| urls.serve(leader, self.clock.clone()));
        Fixture::new(self.mirror.clone() as Arc<dyn BlobStore>).clocked(self.clock.clone()).guarded(served)
    }
}
