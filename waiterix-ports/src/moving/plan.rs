//! The plan of a move: who leads in each port, who has seen it, and what was changed when by whom.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use waiterix_domain::Timestamp;

use crate::Result;

/// What moves by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MovingPort {
    /// Rows. Who leads is said by the standings of the two databases; the plan says how the other one follows.
    Rows,
    /// Pictures, audio and temporary files.
    Objects,
    /// Sessions and one-time data.
    Sessions,
    /// Mail.
    Mail,
    /// Realtime connections.
    Sockets,
}

impl MovingPort {
    /// Every port.
    pub const ALL: [Self; 5] = [Self::Rows, Self::Objects, Self::Sessions, Self::Mail, Self::Sockets];

    /// The port as a stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Objects => "objects",
            Self::Sessions => "sessions",
            Self::Mail => "mail",
            Self::Sockets => "sockets",
        }
    }

    /// The port with a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|port| port.as_str() == name)
    }
}

/// The provider that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leader {
    /// The one that is moved away from.
    Old,
    /// The one that is moved to.
    New,
}

impl Leader {
    /// The one that follows.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Old => Self::New,
            Self::New => Self::Old,
        }
    }

    /// The leader as a stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }

    /// The leader with a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Old, Self::New].into_iter().find(|leader| leader.as_str() == name)
    }
}

/// When the other side follows a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mirroring {
    /// Before the write is answered, unless it fails; then later.
    Inline,
    /// Later, by the relay.
    Background,
}

impl Mirroring {
    /// The way as a stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Background => "background",
        }
    }

    /// The way with a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Inline, Self::Background].into_iter().find(|mirroring| mirroring.as_str() == name)
    }
}

/// How near a change of the leader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// None is under way.
    Steady,
    /// One is about to begin: whoever has acknowledged this looks at the plan before each call.
    Announced,
    /// Nobody begins a write: whoever has acknowledged this has none under way.
    Held,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 3] = [Self::Steady, Self::Announced, Self::Held];

    /// The stage as a stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Announced => "announced",
            Self::Held => "held",
        }
    }

    /// The stage with a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == name)
    }
}

/// Where a port stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortStanding {
    /// Who leads.
    pub leader: Leader,
    /// When the other side follows.
    pub mirroring: Mirroring,
    /// How near a change of the leader is.
    pub stage: Stage,
    /// How many of a hundred are the new provider's: recipients of mail, or clients that connect anew.
    pub share: u8,
    /// Counts changes of this standing, so that no two are the same.
    pub turn: u64,
}

impl PortStanding {
    /// Where every port stands before anything was changed.
    pub const FIRST: Self = Self {
        leader: Leader::Old,
        mirroring: Mirroring::Background,
        stage: Stage::Steady,
        share: 0,
        turn: 0,
    };
}

/// Where the ports stand. One that is not named stands at [`PortStanding::FIRST`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    standings: BTreeMap<MovingPort, PortStanding>,
    is_made: bool,
}

impl Plan {
    /// A plan of these.
    #[must_use]
    pub fn new(standings: impl IntoIterator<Item = (MovingPort, PortStanding)>) -> Self {
        Self { standings: standings.into_iter().collect(), is_made: true }
    }

    /// That there is no plan: no move was begun, so the old provider leads everywhere, and nobody follows it.
    #[must_use]
    pub const fn none() -> Self {
        Self { standings: BTreeMap::new(), is_made: false }
    }

    /// Whether there is one.
    #[must_use]
    pub const fn is_made(&self) -> bool {
        self.is_made
    }

    /// Where a port stands.
    #[must_use]
    pub fn of(&self, port: MovingPort) -> PortStanding {
        self.standings.get(&port).copied().unwrap_or(PortStanding::FIRST)
    }
}

/// What an instance has seen last, by what it is of: the name of a port, or of anything else that has turns.
pub type Turns = BTreeMap<String, u64>;

/// For how many milliseconds an instance serves by what it saw last, among its turns: nobody needs to wait longer for one that is
/// silent. Of an instance that does not say so it is not known.
pub const LEASE: &str = "lease.ms";

