//! What operators do, and what a verification asks for.

use waiterix_ports::moving::Mode;

use super::{KEYS, Move, OLD, Step, Weakness, World};

impl Move {
    pub(super) fn chores(&self, world: &World, steps: &mut Vec<Step>) {
        if !world.sides[OLD].is_installed {
            steps.push(Step::Install { side: OLD });
        }
        for side in 0..2 {
            let of = &world.sides[side];
            if self.size.marks {
                let clean = (0..self.size.keys).filter(|key| of.journal[*key] == 0);
                steps.extend(clean.map(|key| Step::Mark { side, key }));
            }
            if of.quarantine != [false; KEYS] {
                steps.push(Step::Release { side });
            }
        }
    }

    /// Making a trigger waits for the transactions that write the table.
    pub(super) fn install(&self, world: &mut World, side: usize) -> bool {
        if world.is_written(side) && !self.rules.lacks(Weakness::StartsWhileOthersWrite) {
            return false;
        }
        world.sides[side].is_installed = true;
        true
    }

    pub(super) fn mark(&self, world: &mut World, side: usize, key: usize) -> bool {
        world.note(side, key);
        // Who marks may have read a standing that is over, but not one that never was.
        world.sides[side].stand.mode != Mode::Mirror || world.sides[side].stand.epoch > 1
    }

    pub(super) fn release(&self, world: &mut World, side: usize) -> bool {
        for key in 0..self.size.keys {
            if std::mem::take(&mut world.sides[side].quarantine[key]) {
                world.note(side, key);
            }
        }
        true
    }
}
