//! One listing of two stores.

use std::collections::VecDeque;

use serde_json::{Value, json};
use waiterix_ports::{BlobStore, Error, ErrorKind, Result};

use super::{DualBlobStore, Sides};

/// How far the listing of one store has been read. What a page is continued by is known to its store only, so a page that was
/// used in part is read again.
struct Reader<'a> {
    store: &'a dyn BlobStore,
    prefix: &'a str,
    limit: u32,
    /// Where the page begins that `keys` are left of.
    at: Option<String>,
    /// Where the page behind it begins.
    next: Option<String>,
    /// Whether that page has been read, and is the last.
    is_read: bool,
    keys: VecDeque<(String, u64)>,
}

impl Reader<'_> {
    /// The next key behind `after`, if there is one.
    async fn peek(&mut self, after: Option<&str>) -> Result<Option<&(String, u64)>> {
        loop {
            while self.keys.front().is_some_and(|(key, _)| after.is_some_and(|after| key.as_str() <= after)) {
                self.keys.pop_front();
            }
            if !self.keys.is_empty() {
                return Ok(self.keys.front());
            }
            if self.is_read {
                if self.next.is_none() {
                    return Ok(None);
                }
                self.at = self.next.take();
            }
            let page = self.store.list(self.prefix, self.at.as_deref(), self.limit).await?;
            (self.keys, self.next, self.is_read) = (page.keys.into(), page.next, true);
        }
    }
}

/// An object that either store listed.
pub(super) struct Listed {
    pub(super) key: String,
    /// Its size in the leader, if it is there.
    pub(super) size: u64,
    /// Whether the other store listed it, too.
    pub(super) is_there: bool,
}

/// A page of objects, and where the next one begins.
pub(super) struct ListedPage {
    pub(super) objects: Vec<Listed>,
    pub(super) next: Option<String>,
}

impl DualBlobStore {
    /// A page of both listings: every key of either store once, without those that were deleted here and are not there yet.
    pub(super) async fn page(
        &self,
        sides: &Sides<'_>,
        prefix: &str,
        from: Option<&str>,
        limit: u32,
    ) -> Result<ListedPage> {
        let place: Value = match from {
            None => Value::Null,
            Some(from) => serde_json::from_str(from).map_err(|_| {
                Error::new(ErrorKind::Invalid, "blob.list").with("fault", "not where a page begins")
            })?,
        };
        let text = |name: &str| place[name].as_str().map(str::to_owned);
        // By name and not by role, so that a listing goes on when the leader changes.
        let (leader_name, other_name) = sides.names();
        let reader = |store, name| Reader {
            store,
            prefix,
            limit,
            at: text(name),
            next: None,
            is_read: false,
            keys: VecDeque::new(),
        };
        let (mut here, mut there) = (reader(sides.leader, leader_name), reader(sides.other, other_name));
        let (mut objects, mut after) = (Vec::new(), text("after"));
        loop {
            let one = here.peek(after.as_deref()).await?.cloned();
            let other = there.peek(after.as_deref()).await?.cloned();
            let ((key, size), is_here, is_there) = match (one, other) {
                (None, None) => return Ok(ListedPage { objects, next: None }),
                (Some(one), Some(other)) if other.0 < one.0 => (other, false, true),
                (Some(one), Some(other)) => (one.clone(), true, one.0 == other.0),
                (Some(one), None) => (one, true, false),
                (None, Some(other)) => (other, false, true),
            };
            if !is_here && self.is_deleted(sides, &key).await? {
                after = Some(key);
                continue;
            }
            if objects.len() == limit as usize {
                let next = json!({ leader_name: here.at, other_name: there.at, "after": after }).to_string();
                return Ok(ListedPage { objects, next: Some(next) });
            }
            after = Some(key.clone());
            objects.push(Listed { key, size, is_there });
        }
    }
}
