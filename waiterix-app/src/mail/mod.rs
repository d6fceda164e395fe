//! Mails: rendered here, completely, and only transmitted by the port.
//!
//! Each mail has an HTML and a text part made from one model. The HTML templates escape every value; values that must be
//! one line are made so before. Nothing from outside reaches a header but through [`one_line`](waiterix_domain::line).

mod code;
mod receipt;
mod support;

pub use code::sign_in_code;
pub use receipt::receipt;
pub use support::support;

use askama::Template;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use waiterix_domain::line::{one_line, turns_direction};
use waiterix_ports::mailer::{MAX_SUBJECT_CHARS, MailId, MailKind};
use waiterix_ports::{Error, ErrorKind, Mail};

/// Renders one part of a mail.
///
/// # Errors
/// `Corrupt` when a template cannot be rendered, which would be a fault of ours.
fn rendered(template: &impl Template) -> Result<String, Error> {
    template.render().map_err(|error| Error::new(ErrorKind::Corrupt, "mail.render").because(error))
}

/// What every mail has.
struct Envelope<'a> {
    id: MailId,
    kind: MailKind,
    to: &'a str,
    reply_to: Option<&'a str>,
    subject: &'a str,
}

impl Envelope<'_> {
    fn around(self, html: &impl Template, text: &impl Template) -> Result<Mail, Error> {
        Ok(Mail {
            id: self.id,
            kind: self.kind,
            to: self.to.to_owned(),
            reply_to: self.reply_to.map(str::to_owned),
            subject: one_line(self.subject, MAX_SUBJECT_CHARS),
            html: rendered(html)?,
            text: rendered(text)?,
        })
    }
}

/// The characters of an address that stay as they are in a `mailto:` link.
const MAILTO: &AsciiSet = &NON_ALPHANUMERIC.remove(b'@').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// A link that writes to an address; whatever the address holds, it can neither leave the attribute nor add a header.
fn mailto(address: &str) -> String {
    format!("mailto:{}", utf8_percent_encode(address, MAILTO))
}

/// A text of several lines as such: other control characters become blanks, and no line turns the direction of others.
fn paragraph(text: &str) -> Vec<String> {
    let clean = |line: &str| {
        let visible = line.chars().filter(|c| !turns_direction(*c));
        visible.map(|c| if c.is_control() { ' ' } else { c }).collect::<String>()
    };
    text.lines().map(|line| clean(line).trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m1_a_mail_link_is_percent_encoded() {
        assert_eq!(mailto("ada+tag@example.org"), "mailto:ada%2Btag@example.org");
        assert_eq!(mailto("a\"><script>@x.y?bcc=z"), "mailto:a%22%3E%3Cscript%3E@x.y%3Fbcc%3Dz");
    }

    #[test]
    fn a_paragraph_keeps_its_lines_and_nothing_invisible() {
        assert_eq!(paragraph("a\r\nb\u{0}c\u{202e}\n\nd \u{1b}[2J"), ["a", "b c", "", "d  [2J"]);
    }
}
