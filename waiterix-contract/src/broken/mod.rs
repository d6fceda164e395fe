//! Deliberately broken adapters, which prove that every clause of a suite catches something.
//!
//! Each wraps a sound adapter and does one thing wrong. [`assert_every_clause_catches`] runs the suite of a port
//! against all of them.

pub mod blob;
pub mod mailer;
pub mod notifier;
pub mod session;
pub mod store;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Case;

/// The clauses that a suite proves.
pub fn clauses_of<P: ?Sized, F>(cases: &[Case<P, F>]) -> BTreeSet<String> {
    cases.iter().map(Case::clause).collect()
}

/// The clauses with this letter that the documentation of a port states, given its source text: every `**N10**` in
/// a doc comment.
#[must_use]
pub fn clauses_in(source: &str, letter: char) -> BTreeSet<String> {
    let doc = source.lines().filter_map(|line| line.trim_start().strip_prefix("///"));
    doc.flat_map(|line| line.split("**"))
        .filter(|bold| {
            bold.strip_prefix(letter)
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .map(str::to_owned)
        .collect()
}

/// Whether a case fails for a fixture. A case that takes more than a minute fails too.
#[allow(clippy::expect_used, reason = "the panic is what is caught")]
pub fn fails<P: ?Sized, F, M: Future<Output = F>>(case: &Case<P, F>, fresh: impl FnOnce() -> M) -> bool {
    let run = || {
        crate::run(|| async {
            let fixture = fresh().await;
            tokio::time::timeout(Duration::from_secs(60), (case.run)(fixture)).await.expect("the case hangs");
        });
    };
    catch_unwind(AssertUnwindSafe(run)).is_err()
}

/// Asserts that without a fault every case succeeds, that there is a fault for every clause and no other, and that
/// every fault makes a case of its clause fail.
///
/// # Panics
/// When that is not so.
pub fn assert_every_clause_catches<P: ?Sized, F, X: Copy + Debug, M: Future<Output = F>>(
    cases: &[Case<P, F>],
    faults: &[(&str, X)],
    fresh: impl Fn(Option<X>) -> M,
) {
    for case in cases {
        assert!(!fails(case, || fresh(None)), "{} fails although nothing is broken", case.name);
    }
    let broken: BTreeSet<String> = faults.iter().map(|(clause, _)| (*clause).to_owned()).collect();
    assert_eq!(broken, clauses_of(cases), "clauses with a fault, and clauses with a case");
    for (clause, fault) in faults {
        let caught = cases.iter().any(|case| case.clause() == *clause && fails(case, || fresh(Some(*fault))));
        assert!(caught, "no case of {clause} notices {fault:?}");
    }
}

/// A panic of a case leaves what the wrappers remember whole.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
