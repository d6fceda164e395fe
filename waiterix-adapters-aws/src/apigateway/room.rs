//! Rooms: which connections belong to an audience, without delay.
//!
//! The index over restaurants lags behind the table by a moment, so a connection that was registered just now may be
//! missing in it, although the contract promises that it hears from the answer on (R1). And nothing can be counted in
//! it: two connections of a guest that come at the same time would both find room for one more (R4). So each audience
//! has one more item, its room, which holds a set of connection ids and is read and changed as it is at this moment.
//!
//! The room of a guest's session holds all its connections, which are few. That of the chefs of a restaurant holds the
//! newest; who has been there for a while is in the index. A set cannot drift as a counter does: entering twice is
//! entering once, and who turns out to be gone is taken out when the room is full or an event is published.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::notifier::MAX_CONNECTIONS_PER_SESSION;
use waiterix_ports::{Result, Role};

use super::failure;
use super::item::{
    self, CONNECTION_ID, CUSTOMER_SESSION_ID, Item, RESTAURANT_ID, ROLE, TTL, key, number, text_of,
};

/// What keys of rooms begin with; no connection has such an id.
const PREFIX: &str = "room#";
/// The set of connection ids.
const MEMBERS: &str = "members";
/// The most chefs in the room of a restaurant; together they are read as one unit of capacity.
const NEWEST_CHEFS: usize = 64;
/// How long the index may lag behind. It is mostly less than a second.
pub(super) const LAG_S: i64 = 60;

/// Whether a key is that of a room.
pub(super) fn is_room(key: &str) -> bool {
    key.starts_with(PREFIX)
}

/// The room of an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Room {
    key: String,
    capacity: usize,
    /// Whether it holds everybody, and so limits how many there can be.
    pub(super) holds_all: bool,
}

impl Room {
    /// The room of an audience.
    pub(super) fn of(audience: &Audience) -> Self {
        match audience {
            Audience::Chefs(restaurant) => Self::of_chefs(restaurant),
            Audience::Customer { restaurant, session } => Self::of_session(restaurant.as_str(), session),
        }
    }

    /// The room of the chefs of a restaurant.
    pub(super) fn of_chefs(restaurant: &RestaurantId) -> Self {
        Self::of_kitchen(restaurant.as_str())
    }

    fn of_kitchen(restaurant: &str) -> Self {
        Self { key: format!("{PREFIX}chefs#{restaurant}"), capacity: NEWEST_CHEFS, holds_all: false }
    }

    fn of_session(restaurant: &str, session: &str) -> Self {
        // With the length in front, no two pairs can be written alike.
        let key = format!("{PREFIX}session#{}#{restaurant}#{session}", restaurant.len());
        Self { key, capacity: MAX_CONNECTIONS_PER_SESSION, holds_all: true }
    }

    /// The room a connection belongs in; a guest without session belongs in none.
    pub(super) fn of_role(restaurant: &RestaurantId, role: &Role) -> Option<Self> {
        match role {
            Role::Chef { .. } => Some(Self::of_chefs(restaurant)),
            Role::Customer { session } => {
                session.as_ref().map(|session| Self::of_session(restaurant.as_str(), session))
            }
        }
    }

    /// The room the connection of an item belongs in.
    pub(super) fn of_item(item: &Item) -> Option<Self> {
        let restaurant = text_of(item, RESTAURANT_ID)?;
        match text_of(item, ROLE)? {
            item::CHEF => Some(Self::of_kitchen(restaurant)),
            item::CUSTOMER => {
                text_of(item, CUSTOMER_SESSION_ID).map(|session| Self::of_session(restaurant, session))
            }
            _ => None,
        }
    }
}

/// The rooms, which are in the table of connections.
#[derive(Debug, Clone)]
pub(super) struct Rooms {
    pub(super) client: Client,
    pub(super) table: String,
}

