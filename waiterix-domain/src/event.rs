//! What the restaurant's screens are told, and who is told.

use crate::id::{OrderId, QuestionId, RestaurantId};
use crate::schema::{AssistanceRequest, Order, OrderStatus, PendingQuestion};

/// Exactly who hears an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Every chef connection of a restaurant.
    Chefs(RestaurantId),
    /// Every connection of one customer session of a restaurant.
    Customer {
        /// The restaurant.
        restaurant: RestaurantId,
        /// The customer session id, e.g. `tracking-<order id>`.
        session: String,
    },
}

impl Audience {
    /// The restaurant whose connections are meant.
    #[must_use]
    pub const fn restaurant(&self) -> &RestaurantId {
        match self {
            Self::Chefs(restaurant) | Self::Customer { restaurant, .. } => restaurant,
        }
    }

    /// The session of the tracking page of an order.
    #[must_use]
    pub fn tracking(restaurant: RestaurantId, order: &OrderId) -> Self {
        Self::Customer { restaurant, session: format!("tracking-{order}") }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// `new-order`, for chefs.
    NewOrder {
        /// The order.
        order: Order,
        /// The label of its table.
        table_number: Option<String>,
    },
    /// `order-status-changed` in full, for chefs.
    OrderStatusChanged {
        /// The order as it is now.
        order: Order,
    },
    /// `order-status-changed` reduced to id and status, for the guest who tracks the order.
    TrackedStatusChanged {
        /// The order.
        order: OrderId,
        /// Its status now.
        status: OrderStatus,
    },
    /// `new-question`, for chefs.
    NewQuestion {
        /// The question.
        question: PendingQuestion,
    },
    /// `chef-answer`, for the guest who asked.
    ChefAnswer {
        /// The question.
        question_id: QuestionId,
        /// Its text.
        question: String,
        /// The answer.
        answer: String,
        /// The language of the answer.
        language: String,
    },
    /// `new-assistance-request`, for chefs.
    NewAssistanceRequest {
        /// The request.
        request: AssistanceRequest,
        /// The label of its table.
        table_number: Option<String>,
    },
    /// `assistance-request-updated`, for chefs.
    AssistanceRequestUpdated {
        /// The request as it is now.
        request: AssistanceRequest,
        /// The label of its table.
        table_number: Option<String>,
    },
}
