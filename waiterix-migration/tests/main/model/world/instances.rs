//! Those who write for guests, and what the instances among them remember of the leader.

use waiterix_migration::protocol::guard::Writer;
use waiterix_ports::moving::Mode;

use super::{Cell, Convergence, FOREIGN, Move, OLD, Stand, Step, Weakness, World};

/// What somebody who writes is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Doing {
    /// Nothing.
    #[default]
    Nothing,
    /// A transaction has a snapshot of a side, and has not met a guard yet.
    Begun { side: usize, stand: Stand },
    /// A write has been admitted and is not committed; `is_seen` where there was a trigger that saw it.
    Writing { side: usize, key: usize, delete: bool, is_seen: bool },
    /// A write is committed, and the journal lacks it.
    Noting { side: usize, key: usize },
    /// Keys are made equal.
    Converging(Convergence),
}

/// What an instance remembers of the leader, and everybody can see of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Knows {
    /// Nothing, and nobody knows of it: it has not begun, or counts as gone.
    #[default]
    Gone,
    /// Nothing, but it is known to be there.
    Joined,
    /// Where to look before each read.
    Looks { side: usize, turn: u8 },
    /// Where to read without looking.
    Trusts { side: usize, turn: u8 },
    /// Where it will read without looking, while nobody knows of it; only where that guard is missing.
    Unknown { side: usize, turn: u8 },
}

/// A process that serves guests, or the old application, which knows nothing of all this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Instance {
    /// What it does.
    pub doing: Doing,
    /// What it remembers.
    pub knows: Knows,
}

impl World {
    /// Whether a write on a side is under way, which keeps its standing from being replaced.
    pub(super) fn is_written(&self, side: usize) -> bool {
        self.writers
            .iter()
            .any(|writer| matches!(writer.doing, Doing::Writing { side: at, .. } if at == side))
    }

    /// Whether an uncommitted write of a key is under way: it has the lock of the row.
    pub(super) fn is_locked(&self, side: usize, key: usize) -> bool {
        let locks =
            |doing| matches!(doing, Doing::Writing { side: at, key: of, .. } if (at, of) == (side, key));
        self.writers.iter().any(|writer| locks(writer.doing))
    }

    /// Notes a key in the journal of a side.
    pub(super) fn note(&mut self, side: usize, key: usize) {
        let journal = &mut self.sides[side].journal[key];
        *journal |= 1 << journal.trailing_ones();
    }
}

impl Move {
    /// Who writes: the instances and, last, the old application.
    fn writers(&self) -> impl Iterator<Item = usize> {
        (0..self.size.instances).chain(self.size.foreign.then_some(FOREIGN))
    }

    /// The old application knows the old side only; instances believe in either, for whatever reason.
    fn believed(writer: usize) -> std::ops::RangeInclusive<usize> {
        if writer == FOREIGN { OLD..=OLD } else { 0..=1 }
    }

    fn takes_snapshots(&self, writer: usize) -> bool {
        (self.size.repeatable && writer == FOREIGN) || self.rules.lacks(Weakness::ChecksBeforeItWrites)
    }

    pub(super) fn writes(&self, world: &World, steps: &mut Vec<Step>) {
        let in_flight =
            world.writers.iter().filter(|writer| matches!(writer.doing, Doing::Writing { .. })).count();
        let more = usize::from(world.commits) + in_flight < usize::from(self.size.writes);
        for writer in self.writers() {
            let doing = world.writers[writer].doing;
            match doing {
                Doing::Nothing if more && self.takes_snapshots(writer) => {
                    steps.extend(Self::believed(writer).map(|side| Step::Snapshot { writer, side }));
                }
                Doing::Nothing | Doing::Begun { .. } if more => {
                    for side in Self::believed(writer) {
                        if matches!(doing, Doing::Begun { side: begun, .. } if begun != side) {
                            continue;
                        }
                        for key in 0..self.size.keys {
                            // Deleting what is not there writes nothing and is noted nowhere.
                            let there = world.sides[side].rows[key].there;
                            let deletes = [false, true].into_iter().filter(|delete| there || !delete);
                            steps.extend(deletes.map(|delete| Step::Write { writer, side, key, delete }));
                        }
                    }
                }
                Doing::Writing { .. } => steps.push(Step::Commit { writer }),
                Doing::Noting { .. } => steps.push(Step::Note { writer }),
                Doing::Nothing | Doing::Begun { .. } | Doing::Converging(_) => {}
            }
            if !matches!(doing, Doing::Nothing | Doing::Converging(_)) {
                steps.push(Step::Die { writer });
            }
        }
    }

