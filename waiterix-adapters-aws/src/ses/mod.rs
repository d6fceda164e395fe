//! Mail through SES, version 2 of its interface.
//!
//! - **Sending is never repeated by the SDK.** SES has no idempotency token: a request sent again is a second mail. A
//!   lost answer is [`Outcome::Unknown`], and a ledger around this adapter keeps the promises about ids that it cannot
//!   give: `waiterix_layers::ledger`, decision 16.
//! - **The suppression list is the account's.** SES takes a mail to a suppressed address and does not deliver it, so
//!   the address is looked up before every send. The look-up may be repeated; it also proves the connection that the
//!   mail goes out on, so that a connection which died in a frozen function costs no mail.
//! - **Nothing is rendered here.** SES accepts a template that lacks data and sends nothing, so the mail arrives
//!   complete.
//!
//! It needs the permissions `ses:SendEmail`, `ses:GetSuppressedDestination`, `ses:PutSuppressedDestination`,
//! `ses:DeleteSuppressedDestination` and `ses:GetAccount`.
//!
//! Logs name a mail by its kind, its provider's id and digests: no address, no subject, no content. Only `trace` of the
//! SDK itself shows requests.

mod refusal;
mod settings;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config;
use aws_sdk_sesv2::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::operation::get_account::GetAccountOutput;
use aws_sdk_sesv2::types::{
    Body, Content, Destination, EmailContent, Message, MessageTag, SuppressionAttributes,
    SuppressionListReason,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use sha2::{Digest as _, Sha256};
use waiterix_ports::mailer::{ascii_address, fault_of, is_address, normalised_address};
use waiterix_ports::{Error, ErrorKind, Mail, Mailer, Outcome, Result};

pub use settings::SesSettings;

use crate::sdk;
use refusal::SEND;

/// The share of the daily quota from which on [`Mailer::check`] warns.
const NEARLY_ALL: f64 = 0.9;

/// Mail through SES.
pub struct SesMailer {
    client: Client,
    /// What is different for a sending: one attempt, which may take the time of all.
    once: config::Builder,
    settings: SesSettings,
}

impl fmt::Debug for SesMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SesMailer")
            .field("configuration_set", &self.settings.configuration_set)
            .finish_non_exhaustive()
    }
}

impl SesMailer {
    /// A mailer with the configuration of all AWS clients ([`sdk::config`]). Asks no server.
    #[must_use]
    pub fn open(config: &SdkConfig, settings: SesSettings) -> Self {
        if settings.configuration_set.is_none() {
            tracing::warn!(
                "SES_CONFIGURATION_SET is not set: bounces and complaints of sent mail are published nowhere"
            );
        }
        let mut once = config::Builder::new().retry_config(RetryConfig::disabled());
        if let Some(time) = config.timeout_config() {
            let mut whole = time.to_builder();
            whole.set_operation_attempt_timeout(time.operation_timeout());
            once = once.timeout_config(whole.build());
        }
        Self { client: Client::new(config), once, settings }
    }

    /// Sends a mail that was checked to addresses as SES takes them.
    async fn transmit(&self, mail: &Mail, to: &str, reply_to: Option<String>) -> Result<Outcome> {
        let invalid = |error: BuildError| Error::new(ErrorKind::Invalid, SEND).because(error);
        let request = self
            .client
            .send_email()
            .from_email_address(&self.settings.from)
            .destination(Destination::builder().to_addresses(to).build())
            .set_reply_to_addresses(reply_to.map(|address| vec![address]))
            .content(content(mail).map_err(invalid)?)
            .set_configuration_set_name(self.settings.configuration_set.clone())
            .email_tags(tag("kind", mail.kind.as_str()).map_err(invalid)?)
            .email_tags(tag("mail", &name(mail)).map_err(invalid)?);
        let departure = Departure::default();
        let answer = request
            .customize()
            .config_override(self.once.clone())
            .interceptor(departure.clone())
            .send()
            .await;
        match answer {
            Ok(output) => Ok(match output.message_id.filter(|id| !id.is_empty()) {
                Some(message_id) => {
                    tracing::info!(
                        message_id,
                        kind = mail.kind.as_str(),
                        mail = name(mail),
                        recipient = recipient(mail),
                        "mail taken by SES"
                    );
                    Outcome::Accepted { message_id }
                }
                None => {
                    warn(mail, "unknown", "an answer without a message id");
                    Outcome::Unknown
                }
            }),
            Err(error) => {
                let refusal = refusal::of(&error, departure.has_happened(), &self.settings);
                warn(mail, word(&refusal.answer), refusal.reason);
                refusal.answer
            }
        }
    }

    /// Whether SES has an address, in its form for the wire, on the list of the account.
    async fn is_listed(&self, address: &str, operation: &'static str) -> Result<bool> {
        let asked = self.client.get_suppressed_destination().email_address(listed(address)).send().await;
        found(asked.map(|_| true), operation)
    }
}

