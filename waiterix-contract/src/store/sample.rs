//! Rows for tests: valid, small, and alike in every run.

use waiterix_domain::id::{MenuItemId, OrderId, QuestionId, RestaurantId, UserId};
use waiterix_domain::schema::{
    AiCallEvent, AssistanceRequest, AssistanceStatus, ChefAnswer, Entity, ExtendedDetails, Faq,
    IdempotencyKey, MenuItem, MenuItemTranslation, Order, OrderItem, OrderStatus, PaymentMethod,
    PaymentStatus, PendingQuestion, QuestionStatus, Rating, RequestType, Restaurant, RestaurantKnowledge,
    RestaurantTable, SubscriptionStatus, TableScanEvent, Upload, User,
};
use waiterix_domain::value::{Kind, Value};
use waiterix_domain::{Amount, Row, Table, Timestamp};

/// An instant so many seconds (negative: before) 2025-01-31T09:05:07.123456Z.
#[must_use]
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_738_314_307_123_456).unwrap_or_default().plus_seconds(seconds)
}

/// An amount in hundredths.
///
/// # Panics
/// When no column could hold it.
#[must_use]
pub fn amount(hundredths: i64) -> Amount {
    Amount::from_hundredths(hundredths).unwrap()
}

/// A row in which only the key says something: null where it may be null, else empty, zero, false or `at(0)`.
///
/// # Panics
/// Never: the values are made for the columns.
#[must_use]
pub fn blank<R: Entity>(id: &str) -> R {
    let mut values: Vec<Value> = R::COLUMNS
        .iter()
        .map(|column| if column.nullable { Value::Null } else { plain(column.kind) })
        .collect();
    values[0] = Value::Text(id.to_owned());
    R::from_values(values).unwrap()
}

fn plain(kind: Kind) -> Value {
    match kind {
        Kind::Text => Value::Text(String::new()),
        Kind::Bool => Value::Bool(false),
        Kind::Int => Value::Int(0),
        Kind::Amount => Value::Amount(Amount::ZERO),
        Kind::Timestamp => Value::Timestamp(at(0)),
        Kind::TextArray => Value::TextArray(Vec::new()),
        Kind::Json => Value::Json(serde_json::Value::Null),
    }
}

/// The row with another value in one column.
///
/// # Panics
/// When the value is of another kind than the column.
#[must_use]
pub fn with(row: &Row, column: usize, value: Value) -> Row {
    let mut values = row.to_values();
    values[column] = value;
    row.table().row_from_values(values).unwrap()
}

/// The key of a table's row in a [`house`].
#[must_use]
pub fn id(house: &str, table: Table) -> String {
    format!("{house}-{}", table.name())
}

/// A restaurant with everything: one row of every table, all columns filled and different, all foreign keys set.
/// Parents come before children.
///
/// # Panics
/// Never: the values are made for the columns.
#[must_use]
pub fn house(name: &str) -> Vec<Row> {
    Table::ALL.iter().map(|table| room(name, *table)).collect()
}

/// One row of a [`house`].
///
/// # Panics
/// Never: the values are made for the columns.
#[must_use]
pub fn room(house: &str, table: Table) -> Row {
    let mut count = 0;
    let mut values: Vec<Value> = table
        .columns()
        .iter()
        .map(|column| {
            count += 1;
            let text = format!("{house} {}", column.name);
            match (column.references, column.kind) {
                (Some(reference), _) => Value::Text(id(house, reference.table)),
                (None, Kind::Text) => Value::Text(text),
                (None, Kind::Bool) => Value::Bool(count % 2 == 0),
                (None, Kind::Int) => Value::Int(count),
                (None, Kind::Amount) => Value::Amount(amount(i64::from(count) * 101)),
                (None, Kind::Timestamp) => Value::Timestamp(at(i64::from(count))),
                (None, Kind::TextArray) => Value::TextArray(vec![text, "second".to_owned()]),
                (None, Kind::Json) => Value::Json(serde_json::json!({ "foodQuality": 5, "note": text })),
            }
        })
        .collect();
    values[0] = Value::Text(id(house, table));
    if table == Table::Uploads {
        values[1] = Value::Text(id(house, Table::Users));
    }
    table.row_from_values(values).unwrap()
}

/// A user without e-mail.
#[must_use]
pub fn user(id: &str) -> User {
    blank(id)
}

/// A restaurant that takes orders.
#[must_use]
pub fn restaurant(id: &str, user: &str) -> Restaurant {
    Restaurant {
        user_id: UserId::from(user),
        name: format!("Restaurant {id}"),
        default_language: "en".to_owned(),
        currency_code: "USD".to_owned(),
        subscription_status: SubscriptionStatus::Active,
        ..blank(id)
    }
}

/// A table.
#[must_use]
pub fn table(id: &str, restaurant: &str, label: &str) -> RestaurantTable {
    RestaurantTable { restaurant_id: restaurant.into(), table_number: label.to_owned(), ..blank(id) }
}

