//! All objects are copied, compared and made equal while guests use them.

use std::sync::Arc;

use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use waiterix_contract::race::refused;
use waiterix_migration::{Depth, MemoryPlan, ObjectFault, ObjectSweep, ObjectsSwept, Phase};
use waiterix_ports::moving::ObjectRecords as _;
use waiterix_ports::{BlobStore, ErrorKind, PutBlob, Visibility};

use crate::interrupted::Dies;
use crate::pair::Blobs;

const OLD_LATER: Phase = Phase::ALL[0];
const OLD: Phase = Phase::ALL[1];
const NEW_LATER: Phase = Phase::ALL[3];

async fn put(store: &dyn BlobStore, key: &str, bytes: &str) {
    store.put(key, PutBlob::new(bytes.to_owned())).await.unwrap();
}

async fn text(store: &dyn BlobStore, key: &str) -> Option<String> {
    let mut download = match store.get(key, None).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        download => download.unwrap(),
    };
    let mut bytes = Vec::new();
    while let Some(piece) = download.body.next().await {
        bytes.extend_from_slice(&piece.unwrap());
    }
    Some(String::from_utf8(bytes).unwrap())
}

async fn many(store: &dyn BlobStore, count: usize) {
    for number in 0..count {
        put(store, &format!("public/uploads/{number:05}"), &format!("picture {number}")).await;
    }
}

struct Moving {
    blobs: Blobs,
    plan: Arc<MemoryPlan>,
    sweep: ObjectSweep,
}

async fn moving(phase: Phase) -> Moving {
    let (blobs, plan) = (Blobs::new(phase).await, Arc::new(MemoryPlan::default()));
    let sweep = ObjectSweep::new(blobs.mirror.clone(), plan.clone());
    Moving { blobs, plan, sweep }
}

impl Moving {
    async fn copy(&self) -> ObjectsSwept {
        self.sweep.copy(&*self.plan).await.unwrap()
    }

    async fn faults(&self) -> Vec<(String, ObjectFault)> {
        let found = self.sweep.verify(Depth::Bytes).await.unwrap().differences;
        found.into_iter().map(|one| (one.key, one.fault)).collect()
    }
}

#[tokio::test]
async fn every_object_is_copied_with_everything_known_about_it_and_its_digest_is_recorded() {
    for phase in [OLD_LATER, OLD] {
        let moving = moving(phase).await;
        many(&*moving.blobs.old, 1100).await;
        let blob = PutBlob {
            content_type: Some("image/png".to_owned()),
            cache_control: Some("public, max-age=604800".to_owned()),
            owner: Some("anna".into()),
            visibility: Visibility::Public,
            ..PutBlob::new("greeting")
        };
        moving.blobs.old.put("greetings/one", blob).await.unwrap();
        put(&*moving.blobs.old, "empty", "").await;
        let swept = moving.copy().await;
        assert_eq!((swept.seen, swept.copied, swept.failed), (1102, 1102, 0));
        let (here, there) = (
            moving.blobs.old.head("greetings/one").await.unwrap(),
            moving.blobs.new.head("greetings/one").await.unwrap(),
        );
        assert_eq!(
            (there.content_type, there.cache_control, there.owner, there.visibility),
            (here.content_type, here.cache_control, here.owner, Visibility::Public),
        );
        let private = moving.blobs.new.head("public/uploads/00007").await.unwrap();
        assert_eq!(private.visibility, Visibility::Private);
        let records = moving.plan.records(&["greetings/one", "empty"]).await.unwrap();
        let sums: Vec<[u8; 32]> = records.iter().map(|record| record.sha256).collect();
        let expected: [[u8; 32]; 2] = [Sha256::digest("greeting").into(), Sha256::digest("").into()];
        assert_eq!(sums, expected);
        assert_eq!((&records[0].old_etag, &records[0].new_etag), (&here.etag, &there.etag));
        assert!(moving.blobs.journal.is_empty());
        assert_eq!(moving.faults().await, []);
    }
}

#[tokio::test]
async fn what_was_found_equal_is_not_read_again_until_it_changes() {
    let moving = moving(OLD_LATER).await;
    many(&*moving.blobs.old, 10).await;
    moving.copy().await;
    let again = moving.copy().await;
    assert_eq!((again.equal, again.copied), (10, 0));
    let compared = moving.sweep.verify(Depth::Recorded).await.unwrap();
    assert_eq!((compared.compared, compared.read, compared.differences), (10, 0, vec![]));
    assert_eq!(moving.sweep.verify(Depth::Bytes).await.unwrap().read, 10);
    put(&*moving.blobs.old, "public/uploads/00003", "another 3").await;
    let after = moving.copy().await;
    assert_eq!((after.equal, after.copied), (9, 1), "somebody else has replaced it");
    assert_eq!(text(&*moving.blobs.new, "public/uploads/00003").await.unwrap(), "another 3");
}

