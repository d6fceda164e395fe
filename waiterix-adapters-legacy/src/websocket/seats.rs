//! Which connections this process has, as far as other processes must know.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::WeakSender;
use waiterix_ports::{Connection, ConnectionId, Frame, Outlet, Role};

use super::call::Room;

/// How many seats there are before those of connections that ended are looked for.
const FIRST_PURGE: usize = 1024;

/// The connections of this process, and the claims that it has put up and not settled.
///
/// Nothing here keeps a connection alive: whether it still is, is looked at when it is counted.
///
/// **Claims.** Two processes may each have room for one more connection of a session at the same moment. Notifications
/// arrive everywhere in one order, the own ones included. So a process counts a claim of its own against that of another
/// exactly if its own came first, and of two claims for the last seat, or for one id, the second is refused.
#[derive(Debug, Default)]
pub(super) struct Seats {
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    seats: HashMap<ConnectionId, Seat>,
    rooms: HashMap<Room, HashSet<ConnectionId>>,
    claims: BTreeMap<u64, Claim>,
    purge_at: usize,
}

#[derive(Debug)]
struct Seat {
    room: Option<Room>,
    line: WeakSender<Frame>,
}

#[derive(Debug)]
struct Claim {
    id: ConnectionId,
    room: Option<Room>,
    /// Whether its place in the order is known.
    placed: bool,
}

/// The customer session a connection takes a seat in; others are not counted.
pub(super) fn room_of(connection: &Connection) -> Option<Room> {
    match &connection.role {
        Role::Customer { session: Some(session) } => {
            Some(Room { restaurant: connection.restaurant.as_str().to_owned(), session: session.clone() })
        }
        Role::Customer { session: None } | Role::Chef { .. } => None,
    }
}

impl Default for Book {
    fn default() -> Self {
        Self { seats: HashMap::new(), rooms: HashMap::new(), claims: BTreeMap::new(), purge_at: FIRST_PURGE }
    }
}

impl Seats {
    /// Nothing that is done under the lock can panic half way.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection is, or was a moment ago, one of this process.
    pub(super) fn knows(&self, id: &ConnectionId) -> bool {
        self.book().seats.contains_key(id)
    }

    /// Notes a claim that is about to be put up; `placed` if it counts at once, because nobody else can have claimed
    /// anything.
    pub(super) fn claim(&self, number: u64, connection: &Connection, placed: bool) {
        let claim = Claim { id: connection.id.clone(), room: room_of(connection), placed };
        self.book().claims.insert(number, claim);
    }

    /// From now on a claim counts against those of others, which come later.
    pub(super) fn placed(&self, number: u64) {
        if let Some(claim) = self.book().claims.get_mut(&number) {
            claim.placed = true;
        }
    }

    /// How many seats of a room are taken in this process before one of its own claims: by connections, and by claims
    /// put up earlier.
    pub(super) fn before(&self, number: u64, room: &Room) -> u32 {
        let book = self.book();
        let earlier = book.claims.range(..number).filter(|(_, claim)| claim.room.as_ref() == Some(room));
        book.seated(room) + count(earlier.count())
    }

    /// What another process's claim is told: whether the id is taken here, and how many seats of the room are.
    pub(super) fn weigh(&self, id: &ConnectionId, room: Option<&Room>) -> (bool, u32) {
        let book = self.book();
        let placed = || book.claims.values().filter(|claim| claim.placed);
        let taken = book.seats.get(id).is_some_and(Seat::is_live) || placed().any(|claim| claim.id == *id);
        let seats = room.map_or(0, |room| {
            book.seated(room) + count(placed().filter(|claim| claim.room.as_ref() == Some(room)).count())
        });
        (taken, seats)
    }

    /// Ends a claim; a connection that was registered takes its place in the same moment.
    pub(super) fn settle(&self, number: u64, registered: Option<&Connection>) {
        let mut book = self.book();
        book.claims.remove(&number);
        if let Some(connection) = registered {
            book.seat(connection);
        }
    }

    /// Notes a connection that was registered without asking others.
    pub(super) fn seat(&self, connection: &Connection) {
        self.book().seat(connection);
    }

