//! The old application, or any other program that knows nothing of the move: it writes plain SQL to the old database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::record::{Foreign, Record};
use crate::command::Failure;
use crate::psql::{DONE, Database};

/// How the old side refuses a write while the other one leads.
const NOT_LEADING: &str = "WX001";
/// How often it writes.
const EVERY: Duration = Duration::from_millis(50);
/// So many of its rows stay before the oldest is deleted.
const STAY: u64 = 200;
/// The restaurant it writes for.
const HOUSE: &str = "(SELECT id FROM restaurants WHERE user_id = 'user-1')";

/// A writer at work.
pub(super) struct Writer {
    thread: JoinHandle<Result<Left, Failure>>,
}

/// What must be in the database in the end, because the database said it is.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Its rows in `table_scan_events`, with the label of the table in each.
    pub(super) scans: BTreeMap<String, String>,
    /// The counter it raises, if it did.
    pub(super) counter: Option<u64>,
}

impl Writer {
    pub(super) fn start(
        database: &Database,
        record: Arc<Record>,
        closed: Arc<AtomicBool>,
    ) -> Result<Self, Failure> {
        let mut session = database.session()?;
        let thread = std::thread::spawn(move || {
            let mut left = Left::default();
            let mut nth: u64 = 0;
            while !closed.load(Ordering::Relaxed) {
                nth += 1;
                let (id, oldest) = (scan(nth), scan(nth.saturating_sub(STAY)));
                let statement = match nth % 4 {
                    0 => format!("UPDATE restaurants SET ai_usage_count = {nth} WHERE id = {HOUSE}"),
                    1 if left.scans.contains_key(&oldest) => {
                        format!("DELETE FROM table_scan_events WHERE id = '{oldest}'")
                    }
                    _ => format!(
                        "INSERT INTO table_scan_events (id, restaurant_id, table_number) VALUES ('{id}', {HOUSE}, '{nth}')"
                    ),
                };
                match session.execute(&statement)?.as_str() {
                    DONE => {
                        record.seen().foreign.push((record.now(), Foreign::Accepted));
                        match nth % 4 {
                            0 => left.counter = Some(nth),
                            1 if left.scans.remove(&oldest).is_some() => {}
                            _ => drop(left.scans.insert(id, nth.to_string())),
                        }
                    }
                    NOT_LEADING => record.seen().foreign.push((record.now(), Foreign::Refused)),
                    state => record.fault(format!("the old application was told {state}")),
                }
                std::thread::sleep(EVERY);
            }
            Ok(left)
        });
        Ok(Self { thread })
    }

    /// Waits until it has stopped, which it does when everybody does.
    pub(super) fn stopped(self) -> Result<Left, Failure> {
        self.thread.join().unwrap_or_else(|_| Err(Failure::Said("the old application stopped".to_owned())))
    }
}

fn scan(nth: u64) -> String {
    format!("foreign-{nth}")
}
