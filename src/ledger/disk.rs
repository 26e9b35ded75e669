//! The store of one gateway: a file in its state directory.
//!
//! One thread owns the file and does one operation after the other. A step is written and synchronised before it is
//! reported done. After a failed write nobody knows what the file holds, so it is closed, and opened and checked again for
//! the next operation.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, TableDefinition, WriteTransaction,
};
use tokio::sync::oneshot;

use super::KEPT_FOR;
use super::caps::{CapKey, Exceeded, Order, Spent};
use super::clock::Time;
use super::record::{Attempt, Head, Record, RecordName, State};
use super::store::{Counters, Found, Inserted, Pending, Records, StoreError};
use super::traces::{self, Edit, Thing, TraceStore};

const RECORDS: TableDefinition<'_, &[u8; RecordName::LENGTH], &[u8]> = TableDefinition::new("records");
/// Records by when they may be forgotten, so that sweeping reads only those.
const DUE: TableDefinition<'_, (u64, &[u8; RecordName::LENGTH]), ()> = TableDefinition::new("due");
const TRACES: TableDefinition<'_, &[u8; Thing::LENGTH], &[u8]> = TableDefinition::new("traces");
/// Traces by when they may be forgotten.
const TRACES_DUE: TableDefinition<'_, (u64, &[u8; Thing::LENGTH]), ()> = TableDefinition::new("traces-due");
const SPENT: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("spent");

/// The most that one sweep removes.
const BATCH: usize = 256;
/// What a new record removes of old ones: more than one, so that they get fewer, and few, so that it takes no longer.
const BATCH_ON_INSERT: usize = 4;
/// Records that are known to be void and could not be removed. Further ones count as unknown, which is safe.
const MAX_VOID: usize = 10_000;

/// Opens the file.
pub(super) type Open = Box<dyn Fn() -> Result<Database, redb::Error> + Send>;

/// Makes the tables.
pub(super) fn prepare(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(RECORDS)?;
    transaction.open_table(DUE)?;
    transaction.open_table(SPENT)?;
    transaction.open_table(TRACES)?;
    transaction.open_table(TRACES_DUE)?;
    Ok(())
}

/// The file, and the thread that owns it.
pub(super) struct Disk {
    /// `None` when it is being dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

type Job = Box<dyn FnOnce(&mut Owner) + Send>;

impl Disk {
    /// Starts with a file that is open already.
    pub(super) fn start(database: Database, open: Open, max_records: u64) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let mut owner = Owner { open, database: Some(database), void: HashMap::new(), max_records };
        let work = move || {
            while let Ok(job) = waiting.recv() {
                // The library may panic on a file that something else has changed. Then this operation has failed.
                if catch_unwind(AssertUnwindSafe(|| job(&mut owner))).is_err() {
                    owner.close();
                }
            }
            owner.close();
        };
        let thread = std::thread::Builder::new().name("ledger".to_owned()).spawn(work)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Owner) -> Result<T, redb::Error> + Send + 'static,
    ) -> Pending<T> {
        let (reply, done) = oneshot::channel();
        let job: Job = Box::new(move |owner| {
            let result = work(owner);
            if result.is_err() {
                owner.close();
            }
            // Nobody has to wait for it.
            let _ = reply.send(result.map_err(|error| StoreError::Storage(Box::new(error))));
        });
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        Box::pin(async move {
            if sent { done.await.unwrap_or(Err(StoreError::Interrupted)) } else { Err(StoreError::Interrupted) }
        })
    }
}

/// Waits until what was asked for is done and the file is closed, so that it can be opened again.
impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

struct Owner {
    open: Open,
    /// `None` after a failure.
    database: Option<Database>,
    /// Records of which nothing was sent, and which may still be in the file.
    void: HashMap<RecordName, Attempt>,
    max_records: u64,
}

/// Whether a transaction has changed anything that has to be kept.
enum Keep<T> {
    Yes(T),
    No(T),
}

impl Owner {
    fn close(&mut self) {
        let database = self.database.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }

    fn database(&mut self) -> Result<&Database, redb::Error> {
        match &mut self.database {
            Some(database) => Ok(database),
            closed => Ok(closed.insert((self.open)()?)),
        }
    }

