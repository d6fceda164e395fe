//! Changes of one set follow one another.

use waiterix_domain::schema::{Faq, Order, User};
use waiterix_domain::{Counter, Requirement, Row, RowKey, Table};
use waiterix_ports::{Store, Violation};

use super::probe::{assert_same_rows, assert_stale, assert_violates, dump, fill, refused, set, the, update};
use super::sample::{faq, house, order, restaurant, table, user};
use crate::Fixture;

fn named(id: &str, name: &str) -> User {
    User { first_name: Some(name.to_owned()), ..user(id) }
}

/// **S21** A whole house, parents first, in one set.
pub async fn s21_parents_and_children_go_in_one_set(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    store.commit(&set("house").insert_all(house("h"))).await.unwrap();
    assert_same_rows(&dump(store).await, &house("h"), "the house");
}

/// **S21**
pub async fn s21_a_child_before_its_parent_conflicts(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    let changes = set("backwards").insert(restaurant("r", "u")).insert(user("u"));
    let error = refused(store, &changes, "the child first").await;
    assert_violates(&error, &Violation::ForeignKey, "the child first");
}

/// **S21** Each change sees what those before it did.
pub async fn s21_changes_build_on_one_another(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    let changes = set("chain")
        .require(Requirement::Absent(RowKey::new(Table::Users, "u")))
        .insert(user("u"))
        .require(Requirement::Present(RowKey::new(Table::Users, "u")))
        .update(user("u"), named("u", "Ann"))
        .update(named("u", "Ann"), named("u", "Bea"))
        .require(Requirement::Unchanged(named("u", "Bea").into()))
        .insert(restaurant("r", "u"))
        .insert(faq("f", "r", 0))
        .add(Counter::FaqUsage, "f", 1)
        .update(Faq { usage_count: 1, ..faq("f", "r", 0) }, Faq { usage_count: 10, ..faq("f", "r", 0) })
        .add(Counter::FaqUsage, "f", 1)
        .insert(user("v"))
        .delete(Table::Users, "v")
        .require(Requirement::Absent(RowKey::new(Table::Users, "v")));
    store.commit(&changes).await.unwrap();
    let expected: [Row; 3] = [
        named("u", "Bea").into(),
        restaurant("r", "u").into(),
        Faq { usage_count: 11, ..faq("f", "r", 0) }.into(),
    ];
    assert_same_rows(&dump(store).await, &expected, "after the chain");
}

/// **S21** A change that holds before the set, but no longer when its turn comes, fails.
pub async fn s21_a_change_sees_what_went_before_it(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [user("u")]).await;
    let key = || RowKey::new(Table::Users, "u");
    for (what, changes, place) in [
        ("deleted", set("a").delete(Table::Users, "u").require(Requirement::Present(key())), 1),
        ("made", set("b").insert(user("v")).require(Requirement::Absent(RowKey::new(Table::Users, "v"))), 1),
        (
            "changed",
            set("c").update(user("u"), named("u", "x")).require(Requirement::Unchanged(user("u").into())),
            1,
        ),
        (
            "updated twice from the same",
            set("d").update(user("u"), named("u", "x")).update(user("u"), named("u", "y")),
            1,
        ),
        ("gone", set("e").delete(Table::Users, "u").push(update(user("u"), named("u", "x"))), 1),
    ] {
        assert_stale(&refused(store, &changes, what).await, place, what);
    }
}

/// **S21** A key and a unique value that were freed may be taken.
pub async fn s21_what_was_freed_may_be_taken(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [Row::from(user("u")), restaurant("r", "u").into()]).await;
    fill(store, [table("t1", "r", "VIP"), table("t2", "r", "2"), table("t3", "r", "3")]).await;
    let changes = set("swap")
        .delete(Table::RestaurantTables, "t1")
        .insert(table("t9", "r", "vip"))
        // The two swap their labels by way of a third.
        .update(table("t2", "r", "2"), table("t2", "r", "aside"))
        .update(table("t3", "r", "3"), table("t3", "r", "2"))
        .update(table("t2", "r", "aside"), table("t2", "r", "3"))
        // A deleted key comes back with another content.
        .insert(table("t1", "r", "1"));
    store.commit(&changes).await.unwrap();
    let mut labels = Vec::new();
    for id in ["t1", "t2", "t3", "t9"] {
        labels.push(the::<waiterix_domain::schema::RestaurantTable>(store, id).await.table_number);
    }
    assert_eq!(labels, ["1", "3", "2", "vip"]);
}

/// **S21** A delete cascades before the next change, and only over what is there then.
pub async fn s21_a_delete_takes_what_is_there_at_its_turn(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [Row::from(user("u")), restaurant("r", "u").into(), table("t", "r", "1").into()]).await;
    let seated = Order { table_id: Some("t".into()), ..order("o", "r", 0) };
    fill(store, [seated.clone()]).await;
    let changes = set("table")
        .delete(Table::RestaurantTables, "t")
        .update(order("o", "r", 0), Order { customer_note: Some("moved".to_owned()), ..order("o", "r", 0) })
        .insert(table("t", "r", "1"));
    store.commit(&changes).await.unwrap();
    let moved: Order = the(store, "o").await;
    assert_eq!((moved.table_id, moved.customer_note.as_deref()), (None, Some("moved")));
    let changes = set("order").delete(Table::Orders, "o").insert(seated.clone());
    store.commit(&changes).await.unwrap();
    assert_eq!(the::<Order>(store, "o").await, seated);
}
