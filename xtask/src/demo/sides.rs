//! Both sides of the move, each with servers of its own: nothing of what is measured is shared with another run.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use waiterix_backends::{Fault, Running, gcs, ministack, postgres, redis};

use super::emulator::{Emulator, parted};
use crate::command::{Failure, root};
use crate::psql::Database;

/// Origin of the web client.
pub(super) const SITE: &str = "https://app.example.org";
/// The address that support requests go to; on the new side its domain is verified.
const SENDER: &str = "waiterix@waiterix.example";
/// The emulator takes an access key of twelve digits for an account.
const ACCOUNT: &str = "000000001834";
const REGION: &str = "us-east-1";
/// The bucket of the new side.
const BUCKET: &str = "waiterix-pictures";
const TABLE: &str = "waiterix-connections";

/// The servers of both sides. They end when this is dropped, and also when this process ends in any other way.
pub(crate) struct Sides {
    pub(crate) old: Database,
    pub(super) new: Database,
    pub(super) google: Emulator,
    pub(super) amazon: Emulator,
    pub(super) resend: Emulator,
    /// Where Redis is, as `host:port`.
    pub(super) redis: String,
    variables: Vec<(String, String)>,
    _providers: Providers,
    _servers: Vec<Running>,
}

fn fault(fault: &Fault) -> Failure {
    Failure::Said(fault.to_string())
}