    /// Does something in one transaction: wholly, and durably, or not at all.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&WriteTransaction) -> Result<Keep<T>, redb::Error>,
    ) -> Result<T, redb::Error> {
        let void: Vec<(RecordName, Attempt)> = self.void.iter().map(|(name, attempt)| (*name, *attempt)).collect();
        let transaction = self.database()?.begin_write()?;
        for (name, attempt) in void {
            remove_sending(&transaction, name, attempt)?;
        }
        match work(&transaction)? {
            Keep::Yes(done) => {
                transaction.commit()?;
                self.void.clear();
                Ok(done)
            }
            Keep::No(done) => {
                transaction.abort()?;
                Ok(done)
            }
        }
    }

    fn look_up(&mut self, name: RecordName, now: Time) -> Result<Found, redb::Error> {
        let max_records = self.max_records;
        let transaction = self.database()?.begin_read()?;
        let records = transaction.open_table(RECORDS)?;
        let found = records.get(&name.0)?.map(|value| Record::decode(value.value()).ok_or_else(damaged)).transpose()?;
        let full = records.len()? >= max_records;
        if let Some(record) = found
            && !now.is_past(record.head.due)
            && !is_void(record.head, self.void.get(&name).copied())
        {
            return Ok(Found::Record(record));
        }
        drop((records, transaction));
        if full && self.sweep(now)? == 0 { Ok(Found::Full) } else { Ok(Found::Nothing) }
    }

    fn insert(&mut self, name: RecordName, record: &Record, now: Time) -> Result<Inserted, redb::Error> {
        let max_records = self.max_records;
        self.write(|transaction| {
            let mut records = transaction.open_table(RECORDS)?;
            let mut due = transaction.open_table(DUE)?;
            let old = records.get(&name.0)?.map(|value| Head::decode(value.value()).ok_or_else(damaged)).transpose()?;
            if let Some(head) = old {
                if !now.is_past(head.due) {
                    return Ok(Keep::No(Inserted::Taken));
                }
                due.remove((head.due, &name.0))?;
            }
            sweep(&mut records, &mut due, now, BATCH_ON_INSERT)?;
            if records.len()? >= max_records {
                return Ok(Keep::No(Inserted::Full));
            }
            records.insert(&name.0, record.encode().as_slice())?;
            due.insert((record.head.due, &name.0), ())?;
            Ok(Keep::Yes(Inserted::Yes))
        })
    }

    fn answer(&mut self, name: RecordName, attempt: Attempt, sealed: Vec<u8>) -> Result<bool, redb::Error> {
        self.write(|transaction| {
            let mut records = transaction.open_table(RECORDS)?;
            let old = records.get(&name.0)?.and_then(|value| Head::decode(value.value()));
            let Some(old) = old.filter(|old| old.state == State::Sending && old.attempt == attempt) else {
                return Ok(Keep::No(false));
            };
            let record = Record { head: Head { state: State::Answered, ..old }, sealed };
            records.insert(&name.0, record.encode().as_slice())?;
            Ok(Keep::Yes(true))
        })
    }

    fn forget(&mut self, name: RecordName, attempt: Attempt) -> Result<(), redb::Error> {
        if self.void.len() < MAX_VOID {
            self.void.insert(name, attempt);
        }
        // What is void is removed by every transaction.
        self.write(|transaction| {
            remove_sending(transaction, name, attempt)?;
            Ok(Keep::Yes(()))
        })
    }

    fn sweep(&mut self, now: Time) -> Result<usize, redb::Error> {
        let transaction = self.database()?.begin_read()?;
        let mut removed = transaction.open_table(DUE)?.range(..=(now.trusted, &LAST))?.take(BATCH).count();
        // One for each cap of a key or of a nickname: they are few.
        let mut stale = Vec::new();
        for entry in transaction.open_table(SPENT)?.iter()? {
            let (cap, spent) = entry?;
            if stale.len() < BATCH && decode_spent(spent.value())?.total(now.trusted) == 0 {
                stale.push(cap.value().to_vec());
            }
        }
        drop(transaction);
        let untraced = self.sweep_traces(now)?;
        if removed == 0 && stale.is_empty() {
            return Ok(untraced);
        }
        self.write(|transaction| {
            let (mut records, mut due) = (transaction.open_table(RECORDS)?, transaction.open_table(DUE)?);
            removed = sweep(&mut records, &mut due, now, BATCH)?;
            let mut spent = transaction.open_table(SPENT)?;
            for cap in stale {
                spent.remove(cap.as_slice())?;
            }
            Ok(Keep::Yes(removed))
        })
    }

    fn sweep_traces(&mut self, now: Time) -> Result<usize, redb::Error> {
        let transaction = self.database()?.begin_read()?;
        let due = if_there(transaction.open_table(TRACES_DUE))?;
        let stale = due.map(|due| Ok::<_, redb::Error>(due.range(..=(now.trusted, &LAST))?.take(BATCH).count()));
        let stale = stale.transpose()?.unwrap_or_default();
        drop(transaction);
        if stale == 0 {
            return Ok(0);
        }
        self.write(|transaction| Ok(Keep::Yes(sweep_traces(transaction, now, BATCH)?)))
    }

    fn traces(&mut self, thing: Thing, now: Time) -> Result<traces::Found, redb::Error> {
        let transaction = self.database()?.begin_read()?;
        let Some(table) = if_there(transaction.open_table(TRACES))? else { return Ok(traces::Found::default()) };
        let found = table.get(&thing.0)?.map(|found| decode_traces(found.value())).transpose()?;
        let mut found = found.unwrap_or_default();
        let records = transaction.open_table(RECORDS)?;
        for trace in &mut found.traces {
            if let Some(name) = trace.record {
                let head = records.get(&name.0)?.and_then(|value| Head::decode(value.value()));
                // It may have been there, and be forgotten.
                let is_old = now.is_past(trace.due.saturating_sub(KEPT_FOR.as_secs()));
                trace.may_be_sent = is_old || head.is_some_and(|head| !is_void(head, self.void.get(&name).copied()));
            }
        }
        Ok(found)
    }

    fn edit_traces(&mut self, thing: Thing, edit: Edit, now: Time) -> Result<u64, redb::Error> {
        self.write(|transaction| {
            sweep_traces(transaction, now, BATCH_ON_INSERT)?;
            let (mut table, mut due) = (transaction.open_table(TRACES)?, transaction.open_table(TRACES_DUE)?);
            let found = table.get(&thing.0)?.map(|found| decode_traces(found.value())).transpose()?;
            let mut found = found.unwrap_or_default();
            if let Some(was_due) = found.due() {
                due.remove((was_due, &thing.0))?;
            }
            let number = found.edit(edit, now);
            match found.due() {
                Some(at) => {
                    table.insert(&thing.0, found.encode().as_slice())?;
                    due.insert((at, &thing.0), ())?;
                }
                None => {
                    table.remove(&thing.0)?;
                }
            }
            Ok(Keep::Yes(number))
        })
    }

    fn reserve(&mut self, order: &Order) -> Result<Result<(), Exceeded>, redb::Error> {
        let reserved = self.write(|transaction| {
            let mut table = transaction.open_table(SPENT)?;
            match order.place(|cap| load(&table, cap))? {
                Ok(after) => {
                    for (cap, spent) in after {
                        table.insert(cap.encode().as_slice(), spent.encode().as_slice())?;
                    }
                    Ok(Keep::Yes(Ok(())))
                }
                Err(exceeded) => Ok(Keep::No(Err(exceeded))),
            }
        })?;
        if reserved.is_ok() {
            order.count();
        }
        Ok(reserved)
    }

    fn check(&mut self, order: &Order) -> Result<Result<(), Exceeded>, redb::Error> {
        let transaction = self.database()?.begin_read()?;
        let table = transaction.open_table(SPENT)?;
        Ok(order.place(|cap| load(&table, cap))?.map(drop))
    }

    fn give_back(&mut self, order: &Order) -> Result<(), redb::Error> {
        if !order.take_back() {
            return Ok(());
        }
        self.write(|transaction| {
            let mut table = transaction.open_table(SPENT)?;
            for (cap, spent) in order.remove(|cap| load(&table, cap))? {
                table.insert(cap.encode().as_slice(), spent.encode().as_slice())?;
            }
            Ok(Keep::Yes(()))
        })
    }

    fn spent(&mut self, cap: &CapKey, seconds: u64) -> Result<u64, redb::Error> {
        let transaction = self.database()?.begin_read()?;
        let table = transaction.open_table(SPENT)?;
        load(&table, cap).map(|spent| spent.total(seconds))
    }
}

