//! The operations of [`waiterix_ports::Mailer`].

use super::{Operation, Port};

const PORT: Port = Port::Mailer;

/// [`waiterix_ports::Mailer::send`].
pub static SEND: Operation = Operation::writes(
    PORT,
    "mailer.send",
    "whether an id was sent before is known only where the provider can know; a guest must not get two receipts",
)
.harmful();
/// [`waiterix_ports::Mailer::set_suppressed`].
pub static SET_SUPPRESSED: Operation =
    Operation::writes(PORT, "mailer.set_suppressed", "repeating it is harmless (M10)");
/// [`waiterix_ports::Mailer::is_suppressed`].
pub static IS_SUPPRESSED: Operation =
    Operation::reads(PORT, "mailer.is_suppressed", "reading changes nothing");
/// [`waiterix_ports::Mailer::check`].
pub static CHECK: Operation = Operation::reads(PORT, "mailer.check", "sends nothing (M90)");

/// All of them.
pub static ALL: &[&Operation] = &[&SEND, &SET_SUPPRESSED, &IS_SUPPRESSED, &CHECK];
