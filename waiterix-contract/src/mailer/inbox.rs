//! Where the mail of a test ends up.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use waiterix_ports::{Mail, Mailer};

use crate::Fixture;

/// A mail as a recipient's program shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Every address it went to, whatever the header was.
    pub to: Vec<String>,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<String>,
    /// The decoded subject.
    pub subject: String,
    /// The decoded HTML part.
    pub html: String,
    /// The decoded text part.
    pub text: String,
}

impl Received {
    /// Transports write line ends in their own way and may end a part with one more, so these are made alike.
    pub(super) fn plain(mut self) -> Self {
        self.html = lines(&self.html);
        self.text = lines(&self.text);
        self
    }

    /// How a mail should arrive.
    pub(super) fn of(mail: &Mail) -> Self {
        let mail = mail.clone();
        let (to, Mail { reply_to, subject, html, text, .. }) = (vec![mail.to.clone()], mail);
        Self { to, reply_to, subject, html, text }.plain()
    }
}

fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").trim_end_matches('\n').to_owned()
}

/// What arrived.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Every mail that was sent since the fixture was made, in no order.
    async fn messages(&self) -> Vec<Received>;
}

/// A fresh mailer and where its mail ends up.
pub struct MailFixture {
    pub(super) fixture: Fixture<dyn Mailer>,
    inbox: Arc<dyn Inbox>,
}

impl fmt::Debug for MailFixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailFixture").field("fixture", &self.fixture).finish_non_exhaustive()
    }
}

impl MailFixture {
    /// A mailer whose mail can be read in an inbox.
    #[must_use]
    pub fn new(fixture: Fixture<dyn Mailer>, inbox: Arc<dyn Inbox>) -> Self {
        Self { fixture, inbox }
    }

    pub(super) fn port(&self) -> &dyn Mailer {
        &*self.fixture.port
    }

    /// What arrived, with plain line ends, sorted by subject and text.
    pub(super) async fn arrived(&self) -> Vec<Received> {
        let mut arrived: Vec<_> = self.inbox.messages().await.into_iter().map(Received::plain).collect();
        arrived.sort_by(|one, other| (&one.subject, &one.text).cmp(&(&other.subject, &other.text)));
        arrived
    }
}
