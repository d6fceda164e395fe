//! Measures the PostgreSQL store: menu reads and orders per second with sixteen callers at once, and beside it what
//! `pgbench` reaches with the same statements on the same rows; then one caller, in turn with the driver under the store,
//! which sends the same statements and looks at every value of the answer.
//!
//! ```console
//! cargo run --release -p waiterix-postgres --example postgres_speed
//! ```
//!
//! It starts a server of its own whose commits wait for the disk, or takes the one whose URL is its argument.

use std::error::Error;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection as _, Row as _, ValueRef as _};
use url::Url;
use waiterix_backends::postgres::{self, Options};
use waiterix_domain::id::{MenuItemId, OrderId};
use waiterix_domain::schema::{
    Entity, IdempotencyKey, MenuItem, Order, OrderItem, Restaurant, RestaurantTable, User,
};
use waiterix_domain::value::{Kind, Value};
use waiterix_domain::{Amount, ChangeSet, CommitId, Requirement, Secret, Timestamp};
use waiterix_ports::{Reads, Store, SystemClock};
use waiterix_postgres::PostgresStore;
use waiterix_postgres::connect::{Database, FixedPassword};
use waiterix_postgres::testing::{Scratch, settings};

/// As the service has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const CALLERS: u64 = 16;
const DISHES: u64 = 50;
const RUN: Duration = Duration::from_secs(5);

/// A row with plausible values in every column.
fn row<R: Entity>(id: &str, references: &[(&str, &str)]) -> Outcome<R> {
    let values = R::COLUMNS.iter().map(|column| {
        let reference = references.iter().find(|(name, _)| *name == column.name);
        match (column.name, reference, column.kind) {
            ("id", ..) => Value::Text(id.to_owned()),
            (_, Some((_, parent)), _) => Value::Text((*parent).to_owned()),
            _ if column.references.is_some() && column.nullable => Value::Null,
            ("description", None, _) => {
                Value::Text("Roasted slowly, served with what the garden gives.".repeat(2))
            }
            ("image_url", None, _) => Value::Text(format!("public/uploads/{id}")),
            ("email" | "stripe_payment_intent_id", ..) => Value::Null,
            (name, None, Kind::Text) => Value::Text(format!("{name} of {id}")),
            (_, None, Kind::Bool) => Value::Bool(true),
            (_, None, Kind::Int) => Value::Int(1),
            (_, None, Kind::Amount) => Value::Amount(Amount::from_hundredths(1250).unwrap_or_default()),
            (_, None, Kind::Timestamp) => Value::Timestamp(Timestamp::EPOCH.plus_seconds(1_700_000_000)),
            (_, None, Kind::TextArray) => Value::TextArray(vec!["nuts".to_owned(), "milk".to_owned()]),
            (_, None, Kind::Json) => Value::Json(serde_json::json!({"foodQuality": 5})),
        }
    });
    Ok(R::from_values(values.collect())?)
}

fn uuid(kind: &str, number: u64) -> String {
    // Keys that jump about as random ones do.
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:08x}-{kind}-4000-8000-{:012x}", mixed >> 32, number)
}

fn order_id(number: u64) -> String {
    if number == 0 { "order-0".to_owned() } else { uuid("a", number) }
}

async fn seed(store: &PostgresStore) -> Outcome<Vec<MenuItem>> {
    let restaurant: Restaurant = row("restaurant", &[("user_id", "owner")])?;
    let table: RestaurantTable = row("table", &[("restaurant_id", "restaurant")])?;
    let dishes = (0..DISHES).map(|n| row(&format!("dish-{n:02}"), &[("restaurant_id", "restaurant")]));
    let dishes: Vec<MenuItem> = dishes.collect::<Outcome<_>>()?;
    let changes = ChangeSet::new(CommitId::new("seed"))
        .insert(row::<User>("owner", &[])?)
        .insert(restaurant)
        .insert(table)
        .insert_all(dishes.clone());
    store.commit(&changes).await?;
    Ok(dishes)
}

