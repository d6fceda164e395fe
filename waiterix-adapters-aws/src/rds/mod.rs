//! Rows in Amazon RDS for PostgreSQL, or in Aurora, directly or through RDS Proxy.
//!
//! RDS speaks plain PostgreSQL, so the store is that of `waiterix_postgres`. What RDS adds is here: its variables, and
//! signing in with tokens that IAM issues.

mod settings;
mod token;

use std::sync::Arc;

use aws_config::SdkConfig;
use waiterix_ports::{Clock, Error, ErrorKind, Result};
use waiterix_postgres::PostgresStore;
use waiterix_postgres::connect::{Database, FixedPassword, Password};

pub use settings::RdsSettings;
pub use token::IamPassword;

/// Rows in RDS.
pub type RdsStore = PostgresStore;

/// A store of the rows of a database in RDS. Connects when it is used. `aws` issues the credentials where the settings
/// ask for tokens of IAM, and is not looked at otherwise; the clock is that of [`PostgresStore::new`].
///
/// # Errors
/// Those of [`database`].
pub fn open(settings: &RdsSettings, aws: Option<&SdkConfig>, clock: &Arc<dyn Clock>) -> Result<RdsStore> {
    Ok(PostgresStore::new(database(settings, aws, clock)?, clock.clone()))
}

/// The connections to a database in RDS, for a store or for looking after its schema.
///
/// # Errors
/// `Invalid` when the settings ask for tokens of IAM and `aws` is not given, or has no credentials to sign them with.
pub fn database(settings: &RdsSettings, aws: Option<&SdkConfig>, clock: &Arc<dyn Clock>) -> Result<Database> {
    let said = |fault: &'static str| Error::new(ErrorKind::Invalid, "store.open").with("fault", fault);
    let postgres = &settings.postgres;
    let password: Arc<dyn Password> = match (&settings.iam_region, &postgres.password) {
        (Some(region), _) => {
            let provider = aws.and_then(SdkConfig::credentials_provider);
            let provider = provider.ok_or_else(|| said("no credentials of AWS to sign tokens with"))?;
            Arc::new(IamPassword::new(postgres, region, provider, clock.clone()))
        }
        (None, Some(password)) => Arc::new(FixedPassword::new(password.clone())),
        (None, None) => return Err(said("no password and no tokens of IAM")),
    };
    Database::new(postgres.clone(), password, clock.clone())
}
