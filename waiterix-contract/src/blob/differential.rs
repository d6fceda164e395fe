//! The same random steps go to several stores of objects, which must agree on everything.
//!
//! Few keys, so that they meet. Answers are equal, errors of the same kind; etags and times are each store's own. At times, and
//! at the end, everything there is is compared.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use waiterix_domain::id::UserId;
use waiterix_ports::{BlobMeta, BlobStore, Bytes, ErrorKind, PutBlob, PutMode, Result, Visibility};

use super::{collect, pieces};

/// How many steps lie between two comparisons of everything.
const STEPS_BETWEEN_DUMPS: usize = 50;
/// Keys that are close to one another in order, by prefix or by look, and some that are none.
const KEYS: [&str; 14] = [
    "a",
    "a/b",
    "a//b",
    "a b+c",
    "public",
    "public/a",
    "public/ä😀",
    "public/z?x=y",
    "public0",
    "uploads/1",
    "uploads/10",
    "",
    "/a",
    "a/../b",
];
const PREFIXES: [&str; 7] = ["", "a", "a/", "p", "public/", "uploads/1", "zzz"];
const TYPES: [Option<&str>; 3] = [None, Some("image/png"), Some("text/plain; charset=utf-8")];
const OWNERS: [Option<&str>; 4] = [None, Some("anna"), Some("auth0|ä 😀"), Some("42")];

/// What happened, so that a caller can see that the run was worth it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Objects that were stored.
    pub stored: usize,
    /// Puts that came too late.
    pub conflicts: usize,
    /// Objects, or parts of them, that were read.
    pub read: usize,
    /// Objects that were copied, and whose access was changed.
    pub changed: usize,
    /// Requests that named nothing that is there.
    pub missing: usize,
    /// Requests that were refused as invalid.
    pub invalid: usize,
}

impl Tally {
    fn count<T>(&mut self, answer: &Answer<T>, done: impl FnOnce(&mut Self)) {
        match answer {
            Ok(_) => done(self),
            Err(ErrorKind::Conflict) => self.conflicts += 1,
            Err(ErrorKind::NotFound) => self.missing += 1,
            Err(_) => self.invalid += 1,
        }
    }
}

/// An answer as it is compared.
type Answer<T> = std::result::Result<T, ErrorKind>;

/// What stores must agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Essence {
    size: u64,
    content_type: String,
    cache_control: Option<String>,
    owner: Option<UserId>,
    visibility: Visibility,
}

impl From<BlobMeta> for Essence {
    fn from(meta: BlobMeta) -> Self {
        Self {
            size: meta.size,
            content_type: meta.content_type,
            cache_control: meta.cache_control,
            owner: meta.owner,
            visibility: meta.visibility,
        }
    }
}

/// The stores, and who is at what.
struct Run<'a> {
    stores: &'a [(&'a str, Arc<dyn BlobStore>)],
    random: StdRng,
    tally: Tally,
    step: usize,
}

/// Runs `steps` random steps against the stores, which must be empty, and compares them. The same seed makes the same steps.
///
/// # Panics
/// When two stores do not agree; it says at which step, and on what.
pub async fn run(stores: &[(&str, Arc<dyn BlobStore>)], seed: u64, steps: usize) -> Tally {
    let mut run = Run { stores, random: StdRng::seed_from_u64(seed), tally: Tally::default(), step: 0 };
    while run.step < steps {
        run.step += 1;
        match run.random.random_range(0..10) {
            0..4 => run.put().await,
            4 => run.get().await,
            5 => run.copy().await,
            6 => run.set_access().await,
            7 => run.delete().await,
            8 => run.list().await,
            _ => run.head().await,
        }
        if run.step.is_multiple_of(STEPS_BETWEEN_DUMPS) {
            run.compare_all().await;
        }
    }
    run.compare_all().await;
    run.tally
}

