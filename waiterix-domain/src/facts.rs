//! What decisions rely on: rows that belong together, as a store reads them in one moment.

use crate::schema::{
    AssistanceRequest, ChefAnswer, ExtendedDetails, Faq, IdempotencyKey, MenuItem, Order, OrderItem,
    PendingQuestion, Rating, Restaurant, RestaurantKnowledge, RestaurantTable, User,
};

/// A user and the user's restaurant.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// The user.
    pub user: User,
    /// The one restaurant of the user, if there is one.
    pub restaurant: Option<Restaurant>,
}

/// An order with the current label of its table.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledOrder {
    /// The order.
    pub order: Order,
    /// The label its table has now; null without table.
    pub table_number: Option<String>,
}

/// A call for a waiter with the current label of its table.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledRequest {
    /// The request.
    pub request: AssistanceRequest,
    /// The label its table has now; null without table.
    pub table_number: Option<String>,
}

/// A dish and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct MenuItemAccess {
    /// The dish.
    pub item: MenuItem,
    /// Its restaurant.
    pub restaurant: Restaurant,
    /// Its extended details, where asked for.
    pub details: Option<ExtendedDetails>,
}

/// An order and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderAccess {
    /// The order.
    pub order: Order,
    /// Its restaurant.
    pub restaurant: Restaurant,
    /// Its table, while it has one.
    pub table: Option<RestaurantTable>,
}

/// What placing an order relies on.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderFacts {
    /// The restaurant.
    pub restaurant: Restaurant,
    /// Tables of the restaurant whose id or label was named, by id.
    pub tables: Vec<RestaurantTable>,
    /// Those of the named dishes that exist, of any restaurant.
    pub items: Vec<MenuItem>,
    /// The order an idempotency key led to before.
    pub repeated: Option<(IdempotencyKey, Order)>,
}

/// Everything a guest sees of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderView {
    /// The order.
    pub order: Order,
    /// Its restaurant.
    pub restaurant: Restaurant,
    /// Its table, while it has one.
    pub table: Option<RestaurantTable>,
    /// Its lines in order.
    pub items: Vec<OrderItem>,
    /// Whether it has any rating.
    pub has_been_rated: bool,
}

/// What rating an order relies on.
#[derive(Debug, Clone, PartialEq)]
pub struct RatingFacts {
    /// The order.
    pub order: Order,
    /// Its lines in order.
    pub items: Vec<OrderItem>,
    /// Its ratings so far.
    pub ratings: Vec<Rating>,
}

/// What a call for a waiter relies on.
#[derive(Debug, Clone, PartialEq)]
pub struct AssistanceFacts {
    /// The restaurant.
    pub restaurant: Restaurant,
    /// Tables of the restaurant whose id or label was named, by id.
    pub tables: Vec<RestaurantTable>,
    /// The named order, of any restaurant.
    pub order: Option<Order>,
}

/// What recording a scan relies on: the same as a call for a waiter without an order.
pub type ScanFacts = AssistanceFacts;

/// A call for a waiter and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct AssistanceAccess {
    /// The request.
    pub request: AssistanceRequest,
    /// Its restaurant.
    pub restaurant: Restaurant,
    /// Its table, while it has one.
    pub table: Option<RestaurantTable>,
}

/// What the assistant may know.
#[derive(Debug, Clone, PartialEq)]
pub struct AiKnowledge {
    /// The restaurant.
    pub restaurant: Restaurant,
    /// Its dishes.
    pub items: Vec<MenuItem>,
    /// Their extended details.
    pub details: Vec<ExtendedDetails>,
    /// What is known about the restaurant.
    pub knowledge: Option<RestaurantKnowledge>,
    /// Its FAQs.
    pub faqs: Vec<Faq>,
}

/// A question, whose it is, and its answers.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestionAccess {
    /// The question.
    pub question: PendingQuestion,
    /// Its restaurant.
    pub restaurant: Restaurant,
    /// Its answers, newest first.
    pub answers: Vec<ChefAnswer>,
}
