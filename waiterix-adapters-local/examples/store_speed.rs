//! Measures the SQLite store: menu reads and orders per second with sixteen callers at once, and the memory used.
//!
//! ```console
//! cargo run --release -p waiterix-adapters-local --example store_speed
//! ```

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use waiterix_adapters_local::sqlite::SqliteStore;
use waiterix_domain::id::{MenuItemId, OrderId};
use waiterix_domain::schema::{
    Entity, IdempotencyKey, MenuItem, Order, OrderItem, Restaurant, RestaurantTable, User,
};
use waiterix_domain::value::{Kind, Value};
use waiterix_domain::{Amount, ChangeSet, CommitId, Requirement, Timestamp};
use waiterix_ports::{Clock, Reads, Store, SystemClock};

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

async fn seed(store: &SqliteStore) -> Outcome<Vec<MenuItem>> {
    let restaurant: Restaurant = row("restaurant", &[("user_id", "owner")])?;
    let table: RestaurantTable = row("table", &[("restaurant_id", "restaurant")])?;
    let dishes = (0..DISHES).map(|n| row(&uuid("d", n), &[("restaurant_id", "restaurant")]));
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
async fn order(store: &SqliteStore, dishes: &[MenuItem], number: u64) -> Outcome<()> {
    let id = uuid("a", number);
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

/// The resident memory of this process in MiB, where the system tells it.
fn resident_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

#[allow(clippy::print_stdout, reason = "it reports to the one who runs it")]
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Arc::new(SqliteStore::open(folder.path().join("waiterix.db"), clock).await?);
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
    println!(
        "menus of {DISHES} dishes: {menus:.0}/s, resident {:.1} MiB",
        resident_mib().unwrap_or(f64::NAN)
    );

    let (writer, known) = (store.clone(), dishes.clone());
    let orders = rate(move |number| {
        let (store, dishes) = (writer.clone(), known.clone());
        async move { order(&store, &dishes, number).await }
    })
    .await?;
    println!("orders of 3 dishes:  {orders:.0}/s, resident {:.1} MiB", resident_mib().unwrap_or(f64::NAN));

    let last = OrderId::new(uuid("a", 0));
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
    println!("order views:         {views:.0}/s, resident {:.1} MiB", resident_mib().unwrap_or(f64::NAN));
    store.close().await;
    Ok(())
}
