//! Why a server cannot be had.

/// What went wrong, and what a person can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A program is not there and cannot be installed.
    #[error("{program} is not there and could not be installed ({why}); {remedy}")]
    Missing {
        /// The program.
        program: &'static str,
        /// Why it could not be installed.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// A program was started but does not answer.
    #[error("{name} does not answer after {seconds} s; the end of what it said:\n{log}")]
    Silent {
        /// The server.
        name: String,
        /// How long it was waited for.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
    /// A command failed.
    #[error("{command} failed: {said}")]
    Failed {
        /// The command.
        command: String,
        /// The end of what it said.
        said: String,
    },
    /// The machine refuses something.
    #[error(transparent)]
    Machine(#[from] std::io::Error),
    /// A certificate cannot be made.
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
}
