//! What the contract of `Mailer` does not say about this adapter.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mail_parser::{MessageParser, MimeHeaders as _};
use proptest::prelude::*;
use tempfile::TempDir;
use waiterix_contract::ManualClock;
use waiterix_domain::Timestamp;
use waiterix_ports::{ErrorKind, Mail, MailId, MailKind, Mailer, Outcome};

use super::{EmlMailer, letter};

async fn open(dir: &Path) -> EmlMailer {
    EmlMailer::open(dir, "no-reply@waiterix.example", Arc::new(ManualClock::default())).await.unwrap()
}

fn mail(id: &str) -> Mail {
    Mail {
        id: MailId::new(id).unwrap(),
        kind: MailKind::SignInCode,
        to: "owner@restaurant.example".to_owned(),
        reply_to: Some("answers@waiterix.example".to_owned()),
        subject: "Your code".to_owned(),
        html: "<p>Your code is <b>123456</b></p>".to_owned(),
        text: "Your code is 123456".to_owned(),
    }
}

fn letters(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "eml")).collect()
}

fn accepted(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Accepted { message_id } => Some(message_id),
        _ => None,
    }
}

fn written(mail: &Mail) -> Vec<u8> {
    let envelope = letter::Envelope {
        from: "no-reply@waiterix.example",
        message_id: "1@waiterix.example",
        date: Timestamp::parse("2025-01-31T09:05:07Z").unwrap(),
    };
    letter::write(mail, &envelope).unwrap()
}

/// Line ends of text in mails are CR LF.
fn lf(text: &str) -> String {
    text.replace("\r\n", "\n")
}

fn assert_arrives(mail: &Mail) {
    let bytes = written(mail);
    for line in bytes.split(|byte| *byte == b'\n') {
        assert!(line.len() <= 998, "a line of {} bytes", line.len());
    }
    let message = MessageParser::new().parse(&bytes).unwrap();
    let address = |list: Option<&mail_parser::Address<'_>>| {
        list.and_then(|list| list.first()).and_then(|address| address.address()).map(str::to_owned)
    };
    assert_eq!(message.subject().unwrap_or_default(), mail.subject);
    assert_eq!(address(message.from()).as_deref(), Some("no-reply@waiterix.example"));
    assert_eq!(address(message.to()), Some(mail.to.clone()));
    assert_eq!(address(message.reply_to()), mail.reply_to);
    assert_eq!(message.message_id(), Some("1@waiterix.example"));
    assert_eq!(message.date().unwrap().to_rfc3339(), "2025-01-31T09:05:07Z");
    assert!(message.cc().is_none() && message.bcc().is_none());
    assert_eq!(message.content_type().unwrap().subtype(), Some("alternative"));
    assert_eq!((message.text_body_count(), message.html_body_count()), (1, 1));
    assert_eq!(lf(&message.body_text(0).unwrap()), lf(&mail.text));
    assert_eq!(lf(&message.body_html(0).unwrap()), lf(&mail.html));
}

#[tokio::test]
async fn a_developer_finds_the_code_in_the_one_file_of_the_folder() {
    let dir = TempDir::new().unwrap();
    let mailer = open(dir.path()).await;
    let outcome = mailer.send(&mail("code/1")).await.unwrap();
    let file = letters(dir.path()).remove(0);
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("2025-01-31T09-05-07.000Z-"), "{name}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\r\nYour code is 123456\r\n"), "{text}");
    assert!(text.contains("Subject: Your code\r\n"), "{text}");
    assert!(text.contains("Date: Fri, 31 Jan 2025 09:05:07 +0000\r\n"), "{text}");
    assert!(text.contains(&format!("Message-ID: <{}>\r\n", accepted(&outcome).unwrap())), "{text}");
}

#[test]
fn subjects_texts_and_pages_arrive_as_they_were_rendered() {
    let mut one = mail("1");
    for subject in [
        "",
        " ",
        "Order Receipt #1A2B3C4D - Café Zürich",
        "領収書 – レストラン 🍜🍜🍜 Ünïcödé and a long tail so that it has to be folded more than once, twice",
        "=?utf-8?Q?looks_encoded=0D=0ABcc:_x@y.z?=",
        " blanks  around and  inside ",
        "a subject of ASCII words that is so long that its line has to be folded somewhere",
        &"x".repeat(200),
        &"é".repeat(200),
        "question? equals= under_score",
    ] {
        subject.clone_into(&mut one.subject);
        assert_arrives(&one);
    }
    one.subject = "Subject".to_owned();
    for text in [
        "line\nline\n\n.\nFrom here\n--boundary\n",
        "é\nü = €\t\n trailing blank \nend",
        &"long line without any blank ".repeat(400),
        &"ä".repeat(3000),
        "🍜",
        "a\u{0}b\rc\u{1b}[0m",
        "=3D literal = signs =\n=20",
        "\n",
    ] {
        text.clone_into(&mut one.text);
        one.html = format!("<p>{text}</p>");
        assert_arrives(&one);
    }
    one.to = "ü@exämple.org".to_owned();
    one.reply_to = None;
    assert_arrives(&one);
}

proptest! {
    #[test]
    fn any_subject_and_any_text_arrives(subject in "\\PC{0,200}", text in "(?s).{1,400}", html in "\\PC{1,400}") {
        let mut one = mail("1");
        one.subject = subject;
        one.text = text;
        one.html = html;
        assert_arrives(&one);
    }
}

