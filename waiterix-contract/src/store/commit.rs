//! Commits.

use waiterix_domain::{ChangeSet, CommitId};
use waiterix_ports::Store;

use crate::Fixture;

/// **S24**
#[allow(clippy::unwrap_used, reason = "a failed case is a panic")]
pub async fn s24_an_empty_set_succeeds(fixture: Fixture<dyn Store>) {
    fixture.port.commit(&ChangeSet::new(CommitId::new("empty"))).await.unwrap();
}
