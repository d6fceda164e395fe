//! Storing.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::TryStreamExt as _;
use rand::{RngCore as _, SeedableRng as _};
use waiterix_ports::{Bytes, Error, ErrorKind, PutBlob, PutMode, Visibility};

use super::{Fresh, bytes_of, described, is_missing, keys_with, malformed_keys, pieces, store};
use crate::race::{at_once, refused};

/// **B1**
pub async fn b1_everything_is_read_back_as_it_was_stored(fixture: Fresh) {
    let before = fixture.now().as_seconds();
    let answered = fixture.port.put("public/a", described("bytes")).await.unwrap();
    let found = fixture.port.get("public/a", None).await.unwrap().meta;
    assert_eq!(found, answered);
    assert_eq!(found.size, 5);
    assert_eq!(found.content_type, "image/webp");
    assert_eq!(found.cache_control.as_deref(), Some("public, max-age=604800"));
    assert_eq!(found.owner, described("").owner);
    assert_eq!(found.visibility, Visibility::Public);
    // A store may live by another clock than the case, but not by one of another day.
    assert!((found.modified_at.as_seconds() - before).abs() < 86_400, "{:?}", found.modified_at);
    assert_eq!(bytes_of(&fixture, "public/a").await.unwrap(), b"bytes");
}

/// **B1**: public keys and public buckets make nothing public (B4 of the old system).
pub async fn b1_what_nobody_said_is_private_and_unowned(fixture: Fresh) {
    for key in ["public/a", "private/a", "a"] {
        let meta = store(&fixture, key, "x").await;
        assert_eq!(
            (meta.visibility, &meta.owner, &meta.cache_control),
            (Visibility::Private, &None, &None),
            "{key}"
        );
        assert_eq!(fixture.port.head(key).await.unwrap(), meta);
    }
}

/// **B1**
pub async fn b1_an_overwrite_keeps_nothing_of_the_old_object(fixture: Fresh) {
    fixture.port.put("k", described("old bytes")).await.unwrap();
    store(&fixture, "k", "new").await;
    let found = fixture.port.head("k").await.unwrap();
    assert_eq!((found.size, found.owner, found.cache_control), (3, None, None));
    assert_eq!(
        (found.visibility, found.content_type.as_str()),
        (Visibility::Private, "application/octet-stream")
    );
    assert_eq!(bytes_of(&fixture, "k").await.unwrap(), b"new");
}

/// **B1**
pub async fn b1_any_bytes_in_any_pieces_survive(fixture: Fresh) {
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    for sizes in [vec![], vec![0], vec![1], vec![0, 3, 0, 1], vec![300_000, 1, 70_000]] {
        let mut all = Vec::new();
        let parts = sizes.iter().map(|size| {
            let mut part = vec![0; *size];
            random.fill_bytes(&mut part);
            all.extend_from_slice(&part);
            Ok(Bytes::from(part))
        });
        let body = pieces(parts.collect());
        let announced = (sizes.len() % 2 == 0).then_some(all.len() as u64);
        fixture.port.put("k", PutBlob { body, size: announced, ..PutBlob::new("") }).await.unwrap();
        assert_eq!(bytes_of(&fixture, "k").await.unwrap(), all);
        assert_eq!(fixture.port.head("k").await.unwrap().size, all.len() as u64);
    }
}

/// **B2**
pub async fn b2_a_failed_put_leaves_the_old_object(fixture: Fresh) {
    let old = fixture.port.put("k", described("old")).await.unwrap();
    let failing = |size| {
        let cut_off = Error::new(ErrorKind::Unavailable, "test.body");
        let body = pieces(vec![Ok(Bytes::from(vec![b'n'; 100_000])), Err(cut_off), Ok("rest".into())]);
        PutBlob { body, size, ..PutBlob::new("") }
    };
    for size in [None, Some(100_004)] {
        fixture.port.put("k", failing(size)).await.unwrap_err();
        assert_eq!(fixture.port.head("k").await.unwrap(), old);
        assert_eq!(bytes_of(&fixture, "k").await.unwrap(), b"old");
        fixture.port.put("fresh", failing(size)).await.unwrap_err();
        assert!(is_missing(&fixture, "fresh").await, "half an object was stored");
    }
    assert_eq!(keys_with(&fixture, "", 100).await, ["k"]);
}

