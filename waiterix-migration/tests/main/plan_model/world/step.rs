//! What can happen next.

use waiterix_ports::moving::Leader;

use super::{Lead, World};

/// Who makes the two stores equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crew {
    /// A process that serves, in one of its calls.
    Instance(usize, usize),
    /// A coordinator.
    Coordinator(usize),
}

/// One thing that happens. Numbers name those who do it, by their place in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A process looks at the plan: what it stands by is known, and the answer is on its way.
    Look { instance: usize },
    /// It has the answer.
    Hear { instance: usize },
    /// What it saw last is older than its lease.
    Lapse { instance: usize },
    /// The plan has not heard it for as long as its lease, and nobody waits for it any more.
    Vanish { instance: usize },
    /// A process turns back a change that takes too long, as it sees it.
    TurnBack { instance: usize },
    /// A process is killed.
    Die { instance: usize },
    /// It ends well, and says so.
    Leave { instance: usize },
    /// Another one is started in its place.
    Start { instance: usize },
    /// The entry of a write whose process died counts as ended.
    Expire { entry: u8 },
    /// Somebody calls who writes.
    Write { instance: usize, job: usize },
    /// Somebody calls who reads.
    Read { instance: usize, job: usize },
    /// A relay takes up what is in the journal.
    Relay { instance: usize, job: usize },
    /// A call goes by what its process saw last.
    Believe { instance: usize, job: usize },
    /// A call that knows who leads goes on: it reads, or has its pass and begins its entry.
    Pass { instance: usize, job: usize },
    /// The write comes about.
    Commit { instance: usize, job: usize },
    /// Its entry is closed, and it is answered.
    Answer { instance: usize, job: usize },
    /// Somebody who makes the stores equal does what comes next.
    Go { who: Crew },
    /// Somebody wants a side to lead.
    Ask { coordinator: usize, to: Leader },
    /// A coordinator reads the plan, and does what comes next later; only where the turn is ignored. Otherwise nothing comes of what it
    /// does later, if the plan is another one by then.
    Consult { coordinator: usize },
    /// A coordinator reads the plan, and does what comes next.
    Act { coordinator: usize },
    /// It takes too long, or somebody wants it to end.
    GiveUp { coordinator: usize },
    /// It is killed.
    Kill { coordinator: usize },
}

impl Step {
    /// Whether something fails. Nothing may depend on that it does.
    pub(crate) const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Lapse { .. }
                | Self::Die { .. }
                | Self::Leave { .. }
                | Self::GiveUp { .. }
                | Self::Kill { .. }
        )
    }
}

impl Lead {
    /// Lets a step happen; answers whether it could.
    pub(super) fn take(&self, world: &mut World, step: Step) -> bool {
        match step {
            Step::Look { instance } => self.look(world, instance),
            Step::Hear { instance } => self.hear(world, instance),
            Step::Lapse { instance } => self.lapse(world, instance),
            Step::Vanish { instance } => self.vanish(world, instance),
            Step::TurnBack { instance } => self.turn_back(world, instance),
            Step::Die { instance } => self.die(world, instance),
            Step::Leave { instance } => self.leave(world, instance),
            Step::Start { instance } => self.start(world, instance),
            Step::Expire { entry } => self.expire(world, entry),
            Step::Write { instance, job } => self.call_to_write(world, instance, job),
            Step::Read { instance, job } => self.call_to_read(world, instance, job),
            Step::Relay { instance, job } => self.relay(world, instance, job),
            Step::Believe { instance, job } => self.believe(world, instance, job),
            Step::Pass { instance, job } => self.pass(world, instance, job),
            Step::Commit { instance, job } => self.commit(world, instance, job),
            Step::Answer { instance, job } => self.answer(world, instance, job),
            Step::Go { who } => self.go(world, who),
            Step::Ask { coordinator, to } => self.ask(world, coordinator, to),
            Step::Consult { coordinator } => self.consult(world, coordinator),
            Step::Act { coordinator } => self.act(world, coordinator),
            Step::GiveUp { coordinator } => self.give_up(world, coordinator),
            Step::Kill { coordinator } => self.kill(world, coordinator),
        }
    }
}
