//! Moving an order on, and cancelling it.

use crate::event::{Audience, Event};
use crate::schema::{Order, OrderStatus};
use crate::{Decision, Env, FieldError, Rejection};

use super::note::{BodyFaults, MAX_NOTE_CHARS};

/// Changes how far an order is. The same status again changes nothing and tells nobody.
///
/// `wanted` is the status as sent, nothing if none was sent.
///
/// # Errors
/// `Invalid` for an unknown word, for `cancelled` (which has a use case of its own) and for a step that
/// [`OrderStatus::may_become`] does not know.
pub fn change_status(
    order: &Order,
    wanted: Option<&str>,
    env: &mut Env<'_>,
) -> Result<Decision<Order>, Rejection> {
    let wanted = wanted
        .and_then(OrderStatus::known)
        .filter(|status| *status != OrderStatus::Cancelled)
        .ok_or_else(|| Rejection::invalid("Invalid order status"))?;
    if wanted == order.status {
        return Ok(Decision::new(env.changes(), order.clone()));
    }
    if !order.status.may_become(&wanted) {
        let (from, to) = (&order.status, &wanted);
        return Err(Rejection::invalid(format!("Cannot change order status from {from} to {to}")));
    }
    let after = Order {
        payment_status: order.payment_status.once(&wanted, &order.payment_method),
        status: wanted,
        updated_at: env.now,
        ..order.clone()
    };
    let changes = env.changes().update(order.clone(), after.clone());
    Ok(announce(Decision::new(changes, after.clone()), &after))
}

/// The cancellation of an order as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CancelOrder {
    /// Why; nothing or the empty text if no reason was given.
    pub reason: Option<String>,
    /// Fields of the wrong type, found when the request was read.
    pub faults: Vec<FieldError>,
}

/// A cancelled order. Nothing was paid back, because no order can have been paid through a provider yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Cancelled {
    /// The order as it is now.
    pub order: Order,
    /// Whether money was paid back now.
    pub refunded: bool,
}

/// Cancels an order that is not completed or cancelled yet. The reason is kept in a column of its own and appended to the
/// guest's note, after a line `---` if there is one.
///
/// # Errors
/// `Invalid` for an order that is final, or a reason that is too long.
pub fn cancel(
    order: &Order,
    command: &CancelOrder,
    env: &mut Env<'_>,
) -> Result<Decision<Cancelled>, Rejection> {
    if order.status.is_final() {
        return Err(Rejection::invalid(format!("Cannot cancel order that is already {}", order.status)));
    }
    let mut faults = BodyFaults::after(&command.faults);
    faults.text(&["reason"], command.reason.as_deref(), MAX_NOTE_CHARS);
    faults.refuse("Invalid cancellation")?;
    let reason = command.reason.clone().filter(|reason| !reason.is_empty());
    let line = format!("Cancelled: {}", reason.as_deref().unwrap_or("No reason provided"));
    let after = Order {
        status: OrderStatus::Cancelled,
        customer_note: Some(match order.customer_note.as_deref() {
            None | Some("") => line,
            Some(note) => format!("{note}\n---\n{line}"),
        }),
        cancellation_reason: reason,
        updated_at: env.now,
        ..order.clone()
    };
    let changes = env.changes().update(order.clone(), after.clone());
    let reply = Cancelled { order: after.clone(), refunded: false };
    Ok(announce(Decision::new(changes, reply), &after))
}

