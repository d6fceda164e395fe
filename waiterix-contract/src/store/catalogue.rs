//! One query of every kind.

use waiterix_domain::schema::AssistanceStatus;
use waiterix_domain::{Table, Timestamp};
use waiterix_ports::{Answer, Query};

/// What the queries of [`every`] ask about.
pub struct About<'a> {
    /// The key to ask for in a table.
    pub id: &'a (dyn Fn(Table) -> String + Sync),
    /// Whatever else is a text: e-mail address, label, session.
    pub text: String,
    /// Only assistance requests of this status.
    pub status: Option<AssistanceStatus>,
    /// Start of a period.
    pub from: Timestamp,
    /// End of a period.
    pub to: Timestamp,
    /// The most rows.
    pub limit: u32,
}

impl std::fmt::Debug for About<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("About").field("text", &self.text).finish_non_exhaustive()
    }
}

/// One query of every kind, and once more those with something optional, with that left out.
#[must_use]
pub fn every(about: &About<'_>) -> Vec<Query> {
    let id = about.id;
    let restaurant = || id(Table::Restaurants).into();
    let order = || waiterix_domain::id::OrderId::from(id(Table::Orders));
    let (from, to, limit) = (about.from, about.to, about.limit);
    vec![
        Query::Account(id(Table::Users).into()),
        Query::UserByEmail(about.text.clone()),
        Query::Restaurant(restaurant()),
        Query::Tables(restaurant()),
        Query::Table(id(Table::RestaurantTables).into()),
        Query::Menu(restaurant()),
        Query::MenuItem(id(Table::MenuItems).into()),
        Query::MenuItemDetails(id(Table::MenuItems).into()),
        Query::OrderFacts {
            restaurant: restaurant(),
            table: Some(about.text.clone()),
            items: vec![id(Table::MenuItems).into(), id(Table::MenuItems).into()],
            idempotency: Some(id(Table::IdempotencyKeys).into()),
        },
        Query::OrdersLive { restaurant: restaurant(), completed_since: from, limit },
        Query::OrdersBetween { restaurant: restaurant(), from, to },
        Query::OrderItemsBetween { restaurant: restaurant(), from, to },
        Query::Order(order()),
        Query::OrderItems(order()),
        Query::OrderView(order()),
        Query::RatingFacts(order()),
        Query::RatingsOfOrder(order()),
        Query::RatingsOfRestaurant(restaurant()),
        Query::AssistanceFacts {
            restaurant: restaurant(),
            table: Some(about.text.clone()),
            order: Some(order()),
        },
        Query::AssistanceRequests { restaurant: restaurant(), status: about.status.clone() },
        Query::AssistanceRequest(id(Table::AssistanceRequests).into()),
        Query::AiKnowledge(restaurant()),
        Query::QuestionsPending(restaurant()),
        Query::Question(id(Table::PendingQuestions).into()),
        Query::ChefAnswers { session: about.text.clone(), restaurant: Some(restaurant()) },
        Query::Faqs(restaurant()),
        Query::Faq(id(Table::Faqs).into()),
        Query::ScanCounts { restaurant: restaurant(), since: Some(from) },
        Query::AiCallCounts { restaurant: restaurant(), since: Some(from) },
        Query::Upload(id(Table::Uploads).into()),
        Query::UploadsOfUser(id(Table::Users).into()),
        Query::UploadsAbandoned { before: to, limit },
        Query::IdempotencyKeysBefore { before: to, limit },
        // The same kinds once more, with what is optional left out.
        Query::OrderFacts { restaurant: restaurant(), table: None, items: Vec::new(), idempotency: None },
        Query::AssistanceFacts { restaurant: restaurant(), table: None, order: None },
        Query::ChefAnswers { session: about.text.clone(), restaurant: None },
        Query::ScanCounts { restaurant: restaurant(), since: None },
        Query::AiCallCounts { restaurant: restaurant(), since: None },
    ]
}

/// The name of a query's kind. A new kind does not compile until it is added here, and [`every`] is not complete
/// until it has one of each (`store_clauses.rs` compares the names).
#[must_use]
pub const fn kind(query: &Query) -> &'static str {
    match query {
        Query::Account(_) => "Account",
        Query::UserByEmail(_) => "UserByEmail",
        Query::Restaurant(_) => "Restaurant",
        Query::Tables(_) => "Tables",
        Query::Table(_) => "Table",
        Query::Menu(_) => "Menu",
        Query::MenuItem(_) => "MenuItem",
        Query::MenuItemDetails(_) => "MenuItemDetails",
        Query::OrderFacts { .. } => "OrderFacts",
        Query::OrdersLive { .. } => "OrdersLive",
        Query::OrdersBetween { .. } => "OrdersBetween",
        Query::OrderItemsBetween { .. } => "OrderItemsBetween",
        Query::Order(_) => "Order",
        Query::OrderItems(_) => "OrderItems",
        Query::OrderView(_) => "OrderView",
        Query::RatingFacts(_) => "RatingFacts",
        Query::RatingsOfOrder(_) => "RatingsOfOrder",
        Query::RatingsOfRestaurant(_) => "RatingsOfRestaurant",
        Query::AssistanceFacts { .. } => "AssistanceFacts",
        Query::AssistanceRequests { .. } => "AssistanceRequests",
        Query::AssistanceRequest(_) => "AssistanceRequest",
        Query::AiKnowledge(_) => "AiKnowledge",
        Query::QuestionsPending(_) => "QuestionsPending",
        Query::Question(_) => "Question",
        Query::ChefAnswers { .. } => "ChefAnswers",
        Query::Faqs(_) => "Faqs",
        Query::Faq(_) => "Faq",
        Query::ScanCounts { .. } => "ScanCounts",
        Query::AiCallCounts { .. } => "AiCallCounts",
        Query::Upload(_) => "Upload",
        Query::UploadsOfUser(_) => "UploadsOfUser",
        Query::UploadsAbandoned { .. } => "UploadsAbandoned",
        Query::IdempotencyKeysBefore { .. } => "IdempotencyKeysBefore",
    }
}

/// Whether there is nothing in an answer.
#[must_use]
pub const fn is_empty(answer: &Answer) -> bool {
    match answer {
        Answer::Rows(rows) => rows.is_empty(),
        Answer::Labelled(rows) => rows.is_empty(),
        Answer::Counts(counts) => counts.is_empty(),
    }
}
