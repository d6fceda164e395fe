//! Operation by operation: how often each is sent for each kind of failure.
//!
//! The expectations stand here, not in the table of the crate, and every operation must be here.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::json;
use waiterix_domain::{Table, Timestamp};
use waiterix_layers::{Operation, RetryPolicy, operation, retry};
use waiterix_ports::{
    BlobStore, ChefSelector, CloseReason, KeyRange, Mailer, Notifier, PutBlob, Retry, Revision, SessionStore,
    Store, Visibility,
};

use crate::mocks::{MockBlobStore, MockMailer, MockNotifier, MockSessionStore, MockStore, failure};
use crate::sample::{self, KEY, SECOND};

/// How often an operation is sent when every attempt fails ambiguously.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterAmbiguity {
    /// As often as the policy allows.
    SentAgain,
    /// Exactly once.
    SentOnce,
}
use AfterAmbiguity::{SentAgain, SentOnce};

const MAX_ATTEMPTS: u32 = 3;

fn times(rule: AfterAmbiguity, advice: Retry) -> usize {
    match (advice, rule) {
        (Retry::No, _) | (Retry::Ambiguous, SentOnce) => 1,
        (Retry::Safe | Retry::After(_), _) | (Retry::Ambiguous, SentAgain) => MAX_ATTEMPTS as usize,
    }
}

fn retried<P: waiterix_layers::Wrap + ?Sized>(port: Arc<P>) -> Arc<P> {
    let policy = RetryPolicy { max_attempts: MAX_ATTEMPTS, ..RetryPolicy::default() };
    retry(port, policy, 1)
}

