//! How far an order may move: the one table of order states and payment states.

use crate::schema::{OrderStatus, PaymentMethod, PaymentStatus};

use OrderStatus::{Cancelled, Completed, New, Preparing, Ready};

/// What the status route may do. One step back is there for a mis-tap; `completed` and `cancelled` are final.
const STEPS: &[(OrderStatus, OrderStatus)] = &[
    (New, Preparing),
    (New, Ready),
    (New, Completed),
    (Preparing, Ready),
    (Preparing, Completed),
    (Ready, Completed),
    (Preparing, New),
    (Ready, Preparing),
];

/// What may happen to a payment.
const PAYMENT_STEPS: &[(PaymentStatus, PaymentStatus)] = &[
    (PaymentStatus::Pending, PaymentStatus::Completed),
    (PaymentStatus::Completed, PaymentStatus::Refunded),
    (PaymentStatus::Paid, PaymentStatus::Refunded),
];

impl OrderStatus {
    /// Whether the status route may lead from here to there.
    #[must_use]
    pub fn may_become(&self, next: &Self) -> bool {
        STEPS.iter().any(|(from, to)| from == self && to == next)
    }

    /// Whether the order is done with: completed or cancelled.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Completed | Cancelled)
    }
}

impl PaymentStatus {
    /// Whether a payment may go from here to there.
    #[must_use]
    pub fn may_become(&self, next: &Self) -> bool {
        PAYMENT_STEPS.iter().any(|(from, to)| from == self && to == next)
    }

    /// What becomes of the payment when its order moves on: a cash order that is completed has been paid (D58).
    #[must_use]
    pub fn once(&self, order: &OrderStatus, method: &PaymentMethod) -> Self {
        let paid = *order == Completed && *method == PaymentMethod::Cash && self.may_become(&Self::Completed);
        if paid { Self::Completed } else { self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The rule in other words: forward over any number of stations, or back by one, among the stations of a live order.
    fn model(from: &OrderStatus, to: &OrderStatus) -> bool {
        let stations = [New, Preparing, Ready, Completed];
        let place = |status: &OrderStatus| stations.iter().position(|station| station == status);
        match (place(from), place(to)) {
            (Some(from), Some(to)) if from < 3 => to > from || to + 1 == from,
            _ => false,
        }
    }

    #[test]
    fn d53_every_pair_of_states_agrees_with_the_model() {
        let words = OrderStatus::KNOWN.iter().cloned().chain([OrderStatus::Other("delivered".to_owned())]);
        let words: Vec<_> = words.collect();
        let mut allowed = 0;
        for from in &words {
            for to in &words {
                assert_eq!(from.may_become(to), model(from, to), "{from} to {to}");
                allowed += usize::from(from.may_become(to));
            }
        }
        assert_eq!(allowed, 8);
    }

    #[test]
    fn nothing_leaves_a_final_state_and_every_other_state_reaches_completed() {
        for status in OrderStatus::KNOWN {
            let leaves = OrderStatus::KNOWN.iter().any(|next| status.may_become(next));
            assert_eq!(leaves, !status.is_final(), "{status}");
            assert_eq!(status.may_become(&Completed), !status.is_final(), "{status}");
        }
    }

    #[test]
    fn a_refund_is_the_end_of_every_payment() {
        let words = PaymentStatus::KNOWN.iter().cloned().chain([PaymentStatus::Other("held".to_owned())]);
        let words: Vec<_> = words.collect();
        let mut allowed = BTreeSet::new();
        for from in &words {
            for to in &words {
                if from.may_become(to) {
                    allowed.insert(format!("{from}>{to}"));
                }
            }
        }
        let want = ["completed>refunded", "paid>refunded", "pending>completed"].map(String::from);
        assert_eq!(allowed, BTreeSet::from(want));
    }

    #[test]
    fn d58_only_completing_a_cash_order_marks_it_paid() {
        for order in OrderStatus::KNOWN {
            for method in PaymentMethod::KNOWN {
                for payment in PaymentStatus::KNOWN {
                    let after = payment.once(order, method);
                    let paid = *order == Completed
                        && *method == PaymentMethod::Cash
                        && *payment == PaymentStatus::Pending;
                    let want = if paid { PaymentStatus::Completed } else { payment.clone() };
                    assert_eq!(after, want, "{order} {method} {payment}");
                }
            }
        }
    }
}
