//! Mail through Resend.
//!
//! - **A request is repeated only with its key.** Every sending carries the mail's id as `Idempotency-Key`, which Resend
//!   remembers for 24 hours: the same request again is answered as the first was, and sends nothing. So after a lost answer,
//!   a failure of the server or an answer without a message id the same bytes are sent again, within the time of the call.
//!   What is still open then is [`Outcome::Unknown`]: once an attempt may have been taken, only a message id settles it.
//! - **A ledger belongs around it** (`waiterix_layers::ledger`, decision 16): Resend does not say whether an answer is of now
//!   or of before, forgets after a day, and knows nothing of mail that went out through SES.
//! - **So does a suppression list** (`waiterix_layers::suppression`, decision 23): Resend keeps one, but it can be asked and
//!   set by invited accounts only. What bounces and who complains is said by its [`webhook`].
//! - **The key** is configured, or handed out by the connector of the hosting platform. Then it is kept for five minutes, and
//!   asked for again when it is refused.
//!
//! Logs name a mail by its kind, its provider's id and digests: no address, no subject, no content.

mod api;
mod credentials;
mod settings;
mod verdict;
pub mod webhook;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use reqwest::{Client, StatusCode, redirect};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep, timeout_at};
use waiterix_ports::mailer::{ascii_address, fault_of, is_address, normalised_address};
use waiterix_ports::{Clock, Error, ErrorKind, Mail, Mailer, Outcome, Result, Retry};

pub use settings::{ResendAccess, ResendSettings, ResendTime};

use api::{Answer, Api, Failure, Request, Tag};
use credentials::{Credentials, Keeper};
use verdict::{Refusal, Verdict};

const SEND: &str = "resend.send";
const CHECK: &str = "resend.check";
/// Attempts of one sending, not counting one that was made again with another key.
const ATTEMPTS: usize = 4;
/// The pause before the second attempt; it doubles with each further one, and up to as much again is added by chance.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Mail through Resend. It keeps no suppression list.
pub struct ResendMailer {
    api: Api,
    keeper: Keeper,
    time: ResendTime,
}

impl fmt::Debug for ResendMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResendMailer").field("keeper", &self.keeper).finish_non_exhaustive()
    }
}

impl ResendMailer {
    /// A mailer with these settings. Asks no server. `clock` says how old the connector's credentials are.
    ///
    /// # Errors
    /// `Invalid` when the machine has no TLS to offer.
    pub fn open(settings: ResendSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        if settings.webhook_secret.is_none() {
            tracing::warn!("RESEND_WEBHOOK_SECRET is not set: nobody hears of bounces and complaints");
        }
        // Harmless when another part of the process has installed one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .connect_timeout(settings.time.connect)
            .redirect(redirect::Policy::none())
            .user_agent("waiterix")
            .build()
            .map_err(|error| Error::new(ErrorKind::Invalid, "resend.open").because(error))?;
        let keeper = Keeper::new(settings.access, client.clone(), clock, settings.time.attempt);
        Ok(Self { api: Api::new(client, settings.base_url), keeper, time: settings.time })
    }

    /// Sends a mail that was checked, to addresses as Resend takes them.
    async fn transmit(&self, mail: &Mail, to: &str, reply_to: Option<&str>) -> Result<Outcome> {
        // An attempt that has begun has the time to connect and a little more: out of time while connecting would look like
        // a lost answer.
        let begin = Instant::now();
        let end = begin + self.time.call;
        let last_begin = begin + self.time.call.saturating_sub(self.time.connect + FIRST_PAUSE);
        let mut pauses = pauses(mail);
        // Whether an earlier attempt may have been taken, and whether the key was changed.
        let (mut is_open, mut is_renewed) = (false, false);
        loop {
            let credentials = match timeout_at(last_begin, self.keeper.current()).await {
                Ok(Ok(credentials)) => credentials,
                Ok(Err(error)) if !is_open => return Err(not_sent(mail, error)),
                Err(_) if !is_open => return Err(not_sent(mail, no_credentials_in_time())),
                _ => return Ok(told(mail, Outcome::Unknown, "an earlier attempt may have been taken")),
            };
            let body = body(mail, &credentials, to, reply_to)?;
            let limit = self.time.attempt.min(end.saturating_duration_since(Instant::now()));
            let verdict = verdict::of(&self.api.send(&credentials.key, &mail.id, &body, limit).await);
            is_open |= matches!(verdict, Verdict::Open(_));
            let asked_for = match &verdict {
                Verdict::Denied { by_key: true, .. } if !is_renewed => {
                    is_renewed = true;
                    let another = self.keeper.has_another_than(&credentials.key);
                    if timeout_at(last_begin, another).await.unwrap_or(false) {
                        continue;
                    }
                    None
                }
                Verdict::Later { after, soon: true, .. } => Some(after.unwrap_or_default()),
                Verdict::Unreached(_) | Verdict::Open(_) => Some(Duration::ZERO),
                _ => None,
            };
            let pause = asked_for.and_then(|time| Some(time + pauses.next()?));
            match pause.filter(|pause| Instant::now() + *pause < last_begin) {
                Some(pause) => {
                    tracing::debug!(reason = verdict.reason(), mail = name(mail), "the mail is sent again");
                    sleep(pause).await;
                }
                None => return settled(mail, verdict, is_open),
            }
        }
    }

