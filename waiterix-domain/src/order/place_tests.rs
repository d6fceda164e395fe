use proptest::prelude::*;

use super::*;
use crate::env::Effect;
use crate::facts::OrderFacts;
use crate::schema::{Entity, IdempotencyKey, OrderItem, PaymentMethod, PaymentStatus, SubscriptionStatus};
use crate::testing::{amount, dish, env, order, restaurant, table};
use crate::{
    Amount, Audience, Change, Decision, Event, FieldError, Rejection, RejectionKind, Requirement, Row,
    Timestamp,
};

fn facts() -> OrderFacts {
    OrderFacts {
        restaurant: restaurant(),
        tables: vec![table("t1", "5"), table("t2", "VIP-1")],
        items: vec![dish("soup", "Soup", "12.50"), dish("tea", "Tea", "0.00")],
        repeated: None,
    }
}

fn soup(quantity: i64) -> PlacedLine {
    PlacedLine { item: "soup".to_owned(), quantity: Some(quantity), ..PlacedLine::default() }
}

/// Two soups: 25.00 + 2.50.
fn command() -> PlaceOrder {
    PlaceOrder {
        restaurant: "r1".into(),
        table: None,
        lines: vec![soup(2)],
        subtotal: "25.00".to_owned(),
        tax: "2.50".to_owned(),
        tip: None,
        total: "27.50".to_owned(),
        payment_method: "cash".to_owned(),
        customer_note: None,
        allergies: None,
        idempotency: None,
        faults: Vec::new(),
    }
}

const NOW_MS: i64 = 1_738_314_307_123;

fn placed(facts: &OrderFacts, command: &PlaceOrder) -> Result<Decision<Order>, Rejection> {
    place(facts, command, &OrderRules::default(), &mut env(NOW_MS).env())
}

fn refusal(change: impl FnOnce(&mut OrderFacts, &mut PlaceOrder)) -> Rejection {
    let (mut facts, mut command) = (facts(), command());
    change(&mut facts, &mut command);
    placed(&facts, &command).unwrap_err()
}

fn faulty_fields(change: impl FnOnce(&mut PlaceOrder)) -> Vec<String> {
    let rejection = refusal(|_, command| change(command));
    assert_eq!(rejection.kind, RejectionKind::Invalid);
    assert_eq!(rejection.message, "Invalid order data");
    rejection.errors.iter().map(|error| error.path.join(".")).collect()
}

fn inserted<R: Entity>(decision: &Decision<Order>) -> Vec<R> {
    let rows = decision.changes.changes().iter().filter_map(|change| match change {
        Change::Insert(row) => R::of_row(row).cloned(),
        _ => None,
    });
    rows.collect()
}

#[test]
fn d45_order_and_lines_are_one_set_of_changes() {
    let decision = placed(&facts(), &command()).unwrap();
    let order = &decision.reply;
    assert_eq!(inserted::<Order>(&decision), std::slice::from_ref(order));
    let lines = inserted::<OrderItem>(&decision);
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0].order_id, lines[0].position), (&order.id, Some(0)));
    assert_eq!((lines[0].name.as_str(), lines[0].price, lines[0].quantity), ("Soup", amount("12.50"), 2));
    assert_eq!(order.payment_status, PaymentStatus::Pending);
    assert_eq!(order.created_at, Timestamp::from_millis(NOW_MS).unwrap());
    assert_eq!(order.updated_at, order.created_at);
}

#[test]
fn lines_keep_the_sequence_they_were_ordered_in() {
    let mut command = command();
    let tea = PlacedLine { item: "tea".to_owned(), quantity: Some(1), ..PlacedLine::default() };
    let noted = PlacedLine { customer_note: Some("hot".to_owned()), ..soup(1) };
    command.lines = vec![soup(1), tea, noted];
    let lines = inserted::<OrderItem>(&placed(&facts(), &command).unwrap());
    let seen: Vec<_> = lines.iter().map(|line| (line.name.as_str(), line.position)).collect();
    assert_eq!(seen, [("Soup", Some(0)), ("Tea", Some(1)), ("Soup", Some(2))]);
    assert_eq!(lines[2].customer_note.as_deref(), Some("hot"));
}

