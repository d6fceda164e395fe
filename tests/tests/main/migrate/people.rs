//! People who use the service while everything dies around them, and what they were promised.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use waiterix_ports::moving::{Mode, RowSide as _, Standing};
use waiterix_postgres::moving::PostgresSide;
use waiterix_tests::client::{code_in, http_client};
use waiterix_tests::psql::{Psql, Told};

use crate::migrate::house::Door;

/// The end of the evening, for which everybody looks.
pub(crate) type Evening = watch::Receiver<bool>;

/// Waits for a moment or until everybody goes; whether the evening goes on.
async fn goes_on(evening: &mut Evening, pause: Duration) -> bool {
    tokio::time::timeout(pause, evening.wait_for(|over| *over)).await.is_err()
}

/// What somebody was answered.
struct Answer {
    status: StatusCode,
    body: Value,
    cookie: Option<String>,
}

/// Somebody with a browser.
#[derive(Clone)]
pub(crate) struct Person {
    door: Arc<Door>,
    http: reqwest::Client,
}

impl Person {
    pub(crate) fn new(door: &Arc<Door>) -> Self {
        let http = http_client().timeout(Duration::from_secs(20)).build().unwrap();
        Self { door: door.clone(), http }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        header: (&'static str, &str),
        body: Option<&Value>,
    ) -> reqwest::Result<Answer> {
        let url = self.door.url().join(path).unwrap();
        let mut request = self.http.request(method, url).header(header.0, header.1);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let (status, set) = (response.status(), response.headers().get("set-cookie").cloned());
        let cookie = set.and_then(|set| set.to_str().ok()?.split(';').next().map(str::to_owned));
        let body = serde_json::from_str(&response.text().await?).unwrap_or_default();
        Ok(Answer { status, body, cookie })
    }

    /// What a cookie is worth; `None` where nobody answered that.
    pub(crate) async fn is_signed_in(&self, cookie: &str) -> Option<bool> {
        let answer = self.ask(Method::GET, "/api/auth/user", ("cookie", cookie), None).await.ok()?;
        match answer.status {
            StatusCode::OK => Some(true),
            StatusCode::UNAUTHORIZED => Some(false),
            _ => None,
        }
    }
}

/// What guests were told of their orders.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    /// Ids by what was written on the order.
    pub(crate) acknowledged: BTreeMap<String, String>,
    /// How often an order was sent again because nobody had answered it.
    pub(crate) repeats: u64,
    /// Answers that nobody should have got, whatever died.
    pub(crate) wrong: Vec<String>,
}

/// Whether somebody may be told so while something is away: come again.
fn is_outage(status: StatusCode) -> bool {
    status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
}

/// Orders one meal after the other, each until it is answered: with the same key, as the web client does.
pub(crate) fn guest(person: Person, number: usize, meal: Value, mut evening: Evening) -> JoinHandle<Ordered> {
    tokio::spawn(async move {
        let mut ordered = Ordered::default();
        let mut count = 0;
        while goes_on(&mut evening, Duration::from_millis(40)).await {
            count += 1;
            let (name, mut meal) = (format!("guest-{number}-{count}"), meal.clone());
            meal["customerNote"] = json!(name);
            while !is_answered(&person, &name, &meal, &mut ordered).await {
                ordered.repeats += 1;
                if !goes_on(&mut evening, Duration::from_millis(150)).await {
                    return ordered;
                }
            }
        }
        ordered
    })
}

/// Sends an order once, and looks for it if it was acknowledged; whether it need not be sent again.
async fn is_answered(person: &Person, name: &str, meal: &Value, ordered: &mut Ordered) -> bool {
    let sent = person.ask(Method::POST, "/api/orders", ("idempotency-key", name), Some(meal)).await;
    let Some(answer) = sent.ok().filter(|answer| !is_outage(answer.status)) else { return false };
    let Some(id) = answer.body["id"].as_str().filter(|_| answer.status.is_success()) else {
        ordered.wrong.push(format!("POST of {name}: {} {}", answer.status, answer.body));
        return true;
    };
    ordered.acknowledged.insert(name.to_owned(), id.to_owned());
    // Whoever leads by now has it.
    let track = format!("/api/orders/{id}/track");
    let tracked = person.ask(Method::GET, &track, ("accept", "application/json"), None).await;
    if let Ok(tracked) = tracked
        && !tracked.status.is_success()
        && !is_outage(tracked.status)
    {
        ordered.wrong.push(format!("GET of {name}: {}", tracked.status));
    }
    true
}

/// What became of people who signed in.
#[derive(Debug, Default)]
pub(crate) struct Signed {
    /// Cookies that must be worth something.
    pub(crate) signed_in: Vec<String>,
    /// Cookies that were worth nothing any more after somebody signed out.
    pub(crate) signed_out: Vec<String>,
    pub(crate) wrong: Vec<String>,
}

