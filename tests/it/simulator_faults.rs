//! Each fault of the simulator shows on the wire as it is described, acts on the requests that it names, and leaves the
//! others alone.

use std::time::Duration;

use clickbank_gateway::simulator::{EchoForm, Fault, FaultRule, Outcome, Request, Simulator, SimulatorConfig};
use http::{Method, StatusCode};

use crate::support::raw_tls::{Ending, RawTls};
use crate::support::within;

const LIST: &str = "/rest/1.3/orders2/list";
const PUT: &str = "/rest/1.3/products/fault-1?site=acme&currency=USD&price=1&language=EN&title=t";
const HOUR: Duration = Duration::from_hours(1);

async fn simulator() -> Simulator {
    Simulator::start(SimulatorConfig::default()).await.unwrap()
}

fn key(simulator: &Simulator, name: &str) -> String {
    simulator.keys().iter().find(|key| key.name() == name).unwrap().secret().expose().to_owned()
}

fn request(simulator: &Simulator, method: &str, target: &str, more: &str) -> String {
    let key = key(simulator, "acme");
    format!("{method} {target} HTTP/1.1\r\nHost: s\r\nAuthorization: {key}\r\nAccept: application/json\r\n{more}\r\n")
}

/// The body of a healthy answer.
fn healthy_body(simulator: &Simulator, target: &str) -> String {
    let request = Request::get(target).with_header("Authorization", &key(simulator, "acme"));
    simulator.world().answer(&request.with_header("Accept", "application/json")).text()
}

fn has_product(simulator: &Simulator) -> bool {
    simulator.world().records().products.iter().any(|product| product.sku == "fault-1")
}

/// Whether the connection goes on after an answer, or how it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoesOn,
    Ends(Ending),
}

/// What comes in answer to a list with `fault`, and what comes of the connection. A second request is sent ahead.
async fn list_with(simulator: &Simulator, fault: Fault) -> (Vec<u8>, Then) {
    simulator.add_fault(FaultRule::new(fault).once()).unwrap();
    let mut client = RawTls::connect(simulator).await;
    let next = request(simulator, "GET", "/rest/1.3/tickets/count", "Connection: close\r\n");
    client.send(request(simulator, "GET", LIST, "") + &next).await;
    let (mut bytes, ending) = client.rest().await;
    // Only answers that are healthy have a date.
    let date = bytes.windows(8).rposition(|window| window == b"\r\ndate: ");
    let start = date.and_then(|date| bytes[..date].windows(8).rposition(|window| window == b"HTTP/1.1"));
    match start {
        None => (bytes, Then::Ends(ending)),
        Some(start) => {
            let next = String::from_utf8(bytes.split_off(start)).unwrap();
            assert!(next.ends_with(&healthy_body(simulator, "/rest/1.3/tickets/count")), "{next}");
            (bytes, Then::GoesOn)
        }
    }
}

/// A healthy answer without the date, as the simulator writes those that a fault changes.
struct Healthy {
    /// The head, but for the length.
    start: String,
    body: String,
    /// The length of the body.
    length: usize,
    whole: String,
}

impl Healthy {
    fn of(simulator: &Simulator) -> Self {
        let body = healthy_body(simulator, LIST);
        let start = "HTTP/1.1 200 OK\r\nserver: clickbank-simulator\r\ncontent-type: application/json\r\n".to_owned();
        let (length, whole) = (body.len(), format!("{start}content-length: {}\r\n\r\n{body}", body.len()));
        Self { start, body, length, whole }
    }
}

const CLOSED: Then = Then::Ends(Ending::Closed);
const RESET: Then = Then::Ends(Ending::Reset);

/// A fault, what it looks like on the wire, and what comes of the connection.
type Case = (Fault, String, Then);

fn late_and_lost(Healthy { length, whole, .. }: &Healthy) -> Vec<Case> {
    let moment = Duration::from_millis(1);
    let status =
        Fault::Status { status: StatusCode::SERVICE_UNAVAILABLE, text: "come back".to_owned(), executed: false };
    vec![
        (Fault::DelayHead(moment), whole.clone(), Then::GoesOn),
        (Fault::DelayBody(moment), whole.clone(), Then::GoesOn),
        (Fault::DripBody { bytes: 4096, pause: moment }, whole.clone(), Then::GoesOn),
        (Fault::ResetAfter(100), whole[..100].to_owned(), RESET),
        (Fault::Reset { executed: false }, String::new(), RESET),
        (Fault::Reset { executed: true }, String::new(), RESET),
        (Fault::Close { executed: false }, String::new(), CLOSED),
        (Fault::Truncate(100), whole[..whole.len() - length + 100].to_owned(), CLOSED),
        (
            status,
            "HTTP/1.1 503 Service Unavailable\r\nserver: clickbank-simulator\r\ncontent-type: text/plain\r\n\
             content-length: 9\r\n\r\ncome back"
                .to_owned(),
            Then::GoesOn,
        ),
        (
            Fault::Redirect { status: StatusCode::FOUND, location: "https://example.com/x".to_owned() },
            "HTTP/1.1 302 Found\r\nserver: clickbank-simulator\r\nlocation: https://example.com/x\r\n\
             content-length: 0\r\n\r\n"
                .to_owned(),
            Then::GoesOn,
        ),
    ]
}

