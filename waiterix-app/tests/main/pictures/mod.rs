//! Pictures for tests.

#![allow(missing_docs, unreachable_pub, reason = "test support")]

use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use waiterix_domain::schema::Upload;
use waiterix_domain::{Row, Table};
use waiterix_ports::{BlobStore as _, ErrorKind, KeyRange, Store as _};

use super::common::{House, Owner, Reply};

/// The smallest beginning of a PNG file that is recognised, and a few bytes more.
pub const PNG: &[u8] = b"\x89PNG\r\n\x1A\n0123456789 and so on, with some bytes more than a header needs";

/// Asks for an upload URL; answers its path and query, and the key.
pub async fn granted(house: &House, owner: &Owner) -> (String, String) {
    let url = house.post_as(owner, "/api/objects/upload", json!({})).await.expect(200)["uploadURL"].clone();
    let url = url.as_str().unwrap();
    let target = url.strip_prefix("http://127.0.0.1:8080").unwrap().to_owned();
    let path = target.split('?').next().unwrap();
    let key = path.strip_prefix("/api/objects/").unwrap().to_owned();
    (target, key)
}

/// PUTs bytes to an upload URL.
pub async fn put(house: &House, target: &str, bytes: &[u8], content_type: Option<&str>) -> Reply {
    let mut request = Request::put(target).header("content-length", bytes.len());
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    house.send(request.body(Body::from(bytes.to_vec())).unwrap()).await
}

/// A picture that was uploaded; answers the upload URL as a browser passes it back, and the key.
pub async fn uploaded(house: &House, owner: &Owner) -> (String, String) {
    let (target, key) = granted(house, owner).await;
    assert_eq!(put(house, &target, PNG, Some("image/png")).await.status, 200);
    (format!("http://127.0.0.1:8080{target}"), key)
}

/// Whether an object is there.
pub async fn exists(house: &House, key: &str) -> bool {
    match house.blobs.head(key).await {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => panic!("{error}"),
    }
}

/// The upload grants in the store.
pub async fn grants(house: &House) -> Vec<Upload> {
    let rows = house.store.scan(Table::Uploads, &KeyRange::default(), 1_000).await.unwrap();
    rows.into_iter()
        .map(|row| match row {
            Row::Upload(upload) => *upload,
            other => panic!("{other:?}"),
        })
        .collect()
}
