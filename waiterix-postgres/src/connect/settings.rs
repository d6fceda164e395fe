//! Connection settings, read from variables by a pure function.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use waiterix_domain::Secret;
use waiterix_ports::vars::Vars;

use super::url::{self, Parts};

/// Where the program runs, which decides how many connections it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosting {
    /// One process for many requests at a time: 5 connections. A query takes about a millisecond, so five serve some
    /// thousand requests per second, and ten processes still fit into the smallest server's hundred.
    Server,
    /// Many processes with mostly one request at a time: 2 connections, the second for what runs beside the request.
    Function,
}

impl Hosting {
    const fn pool_max(self) -> u32 {
        match self {
            Self::Server => 5,
            Self::Function => 2,
        }
    }
}

/// What a connection signs in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// A password that the variables hold.
    Password,
    /// One that is issued while the program runs; the variables need none.
    Issued,
}

/// Whether the connection is encrypted. What is encrypted is always verified: certificate and host name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Off,
    /// With a certificate that the system's authorities vouch for, or those in a PEM file.
    Verified {
        /// The file with further authorities, such as the provider's bundle.
        root_cert: Option<PathBuf>,
    },
}

/// How to reach a database.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// Role.
    pub user: String,
    /// Its password, unless it is issued.
    pub password: Option<Secret>,
    /// Encryption.
    pub tls: Tls,
    /// Whether a pooler in transaction mode is in between: no named statements, no session settings, no locks of a
    /// session.
    pub pooled: bool,
    /// Whether the server may be asleep and wakes up when somebody calls: connecting is then tried again and again until
    /// the time for it is over.
    pub may_sleep: bool,
    /// The most connections at a time.
    pub pool_max: u32,
    /// How long making a connection may take. A database that was scaled to zero needs some seconds.
    pub connect_timeout: Duration,
    /// How long to wait for a connection to become free.
    pub acquire_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
    /// By what name the server knows this program.
    pub application_name: String,
    /// What a proxy routes by, e.g. `endpoint=ep-name`.
    pub routing: Option<String>,
    /// What an operator should know although it is no problem; without values.
    pub warnings: Vec<String>,
}

/// The limits of API Gateway leave a function 29 s; waiting, connecting and one statement end before that.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_PORT: u16 = 5432;
const APPLICATION: &str = "waiterix";

impl PostgresSettings {
    /// Reads `DATABASE_URL`, or `DB_HOST` and its siblings where that is not set; problems are noted in `vars`.
    #[must_use]
    pub fn read(vars: &mut Vars<'_>, hosting: Hosting, credential: Credential) -> Self {
        let mut warnings = Vec::new();
        let url = vars.secret("DATABASE_URL");
        let parts = match &url {
            Some(url) => {
                if vars.text("DB_HOST").is_some() {
                    warnings.push("DATABASE_URL is set, so DB_HOST and its siblings are ignored".to_owned());
                }
                of_url(vars, "DATABASE_URL", url, credential)
            }
            None => of_siblings(vars, credential, &mut warnings),
        };
        let ssl = vars.flag("DB_SSL");
        let root_cert = vars.text("DB_SSL_ROOT_CERT").map(PathBuf::from);
        let mut settings = Self::of_parts(parts, ssl, root_cert, hosting);
        settings.warnings.splice(0..0, warnings);
        settings.read_limits(vars);
        settings
    }

    /// Reads a URL that stands in the variable `name`, with the defaults for everything it does not say.
    #[must_use]
    pub fn from_url(vars: &mut Vars<'_>, name: &'static str, url: &Secret, hosting: Hosting) -> Self {
        Self::of_parts(of_url(vars, name, url, Credential::Password), None, None, hosting)
    }

    /// The same database without the pooler in between, where the name of the host tells how to go round it; else the same
    /// settings. Sessions that hold something (locks of a migration, `LISTEN`) need it.
    #[must_use]
    pub fn direct(&self) -> Self {
        let mut direct = self.clone();
        let (label, rest) = self.host.split_at(self.host.find('.').unwrap_or(self.host.len()));
        if let Some(endpoint) = label.strip_suffix(POOLER) {
            direct.host = format!("{endpoint}{rest}");
            direct.pooled = false;
        }
        // Where a proxy routes by name, the name says so.
        if let Some(routing) = self.routing.as_deref().and_then(|routing| routing.strip_suffix(POOLER)) {
            direct.routing = Some(routing.to_owned());
            direct.pooled = false;
        }
        direct
    }

    fn of_parts(parts: Parts, ssl: Option<bool>, root_cert: Option<PathBuf>, hosting: Hosting) -> Self {
        let loopback = is_loopback(&parts.host);
        let encrypted = parts.tls.or(ssl).unwrap_or(!loopback);
        let mut warnings = Vec::new();
        if !encrypted && !loopback {
            warnings.push("the connection to the database is not encrypted".to_owned());
        }
        let pooled = parts.pooled.unwrap_or_else(|| is_pooler(&parts));
        let root_cert = parts.root_cert.or(root_cert);
        Self {
            port: parts.port.unwrap_or(DEFAULT_PORT),
            tls: if encrypted { Tls::Verified { root_cert } } else { Tls::Off },
            pooled,
            may_sleep: false,
            pool_max: hosting.pool_max(),
            connect_timeout: parts.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            acquire_timeout: ACQUIRE_TIMEOUT,
            statement_timeout: STATEMENT_TIMEOUT,
            application_name: parts.application_name.unwrap_or_else(|| APPLICATION.to_owned()),
            routing: parts.routing,
            database: parts.database,
            user: parts.user,
            password: parts.password,
            host: parts.host,
            warnings,
        }
    }

