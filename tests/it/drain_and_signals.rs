//! The real program: how it starts, says that it is ready, logs, and ends.

use std::net::SocketAddr;
use std::process::Command;

use clickbank_gateway::tls::{certificates, client_config};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::process::{Lines, PROGRAM, Process, Serving};
use crate::support::scene::{demo_simulator, write_for};
use crate::support::secrets::Secrets;
use crate::support::setup::Setup;
use crate::support::upstream::{Act, Certificate, Identity, Upstream, answer};
use crate::support::wire::{Answer, Connection};
use crate::support::within;

const CHANGE: &str = "/rest/1.3/products/a-1?site=acme&currency=USD&price=1&language=EN&title=t";
const READ: &str = "/rest/1.3/orders2/count";

async fn probe(address: SocketAddr, path: &str) -> (u16, String) {
    let mut connection = Connection::open(address, &Secrets::default()).await;
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    let answer = connection.answer().await;
    (answer.status, answer.text())
}

fn request(method: &str, target: &str, key: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n")
}

/// Exit code of `health` for a gateway's health address.
fn health(address: SocketAddr) -> Option<i32> {
    let asked = Command::new(PROGRAM).args(["health", "--address", &address.to_string()]).output().unwrap();
    asked.status.code()
}

#[tokio::test]
async fn a_request_in_flight_finishes_before_the_program_ends() {
    let act = |_| {
        Act::AnswerWhenTold("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\na-1".to_owned())
    };
    let upstream = Upstream::start(Certificate::Good, act).await;
    let written = upstream.write(&Setup::acme());
    let mut serving = Serving::start(&written.file, &[]).await;
    assert_eq!(probe(serving.health, "/livez").await, (200, "alive\n".to_owned()));
    assert_eq!(probe(serving.health, "/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(health(serving.health), Some(0));

    let mut connection = Connection::open(serving.address(), &written.secrets).await;
    let mut idle = Connection::open(serving.address(), &written.secrets).await;
    connection.send(request("PUT", CHANGE, &written.keys["app"])).await;
    upstream.arrival().await;
    serving.process.signal("TERM");
    serving
        .process
        .line("line about the end", |line| line.contains("finishing requests in flight").then_some(()))
        .await;
    // From here on it takes no more requests, and says so where it is asked. The listener closes a moment later than
    // the line is written, so what is tried first may still have been accepted, but nothing of it is answered.
    idle.expect_close("a connection without a request").await;
    assert_eq!(probe(serving.health, "/readyz").await, (503, "draining\n".to_owned()));
    assert_eq!(probe(serving.health, "/livez").await.0, 200);
    assert_eq!(health(serving.health), Some(1));

    upstream.tell();
    let answer = connection.answer().await;
    assert_eq!((answer.outcome(), answer.text().as_str()), ((200, None), "a-1"));
    assert_eq!(answer.header("connection"), Some("close"));
    connection.expect_close("a connection of a program that ends").await;
    let (health_address, listen) = (serving.health, serving.address());
    let ended = serving.process.end().await;
    assert_eq!(ended.code, Some(0), "{:#?}", ended.lines);
    assert_eq!(upstream.heads().len(), 1);
    assert_eq!(health(health_address), Some(1));
    assert!(TcpStream::connect(listen).await.is_err());
}

#[tokio::test]
async fn a_second_signal_ends_the_program_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM"), ("TERM", "INT")] {
        let upstream = Upstream::start(Certificate::Good, |_| Act::AnswerAndHold(String::new())).await;
        let written = upstream.write(&Setup::acme());
        let mut serving = Serving::start(&written.file, &[]).await;
        let mut connection = Connection::open(serving.address(), &written.secrets).await;
        connection.send(request("PUT", CHANGE, &written.keys["app"])).await;
        upstream.arrival().await;
        serving.process.signal(first);
        serving.process.line("line about the end", |line| line.contains("finishing requests").then_some(())).await;
        serving.process.signal(second);
        connection.expect_close("a request that was given up").await;
        let ended = serving.process.end().await;
        assert_eq!(ended.code, Some(1), "{first} {second}: {:#?}", ended.lines);
        assert_eq!(upstream.heads().len(), 1);
    }
}

#[tokio::test]
async fn a_request_that_does_not_finish_is_given_up_after_the_drain_timeout() {
    let upstream = Upstream::start(Certificate::Good, |_| Act::AnswerAndHold(String::new())).await;
    let written = upstream.write(&Setup::acme());
    let serving = Serving::start(&written.file, &["--drain-timeout", "0"]).await;
    let mut connection = Connection::open(serving.address(), &written.secrets).await;
    connection.send(request("PUT", CHANGE, &written.keys["app"])).await;
    upstream.arrival().await;
    serving.process.signal("TERM");
    connection.expect_close("a request that was given up").await;
    assert_eq!(serving.process.end().await.code, Some(1));
}

