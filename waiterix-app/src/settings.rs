//! Configuration of the service, read from variables by a pure function.

use std::str::FromStr;

use rust_decimal::Decimal;
use url::Url;
use waiterix_domain::Secret;
use waiterix_domain::blob_ref::Locations;
use waiterix_ports::mailer::is_address;
use waiterix_ports::vars::Vars;

use crate::identity::OidcSettings;
use crate::limits::RateLimits;

/// When a browser sends the cookie along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Client and API share a site.
    Lax,
    /// They do not.
    None,
}

/// How the session cookie is made.
#[derive(Debug, Clone)]
pub struct CookieSettings {
    /// Signing secrets: the first signs, all verify.
    pub secrets: Vec<Secret>,
    /// When a browser sends it along.
    pub same_site: SameSite,
}

/// Everything about the service that is not a port.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Shown by `/`.
    pub environment: String,
    /// Origins of the web client: CORS, writes with cookies, realtime connections with cookies.
    pub frontend_origins: Vec<String>,
    /// Public base URL of this API, if known.
    pub api_base_url: Option<Url>,
    /// Host of the picture CDN, if there is one. Earlier ones are among the locations, so that old URLs stay recognised.
    pub cdn_domain: Option<String>,
    /// Where support requests go.
    pub support_email: String,
    /// The session cookie.
    pub cookie: CookieSettings,
    /// Identity tokens; without, sign-in is by e-mailed code.
    pub oidc: Option<OidcSettings>,
    /// Tax of the web checkout as a fraction.
    pub web_tax_rate: Decimal,
    /// Whether Part B's speech and chat are there; while they are not, guests are not offered the assistant.
    pub ai_waiter_available: bool,
    /// Rate limits.
    pub rate_limits: RateLimits,
    /// How many proxies in front of the service add to `X-Forwarded-For`.
    pub trusted_proxies: u8,
    /// How object URLs are recognised.
    pub locations: Locations,
    /// The largest body of an answer in bytes, where the transport has a limit: a larger object is fetched from its store
    /// instead.
    pub max_answer_bytes: Option<u64>,
}

/// The version of the service.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The shortest signing secret in bytes.
const MIN_SECRET_BYTES: usize = 16;

impl Settings {
    /// Settings for tests and embedding: one origin, sign-in by code.
    #[must_use]
    pub fn embedded(secret: Secret) -> Self {
        Self {
            environment: "local".to_owned(),
            frontend_origins: Vec::new(),
            api_base_url: None,
            cdn_domain: None,
            support_email: "support@localhost.localdomain".to_owned(),
            cookie: CookieSettings { secrets: vec![secret], same_site: SameSite::Lax },
            oidc: None,
            web_tax_rate: Decimal::new(10, 2),
            ai_waiter_available: false,
            rate_limits: RateLimits::default(),
            trusted_proxies: 0,
            locations: Locations::default(),
            max_answer_bytes: None,
        }
    }

    /// Reads the settings; problems are noted in `vars`. Whatever is absent stays as in `defaults`.
    #[must_use]
    pub fn read(vars: &mut Vars<'_>, defaults: Self) -> Self {
        let mut settings = defaults;
        if let Some(environment) = vars.text("NODE_ENV") {
            settings.environment = environment;
        }
        if let Some(list) = vars.text("FRONTEND_URL") {
            settings.frontend_origins =
                list.split(',').filter_map(|origin| origin_of(vars, "FRONTEND_URL", origin.trim())).collect();
        }
        if let Some(url) = vars.parsed::<Url>("API_BASE_URL", "an http or https URL") {
            settings.api_base_url = Some(url);
        }
        if let Some(list) = vars.text("CLOUDFRONT_DOMAIN") {
            let domains: Vec<String> = list.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
            if domains.iter().all(|name| is_host(name)) {
                settings.cdn_domain = domains.first().cloned();
                settings.locations.cdn_domains.extend(domains);
            } else {
                vars.problem(
                    "CLOUDFRONT_DOMAIN",
                    "must be host names such as cdn.example.org, separated by commas",
                );
            }
        }
        if let Some(address) = vars.text("SUPPORT_EMAIL") {
            if is_address(&address) {
                settings.support_email = address;
            } else {
                vars.problem("SUPPORT_EMAIL", "must be an e-mail address");
            }
        }
        settings.read_cookie(vars);
        settings.oidc = OidcSettings::read(vars).or(settings.oidc);
        if let Some(rate) = vars.parsed::<Decimal>("WEB_TAX_RATE", "a fraction such as 0.10") {
            if rate.is_sign_negative() || rate > Decimal::ONE {
                vars.problem("WEB_TAX_RATE", "must be between 0 and 1");
            } else {
                settings.web_tax_rate = rate;
            }
        }
        if let Some(on) = vars.flag("AI_WAITER_AVAILABLE") {
            settings.ai_waiter_available = on;
        }
        if let Some(on) = vars.flag("RATE_LIMITS") {
            settings.rate_limits.off = !on;
        }
        if let Some(count) = vars.parsed("TRUSTED_PROXIES", "a number from 0 to 255") {
            settings.trusted_proxies = count;
        }
        settings.read_locations();
        settings
    }

