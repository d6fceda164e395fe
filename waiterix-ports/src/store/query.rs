//! Questions to a store, as values: so that wrappers, mirrors and tests handle all of them alike.

use waiterix_domain::id::{
    AssistanceId, FaqId, IdempotencyId, MenuItemId, OrderId, QuestionId, RestaurantId, TableId, UploadKey,
    UserId,
};
use waiterix_domain::schema::AssistanceStatus;
use waiterix_domain::{Row, Timestamp};

/// A question. Each says what its [`Answer`] holds and in which order; ties are broken by id, ascending unless
/// stated.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// `Rows`: the user and, if there is one, the user's restaurant; nothing for an unknown user.
    Account(UserId),
    /// `Rows`: the user with this very e-mail address.
    UserByEmail(String),
    /// `Rows`: the restaurant.
    Restaurant(RestaurantId),
    /// `Rows`: the restaurant's tables, by id.
    Tables(RestaurantId),
    /// `Rows`: the table.
    Table(TableId),
    /// `Rows`: the restaurant's dishes, by creation then id.
    Menu(RestaurantId),
    /// `Rows`: the dish, then its restaurant.
    MenuItem(MenuItemId),
    /// `Rows`: the dish, its restaurant, and its extended details if there are any.
    MenuItemDetails(MenuItemId),
    /// What placing an order relies on. `Rows`: the restaurant (nothing at all if unknown); the tables of the
    /// restaurant whose id or exact label is `table`, by id; those of the named dishes that exist, whichever
    /// restaurant they belong to, by id; the idempotency row and the order it names, if it exists.
    OrderFacts {
        /// The restaurant.
        restaurant: RestaurantId,
        /// A table id or label, as the guest sent it.
        table: Option<String>,
        /// The dishes named.
        items: Vec<MenuItemId>,
        /// The idempotency row.
        idempotency: Option<IdempotencyId>,
    },
    /// The dashboard's orders. `Labelled`: orders of the restaurant, newest first (then by id, descending),
    /// without those that are `completed` and created before `completed_since`, at most `limit`; each with its
    /// table's current label, or null.
    OrdersLive {
        /// The restaurant.
        restaurant: RestaurantId,
        /// Completed orders created before this are left out.
        completed_since: Timestamp,
        /// The most orders to answer with.
        limit: u32,
    },
    /// Orders of a period. `Labelled`: orders with `from <= created_at < to`, newest first (then by id,
    /// descending), each with its table's current label, or null.
    OrdersBetween {
        /// The restaurant.
        restaurant: RestaurantId,
        /// Start, inclusive.
        from: Timestamp,
        /// End, exclusive.
        to: Timestamp,
    },
    /// Lines of the orders of a period. `Rows`: order lines, by order id, then position (nulls first), then id.
    OrderItemsBetween {
        /// The restaurant.
        restaurant: RestaurantId,
        /// Start, inclusive.
        from: Timestamp,
        /// End, exclusive.
        to: Timestamp,
    },
    /// `Rows`: the order, its restaurant, and its table if it still has one.
    Order(OrderId),
    /// `Rows`: the order's lines, by position (nulls first) then id.
    OrderItems(OrderId),
    /// Everything a guest sees of an order. `Rows`: the order, its restaurant, its table if it still has one, its
    /// lines by position (nulls first) then id, and the first of its ratings by id, if any.
    OrderView(OrderId),
    /// What rating an order relies on. `Rows`: the order, its lines by position (nulls first) then id, all its
    /// ratings by id.
    RatingFacts(OrderId),
    /// `Rows`: the order's ratings, by creation then id.
    RatingsOfOrder(OrderId),
    /// `Rows`: the restaurant's ratings, newest first (then by id, descending).
    RatingsOfRestaurant(RestaurantId),
    /// What a call for a waiter relies on. `Rows`: the restaurant (nothing at all if unknown); the tables of the
    /// restaurant whose id or exact label is `table`, by id; the order if it exists, whichever restaurant it
    /// belongs to.
    AssistanceFacts {
        /// The restaurant.
        restaurant: RestaurantId,
        /// A table id or label, as the guest sent it.
        table: Option<String>,
        /// The guest's order.
        order: Option<OrderId>,
    },
    /// `Labelled`: the restaurant's requests, newest first (then by id, descending), of one status or of all,
    /// each with its table's current label, or null.
    AssistanceRequests {
        /// The restaurant.
        restaurant: RestaurantId,
        /// Only these.
        status: Option<AssistanceStatus>,
    },
    /// `Rows`: the request, its restaurant, and its table if it still has one.
    AssistanceRequest(AssistanceId),
    /// What the assistant may know. `Rows`: the restaurant (nothing at all if unknown); its dishes by creation then
    /// id; their extended details by id; the knowledge row if any; its FAQs newest first (then by id, descending).
    AiKnowledge(RestaurantId),
    /// `Rows`: the restaurant's pending questions, newest first (then by id, descending).
    QuestionsPending(RestaurantId),
    /// `Rows`: the question, then its restaurant, then its answers by creation, newest first (then by id,
    /// descending).
    Question(QuestionId),
    /// Answered questions of a guest's session. `Rows`: questions of the session with status `answered`, newest
    /// first (then by id, descending), each followed by its latest answer; questions without one are left out.
    ChefAnswers {
        /// The guest's session.
        session: String,
        /// Only this restaurant's.
        restaurant: Option<RestaurantId>,
    },
    /// `Rows`: the restaurant's FAQs, newest first (then by id, descending).
    Faqs(RestaurantId),
    /// `Rows`: the FAQ.
    Faq(FaqId),
    /// `Counts`: scans of the restaurant at or after `since`, by the label stored with the scan (null and empty are
    /// the empty label), most frequent first, then by label.
    ScanCounts {
        /// The restaurant.
        restaurant: RestaurantId,
        /// Start, inclusive; all time without.
        since: Option<Timestamp>,
    },
    /// `Counts`: AI calls of the restaurant at or after `since`, by type, most frequent first, then by type.
    AiCallCounts {
        /// The restaurant.
        restaurant: RestaurantId,
        /// Start, inclusive; all time without.
        since: Option<Timestamp>,
    },
    /// `Rows`: the upload grant.
    Upload(UploadKey),
    /// `Rows`: the user's upload grants, by key.
    UploadsOfUser(UserId),
    /// `Rows`: grants that are not attached and were given before an instant, oldest first, at most `limit`.
    UploadsAbandoned {
        /// Given before this.
        before: Timestamp,
        /// The most rows to answer with.
        limit: u32,
    },
    /// `Rows`: idempotency rows made before an instant, oldest first, at most `limit`.
    IdempotencyKeysBefore {
        /// Made before this.
        before: Timestamp,
        /// The most rows to answer with.
        limit: u32,
    },
}

/// How often something occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// What.
    pub label: String,
    /// How often.
    pub count: u64,
}

/// The answer to a [`Query`].
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Rows of one or several tables.
    Rows(Vec<Row>),
    /// Rows with the current label of their table.
    Labelled(Vec<(Row, Option<String>)>),
    /// Occurrences.
    Counts(Vec<Count>),
}
