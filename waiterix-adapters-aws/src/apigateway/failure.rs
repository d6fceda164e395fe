//! What failures of DynamoDB mean here.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use waiterix_ports::{Error, ErrorKind};

use crate::sdk;

/// What a failed call of the table means.
pub(super) fn of_table<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata,
{
    match code(error) {
        "ResourceNotFoundException" => Error::new(ErrorKind::NotFound, operation).with(
            "fault",
            "there is no such table: create it, or correct WEBSOCKET_CONNECTIONS_TABLE or AWS_REGION",
        ),
        "ConditionalCheckFailedException" => Error::new(ErrorKind::Conflict, operation),
        _ => sdk::failure(operation, error),
    }
}

/// What a failed query of the index means. Its form is always right, so what is refused as invalid is the index.
pub(super) fn of_index<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata,
{
    match code(error) {
        "ValidationException" => Error::new(ErrorKind::NotFound, operation).with(
            "fault",
            "the table has no such index over restaurantId: add it, or correct WEBSOCKET_CONNECTIONS_INDEX",
        ),
        _ => of_table(operation, error),
    }
}

/// Whether a condition of a write did not hold.
pub(super) fn is_unmet<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata,
{
    code(error) == "ConditionalCheckFailedException"
}

fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> &str {
    error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default()
}
