//! Pictures over HTTP.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use waiterix_ports::BlobStore as _;
use waiterix_ports::blob::{PutBlob, Visibility};

use crate::common::{House, Owner, Reply, message};
use crate::pictures::{PNG, exists, granted, put, uploaded};

async fn get_with(house: &House, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    house.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn d94_grants_are_for_pictures_and_signed_in_owners_only() {
    let house = House::new();
    house.post("/api/objects/upload", json!({})).await.refused(401, message("Unauthorized"));
    let ada = house.user("ada").await;
    let before = house.dump().await;
    for bad in ["image/svg+xml", "text/html", "application/pdf", ""] {
        let refused =
            house.post_as(&ada, "/api/objects/upload", json!({ "contentType": bad })).await.expect(400);
        assert_eq!(refused["errors"][0]["path"], json!(["contentType"]));
    }
    house.post_as(&ada, "/api/objects/upload", json!({ "contentType": 7 })).await.expect(400);
    House::nothing_changed(&before, &house.dump().await);
    for good in ["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"] {
        house.post_as(&ada, "/api/objects/upload", json!({ "contentType": good })).await.expect(200);
    }
    let (target, key) = granted(&house, &ada).await;
    assert!(key.starts_with("public/uploads/") && target.contains("signature="));
}

#[tokio::test]
async fn an_uploaded_picture_is_served_with_the_headers_that_keep_browsers_safe() {
    let house = House::new();
    let ada = house.user("ada").await;
    let (_, key) = uploaded(&house, &ada).await;
    let reply = house.get(&format!("/api/objects/{key}")).await;
    assert_eq!((reply.status.as_u16(), reply.bytes.as_slice()), (200, PNG));
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-length", &PNG.len().to_string()),
        ("cache-control", "public, max-age=3600"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox"),
        ("accept-ranges", "bytes"),
        ("last-modified", "Fri, 31 Jan 2025 09:05:07 GMT"),
    ] {
        assert_eq!(reply.headers[name], value, "{name}");
    }
    assert!(reply.headers.contains_key("etag") && !reply.headers.contains_key("content-disposition"));
}

#[tokio::test]
async fn b10_unchanged_objects_and_single_ranges_are_honoured() {
    let house = House::new();
    let ada = house.user("ada").await;
    let (_, key) = uploaded(&house, &ada).await;
    let path = format!("/api/objects/{key}");
    let etag = house.get(&path).await.headers["etag"].to_str().unwrap().to_owned();
    for tags in [etag.as_str(), "*", &format!("\"other\", W/{etag}")] {
        let reply = get_with(&house, &path, &[("if-none-match", tags)]).await;
        assert_eq!((reply.status.as_u16(), reply.bytes.len()), (304, 0), "{tags}");
        assert_eq!(reply.headers["etag"], etag.as_str());
    }
    assert_eq!(get_with(&house, &path, &[("if-none-match", "\"other\"")]).await.status, 200);

    let size = PNG.len();
    for (range, bytes, says) in [
        ("bytes=1-3", &PNG[1..4], format!("bytes 1-3/{size}")),
        ("bytes=8-", &PNG[8..], format!("bytes 8-{}/{size}", size - 1)),
        ("bytes=-5", &PNG[size - 5..], format!("bytes {}-{}/{size}", size - 5, size - 1)),
        ("bytes=60-9999", &PNG[60..], format!("bytes 60-{}/{size}", size - 1)),
    ] {
        let reply = get_with(&house, &path, &[("range", range)]).await;
        assert_eq!((reply.status.as_u16(), reply.bytes.as_slice()), (206, bytes), "{range}");
        assert_eq!(reply.headers["content-range"], says.as_str());
        assert_eq!(reply.headers["content-length"], bytes.len().to_string().as_str());
    }
    let beyond = get_with(&house, &path, &[("range", "bytes=9999-")]).await;
    assert_eq!(
        (beyond.status.as_u16(), beyond.headers["content-range"].to_str().unwrap()),
        (416, format!("bytes */{size}").as_str())
    );
    for whole in [&[("range", "bytes=0-1,3-4")][..], &[("range", "bytes=1-3"), ("if-range", "\"other\"")][..]]
    {
        assert_eq!(get_with(&house, &path, whole).await.status, 200);
    }
    assert_eq!(get_with(&house, &path, &[("range", "bytes=1-3"), ("if-range", &etag)]).await.status, 206);
}

#[tokio::test]
async fn what_does_not_fit_into_an_answer_is_fetched_from_its_store() {
    let limit = |bytes: usize| House::with(|settings| settings.max_answer_bytes = Some(bytes as u64));
    let house = limit(PNG.len() - 1);
    let ada = house.user("ada").await;
    let (_, key) = uploaded(&house, &ada).await;
    let path = format!("/api/objects/{key}");
    let reply = house.get(&path).await;
    assert_eq!(reply.status, 307);
    assert_eq!(reply.headers["cache-control"], "private, max-age=300", "forgotten before the URL ends");
    let elsewhere = reply.headers["location"].to_str().unwrap();
    assert!(elsewhere.contains(&key) && elsewhere.contains("signature="), "{elsewhere}");
    assert_eq!(get_with(&house, &path, &[("range", "bytes=0-9")]).await.status, 206, "a part fits");
    assert_eq!(get_with(&house, &path, &[("if-none-match", "*")]).await.status, 304);
    let secret = PutBlob::new("x".repeat(PNG.len()));
    house.blobs.put("private/of-somebody", secret).await.unwrap();
    assert_eq!(house.get("/api/objects/private/of-somebody").await.status, 404, "no way around permissions");

    let house = limit(PNG.len());
    let ada = house.user("ada").await;
    let (_, key) = uploaded(&house, &ada).await;
    assert_eq!(house.get(&format!("/api/objects/{key}")).await.status, 200);
}

#[tokio::test]
async fn d92_a_missing_object_and_a_malformed_key_are_404_in_plain_words() {
    let house = House::new();
    for path in [
        "/api/objects/public/uploads/missing",
        "/api/objects/missing",
        "/api/objects/public/../secret",
        "/api/objects/public/%2e%2e/secret",
        "/api/objects/public/%00",
        "/api/objects/public/%FF",
    ] {
        let reply = house.get(path).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (404, "Not Found"), "{path}");
    }
    let range = get_with(&house, "/api/objects/public/uploads/missing", &[("range", "bytes=0-1")]).await;
    assert_eq!(range.status, 404);
}

