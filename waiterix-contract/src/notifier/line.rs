//! The far end of connections, whatever the transport is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use waiterix_domain::Timestamp;
use waiterix_ports::{ConnectionId, Frame, Notifier, Outlet};

use crate::Fixture;

/// What a peer can do at the far end of a connection.
#[async_trait]
pub trait Ears: Send {
    /// Waits for the next frame; `None` when no more will come because the connection has ended.
    async fn next(&mut self) -> Option<Frame>;
    /// What has arrived by now and was not heard yet, without waiting.
    fn arrived(&mut self) -> Vec<Frame>;
    /// From now on the peer takes nothing more, but stays connected.
    async fn stop_reading(&mut self);
    /// The peer goes away without a word.
    async fn hang_up(self: Box<Self>);
}

/// Makes connections of a transport.
#[async_trait]
pub trait Lines: Send + Sync {
    /// A connection with this id: how it is reached, and its far end. It takes at least 64 frames that nobody has
    /// heard yet.
    async fn open(&self, id: &ConnectionId) -> (Outlet, Box<dyn Ears>);
    /// An outlet that the transport cannot reach.
    fn foreign(&self) -> Outlet;
    /// Whether a peer learns why it is closed, and not just that it is.
    fn tells_reasons(&self) -> bool;
}

/// A fresh notifier and a way to connect to it.
pub struct NotifierFixture {
    pub(super) fixture: Fixture<dyn Notifier>,
    pub(super) lines: Arc<dyn Lines>,
}

impl fmt::Debug for NotifierFixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifierFixture").field("fixture", &self.fixture).finish_non_exhaustive()
    }
}

impl NotifierFixture {
    /// A notifier with the lines of its transport.
    #[must_use]
    pub fn new(fixture: Fixture<dyn Notifier>, lines: Arc<dyn Lines>) -> Self {
        Self { fixture, lines }
    }

    /// A notifier of sockets of this process.
    #[must_use]
    pub fn sockets(notifier: Arc<dyn Notifier>) -> Self {
        Self::new(Fixture::new(notifier), Arc::new(Sockets))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.fixture.now()
    }
}

/// How many frames a socket of the suite takes.
const ROOM: usize = 64;

/// Sockets of this process: channels of frames.
struct Sockets;

#[async_trait]
impl Lines for Sockets {
    async fn open(&self, _: &ConnectionId) -> (Outlet, Box<dyn Ears>) {
        let (frames, receiver) = mpsc::channel(ROOM);
        (Outlet::Socket(frames), Box::new(Socket(receiver)))
    }

    fn foreign(&self) -> Outlet {
        Outlet::Gateway { endpoint: "https://example.org/stage".to_owned() }
    }

    fn tells_reasons(&self) -> bool {
        true
    }
}

struct Socket(mpsc::Receiver<Frame>);

#[async_trait]
impl Ears for Socket {
    async fn next(&mut self) -> Option<Frame> {
        self.0.recv().await
    }

    fn arrived(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }

    async fn stop_reading(&mut self) {
        // A channel is read by nobody else, so it simply fills up.
    }

    async fn hang_up(self: Box<Self>) {
        drop(self);
    }
}

/// The longest a case waits for something that must happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