impl Sides {
    /// Starts everything and prepares on the new side what an operator would: bucket, sender, table of connections.
    pub(crate) async fn start(providers: &Path) -> Result<Self, Failure> {
        // Commits wait for the disk on both sides, as they do in a restaurant.
        let options = postgres::Options { durable: true, ..postgres::Options::default() };
        let old = postgres::start(&options).map_err(|error| fault(&error))?;
        let new = postgres::start(&options).map_err(|error| fault(&error))?;
        let redis = redis::start(&redis::Options::default()).map_err(|error| fault(&error))?;
        let gcs = gcs::start().map_err(|error| fault(&error))?;
        let aws = ministack::start().map_err(|error| fault(&error))?;
        let providers = Providers::start(providers, gcs.url().as_str())?;
        let (host, port) =
            (redis.url().host_str().unwrap_or_default(), redis.url().port().unwrap_or_default());
        let mut variables: Vec<(String, String)> = [
            ("LEGACY_DATABASE_URL", old.url().as_str()),
            ("DATABASE_URL", new.url().as_str()),
            ("REDIS_HOST", host),
            ("REDIS_PORT", &port.to_string()),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", ACCOUNT),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL", aws.url().as_str().trim_end_matches('/')),
            ("AWS_S3_BUCKET", BUCKET),
            ("SES_FROM_EMAIL", SENDER),
            ("RESEND_FROM_EMAIL", SENDER),
            ("WEBSOCKET_CONNECTIONS_TABLE", TABLE),
            ("FRONTEND_URL", SITE),
            ("SESSION_SECRET", "the secret of this very demonstration"),
            ("SUPPORT_EMAIL", "support@waiterix.example"),
            ("RATE_LIMITS", "false"),
            ("LOG_LEVEL", "warn"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        variables.extend(providers.variables.iter().cloned());
        let resend = providers.variable("RESEND_BASE_URL")?;
        let google = providers.variable("STORAGE_EMULATOR_HOST")?;
        let sides = Self {
            old: Database::at(old.url().as_str())?,
            new: Database::at(new.url().as_str())?,
            google: Emulator::at(&google)?,
            amazon: Emulator::at(aws.url().as_str())?,
            resend: Emulator::at(&resend)?,
            redis: format!("{host}:{port}"),
            variables,
            _providers: providers,
            _servers: vec![old, new, redis, gcs, aws],
        };
        sides.prepare_amazon().await?;
        Ok(sides)
    }

    /// The variables by which the service finds both sides, but for which of them it uses.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// What is said of the variable by the old providers or this tool.
    pub(crate) fn variable(&self, name: &str) -> &str {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The bucket of the new side.
    pub(super) fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// The header by which the emulator of AWS knows the account; it checks no signature of a header.
    pub(super) fn authorization(service: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/{REGION}/{service}/aws4_request")
    }

    /// Makes a bucket on the new side.
    pub(crate) async fn make_bucket(&self, name: &str) -> Result<(), Failure> {
        let put = [("authorization", Self::authorization("s3"))];
        self.amazon.call("PUT", &format!("/{name}"), &put, b"").await.map(drop)
    }

    /// Puts bytes under a key of the old side, past the service.
    pub(crate) async fn put_old(&self, key: &str, size: usize) -> Result<(), Failure> {
        let folder = self.variable("PRIVATE_OBJECT_DIR").trim_matches('/');
        let (bucket, folder) = folder.split_once('/').unwrap_or((folder, ""));
        let path = format!("/upload/storage/v1/b/{bucket}/o?uploadType=resumable&name={folder}/{key}");
        let right = ("authorization", format!("Bearer {}", self.variable("STORAGE_TOKEN")));
        let what = [right.clone(), ("x-upload-content-type", "image/jpeg".to_owned())];
        let begun = self.google.ask("POST", &path.replace("//", "/"), &what, b"{}").await?;
        let upload = begun.location.ok_or_else(|| Failure::Said("no upload was begun".to_owned()))?;
        // No two are alike, and none is found by its first bytes.
        let bytes: Vec<u8> = key.bytes().cycle().take(size).collect();
        let range = format!("bytes 0-{}/{size}", size.saturating_sub(1));
        let put = [right, ("content-range", range)];
        self.google.call("PUT", parted(&upload)?.1, &put, &bytes).await.map(drop)
    }

    async fn prepare_amazon(&self) -> Result<(), Failure> {
        self.make_bucket(BUCKET).await?;
        let post =
            [("authorization", Self::authorization("ses")), ("content-type", "application/json".to_owned())];
        let identity = format!("{{\"EmailIdentity\":\"{SENDER}\"}}");
        self.amazon.call("POST", "/v2/email/identities", &post, identity.as_bytes()).await?;
        let create = [
            ("authorization", Self::authorization("dynamodb")),
            ("content-type", "application/x-amz-json-1.0".to_owned()),
            ("x-amz-target", "DynamoDB_20120810.CreateTable".to_owned()),
        ];
        let table = serde_json::json!({
            "TableName": TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                { "AttributeName": "connectionId", "AttributeType": "S" },
                { "AttributeName": "restaurantId", "AttributeType": "S" },
            ],
            "KeySchema": [{ "AttributeName": "connectionId", "KeyType": "HASH" }],
            "GlobalSecondaryIndexes": [{
                "IndexName": "restaurantId-index",
                "KeySchema": [{ "AttributeName": "restaurantId", "KeyType": "HASH" }],
                "Projection": { "ProjectionType": "ALL" },
            }],
        });
        self.amazon.call("POST", "/", &create, table.to_string().as_bytes()).await.map(drop)
    }

    /// The mails to an address that have arrived at either provider, as texts.
    pub(super) async fn mails_to(&self, address: &str) -> Result<Vec<String>, Failure> {
        let resent = self.resend.json("/taken", &[]).await?;
        let sent = self.amazon.json(&format!("/_ministack/ses/messages?account={ACCOUNT}"), &[]).await?;
        let of = |mails: &serde_json::Value, to: &str, text: &str| -> Vec<String> {
            let all = mails.as_array().into_iter().flatten();
            let own = all.filter(|mail| mail[to] == address || mail[to][0] == address);
            own.filter_map(|mail| mail[text].as_str().map(str::to_owned)).collect()
        };
        let mut found = of(&resent, "to", "text");
        found.extend(of(&sent["messages"][ACCOUNT], "To", "BodyText"));
        Ok(found)
    }
}

/// The example of the tests that stands for the storage and the mail provider of old. It ends when this is dropped.
struct Providers {
    child: Child,
    variables: Vec<(String, String)>,
}

impl Providers {
    fn start(program: &Path, emulator: &str) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command.current_dir(root()).env("WAITERIX_TEST_GCS_URL", emulator);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take();
        let mut providers = Self { child, variables: Vec::new() };
        for line in output.map(|output| BufReader::new(output).lines()).into_iter().flatten() {
            let line = line?;
            let Some((name, value)) = line.split_once('=') else { break };
            providers.variables.push((name.to_owned(), value.to_owned()));
        }
        Ok(providers)
    }

    fn variable(&self, name: &str) -> Result<String, Failure> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        let found = found.map(|(_, value)| value.clone());
        found.ok_or_else(|| Failure::Said(format!("the old providers do not say {name}")))
    }
}

impl Drop for Providers {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
