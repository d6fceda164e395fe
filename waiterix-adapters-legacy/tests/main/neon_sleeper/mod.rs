//! A database that sleeps: it turns the first callers away and lets the others through.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

/// Stands in front of a server.
pub(crate) struct Sleeper {
    pub(crate) url: Url,
    calls: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sleeper {
    /// Turns so many callers away, saying this with this code.
    pub(crate) async fn before(server: &Url, away: usize, code: &'static str, message: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut url = server.clone();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let address = format!("{}:{}", server.host_str().unwrap(), server.port().unwrap());
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                let is_away = counted.fetch_add(1, Ordering::SeqCst) < away;
                let address = address.clone();
                tokio::spawn(async move {
                    if is_away {
                        turn_away(&mut caller, code, message).await
                    } else {
                        let mut server = TcpStream::connect(&address).await?;
                        copy_bidirectional(&mut caller, &mut server).await.map(drop)
                    }
                });
            }
        });
        Self { url, calls, task }
    }

    /// How many have called.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// Hears who is calling and answers with an error, as a server or a proxy does that takes nobody.
async fn turn_away(caller: &mut TcpStream, code: &str, message: &str) -> std::io::Result<()> {
    let length = caller.read_u32().await?;
    let mut startup = vec![0; length as usize - 4];
    caller.read_exact(&mut startup).await?;
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
    caller.write_u8(b'E').await?;
    caller.write_u32(fields.len() as u32 + 4).await?;
    caller.write_all(fields.as_bytes()).await?;
    caller.shutdown().await
}
