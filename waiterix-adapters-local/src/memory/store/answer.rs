//! Answers to queries: filters and orders, as the documentation of each [`Query`] states them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use waiterix_domain::id::{MenuItemId, OrderId, QuestionId, RestaurantId, TableId};
use waiterix_domain::schema::{
    AiCallEvent, AssistanceRequest, ChefAnswer, Entity, ExtendedDetails, Faq, IdempotencyKey, MenuItem,
    Order, OrderItem, OrderStatus, PendingQuestion, QuestionStatus, Rating, Restaurant, RestaurantKnowledge,
    RestaurantTable, TableScanEvent, Upload, User,
};
use waiterix_domain::{Row, Timestamp};
use waiterix_ports::{Answer, Count, Query};

use super::state::State;

/// Answers a query. Most of them are short, so the whole catalogue stands here in the order of the enum.
pub(super) fn answer(state: &State, query: &Query) -> Answer {
    match query {
        Query::Account(id) => rows(account(state, id.as_str())),
        Query::UserByEmail(email) => {
            rows(some(state.all::<User>().find(|user| user.email.as_ref() == Some(email))))
        }
        Query::Restaurant(id) => rows(some(state.one::<Restaurant>(id))),
        Query::Tables(id) => rows(all(state.all::<RestaurantTable>().filter(|t| t.restaurant_id == *id))),
        Query::Table(id) => rows(some(state.one::<RestaurantTable>(id))),
        Query::Menu(id) => rows(all(menu(state, id))),
        Query::MenuItem(id) => rows(dish(state, id, false)),
        Query::MenuItemDetails(id) => rows(dish(state, id, true)),
        Query::OrderFacts { restaurant, table, items, idempotency } => {
            let idempotency = idempotency.as_ref().and_then(|id| state.one(id));
            rows(order_facts(state, restaurant, table.as_deref(), items, idempotency))
        }
        Query::OrdersLive { restaurant, completed_since, limit } => {
            let live = |order: &Order| {
                order.status != OrderStatus::Completed || order.created_at >= *completed_since
            };
            labelled_orders(state, restaurant, live, *limit as usize)
        }
        Query::OrdersBetween { restaurant, from, to } => {
            let within = |order: &Order| (*from..*to).contains(&order.created_at);
            labelled_orders(state, restaurant, within, usize::MAX)
        }
        Query::OrderItemsBetween { restaurant, from, to } => {
            rows(all(lines_between(state, restaurant, *from, *to)))
        }
        Query::Order(id) => rows(order_access(state, id)),
        Query::OrderItems(id) => rows(all(lines(state, id))),
        Query::OrderView(id) => rows(order_view(state, id)),
        Query::RatingFacts(id) => {
            let order = some(state.one::<Order>(id));
            let facts = [all(lines(state, id)), all(ratings(state, id))].concat();
            rows(if order.is_empty() { order } else { [order, facts].concat() })
        }
        Query::RatingsOfOrder(id) => {
            let mut found: Vec<_> = ratings(state, id).collect();
            found.sort_by_key(|rating| (rating.created_at, &rating.id));
            rows(all(found))
        }
        Query::RatingsOfRestaurant(id) => {
            let mut found: Vec<_> = state.all::<Rating>().filter(|r| r.restaurant_id == *id).collect();
            found.sort_by_key(|rating| Reverse((rating.created_at, &rating.id)));
            rows(all(found))
        }
        Query::AssistanceFacts { restaurant, table, order } => {
            let order = order.as_ref().and_then(|id| state.one::<Order>(id));
            let found = some(state.one::<Restaurant>(restaurant));
            let facts = [all(tables_named(state, restaurant, table.as_deref())), some(order)].concat();
            rows(if found.is_empty() { found } else { [found, facts].concat() })
        }
        Query::AssistanceRequests { restaurant, status } => {
            let mut found: Vec<_> = state
                .all::<AssistanceRequest>()
                .filter(|request| request.restaurant_id == *restaurant)
                .filter(|request| status.as_ref().is_none_or(|status| request.status == *status))
                .collect();
            found.sort_by_key(|request| Reverse((request.created_at, &request.id)));
            labelled(found.into_iter().map(|r| (Row::from(r.clone()), label(state, r.table_id.as_ref()))))
        }
        Query::AssistanceRequest(id) => rows(state.one::<AssistanceRequest>(id).map_or_else(Vec::new, |r| {
            [
                some(Some(r)),
                some(state.one::<Restaurant>(&r.restaurant_id)),
                table(state, r.table_id.as_ref()),
            ]
            .concat()
        })),
        Query::AiKnowledge(id) => rows(ai_knowledge(state, id)),
        Query::QuestionsPending(id) => {
            let mut found: Vec<_> = state
                .all::<PendingQuestion>()
                .filter(|q| q.restaurant_id == *id && q.status == QuestionStatus::Pending)
                .collect();
            found.sort_by_key(|question| Reverse((question.created_at, &question.id)));
            rows(all(found))
        }
        Query::Question(id) => rows(state.one::<PendingQuestion>(id).map_or_else(Vec::new, |question| {
            let restaurant = some(state.one::<Restaurant>(&question.restaurant_id));
            [some(Some(question)), restaurant, all(answers(state, id))].concat()
        })),
        Query::ChefAnswers { session, restaurant } => rows(chef_answers(state, session, restaurant.as_ref())),
        Query::Faqs(id) => rows(all(faqs(state, id))),
        Query::Faq(id) => rows(some(state.one::<Faq>(id))),
        Query::ScanCounts { restaurant, since } => counts(
            state
                .all::<TableScanEvent>()
                .filter(|scan| scan.restaurant_id == *restaurant)
                .filter(|scan| since.is_none_or(|since| scan.scanned_at >= since))
                .map(|scan| scan.table_number.as_deref().unwrap_or_default()),
        ),
        Query::AiCallCounts { restaurant, since } => counts(
            state
                .all::<AiCallEvent>()
                .filter(|call| call.restaurant_id == *restaurant)
                .filter(|call| since.is_none_or(|since| call.called_at >= since))
                .map(|call| call.call_type.as_str()),
        ),
        Query::Upload(key) => rows(some(state.one::<Upload>(key))),
        Query::UploadsOfUser(id) => rows(all(state.all::<Upload>().filter(|grant| grant.user_id == *id))),
        Query::UploadsAbandoned { before, limit } => {
            let abandoned = |grant: &&Upload| grant.attached_at.is_none() && grant.created_at < *before;
            let mut found: Vec<_> = state.all::<Upload>().filter(abandoned).collect();
            found.sort_by_key(|grant| (grant.created_at, &grant.id));
            rows(all(found.into_iter().take(*limit as usize)))
        }
        Query::IdempotencyKeysBefore { before, limit } => {
            let mut found: Vec<_> =
                state.all::<IdempotencyKey>().filter(|key| key.created_at < *before).collect();
            found.sort_by_key(|key| (key.created_at, &key.id));
            rows(all(found.into_iter().take(*limit as usize)))
        }
    }
}