/// Tells the chefs in full, and the guest who tracks this very order no more than its status (D54, R6).
fn announce<T>(decision: Decision<T>, order: &Order) -> Decision<T> {
    let restaurant = &order.restaurant_id;
    decision
        .publish(Audience::Chefs(restaurant.clone()), Event::OrderStatusChanged { order: order.clone() })
        .publish(
            Audience::tracking(restaurant.clone(), &order.id),
            Event::TrackedStatusChanged { order: order.id.clone(), status: order.status.clone() },
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Effect;
    use crate::schema::{PaymentMethod, PaymentStatus};
    use crate::testing::{env, order};
    use crate::{Change, Timestamp};

    fn with_status(status: OrderStatus) -> Order {
        Order { status, ..order() }
    }

    fn events<T>(decision: &Decision<T>) -> Vec<(Audience, Event)> {
        let told = decision.effects.iter().map(|effect| match effect {
            Effect::Publish { audience, event } => (audience.clone(), (**event).clone()),
            other => panic!("{other:?}"),
        });
        told.collect()
    }

    #[test]
    fn d53_unknown_missing_and_cancelled_are_no_statuses_to_change_to() {
        for wanted in [None, Some(""), Some("cancelled"), Some("New"), Some("delivered")] {
            let refusal = change_status(&order(), wanted, &mut env(5).env()).unwrap_err();
            assert_eq!(refusal, Rejection::invalid("Invalid order status"), "{wanted:?}");
        }
    }

    #[test]
    fn d53_a_final_order_stays_final() {
        for (status, text) in [
            (OrderStatus::Completed, "Cannot change order status from completed to preparing"),
            (OrderStatus::Cancelled, "Cannot change order status from cancelled to preparing"),
        ] {
            let refusal = change_status(&with_status(status), Some("preparing"), &mut env(5).env());
            assert_eq!(refusal.unwrap_err(), Rejection::invalid(text));
        }
    }

    #[test]
    fn the_same_status_again_changes_nothing_and_tells_nobody() {
        for word in ["new", "preparing", "ready", "completed"] {
            let before = with_status(OrderStatus::known(word).unwrap());
            let decision = change_status(&before, Some(word), &mut env(5).env()).unwrap();
            assert!(decision.changes.is_empty() && decision.effects.is_empty());
            assert_eq!(decision.reply, before);
        }
    }

    #[test]
    fn d54_chefs_hear_everything_and_the_tracking_guest_only_the_status() {
        let before = order();
        let decision = change_status(&before, Some("ready"), &mut env(5).env()).unwrap();
        let after = decision.reply.clone();
        assert_eq!(after.status, OrderStatus::Ready);
        assert_eq!(after.updated_at, Timestamp::from_millis(5).unwrap());
        let chefs = Audience::Chefs(before.restaurant_id.clone());
        let guest = Audience::Customer {
            restaurant: before.restaurant_id.clone(),
            session: format!("tracking-{}", before.id),
        };
        let reduced = Event::TrackedStatusChanged { order: before.id.clone(), status: OrderStatus::Ready };
        assert_eq!(
            events(&decision),
            [(chefs, Event::OrderStatusChanged { order: after.clone() }), (guest, reduced)]
        );
        let update = Change::Update { before: before.into(), after: after.into() };
        assert_eq!(decision.changes.changes(), [update]);
    }

    #[test]
    fn d58_completing_marks_cash_paid_and_online_not() {
        for (method, status) in
            [(PaymentMethod::Cash, PaymentStatus::Completed), (PaymentMethod::Online, PaymentStatus::Pending)]
        {
            let before = Order { payment_method: method, ..order() };
            let after = change_status(&before, Some("completed"), &mut env(5).env()).unwrap().reply;
            assert_eq!(after.payment_status, status);
        }
    }

    #[test]
    fn a_cancellation_appends_its_reason_and_keeps_it_in_a_column() {
        for (note, reason, text, column) in [
            (None, Some("out of fish"), "Cancelled: out of fish", Some("out of fish")),
            (Some(""), None, "Cancelled: No reason provided", None),
            (None, Some(""), "Cancelled: No reason provided", None),
            (Some("no salt"), Some("closed"), "no salt\n---\nCancelled: closed", Some("closed")),
        ] {
            let before = Order { customer_note: note.map(String::from), ..order() };
            let command = CancelOrder { reason: reason.map(String::from), faults: Vec::new() };
            let decision = cancel(&before, &command, &mut env(5).env()).unwrap();
            let after = &decision.reply.order;
            assert_eq!(after.customer_note.as_deref(), Some(text));
            assert_eq!(after.cancellation_reason.as_deref(), column);
            assert_eq!(after.status, OrderStatus::Cancelled);
            assert_eq!(after.payment_status, before.payment_status, "cash orders keep their payment status");
            assert!(!decision.reply.refunded);
            assert_eq!(events(&decision).len(), 2);
        }
    }

    #[test]
    fn d55_only_an_order_that_is_not_final_can_be_cancelled() {
        let cancelled = |status| cancel(&with_status(status), &CancelOrder::default(), &mut env(5).env());
        for status in [OrderStatus::Completed, OrderStatus::Cancelled] {
            let text = format!("Cannot cancel order that is already {status}");
            assert_eq!(cancelled(status).unwrap_err(), Rejection::invalid(text));
        }
        let others = [OrderStatus::New, OrderStatus::Preparing, OrderStatus::Ready];
        for status in others.into_iter().chain([OrderStatus::Other("pending".to_owned())]) {
            assert!(cancelled(status).is_ok());
        }
    }

    #[test]
    fn d55_of_two_cancellations_the_second_relies_on_a_row_that_is_gone() {
        let before = order();
        let decision = cancel(&before, &CancelOrder::default(), &mut env(5).env()).unwrap();
        // Both decide on the same row; the store lets one update through, and the other decides anew on this one.
        assert!(matches!(decision.changes.changes(), [Change::Update { .. }]));
        assert!(cancel(&decision.reply.order, &CancelOrder::default(), &mut env(6).env()).is_err());
    }

    #[test]
    fn a_reason_has_a_limit() {
        let command = CancelOrder { reason: Some("x".repeat(1_001)), faults: Vec::new() };
        assert_eq!(cancel(&order(), &command, &mut env(5).env()).unwrap_err().errors[0].path, ["reason"]);
    }
}
