//! Every question of the port as one SQL statement.
//!
//! One statement sees one moment, so a composite answer needs no transaction: it is the union of its parts. How rows
//! come is told in [`decode`](crate::decode).

use std::sync::OnceLock;

use waiterix_domain::id::{IdempotencyId, OrderId, RestaurantId};
use waiterix_domain::schema::AssistanceStatus;
use waiterix_domain::{Table, Timestamp};
use waiterix_ports::Query;

use crate::bind::Sought;
use crate::layout::Layout;

/// How to read the rows a statement answers with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// The columns of the table.
    One(Table),
    /// The number of a part and a record of its table; without a row of the first part there is no answer.
    Parts(&'static [Table]),
    /// A record of each table.
    Pair([Table; 2]),
    /// A record of the table that ends with a label.
    Labelled(Table),
    /// A record of a label and a count.
    Counts,
}

/// A statement with its arguments.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) sql: &'static str,
    pub(crate) arguments: Vec<Sought<'a>>,
    pub(crate) shape: Shape,
}

/// Makes a text once per layout and keeps it for ever.
macro_rules! sql {
    ($layout:expr, $text:expr) => {{
        static SQL: [OnceLock<String>; 2] = [const { OnceLock::new() }; 2];
        SQL[$layout.number()].get_or_init(|| $text).as_str()
    }};
}

/// A plan that finds rows of some tables, called `t` in the SQL behind each.
macro_rules! find {
    ($layout:ident [$($argument:expr),+ $(,)?] $($table:ident $tail:expr),+ $(,)?) => {
        Plan {
            sql: sql!($layout, parts($layout, &[$((Table::$table, &$tail)),+])),
            arguments: vec![$(of_any($argument)),+],
            shape: shape(const { &[$(Table::$table),+] }),
        }
    };
}

/// Whatever a question may name.
fn of_any<'a>(value: impl Into<Named<'a>>) -> Sought<'a> {
    value.into().0
}

struct Named<'a>(Sought<'a>);

impl<'a, T: AsRef<str>> From<&'a T> for Named<'a> {
    fn from(id: &'a T) -> Self {
        Self(Sought::Text(Some(id.as_ref())))
    }
}

/// Nothing is sought as null, which equals nothing.
impl<'a, T: AsRef<str> + ?Sized> From<Option<&'a T>> for Named<'a> {
    fn from(id: Option<&'a T>) -> Self {
        Self(Sought::Text(id.map(AsRef::as_ref)))
    }
}

impl From<Timestamp> for Named<'_> {
    fn from(at: Timestamp) -> Self {
        Self(Sought::Instant(Some(at)))
    }
}

impl From<Option<Timestamp>> for Named<'_> {
    fn from(at: Option<Timestamp>) -> Self {
        Self(Sought::Instant(at))
    }
}

impl From<u32> for Named<'_> {
    fn from(number: u32) -> Self {
        Self(Sought::Number(number.into()))
    }
}

/// A statement for the rows of tables, each called `t`, that the SQL behind them selects and orders.
fn parts(layout: Layout, parts: &[(Table, &dyn AsRef<str>)]) -> String {
    let record = |(table, tail): &(Table, &dyn AsRef<str>)| {
        format!("ROW({}) FROM public.{} t {}", layout.columns(*table, "t"), table.name(), (*tail).as_ref())
    };
    match parts {
        [(table, tail)] => {
            let columns = layout.columns(*table, "t");
            format!("SELECT {columns} FROM public.{} t {}", table.name(), (*tail).as_ref())
        }
        parts => {
            let parts = parts.iter().enumerate();
            let parts: Vec<_> =
                parts.map(|(number, part)| format!("(SELECT {number}, {})", record(part))).collect();
            parts.join(" UNION ALL ")
        }
    }
}

const fn shape(tables: &'static [Table]) -> Shape {
    match tables {
        [table] => Shape::One(*table),
        tables => Shape::Parts(tables),
    }
}

/// The columns of a table, called `t`, with the current label of the restaurant table it names.
fn labelled_columns(layout: Layout, table: Table) -> String {
    let label = "(SELECT l.table_number FROM public.restaurant_tables l WHERE l.id = t.table_id)";
    format!("{}, {label}", layout.columns(table, "t"))
}

fn labelled(layout: Layout, table: Table, tail: &str) -> String {
    format!("SELECT ROW({}) FROM public.{} t {tail}", labelled_columns(layout, table), table.name())
}

fn counted(label: &str, table: Table, condition: &str) -> String {
    format!(
        "SELECT ROW(label, n) FROM (SELECT {label} COLLATE \"C\" AS label, count(*) AS n FROM public.{} t \
         WHERE {condition} GROUP BY 1) g ORDER BY n DESC, label",
        table.name()
    )
}

