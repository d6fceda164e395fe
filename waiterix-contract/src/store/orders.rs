//! What queries answer about orders, ratings and counts.

use waiterix_domain::schema::{Order, OrderStatus, Rating};
use waiterix_domain::{Row, Timestamp};
use waiterix_ports::{Answer, Query, Store};

use super::probe::{fill, rows, set, the};
use super::sample::{ai_call, at, dish, idempotency_key, line, order, rating, restaurant, scan, table, user};
use crate::Fixture;

async fn assert_rows(store: &dyn Store, query: Query, expected: &[&str]) {
    let found: Vec<String> = rows(store, &query).await.iter().map(|row| row.row_key().to_string()).collect();
    assert_eq!(found, expected, "{query:?}");
}

async fn assert_labelled(store: &dyn Store, query: Query, expected: &[(&str, Option<&str>)]) {
    let Answer::Labelled(found) = store.read(&query).await.unwrap() else {
        panic!("{query:?} answers with labels")
    };
    let found: Vec<_> = found.iter().map(|(row, label)| (row.key(), label.as_deref())).collect();
    assert_eq!(found, expected, "{query:?}");
}

async fn assert_counts(store: &dyn Store, query: Query, expected: &[(&str, u64)]) {
    let Answer::Counts(found) = store.read(&query).await.unwrap() else {
        panic!("{query:?} answers with counts")
    };
    let found: Vec<_> = found.iter().map(|count| (count.label.as_str(), count.count)).collect();
    assert_eq!(found, expected, "{query:?}");
}

/// Two restaurants; the first has a table.
async fn two_restaurants(store: &dyn Store) {
    fill(store, [user("u1"), user("u2")]).await;
    fill(store, [restaurant("r1", "u1"), restaurant("r2", "u2")]).await;
    fill(store, [table("t1", "r1", "Window")]).await;
}

fn order_at(id: &str, restaurant: &str, seconds: i64, status: OrderStatus, table: Option<&str>) -> Order {
    Order { status, table_id: table.map(Into::into), ..order(id, restaurant, seconds) }
}

/// **S1** OrdersLive: completed orders leave, all others stay however old; newest first; the label of now.
pub async fn s01_live_orders_come_newest_first_without_old_completed_ones(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    fill(
        store,
        [
            order_at("old", "r1", -90_000, OrderStatus::New, Some("t1")),
            order_at("done", "r1", 0, OrderStatus::Completed, None),
            order_at("gone", "r1", -1, OrderStatus::Completed, None),
            order_at("b", "r1", 5, OrderStatus::Ready, None),
            order_at("B", "r1", 5, OrderStatus::Cancelled, Some("t1")),
            order_at("other", "r2", 5, OrderStatus::New, None),
        ],
    )
    .await;
    let live = |limit| Query::OrdersLive { restaurant: "r1".into(), completed_since: at(0), limit };
    let expected = [("b", None), ("B", Some("Window")), ("done", None), ("old", Some("Window"))];
    assert_labelled(store, live(100), &expected).await;
    assert_labelled(store, live(4), &expected).await;
    assert_labelled(store, live(3), &expected[..3]).await;
    assert_labelled(store, live(0), &[]).await;
    let renamed = table("t1", "r1", "Garden");
    store.commit(&set("rename").update(table("t1", "r1", "Window"), renamed)).await.unwrap();
    let renamed = [("b", None), ("B", Some("Garden"))];
    assert_labelled(store, live(2), &renamed).await;
}