impl Run<'_> {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        *from.choose(&mut self.random).unwrap_or(&from[0])
    }

    /// Asks every store, and answers what all of them answer.
    async fn all<T, F>(&self, what: &str, ask: impl Fn(Arc<dyn BlobStore>) -> F) -> Answer<T>
    where
        T: Debug + PartialEq,
        F: Future<Output = Result<T>>,
    {
        let mut first: Option<(&str, Answer<T>)> = None;
        for (name, store) in self.stores {
            let answer = ask(store.clone()).await.map_err(|error| error.kind());
            match &first {
                None => first = Some((name, answer)),
                Some((other, expected)) => {
                    assert_eq!(*expected, answer, "step {}, {what}: {other} and {name}", self.step);
                }
            }
        }
        first.map_or(Err(ErrorKind::Unsupported), |(_, answer)| answer)
    }

    async fn put(&mut self) {
        let (key, content_type) = (self.pick(&KEYS), self.pick(&TYPES));
        let (owner, public) = (self.pick(&OWNERS), self.random.random());
        // No two objects have the same bytes, so that an etag stands for the same object in every store.
        let bytes =
            format!("{}{}", self.pick(&["", "GIF89a", "\u{1}"]), "x".repeat(self.random.random_range(0..3)));
        let bytes = Bytes::from(format!("{bytes} {}", self.step));
        let cache_control = self.pick(&[None, Some("public, max-age=60")]);
        let mode = self.random.random_range(0..5);
        // Of two things that are wrong any may be told, so the length is wrong only where nothing else can be.
        let (announced, limit) = match self.random.random_range(0..6) {
            0 if mode > 2 => (Some(3), u64::MAX),
            1 if mode > 2 => (None, 4),
            2 => (None, u64::MAX),
            _ => (Some(bytes.len() as u64), u64::MAX),
        };
        let what = format!("put {key:?} with mode {mode}");
        let answer = self
            .all(&what, |store| {
                let bytes = bytes.clone();
                async move {
                    let mode = match mode {
                        0 => PutMode::Create,
                        1 => PutMode::IfMatch("\"12345\"".to_owned()),
                        2 => match store.head(key).await {
                            Ok(meta) => PutMode::IfMatch(meta.etag),
                            Err(_) => PutMode::Create,
                        },
                        _ => PutMode::Overwrite,
                    };
                    let blob = PutBlob {
                        body: pieces(vec![Ok(bytes)]),
                        size: announced,
                        content_type: content_type.map(str::to_owned),
                        cache_control: cache_control.map(str::to_owned),
                        owner: owner.map(UserId::from),
                        visibility: if public { Visibility::Public } else { Visibility::Private },
                        mode,
                        max_size: limit,
                    };
                    store.put(key, blob).await.map(Essence::from)
                }
            })
            .await;
        self.tally.count(&answer, |tally| tally.stored += 1);
    }

    async fn get(&mut self) {
        let (key, start) = (self.pick(&KEYS), self.random.random_range(0..12));
        let range: Option<Range<u64>> =
            self.random.random_bool(0.6).then(|| start..start + self.random.random_range(0..12));
        let answer = self
            .all(&format!("get {key:?} {range:?}"), |store| {
                let range = range.clone();
                async move {
                    let found = store.get(key, range).await?;
                    Ok((Essence::from(found.meta), found.range, collect(found.body).await?))
                }
            })
            .await;
        self.tally.count(&answer, |tally| tally.read += 1);
    }

    async fn head(&mut self) {
        let key = self.pick(&KEYS);
        let ask = |store: Arc<dyn BlobStore>| async move { store.head(key).await.map(Essence::from) };
        let answer = self.all(&format!("head {key:?}"), ask).await;
        self.tally.count(&answer, |tally| tally.read += 1);
    }

    async fn copy(&mut self) {
        let (from, to) = (self.pick(&KEYS), self.pick(&KEYS));
        let ask = |store: Arc<dyn BlobStore>| async move { store.copy(from, to).await };
        let answer = self.all(&format!("copy {from:?} to {to:?}"), ask).await;
        self.tally.count(&answer, |tally| tally.changed += 1);
    }

    async fn set_access(&mut self) {
        let (key, owner, public) = (self.pick(&KEYS), self.pick(&OWNERS), self.random.random());
        let visibility = if public { Visibility::Public } else { Visibility::Private };
        let answer = self
            .all(&format!("access of {key:?}"), |store| async move {
                store.set_access(key, owner.map(UserId::from).as_ref(), visibility).await
            })
            .await;
        self.tally.count(&answer, |tally| tally.changed += 1);
    }

    async fn delete(&mut self) {
        let key = self.pick(&KEYS[..11]);
        let ask = |store: Arc<dyn BlobStore>| async move { store.delete(key).await };
        let answer = self.all(&format!("delete {key:?}"), ask).await;
        assert_eq!(answer, Ok(()), "step {}", self.step);
    }

    async fn list(&mut self) {
        let (prefix, limit) = (self.pick(&PREFIXES), self.pick(&[0, 1, 2, 3, 1000, 1001]));
        let answer = self
            .all(&format!("list {prefix:?} by {limit}"), |store| async move {
                let (mut keys, mut from) = (Vec::new(), None::<String>);
                loop {
                    let page = store.list(prefix, from.as_deref(), limit).await?;
                    keys.extend(page.keys);
                    from = page.next;
                    if from.is_none() {
                        return Ok(keys);
                    }
                }
            })
            .await;
        self.tally.count(&answer, |tally| tally.read += 1);
    }

    async fn compare_all(&self) {
        let everything = self
            .all("everything", |store| async move {
                let mut all = Vec::new();
                for (key, size) in store.list("", None, 1000).await?.keys {
                    let found = store.get(&key, None).await?;
                    let bytes = collect(found.body).await?;
                    all.push((key, size, Essence::from(found.meta), bytes));
                }
                Ok(all)
            })
            .await;
        assert!(everything.is_ok(), "step {}: {everything:?}", self.step);
    }
}
