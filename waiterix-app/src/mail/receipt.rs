//! The receipt a guest asks for.

use askama::Template;
use waiterix_domain::receipt::Receipt;
use waiterix_ports::{Error, Mail, MailId, MailKind};

use super::Envelope;

#[derive(Template)]
#[template(path = "receipt.html")]
struct Html<'a> {
    receipt: &'a Receipt,
}

#[derive(Template)]
#[template(path = "receipt.txt")]
struct Text<'a> {
    receipt: &'a Receipt,
}

/// The mail that carries a receipt to a guest.
///
/// # Errors
/// `Corrupt` when a template cannot be rendered.
pub fn receipt(id: MailId, to: &str, receipt: &Receipt) -> Result<Mail, Error> {
    let subject = receipt.subject();
    Envelope { id, kind: MailKind::Receipt, to, reply_to: None, subject: &subject }
        .around(&Html { receipt }, &Text { receipt })
}
