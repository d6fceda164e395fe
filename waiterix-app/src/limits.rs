//! Rate limits of public writes, by address.
//!
//! They protect one process from one sender. Limits that must hold over all processes (wrong passcodes, mails per
//! order) are counted in the session store by the use cases that need them.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use waiterix_domain::{Rejection, RejectionKind};

/// What is limited together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Placing orders. A whole restaurant may sit behind one address.
    Orders,
    /// Other public writes: ratings, calls for a waiter, questions, scans.
    PublicWrites,
    /// Sign-in attempts and mails to addresses of the caller's choice.
    Sensitive,
    /// Realtime connections.
    Connections,
}

/// A burst and what refills it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// How many at once.
    pub burst: u32,
    /// How many come back each minute.
    pub per_minute: u32,
}

/// The allowances of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Placing orders.
    pub orders: Allowance,
    /// Other public writes.
    pub public_writes: Allowance,
    /// Sign-in attempts and mails.
    pub sensitive: Allowance,
    /// Realtime connections.
    pub connections: Allowance,
    /// Switches all of them off, for measurements.
    pub off: bool,
}

impl Default for RateLimits {
    /// Generous, because a whole restaurant, or a whole company, may sit behind one address; they stop floods. What one
    /// person may do (codes per mailbox, guesses per code, receipts per order) is counted where it happens.
    fn default() -> Self {
        Self {
            orders: Allowance { burst: 10_000, per_minute: 1_200 },
            public_writes: Allowance { burst: 3_000, per_minute: 1_200 },
            sensitive: Allowance { burst: 1_000, per_minute: 120 },
            connections: Allowance { burst: 2_000, per_minute: 600 },
            off: false,
        }
    }
}

type Bucket = DefaultKeyedRateLimiter<IpAddr>;

/// The limits in force.
pub struct Limits(Option<[Bucket; 4]>);

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Limits").field(&self.0.is_some()).finish()
    }
}

/// Keys are forgotten once their bucket is full again, whenever this many addresses are known.
const SWEEP_ABOVE: usize = 10_000;

impl Limits {
    /// Limits as configured.
    #[must_use]
    pub fn new(limits: &RateLimits) -> Self {
        let bucket = |allowance: Allowance| {
            let burst = NonZeroU32::new(allowance.burst).unwrap_or(NonZeroU32::MIN);
            let every = Duration::from_secs(60) / allowance.per_minute.max(1);
            let quota = Quota::with_period(every).unwrap_or_else(|| Quota::per_minute(NonZeroU32::MIN));
            RateLimiter::dashmap(quota.allow_burst(burst))
        };
        Self((!limits.off).then(|| {
            [
                bucket(limits.orders),
                bucket(limits.public_writes),
                bucket(limits.sensitive),
                bucket(limits.connections),
            ]
        }))
    }

    /// Takes one from the allowance of an address.
    ///
    /// # Errors
    /// 429 `Too many requests`.
    pub fn check(&self, class: Class, address: IpAddr) -> Result<(), Rejection> {
        let Some(buckets) = &self.0 else { return Ok(()) };
        let bucket = &buckets[class as usize];
        if bucket.len() > SWEEP_ABOVE {
            bucket.retain_recent();
        }
        bucket
            .check_key(&group(address))
            .map_err(|_| Rejection::new(RejectionKind::TooManyRequests, "Too many requests"))
    }
}

/// An IPv6 subscriber holds a whole /64; it counts as one address.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & (u128::MAX << 64)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d109_a_burst_is_allowed_and_no_more_and_addresses_do_not_share_it() {
        let allowance = Allowance { burst: 3, per_minute: 1 };
        let limits = Limits::new(&RateLimits { orders: allowance, ..RateLimits::default() });
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let one = address("2001:db8::1");
        for _ in 0..3 {
            limits.check(Class::Orders, one).unwrap();
        }
        let neighbour = address("2001:db8::ffff");
        assert_eq!(limits.check(Class::Orders, neighbour).unwrap_err().kind, RejectionKind::TooManyRequests);
        limits.check(Class::PublicWrites, one).unwrap();
        limits.check(Class::Orders, address("192.0.2.1")).unwrap();
    }
}
