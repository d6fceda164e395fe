//! Placing an order: the menu is the source of names and prices, and the server of all sums.

use crate::change::Requirement;
use crate::event::{Audience, Event};
use crate::facts::OrderFacts;
use crate::id::{IdempotencyId, MenuItemId, OrderId, RestaurantId};
use crate::schema::{
    IdempotencyKey, MenuItem, Order, OrderItem, OrderStatus, PaymentMethod, PaymentStatus, RestaurantTable,
};
use crate::{Amount, ChangeSet, Decision, Env, FieldError, Rejection, RejectionKind};

use super::note::{BodyFaults, MAX_NOTE_CHARS};
use super::{IDEMPOTENCY_MS, OrderRules, ShownTotals, Totals, named_table};

/// The most lines of one order.
pub const MAX_LINES: usize = 500;
/// The most of one dish in one line.
pub const MAX_QUANTITY: i64 = 99;
/// The most characters of a dish's name, as the guest sent it, that come back in a refusal.
const MAX_ECHO_CHARS: usize = 200;

/// One line as the guest sent it. Its price is not even read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlacedLine {
    /// The dish; empty when none was named.
    pub item: String,
    /// What the guest's screen called it, only for the wording of a refusal.
    pub name: Option<String>,
    /// How many.
    pub quantity: Option<i64>,
    /// Note to the kitchen.
    pub customer_note: Option<String>,
    /// Allergies.
    pub allergies: Option<String>,
}

/// An order as the guest sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceOrder {
    /// The restaurant.
    pub restaurant: RestaurantId,
    /// A table id or label. One that is not known means no table.
    pub table: Option<String>,
    /// The lines; none when there was no list.
    pub lines: Vec<PlacedLine>,
    /// Sum of the lines as the guest was shown it, a decimal number.
    pub subtotal: String,
    /// Tax as the guest was shown it, a decimal number.
    pub tax: String,
    /// Tip, a decimal number; nothing means none.
    pub tip: Option<String>,
    /// Total as the guest was shown it, a decimal number.
    pub total: String,
    /// `cash` or `online`.
    pub payment_method: String,
    /// Note to the kitchen.
    pub customer_note: Option<String>,
    /// Allergies of the guests.
    pub allergies: Option<String>,
    /// The digest of the restaurant and the request's `Idempotency-Key`.
    pub idempotency: Option<IdempotencyId>,
    /// Fields of the wrong type, found when the request was read. They are reported only once the restaurant is known
    /// to exist and to take orders.
    pub faults: Vec<FieldError>,
}

