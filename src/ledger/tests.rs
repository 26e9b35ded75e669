mod faults;
mod files;
mod model;
mod power;
mod steps;
mod traces;

use std::path::Path;
use std::task::Poll;
use std::time::{Instant, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::*;
use crate::domain::caps::CapKind;

const START: u64 = 1_800_000_000;
const MAX_ANSWER: usize = 1_000;

/// A clock that tests turn.
#[derive(Clone, Copy)]
struct Times(Instant);

impl Times {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn at(self, seconds: u64) -> Moment {
        self.set(seconds, seconds)
    }

    /// A moment at which the clock on the wall shows something else than passed.
    fn set(self, wall: u64, passed: u64) -> Moment {
        let wall = UNIX_EPOCH + Duration::from_secs(START + wall);
        Moment { wall, steady: self.0 + Duration::from_secs(passed) }
    }
}

const DAY: u64 = 86_400;

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text.as_bytes()).unwrap()
}

fn request(target: &str) -> Fingerprint {
    Fingerprint::of(["POST", target, "acme"])
}

fn answer(body: &str) -> StoredAnswer {
    StoredAnswer {
        status: 200.try_into().unwrap(),
        content_type: Some(HeaderValue::from_static("application/json")),
        headers: vec![(HeaderName::from_static("page"), HeaderValue::from_static("1"))],
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn open(directory: &Path) -> Ledger {
    Ledger::open(directory, MAX_ANSWER).unwrap()
}

async fn claim(ledger: &Ledger, name: &str, now: Moment) -> Claimed {
    ledger.claim("key_a", &key(name), request("/1"), now).await.unwrap()
}

async fn first(ledger: &Ledger, name: &str, now: Moment) -> Claim {
    match claim(ledger, name, now).await {
        Claimed::First(claim) => claim,
        other => panic!("{other:?}"),
    }
}

async fn unknown(ledger: &Ledger, name: &str, now: Moment) -> Unknown {
    match claim(ledger, name, now).await {
        Claimed::Unknown(unknown) => unknown,
        other => panic!("{other:?}"),
    }
}

async fn answered(ledger: &Ledger, name: &str, now: Moment) -> StoredAnswer {
    match claim(ledger, name, now).await {
        Claimed::Answered(answer) => answer,
        other => panic!("{other:?}"),
    }
}

/// Polls once and drops.
pub(super) async fn polled_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn a_change_that_was_answered_is_answered_again_also_after_a_restart() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    let sending = first(&ledger, "k", times.at(0)).await.sending(b"notes", times.at(1)).await.unwrap();
    sending.answered(&answer("done")).await.unwrap();
    assert!(answered(&ledger, "k", times.at(2)).await == answer("done"));
    drop(ledger);
    let ledger = open(directory.path());
    assert!(answered(&ledger, "\"k\"", times.at(3)).await == answer("done"));
    assert!(matches!(ledger.claim("key_b", &key("k"), request("/1"), times.at(3)).await, Ok(Claimed::First(_))));
}

#[tokio::test]
async fn a_change_that_may_have_been_sent_is_unknown_until_it_is_resolved() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    drop(first(&ledger, "k", times.at(0)).await.sending(b"notes", times.at(9)).await.unwrap());
    drop(unknown(&ledger, "k", times.at(10)).await);
    drop(ledger);
    let ledger = open(directory.path());
    let resolving = unknown(&ledger, "k", times.at(11)).await;
    assert_eq!(resolving.notes(), b"notes");
    assert_eq!(resolving.sent_at(), times.at(9).wall);
    assert!(matches!(claim(&ledger, "k", times.at(11)).await, Claimed::InFlight), "one at a time");
    resolving.answered(&answer("found")).await.unwrap();
    assert!(answered(&ledger, "k", times.at(12)).await == answer("found"));

    drop(first(&ledger, "l", times.at(0)).await.sending(b"", times.at(0)).await.unwrap());
    unknown(&ledger, "l", times.at(1)).await.not_executed().await.unwrap();
    drop(ledger);
    let ledger = open(directory.path());
    drop(first(&ledger, "l", times.at(2)).await);
    assert!(answered(&ledger, "k", times.at(12)).await == answer("found"));
}

#[tokio::test]
async fn what_was_not_sent_is_free_again_also_after_a_restart() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    drop(first(&ledger, "k", times.at(0)).await);
    let sending = first(&ledger, "k", times.at(0)).await.sending(b"notes", times.at(0)).await.unwrap();
    sending.not_sent().await.unwrap();
    drop(first(&ledger, "k", times.at(0)).await);
    drop(ledger);
    drop(first(&open(directory.path()), "k", times.at(0)).await);
}

#[tokio::test]
async fn of_concurrent_duplicates_one_is_first() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    let (claimed, mut all) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..50 {
        let (ledger, claimed) = (ledger.clone(), claimed.clone());
        tokio::spawn(async move { claimed.send(claim(&ledger, "k", times.at(0)).await).unwrap() });
    }
    drop(claimed);
    let mut held = Vec::new();
    while let Some(claimed) = all.recv().await {
        held.push(claimed);
    }
    let firsts = held.iter().filter(|claimed| matches!(claimed, Claimed::First(_))).count();
    let in_flight = held.iter().filter(|claimed| matches!(claimed, Claimed::InFlight)).count();
    assert_eq!((firsts, in_flight), (1, 49));
}

