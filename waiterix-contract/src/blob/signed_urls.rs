//! A server of signed object URLs, for stores that have none of their own.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::TryStreamExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;
use waiterix_domain::Secret;
use waiterix_ports::signed_url::{SignedPut, UrlSigner};
use waiterix_ports::{BlobStore, Clock, Error, ErrorKind, Result};

/// An address on which signed URLs are going to be served. It is bound before the store is made, because the store
/// needs a signer of this address.
#[derive(Debug)]
pub struct SignedUrls {
    listener: TcpListener,
    signer: UrlSigner,
}

/// Serves as long as it is kept; give it to [`crate::Fixture::guarded`].
#[derive(Debug)]
pub struct Served(JoinHandle<()>);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl SignedUrls {
    /// Takes a free port of this machine.
    ///
    /// # Panics
    /// When there is none.
    #[allow(clippy::expect_used, reason = "a case that cannot start must fail")]
    pub async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let base = Url::parse(&format!("http://127.0.0.1:{port}")).expect("a URL");
        let signer = UrlSigner::new(base, Secret::new("the secret of the contract suite"));
        Self { listener, signer }
    }

    /// The signer whose URLs are served here.
    #[must_use]
    pub fn signer(&self) -> UrlSigner {
        self.signer.clone()
    }

    /// Serves the objects of a store, whose clock must be this one.
    #[must_use]
    pub fn serve(self, store: Arc<dyn BlobStore>, clock: Arc<dyn Clock>) -> Served {
        let shared = Arc::new(Shared { signer: self.signer, store, clock });
        let router = Router::new().fallback(answer).with_state(shared);
        Served(tokio::spawn(async move {
            // It ends by being aborted; before that, failed connections are for their clients to see.
            axum::serve(self.listener, router).await.unwrap_or_default();
        }))
    }
}

struct Shared {
    signer: UrlSigner,
    store: Arc<dyn BlobStore>,
    clock: Arc<dyn Clock>,
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.answer(request).await.unwrap_or_else(|error| status_of(error.kind()).into_response())
}

impl Shared {
    async fn answer(&self, request: Request) -> Result<Response> {
        let (parts, body) = request.into_parts();
        let missing = || Error::new(ErrorKind::NotFound, "signed_urls.answer");
        let encoded_key = parts.uri.path().strip_prefix("/api/objects/").ok_or_else(missing)?;
        let query = parts.uri.query().unwrap_or_default();
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let now = self.clock.now();
        if parts.method == Method::GET {
            let found = self.signer.open_download(&*self.store, encoded_key, query, None, now).await?;
            let content_type = [(header::CONTENT_TYPE, found.meta.content_type)];
            return Ok((content_type, Body::from_stream(found.body)).into_response());
        }
        if parts.method != Method::PUT {
            return Ok(StatusCode::METHOD_NOT_ALLOWED.into_response());
        }
        let cut_off = |error| Error::new(ErrorKind::Unavailable, "signed_urls.answer").because(error);
        let put = SignedPut {
            encoded_key,
            query,
            content_type: header(header::CONTENT_TYPE),
            content_length: header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            body: Box::pin(body.into_data_stream().map_err(cut_off)),
        };
        self.signer.accept_upload(&*self.store, put, now).await?;
        Ok(StatusCode::OK.into_response())
    }
}

const fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
