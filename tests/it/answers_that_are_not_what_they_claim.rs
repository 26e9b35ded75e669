//! An answer is released as what it says it is, or not at all: whole, well-formed, of bounded depth, in UTF-8.

use crate::support::process::Serving;
use crate::support::setup::Setup;
use crate::support::upstream::{API_KEY, Act, Certificate, Upstream, answer};
use crate::support::wire::{Answer, Connection};

const READ: &str = "/rest/1.3/orders2/list";
const CHANGE: &str = "/rest/1.3/products/a-1?site=acme&currency=USD&price=1&language=EN&title=t";
/// In every answer that must not pass. It may not show in what the gateway says instead.
const MARKER: &str = "UPSTREAMSOWNWORDS";

const JSON: &str = "Content-Type: application/json\r\n";
const XML: &str = "Content-Type: application/xml\r\n";
const TEXT: &str = "Content-Type: text/plain\r\n";

/// A call, asking for what the answer says it is.
fn request(method: &str, lines: &str, key: &str) -> String {
    let target = if method == "GET" { READ } else { CHANGE };
    let accept = if lines == JSON { "application/json" } else { "application/xml" };
    format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\nAccept: {accept}\r\n\r\n")
}

/// Ended by the connection alone.
fn closed(status: &str, lines: &str, body: &str) -> Act {
    Act::AnswerAndClose(format!("HTTP/1.1 {status}\r\n{lines}\r\n{body}"))
}

/// What must not pass, as what it says it is, and the word for it in the log.
fn wrong() -> Vec<(&'static str, Act, &'static str)> {
    let full = |lines: &str, body: &str| Act::Answer(answer("200 OK", lines, body));
    let deep_json = "[".repeat(65) + &format!("\"{MARKER}\"") + &"]".repeat(65);
    let deep_xml = "<a>".repeat(65) + MARKER + &"</a>".repeat(65);
    let chunked = |lines: &str, body: &str| {
        let head = format!("HTTP/1.1 200 OK\r\n{lines}Transfer-Encoding: chunked\r\n\r\n");
        Act::Answer(format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))
    };
    let doctype = format!("<!DOCTYPE a [<!ENTITY b '{MARKER}'>]><a>&b;</a>");
    vec![
        (JSON, full(JSON, &format!("{MARKER} {MARKER}")), "malformed-json"),
        (JSON, full(JSON, &format!("{{\"a\":\"{MARKER}\"")), "malformed-json"),
        (JSON, full(JSON, &format!("{{\"a\":\"{MARKER}\"}}{{}}")), "malformed-json"),
        (JSON, full(JSON, &format!("<a>{MARKER}</a>")), "malformed-json"),
        (JSON, full(JSON, &format!("{{'a':'{MARKER}'}}")), "malformed-json"),
        (JSON, chunked(JSON, &format!("[\"{MARKER}\"")), "malformed-json"),
        (JSON, closed("200 OK", JSON, &format!("{{\"orderData\":[{{\"a\":\"{MARKER}\"}},")), "malformed-json"),
        (JSON, closed("200 OK", JSON, "12"), "perhaps-broken-off"),
        (JSON, closed("200 OK", JSON, ""), "perhaps-broken-off"),
        (JSON, full(JSON, &deep_json), "nested-too-deep"),
        (JSON, full(TEXT, &format!("{MARKER}\0")), "malformed-text"),
        (JSON, full(TEXT, &format!("\u{1b}[2J{MARKER}")), "malformed-text"),
        (JSON, closed("200 OK", TEXT, MARKER), "perhaps-broken-off"),
        (JSON, closed("206 Partial Content", JSON, &format!("[\"{MARKER}\"")), "malformed-json"),
        (XML, full(XML, &format!("<a>{MARKER}")), "malformed-xml"),
        (XML, full(XML, &format!("<a>{MARKER}</b>")), "malformed-xml"),
        (XML, full(XML, &format!("<a/><b>{MARKER}</b>")), "malformed-xml"),
        (XML, full(XML, &format!("<a>{MARKER}&nbsp;</a>")), "malformed-xml"),
        (XML, full(XML, &doctype), "malformed-xml"),
        (XML, full(XML, &format!("{{\"a\":\"{MARKER}\"}}")), "malformed-xml"),
        (XML, closed("200 OK", XML, &format!("<orderList><orderData>{MARKER}</orderData>")), "malformed-xml"),
        (XML, closed("200 OK", XML, "12"), "perhaps-broken-off"),
        (XML, full(XML, &deep_xml), "nested-too-deep"),
    ]
}

