//! A pooler in transaction mode lends its few connections to the server to many clients, statement by statement.

use std::sync::Arc;

use sqlx::{Connection as _, PgConnection};
use waiterix_backends::{Backend, given};
use waiterix_contract::race::at_once;
use waiterix_contract::store::probe::{fill, rows, set};
use waiterix_contract::store::sample::{dish, faq, order, restaurant, table, user};
use waiterix_domain::Row;
use waiterix_ports::{Query, Store};
use waiterix_postgres::testing::Scratch;

use crate::stores;

/// Several times as many clients as the pooler has connections to the server.
const CLIENTS: usize = 24;

/// The driver has a statement parsed, and only then runs it. If the pooler could lend the connection to somebody else
/// in between, that one's statement would run: with this one's arguments, if they fit.
#[test]
fn nobody_gets_the_answer_to_another_ones_question() {
    waiterix_contract::run(|| async {
        let (Some(server), Some(pooler)) = (given(Backend::Postgres), given(Backend::PgBouncer)) else {
            return;
        };
        let scratch = Scratch::migrated(&server).await.unwrap();
        let store = stores::with(&scratch.through(&pooler), |settings| {
            settings.pooled = true;
            settings.pool_max = u32::try_from(CLIENTS).unwrap();
        });
        let store: Arc<dyn Store> = Arc::new(store);
        // Every id is in every table, and every question has one argument: nothing but the statement makes a difference.
        let same: [Row; 6] = [
            user("x").into(),
            restaurant("x", "x").into(),
            table("x", "x", "1").into(),
            dish("x", "x").into(),
            order("x", "x", 0).into(),
            faq("x", "x", 0).into(),
        ];
        fill(&*store, same.clone()).await;
        let questions: [fn() -> Query; 4] = [
            || Query::Restaurant("x".into()),
            || Query::Table("x".into()),
            || Query::OrderItems("x".into()),
            || Query::Faq("x".into()),
        ];
        let expected = [vec![same[1].clone()], vec![same[2].clone()], vec![], vec![same[5].clone()]];
        at_once(CLIENTS, |client| {
            let (store, expected) = (store.clone(), expected.clone());
            async move {
                for time in 0..40 {
                    let which = (client + time) % questions.len();
                    assert_eq!(rows(&*store, &questions[which]()).await, expected[which], "question {which}");
                    if time % 8 == 0 {
                        let id = format!("{client}-{time}");
                        store.commit(&set(&id).insert(user(&id))).await.unwrap();
                    }
                }
            }
        })
        .await;
    });
}

#[test]
fn no_statement_is_left_prepared_in_the_servers_sessions() {
    waiterix_contract::run(|| async {
        let (Some(server), Some(pooler)) = (given(Backend::Postgres), given(Backend::PgBouncer)) else {
            return;
        };
        let scratch = Scratch::migrated(&server).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(stores::pooled(&scratch, &pooler));
        at_once(CLIENTS, |client| {
            let store = store.clone();
            async move {
                let id = client.to_string();
                store.commit(&set(&id).insert(user(&id))).await.unwrap();
                store.read(&Query::Account(id.as_str().into())).await.unwrap();
            }
        })
        .await;
        // As many sessions as the pooler has, all looked into at the same moment.
        let all_there = Arc::new(tokio::sync::Barrier::new(3));
        let left: Vec<i64> = at_once(3, |_| {
            let (url, all_there) = (scratch.through(&pooler), all_there.clone());
            async move {
                let mut client = PgConnection::connect(url.as_str()).await.unwrap();
                sqlx::raw_sql("BEGIN").execute(&mut client).await.unwrap();
                let sql = "SELECT count(*)::text FROM pg_prepared_statements";
                let row = sqlx::raw_sql(sql).fetch_one(&mut client).await.unwrap();
                all_there.wait().await;
                let left: String = sqlx::Row::get(&row, 0);
                sqlx::raw_sql("COMMIT").execute(&mut client).await.unwrap();
                left.parse().unwrap()
            }
        })
        .await;
        assert_eq!(left, [0, 0, 0]);
    });
}
