//! How sets are cut into pieces.

use waiterix_contract::store::sample::{dish, faq, line, order, restaurant, table, user};
use waiterix_domain::schema::{MenuItem, Order};
use waiterix_domain::{CommitId, RowKey};

use super::*;

fn set() -> ChangeSet {
    ChangeSet::new(CommitId::new("set"))
}

fn program(changes: &ChangeSet) -> Program {
    Program::of(changes, Layout::ALL[1], Timestamp::EPOCH).unwrap()
}

fn pieces(changes: &ChangeSet) -> usize {
    program(changes).pieces.len()
}

fn noted(id: &str, note: &str) -> Order {
    Order { customer_note: Some(note.to_owned()), ..order(id, "r", 0) }
}

#[test]
fn an_order_with_everything_around_it_is_one_statement() {
    let changes = set()
        .insert(order("o", "r", 0))
        .insert_all((0..30).map(|place| line(&place.to_string(), "o", Some(place))))
        .require(Requirement::Unchanged(dish("d", "r").into()))
        .require(Requirement::Unchanged(dish("e", "r").into()))
        .add(Counter::RestaurantAiUsage, "r", 1)
        .update(noted("p", "a"), noted("p", "b"));
    assert!(program(&changes).alone().is_some());
}

#[test]
fn the_greatest_sets_are_one_statement() {
    let dishes = |price: i64| {
        let price = waiterix_domain::Amount::from_hundredths(price).unwrap_or_default();
        (0..ChangeSet::MAX_CHANGES).map(move |number| MenuItem { price, ..dish(&number.to_string(), "r") })
    };
    assert_eq!(pieces(&set().insert_all(dishes(1))), 1);
    assert_eq!(pieces(&dishes(1).zip(dishes(2)).fold(set(), |set, (old, new)| set.update(old, new))), 1);
    assert_eq!(pieces(&dishes(1).fold(set(), |set, dish| set.delete(Table::MenuItems, dish.id))), 1);
}

#[test]
fn a_piece_ends_where_its_order_begins_to_matter() {
    let label = |id: &str, label: &str| table(id, "r", label);
    for (what, changes) in [
        ("a child before its parent", set().insert(restaurant("r", "u")).insert(user("u"))),
        ("a reference to what comes later", set().update(noted("o", "a"), noted("o", "b")).insert(user("u"))),
        (
            "one row twice",
            set().insert(user("u")).require(Requirement::Present(RowKey::new(Table::Users, "u"))),
        ),
        ("a value freed", set().update(label("t", "1"), label("t", "2")).insert(label("s", "1"))),
        ("a value taken", set().insert(label("s", "1")).update(label("t", "1"), label("t", "2"))),
        (
            "two that move",
            set().update(label("t", "1"), label("t", "2")).update(label("s", "2"), label("s", "1")),
        ),
        ("a delete", set().delete(Table::Faqs, "f").insert(faq("f", "r", 0))),
        ("deletes of two tables", set().delete(Table::Faqs, "f").delete(Table::Orders, "o")),
    ] {
        assert_eq!(pieces(&changes), 2, "{what}");
    }
}

#[test]
fn rows_are_locked_in_one_order_whatever_is_done_with_them() {
    let changes = set()
        .update(noted("o", "a"), noted("o", "b"))
        .require(Requirement::Present(RowKey::new(Table::Users, "u")))
        .require(Requirement::Unchanged(dish("d", "r").into()));
    let program = program(&changes);
    let tables: Vec<_> = program.locks().iter().map(|(table, lock, _)| (*table, *lock)).collect();
    let expected =
        [(Table::Users, Lock::KeyShare), (Table::MenuItems, Lock::Share), (Table::Orders, Lock::NoKeyUpdate)];
    assert_eq!(tables, expected);
    // A placed order locks its dishes in the statement that looks at them.
    let alone = set().insert(order("o", "r", 0)).require(Requirement::Unchanged(dish("d", "r").into()));
    assert_eq!(self::program(&alone).locks(), []);
}
