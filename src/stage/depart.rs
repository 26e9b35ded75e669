//! A change on the verge of being sent: whether it may be is asked once more with its first byte, and what is sent then
//! cannot be taken back.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::limit::Departures;
use crate::snapshot::Snapshot;
use crate::trail::Trail;

use super::spend::Counted;

/// Why a change is not sent after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stopped {
    /// What it was decided on is not what counts any more.
    #[error("the configuration has changed")]
    Overtaken,
    /// All changes were switched off.
    #[error("changes are switched off")]
    SwitchedOff,
    /// Nobody waits for it any more.
    #[error("its caller has hung up")]
    CallerGone,
    /// It was said already that it was not sent.
    #[error("it was called off")]
    CalledOff,
}

/// How far a change has come. The connection that would send it is served by a task of its own, so that giving it up and
/// sending it can happen at the same time: one of them has to find the other done.
#[derive(Default)]
struct Progress(AtomicU8);

impl Progress {
    const WAITING: u8 = 0;
    const GONE: u8 = 1;
    const CALLED_OFF: u8 = 2;

    /// Whether it goes, now or before.
    fn go(&self) -> bool {
        self.leave_for(Self::GONE)
    }

    /// Whether it was called off, now or before.
    fn call_off(&self) -> bool {
        self.leave_for(Self::CALLED_OFF)
    }

    fn is_gone(&self) -> bool {
        self.0.load(Ordering::SeqCst) == Self::GONE
    }

    fn leave_for(&self, end: u8) -> bool {
        let left = self.0.compare_exchange(Self::WAITING, end, Ordering::SeqCst, Ordering::SeqCst);
        left.map_or_else(|found| found == end, |_| true)
    }
}

/// One change and whether it has gone out.
#[derive(Clone)]
pub(crate) struct Departure(Arc<Inner>);

struct Inner {
    departures: Arc<Departures>,
    current: Arc<ArcSwap<Snapshot>>,
    snapshot: Arc<Snapshot>,
    trail: Trail,
    progress: Progress,
    /// Behind a lock that nobody contends for.
    counted: Mutex<Counted>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.progress.is_gone() {
            self.counted.get_mut().unwrap_or_else(PoisonError::into_inner).keep();
        }
    }
}

impl Departure {
    /// Of a change that was decided on under this snapshot, and counted.
    pub(super) fn new(
        departures: Arc<Departures>,
        current: Arc<ArcSwap<Snapshot>>,
        snapshot: Arc<Snapshot>,
        trail: Trail,
        counted: Counted,
    ) -> Self {
        let (progress, counted) = (Progress::default(), Mutex::new(counted));
        Self(Arc::new(Inner { departures, current, snapshot, trail, progress, counted }))
    }

    /// Does what sends the first byte, if that may still be. What comes after it needs no asking.
    pub(super) fn go<T>(&self, send: impl FnOnce() -> T) -> Result<T, Stopped> {
        if self.is_gone() {
            return Ok(send());
        }
        let Inner { departures, progress, trail, .. } = &*self.0;
        departures.go(
            || match self.stopped() {
                Some(stopped) => Err(stopped),
                None if progress.go() => Ok(()),
                None => Err(Stopped::CalledOff),
            },
            || {
                // From here on nobody knows how far it comes.
                trail.facts().departed = true;
                send()
            },
        )
    }

    /// Why it could not go now.
    pub(super) fn stopped(&self) -> Option<Stopped> {
        let Inner { departures, current, snapshot, trail, .. } = &*self.0;
        if departures.are_stopped() {
            Some(Stopped::SwitchedOff)
        } else if !Arc::ptr_eq(&current.load(), snapshot) {
            Some(Stopped::Overtaken)
        } else if trail.facts().caller_gone {
            Some(Stopped::CallerGone)
        } else {
            None
        }
    }

    /// Gives it up. Says whether no byte of it has gone out; then none ever will.
    pub(super) fn call_off(&self) -> bool {
        let called_off = self.0.progress.call_off();
        if called_off {
            self.nothing_was_done();
        }
        called_off
    }

    /// Has it count towards no cap.
    pub(super) fn nothing_was_done(&self) {
        self.0.counted.lock().unwrap_or_else(PoisonError::into_inner).give_back();
    }

    /// Whether a byte of it may have reached somebody.
    fn is_gone(&self) -> bool {
        self.0.progress.is_gone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn what_was_called_off_does_not_go_and_what_is_gone_is_not_called_off() {
        let progress = Progress::default();
        assert!(!progress.is_gone());
        assert!(progress.call_off() && progress.call_off());
        assert!(!progress.go() && !progress.is_gone());
        let progress = Progress::default();
        assert!(progress.go() && progress.go() && progress.is_gone());
        assert!(!progress.call_off());
    }

    #[test]
    fn of_sending_and_giving_up_at_one_time_just_one_succeeds() {
        for _ in 0..500 {
            let (progress, together) = (Progress::default(), Barrier::new(2));
            let (gone, called_off) = thread::scope(|scope| {
                let sending = scope.spawn(|| {
                    together.wait();
                    progress.go()
                });
                together.wait();
                let called_off = progress.call_off();
                (sending.join().unwrap(), called_off)
            });
            assert_ne!(gone, called_off);
            assert_eq!(progress.is_gone(), gone);
        }
    }
}
