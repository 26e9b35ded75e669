//! How many requests may be under way at once, all callers together and for each of them, so that one whose requests
//! take long cannot take all the room.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::keys::KeyNumber;

/// The most requests under way. At ClickBank's ten a second, more would be those of a minute and a half.
const MOST: usize = 1_024;
/// The most of one caller.
const MOST_OF_ONE: usize = 256;

/// Counts the requests under way.
#[derive(Debug)]
pub struct Flights {
    room: Arc<Semaphore>,
    of: DashMap<KeyNumber, usize>,
}

/// A request under way. Dropping it ends it.
#[derive(Debug)]
pub struct Flight {
    flights: Arc<Flights>,
    caller: KeyNumber,
    _room: OwnedSemaphorePermit,
}

impl Default for Flights {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(MOST)), of: DashMap::new() }
    }
}

impl Flights {
    /// How many requests are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        MOST.saturating_sub(self.room.available_permits())
    }

    /// Lets a caller's request go on; `None` when too many are under way.
    #[must_use]
    pub fn begin(self: &Arc<Self>, caller: KeyNumber) -> Option<Flight> {
        let room = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let mut of = self.of.entry(caller).or_default();
        if *of >= MOST_OF_ONE {
            return None;
        }
        *of += 1;
        Some(Flight { flights: Arc::clone(self), caller, _room: room })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // Callers with nothing under way leave nothing behind.
        self.flights.of.remove_if_mut(&self.caller, |_, of| {
            *of = of.saturating_sub(1);
            *of == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five callers.
    fn callers() -> Vec<KeyNumber> {
        (0..5).map(|number| KeyNumber::of(&number.to_string())).collect()
    }

    #[test]
    fn one_caller_cannot_take_all_the_room_and_room_comes_back() {
        let flights = Arc::new(Flights::default());
        let callers = callers();
        let begin = |caller: usize| flights.begin(callers[caller]);
        let mut under_way = Vec::new();
        for caller in 0..4 {
            for _ in 0..MOST_OF_ONE {
                assert!(begin(4).is_some(), "there is room for another caller");
                under_way.extend(begin(caller));
            }
            assert_eq!(under_way.len(), MOST_OF_ONE * (caller + 1));
            assert!(begin(caller).is_none());
        }
        assert!(begin(4).is_none(), "all the room is taken");
        under_way.clear();
        assert!(begin(0).is_some());
        assert!(flights.of.is_empty() && flights.room.available_permits() == MOST);
    }
}
