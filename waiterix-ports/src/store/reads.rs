//! Typed reads on top of [`Store::read`].

use waiterix_domain::facts::{
    Account, AiKnowledge, AssistanceAccess, AssistanceFacts, LabelledOrder, LabelledRequest, MenuItemAccess,
    OrderAccess, OrderFacts, OrderView, QuestionAccess, RatingFacts,
};
use waiterix_domain::id::{
    AssistanceId, FaqId, IdempotencyId, MenuItemId, OrderId, QuestionId, RestaurantId, TableId, UploadKey,
    UserId,
};
use waiterix_domain::schema::{
    AssistanceStatus, ChefAnswer, Entity, Faq, IdempotencyKey, MenuItem, OrderItem, PendingQuestion, Rating,
    Restaurant, RestaurantTable, Upload, User,
};
use waiterix_domain::{Row, Timestamp};

use super::{Answer, Count, Query, Store};
use crate::{Error, ErrorKind, Result};

/// Typed reads, named noun first. A thin front: every method asks one [`Query`].
#[derive(Debug, Clone, Copy)]
pub struct Reads<'a>(pub &'a dyn Store);

fn mismatch(query: &Query) -> Error {
    let name = format!("{query:?}");
    let name = name.split(['(', ' ', '{']).next().unwrap_or_default().to_owned();
    Error::new(ErrorKind::Corrupt, "store.read").with("query", name).with("fault", "answer of another shape")
}

/// Rows taken apart by table.
struct Sorted(Vec<Row>);

impl Sorted {
    fn one<R: Entity>(&mut self) -> Option<R> {
        let place = self.0.iter().position(|row| row.table() == R::TABLE)?;
        R::from_row(self.0.remove(place))
    }

    fn all<R: Entity>(&mut self) -> Vec<R> {
        let is_one = |row: &Row| row.table() == R::TABLE;
        // Room for all of them at once: whoever chooses cannot say beforehand how many will come.
        let mut found = Vec::with_capacity(self.0.iter().filter(|row| is_one(row)).count());
        found.extend(self.0.extract_if(.., |row| is_one(row)).filter_map(R::from_row));
        found
    }
}

