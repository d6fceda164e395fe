//! Local adapters: files of one folder, sockets of this process.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use url::Url;
use waiterix_adapters_local::eml::EmlMailer;
use waiterix_adapters_local::folder::FolderBlobStore;
use waiterix_adapters_local::sockets::SocketNotifier;
use waiterix_adapters_local::sqlite::{SqliteSessionStore, SqliteStore};
use waiterix_domain::Secret;
use waiterix_layers::{Meter, Wrap, trace};
use waiterix_ports::mailer::MailEvents;
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{BlobStore, Clock, Mailer, Notifier, SessionStore, Store};

use crate::family::Family;
use crate::keys::Keys;
use crate::{Choice, Place, Selection};

/// The sender of local mail.
const FROM: &str = "waiterix@localhost.localdomain";

/// What was configured.
#[derive(Debug)]
pub(crate) struct Plan {
    data: PathBuf,
    /// Signs object URLs of the local store.
    objects_key: Option<Secret>,
}

/// The data folder, and what was opened in it.
#[derive(Debug)]
pub(crate) struct Prepared {
    data: PathBuf,
    clock: Arc<dyn Clock>,
    meter: Arc<dyn Meter>,
    signer: Option<UrlSigner>,
    store: Option<Arc<SqliteStore>>,
    sessions: Option<Arc<SqliteSessionStore>>,
    sockets: Option<Arc<SocketNotifier>>,
}

impl Plan {
    /// Reads or makes the keys of the data folder if something needs them; answers the one that signs cookies, too.
    pub(crate) fn read(place: Place<'_>, selection: Selection) -> Result<(Self, Option<Secret>), String> {
        let needs_keys = selection.sessions == Choice::Local || selection.blobs == Choice::Local;
        let data = match place {
            Place::Server { data } => data.to_owned(),
            Place::Function(_) if selection.uses(Choice::Local) => {
                return Err("a function keeps nothing, so no port can be local".to_owned());
            }
            Place::Function(_) => PathBuf::new(),
        };
        let keys = if needs_keys { Some(Keys::open(&data)?) } else { None };
        let (cookies, objects_key) = keys.map(|keys| (keys.cookies, keys.objects)).unzip();
        Ok((Self { data, objects_key }, cookies))
    }

    /// The family, and what signs URLs of its objects.
    pub(crate) fn prepare(
        self,
        base: &Url,
        clock: &Arc<dyn Clock>,
        meter: &Arc<dyn Meter>,
    ) -> (Prepared, Option<UrlSigner>) {
        let signer = self.objects_key.map(|key| UrlSigner::new(base.clone(), key));
        let prepared = Prepared {
            data: self.data,
            clock: clock.clone(),
            meter: meter.clone(),
            signer: signer.clone(),
            store: None,
            sessions: None,
            sockets: None,
        };
        (prepared, signer)
    }
}

impl Prepared {
    /// A port whose calls are told of. They need neither a limit nor a second attempt: nothing is between them and the disk.
    fn traced<P: Wrap + ?Sized>(&self, port: Arc<P>) -> Arc<P> {
        trace(port, self.meter.clone())
    }

    fn said(&self, what: &str, error: &dyn Display) -> String {
        format!("cannot open {what} in {}: {error}", self.data.display())
    }
}

#[async_trait]
impl Family for Prepared {
    async fn store(&mut self) -> Result<Arc<dyn Store>, String> {
        let opened = SqliteStore::open(self.data.join("waiterix.db"), self.clock.clone()).await;
        let store = Arc::new(opened.map_err(|error| self.said("the database", &error))?);
        self.store = Some(store.clone());
        Ok(self.traced(store as Arc<dyn Store>))
    }

    #[cfg(all(feature = "aws", feature = "legacy"))]
    fn beside(&self) -> Result<waiterix_postgres::connect::Database, String> {
        Err("local rows are not moved".to_owned())
    }

    async fn blobs(&mut self) -> Result<Arc<dyn BlobStore>, String> {
        let signer = self.signer.clone().ok_or("the key of object URLs is missing")?;
        let opened = FolderBlobStore::open(self.data.join("objects"), signer, self.clock.clone()).await;
        let blobs = opened.map_err(|error| self.said("the objects", &error))?;
        Ok(self.traced(Arc::new(blobs) as Arc<dyn BlobStore>))
    }

    async fn mailer(&mut self, _ledger: &Arc<dyn SessionStore>) -> Result<Arc<dyn Mailer>, String> {
        let opened = EmlMailer::open(self.data.join("mail"), FROM, self.clock.clone()).await;
        let mailer = opened.map_err(|error| self.said("the mail folder", &error))?;
        Ok(self.traced(Arc::new(mailer) as Arc<dyn Mailer>))
    }

    #[cfg(all(feature = "aws", feature = "legacy"))]
    async fn bare_mailer(&mut self, ledger: &Arc<dyn SessionStore>) -> Result<Arc<dyn Mailer>, String> {
        self.mailer(ledger).await
    }

    #[cfg(all(feature = "aws", feature = "legacy"))]
    fn session_keys(&self) -> Result<Arc<dyn waiterix_ports::moving::SessionKeys>, String> {
        Err("local sessions are not moved".to_owned())
    }

    fn mail_events(&self) -> Option<Arc<dyn MailEvents>> {
        None
    }

    async fn sessions(&mut self) -> Result<Arc<dyn SessionStore>, String> {
        let opened = SqliteSessionStore::open(self.data.join("sessions.db"), self.clock.clone()).await;
        let sessions = Arc::new(opened.map_err(|error| self.said("the sessions", &error))?);
        self.sessions = Some(sessions.clone());
        Ok(self.traced(sessions as Arc<dyn SessionStore>))
    }

    async fn notifier(&mut self) -> Result<Arc<dyn Notifier>, String> {
        let sockets = Arc::new(SocketNotifier::new());
        self.sockets = Some(sockets.clone());
        Ok(self.traced(sockets as Arc<dyn Notifier>))
    }

    fn dismiss_sockets(&self) {
        if let Some(sockets) = &self.sockets {
            sockets.shutdown();
        }
    }

    async fn close(&self) {
        if let Some(store) = &self.store {
            store.close().await;
        }
        if let Some(sessions) = &self.sessions {
            sessions.close().await;
        }
    }
}
