//! The contract of sessions over a mirror of PostgreSQL and Redis, with the journal in PostgreSQL, whichever leads.

use std::sync::Arc;

use waiterix_contract::Fixture;
use waiterix_migration::{DualSessionStore, Phase, SessionKey, Switch};
use waiterix_ports::{SessionStore, SystemClock};
use waiterix_postgres::moving::PostgresJournal;

use crate::pg_session_redis;
use crate::pg_session_tables::{Made, connect, scratch, store};

async fn mirror(phase: Phase) -> Option<Fixture<dyn SessionStore>> {
    let scratch = scratch(Made::ByLibrary).await?;
    let (server, new) = pg_session_redis::store()?;
    let old = store(&scratch.url(), Arc::new(SystemClock), |_| {});
    let journal = PostgresJournal::<SessionKey>::new(old.database().clone());
    journal.install().await.unwrap();
    let (switch, journal) = (Arc::new(Switch::new(phase)), Arc::new(journal));
    let mirror = DualSessionStore::new(Arc::new(old), Arc::new(new), switch, journal, Arc::new(SystemClock));
    let (postgres, redis) = (scratch.url(), server.url().clone());
    let fixture = Fixture::new(Arc::new(mirror) as Arc<dyn SessionStore>).guarded(scratch).guarded(server);
    Some(fixture.vandalised(move |id| {
        let (postgres, redis) = (postgres.clone(), redis.clone());
        async move {
            let spoil = sqlx::query("UPDATE public.sessions SET sess = '[]' WHERE sid = $1").bind(&id);
            spoil.execute(&mut connect(&postgres).await).await.unwrap();
            let client = redis::Client::open(redis).unwrap();
            let mut spoil = redis::cmd("SET");
            spoil.arg(format!("session:{id}")).arg("{ not json").arg("KEEPTTL").arg("XX");
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let _: Option<String> = spoil.query_async(&mut connection).await.unwrap();
        }
    }))
}

mod postgresql_leads {
    use waiterix_contract::Fixture;
    use waiterix_migration::Phase;
    use waiterix_ports::SessionStore;

    async fn fresh() -> Option<Fixture<dyn SessionStore>> {
        super::mirror(Phase::ALL[1]).await
    }

    waiterix_contract::session_contract!("mirror of sessions, PostgreSQL leads and Redis follows", fresh);
}

mod redis_leads {
    use waiterix_contract::Fixture;
    use waiterix_migration::Phase;
    use waiterix_ports::SessionStore;

    async fn fresh() -> Option<Fixture<dyn SessionStore>> {
        super::mirror(Phase::ALL[2]).await
    }

    waiterix_contract::session_contract!("mirror of sessions, Redis leads and PostgreSQL follows", fresh);
}
