//! The day's requests: at most so many in any 24 hours.
//!
//! When ClickBank's day begins is not documented, so no 24 hours may hold more than a day's requests, whichever hour it
//! is. Requests are counted by the hour; an hour counts until it is wholly more than 24 hours past.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fs, io};

use super::Limits;

const HOUR: u64 = 3_600;
const HOURS_COUNTED: u64 = 25;
const FILE: &str = "requests-by-hour";

/// Hours since 1970, and requests in each; oldest first.
type Hours<'a> = MutexGuard<'a, VecDeque<(u64, u64)>>;

/// The day's requests are spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// When some will be free again.
    pub retry_after: Duration,
}

/// Counts the requests of the last 24 hours.
#[derive(Debug, Default)]
pub struct Quota {
    /// Hours since 1970, and requests in each; oldest first.
    hours: Mutex<VecDeque<(u64, u64)>>,
    changed: AtomicBool,
}

impl Quota {
    /// Takes up the count that [`Quota::save`] left in a directory, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or holds something else.
    pub fn load(directory: &Path) -> io::Result<Self> {
        let text = match fs::read_to_string(directory.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let hours: Option<VecDeque<(u64, u64)>> = text
            .lines()
            .map(|line| {
                line.split_once(' ').and_then(|(hour, count)| {
                    Some((u64::from(hour.parse::<u32>().ok()?), u64::from(count.parse::<u32>().ok()?)))
                })
            })
            .collect();
        let hours = hours.filter(|hours| hours.iter().is_sorted_by(|one, other| one.0 < other.0));
        let invalid = || {
            let message = format!("{FILE} is not a count of requests by hour; move it away to begin at none");
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        Ok(Self { hours: Mutex::new(hours.ok_or_else(invalid)?), changed: AtomicBool::new(false) })
    }

    /// Leaves the count in a directory, if it has changed: whole, or as it was before.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn save(&self, directory: &Path) -> io::Result<()> {
        if !self.changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let lines: Vec<String> = self.hours().iter().map(|(hour, count)| format!("{hour} {count}")).collect();
        let text = lines.join("\n") + "\n";
        let written = || {
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            io::Write::write_all(&mut file, text.as_bytes())?;
            // Without this a crash of the machine could leave an empty file under the name, which counts as none.
            file.as_file().sync_all()?;
            file.persist(directory.join(FILE)).map_err(|error| error.error)?;
            Ok(())
        };
        written().inspect_err(|_| self.changed.store(true, Ordering::Release))
    }

    /// Whether a request could be sent now, without counting one.
    ///
    /// # Errors
    /// When the share of the day's requests is spent.
    pub fn check(&self, limits: &Limits, now: SystemTime) -> Result<(), Spent> {
        self.current_hours(limits, now).map(|_| ())
    }

    /// Counts a request that is about to be sent.
    ///
    /// # Errors
    /// When the share of the day's requests is spent.
    pub fn spend(&self, limits: &Limits, now: SystemTime) -> Result<(), Spent> {
        let (mut hours, hour) = self.current_hours(limits, now)?;
        add(&mut hours, hour, 1);
        drop(hours);
        self.changed.store(true, Ordering::Release);
        Ok(())
    }

    /// The hours that count, and the one that it is, if the share is not spent.
    fn current_hours(&self, limits: &Limits, now: SystemTime) -> Result<(Hours<'_>, u64), Spent> {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let hour = seconds / HOUR;
        let mut hours = self.hours();
        // Requests that a clock running ahead has counted in hours to come were sent by now at the latest.
        let ahead: u64 = hours.iter().filter(|(counted, _)| *counted > hour).map(|(_, count)| count).sum();
        if ahead > 0 {
            hours.retain(|(counted, _)| *counted <= hour);
            add(&mut hours, hour, ahead);
        }
        while hours.front().is_some_and(|(oldest, _)| oldest + HOURS_COUNTED <= hour) {
            hours.pop_front();
        }
        if hours.iter().map(|(_, count)| count).sum::<u64>() >= allowed(limits) {
            let oldest = hours.front().map_or(hour, |(oldest, _)| *oldest);
            let free = (oldest + HOURS_COUNTED) * HOUR;
            return Err(Spent { retry_after: Duration::from_secs(free.saturating_sub(seconds).max(1)) });
        }
        Ok((hours, hour))
    }

    /// How many requests of the last 24 hours count, and how many there may be.
    #[must_use]
    pub fn spent(&self, limits: &Limits, now: SystemTime) -> (u64, u64) {
        let hour = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / HOUR;
        let hours = self.hours();
        let counting = hours.iter().filter(|(counted, _)| counted + HOURS_COUNTED > hour);
        (counting.map(|(_, count)| count).sum(), allowed(limits))
    }

    fn hours(&self) -> Hours<'_> {
        self.hours.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts requests in an hour that is not before the last one counted.
fn add(hours: &mut VecDeque<(u64, u64)>, hour: u64, requests: u64) {
    match hours.back_mut() {
        Some((last, count)) if *last == hour => *count = count.saturating_add(requests),
        _ => hours.push_back((hour, requests)),
    }
}

/// This gateway's share of a day's requests; at least one.
fn allowed(limits: &Limits) -> u64 {
    u64::from((limits.per_day.get() / limits.share.get()).max(1))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn limits(per_day: u32, share: u32) -> Limits {
        let number = |number| NonZeroU32::new(number).unwrap();
        Limits { per_day: number(per_day), share: number(share), ..Limits::default() }
    }

    fn at(hours: u64, seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 * HOUR + hours * HOUR + seconds)
    }

    #[test]
    fn no_24_hours_hold_more_requests_than_allowed() {
        let quota = Quota::default();
        let limits = limits(3, 1);
        quota.spend(&limits, at(0, 3_599)).unwrap();
        quota.spend(&limits, at(5, 0)).unwrap();
        quota.spend(&limits, at(23, 0)).unwrap();
        let spent = quota.spend(&limits, at(24, 3_000)).unwrap_err();
        assert_eq!(spent.retry_after, Duration::from_mins(10));
        quota.spend(&limits, at(25, 0)).unwrap();
        assert!(quota.spend(&limits, at(25, 0)).is_err());
        quota.spend(&limits, at(30, 0)).unwrap();
    }

    #[test]
    fn a_share_divides_the_day_but_leaves_at_least_one_request() {
        let quota = Quota::default();
        assert!(quota.spend(&limits(10, 30), at(0, 0)).is_ok());
        assert!(quota.spend(&limits(10, 30), at(0, 0)).is_err());
        assert!(quota.spend(&limits(10, 5), at(0, 0)).is_ok());
        assert!(quota.spend(&limits(10, 5), at(0, 0)).is_err());
    }

    #[test]
    fn the_count_outlives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let quota = Quota::load(directory.path()).unwrap();
        quota.spend(&limits(2, 1), at(0, 0)).unwrap();
        quota.spend(&limits(2, 1), at(1, 0)).unwrap();
        quota.save(directory.path()).unwrap();
        let restarted = Quota::load(directory.path()).unwrap();
        assert!(restarted.spend(&limits(2, 1), at(2, 0)).is_err());
        assert!(restarted.spend(&limits(3, 1), at(2, 0)).is_ok());
    }

    #[test]
    fn a_count_that_is_something_else_is_an_error_and_not_a_fresh_start() {
        for text in ["x", "1 2 3", "2 1\n1 1\n", "1 -1"] {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join(FILE), text).unwrap();
            assert_eq!(Quota::load(directory.path()).unwrap_err().kind(), io::ErrorKind::InvalidData, "{text}");
        }
    }

    #[test]
    fn a_clock_that_ran_ahead_for_a_while_does_not_block_for_years() {
        let quota = Quota::default();
        quota.spend(&limits(2, 1), at(100_000, 0)).unwrap();
        quota.spend(&limits(2, 1), at(0, 0)).unwrap();
        assert!(quota.spend(&limits(2, 1), at(30, 0)).is_ok());
    }

    #[test]
    fn an_hour_that_no_clock_shows_is_no_count() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), format!("{} 1\n", u64::MAX)).unwrap();
        assert_eq!(Quota::load(directory.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_clock_set_back_forgets_nothing() {
        let quota = Quota::default();
        quota.spend(&limits(2, 1), at(10, 0)).unwrap();
        quota.spend(&limits(2, 1), at(3, 0)).unwrap();
        assert!(quota.spend(&limits(2, 1), at(4, 0)).is_err());
    }
}
