//! The last comparison of sessions, when nobody serves both stores any more.

use tokio::try_join;
use waiterix_ports::{ErrorKind, Result, Session, SessionId, SessionStore};

use super::Sides;
use super::marks::{self, TOLERANCE_S};
use super::sweep::{SessionDifference, SessionFault, SessionSweep, SessionsCompared, compare};

/// How often a session is made equal that those who serve the leader alone write meanwhile.
const ROUNDS: u32 = 4;

impl SessionSweep {
    /// Compares all sessions of both sides before the one that follows is given up, while some may serve the leader alone by
    /// now, whose writes no journal holds. What follows from such writes is made equal first: whoever signed in, was active or
    /// signed out there. What is left is what somebody wrote in the store that nobody should write any more, and what nobody can
    /// understand; nothing of that is touched.
    ///
    /// # Errors
    /// When the sessions of a side cannot be listed, read or made equal.
    pub async fn part(&self) -> Result<SessionsCompared> {
        self.compare_each(|id| self.part_one(id)).await
    }

    async fn part_one(&self, id: SessionId) -> Result<Option<SessionDifference>> {
        for round in 0.. {
            let sides = self.mirror.reading().await?;
            let Some(fault) = compare(&sides, &id, self.mirror.clock.now()).await? else { break };
            if round == ROUNDS || !self.is_of_leader(&sides, &id, fault).await? {
                return Ok(Some(SessionDifference { id, fault }));
            }
            drop(sides);
            self.step(id.clone()).await?;
        }
        Ok(None)
    }

    /// Whether a difference follows from what was done to the leader.
    async fn is_of_leader(&self, sides: &Sides<'_>, id: &SessionId, fault: SessionFault) -> Result<bool> {
        match fault {
            // It was never there, or somebody ended it there.
            SessionFault::Missing => Ok(marks::here_until(sides.other, id).await?.is_none()),
            SessionFault::Unreadable => Ok(false),
            // It was there and was ended, or it never was and somebody made it elsewhere.
            SessionFault::Extra => {
                let (gone_here, gone_there, was_here) = try_join!(
                    marks::is_gone(sides.leader, id),
                    marks::is_gone(sides.other, id),
                    marks::here_until(sides.leader, id),
                )?;
                Ok(gone_here || gone_there || was_here.is_some())
            }
            SessionFault::Content | SessionFault::End => {
                let (here, there) = try_join!(read(sides.leader, id), read(sides.other, id))?;
                // It changes while it is looked at, so it is looked at again.
                let (Some(here), Some(there)) = (here, there) else { return Ok(true) };
                Ok(there.last_activity.as_millis() <= here.last_activity.as_millis()
                    && there.expires_at <= here.expires_at.plus_seconds(TOLERANCE_S))
            }
        }
    }
}

async fn read(store: &dyn SessionStore, id: &SessionId) -> Result<Option<Session>> {
    match store.load(id).await {
        Ok(loaded) => Ok(loaded.map(|loaded| loaded.session)),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        Err(error) => Err(error),
    }
}
