//! The steps that must happen at once, as scripts of the server. Each touches one key, so each is at home in one slot
//! of a cluster, and says so: with `#!lua` a cluster refuses a script that reaches further.

use std::sync::LazyLock;

use redis::{Cmd, Script, ToRedisArgs};

/// A script and the name by which a server that has seen it knows it.
#[derive(Debug)]
pub(super) struct Program {
    source: &'static str,
    digest: LazyLock<String>,
}

macro_rules! program {
    ($(#[$doc:meta])* $name:ident, $file:literal) => {
        $(#[$doc])*
        pub(super) static $name: Program = Program {
            source: include_str!($file),
            digest: LazyLock::new(|| Script::new(include_str!($file)).get_hash().to_owned()),
        };
    };
}

program!(SWAP, "scripts/swap.lua");
program!(TOUCH, "scripts/touch.lua");
program!(ENROL, "scripts/enrol.lua");
program!(ENROL_SET, "scripts/enrol_set.lua");
program!(SWEEP, "scripts/sweep.lua");
program!(COUNT, "scripts/count.lua");
program!(CHECK, "scripts/check.lua");

impl Program {
    /// The call by digest, which a server that has not seen the script refuses without doing anything.
    pub(super) fn by_digest(&self, key: Option<&str>, arguments: &[impl ToRedisArgs]) -> Cmd {
        call("EVALSHA", &self.digest, key, arguments)
    }

    /// The call with the script itself, from which the server learns it.
    pub(super) fn in_full(&self, key: Option<&str>, arguments: &[impl ToRedisArgs]) -> Cmd {
        call("EVAL", self.source, key, arguments)
    }
}

fn call(name: &str, script: &str, key: Option<&str>, arguments: &[impl ToRedisArgs]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(usize::from(key.is_some())).arg(key).arg(arguments);
    command
}
