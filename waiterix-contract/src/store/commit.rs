//! Single changes: what each does, and when it is refused.

use waiterix_domain::schema::{Faq, Restaurant, User};
use waiterix_domain::value::Value;
use waiterix_domain::{Change, ChangeSet, Counter, Requirement, Row, RowKey, Table, UniqueRule};
use waiterix_ports::{KeyRange, Store};

use super::probe::{
    assert_invalid, assert_same_rows, assert_stale, assert_unique, dump, fill, refused, row, set, the, update,
};
use super::roundtrip::values_of;
use super::sample::{faq, house, restaurant, room, table, upload, user, with};
use crate::Fixture;

fn named(id: &str, name: &str) -> User {
    User { first_name: Some(name.to_owned()), ..user(id) }
}

/// A user, a restaurant and an FAQ.
async fn small_house(store: &dyn Store) {
    fill(store, [Row::from(user("u")), restaurant("r", "u").into(), faq("f", "r", 0).into()]).await;
}

/// **S11** After changes of every kind, each way to fail undoes them all.
pub async fn s11_a_failed_commit_changes_nothing(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    small_house(store).await;
    store.commit(&set("count").add(Counter::FaqUsage, "f", 1)).await.unwrap();
    fill(store, [named("v", "old"), user("gone")]).await;
    let taken = table("t2", "r", "vip");
    fill(store, [table("t1", "r", "VIP")]).await;
    let failures = [
        ("a taken key", Change::Insert(named("u", "other").into())),
        ("a unique rule", Change::Insert(taken.into())),
        ("a foreign key", Change::Insert(table("t3", "nowhere", "1").into())),
        ("a stale update", update(named("v", "older"), named("v", "newer"))),
        ("a missing row", update(user("w"), named("w", "new"))),
        ("an absent counter", Change::Add { id: "nowhere".to_owned(), counter: Counter::FaqUsage, by: 1 }),
        ("a counter overflow", Change::Add { id: "f".to_owned(), counter: Counter::FaqUsage, by: i32::MAX }),
        ("absent", Change::Require(Requirement::Absent(RowKey::new(Table::Users, "u")))),
        ("present", Change::Require(Requirement::Present(RowKey::new(Table::Users, "nobody")))),
        ("unchanged", Change::Require(Requirement::Unchanged(named("u", "other").into()))),
        ("U+0000", Change::Delete(RowKey::new(Table::Users, "\0"))),
    ];
    let digest = store.digest(Table::Users, &KeyRange::default()).await.unwrap();
    for (what, failure) in failures {
        let changes = set(what)
            .insert(user("new"))
            .update(named("v", "old"), named("v", "new"))
            .delete(Table::Users, "gone")
            .add(Counter::FaqUsage, "f", 1)
            .push(failure.clone())
            .insert(user("newer"));
        refused(store, &changes, what).await;
        let first = set(&format!("{what}, first")).push(failure).insert(user("new"));
        refused(store, &first, what).await;
    }
    assert_eq!(store.digest(Table::Users, &KeyRange::default()).await.unwrap(), digest);
}

/// **S11** A set that failed is tried anew when it is sent again: its id was not remembered.
pub async fn s11_a_failed_set_succeeds_once_its_cause_is_gone(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [user("u")]).await;
    let changes = set("again")
        .update(named("u", "Ann"), named("u", "Bea"))
        .insert(restaurant("r", "u"))
        .insert(user("v"));
    let error = refused(store, &changes, "not yet").await;
    assert_stale(&error, 0, "not yet");
    store.commit(&set("between").update(user("u"), named("u", "Ann"))).await.unwrap();
    store.commit(&changes).await.unwrap();
    assert_eq!(the::<User>(store, "u").await, named("u", "Bea"));
    assert_eq!(the::<User>(store, "v").await, user("v"));
}

