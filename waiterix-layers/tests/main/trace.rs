//! What is told of a run: everything that matters on call, and nothing about anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use tracing::Level;
use waiterix_adapters_local::memory::{MemoryMailer, MemoryNotifier, MemorySessionStore};
use waiterix_contract::KeptLog;
use waiterix_domain::{Table, Timestamp};
use waiterix_layers::{Ending, Meter, Observation, RetryPolicy, operation, retry, trace};
use waiterix_ports::{
    ByteStream, ChefSelector, CloseReason, Error, ErrorKind, KeyRange, Mailer, Notifier, PutBlob, Retry,
    Revision, SessionStore, Store, Violation, Visibility,
};

use crate::mocks::MockStore;
use crate::outside::{self, Outside, Reaction, memory_blobs};
use crate::sample::{self, ADDRESS, KEY, SECOND};

/// The lines whose message is one of these.
fn lines(log: &KeptLog, messages: &[&str]) -> Vec<Value> {
    let mut lines = log.lines();
    lines.retain(|line| messages.iter().any(|message| line["fields"]["message"] == *message));
    lines
}

/// The events at the end of operations.
fn events(log: &KeptLog) -> Vec<Value> {
    lines(log, &["a port answered", "a port failed"])
}

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<Observation>>);

impl Meter for Kept {
    fn observe(&self, observation: &Observation) {
        self.0.lock().unwrap().push(*observation);
    }
}

impl Kept {
    fn take(&self) -> Vec<(&'static str, Ending, u32)> {
        let kept = std::mem::take(&mut *self.0.lock().unwrap());
        kept.iter().map(|seen| (seen.operation.name, seen.ending, seen.attempts)).collect()
    }
}

/// Calls every operation of every port with personal data.
async fn everything(meter: &Arc<Kept>) {
    let clock = outside::clock();
    let (all, now) = (KeyRange::default(), Timestamp::EPOCH);
    let store = trace(Outside::always(Reaction::Answers).store(), meter.clone());
    store.commit(&sample::changes()).await.unwrap();
    store.read(&sample::query()).await.unwrap();
    store.scan(Table::Users, &all, 10).await.unwrap();
    store.digest(Table::Users, &all).await.unwrap();
    store.forget_commits(now, 1).await.unwrap();
    store.check().await.unwrap();

    let blobs = trace(memory_blobs(), meter.clone());
    let mut blob = PutBlob::new(ADDRESS);
    blob.owner = Some(sample::user());
    blobs.put(KEY, blob).await.unwrap();
    read(blobs.get(KEY, None).await.unwrap().body).await;
    blobs.head(KEY).await.unwrap();
    blobs.list(KEY, None, 10).await.unwrap();
    blobs.copy(KEY, &format!("{KEY}-copy")).await.unwrap();
    blobs.set_access(KEY, Some(&sample::user()), Visibility::Public).await.unwrap();
    blobs.presign_upload(&sample::upload()).await.unwrap();
    blobs.presign_download(KEY, SECOND).await.unwrap();
    blobs.delete(KEY).await.unwrap();
    blobs.check().await.unwrap();
    blobs.put("/../erika.mustermann", PutBlob::new(ADDRESS)).await.unwrap_err();

    let mailer = trace::<dyn Mailer>(Arc::new(MemoryMailer::new()), meter.clone());
    mailer.send(&sample::mail()).await.unwrap();
    mailer.set_suppressed(ADDRESS, true).await.unwrap();
    mailer.set_suppressed("erika.mustermann", true).await.unwrap_err();
    mailer.is_suppressed(ADDRESS).await.unwrap();
    mailer.check().await.unwrap();

    let sessions = trace::<dyn SessionStore>(Arc::new(MemorySessionStore::new(clock)), meter.clone());
    let (mut session, id, user) = (sample::session(), sample::session_id(), sample::user());
    sessions.create(&session).await.unwrap();
    sessions.create(&session).await.unwrap_err();
    let loaded = sessions.load(&id).await.unwrap().unwrap();
    session.extra.insert(ADDRESS.to_owned(), ADDRESS.into());
    sessions.update(&session, &loaded.revision).await.unwrap();
    sessions.update(&session, &Revision::new(ADDRESS)).await.unwrap_err();
    sessions.touch(&id, session.last_activity, session.expires_at).await.unwrap();
    sessions.sessions_of(&user).await.unwrap();
    sessions.temp_set(KEY, &json!(ADDRESS), SECOND).await.unwrap();
    sessions.temp_set_if_absent(KEY, &json!(ADDRESS), SECOND).await.unwrap();
    sessions.temp_get(KEY).await.unwrap();
    sessions.temp_take(KEY).await.unwrap();
    sessions.temp_count(KEY, SECOND).await.unwrap();
    sessions.delete(&id).await.unwrap();
    sessions.delete_all_of(&user).await.unwrap();
    sessions.prune(1).await.unwrap();
    sessions.check().await.unwrap();

    let notifier = trace::<dyn Notifier>(Arc::new(MemoryNotifier::new()), meter.clone());
    let (connection, _ears) = sample::connection();
    notifier.connect(&connection).await.unwrap();
    notifier.publish(&sample::audience(), &sample::message()).await.unwrap();
    notifier.send(&connection.id, ADDRESS).await.unwrap();
    notifier.close_chefs(&ADDRESS.into(), &ChefSelector::User(user), CloseReason::Policy).await.unwrap();
    notifier.disconnect(&connection.id).await.unwrap();
    notifier.sweep(now).await.unwrap();
    notifier.check().await.unwrap();
}

