//! Addresses as SES takes them.

use url::Host;

/// An address as it goes to SES, which carries ASCII only: the domain's other characters become Punycode. `None` where
/// the part before the `@` has such characters, for which there is no ASCII form.
///
/// The address must have been checked by [`is_address`](waiterix_ports::mailer::is_address).
pub(super) fn on_the_wire(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    if address.is_ascii() {
        return Some(address.to_owned());
    }
    // Reading a host decodes percent signs, which would make another domain of one that holds some.
    if !local.is_ascii() || domain.contains('%') {
        return None;
    }
    match Host::parse(domain).ok()? {
        Host::Domain(domain) => Some(format!("{local}@{domain}")),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_become_ascii_and_other_addresses_stay_as_they_are() {
        for (address, wire) in [
            ("Guest+x@Example.org", Some("Guest+x@Example.org")),
            ("%40@example.org", Some("%40@example.org")),
            ("guest@exämple.org", Some("guest@xn--exmple-cua.org")),
            ("guest@EXÄMPLE.org", Some("guest@xn--exmple-cua.org")),
            ("gäst@example.org", None),
            ("guest@ex%61mple.örg", None),
            ("guest@１.２.３.４", None),
        ] {
            assert_eq!(on_the_wire(address).as_deref(), wire, "{address}");
        }
    }
}
