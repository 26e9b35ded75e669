//! Disks that fail.

use std::fs::{self, File};
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::*;
use crate::domain::caps::CapKind;

/// A file whose writes and synchronisations fail after so many; until it is mended by a large number.
#[derive(Debug)]
struct Failing {
    file: FileBackend,
    left: Arc<AtomicI64>,
    what: Fault,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Nothing is written.
    Write,
    /// It is written, but that is not reported.
    Sync,
}

impl Failing {
    fn count(&self) -> io::Result<()> {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        if self.left.fetch_sub(1, Ordering::Relaxed) > 0 { Ok(()) } else { Err(full) }
    }
}

impl StorageBackend for Failing {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        if matches!(self.what, Fault::Write) {
            self.count()?;
        }
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()?;
        if matches!(self.what, Fault::Sync) { self.count() } else { Ok(()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if matches!(self.what, Fault::Write) {
            self.count()?;
        }
        self.file.write(offset, data)
    }
}

const MENDED: i64 = i64::MAX / 2;

/// A ledger on a disk that fails after so many steps.
fn on_failing_disk(directory: &Path, what: Fault, left: &Arc<AtomicI64>) -> Ledger {
    drop(open(directory));
    let secret = open::read_key(&directory.join(open::KEY)).unwrap();
    let (store, left) = (directory.join(open::STORE), Arc::clone(left));
    let open = move || {
        let file = File::options().read(true).write(true).open(&store)?;
        let failing = Failing { file: FileBackend::new(file)?, left: Arc::clone(&left), what };
        Ok(open::database(failing)?)
    };
    let disk = Arc::new(disk::Disk::start(open().unwrap(), Box::new(open), MAX_RECORDS).unwrap());
    let clock = Arc::new(Clock::default());
    let secret = Arc::new(secret);
    Ledger {
        traces: Traces::new(Arc::clone(&disk) as _, Arc::clone(&secret), Arc::clone(&clock)),
        records: Arc::clone(&disk) as _,
        secret,
        held: Held::default(),
        clock: Arc::clone(&clock),
        caps: CapCounter::new(disk, clock),
        max_answer_bytes: MAX_ANSWER,
    }
}

#[tokio::test]
async fn a_disk_that_fails_while_a_record_is_made_frees_the_claim_and_the_next_one_works() {
    let times = Times::new();
    let mut failed = 0;
    for what in [Fault::Write, Fault::Sync] {
        for steps in 0..12 {
            let directory = tempfile::tempdir().unwrap();
            let left = Arc::new(AtomicI64::new(MENDED));
            let ledger = on_failing_disk(directory.path(), what, &left);
            drop(first(&ledger, "kept", times.at(0)).await.sending(b"", times.at(0)).await.unwrap());
            let claim = first(&ledger, "k", times.at(0)).await;
            left.store(steps, Ordering::Relaxed);
            let sending = claim.sending(b"", times.at(0)).await;
            assert!(steps > 0 || sending.is_err(), "it is written and synchronised before it is reported");
            if let Err(error) = &sending {
                assert!(matches!(error, LedgerError::Store(StoreError::Storage(_))), "{error:?}");
                failed += 1;
                // While the disk fails, nothing is sent.
                if let Ok(Claimed::First(claim)) = ledger.claim("key_a", &key("k"), request("/1"), times.at(0)).await {
                    assert!(claim.sending(b"", times.at(0)).await.is_err());
                }
            }
            left.store(MENDED, Ordering::Relaxed);
            if sending.is_err() {
                drop(first(&ledger, "k", times.at(0)).await);
                drop(first(&ledger, "l", times.at(0)).await.sending(b"", times.at(0)).await.unwrap());
                drop(unknown(&ledger, "l", times.at(0)).await);
            }
            let free = sending.is_err();
            drop((sending, ledger));
            let ledger = open(directory.path());
            drop(unknown(&ledger, "kept", times.at(0)).await);
            if free {
                drop(first(&ledger, "k", times.at(0)).await);
            } else {
                drop(unknown(&ledger, "k", times.at(0)).await);
            }
        }
    }
    assert!(failed > 4, "{failed}");
}

#[tokio::test]
async fn a_disk_that_fails_when_an_answer_is_written_leaves_the_outcome_unknown_or_the_answer() {
    let times = Times::new();
    for what in [Fault::Write, Fault::Sync] {
        for steps in 0..6 {
            let directory = tempfile::tempdir().unwrap();
            let left = Arc::new(AtomicI64::new(MENDED));
            let ledger = on_failing_disk(directory.path(), what, &left);
            let sending = first(&ledger, "k", times.at(0)).await.sending(b"", times.at(0)).await.unwrap();
            left.store(steps, Ordering::Relaxed);
            let done = sending.answered(&answer("x")).await;
            left.store(MENDED, Ordering::Relaxed);
            for ledger in [ledger, open(directory.path())] {
                match claim(&ledger, "k", times.at(0)).await {
                    Claimed::Answered(found) => assert!(found == answer("x")),
                    Claimed::Unknown(_) => assert!(done.is_err()),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn what_was_not_sent_is_free_for_this_process_even_if_the_disk_fails() {
    let times = Times::new();
    for what in [Fault::Write, Fault::Sync] {
        let directory = tempfile::tempdir().unwrap();
        let left = Arc::new(AtomicI64::new(MENDED));
        let ledger = on_failing_disk(directory.path(), what, &left);
        let sending = first(&ledger, "k", times.at(0)).await.sending(b"", times.at(0)).await.unwrap();
        left.store(0, Ordering::Relaxed);
        assert!(sending.not_sent().await.is_err());
        left.store(MENDED, Ordering::Relaxed);
        drop(first(&ledger, "k", times.at(0)).await);
        let sending = first(&ledger, "k", times.at(0)).await.sending(b"new", times.at(0)).await.unwrap();
        sending.unknown();
        assert_eq!(unknown(&ledger, "k", times.at(0)).await.notes(), b"new");
    }
}

#[tokio::test]
async fn a_reservation_that_is_not_written_is_an_error_and_never_over_the_limit() {
    let times = Times::new();
    let charges = [Charge { cap: CapKey::new(CapKind::Changes, "key:a"), amount: 1, limit: 2 }];
    for what in [Fault::Write, Fault::Sync] {
        for steps in 0..6 {
            let directory = tempfile::tempdir().unwrap();
            let left = Arc::new(AtomicI64::new(MENDED));
            let ledger = on_failing_disk(directory.path(), what, &left);
            drop(ledger.caps().reserve(&charges, times.at(0)).await.unwrap().unwrap());
            left.store(steps, Ordering::Relaxed);
            let second = ledger.caps().reserve(&charges, times.at(0)).await;
            left.store(MENDED, Ordering::Relaxed);
            let spent = ledger.caps().spent(&charges[0].cap, times.at(0)).await.unwrap();
            let least = if second.is_ok() { 2 } else { 1 };
            assert!((least..=2).contains(&spent), "{spent}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_taken_away_while_it_is_open_is_not_begun_anew() {
    let times = Times::new();
    let directory = tempfile::tempdir().unwrap();
    let left = Arc::new(AtomicI64::new(MENDED));
    let ledger = on_failing_disk(directory.path(), Fault::Write, &left);
    let claim = first(&ledger, "k", times.at(0)).await;
    fs::remove_file(directory.path().join(open::STORE)).unwrap();
    left.store(0, Ordering::Relaxed);
    assert!(claim.sending(b"", times.at(0)).await.is_err());
    left.store(MENDED, Ordering::Relaxed);
    assert!(ledger.claim("key_a", &key("k"), request("/1"), times.at(0)).await.is_err());
}