const ID: &str = "WHERE t.id = $1";
// Keys are ordered bytewise, whatever the collation of the database.
const OF_RESTAURANT_BY_ID: &str = "WHERE t.restaurant_id = $1 ORDER BY t.id COLLATE \"C\"";
const OF_RESTAURANT_BY_CREATION: &str =
    "WHERE t.restaurant_id = $1 ORDER BY t.created_at, t.id COLLATE \"C\"";
const OF_RESTAURANT_NEWEST: &str =
    "WHERE t.restaurant_id = $1 ORDER BY t.created_at DESC, t.id COLLATE \"C\" DESC";
const NAMED_TABLES: &str =
    "WHERE t.restaurant_id = $1 AND (t.id = $2 OR t.table_number = $2) ORDER BY t.id COLLATE \"C\"";
const LINES: &str = "WHERE t.order_id = $1 ORDER BY t.position NULLS FIRST, t.id COLLATE \"C\"";
const RATINGS_BY_ID: &str = "WHERE t.order_id = $1 ORDER BY t.id COLLATE \"C\"";
const ANSWERS_NEWEST: &str =
    "WHERE t.pending_question_id = $1 ORDER BY t.created_at DESC, t.id COLLATE \"C\" DESC";

/// The condition on a row whose id stands in a column of the row asked for.
fn named_by(column: &str, table: Table) -> String {
    format!("WHERE t.id = (SELECT h.{column} FROM public.{} h WHERE h.id = $1)", table.name())
}

/// The statement that answers a question.
pub(crate) fn of<'a>(layout: Layout, query: &'a Query, items: &'a [&'a str]) -> Plan<'a> {
    match query {
        Query::Account(id) => find!(layout [id] Users ID, Restaurants "WHERE t.user_id = $1"),
        Query::UserByEmail(email) => find!(layout [email] Users "WHERE t.email = $1"),
        Query::Restaurant(id) => find!(layout [id] Restaurants ID),
        Query::Tables(restaurant) => find!(layout [restaurant] RestaurantTables OF_RESTAURANT_BY_ID),
        Query::Table(id) => find!(layout [id] RestaurantTables ID),
        Query::Menu(restaurant) => find!(layout [restaurant] MenuItems OF_RESTAURANT_BY_CREATION),
        Query::MenuItem(id) => {
            find!(layout [id] MenuItems ID, Restaurants named_by("restaurant_id", Table::MenuItems))
        }
        Query::MenuItemDetails(id) => find!(
            layout [id]
            MenuItems ID,
            Restaurants named_by("restaurant_id", Table::MenuItems),
            ExtendedMenuDetails "WHERE t.menu_item_id = $1 ORDER BY t.id COLLATE \"C\"",
        ),
        Query::OrderFacts { restaurant, table, idempotency, .. } => {
            order_facts(layout, restaurant, table.as_deref(), items, idempotency.as_ref())
        }
        Query::OrdersLive { restaurant, completed_since, limit } => {
            orders_live(layout, restaurant, *completed_since, *limit)
        }
        Query::OrdersBetween { restaurant, from, to } => orders_between(layout, restaurant, *from, *to),
        Query::OrderItemsBetween { restaurant, from, to } => {
            order_items_between(layout, restaurant, *from, *to)
        }
        Query::Order(id) => find!(
            layout [id]
            Orders ID,
            Restaurants named_by("restaurant_id", Table::Orders),
            RestaurantTables named_by("table_id", Table::Orders),
        ),
        Query::OrderItems(order) => find!(layout [order] OrderItems LINES),
        Query::OrderView(id) => order_view(layout, id),
        Query::RatingFacts(id) => {
            find!(layout [id] Orders ID, OrderItems LINES, Ratings RATINGS_BY_ID)
        }
        Query::RatingsOfOrder(order) => find!(
            layout [order]
            Ratings "WHERE t.order_id = $1 ORDER BY t.created_at, t.id COLLATE \"C\"",
        ),
        Query::RatingsOfRestaurant(restaurant) => find!(layout [restaurant] Ratings OF_RESTAURANT_NEWEST),
        Query::AssistanceFacts { restaurant, table, order } => find!(
            layout [restaurant, table.as_deref(), order.as_ref()]
            Restaurants ID,
            RestaurantTables NAMED_TABLES,
            Orders "WHERE t.id = $3",
        ),
        Query::AssistanceRequests { restaurant, status } => {
            assistance_requests(layout, restaurant, status.as_ref())
        }
        Query::AssistanceRequest(id) => find!(
            layout [id]
            AssistanceRequests ID,
            Restaurants named_by("restaurant_id", Table::AssistanceRequests),
            RestaurantTables named_by("table_id", Table::AssistanceRequests),
        ),
        Query::AiKnowledge(restaurant) => ai_knowledge(layout, restaurant),
        Query::QuestionsPending(restaurant) => find!(
            layout [restaurant]
            PendingQuestions
            "WHERE t.restaurant_id = $1 AND t.status = 'pending' \
             ORDER BY t.created_at DESC, t.id COLLATE \"C\" DESC",
        ),
        Query::Question(id) => find!(
            layout [id]
            PendingQuestions ID,
            Restaurants named_by("restaurant_id", Table::PendingQuestions),
            ChefAnswers ANSWERS_NEWEST,
        ),
        Query::ChefAnswers { session, restaurant } => chef_answers(layout, session, restaurant.as_ref()),
        Query::Faqs(restaurant) => find!(layout [restaurant] Faqs OF_RESTAURANT_NEWEST),
        Query::Faq(id) => find!(layout [id] Faqs ID),
        Query::ScanCounts { restaurant, since } => scan_counts(layout, restaurant, *since),
        Query::AiCallCounts { restaurant, since } => ai_call_counts(layout, restaurant, *since),
        Query::Upload(key) => find!(layout [key] Uploads ID),
        Query::UploadsOfUser(user) => {
            find!(layout [user] Uploads "WHERE t.user_id = $1 ORDER BY t.id COLLATE \"C\"")
        }
        Query::UploadsAbandoned { before, limit } => find!(
            layout [*before, *limit]
            Uploads
            "WHERE t.attached_at IS NULL AND t.created_at < $1 \
             ORDER BY t.created_at, t.id COLLATE \"C\" LIMIT $2",
        ),
        Query::IdempotencyKeysBefore { before, limit } => find!(
            layout [*before, *limit]
            IdempotencyKeys
            "WHERE t.created_at < $1 ORDER BY t.created_at, t.id COLLATE \"C\" LIMIT $2",
        ),
    }
}

