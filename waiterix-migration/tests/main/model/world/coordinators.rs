//! Those who change the leader.

use waiterix_migration::protocol::cutover::{Act, Findings, View};
use waiterix_ports::moving::Mode;

use super::{KEYS, Knows, Move, Stand, Step, Weakness, World, other};

/// What a coordinator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Coordinator {
    /// Nothing.
    Idle,
    /// It takes the lead away from a side.
    Runs {
        /// That side.
        from: usize,
        /// What it has found out.
        found: Found,
        /// The standing of that side, if it has looked.
        first: Option<Stand>,
        /// The standing of the other one, if it has looked there too.
        second: Option<Stand>,
    },
}

/// [`Findings`] in six bytes. Turns begin with one, so zero is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Found {
    announced: u8,
    readers_look: bool,
    fenced: u8,
    drained: bool,
    verified: bool,
    give_up: bool,
}

impl Found {
    fn real(self) -> Findings {
        let turn = |turn: u8| (turn != 0).then_some(u64::from(turn));
        Findings {
            announced: turn(self.announced),
            readers_look: self.readers_look,
            fenced: turn(self.fenced),
            drained: self.drained,
            verified: self.verified,
            give_up: self.give_up,
        }
    }
}

impl Coordinator {
    /// Forgets what was found out in turns that are over, unless the view it has is of that turn: turns do not come again.
    pub(super) fn forget_findings_before(&mut self, turns: [u8; 2]) {
        let Self::Runs { from, found, first, .. } = self else { return };
        let is_over = |turn: u8| turn < turns[*from] && first.is_none_or(|seen| seen.turn != turn);
        if is_over(found.announced) {
            (found.announced, found.readers_look) = (0, false);
        }
        if found.fenced != 0 && is_over(found.fenced) {
            (found.fenced, found.drained, found.verified) = (0, false, false);
        }
    }
}

impl Move {
    pub(super) fn changes(&self, world: &World, steps: &mut Vec<Step>) {
        let ready = world.is_copied(&self.size) || self.rules.lacks(Weakness::CutsOverBeforeTheCopy);
        for coordinator in 0..self.size.coordinators {
            match world.coordinators[coordinator] {
                Coordinator::Idle if ready => {
                    let clean = |from: &usize| world.sides[*from].quarantine == [false; KEYS];
                    steps.extend((0..2).filter(clean).map(|from| Step::Ask { coordinator, from }));
                }
                Coordinator::Idle => {}
                Coordinator::Runs { found, second, .. } => {
                    steps.push(Step::Look { coordinator });
                    if second.is_some() {
                        steps.extend([Step::Act { coordinator }, Step::ActUnheard { coordinator }]);
                    }
                    if !found.give_up {
                        steps.push(Step::GiveUp { coordinator });
                    }
                    steps.push(Step::Kill { coordinator });
                }
            }
        }
    }

    pub(super) fn ask(&self, world: &mut World, coordinator: usize, from: usize) -> bool {
        world.coordinators[coordinator] =
            Coordinator::Runs { from, found: Found::default(), first: None, second: None };
        true
    }

    pub(super) fn look(&self, world: &mut World, coordinator: usize) -> bool {
        let Coordinator::Runs { from, first, second, .. } = &mut world.coordinators[coordinator] else {
            return false;
        };
        if second.is_some() {
            // It begins to look anew.
            (*first, *second) = (None, None);
        }
        if first.is_none() {
            *first = Some(world.sides[*from].stand);
        } else {
            *second = Some(world.sides[other(*from)].stand);
        }
        true
    }

    pub(super) fn give_up(&self, world: &mut World, coordinator: usize) -> bool {
        let Coordinator::Runs { found, .. } = &mut world.coordinators[coordinator] else { return false };
        found.give_up = true;
        true
    }

    pub(super) fn kill(&self, world: &mut World, coordinator: usize) -> bool {
        world.coordinators[coordinator] = Coordinator::Idle;
        true
    }

