//! Settings of events between processes.

use std::time::Duration;

use waiterix_ports::vars::Vars;

const DEADLINE_MS: u64 = 1_000;
/// A request waits for its events, and gateways in front of the service give up on it after 29 s.
const MAX_DEADLINE_MS: u64 = 25_000;

/// How long things may take between the processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketSettings {
    /// How long an operation waits for the answers of other processes. The sockets of this process never wait.
    pub deadline: Duration,
    /// How often the database is asked for a sign of life on the connection that listens.
    pub ping_every: Duration,
    /// How long one statement on that connection may take. After that the connection counts as dead.
    pub patience: Duration,
    /// The longest pause between two attempts to reach the database again; the first ones follow sooner.
    pub longest_pause: Duration,
}

impl Default for WebSocketSettings {
    /// What holds when nothing is set.
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(DEADLINE_MS),
            ping_every: Duration::from_secs(5),
            patience: Duration::from_secs(3),
            longest_pause: Duration::from_secs(5),
        }
    }
}

impl WebSocketSettings {
    /// Reads the settings; problems are noted in `vars`.
    #[must_use]
    pub fn read(vars: &mut Vars<'_>) -> Self {
        const RANGE: &str = "milliseconds from 100 to 25000";
        let mut settings = Self::default();
        match vars.parsed::<u64>("WEBSOCKET_PUBLISH_DEADLINE_MS", RANGE) {
            Some(ms @ 100..=MAX_DEADLINE_MS) => settings.deadline = Duration::from_millis(ms),
            Some(_) => vars.problem("WEBSOCKET_PUBLISH_DEADLINE_MS", format!("must be {RANGE}")),
            None => {}
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_deadline_is_configured_within_its_limits() {
        let read = |value: &str| {
            let map = BTreeMap::from([("WEBSOCKET_PUBLISH_DEADLINE_MS".to_owned(), value.to_owned())]);
            let mut vars = Vars::new(&map);
            let settings = WebSocketSettings::read(&mut vars);
            (settings.deadline.as_millis(), vars.problems().len())
        };
        assert_eq!(read(""), (1000, 0));
        assert_eq!(read("100"), (100, 0));
        assert_eq!(read("25000"), (25_000, 0));
        for bad in ["99", "25001", "soon", "-1"] {
            assert_eq!(read(bad), (1000, 1), "{bad}");
        }
    }
}