    /// Asks with credentials that are renewed once when they are refused.
    async fn ask_for_domains(&self) -> Result<(Answer, Credentials)> {
        let credentials = self.keeper.current().await?;
        let answer = self.api.domains(&credentials.key, self.time.attempt).await.map_err(unreached)?;
        if !is_refusal_of_key(&answer) || !self.keeper.has_another_than(&credentials.key).await {
            return Ok((answer, credentials));
        }
        let credentials = self.keeper.current().await?;
        let answer = self.api.domains(&credentials.key, self.time.attempt).await.map_err(unreached)?;
        Ok((answer, credentials))
    }
}

/// What remains to be said of a mail after the last attempt.
fn settled(mail: &Mail, verdict: Verdict, is_open: bool) -> Result<Outcome> {
    let reason = verdict.reason();
    match verdict {
        Verdict::Taken(message_id) => {
            let (kind, mail, recipient) = (mail.kind.as_str(), name(mail), recipient(mail));
            tracing::info!(message_id, kind, mail, recipient, "mail taken by Resend");
            Ok(Outcome::Accepted { message_id })
        }
        // Even a conflict: the other request may be the earlier attempt, made with another sender.
        _ if is_open => Ok(told(mail, Outcome::Unknown, reason)),
        Verdict::Open(_) => Ok(told(mail, Outcome::Unknown, reason)),
        Verdict::Conflict(_) => Ok(told(mail, Outcome::Conflict, reason)),
        Verdict::Rejected(reason) => Ok(told(mail, Outcome::Rejected { reason: reason.to_owned() }, reason)),
        Verdict::Later { after, .. } => Ok(told(mail, Outcome::RetryLater { after }, reason)),
        Verdict::Denied { .. } => {
            Err(not_sent(mail, Error::new(ErrorKind::Denied, SEND).with("fault", reason)))
        }
        Verdict::Unreached(_) => {
            let error = Error::new(ErrorKind::Unavailable, SEND).retry(Retry::Safe).with("fault", reason);
            Err(not_sent(mail, error))
        }
    }
}

/// The pauses between the attempts to send a mail. The chance in them comes from the mail's id: mails that failed together
/// do not come back together.
fn pauses(mail: &Mail) -> impl Iterator<Item = Duration> + Send + use<> {
    let digest = Sha256::digest(mail.id.as_str());
    let seed = digest.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte));
    ExponentialBuilder::new()
        .with_factor(2.0)
        .with_min_delay(FIRST_PAUSE)
        .with_max_times(ATTEMPTS - 1)
        .with_jitter()
        .with_jitter_seed(seed)
        .build()
}

fn body(mail: &Mail, credentials: &Credentials, to: &str, reply_to: Option<&str>) -> Result<Vec<u8>> {
    let (kind, mail_name) = (mail.kind.as_str(), name(mail));
    let request = Request {
        from: &credentials.from,
        to: [to],
        subject: &mail.subject,
        html: &mail.html,
        text: &mail.text,
        reply_to,
        tags: [Tag { name: "kind", value: kind }, Tag { name: "mail", value: &mail_name }],
    };
    serde_json::to_vec(&request).map_err(|error| Error::new(ErrorKind::Invalid, SEND).because(error))
}

/// The mail's id as a tag may hold it: ids have characters that tags must not have, and events and logs need only
/// recognise them.
fn name(mail: &Mail) -> String {
    format!("{:x}", Sha256::digest(mail.id.as_str()))
}

/// What stands in logs for the recipient.
fn recipient(mail: &Mail) -> String {
    let mut digest = format!("{:x}", Sha256::digest(normalised_address(&mail.to)));
    digest.truncate(16);
    digest
}

fn warn(mail: &Mail, outcome: &'static str, reason: &str) {
    let (kind, mail, recipient) = (mail.kind.as_str(), name(mail), recipient(mail));
    tracing::warn!(outcome, reason, kind, mail, recipient, "mail not sent, or not for certain");
}

/// Tells of an outcome that is no success.
fn told(mail: &Mail, outcome: Outcome, reason: &str) -> Outcome {
    let word = match outcome {
        Outcome::Conflict => "conflict",
        Outcome::Rejected { .. } => "rejected",
        Outcome::RetryLater { .. } => "retry later",
        _ => "unknown",
    };
    warn(mail, word, reason);
    outcome
}

