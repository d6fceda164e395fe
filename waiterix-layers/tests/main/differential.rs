//! A store whose calls fail all the time, behind a retry, is a store like any other.

use std::sync::Arc;

use waiterix_adapters_local::memory::MemoryStore;
use waiterix_contract::ManualClock;
use waiterix_contract::store::differential::run;
use waiterix_layers::Chaos;
use waiterix_ports::Store;

use crate::memory;

fn plain() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Arc::new(ManualClock::default())))
}

#[tokio::test(start_paused = true)]
async fn a_retried_store_in_chaos_agrees_with_one_in_peace() {
    for seed in [1, 2, 3] {
        println!("seed {seed}");
        let chaos = Chaos::repairable(seed, memory::FREQUENT);
        let shaken = waiterix_layers::chaos(plain(), chaos.clone());
        let repaired = waiterix_layers::retry(shaken, memory::patient(), seed);
        let tally = run(&[("memory", plain()), ("retry over chaos", repaired)], seed, 2_000).await;
        assert!(tally.committed > 250 && tally.refused > 250 && tally.read > 500, "{tally:?}");
        // Every commit, read and comparison of the runner is a call, and a third of all is repeated.
        assert!(chaos.calls() > 3_000, "{} calls", chaos.calls());
    }
}
