//! The connection to the server: made when it is first needed, shared by all callers, replaced when it is no good.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo as _, Pipeline,
    RedisConnectionInfo, RedisResult, TlsCertificates, ToRedisArgs, Value,
};
use waiterix_domain::Secret;
use waiterix_ports::{Clock, Error, ErrorKind, Result};

use super::fault::{Failure, Stage};
use super::script::Program;
use super::settings::RedisSettings;

/// A connection that was silent for longer is asked whether it still works before something is entrusted to it: a
/// function may have been frozen meanwhile, and a server or a gateway on the way drops what is idle.
const SILENCE: Duration = Duration::from_secs(5);
/// How many commands may wait to be sent before their callers are held back.
const WAITING: usize = 256;

/// Whether doing a command a second time does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Sent again, once, when the connection was lost before the answer came.
    Harmless,
    /// Never sent again once the server may have seen it.
    Never,
}

/// What is sent.
#[derive(Clone, Copy)]
enum Request<'a> {
    One(&'a Cmd),
    Several(&'a Pipeline),
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply<T> {
    pub(super) value: T,
    /// Whether the command may have been done before as well, with its answer lost.
    pub(super) repeated: bool,
}

/// The connection to the server.
pub(super) struct Link {
    client: Client,
    config: AsyncConnectionConfig,
    database: u8,
    clock: Arc<dyn Clock>,
    current: Mutex<(u64, Option<Line>)>,
}

type Connecting = Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>;

/// A connection, made or being made. Everybody who waits for it shares the one attempt and its outcome, so a server that
/// cannot be reached costs each caller one time limit, not one per caller in front.
#[derive(Clone)]
struct Line {
    number: u64,
    connecting: Connecting,
    /// When it last gave a sign of life, in microseconds.
    heard: Arc<AtomicI64>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("server", self.client.get_connection_info().addr())
            .finish_non_exhaustive()
    }
}

impl Link {
    /// A connection to be made later.
    pub(super) fn new(settings: &RedisSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        const OPERATION: &str = "session.open";
        let invalid = |fault: &'static str| Error::new(ErrorKind::Invalid, OPERATION).with("fault", fault);
        let (host, port) = (settings.host.clone(), settings.port);
        let address = if settings.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(password) = &settings.password {
            login = login.set_password(Secret::reveal(password));
        }
        let info = address
            .into_connection_info()
            .map_err(|_| invalid("the address cannot be used"))?
            .set_redis_settings(login)
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = if settings.tls {
            // Several implementations of cryptography may be built in; without a choice rustls would refuse to work.
            // Somebody else's choice is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let root_cert = match &settings.tls_root_cert {
                Some(path) => Some(std::fs::read(path).map_err(|error| {
                    invalid("REDIS_TLS_ROOT_CERT cannot be read").with("cause", error.kind())
                })?),
                None => None,
            };
            if root_cert.as_ref().is_some_and(|pem| !holds_certificate(pem)) {
                return Err(invalid("REDIS_TLS_ROOT_CERT holds no certificate"));
            }
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
                .map_err(|_| invalid("REDIS_TLS_ROOT_CERT cannot be understood"))?
        } else {
            Client::open(info).map_err(|_| invalid("the address cannot be used"))?
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(settings.connect_timeout))
            .set_response_timeout(Some(settings.command_timeout))
            .set_pipeline_buffer_size(WAITING);
        Ok(Self { client, config, database: settings.database, clock, current: Mutex::new((0, None)) })
    }

    /// Does a command.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        operation: &'static str,
        command: &Cmd,
        repeat: Repeat,
    ) -> Result<Reply<T>> {
        let reply = self.attempt(Request::One(command), repeat).await;
        reply.and_then(understood).map_err(|failure| failure.of(operation))
    }

    /// Does several commands that only read, in one round trip. Others may come in between.
    pub(super) async fn ask_all<T: FromRedisValue>(
        &self,
        operation: &'static str,
        commands: &Pipeline,
    ) -> Result<T> {
        let reply = self.attempt(Request::Several(commands), Repeat::Harmless).await;
        reply.and_then(understood).map(|reply| reply.value).map_err(|failure| failure.of(operation))
    }

    /// Runs a script on one key; scripts say themselves whether repeating them does harm.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        operation: &'static str,
        program: &Program,
        key: Option<&str>,
        arguments: &[impl ToRedisArgs + Sync],
        repeat: Repeat,
    ) -> Result<Reply<T>> {
        let mut reply = self.attempt(Request::One(&program.by_digest(key, arguments)), repeat).await;
        if reply.as_ref().is_err_and(Failure::is_unknown_script) {
            reply = self.attempt(Request::One(&program.in_full(key, arguments)), repeat).await;
        }
        reply.and_then(understood).map_err(|failure| failure.of(operation))
    }

    async fn attempt(&self, request: Request<'_>, repeat: Repeat) -> Result<Reply<Value>, Failure> {
        let mut repeated = false;
        let mut is_second = false;
        loop {
            let line = self.awake().await.map_err(|failure| {
                // What the first attempt did remains unknown.
                if repeated { Failure { stage: Stage::Sent, ..failure } } else { failure }
            })?;
            let failure = match self.send(&line, request).await {
                Ok(value) => return Ok(Reply { value, repeated }),
                Err(failure) => failure,
            };
            let again = failure.is_of_replica() || failure.is_lost() && repeat == Repeat::Harmless;
            if is_second || !again {
                return Err(failure);
            }
            is_second = true;
            repeated = failure.is_lost();
        }
    }

    /// A connection that works as far as one can know.
    async fn awake(&self) -> Result<Line, Failure> {
        let line = self.line();
        self.connected(&line).await?;
        if !self.was_silent(&line) {
            return Ok(line);
        }
        match self.send(&line, Request::One(&redis::cmd("PING"))).await {
            Err(failure) if failure.spoils_connection() => {
                let fresh = self.line();
                self.connected(&fresh).await?;
                Ok(fresh)
            }
            // Any other answer is one, too.
            Ok(_) | Err(_) => Ok(line),
        }
    }

    async fn send(&self, line: &Line, request: Request<'_>) -> Result<Value, Failure> {
        let mut connection = self.connected(line).await?;
        match request.send(&mut connection).await {
            Ok(value) => {
                line.heard.store(self.clock.now().as_micros(), Ordering::Relaxed);
                Ok(value)
            }
            Err(error) => {
                let failure = Failure { stage: Stage::Sent, error };
                if failure.spoils_connection() {
                    self.give_up(line);
                }
                Err(failure)
            }
        }
    }

    async fn connected(&self, line: &Line) -> Result<MultiplexedConnection, Failure> {
        line.connecting.clone().await.map_err(|error| {
            self.give_up(line);
            Failure { stage: Stage::Connecting, error }
        })
    }

    fn was_silent(&self, line: &Line) -> bool {
        let since = self.clock.now().as_micros().saturating_sub(line.heard.load(Ordering::Relaxed));
        // A clock that was set back says nothing, so it counts as silence.
        !(0..=SILENCE.as_micros()).contains(&u128::try_from(since).unwrap_or(u128::MAX))
    }

    /// The connection of the moment; a new one if there is none.
    fn line(&self) -> Line {
        let mut current = self.current();
        if let (_, Some(line)) = &*current {
            return line.clone();
        }
        let (client, config) = (self.client.clone(), self.config.clone());
        let database = self.database;
        let connecting = async move {
            let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
            // A connection counts when its other end has answered: only then it is known to be Redis, and to let us in.
            let mut greeting = redis::cmd(if database == 0 { "PING" } else { "SELECT" });
            if database != 0 {
                greeting.arg(database);
            }
            greeting.exec_async(&mut connection).await?;
            Ok(connection)
        };
        let connecting = connecting.boxed().shared();
        let number = current.0 + 1;
        let heard = Arc::new(AtomicI64::new(self.clock.now().as_micros()));
        let line = Line { number, connecting, heard };
        *current = (number, Some(line.clone()));
        line
    }

    /// Lets the next caller make a new connection; those who wait for answers of this one may still get them.
    fn give_up(&self, line: &Line) {
        let mut current = self.current();
        if current.1.as_ref().is_some_and(|now| now.number == line.number) {
            current.1 = None;
        }
    }

    /// A panic elsewhere leaves the pair whole, so the poison is of no interest.
    fn current(&self) -> MutexGuard<'_, (u64, Option<Line>)> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Request<'_> {
    async fn send(self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        match self {
            Self::One(command) => command.query_async(connection).await,
            Self::Several(commands) => {
                let answers = connection.send_packed_commands(commands, 0, commands.len()).await?;
                let answers = answers.into_iter().map(Value::extract_error).collect::<RedisResult<_>>()?;
                Ok(Value::Array(answers))
            }
        }
    }
}

fn holds_certificate(pem: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    pem.windows(BEGIN.len()).any(|window| window == BEGIN)
}

fn understood<T: FromRedisValue>(reply: Reply<Value>) -> Result<Reply<T>, Failure> {
    match redis::from_redis_value(reply.value) {
        Ok(value) => Ok(Reply { value, repeated: reply.repeated }),
        Err(error) => {
            // The text of the cause could quote the answer.
            drop(error);
            let error = (redis::ErrorKind::UnexpectedReturnType, "an answer of an unexpected type").into();
            Err(Failure { stage: Stage::Sent, error })
        }
    }
}
