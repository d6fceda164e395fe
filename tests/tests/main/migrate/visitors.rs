//! Sessions that move: a Redis beside the two databases, and people who sign in and out.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use url::Url;
use waiterix_backends::{Backend, Running, given, redis};
use waiterix_tests::client::Client;
use waiterix_tests::program::Program;

use crate::migrate::ground::{Ended, Ground};

/// What servers and commands are told besides where sessions move, and nothing else does.
pub(crate) struct Sessions {
    pub(crate) ground: Ground,
    pub(crate) redis: Running,
    /// Rows and mail of the service, which stay where they are.
    pub(crate) data: tempfile::TempDir,
}

impl Sessions {
    pub(crate) async fn prepare() -> Option<Self> {
        given(Backend::Redis)?;
        let mut ground = Ground::prepare().await?;
        // One of its own: what is in it is counted and compared.
        let redis = redis::start(&redis::Options::default()).unwrap();
        ground.more = vec![
            ("WAITERIX_SESSIONS", "dual".to_owned()),
            ("REDIS_HOST", redis.url().host_str().unwrap().to_owned()),
            ("REDIS_PORT", redis.url().port().unwrap().to_string()),
            ("SESSION_SECRET", "the secret of this very test".to_owned()),
            ("SUPPORT_EMAIL", "support@waiterix.example".to_owned()),
        ];
        Some(Self { ground, redis, data: tempfile::tempdir().unwrap() })
    }

    /// The service with sessions of this choice.
    pub(crate) fn serve(&self, sessions: &str) -> Program {
        self.ground.serve_with(self.data.path(), &[("WAITERIX_SESSIONS", sessions)])
    }

    /// A step of the move of sessions.
    pub(crate) async fn migrate(&self, arguments: &[&str]) -> Ended {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--port", "sessions"]).collect();
        self.ground.migrate(&arguments).await
    }

    pub(crate) async fn status(&self) -> Value {
        serde_json::from_str(&self.migrate(&["status", "--json"]).await.output()).unwrap()
    }

    /// As if the server had lost everything.
    pub(crate) fn empty_redis(&self) {
        let url = self.redis.url();
        let mut socket = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).unwrap();
        socket.write_all(b"FLUSHALL\r\n").unwrap();
        let mut answer = [0; 5];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+OK\r\n");
    }

    pub(crate) async fn sign_in(&self, base: &Url, name: &str) -> Client {
        Client::signed_in(base, self.data.path(), &format!("{name}@example.org")).await
    }
}

/// Whether somebody is signed in; anything else than yes and no is a failure.
pub(crate) async fn is_in(client: &Client) -> Result<bool, String> {
    match client.send(Method::GET, "/api/auth/user", None).await.status().as_u16() {
        200 => Ok(true),
        401 => Ok(false),
        status => Err(format!("GET /api/auth/user: {status}")),
    }
}

/// People who sign in, look around, and of whom every second one signs out again.
pub(crate) struct Visitors {
    enough: Arc<AtomicBool>,
    doors: Vec<JoinHandle<Visited>>,
}

/// Who is in and who is out, by what they were answered.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    pub(crate) inside: Vec<Client>,
    pub(crate) outside: Vec<Client>,
    /// Answers that should have been others.
    pub(crate) failures: Vec<String>,
}

impl Visitors {
    pub(crate) fn come(base: &Url, data: &Path, day: &str, doors: usize) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let doors = (0..doors)
            .map(|door| {
                let (base, data, day, enough) =
                    (base.clone(), data.to_owned(), day.to_owned(), enough.clone());
                tokio::spawn(async move { through(base, data, &format!("{day}-{door}"), &enough).await })
            })
            .collect();
        Self { enough, doors }
    }

    /// Closes the doors and answers who is where, all together.
    pub(crate) async fn leave(self) -> Visited {
        self.enough.store(true, Ordering::SeqCst);
        let mut all = Visited::default();
        for door in self.doors {
            let visited = door.await.unwrap();
            all.inside.extend(visited.inside);
            all.outside.extend(visited.outside);
            all.failures.extend(visited.failures);
        }
        all
    }
}

async fn through(base: Url, data: PathBuf, door: &str, enough: &AtomicBool) -> Visited {
    let mut visited = Visited::default();
    for number in 0.. {
        if enough.load(Ordering::SeqCst) {
            break;
        }
        let client = Client::signed_in(&base, &data, &format!("{door}-{number:04}@example.org")).await;
        visited.expects(&client, true).await;
        if number % 2 == 0 {
            visited.inside.push(client);
        } else {
            client.post("/api/logout", &json!({})).await;
            visited.expects(&client, false).await;
            visited.outside.push(client);
        }
        // Somebody from before has not changed by himself.
        if let Some(one) = visited.inside.get(number / 4).cloned() {
            visited.expects(&one, true).await;
        }
        if let Some(one) = visited.outside.get(number / 4).cloned() {
            visited.expects(&one, false).await;
        }
    }
    visited
}

impl Visited {
    async fn expects(&mut self, client: &Client, inside: bool) {
        match is_in(client).await {
            Ok(is_in) if is_in == inside => {}
            Ok(is_in) => self.failures.push(format!("inside: {is_in}, and should be {inside}")),
            Err(failure) => self.failures.push(failure),
        }
    }

    /// That everybody is where they were told to be, as another server sees it.
    pub(crate) async fn are_known_at(&self, base: &Url) {
        for (clients, inside) in [(&self.inside, true), (&self.outside, false)] {
            for client in clients {
                assert_eq!(is_in(&client.clone().moved_to(base)).await, Ok(inside));
            }
        }
    }
}
