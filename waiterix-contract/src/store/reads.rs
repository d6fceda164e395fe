//! What queries answer about one restaurant and its house: rows and order.

use waiterix_domain::schema::{AssistanceStatus, OrderStatus, QuestionStatus, Restaurant, User};
use waiterix_domain::{Row, Table, Timestamp};
use waiterix_ports::{Answer, Query, Store};

use super::probe::{fill, rows};
use super::sample::{
    answer, assistance, at, blank, details, dish, faq, knowledge, question, restaurant, room, table, upload,
    user,
};
use crate::Fixture;

/// Asserts which rows an answer holds, in its order, as `table[key]`.
async fn assert_rows(store: &dyn Store, query: Query, expected: &[&str]) {
    let found: Vec<String> = rows(store, &query).await.iter().map(|row| row.row_key().to_string()).collect();
    assert_eq!(found, expected, "{query:?}");
}

/// Two owners with a restaurant each, and a third without.
async fn two_restaurants(store: &dyn Store) {
    let owner = User { email: Some("Owner@Example.org".to_owned()), ..user("u1") };
    fill(store, [Row::from(owner), user("u2").into(), user("u3").into()]).await;
    fill(store, [restaurant("r1", "u1"), restaurant("r2", "u2")]).await;
}

/// **S1** Account, UserByEmail, Restaurant.
pub async fn s01_an_account_is_the_user_then_the_restaurant(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    assert_rows(store, Query::Account("u1".into()), &["users[u1]", "restaurants[r1]"]).await;
    assert_rows(store, Query::Account("u3".into()), &["users[u3]"]).await;
    assert_rows(store, Query::Restaurant("r2".into()), &["restaurants[r2]"]).await;
    assert_eq!(
        rows(store, &Query::Restaurant("r2".into())).await,
        [Row::from(restaurant("r2", "u2"))],
        "the whole row"
    );
    assert_rows(store, Query::UserByEmail("Owner@Example.org".to_owned()), &["users[u1]"]).await;
    for other in ["owner@example.org", "Owner@Example.org ", "Owner@Example_org", "%", ""] {
        assert_rows(store, Query::UserByEmail(other.to_owned()), &[]).await;
    }
}

/// **S1** Tables, Table: bytewise by id, which no locale does.
pub async fn s01_tables_come_by_id_bytewise(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    for (id, label) in [("b", "1"), ("B", "2"), ("a", "3"), ("é", "4"), ("z", "5"), ("a-a", "6"), ("aa", "7")]
    {
        fill(store, [table(id, "r1", label)]).await;
    }
    fill(store, [table("x", "r2", "1")]).await;
    let expected = ["B", "a", "a-a", "aa", "b", "z", "é"].map(|id| format!("restaurant_tables[{id}]"));
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_rows(store, Query::Tables("r1".into()), &expected).await;
    assert_rows(store, Query::Table("é".into()), &["restaurant_tables[é]"]).await;
    assert_rows(store, Query::Table("É".into()), &[]).await;
}

/// **S1** Menu: by creation then id; MenuItem and MenuItemDetails.
pub async fn s01_a_menu_comes_by_creation_then_id(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    for (id, seconds) in [("c", 1), ("a", 2), ("b", 1), ("B", 1), ("d", 0)] {
        let dish = waiterix_domain::schema::MenuItem { created_at: at(seconds), ..dish(id, "r1") };
        fill(store, [dish]).await;
    }
    fill(store, [Row::from(dish("x", "r2")), details("e1", "b").into()]).await;
    let expected = ["menu_items[d]", "menu_items[B]", "menu_items[b]", "menu_items[c]", "menu_items[a]"];
    assert_rows(store, Query::Menu("r1".into()), &expected).await;
    assert_rows(store, Query::MenuItem("b".into()), &["menu_items[b]", "restaurants[r1]"]).await;
    let with_details = ["menu_items[b]", "restaurants[r1]", "extended_menu_details[e1]"];
    assert_rows(store, Query::MenuItemDetails("b".into()), &with_details).await;
    assert_rows(store, Query::MenuItemDetails("x".into()), &["menu_items[x]", "restaurants[r2]"]).await;
}

