//! Every question of the port as one SQL statement.
//!
//! One statement sees one moment, so a composite answer needs no transaction. Lists of bounded length come as one JSON
//! text per table; lists that grow for ever come row by row.

use std::sync::LazyLock;

use waiterix_domain::id::{IdempotencyId, MenuItemId, OrderId, RestaurantId};
use waiterix_domain::schema::AssistanceStatus;
use waiterix_domain::{Table, Timestamp};
use waiterix_ports::{KeyRange, Query};

use super::bound::Bound;

/// How to read what a statement answers with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// One row with one text per part; the tables within a part take turns. An empty first part empties all.
    Parts(&'static [&'static [Table]]),
    /// One row with one text: rows with labels.
    Labelled(Table),
    /// A text per row.
    Each(Table),
    /// A text per row, which ends with a label.
    EachLabelled(Table),
    /// One row with one text: labels with counts.
    Counts,
}

/// A statement with its arguments.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) sql: &'static str,
    pub(super) arguments: Vec<Bound>,
    pub(super) shape: Shape,
}

/// Makes a text once and keeps it for ever.
macro_rules! sql {
    ($text:expr) => {{
        static SQL: LazyLock<String> = LazyLock::new(|| $text);
        SQL.as_str()
    }};
}

/// A plan that finds rows of some tables, called `t` in the SQL behind each.
macro_rules! find {
    ([$($argument:expr),+ $(,)?] $($table:ident $tail:expr),+ $(,)?) => {
        Plan {
            sql: sql!(parts(&[$(list(Table::$table, &$tail)),+])),
            arguments: vec![$(Bound::from_sought($argument)),+],
            shape: Shape::Parts(&[$(&[Table::$table]),+]),
        }
    };
}

/// The columns of a row, as SQL arguments.
fn columns(table: Table, alias: &str) -> String {
    let columns: Vec<_> = table.columns().iter().map(|column| format!("{alias}.{}", column.name)).collect();
    columns.join(", ")
}

/// An expression that is one JSON array of all the rows that `json` finds.
fn gathered(json: &str, from: &str) -> String {
    format!("(SELECT '[' || group_concat(j) || ']' FROM (SELECT {json} AS j FROM {from}))")
}

/// An expression for the rows of a table, called `t`, that `tail` selects and orders.
fn list(table: Table, tail: &str) -> String {
    gathered(&format!("json_array({})", columns(table, "t")), &format!("{} t {tail}", table.name()))
}

fn parts(parts: &[String]) -> String {
    format!("SELECT {}", parts.join(", "))
}

/// A row of a table, called `t`, with the current label of the restaurant table it names.
fn labelled_columns(table: Table) -> String {
    let label = "(SELECT l.table_number FROM restaurant_tables l WHERE l.id = t.table_id)";
    format!("json_array({}, {label})", columns(table, "t"))
}

fn labelled(table: Table, tail: &str) -> String {
    parts(&[gathered(&labelled_columns(table), &format!("{} t {tail}", table.name()))])
}

fn counted(label: &str, table: Table, condition: &str) -> String {
    let groups = format!(
        "(SELECT {label} AS label, count(*) AS n FROM {} WHERE {condition} GROUP BY 1 ORDER BY 2 DESC, 1)",
        table.name()
    );
    parts(&[gathered("json_array(label, n)", &groups)])
}

const ID: &str = "WHERE t.id = ?1";
const OF_RESTAURANT_BY_ID: &str = "WHERE t.restaurant_id = ?1 ORDER BY t.id";
const OF_RESTAURANT_BY_CREATION: &str = "WHERE t.restaurant_id = ?1 ORDER BY t.created_at, t.id";
const OF_RESTAURANT_NEWEST: &str = "WHERE t.restaurant_id = ?1 ORDER BY t.created_at DESC, t.id DESC";
const NAMED_TABLES: &str = "WHERE t.restaurant_id = ?1 AND (t.id = ?2 OR t.table_number = ?2) ORDER BY t.id";
// SQLite orders nulls first.
const LINES: &str = "WHERE t.order_id = ?1 ORDER BY t.position, t.id";

