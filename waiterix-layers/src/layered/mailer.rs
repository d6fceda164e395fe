//! [`Mailer`] with something around every call.
//!
//! A mailer words two failures as outcomes: "not now" and "nobody knows". A wrapper must see them as the failures they
//! are, to send again after the first, never after the second, and to count both; and where a wrapper fails (a time-out,
//! say), the caller must get the outcome. So outcomes become errors on the way out of the mailer and outcomes again on
//! the way to the caller.

use std::sync::Arc;

use async_trait::async_trait;
use waiterix_ports::{Error, ErrorKind, Mail, Mailer, Outcome, Result, Retry};

use crate::around::{Around, Call, Layered, Wrap};
use crate::operation::mailer::{CHECK, IS_SUPPRESSED, SEND, SET_SUPPRESSED};

impl Wrap for dyn Mailer {
    fn wrapped(port: Arc<Self>, around: impl Around) -> Arc<Self> {
        Arc::new(Layered { port, around })
    }
}

/// An answer as wrappers see it.
fn with_failures(answer: Result<Outcome>) -> Result<Outcome> {
    let failed = |kind, retry| Err(Error::new(kind, SEND.name).retry(retry));
    match answer {
        Ok(Outcome::RetryLater { after: Some(after) }) => failed(ErrorKind::Throttled, Retry::After(after)),
        Ok(Outcome::RetryLater { after: None }) => failed(ErrorKind::Throttled, Retry::Safe),
        Ok(Outcome::Unknown) => failed(ErrorKind::Timeout, Retry::Ambiguous),
        other => other,
    }
}

/// An answer as callers see it.
fn with_outcomes(answer: Result<Outcome>) -> Result<Outcome> {
    answer.or_else(|error| match (error.kind(), error.retry_advice()) {
        (_, Retry::Ambiguous) => Ok(Outcome::Unknown),
        (ErrorKind::Throttled, Retry::After(after)) => Ok(Outcome::RetryLater { after: Some(after) }),
        (ErrorKind::Throttled, Retry::Safe) => Ok(Outcome::RetryLater { after: None }),
        _ => Err(error),
    })
}

#[async_trait]
impl<A: Around> Mailer for Layered<dyn Mailer, A> {
    async fn send(&self, mail: &Mail) -> Result<Outcome> {
        let begin = || -> futures_util::future::BoxFuture<'_, Result<Outcome>> {
            Box::pin(async { with_failures(self.port.send(mail).await) })
        };
        with_outcomes(self.around.around(Call::new(&SEND, &begin)).await)
    }

    async fn set_suppressed(&self, address: &str, suppressed: bool) -> Result<()> {
        self.around
            .around(Call::new(&SET_SUPPRESSED, &|| self.port.set_suppressed(address, suppressed)))
            .await
    }

    async fn is_suppressed(&self, address: &str) -> Result<bool> {
        self.around.around(Call::new(&IS_SUPPRESSED, &|| self.port.is_suppressed(address))).await
    }

    async fn check(&self) -> Result<()> {
        self.around.around(Call::new(&CHECK, &|| self.port.check())).await
    }
}
