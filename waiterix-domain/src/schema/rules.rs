//! Uniqueness rules and indexes: part of the contract of every store.

use super::{Row, Table};

/// A named uniqueness rule. Adapters report which one was violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UniqueRule {
    /// A key occurs once in its table.
    PrimaryKey(Table),
    /// One user per e-mail address (nulls never collide).
    UserEmail,
    /// One restaurant per user.
    RestaurantOfUser,
    /// One table per label and restaurant, whatever the (ASCII) case.
    TableNumber,
    /// One row of extended details per dish.
    DetailsOfItem,
    /// One row of knowledge per restaurant.
    KnowledgeOfRestaurant,
    /// One order per payment intent.
    OrderOfPaymentIntent,
    /// One rating per dish and order.
    RatingOfItem,
    /// One service rating per order.
    RatingOfService,
    /// One answer per question.
    AnswerOfQuestion,
}

impl UniqueRule {
    /// Every rule but the primary keys.
    pub const ALL: &'static [Self] = &[
        Self::UserEmail,
        Self::RestaurantOfUser,
        Self::TableNumber,
        Self::DetailsOfItem,
        Self::KnowledgeOfRestaurant,
        Self::OrderOfPaymentIntent,
        Self::RatingOfItem,
        Self::RatingOfService,
        Self::AnswerOfQuestion,
    ];

    /// The table it is about.
    #[must_use]
    pub const fn table(self) -> Table {
        match self {
            Self::PrimaryKey(table) => table,
            Self::UserEmail => Table::Users,
            Self::RestaurantOfUser => Table::Restaurants,
            Self::TableNumber => Table::RestaurantTables,
            Self::DetailsOfItem => Table::ExtendedMenuDetails,
            Self::KnowledgeOfRestaurant => Table::RestaurantKnowledge,
            Self::OrderOfPaymentIntent => Table::Orders,
            Self::RatingOfItem | Self::RatingOfService => Table::Ratings,
            Self::AnswerOfQuestion => Table::ChefAnswers,
        }
    }

    /// The name of its unique index. Existing ones keep the name the old system gave them.
    #[must_use]
    pub const fn index_name(self) -> &'static str {
        match self {
            Self::PrimaryKey(_) => "",
            Self::UserEmail => "users_email_unique",
            Self::RestaurantOfUser => "restaurants_user_id_unique",
            Self::TableNumber => "restaurant_tables_number_unique",
            Self::DetailsOfItem => "extended_menu_details_menu_item_id_unique",
            Self::KnowledgeOfRestaurant => "restaurant_knowledge_restaurant_id_unique",
            Self::OrderOfPaymentIntent => "orders_payment_intent_unique",
            Self::RatingOfItem => "ratings_item_unique",
            Self::RatingOfService => "ratings_service_unique",
            Self::AnswerOfQuestion => "chef_answers_question_unique",
        }
    }

    /// The indexed columns or expressions, in SQL that SQLite and PostgreSQL share.
    #[must_use]
    pub const fn expressions(self) -> &'static str {
        match self {
            Self::PrimaryKey(_) => "id",
            Self::UserEmail => "email",
            Self::RestaurantOfUser => "user_id",
            Self::TableNumber => "restaurant_id, lower(table_number)",
            Self::DetailsOfItem => "menu_item_id",
            Self::KnowledgeOfRestaurant => "restaurant_id",
            Self::OrderOfPaymentIntent => "stripe_payment_intent_id",
            Self::RatingOfItem => "order_id, menu_item_id",
            Self::RatingOfService => "order_id",
            Self::AnswerOfQuestion => "pending_question_id",
        }
    }

    /// Which rows it covers, in SQL that SQLite and PostgreSQL share; `None` for all.
    #[must_use]
    pub const fn condition(self) -> Option<&'static str> {
        match self {
            Self::RatingOfItem => Some("menu_item_id IS NOT NULL"),
            Self::RatingOfService => Some("service_ratings IS NOT NULL"),
            _ => None,
        }
    }

    /// What must be unique about a row; `None` when the rule does not cover it (another table, or a null).
    #[must_use]
    pub fn key_of(self, row: &Row) -> Option<Vec<String>> {
        match (self, row) {
            (Self::PrimaryKey(table), row) if row.table() == table => Some(vec![row.key().to_owned()]),
            (Self::UserEmail, Row::User(user)) => Some(vec![user.email.clone()?]),
            (Self::RestaurantOfUser, Row::Restaurant(r)) => Some(vec![r.user_id.to_string()]),
            (Self::TableNumber, Row::RestaurantTable(t)) => {
                Some(vec![t.restaurant_id.to_string(), t.table_number.to_ascii_lowercase()])
            }
            (Self::DetailsOfItem, Row::ExtendedDetails(d)) => Some(vec![d.menu_item_id.to_string()]),
            (Self::KnowledgeOfRestaurant, Row::RestaurantKnowledge(k)) => {
                Some(vec![k.restaurant_id.to_string()])
            }
            (Self::OrderOfPaymentIntent, Row::Order(o)) => Some(vec![o.stripe_payment_intent_id.clone()?]),
            (Self::RatingOfItem, Row::Rating(r)) => {
                Some(vec![r.order_id.to_string(), r.menu_item_id.as_ref()?.to_string()])
            }
            (Self::RatingOfService, Row::Rating(r)) => {
                r.service_ratings.is_some().then(|| vec![r.order_id.to_string()])
            }
            (Self::AnswerOfQuestion, Row::ChefAnswer(a)) => Some(vec![a.pending_question_id.to_string()]),
            _ => None,
        }
    }
}

