//! Both storages of pictures, and an owner who goes on showing new ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use waiterix_ports::{BlobStore, ErrorKind, PutBlob};
use waiterix_tests::client::{Client, http_client};
use waiterix_tests::cloud::Cloud;
use waiterix_tests::gcs::Bucket;

use crate::migrate::ground::{Ground, Restaurant};

/// The smallest PNG that is one.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\0IEND\xaeB`\x82";

/// How often a new picture is shown.
const EVERY: Duration = Duration::from_millis(200);

/// A picture that is no other.
pub(crate) fn picture(number: usize) -> Vec<u8> {
    [PNG, format!("picture {number}").as_bytes()].concat()
}

/// Two databases, and a bucket of each provider.
pub(crate) struct Gallery {
    pub(crate) ground: Ground,
    pub(crate) bucket: Bucket,
    pub(crate) cloud: Cloud,
}

impl Gallery {
    pub(crate) async fn prepare() -> Option<Self> {
        let (mut ground, bucket) = (Ground::prepare().await?, Bucket::make().await?);
        let cloud = Cloud::prepare().await?;
        ground.more = cloud.variables();
        ground.more.retain(|(name, _)| *name != "DATABASE_URL");
        ground.more.extend(bucket.variables());
        ground.more.push(("WAITERIX_BLOBS", "dual".to_owned()));
        Some(Self { ground, bucket, cloud })
    }

    /// The old application stores so many pictures.
    pub(crate) async fn filled(self, count: usize) -> Self {
        let old = self.bucket.store();
        let storing = (0..count).map(|number| {
            let (old, key) = (&old, format!("public/uploads/old-{number:04}"));
            async move { old.put(&key, PutBlob::new(picture(number))).await.unwrap() }
        });
        futures_util::stream::iter(storing).buffer_unordered(8).collect::<Vec<_>>().await;
        self
    }

    /// Everything the old storage holds.
    pub(crate) async fn at_the_old(&self) -> BTreeMap<String, Vec<u8>> {
        contents(&self.bucket.store()).await
    }

    /// Everything the new storage holds.
    pub(crate) async fn at_the_new(&self) -> BTreeMap<String, Vec<u8>> {
        contents(&self.cloud.store().await).await
    }

    /// The URL of an upload as the provider itself would have given it.
    fn of_provider(&self, url: &str) -> String {
        url.replace(self.bucket.address(), "https://storage.googleapis.com/")
    }

    /// Shows a picture with a dish, as an owner does; answers where guests find it.
    pub(crate) async fn show(&self, owner: &Client, dish: &str, picture: &[u8]) -> Result<String, String> {
        let grant = granted(owner).await?;
        upload(&grant, picture).await?;
        self.attach(owner, dish, &grant).await
    }

    /// Shows what was uploaded.
    pub(crate) async fn attach(&self, owner: &Client, dish: &str, grant: &Value) -> Result<String, String> {
        let url = grant["uploadURL"].as_str().unwrap();
        let body = json!({ "imageUrl": self.of_provider(url) });
        let path = format!("/api/menu-items/{dish}/image");
        let shown = asked(owner, Method::PUT, &path, Some(&body)).await?;
        Ok(shown["imageUrl"].as_str().unwrap_or_default().to_owned())
    }
}

/// Permission to upload a picture.
pub(crate) async fn granted(owner: &Client) -> Result<Value, String> {
    asked(owner, Method::POST, "/api/objects/upload", Some(&json!({ "contentType": "image/png" }))).await
}

/// Uploads a picture, as a browser does: past the service.
pub(crate) async fn upload(grant: &Value, picture: &[u8]) -> Result<(), String> {
    let url = grant["uploadURL"].as_str().unwrap();
    let mut request = http_client().build().unwrap().put(url).header("content-type", "image/png");
    for (name, value) in grant["headers"].as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().unwrap());
    }
    let sent = request.body(picture.to_vec()).send().await.map_err(|error| error.to_string())?;
    if sent.status().is_success() {
        return Ok(());
    }
    Err(format!("upload: {} {}", sent.status(), sent.text().await.unwrap_or_default()))
}

