//! Rows in Neon against the contract. The server is a plain PostgreSQL behind a pooler in transaction mode, which is what Neon's
//! pooled hosts are; what Neon adds is in the other tests of Neon.

use std::collections::BTreeMap;
use std::sync::Arc;

use waiterix_adapters_legacy::neon::{self, NeonSettings};
use waiterix_backends::{Backend, given};
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::vars::Vars;
use waiterix_ports::{Clock, ErrorKind, Store};
use waiterix_postgres::connect::Hosting;
use waiterix_postgres::schema::{self, MigrateError};
use waiterix_postgres::testing::Scratch;

const POOLED_HOST: &str = "ep-cool-sun-a1b2c3-pooler.eu-central-1.aws.neon.tech";

/// Settings read from a URL as Neon hands it out, which then lead to the servers of the test instead.
fn settings(scratch: &Scratch) -> Option<(NeonSettings, NeonSettings)> {
    let (server, pooler) = (given(Backend::Postgres)?, given(Backend::PgBouncer)?);
    let mut url = scratch.url();
    url.set_host(Some(POOLED_HOST)).unwrap();
    // The servers of tests speak no TLS; what is said of it is tested with the others.
    url.set_query(Some("sslmode=disable&channel_binding=require"));
    let map = BTreeMap::from([("LEGACY_DATABASE_URL".to_owned(), url.to_string())]);
    let mut vars = Vars::new(&map);
    let mut pooled = NeonSettings::read(&mut vars, Hosting::Server);
    assert!(vars.problems().is_empty(), "{:?}", vars.problems());
    let mut direct = pooled.direct();
    for (settings, address) in [(&mut pooled, pooler), (&mut direct, server)] {
        settings.postgres.host = address.host_str().unwrap().to_owned();
        settings.postgres.port = address.port().unwrap();
    }
    Some((pooled, direct))
}

async fn fresh() -> Option<Fixture<dyn Store>> {
    let scratch = Scratch::migrated(&given(Backend::Postgres)?).await.unwrap();
    let (pooled, _) = settings(&scratch)?;
    let clock = Arc::new(ManualClock::default());
    let store = neon::open(&pooled, &(clock.clone() as Arc<dyn Clock>)).unwrap();
    Some(Fixture::new(Arc::new(store) as Arc<dyn Store>).clocked(clock).guarded(scratch))
}

waiterix_contract::store_contract!("Neon", fresh);

#[test]
fn the_schema_is_migrated_round_the_pooler() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let scratch = Scratch::empty(&server).await.unwrap();
        let Some((pooled, direct)) = settings(&scratch) else { return };
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        let (pooled, direct) =
            (neon::database(&pooled, &clock).unwrap(), neon::database(&direct, &clock).unwrap());
        let Err(MigrateError::Failed(refused)) = schema::migrate(&pooled, |_| {}).await else {
            panic!("a migration needs a session of its own");
        };
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
        assert!(schema::migrate(&direct, |_| {}).await.unwrap().is_complete());
        assert!(schema::check(&pooled).await.unwrap().is_complete(), "looking works through the pooler");
    });
}
