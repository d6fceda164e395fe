//! Guests, who write and read a few orders, and remember what they were told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waiterix_contract::store::sample;
use waiterix_domain::{ChangeSet, CommitId, Row, Table};
use waiterix_ports::{Answer, Query, Result, Retry, Store};

use crate::row_schedules::network::pause;
use crate::row_schedules::tally::Tally;

/// How many orders there are.
const ORDERS: u32 = 4;
/// After so many things a guest takes its time.
const HASTE: u32 = 15;

/// What somebody was told of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is done.
    Done,
    /// It is not done.
    Refused,
    /// Nobody knows, or it was not told.
    Unknown,
}

/// A guest, until it leaves or dies.
struct Here(Arc<Room>);

impl Here {
    fn new(room: &Arc<Room>) -> Self {
        room.guests.fetch_add(1, Ordering::SeqCst);
        Self(room.clone())
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.0.guests.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What all guests share.
#[derive(Debug, Default)]
pub struct Room {
    /// What was committed.
    pub tally: Arc<Tally>,
    /// What was told of every write.
    pub told: Mutex<Vec<(String, Told)>>,
    /// Whether guests leave.
    pub is_over: AtomicBool,
    number: AtomicU64,
    reads: AtomicU64,
    guests: AtomicU64,
}

impl Room {
    /// How many reads were answered.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }

    /// How many are there.
    pub fn guests(&self) -> u64 {
        self.guests.load(Ordering::SeqCst)
    }

    fn tell(&self, place: usize, told: Told) {
        self.told.lock().unwrap()[place].1 = told;
    }

    /// Writes or deletes an order.
    async fn write(&self, store: &dyn Store, order: &str, deletes: bool) {
        let number = i64::try_from(self.number.fetch_add(1, Ordering::SeqCst) + 1).unwrap();
        let id = format!("c{number}");
        let set = ChangeSet::new(CommitId::new(&*id));
        let set = if deletes {
            set.delete(Table::Orders, order)
        } else {
            set.insert(sample::order(order, "r", number))
        };
        let place = {
            let mut told = self.told.lock().unwrap();
            told.push((id, Told::Unknown));
            told.len() - 1
        };
        match store.commit(&set).await {
            Ok(()) => self.tell(place, Told::Done),
            Err(error) if error.retry_advice() == Retry::Ambiguous => {}
            Err(_) => self.tell(place, Told::Refused),
        }
    }

    /// Reads an order: what comes is what it was at some moment of the read.
    async fn read(&self, store: &dyn Store, order: &str) {
        let before = self.tally.len();
        let answer: Result<Answer> = store.read(&Query::Order(order.into())).await;
        let Ok(Answer::Rows(rows)) = answer else { return };
        let number = rows.first().map(|row| match row {
            Row::Order(order) => (order.created_at.as_micros() - sample::at(0).as_micros()) / 1_000_000,
            other => panic!("{other:?}"),
        });
        let right = self.tally.since(before, order);
        assert!(right.contains(&number), "{order} was read as {number:?}, and was one of {right:?}");
        self.reads.fetch_add(1, Ordering::SeqCst);
    }

    /// A guest, until all leave.
    pub async fn guest(self: Arc<Self>, store: Arc<dyn Store>, seed: u64, reads: bool) {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut done = 0;
        let _here = Here::new(&self);
        while !self.is_over.load(Ordering::SeqCst) {
            let order = format!("o{}", dice.u32(0..ORDERS));
            match dice.u32(0..8) {
                0..3 => self.write(&*store, &order, false).await,
                3 => self.write(&*store, &order, true).await,
                _ if reads => self.read(&*store, &order).await,
                _ => {}
            }
            done += 1;
            let longest = if done < HASTE { 300 } else { 3_000 };
            pause(Duration::from_millis(dice.u64(0..longest))).await;
        }
    }
}
