//! Copying, and who may read.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use waiterix_domain::id::UserId;
use waiterix_ports::{BlobMeta, ErrorKind, PutBlob, Visibility};

use super::{Fresh, bytes_of, described, is_missing, keys_with, malformed_keys, store};
use crate::race::refused;

/// What a copy has in common with its source.
fn essence(meta: &BlobMeta) -> (u64, &str, Option<&str>, Option<&UserId>, Visibility) {
    (meta.size, &meta.content_type, meta.cache_control.as_deref(), meta.owner.as_ref(), meta.visibility)
}

/// **B50**
pub async fn b50_a_copy_equals_its_source(fixture: Fresh) {
    let source = fixture.port.put("from", described("bytes")).await.unwrap();
    fixture.port.copy("from", "to/new ä").await.unwrap();
    fixture
        .port
        .put("old", PutBlob { content_type: Some("a/b".to_owned()), ..PutBlob::new("other") })
        .await
        .unwrap();
    fixture.port.copy("from", "old").await.unwrap();
    for key in ["to/new ä", "old"] {
        let copy = fixture.port.head(key).await.unwrap();
        assert_eq!(essence(&copy), essence(&source), "{key}");
        assert_eq!(bytes_of(&fixture, key).await.unwrap(), b"bytes");
    }
    assert_eq!(fixture.port.head("from").await.unwrap(), source, "the source stays");
    assert_eq!(bytes_of(&fixture, "from").await.unwrap(), b"bytes");
}

/// **B50**
pub async fn b50_a_copy_is_never_more_visible(fixture: Fresh) {
    let mut private = described("secret");
    private.visibility = Visibility::Private;
    fixture.port.put("private", private).await.unwrap();
    fixture.port.put("public/there", described("open")).await.unwrap();
    for target in ["public/there", "public/new"] {
        fixture.port.copy("private", target).await.unwrap();
        assert_eq!(fixture.port.head(target).await.unwrap().visibility, Visibility::Private, "{target}");
    }
}

/// **B50**
pub async fn b50_a_copy_onto_itself_changes_nothing(fixture: Fresh) {
    let source = fixture.port.put("k", described("bytes")).await.unwrap();
    fixture.port.copy("k", "k").await.unwrap();
    assert_eq!(essence(&fixture.port.head("k").await.unwrap()), essence(&source));
    assert_eq!(bytes_of(&fixture, "k").await.unwrap(), b"bytes");
}

/// **B50**
pub async fn b50_a_copy_lives_on_without_its_source(fixture: Fresh) {
    store(&fixture, "from", "bytes").await;
    fixture.port.copy("from", "to").await.unwrap();
    fixture.port.delete("from").await.unwrap();
    assert!(is_missing(&fixture, "from").await);
    assert_eq!(bytes_of(&fixture, "to").await.unwrap(), b"bytes");
    store(&fixture, "from", "other").await;
    assert_eq!(bytes_of(&fixture, "to").await.unwrap(), b"bytes");
}

/// **B50**
pub async fn b50_a_malformed_target_is_invalid(fixture: Fresh) {
    store(&fixture, "from", "bytes").await;
    for key in malformed_keys() {
        refused(fixture.port.copy("from", &key).await, ErrorKind::Invalid, &format!("key {key:.40?}"));
    }
    assert_eq!(keys_with(&fixture, "", 100).await, ["from"]);
}

/// **B51**
pub async fn b51_a_missing_source_leaves_the_target(fixture: Fresh) {
    let target = fixture.port.put("to", described("bytes")).await.unwrap();
    let mut missing = malformed_keys();
    missing.push("absent".to_owned());
    for key in missing {
        refused(fixture.port.copy(&key, "to").await, ErrorKind::NotFound, &format!("key {key:.40?}"));
        refused(fixture.port.copy(&key, "new").await, ErrorKind::NotFound, &format!("key {key:.40?}"));
    }
    refused(fixture.port.copy("absent", "../escape").await, ErrorKind::Invalid, "malformed target");
    assert_eq!(fixture.port.head("to").await.unwrap(), target);
    assert_eq!(bytes_of(&fixture, "to").await.unwrap(), b"bytes");
    assert_eq!(keys_with(&fixture, "", 100).await, ["to"]);
}

/// **B60**
pub async fn b60_access_changes_and_nothing_else(fixture: Fresh) {
    let stored = fixture.port.put("k", described("bytes")).await.unwrap();
    let other = fixture.port.put("k2", described("bytes")).await.unwrap();
    let (anna, long) = (UserId::from("anna+x@example.org/ä|1"), UserId::from("u".repeat(128)));
    let steps = [
        (Some(&anna), Visibility::Public),
        (Some(&long), Visibility::Private),
        (None, Visibility::Public),
        (None, Visibility::Private),
        (Some(&anna), Visibility::Private),
    ];
    for (owner, visibility) in steps {
        fixture.port.set_access("k", owner, visibility).await.unwrap();
        for found in [fixture.port.head("k").await.unwrap(), fixture.port.get("k", None).await.unwrap().meta]
        {
            assert_eq!((found.owner.as_ref(), found.visibility), (owner, visibility));
            assert_eq!(found.content_type, stored.content_type);
            assert_eq!(found.cache_control, stored.cache_control);
            assert_eq!((found.size, &found.etag), (stored.size, &stored.etag), "the bytes were not touched");
        }
        assert_eq!(bytes_of(&fixture, "k").await.unwrap(), b"bytes");
    }
    assert_eq!(fixture.port.head("k2").await.unwrap(), other);
}

/// **B60**
pub async fn b60_a_missing_object_is_not_found(fixture: Fresh) {
    store(&fixture, "a/b", "x").await;
    for key in ["absent", "a", "a/"] {
        let answer = fixture.port.set_access(key, Some(&UserId::from("anna")), Visibility::Public).await;
        refused(answer, ErrorKind::NotFound, key);
        assert!(is_missing(&fixture, key).await);
    }
    assert_eq!(keys_with(&fixture, "", 100).await, ["a/b"]);
}
