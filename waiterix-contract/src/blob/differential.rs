//! The same random steps go to several stores of objects, which must agree on everything.
//!
//! Few keys, so that they meet. Answers are equal, errors of the same kind. What a store names in a way of its own is compared
//! by what it does: an etag by whether the object is still the one it was given for, a time of modification not at all.
//! Signed URLs are not part of it: whether they are honoured is proven against a server, by the contract.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::StreamExt as _;
use rand::rngs::StdRng;
//! Few keys, so that they meet. Answers are equal, errors of the same kind; etags and times are each store's own. At times, and
//! at the end, everything there is is compared.
use std::ops::Range;
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use waiterix_domain::id::UserId;
use waiterix_ports::{BlobMeta, BlobStore, Bytes, ErrorKind, PutBlob, PutMode, Result, Visibility};

/// How many steps lie between two comparisons of everything.
const STEPS_BETWEEN_DUMPS: usize = 64;
/// Keys that meet, look alike, or are none.
const KEYS: [&str; 12] = [
    "public/uploads/a",
    "public/uploads/ab",
    "public/uploads/a/b",
    "public/ä ö+%2F",
    "uploads/a",
    "uploads/A",
    "uploads/a//b",
    "greetings/x.mp3",
    "greetings/\u{1F35C}",
    "z",
    "../escape",
    "/rooted",
];
/// Prefixes to list by.
const PREFIXES: [&str; 7] = ["", "public/", "public/uploads/a", "uploads/", "greetings/", "z", "none"];
/// Beginnings of objects, by which their type is told.
const MAGIC: [&[u8]; 4] = [b"\x89PNG\r\n\x1A\n", b"\xFF\xD8\xFF\xE0", b"<svg xmlns=", b""];
use super::{collect, pieces};

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
const PREFIXES: [&str; 7] = ["", "a", "a/", "p", "public/", "uploads/1", "zzz"];
const TYPES: [Option<&str>; 3] = [None, Some("image/png"), Some("text/plain; charset=utf-8")];
const OWNERS: [Option<&str>; 4] = [None, Some("anna"), Some("auth0|ä 😀"), Some("42")];

/// What happened, so that a caller can see that the run was worth it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Objects that were stored.
    pub stored: usize,
    /// Puts that were refused because the object was not the one meant.
    pub conflicts: usize,
    /// Objects, or parts of them, that were read.
    pub read: usize,
    /// Requests for objects that are not there.
    pub missing: usize,
    /// Objects that were copied.
    pub copied: usize,
    /// Puts that came too late.
    /// Objects that were copied, and whose access was changed.
    pub changed: usize,
    /// Requests that named nothing that is there.
    /// Requests that were refused as invalid.
    pub invalid: usize,
}

/// An etag that each of the stores gave for the same object.
#[derive(Debug, Clone)]
struct Etags(Vec<String>);

/// Runs `steps` random steps against the stores, which must be empty, and compares them. The same seed makes the same steps.
///
/// # Panics
/// When two stores disagree: the message names the seed and the step.
pub async fn run(stores: &[(&str, Arc<dyn BlobStore>)], seed: u64, steps: usize) -> Tally {
    let dice = StdRng::seed_from_u64(seed);
    let mut run = Run { stores, seed, step: 0, dice, seen: Vec::new(), tally: Tally::default() };
    for step in 0..steps {
        run.step = step;
        run.take_step().await;
        if step % STEPS_BETWEEN_DUMPS == 0 {
            run.compare_everything().await;
        }
    }
    run.compare_everything().await;
    run.tally
}

struct Run<'a> {
    stores: &'a [(&'a str, Arc<dyn BlobStore>)],
    seed: u64,
    step: usize,
    dice: StdRng,
    /// Etags that were given and the keys they were given for; some of the objects are no more.
    seen: Vec<(&'static str, Etags)>,
    tally: Tally,
}