/// **S12** In every table.
pub async fn s12_inserting_over_another_row_conflicts(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("h")).await;
    for table in Table::ALL {
        let stored = room("h", *table);
        let place = table.columns().iter().rposition(|column| column.references.is_none()).unwrap();
        let value = values_of(&table.columns()[place])
            .into_iter()
            .find(|value| *value != stored.to_values()[place])
            .unwrap();
        let changes = set(table.name()).insert(with(&stored, place, value));
        let error = refused(store, &changes, table.name()).await;
        assert_unique(&error, UniqueRule::PrimaryKey(*table), table.name());
    }
}

/// **S12** In every table.
pub async fn s12_inserting_the_very_same_row_is_done_already(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("h")).await;
    let before = dump(store).await;
    for table in Table::ALL {
        store.commit(&set(table.name()).insert(room("h", *table))).await.unwrap();
    }
    store.commit(&set("twice in one set").insert(user("v")).insert(user("v"))).await.unwrap();
    store.commit(&set("undo").delete(Table::Users, "v")).await.unwrap();
    assert_same_rows(&dump(store).await, &before, "after inserting everything again");
}

/// **S13** A difference in any column, null against empty included, makes an update stale.
pub async fn s13_every_column_guards_an_update(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("h")).await;
    for table in Table::ALL {
        let stored = room("h", *table);
        let before = dump(store).await;
        for (place, column) in table.columns().iter().enumerate().skip(1) {
            if column.references.is_some() {
                continue;
            }
            for (number, value) in values_of(column).into_iter().enumerate().take(4) {
                let other = with(&stored, place, value);
                if other == stored {
                    continue;
                }
                let after =
                    with(&other, place, changed(&other.to_values()[place], &stored.to_values()[place]));
                let what = format!("{}.{} {number}", table.name(), column.name);
                let error = match store.commit(&set(&what).push(update(other, after))).await {
                    Ok(()) => panic!("{what}: an update of another row was committed"),
                    Err(error) => error,
                };
                assert_stale(&error, 0, &what);
            }
        }
        assert_same_rows(&dump(store).await, &before, table.name());
    }
}

/// A value of the same kind that is neither of the two.
fn changed(one: &Value, other: &Value) -> Value {
    let candidates = match other {
        Value::Bool(_) => vec![Value::Bool(true), Value::Bool(false)],
        Value::Int(_) => [41, 42, 43].map(Value::Int).to_vec(),
        Value::Amount(_) => {
            [4_100, 4_200, 4_300].map(|cents| Value::Amount(super::sample::amount(cents))).to_vec()
        }
        Value::Timestamp(_) => [41, 42, 43].map(|s| Value::Timestamp(super::sample::at(s))).to_vec(),
        Value::TextArray(_) => ["x", "y", "z"].map(|text| Value::TextArray(vec![text.to_owned()])).to_vec(),
        Value::Json(_) => ["x", "y", "z"].map(|text| Value::Json(text.into())).to_vec(),
        Value::Text(_) | Value::Null => ["x", "y", "z"].map(|text| Value::Text(text.to_owned())).to_vec(),
    };
    // A boolean has no third value; then the update leads to the row that is stored, but for being stale: the case
    // needs another one, so the value stays as it is in `before`.
    candidates.into_iter().find(|value| value != one && value != other).unwrap_or_else(|| one.clone())
}

/// **S13** The place of the change is named, and the row is left alone.
pub async fn s13_a_stale_update_conflicts_at_its_place(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [named("u", "now"), user("v")]).await;
    let stale = update(named("u", "before"), named("u", "after"));
    for place in 0..4 {
        let mut changes = set(&format!("place {place}"));
        for other in 0..place {
            changes = changes.insert(user(&format!("new {other}")));
        }
        let changes = changes.push(stale.clone()).insert(user("newest"));
        assert_stale(&refused(store, &changes, "stale").await, place, "stale");
    }
    let gone = set("gone").insert(user("x")).push(update(user("y"), named("y", "z")));
    assert_stale(&refused(store, &gone, "a row that is gone").await, 1, "a row that is gone");
}

