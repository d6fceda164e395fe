//! What is asked of those who serve: reads, writes, and the relay's work. That is a mirror, between two awaits.

use waiterix_ports::moving::{Leader, Stage};

use super::{Convergence, Crew, Instance, Lead, Life, Progress, Rules, Step, Weakness, World};

/// What a call wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Call {
    /// To write.
    Write,
    /// To read, after a write had been answered.
    Read { answered: u8 },
    /// To make equal what is in the journal: these entries were ended when it looked.
    Relay { ended: u8 },
}

impl Call {
    pub(crate) const fn is_read(self) -> bool {
        matches!(self, Self::Read { .. })
    }
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Job {
    /// There is none.
    #[default]
    Nothing,
    /// It has to know who leads; whether a look has begun since.
    Called { call: Call, is_asked: bool },
    /// It knows who leads, as of a turn.
    Knows { call: Call, leader: Leader, turn: u8 },
    /// It has its pass and its entry; the write that came about, or zero.
    Writing { side: Leader, entry: u8, commit: u8 },
    /// It makes the stores equal, and has a pass.
    Converging(Convergence),
}

impl Job {
    /// Whether it keeps the leader from being changed.
    pub(crate) const fn has_pass(&self, rules: Rules) -> bool {
        match self {
            Self::Writing { .. } => true,
            Self::Converging(convergence) => {
                convergence.own.is_some() || !rules.lacks(Weakness::RelaysWithoutAPass)
            }
            Self::Nothing | Self::Called { .. } | Self::Knows { .. } => false,
        }
    }

    /// The side that it takes for the leader, while it writes.
    pub(crate) const fn leader(&self, rules: Rules) -> Option<Leader> {
        match self {
            Self::Writing { side, .. } => Some(*side),
            Self::Converging(convergence) if self.has_pass(rules) => Some(convergence.source),
            _ => None,
        }
    }
}

impl Lead {
    pub(super) fn calls(&self, world: &World, steps: &mut Vec<Step>) {
        for (instance, of) in world.instances.iter().enumerate() {
            let is_free = |job: &Job| *job == Job::Nothing;
            if let Some(job) = of.jobs[..].iter().position(is_free).filter(|_| self.serves(of)) {
                self.new_calls(world, of, (instance, job), steps);
            }
            for (job, doing) in of.jobs.iter().enumerate() {
                match doing {
                    Job::Nothing => {}
                    Job::Called { call, .. } => {
                        if of.believes(self.rules, call.is_read()).is_some() {
                            steps.push(Step::Believe { instance, job });
                        }
                    }
                    Job::Knows { .. } => steps.push(Step::Pass { instance, job }),
                    Job::Writing { commit: 0, .. } => steps.push(Step::Commit { instance, job }),
                    Job::Writing { .. } => steps.push(Step::Answer { instance, job }),
                    Job::Converging(_) => steps.push(Step::Go { who: Crew::Instance(instance, job) }),
                }
            }
        }
    }

    fn serves(&self, of: &Instance) -> bool {
        let busy = of.jobs.iter().filter(|job| **job != Job::Nothing).count();
        let is_there =
            of.life == Life::Serves || of.life == Life::Left && self.rules.lacks(Weakness::ServesAfterItLeft);
        is_there && busy < self.size.jobs
    }

    fn new_calls(
        &self,
        world: &World,
        of: &Instance,
        (instance, job): (usize, usize),
        steps: &mut Vec<Step>,
    ) {
        let jobs = || world.instances.iter().flat_map(|instance| instance.jobs);
        let wants = |job: &Job| {
            matches!(job, Job::Called { call: Call::Write, .. } | Job::Knows { call: Call::Write, .. })
        };
        if usize::from(world.begun) + jobs().filter(wants).count() < usize::from(self.size.writes) {
            steps.push(Step::Write { instance, job });
        }
        if world.reads < self.size.reads && world.answered > 0 {
            steps.push(Step::Read { instance, job });
        }
        let relays = |job: &Job| match job {
            Job::Called { call, .. } | Job::Knows { call, .. } => matches!(call, Call::Relay { .. }),
            Job::Converging(convergence) => convergence.own.is_none(),
            _ => false,
        };
        // One relay in each process.
        if self.size.relays && world.journal.all() != 0 && !of.jobs.iter().any(relays) {
            steps.push(Step::Relay { instance, job });
        }
    }

