//! Opening one connection.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;
use waiterix_domain::Secret;
use waiterix_ports::Result;

use super::fault;
use super::settings::{PostgresSettings, Tls};

/// Statements kept prepared per connection, where that is possible.
const STATEMENTS: usize = 128;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Requests: statements end in time.
    Requests,
    /// Migrations: statements may take hours, and the session holds a lock.
    Maintenance,
}

/// The options of a connection.
pub(super) fn options(
    settings: &PostgresSettings,
    password: &Secret,
    purpose: Purpose,
) -> Result<PgConnectOptions, sqlx::Error> {
    // A builder of options begins with what variables such as `PGHOST` say; everything that decides where a connection
    // goes and how it is protected is overwritten below. Only a URL can carry options without `-c`.
    let mut blank = Url::parse("postgres://nobody:nothing@localhost/none").map_err(configuration)?;
    if let Some(routing) = &settings.routing {
        blank.query_pairs_mut().append_pair("options", routing);
    }
    let mut options = PgConnectOptions::from_url(&blank)?
        .host(&settings.host)
        .port(settings.port)
        .database(&settings.database)
        .username(&settings.user)
        .password(password.reveal())
        .application_name(&settings.application_name)
        // Floating point numbers are nowhere sent as text, and poolers do not know the setting.
        .extra_float_digits(None)
        .statement_cache_capacity(if settings.pooled { 0 } else { STATEMENTS })
        .disable_statement_logging();
    options = match &settings.tls {
        Tls::Off => options.ssl_mode(PgSslMode::Disable),
        Tls::Verified { root_cert } => {
            let options = options.ssl_mode(PgSslMode::VerifyFull);
            match root_cert {
                Some(file) => options.ssl_root_cert(file),
                None => options,
            }
        }
    };
    if !settings.pooled {
        let timeout = match purpose {
            Purpose::Requests => settings.statement_timeout.as_millis(),
            Purpose::Maintenance => 0,
        };
        options = options.options([
            ("statement_timeout", timeout.to_string().as_str()),
            // A request that was given up must not keep its locks.
            ("idle_in_transaction_session_timeout", timeout.to_string().as_str()),
            // What the role or the database may have been given is overruled; migrations say what they want themselves.
            ("lock_timeout", "0"),
            // The client's side of the connection cannot be told to look after an idle socket; the server's can, which
            // also keeps the address translation in between from forgetting it.
            ("tcp_keepalives_idle", "60"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "3"),
        ]);
    }
    Ok(options)
}

fn configuration(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Configuration(error.into())
}

/// The pauses between two attempts to wake a server up: this long at first, twice as long each time, and never longer
/// than this.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Opens a connection that hears notifications, within the time for it.
pub(super) async fn listener(
    settings: &PostgresSettings,
    password: &Secret,
    operation: &'static str,
) -> Result<PgListener> {
    let options =
        options(settings, password, Purpose::Requests).map_err(|error| fault::of(&error, operation))?;
    // A listener is made by a pool only. This one is of one connection and ends with it, so nothing is ever lent again.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(settings.connect_timeout)
        .connect_lazy_with(options);
    match PgListener::connect_with(&pool).await {
        Ok(mut listener) => {
            listener.eager_reconnect(false);
            listener.ignore_pool_close_event(true);
            Ok(listener)
        }
        // The pool repeats what a server that is starting refuses, until the time is over.
        Err(sqlx::Error::PoolTimedOut) => Err(fault::slow(operation)),
        Err(error) => Err(fault::of(&error, operation)),
    }
}

/// Opens a connection within the time for it.
pub(super) async fn open(
    settings: &PostgresSettings,
    password: &Secret,
    purpose: Purpose,
    operation: &'static str,
) -> Result<PgConnection> {
    let options = options(settings, password, purpose).map_err(|error| fault::of(&error, operation))?;
    let begin = Instant::now();
    let deadline = begin + settings.connect_timeout;
    let (mut attempts, mut pause) = (1, PAUSES.0);
    loop {
        let connecting = timeout_at(deadline, PgConnection::connect_with(&options)).await;
        let waited_ms = begin.elapsed().as_millis();
        let error = match connecting {
            Ok(Ok(connection)) => {
                if attempts > 1 {
                    tracing::info!(attempts, waited_ms, "the database has woken up");
                }
                return Ok(connection);
            }
            Ok(Err(error)) => fault::of(&error, operation),
            Err(_) => fault::slow(operation),
        };
        let out_of_time = Instant::now() + pause >= deadline;
        if !settings.may_sleep || !fault::may_pass(&error) {
            return Err(error);
        }
        if out_of_time {
            tracing::warn!(attempts, waited_ms, "the database has not woken up in time");
            return Err(error.with("attempts", attempts).with("waited_ms", waited_ms));
        }
        if attempts == 1 {
            tracing::info!(%error, "the database does not answer; if it sleeps, it is being woken up");
        }
        sleep(pause).await;
        (attempts, pause) = (attempts + 1, (pause * 2).min(PAUSES.1));
    }
}
