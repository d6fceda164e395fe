//! A few connections to one database, made when they are needed.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, PoolConfig, PoolError, QueueMode, RecycleError, Timeouts};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnection, PgListener};
use waiterix_ports::{Clock, Error, ErrorKind, Result};

use super::fault;
use super::opening::{self, Purpose};
use super::password::Password;
use super::settings::PostgresSettings;

/// A connection that was idle for longer is asked for a sign of life before it is used. Under load connections are idle
/// for less, and one that fails then makes all others suspect.
const FRESH: Duration = Duration::from_millis(100);
/// How long the sign of life may take.
const PING: Duration = Duration::from_secs(1);
/// After which time a connection is replaced, so that load spreads after a fail-over and no session grows for ever.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// How often the end is looked for while the pool closes.
const CLOSING: Duration = Duration::from_millis(5);

/// One database: its settings and the connections to it. Clones share the connections.
#[derive(Clone)]
pub struct Database {
    pool: managed::Pool<Opener>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.settings();
        f.debug_struct("Database")
            .field("host", &settings.host)
            .field("port", &settings.port)
            .field("database", &settings.database)
            .field("pool", &self.snapshot())
            .finish()
    }
}

/// The state of a pool at one moment, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSnapshot {
    /// The most connections there may be.
    pub max: u32,
    /// Connections that are open.
    pub size: u32,
    /// Connections that wait for work.
    pub idle: u32,
    /// Callers that wait for a connection.
    pub waiting: u32,
    /// Connections opened so far.
    pub opened: u64,
    /// Connections given up so far because they were broken, silent or suspect.
    pub discarded: u64,
    /// How often a connection was handed out.
    pub acquired: u64,
    /// How long callers waited for that, all together.
    pub acquire_time: Duration,
}

/// What the pool counts, and what it knows about the health of its connections.
#[derive(Default)]
struct Record {
    opened: AtomicU64,
    discarded: AtomicU64,
    acquired: AtomicU64,
    acquire_micros: AtomicU64,
    /// When a connection was last found dead, in microseconds since the pool was made. What was idle at that moment is
    /// not to be trusted.
    suspicion: AtomicU64,
    /// When a connection was last given back, by the wall clock, which goes on while the process is frozen.
    given_back: AtomicI64,
}

/// Makes connections and says whether they are still good.
struct Opener {
    settings: PostgresSettings,
    password: Arc<dyn Password>,
    clock: Arc<dyn Clock>,
    begin: Instant,
    record: Record,
}

/// A pooled connection.
#[derive(Debug)]
struct Held {
    connection: PgConnection,
    idle_since: Instant,
    /// Whether whoever had it last said that it is fit for others.
    released: bool,
}

impl Opener {
    /// From now on nothing that is idle is trusted.
    fn suspicion(&self) {
        let now = u64::try_from(self.begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.record.suspicion.fetch_max(now, Ordering::Relaxed);
    }

    fn is_suspect(&self, held: &Held) -> bool {
        let suspicion = Duration::from_micros(self.record.suspicion.load(Ordering::Relaxed));
        !suspicion.is_zero() && held.idle_since.saturating_duration_since(self.begin) <= suspicion
    }

    /// How long ago the pool was used, by whichever clock says longer: one of them may have stood still while the
    /// process was frozen.
    fn idle(&self, held: &Held) -> Duration {
        let now = self.clock.now().as_micros();
        let frozen = now.saturating_sub(self.record.given_back.load(Ordering::Relaxed));
        held.idle_since.elapsed().max(Duration::from_micros(frozen.try_into().unwrap_or(0)))
    }
}

impl managed::Manager for Opener {
    type Type = Held;
    type Error = Error;

    async fn create(&self) -> Result<Held> {
        const OPERATION: &str = "store.connect";
        let password = self.password.password().await?;
        let connection = opening::open(&self.settings, &password, Purpose::Requests, OPERATION).await?;
        self.record.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Held { connection, idle_since: Instant::now(), released: false })
    }

    async fn recycle(&self, held: &mut Held, metrics: &Metrics) -> Result<(), RecycleError<Error>> {
        // Taken again between its return and the sweep.
        if !held.released || self.is_suspect(held) || metrics.age() > LIFETIME {
            self.record.discarded.fetch_add(1, Ordering::Relaxed);
            return Err(RecycleError::message("suspect or old"));
        }
        if self.idle(held) <= FRESH {
            return Ok(());
        }
        match tokio::time::timeout(PING, held.connection.ping()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                self.record.discarded.fetch_add(1, Ordering::Relaxed);
                self.suspicion();
                Err(RecycleError::message("no sign of life"))
            }
        }
    }
}

impl Database {
    /// A database that is not asked for anything yet. The clock tells how long the process was frozen.
    ///
    /// # Errors
    /// `Unsupported` in a program whose asynchronous runtime the pool does not know.
    pub fn new(
        settings: PostgresSettings,
        password: Arc<dyn Password>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let mut config = PoolConfig::new(settings.pool_max as usize);
        // The one used last is the least likely to be stale, and the others can be closed by the server.
        config.queue_mode = QueueMode::Lifo;
        // Connecting has its own limit, which covers the credentials too; a sign of life has one as well.
        config.timeouts = Timeouts { wait: Some(settings.acquire_timeout), create: None, recycle: None };
        let opener = Opener { settings, password, clock, begin: Instant::now(), record: Record::default() };
        let built = managed::Pool::builder(opener).config(config).runtime(Runtime::Tokio1).build();
        let pool =
            built.map_err(|error| Error::new(ErrorKind::Unsupported, "store.open").with("fault", error))?;
        Ok(Self { pool })
    }

