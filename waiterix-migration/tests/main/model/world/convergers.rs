//! Those who make keys of the side that follows equal to those of the leader.

use waiterix_migration::protocol::converge::{Act, Stage};
use waiterix_migration::protocol::guard::{self, Writer};
use waiterix_ports::moving::Mode;

use super::{Cell, Doing, KEYS, Move, Step, UNCOMMITTED, Weakness, World, other};

/// Who makes keys equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crew {
    /// An instance, which does it for one key.
    Instance(usize),
    /// A relay, which does it for everything that is dirty, at once.
    Relay(usize),
}

/// How far somebody is who makes keys equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Convergence {
    /// The side that leads, as it remembers.
    pub source: usize,
    /// The epoch of that leader.
    pub epoch: u8,
    /// The keys, a bit for each.
    pub keys: u8,
    /// How far it is.
    pub stage: Stage,
    /// Whether the leader has been read.
    pub has_read: bool,
    /// The claimed entries of each key, a bit for each.
    pub claimed: [u8; KEYS],
    /// What was read of each key.
    pub images: [Cell; KEYS],
}

impl Convergence {
    fn has(&self, key: usize) -> bool {
        self.keys & (1 << key) != 0
    }

    /// Whether it has keys locked on a side.
    fn holds(&self, side: usize, keys: u8) -> bool {
        other(self.source) == side && self.keys & keys != 0 && matches!(self.stage, Stage::Held | Stage::Read)
    }
}

impl World {
    pub(super) fn everybody_who_converges(&self) -> impl Iterator<Item = &Convergence> {
        let instances = self.writers.iter().filter_map(|writer| match &writer.doing {
            Doing::Converging(convergence) => Some(convergence),
            _ => None,
        });
        instances.chain(self.relays.iter().flatten())
    }

    fn each_who_converges(&mut self) -> impl Iterator<Item = &mut Convergence> {
        let instances = self.writers.iter_mut().filter_map(|writer| match &mut writer.doing {
            Doing::Converging(convergence) => Some(convergence),
            _ => None,
        });
        instances.chain(self.relays.iter_mut().flatten())
    }

    /// Entries of a key that are claimed by the same ones, or by nobody, are as good as one; claims of entries that are gone are
    /// worth nothing; and names do not matter. So a name is never one that somebody claims who means another entry.
    pub(super) fn with_few_entries(mut self) -> Self {
        for side in 0..2 {
            for key in 0..KEYS {
                let journal = self.sides[side].journal[key];
                let mut claimants = [0_u8; 8];
                for (place, convergence) in self.everybody_who_converges().enumerate() {
                    if convergence.source == side {
                        for (entry, claimants) in claimants.iter_mut().enumerate() {
                            *claimants |= (convergence.claimed[key] >> entry & 1) << place;
                        }
                    }
                }
                let mut kept = 0_u8;
                let mut sorts = [0_u8; 8];
                for (entry, claimants) in claimants.into_iter().enumerate() {
                    let is_known = sorts[..usize::from(kept)].contains(&claimants);
                    if journal >> entry & 1 == 1 && !is_known {
                        sorts[usize::from(kept)] = claimants;
                        kept += 1;
                    }
                }
                let sorts = &mut sorts[..usize::from(kept)];
                sorts.sort_unstable();
                self.sides[side].journal[key] = ((1_u16 << kept) - 1) as u8;
                for (place, convergence) in self.each_who_converges().enumerate() {
                    if convergence.source == side {
                        let claims = sorts.iter().enumerate().filter(|(_, sort)| **sort >> place & 1 == 1);
                        convergence.claimed[key] = claims.fold(0, |claimed, (entry, _)| claimed | 1 << entry);
                    }
                }
            }
        }
        self
    }

    fn convergence(&self, who: Crew) -> Option<Convergence> {
        match who {
            Crew::Relay(relay) => self.relays[relay],
            Crew::Instance(instance) => match self.writers[instance].doing {
                Doing::Converging(convergence) => Some(convergence),
                _ => None,
            },
        }
    }

    fn set_convergence(&mut self, who: Crew, convergence: Option<Convergence>) {
        match who {
            Crew::Relay(relay) => self.relays[relay] = convergence,
            Crew::Instance(instance) => {
                self.writers[instance].doing = convergence.map_or(Doing::Nothing, Doing::Converging);
            }
        }
    }

    /// Puts a row in the place of another one, as whoever makes sides equal does.
    pub(super) fn put(&mut self, side: usize, key: usize, cell: Cell) {
        let old = self.sides[side].rows[key];
        self.went_back |= cell.commit != UNCOMMITTED && cell.commit < old.commit;
        self.sides[side].rows[key] = cell;
    }
}