/// An index that keeps a frequent read cheap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// Its table.
    pub table: Table,
    /// The columns, in SQL that SQLite and PostgreSQL share.
    pub columns: &'static str,
}

macro_rules! indexes {
    ($($name:literal on $table:ident $columns:literal),+ $(,)?) => {
        /// Every index that is not a uniqueness rule: those of the old schema and those it lacked.
        pub const INDEXES: &[Index] = &[$(
            Index { name: $name, table: Table::$table, columns: $columns }
        ),+];
    };
}

indexes! {
    "idx_translation_menu_item" on MenuItemTranslations "menu_item_id",
    "idx_translation_language" on MenuItemTranslations "language",
    "idx_rating_order" on Ratings "order_id",
    "idx_rating_restaurant" on Ratings "restaurant_id",
    "idx_rating_menu_item" on Ratings "menu_item_id",
    "idx_assistance_restaurant" on AssistanceRequests "restaurant_id",
    "idx_assistance_status" on AssistanceRequests "status",
    "idx_assistance_created" on AssistanceRequests "created_at",
    "idx_table_scan_restaurant" on TableScanEvents "restaurant_id",
    "idx_table_scan_date" on TableScanEvents "scanned_at",
    "idx_ai_call_restaurant" on AiCallEvents "restaurant_id",
    "idx_ai_call_date" on AiCallEvents "called_at",
    "idx_tables_restaurant" on RestaurantTables "restaurant_id",
    "idx_menu_items_restaurant" on MenuItems "restaurant_id, created_at, id",
    "idx_orders_restaurant_created" on Orders "restaurant_id, created_at, id",
    "idx_orders_table" on Orders "table_id",
    "idx_order_items_order" on OrderItems "order_id",
    "idx_order_items_menu_item" on OrderItems "menu_item_id",
    "idx_assistance_table" on AssistanceRequests "table_id",
    "idx_assistance_order" on AssistanceRequests "order_id",
    "idx_questions_restaurant_status" on PendingQuestions "restaurant_id, status",
    "idx_questions_session" on PendingQuestions "customer_session_id",
    "idx_questions_table" on PendingQuestions "table_id",
    "idx_answers_restaurant" on ChefAnswers "restaurant_id",
    "idx_faq_restaurant" on Faqs "restaurant_id",
    "idx_table_scan_table" on TableScanEvents "table_id",
    "idx_idempotency_restaurant" on IdempotencyKeys "restaurant_id",
    "idx_idempotency_order" on IdempotencyKeys "order_id",
    "idx_idempotency_created" on IdempotencyKeys "created_at",
    "idx_uploads_user" on Uploads "user_id",
    "idx_uploads_created" on Uploads "created_at",
}
