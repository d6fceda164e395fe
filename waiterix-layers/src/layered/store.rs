//! [`Store`] with something around every call.

use std::sync::Arc;

use async_trait::async_trait;
use waiterix_domain::digest::Digest;
use waiterix_domain::{ChangeSet, Row, Table, Timestamp};
use waiterix_ports::{Answer, KeyRange, Query, Result, Store};

use crate::around::{Around, Call, Layered, Wrap};
use crate::operation::store::{CHECK, COMMIT, DIGEST, FORGET_COMMITS, READ, SCAN};

impl Wrap for dyn Store {
    fn wrapped(port: Arc<Self>, around: impl Around) -> Arc<Self> {
        Arc::new(Layered { port, around })
    }
}

#[async_trait]
impl<A: Around> Store for Layered<dyn Store, A> {
    async fn read(&self, query: &Query) -> Result<Answer> {
        self.around.around(Call::new(&READ, &|| self.port.read(query))).await
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<()> {
        self.around.around(Call::new(&COMMIT, &|| self.port.commit(changes))).await
    }

    async fn scan(&self, table: Table, range: &KeyRange, limit: u32) -> Result<Vec<Row>> {
        self.around.around(Call::new(&SCAN, &|| self.port.scan(table, range, limit))).await
    }

    async fn digest(&self, table: Table, range: &KeyRange) -> Result<Digest> {
        self.around.around(Call::new(&DIGEST, &|| self.port.digest(table, range))).await
    }

    async fn forget_commits(&self, before: Timestamp, limit: u32) -> Result<u32> {
        self.around.around(Call::new(&FORGET_COMMITS, &|| self.port.forget_commits(before, limit))).await
    }

    async fn check(&self) -> Result<()> {
        self.around.around(Call::new(&CHECK, &|| self.port.check())).await
    }
}
