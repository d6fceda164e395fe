//! The table of connections.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, ReturnValue, WriteRequest};
use waiterix_domain::Timestamp;
use waiterix_ports::{ConnectionId, Error, ErrorKind, Result, Retry};

use super::failure;
use super::item::{
    self, CONNECTED_AT, CONNECTION_ID, Choice, ENDPOINT, Item, RESTAURANT_ID, ROLE, TTL, key, number, text,
};
use super::pause;

/// The most items of one batch of writes, and of one batch of reads.
const WRITE_BATCH: usize = 25;
const READ_BATCH: usize = 100;
/// How often what a batch left undone is sent again.
const BATCH_ATTEMPTS: u32 = 8;

/// The table of connections and its index.
#[derive(Debug, Clone)]
pub(super) struct Register {
    pub(super) client: Client,
    pub(super) table: String,
    pub(super) index: String,
}

/// Where the next page begins; nothing after the last one.
pub(super) type Next = Option<Item>;

impl Register {
    /// Writes an item if there is none with its id, or an expired one; answers whether it did.
    pub(super) async fn put_new(&self, item: Item, now: Timestamp) -> Result<bool> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#id) OR #ttl <= :now")
            .expression_attribute_names("#id", CONNECTION_ID)
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":now", number(now.as_seconds()));
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if failure::is_unmet(&error) => Ok(false),
            Err(error) => Err(failure::of_table("apigateway.register", &error)),
        }
    }

    /// Reads an item as it is now.
    pub(super) async fn get(&self, id: &str) -> Result<Option<Item>> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(id))).consistent_read(true);
        let output = get.send().await.map_err(|error| failure::of_table("apigateway.find", &error))?;
        Ok(output.item)
    }

    /// Reads items as they are now; those that are not there are left out.
    pub(super) async fn get_all(&self, ids: &[String]) -> Result<Vec<Item>> {
        const OPERATION: &str = "apigateway.find";
        let mut items = Vec::with_capacity(ids.len());
        for ids in ids.chunks(READ_BATCH) {
            let keys = ids.iter().map(|id| key(id)).collect();
            let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            let wanted = wanted.map_err(|error| Error::new(ErrorKind::Invalid, OPERATION).because(error))?;
            let mut left = HashMap::from([(self.table.clone(), wanted)]);
            let mut attempt = 0;
            while !left.is_empty() {
                let get = self.client.batch_get_item().set_request_items(Some(left));
                let output = get.send().await.map_err(|error| failure::of_table(OPERATION, &error))?;
                items.extend(output.responses.unwrap_or_default().into_values().flatten());
                left = output.unprocessed_keys.unwrap_or_default();
                attempt = again(OPERATION, attempt, !left.is_empty()).await?;
            }
        }
        Ok(items)
    }

    /// Deletes an item; answers what it was. With `connected_at` only the connection made then is meant.
    pub(super) async fn delete(
        &self,
        id: &ConnectionId,
        connected_at: Option<Timestamp>,
    ) -> Result<Option<Item>> {
        let mut delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(id.as_str())))
            .return_values(ReturnValue::AllOld);
        if let Some(at) = connected_at {
            delete = delete
                .condition_expression("#at = :at")
                .expression_attribute_names("#at", CONNECTED_AT)
                .expression_attribute_values(":at", text(at.to_string()));
        }
        match delete.send().await {
            Ok(output) => Ok(output.attributes),
            Err(error) if failure::is_unmet(&error) => Ok(None),
            Err(error) => Err(failure::of_table("apigateway.forget", &error)),
        }
    }

    /// Deletes items by their ids, whatever they hold.
    pub(super) async fn delete_all(&self, ids: &[String]) -> Result<()> {
        const OPERATION: &str = "apigateway.forget";
        for ids in ids.chunks(WRITE_BATCH) {
            let mut writes = Vec::with_capacity(ids.len());
            for id in ids {
                let delete = DeleteRequest::builder().set_key(Some(key(id))).build();
                let delete =
                    delete.map_err(|error| Error::new(ErrorKind::Invalid, OPERATION).because(error))?;
                writes.push(WriteRequest::builder().delete_request(delete).build());
            }
            let mut left = HashMap::from([(self.table.clone(), writes)]);
            let mut attempt = 0;
            while !left.is_empty() {
                let write = self.client.batch_write_item().set_request_items(Some(left));
                let output = write.send().await.map_err(|error| failure::of_table(OPERATION, &error))?;
                left = output.unprocessed_items.unwrap_or_default();
                attempt = again(OPERATION, attempt, !left.is_empty()).await?;
            }
        }
        Ok(())
    }

    /// A page of the chosen connections of a restaurant, by the index, which may lag behind the table by a moment.
    /// A page may be empty and still not be the last one.
    pub(super) async fn page(
        &self,
        choice: Choice<'_>,
        from: Next,
        now: Timestamp,
    ) -> Result<(Vec<Item>, Next)> {
        let current = "(#ttl > :now OR (attribute_not_exists(#ttl) AND #at > :oldest))";
        let mut query = self
            .query(choice.restaurant().as_str())
            .expression_attribute_names("#role", ROLE)
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_names("#at", CONNECTED_AT)
            .expression_attribute_values(":role", text(choice.role()))
            .expression_attribute_values(":now", number(now.as_seconds()))
            .expression_attribute_values(":oldest", text(item::oldest(now).to_string()));
        let mut filter = format!("#role = :role AND {current}");
        if let Some((name, value)) = choice.more() {
            filter.push_str(" AND #more = :more");
            query = query
                .expression_attribute_names("#more", name)
                .expression_attribute_values(":more", text(value));
        }
        let query = query
            .filter_expression(filter)
            .projection_expression("#id, #endpoint, #at")
            .expression_attribute_names("#id", CONNECTION_ID)
            .expression_attribute_names("#endpoint", ENDPOINT)
            .set_exclusive_start_key(from);
        let output = query.send().await.map_err(|error| failure::of_index("apigateway.select", &error))?;
        let next = output.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((output.items.unwrap_or_default(), next))
    }

    /// Proves that table and index answer.
    pub(super) async fn check(&self) -> Result<()> {
        // No restaurant has a control character in its id.
        let query = self.query("\u{1}").limit(1);
        query.send().await.map_err(|error| failure::of_index("apigateway.check", &error))?;
        Ok(())
    }

    fn query(&self, restaurant: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name(&self.index)
            .key_condition_expression("#restaurant = :restaurant")
            .expression_attribute_names("#restaurant", RESTAURANT_ID)
            .expression_attribute_values(":restaurant", text(restaurant))
    }

    /// A page of everything in the table, as it is now.
    pub(super) async fn scan(&self, from: Next) -> Result<(Vec<Item>, Next)> {
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .projection_expression("#id, #restaurant, #endpoint, #at, #ttl")
            .expression_attribute_names("#id", CONNECTION_ID)
            .expression_attribute_names("#restaurant", RESTAURANT_ID)
            .expression_attribute_names("#endpoint", ENDPOINT)
            .expression_attribute_names("#at", CONNECTED_AT)
            .expression_attribute_names("#ttl", TTL)
            .set_exclusive_start_key(from);
        let output = scan.send().await.map_err(|error| failure::of_table("apigateway.sweep", &error))?;
        let next = output.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((output.items.unwrap_or_default(), next))
    }
}

/// Pauses before what a batch left undone is sent again; answers the number of the next attempt.
async fn again(operation: &'static str, attempt: u32, undone: bool) -> Result<u32> {
    if undone {
        if attempt >= BATCH_ATTEMPTS {
            let error = Error::new(ErrorKind::Throttled, operation).retry(Retry::Safe);
            return Err(error.with("fault", "the table is too busy to finish a batch"));
        }
        tokio::time::sleep(pause::after(attempt, operation)).await;
    }
    Ok(attempt + 1)
}
