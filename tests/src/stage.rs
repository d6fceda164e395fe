//! The service running on one composition, as the suite that every composition must pass sees it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;
use waiterix_backends::{Backend, given};
use waiterix_contract::eventually;
use waiterix_postgres::testing::Scratch;

use crate::client::{Client, code_in};
use crate::cloud::Cloud;
use crate::gateway::{Gateway, Payload};
use crate::gcs::Bucket;
use crate::program::Program;
use crate::resend::{self, Resend};
use crate::socket::Socket;

/// A mail as its recipient sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The subject.
    pub subject: String,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<String>,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// A running service.
#[derive(Debug)]
pub struct Stage {
    /// Where it serves.
    pub base: Url,
    origin: String,
    inbox: Inbox,
    running: Running,
}

/// What must go on while the stage stands, in the order in which it ends.
#[derive(Debug)]
struct Running {
    _program: Option<(Program, tempfile::TempDir)>,
    legacy: Option<(Scratch, Bucket)>,
    cloud: Option<(Gateway, Cloud)>,
    /// Where everything is written as well.
    _mirrored: Option<Cloud>,
}

/// Where its mail arrives.
#[derive(Debug)]
enum Inbox {
    /// In a folder, as files.
    Folder(PathBuf),
    /// At the provider of old.
    Resend(Resend),
    /// At SES.
    Ses,
}

