//! Listing: the keys of all folders as one, in bytewise order, each once.

use std::collections::VecDeque;

use reqwest::Method;
use serde::Deserialize;
use waiterix_ports::{BlobPage, Error, ErrorKind, Result};

use super::layout::{Folder, PUBLIC_PREFIX};
use super::link::Ask;
use super::{Shared, invalid};

const OPERATION: &str = "gcs.list";
/// How many names the servers tell at once.
const MOST: usize = 1000;

/// A page of names as the servers tell them: in bytewise order, perhaps fewer than asked for, perhaps none.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    items: Vec<Item>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
    size: Option<String>,
}

/// What is told of a folder so far.
struct Told<'a> {
    folder: Folder<'a>,
    /// What the names start with.
    prefix: String,
    /// The name from which on they are told, if it is not from the start.
    start: Option<String>,
    keys: VecDeque<(String, u64)>,
    token: Option<String>,
    is_over: bool,
}

impl Shared {
    /// `after` is the last key of the page before.
    pub(super) async fn page(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<BlobPage> {
        if !(1..=1000).contains(&limit) {
            return Err(invalid(OPERATION, "limit"));
        }
        let limit = limit as usize;
        let mut folders: Vec<Told<'_>> =
            self.layout.folders_of(prefix).into_iter().filter_map(|folder| told(folder, after)).collect();
        let mut keys: Vec<(String, u64)> = Vec::new();
        loop {
            // Of a key in several folders the first folder's object counts, so the folders are in their order here.
            let mut least: Option<(String, u64)> = None;
            for folder in &mut folders {
                self.fill(folder, after, limit).await?;
                if let Some(head) = folder.keys.front()
                    && least.as_ref().is_none_or(|(key, _)| head.0 < *key)
                {
                    least = Some(head.clone());
                }
            }
            let Some(least) = least else { return Ok(BlobPage { keys, next: None }) };
            if keys.len() == limit {
                let next = keys.last().map(|(key, _)| key.clone());
                return Ok(BlobPage { keys, next });
            }
            for folder in &mut folders {
                folder.keys.pop_front_if(|(key, _)| *key == least.0);
            }
            keys.push(least);
        }
    }

    /// Sees to it that at least one key of a folder is known, if there is one.
    async fn fill(&self, told: &mut Told<'_>, after: Option<&str>, limit: usize) -> Result<()> {
        while told.keys.is_empty() && !told.is_over {
            // One for the key that the names begin at, which was told before, and one to see that there are more.
            let mut ask = Ask::new(OPERATION, Method::GET, self.link.objects(told.folder.dir.bucket()))
                .with("prefix", &told.prefix)
                .with("maxResults", MOST.min(limit + 2))
                .with("fields", "items(name,size),nextPageToken");
            if let Some(start) = &told.start {
                ask = ask.with("startOffset", start);
            }
            if let Some(token) = &told.token {
                ask = ask.with("pageToken", token);
            }
            let page = self.link.json::<Page>(&ask).await.map_err(no_bucket)?;
            for item in page.items {
                let Some(key) = self.layout.key_of(&told.folder, &item.name) else { continue };
                if after.is_none_or(|after| key.as_str() > after) {
                    let size = item.size.and_then(|size| size.parse().ok()).unwrap_or_default();
                    told.keys.push_back((key, size));
                }
            }
            if page.next_page_token.is_some() && page.next_page_token == told.token {
                return Err(
                    Error::new(ErrorKind::Corrupt, OPERATION).with("fault", "a listing without an end")
                );
            }
            told.token = page.next_page_token;
            told.is_over = told.token.is_none();
        }
        Ok(())
    }
}

/// What there is to be told of a folder behind a key; `None` where that is certainly nothing.
fn told<'a>((folder, prefix): (Folder<'a>, String), after: Option<&str>) -> Option<Told<'a>> {
    let start = match after {
        None => None,
        Some(after) => match after.strip_prefix(folder.prefix) {
            Some(rest) => Some(format!("{}/{rest}", folder.dir.dir())),
            // The keys of a public folder are all before or all behind a key that is none of them.
            None if after > PUBLIC_PREFIX => return None,
            None => None,
        },
    };
    Some(Told { folder, prefix, start, keys: VecDeque::new(), token: None, is_over: false })
}

/// A bucket that is not there is an outage, and not an empty one.
fn no_bucket(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound {
        Error::new(ErrorKind::Unavailable, OPERATION).with("fault", "the bucket is not there")
    } else {
        error
    }
}
