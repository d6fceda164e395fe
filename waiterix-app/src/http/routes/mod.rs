//! The routes, one room per area of the restaurant.

pub mod admin;
pub mod analytics;
pub mod assistance;
pub mod auth;
pub mod faqs;
pub mod menu;
pub mod menu_csv;
mod object_range;
mod object_upload;
pub mod objects;
pub mod orders;
pub mod public;
pub mod questions;
pub mod ratings;
pub mod realtime;
pub mod receipts;
pub mod reports;
pub mod restaurant;
pub mod service;
pub mod support;
pub mod tables;

use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use super::documented::Routes;

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "Waiterix",
    description = "Backend of a restaurant QR-ordering service: guests read the menu, order, ask the chef and call the waiter; owners run the restaurant; everything is live.",
    license(name = "MIT OR Apache-2.0")
))]
struct Document;

/// Every route.
pub(super) fn all() -> Routes {
    Routes::default()
        .merge(service::router())
        .merge(auth::router())
        .merge(analytics::router())
        .merge(faqs::router())
        .merge(public::router())
        .merge(questions::router())
        .merge(reports::router())
        .merge(support::router())
        .merge(orders::router())
        .merge(receipts::router())
        .merge(ratings::router())
        .merge(assistance::router())
        .merge(restaurant::router())
        .merge(tables::router())
        .merge(menu_csv::router())
        .merge(menu::router())
        .merge(objects::router())
        .merge(admin::router())
        .merge(realtime::router())
}

/// The document made from every route.
pub(super) fn document() -> OpenApi {
    all().document(Document::openapi())
}
