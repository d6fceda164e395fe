//! Two databases, a service over both, and guests who order.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use url::Url;
use waiterix_backends::{Backend, given};
use waiterix_postgres::testing::{self, Scratch};
use waiterix_postgres::{connect::Database, statement};
use waiterix_tests::client::Client;
use waiterix_tests::program::{self, Program};

/// Two databases with the schema.
pub(crate) struct Ground {
    pub(crate) old: Scratch,
    pub(crate) new: Scratch,
    /// How the new one is reached, if not at its own address.
    pub(crate) way: Option<Url>,
    /// For evidence.
    pub(crate) folder: TempDir,
    /// What commands and servers are told besides.
    pub(crate) more: Vec<(&'static str, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) well: bool,
    pub(crate) output: String,
    pub(crate) complaints: String,
}

impl Ended {
    /// The output, of a command that must have succeeded.
    pub(crate) fn output(self) -> String {
        assert!(self.well, "{self:?}");
        self.output
    }

    pub(crate) fn refused_with(&self, words: &str) {
        assert!(!self.well, "it was not refused: {self:?}");
        assert!(self.complaints.contains(words), "{words:?} in {self:?}");
    }
}

impl Ground {
    pub(crate) async fn prepare() -> Option<Self> {
        let server = given(Backend::Postgres)?;
        let [old, new] =
            [Scratch::migrated(&server).await.unwrap(), Scratch::migrated(&server).await.unwrap()];
        Some(Self { old, new, way: None, folder: tempfile::tempdir().unwrap(), more: Vec::new() })
    }

    /// The variables that name both databases.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let new = self.way.clone().unwrap_or_else(|| self.new.url());
        let mut variables = vec![
            ("LEGACY_DATABASE_URL", self.old.url().to_string()),
            ("DATABASE_URL", new.to_string()),
            ("LOG_LEVEL", "warn".to_owned()),
        ];
        variables.extend(self.more.iter().cloned());
        variables
    }

    /// Runs `waiterix migrate` to its end.
    pub(crate) async fn migrate(&self, arguments: &[&str]) -> Ended {
        migrate(&self.variables(), arguments).await
    }

    /// Starts `waiterix migrate`, kills it as a power cut would as soon as it writes a line with these words, and answers whether it was
    /// killed before it ended.
    pub(crate) async fn killed_at(&self, arguments: &[&str], words: &str) -> bool {
        let mut command = Command::new(program::binary());
        command.arg("migrate").args(arguments).envs(self.variables()).stdin(Stdio::null());
        let words = words.to_owned();
        let killing = move || {
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let is_there = lines.map_while(Result::ok).any(|line| line.contains(&words));
            child.kill().unwrap();
            is_there && child.wait().unwrap().code().is_none()
        };
        tokio::task::spawn_blocking(killing).await.unwrap()
    }

    /// Starts `waiterix migrate`, kills it as a power cut would after this time, and answers whether it was killed before it ended.
    pub(crate) async fn killed_after(&self, arguments: &[&str], time: Duration) -> bool {
        let mut command = Command::new(program::binary());
        command.arg("migrate").args(arguments).envs(self.variables());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let killing = move || {
            let (mut child, begun) = (command.spawn().unwrap(), Instant::now());
            while begun.elapsed() < time && child.try_wait().unwrap().is_none() {
                std::thread::park_timeout(Duration::from_millis(5));
            }
            child.kill().unwrap();
            child.wait().unwrap().code().is_none()
        };
        tokio::task::spawn_blocking(killing).await.unwrap()
    }

    /// Starts `waiterix migrate`, kills it as a power cut would when something has come about, and answers whether it was killed before it
    /// ended.
    pub(crate) async fn killed_when(&self, arguments: &[&str], come_about: impl Future<Output = ()>) -> bool {
        let mut command = Command::new(program::binary());
        command.arg("migrate").args(arguments).envs(self.variables());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        come_about.await;
        child.kill().unwrap();
        child.wait().unwrap().code().is_none()
    }

