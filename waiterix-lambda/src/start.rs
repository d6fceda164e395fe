//! Starting a function, and handing it events.

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tracing::Instrument as _;
use url::Url;
use waiterix_app::Shared;
use waiterix_app::http::trace_id::TraceId;
use waiterix_compose::environment::{self, complaint};
use waiterix_compose::{Choice, Place, Plan, Selection, logging};
use waiterix_ports::vars::Vars;

use crate::api::MAX_REPLY_BYTES;
use crate::{Function, Time};

/// Runs a function until the platform ends it. What is wrong with the configuration is logged, all of it at once, and ends
/// the process, which the platform counts as a failed start.
pub fn run<F: Function>(make: impl FnOnce(Shared) -> F) -> ExitCode {
    match start::<F>(make) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            tracing::error!(fault, "the function cannot run");
            ExitCode::FAILURE
        }
    }
}

fn start<F: Function>(make: impl FnOnce(Shared) -> F) -> Result<(), String> {
    let map = environment::read();
    let mut vars = Vars::new(&map);
    logging::start(&mut vars);
    let selection = Selection::read(&mut vars, Choice::Aws);
    let at_once = vars.parsed::<u32>("AWS_LAMBDA_MAX_CONCURRENCY", "a number").unwrap_or(1);
    let mut plan = Plan::read(&mut vars, Place::Function(F::NEEDS), selection)?;
    complaint(&vars)?;
    plan.settings.max_answer_bytes = Some(MAX_REPLY_BYTES as u64);
    runtime(at_once)?.block_on(serve(plan, make))
}

/// One event at a time needs one thread; a second one would only have to be woken.
fn runtime(at_once: u32) -> Result<Runtime, String> {
    let mut builder = if at_once > 1 { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder.enable_all().build().map_err(|error| format!("cannot start: {error}"))
}

async fn serve<F: Function>(plan: Plan, make: impl FnOnce(Shared) -> F) -> Result<(), String> {
    // Only objects of a local folder have URLs of the service itself, and a function keeps none.
    let nowhere = || Url::parse("https://localhost/").map_err(|error| error.to_string());
    let base = plan.settings.api_base_url.clone().map_or_else(nowhere, Ok)?;
    let service = Arc::new(plan.open(&base, None).await?);
    let clock = Arc::clone(&service.app.clock);
    let function = make(service.app.clone());
    let handler = service_fn(move |event: LambdaEvent<Value>| {
        let (function, service, now) = (function.clone(), service.clone(), clock.now());
        async move {
            let time = Time::until(event.context.deadline, now);
            // A failure is logged by the runtime.
            let answer = traced(&event.context, function.answer(event.payload, time)).await;
            service.write_metrics();
            answer
        }
    });
    lambda_runtime::run_concurrent(handler).await.map_err(|error| error.to_string())
}

/// Does the work of an invocation in a span of its own, with the id by which the platform knows it and its trace in X-Ray.
/// The runtime has one, too, with the trace as its header has it; of this one every line of the log says what a request to
/// the server would say.
async fn traced<F: Future>(context: &Context, work: F) -> F::Output {
    let trace = context.xray_trace_id.as_deref().and_then(TraceId::of_aws);
    let span = tracing::error_span!("invocation", id = context.request_id, trace = tracing::field::Empty);
    match trace {
        Some(trace) => {
            span.record("trace", tracing::field::display(trace));
            trace.scope(work.instrument(span)).await
        }
        None => work.instrument(span).await,
    }
}
