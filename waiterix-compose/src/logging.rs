//! Logs: to standard error, as text for people or as JSON for machines.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;
use waiterix_ports::vars::Vars;

/// What logs at its finest level what it is given: requests, with whatever is personal or secret in them.
const TALKATIVE: &str = "lambda_runtime=info";

/// Sets logging up. `LOG_LEVEL` is a filter such as `info` or `warn,waiterix_app=debug`; `LOG_FORMAT` is `text` or
/// `json` (by default text on a terminal and JSON elsewhere). At whatever level, no event of a function is logged as it
/// came.
pub fn start(vars: &mut Vars<'_>) {
    let level = vars.text("LOG_LEVEL").unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(&level).unwrap_or_else(|_| {
        vars.problem("LOG_LEVEL", "must be a filter such as info or warn,waiterix_app=debug");
        EnvFilter::new("info")
    });
    let filter = match TALKATIVE.parse::<Directive>() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    let json = match vars.text("LOG_FORMAT").as_deref() {
        None => !std::io::stderr().is_terminal(),
        Some("json") => true,
        Some("text") => false,
        Some(_) => {
            vars.problem("LOG_FORMAT", "must be text or json");
            false
        }
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only when logging was set up before, in which case that set-up stays.
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
}
