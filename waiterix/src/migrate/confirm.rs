//! Asking whoever is at the terminal.

use std::io::{self, IsTerminal as _, Write as _};

/// Asks before something is done that others notice; whoever cannot be asked must have said so before.
pub(super) fn confirm(yes: bool, question: &str) -> Result<(), String> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err("nothing was done: there is nobody to ask; say --yes".to_owned());
    }
    let mut terminal = io::stderr();
    let _ = write!(terminal, "{question} [yes/no] ").and_then(|()| terminal.flush());
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| error.to_string())?;
    if answer.trim() == "yes" { Ok(()) } else { Err("nothing was done".to_owned()) }
}
