//! A connection to ClickBank is used again only by the caller that it was made for, and only as long as nothing about it
//! is in doubt.

use crate::support::setup::{Setup, everything_on};
use crate::support::upstream::{Act, Certificate, Trouble, Upstream, answer};

const READ: &str = "/rest/1.3/orders2/list";
const XML: &str = "Content-Type: application/xml\r\n";

async fn before(act: impl Fn(usize) -> Act + Send + Sync + 'static) -> Trouble {
    let setup = Setup::acme().caller("other", &everything_on("[\"acme\"]")).upstream("retries = 0");
    Upstream::start(Certificate::Good, act).await.behind(&setup).await
}

fn good(body: &str) -> String {
    answer("200 OK", XML, body)
}

#[tokio::test]
async fn each_caller_has_connections_of_its_own() {
    let trouble = before(|_| Act::Answer(good("<a/>"))).await;
    for (caller, connections) in [("app", 1), ("app", 1), ("other", 2), ("app", 2), ("other", 2)] {
        assert_eq!(trouble.call_as(caller, "GET", READ).await.outcome(), (200, None));
        assert_eq!(trouble.connections(), connections, "{caller}");
    }
}

#[tokio::test]
async fn what_has_to_be_asked_first_goes_over_the_callers_own() {
    let setup = Setup::new()
        .credential("acme", "orders_read = [\"acme\", \"zenith\"]")
        .caller("app", "orders_read = [\"acme\"]");
    let order = r#"{"orderData":{"receipt":"ABCD1234","role":"VENDOR","vendor":"acme"}}"#;
    let order = answer("200 OK", "Content-Type: application/json\r\n", order);
    let upstream = Upstream::start(Certificate::Good, move |_| Act::Answer(order.clone())).await;
    let trouble = upstream.behind(&setup).await;
    trouble.call("GET", "/rest/1.3/tickets/refundAmounts/ABCD1234?refundType=FULL&refundAmount=0").await;
    let heads = trouble.heads();
    assert!(
        heads[0].starts_with("GET /rest/1.3/orders2/ABCD1234 ") && heads[1].contains("/refundAmounts/"),
        "{heads:?}"
    );
    assert_eq!((heads.len(), trouble.connections()), (2, 1));
}

#[tokio::test]
async fn a_read_is_sent_once_more_if_its_connection_was_dead() {
    // The second request finds the first one's connection, which then ends without an answer.
    let trouble = before(|number| match number {
        1 => Act::AnswerAndClose(String::new()),
        _ => Act::Answer(good("<a/>")),
    })
    .await;
    for (heads, connections) in [(1, 1), (3, 2), (4, 3)] {
        let answer = trouble.call("GET", READ).await;
        assert_eq!((answer.outcome(), answer.text().as_str()), ((200, None), "<a/>"));
        assert_eq!((trouble.heads().len(), trouble.connections()), (heads, connections));
    }
    // The first request of a connection that ends is not sent again for that: the connection was not dead, it died of it.
    let trouble = before(|_| Act::AnswerAndClose(String::new())).await;
    assert_eq!(trouble.call("GET", READ).await.outcome(), (502, Some("answer-unreadable")));
    assert_eq!(trouble.heads().len(), 1);
}

#[tokio::test]
async fn what_leaves_a_doubt_ends_a_connections_use() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n";
    for (name, bytes) in [
        ("an interim answer", format!("{interim}{}", good("<a/>"))),
        ("several", format!("{}{}", interim.repeat(8), good("<a/>"))),
        ("a byte too many", format!("{}x", good("<a/>"))),
        ("a line break too many", format!("{}\r\n", good("<a/>"))),
        ("a second answer", good("<a/>").repeat(2)),
    ] {
        let trouble = before(move |_| Act::Answer(bytes.clone())).await;
        for calls in 1..=3 {
            let answer = trouble.call("GET", READ).await;
            assert_eq!((answer.outcome(), answer.text().as_str()), ((200, None), "<a/>"), "{name}");
            assert_eq!((trouble.heads().len(), trouble.connections()), (calls, calls), "{name}");
        }
    }
}

#[tokio::test]
async fn a_count_that_comes_in_chunks_is_whole() {
    let chunks =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n12\r\n0\r\n\r\n";
    // Behind a credential of which nothing has to be known before.
    let setup = Setup::new()
        .credential("acme", "orders_read = [\"acme\", \"zenith\"]")
        .caller("app", "orders_read = [\"acme\"]");
    let upstream = Upstream::start(Certificate::Good, move |_| Act::Answer(chunks.to_owned())).await;
    let answer = upstream.behind(&setup).await.call("GET", "/rest/1.3/orders2/count").await;
    assert_eq!((answer.outcome(), answer.text().as_str()), ((200, None), "12"));
}

#[tokio::test]
async fn an_answer_whose_end_is_in_doubt_is_not_released() {
    let body = "<a/>";
    let head = |lines: &str| format!("HTTP/1.1 200 OK\r\n{XML}{lines}\r\n");
    for (name, bytes) in [
        ("two equal lengths", head("Content-Length: 4\r\nContent-Length: 4\r\n") + body),
        ("a list of lengths", head("Content-Length: 4, 4\r\n") + body),
        ("a length with a sign", head("Content-Length: +4\r\n") + body),
        (
            "a length before a coding",
            head("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "4\r\n<a/>\r\n0\r\n\r\n",
        ),
        (
            "a length after a coding",
            head("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") + "4\r\n<a/>\r\n0\r\n\r\n",
        ),
        ("another coding", head("Transfer-Encoding: gzip, chunked\r\n") + "4\r\n<a/>\r\n0\r\n\r\n"),
        ("bare line feeds", format!("HTTP/1.1 200 OK\n{}Content-Length: 4\n\n{body}", XML.replace('\r', ""))),
        ("one bare line feed", head("X: y\nContent-Length: 4\r\n") + body),
        ("a folded line", head("X: y\r\n z\r\nContent-Length: 4\r\n") + body),
        ("a space before a colon", head("Content-Length : 4\r\n") + body),
        ("too many interim answers", "HTTP/1.1 100 Continue\r\n\r\n".repeat(9) + &good(body)),
        ("an interim head without end", format!("HTTP/1.1 100 Continue\r\nX: {}", "y".repeat(40_000))),
        ("a switch of protocols", format!("HTTP/1.1 101 Switching Protocols\r\n\r\n{}", good(body))),
    ] {
        let trouble = before(move |_| Act::AnswerAndClose(bytes.clone())).await;
        let answer = trouble.call("GET", READ).await;
        assert_eq!(answer.outcome(), (502, Some("answer-unreadable")), "{name}");
        assert_eq!(trouble.heads().len(), 1, "{name}");
    }
}
