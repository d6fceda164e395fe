//! A request of an owner to the support desk.

use askama::Template;
use waiterix_domain::line::one_line;
use waiterix_domain::support::SupportRequest;
use waiterix_ports::{Error, Mail, MailId, MailKind};

use super::{Envelope, mailto, paragraph};

/// The most characters of the restaurant's name in the mail.
const MAX_NAME_CHARS: usize = 120;

/// What both parts are made from.
struct Content {
    restaurant: String,
    restaurant_id: String,
    email: String,
    mailto: String,
    subject: String,
    lines: Vec<String>,
}

#[derive(Template)]
#[template(path = "support.html")]
struct Html<'a> {
    content: &'a Content,
}

#[derive(Template)]
#[template(path = "support.txt")]
struct Text<'a> {
    content: &'a Content,
}

/// The mail that carries a support request to the support desk. Answers go to the owner.
///
/// # Errors
/// `Corrupt` when a template cannot be rendered.
pub fn support(id: MailId, to: &str, request: &SupportRequest) -> Result<Mail, Error> {
    let content = Content {
        restaurant: one_line(&request.restaurant_name, MAX_NAME_CHARS),
        restaurant_id: one_line(request.restaurant_id.as_str(), MAX_NAME_CHARS),
        email: one_line(&request.email, 254),
        mailto: mailto(&request.email),
        subject: one_line(&request.subject, waiterix_domain::support::MAX_SUBJECT_CHARS),
        lines: paragraph(&request.message),
    };
    let subject = format!("[Waiterix Support] {} - {}", content.subject, content.restaurant);
    Envelope { id, kind: MailKind::Support, to, reply_to: Some(&request.email), subject: &subject }
        .around(&Html { content: &content }, &Text { content: &content })
}
