//! What the variables say of sessions in PostgreSQL.

use waiterix_ports::vars::Vars;
use waiterix_postgres::connect::Hosting;

use crate::neon::NeonSettings;

/// From which sites a browser sends the cookie along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SameSite {
    /// Client and API share a site.
    #[default]
    Lax,
    /// They do not.
    None,
}

impl SameSite {
    /// As the old server writes it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Lax => "lax",
            Self::None => "none",
        }
    }
}

/// Where sessions are, and what is said of their cookies.
#[derive(Debug, Clone)]
pub struct PgSessionSettings {
    /// The database that has the table. It is that of the old service, wherever rows are by now.
    pub database: NeonSettings,
    /// Stands in the records made here. The old server sends the cookie again with what stands there, so it has to be
    /// what this service says of the cookie.
    pub same_site: SameSite,
}

impl PgSessionSettings {
    /// Reads the variables of [`NeonSettings::read`], and `COOKIE_SAME_SITE`; problems are noted in `vars`.
    #[must_use]
    pub fn read(vars: &mut Vars<'_>, hosting: Hosting) -> Self {
        let database = NeonSettings::read(vars, hosting);
        // The service reads the same variable and reports what is wrong with it.
        let same_site = match vars.text("COOKIE_SAME_SITE").as_deref() {
            Some("none") => SameSite::None,
            _ => SameSite::Lax,
        };
        Self { database, same_site }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_table_is_in_the_old_database_and_the_cookie_is_the_services() {
        for (same_site, expected) in [("none", SameSite::None), ("lax", SameSite::Lax), ("", SameSite::Lax)] {
            let map: BTreeMap<String, String> = [
                ("DATABASE_URL", "postgres://app:pw@new.example.org/db"),
                ("LEGACY_DATABASE_URL", "postgres://app:pw@old.example.org/db"),
                ("COOKIE_SAME_SITE", same_site),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
            let mut vars = Vars::new(&map);
            let settings = PgSessionSettings::read(&mut vars, Hosting::Server);
            assert!(vars.problems().is_empty(), "{:?}", vars.problems());
            assert_eq!(settings.database.postgres.host, "old.example.org");
            assert_eq!(settings.same_site, expected);
        }
    }
}
