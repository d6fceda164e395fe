//! Mail.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use url::Host;
use waiterix_domain::Timestamp;

use crate::Result;

/// The caller's name for one mail: sending it again with the same id does not send twice where the provider can
/// know. 1 to 256 printable ASCII characters without blanks.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MailId(String);

impl MailId {
    /// Wraps an id; `None` when it is malformed.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Option<Self> {
        let id = id.into();
        ((1..=256).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())).then_some(Self(id))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What a mail is about, for tags and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// A receipt for a guest.
    Receipt,
    /// A support request of an owner.
    Support,
    /// A one-time code to sign in.
    SignInCode,
}

impl MailKind {
    /// The kind as a stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Support => "support",
            Self::SignInCode => "sign-in-code",
        }
    }
}

/// One rendered mail to one recipient. The sender address belongs to the adapter.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// The caller's name for it.
    pub id: MailId,
    /// What it is about.
    pub kind: MailKind,
    /// The recipient's address.
    pub to: String,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<String>,
    /// One line, at most 200 characters.
    pub subject: String,
    /// The HTML part.
    pub html: String,
    /// The text part.
    pub text: String,
}

impl fmt::Debug for Mail {
    /// Shows neither addresses nor content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What became of a mail. Everything the provider definitely said is here; failures to talk to it are errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it.
    Accepted {
        /// The provider's id of the message.
        message_id: String,
    },
    /// It was taken under this id from another call; nothing was sent now.
    Duplicate {
        /// The provider's id of the first message.
        message_id: String,
    },
    /// Another mail was sent under this id, or may have been; nothing was sent now.
    Conflict,
    /// The recipient is on the suppression list; nothing was sent.
    Suppressed,
    /// The provider refuses it for good.
    Rejected {
        /// Why, without personal data.
        reason: String,
    },
    /// The provider does not take it now and certainly did not take it.
    RetryLater {
        /// When to try again, if the provider said so.
        after: Option<Duration>,
    },
    /// Whether the provider took it is not known: it must not be handed to another one.
    Unknown,
}

/// Sends mail.
#[async_trait]
pub trait Mailer: fmt::Debug + Send + Sync + 'static {
    /// Sends one mail.
    ///
    /// - **M1** An accepted mail arrives as it was rendered: recipient, reply-to, subject, both parts, any Unicode.
    /// - **M2** The same id again, with the same content, is `Duplicate` with the first message id, and nothing is sent. A mail
    ///   that this call sent is `Accepted`, however often the provider was asked for it.
    /// - **M3** The same id with other content is `Conflict`, and nothing is sent.
    /// - **M4** A recipient on the suppression list is `Suppressed`, and nothing is sent.
    /// - **M5** A malformed address, a subject with control characters or longer than 200 characters, an empty part,
    ///   or a mail above 1 MiB is `Rejected`; nothing is sent and no header can be smuggled in.
    /// - **M6** Several sends of one id at once send one mail.
    ///
    /// # Errors
    /// `Unavailable` (certainly not taken), `Denied` (credentials or sender refused).
    async fn send(&self, mail: &Mail) -> Result<Outcome>;

    /// Puts an address on the suppression list, or takes it off.
    ///
    /// - **M10** Takes effect for the next send; repeating it is harmless; case of the domain does not matter.
    ///
    /// # Errors
    /// `Unavailable`, `Denied`, `Invalid` for a malformed address.
    async fn set_suppressed(&self, address: &str, suppressed: bool) -> Result<()>;

    /// Whether an address is on the suppression list.
    ///
    /// - **M11** Answers what was set last; an unknown address is not suppressed.
    ///
    /// # Errors
    /// `Unavailable`, `Denied`.
    async fn is_suppressed(&self, address: &str) -> Result<bool>;

    /// Proves that the provider can be reached with the credentials, without sending anything.
    ///
    /// - **M90** Succeeds on a working mailer and sends nothing.
    ///
    /// # Errors
    /// `Unavailable`, `Denied`.
    async fn check(&self) -> Result<()>;
}

/// Reads what a provider tells of mail it took, in requests to the service. Pure: it asks nobody.
pub trait MailEvents: fmt::Debug + Send + Sync + 'static {
    /// The address that should get no mail any more because of an event, if any: it bounced for good, or complained.
    /// `headers` are the names and values of the request, `body` its bytes as they came, since they are signed.
    ///
    /// # Errors
    /// [`NotBelieved`] when the request is not the provider's, not of now, or no event.
    fn to_suppress(
        &self,
        headers: &[(&str, &str)],
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<String>, NotBelieved>;
}

/// A request that does not prove to be an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct NotBelieved {
    /// Why, for the log.
    pub fault: &'static str,
}

/// The largest mail, both parts and subject together, in bytes.
pub const MAX_MAIL_BYTES: usize = 1024 * 1024;
/// The longest subject in characters.
pub const MAX_SUBJECT_CHARS: usize = 200;

/// Whether a text is structurally an address: one `@`, no blanks or control characters, a dot inside the domain, at
/// most 254 bytes.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let fits = text.len() <= 254 && !local.is_empty() && local.len() <= 64;
    let clean = !text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>,;\"\\()[]".contains(c));
    let dotted = domain.split('.').count() >= 2 && domain.split('.').all(|label| !label.is_empty());
    fits && clean && dotted && !domain.contains('@')
}

/// What is wrong with a mail that no provider needs to be asked about; adapters call this first.
#[must_use]
pub fn fault_of(mail: &Mail) -> Option<&'static str> {
    if !is_address(&mail.to) {
        Some("recipient address is malformed")
    } else if mail.reply_to.as_deref().is_some_and(|address| !is_address(address)) {
        Some("reply-to address is malformed")
    } else if mail.subject.chars().any(char::is_control) {
        Some("subject has control characters")
    } else if mail.subject.chars().count() > MAX_SUBJECT_CHARS {
        Some("subject is longer than 200 characters")
    } else if mail.html.is_empty() || mail.text.is_empty() {
        Some("a part is empty")
    } else if mail.html.len() + mail.text.len() + mail.subject.len() > MAX_MAIL_BYTES {
        Some("mail is larger than 1 MiB")
    } else {
        None
    }
}

/// The form of an address under which suppression is kept: the domain in lower case.
#[must_use]
pub fn normalised_address(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_lowercase()),
        None => address.to_owned(),
    }
}

/// An address as it goes to a provider that carries ASCII only, as all of them do: the domain's other characters become
/// Punycode. `None` where the part before the `@` has such characters, for which there is no ASCII form.
///
/// The address must have been checked by [`is_address`].
#[must_use]
pub fn ascii_address(address: &str) -> Option<String> {
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
            assert_eq!(ascii_address(address).as_deref(), wire, "{address}");
        }
    }

    #[test]
    fn addresses_are_checked_structurally() {
        for good in ["a@b.c", "first.last+tag@sub.example.org", "ü@exämple.org"] {
            assert!(is_address(good), "{good}");
        }
        for bad in
            ["", "a", "a@b", "@b.c", "a@@b.c", "a b@c.d", "a@b.c\r\nBcc: x@y.z", "a@.c", "a@b.", "<a@b.c>"]
        {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
