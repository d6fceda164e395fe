use proptest::prelude::*;

use super::*;
use crate::Amount;
use crate::schema::{Order, OrderStatus, PaymentMethod, PaymentStatus};

fn amount(hundredths: i64) -> Amount {
    Amount::from_hundredths(hundredths).unwrap()
}

fn order(id: &str, sums: [i64; 4], status: OrderStatus, method: PaymentMethod) -> LabelledOrder {
    let [subtotal, tax, tip, total] = sums.map(amount);
    let order = Order {
        id: id.into(),
        restaurant_id: "r".into(),
        table_id: None,
        customer_note: None,
        payment_method: method,
        payment_status: PaymentStatus::Pending,
        payment_gateway: None,
        stripe_payment_intent_id: None,
        paystack_reference: None,
        telr_transaction_ref: None,
        adyen_psp_reference: None,
        subtotal,
        tax,
        tip,
        total,
        status,
        allergies: None,
        created_at: Timestamp::parse("2025-01-31T23:05:07.123Z").unwrap(),
        updated_at: Timestamp::EPOCH,
        table_number: None,
        cancellation_reason: None,
    };
    LabelledOrder { order, table_number: None }
}

fn item(order: &str, quantity: i32, name: &str) -> OrderItem {
    OrderItem {
        id: format!("{order}-{name}").into(),
        order_id: order.into(),
        menu_item_id: None,
        name: name.to_owned(),
        price: amount(100),
        quantity,
        customer_note: None,
        allergies: None,
        position: None,
    }
}

fn written(name: &str, orders: &[LabelledOrder], items: &[OrderItem]) -> String {
    let range = ReportRange::parse(Some("2025-01-01"), Some("2025-01-31")).unwrap();
    let generated = Timestamp::parse("2025-02-01T08:00:00.5Z").unwrap();
    sheet(&Report { restaurant: name, range: &range, orders, items, generated })
}

#[test]
fn the_report_is_exactly_the_lines_of_the_contract() {
    let mut first = order("o-1", [2500, 250, 500, 3250], OrderStatus::Completed, PaymentMethod::Cash);
    first.table_number = Some("12".to_owned());
    let mut second = order("o-2", [1000, 100, 0, 1101], OrderStatus::New, PaymentMethod::Online);
    second.order.table_number = Some("kept".to_owned());
    let third = order("o-3", [9900, 990, 0, 10890], OrderStatus::Cancelled, PaymentMethod::Cash);
    let items =
        [item("o-1", 2, "Soup"), item("o-1", 1, "Tea"), item("o-2", 1, "Bread, dark"), item("x", 9, "?")];
    let want = "\
Financial Report for Zur Sonne
Period: 2025-01-01 to 2025-01-31
Generated: 2025-02-01T08:00:00.500Z

=== SUMMARY ===
Total Orders,3
Completed Orders,1
Cancelled Orders,1

Total Subtotal,35.00
Total Tax,3.50
Total Tips,5.00
Total Revenue,43.51
Average Order Value,21.76

=== PAYMENT METHODS ===
Online Payments,1
Cash Payments,2

=== ORDER DETAILS ===
Order ID,Date,Time,Table,Status,Items,Subtotal,Tax,Tip,Total,Payment Method,Payment Status
o-1,2025-01-31,23:05:07,12,completed,\"2x Soup; 1x Tea\",25.00,2.50,5.00,32.50,cash,pending
o-2,2025-01-31,23:05:07,kept,new,\"1x Bread, dark\",10.00,1.00,0.00,11.01,online,pending
o-3,2025-01-31,23:05:07,N/A,cancelled,\"\",99.00,9.90,0.00,108.90,cash,pending";
    assert_eq!(written("Zur Sonne", &[first, second, third], &items), want);
}

#[test]
fn an_empty_period_has_zeros_and_no_detail_lines() {
    let text = written("R", &[], &[]);
    assert!(text.contains("\nTotal Orders,0\n") && text.contains("\nAverage Order Value,0.00\n"));
    assert!(text.ends_with(DETAIL_COLUMNS));
}