/// A process that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watcher {
    /// Its id, new at every start.
    pub id: String,
    /// What it acknowledged.
    pub turns: Turns,
    /// How long ago it looked at the plan, by the clock of the plan.
    pub silent: Duration,
    /// Whether an operator said that it is dead.
    pub is_forgotten: bool,
}

impl Watcher {
    /// Whether it may still do something by what it saw last. `most` is the longest time that anybody does so.
    #[must_use]
    pub fn may_serve(&self, most: Duration) -> bool {
        self.left(most).is_some()
    }

    /// For how long it may still do so; `None` when it does nothing any more, by the time that went by or by an operator's word.
    #[must_use]
    pub fn left(&self, most: Duration) -> Option<Duration> {
        let lease = self.turns.get(LEASE).map_or(most, |ms| Duration::from_millis(*ms));
        if self.is_forgotten { None } else { lease.min(most).checked_sub(self.silent) }
    }
}

/// What became of the wish that nobody waits for an instance any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgetting {
    /// Nobody does, since now or since an earlier wish.
    Done,
    /// It was heard of so long ago, which is not long enough: it lives, or may. Nothing was changed.
    Heard(Duration),
    /// No instance is called so. Nothing was changed.
    Unknown,
}

/// A change, as it is written down.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerEntry {
    /// Who did it: a person or a program.
    pub who: String,
    /// Of what.
    pub port: MovingPort,
    /// What was done, as a stable word or a few.
    pub what: String,
    /// What it was done on account of: counts, durations, no personal data.
    pub evidence: serde_json::Value,
}

/// An entry with its place and time.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Counts entries.
    pub id: u64,
    /// When it was written, by the clock of the ledger.
    pub at: Timestamp,
    /// What was written.
    pub entry: LedgerEntry,
}

/// What was changed when, by whom and why. Nothing is ever taken out of it.
#[async_trait]
pub trait Ledger: fmt::Debug + Send + Sync + 'static {
    /// Writes an entry.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn note(&self, entry: &LedgerEntry) -> Result<()>;

    /// The entries behind another one, in order, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn recorded(&self, after: Option<u64>, limit: u32) -> Result<Vec<Recorded>>;
}

/// The plan that all processes share.
#[async_trait]
pub trait PlanStore: fmt::Debug + Send + Sync + 'static {
    /// Where the ports stand.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn plan(&self) -> Result<Plan>;

    /// Replaces a standing by another of the next turn if it is still of the turn that was seen, and writes down why, at
    /// once; answers whether it did. A repeat after an unknown outcome finds the standing it made and answers `true`.
    ///
    /// # Errors
    /// `Invalid` when the turn is not the next one; `Unavailable`, `Timeout`.
    async fn shift(&self, port: MovingPort, seen: u64, to: &PortStanding, why: &LedgerEntry) -> Result<bool>;

    /// Says what an instance has seen, and then reads the plan, in this order: so whoever reads an older plan is among the
    /// instances by the time it is replaced. What was said of other turns stays. Before a move is begun there is no place to say it
    /// in, and the answer is [`Plan::none`].
    ///
    /// # Errors
    /// `Unavailable` with [`Violation::Forgotten`](crate::Violation::Forgotten) for an instance that was
    /// [forgotten](PlanStore::forget), ever after: it is not heard, and must serve nothing more. `Unavailable`, `Timeout`.
    async fn look(&self, instance: &str, seen: &Turns) -> Result<Plan>;

    /// An instance ends, and need not be waited for any more.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn leave(&self, instance: &str) -> Result<()>;

    /// An operator says that an instance is dead: nobody waits for it any more, and its looks are refused from now on. Only if it has
    /// not looked for so long, which must be more than an instance goes by what it saw without a look; what is known is decided and
    /// written down at once. A repeat answers the same and writes nothing.
    ///
    /// One that is not dead and cannot reach the plan goes by what it saw until its [lease](LEASE) ends, whatever is said here.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn forget(&self, instance: &str, silent: Duration, why: &LedgerEntry) -> Result<Forgetting>;

    /// Who has looked at the plan and has not left.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn instances(&self) -> Result<Vec<Watcher>>;
}