    pub(super) fn act(&self, world: &mut World, coordinator: usize, is_heard: bool) -> bool {
        let Coordinator::Runs { from, mut found, first: Some(seen), second: Some(at_other) } =
            world.coordinators[coordinator]
        else {
            return false;
        };
        let view = View { from: seen.real(), to: at_other.real() };
        let to = other(from);
        let (side, stand, mode, epoch) = match self.rules.change(view, found.real()) {
            Act::Announce => (from, seen, Mode::Announced, seen.epoch),
            Act::Fence => (from, seen, Mode::Fenced, seen.epoch),
            Act::Decide => (from, seen, Mode::Decided, seen.epoch),
            Act::Abort => (from, seen, Mode::Open, seen.epoch),
            Act::Follow => (from, seen, Mode::Mirror, seen.epoch + 1),
            Act::Open => (to, at_other, Mode::Open, at_other.epoch + 1),
            waits => return is_heard && self.wait(world, coordinator, waits),
        };
        let Some(is_done) = self.shift(world, side, stand, mode, epoch) else { return false };
        if !is_heard {
            return is_done;
        }
        if is_done {
            match mode {
                Mode::Announced => (found.announced, found.readers_look) = (seen.turn + 1, false),
                Mode::Fenced => {
                    let keeps = self.rules.lacks(Weakness::DrainsBeforeTheFence);
                    found.fenced = seen.turn + 1;
                    (found.drained, found.verified) = (keeps && found.drained, false);
                }
                Mode::Open | Mode::Decided | Mode::Mirror => {}
            }
        }
        // What a step made of the standings is known without another look.
        let made = Stand { epoch, mode, turn: stand.turn + 1 };
        let (first, second) = match (is_done, side == from) {
            (false, _) => (None, None),
            (true, true) => (Some(made), Some(at_other)),
            (true, false) => (Some(seen), Some(made)),
        };
        world.coordinators[coordinator] = Coordinator::Runs { from, found, first, second };
        true
    }

    /// What does not change a standing.
    fn wait(&self, world: &mut World, coordinator: usize, act: Act) -> bool {
        let readers = &world.writers[..self.size.instances];
        let sides = &world.sides;
        let Coordinator::Runs { from, found, first, second } = &mut world.coordinators[coordinator] else {
            return false;
        };
        let Some(seen) = first else { return false };
        match act {
            Act::AwaitReaders => {
                let knows = |turn| turn >= seen.turn;
                found.readers_look = readers.iter().all(|instance| match instance.knows {
                    Knows::Gone | Knows::Unknown { .. } => true,
                    Knows::Joined => false,
                    Knows::Looks { side, turn } | Knows::Trusts { side, turn } => {
                        side == *from && knows(turn)
                    }
                });
                if self.rules.lacks(Weakness::DrainsBeforeTheFence) {
                    found.drained = sides[*from].journal == [0; KEYS];
                }
                found.readers_look
            }
            // What resisted is not in the journal any more, so an empty journal says nothing of it.
            Act::Drain => {
                let is_empty = sides[*from].journal == [0; KEYS];
                let is_clean = sides[*from].quarantine == [false; KEYS]
                    || self.rules.lacks(Weakness::IgnoresTheQuarantine)
                    || self.rules.lacks(Weakness::LooksAtTheQuarantineLater);
                found.drained = is_empty && is_clean;
                found.give_up |= is_empty && !is_clean;
                is_empty
            }
            // The comparison is a second line of defence: nothing here relies on what it finds.
            Act::Verify => {
                let is_clean = sides[*from].quarantine == [false; KEYS];
                found.verified = is_clean || !self.rules.lacks(Weakness::LooksAtTheQuarantineLater);
                found.give_up |= !found.verified;
                true
            }
            Act::Refuse => {
                // Two standings of two moments need not fit together.
                let was_one_moment = sides[*from].stand == *seen;
                world.was_refused |= was_one_moment || self.rules.lacks(Weakness::BelievesTwoMoments);
                (*first, *second) = (None, None);
                true
            }
            _ => self.kill(world, coordinator),
        }
    }

    /// Replaces a standing; answers whether that was done, or nothing when it must wait.
    fn shift(&self, world: &mut World, side: usize, seen: Stand, mode: Mode, epoch: u8) -> Option<bool> {
        let now = world.sides[side].stand;
        let next = Stand { epoch, mode, turn: now.turn + 1 };
        // A repeat finds what it made.
        if now == (Stand { epoch, mode, turn: seen.turn + 1 }) {
            return Some(true);
        }
        let is_seen = now == seen
            || self.rules.lacks(Weakness::IgnoresTheTurn) && (now.mode, now.epoch) == (seen.mode, seen.epoch);
        if !is_seen || !self.rules.may_follow(now.real(), mode, epoch.into()) {
            return Some(false);
        }
        let waits = world.is_written(side) && self.rules.waits(now.real(), mode, epoch.into());
        if waits || next.turn > self.size.turns {
            return None;
        }
        world.sides[side].stand = next;
        Some(true)
    }
}
