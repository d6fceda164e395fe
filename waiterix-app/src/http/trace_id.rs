//! What names a request across services: the trace it belongs to.
//!
//! Log lines carry it in the form of X-Ray, whoever began the trace, so that one search finds a request in the logs of the
//! gateway, of the functions and of the server.

use std::fmt;

use axum::http::{HeaderMap, HeaderName};
use tokio::task_local;
use waiterix_domain::Timestamp;

use crate::Random;

/// The header of AWS: `Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1`.
pub const X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
/// The header of the W3C: `00-67891233abcdef012345678912345678-53995c3f42cd8ad8-01`.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

task_local! {
    static CURRENT: TraceId;
}

/// The id of a trace: 16 bytes, not all of them zero. `Display` writes the form of X-Ray.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

impl TraceId {
    /// A new trace. X-Ray takes only ids that begin with the time they were made at, in seconds since 1970.
    #[must_use]
    pub fn fresh(now: Timestamp, random: &dyn Random) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        let seconds = u32::try_from(now.as_millis() / 1000).unwrap_or(u32::MAX);
        bytes[..4].copy_from_slice(&seconds.to_be_bytes());
        Self(u128::from_be_bytes(bytes).max(1))
    }

    /// The root of the header of AWS; nothing when there is none or it is malformed.
    #[must_use]
    pub fn of_aws(header: &str) -> Option<Self> {
        let root = header.split(';').find_map(|member| member.trim().strip_prefix("Root="))?;
        let (seconds, rest) = root.strip_prefix("1-")?.split_once('-')?;
        (seconds.len() == 8 && rest.len() == 24).then(|| Self::of_hex(&format!("{seconds}{rest}")))?
    }

    /// The trace of the header of the W3C (level 1 of its recommendation); nothing when it is malformed. Of later versions
    /// that begin alike the beginning is read, as the recommendation asks.
    #[must_use]
    pub fn of_w3c(header: &str) -> Option<Self> {
        let mut parts = header.splitn(5, '-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let more = parts.next().is_some();
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let is_version = is_hex(version, 2) && version != "ff" && !(more && version == "00");
        let is_parent = is_hex(parent, 16) && parent.bytes().any(|b| b != b'0');
        (is_version && is_hex(trace, 32) && is_parent && is_hex(flags, 2)).then(|| Self::of_hex(trace))?
    }

    /// What the headers of a request say. A gateway of AWS speaks for whoever is behind it, so its header comes first.
    #[must_use]
    pub fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        text(X_AMZN_TRACE_ID).and_then(Self::of_aws).or_else(|| text(TRACEPARENT).and_then(Self::of_w3c))
    }

    fn of_hex(hex: &str) -> Option<Self> {
        let digits = hex.bytes().all(|b| b.is_ascii_hexdigit());
        u128::from_str_radix(hex, 16).ok().filter(|id| digits && *id != 0).map(Self)
    }

    /// The one the running task works for, if its transport knows it.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|id| *id).ok()
    }

    /// Runs work for this trace: what the platform that handed the work over says goes before what headers say.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let (seconds, rest) = hex.split_at(8);
        write!(f, "1-{seconds}-{rest}")
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1-67891233-abcdef012345678912345678";

    #[derive(Debug)]
    struct Nines;

    impl Random for Nines {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0x99);
        }
    }

    fn aws(header: &str) -> Option<String> {
        TraceId::of_aws(header).map(|id| id.to_string())
    }

    fn w3c(header: &str) -> Option<String> {
        TraceId::of_w3c(header).map(|id| id.to_string())
    }

    #[test]
    fn the_header_of_aws_is_read_wherever_its_root_stands() {
        let id = Some(ID.to_owned());
        assert_eq!(aws(&format!("Root={ID}")), id);
        assert_eq!(aws(&format!("Root={ID};Parent=53995c3f42cd8ad8;Sampled=1")), id);
        assert_eq!(
            aws(&format!(
                "Self=1-67891234-12456789abcdef012345678a; Root={ID};Lineage=a87bd80c:1|68fd508a:5"
            )),
            id
        );
        assert_eq!(aws("Root=1-67891233-ABCDEF012345678912345678"), id);
    }

    #[test]
    fn a_header_of_aws_that_is_malformed_is_none() {
        for header in [
            "",
            "Root=",
            ID,
            "Parent=53995c3f42cd8ad8",
            "Root=2-67891233-abcdef012345678912345678",
            "Root=1-67891233-abcdef01234567891234567",
            "Root=1-6789123-3abcdef012345678912345678",
            "Root=1-67891233-abcdef01234567891234567g",
            "Root=1-+7891233-abcdef012345678912345678",
            "Root=1-00000000-000000000000000000000000",
            "Root=1-67891233-guest@example.org",
            "Root=1-6789123é-abcdef01234567891234567",
        ] {
            assert_eq!(aws(header), None, "{header}");
        }
    }

    #[test]
    fn the_header_of_the_w3c_is_read_and_later_versions_as_far_as_they_are_known() {
        let id = Some(ID.to_owned());
        assert_eq!(w3c("00-67891233abcdef012345678912345678-53995c3f42cd8ad8-01"), id);
        assert_eq!(w3c("cc-67891233abcdef012345678912345678-53995c3f42cd8ad8-01"), id);
        assert_eq!(w3c("cc-67891233abcdef012345678912345678-53995c3f42cd8ad8-01-what-the-future-brings"), id);
    }

    #[test]
    fn a_header_of_the_w3c_that_is_malformed_is_none() {
        for header in [
            "",
            "00",
            "ff-67891233abcdef012345678912345678-53995c3f42cd8ad8-01",
            "00-67891233abcdef012345678912345678-53995c3f42cd8ad8-01-more",
            "00-67891233abcdef012345678912345678-53995c3f42cd8ad8-01-",
            "00-67891233ABCDEF012345678912345678-53995c3f42cd8ad8-01",
            "00-00000000000000000000000000000000-53995c3f42cd8ad8-01",
            "00-67891233abcdef012345678912345678-0000000000000000-01",
            "00-67891233abcdef01234567891234567-53995c3f42cd8ad8-01",
            "00-67891233abcdef012345678912345678-53995c3f42cd8ad-01",
            "00-67891233abcdef012345678912345678-53995c3f42cd8ad8",
            "00-67891233abcdef012345678912345678-53995c3f42cd8ad8-1",
            "0-67891233abcdef012345678912345678-53995c3f42cd8ad8-01",
            "00-guest@example.org00000000000000-53995c3f42cd8ad8-01",
        ] {
            assert_eq!(w3c(header), None, "{header}");
        }
    }

    #[test]
    fn the_gateway_speaks_for_whoever_is_behind_it() {
        let mut headers = HeaderMap::new();
        assert_eq!(TraceId::of_headers(&headers), None);
        let client = "00-11111111222222223333333344444444-53995c3f42cd8ad8-01";
        headers.insert(TRACEPARENT, client.parse().unwrap());
        assert_eq!(TraceId::of_headers(&headers), TraceId::of_w3c(client));
        headers.insert(X_AMZN_TRACE_ID, "Root=nonsense".parse().unwrap());
        assert_eq!(TraceId::of_headers(&headers), TraceId::of_w3c(client));
        headers.insert(X_AMZN_TRACE_ID, format!("Root={ID}").parse().unwrap());
        assert_eq!(TraceId::of_headers(&headers).map(|id| id.to_string()), Some(ID.to_owned()));
    }

    #[test]
    fn a_new_trace_begins_with_the_time() {
        let now = Timestamp::from_millis(0x6789_1233 * 1000 + 999).unwrap();
        assert_eq!(TraceId::fresh(now, &Nines).to_string(), "1-67891233-999999999999999999999999");
    }
}
