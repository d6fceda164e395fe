//! Dishes and what the assistant knows about them.

use crate::facts::MenuItemAccess;
use crate::picture::Gallery;
use crate::schema::{ExtendedDetails, MenuItem, Restaurant, Table};
use crate::text::{Faults, fault_of};
use crate::{Amount, Decision, Env, FieldError, Rejection, Timestamp};

/// The longest name and category in characters.
pub const MAX_NAME_CHARS: usize = 200;
/// The most allergens of a dish.
pub const MAX_ALLERGENS: usize = 50;
/// The longest text of the extended details in characters.
const MAX_DETAIL_CHARS: usize = 5_000;

const INVALID_ITEM: &str = "Invalid menu item data";

/// A new dish as it was sent. What is not there becomes null, false, or for `available` true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewItem {
    /// 1 to 200 characters after trimming; stored trimmed.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// A decimal number from 0 to 99 999 999.99 as text; further decimals are rounded half away from zero.
    pub price: String,
    /// 1 to 200 characters after trimming; stored trimmed.
    pub category: String,
    /// Picture, see [`crate::picture`].
    pub image_url: Option<String>,
    /// `"0"` to `"5"`.
    pub spice_level: Option<String>,
    /// Without animal products.
    pub is_vegan: bool,
    /// Without meat and fish.
    pub is_vegetarian: bool,
    /// Halal.
    pub is_halal: bool,
    /// Kosher.
    pub is_kosher: bool,
    /// At most 50, in the owner's order.
    pub allergens: Option<Vec<String>>,
    /// Whether guests may order it.
    pub available: bool,
}

impl Default for NewItem {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            price: String::new(),
            category: String::new(),
            image_url: None,
            spice_level: None,
            is_vegan: false,
            is_vegetarian: false,
            is_halal: false,
            is_kosher: false,
            allergens: None,
            available: true,
        }
    }
}

/// Why a text is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PriceFault {
    NotANumber,
    Negative,
}

/// Reads a price.
pub(crate) fn price(text: &str) -> Result<Amount, PriceFault> {
    let text = text.trim();
    match Amount::parse(text) {
        // A tiny negative number rounds to zero and is still negative.
        Ok(_) if text.starts_with('-') && text.bytes().any(|b| matches!(b, b'1'..=b'9')) => {
            Err(PriceFault::Negative)
        }
        Ok(amount) => Ok(amount),
        Err(_) => Err(PriceFault::NotANumber),
    }
}

/// Whether a text is a spice level from `0` to `5`.
pub(crate) fn is_spice_level(text: &str) -> bool {
    matches!(text.as_bytes(), [b'0'..=b'5'])
}

fn check_trimmed(faults: &mut Faults, field: &str, text: &str) {
    faults.text(field, text.trim(), 1..=MAX_NAME_CHARS);
}

fn check_price(faults: &mut Faults, text: &str) -> Amount {
    price(text).unwrap_or_else(|fault| {
        faults.add(
            "price",
            match fault {
                PriceFault::Negative => "must not be negative".to_owned(),
                PriceFault::NotANumber => format!("must be a decimal number from 0 to {}", Amount::MAX),
            },
        );
        Amount::ZERO
    })
}

fn check_spice_level(faults: &mut Faults, level: Option<&str>) {
    if level.is_some_and(|level| !is_spice_level(level)) {
        faults.add("spiceLevel", "must be 0 to 5");
    }
}

fn check_allergens(faults: &mut Faults, allergens: &[String]) {
    if allergens.len() > MAX_ALLERGENS {
        faults.add("allergens", format!("must have at most {MAX_ALLERGENS} entries"));
    }
    for (place, allergen) in allergens.iter().enumerate() {
        if let Some(fault) = fault_of(allergen, 0..=MAX_NAME_CHARS) {
            faults.push(FieldError::at(["allergens", &place.to_string()], fault));
        }
    }
}

