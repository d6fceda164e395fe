//! Copying all tables.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use waiterix_ports::moving::{Leaf, Mode, Standing, Survey};
use waiterix_ports::{Error, ErrorKind, KeyRange, Result, Violation};

use super::converge::CUT_ROWS;
use super::progress::{Event, Progress, Stop};
use super::relay::Relay;
use super::sides::{Direction, Sides};
use super::throttle::{Governor, Latency, ThrottleSettings};
use crate::phase::Leader;

/// How tables are copied.
#[derive(Debug, Clone, PartialEq)]
pub struct BackfillSettings {
    /// About how many rows a range has, of tables that are not cut yet. 50 000.
    pub rows: u64,
    /// How much is done at once.
    pub throttle: ThrottleSettings,
    /// How often a range is tried. 5.
    pub tries: u32,
    /// The pause before it is tried again. 500 ms.
    pub pause: Duration,
}

impl Default for BackfillSettings {
    fn default() -> Self {
        Self {
            rows: CUT_ROWS,
            throttle: ThrottleSettings::default(),
            tries: 5,
            pause: Duration::from_millis(500),
        }
    }
}

/// How far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Rows that were copied by this run.
    pub rows: u64,
    /// Their bytes on the way.
    pub bytes: u64,
    /// Ranges that were copied by this run.
    pub ranges: u64,
    /// Whether all is there, with its indexes and foreign keys. It is not after a stop.
    pub is_complete: bool,
}

/// Copies all tables from the old side to the new one, in ranges. What a range missed is in the journal. Killed anywhere and
/// run again, it goes on.
pub struct Backfill {
    sides: Sides,
    relay: Arc<Relay>,
    settings: BackfillSettings,
    progress: Arc<dyn Progress>,
    latency: Latency,
}

impl fmt::Debug for Backfill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backfill")
            .field("sides", &self.sides)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A range to be copied.
#[derive(Debug, Clone)]
struct Task {
    table: Arc<str>,
    range: KeyRange,
    tries: u32,
}

/// What is still to be done.
struct Work {
    tasks: VecDeque<Task>,
    /// Ranges of each table that are not there.
    left: Vec<(Arc<str>, usize)>,
    /// Rows of all ranges of this run, as the server estimates.
    estimate: u64,
}

impl Backfill {
    /// A copy from old to new. The relay makes up for what was written meanwhile.
    #[must_use]
    pub fn new(
        sides: Sides,
        relay: Arc<Relay>,
        settings: BackfillSettings,
        progress: Arc<dyn Progress>,
        latency: Latency,
    ) -> Self {
        Self { sides, relay, settings, progress, latency }
    }

    /// Installs what a move needs in both databases. From then on the old side keeps a journal, and nobody but this move writes
    /// the new one. `epoch` is one that no earlier move of these databases had, so that nobody who remembers that one does
    /// anything in this one: the seconds of the clock will do.
    ///
    /// # Errors
    /// `Unsupported` when a side cannot take part, with everything that is wrong; `Conflict` when the new side leads;
    /// `Denied`, `Unavailable`, `Timeout`.
    pub async fn start(&self, epoch: u64) -> Result<()> {
        let (old, new) = (self.sides.of(Leader::Old), self.sides.of(Leader::New));
        let (ours, theirs) = (old.survey().await?, new.survey().await?);
        let faults = faults(&ours, &theirs);
        if !faults.is_empty() {
            return Err(Error::new(ErrorKind::Unsupported, "moving.start").with("faults", faults.join("; ")));
        }
        // A crash between the two leaves one standing, whose epoch the other one joins.
        let epoch = match (ours.standing, theirs.standing) {
            (Some(standing), _) | (None, Some(standing)) => standing.epoch,
            (None, None) => epoch,
        };
        new.install(Standing { epoch, mode: Mode::Mirror, turn: 1 }).await?;
        old.install(Standing { epoch, mode: Mode::Open, turn: 1 }).await?;
        self.direction().await.map(drop)
    }

