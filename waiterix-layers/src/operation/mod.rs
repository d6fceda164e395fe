//! What the wrappers know about each operation of the ports: data, with a reason for each entry.

pub mod blob;
pub mod mailer;
pub mod notifier;
pub mod session;
pub mod store;

use std::fmt;

/// A port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    /// [`waiterix_ports::Store`].
    Store,
    /// [`waiterix_ports::BlobStore`].
    Blob,
    /// [`waiterix_ports::Mailer`].
    Mailer,
    /// [`waiterix_ports::SessionStore`].
    Session,
    /// [`waiterix_ports::Notifier`].
    Notifier,
}

impl Port {
    /// The port as a stable word, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Blob => "blob",
            Self::Mailer => "mailer",
            Self::Session => "session",
            Self::Notifier => "notifier",
        }
    }
}

/// Whether an operation that is given up may have changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It changes nothing, so giving it up has no effect.
    Reads,
    /// It may have had its effect by the time it is given up.
    Writes,
}

/// What an operation's time limit depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    /// One question or one change.
    Point,
    /// Many rows, keys or connections.
    Walk,
    /// The bytes of an object: as long as it takes, as long as they move.
    Transfer,
}

/// What happens when an operation is sent twice because nobody knows whether the first one was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Twice {
    /// Nothing is done twice, and the second answer is the one the first would have been.
    SameAnswer,
    /// Nothing is done twice, but the second answer tells of the second time only: a count, or whether there was
    /// something.
    LesserAnswer,
    /// Something is done twice, or the second answer is wrong. Sent again only after a failure that certainly had no
    /// effect.
    Harmful,
}

/// An operation of a port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Its port.
    pub port: Port,
    /// Its name with its port's, as errors carry it: `store.commit`.
    pub name: &'static str,
    /// Whether giving it up may leave something done.
    pub effect: Effect,
    /// What its time limit depends on.
    pub size: Size,
    /// What becomes of it when it is sent twice.
    pub twice: Twice,
    /// Why that is so; the clauses are those of the port's documentation.
    pub why: &'static str,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Operation {
    /// Something that reads one thing.
    const fn reads(port: Port, name: &'static str, why: &'static str) -> Self {
        Self { port, name, effect: Effect::Reads, size: Size::Point, twice: Twice::SameAnswer, why }
    }

    /// Something that writes one thing and may be sent twice.
    const fn writes(port: Port, name: &'static str, why: &'static str) -> Self {
        Self { effect: Effect::Writes, ..Self::reads(port, name, why) }
    }

    /// The same, over many things.
    const fn walk(self) -> Self {
        Self { size: Size::Walk, ..self }
    }

    /// The same, with the bytes of an object.
    const fn transfer(self) -> Self {
        Self { size: Size::Transfer, ..self }
    }

    /// The same, whose second answer tells of the second time only.
    const fn lesser_answer(self) -> Self {
        Self { twice: Twice::LesserAnswer, ..self }
    }

    /// The same, which must not be sent twice.
    const fn harmful(self) -> Self {
        Self { twice: Twice::Harmful, ..self }
    }
}

/// Every operation of every port, in the order of their documentation.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    [store::ALL, blob::ALL, mailer::ALL, session::ALL, notifier::ALL].into_iter().flatten().copied()
}
