//! Which socket hears what.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::notifier::MAX_CONNECTIONS_PER_SESSION;
use waiterix_ports::{ChefSelector, Connection, ConnectionId, ErrorKind, Frame, Role};

/// A registered socket.
#[derive(Debug)]
pub(super) struct Socket {
    id: ConnectionId,
    restaurant: RestaurantId,
    role: Role,
    connected_at: Timestamp,
    frames: mpsc::Sender<Frame>,
}

impl Socket {
    pub(super) fn new(connection: &Connection, frames: &mpsc::Sender<Frame>) -> Self {
        Self {
            id: connection.id.clone(),
            restaurant: connection.restaurant.clone(),
            role: connection.role.clone(),
            connected_at: connection.connected_at,
            frames: frames.clone(),
        }
    }

    pub(super) const fn id(&self) -> &ConnectionId {
        &self.id
    }

    pub(super) const fn frames(&self) -> &mpsc::Sender<Frame> {
        &self.frames
    }

    /// The one audience it belongs to; `None` for a guest without session, who hears nothing.
    ///
    /// The audience itself is the key of the room, so that ids which merely look alike (`a` + `:b` and `a:` + `b`)
    /// can never share one.
    fn audience(&self) -> Option<Audience> {
        match &self.role {
            Role::Chef { .. } => Some(Audience::Chefs(self.restaurant.clone())),
            Role::Customer { session: Some(session) } => {
                Some(Audience::Customer { restaurant: self.restaurant.clone(), session: session.clone() })
            }
            Role::Customer { session: None } => None,
        }
    }

    fn is_same_as(&self, other: &Self) -> bool {
        self.id == other.id
            && self.restaurant == other.restaurant
            && self.role == other.role
            && self.connected_at == other.connected_at
            && self.frames.same_channel(&other.frames)
    }

    fn is_chosen_by(&self, who: &ChefSelector) -> bool {
        match (&self.role, who) {
            (Role::Chef { user, .. }, ChefSelector::User(wanted)) => user == wanted,
            (Role::Chef { session_digest: Some(own), .. }, ChefSelector::SessionDigest(wanted)) => {
                own == wanted
            }
            _ => false,
        }
    }
}

type Room = HashMap<ConnectionId, Arc<Socket>>;

/// All sockets of the process, found by id and by audience.
#[derive(Debug, Default)]
pub(super) struct Registry {
    by_id: Room,
    rooms: HashMap<Audience, Room>,
    closed: bool,
}

impl Registry {
    pub(super) fn add(&mut self, socket: Socket, max_connections: usize) -> Result<(), ErrorKind> {
        if self.closed {
            return Err(ErrorKind::Unavailable);
        }
        if let Some(known) = self.by_id.get(&socket.id) {
            return if known.is_same_as(&socket) { Ok(()) } else { Err(ErrorKind::Conflict) };
        }
        if self.by_id.len() >= max_connections {
            return Err(ErrorKind::Throttled);
        }
        let audience = socket.audience();
        if let Some(room @ Audience::Customer { .. }) = &audience
            && self.size_of(room) >= MAX_CONNECTIONS_PER_SESSION
        {
            // A phone that lost its network leaves sockets behind that must not lock its guest out.
            for gone in self.room(room).into_iter().filter(|socket| socket.frames.is_closed()) {
                self.remove(gone.id());
            }
            if self.size_of(room) >= MAX_CONNECTIONS_PER_SESSION {
                return Err(ErrorKind::Throttled);
            }
        }
        let socket = Arc::new(socket);
        if let Some(audience) = audience {
            self.rooms.entry(audience).or_default().insert(socket.id.clone(), Arc::clone(&socket));
        }
        self.by_id.insert(socket.id.clone(), socket);
        Ok(())
    }

    pub(super) fn get(&self, id: &ConnectionId) -> Option<&Arc<Socket>> {
        self.by_id.get(id)
    }

    pub(super) fn remove(&mut self, id: &ConnectionId) -> Option<Arc<Socket>> {
        let socket = self.by_id.remove(id)?;
        if let Some(audience) = socket.audience()
            && let Some(room) = self.rooms.get_mut(&audience)
        {
            room.remove(id);
            if room.is_empty() {
                self.rooms.remove(&audience);
            }
        }
        Some(socket)
    }

    /// The sockets of an audience; costs nothing for all the others.
    pub(super) fn listeners(&self, audience: &Audience) -> impl Iterator<Item = &Arc<Socket>> {
        self.rooms.get(audience).into_iter().flat_map(HashMap::values)
    }

    /// Takes out the chosen chef sockets of a restaurant.
    pub(super) fn take_chefs(&mut self, restaurant: &RestaurantId, who: &ChefSelector) -> Vec<Arc<Socket>> {
        let mut chosen = self.room(&Audience::Chefs(restaurant.clone()));
        chosen.retain(|socket| socket.is_chosen_by(who));
        for socket in &chosen {
            self.remove(socket.id());
        }
        chosen
    }

    /// Takes out the sockets that are gone or were made before an instant.
    pub(super) fn take_stale(&mut self, made_before: Timestamp) -> Vec<Arc<Socket>> {
        let mut stale: Vec<_> = self.by_id.values().cloned().collect();
        stale.retain(|socket| socket.frames.is_closed() || socket.connected_at < made_before);
        for socket in &stale {
            self.remove(socket.id());
        }
        stale
    }

    /// Takes out all sockets and lets no more in.
    pub(super) fn close(&mut self) -> Vec<Arc<Socket>> {
        self.closed = true;
        self.rooms.clear();
        self.by_id.drain().map(|(_, socket)| socket).collect()
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    #[cfg(test)]
    pub(super) fn room_count(&self) -> usize {
        self.rooms.len()
    }

    fn size_of(&self, audience: &Audience) -> usize {
        self.rooms.get(audience).map_or(0, HashMap::len)
    }

    fn room(&self, audience: &Audience) -> Vec<Arc<Socket>> {
        self.listeners(audience).cloned().collect()
    }
}
