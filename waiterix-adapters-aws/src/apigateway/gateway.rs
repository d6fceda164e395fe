//! The callback side of API Gateway: posting to connections, closing them, asking whether they are there.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_apigatewaymanagement::config::{Builder, StalledStreamProtectionConfig};
use aws_sdk_apigatewaymanagement::{Client, Config};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use waiterix_ports::{Clock, Error, ErrorKind, Retry};

use super::endpoint::{Callbacks, Endpoint};
use super::item::Seat;
use super::pause;
use super::post::Poster;
use crate::sdk;

/// How long one request may take. API Gateway buffers for slow peers, so it answers at once or is in trouble.
const ATTEMPT: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(1);
/// How often a request is sent that the gateway refused for the moment; with the pauses between, less than a second.
const ATTEMPTS: u32 = 5;
/// After this time a connection that was being made is asked for a second time. Most are there by then.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// Addresses are few: stages of an API. More than this were made up.
const MAX_CLIENTS: usize = 16;

/// What is asked of the gateway for one connection.
#[derive(Debug, Clone)]
pub(super) enum Call {
    /// Send it these bytes.
    Post(Bytes),
    /// Close it.
    Close,
    /// Say whether it is there.
    Look,
}

impl Call {
    const fn operation(&self) -> &'static str {
        match self {
            Self::Post(_) => "apigateway.post",
            Self::Close => "apigateway.close",
            Self::Look => "apigateway.look",
        }
    }
}

/// How it ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was done.
    Done,
    /// The connection is gone for good.
    Gone,
    /// It could not be done now.
    Failed(Error),
}

/// The callback side of API Gateway.
pub(super) struct Gateway {
    base: Config,
    poster: Poster,
    callbacks: Callbacks,
    clients: Mutex<HashMap<Endpoint, Client>>,
    clock: Arc<dyn Clock>,
    grace: Duration,
}

/// Why one attempt failed.
enum Refusal {
    Gone,
    /// Certainly without effect, and perhaps only for a moment.
    Busy(Error),
    Final(Error),
}

impl Gateway {
    pub(super) fn new(
        config: &SdkConfig,
        callbacks: Callbacks,
        clock: Arc<dyn Clock>,
        grace: Duration,
    ) -> Self {
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build();
        // Repeating is decided here: the SDK would repeat what may have been delivered already.
        let base = Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        let poster = Poster::new(config, CONNECT, ATTEMPT);
        Self { base, poster, callbacks, clients: Mutex::default(), clock, grace }
    }

    pub(super) const fn callbacks(&self) -> &Callbacks {
        &self.callbacks
    }

