//! Uniqueness rules.

use waiterix_domain::schema::{Order, Rating, User};
use waiterix_domain::{Change, Row, UniqueRule};
use waiterix_ports::Store;

use super::probe::{assert_same_rows, assert_unique, dump, fill, refused, set, update};
use super::sample::{answer, details, dish, knowledge, order, question, rating, restaurant, table, user};
use crate::Fixture;

/// Rows that show a rule: the first holds what is unique, the second lives beside it, and the third is the second
/// with what the first holds.
pub(super) struct Clash {
    pub(super) first: Row,
    pub(super) beside: Row,
    pub(super) clashing: Row,
}

fn clash<R: Into<Row>>(first: R, beside: R, clashing: R) -> Clash {
    Clash { first: first.into(), beside: beside.into(), clashing: clashing.into() }
}

/// What the clashes hang on.
pub(super) async fn ground(store: &dyn Store) {
    fill(store, [user("u1"), user("u2"), user("u3")]).await;
    fill(store, [restaurant("r1", "u1"), restaurant("r2", "u2")]).await;
    fill(store, [dish("d1", "r1"), dish("d2", "r1")]).await;
    fill(store, [order("o1", "r1", 0), order("o2", "r1", 0)]).await;
    fill(store, [question("q1", "r1", 0), question("q2", "r1", 0)]).await;
}

pub(super) fn clash_of(rule: UniqueRule) -> Clash {
    let email = |id: &str, email: &str| User { email: Some(email.to_owned()), ..user(id) };
    let paid = |id: &str, intent: &str| Order {
        stripe_payment_intent_id: Some(intent.to_owned()),
        ..order(id, "r1", 0)
    };
    let of_dish =
        |id: &str, dish: &str| Rating { menu_item_id: Some(dish.into()), ..rating(id, "o1", "r1", 0) };
    let of_service = |id: &str, order: &str| Rating {
        service_ratings: Some(serde_json::json!({ "cleanliness": id.len() })),
        ..rating(id, order, "r1", 0)
    };
    match rule {
        UniqueRule::PrimaryKey(_) => {
            let other = User { accepted_terms: true, ..user("k1") };
            clash(user("k1"), user("k2"), other)
        }
        UniqueRule::UserEmail => clash(email("e1", "a@b.c"), email("e2", "A@b.c"), email("e2", "a@b.c")),
        UniqueRule::RestaurantOfUser => {
            // The first restaurant of the ground is the first here.
            clash(restaurant("r1", "u1"), restaurant("r3", "u3"), restaurant("r3", "u1"))
        }
        UniqueRule::TableNumber => {
            clash(table("t1", "r1", "Vip 1"), table("t2", "r1", "Vip 2"), table("t2", "r1", "vIP 1"))
        }
        UniqueRule::DetailsOfItem => clash(details("x1", "d1"), details("x2", "d2"), details("x2", "d1")),
        UniqueRule::KnowledgeOfRestaurant => {
            clash(knowledge("k1", "r1"), knowledge("k2", "r2"), knowledge("k2", "r1"))
        }
        UniqueRule::OrderOfPaymentIntent => clash(paid("p1", "pi_1"), paid("p2", "pi_2"), paid("p2", "pi_1")),
        UniqueRule::RatingOfItem => clash(of_dish("m1", "d1"), of_dish("m2", "d2"), of_dish("m2", "d1")),
        UniqueRule::RatingOfService => {
            clash(of_service("s1", "o1"), of_service("s2", "o2"), of_service("s2", "o1"))
        }
        UniqueRule::AnswerOfQuestion => {
            clash(answer("a1", "q1", "r1"), answer("a2", "q2", "r1"), answer("a2", "q1", "r1"))
        }
    }
}

/// **S17** Each rule, on insert.
pub async fn s17_an_insert_that_breaks_a_rule_conflicts_with_that_rule(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    ground(store).await;
    for rule in UniqueRule::ALL {
        let Clash { first, clashing, .. } = clash_of(*rule);
        fill(store, [first.clone()]).await;
        let what = format!("{rule:?}");
        let changes = set(&what).insert(user("new")).insert(clashing.clone());
        assert_unique(&refused(store, &changes, &what).await, *rule, &what);
        let within =
            set(&format!("{what} within")).delete(first.table(), first.key()).insert(clashing).insert(first);
        // Deleting the first restaurant takes the rest of the ground along, which is no matter: nothing is done.
        assert_unique(&refused(store, &within, &what).await, *rule, &what);
    }
}

/// **S17** Each rule, on update.
pub async fn s17_an_update_that_breaks_a_rule_conflicts_with_that_rule(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    ground(store).await;
    for rule in UniqueRule::ALL {
        let Clash { first, beside, clashing } = clash_of(*rule);
        fill(store, [first, beside.clone()]).await;
        let what = format!("{rule:?}");
        let changes = set(&what).insert(user("new")).push(update(beside, clashing));
        assert_unique(&refused(store, &changes, &what).await, *rule, &what);
    }
}

/// **S17** What does not fall under a rule is not refused by it.
pub async fn s17_rows_that_only_look_alike_are_not_refused(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    ground(store).await;
    let email = |id: &str, email: Option<&str>| User { email: email.map(str::to_owned), ..user(id) };
    let alike: Vec<Row> = vec![
        // Nulls never collide, and addresses are compared as they are.
        email("e1", None).into(),
        email("e2", None).into(),
        email("e3", Some("a@b.c")).into(),
        email("e4", Some("A@b.c")).into(),
        email("e5", Some("a@b.c ")).into(),
        // Labels are compared without the case of ASCII letters only, within one restaurant.
        table("t1", "r1", "Äpfel").into(),
        table("t2", "r1", "äpfel").into(),
        table("t3", "r2", "Äpfel").into(),
        table("t4", "r1", "É").into(),
        table("t5", "r1", "e\u{301}").into(),
        table("t6", "r1", "1").into(),
        table("t7", "r1", "01").into(),
        table("t8", "r1", " 1").into(),
        // A rating of nothing in particular falls under no rule.
        rating("m1", "o1", "r1", 0).into(),
        rating("m2", "o1", "r1", 0).into(),
        Rating { menu_item_id: Some("d1".into()), ..rating("m3", "o1", "r1", 0) }.into(),
        Rating { menu_item_id: Some("d1".into()), ..rating("m4", "o2", "r1", 0) }.into(),
        Rating { menu_item_id: Some("d2".into()), ..rating("m5", "o1", "r1", 0) }.into(),
        Rating { service_ratings: Some(serde_json::json!({})), ..rating("m6", "o1", "r1", 0) }.into(),
    ];
    for row in alike {
        let what = row.row_key().to_string();
        let inserted = store.commit(&set(&what).insert(row)).await;
        inserted.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

/// **S17** A row that keeps its unique values is not in its own way.
pub async fn s17_a_row_does_not_clash_with_itself(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    ground(store).await;
    let before = table("t1", "r1", "vip");
    fill(store, [before.clone()]).await;
    store.commit(&set("case").update(before, table("t1", "r1", "VIP"))).await.unwrap();
    let expected = dump(store).await;
    store.commit(&set("same").push(Change::Insert(table("t1", "r1", "VIP").into()))).await.unwrap();
    assert_same_rows(&dump(store).await, &expected, "the same row");
}
