//! Where Redis is and how it is spoken to.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use waiterix_domain::Secret;
use waiterix_ports::vars::Vars;

/// The default port of Redis.
const PORT: u16 = 6379;
/// The last of the databases that a server has by default.
const LAST_DATABASE: u8 = 15;
/// How long a connection may take until it can be used, by default: name, TCP, TLS, password.
const CONNECT: Duration = Duration::from_millis(2_000);
/// How long an answer may take, by default. Every command here takes the server well under a millisecond.
const COMMAND: Duration = Duration::from_millis(1_000);
/// The limits of both times. API Gateway gives up on a function after 29 s.
const TIMES_MS: std::ops::RangeInclusive<u64> = 10..=20_000;

const EXPECTED_MS: &str = "milliseconds, 10 to 20000";

/// Where Redis is and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// The name or address of the server; for ElastiCache the primary endpoint.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What the server's `AUTH` asks for, if it does.
    pub password: Option<Secret>,
    /// The number of the database, 0 to 15; 0 is the only one in cluster mode.
    pub database: u8,
    /// Whether to speak TLS; the server's certificate is always verified.
    pub tls: bool,
    /// A file with the certificates (PEM) of the authorities to trust instead of the machine's.
    pub tls_root_cert: Option<PathBuf>,
    /// How long a connection may take until it can be used.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub command_timeout: Duration,
}

impl RedisSettings {
    /// Reads the variables `REDIS_*`; problems are noted in `vars`.
    ///
    /// Where `REDIS_TLS` is not said, TLS is on when a password is set and the host is not the machine itself: a
    /// managed Redis asks for both or neither, and a password must not cross a network in clear.
    #[must_use]
    pub fn read(vars: &mut Vars<'_>) -> Self {
        let host = vars.required("REDIS_HOST", "sessions in Redis need its host");
        if host.contains(['/', '@', '[', ']']) || host.chars().any(char::is_whitespace) {
            vars.problem("REDIS_HOST", "must be a name or address alone, without scheme, port or brackets");
        }
        let port = vars.parsed::<u16>("REDIS_PORT", "a port, 1 to 65535").unwrap_or(PORT);
        if port == 0 {
            vars.problem("REDIS_PORT", "must be a port, 1 to 65535");
        }
        let password = vars.secret("REDIS_PASSWORD");
        let database = vars.parsed::<u8>("REDIS_DB", "a number from 0 to 15").unwrap_or(0);
        if database > LAST_DATABASE {
            vars.problem("REDIS_DB", "must be a number from 0 to 15");
        }
        let tls = vars.flag("REDIS_TLS").unwrap_or_else(|| password.is_some() && !is_loopback(&host));
        let tls_root_cert = vars.text("REDIS_TLS_ROOT_CERT").map(PathBuf::from);
        if tls_root_cert.is_some() && !tls {
            vars.problem("REDIS_TLS_ROOT_CERT", "is set, but TLS is off: set REDIS_TLS to true");
        }
        let connect_ms = vars.parsed::<u64>("REDIS_CONNECT_TIMEOUT_MS", EXPECTED_MS);
        let connect_timeout = time(vars, "REDIS_CONNECT_TIMEOUT_MS", connect_ms, CONNECT);
        let command_ms = vars.parsed::<u64>("REDIS_COMMAND_TIMEOUT_MS", EXPECTED_MS);
        let command_timeout = time(vars, "REDIS_COMMAND_TIMEOUT_MS", command_ms, COMMAND);
        Self { host, port, password, database, tls, tls_root_cert, connect_timeout, command_timeout }
    }

    /// Whether a password would cross a network in clear.
    pub(super) fn shows_its_password(&self) -> bool {
        self.password.is_some() && !self.tls && !is_loopback(&self.host)
    }
}

fn time(vars: &mut Vars<'_>, name: &'static str, ms: Option<u64>, default: Duration) -> Duration {
    match ms {
        Some(ms) if TIMES_MS.contains(&ms) => Duration::from_millis(ms),
        Some(_) => {
            vars.problem(name, format!("must be {EXPECTED_MS}"));
            default
        }
        None => default,
    }
}