/// The last name of all.
const LAST: [u8; RecordName::LENGTH] = [u8::MAX; RecordName::LENGTH];

fn damaged() -> redb::Error {
    redb::Error::Corrupted("a record that nobody wrote".to_owned())
}

fn is_void(head: Head, void: Option<Attempt>) -> bool {
    head.state == State::Sending && void == Some(head.attempt)
}

fn decode_spent(bytes: &[u8]) -> Result<Spent, redb::Error> {
    Spent::decode(bytes).ok_or_else(damaged)
}

fn load(table: &impl redb::ReadableTable<&'static [u8], &'static [u8]>, cap: &CapKey) -> Result<Spent, redb::Error> {
    let found = table.get(cap.encode().as_slice())?.map(|value| decode_spent(value.value())).transpose()?;
    Ok(found.unwrap_or_default())
}

/// A table that a file of an earlier gateway lacks until something is written to it.
fn if_there<T>(table: Result<T, redb::TableError>) -> Result<Option<T>, redb::Error> {
    match table {
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        table => Ok(Some(table?)),
    }
}

fn decode_traces(bytes: &[u8]) -> Result<traces::Found, redb::Error> {
    traces::Found::decode(bytes).ok_or_else(damaged)
}

/// Removes what was left on things by changes that are long forgotten. How much.
fn sweep_traces(transaction: &WriteTransaction, now: Time, most: usize) -> Result<usize, redb::Error> {
    let (mut table, mut due) = (transaction.open_table(TRACES)?, transaction.open_table(TRACES_DUE)?);
    let mut past = Vec::new();
    for entry in due.range(..=(now.trusted, &LAST))?.take(most) {
        let (key, _) = entry?;
        let (at, thing) = key.value();
        past.push((at, *thing));
    }
    for (at, thing) in &past {
        table.remove(thing)?;
        due.remove((*at, thing))?;
    }
    Ok(past.len())
}

