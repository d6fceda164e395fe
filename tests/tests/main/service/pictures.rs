//! Pictures, from the browser to the guest.

use reqwest::Method;
use serde_json::json;
use waiterix_tests::client::http_client;
use waiterix_tests::stage::Stage;

use crate::service::kitchen::{Kitchen, id_of};

/// The smallest PNG that is one.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\0IEND\xaeB`\x82";

pub(crate) async fn a_picture_is_uploaded_attached_served_and_replaced(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let path = format!("/api/menu-items/{}/image", id_of(&kitchen.dish));
    let first = upload(&kitchen, PNG).await;
    kitchen.owner.put(&path, &json!({ "imageUrl": first })).await;
    let shown = async || {
        let menu = kitchen.guest.get(&format!("/api/menu-items?restaurantId={}", kitchen.restaurant)).await;
        menu[0]["imageUrl"].as_str().unwrap().to_owned()
    };
    let picture = shown().await;
    assert!(picture.starts_with("/api/objects/"), "{picture}");
    let served = kitchen.guest.send(Method::GET, &picture, None).await;
    assert_eq!(served.headers()["content-type"], "image/png");
    assert_eq!(served.headers()["x-content-type-options"], "nosniff");
    assert_eq!(served.bytes().await.unwrap(), PNG);
    let part = kitchen.guest.send_with(Method::GET, &picture, &[("range", "bytes=1-3")], None).await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes().await.unwrap().as_ref(), b"PNG");

    let other = [PNG, b"another"].concat();
    let second = upload(&kitchen, &other).await;
    kitchen.owner.put(&path, &json!({ "imageUrl": second })).await;
    assert_ne!(shown().await, picture);
    let gone = async || kitchen.guest.send(Method::GET, &picture, None).await.status() == 404;
    let patience = std::time::Duration::from_secs(10);
    waiterix_contract::eventually(patience, "B13: the replaced picture goes away", gone).await;

    let cover = format!("/api/restaurant/{}/cover-image", kitchen.restaurant);
    kitchen.owner.put(&cover, &json!({ "coverImageUrl": upload(&kitchen, PNG).await })).await;
    let public = kitchen.guest.get(&format!("/api/public/restaurant/{}", kitchen.restaurant)).await;
    let cover = public["coverImageUrl"].as_str().unwrap();
    assert_eq!(kitchen.guest.send(Method::GET, cover, None).await.status(), 200);
}

/// Sends a picture as a browser does; answers the URL it went to.
async fn upload(kitchen: &Kitchen<'_>, picture: &[u8]) -> String {
    let asked = json!({ "contentType": "image/png" });
    let grant = kitchen.owner.post("/api/objects/upload", &asked).await;
    let url = grant["uploadURL"].as_str().unwrap().to_owned();
    let put = async |content_type: &str| {
        let mut request = http_client().build().unwrap().put(&url).header("content-type", content_type);
        for (name, value) in grant["headers"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap());
        }
        request.body(picture.to_vec()).send().await.unwrap()
    };
    assert_eq!(put("text/html").await.status().as_u16() / 100, 4, "B9: another type than signed");
    let sent = put("image/png").await;
    assert!(sent.status().is_success(), "{}", sent.text().await.unwrap());
    assert_eq!(put("image/png").await.status().as_u16() / 100, 4, "an object is not replaced by its URL");
    kitchen.stage.of_provider(&url)
}
