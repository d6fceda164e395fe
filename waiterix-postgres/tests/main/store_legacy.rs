//! What the old system, its operators and their tools leave in a database.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use waiterix_backends::{Backend, given};
use waiterix_contract::race::at_once;
use waiterix_contract::store::probe::{assert_unique, dump, fill, rows, set};
use waiterix_contract::store::sample::{dish, order, question, restaurant, table, user};
use waiterix_domain::digest::Digest;
use waiterix_domain::schema::{MenuItem, PendingQuestion, RestaurantTable};
use waiterix_domain::{Requirement, Row, Table, UniqueRule};
use waiterix_ports::{ErrorKind, KeyRange, Query, Retry, Store};
use waiterix_postgres::PostgresStore;
use waiterix_postgres::testing::Scratch;

use crate::stores;

/// A fresh database and a session on it that is not the store's.
async fn fresh() -> Option<(Scratch, PostgresStore, PgConnection)> {
    let server = given(Backend::Postgres)?;
    let scratch = Scratch::migrated(&server).await.unwrap();
    let by_hand = PgConnection::connect(scratch.url().as_str()).await.unwrap();
    let store = stores::direct(&scratch);
    Some((scratch, store, by_hand))
}

async fn run(by_hand: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(by_hand).await.unwrap();
}

async fn small_house(store: &dyn Store) {
    fill(store, [Row::from(user("u")), restaurant("r", "u").into()]).await;
}

async fn digest(store: &dyn Store, table: Table) -> Digest {
    store.digest(table, &KeyRange::default()).await.unwrap()
}

#[test]
fn a_database_without_the_optional_column_is_read_and_written() {
    waiterix_contract::run(|| async {
        // The column is gone from the start, or goes while the store is at work.
        for at_work in [false, true] {
            let Some((_scratch, store, mut by_hand)) = fresh().await else { return };
            small_house(&store).await;
            if at_work {
                fill(&store, [question("p0", "r", 0)]).await;
            }
            run(&mut by_hand, "ALTER TABLE pending_questions DROP COLUMN table_id").await;
            let before = question("p", "r", 0);
            store.commit(&set("ask").insert(before.clone())).await.unwrap();
            let after = PendingQuestion { question: "still there?".to_owned(), ..before.clone() };
            store.commit(&set("again").update(before, after.clone())).await.unwrap();
            let unchanged = Requirement::Unchanged(after.clone().into());
            store.commit(&set("require").require(unchanged).insert(question("q", "r", 1))).await.unwrap();
            assert_eq!(rows(&store, &Query::Question("p".into())).await[0], after.clone().into());
            let all = store.scan(Table::PendingQuestions, &KeyRange::default(), 10).await.unwrap();
            assert_eq!(all.len(), if at_work { 3 } else { 2 });
            assert_eq!(digest(&store, Table::PendingQuestions).await, Digest::of(&all));
            // What cannot be kept is refused, not dropped.
            let seated = PendingQuestion { table_id: Some("t".into()), ..question("s", "r", 2) };
            let error = store.commit(&set("seated").insert(seated)).await.unwrap_err();
            assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Invalid, Retry::No), "{error}");
            store.commit(&set("delete").delete(Table::Restaurants, "r")).await.unwrap();
            assert_eq!(dump(&store).await, [Row::from(user("u"))]);
        }
    });
}

#[test]
fn a_column_that_gets_another_type_while_guests_read_costs_none_of_them_the_menu() {
    waiterix_contract::run(|| async {
        let Some((scratch, _, mut by_hand)) = fresh().await else { return };
        let store = stores::with(&scratch.url(), |settings| settings.pool_max = 4);
        small_house(&store).await;
        let menu = [Row::from(dish("m", "r"))];
        fill(&store, menu.clone()).await;
        let read = async || {
            let query = Query::Menu("r".into());
            let reads = (0..16).map(|_| rows(&store, &query));
            assert!(futures_util::future::join_all(reads).await.iter().all(|found| *found == menu));
        };
        // Every connection has the statement prepared, and the server a plan of it.
        for _ in 0..8 {
            read().await;
        }
        assert_eq!(store.database().snapshot().size, 4);
        for wider in ["numeric(12, 2)", "numeric(14, 2)"] {
            run(&mut by_hand, &format!("ALTER TABLE menu_items ALTER COLUMN price TYPE {wider}")).await;
            read().await;
        }
    });
}

#[test]
fn nulls_and_odd_bounds_of_arrays_are_passed_over() {
    waiterix_contract::run(|| async {
        let Some((_scratch, store, mut by_hand)) = fresh().await else { return };
        small_house(&store).await;
        for (number, (array, expected)) in [
            ("'{NULL,nuts,NULL,milk}'", vec!["nuts", "milk"]),
            ("'{NULL}'", vec![]),
            ("'[0:1]={nuts,milk}'", vec!["nuts", "milk"]),
            ("'{{a,b},{c,NULL}}'", vec!["a", "b", "c"]),
        ]
        .into_iter()
        .enumerate()
        {
            let id = format!("d{number}");
            fill(&store, [dish(&id, "r")]).await;
            run(&mut by_hand, &format!("UPDATE menu_items SET allergens = {array} WHERE id = '{id}'")).await;
            let expected = expected.into_iter().map(str::to_owned).collect();
            let read = MenuItem { allergens: Some(expected), ..dish(&id, "r") };
            assert_eq!(rows(&store, &Query::MenuItem(id.as_str().into())).await[0], read.clone().into());
            let range = KeyRange { after: None, up_to: Some(id.clone()) };
            let scanned = store.scan(Table::MenuItems, &range, 10).await.unwrap();
            assert_eq!(
                store.digest(Table::MenuItems, &range).await.unwrap(),
                Digest::of(&scanned),
                "{array}"
            );
            // As it was read, it can be relied on and changed.
            store
                .commit(&set(&format!("rely {id}")).require(Requirement::Unchanged(read.clone().into())))
                .await
                .unwrap();
            let sold_out = MenuItem { available: !read.available, ..read.clone() };
            store.commit(&set(&format!("change {id}")).update(read, sold_out)).await.unwrap();
        }
    });
}

