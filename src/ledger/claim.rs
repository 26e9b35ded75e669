//! Who may send a change, and what became of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::{error::Unspecified, rand};
use thiserror::Error;

use super::clock::{Moment, Time};
use super::key::{Fingerprint, IdempotencyKey};
use super::record::{Attempt, Contents, Head, Record, RecordName, State, StoredAnswer};
use super::seal::Sealing;
use super::store::{Found, Inserted, Records, StoreError};
use super::traces::RecordId;
use super::{Ledger, MAX_NOTES};

/// Why the ledger did not do what it was asked for.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// There is no room for another change. Some is free when changes of the last 24 hours may be forgotten.
    #[error("the ledger holds as many changes of the last 24 hours as it may")]
    Full,
    /// Another gateway that shares the store was faster.
    #[error("another gateway has taken up the same change")]
    Taken,
    /// The record is no longer there, or somebody else has written to it: it was held for more than a day, or resolved by
    /// another gateway.
    #[error("the change's record is not there any more")]
    Gone,
    /// A record cannot be opened, although its name says that it could. Somebody has changed the file.
    #[error("the change's record cannot be opened")]
    Unreadable,
    /// The notes are longer than [`MAX_NOTES`].
    #[error("the sender's notes are longer than {MAX_NOTES} bytes")]
    NotesTooLong,
    /// The answer is longer than the ledger keeps.
    #[error("the answer is longer than the ledger keeps")]
    AnswerTooLong,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no random numbers, or refuses cryptography.
    #[error("the system's cryptography fails")]
    Cryptography,
}

impl From<Unspecified> for LedgerError {
    fn from(_: Unspecified) -> Self {
        Self::Cryptography
    }
}

/// What a request with an idempotency key is to do.
#[derive(Debug)]
pub enum Claimed {
    /// Nobody has sent it yet: send it.
    First(Claim),
    /// Another request of this process is at it: try again later.
    InFlight,
    /// The same key came with another request.
    Mismatch,
    /// It was answered: answer the same.
    Answered(StoredAnswer),
    /// It may have been sent, and nobody knows what became of it: find out. Until this is dropped, other requests of this
    /// process get [`Claimed::InFlight`].
    Unknown(Unknown),
}

impl Ledger {
    /// Asks what a request of a caller, known by the id of its key, is to do under an idempotency key.
    ///
    /// If the future is dropped, nothing is claimed.
    ///
    /// # Errors
    /// When there is no room for another change, or the store fails. Then nothing may be sent.
    pub async fn claim(
        &self,
        caller_id: &str,
        key: &IdempotencyKey,
        fingerprint: Fingerprint,
        now: Moment,
    ) -> Result<Claimed, LedgerError> {
        let time = self.clock.read(now);
        let name = self.secret.name(caller_id, key);
        let sealing = self.secret.sealing(name, key)?;
        // Whoever only reads an answer is in nobody's way.
        if let Read::Decided(claimed) = self.read(&sealing, fingerprint, time).await? {
            return Ok(claimed);
        }
        let hold = match self.held.hold(name, fingerprint) {
            Ok(hold) => hold,
            Err(other) if other == fingerprint => return Ok(Claimed::InFlight),
            Err(_) => return Ok(Claimed::Mismatch),
        };
        // Whoever held it before may have answered in the meantime.
        let read = self.read(&sealing, fingerprint, time).await?;
        let part = Part {
            records: Arc::clone(&self.records),
            sealing,
            fingerprint,
            max_answer_bytes: self.max_answer_bytes,
            _hold: hold,
        };
        Ok(match read {
            Read::Decided(claimed) => claimed,
            Read::Nothing => Claimed::First(Claim { part, clock: Arc::clone(&self.clock) }),
            Read::Sending { attempt, sent, sent_at, notes } => {
                let sent = Sent { part, attempt, since: sent, certainly_not: false };
                Claimed::Unknown(Unknown { sent, sent_at, notes })
            }
        })
    }

