//! The content of a receipt, ready to be read: every value as the text to show, independent of any markup.

use ::time::format_description::BorrowedFormatItem;
use ::time::macros::format_description;

use crate::Timestamp;
use crate::currency::Currency;
use crate::facts::OrderView;
use crate::line::one_line;
use crate::money::written;
use crate::order::{number, table_label};
use crate::schema::{OrderItem, PaymentMethod};

/// The most receipts that are sent for one order.
pub const MAX_MAILS_PER_ORDER: u64 = 5;
/// The most receipts that are sent for one order within an hour.
pub const MAX_MAILS_PER_HOUR: u64 = 3;
/// The most lines a receipt shows.
pub const MAX_LINES_SHOWN: usize = 300;
/// The most characters of one value a receipt shows.
pub const MAX_VALUE_CHARS: usize = 120;
/// The most characters of the subject.
pub const MAX_SUBJECT_CHARS: usize = 200;

const LONG_DATE: &[BorrowedFormatItem<'static>] = format_description!(
    "[month repr:long] [day padding:none], [year] at [hour repr:12 padding:none]:[minute] [period case:upper] UTC"
);

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The number people know the order by.
    pub number: String,
    /// Name of the restaurant.
    pub restaurant: String,
    /// Label of the table, if there is one.
    pub table: Option<String>,
    /// When the order was placed, e.g. `January 31, 2025 at 9:05 AM UTC`.
    pub placed: String,
    /// How it is paid, e.g. `Cash`.
    pub payment: String,
    /// The lines in order.
    pub lines: Vec<ReceiptLine>,
    /// How many further lines are not shown.
    pub lines_left_out: usize,
    /// Sum of the lines.
    pub subtotal: String,
    /// Tax.
    pub tax: String,
    /// Tip.
    pub tip: String,
    /// Total.
    pub total: String,
}

/// One line of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptLine {
    /// Name of the dish.
    pub name: String,
    /// How many.
    pub quantity: i32,
    /// Unit price times quantity.
    pub total: String,
}

impl Receipt {
    /// The receipt of an order, with the amounts in the restaurant's currency. Nothing in it comes from whoever asks for
    /// the receipt.
    #[must_use]
    pub fn of(view: &OrderView) -> Self {
        let currency = Currency::of_code(&view.restaurant.currency_code);
        let order = &view.order;
        let sum = |amount: crate::Amount| written(i128::from(amount.hundredths()), &currency);
        let current = view.table.as_ref().map(|table| table.table_number.as_str());
        Self {
            number: one_line(&number(&order.id), MAX_VALUE_CHARS),
            restaurant: one_line(&view.restaurant.name, MAX_VALUE_CHARS),
            table: table_label(order, current).map(|label| one_line(&label, MAX_VALUE_CHARS)),
            placed: long_date(order.created_at),
            payment: payment_label(&order.payment_method),
            lines: view.items.iter().take(MAX_LINES_SHOWN).map(|line| shown(line, &currency)).collect(),
            lines_left_out: view.items.len().saturating_sub(MAX_LINES_SHOWN),
            subtotal: sum(order.subtotal),
            tax: sum(order.tax),
            tip: sum(order.tip),
            total: sum(order.total),
        }
    }

    /// The subject of the mail that carries it.
    #[must_use]
    pub fn subject(&self) -> String {
        one_line(&format!("Order Receipt #{} - {}", self.number, self.restaurant), MAX_SUBJECT_CHARS)
    }
}

fn shown(line: &OrderItem, currency: &Currency) -> ReceiptLine {
    // Old rows may hold any price and quantity; their product always fits here.
    let total = i128::from(line.price.hundredths()) * i128::from(line.quantity);
    ReceiptLine {
        name: one_line(&line.name, MAX_VALUE_CHARS),
        quantity: line.quantity,
        total: written(total, currency),
    }
}

/// An instant for people: US English long form, in UTC and saying so.
#[must_use]
pub fn long_date(at: Timestamp) -> String {
    // The description holds nothing a date lacks, so formatting cannot fail; ISO 8601 stands in for the impossible.
    at.to_utc().format(LONG_DATE).unwrap_or_else(|_| at.to_string())
}

