//! Making up for whatever is in the journal.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use waiterix_ports::{Result, Violation};

use super::converge::{Batch, Converger, LARGEST};
use super::progress::{Event, Progress, Stop};
use super::sides::Direction;

/// How a relay works.
#[derive(Debug, Clone, PartialEq)]
pub struct RelaySettings {
    /// How many batches are made at once; at least 1. 2.
    pub at_once: usize,
    /// The pause after the journal was found empty. 25 ms.
    pub idle: Duration,
    /// The pause after a failure, and while no side follows. 500 ms.
    pub trouble: Duration,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self { at_once: 2, idle: Duration::from_millis(25), trouble: Duration::from_millis(500) }
    }
}

/// Makes the keys of the journal equal, the oldest first. Several relays, in several processes, share the work.
#[derive(Debug)]
pub struct Relay {
    converger: Arc<Converger>,
    settings: RelaySettings,
    progress: Arc<dyn Progress>,
}

impl Relay {
    /// A relay that works with a converger.
    #[must_use]
    pub fn new(converger: Arc<Converger>, settings: RelaySettings, progress: Arc<dyn Progress>) -> Self {
        Self { converger, settings, progress }
    }

    /// One round: a batch, and when that was full, as many more as are made at once. What is made stands, also when another one
    /// fails. While there is little to do one batch is enough, and no child meets another batch with its parent.
    ///
    /// # Errors
    /// The first failure.
    pub async fn round(&self, direction: Direction) -> Result<Batch> {
        let mut sum = self.converger.oldest(direction).await?;
        if sum.claimed < LARGEST as u64 {
            return Ok(sum);
        }
        let batches = (0..self.settings.at_once.max(1)).map(|_| self.converger.oldest(direction));
        for batch in join_all(batches).await {
            let mut batch = batch?;
            sum.claimed += batch.claimed;
            sum.made.append(&mut batch.made);
            sum.refused += batch.refused;
            sum.quarantined += batch.quarantined;
        }
        Ok(sum)
    }

    /// Works until the journal of the side that leads is empty; whoever calls bounds the time. While others write, that
    /// may be never. The answer says how many keys are in quarantine then, whoever put them there.
    ///
    /// # Errors
    /// When a side says that the direction is not the right one any more. Other failures are tried again.
    pub async fn drain(&self, direction: Direction) -> Result<Batch> {
        let (mut sum, mut pause) = (Batch::default(), Duration::from_millis(1));
        loop {
            let round = self.round(direction).await;
            let is_idle = match round {
                Ok(mut batch) => {
                    let is_idle = batch.made.is_empty() && batch.quarantined == 0;
                    sum.claimed += batch.claimed;
                    sum.made.append(&mut batch.made);
                    sum.quarantined += batch.quarantined;
                    is_idle
                }
                Err(error) if error.violation() == Some(&Violation::NotLeading) => return Err(error),
                Err(error) => {
                    self.progress.tell(&Event::TriedAgain { what: "drain", why: error.to_string() });
                    true
                }
            };
            match self.converger.sides().of(direction.leader).backlog().await {
                Ok(backlog) if backlog.entries == 0 => {
                    // Also what another process put there.
                    sum.quarantined = backlog.quarantined;
                    return Ok(sum);
                }
                Ok(_) => {}
                Err(error) => {
                    self.progress.tell(&Event::TriedAgain { what: "drain", why: error.to_string() });
                }
            }
            if is_idle {
                // The rest is in the hands of others, or in the way of something.
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(50));
            }
        }
    }

    /// Works until it is told to end.
    pub async fn run(&self, stop: &Stop) {
        while stop.goes_on().await {
            let pause = match self.step().await {
                Ok(Some(batch)) if !batch.made.is_empty() || batch.quarantined > 0 => continue,
                Ok(Some(batch)) if batch.refused == 0 => self.settings.idle,
                Ok(_) => self.settings.trouble,
                Err(error) => {
                    self.progress.tell(&Event::TriedAgain { what: "relay", why: error.to_string() });
                    self.settings.trouble
                }
            };
            if !stop.after(pause).await {
                return;
            }
        }
    }

    /// Looks who leads and makes one round; nothing while no side follows or the copy is not complete.
    async fn step(&self) -> Result<Option<Batch>> {
        let Some(direction) = self.converger.sides().look().await?.converging() else { return Ok(None) };
        if !self.converger.is_ready(direction).await? {
            return Ok(None);
        }
        self.round(direction).await.map(Some)
    }
}
