//! Whoever uses the service: requests over kept connections to two instances, each checked and none repeated.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::record::{Record, What};
use crate::connection::Connection;

/// Nobody waits longer; it counts as a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// A whole answer.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) cookie: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(&self) -> Result<Value, String> {
        if !(200..300).contains(&self.status) {
            let said = String::from_utf8_lossy(&self.body);
            return Err(format!("{} {}", self.status, said.chars().take(200).collect::<String>()));
        }
        serde_json::from_slice(&self.body).map_err(|error| error.to_string())
    }
}

/// Whoever stands behind the load balancer at the moment.
struct Pool {
    addresses: [SocketAddr; 2],
    idle: [Vec<Connection>; 2],
    /// Held by every request that is under way to them.
    under_way: Arc<()>,
}

impl Pool {
    fn of(addresses: [SocketAddr; 2]) -> Self {
        Self { addresses, idle: Default::default(), under_way: Arc::default() }
    }
}

/// The two instances and the record of what they answer.
pub(super) struct Client {
    pool: Mutex<Pool>,
    pub(super) record: Arc<Record>,
}

impl Client {
    pub(super) fn new(addresses: [SocketAddr; 2], record: Arc<Record>) -> Self {
        Self { pool: Mutex::new(Pool::of(addresses)), record }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends everybody to other instances, as a load balancer does, and waits until those before have answered whom they had.
    pub(super) async fn switch(&self, addresses: [SocketAddr; 2]) {
        let before = std::mem::replace(&mut *self.pool(), Pool::of(addresses));
        let deadline = Instant::now() + PATIENCE;
        while Arc::strong_count(&before.under_way) > 1 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends a request to an instance, by number, and lets the answer be checked; records how long that took since it was due
    /// and whether it failed. What the check makes of the answer is there if it did not.
    pub(super) async fn ask<T>(
        &self,
        (what, writes): (What, bool),
        due: Instant,
        instance: usize,
        request: &[u8],
        check: impl FnOnce(&Reply) -> Result<T, String>,
    ) -> Option<T> {
        let outcome = self.exchange(instance, request).await.and_then(|reply| check(&reply));
        match outcome {
            Ok(found) => {
                self.record.request(what, writes, due, None);
                Some(found)
            }
            Err(failure) => {
                self.record.request(what, writes, due, Some(failure));
                None
            }
        }
    }

    /// Sends a request that is not recorded.
    pub(super) async fn exchange(&self, instance: usize, request: &[u8]) -> Result<Reply, String> {
        let (address, kept, under_way) = {
            let mut pool = self.pool();
            let instance = instance % pool.addresses.len();
            (pool.addresses[instance], pool.idle[instance].pop(), Arc::clone(&pool.under_way))
        };
        let work = async {
            let mut connection = match kept {
                Some(connection) => connection,
                None => Connection::open(address).await.map_err(|error| error.to_string())?,
            };
            let answer = connection.exchange(request).await.map_err(|error| error.to_string())?;
            let reply = Reply { status: answer.status, cookie: answer.cookie, body: answer.body.to_vec() };
            let mut pool = self.pool();
            // Whoever was switched away from is not asked again.
            if let Some(place) = pool.addresses.iter().position(|known| *known == address) {
                pool.idle[place].push(connection);
            }
            drop(under_way);
            Ok(reply)
        };
        tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }
}
