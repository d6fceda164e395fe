//! One-time data, in a table of its own.
//!
//! Values and counters are told apart by the beginning of their keys, and each is one row, so that every step is one statement.

use std::time::Duration;

use serde_json::Value;
use sqlx::Row as _;
use waiterix_domain::Timestamp;
use waiterix_ports::Result;
use waiterix_ports::session::{MAX_TEMP_BYTES, MAX_TTL, is_temp_key};
use waiterix_postgres::statement::Argument;

use super::store::{PgSessionStore, corrupt, flag, invalid, text};

const SET: &str = "INSERT INTO public.waiterix_temp AS t (key, value, ends_at) VALUES ($1, $2, $3) \
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, ends_at = excluded.ends_at RETURNING 1";
const SET_IF_ABSENT: &str = "INSERT INTO public.waiterix_temp AS t (key, value, ends_at) VALUES ($1, $2, $3) \
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, ends_at = excluded.ends_at WHERE t.ends_at <= $4 \
    RETURNING 1";
const GET: &str = "SELECT value FROM public.waiterix_temp WHERE key = $1 AND ends_at > $2";
const TAKE: &str = "DELETE FROM public.waiterix_temp WHERE key = $1 RETURNING ends_at > $2, value";
const COUNT: &str = "INSERT INTO public.waiterix_temp AS t (key, value, ends_at) VALUES ($1, '1', $2) \
    ON CONFLICT (key) DO UPDATE SET \
    value = CASE WHEN t.ends_at <= $3 THEN '1' ELSE (t.value::bigint + 1)::text END, \
    ends_at = CASE WHEN t.ends_at <= $3 THEN excluded.ends_at ELSE t.ends_at END RETURNING value";
const PRUNE: &str = "DELETE FROM public.waiterix_temp WHERE key = ANY (ARRAY (SELECT key FROM public.waiterix_temp \
    WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1";

fn value_key(key: &str) -> String {
    format!("value:{key}")
}

fn count_key(key: &str) -> String {
    format!("count:{key}")
}

const fn at(at: Timestamp) -> Argument<'static> {
    Argument::Instant(Some(at))
}

const fn word(text: &str) -> Argument<'_> {
    Argument::Bound(Some(text))
}

/// When a record under this key and with this time to live ends.
fn end_of(store: &PgSessionStore, key: &str, ttl: Duration, operation: &'static str) -> Result<Timestamp> {
    if !is_temp_key(key) {
        return Err(invalid(operation, "malformed key"));
    }
    if !(Duration::from_secs(1)..=MAX_TTL).contains(&ttl) {
        return Err(invalid(operation, "time to live is not 1 second to 400 days"));
    }
    Ok(store.now().plus_millis(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)))
}

fn written(value: &Value, operation: &'static str) -> Result<String> {
    let json = value.to_string();
    if json.len() > MAX_TEMP_BYTES {
        Err(invalid(operation, "value is larger than 16 KiB"))
    } else {
        Ok(json)
    }
}

fn parsed(json: &str, operation: &'static str) -> Result<Value> {
    serde_json::from_str(json).map_err(|_| corrupt(operation))
}

pub(super) async fn set(store: &PgSessionStore, key: &str, value: &Value, ttl: Duration) -> Result<()> {
    const OPERATION: &str = "session.temp_set";
    let end = end_of(store, key, ttl, OPERATION)?;
    let (key, value) = (value_key(key), written(value, OPERATION)?);
    store.write(OPERATION, SET, &[word(&key), word(&value), at(end)]).await.map(drop)
}

pub(super) async fn set_if_absent(
    store: &PgSessionStore,
    key: &str,
    value: &Value,
    ttl: Duration,
) -> Result<bool> {
    const OPERATION: &str = "session.temp_set_if_absent";
    let end = end_of(store, key, ttl, OPERATION)?;
    let (key, value) = (value_key(key), written(value, OPERATION)?);
    let arguments = [word(&key), word(&value), at(end), at(store.now())];
    Ok(!store.write(OPERATION, SET_IF_ABSENT, &arguments).await?.is_empty())
}

pub(super) async fn get(store: &PgSessionStore, key: &str) -> Result<Option<Value>> {
    const OPERATION: &str = "session.temp_get";
    if !is_temp_key(key) {
        return Ok(None);
    }
    let rows = store.read(OPERATION, GET, &[word(&value_key(key)), at(store.now())]).await?;
    rows.first().map(|row| parsed(text(row, 0, OPERATION)?, OPERATION)).transpose()
}

pub(super) async fn take(store: &PgSessionStore, key: &str) -> Result<Option<Value>> {
    const OPERATION: &str = "session.temp_take";
    if !is_temp_key(key) {
        return Ok(None);
    }
    let rows = store.write(OPERATION, TAKE, &[word(&value_key(key)), at(store.now())]).await?;
    match rows.first() {
        Some(row) if flag(row, 0, OPERATION)? => parsed(text(row, 1, OPERATION)?, OPERATION).map(Some),
        _ => Ok(None),
    }
}

pub(super) async fn count(store: &PgSessionStore, key: &str, ttl: Duration) -> Result<u64> {
    const OPERATION: &str = "session.temp_count";
    let end = end_of(store, key, ttl, OPERATION)?;
    let rows = store.write(OPERATION, COUNT, &[word(&count_key(key)), at(end), at(store.now())]).await?;
    let count: Option<&str> = rows.first().and_then(|row| row.try_get_unchecked(0).ok());
    count.and_then(|count| count.parse().ok()).ok_or_else(|| corrupt(OPERATION))
}

pub(super) async fn prune(store: &PgSessionStore, limit: u32) -> Result<u32> {
    if limit == 0 {
        return Ok(0);
    }
    let arguments = [at(store.now()), Argument::Number(limit.into())];
    let ended = store.write("session.prune", PRUNE, &arguments).await?.len();
    Ok(u32::try_from(ended).unwrap_or(limit))
}