/// The operations that were tried.
#[derive(Debug, Default)]
struct Tried(Mutex<BTreeSet<&'static str>>);

impl Tried {
    fn note(&self, operation: &'static Operation) {
        assert!(self.0.lock().unwrap().insert(operation.name), "{operation:?} is here twice");
    }

    fn assert_all_of(&self, port: operation::Port) {
        let all = operation::all().filter(|operation| operation.port == port);
        // A body is what a get answered with, not a call.
        let calls = all.filter(|operation| **operation != operation::blob::GET_BODY);
        let names: BTreeSet<_> = calls.map(|operation| operation.name).collect();
        assert_eq!(*self.0.lock().unwrap(), names);
    }
}

/// Calls an operation of a mock that always fails, for each advice, and has the mock count.
macro_rules! sent {
    ($tried:ident: $rule:ident, $operation:path, $mock:ident as $port:ty, $expect:ident |$($any:pat_param),*|, $p:ident => $call:expr) => {
        $tried.note(&$operation);
        for advice in [Retry::No, Retry::Safe, Retry::After(SECOND), Retry::Ambiguous] {
            println!("{:?} fails with {advice:?}", $operation);
            let mut mock = $mock::new();
            mock.$expect().times(times($rule, advice)).returning(move |$($any),*| Err(failure(advice)));
            let $p: Arc<$port> = retried(Arc::new(mock) as Arc<$port>);
            drop($call.await);
        }
    };
}

#[tokio::test(start_paused = true)]
async fn operations_of_a_store_are_sent_as_often_as_is_harmless() {
    use operation::store::{CHECK, COMMIT, DIGEST, FORGET_COMMITS, READ, SCAN};
    let (tried, all, long_ago) = (Tried::default(), KeyRange::default(), Timestamp::EPOCH);
    sent!(tried: SentAgain, READ, MockStore as dyn Store, expect_read |_|, p => p.read(&sample::query()));
    sent!(tried: SentAgain, COMMIT, MockStore as dyn Store, expect_commit |_|, p => p.commit(&sample::changes()));
    sent!(tried: SentAgain, SCAN, MockStore as dyn Store, expect_scan |_, _, _|, p => p.scan(Table::Users, &all, 1));
    sent!(tried: SentAgain, DIGEST, MockStore as dyn Store, expect_digest |_, _|, p => p.digest(Table::Users, &all));
    sent!(tried: SentAgain, FORGET_COMMITS, MockStore as dyn Store, expect_forget_commits |_, _|,
        p => p.forget_commits(long_ago, 1));
    sent!(tried: SentAgain, CHECK, MockStore as dyn Store, expect_check | |, p => p.check());
    tried.assert_all_of(operation::Port::Store);
}

#[tokio::test(start_paused = true)]
async fn operations_of_a_store_of_objects_are_sent_as_often_as_is_harmless() {
    use operation::blob::{
        CHECK, COPY, DELETE, GET, HEAD, LIST, PRESIGN_DOWNLOAD, PRESIGN_UPLOAD, PUT, SET_ACCESS,
    };
    let tried = Tried::default();
    let private = Visibility::Private;
    sent!(tried: SentOnce, PUT, MockBlobStore as dyn BlobStore, expect_put |_|, p => p.put(KEY, PutBlob::new("x")));
    sent!(tried: SentAgain, GET, MockBlobStore as dyn BlobStore, expect_get |_|, p => p.get(KEY, None));
    sent!(tried: SentAgain, HEAD, MockBlobStore as dyn BlobStore, expect_head |_|, p => p.head(KEY));
    sent!(tried: SentAgain, DELETE, MockBlobStore as dyn BlobStore, expect_delete |_|, p => p.delete(KEY));
    sent!(tried: SentAgain, LIST, MockBlobStore as dyn BlobStore, expect_list |_|, p => p.list(KEY, None, 1));
    sent!(tried: SentAgain, COPY, MockBlobStore as dyn BlobStore, expect_copy |_, _|, p => p.copy(KEY, "copy"));
    sent!(tried: SentAgain, SET_ACCESS, MockBlobStore as dyn BlobStore, expect_set_access |_|,
        p => p.set_access(KEY, None, private));
    sent!(tried: SentAgain, PRESIGN_UPLOAD, MockBlobStore as dyn BlobStore, expect_presign_upload |_|,
        p => p.presign_upload(&sample::upload()));
    sent!(tried: SentAgain, PRESIGN_DOWNLOAD, MockBlobStore as dyn BlobStore, expect_presign_download |_|,
        p => p.presign_download(KEY, SECOND));
    sent!(tried: SentAgain, CHECK, MockBlobStore as dyn BlobStore, expect_check | |, p => p.check());
    tried.assert_all_of(operation::Port::Blob);
}

#[tokio::test(start_paused = true)]
async fn operations_of_a_mailer_are_sent_as_often_as_is_harmless() {
    use operation::mailer::{CHECK, IS_SUPPRESSED, SEND, SET_SUPPRESSED};
    let tried = Tried::default();
    sent!(tried: SentOnce, SEND, MockMailer as dyn Mailer, expect_send |_|, p => p.send(&sample::mail()));
    sent!(tried: SentAgain, SET_SUPPRESSED, MockMailer as dyn Mailer, expect_set_suppressed |_, _|,
        p => p.set_suppressed(sample::ADDRESS, true));
    sent!(tried: SentAgain, IS_SUPPRESSED, MockMailer as dyn Mailer, expect_is_suppressed |_|,
        p => p.is_suppressed(sample::ADDRESS));
    sent!(tried: SentAgain, CHECK, MockMailer as dyn Mailer, expect_check | |, p => p.check());
    tried.assert_all_of(operation::Port::Mailer);
}

#[tokio::test(start_paused = true)]
async fn operations_of_a_session_store_are_sent_as_often_as_is_harmless() {
    use operation::session::{
        CHECK, CREATE, DELETE, DELETE_ALL_OF, LOAD, PRUNE, SESSIONS_OF, TEMP_COUNT, TEMP_GET, TEMP_SET,
        TEMP_SET_IF_ABSENT, TEMP_TAKE, TOUCH, UPDATE,
    };
    let tried = Tried::default();
    let (session, id, user) = (sample::session(), sample::session_id(), sample::user());
    let (revision, value, now) = (Revision::new("1"), json!(1), Timestamp::EPOCH);
    sent!(tried: SentOnce, CREATE, MockSessionStore as dyn SessionStore, expect_create |_|, p => p.create(&session));
    sent!(tried: SentAgain, LOAD, MockSessionStore as dyn SessionStore, expect_load |_|, p => p.load(&id));
    sent!(tried: SentOnce, UPDATE, MockSessionStore as dyn SessionStore, expect_update |_, _|,
        p => p.update(&session, &revision));
    sent!(tried: SentAgain, TOUCH, MockSessionStore as dyn SessionStore, expect_touch |_, _, _|,
        p => p.touch(&id, now, now));
    sent!(tried: SentAgain, DELETE, MockSessionStore as dyn SessionStore, expect_delete |_|, p => p.delete(&id));
    sent!(tried: SentAgain, SESSIONS_OF, MockSessionStore as dyn SessionStore, expect_sessions_of |_|,
        p => p.sessions_of(&user));
    sent!(tried: SentAgain, DELETE_ALL_OF, MockSessionStore as dyn SessionStore, expect_delete_all_of |_|,
        p => p.delete_all_of(&user));
    sent!(tried: SentOnce, TEMP_SET, MockSessionStore as dyn SessionStore, expect_temp_set |_, _, _|,
        p => p.temp_set(KEY, &value, SECOND));
    sent!(tried: SentOnce, TEMP_SET_IF_ABSENT, MockSessionStore as dyn SessionStore,
        expect_temp_set_if_absent |_, _, _|, p => p.temp_set_if_absent(KEY, &value, SECOND));
    sent!(tried: SentAgain, TEMP_GET, MockSessionStore as dyn SessionStore, expect_temp_get |_|, p => p.temp_get(KEY));
    sent!(tried: SentOnce, TEMP_TAKE, MockSessionStore as dyn SessionStore, expect_temp_take |_|,
        p => p.temp_take(KEY));
    sent!(tried: SentOnce, TEMP_COUNT, MockSessionStore as dyn SessionStore, expect_temp_count |_, _|,
        p => p.temp_count(KEY, SECOND));
    sent!(tried: SentAgain, PRUNE, MockSessionStore as dyn SessionStore, expect_prune |_|, p => p.prune(1));
    sent!(tried: SentAgain, CHECK, MockSessionStore as dyn SessionStore, expect_check | |, p => p.check());
    tried.assert_all_of(operation::Port::Session);
}

#[tokio::test(start_paused = true)]
async fn operations_of_a_notifier_are_sent_as_often_as_is_harmless() {
    use operation::notifier::{CHECK, CLOSE_CHEFS, CONNECT, DISCONNECT, PUBLISH, SEND, SWEEP};
    let tried = Tried::default();
    let (connection, _ears) = sample::connection();
    let (restaurant, chef) = ("r".into(), ChefSelector::User(sample::user()));
    let (id, now) = (sample::connection_id(), Timestamp::EPOCH);
    sent!(tried: SentAgain, CONNECT, MockNotifier as dyn Notifier, expect_connect |_|, p => p.connect(&connection));
    sent!(tried: SentAgain, DISCONNECT, MockNotifier as dyn Notifier, expect_disconnect |_|, p => p.disconnect(&id));
    sent!(tried: SentOnce, PUBLISH, MockNotifier as dyn Notifier, expect_publish |_, _|,
        p => p.publish(&sample::audience(), &sample::message()));
    sent!(tried: SentOnce, SEND, MockNotifier as dyn Notifier, expect_send |_, _|, p => p.send(&id, "ping"));
    sent!(tried: SentAgain, CLOSE_CHEFS, MockNotifier as dyn Notifier, expect_close_chefs |_, _, _|,
        p => p.close_chefs(&restaurant, &chef, CloseReason::Policy));
    sent!(tried: SentAgain, SWEEP, MockNotifier as dyn Notifier, expect_sweep |_|, p => p.sweep(now));
    sent!(tried: SentAgain, CHECK, MockNotifier as dyn Notifier, expect_check | |, p => p.check());
    tried.assert_all_of(operation::Port::Notifier);
}
