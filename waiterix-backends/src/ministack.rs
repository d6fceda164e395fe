//! MiniStack: S3, SES, DynamoDB, API Gateway and more on one port.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use url::Url;

use crate::postgres::parsed;
use crate::process::{Plan, folder, free_port};
use crate::{Fault, Running, program};

const VERSION: &str = "1.5.33";

/// Starts an empty server. Any access key is taken; signatures of presigned URLs are checked.
///
/// # Errors
/// When it cannot be had.
pub fn start() -> Result<Running, Fault> {
    let server = program::python("ministack", "ministack", VERSION)?;
    let port = free_port()?;
    let variables = [
        ("BIND_HOST", "127.0.0.1".to_owned()),
        ("GATEWAY_PORT", port.to_string()),
        ("IOT_MTLS_ENABLED", "0".to_owned()),
        ("SFTP_ENABLED", "0".to_owned()),
        ("LOG_LEVEL", "WARNING".to_owned()),
    ];
    let plan = Plan {
        name: "MiniStack",
        program: server,
        arguments: Vec::new(),
        variables: variables.to_vec(),
        unprivileged: false,
        ready: |url| answers(url, "/_ministack/health"),
    };
    Running::start(plan, parsed(&format!("http://127.0.0.1:{port}")), folder(false)?)
}

/// Whether an HTTP server answers a path at all.
pub(crate) fn answers(url: &Url, path: &str) -> bool {
    let address = (url.host_str().unwrap_or_default(), url.port().unwrap_or_default());
    let Ok(mut socket) = TcpStream::connect(address) else { return false };
    let mut answer = [0; 9];
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let asked = socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .and_then(|()| socket.write_all(request.as_bytes()))
        .and_then(|()| socket.read_exact(&mut answer));
    asked.is_ok() && answer.starts_with(b"HTTP/1.")
}
