//! The XML API, as far as signed URLs lead to it: a GET or PUT of an object with the permission in the query.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Method, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use waiterix_domain::Timestamp;

use super::super::account;
use super::{Answer, Asked, State, decoded, hidden, refusal};

/// No URL is good for longer.
const WEEK_SECONDS: i64 = 7 * 86_400;

impl State {
    pub(super) async fn signed(&self, parts: &Parts, asked: Asked<'_>) -> Answer {
        if !self.is_permitted(parts, &asked.query) {
            return Err(refusal(403, "forbidden"));
        }
        let path = parts.uri.path().trim_start_matches('/');
        let (bucket, name) = path.split_once('/').ok_or_else(|| refusal(400, "invalid"))?;
        let (bucket, name) = (decoded(bucket), decoded(name));
        match parts.method {
            Method::GET => {
                self.current(&bucket, &name).await?.ok_or_else(|| refusal(404, "notFound"))?;
                self.media(&bucket, &name, &asked).await
            }
            Method::PUT => self.put(&bucket, &name, &asked).await,
            _ => Err(refusal(501, "notImplemented")),
        }
    }

    /// Whether the query holds a signature over exactly this request, by the account, good now.
    fn is_permitted(&self, parts: &Parts, query: &BTreeMap<String, String>) -> bool {
        let find = |name: &str| query.get(name).map(String::as_str);
        let (Some("GOOG4-RSA-SHA256"), Some(credential), Some(date), Some(ttl), Some(names), Some(signature)) = (
            find("X-Goog-Algorithm"),
            find("X-Goog-Credential"),
            find("X-Goog-Date"),
            find("X-Goog-Expires").and_then(|ttl| ttl.parse::<i64>().ok()),
            find("X-Goog-SignedHeaders"),
            find("X-Goog-Signature"),
        ) else {
            return false;
        };
        let scope = format!("{}/auto/storage/goog4_request", date.get(..8).unwrap_or_default());
        let now = self.clock.now().as_seconds();
        let is_now = instant(date).is_some_and(|begin| {
            let begin = begin.as_seconds();
            (1..=WEEK_SECONDS).contains(&ttl) && begin <= now + 900 && now < begin + ttl
        });
        if credential != format!("{}/{scope}", account::email()) || !is_now {
            return false;
        }
        let signed: Vec<&str> = names.split(';').collect();
        // Whatever is Google's own must be part of the signature.
        let is_covered = |name: &str| !name.starts_with("x-goog-") || signed.contains(&name);
        if !signed.contains(&"host") || !parts.headers.keys().all(|name| is_covered(name.as_str())) {
            return false;
        }
        let mut headers = String::new();
        for name in &signed {
            let Some(value) = parts.headers.get(*name).and_then(|value| value.to_str().ok()) else {
                return false;
            };
            headers += &format!("{name}:{}\n", value.trim());
        }
        let mut pairs: Vec<&str> = parts
            .uri
            .query()
            .unwrap()
            .split('&')
            .filter(|pair| !pair.starts_with("X-Goog-Signature="))
            .collect();
        pairs.sort_unstable();
        let request = format!(
            "{}\n{}\n{}\n{headers}\n{names}\nUNSIGNED-PAYLOAD",
            parts.method,
            parts.uri.path(),
            pairs.join("&")
        );
        let statement = format!("GOOG4-RSA-SHA256\n{date}\n{scope}\n{:x}", Sha256::digest(request));
        account::verifies(&statement, signature)
    }

    async fn put(&self, bucket: &str, name: &str, asked: &Asked<'_>) -> Answer {
        let header = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(range) = header("x-goog-content-length-range") {
            let (least, most) = range.split_once(',').unwrap();
            let (least, most): (usize, usize) = (least.parse().unwrap(), most.parse().unwrap());
            if !(least..=most).contains(&asked.body.len()) {
                return Err(refusal(400, "invalid"));
            }
        }
        let current = self.current(bucket, name).await?;
        let found = current.as_ref().map_or("0", |value| value["generation"].as_str().unwrap());
        if header("x-goog-if-generation-match").is_some_and(|wanted| wanted != found) {
            return Err(refusal(412, "conditionNotMet"));
        }
        let content_type = header("content-type").unwrap_or("application/octet-stream");
        let url = self.emulator.join(&format!("upload/storage/v1/b/{bucket}/o")).unwrap();
        let begun = self
            .pass(
                self.client
                    .post(url)
                    .query(&[("uploadType", "resumable"), ("name", &hidden(name))])
                    .json(&json!({ "contentType": content_type })),
            )
            .await?;
        let session = begun.headers()["location"].to_str().unwrap().to_owned();
        let _: Value = self.pass_json(self.client.put(session).body(asked.body.clone())).await?;
        Ok(Response::builder().body(Body::empty()).unwrap())
    }
}

/// `20190201T090000Z` as an instant.
fn instant(text: &str) -> Option<Timestamp> {
    let part = |from, to| text.get(from..to);
    Timestamp::parse(&format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(9, 11)?,
        part(11, 13)?,
        part(13, 15)?
    ))
}