    /// Starts `waiterix migrate` and presses Ctrl-C as soon as it writes a line with these words.
    pub(crate) async fn interrupted_at(&self, arguments: &[&str], words: &str) -> Ended {
        let mut command = Command::new(program::binary());
        command.arg("migrate").args(arguments).envs(self.variables()).stdin(Stdio::null());
        let words = words.to_owned();
        let interrupting = move || {
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            let (mut output, mut was_pressed) = (String::new(), false);
            for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
                if line.contains(&words) && !was_pressed {
                    let pid = child.id().to_string();
                    was_pressed = Command::new("kill").args(["-INT", &pid]).status().unwrap().success();
                }
                output.push_str(&line);
                output.push('\n');
            }
            Ended { well: child.wait().unwrap().success(), output, complaints: String::new() }
        };
        tokio::task::spawn_blocking(interrupting).await.unwrap()
    }

    /// What `status` says of one port.
    pub(crate) async fn status_of(&self, port: &str) -> Value {
        let said = self.migrate(&["status", "--json", "--port", port]).await.output();
        serde_json::from_str(&said).unwrap()
    }

    pub(crate) async fn status(&self) -> Value {
        serde_json::from_str(&self.migrate(&["status", "--json"]).await.output()).unwrap()
    }

    pub(crate) fn database(side: &Scratch) -> Database {
        testing::database(&side.url()).unwrap()
    }

    /// Whether anything of a move is in a database.
    pub(crate) async fn is_touched(side: &Scratch) -> bool {
        const SQL: &str = "SELECT 1 FROM pg_namespace WHERE nspname = 'waiterix_migration' \
            UNION ALL SELECT 1 FROM pg_trigger WHERE tgname LIKE 'waiterix\\_%'";
        !statement::read(&Self::database(side), SQL, &[], "test").await.unwrap().is_empty()
    }

    /// Whether the server of a database has one of that name.
    pub(crate) async fn is_database(side: &Scratch, name: &str) -> bool {
        const SQL: &str = "SELECT 1 FROM pg_database WHERE datname = $1";
        let arguments = [statement::Argument::Bound(Some(name))];
        !statement::read(&Self::database(side), SQL, &arguments, "test").await.unwrap().is_empty()
    }

    /// Runs a statement in a database, as somebody with psql would; answers the SQLSTATE of a refusal.
    pub(crate) async fn run(side: &Scratch, sql: &'static str) -> Result<(), String> {
        let done = statement::write(&Self::database(side), sql, &[], "test").await;
        done.map(drop).map_err(|refusal| refusal.sqlstate.unwrap_or_else(|| refusal.error.to_string()))
    }

    /// That a database has the orders with these ids, all of them and no others.
    pub(crate) async fn holds_exactly(&self, side: &Scratch, ids: &BTreeSet<String>) {
        let database = Self::database(side);
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let known = "SELECT 1 FROM orders WHERE id = ANY ($1::text[])";
        let known =
            statement::read(&database, known, &[statement::Argument::Texts(&ids)], "test").await.unwrap();
        let all = statement::read(&database, "SELECT 1 FROM orders", &[], "test").await.unwrap();
        assert_eq!(
            (known.len(), all.len()),
            (ids.len(), ids.len()),
            "an order is lost, or was never ordered"
        );
    }

    /// The service over these databases; everything but rows is local.
    pub(crate) fn serve(&self, data: &std::path::Path, store: &str) -> Program {
        self.serve_with(data, &[("WAITERIX_STORE", store)])
    }

    /// The service, with what it is told besides; everything that is not named is local.
    pub(crate) fn serve_with(&self, data: &std::path::Path, more: &[(&'static str, &str)]) -> Program {
        let mut variables = self.variables();
        variables.extend([
            ("FRONTEND_URL", "https://app.example.org".to_owned()),
            ("RATE_LIMITS", "false".to_owned()),
        ]);
        variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Program::start(data, &variables)
    }
}

/// Runs `waiterix migrate` with these variables.
pub(crate) async fn migrate(variables: &[(&'static str, String)], arguments: &[&str]) -> Ended {
    let mut arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    arguments.insert(0, "migrate".to_owned());
    let variables = variables.to_vec();
    let running = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        program::run(&arguments, &variables)
    };
    let (status, output, complaints) = tokio::task::spawn_blocking(running).await.unwrap();
    Ended { well: status.success(), output, complaints }
}

/// An owner with one dish.
pub(crate) struct Restaurant {
    pub(crate) owner: Client,
    pub(crate) id: String,
    dish: Value,
}

impl Restaurant {
    pub(crate) async fn open(base: &Url, data: &std::path::Path) -> Self {
        let owner = Client::signed_in(base, data, "owner@example.org").await;
        let restaurant = owner.post("/api/restaurant", &json!({ "name": "Casa" })).await;
        let id = restaurant["id"].as_str().unwrap().to_owned();
        let dish = json!({ "restaurantId": id, "name": "Soup", "description": "", "price": "10.00", "category": "Soups" });
        let dish = owner.post("/api/menu-items", &dish).await;
        Self { owner, id, dish }
    }

    /// An order of two lines.
    pub(crate) fn meal(&self) -> Value {
        let mut meal = self.soup();
        let line = meal["items"][0].clone();
        meal["items"] = json!([line, line]);
        (meal["subtotal"], meal["tax"], meal["total"]) = (json!("20.00"), json!("2.00"), json!("22.00"));
        meal
    }

    fn soup(&self) -> Value {
        json!({
            "restaurantId": self.id, "tableId": "2", "paymentMethod": "cash",
            "items": [{ "id": self.dish["id"], "name": "Soup", "price": "10.00", "quantity": 1 }],
            "subtotal": "10.00", "tax": "1.00", "tip": "0.00", "total": "11.00",
        })
    }
}

/// Guests who order one soup after the other, and read each order back.
pub(crate) struct Guests {
    enough: Arc<AtomicBool>,
    tables: Vec<JoinHandle<Ordered>>,
}

/// What guests were told.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    pub(crate) ids: BTreeSet<String>,
    /// Answers that should have been others.
    pub(crate) failures: Vec<String>,
}

impl Guests {
    pub(crate) fn come(restaurant: &Restaurant, base: &Url, count: usize) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let tables = (0..count)
            .map(|_| {
                let (guest, soup, enough) = (Client::new(base), restaurant.soup(), enough.clone());
                tokio::spawn(async move {
                    let mut ordered = Ordered::default();
                    while !enough.load(Ordering::SeqCst) {
                        order(&guest, &soup, &mut ordered).await;
                    }
                    ordered
                })
            })
            .collect();
        Self { enough, tables }
    }

    /// Sends them home and answers what they were told, all together.
    pub(crate) async fn leave(self) -> Ordered {
        self.enough.store(true, Ordering::SeqCst);
        let mut all = Ordered::default();
        for table in self.tables {
            let ordered = table.await.unwrap();
            all.ids.extend(ordered.ids);
            all.failures.extend(ordered.failures);
        }
        all
    }
}

async fn order(guest: &Client, soup: &Value, ordered: &mut Ordered) {
    let response = guest.send(Method::POST, "/api/orders", Some(soup)).await;
    let status = response.status();
    let body: Value = serde_json::from_str(&response.text().await.unwrap_or_default()).unwrap_or_default();
    let Some(id) = body["id"].as_str().filter(|_| status.is_success()) else {
        ordered.failures.push(format!("POST {status} {body}"));
        return;
    };
    // What was answered is there for whoever asks next, whichever side leads by then.
    let response = guest.send(Method::GET, &format!("/api/orders/{id}/track"), None).await;
    if !response.status().is_success() {
        ordered.failures.push(format!("GET {} of {id}", response.status()));
    }
    ordered.ids.insert(id.to_owned());
}