impl Stage {
    /// Everything in one folder and one process.
    ///
    /// # Panics
    /// When it does not start.
    pub fn local() -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let variables = [("SUPPORT_EMAIL", SUPPORT), ("AI_WAITER_AVAILABLE", "true")];
        let program = Program::start(data.path(), &variables);
        let inbox = Inbox::Folder(data.path().join("mail"));
        let base = program.base.clone();
        let origin = base.origin().ascii_serialization();
        Self {
            base,
            origin,
            inbox,
            running: Running { _program: Some((program, data)), legacy: None, cloud: None, _mirrored: None },
        }
    }

    /// The providers of old: PostgreSQL for rows, sessions and events between processes, Google Cloud Storage, Resend.
    /// Nothing where a server is missing.
    ///
    /// # Panics
    /// When a server that is there does not do it.
    pub async fn legacy() -> Option<Self> {
        let (postgres, bucket) = (given(Backend::Postgres)?, Bucket::make().await?);
        let database = Scratch::migrated(&postgres).await.expect("a database");
        let resend = Resend::start().await;
        let data = tempfile::tempdir().expect("a folder");
        let mut variables = bucket.variables();
        variables.extend([
            ("WAITERIX_ADAPTERS", "legacy".to_owned()),
            ("LEGACY_DATABASE_URL", database.url().to_string()),
            ("SESSION_SECRET", "the secret of this very test".to_owned()),
            ("FRONTEND_URL", SITE.to_owned()),
            ("SUPPORT_EMAIL", SUPPORT.to_owned()),
            ("AI_WAITER_AVAILABLE", "true".to_owned()),
            ("RESEND_API_KEY", resend::KEY.to_owned()),
            ("RESEND_FROM_EMAIL", "waiterix@waiterix.example".to_owned()),
            ("RESEND_BASE_URL", resend.url.as_str().trim_end_matches('/').to_owned()),
        ]);
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let program = Program::start(data.path(), &variables);
        Some(Self {
            base: program.base.clone(),
            origin: SITE.to_owned(),
            inbox: Inbox::Resend(resend),
            running: Running {
                _program: Some((program, data)),
                legacy: Some((database, bucket)),
                cloud: None,
                _mirrored: None,
            },
        })
    }

    /// Amazon Web Services: the functions behind an API Gateway, on RDS, S3, SES, ElastiCache and DynamoDB. Nothing where a
    /// server is missing.
    ///
    /// # Panics
    /// When a server that is there does not do it.
    pub async fn aws() -> Option<Self> {
        let cloud = Cloud::prepare().await?;
        let more = [("SUPPORT_EMAIL", SUPPORT.to_owned()), ("AI_WAITER_AVAILABLE", "true".to_owned())];
        let gateway = Gateway::start_with(&cloud, Payload::Http, &more).await;
        Some(Self {
            base: gateway.base.clone(),
            origin: SITE.to_owned(),
            inbox: Inbox::Ses,
            running: Running { _program: None, legacy: None, cloud: Some((gateway, cloud)), _mirrored: None },
        })
    }

    /// The old providers and Amazon Web Services at once, in the middle of a move: everything is mirrored, and the old ones lead.
    /// Nothing where a server is missing.
    ///
    /// # Panics
    /// When a server that is there does not do it.
    pub async fn dual() -> Option<Self> {
        let (postgres, bucket) = (given(Backend::Postgres)?, Bucket::make().await?);
        let cloud = Cloud::prepare().await?;
        let database = Scratch::migrated(&postgres).await.expect("a database");
        let resend = Resend::start().await;
        let data = tempfile::tempdir().expect("a folder");
        let mut variables = cloud.variables();
        variables.extend(bucket.variables());
        variables.extend([
            ("WAITERIX_ADAPTERS", "dual".to_owned()),
            ("LEGACY_DATABASE_URL", database.url().to_string()),
            ("SUPPORT_EMAIL", SUPPORT.to_owned()),
            ("AI_WAITER_AVAILABLE", "true".to_owned()),
            ("RESEND_API_KEY", resend::KEY.to_owned()),
            ("RESEND_FROM_EMAIL", "waiterix@waiterix.example".to_owned()),
            ("RESEND_BASE_URL", resend.url.as_str().trim_end_matches('/').to_owned()),
        ]);
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (status, output, complaints) = crate::program::run(&["migrate", "start"], &variables);
        assert!(status.success(), "{output}{complaints}");
        let program = Program::start(data.path(), &variables);
        Some(Self {
            base: program.base.clone(),
            origin: SITE.to_owned(),
            inbox: Inbox::Resend(resend),
            running: Running {
                _program: Some((program, data)),
                legacy: Some((database, bucket)),
                cloud: None,
                _mirrored: Some(cloud),
            },
        })
    }

    /// What is not looked at by the emulator of SES: where answers go. The adapter's own tests do.
    #[must_use]
    pub const fn shows_reply_to(&self) -> bool {
        !matches!(self.inbox, Inbox::Ses)
    }

    /// Whether the server chooses the code with which it closes a connection; a gateway does not let it.
    #[must_use]
    pub const fn chooses_close_codes(&self) -> bool {
        self.running.cloud.is_none()
    }

    /// Somebody who has not signed in.
    #[must_use]
    pub fn guest(&self) -> Client {
        Client::new(&self.base)
    }

    /// Somebody who signs in with a mailed code.
    pub async fn user(&self, email: &str) -> Client {
        let mut client = self.guest();
        let before = self.letters_to(email).await.len();
        client.post("/api/auth/code", &json!({ "email": email })).await;
        let code =
            async || self.letters_to(email).await.iter().skip(before).find_map(|mail| code_in(&mail.text));
        eventually(Duration::from_secs(10), "a code is mailed", async || code().await.is_some()).await;
        client.sign_in(email, &code().await.expect("a code")).await;
        client
    }

    /// The mails to an address, oldest first.
    pub async fn letters_to(&self, address: &str) -> Vec<Letter> {
        match &self.inbox {
            Inbox::Folder(folder) => letters_in(folder, address),
            Inbox::Resend(resend) => resend.letters_to(address),
            Inbox::Ses => {
                let Some((_, cloud)) = &self.running.cloud else { return Vec::new() };
                cloud.mails_to(address).await.iter().filter_map(letter_of).collect()
            }
        }
    }

    /// Opens a realtime connection; a refused handshake is its HTTP status.
    ///
    /// # Errors
    /// The status.
    pub async fn socket(&self, query: &str, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
        Socket::open(&self.base, &format!("/ws?{query}"), headers).await
    }

    /// The URL of an upload as the provider itself would have given it: an emulator's address stands for Google's.
    #[must_use]
    pub fn of_provider(&self, url: &str) -> String {
        match &self.running.legacy {
            Some((_, bucket)) => url.replace(bucket.address(), "https://storage.googleapis.com/"),
            None => url.to_owned(),
        }
    }

    /// An origin whose pages may listen with the owner's cookie.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

/// Origin of the web client.
const SITE: &str = "https://app.example.org";
/// Where support requests go.
pub const SUPPORT: &str = "support@waiterix.example";

/// A mail as the emulator of SES keeps it.
fn letter_of(mail: &Value) -> Option<Letter> {
    let part = |name: &str| mail[name].as_str().map(str::to_owned);
    Some(Letter {
        subject: part("Subject")?,
        reply_to: None,
        text: part("BodyText")?,
        html: part("BodyHtml")?,
    })
}

/// The mails to an address in a folder of files that are named in the order of their arrival.
fn letters_in(folder: &Path, address: &str) -> Vec<Letter> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    files.sort();
    let letter = |path: &PathBuf| {
        let bytes = std::fs::read(path).ok()?;
        let mail = mail_parser::MessageParser::default().parse(&bytes)?;
        let is_to = mail.to()?.first()?.address()?.eq_ignore_ascii_case(address);
        let reply_to = mail.reply_to().and_then(|to| Some(to.first()?.address()?.to_owned()));
        let [text, html] = [mail.body_text(0)?, mail.body_html(0)?].map(|part| part.replace("\r\n", "\n"));
        let subject = mail.subject()?.to_owned();
        is_to.then_some(Letter { subject, reply_to, text, html })
    };
    files.iter().filter_map(letter).collect()
}
