//! Adapters on Amazon Web Services, each behind the wrappers that bound, repeat and tell of its calls.

use std::sync::Arc;

use async_trait::async_trait;
use waiterix_adapters_aws::apigateway::{ApiGatewayNotifier, ApiGatewaySettings};
use waiterix_adapters_aws::elasticache::{RedisSessionStore, RedisSettings};
use waiterix_adapters_aws::rds::{self, RdsSettings};
use waiterix_adapters_aws::s3::{S3BlobStore, S3Settings};
use waiterix_adapters_aws::sdk::{self, AwsSettings, SdkConfig};
use waiterix_adapters_aws::ses::{SesMailer, SesSettings};
use waiterix_app::Settings;
use waiterix_layers::Meter;
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_layers::suppression::SuppressingMailer;
use waiterix_ports::mailer::MailEvents;
use waiterix_ports::vars::Vars;
use waiterix_ports::{BlobStore, Clock, Mailer, Notifier, SessionStore, Store};
use waiterix_postgres::PostgresStore;
use waiterix_postgres::connect::Hosting;

use crate::family::Family;
use crate::wrapping::{CLOSING, bounded, chosen, hardened, said};
use crate::{Choice, Place, Selection};

/// What was configured, port by port.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Where the services are; Redis and PostgreSQL with a password do without.
    aws: Option<AwsSettings>,
    store: Option<RdsSettings>,
    blobs: Option<S3Settings>,
    mailer: Option<SesSettings>,
    sessions: Option<RedisSettings>,
    notifier: Option<ApiGatewaySettings>,
}

/// What is needed to make adapters.
#[derive(Debug)]
pub(crate) struct Prepared {
    plan: Plan,
    config: Option<SdkConfig>,
    clock: Arc<dyn Clock>,
    meter: Arc<dyn Meter>,
    /// What must be closed.
    open: Option<Arc<PostgresStore>>,
    sessions: Option<Arc<RedisSessionStore>>,
}

impl Plan {
    /// Reads the settings of the ports that are on AWS; the places of objects are added to those of the service.
    pub(crate) fn read(
        vars: &mut Vars<'_>,
        place: Place<'_>,
        selection: Selection,
        settings: &mut Settings,
    ) -> Self {
        let wants = |choice: Choice| choice.needs(Choice::Aws);
        let mut plan = Self::default();
        // The plan of a move is in the new database, whatever moves.
        if wants(selection.store) || selection.uses(Choice::Dual) {
            let hosting = match place {
                Place::Server { .. } => Hosting::Server,
                Place::Function(_) => Hosting::Function,
            };
            plan.store = Some(RdsSettings::read(vars, hosting));
        }
        if wants(selection.blobs) {
            let blobs = S3Settings::read(vars);
            blobs.locate(&mut settings.locations);
            plan.blobs = Some(blobs);
        }
        if wants(selection.mailer) {
            plan.mailer = Some(SesSettings::read(vars));
        }
        if wants(selection.sessions) {
            plan.sessions = Some(RedisSettings::read(vars));
        }
        if wants(selection.notifier) {
            plan.notifier = Some(ApiGatewaySettings::read(vars));
        }
        // A database that is signed in to with a password needs nothing of the SDK.
        let signs = plan.store.as_ref().is_some_and(|store| store.iam_region.is_some());
        if signs || plan.blobs.is_some() || plan.mailer.is_some() || plan.notifier.is_some() {
            plan.aws = Some(AwsSettings::read(vars));
        }
        plan
    }

    /// Settles where the services are; no server is asked.
    pub(crate) async fn prepare(self, clock: &Arc<dyn Clock>, meter: &Arc<dyn Meter>) -> Prepared {
        let config = match &self.aws {
            Some(settings) => Some(sdk::config(settings).await),
            None => None,
        };
        Prepared {
            plan: self,
            config,
            clock: clock.clone(),
            meter: meter.clone(),
            open: None,
            sessions: None,
        }
    }
}

