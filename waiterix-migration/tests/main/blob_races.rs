//! What goes wrong when objects move, each by name.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use waiterix_contract::race::{at_once, refused};
use waiterix_migration::{BlobKey, Journal as _, Leader, Pass, Phase};
use waiterix_ports::blob::UploadRequest;
use waiterix_ports::{BlobStore, Bytes, ErrorKind, PutBlob, Visibility};

use crate::pair::Blobs;

const OLD_LATER: Phase = Phase::ALL[0];
const OLD: Phase = Phase::ALL[1];
const NEW: Phase = Phase::ALL[2];
const NEW_LATER: Phase = Phase::ALL[3];

async fn read(store: &dyn BlobStore, key: &str) -> Option<Vec<u8>> {
    match store.get(key, None).await {
        Ok(download) => Some(download.body.try_collect::<Vec<Bytes>>().await.unwrap().concat()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

async fn write(store: &dyn BlobStore, key: &str, bytes: &'static str) {
    store.put(key, PutBlob::new(bytes)).await.unwrap();
}

async fn are_equal(moving: &Blobs, key: &str) -> bool {
    let (old, new) = (moving.old.head(key).await.ok(), moving.new.head(key).await.ok());
    // The memory tells etags by the bytes.
    let of = |meta: waiterix_ports::BlobMeta| {
        (meta.etag, meta.content_type, meta.cache_control, meta.owner, meta.visibility)
    };
    old.map(of) == new.map(of)
}

#[tokio::test]
async fn an_object_of_before_the_move_is_copied_with_everything_known_of_it() {
    for phase in [NEW, NEW_LATER] {
        let moving = Blobs::new(phase).await;
        for (key, visibility) in [("private", Visibility::Private), ("public", Visibility::Public)] {
            let mut blob = PutBlob::new(key);
            blob.content_type = Some("image/webp".to_owned());
            blob.cache_control = Some("max-age=60".to_owned());
            blob.owner = Some("anna".into());
            blob.visibility = visibility;
            moving.old.put(key, blob).await.unwrap();
            assert_eq!(read(&*moving.mirror, key).await.unwrap(), key.as_bytes());
            moving.mirror.relay().await.unwrap();
            assert!(are_equal(&moving, key).await, "{key} in {phase:?}");
            assert_eq!(moving.new.head(key).await.unwrap().visibility, visibility, "never more visible");
        }
        assert!(moving.journal.is_empty());
    }
}

#[tokio::test]
async fn a_copy_is_never_put_over_something_newer() {
    let moving = Blobs::new(OLD_LATER).await;
    write(&*moving.mirror, "menu", "first").await;
    // A second instance has converged a newer state while the entry of the first is still there.
    let second = moving.instance(OLD);
    write(&second, "menu", "second").await;
    assert_eq!(moving.mirror.relay().await.unwrap().failed, 0);
    assert_eq!(read(&*moving.new, "menu").await.unwrap(), b"second");
    assert_eq!(read(&*moving.old, "menu").await.unwrap(), b"second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn puts_at_the_same_time_end_equal_on_both_sides() {
    for round in 0..60 {
        let moving = Arc::new(Blobs::new(if round % 2 == 0 { OLD } else { NEW }).await);
        at_once(6, |number| {
            let moving = moving.clone();
            async move {
                match number {
                    0..4 => write(&*moving.mirror, "menu", ["a", "bb", "ccc", "dddd"][number]).await,
                    _ => drop(moving.mirror.relay().await.unwrap()),
                }
            }
        })
        .await;
        assert_eq!(moving.mirror.relay().await.unwrap().failed, 0);
        assert!(are_equal(&moving, "menu").await, "round {round}");
        assert!(moving.journal.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_is_not_undone_by_a_copy_at_the_same_time() {
    for round in 0..200 {
        let moving = Arc::new(Blobs::new(if round % 2 == 0 { NEW } else { NEW_LATER }).await);
        write(&*moving.old, "menu", "old").await;
        // Instances share no lock.
        let instances = [NEW, NEW_LATER, OLD, NEW].map(|phase| Arc::new(moving.instance(phase)));
        at_once(4, |number| {
            let instance = instances[number].clone();
            async move {
                match number {
                    0 => drop(instance.get("menu", None).await),
                    1 => drop(instance.relay().await.unwrap()),
                    2 => instance.delete("menu").await.unwrap(),
                    _ => drop(instance.head("menu").await),
                }
            }
        })
        .await;
        moving.mirror.relay().await.unwrap();
        assert_eq!(read(&*moving.mirror, "menu").await, None, "round {round}");
        assert!(read(&*moving.old, "menu").await.is_none() && read(&*moving.new, "menu").await.is_none());
    }
}

#[tokio::test]
async fn a_slow_copy_of_an_older_object_is_refused() {
    let moving = Blobs::new(OLD_LATER).await;
    write(&*moving.mirror, "menu", "first").await;
    let (other, old_wire) = (moving.instance(OLD_LATER), moving.old_wire.clone());
    moving.new_wire.before("blob.put", async move {
        write(&other, "menu", "second").await;
        assert_eq!(other.relay().await.unwrap().failed, 0);
        // Whoever is slow does not get to look again.
        old_wire.cut();
    });
    moving.mirror.relay().await.unwrap();
    assert!(moving.new_wire.has_happened());
    assert_eq!(read(&*moving.new, "menu").await.unwrap(), b"second");
}

#[tokio::test]
async fn a_delete_while_the_other_store_follows_wins() {
    let moving = Blobs::new(OLD_LATER).await;
    write(&*moving.mirror, "menu", "bytes").await;
    let other = moving.instance(OLD);
    moving.new_wire.before("blob.put", async move { other.delete("menu").await.unwrap() });
    moving.mirror.relay().await.unwrap();
    assert!(moving.new_wire.has_happened());
    assert_eq!(read(&*moving.mirror, "menu").await, None);
    assert_eq!(read(&*moving.new, "menu").await, None);
    assert!(moving.journal.is_empty());
}

#[tokio::test]
async fn a_delete_in_the_middle_of_a_copy_wins() {
    for behind in [NEW, OLD] {
        let moving = Blobs::new(NEW).await;
        write(&*moving.old, "menu", "bytes").await;
        let other = moving.instance(behind);
        moving.new_wire.before("blob.put", async move { other.delete("menu").await.unwrap() });
        assert_eq!(read(&*moving.mirror, "menu").await, None);
        assert!(moving.new_wire.has_happened());
        assert!(read(&*moving.old, "menu").await.is_none() && read(&*moving.new, "menu").await.is_none());
        assert!(moving.journal.is_empty());
    }
}

#[tokio::test]
async fn an_object_made_private_while_it_is_copied_does_not_stay_public() {
    let moving = Blobs::new(OLD_LATER).await;
    let mut blob = PutBlob::new("picture");
    blob.visibility = Visibility::Public;
    moving.mirror.put("picture", blob).await.unwrap();
    let other = moving.instance(OLD_LATER);
    moving.new_wire.before("blob.put", async move {
        other.set_access("picture", None, Visibility::Private).await.unwrap();
    });
    moving.mirror.relay().await.unwrap();
    assert!(moving.new_wire.has_happened());
    assert_eq!(moving.new.head("picture").await.unwrap().visibility, Visibility::Private);
}

#[tokio::test]
async fn a_delete_that_the_other_side_did_not_hear_of_is_not_undone_by_reading() {
    for phase in Phase::ALL {
        let moving = Blobs::new(phase).await;
        write(&*moving.mirror, "menu", "bytes").await;
        moving.mirror.relay().await.unwrap();
        let wire = if phase.leader == Leader::Old { &moving.new_wire } else { &moving.old_wire };
        wire.cut();
        moving.mirror.delete("menu").await.unwrap();
        wire.mend();
        assert_eq!(read(&*moving.mirror, "menu").await, None, "{phase:?}");
        assert!(moving.mirror.list("", None, 10).await.unwrap().keys.is_empty(), "nor named");
        moving.mirror.relay().await.unwrap();
        assert!(read(&*moving.old, "menu").await.is_none() && read(&*moving.new, "menu").await.is_none());
    }
}

/// The entry of an instance that begins to copy; it ends before it looks again.
async fn begin_copy(moving: &Blobs) {
    moving.journal.add(&BlobKey::Copying { key: "menu".into(), to: Leader::New, size: 5 }).await.unwrap();
}

#[tokio::test]
async fn a_copy_that_was_interrupted_after_the_delete_goes_away() {
    for is_heard_there in [true, false] {
        let moving = Blobs::new(NEW).await;
        write(&*moving.old, "menu", "stale").await;
        begin_copy(&moving).await;
        if !is_heard_there {
            moving.old_wire.cut();
        }
        moving.mirror.delete("menu").await.unwrap();
        moving.old_wire.mend();
        write(&*moving.new, "menu", "stale").await;
        moving.mirror.relay().await.unwrap();
        assert_eq!(read(&*moving.mirror, "menu").await, None);
        assert!(read(&*moving.old, "menu").await.is_none() && read(&*moving.new, "menu").await.is_none());
        assert!(moving.journal.is_empty());
    }
}

#[tokio::test]
async fn what_was_written_after_an_interrupted_copy_stays() {
    let moving = Blobs::new(NEW_LATER).await;
    begin_copy(&moving).await;
    write(&*moving.new, "menu", "stale").await;
    moving.mirror.delete("menu").await.unwrap();
    write(&*moving.mirror, "menu", "fresh").await;
    moving.mirror.relay().await.unwrap();
    assert_eq!(read(&*moving.mirror, "menu").await.unwrap(), b"fresh");
    assert!(are_equal(&moving, "menu").await);
}

#[tokio::test]
async fn a_write_that_never_came_about_deletes_nothing() {
    let moving = Blobs::new(NEW).await;
    write(&*moving.old, "menu", "bytes").await;
    // What is left of an instance that was ended between its entry and its write.
    moving.journal.add(&BlobKey::Written { key: "menu".into(), leader: Leader::New }).await.unwrap();
    moving.mirror.relay().await.unwrap();
    assert_eq!(read(&*moving.mirror, "menu").await.unwrap(), b"bytes");
}

#[tokio::test]
async fn an_instance_one_phase_behind_loses_nothing_and_brings_nothing_back() {
    let moving = Blobs::new(NEW).await;
    let behind = moving.instance(OLD_LATER);
    write(&behind, "kept", "kept").await;
    assert_eq!(moving.mirror.relay().await.unwrap(), Pass { converged: 1, failed: 0, ..Pass::default() });
    assert_eq!(read(&*moving.mirror, "kept").await.unwrap(), b"kept", "not taken for a deleted one");
    write(&*moving.mirror, "gone", "gone").await;
    behind.delete("gone").await.unwrap();
    moving.mirror.relay().await.unwrap();
    assert_eq!(read(&*moving.mirror, "gone").await, None);
}

#[tokio::test]
async fn a_signed_upload_that_arrives_after_the_copy_passed_is_copied() {
    let moving = Blobs::new(OLD).await;
    let ttl = Duration::from_secs(600);
    let request = UploadRequest { key: "u/1".into(), content_type: None, size: None, max_size: 100, ttl };
    moving.mirror.presign_upload(&request).await.unwrap();
    moving.mirror.relay().await.unwrap();
    assert_eq!(moving.journal.len(), 1, "revisited until its end");
    moving.clock.advance(Duration::from_secs(599));
    write(&*moving.old, "u/1", "uploaded").await;
    moving.mirror.relay().await.unwrap();
    assert_eq!(read(&*moving.new, "u/1").await.unwrap(), b"uploaded");
    moving.clock.advance(Duration::from_secs(2 * 3600));
    moving.mirror.relay().await.unwrap();
    assert!(moving.journal.is_empty());
}

#[tokio::test]
async fn a_signed_upload_that_arrives_after_the_change_of_the_leader_is_found() {
    let moving = Blobs::new(OLD).await;
    let ttl = Duration::from_secs(600);
    let request = UploadRequest { key: "u/1".into(), content_type: None, size: None, max_size: 100, ttl };
    moving.mirror.presign_upload(&request).await.unwrap();
    moving.switch.set(NEW_LATER);
    write(&*moving.old, "u/1", "uploaded").await;
    assert_eq!(read(&*moving.mirror, "u/1").await.unwrap(), b"uploaded");
    moving.mirror.relay().await.unwrap();
    assert_eq!(read(&*moving.new, "u/1").await.unwrap(), b"uploaded");
}

#[tokio::test]
async fn a_change_of_access_follows_and_a_narrowed_one_is_not_widened() {
    let moving = Blobs::new(OLD_LATER).await;
    let mut blob = PutBlob::new("picture");
    blob.visibility = Visibility::Public;
    moving.mirror.put("picture", blob).await.unwrap();
    moving.mirror.relay().await.unwrap();
    moving.mirror.set_access("picture", Some(&"anna".into()), Visibility::Private).await.unwrap();
    moving.mirror.relay().await.unwrap();
    assert!(are_equal(&moving, "picture").await);
    assert_eq!(moving.new.head("picture").await.unwrap().visibility, Visibility::Private);
}

#[tokio::test]
async fn the_other_store_down_for_an_hour_fails_nobody() {
    for phase in Phase::ALL {
        let moving = Blobs::new(phase).await;
        write(&*moving.mirror, "kept", "first").await;
        write(&*moving.mirror, "gone", "gone").await;
        moving.mirror.relay().await.unwrap();
        let wire = if phase.leader == Leader::Old { &moving.new_wire } else { &moving.old_wire };
        wire.cut();
        write(&*moving.mirror, "kept", "second").await;
        write(&*moving.mirror, "made", "made").await;
        moving.mirror.delete("gone").await.unwrap();
        moving.mirror.copy("made", "copied").await.unwrap();
        assert_eq!(read(&*moving.mirror, "kept").await.unwrap(), b"second");
        assert!(moving.mirror.relay().await.unwrap().failed > 0);
        moving.clock.advance(Duration::from_secs(3600));
        wire.mend();
        assert_eq!(moving.mirror.relay().await.unwrap().failed, 0);
        assert!(moving.journal.is_empty());
        for key in ["kept", "made", "gone", "copied"] {
            assert!(are_equal(&moving, key).await, "{key} in {phase:?}");
        }
    }
}

#[tokio::test]
async fn an_outage_is_not_a_missing_object() {
    let moving = Blobs::new(NEW).await;
    write(&*moving.old, "menu", "bytes").await;
    moving.old_wire.cut();
    refused(moving.mirror.get("menu", None).await, ErrorKind::Unavailable, "only the other store could know");
    refused(moving.mirror.list("", None, 10).await, ErrorKind::Unavailable, "nor a shorter list");
    moving.old_wire.mend();
    moving.new_wire.cut();
    refused(moving.mirror.get("menu", None).await, ErrorKind::Unavailable, "no reason to fall back");
}

#[tokio::test]
async fn a_listing_names_what_is_in_either_store_once_and_goes_on_when_the_leader_changes() {
    let moving = Blobs::new(OLD).await;
    for number in 0..30 {
        let key = format!("k{number:02}");
        let bytes = PutBlob::new("x");
        match number % 3 {
            0 => moving.old.put(&key, bytes).await.map(drop).unwrap(),
            1 => moving.new.put(&key, bytes).await.map(drop).unwrap(),
            _ => moving.mirror.put(&key, bytes).await.map(drop).unwrap(),
        }
    }
    for limit in [1, 2, 7, 29, 30, 31] {
        let (mut keys, mut from, mut page_number) = (Vec::new(), None, 0);
        loop {
            moving.switch.set(Phase::ALL[page_number % 4]);
            page_number += 1;
            let page = moving.mirror.list("k", from.as_deref(), limit).await.unwrap();
            keys.extend(page.keys.into_iter().map(|(key, _)| key));
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(keys, (0..30).map(|number| format!("k{number:02}")).collect::<Vec<_>>(), "{limit}");
    }
    refused(moving.mirror.list("k", Some("no page"), 5).await, ErrorKind::Invalid, "a stranger's cursor");
}

#[tokio::test]
async fn a_relay_in_the_middle_of_a_write_does_not_forget_it() {
    let moving = Blobs::new(Phase::ALL[0]).await;
    moving.old.put("one", PutBlob::new("older")).await.unwrap();
    moving.new.put("one", PutBlob::new("older")).await.unwrap();
    let other = moving.instance(Phase::ALL[0]);
    moving.old_wire.before("blob.put", async move { _ = other.relay().await.unwrap() });
    moving.mirror.put("one", PutBlob::new("newer!")).await.unwrap();
    assert!(moving.old_wire.has_happened());
    moving.mirror.relay().await.unwrap();
    assert_eq!(moving.new.head("one").await.unwrap().size, 6);
    let other = moving.instance(Phase::ALL[0]);
    moving.old_wire.before("blob.delete", async move { _ = other.relay().await.unwrap() });
    let new_wire = moving.new_wire.clone();
    moving.new_wire.before("blob.delete", async move { new_wire.cut() });
    moving.mirror.delete("one").await.unwrap();
    moving.new_wire.mend();
    assert!(moving.mirror.head("one").await.is_err(), "what the other store still has was deleted");
    moving.mirror.relay().await.unwrap();
    assert!(moving.new.head("one").await.is_err() && moving.journal.is_empty());
}
