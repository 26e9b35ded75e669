//! Retries: so many of all reads, and a few besides, so that what fails at ClickBank is not made worse by asking it more.
//!
//! Five reads earn a retry. What is spent before it is earned is owed: each caller may owe a few retries, and all
//! together a few more. So one caller's failures take from the others no more than that, and of the retries that the
//! others' own reads earn them nothing. It takes no clock: in a long outage the reserve is gone once, and comes back only
//! by reads.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::keys::KeyNumber;

/// Reads that earn a retry.
const READS: u32 = 5;
/// What one caller may owe, and all together, in reads.
const RESERVE_OF_ONE: u32 = 10 * READS;
const RESERVE: u32 = 50 * READS;

/// Callers of whom it is kept what they owe. Beyond that all of them are forgiven; what is owed together still counts.
const MAX_CALLERS: usize = 16_384;

/// The longest pause before the first retry. Before each further one it is twice as long.
const PAUSE: Duration = Duration::from_millis(50);

/// Counts what is earned and spent.
#[derive(Debug, Default)]
pub struct Retries(Mutex<Owed>);

/// In reads.
#[derive(Debug, Default)]
struct Owed {
    together: u32,
    /// By callers who owe something.
    of: HashMap<KeyNumber, u32>,
}

impl Retries {
    /// A read of this caller is sent.
    pub fn earn(&self, caller: KeyNumber) {
        let mut owed = self.owed();
        owed.together = owed.together.saturating_sub(1);
        if owed.of.is_empty() {
            return;
        }
        if let Some(of_caller) = owed.of.get_mut(&caller) {
            *of_caller -= 1;
            if *of_caller == 0 {
                owed.of.remove(&caller);
            }
        }
    }

    /// Whether a read of this caller may be sent once more, which then counts.
    #[must_use]
    pub fn spend(&self, caller: KeyNumber) -> bool {
        let mut owed = self.owed();
        let of_caller = owed.of.get(&caller).copied().unwrap_or_default() + READS;
        if of_caller > RESERVE_OF_ONE || owed.together + READS > RESERVE {
            return false;
        }
        if owed.of.len() >= MAX_CALLERS {
            owed.of.clear();
        }
        owed.together += READS;
        owed.of.insert(caller, of_caller);
        true
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long to wait before a retry, of which there were so many before. It is any time up to a bound, so that what failed
/// together does not come back together.
#[must_use]
pub(crate) fn pause(before: u32) -> Duration {
    let mut random = [0; 4];
    // Without random bytes the pause is none, which the turns bear.
    let _ = aws_lc_rs::rand::fill(&mut random);
    pause_at(before, u32::from_ne_bytes(random))
}

/// The pause at a point of its range.
fn pause_at(before: u32, point: u32) -> Duration {
    let longest = PAUSE.saturating_mul(1_u32.checked_shl(before).unwrap_or(u32::MAX));
    longest.mul_f64(f64::from(point) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(number: usize) -> KeyNumber {
        KeyNumber::of(&number.to_string())
    }

    /// Spends all that it gets; says how much that was.
    fn spend_all(retries: &Retries, caller: KeyNumber) -> usize {
        std::iter::repeat_with(|| retries.spend(caller)).take_while(|spent| *spent).count()
    }

    #[test]
    fn five_reads_earn_a_retry_besides_the_reserve() {
        let retries = Retries::default();
        assert_eq!(spend_all(&retries, caller(1)), 10);
        let mut spent = 0;
        for _ in 0..1_000 {
            retries.earn(caller(1));
            spent += spend_all(&retries, caller(1));
        }
        assert_eq!(spent, 200);
    }

    #[test]
    fn what_was_not_spent_does_not_add_up() {
        let retries = Retries::default();
        (0..1_000).for_each(|_| retries.earn(caller(1)));
        assert_eq!(spend_all(&retries, caller(1)), 10);
        (0..1_000).for_each(|_| retries.earn(caller(1)));
        assert_eq!(spend_all(&retries, caller(1)), 10);
    }

    #[test]
    fn one_caller_does_not_spend_what_the_others_have() {
        let retries = Retries::default();
        for _ in 0..1_000 {
            retries.earn(caller(1));
            spend_all(&retries, caller(1));
        }
        for other in 2..=5 {
            assert_eq!(spend_all(&retries, caller(other)), 10, "{other}");
        }
    }

    #[test]
    fn all_callers_together_have_a_reserve_that_ends() {
        let retries = Retries::default();
        let spent: usize = (0..1_000).map(|number| spend_all(&retries, caller(number))).sum();
        assert_eq!(spent, 50);
        let mut spent = 0;
        for number in 0..1_000 {
            retries.earn(caller(number));
            spent += spend_all(&retries, caller(number));
        }
        assert_eq!(spent, 200);
    }

    #[test]
    fn who_owes_nothing_takes_no_memory_and_the_others_do_not_grow_without_end() {
        let retries = Retries::default();
        for number in 0..3 * MAX_CALLERS {
            assert!(retries.spend(caller(number)));
            // Others pay what is owed together.
            (0..READS).for_each(|_| retries.earn(caller(usize::MAX)));
        }
        assert!(retries.owed().of.len() <= MAX_CALLERS);
        let last = caller(3 * MAX_CALLERS - 1);
        assert!(retries.owed().of.contains_key(&last));
        (0..READS).for_each(|_| retries.earn(last));
        assert!(!retries.owed().of.contains_key(&last));
    }

    #[test]
    fn a_pause_is_anywhere_up_to_a_bound_that_doubles() {
        for (before, longest) in [(0, 50), (1, 100), (2, 200), (4, 800)] {
            assert_eq!(pause_at(before, 0), Duration::ZERO);
            assert_eq!(pause_at(before, u32::MAX), Duration::from_millis(longest));
            let middle = pause_at(before, u32::MAX / 2).abs_diff(Duration::from_millis(longest / 2));
            assert!(middle < Duration::from_micros(1), "{middle:?} from the middle");
        }
        let pauses: Vec<Duration> = (0..50).map(|_| pause(4)).collect();
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "they differ");
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_millis(800)));
        assert!(pause(u32::MAX) >= Duration::ZERO, "and none is too long to be said");
    }
}
