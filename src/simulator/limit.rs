//! ClickBank's limits: requests a second from one address, requests a day of one account.
//!
//! The figures, and that ClickBank answers 403 without saying when to come back, are what the author of a public client
//! heard from ClickBank. The rest is a guess: the second is the one before each request, a request that is refused uses
//! up nothing, and only requests with a key that works count towards the day. A day lasts until the simulator is reset
//! or ends.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
/// Beyond this many addresses, those that were silent for a second are forgotten.
const MOST_IDLE_ADDRESSES: usize = 1024;

/// How many requests a simulator answers. `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests of one client address in any second.
    pub per_second: Option<NonZeroU32>,
    /// Requests of the keys of one primary account in a day.
    pub per_day: Option<NonZeroU32>,
}

impl Limits {
    /// ClickBank's: 10 a second, 25,000 a day.
    pub const CLICKBANK: Self = Self { per_second: NonZeroU32::new(10), per_day: NonZeroU32::new(25_000) };
    /// No limits.
    pub const NONE: Self = Self { per_second: None, per_day: None };
}

/// The limit that a request is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Second,
    Day,
}

/// What has been admitted so far.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: Limits,
    /// The requests of each address in the last second, the oldest first.
    recent: HashMap<IpAddr, VecDeque<Instant>>,
    /// The requests of each primary account.
    day: HashMap<String, u32>,
}

impl Limiter {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, recent: HashMap::new(), day: HashMap::new() }
    }

    /// Forgets what has been admitted.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Admits a request that came from `address` at `now`, and counts it. `account` is the primary account of its key,
    /// if the key works.
    pub(super) fn admit(&mut self, address: IpAddr, account: Option<&str>, now: Instant) -> Result<(), Over> {
        let is_old = |time: &Instant| now.duration_since(*time) >= SECOND;
        if self.recent.len() > MOST_IDLE_ADDRESSES {
            self.recent.retain(|_, times| times.back().is_some_and(|time| !is_old(time)));
        }
        let times = self.recent.entry(address).or_default();
        while times.front().is_some_and(is_old) {
            times.pop_front();
        }
        if self.limits.per_second.is_some_and(|most| times.len() >= most.get() as usize) {
            return Err(Over::Second);
        }
        if let Some((account, most)) = account.zip(self.limits.per_day) {
            let used = self.day.entry(account.to_owned()).or_default();
            if *used >= most.get() {
                return Err(Over::Day);
            }
            *used += 1;
        }
        if self.limits.per_second.is_some() {
            times.push_back(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    fn limiter(per_second: u32, per_day: u32) -> Limiter {
        Limiter::new(Limits { per_second: NonZeroU32::new(per_second), per_day: NonZeroU32::new(per_day) })
    }

    #[test]
    fn the_second_slides_and_what_is_refused_does_not_count() {
        let mut limiter = limiter(2, 0);
        let start = Instant::now();
        let mut admit = |millis, address| limiter.admit(address, None, start + Duration::from_millis(millis)).is_ok();
        for (millis, address, admitted) in [
            (0, HERE, true),
            (600, HERE, true),
            (601, HERE, false),
            (601, THERE, true),
            (999, HERE, false),
            (1000, HERE, true),
            (1001, HERE, false),
            (1599, HERE, false),
            (1600, HERE, true),
            (1999, HERE, false),
            (2000, HERE, true),
        ] {
            assert_eq!(admit(millis, address), admitted, "at {millis} ms from {address}");
        }
    }

    #[test]
    fn the_day_counts_by_account_and_lasts_until_a_reset() {
        let mut limiter = limiter(0, 2);
        let start = Instant::now();
        for (days, account, expected) in [
            (0, Some("acmeco"), Ok(())),
            (0, None, Ok(())),
            (0, Some("acmeco"), Ok(())),
            (0, Some("acmeco"), Err(Over::Day)),
            (0, Some("rivalgrp"), Ok(())),
            (9, Some("acmeco"), Err(Over::Day)),
            (9, None, Ok(())),
        ] {
            let now = start + Duration::from_hours(24 * days);
            assert_eq!(limiter.admit(HERE, account, now), expected, "day {days}, {account:?}");
        }
        limiter.reset();
        assert_eq!(limiter.admit(HERE, Some("acmeco"), start), Ok(()));
    }

    #[test]
    fn what_the_day_refuses_leaves_the_second_as_it_was() {
        let mut limiter = limiter(2, 1);
        let now = Instant::now();
        assert_eq!(limiter.admit(HERE, Some("a"), now), Ok(()));
        assert_eq!(limiter.admit(HERE, Some("a"), now), Err(Over::Day));
        assert_eq!(limiter.admit(HERE, Some("b"), now), Ok(()));
        assert_eq!(limiter.admit(HERE, Some("c"), now), Err(Over::Second));
    }

    #[test]
    fn silent_addresses_are_forgotten() {
        let mut limiter = limiter(1, 0);
        let start = Instant::now();
        for number in 0..3000_u32 {
            let now = start + Duration::from_millis(u64::from(number) * 10);
            assert_eq!(limiter.admit(IpAddr::from(number.to_be_bytes()), None, now), Ok(()));
        }
        assert!(limiter.recent.len() <= MOST_IDLE_ADDRESSES + 1, "{}", limiter.recent.len());
    }

    #[test]
    fn without_limits_nothing_is_refused_and_nothing_kept() {
        let mut limiter = Limiter::new(Limits::NONE);
        let now = Instant::now();
        for _ in 0..100 {
            assert_eq!(limiter.admit(HERE, Some("a"), now), Ok(()));
        }
        assert!(limiter.day.is_empty() && limiter.recent[&HERE].is_empty());
    }
}