#[test]
fn d88_cancelled_orders_are_no_revenue() {
    let orders = [order("o", [100, 10, 5, 115], OrderStatus::Cancelled, PaymentMethod::Online)];
    let text = written("R", &orders, &[]);
    for line in [
        "Total Orders,1",
        "Cancelled Orders,1",
        "Total Revenue,0.00",
        "Average Order Value,0.00",
        "Online Payments,1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
    assert!(text.ends_with("o,2025-01-31,23:05:07,N/A,cancelled,\"\",1.00,0.10,0.05,1.15,online,pending"));
}

#[test]
fn d90_texts_cannot_become_formulas_or_break_the_columns() {
    let mut hostile =
        order("o", [0; 4], OrderStatus::Other("=1".to_owned()), PaymentMethod::Other("a,b".to_owned()));
    hostile.table_number = Some("-1".to_owned());
    let items = [item("o", -1, "say \"hi\"\n=now()"), item("o", 1, "x")];
    let text = written("A, \"B\"", &[hostile], &items);
    assert!(text.starts_with("\"Financial Report for A, \"\"B\"\"\"\nPeriod: "));
    let line = "o,2025-01-31,23:05:07,'-1,'=1,\"'-1x say \"\"hi\"\"\n=now(); 1x x\",0.00,0.00,0.00,0.00,\"a,b\",pending";
    assert!(text.ends_with(line), "{text}");
}

#[test]
fn d56_sums_are_exact_where_binary_floats_are_not() {
    let orders: Vec<LabelledOrder> = (0..1000)
        .map(|n| order(&format!("o{n}"), [10, 20, 30, 10], OrderStatus::Completed, PaymentMethod::Cash))
        .collect();
    let text = written("R", &orders, &[]);
    for line in ["Total Subtotal,100.00", "Total Tax,200.00", "Total Tips,300.00", "Average Order Value,0.10"]
    {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn sums_may_exceed_what_one_order_can_hold() {
    let most = Amount::MAX.hundredths();
    let orders: Vec<LabelledOrder> =
        (0..3).map(|n| order(&format!("o{n}"), [most; 4], OrderStatus::New, PaymentMethod::Cash)).collect();
    let text = written("R", &orders, &[]);
    assert!(
        text.contains("\nTotal Revenue,299999999.97\n")
            && text.contains("\nAverage Order Value,99999999.99\n")
    );
}

fn any_order() -> impl Strategy<Value = LabelledOrder> {
    let status = prop::sample::select(vec!["new", "preparing", "ready", "completed", "cancelled", "odd"]);
    let method = prop::sample::select(vec!["cash", "online", "card"]);
    (prop::array::uniform4(-9_999_999_999i64..=9_999_999_999), status, method).prop_map(
        |(sums, status, method)| {
            order("o", sums, OrderStatus::from(status.to_owned()), PaymentMethod::from(method.to_owned()))
        },
    )
}

proptest! {
    /// The same report from the printed detail lines alone, with arbitrary-precision decimals read from text.
    #[test]
    fn the_summary_equals_an_independent_computation_from_the_detail_lines(
        orders in prop::collection::vec(any_order(), 0..40),
    ) {
        use rust_decimal::{Decimal, RoundingStrategy};
        let text = written("R", &orders, &[]);
        let (head, details) = text.split_once(DETAIL_COLUMNS).unwrap();
        let figure = |name: &str| {
            head.lines().find_map(|line| line.strip_prefix(&format!("{name},")).map(str::to_owned)).unwrap()
        };
        let rows: Vec<Vec<&str>> =
            details.lines().filter(|line| !line.is_empty()).map(|line| line.split(',').collect()).collect();
        let live: Vec<&Vec<&str>> = rows.iter().filter(|row| row[4] != "cancelled").collect();
        for (name, column) in
            [("Total Subtotal", 6), ("Total Tax", 7), ("Total Tips", 8), ("Total Revenue", 9)]
        {
            let sum: Decimal = live.iter().map(|row| row[column].parse::<Decimal>().unwrap()).sum();
            prop_assert_eq!(figure(name), format!("{sum:.2}"));
        }
        let revenue: Decimal = live.iter().map(|row| row[9].parse::<Decimal>().unwrap()).sum();
        let average = if live.is_empty() {
            Decimal::ZERO
        } else {
            (revenue / Decimal::from(live.len()))
                .round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
        };
        let printed: Decimal = figure("Average Order Value").parse().unwrap();
        prop_assert_eq!(printed, average);
        let count = |column: usize, word: &str| rows.iter().filter(|row| row[column] == word).count().to_string();
        prop_assert_eq!(figure("Total Orders"), orders.len().to_string());
        prop_assert_eq!(figure("Completed Orders"), count(4, "completed"));
        prop_assert_eq!(figure("Cancelled Orders"), count(4, "cancelled"));
        prop_assert_eq!(figure("Online Payments"), count(10, "online"));
        prop_assert_eq!(figure("Cash Payments"), count(10, "cash"));
    }
}
