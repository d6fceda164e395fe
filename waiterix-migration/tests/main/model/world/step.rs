//! What can happen next.

use super::{Crew, Move, World};

/// One thing that happens. Numbers name those who do it, by their place in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A transaction begins with a snapshot, before its first guarded statement.
    Snapshot { writer: usize, side: usize },
    /// The statement that writes: it is guarded, and keeps the standing from being replaced until its transaction ends.
    Write { writer: usize, side: usize, key: usize, delete: bool },
    /// The transaction commits.
    Commit { writer: usize },
    /// The journal is filled after the commit; only where that guard is missing.
    Note { writer: usize },
    /// A writer dies, and its transaction is taken back.
    Die { writer: usize },
    /// Somebody begins to make keys equal, and remembers the leader and its epoch.
    Converge { who: Crew, source: usize, key: usize },
    /// It does what comes next.
    Go { who: Crew },
    /// It dies, and what it locked is free.
    Drop { who: Crew },
    /// A range is read.
    CopyOut { copier: usize, key: usize },
    /// The range is written and noted.
    CopyIn { copier: usize },
    /// A copier dies.
    DropCopy { copier: usize },
    /// The triggers of a side are made.
    Install { side: usize },
    /// A key is noted that nobody wrote.
    Mark { side: usize, key: usize },
    /// Rows are in the way of what somebody wants to make, for the last time: the keys go into quarantine.
    Resist { who: Crew },
    /// What is in quarantine is noted again.
    Release { side: usize },
    /// Somebody asks a coordinator to take the lead away from a side.
    Ask { coordinator: usize, from: usize },
    /// It reads a standing: first of the side that gives the lead away, then of the other one.
    Look { coordinator: usize },
    /// It does what comes next.
    Act { coordinator: usize },
    /// The same, but the answer is lost.
    ActUnheard { coordinator: usize },
    /// It wants to end.
    GiveUp { coordinator: usize },
    /// It dies, and its findings with it.
    Kill { coordinator: usize },
    /// An instance makes itself known.
    Join { instance: usize },
    /// It looks what a side enforces, and says what it has seen.
    LookAt { instance: usize, side: usize },
    /// It has been silent for so long that it counts as gone, and believes nothing any more.
    Lapse { instance: usize },
}

impl Step {
    /// Whether something fails.
    pub(super) const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Die { .. }
                | Self::Drop { .. }
                | Self::DropCopy { .. }
                | Self::ActUnheard { .. }
                | Self::GiveUp { .. }
                | Self::Kill { .. }
        )
    }
}

impl Move {
    /// Lets a step happen; answers whether it could.
    pub(super) fn take(&self, world: &mut World, step: Step) -> bool {
        match step {
            Step::Snapshot { writer, side } => self.snapshot(world, writer, side),
            Step::Write { writer, side, key, delete } => self.write(world, writer, side, key, delete),
            Step::Commit { writer } => self.commit(world, writer),
            Step::Note { writer } => self.note_late(world, writer),
            Step::Die { writer } => self.die(world, writer),
            Step::Converge { who, source, key } => self.begin(world, who, source, key),
            Step::Go { who } => self.go(world, who),
            Step::Drop { who } => self.drop_convergence(world, who),
            Step::CopyOut { copier, key } => self.copy_out(world, copier, key),
            Step::CopyIn { copier } => self.copy_in(world, copier),
            Step::DropCopy { copier } => self.drop_copy(world, copier),
            Step::Install { side } => self.install(world, side),
            Step::Mark { side, key } => self.mark(world, side, key),
            Step::Resist { who } => self.resist(world, who),
            Step::Release { side } => self.release(world, side),
            Step::Ask { coordinator, from } => self.ask(world, coordinator, from),
            Step::Look { coordinator } => self.look(world, coordinator),
            Step::Act { coordinator } => self.act(world, coordinator, true),
            Step::ActUnheard { coordinator } => self.act(world, coordinator, false),
            Step::GiveUp { coordinator } => self.give_up(world, coordinator),
            Step::Kill { coordinator } => self.kill(world, coordinator),
            Step::Join { instance } => self.join(world, instance),
            Step::LookAt { instance, side } => self.look_at(world, instance, side),
            Step::Lapse { instance } => self.lapse(world, instance),
        }
    }
}
