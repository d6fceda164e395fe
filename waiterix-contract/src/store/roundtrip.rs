//! What is written comes back as it was, column for column.

use serde_json::json;
use waiterix_domain::schema::{MenuItem, User};
use waiterix_domain::value::{Kind, Value};
use waiterix_domain::{Amount, Row, Table, Timestamp};
use waiterix_ports::{Query, Store};

use super::probe::{dump, fill, row, rows, set, the, update};
use super::sample::{self, amount, at, dish, house, restaurant, room, user, with};
use crate::Fixture;

/// Values that something along the way might change. Columns are filled from these in turn, so that neighbours
/// differ. Texts stay short enough for an index.
fn extremes(kind: Kind) -> Vec<Value> {
    match kind {
        Kind::Text => texts().into_iter().map(Value::Text).collect(),
        Kind::Bool => vec![Value::Bool(true), Value::Bool(false)],
        Kind::Int => [0, 1, -1, i32::MAX, i32::MIN].map(Value::Int).to_vec(),
        Kind::Amount => {
            let mut amounts = [0, 1, -1, 10, 100, 1_230, 9_999_999_998, -9_999_999_999].map(amount).to_vec();
            amounts.push(Amount::MAX);
            amounts.into_iter().map(Value::Amount).collect()
        }
        Kind::Timestamp => [
            0,
            1,
            -1,
            999_999,
            1_738_314_307_123_457,
            -62_135_596_800_000_000,
            253_402_300_799_999_999,
            951_782_399_999_999,
        ]
        .map(|micros| Value::Timestamp(Timestamp::from_micros(micros).unwrap()))
        .to_vec(),
        Kind::TextArray => {
            let mut arrays = vec![vec![], vec![String::new()], texts()];
            for array in [["b", "a", "b"], ["NULL", "null", ""], ["{}", "a,b", "\"a\" \\"]] {
                arrays.push(array.map(str::to_owned).to_vec());
            }
            arrays.into_iter().map(Value::TextArray).collect()
        }
        Kind::Json => vec![
            json!(null),
            json!(true),
            json!(0),
            json!(-123_456_789_012_345_i64),
            json!(4.5),
            json!(-0.1),
            json!(""),
            json!(texts()),
            json!([]),
            json!({}),
            json!({"foodQuality": 5, "serviceSpeed": 4, "cleanliness": 3, "staffFriendliness": 1}),
            json!({"b": 1, "a": {"c": [1, null, {"": "é🍕"}]}, "aa": "line\nbreak", "\"quoted\"": [[[]]]}),
        ]
        .into_iter()
        .map(Value::Json)
        .collect(),
    }
}

fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        " blank at both ends ",
        "NULL",
        "'; DROP TABLE users; --",
        "\"double\" 'single' `back` \\slash \\n \\u0000",
        "{\"json\": [1]}",
        "{a,NULL,\"b\"}",
        "$1 ? :name @p %s %25 _",
        "tab\tnewline\nreturn\r\nend",
        "\u{1}\u{8}\u{1b}[31m\u{7f}\u{85}\u{a0}\u{2028}",
        "🍕👩‍🍳🇩🇪\u{10FFFF}",
        "مرحبا \u{202e}desrever\u{202c} שלום",
        "e\u{301} is not é; ﬁ is not fi; İ ı ß ẞ",
        "\u{FEFF}byte order mark \u{FFFD}\u{FFFF}",
        "-",
        "1.10",
        "2025-01-31T09:05:07Z",
        "true",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("0123456789".repeat(40));
    texts
}

/// The values a column is tried with.
pub(super) fn values_of(column: &waiterix_domain::schema::Column) -> Vec<Value> {
    let mut values = extremes(column.kind);
    if column.nullable {
        values.insert(0, Value::Null);
    }
    values
}

/// The row with the `round`-th value in every column that is neither key nor foreign key.
pub(super) fn extreme(row: &Row, round: usize) -> Row {
    let mut values = row.to_values();
    for (place, column) in row.table().columns().iter().enumerate().skip(1) {
        if column.references.is_none() {
            let tried = values_of(column);
            values[place] = tried[(round + place) % tried.len()].clone();
        }
    }
    row.table().row_from_values(values).unwrap()
}

pub(super) fn rounds(table: Table) -> usize {
    table.columns().iter().map(|column| values_of(column).len()).max().unwrap_or(1)
}

/// **S5** Every column of every table, with every extreme value, through update, scan and digest.
pub async fn s05_every_column_survives_a_round_trip(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, house("h")).await;
    for table in Table::ALL {
        let mut stored = room("h", *table);
        for round in 0..rounds(*table) {
            let next = extreme(&stored, round);
            let name = format!("{} {round}", table.name());
            store.commit(&set(&name).push(update(stored.clone(), next.clone()))).await.unwrap();
            let found = row(store, &next.row_key()).await;
            assert_eq!(found.as_ref(), Some(&next), "{name}");
            stored = next;
        }
    }
}

