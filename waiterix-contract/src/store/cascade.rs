//! Deletes and foreign keys.

use std::collections::BTreeSet;

use waiterix_domain::schema::OnDelete;
use waiterix_domain::value::Value;
use waiterix_domain::{Row, RowKey, Table};
use waiterix_ports::{Store, Violation};

use super::probe::{assert_same_rows, assert_violates, dump, fill, refused, row, set, the, update};
use super::sample::{assistance, dish, house, id, line, order, restaurant, room, table, user, with};
use crate::Fixture;

/// What remains of some rows after one of them is deleted, by the letter of the schema.
fn after_delete(rows: &[Row], key: RowKey) -> Vec<Row> {
    let mut doomed = BTreeSet::from([key]);
    loop {
        let more: Vec<RowKey> = rows
            .iter()
            .filter(|row| !doomed.contains(&row.row_key()))
            .filter(|row| parents(row, OnDelete::Cascade).iter().any(|(_, parent)| doomed.contains(parent)))
            .map(Row::row_key)
            .collect();
        if more.is_empty() {
            break;
        }
        doomed.extend(more);
    }
    let survivors = rows.iter().filter(|row| !doomed.contains(&row.row_key()));
    survivors
        .map(|row| {
            let lost = parents(row, OnDelete::SetNull).into_iter().filter(|(_, key)| doomed.contains(key));
            lost.fold(row.clone(), |row, (place, _)| with(&row, place, Value::Null))
        })
        .collect()
}

/// The columns of a row that refer to another row in this way, and which.
fn parents(row: &Row, on_delete: OnDelete) -> Vec<(usize, RowKey)> {
    let values = row.to_values();
    let columns = row.table().columns().iter().enumerate();
    columns
        .filter_map(|(place, column)| {
            let reference = column.references.filter(|reference| reference.on_delete == on_delete)?;
            match &values[place] {
                Value::Text(id) => Some((place, RowKey::new(reference.table, id.as_str()))),
                _ => None,
            }
        })
        .collect()
}

/// **S14** A row of each table is deleted in a store with two full houses; one is touched, by every foreign key,
/// the other is not.
pub async fn s14_every_foreign_key_is_followed(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("other")).await;
    for table in Table::ALL {
        let name = format!("by {}", table.name());
        fill(store, house(&name)).await;
        let before = dump(store).await;
        let key = RowKey::new(*table, id(&name, *table));
        store.commit(&set(&name).delete(*table, &key.id)).await.unwrap();
        let expected = after_delete(&before, key);
        assert!(expected.len() < before.len(), "{name}: nothing to delete");
        assert_same_rows(&dump(store).await, &expected, &name);
        // The rest goes before the next table, by way of the user, so that the dumps stay small.
        let rest = set(&format!("{name}, rest"))
            .delete(Table::Users, id(&name, Table::Users))
            .delete(Table::Uploads, id(&name, Table::Uploads));
        store.commit(&rest).await.unwrap();
    }
    assert_same_rows(&dump(store).await, &house("other"), "the other house");
}

/// **S14** Everything hangs on the user but the uploads, which outlive it.
pub async fn s14_deleting_a_user_deletes_the_house_but_not_the_uploads(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("a")).await;
    fill(store, house("b")).await;
    store.commit(&set("a").delete(Table::Users, id("a", Table::Users))).await.unwrap();
    let mut expected: Vec<Row> = house("b");
    expected.push(room("a", Table::Uploads));
    expected.sort_by_key(Row::row_key);
    assert_same_rows(&dump(store).await, &expected, "after the user");
}

/// **S14** A parent with several children of each kind.
pub async fn s14_all_children_are_reached(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [Row::from(user("u")), restaurant("r", "u").into(), dish("d", "r").into()]).await;
    fill(store, [order("o1", "r", 0), order("o2", "r", 0)]).await;
    for number in 0..30 {
        let of = if number % 2 == 0 { "o1" } else { "o2" };
        let line = waiterix_domain::schema::OrderItem {
            menu_item_id: Some("d".into()),
            ..line(&format!("l{number:02}"), of, None)
        };
        fill(store, [line]).await;
    }
    let before = dump(store).await;
    store.commit(&set("dish").delete(Table::MenuItems, "d")).await.unwrap();
    let without_dish = after_delete(&before, RowKey::new(Table::MenuItems, "d"));
    assert_same_rows(&dump(store).await, &without_dish, "after the dish");
    store.commit(&set("order").delete(Table::Orders, "o1")).await.unwrap();
    let without_order = after_delete(&without_dish, RowKey::new(Table::Orders, "o1"));
    assert_eq!(without_order.len(), without_dish.len() - 16);
    assert_same_rows(&dump(store).await, &without_order, "after the order");
}

