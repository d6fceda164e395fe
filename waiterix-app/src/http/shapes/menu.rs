//! Dishes and what comes with them.

use serde::Serialize;
use utoipa::ToSchema;
use waiterix_domain::menu_csv;
use waiterix_domain::schema;

use super::time;

/// A dish.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MenuItem {
    id: String,
    restaurant_id: String,
    name: String,
    description: String,
    /// Decimal with two places.
    price: String,
    category: String,
    image_url: Option<String>,
    spice_level: Option<String>,
    is_vegan: bool,
    is_vegetarian: bool,
    is_halal: bool,
    is_kosher: bool,
    allergens: Option<Vec<String>>,
    available: bool,
    created_at: String,
}

impl From<schema::MenuItem> for MenuItem {
    fn from(item: schema::MenuItem) -> Self {
        Self {
            id: item.id.into_string(),
            restaurant_id: item.restaurant_id.into_string(),
            name: item.name,
            description: item.description,
            price: item.price.to_string(),
            category: item.category,
            image_url: item.image_url,
            spice_level: item.spice_level,
            is_vegan: item.is_vegan,
            is_vegetarian: item.is_vegetarian,
            is_halal: item.is_halal,
            is_kosher: item.is_kosher,
            allergens: item.allergens,
            available: item.available,
            created_at: time(item.created_at),
        }
    }
}

/// What the assistant knows about a dish.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtendedDetails {
    id: String,
    menu_item_id: String,
    preparation_method: Option<String>,
    ingredient_sources: Option<String>,
    pairing_suggestions: Option<String>,
    chef_notes: Option<String>,
    cooking_time: Option<String>,
    special_techniques: Option<String>,
    created_at: String,
    updated_at: String,
}

impl From<schema::ExtendedDetails> for ExtendedDetails {
    fn from(details: schema::ExtendedDetails) -> Self {
        Self {
            id: details.id.into_string(),
            menu_item_id: details.menu_item_id.into_string(),
            preparation_method: details.preparation_method,
            ingredient_sources: details.ingredient_sources,
            pairing_suggestions: details.pairing_suggestions,
            chef_notes: details.chef_notes,
            cooking_time: details.cooking_time,
            special_techniques: details.special_techniques,
            created_at: time(details.created_at),
            updated_at: time(details.updated_at),
        }
    }
}

/// The dish that extended details are about.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DescribedItem {
    id: String,
    name: String,
    description: String,
}

/// Extended details with their dish.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemDetails {
    success: bool,
    data: Option<ExtendedDetails>,
    menu_item: DescribedItem,
}

impl ItemDetails {
    /// What is known about a dish.
    #[must_use]
    pub fn new(item: schema::MenuItem, details: Option<schema::ExtendedDetails>) -> Self {
        let menu_item =
            DescribedItem { id: item.id.into_string(), name: item.name, description: item.description };
        Self { success: true, data: details.map(ExtendedDetails::from), menu_item }
    }
}

/// Extended details as they were written.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WrittenDetails {
    success: bool,
    data: ExtendedDetails,
}

impl From<schema::ExtendedDetails> for WrittenDetails {
    fn from(details: schema::ExtendedDetails) -> Self {
        Self { success: true, data: details.into() }
    }
}

/// A dish as a CSV file describes it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewItem {
    name: String,
    description: String,
    price: String,
    category: String,
    is_vegan: bool,
    is_vegetarian: bool,
    is_halal: bool,
    is_kosher: bool,
    spice_level: Option<String>,
    allergens: Vec<String>,
    available: bool,
    image_url: Option<String>,
}

impl From<menu_csv::PreviewItem> for PreviewItem {
    fn from(item: menu_csv::PreviewItem) -> Self {
        Self {
            name: item.name,
            description: item.description,
            price: item.price.to_string(),
            category: item.category,
            is_vegan: item.is_vegan,
            is_vegetarian: item.is_vegetarian,
            is_halal: item.is_halal,
            is_kosher: item.is_kosher,
            spice_level: item.spice_level,
            allergens: item.allergens,
            available: item.available,
            image_url: item.image_url,
        }
    }
}

/// What a CSV file would bring.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    items: Vec<PreviewItem>,
    /// One sentence for each row that is not fine.
    errors: Vec<String>,
    total_rows: usize,
    valid_rows: usize,
}

impl From<menu_csv::Preview> for Preview {
    fn from(preview: menu_csv::Preview) -> Self {
        Self {
            total_rows: preview.total_rows,
            valid_rows: preview.items.len(),
            items: preview.items.into_iter().map(PreviewItem::from).collect(),
            errors: preview.errors,
        }
    }
}

/// Why a CSV file cannot be read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CsvErrors {
    /// `CSV parsing error`.
    pub message: &'static str,
    /// One sentence for each place.
    pub errors: Vec<String>,
}

/// What an import brought.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Imported {
    /// Always true, also when nothing was created.
    pub success: bool,
    /// How many dishes were created.
    pub count: usize,
    /// They.
    pub items: Vec<MenuItem>,
    /// One sentence for each item that was skipped; absent when there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}
