//! The event of a REST API (payload 1.0) or of an HTTP API (payload 2.0) as a request.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use waiterix_app::http::guard::REQUEST_ID;

use crate::Failure;
use crate::event::{self, Identity, Multiple, Single};

/// What a path of a request may not hold as it is. An HTTP API hands paths over decoded.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The kind of API, which decides how an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Payload 1.0.
    Rest,
    /// Payload 2.0.
    Http,
}

/// What is read of an event.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Event {
    // Of a REST API.
    http_method: Option<String>,
    path: Option<String>,
    multi_value_headers: Multiple,
    query_string_parameters: Single,
    multi_value_query_string_parameters: Multiple,
    // Of an HTTP API.
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    cookies: Option<Vec<String>>,
    // Of both.
    headers: Single,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
    request_context: Option<Context>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Context {
    stage: Option<String>,
    request_id: Option<String>,
    /// Of a REST API: the path as the client sent it.
    path: Option<String>,
    identity: Option<Identity>,
    /// Of an HTTP API.
    http: Option<HttpContext>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HttpContext {
    method: Option<String>,
    source_ip: Option<String>,
}

impl Event {
    /// Reads an event.
    ///
    /// # Errors
    /// When it comes from something else than an API.
    pub(super) fn read(event: Value) -> Result<Self, Failure> {
        let unknown = || Failure::unknown_event("a request to a REST API or an HTTP API");
        let event: Self = serde_json::from_value(event).map_err(|_| unknown())?;
        if event.method().is_some() { Ok(event) } else { Err(unknown()) }
    }

    fn method(&self) -> Option<&str> {
        let http = self.request_context.as_ref().and_then(|context| context.http.as_ref());
        self.http_method.as_deref().or_else(|| http?.method.as_deref())
    }

    pub(super) const fn shape(&self) -> Shape {
        if self.http_method.is_some() { Shape::Rest } else { Shape::Http }
    }

    /// The request it tells of, as the server would get it: without the stage and without `base_path`, with the address
    /// the gateway saw as that of the peer.
    ///
    /// # Errors
    /// What is wrong with it, for whoever sent it.
    pub(super) fn into_request(self, base_path: Option<&str>) -> Result<Request<Body>, &'static str> {
        let method = self.method().and_then(|method| Method::from_bytes(method.as_bytes()).ok());
        let method = method.ok_or("Malformed method")?;
        let shape = self.shape();
        let context = self.request_context.unwrap_or_default();
        let stage = context.stage.as_deref().filter(|stage| *stage != "$default");
        let path = match shape {
            Shape::Rest => {
                let path = self.path.as_deref().unwrap_or("/");
                let sent = context.path.as_deref();
                let is_own = stage.is_some_and(|stage| sent == Some(&format!("/{stage}{path}")));
                if is_own { path } else { without(base_path, path) }
            }
            Shape::Http => {
                let path = self.raw_path.as_deref().unwrap_or("/");
                let own = without(stage, path);
                if own == path { without(base_path, path) } else { own }
            }
        };
        let query = match shape {
            Shape::Rest => {
                event::query(self.query_string_parameters, self.multi_value_query_string_parameters)
            }
            Shape::Http => self.raw_query_string.unwrap_or_default(),
        };
        let uri = uri_of(path, &query).ok_or("Malformed URL")?;
        let body = event::body(self.body, self.is_base64_encoded).ok_or("Malformed body")?;
        let mut headers = event::headers(self.headers, self.multi_value_headers);
        add_cookies(&mut headers, self.cookies);
        add_request_id(&mut headers, context.request_id.as_deref());
        let address = match shape {
            Shape::Rest => context.identity.and_then(|identity| identity.source_ip),
            Shape::Http => context.http.and_then(|http| http.source_ip),
        };
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        // The gateway is the peer that cannot lie about the client. If there are further proxies in front of it, the app
        // is told so by its settings.
        if let Some(address) = address.and_then(|address| address.parse::<IpAddr>().ok()) {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, 0)));
        }
        Ok(request)
    }
}

/// A path without the segments in front of it; as it is, when it does not begin with them.
fn without<'a>(prefix: Option<&str>, path: &'a str) -> &'a str {
    let prefix = prefix.unwrap_or_default().trim_matches('/');
    if prefix.is_empty() {
        return path;
    }
    match path.strip_prefix('/').and_then(|path| path.strip_prefix(prefix)) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

fn uri_of(path: &str, query: &str) -> Option<Uri> {
    let path = utf8_percent_encode(path, NOT_IN_PATHS);
    let text = if query.is_empty() { path.to_string() } else { format!("{path}?{query}") };
    text.parse::<Uri>().ok().filter(|uri| uri.path().starts_with('/'))
}

/// An HTTP API takes cookies out of the headers.
fn add_cookies(headers: &mut HeaderMap, cookies: Option<Vec<String>>) {
    let cookies = cookies.unwrap_or_default().join("; ");
    if !cookies.is_empty()
        && let Ok(value) = HeaderValue::from_bytes(cookies.as_bytes())
    {
        headers.insert(COOKIE, value);
    }
}