    /// How the database is reached.
    #[must_use]
    pub fn settings(&self) -> &PostgresSettings {
        &self.pool.manager().settings
    }

    /// Borrows a connection: one that is idle and alive, else a new one, else the next that becomes free.
    ///
    /// # Errors
    /// `Unavailable` when none becomes free within the time for that, or none can be made within the time for that;
    /// `Denied` when the server refuses the credentials, or its certificate is not accepted; those of [`Password`].
    /// Nothing was sent in any case.
    pub async fn acquire(&self, operation: &'static str) -> Result<Lease> {
        let begin = Instant::now();
        let object = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Closed => fault::closed(operation),
            _ => fault::exhausted(operation, self.settings().pool_max),
        })?;
        let record = &self.pool.manager().record;
        let waited = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        record.acquired.fetch_add(1, Ordering::Relaxed);
        record.acquire_micros.fetch_add(waited, Ordering::Relaxed);
        let mut held = object;
        held.released = false;
        Ok(Lease { held, sweep: Sweep { pool: self.pool.clone(), armed: true } })
    }

    /// Opens a connection of its own for maintenance, without a limit for statements.
    ///
    /// # Errors
    /// `Unsupported` behind a pooler, where a session cannot hold a lock; those of [`Self::acquire`].
    pub(crate) async fn maintenance(&self, operation: &'static str) -> Result<PgConnection> {
        let opener = self.pool.manager();
        if opener.settings.pooled {
            return Err(Error::new(ErrorKind::Unsupported, operation)
                .with("fault", "behind a pooler no lock can be held; use the server's own address"));
        }
        let password = opener.password.password().await?;
        opening::open(&opener.settings, &password, Purpose::Maintenance, operation).await
    }

    /// Opens a connection of its own that hears notifications. When it breaks, its `try_recv` answers `None` or an error
    /// before anything else: what was said meanwhile is lost, and whoever listens must know. It should be dropped then.
    ///
    /// # Errors
    /// `Unsupported` behind a pooler, where a session hears nothing; those of [`Self::acquire`].
    pub async fn listener(&self, operation: &'static str) -> Result<PgListener> {
        let opener = self.pool.manager();
        if opener.settings.pooled {
            return Err(Error::new(ErrorKind::Unsupported, operation)
                .with("fault", "behind a pooler no notification is heard; use the server's own address"));
        }
        let password = opener.password.password().await?;
        opening::listener(&opener.settings, &password, operation).await
    }

    /// The state of the pool.
    #[must_use]
    pub fn snapshot(&self) -> PoolSnapshot {
        let (status, record) = (self.pool.status(), &self.pool.manager().record);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        PoolSnapshot {
            max: count(status.max_size),
            size: count(status.size),
            idle: count(status.available),
            waiting: count(status.waiting),
            opened: record.opened.load(Ordering::Relaxed),
            discarded: record.discarded.load(Ordering::Relaxed),
            acquired: record.acquired.load(Ordering::Relaxed),
            acquire_time: Duration::from_micros(record.acquire_micros.load(Ordering::Relaxed)),
        }
    }

    /// Refuses new work, waits for what is running and says goodbye to the server, for at most this long. Answers
    /// whether everything had ended by then; whatever had not is left to the server, which notices.
    pub async fn close(&self, within: Duration) -> bool {
        let idle = self.pool.retain(|_, _| false).removed;
        self.pool.close();
        let goodbyes = async {
            for held in idle {
                // A server that is gone already has nothing against it.
                let _ = held.connection.close().await;
            }
            while self.pool.status().size > 0 {
                tokio::time::sleep(CLOSING).await;
            }
        };
        tokio::time::timeout(within, goodbyes).await.is_ok()
    }
}

/// A connection on loan. It goes back with [`Lease::release`]. One that is dropped on the way, because its work failed,
/// took too long or was given up, is closed: nobody can say in what state it is.
pub struct Lease {
    // The order matters: a dropped lease first goes back, marked, and is then swept out.
    held: Object<Opener>,
    sweep: Sweep,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

/// Closes what was not released.
struct Sweep {
    pool: managed::Pool<Opener>,
    armed: bool,
}

impl Drop for Sweep {
    fn drop(&mut self) {
        if self.armed {
            let swept = self.pool.retain(|held, _| held.released).removed.len();
            self.pool.manager().record.discarded.fetch_add(swept as u64, Ordering::Relaxed);
        }
    }
}

impl Lease {
    /// Gives the connection back for others. Only for one that is between statements and outside of a transaction.
    pub fn release(mut self) {
        let opener = self.sweep.pool.manager();
        opener.record.given_back.store(opener.clock.now().as_micros(), Ordering::Relaxed);
        self.held.idle_since = Instant::now();
        self.held.released = true;
        self.sweep.armed = false;
    }

    /// Closes the connection for a reason that holds for all others: its server gave no answer in time, or a table is not any more what
    /// it was when statements were prepared. Those that are idle now are suspect.
    pub fn outlived(self) {
        self.sweep.pool.manager().suspicion();
    }

    /// Closes the connection after a failure, and makes those that are idle now suspect if the failure is one of the
    /// network or the server, which they share.
    pub fn discard(self, error: &sqlx::Error) {
        if fault::is_of_the_connection(error) {
            self.sweep.pool.manager().suspicion();
        }
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.held.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.held.connection
    }
}
