//! Whatever goes wrong, wherever, a change happens once at most, and what is said of it is true: that it was made, that
//! nothing of it was sent, or that nobody knows.
//!
//! Every endpoint that changes something meets every trouble, in JSON and in XML, behind a confined credential and behind
//! a wide one. `CBGW_TEST_CHANGES` asks for more rounds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clickbank_gateway::server::Gateway;
use clickbank_gateway::simulator::{Fault, FaultRule, Simulator};
use http::{Method, StatusCode};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::changes::{Change, Format, Seller, changing, secret_of, setup, simulator_for};
use crate::support::emissions;
use crate::support::scene::{address_of, start_gateway};
use crate::support::secrets::Secrets;
use crate::support::setup::{Setup, Written};
use crate::support::wire::{Answer, Connection};
use crate::support::within;

mod front;

use front::{Front, Trouble};

/// How many rounds are made.
#[expect(clippy::disallowed_methods, reason = "a longer run is asked for in the environment, as proptest does")]
fn rounds() -> usize {
    std::env::var("CBGW_TEST_CHANGES").map_or(1, |text| text.parse().expect("CBGW_TEST_CHANGES is a number"))
}

/// One of each, in both formats. Each round has the other format behind the confined credential.
fn one_of_each(round: usize) -> Vec<Change> {
    let both = |fact| {
        [Format::Json, Format::Xml].map(|format| {
            let is_confined = (format == Format::Json) == round.is_multiple_of(2);
            Change::new(fact, if is_confined { Seller::Confined } else { Seller::Wide }, format)
        })
    };
    let changes: Vec<Change> = changing().flat_map(both).collect();
    assert_eq!(changes.len(), 2 * 19, "the nineteen that are known");
    changes
}

/// What is said of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// That it was made.
    Done,
    /// That it was made, and what ClickBank said to it is kept back. Where ClickBank says nothing to it, nothing is.
    Withheld,
    /// The gateway's word.
    Word(&'static str),
    /// Either, according to whether a byte of it was sent before the end of the connection was noticed.
    UnreachableOrUnknown,
    /// Nothing, since nobody waits.
    Nothing(Record),
}

/// What is written down of a change whose caller has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    NotSent,
    Done,
    Unknown,
}

const UNKNOWN: Told = Told::Word("outcome-unknown");
const UNREACHABLE: Told = Told::Word("upstream-unreachable");

/// What has to come of a change.
#[derive(Clone, Copy, Debug)]
struct Expected {
    told: Told,
    executed: usize,
    received: usize,
}

impl Expected {
    /// That it comes to ClickBank.
    const fn received(told: Told, executed: usize) -> Self {
        Self { told, executed, received: 1 }
    }

    /// That it does not.
    const fn not_received(told: Told) -> Self {
        Self { told, executed: 0, received: 0 }
    }
}

/// A change, what it met, what has to come of it, and what was answered.
struct Ran {
    change: Change,
    about: String,
    expected: Expected,
    answer: Option<Answer>,
}

/// The callers' side of a gateway.
#[derive(Clone)]
struct Callers {
    address: std::net::SocketAddr,
    keys: BTreeMap<String, String>,
    secrets: Secrets,
}

impl Callers {
    async fn ask(&self, change: &Change) -> Connection {
        let mut connection = Connection::open(self.address, &self.secrets).await;
        connection.send(change.request(&self.keys[change.seller.name()])).await;
        connection
    }
}

/// A gateway, and the simulator behind it.
struct Trial {
    simulator: Simulator,
    gateway: Gateway,
    written: Written,
    heard_from: usize,
    ran: Vec<Ran>,
}

impl Trial {
    async fn start(simulator: Simulator, setup: &Setup, front: Option<&Front>) -> Self {
        let heard_from = emissions::listen();
        let secret_of = |name: &str| secret_of(&simulator, name);
        let written = match front {
            Some(front) => setup.write(&front.url, &front.authority, secret_of),
            None => setup.write(&simulator.url(), simulator.ca_pem(), secret_of),
        };
        let gateway = start_gateway(&written).await;
        Self { simulator, gateway, written, heard_from, ran: Vec::new() }
    }

