//! The operations of [`waiterix_ports::SessionStore`].

use super::{Operation, Port};

const PORT: Port = Port::Session;

/// [`waiterix_ports::SessionStore::create`].
pub static CREATE: Operation =
    Operation::writes(PORT, "session.create", "the second would conflict with the first (N1)").harmful();
/// [`waiterix_ports::SessionStore::load`].
pub static LOAD: Operation = Operation::reads(PORT, "session.load", "reading changes nothing (N11)");
/// [`waiterix_ports::SessionStore::update`].
pub static UPDATE: Operation = Operation::writes(
    PORT,
    "session.update",
    "the first has changed the revision, so the second would conflict with it (N20)",
)
.harmful();
/// [`waiterix_ports::SessionStore::touch`].
pub static TOUCH: Operation = Operation::writes(
    PORT,
    "session.touch",
    "says what is to be, never undoes an update (N31), never brings a session back (N30)",
);
/// [`waiterix_ports::SessionStore::delete`].
pub static DELETE: Operation = Operation::writes(
    PORT,
    "session.delete",
    "what is gone stays gone (N40); whether there was one is told of the last time",
)
.lesser_answer();
/// [`waiterix_ports::SessionStore::sessions_of`].
pub static SESSIONS_OF: Operation =
    Operation::reads(PORT, "session.sessions_of", "reading ends no live session (N50)").walk();
/// [`waiterix_ports::SessionStore::delete_all_of`].
pub static DELETE_ALL_OF: Operation = Operation::writes(
    PORT,
    "session.delete_all_of",
    "what is gone stays gone (N60), and not ending them all would be worse; the count is that of the last time",
)
.walk()
.lesser_answer();
/// [`waiterix_ports::SessionStore::temp_set`].
pub static TEMP_SET: Operation = Operation::writes(
    PORT,
    "session.temp_set",
    "a value that was taken in between would be back, and one-time data must not be usable twice",
)
.harmful();
/// [`waiterix_ports::SessionStore::temp_set_if_absent`].
pub static TEMP_SET_IF_ABSENT: Operation = Operation::writes(
    PORT,
    "session.temp_set_if_absent",
    "the second finds what the first has set and answers that it did not (N71)",
)
.harmful();
/// [`waiterix_ports::SessionStore::temp_get`].
pub static TEMP_GET: Operation = Operation::reads(PORT, "session.temp_get", "reading changes nothing (N72)");
/// [`waiterix_ports::SessionStore::temp_take`].
pub static TEMP_TAKE: Operation =
    Operation::writes(PORT, "session.temp_take", "the first has taken it, the second finds nothing (N73)")
        .harmful();
/// [`waiterix_ports::SessionStore::temp_count`].
pub static TEMP_COUNT: Operation =
    Operation::writes(PORT, "session.temp_count", "it would count twice (N74)").harmful();
/// [`waiterix_ports::SessionStore::prune`].
pub static PRUNE: Operation = Operation::writes(
    PORT,
    "session.prune",
    "removes only what has ended (N80), however often; the count is that of the last time",
)
.walk()
.lesser_answer();
/// [`waiterix_ports::SessionStore::check`].
pub static CHECK: Operation = Operation::reads(PORT, "session.check", "changes nothing (N90)");

/// All of them.
pub static ALL: &[&Operation] = &[
    &CREATE,
    &LOAD,
    &UPDATE,
    &TOUCH,
    &DELETE,
    &SESSIONS_OF,
    &DELETE_ALL_OF,
    &TEMP_SET,
    &TEMP_SET_IF_ABSENT,
    &TEMP_GET,
    &TEMP_TAKE,
    &TEMP_COUNT,
    &PRUNE,
    &CHECK,
];