fn order_facts<'a>(
    layout: Layout,
    restaurant: &'a RestaurantId,
    table: Option<&'a str>,
    items: &'a [&'a str],
    idempotency: Option<&'a IdempotencyId>,
) -> Plan<'a> {
    const PARTS: &[Table] = &[
        Table::Restaurants,
        Table::RestaurantTables,
        Table::MenuItems,
        Table::IdempotencyKeys,
        Table::Orders,
    ];
    const TAILS: [&str; 5] = [
        ID,
        NAMED_TABLES,
        "WHERE t.id = ANY($3) ORDER BY t.id COLLATE \"C\"",
        "WHERE t.id = $4",
        "WHERE t.id = (SELECT k.order_id FROM public.idempotency_keys k WHERE k.id = $4)",
    ];
    let parts = || {
        let parts = PARTS.iter().zip(&TAILS).map(|(table, tail)| (*table, tail as &dyn AsRef<str>));
        self::parts(layout, &parts.collect::<Vec<_>>())
    };
    Plan {
        sql: sql!(layout, parts()),
        arguments: vec![of_any(restaurant), of_any(table), Sought::Texts(items), of_any(idempotency)],
        shape: Shape::Parts(PARTS),
    }
}

fn order_view(layout: Layout, id: &OrderId) -> Plan<'_> {
    find!(
        layout [id]
        Orders ID,
        Restaurants named_by("restaurant_id", Table::Orders),
        RestaurantTables named_by("table_id", Table::Orders),
        OrderItems LINES,
        Ratings format!("{RATINGS_BY_ID} LIMIT 1"),
    )
}

fn ai_knowledge(layout: Layout, restaurant: &RestaurantId) -> Plan<'_> {
    find!(
        layout [restaurant]
        Restaurants ID,
        MenuItems OF_RESTAURANT_BY_CREATION,
        ExtendedMenuDetails
        "WHERE t.menu_item_id IN (SELECT m.id FROM public.menu_items m WHERE m.restaurant_id = $1) \
         ORDER BY t.id COLLATE \"C\"",
        RestaurantKnowledge OF_RESTAURANT_BY_ID,
        Faqs OF_RESTAURANT_NEWEST,
    )
}

fn orders_live(
    layout: Layout,
    restaurant: &RestaurantId,
    completed_since: Timestamp,
    limit: u32,
) -> Plan<'_> {
    Plan {
        sql: sql!(
            layout,
            labelled(
                layout,
                Table::Orders,
                "WHERE t.restaurant_id = $1 AND NOT (t.status = 'completed' AND t.created_at < $2) \
                 ORDER BY t.created_at DESC, t.id COLLATE \"C\" DESC LIMIT $3"
            )
        ),
        arguments: vec![of_any(restaurant), of_any(completed_since), of_any(limit)],
        shape: Shape::Labelled(Table::Orders),
    }
}

