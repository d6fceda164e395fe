//! A connection as an item of the table.
//!
//! The layout is the one the old service wrote, so that both can share a table while one replaces the other. New are
//! `ttl`, `sessionDigest` and that `userId` is written; items without them are read.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::notifier::MAX_PARAMETER_CHARS;
use waiterix_ports::{ChefSelector, Connection, ConnectionId, Role};

/// The key: the id that API Gateway gave the connection.
pub(super) const CONNECTION_ID: &str = "connectionId";
/// The restaurant; the key of the index.
pub(super) const RESTAURANT_ID: &str = "restaurantId";
/// `customer` or `chef`; a reserved word.
pub(super) const ROLE: &str = "role";
/// When it was made, ISO 8601 in UTC.
pub(super) const CONNECTED_AT: &str = "connectedAt";
/// The base of its callback URL.
pub(super) const ENDPOINT: &str = "endpoint";
/// The session of a guest, if there is one.
pub(super) const CUSTOMER_SESSION_ID: &str = "customerSessionId";
/// The user of a chef connection.
pub(super) const USER_ID: &str = "userId";
/// The digest of the session that proved a chef, if a session did.
pub(super) const SESSION_DIGEST: &str = "sessionDigest";
/// When the item may be deleted, in seconds since 1970; a reserved word.
pub(super) const TTL: &str = "ttl";

/// The word for a chef.
pub(super) const CHEF: &str = "chef";
/// The word for a guest.
pub(super) const CUSTOMER: &str = "customer";

/// API Gateway ends a connection after two hours.
pub(super) const LIFETIME_S: i64 = 2 * 60 * 60;
/// What clocks and slow requests may add.
const MARGIN_S: i64 = 10 * 60;

/// An item as the client has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// A text attribute.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number attribute.
pub(super) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// When whatever is registered at an instant has certainly ended, in seconds since 1970.
pub(super) const fn expiry(registered_at: Timestamp) -> i64 {
    registered_at.as_seconds() + LIFETIME_S + MARGIN_S
}

/// The instant before which a connection was made that cannot live any more; for items that do not say it themselves.
pub(super) fn oldest(now: Timestamp) -> Timestamp {
    now.plus_seconds(-(LIFETIME_S + MARGIN_S))
}

/// The key of a connection.
pub(super) fn key(id: &str) -> Item {
    Item::from([(CONNECTION_ID.to_owned(), text(id))])
}

/// The item of a connection that is reached at `endpoint`.
pub(super) fn of(connection: &Connection, endpoint: &str) -> Item {
    let mut item = key(connection.id.as_str());
    let mut put = |name: &str, value: AttributeValue| item.insert(name.to_owned(), value);
    put(RESTAURANT_ID, text(connection.restaurant.as_str()));
    put(CONNECTED_AT, text(connection.connected_at.to_string()));
    put(ENDPOINT, text(endpoint));
    put(TTL, number(expiry(connection.connected_at)));
    match &connection.role {
        Role::Chef { user, session_digest } => {
            put(ROLE, text(CHEF));
            put(USER_ID, text(user.as_str()));
            if let Some(digest) = session_digest {
                put(SESSION_DIGEST, text(digest));
            }
        }
        Role::Customer { session } => {
            put(ROLE, text(CUSTOMER));
            if let Some(session) = session {
                put(CUSTOMER_SESSION_ID, text(session));
            }
        }
    }
    item
}

/// What is needed of a registered connection to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) id: ConnectionId,
    pub(super) endpoint: String,
    /// Unknown where an item holds nonsense, which is then an old one.
    pub(super) connected_at: Option<Timestamp>,
}

impl Seat {
    /// Reads an item, of which only this much needs to be there.
    pub(super) fn read(item: &Item) -> Option<Self> {
        Some(Self {
            id: ConnectionId::new(text_of(item, CONNECTION_ID)?),
            endpoint: text_of(item, ENDPOINT).unwrap_or_default().to_owned(),
            connected_at: text_of(item, CONNECTED_AT).and_then(Timestamp::parse),
        })
    }
}

/// The text of an attribute.
pub(super) fn text_of<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// Whether the connection of an item may still live: expired items stay for days.
pub(super) fn is_current(item: &Item, now: Timestamp) -> bool {
    match item.get(TTL).and_then(|ttl| ttl.as_n().ok()).and_then(|ttl| ttl.parse::<i64>().ok()) {
        Some(ttl) => ttl > now.as_seconds(),
        None => text_of(item, CONNECTED_AT).and_then(Timestamp::parse).is_some_and(|at| at > oldest(now)),
    }
}

/// Which connections of a restaurant are meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Choice<'a> {
    /// Those of an audience.
    Audience(&'a Audience),
    /// Some chefs.
    Chefs(&'a RestaurantId, &'a ChefSelector),
}