/// **S5** The same for rows that are inserted.
pub async fn s05_inserted_rows_survive_a_round_trip(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    for round in 0..4 {
        let rows: Vec<Row> =
            house(&format!("h{round}")).iter().map(|row| unique_in(&extreme(row, round), round)).collect();
        fill(store, rows).await;
    }
    let found = dump(store).await;
    for round in 0..4 {
        for row in house(&format!("h{round}")) {
            let expected = unique_in(&extreme(&row, round), round);
            assert!(found.contains(&expected), "not found as inserted: {expected:?}");
        }
    }
}

/// E-mail addresses and payments are unique over all houses.
fn unique_in(row: &Row, round: usize) -> Row {
    let columns = row.table().columns();
    let place =
        columns.iter().position(|column| ["email", "stripe_payment_intent_id"].contains(&column.name));
    place.map_or_else(|| row.clone(), |place| with(row, place, Value::Text(format!("🍕 {round}"))))
}

/// **S5** What a query answers is the row a scan shows.
pub async fn s05_queries_and_scans_agree_on_every_value(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [Row::from(user("u")), restaurant("r", "u").into()]).await;
    let mut stored = Row::from(dish("d", "r"));
    fill(store, [stored.clone()]).await;
    for round in 0..rounds(Table::MenuItems) {
        let next = extreme(&stored, round);
        let name = format!("round {round}");
        store.commit(&set(&name).push(update(stored, next.clone()))).await.unwrap();
        assert_eq!(rows(store, &Query::MenuItem("d".into())).await.first(), Some(&next), "{name}");
        stored = next;
    }
}

/// **S5** Null is not the empty text, null is not the empty array, and JSON null is not null.
pub async fn s05_null_is_nothing_else(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    let mut users = Vec::new();
    for (id, first_name) in [("a", None), ("b", Some("")), ("c", Some("NULL"))] {
        users.push(User { first_name: first_name.map(str::to_owned), ..user(id) });
    }
    fill(store, users.clone()).await;
    for expected in users {
        let found: User = the(store, expected.id.as_str()).await;
        assert_eq!(found.first_name, expected.first_name);
    }
    fill(store, house("h")).await;
    let stored = room("h", Table::Ratings);
    let column = Table::Ratings.columns().iter().position(|column| column.kind == Kind::Json).unwrap();
    let json_null = with(&stored, column, Value::Json(serde_json::Value::Null));
    store.commit(&set("json").push(update(stored, json_null.clone()))).await.unwrap();
    assert_eq!(row(store, &json_null.row_key()).await, Some(json_null.clone()));
    let null = with(&json_null, column, Value::Null);
    store.commit(&set("null").push(update(json_null, null.clone()))).await.unwrap();
    assert_eq!(row(store, &null.row_key()).await, Some(null));
}

/// **S5** Microseconds.
pub async fn s05_microseconds_survive(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    for micros in [at(0).as_micros(), at(0).as_micros() + 1, -1] {
        let id = format!("u{micros}");
        let instant = Timestamp::from_micros(micros).unwrap();
        fill(store, [User { created_at: Some(instant), ..user(&id) }]).await;
        let found: User = the(store, &id).await;
        assert_eq!(found.created_at.map(Timestamp::as_micros), Some(micros));
    }
}

/// **S5** A megabyte of text, and an array of a thousand.
pub async fn s05_long_values_survive(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    fill(store, [Row::from(user("u")), restaurant("r", "u").into()]).await;
    let long = MenuItem {
        description: "Ünïcödé 🍕 ".repeat(60_000),
        allergens: Some((0..1_000).map(|place| format!("allergen {place}")).collect()),
        ..dish("d", "r")
    };
    fill(store, [long.clone()]).await;
    let found: MenuItem = the(store, "d").await;
    assert!(found == long, "{} of {} bytes came back", found.description.len(), long.description.len());
}

/// **S5** Any text can be a key.
pub async fn s05_any_text_can_be_a_key(fixture: Fixture<dyn Store>) {
    let store = &*fixture.port;
    for key in texts() {
        let stored = sample::upload(&key, "u", 0);
        fill(store, [stored.clone()]).await;
        let found = rows(store, &Query::Upload(key.as_str().into())).await;
        assert_eq!(found, [Row::from(stored)], "{key:?}");
    }
    let mut expected = texts();
    expected.sort();
    let found = dump(store).await;
    assert_eq!(found.iter().map(Row::key).collect::<Vec<_>>(), expected);
}
