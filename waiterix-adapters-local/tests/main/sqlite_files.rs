//! What only a store in a file can do: reopening, upgrading, sharing, and surviving.

use std::path::Path;
use std::sync::Arc;

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use waiterix_adapters_local::sqlite::SqliteStore;
use waiterix_contract::{ManualClock, eventually};
use waiterix_domain::schema::{Entity, INDEXES, Order, Rating, Restaurant, RestaurantTable, User};
use waiterix_domain::value::{Kind, Value};
use waiterix_domain::{Change, ChangeSet, CommitId, Counter, Requirement, RowKey, Table, UniqueRule};
use waiterix_ports::{Clock, ErrorKind, KeyRange, Query, Reads, Retry, Store, Violation};

/// A row with plain values in every column that needs one; texts name their column.
fn row<R: Entity>(id: &str, references: &[(&str, &str)]) -> R {
    let values = R::COLUMNS.iter().map(|column| {
        if column.name == "id" {
            return Value::Text(id.to_owned());
        }
        if let Some((_, parent)) = references.iter().find(|(name, _)| *name == column.name) {
            return Value::Text((*parent).to_owned());
        }
        match column.kind {
            _ if column.nullable => Value::Null,
            Kind::Text => Value::Text(format!("{}-{id}", column.name)),
            Kind::Bool => Value::Bool(true),
            Kind::Int => Value::Int(7),
            Kind::Amount => Value::Amount(waiterix_domain::Amount::from_hundredths(1250).unwrap()),
            Kind::Timestamp => Value::Timestamp(ManualClock::default().now()),
            Kind::TextArray => Value::TextArray(Vec::new()),
            Kind::Json => Value::Json(serde_json::Value::Null),
        }
    });
    R::from_values(values.collect()).unwrap()
}

fn user(id: &str) -> User {
    row(id, &[])
}

fn restaurant(id: &str, user: &str) -> Restaurant {
    row(id, &[("user_id", user)])
}

fn table(id: &str, restaurant: &str) -> RestaurantTable {
    row(id, &[("restaurant_id", restaurant)])
}

fn set(id: impl std::fmt::Display) -> ChangeSet {
    ChangeSet::new(CommitId::new(id.to_string()))
}

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Arc::new(ManualClock::default())).await.unwrap()
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap()
}

async fn run(path: &Path, sql: &'static str) {
    let mut connection = raw(path).await;
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Every row of every table.
async fn everything(store: &SqliteStore) -> Vec<waiterix_domain::Row> {
    let mut rows = Vec::new();
    for table in Table::ALL {
        rows.extend(store.scan(*table, &KeyRange::default(), 10_000).await.unwrap());
    }
    rows
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waiterix.db");
    let store = open(&path).await;
    let changes = set("a")
        .insert(user("u"))
        .insert(restaurant("r", "u"))
        .insert_all((0..100).map(|n| table(&format!("t{n}"), "r")));
    store.commit(&changes).await.unwrap();
    store.commit(&set("b").add(Counter::RestaurantAiUsage, "r", 5)).await.unwrap();
    let before = everything(&store).await;
    store.close().await;
    let refused = store.commit(&changes).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a closed store leaves one file");

    let store = open(&path).await;
    assert_eq!(everything(&store).await, before);
    store.commit(&set("b").add(Counter::RestaurantAiUsage, "r", 5)).await.unwrap();
    let found = Reads(&store).restaurant(&"r".into()).await.unwrap().unwrap();
    assert_eq!(found.ai_usage_count, 12, "the commit is still known");
}

#[tokio::test]
async fn dropping_without_closing_loses_no_acknowledged_commit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waiterix.db");
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        let store = Arc::new(open(&path).await);
        let tasks: Vec<_> = (0..40)
            .map(|n| {
                let (store, id) = (store.clone(), format!("{round}-{n:02}"));
                tokio::spawn(async move { store.commit(&set(&id).insert(user(&id))).await.map(|()| id) })
            })
            .collect();
        drop(store);
        for (n, task) in tasks.into_iter().enumerate() {
            // Some callers go away while their commit is under way.
            if n % 4 == 3 {
                task.abort();
            } else {
                acknowledged.push(task.await.unwrap().unwrap());
            }
        }
        let copy = folder.path().join("copy.db");
        // What is on the disk now is what a killed process leaves.
        for suffix in ["", "-wal"] {
            let from = folder.path().join(format!("waiterix.db{suffix}"));
            let to = folder.path().join(format!("copy.db{suffix}"));
            let _ = std::fs::remove_file(&to);
            if from.exists() {
                std::fs::copy(from, to).unwrap();
            }
        }
        let copied = open(&copy).await;
        for id in &acknowledged {
            assert!(Reads(&copied).account(&id.as_str().into()).await.unwrap().is_some(), "{id} was lost");
        }
        copied.close().await;
        std::fs::remove_file(&copy).unwrap();
    }
}

