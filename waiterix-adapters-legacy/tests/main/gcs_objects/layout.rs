//! Which folder holds what.

use serde_json::json;
use waiterix_ports::{BlobStore, ErrorKind, PutBlob, PutMode};

use crate::gcs_objects::fixture::World;

async fn keys(store: &dyn BlobStore, prefix: &str, limit: u32) -> Vec<String> {
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let page = store.list(prefix, from.as_deref(), limit).await.unwrap();
        assert!(page.keys.len() <= limit as usize);
        found.extend(page.keys.into_iter().map(|(key, _)| key));
        from = page.next;
        if from.is_none() {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_written_where_the_old_service_reads_them() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    for key in ["uploads/1", "public/uploads/2", "public", "publicity/3", "a//b"] {
        store.put(key, PutBlob::new(key)).await.unwrap();
    }
    let expected = [
        ".private/a//b",
        ".private/public",
        ".private/publicity/3",
        ".private/uploads/1",
        "public/uploads/2",
    ];
    assert_eq!(world.names(0).await, expected);
    assert_eq!(world.names(1).await, [""; 0]);
}

/// As the old service did: the first folder of the search paths that has it.
#[tokio::test(flavor = "multi_thread")]
async fn public_folders_are_searched_in_order() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    world.plant(1, "shared/public/old", "second", &json!({})).await;
    let old = store.head("public/old").await.unwrap();
    assert_eq!(old.size, 6);
    let url = store.presign_download("public/old", std::time::Duration::from_secs(60)).await.unwrap();
    assert!(url.path().contains("/shared/public/"), "signed for where it is");

    // What is found counts for conditions, wherever it lies.
    let put = |mode| store.put("public/old", PutBlob { mode, ..PutBlob::new("first!!") });
    for mode in [PutMode::Create, PutMode::IfMatch("\"1\"".to_owned())] {
        assert_eq!(put(mode).await.unwrap_err().kind(), ErrorKind::Conflict);
    }
    let new = put(PutMode::IfMatch(old.etag)).await.unwrap();
    assert_eq!(store.head("public/old").await.unwrap(), new);
    assert_eq!(store.get("public/old", None).await.unwrap().meta, new);
    assert!(world.seen(1, "shared/public/old").await.is_some(), "the search paths behind are only read");

    assert_eq!(store.list("public/", None, 10).await.unwrap().keys, [("public/old".to_owned(), 7)]);
    store.delete("public/old").await.unwrap();
    assert_eq!(store.head("public/old").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!((world.names(0).await, world.names(1).await), (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_merge_the_folders_into_one_order_without_doubles() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    let mut expected: Vec<String> =
        ["a", "p", "public", "public0", "publicity", "z"].map(str::to_owned).to_vec();
    for key in &expected {
        world.plant(0, &format!(".private/{key}"), "x", &json!({})).await;
    }
    // More than the front tells at once, in turn in the one folder, in the other, and in both.
    for number in 0..36 {
        let name = format!("{number:02}");
        if number % 3 != 1 {
            world.plant(0, &format!("public/{name}"), "x", &json!({})).await;
        }
        if number % 3 != 0 {
            world.plant(1, &format!("shared/public/{name}"), "x", &json!({})).await;
        }
        expected.push(format!("public/{name}"));
    }
    // Such a name is nobody's: its key would be looked for in the public folders.
    world.plant(0, ".private/public/00x", "x", &json!({})).await;
    world.plant(0, ".privateer/x", "x", &json!({})).await;
    world.plant(0, "publicly/x", "x", &json!({})).await;
    expected.sort();
    for prefix in ["", "p", "public", "public/", "public/1", "public0", "publici", "b"] {
        let expected: Vec<&String> = expected.iter().filter(|key| key.starts_with(prefix)).collect();
        for limit in [1, 5, 1000] {
            let found = keys(&store, prefix, limit).await;
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{prefix:?} by pages of {limit}");
        }
    }
}

/// Larger objects are copied in steps.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_goes_on_until_it_is_done() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    store.put("k", PutBlob::new(vec![7; 2 * 1024 * 1024])).await.unwrap();
    world.front.asked();
    store.copy("k", "public/k").await.unwrap();
    let steps: Vec<String> =
        world.front.asked().into_iter().filter(|asked| asked.contains("rewriteTo")).collect();
    assert_eq!(steps.len(), 2, "{steps:?}");
    assert_eq!(store.head("public/k").await.unwrap().size, 2 * 1024 * 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_proves_every_bucket_and_a_missing_one_is_an_outage() {
    let Some(world) = World::make().await else { return };
    world.store().check().await.unwrap();
    let mut settings = world.settings();
    settings.private = waiterix_domain::blob_ref::LegacyDir::parse("/waiterix-no-such-bucket/x");
    let store = world.open(&settings, None);
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::NotFound);
    for error in [
        store.get("k", None).await.unwrap_err(),
        store.head("k").await.unwrap_err(),
        store.delete("k").await.unwrap_err(),
        store.list("", None, 10).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    // Once a bucket was seen, it is not asked for again.
    let store = world.store();
    store.head("k").await.unwrap_err();
    world.front.asked();
    assert_eq!(store.head("k").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(world.front.asked().len(), 1);
}