impl Rooms {
    /// Who is in a room now.
    pub(super) async fn members(&self, room: &Room) -> Result<Vec<String>> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(&room.key)))
            .consistent_read(true)
            .projection_expression("#members")
            .expression_attribute_names("#members", MEMBERS);
        let output = get.send().await.map_err(|error| failure::of_table("apigateway.room", &error))?;
        let members = output.item.and_then(|mut item| item.remove(MEMBERS));
        Ok(members.and_then(|members| members.as_ss().ok().cloned()).unwrap_or_default())
    }

    /// Enters a room, unless it is full; answers whether the connection is in it.
    pub(super) async fn enter(&self, room: &Room, id: &str, now: Timestamp) -> Result<bool> {
        let capacity = i64::try_from(room.capacity).unwrap_or(i64::MAX);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&room.key)))
            .update_expression("ADD #members :ids SET #ttl = :ttl")
            .condition_expression(
                "attribute_not_exists(#members) OR size(#members) < :capacity OR contains(#members, :id)",
            )
            .expression_attribute_names("#members", MEMBERS)
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":ids", AttributeValue::Ss(vec![id.to_owned()]))
            .expression_attribute_values(":id", item::text(id))
            .expression_attribute_values(":ttl", number(item::expiry(now)))
            .expression_attribute_values(":capacity", number(capacity));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) if failure::is_unmet(&error) => Ok(false),
            Err(error) => Err(failure::of_table("apigateway.enter", &error)),
        }
    }

    /// Takes connections out of a room; those that are not in it are fine.
    pub(super) async fn leave(&self, room: &Room, ids: Vec<String>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&room.key)))
            .update_expression("DELETE #members :ids")
            // An update makes an item that is not there, and a room that is not there needs no leaving.
            .condition_expression("attribute_exists(#id)")
            .expression_attribute_names("#members", MEMBERS)
            .expression_attribute_names("#id", CONNECTION_ID)
            .expression_attribute_values(":ids", AttributeValue::Ss(ids));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) if failure::is_unmet(&error) => Ok(()),
            Err(error) => Err(failure::of_table("apigateway.leave", &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use waiterix_domain::Timestamp;
    use waiterix_ports::{Connection, ConnectionId, Outlet};

    use super::*;

    #[test]
    fn r17_no_two_audiences_share_a_room() {
        let session = |restaurant: &str, session: &str| Audience::Customer {
            restaurant: restaurant.into(),
            session: session.to_owned(),
        };
        let audiences = [
            Audience::Chefs("r".into()),
            Audience::Chefs("r#s".into()),
            session("r", "s"),
            session("r#", "s"),
            session("r", "#s"),
            session("r#s", "s"),
            session("r", "s#s"),
            session("chefs", "r"),
        ];
        let keys: std::collections::BTreeSet<String> =
            audiences.iter().map(|audience| Room::of(audience).key).collect();
        assert_eq!(keys.len(), audiences.len(), "{keys:?}");
        assert!(keys.iter().all(|key| is_room(key)));
    }

    #[test]
    fn a_connection_its_item_and_its_audience_name_the_same_room() {
        let chef = Role::Chef { user: "anna".into(), session_digest: None };
        let guest = Role::Customer { session: Some("s".to_owned()) };
        let audiences = [
            (chef, Some(Audience::Chefs("r".into()))),
            (guest, Some(Audience::Customer { restaurant: "r".into(), session: "s".to_owned() })),
            (Role::Customer { session: None }, None),
        ];
        for (role, audience) in audiences {
            let room = audience.as_ref().map(Room::of);
            assert_eq!(Room::of_role(&"r".into(), &role), room);
            let connection = Connection {
                id: ConnectionId::new("c"),
                restaurant: "r".into(),
                role,
                connected_at: Timestamp::EPOCH,
                outlet: Outlet::Gateway { endpoint: "e".to_owned() },
            };
            assert_eq!(Room::of_item(&item::of(&connection, "e")), room);
        }
    }
}