/// An order of three dishes, as the order use case commits it.
async fn order(store: &PostgresStore, dishes: &[MenuItem], number: u64) -> Outcome<()> {
    let id = order_id(number);
    let chosen: Vec<_> = (0..3).map(|n| &dishes[((number + n * 7) % DISHES) as usize]).collect();
    let keys: Vec<MenuItemId> = chosen.iter().map(|dish| dish.id.clone()).collect();
    let facts = Reads(store).order_facts(&"restaurant".into(), Some("table"), keys, None).await?;
    assert_eq!(facts.map(|facts| facts.items.len()), Some(3));
    let mut changes = ChangeSet::new(CommitId::new(uuid("c", number)))
        .insert(row::<Order>(&id, &[("restaurant_id", "restaurant"), ("table_id", "table")])?);
    for (place, dish) in chosen.iter().enumerate() {
        let references = [("order_id", id.as_str()), ("menu_item_id", dish.id.as_str())];
        changes = changes.insert(row::<OrderItem>(&uuid(&format!("b{place}"), number), &references)?);
    }
    for dish in chosen {
        changes = changes.require(Requirement::Unchanged(dish.clone().into()));
    }
    let references = [("restaurant_id", "restaurant"), ("order_id", id.as_str())];
    changes = changes.insert(row::<IdempotencyKey>(&uuid("e", number), &references)?);
    store.commit(&changes).await?;
    Ok(())
}

/// Lets sixteen callers work for a while; answers how often they did per second.
async fn rate<F, W>(work: W) -> Outcome<f64>
where
    W: Fn(u64) -> F + Send + Sync + 'static,
    F: Future<Output = Outcome<()>> + Send,
{
    let (work, next, start) = (Arc::new(work), Arc::new(AtomicU64::new(0)), Instant::now());
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (work, next) = (work.clone(), next.clone());
            tokio::spawn(async move {
                while start.elapsed() < RUN {
                    work(next.fetch_add(1, Ordering::Relaxed)).await?;
                }
                Outcome::Ok(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(next.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64())
}

/// Statements that do the same, for `pgbench`, which fills in random dishes and numbers.
const MENU: &str = include_str!("pgbench/menu.sql");
const ORDER: &str = include_str!("pgbench/order.sql");
const VIEW: &str = include_str!("pgbench/view.sql");

/// What `pgbench` reaches with a script.
fn pgbench(url: &Url, script: &str) -> Outcome<f64> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), script)?;
    let mut command = Command::new(postgres::program("pgbench")?);
    command.args(["-n", "-M", "prepared", "-j", "2", "-c", &CALLERS.to_string()]);
    command.args(["-T", &RUN.as_secs().to_string(), "-f"]).arg(file.path()).arg(url.as_str());
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned().into())
}

#[allow(clippy::print_stdout, reason = "it reports to the one who runs it")]
fn report(what: &str, ours: f64, url: &Url, script: &str) -> Outcome<()> {
    let theirs = pgbench(url, script)?;
    println!("{what}: {ours:.0}/s; pgbench {theirs:.0}/s; ratio {:.2}", ours / theirs);
    Ok(())
}

/// The values of a row, as they came.
type Kept = Vec<Option<Vec<u8>>>;

/// How often the store and the driver read in turn; the first tenth is not counted.
const TURNS: usize = 4_000;

/// What the driver alone takes for the statement of a script: sending it and keeping every value, as whoever wants to use them must.
async fn by_driver(connection: &mut PgConnection, script: &'static str) -> Outcome<Vec<Kept>> {
    let rows = sqlx::query(script.trim_end().trim_end_matches(';')).fetch_all(connection).await?;
    let kept = |row: &PgRow| -> Outcome<Kept> {
        let mut kept = Vec::with_capacity(row.len());
        for place in 0..row.len() {
            let value = row.try_get_raw(place)?;
            let bytes = if value.is_null() { None } else { Some(value.as_bytes()?.to_vec()) };
            kept.push(bytes);
        }
        Ok(kept)
    };
    rows.iter().map(kept).collect()
}