#[tokio::test]
async fn the_same_key_with_another_request_is_a_mismatch_at_any_time() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    let mismatch = async || {
        let other = ledger.claim("key_a", &key("k"), request("/2"), times.at(0)).await;
        assert!(matches!(other, Ok(Claimed::Mismatch)), "{other:?}");
    };
    let claim = first(&ledger, "k", times.at(0)).await;
    mismatch().await;
    let sending = claim.sending(b"", times.at(0)).await.unwrap();
    mismatch().await;
    sending.unknown();
    mismatch().await;
    let resolving = unknown(&ledger, "k", times.at(0)).await;
    mismatch().await;
    resolving.answered(&answer("x")).await.unwrap();
    mismatch().await;
}

#[tokio::test]
async fn a_record_is_forgotten_after_24_hours_and_not_before() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    let sending = first(&ledger, "k", times.at(0)).await.sending(b"", times.at(100)).await.unwrap();
    sending.answered(&answer("1")).await.unwrap();
    drop(first(&ledger, "l", times.at(0)).await.sending(b"", times.at(100)).await.unwrap());
    answered(&ledger, "k", times.at(100 + DAY - 1)).await;
    assert_eq!(ledger.sweep(times.at(100 + DAY - 1)).await.unwrap(), 0);
    let sending = first(&ledger, "k", times.at(100 + DAY)).await.sending(b"", times.at(100 + DAY)).await.unwrap();
    sending.answered(&answer("2")).await.unwrap();
    assert!(answered(&ledger, "k", times.at(100 + DAY)).await == answer("2"));
    drop(first(&ledger, "l", times.at(100 + DAY)).await);
    drop(ledger);
    let ledger = open(directory.path());
    assert!(answered(&ledger, "k", times.at(99 + 2 * DAY)).await == answer("2"), "its day began anew");
    assert_eq!(ledger.sweep(times.at(99 + 2 * DAY)).await.unwrap(), 0, "the old one is gone with the new one");
    assert_eq!(ledger.sweep(times.at(100 + 2 * DAY)).await.unwrap(), 1);
    drop(first(&ledger, "k", times.at(100 + 2 * DAY)).await);
}

#[tokio::test]
async fn a_clock_that_is_set_makes_nothing_forgotten_early() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    let year = 365 * DAY;
    drop(first(&ledger, "k", times.at(0)).await.sending(b"", times.at(0)).await.unwrap());
    // Set forward, and something is sent by that clock.
    drop(unknown(&ledger, "k", times.set(year, 10)).await);
    assert_eq!(ledger.sweep(times.set(year, 10)).await.unwrap(), 0);
    drop(first(&ledger, "l", times.set(year, 20)).await.sending(b"", times.set(year, 20)).await.unwrap());
    // Right again.
    drop(unknown(&ledger, "k", times.at(30)).await);
    drop(unknown(&ledger, "l", times.at(30)).await);
    // Set back, and a restart.
    drop(ledger);
    let ledger = open(directory.path());
    let back = |passed| Moment { wall: UNIX_EPOCH + Duration::from_secs(START - year), ..times.at(passed) };
    drop(unknown(&ledger, "k", back(40)).await);
    drop(first(&ledger, "m", back(40)).await.sending(b"", back(40)).await.unwrap());
    assert_eq!(ledger.sweep(back(40)).await.unwrap(), 0);
    // Right again.
    for name in ["k", "l", "m"] {
        drop(unknown(&ledger, name, times.at(50)).await);
    }
}

#[tokio::test]
async fn at_the_bound_claims_are_refused_and_nothing_is_forgotten() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = Ledger::open_with(directory.path(), MAX_ANSWER, 3).unwrap();
    let late = first(&ledger, "late", times.at(0)).await;
    for name in ["0", "1", "2"] {
        drop(first(&ledger, name, times.at(0)).await.sending(b"", times.at(0)).await.unwrap());
    }
    assert!(matches!(late.sending(b"", times.at(0)).await, Err(LedgerError::Full)));
    let more = ledger.claim("key_a", &key("more"), request("/1"), times.at(0)).await;
    assert!(matches!(more, Err(LedgerError::Full)), "{more:?}");
    for name in ["0", "1", "2"] {
        drop(unknown(&ledger, name, times.at(1)).await);
    }
    unknown(&ledger, "1", times.at(1)).await.answered(&answer("")).await.unwrap();
    drop(first(&ledger, "more", times.at(DAY)).await.sending(b"", times.at(DAY)).await.unwrap());
    unknown(&ledger, "more", times.at(DAY)).await.not_executed().await.unwrap();
}

