//! The way to a side, on which anything that can become of a call becomes of it: it is refused, held up, done without an answer,
//! done twice, or done long after whoever asked was told that nothing is known of it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use waiterix_migration::testing::{Fault, Faults, MemorySide};
use waiterix_ports::moving::{
    Backlog, Claim, Claiming, Forgetting, Hashing, Hold, Instance, JournalEntry, Leaf, Mode, MovingKey,
    Parcel, Quarantined, RowHash, RowSide, Shares, Standing, Survey, Wanted,
};
use waiterix_ports::{Error, ErrorKind, KeyRange, Result, Retry};

/// Waits in tokio's time, which is not the time of this machine here.
pub async fn pause(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// What a side does wrong, to see whether that is found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Rows are read when entries are claimed, and not when they are asked for.
    ReadsEarly,
    /// Entries are forgotten that were not claimed.
    ForgetsTooMuch,
    /// The journal is said to be empty.
    HidesTheJournal,
    /// A process that serves looks once who leads, and says that it has seen everything since then.
    LooksOnce,
    /// Commits are done again when they are sent again.
    CommitsTwice,
}

/// What becomes of calls, by chance. The same seed gives the same chances.
#[derive(Debug, Clone)]
pub struct Weather {
    dice: Arc<Mutex<fastrand::Rng>>,
    is_calm: Arc<AtomicBool>,
    /// Of a thousand calls, how many each of the things that can become of them becomes of.
    share: u32,
    wrong: Option<Wrong>,
}

impl Weather {
    /// Bad weather, until somebody says that it is calm.
    pub fn new(seed: u64, share: u32, is_calm: Arc<AtomicBool>, wrong: Option<Wrong>) -> Self {
        Self { dice: Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))), is_calm, share, wrong }
    }

    /// Whether the server at its end does something wrong.
    pub fn is(&self, wrong: Wrong) -> bool {
        self.wrong == Some(wrong)
    }

    /// One number below another, by chance.
    pub fn below(&self, limit: u32) -> u32 {
        self.dice.lock().unwrap().u32(0..limit)
    }

    /// Whether something becomes of a call.
    pub fn strikes(&self) -> bool {
        let chance = self.below(1_000);
        chance < self.share && !self.is_calm.load(Ordering::SeqCst)
    }

    /// How long a call is held up: mostly for no time worth speaking of, sometimes longer than anybody waits.
    fn delay(&self) -> Duration {
        match self.below(200) {
            0 => Duration::from_millis(self.below(6_000).into()),
            1..=20 => Duration::from_millis(self.below(60).into()),
            21..=80 => Duration::from_micros(self.below(900).into()),
            _ => Duration::ZERO,
        }
    }
}

#[async_trait]
impl Faults for Weather {
    async fn at(&self, _: &'static str) -> Fault {
        let delay = self.delay();
        if delay.is_zero() {
            tokio::task::yield_now().await;
        } else if !self.is_calm.load(Ordering::SeqCst) {
            pause(delay).await;
        }
        match (self.strikes(), self.strikes()) {
            (true, _) => Fault::Refuse,
            (_, true) => Fault::Swallow,
            _ => Fault::None,
        }
    }
}

fn unknown<T>(operation: &'static str) -> Result<T> {
    Err(Error::new(ErrorKind::Timeout, operation).retry(Retry::Ambiguous))
}

/// A side at the end of such a way.
#[derive(Debug, Clone)]
pub struct FarSide {
    side: MemorySide,
    weather: Weather,
    first: Arc<Mutex<Option<Standing>>>,
}

impl FarSide {
    /// A side, reached in some weather.
    pub fn new(side: &MemorySide, weather: &Weather) -> Self {
        Self {
            side: side.through(Arc::new(weather.clone())),
            weather: weather.clone(),
            first: Arc::default(),
        }
    }

    /// The side as it is reached.
    pub fn side(&self) -> &MemorySide {
        &self.side
    }

    /// The weather on the way.
    pub fn weather(&self) -> &Weather {
        &self.weather
    }
}