/// The condition on a row whose id stands in a column of the row asked for.
fn named_by(column: &str, table: Table) -> String {
    format!("WHERE t.id = (SELECT h.{column} FROM {} h WHERE h.id = ?1)", table.name())
}

/// The statement that answers a question.
pub(super) fn of(query: &Query) -> Plan {
    match query {
        Query::Account(id) => find!([id] Users ID, Restaurants "WHERE t.user_id = ?1"),
        Query::UserByEmail(email) => find!([email] Users "WHERE t.email = ?1"),
        Query::Restaurant(id) => find!([id] Restaurants ID),
        Query::Tables(restaurant) => find!([restaurant] RestaurantTables OF_RESTAURANT_BY_ID),
        Query::Table(id) => find!([id] RestaurantTables ID),
        Query::Menu(restaurant) => find!([restaurant] MenuItems OF_RESTAURANT_BY_CREATION),
        Query::MenuItem(id) => {
            find!([id] MenuItems ID, Restaurants named_by("restaurant_id", Table::MenuItems))
        }
        Query::MenuItemDetails(id) => find!(
            [id]
            MenuItems ID,
            Restaurants named_by("restaurant_id", Table::MenuItems),
            ExtendedMenuDetails "WHERE t.menu_item_id = ?1 ORDER BY t.id",
        ),
        Query::OrderFacts { restaurant, table, items, idempotency } => {
            order_facts(restaurant, table.as_deref(), items, idempotency.as_ref())
        }
        Query::OrdersLive { restaurant, completed_since, limit } => {
            orders_live(restaurant, *completed_since, *limit)
        }
        Query::OrdersBetween { restaurant, from, to } => orders_between(restaurant, *from, *to),
        Query::OrderItemsBetween { restaurant, from, to } => order_items_between(restaurant, *from, *to),
        Query::Order(id) => find!(
            [id]
            Orders ID,
            Restaurants named_by("restaurant_id", Table::Orders),
            RestaurantTables named_by("table_id", Table::Orders),
        ),
        Query::OrderItems(order) => find!([order] OrderItems LINES),
        Query::OrderView(id) => order_view(id),
        Query::RatingFacts(id) => find!(
            [id]
            Orders ID,
            OrderItems LINES,
            Ratings "WHERE t.order_id = ?1 ORDER BY t.id",
        ),
        Query::RatingsOfOrder(order) => {
            find!([order] Ratings "WHERE t.order_id = ?1 ORDER BY t.created_at, t.id")
        }
        Query::RatingsOfRestaurant(restaurant) => ratings_of_restaurant(restaurant),
        Query::AssistanceFacts { restaurant, table, order } => find!(
            [restaurant, table.as_deref(), order.as_ref()]
            Restaurants ID,
            RestaurantTables NAMED_TABLES,
            Orders "WHERE t.id = ?3",
        ),
        Query::AssistanceRequests { restaurant, status } => assistance_requests(restaurant, status.as_ref()),
        Query::AssistanceRequest(id) => find!(
            [id]
            AssistanceRequests ID,
            Restaurants named_by("restaurant_id", Table::AssistanceRequests),
            RestaurantTables named_by("table_id", Table::AssistanceRequests),
        ),
        Query::AiKnowledge(restaurant) => ai_knowledge(restaurant),
        Query::QuestionsPending(restaurant) => find!(
            [restaurant]
            PendingQuestions
            "WHERE t.restaurant_id = ?1 AND t.status = 'pending' ORDER BY t.created_at DESC, t.id DESC",
        ),
        Query::Question(id) => find!(
            [id]
            PendingQuestions ID,
            Restaurants named_by("restaurant_id", Table::PendingQuestions),
            ChefAnswers "WHERE t.pending_question_id = ?1 ORDER BY t.created_at DESC, t.id DESC",
        ),
        Query::ChefAnswers { session, restaurant } => chef_answers(session, restaurant.as_ref()),
        Query::Faqs(restaurant) => find!([restaurant] Faqs OF_RESTAURANT_NEWEST),
        Query::Faq(id) => find!([id] Faqs ID),
        Query::ScanCounts { restaurant, since } => scan_counts(restaurant, *since),
        Query::AiCallCounts { restaurant, since } => ai_call_counts(restaurant, *since),
        Query::Upload(key) => find!([key] Uploads ID),
        Query::UploadsOfUser(user) => find!([user] Uploads "WHERE t.user_id = ?1 ORDER BY t.id"),
        Query::UploadsAbandoned { before, limit } => find!(
            [*before, *limit]
            Uploads "WHERE t.attached_at IS NULL AND t.created_at < ?1 ORDER BY t.created_at, t.id LIMIT ?2",
        ),
        Query::IdempotencyKeysBefore { before, limit } => find!(
            [*before, *limit]
            IdempotencyKeys "WHERE t.created_at < ?1 ORDER BY t.created_at, t.id LIMIT ?2",
        ),
    }
}

