//! Read facts, decide, commit, then effects.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use waiterix_domain::{ChangeSet, Decision, Effect, Env, Rejection, RejectionKind};
use waiterix_ports::{ChefSelector, CloseReason, Error, ErrorKind, Retry};

use crate::App;
use crate::realtime::events;

/// Why a use case did not happen.
pub enum Refusal {
    /// Refused by a rule; may be shown to the caller.
    Rejected(Rejection),
    /// A port failed; for the log only.
    Failed(Error),
    /// The session store failed: whether the caller is signed in is not known.
    SessionsDown(Error),
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => write!(f, "Rejected({rejection})"),
            Self::Failed(error) => write!(f, "Failed({error})"),
            Self::SessionsDown(error) => write!(f, "SessionsDown({error})"),
        }
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// How often a decision is made again when its facts changed under it.
const ATTEMPTS: u32 = 8;

/// How long an answer waits for the notifier, which is told of what has happened already. A screen that missed an event asks
/// when it comes back; a guest whose order seems to have failed orders again.
pub(crate) const NOTIFIER_PATIENCE: Duration = Duration::from_secs(5);

impl App {
    /// A use case: reads facts, decides on them, commits, and sees to the effects. When the facts changed before the
    /// commit it reads and decides again, a bounded number of times.
    ///
    /// # Errors
    /// The decision's rejection, a port failure, or a `Conflict` rejection when the facts would not hold still.
    pub async fn transact<F, T, Reading>(
        &self,
        read: impl Fn() -> Reading,
        decide: impl Fn(&F, &mut Env<'_>) -> Result<Decision<T>, Rejection>,
    ) -> Result<T, Refusal>
    where
        Reading: Future<Output = Result<F, Refusal>>,
    {
        for _ in 0..ATTEMPTS {
            let facts = read().await?;
            let decision = self.with_env(|env| decide(&facts, env))?;
            match self.commit(&decision.changes).await {
                Ok(()) => {
                    self.settle(decision.effects).await;
                    return Ok(decision.reply);
                }
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Rejection::new(RejectionKind::Conflict, "Changed by somebody else, please try again").into())
    }

    /// Commits a set; one whose fate is unknown is sent again, which the store's contract makes harmless.
    ///
    /// # Errors
    /// As [`waiterix_ports::Store::commit`].
    pub async fn commit(&self, changes: &ChangeSet) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let first = self.ports.store.commit(changes).await;
        match &first {
            Err(error) if matches!(error.retry_advice(), Retry::Safe | Retry::Ambiguous) => {
                self.ports.store.commit(changes).await
            }
            _ => first,
        }
    }

    /// Sees to the effects of a committed decision. Their failure is logged and never undoes anything; nor does a notifier
    /// that does not answer hold the answer up for longer than `NOTIFIER_PATIENCE`, however much it is to tell.
    pub async fn settle(&self, effects: Vec<Effect>) {
        let end = Instant::now() + NOTIFIER_PATIENCE;
        for effect in effects {
            if let Err(error) = self.settle_one(effect, end).await {
                tracing::warn!(%error, "an effect of a committed change failed");
            }
        }
    }

    async fn settle_one(&self, effect: Effect, end: Instant) -> Result<(), Error> {
        let notifier = &self.ports.notifier;
        match effect {
            Effect::Publish { audience, event } => {
                let message = events::message(&event, self.fresh_id())?;
                let publishing = notifier.publish(&audience, &message);
                let delivery = by(end, "notifier.publish", publishing).await?;
                tracing::debug!(?delivery, "published");
            }
            Effect::DeleteBlob { key } => self.ports.blobs.delete(&key).await?,
            Effect::RevokeSessions { user, restaurant } => {
                self.ports.sessions.delete_all_of(&user).await?;
                if let Some(restaurant) = restaurant {
                    let who = ChefSelector::User(user);
                    let closing = notifier.close_chefs(&restaurant, &who, CloseReason::Policy);
                    by(end, "notifier.close_chefs", closing).await?;
                }
            }
        }
        Ok(())
    }

    /// A fresh random UUID.
    #[must_use]
    pub fn fresh_id(&self) -> String {
        self.with_env(|env| env.ids.uuid())
    }
}

/// An answer of the notifier, if it comes in time.
pub(crate) async fn by<T>(
    end: Instant,
    operation: &'static str,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout_at(end, call).await.unwrap_or_else(|_| {
        let error = Error::new(ErrorKind::Timeout, operation).retry(Retry::Ambiguous);
        Err(error.with("fault", "no answer in time"))
    })
}