#[tokio::test]
async fn an_older_file_gets_what_it_lacks_and_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waiterix.db");
    let store = open(&path).await;
    let rows = set("a").insert(user("u")).insert(restaurant("r", "u")).insert(table("t", "r"));
    store.commit(&rows).await.unwrap();
    let whole = everything(&store).await;
    store.close().await;
    run(
        &path,
        "DROP INDEX restaurant_tables_number_unique; DROP INDEX idx_orders_table; DROP TABLE uploads; \
         ALTER TABLE orders DROP COLUMN cancellation_reason; ALTER TABLE faq_knowledge_base DROP COLUMN usage_count; \
         PRAGMA user_version = 0",
    )
    .await;

    let store = open(&path).await;
    assert_eq!(everything(&store).await, whole);
    let mut upper = table("t2", "r");
    upper.table_number = "TABLE_NUMBER-T".to_owned();
    let refused = store.commit(&set("b").insert(upper)).await.unwrap_err();
    assert_eq!(refused.unique_rule(), Some(UniqueRule::TableNumber), "the rule is back");
    store.close().await;
    let mut connection = raw(&path).await;
    let indexes: Vec<(String,)> = sqlx::query_as("SELECT name FROM sqlite_schema WHERE type = 'index'")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let expected = INDEXES.iter().map(|i| i.name).chain(UniqueRule::ALL.iter().map(|rule| rule.index_name()));
    for name in expected {
        assert!(indexes.iter().any(|(index,)| index == name), "{name}");
    }
    let (version,): (i32,) = sqlx::query_as("SELECT user_version FROM pragma_user_version")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(version, 1);
}

#[tokio::test]
async fn a_newer_file_is_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waiterix.db");
    open(&path).await.close().await;
    run(&path, "DROP TABLE uploads; PRAGMA user_version = 1000").await;
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteStore::open(&path, Arc::new(ManualClock::default())).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains("newer version"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_file_of_something_else_is_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("text.db", &b"this is certainly no database, it is a text of some length"[..])] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let refused = SqliteStore::open(&path, Arc::new(ManualClock::default())).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
    let path = folder.path().join("other.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("CREATE TABLE users (id TEXT)").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteStore::open(&path, Arc::new(ManualClock::default())).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_on_one_file_see_each_others_commits_and_lose_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waiterix.db");
    let handles = [Arc::new(open(&path).await), Arc::new(open(&path).await)];
    handles[0].commit(&set("a").insert(user("u")).insert(restaurant("r", "u"))).await.unwrap();
    assert!(Reads(&*handles[1]).restaurant(&"r".into()).await.unwrap().is_some());
    let tasks: Vec<_> = (0..60)
        .map(|n| {
            let store = handles[n % 2].clone();
            let changes = set(format!("add{n}")).add(Counter::RestaurantAiUsage, "r", 1);
            tokio::spawn(async move { store.commit(&changes).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    for handle in &handles {
        let found = Reads(&**handle).restaurant(&"r".into()).await.unwrap().unwrap();
        assert_eq!(found.ai_usage_count, 7 + 60);
    }
}

#[tokio::test]
async fn a_refused_set_in_a_group_concerns_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&folder.path().join("waiterix.db")).await);
    store.commit(&set("a").insert(user("u")).insert(restaurant("r", "u"))).await.unwrap();
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let store = store.clone();
            // One in three relies on a table that does not exist, after it has changed something.
            let mut changes = set(n).insert(table(&format!("t{n:03}"), "r"));
            changes = match n % 3 {
                0 => changes.require(Requirement::Present(RowKey::new(Table::RestaurantTables, "none"))),
                1 => changes.add(Counter::RestaurantAiUsage, "r", 1),
                _ => changes.insert(table(&format!("x{n:03}"), "r")),
            };
            tokio::spawn(async move { store.commit(&changes).await })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        let outcome = task.await.unwrap();
        if n % 3 == 0 {
            assert_eq!(outcome.unwrap_err().violation(), Some(&Violation::Requirement { place: 1 }));
        } else {
            outcome.unwrap();
        }
    }
    let found = Reads(&*store).tables(&"r".into()).await.unwrap();
    assert!(found.iter().all(|table| table.id.as_str()[1..].parse::<usize>().unwrap() % 3 != 0));
    assert_eq!(found.len(), 67 + 66 * 2);
    assert_eq!(Reads(&*store).restaurant(&"r".into()).await.unwrap().unwrap().ai_usage_count, 7 + 67);
}

