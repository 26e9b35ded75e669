//! The two files: what is in them, and what is done when they are not what they were.

use std::error::Error as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::domain::caps::CapKind;
use crate::ledger::open::{KEY, STORE};

async fn with_a_record(directory: &Path) {
    let times = Times::new();
    let ledger = open(directory);
    drop(first(&ledger, "k", times.at(0)).await.sending(b"notes", times.at(0)).await.unwrap());
}

fn refused(directory: &Path) -> OpenError {
    let error = Ledger::open(directory, MAX_ANSWER).unwrap_err();
    let told = error.to_string();
    assert!(told.contains(STORE) || told.contains(KEY), "{told}");
    error
}

#[tokio::test]
async fn nothing_of_caller_key_request_notes_or_answer_is_on_the_disk_in_clear() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    let words = ["key_7q2mPLANTED", "refund-PLANTED", "/PLANTED-TARGET", "PLANTED notes", "john.PLANTED@example.com"];
    for (number, answered) in [("1", true), ("2", false)] {
        let idempotency = key(&format!("{}{number}", words[1]));
        let claimed = ledger.claim(words[0], &idempotency, Fingerprint::of([words[2]]), times.at(0)).await;
        let Ok(Claimed::First(claim)) = claimed else { panic!("{claimed:?}") };
        let sending = claim.sending(words[3].as_bytes(), times.at(0)).await.unwrap();
        if answered {
            sending.answered(&answer(words[4])).await.unwrap();
        }
    }
    drop(ledger);
    let mut files = 0;
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(7).any(|part| part == b"PLANTED"), "{path:?}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
        files += 1;
    }
    assert_eq!(files, 2);
}

#[tokio::test]
async fn files_that_others_may_read_are_narrowed() {
    let directory = tempfile::tempdir().unwrap();
    with_a_record(directory.path()).await;
    let files = [STORE, KEY].map(|file| directory.path().join(file));
    for file in &files {
        fs::set_permissions(file, fs::Permissions::from_mode(0o664)).unwrap();
    }
    drop(open(directory.path()));
    for file in &files {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn a_file_that_was_lost_is_an_error_and_not_a_fresh_start() {
    let directory = tempfile::tempdir().unwrap();
    with_a_record(directory.path()).await;
    let (store, key) = (directory.path().join(STORE), directory.path().join(KEY));
    let aside = directory.path().join("aside");
    for (lost, other) in [(&store, &key), (&key, &store)] {
        fs::rename(lost, &aside).unwrap();
        match refused(directory.path()) {
            OpenError::Lost { missing, other: there } => assert_eq!((&missing, &there), (lost, other)),
            error => panic!("{error:?}"),
        }
        assert!(!lost.exists());
        fs::rename(&aside, lost).unwrap();
    }
    drop(unknown(&open(directory.path()), "k", Times::new().at(0)).await);
    // Who moves both away begins anew.
    fs::remove_file(&store).unwrap();
    fs::remove_file(&key).unwrap();
    drop(first(&open(directory.path()), "k", Times::new().at(0)).await);
}

#[tokio::test]
async fn another_ledgers_key_is_refused() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    with_a_record(one.path()).await;
    with_a_record(other.path()).await;
    let key = one.path().join(KEY);
    let right = fs::read(&key).unwrap();
    for wrong in
        [fs::read(other.path().join(KEY)).unwrap(), Vec::new(), right[1..].to_vec(), [&right[..], b"\n"].concat()]
    {
        fs::write(&key, wrong).unwrap();
        assert!(matches!(refused(one.path()), OpenError::WrongKey { .. }));
    }
    fs::write(&key, right).unwrap();
    drop(unknown(&open(one.path()), "k", Times::new().at(0)).await);
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_never_a_panic_or_a_fresh_start() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    with_a_record(directory.path()).await;
    let store = directory.path().join(STORE);
    let whole = fs::read(&store).unwrap();
    for damaged in [Vec::new(), b"x".to_vec(), vec![0; whole.len()], whole[..whole.len() / 2].to_vec()] {
        fs::write(&store, &damaged).unwrap();
        let error = refused(directory.path());
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?} {:?}", error.source());
        assert!(!damaged.is_empty() || fs::read(&store).unwrap().is_empty(), "nothing is made of an empty file");
    }
    let mut noticed = 0;
    // The first bytes say which commit is the last one.
    for at in (0..320).chain((320..whole.len()).step_by(509)) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        fs::write(&store, &damaged).unwrap();
        match Ledger::open(directory.path(), MAX_ANSWER) {
            Err(error) => {
                assert!(error.to_string().contains(STORE), "{error}");
                noticed += 1;
            }
            // It is not in use, or the library has another copy.
            Ok(ledger) => {
                let found = ledger.claim("key_a", &key("k"), request("/1"), times.at(0)).await;
                assert!(matches!(found, Ok(Claimed::Unknown(_)) | Err(_)), "{at}: {found:?}");
            }
        }
    }
    assert!(noticed > 0);
    fs::write(&store, whole).unwrap();
    drop(unknown(&open(directory.path()), "k", times.at(0)).await);
}