/// **S1** OrdersBetween, OrderItemsBetween: the start is in, the end is not.
pub async fn s01_a_period_holds_its_start_and_not_its_end(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    for (id, of, seconds) in [
        ("before", "r1", -1),
        ("start", "r1", 0),
        ("a", "r1", 5),
        ("A", "r1", 5),
        ("end", "r1", 10),
        ("x", "r2", 5),
    ] {
        fill(store, [order_at(id, of, seconds, OrderStatus::Completed, Some("t1"))]).await;
        fill(store, [line(&format!("{id}2"), id, Some(0)), line(&format!("{id}1"), id, Some(1))]).await;
        fill(store, [line(&format!("{id}9"), id, None), line(&format!("{id}8"), id, Some(0))]).await;
    }
    let (from, to) = (at(0), at(10));
    let window = Some("Window");
    assert_labelled(
        store,
        Query::OrdersBetween { restaurant: "r1".into(), from, to },
        &[("a", window), ("A", window), ("start", window)],
    )
    .await;
    let mut lines = Vec::new();
    for id in ["A", "a", "start"] {
        // Nulls first, then the position, then the id.
        lines.extend(["9", "2", "8", "1"].map(|line| format!("order_items[{id}{line}]")));
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_rows(store, Query::OrderItemsBetween { restaurant: "r1".into(), from, to }, &lines).await;
    let empty = Query::OrdersBetween { restaurant: "r1".into(), from: to, to: from };
    assert_labelled(store, empty, &[]).await;
}

/// **S1** Order, OrderItems, OrderView, RatingFacts.
pub async fn s01_an_order_comes_with_its_house_and_lines(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    let placed = order_at("o1", "r1", 0, OrderStatus::New, Some("t1"));
    fill(store, [placed, order("o2", "r1", 0), order("o3", "r2", 0)]).await;
    fill(store, [line("l1", "o1", Some(1)), line("l2", "o1", Some(0)), line("l3", "o1", None)]).await;
    fill(store, [line("l4", "o2", None), line("l5", "o1", Some(10)), line("l6", "o1", Some(2))]).await;
    fill(store, [rating("m2", "o1", "r1", 0), rating("m1", "o1", "r1", 9), rating("m3", "o2", "r1", 0)])
        .await;
    let head = ["orders[o1]", "restaurants[r1]", "restaurant_tables[t1]"];
    let lines =
        ["order_items[l3]", "order_items[l2]", "order_items[l1]", "order_items[l6]", "order_items[l5]"];
    assert_rows(store, Query::Order("o1".into()), &head).await;
    assert_rows(store, Query::Order("o3".into()), &["orders[o3]", "restaurants[r2]"]).await;
    assert_rows(store, Query::OrderItems("o1".into()), &lines).await;
    let view = [&head[..], &lines, &["ratings[m1]"]].concat();
    assert_rows(store, Query::OrderView("o1".into()), &view).await;
    assert_rows(store, Query::OrderView("o3".into()), &["orders[o3]", "restaurants[r2]"]).await;
    let facts = [&head[..1], &lines, &["ratings[m1]", "ratings[m2]"]].concat();
    assert_rows(store, Query::RatingFacts("o1".into()), &facts).await;
    assert_rows(store, Query::RatingFacts("o3".into()), &["orders[o3]"]).await;
}

/// **S1** RatingsOfOrder oldest first, RatingsOfRestaurant newest first.
pub async fn s01_ratings_come_oldest_first_for_an_order_and_newest_first_for_a_house(
    fixture: Fixture<dyn Store>,
) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    fill(store, [order("o1", "r1", 0), order("o2", "r1", 0), order("o3", "r2", 0)]).await;
    fill(store, [rating("b", "o1", "r1", 1), rating("B", "o1", "r1", 1), rating("c", "o1", "r1", 0)]).await;
    fill(store, [rating("d", "o2", "r1", 1), rating("e", "o3", "r2", 1)]).await;
    let of_order = ["ratings[c]", "ratings[B]", "ratings[b]"];
    assert_rows(store, Query::RatingsOfOrder("o1".into()), &of_order).await;
    let of_restaurant = ["ratings[d]", "ratings[b]", "ratings[B]", "ratings[c]"];
    assert_rows(store, Query::RatingsOfRestaurant("r1".into()), &of_restaurant).await;
}

/// **S1** OrderFacts.
pub async fn s01_order_facts_hold_what_placing_an_order_relies_on(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    // The label of the second table is the id of the first one.
    fill(store, [table("t2", "r1", "t1"), table("t3", "r2", "Window")]).await;
    fill(store, [dish("d1", "r1"), dish("D2", "r1"), dish("d9", "r2"), dish("d3", "r1")]).await;
    fill(store, [order("o1", "r1", 0)]).await;
    fill(store, [idempotency_key("i1", "r1", "o1", 0)]).await;
    let facts = |table: Option<&str>, items: &[&str], idempotency: Option<&str>| Query::OrderFacts {
        restaurant: "r1".into(),
        table: table.map(str::to_owned),
        items: items.iter().map(|id| (*id).into()).collect(),
        idempotency: idempotency.map(Into::into),
    };
    let everything = [
        "restaurants[r1]",
        "restaurant_tables[t1]",
        "restaurant_tables[t2]",
        "menu_items[D2]",
        "menu_items[d1]",
        "menu_items[d9]",
        "idempotency_keys[i1]",
        "orders[o1]",
    ];
    let items = ["d9", "d1", "D2", "d1", "unknown"];
    assert_rows(store, facts(Some("t1"), &items, Some("i1")), &everything).await;
    let by_label = ["restaurants[r1]", "restaurant_tables[t1]"];
    assert_rows(store, facts(Some("Window"), &[], Some("i2")), &by_label).await;
    for other in ["window", "t3", "", "Window "] {
        assert_rows(store, facts(Some(other), &[], None), &["restaurants[r1]"]).await;
    }
    let unknown = Query::OrderFacts {
        restaurant: "r9".into(),
        table: Some("t1".to_owned()),
        items: vec!["d1".into()],
        idempotency: Some("i1".into()),
    };
    assert_rows(store, unknown, &[]).await;
}

