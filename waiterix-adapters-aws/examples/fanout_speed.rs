//! Measures what one event costs: telling 1,000 and 10,000 connections, beside a plain client that signs and posts the
//! same requests; the memory for it; and selecting an audience from a table of 100,000 connections.
//!
//! The gateway is a small server in a process of its own. While posting is measured it also answers for the table, with
//! pages written beforehand, because an emulator would need longer for a page than for posting it. What selecting costs is
//! measured on dynalite. Each measurement is a process of its own, so that the highest memory it ever had is its own.
//!
//! ```console
//! cargo run --release -p waiterix-adapters-aws --example fanout_speed
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, ReturnConsumedCapacity, WriteRequest};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use tokio::net::TcpListener;
use waiterix_adapters_aws::apigateway::{ApiGatewayNotifier, ApiGatewaySettings, ConnectionsTable, Endpoint};
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::{Clock as _, Message, Notifier as _, SystemClock};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const REGION: &str = "eu-central-1";
const PARALLEL: usize = 64;
/// Connections altogether, and of the restaurants that are told something.
const ALL: usize = 100_000;
const AUDIENCES: [(&str, usize); 3] = [("small", 20), ("middle", 1_000), ("large", 10_000)];
/// An order with a few dishes as chefs are told it.
const EVENT_BYTES: usize = 1_500;
/// The least that a measurement tells.
const POSTS: usize = 20_000;

fn credentials() -> Credentials {
    Credentials::new("measurer", "not a secret", None, None, "example")
}

async fn sdk(server: &str) -> SdkConfig {
    let config = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(REGION));
    config.endpoint_url(server).credentials_provider(credentials()).load().await
}

fn settings(address: &str) -> Outcome<ApiGatewaySettings> {
    let endpoint = Some(Endpoint::parse(&format!("{address}/stage")).ok_or("an address of the gateway")?);
    Ok(ApiGatewaySettings { endpoint, deadline: Duration::from_secs(60), ..ApiGatewaySettings::default() })
}

fn event() -> Message {
    Message { id: "event".to_owned(), json: Arc::from("x".repeat(EVENT_BYTES)) }
}

fn id(restaurant: &str, number: usize) -> String {
    format!("{restaurant}-{number:06}=")
}

/// A page of the index is at most this large.
const PAGE_BYTES: usize = 1024 * 1024;
/// What an item of ours takes in it.
const ITEM_BYTES: usize = 330;
const ITEMS_PER_PAGE: usize = PAGE_BYTES / ITEM_BYTES;

/// The pages of the index for each audience, as DynamoDB writes them.
fn pages() -> HashMap<String, Vec<Bytes>> {
    let at = SystemClock.now().plus_seconds(-60);
    let shown = |restaurant: &str, number: usize| {
        let names = ["connectionId", "endpoint", "connectedAt"];
        let item = item(restaurant, number, at);
        let text = |name: &str| item[name].as_s().map(String::as_str).unwrap_or_default();
        let shown: serde_json::Map<String, serde_json::Value> =
            names.iter().map(|name| ((*name).to_owned(), json!({"S": text(name)}))).collect();
        serde_json::Value::Object(shown)
    };
    let of_restaurant = |(restaurant, count): (&str, usize)| {
        let starts: Vec<usize> = (0..count).step_by(ITEMS_PER_PAGE).collect();
        let pages = starts.iter().map(|first| {
            let end = count.min(first + ITEMS_PER_PAGE);
            let items: Vec<_> = (*first..end).map(|number| shown(restaurant, number)).collect();
            let mut page = json!({"Count": items.len(), "Items": items});
            if end < count {
                page["LastEvaluatedKey"] = json!({"connectionId": {"S": end.to_string()}});
            }
            Bytes::from(page.to_string())
        });
        (restaurant.to_owned(), pages.collect())
    };
    AUDIENCES.into_iter().map(of_restaurant).collect()
}

/// The gateway takes everything, and the table answers two questions.
async fn gateway() -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    let pages = Arc::new(pages());
    let table = move |headers: HeaderMap, body: Bytes| async move {
        let empty = Bytes::from_static(b"{}");
        let is_query =
            headers.get("x-amz-target").is_some_and(|target| target.as_bytes().ends_with(b".Query"));
        if !is_query {
            return empty;
        }
        let question: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let restaurant =
            question["ExpressionAttributeValues"][":restaurant"]["S"].as_str().unwrap_or_default();
        let from = question["ExclusiveStartKey"]["connectionId"]["S"].as_str().and_then(|n| n.parse().ok());
        let pages = pages.get(restaurant).map(Vec::as_slice).unwrap_or_default();
        let place = from.unwrap_or(0usize).div_ceil(ITEMS_PER_PAGE);
        pages.get(place).cloned().unwrap_or(empty)
    };
    let app = Router::new().route("/", post(table)).fallback(|body: Bytes| async move { drop(body) });
    Ok(axum::serve(listener, app).await?)
}

