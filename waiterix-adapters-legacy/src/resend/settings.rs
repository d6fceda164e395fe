//! How mail is sent through Resend.

use std::time::Duration;

use url::{Host, Url};
use waiterix_domain::Secret;
use waiterix_ports::mailer::is_address;
use waiterix_ports::vars::Vars;

use super::webhook::is_webhook_secret;

/// Where Resend is when `RESEND_BASE_URL` says nothing.
const VENDOR: &str = "https://api.resend.com";

/// How mail is sent through Resend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResendSettings {
    /// Where the key and the sender come from.
    pub access: ResendAccess,
    /// Where Resend is, without a slash at the end.
    pub base_url: String,
    /// The secret that signs the events of Resend's webhook; without one nobody hears of bounces and complaints.
    pub webhook_secret: Option<Secret>,
    /// How long a sending may take.
    pub time: ResendTime,
}

/// Where the key and the sender come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResendAccess {
    /// They are configured.
    Key {
        /// The key of the interface.
        key: Secret,
        /// The sender: an address of a verified domain, or a name and the address in angle brackets.
        from: String,
    },
    /// The connector service of the hosting platform hands them out.
    Connector {
        /// The service, without a slash at the end.
        base_url: String,
        /// The value of its header: whose workspace or deployment asks.
        token: Secret,
        /// A sender that is used instead of the connector's.
        from: Option<String>,
    },
}

/// How long a sending may take. Each is longer than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResendTime {
    /// A connection. 2 s.
    pub connect: Duration,
    /// One attempt, the connection included. 5 s.
    pub attempt: Duration,
    /// All attempts and pauses of one sending. 12 s: less than the 29 s after which API Gateway gives up on a function.
    pub call: Duration,
}

impl Default for ResendTime {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            attempt: Duration::from_secs(5),
            call: Duration::from_secs(12),
        }
    }
}

impl ResendSettings {
    /// Reads `RESEND_API_KEY` and `RESEND_FROM_EMAIL`, or else `REPLIT_CONNECTORS_HOSTNAME` with `REPL_IDENTITY` or
    /// `WEB_REPL_RENEWAL`; then `RESEND_BASE_URL` and `RESEND_WEBHOOK_SECRET`. Problems are noted in `vars`.
    #[must_use]
    pub fn read(vars: &mut Vars<'_>) -> Self {
        let access = access(vars);
        let base_url = match vars.text("RESEND_BASE_URL") {
            None => VENDOR.to_owned(),
            Some(text) => base(&text).unwrap_or_else(|| {
                vars.problem("RESEND_BASE_URL", "must be an https URL, or an http URL of the machine itself");
                String::new()
            }),
        };
        let webhook_secret = vars.secret("RESEND_WEBHOOK_SECRET");
        if webhook_secret.as_ref().is_some_and(|secret| !is_webhook_secret(secret)) {
            vars.problem(
                "RESEND_WEBHOOK_SECRET",
                "must be `whsec_` and base64, as the page of the webhook shows it",
            );
        }
        Self { access, base_url, webhook_secret, time: ResendTime::default() }
    }
}

fn access(vars: &mut Vars<'_>) -> ResendAccess {
    let key = vars.secret("RESEND_API_KEY");
    let identity = vars.secret("REPL_IDENTITY");
    let renewal = vars.secret("WEB_REPL_RENEWAL");
    for (name, secret) in
        [("RESEND_API_KEY", &key), ("REPL_IDENTITY", &identity), ("WEB_REPL_RENEWAL", &renewal)]
    {
        if secret.as_ref().is_some_and(|secret| !is_header_text(secret)) {
            vars.problem(name, "has characters that no header can hold");
        }
    }
    let from = vars.text("RESEND_FROM_EMAIL");
    if from.as_deref().is_some_and(|from| sender_address(from).is_none()) {
        vars.problem(
            "RESEND_FROM_EMAIL",
            "must be an address of ASCII characters, or a name and the address in angle brackets",
        );
    }
    let host = vars.text("REPLIT_CONNECTORS_HOSTNAME");
    if key.is_some() || host.is_none() {
        if key.is_none() {
            vars.problem(
                "RESEND_API_KEY",
                "is not set: Resend needs a key, or REPLIT_CONNECTORS_HOSTNAME with REPL_IDENTITY or WEB_REPL_RENEWAL",
            );
        } else if from.is_none() {
            vars.problem(
                "RESEND_FROM_EMAIL",
                "is not set: Resend sends from an address of a verified domain",
            );
        }
        let (key, from) = (key.unwrap_or_default(), from.unwrap_or_default());
        return ResendAccess::Key { key, from };
    }
    let base_url = connector(&host.unwrap_or_default()).unwrap_or_else(|| {
        vars.problem("REPLIT_CONNECTORS_HOSTNAME", "must be a host name, perhaps with a port");
        String::new()
    });
    let token = match (identity, renewal) {
        (Some(identity), _) => Secret::new(format!("repl {}", identity.reveal())),
        (None, Some(renewal)) => Secret::new(format!("depl {}", renewal.reveal())),
        (None, None) => {
            vars.problem("REPL_IDENTITY", "is not set: the connector asks for it, or for WEB_REPL_RENEWAL");
            Secret::default()
        }
    };
    ResendAccess::Connector { base_url, token, from }
}

