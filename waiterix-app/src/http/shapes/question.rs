//! Guests' questions and chefs' answers.

use serde::Serialize;
use utoipa::ToSchema;
use waiterix_domain::question::SeenAnswer;
use waiterix_domain::schema;

use super::time;

/// A guest's question to the chef.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingQuestion {
    id: String,
    restaurant_id: String,
    customer_session_id: String,
    question: String,
    menu_item_context: Option<String>,
    language: String,
    status: String,
    table_number: Option<String>,
    created_at: String,
}

impl From<schema::PendingQuestion> for PendingQuestion {
    fn from(question: schema::PendingQuestion) -> Self {
        Self {
            id: question.id.into_string(),
            restaurant_id: question.restaurant_id.into_string(),
            customer_session_id: question.customer_session_id,
            question: question.question,
            menu_item_context: question.menu_item_context,
            language: question.language,
            status: question.status.to_string(),
            table_number: question.table_number,
            created_at: time(question.created_at),
        }
    }
}

/// That an answer was stored.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    success: bool,
    answer: String,
    chef_answer_id: String,
    message: &'static str,
}

impl From<schema::ChefAnswer> for Answered {
    fn from(answer: schema::ChefAnswer) -> Self {
        Self {
            success: true,
            answer: answer.answer,
            chef_answer_id: answer.id.into_string(),
            message: "Answer sent to customer and saved to FAQ",
        }
    }
}

/// An answer as the guest who asked sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChefAnswer {
    question_id: String,
    question: String,
    answer: String,
    answered_at: String,
}

impl From<SeenAnswer> for ChefAnswer {
    fn from(answer: SeenAnswer) -> Self {
        Self {
            question_id: answer.question_id.into_string(),
            question: answer.question,
            answer: answer.answer,
            answered_at: time(answer.answered_at),
        }
    }
}

/// The answers of a guest's session.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChefAnswers {
    /// Newest question first.
    pub answers: Vec<ChefAnswer>,
}
