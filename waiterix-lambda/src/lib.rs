//! Waiterix as functions of AWS Lambda.
//!
//! | function | is called by | does |
//! |---|---|---|
//! | [`api`] | a REST API or an HTTP API of API Gateway | answers the request as `waiterix serve` would |
//! | [`websocket`] | a WebSocket API of API Gateway | says whether a connection may be made, answers pings, forgets who left |
//! | [`relay`] | a schedule | upkeep: connections, uploads and data that have ended |
//! | [`mail_events`] | SNS, SQS or EventBridge, told by SES | suppresses addresses that bounced or complained |
//!
//! Each is a binary of a few lines. A process is put together once, from that part of the configuration of the server
//! (`docs/configuration.md`) that it [needs](Function::NEEDS), and asks nobody until it is called; then [`run`] hands it one event after the other, each
//! with the [`Time`] it has left. Why it is made this way: `docs/decisions/0024-functions.md`.

pub mod api;
pub mod mail_events;
pub mod relay;
pub mod websocket;

mod event;
mod failure;
mod start;
mod time;

use std::future::Future;

use serde::Serialize;
use serde_json::Value;
use waiterix_compose::Needs;

pub use failure::Failure;
pub use start::run;
pub use time::Time;

/// What a process does with the events it is handed. It may be asked for several at a time.
pub trait Function: Clone + Send + Sync + 'static {
    /// What it uses of the service, and so must be configured for it.
    const NEEDS: Needs;

    /// What it answers, as JSON.
    type Answer: Serialize + Send + 'static;

    /// Answers an event, in time.
    ///
    /// # Errors
    /// When the invocation counts as failed: the platform counts it, and may repeat it.
    fn answer(&self, event: Value, time: Time) -> impl Future<Output = Result<Self::Answer, Failure>> + Send;
}