/// What two stores must agree on.
#[derive(Debug, Clone, PartialEq)]
struct Known {
impl Tally {
    fn count<T>(&mut self, answer: &Answer<T>, done: impl FnOnce(&mut Self)) {
        match answer {
            Ok(_) => done(self),
            Err(ErrorKind::Conflict) => self.conflicts += 1,
            Err(ErrorKind::NotFound) => self.missing += 1,
            Err(_) => self.invalid += 1,
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

impl Known {
    fn of(meta: &BlobMeta) -> Self {
        Self {
            size: meta.size,
            content_type: meta.content_type.clone(),
            cache_control: meta.cache_control.clone(),
            owner: meta.owner.clone(),
impl From<BlobMeta> for Essence {
    fn from(meta: BlobMeta) -> Self {
            content_type: meta.content_type,
            cache_control: meta.cache_control,
            owner: meta.owner,
            visibility: meta.visibility,
        }
    }
}

/// A put that can be made for each store anew.
struct Wanted {
    body: Bytes,
    size: Option<u64>,
    content_type: Option<&'static str>,
    cache_control: Option<&'static str>,
    owner: Option<&'static str>,
    visibility: Visibility,
    mode: Mode,
    max_size: u64,
}

#[derive(Debug)]
enum Mode {
    Overwrite,
    Create,
    IfMatch(Etags),
}

impl Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (length, mode) = (self.body.len(), &self.mode);
        write!(f, "{length} bytes said to be {:?} of at most {}, {mode:?}", self.size, self.max_size)
    }
}

impl Wanted {
    fn put(&self, store: usize) -> PutBlob {
        PutBlob {
            size: self.size,
            content_type: self.content_type.map(str::to_owned),
            cache_control: self.cache_control.map(str::to_owned),
            owner: self.owner.map(UserId::from),
            visibility: self.visibility,
            mode: match &self.mode {
                Mode::Overwrite => PutMode::Overwrite,
                Mode::Create => PutMode::Create,
                Mode::IfMatch(etags) => PutMode::IfMatch(etags.0[store].clone()),
            },
            max_size: self.max_size,
            ..PutBlob::new(self.body.clone())
        }
    }
}

impl Run<'_> {
    async fn take_step(&mut self) {
        match self.dice.random_range(0..100) {
            0..35 => self.put().await,
            35..55 => self.get().await,
            55..65 => self.head().await,
            65..75 => self.delete().await,
            75..83 => self.list().await,
            83..92 => self.copy().await,
            _ => self.set_access().await,
        }
    }

    fn key(&mut self) -> &'static str {
        KEYS[self.dice.random_range(0..KEYS.len())]
    }

    async fn put(&mut self) {
        let key = self.key();
        let wanted = self.wanted();
        let mut answers = Vec::new();
        for (place, (_, store)) in self.stores.iter().enumerate() {
            answers.push(store.put(key, wanted.put(place)).await);
        }
        if let Some(etags) = self.metas(answers, &("put", key, &wanted)) {
            self.tally.stored += 1;
            self.seen.push((key, etags));
        }
    }

    fn wanted(&mut self) -> Wanted {
        let mut body = MAGIC[self.dice.random_range(0..MAGIC.len())].to_vec();
        // Never the same bytes twice, so that no store can take one object for another.
        body.extend_from_slice(format!("{}-{}", self.seed, self.step).as_bytes());
        body.resize(body.len() + self.dice.random_range(0..2_000), b'.');
        let length = body.len() as u64;
        let mode = match self.dice.random_range(0..10) {
            0..5 => Mode::Overwrite,
            5..8 => Mode::Create,
            _ if self.seen.is_empty() => Mode::Create,
            _ => {
                // The newest are likely to be current still.
                let newest = self.seen.len().saturating_sub(12);
                Mode::IfMatch(self.seen[self.dice.random_range(newest..self.seen.len())].1.clone())
            }
        };
        let dice = &mut self.dice;
        // Which of two reasons to refuse is told, is up to each store: one looks at the object first, another at the body.
        let is_wrong = matches!(mode, Mode::Overwrite) && dice.random_ratio(1, 6);
        let (size, max_size) = match (is_wrong, dice.random_bool(0.5)) {
            (true, true) => (Some(length + 1), length + 1),
            (true, false) => (None, length - 1),
            (false, true) => (Some(length), length),
            (false, false) => (None, length),
        };
        Wanted {
            body: Bytes::from(body),
            size,
            content_type: [None, None, Some("image/png"), Some("audio/mpeg")][dice.random_range(0..4)],
            cache_control: [None, Some("public, max-age=604800")][dice.random_range(0..2)],
            owner: [None, Some("anna"), Some("ä {b}")][dice.random_range(0..3)],
            visibility: [Visibility::Private, Visibility::Public][dice.random_range(0..2)],
            mode,
            max_size,
        }
    }

    async fn get(&mut self) {
        let key = self.key();
        let range = self.dice.random_bool(0.5).then(|| {
            let start = self.dice.random_range(0..900);
            start..start + self.dice.random_range(0..900)
        });
        let mut answers = Vec::new();
        for (_, store) in self.stores {
            answers.push(read(&**store, key, range.clone()).await.map_err(|error| error.kind()));
        }
        match self.agreed(&answers, &("get", key, &range)) {
            Ok(_) => self.tally.read += 1,
            Err(kind) => self.count(kind),
        }
    }

    async fn head(&mut self) {
        let key = self.key();
        let mut answers = Vec::new();
        for (_, store) in self.stores {
            answers.push(store.head(key).await);
        }
        if let Some(etags) = self.metas(answers, &("head", key)) {
            self.tally.read += 1;
            self.seen.push((key, etags));
        }
    }

    async fn delete(&mut self) {
        let key = self.key();
        let mut answers = Vec::new();
        for (_, store) in self.stores {
            answers.push(store.delete(key).await.map_err(|error| error.kind()));
        }
        let _ = self.agreed(&answers, &("delete", key));
    }

    async fn list(&mut self) {
        let prefix = PREFIXES[self.dice.random_range(0..PREFIXES.len())];
        let limit = self.dice.random_range(1..6);
        let mut answers = Vec::new();
        for (_, store) in self.stores {
            answers.push(listed(&**store, prefix, limit).await.map_err(|error| error.kind()));
        }
        let _ = self.agreed(&answers, &("list", prefix, limit));
    }

    async fn copy(&mut self) {
        let (from, to) = (self.key(), self.key());
        let mut answers = Vec::new();
        for (_, store) in self.stores {
            answers.push(store.copy(from, to).await.map_err(|error| error.kind()));
        }
        match self.agreed(&answers, &("copy", from, to)) {
            Ok(()) => {
                self.tally.copied += 1;
                self.forget(to);
            }
            Err(kind) => self.count(kind),
        }
    }

    async fn set_access(&mut self) {
        let key = self.key();
        let owner = [None, Some(UserId::from("bert"))][self.dice.random_range(0..2)].clone();
        let visibility = [Visibility::Private, Visibility::Public][self.dice.random_range(0..2)];
        let mut answers = Vec::new();
        for (_, store) in self.stores {
            let answer = store.set_access(key, owner.as_ref(), visibility).await;
            answers.push(answer.map_err(|error| error.kind()));
        }
        let _ = self.agreed(&answers, &("set_access", key, &owner, visibility));
        self.forget(key);
    }

    /// Whether an etag stays when the bytes do, is up to each store.
    fn forget(&mut self, key: &str) {
        self.seen.retain(|(of, _)| *of != key);
    }

    async fn compare_everything(&mut self) {
        let mut answers = Vec::new();
        for (_, store) in self.stores {
            let mut all = Vec::new();
            for (key, size) in listed(&**store, "", 100).await.unwrap_or_default() {
                let object = read(&**store, &key, None).await.map_err(|error| error.kind());
                all.push((key, size, object));
            }
            answers.push(Ok::<_, ErrorKind>(all));
        }
        let _ = self.agreed(&answers, &"everything");
    }

    /// What is known of one object by all stores: they agree on all but its etag.
    fn metas(&mut self, answers: Vec<Result<BlobMeta>>, asked: &dyn Debug) -> Option<Etags> {
        let etags = answers.iter().filter_map(|answer| Some(answer.as_ref().ok()?.etag.clone())).collect();
        let known: Vec<_> = answers
            .iter()
            .map(|answer| answer.as_ref().map(Known::of).map_err(|error| error.kind()))
            .collect();
        match self.agreed(&known, asked) {
            Ok(_) => Some(Etags(etags)),
            Err(kind) => {
                self.count(kind);
                None
            }
        }
    }

    fn count(&mut self, refusal: ErrorKind) {
        match refusal {
            ErrorKind::NotFound => self.tally.missing += 1,
            ErrorKind::Conflict => self.tally.conflicts += 1,
            ErrorKind::Invalid => self.tally.invalid += 1,
            _ => {}
        }
    }

    /// The answer that all stores gave.
    fn agreed<T: Clone + PartialEq + Debug>(
        &self,
        answers: &[Result<T, ErrorKind>],
        asked: &dyn Debug,
    ) -> Result<T, ErrorKind> {
        for (answer, (name, _)) in answers.iter().zip(self.stores) {
            assert!(
                answer == &answers[0],
                "seed {}, step {}: {asked:?}: {} says {:?}, {name} says {answer:?}",
                self.seed,
                self.step,
                self.stores[0].0,
                answers[0],
            );
        }
        answers[0].clone()
    }
}

/// An object, or a part of it, with what is known of it.
async fn read(
    store: &dyn BlobStore,
    key: &str,
    range: Option<std::ops::Range<u64>>,
) -> Result<(Known, std::ops::Range<u64>, Vec<u8>)> {
    let mut download = store.get(key, range).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = download.body.next().await {
        bytes.extend_from_slice(&piece?);
    }
    Ok((Known::of(&download.meta), download.range, bytes))
}

/// All keys with a prefix, by pages of `limit`.
async fn listed(store: &dyn BlobStore, prefix: &str, limit: u32) -> Result<Vec<(String, u64)>> {
    let (mut all, mut from) = (Vec::new(), None);
    loop {
        let page = store.list(prefix, from.as_deref(), limit).await?;
        all.extend(page.keys);
        from = page.next;
        if from.is_none() {
            return Ok(all);
        }
/// The stores, and who is at what.
struct Run<'a> {
    stores: &'a [(&'a str, Arc<dyn BlobStore>)],
    random: StdRng,
    tally: Tally,
    step: usize,
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
        if run.step.is_multiple_of(STEPS_BETWEEN_DUMPS) {
            run.compare_all().await;
    run.compare_all().await;
    run.tally
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        *from.choose(&mut self.random).unwrap_or(&from[0])
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
        first.map_or(Err(ErrorKind::Unsupported), |(_, answer)| answer)
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
        let key = self.pick(&KEYS);
        let ask = |store: Arc<dyn BlobStore>| async move { store.head(key).await.map(Essence::from) };
        let answer = self.all(&format!("head {key:?}"), ask).await;
        self.tally.count(&answer, |tally| tally.read += 1);
        let (from, to) = (self.pick(&KEYS), self.pick(&KEYS));
        let ask = |store: Arc<dyn BlobStore>| async move { store.copy(from, to).await };
        let answer = self.all(&format!("copy {from:?} to {to:?}"), ask).await;
        self.tally.count(&answer, |tally| tally.changed += 1);
        let (key, owner, public) = (self.pick(&KEYS), self.pick(&OWNERS), self.random.random());
        let visibility = if public { Visibility::Public } else { Visibility::Private };
        let answer = self
            .all(&format!("access of {key:?}"), |store| async move {
                store.set_access(key, owner.map(UserId::from).as_ref(), visibility).await
            })
            .await;
        self.tally.count(&answer, |tally| tally.changed += 1);
        let key = self.pick(&KEYS[..11]);
        let ask = |store: Arc<dyn BlobStore>| async move { store.delete(key).await };
        let answer = self.all(&format!("delete {key:?}"), ask).await;
        assert_eq!(answer, Ok(()), "step {}", self.step);
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
