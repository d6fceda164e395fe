//! Upkeep removes what has ended, and only that.

use std::time::Duration;

use waiterix_app::upkeep::Removed;
use waiterix_domain::Timestamp;
use waiterix_domain::schema::{Row, Upload};
use waiterix_ports::{BlobStore as _, Clock as _, ErrorKind, PutBlob};

use crate::common::House;

const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn upload(house: &House, key: &str, created_at: Timestamp, attached: bool) -> Upload {
    let upload = Upload {
        id: key.into(),
        user_id: "ada".into(),
        content_type: None,
        created_at,
        attached_at: attached.then_some(created_at),
    };
    house.insert([upload.clone()]).await;
    house.blobs.put(key, PutBlob::new("picture")).await.unwrap();
    upload
}

#[tokio::test]
async fn d95_b13_uploads_nothing_shows_are_deleted_after_a_day_with_their_objects() {
    let house = House::new();
    upload(&house, "public/uploads/old", house.clock.now(), false).await;
    let shown = upload(&house, "public/uploads/shown", house.clock.now(), true).await;
    house.clock.advance(DAY);
    let young = upload(&house, "public/uploads/young", house.clock.now(), false).await;
    house.clock.advance(Duration::from_secs(1));
    let removed = house.app.upkeep().await.unwrap();
    assert_eq!(removed, Removed { uploads: 1, ..Removed::default() });
    assert_eq!(house.dump().await, [Row::from(shown), Row::from(young)]);
    let gone = house.blobs.head("public/uploads/old").await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    house.blobs.head("public/uploads/shown").await.unwrap();
    assert_eq!(house.app.upkeep().await.unwrap(), Removed::default(), "repeating it is harmless");
}

#[tokio::test]
async fn more_than_one_step_of_uploads_is_removed_in_one_pass() {
    let house = House::new();
    for number in 0..450 {
        upload(&house, &format!("public/uploads/{number:03}"), house.clock.now(), false).await;
    }
    house.clock.advance(DAY * 2);
    assert_eq!(house.app.upkeep().await.unwrap().uploads, 450);
    assert_eq!(house.dump().await, []);
}

#[tokio::test]
async fn n13_ended_sessions_are_pruned_and_live_ones_stay() {
    let house = House::new();
    let ada = house.user("ada").await;
    house.clock.advance(DAY * 6);
    let fresh = house.sign_in(ada.user.clone()).await;
    house.clock.advance(DAY + Duration::from_secs(1));
    house.app.upkeep().await.unwrap();
    assert_eq!(house.app.ports.sessions.sessions_of(&ada.user.id).await.unwrap().len(), 1);
    house.get_as(&fresh, "/api/auth/user").await.expect(200);
}