    async fn direction(&self) -> Result<Direction> {
        let seen = self.sides.look().await?;
        let direction = seen.converging().filter(|direction| direction.leader == Leader::Old);
        direction.ok_or_else(|| {
            Error::new(ErrorKind::Conflict, "moving.copy")
                .with("fault", "the old side does not lead, or the new one does not follow it")
        })
    }

    /// Copies what is not there yet, makes up for what was written meanwhile, and makes indexes and foreign keys.
    ///
    /// # Errors
    /// The failure of a range that was tried often enough. What was copied stays, and the next run goes on.
    pub async fn run(&self, stop: &Stop) -> Result<Copied> {
        let direction = self.direction().await?;
        let mut work = self.work().await?;
        let mut copied = Copied::default();
        if !work.tasks.is_empty() {
            self.sides.of(Leader::New).before_copy().await?;
            if !self.ranges(direction, &mut work, &mut copied, stop).await? {
                return Ok(copied);
            }
        }
        self.finish(direction, stop, &mut copied).await?;
        Ok(copied)
    }

    /// The ranges that are not there, the largest tables first: what takes longest must not begin last.
    async fn work(&self) -> Result<Work> {
        let (old, new) = (self.sides.of(Leader::Old), self.sides.of(Leader::New));
        let mut tables = old.survey().await?.tables;
        tables.sort_by_key(|table| std::cmp::Reverse(table.bytes));
        let mut work = Work { tasks: VecDeque::new(), left: Vec::new(), estimate: 0 };
        for table in tables {
            let (all, there) =
                (old.cut(&table.name, self.settings.rows).await?, new.copied(&table.name).await?);
            let ranges: Vec<KeyRange> = all.iter().filter(|range| !there.contains(range)).cloned().collect();
            if ranges.is_empty() {
                continue;
            }
            work.estimate += table.rows * ranges.len() as u64 / all.len() as u64;
            work.left.push((table.name.clone(), ranges.len()));
            let task = |range| Task { table: table.name.clone(), range, tries: 0 };
            work.tasks.extend(ranges.into_iter().map(task));
        }
        Ok(work)
    }

    /// Copies ranges, as many at once as is bearable; answers whether it was not stopped.
    async fn ranges(
        &self,
        direction: Direction,
        work: &mut Work,
        copied: &mut Copied,
        stop: &Stop,
    ) -> Result<bool> {
        let began = Instant::now();
        let (sides, throttle) = (self.sides.clone(), self.settings.throttle.clone());
        let mut governor = Governor::new(sides, throttle, self.progress.clone(), self.latency.clone());
        let mut running = FuturesUnordered::new();
        loop {
            if running.is_empty() && !stop.goes_on().await {
                return Ok(false);
            }
            let at_once = governor.at_once().await;
            let may_begin = !stop.is_held();
            while may_begin && running.len() < at_once {
                let Some(task) = work.tasks.pop_front() else { break };
                running.push(self.copy(direction, task, governor.pause()));
            }
            let Some((task, answer)) = running.next().await else {
                if work.tasks.is_empty() {
                    return Ok(true);
                }
                continue;
            };
            match answer {
                Ok((leaf, bytes)) => {
                    copied.rows += leaf.rows;
                    copied.bytes += bytes;
                    copied.ranges += 1;
                    self.tell(&task, work, copied, began.elapsed());
                }
                Err(error) if is_worth_another_try(&error) && task.tries < self.settings.tries => {
                    self.progress.tell(&Event::TriedAgain { what: "copy", why: error.to_string() });
                    work.tasks.push_back(task);
                }
                // What runs beside it is ended first, so that nothing is left half done without need.
                Err(error) => {
                    while running.next().await.is_some() {}
                    return Err(error.with("table", &task.table));
                }
            }
        }
    }

