//! What is not there, what must not change, and what must be seen at once.

use waiterix_domain::schema::{AssistanceStatus, User};
use waiterix_domain::{Counter, Row, Table};
use waiterix_ports::{Answer, KeyRange, Query, Store};

use super::catalogue::{About, every, is_empty};
use super::probe::{assert_same_rows, dump, fill, rows, set};
use super::sample::{at, faq, house, id, restaurant, user};
use crate::Fixture;

/// Every query about one name, which is taken for an id, a label, an address and a session.
fn about(name: &str) -> Vec<Query> {
    every(&About {
        id: &|_| name.to_owned(),
        text: name.to_owned(),
        status: Some(AssistanceStatus::from(name.to_owned())),
        from: at(-1_000),
        to: at(1_000),
        limit: 100,
    })
}

/// Two queries ask for no name at all; they are about everything there is.
const fn asks_for_all(query: &Query) -> bool {
    matches!(query, Query::UploadsAbandoned { .. } | Query::IdempotencyKeysBefore { .. })
}

async fn assert_finds_nothing(store: &dyn Store, name: &str) {
    for query in about(name) {
        if !asks_for_all(&query) {
            let answer = store.read(&query).await;
            let answer = answer.unwrap_or_else(|error| panic!("{query:?} fails: {error}"));
            assert!(is_empty(&answer), "{query:?} finds {answer:?}");
        }
    }
}

/// **S2** Every query about something unknown, in a full store.
pub async fn s02_unknown_ids_give_empty_answers(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("h")).await;
    for name in ["unknown", "", "h", "H-restaurants", "h-restaurants ", "%", "_", "*", "' OR 1=1 --", "null"]
    {
        assert_finds_nothing(store, name).await;
    }
}

/// **S2** Every query in an empty store.
pub async fn s02_an_empty_store_answers_every_query(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    for query in about("anything") {
        let answer = store.read(&query).await.unwrap();
        assert!(is_empty(&answer), "{query:?} finds {answer:?}");
    }
    assert_same_rows(&dump(store).await, &[], "an empty store");
}

/// **S4** Every query, scan and digest, twice; the rows stay and so do the answers.
pub async fn s04_reading_changes_nothing(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("h")).await;
    let before = dump(store).await;
    let queries = every(&About {
        id: &|table| id("h", table),
        text: "h table_number".to_owned(),
        status: None,
        from: at(-1_000),
        to: at(1_000),
        limit: 100,
    });
    let mut answers = Vec::new();
    for query in &queries {
        answers.push(store.read(query).await.unwrap());
    }
    for table in Table::ALL {
        store.digest(*table, &KeyRange::default()).await.unwrap();
    }
    assert_same_rows(&dump(store).await, &before, "after reading");
    for (query, answer) in queries.iter().zip(answers) {
        assert_eq!(store.read(query).await.unwrap(), answer, "{query:?} once more");
    }
}

/// **S6** U+0000 and endless keys are not found, and are no errors.
pub async fn s06_impossible_texts_are_not_found(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("h")).await;
    for name in ["\0", "h-restaurants\0", "h\0-restaurants", &"x".repeat(4_097), &"é🍕".repeat(20_000)] {
        assert_finds_nothing(store, name).await;
    }
}

/// **S6** An impossible part of a composite question takes nothing away from the other parts.
pub async fn s06_the_rest_of_the_question_is_answered(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("h")).await;
    for impossible in ["\0".to_owned(), "y".repeat(5_000)] {
        let query = Query::OrderFacts {
            restaurant: id("h", Table::Restaurants).into(),
            table: Some(impossible.clone()),
            items: vec![impossible.as_str().into(), id("h", Table::MenuItems).into()],
            idempotency: Some(impossible.as_str().into()),
        };
        let found: Vec<Table> = rows(store, &query).await.iter().map(Row::table).collect();
        assert_eq!(found, [Table::Restaurants, Table::MenuItems]);
        let query = Query::AssistanceFacts {
            restaurant: id("h", Table::Restaurants).into(),
            table: Some(impossible.clone()),
            order: Some(impossible.as_str().into()),
        };
        let found: Vec<Table> = rows(store, &query).await.iter().map(Row::table).collect();
        assert_eq!(found, [Table::Restaurants]);
    }
}

/// **S10** Every commit is seen by the next read, scan and digest, also by tasks that share the store.
pub async fn s10_a_commit_is_visible_to_every_later_read(fixture: Fixture<dyn Store>) {
    let store = fixture.port.clone();
    fill(&*store, [Row::from(user("u")), restaurant("r", "u").into(), faq("f", "r", 0).into()]).await;
    let mut last = store.digest(Table::Faqs, &KeyRange::default()).await.unwrap();
    for count in 1..=20 {
        store.commit(&set(&format!("count {count}")).add(Counter::FaqUsage, "f", 1)).await.unwrap();
        let reader = store.clone();
        let seen = tokio::spawn(async move {
            let read = rows(&*reader, &Query::Faq("f".into())).await;
            let scanned = reader.scan(Table::Faqs, &KeyRange::default(), 10).await.unwrap();
            (read, scanned, reader.digest(Table::Faqs, &KeyRange::default()).await.unwrap())
        });
        let (read, scanned, digest) = seen.await.unwrap();
        let expected = [Row::from(waiterix_domain::schema::Faq { usage_count: count, ..faq("f", "r", 0) })];
        assert_eq!(read, expected, "read");
        assert_eq!(scanned, expected, "scan");
        assert_ne!(digest, last, "the digest of an older state");
        last = digest;
    }
}

/// **S10** All changes of a set, whatever their kind.
pub async fn s10_all_changes_of_a_set_are_visible(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [user("a"), user("b")]).await;
    let named = User { first_name: Some("Ann".to_owned()), ..user("a") };
    let changes = set("all")
        .insert(user("c"))
        .update(user("a"), named.clone())
        .delete(Table::Users, "b")
        .insert(restaurant("r", "c"))
        .insert(faq("f", "r", 0))
        .add(Counter::FaqUsage, "f", 2)
        .add(Counter::RestaurantAiUsage, "r", 3)
        .add(Counter::RestaurantMonthUsage, "r", -4);
    store.commit(&changes).await.unwrap();
    let counted = waiterix_domain::schema::Restaurant {
        ai_usage_count: 3,
        current_month_usage: -4,
        ..restaurant("r", "c")
    };
    let used = waiterix_domain::schema::Faq { usage_count: 2, ..faq("f", "r", 0) };
    let expected = [named.into(), user("c").into(), counted.clone().into(), used.into()];
    assert_same_rows(&dump(store).await, &expected, "after the commit");
    let answer = store.read(&Query::Account("c".into())).await.unwrap();
    assert_eq!(answer, Answer::Rows(vec![user("c").into(), counted.into()]));
}
