//! Dishes.

use super::entity;
use crate::id::{DetailsId, MenuItemId, RestaurantId, TranslationId};
use crate::{Amount, Timestamp};

entity! {
    /// A dish.
    MenuItem in MenuItems {
        /// The dish.
        id: MenuItemId,
        /// Its restaurant.
        restaurant_id: RestaurantId => Restaurants Cascade,
        /// Name.
        name: String,
        /// Description, may be empty.
        description: String,
        /// Unit price.
        price: Amount,
        /// Free text.
        category: String,
        /// Picture reference.
        image_url: Option<String>,
        /// `"0"` to `"5"`, or old free text.
        spice_level: Option<String>,
        /// Without animal products.
        is_vegan: bool,
        /// Without meat and fish.
        is_vegetarian: bool,
        /// Halal.
        is_halal: bool,
        /// Kosher.
        is_kosher: bool,
        /// Allergens in the owner's order.
        allergens: Option<Vec<String>>,
        /// Whether guests may order it.
        available: bool,
        /// Creation.
        created_at: Timestamp,
    }
}

entity! {
    /// A translation of a dish. No use case reads or writes it; it is kept and migrated.
    MenuItemTranslation in MenuItemTranslations {
        /// The translation.
        id: TranslationId,
        /// The dish.
        menu_item_id: MenuItemId => MenuItems Cascade,
        /// Language code.
        language: String,
        /// Name.
        name: String,
        /// Description.
        description: String,
        /// Whether a machine wrote it.
        auto_translated: bool,
        /// Creation.
        created_at: Timestamp,
        /// Last change.
        updated_at: Timestamp,
    }
}

entity! {
    /// What the assistant knows about one dish.
    ExtendedDetails in ExtendedMenuDetails {
        /// The row.
        id: DetailsId,
        /// The dish; at most one row each.
        menu_item_id: MenuItemId => MenuItems Cascade,
        /// How it is made.
        preparation_method: Option<String>,
        /// Where the ingredients come from.
        ingredient_sources: Option<String>,
        /// What goes with it.
        pairing_suggestions: Option<String>,
        /// Notes of the chef.
        chef_notes: Option<String>,
        /// How long it takes, free text.
        cooking_time: Option<String>,
        /// Techniques.
        special_techniques: Option<String>,
        /// Creation.
        created_at: Timestamp,
        /// Last change.
        updated_at: Timestamp,
    }
}
