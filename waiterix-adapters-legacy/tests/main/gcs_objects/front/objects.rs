//! The JSON API.

use axum::body::Body;
use axum::http::Response;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use url::Url;

use super::{Answer, Asked, State, hidden, hide_metadata, json_response, refusal, show_metadata, shown};

/// No page has more names, whatever is asked for.
const PAGE: usize = 10;
/// The bytes of objects are sent in pieces of this size.
const PIECE: usize = 64 * 1024;
/// Larger objects are copied in two steps.
const COPIED_AT_ONCE: u64 = 1024 * 1024;

impl State {
    pub(super) fn object_url(&self, bucket: &str, name: &str) -> Url {
        self.emulator.join(&format!("storage/v1/b/{bucket}/o/{}", hidden(name))).unwrap()
    }

    /// Asks the emulator; a missing bucket or object is a refusal.
    pub(super) async fn pass(&self, request: RequestBuilder) -> Result<reqwest::Response, Response<Body>> {
        let response = request.send().await.map_err(|_| refusal(503, "backendError"))?;
        match response.status().as_u16() {
            200..=299 | 308 => Ok(response),
            404 => Err(refusal(404, "notFound")),
            status => Err(refusal(status, "invalid")),
        }
    }

    pub(super) async fn pass_json(&self, request: RequestBuilder) -> Result<Value, Response<Body>> {
        let answer = self.pass(request).await?;
        let mut value: Value = answer.json().await.map_err(|_| refusal(503, "backendError"))?;
        if let Some(name) = value["name"].as_str().map(shown) {
            value["name"] = json!(name);
        }
        show_metadata(&mut value);
        Ok(value)
    }

