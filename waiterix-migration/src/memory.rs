//! What a move remembers, in memory: for tests, and for trying a move where nothing depends on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use waiterix_domain::Timestamp;
use waiterix_ports::moving::{
    Forgetting, Ledger, LedgerEntry, MovingPort, ObjectRecord, ObjectRecords, Place, Places, Plan, PlanStore,
    PortStanding, Recorded, Turns, Watcher,
};
use waiterix_ports::{Error, ErrorKind, Result, Violation};

/// The plan and everything that belongs to it, ending with the process.
#[derive(Debug, Default)]
pub struct MemoryPlan(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    standings: BTreeMap<MovingPort, PortStanding>,
    instances: BTreeMap<String, Heard>,
    ledger: Vec<LedgerEntry>,
    places: BTreeMap<String, Place>,
    records: BTreeMap<String, ObjectRecord>,
}

/// What an instance said, and when.
#[derive(Debug)]
struct Heard {
    turns: Turns,
    looked: Instant,
    is_forgotten: bool,
}

impl MemoryPlan {
    /// A panic elsewhere while the lock was held leaves the maps whole, so the poison is of no interest.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an instance appear to have been silent since the beginning, so that a test need not wait.
    pub fn silence(&self, instance: &str, since: Instant) {
        if let Some(heard) = self.state().instances.get_mut(instance) {
            heard.looked = since;
        }
    }
}

impl State {
    fn plan(&self) -> Plan {
        Plan::new(self.standings.iter().map(|(port, standing)| (*port, *standing)))
    }
}

#[async_trait]
impl PlanStore for MemoryPlan {
    async fn plan(&self) -> Result<Plan> {
        Ok(self.state().plan())
    }

    async fn shift(&self, port: MovingPort, seen: u64, to: &PortStanding, why: &LedgerEntry) -> Result<bool> {
        if to.turn != seen + 1 {
            return Err(Error::new(ErrorKind::Invalid, "plan.shift").with("fault", "not the next turn"));
        }
        let mut state = self.state();
        let now = state.plan().of(port);
        if now == *to {
            return Ok(true);
        }
        if now.turn != seen {
            return Ok(false);
        }
        state.standings.insert(port, *to);
        state.ledger.push(why.clone());
        Ok(true)
    }

    async fn look(&self, instance: &str, seen: &Turns) -> Result<Plan> {
        let mut state = self.state();
        let unheard = || Heard { turns: Turns::new(), looked: Instant::now(), is_forgotten: false };
        let heard = state.instances.entry(instance.to_owned()).or_insert_with(unheard);
        if heard.is_forgotten {
            return Err(Error::new(ErrorKind::Unavailable, "plan.look").violating(Violation::Forgotten));
        }
        heard.turns.extend(seen.iter().map(|(of, turn)| (of.clone(), *turn)));
        heard.looked = Instant::now();
        Ok(state.plan())
    }

    async fn leave(&self, instance: &str) -> Result<()> {
        self.state().instances.remove(instance);
        Ok(())
    }

    async fn forget(&self, instance: &str, silent: Duration, why: &LedgerEntry) -> Result<Forgetting> {
        let mut state = self.state();
        let Some(heard) = state.instances.get_mut(instance) else { return Ok(Forgetting::Unknown) };
        if heard.is_forgotten {
            return Ok(Forgetting::Done);
        }
        let since = heard.looked.elapsed();
        if since < silent {
            return Ok(Forgetting::Heard(since));
        }
        heard.is_forgotten = true;
        state.ledger.push(why.clone());
        Ok(Forgetting::Done)
    }

    async fn instances(&self) -> Result<Vec<Watcher>> {
        let state = self.state();
        let of = |(id, heard): (&String, &Heard)| Watcher {
            id: id.clone(),
            turns: heard.turns.clone(),
            silent: heard.looked.elapsed(),
            is_forgotten: heard.is_forgotten,
        };
        Ok(state.instances.iter().map(of).collect())
    }
}

#[async_trait]
impl Ledger for MemoryPlan {
    async fn note(&self, entry: &LedgerEntry) -> Result<()> {
        self.state().ledger.push(entry.clone());
        Ok(())
    }

    async fn recorded(&self, after: Option<u64>, limit: u32) -> Result<Vec<Recorded>> {
        let state = self.state();
        let numbered = (1..).zip(&state.ledger).filter(|(id, _)| after.is_none_or(|after| *id > after));
        let recorded =
            numbered.map(|(id, entry)| Recorded { id, at: Timestamp::EPOCH, entry: entry.clone() });
        Ok(recorded.take(limit as usize).collect())
    }
}

#[async_trait]
impl Places for MemoryPlan {
    async fn place(&self, walk: &str) -> Result<Place> {
        Ok(self.state().places.get(walk).cloned().unwrap_or_default())
    }

    async fn keep_place(&self, walk: &str, place: &Place) -> Result<()> {
        self.state().places.insert(walk.to_owned(), place.clone());
        Ok(())
    }
}

#[async_trait]
impl ObjectRecords for MemoryPlan {
    async fn keep_records(&self, records: &[ObjectRecord]) -> Result<()> {
        let mut state = self.state();
        state.records.extend(records.iter().map(|record| (record.key.clone(), record.clone())));
        Ok(())
    }

    async fn records(&self, keys: &[&str]) -> Result<Vec<ObjectRecord>> {
        let state = self.state();
        Ok(keys.iter().filter_map(|key| state.records.get(*key).cloned()).collect())
    }

    async fn forget_records(&self, keys: &[&str]) -> Result<()> {
        let mut state = self.state();
        for key in keys {
            state.records.remove(*key);
        }
        Ok(())
    }
}