const fn rows(rows: Vec<Row>) -> Answer {
    Answer::Rows(rows)
}

fn some<R: Entity>(row: Option<&R>) -> Vec<Row> {
    all(row)
}

fn all<'a, R: Entity + 'a>(rows: impl IntoIterator<Item = &'a R>) -> Vec<Row> {
    rows.into_iter().map(|row| row.clone().into()).collect()
}

fn labelled(rows: impl Iterator<Item = (Row, Option<String>)>) -> Answer {
    Answer::Labelled(rows.collect())
}

fn counts<'a>(labels: impl Iterator<Item = &'a str>) -> Answer {
    let mut by_label: BTreeMap<&str, u64> = BTreeMap::new();
    for label in labels {
        *by_label.entry(label).or_default() += 1;
    }
    let mut counts: Vec<_> =
        by_label.into_iter().map(|(label, count)| Count { label: label.to_owned(), count }).collect();
    // The sort is stable and the map gave the labels in order.
    counts.sort_by_key(|count| Reverse(count.count));
    Answer::Counts(counts)
}

fn table(state: &State, id: Option<&TableId>) -> Vec<Row> {
    some(id.and_then(|id| state.one::<RestaurantTable>(id)))
}

fn label(state: &State, id: Option<&TableId>) -> Option<String> {
    id.and_then(|id| state.one::<RestaurantTable>(id)).map(|table| table.table_number.clone())
}

fn account(state: &State, id: &str) -> Vec<Row> {
    let Some(user) = state.one::<User>(id) else { return Vec::new() };
    let restaurant = state.all::<Restaurant>().find(|restaurant| restaurant.user_id == user.id);
    [some(Some(user)), some(restaurant)].concat()
}

fn menu<'a>(state: &'a State, restaurant: &RestaurantId) -> Vec<&'a MenuItem> {
    let mut dishes: Vec<_> =
        state.all::<MenuItem>().filter(|dish| dish.restaurant_id == *restaurant).collect();
    dishes.sort_by_key(|dish| (dish.created_at, &dish.id));
    dishes
}

fn dish(state: &State, id: &MenuItemId, with_details: bool) -> Vec<Row> {
    let Some(dish) = state.one::<MenuItem>(id) else { return Vec::new() };
    let details = state.all::<ExtendedDetails>().find(|details| with_details && details.menu_item_id == *id);
    [some(Some(dish)), some(state.one::<Restaurant>(&dish.restaurant_id)), some(details)].concat()
}

fn tables_named<'a>(
    state: &'a State,
    restaurant: &RestaurantId,
    name: Option<&str>,
) -> Vec<&'a RestaurantTable> {
    let named =
        |table: &&RestaurantTable| name.is_some_and(|n| table.id.as_str() == n || table.table_number == n);
    state.all::<RestaurantTable>().filter(|table| table.restaurant_id == *restaurant).filter(named).collect()
}

