//! Routes that are documented where they are written, with a document that is made only when somebody asks for it: a function that
//! starts for a guest answers first.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::MethodRouter;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::Shared;

/// Adds some routes to a document.
type Documenting = fn(OpenApiRouter<Shared>) -> OpenApiRouter<Shared>;

/// What is served under one path, and what is said of it.
pub(crate) struct Routed {
    pub(crate) path: String,
    pub(crate) methods: MethodRouter<Shared>,
    pub(crate) documenting: Documenting,
}

/// Handlers of one path that are annotated with `utoipa::path`.
macro_rules! routes {
    ($first:ident $(, $other:ident)*) => {
        $crate::http::documented::Routed {
            path: pastey::paste! { <[<__path_ $first>] as utoipa::Path>::path() },
            methods: axum::routing::MethodRouter::new()
                $(.merge($crate::http::documented::on!($other)))*
                .merge($crate::http::documented::on!($first)),
            documenting: |document| document.routes(utoipa_axum::routes!($first $(, $other)*)),
        }
    };
}

/// A handler for the methods it is annotated with.
macro_rules! on {
    ($handler:ident) => {{
        let methods = pastey::paste! { <[<__path_ $handler>] as utoipa::Path>::methods() };
        methods.iter().fold(axum::routing::MethodRouter::new(), |router, method| {
            router.on(utoipa_axum::PathItemExt::to_method_filter(method), $handler)
        })
    }};
}

pub(crate) use {on, routes};

/// Routes, each with its part of the document.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Shared>,
    documenting: Vec<Documenting>,
}

impl Routes {
    /// Adds what is served under a path.
    pub(crate) fn routes(mut self, routed: Routed) -> Self {
        self.documenting.push(routed.documenting);
        Self { router: self.router.route(&routed.path, routed.methods), ..self }
    }

    /// Adds all of others.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.documenting.extend(other.documenting);
        Self { router: self.router.merge(other.router), ..self }
    }

    /// Bodies of all these may be so large.
    pub(crate) fn with_bodies_up_to(self, bytes: usize) -> Self {
        Self { router: self.router.layer(DefaultBodyLimit::max(bytes)), ..self }
    }

    /// What is served.
    pub(crate) fn into_router(self) -> Router<Shared> {
        self.router
    }

    /// The document of all of it, after what it begins with.
    pub(crate) fn document(&self, beginning: OpenApi) -> OpenApi {
        let begun = OpenApiRouter::with_openapi(beginning);
        self.documenting.iter().fold(begun, |document, add| add(document)).into_openapi()
    }
}
