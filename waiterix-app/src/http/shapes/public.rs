//! What anybody may see of a restaurant.

use serde::Serialize;
use utoipa::ToSchema;
use waiterix_domain::knowledge::{Knowledge, KnownDish, KnownFaq, KnownRestaurant};
use waiterix_domain::schema;

use super::menu::{ExtendedDetails, MenuItem};
use super::time;

/// What stands for a Paystack account: the client only looks whether there is one.
const CONNECTED: &str = "connected";

/// A restaurant as guests see it: without owner, secrets, accounts and subscription.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublicRestaurant {
    id: String,
    name: String,
    description: Option<String>,
    address: Option<String>,
    city: Option<String>,
    state: Option<String>,
    country: Option<String>,
    phone: Option<String>,
    hours: Option<String>,
    cover_image_url: Option<String>,
    default_language: String,
    currency_code: String,
    ai_waiter_enabled: bool,
    stripe_onboarding_complete: bool,
    paystack_onboarding_complete: bool,
    /// A fixed word when there is an account, else null.
    paystack_subaccount_code: Option<&'static str>,
}

impl PublicRestaurant {
    /// The public view; the assistant is offered only where it is there at all.
    #[must_use]
    pub fn new(restaurant: schema::Restaurant, ai_waiter_available: bool) -> Self {
        let connected = restaurant.paystack_subaccount_code.is_some_and(|code| !code.is_empty());
        Self {
            id: restaurant.id.into_string(),
            name: restaurant.name,
            description: restaurant.description,
            address: restaurant.address,
            city: restaurant.city,
            state: restaurant.state,
            country: restaurant.country,
            phone: restaurant.phone,
            hours: restaurant.hours,
            cover_image_url: restaurant.cover_image_url,
            default_language: restaurant.default_language,
            currency_code: restaurant.currency_code,
            ai_waiter_enabled: restaurant.ai_waiter_enabled && ai_waiter_available,
            stripe_onboarding_complete: restaurant.stripe_onboarding_complete,
            paystack_onboarding_complete: restaurant.paystack_onboarding_complete,
            paystack_subaccount_code: connected.then_some(CONNECTED),
        }
    }
}

/// What the assistant may know.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AiKnowledge {
    restaurant: AiRestaurant,
    menu_items: Vec<AiDish>,
    restaurant_knowledge: Option<RestaurantKnowledge>,
    faq_knowledge: Vec<AiFaq>,
}

/// The restaurant in the words guests may hear.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AiRestaurant {
    name: String,
    description: Option<String>,
    hours: Option<String>,
    address: Option<String>,
    city: Option<String>,
    phone: Option<String>,
    state: Option<String>,
}

/// A dish with its extended details.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AiDish {
    #[serde(flatten)]
    item: MenuItem,
    extended_details: Option<ExtendedDetails>,
}

/// What is known about the house.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestaurantKnowledge {
    id: String,
    restaurant_id: String,
    story: Option<String>,
    philosophy: Option<String>,
    sourcing_practices: Option<String>,
    special_techniques: Option<String>,
    awards: Option<String>,
    sustainability_practices: Option<String>,
    created_at: String,
    updated_at: String,
}

/// A learnt question and answer, reduced.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AiFaq {
    id: String,
    question: String,
    answer: String,
    keywords: Option<Vec<String>>,
}

impl From<Knowledge> for AiKnowledge {
    fn from(knowledge: Knowledge) -> Self {
        Self {
            restaurant: knowledge.restaurant.into(),
            menu_items: knowledge.dishes.into_iter().map(AiDish::from).collect(),
            restaurant_knowledge: knowledge.house.map(RestaurantKnowledge::from),
            faq_knowledge: knowledge.faqs.into_iter().map(AiFaq::from).collect(),
        }
    }
}

impl From<KnownRestaurant> for AiRestaurant {
    fn from(known: KnownRestaurant) -> Self {
        Self {
            name: known.name,
            description: known.description,
            hours: known.hours,
            address: known.address,
            city: known.city,
            phone: known.phone,
            state: known.state,
        }
    }
}

impl From<KnownDish> for AiDish {
    fn from(dish: KnownDish) -> Self {
        Self { item: dish.item.into(), extended_details: dish.details.map(ExtendedDetails::from) }
    }
}

impl From<schema::RestaurantKnowledge> for RestaurantKnowledge {
    fn from(known: schema::RestaurantKnowledge) -> Self {
        Self {
            id: known.id.into_string(),
            restaurant_id: known.restaurant_id.into_string(),
            story: known.story,
            philosophy: known.philosophy,
            sourcing_practices: known.sourcing_practices,
            special_techniques: known.special_techniques,
            awards: known.awards,
            sustainability_practices: known.sustainability_practices,
            created_at: time(known.created_at),
            updated_at: time(known.updated_at),
        }
    }
}

impl From<KnownFaq> for AiFaq {
    fn from(faq: KnownFaq) -> Self {
        Self { id: faq.id.into_string(), question: faq.question, answer: faq.answer, keywords: faq.keywords }
    }
}

/// What the assistant may know about the demo restaurant: fewer members than for a real one.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DemoKnowledge {
    restaurant: DemoRestaurant,
    menu_items: Vec<MenuItem>,
    /// Always null.
    restaurant_knowledge: Option<RestaurantKnowledge>,
    /// Always empty.
    faq_knowledge: Vec<AiFaq>,
}

/// The demo restaurant, without city and state.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DemoRestaurant {
    name: String,
    description: Option<String>,
    hours: Option<String>,
    address: Option<String>,
    phone: Option<String>,
}

impl DemoKnowledge {
    /// What is known of the demo restaurant and its menu.
    #[must_use]
    pub fn new(restaurant: schema::Restaurant, menu: Vec<schema::MenuItem>) -> Self {
        Self {
            restaurant: DemoRestaurant {
                name: restaurant.name,
                description: restaurant.description,
                hours: restaurant.hours,
                address: restaurant.address,
                phone: restaurant.phone,
            },
            menu_items: menu.into_iter().map(MenuItem::from).collect(),
            restaurant_knowledge: None,
            faq_knowledge: Vec::new(),
        }
    }
}
