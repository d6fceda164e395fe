//! The financial report.

use waiterix_domain::schema::{Order, OrderItem, OrderStatus, PaymentMethod, PaymentStatus, RestaurantTable};
use waiterix_domain::{Amount, Timestamp};

use crate::common::{House, message};

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

fn order(id: &str, at: &str, sums: [&str; 4], status: OrderStatus, method: PaymentMethod) -> Order {
    let [subtotal, tax, tip, total] = sums.map(amount);
    let at = Timestamp::parse(at).unwrap();
    Order {
        id: id.into(),
        restaurant_id: "ada-restaurant".into(),
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
        created_at: at,
        updated_at: at,
        table_number: None,
        cancellation_reason: None,
    }
}

fn item(order: &str, position: i32, quantity: i32, name: &str) -> OrderItem {
    OrderItem {
        id: format!("{order}-{position}").into(),
        order_id: order.into(),
        menu_item_id: None,
        name: name.to_owned(),
        price: amount("1.00"),
        quantity,
        customer_note: None,
        allergies: None,
        position: Some(position),
    }
}

#[tokio::test]
async fn the_report_is_the_csv_of_the_contract() {
    let house = House::new();
    let (ada, restaurant) = house.owner("ada").await;
    let table = RestaurantTable {
        id: "t1".into(),
        restaurant_id: restaurant.id,
        table_number: "VIP, left".to_owned(),
        qr_code_url: None,
        created_at: house.app.clock.now(),
    };
    house.insert([table]).await;
    let cash = PaymentMethod::Cash;
    let first = order(
        "o1",
        "2025-01-01T00:00:00Z",
        ["0.10", "0.01", "0.00", "0.11"],
        OrderStatus::Completed,
        cash.clone(),
    );
    let mut last = order(
        "o2",
        "2025-01-31T23:59:59.999999Z",
        ["0.20", "0.02", "0.05", "0.27"],
        OrderStatus::New,
        PaymentMethod::Online,
    );
    last.table_id = Some("t1".into());
    let dead = order(
        "o3",
        "2025-01-02T10:00:00Z",
        ["99.00", "9.90", "0.00", "108.90"],
        OrderStatus::Cancelled,
        cash.clone(),
    );
    let outside = [
        order("o4", "2025-02-01T00:00:00Z", ["7.00", "0.70", "0.00", "7.70"], OrderStatus::New, cash.clone()),
        order("o5", "2024-12-31T23:59:59.999999Z", ["7.00", "0.70", "0.00", "7.70"], OrderStatus::New, cash),
    ];
    house.insert([first, last, dead]).await;
    house.insert(outside).await;
    house
        .insert([
            item("o2", 0, 2, "Soup \"du jour\""),
            item("o2", 1, 1, "Tea"),
            item("o1", 0, 1, "Bread"),
            item("o4", 0, 1, "No"),
        ])
        .await;
    let reply = house.get_as(&ada, "/api/reports/financial?startDate=2025-01-01&endDate=2025-01-31").await;
    let want = "\
Financial Report for ada's
Period: 2025-01-01 to 2025-01-31
Generated: 2025-01-31T09:05:07.000Z

=== SUMMARY ===
Total Orders,3
Completed Orders,1
Cancelled Orders,1

Total Subtotal,0.30
Total Tax,0.03
Total Tips,0.05
Total Revenue,0.38
Average Order Value,0.19

=== PAYMENT METHODS ===
Online Payments,1
Cash Payments,2

=== ORDER DETAILS ===
Order ID,Date,Time,Table,Status,Items,Subtotal,Tax,Tip,Total,Payment Method,Payment Status
o2,2025-01-31,23:59:59,\"VIP, left\",new,\"2x Soup \"\"du jour\"\"; 1x Tea\",0.20,0.02,0.05,0.27,online,pending
o3,2025-01-02,10:00:00,N/A,cancelled,\"\",99.00,9.90,0.00,108.90,cash,pending
o1,2025-01-01,00:00:00,N/A,completed,\"1x Bread\",0.10,0.01,0.00,0.11,cash,pending";
    assert_eq!((reply.status.as_u16(), reply.text()), (200, want));
    assert_eq!(reply.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(
        reply.headers["content-disposition"],
        "attachment; filename=\"financial_report_2025-01-01_to_2025-01-31.csv\""
    );
    assert_eq!(reply.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn d89_d90_parameters_are_checked_before_the_restaurant_is_looked_for() {
    let house = House::new();
    let cyd = house.user("cyd").await;
    let missing = message("Start date and end date are required");
    for query in ["", "?startDate=2025-01-01", "?endDate=2025-01-01", "?startDate=&endDate=2025-01-01"] {
        let reply = house.get_as(&cyd, &format!("/api/reports/financial{query}")).await;
        reply.refused(400, missing.clone());
    }
    for query in [
        "startDate=soon&endDate=2025-01-01",
        "startDate=2025-01-02&endDate=2025-01-01",
        "startDate=2025-02-30&endDate=2025-03-01",
        "startDate=2025-01-01%22&endDate=2025-01-01",
        "startDate=2025-01-01%0D%0AX-Evil:1&endDate=2025-01-01",
    ] {
        let reply = house.get_as(&cyd, &format!("/api/reports/financial?{query}")).await;
        reply.refused(400, message("Invalid date range"));
    }
    let path = "/api/reports/financial?startDate=2025-01-01&endDate=2025-01-31T10:00:00Z";
    house.get_as(&cyd, path).await.refused(404, message("Restaurant not found"));
    house.get("/api/reports/financial").await.refused(401, message("Unauthorized"));
}
