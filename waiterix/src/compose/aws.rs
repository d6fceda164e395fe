//! Adapters on Amazon Web Services, each behind the wrappers that bound, repeat and tell of its calls.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use waiterix_adapters_aws::apigateway::{ApiGatewayNotifier, ApiGatewaySettings};
use waiterix_adapters_aws::elasticache::{RedisSessionStore, RedisSettings};
use waiterix_adapters_aws::rds::{self, RdsSettings};
use waiterix_adapters_aws::s3::{S3BlobStore, S3Settings};
use waiterix_adapters_aws::sdk::{self, AwsSettings, SdkConfig};
use waiterix_adapters_aws::ses::{SesMailer, SesSettings};
use waiterix_app::{OsRandom, Random as _, Settings};
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_layers::{Limits, RetryPolicy, Wrap};
use waiterix_ports::vars::Vars;
use waiterix_ports::{BlobStore, Clock, Mailer, Notifier, SessionStore, Store};
use waiterix_postgres::PostgresStore;
use waiterix_postgres::connect::Hosting;

use super::{Choice, Selection};

/// How long closing waits for queries that are under way.
const CLOSING: Duration = Duration::from_secs(5);

/// What was configured, port by port.
#[derive(Debug, Default)]
pub(super) struct Plan {
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
pub(super) struct Prepared {
    plan: Plan,
    config: Option<SdkConfig>,
    clock: Arc<dyn Clock>,
}

/// What must be closed.
#[derive(Debug, Default)]
pub(super) struct Open {
    store: Option<Arc<PostgresStore>>,
}

impl Plan {
    /// Reads the settings of the ports that are on AWS; the places of objects are added to those of the service.
    pub(super) fn read(vars: &mut Vars<'_>, selection: Selection, settings: &mut Settings) -> Self {
        let wants = |choice: Choice| choice == Choice::Aws;
        let mut plan = Self::default();
        if wants(selection.store) {
            plan.store = Some(RdsSettings::read(vars, Hosting::Server));
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
    pub(super) async fn prepare(self, clock: &Arc<dyn Clock>) -> Prepared {
        let config = match &self.aws {
            Some(settings) => Some(sdk::config(settings).await),
            None => None,
        };
        Prepared { plan: self, config, clock: clock.clone() }
    }
}

/// A port over clients of the AWS SDK. They repeat requests themselves, with a budget, and know which: a part of an object
/// rather than all of it. Their three attempts take 12 s at most, so the limit of a call must be longer.
fn bounded<P: Wrap + ?Sized>(port: Arc<P>) -> Arc<P> {
    let limits = Limits { point: Duration::from_secs(14), ..Limits::default() };
    waiterix_layers::trace(waiterix_layers::timeout(port, limits), Arc::new(()))
}

/// A port whose calls end in time, are repeated where that is allowed, and are told of.
fn hardened<P: Wrap + ?Sized>(port: Arc<P>) -> Arc<P> {
    let mut seed = [0; 8];
    OsRandom.fill(&mut seed);
    let port = waiterix_layers::timeout(port, Limits::default());
    let port = waiterix_layers::retry(port, RetryPolicy::default(), u64::from_le_bytes(seed));
    waiterix_layers::trace(port, Arc::new(()))
}

/// The settings of a port; they are there when the port was chosen.
fn chosen<'a, T>(settings: &'a Option<T>, what: &str) -> Result<&'a T, String> {
    settings.as_ref().ok_or_else(|| format!("{what} was not configured"))
}

fn said(what: &str, error: &dyn Display) -> String {
    format!("cannot prepare {what}: {error}")
}

impl Prepared {
    fn config(&self) -> Result<&SdkConfig, String> {
        chosen(&self.config, "the AWS region")
    }

    pub(super) fn store(&self, open: &mut Open) -> Result<Arc<dyn Store>, String> {
        let settings = chosen(&self.plan.store, "the database")?;
        for warning in &settings.postgres.warnings {
            tracing::warn!("{warning}");
        }
        let store = rds::open(settings, self.config.as_ref(), &self.clock);
        let store = Arc::new(store.map_err(|error| said("the database", &error))?);
        open.store = Some(store.clone());
        Ok(hardened(store as Arc<dyn Store>))
    }

    pub(super) fn blobs(&self) -> Result<Arc<dyn BlobStore>, String> {
        let settings = chosen(&self.plan.blobs, "the bucket")?;
        let store = S3BlobStore::open(self.config()?, settings, self.clock.clone());
        Ok(bounded(Arc::new(store) as Arc<dyn BlobStore>))
    }

    pub(super) fn mailer(&self, ledger: &Arc<dyn SessionStore>) -> Result<Arc<dyn Mailer>, String> {
        let settings = chosen(&self.plan.mailer, "mail")?;
        let mailer = bounded(Arc::new(SesMailer::open(self.config()?, settings.clone())) as Arc<dyn Mailer>);
        Ok(Arc::new(LedgeredMailer::new(mailer, ledger.clone(), self.clock.clone())))
    }

    pub(super) fn sessions(&self) -> Result<Arc<dyn SessionStore>, String> {
        let settings = chosen(&self.plan.sessions, "Redis")?;
        let store = RedisSessionStore::new(settings, self.clock.clone());
        let store = store.map_err(|error| said("the sessions", &error))?;
        Ok(hardened(Arc::new(store) as Arc<dyn SessionStore>))
    }

    pub(super) fn notifier(&self) -> Result<Arc<dyn Notifier>, String> {
        let settings = chosen(&self.plan.notifier, "the table of connections")?;
        let notifier = ApiGatewayNotifier::open(self.config()?, settings.clone(), self.clock.clone());
        Ok(bounded(Arc::new(notifier) as Arc<dyn Notifier>))
    }
}

impl Open {
    /// Lets queries that are under way finish, and closes connections.
    pub(super) async fn close(&self) {
        if let Some(store) = &self.store
            && !store.close(CLOSING).await
        {
            tracing::warn!("some queries did not finish in time");
        }
    }
}
