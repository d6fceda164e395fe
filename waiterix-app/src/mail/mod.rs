//! Mails.

use std::time::Duration;

use waiterix_ports::{Mail, MailId, MailKind};

/// A one-time code to sign in.
#[must_use]
pub fn sign_in_code(id: MailId, to: &str, code: &str, _ttl: Duration) -> Mail {
    Mail { id, kind: MailKind::SignInCode, to: to.to_owned(), reply_to: None, subject: code.to_owned(), html: code.to_owned(), text: code.to_owned() }
}
