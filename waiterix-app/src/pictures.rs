//! What the picture rule needs to know, and pictures on their way out.

use futures_util::StreamExt as _;
use waiterix_domain::facts::Account;
use waiterix_domain::picture::{MAX_PICTURE_BYTES, PICTURE_TYPES, PictureFacts, keys_to_look_at, object_key};
use waiterix_ports::blob::{Visibility, detect_content_type};
use waiterix_ports::{Error, ErrorKind};

use crate::App;
use crate::transact::Refusal;

/// How many bytes tell the type of an object.
pub(crate) const HEAD_BYTES: usize = 64;
/// Below these, objects are public.
const PUBLIC_PREFIXES: [&str; 2] = ["public/", "uploads/"];
/// What objects without a known type are stored as.
const UNKNOWN_TYPES: [&str; 2] = ["application/octet-stream", "binary/octet-stream"];

/// Whether anyone may read an object.
#[must_use]
pub fn is_public(key: &str) -> bool {
    PUBLIC_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

impl App {
    /// What a decision about pictures relies on: the caller's grants, the pictures shown now, and which of the objects
    /// named now hold a picture. Those are marked as readable by everyone and as the caller's. A decision that neither
    /// names nor removes a picture needs none of this.
    ///
    /// # Errors
    /// A port failure.
    pub async fn picture_facts(&self, account: &Account, named: &[&str]) -> Result<PictureFacts, Refusal> {
        let mut facts = PictureFacts::default();
        if named.iter().all(|value| value.is_empty()) {
            return Ok(facts);
        }
        facts.uploads = self.reads().uploads_of_user(&account.user.id).await?;
        if let Some(restaurant) = &account.restaurant {
            let menu = self.reads().menu(&restaurant.id).await?;
            facts.stored = menu.into_iter().filter_map(|item| item.image_url).collect();
            facts.stored.extend(restaurant.cover_image_url.clone());
        }
        for key in keys_to_look_at(&facts, &self.settings.locations, named.iter().copied()) {
            if self.is_picture(&key).await? {
                self.ports.blobs.set_access(&key, Some(&account.user.id), Visibility::Public).await?;
                facts.arrived.insert(key);
            }
        }
        Ok(facts)
    }

    /// Whether an object is there and is a picture by its content, its type and its size.
    async fn is_picture(&self, key: &str) -> Result<bool, Error> {
        let mut download = match self.ports.blobs.get(key, Some(0..HEAD_BYTES as u64)).await {
            Ok(download) => download,
            // An empty object has no first byte to ask for.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let mut head = Vec::with_capacity(HEAD_BYTES);
        while let Some(piece) = download.body.next().await {
            head.extend_from_slice(&piece?);
        }
        let stored = download.meta.content_type.as_str();
        Ok(download.meta.size <= MAX_PICTURE_BYTES
            && detect_content_type(&head).is_some_and(|found| PICTURE_TYPES.contains(&found))
            && (PICTURE_TYPES.contains(&stored) || UNKNOWN_TYPES.contains(&stored)))
    }

    /// A stored picture value as it is sent: objects come from the picture CDN if there is one (B12).
    #[must_use]
    pub fn shown_picture(&self, stored: Option<String>) -> Option<String> {
        let Some(domain) = &self.settings.cdn_domain else { return stored };
        stored.map(|value| match object_key(&self.settings.locations, &value) {
            Some(key) if is_public(&key) => {
                format!("https://{domain}/{}", waiterix_ports::signed_url::encode_key(&key))
            }
            _ => value,
        })
    }
}