/// **B2**
pub async fn b2_readers_see_the_old_object_or_the_new_one(fixture: Fresh) {
    const SIZE: usize = 300_000;
    store(&fixture, "k", vec![b'a'; SIZE]).await;
    let done = Arc::new(AtomicBool::new(false));
    let (port, over) = (fixture.port.clone(), done.clone());
    let writing = tokio::spawn(async move {
        for round in 0..12_usize {
            let letter = if round % 2 == 0 { b'b' } else { b'a' };
            // The two differ in length too, so that a mixture would show in either way.
            let bytes = vec![letter; SIZE + usize::from(letter == b'b') * 1000];
            port.put("k", PutBlob::new(bytes)).await.unwrap();
        }
        over.store(true, Ordering::SeqCst);
    });
    while !done.load(Ordering::SeqCst) && !writing.is_finished() {
        let found = fixture.port.get("k", None).await.unwrap();
        let size = found.meta.size;
        let bytes = super::collect(found.body).await.unwrap();
        assert_eq!(bytes.len() as u64, size, "the body is the one that was described");
        assert!(bytes.iter().all(|byte| *byte == bytes[0]), "a mixture of two objects");
        assert_eq!(bytes.len(), SIZE + usize::from(bytes[0] == b'b') * 1000);
    }
    writing.await.unwrap();
}

/// **B3**
pub async fn b3_create_and_if_match_say_when_to_replace(fixture: Fresh) {
    let with = |bytes: &'static str, mode: &PutMode| PutBlob { mode: mode.clone(), ..PutBlob::new(bytes) };
    let first = fixture.port.put("k", with("first", &PutMode::Create)).await.unwrap();
    refused(
        fixture.port.put("k", with("no", &PutMode::Create)).await,
        ErrorKind::Conflict,
        "create over another",
    );
    let mode = PutMode::IfMatch(first.etag.clone());
    let second = fixture.port.put("k", with("second", &mode)).await.unwrap();
    for mode in [
        mode,
        PutMode::IfMatch("\"0\"".to_owned()),
        PutMode::IfMatch("*".to_owned()),
        PutMode::IfMatch(String::new()),
    ] {
        refused(fixture.port.put("k", with("no", &mode)).await, ErrorKind::Conflict, "another etag");
    }
    let mode = PutMode::IfMatch(second.etag.clone());
    refused(
        fixture.port.put("absent", with("no", &mode)).await,
        ErrorKind::Conflict,
        "an etag of a missing object",
    );
    assert!(is_missing(&fixture, "absent").await);
    assert_eq!(fixture.port.head("k").await.unwrap(), second);
    assert_eq!(bytes_of(&fixture, "k").await.unwrap(), b"second");
}

/// **B3**
pub async fn b3_of_several_creates_exactly_one_succeeds(fixture: Fresh) {
    race(&fixture, "k", &PutMode::Create).await;
}

/// **B3**
pub async fn b3_of_several_replacements_of_one_etag_exactly_one_succeeds(fixture: Fresh) {
    let old = store(&fixture, "k", "old").await;
    race(&fixture, "k", &PutMode::IfMatch(old.etag)).await;
}

async fn race(fixture: &Fresh, key: &'static str, mode: &PutMode) {
    let answers = at_once(8, |number| {
        let (port, mode) = (fixture.port.clone(), mode.clone());
        async move { port.put(key, PutBlob { mode, ..PutBlob::new(format!("by {number}")) }).await }
    })
    .await;
    let winners: Vec<_> = (0..8).filter(|number| answers[*number].is_ok()).collect();
    assert_eq!(winners.len(), 1, "exactly one succeeds");
    for answer in answers.into_iter().filter(Result::is_err) {
        refused(answer, ErrorKind::Conflict, "one that came too late");
    }
    assert_eq!(bytes_of(fixture, key).await.unwrap(), format!("by {}", winners[0]).into_bytes());
}