async fn store(house: &House, key: &str, owner: Option<&Owner>, bytes: &'static [u8], content_type: &str) {
    let blob = PutBlob {
        owner: owner.map(|owner| owner.user.id.clone()),
        visibility: Visibility::Private,
        content_type: Some(content_type.to_owned()),
        ..PutBlob::new(bytes)
    };
    house.blobs.put(key, blob).await.unwrap();
}

#[tokio::test]
async fn d93_b5_private_objects_are_for_their_owner_and_nobody_else() {
    let house = House::new();
    let (ada, bob) = (house.user("ada").await, house.user("bob").await);
    store(&house, "private/a", Some(&ada), PNG, "image/png").await;
    store(&house, "private/nobodys", None, PNG, "image/png").await;
    store(&house, "uploads/old", None, PNG, "image/png").await;
    let mine = house.get_as(&ada, "/api/objects/private/a").await;
    assert_eq!(
        (mine.status.as_u16(), mine.headers["cache-control"].to_str().unwrap()),
        (200, "private, max-age=3600")
    );
    for reply in [
        house.get_as(&bob, "/api/objects/private/a").await,
        house.get("/api/objects/private/a").await,
        house.get_as(&ada, "/api/objects/private/nobodys").await,
    ] {
        assert_eq!((reply.status.as_u16(), reply.text()), (404, "Not Found"));
    }
    assert_eq!(house.get("/api/objects/uploads/old").await.status, 200);
    let url = house.blobs.presign_download("private/a", Duration::from_secs(60)).await.unwrap();
    let target = format!("{}?{}", url.path(), url.query().unwrap());
    assert_eq!(house.get(&target).await.status, 200);
    assert_eq!(house.get(&target.replace("private/a", "private/nobodys")).await.status, 404);
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(house.get(&target).await.status, 404);
}

#[tokio::test]
async fn b9_d94_what_could_carry_a_script_is_never_shown_in_place() {
    let house = House::new();
    for (key, content_type) in
        [("public/page", "text/html"), ("public/drawing", "image/svg+xml"), ("public/x", "bad\ntype")]
    {
        store(&house, key, None, b"<script>alert(1)</script>", content_type).await;
        let reply = house.get(&format!("/api/objects/{key}")).await;
        assert_eq!(reply.headers["content-disposition"], "attachment", "{key}");
        assert_eq!(reply.headers["content-security-policy"], "sandbox");
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn b70_an_upload_must_be_what_its_url_permits() {
    let house = House::new();
    let ada = house.user("ada").await;
    let (target, key) = granted(&house, &ada).await;
    let bare = target.split('?').next().unwrap();
    assert_eq!(put(&house, bare, PNG, None).await.status, 403);
    assert_eq!(put(&house, &target.replace("public/uploads/", "public/other/"), PNG, None).await.status, 403);
    assert_eq!(
        put(&house, &target, b"<html></html>", Some("image/png")).await.status,
        415,
        "the content decides"
    );
    assert_eq!(put(&house, &target, b"", Some("image/png")).await.status, 415);
    let mut large = PNG.to_vec();
    large.resize(10 * 1024 * 1024 + 1, 0);
    assert_eq!(put(&house, &target, &large, Some("image/png")).await.status, 413);
    let undeclared = Request::put(&target).body(Body::from_stream(futures_util::stream::iter(
        large.chunks(1 << 16).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>(),
    )));
    assert_eq!(house.send(undeclared.unwrap()).await.status, 413);
    assert!(!exists(&house, &key).await, "nothing was stored");
    large.truncate(10 * 1024 * 1024);
    assert_eq!(put(&house, &target, &large, Some("image/png")).await.status, 200, "exactly ten megabytes");
    assert_eq!(put(&house, &target, PNG, Some("image/png")).await.status, 409, "B72: never replaced");

    let body = json!({ "contentType": "image/jpeg" });
    let url = house.post_as(&ada, "/api/objects/upload", body).await.expect(200)["uploadURL"].clone();
    let target = url.as_str().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap();
    assert_eq!(put(&house, target, PNG, Some("image/jpeg")).await.status, 415, "another type by content");
    assert_eq!(put(&house, target, PNG, Some("image/png")).await.status, 415, "another type by header");

    let (late, key) = granted(&house, &ada).await;
    house.clock.advance(Duration::from_secs(900));
    assert_eq!(put(&house, &late, PNG, Some("image/png")).await.status, 403);
    assert!(!exists(&house, &key).await);
}

#[tokio::test]
async fn b7_an_upload_records_its_owner() {
    let house = House::new();
    let ada = house.user("ada").await;
    let (_, key) = uploaded(&house, &ada).await;
    let meta = house.blobs.head(&key).await.unwrap();
    assert_eq!((meta.owner, meta.visibility), (Some(ada.user.id), Visibility::Public));
}