    /// Does something to a connection, and repeats it where that cannot do it twice, until the deadline. Requests wait
    /// for one of `slots`; pauses between them hold none.
    pub(super) async fn call(&self, seat: &Seat, call: &Call, slots: &Semaphore, deadline: Instant) -> Ended {
        let Some(endpoint) = self.callbacks.resolve(&seat.endpoint) else {
            let error = Error::new(ErrorKind::Unsupported, call.operation());
            return Ended::Failed(error.with("fault", "the item names an endpoint that is not allowed"));
        };
        let mut looked_twice = false;
        let mut attempt = 0;
        loop {
            let answer = {
                let _slot = slots.acquire().await;
                self.once(&endpoint, seat.id.as_str(), call).await
            };
            let (wait, ended) = match answer {
                Ok(()) => return Ended::Done,
                Err(Refusal::Final(error)) => return Ended::Failed(error),
                Err(Refusal::Gone) => match self.rest_of_grace(seat) {
                    None => return Ended::Gone,
                    Some(rest) => {
                        let ended = Ended::Failed(being_made(call));
                        if std::mem::replace(&mut looked_twice, true) {
                            return ended;
                        }
                        (rest.min(SECOND_LOOK), ended)
                    }
                },
                Err(Refusal::Busy(error)) => {
                    attempt += 1;
                    if attempt == ATTEMPTS {
                        return Ended::Failed(error);
                    }
                    (pause::after(attempt - 1, seat.id.as_str()), Ended::Failed(error))
                }
            };
            if Instant::now() + wait >= deadline {
                return ended;
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Whether a connection may still be in the making.
    pub(super) fn is_young(&self, seat: &Seat) -> bool {
        self.rest_of_grace(seat).is_some()
    }

    /// One attempt.
    async fn once(&self, endpoint: &Endpoint, id: &str, call: &Call) -> Result<(), Refusal> {
        let operation = call.operation();
        match call {
            Call::Post(data) => {
                let post = self.poster.post(endpoint, id, data.clone());
                post.await.map_err(|error| refusal(operation, &error))
            }
            Call::Close => {
                let delete = self.client(endpoint).delete_connection().connection_id(id);
                delete.send().await.map(|_| ()).map_err(|error| refusal(operation, &error))
            }
            Call::Look => {
                let get = self.client(endpoint).get_connection().connection_id(id);
                get.send().await.map(|_| ()).map_err(|error| refusal(operation, &error))
            }
        }
    }

    /// How long a connection is still not taken for gone; `None` once it may be.
    fn rest_of_grace(&self, seat: &Seat) -> Option<Duration> {
        let age_ms = self.clock.now().as_millis() - seat.connected_at()?.as_millis();
        let grace_ms = i64::try_from(self.grace.as_millis()).unwrap_or(i64::MAX);
        let rest_ms = u64::try_from(grace_ms.saturating_sub(age_ms)).ok().filter(|rest| *rest > 0)?;
        // A clock that is ahead of ours does not make a connection young for ever.
        Some(Duration::from_millis(rest_ms)).filter(|rest| *rest <= self.grace * 2)
    }

    /// The client of an address; requests of all events share its connections.
    fn client(&self, endpoint: &Endpoint) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MAX_CLIENTS && !clients.contains_key(endpoint) {
            clients.clear();
        }
        let known = clients.entry(endpoint.clone());
        let make = |endpoint: &Endpoint| {
            Client::from_conf(self.base.to_builder().endpoint_url(endpoint.as_str()).build())
        };
        known.or_insert_with_key(make).clone()
    }

    /// Proves that the gateway answers, if it is known where it is.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let Some(endpoint) = self.callbacks.forced() else { return Ok(()) };
        // An id as the gateway gives them, of a connection that never was.
        let nobody = self.client(endpoint).get_connection().connection_id("AAAAAAAAAAAAAAA=");
        match nobody.send().await {
            Ok(_) => Ok(()),
            Err(error) => match refusal("apigateway.check", &error) {
                Refusal::Gone => Ok(()),
                // The gateway may find fault with the id: then it has answered.
                Refusal::Final(error) if error.kind() == ErrorKind::Invalid => Ok(()),
                Refusal::Busy(error) | Refusal::Final(error) => Err(error),
            },
        }
    }
}

fn being_made(call: &Call) -> Error {
    Error::new(ErrorKind::Unavailable, call.operation()).with("fault", "the connection is not there yet")
}

fn refusal<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Refusal
where
    E: ProvideErrorMetadata,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let said = sdk::failure(operation, error);
    match (error, status) {
        (_, Some(410)) => Refusal::Gone,
        (_, Some(413)) => Refusal::Final(Error::new(ErrorKind::Invalid, operation).with("status", 413)),
        // The gateway says that it did not do it: too many requests, a peer that does not read, a fault of its own.
        (_, Some(429 | 500..=599)) => Refusal::Busy(said),
        (_, Some(_)) => Refusal::Final(said),
        (SdkError::DispatchFailure(failure), None)
            if failure.as_connector_error().is_some_and(|error| was_refused(error)) =>
        {
            Refusal::Busy(said.retry(Retry::Safe))
        }
        // Whether it was delivered is not known, and nobody may hear twice.
        (_, None) => Refusal::Final(said),
    }
}

/// Whether no connection came about, so that nothing can have been sent.
fn was_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() == io::ErrorKind::ConnectionRefused;
        }
        next = error.source();
    }
    false
}
