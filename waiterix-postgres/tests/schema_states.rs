//! Whatever a database was, it becomes what it must be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test is a panic")]

use waiterix_backends::{Backend, given};
use waiterix_postgres::schema;
use waiterix_postgres::testing::{Scratch, database};

#[tokio::test]
async fn an_empty_database_gets_everything() {
    let Some(server) = given(Backend::Postgres) else { return };
    let scratch = Scratch::empty(&server).await.unwrap();
    let database = database(&scratch.url()).unwrap();
    assert!(schema::check(&database).await.unwrap().empty);
    let migration = schema::migrate(&database, |_| {}).await.unwrap();
    assert!(migration.is_complete(), "{migration}");
    let again = schema::migrate(&database, |_| {}).await.unwrap();
    assert!(again.done.is_empty(), "{again}");
    let copy = Scratch::migrated(&server).await.unwrap();
    assert!(
        schema::check(&waiterix_postgres::testing::database(&copy.url()).unwrap())
            .await
            .unwrap()
            .is_complete()
    );
}