#[tokio::test]
async fn sweeping_ends_with_what_may_be_forgotten() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    for number in 0..10 {
        drop(first(&ledger, &number.to_string(), times.at(0)).await.sending(b"", times.at(number)).await.unwrap());
    }
    assert_eq!(ledger.sweep(times.at(DAY + 4)).await.unwrap(), 5);
    assert_eq!(ledger.sweep(times.at(DAY + 4)).await.unwrap(), 0);
    drop(unknown(&ledger, "5", times.at(DAY + 4)).await);
    // A new record takes some of the old ones with it.
    drop(first(&ledger, "new", times.at(DAY + 9)).await.sending(b"", times.at(DAY + 9)).await.unwrap());
    assert_eq!(ledger.sweep(times.at(DAY + 9)).await.unwrap(), 1);
    drop(unknown(&ledger, "new", times.at(DAY + 9)).await);
}

#[tokio::test]
async fn what_is_too_long_is_refused() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    let too_long = first(&ledger, "k", times.at(0)).await.sending(&[0; MAX_NOTES + 1], times.at(0)).await;
    assert!(matches!(too_long, Err(LedgerError::NotesTooLong)));
    let sending = first(&ledger, "k", times.at(0)).await.sending(&[1; MAX_NOTES], times.at(0)).await.unwrap();
    let fits = MAX_ANSWER - answer("").length();
    let too_long = sending.answered(&answer(&"x".repeat(fits + 1))).await;
    assert!(matches!(too_long, Err(LedgerError::AnswerTooLong)));
    let resolving = unknown(&ledger, "k", times.at(0)).await;
    assert_eq!(resolving.notes(), [1; MAX_NOTES]);
    resolving.answered(&answer(&"x".repeat(fits))).await.unwrap();
}

#[tokio::test]
async fn a_future_that_is_dropped_leaves_no_half_of_anything() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    for round in 0..20 {
        let name = round.to_string();
        polled_once(claim(&ledger, &name, times.at(0))).await;
        let claim = first(&ledger, &name, times.at(0)).await;
        match polled_once(claim.sending(b"", times.at(0))).await {
            // It was faster than the poll, and then dropped.
            Some(sending) => unknown_and_free(&ledger, &name, sending.unwrap(), times.at(0)).await,
            None => drop(first(&ledger, &name, times.at(0)).await),
        }
        let sending = first(&ledger, &name, times.at(0)).await.sending(b"", times.at(0)).await.unwrap();
        polled_once(sending.not_sent()).await;
        let sending = first(&ledger, &name, times.at(0)).await.sending(b"", times.at(0)).await.unwrap();
        polled_once(sending.answered(&answer(&name))).await;
        assert!(answered(&ledger, &name, times.at(0)).await == answer(&name));
    }
    drop(ledger);
    let ledger = open(directory.path());
    for round in 0..20 {
        let name = round.to_string();
        assert!(answered(&ledger, &name, times.at(0)).await == answer(&name));
    }
}

async fn unknown_and_free(ledger: &Ledger, name: &str, sending: Sending, now: Moment) {
    drop(sending);
    unknown(ledger, name, now).await.not_executed().await.unwrap();
}

#[tokio::test]
async fn a_record_that_is_gone_when_it_is_answered_is_told() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    drop(first(&ledger, "k", times.at(0)).await.sending(b"", times.at(0)).await.unwrap());
    let resolving = unknown(&ledger, "k", times.at(DAY - 1)).await;
    ledger.sweep(times.at(DAY)).await.unwrap();
    assert!(matches!(resolving.answered(&answer("")).await, Err(LedgerError::Gone)));
    drop(first(&ledger, "k", times.at(DAY)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_on_the_disk_behave() {
    let directory = tempfile::tempdir().unwrap();
    caps::tests::behave(open(directory.path()).caps(), Instant::now()).await;
}

#[tokio::test]
async fn what_is_spent_outlives_a_restart_until_it_counts_no_more() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let charges = [Charge { cap: CapKey::new(CapKind::Changes, "key:a"), amount: 1, limit: 2 }];
    let ledger = open(directory.path());
    let kept = ledger.caps().reserve(&charges, times.at(0)).await.unwrap().unwrap();
    let given_back = ledger.caps().reserve(&charges, times.at(0)).await.unwrap().unwrap();
    given_back.give_back().await.unwrap();
    drop((kept, ledger));
    let ledger = open(directory.path());
    ledger.sweep(times.at(60)).await.unwrap();
    assert_eq!(ledger.caps().spent(&charges[0].cap, times.at(60)).await.unwrap(), 1);
    drop(ledger.caps().reserve(&charges, times.at(60)).await.unwrap().unwrap());
    assert!(ledger.caps().reserve(&charges, times.at(60)).await.unwrap().is_err());
    ledger.sweep(times.at(3_599)).await.unwrap();
    assert!(ledger.caps().reserve(&charges, times.at(3_599)).await.unwrap().is_err());
    ledger.sweep(times.at(4_000)).await.unwrap();
    assert!(ledger.caps().reserve(&charges, times.at(4_000)).await.unwrap().is_ok());
}

#[test]
fn the_ledger_shows_no_secret_when_debugged() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path());
    let shown = format!("{ledger:?}");
    assert!(shown.contains("StoreSecret(***)") && !shown.contains('['), "{shown}");
}
