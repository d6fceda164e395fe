//! Adapters of the providers the service comes from.

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;
use waiterix_adapters_legacy::gcs::{GcsBlobStore, GcsSettings};
use waiterix_adapters_legacy::neon::{self, NeonSettings};
use waiterix_adapters_legacy::pg_session::{self, PgSessionSettings, PgSessionStore};
use waiterix_adapters_legacy::resend::webhook::WebhookVerifier;
use waiterix_adapters_legacy::resend::{ResendMailer, ResendSettings};
use waiterix_adapters_legacy::websocket::{WebSocketNotifier, WebSocketSettings};
use waiterix_adapters_local::sockets::SocketNotifier;
use waiterix_app::{OsRandom, Random as _, Settings};
use waiterix_domain::Secret;
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_layers::suppression::SuppressingMailer;
use waiterix_layers::{Meter, trace};
use waiterix_ports::mailer::MailEvents;
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::vars::Vars;
use waiterix_ports::{BlobStore, Clock, Mailer, Notifier, SessionStore, Store};
use waiterix_postgres::PostgresStore;
use waiterix_postgres::connect::Hosting;

use crate::family::Family;
use crate::wrapping::{CLOSING, bounded, chosen, hardened, said};
use crate::{Choice, Selection};

/// What was configured, port by port.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    store: Option<NeonSettings>,
    blobs: Option<GcsSettings>,
    mailer: Option<ResendSettings>,
    sessions: Option<PgSessionSettings>,
    notifier: Option<(NeonSettings, WebSocketSettings)>,
    /// Signs URLs of objects where the provider's signatures do not say enough. Every process must have the same.
    objects_key: Option<Secret>,
}

/// What is needed to make adapters, and what must be closed.
#[derive(Debug)]
pub(crate) struct Prepared {
    plan: Plan,
    clock: Arc<dyn Clock>,
    meter: Arc<dyn Meter>,
    signer: Option<UrlSigner>,
    store: Option<Arc<PostgresStore>>,
    sessions: Option<Arc<PgSessionStore>>,
    sockets: Option<Arc<SocketNotifier>>,
    notifier: Option<Arc<WebSocketNotifier>>,
}

impl Plan {
    /// Reads the settings of the ports that are on the old providers; the places of objects are added to those of the
    /// service.
    pub(crate) fn read(vars: &mut Vars<'_>, selection: Selection, settings: &mut Settings) -> Self {
        let wants = |choice: Choice| choice.needs(Choice::Legacy);
        let mut plan = Self::default();
        if wants(selection.store) || selection.uses(Choice::Dual) {
            plan.store = Some(NeonSettings::read(vars, Hosting::Server));
        }
        if wants(selection.blobs) {
            let blobs = GcsSettings::read(vars);
            blobs.locate(&mut settings.locations);
            if blobs.needs_signer() {
                plan.objects_key = settings.cookie.secrets.first().map(objects_key);
            }
            plan.blobs = Some(blobs);
        }
        if wants(selection.mailer) {
            plan.mailer = Some(ResendSettings::read(vars));
        }
        if wants(selection.sessions) {
            plan.sessions = Some(PgSessionSettings::read(vars, Hosting::Server));
        }
        if wants(selection.notifier) {
            // What is said to the other processes needs a connection of its own, and no pooler in between.
            let database = NeonSettings::read(vars, Hosting::Server).direct();
            plan.notifier = Some((database, WebSocketSettings::read(vars)));
        }
        plan
    }

    /// The family, and what signs URLs of its objects if the service honours them itself.
    pub(crate) fn prepare(
        self,
        base: &Url,
        clock: &Arc<dyn Clock>,
        meter: &Arc<dyn Meter>,
    ) -> (Prepared, Option<UrlSigner>) {
        let signer = self.objects_key.clone().map(|key| UrlSigner::new(base.clone(), key));
        let prepared = Prepared {
            plan: self,
            clock: clock.clone(),
            meter: meter.clone(),
            signer: signer.clone(),
            store: None,
            sessions: None,
            sockets: None,
            notifier: None,
        };
        (prepared, signer)
    }
}

impl Plan {
    /// How the database is reached, if rows are there.
    #[cfg(feature = "aws")]
    pub(crate) fn database(&self) -> Option<&waiterix_postgres::connect::PostgresSettings> {
        self.store.as_ref().map(|store| &store.postgres)
    }
}

/// The key of object URLs: the secret all processes share, and what it is used for here, so that a signature of one kind is
/// none of the other.
fn objects_key(secret: &Secret) -> Secret {
    Secret::new(format!("urls of objects\n{}", secret.reveal()))
}

