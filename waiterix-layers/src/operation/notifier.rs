//! The operations of [`waiterix_ports::Notifier`].

use super::{Operation, Port};

const PORT: Port = Port::Notifier;

/// [`waiterix_ports::Notifier::connect`].
pub static CONNECT: Operation =
    Operation::writes(PORT, "notifier.connect", "the same connection again is fine (R3)");
/// [`waiterix_ports::Notifier::disconnect`].
pub static DISCONNECT: Operation =
    Operation::writes(PORT, "notifier.disconnect", "repeating it is harmless (R10)");
/// [`waiterix_ports::Notifier::publish`].
pub static PUBLISH: Operation =
    Operation::writes(PORT, "notifier.publish", "everybody hears it once (R20): a bell must not ring twice")
        .walk()
        .harmful();
/// [`waiterix_ports::Notifier::send`].
pub static SEND: Operation =
    Operation::writes(PORT, "notifier.send", "the peer would hear it twice").harmful();
/// [`waiterix_ports::Notifier::close_chefs`].
pub static CLOSE_CHEFS: Operation = Operation::writes(
    PORT,
    "notifier.close_chefs",
    "what is closed is forgotten (R40), and leaving one open would be worse; the count is that of the last time",
)
.walk()
.lesser_answer();
/// [`waiterix_ports::Notifier::sweep`].
pub static SWEEP: Operation = Operation::writes(
    PORT,
    "notifier.sweep",
    "live connections stay (R50), however often; the count is that of the last time",
)
.walk()
.lesser_answer();
/// [`waiterix_ports::Notifier::check`].
pub static CHECK: Operation = Operation::reads(PORT, "notifier.check", "sends nothing (R90)");

/// All of them.
pub static ALL: &[&Operation] = &[&CONNECT, &DISCONNECT, &PUBLISH, &SEND, &CLOSE_CHEFS, &SWEEP, &CHECK];