    /// The object that is there now.
    pub(super) async fn current(&self, bucket: &str, name: &str) -> Result<Option<Value>, Response<Body>> {
        match self.pass_json(self.client.get(self.object_url(bucket, name))).await {
            Ok(value) => Ok(Some(value)),
            Err(missing) if missing.status() == 404 => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// 412 unless the object is in the state that conditions name; 0 means that there is none.
    pub(super) fn allowed(
        current: Option<&Value>,
        asked: &Asked<'_>,
        prefix: &str,
    ) -> Result<(), Response<Body>> {
        for (parameter, member) in
            [("enerationMatch", "generation"), ("etagenerationMatch", "metageneration")]
        {
            let first = if member == "generation" { ["ifG", "ifSourceG"] } else { ["ifM", "ifSourceM"] };
            let first = if prefix == "Source" { first[1] } else { first[0] };
            let Some(wanted) = asked.query.get(&format!("{first}{parameter}")) else { continue };
            let found = current.map_or("0", |value| value[member].as_str().unwrap());
            if found != wanted {
                return Err(refusal(412, "conditionNotMet"));
            }
        }
        Ok(())
    }

    pub(super) async fn get(&self, bucket: &str, name: &str, asked: &Asked<'_>) -> Answer {
        let current = self.current(bucket, name).await?;
        Self::allowed(current.as_ref(), asked, "")?;
        let current = current.ok_or_else(|| refusal(404, "notFound"))?;
        if asked.query.get("generation").is_some_and(|wanted| current["generation"] != **wanted) {
            return Err(refusal(404, "notFound"));
        }
        if asked.query.get("alt").is_none_or(|alt| alt != "media") {
            return Ok(json_response(200, &current));
        }
        self.media(bucket, name, asked).await
    }

    /// The bytes of an object, or of a part of it.
    pub(super) async fn media(&self, bucket: &str, name: &str, asked: &Asked<'_>) -> Answer {
        let mut request = self.client.get(self.object_url(bucket, name)).query(&[("alt", "media")]);
        if let Some(range) = asked.headers.get("range") {
            request = request.header("range", range);
        }
        let answer = self.pass(request).await?;
        let mut response = Response::builder().status(answer.status());
        for header in ["content-type", "content-range", "content-length"] {
            if let Some(value) = answer.headers().get(header) {
                response = response.header(header, value);
            }
        }
        // The emulator serves one connection at a time, so it must not wait for a reader who does not read.
        let bytes = answer.bytes().await.map_err(|_| refusal(503, "backendError"))?;
        let pieces = (0..bytes.len()).step_by(PIECE).map(move |place| {
            Ok::<_, std::convert::Infallible>(bytes.slice(place..bytes.len().min(place + PIECE)))
        });
        Ok(response.body(Body::from_stream(futures_util::stream::iter(pieces))).unwrap())
    }

    pub(super) async fn delete(&self, bucket: &str, name: &str, asked: &Asked<'_>) -> Answer {
        let current = self.current(bucket, name).await?;
        let current = current.ok_or_else(|| refusal(404, "notFound"))?;
        Self::allowed(Some(&current), asked, "")?;
        self.pass(self.client.delete(self.object_url(bucket, name))).await?;
        Ok(Response::builder().status(204).body(Body::empty()).unwrap())
    }

    /// Metadata of other names stays, and `null` removes one.
    pub(super) async fn patch(&self, bucket: &str, name: &str, asked: &Asked<'_>) -> Answer {
        let current = self.current(bucket, name).await?.ok_or_else(|| refusal(404, "notFound"))?;
        Self::allowed(Some(&current), asked, "")?;
        let mut change: Value = serde_json::from_slice(&asked.body).map_err(|_| refusal(400, "invalid"))?;
        if let Some(changed) = change["metadata"].as_object() {
            let mut merged = current["metadata"].as_object().cloned().unwrap_or_default();
            for (name, value) in changed {
                if value.is_null() {
                    merged.remove(name);
                } else {
                    merged.insert(name.clone(), value.clone());
                }
            }
            change["metadata"] = Value::Object(merged);
            hide_metadata(&mut change);
        }
        let changed = self.pass_json(self.client.patch(self.object_url(bucket, name)).json(&change)).await?;
        Ok(json_response(200, &changed))
    }

    pub(super) async fn rewrite(
        &self,
        (bucket, name): &(String, String),
        (to_bucket, to_name): &(String, String),
        asked: &Asked<'_>,
    ) -> Answer {
        // Google refuses a POST without its length.
        if asked.headers.get("content-length").is_none() {
            return Err(refusal(411, "required"));
        }
        let current = self.current(bucket, name).await?;
        Self::allowed(current.as_ref(), asked, "Source")?;
        let current = current.ok_or_else(|| refusal(404, "notFound"))?;
        let size: u64 = current["size"].as_str().unwrap().parse().unwrap();
        let token = format!("of generation {}", current["generation"]);
        match asked.query.get("rewriteToken") {
            None if size > COPIED_AT_ONCE => {
                return Ok(json_response(200, &json!({ "done": false, "rewriteToken": token })));
            }
            Some(given) if *given != token => return Err(refusal(400, "invalid")),
            _ => {}
        }
        let mut url = self.object_url(bucket, name);
        url.set_path(&format!("{}/rewriteTo/b/{to_bucket}/o/{}", url.path(), hidden(to_name)));
        let done: Value = self.pass_json(self.client.post(url)).await?;
        Ok(json_response(200, &json!({ "done": done["done"], "resource": {} })))
    }

    pub(super) async fn list(&self, bucket: &str, asked: &Asked<'_>) -> Answer {
        let prefix = hidden(asked.query.get("prefix").map_or("", String::as_str));
        let url = self.emulator.join(&format!("storage/v1/b/{bucket}/o")).unwrap();
        let all: Value = self.pass_json(self.client.get(url).query(&[("prefix", prefix)])).await?;
        let start = asked.query.get("startOffset").map_or("", String::as_str);
        let after = asked.query.get("pageToken").map(String::as_str);
        let most = asked.query.get("maxResults").and_then(|most| most.parse().ok()).unwrap_or(PAGE).min(PAGE);
        let mut items: Vec<Value> = Vec::new();
        let mut next = None;
        for item in all["items"].as_array().unwrap() {
            let name = shown(item["name"].as_str().unwrap());
            if name.as_str() < start || after.is_some_and(|after| name.as_str() <= after) {
                continue;
            }
            if items.len() == most {
                next = items.last().map(|item| item["name"].clone());
                break;
            }
            items.push(json!({ "name": name, "size": item["size"] }));
        }
        // Members without anything in them are left out.
        let mut page = json!({ "kind": "storage#objects" });
        if !items.is_empty() {
            page["items"] = json!(items);
        }
        if let Some(next) = next {
            page["nextPageToken"] = next;
        }
        Ok(json_response(200, &page))
    }
}
