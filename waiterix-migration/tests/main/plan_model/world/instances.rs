//! Those who serve: what they have seen of the plan, and what the plan knows of them. That is `Watch`, between two awaits.

use waiterix_migration::plan::step::{self, Act};
use waiterix_ports::moving::Stage;

use super::{Call, JOBS, Job, Lead, Stand, Step, Weakness, World};

/// Whether a process is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Life {
    /// It serves.
    #[default]
    Serves,
    /// It ended, and said so.
    Left,
    /// It was killed.
    Dead,
    /// There is none, and never was.
    Never,
}

/// A process that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Instance {
    /// Whether it is there.
    pub(crate) life: Life,
    /// What it has seen last.
    pub(crate) seen: Option<Stand>,
    /// Whether that is older than its lease.
    pub(crate) has_lapsed: bool,
    /// The answer of a look that is on its way, and whether that has been so for longer than the lease.
    pub(crate) looking: Option<(Stand, bool)>,
    /// The turn it stands by, as the plan knows it: zero for none, and nothing where it is not known or counts as gone.
    pub(crate) known: Option<u8>,
    /// Its calls.
    pub(crate) jobs: [Job; JOBS],
}

impl Instance {
    /// Whether a write is under way in it that has a pass.
    fn has_passes(&self, rules: super::Rules) -> bool {
        self.jobs.iter().any(|job| job.has_pass(rules))
    }

    /// What it stands by. That is `Watch::acknowledged`.
    fn stands_by(&self, rules: super::Rules) -> Option<u8> {
        let seen = self.seen?;
        let is_busy = self.has_passes(rules) && !rules.lacks(Weakness::AcknowledgesWhileItWrites);
        (seen.stage != Stage::Held || !is_busy).then_some(seen.turn)
    }

    /// What a call may go by without looking.
    pub(crate) fn believes(&self, rules: super::Rules, is_read: bool) -> Option<Stand> {
        let may_serve =
            self.life == Life::Serves || self.life == Life::Left && rules.lacks(Weakness::ServesAfterItLeft);
        let is_good = !self.has_lapsed || rules.lacks(Weakness::ServesAfterTheLease);
        let remembers = is_read && rules.lacks(Weakness::ReadsByWhatItRemembers);
        self.seen.filter(|seen| may_serve && is_good && (seen.stage == Stage::Steady || remembers))
    }

    /// Whether the plan waits for it until it stands by a turn. That is `behind` of a `Switching`.
    pub(crate) fn is_behind(&self, turn: u8) -> bool {
        self.known.is_some_and(|known| known < turn)
    }
}

impl Lead {
    pub(super) fn looks(&self, world: &World, steps: &mut Vec<Step>) {
        for (instance, of) in world.instances.iter().enumerate() {
            match of.life {
                Life::Never => continue,
                Life::Left | Life::Dead if of.known.is_none() => steps.push(Step::Start { instance }),
                Life::Left | Life::Dead => {}
                Life::Serves => {
                    if of.looking.is_some() {
                        steps.push(Step::Hear { instance });
                    } else if self.has_to_look(world, instance) {
                        steps.push(Step::Look { instance });
                    }
                    if of.known.is_some() && !of.has_lapsed {
                        steps.push(Step::Lapse { instance });
                    }
                    if self.size.turns_back && !self.rules.lacks(Weakness::TurnsNothingBack) {
                        steps.push(Step::TurnBack { instance });
                    }
                    steps.extend([Step::Die { instance }, Step::Leave { instance }]);
                }
            }
            if of.known.is_some() {
                steps.push(Step::Vanish { instance });
            }
        }
        let orphans = world.orphans();
        steps.extend((0..8).filter(|entry| orphans >> entry & 1 == 1).map(|entry| Step::Expire { entry }));
    }

    /// Looks that would tell nobody anything are left out.
    fn has_to_look(&self, world: &World, instance: usize) -> bool {
        let of = &world.instances[instance];
        let is_asked = of.jobs.iter().any(|job| match job {
            Job::Called { call, .. } => of.believes(self.rules, call.is_read()).is_none(),
            _ => false,
        });
        let is_news = of.seen != Some(world.plan);
        let tells = of.stands_by(self.rules).is_some_and(|turn| of.known != Some(turn));
        is_asked || is_news || tells || of.has_lapsed || of.known.is_none()
    }

