//! Ratings: one per dish of an order and one for the service, once the order is completed.

use serde_json::{Map, Value};

use crate::facts::RatingFacts;
use crate::id::{MenuItemId, RestaurantId};
use crate::order::note::BodyFaults;
use crate::schema::{OrderStatus, Rating};
use crate::{Decision, Env, Rejection};

/// The longest comment in characters.
pub const MAX_COMMENT_CHARS: usize = 2_000;
/// The numbers a guest may give.
const NUMBERS: std::ops::RangeInclusive<i64> = 1..=5;

/// What the service is rated by, under the names of the API.
pub const SERVICE_ASPECTS: [&str; 4] = ["foodQuality", "serviceSpeed", "cleanliness", "staffFriendliness"];

/// A rating as the guest sent it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RateOrder {
    /// The restaurant the guest believes the order belongs to.
    pub restaurant: String,
    /// The rated dish; nothing for the service, and for a dish that is no longer on the menu.
    pub item: Option<MenuItemId>,
    /// 1 to 5 for the dish.
    pub item_rating: Option<i64>,
    /// 1 to 5 for each of [`SERVICE_ASPECTS`], in that order.
    pub service: [Option<i64>; 4],
    /// Free text.
    pub comment: Option<String>,
}

/// Rates a completed order.
///
/// Whether a dish or the service has been rated already is looked up here and guaranteed by the uniqueness rules
/// [`RatingOfItem`](crate::UniqueRule::RatingOfItem) and [`RatingOfService`](crate::UniqueRule::RatingOfService): when two
/// ratings meet, the later one is decided again on facts that hold the first. Ratings of dishes that have left the menu
/// cannot be told apart; an order takes at most as many of them as it has lines.
///
/// # Errors
/// `Invalid`: first what is wrong with the request, then an order that is not completed, then a repeated rating.
pub fn rate(
    facts: &RatingFacts,
    command: &RateOrder,
    env: &mut Env<'_>,
) -> Result<Decision<Rating>, Rejection> {
    check(facts, command)?;
    if facts.order.status != OrderStatus::Completed {
        return Err(Rejection::invalid("Order is not completed yet"));
    }
    let service = service_of(command);
    refuse_repetition(facts, command, service.is_some())?;
    let rating = Rating {
        id: env.id(),
        order_id: facts.order.id.clone(),
        restaurant_id: facts.order.restaurant_id.clone(),
        menu_item_id: command.item.clone(),
        item_rating: command.item_rating.and_then(|number| i32::try_from(number).ok()),
        service_ratings: service,
        comment: command.comment.clone().filter(|comment| !comment.is_empty()),
        created_at: env.now,
    };
    Ok(Decision::new(env.changes().insert(rating.clone()), rating))
}

fn check(facts: &RatingFacts, command: &RateOrder) -> Result<(), Rejection> {
    let mut faults = BodyFaults::default();
    if RestaurantId::from(command.restaurant.as_str()) != facts.order.restaurant_id {
        faults.add(&["restaurantId"], "is not the restaurant of the order");
    }
    if let Some(item) = &command.item
        && !facts.items.iter().any(|line| line.menu_item_id.as_ref() == Some(item))
    {
        faults.add(&["menuItemId"], "is not in the order");
    }
    let outside = |number: &Option<i64>| number.is_some_and(|number| !NUMBERS.contains(&number));
    if outside(&command.item_rating) {
        faults.add(&["itemRating"], "must be a whole number from 1 to 5");
    }
    for (aspect, number) in SERVICE_ASPECTS.iter().zip(&command.service) {
        if outside(number) {
            faults.add(&["serviceRatings", aspect], "must be a whole number from 1 to 5");
        }
    }
    faults.text(&["comment"], command.comment.as_deref(), MAX_COMMENT_CHARS);
    if command.item_rating.is_none() && command.service.iter().all(Option::is_none) {
        faults.add(&["itemRating"], "nothing is rated");
    }
    faults.refuse("Invalid rating")
}

