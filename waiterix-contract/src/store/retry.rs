//! The same set once more, as it is sent when the first answer was lost.

use waiterix_domain::schema::{Faq, User};
use waiterix_domain::{ChangeSet, Counter, Requirement, Row, RowKey, Table};
use waiterix_ports::Store;

use super::probe::{assert_same_rows, dump, fill, set, the};
use super::sample::{faq, house, id, order, restaurant, room, table, user};
use crate::Fixture;
use crate::race::at_once;

fn named(id: &str, name: &str) -> User {
    User { first_name: Some(name.to_owned()), ..user(id) }
}

/// A user, a restaurant and an FAQ.
async fn small_house(store: &dyn Store) {
    fill(store, [Row::from(user("u")), restaurant("r", "u").into(), faq("f", "r", 0).into()]).await;
}

/// Sends a set that was committed before, and proves that nothing changed.
async fn assert_harmless(store: &dyn Store, changes: &ChangeSet, what: &str) {
    let before = dump(store).await;
    for _ in 0..2 {
        let answer = store.commit(changes).await;
        answer.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_same_rows(&dump(store).await, &before, what);
    }
}

/// **S19** Sets of every kind of change, sent again at once.
pub async fn s19_a_set_sent_again_changes_nothing(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    small_house(store).await;
    fill(store, [user("gone")]).await;
    for changes in [
        set("insert").insert(user("v")).insert(restaurant("r2", "v")),
        set("update").update(user("u"), named("u", "Ann")),
        set("delete").delete(Table::Users, "gone"),
        set("add").add(Counter::FaqUsage, "f", 1),
        set("require").require(Requirement::Present(RowKey::new(Table::Users, "u"))),
        set("all")
            .require(Requirement::Absent(RowKey::new(Table::Users, "w")))
            .insert(user("w"))
            .update(user("w"), named("w", "Bea"))
            .add(Counter::RestaurantAiUsage, "r", 7)
            .delete(Table::Users, "v"),
    ] {
        store.commit(&changes).await.unwrap();
        assert_harmless(store, &changes, changes.id().as_str()).await;
    }
    let found: Faq = the(store, "f").await;
    assert_eq!(found.usage_count, 1);
}

/// **S19** The value that was updated came back by another's hand.
pub async fn s19_an_update_sent_again_leaves_a_value_that_came_back(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [user("u")]).await;
    let changes = set("there").update(user("u"), named("u", "Ann"));
    store.commit(&changes).await.unwrap();
    store.commit(&set("back").update(named("u", "Ann"), user("u"))).await.unwrap();
    assert_harmless(store, &changes, "the value came back").await;
    store.commit(&set("on").update(user("u"), named("u", "Bea"))).await.unwrap();
    assert_harmless(store, &changes, "the value went on").await;
    store.commit(&set("gone").delete(Table::Users, "u")).await.unwrap();
    assert_harmless(store, &changes, "the row is gone").await;
}

/// **S19** The counter went on.
pub async fn s19_a_count_sent_again_counts_once(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    small_house(store).await;
    let changes = set("mine").add(Counter::FaqUsage, "f", 3);
    store.commit(&changes).await.unwrap();
    store.commit(&set("other").add(Counter::FaqUsage, "f", 4)).await.unwrap();
    assert_harmless(store, &changes, "counted on").await;
    let found: Faq = the(store, "f").await;
    assert_eq!(found.usage_count, 7);
    store.commit(&set("gone").delete(Table::Faqs, "f")).await.unwrap();
    assert_harmless(store, &changes, "the row is gone").await;
}

/// **S19** The deleted row was made anew, with all that hung on it.
pub async fn s19_a_delete_sent_again_leaves_a_row_made_anew(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("h")).await;
    let changes = set("delete").delete(Table::Restaurants, id("h", Table::Restaurants));
    store.commit(&changes).await.unwrap();
    let anew = set("anew")
        .insert(room("h", Table::Restaurants))
        .insert(room("h", Table::RestaurantTables))
        .insert(room("h", Table::MenuItems));
    store.commit(&anew).await.unwrap();
    assert_harmless(store, &changes, "made anew").await;
}

/// **S19** What was required no longer holds, and what was inserted with it was changed.
pub async fn s19_a_set_sent_again_does_not_ask_again(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    small_house(store).await;
    let placed = order("o", "r", 0);
    let changes = set("place")
        .require(Requirement::Unchanged(restaurant("r", "u").into()))
        .require(Requirement::Absent(RowKey::new(Table::Orders, "o")))
        .insert(placed.clone());
    store.commit(&changes).await.unwrap();
    let ready = waiterix_domain::schema::Order {
        status: waiterix_domain::schema::OrderStatus::Ready,
        ..placed.clone()
    };
    let others = set("others").update(placed, ready).add(Counter::RestaurantAiUsage, "r", 1);
    store.commit(&others).await.unwrap();
    assert_harmless(store, &changes, "the kitchen was faster").await;
}

/// **S19** Of a label that somebody else took since.
pub async fn s19_a_set_sent_again_takes_nothing_back(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    small_house(store).await;
    fill(store, [table("t1", "r", "1"), table("t2", "r", "2")]).await;
    let changes = set("rename").update(table("t1", "r", "1"), table("t1", "r", "9"));
    store.commit(&changes).await.unwrap();
    let others = set("others")
        .update(table("t1", "r", "9"), table("t1", "r", "1"))
        .update(table("t2", "r", "2"), table("t2", "r", "9"));
    store.commit(&others).await.unwrap();
    assert_harmless(store, &changes, "the label is taken").await;
}

/// **S19** Sent many times at once, as by several hands that each lost the answer.
pub async fn s19_a_set_sent_many_times_at_once_happens_once(fixture: Fixture<dyn Store>) {
    let store = fixture.port.clone();
    small_house(&*store).await;
    for round in 0..5 {
        let changes = set(&format!("round {round}"))
            .insert(user(&format!("v{round}")))
            .add(Counter::FaqUsage, "f", 1)
            .add(Counter::RestaurantMonthUsage, "r", 1);
        let answers = at_once(24, |_| {
            let (store, changes) = (store.clone(), changes.clone());
            async move { store.commit(&changes).await }
        })
        .await;
        for answer in answers {
            answer.unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        let found: Faq = the(&*store, "f").await;
        assert_eq!(found.usage_count, round + 1);
    }
}
