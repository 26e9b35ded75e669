//! ClickBank's limits: so many requests a second from one address, so many a day for one account. Both are shared by
//! all callers, so both are held here, fairly. So are the room for requests under way, and how often reads are sent again.

use std::num::NonZeroU32;
use std::time::Duration;

mod departures;
mod flight;
mod pace;
mod quota;
mod retries;

pub use departures::Departures;
pub use flight::{Flight, Flights};
pub use pace::{Pace, TooLate};
pub use quota::{Quota, Spent};
pub use retries::Retries;
pub(crate) use retries::pause;

/// What shapes traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests a second that ClickBank accepts from one address.
    pub per_second: NonZeroU32,
    /// Requests a day that ClickBank accepts for one account.
    pub per_day: NonZeroU32,
    /// This gateway's part of both limits is one in so many.
    pub share: NonZeroU32,
    /// The longest that a request waits for its turn.
    pub max_wait: Duration,
}

impl Default for Limits {
    /// ClickBank's limits as client authors quote them, undivided.
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            per_second: number(10),
            per_day: number(25_000),
            share: NonZeroU32::MIN,
            max_wait: Duration::from_secs(5),
        }
    }
}
