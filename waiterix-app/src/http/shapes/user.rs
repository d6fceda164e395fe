//! Users.

use serde::Serialize;
use utoipa::ToSchema;
use waiterix_domain::{Timestamp, schema};

use super::{time, time_or_null};

/// An owner's account.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    id: String,
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    profile_image_url: Option<String>,
    accepted_terms: bool,
    accepted_terms_at: Option<String>,
    created_at: String,
    updated_at: String,
}

impl From<schema::User> for User {
    fn from(user: schema::User) -> Self {
        // Some old rows have no times; the shape promises them.
        let created_at = user.created_at.or(user.updated_at).unwrap_or(Timestamp::EPOCH);
        Self {
            id: user.id.into_string(),
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            profile_image_url: user.profile_image_url,
            accepted_terms: user.accepted_terms,
            accepted_terms_at: time_or_null(user.accepted_terms_at),
            created_at: time(created_at),
            updated_at: time(user.updated_at.unwrap_or(created_at)),
        }
    }
}