/// Tells of a failure after which the mail was certainly not taken.
fn not_sent(mail: &Mail, error: Error) -> Error {
    warn(mail, error.kind().as_str(), &error.to_string());
    error
}

fn no_credentials_in_time() -> Error {
    Error::new(ErrorKind::Unavailable, SEND)
        .retry(Retry::Safe)
        .with("fault", "the connector hands out no credentials in time")
}

fn unreached(failure: Failure) -> Error {
    let (kind, fault) = match failure {
        Failure::NeverSent => (ErrorKind::Denied, "the key or the address of Resend cannot be used"),
        Failure::NotConnected => (ErrorKind::Unavailable, "there is no connection to Resend"),
        Failure::Lost => (ErrorKind::Unavailable, "no answer"),
    };
    let retry = if kind == ErrorKind::Denied { Retry::No } else { Retry::Safe };
    Error::new(kind, CHECK).retry(retry).with("fault", fault)
}

/// Whether a question about domains was refused because of the key. There is nothing else in it that could be wrong.
fn is_refusal_of_key(answer: &Answer) -> bool {
    let elsewhere = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    answer.status.is_client_error() && !elsewhere.contains(&answer.status) && !may_only_send(answer)
}

/// A key that may do nothing but send is refused everything else, which proves it.
fn may_only_send(answer: &Answer) -> bool {
    answer.status == StatusCode::UNAUTHORIZED && Refusal::of(answer).name == "restricted_api_key"
}

/// The domains of an account, as far as they are of interest.
#[derive(Deserialize)]
struct Domains {
    data: Vec<Domain>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Domain {
    name: String,
    status: String,
}

/// What an operator should know of the domain of a sender.
fn fault_of_domain(domains: &Domains, from: &str) -> Option<&'static str> {
    let address = settings::sender_address(from).unwrap_or_default();
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
    match domains.data.iter().find(|known| known.name.eq_ignore_ascii_case(domain)) {
        Some(known) if known.status == "verified" => None,
        Some(_) => Some("the domain of RESEND_FROM_EMAIL is not verified"),
        None if domains.has_more => None,
        None => Some("the domain of RESEND_FROM_EMAIL is not known to the account"),
    }
}

fn not_ascii() -> Outcome {
    Outcome::Rejected { reason: "Resend carries no address with such characters".to_owned() }
}

/// The service's own list stands in front of this mailer.
fn listless(address: &str, operation: &'static str) -> Error {
    if !is_address(address) {
        return Error::new(ErrorKind::Invalid, operation).with("fault", "address is malformed");
    }
    Error::new(ErrorKind::Unsupported, operation)
        .with("fault", "Resend's list is not open to be asked or set")
}

#[async_trait]
impl Mailer for ResendMailer {
    async fn send(&self, mail: &Mail) -> Result<Outcome> {
        if let Some(fault) = fault_of(mail) {
            return Ok(Outcome::Rejected { reason: fault.to_owned() });
        }
        let Some(to) = ascii_address(&mail.to) else { return Ok(not_ascii()) };
        let reply_to = match mail.reply_to.as_deref().map(ascii_address) {
            Some(None) => return Ok(not_ascii()),
            Some(address) => address,
            None => None,
        };
        self.transmit(mail, &to, reply_to.as_deref()).await
    }

    async fn set_suppressed(&self, address: &str, _: bool) -> Result<()> {
        Err(listless(address, "resend.set_suppressed"))
    }

    async fn is_suppressed(&self, address: &str) -> Result<bool> {
        if is_address(address) { Err(listless(address, "resend.is_suppressed")) } else { Ok(false) }
    }

    /// Asks for the domains of the account, and warns when the sender's is not ready. A key that may only send is not told,
    /// which proves it as well.
    async fn check(&self) -> Result<()> {
        let (answer, credentials) = self.ask_for_domains().await?;
        let failed = |kind, retry, fault: &'static str| {
            Err(Error::new(kind, CHECK)
                .retry(retry)
                .with("status", answer.status.as_u16())
                .with("fault", fault))
        };
        if may_only_send(&answer) {
            return Ok(());
        }
        if is_refusal_of_key(&answer) {
            return failed(ErrorKind::Denied, Retry::No, "the key is refused: check RESEND_API_KEY");
        }
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            let retry = answer.retry_after.map_or(Retry::Safe, Retry::After);
            return failed(ErrorKind::Throttled, retry, "Resend takes no more questions at this rate");
        }
        if answer.status != StatusCode::OK {
            return failed(ErrorKind::Unavailable, Retry::Safe, "Resend failed");
        }
        let Ok(domains) = serde_json::from_slice::<Domains>(&answer.body) else {
            return failed(ErrorKind::Unavailable, Retry::Safe, "the answer cannot be understood");
        };
        if let Some(fault) = fault_of_domain(&domains, &credentials.from) {
            tracing::warn!(fault, "Resend answers, but mail may not go out");
        }
        Ok(())
    }
}