fn order_facts(
    restaurant: &RestaurantId,
    table: Option<&str>,
    items: &[MenuItemId],
    idempotency: Option<&IdempotencyId>,
) -> Plan {
    find!(
        [restaurant, table, items, idempotency]
        Restaurants ID,
        RestaurantTables NAMED_TABLES,
        MenuItems "WHERE t.id IN (SELECT value FROM json_each(?3)) ORDER BY t.id",
        IdempotencyKeys "WHERE t.id = ?4",
        Orders "WHERE t.id = (SELECT k.order_id FROM idempotency_keys k WHERE k.id = ?4)",
    )
}

fn order_view(id: &OrderId) -> Plan {
    find!(
        [id]
        Orders ID,
        Restaurants named_by("restaurant_id", Table::Orders),
        RestaurantTables named_by("table_id", Table::Orders),
        OrderItems LINES,
        Ratings "WHERE t.order_id = ?1 ORDER BY t.id LIMIT 1",
    )
}

fn ai_knowledge(restaurant: &RestaurantId) -> Plan {
    find!(
        [restaurant]
        Restaurants ID,
        MenuItems OF_RESTAURANT_BY_CREATION,
        ExtendedMenuDetails
        "WHERE t.menu_item_id IN (SELECT m.id FROM menu_items m WHERE m.restaurant_id = ?1) ORDER BY t.id",
        RestaurantKnowledge OF_RESTAURANT_BY_ID,
        Faqs OF_RESTAURANT_NEWEST,
    )
}

fn orders_live(restaurant: &RestaurantId, completed_since: Timestamp, limit: u32) -> Plan {
    Plan {
        sql: sql!(labelled(
            Table::Orders,
            "WHERE t.restaurant_id = ?1 AND NOT (t.status = 'completed' AND t.created_at < ?2) \
             ORDER BY t.created_at DESC, t.id DESC LIMIT ?3"
        )),
        arguments: vec![
            Bound::from_sought(restaurant),
            Bound::from_sought(completed_since),
            Bound::from_sought(limit),
        ],
        shape: Shape::Labelled(Table::Orders),
    }
}

fn orders_between(restaurant: &RestaurantId, from: Timestamp, to: Timestamp) -> Plan {
    Plan {
        sql: sql!(format!(
            "SELECT {} FROM orders t WHERE t.restaurant_id = ?1 AND t.created_at >= ?2 AND t.created_at < ?3 \
             ORDER BY t.created_at DESC, t.id DESC",
            labelled_columns(Table::Orders)
        )),
        arguments: vec![Bound::from_sought(restaurant), Bound::from_sought(from), Bound::from_sought(to)],
        shape: Shape::EachLabelled(Table::Orders),
    }
}

fn order_items_between(restaurant: &RestaurantId, from: Timestamp, to: Timestamp) -> Plan {
    Plan {
        sql: sql!(format!(
            "SELECT json_array({}) FROM order_items t JOIN orders o ON o.id = t.order_id \
             WHERE o.restaurant_id = ?1 AND o.created_at >= ?2 AND o.created_at < ?3 \
             ORDER BY t.order_id, t.position, t.id",
            columns(Table::OrderItems, "t")
        )),
        arguments: vec![Bound::from_sought(restaurant), Bound::from_sought(from), Bound::from_sought(to)],
        shape: Shape::Each(Table::OrderItems),
    }
}