impl NewItem {
    /// Makes the row, all but its picture; the first of several faults is also the reason an import gives.
    pub(crate) fn row(&self, restaurant: &Restaurant, env: &mut Env<'_>) -> Result<MenuItem, Faults> {
        let mut faults = Faults::default();
        check_trimmed(&mut faults, "name", &self.name);
        faults.free_text("description", Some(&self.description));
        let price = check_price(&mut faults, &self.price);
        check_trimmed(&mut faults, "category", &self.category);
        check_spice_level(&mut faults, self.spice_level.as_deref());
        check_allergens(&mut faults, self.allergens.as_deref().unwrap_or_default());
        if faults.first().is_some() {
            return Err(faults);
        }
        Ok(MenuItem {
            id: env.id(),
            restaurant_id: restaurant.id.clone(),
            name: self.name.trim().to_owned(),
            description: self.description.clone(),
            price,
            category: self.category.trim().to_owned(),
            image_url: None,
            spice_level: self.spice_level.clone(),
            is_vegan: self.is_vegan,
            is_vegetarian: self.is_vegetarian,
            is_halal: self.is_halal,
            is_kosher: self.is_kosher,
            allergens: self.allergens.clone(),
            available: self.available,
            created_at: env.now,
        })
    }
}

/// Adds a dish (D33).
///
/// # Errors
/// `Invalid` with every field that breaks a rule, or for the picture.
pub fn add(
    restaurant: &Restaurant,
    mut gallery: Gallery<'_>,
    new: &NewItem,
    env: &mut Env<'_>,
) -> Result<Decision<MenuItem>, Rejection> {
    let mut item = match new.row(restaurant, env) {
        Ok(item) => item,
        Err(faults) => {
            faults.refuse(INVALID_ITEM)?;
            return Err(Rejection::invalid(INVALID_ITEM));
        }
    };
    item.image_url = gallery.replace(None, new.image_url.as_deref())?;
    let (changes, effects) = gallery.finish(env.changes().insert(item.clone()), env.now);
    Ok(Decision { changes, reply: item, effects })
}

/// What an owner may change of a dish. The outer `None` leaves a field as it is, the inner one makes it null.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemPatch {
    /// As in [`NewItem`].
    pub name: Option<String>,
    /// As in [`NewItem`].
    pub description: Option<String>,
    /// As in [`NewItem`].
    pub price: Option<String>,
    /// As in [`NewItem`].
    pub category: Option<String>,
    /// As in [`NewItem`].
    pub image_url: Option<Option<String>>,
    /// As in [`NewItem`].
    pub spice_level: Option<Option<String>>,
    /// As in [`NewItem`].
    pub is_vegan: Option<bool>,
    /// As in [`NewItem`].
    pub is_vegetarian: Option<bool>,
    /// As in [`NewItem`].
    pub is_halal: Option<bool>,
    /// As in [`NewItem`].
    pub is_kosher: Option<bool>,
    /// As in [`NewItem`].
    pub allergens: Option<Vec<String>>,
    /// As in [`NewItem`].
    pub available: Option<bool>,
}

impl ItemPatch {
    /// The row with the changes, all but its picture.
    fn applied_to(&self, item: &MenuItem) -> Result<MenuItem, Rejection> {
        let mut faults = Faults::default();
        let mut after = item.clone();
        if let Some(name) = &self.name {
            check_trimmed(&mut faults, "name", name);
            after.name = name.trim().to_owned();
        }
        if let Some(description) = &self.description {
            faults.free_text("description", Some(description));
            after.description.clone_from(description);
        }
        if let Some(price) = &self.price {
            after.price = check_price(&mut faults, price);
        }
        if let Some(category) = &self.category {
            check_trimmed(&mut faults, "category", category);
            after.category = category.trim().to_owned();
        }
        // Old rows hold free text here, and the client sends whole forms back.
        if let Some(level) = self.spice_level.as_ref().filter(|level| **level != item.spice_level) {
            check_spice_level(&mut faults, level.as_deref());
            after.spice_level.clone_from(level);
        }
        if let Some(allergens) = &self.allergens {
            check_allergens(&mut faults, allergens);
            after.allergens = Some(allergens.clone());
        }
        for (flag, wanted) in [
            (&mut after.is_vegan, self.is_vegan),
            (&mut after.is_vegetarian, self.is_vegetarian),
            (&mut after.is_halal, self.is_halal),
            (&mut after.is_kosher, self.is_kosher),
            (&mut after.available, self.available),
        ] {
            *flag = wanted.unwrap_or(*flag);
        }
        faults.refuse(INVALID_ITEM)?;
        Ok(after)
    }
}