/// **B4**
pub async fn b4_a_body_at_the_limit_is_fine_and_above_it_invalid(fixture: Fresh) {
    let body = |letter: u8, size: usize| {
        pieces(vec![letter; size].chunks(7).map(|part| Ok(Bytes::copy_from_slice(part))).collect())
    };
    for announce in [false, true] {
        let blob = |letter, size: usize| PutBlob {
            body: body(letter, size),
            size: announce.then_some(size as u64),
            max_size: 1000,
            ..PutBlob::new("")
        };
        let kept = fixture.port.put("k", blob(b'a', 1000)).await.unwrap();
        refused(fixture.port.put("k", blob(b'b', 1001)).await, ErrorKind::Invalid, "one byte too many");
        assert_eq!(fixture.port.head("k").await.unwrap(), kept);
        assert_eq!(bytes_of(&fixture, "k").await.unwrap(), vec![b'a'; 1000]);
        refused(fixture.port.put("fresh", blob(b'b', 5000)).await, ErrorKind::Invalid, "far too many bytes");
        assert!(is_missing(&fixture, "fresh").await);
    }
    assert_eq!(keys_with(&fixture, "", 100).await, ["k"]);
}

/// **B4**
pub async fn b4_a_body_of_another_length_than_announced_is_invalid(fixture: Fresh) {
    for announced in [0, 9, 11, 1_000_000] {
        let blob = PutBlob { size: Some(announced), ..PutBlob::new("ten bytes!") };
        refused(
            fixture.port.put("k", blob).await,
            ErrorKind::Invalid,
            &format!("10 bytes announced as {announced}"),
        );
        assert!(is_missing(&fixture, "k").await);
    }
    fixture.port.put("k", PutBlob { size: Some(10), ..PutBlob::new("ten bytes!") }).await.unwrap();
}

