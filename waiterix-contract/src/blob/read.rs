//! Reading.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use futures_util::{StreamExt as _, TryStreamExt as _};
use waiterix_ports::{ErrorKind, Visibility};

use super::{Fresh, collect, described, malformed_keys, store};
use crate::race::refused;

/// **B10**
pub async fn b10_a_missing_object_is_not_found(fixture: Fresh) {
    store(&fixture, "a/b", "x").await;
    let mut missing: Vec<String> = ["absent", "a", "a/", "a/b/c", "A/b", "a/bb"].map(str::to_owned).to_vec();
    missing.extend(malformed_keys());
    for key in missing {
        let what = format!("key {key:.40?}");
        refused(fixture.port.get(&key, None).await, ErrorKind::NotFound, &what);
        refused(fixture.port.get(&key, Some(0..1)).await, ErrorKind::NotFound, &what);
        refused(fixture.port.head(&key).await, ErrorKind::NotFound, &what);
    }
}

/// **B11**
pub async fn b11_ranges_are_exact(fixture: Fresh) {
    let bytes: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    let size = bytes.len() as u64;
    let stored = store(&fixture, "k", bytes.clone()).await;
    for range in
        [0..1, 0..size, 5..10, 65_535..131_073, size - 1..size, size - 1..u64::MAX, 7..size + 1, 0..u64::MAX]
    {
        let found = fixture.port.get("k", Some(range.clone())).await.unwrap();
        let cut = range.start..range.end.min(size);
        assert_eq!(found.range, cut);
        assert_eq!(found.meta, stored, "the whole object is described");
        let expected = &bytes[cut.start as usize..cut.end as usize];
        assert!(collect(found.body).await.unwrap() == expected, "bytes {range:?}");
    }
    let whole = fixture.port.get("k", None).await.unwrap();
    assert_eq!(whole.range, 0..size);
    assert!(collect(whole.body).await.unwrap() == bytes);
}

/// **B11**
pub async fn b11_a_range_that_names_no_byte_is_invalid(fixture: Fresh) {
    store(&fixture, "k", "0123456789").await;
    store(&fixture, "empty", "").await;
    for (key, range) in
        [("k", 10..11), ("k", 11..20), ("k", u64::MAX - 1..u64::MAX), ("k", 3..3), ("empty", 0..1)]
    {
        refused(
            fixture.port.get(key, Some(range.clone())).await,
            ErrorKind::Invalid,
            &format!("{key} {range:?}"),
        );
    }
    let empty = fixture.port.get("empty", None).await.unwrap();
    assert_eq!(empty.range, 0..0);
    assert!(collect(empty.body).await.unwrap().is_empty());
}

/// **B12**
pub async fn b12_the_body_arrives_in_pieces(fixture: Fresh) {
    const SIZE: usize = 8 * 1024 * 1024;
    store(&fixture, "k", vec![b'x'; SIZE]).await;
    for range in [None, Some(1..SIZE as u64 - 1)] {
        let mut found = fixture.port.get("k", range).await.unwrap();
        let first = found.body.next().await.unwrap().unwrap();
        assert!(first.len() <= SIZE / 2, "{} of {SIZE} bytes in the first piece", first.len());
        let rest = collect(found.body).await.unwrap();
        assert_eq!((first.len() + rest.len()) as u64, found.range.end - found.range.start);
    }
}

/// **B12**
pub async fn b12_a_reader_may_stop_early(fixture: Fresh) {
    store(&fixture, "k", vec![b'x'; 3_000_000]).await;
    for _ in 0..20 {
        let mut found = fixture.port.get("k", None).await.unwrap();
        found.body.try_next().await.unwrap().unwrap();
    }
    assert_eq!(super::bytes_of(&fixture, "k").await.unwrap().len(), 3_000_000);
}

/// **B20**
pub async fn b20_head_says_the_same_as_get(fixture: Fresh) {
    let plain = store(&fixture, "plain", "x").await;
    let full = fixture.port.put("full", described("GIF89a")).await.unwrap();
    for (key, answered) in [("plain", plain), ("full", full)] {
        let head = fixture.port.head(key).await.unwrap();
        assert_eq!(head, answered, "what the put answered");
        assert_eq!(head, fixture.port.get(key, None).await.unwrap().meta);
        assert_eq!(head, fixture.port.get(key, Some(0..1)).await.unwrap().meta);
    }
    assert_eq!(fixture.port.head("full").await.unwrap().visibility, Visibility::Public);
    refused(fixture.port.head("absent").await, ErrorKind::NotFound, "a missing object");
}

/// **B20**
pub async fn b20_an_etag_changes_with_the_bytes(fixture: Fresh) {
    let mut seen = Vec::new();
    for bytes in ["one", "two", "", "a longer one"] {
        let etag = store(&fixture, "k", bytes).await.etag;
        assert!(etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'), "{etag} is not quoted");
        assert!(etag.bytes().all(|byte| byte.is_ascii_graphic()), "{etag} is no header value");
        assert_eq!(fixture.port.head("k").await.unwrap().etag, etag);
        assert!(!seen.contains(&etag), "other bytes, same etag");
        seen.push(etag);
    }
}