impl PlaceOrder {
    /// The dishes named, each once: what the facts must hold.
    #[must_use]
    pub fn items(&self) -> Vec<MenuItemId> {
        let mut ids: Vec<MenuItemId> = self
            .lines
            .iter()
            .take(MAX_LINES)
            .filter(|line| !line.item.is_empty())
            .map(|line| line.item.as_str().into())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// The parts of an order that need no facts, checked.
struct Checked {
    payment_method: PaymentMethod,
    tip: Amount,
    shown: ShownTotals,
    quantities: Vec<i32>,
}

/// Places an order.
///
/// The first order of an `Idempotency-Key` is answered again for 24 hours, whatever else the request holds. Otherwise the
/// checks come in this order: subscription, form of the request, dishes, sums.
///
/// The commit requires that every dish is still as it was read. Without that, an order could be stored at a price, or for
/// a dish, that the owner had changed a moment before, and the kitchen would get it after the change. The cost is one
/// locked read per different dish, and a second attempt whenever an owner saves one of these very dishes within the same
/// few milliseconds. Restaurant and table need no such requirement: if one of them is deleted, the foreign key refuses
/// the order, and a renamed table is a matter of taste.
///
/// # Errors
/// `SubscriptionRequired`; `Invalid` for everything that is wrong with the request.
pub fn place(
    facts: &OrderFacts,
    command: &PlaceOrder,
    rules: &OrderRules,
    env: &mut Env<'_>,
) -> Result<Decision<Order>, Rejection> {
    let remembered_since = env.now.plus_millis(-IDEMPOTENCY_MS);
    let fresh = facts.repeated.as_ref().filter(|(key, order)| {
        key.created_at > remembered_since && order.restaurant_id == facts.restaurant.id
    });
    if let Some((_, order)) = fresh {
        return Ok(Decision::new(env.changes(), order.clone()));
    }
    if !facts.restaurant.subscription_status.accepts_orders() {
        return Err(Rejection::new(
            RejectionKind::SubscriptionRequired,
            "This restaurant is not currently accepting orders. Please contact the restaurant directly.",
        ));
    }
    let checked = check(command)?;
    let dishes = dishes(facts, command)?;
    let priced = dishes.iter().map(|dish| dish.price).zip(checked.quantities.iter().copied());
    let totals = Totals::of(priced, rules.web_tax_rate, checked.tip)
        .filter(|totals| totals.agree_with(&checked.shown))
        .ok_or_else(|| Rejection::invalid("Order total does not match current prices"))?;

    let table = named_table(&facts.tables, command.table.as_deref());
    let order = header(command, checked.payment_method, &totals, table, env);
    let lines = lines(&order.id, command, &dishes, &checked.quantities, env);
    let mut changes = env.changes().insert(order.clone()).insert_all(lines);
    changes = remember(changes, facts, command, &order.id, env);
    for dish in facts.items.iter().filter(|item| dishes.contains(item)) {
        changes = changes.require(Requirement::Unchanged(dish.clone().into()));
    }
    let table_number = order.table_number.clone();
    Ok(Decision::new(changes, order.clone())
        .publish(Audience::Chefs(order.restaurant_id.clone()), Event::NewOrder { order, table_number }))
}

/// Checks everything that can be checked without facts, and reports all of it at once.
fn check(command: &PlaceOrder) -> Result<Checked, Rejection> {
    let mut faults = BodyFaults::after(&command.faults);
    let payment_method = match command.payment_method.as_str() {
        "cash" => PaymentMethod::Cash,
        "online" => PaymentMethod::Online,
        _ => {
            faults.add(&["paymentMethod"], "must be cash or online");
            PaymentMethod::Cash
        }
    };
    let mut sum = |name: &str, text: &str| {
        let amount = Amount::parse(text).unwrap_or_else(|fault| {
            faults.add(&[name], fault.to_string());
            Amount::ZERO
        });
        if amount.is_negative() {
            faults.add(&[name], "must not be negative");
        }
        amount
    };
    let subtotal = sum("subtotal", &command.subtotal);
    let tax = sum("tax", &command.tax);
    let total = sum("total", &command.total);
    let tip = sum("tip", command.tip.as_deref().unwrap_or("0.00"));
    faults.text(&["customerNote"], command.customer_note.as_deref(), MAX_NOTE_CHARS);
    faults.text(&["allergies"], command.allergies.as_deref(), MAX_NOTE_CHARS);
    let quantities = check_lines(&command.lines, &mut faults);
    faults.refuse("Invalid order data")?;
    Ok(Checked { payment_method, tip, shown: ShownTotals { subtotal, tax, total }, quantities })
}

fn check_lines(lines: &[PlacedLine], faults: &mut BodyFaults) -> Vec<i32> {
    if lines.is_empty() {
        faults.add(&["items"], "must have at least one item");
    }
    if lines.len() > MAX_LINES {
        faults.add(&["items"], format!("must have at most {MAX_LINES} items"));
        return Vec::new();
    }
    let mut quantities = Vec::with_capacity(lines.len());
    for (place, line) in lines.iter().enumerate() {
        let place = place.to_string();
        let at = |field| ["items", place.as_str(), field];
        if line.item.is_empty() {
            faults.add(&at("id"), "Required");
        }
        faults.text(&at("customerNote"), line.customer_note.as_deref(), MAX_NOTE_CHARS);
        faults.text(&at("allergies"), line.allergies.as_deref(), MAX_NOTE_CHARS);
        let quantity = line.quantity.filter(|quantity| (1..=MAX_QUANTITY).contains(quantity));
        match quantity.and_then(|quantity| i32::try_from(quantity).ok()) {
            Some(quantity) => quantities.push(quantity),
            None => faults.add(&at("quantity"), format!("must be a whole number from 1 to {MAX_QUANTITY}")),
        }
    }
    quantities
}

/// The dish of each line.
fn dishes<'a>(facts: &'a OrderFacts, command: &PlaceOrder) -> Result<Vec<&'a MenuItem>, Rejection> {
    command.lines.iter().map(|line| dish(facts, line)).collect()
}

