//! What the events of all APIs have in common: headers and parameters, once or several times.
//!
//! Events are read tolerantly. What is missing or null is not there; what else an event holds is of no interest. The
//! platform adds members now and then, and emulators leave some out.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

/// One value per name.
pub(crate) type Single = Option<BTreeMap<String, Option<String>>>;
/// All values per name.
pub(crate) type Multiple = Option<BTreeMap<String, Option<Vec<String>>>>;

/// Where a request comes from.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Identity {
    pub(crate) source_ip: Option<String>,
}

/// All values of every name: those of `multiple`, and of `single` what is not among them.
fn merged(single: Single, multiple: Multiple) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = multiple
        .unwrap_or_default()
        .into_iter()
        .map(|(name, values)| (name, values.unwrap_or_default()))
        .filter(|(_, values)| !values.is_empty())
        .collect();
    for (name, value) in single.unwrap_or_default() {
        if let Some(value) = value {
            all.entry(name).or_insert_with(|| vec![value]);
        }
    }
    all
}

/// Headers; what cannot be one is left out.
pub(crate) fn headers(single: Single, multiple: Multiple) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, values) in merged(single, multiple) {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        for value in values {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.append(&name, value);
            }
        }
    }
    headers
}

/// Parameters, which events hold decoded, as a query again.
pub(crate) fn query(single: Single, multiple: Multiple) -> String {
    let mut query = Serializer::new(String::new());
    for (name, values) in merged(single, multiple) {
        for value in values {
            query.append_pair(&name, &value);
        }
    }
    query.finish()
}

/// A body as bytes; `None` when it says that it is base64 and is not.
pub(crate) fn body(body: Option<String>, is_base64: Option<bool>) -> Option<Vec<u8>> {
    let body = body.unwrap_or_default();
    match is_base64 {
        Some(true) => STANDARD.decode(body).ok(),
        _ => Some(body.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn several_values_of_a_name_are_kept_and_single_ones_complete_them() {
        let single = from_value(json!({"Cookie": "b=2", "Accept": "text/html", "x-none": null})).unwrap();
        let multiple = from_value(json!({"Cookie": ["a=1", "b=2"], "x-empty": [], "x-null": null})).unwrap();
        let headers = headers(single, multiple);
        assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(headers["accept"], "text/html");
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn what_cannot_be_a_header_is_left_out() {
        let single = from_value(json!({"": "x", "a b": "x", "x-line": "a\r\nb", "x-fine": "ü"})).unwrap();
        assert_eq!(headers(single, None).keys().collect::<Vec<_>>(), ["x-fine"]);
    }

    #[test]
    fn decoded_parameters_become_a_query_that_says_the_same() {
        let single = from_value(json!({"a": "1 & 2", "ü": "=?#%"})).unwrap();
        let multiple = from_value(json!({"a": ["1 & 2", "3"]})).unwrap();
        let query = query(single, multiple);
        let read: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read, [pair("a", "1 & 2"), pair("a", "3"), pair("ü", "=?#%")]);
    }
}