/// **S13** Two who make the same of a row are still two: only one of them may go on.
pub async fn s13_an_update_to_what_another_commit_made_of_the_row_conflicts(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [named("u", "before")]).await;
    store.commit(&set("first").update(named("u", "before"), named("u", "after"))).await.unwrap();
    let second = set("second").update(named("u", "before"), named("u", "after"));
    assert_stale(&refused(store, &second, "done by another").await, 0, "done by another");
}

/// **S13**
pub async fn s13_an_update_of_another_key_is_invalid(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    small_house(store).await;
    let changes = set("key").push(update(user("u"), user("v")));
    assert_invalid(&refused(store, &changes, "another key").await, "another key");
    let changes = set("table").push(update(upload("u", "u", 0), user("u")));
    assert_invalid(&refused(store, &changes, "another table").await, "another table");
}

/// **S15** Every counter, up and down, several times in one set, with the rest of the row unchanged.
pub async fn s15_add_counts_exactly(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    small_house(store).await;
    for counter in Counter::ALL {
        let id = if counter.table() == Table::Faqs { "f" } else { "r" };
        let changes = set(counter.column()).add(*counter, id, 5).add(*counter, id, -2).add(*counter, id, 0);
        store.commit(&changes).await.unwrap();
    }
    assert_eq!(the::<Faq>(store, "f").await, Faq { usage_count: 3, ..faq("f", "r", 0) });
    let counted = Restaurant { ai_usage_count: 3, current_month_usage: 3, ..restaurant("r", "u") };
    assert_eq!(the::<Restaurant>(store, "r").await, counted);
}

/// **S15**
pub async fn s15_counting_an_absent_row_conflicts(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    small_house(store).await;
    for counter in Counter::ALL {
        let changes = set(counter.column()).insert(user("v")).add(*counter, "nowhere", 1);
        assert_stale(&refused(store, &changes, counter.column()).await, 1, counter.column());
    }
}

/// **S15** To the very limits, and not one further.
pub async fn s15_a_count_outside_32_bits_is_invalid(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    small_house(store).await;
    for (name, limit, beyond) in [("max", i32::MAX, 1), ("min", i32::MIN, -1)] {
        fill(store, [faq(name, "r", 0)]).await;
        store.commit(&set(name).add(Counter::FaqUsage, name, limit)).await.unwrap();
        assert_eq!(the::<Faq>(store, name).await.usage_count, limit);
        let changes = set(&format!("beyond {name}")).add(Counter::FaqUsage, name, beyond);
        assert_invalid(&refused(store, &changes, name).await, name);
    }
}

/// **S16** Each requirement, holding and not, with its place.
pub async fn s16_a_requirement_that_fails_fails_the_set(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [named("u", "Ann")]).await;
    let key = |id: &str| RowKey::new(Table::Users, id);
    let holds = [
        Requirement::Unchanged(named("u", "Ann").into()),
        Requirement::Present(key("u")),
        Requirement::Absent(key("v")),
        Requirement::Absent(RowKey::new(Table::Uploads, "u")),
    ];
    let fails = [
        Requirement::Unchanged(named("u", "ann").into()),
        Requirement::Unchanged(user("u").into()),
        Requirement::Unchanged(user("v").into()),
        Requirement::Present(key("v")),
        Requirement::Present(RowKey::new(Table::Uploads, "u")),
        Requirement::Absent(key("u")),
    ];
    for (number, requirement) in fails.into_iter().enumerate() {
        let what = format!("{requirement:?}");
        let alone = set(&format!("alone {number}")).require(requirement.clone());
        assert_stale(&refused(store, &alone, &what).await, 0, &what);
        let last = holds.iter().cloned().fold(set(&format!("last {number}")), ChangeSet::require);
        let last = last.insert(user("new")).require(requirement);
        assert_stale(&refused(store, &last, &what).await, holds.len() + 1, &what);
    }
    let all = holds.into_iter().fold(set("all hold"), ChangeSet::require).insert(user("new"));
    store.commit(&all).await.unwrap();
    assert_eq!(the::<User>(store, "new").await, user("new"));
}

