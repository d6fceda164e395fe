//! The menu as a CSV file: out, and in again.
//!
//! - [`export()`] writes the file.
//! - [`preview()`] reads one and says what an import would bring, row by row.
//! - [`import()`] stores previewed items.

pub(crate) mod cell;
mod export;
mod import;
mod preview;
mod reader;

pub use export::{export, file_name};
pub use import::{ImportEntry, Imported, MAX_ITEMS, check_count, import};
pub use preview::{CsvFault, MAX_CSV_BYTES, MAX_ROWS, Preview, PreviewItem, preview};

/// The columns, in order.
pub const COLUMNS: [&str; 12] = [
    "name",
    "description",
    "price",
    "category",
    "isVegan",
    "isVegetarian",
    "isHalal",
    "isKosher",
    "spiceLevel",
    "allergens",
    "available",
    "imageUrl",
];
