//! Posting to a connection.
//!
//! An event is one small request for each connection, and what the SDK does around a request costs more than the request. So this one request, whose form is simple, is made here: signed by the SDK's signer and sent over the
//! SDK's connections, with the credentials of its chain. It fails with the SDK's errors. All other requests are the SDK's.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_apigatewaymanagement::error::ErrorMetadata;
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::endpoint::Endpoint;

/// Credentials that end sooner than this are fetched anew.
const LAST_MINUTES: Duration = Duration::from_secs(120);
/// How long fetching them may take.
const FETCH: Duration = Duration::from_secs(5);
/// What stays as it is in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const CONTENT_TYPE: (&str, &str) = ("content-type", "application/octet-stream");

/// A failed post, as the SDK would say it.
pub(super) type PostError = SdkError<PostToConnectionError, HttpResponse>;

/// Signs and sends posts.
pub(super) struct Poster {
    config: SdkConfig,
    connect_timeout: Duration,
    attempt_timeout: Duration,
    /// Made by the first post, because it reads the certificates of the system.
    connector: OnceLock<Option<SharedHttpConnector>>,
    identity: Mutex<Option<Identity>>,
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poster").finish_non_exhaustive()
    }
}

impl Poster {
    pub(super) fn new(config: &SdkConfig, connect_timeout: Duration, attempt_timeout: Duration) -> Self {
        let (connector, identity) = (OnceLock::new(), Mutex::new(None));
        Self { config: config.clone(), connect_timeout, attempt_timeout, connector, identity }
    }

    /// Posts to a connection, once.
    pub(super) async fn post(&self, endpoint: &Endpoint, id: &str, data: Bytes) -> Result<(), PostError> {
        let request = self.signed(endpoint, id, data).await?;
        timeout(self.attempt_timeout, self.sent(request)).await.map_err(SdkError::timeout_error)?
    }

    async fn sent(&self, request: HttpRequest) -> Result<(), PostError> {
        let connector = self.connector().ok_or_else(|| not_sent("there is no connector"))?;
        let response = connector.call(request).await.map_err(SdkError::dispatch_failure)?;
        let success = response.status().is_success();
        let code = response.headers().get("x-amzn-errortype").and_then(|code| code.split(':').next());
        let code = code.map(str::to_owned);
        // A connection is used again once its answer is read.
        let (response, body) = take_body(response);
        if let Err(error) = ByteStream::new(body).collect().await {
            return Err(SdkError::response_error(error, response));
        }
        if success {
            return Ok(());
        }
        let mut meta = ErrorMetadata::builder();
        if let Some(code) = code {
            meta = meta.code(code);
        }
        Err(SdkError::service_error(PostToConnectionError::generic(meta.build()), response))
    }

    fn connector(&self) -> Option<&SharedHttpConnector> {
        let make = || {
            let settings = HttpConnectorSettings::builder().connect_timeout(self.connect_timeout).build();
            aws_smithy_http_client::default_connector(&settings, self.config.sleep_impl())
        };
        self.connector.get_or_init(make).as_ref()
    }

    async fn signed(&self, endpoint: &Endpoint, id: &str, data: Bytes) -> Result<HttpRequest, PostError> {
        let region = self.config.region().ok_or_else(|| not_sent("there is no region"))?;
        let time = self.config.time_source().unwrap_or_default().now();
        let identity = self.identity(time).await?;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region.as_ref())
            .name("execute-api")
            .time(time)
            .settings(SigningSettings::default())
            .build()
            .map_err(SdkError::construction_failure)?
            .into();
        let url = format!("{}/@connections/{}", endpoint.as_str(), utf8_percent_encode(id, SEGMENT));
        let body = SignableBody::Bytes(&data);
        let signable = SignableRequest::new("POST", &url, [CONTENT_TYPE].into_iter(), body);
        let signable = signable.map_err(SdkError::construction_failure)?;
        let (instructions, _) = sign(signable, &params).map_err(SdkError::construction_failure)?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(data));
        request.set_method("POST").map_err(SdkError::construction_failure)?;
        request.set_uri(url).map_err(SdkError::construction_failure)?;
        request.headers_mut().insert(CONTENT_TYPE.0, CONTENT_TYPE.1);
        for header in instructions.into_parts().0 {
            let (name, value) = (header.name(), header.value().to_owned());
            request.headers_mut().try_insert(name, value).map_err(SdkError::construction_failure)?;
        }
        Ok(request)
    }

    /// The credentials to sign with; fetched once for all posts that wait for them, and again before they end.
    async fn identity(&self, now: std::time::SystemTime) -> Result<Identity, PostError> {
        let mut known = self.identity.lock().await;
        if let Some(identity) = known.as_ref()
            && identity.expiration().is_none_or(|end| end > now + LAST_MINUTES)
        {
            return Ok(identity.clone());
        }
        let provider: SharedCredentialsProvider =
            self.config.credentials_provider().ok_or_else(|| not_sent("there are no credentials"))?;
        let credentials = timeout(FETCH, provider.provide_credentials()).await;
        let credentials = credentials.map_err(SdkError::timeout_error)?.map_err(not_sent)?;
        Ok(known.insert(credentials.into()).clone())
    }
}

