//! The sidecar of the hosting platform the service comes from: it gives out tokens for the storage, and signs URLs.
//!
//! It listens on the loopback interface of the container and asks for no right. The store is [`crate::gcs::GcsBlobStore`];
//! this is what it has in place of a service account.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use url::Url;
use waiterix_domain::blob_ref::LegacyObject;
use waiterix_domain::{Secret, Timestamp};
use waiterix_ports::vars::Vars;
use waiterix_ports::{Error, ErrorKind, Result};

use crate::gcs::token::{self, Issuer, Token};
use crate::gcs::wire;

/// Where the platform has it.
const HOME: &str = "http://127.0.0.1:1106";

/// Who signs the URLs to which browsers upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignedUploads {
    /// The service, which takes the upload itself: then type, length and that nothing is replaced are checked.
    #[default]
    Service,
    /// The sidecar, whose signature says nothing of the three. What was uploaded is looked at when it is attached.
    Sidecar,
}

/// Where the sidecar is, and what it is used for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SidecarSettings {
    /// Its address, if it is not where the platform has it: `REPLIT_SIDECAR_URL`.
    pub base: Option<Url>,
    /// Who signs uploads: `REPLIT_SIGNED_UPLOADS`.
    pub uploads: SignedUploads,
}

impl SidecarSettings {
    /// Reads `REPLIT_SIDECAR_URL` and `REPLIT_SIGNED_UPLOADS`; problems are noted in `vars`. `None` if neither is set.
    pub(crate) fn read(vars: &mut Vars<'_>) -> Option<Self> {
        let base = vars.text("REPLIT_SIDECAR_URL");
        let uploads = vars.text("REPLIT_SIGNED_UPLOADS");
        if base.is_none() && uploads.is_none() {
            return None;
        }
        let mut settings = Self::default();
        if let Some(text) = base {
            match Url::parse(&text).ok().filter(is_on_this_machine) {
                Some(url) => settings.base = Some(url),
                // What it gives out passes over the wire in the clear.
                None => vars
                    .problem("REPLIT_SIDECAR_URL", "must be an http URL of the machine itself, without path"),
            }
        }
        match uploads.as_deref() {
            None | Some("service") => {}
            Some("sidecar") => settings.uploads = SignedUploads::Sidecar,
            Some(_) => vars.problem("REPLIT_SIGNED_UPLOADS", "must be service or sidecar"),
        }
        Some(settings)
    }
}

fn is_on_this_machine(url: &Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
        && url.scheme() == "http"
        && url.path() == "/"
        && url.query().is_none()
        && url.username().is_empty()
}

/// The sidecar.
#[derive(Debug)]
pub(crate) struct Sidecar {
    /// Scheme, host and port, without a slash at the end.
    base: String,
}

#[derive(Deserialize)]
struct Credential {
    access_token: String,
}

#[derive(Deserialize)]
struct SignedUrl {
    signed_url: String,
}

impl Sidecar {
    pub(crate) fn new(settings: &SidecarSettings) -> Self {
        let base = settings.base.as_ref().map_or(HOME, Url::as_str);
        Self { base: base.trim_end_matches('/').to_owned() }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A URL that is good for a method on an object until an instant. One attempt.
    pub(crate) async fn sign(
        &self,
        operation: &'static str,
        client: &reqwest::Client,
        method: &'static str,
        place: &LegacyObject,
        end: Timestamp,
    ) -> Result<Url> {
        let wanted = json!({
            "bucket_name": place.bucket,
            "object_name": place.object,
            "method": method,
            "expires_at": end.to_string(),
        });
        let request = client
            .post(self.at("/object-storage/signed-object-url"))
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(wanted.to_string());
        let response = wire::sent(operation, request).await.map_err(|error| match error.kind() {
            // Whatever is not there, it is not the object: a URL may be signed for one that is none.
            ErrorKind::NotFound => Error::new(ErrorKind::Unavailable, operation).because(error),
            _ => error,
        })?;
        let answer: SignedUrl = wire::json(operation, response).await?;
        // What cannot be parsed is not shown: it would be a permission.
        let url = Url::parse(&answer.signed_url).ok();
        url.filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_some())
            .ok_or_else(|| Error::new(ErrorKind::Corrupt, operation).with("fault", "the signed URL is none"))
    }
}

#[async_trait]
impl Issuer for Sidecar {
    /// Exchanges the credential of the container for a token (RFC 8693).
    async fn issue(&self, client: &reqwest::Client, _: Timestamp) -> Result<Token> {
        let response = wire::sent(token::OPERATION, client.get(self.at("/credential"))).await;
        let credential: Credential = wire::json(token::OPERATION, response.map_err(token::denied)?).await?;
        let subject = Secret::new(credential.access_token);
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", "replit"),
            ("scope", token::SCOPE),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token", subject.reveal()),
            ("subject_token_type", "access_token"),
        ];
        token::exchanged(client, &self.at("/token"), &form).await
    }
}
