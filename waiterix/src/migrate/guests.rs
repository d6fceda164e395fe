//! How long guests wait, as somebody sees who asks like one.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, redirect};
use tokio::sync::{OnceCell, watch};
use tokio::time::Instant;
use url::Url;
use waiterix_migration::rows::Latency;

const NAME: &str = "WAITERIX_GUESTS_URL";
/// How often it is asked.
const EVERY: Duration = Duration::from_millis(500);
/// Whoever waits longer has gone.
const LATE: Duration = Duration::from_secs(5);

/// The last two waits: one alone may have been lucky.
type Waits = [Duration; 2];

/// Asks an address of the service now and then, once somebody wants to know. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Guests {
    url: Option<Url>,
    asked: Arc<OnceCell<watch::Receiver<Waits>>>,
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
        Ok(Arc::new(move || waits.borrow().iter().max().copied()))
    }
}

/// Asks once, and goes on asking if that is answered.
async fn begin(url: &Url) -> Result<watch::Receiver<Waits>, String> {
    // Harmless when another part of the process has installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().timeout(LATE).redirect(redirect::Policy::none()).build();
    let client = client.map_err(|error| format!("{NAME}: {error}"))?;
    let first = asked(&client, url).await.map_err(|fault| {
        format!("{NAME} must be an address of the service that answers 200 to a GET, as a menu does: {fault}")
    })?;
    let (sender, waits) = watch::channel([first, Duration::ZERO]);
    tokio::spawn(go_on(client, url.clone(), sender));
    Ok(waits)
}

async fn go_on(client: Client, url: Url, waits: watch::Sender<Waits>) {
    while !waits.is_closed() {
        tokio::time::sleep(EVERY).await;
        // A service that refuses or is silent has enough to do.
        let wait = asked(&client, &url).await.unwrap_or(LATE);
        waits.send_modify(|waits| *waits = [wait, waits[0]]);
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::get;

    use super::*;

    /// A service whose answers to `/menu` are these in turn, the last one ever after.
    async fn service<const N: usize>(answers: [StatusCode; N]) -> Url {
        let count = Arc::new(AtomicUsize::new(0));
        let next = move || {
            let place = count.fetch_add(1, Ordering::Relaxed).min(N - 1);
            std::future::ready(answers[place])
        };
        let router = Router::new().route("/menu", get(next));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/menu", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        url.parse().unwrap()
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_as_guests_are_answered_is_refused_by_name() {
        for status in [StatusCode::NOT_FOUND, StatusCode::FOUND, StatusCode::SERVICE_UNAVAILABLE] {
            let refused = Guests::at(Some(service([status, StatusCode::OK]).await)).latency().await;
            let Err(said) = refused else { unreachable!("{status} was taken for an answer") };
            assert!(said.starts_with(NAME) && said.contains(status.as_str()), "{said}");
        }
        let nobody =
            Guests::at(Some("http://127.0.0.1:1/menu?token=secret".parse().unwrap())).latency().await;
        let Err(said) = nobody else { unreachable!("nobody answers there") };
        assert!(said.starts_with(NAME) && !said.contains("secret"), "{said}");
    }

    #[tokio::test]
    async fn without_an_address_nobody_knows_how_long_guests_wait() {
        assert_eq!(Guests::default().latency().await.unwrap()(), None);
    }

    #[tokio::test]
    async fn guests_who_are_refused_later_count_as_gone_until_two_of_them_are_answered_again() {
        let (ok, down) = (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE);
        let guests = Guests::at(Some(service([ok, down, ok]).await));
        let latency = guests.latency().await.unwrap();
        assert!(latency().is_some_and(|wait| wait < LATE), "{:?}", latency());
        let mut waits = guests.asked.get().unwrap().clone();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            waits.changed().await.unwrap();
            waits.borrow_and_update();
            seen.push(latency() == Some(LATE));
        }
        assert_eq!(seen, [true, true, false], "refused, the longer one of two, answered twice");
    }
}
