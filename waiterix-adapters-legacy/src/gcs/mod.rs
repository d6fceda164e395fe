//! Objects in Google Cloud Storage.
//!
//! They stay where the old service put them: keys below `public/` in the folders of `PUBLIC_OBJECT_SEARCH_PATHS`, all others
//! in `PRIVATE_OBJECT_DIR`; owner and visibility in the policy that it kept as metadata. The store speaks the JSON API. What
//! identifies a state of an object is its generation, which is its etag here: it changes with the bytes and with nothing
//! else, and every condition is one on it. An upload is a resumable session, so what is held in memory is one part, and a
//! lost answer is asked for again instead of guessed.
//!
//! Who signs URLs and where tokens come from, depends on where the service runs ([`Access`]). Why, and what the buckets need
//! around them: `docs/decisions/0022-objects-in-google-cloud-storage.md`.

mod account;
mod copy;
mod failure;
mod layout;
mod link;
mod list;
mod policy;
mod presign;
mod put;
mod read;
mod resource;
mod settings;
pub(crate) mod token;
mod upload;
pub(crate) mod wire;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;
use waiterix_domain::id::UserId;
use waiterix_ports::blob::{UploadRequest, is_key};
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{
    BlobMeta, BlobPage, BlobStore, Clock, Download, Error, ErrorKind, PutBlob, Result, Visibility,
};

pub use settings::{Access, GcsSettings, Limits};

use account::ServiceAccount;
use layout::Layout;
use link::Link;
use presign::Signing;
use token::{Issuer, Tokens};

/// Objects in Google Cloud Storage. Cheap to clone; clones are the same store.
#[derive(Clone)]
pub struct GcsBlobStore(Arc<Shared>);

struct Shared {
    link: Link,
    layout: Layout,
    uploads: Signing,
    downloads: Signing,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for GcsBlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcsBlobStore").field("layout", &self.0.layout).finish_non_exhaustive()
    }
}

impl GcsBlobStore {
    /// A store as the settings say. The file of a service account is read; no server is asked, and the first call fetches the
    /// first token. `signer` makes the URLs that the service honours itself; it may be missing where
    /// [`GcsSettings::needs_signer`] says so. `clock` begins the lifetime of URLs and ends that of tokens.
    ///
    /// # Errors
    /// `Invalid` for a file of credentials that cannot be read or understood, and where a folder or the signer is missing.
    pub fn open(settings: &GcsSettings, signer: Option<&UrlSigner>, clock: Arc<dyn Clock>) -> Result<Self> {
        const OPERATION: &str = "gcs.open";
        let own = || {
            let own = signer.cloned().map(Signing::Service);
            own.ok_or_else(|| invalid(OPERATION, "no signer of URLs was given"))
        };
        let client = wire::client(OPERATION, &settings.limits)?;
        let (issuer, uploads, downloads): (Option<Arc<dyn Issuer>>, _, _) = match &settings.access {
            Access::ServiceAccount { key_file } => {
                let account = Arc::new(ServiceAccount::open(OPERATION, key_file)?);
                (Some(account.clone()), Signing::Account(account.clone()), Signing::Account(account))
            }
            #[cfg(feature = "replit")]
            Access::Sidecar(settings) => {
                let sidecar = Arc::new(crate::replit::Sidecar::new(settings));
                let by_sidecar = Signing::Sidecar(sidecar.clone());
                let uploads = match settings.uploads {
                    crate::replit::SignedUploads::Service => own()?,
                    crate::replit::SignedUploads::Sidecar => by_sidecar.clone(),
                };
                (Some(sidecar), uploads, by_sidecar)
            }
            Access::Open => (None, own()?, own()?),
        };
        let layout = Layout::new(OPERATION, settings)?;
        let tokens = Tokens::new(issuer, clock.clone());
        let link = Link::new(client, settings.endpoint.as_ref(), tokens, settings.limits);
        Ok(Self(Arc::new(Shared { link, layout, uploads, downloads, clock })))
    }
}

fn invalid(operation: &'static str, fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation).with("fault", fault)
}

fn check_key(operation: &'static str, key: &str) -> Result<()> {
    if is_key(key) { Ok(()) } else { Err(invalid(operation, "malformed key")) }
}

#[async_trait]
impl BlobStore for GcsBlobStore {
    async fn put(&self, key: &str, blob: PutBlob) -> Result<BlobMeta> {
        self.0.store(key, blob).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Download> {
        self.0.read(key, range).await
    }

    async fn head(&self, key: &str) -> Result<BlobMeta> {
        Ok(self.0.look("gcs.head", key).await?.meta)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.0.remove(key).await
    }

    async fn list(&self, prefix: &str, from: Option<&str>, limit: u32) -> Result<BlobPage> {
        self.0.page(prefix, from, limit).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        self.0.duplicate(from, to).await
    }

    async fn set_access(&self, key: &str, owner: Option<&UserId>, visibility: Visibility) -> Result<()> {
        self.0.change_access(key, owner, visibility).await
    }

    async fn presign_upload(&self, request: &UploadRequest) -> Result<Url> {
        self.0.sign_upload(request).await
    }

    async fn presign_download(&self, key: &str, ttl: Duration) -> Result<Url> {
        self.0.sign_download(key, ttl).await
    }

    async fn check(&self) -> Result<()> {
        self.0.look_at_buckets().await
    }
}