/// The dish a line means. One of another restaurant is as unknown as one that does not exist, and is named as the guest
/// named it.
fn dish<'a>(facts: &'a OrderFacts, line: &PlacedLine) -> Result<&'a MenuItem, Rejection> {
    let own = facts
        .items
        .iter()
        .find(|item| item.id.as_str() == line.item && item.restaurant_id == facts.restaurant.id);
    match own {
        Some(item) if item.available => Ok(item),
        Some(item) => Err(Rejection::invalid(format!("{} is not available", item.name))),
        None => {
            let name = line.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
            let name: String = name.unwrap_or("Item").chars().take(MAX_ECHO_CHARS).collect();
            Err(Rejection::invalid(format!("{name} is not available")))
        }
    }
}

fn header(
    command: &PlaceOrder,
    payment_method: PaymentMethod,
    totals: &Totals,
    table: Option<&RestaurantTable>,
    env: &mut Env<'_>,
) -> Order {
    Order {
        id: env.id(),
        restaurant_id: command.restaurant.clone(),
        table_id: table.map(|table| table.id.clone()),
        customer_note: command.customer_note.clone(),
        payment_method,
        // No payment reaches this point verified by its provider, so nothing is paid yet, whatever the request says.
        payment_status: PaymentStatus::Pending,
        payment_gateway: None,
        stripe_payment_intent_id: None,
        paystack_reference: None,
        telr_transaction_ref: None,
        adyen_psp_reference: None,
        subtotal: totals.subtotal,
        tax: totals.tax,
        tip: totals.tip,
        total: totals.total,
        status: OrderStatus::New,
        allergies: command.allergies.clone(),
        created_at: env.now,
        updated_at: env.now,
        table_number: table.map(|table| table.table_number.clone()),
        cancellation_reason: None,
    }
}

fn lines(
    order: &OrderId,
    command: &PlaceOrder,
    dishes: &[&MenuItem],
    quantities: &[i32],
    env: &mut Env<'_>,
) -> Vec<OrderItem> {
    let lines = command.lines.iter().zip(dishes).zip(quantities).zip(0_i32..);
    lines
        .map(|(((line, dish), quantity), place)| OrderItem {
            id: env.id(),
            order_id: order.clone(),
            menu_item_id: Some(dish.id.clone()),
            name: dish.name.clone(),
            price: dish.price,
            quantity: *quantity,
            customer_note: line.customer_note.clone(),
            allergies: line.allergies.clone(),
            position: Some(place),
        })
        .collect()
}

/// Remembers which order the idempotency key led to. A row that is too old takes the new order; should two requests do
/// that at once, only one commits, and the other then finds its order.
fn remember(
    changes: ChangeSet,
    facts: &OrderFacts,
    command: &PlaceOrder,
    order: &OrderId,
    env: &Env<'_>,
) -> ChangeSet {
    let Some(id) = &command.idempotency else { return changes };
    let row = IdempotencyKey {
        id: id.clone(),
        restaurant_id: command.restaurant.clone(),
        order_id: order.clone(),
        created_at: env.now,
    };
    match &facts.repeated {
        Some((stale, _)) => changes.update(stale.clone(), row),
        None => changes.insert(row),
    }
}
