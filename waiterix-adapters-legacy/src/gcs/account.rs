//! The key of a service account: it signs URLs, and assertions that are exchanged for tokens.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::SigningKey;
use serde::Deserialize;
use serde_json::json;
use url::Url;
use waiterix_domain::{Secret, Timestamp};
use waiterix_ports::{Error, ErrorKind, Result};

use super::token::{self, Issuer, Token};

/// How long an assertion is good for; the longest that is taken.
const ASSERTION_SECONDS: i64 = 3600;

/// A service account.
pub(super) struct ServiceAccount {
    email: String,
    key_id: Option<String>,
    key: Arc<dyn SigningKey>,
    token_url: Url,
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount").field("email", &self.email).finish_non_exhaustive()
    }
}

/// The file that Google's console gives out.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    client_email: String,
    private_key_id: Option<String>,
    private_key: Option<Pem>,
    token_uri: Option<String>,
}

/// A key in PEM, wiped when it was read.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Pem(Secret);

impl From<String> for Pem {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

impl ServiceAccount {
    /// Reads the file of a key.
    pub(super) fn open(operation: &'static str, path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            invalid(operation, "the file of GOOGLE_APPLICATION_CREDENTIALS cannot be read").because(error)
        })?;
        Self::parse(operation, &Secret::new(text))
    }

    /// Understands the text of a key file. Other kinds of credentials than keys cannot sign URLs by themselves.
    pub(super) fn parse(operation: &'static str, text: &Secret) -> Result<Self> {
        // What the parser says of a text may show a part of it.
        let file: File = serde_json::from_str(text.reveal())
            .map_err(|_| invalid(operation, "the file of GOOGLE_APPLICATION_CREDENTIALS is no key file"))?;
        if file.kind != "service_account" {
            return Err(invalid(
                operation,
                "GOOGLE_APPLICATION_CREDENTIALS is not the key of a service account",
            ));
        }
        let token_url = file.token_uri.and_then(|text| Url::parse(&text).ok()).filter(Url::has_host);
        let (Some(pem), Some(token_url)) = (file.private_key, token_url) else {
            return Err(invalid(operation, "the key file lacks the key or the address for tokens"));
        };
        if file.client_email.is_empty() {
            return Err(invalid(operation, "the key file lacks the address of the account"));
        }
        let key = PrivateKeyDer::from_pem_slice(pem.0.reveal().as_bytes())
            .ok()
            .and_then(|der| rustls::crypto::ring::sign::any_supported_type(&der).ok())
            .filter(|key| key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).is_some());
        let key = key.ok_or_else(|| invalid(operation, "the key file holds no RSA key"))?;
        Ok(Self { email: file.client_email, key_id: file.private_key_id, key, token_url })
    }

    /// The address by which the account is named in signatures.
    pub(super) fn email(&self) -> &str {
        &self.email
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256.
    pub(super) fn sign(&self, operation: &'static str, message: &[u8]) -> Result<Vec<u8>> {
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]);
        let signature = signer.and_then(|signer| signer.sign(message).ok());
        signature.ok_or_else(|| invalid(operation, "the key of the service account does not sign"))
    }

    /// A signed statement that we are this account (RFC 7523).
    fn assertion(&self, now: Timestamp) -> Result<Secret> {
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.key_id {
            header["kid"] = json!(id);
        }
        let claims = json!({
            "iss": self.email,
            "scope": token::SCOPE,
            "aud": self.token_url.as_str(),
            "iat": now.as_seconds(),
            "exp": now.as_seconds() + ASSERTION_SECONDS,
        });
        let statement = format!("{}.{}", encode(header), encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.sign(token::OPERATION, statement.as_bytes())?);
        Ok(Secret::new(format!("{statement}.{signature}")))
    }
}

#[async_trait]
impl Issuer for ServiceAccount {
    async fn issue(&self, client: &reqwest::Client, now: Timestamp) -> Result<Token> {
        let assertion = self.assertion(now)?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.reveal()),
        ];
        token::exchanged(client, self.token_url.as_str(), &form).await
    }
}

fn invalid(operation: &'static str, fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation).with("fault", fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ServiceAccount> {
        ServiceAccount::parse("test", &Secret::new(text))
    }

    #[test]
    fn what_is_no_key_of_a_service_account_is_refused_without_showing_it() {
        for text in [
            "",
            "not json, hunter2",
            r#"{"type":"authorized_user","client_secret":"hunter2","refresh_token":"hunter2"}"#,
            r#"{"type":"service_account","client_email":"a@b","private_key":"hunter2"}"#,
            r#"{"type":"service_account","client_email":"a@b","private_key":"hunter2","token_uri":"https://t.example"}"#,
            r#"{"type":"service_account","private_key":"hunter2","token_uri":"https://t.example"}"#,
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn an_account_does_not_show_its_key() {
        let account = parse(&super::super::presign::golden::key_file()).unwrap();
        assert_eq!(
            format!("{account:?}"),
            "ServiceAccount { email: \"test-iam-credentials@dummy-project-id.iam.gserviceaccount.com\", .. }"
        );
    }
}
