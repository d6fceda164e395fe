//! The policy, as the old service stores and reads it.

use serde_json::{Value, json};
use waiterix_domain::id::UserId;
use waiterix_ports::{BlobStore as _, PutBlob, Visibility};

use crate::gcs_objects::fixture::World;
use crate::gcs_objects::front::Trouble;

const NAME: &str = "custom:aclPolicy";

/// What the old service writes when a picture is attached: `JSON.stringify({ owner, visibility })`.
const ATTACHED: &str = r#"{"owner":"42","visibility":"public"}"#;
/// A policy with a rule, which the old service defines and never used.
const RULE: &str = r#"{"owner":"42","visibility":"private","aclRules":[{"group":{"type":"staff","id":"7"},"permission":"read"}]}"#;

fn described(policy: &str) -> Value {
    json!({ "contentType": "image/png", "metadata": { NAME: policy, "color": "blue" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_old_service_stored_is_read() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    world.plant(0, ".private/uploads/1", "x", &described(ATTACHED)).await;
    world.plant(0, ".private/uploads/2", "x", &described(RULE)).await;
    world.plant(0, "public/open", "x", &json!({})).await;
    world.plant(1, "shared/public/broken", "x", &described("{not json")).await;
    let (owner, private, public) = (Some(UserId::from("42")), Visibility::Private, Visibility::Public);
    for (key, owner, visibility) in [
        ("uploads/1", owner.clone(), public),
        ("uploads/2", owner, private),
        // No policy, and none that can be read: private and nobody's, whatever the folder is called.
        ("public/open", None, private),
        ("public/broken", None, private),
    ] {
        let meta = store.head(key).await.unwrap();
        assert_eq!((meta.owner, meta.visibility), (owner, visibility), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_the_old_service_reads() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    let (owner, policy) =
        (UserId::from("42"), |object: Option<Value>| object.unwrap()["metadata"][NAME].clone());
    store.put("uploads/1", PutBlob::new("x")).await.unwrap();
    let untouched = world.seen(0, ".private/uploads/1").await.unwrap();
    assert!(untouched.get("metadata").is_none_or(|metadata| metadata.get(NAME).is_none()), "{untouched}");
    store.set_access("uploads/1", Some(&owner), Visibility::Public).await.unwrap();
    assert_eq!(policy(world.seen(0, ".private/uploads/1").await), ATTACHED);
    let blob = PutBlob { owner: Some(owner), visibility: Visibility::Public, ..PutBlob::new("x") };
    store.put("public/2", blob).await.unwrap();
    assert_eq!(policy(world.seen(0, "public/2").await), ATTACHED);
    store.copy("public/2", "3").await.unwrap();
    assert_eq!(policy(world.seen(0, ".private/3").await), ATTACHED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_access_keeps_rules_and_what_others_noted() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    world.plant(0, ".private/k", "bytes", &described(RULE)).await;
    let read = world.seen(0, ".private/k").await.unwrap();
    store.set_access("k", Some(&UserId::from("43")), Visibility::Public).await.unwrap();
    // Of exactly the state that was read, so that nothing that comes in between is lost.
    let change = world.front.asked().into_iter().find(|asked| asked.starts_with("PATCH")).unwrap();
    for member in ["generation", "metageneration"] {
        let state = format!("{member}Match={}", read[member].as_str().unwrap());
        assert!(change.to_lowercase().contains(&state.to_lowercase()), "{change} without {state}");
    }
    let object = world.seen(0, ".private/k").await.unwrap();
    assert_eq!(object["metadata"][NAME], RULE.replace("42", "43").replace("private", "public"));
    assert_eq!((&object["metadata"]["color"], &object["contentType"]), (&json!("blue"), &json!("image/png")));
    store.copy("k", "public/k").await.unwrap();
    assert_eq!(world.seen(0, "public/k").await.unwrap()["metadata"], object["metadata"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_changes_of_access_one_holds_and_none_fails() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    let stored = store.put("k", PutBlob::new("bytes")).await.unwrap();
    let owners: Vec<UserId> = (0..5).map(|number| UserId::new(format!("user {number}"))).collect();
    let changes = owners.iter().map(|owner| store.set_access("k", Some(owner), Visibility::Public));
    for changed in futures_util::future::join_all(changes).await {
        changed.unwrap();
    }
    let meta = store.head("k").await.unwrap();
    assert!(meta.owner.is_some_and(|owner| owners.contains(&owner)));
    assert_eq!(meta.etag, stored.etag);
}

/// The old service goes on writing policies while objects move.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_added_in_between_is_not_lost() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    world.plant(0, ".private/k", "bytes", &described(ATTACHED)).await;
    store.check().await.unwrap();
    // One look, and then the change is refused, because the object is in another state by now.
    world.front.trouble(&[Trouble::None, Trouble::Policy(RULE)]);
    store.set_access("k", Some(&UserId::from("43")), Visibility::Public).await.unwrap();
    let object = world.seen(0, ".private/k").await.unwrap();
    assert_eq!(object["metadata"][NAME], RULE.replace("42", "43").replace("private", "public"));
}
