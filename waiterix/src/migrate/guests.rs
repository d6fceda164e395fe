//! How long guests wait, as somebody sees who asks like one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use reqwest::{Client, redirect};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use url::Url;
use waiterix_migration::rows::Latency;

const NAME: &str = "WAITERIX_GUESTS_URL";
/// How often it is asked.
const EVERY: Duration = Duration::from_millis(500);
/// Whoever waits longer has gone.
const LATE: Duration = Duration::from_secs(5);

/// Asks an address of the service now and then, once somebody wants to know. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Guests {
    url: Option<Url>,
    asked: Arc<OnceCell<Arc<Waits>>>,
}

/// The last two waits in microseconds: one alone may have been lucky.
#[derive(Debug, Default)]
struct Waits([AtomicU64; 2]);

impl Waits {
    fn add(&self, wait: Duration) {
        let last = self.0[0].swap(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.0[1].store(last, Ordering::Relaxed);
    }

    fn longest(&self) -> Duration {
        let [last, before] = &self.0;
        Duration::from_micros(last.load(Ordering::Relaxed).max(before.load(Ordering::Relaxed)))
    }
}

impl Guests {
    /// At an address that answers as fast as guests are answered: a menu rather than `/health`.
    pub(super) fn at(url: Option<Url>) -> Self {
        Self { url, asked: Arc::default() }
    }

    /// How long they wait, from now on until this is dropped; nobody knows where no address is set.
    pub(super) async fn latency(&self) -> Result<Latency, String> {
        let Some(url) = &self.url else { return Ok(Arc::new(|| None)) };
        let waits = self.asked.get_or_try_init(|| begin(url)).await?.clone();
        Ok(Arc::new(move || Some(waits.longest())))
    }
}

/// Asks once, and goes on asking if that is answered.
async fn begin(url: &Url) -> Result<Arc<Waits>, String> {
    // Harmless when another part of the process has installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().timeout(LATE).redirect(redirect::Policy::none()).build();
    let client = client.map_err(|error| format!("{NAME}: {error}"))?;
    let first = asked(&client, url).await.map_err(|fault| {
        format!("{NAME} must be an address of the service that answers 200 to a GET, as a menu does: {fault}")
    })?;
    let waits = Arc::new(Waits::default());
    waits.add(first);
    tokio::spawn(go_on(client, url.clone(), Arc::downgrade(&waits)));
    Ok(waits)
}

async fn go_on(client: Client, url: Url, waits: Weak<Waits>) {
    loop {
        tokio::time::sleep(EVERY).await;
        // A service that refuses or is silent has enough to do.
        let wait = asked(&client, &url).await.unwrap_or(LATE);
        let Some(waits) = waits.upgrade() else { return };
        waits.add(wait);
    }
}

/// How long a whole answer took.
async fn asked(client: &Client, url: &Url) -> Result<Duration, String> {
    let begun = Instant::now();
    let said = |error: reqwest::Error| error.without_url().to_string();
    let answer = client.get(url.clone()).send().await.map_err(said)?;
    let status = answer.status();
    answer.bytes().await.map_err(said)?;
    if status.is_success() { Ok(begun.elapsed()) } else { Err(format!("it answers {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_one_of_the_last_two_waits_counts() {
        let waits = Waits::default();
        let longest = |millis| {
            waits.add(Duration::from_millis(millis));
            waits.longest().as_millis()
        };
        assert_eq!([longest(20), longest(7), longest(300), longest(8), longest(9)], [20, 20, 300, 300, 9]);
    }
}