fn order_facts(
    state: &State,
    restaurant: &RestaurantId,
    table: Option<&str>,
    items: &[MenuItemId],
    idempotency: Option<&IdempotencyKey>,
) -> Vec<Row> {
    let Some(found) = state.one::<Restaurant>(restaurant) else { return Vec::new() };
    [
        some(Some(found)),
        all(tables_named(state, restaurant, table)),
        all(state.all::<MenuItem>().filter(|dish| items.contains(&dish.id))),
        some(idempotency),
        some(idempotency.and_then(|key| state.one::<Order>(&key.order_id))),
    ]
    .concat()
}

fn labelled_orders(
    state: &State,
    restaurant: &RestaurantId,
    wanted: impl Fn(&Order) -> bool,
    limit: usize,
) -> Answer {
    let mut orders: Vec<_> =
        state.all::<Order>().filter(|order| order.restaurant_id == *restaurant && wanted(order)).collect();
    orders.sort_by_key(|order| Reverse((order.created_at, &order.id)));
    let orders = orders.into_iter().take(limit);
    labelled(orders.map(|order| (Row::from(order.clone()), label(state, order.table_id.as_ref()))))
}

fn lines<'a>(state: &'a State, order: &OrderId) -> Vec<&'a OrderItem> {
    let mut lines: Vec<_> = state.all::<OrderItem>().filter(|line| line.order_id == *order).collect();
    // `None` comes before every number, as the contract wants its nulls.
    lines.sort_by_key(|line| (line.position, &line.id));
    lines
}

fn lines_between<'a>(
    state: &'a State,
    restaurant: &RestaurantId,
    from: Timestamp,
    to: Timestamp,
) -> Vec<&'a OrderItem> {
    state
        .all::<Order>()
        .filter(|order| order.restaurant_id == *restaurant && (from..to).contains(&order.created_at))
        .flat_map(|order| lines(state, &order.id))
        .collect()
}

fn order_access(state: &State, id: &OrderId) -> Vec<Row> {
    let Some(order) = state.one::<Order>(id) else { return Vec::new() };
    let restaurant = some(state.one::<Restaurant>(&order.restaurant_id));
    [some(Some(order)), restaurant, table(state, order.table_id.as_ref())].concat()
}

fn order_view(state: &State, id: &OrderId) -> Vec<Row> {
    let access = order_access(state, id);
    if access.is_empty() {
        return access;
    }
    [access, all(lines(state, id)), some(ratings(state, id).next())].concat()
}

fn ratings<'a>(state: &'a State, order: &OrderId) -> impl Iterator<Item = &'a Rating> {
    state.all::<Rating>().filter(move |rating| rating.order_id == *order)
}

fn answers<'a>(state: &'a State, question: &QuestionId) -> Vec<&'a ChefAnswer> {
    let mut answers: Vec<_> =
        state.all::<ChefAnswer>().filter(|answer| answer.pending_question_id == *question).collect();
    answers.sort_by_key(|answer| Reverse((answer.created_at, &answer.id)));
    answers
}

fn faqs<'a>(state: &'a State, restaurant: &RestaurantId) -> Vec<&'a Faq> {
    let mut faqs: Vec<_> = state.all::<Faq>().filter(|faq| faq.restaurant_id == *restaurant).collect();
    faqs.sort_by_key(|faq| Reverse((faq.created_at, &faq.id)));
    faqs
}

fn ai_knowledge(state: &State, id: &RestaurantId) -> Vec<Row> {
    let Some(restaurant) = state.one::<Restaurant>(id) else { return Vec::new() };
    let dishes = menu(state, id);
    let is_here = |details: &&ExtendedDetails| dishes.iter().any(|dish| dish.id == details.menu_item_id);
    [
        some(Some(restaurant)),
        all(dishes.iter().copied()),
        all(state.all::<ExtendedDetails>().filter(is_here)),
        some(state.all::<RestaurantKnowledge>().find(|knowledge| knowledge.restaurant_id == *id)),
        all(faqs(state, id)),
    ]
    .concat()
}

fn chef_answers(state: &State, session: &str, restaurant: Option<&RestaurantId>) -> Vec<Row> {
    let mut questions: Vec<_> = state
        .all::<PendingQuestion>()
        .filter(|q| q.customer_session_id == session && q.status == QuestionStatus::Answered)
        .filter(|q| restaurant.is_none_or(|restaurant| q.restaurant_id == *restaurant))
        .collect();
    questions.sort_by_key(|question| Reverse((question.created_at, &question.id)));
    questions
        .into_iter()
        .filter_map(|question| Some((question, *answers(state, &question.id).first()?)))
        .flat_map(|(question, answer)| [Row::from(question.clone()), Row::from(answer.clone())])
        .collect()
}
