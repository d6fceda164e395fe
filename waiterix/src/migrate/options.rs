//! What can be said after `waiterix migrate`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use waiterix_ports::moving::{Mirroring, MovingPort};

/// The old database is named by `LEGACY_DATABASE_URL`, the new one by `DATABASE_URL` or `DB_HOST` and so on.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Migrate {
    /// Look at both sides and say what would move, how long it would take and what stands in the way. Changes nothing; fails
    /// if anything stands in the way.
    Plan(Look),
    /// Copy everything while the service runs, and go on wherever an earlier start was broken off. Ctrl-C ends it cleanly.
    Start(Start),
    /// Say how far the move is.
    Status(Status),
    /// Have all processes stop copying and following. Nobody who orders notices.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Compare both sides. Fails if they differ.
    Verify(Verify),
    /// Compare both sides, make equal what differs on the side that follows, and compare again.
    Repair(Verify),
    /// Give the lead to the new side; of mail, if you like, for a share of the recipients first.
    Cutover(Cutover),
    /// Give the lead back to the old side, with everything that was written since.
    Rollback(Rollback),
    /// End the move for good: take away what it added. There is no way back afterwards.
    Finish(Finish),
    /// Give the move up, while the old side leads: take away what it added, as if it had never begun.
    Cancel(Cancel),
    /// Say of a process that it is dead, so that no change of the lead waits for it any more: one that was killed, or whose machine is
    /// gone. Refused if it shows itself meanwhile. Be sure that it does not run.
    Forget(Forget),
    /// Do all of it with a copy of today's rows, in two databases that are made on the new server for this and removed. The old
    /// database is only read, the new one not touched.
    Rehearse(Rehearse),
}

/// Something that is moved by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Port {
    /// The rows of the database.
    Rows,
    /// Pictures, audio and temporary files.
    Objects,
    /// Sessions and one-time data.
    Sessions,
    /// Mail: how many recipients are the new provider's.
    Mail,
    /// Realtime connections: both transports are live all the time.
    Sockets,
}

impl Port {
    /// As everybody else calls it.
    pub(crate) const fn moving(self) -> MovingPort {
        match self {
            Self::Rows => MovingPort::Rows,
            Self::Objects => MovingPort::Objects,
            Self::Sessions => MovingPort::Sessions,
            Self::Mail => MovingPort::Mail,
            Self::Sockets => MovingPort::Sockets,
        }
    }
}

impl Migrate {
    /// Of what, as it was said; the rows where it is about the move as a whole, which is kept where they are moved to. The end
    /// is of everything that was begun.
    pub(crate) fn ports(&self) -> &[Port] {
        match self {
            Self::Plan(look) => &look.scope.ports,
            Self::Start(options) => &options.scope.ports,
            Self::Status(options) => &options.look.scope.ports,
            Self::Verify(options) | Self::Repair(options) => &options.look.scope.ports,
            Self::Cutover(options) => &options.change.look.scope.ports,
            Self::Rollback(options) => &options.change.look.scope.ports,
            Self::Pause
            | Self::Resume
            | Self::Finish(_)
            | Self::Cancel(_)
            | Self::Forget(_)
            | Self::Rehearse(_) => &[Port::Rows],
        }
    }
}

/// Of what.
#[derive(Debug, Clone, Args)]
pub(crate) struct Scope {
    /// What is meant; if nothing is said, every port that is `dual` by WAITERIX_ADAPTERS and its siblings, else the rows.
    #[arg(long = "port", value_enum, value_name = "PORT")]
    pub(crate) ports: Vec<Port>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Look {
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write what was found into this folder, too: as Markdown and as JSON.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Start {
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// The most ranges that are copied at once. Less is done by itself while either server is slow.
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) at_once: u32,
    /// When all is copied, go on making the new side equal until Ctrl-C. For as long as no service runs that does so itself,
    /// with WAITERIX_STORE=dual.
    #[arg(long)]
    pub(crate) follow: bool,
    /// When the side that follows does so: after a write is answered, or before, unless it fails or is late. Services that are
    /// `dual` heed it within seconds, and a later start can change it.
    #[arg(long, value_enum, value_name = "WHEN")]
    pub(crate) mirror: Option<Mirror>,
}

/// When the side that follows does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mirror {
    /// After a write is answered.
    Background,
    /// Before.
    Inline,
}

impl Mirror {
    /// As everybody else calls it.
    pub(crate) const fn moving(self) -> Mirroring {
        match self {
            Self::Background => Mirroring::Background,
            Self::Inline => Mirroring::Inline,
        }
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) look: Look,
    /// Look again every two seconds until Ctrl-C.
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) look: Look,
    /// Compare the text of every value rather than the server's own hashes: slower, and exact to the letter (1.0 is not 1.00).
    #[arg(long)]
    pub(crate) exact: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Change {
    #[command(flatten)]
    pub(crate) look: Look,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// How long nobody may be able to write, at most; writes wait meanwhile and do not fail. When it takes longer, all is as
    /// before.
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(20..=3_000))]
    pub(crate) pause_ms: u64,
    /// When sockets move to the new side: how many of the old ones all processes together close in a second. Their clients connect
    /// anew, and API Gateway takes 500 new connections a second from everybody.
    #[arg(long, value_name = "COUNT", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) sockets_per_second: u32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Cutover {
    #[command(flatten)]
    pub(crate) change: Change,
    /// How many of a hundred recipients get their mail from the new provider, with `--port mail` alone: 0 to 100, up or down. Below
    /// 100 the old provider leads. Which ones these are depends on the address; whoever is among them at 10 is so at 50.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) share: Option<u8>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub(crate) change: Change,
    /// Do not compare both sides first: for a way back in an emergency. What is written until then is compared all the same.
    #[arg(long)]
    pub(crate) without_comparison: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Finish {
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// The folder for the evidence of the whole move. It is taken away from the database.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: PathBuf,
    /// Let anybody write the old database again. Otherwise it goes on refusing writes, so that nobody who was forgotten writes
    /// where nobody reads.
    #[arg(long)]
    pub(crate) release_old: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Cancel {
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// The folder for the ledger of the move. It is taken away from the database.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Forget {
    /// What the process is called, as `status` and whoever waits for it say.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Rehearse {
    /// The folder for the evidence.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: PathBuf,
}
