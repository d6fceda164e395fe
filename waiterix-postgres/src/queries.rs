//! Every question of the port as one SQL statement.
//!
//! One statement sees one moment, so a composite answer needs no transaction. Lists of bounded length come as one value
//! per table, see [`decode`](crate::decode); lists that grow for ever come row by row.

use std::sync::OnceLock;

use waiterix_domain::id::{IdempotencyId, OrderId, RestaurantId};
use waiterix_domain::schema::AssistanceStatus;
use waiterix_domain::{Table, Timestamp};
use waiterix_ports::Query;

use crate::bind::Sought;
use crate::layout::Layout;

/// How to read what a statement answers with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// One row with one value per part; the tables within a part take turns. An empty first part empties all.
    Parts(&'static [&'static [Table]]),
    /// One row with one value: records with labels.
    Labelled(Table),
    /// A record per row.
    Each(Table),
    /// A record per row, which ends with a label.
    EachLabelled(Table),
    /// One row with one value: labels with counts.
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
            sql: sql!($layout, parts(&[$(list($layout, Table::$table, &$tail)),+])),
            arguments: vec![$(of_any($argument)),+],
            shape: Shape::Parts(&[$(&[Table::$table]),+]),
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

/// The expression for a whole row as a record.
fn record(columns: &str) -> String {
    format!("record_send(ROW({columns}))")
}

/// An expression that is one value of all the records that `record` makes of the rows of `from`.
fn gathered(record: &str, from: &str) -> String {
    format!("(SELECT string_agg(r, ''::bytea) FROM (SELECT {record} AS r FROM {from}) s)")
}

/// An expression for the rows of a table, called `t`, that `tail` selects and orders.
fn list(layout: Layout, table: Table, tail: &str) -> String {
    gathered(&record(&layout.columns(table, "t")), &format!("public.{} t {tail}", table.name()))
}

fn parts(parts: &[String]) -> String {
    format!("SELECT {}", parts.join(", "))
}

/// The columns of a table, called `t`, with the current label of the restaurant table it names.
fn labelled_columns(layout: Layout, table: Table) -> String {
    let label = "(SELECT l.table_number FROM public.restaurant_tables l WHERE l.id = t.table_id)";
    format!("{}, {label}", layout.columns(table, "t"))
}

fn labelled(layout: Layout, table: Table, tail: &str) -> String {
    let record = record(&labelled_columns(layout, table));
    parts(&[gathered(&record, &format!("public.{} t {tail}", table.name()))])
}

fn counted(label: &str, table: Table, condition: &str) -> String {
    let groups = format!(
        "(SELECT {label} COLLATE \"C\" AS label, count(*) AS n FROM public.{} t WHERE {condition} \
         GROUP BY 1 ORDER BY 2 DESC, 1) g",
        table.name()
    );
    parts(&[gathered(&record("label, n"), &groups)])
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
        Query::RatingsOfRestaurant(restaurant) => ratings_of_restaurant(layout, restaurant),
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
    Plan {
        sql: sql!(
            layout,
            parts(&[
                list(layout, Table::Restaurants, ID),
                list(layout, Table::RestaurantTables, NAMED_TABLES),
                list(layout, Table::MenuItems, "WHERE t.id = ANY($3) ORDER BY t.id COLLATE \"C\""),
                list(layout, Table::IdempotencyKeys, "WHERE t.id = $4"),
                list(
                    layout,
                    Table::Orders,
                    "WHERE t.id = (SELECT k.order_id FROM public.idempotency_keys k WHERE k.id = $4)",
                ),
            ])
        ),
        arguments: vec![of_any(restaurant), of_any(table), Sought::Texts(items), of_any(idempotency)],
        shape: Shape::Parts(&[
            &[Table::Restaurants],
            &[Table::RestaurantTables],
            &[Table::MenuItems],
            &[Table::IdempotencyKeys],
            &[Table::Orders],
        ]),
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
            format!(
                "SELECT {} FROM public.orders t \
                 WHERE t.restaurant_id = $1 AND t.created_at >= $2 AND t.created_at < $3 \
                 ORDER BY t.created_at DESC, t.id COLLATE \"C\" DESC",
                record(&labelled_columns(layout, Table::Orders))
            )
        ),
        arguments: vec![of_any(restaurant), of_any(from), of_any(to)],
        shape: Shape::EachLabelled(Table::Orders),
    }
}

fn order_items_between(
    layout: Layout,
    restaurant: &RestaurantId,
    from: Timestamp,
    to: Timestamp,
) -> Plan<'_> {
    Plan {
        sql: sql!(
            layout,
            format!(
                "SELECT {} FROM public.order_items t JOIN public.orders o ON o.id = t.order_id \
                 WHERE o.restaurant_id = $1 AND o.created_at >= $2 AND o.created_at < $3 \
                 ORDER BY t.order_id COLLATE \"C\", t.position NULLS FIRST, t.id COLLATE \"C\"",
                record(&layout.columns(Table::OrderItems, "t"))
            )
        ),
        arguments: vec![of_any(restaurant), of_any(from), of_any(to)],
        shape: Shape::Each(Table::OrderItems),
    }
}

fn ratings_of_restaurant(layout: Layout, restaurant: &RestaurantId) -> Plan<'_> {
    Plan {
        sql: sql!(
            layout,
            format!(
                "SELECT {} FROM public.ratings t {OF_RESTAURANT_NEWEST}",
                record(&layout.columns(Table::Ratings, "t"))
            )
        ),
        arguments: vec![of_any(restaurant)],
        shape: Shape::Each(Table::Ratings),
    }
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
    let shape = Shape::Parts(&[&[Table::PendingQuestions, Table::ChefAnswers]]);
    match restaurant {
        None => Plan { sql: sql!(layout, answered(layout, "")), arguments: vec![of_any(session)], shape },
        Some(restaurant) => Plan {
            sql: sql!(layout, answered(layout, "AND t.restaurant_id = $2")),
            arguments: vec![of_any(session), of_any(restaurant)],
            shape,
        },
    }
}

/// Answered questions of a session, each followed by its latest answer.
fn answered(layout: Layout, condition: &str) -> String {
    let question = record(&layout.columns(Table::PendingQuestions, "t"));
    let answer = record(&layout.columns(Table::ChefAnswers, "a"));
    let from = format!(
        "public.pending_questions t JOIN public.chef_answers a ON a.id = (SELECT b.id FROM public.chef_answers b \
         WHERE b.pending_question_id = t.id ORDER BY b.created_at DESC, b.id COLLATE \"C\" DESC LIMIT 1) \
         WHERE t.customer_session_id = $1 AND t.status = 'answered' {condition} \
         ORDER BY t.created_at DESC, t.id COLLATE \"C\" DESC"
    );
    parts(&[gathered(&format!("{question} || {answer}"), &from)])
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
