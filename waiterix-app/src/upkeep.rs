//! What must be done now and then: removing what has ended.

use std::time::Duration;

use waiterix_domain::schema::Table;
use waiterix_ports::{Error, Result};

use crate::App;
use crate::session::LIFETIME_SECONDS;

/// Uploads that nothing shows are deleted after this (D95).
const ABANDONED_AFTER_SECONDS: i64 = 24 * 3_600;
/// Idempotency keys are forgotten after twice the time in which they count.
const KEYS_AFTER_SECONDS: i64 = 48 * 3_600;
/// Commit ids are forgotten after this: no retry lasts so long.
const COMMITS_AFTER_SECONDS: i64 = 24 * 3_600;
/// Realtime connections are forgotten after a login's lifetime.
const CONNECTIONS_AFTER_SECONDS: i64 = LIFETIME_SECONDS;
/// How much one step removes, so that guests never wait for it.
const STEP: u32 = 200;
/// How many steps one pass takes at most.
const MAX_STEPS: u32 = 500;
/// How often a process that lives long should do a pass.
pub const EVERY: Duration = Duration::from_secs(15 * 60);

/// What a pass removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Uploads that nothing showed.
    pub uploads: u32,
    /// Ended sessions and one-time data.
    pub sessions: u32,
    /// Idempotency keys.
    pub idempotency_keys: u32,
    /// Commit ids.
    pub commits: u32,
    /// Realtime connections.
    pub connections: u32,
}

/// A part of upkeep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Uploads that nothing shows.
    Uploads,
    /// Ended sessions and one-time data.
    Sessions,
    /// Idempotency keys.
    IdempotencyKeys,
    /// Commit ids.
    Commits,
    /// Realtime connections.
    Connections,
}

impl Part {
    /// The part as a stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uploads => "uploads",
            Self::Sessions => "sessions",
            Self::IdempotencyKeys => "idempotency-keys",
            Self::Commits => "commits",
            Self::Connections => "connections",
        }
    }
}

/// A pass: what it removed, and which parts failed. A part that failed counts as zero, whatever it removed before.
#[derive(Debug, Default)]
pub struct Pass {
    /// What was removed.
    pub removed: Removed,
    /// The parts that failed, in the order they were tried.
    pub failed: Vec<(Part, Error)>,
}

impl App {
    /// One pass of upkeep. Every part is tried even when another fails; it may be run at any time, by several at once,
    /// and repeated.
    ///
    /// # Errors
    /// The first failure, after everything was tried.
    pub async fn upkeep(&self) -> Result<Removed> {
        let pass = self.upkeep_pass().await;
        match pass.failed.into_iter().next() {
            None => Ok(pass.removed),
            Some((_, error)) => Err(error),
        }
    }

    /// The same, telling of every part.
    pub async fn upkeep_pass(&self) -> Pass {
        let mut failed = Vec::new();
        let mut note = |part: Part, result: Result<u32>| {
            result.unwrap_or_else(|error| {
                failed.push((part, error));
                0
            })
        };
        let now = self.clock.now();
        let removed = Removed {
            uploads: note(Part::Uploads, self.remove_abandoned_uploads().await),
            sessions: note(Part::Sessions, self.prune_sessions().await),
            idempotency_keys: note(Part::IdempotencyKeys, self.forget_idempotency_keys().await),
            commits: note(Part::Commits, self.forget_commits().await),
            connections: note(
                Part::Connections,
                self.ports.notifier.sweep(now.plus_seconds(-CONNECTIONS_AFTER_SECONDS)).await,
            ),
        };
        Pass { removed, failed }
    }

    /// The row is claimed first, so that an upload attached meanwhile is never deleted; a crash between row and object
    /// leaves an object without a row, which costs its bytes and nothing else.
    async fn remove_abandoned_uploads(&self) -> Result<u32> {
        let before = self.clock.now().plus_seconds(-ABANDONED_AFTER_SECONDS);
        let mut removed = 0;
        for _ in 0..MAX_STEPS {
            let uploads = self.reads().uploads_abandoned(before, STEP).await?;
            for upload in &uploads {
                let claim = self.with_env(|env| {
                    env.changes()
                        .require(waiterix_domain::Requirement::Unchanged(upload.clone().into()))
                        .delete(Table::Uploads, &upload.id)
                });
                match self.commit(&claim).await {
                    Ok(()) => {}
                    Err(error) if error.kind() == waiterix_ports::ErrorKind::Conflict => continue,
                    Err(error) => return Err(error),
                }
                if let Err(error) = self.ports.blobs.delete(upload.id.as_str()).await {
                    // Without its row nobody would find the object again.
                    let restore = self.with_env(|env| env.changes().insert(upload.clone()));
                    self.commit(&restore).await?;
                    return Err(error);
                }
                removed += 1;
            }
            if uploads.len() < STEP as usize {
                break;
            }
        }
        Ok(removed)
    }

    async fn prune_sessions(&self) -> Result<u32> {
        let mut removed = 0;
        for _ in 0..MAX_STEPS {
            let step = self.ports.sessions.prune(STEP).await?;
            removed += step;
            if step == 0 {
                break;
            }
        }
        Ok(removed)
    }

    async fn forget_idempotency_keys(&self) -> Result<u32> {
        let before = self.clock.now().plus_seconds(-KEYS_AFTER_SECONDS);
        let mut removed = 0;
        for _ in 0..MAX_STEPS {
            let keys = self.reads().idempotency_keys_before(before, STEP).await?;
            if keys.is_empty() {
                break;
            }
            let deletion = self.with_env(|env| {
                keys.iter()
                    .fold(env.changes(), |changes, key| changes.delete(Table::IdempotencyKeys, &key.id))
            });
            self.commit(&deletion).await?;
            removed += u32::try_from(keys.len()).unwrap_or(u32::MAX);
        }
        Ok(removed)
    }

    async fn forget_commits(&self) -> Result<u32> {
        let before = self.clock.now().plus_seconds(-COMMITS_AFTER_SECONDS);
        let mut removed = 0;
        for _ in 0..MAX_STEPS {
            let step = self.ports.store.forget_commits(before, STEP).await?;
            removed += step;
            if step < STEP {
                break;
            }
        }
        Ok(removed)
    }
}
