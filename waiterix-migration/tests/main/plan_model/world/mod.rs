//! A port without triggers, the plan of its move, those who serve through it, and everything that can happen between them, one step
//! at a time.
//!
//! Which act comes next, what it makes of the plan and what a coordinator then knows are not written down here: the world asks
//! `waiterix_migration::plan::step`, as production does. What is written down is what a `Watch`, a mirror and a `Switching`
//! do between two calls, what the table of the plan promises, and what can go wrong.

mod calls;
mod convergers;
mod coordinators;
mod instances;
mod journal;
mod properties;
mod size;
mod step;
mod weakness;

pub(super) use calls::{Call, Job};
pub(super) use convergers::{Convergence, Progress};
pub(super) use coordinators::Coordinator;
pub(super) use instances::{Instance, Life};
pub(super) use journal::Journal;
pub(super) use properties::{BACK, CURRENT, EQUAL, FORMER, HELD, JOURNAL, LOST, ONCE, ONE, is_quiet};
pub(super) use size::Size;
pub(super) use step::{Crew, Step};
pub(super) use weakness::{Rules, Weakness};

use stateright::{Model, Property};
use waiterix_ports::moving::{Leader, PortStanding, Stage};

/// How many processes that serve there can be.
pub(super) const INSTANCES: usize = 2;
/// How many calls can be under way in one of them at once, the relay included.
pub(super) const JOBS: usize = 2;
/// How many coordinators there can be.
pub(super) const COORDINATORS: usize = 2;

/// A world, and what is taken away from the protocol in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lead {
    /// How much of everything there is.
    pub(super) size: Size,
    /// The production rules, less what is taken away.
    pub(super) rules: Rules,
}

impl Lead {
    /// A world in which the protocol is whole.
    pub(super) const fn whole(size: Size) -> Self {
        Self { size, rules: Rules { without: None } }
    }

    /// A world in which one guard is missing.
    pub(super) const fn without(weakness: Weakness, size: Size) -> Self {
        Self { size, rules: Rules { without: Some(weakness) } }
    }
}

/// A [`PortStanding`] in three bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Stand {
    /// Who leads.
    pub(super) leader: Leader,
    /// How near a change is.
    pub(super) stage: Stage,
    /// Its turn, counted from one here, so that zero is none.
    pub(super) turn: u8,
}

impl Stand {
    /// As production has it.
    pub(super) const fn real(self) -> PortStanding {
        let Self { leader, stage, turn } = self;
        PortStanding { leader, stage, turn: turn as u64, ..PortStanding::FIRST }
    }

    /// One of production.
    pub(super) fn of(standing: PortStanding) -> Self {
        let turn = u8::try_from(standing.turn).expect("few turns");
        Self { leader: standing.leader, stage: standing.stage, turn }
    }
}

/// Everything there is at one moment. There is one key: nothing of the protocol is about two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct World {
    /// The plan.
    pub(super) plan: Stand,
    /// How often the leader was changed.
    pub(super) changes: u8,
    /// What each of the two stores holds: the number of a write, counted from one as they came about, or nothing.
    pub(super) sides: [u8; 2],
    /// How many writes have come about, in whichever store.
    pub(super) commits: u8,
    /// The newest write that somebody was told of.
    pub(super) answered: u8,
    /// How many writes were begun, and how many reads.
    pub(super) begun: u8,
    /// How many reads were.
    pub(super) reads: u8,
    /// The journal of the key.
    pub(super) journal: Journal,
    /// Those who serve, sorted.
    pub(super) instances: [Instance; INSTANCES],
    /// Those who change the leader, sorted.
    pub(super) coordinators: [Coordinator; COORDINATORS],
    /// How often somebody has begun to change the leader.
    pub(super) asks: u8,
    /// How much has failed.
    pub(super) failures: u8,
    /// Somebody read what was older than what had been answered before.
    pub(super) read_stale: bool,
    /// A store took something older in place of something newer.
    pub(super) went_back: bool,
    /// One coordinator announced a change twice.
    pub(super) announced_twice: bool,
}

impl World {
    fn first() -> Self {
        Self {
            plan: Stand { leader: Leader::Old, stage: Stage::Steady, turn: 1 },
            changes: 0,
            sides: [0; 2],
            commits: 0,
            answered: 0,
            begun: 0,
            reads: 0,
            journal: Journal::default(),
            instances: [Instance::default(); INSTANCES],
            coordinators: [Coordinator::Idle; COORDINATORS],
            asks: 0,
            failures: 0,
            read_stale: false,
            went_back: false,
            announced_twice: false,
        }
    }

    /// What a store holds.
    pub(super) const fn at(&self, side: Leader) -> u8 {
        self.sides[side as usize]
    }

    /// Puts something in the place of something else, as whoever makes stores equal does.
    pub(super) fn put(&mut self, side: Leader, commit: u8) {
        self.went_back |= commit < self.at(side);
        self.sides[side as usize] = commit;
    }

    /// Replaces the standing if it is still of the turn that was seen; answers whether it did, or made the same before. That is
    /// what `PlanStore::shift` promises.
    pub(super) fn shift(&mut self, rules: Rules, seen: Stand, made: Stand) -> bool {
        let now = self.plan;
        if now == made {
            return true;
        }
        let is_seen = now.turn == seen.turn
            || rules.lacks(Weakness::IgnoresTheTurn) && (now.leader, now.stage) == (seen.leader, seen.stage);
        if is_seen {
            self.changes += u8::from(now.leader != made.leader);
            self.plan = Stand { turn: now.turn + 1, ..made };
        }
        is_seen
    }

    /// What nobody can make use of any more is forgotten: a look at a standing that is over and was not steady, since whoever knows it looks
    /// again before anything else, and what was said of a turn that is over.
    fn without_what_is_over(mut self) -> Self {
        let plan = self.plan;
        let is_over = |seen: Stand| seen.turn < plan.turn && seen.stage != Stage::Steady;
        for instance in &mut self.instances {
            let awaits = |job: &Job| matches!(job, Job::Called { is_asked: true, .. });
            let knows = |job: &Job| matches!(job, Job::Knows { .. });
            if instance.looking.is_some_and(|(answer, _)| is_over(answer))
                && !instance.jobs.iter().any(awaits)
            {
                instance.looking = None;
            }
            if instance.seen.is_some_and(is_over) && !instance.jobs.iter().any(knows) {
                instance.seen = None;
            }
            if instance.known.is_some_and(|known| known < plan.turn) {
                instance.known = Some(0);
            }
        }
        self
    }

    /// Those who can stand for each other are put in order, so that worlds which differ in nothing else are one.
    fn sorted(mut self, size: &Size) -> Self {
        for instance in &mut self.instances {
            instance.jobs.sort_unstable();
        }
        self.instances[..size.instances].sort_unstable();
        self.coordinators[..size.coordinators].sort_unstable();
        self
    }
}

impl Model for Lead {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let mut world = World::first();
        for instance in &mut world.instances[self.size.instances..] {
            instance.life = Life::Never;
        }
        vec![world.sorted(&self.size)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        self.looks(world, steps);
        self.calls(world, steps);
        self.coordinations(world, steps);
        if world.failures >= self.size.failures {
            steps.retain(|step| !step.is_failure());
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = *world;
        next.failures += u8::from(step.is_failure());
        if !self.take(&mut next, step) {
            return None;
        }
        if !self.rules.uses_what_is_over() {
            next = next.without_what_is_over();
        }
        Some(next.sorted(&self.size)).filter(|next| next != world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
