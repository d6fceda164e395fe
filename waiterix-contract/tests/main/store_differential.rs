//! The differential runner: it passes over stores that agree, and stops at one that does not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use waiterix_adapters_local::memory::MemoryStore;
use waiterix_contract::ManualClock;
use waiterix_contract::broken::store::{BrokenStore, Fault};
use waiterix_contract::store::differential::{Tally, run};
use waiterix_ports::Store;

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Arc::new(ManualClock::default())))
}

#[allow(clippy::unwrap_used, reason = "a test that cannot start must fail")]
fn run_against(other: Arc<dyn Store>, seed: u64, steps: usize) -> Tally {
    let stores = [("memory", memory()), ("other", other)];
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(&stores, seed, steps))
}

#[test]
fn equal_stores_agree() {
    for seed in 0..6 {
        let tally = run_against(memory(), seed, 1_500);
        assert!(tally.committed > 200 && tally.refused > 200, "seed {seed} tests little: {tally:?}");
        assert!(tally.read > 400 && tally.repeated > 50, "seed {seed} tests little: {tally:?}");
        assert!(tally.rows > 20, "seed {seed} tests little: {tally:?}");
    }
}

#[test]
fn the_same_seed_makes_the_same_run() {
    assert_eq!(run_against(memory(), 7, 500), run_against(memory(), 7, 500));
}

#[test]
fn broken_stores_are_found() {
    for fault in [
        Fault::Reverses,
        Fault::IgnoresQueryLimits,
        Fault::UnknownIsAnError,
        Fault::CutsMicroseconds,
        Fault::EmptyIsNull,
        Fault::SortsArrays,
        Fault::JsonNullIsNull,
        Fault::RefusesNulInQueries,
        Fault::CachesAnswers,
        Fault::NotAtomic,
        Fault::RemembersFailures,
        Fault::InsertReplaces,
        Fault::InsertsOnce,
        Fault::IgnoresBefore,
        Fault::ComparesAllButOneColumn,
        Fault::TakesEqualForDone,
        Fault::Restricts,
        Fault::DeletesForNull,
        Fault::DeletesOnce,
        Fault::AddSaturates,
        Fault::AddSkipsAbsent,
        Fault::IgnoresRequirements,
        Fault::BlamesTheKey,
        Fault::SwallowsDuplicates,
        Fault::SwallowsOrphans,
        Fault::ForgetsIds,
        Fault::DeletesLast,
        Fault::BackToFront,
        Fault::DropsNul,
        Fault::SkipsBoundary,
        Fault::LocaleOrder,
        Fault::ExclusiveEnd,
        Fault::ClampsLimit,
        Fault::DigestSkipsAColumn,
        Fault::DigestIgnoresRange,
    ] {
        let found = (0..20).any(|seed| {
            let broken = Arc::new(BrokenStore::new(memory(), Some(fault)));
            catch_unwind(AssertUnwindSafe(|| run_against(broken, seed, 1_500))).is_err()
        });
        assert!(found, "no run notices {fault:?}");
    }
}