#[tokio::test]
async fn an_object_that_is_there_already_is_compared_and_not_copied() {
    let moving = moving(OLD_LATER).await;
    put(&*moving.blobs.old, "one", "same").await;
    put(&*moving.blobs.new, "one", "same").await;
    let swept = moving.copy().await;
    assert_eq!((swept.equal, swept.copied), (1, 0));
    assert_eq!(moving.plan.records(&["one"]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_walk_that_was_interrupted_goes_on_where_it_was() {
    let moving = moving(OLD_LATER).await;
    many(&*moving.blobs.old, 1600).await;
    let interrupted = moving.sweep.copy(&Dies(moving.plan.clone(), 1100)).await;
    refused(interrupted, ErrorKind::Unavailable, "it was killed");
    let swept = moving.copy().await;
    assert_eq!((swept.seen, swept.copied + swept.equal), (600, 600), "the first page was remembered");
    assert_eq!(moving.faults().await, []);
}

#[tokio::test]
async fn an_object_deleted_between_the_list_and_the_copy_stays_deleted() {
    for operation in ["blob.get", "blob.put"] {
        let moving = moving(OLD_LATER).await;
        put(&*moving.blobs.old, "one", "picture").await;
        let other = moving.blobs.instance(OLD);
        let wire = if operation == "blob.get" { &moving.blobs.old_wire } else { &moving.blobs.new_wire };
        wire.before(operation, async move { other.delete("one").await.unwrap() });
        moving.copy().await;
        assert!(wire.has_happened());
        assert_eq!(text(&*moving.blobs.mirror, "one").await, None);
        moving.blobs.mirror.relay().await.unwrap();
        assert_eq!(text(&*moving.blobs.old, "one").await, None, "{operation}");
        assert_eq!(text(&*moving.blobs.new, "one").await, None, "{operation}");
    }
}

#[tokio::test]
async fn an_object_replaced_while_it_is_copied_is_copied_again() {
    let moving = moving(OLD_LATER).await;
    put(&*moving.blobs.old, "one", "older").await;
    let other = moving.blobs.instance(OLD);
    moving.blobs.new_wire.before("blob.put", async move {
        other.put("one", PutBlob::new("newer")).await.unwrap();
    });
    moving.copy().await;
    assert_eq!(text(&*moving.blobs.new, "one").await.unwrap(), "newer");
    assert_eq!(moving.faults().await, []);
}

#[tokio::test]
async fn what_somebody_else_deletes_after_it_was_copied_does_not_come_back() {
    let moving = moving(OLD_LATER).await;
    many(&*moving.blobs.old, 3).await;
    moving.copy().await;
    moving.blobs.old.delete("public/uploads/00001").await.unwrap();
    let swept = moving.copy().await;
    assert_eq!((swept.removed, swept.extra, swept.copied), (1, 0, 0));
    assert_eq!(text(&*moving.blobs.new, "public/uploads/00001").await, None);
    assert_eq!(text(&*moving.blobs.mirror, "public/uploads/00001").await, None);
    assert!(moving.blobs.journal.is_empty());
}

#[tokio::test]
async fn what_is_written_again_while_its_copy_is_deleted_is_there_afterwards() {
    let moving = moving(OLD_LATER).await;
    put(&*moving.blobs.old, "one", "first").await;
    moving.copy().await;
    moving.blobs.old.delete("one").await.unwrap();
    let other = moving.blobs.instance(OLD);
    moving.blobs.new_wire.before("blob.delete", async move {
        other.put("one", PutBlob::new("second")).await.unwrap();
    });
    moving.copy().await;
    moving.blobs.mirror.relay().await.unwrap();
    for store in [&moving.blobs.old, &moving.blobs.new] {
        assert_eq!(text(&**store, "one").await.as_deref(), Some("second"));
    }
}

#[tokio::test]
async fn what_only_the_other_store_has_stays_until_somebody_says_otherwise() {
    let moving = moving(OLD_LATER).await;
    put(&*moving.blobs.new, "unknown", "picture").await;
    assert_eq!(moving.copy().await.extra, 1);
    let found = moving.sweep.verify(Depth::Bytes).await.unwrap();
    assert_eq!(moving.sweep.repair(&found, false).await.unwrap(), found.differences);
    assert!(text(&*moving.blobs.new, "unknown").await.is_some());
    assert_eq!(moving.sweep.repair(&found, true).await.unwrap(), []);
    assert_eq!(text(&*moving.blobs.new, "unknown").await, None);
}

#[tokio::test]
async fn what_could_not_be_copied_is_dirty_and_is_made_up_for() {
    let moving = moving(OLD_LATER).await;
    many(&*moving.blobs.old, 3).await;
    // The listing still gets through.
    let wire = moving.blobs.new_wire.clone();
    moving.blobs.new_wire.before("blob.put", async move { wire.cut() });
    let swept = moving.copy().await;
    assert_eq!((swept.copied, swept.failed), (0, 3));
    assert!(moving.blobs.journal.len() >= 3);
    moving.blobs.new_wire.mend();
    assert_eq!(moving.blobs.mirror.relay().await.unwrap().failed, 0);
    assert!(moving.blobs.journal.is_empty());
    assert_eq!(moving.faults().await, [], "the relay has copied them");
    assert_eq!(moving.copy().await.failed, 0);
    assert_eq!(moving.faults().await, []);
}

/// What somebody does to a copy.
type Spoil = fn(&mut PutBlob);

#[tokio::test]
async fn every_kind_of_difference_is_found_and_repaired() {
    let moving = moving(OLD_LATER).await;
    let made = |change: &dyn Fn(&mut PutBlob)| {
        let mut blob = PutBlob { content_type: Some("image/png".to_owned()), ..PutBlob::new("picture") };
        change(&mut blob);
        blob
    };
    let spoilt: [(&str, ObjectFault, Spoil); 6] = [
        ("bytes", ObjectFault::Bytes, |blob| blob.body = PutBlob::new("pikture").body),
        ("cache", ObjectFault::CacheControl, |blob| blob.cache_control = Some("no-store".to_owned())),
        ("owner", ObjectFault::Owner, |blob| blob.owner = Some("berta".into())),
        ("size", ObjectFault::Size, |blob| {
            *blob = PutBlob { content_type: Some("image/png".to_owned()), ..PutBlob::new("picture!") };
        }),
        ("type", ObjectFault::ContentType, |blob| blob.content_type = Some("text/html".to_owned())),
        ("visible", ObjectFault::Visibility, |blob| blob.visibility = Visibility::Public),
    ];
    for (key, _, spoil) in &spoilt {
        moving.blobs.old.put(key, made(&|_| {})).await.unwrap();
        moving.blobs.new.put(key, made(&|blob| spoil(blob))).await.unwrap();
    }
    put(&*moving.blobs.old, "gone", "picture").await;
    put(&*moving.blobs.old, "same", "picture").await;
    put(&*moving.blobs.new, "same", "picture").await;
    let found = moving.sweep.verify(Depth::Bytes).await.unwrap();
    let mut faults: Vec<_> = found.differences.iter().map(|one| (&*one.key, one.fault)).collect();
    faults.sort_unstable();
    let mut expected: Vec<_> = spoilt.iter().map(|(key, fault, _)| (*key, *fault)).collect();
    expected.push(("gone", ObjectFault::Missing));
    expected.sort_unstable();
    assert_eq!(faults, expected);
    assert_eq!(moving.sweep.repair(&found, false).await.unwrap(), []);
    assert_eq!(moving.faults().await, []);
    let visible = moving.blobs.new.head("visible").await.unwrap().visibility;
    assert_eq!(visible, Visibility::Private, "a copy is never more visible");
}

#[tokio::test]
async fn a_byte_that_rots_after_the_copy_is_found_although_nothing_else_changed() {
    let moving = moving(OLD_LATER).await;
    put(&*moving.blobs.old, "one", "picture").await;
    moving.copy().await;
    put(&*moving.blobs.new, "one", "pikture").await;
    assert_eq!(moving.faults().await, [("one".to_owned(), ObjectFault::Bytes)]);
}

#[tokio::test]
async fn an_object_that_is_being_written_is_no_difference() {
    let moving = moving(OLD_LATER).await;
    put(&*moving.blobs.mirror, "one", "first").await;
    moving.copy().await;
    put(&*moving.blobs.mirror, "one", "second").await;
    assert_eq!(moving.faults().await, []);
}

#[tokio::test]
async fn on_the_way_back_objects_of_the_new_store_are_copied() {
    let moving = moving(NEW_LATER).await;
    put(&*moving.blobs.new, "one", "picture").await;
    assert_eq!(moving.copy().await.copied, 1);
    assert_eq!(text(&*moving.blobs.old, "one").await.as_deref(), Some("picture"));
    let record = moving.plan.records(&["one"]).await.unwrap().remove(0);
    assert_eq!(record.new_etag, moving.blobs.new.head("one").await.unwrap().etag);
}
