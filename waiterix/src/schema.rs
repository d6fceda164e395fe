//! `waiterix schema`: looks at the schema of a PostgreSQL database, or completes it.

use std::sync::Arc;

#[cfg(feature = "aws")]
use waiterix_adapters_aws::rds::{self, RdsSettings};
#[cfg(feature = "aws")]
use waiterix_adapters_aws::sdk::{self, AwsSettings};
#[cfg(feature = "legacy")]
use waiterix_adapters_legacy::neon::{self, NeonSettings};
use waiterix_compose::environment::{self, complaint};
use waiterix_compose::{Choice, Selection, logging};
use waiterix_ports::vars::Vars;
use waiterix_ports::{Clock, SystemClock};
use waiterix_postgres::connect::{Database, Hosting};
use waiterix_postgres::schema;

use crate::banner;
use crate::command::{Schema, Side};
use crate::serve::runtime;

pub(crate) fn run(what: Schema) -> Result<(), String> {
    runtime()?.block_on(async {
        match what {
            Schema::Check(side) => check(&database(side).await?).await,
            Schema::Migrate(side) => migrate(&database(side).await?).await,
        }
    })
}

/// The database that is configured, whatever else is.
async fn database(side: Side) -> Result<Database, String> {
    let map = environment::read();
    let mut vars = Vars::new(&map);
    logging::start(&mut vars);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Selection::read(&mut vars, Choice::Local).store;
    if side.legacy || store == Choice::Legacy || cfg!(not(feature = "aws")) {
        of_old(&mut vars, &clock)
    } else {
        of_aws(&mut vars, &clock).await
    }
}

/// The database in RDS, or any other that `DATABASE_URL` names.
#[cfg(feature = "aws")]
async fn of_aws(vars: &mut Vars<'_>, clock: &Arc<dyn Clock>) -> Result<Database, String> {
    let settings = RdsSettings::read(vars, Hosting::Server);
    let aws = settings.iam_region.as_ref().map(|_| AwsSettings::read(vars));
    complaint(vars)?;
    let config = match &aws {
        Some(aws) => Some(sdk::config(aws).await),
        None => None,
    };
    rds::database(&settings, config.as_ref(), clock).map_err(|error| error.to_string())
}

#[cfg(not(feature = "aws"))]
async fn of_aws(_vars: &mut Vars<'_>, _clock: &Arc<dyn Clock>) -> Result<Database, String> {
    std::future::ready(Err("this program was built without the AWS adapters".to_owned())).await
}

/// The old database, past its pooler: a migration holds a lock of its session.
#[cfg(feature = "legacy")]
fn of_old(vars: &mut Vars<'_>, clock: &Arc<dyn Clock>) -> Result<Database, String> {
    let settings = NeonSettings::read(vars, Hosting::Server).direct();
    complaint(vars)?;
    neon::database(&settings, clock).map_err(|error| error.to_string())
}

#[cfg(not(feature = "legacy"))]
fn of_old(_vars: &mut Vars<'_>, _clock: &Arc<dyn Clock>) -> Result<Database, String> {
    Err("this program was built without the legacy adapters; build it with --features legacy".to_owned())
}

async fn check(database: &Database) -> Result<(), String> {
    let report = schema::check(database).await.map_err(|error| error.to_string())?;
    banner::say(&report.to_string());
    if report.is_complete() {
        Ok(())
    } else {
        Err("the schema is not what it must be; `waiterix schema migrate` adds what is missing".to_owned())
    }
}

async fn migrate(database: &Database) -> Result<(), String> {
    let migrated = schema::migrate(database, |progress| banner::say(&progress.to_string())).await;
    let migration = migrated.map_err(|error| error.to_string())?;
    banner::say(&migration.to_string());
    if migration.is_complete() {
        Ok(())
    } else {
        Err("some rules cannot hold until the rows named above are mended; then run it again".to_owned())
    }
}
