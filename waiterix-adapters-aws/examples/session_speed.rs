//! Measures sessions in Redis: loads and touches per second with sixteen callers at once, beside what the client library
//! does in the same run with a plain `GET` and `EXPIRE`.
//!
//! ```console
//! cargo run --release -p waiterix-adapters-aws --example session_speed
//! ```
//!
//! It starts a Redis of its own. The four take turns, second by second, so that whatever else the machine does meets them
//! alike.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use serde_json::json;
use waiterix_adapters_aws::elasticache::{RedisSessionStore, RedisSettings};
use waiterix_backends::redis::{Options, start};
use waiterix_domain::Timestamp;
use waiterix_ports::{Clock, Session, SessionId, SessionStore, SystemClock};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const CALLERS: usize = 16;
const SESSIONS: usize = 1_000;
const ROUNDS: usize = 5;
const TURN: Duration = Duration::from_secs(1);
const DAY_S: i64 = 86_400;

fn id(number: usize) -> SessionId {
    SessionId::new(format!("session-{number:024}"))
}

fn session(number: usize, now: Timestamp) -> Session {
    let extra = json!({ "restaurantId": format!("{number:032x}"), "role": "chef",
        "metadata": { "device": "tablet at the pass", "language": "en" } });
    Session {
        id: id(number),
        user_id: Some(format!("user-{:08}", number / 4).into()),
        email: Some(format!("chef{number}@example.org")),
        created_at: now,
        last_activity: now,
        expires_at: now.plus_seconds(7 * DAY_S),
        extra: extra.as_object().cloned().unwrap_or_default(),
    }
}

/// How long each call took, in one line of the table.
struct Line {
    what: &'static str,
    took: Vec<Duration>,
}

impl Line {
    fn new(what: &'static str) -> Self {
        Self { what, took: Vec::new() }
    }

    /// Has every caller make calls, one after the other, for one turn.
    async fn turn<F: Future<Output = Outcome<()>> + Send>(
        &mut self,
        call: impl Fn(usize) -> F + Clone + Send + 'static,
    ) -> Outcome<()> {
        let until = Instant::now() + TURN;
        let mut callers = Vec::new();
        for caller in 0..CALLERS {
            let call = call.clone();
            callers.push(tokio::spawn(async move {
                let mut took = Vec::new();
                let mut number = caller;
                while Instant::now() < until {
                    // A step that meets every session.
                    number = (number + 7 * CALLERS + 1) % SESSIONS;
                    let begun = Instant::now();
                    call(number).await?;
                    took.push(begun.elapsed());
                }
                Outcome::Ok(took)
            }));
        }
        for caller in callers {
            self.took.extend(caller.await??);
        }
        Ok(())
    }

    #[allow(clippy::print_stdout, reason = "this is what it is for")]
    fn print(&mut self) {
        self.took.sort_unstable();
        let at = |percent: usize| self.took[(self.took.len() - 1) * percent / 100].as_micros();
        let per_second = self.took.len() as f64 / (ROUNDS as f64 * TURN.as_secs_f64());
        println!("{:<24} {per_second:>9.0} /s   p50 {:>6} µs   p99 {:>6} µs", self.what, at(50), at(99));
    }
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "this is what it is for")]
async fn main() -> Outcome<()> {
    let server = start(&Options::default())?;
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
    let store = Arc::new(RedisSessionStore::new(&settings, Arc::new(SystemClock))?);
    let raw = redis::Client::open(server.url().clone())?.get_multiplexed_async_connection().await?;
    let now = SystemClock.now();
    for number in 0..SESSIONS {
        store.create(&session(number, now)).await?;
    }

    let (mut raw_get, mut load) = (Line::new("GET, client library"), Line::new("load"));
    let (mut raw_expire, mut touch) = (Line::new("EXPIRE, client library"), Line::new("touch"));
    for _ in 0..ROUNDS {
        raw_get.turn(plain(raw.clone(), get)).await?;
        let loading = store.clone();
        load.turn(move |number| {
            let store = loading.clone();
            async move { store.load(&id(number)).await?.map(drop).ok_or_else(|| "a session is gone".into()) }
        })
        .await?;
        raw_expire.turn(plain(raw.clone(), expire)).await?;
        let touching = store.clone();
        touch
            .turn(move |number| {
                let store = touching.clone();
                async move {
                    let now = SystemClock.now();
                    let was_there = store.touch(&id(number), now, now.plus_seconds(7 * DAY_S)).await?;
                    if was_there { Ok(()) } else { Err("a session is gone".into()) }
                }
            })
            .await?;
    }
    println!("{CALLERS} callers, {SESSIONS} sessions, {ROUNDS} turns of {} s each", TURN.as_secs());
    for line in [&mut raw_get, &mut load, &mut raw_expire, &mut touch] {
        line.print();
    }
    Ok(())
}

/// A call of the client library alone.
fn plain<F: Future<Output = Outcome<()>>>(
    raw: MultiplexedConnection,
    call: fn(MultiplexedConnection, String) -> F,
) -> impl Fn(usize) -> F + Clone {
    move |number| call(raw.clone(), format!("session:{}", id(number).reveal()))
}

async fn get(mut raw: MultiplexedConnection, key: String) -> Outcome<()> {
    let record: Option<Vec<u8>> = redis::cmd("GET").arg(key).query_async(&mut raw).await?;
    record.map(drop).ok_or_else(|| "a session is gone".into())
}

async fn expire(mut raw: MultiplexedConnection, key: String) -> Outcome<()> {
    let was_there: bool = redis::cmd("EXPIRE").arg(key).arg(7 * DAY_S).query_async(&mut raw).await?;
    if was_there { Ok(()) } else { Err("a session is gone".into()) }
}
