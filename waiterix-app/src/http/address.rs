//! Where a request comes from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;

use crate::Shared;

/// The address of the client, as far as the trusted proxies tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<Shared> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Self::Rejection> {
        // A transport without sockets (a function) puts the address it was told into the extensions itself.
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(*known);
        }
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let forwarded: Vec<&str> = parts
            .headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        Ok(Self(client(peer, &forwarded, app.settings.trusted_proxies)))
    }
}

/// Each trusted proxy appended the address it saw, so with `n` of them the client is the `n`-th entry from the right.
/// What stands further left was written by the client itself and proves nothing.
fn client(peer: Option<IpAddr>, forwarded: &[&str], trusted_proxies: u8) -> IpAddr {
    let told = forwarded
        .len()
        .checked_sub(usize::from(trusted_proxies))
        .filter(|_| trusted_proxies > 0)
        .and_then(|place| forwarded.get(place))
        .and_then(|text| text.trim().parse().ok());
    told.or(peer).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let peer = Some("10.0.0.1".parse().unwrap());
        let of = |forwarded: &[&str], trusted| client(peer, forwarded, trusted).to_string();
        assert_eq!(of(&["1.1.1.1", " 2.2.2.2"], 0), "10.0.0.1");
        assert_eq!(of(&["1.1.1.1", " 2.2.2.2"], 1), "2.2.2.2");
        assert_eq!(of(&["1.1.1.1", " 2.2.2.2"], 2), "1.1.1.1");
        assert_eq!(of(&["1.1.1.1"], 2), "10.0.0.1");
        assert_eq!(of(&["nonsense"], 1), "10.0.0.1");
    }
}