/// **S14** A request of one restaurant that names a table and an order of another loses both at once.
pub async fn s14_a_row_can_lose_several_parents_at_once(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [user("u1"), user("u2")]).await;
    fill(store, [restaurant("r1", "u1"), restaurant("r2", "u2")]).await;
    fill(store, [Row::from(table("t", "r1", "1")), order("o", "r1", 0).into()]).await;
    let request = waiterix_domain::schema::AssistanceRequest {
        table_id: Some("t".into()),
        order_id: Some("o".into()),
        ..assistance("a", "r2", 0)
    };
    fill(store, [request]).await;
    store.commit(&set("owner").delete(Table::Users, "u1")).await.unwrap();
    let expected: [Row; 3] =
        [user("u2").into(), restaurant("r2", "u2").into(), assistance("a", "r2", 0).into()];
    assert_same_rows(&dump(store).await, &expected, "after the owner of table and order");
}

/// **S14** In every table, alone and with other changes.
pub async fn s14_deleting_an_absent_row_is_done_already(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("h")).await;
    for table in Table::ALL {
        store.commit(&set(table.name()).delete(*table, "nowhere").delete(*table, "")).await.unwrap();
    }
    assert_same_rows(&dump(store).await, &house("h"), "after deleting nothing");
    store.commit(&set("twice").delete(Table::Uploads, "x").insert(user("v"))).await.unwrap();
    assert!(row(store, &RowKey::new(Table::Users, "v")).await.is_some());
}

/// **S18** Every foreign key of the schema, on insert and on update.
pub async fn s18_a_reference_to_nothing_conflicts(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("h")).await;
    for table in Table::ALL {
        let stored = room("h", *table);
        for (place, column) in table.columns().iter().enumerate() {
            let Some(reference) = column.references else { continue };
            let what = format!("{}.{}", table.name(), column.name);
            // The key of a row of another table, or of the same letters in another case, is no parent either.
            let strangers = [
                "nowhere".to_owned(),
                String::new(),
                id("h", Table::Uploads),
                id("h", reference.table).to_uppercase(),
            ];
            for stranger in strangers {
                let orphan = with(&stored, place, Value::Text(stranger.clone()));
                let what = format!("{what} = {stranger:?}");
                let changes = set(&what).insert(user("new")).push(update(stored.clone(), orphan.clone()));
                assert_violates(&refused(store, &changes, &what).await, &Violation::ForeignKey, &what);
                let again = set(&format!("{what} again")).delete(*table, stored.key()).insert(orphan);
                assert_violates(&refused(store, &again, &what).await, &Violation::ForeignKey, &what);
            }
            if column.nullable {
                let free = with(&stored, place, Value::Null);
                let (there, back) = (format!("{what} null"), format!("{what} back"));
                store.commit(&set(&there).push(update(stored.clone(), free.clone()))).await.unwrap();
                store.commit(&set(&back).push(update(free, stored.clone()))).await.unwrap();
            }
        }
    }
}

/// **S18** A parent deleted earlier in the set is not there.
pub async fn s18_a_parent_deleted_in_the_same_set_is_gone(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [Row::from(user("u")), restaurant("r", "u").into()]).await;
    let changes = set("gone").delete(Table::Restaurants, "r").insert(table("t", "r", "1"));
    assert_violates(&refused(store, &changes, "gone").await, &Violation::ForeignKey, "gone");
    let moved = set("again")
        .delete(Table::Restaurants, "r")
        .insert(restaurant("r", "u"))
        .insert(table("t", "r", "1"));
    store.commit(&moved).await.unwrap();
    let found: waiterix_domain::schema::RestaurantTable = the(store, "t").await;
    assert_eq!(found, table("t", "r", "1"));
}