impl Reads<'_> {
    async fn rows(&self, query: Query) -> Result<Sorted> {
        match self.0.read(&query).await? {
            Answer::Rows(rows) => Ok(Sorted(rows)),
            Answer::Labelled(_) | Answer::Counts(_) => Err(mismatch(&query)),
        }
    }

    async fn labelled<R: Entity>(&self, query: Query) -> Result<Vec<(R, Option<String>)>> {
        match self.0.read(&query).await? {
            Answer::Labelled(rows) => rows
                .into_iter()
                .map(|(row, label)| R::from_row(row).map(|row| (row, label)).ok_or_else(|| mismatch(&query)))
                .collect(),
            Answer::Rows(_) | Answer::Counts(_) => Err(mismatch(&query)),
        }
    }

    async fn counts(&self, query: Query) -> Result<Vec<Count>> {
        match self.0.read(&query).await? {
            Answer::Counts(counts) => Ok(counts),
            Answer::Rows(_) | Answer::Labelled(_) => Err(mismatch(&query)),
        }
    }

    /// [`Query::Account`].
    ///
    /// # Errors
    /// As [`Store::read`], like all methods here.
    pub async fn account(&self, user: &UserId) -> Result<Option<Account>> {
        let mut rows = self.rows(Query::Account(user.clone())).await?;
        Ok(rows.one().map(|user| Account { user, restaurant: rows.one() }))
    }

    /// [`Query::UserByEmail`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        Ok(self.rows(Query::UserByEmail(email.to_owned())).await?.one())
    }

    /// [`Query::Restaurant`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn restaurant(&self, id: &RestaurantId) -> Result<Option<Restaurant>> {
        Ok(self.rows(Query::Restaurant(id.clone())).await?.one())
    }

    /// [`Query::Tables`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn tables(&self, restaurant: &RestaurantId) -> Result<Vec<RestaurantTable>> {
        Ok(self.rows(Query::Tables(restaurant.clone())).await?.all())
    }

    /// [`Query::Table`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn table(&self, id: &TableId) -> Result<Option<RestaurantTable>> {
        Ok(self.rows(Query::Table(id.clone())).await?.one())
    }

    /// [`Query::Menu`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn menu(&self, restaurant: &RestaurantId) -> Result<Vec<MenuItem>> {
        Ok(self.rows(Query::Menu(restaurant.clone())).await?.all())
    }

    /// [`Query::MenuItem`], or [`Query::MenuItemDetails`] when the details are wanted.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn menu_item(&self, id: &MenuItemId, with_details: bool) -> Result<Option<MenuItemAccess>> {
        let query =
            if with_details { Query::MenuItemDetails(id.clone()) } else { Query::MenuItem(id.clone()) };
        let mut rows = self.rows(query).await?;
        let (item, restaurant, details) = (rows.one(), rows.one(), rows.one());
        Ok(item.zip(restaurant).map(|(item, restaurant)| MenuItemAccess { item, restaurant, details }))
    }

    /// [`Query::OrderFacts`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn order_facts(
        &self,
        restaurant: &RestaurantId,
        table: Option<&str>,
        items: Vec<MenuItemId>,
        idempotency: Option<&IdempotencyId>,
    ) -> Result<Option<OrderFacts>> {
        let mut rows = self
            .rows(Query::OrderFacts {
                restaurant: restaurant.clone(),
                table: table.map(str::to_owned),
                items,
                idempotency: idempotency.cloned(),
            })
            .await?;
        let (tables, items) = (rows.all(), rows.all());
        let repeated = rows.one().zip(rows.one());
        Ok(rows.one().map(|restaurant| OrderFacts { restaurant, tables, items, repeated }))
    }

    /// [`Query::OrdersLive`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn orders_live(
        &self,
        restaurant: &RestaurantId,
        completed_since: Timestamp,
        limit: u32,
    ) -> Result<Vec<LabelledOrder>> {
        let query = Query::OrdersLive { restaurant: restaurant.clone(), completed_since, limit };
        let orders = self.labelled(query).await?;
        Ok(orders.into_iter().map(|(order, table_number)| LabelledOrder { order, table_number }).collect())
    }

    /// [`Query::OrdersBetween`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn orders_between(
        &self,
        restaurant: &RestaurantId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<LabelledOrder>> {
        let query = Query::OrdersBetween { restaurant: restaurant.clone(), from, to };
        let orders = self.labelled(query).await?;
        Ok(orders.into_iter().map(|(order, table_number)| LabelledOrder { order, table_number }).collect())
    }

    /// [`Query::OrderItemsBetween`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn order_items_between(
        &self,
        restaurant: &RestaurantId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<OrderItem>> {
        Ok(self.rows(Query::OrderItemsBetween { restaurant: restaurant.clone(), from, to }).await?.all())
    }

    /// [`Query::Order`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn order(&self, id: &OrderId) -> Result<Option<OrderAccess>> {
        let mut rows = self.rows(Query::Order(id.clone())).await?;
        let (order, restaurant, table) = (rows.one(), rows.one(), rows.one());
        Ok(order.zip(restaurant).map(|(order, restaurant)| OrderAccess { order, restaurant, table }))
    }

    /// [`Query::OrderItems`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn order_items(&self, order: &OrderId) -> Result<Vec<OrderItem>> {
        Ok(self.rows(Query::OrderItems(order.clone())).await?.all())
    }

    /// [`Query::OrderView`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn order_view(&self, id: &OrderId) -> Result<Option<OrderView>> {
        let mut rows = self.rows(Query::OrderView(id.clone())).await?;
        let (order, restaurant, table, items) = (rows.one(), rows.one(), rows.one(), rows.all());
        let has_been_rated = rows.one::<Rating>().is_some();
        Ok(order.zip(restaurant).map(|(order, restaurant)| OrderView {
            order,
            restaurant,
            table,
            items,
            has_been_rated,
        }))
    }

    /// [`Query::RatingFacts`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn rating_facts(&self, order: &OrderId) -> Result<Option<RatingFacts>> {
        let mut rows = self.rows(Query::RatingFacts(order.clone())).await?;
        Ok(rows.one().map(|order| RatingFacts { order, items: rows.all(), ratings: rows.all() }))
    }

    /// [`Query::RatingsOfOrder`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn ratings_of_order(&self, order: &OrderId) -> Result<Vec<Rating>> {
        Ok(self.rows(Query::RatingsOfOrder(order.clone())).await?.all())
    }

    /// [`Query::RatingsOfRestaurant`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn ratings_of_restaurant(&self, restaurant: &RestaurantId) -> Result<Vec<Rating>> {
        Ok(self.rows(Query::RatingsOfRestaurant(restaurant.clone())).await?.all())
    }

    /// [`Query::AssistanceFacts`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn assistance_facts(
        &self,
        restaurant: &RestaurantId,
        table: Option<&str>,
        order: Option<&OrderId>,
    ) -> Result<Option<AssistanceFacts>> {
        let query = Query::AssistanceFacts {
            restaurant: restaurant.clone(),
            table: table.map(str::to_owned),
            order: order.cloned(),
        };
        let mut rows = self.rows(query).await?;
        Ok(rows.one().map(|restaurant| AssistanceFacts { restaurant, tables: rows.all(), order: rows.one() }))
    }

    /// [`Query::AssistanceRequests`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn assistance_requests(
        &self,
        restaurant: &RestaurantId,
        status: Option<AssistanceStatus>,
    ) -> Result<Vec<LabelledRequest>> {
        let query = Query::AssistanceRequests { restaurant: restaurant.clone(), status };
        let requests = self.labelled(query).await?;
        Ok(requests
            .into_iter()
            .map(|(request, table_number)| LabelledRequest { request, table_number })
            .collect())
    }

    /// [`Query::AssistanceRequest`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn assistance_request(&self, id: &AssistanceId) -> Result<Option<AssistanceAccess>> {
        let mut rows = self.rows(Query::AssistanceRequest(id.clone())).await?;
        let (request, restaurant, table) = (rows.one(), rows.one(), rows.one());
        Ok(request.zip(restaurant).map(|(request, restaurant)| AssistanceAccess {
            request,
            restaurant,
            table,
        }))
    }

    /// [`Query::AiKnowledge`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn ai_knowledge(&self, restaurant: &RestaurantId) -> Result<Option<AiKnowledge>> {
        let mut rows = self.rows(Query::AiKnowledge(restaurant.clone())).await?;
        Ok(rows.one().map(|restaurant| AiKnowledge {
            restaurant,
            items: rows.all(),
            details: rows.all(),
            knowledge: rows.one(),
            faqs: rows.all(),
        }))
    }

    /// [`Query::QuestionsPending`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn questions_pending(&self, restaurant: &RestaurantId) -> Result<Vec<PendingQuestion>> {
        Ok(self.rows(Query::QuestionsPending(restaurant.clone())).await?.all())
    }

    /// [`Query::Question`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn question(&self, id: &QuestionId) -> Result<Option<QuestionAccess>> {
        let mut rows = self.rows(Query::Question(id.clone())).await?;
        let (question, restaurant, answers) = (rows.one(), rows.one(), rows.all());
        Ok(question.zip(restaurant).map(|(question, restaurant)| QuestionAccess {
            question,
            restaurant,
            answers,
        }))
    }

    /// [`Query::ChefAnswers`]: questions with their latest answers.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn chef_answers(
        &self,
        session: &str,
        restaurant: Option<&RestaurantId>,
    ) -> Result<Vec<(PendingQuestion, ChefAnswer)>> {
        let query = Query::ChefAnswers { session: session.to_owned(), restaurant: restaurant.cloned() };
        let mut rows = self.rows(query).await?;
        let (questions, answers) = (rows.all(), rows.all());
        Ok(questions.into_iter().zip(answers).collect())
    }

    /// [`Query::Faqs`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn faqs(&self, restaurant: &RestaurantId) -> Result<Vec<Faq>> {
        Ok(self.rows(Query::Faqs(restaurant.clone())).await?.all())
    }

    /// [`Query::Faq`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn faq(&self, id: &FaqId) -> Result<Option<Faq>> {
        Ok(self.rows(Query::Faq(id.clone())).await?.one())
    }

    /// [`Query::ScanCounts`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn scan_counts(
        &self,
        restaurant: &RestaurantId,
        since: Option<Timestamp>,
    ) -> Result<Vec<Count>> {
        self.counts(Query::ScanCounts { restaurant: restaurant.clone(), since }).await
    }

    /// [`Query::AiCallCounts`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn ai_call_counts(
        &self,
        restaurant: &RestaurantId,
        since: Option<Timestamp>,
    ) -> Result<Vec<Count>> {
        self.counts(Query::AiCallCounts { restaurant: restaurant.clone(), since }).await
    }

    /// [`Query::Upload`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn upload(&self, key: &UploadKey) -> Result<Option<Upload>> {
        Ok(self.rows(Query::Upload(key.clone())).await?.one())
    }

    /// [`Query::UploadsOfUser`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn uploads_of_user(&self, user: &UserId) -> Result<Vec<Upload>> {
        Ok(self.rows(Query::UploadsOfUser(user.clone())).await?.all())
    }

    /// [`Query::UploadsAbandoned`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn uploads_abandoned(&self, before: Timestamp, limit: u32) -> Result<Vec<Upload>> {
        Ok(self.rows(Query::UploadsAbandoned { before, limit }).await?.all())
    }

    /// [`Query::IdempotencyKeysBefore`].
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn idempotency_keys_before(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<IdempotencyKey>> {
        Ok(self.rows(Query::IdempotencyKeysBefore { before, limit }).await?.all())
    }
}
