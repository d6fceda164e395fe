//! A bad network between a client and its server.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use url::Url;

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes.
    Pass,
    /// Everything passes, but answers arrive this much later.
    Slow(Duration),
    /// New connections are refused; those there are stay.
    Refuse,
    /// Nothing passes any more and nobody is told: sockets stay open on both sides (half-open).
    Hold,
    /// Requests pass, answers do not.
    Swallow,
}

/// Forwards connections to a server as its mode says. Ends with all its connections when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    server: String,
    mode: watch::Sender<Mode>,
    cut: broadcast::Sender<()>,
    cut_on: Mutex<Option<Vec<u8>>>,
    accepted: watch::Sender<usize>,
}

impl Proxy {
    /// Stands in front of the server of a URL; needs a running Tokio runtime.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn to(server: &Url) -> io::Result<Self> {
        let host = server.host_str().unwrap_or_default();
        let port = server.port_or_known_default().unwrap_or_default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server: format!("{host}:{port}"),
            mode: watch::channel(Mode::Pass).0,
            cut: broadcast::channel(1).0,
            cut_on: Mutex::new(None),
            accepted: watch::channel(0).0,
        });
        let task = tokio::spawn(accept(listener, address, shared.clone()));
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of the server that leads through here.
    #[must_use]
    pub fn url(&self, server: &Url) -> Url {
        let mut url = server.clone();
        // Only URLs without a host take no port, and those lead to no server.
        let _ = url.set_host(Some(&self.address.ip().to_string()));
        let _ = url.set_port(Some(self.address.port()));
        url
    }

    /// Changes what the network does, from now on.
    pub fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// Cuts every connection there is.
    pub fn cut(&self) {
        // No receiver means that there is no connection.
        let _ = self.shared.cut.send(());
    }

    /// The next request that contains these bytes reaches the server and is answered, but the connection is cut
    /// before the answer passes: its sender does not learn that it was done.
    pub fn cut_on(&self, needle: impl Into<Vec<u8>>) {
        *self.shared.cut_on.lock().unwrap_or_else(PoisonError::into_inner) = Some(needle.into());
    }

    /// Whether what [`Proxy::cut_on`] waits for has happened.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.shared.cut_on.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        *self.shared.accepted.borrow()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, address: SocketAddr, shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    let mut listener = Some(listener);
    loop {
        if *mode.borrow_and_update() == Mode::Refuse {
            listener = None;
            if mode.changed().await.is_err() {
                return;
            }
            continue;
        }
        let Some(open) = &listener else {
            listener = TcpListener::bind(address).await.ok();
            continue;
        };
        tokio::select! {
            changed = mode.changed() => if changed.is_err() { return },
            accepted = open.accept() => if let Ok((client, _)) = accepted {
                shared.accepted.send_modify(|count| *count += 1);
                tokio::spawn(forward(client, shared.clone()));
            },
        }
    }
}

/// One connection, until either side ends it or it is cut.
async fn forward(mut client: TcpStream, shared: Arc<Shared>) {
    let (mut cut, mut mode) = (shared.cut.subscribe(), shared.mode.subscribe());
    let Ok(mut server) = TcpStream::connect(&shared.server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let now = *mode.borrow_and_update();
        if now == Mode::Hold {
            tokio::select! {
                _ = cut.recv() => return,
                changed = mode.changed() => if changed.is_err() { return },
            }
            continue;
        }
        tokio::select! {
            _ = cut.recv() => return,
            changed = mode.changed() => if changed.is_err() { return },
            read = client.read(&mut request) => {
                let Ok(count @ 1..) = read else { return };
                if server.write_all(&request[..count]).await.is_err() {
                    return;
                }
                if shared.cuts_on(&request[..count]) {
                    // The server answers when it is done; the answer goes no further than this.
                    let _ = server.read(&mut answer).await;
                    return;
                }
            }
            read = server.read(&mut answer) => {
                let Ok(count @ 1..) = read else { return };
                match now {
                    Mode::Swallow => continue,
                    Mode::Slow(by) => tokio::time::sleep(by).await,
                    Mode::Pass | Mode::Refuse | Mode::Hold => {}
                }
                if client.write_all(&answer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Shared {
    fn cuts_on(&self, request: &[u8]) -> bool {
        let mut cut_on = self.cut_on.lock().unwrap_or_else(PoisonError::into_inner);
        let found = cut_on
            .as_ref()
            .is_some_and(|needle| request.windows(needle.len()).any(|window| window == needle.as_slice()));
        if found {
            *cut_on = None;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every piece with the same piece.
    async fn echo() -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = socket.split();
                    tokio::io::copy(&mut reader, &mut writer).await
                });
            }
        });
        Url::parse(&format!("tcp://127.0.0.1:{port}")).unwrap()
    }

    async fn asks(socket: &mut TcpStream, text: &str) -> io::Result<String> {
        socket.write_all(text.as_bytes()).await?;
        let mut answer = vec![0; text.len()];
        socket.read_exact(&mut answer).await?;
        Ok(String::from_utf8(answer).unwrap())
    }

    #[tokio::test]
    async fn it_passes_refuses_holds_and_cuts() {
        let proxy = Proxy::to(&echo().await).await.unwrap();
        let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(asks(&mut socket, "one").await.unwrap(), "one");

        proxy.set(Mode::Refuse);
        // The listener is gone a moment later; the connection made stays.
        while TcpStream::connect(proxy.address()).await.is_ok() {}
        assert_eq!(asks(&mut socket, "two").await.unwrap(), "two");

        for quiet in [Mode::Hold, Mode::Swallow] {
            proxy.set(quiet);
            let waited = tokio::time::timeout(Duration::from_millis(50), asks(&mut socket, "x")).await;
            assert!(waited.is_err(), "{quiet:?} lets an answer pass");
        }
        proxy.set(Mode::Pass);
        proxy.cut();
        let ended = async {
            let mut rest = Vec::new();
            socket.read_to_end(&mut rest).await
        };
        tokio::time::timeout(Duration::from_secs(5), ended).await.expect("the cut is noticed").ok();
    }

    #[tokio::test]
    async fn a_request_can_be_done_without_its_sender_learning_it() {
        let proxy = Proxy::to(&echo().await).await.unwrap();
        proxy.cut_on("COMMIT");
        let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(asks(&mut socket, "begin").await.unwrap(), "begin");
        assert!(asks(&mut socket, "a COMMIT b").await.is_err());
        assert!(proxy.has_cut());
    }
}
