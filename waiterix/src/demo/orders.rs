//! Past orders of the demo restaurant.

use waiterix_domain::id::{MenuItemId, OrderId};
use waiterix_domain::schema::{
    MenuItem, Order, OrderItem, OrderStatus, PaymentMethod, PaymentStatus, Rating, Restaurant,
    RestaurantTable,
};
use waiterix_domain::{Amount, ChangeSet, Env, Timestamp};

/// How many days back the orders go, and how many there are each day.
const DAYS: i64 = 45;
const ORDERS_A_DAY: i64 = 9;

/// Changes that add past orders, one set per day.
pub(super) fn past(
    restaurant: &Restaurant,
    tables: &[RestaurantTable],
    menu: &[MenuItem],
    env: &mut Env<'_>,
) -> Vec<ChangeSet> {
    let today = env.now.start_of_day();
    (1..=DAYS)
        .map(|day| {
            let mut changes = env.changes();
            for nth in 0..ORDERS_A_DAY {
                let number = usize::try_from(day * ORDERS_A_DAY + nth).unwrap_or_default();
                // Lunch from half past eleven, one order each 40 minutes into the evening.
                let at = today.plus_seconds(-day * 86_400 + 41_400 + nth * 2_400 + day * 7);
                let table = &tables[number % tables.len()];
                changes = add(changes, restaurant, table, menu, number, at, env);
            }
            changes
        })
        .collect()
}

fn add(
    changes: ChangeSet,
    restaurant: &Restaurant,
    table: &RestaurantTable,
    menu: &[MenuItem],
    number: usize,
    at: Timestamp,
    env: &mut Env<'_>,
) -> ChangeSet {
    let order_id: OrderId = env.id();
    let lines: Vec<OrderItem> = (0..2 + number % 3)
        .map(|place| {
            let dish = &menu[(number * 7 + place * 5) % menu.len()];
            line(&order_id, dish, place, 1 + i32::from((number + place).is_multiple_of(4)), env)
        })
        .collect();
    let subtotal = lines.iter().map(|line| line.price.hundredths() * i64::from(line.quantity)).sum();
    let cancelled = number.is_multiple_of(23);
    let order = order(order_id.clone(), restaurant, table, number, subtotal, cancelled, at);
    let rating = (!cancelled && number.is_multiple_of(5)).then(|| Rating {
        id: env.id(),
        order_id,
        restaurant_id: restaurant.id.clone(),
        menu_item_id: None,
        item_rating: None,
        service_ratings: Some(serde_json::json!({
            "foodQuality": 5 - number % 2, "serviceSpeed": 5 - number % 3,
            "cleanliness": 5, "staffFriendliness": 5 - (number / 5) % 2,
        })),
        comment: number.is_multiple_of(10).then(|| "Lovely evening, we will be back.".to_owned()),
        created_at: at.plus_seconds(5_400),
    });
    changes.insert(order).insert_all(lines).insert_all(rating)
}

fn line(order: &OrderId, dish: &MenuItem, place: usize, quantity: i32, env: &mut Env<'_>) -> OrderItem {
    OrderItem {
        id: env.id(),
        order_id: order.clone(),
        menu_item_id: Some(MenuItemId::new(dish.id.as_str())),
        name: dish.name.clone(),
        price: dish.price,
        quantity,
        customer_note: None,
        allergies: None,
        position: i32::try_from(place).ok(),
    }
}

fn order(
    id: OrderId,
    restaurant: &Restaurant,
    table: &RestaurantTable,
    number: usize,
    subtotal: i64,
    cancelled: bool,
    at: Timestamp,
) -> Order {
    let amount = |hundredths: i64| Amount::from_hundredths(hundredths).unwrap_or(Amount::ZERO);
    let tax = (subtotal + 5) / 10;
    let tip = subtotal * [0, 10, 15][number % 3] / 100;
    let (status, reason) = if cancelled {
        (OrderStatus::Cancelled, Some("The guests had to leave".to_owned()))
    } else {
        (OrderStatus::Completed, None)
    };
    Order {
        id,
        restaurant_id: restaurant.id.clone(),
        table_id: Some(table.id.clone()),
        customer_note: reason.as_ref().map(|reason| format!("Cancelled: {reason}")),
        payment_method: PaymentMethod::Cash,
        payment_status: if cancelled { PaymentStatus::Pending } else { PaymentStatus::Completed },
        payment_gateway: None,
        stripe_payment_intent_id: None,
        paystack_reference: None,
        telr_transaction_ref: None,
        adyen_psp_reference: None,
        subtotal: amount(subtotal),
        tax: amount(tax),
        tip: amount(tip),
        total: amount(subtotal + tax + tip),
        status,
        allergies: number.is_multiple_of(17).then(|| "nuts".to_owned()),
        created_at: at,
        updated_at: at.plus_seconds(2_700),
        table_number: Some(table.table_number.clone()),
        cancellation_reason: reason,
    }
}
