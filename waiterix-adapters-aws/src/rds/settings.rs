//! What the variables say of RDS.

use waiterix_ports::vars::Vars;
use waiterix_postgres::connect::{Credential, Hosting, PostgresSettings, Tls};

use crate::sdk::AwsSettings;

/// How to reach a database in RDS.
#[derive(Debug, Clone)]
pub struct RdsSettings {
    /// What holds for every PostgreSQL server.
    pub postgres: PostgresSettings,
    /// The region whose IAM issues tokens to sign in with; nothing where there is a password.
    pub iam_region: Option<String>,
}

impl RdsSettings {
    /// Reads `DATABASE_URL` or `DB_…`, and `DB_IAM_AUTH`; problems are noted in `vars`.
    #[must_use]
    pub fn read(vars: &mut Vars<'_>, hosting: Hosting) -> Self {
        let by_iam = vars.flag("DB_IAM_AUTH").unwrap_or(false);
        let credential = if by_iam { Credential::Issued } else { Credential::Password };
        let mut postgres = PostgresSettings::read(vars, hosting, credential);
        if by_iam && postgres.tls == Tls::Off {
            vars.problem("DB_IAM_AUTH", "needs an encrypted connection, because a token is sent as it is");
        }
        if by_iam && postgres.password.take().is_some() {
            postgres
                .warnings
                .push("DB_IAM_AUTH is set, so the password of the database is ignored".to_owned());
        }
        let iam_region = by_iam.then(|| AwsSettings::read(vars).region);
        Self { postgres, iam_region }
    }
}