impl Prepared {
    /// Mail that goes to nobody who is on the list of suppressed addresses.
    fn suppressing(&self, ledger: &Arc<dyn SessionStore>) -> Result<Arc<dyn Mailer>, String> {
        let settings = chosen(&self.plan.mailer, "mail")?;
        let mailer = ResendMailer::open(settings.clone(), self.clock.clone());
        let mailer = mailer.map_err(|error| said("mail", &error))?;
        let mailer = bounded(Arc::new(mailer) as Arc<dyn Mailer>, &self.meter);
        Ok(Arc::new(SuppressingMailer::new(mailer, ledger.clone())))
    }
}

#[async_trait]
impl Family for Prepared {
    async fn store(&mut self) -> Result<Arc<dyn Store>, String> {
        let settings = chosen(&self.plan.store, "the database")?;
        for warning in &settings.postgres.warnings {
            tracing::warn!("{warning}");
        }
        let store = neon::open(settings, &self.clock).map_err(|error| said("the database", &error))?;
        let store = Arc::new(store);
        self.store = Some(store.clone());
        Ok(hardened(store as Arc<dyn Store>, &self.meter))
    }

    #[cfg(feature = "aws")]
    fn beside(&self) -> Result<waiterix_postgres::connect::Database, String> {
        let mut settings = chosen(&self.plan.store, "the database")?.clone();
        settings.postgres = crate::dual::beside(&settings.postgres);
        neon::database(&settings, &self.clock).map_err(|error| said("the move", &error))
    }

    async fn blobs(&mut self) -> Result<Arc<dyn BlobStore>, String> {
        let settings = chosen(&self.plan.blobs, "the folders of objects")?;
        let store = GcsBlobStore::open(settings, self.signer.as_ref(), self.clock.clone());
        let store = store.map_err(|error| said("the objects", &error))?;
        Ok(bounded(Arc::new(store) as Arc<dyn BlobStore>, &self.meter))
    }

    async fn mailer(&mut self, ledger: &Arc<dyn SessionStore>) -> Result<Arc<dyn Mailer>, String> {
        let mailer = self.suppressing(ledger)?;
        Ok(Arc::new(LedgeredMailer::new(mailer, ledger.clone(), self.clock.clone())))
    }

    #[cfg(feature = "aws")]
    async fn bare_mailer(&mut self, ledger: &Arc<dyn SessionStore>) -> Result<Arc<dyn Mailer>, String> {
        self.suppressing(ledger)
    }

    #[cfg(feature = "aws")]
    fn session_keys(&self) -> Result<Arc<dyn waiterix_ports::moving::SessionKeys>, String> {
        Ok(chosen(&self.sessions, "the database of sessions")?.clone())
    }

    fn mail_events(&self) -> Option<Arc<dyn MailEvents>> {
        let secret = self.plan.mailer.as_ref()?.webhook_secret.as_ref()?;
        Some(Arc::new(WebhookVerifier::new(secret)?))
    }

    async fn sessions(&mut self) -> Result<Arc<dyn SessionStore>, String> {
        let settings = chosen(&self.plan.sessions, "the database of sessions")?;
        for warning in &settings.database.postgres.warnings {
            tracing::warn!("{warning}");
        }
        let sessions = pg_session::open(settings, &self.clock);
        let sessions = Arc::new(sessions.map_err(|error| said("the sessions", &error))?);
        self.sessions = Some(sessions.clone());
        Ok(hardened(sessions as Arc<dyn SessionStore>, &self.meter))
    }

    async fn notifier(&mut self) -> Result<Arc<dyn Notifier>, String> {
        let (database, settings) = chosen(&self.plan.notifier, "the database between processes")?;
        let database = neon::database(database, &self.clock).map_err(|error| said("realtime", &error))?;
        let sockets = Arc::new(SocketNotifier::new());
        let mut process = [0; 16];
        OsRandom.fill(&mut process);
        let notifier = WebSocketNotifier::new(sockets.clone(), database, settings.clone(), process);
        let notifier = Arc::new(notifier.map_err(|error| said("realtime", &error))?);
        self.sockets = Some(sockets);
        self.notifier = Some(notifier.clone());
        Ok(trace(notifier as Arc<dyn Notifier>, self.meter.clone()))
    }

    fn dismiss_sockets(&self) {
        if let Some(sockets) = &self.sockets {
            sockets.shutdown();
        }
    }

    async fn close(&self) {
        if let Some(notifier) = &self.notifier {
            notifier.close(CLOSING).await;
        }
        let mut finished = true;
        if let Some(store) = &self.store {
            finished &= store.close(CLOSING).await;
        }
        if let Some(sessions) = &self.sessions {
            finished &= sessions.close(CLOSING).await;
        }
        if !finished {
            tracing::warn!("some queries did not finish in time");
        }
    }
}
