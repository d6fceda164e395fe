//! Rows in RDS against the contract. The server is a plain PostgreSQL: what RDS adds is in the other tests of RDS.

use std::collections::BTreeMap;
use std::sync::Arc;

use waiterix_adapters_aws::rds::{self, RdsSettings};
use waiterix_backends::{Backend, given};
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::vars::Vars;
use waiterix_ports::{Clock, Store};
use waiterix_postgres::connect::Hosting;
use waiterix_postgres::testing::Scratch;

async fn fresh() -> Option<Fixture<dyn Store>> {
    let scratch = Scratch::migrated(&given(Backend::Postgres)?).await.unwrap();
    let map = BTreeMap::from([("DATABASE_URL".to_owned(), scratch.url().to_string())]);
    let mut vars = Vars::new(&map);
    let settings = RdsSettings::read(&mut vars, Hosting::Server);
    assert!(vars.problems().is_empty(), "{:?}", vars.problems());
    let clock = Arc::new(ManualClock::default());
    let store = rds::open(&settings, None, &(clock.clone() as Arc<dyn Clock>)).unwrap();
    Some(Fixture::new(Arc::new(store) as Arc<dyn Store>).clocked(clock).guarded(scratch))
}

waiterix_contract::store_contract!("RDS", fresh);
