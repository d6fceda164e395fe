//! The function that hears what became of mails.

use std::process::ExitCode;

fn main() -> ExitCode {
    waiterix_lambda::run(waiterix_lambda::mail_events::MailEvents::new)
}
