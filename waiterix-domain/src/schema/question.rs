//! Guests' questions, chefs' answers, and what was learnt from them.

use super::{QuestionStatus, entity};
use crate::Timestamp;
use crate::id::{AnswerId, FaqId, QuestionId, RestaurantId, TableId, UserId};

entity! {
    /// A guest's question to the chef.
    PendingQuestion in PendingQuestions {
        /// The question.
        id: QuestionId,
        /// The restaurant.
        restaurant_id: RestaurantId => Restaurants Cascade,
        /// The guest's session: a client-made text that works like a password.
        customer_session_id: String,
        /// The question.
        question: String,
        /// The dish it is about.
        menu_item_context: Option<String>,
        /// Language code.
        language: String,
        /// How far it is.
        status: QuestionStatus,
        /// Label of the table, as the client sent it.
        table_number: Option<String>,
        /// Creation.
        created_at: Timestamp,
        /// Only in some databases; never read or written by a use case, kept and migrated.
        table_id: Option<TableId> => RestaurantTables SetNull,
    }
}

entity! {
    /// A chef's answer.
    ChefAnswer in ChefAnswers {
        /// The answer.
        id: AnswerId,
        /// The question.
        pending_question_id: QuestionId => PendingQuestions Cascade,
        /// The restaurant.
        restaurant_id: RestaurantId => Restaurants Cascade,
        /// The answer.
        answer: String,
        /// Who answered; no foreign key.
        answered_by: UserId,
        /// Creation.
        created_at: Timestamp,
    }
}

entity! {
    /// A question and answer learnt from a chef.
    Faq in Faqs {
        /// The entry.
        id: FaqId,
        /// The restaurant.
        restaurant_id: RestaurantId => Restaurants Cascade,
        /// The question.
        question: String,
        /// The answer.
        answer: String,
        /// Search words.
        keywords: Option<Vec<String>>,
        /// Never written.
        related_menu_item_ids: Option<Vec<String>>,
        /// How often it was handed to the assistant.
        usage_count: i32,
        /// Creation.
        created_at: Timestamp,
        /// Last change.
        updated_at: Timestamp,
    }
}