/// A failure before anything was sent that is not the network's: in the words of the SDK, a dispatch failure of no kind.
fn not_sent(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PostError {
    SdkError::dispatch_failure(ConnectorError::other(why.into(), None))
}

fn take_body(mut response: HttpResponse) -> (HttpResponse, SdkBody) {
    let body = std::mem::replace(response.body_mut(), SdkBody::empty());
    (response, body)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use aws_config::Region;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::{self, ProvideCredentials, future};
    use waiterix_ports::ErrorKind;

    use super::*;

    /// Credentials of a role, which end, each different from the ones before.
    #[derive(Debug, Clone)]
    struct Role {
        fetched: Arc<AtomicU32>,
        valid_for: Option<Duration>,
    }

    impl ProvideCredentials for Role {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.fetched.fetch_add(1, Ordering::SeqCst);
            let answer: provider::Result = match self.valid_for {
                None => Err(CredentialsError::not_loaded("nobody is signed in")),
                Some(valid_for) => {
                    let end =
                        SdkConfig::builder().build().time_source().unwrap_or_default().now() + valid_for;
                    let token = Some(format!("token-{number}"));
                    Ok(Credentials::new(format!("key-{number}"), "secret", token, Some(end), "role"))
                }
            };
            future::ProvideCredentials::ready(answer)
        }
    }

    fn poster(valid_for: Option<Duration>) -> (Poster, Arc<AtomicU32>) {
        let fetched = Arc::<AtomicU32>::default();
        let role = Role { fetched: fetched.clone(), valid_for };
        let config = SdkConfig::builder()
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(role))
            .build();
        (Poster::new(&config, Duration::from_secs(1), Duration::from_secs(1)), fetched)
    }

    async fn signed(poster: &Poster) -> Result<HttpRequest, PostError> {
        let endpoint =
            Endpoint::parse("https://abc123defg.execute-api.eu-central-1.amazonaws.com/live").unwrap();
        poster.signed(&endpoint, "L0SM9cOFvHcCIhw=", Bytes::from_static(b"{}")).await
    }

    #[tokio::test]
    async fn a_post_goes_to_the_connection_signed_for_the_gateway_with_the_token_of_a_role() {
        let (poster, _) = poster(Some(Duration::from_secs(3600)));
        let request = signed(&poster).await.unwrap();
        let url =
            "https://abc123defg.execute-api.eu-central-1.amazonaws.com/live/@connections/L0SM9cOFvHcCIhw%3D";
        assert_eq!((request.method(), request.uri()), ("POST", url));
        assert_eq!(request.headers().get("x-amz-security-token"), Some("token-0"));
        let authorization = request.headers().get("authorization").unwrap();
        assert!(authorization.contains("/eu-central-1/execute-api/aws4_request"), "{authorization}");
        let headers = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token,";
        assert!(authorization.contains(headers), "{authorization}");
    }

    #[tokio::test]
    async fn credentials_are_fetched_once_and_again_before_they_end() {
        let (lasting, fetched) = poster(Some(Duration::from_secs(3600)));
        for _ in 0..3 {
            signed(&lasting).await.unwrap();
        }
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
        let (ending, fetched) = poster(Some(Duration::from_secs(60)));
        for _ in 0..3 {
            signed(&ending).await.unwrap();
        }
        assert_eq!(fetched.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn without_credentials_nothing_is_sent_and_the_error_says_so() {
        let (nobody, _) = poster(None);
        let error = signed(&nobody).await.unwrap_err();
        assert_eq!(crate::sdk::failure("apigateway.post", &error).kind(), ErrorKind::Denied);
    }
}
