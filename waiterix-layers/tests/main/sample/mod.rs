//! Arguments for every operation, full of what must not be told to anybody.

#![allow(unreachable_pub, missing_docs, reason = "test support")]

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use waiterix_domain::id::UserId;
use waiterix_domain::schema::User;
use waiterix_domain::{Audience, ChangeSet, CommitId, Timestamp};
use waiterix_ports::blob::UploadRequest;
use waiterix_ports::{
    Connection, ConnectionId, Frame, Mail, MailId, MailKind, Message, Outlet, Query, Role, Session, SessionId,
};

/// A part of every text below; nothing that is told may contain it.
pub const PERSONAL: &str = "erika.mustermann";
/// An address.
pub const ADDRESS: &str = "erika.mustermann@example.org";
/// A key of objects and of temporary data.
pub const KEY: &str = "uploads/erika.mustermann-passport.png";
/// A session id.
pub const SESSION: &str = "erika-mustermann-session-0123456789";

pub const SECOND: Duration = Duration::from_secs(1);

pub fn user() -> UserId {
    UserId::from("auth0|erika.mustermann")
}

pub fn session_id() -> SessionId {
    SessionId::new(SESSION)
}

pub fn session() -> Session {
    let now = waiterix_contract::ManualClock::default();
    let now = waiterix_ports::Clock::now(&now);
    Session {
        id: session_id(),
        user_id: Some(user()),
        email: Some(ADDRESS.to_owned()),
        created_at: now,
        last_activity: now,
        expires_at: now.plus_seconds(3600),
        extra: serde_json::Map::from_iter([("note".to_owned(), ADDRESS.into())]),
    }
}

pub fn query() -> Query {
    Query::UserByEmail(ADDRESS.to_owned())
}

pub fn changes() -> ChangeSet {
    ChangeSet::new(CommitId::new(ADDRESS)).insert(a_user())
}

fn a_user() -> User {
    User { email: Some(ADDRESS.to_owned()), ..waiterix_contract::store::sample::user("erika.mustermann") }
}

pub fn mail() -> Mail {
    Mail {
        id: MailId::new("receipt/erika.mustermann").unwrap(),
        kind: MailKind::Receipt,
        to: ADDRESS.to_owned(),
        reply_to: None,
        subject: "A receipt for erika.mustermann".to_owned(),
        html: "<p>erika.mustermann</p>".to_owned(),
        text: "erika.mustermann".to_owned(),
    }
}

pub fn upload() -> UploadRequest {
    UploadRequest {
        key: KEY.to_owned(),
        content_type: None,
        size: None,
        max_size: 10,
        ttl: Duration::from_secs(60),
    }
}

/// A connection, and its far end.
pub fn connection() -> (Connection, mpsc::Receiver<Frame>) {
    let (frames, receiver) = mpsc::channel(64);
    let connection = Connection {
        id: connection_id(),
        restaurant: "erika.mustermann".into(),
        role: Role::Customer { session: Some(SESSION.to_owned()) },
        connected_at: Timestamp::EPOCH,
        outlet: Outlet::Socket(frames),
    };
    (connection, receiver)
}

pub fn connection_id() -> ConnectionId {
    ConnectionId::new("erika.mustermann's connection")
}

pub fn audience() -> Audience {
    Audience::Customer { restaurant: "erika.mustermann".into(), session: SESSION.to_owned() }
}

pub fn message() -> Message {
    Message { id: ADDRESS.to_owned(), json: Arc::from(r#"{"to":"erika.mustermann"}"#) }
}