/// Changes a dish; it stays in its restaurant whatever the request says (D34).
///
/// # Errors
/// As [`add`].
pub fn change(
    item: &MenuItem,
    mut gallery: Gallery<'_>,
    patch: &ItemPatch,
    env: &mut Env<'_>,
) -> Result<Decision<MenuItem>, Rejection> {
    let mut after = patch.applied_to(item)?;
    if let Some(wanted) = &patch.image_url {
        after.image_url = gallery.replace(item.image_url.as_deref(), wanted.as_deref())?;
    }
    let (changes, effects) = gallery.finish(env.changes().update(item.clone(), after.clone()), env.now);
    Ok(Decision { changes, reply: after, effects })
}

/// Removes a dish and afterwards its picture, unless something else shows it (D38). Past orders keep name and price.
pub fn remove(item: &MenuItem, mut gallery: Gallery<'_>, env: &mut Env<'_>) -> Decision<()> {
    gallery.remove(item.image_url.as_deref());
    let (changes, effects) = gallery.finish(env.changes().delete(Table::MenuItems, &item.id), env.now);
    Decision { changes, reply: (), effects }
}

/// What the assistant shall know about a dish. The outer `None` leaves a text as it is, the inner one makes it null.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DetailsPatch {
    /// How it is made.
    pub preparation_method: Option<Option<String>>,
    /// Where the ingredients come from.
    pub ingredient_sources: Option<Option<String>>,
    /// What goes with it.
    pub pairing_suggestions: Option<Option<String>>,
    /// Notes of the chef.
    pub chef_notes: Option<Option<String>>,
    /// How long it takes.
    pub cooking_time: Option<Option<String>>,
    /// Techniques.
    pub special_techniques: Option<Option<String>>,
}

impl DetailsPatch {
    fn check(&self) -> Result<(), Rejection> {
        let mut faults = Faults::default();
        for (field, text) in [
            ("preparationMethod", &self.preparation_method),
            ("ingredientSources", &self.ingredient_sources),
            ("pairingSuggestions", &self.pairing_suggestions),
            ("chefNotes", &self.chef_notes),
            ("cookingTime", &self.cooking_time),
            ("specialTechniques", &self.special_techniques),
        ] {
            if let Some(Some(text)) = text {
                faults.text(field, text, 0..=MAX_DETAIL_CHARS);
            }
        }
        faults.refuse("Invalid extended details")
    }

    fn apply(&self, details: &mut ExtendedDetails) {
        for (field, wanted) in [
            (&mut details.preparation_method, &self.preparation_method),
            (&mut details.ingredient_sources, &self.ingredient_sources),
            (&mut details.pairing_suggestions, &self.pairing_suggestions),
            (&mut details.chef_notes, &self.chef_notes),
            (&mut details.cooking_time, &self.cooking_time),
            (&mut details.special_techniques, &self.special_techniques),
        ] {
            if let Some(wanted) = wanted {
                field.clone_from(wanted);
            }
        }
    }
}

/// Writes extended details: makes the row or changes the named texts and nothing else (D42). Two first writes at once meet
/// in the uniqueness rule, and the later one is decided again on the row of the earlier.
///
/// # Errors
/// `Invalid` with every text that is too long.
pub fn describe(
    access: &MenuItemAccess,
    patch: &DetailsPatch,
    env: &mut Env<'_>,
) -> Result<Decision<ExtendedDetails>, Rejection> {
    patch.check()?;
    let Some(before) = &access.details else {
        let mut details = blank_details(access, env);
        patch.apply(&mut details);
        return Ok(Decision::new(env.changes().insert(details.clone()), details));
    };
    let mut after = before.clone();
    patch.apply(&mut after);
    if *patch != DetailsPatch::default() {
        after.updated_at = env.now;
    }
    Ok(Decision::new(env.changes().update(before.clone(), after.clone()), after))
}

fn blank_details(access: &MenuItemAccess, env: &mut Env<'_>) -> ExtendedDetails {
    ExtendedDetails {
        id: env.id(),
        menu_item_id: access.item.id.clone(),
        preparation_method: None,
        ingredient_sources: None,
        pairing_suggestions: None,
        chef_notes: None,
        cooking_time: None,
        special_techniques: None,
        created_at: env.now,
        updated_at: env.now,
    }
}

/// The creation time of the item at a place of a list that is stored at once: each a microsecond after the one before, so
/// that the menu keeps the order of the list.
pub(crate) fn created_at(now: Timestamp, place: usize) -> Timestamp {
    i64::try_from(place)
        .ok()
        .and_then(|place| Timestamp::from_micros(now.as_micros().saturating_add(place)))
        .unwrap_or(now)
}

#[cfg(test)]
#[path = "menu_tests.rs"]
mod tests;
