//! Those who change the leader. That is `Switching`, between two awaits.

use waiterix_migration::plan::step::{self, Act, Findings};
use waiterix_ports::moving::{Leader, Stage};

use super::{Convergence, Crew, Lead, Progress, Stand, Step, Weakness, World};

/// What a coordinator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Coordinator {
    /// Nothing.
    Idle,
    /// It wants a side to lead.
    Runs(Run),
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Run {
    /// That side.
    pub(crate) to: Leader,
    /// What it has found out.
    pub(crate) found: Found,
    /// The plan as it has read it, where that is not what it acts upon at once.
    pub(crate) seen: Option<Stand>,
    /// Whether most was made equal before writes are held.
    pub(crate) is_prepared: bool,
    /// How far it is in making the stores equal.
    pub(crate) draining: Option<Convergence>,
}

/// [`Findings`] in eight bytes. Turns begin with one, so zero is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Found {
    announced: u8,
    all_look: bool,
    held: u8,
    all_quiet: bool,
    drained: bool,
    changed: u8,
    all_follow: bool,
    give_up: bool,
}

impl Found {
    fn real(self) -> Findings {
        let turn = |turn: u8| (turn != 0).then_some(u64::from(turn));
        Findings {
            announced: turn(self.announced),
            all_look: self.all_look,
            held: turn(self.held),
            all_quiet: self.all_quiet,
            drained: self.drained,
            changed: turn(self.changed),
            all_follow: self.all_follow,
            give_up: self.give_up,
        }
    }

    fn of(findings: Findings) -> Self {
        let turn = |turn: Option<u64>| turn.map_or(0, |turn| u8::try_from(turn).expect("few turns"));
        Self {
            announced: turn(findings.announced),
            all_look: findings.all_look,
            held: turn(findings.held),
            all_quiet: findings.all_quiet,
            drained: findings.drained,
            changed: turn(findings.changed),
            all_follow: findings.all_follow,
            give_up: findings.give_up,
        }
    }

    /// The turn that it made last.
    fn turn(self) -> u8 {
        self.announced.max(self.held)
    }

    /// As production learns it.
    fn learn(&mut self, act: Act, turn: u8) {
        *self = Self::of(self.real().after(act, u64::from(turn)));
    }
}

impl Lead {
    pub(super) fn coordinations(&self, world: &World, steps: &mut Vec<Step>) {
        for coordinator in 0..self.size.coordinators {
            match world.coordinators[coordinator] {
                Coordinator::Idle => {
                    // Whoever wants the side that leads already has nothing to do.
                    let is_more = world.asks < self.size.asks && self.may_announce(world.plan);
                    if is_more || self.size.again && world.plan.stage != Stage::Steady {
                        steps.push(Step::Ask { coordinator, to: world.plan.leader.other() });
                    }
                }
                Coordinator::Runs(run) => {
                    if run.draining.is_some() {
                        steps.push(Step::Go { who: Crew::Coordinator(coordinator) });
                    } else {
                        steps.push(Step::Act { coordinator });
                        if self.rules.lacks(Weakness::IgnoresTheTurn) {
                            steps.push(Step::Consult { coordinator });
                        }
                    }
                    if !run.found.give_up {
                        steps.push(Step::GiveUp { coordinator });
                    }
                    steps.push(Step::Kill { coordinator });
                }
            }
        }
    }

    /// Whether this world lasts long enough for a change, which is announced, held and made.
    fn may_announce(&self, plan: Stand) -> bool {
        plan.turn + 3 <= self.size.turns
    }

    pub(super) fn ask(&self, world: &mut World, coordinator: usize, to: Leader) -> bool {
        world.asks = self.size.asks.min(world.asks + 1);
        let found = Found::default();
        world.coordinators[coordinator] =
            Coordinator::Runs(Run { to, found, seen: None, is_prepared: false, draining: None });
        true
    }

    pub(super) fn consult(&self, world: &mut World, coordinator: usize) -> bool {
        let plan = world.plan;
        let Coordinator::Runs(run) = &mut world.coordinators[coordinator] else { return false };
        run.seen = Some(plan);
        true
    }

    pub(super) fn give_up(&self, world: &mut World, coordinator: usize) -> bool {
        let Coordinator::Runs(run) = &mut world.coordinators[coordinator] else { return false };
        run.found.give_up = true;
        // What it does in the time that it has is broken off between two statements.
        run.draining = None;
        true
    }