    /// Forgets a connection.
    pub(super) fn leave(&self, id: &ConnectionId) {
        self.book().remove(id);
    }
}

impl Seat {
    fn is_live(&self) -> bool {
        self.line.upgrade().is_some_and(|line| !line.is_closed())
    }
}

impl Book {
    fn seat(&mut self, connection: &Connection) {
        let Outlet::Socket(line) = &connection.outlet else { return };
        if self.seats.len() >= self.purge_at {
            self.purge();
        }
        self.remove(&connection.id);
        let room = room_of(connection);
        if let Some(room) = &room {
            self.rooms.entry(room.clone()).or_default().insert(connection.id.clone());
        }
        self.seats.insert(connection.id.clone(), Seat { room, line: line.downgrade() });
    }

    fn remove(&mut self, id: &ConnectionId) {
        if let Some(room) = self.seats.remove(id).and_then(|seat| seat.room)
            && let Some(ids) = self.rooms.get_mut(&room)
        {
            ids.remove(id);
            if ids.is_empty() {
                self.rooms.remove(&room);
            }
        }
    }

    /// Connections that ended without a word are looked for when their number may have doubled, which costs little for
    /// each connection made.
    fn purge(&mut self) {
        let ended: Vec<_> =
            self.seats.iter().filter(|(_, seat)| !seat.is_live()).map(|(id, _)| id.clone()).collect();
        for id in &ended {
            self.remove(id);
        }
        self.purge_at = FIRST_PURGE.max(self.seats.len() * 2);
    }

    fn seated(&self, room: &Room) -> u32 {
        let ids = self.rooms.get(room).into_iter().flatten();
        count(ids.filter(|id| self.seats.get(*id).is_some_and(Seat::is_live)).count())
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use waiterix_domain::Timestamp;

    use super::*;

    fn guest(id: &str) -> (Connection, mpsc::Receiver<Frame>) {
        let (line, far_end) = mpsc::channel(1);
        let connection = Connection {
            id: ConnectionId::new(id),
            restaurant: "r".into(),
            role: Role::Customer { session: Some("s".to_owned()) },
            connected_at: Timestamp::EPOCH,
            outlet: Outlet::Socket(line),
        };
        (connection, far_end)
    }

    fn room() -> Room {
        Room { restaurant: "r".to_owned(), session: "s".to_owned() }
    }

    #[test]
    fn a_claim_counts_against_others_once_its_place_is_known() {
        let seats = Seats::default();
        let (one, _far_end) = guest("one");
        seats.claim(1, &one, false);
        assert_eq!(seats.weigh(&one.id, Some(&room())), (false, 0));
        seats.placed(1);
        assert_eq!(seats.weigh(&one.id, Some(&room())), (true, 1));
        assert_eq!((seats.before(1, &room()), seats.before(2, &room())), (0, 1));
        seats.settle(1, Some(&one));
        assert_eq!(seats.weigh(&one.id, Some(&room())), (true, 1));
        seats.leave(&one.id);
        assert_eq!(seats.weigh(&one.id, Some(&room())), (false, 0));
    }

    #[test]
    fn a_connection_that_ended_without_a_word_takes_no_seat() {
        let seats = Seats::default();
        let (one, far_end) = guest("one");
        seats.seat(&one);
        drop(far_end);
        assert_eq!(seats.weigh(&one.id, Some(&room())), (false, 0));
        let (two, _far_end) = guest("two");
        seats.seat(&two);
        drop(two);
        assert_eq!(seats.weigh(&ConnectionId::new("two"), Some(&room())), (false, 0), "forgotten by all");
    }

    #[test]
    fn seats_of_connections_that_ended_are_cleared_away() {
        let seats = Seats::default();
        for number in 0..FIRST_PURGE * 3 {
            let (connection, _far_end) = guest(&number.to_string());
            seats.seat(&connection);
        }
        let book = seats.book();
        assert!(book.seats.len() <= FIRST_PURGE, "{}", book.seats.len());
        assert!(book.rooms[&room()].len() <= FIRST_PURGE);
    }
}