#[tokio::test]
async fn what_is_not_what_it_says_it_is_is_kept_back() {
    let cases = wrong();
    let acts: Vec<Act> = cases.iter().flat_map(|(_, act, _)| [act.clone(), act.clone()]).collect();
    let upstream = Upstream::start(Certificate::Good, move |number| acts[number].clone()).await;
    let mut written = upstream.write(&Setup::acme());
    written.secrets.plant("what the upstream said", MARKER, MARKER.len());
    let serving = Serving::start_logging(&written.file, "json").await;
    let mut told = Vec::new();
    for (lines, act, fault) in &cases {
        for (method, code) in [("GET", "answer-unreadable"), ("PUT", "executed-answer-withheld")] {
            let mut connection = Connection::open(serving.address(), &written.secrets).await;
            connection.send(request(method, lines, &written.keys["app"])).await;
            let answer = connection.answer().await;
            assert_eq!(answer.outcome(), (502, Some(code)), "{method} {act:?}: {}", answer.text());
            told.push(*fault);
        }
    }
    serving.process.signal("TERM");
    let ended = serving.process.end().await;
    ended.sweep(&written.secrets);
    let lines = ended.lines.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let records = lines.filter(|line| line["message"] == "request");
    let faults: Vec<String> = records.map(|record| record["upstream_fault"].as_str().unwrap().to_owned()).collect();
    assert_eq!(faults, told);
}

