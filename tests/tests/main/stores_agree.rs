//! Rows in Neon, behind its pooler, and rows in RDS are the same after the same random steps, and so is every answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use url::Url;
use waiterix_adapters_aws::rds::{self, RdsSettings};
use waiterix_adapters_legacy::neon::{self, NeonSettings};
use waiterix_adapters_local::memory::MemoryStore;
use waiterix_backends::{Backend, given};
use waiterix_contract::store::differential;
use waiterix_ports::vars::Vars;
use waiterix_ports::{Clock, Store, SystemClock};
use waiterix_postgres::connect::Hosting;
use waiterix_postgres::testing::Scratch;

fn rds(url: &Url, clock: &Arc<dyn Clock>) -> Arc<dyn Store> {
    let map = BTreeMap::from([("DATABASE_URL".to_owned(), url.to_string())]);
    let settings = RdsSettings::read(&mut Vars::new(&map), Hosting::Server);
    Arc::new(rds::open(&settings, None, clock).unwrap())
}

fn neon(url: &Url, clock: &Arc<dyn Clock>) -> Arc<dyn Store> {
    let mut url = url.clone();
    url.query_pairs_mut().append_pair("pgbouncer", "true");
    let map = BTreeMap::from([("LEGACY_DATABASE_URL".to_owned(), url.to_string())]);
    let settings = NeonSettings::read(&mut Vars::new(&map), Hosting::Server);
    assert!(settings.postgres.pooled);
    Arc::new(neon::open(&settings, clock).unwrap())
}

#[test]
#[allow(clippy::print_stderr, reason = "a failed run is repeated by its seed")]
fn neon_behind_its_pooler_rds_and_memory_agree_on_random_steps() {
    const SEED: u64 = 20_261_125;
    const STEPS: usize = 2_000;
    waiterix_contract::run(|| async {
        let (Some(server), Some(pooler)) = (given(Backend::Postgres), given(Backend::PgBouncer)) else {
            return;
        };
        let (old, new) =
            (Scratch::migrated(&server).await.unwrap(), Scratch::migrated(&server).await.unwrap());
        let mut through = pooler.clone();
        through.set_path(old.url().path());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let stores: [(&str, Arc<dyn Store>); 3] = [
            ("memory", Arc::new(MemoryStore::new(clock.clone()))),
            ("Neon", neon(&through, &clock)),
            ("RDS", rds(&new.url(), &clock)),
        ];
        eprintln!("seed {SEED}");
        let tally = differential::run(&stores, SEED, STEPS).await;
        assert!(tally.committed > STEPS / 10 && tally.refused > 0 && tally.read > 0, "{tally:?}");
    });
}