/// A dish for 9.50.
#[must_use]
pub fn dish(id: &str, restaurant: &str) -> MenuItem {
    MenuItem {
        restaurant_id: RestaurantId::from(restaurant),
        name: format!("Dish {id}"),
        category: "Mains".to_owned(),
        price: amount(950),
        available: true,
        ..blank(id)
    }
}

/// A German translation.
#[must_use]
pub fn translation(id: &str, dish: &str) -> MenuItemTranslation {
    MenuItemTranslation {
        menu_item_id: MenuItemId::from(dish),
        language: "de".to_owned(),
        name: format!("Gericht {dish}"),
        ..blank(id)
    }
}

/// Extended details without content.
#[must_use]
pub fn details(id: &str, dish: &str) -> ExtendedDetails {
    ExtendedDetails { menu_item_id: dish.into(), ..blank(id) }
}

/// Knowledge without content.
#[must_use]
pub fn knowledge(id: &str, restaurant: &str) -> RestaurantKnowledge {
    RestaurantKnowledge { restaurant_id: restaurant.into(), ..blank(id) }
}

/// A new order without table or lines, placed at `at(seconds)`.
#[must_use]
pub fn order(id: &str, restaurant: &str, seconds: i64) -> Order {
    Order {
        restaurant_id: restaurant.into(),
        payment_method: PaymentMethod::Cash,
        payment_status: PaymentStatus::Pending,
        status: OrderStatus::New,
        created_at: at(seconds),
        updated_at: at(seconds),
        ..blank(id)
    }
}

/// An order line.
#[must_use]
pub fn line(id: &str, order: &str, position: Option<i32>) -> OrderItem {
    OrderItem {
        order_id: OrderId::from(order),
        name: format!("Dish of {id}"),
        price: amount(950),
        quantity: 1,
        position,
        ..blank(id)
    }
}

/// A rating of nothing in particular, made at `at(seconds)`.
#[must_use]
pub fn rating(id: &str, order: &str, restaurant: &str, seconds: i64) -> Rating {
    Rating { order_id: order.into(), restaurant_id: restaurant.into(), created_at: at(seconds), ..blank(id) }
}

/// A call for a waiter, made at `at(seconds)`.
#[must_use]
pub fn assistance(id: &str, restaurant: &str, seconds: i64) -> AssistanceRequest {
    AssistanceRequest {
        restaurant_id: restaurant.into(),
        request_type: RequestType::CallWaiter,
        status: AssistanceStatus::Pending,
        created_at: at(seconds),
        ..blank(id)
    }
}

/// A pending question of the session `session`, asked at `at(seconds)`.
#[must_use]
pub fn question(id: &str, restaurant: &str, seconds: i64) -> PendingQuestion {
    PendingQuestion {
        restaurant_id: restaurant.into(),
        customer_session_id: "session".to_owned(),
        question: format!("Question {id}?"),
        language: "en".to_owned(),
        status: QuestionStatus::Pending,
        created_at: at(seconds),
        ..blank(id)
    }
}

/// An answer.
#[must_use]
pub fn answer(id: &str, question: &str, restaurant: &str) -> ChefAnswer {
    ChefAnswer {
        pending_question_id: QuestionId::from(question),
        restaurant_id: restaurant.into(),
        answer: format!("Answer {id}."),
        ..blank(id)
    }
}

/// A learnt question, never used, made at `at(seconds)`.
#[must_use]
pub fn faq(id: &str, restaurant: &str, seconds: i64) -> Faq {
    Faq { restaurant_id: restaurant.into(), created_at: at(seconds), ..blank(id) }
}

/// A scan of a label at `at(seconds)`.
#[must_use]
pub fn scan(id: &str, restaurant: &str, label: Option<&str>, seconds: i64) -> TableScanEvent {
    TableScanEvent {
        restaurant_id: restaurant.into(),
        table_number: label.map(str::to_owned),
        scanned_at: at(seconds),
        ..blank(id)
    }
}

/// An AI call at `at(seconds)`.
#[must_use]
pub fn ai_call(id: &str, restaurant: &str, call_type: &str, seconds: i64) -> AiCallEvent {
    AiCallEvent {
        restaurant_id: restaurant.into(),
        call_type: call_type.to_owned(),
        called_at: at(seconds),
        ..blank(id)
    }
}

/// A remembered idempotency key, made at `at(seconds)`.
#[must_use]
pub fn idempotency_key(id: &str, restaurant: &str, order: &str, seconds: i64) -> IdempotencyKey {
    IdempotencyKey {
        restaurant_id: restaurant.into(),
        order_id: order.into(),
        created_at: at(seconds),
        ..blank(id)
    }
}

/// An upload grant that is not attached, given at `at(seconds)`. It needs no other row, and no rule but its key
/// binds it: the row of choice where many are wanted.
#[must_use]
pub fn upload(id: &str, user: &str, seconds: i64) -> Upload {
    Upload { user_id: user.into(), created_at: at(seconds), ..blank(id) }
}
