//! What a move tells the person who watches it: a bar on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use tokio::time::Instant;
use waiterix_migration::rows::{Event, Progress};

use crate::banner;

/// How often a line is written where there is no terminal.
const LINES: Duration = Duration::from_secs(5);

/// Shows what happens.
#[derive(Debug)]
pub(super) struct Shown {
    /// On a terminal.
    bar: Option<ProgressBar>,
    /// When the last line was written.
    last: Mutex<Option<Instant>>,
    /// Whether lines may go to standard output, which belongs to JSON otherwise.
    says: bool,
}

impl Shown {
    /// For a copy of about so many rows.
    pub(super) fn copy(rows: u64) -> Self {
        Self { bar: bar(rows), last: Mutex::default(), says: true }
    }

    /// For a comparison, which says itself how long it is.
    pub(super) fn comparison(says: bool) -> Self {
        Self { bar: bar(1), last: Mutex::default(), says }
    }

    /// For what has no known length.
    pub(super) fn steps(says: bool) -> Self {
        Self { bar: None, last: Mutex::default(), says }
    }

    /// A walk over sessions or the like has seen to so many of about so many, of which so many in this run.
    pub(super) fn walked(&self, what: &str, walk: Walk) {
        let text = walked(what, walk);
        match &self.bar {
            Some(bar) => {
                bar.set_length(bar.length().unwrap_or(walk.of).max(walk.done));
                bar.set_position(walk.done);
                bar.set_message(text);
            }
            None if self.is_time() => self.line(&text),
            None => {}
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None if self.says => banner::say(text),
            None => {}
        }
    }

    /// Whether it is time for another line.
    fn is_time(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = last.is_none_or(|last| last.elapsed() >= LINES);
        if is_time {
            *last = Some(Instant::now());
        }
        is_time
    }

    /// Takes the bar away.
    pub(super) fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A bar, where there is a terminal.
fn bar(length: u64) -> Option<ProgressBar> {
    io::stderr().is_terminal().then(|| {
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}");
        let bar = ProgressBar::new(length.max(1));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar
    })
}

/// How far a copy is, in words.
fn copied(rows: u64, bytes: u64, per_second: u64, left: Option<Duration>) -> String {
    let (rows, bytes, rate) = (HumanCount(rows), HumanBytes(bytes), HumanCount(per_second));
    format!("{rows} rows, {bytes}, {rate} rows/s, {}", still(left))
}

/// How far a comparison is, in words.
fn compared(rows: u64, of: u64, per_second: u64, left: Option<Duration>) -> String {
    let (rows, of, rate) = (HumanCount(rows), HumanCount(of), HumanCount(per_second));
    format!("{rows} of about {of} rows compared, {rate} rows/s, {}", still(left))
}

fn still(left: Option<Duration>) -> String {
    left.map_or_else(|| "time left unknown".to_owned(), |left| format!("about {} left", spoken(left)))
}

/// How far a walk is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    /// What was seen to, with what runs before this one did.
    pub(super) done: u64,
    /// About how much there is.
    pub(super) of: u64,
    /// What this run did.
    pub(super) by_this: u64,
    /// How long it has run.
    pub(super) since: Duration,
}

/// The same in words.
fn walked(what: &str, walk: Walk) -> String {
    let rate = walk.by_this as f64 / walk.since.as_secs_f64().max(0.001);
    let left = walk.of.saturating_sub(walk.done) as f64 / rate;
    let left = still(Duration::try_from_secs_f64(left).ok());
    let (done, of) = (HumanCount(walk.done), HumanCount(walk.of.max(walk.done)));
    format!("{done} of about {of} {what}, {} {what}/s, {left}", HumanCount(rate as u64))
}

/// A time for machines.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A time for people.
pub(super) fn spoken(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{:.1} h", seconds as f64 / 3_600.0),
    }
}

/// A size for people.
pub(super) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

impl Progress for Shown {
    fn tell(&self, event: &Event) {
        match event {
            Event::Copied { rows, bytes, per_second, left, .. } => {
                let text = copied(*rows, *bytes, *per_second, *left);
                match &self.bar {
                    Some(bar) => {
                        // What the server estimated may be too little.
                        bar.set_length(bar.length().unwrap_or(*rows).max(*rows));
                        bar.set_position(*rows);
                        bar.set_message(text);
                    }
                    None if self.is_time() => self.line(&text),
                    None => {}
                }
            }
            Event::Comparing { rows, of, per_second, left } => {
                let text = compared(*rows, *of, *per_second, *left);
                match &self.bar {
                    Some(bar) => {
                        bar.set_length(*of);
                        bar.set_position(*rows);
                        bar.set_message(text);
                    }
                    None if self.is_time() => self.line(&text),
                    None => {}
                }
            }
            Event::TableCopied { table } => self.line(&format!("copied  {table}")),
            Event::Throttled(load) => {
                self.line(&format!("now {} at once, a pause of {}", load.at_once, spoken(load.pause)));
            }
            Event::Behind(backlog) => {
                self.line(&format!("written during the copy: {} keys to go", backlog.entries));
            }
            Event::TriedAgain { what, why } => self.line(&format!("{what}: tried again after: {why}")),
            Event::Compared { table, rows, differences: 0 } => {
                self.line(&format!("equal   {table}, {rows} rows"));
            }
            Event::Compared { table, rows, differences } => {
                self.line(&format!("DIFFERS {table}, {differences} of {rows} rows"));
            }
            Event::Step { act, after } => self.line(&format!("{:>7} ms  {act}", after.as_millis())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_said_only_when_it_is_known() {
        assert_eq!(copied(1_000, 2_048, 0, None), "1,000 rows, 2.00 KiB, 0 rows/s, time left unknown");
        let left = Some(Duration::from_secs(300));
        assert!(copied(1_000, 2_048, 50, left).ends_with("50 rows/s, about 5 min left"));
        assert_eq!(
            compared(1_000, 5_000, 50, left),
            "1,000 of about 5,000 rows compared, 50 rows/s, about 5 min left"
        );
        let walk = Walk { done: 1_500, of: 4_000, by_this: 500, since: Duration::from_secs(2) };
        assert_eq!(
            walked("sessions", walk),
            "1,500 of about 4,000 sessions, 250 sessions/s, about 10 s left"
        );
        let stands = Walk { by_this: 0, ..walk };
        assert!(walked("sessions", stands).ends_with("0 sessions/s, time left unknown"));
    }
}
