//! What failures of S3 mean to callers.

use aws_sdk_s3::config::interceptors::InterceptorContext;
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use waiterix_ports::{Error, ErrorKind, Result, Retry};

use crate::sdk;

/// Codes of requests that arrived damaged and were not carried out.
const DAMAGED: &[&str] =
    &["BadDigest", "IncompleteBody", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"];
/// Codes by which S3 says that the bucket is in another region than the one signed for.
const MISPLACED: &[&str] = &[
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "TemporaryRedirect",
];

/// What a failed call means. An object that is not there is `NotFound`; nothing else is, not even a bucket that is not
/// there (B3 of the old system).
pub(super) fn failure<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata,
{
    let SdkError::ServiceError(refusal) = error else { return sdk::failure(operation, error) };
    let (status, code) = (refusal.raw().status().as_u16(), refusal.err().code().unwrap_or_default());
    let (kind, retry) = match (status, code) {
        (_, "NoSuchKey" | "NotFound") => (ErrorKind::NotFound, Retry::No),
        // An upload in parts is gone once it was completed, so this can be the second answer to a request that was done.
        (_, "NoSuchUpload") => (ErrorKind::Unavailable, Retry::Ambiguous),
        (_, "NoSuchBucket") | (404, _) => (ErrorKind::Unavailable, Retry::No),
        (_, code) if MISPLACED.contains(&code) => (ErrorKind::Unavailable, Retry::No),
        (300..=399, _) => (ErrorKind::Unavailable, Retry::No),
        // S3 may say that it failed after it has said 200, and an answer may be no answer of S3.
        (200..=299, code) if code != "SlowDown" => (ErrorKind::Unavailable, Retry::Ambiguous),
        (_, code) if DAMAGED.contains(&code) => (ErrorKind::Unavailable, Retry::Safe),
        (_, "RequestTimeout") => (ErrorKind::Timeout, Retry::Safe),
        (409, _) => (ErrorKind::Conflict, Retry::Safe),
        // Answers to HEAD have no body and so no code; what is wrong with one of ours are its credentials or its region.
        (400, "") | (_, "InvalidToken" | "RequestTimeTooSkewed") => (ErrorKind::Denied, Retry::No),
        _ => return sdk::failure(operation, error),
    };
    let code = if code.is_empty() { "none" } else { code };
    Error::new(kind, operation).retry(retry).with("status", status).with("code", code)
}

/// The result of a call.
pub(super) fn answered<T, E>(
    operation: &'static str,
    result: std::result::Result<T, SdkError<E, HttpResponse>>,
) -> Result<T>
where
    E: ProvideErrorMetadata,
{
    result.map_err(|error| failure(operation, &error))
}

/// Says when a conditional write may be sent again by the SDK. Sent again after a lost answer it would meet its own
/// object and be refused, so that a write that was done would look like one that came too late.
#[derive(Debug)]
pub(super) struct OnlyIfNotDone;

impl ClassifyRetry for OnlyIfNotDone {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        if context.output_or_error().is_none_or(|result| result.is_ok()) {
            return RetryAction::NoActionIndicated;
        }
        match context.response().map(|response| response.status().as_u16()) {
            // Another write was going on at the same time: S3 asks to try again.
            Some(409) => RetryAction::transient_error(),
            // Refused before it was begun; the other classifiers know what to do.
            Some(429 | 503) => RetryAction::NoActionIndicated,
            _ => RetryAction::RetryForbidden,
        }
    }

    fn name(&self) -> &'static str {
        "only if it was not done"
    }
}
