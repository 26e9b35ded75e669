//! Power that goes: of what was written and not synchronised, the disk keeps any part.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use redb::StorageBackend;

use super::*;
use crate::domain::caps::CapKind;

/// A disk in memory, and what it would hold if the power went now and then.
#[derive(Debug)]
struct Disk {
    seed: u64,
    /// What is read.
    now: Vec<u8>,
    /// What is certainly kept.
    kept: Vec<u8>,
    /// What was done since, and may be kept.
    since: Vec<Done>,
    /// Contents after the power went, each with how much had been acknowledged by then.
    after: Vec<(usize, Vec<u8>)>,
}

#[derive(Clone, Debug)]
enum Done {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Done {
    fn to(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Length(length) => contents.resize(*length, 0),
            Self::Write(offset, bytes) => {
                contents.resize(contents.len().max(offset + bytes.len()), 0);
                contents[*offset..offset + bytes.len()].copy_from_slice(bytes);
            }
        }
    }
}

impl Disk {
    fn below(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % bound
    }

    fn note(&mut self, done: Done) {
        done.to(&mut self.now);
        self.since.push(done);
    }

    fn lose_power(&mut self, acknowledged: usize) {
        let mut contents = self.kept.clone();
        for done in self.since.clone() {
            // A file is not made longer in parts.
            if matches!(done, Done::Length(_)) || self.below(2) == 0 {
                done.to(&mut contents);
            }
        }
        self.after.push((acknowledged, contents));
    }
}

#[derive(Clone, Debug)]
struct Losing {
    disk: Arc<Mutex<Disk>>,
    acknowledged: Arc<AtomicUsize>,
}

impl Losing {
    fn at_times(&self, one_in: u64, work: impl FnOnce(&mut Disk)) {
        let mut disk = self.disk.lock().unwrap();
        work(&mut disk);
        if disk.below(one_in) == 0 {
            disk.lose_power(self.acknowledged.load(Ordering::Acquire));
        }
    }
}

impl StorageBackend for Losing {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().unwrap().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.disk.lock().unwrap().now[at..at + out.len()]);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.at_times(8, |disk| disk.note(Done::Length(usize::try_from(length).unwrap())));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.at_times(8, |_| {});
        self.at_times(8, |disk| {
            disk.kept = disk.now.clone();
            disk.since.clear();
        });
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.at_times(8, |disk| disk.note(Done::Write(usize::try_from(offset).unwrap(), data.to_vec())));
        Ok(())
    }
}

/// What was acknowledged of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acknowledged {
    Sending,
    Answered,
    NotSent,
    Reserved,
}

#[tokio::test]
async fn power_that_goes_at_any_write_takes_nothing_that_was_acknowledged() {
    let (made, times) = (tempfile::tempdir().unwrap(), Times::new());
    drop(open(made.path()));
    let whole = fs::read(made.path().join(open::STORE)).unwrap();
    let seed = RandomState::new().hash_one(0);
    let disk = Disk { seed, now: whole.clone(), kept: whole, since: Vec::new(), after: Vec::new() };
    let losing = Losing { disk: Arc::new(Mutex::new(disk)), acknowledged: Arc::default() };
    let backend = losing.clone();
    let reopen = move || Ok(open::database(backend.clone())?);
    let disk = Arc::new(disk::Disk::start(reopen().unwrap(), Box::new(reopen), MAX_RECORDS).unwrap());
    let clock = Arc::new(Clock::default());
    let secret = Arc::new(open::read_key(&made.path().join(open::KEY)).unwrap());
    let ledger = Ledger {
        traces: Traces::new(Arc::clone(&disk) as _, Arc::clone(&secret), Arc::clone(&clock)),
        records: Arc::clone(&disk) as _,
        secret,
        held: Held::default(),
        clock: Arc::clone(&clock),
        caps: CapCounter::new(disk, clock),
        max_answer_bytes: MAX_ANSWER,
    };
    let charge = Charge { cap: CapKey::new(CapKind::Changes, "key:a"), amount: 1, limit: 1_000 };
    let charges = std::slice::from_ref(&charge);
    let mut acknowledged = Vec::new();
    let mut acknowledge = |name: &str, what| {
        acknowledged.push((name.to_owned(), what));
        losing.acknowledged.store(acknowledged.len(), Ordering::Release);
    };
    for number in 0..60 {
        let name = number.to_string();
        drop(ledger.caps().reserve(charges, times.at(0)).await.unwrap().unwrap());
        acknowledge(&name, Acknowledged::Reserved);
        let sending = first(&ledger, &name, times.at(0)).await.sending(name.as_bytes(), times.at(0)).await.unwrap();
        acknowledge(&name, Acknowledged::Sending);
        match number % 3 {
            0 => sending.unknown(),
            1 => {
                sending.answered(&answer(&name.repeat(300))).await.unwrap();
                acknowledge(&name, Acknowledged::Answered);
            }
            _ => {
                sending.not_sent().await.unwrap();
                acknowledge(&name, Acknowledged::NotSent);
            }
        }
    }
    drop(ledger);
    let after = std::mem::take(&mut losing.disk.lock().unwrap().after);
    assert!(after.len() > 20, "{}", after.len());
    for (count, contents) in after {
        fs::write(made.path().join(open::STORE), contents).unwrap();
        let ledger = open(made.path());
        let acknowledged = &acknowledged[..count];
        let spent = ledger.caps().spent(&charge.cap, times.at(0)).await.unwrap();
        let reserved = acknowledged.iter().filter(|(_, what)| *what == Acknowledged::Reserved).count() as u64;
        assert!((reserved..=reserved + 1).contains(&spent), "seed {seed}: {spent} of {reserved}");
        for (name, what) in acknowledged {
            let last = acknowledged.iter().rfind(|(other, _)| other == name).map(|(_, what)| *what);
            if Some(*what) != last || *what == Acknowledged::Reserved {
                continue;
            }
            match (what, claim(&ledger, name, times.at(0)).await) {
                (Acknowledged::Answered | Acknowledged::Sending, Claimed::Answered(found)) => {
                    assert!(found == answer(&name.repeat(300)), "seed {seed}");
                }
                (Acknowledged::Sending, Claimed::Unknown(unknown)) => assert_eq!(unknown.notes(), name.as_bytes()),
                // It may have been freed when the power went.
                (Acknowledged::Sending, Claimed::First(_)) if name.parse::<u64>().unwrap() % 3 == 2 => {}
                (Acknowledged::NotSent, Claimed::First(_)) => {}
                (what, found) => panic!("seed {seed}: {name} was {what:?}: {found:?}"),
            }
        }
    }
}