fn malformed(Healthy { start, body, length, whole }: &Healthy) -> Vec<Case> {
    vec![
        (Fault::BareLf, whole.replace("\r\n", "\n"), Then::GoesOn),
        (
            Fault::ObsFold,
            format!("{start}x-folded: first line\r\n\tsecond line\r\ncontent-length: {length}\r\n\r\n{body}"),
            Then::GoesOn,
        ),
        (
            Fault::TwoLengths,
            format!("{start}content-length: {}\r\ncontent-length: {length}\r\n\r\n{body}", length + 1),
            CLOSED,
        ),
        (
            Fault::SameLengthTwice,
            format!("{start}content-length: {length}\r\ncontent-length: {length}\r\n\r\n{body}"),
            Then::GoesOn,
        ),
        (
            Fault::LengthAndChunked,
            format!(
                "{start}content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
            ),
            Then::GoesOn,
        ),
        (
            Fault::LargeHead(1 << 20),
            format!("{start}x-large: {}\r\ncontent-length: {length}\r\n\r\n{body}", "x".repeat(1 << 20)),
            Then::GoesOn,
        ),
        (
            Fault::Interim { status: StatusCode::EARLY_HINTS, count: 3 },
            "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(3) + whole,
            Then::GoesOn,
        ),
        (
            Fault::Surplus,
            whole.clone()
                + "HTTP/1.1 200 OK\r\nserver: clickbank-simulator\r\ncontent-type: text/plain\r\n\
                   content-length: 31\r\n\r\nan answer that nobody asked for",
            Then::GoesOn,
        ),
    ]
}

fn other_contents(Healthy { start, body, length, whole }: &Healthy, key: &str) -> Vec<Case> {
    let typed = |value: &str| whole.replace("application/json", value);
    vec![
        (Fault::ContentType("text/html".to_owned()), typed("text/html"), Then::GoesOn),
        (Fault::Charset("utf-16".to_owned()), typed("application/json;charset=utf-16"), Then::GoesOn),
        (
            Fault::Gzip { compressed: false },
            whole.replace("content-length", "content-encoding: gzip\r\ncontent-length"),
            Then::GoesOn,
        ),
        (
            Fault::DeepNesting(50_000),
            format!("{start}content-length: 100000\r\n\r\n{}{}", "[".repeat(50_000), "]".repeat(50_000)),
            Then::GoesOn,
        ),
        (
            Fault::EchoHeader(EchoForm::Plain),
            format!("{start}x-echo: {key}\r\ncontent-length: {length}\r\n\r\n{body}"),
            Then::GoesOn,
        ),
        (
            Fault::EchoBody(EchoForm::Plain),
            format!("{start}content-length: {}\r\n\r\n{{\"echo\":\"{key}\"}}", key.len() + 11),
            Then::GoesOn,
        ),
    ]
}

#[tokio::test]
async fn answers_are_faulty_as_described() {
    let simulator = simulator().await;
    let healthy = Healthy::of(&simulator);
    let contents = other_contents(&healthy, &key(&simulator, "acme"));
    for (fault, expected, then) in [late_and_lost(&healthy), malformed(&healthy), contents].concat() {
        let (bytes, came) = list_with(&simulator, fault.clone()).await;
        let told = String::from_utf8_lossy(&bytes);
        // A difference in a body of many pages is of no use to anybody.
        let short = |text: &str| text.chars().take(600).collect::<String>();
        assert!(told == expected.as_str(), "{fault:?}: {}\n instead of {}", short(&told), short(&expected));
        assert_eq!(came, then, "{fault:?}");
    }
}

