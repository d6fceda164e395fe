//! A one-time code to sign in.

use std::time::Duration;

use askama::Template;
use waiterix_ports::{Error, Mail, MailId, MailKind};

use super::Envelope;

#[derive(Template)]
#[template(path = "sign_in_code.html")]
struct Html<'a> {
    code: &'a str,
    minutes: u64,
}

#[derive(Template)]
#[template(path = "sign_in_code.txt")]
struct Text<'a> {
    code: &'a str,
    minutes: u64,
}

/// The mail that carries a one-time code. The code is in the parts only: subjects show up on locked screens.
///
/// # Errors
/// `Corrupt` when a template cannot be rendered.
pub fn sign_in_code(id: MailId, to: &str, code: &str, ttl: Duration) -> Result<Mail, Error> {
    let minutes = ttl.as_secs().div_ceil(60);
    Envelope { id, kind: MailKind::SignInCode, to, reply_to: None, subject: "Your Waiterix sign-in code" }
        .around(&Html { code, minutes }, &Text { code, minutes })
}
