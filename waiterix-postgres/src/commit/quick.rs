//! The common case: one statement, which either does everything or fails.

use super::program::{Piece, Program};
use super::statement;
use super::text::Texts;
use crate::fault::{Effect, Failure};
use crate::layout::Layout;
use crate::session::{Mode, Session};

/// How it ended.
pub(super) enum Outcome {
    /// The set is committed, now or before.
    Done,
    /// Something did not hold, or others were in the way; certainly nothing was done. The connection is good.
    Surprise(Session),
    /// The connection or the server failed.
    Failed(Failure, Effect),
}

/// Performs a set that is one piece.
pub(super) async fn perform(
    mut session: Session,
    texts: &Texts,
    layout: Layout,
    program: &Program,
    piece: &Piece,
) -> Outcome {
    let Ok((sql, arguments)) = statement::whole(texts, layout, program, piece) else {
        // What is too long for one statement is not too long for several.
        return Outcome::Surprise(session);
    };
    let transaction = session.needs_transaction();
    if transaction && let Err(failure) = session.begin(Mode::Write).await {
        session.recover(&failure);
        return Outcome::Failed(failure, Effect::None);
    }
    let done = session.one(sql, arguments).await;
    let (done, effect) = match done {
        Ok(_) if transaction => (session.commit().await, Effect::Unknown),
        Ok(_) => (Ok(()), Effect::Unknown),
        // Nothing of a transaction is lasting before its end.
        Err(failure) if transaction && failure.is_harmless() => match session.roll_back().await {
            Ok(()) => (Err(failure), Effect::None),
            Err(failure) => (Err(failure), Effect::None),
        },
        Err(failure) => (Err(failure), if transaction { Effect::None } else { Effect::Unknown }),
    };
    match done {
        Ok(()) => {
            session.release();
            Outcome::Done
        }
        // The end of the time for a statement is no surprise: the next attempt would wait as long again. Nor is a database
        // that does not lead: the next attempt would hear the same.
        Err(failure) if failure.is_harmless() && !failure.is_timeout() && !failure.is_of_standing() => {
            Outcome::Surprise(session)
        }
        Err(failure) => {
            session.recover(&failure);
            Outcome::Failed(failure, effect)
        }
    }
}