async fn told_of(act: Act, method: &str, lines: &str) -> Answer {
    let trouble = Upstream::start(Certificate::Good, move |_| act.clone()).await.behind(&Setup::acme()).await;
    let mut connection = Connection::open(trouble.address(), &trouble.written.secrets).await;
    connection.send(request(method, lines, &trouble.written.keys["app"])).await;
    connection.answer().await
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_to_judge() {
    for (status, lines, told) in [
        ("204 No Content", String::new(), (204, None)),
        ("200 OK", format!("{JSON}Content-Length: 900\r\n"), (200, None)),
        ("200 OK", format!("{XML}Transfer-Encoding: chunked\r\n"), (200, None)),
        ("200 OK", XML.to_owned(), (200, None)),
        ("403 Forbidden", format!("{TEXT}Content-Length: 900\r\n"), (403, None)),
        ("200 OK", format!("X-Echo: {API_KEY}\r\n"), (502, Some("credential-echoed"))),
    ] {
        let act = Act::AnswerAndClose(format!("HTTP/1.1 {status}\r\n{lines}\r\n"));
        // Of All Accounts nobody asks how far they reach before a status alone is trusted.
        let all = "orders_read = \"all\"";
        let setup = Setup::new().credential("all", all).caller("app", all);
        let trouble = Upstream::start(Certificate::Good, move |_| act.clone()).await.behind(&setup).await;
        let mut connection = Connection::open(trouble.address(), &trouble.written.secrets).await;
        let key = &trouble.written.keys["app"];
        let target = "/rest/1.3/orders2/ABCD1234";
        connection.send(format!("HEAD {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n")).await;
        assert_eq!(connection.answer_to_head().await.outcome(), told, "{status} {lines}");
    }
}

#[tokio::test]
async fn what_is_whole_and_well_formed_passes_byte_for_byte() {
    let full = |lines: &str, body: &str| Act::Answer(answer("200 OK", lines, body));
    for (lines, act, body) in [
        (JSON, full(JSON, "null"), "null"),
        (JSON, full(JSON, ""), ""),
        (JSON, full(JSON, "12"), "12"),
        (JSON, full(JSON, " {\"a\" : \"\\u00e9\\/\"}\r\n"), " {\"a\" : \"\\u00e9\\/\"}\r\n"),
        (JSON, closed("200 OK", JSON, "{\"a\":[]}"), "{\"a\":[]}"),
        (JSON, full(TEXT, "12\n"), "12\n"),
        // A bare count, whatever it is called.
        (XML, full(XML, "12"), "12"),
        (XML, full(XML, "<a b='c'>&amp;<!-- d --></a>\n"), "<a b='c'>&amp;<!-- d --></a>\n"),
        (XML, closed("200 OK", XML, "<a/>"), "<a/>"),
    ] {
        for method in ["GET", "PUT"] {
            let answer = told_of(act.clone(), method, lines).await;
            assert_eq!((answer.outcome(), answer.text().as_str()), ((200, None), body), "{method} {act:?}");
        }
    }
    // The name of a product that was changed, whatever it is called.
    for lines in [JSON, XML] {
        let answer = told_of(full(lines, "book-2"), "PUT", lines).await;
        assert_eq!((answer.outcome(), answer.text().as_str()), ((200, None), "book-2"));
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_status_where_its_words_are_not_what_they_say_they_are() {
    for (act, status) in [
        (Act::Answer(answer("403 Forbidden", JSON, &format!("{{{MARKER}"))), 403),
        (Act::Answer(answer("404 Not Found", XML, &format!("<a>{MARKER}"))), 404),
        (Act::Answer(answer("400 Bad Request", TEXT, &format!("{MARKER}\0"))), 400),
        (closed("429 Too Many Requests", TEXT, MARKER), 429),
    ] {
        for method in ["GET", "PUT"] {
            let answer = told_of(act.clone(), method, JSON).await;
            assert_eq!((answer.outcome(), answer.text().as_str()), ((status, None), ""), "{method} {act:?}");
        }
    }
    let failed = Act::Answer(answer("500 Internal Server Error", JSON, &format!("{{{MARKER}")));
    let read = told_of(failed.clone(), "GET", JSON).await;
    assert_eq!((read.outcome(), read.text().as_str()), ((500, None), ""));
    assert_eq!(told_of(failed, "PUT", JSON).await.outcome(), (502, Some("outcome-unknown")));
}

#[tokio::test]
async fn only_statuses_that_are_known_to_mean_something_pass() {
    for (status, read, change) in [
        ("200 OK", None, None),
        ("201 Created", None, None),
        ("204 No Content", None, None),
        ("206 Partial Content", None, None),
        ("202 Accepted", Some("answer-unreadable"), Some("executed-answer-withheld")),
        ("203 Non-Authoritative Information", Some("answer-unreadable"), Some("executed-answer-withheld")),
        ("205 Reset Content", Some("answer-unreadable"), Some("executed-answer-withheld")),
        ("299 Fine", Some("answer-unreadable"), Some("executed-answer-withheld")),
        ("300 Multiple Choices", Some("answer-unreadable"), Some("outcome-unknown")),
        ("304 Not Modified", Some("answer-unreadable"), Some("outcome-unknown")),
        ("399 Elsewhere", Some("answer-unreadable"), Some("outcome-unknown")),
        ("402 Payment Required", None, None),
        ("451 Unavailable For Legal Reasons", None, None),
        ("599 Failed", None, Some("outcome-unknown")),
        ("600 Beyond", Some("answer-unreadable"), Some("outcome-unknown")),
        ("999 Beyond", Some("answer-unreadable"), Some("outcome-unknown")),
    ] {
        // Where no body may follow, one does: it is no answer to anything.
        let act = Act::AnswerAndClose(answer(status, XML, "<a/>"));
        for (method, code) in [("GET", read), ("PUT", change)] {
            let answer = told_of(act.clone(), method, XML).await;
            assert_eq!(answer.code(), code, "{method} {status}");
            if code.is_none() {
                let passed: u16 = status[..3].parse().unwrap();
                let body = if passed == 204 { "" } else { "<a/>" };
                assert_eq!((answer.status, answer.text().as_str()), (passed, body), "{method} {status}");
            }
        }
    }
}

#[tokio::test]
async fn words_pass_for_an_answer_to_a_change_and_not_for_rows() {
    let act = Act::Answer(answer("200 OK", TEXT, "done\t\u{e9}\r\n"));
    for lines in [JSON, XML] {
        for (method, told) in [("GET", (502, Some("answer-unreadable"))), ("PUT", (200, None))] {
            assert_eq!(told_of(act.clone(), method, lines).await.outcome(), told, "{method} {lines}");
        }
    }
}