    fn callers(&self) -> Callers {
        let Written { keys, secrets, .. } = &self.written;
        Callers { address: address_of(&self.gateway), keys: keys.clone(), secrets: secrets.clone() }
    }

    /// Waits until the gateway has noticed that every caller has hung up.
    async fn has_noticed(&self) {
        let noticed = async {
            loop {
                let mut connection = Connection::open(self.gateway.health_address(), &Secrets::default()).await;
                connection.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
                if connection.answer().await.text().contains("_connections_open 0\n") {
                    return;
                }
            }
        };
        within("the end of the callers' connections", noticed).await;
    }

    /// Waits for what is still under way, and judges everything. `came_late` says of a path whether anything was sent to
    /// it on a connection that had ended.
    async fn judge(self, came_late: impl Fn(&str) -> bool) {
        let Self { simulator, gateway, written, heard_from, ran } = self;
        assert!(gateway.drain(Duration::from_mins(1)).await);
        let (records, all_received) = (records(heard_from), simulator.received());
        for Ran { change, about, expected, answer } in &ran {
            let about = format!("{about}: {} as {:?}, {:?}", change.endpoint, change.format, change.seller);
            let executed = change.times_executed(&simulator.world());
            let of_change: Vec<_> = all_received.iter().filter(|received| change.is(received)).collect();
            let received = of_change.len();
            for arrived in of_change {
                let beside = all_received.iter().filter(|other| other.connection == arrived.connection);
                assert_eq!(beside.count(), 1, "{about}: its connection carried something else");
            }
            assert!(executed <= 1 && received <= 1, "{about}: received {received} times, executed {executed} times");
            let of_it = records.get(&change.id).map(Vec::as_slice).unwrap_or_default();
            let [record] = of_it else { panic!("{about}: {} records", of_it.len()) };
            if let Some(answer) = answer {
                let told = format!("{about}: {:?} {}", answer.outcome(), answer.text());
                assert_eq!(answer.header("x-request-id"), Some(change.id.as_str()), "{told}");
                assert_eq!(record["status"], answer.status, "{told}");
                assert_eq!(record.get("error").and_then(|error| error.as_str()), answer.code(), "{told}");
                let in_time = matches!(answer.code(), None | Some("outcome-unknown" | "executed-answer-withheld"));
                assert!(in_time || (executed, received) == (0, 0), "{told}: it was sent");
                let is_late = answer.code() == Some("upstream-unreachable") && came_late(&change.path);
                assert!(!is_late, "{told}: a part of it was sent");
                assert!(answer.status >= 300 || executed == 1, "{told}: it was not made");
            }
            judge_told(&about, change, expected.told, answer.as_ref(), record);
            assert_eq!((executed, received), (expected.executed, expected.received), "{about}");
        }
        drop(written);
    }
}

fn judge_told(about: &str, change: &Change, told: Told, answer: Option<&Answer>, record: &serde_json::Value) {
    let outcome = answer.map(|answer| (answer.status, answer.code()));
    let is_done = matches!(outcome, Some((200 | 201 | 204, None)));
    let said = match told {
        Told::Done => is_done,
        Told::Withheld if !change.is_told_in_words() => is_done,
        Told::Withheld => outcome == Some((502, Some("executed-answer-withheld"))),
        Told::Word(word) => outcome.is_some_and(|(_, code)| code == Some(word)),
        Told::UnreachableOrUnknown => {
            matches!(outcome, Some((502, Some("upstream-unreachable" | "outcome-unknown"))))
        }
        Told::Nothing(kept) => {
            let gone = &record["caller_gone"] == true;
            let word = record.get("error").and_then(|error| error.as_str());
            let recorded = match kept {
                Record::NotSent => word == Some("caller-gone"),
                Record::Done => gone && word.is_none() && matches!(record["status"].as_u64(), Some(200 | 201 | 204)),
                Record::Unknown => gone && word == Some("outcome-unknown"),
            };
            outcome.is_none() && recorded
        }
    };
    assert!(said, "{about}: {told:?} expected, {outcome:?} told, {record} written down");
}

