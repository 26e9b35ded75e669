//! Time as the ledger trusts it.
//!
//! To forget too early is to refund twice, so a clock that is wrong has to make the ledger forget late, and not early:
//!
//! * Set back, it makes records older than it shows look new. They are kept for longer.
//! * Set forward while the gateway runs, it would make everything look old at once. The steady clock of the system shows
//!   that the time did not pass, so the ledger goes on at its pace for [`super::KEPT_FOR`]. By then everything from
//!   before is as old as that, whatever the time really is.
//!   A machine that slept looks the same, and forgets later by as much.
//! * Set forward while the gateway does not run, it cannot be told from time that has passed, and is believed.
//! * Set back and, after a restart, right again: records kept their time to be forgotten, which the set back clock did
//!   not change. Those made under it were stamped with its time, and are forgotten early. This can be told from time that
//!   has passed as little.

use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::KEPT_FOR;

/// Seconds that the clock may gain at once and still be believed: it is set by small steps.
const STEP: u64 = 60;

/// A moment, by both clocks of the system.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// What the clock on the wall shows.
    pub wall: SystemTime,
    /// What the clock shows that nobody can set.
    pub steady: Instant,
}

impl Moment {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        Self { wall: SystemTime::now(), steady: Instant::now() }
    }
}

/// A moment in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    /// What the clock on the wall shows.
    pub(super) wall: u64,
    /// The same, unless it was set forward.
    pub(super) trusted: u64,
}

impl Time {
    /// When what is made now may be forgotten.
    pub(super) const fn due(self) -> u64 {
        let latest = if self.wall > self.trusted { self.wall } else { self.trusted };
        latest.saturating_add(KEPT_FOR.as_secs())
    }

    /// Whether what is due then may be forgotten now.
    pub(super) const fn is_past(self, due: u64) -> bool {
        self.trusted >= due
    }
}

/// Tells time that passed from a clock that was set.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: Mutex<Option<Last>>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    wall: u64,
    steady: Instant,
    /// Since when the wall shows more than it should.
    ahead_since: Option<Instant>,
}

impl Clock {
    pub(super) fn read(&self, now: Moment) -> Time {
        let wall = now.wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = |since: Instant| now.steady.saturating_duration_since(since);
        if let Some(Last { wall: before, steady, ahead_since }) = *last {
            let expected = before.saturating_add(passed(steady).as_secs());
            let since = ahead_since.unwrap_or(now.steady);
            if wall > expected.saturating_add(STEP) && passed(since) < KEPT_FOR {
                *last = Some(Last { wall: before, steady, ahead_since: Some(since) });
                return Time { wall, trusted: expected };
            }
        }
        *last = Some(Last { wall, steady: now.steady, ahead_since: None });
        Time { wall, trusted: wall }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: u64 = 1_800_000_000;

    fn moment(start: Instant, wall: u64, passed: Duration) -> Moment {
        Moment { wall: UNIX_EPOCH + Duration::from_secs(wall), steady: start + passed }
    }

    #[test]
    fn time_that_passes_is_believed_and_so_is_a_clock_set_back() {
        let (clock, start) = (Clock::default(), Instant::now());
        let hour = Duration::from_hours(1);
        assert_eq!(clock.read(moment(start, START, Duration::ZERO)).trusted, START);
        assert_eq!(clock.read(moment(start, START + 3_630, hour)).trusted, START + 3_630);
        assert_eq!(clock.read(moment(start, START - 999, hour)).trusted, START - 999);
        assert_eq!(clock.read(moment(start, START - 998, hour)).trusted, START - 998);
    }

    #[test]
    fn a_clock_set_forward_is_not_believed_before_everything_is_as_old_as_that() {
        let (clock, start) = (Clock::default(), Instant::now());
        let year = 365 * 86_400;
        clock.read(moment(start, START, Duration::ZERO));
        let ahead = |hours: u64| {
            let read = clock.read(moment(start, START + year + hours * 3_600, Duration::from_hours(hours)));
            (read.trusted, read.due())
        };
        let due = |hours: u64| START + year + (hours + 24) * 3_600;
        assert_eq!(ahead(0), (START, due(0)));
        assert_eq!(ahead(23), (START + 23 * 3_600, due(23)));
        assert_eq!(ahead(24), (START + year + 24 * 3_600, due(24)));
        assert_eq!(ahead(25), (START + year + 25 * 3_600, due(25)));
    }

    #[test]
    fn a_clock_set_forward_and_right_again_counts_anew() {
        let (clock, start) = (Clock::default(), Instant::now());
        clock.read(moment(start, START, Duration::ZERO));
        for hours in [1, 20] {
            let wrong = clock.read(moment(start, START + 999_999, Duration::from_hours(hours)));
            assert_eq!(wrong.trusted, START + hours * 3_600);
            let right = clock.read(moment(start, START + hours * 3_600, Duration::from_hours(hours)));
            assert_eq!(right.trusted, START + hours * 3_600);
        }
        let wrong = clock.read(moment(start, START + 999_999, Duration::from_hours(30)));
        assert_eq!(wrong.trusted, START + 30 * 3_600);
    }
}
