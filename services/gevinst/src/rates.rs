//! How many calls a second: of one address before anybody looks at its token, and of one caller after. Each may save up
//! two seconds' worth and spend it at once.

use std::{hash::Hash, net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};
use tokio_util::sync::CancellationToken;

use crate::config::Limits;

/// How often those are forgotten who have all their calls to spend again: memory is for those who call now.
const FORGET_EVERY: Duration = Duration::from_secs(5);

/// Counts the calls of each key.
struct Rate<K: Hash + Eq + Clone>(Option<DefaultKeyedRateLimiter<K>>);

impl<K: Hash + Eq + Clone> Rate<K> {
    fn per_second(calls: u32) -> Self {
        let quota = |calls: NonZeroU32| Quota::per_second(calls).allow_burst(calls.saturating_mul(TWO));
        Self(NonZeroU32::new(calls).map(quota).map(RateLimiter::keyed))
    }

    /// Counts one; otherwise says after how long one more can be.
    fn count(&self, key: &K) -> Result<(), Duration> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        limiter.check_key(key).map_err(|refused| refused.wait_time_from(limiter.clock().now()))
    }

    fn forget(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();

/// What everybody has spent.
pub struct Rates {
    addresses: Rate<IpAddr>,
    callers: Rate<String>,
}

impl Rates {
    /// Nobody has called yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            addresses: Rate::per_second(limits.calls_per_address),
            callers: Rate::per_second(limits.calls_per_caller),
        }
    }

    /// Counts a call from a network; refused, it may come again after this time.
    pub fn count_address(&self, network: IpAddr) -> Result<(), Duration> {
        self.addresses.count(&network)
    }

    /// Counts a call of a caller; refused, it may come again after this time.
    pub fn count_caller(&self, subject: &str) -> Result<(), Duration> {
        match self.callers.0 {
            Some(_) => self.callers.count(&subject.to_owned()),
            None => Ok(()),
        }
    }

    /// Forgets, until `stop`, those who have not called for a while.
    pub async fn keep_small(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(FORGET_EVERY)).await.is_some() {
            self.addresses.forget();
            self.callers.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seconds_worth_at_once_then_refused_with_a_time_that_suffices() {
        let rates = Rates::new(&Limits { calls_per_address: 5, ..Limits::unlimited() });
        let (one, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        for _ in 0..10 {
            assert!(rates.count_address(one).is_ok());
        }
        let wait = rates.count_address(one).unwrap_err();
        assert!(!wait.is_zero() && wait <= Duration::from_millis(200), "{wait:?}");
        assert!(rates.count_address(other).is_ok(), "each address has its own");
        assert!((0..1000).all(|_| rates.count_caller("anybody").is_ok()), "none is no limit");
    }
}
