//! The common case: one statement, which either does everything or fails.

use super::program::{Piece, Program};
use super::statement::{self, Texts};
use crate::fault::{Effect, Failure};
use crate::layout::Layout;
use crate::session::{Mode, Session};

/// How it ended.
pub(super) enum Outcome {
    /// The set is committed, now or before.
    Done,
    /// Something did not hold, or others were in the way; certainly nothing was done. The connection, if it is good.
    Surprise(Option<Session>),
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
        return Outcome::Surprise(Some(session));
    };
    let transaction = session.needs_transaction();
    if transaction && let Err(failure) = session.begin(Mode::Write).await {
        session.recover(&failure);
        return Outcome::Failed(failure, Effect::None);
    }
    let done = session.one(sql, arguments).await;
    let (done, effect) = match done {
        Ok(_) if transaction => (session.commit().await, Effect::Unknown),
        Err(failure) if transaction => {
            if failure.is_harmless() && session.roll_back().await.is_ok() {
                return Outcome::Surprise(Some(session));
            }
            (Err(failure), Effect::None)
        }
        done => (done.map(drop), Effect::Unknown),
    };
    match done {
        Ok(()) => {
            session.release();
            Outcome::Done
        }
        // The server's own limit of time is no surprise.
        Err(failure) if failure.is_harmless() && failure.code() != Some("57014") => {
            Outcome::Surprise(Some(session))
        }
        Err(failure) => {
            session.recover(&failure);
            Outcome::Failed(failure, effect)
        }
    }
}