/// The records of requests since then, by the callers' names for them.
fn records(since: usize) -> BTreeMap<String, Vec<serde_json::Value>> {
    let said = String::from_utf8(emissions::since(since)).unwrap();
    let mut records: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
    for line in said.lines().filter(|line| line.contains("\"request\"") && line.contains("change-")) {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        if let (Some("request"), Some(id)) = (record["message"].as_str(), record["request_id"].as_str()) {
            records.entry(id.to_owned()).or_default().push(record.clone());
        }
    }
    records
}

/// Where the simulator makes trouble.
#[derive(Clone, Debug)]
enum At {
    Nothing,
    LookUp(Fault),
    Change(Fault),
}

/// What goes wrong, and what has to come of it.
type Case = (&'static str, At, Expected);

/// Has the simulator make trouble for one of each change, all at a time but for so many at once.
async fn try_simulated(cases: &[Case], upstream: &str, at_once: usize) {
    for round in 0..rounds() {
        let mut all: Vec<(Change, Case)> = Vec::new();
        for case in cases {
            all.extend(one_of_each(round).into_iter().map(|change| (change, case.clone())));
        }
        let changes: Vec<&Change> = all.iter().map(|(change, _)| change).collect();
        let simulator = simulator_for(&changes).await;
        for (change, (_, at, _)) in &all {
            let rule = match at {
                At::Nothing => continue,
                At::LookUp(fault) => FaultRule::new(fault.clone()).method(Method::GET).path(&change.look_up()),
                // If it came twice, it would be made.
                At::Change(fault) => {
                    FaultRule::new(fault.clone()).method(change.method.parse().unwrap()).path(&change.path).once()
                }
            };
            simulator.add_fault(rule).unwrap();
        }
        let mut trial = Trial::start(simulator, &setup().upstream(upstream), None).await;
        let (callers, turns, mut running) = (trial.callers(), Arc::new(Semaphore::new(at_once)), JoinSet::new());
        for (change, (name, at, expected)) in all {
            let (callers, turns) = (callers.clone(), Arc::clone(&turns));
            let is_met = change.is_looked_up || !matches!(at, At::LookUp(_));
            let expected = if is_met { expected } else { Expected::received(Told::Done, 1) };
            running.spawn(async move {
                let _turn = turns.acquire_owned().await.unwrap();
                let answer = Some(callers.ask(&change).await.answer().await);
                Ran { change, about: name.to_owned(), expected, answer }
            });
        }
        trial.ran = running.join_all().await;
        trial.judge(|_| false).await;
    }
}

fn status(status: StatusCode, executed: bool) -> Fault {
    Fault::Status { status, text: "no".to_owned(), executed }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_is_said_of_every_change_as_it_is_and_no_change_is_sent_twice() {
    let (once, never) = (|told| Expected::received(told, 1), |told| Expected::received(told, 0));
    let redirect = Fault::Redirect { status: StatusCode::TEMPORARY_REDIRECT, location: "/rest/1.3/x".to_owned() };
    let look_up = |fault, word| (At::LookUp(fault), Expected::not_received(Told::Word(word)));
    let (look_up_fails, fails) = look_up(status(StatusCode::SERVICE_UNAVAILABLE, false), "look-up-failed");
    let (look_up_breaks, breaks) = look_up(Fault::Truncate(3), "answer-unreadable");
    let (look_up_resets, resets) = look_up(Fault::Reset { executed: false }, "answer-unreadable");
    let cases: [Case; 17] = [
        ("nothing goes wrong", At::Nothing, once(Told::Done)),
        ("the look-up fails", look_up_fails, fails),
        ("the look-up breaks off", look_up_breaks, breaks),
        ("the look-up is reset", look_up_resets, resets),
        ("reset in place of doing it", At::Change(Fault::Reset { executed: false }), never(UNKNOWN)),
        ("closed in place of doing it", At::Change(Fault::Close { executed: false }), never(UNKNOWN)),
        ("reset in place of an answer", At::Change(Fault::Reset { executed: true }), once(UNKNOWN)),
        ("closed in place of an answer", At::Change(Fault::Close { executed: true }), once(UNKNOWN)),
        ("reset in the status line", At::Change(Fault::ResetAfter(11)), once(UNKNOWN)),
        ("reset in the head", At::Change(Fault::ResetAfter(30)), once(UNKNOWN)),
        ("closed in the body", At::Change(Fault::Truncate(1)), once(Told::Withheld)),
        ("of a type for people", At::Change(Fault::ContentType("text/html".to_owned())), once(Told::Withheld)),
        ("a failure after it was done", At::Change(status(StatusCode::SERVICE_UNAVAILABLE, true)), once(UNKNOWN)),
        ("a failure before it was done", At::Change(status(StatusCode::BAD_GATEWAY, false)), never(UNKNOWN)),
        ("garbage", At::Change(Fault::Garbage), never(UNKNOWN)),
        ("a redirection", At::Change(redirect), never(UNKNOWN)),
        ("a head that can be read in two ways", At::Change(Fault::ObsFold), once(UNKNOWN)),
    ];
    // As long as nothing is late, nothing is given up, on a machine that has other things to do either.
    try_simulated(&cases, "connect_timeout = \"20s\"\nresponse_timeout = \"60s\"", 24).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_come_is_said_of_every_change_as_it_is_and_no_change_is_sent_twice() {
    let hour = Duration::from_hours(1);
    let cases: [Case; 6] = [
        (
            "the look-up is late",
            At::LookUp(Fault::Hang { executed: false }),
            Expected::not_received(Told::Word("upstream-timeout")),
        ),
        ("late, and not done", At::Change(Fault::Hang { executed: false }), Expected::received(UNKNOWN, 0)),
        ("done, and late", At::Change(Fault::Hang { executed: true }), Expected::received(UNKNOWN, 1)),
        ("late in the head", At::Change(Fault::HangAfter(30)), Expected::received(UNKNOWN, 1)),
        ("late in the body", At::Change(Fault::DelayBody(hour)), Expected::received(Told::Withheld, 1)),
        ("late as a whole", At::Change(Fault::DelayHead(hour)), Expected::received(UNKNOWN, 1)),
    ];
    // Both times together have to do for a look-up, and again for a change.
    try_simulated(&cases, "connect_timeout = \"2s\"\nresponse_timeout = \"2s\"", usize::MAX >> 3).await;
}

/// Asks for changes so that each comes to connect only when all of them have been looked up, and `trouble` is made.
async fn ask_into(
    callers: &Callers,
    front: &Front,
    changes: Vec<Change>,
    trouble: impl AsyncFnOnce(),
) -> Vec<(Change, Connection)> {
    front.look_ups().shut();
    let (looked_up, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.is_looked_up);
    let mut asked = Vec::new();
    for change in looked_up {
        let connection = callers.ask(&change).await;
        asked.push((change, connection));
    }
    front.look_ups().has(asked.len()).await;
    trouble().await;
    front.look_ups().open();
    for change in others {
        let connection = callers.ask(&change).await;
        asked.push((change, connection));
    }
    asked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_does_not_come_about_or_ends_early_is_said_of_every_change_as_it_is() {
    for round in 0..rounds() {
        let troubles = [
            (Trouble::None, Expected::received(Told::Done, 1)),
            (Trouble::Silent, Expected::not_received(UNREACHABLE)),
            (Trouble::NoTls, Expected::not_received(UNREACHABLE)),
            (Trouble::EndAfterTls, Expected::not_received(Told::UnreachableOrUnknown)),
            (Trouble::EndInRequest, Expected::not_received(UNKNOWN)),
        ];
        let tried = troubles.map(|(trouble, expected)| (one_of_each(round), trouble, expected));
        let refused = one_of_each(round);
        let planted: Vec<&Change> = tried.iter().flat_map(|(changes, ..)| changes).chain(&refused).collect();
        let simulator = simulator_for(&planted).await;
        let front = Front::start(&simulator).await;
        // Long enough for TLS on a machine that has other things to do.
        let upstream = "connect_timeout = \"3s\"\nresponse_timeout = \"60s\"";
        let mut trial = Trial::start(simulator, &setup().upstream(upstream), Some(&front)).await;
        let callers = trial.callers();
        for (changes, trouble, expected) in tried {
            front.make(Trouble::None);
            let asked = ask_into(&callers, &front, changes, async || front.make(trouble)).await;
            for (change, mut connection) in asked {
                let answer = Some(connection.answer().await);
                trial.ran.push(Ran { change, about: format!("{trouble:?}"), expected, answer });
            }
        }
        assert_eq!(front.cut_off(), refused.len(), "a change that was cut off was sent again");
        front.make(Trouble::None);
        let asked = ask_into(&callers, &front, refused, async || front.refuse_connections().await).await;
        for (change, mut connection) in asked {
            let answer = Some(connection.answer().await);
            let expected = Expected::not_received(UNREACHABLE);
            trial.ran.push(Ran { change, about: "refused".to_owned(), expected, answer });
        }
        trial.judge(|path| front.came_late(path)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_hangs_up_neither_repeats_a_change_nor_hides_it() {
    for round in 0..rounds() {
        let mut looking_up = one_of_each(round);
        looking_up.retain(|change| change.is_looked_up);
        let troubles = [
            (Trouble::HeldBeforeTls, Expected::not_received(Told::Nothing(Record::NotSent))),
            (Trouble::AnswerHeld, Expected::received(Told::Nothing(Record::Done), 1)),
            (Trouble::AnswerLost, Expected::received(Told::Nothing(Record::Unknown), 1)),
        ];
        let tried = troubles.map(|(trouble, expected)| (one_of_each(round), trouble, expected));
        let planted: Vec<&Change> = tried.iter().flat_map(|(changes, ..)| changes).chain(&looking_up).collect();
        let simulator = simulator_for(&planted).await;
        let front = Front::start(&simulator).await;
        let upstream = "connect_timeout = \"20s\"\nresponse_timeout = \"60s\"";
        let mut trial = Trial::start(simulator, &setup().upstream(upstream), Some(&front)).await;
        let callers = trial.callers();

        front.look_ups().shut();
        let mut asked = Vec::new();
        for change in looking_up {
            let connection = callers.ask(&change).await;
            asked.push((change, connection));
        }
        front.look_ups().has(asked.len()).await;
        for (change, connection) in asked {
            drop(connection);
            let expected = Expected::not_received(Told::Nothing(Record::NotSent));
            trial.ran.push(Ran { change, about: "gone before".to_owned(), expected, answer: None });
        }
        trial.has_noticed().await;
        front.look_ups().open();

        for (changes, trouble, expected) in tried {
            front.make(Trouble::None);
            front.changes().shut();
            let asked = ask_into(&callers, &front, changes, async || front.make(trouble)).await;
            front.changes().has(asked.len()).await;
            for (change, connection) in asked {
                drop(connection);
                let about = format!("gone while {trouble:?}");
                trial.ran.push(Ran { change, about, expected, answer: None });
            }
            trial.has_noticed().await;
            front.changes().open();
        }
        trial.judge(|_| false).await;
    }
}
