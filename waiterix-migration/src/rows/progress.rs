//! What a move tells those who watch it, and how they hold it up.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use waiterix_ports::Result;
use waiterix_ports::moving::{Backlog, Ledger, LedgerEntry, Recorded};

use super::throttle::Load;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A range of a table arrived.
    Copied {
        /// The table.
        table: String,
        /// Rows of all tables that arrived since this run began.
        rows: u64,
        /// Bytes of them on the way.
        bytes: u64,
        /// Rows per second since this run began.
        per_second: u64,
        /// How long the rest takes at this rate; `None` before there is a rate.
        left: Option<Duration>,
    },
    /// A table is there with all its ranges.
    TableCopied {
        /// The table.
        table: String,
    },
    /// So much is done at once from now on.
    Throttled(Load),
    /// What was written during the copy is made up for, and there is so much left.
    Behind(Backlog),
    /// A try failed and is made again.
    TriedAgain {
        /// What was tried.
        what: &'static str,
        /// Why it failed; without values of rows.
        why: String,
    },
    /// Rows are being compared.
    Comparing {
        /// Rows of the leader that were counted since it began.
        rows: u64,
        /// About how many there are.
        of: u64,
        /// Rows per second since it began.
        per_second: u64,
        /// How long the rest takes at this rate; `None` before there is a rate.
        left: Option<Duration>,
    },
    /// A table was compared.
    Compared {
        /// The table.
        table: String,
        /// Rows of the leader.
        rows: u64,
        /// Differences that are still there.
        differences: u64,
    },
    /// A step of a cutover was taken.
    Step {
        /// The act.
        act: &'static str,
        /// Since the cutover began.
        after: Duration,
    },
}

/// Hears what happens. It answers at once.
pub trait Progress: fmt::Debug + Send + Sync + 'static {
    /// Something happened.
    fn tell(&self, event: &Event);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn tell(&self, _: &Event) {}
}

/// Keeps the steps as long as the process.
#[derive(Debug, Default)]
pub struct NoLedger(Mutex<Vec<LedgerEntry>>);

impl NoLedger {
    /// What was written.
    #[must_use]
    pub fn entries(&self) -> Vec<LedgerEntry> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Ledger for NoLedger {
    async fn note(&self, entry: &LedgerEntry) -> Result<()> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(entry.clone());
        Ok(())
    }

    /// Nothing: these entries have no time.
    async fn recorded(&self, _after: Option<u64>, _limit: u32) -> Result<Vec<Recorded>> {
        Ok(Vec::new())
    }
}

/// Whether work goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It goes on.
    Run,
    /// What was begun is ended, and nothing new is begun for now.
    Pause,
    /// What was begun is ended, and nothing else.
    Stop,
}

/// Holds work up from outside. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<Signal>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(Signal::Run))
    }
}

impl Stop {
    /// Says from now on.
    pub fn set(&self, signal: Signal) {
        self.0.send_replace(signal);
    }

    /// Whether it is to end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() == Signal::Stop
    }

    /// Whether nothing new is to be begun.
    #[must_use]
    pub fn is_held(&self) -> bool {
        *self.0.borrow() != Signal::Run
    }

    /// Waits while there is a pause; answers whether it goes on.
    pub async fn goes_on(&self) -> bool {
        let mut heard = self.0.subscribe();
        // The sender lives as long as `self`.
        let signal = heard.wait_for(|signal| *signal != Signal::Pause).await;
        signal.is_ok_and(|signal| *signal == Signal::Run)
    }

    /// Waits for a time, or until it is to end; answers whether it goes on.
    pub async fn after(&self, time: Duration) -> bool {
        let mut heard = self.0.subscribe();
        let _ = tokio::time::timeout(time, heard.wait_for(|signal| *signal == Signal::Stop)).await;
        self.goes_on().await
    }
}
