//! What SES says became of a mail: as a notification of an identity, or as an event of a configuration set.

use serde_json::Value;
use waiterix_ports::mailer::is_address;

/// What a message means for us. Addresses are personal, so this is never logged as it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// These addresses do not exist, or refuse us for good.
    Bounced(Vec<String>),
    /// The people at these addresses said that they do not want our mail.
    Complained(Vec<String>),
    /// Nothing is to be done.
    Other,
}

impl std::fmt::Debug for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} addresses)", self.reason(), self.addresses().len())
    }
}

impl Notice {
    /// Reads what SES says. What cannot be read is nothing to be done, and is told to the log: delivering it again would
    /// not make it readable.
    pub(super) fn read(content: &Value) -> Self {
        let kind = content["eventType"].as_str().or_else(|| content["notificationType"].as_str());
        let (addresses, notice): (_, fn(Vec<String>) -> Self) = match kind {
            Some("Bounce") => {
                let bounce = &content["bounce"];
                // A full mailbox, a server that is away: they may take the next mail.
                if bounce["bounceType"] != "Permanent" {
                    return Self::Other;
                }
                (addresses(&bounce["bouncedRecipients"]), Self::Bounced)
            }
            Some("Complaint") => {
                let complaint = &content["complaint"];
                // Somebody took our mail out of the spam.
                if complaint["complaintFeedbackType"] == "not-spam" {
                    return Self::Other;
                }
                (addresses(&complaint["complainedRecipients"]), Self::Complained)
            }
            Some(_) => return Self::Other,
            None => {
                tracing::warn!("a message that says nothing about a mail");
                return Self::Other;
            }
        };
        if addresses.is_empty() {
            tracing::warn!(kind, "a message that names no address");
        }
        notice(addresses)
    }

    /// Whom not to write to any more.
    pub(super) fn addresses(&self) -> &[String] {
        match self {
            Self::Bounced(addresses) | Self::Complained(addresses) => addresses,
            Self::Other => &[],
        }
    }

    /// Why, as a stable word.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Bounced(_) => "bounce",
            Self::Complained(_) => "complaint",
            Self::Other => "none",
        }
    }
}

fn addresses(recipients: &Value) -> Vec<String> {
    let recipients = recipients.as_array().into_iter().flatten();
    recipients.filter_map(|recipient| bare(recipient["emailAddress"].as_str()?)).collect()
}

/// An address alone: what the receiving server reports may be written with a name.
fn bare(text: &str) -> Option<String> {
    let inner =
        text.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(text, |(inner, _)| inner);
    let inner = inner.trim();
    is_address(inner).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_for_good_is_heeded() {
        let to = |name: &str| json!([{ "emailAddress": name }]);
        let bounce = |kind: &str| json!({"eventType": "Bounce", "bounce": {"bounceType": kind, "bouncedRecipients": to("a@b.example")}});
        let complaint = |kind: Value| {
            json!({"notificationType": "Complaint",
                "complaint": {"complaintFeedbackType": kind, "complainedRecipients": to("a@b.example")}})
        };
        let addresses = || vec!["a@b.example".to_owned()];
        assert_eq!(Notice::read(&bounce("Permanent")), Notice::Bounced(addresses()));
        assert_eq!(Notice::read(&bounce("Transient")), Notice::Other);
        assert_eq!(Notice::read(&bounce("Undetermined")), Notice::Other);
        assert_eq!(Notice::read(&complaint(json!("abuse"))), Notice::Complained(addresses()));
        assert_eq!(Notice::read(&complaint(json!(null))), Notice::Complained(addresses()));
        assert_eq!(Notice::read(&complaint(json!("not-spam"))), Notice::Other);
        assert_eq!(Notice::read(&json!({"eventType": "Delivery"})), Notice::Other);
    }

    #[test]
    fn what_cannot_be_read_is_nothing_to_be_done() {
        for content in
            [json!(null), json!([]), json!("Bounce"), json!({"eventType": 7}), json!({"eventType": "Bounce"})]
        {
            assert_eq!(Notice::read(&content), Notice::Other, "{content}");
        }
        let nobody = json!({"eventType": "Bounce", "bounce": {"bounceType": "Permanent",
            "bouncedRecipients": [{"emailAddress": "nobody"}, {}, 7]}});
        assert_eq!(Notice::read(&nobody), Notice::Bounced(Vec::new()));
    }

    #[test]
    fn an_address_may_be_written_with_a_name() {
        assert_eq!(bare("Ada <ada@example.org>").as_deref(), Some("ada@example.org"));
        assert_eq!(bare(" ada@example.org ").as_deref(), Some("ada@example.org"));
        assert_eq!(bare("<<ada>"), None);
    }

    #[test]
    fn no_address_is_shown() {
        let notice = Notice::Bounced(vec!["ada@example.org".to_owned()]);
        assert_eq!(format!("{notice:?}"), "bounce (1 addresses)");
    }
}