/// **S1** ScanCounts, AiCallCounts: most frequent first, then by label bytewise.
pub async fn s01_counts_come_most_frequent_first_then_by_label(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    let labels =
        [None, Some(""), Some("b"), Some("B"), Some("10"), Some("é"), Some("z"), Some("z"), Some("z")];
    for (place, label) in labels.into_iter().enumerate() {
        fill(store, [scan(&format!("s{place}"), "r1", label, 0)]).await;
    }
    fill(store, [scan("old", "r1", Some("b"), -1), scan("other", "r2", Some("b"), 0)]).await;
    let counts = |since: Option<Timestamp>| Query::ScanCounts { restaurant: "r1".into(), since };
    let recent = [("z", 3), ("", 2), ("10", 1), ("B", 1), ("b", 1), ("é", 1)];
    assert_counts(store, counts(Some(at(0))), &recent).await;
    let all_time = [("z", 3), ("", 2), ("b", 2), ("10", 1), ("B", 1), ("é", 1)];
    assert_counts(store, counts(None), &all_time).await;
    assert_counts(store, counts(Some(at(1))), &[]).await;

    for (id, of, call_type, seconds) in [
        ("c1", "r1", "tts", 0),
        ("c2", "r1", "chat-completion", 1),
        ("c3", "r1", "Chat", 1),
        ("c4", "r1", "tts", 1),
        ("c5", "r2", "tts", 1),
    ] {
        fill(store, [ai_call(id, of, call_type, seconds)]).await;
    }
    let counts = |since: Option<Timestamp>| Query::AiCallCounts { restaurant: "r1".into(), since };
    assert_counts(store, counts(None), &[("tts", 2), ("Chat", 1), ("chat-completion", 1)]).await;
    assert_counts(store, counts(Some(at(1))), &[("Chat", 1), ("chat-completion", 1), ("tts", 1)]).await;
}

/// **S1** IdempotencyKeysBefore.
pub async fn s01_old_idempotency_keys_come_oldest_first(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    fill(store, [order("o1", "r1", 0)]).await;
    for (id, seconds) in [("c", 0), ("b", 1), ("B", 1), ("a", 2)] {
        fill(store, [idempotency_key(id, "r1", "o1", seconds)]).await;
    }
    let before = |before: Timestamp, limit| Query::IdempotencyKeysBefore { before, limit };
    let old = ["idempotency_keys[c]", "idempotency_keys[B]", "idempotency_keys[b]"];
    assert_rows(store, before(at(2), 9), &old).await;
    assert_rows(store, before(at(2), 2), &old[..2]).await;
    assert_rows(store, before(at(0), 9), &[]).await;
}

/// **S3** A commit replaces an order's header, lines and rating together; no reader sees parts of two commits.
pub async fn s03_a_composite_answer_shows_one_moment(fixture: Fixture<dyn Store>) {
    const ROUNDS: i32 = 40;
    let store = fixture.port.clone();
    two_restaurants(&*store).await;
    fill(&*store, [Row::from(order("o1", "r1", 0)), line("l0", "o1", Some(0)).into()]).await;
    fill(&*store, [Rating { item_rating: Some(0), ..rating("m", "o1", "r1", 0) }]).await;
    // Read once before anything changes, then all the while.
    assert_eq!(moments(&*store).await, [0, 0, 0]);
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for round in 1..=ROUNDS {
                next_moment(&*store, round).await;
                tokio::task::yield_now().await;
            }
        }
    });
    while !writer.is_finished() {
        let seen = moments(&*store).await;
        assert!(seen.iter().all(|moment| *moment == seen[0]), "an answer shows several moments: {seen:?}");
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    assert_eq!(moments(&*store).await, [ROUNDS; 3]);
}

/// Which round the header, the lines and the rating of an answer are of.
async fn moments(store: &dyn Store) -> [i32; 3] {
    let mut moments = [-1; 3];
    let rows = rows(store, &Query::OrderView("o1".into())).await;
    let lines = rows.iter().filter(|row| matches!(row, Row::OrderItem(_))).count();
    assert_eq!(lines, 1, "a header without its line, or with two");
    for row in rows {
        match row {
            Row::Order(order) => {
                moments[0] = order.customer_note.map_or(0, |note| note.parse().unwrap());
            }
            Row::OrderItem(line) => moments[1] = line.position.unwrap(),
            Row::Rating(rating) => moments[2] = rating.item_rating.unwrap(),
            _ => {}
        }
    }
    moments
}

async fn next_moment(store: &dyn Store, round: i32) {
    let header: Order = the(store, "o1").await;
    let rated: Rating = the(store, "m").await;
    let next = Order { customer_note: Some(round.to_string()), ..header.clone() };
    let changes = set(&format!("round {round}"))
        .delete(waiterix_domain::Table::OrderItems, format!("l{}", round - 1))
        .update(header, next)
        .insert(line(&format!("l{round}"), "o1", Some(round)))
        .update(rated.clone(), Rating { item_rating: Some(round), ..rated });
    store.commit(&changes).await.unwrap();
}
