//! Sides of a move in memory, for tests and simulations: they enforce their standing by the same pure functions as production,
//! and whatever is asked of them can be refused, done without an answer, or held up.

mod claim;
mod faults;
mod moving;
mod rows;
mod side;

pub use faults::{Dice, Fault, Faults, Wire};
pub use rows::{Columns, MemoryRows, Rows, TableRules};
pub use side::{MemorySide, Writing};
