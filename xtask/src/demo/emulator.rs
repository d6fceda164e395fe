//! An emulator of a provider, asked directly: what is there, whatever the service says about it.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::command::Failure;

/// Where an emulator is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Emulator(SocketAddr);

/// What was answered.
pub(super) struct Answer {
    /// The URL at which it goes on, if there is one.
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

/// The address of a URL such as `http://127.0.0.1:4566/path`, and its path with its query.
pub(super) fn parted(url: &str) -> Result<(SocketAddr, &str), Failure> {
    let rest = url.strip_prefix("http://");
    let parts = rest.map(|rest| rest.find('/').map_or((rest, "/"), |at| rest.split_at(at)));
    let parsed = parts.and_then(|(address, path)| Some((address.parse().ok()?, path)));
    parsed.ok_or_else(|| Failure::Said("a server is not at an address of this machine".to_owned()))
}

impl Emulator {
    pub(super) fn at(url: &str) -> Result<Self, Failure> {
        Ok(Self(parted(url)?.0))
    }

    /// Sends a request on a connection of its own and answers the body; any status but 2xx is a failure.
    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        self.ask(method, path, headers, body).await.map(|answer| answer.body)
    }

    /// As [`call`](Self::call), with where the answer says that it goes on.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> Result<Answer, Failure> {
        // HTTP/1.0: the answer ends with the connection, in whatever pieces the server makes it.
        let mut request =
            format!("{method} {path} HTTP/1.0\r\nhost: {}\r\ncontent-length: {}\r\n", self.0, body.len());
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        let mut stream = TcpStream::connect(self.0).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.write_all(body).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let head = head_of(&answer)
            .ok_or_else(|| Failure::Said(format!("{method} {path}: the answer is not understood")))?;
        let body = &answer[head.end..];
        if head.length.is_some_and(|length| length != body.len()) {
            return Err(Failure::Said(format!("{method} {path}: the answer was cut off")));
        }
        if (200..300).contains(&head.status) {
            Ok(Answer { location: head.location, body: body.to_vec() })
        } else {
            let said = String::from_utf8_lossy(body);
            Err(Failure::Said(format!(
                "{method} {}: {} {said}",
                path.split('?').next().unwrap_or_default(),
                head.status
            )))
        }
    }

    pub(super) async fn json(&self, path: &str, headers: &[(&str, String)]) -> Result<Value, Failure> {
        let body = self.call("GET", path, headers, b"").await?;
        serde_json::from_slice(&body).map_err(|error| Failure::Said(format!("GET {path}: {error}")))
    }
}

/// What begins an answer.
struct Head {
    status: u16,
    /// Where the body begins.
    end: usize,
    /// How long the body is said to be.
    length: Option<usize>,
    location: Option<String>,
}

fn head_of(answer: &[u8]) -> Option<Head> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(end) = response.parse(answer).ok()? else { return None };
    let value = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let length = value("content-length").and_then(|length| length.parse().ok());
    Some(Head { status: response.code?, end, length, location: value("location").map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_parted_into_address_and_path() {
        let (address, path) = parted("http://127.0.0.1:80/a/b?c=d").unwrap();
        assert_eq!((address.port(), path), (80, "/a/b?c=d"));
        assert_eq!(parted("http://127.0.0.1:80").unwrap().1, "/");
        assert!(parted("https://example.org/").is_err());
    }
}
