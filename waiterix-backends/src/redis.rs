//! Redis.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::postgres::parsed;
use crate::process::{Plan, folder, free_port};
use crate::tls::{Identity, write_private};
use crate::{Fault, Running, program};

/// What is special about a server.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The password clients must send.
    pub password: Option<String>,
    /// The certificate it shows; with one it speaks nothing but TLS.
    pub tls: Option<Identity>,
    /// Whether it finds its data again after it was killed.
    pub durable: bool,
    /// Further arguments, e.g. `["--maxclients", "2"]`.
    pub arguments: Vec<String>,
}

/// A program of Redis', e.g. `redis-benchmark`.
///
/// # Errors
/// When it is not there and cannot be installed.
pub fn program(name: &'static str) -> Result<PathBuf, Fault> {
    program::debian(name, "redis-server", &[])
}

/// Starts an empty server. The URL is `redis://` or `rediss://` and holds the password.
///
/// # Errors
/// When it cannot be had.
pub fn start(options: &Options) -> Result<Running, Fault> {
    let server = program("redis-server")?;
    let dir = folder(false)?;
    let port = free_port()?.to_string();
    let mut arguments: Vec<String> =
        ["--bind", "127.0.0.1", "--save", "", "--dir"].map(str::to_owned).to_vec();
    arguments.push(dir.path().display().to_string());
    let mut say = |name: &str, value: &str| arguments.extend([name.to_owned(), value.to_owned()]);
    if options.durable {
        say("--appendonly", "yes");
        say("--appendfsync", "always");
    }
    if let Some(password) = &options.password {
        say("--requirepass", password);
    }
    let scheme = if let Some(identity) = &options.tls {
        for (name, file, pem) in [
            ("--tls-cert-file", "redis.crt", &identity.certificate_pem),
            ("--tls-key-file", "redis.key", &identity.key_pem),
        ] {
            let path = dir.path().join(file);
            write_private(&path, pem)?;
            say(name, &path.display().to_string());
        }
        say("--tls-auth-clients", "no");
        say("--port", "0");
        say("--tls-port", &port);
        "rediss"
    } else {
        say("--port", &port);
        "redis"
    };
    arguments.extend(options.arguments.iter().cloned());
    let secret = options.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
    let url = parsed(&format!("{scheme}://{secret}127.0.0.1:{port}/0"));
    let plan =
        Plan { name: "Redis", program: server, arguments, variables: Vec::new(), unprivileged: false, ready };
    Running::start(plan, url, dir)
}

fn ready(url: &Url) -> bool {
    let address = (url.host_str().unwrap_or_default(), url.port().unwrap_or_default());
    let Ok(mut socket) = TcpStream::connect(address) else { return false };
    if url.scheme() == "rediss" {
        return true;
    }
    let mut answer = [0; 5];
    let asked = socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .and_then(|()| socket.write_all(b"PING\r\n"))
        .and_then(|()| socket.read_exact(&mut answer));
    asked.is_ok() && matches!(&answer, b"+PONG" | b"-NOAU")
}