/// **S1** AssistanceRequests: newest first, ties by id descending, with the current label.
pub async fn s01_assistance_requests_come_newest_first_with_the_current_label(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    fill(store, [table("t1", "r1", "Terrace")]).await;
    for (id, seconds, status) in [
        ("a", 1, AssistanceStatus::Pending),
        ("b", 2, AssistanceStatus::Resolved),
        ("B", 2, AssistanceStatus::Pending),
        ("c", 0, AssistanceStatus::Other("lost".to_owned())),
    ] {
        let table_id = (id == "a").then(|| "t1".into());
        let request =
            waiterix_domain::schema::AssistanceRequest { status, table_id, ..assistance(id, "r1", seconds) };
        fill(store, [request]).await;
    }
    fill(store, [assistance("x", "r2", 1)]).await;
    for (status, expected) in [
        (None, vec![("b", None), ("B", None), ("a", Some("Terrace")), ("c", None)]),
        (Some(AssistanceStatus::Pending), vec![("B", None), ("a", Some("Terrace"))]),
        (Some(AssistanceStatus::Other("lost".to_owned())), vec![("c", None)]),
        (Some(AssistanceStatus::Acknowledged), vec![]),
    ] {
        let query = Query::AssistanceRequests { restaurant: "r1".into(), status };
        let Answer::Labelled(found) = store.read(&query).await.unwrap() else {
            panic!("{query:?} answers with labels")
        };
        let found: Vec<_> = found.iter().map(|(row, label)| (row.key(), label.as_deref())).collect();
        assert_eq!(found, expected, "{query:?}");
    }
    assert_rows(
        store,
        Query::AssistanceRequest("a".into()),
        &["assistance_requests[a]", "restaurants[r1]", "restaurant_tables[t1]"],
    )
    .await;
    let without_table = ["assistance_requests[b]", "restaurants[r1]"];
    assert_rows(store, Query::AssistanceRequest("b".into()), &without_table).await;
}

/// **S1** AssistanceFacts.
pub async fn s01_assistance_facts_name_tables_by_id_or_label(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    fill(store, [table("t1", "r1", "t2"), table("t2", "r1", "9"), table("t3", "r2", "t9")]).await;
    fill(store, [super::sample::order("o2", "r2", 0)]).await;
    let facts = |table: Option<&str>, order: Option<&str>| Query::AssistanceFacts {
        restaurant: "r1".into(),
        table: table.map(str::to_owned),
        order: order.map(Into::into),
    };
    let both = ["restaurants[r1]", "restaurant_tables[t1]", "restaurant_tables[t2]", "orders[o2]"];
    assert_rows(store, facts(Some("t2"), Some("o2")), &both).await;
    assert_rows(store, facts(Some("9"), None), &["restaurants[r1]", "restaurant_tables[t2]"]).await;
    for other in ["t3", "t9", "T2", "", " 9"] {
        assert_rows(store, facts(Some(other), None), &["restaurants[r1]"]).await;
    }
    assert_rows(store, facts(None, Some("o9")), &["restaurants[r1]"]).await;
    let unknown = Query::AssistanceFacts {
        restaurant: "r9".into(),
        table: Some("t2".to_owned()),
        order: Some("o2".into()),
    };
    assert_rows(store, unknown, &[]).await;
}

