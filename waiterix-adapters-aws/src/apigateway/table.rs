//! The definition of the table of connections: the one place where it is written in code.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, IndexStatus, KeySchemaElement, KeyType,
    Projection, ProjectionType, ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification,
};
use tokio::time::Instant;
use waiterix_ports::{Error, ErrorKind, Result, Retry};

use super::ApiGatewaySettings;
use super::failure;
use super::item::{CONNECTION_ID, RESTAURANT_ID, TTL};

const OPERATION: &str = "apigateway.table";
/// How long a new table may take.
const PATIENCE: Duration = Duration::from_secs(120);
const EVERY: Duration = Duration::from_millis(500);

/// The table of connections, for those who set one up: a developer, a test. In an account it is made by the template
/// of the deployment, which must say the same.
#[derive(Debug)]
pub struct ConnectionsTable {
    client: Client,
    table: String,
    index: String,
}

impl ConnectionsTable {
    /// The table that settings name.
    #[must_use]
    pub fn new(config: &SdkConfig, settings: &ApiGatewaySettings) -> Self {
        Self { client: Client::new(config), table: settings.table.clone(), index: settings.index.clone() }
    }

    /// Makes the table and waits until it can be used; one that is there already is left as it is. Key `connectionId`,
    /// index over `restaurantId` with all attributes, billed per request.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`, `Timeout`, `Invalid`.
    pub async fn create(&self) -> Result<()> {
        let attribute = |name: &str| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
        };
        let hash =
            |name: &str| KeySchemaElement::builder().attribute_name(name).key_type(KeyType::Hash).build();
        let index = hash(RESTAURANT_ID).and_then(|key| {
            GlobalSecondaryIndex::builder()
                .index_name(&self.index)
                .key_schema(key)
                .projection(Projection::builder().projection_type(ProjectionType::All).build())
                .build()
        });
        let create = self
            .client
            .create_table()
            .table_name(&self.table)
            .attribute_definitions(attribute(CONNECTION_ID).map_err(malformed)?)
            .attribute_definitions(attribute(RESTAURANT_ID).map_err(malformed)?)
            .key_schema(hash(CONNECTION_ID).map_err(malformed)?)
            .global_secondary_indexes(index.map_err(malformed)?)
            .billing_mode(BillingMode::PayPerRequest);
        match create.send().await {
            Ok(_) => {}
            Err(error)
                if error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) => {}
            Err(error) => return Err(failure::of_table(OPERATION, &error)),
        }
        self.wait().await
    }

    /// Has expired items deleted, by the attribute `ttl`. Repeating it is harmless.
    ///
    /// # Errors
    /// `NotFound` without the table; `Denied`, `Unavailable`, `Timeout`; `Unsupported` where a server does not know
    /// expiry.
    pub async fn enable_expiry(&self) -> Result<()> {
        let described = self.client.describe_time_to_live().table_name(&self.table).send().await;
        let described =
            described.map_err(|error| match error.as_service_error().and_then(|e| e.meta().code()) {
                Some("UnknownOperationException") => Error::new(ErrorKind::Unsupported, OPERATION),
                _ => failure::of_table(OPERATION, &error),
            })?;
        let current = described.time_to_live_description.and_then(|current| current.attribute_name);
        if current.as_deref() == Some(TTL) {
            return Ok(());
        }
        let rule = TimeToLiveSpecification::builder().enabled(true).attribute_name(TTL).build();
        let update = self.client.update_time_to_live().table_name(&self.table);
        let update = update.time_to_live_specification(rule.map_err(malformed)?);
        update.send().await.map_err(|error| failure::of_table(OPERATION, &error))?;
        Ok(())
    }

    async fn wait(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let described = self.client.describe_table().table_name(&self.table).send().await;
            let described = described.map_err(|error| failure::of_table(OPERATION, &error))?;
            if described.table.is_some_and(|table| is_ready(&table)) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::new(ErrorKind::Timeout, OPERATION).retry(Retry::Safe));
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

fn is_ready(table: &TableDescription) -> bool {
    let active = |index: &aws_sdk_dynamodb::types::GlobalSecondaryIndexDescription| {
        index.index_status().is_none_or(|status| *status == IndexStatus::Active)
    };
    table.table_status() == Some(&TableStatus::Active) && table.global_secondary_indexes().iter().all(active)
}

fn malformed(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    Error::new(ErrorKind::Invalid, OPERATION).because(error)
}