#[tokio::test]
async fn without_requests_both_signals_end_the_program_well() {
    let simulator = demo_simulator().await;
    let written = write_for(&Setup::acme(), &simulator);
    for signal in ["TERM", "INT"] {
        let serving = Serving::start(&written.file, &[]).await;
        // An idle connection does not hold the end up.
        let _idle = Connection::open(serving.address(), &written.secrets).await;
        serving.process.signal(signal);
        assert_eq!(serving.process.end().await.code, Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_bad_configuration_stops_the_start_and_every_problem_is_named() {
    let simulator = demo_simulator().await;
    let written = write_for(&Setup::acme(), &simulator);
    let text = std::fs::read_to_string(&written.file).unwrap();
    let text = text.replace("per_second = 1000", "per_second = 0\nper_minute = 5").replace("https://", "http://");
    written.file_for_owner("gateway.toml", &text);
    let keys = std::fs::read_to_string(written.path().join("keys.toml")).unwrap();
    written.file_for_owner("keys.toml", &keys.replace("\"active\"", "\"maybe\"").replace("[\"acme\"]", "[\"nobody\"]"));
    let arguments = ["--config", written.file.to_str().unwrap(), "serve"];
    let ended = Process::start(&arguments, Lines::Stderr).end().await;
    assert_eq!(ended.code, Some(2));
    let said = ended.lines.join("\n");
    for problem in ["per_second", "per_minute", "upstream.url", "keys.app.status", "keys.app.grants", "nobody", "maybe"]
    {
        assert!(said.contains(problem), "{problem} is not in {said}");
    }
    ended.sweep(&written.secrets);

    for missing in ["clickbank-acme", "upstream-ca.pem", "keys.toml", "gateway.toml"] {
        let written = write_for(&Setup::acme(), &simulator);
        std::fs::remove_file(written.path().join(missing)).unwrap();
        let arguments = ["--config", written.file.to_str().unwrap(), "serve"];
        let ended = Process::start(&arguments, Lines::Stderr).end().await;
        assert_eq!(ended.code, Some(2), "{missing}");
        assert!(ended.lines.join("\n").contains(missing), "{:?}", ended.lines);
    }
}

#[tokio::test]
async fn an_address_in_use_stops_the_start() {
    let simulator = demo_simulator().await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let written = write_for(&Setup::acme().listen(&format!("address = \"{address}\"")), &simulator);
    let arguments = ["--config", written.file.to_str().unwrap(), "serve"];
    let ended = Process::start(&arguments, Lines::Stderr).end().await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.lines.join("\n").contains(&address.to_string()), "{:?}", ended.lines);
    assert_eq!(health(address), Some(1), "whoever is there is no gateway");
}

#[tokio::test]
async fn it_serves_on_a_unix_socket_and_takes_it_away_again() {
    let simulator = demo_simulator().await;
    let written = write_for(&Setup::acme().listen("address = \"unix:proxy.sock\""), &simulator);
    let path = written.path().join("proxy.sock");
    // What a program that was killed leaves behind does not stop the next one.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let serving = Serving::start(&written.file, &[]).await;
    assert_eq!(serving.listen, format!("unix:{}", path.display()));
    let mut connection = Connection::open_unix(&path, &written.secrets).await;
    for _ in 0..2 {
        connection.send(request("GET", READ, &written.keys["app"])).await;
        assert_eq!(connection.answer().await.outcome(), (200, None));
    }
    // Another one does not take it over.
    let arguments = ["--config", written.file.to_str().unwrap(), "serve"];
    assert_eq!(Process::start(&arguments, Lines::Stderr).end().await.code, Some(2));
    connection.send(request("GET", READ, &written.keys["app"])).await;
    assert_eq!(connection.answer().await.outcome(), (200, None));

    serving.process.signal("TERM");
    connection.expect_close("a connection of a program that ends").await;
    assert_eq!(serving.process.end().await.code, Some(0));
    assert!(!path.exists());
}

#[tokio::test]
async fn it_serves_with_a_certificate_of_its_own() {
    let simulator = demo_simulator().await;
    let setup = Setup::acme()
        .listen("address = \"127.0.0.1:0\"\ntls = { cert_file = \"gateway.pem\", key_file = \"gateway.key\" }");
    let written = write_for(&setup, &simulator);
    let identity = Identity::make(Certificate::Good);
    written.file_for_owner("gateway.pem", &identity.certificate);
    written.file_for_owner("gateway.key", &identity.key);
    let serving = Serving::start(&written.file, &[]).await;

    let mut config = client_config(certificates(identity.authority.as_bytes()).unwrap()).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(serving.address()).await.unwrap();
    let name = "127.0.0.1".to_owned().try_into().unwrap();
    let stream = TlsConnector::from(std::sync::Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut connection = Connection::over(stream, &written.secrets);
    connection.send(request("GET", READ, &written.keys["app"])).await;
    assert_eq!(connection.answer().await.outcome(), (200, None));

    // Without TLS there is nobody.
    let mut connection = Connection::open(serving.address(), &written.secrets).await;
    connection.send(request("GET", READ, &written.keys["app"])).await;
    assert!(connection.closed_without_http().await);
    // Somebody who only looks whether anybody is there.
    drop(TcpStream::connect(serving.address()).await.unwrap());
    serving.process.signal("TERM");
    let ended = serving.process.end().await;
    let cut_off: Vec<_> = ended.lines.iter().filter(|line| line.contains("connection cut off")).collect();
    assert!(matches!(cut_off[..], [line] if line.contains("handshake-failed")), "{cut_off:?}");
    // The count, and before it how far the credential reaches.
    assert_eq!(simulator.received().len(), 2);
}

/// The fields of a request's line, and no others.
const FIELDS: [&str; 25] = [
    "timestamp",
    "level",
    "message",
    "generation",
    "request_id",
    "peer",
    "caller_id",
    "caller",
    "method",
    "endpoint",
    "nickname",
    "decision",
    "reason",
    "malformed",
    "credential",
    "status",
    "error",
    "upstream_fault",
    "upstream_tries",
    "retried",
    "look_ups",
    "rows_dropped",
    "total_ms",
    "upstream_ms",
    "waiting_ms",
];

#[tokio::test]
async fn every_request_leaves_one_line_that_holds_nothing_of_the_callers_own() {
    let simulator = demo_simulator().await;
    let written = write_for(&Setup::acme(), &simulator);
    let serving = Serving::start(&written.file, &[]).await;
    let app = &written.keys["app"];
    let mut answers: Vec<Answer> = Vec::new();
    let requests = [
        request("GET", "/rest/1.3/orders2/list?email=jane.roe@canary.example&lastName=CANARY", app),
        request("GET", "/@CANARY/rest/1.3/orders2/list", app),
        request("GET", "/rest/1.3/CANARY", app),
        request("CANARY", READ, app),
        request("GET", "/rest/1.3/orders2/count?CANARY=1", app),
        request("GET", READ, "CANARY"),
        request("GET", READ, "API-CANARYCANARYCANARYCANARY"),
        request("GET", READ, app)
            .replace("Host", "User-Agent: CANARY\r\nX-CANARY: x\r\nX-Request-Id: CANARY\\u0041 {}\r\nHost"),
        request("GET", READ, app).replace("Host", "X-Request-Id: job-17\r\nHost"),
        request("POST", READ, app).replace("Host", "Content-Length: 6\r\nHost") + "CANARY",
        "GET /CANARY<> HTTP/1.1\r\nX\r\n\r\n".to_owned(),
    ];
    for request in &requests {
        let mut connection = Connection::open(serving.address(), &written.secrets).await;
        connection.send(request).await;
        answers.push(connection.answer().await);
    }
    // Connections on which no request comes about.
    for bytes in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\u{16}\u{3}\u{1}CANARY"] {
        let mut connection = Connection::open(serving.address(), &written.secrets).await;
        connection.send(bytes).await;
        connection.expect_close(bytes).await;
    }
    serving.process.signal("TERM");
    let ended = serving.process.end().await;
    assert_eq!((ended.code, ended.other.as_str()), (Some(0), ""));
    ended.sweep(&written.secrets);

    let lines: Vec<serde_json::Value> = ended
        .lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let of_requests: Vec<_> = lines.iter().filter(|line| line["message"] == "request").collect();
    assert_eq!(of_requests.len(), answers.len(), "{:#?}", ended.lines);
    for (line, answer) in of_requests.iter().zip(&answers) {
        let fields = line.as_object().unwrap();
        let unknown: Vec<_> = fields.keys().filter(|field| !FIELDS.contains(&field.as_str())).collect();
        assert!(unknown.is_empty(), "{unknown:?} in {line}");
        assert_eq!(line["request_id"], answer.header("x-request-id").unwrap());
        assert_eq!(line["status"], answer.status);
        assert_eq!(line.get("error").and_then(|error| error.as_str()), answer.code(), "{line}");
        let decision = if answer.code().is_none() { "allow" } else { "deny" };
        assert_eq!(line["decision"], decision, "{line}");
    }
    let first = of_requests[0];
    assert_eq!((&first["caller"], &first["caller_id"]), (&"app".into(), &"key_app".into()));
    assert_eq!((&first["endpoint"], &first["method"]), (&"orders2.list".into(), &"GET".into()));
    assert_eq!((&first["nickname"], &first["credential"]), (&"acme".into(), &"acme".into()));
    assert_eq!(of_requests[3]["method"], "other");
    assert_eq!((&of_requests[5]["reason"], of_requests[5].get("caller")), (&"malformed".into(), None));
    let clickbank = (&of_requests[6]["reason"], &of_requests[6]["level"]);
    assert_eq!(clickbank, (&"clickbank-key".into(), &"WARN".into()));
    // Whoever has no key that counts is known by the address alone, and nobody else's is noted.
    for (position, line) in of_requests.iter().enumerate() {
        let peer = line.get("peer").and_then(|peer| peer.as_str());
        assert_eq!(peer.is_some_and(|peer| peer.starts_with("127.0.0.1:")), matches!(position, 5 | 6), "{line}");
    }
    assert_eq!(of_requests[8]["request_id"], "job-17");
    let cut_off = lines.iter().filter(|line| line["message"] == "connection cut off");
    let reasons: Vec<_> = cut_off.map(|line| line["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["http2-preface", "tls-to-plaintext"]);
    let all = ended.lines.join("\n");
    for canary in ["CANARY", "canary", "jane.roe", "rest/1.3", "email"] {
        assert!(!all.contains(canary), "{canary} shows in {all}");
    }
}

#[tokio::test]
async fn the_line_of_a_request_is_written_whatever_else_is_not() {
    let simulator = demo_simulator().await;
    let written = write_for(&Setup::acme().listen("address = \"unix:proxy.sock\""), &simulator);
    let path = written.path().join("proxy.sock");
    let arguments = ["--config", written.file.to_str().unwrap(), "serve", "--log-level", "error"];
    let process = Process::start(&arguments, Lines::Stderr);
    // It says nothing of its start, so the socket is what tells.
    let listening = async {
        while tokio::net::UnixStream::connect(&path).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    within("the program's socket", listening).await;
    let mut connection = Connection::open_unix(&path, &written.secrets).await;
    connection.send(request("GET", READ, &written.keys["app"])).await;
    assert_eq!(connection.answer().await.outcome(), (200, None));
    drop(connection);
    process.signal("TERM");
    let lines = process.end().await.lines;
    let [line] = &lines[..] else { panic!("{lines:#?}") };
    assert_eq!(serde_json::from_str::<serde_json::Value>(line).unwrap()["message"], "request");
}

#[tokio::test]
async fn a_request_that_its_caller_gave_up_leaves_its_line_too() {
    let upstream = Upstream::start(Certificate::Good, |_| Act::AnswerAndHold(String::new())).await;
    let written = upstream.write(&Setup::acme());
    let mut serving = Serving::start(&written.file, &[]).await;
    let mut connection = Connection::open(serving.address(), &written.secrets).await;
    connection.send(request("GET", "/rest/1.3/orders2/list", &written.keys["app"])).await;
    upstream.arrival().await;
    drop(connection);
    let line = serving.process.line("line of the request", of_a_request).await;
    assert_eq!((&line["error"], &line["decision"], line.get("status")), (&"caller-gone".into(), &"allow".into(), None));
    assert_eq!((&line["caller"], &line["endpoint"]), (&"app".into(), &"orders2.list".into()));
}

/// The line of a request.
fn of_a_request(line: &str) -> Option<serde_json::Value> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line["message"] == "request").then_some(line)
}

#[tokio::test]
async fn what_came_of_a_change_is_found_out_and_written_down_although_its_caller_gave_it_up() {
    let answered = Act::AnswerWhenTold(answer("200 OK", "Content-Type: text/plain\r\n", "a-1"));
    let upstream = Upstream::start(Certificate::Good, move |_| answered.clone()).await;
    let written = upstream.write(&Setup::acme());
    let mut serving = Serving::start(&written.file, &[]).await;
    let mut connection = Connection::open(serving.address(), &written.secrets).await;
    connection.send(request("PUT", CHANGE, &written.keys["app"])).await;
    upstream.arrival().await;
    drop(connection);
    let noticed = async { while !probe(serving.health, "/metrics").await.1.contains("_connections_open 0\n") {} };
    within("the end of the caller's connection", noticed).await;
    // Ending waits for the change.
    serving.process.signal("TERM");
    serving.process.line("line that it drains", |line| line.contains("finishing requests").then_some(())).await;
    upstream.tell();
    let line = serving.process.line("line of the request", of_a_request).await;
    assert_eq!((&line["status"], &line["caller_gone"], line.get("error")), (&200.into(), &true.into(), None));
    assert_eq!(serving.process.end().await.code, Some(0));
    assert_eq!(upstream.heads().len(), 1);
}