/// The numbers given for the service as they are stored; nothing when there are none.
fn service_of(command: &RateOrder) -> Option<Value> {
    let given = SERVICE_ASPECTS.iter().zip(command.service);
    let members: Map<String, Value> =
        given.filter_map(|(aspect, number)| Some(((*aspect).to_owned(), number?.into()))).collect();
    (!members.is_empty()).then_some(Value::Object(members))
}

fn refuse_repetition(facts: &RatingFacts, command: &RateOrder, with_service: bool) -> Result<(), Rejection> {
    let rated = match &command.item {
        Some(item) => facts.ratings.iter().any(|rating| rating.menu_item_id.as_ref() == Some(item)),
        None => {
            let nameless = |rating: &&Rating| rating.menu_item_id.is_none() && rating.item_rating.is_some();
            command.item_rating.is_some()
                && facts.ratings.iter().filter(nameless).count() >= facts.items.len()
        }
    };
    if rated {
        return Err(Rejection::invalid("This item has already been rated"));
    }
    if with_service && facts.ratings.iter().any(|rating| rating.service_ratings.is_some()) {
        return Err(Rejection::invalid("Service has already been rated"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Change;
    use crate::schema::Order;
    use crate::testing::{env, line, order};

    fn facts() -> RatingFacts {
        RatingFacts {
            order: Order { status: OrderStatus::Completed, ..order() },
            items: vec![line("l1", Some("soup"), 0), line("l2", None, 1)],
            ratings: Vec::new(),
        }
    }

    fn of_item(item: Option<&str>, number: i64) -> RateOrder {
        RateOrder {
            restaurant: "r1".to_owned(),
            item: item.map(Into::into),
            item_rating: Some(number),
            ..RateOrder::default()
        }
    }

    fn of_service(numbers: [Option<i64>; 4]) -> RateOrder {
        RateOrder { restaurant: "r1".to_owned(), service: numbers, ..RateOrder::default() }
    }

    const GOOD: [Option<i64>; 4] = [Some(5), Some(4), Some(3), Some(1)];

    fn rated(facts: &RatingFacts, command: &RateOrder) -> Result<Rating, Rejection> {
        rate(facts, command, &mut env(5).env()).map(|decision| decision.reply)
    }

    fn faulty_fields(command: &RateOrder) -> Vec<String> {
        let rejection = rated(&facts(), command).unwrap_err();
        assert_eq!(rejection.message, "Invalid rating");
        rejection.errors.iter().map(|error| error.path.join(".")).collect()
    }

    #[test]
    fn a_rating_is_stored_under_the_order_with_empty_texts_as_null() {
        let command = RateOrder { comment: Some(String::new()), ..of_item(Some("soup"), 4) };
        let decision = rate(&facts(), &command, &mut env(5).env()).unwrap();
        let rating = decision.reply.clone();
        assert_eq!((rating.order_id.clone(), rating.restaurant_id.as_str()), (order().id, "r1"));
        assert_eq!((rating.item_rating, &rating.service_ratings, &rating.comment), (Some(4), &None, &None));
        assert_eq!(decision.changes.changes(), [Change::Insert(rating.into())]);
        let service = rated(&facts(), &of_service(GOOD)).unwrap().service_ratings.unwrap();
        let want = serde_json::json!({
            "foodQuality": 5, "serviceSpeed": 4, "cleanliness": 3, "staffFriendliness": 1
        });
        assert_eq!(service, want);
        let partial = rated(&facts(), &of_service([None, Some(2), None, None])).unwrap();
        assert_eq!(partial.service_ratings, Some(serde_json::json!({ "serviceSpeed": 2 })));
    }

    #[test]
    fn d61_numbers_outside_1_to_5_are_refused() {
        for number in [0, 6, 99, -1, i64::MAX] {
            assert_eq!(faulty_fields(&of_item(Some("soup"), number)), ["itemRating"]);
            let service = of_service([Some(5), None, Some(number), None]);
            assert_eq!(faulty_fields(&service), ["serviceRatings.cleanliness"]);
        }
    }

    #[test]
    fn d61_order_restaurant_and_dish_must_belong_together() {
        let foreign = RateOrder { restaurant: "r2".to_owned(), ..of_item(Some("soup"), 4) };
        assert_eq!(faulty_fields(&foreign), ["restaurantId"]);
        assert_eq!(faulty_fields(&of_item(Some("tea"), 4)), ["menuItemId"]);
    }

    #[test]
    fn d61_a_rating_without_any_number_is_refused() {
        let command = RateOrder { comment: Some("nice".to_owned()), ..of_service([None; 4]) };
        assert_eq!(faulty_fields(&command), ["itemRating"]);
        let long = RateOrder { comment: Some("x".repeat(2_001)), ..of_service(GOOD) };
        assert_eq!(faulty_fields(&long), ["comment"]);
    }

    #[test]
    fn d61_only_a_completed_order_can_be_rated() {
        for status in OrderStatus::KNOWN.iter().filter(|status| **status != OrderStatus::Completed) {
            let mut facts = facts();
            facts.order.status = status.clone();
            let refusal = rated(&facts, &of_service(GOOD)).unwrap_err();
            assert_eq!(refusal, Rejection::invalid("Order is not completed yet"), "{status}");
        }
    }

    #[test]
    fn s12_a_dish_and_the_service_are_rated_once_each_in_any_order() {
        let mut facts = facts();
        facts.ratings.push(rated(&facts, &of_item(Some("soup"), 4)).unwrap());
        facts.ratings.push(rated(&facts, &of_service(GOOD)).unwrap());
        let item = rated(&facts, &of_item(Some("soup"), 4)).unwrap_err();
        assert_eq!(item, Rejection::invalid("This item has already been rated"));
        let service = rated(&facts, &of_service(GOOD)).unwrap_err();
        assert_eq!(service, Rejection::invalid("Service has already been rated"));
        let both = RateOrder { service: GOOD, ..of_item(Some("soup"), 4) };
        facts.ratings.remove(0);
        assert_eq!(rated(&facts, &both).unwrap_err(), Rejection::invalid("Service has already been rated"));
    }

    #[test]
    fn dishes_that_left_the_menu_are_rated_at_most_once_per_line() {
        let mut facts = facts();
        for _ in 0..facts.items.len() {
            facts.ratings.push(rated(&facts, &of_item(None, 3)).unwrap());
        }
        let refusal = rated(&facts, &of_item(None, 3)).unwrap_err();
        assert_eq!(refusal, Rejection::invalid("This item has already been rated"));
        assert!(rated(&facts, &of_service(GOOD)).is_ok());
    }

    proptest! {
        #[test]
        fn no_sequence_of_ratings_gives_one_dish_or_the_service_two(
            attempts in prop::collection::vec((0_u8..4, 0_i64..7), 0..30),
        ) {
            let mut facts = facts();
            for (kind, number) in attempts {
                let command = match kind {
                    0 => of_item(Some("soup"), number),
                    1 => of_item(None, number),
                    2 => of_service([Some(number); 4]),
                    _ => RateOrder { service: [Some(number); 4], ..of_item(Some("soup"), number) },
                };
                if let Ok(rating) = rated(&facts, &command) {
                    prop_assert!((1..=5).contains(&number));
                    facts.ratings.push(rating);
                }
            }
            let count = |test: &dyn Fn(&Rating) -> bool| facts.ratings.iter().filter(|r| test(r)).count();
            prop_assert!(count(&|r| r.menu_item_id.is_some()) <= 1);
            prop_assert!(count(&|r| r.service_ratings.is_some()) <= 1);
            prop_assert!(count(&|r| r.menu_item_id.is_none() && r.item_rating.is_some()) <= 2);
        }
    }
}
