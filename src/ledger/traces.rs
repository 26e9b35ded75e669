//! Who else may have changed the same thing.
//!
//! What ClickBank shows of an order tells what became of a change only as far as nobody else changed it meanwhile. So each
//! change leaves a trace on what it is about before anything is read or sent, and says there what became of it when that is
//! certain. Under which name a trace stands is an HMAC, as for records: who steals the file learns nothing.

use std::fmt;
use std::sync::Arc;

use super::KEPT_FOR;
use super::clock::{Clock, Moment, Time};
use super::record::{RecordName, array};
use super::seal::StoreSecret;
use super::store::{Pending, StoreError};

/// The most traces on one thing. What happened before the oldest of them is not known any more.
const MAX_TRACES: usize = 256;

/// So many are kept although it is known of all what became of them: a gateway that was killed finds its own among them.
const MAX_SETTLED: usize = 16;

/// What a change is about: an order, a ticket, a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thing(pub(super) [u8; Self::LENGTH]);

impl Thing {
    pub(super) const LENGTH: usize = 32;
}

/// What a change brought about, such as a ticket, told from others of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(pub(super) [u8; Self::LENGTH]);

impl Mark {
    pub(super) const LENGTH: usize = 16;
}

/// What one change left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Later ones have higher numbers.
    pub number: u64,
    /// When it was left, in seconds since 1970.
    pub at: u64,
    /// What it is to bring about, in the words of whoever left it.
    pub sort: u8,
    /// Whether the change was made, as soon as that is certain.
    pub made: Option<bool>,
    /// What it brought about, where that is known.
    pub mark: Option<Mark>,
    /// Whether the change may have been sent by now. One without a key always may.
    pub may_be_sent: bool,
    /// The record without which it was not sent; none of a change without a key.
    pub(super) record: Option<RecordName>,
    /// Until when it stays, in seconds since 1970.
    pub(super) due: u64,
}

/// All traces on one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// In order.
    pub traces: Vec<Trace>,
    /// The number of the last one that was not kept any longer.
    pub lost: u64,
}

/// The record of a change that nobody has sent.
#[derive(Clone, Copy, Debug)]
pub struct RecordId(pub(super) RecordName);

/// What is to be done with the traces on one thing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    Leave { sort: u8, record: Option<RecordName> },
    Settle { number: u64, made: bool, mark: Option<Mark> },
    Erase { number: u64 },
}

impl Found {
    /// Does it. The number of the trace that was left.
    pub(super) fn edit(&mut self, edit: Edit, now: Time) -> u64 {
        let Self { traces, lost } = self;
        traces.retain(|trace| !now.is_past(trace.due));
        match edit {
            Edit::Leave { sort, record } => {
                // Whoever claims a record for the first time has not sent anything under it, and may have been killed before.
                traces.retain(|trace| trace.made == Some(true) || trace.record.is_none() || trace.record != record);
                // As long as one may have been made, all others tell whether it was. When none is left, no one needs them.
                if traces.len() >= MAX_SETTLED
                    && traces.iter().all(|trace| trace.made.is_some())
                    && let Some(last) = traces.drain(..).next_back()
                {
                    *lost = last.number;
                }
                if traces.len() >= MAX_TRACES {
                    *lost = traces.remove(0).number;
                }
                // Higher than what was forgotten, too.
                let number = traces.last().map_or(0, |last| last.number).max(*lost).max(now.wall << 16) + 1;
                let due = now.due().saturating_add(KEPT_FOR.as_secs());
                let (made, mark, may_be_sent) = (None, None, true);
                traces.push(Trace { number, at: now.wall, sort, made, mark, may_be_sent, record, due });
                number
            }
            Edit::Settle { number, made, mark } => {
                if let Some(trace) = traces.iter_mut().find(|trace| trace.number == number) {
                    (trace.made, trace.mark) = (Some(made), mark);
                }
                number
            }
            Edit::Erase { number } => {
                traces.retain(|trace| trace.number != number);
                number
            }
        }
    }

