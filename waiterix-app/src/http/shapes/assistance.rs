//! Calls for a waiter.

use serde::Serialize;
use utoipa::ToSchema;
use waiterix_domain::facts::LabelledRequest;
use waiterix_domain::schema;

use super::time;

/// A call for a waiter.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssistanceRequest {
    id: String,
    restaurant_id: String,
    table_id: Option<String>,
    order_id: Option<String>,
    customer_message: Option<String>,
    /// `call_waiter` or `help_needed`.
    request_type: String,
    /// `pending`, `acknowledged` or `resolved`.
    status: String,
    created_at: String,
    updated_at: String,
}

impl From<schema::AssistanceRequest> for AssistanceRequest {
    fn from(request: schema::AssistanceRequest) -> Self {
        Self {
            id: request.id.into_string(),
            restaurant_id: request.restaurant_id.into_string(),
            table_id: request.table_id.map(waiterix_domain::id::TableId::into_string),
            order_id: request.order_id.map(waiterix_domain::id::OrderId::into_string),
            customer_message: request.customer_message,
            request_type: request.request_type.to_string(),
            status: request.status.to_string(),
            created_at: time(request.created_at),
            updated_at: time(request.updated_at),
        }
    }
}

/// A call for a waiter with the label of its table.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssistanceRequestWithTable {
    #[serde(flatten)]
    request: AssistanceRequest,
    table_number: Option<String>,
}

impl AssistanceRequestWithTable {
    /// A request and the label of its table.
    #[must_use]
    pub fn new(request: schema::AssistanceRequest, table_number: Option<String>) -> Self {
        Self { request: request.into(), table_number }
    }
}

impl From<LabelledRequest> for AssistanceRequestWithTable {
    fn from(labelled: LabelledRequest) -> Self {
        Self::new(labelled.request, labelled.table_number)
    }
}
