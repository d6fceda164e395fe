//! `cargo xtask up`: every server, for a developer.

use std::io::Read as _;

use crate::backends;
use crate::command::Failure;

/// Starts every server, prints where they are, and keeps them until Enter, the end of input or Ctrl-C.
pub(crate) fn run() -> Result<(), Failure> {
    let fleet = backends::launch()?;
    println!("\nFor tests in another terminal:\n");
    for (name, url) in fleet.variables() {
        println!("export {name}={url}");
    }
    println!("\nThe servers are empty and end with this command; Enter or Ctrl-C ends it.");
    // Whatever comes, or the end of input, is the wish to stop.
    let _ = std::io::stdin().read(&mut [0]);
    drop(fleet);
    Ok(())
}
