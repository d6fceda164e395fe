//! What Waiterix needs from the outside world, as five small traits.
//!
//! | port | is for |
//! |---|---|
//! | [`Store`] | all rows of the schema: reads, atomic commits, scans and digests |
//! | [`BlobStore`] | pictures, audio and temporary files |
//! | [`Mailer`] | receipts, support requests, sign-in codes |
//! | [`SessionStore`] | sessions and one-time data |
//! | [`Notifier`] | realtime connections and events |
//!
//! The doc comment of a method is its contract, in clauses numbered like **S1**. Each clause is a test of that
//! number in `waiterix-contract`, and every adapter passes all of them. No trait has default methods, so that a
//! wrapper cannot forget to forward one.

pub mod blob;
pub mod clock;
pub mod error;
pub mod intake;
pub mod mailer;
pub mod moving;
pub mod notifier;
pub mod served;
pub mod session;
pub mod signed_url;
pub mod store;
pub mod vars;

pub use blob::{BlobMeta, BlobPage, BlobStore, ByteStream, Bytes, Download, PutBlob, PutMode, Visibility};
pub use clock::{Clock, SystemClock};
pub use error::{Error, ErrorKind, Result, Retry, Violation};
pub use mailer::{Mail, MailId, MailKind, Mailer, Outcome};
pub use notifier::{
    ChefSelector, CloseReason, Connection, ConnectionId, Delivery, Frame, Message, Notifier, Outlet, Role,
};
pub use session::{Loaded, Revision, Session, SessionId, SessionStore};
pub use store::{Answer, Count, KeyRange, Query, Reads, Store};