#[test]
fn d43_sums_that_are_not_those_of_the_menu_are_refused() {
    let text = "Order total does not match current prices";
    for (subtotal, tax, total) in [
        ("25.00", "2.50", "0.01"),
        ("0.01", "0.00", "0.01"),
        ("24.00", "2.40", "26.40"),
        ("25.00", "2.00", "27.00"),
        ("25.00", "2.50", "27.53"),
    ] {
        let refusal = refusal(|_, command| {
            (command.subtotal, command.tax, command.total) = (subtotal.into(), tax.into(), total.into());
        });
        assert_eq!(refusal, Rejection::invalid(text), "{subtotal} {tax} {total}");
    }
}

#[test]
fn d43_the_servers_figures_are_stored_where_the_client_rounded_otherwise() {
    let mut command = command();
    (command.tax, command.total, command.tip) = ("2.51".into(), "30.52".into(), Some("3.00".into()));
    let order = placed(&facts(), &command).unwrap().reply;
    assert_eq!((order.subtotal, order.tax), (amount("25.00"), amount("2.50")));
    assert_eq!((order.tip, order.total), (amount("3.00"), amount("30.50")));
}

#[test]
fn d57_the_web_rate_is_the_configured_one() {
    let mut command = command();
    (command.tax, command.total) = ("1.94".into(), "26.94".into());
    let rules = OrderRules { web_tax_rate: "0.0775".parse().unwrap() };
    let order = place(&facts(), &command, &rules, &mut env(NOW_MS).env()).unwrap().reply;
    assert_eq!(order.tax, amount("1.94"));
    assert!(placed(&facts(), &command).is_err());
}

#[test]
fn d44_a_dish_that_is_unknown_foreign_or_unavailable_is_refused_by_name() {
    let unknown = refusal(|facts, command| {
        facts.items.clear();
        command.lines[0].name = Some(" Dragon ".to_owned());
    });
    assert_eq!(unknown, Rejection::invalid("Dragon is not available"));
    let nameless = refusal(|facts, _| facts.items.clear());
    assert_eq!(nameless, Rejection::invalid("Item is not available"));
    let foreign = refusal(|facts, command| {
        facts.items[0].restaurant_id = "r2".into();
        facts.items[0].name = "Secret dish".to_owned();
        command.lines[0].name = Some("Soup".to_owned());
    });
    assert_eq!(foreign, Rejection::invalid("Soup is not available"));
    let unavailable = refusal(|facts, command| {
        facts.items[0].available = false;
        command.lines[0].name = Some("Free soup".to_owned());
    });
    assert_eq!(unavailable, Rejection::invalid("Soup is not available"));
}

#[test]
fn d44_quantities_are_whole_numbers_from_1_to_99() {
    for quantity in [None, Some(0), Some(-1), Some(100), Some(i64::MAX), Some(i64::MIN)] {
        assert_eq!(faulty_fields(|command| command.lines[0].quantity = quantity), ["items.0.quantity"]);
    }
    let mut command = command();
    command.lines = vec![soup(99)];
    (command.subtotal, command.tax, command.total) = ("1237.50".into(), "123.75".into(), "1361.25".into());
    assert!(placed(&facts(), &command).is_ok());
}

#[test]
fn d45_an_order_without_lines_and_a_line_without_dish_are_refused() {
    assert_eq!(faulty_fields(|command| command.lines.clear()), ["items"]);
    assert_eq!(faulty_fields(|command| command.lines = vec![soup(1); MAX_LINES + 1]), ["items"]);
    assert_eq!(faulty_fields(|command| command.lines[0].item.clear()), ["items.0.id"]);
}

#[test]
fn d60_sums_below_zero_are_refused() {
    assert_eq!(faulty_fields(|command| command.tip = Some("-0.01".to_owned())), ["tip"]);
    assert_eq!(faulty_fields(|command| command.tax = "-1".to_owned()), ["tax"]);
    assert_eq!(faulty_fields(|command| command.total = "-1".to_owned()), ["total"]);
}

