//! What the assistant may know about a restaurant.

use std::collections::HashMap;

use crate::facts::AiKnowledge;
use crate::id::{FaqId, MenuItemId};
use crate::schema::{ExtendedDetails, Faq, MenuItem, Restaurant, RestaurantKnowledge};

/// What the assistant may know, put together per dish. Secrets and accounts of the restaurant are not in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Knowledge {
    /// The restaurant in the words guests may hear.
    pub restaurant: KnownRestaurant,
    /// Every dish, available or not, in the order of the menu.
    pub dishes: Vec<KnownDish>,
    /// What the owner told about the house.
    pub house: Option<RestaurantKnowledge>,
    /// What was learnt from the chef, newest first.
    pub faqs: Vec<KnownFaq>,
}

/// The part of a restaurant the assistant may talk about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRestaurant {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Opening hours, free text.
    pub hours: Option<String>,
    /// Street address.
    pub address: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// US state code.
    pub state: Option<String>,
}

/// A dish and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownDish {
    /// The dish.
    pub item: MenuItem,
    /// Its extended details.
    pub details: Option<ExtendedDetails>,
}

/// A question with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFaq {
    /// The entry.
    pub id: FaqId,
    /// The question.
    pub question: String,
    /// The answer.
    pub answer: String,
    /// Search words.
    pub keywords: Option<Vec<String>>,
}

impl From<Restaurant> for KnownRestaurant {
    fn from(restaurant: Restaurant) -> Self {
        Self {
            name: restaurant.name,
            description: restaurant.description,
            hours: restaurant.hours,
            address: restaurant.address,
            city: restaurant.city,
            phone: restaurant.phone,
            state: restaurant.state,
        }
    }
}

impl From<Faq> for KnownFaq {
    fn from(faq: Faq) -> Self {
        Self { id: faq.id, question: faq.question, answer: faq.answer, keywords: faq.keywords }
    }
}

/// Puts together what was read in one moment.
#[must_use]
pub fn view(facts: AiKnowledge) -> Knowledge {
    let mut details: HashMap<MenuItemId, ExtendedDetails> =
        facts.details.into_iter().map(|details| (details.menu_item_id.clone(), details)).collect();
    let dishes =
        facts.items.into_iter().map(|item| KnownDish { details: details.remove(&item.id), item }).collect();
    Knowledge {
        restaurant: facts.restaurant.into(),
        dishes,
        house: facts.knowledge,
        faqs: facts.faqs.into_iter().map(KnownFaq::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::row;

    #[test]
    fn details_stand_with_their_dish_and_faqs_are_reduced() {
        let details = |id: &str, item: &str| ExtendedDetails {
            menu_item_id: item.into(),
            ..row::<ExtendedDetails>(id)
        };
        let unavailable = MenuItem { available: false, ..row("m3") };
        let faq = Faq { question: "Q".to_owned(), answer: "A".to_owned(), usage_count: 3, ..row("f") };
        let knowledge = view(AiKnowledge {
            restaurant: Restaurant {
                name: "R".to_owned(),
                state: Some("CA".to_owned()),
                telr_api_key: Some(crate::Secret::new("key")),
                ..row("r")
            },
            items: vec![row("m1"), row("m2"), unavailable],
            details: vec![details("d2", "m3"), details("d1", "m1")],
            knowledge: Some(row("k")),
            faqs: vec![faq],
        });
        let found: Vec<(&str, Option<&str>)> = knowledge
            .dishes
            .iter()
            .map(|dish| (dish.item.id.as_str(), dish.details.as_ref().map(|details| details.id.as_str())))
            .collect();
        assert_eq!(found, [("m1", Some("d1")), ("m2", None), ("m3", Some("d2"))]);
        assert_eq!(
            (knowledge.restaurant.name.as_str(), knowledge.restaurant.state.as_deref()),
            ("R", Some("CA"))
        );
        assert_eq!(knowledge.house, Some(row("k")));
        let want =
            KnownFaq { id: "f".into(), question: "Q".to_owned(), answer: "A".to_owned(), keywords: None };
        assert_eq!(knowledge.faqs, [want]);
    }
}
