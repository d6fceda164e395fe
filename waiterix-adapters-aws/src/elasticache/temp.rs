//! One-time data: values under `temp:<key>`, as older software keeps them, and counters under `temp_count:<key>`.
//!
//! Whatever writes is sent once. When its answer is lost, nobody knows whether it happened, and the error says so: a count
//! would count twice, and a value set again would be back although it was taken in between.

use std::time::Duration;

use serde_json::Value;
use waiterix_ports::session::{MAX_TEMP_BYTES, MAX_TTL, is_temp_key};
use waiterix_ports::{Error, ErrorKind, Result};

use super::link::{Link, Repeat};
use super::record::{count_key, temp_key};
use super::script::COUNT;

fn invalid(operation: &'static str, fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation).with("fault", fault)
}

/// A time to live in milliseconds, if it and the key are within the limits.
fn checked(operation: &'static str, key: &str, ttl: Duration) -> Result<u64> {
    if !is_temp_key(key) {
        return Err(invalid(operation, "malformed key"));
    }
    if !(Duration::from_secs(1)..=MAX_TTL).contains(&ttl) {
        return Err(invalid(operation, "time to live is not 1 second to 400 days"));
    }
    Ok(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}

/// The command that stores a value.
fn set(operation: &'static str, key: &str, value: &Value, ttl: Duration) -> Result<redis::Cmd> {
    let ttl_ms = checked(operation, key, ttl)?;
    let json = serde_json::to_string(value).map_err(|_| invalid(operation, "not JSON"))?;
    if json.len() > MAX_TEMP_BYTES {
        return Err(invalid(operation, "value is larger than 16 KiB"));
    }
    let mut command = redis::cmd("SET");
    command.arg(temp_key(key)).arg(json).arg("PX").arg(ttl_ms);
    Ok(command)
}

pub(super) async fn store(link: &Link, key: &str, value: &Value, ttl: Duration) -> Result<()> {
    const OPERATION: &str = "session.temp_set";
    let command = set(OPERATION, key, value, ttl)?;
    link.ask::<redis::Value>(OPERATION, &command, Repeat::Never).await.map(drop)
}

pub(super) async fn store_if_absent(link: &Link, key: &str, value: &Value, ttl: Duration) -> Result<bool> {
    const OPERATION: &str = "session.temp_set_if_absent";
    let mut command = set(OPERATION, key, value, ttl)?;
    command.arg("NX");
    let reply = link.ask::<Option<redis::Value>>(OPERATION, &command, Repeat::Never).await?;
    Ok(reply.value.is_some())
}

pub(super) async fn read(link: &Link, key: &str) -> Result<Option<Value>> {
    found(link, "session.temp_get", "GET", key, Repeat::Harmless).await
}

pub(super) async fn take(link: &Link, key: &str) -> Result<Option<Value>> {
    found(link, "session.temp_take", "GETDEL", key, Repeat::Never).await
}

async fn found(
    link: &Link,
    operation: &'static str,
    command: &str,
    key: &str,
    repeat: Repeat,
) -> Result<Option<Value>> {
    if !is_temp_key(key) {
        return Ok(None);
    }
    let mut command = redis::cmd(command);
    command.arg(temp_key(key));
    let Some(json) = link.ask::<Option<Vec<u8>>>(operation, &command, repeat).await?.value else {
        return Ok(None);
    };
    // The cause could quote the value, so it is not kept.
    serde_json::from_slice(&json).map(Some).map_err(|_| Error::new(ErrorKind::Corrupt, operation))
}

pub(super) async fn count(link: &Link, key: &str, ttl: Duration) -> Result<u64> {
    const OPERATION: &str = "session.temp_count";
    let ttl_ms = checked(OPERATION, key, ttl)?;
    let key = count_key(key);
    Ok(link.run(OPERATION, &COUNT, Some(&key), &[ttl_ms], Repeat::Never).await?.value)
}
