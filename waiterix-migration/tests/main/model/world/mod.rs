//! Two databases, those who use them, and everything that can happen between them, one step at a time.
//!
//! What a side lets happen, the order in which keys are made equal and who leads next are not written down here: the world
//! asks `waiterix_migration::protocol`, as production does. What is written down is what the servers promise (locks,
//! snapshots, transactions) and what can go wrong at any point between two calls.

#![allow(unreachable_pub, reason = "compiled into a test and into an example, which use different parts")]

mod chores;
mod convergers;
mod coordinators;
mod copiers;
mod instances;
mod properties;
mod side;
mod size;
mod step;
mod weakness;

pub use convergers::{Convergence, Crew};
pub use coordinators::Coordinator;
pub use copiers::Copier;
pub use instances::{Doing, Instance, Knows};
pub use side::{Cell, NEW, OLD, Side, Stand, UNCOMMITTED, other};
pub use size::Size;
pub use step::Step;
pub use weakness::{Rules, Weakness};

use stateright::{Model, Property};

/// How many keys there can be.
pub const KEYS: usize = 2;
/// How many processes that serve guests there can be; one more writer is the old application, which knows nothing.
pub const INSTANCES: usize = 3;
/// Where the old application stands among those who write.
pub const FOREIGN: usize = INSTANCES;
/// How many relays there can be.
pub const RELAYS: usize = 2;
/// How many copiers there can be.
pub const COPIERS: usize = 2;
/// How many coordinators there can be.
pub const COORDINATORS: usize = 2;

/// A world, and what is taken away from the protocol in it.
#[derive(Debug, Clone, Copy)]
pub struct Move {
    /// How much of everything there is.
    pub size: Size,
    /// The production rules, less what is taken away.
    pub rules: Rules,
}

impl Move {
    /// A world in which the protocol is whole.
    pub const fn whole(size: Size) -> Self {
        Self { size, rules: Rules { without: None } }
    }

    /// A world in which one guard is missing.
    pub const fn without(weakness: Weakness, size: Size) -> Self {
        Self { size, rules: Rules { without: Some(weakness) } }
    }
}

/// Everything there is at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct World {
    /// The two databases.
    pub sides: [Side; 2],
    /// What guests were told last of each key: the newest commit, wherever it was let happen.
    pub truth: [Cell; KEYS],
    /// How many writes have been committed.
    pub commits: u8,
    /// Those who write: instances, which are interchangeable and sorted, and last the old application.
    pub writers: [Instance; INSTANCES + 1],
    /// Relays, sorted.
    pub relays: [Option<Convergence>; RELAYS],
    /// Copiers, sorted.
    pub copiers: [Copier; COPIERS],
    /// Coordinators, sorted.
    pub coordinators: [Coordinator; COORDINATORS],
    /// A coordinator found standings that are none of the protocol.
    pub was_refused: bool,
    /// A side took an older row in place of a newer state: a deleted key came back, or a write was undone.
    pub went_back: bool,
}

impl World {
    fn first(size: &Size) -> Self {
        let mut sides = [Side::first(OLD), Side::first(NEW)];
        // The first key has a row when it all begins, the second has none.
        sides[OLD].rows[0] = Cell { commit: 0, there: true };
        if size.copiers == 0 {
            sides[NEW].rows = sides[OLD].rows;
            sides[NEW].copied = [true; KEYS];
        }
        sides[OLD].is_installed = !size.starts;
        if size.dirty {
            sides[OLD].journal[..size.keys].fill(1);
        }
        Self {
            truth: sides[OLD].rows,
            sides,
            commits: 0,
            writers: [Instance::default(); INSTANCES + 1],
            relays: [None; RELAYS],
            copiers: [Copier::Idle; COPIERS],
            coordinators: [Coordinator::Idle; COORDINATORS],
            was_refused: false,
            went_back: false,
        }
    }

    /// The side whose rows count: the one that leads, or led last as long as nobody follows it.
    pub fn head(&self) -> usize {
        let rank = |side: usize| {
            let stand = self.sides[side].stand;
            (stand.epoch, stand.mode != waiterix_ports::moving::Mode::Mirror)
        };
        if rank(NEW) > rank(OLD) { NEW } else { OLD }
    }

    /// Whether every key has been copied.
    pub fn is_copied(&self, size: &Size) -> bool {
        self.sides[NEW].copied[..size.keys].iter().all(|copied| *copied)
    }

    /// Those who can stand for each other are put in order, so that worlds which differ in nothing else are one.
    fn sorted(mut self, size: &Size) -> Self {
        self.writers[..size.instances].sort_unstable();
        self.relays[..size.relays].sort_unstable();
        self.copiers[..size.copiers].sort_unstable();
        self.coordinators[..size.coordinators].sort_unstable();
        self
    }

    /// What no coordinator can make use of any more is forgotten, for the same reason.
    fn without_old_findings(mut self) -> Self {
        let turns = self.sides.map(|side| side.stand.turn);
        for coordinator in &mut self.coordinators {
            coordinator.forget_findings_before(turns);
        }
        self
    }
}

impl Model for Move {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::first(&self.size)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        self.writes(world, steps);
        self.convergences(world, steps);
        self.copies(world, steps);
        self.chores(world, steps);
        self.changes(world, steps);
        self.looks(world, steps);
        steps.retain(|step| self.size.failures || !step.is_failure());
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = *world;
        if !self.take(&mut next, step) {
            return None;
        }
        if !self.rules.lacks(Weakness::BelievesOldFindings) {
            next = next.without_old_findings();
        }
        Some(next.with_few_entries().sorted(&self.size)).filter(|next| next != world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
