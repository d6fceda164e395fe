//! The mirrors without a service around them, for whoever moves one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use url::Url;
use waiterix_app::Settings;
use waiterix_domain::Secret;
use waiterix_layers::Meter;
use waiterix_migration::plan::Pace;
use waiterix_ports::Clock;
use waiterix_ports::vars::Vars;
use waiterix_postgres::connect::Database;

use super::{Mirrors, compare, fresh_name};
use crate::environment::complaint;
use crate::family::{Absent, Families};
use crate::wrapping::CLOSING;
use crate::{Choice, Place, Selection, aws, legacy};

/// For how long this process does anything by what it saw of the plan last. Short, because it can be said again at any time, and
/// whoever changes a leader waits for so long for one that was killed.
const LEASE: Duration = Duration::from_secs(5);

/// Mirrors of sessions and objects, and what must be closed with them.
#[derive(Debug)]
pub struct Apart {
    /// The mirrors.
    pub mirrors: Mirrors,
    watching: JoinHandle<()>,
    instance: String,
    databases: [Database; 2],
    families: Families,
}

impl Apart {
    /// Reads what both providers need, and makes the mirrors that are asked for; no server is asked yet.
    ///
    /// # Errors
    /// Texts for people: every problem of the configuration, or what cannot be prepared.
    pub async fn open(
        vars: &mut Vars<'_>,
        sessions: bool,
        objects: bool,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let choice = |is_asked: bool| if is_asked { Choice::Dual } else { Choice::Local };
        let selection = Selection {
            // The plan is in the new database, so both are named whatever moves.
            store: Choice::Dual,
            sessions: choice(sessions),
            blobs: choice(objects),
            ..Selection::LOCAL
        };
        vars.required("LEGACY_DATABASE_URL", "with two providers both databases must be named");
        if objects || sessions {
            vars.required("SESSION_SECRET", "every process that shares the sessions must sign alike");
        }
        let mut settings = Settings::read(vars, Settings::embedded(Secret::new("")));
        let legacy = legacy::Plan::read(vars, selection, &mut settings);
        let aws = aws::Plan::read(vars, Place::Server { data: Path::new("") }, selection, &mut settings);
        if let (Some(old), Some(new)) = (legacy.database(), aws.database()) {
            compare(vars, old, new);
        }
        complaint(vars)?;
        // Signed URLs are made by the service and not here.
        let base = Url::parse("https://localhost/").map_err(|error| error.to_string())?;
        // Only a service that serves has numbers to tell.
        let meter: Arc<dyn Meter> = Arc::new(());
        let (legacy, _) = legacy.prepare(&base, clock, &meter);
        let mut families = Families::new(Absent, legacy, aws.prepare(clock, &meter).await);
        let databases = [families.of(Choice::Legacy).beside()?, families.of(Choice::Aws).beside()?];
        let instance = fresh_name();
        let pace = Pace { gone_after: LEASE, ..Pace::default() };
        let mut mirrors = Mirrors::over(&databases, &instance, pace, clock);
        if sessions {
            let (old, new) =
                (families.of(Choice::Legacy).sessions().await?, families.of(Choice::Aws).sessions().await?);
            let keys =
                [families.of(Choice::Legacy).session_keys()?, families.of(Choice::Aws).session_keys()?];
            mirrors.sessions(old, new, keys, clock);
        }
        if objects {
            let (old, new) =
                (families.of(Choice::Legacy).blobs().await?, families.of(Choice::Aws).blobs().await?);
            mirrors.objects(old, new, clock);
        }
        let watch = mirrors.watch.clone();
        let watching = tokio::spawn(async move { watch.run(std::future::pending()).await });
        Ok(Self { mirrors, watching, instance, databases, families })
    }

    /// What this process is called in the plan.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Leaves the plan, so that nobody waits for this process, and lets go of all connections.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(CLOSING, self.mirrors.watch.leave()).await;
        // It has nothing under way any more.
        self.watching.abort();
        self.families.close().await;
        for database in &self.databases {
            database.close(CLOSING).await;
        }
    }
}