    async fn read(&self, sealing: &Sealing, fingerprint: Fingerprint, time: Time) -> Result<Read, LedgerError> {
        let Record { head, sealed } = match self.records.look_up(sealing.name(), time).await? {
            Found::Nothing => return Ok(Read::Nothing),
            Found::Full => return Err(LedgerError::Full),
            Found::Record(record) => record,
        };
        let opened = sealing.open(head.state, head.attempt, sealed).ok_or(LedgerError::Unreadable)?;
        let contents = Contents::decode(&opened).ok_or(LedgerError::Unreadable)?;
        if contents.fingerprint != fingerprint {
            return Ok(Read::Decided(Claimed::Mismatch));
        }
        Ok(match head.state {
            State::Answered => {
                let answer = StoredAnswer::decode(contents.rest).ok_or(LedgerError::Unreadable)?;
                Read::Decided(Claimed::Answered(answer))
            }
            State::Sending => Read::Sending {
                attempt: head.attempt,
                sent: contents.sent,
                sent_at: contents.sent_at(),
                notes: contents.rest.to_vec(),
            },
        })
    }
}

/// What a record says.
enum Read {
    Nothing,
    Sending { attempt: Attempt, sent: u64, sent_at: SystemTime, notes: Vec<u8> },
    Decided(Claimed),
}

/// The names that requests of this process are at, with what each asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Held(Arc<Mutex<HashMap<RecordName, Fingerprint>>>);

impl Held {
    /// Holds a name, or tells what the request asks for that holds it.
    fn hold(&self, name: RecordName, fingerprint: Fingerprint) -> Result<Hold, Fingerprint> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = held.get(&name) {
            return Err(*other);
        }
        held.insert(name, fingerprint);
        Ok(Hold { held: self.clone(), name })
    }
}

/// A name that is held until this is dropped.
struct Hold {
    held: Held,
    name: RecordName,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

/// What every holder of a name has.
struct Part {
    records: Arc<dyn Records>,
    sealing: Sealing,
    fingerprint: Fingerprint,
    max_answer_bytes: usize,
    _hold: Hold,
}

impl Part {
    fn seal(&self, state: State, attempt: Attempt, sent: u64, rest: &[u8]) -> Result<Vec<u8>, LedgerError> {
        let text = Contents { fingerprint: self.fingerprint, sent, rest }.encode();
        Ok(self.sealing.seal(state, attempt, text)?)
    }
}

/// The right to send a change that nobody has sent. Dropping it gives the right up, and nothing is remembered.
#[must_use = "dropping it gives the claim up"]
pub struct Claim {
    part: Part,
    clock: Arc<super::clock::Clock>,
}

impl Claim {
    /// By what a trace of the change names its record.
    #[must_use]
    pub const fn record(&self) -> RecordId {
        RecordId(self.part.sealing.name())
    }

    /// Remembers, durably, that the change may be sent from now on, with notes of the sender that tell later what became
    /// of it. Not one byte of the change may leave before this is done.
    ///
    /// If the future is dropped, nothing was sent and the claim is given up.
    ///
    /// # Errors
    /// When the notes are too long, or the record cannot be kept. Then nothing may be sent, and the claim is given up. A
    /// disk that fails until the process ends can hold the record all the same: then the outcome is unknown to the next
    /// process.
    pub async fn sending(self, notes: &[u8], now: Moment) -> Result<Sending, LedgerError> {
        if notes.len() > MAX_NOTES {
            return Err(LedgerError::NotesTooLong);
        }
        let Self { part, clock } = self;
        let time = clock.read(now);
        let mut attempt = Attempt([0; Attempt::LENGTH]);
        rand::fill(&mut attempt.0)?;
        let head = Head { state: State::Sending, attempt, due: time.due() };
        let record = Record { head, sealed: part.seal(head.state, attempt, time.wall, notes)? };
        let (records, name) = (Arc::clone(&part.records), part.sealing.name());
        // From here on until the caller has it, nothing can have been sent: dropped, it is forgotten again.
        let mut sent = Sent { part, attempt, since: time.wall, certainly_not: true };
        let refused = match records.insert(name, record, time).await? {
            Inserted::Yes => None,
            Inserted::Taken => Some(LedgerError::Taken),
            Inserted::Full => Some(LedgerError::Full),
        };
        sent.certainly_not = false;
        refused.map_or(Ok(Sending { sent }), Err)
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claim")
    }
}

/// A change that may have been sent.
struct Sent {
    part: Part,
    attempt: Attempt,
    /// Since when, in seconds since 1970.
    since: u64,
    /// Whether nothing was sent and the record is to go when this is dropped.
    certainly_not: bool,
}

impl Sent {
    async fn answered(self, answer: &StoredAnswer) -> Result<(), LedgerError> {
        if answer.length() > self.part.max_answer_bytes {
            return Err(LedgerError::AnswerTooLong);
        }
        let text = answer.encode().ok_or(LedgerError::AnswerTooLong)?;
        let sealed = self.part.seal(State::Answered, self.attempt, self.since, &text)?;
        let answered = self.part.records.answer(self.part.sealing.name(), self.attempt, sealed).await?;
        if answered { Ok(()) } else { Err(LedgerError::Gone) }
    }

