//! The routes, one room per area of the restaurant.

pub mod auth;
pub mod realtime;
pub mod service;

use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::Shared;

#[derive(OpenApi)]
#[openapi(info(
    title = "Waiterix",
    description = "Backend of a restaurant QR-ordering service: guests read the menu, order, ask the chef and call the waiter; owners run the restaurant; everything is live.",
    license(name = "MIT OR Apache-2.0")
))]
struct Document;

/// Every route, with the document made from them.
#[must_use]
pub fn all() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(service::router())
        .merge(auth::router())
        .merge(realtime::router())
}
