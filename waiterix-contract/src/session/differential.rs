//! The same random steps go to several session stores, which must agree on everything.
//!
//! Few ids, users and keys, so that they meet. Answers are equal, errors of the same kind; revisions are each store's own and
//! only used with it. At times, and at the end, everything that can be asked for is compared.
//!
//! Time passes only where a manual clock drives every store; with a real clock everything lives for at least an hour, so no
//! step falls on an end. What [`SessionStore::prune`] answers depends on whether a store forgets by itself and is not
//! compared.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::session::{MAX_SESSION_BYTES, MAX_TEMP_BYTES, MAX_TTL};
use waiterix_ports::{Clock, ErrorKind, Result, Revision, Session, SessionId, SessionStore, SystemClock};

use super::second;
use crate::ManualClock;

/// How many steps lie between two comparisons of everything.
const STEPS_BETWEEN_DUMPS: usize = 64;
/// How many states that were read are kept to update from.
const READ_KEPT: usize = 24;
const IDS: [&str; 8] = ["a", "A", "b", "c", "d", "e", "-", "_x"];
const USERS: [&str; 5] = ["anna", "ANNA", "bert:1", "ä {b}", ""];
const KEYS: [&str; 6] = ["k", "K", "k:1", "*", "sign-in:x", "~"];

/// What the stores live by.
#[derive(Debug, Clone)]
pub enum Time {
    /// This clock; the run moves it.
    Manual(Arc<ManualClock>),
    /// The clock of the machine, or of servers that agree with it to the minute.
    Real,
}

impl Time {
    fn now(&self) -> Timestamp {
        let now = match self {
            Self::Manual(clock) => clock.now(),
            Self::Real => SystemClock.now(),
        };
        Timestamp::from_millis(now.as_millis()).unwrap_or(now)
    }
}

/// What happened, so that a caller can see that the run was worth it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sessions that were created.
    pub created: usize,
    /// Updates that were done.
    pub updated: usize,
    /// Updates that came from an older state.
    pub conflicts: usize,
    /// Touches that found their session.
    pub touched: usize,
    /// Sessions that were ended, alone or with all of their user.
    pub ended: usize,
    /// Temporary values that were taken.
    pub taken: usize,
    /// Requests that were refused as invalid.
    pub invalid: usize,
}

/// A state as each of the stores read it.
struct Read {
    session: Session,
    revisions: Vec<Revision>,
}

/// Runs `steps` random steps against the stores, which must be empty, and compares them. The same seed makes the same steps.
///
/// # Panics
/// When two stores disagree: the message names the seed and the step.
pub async fn run(stores: &[(&str, Arc<dyn SessionStore>)], time: Time, seed: u64, steps: usize) -> Tally {
    let dice = StdRng::seed_from_u64(seed);
    let mut run = Run { stores, time, seed, step: 0, dice, read: Vec::new(), tally: Tally::default() };
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
    stores: &'a [(&'a str, Arc<dyn SessionStore>)],
    time: Time,
    seed: u64,
    step: usize,
    dice: StdRng,
    read: Vec<Read>,
    tally: Tally,
}

/// Asks every store the same and gathers the answers, with errors as their kinds.
macro_rules! ask {
    ($run:ident, |$store:ident| $ask:expr) => {{
        let mut answers = Vec::new();
        for (_, $store) in $run.stores {
            answers.push($ask.await.map_err(|error: waiterix_ports::Error| error.kind()));
        }
        answers
    }};
}

