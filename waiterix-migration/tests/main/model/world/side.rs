//! A database: its standing, its rows and its journal.

use waiterix_ports::moving::{Mode, Standing};

use super::KEYS;

/// The database that leads at first.
pub const OLD: usize = 0;
/// The database that shall lead.
pub const NEW: usize = 1;
/// The number of a row that nobody has committed.
pub const UNCOMMITTED: u8 = u8::MAX;

/// The other side.
pub const fn other(side: usize) -> usize {
    1 - side
}

/// The state of a key on a side, with the number of the commit that made it. No part of the protocol sees the number of
/// a row that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Cell {
    /// The commit that made it so, counted from one.
    pub commit: u8,
    /// Whether there is a row.
    pub there: bool,
}

impl Cell {
    /// Whether two look alike to everybody who reads rows.
    pub const fn equals(self, other: Self) -> bool {
        self.there == other.there && (!self.there || self.commit == other.commit)
    }
}

/// A [`Standing`] in three bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stand {
    /// Its epoch.
    pub epoch: u8,
    /// Its mode.
    pub mode: Mode,
    /// Its turn.
    pub turn: u8,
}

impl Stand {
    /// As production has it.
    pub const fn real(self) -> Standing {
        Standing { epoch: self.epoch as u64, mode: self.mode, turn: self.turn as u64 }
    }
}

/// One of the two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Side {
    /// What it enforces.
    pub stand: Stand,
    /// The committed rows.
    pub rows: [Cell; KEYS],
    /// The entries of the journal of each key, a bit for each.
    pub journal: [u8; KEYS],
    /// The keys that resisted.
    pub quarantine: [bool; KEYS],
    /// Whether its triggers are there.
    pub is_installed: bool,
    /// Which keys are noted as copied.
    pub copied: [bool; KEYS],
}

impl Side {
    pub(super) fn first(which: usize) -> Self {
        let mode = if which == OLD { Mode::Open } else { Mode::Mirror };
        Self {
            stand: Stand { epoch: 1, mode, turn: 1 },
            rows: [Cell::default(); KEYS],
            journal: [0; KEYS],
            quarantine: [false; KEYS],
            is_installed: true,
            copied: [false; KEYS],
        }
    }
}
