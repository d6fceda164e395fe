//! PostgreSQL.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use url::Url;

use crate::process::{NOBODY, Plan, folder, free_port, give_away, is_root, run};
use crate::tls::Identity;
use crate::{Fault, Running, program};

/// The role that owns everything, and its password.
pub const ROLE: &str = "waiterix";

/// What is special about a server.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether a commit waits for the disk. Without it a killed server may lose the commits it answered last, so a
    /// test that kills one sets it.
    pub durable: bool,
    /// The certificate it shows; without one it speaks no TLS.
    pub tls: Option<Identity>,
    /// Further lines of its configuration.
    pub settings: Vec<String>,
}

/// A program of PostgreSQL's, e.g. `pgbench`.
///
/// # Errors
/// When it is not there and cannot be installed.
pub fn program(name: &'static str) -> Result<PathBuf, Fault> {
    program::debian(name, "postgresql", &["/usr/lib/postgresql/*/bin"])
}

/// Starts a server with an empty database `postgres`. The role in its URL may do anything; it signs in with SCRAM.
///
/// # Errors
/// When it cannot be had.
pub fn start(options: &Options) -> Result<Running, Fault> {
    let server = program("postgres")?;
    let dir = folder(true)?;
    let data = dir.path().join("data");
    let password = dir.path().join("password");
    fs::write(&password, ROLE)?;
    if is_root() {
        give_away(&password)?;
    }
    let mut initdb = Command::new(program("initdb")?);
    initdb.args(["--username", ROLE, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"]);
    initdb.arg("--no-sync").arg("--pwfile").arg(&password).arg("--pgdata").arg(&data).current_dir(dir.path());
    if is_root() {
        initdb.uid(NOBODY).gid(NOBODY);
    }
    run(&mut initdb)?;
    let port = free_port()?;
    fs::write(data.join("postgresql.auto.conf"), settings(options, port, dir.path())?)?;
    let url = format!("postgres://{ROLE}:{ROLE}@127.0.0.1:{port}/postgres");
    let plan = Plan {
        name: "PostgreSQL",
        program: server,
        arguments: vec!["-D".to_owned(), data.display().to_string()],
        variables: Vec::new(),
        unprivileged: true,
        ready,
    };
    Running::start(plan, parsed(&url), dir)
}

fn settings(options: &Options, port: u16, dir: &Path) -> Result<String, Fault> {
    let mut lines = vec![
        "listen_addresses = '127.0.0.1'".to_owned(),
        format!("port = {port}"),
        format!("unix_socket_directories = '{}'", dir.display()),
        "max_connections = 400".to_owned(),
        "shared_buffers = 128MB".to_owned(),
        // A zone that is not UTC finds out who relies on the server's.
        "timezone = 'America/New_York'".to_owned(),
    ];
    if !options.durable {
        lines
            .extend(["fsync = off", "synchronous_commit = off", "full_page_writes = off"].map(str::to_owned));
    }
    if let Some(identity) = &options.tls {
        for (name, pem) in [("server.crt", &identity.certificate_pem), ("server.key", &identity.key_pem)] {
            let file = dir.join(name);
            crate::tls::write_private(&file, pem)?;
            if is_root() {
                give_away(&file)?;
            }
        }
        lines.push("ssl = on".to_owned());
        lines.push(format!("ssl_cert_file = '{}'", dir.join("server.crt").display()));
        lines.push(format!("ssl_key_file = '{}'", dir.join("server.key").display()));
    }
    lines.extend(options.settings.iter().cloned());
    Ok(lines.join("\n") + "\n")
}

pub(crate) fn ready(url: &Url) -> bool {
    let Ok(program) = program("pg_isready") else { return false };
    let (host, port) = (url.host_str().unwrap_or_default(), url.port().unwrap_or_default().to_string());
    let mut command = Command::new(program);
    command.args(["--quiet", "--host", host, "--port", &port]).stdin(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[allow(clippy::expect_used, reason = "addresses made here are well-formed")]
pub(crate) fn parsed(url: &str) -> Url {
    Url::parse(url).expect("a URL of our own making")
}
