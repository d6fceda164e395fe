//! Everything the service needs on AWS, for one test: a database, a Redis, and an account of the emulator.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use reqwest::Method;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};
use waiterix_adapters_aws::apigateway::{ApiGatewaySettings, ConnectionsTable};
use waiterix_adapters_aws::s3::{S3BlobStore, S3Settings};
use waiterix_backends::{Backend, Running, given, redis};
use waiterix_contract::eventually;
use waiterix_ports::SystemClock;
use waiterix_ports::vars::Vars;
use waiterix_postgres::testing::Scratch;

use crate::client::{code_in, http_client};

const REGION: &str = "us-east-1";
/// The secret the emulator checks the signatures of URLs with.
const SECRET: &str = "test";
/// Origin of the web client.
pub const SITE: &str = "https://app.example.org";

/// Servers and what was prepared in them. What is of this test alone goes with it.
#[derive(Debug)]
pub struct Cloud {
    database: Scratch,
    redis: Running,
    emulator: Url,
    /// The emulator takes an access key of twelve digits for an account, and keeps accounts apart.
    account: String,
    table: String,
}

impl Cloud {
    /// Prepares everything an operator would: schema, bucket, verified sender, table. Nothing where a server is missing.
    ///
    /// # Panics
    /// When a server that is there does not do it.
    pub async fn prepare() -> Option<Self> {
        let cloud = Self::bare().await?;
        cloud.call("s3", Method::PUT, &cloud.bucket(), None).await;
        let identity = json!({ "EmailIdentity": cloud.sender() });
        cloud.call("ses", Method::POST, "v2/email/identities", Some(&identity)).await;
        let settings = ApiGatewaySettings { table: cloud.table.clone(), ..ApiGatewaySettings::default() };
        ConnectionsTable::new(&cloud.sdk_config().await, &settings).create().await.expect("a table");
        Some(cloud)
    }

    /// Servers and an empty account.
    pub(crate) async fn bare() -> Option<Self> {
        let (postgres, emulator) = (given(Backend::Postgres)?, given(Backend::Aws)?);
        let redis = redis::start(&redis::Options::default()).expect("Redis");
        let database = Scratch::migrated(&postgres).await.expect("a database");
        let account = format!("{:012}", RandomState::new().hash_one("account") % 1_000_000_000_000);
        let table = format!("connections-{account}");
        Some(Self { database, redis, emulator, account, table })
    }

    /// Says which table was prepared instead.
    pub(crate) fn stands_on_a_table_named(&mut self, name: &str) {
        name.clone_into(&mut self.table);
    }

    fn bucket(&self) -> String {
        format!("pictures-{}", self.account)
    }

    fn sender(&self) -> String {
        format!("waiterix@{}.example", self.account)
    }

    /// The bucket past the service.
    pub async fn store(&self) -> S3BlobStore {
        let map = self.variables().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let settings = S3Settings::read(&mut Vars::new(&map));
        S3BlobStore::open(&self.sdk_config().await, &settings, Arc::new(SystemClock))
    }

    /// The Redis server, to be killed.
    pub fn redis(&mut self) -> &mut Running {
        &mut self.redis
    }

    /// The variables by which the service finds all of it, but for which adapters it uses.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.ways().to_vec();
        variables.extend([
            ("DATABASE_URL", self.database_url()),
            ("AWS_S3_BUCKET", self.bucket()),
            ("SES_FROM_EMAIL", self.sender()),
            ("SUPPORT_EMAIL", format!("support@{}.example", self.account)),
            ("WEBSOCKET_CONNECTIONS_TABLE", self.table.clone()),
            ("FRONTEND_URL", SITE.to_owned()),
            ("SESSION_SECRET", "the secret of this very test".to_owned()),
        ]);
        variables
    }

    /// The variables by which a function finds Redis and the emulator.
    pub(crate) fn ways(&self) -> [(&'static str, String); 6] {
        let redis = self.redis.url();
        [
            ("REDIS_HOST", redis.host_str().unwrap_or_default().to_owned()),
            ("REDIS_PORT", redis.port().unwrap_or_default().to_string()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", self.account.clone()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_ENDPOINT_URL", self.emulator.as_str().trim_end_matches('/').to_owned()),
        ]
    }

    pub(crate) fn database_url(&self) -> String {
        self.database.url().to_string()
    }

    /// An object as it is kept in a bucket, if it is there.
    pub async fn object(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let url = self.emulator.join(&format!("{bucket}/{key}")).expect("a path");
        let request = http_client().build().expect("a client").get(url);
        let answer = request.header("authorization", self.signed("s3")).send().await.expect("an answer");
        let is_there = answer.status().is_success();
        let bytes = answer.bytes().await.expect("a body");
        is_there.then(|| bytes.to_vec())
    }

    /// Asks a service that takes forms and answers XML; any status but 2xx is a failure.
    pub(crate) async fn form(&self, service: &str, fields: &[(&str, &str)]) -> String {
        let request = http_client().build().expect("a client").post(self.emulator.clone());
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = request
            .header("authorization", self.signed(service))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{service}: {status} {text}");
        text
    }

    /// Asks a service that takes and answers JSON; any status but 2xx is a failure.
    pub(crate) async fn json(&self, service: &str, target: &str, body: &Value) -> Value {
        let request = http_client().build().expect("a client").post(self.emulator.clone());
        let request = request
            .header("authorization", self.signed(service))
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target)
            .body(body.to_string());
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{target}: {status} {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// What the emulator needs of a signature: whose it is, and for which service.
    fn signed(&self, service: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential={}/20260101/{REGION}/{service}/aws4_request", self.account)
    }

    /// The mails to an address, oldest first.
    pub async fn mails_to(&self, address: &str) -> Vec<Value> {
        let mut mails = self.mails().await;
        mails.retain(|mail| mail["To"] == json!([address]));
        mails
    }

    /// All mails, oldest first.
    pub async fn mails(&self) -> Vec<Value> {
        let mut url = self.emulator.join("/_ministack/ses/messages").expect("a URL");
        url.query_pairs_mut().append_pair("account", &self.account);
        let answer = http_client().build().expect("a client").get(url).send().await.expect("an answer");
        let all: Value = serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON");
        all["messages"][&self.account].as_array().cloned().unwrap_or_default()
    }

    /// The newest sign-in code that was mailed to an address.
    pub async fn code_for(&self, address: &str) -> String {
        let newest = async || {
            let mails = self.mails_to(address).await;
            mails.iter().rev().find_map(|mail| code_in(mail["BodyText"].as_str()?))
        };
        eventually(Duration::from_secs(10), "a code is mailed", async || newest().await.is_some()).await;
        newest().await.expect("a code")
    }

    /// How many realtime connections are registered.
    pub async fn connections(&self) -> usize {
        let table = json!({ "TableName": self.table });
        let answer = self.json("dynamodb", "DynamoDB_20120810.Scan", &table).await;
        // Rooms are items, too, but have no endpoint.
        let items = answer["Items"].as_array().unwrap_or_else(|| panic!("{answer}"));
        items.iter().filter(|item| item.get("endpoint").is_some()).count()
    }

    async fn sdk_config(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .endpoint_url(self.emulator.as_str())
            .credentials_provider(Credentials::new(self.account.as_str(), SECRET, None, None, "test"))
            .load()
            .await
    }

    async fn call(&self, service: &str, method: Method, path: &str, body: Option<&Value>) {
        let url = self.emulator.join(path).expect("a path");
        let mut request = http_client().build().expect("a client").request(method, url);
        request = request.header("authorization", self.signed(service));
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{service} {path}: {}", answer.status());
    }
}