/// Whether a secret can go into a header as it is.
pub(super) fn is_header_text(secret: &Secret) -> bool {
    secret.reveal().bytes().all(|b| b.is_ascii_graphic() || b == b' ')
}

/// The address of a sender, which is an address alone or `Name <address>`; `None` where it is neither.
pub(super) fn sender_address(sender: &str) -> Option<&str> {
    let address = match sender.split_once('<') {
        None => sender,
        Some((name, rest)) => {
            let is_name = !name.trim().is_empty() && !name.chars().any(|c| c.is_control() || c == '>');
            rest.strip_suffix('>').filter(|_| is_name)?
        }
    };
    (is_address(address) && address.is_ascii()).then_some(address)
}

/// A base URL without a slash at the end; `None` for what must not be sent a key.
fn base(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    (is_safe && is_plain && url.has_host() && url.password().is_none())
        .then(|| url.as_str().trim_end_matches('/').to_owned())
}

/// The base URL of a connector service, of which only the host is said.
fn connector(host: &str) -> Option<String> {
    let url = Url::parse(&format!("https://{host}")).ok()?;
    // Anything else than a host with a port would have moved to another part of the URL, or been rewritten.
    if host.contains(['/', '@', '?', '#', '\\']) || !url.has_host() {
        return None;
    }
    let scheme = if is_loopback(&url) { "http" } else { "https" };
    Some(format!("{scheme}://{host}"))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> (ResendSettings, Vec<String>) {
        let map: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut vars = Vars::new(&map);
        let settings = ResendSettings::read(&mut vars);
        (settings, vars.problems().iter().map(ToString::to_string).collect())
    }

    const KEY: (&str, &str) = ("RESEND_API_KEY", "re_key");
    const FROM: (&str, &str) = ("RESEND_FROM_EMAIL", "mail@waiterix.example");
    const HOST: (&str, &str) = ("REPLIT_CONNECTORS_HOSTNAME", "connectors.example.com");

    #[test]
    fn a_key_and_a_sender_are_enough() {
        let (settings, problems) = read(&[KEY, FROM]);
        assert!(problems.is_empty(), "{problems:?}");
        let access = ResendAccess::Key { key: Secret::new("re_key"), from: FROM.1.to_owned() };
        assert_eq!((settings.access, settings.base_url.as_str()), (access, "https://api.resend.com"));
        assert_eq!(settings.webhook_secret, None);
    }

    #[test]
    fn m11_there_is_no_sender_by_default() {
        let (_, problems) = read(&[KEY]);
        assert_eq!(
            problems,
            ["RESEND_FROM_EMAIL: is not set: Resend sends from an address of a verified domain"]
        );
    }

    #[test]
    fn the_connector_is_asked_where_there_is_no_key() {
        for (token, value) in [("REPL_IDENTITY", "repl secret"), ("WEB_REPL_RENEWAL", "depl secret")] {
            let (settings, problems) = read(&[HOST, (token, "secret")]);
            assert!(problems.is_empty(), "{problems:?}");
            let base_url = "https://connectors.example.com".to_owned();
            let access = ResendAccess::Connector { base_url, token: Secret::new(value), from: None };
            assert_eq!(settings.access, access);
        }
        let (settings, _) = read(&[HOST, ("REPL_IDENTITY", "one"), ("WEB_REPL_RENEWAL", "other"), FROM]);
        let ResendAccess::Connector { token, from, .. } = settings.access else { panic!("no connector") };
        assert_eq!((token.reveal(), from.as_deref()), ("repl one", Some(FROM.1)), "the workspace first");
        let (settings, _) = read(&[HOST, ("REPL_IDENTITY", "one"), KEY, FROM]);
        assert!(matches!(settings.access, ResendAccess::Key { .. }), "a key wins");
    }

    #[test]
    fn every_problem_is_reported_at_once_by_name_and_without_a_value() {
        let names = |variables: &[(&str, &str)]| -> Vec<String> {
            let (_, problems) = read(variables);
            for (_, value) in variables {
                assert!(!problems.iter().any(|problem| problem.contains(value)), "{value} in {problems:?}");
            }
            problems.iter().map(|problem| problem.split(':').next().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&[]), ["RESEND_API_KEY"]);
        assert_eq!(names(&[("REPL_IDENTITY", "zz-token")]), ["RESEND_API_KEY"]);
        assert_eq!(names(&[HOST]), ["REPL_IDENTITY"]);
        let bad = [
            ("RESEND_API_KEY", "zz\u{fc}"),
            ("RESEND_FROM_EMAIL", "zz-nobody"),
            ("RESEND_BASE_URL", "http://zz.example.com"),
            ("RESEND_WEBHOOK_SECRET", "zz-secret"),
        ];
        let all = ["RESEND_API_KEY", "RESEND_FROM_EMAIL", "RESEND_BASE_URL", "RESEND_WEBHOOK_SECRET"];
        assert_eq!(names(&bad), all);
        let bad = [
            ("REPLIT_CONNECTORS_HOSTNAME", "https://zz.example.com/"),
            ("REPL_IDENTITY", " zz-blank"),
            ("RESEND_FROM_EMAIL", "a@b.example, c@d.example"),
        ];
        let all = ["REPL_IDENTITY", "RESEND_FROM_EMAIL", "REPLIT_CONNECTORS_HOSTNAME"];
        assert_eq!(names(&bad), all);
    }

    #[test]
    fn a_sender_is_an_address_or_a_name_with_one() {
        for (sender, address) in [
            ("a@b.example", Some("a@b.example")),
            ("Waiterix <a@b.example>", Some("a@b.example")),
            ("\"Waiterix, Berlin\" <a@b.example>", Some("a@b.example")),
            ("Wäiterix <a@b.example>", Some("a@b.example")),
            ("<a@b.example>", None),
            ("Waiterix <a@b.example", None),
            ("Waiterix <a@b.example> x", None),
            ("a@b.example, c@d.example", None),
            ("ü@b.example", None),
            ("Waiterix\r\nBcc: x <a@b.example>", None),
            ("nobody", None),
        ] {
            assert_eq!(sender_address(sender), address, "{sender}");
        }
    }

    #[test]
    fn keys_go_over_plain_http_to_the_machine_itself_alone() {
        for (url, base) in [
            ("https://api.resend.com", Some("https://api.resend.com")),
            ("https://proxy.example.com/resend/", Some("https://proxy.example.com/resend")),
            ("http://127.0.0.1:8081", Some("http://127.0.0.1:8081")),
            ("http://localhost:8081/", Some("http://localhost:8081")),
            ("http://[::1]:8081/", Some("http://[::1]:8081")),
        ] {
            let (settings, problems) = read(&[KEY, FROM, ("RESEND_BASE_URL", url)]);
            assert_eq!((Some(settings.base_url.as_str()), problems.len()), (base, 0), "{url}");
        }
        let bad = [
            "http://api.resend.com",
            "ftp://127.0.0.1",
            "api.resend.com",
            "https://user:pass@example.com",
            "https://example.com/?a=b",
            "http://127.0.0.1.example.com",
        ];
        for url in bad {
            assert_eq!(read(&[KEY, FROM, ("RESEND_BASE_URL", url)]).1.len(), 1, "{url}");
        }
        for (host, base) in [
            ("connectors.example.com:8443", Some("https://connectors.example.com:8443")),
            ("127.0.0.1:8082", Some("http://127.0.0.1:8082")),
            ("connectors.example.com/path", None),
            ("user@connectors.example.com", None),
            ("a b", None),
        ] {
            assert_eq!(connector(host).as_deref(), base, "{host}");
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let (settings, _) =
            read(&[KEY, FROM, ("RESEND_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]);
        let shown = format!("{settings:?}");
        assert!(!shown.contains("re_key") && !shown.contains("MfKQ"), "{shown}");
    }
}