#[test]
fn values_that_mean_nothing_here_are_corrupt_and_no_panic() {
    waiterix_contract::run(|| async {
        for change in [
            "UPDATE orders SET created_at = 'infinity'",
            "UPDATE orders SET updated_at = '-infinity'",
            "UPDATE orders SET created_at = '12345-01-01'",
            "UPDATE orders SET created_at = '0044-03-15 BC'",
            "UPDATE orders SET total = 'NaN'",
        ] {
            let Some((_scratch, store, mut by_hand)) = fresh().await else { return };
            small_house(&store).await;
            fill(&store, [order("o", "r", 0)]).await;
            run(&mut by_hand, change).await;
            let read = store.read(&Query::Order("o".into())).await.map(drop);
            let scanned = store.scan(Table::Orders, &KeyRange::default(), 10).await.map(drop);
            for error in [read.unwrap_err(), scanned.unwrap_err()] {
                assert_eq!(
                    (error.kind(), error.retry_advice()),
                    (ErrorKind::Corrupt, Retry::No),
                    "{change}: {error}"
                );
            }
            // Others are not concerned, and the connection is still good.
            store.check().await.unwrap();
            let all = store.read(&Query::Restaurant("r".into())).await;
            assert!(all.is_ok(), "{change}");
        }
    });
}

#[test]
fn a_digest_of_what_is_no_number_is_corrupt() {
    waiterix_contract::run(|| async {
        for change in ["UPDATE orders SET created_at = 'infinity'", "UPDATE orders SET total = 'NaN'"] {
            let Some((_scratch, store, mut by_hand)) = fresh().await else { return };
            small_house(&store).await;
            fill(&store, [order("o", "r", 0)]).await;
            run(&mut by_hand, change).await;
            let error = store.digest(Table::Orders, &KeyRange::default()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{change}: {error}");
        }
    });
}

#[test]
fn a_rule_without_an_index_holds_for_what_is_written_now() {
    waiterix_contract::run(|| async {
        let Some((_scratch, store, mut by_hand)) = fresh().await else { return };
        run(&mut by_hand, "DROP INDEX restaurant_tables_number_unique").await;
        small_house(&store).await;
        // Two labels that were the same before anybody knew the rule.
        run(
            &mut by_hand,
            "INSERT INTO restaurant_tables (id, restaurant_id, table_number) VALUES ('x', 'r', 'Bar'), ('y', 'r', 'bar')",
        )
        .await;
        fill(&store, [table("t1", "r", "1"), table("t2", "r", "2")]).await;
        let clashes = [
            set("insert").insert(table("t3", "r", "1")),
            set("another case").insert(table("t3", "r", "BAR")),
            set("update").update(table("t2", "r", "2"), table("t2", "r", "1")),
            set("both").insert(table("t3", "r", "new")).insert(table("t4", "r", "NEW")),
        ];
        for changes in clashes {
            let error = store.commit(&changes).await.unwrap_err();
            assert_unique(&error, UniqueRule::TableNumber, changes.id().as_str());
        }
        // What is taken may be freed, and what was double before may be mended.
        let swap = set("swap")
            .update(table("t1", "r", "1"), table("t1", "r", "aside"))
            .update(table("t2", "r", "2"), table("t2", "r", "1"));
        store.commit(&swap).await.unwrap();
        let found = rows(&store, &Query::Tables("r".into())).await;
        let double = found.iter().find(|row| row.key() == "y").cloned().unwrap();
        let Row::RestaurantTable(double) = double else { panic!("a table") };
        let mended = RestaurantTable { table_number: "Bar 2".to_owned(), ..(*double).clone() };
        store.commit(&set("mend").update(*double, mended)).await.unwrap();
        // Of many at once, one gets the label.
        let store = std::sync::Arc::new(store);
        let answers = at_once(12, |number| {
            let (store, id) = (store.clone(), format!("n{number}"));
            async move { store.commit(&set(&id).insert(table(&id, "r", "window"))).await }
        })
        .await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    });
}

#[test]
fn a_key_in_any_locale_is_walked_bytewise() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        // The servers of others sort by ICU or by the rules of a country; one such collation is everywhere.
        let scratch = Scratch::migrated(&server).await.unwrap();
        let mut by_hand = PgConnection::connect(scratch.url().as_str()).await.unwrap();
        run(&mut by_hand, "ALTER TABLE uploads ALTER COLUMN id TYPE varchar COLLATE \"und-x-icu\"").await;
        let store = stores::direct(&scratch);
        let keys = ["B", "Z", "a", "b", "z", "É", "é"];
        fill(&store, keys.map(|key| waiterix_contract::store::sample::upload(key, "u", 0))).await;
        for limit in [1, 3] {
            let found = waiterix_contract::store::probe::walk(&store, Table::Uploads, limit).await;
            assert_eq!(found.iter().map(Row::key).collect::<Vec<_>>(), keys);
        }
        let found = rows(&store, &Query::UploadsOfUser("u".into())).await;
        assert_eq!(found.iter().map(Row::key).collect::<Vec<_>>(), keys);
        let range = KeyRange { after: Some("Z".to_owned()), up_to: Some("z".to_owned()) };
        assert_eq!(store.digest(Table::Uploads, &range).await.unwrap().rows, 3);
    });
}
