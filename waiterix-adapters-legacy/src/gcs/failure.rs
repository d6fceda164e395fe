//! What refusals mean to callers.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use waiterix_ports::{Error, ErrorKind, Retry};

use super::wire;

/// The longest refusal that is read.
const MAX_BYTES: usize = 64 * 1024;
/// Reasons by which the servers say that requests come too fast. Both have come with 403 as well as with 429.
const THROTTLING: &[&str] = &["rateLimitExceeded", "userRateLimitExceeded", "SlowDown"];
/// The longest pause that is kept to; whoever waits for longer has given up.
const LONGEST_PAUSE_SECONDS: u64 = 60;

/// The form of a refusal. Its message may name objects, so only its reason is kept.
#[derive(Deserialize)]
struct Refusal {
    error: Details,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    errors: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    reason: String,
}

/// What a refusal means.
pub(super) async fn refused(operation: &'static str, response: Response) -> Error {
    let status = response.status().as_u16();
    let pause = pause(response.headers());
    // An answer without a reason is judged by its status alone.
    let body = wire::body(operation, response, MAX_BYTES).await.unwrap_or_default();
    meaning(operation, status, &reason(&body), pause)
}

fn meaning(operation: &'static str, status: u16, reason: &str, pause: Option<Duration>) -> Error {
    let later = pause.map_or(Retry::Safe, Retry::After);
    let (kind, retry) = match status {
        429 => (ErrorKind::Throttled, later),
        403 if THROTTLING.contains(&reason) => (ErrorKind::Throttled, later),
        401 | 403 => (ErrorKind::Denied, Retry::No),
        404 | 410 => (ErrorKind::NotFound, Retry::No),
        408 => (ErrorKind::Timeout, Retry::Ambiguous),
        // Another change was going on at the same time.
        409 => (ErrorKind::Conflict, Retry::Safe),
        412 => (ErrorKind::Conflict, Retry::No),
        // A server that is elsewhere, or none of objects.
        300..=399 => (ErrorKind::Unavailable, Retry::No),
        400..=499 => (ErrorKind::Invalid, Retry::No),
        503 => (ErrorKind::Unavailable, later),
        _ => (ErrorKind::Unavailable, Retry::Ambiguous),
    };
    let reason = if reason.is_empty() { "none" } else { reason };
    Error::new(kind, operation).retry(retry).with("status", status).with("reason", reason)
}

/// The reason of a refusal, if it is a word; anything else is nobody's business in a log.
fn reason(body: &[u8]) -> String {
    let refusal: Option<Refusal> = serde_json::from_slice(body).ok();
    let reason =
        refusal.and_then(|refusal| refusal.error.errors.into_iter().next()).map(|first| first.reason);
    let is_word = |text: &String| text.len() <= 60 && text.bytes().all(|b| b.is_ascii_alphanumeric());
    reason.filter(is_word).unwrap_or_default()
}

/// `Retry-After` in seconds. Its other form is a date by the clock of the server, which need not be ours.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(LONGEST_PAUSE_SECONDS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        let minute = Some(Duration::from_secs(60));
        for (status, reason, pause, kind, retry) in [
            (400, "invalid", None, ErrorKind::Invalid, Retry::No),
            (401, "authError", None, ErrorKind::Denied, Retry::No),
            (403, "forbidden", None, ErrorKind::Denied, Retry::No),
            (403, "rateLimitExceeded", None, ErrorKind::Throttled, Retry::Safe),
            (404, "notFound", None, ErrorKind::NotFound, Retry::No),
            (410, "", None, ErrorKind::NotFound, Retry::No),
            (408, "", None, ErrorKind::Timeout, Retry::Ambiguous),
            (409, "conflict", None, ErrorKind::Conflict, Retry::Safe),
            (412, "conditionNotMet", None, ErrorKind::Conflict, Retry::No),
            (416, "requestedRangeNotSatisfiable", None, ErrorKind::Invalid, Retry::No),
            (429, "", minute, ErrorKind::Throttled, Retry::After(Duration::from_secs(60))),
            (500, "backendError", minute, ErrorKind::Unavailable, Retry::Ambiguous),
            (503, "", None, ErrorKind::Unavailable, Retry::Safe),
            (302, "", None, ErrorKind::Unavailable, Retry::No),
        ] {
            let error = meaning("test", status, reason, pause);
            assert_eq!((error.kind(), error.retry_advice()), (kind, retry), "{error}");
        }
    }

    #[test]
    fn only_words_are_kept_of_a_refusal() {
        let said = |reason: &str| {
            reason_of(&format!(
                r#"{{"error":{{"code":404,"message":"No such object: b/secret","errors":[{{"reason":"{reason}"}}]}}}}"#
            ))
        };
        fn reason_of(text: &str) -> String {
            reason(text.as_bytes())
        }
        assert_eq!(said("notFound"), "notFound");
        assert_eq!(said("b/secret"), "");
        for text in ["", "<html>", "{}", r#"{"error":"invalid_grant"}"#, r#"{"error":{"errors":[]}}"#] {
            assert_eq!(reason_of(text), "", "{text}");
        }
    }
}