/// Whether a host is the machine itself.
fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const FAR: &str = "master.sessions.abc123.euc1.cache.amazonaws.com";

    fn read(set: &[(&str, &str)]) -> (RedisSettings, Vec<String>) {
        let map: BTreeMap<_, _> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut vars = Vars::new(&map);
        let settings = RedisSettings::read(&mut vars);
        (settings, vars.problems().iter().map(ToString::to_string).collect())
    }

    fn good(set: &[(&str, &str)]) -> RedisSettings {
        let (settings, problems) = read(set);
        assert!(problems.is_empty(), "{problems:?}");
        settings
    }

    /// The names of the variables that are wrong.
    fn bad(set: &[(&str, &str)]) -> Vec<String> {
        let names = read(set).1.into_iter().map(|problem| problem.split(':').next().unwrap().to_owned());
        names.collect()
    }

    #[test]
    fn only_the_host_is_required() {
        let settings = good(&[("REDIS_HOST", FAR)]);
        let expected = RedisSettings {
            host: FAR.to_owned(),
            port: 6379,
            password: None,
            database: 0,
            tls: false,
            tls_root_cert: None,
            connect_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_secs(1),
        };
        assert_eq!(settings, expected);
        assert_eq!(bad(&[]), ["REDIS_HOST"]);
        for host in ["redis://x", "user@x", "x y", "[::1]"] {
            assert_eq!(bad(&[("REDIS_HOST", host)]), ["REDIS_HOST"], "{host}");
        }
        assert_eq!(good(&[("REDIS_HOST", "::1")]).host, "::1");
    }

    #[test]
    fn the_port_is_a_port() {
        assert_eq!(good(&[("REDIS_HOST", FAR), ("REDIS_PORT", "6380")]).port, 6380);
        for port in ["0", "65536", "-1", "redis"] {
            assert_eq!(bad(&[("REDIS_HOST", FAR), ("REDIS_PORT", port)]), ["REDIS_PORT"], "{port}");
        }
    }

    #[test]
    fn the_password_is_kept_and_not_shown() {
        let settings = good(&[("REDIS_HOST", FAR), ("REDIS_PASSWORD", "open sesame")]);
        assert_eq!(settings.password.as_ref().map(Secret::reveal), Some("open sesame"));
        assert!(!format!("{settings:?}").contains("sesame"));
        assert_eq!(good(&[("REDIS_HOST", FAR), ("REDIS_PASSWORD", "")]).password, None);
    }

    #[test]
    fn the_database_is_one_of_sixteen() {
        for (text, number) in [("0", 0), ("15", 15)] {
            assert_eq!(good(&[("REDIS_HOST", FAR), ("REDIS_DB", text)]).database, number);
        }
        for text in ["16", "256", "-1", "main"] {
            assert_eq!(bad(&[("REDIS_HOST", FAR), ("REDIS_DB", text)]), ["REDIS_DB"], "{text}");
        }
    }

    #[test]
    fn n10_tls_is_on_where_a_password_crosses_a_network() {
        let tls = |host, password, switch| {
            good(&[("REDIS_HOST", host), ("REDIS_PASSWORD", password), ("REDIS_TLS", switch)]).tls
        };
        assert!(tls(FAR, "secret", ""));
        assert!(tls("10.0.0.7", "secret", ""));
        assert!(!tls(FAR, "", ""));
        for near in ["localhost", "LOCALHOST", "redis.localhost", "127.0.0.1", "127.1.2.3", "::1"] {
            assert!(!tls(near, "secret", ""), "{near}");
            assert!(tls(near, "", "true"), "{near}");
        }
        assert!(tls("localhost.example.org", "secret", ""));
        assert!(!tls(FAR, "secret", "false"), "whoever says so means it");
        assert_eq!(bad(&[("REDIS_HOST", FAR), ("REDIS_TLS", "on")]), ["REDIS_TLS"]);
    }

    #[test]
    fn a_root_certificate_needs_tls() {
        let set = [("REDIS_HOST", FAR), ("REDIS_TLS_ROOT_CERT", "/etc/redis/ca.pem"), ("REDIS_TLS", "true")];
        assert_eq!(good(&set).tls_root_cert, Some(PathBuf::from("/etc/redis/ca.pem")));
        assert_eq!(bad(&set[..2]), ["REDIS_TLS_ROOT_CERT"]);
    }

    #[test]
    fn times_are_milliseconds_within_limits() {
        for name in ["REDIS_CONNECT_TIMEOUT_MS", "REDIS_COMMAND_TIMEOUT_MS"] {
            for text in ["10", "20000"] {
                good(&[("REDIS_HOST", FAR), (name, text)]);
            }
            for text in ["9", "20001", "0", "1s", "-5"] {
                assert_eq!(bad(&[("REDIS_HOST", FAR), (name, text)]), [name], "{text}");
            }
        }
        let settings = good(&[
            ("REDIS_HOST", FAR),
            ("REDIS_CONNECT_TIMEOUT_MS", "300"),
            ("REDIS_COMMAND_TIMEOUT_MS", "200"),
        ]);
        assert_eq!(settings.connect_timeout, Duration::from_millis(300));
        assert_eq!(settings.command_timeout, Duration::from_millis(200));
    }
}
