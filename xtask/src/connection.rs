//! HTTP/1.1 over one kept connection, with as little work per request as can be: whoever sends load shares the machine
//! with what is measured.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection that waits for the answer before it sends the next request.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// The part of the first `Set-Cookie` that goes into a `Cookie` header.
    pub(crate) cookie: Option<String>,
    pub(crate) body: &'a [u8],
}

/// The head of an answer.
#[derive(Debug)]
struct Head {
    status: u16,
    cookie: Option<String>,
    body: Range<usize>,
}

const FIRST_BUFFER_BYTES: usize = 64 * 1024;

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; FIRST_BUFFER_BYTES], filled: 0 })
    }

    /// Sends a whole request and reads the whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.filled = 0;
        let head = loop {
            self.read_more().await?;
            if let Some(head) = head_of(&self.buffer[..self.filled])? {
                break head;
            }
        };
        while self.filled < head.body.end {
            self.read_more().await?;
        }
        Ok(Answer { status: head.status, cookie: head.cookie, body: &self.buffer[head.body] })
    }

    async fn read_more(&mut self) -> io::Result<()> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.filled * 2, 0);
        }
        match self.stream.read(&mut self.buffer[self.filled..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.filled += count;
                Ok(())
            }
        }
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The head, once it is all there.
fn head_of(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut response = httparse::Response::new(&mut headers);
    let start = match response.parse(bytes).map_err(|error| invalid(&error.to_string()))? {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(start) => start,
    };
    let value_of = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let length: usize = match value_of("content-length") {
        // These have no body, and need not say so (RFC 9112, 6.3).
        None if matches!(response.code, Some(204 | 304)) => 0,
        said => said
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| invalid("an answer without Content-Length"))?,
    };
    let cookie = value_of("set-cookie").and_then(|text| text.split(';').next()).map(str::to_owned);
    Ok(Some(Head { status: response.code.unwrap_or_default(), cookie, body: start..start + length }))
}

/// A request with headers and a body of its own, as it goes over the wire. Its head must hold `host`.
pub(crate) fn request_with(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    bytes
}

/// A request as it goes over the wire.
pub(crate) fn request(method: &str, path: &str, cookie: Option<&str>, body: Option<&str>) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: waiterix\r\n");
    if let Some(cookie) = cookie {
        text += &format!("cookie: {cookie}\r\n");
    }
    if let Some(body) = body {
        text += &format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    } else {
        text += "\r\n";
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let whole = b"HTTP/1.1 201 Created\r\nSet-Cookie: connect.sid=s%3Aa; Path=/\r\ncontent-length: 5\r\n\r\nhello";
        assert!(head_of(&whole[..40]).unwrap().is_none());
        let head = head_of(whole).unwrap().unwrap();
        assert_eq!((head.status, head.cookie.as_deref()), (201, Some("connect.sid=s%3Aa")));
        assert_eq!(&whole[head.body], b"hello");
        assert!(head_of(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert_eq!(head_of(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body.len(), 0);
    }

    #[test]
    fn requests_say_their_length() {
        let text = String::from_utf8(request("POST", "/a", Some("c=1"), Some("{}"))).unwrap();
        let expected = "POST /a HTTP/1.1\r\nhost: waiterix\r\ncookie: c=1\r\n\
                        content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(text, expected);
    }
}