/// Lets the server do something after who asked for it has gone away.
pub fn later(weather: &Weather, work: impl Future<Output = ()> + Send + 'static) {
    let delay = weather.delay() * 2;
    drop(tokio::spawn(async move {
        pause(delay).await;
        work.await;
    }));
}

impl FarSide {
    /// Has a call done, or done twice, or done later than it is waited for.
    async fn call<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl Fn(MemorySide) -> BoxFuture<'static, Result<T>> + Send + Sync,
    ) -> Result<T> {
        if self.weather.strikes() {
            let late = work(self.side.clone());
            later(&self.weather, async move { drop(late.await) });
            if self.weather.below(2) == 0 {
                return unknown(name);
            }
        }
        work(self.side.clone()).await
    }
}

#[async_trait]
impl RowSide for FarSide {
    async fn survey(&self) -> Result<Survey> {
        self.side.survey().await
    }

    async fn install(&self, first: Standing) -> Result<()> {
        self.call("install", |side| Box::pin(async move { side.install(first).await })).await
    }

    async fn uninstall(&self) -> Result<()> {
        self.side.uninstall().await
    }

    async fn standing(&self) -> Result<Option<Standing>> {
        let standing = self.side.standing().await?;
        if self.weather.is(Wrong::LooksOnce) {
            let mut first = self.first.lock().unwrap();
            *first = first.or(standing);
            return Ok(*first);
        }
        Ok(standing)
    }

    async fn shift(&self, seen: Standing, mode: Mode, epoch: u64, patience: Duration) -> Result<bool> {
        self.call("shift", |side| Box::pin(async move { side.shift(seen, mode, epoch, patience).await }))
            .await
    }

    async fn claim(&self, what: &Claiming) -> Result<Box<dyn Claim>> {
        let mut claim = self.side.claim(what).await?;
        let keys: Vec<MovingKey> = claim.entries().iter().map(|entry| entry.key.clone()).collect();
        let early = if self.weather.is(Wrong::ReadsEarly) { claim.images(&keys).await? } else { Vec::new() };
        Ok(Box::new(FarClaim { claim, far: self.clone(), early }))
    }

    async fn backlog(&self) -> Result<Backlog> {
        let backlog = self.side.backlog().await?;
        Ok(if self.weather.is(Wrong::HidesTheJournal) { Backlog::default() } else { backlog })
    }

