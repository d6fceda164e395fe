//! Realtime events for own WebSockets of several processes on one database.
//!
//! The old service kept its sockets in memory, so there could be one process only. Here every process keeps its own
//! sockets, in a [`Notifier`] of their own that is handed in, and tells the others through PostgreSQL what concerns
//! theirs: `NOTIFY` says it, `LISTEN` hears it, and a lock that a process holds while it listens says how many answers
//! to wait for. One connection to the database does all three; nothing is stored. Decision 21 tells the whole story.
//!
//! What is more than the contract says:
//!
//! - An answer counts the sockets of all processes. A process that does not answer in time counts as one connection that
//!   failed, since nobody knows how many it has, and so do those that cannot be asked while the database is down. The
//!   sockets of this process hear in any case, and without waiting.
//! - A process alone waits for nobody, nor for the database.
//! - Events of one process arrive in one order on all sockets that hear them, those of other processes included. What is
//!   said again after a connection broke is not heard twice.
//! - Whatever a process misses while its own connection is broken is lost to its sockets, except that connections of
//!   chefs that were closed meanwhile are closed when it is back.

mod board;
mod call;
mod closings;
mod courier;
mod heard;
mod line;
mod parts;
mod seats;
mod settings;
mod token;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::notifier::{MAX_CONNECTIONS_PER_SESSION, MAX_PARAMETER_CHARS, fault_of};
use waiterix_ports::{
    ChefSelector, CloseReason, Connection, ConnectionId, Delivery, Error, ErrorKind, Message, Notifier,
    Outlet, Result, Retry,
};
use waiterix_postgres::connect::Database;

use board::{Asked, Board, Outcome};
use call::{Answer, Call};
use closings::Closings;
use courier::{Courier, Shared, Tally};
use seats::{Seats, room_of};
pub use settings::WebSocketSettings;
use token::Token;

/// Realtime events for the sockets of all processes on one database.
pub struct WebSocketNotifier {
    shared: Arc<Shared>,
    /// Held while an event is put into the channels of this process and up for the others, so that both hear in one
    /// order.
    order: tokio::sync::Mutex<()>,
    courier: Mutex<Option<JoinHandle<()>>>,
    closing: watch::Sender<bool>,
}

/// What is between the processes at one moment, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebSocketSnapshot {
    /// Whether this process hears the others.
    pub joined: bool,
    /// How many other processes listened when something was last said.
    pub others: u32,
    /// Connections to the database made so far in order to listen.
    pub joins: u64,
    /// How often another process was not heard in time, or could not be asked.
    pub unheard: u64,
    /// Notifications on our channels that were not understood. Nothing of ours is among them.
    pub malformed: u64,
    /// What was heard again after a connection broke, or too late, and was therefore not done.
    pub repeated: u64,
}

impl fmt::Debug for WebSocketNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketNotifier")
            .field("process", &self.shared.own)
            .field("sockets", &self.shared.sockets)
            .field("snapshot", &self.snapshot())
            .finish_non_exhaustive()
    }
}

impl WebSocketNotifier {
    /// Wraps the sockets of this process. Connects to the database when it is first used, which must be in a Tokio
    /// runtime. `process` is random, and new at every start.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use waiterix_adapters_legacy::websocket::{WebSocketNotifier, WebSocketSettings};
    /// # use waiterix_ports::{Notifier, Result};
    /// # use waiterix_postgres::connect::Database;
    /// fn everywhere(here: Arc<dyn Notifier>, database: Database, random: [u8; 16]) -> Result<Arc<dyn Notifier>> {
    ///     let settings = WebSocketSettings::default();
    ///     Ok(Arc::new(WebSocketNotifier::new(here, database, settings, random)?))
    /// }
    /// ```
    ///
    /// # Errors
    /// `Invalid` for a database behind a pooler, where nobody hears notifications.
    pub fn new(
        sockets: Arc<dyn Notifier>,
        database: Database,
        settings: WebSocketSettings,
        process: [u8; 16],
    ) -> Result<Self> {
        if database.settings().pooled {
            return Err(Error::new(ErrorKind::Invalid, "websocket.open").with(
                "fault",
                "events between processes need the database's own address, and this is the one of a pooler; \
                 Neon's own host is the same without -pooler",
            ));
        }
        let own = Token::new(process);
        let board = Board::new(own, settings.deadline);
        let shared = Arc::new(Shared {
            own,
            settings,
            database,
            sockets,
            board,
            seats: Seats::default(),
            closings: Closings::default(),
            tally: Tally::default(),
        });
        Ok(Self {
            shared,
            order: tokio::sync::Mutex::default(),
            courier: Mutex::default(),
            closing: watch::Sender::new(false),
        })
    }

