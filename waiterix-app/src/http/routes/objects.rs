//! Pictures and other objects.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use waiterix_domain::picture::{self, MAX_PICTURE_BYTES, PICTURE_TYPES, UPLOAD_TTL_SECONDS};
use waiterix_ports::blob::{BlobMeta, Download, UploadRequest, is_key, upload_headers};
use waiterix_ports::signed_url::Permit;
use waiterix_ports::{Error, ErrorKind};

use super::object_range::{Wanted, wanted};
use super::object_upload;
use crate::http::body::{Fields, JsonBody};
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Words, answer};
use crate::pictures::is_public;
use crate::transact::Refusal;
use crate::{App, Shared};

const PREFIX: &str = "/api/objects/";
const CONTENT_SECURITY_POLICY: HeaderName = HeaderName::from_static("content-security-policy");
const CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");
/// How long an object can be fetched from where it is.
const ELSEWHERE_TTL: Duration = Duration::from_secs(15 * 60);
/// What a browser may show in place; anything else is offered as a file, because it could carry a script.
const SHOWN_TYPES: [&str; 3] = ["audio/mpeg", "audio/webm", "video/webm"];

pub(crate) fn router() -> Routes {
    Routes::default().routes(routes!(grant)).routes(routes!(fetch, upload))
}

/// What will be uploaded.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct GrantBody {
    /// `image/jpeg`, `image/png`, `image/webp`, `image/gif` or `image/avif`.
    content_type: Option<String>,
}

/// Where to upload to.
#[derive(Serialize, ToSchema)]
struct Granted {
    #[serde(rename = "uploadURL")]
    upload_url: String,
    /// Headers that the upload must have besides type and length; left out where there are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
}

/// Get a URL to which the browser PUTs one picture of at most 10 MB, within 15 minutes.
#[utoipa::path(post, path = "/api/objects/upload", tag = "objects", request_body = GrantBody,
    responses((status = 200, body = Granted), (status = 400), (status = 401)))]
async fn grant(State(app): State<Shared>, headers: HeaderMap, JsonBody(body): JsonBody) -> Response<Body> {
    answer(Words::message("Failed to generate upload URL"), async {
        let caller = app.caller(&headers).await?;
        let mut fields = Fields::of(&body);
        let content_type = fields.text("contentType").into_option();
        fields.finish("Invalid content type")?;
        let decision = app.with_env(|env| picture::grant(&caller.user().id, content_type.as_deref(), env))?;
        app.commit(&decision.changes).await?;
        let request = UploadRequest {
            key: decision.reply.id.into_string(),
            content_type: decision.reply.content_type,
            size: None,
            max_size: MAX_PICTURE_BYTES,
            ttl: Duration::from_secs(UPLOAD_TTL_SECONDS),
        };
        let mut url = app.ports.blobs.presign_upload(&request).await?;
        let headers = upload_headers(&url).into_iter();
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        // It held the value of a header, which is told now.
        url.set_fragment(None);
        Ok(Json(Granted { upload_url: url.to_string(), headers }))
    })
    .await
}

/// An answer in plain words, as these routes give them.
pub(super) fn plain(status: StatusCode) -> Response<Body> {
    (status, status.canonical_reason().unwrap_or_default()).into_response()
}

/// The key a request names as it stands in its URL: everything after the prefix.
pub(super) fn encoded_key(uri: &Uri) -> &str {
    uri.path().strip_prefix(PREFIX).unwrap_or_default()
}

/// The key a request names, decoded once; `None` when it cannot be a key.
fn key_of(uri: &Uri) -> Option<String> {
    let key = percent_decode_str(encoded_key(uri)).decode_utf8().ok()?.into_owned();
    is_key(&key).then_some(key)
}