impl Run<'_> {
    async fn take_step(&mut self) {
        match self.dice.random_range(0..100) {
            0..18 => self.create().await,
            18..32 => self.load().await,
            32..50 => self.update().await,
            50..60 => self.touch().await,
            60..67 => self.delete().await,
            67..73 => self.list().await,
            73..75 => self.delete_all().await,
            75..94 => self.temp().await,
            94..96 => {
                let limit = self.dice.random_range(1..4);
                for (_, store) in self.stores {
                    let _ = store.prune(limit).await;
                }
            }
            _ => self.pass_time(),
        }
    }

    async fn create(&mut self) {
        let id = self.id();
        let session = self.session(id);
        let answers = ask!(self, |store| store.create(&session));
        self.assert_equal(&answers, &("create", &session));
        self.tally.created += usize::from(answers[0].is_ok());
        self.note_invalid(answers[0].as_ref().err());
    }

    async fn load(&mut self) {
        let id = self.id();
        let found = ask!(self, |store| store.load(&id));
        let sessions: Vec<_> = found
            .iter()
            .map(|answer| {
                answer.as_ref().map(|loaded| loaded.as_ref().map(|loaded| comparable(&loaded.session)))
            })
            .collect();
        self.assert_equal(&sessions, &("load", id.reveal()));
        if let Ok(Some(first)) = &found[0] {
            let session = first.session.clone();
            let revisions = found.into_iter().flatten().flatten().map(|loaded| loaded.revision).collect();
            self.keep(Read { session, revisions });
        }
    }

    async fn update(&mut self) {
        if self.read.is_empty() {
            return self.load().await;
        }
        let place = self.dice.random_range(0..self.read.len());
        let Read { session, revisions } = &self.read[place];
        let (id, revisions) = (session.id.clone(), revisions.clone());
        let id = if self.is(4) { self.id() } else { id };
        let session = self.session(id);
        let mut answers = Vec::new();
        for ((_, store), revision) in self.stores.iter().zip(&revisions) {
            answers.push(store.update(&session, revision).await.map_err(|error| error.kind()));
        }
        let outcomes: Vec<_> = answers.iter().map(|answer| answer.as_ref().map(drop)).collect();
        self.assert_equal(&outcomes, &("update", &session));
        match &answers[0] {
            Ok(_) => {
                self.tally.updated += 1;
                let revisions = answers.into_iter().flatten().collect();
                self.keep(Read { session, revisions });
            }
            Err(kind) => {
                self.tally.conflicts += usize::from(*kind == ErrorKind::Conflict);
                self.note_invalid(Some(kind));
            }
        }
    }

    async fn touch(&mut self) {
        let (id, used, ends) = (self.id(), self.time.now(), self.end());
        let answers = ask!(self, |store| store.touch(&id, used, ends));
        self.assert_equal(&answers, &("touch", id.reveal(), ends));
        self.tally.touched += usize::from(answers[0] == Ok(true));
        self.note_invalid(answers[0].as_ref().err());
    }

    async fn delete(&mut self) {
        let id = self.id();
        let answers = ask!(self, |store| store.delete(&id));
        self.assert_equal(&answers, &("delete", id.reveal()));
        self.tally.ended += usize::from(answers[0] == Ok(true));
    }

    async fn list(&mut self) {
        let user = self.user();
        let answers = ask!(self, |store| sorted(&**store, &user));
        self.assert_equal(&answers, &("sessions_of", &user));
    }

    async fn delete_all(&mut self) {
        let user = self.user();
        let answers = ask!(self, |store| store.delete_all_of(&user));
        self.assert_equal(&answers, &("delete_all_of", &user));
        self.tally.ended += answers[0].map_or(0, |count| count as usize);
    }

    async fn temp(&mut self) {
        let key = if self.is(3) { self.one(&["", "with blank", "ä"]) } else { self.one(&KEYS) };
        let (value, ttl) = (self.value(), self.ttl());
        let what = ("temp", key, &value, ttl);
        match self.dice.random_range(0..10) {
            0..3 => {
                let answers = ask!(self, |store| store.temp_set(key, &value, ttl));
                self.assert_equal(&answers, &what);
                self.note_invalid(answers[0].as_ref().err());
            }
            3..5 => {
                let answers = ask!(self, |store| store.temp_set_if_absent(key, &value, ttl));
                self.assert_equal(&answers, &what);
            }
            5..6 => {
                let answers = ask!(self, |store| store.temp_get(key));
                self.assert_equal(&answers, &what);
            }
            6..8 => {
                let answers = ask!(self, |store| store.temp_take(key));
                self.assert_equal(&answers, &what);
                self.tally.taken += usize::from(matches!(answers[0], Ok(Some(_))));
            }
            _ => {
                let answers = ask!(self, |store| store.temp_count(key, ttl));
                self.assert_equal(&answers, &what);
            }
        }
    }

    fn pass_time(&mut self) {
        let seconds = self.one(&[1, 30, 59, 60, 1_800, 3_600, 90_000]);
        if let Time::Manual(clock) = &self.time {
            clock.advance(Duration::from_millis(seconds * 1_000 + 1));
        }
    }

    async fn compare_everything(&mut self) {
        for name in IDS {
            let id = id_of(name);
            let found = ask!(self, |store| store.load(&id));
            let sessions: Vec<_> = found
                .into_iter()
                .map(|answer| answer.map(|loaded| loaded.map(|l| comparable(&l.session))))
                .collect();
            self.assert_equal(&sessions, &("every session", name));
        }
        for user in USERS {
            let user = UserId::from(user);
            let lists = ask!(self, |store| sorted(&**store, &user));
            self.assert_equal(&lists, &("every list", &user));
        }
        for key in KEYS {
            let values = ask!(self, |store| store.temp_get(key));
            self.assert_equal(&values, &("every value", key));
        }
    }

    fn keep(&mut self, read: Read) {
        self.read.push(read);
        let surplus = self.read.len().saturating_sub(READ_KEPT);
        self.read.drain(..surplus);
    }

    fn note_invalid(&mut self, kind: Option<&ErrorKind>) {
        self.tally.invalid += usize::from(kind == Some(&ErrorKind::Invalid));
    }

    /// True in so many of a hundred cases.
    fn is(&mut self, percent: u32) -> bool {
        self.dice.random_range(0..100) < percent
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.dice.random_range(0..of.len())]
    }

    fn id(&mut self) -> SessionId {
        if self.is(2) { SessionId::new("malformed id") } else { id_of(self.one(&IDS)) }
    }

    fn user(&mut self) -> UserId {
        self.one(&USERS).into()
    }

    fn end(&mut self) -> Timestamp {
        let lives_s: &[i64] = match self.time {
            Time::Manual(_) => &[1, 60, 3_600, 90_000, 40 * 86_400],
            Time::Real => &[3_600, 7_200, 90_000, 3 * 86_400, 40 * 86_400],
        };
        if self.is(4) {
            let seconds = self.one(&[0, -60, 401 * 86_400]);
            return self.time.now().plus_seconds(seconds);
        }
        // Some stores round an end up to the second, so in between they would rightly disagree.
        let end = self.time.now().plus_seconds(self.one(lives_s));
        Timestamp::EPOCH.plus_seconds(second(end))
    }

    fn ttl(&mut self) -> Duration {
        let lives_s: &[u64] = match self.time {
            Time::Manual(_) => &[1, 60, 3_600, 90_000],
            Time::Real => &[3_600, 90_000],
        };
        if self.is(4) {
            self.one(&[Duration::ZERO, MAX_TTL + Duration::from_secs(1)])
        } else {
            Duration::from_secs(self.one(lives_s))
        }
    }

    fn session(&mut self, id: SessionId) -> Session {
        let now = self.time.now();
        let mut extra = Map::new();
        for name in ["role", "metadata", "1", "näme"] {
            if self.is(40) {
                extra.insert(name.to_owned(), self.value());
            }
        }
        if self.is(2) {
            extra.insert("blob".to_owned(), json!("x".repeat(MAX_SESSION_BYTES)));
        }
        let user_id = if self.is(80) { Some(self.user()) } else { None };
        Session {
            id,
            user_id,
            email: self.one(&[None, Some(""), Some("a@example.org")]).map(str::to_owned),
            created_at: now.plus_millis(-self.one(&[0, 1, 86_400_000])),
            last_activity: now.plus_millis(-self.one(&[0, 1, 999])),
            expires_at: self.end(),
            extra,
        }
    }

    fn value(&mut self) -> Value {
        match self.dice.random_range(0..8) {
            0 => Value::Null,
            1 => json!(self.dice.random_range(0..3)),
            2 => json!({ "lastActivity": "x", "deep": [{}, [], -1.5] }),
            3 => json!("\u{0}\"\\\u{2028}😀"),
            4 => json!([]),
            5 if self.is(10) => json!("x".repeat(MAX_TEMP_BYTES)),
            _ => json!({ "step": self.step }),
        }
    }

    fn assert_equal<T: PartialEq + Debug>(&self, answers: &[T], what: &dyn Debug) {
        let first = &answers[0];
        for ((name, _), answer) in self.stores.iter().zip(answers).skip(1) {
            assert!(
                answer == first,
                "seed {}, step {}: {name} disagrees with {}\nabout {what:?}\n{name}: {answer:?}\n{}: {first:?}",
                self.seed,
                self.step,
                self.stores[0].0,
                self.stores[0].0,
            );
        }
    }
}

fn id_of(name: &str) -> SessionId {
    super::id(name)
}

/// The names of a user's sessions, in one order.
async fn sorted(store: &dyn SessionStore, user: &UserId) -> Result<Vec<String>> {
    let mut names: Vec<_> = store.sessions_of(user).await?.iter().map(|id| id.reveal().to_owned()).collect();
    names.sort();
    Ok(names)
}

/// What stores must agree on of a session: ends to the second, other times to the millisecond.
fn comparable(session: &Session) -> impl PartialEq + Debug + use<> {
    let members: BTreeMap<String, Value> = session.extra.clone().into_iter().collect();
    (
        session.user_id.clone(),
        session.email.clone(),
        session.created_at.as_millis(),
        session.last_activity.as_millis(),
        second(session.expires_at),
        members,
    )
}
