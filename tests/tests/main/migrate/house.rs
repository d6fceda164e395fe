//! Two PostgreSQL servers, a Redis and the service between them, each of which can be made to die.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use url::Url;
use waiterix_backends::{Running, postgres, redis};
use waiterix_postgres::testing::Scratch;
use waiterix_tests::program::{self, Program};
use waiterix_tests::psql::{Psql, Told};

use crate::migrate::ground::Ended;

/// Nothing that recovers takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the service is, for people who do not care that it was started anew.
#[derive(Debug)]
pub(crate) struct Door(Mutex<Url>);

impl Door {
    pub(crate) fn url(&self) -> Url {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The command that moves.
    Command,
    /// The service, which is started again.
    Service,
    /// The server of the old rows, by this signal: `KILL` is a power cut of the postmaster, `QUIT` an immediate shutdown, `INT` one
    /// that ends every connection.
    Old(&'static str),
    /// The server of the new rows.
    New(&'static str),
    /// The server of the new sessions.
    Redis,
}

/// When it dies, counted from the beginning of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// After this time.
    After(Duration),
    /// When a line with this word is written, and then after this time.
    Said(&'static str, Duration),
}

/// Something dies, and is there again later.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blow {
    pub(crate) fault: Fault,
    pub(crate) moment: Moment,
    /// How long it is away.
    pub(crate) away: Duration,
}

/// Everything that runs. It ends when this is dropped, the service first.
pub(crate) struct House {
    service: Option<Program>,
    data: TempDir,
    /// The rows of both sides, which go before their servers do.
    pub(crate) rows: [Scratch; 2],
    servers: [Running; 2],
    redis: Running,
    /// How the service serves rows and sessions.
    serves: &'static str,
    pub(crate) door: Arc<Door>,
}

impl House {
    /// Starts the servers, and the service as it was before the move.
    pub(crate) async fn build() -> Self {
        let starting = tokio::task::spawn_blocking(|| {
            // Whoever is killed must not forget what it has answered.
            let options = postgres::Options { durable: true, ..postgres::Options::default() };
            let redis = redis::Options { durable: true, ..redis::Options::default() };
            let servers = [postgres::start(&options).unwrap(), postgres::start(&options).unwrap()];
            (servers, redis::start(&redis).unwrap())
        });
        let (servers, redis) = starting.await.unwrap();
        let [old, new] = [servers[0].url().clone(), servers[1].url().clone()];
        let rows = [Scratch::migrated(&old).await.unwrap(), Scratch::migrated(&new).await.unwrap()];
        let nowhere = Url::parse("http://127.0.0.1:1").unwrap();
        let mut house = Self {
            service: None,
            data: tempfile::tempdir().unwrap(),
            rows,
            servers,
            redis,
            serves: "legacy",
            door: Arc::new(Door(Mutex::new(nowhere))),
        };
        tokio::task::spawn_blocking(move || {
            house.open();
            house
        })
        .await
        .unwrap()
    }

    /// Plain SQL in both databases, old and new.
    pub(crate) fn sql(&self) -> [Psql; 2] {
        [Psql::at(&self.rows[0].url()), Psql::at(&self.rows[1].url())]
    }

    /// Where mail arrives.
    pub(crate) fn mail(&self) -> std::path::PathBuf {
        self.data.path().join("mail")
    }

    fn variables(&self, serves: &str) -> BTreeMap<&'static str, String> {
        let port = self.redis.url().port().unwrap().to_string();
        BTreeMap::from([
            ("LEGACY_DATABASE_URL", self.rows[0].url().to_string()),
            ("DATABASE_URL", self.rows[1].url().to_string()),
            ("REDIS_HOST", "127.0.0.1".to_owned()),
            ("REDIS_PORT", port),
            ("SESSION_SECRET", "the secret of this very test".to_owned()),
            ("WAITERIX_STORE", serves.to_owned()),
            ("WAITERIX_SESSIONS", serves.to_owned()),
            ("FRONTEND_URL", "https://app.example.org".to_owned()),
            ("RATE_LIMITS", "false".to_owned()),
            ("LOG_LEVEL", "error".to_owned()),
        ])
    }

    fn open(&mut self) {
        let variables = self.variables(self.serves);
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let service = Program::start(self.data.path(), &variables);
        *self.door.0.lock().unwrap_or_else(PoisonError::into_inner) = service.base.clone();
        self.service = Some(service);
        if self.serves == "dual" {
            self.await_heard();
        }
    }

    /// Waits until a coordinator would know of the service.
    fn await_heard(&self) {
        const HEARD: &str = "SELECT count(*) FROM waiterix_migration.readers AS r JOIN waiterix_migration.instances AS i USING (id) \
            WHERE least(r.seen_at, i.seen_at) > clock_timestamp() - interval '30 seconds'";
        let (sql, deadline) = (Psql::at(&self.rows[1].url()), Instant::now() + PATIENCE);
        while sql.tell(HEARD) != Told::Done("1".to_owned()) {
            assert!(Instant::now() < deadline, "nobody hears of the service: {:?}", sql.tell(HEARD));
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Asks the service to stop, and starts it with other adapters.
    pub(crate) fn serve(&mut self, serves: &'static str) {
        if let Some(service) = self.service.take() {
            assert!(service.terminate().success(), "the service did not stop well");
        }
        self.serves = serves;
        self.open();
    }

    /// Runs `waiterix migrate` to its end, while something dies.
    pub(crate) fn migrate(&mut self, arguments: &[&str], blow: Option<&Blow>) -> Ended {
        // Those before it that were killed.
        self.let_time_pass("id NOT IN (SELECT id FROM waiterix_migration.readers)");
        let mut running = Move::begin(&self.variables("dual"), arguments);
        if let Some(blow) = blow {
            running.goes_on_until(blow.moment);
            if blow.fault == Fault::Command {
                running.kill();
            } else {
                self.suffer(blow.fault, blow.away);
            }
        }
        running.ended()
    }

    fn suffer(&mut self, fault: Fault, away: Duration) {
        match fault {
            Fault::Command => {}
            Fault::Service => {
                if let Some(service) = self.service.take() {
                    service.kill();
                }
                self.let_time_pass("id IN (SELECT id FROM waiterix_migration.readers)");
                std::thread::park_timeout(away);
                self.open();
            }
            Fault::Old(signal) => dies(&mut self.servers[0], signal, away),
            Fault::New(signal) => dies(&mut self.servers[1], signal, away),
            Fault::Redis => dies(&mut self.redis, "KILL", away),
        }
    }

    /// As if so much time had gone by that processes count as gone which are dead: a minute or a quarter of an hour, for which a
    /// coordinator would wait, or be told to come again. Only the service is in the first of the two tables, and it is alone.
    fn let_time_pass(&self, whose: &str) {
        let sql = format!(
            "DO $$ BEGIN IF to_regclass('waiterix_migration.readers') IS NOT NULL \
                AND to_regclass('waiterix_migration.instances') IS NOT NULL THEN \
                UPDATE waiterix_migration.instances SET seen_at = seen_at - interval '1 hour' WHERE {whose}; \
                UPDATE waiterix_migration.readers SET seen_at = seen_at - interval '1 hour' WHERE {whose}; \
            END IF; END $$"
        );
        Psql::at(&self.rows[1].url()).ask(&sql);
    }
}

/// Ends a server, and starts it again after a while with what it has kept.
fn dies(server: &mut Running, signal: &str, away: Duration) {
    server.signal(signal);
    let deadline = Instant::now() + PATIENCE;
    while is_alive(server.pid()) {
        assert!(Instant::now() < deadline, "a server does not end");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    std::thread::park_timeout(away);
    server.start_again().unwrap();
}

/// Whether a process runs; one that nobody has waited for does not.
fn is_alive(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    state.is_ok_and(|state| !state.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

/// A running `waiterix migrate`.
struct Move {
    child: Child,
    began: Instant,
    lines: Receiver<String>,
    said: String,
}

impl Move {
    fn begin(variables: &BTreeMap<&'static str, String>, arguments: &[&str]) -> Self {
        let mut command = Command::new(program::binary());
        command.arg("migrate").args(arguments).envs(variables).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        read(child.stdout.take().unwrap(), sender.clone());
        read(child.stderr.take().unwrap(), sender);
        Self { child, began: Instant::now(), lines, said: String::new() }
    }

    /// Listens until a line with these words, at most until an instant; whether it goes on.
    fn listen(&mut self, words: Option<&str>, until: Instant) -> bool {
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let is_it = words.is_some_and(|words| line.contains(words));
                    self.said.push_str(&line);
                    self.said.push('\n');
                    if is_it {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Waits for a moment; one that did not come before its end is that end.
    fn goes_on_until(&mut self, moment: Moment) {
        match moment {
            Moment::After(time) => {
                self.listen(None, self.began + time);
            }
            Moment::Said(word, later) => {
                if self.listen(Some(word), self.began + PATIENCE) {
                    self.listen(None, Instant::now() + later);
                }
            }
        }
    }

    fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn ended(mut self) -> Ended {
        let goes_on = self.listen(None, Instant::now() + PATIENCE * 3);
        assert!(!goes_on, "it does not end: {}", self.said);
        let well = self.child.wait().unwrap().success();
        Ended { well, output: self.said.clone(), complaints: String::new() }
    }
}

impl Drop for Move {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(from: impl Read + Send + 'static, to: Sender<String>) {
    std::thread::spawn(move || {
        // When nobody listens any more, nobody wants to know.
        BufReader::new(from).lines().map_while(Result::ok).all(|line| to.send(line).is_ok())
    });
}