    /// The state at this moment.
    #[must_use]
    pub fn snapshot(&self) -> WebSocketSnapshot {
        let (joined, others, unheard) = self.shared.board.counts();
        let tally = &self.shared.tally;
        WebSocketSnapshot {
            joined,
            others,
            joins: tally.joins.load(Ordering::Relaxed),
            unheard,
            malformed: tally.malformed.load(Ordering::Relaxed),
            repeated: tally.repeated.load(Ordering::Relaxed),
        }
    }

    /// Stops listening and tells the database, for at most this long, so that no other process waits for this one. The
    /// sockets are not closed: they belong to whoever handed them in. Repeating it is harmless.
    pub async fn close(&self, within: Duration) {
        self.closing.send_replace(true);
        let courier = self.courier.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(courier) = courier {
            let abort = courier.abort_handle();
            if tokio::time::timeout(within, courier).await.is_err() {
                abort.abort();
            }
        }
        let text = "the process stops".to_owned();
        self.shared.board.apart(board::Fault { kind: ErrorKind::Unavailable, text });
    }

    /// The board, with somebody to see to it.
    fn board(&self) -> &Board {
        let mut courier = self.courier.lock().unwrap_or_else(PoisonError::into_inner);
        if courier.as_ref().is_none_or(JoinHandle::is_finished) && !*self.closing.borrow() {
            self.shared.board.begin();
            let hired = Courier::new(Arc::clone(&self.shared), self.closing.subscribe());
            *courier = Some(tokio::spawn(hired.run()));
        }
        &self.shared.board
    }

    /// Asks the other processes; what they are asked can be repeated, so that a process which was not reached is an
    /// error to try again after.
    async fn count_everywhere(&self, operation: &'static str, call: &Call, own: u32) -> Result<u32> {
        let outcome = self.board().ask(call, |_| {}).outcome().await;
        let mut all = own;
        let mut failed = outcome.unheard();
        for answer in &outcome.answers {
            match answer {
                Answer::Count(count) => all = all.saturating_add(*count),
                Answer::Done => {}
                _ => failed += 1,
            }
        }
        if failed == 0 { Ok(all) } else { Err(self.unreached(operation, &outcome)) }
    }

    /// Some processes could not be asked, or did not answer.
    fn unreached(&self, operation: &'static str, outcome: &Outcome) -> Error {
        if outcome.apart {
            return self.shared.board.fault(operation);
        }
        Error::new(ErrorKind::Timeout, operation)
            .retry(Retry::Ambiguous)
            .with("fault", "another process did not answer")
            .with("processes", outcome.silent.max(1))
    }

    async fn claim(&self, connection: &Connection) -> Result<()> {
        const OPERATION: &str = "websocket.connect";
        let room = room_of(connection);
        let call = Call::claim(&connection.id, room.clone());
        let seats = &self.shared.seats;
        let asked = self.board().ask(&call, |place| seats.claim(place.number, connection, place.alone));
        let claim = Claim { seats, number: asked.number() };
        // A process that is not heard must not keep guests out, so only what is known counts.
        let outcome = asked.outcome().await;
        let mut seated = match (&room, claim.number) {
            (Some(room), Some(number)) => seats.before(number, room),
            _ => 0,
        };
        for answer in &outcome.answers {
            if let Answer::Seats { taken, count } = answer {
                if *taken {
                    return Err(Error::new(ErrorKind::Conflict, OPERATION));
                }
                seated = seated.saturating_add(*count);
            }
        }
        if room.is_some() && seated as usize >= MAX_CONNECTIONS_PER_SESSION {
            return Err(Error::new(ErrorKind::Throttled, OPERATION).retry(Retry::Safe));
        }
        self.shared.sockets.connect(connection).await?;
        claim.registered(connection);
        Ok(())
    }
}

impl Drop for WebSocketNotifier {
    fn drop(&mut self) {
        let courier = self.courier.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(courier) = courier.take() {
            courier.abort();
        }
    }
}

/// A claim that ends when it is dropped, whatever became of the connection.
struct Claim<'a> {
    seats: &'a Seats,
    /// Nothing for a claim nobody could be told of.
    number: Option<u64>,
}

impl Claim<'_> {
    fn registered(mut self, connection: &Connection) {
        match self.number.take() {
            Some(number) => self.seats.settle(number, Some(connection)),
            None => self.seats.seat(connection),
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.seats.settle(number, None);
        }
    }
}

