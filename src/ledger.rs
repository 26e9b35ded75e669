//! The ledger of changes: what the gateway remembers of a change before it is sent, so that an `Idempotency-Key` makes it
//! happen at most once, and how many changes were made in the last hour.
//!
//! A change under a key goes through these states; only what is durable outlives the process:
//!
//! ```text
//! (nothing) ─claim─► claimed ─sending─► sending ─answered─► answered      forgotten after 24 hours
//!     ▲                 │                │ │                    ▲
//!     └──── dropped ────┘                │ └─ dropped, killed ─► unknown ─┘ resolved by one request at a time
//!     └──────────── not_sent ────────────┘
//! ```
//!
//! *Claimed* is known to this process alone. *Sending* is durable before the first byte of the change may leave. *Unknown*
//! is a sending record that nobody holds any more. Nothing here sends, asks ClickBank or picks a status: the caller of this
//! module does.
//!
//! What is on the disk tells nothing to who steals it: a record's name is an HMAC, its contents are sealed under a key
//! that the caller's idempotency key is part of. How wrong clocks are dealt with stands in `clock.rs`.

mod caps;
mod claim;
mod clock;
mod disk;
mod key;
mod open;
mod record;
mod seal;
mod store;
#[cfg(test)]
mod tests;
mod traces;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use caps::{CapCounter, CapKey, Charge, Exceeded, Reservation};
pub use claim::{Claim, Claimed, LedgerError, Sending, Unknown};
pub use clock::Moment;
pub use key::{Fingerprint, IdempotencyKey, IdempotencyKeyError};
pub use open::OpenError;
pub use record::StoredAnswer;
pub use store::StoreError;
pub use traces::{Found, Left, Mark, RecordId, Thing, Trace, Traces};

use claim::Held;
use clock::Clock;
use seal::StoreSecret;
use store::Records;

/// For how long a change is remembered under its idempotency key, from when it was sent. Callers who try again after
/// this make a new change.
pub const KEPT_FOR: Duration = Duration::from_hours(24);

/// The most changes that are remembered at a time: four times what ClickBank accepts of one account in a day
/// (`limits.per_day`). When there is no room, claims are refused, since to forget would be to send again.
pub const MAX_RECORDS: u64 = 100_000;

/// The most bytes that [`Claim::sending`] takes of the sender's notes.
pub const MAX_NOTES: usize = 4096;

/// Remembers changes by their idempotency keys. Clones are the same ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    records: Arc<dyn Records>,
    secret: Arc<StoreSecret>,
    held: Held,
    clock: Arc<Clock>,
    caps: CapCounter,
    traces: Traces,
    max_answer_bytes: usize,
}

impl Ledger {
    /// Opens the ledger in the state directory, `ledger.redb` with its `ledger.key`, or makes it. Both are for their owner
    /// alone. It reads the whole file, and blocks for as long.
    ///
    /// Changes that were sending when the last process ended are unknown from now on.
    ///
    /// Answers of more than `max_answer_bytes` are not kept.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, is in use, or lost one of its two files. It never begins anew by itself, since
    /// that would forget what was executed.
    pub fn open(directory: &Path, max_answer_bytes: usize) -> Result<Self, OpenError> {
        Self::open_with(directory, max_answer_bytes, MAX_RECORDS)
    }

    fn open_with(directory: &Path, max_answer_bytes: usize, max_records: u64) -> Result<Self, OpenError> {
        let (disk, secret) = open::open(directory, max_records)?;
        let (disk, clock) = (Arc::new(disk), Arc::new(Clock::default()));
        let caps = CapCounter::new(Arc::clone(&disk) as _, Arc::clone(&clock));
        let secret = Arc::new(secret);
        let traces = Traces::new(Arc::clone(&disk) as _, Arc::clone(&secret), Arc::clone(&clock));
        Ok(Self { records: disk, secret, held: Held::default(), clock, caps, traces, max_answer_bytes })
    }

    /// The caps that are counted in the same store.
    #[must_use]
    pub const fn caps(&self) -> &CapCounter {
        &self.caps
    }

    /// What changes leave on what they are about, in the same store.
    #[must_use]
    pub const fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Removes some of what may be forgotten, at most a few hundred records. How many it was; call it again while it is
    /// more than none. New records remove a few old ones anyhow, so this is for gateways that change nothing for days.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn sweep(&self, now: Moment) -> Result<usize, StoreError> {
        self.records.sweep(self.clock.read(now)).await
    }
}
