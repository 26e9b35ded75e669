//! What changes leave on what they are about.

use super::*;

/// Number, what became of it, and whether it may be sent, of each trace on a thing.
async fn on(ledger: &Ledger, thing: Thing) -> Vec<(u64, Option<bool>, bool)> {
    let found = ledger.traces().on(thing).await.unwrap();
    found.traces.iter().map(|trace| (trace.number, trace.made, trace.may_be_sent)).collect()
}

#[tokio::test]
async fn a_trace_is_there_after_a_restart_unless_it_was_dropped_before_its_change_was_sent() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path());
    let traces = ledger.traces();
    let (thing, other) = (traces.thing(&["order", "ABCD1234"]), traces.thing(&["order", "ABCD1235"]));
    let left = traces.leave(thing, 1, None, Moment::now()).await.unwrap();
    let number = left.number();
    left.stays();
    drop(traces.leave(thing, 1, None, Moment::now()).await.unwrap());
    assert_eq!(on(&ledger, thing).await, [(number, None, true)]);
    drop(ledger);
    let ledger = open(directory.path());
    assert!(ledger.traces().thing(&["order", "ABCD1234"]) == thing, "it is called the same");
    let mark = ledger.traces().mark(thing, "123456789");
    assert!(mark != ledger.traces().mark(other, "123456789"));
    ledger.traces().settle(thing, number, true, Some(mark)).await.unwrap();
    drop(ledger);
    let ledger = open(directory.path());
    let found = ledger.traces().on(thing).await.unwrap();
    assert_eq!(
        found.traces.iter().map(|trace| (trace.made, trace.mark)).collect::<Vec<_>>(),
        [(Some(true), Some(mark))]
    );
    assert_eq!(on(&ledger, other).await, []);
}

#[tokio::test]
async fn a_change_that_has_no_record_was_not_sent() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(directory.path());
    let (traces, now) = (ledger.traces(), Moment::now());
    let thing = traces.thing(&["ticket", "1"]);
    let claim = first(&ledger, "k", now).await;
    let left = traces.leave(thing, 0, Some(claim.record()), now).await.unwrap();
    let number = left.number();
    left.stays();
    assert_eq!(on(&ledger, thing).await, [(number, None, false)]);
    let sending = claim.sending(b"", now).await.unwrap();
    assert_eq!(on(&ledger, thing).await, [(number, None, true)]);
    sending.not_sent().await.unwrap();
    assert_eq!(on(&ledger, thing).await, [(number, None, false)]);
    // Who begins anew takes the place of what came to nothing.
    let claim = first(&ledger, "k", now).await;
    let again = traces.leave(thing, 0, Some(claim.record()), now).await.unwrap();
    assert_eq!(on(&ledger, thing).await, [(again.number(), None, false)]);
}

#[tokio::test]
async fn traces_are_swept_when_no_record_can_need_them() {
    let (directory, times) = (tempfile::tempdir().unwrap(), Times::new());
    let ledger = open(directory.path());
    let traces = ledger.traces();
    for number in 0..9 {
        traces.leave(traces.thing(&["ticket", &number.to_string()]), 0, None, times.at(0)).await.unwrap().stays();
    }
    assert_eq!(ledger.sweep(times.at(2 * DAY - 1)).await.unwrap(), 0);
    assert_eq!(ledger.sweep(times.at(2 * DAY)).await.unwrap(), 9);
    assert_eq!(on(&ledger, traces.thing(&["ticket", "1"])).await, []);
}
