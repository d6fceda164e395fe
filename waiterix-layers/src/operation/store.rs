//! The operations of [`waiterix_ports::Store`].

use super::{Operation, Port};

const PORT: Port = Port::Store;

/// [`waiterix_ports::Store::read`].
pub static READ: Operation = Operation::reads(PORT, "store.read", "reading changes nothing (S4)");
/// [`waiterix_ports::Store::commit`].
pub static COMMIT: Operation =
    Operation::writes(PORT, "store.commit", "the same set sent again changes nothing and succeeds (S19)");
/// [`waiterix_ports::Store::scan`].
pub static SCAN: Operation = Operation::reads(PORT, "store.scan", "reading changes nothing (S4)").walk();
/// [`waiterix_ports::Store::digest`].
pub static DIGEST: Operation = Operation::reads(PORT, "store.digest", "reading changes nothing (S4)").walk();
/// [`waiterix_ports::Store::forget_commits`].
pub static FORGET_COMMITS: Operation = Operation::writes(
    PORT,
    "store.forget_commits",
    "forgets only what is older than the instant (S50), however often; the count is that of the last time",
)
.walk()
.lesser_answer();
/// [`waiterix_ports::Store::check`].
pub static CHECK: Operation = Operation::reads(PORT, "store.check", "changes nothing (S60)");

/// All of them.
pub static ALL: &[&Operation] = &[&READ, &COMMIT, &SCAN, &DIGEST, &FORGET_COMMITS, &CHECK];
