//! Telling how requests were answered: one span, one line of the log and one observation each.

use std::fmt;
use std::time::Duration;

use axum::extract::MatchedPath;
pub use axum::http::StatusCode;
use axum::http::{Method, Request};
use tokio::time::Instant;
use tracing::Span;

use super::trace_id::TraceId;
use crate::Shared;

/// How a request ended. There are as many different ones as routes times methods times classes, whatever clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered<'a> {
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE` or `OPTIONS`; `OTHER` for what a client made up.
    pub method: &'static str,
    /// The pattern of the route, such as `/api/orders/{id}`; `-` where no route took the request.
    pub route: &'a str,
    /// The status; nothing when whoever asked went away before there was an answer.
    pub status: Option<StatusCode>,
    /// How long it took until the answer began.
    pub duration: Duration,
}

impl Answered<'_> {
    /// The class of the status as a stable word, for metrics: `2xx` and so on, or `abandoned`.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self.status.map(|status| status.as_u16() / 100) {
            None => "abandoned",
            Some(1) => "1xx",
            Some(2) => "2xx",
            Some(3) => "3xx",
            Some(4) => "4xx",
            Some(_) => "5xx",
        }
    }

    /// Whether the fault is ours.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        self.status.is_some_and(|status| status.as_u16() >= 500)
    }
}

/// Takes observations of requests, to make metrics of them.
pub trait RequestMeter: fmt::Debug + Send + Sync + 'static {
    /// Notes one. It is called where the answer begins, so it must not block.
    fn observe(&self, answered: &Answered<'_>);
}

/// Takes no notice.
impl RequestMeter for () {
    fn observe(&self, _: &Answered<'_>) {}
}

/// One request under way; tells about it when it is dropped.
pub(super) struct Watch {
    app: Shared,
    span: Span,
    method: &'static str,
    route: Option<MatchedPath>,
    begun: Instant,
    status: Option<StatusCode>,
}

impl Watch {
    /// Begins to watch a request with this id.
    ///
    /// The span has the level of the gravest event in it: with a lesser one, a filter that lets only errors pass would take
    /// the ids from them.
    pub(super) fn begin<B>(app: Shared, request: &Request<B>, id: &str) -> Self {
        let headers = request.headers();
        let trace = TraceId::current()
            .or_else(|| TraceId::of_headers(headers))
            .unwrap_or_else(|| TraceId::fresh(app.clock.now(), &*app.random));
        let method = known(request.method());
        let route = request.extensions().get::<MatchedPath>().cloned();
        let span = tracing::error_span!("request", id, %trace, method, route = pattern(route.as_ref()));
        Self { app, span, method, route, begun: Instant::now(), status: None }
    }

    pub(super) const fn span(&self) -> &Span {
        &self.span
    }

    /// It was answered.
    pub(super) fn end(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let duration = self.begun.elapsed();
        let (method, route, status) = (self.method, pattern(self.route.as_ref()), self.status);
        let duration_ms = duration.as_secs_f64() * 1000.0;
        self.span.in_scope(|| match status {
            Some(status) => tracing::info!(status = status.as_u16(), duration_ms, "answered"),
            None => tracing::info!(duration_ms, "abandoned"),
        });
        self.app.meter.observe(&Answered { method, route, status, duration });
    }
}

fn pattern(route: Option<&MatchedPath>) -> &str {
    route.map_or("-", MatchedPath::as_str)
}

/// Clients may send any word as a method.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