/// Asks for JSON; any status but 2xx is an error.
pub(crate) async fn asked(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, String> {
    let response = client.send(method.clone(), path, body).await;
    let (status, text) = (response.status(), response.text().await.unwrap_or_default());
    if status.is_success() {
        Ok(serde_json::from_str(&text).unwrap_or_default())
    } else {
        Err(format!("{method} {path}: {status} {text}"))
    }
}

/// A dish without a picture.
pub(crate) async fn dish(owner: &Client, restaurant: &str, name: &str) -> Result<String, String> {
    let dish = json!({ "restaurantId": restaurant, "name": name, "description": "", "price": "1.00", "category": "New" });
    let dish = asked(owner, Method::POST, "/api/menu-items", Some(&dish)).await?;
    Ok(dish["id"].as_str().unwrap_or_default().to_owned())
}

/// Every object with its bytes.
async fn contents(store: &dyn BlobStore) -> BTreeMap<String, Vec<u8>> {
    let (mut all, mut at) = (BTreeMap::new(), None::<String>);
    loop {
        let page = store.list("", at.as_deref(), 1_000).await.unwrap();
        for (key, _) in page.keys {
            let mut body = match store.get(&key, None).await {
                // It was taken away since it was listed.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                found => found.unwrap().body,
            };
            let mut bytes = Vec::new();
            while let Some(piece) = body.next().await {
                bytes.extend_from_slice(&piece.unwrap());
            }
            all.insert(key, bytes);
        }
        at = page.next;
        if at.is_none() {
            return all;
        }
    }
}

/// An owner who shows new pictures all the time, and takes others away.
pub(crate) struct Photographer {
    enough: Arc<AtomicBool>,
    working: JoinHandle<Shown>,
}

/// What an owner was told.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// Pictures that are shown, by where guests find them.
    pub(crate) pictures: BTreeMap<String, Vec<u8>>,
    /// Where pictures were that were taken away.
    pub(crate) taken_away: Vec<String>,
    /// Answers that should have been others.
    pub(crate) failures: Vec<String>,
}

impl Photographer {
    pub(crate) fn comes(gallery: Arc<Gallery>, restaurant: &Restaurant) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let (owner, id, stop) = (restaurant.owner.clone(), restaurant.id.clone(), enough.clone());
        let working = tokio::spawn(async move {
            let (mut shown, mut pace) = (Shown::default(), tokio::time::interval(EVERY));
            for number in 10_000.. {
                pace.tick().await;
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                if let Err(failure) = work(&gallery, &owner, &id, number, &mut shown).await {
                    shown.failures.push(failure);
                }
            }
            shown
        });
        Self { enough, working }
    }

    /// Goes home, and answers what is shown.
    pub(crate) async fn leaves(self) -> Shown {
        self.enough.store(true, Ordering::SeqCst);
        self.working.await.unwrap()
    }
}

/// A new picture is shown and looked at; every third is replaced by another.
async fn work(
    gallery: &Gallery,
    owner: &Client,
    restaurant: &str,
    number: usize,
    shown: &mut Shown,
) -> Result<(), String> {
    let dish = dish(owner, restaurant, &format!("dish {number}")).await?;
    let first = picture(number);
    let path = gallery.show(owner, &dish, &first).await?;
    seen(owner, &path, &first).await?;
    if !number.is_multiple_of(3) {
        shown.pictures.insert(path, first);
        return Ok(());
    }
    let other = [&*first, b"another"].concat();
    let instead = gallery.show(owner, &dish, &other).await?;
    shown.taken_away.push(path);
    seen(owner, &instead, &other).await?;
    shown.pictures.insert(instead, other);
    Ok(())
}

/// That guests see a picture where it was shown.
pub(crate) async fn seen(guest: &Client, path: &str, picture: &[u8]) -> Result<(), String> {
    let response = guest.send(Method::GET, path, None).await;
    let status = response.status();
    let bytes = response.bytes().await.map_err(|error| error.to_string())?;
    if status.is_success() && bytes == picture {
        Ok(())
    } else {
        Err(format!("GET {path}: {status}, {} bytes", bytes.len()))
    }
}