fn ratings_of_restaurant(restaurant: &RestaurantId) -> Plan {
    Plan {
        sql: sql!(format!(
            "SELECT json_array({}) FROM ratings t {OF_RESTAURANT_NEWEST}",
            columns(Table::Ratings, "t")
        )),
        arguments: vec![Bound::from_sought(restaurant)],
        shape: Shape::Each(Table::Ratings),
    }
}

fn assistance_requests(restaurant: &RestaurantId, status: Option<&AssistanceStatus>) -> Plan {
    let shape = Shape::Labelled(Table::AssistanceRequests);
    let Some(status) = status else {
        let sql = sql!(labelled(Table::AssistanceRequests, OF_RESTAURANT_NEWEST));
        return Plan { sql, arguments: vec![Bound::from_sought(restaurant)], shape };
    };
    Plan {
        sql: sql!(labelled(
            Table::AssistanceRequests,
            "WHERE t.restaurant_id = ?1 AND t.status = ?2 ORDER BY t.created_at DESC, t.id DESC"
        )),
        arguments: vec![Bound::from_sought(restaurant), Bound::sought(status.as_str())],
        shape,
    }
}

fn chef_answers(session: &str, restaurant: Option<&RestaurantId>) -> Plan {
    let shape = Shape::Parts(&[&[Table::PendingQuestions, Table::ChefAnswers]]);
    let session = Bound::sought(session);
    match restaurant {
        None => Plan { sql: sql!(answered("")), arguments: vec![session], shape },
        Some(restaurant) => Plan {
            sql: sql!(answered("AND t.restaurant_id = ?2")),
            arguments: vec![session, Bound::from_sought(restaurant)],
            shape,
        },
    }
}

/// Answered questions of a session, each followed by its latest answer.
fn answered(condition: &str) -> String {
    let question = columns(Table::PendingQuestions, "t");
    let answer = columns(Table::ChefAnswers, "a");
    let from = format!(
        "pending_questions t JOIN chef_answers a ON a.id = (SELECT b.id FROM chef_answers b \
         WHERE b.pending_question_id = t.id ORDER BY b.created_at DESC, b.id DESC LIMIT 1) \
         WHERE t.customer_session_id = ?1 AND t.status = 'answered' {condition} \
         ORDER BY t.created_at DESC, t.id DESC"
    );
    parts(&[gathered(&format!("json_array({question}) || ',' || json_array({answer})"), &from)])
}

fn scan_counts(restaurant: &RestaurantId, since: Option<Timestamp>) -> Plan {
    Plan {
        sql: sql!(counted(
            "ifnull(table_number, '')",
            Table::TableScanEvents,
            "restaurant_id = ?1 AND (?2 IS NULL OR scanned_at >= ?2)"
        )),
        arguments: vec![Bound::from_sought(restaurant), Bound::from_sought(since)],
        shape: Shape::Counts,
    }
}

fn ai_call_counts(restaurant: &RestaurantId, since: Option<Timestamp>) -> Plan {
    Plan {
        sql: sql!(counted(
            "call_type",
            Table::AiCallEvents,
            "restaurant_id = ?1 AND (?2 IS NULL OR called_at >= ?2)"
        )),
        arguments: vec![Bound::from_sought(restaurant), Bound::from_sought(since)],
        shape: Shape::Counts,
    }
}

/// A page of a table in key order.
pub(super) fn page(table: Table, range: &KeyRange, limit: Option<u32>) -> (String, Vec<Bound>) {
    // Keys are compared, not looked up, so any text is as good as another; nothing is sought as null here.
    let key = |text: &Option<String>| text.as_deref().map_or(Bound::Null, |text| Bound::Text(text.into()));
    let after = if range.after.is_some() { "t.id > ?1" } else { "?1 IS NULL" };
    let up_to = if range.up_to.is_some() { "t.id <= ?2" } else { "?2 IS NULL" };
    let sql = format!(
        "SELECT json_array({}) FROM {} t WHERE {after} AND {up_to} ORDER BY t.id LIMIT ?3",
        columns(table, "t"),
        table.name()
    );
    // A negative limit is none.
    let limit = Bound::Int(limit.map_or(-1, i64::from));
    (sql, vec![key(&range.after), key(&range.up_to), limit])
}
