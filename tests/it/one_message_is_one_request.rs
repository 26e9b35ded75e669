//! A message whose end two servers could see in different places never becomes two requests.
//!
//! Most cases carry a second request where a careless reader would find one. It would fetch acme's products, which
//! nothing else here does.

use crate::support::scene::Scene;
use crate::support::setup::Setup;

const SMUGGLED: &str =
    "GET /rest/1.3/products/list?site=acme HTTP/1.1\r\nHost: gateway\r\nAuthorization: {app}\r\n\r\n";

/// An endpoint that the caller may use.
fn head(method: &str, lines: &str) -> String {
    format!("{method} /rest/1.3/orders2/count HTTP/1.1\r\nHost: gateway\r\nAuthorization: {{app}}\r\n{lines}\r\n")
}

/// The outcomes of all requests that came of some bytes, until the connection closed.
async fn outcomes(scene: &Scene, bytes: &str) -> Vec<(u16, Option<String>)> {
    let mut connection = scene.connect().await;
    connection.send(bytes.replace("{app}", scene.key("app"))).await;
    let mut outcomes = Vec::new();
    while let Some(answer) = connection.next_answer().await {
        outcomes.push((answer.status, answer.code().map(str::to_owned)));
        if answer.header("connection") == Some("close") {
            connection.expect_close(bytes).await;
            break;
        }
        assert!(outcomes.len() < 4, "{bytes}: {outcomes:?}");
    }
    outcomes
}

/// Name, bytes, status and code, and how many requests arrive at ClickBank.
type Case = (&'static str, String, (u16, Option<&'static str>), usize);

