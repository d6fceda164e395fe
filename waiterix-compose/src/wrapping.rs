//! What every adapter that speaks to a server is wrapped in.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use waiterix_app::{OsRandom, Random as _};
use waiterix_layers::{Limits, Meter, RetryPolicy, Wrap};

/// How long closing waits for queries that are under way.
pub(crate) const CLOSING: Duration = Duration::from_secs(5);

/// A port over clients that repeat requests themselves, with a budget, and know which: a part of an object rather than
/// all of it. Their three attempts take 12 s at most, so the limit of a call must be longer.
pub(crate) fn bounded<P: Wrap + ?Sized>(port: Arc<P>, meter: &Arc<dyn Meter>) -> Arc<P> {
    let limits = Limits { point: Duration::from_secs(14), ..Limits::default() };
    waiterix_layers::trace(waiterix_layers::timeout(port, limits), meter.clone())
}

/// A port whose calls end in time, are repeated where that is allowed, and are told of.
pub(crate) fn hardened<P: Wrap + ?Sized>(port: Arc<P>, meter: &Arc<dyn Meter>) -> Arc<P> {
    let mut seed = [0; 8];
    OsRandom.fill(&mut seed);
    let port = waiterix_layers::timeout(port, Limits::default());
    let port = waiterix_layers::retry(port, RetryPolicy::default(), u64::from_le_bytes(seed));
    waiterix_layers::trace(port, meter.clone())
}

/// The settings of a port; they are there when the port was chosen.
pub(crate) fn chosen<'a, T>(settings: &'a Option<T>, what: &str) -> Result<&'a T, String> {
    settings.as_ref().ok_or_else(|| format!("{what} was not configured"))
}

pub(crate) fn said(what: &str, error: &dyn Display) -> String {
    format!("cannot prepare {what}: {error}")
}
