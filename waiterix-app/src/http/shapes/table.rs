//! Tables.

use serde::Serialize;
use utoipa::ToSchema;
use waiterix_domain::schema;

use super::time;

/// A table as its owner sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestaurantTable {
    id: String,
    restaurant_id: String,
    table_number: String,
    /// Always null.
    qr_code_url: Option<String>,
    created_at: String,
}

impl From<schema::RestaurantTable> for RestaurantTable {
    fn from(table: schema::RestaurantTable) -> Self {
        Self {
            id: table.id.into_string(),
            restaurant_id: table.restaurant_id.into_string(),
            table_number: table.table_number,
            qr_code_url: table.qr_code_url,
            created_at: time(table.created_at),
        }
    }
}

/// A table as guests see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublicTable {
    id: String,
    table_number: String,
    restaurant_id: String,
}

impl From<schema::RestaurantTable> for PublicTable {
    fn from(table: schema::RestaurantTable) -> Self {
        Self {
            id: table.id.into_string(),
            table_number: table.table_number,
            restaurant_id: table.restaurant_id.into_string(),
        }
    }
}
