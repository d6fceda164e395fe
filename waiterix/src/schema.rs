//! `waiterix schema`: looks at the schema of a PostgreSQL database, or completes it.

use std::sync::Arc;

use waiterix_adapters_aws::rds::{self, RdsSettings};
use waiterix_adapters_aws::sdk::{self, AwsSettings};
use waiterix_compose::environment::{self, complaint};
use waiterix_compose::logging;
use waiterix_ports::vars::Vars;
use waiterix_ports::{Clock, SystemClock};
use waiterix_postgres::connect::{Database, Hosting};
use waiterix_postgres::schema;

use crate::banner;
use crate::command::Schema;
use crate::serve::runtime;

pub(crate) fn run(what: Schema) -> Result<(), String> {
    runtime()?.block_on(async {
        let database = database().await?;
        match what {
            Schema::Check => check(&database).await,
            Schema::Migrate => migrate(&database).await,
        }
    })
}

/// The database that is configured, whatever else is.
async fn database() -> Result<Database, String> {
    let map = environment::read();
    let mut vars = Vars::new(&map);
    logging::start(&mut vars);
    let settings = RdsSettings::read(&mut vars, Hosting::Server);
    let aws = settings.iam_region.as_ref().map(|_| AwsSettings::read(&mut vars));
    complaint(&vars)?;
    let config = match &aws {
        Some(aws) => Some(sdk::config(aws).await),
        None => None,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    rds::database(&settings, config.as_ref(), &clock).map_err(|error| error.to_string())
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
