//! Checks signatures as the gateway does: by signing the same request again.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::http::request::Parts;
use waiterix_domain::Timestamp;

pub(crate) const REGION: &str = "eu-central-1";

pub(crate) fn credentials() -> Credentials {
    Credentials::new("tester", "not a secret", None, None, "tests")
}

/// What is wrong with the signature of a request, if anything is.
pub(crate) fn fault_of(parts: &Parts, body: &[u8]) -> Option<String> {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let Some(authorization) = header("authorization") else { return Some("not signed".to_owned()) };
    let field = |name: &str| {
        let (_, rest) = authorization.split_once(&format!("{name}="))?;
        rest.split(',').next().map(str::trim)
    };
    let (Some(scope), Some(signed), Some(signature), Some(date), Some(host)) = (
        field("Credential"),
        field("SignedHeaders"),
        field("Signature"),
        header("x-amz-date"),
        header("host"),
    ) else {
        return Some(format!("not understood: {authorization}"));
    };
    let day = date.get(..8)?;
    if scope != format!("tester/{day}/{REGION}/execute-api/aws4_request") {
        return Some(format!("signed for {scope}"));
    }
    let own_headers: Vec<(&str, &str)> = signed
        .split(';')
        .filter(|name| !matches!(*name, "host" | "x-amz-date"))
        .map(|name| (name, header(name).unwrap_or_default()))
        .collect();
    let identity = credentials().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("execute-api")
        .time(instant(date)?)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let url = format!("http://{host}{}", parts.uri);
    let request =
        SignableRequest::new(parts.method.as_str(), &url, own_headers.into_iter(), SignableBody::Bytes(body));
    let expected = sign(request.unwrap(), &params).unwrap().signature().to_owned();
    (expected != signature).then(|| "the signature is wrong".to_owned())
}

/// An instant as it is written in requests: `20250131T090507Z`.
fn instant(date: &str) -> Option<SystemTime> {
    let part = |range| date.get(range);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(9..11)?,
        part(11..13)?,
        part(13..15)?
    );
    let seconds = Timestamp::parse(&text)?.as_seconds();
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}
