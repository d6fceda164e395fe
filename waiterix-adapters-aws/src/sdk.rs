//! What the adapters that speak through the AWS SDK share: its configuration, and what its failures mean.

use std::sync::OnceLock;
use std::time::Duration;

pub use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use waiterix_ports::vars::Vars;
use waiterix_ports::{Error, ErrorKind, Retry};

/// How long one attempt may take, and all attempts of one call together. Both end before the 29 s after which API
/// Gateway gives up on a function.
const ATTEMPT: Duration = Duration::from_secs(5);
const CALL: Duration = Duration::from_secs(12);
const CONNECT: Duration = Duration::from_secs(2);
/// Attempts of a call that may be repeated.
const ATTEMPTS: u32 = 3;

/// Where the AWS services are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsSettings {
    /// The region of every service that is not said to be elsewhere.
    pub region: String,
}

impl AwsSettings {
    /// Reads `AWS_REGION`; problems are noted in `vars`.
    #[must_use]
    pub fn read(vars: &mut Vars<'_>) -> Self {
        let region = vars.required("AWS_REGION", "the AWS adapters need a region such as eu-central-1");
        if !region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            vars.problem("AWS_REGION", "must be a region such as eu-central-1");
        }
        Self { region }
    }
}

/// The configuration of all clients: the default chain of credentials (so the keys of a role, with their session
/// token, work as well as static ones), `AWS_ENDPOINT_URL` and its forms per service, bounded time, at most three
/// attempts. Reads the environment and the shared files, but asks no server: credentials are fetched by the first
/// request.
pub async fn config(settings: &AwsSettings) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(settings.region.clone()))
        .http_client(OnDemand::default())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT)
                .operation_attempt_timeout(ATTEMPT)
                .operation_timeout(CALL)
                .build(),
        )
        .load()
        .await
}

/// The client of every service, made when the first request is sent. The SDK would make it, and read all authorities of the
/// system for it, when a process starts; a guest who asks for a menu needs none of them.
#[derive(Debug, Default)]
struct OnDemand(OnceLock<SharedHttpClient>);

impl HttpClient for OnDemand {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let client = self.0.get_or_init(|| {
            // As the SDK makes its own.
            Builder::new().build_with_connector_fn(|settings, components| {
                let mut connector = ConnectorBuilder::default()
                    .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                    .proxy_config(ProxyConfig::from_env());
                connector.set_connector_settings(settings.cloned());
                if let Some(components) = components {
                    connector.set_sleep_impl(components.sleep_impl());
                }
                connector.build()
            })
        });
        client.http_connector(settings, components)
    }
}

/// Codes by which services say that requests come too fast.
const THROTTLING: &[&str] = &[
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Codes by which services refuse credentials or permission.
const DENYING: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "ForbiddenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// What a failed call means, as far as all services agree; an adapter looks first for what is its own.
#[must_use]
pub fn failure<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata,
{
    match error {
        SdkError::ConstructionFailure(_) => {
            said(ErrorKind::Invalid, Retry::No, operation, "the request cannot be made")
        }
        SdkError::TimeoutError(_) => {
            said(ErrorKind::Timeout, Retry::Ambiguous, operation, "no answer in time")
        }
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            said(ErrorKind::Timeout, Retry::Ambiguous, operation, "no answer in time")
        }
        SdkError::DispatchFailure(failure) if failure.is_user() => {
            said(ErrorKind::Invalid, Retry::No, operation, "the request cannot be sent")
        }
        // Credentials that cannot be had are a dispatch failure of neither kind; an answer that was cut off is one of
        // another kind that the client calls transient.
        SdkError::DispatchFailure(failure) if !failure.is_io() && failure.as_other().is_none() => {
            said(ErrorKind::Denied, Retry::No, operation, "no credentials, or the request cannot be signed")
        }
        SdkError::DispatchFailure(_) => {
            said(ErrorKind::Unavailable, Retry::Ambiguous, operation, "the connection failed")
        }
        SdkError::ResponseError(_) => {
            said(ErrorKind::Unavailable, Retry::Ambiguous, operation, "the answer cannot be understood")
        }
        SdkError::ServiceError(refusal) => {
            let status = refusal.raw().status().as_u16();
            let code = refusal.err().code().unwrap_or_default();
            refused(operation, status, code)
        }
        _ => said(ErrorKind::Unavailable, Retry::Ambiguous, operation, "the call failed"),
    }
}

/// What a refusal means by its status and code.
fn refused(operation: &'static str, status: u16, code: &str) -> Error {
    let (kind, retry) = match status {
        _ if THROTTLING.contains(&code) => (ErrorKind::Throttled, Retry::Safe),
        429 => (ErrorKind::Throttled, Retry::Safe),
        _ if DENYING.contains(&code) => (ErrorKind::Denied, Retry::No),
        401 | 403 => (ErrorKind::Denied, Retry::No),
        404 => (ErrorKind::NotFound, Retry::No),
        409 | 412 => (ErrorKind::Conflict, Retry::No),
        408 => (ErrorKind::Timeout, Retry::Ambiguous),
        503 => (ErrorKind::Unavailable, Retry::Safe),
        500..=599 => (ErrorKind::Unavailable, Retry::Ambiguous),
        _ => (ErrorKind::Invalid, Retry::No),
    };
    let code = if code.is_empty() { "none" } else { code };
    Error::new(kind, operation).retry(retry).with("status", status).with("code", code)
}

fn said(kind: ErrorKind, retry: Retry, operation: &'static str, fault: &'static str) -> Error {
    // The SDK's own text may hold a URL with a signature, so it is not kept.
    Error::new(kind, operation).retry(retry).with("fault", fault)
}