async fn read(body: ByteStream) {
    let _: Vec<_> = body.try_collect().await.unwrap();
}

#[tokio::test]
async fn every_operation_is_told_and_nothing_personal_with_it() {
    let (log, meter) = (KeptLog::begin(Level::TRACE), Arc::new(Kept::default()));
    everything(&meter).await;

    let text = log.text().to_lowercase();
    for personal in [sample::PERSONAL, "mustermann", "erika", "example.org", "auth0", "passport"] {
        assert!(!text.contains(personal), "{personal} is in the log:\n{text}");
    }

    // Everything is told, by these names and with these labels, and nothing else.
    let known: BTreeMap<&str, &str> =
        operation::all().map(|operation| (operation.name, operation.port.as_str())).collect();
    let labels = BTreeSet::from(["message", "port", "operation", "outcome", "attempts", "duration_ms"]);
    let mut told = BTreeSet::new();
    for event in events(&log) {
        let fields = event["fields"].as_object().unwrap();
        assert_eq!(fields.keys().map(String::as_str).collect::<BTreeSet<_>>(), labels);
        let name = fields["operation"].as_str().unwrap();
        assert_eq!(Some(&fields["port"].as_str().unwrap()), known.get(name), "{name}");
        assert!(fields["duration_ms"].is_u64() && fields["attempts"] == 1, "{event}");
        told.insert(name.to_owned());
    }
    assert_eq!(told, known.keys().map(|name| (*name).to_owned()).collect());

    // So do the spans, and each is closed.
    let (begun, closed) = (lines(&log, &["new"]), lines(&log, &["close"]));
    assert_eq!((begun.len(), closed.len()), (events(&log).len(), events(&log).len()));
    for line in closed {
        let span = line["span"].as_object().unwrap();
        let expected = BTreeSet::from(["name", "port", "operation", "outcome", "attempts", "duration_ms"]);
        assert_eq!(span.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);
        assert_eq!(span["name"], "port");
    }
    let levels: BTreeSet<String> =
        events(&log).iter().map(|event| event["level"].as_str().unwrap().to_owned()).collect();
    assert_eq!(levels, BTreeSet::from(["DEBUG".to_owned()]), "refusals are daily business");

    // The meter heard the same.
    let heard = meter.take();
    assert_eq!(heard.len(), events(&log).len());
    assert!(heard.contains(&("store.commit", Ending::Answered, 1)), "{heard:?}");
    assert!(heard.contains(&("session.create", Ending::Failed(ErrorKind::Conflict), 1)), "{heard:?}");
    assert!(heard.contains(&("blob.put", Ending::Failed(ErrorKind::Invalid), 1)), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn outages_are_told_as_warnings_with_attempts_and_duration() {
    let (log, meter) = (KeptLog::begin(Level::TRACE), Arc::new(Kept::default()));
    let outside = Outside::always(Reaction::Fails(Retry::After(SECOND)));
    let store = trace(retry(outside.store(), RetryPolicy::default(), 1), meter.clone());
    assert!(store.check().await.is_err());
    let told = events(&log);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["level"], "WARN");
    let fields = &told[0]["fields"];
    assert_eq!((&fields["outcome"], &fields["attempts"]), (&json!("unavailable"), &json!(4)));
    assert!((3_000..4_000).contains(&fields["duration_ms"].as_u64().unwrap()), "{fields}");
    assert_eq!(meter.take(), [("store.check", Ending::Failed(ErrorKind::Unavailable), 4)]);
}

/// In a change of the lead every write that is under way may be refused once, and is then made on the other side.
#[tokio::test]
async fn a_write_that_the_side_refuses_because_it_does_not_lead_is_no_fault() {
    let (log, meter) = (KeptLog::begin(Level::TRACE), Arc::new(Kept::default()));
    let mut side = MockStore::new();
    side.expect_commit().once().returning(|_| {
        let error = Error::new(ErrorKind::Unavailable, "store.commit");
        Err(error.violating(Violation::NotLeading))
    });
    let store = trace::<dyn Store>(Arc::new(side), meter.clone());
    let error = store.commit(&sample::changes()).await.unwrap_err();
    assert_eq!((error.kind(), error.violation()), (ErrorKind::Unavailable, Some(&Violation::NotLeading)));
    let told = events(&log);
    assert_eq!((&told[0]["level"], &told[0]["fields"]["outcome"]), (&json!("DEBUG"), &json!("not_leading")));
    assert_eq!((told.len(), meter.take()), (1, vec![("store.commit", Ending::NotLeading, 1)]));
    assert!(!Ending::NotLeading.is_alarming() && Ending::Failed(ErrorKind::Unavailable).is_alarming());
}

#[tokio::test(start_paused = true)]
async fn a_trace_inside_of_a_retry_tells_of_every_attempt() {
    let meter = Arc::new(Kept::default());
    let outside =
        Outside::new(|call| if call < 3 { Reaction::Fails(Retry::Safe) } else { Reaction::Answers });
    let inner = trace(outside.store(), meter.clone());
    let store = trace(retry(inner, RetryPolicy::default(), 1), meter.clone());
    store.check().await.unwrap();
    let failed = ("store.check", Ending::Failed(ErrorKind::Unavailable), 1);
    let answered = |attempts| ("store.check", Ending::Answered, attempts);
    assert_eq!(meter.take(), [failed, failed, answered(1), answered(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_is_told_as_abandoned() {
    let (log, meter) = (KeptLog::begin(Level::TRACE), Arc::new(Kept::default()));
    let store = trace(Outside::always(Reaction::Hangs).store(), meter.clone());
    assert!(tokio::time::timeout(Duration::from_millis(250), store.check()).await.is_err());
    assert_eq!(meter.take(), [("store.check", Ending::Abandoned, 1)]);
    let told = events(&log);
    assert_eq!((&told[0]["level"], &told[0]["fields"]["outcome"]), (&json!("DEBUG"), &json!("abandoned")));
    assert_eq!(told[0]["fields"]["duration_ms"], 250);
}

#[tokio::test]
async fn the_body_of_a_get_is_told_when_it_ends() {
    let meter = Arc::new(Kept::default());
    let blobs = trace(memory_blobs(), meter.clone());
    blobs.put(KEY, PutBlob::new("x")).await.unwrap();
    meter.take();

    let mut body = blobs.get(KEY, None).await.unwrap().body;
    assert_eq!(meter.take(), [("blob.get", Ending::Answered, 1)]);
    assert!(body.next().await.is_some());
    assert_eq!(meter.take(), [], "there may be more");
    assert!(body.next().await.is_none());
    assert_eq!(meter.take(), [("blob.get_body", Ending::Answered, 1)]);
    drop(body);
    assert_eq!(meter.take(), [], "told once");

    drop(blobs.get(KEY, None).await.unwrap());
    assert_eq!(meter.take()[1], ("blob.get_body", Ending::Abandoned, 1));
}

#[tokio::test]
async fn the_fate_of_a_mail_that_is_not_known_is_told_as_a_timeout() {
    let (log, meter) = (KeptLog::begin(Level::TRACE), Arc::new(Kept::default()));
    let outside = Outside::always(Reaction::Fails(Retry::Ambiguous));
    let mailer = trace(outside.mailer(Arc::new(MemoryMailer::new())), meter.clone());
    assert_eq!(mailer.send(&sample::mail()).await.unwrap(), waiterix_ports::Outcome::Unknown);
    assert_eq!(meter.take(), [("mailer.send", Ending::Failed(ErrorKind::Timeout), 1)]);
    assert_eq!(events(&log)[0]["level"], "WARN");
}