/// Signs in as one person after the other, looks whether those before are signed in still, and signs some of them out.
pub(crate) fn visitors(person: Person, mail: PathBuf, seed: u64, mut evening: Evening) -> JoinHandle<Signed> {
    tokio::spawn(async move {
        let (mut signed, mut dice) = (Signed::default(), StdRng::seed_from_u64(seed));
        let mut count = 0;
        while goes_on(&mut evening, Duration::from_millis(300)).await {
            count += 1;
            let address = format!("visitor-{count}@example.org");
            if let Some(cookie) = sign_in(&person, &mail, &address, &mut evening).await {
                signed.signed_in.push(cookie);
            }
            if signed.signed_in.is_empty() {
                continue;
            }
            let at = dice.random_range(0..signed.signed_in.len());
            let cookie = signed.signed_in[at].clone();
            if person.is_signed_in(&cookie).await == Some(false) {
                signed.wrong.push(format!("one of {} was signed out", signed.signed_in.len()));
            }
            if dice.random_bool(0.2) {
                // What is answered to that does not say whether it could be done at once.
                let _ = person.ask(Method::POST, "/api/logout", ("cookie", &cookie), None).await;
                signed.signed_in.swap_remove(at);
                if person.is_signed_in(&cookie).await == Some(false) {
                    signed.signed_out.push(cookie);
                }
            }
        }
        signed
    })
}

/// A cookie, unless anything was in the way.
pub(crate) async fn sign_in(
    person: &Person,
    mail: &Path,
    address: &str,
    evening: &mut Evening,
) -> Option<String> {
    let (json, body) = (("accept", "application/json"), json!({ "email": address }));
    let asked = person.ask(Method::POST, "/api/auth/code", json, Some(&body)).await.ok()?;
    if !asked.status.is_success() {
        return None;
    }
    let mut code = None;
    for _ in 0..40 {
        code = mailed_code(mail, address);
        if code.is_some() || !goes_on(evening, Duration::from_millis(50)).await {
            break;
        }
    }
    let body = json!({ "email": address, "code": code? });
    let answer = person.ask(Method::POST, "/api/auth/code/verify", json, Some(&body)).await.ok()?;
    answer.cookie.filter(|_| answer.status == StatusCode::OK)
}

fn mailed_code(mail: &Path, address: &str) -> Option<String> {
    let texts =
        std::fs::read_dir(mail).ok()?.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    texts.filter(|text| text.contains(address)).find_map(|text| code_in(&text))
}

/// What somebody did to the old database by plain SQL: what each row may be, nothing where it may be gone. What is not known for
/// sure has more than one.
#[derive(Debug, Default)]
pub(crate) struct Foreign {
    pub(crate) rows: BTreeMap<String, Vec<Option<String>>>,
    pub(crate) done: u64,
    pub(crate) refused: u64,
    pub(crate) wrong: Vec<String>,
}

/// Writes the old database and knows of no move. Every other transaction has an old snapshot.
pub(crate) fn foreign(sql: Psql, seed: u64, mut evening: Evening) -> JoinHandle<Foreign> {
    tokio::spawn(async move {
        let (mut foreign, mut dice) = (Foreign::default(), StdRng::seed_from_u64(seed));
        let mut count: u64 = 0;
        while goes_on(&mut evening, Duration::from_millis(60)).await {
            count += 1;
            let id = format!("foreign-{}", dice.random_range(0..=count / 2));
            let value = dice.random_bool(0.7).then(|| count.to_string());
            let write = match &value {
                Some(value) => format!(
                    "INSERT INTO users (id, first_name) VALUES ('{id}', '{value}') \
                     ON CONFLICT (id) DO UPDATE SET first_name = excluded.first_name"
                ),
                None => format!("DELETE FROM users WHERE id = '{id}'"),
            };
            let isolation = if count.is_multiple_of(2) { "REPEATABLE READ" } else { "READ COMMITTED" };
            let script = format!(
                "BEGIN ISOLATION LEVEL {isolation}; SELECT count(*) FROM restaurants; {write}; COMMIT"
            );
            let asked = sql.clone();
            let told = tokio::task::spawn_blocking(move || asked.tell(&script)).await.unwrap();
            let known = foreign.rows.entry(id).or_insert_with(|| vec![None]);
            match told {
                Told::Done(_) => {
                    foreign.done += 1;
                    *known = vec![value];
                }
                Told::Refused(sqlstate) if matches!(&*sqlstate, "WX001" | "40001") => foreign.refused += 1,
                // A server that shuts down, or has just begun, says so.
                Told::Refused(sqlstate) if sqlstate.starts_with("57P") => known.push(value),
                Told::Refused(sqlstate) => foreign.wrong.push(format!("refused with {sqlstate}")),
                Told::Unknown(_) => known.push(value),
            }
        }
        foreign
    })
}

/// What was seen of both standings.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// How often both were seen.
    pub(crate) looks: u64,
    /// Moments in which both sides let everybody write.
    pub(crate) wrong: Vec<String>,
}

/// Looks all the time whether at most one side lets everybody write. They cannot be asked at one moment, so the first is asked once
/// more: if its turn is the same, its standing was the same when the other one was asked.
pub(crate) fn watch_the_sides([old, new]: [PostgresSide; 2], mut evening: Evening) -> JoinHandle<Watched> {
    tokio::spawn(async move {
        let leads = |standing: Standing| matches!(standing.mode, Mode::Open | Mode::Announced);
        let mut watched = Watched::default();
        while goes_on(&mut evening, Duration::from_millis(10)).await {
            let (Ok(Some(before)), Ok(Some(there)), Ok(Some(after))) =
                (old.standing().await, new.standing().await, old.standing().await)
            else {
                continue;
            };
            watched.looks += 1;
            if before == after && leads(before) && leads(there) {
                watched.wrong.push(format!("{before:?} and {there:?}"));
            }
        }
        watched
    })
}
