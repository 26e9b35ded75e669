//! A read that fails in a way that may be over soon is sent again, within its time and the limits; a change never is.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use clickbank_gateway::config::{self, Config, Secrets};
use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::pipeline::{Pipeline, Shared, pipeline_over};
use clickbank_gateway::simulator::{Fault, FaultRule, Simulator};
use clickbank_gateway::stage::forward::Forward;
use clickbank_gateway::stage::shape::Shape;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tokio::io::{AsyncReadExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt as _;

use crate::support::process::Serving;
use crate::support::scene::{Scene, demo_simulator, start_gateway};
use crate::support::setup::{Setup, everything_on};
use crate::support::upstream::{Act, Certificate, Upstream, answer};
use crate::support::wire::Connection;
use crate::support::within;

/// Nothing else has to be asked before these.
const READ: &str = "/rest/1.3/products/list?site=acme";
const CHANGE: &str = "/rest/1.3/products/again-1?site=acme&currency=USD&price=1&language=EN&title=t";

const UNKNOWN: (u16, Option<&str>) = (502, Some("outcome-unknown"));
const UNREADABLE: (u16, Option<&str>) = (502, Some("answer-unreadable"));
const UNREACHABLE: (u16, Option<&str>) = (502, Some("upstream-unreachable"));

/// A turn every two seconds, so that whatever goes twice has to wait.
const ONE_IN_SECONDS: &str = "per_second = 1\nper_day = 1000000\nshare = \"1/2\"\nmax_wait = \"60s\"";

fn retries(retries: u32) -> Setup {
    Setup::acme().upstream(&format!("retries = {retries}"))
}

fn status(status: StatusCode) -> Fault {
    Fault::Status { status, text: "come back".to_owned(), executed: false }
}

/// What may be over soon, and what is told of a read when it is not.
fn passing_faults() -> [(Fault, (u16, Option<&'static str>)); 6] {
    [
        (Fault::Reset { executed: false }, UNREADABLE),
        (Fault::Reset { executed: true }, UNREADABLE),
        (Fault::Close { executed: false }, UNREADABLE),
        (status(StatusCode::BAD_GATEWAY), (502, None)),
        (status(StatusCode::SERVICE_UNAVAILABLE), (503, None)),
        (status(StatusCode::GATEWAY_TIMEOUT), (504, None)),
    ]
}

#[tokio::test]
async fn a_read_that_fails_once_or_twice_is_answered_all_the_same() {
    for (fault, _) in passing_faults() {
        for times in 1..=2 {
            let scene = Scene::start(&Setup::acme()).await;
            let rule = FaultRule::new(fault.clone()).times(NonZeroU64::new(times).unwrap());
            scene.simulator.add_fault(rule).unwrap();
            assert_eq!(scene.get("app", READ).await.outcome(), (200, None), "{fault:?}");
            let received = scene.received();
            assert_eq!(received.len() as u64, times + 1, "{fault:?}");
            assert!(received.iter().all(|again| again.raw_head == received[0].raw_head), "{fault:?}: {received:?}");
        }
    }
}

#[tokio::test]
async fn a_read_that_fails_always_is_sent_so_often_and_told_as_it_came_last() {
    for (count, sent) in [(None, 3), (Some(0), 1), (Some(1), 2), (Some(5), 6)] {
        for (fault, told) in passing_faults() {
            let setup = count.map_or_else(Setup::acme, retries);
            let scene = Scene::start(&setup).await;
            scene.simulator.add_fault(FaultRule::new(fault.clone())).unwrap();
            let answer = scene.get("app", READ).await;
            assert_eq!(answer.outcome(), told, "{count:?} {fault:?}");
            assert!(told.1.is_some() || answer.text() == "come back", "{fault:?}: {}", answer.text());
            assert_eq!(scene.received().len(), sent, "{count:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_change_is_sent_once_whatever_comes_of_it() {
    for (fault, _) in passing_faults() {
        let scene = Scene::start(&retries(5)).await;
        scene.simulator.add_fault(FaultRule::new(fault.clone())).unwrap();
        assert_eq!(scene.call("app", "PUT", CHANGE, &[]).await.outcome(), UNKNOWN, "{fault:?}");
        assert_eq!(scene.received().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn what_was_an_answer_however_bad_is_not_asked_for_again() {
    let text = "Content-Type: text/plain\r\n";
    for (act, told) in [
        (Act::AnswerAndClose("H".to_owned()), UNREADABLE),
        (Act::AnswerAndClose("HTTP/1.1 503 Service".to_owned()), UNREADABLE),
        (Act::AnswerAndClose("HTTP/1.1 103 Early Hints\r\n\r\n".to_owned()), UNREADABLE),
        (Act::AnswerAndClose(format!("HTTP/1.1 200 OK\r\n{text}Content-Length: 9\r\n\r\n")), UNREADABLE),
        (Act::Answer(answer("302 Found", "Location: /\r\n", "")), UNREADABLE),
        (Act::plain("500 Internal Server Error", "no"), (500, None)),
        (Act::plain("501 Not Implemented", "no"), (501, None)),
        (Act::plain("429 Too Many Requests", "no"), (429, None)),
        (Act::plain("403 Forbidden", "no"), (403, None)),
    ] {
        let sent = act.clone();
        let trouble = Upstream::start(Certificate::Good, move |_| sent.clone()).await.behind(&Setup::acme()).await;
        assert_eq!(trouble.call("GET", READ).await.outcome(), told, "{act:?}");
        assert_eq!(trouble.heads().len(), 1, "{act:?}");
    }
    // Nor is what is not verified, which a further try would not mend.
    let other = Upstream::start(Certificate::OfAnotherAuthority, |_| Act::plain("200 OK", "1")).await;
    let trouble = other.behind(&Setup::acme()).await;
    assert_eq!(trouble.call("GET", READ).await.outcome(), UNREACHABLE);
    assert_eq!(trouble.connections(), 1);
}

/// What becomes of a connection before a byte of TLS has been answered.
#[derive(Clone, Copy, Debug)]
enum Turned {
    /// It is reset.
    Reset,
    /// It is closed once the other side has said something.
    Closed,
    /// It is held, and nothing is said.
    Ignored,
}

/// A way to the simulator on which some connections come to nothing.
struct Door {
    url: String,
    met: Arc<AtomicUsize>,
    _stop: DropGuard,
}

impl Door {
    /// Turns the first connections away, so many of them.
    async fn open(simulator: &Simulator, turned: Turned, first: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (met, stop, behind) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new(), simulator.address());
        let (counted, stopped) = (Arc::clone(&met), stop.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let turned = (counted.fetch_add(1, Ordering::SeqCst) < first).then_some(turned);
                tokio::spawn(stopped.clone().run_until_cancelled_owned(pass(stream, turned, behind)));
            }
        }));
        Self { url, met, _stop: stop.drop_guard() }
    }
}

async fn pass(mut stream: TcpStream, turned: Option<Turned>, behind: std::net::SocketAddr) {
    match turned {
        None => {
            let mut simulator = TcpStream::connect(behind).await.unwrap();
            // Either side may end it.
            let _ = copy_bidirectional(&mut stream, &mut simulator).await;
        }
        Some(Turned::Reset) => stream.set_zero_linger().unwrap(),
        Some(Turned::Closed) => {
            let _ = stream.read(&mut [0; 4096]).await;
        }
        Some(Turned::Ignored) => std::future::pending().await,
    }
}

/// A simulator behind a door, and a gateway before it.
async fn behind_a_door(setup: &Setup, turned: Turned, first: usize) -> (Scene, Door) {
    let simulator = demo_simulator().await;
    let door = Door::open(&simulator, turned, first).await;
    let secret_of =
        |name: &str| simulator.keys().iter().find(|key| key.name() == name).unwrap().secret().expose().to_owned();
    let written = setup.write(&door.url, simulator.ca_pem(), secret_of);
    let gateway = start_gateway(&written).await;
    (Scene { simulator, gateway, written }, door)
}

#[tokio::test]
async fn a_read_is_tried_again_where_no_connection_is_made_and_a_change_is_not() {
    for turned in [Turned::Reset, Turned::Closed, Turned::Ignored] {
        // As short as may be, for what is ignored. What is let in comes once it was tried often enough.
        let setup = Setup::acme().upstream("connect_timeout = \"500ms\"\nretries = 5");
        let (scene, door) = behind_a_door(&setup, turned, 1).await;
        assert_eq!(scene.get("app", READ).await.outcome(), (200, None), "{turned:?}");
        assert_eq!(scene.received().len(), 1, "{turned:?}");
        let met = door.met.load(Ordering::SeqCst);
        assert!(met >= 2, "{turned:?}: {met}");

        let (scene, door) = behind_a_door(&setup, turned, usize::MAX).await;
        for (method, target, tries) in [("PUT", CHANGE, 1), ("GET", READ, 7)] {
            assert_eq!(scene.call("app", method, target, &[]).await.outcome(), UNREACHABLE, "{turned:?}");
            assert_eq!(door.met.load(Ordering::SeqCst), tries, "{method} {turned:?}");
        }
        assert!(scene.received().is_empty());
    }
}

#[tokio::test]
async fn a_connection_that_was_dead_is_made_up_for_once_and_then_it_is_a_retry() {
    for (count, heads) in [(0, 3), (1, 4)] {
        // The first answer comes, and nothing after it.
        let act = |number| match number {
            0 => Act::plain("200 OK", "1"),
            _ => Act::AnswerAndClose(String::new()),
        };
        let trouble = Upstream::start(Certificate::Good, act).await.behind(&retries(count)).await;
        assert_eq!(trouble.call("GET", READ).await.outcome(), (200, None));
        assert_eq!(trouble.call("GET", READ).await.outcome(), UNREADABLE);
        assert_eq!(trouble.heads().len(), heads);
    }
}

#[tokio::test]
async fn each_further_try_counts_as_one_of_the_days_requests() {
    let unavailable = FaultRule::new(status(StatusCode::SERVICE_UNAVAILABLE));
    let scene = Scene::start(&retries(5).limits("per_second = 1000\nper_day = 4")).await;
    scene.simulator.add_fault(unavailable).unwrap();
    assert_eq!(scene.get("app", READ).await.outcome(), (503, None), "the answer passes when the day is spent");
    assert_eq!(scene.received().len(), 4);
    assert_eq!(scene.get("app", READ).await.outcome(), (429, Some("limit-per-day")));
    assert_eq!(scene.received().len(), 4);

    // So does what makes up for a connection that was dead.
    let act = |number| match number {
        1 => Act::AnswerAndClose(String::new()),
        _ => Act::plain("200 OK", "1"),
    };
    let setup = Setup::acme().limits("per_second = 1000\nper_day = 3");
    let trouble = Upstream::start(Certificate::Good, act).await.behind(&setup).await;
    for told in [(200, None), (200, None), (429, Some("limit-per-day"))] {
        assert_eq!(trouble.call("GET", READ).await.outcome(), told);
    }
    assert_eq!(trouble.heads().len(), 3);
}

#[tokio::test]
async fn each_further_try_takes_a_turn() {
    // One in some minutes, which is longer than any test, and no waiting.
    let limits = "per_second = 1\nper_day = 1000000\nshare = \"1/1000\"\nmax_wait = \"0s\"";
    let scene = Scene::start(&retries(5).limits(limits)).await;
    scene.simulator.add_fault(FaultRule::new(status(StatusCode::SERVICE_UNAVAILABLE))).unwrap();
    assert_eq!(scene.get("app", READ).await.outcome(), (503, None), "the answer passes when there is no turn");
    assert_eq!(scene.received().len(), 1);

    // What makes up for a connection that was dead takes one as well.
    let act = |number| match number {
        1 => Act::AnswerAndClose(String::new()),
        _ => Act::plain("200 OK", "1"),
    };
    let trouble = Upstream::start(Certificate::Good, act).await.behind(&Setup::acme().limits(ONE_IN_SECONDS)).await;
    assert_eq!(trouble.call("GET", READ).await.outcome(), (200, None));
    let waits = async {
        while trouble.heads().len() < 2 || trouble.gateway.waiting() == 0 {
            assert!(trouble.heads().len() < 3, "it went without a turn");
            tokio::task::yield_now().await;
        }
    };
    let (answer, ()) = tokio::join!(trouble.call("GET", READ), within("a read to wait for another turn", waits));
    assert_eq!((answer.outcome(), trouble.heads().len()), ((200, None), 3));
}

#[tokio::test]
async fn what_the_gateway_asks_by_itself_is_asked_again_as_well() {
    let setup = Setup::new()
        .credential("acme", "orders_read = [\"acme\", \"zenith\"]")
        .caller("app", "orders_read = [\"acme\"]");
    let order = r#"{"orderData":{"receipt":"ABCD1234","role":"VENDOR","vendor":"acme"}}"#;
    let order = answer("200 OK", "Content-Type: application/json\r\n", order);
    let act = move |number| match number {
        0 => Act::AnswerAndClose(String::new()),
        1 => Act::plain("503 Service Unavailable", ""),
        _ => Act::Answer(order.clone()),
    };
    let trouble = Upstream::start(Certificate::Good, act).await.behind(&setup).await;
    trouble.call("GET", "/rest/1.3/tickets/refundAmounts/ABCD1234?refundType=FULL&refundAmount=0").await;
    let heads = trouble.heads();
    let targets: Vec<&str> = heads.iter().map(|head| head.split(['?', ' ']).nth(1).unwrap()).collect();
    let (order, call) = ("/rest/1.3/orders2/ABCD1234", "/rest/1.3/tickets/refundAmounts/ABCD1234");
    assert_eq!(targets, [order, order, order, call]);
}

#[tokio::test]
async fn the_record_tells_how_many_tries_it_took() {
    let act = |number| match number {
        0 => Act::AnswerAndClose(String::new()),
        1 => Act::plain("503 Service Unavailable", ""),
        4 => Act::plain("504 Gateway Timeout", ""),
        _ => Act::plain("200 OK", "1"),
    };
    let upstream = Upstream::start(Certificate::Good, act).await;
    let written = upstream.write(&Setup::acme());
    let serving = Serving::start_logging(&written.file, "json").await;
    for (method, target) in
        [("GET", READ), ("GET", READ), ("PUT", CHANGE), ("GET", "/rest/1.3/products/list?site=zenith")]
    {
        let mut connection = Connection::open(serving.address(), &written.secrets).await;
        let key = &written.keys["app"];
        connection.send(format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n")).await;
        connection.answer().await;
    }
    serving.process.signal("TERM");
    let ended = serving.process.end().await;
    let lines = ended.lines.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let records: Vec<serde_json::Value> = lines.filter(|line| line["message"] == "request").collect();
    let tries: Vec<u64> = records.iter().map(|record| record["upstream_tries"].as_u64().unwrap()).collect();
    assert_eq!(tries, [3, 1, 1, 0]);
    assert_eq!(records[0]["upstream_fault"], "closed-before-answer", "{}", records[0]);
    assert_eq!((&records[0]["status"], &records[0]["level"]), (&200.into(), &"INFO".into()), "{}", records[0]);
    let why = ["status-503".into(), serde_json::Value::Null, serde_json::Value::Null, serde_json::Value::Null];
    assert!(records.iter().map(|record| &record["retried"]).eq(&why), "{records:#?}");
    assert!(records[1].get("upstream_fault").is_none(), "{}", records[1]);
}

/// A gateway in this process, under a clock that goes on only when nothing else does.
struct Clocked {
    pipeline: Pipeline<Empty<Bytes>>,
    shared: Shared,
    began: Instant,
    /// When requests came to ClickBank.
    asked: Arc<Mutex<Vec<Duration>>>,
}

/// A configuration in which these may read acme's products; `upstream` are more lines of its.
fn configured(upstream: &str, callers: &[&str]) -> Config {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("clickbank", "API-0123456789ABCDEFGHIJ");
    write(
        "gateway.toml",
        &format!(
            "[upstream]\n{upstream}\n[limits]\nper_second = 1000\nper_day = 1000000\nmax_wait = \"5s\"\n[nicknames]\n\
             acme = \"seller\"\n[credentials.acme]\napi_key = {{ file = \"clickbank\" }}\n[credentials.acme.reach]\n\
             products = [\"acme\"]\n"
        ),
    );
    let keys = callers.iter().map(|caller| {
        let digest = KeyDigest::of(format!("cbgw_{caller}").as_bytes());
        format!(
            "[keys.{caller}]\nid = \"key_{caller}\"\nstatus = \"active\"\ndigest = \"{digest}\"\n[keys.{caller}.grants]\n\
             products = [\"acme\"]\n"
        )
    });
    write("keys.toml", &keys.collect::<String>());
    let loaded = config::load(&directory.path().join("gateway.toml"), Secrets::Read);
    loaded.unwrap_or_else(|findings| panic!("{:#?}", findings.errors)).0
}

impl Clocked {
    fn start(upstream: &str, answer: impl Fn(usize) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        let config = configured(upstream, &["app", "other"]);
        let (began, asked) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&asked);
        let shared = Shared::new(Arc::new(config.snapshot));
        let answer = move |_: &Request<Empty<Bytes>>| {
            let mut seen = seen.lock().unwrap();
            seen.push(began.elapsed());
            answer(seen.len() - 1)
        };
        let forward = Forward::in_process(&config.upstream, Shape::new(&shared), Box::new(answer));
        Self { pipeline: pipeline_over(&shared, &config.upstream, forward), shared, began, asked }
    }

    async fn get(&self, caller: &str) -> u16 {
        let request = Request::get(READ).header("host", "gateway").header("authorization", format!("cbgw_{caller}"));
        let request = request.header("accept", "application/json").body(Empty::new()).unwrap();
        let Ok(response) = self.pipeline.clone().oneshot(Ok(request)).await;
        response.status().as_u16()
    }

    /// After how many whole seconds each request came.
    fn seconds(&self) -> Vec<u64> {
        self.asked.lock().unwrap().iter().map(Duration::as_secs).collect()
    }
}

fn good() -> Response<Bytes> {
    Response::builder().header("content-type", "application/json").body(Bytes::from_static(b"{}")).unwrap()
}

fn unavailable(retry_after: &'static str) -> Response<Bytes> {
    let response = Response::builder().status(503).header("content-type", "text/plain");
    let response = if retry_after.is_empty() { response } else { response.header("retry-after", retry_after) };
    response.body(Bytes::from_static(b"come back")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn as_long_as_clickbank_asks_for_is_waited_if_that_leaves_time_for_the_answer() {
    // There are 65 seconds for an answer, so half of that for further tries.
    for (asks, seconds) in [
        ("", &[0, 0][..]),
        ("0", &[0, 0]),
        ("10", &[0, 10]),
        ("31", &[0, 31]),
        ("33", &[0]),
        ("86400", &[0]),
        ("99999999999999999999999999", &[0]),
        ("Sun, 06 Nov 1994 08:49:37 GMT", &[0, 0]),
        ("Thu, 01 Jan 2150 00:00:00 GMT", &[0]),
        ("when it is done", &[0]),
    ] {
        let clocked = Clocked::start("", move |number| if number == 0 { unavailable(asks) } else { good() });
        let status = clocked.get("app").await;
        assert_eq!(clocked.seconds(), seconds, "{asks}");
        assert_eq!(status, if seconds.len() > 1 { 200 } else { 503 }, "{asks}");
        assert_eq!(clocked.began.elapsed().as_secs(), *seconds.last().unwrap(), "{asks}: it passes at once");
    }
}

#[tokio::test(start_paused = true)]
async fn no_further_try_begins_when_half_the_time_is_over() {
    let clocked = Clocked::start("retries = 5", |_| unavailable("10"));
    assert_eq!(clocked.get("app").await, 503);
    assert_eq!(clocked.seconds(), [0, 10, 20, 30]);
    assert_eq!(clocked.began.elapsed().as_secs(), 30);
    let clocked =
        Clocked::start("retries = 5\nconnect_timeout = \"1s\"\nresponse_timeout = \"1s\"", |_| unavailable("1"));
    assert_eq!(clocked.get("app").await, 503);
    assert_eq!(clocked.seconds(), [0]);
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_is_not_tried_for_again() {
    let clocked = Clocked::start("", |_| unavailable("10"));
    assert!(timeout(Duration::from_secs(5), clocked.get("app")).await.is_err());
    sleep(Duration::from_mins(5)).await;
    assert_eq!(clocked.seconds(), [0]);
    assert_eq!(clocked.shared.flights.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_changes_between_two_tries_is_decided_on_before_the_next() {
    for (callers, status, seconds) in [(&["app", "other"][..], 200, &[0, 10][..]), (&["other"], 401, &[0])] {
        let clocked = Clocked::start("", |number| if number == 0 { unavailable("10") } else { good() });
        let reload = async {
            sleep(Duration::from_secs(5)).await;
            clocked.shared.current.store(Arc::new(configured("", callers).snapshot));
        };
        let (told, ()) = tokio::join!(clocked.get("app"), reload);
        assert_eq!((told, &clocked.seconds()[..]), (status, seconds), "{callers:?}");
        // The turn that it had is the one that it is sent with.
        let spent = clocked.shared.quota.spent(&clocked.shared.current.load().limits, SystemTime::now()).0;
        assert_eq!(spent, seconds.len() as u64, "{callers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_long_outage_few_reads_are_sent_again_and_each_caller_has_its_part() {
    let failing = Arc::new(AtomicUsize::new(1));
    let fails = Arc::clone(&failing);
    let clocked = Clocked::start("", move |_| if fails.load(Ordering::SeqCst) == 1 { unavailable("") } else { good() });
    let tries = async |caller: &str, reads: usize| {
        let before = clocked.asked.lock().unwrap().len();
        for _ in 0..reads {
            clocked.get(caller).await;
        }
        clocked.asked.lock().unwrap().len() - before
    };
    // A reserve of ten, and one for every five, but for the first read, before which nothing was owed.
    assert_eq!(tries("app", 101).await, 101 + 10 + 20);
    // That of another caller is its own.
    assert_eq!(tries("other", 3).await, 3 + 6);
    // What is answered earns as much.
    failing.store(0, Ordering::SeqCst);
    assert_eq!(tries("app", 50).await, 50);
    failing.store(1, Ordering::SeqCst);
    assert_eq!(tries("app", 5).await, 5 + 10);
}

#[tokio::test]
async fn a_read_that_waits_to_be_sent_again_is_decided_again_after_a_reload() {
    let setup = Setup::acme().caller("other", &everything_on("[\"acme\"]")).limits(ONE_IN_SECONDS);
    let scene = Scene::start(&setup).await;
    scene.simulator.add_fault(FaultRule::new(status(StatusCode::SERVICE_UNAVAILABLE)).once()).unwrap();
    let reload = async {
        let failed = async {
            while scene.received().is_empty() || scene.gateway.waiting() == 0 {
                tokio::task::yield_now().await;
            }
        };
        within("a read to wait for another turn", failed).await;
        let id = format!("[keys.app]\nid = \"key_app\"\ndigest = \"{}\"\n", KeyDigest::of(scene.key("app").as_bytes()));
        scene.written.edit("keys.toml", |keys| {
            keys.replace(&format!("{id}status = \"active\""), &format!("{id}status = \"inactive\""))
        });
        let reload = Arc::clone(scene.gateway.reload());
        assert!(tokio::task::spawn_blocking(move || reload.now()).await.unwrap().applied);
    };
    let (answer, ()) = tokio::join!(scene.get("app", READ), reload);
    assert_eq!(answer.outcome(), (401, Some("key-refused")));
    assert_eq!(scene.received().len(), 1);
}
