//! Commits. The order of things is told in `docs/decisions/0010-postgresql-commit.md`.
//!
//! A set that is one piece goes to the server as one statement which fails as a whole if anything about it does not hold:
//! one round trip, in the common case. Whatever is not that, or did not hold, is performed in a transaction, which finds
//! out what it was, or that it is done already.

mod careful;
mod program;
mod quick;
mod statement;
mod text;
mod watch;

use waiterix_domain::{ChangeSet, Timestamp};
use waiterix_ports::{Error, Result};

use crate::connect::Database;
use crate::fault::{self, Effect, Failure};
use crate::layout::Layout;
use crate::session::Session;
use program::Program;
use quick::Outcome;
pub(crate) use text::Texts;

const OPERATION: &str = "store.commit";

/// How often a set is performed again because others were in its way at the same moment.
const ATTEMPTS: u32 = 8;

/// Why an attempt did not succeed.
#[derive(Debug)]
enum Trouble {
    /// The set is refused.
    Refused(Error),
    /// Something failed that could have gone well, and this is known about the effect.
    Failed(Failure, Effect),
}

/// Why a set was not committed.
#[derive(Debug)]
pub(crate) enum Uncommitted {
    /// The error of the port.
    Failed(Error),
    /// The database has another layout than was thought; nothing was done.
    Layout(Error),
}

impl From<Error> for Uncommitted {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Commits a set.
pub(crate) async fn commit(
    database: &Database,
    texts: &Texts,
    layout: Layout,
    changes: &ChangeSet,
    now: Timestamp,
) -> Result<(), Uncommitted> {
    let program = Program::of(changes, layout, now)?;
    if changes.is_empty() {
        return Ok(());
    }
    let mut session = None;
    if let Some(piece) = program.alone() {
        let borrowed = Session::borrow(database, OPERATION).await?;
        match quick::perform(borrowed, texts, layout, &program, piece).await {
            Outcome::Done => return Ok(()),
            Outcome::Surprise(kept) => session = Some(kept),
            Outcome::Failed(failure, effect) => return Err(told(&failure, effect)),
        }
    }
    let mut attempt = 1;
    loop {
        let borrowed = match session.take() {
            Some(session) => session,
            None => Session::borrow(database, OPERATION).await?,
        };
        match careful::perform(borrowed, texts, layout, &program).await {
            Ok(()) => return Ok(()),
            Err(Trouble::Refused(error)) => return Err(error.into()),
            Err(Trouble::Failed(failure, _)) if is_worth_another(&failure, attempt) => attempt += 1,
            Err(Trouble::Failed(failure, effect)) => return Err(told(&failure, effect)),
        }
    }
}

/// Others were in the way: a deadlock goes to whoever was chosen as its victim, and a row that another hand inserts at
/// the same moment may first show as a taken unique value.
fn is_worth_another(failure: &Failure, attempt: u32) -> bool {
    let is_worth =
        if failure.is_unique_violation() { attempt == 1 } else { failure.is_passing() && attempt < ATTEMPTS };
    if is_worth {
        tracing::debug!(%attempt, code = failure.code(), "a commit met others and is performed again");
    }
    is_worth
}

fn told(failure: &Failure, effect: Effect) -> Uncommitted {
    let error = fault::of(failure, OPERATION, effect);
    if failure.is_of_layout() {
        return Uncommitted::Layout(error);
    }
    Uncommitted::Failed(match fault::violation(failure) {
        Some(violation) => Error::new(waiterix_ports::ErrorKind::Conflict, OPERATION).violating(violation),
        None => error,
    })
}
