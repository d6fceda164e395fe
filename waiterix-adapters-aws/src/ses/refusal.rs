//! What became of a mail whose sending failed: what SES definitely refused is an outcome, what only an operator can mend
//! is `Denied`, and whatever may have been taken is `Unknown`.

use std::error::Error as _;
use std::time::Duration;

use aws_sdk_sesv2::error::SdkError;
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::DispatchFailure;
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use waiterix_ports::{Error, ErrorKind, Outcome, Result, Retry};

use super::SesSettings;
use crate::sdk;

/// The operation as errors name it.
pub(super) const SEND: &str = "ses.send";

/// What a failed sending means, with the reason for the log, which neither holds an address nor content.
pub(super) struct Refusal {
    pub(super) answer: Result<Outcome>,
    pub(super) reason: &'static str,
}

impl Refusal {
    fn outcome(outcome: Outcome, reason: &'static str) -> Self {
        Self { answer: Ok(outcome), reason }
    }

    fn rejected(reason: &'static str) -> Self {
        Self::outcome(Outcome::Rejected { reason: reason.to_owned() }, reason)
    }

    /// What no caller can mend: the sender, the account, the configuration.
    fn denied(remedy: &'static str) -> Self {
        Self { answer: Err(Error::new(ErrorKind::Denied, SEND).with("fault", remedy)), reason: remedy }
    }

    fn not_sent(error: Error, reason: &'static str) -> Self {
        Self { answer: Err(error), reason }
    }
}

/// Reads a failure. `has_left` says whether the request was handed to the connection at all.
pub(super) fn of(
    error: &SdkError<SendEmailError, HttpResponse>,
    has_left: bool,
    settings: &SesSettings,
) -> Refusal {
    match error {
        SdkError::ServiceError(refusal) => refused(error, refusal.err(), refusal.raw(), settings),
        // Credentials are fetched and the request is signed before it leaves.
        _ if !has_left => Refusal::not_sent(
            certainly_not_sent(sdk::failure(SEND, error)),
            "the request was not made: no credentials, or it cannot be signed",
        ),
        SdkError::DispatchFailure(failure) if was_never_connected(failure) => {
            const REASON: &str = "there is no connection to SES";
            let error = Error::new(ErrorKind::Unavailable, SEND).retry(Retry::Safe).with("fault", REASON);
            Refusal::not_sent(error, REASON)
        }
        _ => Refusal::outcome(Outcome::Unknown, "no answer, or none that can be understood"),
    }
}

/// An error from before the sending: whatever it left open, the mail was not taken.
pub(super) fn certainly_not_sent(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Denied | ErrorKind::Invalid => error,
        _ => Error::new(ErrorKind::Unavailable, SEND).retry(Retry::Safe).because(error),
    }
}

/// Whether the connection could not be made (refused, unknown host, time-out, TLS), so that nothing was written.
fn was_never_connected(failure: &DispatchFailure) -> bool {
    let mut cause = failure.as_connector_error().and_then(|error| error.source());
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect();
        }
        cause = error.source();
    }
    false
}

fn refused(
    error: &SdkError<SendEmailError, HttpResponse>,
    refusal: &SendEmailError,
    answer: &HttpResponse,
    settings: &SesSettings,
) -> Refusal {
    let later = |reason| Refusal::outcome(Outcome::RetryLater { after: when(answer) }, reason);
    match refusal {
        SendEmailError::MessageRejected(_) => rejected(refusal.message().unwrap_or_default(), settings),
        SendEmailError::MailFromDomainNotVerifiedException(_) => {
            Refusal::denied("the MAIL FROM domain of the sender is not verified: see its DNS records in SES")
        }
        SendEmailError::AccountSuspendedException(_) => {
            Refusal::denied("the account may send no more mail: see the account page of SES")
        }
        SendEmailError::SendingPausedException(_) => later("sending is paused in SES"),
        SendEmailError::LimitExceededException(_) => later("a quota of SES is used up"),
        SendEmailError::TooManyRequestsException(_) => later("SES takes no more mail at this rate"),
        SendEmailError::BadRequestException(_) => Refusal::rejected("SES calls the request malformed"),
        SendEmailError::NotFoundException(_) if settings.configuration_set.is_some() => Refusal::denied(
            "SES_CONFIGURATION_SET is not there: make the configuration set in this region, or unset it",
        ),
        SendEmailError::NotFoundException(_) => Refusal::denied("SES does not find what the request names"),
        _ => unlisted(sdk::failure(SEND, error), answer),
    }
}

/// A rejected message: the code is the same for a sender and for a recipient that is not verified, so SES's own words,
/// which list the addresses, must tell them apart.
fn rejected(message: &str, settings: &SesSettings) -> Refusal {
    let message = message.to_lowercase();
    let domain = settings.from.rsplit_once('@').map_or("", |(_, domain)| domain);
    let listed = message.rsplit_once(':').map_or("", |(_, list)| list);
    let names = |name: &str| listed.split(',').any(|listed| listed.trim() == name.to_lowercase());
    if !message.contains("not verified") {
        Refusal::rejected("SES refuses the content")
    } else if names(&settings.from) || names(domain) {
        Refusal::denied("the sender is not verified: verify SES_FROM_EMAIL, or its domain, in this region")
    } else {
        Refusal::rejected("the recipient is not verified, and this account of SES is in the sandbox")
    }
}

/// A refusal that is not one of the operation's own: by status and code as for all services.
fn unlisted(error: Error, answer: &HttpResponse) -> Refusal {
    let status = answer.status().as_u16();
    match error.kind() {
        ErrorKind::Throttled => Refusal::outcome(
            Outcome::RetryLater { after: when(answer) },
            "SES takes no more mail: rate or daily quota",
        ),
        ErrorKind::Denied => Refusal::not_sent(error, "the credentials are refused"),
        // A server that fails may have failed after it took the mail, and there is no way to ask. A success that cannot
        // be understood is none of these, but not a refusal either.
        _ if status < 400 => Refusal::outcome(Outcome::Unknown, "the answer cannot be understood"),
        _ if status >= 500 || status == 408 => Refusal::outcome(Outcome::Unknown, "SES failed"),
        _ => Refusal::rejected("SES refuses the request"),
    }
}

/// When to try again, if the answer says so: in seconds, or in Amazon's own header in milliseconds.
fn when(answer: &HttpResponse) -> Option<Duration> {
    let number = |name| answer.headers().get(name).and_then(|value| value.trim().parse::<u64>().ok());
    let millis = number("x-amz-retry-after").map(Duration::from_millis);
    millis.or_else(|| number("retry-after").map(Duration::from_secs))
}
