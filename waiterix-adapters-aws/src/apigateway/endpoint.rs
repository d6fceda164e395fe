//! Where callbacks may go.
//!
//! The address of a callback is read back from a table, and every request to it is signed with our credentials and
//! carries what a kitchen or a guest is told. So an address is used only if its host is one of ours, and that is
//! decided before a request is made (R14).

use std::fmt;

use url::{Host, Url};

/// The longest address of a callback; the longest real one has a domain of 253 characters and a stage of 128.
const MAX_CHARS: usize = 512;

/// The base of callback URLs, e.g. `https://abc123.execute-api.eu-central-1.amazonaws.com/production`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// As the URL parser writes it, without a slash at the end: what was checked is what is signed.
    base: String,
    /// The host, and the port where it is not the usual one.
    authority: String,
}

impl Endpoint {
    /// Reads an address: https, or http on the machine itself; no credentials, query or fragment.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_CHARS)?;
        let plain_here = url.scheme() == "http" && is_loopback(&url);
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !bare || !(url.scheme() == "https" || plain_here) {
            return None;
        }
        let host = url.host_str().filter(|host| !host.is_empty())?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Some(Self { base: url.as_str().trim_end_matches('/').to_owned(), authority })
    }

    /// The address as text, without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.base
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An entry of the list of allowed hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedHost {
    /// Exactly this host, with its port where it is not the usual one: a custom domain, or an API's own.
    Named(String),
    /// The host that API Gateway gives an API with this id in the region of the clients.
    Api(String),
}

impl AllowedHost {
    /// Reads an entry: with a dot or a port it is a host, without it is the id of an API.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if is_api_id(text) {
            return Some(Self::Api(text.to_owned()));
        }
        let url = Url::parse(&format!("https://{text}/")).ok()?;
        let host = url.host_str()?;
        let named = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        // What the parser understands otherwise than it is written is a mistake: a path, a user, a wildcard.
        (named == text.to_ascii_lowercase() && !text.contains('*')).then_some(Self::Named(named))
    }
}

/// Whether a text has the form of the id of an API.
fn is_api_id(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Decides which address a connection is called back at.
#[derive(Clone)]
pub(super) struct Callbacks {
    forced: Option<Endpoint>,
    allowed: Vec<AllowedHost>,
    region: Option<String>,
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").field("forced", &self.forced).field("allowed", &self.allowed).finish()
    }
}

impl Callbacks {
    pub(super) fn new(forced: Option<Endpoint>, allowed: Vec<AllowedHost>, region: Option<&str>) -> Self {
        Self { forced, allowed, region: region.map(str::to_owned) }
    }

    /// The one address that all callbacks go to, if there is one.
    pub(super) const fn forced(&self) -> Option<&Endpoint> {
        self.forced.as_ref()
    }

    /// Whether any API of the region is trusted because nobody said which one is ours.
    pub(super) fn trusts_the_region(&self) -> bool {
        self.forced.is_none() && self.allowed.is_empty()
    }

    /// The address for a connection that says it is reached at `own`; `None` if that is nowhere of ours.
    pub(super) fn resolve(&self, own: &str) -> Option<Endpoint> {
        if let Some(forced) = &self.forced {
            return Some(forced.clone());
        }
        Endpoint::parse(own).filter(|endpoint| self.allows(&endpoint.authority))
    }

    fn allows(&self, authority: &str) -> bool {
        if self.allowed.is_empty() {
            return self.api_of(authority).is_some_and(is_api_id);
        }
        self.allowed.iter().any(|entry| match entry {
            AllowedHost::Named(host) => host == authority,
            AllowedHost::Api(id) => self.api_of(authority) == Some(id),
        })
    }