/// Tells an audience by the adapter until enough was posted; answers posts per second.
async fn by_adapter(address: &str, restaurant: &str, count: usize) -> Outcome<f64> {
    let notifier = ApiGatewayNotifier::open(&sdk(address).await, settings(address)?, Arc::new(SystemClock));
    let audience = Audience::Chefs(restaurant.into());
    notifier.publish(&audience, &event()).await?;
    let (begun, rounds) = (Instant::now(), POSTS.div_ceil(count));
    for _ in 0..rounds {
        let delivery = notifier.publish(&audience, &event()).await?;
        assert_eq!(delivery.delivered as usize, count, "everybody is there");
    }
    Ok((rounds * count) as f64 / begun.elapsed().as_secs_f64())
}

/// Signs and posts the same requests by a plain client, to connections it knows already.
async fn by_plain_client(address: &str, restaurant: &str, count: usize) -> Outcome<f64> {
    // Harmless when another part of the process has installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let identity = credentials().into();
    let event = event();
    let one = |number: usize| {
        let (client, identity, event) = (&client, &identity, &event);
        let url = format!("{address}/stage/@connections/{}", id(restaurant, number).replace('=', "%3D"));
        async move {
            let params = v4::SigningParams::builder()
                .identity(identity)
                .region(REGION)
                .name("execute-api")
                .time(SystemTime::UNIX_EPOCH + Duration::from_secs(SystemClock.now().as_seconds() as u64))
                .settings(SigningSettings::default())
                .build()?
                .into();
            let body = event.json.as_bytes();
            let headers = [("content-type", "application/octet-stream")];
            let request = SignableRequest::new("POST", &url, headers.into_iter(), SignableBody::Bytes(body))?;
            let (instructions, _) = sign(request, &params)?.into_parts();
            let mut request = client.post(&url).header(headers[0].0, headers[0].1).body(body.to_vec());
            for (name, value) in instructions.headers() {
                request = request.header(name, value);
            }
            request.send().await?.error_for_status()?.bytes().await?;
            Outcome::Ok(())
        }
    };
    let rounds = POSTS.div_ceil(count);
    let mut begun = Instant::now();
    // The first round makes the connections and is not counted.
    for round in 0..=rounds {
        if round == 1 {
            begun = Instant::now();
        }
        stream::iter((0..count).map(one)).buffer_unordered(PARALLEL).try_collect::<Vec<()>>().await?;
    }
    Ok((rounds * count) as f64 / begun.elapsed().as_secs_f64())
}

fn item(restaurant: &str, number: usize, at: Timestamp) -> HashMap<String, AttributeValue> {
    let text = |value: String| AttributeValue::S(value);
    HashMap::from([
        ("connectionId".to_owned(), text(id(restaurant, number))),
        ("restaurantId".to_owned(), text(restaurant.to_owned())),
        ("role".to_owned(), text("chef".to_owned())),
        ("connectedAt".to_owned(), text(at.to_string())),
        ("endpoint".to_owned(), text(format!("https://abcdefghij.execute-api.{REGION}.amazonaws.com/live"))),
        ("userId".to_owned(), text(format!("owner of {restaurant}"))),
        ("ttl".to_owned(), AttributeValue::N((at.as_seconds() + 7800).to_string())),
    ])
}

async fn fill(client: &Client, table: &str) -> Outcome<()> {
    let at = SystemClock.now().plus_seconds(-60);
    let told = AUDIENCES.into_iter().flat_map(|(name, count)| (0..count).map(move |n| item(name, n, at)));
    let spoken_for: usize = AUDIENCES.iter().map(|(_, count)| count).sum();
    let others = (spoken_for..ALL).map(|n| item(&format!("other {}", n % 2_000), n, at));
    let writes = told.chain(others).map(|item| {
        let put = PutRequest::builder().set_item(Some(item)).build()?;
        Ok::<_, aws_sdk_dynamodb::error::BuildError>(WriteRequest::builder().put_request(put).build())
    });
    let batches = stream::iter(writes).try_chunks(25).map(|batch| async move {
        let mut left = HashMap::from([(table.to_owned(), batch?)]);
        while !left.is_empty() {
            let output = client.batch_write_item().set_request_items(Some(left)).send().await?;
            left = output.unprocessed_items.unwrap_or_default();
        }
        Outcome::Ok(())
    });
    batches.buffer_unordered(4).try_collect::<Vec<()>>().await?;
    Ok(())
}

