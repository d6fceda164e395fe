//! The canonical object reference (settings first; the parser is being added).

/// How object URLs are recognised.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Locations {
    /// Host names (with port if not the default) of the API and the web client.
    pub own_hosts: Vec<String>,
    /// CDN host names, old ones included.
    pub cdn_domains: Vec<String>,
}
