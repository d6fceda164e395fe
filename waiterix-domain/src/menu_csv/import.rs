//! Storing previewed items: whatever is fine goes in together, the rest is named.

use crate::menu::{NewItem, created_at};
use crate::picture::Gallery;
use crate::schema::{MenuItem, Restaurant};
use crate::{Decision, Env, Rejection};

/// The most items of one import.
pub const MAX_ITEMS: usize = 2_000;
/// The most characters of a sent value that an answer repeats.
const MAX_ECHO_CHARS: usize = 100;

/// One item as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportEntry {
    /// Its name, for the answer; `None` when it has none.
    pub name: Option<String>,
    /// Its fields, or what is wrong with their types.
    pub item: Result<NewItem, String>,
}

/// What an import brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The new dishes, in the order they were sent.
    pub items: Vec<MenuItem>,
    /// What is wrong with the others, one sentence each.
    pub errors: Vec<String>,
}

/// Refuses too many items before they are looked at.
///
/// # Errors
/// `Invalid` for more than 2 000 items.
pub fn check_count(count: usize) -> Result<(), Rejection> {
    if count > MAX_ITEMS {
        return Err(Rejection::invalid(format!("At most {MAX_ITEMS} items can be imported at once")));
    }
    Ok(())
}

/// Stores every item that follows the rules of a new dish, all in one transaction (D40); the others are skipped and named.
/// Importing the same file twice adds its rows twice.
///
/// # Errors
/// `Invalid` for more than 2 000 items.
pub fn import(
    restaurant: &Restaurant,
    mut gallery: Gallery<'_>,
    entries: &[ImportEntry],
    env: &mut Env<'_>,
) -> Result<Decision<Imported>, Rejection> {
    check_count(entries.len())?;
    let mut imported = Imported { items: Vec::new(), errors: Vec::new() };
    for (place, entry) in entries.iter().enumerate() {
        match stored(restaurant, &mut gallery, entry, env) {
            Ok(item) => {
                let created_at = created_at(env.now, imported.items.len());
                imported.items.push(MenuItem { created_at, ..item });
            }
            Err(reason) => {
                let name = entry.name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or("unknown");
                imported.errors.push(format!("Item {} ({}): {reason}", place + 1, shortened(name)));
            }
        }
    }
    let changes = env.changes().insert_all(imported.items.iter().cloned());
    let (changes, effects) = gallery.finish(changes, env.now);
    Ok(Decision { changes, reply: imported, effects })
}

fn stored(
    restaurant: &Restaurant,
    gallery: &mut Gallery<'_>,
    entry: &ImportEntry,
    env: &mut Env<'_>,
) -> Result<MenuItem, String> {
    let new = entry.item.as_ref().map_err(Clone::clone)?;
    if crate::menu::price(&new.price).is_err() {
        return Err(format!("Invalid price: {}", shortened(&new.price)));
    }
    let mut item = new.row(restaurant, env).map_err(|faults| match faults.first() {
        Some(fault) => format!("{}: {}", fault.path.join("."), fault.message),
        None => "Invalid data".to_owned(),
    })?;
    item.image_url = gallery.replace(None, new.image_url.as_deref()).map_err(|refused| refused.message)?;
    Ok(item)
}

/// The start of a text, for an answer.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_ECHO_CHARS).collect()
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