/// What a call about an entry of the suppression list says: no such entry is an answer.
fn found<E>(answer: Result<bool, SdkError<E, HttpResponse>>, operation: &'static str) -> Result<bool>
where
    E: ProvideErrorMetadata,
{
    match answer {
        Ok(found) => Ok(found),
        Err(SdkError::ServiceError(refusal)) if refusal.err().code() == Some("NotFoundException") => {
            Ok(false)
        }
        Err(error) => Err(sdk::failure(operation, &error)),
    }
}

/// An address as it stands on the suppression list.
fn listed(address: &str) -> String {
    normalised_address(address)
}

fn content(mail: &Mail) -> Result<EmailContent, BuildError> {
    let utf8 = |text: &str| Content::builder().data(text).charset("UTF-8").build();
    let body = Body::builder().text(utf8(&mail.text)?).html(utf8(&mail.html)?).build();
    let message = Message::builder().subject(utf8(&mail.subject)?).body(body).build();
    Ok(EmailContent::builder().simple(message).build())
}

fn tag(name: &str, value: &str) -> Result<MessageTag, BuildError> {
    MessageTag::builder().name(name).value(value).build()
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

fn warn(mail: &Mail, outcome: &'static str, reason: &'static str) {
    tracing::warn!(
        outcome,
        reason,
        kind = mail.kind.as_str(),
        mail = name(mail),
        recipient = recipient(mail),
        "mail not sent, or not for certain"
    );
}

const fn word(answer: &Result<Outcome>) -> &'static str {
    match answer {
        Ok(Outcome::Accepted { .. }) => "accepted",
        Ok(Outcome::Duplicate { .. }) => "duplicate",
        Ok(Outcome::Conflict) => "conflict",
        Ok(Outcome::Suppressed) => "suppressed",
        Ok(Outcome::Rejected { .. }) => "rejected",
        Ok(Outcome::RetryLater { .. }) => "retry later",
        Ok(Outcome::Unknown) => "unknown",
        Err(error) => error.kind().as_str(),
    }
}

/// Notes that a request leaves: before that moment nothing can have reached SES.
#[derive(Debug, Clone, Default)]
struct Departure(Arc<AtomicBool>);

impl Departure {
    fn has_happened(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Intercept for Departure {
    fn name(&self) -> &'static str {
        "Departure"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        self.0.store(true, Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl Mailer for SesMailer {
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
        match self.is_listed(&to, "ses.send.is_suppressed").await {
            Ok(true) => {
                warn(mail, "suppressed", "the recipient is on the suppression list");
                return Ok(Outcome::Suppressed);
            }
            Ok(false) => {}
            Err(error) if error.kind() == ErrorKind::Throttled => {
                warn(mail, "retry later", "the suppression list takes no more questions at this rate");
                return Ok(Outcome::RetryLater { after: None });
            }
            Err(error) => return Err(refusal::certainly_not_sent(error)),
        }
        self.transmit(mail, &to, reply_to).await
    }

    /// SES keeps a reason with every entry and knows two. What this service finds out by itself is that an address
    /// does not take mail, so the reason is `BOUNCE`.
    async fn set_suppressed(&self, address: &str, suppressed: bool) -> Result<()> {
        const OPERATION: &str = "ses.set_suppressed";
        let wire = Some(address).filter(|address| is_address(address)).and_then(ascii_address);
        let Some(address) = wire else {
            return Err(Error::new(ErrorKind::Invalid, OPERATION).with("fault", "address is malformed"));
        };
        if suppressed {
            let put = self.client.put_suppressed_destination().email_address(listed(&address));
            let put = put.reason(SuppressionListReason::Bounce).send().await;
            put.map(|_| ()).map_err(|error| sdk::failure(OPERATION, &error))
        } else {
            let removed =
                self.client.delete_suppressed_destination().email_address(listed(&address)).send().await;
            found(removed.map(|_| true), OPERATION).map(|_| ())
        }
    }

    async fn is_suppressed(&self, address: &str) -> Result<bool> {
        let wire = Some(address).filter(|address| is_address(address)).and_then(ascii_address);
        match wire {
            Some(address) => self.is_listed(&address, "ses.is_suppressed").await,
            None => Ok(false),
        }
    }

    /// Reads the state of the account, and warns of what would keep mail from going out.
    async fn check(&self) -> Result<()> {
        let account = self.client.get_account().send().await;
        let account = account.map_err(|error| sdk::failure("ses.check", &error))?;
        for fault in faults_of(&account) {
            tracing::warn!(fault, "SES answers, but mail may not go out");
        }
        Ok(())
    }
}

fn not_ascii() -> Outcome {
    Outcome::Rejected { reason: "SES carries no address with such characters".to_owned() }
}

/// What an operator should know of an account.
fn faults_of(account: &GetAccountOutput) -> Vec<&'static str> {
    let mut faults = Vec::new();
    if !account.sending_enabled() {
        faults.push("sending is paused for this account and region");
    }
    if !account.production_access_enabled() {
        faults.push("the account is in the sandbox: only verified recipients get mail");
    }
    if account.enforcement_status().is_some_and(|status| status != "HEALTHY") {
        faults.push("the account is under review or shut down: too many bounces or complaints");
    }
    if account.send_quota().is_some_and(|quota| {
        // An unlimited quota is written as -1.
        quota.max24_hour_send() > 0.0 && quota.sent_last24_hours() >= NEARLY_ALL * quota.max24_hour_send()
    }) {
        faults.push("the quota of these 24 hours is nearly used up");
    }
    let reasons = account.suppression_attributes().map(SuppressionAttributes::suppressed_reasons);
    if [SuppressionListReason::Bounce, SuppressionListReason::Complaint]
        .iter()
        .any(|reason| !reasons.unwrap_or_default().contains(reason))
    {
        faults.push("SES does not put addresses that bounce or complain on the suppression list by itself");
    }
    faults
}

#[cfg(test)]
mod tests;
