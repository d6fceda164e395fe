//! Connection URLs, read strictly: what is not understood is a problem and never ignored.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;
use waiterix_domain::Secret;

/// What a URL says.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    /// Whether TLS is wanted; nothing if the URL does not say.
    pub(super) tls: Option<bool>,
    pub(super) root_cert: Option<PathBuf>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) application_name: Option<String>,
    /// `options` for a proxy that routes by them, e.g. `endpoint=ep-name`.
    pub(super) routing: Option<String>,
    pub(super) pooled: Option<bool>,
}

/// Reads a URL, or says everything that is wrong with it, without its values.
pub(super) fn parse(text: &str) -> Result<Parts, Vec<String>> {
    let Ok(url) = Url::parse(text) else {
        return Err(vec!["must be a URL such as postgres://user:password@host:5432/database".to_owned()]);
    };
    let mut faults = Vec::new();
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        faults.push("must begin with postgres:// or postgresql://".to_owned());
    }
    let mut parts = Parts {
        host: decoded(url.host_str().unwrap_or_default(), "host", &mut faults),
        port: url.port(),
        database: decoded(url.path().trim_start_matches('/'), "database", &mut faults),
        user: decoded(url.username(), "user", &mut faults),
        password: url.password().map(|password| Secret::from(decoded(password, "password", &mut faults))),
        ..Parts::default()
    };
    // An IPv6 address stands in brackets, which are not part of it.
    if let Some(address) = parts.host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        parts.host = address.to_owned();
    }
    if parts.host.contains(['/', ',']) {
        faults.push("names a socket or several hosts; one host name or address is needed".to_owned());
    }
    if parts.port == Some(0) {
        faults.push("names port 0".to_owned());
    }
    for (what, value) in [("host", &parts.host), ("database", &parts.database), ("user", &parts.user)] {
        if value.is_empty() {
            faults.push(format!("names no {what}"));
        }
    }
    if url.fragment().is_some() {
        faults.push("has a part after #; in a password it is written %23".to_owned());
    }
    for (name, value) in url.query_pairs() {
        parts.read_parameter(&name, &value, &mut faults);
    }
    if faults.is_empty() { Ok(parts) } else { Err(faults) }
}

impl Parts {
    fn read_parameter(&mut self, name: &str, value: &str, faults: &mut Vec<String>) {
        match name {
            "sslmode" => match value {
                "disable" => self.tls = Some(false),
                // Whatever is encrypted here is verified as well, so the three are one.
                "require" | "verify-ca" | "verify-full" => self.tls = Some(true),
                "allow" | "prefer" => faults.push(
                    "sslmode leaves it to the server whether to encrypt; say disable or verify-full"
                        .to_owned(),
                ),
                _ => faults.push("sslmode must be disable or verify-full".to_owned()),
            },
            "sslrootcert" if value == "system" => {}
            "sslrootcert" if !value.is_empty() => self.root_cert = Some(value.into()),
            "connect_timeout" => match value.parse() {
                Ok(seconds @ 1..=60) => self.connect_timeout = Some(Duration::from_secs(seconds)),
                _ => faults.push("connect_timeout must be 1 to 60 seconds".to_owned()),
            },
            "application_name" if !value.is_empty() => self.application_name = Some(value.to_owned()),
            // SCRAM binds to the channel only in clients built for it. What it guards against, somebody in between
            // with another certificate, is ruled out by verifying the certificate and the host.
            "channel_binding" if matches!(value, "disable" | "prefer" | "require") => {}
            "options" if is_routing(value) => self.routing = Some(value.to_owned()),
            "options" => faults.push("options may only name an endpoint: endpoint%3Dname".to_owned()),
            "pgbouncer" if matches!(value, "true" | "false") => self.pooled = Some(value == "true"),
            name if is_printable(name) => {
                faults.push(format!("has a parameter {name} that is not understood"))
            }
            _ => faults.push("has a parameter that is not understood".to_owned()),
        }
    }
}

/// `endpoint=…` or `project=…` and nothing else: anything more would be a setting of the session, which poolers lose.
fn is_routing(value: &str) -> bool {
    value.split_once('=').is_some_and(|(key, name)| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        matches!(key, "endpoint" | "project") && !name.is_empty() && name.bytes().all(is_name)
    })
}

/// A parameter's name is repeated in a message only if it cannot be a piece of a password with a `?` or `&` in it.
fn is_printable(name: &str) -> bool {
    const KNOWN: &[&str] = &[
        "ssl",
        "sslcert",
        "sslkey",
        "sslpassword",
        "sslcrl",
        "sslnegotiation",
        "sslsni",
        "host",
        "hostaddr",
        "port",
        "user",
        "password",
        "passfile",
        "dbname",
        "schema",
        "search_path",
        "pool_timeout",
        "connection_limit",
        "pool_max_conns",
        "statement_timeout",
        "statement_cache_size",
        "target_session_attrs",
        "load_balance_hosts",
        "keepalives",
        "tcp_user_timeout",
        "gssencmode",
        "requiressl",
        "client_encoding",
        "replication",
        "service",
        "fallback_application_name",
    ];
    KNOWN.contains(&name)
}

fn decoded(text: &str, what: &str, faults: &mut Vec<String>) -> String {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.map_or_else(
        |_| {
            faults.push(format!("its {what} is not UTF-8 once decoded"));
            String::new()
        },
        std::borrow::Cow::into_owned,
    )
}
