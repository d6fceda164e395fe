//! [`BlobStore`] with something around every call, and around the bodies it answers with.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;
use waiterix_domain::id::UserId;
use waiterix_ports::blob::UploadRequest;
use waiterix_ports::{BlobMeta, BlobPage, BlobStore, Download, PutBlob, Result, Visibility};

use crate::around::{Around, Call, Layered, Wrap};
use crate::operation::blob::{
    CHECK, COPY, DELETE, GET, HEAD, LIST, PRESIGN_DOWNLOAD, PRESIGN_UPLOAD, PUT, SET_ACCESS,
};
use crate::upload::Upload;

impl Wrap for dyn BlobStore {
    fn wrapped(port: Arc<Self>, around: impl Around) -> Arc<Self> {
        Arc::new(Layered { port, around })
    }
}

#[async_trait]
impl<A: Around> BlobStore for Layered<dyn BlobStore, A> {
    async fn put(&self, key: &str, blob: PutBlob) -> Result<BlobMeta> {
        let upload = Upload::new(blob);
        let begin = || self.port.put(key, upload.blob());
        self.around.around(Call::new(&PUT, &begin).uploading(&upload)).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Download> {
        let begin = || self.port.get(key, range.clone());
        let Download { meta, range, body } = self.around.around(Call::new(&GET, &begin)).await?;
        Ok(Download { meta, range, body: self.around.body(body) })
    }

    async fn head(&self, key: &str) -> Result<BlobMeta> {
        self.around.around(Call::new(&HEAD, &|| self.port.head(key))).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.around.around(Call::new(&DELETE, &|| self.port.delete(key))).await
    }

    async fn list(&self, prefix: &str, from: Option<&str>, limit: u32) -> Result<BlobPage> {
        self.around.around(Call::new(&LIST, &|| self.port.list(prefix, from, limit))).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        self.around.around(Call::new(&COPY, &|| self.port.copy(from, to))).await
    }

    async fn set_access(&self, key: &str, owner: Option<&UserId>, visibility: Visibility) -> Result<()> {
        self.around.around(Call::new(&SET_ACCESS, &|| self.port.set_access(key, owner, visibility))).await
    }

    async fn presign_upload(&self, request: &UploadRequest) -> Result<Url> {
        self.around.around(Call::new(&PRESIGN_UPLOAD, &|| self.port.presign_upload(request))).await
    }

    async fn presign_download(&self, key: &str, ttl: Duration) -> Result<Url> {
        self.around.around(Call::new(&PRESIGN_DOWNLOAD, &|| self.port.presign_download(key, ttl))).await
    }

    async fn check(&self) -> Result<()> {
        self.around.around(Call::new(&CHECK, &|| self.port.check())).await
    }
}