#[tokio::test]
async fn what_is_no_text_is_as_described() {
    let simulator = simulator().await;
    let (garbage, then) = list_with(&simulator, Fault::Garbage).await;
    assert_eq!((garbage.len(), then), (260, Then::Ends(Ending::Closed)));
    assert!(garbage.starts_with(&[0, 1, 2]));

    let (headers, then) = list_with(&simulator, Fault::ManyHeaders(500)).await;
    let headers = String::from_utf8(headers).unwrap();
    assert_eq!((headers.matches("\r\nx-many-").count(), then), (500, Then::GoesOn));

    let (zipped, then) = list_with(&simulator, Fault::Gzip { compressed: true }).await;
    let start = zipped.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(zipped[..start].to_vec()).unwrap();
    assert!(head.contains(&format!("content-length: {}\r\n", zipped.len() - start)), "{head}");
    assert!(head.contains("content-encoding: gzip\r\n") && then == Then::GoesOn, "{head}");
    let body = healthy_body(&simulator, LIST);
    assert_eq!(gunzip(&zipped[start..]), body);

    let (endless, then) = list_with(&simulator, Fault::EndlessBody(1 << 20)).await;
    assert_eq!(then, Then::Ends(Ending::Closed));
    let start = endless.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let chunks = endless[start..].chunks(6 + 0x4000 + 2);
    assert!(chunks.clone().all(|chunk| chunk.starts_with(b"4000\r\n ") && chunk.ends_with(b" \r\n")));
    assert_eq!(chunks.len(), 64);
}

