//! What a function uses of the service.

/// What is used. Of the rest no variable is read and nothing is made, so that a function is configured with what it uses,
/// secrets above all, and starts without what it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "five ports and the people are each used or not")]
pub struct Needs {
    /// What serves people: the signatures of their cookies, the origins of their pages, where they get pictures.
    pub people: bool,
    /// Rows.
    pub store: bool,
    /// Pictures and other objects.
    pub blobs: bool,
    /// Mail.
    pub mailer: bool,
    /// Sessions and one-time data. A mailer keeps its ledger and its list there, so whoever needs mail needs them.
    pub sessions: bool,
    /// Realtime connections.
    pub notifier: bool,
}

impl Needs {
    /// All there is.
    pub const EVERYTHING: Self =
        Self { people: true, store: true, blobs: true, mailer: true, sessions: true, notifier: true };
    /// None of it, to begin with.
    pub const NOTHING: Self =
        Self { people: false, store: false, blobs: false, mailer: false, sessions: false, notifier: false };
}
