//! How long a call that moves many bytes may take.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::timeout::TimeoutConfig;

/// A line slower than this is taken for broken.
const SLOWEST_BYTES_PER_SECOND: u64 = 512 * 1024;
/// How long a piece of a body may take, where the configuration of the client does not say it.
const PIECE: Duration = Duration::from_secs(5);

/// The time limits of a client, and the time that these bytes take on a slow line.
pub(super) fn patient(client: &Client, bytes: u64) -> Builder {
    let extra = Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND);
    let limits = client.config().timeout_config();
    let longer = |limit: Option<Duration>| limit.map(|limit| limit + extra);
    let mut patient = limits.map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
    patient.set_operation_attempt_timeout(longer(limits.and_then(TimeoutConfig::operation_attempt_timeout)));
    // Room for the attempt that failed half-way and the one that succeeds.
    let whole = limits.and_then(TimeoutConfig::operation_timeout);
    patient.set_operation_timeout(whole.map(|limit| limit + extra * 2));
    aws_sdk_s3::Config::builder().timeout_config(patient.build())
}

/// How long the next piece of a body may take to arrive: as long as an attempt may take to be answered.
pub(super) fn piece_limit(client: &Client) -> Duration {
    client.config().timeout_config().and_then(TimeoutConfig::operation_attempt_timeout).unwrap_or(PIECE)
}
