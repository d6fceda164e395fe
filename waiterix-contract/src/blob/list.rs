//! Deleting and listing.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use waiterix_ports::{ErrorKind, PutBlob, PutMode};

use super::{Fresh, bytes_of, is_missing, keys_with, malformed_keys, store};
use crate::race::refused;

/// **B30**
pub async fn b30_a_deleted_object_is_gone(fixture: Fresh) {
    for key in ["a", "a/b", "a/b/c"] {
        store(&fixture, key, key).await;
    }
    fixture.port.delete("a/b").await.unwrap();
    assert!(is_missing(&fixture, "a/b").await);
    assert_eq!(keys_with(&fixture, "", 100).await, ["a", "a/b/c"]);
    fixture.port.delete("a/b").await.unwrap();
    fixture.port.delete("never stored").await.unwrap();
    for key in malformed_keys() {
        // There is no such object, which is fine; it is also fine to say that there cannot be one.
        if let Err(error) = fixture.port.delete(&key).await {
            assert_eq!(error.kind(), ErrorKind::Invalid, "key {key:.40?}");
        }
    }
    assert_eq!(keys_with(&fixture, "", 100).await, ["a", "a/b/c"]);
    assert_eq!(bytes_of(&fixture, "a/b/c").await.unwrap(), b"a/b/c");
}

/// **B30**
pub async fn b30_a_key_is_free_after_a_delete(fixture: Fresh) {
    store(&fixture, "k", "old").await;
    fixture.port.delete("k").await.unwrap();
    fixture.port.put("k", PutBlob { mode: PutMode::Create, ..PutBlob::new("new") }).await.unwrap();
    assert_eq!(bytes_of(&fixture, "k").await.unwrap(), b"new");
}

async fn twenty_five(fixture: &Fresh) -> Vec<String> {
    let mut keys: Vec<String> = (0..14).map(|number| format!("p/{number}")).collect();
    keys.extend(
        ["p/a", "p/B", "p/ä", "p/a/b", "p/a-b", "p/a.b", "p/a//b", "p/😀", "p/\u{ffff}", "p/z ", "p/"]
            .map(str::to_owned),
    );
    for key in keys.iter().rev() {
        store(fixture, key, key.clone()).await;
    }
    store(fixture, "outside", "x").await;
    keys.sort();
    assert_eq!(keys.len(), 25);
    keys
}

/// **B40**
pub async fn b40_pages_name_every_object_once_in_order(fixture: Fresh) {
    let keys = twenty_five(&fixture).await;
    for limit in [1, 4, 5, 24, 25, 26, 1000] {
        assert_eq!(keys_with(&fixture, "p/", limit).await, keys, "by pages of {limit}");
    }
    assert!(keys_with(&fixture, "nothing", 10).await.is_empty());
}

/// **B40**
pub async fn b40_deleting_what_was_named_skips_nothing(fixture: Fresh) {
    let keys = twenty_five(&fixture).await;
    let (mut named, mut from) = (Vec::new(), None);
    loop {
        let page = fixture.port.list("p/", from.as_deref(), 4).await.unwrap();
        for (key, _) in page.keys {
            fixture.port.delete(&key).await.unwrap();
            named.push(key);
        }
        from = page.next;
        if from.is_none() || named.len() > keys.len() {
            break;
        }
    }
    assert_eq!(named, keys);
    assert_eq!(keys_with(&fixture, "", 1000).await, ["outside"]);
}

/// **B40**
pub async fn b40_sizes_are_told(fixture: Fresh) {
    for (key, size) in [("a", 0), ("b", 1), ("c", 70_000)] {
        store(&fixture, key, vec![0; size]).await;
    }
    let page = fixture.port.list("", None, 10).await.unwrap();
    assert_eq!(page.keys, [("a".to_owned(), 0), ("b".to_owned(), 1), ("c".to_owned(), 70_000)]);
}

/// **B40**
pub async fn b40_limits_outside_one_to_a_thousand_are_invalid(fixture: Fresh) {
    store(&fixture, "a", "x").await;
    for limit in [0, 1001, u32::MAX] {
        refused(fixture.port.list("", None, limit).await, ErrorKind::Invalid, &format!("limit {limit}"));
    }
    for limit in [1, 1000] {
        assert_eq!(fixture.port.list("", None, limit).await.unwrap().keys.len(), 1);
    }
}

/// **B41**
pub async fn b41_only_keys_with_the_prefix_are_named(fixture: Fresh) {
    let mut keys = ["a", "A", "a/", "a/b", "A/b", "ab", "a%2Fb", "a*", "a_b", "a%", "b/a", "ä", "ä/b", "aä"];
    for key in keys {
        store(&fixture, key, "x").await;
    }
    keys.sort_unstable();
    for prefix in
        ["", "a", "a/", "a/b", "A", "a*", "a_", "a%", "a%2", "ä", "b/", "*", "%", "_", "a/b/", "zzz"]
    {
        let expected: Vec<_> = keys.into_iter().filter(|key| key.starts_with(prefix)).collect();
        for limit in [2, 1000] {
            assert_eq!(keys_with(&fixture, prefix, limit).await, expected, "prefix {prefix:?}");
        }
    }
}