/// **S16** `Unchanged` looks at every column, null against empty included.
pub async fn s16_every_column_counts_as_changed(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("h")).await;
    for table in Table::ALL {
        let stored = room("h", *table);
        for (place, column) in table.columns().iter().enumerate().skip(1) {
            let others = values_of(column).into_iter().take(3).map(|value| with(&stored, place, value));
            for (number, other) in others.filter(|other| *other != stored).enumerate() {
                let what = format!("{}.{} {number}", table.name(), column.name);
                let changes = set(&what).require(Requirement::Unchanged(other));
                let error = store.commit(&changes).await.err();
                assert_stale(&error.unwrap_or_else(|| panic!("{what}: not seen")), 0, &what);
            }
        }
        let same = set(table.name()).require(Requirement::Unchanged(stored));
        store.commit(&same).await.unwrap();
    }
}

/// **S22**
pub async fn s22_a_set_of_the_greatest_size_is_committed(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    let rows = |count: usize| (0..count).map(|number| upload(&format!("{number:05}"), "u", 0));
    let too_long = set("too long").insert_all(rows(ChangeSet::MAX_CHANGES + 1));
    assert_invalid(&refused(store, &too_long, "5,001 changes").await, "5,001 changes");
    store.commit(&set("full").insert_all(rows(ChangeSet::MAX_CHANGES))).await.unwrap();
    assert_eq!(dump(store).await.len(), ChangeSet::MAX_CHANGES);
}

/// **S22** Whatever the changes are.
pub async fn s22_requirements_count_as_changes(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    let absent = |number: usize| Requirement::Absent(RowKey::new(Table::Users, number.to_string()));
    let full = |name: &str, count: usize| (0..count).map(absent).fold(set(name), ChangeSet::require);
    store.commit(&full("full", ChangeSet::MAX_CHANGES)).await.unwrap();
    let too_long = full("too long", ChangeSet::MAX_CHANGES).insert(user("u"));
    assert_invalid(&refused(store, &too_long, "5,001 changes").await, "5,001 changes");
}

/// **S23** In every kind of change and value.
pub async fn s23_a_text_with_nul_is_invalid(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("h")).await;
    let (rating, dish) = (room("h", Table::Ratings), room("h", Table::MenuItems));
    let place = |table: Table, name: &str| table.columns().iter().position(|c| c.name == name).unwrap();
    let json =
        |json: serde_json::Value| with(&rating, place(Table::Ratings, "service_ratings"), Value::Json(json));
    let allergens = Value::TextArray(vec!["nuts".to_owned(), "mi\0lk".to_owned()]);
    let nul = || RowKey::new(Table::Users, "a\0b");
    let changes = [
        Change::Insert(named("u", "\0").into()),
        Change::Insert(user("u\0").into()),
        update(dish.clone(), with(&dish, place(Table::MenuItems, "allergens"), allergens)),
        update(rating.clone(), json(serde_json::json!({"note": ["a", {"b": "\0"}]}))),
        update(rating.clone(), json(serde_json::json!({"no\0te": 1}))),
        Change::Delete(nul()),
        Change::Require(Requirement::Absent(nul())),
        Change::Require(Requirement::Present(nul())),
        Change::Require(Requirement::Unchanged(user("a\0b").into())),
        Change::Add { id: "a\0b".to_owned(), counter: Counter::FaqUsage, by: 1 },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let what = format!("change {number}");
        let changes = set(&what).insert(user("first")).push(change);
        assert_invalid(&refused(store, &changes, &what).await, &what);
    }
}

/// **S24**
pub async fn s24_an_empty_set_succeeds(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [user("u")]).await;
    let before = dump(store).await;
    store.commit(&set("empty")).await.unwrap();
    store.commit(&set("empty")).await.unwrap();
    assert_same_rows(&dump(store).await, &before, "after nothing");
    assert_eq!(row(store, &RowKey::new(Table::Users, "empty")).await, None);
}