    /// From when on nothing of it counts.
    pub(super) fn due(&self) -> Option<u64> {
        self.traces.iter().map(|trace| trace.due).max()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.lost.to_be_bytes().to_vec();
        for Trace { number, at, sort, made, mark, record, due, .. } in &self.traces {
            for value in [number, at, due] {
                bytes.extend_from_slice(&value.to_be_bytes());
            }
            bytes.extend_from_slice(&[
                *sort,
                made.map_or(0, |made| 1 + u8::from(made)),
                u8::from(mark.is_some()),
                u8::from(record.is_some()),
            ]);
            bytes.extend_from_slice(&mark.map_or([0; Mark::LENGTH], |mark| mark.0));
            bytes.extend_from_slice(&record.map_or([0; RecordName::LENGTH], |record| record.0));
        }
        bytes
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut found = Self { lost: u64::from_be_bytes(array(&mut bytes)?), traces: Vec::new() };
        while !bytes.is_empty() {
            let [number, at, due] =
                [array(&mut bytes)?, array(&mut bytes)?, array(&mut bytes)?].map(u64::from_be_bytes);
            let [sort, made, is_marked, has_record] = array(&mut bytes)?;
            let (mark, record) = (Mark(array(&mut bytes)?), RecordName(array(&mut bytes)?));
            let (mark, record) = ((is_marked == 1).then_some(mark), (has_record == 1).then_some(record));
            found.traces.push(Trace {
                number,
                at,
                sort,
                made: if made == 0 { None } else { Some(made == 2) },
                mark,
                may_be_sent: true,
                record,
                due,
            });
        }
        Some(found)
    }
}

/// Keeps traces.
pub(super) trait TraceStore: fmt::Debug + Send + Sync {
    /// Reads those on one thing, and whether their records are there.
    fn traces(&self, thing: Thing, now: Time) -> Pending<Found>;

    /// Changes them. The number of the trace that was left.
    fn edit_traces(&self, thing: Thing, edit: Edit, now: Time) -> Pending<u64>;
}

/// The traces that are kept beside the ledger's records. Clones are the same.
#[derive(Clone, Debug)]
pub struct Traces {
    store: Arc<dyn TraceStore>,
    secret: Arc<StoreSecret>,
    clock: Arc<Clock>,
}

impl Traces {
    pub(super) fn new(store: Arc<dyn TraceStore>, secret: Arc<StoreSecret>, clock: Arc<Clock>) -> Self {
        Self { store, secret, clock }
    }

    /// The thing that these words name.
    #[must_use]
    pub fn thing(&self, words: &[&str]) -> Thing {
        Thing(self.secret.thing(words))
    }

    /// What this id of something that was brought about is remembered by.
    #[must_use]
    pub fn mark(&self, thing: Thing, id: &str) -> Mark {
        let name = self.secret.mark(thing, id);
        Mark(name)
    }

    /// The traces on a thing.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn on(&self, thing: Thing) -> Result<Found, StoreError> {
        self.store.traces(thing, self.clock.read(Moment::now())).await
    }

    /// Leaves one, durably. Without a record it is of a change that has no key.
    ///
    /// # Errors
    /// When it cannot be kept. It may be there all the same.
    pub async fn leave(
        &self,
        thing: Thing,
        sort: u8,
        record: Option<RecordId>,
        now: Moment,
    ) -> Result<Left, StoreError> {
        let edit = Edit::Leave { sort, record: record.map(|record| record.0) };
        let number = self.store.edit_traces(thing, edit, self.clock.read(now)).await?;
        Ok(Left { traces: self.clone(), thing, number, is_sent: false })
    }

    /// Notes of one whether its change was made, and what it brought about. Whoever says that it was not is certain that it
    /// never will be.
    ///
    /// # Errors
    /// When it cannot be written. Then it stays one that may have been made.
    pub async fn settle(&self, thing: Thing, number: u64, made: bool, mark: Option<Mark>) -> Result<(), StoreError> {
        let now = self.clock.read(Moment::now());
        self.store.edit_traces(thing, Edit::Settle { number, made, mark }, now).await.map(drop)
    }
}

