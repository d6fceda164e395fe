//! The journal: which writes of the key were begun, and which of them have ended.

use waiterix_ports::moving::Leader;

use super::{Job, World};

/// The entries, a bit for each write that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Journal {
    /// Those whose write may be under way.
    pub(crate) open: u8,
    /// Those whose write has ended.
    pub(crate) ended: u8,
    /// Those that were begun while the new side led.
    pub(crate) of_new: u8,
}

impl Journal {
    /// All entries.
    pub(crate) const fn all(self) -> u8 {
        self.open | self.ended
    }

    /// Begins an entry.
    pub(crate) fn begin(&mut self, entry: u8, led_by: Leader) {
        self.open |= 1 << entry;
        self.of_new |= u8::from(led_by == Leader::New) << entry;
    }

    /// The write of an entry has ended. One that was forgotten stays so.
    pub(crate) fn end(&mut self, entry: u8) {
        let bit = self.open & 1 << entry;
        self.open &= !bit;
        self.ended |= bit;
    }

    /// Forgets entries.
    pub(crate) fn forget(&mut self, entries: u8) {
        self.open &= !entries;
        self.ended &= !entries;
        self.of_new &= self.all();
    }

    /// The entries of the side that does not lead.
    pub(crate) const fn of_follower(self, leader: Leader) -> u8 {
        match leader {
            Leader::Old => self.all() & self.of_new,
            Leader::New => self.all() & !self.of_new,
        }
    }
}

impl World {
    /// The open entries whose writers are no more. They count as ended after the longest time that a write can take.
    pub(crate) fn orphans(&self) -> u8 {
        let jobs = self.instances.iter().flat_map(|instance| instance.jobs);
        let written = jobs.fold(0, |written, job| match job {
            Job::Writing { entry, .. } => written | 1 << entry,
            Job::Converging(convergence) => written | convergence.own.map_or(0, |(entry, _)| 1 << entry),
            _ => written,
        });
        self.journal.open & !written
    }
}
