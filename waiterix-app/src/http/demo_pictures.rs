//! The pictures of the built-in demo menu, drawn when they are first asked for.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::get;
use waiterix_domain::demo;

use crate::Shared;
use crate::plate::plate;

/// A route for each picture that the demo menu names. They stand under the path of the web client's stock pictures, so
/// only exactly these are taken.
pub(super) fn router() -> Router<Shared> {
    (0_u32..).zip(demo::pictures()).fold(Router::new(), |router, (nth, (path, category))| {
        let drawn: Arc<OnceLock<Option<Bytes>>> = Arc::default();
        router.route(path, get(move || async move { shown(&drawn, category, nth) }))
    })
}

fn shown(drawn: &OnceLock<Option<Bytes>>, category: &str, nth: u32) -> Response<Body> {
    match drawn.get_or_init(|| plate(category, 100 + nth).ok().map(Bytes::from)) {
        Some(png) => {
            let headers = [(CONTENT_TYPE, "image/png"), (CACHE_CONTROL, "public, max-age=86400")];
            (headers, png.clone()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
