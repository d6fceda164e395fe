//! Reading a file and saying what it would bring.

use super::COLUMNS;
use super::cell::unguarded;
use super::reader::{Records, detect_delimiter, records};
use crate::menu::{MAX_ALLERGENS, MAX_NAME_CHARS, PriceFault, is_spice_level, price};
use crate::{Amount, Rejection};

/// The most data rows of a file.
pub const MAX_ROWS: usize = 2_000;
/// The largest file in bytes.
pub const MAX_CSV_BYTES: usize = 2 * 1024 * 1024;

/// A dish as the file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewItem {
    /// Name.
    pub name: String,
    /// Description; empty if there is none.
    pub description: String,
    /// Unit price.
    pub price: Amount,
    /// Category.
    pub category: String,
    /// Without animal products.
    pub is_vegan: bool,
    /// Without meat and fish.
    pub is_vegetarian: bool,
    /// Halal.
    pub is_halal: bool,
    /// Kosher.
    pub is_kosher: bool,
    /// `"0"` to `"5"`.
    pub spice_level: Option<String>,
    /// Allergens.
    pub allergens: Vec<String>,
    /// Whether guests may order it.
    pub available: bool,
    /// Picture.
    pub image_url: Option<String>,
}

/// What a file would bring.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preview {
    /// The rows that are fine.
    pub items: Vec<PreviewItem>,
    /// What is wrong with the others, one sentence each.
    pub errors: Vec<String>,
    /// How many data rows the file has.
    pub total_rows: usize,
}

/// Why a file was not read at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CsvFault {
    /// Refused with a sentence.
    Refused(Rejection),
    /// The format is broken; one sentence for each place.
    Format(Vec<String>),
}

fn too_large() -> CsvFault {
    CsvFault::Refused(Rejection::invalid("CSV file too large"))
}

/// Reads a file and checks it; nothing is stored.
///
/// # Errors
/// Refused with more than 2 MB or 2 000 rows; a format fault when a row has another number of fields than the header, the
/// quoting is broken, or the delimiter cannot be told.
pub fn preview(csv: &str) -> Result<Preview, CsvFault> {
    if csv.len() > MAX_CSV_BYTES {
        return Err(too_large());
    }
    let text = csv.strip_prefix('\u{feff}').unwrap_or(csv);
    let Some(delimiter) = detect_delimiter(text, &COLUMNS) else {
        return Err(CsvFault::Format(vec!["Unable to auto-detect delimiting character".to_owned()]));
    };
    let read = records(text, delimiter, MAX_ROWS + 1);
    if read.too_many {
        return Err(too_large());
    }
    let faults = format_faults(&read);
    if !faults.is_empty() {
        return Err(CsvFault::Format(faults));
    }
    let mut rows = read.records.iter();
    let header = rows.next().map(Vec::as_slice).unwrap_or_default();
    let mut preview = Preview { total_rows: rows.len(), ..Preview::default() };
    for (place, cells) in rows.enumerate() {
        match item(&Cells { header, cells }) {
            Ok(item) => preview.items.push(item),
            // The header is row 1.
            Err(fault) => preview.errors.push(format!("Row {}: {fault}", place + 2)),
        }
    }
    Ok(preview)
}

fn format_faults(read: &Records) -> Vec<String> {
    let mut faults: Vec<(usize, String)> =
        read.faults.iter().map(|bad| (bad.row, bad.fault.to_owned())).collect();
    let expected = read.records.first().map_or(0, Vec::len);
    for (place, record) in read.records.iter().enumerate() {
        let fault = match record.len().cmp(&expected) {
            std::cmp::Ordering::Less => "Too few fields",
            std::cmp::Ordering::Greater => "Too many fields",
            std::cmp::Ordering::Equal => continue,
        };
        faults.push((place + 1, format!("{fault}: expected {expected} fields but parsed {}", record.len())));
    }
    faults.sort_by_key(|(row, _)| *row);
    faults.into_iter().map(|(row, fault)| format!("Row {row}: {fault}")).collect()
}

/// One row with the names of its columns.
struct Cells<'a> {
    header: &'a [String],
    cells: &'a [String],
}

impl Cells<'_> {
    /// The trimmed text of a column; `None` when the file has no such column.
    fn text(&self, column: &str) -> Option<&str> {
        let place = self.header.iter().position(|name| name == column)?;
        self.cells.get(place).map(|cell| unguarded(cell.trim()))
    }

    fn filled(&self, column: &str) -> Option<&str> {
        self.text(column).filter(|text| !text.is_empty())
    }

    fn flag(&self, column: &str) -> bool {
        self.text(column).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }
}

/// Reads one row; the first fault is the answer.
fn item(row: &Cells<'_>) -> Result<PreviewItem, String> {
    if row.cells.iter().any(|cell| cell.contains('\0')) {
        return Err("Text must not contain U+0000".to_owned());
    }
    let name = row.filled("name").ok_or("Name is required")?;
    let price = price(row.text("price").unwrap_or_default()).map_err(|fault| match fault {
        PriceFault::NotANumber => "Valid price is required",
        PriceFault::Negative => "Price cannot be negative",
    })?;
    let category = row.filled("category").ok_or("Category is required")?;
    let spice_level = row.filled("spiceLevel");
    if spice_level.is_some_and(|level| !is_spice_level(level)) {
        return Err("Spice level must be 0 to 5".to_owned());
    }
    for (what, text) in [("Name", name), ("Category", category)] {
        if text.chars().count() > MAX_NAME_CHARS {
            return Err(format!("{what} must have at most {MAX_NAME_CHARS} characters"));
        }
    }
    let allergens = allergens(row.text("allergens").unwrap_or_default());
    if allergens.len() > MAX_ALLERGENS {
        return Err(format!("At most {MAX_ALLERGENS} allergens are allowed"));
    }
    Ok(PreviewItem {
        name: name.to_owned(),
        description: row.text("description").unwrap_or_default().to_owned(),
        price,
        category: category.to_owned(),
        is_vegan: row.flag("isVegan"),
        is_vegetarian: row.flag("isVegetarian"),
        is_halal: row.flag("isHalal"),
        is_kosher: row.flag("isKosher"),
        spice_level: spice_level.map(str::to_owned),
        allergens,
        available: row.filled("available").is_none_or(|text| text.eq_ignore_ascii_case("true")),
        image_url: row.filled("imageUrl").map(str::to_owned),
    })
}

fn allergens(text: &str) -> Vec<String> {
    text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
#[path = "preview_tests.rs"]
mod tests;