fn orders_between(layout: Layout, restaurant: &RestaurantId, from: Timestamp, to: Timestamp) -> Plan<'_> {
    Plan {
        sql: sql!(
            layout,
            labelled(
                layout,
                Table::Orders,
                "WHERE t.restaurant_id = $1 AND t.created_at >= $2 AND t.created_at < $3 \
                 ORDER BY t.created_at DESC, t.id COLLATE \"C\" DESC"
            )
        ),
        arguments: vec![of_any(restaurant), of_any(from), of_any(to)],
        shape: Shape::Labelled(Table::Orders),
    }
}

fn order_items_between(
    layout: Layout,
    restaurant: &RestaurantId,
    from: Timestamp,
    to: Timestamp,
) -> Plan<'_> {
    find!(
        layout [restaurant, from, to]
        OrderItems
        "JOIN public.orders o ON o.id = t.order_id \
         WHERE o.restaurant_id = $1 AND o.created_at >= $2 AND o.created_at < $3 \
         ORDER BY t.order_id COLLATE \"C\", t.position NULLS FIRST, t.id COLLATE \"C\"",
    )
}

fn assistance_requests<'a>(
    layout: Layout,
    restaurant: &'a RestaurantId,
    status: Option<&'a AssistanceStatus>,
) -> Plan<'a> {
    let shape = Shape::Labelled(Table::AssistanceRequests);
    let Some(status) = status else {
        let sql = sql!(layout, labelled(layout, Table::AssistanceRequests, OF_RESTAURANT_NEWEST));
        return Plan { sql, arguments: vec![of_any(restaurant)], shape };
    };
    Plan {
        sql: sql!(
            layout,
            labelled(
                layout,
                Table::AssistanceRequests,
                "WHERE t.restaurant_id = $1 AND t.status = $2 \
                 ORDER BY t.created_at DESC, t.id COLLATE \"C\" DESC"
            )
        ),
        arguments: vec![of_any(restaurant), of_any(Some(status.as_str()))],
        shape,
    }
}

fn chef_answers<'a>(layout: Layout, session: &'a String, restaurant: Option<&'a RestaurantId>) -> Plan<'a> {
    let shape = Shape::Pair([Table::PendingQuestions, Table::ChefAnswers]);
    match restaurant {
        None => Plan { sql: sql!(layout, answered(layout, "")), arguments: vec![of_any(session)], shape },
        Some(restaurant) => Plan {
            sql: sql!(layout, answered(layout, "AND t.restaurant_id = $2")),
            arguments: vec![of_any(session), of_any(restaurant)],
            shape,
        },
    }
}

/// Answered questions of a session, each with its latest answer.
fn answered(layout: Layout, condition: &str) -> String {
    let question = layout.columns(Table::PendingQuestions, "t");
    let answer = layout.columns(Table::ChefAnswers, "a");
    format!(
        "SELECT ROW({question}), ROW({answer}) FROM public.pending_questions t JOIN public.chef_answers a ON a.id = \
         (SELECT b.id FROM public.chef_answers b WHERE b.pending_question_id = t.id \
         ORDER BY b.created_at DESC, b.id COLLATE \"C\" DESC LIMIT 1) \
         WHERE t.customer_session_id = $1 AND t.status = 'answered' {condition} \
         ORDER BY t.created_at DESC, t.id COLLATE \"C\" DESC"
    )
}

fn scan_counts(layout: Layout, restaurant: &RestaurantId, since: Option<Timestamp>) -> Plan<'_> {
    Plan {
        sql: sql!(
            layout,
            counted(
                "coalesce(t.table_number, '')",
                Table::TableScanEvents,
                "t.restaurant_id = $1 AND ($2::timestamp IS NULL OR t.scanned_at >= $2)"
            )
        ),
        arguments: vec![of_any(restaurant), of_any(since)],
        shape: Shape::Counts,
    }
}

fn ai_call_counts(layout: Layout, restaurant: &RestaurantId, since: Option<Timestamp>) -> Plan<'_> {
    Plan {
        sql: sql!(
            layout,
            counted(
                "t.call_type",
                Table::AiCallEvents,
                "t.restaurant_id = $1 AND ($2::timestamp IS NULL OR t.called_at >= $2)"
            )
        ),
        arguments: vec![of_any(restaurant), of_any(since)],
        shape: Shape::Counts,
    }
}