impl Choice<'_> {
    pub(super) fn restaurant(&self) -> &RestaurantId {
        match self {
            Self::Audience(audience) => audience.restaurant(),
            Self::Chefs(restaurant, _) => restaurant,
        }
    }

    pub(super) fn role(&self) -> &'static str {
        match self {
            Self::Audience(Audience::Customer { .. }) => CUSTOMER,
            Self::Audience(Audience::Chefs(_)) | Self::Chefs(..) => CHEF,
        }
    }

    /// What else an item must say, besides restaurant and role.
    pub(super) fn more(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Audience(Audience::Chefs(_)) => None,
            Self::Audience(Audience::Customer { session, .. }) => Some((CUSTOMER_SESSION_ID, session)),
            Self::Chefs(_, ChefSelector::User(user)) => Some((USER_ID, user.as_str())),
            Self::Chefs(_, ChefSelector::SessionDigest(digest)) => Some((SESSION_DIGEST, digest)),
        }
    }

    /// Whether no connection can be meant: texts that are empty or too long are never written, and are no keys.
    pub(super) fn is_nobody(&self) -> bool {
        let never = |text: &str| text.is_empty() || text.chars().count() > MAX_PARAMETER_CHARS;
        never(self.restaurant().as_str()) || self.more().is_some_and(|(_, value)| value.is_empty())
    }

    /// Whether an item is meant.
    pub(super) fn includes(&self, item: &Item) -> bool {
        text_of(item, RESTAURANT_ID) == Some(self.restaurant().as_str())
            && text_of(item, ROLE) == Some(self.role())
            && self.more().is_none_or(|(name, value)| text_of(item, name) == Some(value))
    }
}

#[cfg(test)]
mod tests {
    use waiterix_ports::Outlet;

    use super::*;

    const AT: &str = "2025-01-31T09:05:07.123Z";
    const ENDPOINT_OF_ITEM: &str = "https://abc.execute-api.eu-central-1.amazonaws.com/production";

    fn connection(role: Role) -> Connection {
        Connection {
            id: ConnectionId::new("L0SM9cOFvHcCIhw="),
            restaurant: "r".into(),
            role,
            connected_at: Timestamp::parse(AT).unwrap(),
            outlet: Outlet::Gateway { endpoint: ENDPOINT_OF_ITEM.to_owned() },
        }
    }

    fn written(role: Role) -> Vec<(String, String)> {
        let item = of(&connection(role), ENDPOINT_OF_ITEM);
        let mut attributes: Vec<(String, String)> = item
            .into_iter()
            .map(|(name, value)| match value {
                AttributeValue::S(text) => (name, format!("S {text}")),
                AttributeValue::N(number) => (name, format!("N {number}")),
                other => panic!("{name}: {other:?}"),
            })
            .collect();
        attributes.sort();
        attributes
    }

    fn expected(more: &[(&str, &str)]) -> Vec<(String, String)> {
        let endpoint = format!("S {ENDPOINT_OF_ITEM}");
        let at = format!("S {AT}");
        let mut all = vec![
            ("connectionId", "S L0SM9cOFvHcCIhw="),
            ("restaurantId", "S r"),
            ("connectedAt", &at),
            ("endpoint", &endpoint),
            // 2025-01-31T09:05:07Z + 2 h + 10 min.
            ("ttl", "N 1738322107"),
        ];
        all.extend(more);
        all.sort_unstable();
        all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn g048_an_item_has_the_layout_of_the_old_service_and_an_expiry() {
        let chef = Role::Chef { user: "anna".into(), session_digest: Some("d".to_owned()) };
        let with_digest = [("role", "S chef"), ("userId", "S anna"), ("sessionDigest", "S d")];
        assert_eq!(written(chef), expected(&with_digest));
        let by_token = Role::Chef { user: "anna".into(), session_digest: None };
        assert_eq!(written(by_token), expected(&[("role", "S chef"), ("userId", "S anna")]));
        let guest = Role::Customer { session: Some("tracking-1".to_owned()) };
        assert_eq!(
            written(guest),
            expected(&[("role", "S customer"), ("customerSessionId", "S tracking-1")])
        );
        assert_eq!(written(Role::Customer { session: None }), expected(&[("role", "S customer")]));
    }

    #[test]
    fn r4_expired_items_are_not_current_with_or_without_a_ttl() {
        let now = Timestamp::parse(AT).unwrap();
        let mut item = of(&connection(Role::Customer { session: None }), "e");
        assert!(is_current(&item, now));
        assert!(is_current(&item, now.plus_seconds(LIFETIME_S + MARGIN_S - 1)));
        assert!(!is_current(&item, now.plus_seconds(LIFETIME_S + MARGIN_S)));
        item.remove(TTL);
        assert!(is_current(&item, now.plus_seconds(LIFETIME_S)), "an item of the old service");
        assert!(!is_current(&item, now.plus_seconds(LIFETIME_S + MARGIN_S)));
        item.insert(CONNECTED_AT.to_owned(), text("yesterday"));
        assert!(!is_current(&item, now));
    }

    #[test]
    fn r17_a_choice_is_exact() {
        let item = of(&connection(Role::Customer { session: Some("s".to_owned()) }), "e");
        let session = |restaurant: &str, session: &str| Audience::Customer {
            restaurant: restaurant.into(),
            session: session.to_owned(),
        };
        assert!(Choice::Audience(&session("r", "s")).includes(&item));
        for audience in
            [session("r", "s2"), session("r2", "s"), session("r", ""), Audience::Chefs("r".into())]
        {
            assert!(!Choice::Audience(&audience).includes(&item), "{audience:?}");
        }
        assert!(Choice::Audience(&session("r", "")).is_nobody());
        assert!(Choice::Audience(&Audience::Chefs("".into())).is_nobody());
        assert!(Choice::Audience(&Audience::Chefs("x".repeat(3000).into())).is_nobody());
        assert!(Choice::Chefs(&"r".into(), &ChefSelector::SessionDigest(String::new())).is_nobody());
    }
}