/// Logs and the answer name a request as the gateway does, unless the client has named it.
fn add_request_id(headers: &mut HeaderMap, id: Option<&str>) {
    if !headers.contains_key(REQUEST_ID)
        && let Some(value) = id.and_then(|id| HeaderValue::from_str(id).ok())
    {
        headers.insert(REQUEST_ID, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path_of(event: Value, base_path: Option<&str>) -> String {
        Event::read(event).unwrap().into_request(base_path).unwrap().uri().to_string()
    }

    fn rest(path: &str, sent: &str, stage: &str) -> Value {
        json!({"httpMethod": "GET", "path": path, "requestContext": {"stage": stage, "path": sent}})
    }

    fn http(path: &str, stage: &str) -> Value {
        json!({"version": "2.0", "rawPath": path, "requestContext": {"stage": stage, "http": {"method": "GET"}}})
    }

    #[test]
    fn fact2_stages_and_base_paths_are_no_part_of_the_path() {
        let base = Some("/v1/");
        for (event, expected) in [
            (rest("/api/orders", "/live/api/orders", "live"), "/api/orders"),
            (rest("/", "/live/", "live"), "/"),
            // A stage that is named like a path of ours.
            (rest("/api/orders", "/api/api/orders", "api"), "/api/orders"),
            // A custom domain with a base path.
            (rest("/v1/api/orders", "/v1/api/orders", "live"), "/api/orders"),
            (rest("/v1", "/v1", "live"), "/"),
            // A custom domain without one.
            (rest("/api/orders", "/api/orders", "live"), "/api/orders"),
            (http("/live/api/orders", "live"), "/api/orders"),
            (http("/live", "live"), "/"),
            (http("/api/orders", "$default"), "/api/orders"),
            (http("/v1/api/orders", "$default"), "/api/orders"),
            (http("/api/orders", "live"), "/api/orders"),
            // Only whole segments count.
            (http("/liveness", "live"), "/liveness"),
            (http("/v10/api", "$default"), "/v10/api"),
        ] {
            assert_eq!(path_of(event.clone(), base), expected, "{event}");
        }
    }

    #[test]
    fn decoded_paths_are_encoded_again_and_encoded_ones_stay() {
        for (path, expected) in [
            ("/api/objects/public/a b.png", "/api/objects/public/a%20b.png"),
            ("/api/objects/public/a%20b.png", "/api/objects/public/a%20b.png"),
            ("/api/objects/public/ü?#.png", "/api/objects/public/%C3%BC%3F%23.png"),
            ("//evil.example/x", "//evil.example/x"),
        ] {
            assert_eq!(path_of(http(path, "$default"), None), expected);
            assert_eq!(path_of(rest(path, path, "live"), None), expected);
        }
    }

    #[test]
    fn a_malformed_request_is_refused_and_an_event_of_something_else_is_a_failure() {
        let refused = |event: Value| Event::read(event).unwrap().into_request(None).unwrap_err();
        assert_eq!(refused(json!({"httpMethod": "G T", "path": "/"})), "Malformed method");
        assert_eq!(refused(json!({"httpMethod": "GET", "path": "no slash"})), "Malformed URL");
        let body = json!({"httpMethod": "POST", "path": "/", "body": "!", "isBase64Encoded": true});
        assert_eq!(refused(body), "Malformed body");
        for event in [
            json!({}),
            json!({"Records": []}),
            json!([]),
            json!({"requestContext": {"eventType": "CONNECT"}}),
        ] {
            assert_eq!(Event::read(event.clone()).unwrap_err().kind, "UnknownEvent", "{event}");
        }
    }

    #[test]
    fn the_client_is_who_the_gateway_saw_whatever_headers_say() {
        let rest = json!({"httpMethod": "GET", "path": "/", "headers": {"X-Forwarded-For": "6.6.6.6"},
            "requestContext": {"identity": {"sourceIp": "192.0.2.7"}}});
        let http = json!({"headers": {"x-forwarded-for": "6.6.6.6"},
            "requestContext": {"http": {"method": "GET", "sourceIp": "2001:db8::7"}}});
        for (event, expected) in [(rest, "192.0.2.7"), (http, "2001:db8::7")] {
            let request = Event::read(event).unwrap().into_request(None).unwrap();
            let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>().unwrap();
            assert_eq!(peer.ip().to_string(), expected);
        }
    }

    #[test]
    fn cookies_become_one_header_and_a_request_is_named_once() {
        let event = json!({"cookies": ["a=1", "connect.sid=s%3Ax"], "headers": {"x-request-id": "of-the-client"},
            "requestContext": {"requestId": "of-the-gateway", "http": {"method": "GET"}}});
        let request = Event::read(event).unwrap().into_request(None).unwrap();
        assert_eq!(request.headers()["cookie"], "a=1; connect.sid=s%3Ax");
        assert_eq!(request.headers()["x-request-id"], "of-the-client");
        let event = json!({"requestContext": {"requestId": "JKJaXmPLvHcESHA=", "http": {"method": "GET"}}});
        let request = Event::read(event).unwrap().into_request(None).unwrap();
        assert_eq!(request.headers()["x-request-id"], "JKJaXmPLvHcESHA=");
    }
}