    async fn copy(
        &self,
        direction: Direction,
        mut task: Task,
        pause: Duration,
    ) -> (Task, Result<(Leaf, u64)>) {
        let pause = if task.tries > 0 { pause.max(self.settings.pause) } else { pause };
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        task.tries += 1;
        let copy = async {
            let parcel = self.sides.of(Leader::Old).copy_out(&task.table, &task.range).await?;
            let (leaf, bytes) = (parcel.leaf, parcel.data.len() as u64);
            self.sides.of(Leader::New).copy_in(direction.epoch, &task.table, &task.range, parcel).await?;
            Ok((leaf, bytes))
        };
        let answer = copy.await;
        (task, answer)
    }

    fn tell(&self, task: &Task, work: &mut Work, copied: &Copied, past: Duration) {
        let per_second = (copied.rows as f64 / past.as_secs_f64().max(0.001)) as u64;
        let left = work.estimate.saturating_sub(copied.rows).checked_div(per_second).map(Duration::from_secs);
        let (table, rows, bytes) = (task.table.to_string(), copied.rows, copied.bytes);
        self.progress.tell(&Event::Copied { table: table.clone(), rows, bytes, per_second, left });
        let place = work.left.iter_mut().find(|(name, _)| *name == task.table);
        if let Some((_, left)) = place {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.progress.tell(&Event::TableCopied { table });
            }
        }
    }

    /// Makes indexes and foreign keys. Rows that were copied at different moments may not fit together; then what was written
    /// meanwhile is made up for first.
    async fn finish(&self, direction: Direction, stop: &Stop, copied: &mut Copied) -> Result<()> {
        let mut tries = 0;
        while let Err(error) = self.sides.of(Leader::New).after_copy().await {
            if error.kind() != ErrorKind::Conflict || tries >= self.settings.tries {
                return Err(error);
            }
            tries += 1;
            self.progress.tell(&Event::TriedAgain { what: "after the copy", why: error.to_string() });
            if !self.catch_up(direction, stop).await? {
                return Ok(());
            }
        }
        copied.is_complete = self.sides.is_copied().await?;
        Ok(())
    }
}

impl Backfill {
    /// Makes up for everything that is in the journal now, by whoever does it; what comes later obeys the rules that are made.
    /// Answers whether it was not stopped. While the relays are slower than the guests it goes on, and those who watch hear it.
    async fn catch_up(&self, direction: Direction, stop: &Stop) -> Result<bool> {
        let began = Instant::now();
        let mut told = began;
        loop {
            let round = self.relay.round(direction).await?;
            let backlog = self.sides.of(direction.leader).backlog().await?;
            if backlog.entries == 0 || backlog.age < began.elapsed() {
                return Ok(true);
            }
            if told.elapsed() >= self.settings.throttle.measure {
                told = Instant::now();
                self.progress.tell(&Event::Behind(backlog));
            }
            let pause = if round.made.is_empty() { WAIT } else { Duration::ZERO };
            if !stop.after(pause).await {
                return Ok(false);
            }
        }
    }
}

/// The pause while what is dirty is in the hands of others.
const WAIT: Duration = Duration::from_millis(20);

/// Whether it may be different the next time.
fn is_worth_another_try(error: &Error) -> bool {
    error.violation() != Some(&Violation::NotLeading)
        && matches!(
            error.kind(),
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Throttled | ErrorKind::Corrupt
        )
}

/// Everything that keeps two databases from taking part together.
fn faults(old: &Survey, new: &Survey) -> Vec<String> {
    let mut faults: Vec<String> = Vec::new();
    faults.extend(old.faults.iter().map(|fault| format!("old side: {fault}")));
    faults.extend(new.faults.iter().map(|fault| format!("new side: {fault}")));
    if old.identity == new.identity {
        faults.push("both sides are the same database".to_owned());
    }
    for table in &old.tables {
        let Some(other) = new.tables.iter().find(|other| other.name == table.name) else {
            faults.push(format!("new side: table {} is not there", table.name));
            continue;
        };
        if (&table.key, &table.columns) != (&other.key, &other.columns) {
            faults.push(format!("table {} is not the same on both sides", table.name));
        }
    }
    faults
}
