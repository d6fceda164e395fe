//! Resumable uploads. The emulator has them; what it does not is their condition, the answer once they are over, and that the
//! server may keep less than it was sent.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::http::{Method, Response};
use serde_json::{Value, json};
use url::Url;

use super::{Answer, Asked, State, Trouble, hidden, hide_metadata, json_response, refusal};

/// What a server keeps at least, and in multiples.
const CHUNK: usize = 256 * 1024;

/// An upload that was begun.
pub(crate) struct Session {
    bucket: String,
    name: String,
    generation: Option<String>,
    /// Its session at the emulator.
    url: Url,
    received: u64,
    /// The object, once it is there.
    stored: Option<Value>,
}

/// `bytes 0-9/10`, `bytes 0-9/*`, `bytes */10` and `bytes */*`: where the bytes begin, if there are any, and how many there
/// are in all, if that is known.
fn content_range(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = if range == "*" { None } else { Some(range.split_once('-')?.0.parse().ok()?) };
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((start, total))
}

impl State {
    pub(super) async fn upload(
        &self,
        sessions: &mut BTreeMap<String, Session>,
        bucket: &str,
        asked: &Asked<'_>,
        trouble: Option<Trouble>,
    ) -> Answer {
        let id = asked.query.get("upload_id");
        match (asked.method, id) {
            (&Method::POST, None) => self.begin(sessions, bucket, asked).await,
            (&Method::PUT, Some(id)) => {
                let session = sessions.get_mut(id).ok_or_else(|| refusal(404, "notFound"))?;
                let answer = self.receive(session, asked, trouble).await;
                if answer.as_ref().is_err_and(|refused| refused.status() == 412) {
                    sessions.remove(id);
                }
                answer
            }
            (&Method::DELETE, Some(id)) => {
                sessions.remove(id).ok_or_else(|| refusal(404, "notFound"))?;
                Err(refusal(499, "cancelled"))
            }
            _ => Err(refusal(400, "invalid")),
        }
    }

    async fn begin(
        &self,
        sessions: &mut BTreeMap<String, Session>,
        bucket: &str,
        asked: &Asked<'_>,
    ) -> Answer {
        if asked.query.get("uploadType").is_none_or(|kind| kind != "resumable") {
            return Err(refusal(400, "invalid"));
        }
        let name = asked.query.get("name").ok_or_else(|| refusal(400, "required"))?;
        let current = self.current(bucket, name).await?;
        Self::allowed(current.as_ref(), asked, "")?;
        let mut resource: Value = serde_json::from_slice(&asked.body).map_err(|_| refusal(400, "invalid"))?;
        resource["name"] = json!(hidden(name));
        hide_metadata(&mut resource);
        let url = self.emulator.join(&format!("upload/storage/v1/b/{bucket}/o")).unwrap();
        let begun = self
            .pass(
                self.client
                    .post(url)
                    .query(&[("uploadType", "resumable"), ("name", &hidden(name))])
                    .header("x-upload-content-type", asked.headers["x-upload-content-type"].clone())
                    .json(&resource),
            )
            .await?;
        let url = Url::parse(begun.headers()["location"].to_str().unwrap()).unwrap();
        let id = format!("session-{}-{}", sessions.len(), self.clock.now().as_micros());
        let generation = asked.query.get("ifGenerationMatch").cloned();
        let host = asked.headers["host"].to_str().unwrap();
        let location =
            format!("http://{host}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={id}");
        let (bucket, name) = (bucket.to_owned(), name.clone());
        sessions.insert(id, Session { bucket, name, generation, url, received: 0, stored: None });
        Ok(Response::builder().header("location", location).body(Body::empty()).unwrap())
    }

    async fn receive(&self, session: &mut Session, asked: &Asked<'_>, trouble: Option<Trouble>) -> Answer {
        // Google refuses a PUT without its length.
        if asked.headers.get("content-length").is_none() {
            return Err(refusal(411, "required"));
        }
        let range = asked.headers.get("content-range").and_then(|text| content_range(text.to_str().ok()?));
        let (start, total) = range.ok_or_else(|| refusal(400, "invalid"))?;
        if let Some(stored) = &session.stored {
            // How it was can be asked for. Google says nothing of bytes that are sent to what is over.
            return if start.is_none() {
                Ok(json_response(200, stored))
            } else {
                Err(refusal(400, "invalid"))
            };
        }
        let mut bytes = asked.body.clone();
        if start.is_none() {
            bytes = Bytes::new();
        } else if start != Some(session.received) {
            return Ok(session.incomplete());
        }
        let is_end = total == Some(session.received + bytes.len() as u64);
        if !is_end {
            // Whatever is more than a multiple comes again.
            bytes.truncate(bytes.len() / CHUNK * CHUNK);
        }
        match trouble {
            Some(Trouble::Part) => bytes.truncate(CHUNK),
            Some(Trouble::Damage) => {
                bytes = bytes.iter().enumerate().map(|(place, byte)| byte ^ u8::from(place == 0)).collect();
            }
            _ => {}
        }
        let end = session.received + bytes.len() as u64;
        let is_end = total == Some(end);
        if bytes.is_empty() && !is_end {
            return Ok(session.incomplete());
        }
        if is_end {
            let current = self.current(&session.bucket, &session.name).await?;
            let found = current.as_ref().map_or("0", |value| value["generation"].as_str().unwrap());
            if session.generation.as_ref().is_some_and(|wanted| wanted != found) {
                return Err(refusal(412, "conditionNotMet"));
            }
        }
        let all = if is_end { end.to_string() } else { "*".to_owned() };
        let range = match end.checked_sub(1) {
            Some(last) if !bytes.is_empty() => format!("bytes {}-{last}/{all}", session.received),
            _ => format!("bytes */{all}"),
        };
        let request = self.client.put(session.url.clone()).header("content-range", range).body(bytes);
        if is_end {
            let stored = self.pass_json(request).await?;
            session.stored = Some(stored.clone());
            return Ok(json_response(200, &stored));
        }
        self.pass(request).await?;
        session.received = end;
        Ok(session.incomplete())
    }
}

impl Session {
    /// 308 with what is there.
    fn incomplete(&self) -> Response<Body> {
        let response = Response::builder().status(308).header("content-length", 0);
        let response = match self.received.checked_sub(1) {
            Some(last) => response.header("range", format!("bytes=0-{last}")),
            None => response,
        };
        response.body(Body::empty()).unwrap()
    }
}
