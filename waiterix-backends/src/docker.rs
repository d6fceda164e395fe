//! Servers in containers, where there is a Docker engine and an official image.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use testcontainers::core::{IntoContainerPort as _, WaitFor};
use testcontainers::runners::SyncRunner as _;
use testcontainers::{Container, ContainerRequest, GenericImage, ImageExt as _, TestcontainersError};
use url::Url;

use crate::Backend;
use crate::postgres::{ROLE, parsed};

/// A server in a container, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Contained {
    pub(crate) url: Url,
    _container: Container<GenericImage>,
}

/// Starts a container, or says why it falls back to a local program.
#[allow(clippy::print_stderr, reason = "the test command tells the developer what it does")]
pub(crate) fn start(backend: Backend) -> Option<Contained> {
    let started = match backend {
        Backend::Postgres => engine_is_there().then(postgres)?,
        Backend::Redis => engine_is_there().then(redis)?,
        // There is no official image, or it must stand in front of another server.
        Backend::PgBouncer | Backend::Aws | Backend::Dynalite | Backend::Gcs => return None,
    };
    match started {
        Ok(contained) => Some(contained),
        Err(error) => {
            eprintln!("{} does not start in a container ({error}); a local program it is", backend.name());
            None
        }
    }
}

/// Whether a Docker engine answers; the client alone is not enough.
fn engine_is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        let mut command = Command::new("docker");
        command.args(["info", "--format", "{{.ServerVersion}}"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

fn postgres() -> Result<Contained, TestcontainersError> {
    let arguments =
        ["postgres", "-c", "max_connections=400", "-c", "fsync=off", "-c", "timezone=America/New_York"];
    let image = GenericImage::new("postgres", "15")
        .with_exposed_port(5432.tcp())
        // It starts twice: once to make the database, once for good.
        .with_wait_for(WaitFor::message_on_stdout("ready for start up"))
        .with_wait_for(WaitFor::message_on_stderr("database system is ready to accept connections"))
        .with_env_var("POSTGRES_USER", ROLE)
        .with_env_var("POSTGRES_PASSWORD", ROLE)
        .with_env_var("POSTGRES_DB", "postgres")
        .with_env_var("POSTGRES_INITDB_ARGS", "--locale=C.UTF-8 --encoding=UTF8")
        .with_cmd(arguments);
    contained(image, 5432, |address| format!("postgres://{ROLE}:{ROLE}@{address}/postgres"))
}

fn redis() -> Result<Contained, TestcontainersError> {
    let image = GenericImage::new("redis", "7")
        .with_exposed_port(6379.tcp())
        .with_wait_for(WaitFor::message_on_stdout("Ready to accept connections"));
    contained(image.into(), 6379, |address| format!("redis://{address}/0"))
}

fn contained(
    request: ContainerRequest<GenericImage>,
    port: u16,
    url: impl FnOnce(&str) -> String,
) -> Result<Contained, TestcontainersError> {
    let container = request.start()?;
    let address = format!("{}:{}", container.get_host()?, container.get_host_port_ipv4(port)?);
    Ok(Contained { url: parsed(&url(&address)), _container: container })
}
