//! How large a world is, and worlds of several sizes.

/// How much of everything there is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Keys.
    pub keys: usize,
    /// Processes that serve guests: each writes to whichever side it believes in, and makes keys equal.
    pub instances: usize,
    /// Whether the old application writes too.
    pub foreign: bool,
    /// Whether the old application's transactions are repeatable read.
    pub repeatable: bool,
    /// Whether instances also make keys equal, beside the relays.
    pub inline: bool,
    /// Processes that make equal whatever is dirty.
    pub relays: usize,
    /// Processes that copy. With none, everything has been copied already.
    pub copiers: usize,
    /// Processes that change the leader.
    pub coordinators: usize,
    /// Whether instances also read through what they remember of the leader.
    pub readers: bool,
    /// Whether anybody dies, gives up, or hears no answer.
    pub failures: bool,
    /// Whether every key is in the journal when it all begins.
    pub dirty: bool,
    /// Whether triggers are not there yet when it all begins.
    pub starts: bool,
    /// Whether keys resist being made equal, and go into quarantine.
    pub resists: bool,
    /// Whether somebody notes keys that are not dirty, to have them compared or made equal again.
    pub marks: bool,
    /// How many writes are committed at most.
    pub writes: u8,
    /// How often the standing of a side changes at most.
    pub turns: u8,
}

impl Size {
    /// A world of one key and one of everything but copiers, big enough for a cutover and the way back.
    pub const SMALL: Self = Self {
        keys: 1,
        instances: 1,
        foreign: false,
        repeatable: false,
        inline: false,
        relays: 1,
        copiers: 0,
        coordinators: 1,
        readers: false,
        failures: true,
        dirty: false,
        starts: false,
        resists: false,
        marks: false,
        writes: 2,
        turns: 6,
    };

    /// Two processes copy two keys while others write and the first ones are made equal.
    pub const COPYING: Self = Self {
        keys: 2,
        instances: 2,
        foreign: true,
        inline: true,
        copiers: 2,
        coordinators: 0,
        starts: true,
        ..Self::SMALL
    };

    /// Three instances and the old application, with old snapshots and in the wrong place, through a cutover and back.
    pub const CROWD: Self =
        Self { instances: 3, foreign: true, repeatable: true, relays: 1, writes: 2, ..Self::SMALL };

    /// Two coordinators, each of which may believe that it is alone.
    pub const RIVALS: Self = Self { coordinators: 2, relays: 0, writes: 1, turns: 6, ..Self::SMALL };

    /// Three instances that read by what they remember.
    pub const READERS: Self = Self { instances: 3, readers: true, writes: 1, failures: false, ..Self::SMALL };

    /// Keys that resist being made equal, and keys that are noted without need.
    pub const RESISTING: Self = Self { resists: true, marks: true, writes: 1, ..Self::SMALL };

    /// Everything at once: two keys, copied while three instances and the old application write, with two that make keys equal,
    /// a cutover and the way back.
    #[allow(dead_code, reason = "the example goes through it")]
    pub const LARGE: Self = Self {
        keys: 2,
        instances: 3,
        foreign: true,
        repeatable: true,
        inline: true,
        copiers: 1,
        ..Self::SMALL
    };
}