    /// It says what it stands by, and then the plan is read.
    pub(super) fn look(&self, world: &mut World, instance: usize) -> bool {
        let plan = world.plan;
        let of = &mut world.instances[instance];
        let stands_by = of.stands_by(self.rules);
        if of.known.is_some() || !self.rules.lacks(Weakness::TrustsBeforeItIsKnown) {
            of.known = Some(stands_by.or(of.known).unwrap_or(0));
        }
        let mut is_asked = false;
        for job in &mut of.jobs {
            if let Job::Called { is_asked: by_this, .. } = job {
                (*by_this, is_asked) = (true, true);
            }
        }
        // An answer that tells nobody anything is left out.
        let is_news = is_asked || of.seen != Some(plan) || of.has_lapsed;
        if is_news || self.rules.lacks(Weakness::SharesAnOlderLook) {
            of.looking = Some((plan, false));
        }
        true
    }

    pub(super) fn hear(&self, world: &mut World, instance: usize) -> bool {
        let of = &mut world.instances[instance];
        let Some((answer, is_late)) = of.looking.take() else { return false };
        (of.seen, of.has_lapsed) = (Some(answer), is_late);
        of.known = of.known.or(Some(0));
        for job in &mut of.jobs {
            // A call is answered by a look that began after it, whoever looked.
            let Job::Called { call, is_asked } = *job else { continue };
            if !is_asked && !self.rules.lacks(Weakness::SharesAnOlderLook) {
                continue;
            }
            let waits = answer.stage == Stage::Held && !call.is_read();
            *job = if waits {
                Job::Called { call, is_asked: false }
            } else {
                Job::Knows { call, leader: answer.leader, turn: answer.turn }
            };
        }
        true
    }

    pub(super) fn lapse(&self, world: &mut World, instance: usize) -> bool {
        world.instances[instance].has_lapsed = true;
        true
    }

    /// An instance counts from before its look, and the plan from when it heard it: so the lease ends in the instance first. No call is
    /// under way for so long.
    pub(super) fn vanish(&self, world: &mut World, instance: usize) -> bool {
        let of = &mut world.instances[instance];
        let is_early = self.rules.lacks(Weakness::TakesForGoneTooSoon);
        let is_silent = of.life != Life::Serves || of.has_lapsed;
        let is_still =
            of.jobs.iter().all(|job| matches!(job, Job::Nothing | Job::Called { is_asked: false, .. }));
        let is_gone = is_silent && is_still;
        if !is_early && !is_gone {
            return false;
        }
        of.known = None;
        if let Some((_, is_late)) = &mut of.looking {
            *is_late = !is_early;
        }
        true
    }

    pub(super) fn turn_back(&self, world: &mut World, instance: usize) -> bool {
        let Some(seen) = world.instances[instance].seen.filter(|seen| seen.stage != Stage::Steady) else {
            return false;
        };
        let made = step::made(seen.leader, seen.real(), Act::Abort).map(Stand::of);
        made.is_some_and(|made| world.shift(self.rules, seen, made))
    }

    pub(super) fn die(&self, world: &mut World, instance: usize) -> bool {
        let of = &mut world.instances[instance];
        *of = super::Instance { life: Life::Dead, known: of.known, ..super::Instance::default() };
        true
    }

    /// It waits for a look and for writes that are under way, and serves nothing afterwards.
    pub(super) fn leave(&self, world: &mut World, instance: usize) -> bool {
        let of = &mut world.instances[instance];
        let waits = of.has_passes(self.rules) && !self.rules.lacks(Weakness::LeavesWhileItWrites);
        if of.looking.is_some() || waits {
            return false;
        }
        (of.life, of.known) = (Life::Left, None);
        if !self.rules.lacks(Weakness::ServesAfterItLeft) {
            (of.seen, of.has_lapsed) = (None, false);
        }
        for job in &mut of.jobs {
            let is_refused = match job {
                Job::Called { .. } => !self.rules.lacks(Weakness::ServesAfterItLeft),
                Job::Knows { call, .. } => {
                    !matches!(call, Call::Read { .. }) && !self.rules.lacks(Weakness::ServesAfterItLeft)
                }
                _ => false,
            };
            if is_refused {
                *job = Job::Nothing;
            }
        }
        true
    }

    pub(super) fn start(&self, world: &mut World, instance: usize) -> bool {
        let of = &mut world.instances[instance];
        if of.jobs.iter().any(|job| *job != Job::Nothing) {
            return false;
        }
        *of = super::Instance::default();
        true
    }

    pub(super) fn expire(&self, world: &mut World, entry: u8) -> bool {
        world.journal.end(entry);
        true
    }
}
