//! Taking an upload at a signed URL.

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Response, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use waiterix_domain::id::{UploadKey, UserId};
use waiterix_domain::picture::PICTURE_TYPES;
use waiterix_ports::blob::{ByteStream, PutBlob, PutMode, Visibility, detect_content_type};
use waiterix_ports::signed_url::{Permit, UploadFault};
use waiterix_ports::{Error, ErrorKind};

use super::objects::{encoded_key, plain};
use crate::App;
use crate::pictures::HEAD_BYTES;

/// Takes the body of a PUT, if its URL permits it and it is a picture.
pub(super) async fn take(app: &App, request: Request) -> Response<Body> {
    let Some(signer) = &app.signed_objects else { return plain(StatusCode::NOT_FOUND) };
    let query = request.uri().query().unwrap_or_default();
    let Some(permit) = signer.permit(encoded_key(request.uri()), query, app.clock.now()) else {
        return plain(StatusCode::FORBIDDEN);
    };
    match stored(app, permit, request).await {
        Ok(status) => plain(status),
        Err(error) => {
            tracing::error!(%error, "an upload could not be stored");
            plain(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

async fn stored(app: &App, permit: Permit, request: Request) -> Result<StatusCode, Error> {
    let declared = declared_length(request.headers());
    let said = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if let Some(fault) = permit.upload_fault(said, declared) {
        return Ok(match fault {
            UploadFault::NotPermitted => StatusCode::FORBIDDEN,
            UploadFault::Type => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            UploadFault::Length => StatusCode::BAD_REQUEST,
            UploadFault::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        });
    }
    let Permit::Upload { key, content_type, size, max_size } = permit else {
        return Ok(StatusCode::FORBIDDEN);
    };
    let Some(owner) = owner_of(app, &key).await? else { return Ok(StatusCode::FORBIDDEN) };
    let (head, rest) = first_bytes(request.into_body().into_data_stream()).await?;
    let found = detect_content_type(&head).filter(|found| PICTURE_TYPES.contains(found));
    let Some(found) = found.filter(|found| content_type.as_deref().is_none_or(|said| said == *found)) else {
        return Ok(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    };
    let body: ByteStream = Box::pin(stream::once(std::future::ready(Ok(head))).chain(rest.map(received)));
    let blob = PutBlob {
        body,
        size: size.or(declared),
        content_type: Some(found.to_owned()),
        cache_control: None,
        owner: Some(owner),
        visibility: Visibility::Public,
        mode: PutMode::Create,
        max_size,
    };
    match app.ports.blobs.put(&key, blob).await {
        Ok(_) => Ok(StatusCode::OK),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(StatusCode::CONFLICT),
        // The key was signed by us, so all that can be wrong is the length of the body.
        Err(error) if error.kind() == ErrorKind::Invalid => Ok(StatusCode::PAYLOAD_TOO_LARGE),
        Err(error) => Err(error),
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Who asked for the URL; nobody when the grant is gone, because its owner left or it was cleared away.
async fn owner_of(app: &App, key: &str) -> Result<Option<UserId>, Error> {
    let upload = app.reads().upload(&UploadKey::new(key)).await?;
    Ok(upload.map(|upload| upload.user_id))
}

fn received(piece: Result<Bytes, axum::Error>) -> Result<Bytes, Error> {
    piece.map_err(|error| Error::new(ErrorKind::Unavailable, "upload.receive").because(error))
}

/// Reads enough of a body to tell its type; answers what was read and the rest.
async fn first_bytes(mut body: BodyDataStream) -> Result<(Bytes, BodyDataStream), Error> {
    let mut head = BytesMut::new();
    while head.len() < HEAD_BYTES {
        match body.next().await {
            Some(piece) => head.extend_from_slice(&received(piece)?),
            None => break,
        }
    }
    Ok((head.freeze(), body))
}
