//! How often somebody may try a password: a pure state machine. It lives in memory: a restart forgets it, and each server
//! counts for itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How many attempts may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginLimits {
    /// For one account from one address.
    pub account_from_address: u32,
    /// For one account, from wherever.
    pub account: u32,
    /// From one address, for whatever account.
    pub address: u32,
    /// A failure counts for this long.
    pub window: Duration,
    /// Accounts and addresses that are remembered; the oldest are forgotten.
    pub remembered: usize,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self {
            account_from_address: 5,
            account: 100,
            address: 30,
            window: Duration::from_secs(5 * 60),
            remembered: 10_000,
        }
    }
}

/// Somebody tries a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The account's name. Its case does not matter.
    pub account: String,
    /// Where from.
    pub address: IpAddr,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    AccountFromAddress(String, IpAddr),
    Account(String),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Instant,
    count: u32,
}

/// Counts the attempts that failed.
#[derive(Debug)]
pub struct LoginLimiter {
    limits: LoginLimits,
    failures: HashMap<Key, Failures>,
}

impl LoginLimiter {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new(limits: LoginLimits) -> Self {
        Self {
            limits,
            failures: HashMap::new(),
        }
    }

    /// Takes an attempt as one that fails, until it is known to have [succeeded](Self::succeeded): many at once count, too.
    ///
    /// # Errors
    /// How long to wait before the next one.
    pub fn attempt(&mut self, attempt: &Attempt, now: Instant) -> Result<(), Duration> {
        let window = self.limits.window;
        let mut wait: Option<Duration> = None;
        for (key, most) in self.keys(attempt) {
            if let Some(failures) = self.failures.get(&key)
                && failures.count >= most
            {
                let over = (failures.since + window).saturating_duration_since(now);
                if !over.is_zero() {
                    wait = wait.max(Some(over));
                }
            }
        }
        if let Some(wait) = wait {
            return Err(wait);
        }
        self.make_room(now);
        for (key, _) in self.keys(attempt) {
            let fresh = Failures { since: now, count: 0 };
            let failures = self.failures.entry(key).or_insert(fresh);
            if failures.since + window <= now {
                *failures = fresh;
            }
            failures.count += 1;
        }
        Ok(())
    }

    /// It was the right password: the attempt is none that failed, and those before it from the same place are forgiven.
    pub fn succeeded(&mut self, attempt: &Attempt) {
        for (key, _) in self.keys(attempt) {
            if let Key::AccountFromAddress(..) = key {
                self.failures.remove(&key);
            } else if let Some(failures) = self.failures.get_mut(&key) {
                failures.count = failures.count.saturating_sub(1);
            }
        }
    }

    fn keys(&self, attempt: &Attempt) -> [(Key, u32); 3] {
        let account = attempt.account.to_lowercase();
        [
            (
                Key::AccountFromAddress(account.clone(), attempt.address),
                self.limits.account_from_address,
            ),
            (Key::Account(account), self.limits.account),
            (Key::Address(attempt.address), self.limits.address),
        ]
    }

    fn make_room(&mut self, now: Instant) {
        if self.failures.len() + 3 <= self.limits.remembered {
            return;
        }
        let window = self.limits.window;
        self.failures.retain(|_, failures| failures.since + window > now);
        if self.failures.len() + 3 > self.limits.remembered {
            let mut ages: Vec<Instant> = self.failures.values().map(|failures| failures.since).collect();
            ages.sort_unstable();
            // A tenth at once, so that this is not done for each attempt.
            let oldest = ages[ages.len() / 10];
            self.failures.retain(|_, failures| failures.since > oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: LoginLimits = LoginLimits {
        account_from_address: 2,
        account: 4,
        address: 3,
        window: Duration::from_secs(60),
        remembered: 100,
    };

    fn attempt(account: &str, last: u8) -> Attempt {
        Attempt {
            account: account.to_owned(),
            address: [127, 0, 0, last].into(),
        }
    }

    #[test]
    fn who_fails_too_often_waits_until_the_window_is_over() {
        let (mut limiter, now) = (LoginLimiter::new(LIMITS), Instant::now());
        assert_eq!(limiter.attempt(&attempt("ada", 1), now), Ok(()));
        assert_eq!(limiter.attempt(&attempt("ADA", 1), now), Ok(()));
        let later = now + Duration::from_secs(20);
        assert_eq!(
            limiter.attempt(&attempt("ada", 1), later),
            Err(Duration::from_secs(40))
        );
        assert_eq!(
            limiter.attempt(&attempt("ada", 2), later),
            Ok(()),
            "from elsewhere"
        );
        assert_eq!(
            limiter.attempt(&attempt("bob", 1), later),
            Ok(()),
            "another account"
        );
        let over = now + Duration::from_secs(60);
        assert_eq!(limiter.attempt(&attempt("ada", 1), over), Ok(()));
    }

    #[test]
    fn an_account_and_an_address_have_limits_of_their_own() {
        let (mut limiter, now) = (LoginLimiter::new(LIMITS), Instant::now());
        for account in ["a", "b", "c"] {
            assert_eq!(limiter.attempt(&attempt(account, 1), now), Ok(()));
        }
        assert!(limiter.attempt(&attempt("d", 1), now).is_err());
        for address in 2..=5 {
            assert_eq!(limiter.attempt(&attempt("e", address), now), Ok(()));
        }
        assert!(limiter.attempt(&attempt("e", 6), now).is_err());
    }

    #[test]
    fn a_success_is_no_failure() {
        let (mut limiter, now) = (LoginLimiter::new(LIMITS), Instant::now());
        for _ in 0..20 {
            assert_eq!(limiter.attempt(&attempt("ada", 1), now), Ok(()));
            limiter.succeeded(&attempt("ada", 1));
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut limiter, now) = (LoginLimiter::new(LIMITS), Instant::now());
        for index in 0..1_000_u32 {
            let attempt = Attempt {
                account: format!("user {index}"),
                address: index.to_be_bytes().into(),
            };
            assert_eq!(
                limiter.attempt(&attempt, now + Duration::from_millis(index.into())),
                Ok(())
            );
            assert!(limiter.failures.len() <= LIMITS.remembered);
        }
    }
}