/// What selecting the chefs of a restaurant costs: requests, units of capacity, items, time.
async fn selection(client: &Client, table: &str, restaurant: &str) -> Outcome<(u32, f64, usize, Duration)> {
    let (mut requests, mut units, mut items, mut from) = (0, 0.0, 0, None);
    let begun = Instant::now();
    loop {
        let query = client
            .query()
            .table_name(table)
            .index_name("restaurantId-index")
            .key_condition_expression("restaurantId = :r")
            .filter_expression("#role = :chef")
            .expression_attribute_names("#role", "role")
            .expression_attribute_values(":r", AttributeValue::S(restaurant.to_owned()))
            .expression_attribute_values(":chef", AttributeValue::S("chef".to_owned()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let page = query.set_exclusive_start_key(from).send().await?;
        requests += 1;
        units += page
            .consumed_capacity()
            .and_then(aws_sdk_dynamodb::types::ConsumedCapacity::capacity_units)
            .unwrap_or_default();
        items += page.items().len();
        from = page.last_evaluated_key;
        if from.is_none() {
            return Ok((requests, units, items, begun.elapsed()));
        }
    }
}

/// The most memory this process ever had, in MiB.
fn highest_mib() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse::<f64>()? / 1024.0)
}

/// This program again, with other words; answers it and the first line it says.
fn again(words: &[&str]) -> Outcome<(Child, String)> {
    let mut child = Command::new(std::env::current_exe()?).args(words).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    Ok((child, line.trim().to_owned()))
}

/// Ends a server whatever happens.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measure_posting(out: &mut impl std::io::Write) -> Outcome<()> {
    let (server, address) = again(&["gateway"])?;
    let _server = Server(server);
    writeln!(out, "Posting to the gateway, {PARALLEL} at once:\n")?;
    writeln!(out, "| connections | client | posts/s | of the plain client | highest memory |")?;
    writeln!(out, "|---|---|---|---|---|")?;
    for (restaurant, count) in AUDIENCES.into_iter().skip(1) {
        let mut plain = f64::NAN;
        for name in ["plain", "adapter"] {
            let (mut child, line) = again(&[name, &address, restaurant, &count.to_string()])?;
            child.wait()?;
            let (rate, mib) = line.split_once(' ').ok_or("no measurement")?;
            let (rate, mib): (f64, f64) = (rate.parse()?, mib.parse()?);
            if name == "plain" {
                plain = rate;
            }
            let share = rate / plain;
            writeln!(out, "| {count} | {name} | {rate:.0} | {share:.2} | {mib:.0} MiB |")?;
        }
    }
    Ok(())
}

async fn measure_selecting(out: &mut impl std::io::Write) -> Outcome<()> {
    let dynalite = tokio::task::spawn_blocking(waiterix_backends::dynalite::start).await??;
    let (config, settings) = (sdk(dynalite.url().as_str()).await, ApiGatewaySettings::default());
    ConnectionsTable::new(&config, &settings).create().await?;
    let client = Client::new(&config);
    fill(&client, &settings.table).await?;
    writeln!(out, "\nSelecting an audience from {ALL} connections:\n")?;
    writeln!(out, "| chefs | requests | capacity units | time |")?;
    writeln!(out, "|---|---|---|---|")?;
    for (restaurant, count) in AUDIENCES {
        selection(&client, &settings.table, restaurant).await?;
        let (requests, units, items, time) = selection(&client, &settings.table, restaurant).await?;
        // dynalite passes over an item now and then where a page of 1 MB ends.
        assert!(items.abs_diff(count) < requests as usize, "{items} of {count} are found");
        writeln!(out, "| {count} | {requests} | {units} | {:.1} ms |", time.as_secs_f64() * 1000.0)?;
    }
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let rate = match words.as_slice() {
        ["gateway"] => return gateway().await,
        ["adapter", address, restaurant, count] => by_adapter(address, restaurant, count.parse()?).await?,
        ["plain", address, restaurant, count] => by_plain_client(address, restaurant, count.parse()?).await?,
        _ => {
            let mut out = std::io::stdout();
            measure_posting(&mut out)?;
            return measure_selecting(&mut out).await;
        }
    };
    writeln!(std::io::stdout(), "{rate} {}", highest_mib()?)?;
    Ok(())
}