    pub(super) fn call_to_write(&self, world: &mut World, instance: usize, job: usize) -> bool {
        self.begin(&mut world.instances[instance], job, Call::Write)
    }

    pub(super) fn call_to_read(&self, world: &mut World, instance: usize, job: usize) -> bool {
        world.reads += 1;
        let call = Call::Read { answered: world.answered };
        self.begin(&mut world.instances[instance], job, call)
    }

    /// It lists the journal before it asks who leads. Entries of writes that may be under way are left alone.
    pub(super) fn relay(&self, world: &mut World, instance: usize, job: usize) -> bool {
        let journal = world.journal;
        let ended =
            if self.rules.lacks(Weakness::ForgetsWhatIsUnderWay) { journal.all() } else { journal.ended };
        ended != 0 && self.begin(&mut world.instances[instance], job, Call::Relay { ended })
    }

    /// A call goes by what was seen last, if that is good enough, and waits for a look otherwise.
    fn begin(&self, of: &mut Instance, job: usize, call: Call) -> bool {
        of.jobs[job] = match of.believes(self.rules, call.is_read()) {
            Some(seen) => Job::Knows { call, leader: seen.leader, turn: seen.turn },
            None => Job::Called { call, is_asked: false },
        };
        true
    }

    pub(super) fn believe(&self, world: &mut World, instance: usize, job: usize) -> bool {
        let of = &mut world.instances[instance];
        let Job::Called { call, .. } = of.jobs[job] else { return false };
        let Some(seen) = of.believes(self.rules, call.is_read()) else { return false };
        of.jobs[job] = Job::Knows { call, leader: seen.leader, turn: seen.turn };
        true
    }

    /// Only what is still so with the pass in hand was acknowledged to nobody as quiet.
    pub(super) fn pass(&self, world: &mut World, instance: usize, job: usize) -> bool {
        let of = world.instances[instance];
        let Job::Knows { call, leader, turn } = of.jobs[job] else { return false };
        let is_so = of.seen.is_some_and(|seen| seen.turn == turn)
            || self.rules.lacks(Weakness::DoesNotLookAgainWithThePass);
        let doing = match call {
            Call::Read { answered } => {
                world.read_stale |= world.at(leader) < answered;
                Job::Nothing
            }
            Call::Write | Call::Relay { .. } if !is_so => Job::Called { call, is_asked: false },
            Call::Write => {
                let entry = world.begun;
                world.begun += 1;
                if !self.rules.lacks(Weakness::NotesAfterTheWrite) {
                    world.journal.begin(entry, leader);
                }
                Job::Writing { side: leader, entry, commit: 0 }
            }
            Call::Relay { ended } => Job::Converging(Convergence::new(leader, ended, None)),
        };
        world.instances[instance].jobs[job] = doing;
        true
    }

    pub(super) fn commit(&self, world: &mut World, instance: usize, job: usize) -> bool {
        let Job::Writing { side, entry, .. } = world.instances[instance].jobs[job] else { return false };
        world.commits += 1;
        let commit = world.commits;
        world.sides[side as usize] = commit;
        world.instances[instance].jobs[job] = if self.size.inline {
            Job::Converging(Convergence::new(side, 1 << entry, Some((entry, commit))))
        } else {
            Job::Writing { side, entry, commit }
        };
        true
    }

    pub(super) fn answer(&self, world: &mut World, instance: usize, job: usize) -> bool {
        let Job::Writing { side, entry, commit } = world.instances[instance].jobs[job] else { return false };
        if self.rules.lacks(Weakness::NotesAfterTheWrite) {
            world.journal.begin(entry, side);
        }
        world.journal.end(entry);
        world.answered = world.answered.max(commit);
        world.instances[instance].jobs[job] = Job::Nothing;
        true
    }

    /// A call that is over: what it claimed was made equal.
    pub(super) fn converged(
        &self,
        world: &mut World,
        instance: usize,
        job: usize,
        convergence: Convergence,
    ) -> bool {
        debug_assert_eq!(convergence.progress, Progress::Made);
        world.journal.forget(convergence.claimed);
        if let Some((_, commit)) = convergence.own {
            world.answered = world.answered.max(commit);
        }
        world.instances[instance].jobs[job] = Job::Nothing;
        true
    }

    /// Whether writes wait.
    pub(crate) fn is_held(world: &World) -> bool {
        world.plan.stage == Stage::Held
    }
}
