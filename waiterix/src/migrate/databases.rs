//! The two databases of a move.

use std::collections::BTreeMap;
use std::sync::Arc;

use waiterix_adapters_aws::rds::{self, RdsSettings};
use waiterix_adapters_aws::sdk::{self, AwsSettings, SdkConfig};
use waiterix_adapters_legacy::neon::{self, NeonSettings};
use waiterix_compose::dual;
use waiterix_compose::environment::complaint;
use waiterix_migration::rows::{Converger, Progress, Relay, RelaySettings, Sides};
use waiterix_ports::moving::{Ledger as _, LedgerEntry, MovingPort};
use waiterix_ports::vars::Vars;
use waiterix_ports::{Clock, SystemClock};
use waiterix_postgres::connect::{Database, Hosting};
use waiterix_postgres::moving::{PostgresPlan, PostgresSide};

use super::guests::Guests;

/// Ranges, batches and looks, all at once: each takes a connection on each side.
const CONNECTIONS: u32 = 24;

/// Everything a step of the move needs.
#[derive(Debug)]
pub(super) struct Move {
    pub(super) sides: Sides,
    pub(super) ledger: Arc<PostgresPlan>,
    pub(super) clock: Arc<dyn Clock>,
    /// Who asks, for the ledger.
    pub(super) who: String,
    pub(super) old: Database,
    pub(super) new: Database,
    /// How the new database is reached.
    pub(super) source: Source,
    /// Who says how long guests wait.
    pub(super) guests: Guests,
}

/// How databases on the new server are reached.
#[derive(Debug, Clone)]
pub(super) struct Source {
    settings: RdsSettings,
    config: Option<SdkConfig>,
}

impl Source {
    fn database(&self, clock: &Arc<dyn Clock>) -> Result<Database, String> {
        rds::database(&self.settings, self.config.as_ref(), clock).map_err(|error| error.to_string())
    }
}

impl Move {
    /// Reads the environment and prepares both databases, directly: a pooler can hold no lock. No server is asked.
    pub(super) async fn prepare(map: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut vars = Vars::new(map);
        vars.required("LEGACY_DATABASE_URL", "it names the database that is moved away from");
        let mut new = RdsSettings::read(&mut vars, Hosting::Server);
        let mut old = NeonSettings::read(&mut vars, Hosting::Server).direct();
        let who = vars.text("USER");
        let guests =
            vars.parsed("WAITERIX_GUESTS_URL", "an address of the service, as of a menu: https://...");
        let aws = new.iam_region.as_ref().map(|_| AwsSettings::read(&mut vars));
        dual::compare(&mut vars, &old.postgres, &new.postgres);
        complaint(&vars)?;
        for settings in [&mut old.postgres, &mut new.postgres] {
            settings.pool_max = settings.pool_max.max(CONNECTIONS);
        }
        let config = match &aws {
            Some(aws) => Some(sdk::config(aws).await),
            None => None,
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let said = |error: waiterix_ports::Error| error.to_string();
        let old = neon::database(&old, &clock).map_err(said)?;
        let source = Source { settings: new, config };
        let new = source.database(&clock)?;
        let side = |database: &Database| Arc::new(PostgresSide::new(database.clone(), clock.clone()));
        Ok(Self {
            sides: Sides::new(side(&old), side(&new)),
            ledger: Arc::new(PostgresPlan::new(new.clone())),
            who: who.unwrap_or_else(|| "unknown".to_owned()),
            clock,
            old,
            new,
            source,
            guests: Guests::at(guests),
        })
    }

    /// Another database on the new server.
    pub(super) fn beside(&self, name: &str) -> Result<Database, String> {
        let mut source = self.source.clone();
        name.clone_into(&mut source.settings.postgres.database);
        source.database(&self.clock)
    }

    /// What makes keys equal, in this process.
    pub(super) fn relay(&self, progress: &Arc<dyn Progress>) -> (Arc<Converger>, Arc<Relay>) {
        let converger = Arc::new(Converger::new(self.sides.clone()));
        let relay = Arc::new(Relay::new(converger.clone(), RelaySettings::default(), progress.clone()));
        (converger, relay)
    }

    /// Writes down what was done.
    pub(super) async fn note(&self, what: &str, evidence: serde_json::Value) -> Result<(), String> {
        let entry =
            LedgerEntry { who: self.who.clone(), port: MovingPort::Rows, what: what.to_owned(), evidence };
        self.ledger.note(&entry).await.map_err(|error| error.to_string())
    }

    /// Whether everybody is to pause.
    pub(super) async fn is_paused(&self) -> Result<bool, String> {
        let last = self.ledger.last(MovingPort::Rows, &["pause", "resume"]).await;
        Ok(last.map_err(|error| error.to_string())?.is_some_and(|last| last.entry.what == "pause"))
    }

    /// Says goodbye to both servers.
    pub(super) async fn close(&self) {
        let within = std::time::Duration::from_secs(2);
        tokio::join!(self.old.close(within), self.new.close(within));
    }
}