/// How an order is paid, for people.
fn payment_label(method: &PaymentMethod) -> String {
    match method {
        PaymentMethod::Cash => "Cash".to_owned(),
        PaymentMethod::Online => "Online".to_owned(),
        PaymentMethod::Card => "Card".to_owned(),
        PaymentMethod::Other(word) => one_line(word, MAX_VALUE_CHARS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Order, Restaurant};
    use crate::testing::{amount, line, order, restaurant, table};

    fn view() -> OrderView {
        OrderView {
            order: Order { created_at: Timestamp::from_millis(1_738_314_307_123).unwrap(), ..order() },
            restaurant: restaurant(),
            table: Some(table("t1", "5")),
            items: vec![OrderItem { quantity: 2, ..line("l1", Some("soup"), 0) }],
            has_been_rated: false,
        }
    }

    #[test]
    fn m4_the_date_is_in_utc_and_says_so() {
        for (instant, date) in [
            ("2025-01-31T09:05:07.123Z", "January 31, 2025 at 9:05 AM UTC"),
            ("2025-12-01T00:00:00Z", "December 1, 2025 at 12:00 AM UTC"),
            ("2025-06-15T12:59:59Z", "June 15, 2025 at 12:59 PM UTC"),
            ("2024-02-29T23:30:00Z", "February 29, 2024 at 11:30 PM UTC"),
        ] {
            assert_eq!(long_date(Timestamp::parse(instant).unwrap()), date);
        }
    }

    #[test]
    fn m3_amounts_are_in_the_restaurants_currency_and_lines_show_their_total() {
        let receipt = Receipt::of(&view());
        assert_eq!(
            receipt.lines[0],
            ReceiptLine { name: "Soup".into(), quantity: 2, total: "$25.00".into() }
        );
        assert_eq!(receipt.total, "$27.50");
        let mut yen = view();
        yen.restaurant.currency_code = "JPY".to_owned();
        yen.items[0].price = amount("1200.00");
        assert_eq!(Receipt::of(&yen).lines[0].total, "JPY ¥2400");
        assert_eq!(Receipt::of(&yen).total, "JPY ¥27.50");
    }

    #[test]
    fn old_rows_with_absurd_numbers_are_still_exact() {
        let mut view = view();
        view.items[0].price = amount("99999999.99");
        view.items[0].quantity = i32::MAX;
        assert_eq!(Receipt::of(&view).lines[0].total, "$214748364678525163.53");
        view.items[0].quantity = -1;
        assert_eq!(Receipt::of(&view).lines[0].total, "-$99999999.99");
    }

    #[test]
    fn m14_payment_methods_have_labels_for_people() {
        for (word, label) in
            [("cash", "Cash"), ("online", "Online"), ("card", "Card"), ("Voucher", "Voucher")]
        {
            let mut view = view();
            view.order.payment_method = word.to_owned().into();
            assert_eq!(Receipt::of(&view).payment, label);
        }
    }

    #[test]
    fn m2_the_subject_is_one_line_of_at_most_200_characters() {
        let mut view = view();
        assert_eq!(Receipt::of(&view).subject(), "Order Receipt #0B5E3A1C - Bella Vista");
        view.restaurant = Restaurant { name: "Bella\r\nBcc: a@b.c ".repeat(50), ..restaurant() };
        let subject = Receipt::of(&view).subject();
        assert!(subject.starts_with("Order Receipt #0B5E3A1C - Bella Bcc: a@b.c Bella"));
        assert!(subject.chars().count() <= 200 && !subject.chars().any(char::is_control));
    }

    #[test]
    fn m18_a_long_order_is_cut_and_says_so() {
        let mut view = view();
        view.items = (0..305).map(|place| line(&format!("l{place}"), None, place)).collect();
        let receipt = Receipt::of(&view);
        assert_eq!((receipt.lines.len(), receipt.lines_left_out), (300, 5));
    }

    #[test]
    fn the_table_falls_back_to_the_label_kept_with_the_order() {
        let mut view = view();
        view.order.table_number = Some("7".to_owned());
        assert_eq!(Receipt::of(&view).table.as_deref(), Some("5"));
        view.table = None;
        assert_eq!(Receipt::of(&view).table.as_deref(), Some("7"));
        view.order.table_number = None;
        assert_eq!(Receipt::of(&view).table, None);
    }
}
