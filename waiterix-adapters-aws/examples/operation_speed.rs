//! Measures what the adapters add to the clients under them: one caller, the adapter and the plain client doing the same in
//! turn, so that whatever else the machine does meets both alike.
//!
//! ```console
//! cargo run --release -p waiterix-adapters-aws --example operation_speed
//! ```
//!
//! It starts a Redis and a MiniStack of its own. What the emulators take is no figure of AWS; what the adapters add to it is.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message as Letter};
use redis::aio::MultiplexedConnection;
use serde_json::json;
use waiterix_adapters_aws::apigateway::{ApiGatewayNotifier, ApiGatewaySettings, ConnectionsTable};
use waiterix_adapters_aws::elasticache::{RedisSessionStore, RedisSettings};
use waiterix_adapters_aws::s3::{S3BlobStore, S3Settings};
use waiterix_adapters_aws::ses::{SesMailer, SesSettings};
use waiterix_backends::{Running, ministack, redis as own_redis};
use waiterix_domain::Audience;
use waiterix_ports::mailer::{MailId, MailKind};
use waiterix_ports::vars::Vars;
use waiterix_ports::{
    BlobStore as _, Clock, Connection, ConnectionId, Mail, Mailer as _, Message, Notifier as _, Outlet,
    PutBlob, Role, Session, SessionId, SessionStore as _, SystemClock,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const REGION: &str = "us-east-1";
const BUCKET: &str = "pictures";
const TABLE: &str = "connections";
const SENDER: &str = "waiterix@example.org";
const DAY_S: i64 = 86_400;
/// How old a connection can be that still lives, where its item does not say it.
const LIFETIME_S: i64 = 7_800;
/// How often each is done: calls of Redis are a hundred times as fast as those of an emulator written in Python.
const EMULATED: usize = 400;
const REAL: usize = 20_000;

/// How long calls took: those of the plain client and those of the adapter.
#[derive(Default)]
struct Pair {
    plain: Vec<Duration>,
    adapter: Vec<Duration>,
}

impl Pair {
    /// Has both do it in turn. The first tenth warms up and is not counted.
    async fn measure<P, A>(
        times: usize,
        mut plain: impl FnMut(usize) -> P,
        mut adapter: impl FnMut(usize) -> A,
    ) -> Outcome<Self>
    where
        P: Future<Output = Outcome<()>>,
        A: Future<Output = Outcome<()>>,
    {
        let mut pair = Self::default();
        for number in 0..times + times / 10 {
            let begun = Instant::now();
            plain(number).await?;
            let between = Instant::now();
            adapter(number).await?;
            if number >= times / 10 {
                pair.plain.push(between - begun);
                pair.adapter.push(between.elapsed());
            }
        }
        pair.plain.sort_unstable();
        pair.adapter.sort_unstable();
        Ok(pair)
    }

    #[allow(clippy::print_stdout, reason = "this is what it is for")]
    fn print(&self, what: &str) {
        let at =
            |took: &[Duration], percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1e6;
        let (plain, adapter) = (&self.plain, &self.adapter);
        println!(
            "{what:<44} p50 {:>7.0} µs, plain {:>7.0} µs, ratio {:.2}   p99 {:>7.0} µs, plain {:>7.0} µs, ratio {:.2}",
            at(adapter, 50),
            at(plain, 50),
            at(adapter, 50) / at(plain, 50),
            at(adapter, 99),
            at(plain, 99),
            at(adapter, 99) / at(plain, 99),
        );
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    sessions().await?;
    let emulator = ministack::start()?;
    let config = sdk(&emulator).await;
    objects(&config).await?;
    mail(&config).await?;
    realtime(&config).await
}

async fn sdk(emulator: &Running) -> SdkConfig {
    let credentials = Credentials::new("111111111111", "test", None, None, "example");
    let config = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(REGION));
    config.endpoint_url(emulator.url().as_str()).credentials_provider(credentials).load().await
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Loads and touches. The plain client sends the same commands and takes the answers as they are.
async fn sessions() -> Outcome<()> {
    const COUNT: usize = 1_000;
    let id = |number: usize| SessionId::new(format!("session-{:024}", number % COUNT));
    let server = own_redis::start(&own_redis::Options::default())?;
    let settings = RedisSettings {
        host: server.url().host_str().unwrap_or_default().to_owned(),
        port: server.url().port().unwrap_or_default(),
        password: None,
        database: 0,
        tls: false,
        tls_root_cert: None,
        connect_timeout: Duration::from_secs(5),
        command_timeout: Duration::from_secs(5),
    };
    let store = RedisSessionStore::new(&settings, clock())?;
    let raw = redis::Client::open(server.url().clone())?.get_multiplexed_async_connection().await?;
    let now = SystemClock.now();
    let extra = json!({ "restaurantId": "5c0f2c9e-7f0c-4df1-9b0f-3a9a8f1b7c11", "role": "chef" });
    for number in 0..COUNT {
        let session = Session {
            id: id(number),
            user_id: Some(format!("user-{number:08}").into()),
            email: Some(format!("chef{number}@example.org")),
            created_at: now,
            last_activity: now,
            expires_at: now.plus_seconds(7 * DAY_S),
            extra: extra.as_object().cloned().unwrap_or_default(),
        };
        store.create(&session).await?;
    }
    let key = |number: usize| format!("session:{}", id(number).reveal());
    let load = async |number: usize| {
        store.load(&id(number)).await?.map(drop).ok_or_else(|| "a session is gone".into())
    };
    Pair::measure(REAL, |number| get(raw.clone(), key(number)), load).await?.print("session: load");
    let script = redis::Script::new(include_str!("../src/elasticache/scripts/touch.lua"));
    let plain = async |number: usize| {
        let ends = SystemClock.now().plus_seconds(7 * DAY_S);
        let mut call = script.key(key(number));
        call.arg(SystemClock.now().to_string()).arg(ends.to_string()).arg(ends.as_millis());
        let done: String = call.invoke_async(&mut raw.clone()).await?;
        if done == "done" { Ok(()) } else { Err(done.into()) }
    };
    let touch = async |number: usize| {
        let now = SystemClock.now();
        let was_there = store.touch(&id(number), now, now.plus_seconds(7 * DAY_S)).await?;
        if was_there { Ok(()) } else { Err("a session is gone".into()) }
    };
    Pair::measure(REAL, plain, touch).await?.print("session: touch");
    Ok(())
}

async fn get(mut raw: MultiplexedConnection, key: String) -> Outcome<()> {
    let mut commands = redis::pipe();
    commands.get(&key).cmd("PEXPIRETIME").arg(&key);
    let (record, _ends): (Option<Vec<u8>>, i64) = commands.query_async(&mut raw).await?;
    record.map(drop).ok_or_else(|| "a session is gone".into())
}

/// A picture of 100 KB is put, read and looked at.
async fn objects(config: &SdkConfig) -> Outcome<()> {
    const PICTURE: usize = 100_000;
    let picture = bytes::Bytes::from([b"\x89PNG\r\n\x1A\n".as_slice(), &[7; PICTURE]].concat());
    let client = aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(config).force_path_style(true).build(),
    );
    client.create_bucket().bucket(BUCKET).send().await?;
    let endpoint = config.endpoint_url().unwrap_or_default().parse()?;
    let settings = S3Settings { endpoint: Some(endpoint), ..S3Settings::of_bucket(BUCKET) };
    let store = S3BlobStore::open(config, &settings, clock());
    let key = |number: usize| format!("public/uploads/{}", number % 50);

    let plain = async |number: usize| {
        let put = client.put_object().bucket(BUCKET).key(key(number)).content_type("image/png");
        let put = put.metadata("visibility", "private").checksum_algorithm(ChecksumAlgorithm::Crc32);
        put.body(ByteStream::from(picture.clone())).send().await?;
        // Only this says when the object was modified, which is part of the answer of the adapter.
        client.head_object().bucket(BUCKET).key(key(number)).send().await?;
        Ok(())
    };
    let put = async |number: usize| {
        store.put(&key(number), PutBlob::new(picture.clone())).await?;
        Ok(())
    };
    Pair::measure(EMULATED, plain, put).await?.print("objects: put 100 KB (PutObject, HeadObject)");

    let plain = async |number: usize| {
        let output = client.get_object().bucket(BUCKET).key(key(number)).send().await?;
        if output.body.collect().await?.into_bytes().len() == picture.len() {
            Ok(())
        } else {
            Err("short".into())
        }
    };
    let get = async |number: usize| {
        let mut download = store.get(&key(number), None).await?;
        let mut read = 0;
        while let Some(piece) = futures_util::StreamExt::next(&mut download.body).await {
            read += piece?.len();
        }
        if read == picture.len() { Ok(()) } else { Err("short".into()) }
    };
    Pair::measure(EMULATED, plain, get).await?.print("objects: get 100 KB");

    let plain = async |number: usize| {
        client.head_object().bucket(BUCKET).key(key(number)).send().await?;
        Ok(())
    };
    let head = async |number: usize| {
        store.head(&key(number)).await?;
        Ok(())
    };
    Pair::measure(EMULATED, plain, head).await?.print("objects: head");
    Ok(())
}

/// A receipt is sent.
async fn mail(config: &SdkConfig) -> Outcome<()> {
    let client = aws_sdk_sesv2::Client::new(config);
    client.create_email_identity().email_identity(SENDER).send().await?;
    let map = [("SES_FROM_EMAIL".to_owned(), SENDER.to_owned())].into();
    let mailer = SesMailer::open(config, SesSettings::read(&mut Vars::new(&map)));
    let (html, text) = ("<p>Soup 10.00</p>".repeat(100), "Soup 10.00\n".repeat(100));

    let plain = async |_| {
        // Nobody is on the list.
        let listed = client.get_suppressed_destination().email_address("guest@example.org").send().await;
        if listed.is_ok() {
            return Err("the guest is on the list".into());
        }
        let part = |data: &str| Content::builder().data(data).charset("UTF-8").build();
        let body = Body::builder().html(part(&html)?).text(part(&text)?).build();
        let letter = Letter::builder().subject(part("Order Receipt")?).body(body).build();
        let send = client.send_email().from_email_address(SENDER);
        let send = send.destination(Destination::builder().to_addresses("guest@example.org").build());
        send.content(EmailContent::builder().simple(letter).build()).send().await?;
        Ok(())
    };
    let send = async |number: usize| {
        let mail = Mail {
            id: MailId::new(format!("receipt/{number}")).ok_or("an id")?,
            kind: MailKind::Receipt,
            to: "guest@example.org".to_owned(),
            reply_to: None,
            subject: "Order Receipt".to_owned(),
            html: html.clone(),
            text: text.clone(),
        };
        mailer.send(&mail).await?;
        Ok(())
    };
    Pair::measure(EMULATED, plain, send).await?.print("mail: send (GetSuppressedDestination, SendEmail)");
    Ok(())
}

/// The audience of an event is found: one of three hundred connections, of another restaurant than is told.
async fn realtime(config: &SdkConfig) -> Outcome<()> {
    let settings = ApiGatewaySettings { table: TABLE.to_owned(), ..ApiGatewaySettings::default() };
    ConnectionsTable::new(config, &settings).create().await?;
    let notifier = ApiGatewayNotifier::open(config, settings, clock());
    let client = aws_sdk_dynamodb::Client::new(config);
    for number in 0..300 {
        let connection = Connection {
            id: ConnectionId::new(format!("connection-{number}=")),
            restaurant: format!("restaurant-{}", number % 10).into(),
            role: Role::Customer { session: Some(format!("tracking-{number}")) },
            connected_at: SystemClock.now(),
            outlet: Outlet::Gateway {
                endpoint: format!("https://abcdefghij.execute-api.{REGION}.amazonaws.com/live"),
            },
        };
        notifier.connect(&connection).await?;
    }
    // The very requests of the adapter: another expression would be other work for the server.
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let plain = async |_| {
        let now = SystemClock.now();
        let current = "(#ttl > :now OR (attribute_not_exists(#ttl) AND #at > :oldest))";
        let query = client.query().table_name(TABLE).index_name("restaurantId-index");
        let query = query
            .key_condition_expression("#restaurant = :restaurant")
            .filter_expression(format!("#role = :role AND {current} AND #more = :more"))
            .projection_expression("#id, #endpoint, #at")
            .expression_attribute_names("#restaurant", "restaurantId")
            .expression_attribute_names("#role", "role")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_names("#at", "connectedAt")
            .expression_attribute_names("#more", "customerSessionId")
            .expression_attribute_names("#id", "connectionId")
            .expression_attribute_names("#endpoint", "endpoint")
            .expression_attribute_values(":restaurant", text("nobody"))
            .expression_attribute_values(":role", text("customer"))
            .expression_attribute_values(":more", text("tracking-1"))
            .expression_attribute_values(":now", AttributeValue::N(now.as_seconds().to_string()))
            .expression_attribute_values(":oldest", text(&now.plus_seconds(-LIFETIME_S).to_string()));
        let room = client.get_item().table_name(TABLE).consistent_read(true);
        let room = room.projection_expression("#members").expression_attribute_names("#members", "members");
        let room = room.set_key(Some(HashMap::from([("connectionId".to_owned(), text("room"))])));
        let (query, room) = tokio::join!(query.send(), room.send());
        query?;
        room?;
        Ok(())
    };
    let audience = Audience::Customer { restaurant: "nobody".into(), session: "tracking-1".to_owned() };
    let publish = async |number: usize| {
        let message = Message { id: format!("event-{number}"), json: Arc::from("{}") };
        notifier.publish(&audience, &message).await?;
        Ok(())
    };
    Pair::measure(EMULATED, plain, publish).await?.print("realtime: find an audience (query and room)");
    Ok(())
}
