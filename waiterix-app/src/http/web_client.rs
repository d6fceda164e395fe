//! The built web client, served from the origin of the API, where its cookies, pictures and sockets just work.

use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT, CACHE_CONTROL};
use axum::http::{HeaderMap, HeaderValue, Method, Response};
use axum::response::IntoResponse as _;
use tower::ServiceExt as _;
use tower_http::services::{ServeDir, ServeFile};

/// The folder of the built web client.
#[derive(Debug, Clone)]
pub struct WebClient(PathBuf);

impl WebClient {
    /// The client in a folder, which must hold an `index.html`.
    ///
    /// # Errors
    /// What is wrong with the folder.
    pub fn open(dir: &Path) -> Result<Self, String> {
        if dir.join("index.html").is_file() {
            Ok(Self(dir.to_owned()))
        } else {
            Err(format!("{} holds no index.html", dir.display()))
        }
    }

    /// Whether a request that no route takes is for the client: reading, and not below the API.
    #[must_use]
    pub fn takes(method: &Method, path: &str) -> bool {
        matches!(*method, Method::GET | Method::HEAD) && path != "/api" && !path.starts_with("/api/")
    }

    /// Whether the sender is a browser that opens a page.
    #[must_use]
    pub fn wants_page(headers: &HeaderMap) -> bool {
        headers
            .get(ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html"))
    }

    /// A file of the client; any path that is no file is a page of its own, which `index.html` draws.
    pub async fn serve(&self, request: Request) -> Response<Body> {
        let index = ServeFile::new(self.0.join("index.html"));
        let files = ServeDir::new(&self.0).append_index_html_on_directories(true).fallback(index);
        let mut response = files.oneshot(request).await.into_response();
        // Names of built assets carry a hash, but the pages do not.
        response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(client: &WebClient, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = client.serve(request).await;
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn m3_m19_files_are_served_and_every_other_path_is_a_page() {
        let dir = tempfile::tempdir().unwrap();
        assert!(WebClient::open(dir.path()).is_err());
        std::fs::write(dir.path().join("index.html"), "page").unwrap();
        std::fs::write(dir.path().join("app.js"), "script").unwrap();
        let client = WebClient::open(dir.path()).unwrap();
        assert_eq!(body(&client, "/app.js").await, (200, "script".to_owned()));
        for path in ["/", "/menu/demo?table=1", "/dashboard", "/../../etc/passwd"] {
            assert_eq!(body(&client, path).await, (200, "page".to_owned()), "{path}");
        }
        assert!(WebClient::takes(&Method::GET, "/menu/demo"));
        assert!(!WebClient::takes(&Method::GET, "/api/unknown"));
        assert!(!WebClient::takes(&Method::POST, "/menu/demo"));
    }
}