/// **S1** AiKnowledge, Faqs, Faq.
pub async fn s01_ai_knowledge_holds_the_house_part_by_part(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    let dishes = [("d2", "r1", 0), ("d1", "r1", 1), ("d9", "r2", 0)];
    for (id, of, seconds) in dishes {
        let dish = waiterix_domain::schema::MenuItem { created_at: at(seconds), ..dish(id, of) };
        fill(store, [dish]).await;
    }
    fill(store, [details("e2", "d1"), details("e1", "d2"), details("e9", "d9")]).await;
    fill(store, [faq("f1", "r1", 0), faq("f3", "r1", 1), faq("f2", "r1", 1), faq("f9", "r2", 5)]).await;
    fill(store, [knowledge("k1", "r1")]).await;
    let newest_first = ["faq_knowledge_base[f3]", "faq_knowledge_base[f2]", "faq_knowledge_base[f1]"];
    let mut all = vec![
        "restaurants[r1]",
        "menu_items[d2]",
        "menu_items[d1]",
        "extended_menu_details[e1]",
        "extended_menu_details[e2]",
        "restaurant_knowledge[k1]",
    ];
    all.extend(newest_first);
    assert_rows(store, Query::AiKnowledge("r1".into()), &all).await;
    let without_knowledge =
        ["restaurants[r2]", "menu_items[d9]", "extended_menu_details[e9]", "faq_knowledge_base[f9]"];
    assert_rows(store, Query::AiKnowledge("r2".into()), &without_knowledge).await;
    assert_rows(store, Query::Faqs("r1".into()), &newest_first).await;
    assert_rows(store, Query::Faq("f9".into()), &["faq_knowledge_base[f9]"]).await;
}

/// **S1** QuestionsPending, Question, ChefAnswers.
pub async fn s01_questions_come_newest_first_and_with_their_answers(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    for (id, of, seconds, is_answered) in [
        ("q1", "r1", 1, false),
        ("q2", "r1", 2, false),
        ("Q2", "r1", 2, false),
        ("q3", "r1", 3, true),
        ("q4", "r1", 3, true),
        ("q5", "r1", 9, true),
        ("q6", "r2", 4, true),
    ] {
        let status = if is_answered { QuestionStatus::Answered } else { QuestionStatus::Pending };
        let question = waiterix_domain::schema::PendingQuestion { status, ..question(id, of, seconds) };
        fill(store, [question]).await;
    }
    let other_session = waiterix_domain::schema::PendingQuestion {
        status: QuestionStatus::Answered,
        customer_session_id: "Session".to_owned(),
        ..question("q7", "r1", 5)
    };
    fill(store, [other_session]).await;
    // q5 is answered by its status only; q1 has an answer but is still pending.
    for (id, of, restaurant) in
        [("a1", "q1", "r1"), ("a3", "q3", "r1"), ("a4", "q4", "r1"), ("a6", "q6", "r2"), ("a7", "q7", "r1")]
    {
        fill(store, [answer(id, of, restaurant)]).await;
    }
    let pending = ["pending_questions[q2]", "pending_questions[Q2]", "pending_questions[q1]"];
    assert_rows(store, Query::QuestionsPending("r1".into()), &pending).await;
    let with_answer = ["pending_questions[q3]", "restaurants[r1]", "chef_answers[a3]"];
    assert_rows(store, Query::Question("q3".into()), &with_answer).await;
    assert_rows(store, Query::Question("q5".into()), &["pending_questions[q5]", "restaurants[r1]"]).await;
    let here = ["pending_questions[q4]", "chef_answers[a4]", "pending_questions[q3]", "chef_answers[a3]"];
    let answers = |restaurant: Option<&str>| Query::ChefAnswers {
        session: "session".to_owned(),
        restaurant: restaurant.map(Into::into),
    };
    assert_rows(store, answers(Some("r1")), &here).await;
    let mut everywhere = vec!["pending_questions[q6]", "chef_answers[a6]"];
    everywhere.extend(here);
    assert_rows(store, answers(None), &everywhere).await;
}

