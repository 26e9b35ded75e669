//! What a store of the ledger has to do.
//!
//! Every operation is one atomic step on one record, or on the counters of one reservation, so that a store that several
//! gateways share can do the same with compare-and-set. For all of them:
//!
//! * An operation begins when it is called, and is done even if nobody waits for it.
//! * Operations of one process take effect in the order in which they are called.
//! * What was reported done is still done after a crash of the process or of the machine.
//! * When an operation fails, it may have taken effect all the same.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use thiserror::Error;

use super::caps::{Exceeded, Order};
use super::clock::Time;
use super::record::{Attempt, Record, RecordName};

/// Why a store did not do what it was asked for.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It cannot be read or written, as when the disk is full.
    #[error("the ledger cannot be read or written")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It stopped in the middle of an operation, or runs no more.
    #[error("the ledger was interrupted")]
    Interrupted,
}

/// What becomes of an operation.
pub(super) type Pending<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// What was found under a name.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing, or what may be forgotten.
    Nothing,
    /// Nothing, and there is no room for more.
    Full,
    /// A record.
    Record(Record),
}

/// What became of a new record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It is kept.
    Yes,
    /// There is another one.
    Taken,
    /// There is no room.
    Full,
}

/// Keeps records.
pub(super) trait Records: fmt::Debug + Send + Sync {
    /// Reads a record.
    fn look_up(&self, name: RecordName, now: Time) -> Pending<Found>;

    /// Keeps a record where there is none, or one that may be forgotten.
    fn insert(&self, name: RecordName, record: Record, now: Time) -> Pending<Inserted>;

    /// Turns this attempt's record into an answered one with other contents, if it is still sending. Whether it was. When
    /// it may be forgotten stays the same.
    fn answer(&self, name: RecordName, attempt: Attempt, sealed: Vec<u8>) -> Pending<bool>;

    /// Forgets this attempt's record, if it is still sending: nothing was sent. If the record cannot be removed now, this
    /// process does not find it any more, and removes it later.
    fn forget(&self, name: RecordName, attempt: Attempt) -> Pending<()>;

    /// Removes some of what may be forgotten. How much.
    fn sweep(&self, now: Time) -> Pending<usize>;
}

/// Keeps what was spent of the caps.
pub(super) trait Counters: fmt::Debug + Send + Sync {
    /// Counts everything in an order, or nothing, and marks the order when it is counted.
    fn reserve(&self, order: Arc<Order>) -> Pending<Result<(), Exceeded>>;

    /// Whether everything in an order could be counted. Nothing is.
    fn check(&self, order: Arc<Order>) -> Pending<Result<(), Exceeded>>;

    /// Takes an order back, if it was counted.
    fn give_back(&self, order: Arc<Order>) -> Pending<()>;

    /// What is spent of one cap at a second since 1970.
    fn spent(&self, cap: &super::CapKey, seconds: u64) -> Pending<u64>;
}
