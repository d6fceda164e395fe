//! Those who copy ranges from the old side to the new one. Each key is a range of its own.

use waiterix_migration::protocol::guard::Writer;

use super::{Cell, Move, NEW, OLD, Step, Weakness, World};

/// What a copier does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Copier {
    /// Nothing.
    Idle,
    /// It has read a range and not written it yet.
    Carries { key: usize, cell: Cell, epoch: u8 },
}

impl Move {
    pub(super) fn copies(&self, world: &World, steps: &mut Vec<Step>) {
        if !world.sides[OLD].is_installed {
            return;
        }
        for copier in 0..self.size.copiers {
            match world.copiers[copier] {
                Copier::Idle => {
                    let missing = (0..self.size.keys).filter(|key| !world.sides[NEW].copied[*key]);
                    steps.extend(missing.map(|key| Step::CopyOut { copier, key }));
                }
                Copier::Carries { .. } => {
                    steps.extend([Step::CopyIn { copier }, Step::DropCopy { copier }]);
                }
            }
        }
    }

    pub(super) fn copy_out(&self, world: &mut World, copier: usize, key: usize) -> bool {
        let old = &world.sides[OLD];
        world.copiers[copier] = Copier::Carries { key, cell: old.rows[key], epoch: old.stand.epoch };
        true
    }

    pub(super) fn copy_in(&self, world: &mut World, copier: usize) -> bool {
        let Copier::Carries { key, cell, epoch } = world.copiers[copier] else { return false };
        world.copiers[copier] = Copier::Idle;
        let new = &world.sides[NEW];
        let is_copied = new.copied[key] && !self.rules.lacks(Weakness::CopiesAgain);
        if !is_copied && self.rules.admits(new.stand.real(), Writer::Converger { epoch: epoch.into() }) {
            world.put(NEW, key, cell);
            world.sides[NEW].copied[key] = true;
        }
        true
    }

    pub(super) fn drop_copy(&self, world: &mut World, copier: usize) -> bool {
        world.copiers[copier] = Copier::Idle;
        true
    }
}