/// Removes the record of an attempt that is still sending.
fn remove_sending(transaction: &WriteTransaction, name: RecordName, attempt: Attempt) -> Result<(), redb::Error> {
    let mut records = transaction.open_table(RECORDS)?;
    let head = records.get(&name.0)?.and_then(|value| Head::decode(value.value()));
    if let Some(head) = head.filter(|head| is_void(*head, Some(attempt))) {
        records.remove(&name.0)?;
        transaction.open_table(DUE)?.remove((head.due, &name.0))?;
    }
    Ok(())
}

/// Removes records that may be forgotten. How many.
fn sweep(
    records: &mut redb::Table<'_, &'static [u8; RecordName::LENGTH], &'static [u8]>,
    due: &mut redb::Table<'_, (u64, &'static [u8; RecordName::LENGTH]), ()>,
    now: Time,
    most: usize,
) -> Result<usize, redb::Error> {
    let mut past = Vec::new();
    for entry in due.range(..=(now.trusted, &LAST))?.take(most) {
        let (key, _) = entry?;
        let (at, name) = key.value();
        past.push((at, *name));
    }
    for (at, name) in &past {
        // A record itself says when it may be forgotten, whatever the other table says.
        let head = records.get(name)?.and_then(|value| Head::decode(value.value()));
        if head.is_none_or(|head| head.due == *at) {
            records.remove(name)?;
        }
        due.remove((*at, name))?;
    }
    Ok(past.len())
}

impl Records for Disk {
    fn look_up(&self, name: RecordName, now: Time) -> Pending<Found> {
        self.run(move |owner| owner.look_up(name, now))
    }

    fn insert(&self, name: RecordName, record: Record, now: Time) -> Pending<Inserted> {
        self.run(move |owner| owner.insert(name, &record, now))
    }

    fn answer(&self, name: RecordName, attempt: Attempt, sealed: Vec<u8>) -> Pending<bool> {
        self.run(move |owner| owner.answer(name, attempt, sealed))
    }

    fn forget(&self, name: RecordName, attempt: Attempt) -> Pending<()> {
        self.run(move |owner| owner.forget(name, attempt))
    }

    fn sweep(&self, now: Time) -> Pending<usize> {
        self.run(move |owner| owner.sweep(now))
    }
}

impl TraceStore for Disk {
    fn traces(&self, thing: Thing, now: Time) -> Pending<traces::Found> {
        self.run(move |owner| owner.traces(thing, now))
    }

    fn edit_traces(&self, thing: Thing, edit: Edit, now: Time) -> Pending<u64> {
        self.run(move |owner| owner.edit_traces(thing, edit, now))
    }
}

impl Counters for Disk {
    fn reserve(&self, order: Arc<Order>) -> Pending<Result<(), Exceeded>> {
        self.run(move |owner| owner.reserve(&order))
    }

    fn check(&self, order: Arc<Order>) -> Pending<Result<(), Exceeded>> {
        self.run(move |owner| owner.check(&order))
    }

    fn give_back(&self, order: Arc<Order>) -> Pending<()> {
        self.run(move |owner| owner.give_back(&order))
    }

    fn spent(&self, cap: &CapKey, seconds: u64) -> Pending<u64> {
        let cap = cap.clone();
        self.run(move |owner| owner.spent(&cap, seconds))
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    #[tokio::test]
    async fn an_operation_that_panics_fails_and_the_next_one_opens_the_file_again() {
        let backend = || redb::Builder::new().create_with_backend(InMemoryBackend::new());
        let open: Open = Box::new(move || {
            let database = backend()?;
            let transaction = database.begin_write()?;
            prepare(&transaction)?;
            transaction.commit()?;
            Ok(database)
        });
        let disk = Disk::start(open().unwrap(), open, 9).unwrap();
        let panics: Pending<()> = disk.run(|_| panic!("as a library may"));
        assert!(matches!(panics.await, Err(StoreError::Interrupted)));
        let now = Time { wall: 0, trusted: 0 };
        assert!(matches!(disk.look_up(RecordName([0; 32]), now).await, Ok(Found::Nothing)));
    }
}
