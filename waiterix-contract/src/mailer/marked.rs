//! A mail in which everything can be told apart that must be in no log.

use waiterix_ports::{Mail, MailId, MailKind};

/// The recipient of a [`marked`] mail.
pub const GUEST: &str = "zzguest@recipients.example";

/// What is in addresses and content of a [`marked`] mail and nowhere else.
pub const MARKS: [&str; 4] = ["zz", "048151", "recipients.example", "replies.example"];

/// A code to sign in, for a recipient.
///
/// # Panics
/// When the id is none.
#[must_use]
#[allow(clippy::expect_used, reason = "a test that cannot be set up must fail")]
pub fn marked(id: &str, to: &str) -> Mail {
    Mail {
        id: MailId::new(id).expect("a mail id"),
        kind: MailKind::SignInCode,
        to: to.to_owned(),
        reply_to: Some("zzowner@replies.example".to_owned()),
        subject: "zzsubject".to_owned(),
        html: "<p>zzhtml 048151</p>".to_owned(),
        text: "zztext 048151".to_owned(),
    }
}