    pub(super) fn kill(&self, world: &mut World, coordinator: usize) -> bool {
        world.coordinators[coordinator] = Coordinator::Idle;
        true
    }

    pub(super) fn act(&self, world: &mut World, coordinator: usize) -> bool {
        let Coordinator::Runs(mut run) = world.coordinators[coordinator] else { return false };
        let seen = run.seen.take().unwrap_or(world.plan);
        let act = self.rules.next(run.to, seen.real(), run.found.real());
        let is_over = act == Act::Announce && !self.may_announce(seen);
        if is_over || matches!(act, Act::Done | Act::Aborted) {
            return self.kill(world, coordinator);
        }
        let made = step::made(run.to, seen.real(), act).map(Stand::of);
        if act == Act::Hold && !run.is_prepared || act == Act::Drain {
            let decided = Convergence::new(seen.leader, 0, None);
            run.draining = Some(Convergence { progress: Progress::Decided, ..decided });
        } else if let Some(made) = made {
            if world.shift(self.rules, seen, made) {
                world.announced_twice |= act == Act::Announce && run.found.announced != 0;
                run.found.learn(act, made.turn);
            } else {
                run.found = Found::of(run.found.real().overtaken());
            }
        } else {
            let is_behind = world.instances.iter().any(|instance| instance.is_behind(seen.turn));
            if is_behind || act == Act::AwaitQuiet && self.is_somebody_draining(world) {
                return false;
            }
            run.found.learn(act, seen.turn);
            if self.rules.lacks(Weakness::DrainsBeforeTheHold) && act == Act::AwaitLookers {
                run.found.drained = world.journal.all() == 0;
            }
        }
        world.coordinators[coordinator] = Coordinator::Runs(run);
        true
    }

    /// The process of a coordinator is one of those that look at the plan: while it has a pass, it stands by no hold.
    fn is_somebody_draining(&self, world: &World) -> bool {
        let has_pass = |coordinator: &Coordinator| match coordinator {
            Coordinator::Runs(Run { draining: Some(draining), .. }) => draining.progress != Progress::Decided,
            _ => false,
        };
        world.coordinators.iter().any(has_pass) && !self.rules.lacks(Weakness::DrainsWithoutAPass)
    }

    /// Takes a pass, and looks at the plan with it in hand. If it was turned back, it ends.
    pub(super) fn take_pass(&self, world: &mut World, coordinator: usize, decided: Convergence) -> bool {
        let plan = world.plan;
        let Coordinator::Runs(run) = &mut world.coordinators[coordinator] else { return false };
        let is_mine = plan.turn == run.found.turn() || self.rules.lacks(Weakness::DrainsWithoutAPass);
        run.draining = is_mine.then_some(Convergence { progress: Progress::Lists, ..decided });
        run.found.give_up |= !is_mine;
        true
    }

    /// Lists the journal. The plan may be another one by then.
    pub(super) fn list(&self, world: &mut World, coordinator: usize, lists: Convergence) -> bool {
        let journal = world.journal;
        let Coordinator::Runs(run) = &mut world.coordinators[coordinator] else { return false };
        let is_held = run.found.held != 0;
        let is_empty = if is_held { journal.all() == 0 } else { journal.ended == 0 };
        let progress = if is_held { Progress::Listed { open: journal.open } } else { Progress::Begun };
        run.draining = (!is_empty).then_some(Convergence { claimed: journal.ended, progress, ..lists });
        run.is_prepared |= is_empty;
        if is_empty && is_held {
            run.found.learn(Act::Drain, run.found.held);
        }
        true
    }

    /// Whether what was listed is of writes that have ended: the hold of this coordinator stands, after it was listed.
    pub(super) fn nobody_writes(&self, world: &World, coordinator: usize) -> bool {
        let Coordinator::Runs(run) = world.coordinators[coordinator] else { return false };
        (world.plan.stage, world.plan.turn) == (Stage::Held, run.found.held)
            || self.rules.lacks(Weakness::BelievesThatTheHoldStands)
    }

    /// What was listed is equal.
    pub(super) fn drained(&self, world: &mut World, coordinator: usize, convergence: Convergence) -> bool {
        world.journal.forget(convergence.claimed);
        let Coordinator::Runs(run) = &mut world.coordinators[coordinator] else { return false };
        (run.draining, run.is_prepared) = (None, true);
        true
    }
}