impl Move {
    pub(super) fn convergences(&self, world: &World, steps: &mut Vec<Step>) {
        let instances = if self.size.inline { self.size.instances } else { 0 };
        let crew = (0..instances).map(Crew::Instance).chain((0..self.size.relays).map(Crew::Relay));
        for who in crew {
            if let Some(convergence) = world.convergence(who) {
                steps.extend([Step::Go { who }, Step::Drop { who }]);
                // Those of instances do not judge: they leave what resists to a relay.
                if self.size.resists && convergence.stage == Stage::Read && matches!(who, Crew::Relay(_)) {
                    steps.push(Step::Resist { who });
                }
                continue;
            }
            if matches!(who, Crew::Instance(instance) if world.writers[instance].doing != Doing::Nothing) {
                continue;
            }
            for source in 0..2 {
                let side = &world.sides[source];
                let leads = guard::leads(side.stand.mode) || side.stand.mode == Mode::Fenced;
                let mut dirty = (0..self.size.keys).filter(|key| side.journal[*key] != 0);
                match who {
                    // A relay takes all there is when it claims.
                    Crew::Relay(_) if leads && dirty.next().is_some() => {
                        steps.push(Step::Converge { who, source, key: 0 });
                    }
                    Crew::Instance(_) if leads => {
                        steps.extend(dirty.map(|key| Step::Converge { who, source, key }));
                    }
                    Crew::Relay(_) | Crew::Instance(_) => {}
                }
            }
        }
    }

    pub(super) fn begin(&self, world: &mut World, who: Crew, source: usize, key: usize) -> bool {
        let keys = match who {
            Crew::Relay(_) => (1 << self.size.keys) - 1,
            Crew::Instance(_) => 1 << key,
        };
        let epoch = world.sides[source].stand.epoch;
        world.set_convergence(
            who,
            Some(Convergence {
                source,
                epoch,
                keys,
                stage: Stage::Begun,
                has_read: false,
                claimed: [0; KEYS],
                images: [Cell::default(); KEYS],
            }),
        );
        true
    }

    pub(super) fn go(&self, world: &mut World, who: Crew) -> bool {
        let Some(mut at) = world.convergence(who) else { return false };
        let Some((act, stage)) = self.rules.converge(at.stage, at.has_read) else { return false };
        let (source, target) = (at.source, other(at.source));
        let writer = Writer::Converger { epoch: at.epoch.into() };
        if matches!(act, Act::Hold | Act::Make)
            && !self.rules.admits_at(act, world.sides[target].stand.real(), writer)
        {
            world.set_convergence(who, None);
            return true;
        }
        match act {
            Act::Claim => {
                for key in 0..self.size.keys {
                    let early = self.rules.lacks(Weakness::ConvergesBeforeTheCopy);
                    let entries = world.sides[source].journal[key];
                    if !at.has(key) || entries == 0 || !(early || world.sides[1].copied[key]) {
                        at.keys &= !(1 << key);
                    } else {
                        at.claimed[key] = entries;
                    }
                }
            }
            Act::Hold => {
                let locked = world.everybody_who_converges().any(|other| other.holds(target, at.keys));
                if locked && !self.rules.lacks(Weakness::HoldsNothing) {
                    return false;
                }
            }
            Act::Read => {
                at.has_read = true;
                for key in (0..self.size.keys).filter(|key| at.keys & (1 << key) != 0) {
                    at.images[key] = self.image(world, source, key);
                }
            }
            Act::Make => {
                for key in (0..self.size.keys).filter(|key| at.has(*key)) {
                    // What is equal already is not written.
                    if !world.sides[target].rows[key].equals(at.images[key]) {
                        world.put(target, key, at.images[key]);
                        if self.rules.is_noted(writer) {
                            world.note(target, key);
                        }
                    }
                }
                // What was read is of no use any more.
                at.images = [Cell::default(); KEYS];
            }
            Act::Forget => {
                for key in (0..self.size.keys).filter(|key| at.has(*key)) {
                    let all = self.rules.lacks(Weakness::ForgetsTheWholeKey);
                    world.sides[source].journal[key] &= if all { 0 } else { !at.claimed[key] };
                }
            }
        }
        at.stage = stage;
        let is_done = at.keys == 0 || self.rules.converge(stage, at.has_read).is_none();
        world.set_convergence(who, (!is_done).then_some(at));
        true
    }

    fn image(&self, world: &World, source: usize, key: usize) -> Cell {
        if self.rules.lacks(Weakness::ReadsWhatIsNotCommitted) {
            for writer in &world.writers {
                if let Doing::Writing { side, key: of, delete, .. } = writer.doing
                    && (side, of) == (source, key)
                {
                    return Cell { commit: UNCOMMITTED, there: !delete };
                }
            }
        }
        world.sides[source].rows[key]
    }

    /// First into quarantine, then out of the journal.
    pub(super) fn resist(&self, world: &mut World, who: Crew) -> bool {
        let Some(mut at) = world.convergence(who) else { return false };
        let epoch = at.epoch.into();
        if !self.rules.admits(world.sides[other(at.source)].stand.real(), Writer::Converger { epoch }) {
            return false;
        }
        for key in (0..self.size.keys).filter(|key| at.has(*key)) {
            world.sides[at.source].quarantine[key] = true;
        }
        (at.stage, at.images) = (Stage::Made, [Cell::default(); KEYS]);
        world.set_convergence(who, Some(at));
        true
    }

    pub(super) fn drop_convergence(&self, world: &mut World, who: Crew) -> bool {
        world.set_convergence(who, None);
        true
    }
}
