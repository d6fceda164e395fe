//! Those who make the store that follows equal to the leader: the relay, a write before its answer, and a coordinator.
//!
//! The store that follows is read, then the leader, and the former is written only where it is still as it was read; then the leader is looked
//! at again. The order of the two reads is the mirror's own matter (decision 26, and the schedules of sessions and objects): here both are
//! one step. Everybody who does so has a pass, so that the leader is not changed meanwhile.

use waiterix_ports::moving::Leader;

use super::{Coordinator, Crew, Job, Lead, Weakness, World};

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Progress {
    /// A coordinator is about to take its pass.
    Decided,
    /// It has, and is about to list the journal.
    Lists,
    /// It has: these entries were open.
    Listed { open: u8 },
    /// Nothing is read.
    Begun,
    /// What both stores held.
    Read { there: u8, truth: u8 },
    /// They are equal, as far as it knows.
    Made,
}

/// Somebody who makes the stores equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Convergence {
    /// The side that leads, as it knows.
    pub(crate) source: Leader,
    /// The entries that it forgets in the end.
    pub(crate) claimed: u8,
    /// Where it is a write before its answer: its entry, and the number of the write.
    pub(crate) own: Option<(u8, u8)>,
    /// How far it is.
    pub(crate) progress: Progress,
}

impl Convergence {
    pub(crate) const fn new(source: Leader, claimed: u8, own: Option<(u8, u8)>) -> Self {
        Self { source, claimed, own, progress: Progress::Begun }
    }
}

impl Lead {
    pub(super) fn go(&self, world: &mut World, who: Crew) -> bool {
        let doing = match who {
            Crew::Instance(instance, job) => match world.instances[instance].jobs[job] {
                Job::Converging(convergence) => Some(convergence),
                _ => None,
            },
            Crew::Coordinator(coordinator) => match world.coordinators[coordinator] {
                Coordinator::Runs(run) => run.draining,
                Coordinator::Idle => None,
            },
        };
        let Some(mut convergence) = doing else { return false };
        match convergence.progress {
            Progress::Made => {
                return match who {
                    Crew::Instance(instance, job) => self.converged(world, instance, job, convergence),
                    Crew::Coordinator(coordinator) => self.drained(world, coordinator, convergence),
                };
            }
            Progress::Decided => {
                let Crew::Coordinator(coordinator) = who else { return false };
                return self.take_pass(world, coordinator, convergence);
            }
            Progress::Lists => {
                let Crew::Coordinator(coordinator) = who else { return false };
                return self.list(world, coordinator, convergence);
            }
            Progress::Listed { open } => {
                let Crew::Coordinator(coordinator) = who else { return false };
                if self.nobody_writes(world, coordinator) {
                    convergence.claimed |= open;
                }
                convergence.progress = Progress::Begun;
            }
            Progress::Begun => {
                let (there, truth) = (world.at(convergence.source.other()), world.at(convergence.source));
                convergence.progress = Progress::Read { there, truth };
            }
            Progress::Read { there, truth } => {
                let follower = convergence.source.other();
                let is_as_read =
                    world.at(follower) == there || self.rules.lacks(Weakness::WritesUnconditionally);
                if is_as_read && there != truth {
                    world.put(follower, truth);
                }
                let is_made = is_as_read && world.at(convergence.source) == truth;
                convergence.progress = if is_made { Progress::Made } else { Progress::Begun };
            }
        }
        match who {
            Crew::Instance(instance, job) => {
                world.instances[instance].jobs[job] = Job::Converging(convergence);
            }
            Crew::Coordinator(coordinator) => {
                if let Coordinator::Runs(run) = &mut world.coordinators[coordinator] {
                    run.draining = Some(convergence);
                }
            }
        }
        true
    }
}
