//! The same random commits and reads go to several stores, which must agree on everything.
//!
//! # What "agree" means
//!
//! - A commit succeeds everywhere or nowhere, and fails with the same kind of error.
//! - A set of one change that has one reason to fail fails with the same violation. Where a change has several (a
//!   taken key and a taken label, say), or a set several changes, stores may find any of the reasons first, which
//!   S11 allows; there the kind alone is compared. So that the kind is one, everything that makes a set `Invalid`
//!   comes in sets of one change.
//! - Ratings never have both a dish and service ratings: whether such a row is in the way of another while both are
//!   being deleted by one cascade depends on the order in which a database walks its foreign keys.
//! - Sets are sent again, under their own id, only when they [need a record](ChangeSet::needs_record).
//! - Every answer, page and digest is equal; and at times, and at the end, so is every row of every table.

mod dice;
mod judge;

use std::fmt::Debug;
use std::sync::Arc;

use waiterix_domain::{ChangeSet, CommitId, Row, Table};
use waiterix_ports::{Error, KeyRange, Result, Store};

use super::probe::dump;
use dice::{Dice, Step};

/// How many steps lie between two comparisons of everything.
const STEPS_BETWEEN_DUMPS: usize = 64;

/// How many sets are kept to be sent again.
const SETS_KEPT: usize = 32;

/// What happened, so that a caller can see that the run was worth it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sets that were committed.
    pub committed: usize,
    /// Sets that were refused.
    pub refused: usize,
    /// Sets that were sent again.
    pub repeated: usize,
    /// Reads, pages and digests.
    pub read: usize,
    /// The rows that were there at the end.
    pub rows: usize,
}

/// Runs `steps` random steps against the stores, which must be empty, and compares them. The same seed makes the
/// same steps as long as the stores agree.
///
/// # Panics
/// When two stores disagree: the message names the seed and the step.
pub async fn run(stores: &[(&str, Arc<dyn Store>)], seed: u64, steps: usize) -> Tally {
    let mut run = Run { stores, seed, step: 0, rows: Vec::new(), sent: Vec::new(), tally: Tally::default() };
    let mut dice = Dice::new(seed);
    for step in 0..steps {
        run.step = step;
        let next = dice.step(&run.rows, run.sent.len());
        run.take(next).await;
        if step % STEPS_BETWEEN_DUMPS == 0 {
            run.compare_everything().await;
        }
    }
    run.compare_everything().await;
    run.tally.rows = run.rows.len();
    run.tally
}

struct Run<'a> {
    stores: &'a [(&'a str, Arc<dyn Store>)],
    seed: u64,
    step: usize,
    /// The rows of the first store.
    rows: Vec<Row>,
    sent: Vec<ChangeSet>,
    tally: Tally,
}

impl Run<'_> {
    async fn take(&mut self, step: Step) {
        match step {
            Step::Commit(changes) => {
                let name = format!("seed {} step {}", self.seed, self.step);
                let changes = changes.into_iter().fold(ChangeSet::new(CommitId::new(name)), ChangeSet::push);
                self.commit(&changes, judge::has_one_reason(&self.rows, &changes)).await;
                if changes.needs_record() {
                    self.sent.push(changes);
                    let surplus = self.sent.len().saturating_sub(SETS_KEPT);
                    self.sent.drain(..surplus);
                }
            }
            Step::Repeat(place) => {
                let changes = self.sent[place].clone();
                self.tally.repeated += 1;
                self.commit(&changes, judge::has_one_reason(&self.rows, &changes)).await;
            }
            Step::Read(query) => {
                self.tally.read += 1;
                let mut answers = Vec::new();
                for (_, store) in self.stores {
                    answers.push(simple(store.read(&query).await));
                }
                self.assert_equal(&answers, &query);
            }
            Step::Scan(table, range, limit) => {
                self.tally.read += 1;
                let mut pages = Vec::new();
                for (_, store) in self.stores {
                    pages.push(simple(store.scan(table, &range, limit).await));
                }
                self.assert_equal(&pages, &(table, range, limit));
            }
            Step::Digest(table, range) => {
                self.tally.read += 1;
                let mut digests = Vec::new();
                for (_, store) in self.stores {
                    digests.push(simple(store.digest(table, &range).await));
                }
                self.assert_equal(&digests, &(table, range));
            }
        }
    }

    async fn commit(&mut self, changes: &ChangeSet, with_violation: bool) {
        let mut outcomes = Vec::new();
        for (_, store) in self.stores {
            let outcome = store.commit(changes).await.map_err(|error| {
                let violation = with_violation.then(|| error.violation().cloned()).flatten();
                (error.kind(), error.retry_advice(), violation)
            });
            outcomes.push(outcome);
        }
        self.assert_equal(&outcomes, changes);
        match outcomes.first() {
            Some(Ok(())) => {
                self.tally.committed += 1;
                self.rows = self.dump_of_first().await;
            }
            Some(Err(_)) => self.tally.refused += 1,
            None => {}
        }
    }

    async fn dump_of_first(&self) -> Vec<Row> {
        match self.stores.first() {
            Some((_, store)) => dump(&**store).await,
            None => Vec::new(),
        }
    }

    async fn compare_everything(&mut self) {
        let mut dumps = Vec::new();
        for (_, store) in self.stores {
            dumps.push(dump(&**store).await);
        }
        self.assert_equal(&dumps, &"all rows");
        for table in Table::ALL {
            let mut digests = Vec::new();
            for (_, store) in self.stores {
                digests.push(simple(store.digest(*table, &KeyRange::default()).await));
            }
            self.assert_equal(&digests, table);
        }
        self.rows = dumps.into_iter().next().unwrap_or_default();
    }

    fn assert_equal<T: PartialEq + Debug>(&self, answers: &[T], what: &dyn Debug) {
        let first = &answers[0];
        for ((name, _), answer) in self.stores.iter().zip(answers).skip(1) {
            assert!(
                answer == first,
                "seed {}, step {}: {name} disagrees with {}\nabout {what:?}\n{name}: {answer:?}\n{}: {first:?}",
                self.seed,
                self.step,
                self.stores[0].0,
                self.stores[0].0,
            );
        }
    }
}

/// What is compared of an answer that may be an error.
fn simple<T>(answer: Result<T>) -> Result<T, waiterix_ports::ErrorKind> {
    answer.map_err(|error: Error| error.kind())
}