#[test]
fn d46_everything_wrong_with_a_request_is_reported_at_once() {
    let fields = faulty_fields(|command| {
        command.payment_method = "card".to_owned();
        command.total = "NaN".to_owned();
        command.subtotal = "1e3".to_owned();
        command.customer_note = Some("x".repeat(1_001));
        command.allergies = Some("a\0b".to_owned());
        command.lines[0].customer_note = Some("x".repeat(1_001));
        command.lines[0].quantity = Some(0);
    });
    assert_eq!(
        fields,
        [
            "paymentMethod",
            "subtotal",
            "total",
            "customerNote",
            "allergies",
            "items.0.customerNote",
            "items.0.quantity"
        ]
    );
    let read = faulty_fields(|command| {
        command.faults = vec![FieldError::new("total", "Expected a string")];
        command.total = String::new();
    });
    assert_eq!(read, ["total"]);
}

#[test]
fn the_subscription_is_looked_at_before_the_request() {
    for status in [SubscriptionStatus::PastDue, SubscriptionStatus::Other("weird".to_owned())] {
        let refusal = refusal(|facts, command| {
            facts.restaurant.subscription_status = status;
            command.lines.clear();
        });
        assert_eq!(refusal.kind, RejectionKind::SubscriptionRequired);
        assert_eq!(
            refusal.message,
            "This restaurant is not currently accepting orders. Please contact the restaurant directly."
        );
    }
}

#[test]
fn d59_a_table_is_found_by_id_then_by_label_and_otherwise_there_is_none() {
    let mut facts = facts();
    // A label that looks like another table's id must not win over the id.
    facts.tables.push(table("t3", "t1"));
    for (text, id, label) in [
        (Some("t1"), Some("t1"), Some("5")),
        (Some("5"), Some("t1"), Some("5")),
        (Some("VIP-1"), Some("t2"), Some("VIP-1")),
        (Some("99"), None, None),
        (Some(""), None, None),
        (None, None, None),
    ] {
        let command = PlaceOrder { table: text.map(String::from), ..command() };
        let decision = placed(&facts, &command).unwrap();
        let order = decision.reply;
        assert_eq!(order.table_id.as_ref().map(AsRef::as_ref), id, "{text:?}");
        assert_eq!(order.table_number.as_deref(), label, "{text:?}");
    }
}

#[test]
fn d49_chefs_hear_of_a_new_order_with_its_table() {
    let command = PlaceOrder { table: Some("5".to_owned()), ..command() };
    let decision = placed(&facts(), &command).unwrap();
    let event = Event::NewOrder { order: decision.reply.clone(), table_number: Some("5".to_owned()) };
    let effect = Effect::Publish { audience: Audience::Chefs("r1".into()), event: Box::new(event) };
    assert_eq!(decision.effects, [effect]);
}

#[test]
fn a_dish_that_changes_before_the_commit_makes_the_commit_fail() {
    let mut command = command();
    command.lines = vec![soup(1), soup(1)];
    let decision = placed(&facts(), &command).unwrap();
    let required: Vec<_> = decision
        .changes
        .changes()
        .iter()
        .filter_map(|change| match change {
            Change::Require(requirement) => Some(requirement.clone()),
            _ => None,
        })
        .collect();
    // Once per dish and only for dishes that are in the order.
    assert_eq!(required, [Requirement::Unchanged(Row::from(facts().items[0].clone()))]);
}

fn repeated(age_ms: i64) -> (IdempotencyKey, Order) {
    let key = IdempotencyKey {
        id: "digest".into(),
        restaurant_id: "r1".into(),
        order_id: order().id,
        created_at: Timestamp::from_millis(NOW_MS - age_ms).unwrap(),
    };
    (key, order())
}

#[test]
fn d48_a_repeated_key_answers_the_first_order_and_changes_nothing() {
    let mut facts = facts();
    facts.repeated = Some(repeated(IDEMPOTENCY_MS - 1));
    facts.restaurant.subscription_status = SubscriptionStatus::Canceled;
    let mut command = PlaceOrder { idempotency: Some("digest".into()), ..command() };
    command.lines.clear();
    let decision = placed(&facts, &command).unwrap();
    assert_eq!(decision.reply, order());
    assert!(decision.changes.is_empty() && decision.effects.is_empty());
}

#[test]
fn d48_a_new_key_is_remembered_with_its_order() {
    let command = PlaceOrder { idempotency: Some("digest".into()), ..command() };
    let decision = placed(&facts(), &command).unwrap();
    let rows = inserted::<IdempotencyKey>(&decision);
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].id.as_str(), &rows[0].order_id), ("digest", &decision.reply.id));
}

