//! PgBouncer in transaction mode.

use std::fs;

use url::Url;

use crate::postgres::{ROLE, parsed};
use crate::process::{Plan, folder, free_port, give_away, is_root};
use crate::{Fault, Running, program};

/// Starts a pooler in front of a PostgreSQL server, for every database of it, with few server connections so that
/// they are really shared.
///
/// # Errors
/// When it cannot be had.
pub fn start(postgres: &Url) -> Result<Running, Fault> {
    let server = program::debian("pgbouncer", "pgbouncer", &["/usr/sbin"])?;
    let dir = folder(true)?;
    let port = free_port()?;
    let (users, file) = (dir.path().join("users"), dir.path().join("pgbouncer.ini"));
    let password = postgres.password().unwrap_or(ROLE);
    fs::write(&users, format!("\"{}\" \"{password}\"\n", postgres.username()))?;
    let (host, server_port) = (postgres.host_str().unwrap_or_default(), postgres.port().unwrap_or(5432));
    let lines = [
        "[databases]".to_owned(),
        format!("* = host={host} port={server_port}"),
        "[pgbouncer]".to_owned(),
        "pool_mode = transaction".to_owned(),
        "listen_addr = 127.0.0.1".to_owned(),
        format!("listen_port = {port}"),
        "unix_socket_dir =".to_owned(),
        "auth_type = scram-sha-256".to_owned(),
        format!("auth_file = {}", users.display()),
        "default_pool_size = 3".to_owned(),
        "max_client_conn = 400".to_owned(),
        "max_db_connections = 3".to_owned(),
        "ignore_startup_parameters = extra_float_digits".to_owned(),
        "server_idle_timeout = 5".to_owned(),
    ];
    fs::write(&file, lines.join("\n") + "\n")?;
    if is_root() {
        give_away(&users)?;
        give_away(&file)?;
    }
    let database = postgres.path().trim_start_matches('/');
    let url = format!("postgres://{}:{password}@127.0.0.1:{port}/{database}", postgres.username());
    let plan = Plan {
        name: "PgBouncer",
        program: server,
        arguments: vec![file.display().to_string()],
        variables: Vec::new(),
        unprivileged: true,
        ready: crate::postgres::ready,
    };
    Running::start(plan, parsed(&url), dir)
}
