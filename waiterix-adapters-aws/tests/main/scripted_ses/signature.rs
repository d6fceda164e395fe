//! Whether a request was signed with the key it names, as AWS checks it: the signature is made again from what arrived.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::body::Bytes;
use axum::http::request::Parts;
use waiterix_domain::Timestamp;

/// The value of a part of the `Authorization` header, e.g. of `Signature=`.
fn part<'a>(authorization: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = authorization.split([' ', ',']);
    parts.find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
}

/// What is wrong with the signature of a request, which must be for this region and one of these credentials.
pub(crate) fn fault_of(
    request: &Parts,
    body: &Bytes,
    region: &str,
    credentials: &Credentials,
) -> Option<&'static str> {
    let header = |name: &str| request.headers.get(name)?.to_str().ok();
    let Some(authorization) = header("authorization") else { return Some("not signed") };
    if !authorization.starts_with("AWS4-HMAC-SHA256 ") {
        return Some("not signed with SigV4");
    }
    let scope: Vec<_> = part(authorization, "Credential").unwrap_or_default().split('/').collect();
    if scope.len() != 5 || scope[0] != credentials.access_key_id() || scope[2..4] != [region, "ses"] {
        return Some("signed for something else");
    }
    let signed: Vec<_> = part(authorization, "SignedHeaders").unwrap_or_default().split(';').collect();
    if !["host", "x-amz-date"].iter().all(|name| signed.contains(name)) {
        return Some("host or time is not signed");
    }
    let Some(date) = header("x-amz-date").and_then(instant) else { return Some("no time") };
    // The signer adds time and token by itself.
    let given = signed.into_iter().filter(|name| !["x-amz-date", "x-amz-security-token"].contains(name));
    let headers = given.filter_map(|name| Some((name, header(name)?)));
    let uri = format!("http://{}{}", header("host").unwrap_or_default(), request.uri);
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("ses")
        .time(date)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let signable =
        SignableRequest::new(request.method.as_str(), uri, headers, SignableBody::Bytes(body)).unwrap();
    let (_, signature) = sign(signable, &params).unwrap().into_parts();
    (part(authorization, "Signature") != Some(signature.as_str())).then_some("the signature is wrong")
}

/// Reads `20250131T090507Z`.
fn instant(text: &str) -> Option<SystemTime> {
    let (date, time) = text.split_once('T')?;
    let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..)?);
    let (hour, minute, second) = (time.get(..2)?, time.get(2..4)?, time.get(4..)?);
    let at = Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}"))?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(at.as_seconds().unsigned_abs()))
}