#[test]
fn d48_a_key_older_than_a_day_leads_to_a_new_order_and_is_taken_over() {
    let mut facts = facts();
    facts.repeated = Some(repeated(IDEMPOTENCY_MS));
    let command = PlaceOrder { idempotency: Some("digest".into()), ..command() };
    let decision = placed(&facts, &command).unwrap();
    assert_ne!(decision.reply.id, order().id);
    let taken_over = decision.changes.changes().iter().any(|change| {
        matches!(change, Change::Update { before: Row::IdempotencyKey(before), after: Row::IdempotencyKey(after) }
            if **before == repeated(IDEMPOTENCY_MS).0 && after.order_id == decision.reply.id)
    });
    assert!(taken_over, "{:?}", decision.changes);
}

#[test]
fn the_facts_are_asked_for_each_dish_once() {
    let mut command = command();
    let unnamed = PlacedLine::default();
    command.lines = vec![soup(1), soup(2), unnamed];
    assert_eq!(command.items(), ["soup".into()]);
}

#[test]
fn d31_a_label_outlives_its_table() {
    let placed = Order { table_number: Some("5".to_owned()), ..order() };
    assert_eq!(table_label(&placed, Some("Terrace")).as_deref(), Some("Terrace"));
    assert_eq!(table_label(&placed, None).as_deref(), Some("5"));
    assert_eq!(table_label(&order(), None), None);
}

#[test]
fn d52_guests_see_no_payment_references() {
    let reference = || Some("secret".to_owned());
    let paid = Order {
        stripe_payment_intent_id: reference(),
        paystack_reference: reference(),
        telr_transaction_ref: reference(),
        adyen_psp_reference: reference(),
        ..order()
    };
    assert_eq!(for_guests(&paid), order());
    assert_eq!(number(&paid.id), "0B5E3A1C");
}

proptest! {
    #[test]
    fn what_is_stored_is_always_the_menus_price(
        prices in prop::collection::vec(0_i64..=50_000, 1..6),
        picks in prop::collection::vec((0_usize..6, 1_i64..=99), 1..12),
        online in any::<bool>(),
    ) {
        let mut facts = facts();
        facts.items = prices.iter().enumerate().map(|(place, price)| {
            let mut item = dish(&format!("d{place}"), "Dish", "0.00");
            item.price = Amount::from_hundredths(*price).unwrap();
            item
        }).collect();
        let mut command = command();
        command.payment_method = if online { "online" } else { "cash" }.to_owned();
        command.lines = picks.iter().map(|(pick, quantity)| PlacedLine {
            item: format!("d{}", pick % prices.len()),
            quantity: Some(*quantity),
            ..PlacedLine::default()
        }).collect();
        let subtotal: i64 = picks.iter().map(|(pick, n)| prices[pick % prices.len()] * n).sum();
        let tax = (subtotal + 5) / 10;
        let text = |hundredths: i64| Amount::from_hundredths(hundredths).unwrap().to_string();
        (command.subtotal, command.tax, command.total) = (text(subtotal), text(tax), text(subtotal + tax));
        let decision = placed(&facts, &command).unwrap();
        let lines = inserted::<OrderItem>(&decision);
        let stored: i64 = lines.iter().map(|line| line.price.hundredths() * i64::from(line.quantity)).sum();
        prop_assert_eq!(stored, subtotal);
        prop_assert_eq!(decision.reply.subtotal.hundredths(), subtotal);
        let method = if online { PaymentMethod::Online } else { PaymentMethod::Cash };
        prop_assert_eq!(decision.reply.payment_method, method);
        for (line, pick) in lines.iter().zip(&picks) {
            prop_assert_eq!(line.price.hundredths(), prices[pick.0 % prices.len()]);
        }
    }

    #[test]
    fn any_other_subtotal_is_refused(shown in 0_i64..=10_000) {
        prop_assume!(shown != 2_500);
        let mut command = command();
        command.subtotal = Amount::from_hundredths(shown).unwrap().to_string();
        prop_assert!(placed(&facts(), &command).is_err());
    }
}