impl Plan {
    /// How the database is reached, if rows are there.
    #[cfg(feature = "legacy")]
    pub(crate) fn database(&self) -> Option<&waiterix_postgres::connect::PostgresSettings> {
        self.store.as_ref().map(|store| &store.postgres)
    }
}

impl Prepared {
    fn config(&self) -> Result<&SdkConfig, String> {
        chosen(&self.config, "the AWS region")
    }

    /// Mail that goes to nobody who is on a list of suppressed addresses.
    fn suppressing(&self, ledger: &Arc<dyn SessionStore>) -> Result<Arc<dyn Mailer>, String> {
        let settings = chosen(&self.plan.mailer, "mail")?;
        let mailer = SesMailer::open(self.config()?, settings.clone());
        let mailer = bounded(Arc::new(mailer) as Arc<dyn Mailer>, &self.meter);
        Ok(Arc::new(SuppressingMailer::new(mailer, ledger.clone()).with_list_of_provider()))
    }
}

#[async_trait]
impl Family for Prepared {
    async fn store(&mut self) -> Result<Arc<dyn Store>, String> {
        let settings = chosen(&self.plan.store, "the database")?;
        for warning in &settings.postgres.warnings {
            tracing::warn!("{warning}");
        }
        let store = rds::open(settings, self.config.as_ref(), &self.clock);
        let store = Arc::new(store.map_err(|error| said("the database", &error))?);
        self.open = Some(store.clone());
        Ok(hardened(store as Arc<dyn Store>, &self.meter))
    }

    #[cfg(feature = "legacy")]
    fn beside(&self) -> Result<waiterix_postgres::connect::Database, String> {
        let mut settings = chosen(&self.plan.store, "the database")?.clone();
        settings.postgres = crate::dual::beside(&settings.postgres);
        rds::database(&settings, self.config.as_ref(), &self.clock).map_err(|error| said("the move", &error))
    }

    async fn blobs(&mut self) -> Result<Arc<dyn BlobStore>, String> {
        let settings = chosen(&self.plan.blobs, "the bucket")?;
        let store = S3BlobStore::open(self.config()?, settings, self.clock.clone());
        Ok(bounded(Arc::new(store) as Arc<dyn BlobStore>, &self.meter))
    }

    async fn mailer(&mut self, ledger: &Arc<dyn SessionStore>) -> Result<Arc<dyn Mailer>, String> {
        let mailer = self.suppressing(ledger)?;
        Ok(Arc::new(LedgeredMailer::new(mailer, ledger.clone(), self.clock.clone())))
    }

    #[cfg(feature = "legacy")]
    async fn bare_mailer(&mut self, ledger: &Arc<dyn SessionStore>) -> Result<Arc<dyn Mailer>, String> {
        self.suppressing(ledger)
    }

    #[cfg(feature = "legacy")]
    fn session_keys(&self) -> Result<Arc<dyn waiterix_ports::moving::SessionKeys>, String> {
        Ok(chosen(&self.sessions, "Redis")?.clone())
    }

    fn mail_events(&self) -> Option<Arc<dyn MailEvents>> {
        None
    }

    async fn sessions(&mut self) -> Result<Arc<dyn SessionStore>, String> {
        let settings = chosen(&self.plan.sessions, "Redis")?;
        let store = RedisSessionStore::new(settings, self.clock.clone());
        let store = Arc::new(store.map_err(|error| said("the sessions", &error))?);
        self.sessions = Some(store.clone());
        Ok(hardened(store as Arc<dyn SessionStore>, &self.meter))
    }

    async fn notifier(&mut self) -> Result<Arc<dyn Notifier>, String> {
        let settings = chosen(&self.plan.notifier, "the table of connections")?;
        let notifier = ApiGatewayNotifier::open(self.config()?, settings.clone(), self.clock.clone());
        Ok(bounded(Arc::new(notifier) as Arc<dyn Notifier>, &self.meter))
    }

    fn dismiss_sockets(&self) {}

    async fn close(&self) {
        if let Some(store) = &self.open
            && !store.close(CLOSING).await
        {
            tracing::warn!("some queries did not finish in time");
        }
    }
}