#[tokio::test]
async fn a_counter_that_was_changed_from_outside_is_noticed() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let charge = Charge { cap: CapKey::new(CapKind::Refunds, "key:key_PLANTED"), amount: 1, limit: 1 };
    let ledger = open(directory.path());
    drop(ledger.caps().reserve(&[charge], times.at(0)).await.unwrap().unwrap());
    drop(ledger);
    let store = directory.path().join(STORE);
    let mut bytes = fs::read(&store).unwrap();
    let at: Vec<usize> =
        bytes.windows(7).enumerate().filter(|(_, part)| part == b"PLANTED").map(|(at, _)| at).collect();
    assert!(!at.is_empty());
    for at in at {
        bytes[at] = b'X';
    }
    fs::write(&store, bytes).unwrap();
    assert!(matches!(refused(directory.path()), OpenError::Damaged { .. }));
}

#[tokio::test]
async fn a_file_of_another_version_or_of_somebody_else_is_refused() {
    const ABOUT: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("about");
    let directory = tempfile::tempdir().unwrap();
    with_a_record(directory.path()).await;
    let store = directory.path().join(STORE);
    let database = redb::Database::open(&store).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(ABOUT).unwrap().insert("version", [2].as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(refused(directory.path()), OpenError::OtherVersion { .. }));
    fs::remove_file(&store).unwrap();
    drop(redb::Database::create(&store).unwrap());
    assert!(matches!(refused(directory.path()), OpenError::Damaged { .. }));
}

#[tokio::test]
async fn a_ledger_is_open_once() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path());
    assert!(matches!(refused(directory.path()), OpenError::InUse { .. }));
    drop(ledger);
    drop(open(directory.path()));
}

#[tokio::test]
async fn making_the_files_is_taken_up_where_it_was_interrupted() {
    const ABOUT: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("about");
    for key_is_made in [false, true] {
        let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
        drop(open(directory.path()));
        let database = redb::Database::open(directory.path().join(STORE)).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(ABOUT).unwrap().remove("key-check").unwrap().unwrap();
        transaction.commit().unwrap();
        drop(database);
        if !key_is_made {
            fs::remove_file(directory.path().join(KEY)).unwrap();
        }
        drop(first(&open(directory.path()), "k", times.at(0)).await.sending(b"", times.at(0)).await.unwrap());
        drop(unknown(&open(directory.path()), "k", times.at(0)).await);
    }
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(refused(&directory.path().join("none")), OpenError::Io { .. } | OpenError::Damaged { .. }));
}

#[tokio::test]
async fn a_record_put_in_the_place_of_another_is_refused() {
    const RECORDS: redb::TableDefinition<'_, &[u8; 32], &[u8]> = redb::TableDefinition::new("records");
    use redb::ReadableTable as _;
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    for name in ["k", "l"] {
        drop(first(&ledger, name, times.at(0)).await.sending(b"", times.at(0)).await.unwrap());
    }
    drop(ledger);
    let database = redb::Database::open(directory.path().join(STORE)).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut records = transaction.open_table(RECORDS).unwrap();
        let all: Vec<([u8; 32], Vec<u8>)> = records
            .iter()
            .unwrap()
            .map(|entry| entry.map(|(name, record)| (*name.value(), record.value().to_vec())).unwrap())
            .collect();
        records.insert(&all[0].0, all[1].1.as_slice()).unwrap();
        records.insert(&all[1].0, all[0].1.as_slice()).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);
    let ledger = open(directory.path());
    for name in ["k", "l"] {
        let found = ledger.claim("key_a", &key(name), request("/1"), times.at(0)).await;
        assert!(matches!(found, Err(LedgerError::Unreadable)), "{found:?}");
    }
}