/// Read an object. Those below `public/` and `uploads/` are for everyone, others for their owner.
#[utoipa::path(get, path = "/api/objects/{*path}", tag = "objects", params(("path" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream"), (status = 206), (status = 304), (status = 307), (status = 404)))]
async fn fetch(State(app): State<Shared>, uri: Uri, headers: HeaderMap) -> Response<Body> {
    match served(&app, &uri, &headers).await {
        Ok(response) => response,
        Err(Refusal::Rejected(_)) => plain(StatusCode::NOT_FOUND),
        Err(Refusal::SessionsDown(error)) => {
            tracing::error!(%error, "the session store does not answer");
            plain(StatusCode::SERVICE_UNAVAILABLE)
        }
        Err(Refusal::Failed(error)) => {
            tracing::error!(%error, "an object could not be read");
            plain(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

async fn served(app: &App, uri: &Uri, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    let Some(key) = key_of(uri) else { return Ok(plain(StatusCode::NOT_FOUND)) };
    let open = is_public(&key) || may_read_by_url(app, uri, &key);
    if !open && !owns(app, headers, &key).await? {
        return Ok(plain(StatusCode::NOT_FOUND));
    }
    match read(app, headers, &key).await {
        Ok(response) => Ok(response),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(plain(StatusCode::NOT_FOUND)),
        Err(error) => Err(error.into()),
    }
}

/// Whether the URL itself carries the permission to read this object.
fn may_read_by_url(app: &App, uri: &Uri, key: &str) -> bool {
    let Some(signer) = &app.signed_objects else { return false };
    let permit = signer.permit(encoded_key(uri), uri.query().unwrap_or_default(), app.clock.now());
    permit == Some(Permit::Download { key: key.to_owned() })
}

/// Whether the caller is the recorded owner. Somebody who is not signed in owns nothing.
async fn owns(app: &App, headers: &HeaderMap, key: &str) -> Result<bool, Refusal> {
    let caller = match app.caller(headers).await {
        Ok(caller) => caller,
        Err(Refusal::Rejected(_)) => return Ok(false),
        Err(refusal) => return Err(refusal),
    };
    match app.ports.blobs.head(key).await {
        Ok(meta) => Ok(meta.owner.as_ref() == Some(&caller.user().id)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn read(app: &App, headers: &HeaderMap, key: &str) -> Result<Response<Body>, Error> {
    let range = match wanted(headers.get(RANGE)) {
        Wanted::All => None,
        part => {
            // A part is only asked of an object that is still the one meant, and needs its size.
            let meta = app.ports.blobs.head(key).await?;
            match headers.get(IF_RANGE) {
                Some(tag) if tag.as_bytes() != meta.etag.as_bytes() => None,
                _ => match part.within(meta.size) {
                    Some(range) => Some(range),
                    None => return Ok(out_of_range(&meta)),
                },
            }
        }
    };
    let partial = range.is_some();
    let download = app.ports.blobs.get(key, range).await?;
    if is_unchanged(headers, &download.meta.etag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        put_common(response.headers_mut(), key, &download.meta);
        return Ok(response);
    }
    let size = download.range.end.saturating_sub(download.range.start);
    if app.settings.max_answer_bytes.is_some_and(|limit| size > limit) {
        return elsewhere(app, key).await;
    }
    Ok(whole_or_part(key, download, partial))
}

/// The answer about an object that does not fit into one: where its store delivers it. It is forgotten before the URL ends.
async fn elsewhere(app: &App, key: &str) -> Result<Response<Body>, Error> {
    let url = app.ports.blobs.presign_download(key, ELSEWHERE_TTL).await?;
    let mut response = plain(StatusCode::TEMPORARY_REDIRECT);
    put(response.headers_mut(), LOCATION, url.as_str());
    put(response.headers_mut(), CACHE_CONTROL, "private, max-age=300");
    Ok(response)
}

fn out_of_range(meta: &BlobMeta) -> Response<Body> {
    let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE);
    put(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", meta.size));
    response
}

fn whole_or_part(key: &str, download: Download, partial: bool) -> Response<Body> {
    let Download { meta, range, body } = download;
    let mut response = Response::new(Body::from_stream(body));
    if partial {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let part = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), meta.size);
        put(response.headers_mut(), CONTENT_RANGE, &part);
    }
    let headers = response.headers_mut();
    put(headers, CONTENT_LENGTH, &range.end.saturating_sub(range.start).to_string());
    put(headers, CONTENT_TYPE, &meta.content_type);
    if !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    }
    let shown = PICTURE_TYPES.contains(&meta.content_type.as_str())
        || SHOWN_TYPES.contains(&meta.content_type.as_str());
    if !shown {
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    put_common(headers, key, &meta);
    response
}

/// What every answer about an object says, also the one that it has not changed.
fn put_common(headers: &mut HeaderMap, key: &str, meta: &BlobMeta) {
    let audience = if is_public(key) { "public" } else { "private" };
    put(headers, CACHE_CONTROL, &format!("{audience}, max-age=3600"));
    put(headers, ETAG, &meta.etag);
    let seconds = u64::try_from(meta.modified_at.as_seconds()).unwrap_or_default();
    put(headers, LAST_MODIFIED, &httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)));
    headers.insert(CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // What is stored with an object may not be a header value; then the header is left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Whether the caller has this very object: compared weakly, as the header asks for.
fn is_unchanged(headers: &HeaderMap, etag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|list| list.split(',').any(|tag| tag.trim() == "*" || strong(tag) == strong(etag)))
}

/// Upload to a signed URL, where the service honours them itself.
#[utoipa::path(put, path = "/api/objects/{*path}", tag = "objects", params(("path" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200), (status = 403), (status = 404), (status = 409), (status = 413), (status = 415)))]
async fn upload(State(app): State<Shared>, request: Request) -> Response<Body> {
    object_upload::take(&app, request).await
}
