//! What the tests need besides themselves: the program `waiterix`, and servers (see `waiterix-backends`).
//!
//! A server that cannot be had is said so loudly, and is a failure with `WAITERIX_REQUIRE=all`.

pub(crate) mod program;

use std::collections::BTreeMap;
use std::time::Instant;

use waiterix_backends::fleet::Fleet;
use waiterix_backends::{Backend, required};

use crate::command::Failure;

/// Finds or starts every server. They end when what is answered is dropped.
pub(crate) fn launch() -> Result<Fleet, Failure> {
    println!("\n==> Servers");
    let variables = environment();
    let mut fleet = Fleet::default();
    for backend in Backend::ALL {
        let begun = Instant::now();
        match fleet.launch(*backend, &variables) {
            Ok((url, origin)) => println!(
                "    {:<11} {:<14} {url}  ({:.1} s)",
                backend.name(),
                origin.as_str(),
                begun.elapsed().as_secs_f64()
            ),
            Err(fault) if required() => return Err(Failure::Said(format!("{}: {fault}", backend.name()))),
            Err(fault) => println!("    {:<11} NOT THERE: {fault}", backend.name()),
        }
    }
    Ok(fleet)
}

#[allow(clippy::disallowed_methods, reason = "a tool for developers: its configuration is their environment")]
fn environment() -> BTreeMap<String, String> {
    std::env::vars().collect()
}