    /// The id of the API that owns a host of API Gateway in our region.
    fn api_of<'a>(&self, authority: &'a str) -> Option<&'a str> {
        let region = self.region.as_deref()?;
        let top = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let (id, rest) = authority.split_once('.')?;
        (rest == format!("execute-api.{region}.{top}")).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://abc123defg.execute-api.eu-central-1.amazonaws.com/production";

    fn callbacks(allowed: &[&str]) -> Callbacks {
        let allowed = allowed.iter().map(|text| AllowedHost::parse(text).unwrap()).collect();
        Callbacks::new(None, allowed, Some("eu-central-1"))
    }

    #[test]
    fn r14_an_address_is_https_and_nothing_but_an_address() {
        for (text, written) in [
            (OURS, OURS),
            ("https://Ws.Example.org/", "https://ws.example.org"),
            ("https://ws.example.org/base/stage/", "https://ws.example.org/base/stage"),
            ("https://ws.example.org:8443/x", "https://ws.example.org:8443/x"),
            ("http://127.0.0.1:3001/local", "http://127.0.0.1:3001/local"),
            ("http://localhost:3001", "http://localhost:3001"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().as_str(), written, "{text}");
        }
        for text in [
            "",
            "production",
            "http://abc123defg.execute-api.eu-central-1.amazonaws.com/production",
            "wss://abc123defg.execute-api.eu-central-1.amazonaws.com/production",
            "https://user:pass@ws.example.org/",
            "https://ws.example.org/?a=b",
            "https://ws.example.org/#a",
            "file:///etc/passwd",
            &format!("https://ws.example.org/{}", "x".repeat(600)),
        ] {
            assert_eq!(Endpoint::parse(text), None, "{text}");
        }
    }

    #[test]
    fn r14_only_allowed_hosts_are_called_back() {
        let listed = callbacks(&["abc123defg", "ws.example.org", "127.0.0.1:3001"]);
        for text in [
            OURS,
            "https://ABC123DEFG.execute-api.eu-central-1.amazonaws.com/other",
            "https://ws.example.org/x",
            "https://ws.example.org:443/x",
            "http://127.0.0.1:3001/local",
        ] {
            assert!(listed.resolve(text).is_some(), "{text}");
        }
        for text in [
            "https://evil.example.com/production",
            "https://zyx987wvut.execute-api.eu-central-1.amazonaws.com/production",
            "https://abc123defg.execute-api.us-east-1.amazonaws.com/production",
            "https://abc123defg.execute-api.eu-central-1.amazonaws.com.evil.com/production",
            "https://evil.com/abc123defg.execute-api.eu-central-1.amazonaws.com",
            "https://abc123defg.execute-api.eu-central-1.amazonaws.com:8443/production",
            "https://evil.com\\@abc123defg.execute-api.eu-central-1.amazonaws.com/production",
            "https://a.ws.example.org/x",
            "https://ws.example.org.evil.com/x",
            "http://127.0.0.1:3002/local",
            "http://169.254.169.254/latest",
        ] {
            assert_eq!(listed.resolve(text), None, "{text}");
        }
    }

    #[test]
    fn r14_without_a_list_only_api_gateway_of_the_own_region_is_called_back() {
        let open = callbacks(&[]);
        assert!(open.trusts_the_region());
        assert!(open.resolve(OURS).is_some());
        for text in [
            "https://abc123defg.execute-api.us-east-1.amazonaws.com/production",
            "https://a.b.execute-api.eu-central-1.amazonaws.com/production",
            "https://a-b.execute-api.eu-central-1.amazonaws.com/production",
            "https://execute-api.eu-central-1.amazonaws.com/production",
            "https://ws.example.org/x",
            "http://127.0.0.1:3001/local",
        ] {
            assert_eq!(open.resolve(text), None, "{text}");
        }
        let nowhere = Callbacks::new(None, Vec::new(), None);
        assert_eq!(nowhere.resolve(OURS), None, "without a region nothing can be recognised");
    }

    #[test]
    fn r14_an_override_is_used_whatever_the_item_says() {
        let forced = Endpoint::parse("https://ws.example.org/live").unwrap();
        let callbacks = Callbacks::new(Some(forced.clone()), Vec::new(), Some("eu-central-1"));
        assert!(!callbacks.trusts_the_region());
        for text in [OURS, "https://ws.example.org/wrong", "https://evil.example.com", ""] {
            assert_eq!(callbacks.resolve(text), Some(forced.clone()), "{text}");
        }
    }

    #[test]
    fn entries_are_hosts_or_ids_of_apis() {
        assert_eq!(AllowedHost::parse("abc123defg"), Some(AllowedHost::Api("abc123defg".to_owned())));
        for text in ["ws.example.org", "WS.example.org", "127.0.0.1:3001"] {
            assert_eq!(AllowedHost::parse(text), Some(AllowedHost::Named(text.to_ascii_lowercase())));
        }
        for text in
            ["", "*.example.org", "https://ws.example.org", "ws.example.org/x", "a@b.example.org", "A B"]
        {
            assert_eq!(AllowedHost::parse(text), None, "{text}");
        }
    }
}