/// What Python makes of gzip, which knows nothing of how the simulator writes it.
fn gunzip(bytes: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("body.gz");
    std::fs::write(&file, bytes).unwrap();
    let script = "import gzip, sys; sys.stdout.buffer.write(gzip.open(sys.argv[1]).read())";
    let output = std::process::Command::new("python3").args(["-c", script]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until the simulator has received something.
async fn arrival(simulator: &Simulator) {
    let arrived = async {
        while simulator.received().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    within("a request at the simulator", arrived).await;
}

#[tokio::test]
async fn what_does_not_come_has_not_come_when_the_simulator_stops() {
    let head = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nserver: clickbank-simulator\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        )
    };
    for (fault, comes) in [
        (Fault::Hang { executed: false }, ""),
        (Fault::Hang { executed: true }, ""),
        (Fault::DelayHead(HOUR), ""),
        (Fault::HangAfter(20), "HTTP/1.1 200 OK\r\nser"),
        (Fault::DelayBody(HOUR), "head"),
        (Fault::DripBody { bytes: 1, pause: HOUR }, "head"),
    ] {
        let simulator = simulator().await;
        let head = head(&healthy_body(&simulator, LIST));
        let expected = if comes == "head" { head.as_str() } else { comes };
        simulator.add_fault(FaultRule::new(fault.clone())).unwrap();
        let mut client = RawTls::connect(&simulator).await;
        client.send(request(&simulator, "GET", LIST, "")).await;
        let mut came = Vec::new();
        if !expected.is_empty() {
            came = client.read_through(expected.as_bytes()).await;
        }
        arrival(&simulator).await;
        let rest = tokio::spawn(client.rest());
        simulator.clear_faults();
        for _ in 0..3 {
            let mut other = RawTls::connect(&simulator).await;
            other.send(request(&simulator, "GET", LIST, "")).await;
            assert!(other.answer().await.contains("\r\ndate: "), "others are answered meanwhile");
        }
        assert!(!rest.is_finished(), "{fault:?}: the connection stays open");
        // Whatever is being answered is given the time to be.
        simulator.stop().await;
        came.extend(rest.await.unwrap().0);
        assert_eq!(String::from_utf8(came).unwrap(), expected, "{fault:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_says_nothing_about_whether_the_request_was_executed() {
    for (fault, executed) in [
        (Fault::Reset { executed: false }, false),
        (Fault::Reset { executed: true }, true),
        (Fault::Close { executed: false }, false),
        (Fault::Close { executed: true }, true),
        (Fault::ResetAfter(0), true),
        (Fault::ResetAfter(10), true),
        (Fault::Truncate(0), true),
    ] {
        let simulator = simulator().await;
        simulator.add_fault(FaultRule::new(fault.clone()).method(Method::PUT)).unwrap();
        let mut client = RawTls::connect(&simulator).await;
        client.send(request(&simulator, "PUT", PUT, "Content-Length: 0\r\n")).await;
        client.rest().await;
        assert_eq!(has_product(&simulator), executed, "{fault:?}");
        assert_eq!(simulator.received()[0].outcome, Outcome::Faulted(1), "{fault:?}");
        simulator.reset();
        assert!(!has_product(&simulator) && simulator.received().is_empty() && simulator.faults().is_empty());
    }
}

#[tokio::test]
async fn rules_act_on_the_requests_they_name_and_expire() {
    let mut config = SimulatorConfig::default();
    let status = |status| Fault::Status { status, text: String::new(), executed: false };
    config.faults = vec![
        FaultRule::new(status(StatusCode::BAD_GATEWAY)).key("acme-both").path_prefix("/rest/1.3/tickets/"),
        FaultRule::new(status(StatusCode::SERVICE_UNAVAILABLE)).path("/rest/1.3/tickets/count").skip(1).once(),
    ];
    let simulator = Simulator::start(config).await.unwrap();
    let mut client = RawTls::connect(&simulator).await;
    let mut statuses = Vec::new();
    for (name, target) in [
        ("acme", "/rest/1.3/tickets/count"),
        ("acme-both", "/rest/1.3/tickets/count?type=rfnd"),
        ("acme", "/rest/1.3/tickets/count?type=rfnd"),
        ("acme", "/rest/1.3/tickets/count"),
        ("acme-both", "/rest/1.3/orders2/count"),
    ] {
        let key = key(&simulator, name);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: s\r\nAuthorization: {key}\r\n\r\n")).await;
        statuses.push(client.answer().await[9..12].to_owned());
    }
    assert_eq!(statuses, ["200", "502", "503", "200", "200"]);
    let received = simulator.received();
    let outcomes: Vec<Outcome> = received.iter().map(|received| received.outcome).collect();
    let (healthy, faulted) = (Outcome::Answered, Outcome::Faulted);
    assert_eq!(outcomes, [healthy, faulted(1), faulted(2), healthy, healthy]);
    assert_eq!(received[1].key.as_deref(), Some("acme-both"));
    assert!(received.iter().all(|received| received.connection == 1), "the connection survives faults");

    let expired: Vec<bool> =
        simulator.faults().iter().map(clickbank_gateway::simulator::ActiveFault::has_expired).collect();
    assert_eq!(expired, [false, true]);
    assert!(simulator.remove_fault(1) && !simulator.remove_fault(1));
    assert_eq!(simulator.add_fault(FaultRule::new(Fault::Garbage)), Ok(3));
    simulator.clear_faults();
    assert!(simulator.faults().is_empty());
    let error = simulator.add_fault(FaultRule::new(Fault::Garbage).key("acmee")).unwrap_err();
    assert_eq!((error.field.as_str(), error.mend.as_str()), ("key", "did you mean `acme`?"));
}

#[tokio::test]
async fn a_client_that_wants_to_close_sees_the_connection_close_after_a_fault() {
    let simulator = simulator().await;
    simulator.add_fault(FaultRule::new(Fault::Surplus)).unwrap();
    let mut client = RawTls::connect(&simulator).await;
    client.send(request(&simulator, "GET", LIST, "Connection: close\r\n")).await;
    let (bytes, ending) = client.rest().await;
    assert!(bytes.ends_with(b"an answer that nobody asked for"));
    assert_eq!(ending, Ending::Closed);
}

#[tokio::test]
async fn heads_are_kept_byte_for_byte_before_and_after_a_fault() {
    let simulator = simulator().await;
    simulator.add_fault(FaultRule::new(Fault::Surplus).once()).unwrap();
    let mut client = RawTls::connect(&simulator).await;
    let heads = [
        "GET /rest/1.3/debug;a=%62?x HTTP/1.1\r\nhOST:  s \r\nX-Odd:\tvalue\r\nx-oDD: 2\r\n\r\n",
        "POST /rest/1.3/tickets/count HTTP/1.1\r\nHost: s\r\nContent-Length: 4\r\n\r\n",
        "GET /rest/1.3/tickets/count HTTP/1.1\nHost: s\nConnection: close\n\n",
    ];
    client.send(format!("{}{}body{}", heads[0], heads[1], heads[2])).await;
    client.rest().await;
    let received = simulator.received();
    let raw: Vec<&[u8]> = received.iter().map(|received| received.raw_head.as_slice()).collect();
    assert_eq!(raw, heads.map(str::as_bytes));
    assert_eq!(received[0].outcome, Outcome::Faulted(1));
    assert_eq!(received[1].body_bytes, 4);
}

#[test]
fn the_page_lists_every_fault_with_its_fields() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/simulator.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split(" | ").collect())
        .filter(|cells: &Vec<&str>| cells.len() == 4)
        .collect();
    let listed: Vec<&str> = rows.iter().map(|cells| cells[0].trim_matches(['|', ' ', '`'])).collect();
    assert_eq!(listed, Fault::KINDS.map(|(name, _)| name));
    for (cells, (name, own)) in rows.iter().zip(Fault::KINDS) {
        let fields: Vec<&str> = cells[1].split('`').skip(1).step_by(2).collect();
        assert_eq!(fields, own, "{name}");
    }
}