    fn read_cookie(&mut self, vars: &mut Vars<'_>) {
        if let Some(list) = vars.secret("SESSION_SECRET") {
            let secrets: Vec<Secret> = list.reveal().split(',').map(Secret::new).collect();
            if secrets.iter().any(|secret| secret.reveal().len() < MIN_SECRET_BYTES) {
                vars.problem("SESSION_SECRET", "each secret must have at least 16 bytes");
            }
            self.cookie.secrets = secrets;
        }
        match vars.text("COOKIE_SAME_SITE").as_deref() {
            None => {}
            Some("lax") => self.cookie.same_site = SameSite::Lax,
            Some("none") => self.cookie.same_site = SameSite::None,
            Some(_) => vars.problem("COOKIE_SAME_SITE", "must be lax or none"),
        }
    }

    fn read_locations(&mut self) {
        let hosts = self.frontend_origins.iter().filter_map(|origin| Url::parse(origin).ok());
        for url in hosts.chain(self.api_base_url.clone()) {
            if let Some(host) = url.host_str() {
                self.locations.own_hosts.push(host.to_owned());
            }
        }
        let known = &mut self.locations.cdn_domains;
        known.extend(self.cdn_domain.clone().filter(|domain| !known.contains(domain)));
    }
}

/// Whether a text is a host name, with port if need be, and nothing else.
fn is_host(text: &str) -> bool {
    let url = format!("https://{text}/");
    Url::parse(&url)
        .is_ok_and(|parsed| parsed.as_str() == url && parsed.path() == "/" && parsed.username().is_empty())
}

/// An origin such as `https://app.example.org`: a trailing slash is dropped, anything more is a problem.
fn origin_of(vars: &mut Vars<'_>, name: &'static str, text: &str) -> Option<String> {
    let url = Url::from_str(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none());
    if url.is_none() {
        vars.problem(name, "must be an origin such as https://app.example.org");
    }
    url.map(|url| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let map: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut vars = Vars::new(&map);
        let settings = Settings::read(&mut vars, Settings::embedded(Secret::new("0123456789abcdef")));
        (settings, vars.problems().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_set_gives_the_embedded_default_without_problems() {
        let (settings, problems) = read(&[]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(settings.web_tax_rate.to_string(), "0.10");
        assert!(settings.oidc.is_none());
    }

    #[test]
    fn every_problem_is_reported_at_once_by_name_and_without_its_value() {
        let (_, problems) = read(&[
            ("FRONTEND_URL", "app.example.org/path"),
            ("SUPPORT_EMAIL", "nobody"),
            ("SESSION_SECRET", "hunter2"),
            ("WEB_TAX_RATE", "10"),
            ("COOKIE_SAME_SITE", "strict"),
            ("RATE_LIMITS", "maybe"),
        ]);
        assert_eq!(problems.len(), 6, "{problems:?}");
        let all = problems.join("\n");
        for name in [
            "FRONTEND_URL",
            "SUPPORT_EMAIL",
            "SESSION_SECRET",
            "WEB_TAX_RATE",
            "COOKIE_SAME_SITE",
            "RATE_LIMITS",
        ] {
            assert!(all.contains(name), "{name} in {all}");
        }
        assert!(!all.contains("hunter2"));
    }

    #[test]
    fn origins_are_normalised_and_become_own_hosts() {
        let (settings, problems) =
            read(&[("FRONTEND_URL", "https://App.Example.org/, http://localhost:3000")]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(settings.frontend_origins, ["https://app.example.org", "http://localhost:3000"]);
        assert!(settings.locations.own_hosts.contains(&"app.example.org".to_owned()));
    }

    #[test]
    fn the_first_cdn_delivers_and_all_are_recognised() {
        let (settings, problems) = read(&[("CLOUDFRONT_DOMAIN", "CDN.example.org, old.example.org")]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(settings.cdn_domain.as_deref(), Some("cdn.example.org"));
        assert_eq!(settings.locations.cdn_domains, ["cdn.example.org", "old.example.org"]);
        for bad in ["https://cdn.example.org", "cdn.example.org/x", "cdn.example.org,", "a b.org", "a@b.org"]
        {
            let (settings, problems) = read(&[("CLOUDFRONT_DOMAIN", bad)]);
            assert_eq!((settings.cdn_domain, problems.len()), (None, 1), "{bad}");
        }
    }

    #[test]
    fn d6_several_secrets_allow_rotation() {
        let (settings, _) = read(&[("SESSION_SECRET", "0123456789abcdef-new,0123456789abcdef-old")]);
        assert_eq!(settings.cookie.secrets.len(), 2);
    }
}
