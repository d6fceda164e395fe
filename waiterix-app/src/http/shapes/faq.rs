//! Learnt questions and answers.

use serde::Serialize;
use utoipa::ToSchema;
use waiterix_domain::schema;

use super::time;

/// A question and answer learnt from a chef.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Faq {
    id: String,
    restaurant_id: String,
    question: String,
    answer: String,
    keywords: Option<Vec<String>>,
    related_menu_item_ids: Option<Vec<String>>,
    usage_count: i32,
    created_at: String,
    updated_at: String,
}

impl From<schema::Faq> for Faq {
    fn from(faq: schema::Faq) -> Self {
        Self {
            id: faq.id.into_string(),
            restaurant_id: faq.restaurant_id.into_string(),
            question: faq.question,
            answer: faq.answer,
            keywords: faq.keywords,
            related_menu_item_ids: faq.related_menu_item_ids,
            usage_count: faq.usage_count,
            created_at: time(faq.created_at),
            updated_at: time(faq.updated_at),
        }
    }
}