/// **S1** Upload, UploadsOfUser, UploadsAbandoned.
pub async fn s01_abandoned_uploads_come_oldest_first(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    for (id, of, seconds) in
        [("k/c", "u1", 1), ("k/b", "u1", 2), ("k/B", "u2", 2), ("k/a", "u1", 3), ("k/z", "u1", 0)]
    {
        let attached_at = (id == "k/z").then(|| at(9));
        let grant = waiterix_domain::schema::Upload { attached_at, ..upload(id, of, seconds) };
        fill(store, [grant]).await;
    }
    let of_user = ["uploads[k/a]", "uploads[k/b]", "uploads[k/c]", "uploads[k/z]"];
    assert_rows(store, Query::UploadsOfUser("u1".into()), &of_user).await;
    assert_rows(store, Query::Upload("k/B".into()), &["uploads[k/B]"]).await;
    let abandoned = |before: Timestamp, limit| Query::UploadsAbandoned { before, limit };
    let old = ["uploads[k/c]", "uploads[k/B]", "uploads[k/b]"];
    assert_rows(store, abandoned(at(3), 9), &old).await;
    assert_rows(store, abandoned(at(3), 2), &old[..2]).await;
    assert_rows(store, abandoned(at(3), 0), &[]).await;
    assert_rows(store, abandoned(at(1), 9), &[]).await;
}

/// **S1** Whatever its kind, an answer holds the stored rows, column for column.
pub async fn s01_answers_hold_whole_rows(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    let house = super::sample::house("full");
    fill(store, house.clone()).await;
    let mut seen = std::collections::BTreeSet::new();
    let label = room("full", Table::RestaurantTables).key().to_owned();
    for text in [label, "full email".to_owned(), "full customer_session_id".to_owned()] {
        let about = super::catalogue::About {
            id: &|table| super::sample::id("full", table),
            text,
            status: None,
            from: at(-1),
            to: at(1_000),
            limit: 100,
        };
        for query in super::catalogue::every(&about) {
            let answer = store.read(&query).await.unwrap();
            let rows: Vec<Row> = match answer {
                Answer::Rows(rows) => rows,
                Answer::Labelled(rows) => rows.into_iter().map(|(row, _)| row).collect(),
                Answer::Counts(_) => Vec::new(),
            };
            for row in rows {
                assert!(house.contains(&row), "{query:?} answers with another row than was stored: {row:?}");
                seen.insert(row.table());
            }
        }
    }
    for table in [Table::Users, Table::Restaurants, Table::Orders, Table::OrderItems, Table::Ratings] {
        assert!(seen.contains(&table), "no query answered with a row of {}", table.name());
    }
}

/// **S1** A restaurant that is blank but for its keys is answered as it is.
pub async fn s01_a_blank_restaurant_is_answered_as_it_is(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    let blank = Restaurant { user_id: "u".into(), ..blank("r") };
    fill(store, [Row::from(user("u")), blank.clone().into()]).await;
    assert_eq!(rows(store, &Query::Restaurant("r".into())).await, [Row::from(blank)]);
}

/// **S1** The order of two instants that differ by a microsecond.
pub async fn s01_a_microsecond_decides_the_order(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    two_restaurants(store).await;
    let later = Timestamp::from_micros(at(0).as_micros() + 1).unwrap();
    let first = super::sample::order("b", "r1", 0);
    let second =
        waiterix_domain::schema::Order { created_at: later, status: OrderStatus::Completed, ..first.clone() };
    fill(store, [first, waiterix_domain::schema::Order { id: "a".into(), ..second }]).await;
    let query = Query::OrdersBetween { restaurant: "r1".into(), from: at(0), to: later };
    let Answer::Labelled(found) = store.read(&query).await.unwrap() else { panic!("labels") };
    assert_eq!(found.iter().map(|(row, _)| row.key()).collect::<Vec<_>>(), ["b"], "the end is exclusive");
    let query = Query::OrdersLive { restaurant: "r1".into(), completed_since: later, limit: 9 };
    let Answer::Labelled(found) = store.read(&query).await.unwrap() else { panic!("labels") };
    assert_eq!(found.iter().map(|(row, _)| row.key()).collect::<Vec<_>>(), ["a", "b"]);
}