#[tokio::test]
async fn closing_finishes_what_was_queued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waiterix.db");
    let store = Arc::new(open(&path).await);
    // More than the queue holds, so that some callers wait for a place.
    let tasks: Vec<_> = (0..600)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(&set(n).insert(user(&n.to_string()))).await.map(|()| n) })
        })
        .collect();
    let probe = store.clone();
    eventually(std::time::Duration::from_secs(10), "the first commit", || async {
        Reads(&*probe).account(&"0".into()).await.unwrap().is_some()
    })
    .await;
    store.close().await;
    let mut acknowledged = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(n) => acknowledged.push(n),
            Err(error) => {
                assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Safe));
            }
        }
    }
    let reopened = open(&path).await;
    let found = everything(&reopened).await.len();
    assert_eq!(found, acknowledged.len(), "exactly the acknowledged ones are there");
}

#[tokio::test]
async fn a_set_of_the_greatest_length_is_done_once_whichever_way() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("waiterix.db")).await;
    let users = |id: &str| set(id).insert_all((0..ChangeSet::MAX_CHANGES).map(|n| user(&format!("{n:05}"))));
    store.commit(&users("a")).await.unwrap();
    store.commit(&users("a")).await.unwrap();
    // Under another name the rows are found one by one.
    store.commit(&users("b")).await.unwrap();
    assert_eq!(everything(&store).await.len(), ChangeSet::MAX_CHANGES);
    let refused = store.commit(&users("c").insert(user("one more"))).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_locked_file_is_unavailable_and_the_set_may_be_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waiterix.db");
    let store = open(&path).await;
    let mut holder = raw(&path).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();
    let refused = store.commit(&set("a").insert(user("u"))).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(matches!(refused.retry_advice(), Retry::After(_)), "{refused}");
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    store.commit(&set("a").insert(user("u"))).await.unwrap();
    assert!(Reads(&store).account(&"u".into()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_row_that_cannot_be_understood_is_corrupt_and_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waiterix.db");
    let store = open(&path).await;
    store.commit(&set("a").insert(user("u"))).await.unwrap();
    run(&path, "UPDATE users SET created_at = 9223372036854775807, first_name = 'Anna Secret'").await;
    let refused = store.read(&Query::Account("u".into())).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(!refused.to_string().contains("Secret"), "{refused}");
    let refused = store.scan(Table::Users, &KeyRange::default(), 10).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn floats_in_json_survive_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("waiterix.db")).await;
    let mut rating: Rating = row("x", &[("order_id", "o"), ("restaurant_id", "r")]);
    let order: Order = row("o", &[("restaurant_id", "r")]);
    let floats = [0.1 + 0.2, 1.0 / 3.0, 5e-324, 1.797_693_134_862_315_7e308, 122.416_294_033_786_58, 1e23];
    rating.service_ratings = Some(serde_json::json!({"b": floats, "a": u64::MAX, "c": i64::MIN}));
    let changes =
        set("a").insert(user("u")).insert(restaurant("r", "u")).insert(order).insert(rating.clone());
    store.commit(&changes).await.unwrap();
    let found = Reads(&store).ratings_of_order(&"o".into()).await.unwrap();
    assert_eq!(found, [rating.clone()]);
    let after = Rating { comment: Some("good".to_owned()), ..rating };
    let update = Change::Update { before: found[0].clone().into(), after: after.into() };
    store.commit(&set("b").push(update)).await.unwrap();
}
