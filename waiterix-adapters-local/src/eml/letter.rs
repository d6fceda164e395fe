//! A mail as the text of an `.eml` file: RFC 5322 headers and a `multipart/alternative` body.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_builder::MessageBuilder;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::mime::MimePart;
use waiterix_domain::Timestamp;
use waiterix_ports::Mail;

/// What a mail does not say about its letter.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) from: &'a str,
    /// Without angle brackets.
    pub(super) message_id: &'a str,
    pub(super) date: Timestamp,
}

/// Writes a mail whose addresses and subject were checked.
pub(super) fn write(mail: &Mail, envelope: &Envelope<'_>) -> io::Result<Vec<u8>> {
    let mut letter = MessageBuilder::new()
        .from(envelope.from)
        .to(mail.to.as_str())
        .date(Date::new(envelope.date.as_seconds()))
        .message_id(envelope.message_id)
        .body(MimePart::new(
            "multipart/alternative",
            vec![part("text/plain", &mail.text), part("text/html", &mail.html)],
        ));
    if let Some(reply_to) = &mail.reply_to {
        letter = letter.reply_to(reply_to.as_str());
    }
    let mut bytes = format!("Subject: {}\r\n", subject(&mail.subject)).into_bytes();
    letter.write_to(&mut bytes)?;
    Ok(bytes)
}

/// The longest subject that fits on one line of 76 characters behind the name of the header.
const PLAIN_SUBJECT_BYTES: usize = 66;
/// How many bytes fit into an encoded word so that the line with the name of the header keeps to 76 characters.
const WORD_BYTES: usize = 39;

/// A subject as the value of its header: as it is where every reader will understand it so, else in encoded words
/// (RFC 2047). The library would leave ASCII text as it is that merely looks encoded, and folds with an extra tab.
fn subject(text: &str) -> String {
    let is_plain = text.len() <= PLAIN_SUBJECT_BYTES
        && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
        && text.trim() == text
        && !text.contains("  ")
        && !text.contains("=?");
    if is_plain {
        return text.to_owned();
    }
    let mut words = vec![String::new()];
    for character in text.chars() {
        match words.last_mut() {
            Some(word) if word.len() + character.len_utf8() <= WORD_BYTES => word.push(character),
            _ => words.push(character.to_string()),
        }
    }
    let encoded: Vec<_> = words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
    encoded.join("\r\n\t")
}

/// One of the two parts. Readable where it can be, so that a developer finds the code in the file; text with control
/// characters, which no other encoding carries unharmed, in base64.
fn part<'a>(content_type: &'static str, text: &'a str) -> MimePart<'a> {
    let is_text = text.replace("\r\n", "\n").chars().all(|c| !c.is_control() || c == '\n' || c == '\t');
    if is_text {
        return MimePart::new(content_type, text);
    }
    let encoded = STANDARD.encode(text);
    let mut lines = String::with_capacity(encoded.len() + encoded.len() / 38 + 2);
    for (place, character) in encoded.chars().enumerate() {
        if place > 0 && place % 76 == 0 {
            lines.push_str("\r\n");
        }
        lines.push(character);
    }
    let content_type = ContentType::new(content_type).attribute("charset", "utf-8");
    MimePart::new(content_type, lines).transfer_encoding("base64")
}
