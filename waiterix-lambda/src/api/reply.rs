//! An answer as an API takes it from a function.

use std::collections::BTreeMap;

use axum::http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING,
};
use axum::http::{HeaderMap, HeaderName, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::request::Shape;

/// The largest body in bytes. The platform takes 6 MiB of JSON, in which a body of bytes grows by a third; what is left is
/// for headers.
pub const MAX_REPLY_BYTES: usize = (6 * 1024 * 1024 - 64 * 1024) / 4 * 3;

/// The largest body that is handed over as text: a character may take six in JSON.
const MAX_TEXT_BYTES: usize = MAX_REPLY_BYTES * 4 / 3 / 6;

/// An answer as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    status_code: u16,
    /// Of an HTTP API: values of one name are joined by commas, and cookies, which cannot be, are apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookies: Option<Vec<String>>,
    /// Of a REST API.
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    body: String,
    is_base64_encoded: bool,
}

impl Reply {
    /// The answer in the shape that the API takes.
    pub(super) fn new(shape: Shape, response: Response<Vec<u8>>) -> Self {
        let (mut parts, body) = response.into_parts();
        // The gateway reckons these itself.
        for own in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            parts.headers.remove(own);
        }
        let (body, is_base64_encoded) = written(&parts.headers, body);
        let mut reply = Self {
            status_code: parts.status.as_u16(),
            headers: None,
            cookies: None,
            multi_value_headers: None,
            body,
            is_base64_encoded,
        };
        match shape {
            Shape::Rest => reply.multi_value_headers = Some(listed(&parts.headers, |_| true)),
            Shape::Http => {
                let listed = listed(&parts.headers, |name| name != SET_COOKIE);
                let joined = listed.into_iter().map(|(name, values)| (name, values.join(", ")));
                reply.headers = Some(joined.collect());
                reply.cookies = Some(texts(&parts.headers, &SET_COOKIE)).filter(|all| !all.is_empty());
            }
        }
        reply
    }
}

/// All values of the wanted headers.
fn listed(headers: &HeaderMap, is_wanted: impl Fn(&HeaderName) -> bool) -> BTreeMap<String, Vec<String>> {
    headers
        .keys()
        .filter(|name| is_wanted(name))
        .map(|name| (name.as_str().to_owned(), texts(headers, name)))
        .collect()
}

/// The values of a header; what is no text cannot be handed over.
fn texts(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let texts = headers.get_all(name).iter();
    texts.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok()).map(str::to_owned).collect()
}

/// A body as text if it is one, else in base64; and which of both.
fn written(headers: &HeaderMap, body: Vec<u8>) -> (String, bool) {
    if !is_text(headers) || body.len() > MAX_TEXT_BYTES {
        return (STANDARD.encode(body), true);
    }
    match String::from_utf8(body) {
        Ok(text) => (text, false),
        Err(error) => (STANDARD.encode(error.into_bytes()), true),
    }
}

/// Whether the type of a body is one of text. Text is handed over as it is: it is read in logs and costs no time.
fn is_text(headers: &HeaderMap) -> bool {
    if headers.contains_key(CONTENT_ENCODING) {
        return false;
    }
    let Some(kind) = headers.get(CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind.as_str())
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    fn response(headers: &[(&str, &str)], body: &[u8]) -> Response<Vec<u8>> {
        let mut builder = Response::builder().status(201);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(body.to_vec()).unwrap()
    }

    #[test]
    fn several_cookies_and_values_arrive_in_both_shapes() {
        let headers = [
            ("content-type", "text/plain"),
            ("content-length", "2"),
            ("vary", "origin"),
            ("vary", "accept"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ];
        let rest = to_value(Reply::new(Shape::Rest, response(&headers, b"ok"))).unwrap();
        let expected = json!({
            "statusCode": 201, "body": "ok", "isBase64Encoded": false,
            "multiValueHeaders": {
                "content-type": ["text/plain"], "vary": ["origin", "accept"], "set-cookie": ["a=1", "b=2"],
            },
        });
        assert_eq!(rest, expected);
        let http = to_value(Reply::new(Shape::Http, response(&headers, b"ok"))).unwrap();
        let expected = json!({
            "statusCode": 201, "body": "ok", "isBase64Encoded": false, "cookies": ["a=1", "b=2"],
            "headers": { "content-type": "text/plain", "vary": "origin, accept" },
        });
        assert_eq!(http, expected);
    }

    #[test]
    fn text_is_handed_over_as_text_and_everything_else_as_bytes() {
        let of = |headers: &[(&str, &str)], body: &[u8]| {
            let reply = Reply::new(Shape::Http, response(headers, body));
            (reply.body, reply.is_base64_encoded)
        };
        let text = |text: &str| (text.to_owned(), false);
        let bytes = |body: &[u8]| (STANDARD.encode(body), true);
        assert_eq!(of(&[("content-type", "application/json; charset=utf-8")], b"{}"), text("{}"));
        assert_eq!(of(&[("content-type", "Text/HTML")], "ü".as_bytes()), text("ü"));
        assert_eq!(of(&[], b""), text(""));
        assert_eq!(of(&[("content-type", "image/png")], b"\x89PNG"), bytes(b"\x89PNG"));
        assert_eq!(of(&[("content-type", "image/svg+xml")], b"<svg/>"), text("<svg/>"));
        assert_eq!(of(&[("content-type", "text/plain")], b"\xff"), bytes(b"\xff"));
        assert_eq!(
            of(&[("content-type", "text/css"), ("content-encoding", "gzip")], b"\x1f"),
            bytes(b"\x1f")
        );
    }

    #[test]
    fn the_largest_text_fits_too_whatever_its_characters() {
        for (length, is_base64) in
            [(MAX_TEXT_BYTES, false), (MAX_TEXT_BYTES + 1, true), (MAX_REPLY_BYTES, true)]
        {
            let reply =
                Reply::new(Shape::Http, response(&[("content-type", "text/plain")], &vec![1; length]));
            assert_eq!(reply.is_base64_encoded, is_base64, "{length}");
            assert!(serde_json::to_vec(&reply).unwrap().len() <= 6 * 1024 * 1024, "{length}");
        }
    }

    #[test]
    fn the_largest_body_fits_into_what_the_platform_takes() {
        let reply =
            Reply::new(Shape::Rest, response(&[("content-type", "image/png")], &vec![0xff; MAX_REPLY_BYTES]));
        assert!(serde_json::to_vec(&reply).unwrap().len() <= 6 * 1024 * 1024);
    }
}