    fn read_limits(&mut self, vars: &mut Vars<'_>) {
        if let Some(pooled) = vars.flag("DB_POOLED") {
            self.pooled = pooled;
        }
        if let Some(max) = vars.parsed("DB_POOL_MAX", "a number from 1 to 100") {
            if (1..=100).contains(&max) {
                self.pool_max = max;
            } else {
                vars.problem("DB_POOL_MAX", "must be a number from 1 to 100");
            }
        }
        let connect = vars.parsed("DB_CONNECT_TIMEOUT_MS", MILLISECONDS);
        set_limit(vars, "DB_CONNECT_TIMEOUT_MS", connect, &mut self.connect_timeout);
        let acquire = vars.parsed("DB_ACQUIRE_TIMEOUT_MS", MILLISECONDS);
        set_limit(vars, "DB_ACQUIRE_TIMEOUT_MS", acquire, &mut self.acquire_timeout);
        let statement = vars.parsed("DB_STATEMENT_TIMEOUT_MS", MILLISECONDS);
        set_limit(vars, "DB_STATEMENT_TIMEOUT_MS", statement, &mut self.statement_timeout);
    }
}

const MILLISECONDS: &str = "a number of milliseconds from 100 to 600000";

fn set_limit(vars: &mut Vars<'_>, name: &'static str, read: Option<u64>, limit: &mut Duration) {
    match read {
        Some(ms @ 100..=600_000) => *limit = Duration::from_millis(ms),
        Some(_) => vars.problem(name, format!("must be {MILLISECONDS}")),
        None => {}
    }
}

fn of_url(vars: &mut Vars<'_>, name: &'static str, url: &Secret, credential: Credential) -> Parts {
    match url::parse(url.reveal()) {
        Ok(parts) => {
            if parts.password.is_none() && credential == Credential::Password {
                vars.problem(name, "names no password");
            }
            parts
        }
        Err(faults) => {
            for fault in faults {
                vars.problem(name, fault);
            }
            Parts::default()
        }
    }
}

/// `DB_HOST` and its siblings. The old system read `RDS_…` instead, which still count where these are not set.
fn of_siblings(vars: &mut Vars<'_>, credential: Credential, warnings: &mut Vec<String>) -> Parts {
    let (host, alias) = (vars.text("DB_HOST"), vars.text("RDS_HOST"));
    let host = either(vars, "DB_HOST", host, "RDS_HOST", alias, warnings);
    let (port, alias) = (vars.parsed("DB_PORT", PORT), vars.parsed("RDS_PORT", PORT));
    let port: Option<u16> = either(vars, "DB_PORT", port, "RDS_PORT", alias, warnings);
    let (database, alias) = (vars.text("DB_NAME"), vars.text("RDS_DATABASE"));
    let database = either(vars, "DB_NAME", database, "RDS_DATABASE", alias, warnings);
    let (user, alias) = (vars.text("DB_USER"), vars.text("RDS_USERNAME"));
    let user = either(vars, "DB_USER", user, "RDS_USERNAME", alias, warnings);
    let (password, alias) = (vars.secret("DB_PASSWORD"), vars.secret("RDS_PASSWORD"));
    let password = either(vars, "DB_PASSWORD", password, "RDS_PASSWORD", alias, warnings);
    if port == Some(0) {
        vars.problem("DB_PORT", format!("must be {PORT}"));
    }
    let needs_password = credential == Credential::Password;
    if host.is_none() && database.is_none() && user.is_none() && password.is_none() {
        let siblings = if needs_password {
            "DB_HOST, DB_NAME, DB_USER, DB_PASSWORD"
        } else {
            "DB_HOST, DB_NAME, DB_USER"
        };
        vars.problem(
            "DATABASE_URL",
            format!("is not set, and neither are {siblings}: one or the other is needed"),
        );
        return Parts::default();
    }
    let missing = "is not set: it is needed where DATABASE_URL is not set";
    for (name, is_missing) in [
        ("DB_HOST", host.is_none()),
        ("DB_NAME", database.is_none()),
        ("DB_USER", user.is_none()),
        ("DB_PASSWORD", password.is_none() && needs_password),
    ] {
        if is_missing {
            vars.problem(name, missing);
        }
    }
    let host: String = host.unwrap_or_default();
    if host.contains(['/', ',', ' ', '@', ':']) && host.parse::<IpAddr>().is_err() {
        vars.problem("DB_HOST", "must be one host name or address");
    }
    Parts {
        host,
        port,
        database: database.unwrap_or_default(),
        user: user.unwrap_or_default(),
        password,
        ..Parts::default()
    }
}

const PORT: &str = "a port from 1 to 65535";

/// The value of a variable or of its alias; both are a problem unless they say the same.
fn either<T: PartialEq>(
    vars: &mut Vars<'_>,
    name: &'static str,
    value: Option<T>,
    alias_name: &'static str,
    alias: Option<T>,
    warnings: &mut Vec<String>,
) -> Option<T> {
    if alias.is_some() {
        warnings.push(format!("{alias_name} is an old name; {name} is read first"));
    }
    if value.is_some() && alias.is_some() && value != alias {
        vars.problem(alias_name, format!("is an old name of {name}, and says something else"));
    }
    value.or(alias)
}

/// Whether a host is the machine itself.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Neon's hosts say in their first label whether a pooler answers: `ep-name-123456-pooler.region.aws.neon.tech`.
const POOLER: &str = "-pooler";

fn is_pooler(parts: &Parts) -> bool {
    let label = parts.host.split('.').next();
    label.into_iter().chain(parts.routing.as_deref()).any(|name| name.ends_with(POOLER))
}