/// **B5**
pub async fn b5_content_types_are_told_by_the_bytes(fixture: Fresh) {
    const UNKNOWN: &str = "application/octet-stream";
    let samples: [(&[u8], &str); 18] = [
        (b"\xFF\xD8\xFF\xE0\0\x10JFIF\0", "image/jpeg"),
        (b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR", "image/png"),
        (b"GIF87a\x01\0\x01\0", "image/gif"),
        (b"GIF89a\x01\0\x01\0", "image/gif"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\0\x1CftypavifMIF1", "image/avif"),
        (b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiaf", "image/avif"),
        (b"ID3\x04\0\0\0\0\0\0", "audio/mpeg"),
        (b"\xFF\xFB\x90\x44\0\0\0\0", "audio/mpeg"),
        (b"\x1A\x45\xDF\xA3\x9F\x42\x86\x81\x01\x42\x82\x84webm", "video/webm"),
        (b"RIFF\x24\0\0\0WAVEfmt ", UNKNOWN),
        (b"<!DOCTYPE html><script>alert(1)</script>", UNKNOWN),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script/></svg>", UNKNOWN),
        (b"<?xml version=\"1.0\"?><svg/>", UNKNOWN),
        (b"  \n<html>GIF89a\x89PNG", UNKNOWN),
        (b"%PDF-1.7", UNKNOWN),
        (b"\x89PN", UNKNOWN),
        (b"", UNKNOWN),
    ];
    for (bytes, content_type) in samples {
        // Byte by byte, so that no single piece tells the type.
        let body = pieces(bytes.iter().map(|byte| Ok(Bytes::copy_from_slice(&[*byte]))).collect());
        fixture.port.put("k.html", PutBlob { body, size: None, ..PutBlob::new("") }).await.unwrap();
        assert_eq!(fixture.port.head("k.html").await.unwrap().content_type, content_type, "{bytes:?}");
        assert_eq!(bytes_of(&fixture, "k.html").await.unwrap(), bytes, "looking at the bytes loses none");
    }
}

/// **B5**
pub async fn b5_a_content_type_that_is_said_stays(fixture: Fresh) {
    for content_type in ["text/plain; charset=utf-8", "image/png", "application/x-own+json"] {
        let blob = PutBlob { content_type: Some(content_type.to_owned()), ..PutBlob::new("GIF89a\u{1}") };
        fixture.port.put("k", blob).await.unwrap();
        assert_eq!(fixture.port.head("k").await.unwrap().content_type, content_type);
    }
}

/// **B6**
pub async fn b6_malformed_keys_are_invalid_and_nothing_is_stored(fixture: Fresh) {
    store(&fixture, "b", "untouched").await;
    for key in malformed_keys() {
        let what = format!("key {key:.40?}");
        refused(fixture.port.put(&key, PutBlob::new("x")).await, ErrorKind::Invalid, &what);
        assert!(is_missing(&fixture, &key).await, "{what}");
    }
    assert_eq!(keys_with(&fixture, "", 100).await, ["b"]);
    assert_eq!(bytes_of(&fixture, "b").await.unwrap(), b"untouched");
}

/// **B6**
pub async fn b6_odd_keys_are_kept_apart(fixture: Fresh) {
    let longest = format!("{}{}", "a/long/way/".repeat(92), "k".repeat(12));
    assert_eq!(longest.len(), 1024);
    let mut keys = [
        "a",
        "A",
        "a/b",
        "a//b",
        "a/",
        "a/..b",
        "...",
        "a b",
        "a%20b",
        "a+b",
        "a%2Fb",
        "ä",
        "a\u{308}",
        "😀/💥",
        "con",
        "nul.txt",
        "C:\\x",
        "~",
        "-rf",
        "*",
        "?x=y&z#f",
        "'; DROP TABLE x; --",
        "k.",
        ".k",
        "\u{feff}",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.push(longest);
    for key in &keys {
        store(&fixture, key, key.clone()).await;
    }
    for key in &keys {
        assert_eq!(bytes_of(&fixture, key).await.unwrap(), key.as_bytes(), "{key}");
    }
    keys.sort();
    assert_eq!(keys_with(&fixture, "", 1000).await, keys);
    fixture.port.delete("a").await.unwrap();
    assert!(!is_missing(&fixture, "a/b").await && !is_missing(&fixture, "A").await);
}

const PIECE_BYTES: usize = 256 * 1024;
const PIECES: usize = 192;

/// A piece that counts while it is held.
struct Held(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

/// **B7**: of 48 MiB that arrive in pieces, never more than half is held at a time. Copies that an adapter makes are
/// not seen here.
pub async fn b7_memory_stays_bounded(fixture: Fresh) {
    let (held, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counting, peak) = (held.clone(), most.clone());
    let parts = (0..PIECES).map(move |number| {
        let now = counting.fetch_add(1, Ordering::SeqCst) + 1;
        peak.fetch_max(now, Ordering::SeqCst);
        Ok(Bytes::from_owner(Held(vec![number as u8; PIECE_BYTES], counting.clone())))
    });
    let size = (PIECES * PIECE_BYTES) as u64;
    let body = Box::pin(futures_util::stream::iter(parts));
    let meta =
        fixture.port.put("large", PutBlob { body, size: Some(size), ..PutBlob::new("") }).await.unwrap();
    assert_eq!(meta.size, size);
    let most = most.load(Ordering::SeqCst);
    assert!(most <= PIECES / 2, "{most} of {PIECES} pieces were held at a time");
    let mut place = 0;
    let mut body = fixture.port.get("large", None).await.unwrap().body;
    while let Some(piece) = body.try_next().await.unwrap() {
        assert!(piece.len() <= PIECES * PIECE_BYTES / 2, "half of the object in one piece");
        let (first, last) = (place / PIECE_BYTES, (place + piece.len().max(1) - 1) / PIECE_BYTES);
        assert!(
            piece.is_empty() || piece[0] == first as u8 && piece[piece.len() - 1] == last as u8,
            "at {place}"
        );
        place += piece.len();
    }
    assert_eq!(place as u64, size);
}
