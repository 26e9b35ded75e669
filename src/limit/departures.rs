//! The moment from which on a change cannot be taken back: its first byte goes out wholly before or wholly after whatever is
//! decided about all changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// Lets changes go out.
#[derive(Debug, Default)]
pub struct Departures {
    going: RwLock<()>,
    stopped: AtomicBool,
}

impl Departures {
    /// Has a change go out if it may, judged at the last moment.
    ///
    /// # Errors
    /// What `may` says against it.
    pub fn go<T, E>(&self, may: impl FnOnce() -> Result<(), E>, go: impl FnOnce() -> T) -> Result<T, E> {
        let _going = self.going.read().unwrap_or_else(PoisonError::into_inner);
        may()?;
        Ok(go())
    }

    /// Waits until every change is out that was judged before. What goes out from now on is judged by what is true now.
    pub fn settle(&self) {
        drop(self.going.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets no change out any more, or lets them out again. When it returns, it holds.
    pub fn stop(&self, stopped: bool) {
        self.stopped.store(stopped, Ordering::SeqCst);
        self.settle();
    }

    /// Whether no change is let out.
    #[must_use]
    pub fn are_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn who_stops_departures_waits_for_the_one_under_way_and_no_other_follows() {
        let departures = Arc::new(Departures::default());
        let judge = |departures: &Departures| if departures.are_stopped() { Err("stopped") } else { Ok(()) };
        let (begun, has_begun) = channel();
        let (finish, may_finish) = channel::<()>();
        let going = {
            let departures = Arc::clone(&departures);
            thread::spawn(move || {
                departures.go(
                    || judge(&departures),
                    || {
                        begun.send(()).unwrap();
                        may_finish.recv().unwrap();
                        // Whoever stopped it has not been told yet that it holds.
                        Arc::strong_count(&departures)
                    },
                )
            })
        };
        has_begun.recv().unwrap();
        let stopping = {
            let departures = Arc::clone(&departures);
            thread::spawn(move || departures.stop(true))
        };
        while !departures.are_stopped() {
            thread::yield_now();
        }
        assert!(!stopping.is_finished());
        finish.send(()).unwrap();
        assert!(going.join().unwrap().is_ok());
        stopping.join().unwrap();
        assert_eq!(departures.go(|| judge(&departures), || ()), Err("stopped"));
        departures.stop(false);
        assert_eq!(departures.go(|| judge(&departures), || ()), Ok(()));
    }
}
