//! Real orders.
//!
//! The Upshot published 1,834 orders (4,622 lines) of a real restaurant in the public repository TheUpshot/chipotle. The
//! file is not part of this repository: it is looked for where `WAITERIX_ORDERS_TSV` says, else in
//! `../shared/data/restaurant-orders.tsv` beside the workspace. Without it a developer gets made-up orders of the same
//! shape; with `WAITERIX_REQUIRE=all` its absence is a failure.

use std::fmt;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Where the file is looked for unless a variable says otherwise, from the workspace's folder.
pub const ORDERS_FILE: &str = "../shared/data/restaurant-orders.tsv";
/// The variable that names the file.
pub const ORDERS_VARIABLE: &str = "WAITERIX_ORDERS_TSV";
/// How many orders there are, real or made up.
pub const ORDERS: usize = 1_834;
/// How many lines they have together.
pub const LINES: usize = 4_622;

const SEED: u64 = 1_834;

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    /// Lines with the same number are one order; they stand together.
    pub order: u32,
    /// How many.
    pub quantity: i64,
    /// What.
    pub item: String,
    /// How, as the guest chose it, e.g. `[Fresh Tomato Salsa, [Rice, Black Beans]]`.
    pub choice: Option<String>,
    /// Price of the whole line in cents; a multiple of the quantity.
    pub price_cents: i64,
}

/// Where orders come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The published file.
    Real(PathBuf),
    /// Made up, because the file is not there.
    Generated,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real(path) => write!(f, "the published file {}", path.display()),
            Self::Generated => {
                write!(f, "seed {SEED}, made up: {ORDERS_FILE} is not there and {ORDERS_VARIABLE} is not set")
            }
        }
    }
}

/// The orders, in the order of the file.
pub fn orders() -> (Vec<OrderLine>, Source) {
    let given = std::env::var_os(ORDERS_VARIABLE).map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(ORDERS_FILE);
    let path = given.clone().unwrap_or(beside);
    if given.is_some() || path.exists() {
        let lines = read(&path);
        assert_eq!(lines.len(), LINES, "lines of {}", path.display());
        return (lines, Source::Real(path));
    }
    let required = std::env::var_os("WAITERIX_REQUIRE").is_some_and(|what| what == "all");
    assert!(!required, "WAITERIX_REQUIRE=all, but {} is not there", path.display());
    (generated(SEED), Source::Generated)
}

fn read(path: &Path) -> Vec<OrderLine> {
    let mut reader = csv::ReaderBuilder::new().delimiter(b'\t').quoting(false).from_path(path).unwrap();
    let head = ["order_id", "quantity", "item_name", "choice_description", "item_price"];
    assert_eq!(reader.headers().unwrap(), head.as_slice(), "columns of {}", path.display());
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            let choice = Some(&record[3]).filter(|choice| *choice != "NULL");
            OrderLine {
                order: record[0].parse().unwrap(),
                quantity: record[1].parse().unwrap(),
                item: record[2].to_owned(),
                choice: choice.map(str::to_owned),
                price_cents: cents(&record[4]),
            }
        })
        .collect()
}

/// `$2.39 ` is 239.
fn cents(text: &str) -> i64 {
    let text = text.trim().strip_prefix('$').expect("a price in dollars");
    let (dollars, cents) = text.split_once('.').expect("a decimal point");
    assert_eq!(cents.len(), 2, "{text}");
    dollars.parse::<i64>().unwrap() * 100 + cents.parse::<i64>().unwrap()
}

/// Dishes of the made-up restaurant: name, lowest price in cents, whether a filling is chosen.
const DISHES: [(&str, i64, bool); 12] = [
    ("Chicken Bowl", 849, true),
    ("Chicken Burrito", 849, true),
    ("Steak Burrito", 899, true),
    ("Steak Bowl", 899, true),
    ("Veggie Bowl", 849, true),
    ("Barbacoa Tacos", 899, true),
    ("Carnitas Salad", 899, true),
    ("Chips and Guacamole", 389, false),
    ("Chips and Fresh Tomato Salsa", 229, false),
    ("Side of Chips", 169, false),
    ("Canned Soda", 109, false),
    ("Bottled Water", 150, false),
];
const SALSAS: [&str; 4] = [
    "Fresh Tomato Salsa",
    "Roasted Chili Corn Salsa",
    "Tomatillo Red Chili Salsa",
    "Tomatillo-Green Chili Salsa",
];
const FILLINGS: [&str; 6] = ["Rice", "Black Beans", "Pinto Beans", "Cheese", "Sour Cream", "Guacamole"];

/// Orders of the same number, size and shape as the real ones.
fn generated(seed: u64) -> Vec<OrderLine> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut lines_of = vec![1_usize; ORDERS];
    for _ in ORDERS..LINES {
        lines_of[random.random_range(0..ORDERS)] += 1;
    }
    let numbered = (1..).zip(lines_of);
    numbered
        .flat_map(|(order, lines)| (0..lines).map(move |_| order))
        .map(|order| generated_line(order, &mut random))
        .collect()
}

fn generated_line(order: u32, random: &mut StdRng) -> OrderLine {
    let (item, lowest_cents, filled) = DISHES[random.random_range(0..DISHES.len())];
    // Nearly all real lines are single; a few are not.
    let quantity = if random.random_ratio(1, 17) { random.random_range(2..=15) } else { 1 };
    let choice = filled.then(|| {
        let salsa = SALSAS[random.random_range(0..SALSAS.len())];
        let fillings: Vec<&str> = FILLINGS.into_iter().filter(|_| random.random_bool(0.5)).collect();
        format!("[{salsa}, [{}]]", fillings.join(", "))
    });
    let extra_cents =
        if choice.as_ref().is_some_and(|choice| choice.contains("Guacamole")) { 200 } else { 0 };
    OrderLine {
        order,
        quantity,
        item: item.to_owned(),
        choice,
        price_cents: (lowest_cents + extra_cents) * quantity,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_orders_have_the_shape_of_the_real_ones_and_do_not_change() {
        let lines = generated(SEED);
        assert_eq!(lines, generated(SEED));
        assert_ne!(lines, generated(SEED + 1));
        assert_eq!(lines.len(), LINES);
        let mut orders: Vec<u32> = lines.iter().map(|line| line.order).collect();
        orders.dedup();
        assert_eq!(orders, (1..=u32::try_from(ORDERS).unwrap()).collect::<Vec<_>>());
        assert!(lines.iter().all(|line| line.quantity > 0 && line.price_cents % line.quantity == 0));
    }

    #[test]
    fn prices_are_read_to_the_cent() {
        assert_eq!(cents("$2.39 "), 239);
        assert_eq!(cents("$10.08"), 1_008);
    }

    #[test]
    fn every_line_of_the_published_file_is_read() {
        let (lines, source) = orders();
        println!("orders from {source}");
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines.iter().map(|line| line.order).max(), Some(1_834));
        if let Source::Real(_) = source {
            assert_eq!(lines.iter().map(|line| line.price_cents).sum::<i64>(), 3_450_016);
            assert_eq!(lines.iter().map(|line| line.quantity).sum::<i64>(), 4_972);
        }
    }
}
