//! What every family of adapters can be asked for.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use waiterix_app::Ports;
use waiterix_ports::mailer::MailEvents;
use waiterix_ports::{BlobStore, Mailer, Notifier, SessionStore, Store};

use crate::unused::Unused;
use crate::{Choice, Selection};

/// Adapters that belong together. Each is made when it is asked for; what is opened is closed by the family. Faults are
/// texts for people.
#[async_trait]
pub(crate) trait Family: fmt::Debug + Send + Sync {
    async fn store(&mut self) -> Result<Arc<dyn Store>, String>;
    /// The database of the rows, with connections that are nobody else's, for a move of the rows.
    #[cfg(all(feature = "aws", feature = "legacy"))]
    fn beside(&self) -> Result<waiterix_postgres::connect::Database, String>;
    async fn blobs(&mut self) -> Result<Arc<dyn BlobStore>, String>;
    /// Providers that cannot tell a repeated mail from a new one keep a ledger in the sessions' one-time data.
    async fn mailer(&mut self, ledger: &Arc<dyn SessionStore>) -> Result<Arc<dyn Mailer>, String>;
    /// The same without a ledger, for those who put one around two providers.
    #[cfg(all(feature = "aws", feature = "legacy"))]
    async fn bare_mailer(&mut self, ledger: &Arc<dyn SessionStore>) -> Result<Arc<dyn Mailer>, String>;
    /// What believes the mail provider's news of bounces, where it sends them over HTTP.
    fn mail_events(&self) -> Option<Arc<dyn MailEvents>>;
    async fn sessions(&mut self) -> Result<Arc<dyn SessionStore>, String>;
    /// What names the sessions of the store that was made.
    #[cfg(all(feature = "aws", feature = "legacy"))]
    fn session_keys(&self) -> Result<Arc<dyn waiterix_ports::moving::SessionKeys>, String>;
    async fn notifier(&mut self) -> Result<Arc<dyn Notifier>, String>;
    /// Says goodbye to sockets of this process.
    fn dismiss_sockets(&self);
    /// Finishes what was queued and lets go of files and connections.
    async fn close(&self);
}

/// A family that was not built in; the configuration said so before anybody could ask.
#[derive(Debug)]
#[cfg_attr(
    all(feature = "local", feature = "legacy", feature = "aws"),
    allow(dead_code, reason = "where all are built in, none is absent")
)]
pub(crate) struct Absent;

fn absent<T>() -> Result<T, String> {
    Err("this program was built without these adapters".to_owned())
}

#[async_trait]
impl Family for Absent {
    async fn store(&mut self) -> Result<Arc<dyn Store>, String> {
        absent()
    }

    #[cfg(all(feature = "aws", feature = "legacy"))]
    fn beside(&self) -> Result<waiterix_postgres::connect::Database, String> {
        absent()
    }

    async fn blobs(&mut self) -> Result<Arc<dyn BlobStore>, String> {
        absent()
    }

    async fn mailer(&mut self, _ledger: &Arc<dyn SessionStore>) -> Result<Arc<dyn Mailer>, String> {
        absent()
    }

    #[cfg(all(feature = "aws", feature = "legacy"))]
    async fn bare_mailer(&mut self, _ledger: &Arc<dyn SessionStore>) -> Result<Arc<dyn Mailer>, String> {
        absent()
    }

    #[cfg(all(feature = "aws", feature = "legacy"))]
    fn session_keys(&self) -> Result<Arc<dyn waiterix_ports::moving::SessionKeys>, String> {
        absent()
    }

    fn mail_events(&self) -> Option<Arc<dyn MailEvents>> {
        None
    }

    async fn sessions(&mut self) -> Result<Arc<dyn SessionStore>, String> {
        absent()
    }

    async fn notifier(&mut self) -> Result<Arc<dyn Notifier>, String> {
        absent()
    }

    fn dismiss_sockets(&self) {}

    async fn close(&self) {}
}

/// All families.
#[derive(Debug)]
pub(crate) struct Families {
    local: Box<dyn Family>,
    legacy: Box<dyn Family>,
    aws: Box<dyn Family>,
    unused: Unused,
}

impl Families {
    pub(crate) fn new(
        local: impl Family + 'static,
        legacy: impl Family + 'static,
        aws: impl Family + 'static,
    ) -> Self {
        Self { local: Box::new(local), legacy: Box::new(legacy), aws: Box::new(aws), unused: Unused }
    }

    pub(crate) fn of(&mut self, choice: Choice) -> &mut dyn Family {
        match choice {
            Choice::Local => &mut *self.local,
            Choice::Legacy => &mut *self.legacy,
            // Ports over two families are put together by those who ask; what else there is to ask is of the new one.
            Choice::Aws | Choice::Dual => &mut *self.aws,
            Choice::Unused => &mut self.unused,
        }
    }

    pub(crate) fn dismiss_sockets(&self) {
        for family in [&self.local, &self.legacy, &self.aws] {
            family.dismiss_sockets();
        }
    }

    pub(crate) async fn close(&self) {
        for family in [&self.local, &self.legacy, &self.aws] {
            family.close().await;
        }
    }
}

/// The ports of a selection in which each is of one family.
pub(crate) async fn plain(families: &mut Families, selection: Selection) -> Result<Ports, String> {
    let sessions = families.of(selection.sessions).sessions().await?;
    Ok(Ports {
        store: families.of(selection.store).store().await?,
        blobs: families.of(selection.blobs).blobs().await?,
        mailer: families.of(selection.mailer).mailer(&sessions).await?,
        notifier: families.of(selection.notifier).notifier().await?,
        sessions,
    })
}
