//! What the store on the disk does in one step, also where one gateway alone never comes to it.

use super::*;
use crate::domain::caps::CapKind;
use crate::ledger::clock::Time;
use crate::ledger::record::{Attempt, Head, Record, RecordName, State};
use crate::ledger::store::{Found, Inserted};

fn time(seconds: u64) -> Time {
    Time { wall: seconds, trusted: seconds }
}

fn name(number: u8) -> RecordName {
    RecordName([number; RecordName::LENGTH])
}

fn attempt(number: u8) -> Attempt {
    Attempt([number; Attempt::LENGTH])
}

fn sending(number: u8, due: u64) -> Record {
    Record { head: Head { state: State::Sending, attempt: attempt(number), due }, sealed: vec![number] }
}

async fn found(ledger: &Ledger, number: u8, now: u64) -> Option<(State, Attempt, u64, Vec<u8>)> {
    match ledger.records.look_up(name(number), time(now)).await.unwrap() {
        Found::Record(Record { head, sealed }) => Some((head.state, head.attempt, head.due, sealed)),
        Found::Nothing | Found::Full => None,
    }
}

#[tokio::test]
async fn a_record_takes_nobodys_place_and_an_attempt_changes_its_own_record_only() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path());
    let records = &ledger.records;
    assert_eq!(records.insert(name(1), sending(1, 100), time(0)).await.unwrap(), Inserted::Yes);
    assert_eq!(records.insert(name(1), sending(2, 100), time(99)).await.unwrap(), Inserted::Taken);
    assert!(!records.answer(name(1), attempt(2), vec![9]).await.unwrap());
    assert!(!records.answer(name(2), attempt(1), vec![9]).await.unwrap());
    records.forget(name(1), attempt(2)).await.unwrap();
    assert_eq!(found(&ledger, 1, 0).await, Some((State::Sending, attempt(1), 100, vec![1])));
    assert!(records.answer(name(1), attempt(1), vec![9]).await.unwrap());
    assert!(!records.answer(name(1), attempt(1), vec![8]).await.unwrap());
    records.forget(name(1), attempt(1)).await.unwrap();
    assert_eq!(found(&ledger, 1, 0).await, Some((State::Answered, attempt(1), 100, vec![9])));
    assert_eq!(records.insert(name(1), sending(3, 200), time(99)).await.unwrap(), Inserted::Taken);
}

#[tokio::test]
async fn a_record_in_the_place_of_an_old_one_is_not_swept_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path());
    for number in 0..10 {
        ledger.records.insert(name(number), sending(number, 100), time(0)).await.unwrap();
    }
    // Others go first.
    assert_eq!(ledger.records.insert(name(9), sending(10, 300), time(200)).await.unwrap(), Inserted::Yes);
    while ledger.records.sweep(time(200)).await.unwrap() > 0 {}
    assert_eq!(found(&ledger, 9, 200).await, Some((State::Sending, attempt(10), 300, vec![10])));
    assert_eq!(found(&ledger, 9, 300).await, None);
    assert_eq!(ledger.records.sweep(time(300)).await.unwrap(), 1);
    assert_eq!(ledger.records.sweep(time(300)).await.unwrap(), 0);
}

#[tokio::test]
async fn nothing_old_stays_in_the_file() {
    const SPENT: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("spent");
    const DUE: redb::TableDefinition<'_, (u64, &[u8; 32]), ()> = redb::TableDefinition::new("due");
    const RECORDS: redb::TableDefinition<'_, &[u8; 32], &[u8]> = redb::TableDefinition::new("records");
    use redb::{ReadableDatabase as _, ReadableTableMetadata as _};
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    for number in 0..9 {
        let scope = format!("key:{number}");
        let charge = Charge { cap: CapKey::new(CapKind::Changes, scope), amount: 1, limit: 1 };
        drop(ledger.caps().reserve(&[charge], times.at(0)).await.unwrap().unwrap());
        let sending = first(&ledger, &number.to_string(), times.at(0)).await.sending(b"", times.at(0)).await.unwrap();
        match number % 3 {
            0 => sending.unknown(),
            1 => sending.not_sent().await.unwrap(),
            _ => sending.answered(&answer("")).await.unwrap(),
        }
    }
    assert_eq!(ledger.sweep(times.at(DAY)).await.unwrap(), 6);
    drop(ledger);
    let database = redb::Database::open(directory.path().join(open::STORE)).unwrap();
    let transaction = database.begin_read().unwrap();
    let left = [
        transaction.open_table(SPENT).unwrap().len().unwrap(),
        transaction.open_table(DUE).unwrap().len().unwrap(),
        transaction.open_table(RECORDS).unwrap().len().unwrap(),
    ];
    assert_eq!(left, [0, 0, 0]);
}