/// A trace of a change that is not sent yet. Dropped, it is taken away.
#[derive(Debug)]
pub struct Left {
    traces: Traces,
    thing: Thing,
    number: u64,
    is_sent: bool,
}

impl Left {
    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Lets it stay: the change may be sent from now on.
    pub fn stays(mut self) {
        self.is_sent = true;
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        if !self.is_sent {
            let now = self.traces.clock.read(Moment::now());
            drop(self.traces.store.edit_traces(self.thing, Edit::Erase { number: self.number }, now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn at(seconds: u64) -> Time {
        Time { wall: seconds, trusted: seconds }
    }

    fn leave(sort: u8) -> Edit {
        Edit::Leave { sort, record: None }
    }

    #[test]
    fn who_begins_anew_has_sent_nothing_before() {
        let mut found = Found::default();
        let leave = |name| Edit::Leave { sort: 0, record: Some(RecordName([name; 32])) };
        let unkeyed = found.edit(super::tests::leave(0), at(1));
        let made = found.edit(leave(1), at(1));
        found.edit(Edit::Settle { number: made, made: true, mark: None }, at(1));
        let (_, other) = (found.edit(leave(1), at(1)), found.edit(leave(2), at(1)));
        let again = found.edit(leave(1), at(1));
        assert_eq!(found.traces.iter().map(|trace| trace.number).collect::<Vec<_>>(), [unkeyed, made, other, again]);
    }

    #[test]
    fn what_is_kept_reads_back() {
        let mut found = Found::default();
        let (one, two) = (found.edit(leave(1), at(9)), found.edit(leave(2), at(9)));
        assert!(one < two);
        found.edit(Edit::Settle { number: two, made: true, mark: Some(Mark([7; 16])) }, at(9));
        assert_eq!(Found::decode(&found.encode()), Some(found.clone()));
        assert_eq!(Found::decode(&found.encode()[..20]), None);
        found.edit(Edit::Erase { number: one }, at(9));
        assert_eq!(
            found.traces.iter().map(|trace| (trace.number, trace.made)).collect::<Vec<_>>(),
            [(two, Some(true))]
        );
    }

    #[test]
    fn what_was_made_is_forgotten_when_no_one_is_in_doubt_and_not_before() {
        let mut found = Found::default();
        let first = found.edit(leave(0), at(1));
        let mut last = first;
        for _ in 0..2 * MAX_SETTLED {
            last = found.edit(leave(0), at(1));
            found.edit(Edit::Settle { number: last, made: true, mark: None }, at(1));
        }
        assert_eq!(found.traces.len(), 1 + 2 * MAX_SETTLED);
        found.edit(Edit::Settle { number: first, made: false, mark: None }, at(1));
        let next = found.edit(leave(0), at(1));
        assert_eq!(found.traces.iter().map(|trace| trace.number).collect::<Vec<_>>(), [next]);
        assert!(next > last && found.lost == last);
    }

    #[test]
    fn a_trace_outlives_the_record_of_every_change_that_it_tells_of() {
        let mut found = Found::default();
        found.edit(leave(0), at(0));
        found.edit(Edit::Erase { number: 0 }, at(2 * DAY - 1));
        assert_eq!((found.traces.len(), found.due()), (1, Some(2 * DAY)));
        found.edit(Edit::Erase { number: 0 }, at(2 * DAY));
        assert_eq!((found.traces.len(), found.due()), (0, None));
    }

    #[test]
    fn of_too_many_it_is_known_that_some_are_lost() {
        let mut found = Found::default();
        let first = found.edit(leave(0), at(1));
        for _ in 0..MAX_TRACES {
            assert_eq!(found.lost, 0);
            found.edit(leave(0), at(1));
        }
        assert_eq!((found.traces.len(), found.lost), (MAX_TRACES, first));
    }
}