/// Runs cases that have exactly one outcome, after which the connection closes.
async fn run(cases: Vec<Case>) {
    let scene = Scene::start(&Setup::acme()).await;
    let mut wrong = Vec::new();
    for (name, bytes, (status, code), arriving) in cases {
        let before = scene.received().len();
        let outcomes = outcomes(&scene, &bytes).await;
        let arrived = scene.received().split_off(before);
        let smuggled = arrived.iter().any(|arrived| arrived.target.contains("products"));
        if outcomes != [(status, code.map(str::to_owned))] || arrived.len() != arriving || smuggled {
            wrong.push(format!("{name}: {status} {code:?}, but {outcomes:?}; arrived: {arrived:?}\n{bytes}"));
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

const BODY: (u16, Option<&str>) = (400, Some("body-not-allowed"));
const MALFORMED: (u16, Option<&str>) = (400, Some("malformed-request"));
const PASSED: (u16, Option<&str>) = (200, None);

#[tokio::test]
async fn a_body_is_refused_and_nothing_after_it_is_read() {
    let length = SMUGGLED.len();
    let chunk = format!("{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n");
    run(vec![
        ("a body on GET", head("GET", "Content-Length: 5\r\n") + "hello" + SMUGGLED, BODY, 0),
        ("a request for a body", head("GET", &format!("Content-Length: {length}\r\n")) + SMUGGLED, BODY, 0),
        (
            "a form",
            head("POST", "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 11\r\n")
                + "role=VENDOR"
                + SMUGGLED,
            BODY,
            0,
        ),
        ("a body that is announced", head("PUT", "Content-Length: 5\r\nExpect: 100-continue\r\n") + SMUGGLED, BODY, 0),
        ("a large body that never comes", head("GET", "Content-Length: 1000000000\r\n"), BODY, 0),
        (
            "a length beyond all numbers",
            head("GET", "Content-Length: 18446744073709551616\r\n") + SMUGGLED,
            MALFORMED,
            0,
        ),
        ("a body in chunks", head("GET", "Transfer-Encoding: chunked\r\n") + &chunk + SMUGGLED, BODY, 0),
        (
            "a byte in a chunk",
            head("GET", "Transfer-Encoding: chunked\r\n") + "1\r\nx\r\n0\r\n\r\n" + SMUGGLED,
            BODY,
            0,
        ),
        ("one without a key", head("GET", "Content-Length: 5\r\n").replace("{app}", "x") + "hello" + SMUGGLED, BODY, 0),
    ])
    .await;
}

#[tokio::test]
async fn an_empty_body_of_unknown_length_passes_and_ends_the_connection() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    run(vec![
        ("chunked", head("GET", chunked) + "0\r\n\r\n" + SMUGGLED, PASSED, 1),
        ("in capitals", head("GET", "TRANSFER-ENCODING: Chunked\r\n") + "0\r\n\r\n" + SMUGGLED, PASSED, 1),
        ("with many noughts", head("GET", chunked) + "0000\r\n\r\n" + SMUGGLED, PASSED, 1),
        ("with an extension", head("GET", chunked) + "0;x=y\r\n\r\n" + SMUGGLED, PASSED, 1),
        (
            "with a length of nought",
            head("GET", &format!("Content-Length: 0\r\n{chunked}")) + "0\r\n\r\n" + SMUGGLED,
            MALFORMED,
            0,
        ),
        (
            "with a length before",
            head("GET", &format!("Content-Length: 5\r\n{chunked}")) + "0\r\n\r\n" + SMUGGLED,
            MALFORMED,
            0,
        ),
        (
            "with a length after",
            head("GET", &format!("{chunked}Content-Length: 200\r\n")) + "0\r\n\r\n" + SMUGGLED,
            MALFORMED,
            0,
        ),
    ])
    .await;
}

#[tokio::test]
async fn framing_that_could_be_misread_is_refused() {
    let coded = |lines: &str| head("GET", lines) + "0\r\n\r\n" + SMUGGLED;
    let chunked = |body: &str| head("GET", "Transfer-Encoding: chunked\r\n") + body + SMUGGLED;
    run(vec![
        ("another coding first", coded("Transfer-Encoding: gzip, chunked\r\n"), MALFORMED, 0),
        ("identity first", coded("Transfer-Encoding: identity, chunked\r\n"), MALFORMED, 0),
        ("chunked twice", coded("Transfer-Encoding: chunked, chunked\r\n"), MALFORMED, 0),
        ("two codings", coded("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), MALFORMED, 0),
        ("two equal codings", coded("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), MALFORMED, 0),
        ("chunked not last", coded("Transfer-Encoding: chunked, gzip\r\n"), MALFORMED, 0),
        ("another coding", coded("Transfer-Encoding: gzip\r\n"), MALFORMED, 0),
        ("almost chunked", coded("Transfer-Encoding: xchunked\r\n"), MALFORMED, 0),
        ("chunked with a parameter", coded("Transfer-Encoding: chunked;q=1\r\n"), MALFORMED, 0),
        ("chunked in quotes", coded("Transfer-Encoding: \"chunked\"\r\n"), MALFORMED, 0),
        ("an empty coding", coded("Transfer-Encoding:\r\n"), MALFORMED, 0),
        ("a coding after a vertical tab", coded("Transfer-Encoding: \u{b}chunked\r\n"), MALFORMED, 0),
        ("a coding with a space before the colon", coded("Transfer-Encoding : chunked\r\n"), MALFORMED, 0),
        ("two lengths", head("GET", "Content-Length: 0\r\nContent-Length: 5\r\n") + "hello" + SMUGGLED, MALFORMED, 0),
        ("a list of lengths", head("GET", "Content-Length: 0, 0\r\n") + SMUGGLED, MALFORMED, 0),
        ("a length with a sign", head("GET", "Content-Length: +0\r\n") + SMUGGLED, MALFORMED, 0),
        ("a negative length", head("GET", "Content-Length: -1\r\n") + SMUGGLED, MALFORMED, 0),
        ("a hexadecimal length", head("GET", "Content-Length: 0x0\r\n") + SMUGGLED, MALFORMED, 0),
        ("an empty length", head("GET", "Content-Length:\r\n") + SMUGGLED, MALFORMED, 0),
        ("a chunk size in another notation", chunked("0x0\r\n\r\n"), MALFORMED, 0),
        ("a chunk size with a sign", chunked("-1\r\n\r\n"), MALFORMED, 0),
        ("a chunk size beyond all numbers", chunked("fffffffffffffffff\r\n\r\n"), MALFORMED, 0),
        ("no chunk size", chunked("\r\n\r\n"), MALFORMED, 0),
        ("a chunk that ends elsewhere", chunked("0\r\nxx"), MALFORMED, 0),
        ("a chunk size with a bare line feed", chunked("0\n\n"), MALFORMED, 0),
        ("trailers", chunked("0\r\nX: y\r\n\r\n"), MALFORMED, 0),
        ("trailers with a key", chunked("0\r\nAuthorization: {app}\r\n\r\n"), MALFORMED, 0),
    ])
    .await;
}

#[tokio::test]
async fn a_body_of_a_refused_request_is_never_read_as_a_request() {
    let scene = Scene::start(&Setup::acme()).await;
    let chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    let coded = head("GET", "Transfer-Encoding: chunked\r\n") + &chunk;
    for refused in [
        coded.replace("{app}", "cbgw_nobodys"),
        coded.replace("/rest/1.3/orders2/count", "/rest/1.3/nothing"),
        coded.replace("/rest/1.3/orders2/count", "/rest/1.3/debug"),
        coded.replace("GET /", "PATCH /"),
        coded.replace("count ", "count?x=y "),
    ] {
        // The smuggled request stands in the body of the first, and once more behind it.
        let outcomes = outcomes(&scene, &(refused.clone() + "GET / HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!(outcomes.len(), 1, "{refused}: {outcomes:?}");
        assert!(matches!(outcomes[0].0, 400..500), "{refused}: {outcomes:?}");
    }
    assert_eq!(scene.received(), []);
}

#[tokio::test]
async fn a_message_that_breaks_off_is_no_request() {
    let scene = Scene::start(&Setup::acme()).await;
    let whole = head("GET", "").replace("{app}", scene.key("app"));
    for kept in [1, 20, whole.len() / 2, whole.len() - 2, whole.len() - 1] {
        let mut connection = scene.connect().await;
        connection.send(&whole[..kept]).await;
        connection.end().await;
        let answer = connection.next_answer().await;
        assert_eq!(answer, None);
    }
    let mut connection = scene.connect().await;
    connection.send(head("GET", "Transfer-Encoding: chunked\r\n").replace("{app}", scene.key("app")) + "0\r\n").await;
    connection.end().await;
    assert!(connection.next_answer().await.is_none_or(|answer| answer.code() == Some("malformed-request")));
    assert_eq!(scene.received(), []);
}