/// Whether anything can be registered under a text; nobody else needs to be asked about others.
fn is_possible(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_PARAMETER_CHARS && !text.chars().any(char::is_control)
}

/// Adds what other processes counted to what this one did.
fn sum(mut all: Delivery, outcome: &Outcome) -> Delivery {
    let mut unknown = outcome.unheard();
    for answer in &outcome.answers {
        if let Answer::Delivery { targeted, delivered, gone, failed } = answer
            && u64::from(*targeted) == u64::from(*delivered) + u64::from(*gone) + u64::from(*failed)
        {
            all.targeted = all.targeted.saturating_add(*targeted);
            all.delivered = all.delivered.saturating_add(*delivered);
            all.gone = all.gone.saturating_add(*gone);
            all.failed = all.failed.saturating_add(*failed);
        } else {
            unknown += 1;
        }
    }
    if unknown > 0 {
        tracing::warn!(processes = unknown, apart = outcome.apart, "an event did not reach every process");
    }
    all.targeted = all.targeted.saturating_add(unknown);
    all.failed = all.failed.saturating_add(unknown);
    all
}

#[async_trait]
impl Notifier for WebSocketNotifier {
    async fn connect(&self, connection: &Connection) -> Result<()> {
        let is_ours = matches!(connection.outlet, Outlet::Socket(_)) && fault_of(connection).is_none();
        // What cannot be registered is refused by the sockets, and so is another connection under an id of theirs.
        if !is_ours {
            return self.shared.sockets.connect(connection).await;
        }
        if self.shared.seats.knows(&connection.id) {
            self.shared.sockets.connect(connection).await?;
            self.shared.seats.seat(connection);
            return Ok(());
        }
        self.claim(connection).await
    }

    async fn disconnect(&self, id: &ConnectionId) -> Result<()> {
        let known = self.shared.seats.knows(id);
        self.shared.seats.leave(id);
        self.shared.sockets.disconnect(id).await?;
        if known || !is_possible(id.as_str()) {
            return Ok(());
        }
        self.count_everywhere("websocket.disconnect", &Call::disconnect(id), 0).await.map(|_| ())
    }

    async fn publish(&self, audience: &Audience, message: &Message) -> Result<Delivery> {
        let possible = match audience {
            Audience::Chefs(restaurant) => is_possible(restaurant.as_str()),
            Audience::Customer { restaurant, session } => {
                is_possible(restaurant.as_str()) && is_possible(session)
            }
        };
        let order = self.order.lock().await;
        let own = self.shared.sockets.publish(audience, message).await?;
        if !possible {
            return Ok(own);
        }
        let asked: Asked<'_> = self.board().ask(&Call::publish(audience, message), |_| {});
        drop(order);
        Ok(sum(own, &asked.outcome().await))
    }

    async fn send(&self, id: &ConnectionId, text: &str) -> Result<bool> {
        let known = self.shared.seats.knows(id);
        let sent = self.shared.sockets.send(id, text).await?;
        if sent || known || !is_possible(id.as_str()) {
            return Ok(sent);
        }
        let outcome = self.board().ask(&Call::send(id, text), |_| {}).outcome().await;
        if outcome.answers.contains(&Answer::Sent(true)) {
            return Ok(true);
        }
        let failed = outcome.answers.contains(&Answer::Failed) || outcome.unheard() > 0;
        if failed { Err(self.unreached("websocket.send", &outcome)) } else { Ok(false) }
    }

    async fn close_chefs(
        &self,
        restaurant: &RestaurantId,
        who: &ChefSelector,
        reason: CloseReason,
    ) -> Result<u32> {
        let call = Call::close_chefs(restaurant, who, reason);
        // Noted first: a process that comes back while this is under way hears it one way or the other.
        self.shared.closings.note(call.clone(), Instant::now());
        let own = self.shared.sockets.close_chefs(restaurant, who, reason).await?;
        self.count_everywhere("websocket.close_chefs", &call, own).await
    }

    async fn sweep(&self, made_before: Timestamp) -> Result<u32> {
        let own = self.shared.sockets.sweep(made_before).await?;
        self.count_everywhere("websocket.sweep", &Call::sweep(made_before), own).await
    }

    async fn check(&self) -> Result<()> {
        self.shared.sockets.check().await?;
        // A database that sleeps needs a while; nobody's request waits here.
        let patience = self.shared.settings.deadline.max(self.shared.settings.patience);
        let outcome = self.board().probe(patience).outcome().await;
        if outcome.apart { Err(self.shared.board.fault("websocket.check")) } else { Ok(()) }
    }
}
