//! The financial report of a period.

mod cell;
mod figures;
mod range;
mod sheet;

pub use figures::Figures;
pub use range::ReportRange;
pub use sheet::{Report, sheet};
