//! One request over the wire, and what its failure means.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use waiterix_ports::{Error, ErrorKind, Result, Retry};

use super::failure::refused;
use super::settings::Limits;

/// The longest answer that is not the bytes of an object: a page of a thousand names of a kilobyte, and more.
const MAX_JSON_BYTES: usize = 16 * 1024 * 1024;
/// A connection that was idle for longer may be dead without anybody having said so.
const IDLE: Duration = Duration::from_secs(20);

/// A client of HTTP. Nothing is sent.
pub(crate) fn client(operation: &'static str, limits: &Limits) -> Result<Client> {
    // Harmless when another part of the process has named one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .connect_timeout(limits.connect)
        .pool_idle_timeout(IDLE)
        .redirect(Policy::none())
        .build()
        .map_err(|_| Error::new(ErrorKind::Invalid, operation).with("fault", "no client of HTTP can be made"))
}

/// Sends a request once; an answer that is a refusal is an error.
pub(crate) async fn sent(operation: &'static str, request: RequestBuilder) -> Result<Response> {
    let response = request.send().await.map_err(|error| broken(operation, &error))?;
    taken(operation, response).await
}

/// An answer, unless it is a refusal. 308 is none: by it an upload is told to go on.
pub(super) async fn taken(operation: &'static str, response: Response) -> Result<Response> {
    if response.status().is_success() || response.status().as_u16() == 308 {
        Ok(response)
    } else {
        Err(refused(operation, response).await)
    }
}

/// Reads an answer that is JSON.
pub(crate) async fn json<T: DeserializeOwned>(operation: &'static str, response: Response) -> Result<T> {
    let body = body(operation, response, MAX_JSON_BYTES).await?;
    serde_json::from_slice(&body).map_err(|_| {
        // What answers so may be no server of objects at all, but something on the way to it.
        Error::new(ErrorKind::Unavailable, operation)
            .retry(Retry::Ambiguous)
            .with("fault", "the answer cannot be understood")
    })
}

/// Reads an answer, which must not be longer than `most` bytes.
pub(super) async fn body(operation: &'static str, mut response: Response, most: usize) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| broken(operation, &error))? {
        body.extend_from_slice(&piece);
        if body.len() > most {
            return Err(Error::new(ErrorKind::Corrupt, operation).with("fault", "the answer is too long"));
        }
    }
    Ok(body)
}

/// What it means that a request or its answer did not arrive. The client's own text may hold a URL with a signature or the
/// name of an object, so it is not kept.
pub(super) fn broken(operation: &'static str, error: &reqwest::Error) -> Error {
    let (kind, retry, fault) = if error.is_connect() {
        (ErrorKind::Unavailable, Retry::Safe, "no connection")
    } else if error.is_timeout() {
        (ErrorKind::Timeout, Retry::Ambiguous, "no answer in time")
    } else if error.is_builder() {
        (ErrorKind::Invalid, Retry::No, "the request cannot be made")
    } else {
        (ErrorKind::Unavailable, Retry::Ambiguous, "the connection failed")
    };
    Error::new(kind, operation).retry(retry).with("fault", fault)
}

/// What it means that nothing arrived in time.
pub(super) fn late(operation: &'static str) -> Error {
    Error::new(ErrorKind::Timeout, operation).retry(Retry::Ambiguous).with("fault", "no answer in time")
}
