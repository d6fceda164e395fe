//! The sums of a report.

use crate::amount::Total;
use crate::facts::LabelledOrder;
use crate::schema::{Order, OrderStatus, PaymentMethod};

/// Counts and exact sums over the orders of a period.
///
/// Cancelled orders are counted, but they are no revenue and stay out of the sums and the average (D88). Unpaid
/// orders stay in: cash is paid at the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// All orders.
    pub orders: u64,
    /// Completed orders.
    pub completed: u64,
    /// Cancelled orders.
    pub cancelled: u64,
    /// Sum of the subtotals.
    pub subtotal: Total,
    /// Sum of the taxes.
    pub tax: Total,
    /// Sum of the tips.
    pub tip: Total,
    /// Sum of the totals.
    pub revenue: Total,
    /// Revenue divided by the number of orders that are not cancelled; zero without any.
    pub average: Total,
    /// Orders paid online, of any status.
    pub online: u64,
    /// Orders paid in cash, of any status.
    pub cash: u64,
}

impl Figures {
    /// The figures of some orders.
    #[must_use]
    pub fn of(orders: &[LabelledOrder]) -> Self {
        let orders = orders.iter().map(|labelled| &labelled.order);
        let count = |which: fn(&Order) -> bool| orders.clone().filter(|order| which(order)).count() as u64;
        let counted = orders.clone().filter(|order| order.status != OrderStatus::Cancelled);
        let revenue: Total = counted.clone().map(|order| order.total).sum();
        Self {
            orders: count(|_| true),
            completed: count(|order| order.status == OrderStatus::Completed),
            cancelled: count(|order| order.status == OrderStatus::Cancelled),
            subtotal: counted.clone().map(|order| order.subtotal).sum(),
            tax: counted.clone().map(|order| order.tax).sum(),
            tip: counted.clone().map(|order| order.tip).sum(),
            revenue,
            average: revenue.average(counted.count() as u64),
            online: count(|order| order.payment_method == PaymentMethod::Online),
            cash: count(|order| order.payment_method == PaymentMethod::Cash),
        }
    }
}