#[tokio::test]
async fn no_header_can_be_smuggled_in() {
    let dir = TempDir::new().unwrap();
    let mailer = open(dir.path()).await;
    let mut bad = [mail("1"), mail("2"), mail("3"), mail("4")];
    bad[0].subject = "Hi\r\nBcc: victim@example.org".to_owned();
    bad[1].to = "a@b.example\r\nBcc: victim@example.org".to_owned();
    bad[2].reply_to = Some("a@b.example>\nBcc: victim@example.org".to_owned());
    bad[3].subject = "Hi\u{85}there\u{0}".to_owned();
    for mail in &bad {
        let outcome = mailer.send(mail).await.unwrap();
        assert!(
            matches!(&outcome, Outcome::Rejected { reason } if !reason.contains("victim")),
            "{outcome:?}"
        );
    }
    assert!(letters(dir.path()).is_empty());
    let clock = Arc::new(ManualClock::default());
    let bad_sender = EmlMailer::open(dir.path(), "a@b.example\r\nBcc: c@d.example", clock).await;
    assert_eq!(bad_sender.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn ids_and_suppressions_outlive_a_restart_and_mails_may_be_deleted() {
    let dir = TempDir::new().unwrap();
    let mailer = open(dir.path()).await;
    let outcome = mailer.send(&mail("1")).await.unwrap();
    let message_id = accepted(&outcome).unwrap().to_owned();
    mailer.set_suppressed("gone@restaurant.example", true).await.unwrap();
    drop(mailer);
    let mailer = open(dir.path()).await;
    assert!(mailer.is_suppressed("gone@RESTAURANT.example").await.unwrap());
    fs::remove_file(&letters(dir.path())[0]).unwrap();
    assert_eq!(mailer.send(&mail("1")).await.unwrap(), Outcome::Duplicate { message_id });
    assert!(letters(dir.path()).is_empty());
}

#[tokio::test]
async fn a_mail_recorded_but_not_written_before_a_crash_is_written_by_the_next_send_as_it_was() {
    let dir = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::default());
    let from = "no-reply@waiterix.example";
    let mailer = EmlMailer::open(dir.path(), from, clock.clone()).await.unwrap();
    let first = mailer.send(&mail("1")).await.unwrap();
    let file = letters(dir.path()).remove(0);
    let text = fs::read_to_string(&file).unwrap();
    // The state after a crash between the record of the id and the mail.
    fs::remove_file(&file).unwrap();
    for record in fs::read_dir(dir.path().join(".ids")).unwrap().map(|file| file.unwrap().path()) {
        if record.extension().is_some_and(|extension| extension == "done") {
            fs::remove_file(record).unwrap();
        }
    }
    fs::write(dir.path().join(".unfinished/half"), "Subject: hal").unwrap();
    clock.advance(Duration::from_secs(3600));
    let mailer = EmlMailer::open(dir.path(), from, clock).await.unwrap();
    assert_eq!(fs::read_dir(dir.path().join(".unfinished")).unwrap().count(), 0);
    let mut other = mail("1");
    other.text = "other".to_owned();
    assert_eq!(mailer.send(&other).await.unwrap(), Outcome::Conflict);
    assert_eq!(mailer.send(&mail("1")).await.unwrap(), first);
    let headers = |text: &str| text.split("\r\nContent-Type").next().unwrap().to_owned();
    assert_eq!(headers(&fs::read_to_string(&file).unwrap()), headers(&text));
    assert!(matches!(mailer.send(&mail("1")).await.unwrap(), Outcome::Duplicate { .. }));
    assert_eq!(letters(dir.path()).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_sends_through_two_mailers_on_one_folder_exactly_one_sends() {
    let dir = TempDir::new().unwrap();
    let (one, two) = tokio::join!(open(dir.path()), open(dir.path()));
    for round in 0..10 {
        let mut sends = tokio::task::JoinSet::new();
        for number in 0..8 {
            let mailer = if number % 2 == 0 { one.clone() } else { two.clone() };
            sends.spawn(async move { mailer.send(&mail(&format!("{round}"))).await.unwrap() });
        }
        let outcomes = sends.join_all().await;
        let ids: Vec<_> = outcomes.iter().filter_map(accepted).collect();
        assert_eq!(ids.len(), 1, "{outcomes:?}");
        let duplicate = Outcome::Duplicate { message_id: ids[0].to_owned() };
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == duplicate).count(), 7);
    }
    assert_eq!(letters(dir.path()).len(), 10);
    assert_eq!(fs::read_dir(dir.path().join(".unfinished")).unwrap().count(), 0);
}

#[tokio::test]
async fn neither_names_nor_records_hold_an_address_or_an_id() {
    let dir = TempDir::new().unwrap();
    let mailer = open(dir.path()).await;
    mailer.send(&mail("receipt/secret-order")).await.unwrap();
    mailer.set_suppressed("owner@restaurant.example", true).await.unwrap();
    for sub in [".ids", ".suppressed"] {
        for file in fs::read_dir(dir.path().join(sub)).unwrap().map(|file| file.unwrap().path()) {
            let told = format!("{file:?} {}", fs::read_to_string(&file).unwrap());
            assert!(!told.contains("owner") && !told.contains("secret-order"), "{told}");
        }
    }
    let shown = format!("{mailer:?}");
    assert!(!shown.contains('@'), "{shown}");
}

#[cfg(unix)]
#[tokio::test]
async fn mails_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let outer = TempDir::new().unwrap();
    let dir = outer.path().join("mails");
    let mailer = open(&dir).await;
    mailer.send(&mail("1")).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&letters(&dir)[0]), 0o600);
    for record in fs::read_dir(dir.join(".ids")).unwrap() {
        assert_eq!(mode(&record.unwrap().path()), 0o600);
    }
}
