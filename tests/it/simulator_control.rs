//! The simulator under control: its endpoint, its file of rules, and what `simulate` prints for scripts.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use clickbank_gateway::simulator::{Fault, FaultRule, Simulator, SimulatorConfig};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::process::{Lines, PROGRAM, Process};
use crate::support::raw_tls::RawTls;
use crate::support::within;

/// An answer of the control endpoint.
struct Told {
    status: u16,
    head: String,
    text: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

async fn ask_with(address: SocketAddr, line: &str, headers: &str, body: &str) -> Told {
    let mut stream = within("a connection", TcpStream::connect(address)).await.unwrap();
    let length = body.len();
    let request = format!("{line} HTTP/1.1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    // Where too much is sent, it may close before it has read all.
    let _ = within("room to send", stream.write_all(request.as_bytes())).await;
    let mut answer = Vec::new();
    let _ = within("an answer", stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {line}: {answer:?}"));
    Told { status: head[9..12].parse().unwrap(), head: head.to_ascii_lowercase(), text: text.to_owned() }
}

async fn ask(simulator: &Simulator, line: &str, body: &str) -> Told {
    ask_with(simulator.control_address().unwrap(), line, "Host: localhost\r\n", body).await
}

async fn simulator() -> Simulator {
    let config = SimulatorConfig { control: Some("127.0.0.1:0".parse().unwrap()), ..SimulatorConfig::default() };
    Simulator::start(config).await.unwrap()
}

/// Sends a request to ClickBank's side and returns the status.
async fn call(simulator: &Simulator, line: &str, authorization: &str) -> u16 {
    let mut client = RawTls::connect(simulator).await;
    client.send(format!("{line} HTTP/1.1\r\nHost: s\r\nX-Odd: value\r\nAuthorization: {authorization}\r\n\r\n")).await;
    client.answer().await[9..12].parse().unwrap()
}

fn key(simulator: &Simulator, name: &str) -> String {
    simulator.keys().iter().find(|key| key.name() == name).unwrap().secret().expose().to_owned()
}

const COUNT: &str = "GET /rest/1.3/tickets/count?type=rfnd";

#[tokio::test]
async fn rules_come_and_go() {
    let simulator = simulator().await;
    let acme = key(&simulator, "acme");
    let rule = r#"{"fault": "status", "status": 502, "path": "/rest/1.3/tickets/count", "skip": 1, "times": 1}"#;
    let told = ask(&simulator, "POST /faults", rule).await;
    assert_eq!((told.status, told.json()), (201, json!({"id": 1})));
    assert_eq!(
        ask(&simulator, "POST /faults", r#"{"fault": "garbage", "key": "orbit"}"#).await.json(),
        json!({"id": 2})
    );
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(call(&simulator, COUNT, &acme).await);
    }
    assert_eq!(statuses, [200, 502, 200]);

    let expected = json!({"faults": [
        {
            "id": 1, "matched": 2, "acted": 1, "expired": true,
            "rule": {
                "fault": "status", "status": 502, "text": "Bad Gateway", "executed": false,
                "path": "/rest/1.3/tickets/count", "skip": 1, "times": 1,
            },
        },
        {"id": 2, "matched": 0, "acted": 0, "expired": false, "rule": {"fault": "garbage", "key": "orbit"}},
    ]});
    assert_eq!(ask(&simulator, "GET /faults", "").await.json(), expected);
    assert_eq!(ask(&simulator, "DELETE /faults/1", "").await.status, 204);
    assert_eq!(ask(&simulator, "DELETE /faults/1", "").await.status, 404);
    assert_eq!(ask(&simulator, "DELETE /faults", "").await.status, 204);
    assert_eq!(ask(&simulator, "GET /faults", "").await.json(), json!({"faults": []}));
}

#[tokio::test]
async fn what_arrived_is_told_without_any_secret() {
    let simulator = simulator().await;
    simulator.add_fault(FaultRule::new(Fault::Surplus).key("sleeping")).unwrap();
    for authorization in [key(&simulator, "acme"), format!("DEV-1:{}", key(&simulator, "sleeping")), "API-X".to_owned()]
    {
        call(&simulator, COUNT, &authorization).await;
    }
    let told = ask(&simulator, "GET /requests", "").await;
    let requests = told.json()["requests"].as_array().unwrap().clone();
    let expected = json!({
        "connection": 1, "tls": "TLS 1.3", "method": "GET", "target": "/rest/1.3/tickets/count?type=rfnd",
        "headers": ["Host", "X-Odd", "Authorization"], "key": "acme", "body_bytes": 0,
        "outcome": "answered", "fault": null,
    });
    assert_eq!(requests[0], expected);
    let short = |request: &Value| (request["key"].clone(), request["outcome"].clone(), request["fault"].clone());
    assert_eq!(short(&requests[1]), (json!("sleeping"), json!("faulted"), json!(1)));
    assert_eq!(short(&requests[2]), (Value::Null, json!("answered"), Value::Null));
    for text in [&told.text, &ask(&simulator, "GET /faults", "").await.text] {
        assert!(!text.contains("API-"), "{text}");
    }
    assert_eq!(ask(&simulator, "DELETE /requests", "").await.status, 204);
    assert_eq!(ask(&simulator, "GET /requests", "").await.json(), json!({"requests": []}));
    assert!(simulator.received().is_empty());
}

#[tokio::test]
async fn what_was_done_is_told_apart_from_what_was_asked_for() {
    let simulator = simulator().await;
    let (acme, orbit) = (key(&simulator, "acme"), key(&simulator, "orbit"));
    let receipt = {
        let world = simulator.world();
        let mut sold = world.records().orders.iter().filter(|order| order.seller.as_str() == "acme");
        sold.find(|order| order.subscription.is_none() && world.records().orders_of(&order.receipt).count() == 1)
            .unwrap()
            .receipt
            .clone()
    };
    let refund = format!("POST /rest/1.3/tickets/{receipt}?type=rfnd&reason=ticket.type.refund.1&refundType=FULL");
    simulator.add_fault(FaultRule::new(Fault::Reset { executed: false }).once()).unwrap();
    let mut client = RawTls::connect(&simulator).await;
    client.send(format!("{refund} HTTP/1.1\r\nHost: s\r\nAuthorization: {acme}\r\n\r\n")).await;
    let _ = client.rest().await;
    assert_eq!(call(&simulator, &refund, &orbit).await, 403, "another seller's");
    assert_eq!(ask(&simulator, "GET /executed", "").await.json(), json!({"executed": []}));
    assert_eq!(call(&simulator, &refund, &acme).await, 200);
    let told = ask(&simulator, "GET /executed", "").await.json();
    let executed = told["executed"].as_array().unwrap();
    assert_eq!(executed.len(), 1);
    assert_eq!(
        (&executed[0]["change"], &executed[0]["ticket_type"], &executed[0]["about"], &executed[0]["seller"]),
        (&json!("open-ticket"), &json!("REFUND"), &json!(receipt), &json!("acme"))
    );
    assert_ne!(executed[0]["refunded"], "0.00");
    assert_eq!(ask(&simulator, "POST /reset", "").await.status, 204);
    assert_eq!(ask(&simulator, "GET /executed", "").await.json(), json!({"executed": []}));
}

#[tokio::test]
async fn a_reset_puts_everything_back_to_the_beginning() {
    let mut config = SimulatorConfig { control: Some("[::1]:0".parse().unwrap()), ..SimulatorConfig::default() };
    config.limits.per_day = std::num::NonZeroU32::new(2);
    let status = Fault::Status { status: StatusCode::BAD_GATEWAY, text: String::new(), executed: true };
    config.faults = vec![FaultRule::new(status)];
    let simulator = Simulator::start(config).await.unwrap();
    let acme = key(&simulator, "acme");
    let put = "PUT /rest/1.3/products/c-1?site=acme&currency=USD&price=1&language=EN&title=t";
    let get = "GET /rest/1.3/products/c-1?site=acme";
    assert_eq!(call(&simulator, put, &acme).await, 502);
    simulator.clear_faults();
    assert_eq!(call(&simulator, get, &acme).await, 200);
    assert_eq!(call(&simulator, "GET /rest/1.3/tickets/count", &acme).await, 403);
    simulator.add_fault(FaultRule::new(Fault::Garbage)).unwrap();
    let reset = ask_with(simulator.control_address().unwrap(), "POST /reset", "Host: [::1]:7398\r\n", "").await;
    assert_eq!(reset.status, 204);
    assert_eq!(ask(&simulator, "GET /requests", "").await.json(), json!({"requests": []}));
    assert_eq!(ask(&simulator, "GET /faults", "").await.json(), json!({"faults": []}));
    assert_eq!(call(&simulator, get, &acme).await, 403, "the product is gone");
    assert_eq!(call(&simulator, "GET /rest/1.3/tickets/count", &acme).await, 200, "the day begins anew");
}

#[tokio::test]
async fn bad_questions_are_answered_with_the_field_and_the_mend() {
    let simulator = simulator().await;
    let large = format!(r#"{{"fault": "status", "status": 500, "text": "{}"}}"#, "x".repeat(70_000));
    for (line, body, status, field, mend) in [
        ("POST /faults", "", 400, "body", "\"fault\""),
        ("POST /faults", "[]", 400, "body", "\"fault\""),
        ("POST /faults", "{\"fault\": \"reset\"", 400, "body", "\"fault\""),
        ("POST /faults", "{}", 400, "fault", "`delay-head`"),
        ("POST /faults", r#"{"fault": "resett"}"#, 400, "fault", "did you mean `reset`?"),
        ("POST /faults", r#"{"fault": "reset", "times": 1.5}"#, 400, "times", "whole number"),
        ("POST /faults", r#"{"fault": "reset", "path": ["/"]}"#, 400, "path", "double quotes"),
        ("POST /faults", r#"{"fault": "reset", "key": "acmee"}"#, 400, "key", "did you mean `acme`?"),
        ("POST /faults", &large, 413, "body", "one rule"),
        ("PUT /faults", "", 405, "method", "GET, POST, DELETE"),
        ("GET /reset", "", 405, "method", "POST"),
        ("POST /executed", "", 405, "method", "GET"),
        ("POST /requests", "", 405, "method", "GET, DELETE"),
        ("GET /faults/1", "", 405, "method", "DELETE"),
        ("DELETE /faults/x", "", 404, "id", "GET /faults"),
        ("GET /", "", 404, "path", "/requests"),
        ("GET /rest/1.3/orders2/list", "", 404, "path", "/requests"),
    ] {
        let told = ask(&simulator, line, body).await;
        assert_eq!(told.status, status, "{line} {}", told.text);
        let errors = told.json()["errors"].as_array().unwrap().clone();
        assert_eq!((errors.len(), &errors[0]["field"]), (1, &json!(field)), "{line}: {}", told.text);
        assert!(errors[0]["mend"].as_str().unwrap().contains(mend), "{line}: {}", told.text);
        assert_eq!(status == 405, told.head.contains("\r\nallow: "), "{line}: {}", told.head);
    }
    assert!(simulator.faults().is_empty());
    let both = ask(&simulator, "POST /faults", r#"{"fault": "truncate", "timse": 1}"#).await.json();
    assert_eq!(both["errors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn web_pages_are_kept_out() {
    let simulator = simulator().await;
    let control = simulator.control_address().unwrap();
    let port = control.port();
    for (headers, status) in [
        (format!("Host: localhost:{port}\r\n"), 204),
        (format!("Host: 127.0.0.1:{port}\r\n"), 204),
        (format!("Host: rebound.example:{port}\r\n"), 403),
        (format!("Host: localhost.rebound.example:{port}\r\n"), 403),
        (String::new(), 403),
        ("Host: localhost\r\nHost: rebound.example\r\n".to_owned(), 403),
        (format!("Host: localhost:{port}\r\nOrigin: https://page.example\r\n"), 403),
        (format!("Host: localhost:{port}\r\nOrigin: null\r\n"), 403),
        (format!("Host: localhost:{port}\r\norigin: http://localhost:{port}\r\n"), 403),
    ] {
        simulator.add_fault(FaultRule::new(Fault::Garbage)).unwrap();
        let told = ask_with(control, "POST /reset", &headers, "").await;
        assert_eq!(told.status, status, "{headers}: {}", told.text);
        assert_eq!(simulator.faults().is_empty(), status == 204, "{headers}");
        simulator.clear_faults();
    }
}

#[tokio::test]
async fn it_is_nowhere_unless_asked_for_and_on_loopback_only() {
    let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
    assert_eq!(simulator.control_address(), None);
    let config = SimulatorConfig { control: Some("0.0.0.0:0".parse().unwrap()), ..SimulatorConfig::default() };
    let error = Simulator::start(config).await.unwrap_err();
    assert!(error.to_string().contains("loopback"), "{error}");
    // What is ClickBank's is not on it, nor the other way round.
    let mut client = RawTls::connect(&simulator).await;
    client.send("POST /reset HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.answer().await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn a_stopped_simulator_lets_its_control_endpoint_go() {
    let simulator = simulator().await;
    let control = simulator.control_address().unwrap();
    // A connection that asks nothing holds nothing up.
    let _idle = TcpStream::connect(control).await.unwrap();
    within("the simulator to stop", simulator.stop()).await;
    assert!(TcpStream::connect(control).await.is_err());
}

/// `simulate` on free ports.
fn start(directory: &Path, more: &[&str]) -> Process {
    let mut command = Command::new(PROGRAM);
    command.current_dir(directory).args(["simulate", "--listen", "127.0.0.1:0", "--today", "2026-11-20"]).args(more);
    Process::start_in(&mut command, Lines::Stdout)
}

#[tokio::test]
async fn simulate_prints_what_scripts_look_for() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("faults.toml"), "[[rule]]\nfault = \"close\"\ntimes = 1\n").unwrap();
    let more = ["--control", "127.0.0.1:0", "--faults", "faults.toml", "--per-day", "off", "--ca-file", "ca.pem"];
    let mut simulate = start(directory.path(), &more);
    simulate.line("last line", |line| line.contains("Ctrl-C").then_some(())).await;
    let heard = simulate.heard().to_vec();
    let after = |beginning: &str| {
        let found: Vec<&str> =
            heard.iter().filter_map(|line| line.split_once(beginning)).map(|(_, rest)| rest).collect();
        assert_eq!(found.len(), 1, "{beginning}: {heard:#?}");
        found[0].to_owned()
    };
    assert_eq!(after("limits: "), "10 a second");
    assert_eq!(after("rules of faults from "), "faults.toml: 1");
    assert!(after(" serves at ").starts_with("https://127.0.0.1:"));
    let control = after("control endpoint at ").strip_prefix("http://").unwrap().parse().unwrap();
    let faults = ask_with(control, "GET /faults", "Host: localhost\r\n", "").await.json();
    assert_eq!(faults["faults"][0]["rule"], json!({"fault": "close", "executed": false, "times": 1}));
    simulate.signal("TERM");
    assert_eq!(simulate.end().await.code, Some(0));
}

#[tokio::test]
async fn simulate_prints_json_for_programs() {
    let directory = tempfile::tempdir().unwrap();
    for (more, control, limits) in [
        (&["--control", "127.0.0.1:0", "--per-second", "off"][..], true, json!({"per_second": null, "per_day": 25000})),
        (&["--per-day", "3"], false, json!({"per_second": 10, "per_day": 3})),
    ] {
        let mut simulate = start(directory.path(), &[&["--output", "json"], more].concat());
        simulate.line("last line", |line| (line == "}").then_some(())).await;
        let shown: Value = serde_json::from_str(&simulate.heard().join("\n")).unwrap();
        assert_eq!(shown["control_url"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")), control);
        assert_eq!((&shown["limits"], &shown["faults"]), (&limits, &json!(0)));
        simulate.signal("TERM");
        assert_eq!(simulate.end().await.code, Some(0));
    }
}

#[tokio::test]
async fn simulate_refuses_what_it_cannot_do() {
    let directory = tempfile::tempdir().unwrap();
    let rules = "[[rule]]\nfault = \"truncate\"\nbytes = \"1\"\n\n[[rule]]\nfault = \"reset\"\nkey = \"acmee\"\n";
    std::fs::write(directory.path().join("bad.toml"), rules).unwrap();
    std::fs::write(directory.path().join("no.toml"), "[[rule]\n").unwrap();
    std::fs::write(directory.path().join("single.toml"), "[rule]\nfault = \"reset\"\n").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    for (more, parts) in [
        (
            &["--faults", "bad.toml"][..],
            &[
                "bad.toml cannot be used: 2 problems",
                "bad.toml:3: bytes: is no whole number\n    write a whole number from 0 to",
                "bad.toml:7: key: no key has this name\n    did you mean `acme`?",
            ][..],
        ),
        (&["--faults", "no.toml"], &["no.toml:1: file: is not valid TOML", "[[rule]]"]),
        (&["--faults", "none.toml"], &["cannot read none.toml"]),
        (&["--control", "0.0.0.0:0"], &["loopback only", "0.0.0.0"]),
        (&["--faults", "single.toml"], &["single.toml:1: rule: is no list of rules", "two pairs of brackets"]),
        (&["--control", "localhost:7398"], &["--control", "write an IP address and a port"]),
        (&["--control", &taken], &["cannot listen on 127.0.0.1:", "choose another address"]),
        (&["--seed", "-1"], &["--seed", "write a whole number from 0"]),
        (&["--page-size", "0"], &["--page-size", "write a whole number from 1"]),
        (&["--per-second", "0"], &["--per-second", "`off`"]),
        (&["--per-day", "many"], &["--per-day", "`off`"]),
    ] {
        let ended = start(directory.path(), more).end().await;
        assert_eq!(ended.code, Some(2), "{more:?}");
        for part in parts {
            assert!(ended.other.contains(part), "{more:?}: {}", ended.other);
        }
    }
}

/// The block of `docs/simulator.md` that begins with ```` ```{kind} ```` below `heading`.
fn block(heading: &str, kind: &str) -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/simulator.md")).unwrap();
    let section = page.split_once(&format!("\n{heading}\n")).expect(heading).1;
    let block = section.split_once(&format!("\n```{kind}\n")).expect(kind).1;
    block.split_once("\n```").unwrap().0.to_owned()
}

#[tokio::test]
async fn what_the_page_says_for_ci_works_as_it_stands() {
    let directory = tempfile::tempdir().unwrap();
    // The program is run by its name, as users do.
    std::os::unix::fs::symlink(PROGRAM, directory.path().join("clickbank-gateway")).unwrap();
    let script = block("## In your CI", "sh")
        .replace("kill $SIMULATOR", &format!("echo\n{}\nkill $SIMULATOR", block("## The control endpoint", "sh")));
    let script = format!("PATH=\"$PWD:$PATH\"\ntrap 'kill $SIMULATOR 2> /dev/null' EXIT\n{script}");
    let mut command = Command::new("timeout");
    command.args(["50", "bash", "-c", &script]).current_dir(directory.path()).env("no_proxy", "*");
    let run = move || command.stdin(Stdio::null()).output().unwrap();
    let output = within("the lines of the page", tokio::task::spawn_blocking(run)).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = block("## In your CI", "text") + "\n\n" + &block("## The control endpoint", "json") + "\n";
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_rules_on_the_page_are_rules() {
    let rules = clickbank_gateway::simulator::fault::read_file(&block("## Faults", "toml"), &["acme"]).unwrap();
    assert_eq!(rules.len(), 2);
}
