//! The two shapes in which an API tells a function of a request, and in which it takes the answer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::status_of;

const API: &str = "abc123defg";

/// The kind of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// A REST API, payload 1.0, with `*/*` as binary media type.
    Rest,
    /// An HTTP API, payload 2.0.
    Http,
}

impl Payload {
    /// The event of a request.
    #[must_use]
    pub fn event(self, parts: &Parts, body: &[u8], address: IpAddr, id: &str, stage: &str) -> Value {
        let mut headers = parts.headers.clone();
        let forwarded: Vec<String> = joined(&headers)
            .remove("x-forwarded-for")
            .and_then(|value| value.as_str().map(str::to_owned))
            .into_iter()
            .chain([address.to_string()])
            .collect();
        headers.insert("x-forwarded-for", forwarded.join(", ").parse().expect("addresses"));
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        match self {
            Self::Rest => rest_event(parts, &headers, body, address, id, stage),
            Self::Http => http_event(parts, headers, body, address, id, stage),
        }
    }

    /// The answer of a function as the client gets it.
    ///
    /// # Errors
    /// What is wrong with it; the gateway then answers 502.
    pub fn answer(self, answer: &Value) -> Result<Response<Body>, String> {
        let body = answer["body"].as_str().unwrap_or_default();
        let body = match answer["isBase64Encoded"].as_bool() {
            Some(true) => STANDARD.decode(body).map_err(|error| error.to_string())?,
            _ => body.as_bytes().to_vec(),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status_of(answer)?;
        let headers = response.headers_mut();
        let mut put = |name: &str, value: &Value| {
            let name: HeaderName = name.parse().map_err(|_| format!("the header {name:?}"))?;
            let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
            let value = value.ok_or_else(|| format!("the value of {name}"))?;
            headers.append(name, value);
            Ok::<(), String>(())
        };
        for (name, value) in answer["headers"].as_object().into_iter().flatten() {
            put(name, value)?;
        }
        match self {
            Self::Rest => {
                if answer.get("cookies").is_some_and(|cookies| !cookies.is_null()) {
                    return Err("a REST API knows no cookies".to_owned());
                }
                for (name, values) in answer["multiValueHeaders"].as_object().into_iter().flatten() {
                    for value in values.as_array().into_iter().flatten() {
                        put(name, value)?;
                    }
                }
            }
            Self::Http => {
                for cookie in answer["cookies"].as_array().into_iter().flatten() {
                    put(SET_COOKIE.as_str(), cookie)?;
                }
            }
        }
        Ok(response)
    }
}

fn rest_event(
    parts: &Parts,
    headers: &HeaderMap,
    body: &[u8],
    address: IpAddr,
    id: &str,
    stage: &str,
) -> Value {
    let path = parts.uri.path();
    let query = pairs(parts.uri.query().unwrap_or_default());
    let single: Map<String, Value> =
        query.iter().map(|(name, values)| (name.clone(), json!(values.last()))).collect();
    let or_null = |value: Value, empty: bool| if empty { Value::Null } else { value };
    json!({
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": parts.method.as_str(),
        "headers": last(headers),
        "multiValueHeaders": listed(headers),
        "queryStringParameters": or_null(Value::Object(single), query.is_empty()),
        "multiValueQueryStringParameters": or_null(json!(query), query.is_empty()),
        "pathParameters": { "proxy": path.trim_start_matches('/') },
        "stageVariables": null,
        "requestContext": {
            "resourceId": "2gxmpl", "resourcePath": "/{proxy+}", "httpMethod": parts.method.as_str(),
            "extendedRequestId": id, "requestTime": "31/Jan/2025:09:05:07 +0000", "requestTimeEpoch": 1_738_314_307_000_u64,
            "path": format!("/{stage}{path}"), "accountId": "123456789012", "protocol": "HTTP/1.1", "stage": stage,
            "domainPrefix": API, "requestId": id, "domainName": format!("{API}.execute-api.us-east-1.amazonaws.com"),
            "apiId": API,
            "identity": {
                "cognitoIdentityPoolId": null, "accountId": null, "cognitoIdentityId": null, "caller": null,
                "sourceIp": address.to_string(), "principalOrgId": null, "accessKey": null,
                "cognitoAuthenticationType": null, "cognitoAuthenticationProvider": null, "userArn": null,
                "userAgent": "test", "user": null,
            },
        },
        "body": or_null(json!(STANDARD.encode(body)), body.is_empty()),
        "isBase64Encoded": !body.is_empty(),
    })
}

fn http_event(
    parts: &Parts,
    mut headers: HeaderMap,
    body: &[u8],
    address: IpAddr,
    id: &str,
    stage: &str,
) -> Value {
    let path = format!("/{stage}{}", parts.uri.path());
    let cookies: Vec<String> = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split("; ").map(str::to_owned).collect::<Vec<_>>())
        .collect();
    headers.remove(COOKIE);
    let is_text = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_none_or(|kind| kind.starts_with("text/") || kind.starts_with("application/json"));
    let text = std::str::from_utf8(body).ok().filter(|_| is_text);
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": parts.uri.query().unwrap_or_default(),
        "headers": joined(&headers),
        "requestContext": {
            "accountId": "123456789012", "apiId": API,
            "domainName": format!("{API}.execute-api.us-east-1.amazonaws.com"), "domainPrefix": API,
            "http": {
                "method": parts.method.as_str(), "path": path, "protocol": "HTTP/1.1",
                "sourceIp": address.to_string(), "userAgent": "test",
            },
            "requestId": id, "routeKey": "$default", "stage": stage,
            "time": "31/Jan/2025:09:05:07 +0000", "timeEpoch": 1_738_314_307_000_u64,
        },
        "isBase64Encoded": text.is_none(),
    });
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !body.is_empty() {
        event["body"] = text.map_or_else(|| json!(STANDARD.encode(body)), |text| json!(text));
    }
    event
}

/// Headers with several values joined by commas.
pub(super) fn joined(headers: &HeaderMap) -> Map<String, Value> {
    listed(headers).into_iter().map(|(name, values)| (name, json!(values.join(",")))).collect()
}

/// Headers, the last of several values.
fn last(headers: &HeaderMap) -> Map<String, Value> {
    listed(headers).into_iter().map(|(name, values)| (name, json!(values.last()))).collect()
}

/// Headers with all their values.
pub(super) fn listed(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        all.entry(name.as_str().to_owned()).or_default().push(value);
    }
    all
}

/// The parameters of a query, decoded.
pub(super) fn pairs(query: &str) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        all.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    all
}