    async fn forget(self) -> Result<(), LedgerError> {
        Ok(self.part.records.forget(self.part.sealing.name(), self.attempt).await?)
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if self.certainly_not {
            // The name is held until after this, so that nobody finds the record.
            drop(self.part.records.forget(self.part.sealing.name(), self.attempt));
        }
    }
}

/// A change that is being sent. Dropping it leaves what became of it unknown.
#[must_use = "dropping it leaves the outcome unknown"]
pub struct Sending {
    sent: Sent,
}

impl Sending {
    /// Remembers the answer, for whoever asks again. Once polled it is done, even if the future is dropped.
    ///
    /// # Errors
    /// When the answer is too long or the record cannot be written. Then the outcome is unknown to whoever asks again.
    pub async fn answered(self, answer: &StoredAnswer) -> Result<(), LedgerError> {
        self.sent.answered(answer).await
    }

    /// Forgets the change: it is certain that not one byte of it was sent. Once polled it is done, even if the future is
    /// dropped.
    ///
    /// # Errors
    /// When the record cannot be removed. It is free for this process all the same, unless the store has stopped; after a
    /// restart its outcome is unknown.
    pub async fn not_sent(self) -> Result<(), LedgerError> {
        self.sent.forget().await
    }

    /// Leaves what became of it unknown, for the next request under the key to find out. Dropping it does the same.
    pub fn unknown(self) {
        drop(self);
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sending")
    }
}

/// The duty to find out what became of a change. Dropping it leaves that to the next request.
#[must_use = "dropping it leaves the outcome unknown"]
pub struct Unknown {
    sent: Sent,
    sent_at: SystemTime,
    notes: Vec<u8>,
}

impl Unknown {
    /// When it was about to be sent, to the second, by the clock of that time.
    #[must_use]
    pub const fn sent_at(&self) -> SystemTime {
        self.sent_at
    }

    /// The sender's notes. They can hold personal data.
    #[must_use]
    pub fn notes(&self) -> &[u8] {
        &self.notes
    }

    /// Remembers what was found out, as the answer. Once polled it is done, even if the future is dropped.
    ///
    /// # Errors
    /// When the answer is too long or the record cannot be written. Then the outcome stays unknown.
    pub async fn answered(self, answer: &StoredAnswer) -> Result<(), LedgerError> {
        self.sent.answered(answer).await
    }

    /// Forgets the change: it is certain that it was not executed and never will be, so that a claim can send it. A change
    /// that is still under way to ClickBank may yet be executed. Once polled it is done, even if the future is dropped.
    ///
    /// # Errors
    /// When the record cannot be removed. It is free for this process all the same, unless the store has stopped; after a
    /// restart its outcome is unknown.
    pub async fn not_executed(self) -> Result<(), LedgerError> {
        self.sent.forget().await
    }
}

impl fmt::Debug for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unknown").field("sent_at", &self.sent_at).finish_non_exhaustive()
    }
}
