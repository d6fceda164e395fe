//! Storing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use serde_json::json;
use waiterix_domain::blob_ref::LegacyObject;
use waiterix_ports::blob::{MAX_BLOB_BYTES, detect_content_type};
use waiterix_ports::intake::{Intake, Part};
use waiterix_ports::{BlobMeta, Error, ErrorKind, PutBlob, PutMode, Result, Retry};

use super::policy::{self, Policy};
use super::resource::{Resource, UNKNOWN_TYPE, check_header, generation_of};
use super::upload::{Plan, Upload};
use super::{Shared, check_key};

const OPERATION: &str = "gcs.put";
/// The size of a part; parts must have a multiple of 256 KiB.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// How many first bytes tell a type.
const HEAD_BYTES: usize = 64;

impl Shared {
    pub(super) async fn store(&self, key: &str, blob: PutBlob) -> Result<BlobMeta> {
        check_key(OPERATION, key)?;
        check_header(OPERATION, blob.content_type.as_deref())?;
        check_header(OPERATION, blob.cache_control.as_deref())?;
        let policy = Policy::write(OPERATION, None, blob.owner.as_ref(), blob.visibility)?;
        let (place, generation) = self.destination(key, &blob.mode).await?;
        let limit = blob.max_size.min(MAX_BLOB_BYTES);
        let mut intake = Intake::new(OPERATION, blob.body, blob.size, limit)?;
        let first = intake.part(PART_BYTES).await?;
        let detected = || detect_content_type(&first.bytes[..first.bytes.len().min(HEAD_BYTES)]);
        let content_type = blob.content_type.unwrap_or_else(|| detected().unwrap_or(UNKNOWN_TYPE).to_owned());
        let mut resource = json!({ "name": place.object, "contentType": content_type });
        if let Some(value) = blob.cache_control {
            resource["cacheControl"] = json!(value);
        }
        if let Some(policy) = policy {
            resource["metadata"] = json!({ policy::NAME: policy });
        }
        if first.is_last {
            // Then the server itself refuses bytes that arrive as others.
            resource["md5Hash"] = json!(STANDARD.encode(Md5::digest(&first.bytes)));
        }
        let size = if first.is_last { Some(first.bytes.len() as u64) } else { blob.size };
        let plan = Plan { place: &place, resource, content_type: &content_type, size, generation };
        let upload = Upload::begin(OPERATION, &self.link, &plan).await?;
        let (stored, digest) = send_all(upload, first, &mut intake).await?;
        self.verify(&place, &stored, &digest).await?;
        stored.meta(OPERATION)
    }

    /// Where an object is written to, and the state in which that place must be, 0 for empty. What lies in a folder that is
    /// searched later is the object as long as the first folder has none, so that conditions hold for it.
    async fn destination(&self, key: &str, mode: &PutMode) -> Result<(LegacyObject, Option<u64>)> {
        let mut places = self.layout.places(key).into_iter();
        let first = places.next().ok_or_else(|| super::invalid(OPERATION, "no folder for this key"))?;
        let conflict = |fault| Error::new(ErrorKind::Conflict, OPERATION).with("fault", fault);
        let generation = match mode {
            PutMode::Overwrite => return Ok((first, None)),
            PutMode::Create => {
                if self.first_of(OPERATION, places).await?.is_some() {
                    return Err(conflict("there is an object"));
                }
                0
            }
            PutMode::IfMatch(etag) => {
                let wanted = generation_of(etag).ok_or_else(|| conflict("no object has this etag"))?;
                if places.len() > 0 {
                    let found =
                        self.first_of(OPERATION, std::iter::once(first.clone()).chain(places)).await?;
                    let found = found.ok_or_else(|| conflict("there is no object"))?;
                    if found.resource.generation(OPERATION)? != wanted {
                        return Err(conflict("it is another object"));
                    }
                    if found.place == first { wanted } else { 0 }
                } else {
                    wanted
                }
            }
        };
        Ok((first, Some(generation)))
    }

    /// Compares what is stored with what was sent. What is different is deleted at once.
    async fn verify(&self, place: &LegacyObject, stored: &Resource, digest: &str) -> Result<()> {
        match stored.md5_hash.as_deref() {
            Some(hash) if hash != digest => {
                self.remove_state(OPERATION, place, stored.generation(OPERATION)?).await?;
                Err(Error::new(ErrorKind::Unavailable, OPERATION)
                    .retry(Retry::Safe)
                    .with("fault", "the bytes arrived as others"))
            }
            _ => Ok(()),
        }
    }
}

/// Sends a body to its end; answers the object and the digest of what was sent.
async fn send_all(mut upload: Upload<'_>, first: Part, intake: &mut Intake) -> Result<(Resource, String)> {
    let (mut part, mut digest) = (first, Md5::new());
    loop {
        digest.update(&part.bytes);
        if let Some(stored) = upload.send(part.bytes, part.is_last).await? {
            return Ok((stored, STANDARD.encode(digest.finalize())));
        }
        part = match intake.part(PART_BYTES).await {
            Ok(part) => part,
            Err(error) => {
                upload.cancel().await;
                return Err(error);
            }
        };
    }
}