    pub(super) fn snapshot(&self, world: &mut World, writer: usize, side: usize) -> bool {
        let stand = world.sides[side].stand;
        world.writers[writer].doing = Doing::Begun { side, stand };
        true
    }

    pub(super) fn write(
        &self,
        world: &mut World,
        writer: usize,
        side: usize,
        key: usize,
        delete: bool,
    ) -> bool {
        if world.is_locked(side, key) {
            return false;
        }
        let now = world.sides[side].stand;
        let seen = match world.writers[writer].doing {
            Doing::Begun { stand, .. } => stand,
            _ => now,
        };
        let believes = self.rules.lacks(Weakness::BelievesItsSnapshot)
            || self.rules.lacks(Weakness::ChecksBeforeItWrites);
        // Locking the row of a standing that is newer than the snapshot fails, and the transaction with it.
        let is_admitted = (believes || seen == now) && self.rules.admits(seen.real(), Writer::Anyone);
        let is_seen = world.sides[side].is_installed;
        world.writers[writer].doing =
            if is_admitted { Doing::Writing { side, key, delete, is_seen } } else { Doing::Nothing };
        true
    }

    pub(super) fn commit(&self, world: &mut World, writer: usize) -> bool {
        let Doing::Writing { side, key, delete, is_seen } = world.writers[writer].doing else { return false };
        world.commits += 1;
        let cell = Cell { commit: world.commits, there: !delete };
        world.sides[side].rows[key] = cell;
        world.truth[key] = cell;
        let is_late = self.rules.lacks(Weakness::NotesAfterTheCommit);
        world.writers[writer].doing = if is_late { Doing::Noting { side, key } } else { Doing::Nothing };
        if is_seen && !is_late && self.rules.is_noted(Writer::Anyone) {
            world.note(side, key);
        }
        true
    }

    pub(super) fn note_late(&self, world: &mut World, writer: usize) -> bool {
        let Doing::Noting { side, key } = world.writers[writer].doing else { return false };
        world.writers[writer].doing = Doing::Nothing;
        world.note(side, key);
        true
    }

    pub(super) fn die(&self, world: &mut World, writer: usize) -> bool {
        world.writers[writer].doing = Doing::Nothing;
        true
    }

    pub(super) fn looks(&self, world: &World, steps: &mut Vec<Step>) {
        if !self.size.readers {
            return;
        }
        for instance in 0..self.size.instances {
            let knows = world.writers[instance].knows;
            let unknown = self.rules.lacks(Weakness::TrustsBeforeItIsKnown);
            if matches!(knows, Knows::Gone | Knows::Unknown { .. }) {
                steps.push(Step::Join { instance });
            } else {
                steps.push(Step::Lapse { instance });
            }
            if unknown || knows != Knows::Gone {
                steps.extend([0, 1].map(|side| Step::LookAt { instance, side }));
            }
        }
    }

    pub(super) fn join(&self, world: &mut World, instance: usize) -> bool {
        let knows = &mut world.writers[instance].knows;
        *knows = match *knows {
            Knows::Unknown { side, turn } => Knows::Trusts { side, turn },
            _ => Knows::Joined,
        };
        true
    }

    pub(super) fn look_at(&self, world: &mut World, instance: usize, side: usize) -> bool {
        let Stand { mode, turn, .. } = world.sides[side].stand;
        let knows = &mut world.writers[instance].knows;
        let is_new = match *knows {
            Knows::Gone => {
                if mode == Mode::Open {
                    *knows = Knows::Unknown { side, turn };
                }
                return true;
            }
            Knows::Unknown { .. } => return false,
            Knows::Joined => true,
            Knows::Looks { side: at, .. } | Knows::Trusts { side: at, .. } => {
                at == side || mode != Mode::Mirror
            }
        };
        if is_new {
            *knows =
                if mode == Mode::Open { Knows::Trusts { side, turn } } else { Knows::Looks { side, turn } };
        }
        is_new
    }

    pub(super) fn lapse(&self, world: &mut World, instance: usize) -> bool {
        world.writers[instance].knows = Knows::Gone;
        true
    }
}
