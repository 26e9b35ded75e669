//! A change on the verge of being sent: whether it may be is asked once more with its first byte, and what is sent then
//! cannot be taken back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use crate::limit::Departures;
use crate::snapshot::Snapshot;
use crate::trail::Trail;

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
}

/// One change and whether it has gone out.
#[derive(Clone)]
pub(crate) struct Departure(Arc<Inner>);

struct Inner {
    departures: Arc<Departures>,
    current: Arc<ArcSwap<Snapshot>>,
    snapshot: Arc<Snapshot>,
    trail: Trail,
    gone: AtomicBool,
}

impl Departure {
    /// Of a change that was decided on under this snapshot.
    pub(super) fn new(
        departures: Arc<Departures>,
        current: Arc<ArcSwap<Snapshot>>,
        snapshot: Arc<Snapshot>,
        trail: Trail,
    ) -> Self {
        Self(Arc::new(Inner { departures, current, snapshot, trail, gone: AtomicBool::new(false) }))
    }

    /// Does what sends the first byte, if that may still be. What comes after it needs no asking.
    pub(super) fn go<T>(&self, send: impl FnOnce() -> T) -> Result<T, Stopped> {
        if self.is_gone() {
            return Ok(send());
        }
        let Inner { departures, gone, trail, .. } = &*self.0;
        departures.go(
            || self.stopped().map_or(Ok(()), Err),
            || {
                // From here on nobody knows how far it comes.
                gone.store(true, Ordering::SeqCst);
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

    /// Whether a byte of it may have reached somebody.
    pub(super) fn is_gone(&self) -> bool {
        self.0.gone.load(Ordering::SeqCst)
    }
}
