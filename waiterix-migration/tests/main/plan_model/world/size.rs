//! How large a world is, and worlds of several sizes.

/// How much of everything there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Processes that serve.
    pub(crate) instances: usize,
    /// Calls that can be under way in one process at once, the relay included.
    pub(crate) jobs: usize,
    /// How many writes are begun at most.
    pub(crate) writes: u8,
    /// How many reads are.
    pub(crate) reads: u8,
    /// Whether processes make equal in the background what is in the journal.
    pub(crate) relays: bool,
    /// Whether a write makes its key equal before it is answered.
    pub(crate) inline: bool,
    /// How many coordinators there are at once.
    pub(crate) coordinators: usize,
    /// How often one is begun at most.
    pub(crate) asks: u8,
    /// Whether somebody begins one as well when it was left half done, however often that happens.
    pub(crate) again: bool,
    /// Whether those who serve turn back what takes too long.
    pub(crate) turns_back: bool,
    /// How often anybody dies, ends, gives up, hears no answer, or is cut off for longer than its lease.
    pub(crate) failures: u8,
    /// How often the plan changes at most.
    pub(crate) turns: u8,
}

impl Size {
    /// Two calls at once in one process, and a coordinator.
    pub(crate) const ALONE: Self = Self {
        instances: 1,
        jobs: 2,
        writes: 2,
        reads: 0,
        relays: true,
        inline: false,
        coordinators: 1,
        asks: 1,
        again: false,
        turns_back: true,
        failures: 0,
        turns: 4,
    };

    /// There and back, or whatever becomes of it.
    pub(crate) const BACK: Self = Self { jobs: 1, asks: 2, turns: 7, ..Self::ALONE };

    /// Two processes, one of which may be cut off, die or end.
    pub(crate) const PAIR: Self =
        Self { instances: 2, jobs: 1, writes: 1, relays: false, failures: 1, ..Self::ALONE };

    /// Two processes, which read what was answered by the other one.
    pub(crate) const READERS: Self =
        Self { instances: 2, jobs: 1, writes: 1, reads: 1, relays: false, inline: true, ..Self::ALONE };

    /// Two coordinators that do not know of one another.
    pub(crate) const RIVALS: Self =
        Self { jobs: 1, relays: false, coordinators: 2, asks: 2, turns: 6, ..Self::ALONE };

    /// The same with failures, and with relays: too large for every run of the tests.
    #[allow(dead_code, reason = "the example goes through them")]
    pub(crate) const LARGE: [Self; 5] = [
        Self { failures: 1, ..Self::ALONE },
        Self { failures: 1, ..Self::BACK },
        Self { relays: true, ..Self::PAIR },
        Self { failures: 1, ..Self::READERS },
        Self { relays: true, failures: 1, turns: 7, ..Self::RIVALS },
    ];
}
