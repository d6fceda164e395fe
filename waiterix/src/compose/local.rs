//! Local adapters: files of one folder, sockets of this process.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use waiterix_adapters_local::eml::EmlMailer;
use waiterix_adapters_local::folder::FolderBlobStore;
use waiterix_adapters_local::sqlite::{SqliteSessionStore, SqliteStore};
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{Clock, Mailer};

/// The sender of local mail.
const FROM: &str = "waiterix@localhost.localdomain";

/// A data folder.
pub(super) struct Folder<'a> {
    pub(super) path: &'a Path,
    pub(super) clock: Arc<dyn Clock>,
}

impl Folder<'_> {
    fn said(&self, what: &str, error: &dyn Display) -> String {
        format!("cannot open {what} in {}: {error}", self.path.display())
    }

    pub(super) async fn store(&self) -> Result<Arc<SqliteStore>, String> {
        let opened = SqliteStore::open(self.path.join("waiterix.db"), self.clock.clone()).await;
        opened.map(Arc::new).map_err(|error| self.said("the database", &error))
    }

    pub(super) async fn sessions(&self) -> Result<Arc<SqliteSessionStore>, String> {
        let opened = SqliteSessionStore::open(self.path.join("sessions.db"), self.clock.clone()).await;
        opened.map(Arc::new).map_err(|error| self.said("the sessions", &error))
    }

    pub(super) async fn blobs(&self, signer: UrlSigner) -> Result<Arc<FolderBlobStore>, String> {
        let opened = FolderBlobStore::open(self.path.join("objects"), signer, self.clock.clone()).await;
        opened.map(Arc::new).map_err(|error| self.said("the objects", &error))
    }

    pub(super) async fn mailer(&self) -> Result<Arc<dyn Mailer>, String> {
        let opened = EmlMailer::open(self.path.join("mail"), FROM, self.clock.clone()).await;
        match opened {
            Ok(mailer) => Ok(Arc::new(mailer)),
            Err(error) => Err(self.said("the mail folder", &error)),
        }
    }
}
