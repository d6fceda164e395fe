//! What the variables say of Neon.

use waiterix_ports::vars::Vars;
use waiterix_postgres::connect::{Credential, Hosting, PostgresSettings};

/// How to reach a database in Neon.
#[derive(Debug, Clone)]
pub struct NeonSettings {
    /// What holds for every PostgreSQL server.
    pub postgres: PostgresSettings,
}

impl NeonSettings {
    /// Reads `LEGACY_DATABASE_URL`, or where that is not set `DATABASE_URL` and its siblings; problems are noted in `vars`.
    ///
    /// The first is for a service whose rows, or a part of its ports, have moved already: then `DATABASE_URL` leads to the
    /// new place. It stands alone, so that nothing that is said of the new database (`DB_SSL_ROOT_CERT`, `DB_POOLED` and
    /// the like) is taken for the old one.
    #[must_use]
    pub fn read(vars: &mut Vars<'_>, hosting: Hosting) -> Self {
        let mut postgres = match vars.secret("LEGACY_DATABASE_URL") {
            Some(url) => PostgresSettings::from_url(vars, "LEGACY_DATABASE_URL", &url, hosting),
            None => PostgresSettings::read(vars, hosting, Credential::Password),
        };
        postgres.may_sleep = true;
        Self { postgres }
    }

    /// The same database without the pooler in between, for migrations of the schema and for `LISTEN`, which need a
    /// session of their own: `ep-name-pooler.region.aws.neon.tech` becomes `ep-name.region.aws.neon.tech`. A pooler that is
    /// only declared (`DB_POOLED`, `pgbouncer=true`) does not tell where the database is, and stays.
    #[must_use]
    pub fn direct(&self) -> Self {
        Self { postgres: self.postgres.direct() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::time::Duration;

    use waiterix_domain::Secret;
    use waiterix_postgres::connect::Tls;

    use super::*;

    const POOLED: &str = "postgresql://owner:pw@ep-cool-sun-a1b2c3-pooler.eu-central-1.aws.neon.tech/waiterix\
        ?sslmode=require&channel_binding=require";

    fn read(set: &[(&str, &str)]) -> (NeonSettings, Vec<String>) {
        let map: BTreeMap<_, _> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut vars = Vars::new(&map);
        let settings = NeonSettings::read(&mut vars, Hosting::Function);
        (settings, vars.problems().iter().map(ToString::to_string).collect())
    }

    fn good(set: &[(&str, &str)]) -> PostgresSettings {
        let (settings, problems) = read(set);
        assert!(problems.is_empty(), "{problems:?}");
        settings.postgres
    }

    #[test]
    fn the_url_that_neon_hands_out_is_enough() {
        let postgres = good(&[("DATABASE_URL", POOLED)]);
        assert_eq!(postgres.host, "ep-cool-sun-a1b2c3-pooler.eu-central-1.aws.neon.tech");
        assert_eq!((postgres.port, postgres.database.as_str()), (5432, "waiterix"));
        assert!(postgres.pooled && postgres.may_sleep);
        assert_eq!(postgres.tls, Tls::Verified { root_cert: None }, "require means verified here");
        assert_eq!(postgres.password.as_ref().map(Secret::reveal), Some("pw"));
        assert!(postgres.warnings.is_empty(), "{:?}", postgres.warnings);
    }

    #[test]
    fn the_old_database_has_a_variable_of_its_own() {
        let new = [
            ("DATABASE_URL", "postgres://app:pw@new.example.org/db"),
            ("DB_SSL_ROOT_CERT", "/etc/rds/global-bundle.pem"),
            ("DB_POOLED", "false"),
            ("DB_POOL_MAX", "50"),
        ];
        let old = good(&[new.as_slice(), &[("LEGACY_DATABASE_URL", POOLED)]].concat());
        assert!(old.host.starts_with("ep-cool-sun-") && old.pooled);
        assert_eq!(old.tls, Tls::Verified { root_cert: None });
        assert_eq!(old.pool_max, 2, "a function holds two connections");
        assert_eq!(
            good(&new).tls,
            Tls::Verified { root_cert: Some(Path::new("/etc/rds/global-bundle.pem").to_owned()) }
        );
    }

    #[test]
    fn what_is_wrong_is_said_of_the_variable_it_stands_in() {
        let said = |url: &str| read(&[("LEGACY_DATABASE_URL", url)]).1;
        for (url, fault) in [
            ("postgres://u@h/d", "LEGACY_DATABASE_URL: names no password"),
            ("mysql://u:pw@h/d", "LEGACY_DATABASE_URL: must begin with postgres"),
            ("postgres://u:pw@h/d?sslmode=prefer", "LEGACY_DATABASE_URL: sslmode leaves it"),
            ("postgres://u:pw@h/d?options=-c%20search_path%3Dx", "LEGACY_DATABASE_URL: options may only"),
        ] {
            assert!(said(url).iter().any(|problem| problem.starts_with(fault)), "{url}: {:?}", said(url));
        }
        assert!(read(&[]).1[0].starts_with("DATABASE_URL: is not set"));
    }

    #[test]
    fn the_way_round_the_pooler_differs_in_nothing_else() {
        let pooled = read(&[("DATABASE_URL", POOLED)]).0;
        let direct = pooled.direct().postgres;
        assert_eq!(direct.host, "ep-cool-sun-a1b2c3.eu-central-1.aws.neon.tech");
        assert!(!direct.pooled);
        let (mut one, mut other) = (pooled.postgres, direct);
        for settings in [&mut one, &mut other] {
            (settings.host, settings.pooled) = (String::new(), false);
        }
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }

    #[test]
    fn an_endpoint_that_is_named_by_an_option_is_routed_to_and_round_the_pooler_too() {
        let url = "postgres://u:pw@proxy.example.org/d?options=endpoint%3Dep-cool-sun-a1b2c3-pooler";
        let settings = read(&[("LEGACY_DATABASE_URL", url)]).0;
        assert!(settings.postgres.pooled, "its name says so");
        assert_eq!(settings.postgres.routing.as_deref(), Some("endpoint=ep-cool-sun-a1b2c3-pooler"));
        let direct = settings.direct().postgres;
        assert_eq!(direct.routing.as_deref(), Some("endpoint=ep-cool-sun-a1b2c3"));
        assert_eq!((direct.host.as_str(), direct.pooled), ("proxy.example.org", false));
    }

    #[test]
    fn a_database_without_a_pooler_is_its_own_way_round_it() {
        let url = "postgres://u:pw@ep-cool-sun-a1b2c3.eu-central-1.aws.neon.tech/d";
        let settings = read(&[("DATABASE_URL", url)]).0;
        assert!(!settings.postgres.pooled);
        assert_eq!(format!("{:?}", settings.direct()), format!("{settings:?}"));
        let declared = read(&[("DATABASE_URL", "postgres://u:pw@pool.example.org/d?pgbouncer=true")]).0;
        assert!(declared.postgres.pooled && declared.direct().postgres.pooled, "nobody knows a way round it");
    }

    #[test]
    fn the_time_to_wake_up_can_be_set_in_the_url() {
        let url = format!("{POOLED}&connect_timeout=15");
        assert_eq!(good(&[("LEGACY_DATABASE_URL", &url)]).connect_timeout, Duration::from_secs(15));
    }
}