    async fn mark(&self, keys: &[MovingKey]) -> Result<()> {
        let work = |side: MemorySide| -> BoxFuture<'static, Result<()>> {
            let keys = keys.to_vec();
            Box::pin(async move { side.mark(&keys).await })
        };
        self.call("mark", work).await
    }

    async fn dirty(&self, keys: &[MovingKey]) -> Result<Vec<MovingKey>> {
        self.side.dirty(keys).await
    }

    async fn quarantine(&self, keys: &[Quarantined]) -> Result<()> {
        let work = |side: MemorySide| -> BoxFuture<'static, Result<()>> {
            let keys = keys.to_vec();
            Box::pin(async move { side.quarantine(&keys).await })
        };
        self.call("quarantine", work).await
    }

    async fn quarantined(&self, limit: u32) -> Result<Vec<Quarantined>> {
        self.side.quarantined(limit).await
    }

    async fn release(&self) -> Result<u64> {
        self.side.release().await
    }

    async fn report(&self, id: &str, old_turn: u64, new_turn: u64) -> Result<()> {
        let lies = self.weather.is(Wrong::LooksOnce);
        let (old_turn, new_turn) = if lies { (u64::MAX, u64::MAX) } else { (old_turn, new_turn) };
        let work = |side: MemorySide| -> BoxFuture<'static, Result<()>> {
            let id = id.to_owned();
            Box::pin(async move { side.report(&id, old_turn, new_turn).await })
        };
        self.call("report", work).await
    }

    async fn leave(&self, id: &str) -> Result<()> {
        self.side.leave(id).await
    }

    async fn forget(&self, id: &str, silent: Duration) -> Result<Forgetting> {
        self.side.forget(id, silent).await
    }

    async fn instances(&self) -> Result<Vec<Instance>> {
        self.side.instances().await
    }

    async fn hold(&self, epoch: u64, keys: &[MovingKey]) -> Result<Box<dyn Hold>> {
        let hold = self.side.hold(epoch, keys).await?;
        Ok(Box::new(FarHold { hold, weather: self.weather.clone() }))
    }

    async fn ranges(&self, table: &str, rows: u64) -> Result<Vec<KeyRange>> {
        self.side.ranges(table, rows).await
    }

    async fn cut(&self, table: &str, rows: u64) -> Result<Vec<KeyRange>> {
        self.side.cut(table, rows).await
    }

    async fn copy_out(&self, table: &str, range: &KeyRange) -> Result<Parcel> {
        self.side.copy_out(table, range).await
    }

    async fn copy_in(&self, epoch: u64, table: &str, range: &KeyRange, parcel: Parcel) -> Result<()> {
        let work = |side: MemorySide| -> BoxFuture<'static, Result<()>> {
            let (table, range, parcel) = (table.to_owned(), range.clone(), parcel.clone());
            Box::pin(async move { side.copy_in(epoch, &table, &range, parcel).await })
        };
        self.call("copy_in", work).await
    }

    async fn copied(&self, table: &str) -> Result<Vec<KeyRange>> {
        self.side.copied(table).await
    }

    async fn before_copy(&self) -> Result<()> {
        self.side.before_copy().await
    }

    async fn after_copy(&self) -> Result<()> {
        self.side.after_copy().await
    }

    async fn stretches(&self, table: &str, bytes: u64) -> Result<Vec<KeyRange>> {
        self.side.stretches(table, bytes).await
    }

    async fn leaves(
        &self,
        table: &str,
        range: &KeyRange,
        shares: Shares,
        hashing: Hashing,
    ) -> Result<Vec<Leaf>> {
        self.side.leaves(table, range, shares, hashing).await
    }

    async fn hashes(
        &self,
        table: &str,
        range: &KeyRange,
        shares: Shares,
        some: &[u32],
        hashing: Hashing,
    ) -> Result<Vec<RowHash>> {
        self.side.hashes(table, range, shares, some, hashing).await
    }

    async fn images(&self, keys: &[MovingKey]) -> Result<Vec<Wanted>> {
        self.side.images(keys).await
    }

    async fn pressure(&self) -> Result<Duration> {
        self.side.pressure().await
    }
}

#[derive(Debug)]
struct FarClaim {
    claim: Box<dyn Claim>,
    far: FarSide,
    early: Vec<Wanted>,
}

#[async_trait]
impl Claim for FarClaim {
    fn entries(&self) -> &[JournalEntry] {
        self.claim.entries()
    }

    async fn images(&mut self, keys: &[MovingKey]) -> Result<Vec<Wanted>> {
        if self.far.weather.is(Wrong::ReadsEarly) {
            let early = |key: &MovingKey| self.early.iter().find(|wanted| wanted.key == *key).cloned();
            return Ok(keys.iter().filter_map(early).collect());
        }
        self.claim.images(keys).await
    }

    async fn forget(self: Box<Self>, made: &[MovingKey]) -> Result<()> {
        let Self { claim, far, .. } = *self;
        if far.weather.is(Wrong::ForgetsTooMuch) {
            far.side.claim(&Claiming::Keys(made.to_vec())).await?.forget(made).await?;
        }
        if far.weather.strikes() {
            let made = made.to_vec();
            later(&far.weather, async move { drop(claim.forget(&made).await) });
            return unknown("claim.forget");
        }
        claim.forget(made).await
    }
}

struct FarHold {
    hold: Box<dyn Hold>,
    weather: Weather,
}

impl fmt::Debug for FarHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hold.fmt(f)
    }
}

#[async_trait]
impl Hold for FarHold {
    async fn make(self: Box<Self>, wanted: &[Wanted]) -> Result<()> {
        let Self { hold, weather } = *self;
        if weather.strikes() {
            let wanted = wanted.to_vec();
            later(&weather, async move { drop(hold.make(&wanted).await) });
            return unknown("hold.make");
        }
        hold.make(wanted).await
    }
}
