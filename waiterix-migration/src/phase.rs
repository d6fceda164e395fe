//! Who leads, and when the other side follows.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use tokio::sync::OwnedRwLockReadGuard;
use waiterix_ports::Result;
pub(crate) use waiterix_ports::moving::{Leader, Mirroring};

/// A step of the move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Phase {
    /// Who leads.
    pub leader: Leader,
    /// When the other side follows.
    pub mirroring: Mirroring,
}

impl Phase {
    /// Every phase there is.
    pub const ALL: [Self; 4] = [
        Self { leader: Leader::Old, mirroring: Mirroring::Background },
        Self { leader: Leader::Old, mirroring: Mirroring::Inline },
        Self { leader: Leader::New, mirroring: Mirroring::Inline },
        Self { leader: Leader::New, mirroring: Mirroring::Background },
    ];

    const fn code(self) -> u8 {
        let leader = match self.leader {
            Leader::Old => 0,
            Leader::New => 2,
        };
        match self.mirroring {
            Mirroring::Inline => leader,
            Mirroring::Background => leader + 1,
        }
    }

    const fn of(code: u8) -> Self {
        Self {
            leader: if code < 2 { Leader::Old } else { Leader::New },
            mirroring: if code.is_multiple_of(2) { Mirroring::Inline } else { Mirroring::Background },
        }
    }
}

/// Tells the phase. A mirror asks once for every call, so that a call is of one phase from beginning to end.
#[async_trait]
pub trait Phases: fmt::Debug + Send + Sync + 'static {
    /// The phase for a call that only reads.
    ///
    /// # Errors
    /// `Unavailable` when nobody can say any more who leads.
    async fn reading(&self) -> Result<Phase>;

    /// The phase for a call that writes. The leader is not changed before what is answered is dropped; while it is being
    /// changed, this waits.
    ///
    /// # Errors
    /// `Unavailable` when nobody can say who leads, or the change takes too long. Nothing was written then.
    async fn writing(&self) -> Result<Writing>;

    /// The phase for whoever changes the leader, and makes both sides equal for that: also while writes are held. `None` if the port
    /// stands in another turn than this one. Nobody else changes the leader before what is answered is dropped.
    ///
    /// # Errors
    /// `Unavailable` when nobody can say who leads.
    async fn changing(&self, turn: u64) -> Result<Option<Writing>>;
}

/// The phase of a call that writes, as long as it does.
#[derive(Debug)]
pub struct Writing {
    /// The phase.
    pub phase: Phase,
    /// Keeps the leader from being changed.
    _pass: Option<OwnedRwLockReadGuard<()>>,
}

impl Writing {
    /// A call that nobody waits for.
    #[must_use]
    pub const fn of(phase: Phase) -> Self {
        Self { phase, _pass: None }
    }

    /// A call that is waited for by whoever wants the lock for itself.
    #[must_use]
    pub const fn with_pass(phase: Phase, pass: OwnedRwLockReadGuard<()>) -> Self {
        Self { phase, _pass: Some(pass) }
    }
}

/// A phase that can be switched while mirrors use it.
///
/// Switching the leader is the last step of a cutover and not all of it: before it, writes have stopped everywhere and the
/// journal is empty. A [`crate::plan::Watch`] sees to that; this is for tests, and for a service that is not being moved.
pub struct Switch(AtomicU8);

impl Switch {
    /// A switch that stands at a phase.
    #[must_use]
    pub const fn new(phase: Phase) -> Self {
        Self(AtomicU8::new(phase.code()))
    }

    /// Switches for all calls that begin from now on.
    pub fn set(&self, phase: Phase) {
        self.0.store(phase.code(), Ordering::SeqCst);
    }

    /// Where it stands.
    #[must_use]
    pub fn now(&self) -> Phase {
        Phase::of(self.0.load(Ordering::SeqCst))
    }
}

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Switch").field(&self.now()).finish()
    }
}

#[async_trait]
impl Phases for Switch {
    async fn reading(&self) -> Result<Phase> {
        Ok(self.now())
    }

    async fn writing(&self) -> Result<Writing> {
        Ok(Writing::of(self.now()))
    }

    async fn changing(&self, _: u64) -> Result<Option<Writing>> {
        Ok(Some(Writing::of(self.now())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_stands_where_it_was_set() {
        let switch = Switch::new(Phase::ALL[3]);
        assert_eq!(switch.now(), Phase::ALL[3]);
        for phase in Phase::ALL {
            switch.set(phase);
            assert_eq!(switch.now(), phase);
        }
    }
}