/// Has the store and the driver read in turn, and tells how long each took.
#[allow(clippy::print_stdout, reason = "it reports to the one who runs it")]
async fn in_turn<F: Future<Output = Outcome<()>>>(
    what: &str,
    url: &Url,
    script: &'static str,
    read: impl Fn() -> F,
) -> Outcome<()> {
    let mut connection = PgConnection::connect(url.as_str()).await?;
    let (mut driver, mut store) = (Vec::new(), Vec::new());
    for turn in 0..TURNS + TURNS / 10 {
        let begun = Instant::now();
        by_driver(&mut connection, script).await?;
        let between = Instant::now();
        read().await?;
        if turn >= TURNS / 10 {
            driver.push(between - begun);
            store.push(between.elapsed());
        }
    }
    connection.close().await?;
    driver.sort_unstable();
    store.sort_unstable();
    let at = |took: &[Duration], percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1e6;
    let [p50, p99] = [50, 99].map(|percent| (at(&store, percent), at(&driver, percent)));
    println!(
        "{what}, one caller: p50 {:.0} µs, driver {:.0} µs, ratio {:.2}; p99 {:.0} µs, driver {:.0} µs, ratio {:.2}",
        p50.0,
        p50.1,
        p50.0 / p50.1,
        p99.0,
        p99.1,
        p99.0 / p99.1,
    );
    Ok(())
}

/// The reads that are measured in turn with the driver.
async fn turns(store: &PostgresStore, url: &Url) -> Outcome<()> {
    // In a process that serves, some timer is always running. Without one, each new timer would wake the thread that waits for
    // the sockets, which costs more than the decoding of ten dishes.
    let ticking = tokio::spawn(async {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
        }
    });
    let (restaurant, id) = ("restaurant".into(), OrderId::new(order_id(0)));
    in_turn("menu of 50 dishes", url, MENU, || async {
        let menu = Reads(store).menu(&restaurant).await?;
        if menu.len() as u64 == DISHES { Ok(()) } else { Err("dishes are missing".into()) }
    })
    .await?;
    in_turn("order view", url, VIEW, || async {
        Reads(store).order_view(&id).await?.map(drop).ok_or_else(|| "no order".into())
    })
    .await?;
    ticking.abort();
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let (server, _running) = match std::env::args().nth(1) {
        Some(url) => (Url::parse(&url)?, None),
        None => {
            let running = postgres::start(&Options { durable: true, ..Options::default() })?;
            (running.url().clone(), Some(running))
        }
    };
    let scratch = Scratch::migrated(&server).await?;
    let mut settings = settings(&scratch.url())?;
    settings.pool_max = u32::try_from(CALLERS)?;
    let password = settings.password.clone().unwrap_or_else(|| Secret::new(""));
    let database = Database::new(settings, Arc::new(FixedPassword::new(password)), Arc::new(SystemClock))?;
    let store = Arc::new(PostgresStore::new(database, Arc::new(SystemClock)));
    let dishes = Arc::new(seed(&store).await?);

    let reader = store.clone();
    let menus = rate(move |_| {
        let store = reader.clone();
        async move {
            let menu = Reads(&*store).menu(&"restaurant".into()).await?;
            assert_eq!(menu.len() as u64, DISHES);
            Ok(())
        }
    })
    .await?;
    report("menus of 50 dishes", menus, &scratch.url(), MENU)?;

    let (writer, known) = (store.clone(), dishes.clone());
    let orders = rate(move |number| {
        let (store, dishes) = (writer.clone(), known.clone());
        async move { order(&store, &dishes, number).await }
    })
    .await?;
    report("orders of 3 dishes", orders, &scratch.url(), ORDER)?;

    let last = OrderId::new(order_id(0));
    assert_eq!(Reads(&*store).order_items(&last).await?.len(), 3);
    let reader = store.clone();
    let views = rate(move |_| {
        let (store, id) = (reader.clone(), last.clone());
        async move {
            assert!(Reads(&*store).order_view(&id).await?.is_some());
            Ok(())
        }
    })
    .await?;
    report("order views", views, &scratch.url(), VIEW)?;

    let (reader, url) = (store.clone(), scratch.url());
    tokio::spawn(async move { turns(&reader, &url).await }).await??;
    store.close(Duration::from_secs(5)).await;
    Ok(())
}
