//! The one place that draws random numbers.

use std::fmt;

use waiterix_domain::Ids;

/// Random bytes that nobody can guess, or in tests bytes that can be repeated.
pub trait Random: fmt::Debug + Send + Sync + 'static {
    /// Fills a buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// The random numbers of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    #[allow(clippy::expect_used, reason = "without randomness no id or session may be made at all")]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system provides random bytes");
    }
}

/// Ids made of random bytes.
pub(crate) struct FreshIds<'a>(pub &'a dyn Random);

impl Ids for FreshIds<'_> {
    fn random(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.0.fill(&mut bytes);
        bytes
    }
}
