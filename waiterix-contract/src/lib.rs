//! The contract of the Waiterix ports, as a test suite that any adapter can run.
//!
//! An adapter's test file is about ten lines: a function that makes a fresh, empty instance, and the macro of the
//! port, which expands to one `#[test]` per clause:
//!
//! ```ignore
//! use std::sync::Arc;
//! use waiterix_contract::{Fixture, ManualClock};
//! use waiterix_ports::Store;
//!
//! async fn fresh() -> Fixture<dyn Store> {
//!     Fixture::new(Arc::new(MyStore::open().await))
//! }
//!
//! waiterix_contract::store_contract!("MyStore", fresh);
//! ```
//!
//! A function that answers `Option<Fixture>` may say `None` where a server it needs is not there; it says so itself,
//! see [`Given`].
//!
//! Some suites need more than the adapter: session stores a way to spoil a record ([`Fixture::vandalised`]), stores of
//! objects a server of their signed URLs ([`blob::SignedUrls`] if they have none), mailers an inbox
//! ([`mailer::MailFixture`]), notifiers the far ends of connections ([`notifier::NotifierFixture`]).
//!
//! A suite is also a list of [`Case`]s (for example [`store::CASES`]), for runners that choose the backend at run time.
//! A case is named after the clause it proves: `s12_…` proves **S12** in the documentation of the port.

pub mod blob;
pub mod broken;
pub mod clock;
pub mod fixture;
mod kept_log;
pub mod mailer;
pub mod notifier;
pub mod race;
mod record;
pub mod session;
pub mod store;

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

pub use clock::ManualClock;
pub use fixture::{Fixture, eventually};
pub use kept_log::KeptLog;

/// A test case of a port, for fixtures of type `F`.
pub struct Case<P: ?Sized, F = Fixture<P>> {
    /// Its name, which starts with its clause, e.g. `s12_inserting_over_another_row_conflicts`.
    pub name: &'static str,
    /// Runs it against a fresh instance; a failure is a panic.
    pub run: fn(F) -> Pin<Box<dyn Future<Output = ()> + Send>>,
    #[doc(hidden)]
    pub port: PhantomData<fn(&P)>,
}

impl<P: ?Sized, F> std::fmt::Debug for Case<P, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl<P: ?Sized, F> Case<P, F> {
    /// The clause it proves, e.g. `S12`.
    #[must_use]
    pub fn clause(&self) -> String {
        let id = self.name.split('_').next().unwrap_or_default();
        let (letter, number) = id.split_at(1);
        format!("{}{}", letter.to_uppercase(), number.trim_start_matches('0'))
    }
}

/// Owns the list of cases of one port: makes the `CASES` of its module and the exported macro that turns them into
/// tests. The first argument is a literal `$`, which the exported macro needs; a fixture of another type than
/// `Fixture<$port>` is named after the port.
macro_rules! cases {
    (($d:tt) $(#[$doc:meta])* $exported:ident, $module:ident, $port:ty $(, $fixture:ty)?; $($group:ident :: $case:ident),+ $(,)?) => {
        /// Every case of this port.
        pub const CASES: &[$crate::Case<$port $(, $fixture)?>] = &[$(
            $crate::Case {
                name: stringify!($case),
                run: |fixture| Box::pin($group::$case(fixture)),
                port: std::marker::PhantomData,
            }
        ),+];

        $(#[$doc])*
        #[macro_export]
        macro_rules! $exported {
            ($d adapter:literal, $d fresh:path) => {
                $(
                    #[test]
                    fn $case() {
                        $crate::run_case(stringify!($module), $d adapter, stringify!($case), || async {
                            match $crate::Given::given($d fresh().await) {
                                Some(fixture) => {
                                    $crate::$module::$group::$case(fixture).await;
                                    true
                                }
                                None => false,
                            }
                        });
                    }
                )+
            };
        }
    };
}
pub(crate) use cases;

/// What a function that makes fixtures may answer: a fixture, or nothing where a server is not there.
///
/// Who answers nothing has said so on standard error, and panics where `WAITERIX_REQUIRE` forbids that anything is
/// left out.
pub trait Given<F> {
    /// The fixture, if there is one.
    fn given(self) -> Option<F>;
}

impl<P: ?Sized> Given<Fixture<P>> for Fixture<P> {
    fn given(self) -> Option<Self> {
        Some(self)
    }
}

impl Given<Self> for mailer::MailFixture {
    fn given(self) -> Option<Self> {
        Some(self)
    }
}

impl Given<Self> for notifier::NotifierFixture {
    fn given(self) -> Option<Self> {
        Some(self)
    }
}

impl<F> Given<F> for Option<F> {
    fn given(self) -> Option<F> {
        self
    }
}

std::thread_local! {
    static CASE: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// The name of the case that a fixture is being made for, where one emulator cannot judge every case and another can.
#[must_use]
pub fn case_now() -> Option<&'static str> {
    CASE.get()
}

/// Runs one case and records that it passed; one that answers `false` was left out.
#[doc(hidden)]
pub fn run_case<F: Future<Output = bool>>(
    port: &str,
    adapter: &str,
    name: &'static str,
    case: impl FnOnce() -> F,
) {
    let record = record::Record::begin(port, adapter, name);
    CASE.set(Some(name));
    let passed = run(case);
    record.end(passed);
}

/// Runs a test on a runtime of its own with two worker threads, so that races can happen.
#[allow(clippy::expect_used, reason = "a test that cannot start must fail")]
pub fn run<F: Future>(test: impl FnOnce() -> F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime for the test")
        .block_on(test())
}
