//! Whatever goes wrong on the way to ClickBank or comes back from it: the caller is told what it can rely on, nothing
//! unjudged passes, and a change is sent once at most.

use crate::support::setup::Setup;
use crate::support::upstream::{API_KEY, Act, Certificate, Trouble, Upstream, answer};

const READ: &str = "/rest/1.3/orders2/list";
const CHANGE: &str = "/rest/1.3/products/a-1?site=acme&currency=USD&price=1&language=EN&title=t";
/// In every answer that must not pass. It may not show in what the gateway says instead.
const MARKER: &str = "UPSTREAMSOWNWORDS";

const XML: &str = "Content-Type: application/xml\r\n";

/// The setup, with bounds that a test can go beyond. What comes of a read that is sent again stands elsewhere.
fn setup() -> Setup {
    Setup::acme().upstream("retries = 0\nmax_answer = \"2 KiB\"\nanswer_memory = \"8 KiB\"")
}

async fn before(act: Act) -> Trouble {
    let mut trouble = Upstream::start(Certificate::Good, move |_| act.clone()).await.behind(&setup()).await;
    trouble.written.secrets.plant("what the upstream said", MARKER, MARKER.len());
    trouble
}

/// What a caller is told of a read, and of a change.
type Told = (u16, Option<&'static str>);

const UNREADABLE: Told = (502, Some("answer-unreadable"));
const TOO_LARGE: Told = (502, Some("answer-too-large"));
const REFUSED: Told = (502, Some("credential-refused"));
const UNKNOWN: Told = (502, Some("outcome-unknown"));
const WITHHELD: Told = (502, Some("executed-answer-withheld"));

/// What comes of an answer: its name, the answer, what the caller of a read is told, and of a change.
type Case = (&'static str, Act, Told, Told);

/// Answers whose head cannot be read, or does not say what is known to mean something.
fn bad_heads() -> Vec<Case> {
    let close = |bytes: &str| Act::AnswerAndClose(bytes.to_owned());
    let full = |status: &str, lines: &str, body: &str| Act::Answer(answer(status, lines, body));
    let redirect = |status: &str| {
        let lines = format!("Location: /rest/1.3/{MARKER}\r\nContent-Type: text/plain\r\n");
        Act::Answer(answer(status, &lines, MARKER))
    };
    let head = |status: &str, more: &str| format!("HTTP/1.1 {status}\r\n{XML}{more}\r\n");
    vec![
        ("closes before it answers", close(""), UNREADABLE, UNKNOWN),
        ("breaks off in the status line", close("HTTP/1.1 20"), UNREADABLE, UNKNOWN),
        ("breaks off in the head", close(&format!("HTTP/1.1 200 OK\r\nX: {MARKER}")), UNREADABLE, UNKNOWN),
        ("is no HTTP", close(&format!("{MARKER} {MARKER}\r\n\r\n")), UNREADABLE, UNKNOWN),
        ("has no status", close(&format!("HTTP/1.1 {MARKER}\r\n\r\n")), UNREADABLE, UNKNOWN),
        ("speaks HTTP/2", close("HTTP/2 200 OK\r\n\r\n"), UNREADABLE, UNKNOWN),
        (
            "has too many headers",
            Act::Answer(answer("200 OK", &format!("X: {MARKER}\r\n").repeat(90), "")),
            UNREADABLE,
            UNKNOWN,
        ),
        (
            "has too large a head",
            Act::Answer(answer("200 OK", &format!("X: {}\r\n", "y".repeat(200_000)), "")),
            UNREADABLE,
            UNKNOWN,
        ),
        (
            "says two lengths",
            close(&(head("200 OK", "Content-Length: 4\r\nContent-Length: 5\r\n") + MARKER)),
            UNREADABLE,
            UNKNOWN,
        ),
        ("redirects", redirect("302 Found"), UNREADABLE, UNKNOWN),
        ("redirects for good", redirect("308 Permanent Redirect"), UNREADABLE, UNKNOWN),
        ("has not changed", full("304 Not Modified", "", ""), UNREADABLE, UNKNOWN),
        (
            "switches the protocol",
            close("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
            UNREADABLE,
            UNKNOWN,
        ),
        ("has an unusual success", full("202 Accepted", XML, MARKER), UNREADABLE, WITHHELD),
        (
            "does not accept the credential",
            full("401 Unauthorized", "Content-Type: text/plain\r\n", MARKER),
            REFUSED,
            REFUSED,
        ),
    ]
}

/// Answers whose body is not all there, too large, or not what was asked for.
fn bad_bodies() -> Vec<Case> {
    let close = |bytes: &str| Act::AnswerAndClose(bytes.to_owned());
    let full = |status: &str, lines: &str, body: &str| Act::Answer(answer(status, lines, body));
    let large = "x".repeat(3_000);
    let head = |status: &str, more: &str| format!("HTTP/1.1 {status}\r\n{XML}{more}\r\n");
    vec![
        ("breaks off in the body", close(&(head("200 OK", "Content-Length: 100\r\n") + MARKER)), UNREADABLE, WITHHELD),
        (
            "breaks off in a chunk",
            close(&(head("200 OK", "Transfer-Encoding: chunked\r\n") + "20\r\n" + MARKER)),
            UNREADABLE,
            WITHHELD,
        ),
        (
            "has no last chunk",
            close(&(head("200 OK", "Transfer-Encoding: chunked\r\n") + "1\r\nx\r\n")),
            UNREADABLE,
            WITHHELD,
        ),
        (
            "has a chunk of no size",
            close(&(head("200 OK", "Transfer-Encoding: chunked\r\n") + MARKER + "\r\nx\r\n")),
            UNREADABLE,
            WITHHELD,
        ),
        ("is compressed", full("200 OK", &format!("{XML}Content-Encoding: gzip\r\n"), MARKER), UNREADABLE, WITHHELD),
        (
            "is compressed, second",
            full("200 OK", &format!("{XML}Content-Encoding: identity\r\nContent-Encoding: br\r\n"), MARKER),
            UNREADABLE,
            WITHHELD,
        ),
        ("has no type", full("200 OK", "", MARKER), UNREADABLE, WITHHELD),
        ("has two types", full("200 OK", &format!("{XML}Content-Type: text/plain\r\n"), MARKER), UNREADABLE, WITHHELD),
        ("is a page for people", full("200 OK", "Content-Type: text/html\r\n", MARKER), UNREADABLE, WITHHELD),
        (
            "has a type that was not asked for",
            full("200 OK", "Content-Type: application/json\r\n", "{}"),
            UNREADABLE,
            WITHHELD,
        ),
        (
            "has another charset",
            full("200 OK", "Content-Type: application/xml; charset=utf-7\r\n", MARKER),
            UNREADABLE,
            WITHHELD,
        ),
        // A refusal is an answer, also where ClickBank's words for it cannot be released. Of a failure to make a change
        // whose words cannot be read nobody knows how far it came.
        (
            "fails with a page for people",
            full("503 Service Unavailable", "Content-Type: text/html\r\n", MARKER),
            (503, None),
            UNKNOWN,
        ),
        (
            "refuses with a page for people",
            full("403 Forbidden", "Content-Type: text/html;charset=utf-8\r\n", MARKER),
            (403, None),
            (403, None),
        ),
        ("refuses without a type", full("403 Forbidden", "", MARKER), (403, None), (403, None)),
        (
            "refuses in another charset",
            full("400 Bad Request", "Content-Type: text/plain;charset=ISO-8859-1\r\n", MARKER),
            (400, None),
            (400, None),
        ),
        ("is empty, of a type for people", full("200 OK", "Content-Type: text/html\r\n", ""), (200, None), (200, None)),
        ("says that it is too large", full("200 OK", XML, &large), TOO_LARGE, WITHHELD),
        ("is too large without saying so", close(&(head("200 OK", "") + &large)), TOO_LARGE, WITHHELD),
        (
            "is too large in chunks",
            close(&(head("200 OK", "Transfer-Encoding: chunked\r\n") + "bb8\r\n" + &large)),
            TOO_LARGE,
            WITHHELD,
        ),
        (
            "claims to be endless",
            Act::AnswerAndHold(head("200 OK", "Content-Length: 9000000000000000000\r\n")),
            TOO_LARGE,
            WITHHELD,
        ),
    ]
}

/// What the caller of a read and of two changes is told; each is sent once.
async fn tell(name: &str, trouble: Trouble, read: Told, change: Told) {
    let delete = "/rest/1.3/products/a-1?site=acme";
    let calls = [("GET", READ, read), ("PUT", CHANGE, change), ("DELETE", delete, change)];
    for (sent, (method, target, told)) in (1..).zip(calls) {
        let answer = trouble.call(method, target).await;
        assert_eq!(answer.outcome(), told, "the answer to {method} {name}: {}", answer.text());
        let heads = trouble.heads();
        assert_eq!(heads.len(), sent, "the answer to {method} {name}: {heads:?}");
        assert!(heads[sent - 1].starts_with(&format!("{method} /rest/1.3/")), "{heads:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_judged_is_withheld_and_a_change_is_sent_once() {
    for (name, act, read, change) in bad_heads().into_iter().chain(bad_bodies()) {
        tell(name, before(act).await, read, change).await;
    }
}

#[tokio::test]
async fn what_does_not_end_is_given_up_and_a_change_is_sent_once() {
    let mut running = tokio::task::JoinSet::new();
    for (name, bytes, change) in [
        ("never comes", String::new(), UNKNOWN),
        ("stops in the head", "HTTP/1.1 200 OK\r\nX: ".to_owned(), UNKNOWN),
        ("stops after an interim answer", "HTTP/1.1 102 Processing\r\n\r\n".to_owned(), UNKNOWN),
        ("stops in the body", format!("HTTP/1.1 200 OK\r\n{XML}Content-Length: 100\r\n\r\n{MARKER}"), WITHHELD),
    ] {
        // Long enough for the connection and a head, on a machine that has other things to do.
        let setup = Setup::acme().upstream("response_timeout = \"2s\"");
        running.spawn(async move {
            let act = Act::AnswerAndHold(bytes);
            let trouble = Upstream::start(Certificate::Good, move |_| act.clone()).await.behind(&setup).await;
            tell(name, trouble, (504, Some("upstream-timeout")), change).await;
        });
    }
    running.join_all().await;
}

#[tokio::test]
async fn what_can_be_judged_passes_unchanged() {
    let text = "Content-Type: text/plain\r\n";
    let largest = format!("<a>{}</a>", "x".repeat(2_041));
    let xml = answer("200 OK", "Content-Type: application/xml; charset=UTF-8\r\n", "<a>\u{e9}</a>");
    for (act, status, body) in [
        (Act::plain("500 Internal Server Error", "it failed"), 500, "it failed"),
        (Act::plain("503 Service Unavailable", "come back"), 503, "come back"),
        (Act::plain("403 Forbidden", "Access is denied"), 403, "Access is denied"),
        (Act::plain("404 Not Found", ""), 404, ""),
        (Act::plain("429 Too Many Requests", "slow down"), 429, "slow down"),
        (Act::plain("400 Bad Request", "no such date"), 400, "no such date"),
        (Act::Answer("HTTP/1.1 204 No Content\r\n\r\n".to_owned()), 204, ""),
        (Act::Answer(answer("206 Partial Content", XML, "<a/>")), 206, "<a/>"),
        (Act::Answer(xml), 200, "<a>\u{e9}</a>"),
        (
            Act::Answer(answer("200 OK", "Content-Type: text/xml\r\nContent-Encoding: identity\r\n", "<a/>")),
            200,
            "<a/>",
        ),
        (Act::Answer(answer("200 OK", "", "")), 200, ""),
        (Act::Answer(answer("200 OK", XML, &largest)), 200, &largest),
        (Act::AnswerAndClose(format!("HTTP/1.1 200 OK\r\n{XML}\r\n<a/>")), 200, "<a/>"),
        (Act::AnswerAndClose(format!("HTTP/1.0 200 OK\r\n{XML}\r\n<a/>")), 200, "<a/>"),
        (
            Act::Answer(format!("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n{}", answer("200 OK", XML, "<a/>"))),
            200,
            "<a/>",
        ),
        (
            Act::Answer(format!(
                "HTTP/1.1 200 OK\r\n{XML}Transfer-Encoding: chunked\r\n\r\n2\r\n<a\r\n2\r\n/>\r\n0\r\nX: y\r\n\r\n"
            )),
            200,
            "<a/>",
        ),
    ] {
        for (method, target) in [("GET", READ), ("PUT", CHANGE)] {
            let trouble = before(act.clone()).await;
            let answer = trouble.call(method, target).await;
            // Of a change that ClickBank failed to make nobody knows how far it came.
            if method == "PUT" && status >= 500 {
                assert_eq!(answer.outcome(), UNKNOWN, "{act:?}");
                continue;
            }
            assert_eq!((answer.outcome(), answer.text().as_str()), ((status, None), body), "{method} {act:?}");
            assert_eq!(trouble.heads().len(), 1, "{method} {act:?}");
        }
    }
    // Headers other than the type, in whatever spelling, are not handed on: the client would fail on one.
    let cookies = format!("{text}Set-Cookie: a=b\r\nServer: x\r\nX-Powered-By: y\r\nConnection: close\r\nVia: z\r\n");
    let trouble = before(Act::Answer(answer("500 Internal Server Error", &cookies, "it failed"))).await;
    let answer = trouble.call("GET", READ).await;
    assert_eq!((answer.status, answer.header("content-type")), (500, Some("text/plain; charset=utf-8")));
    assert_eq!(answer.header("connection"), None);
}

#[tokio::test]
async fn a_failure_whose_words_cannot_be_released_keeps_its_status() {
    let text = "Content-Type: text/plain\r\n";
    let head = |lines: &str| format!("HTTP/1.1 503 Service Unavailable\r\n{lines}\r\n{MARKER}");
    for (name, act) in [
        ("is a page for people", Act::Answer(answer("503 Service Unavailable", "Content-Type: text/html\r\n", MARKER))),
        ("is compressed", Act::Answer(answer("503 Service Unavailable", "Content-Encoding: gzip\r\n", MARKER))),
        ("breaks off", Act::AnswerAndClose(head(&format!("{text}Content-Length: 100\r\n")))),
        ("is too large", Act::Answer(answer("503 Service Unavailable", text, &MARKER.repeat(300)))),
    ] {
        let trouble = before(act).await;
        for (method, target) in [("GET", READ), ("PUT", CHANGE)] {
            let answer = trouble.call(method, target).await;
            if method == "GET" {
                assert_eq!((answer.outcome(), answer.text().as_str()), ((503, None), ""), "{name}");
            } else {
                assert_eq!(answer.outcome(), UNKNOWN, "{name}");
            }
        }
        assert_eq!(trouble.heads().len(), 2, "the answer {name}");
    }
}

#[tokio::test]
async fn without_a_verified_connection_nothing_is_sent() {
    for kind in [
        Certificate::OfAnotherAuthority,
        Certificate::OfAnotherName,
        Certificate::Expired,
        Certificate::NotYetValid,
        Certificate::None,
    ] {
        let upstream = Upstream::start(kind, |_| Act::plain("200 OK", "")).await;
        let trouble = upstream.behind(&setup()).await;
        for (method, target) in [("GET", READ), ("PUT", CHANGE)] {
            let answer = trouble.call(method, target).await;
            assert_eq!(answer.outcome(), (502, Some("upstream-unreachable")), "{kind:?} {method}");
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains("Nothing was sent"), "{detail}");
        }
        assert_eq!(trouble.heads(), [""; 0], "{kind:?}");
        assert_eq!(trouble.connections(), 2, "{kind:?}");
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_sent() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let other = Upstream::start(Certificate::Good, |_| Act::plain("200 OK", "")).await;
    let written = setup().write(&format!("https://{free}"), &other.authority, |_| API_KEY.to_owned());
    let trouble = other.behind_written(written).await;
    for (method, target) in [("GET", READ), ("PUT", CHANGE)] {
        assert_eq!(trouble.call(method, target).await.outcome(), (502, Some("upstream-unreachable")));
    }
    assert_eq!(trouble.connections(), 0);
}

#[tokio::test]
async fn a_connection_that_died_in_the_pool_never_makes_a_change_happen_twice() {
    // Every second request finds a connection on which the first was answered, and which then ends.
    for method in ["PUT", "GET"] {
        let target = if method == "PUT" { CHANGE } else { READ };
        let act = |number| match number {
            0 => Act::plain("200 OK", "1"),
            _ => Act::AnswerAndClose(String::new()),
        };
        let trouble = Upstream::start(Certificate::Good, act).await.behind(&setup()).await;
        assert_eq!(trouble.call(method, target).await.outcome(), (200, None));
        let told = if method == "PUT" { UNKNOWN } else { UNREADABLE };
        assert_eq!(trouble.call(method, target).await.outcome(), told);
        // A change has a connection of its own, so none can die under it unseen. A read takes the one that is there, and,
        // since it changes nothing, may be sent once more over a fresh one.
        assert_eq!(
            (trouble.heads().len(), trouble.connections()),
            (if method == "PUT" { 2 } else { 3 }, 2),
            "{method}"
        );
    }
    // Here it ends while nobody uses it. The gateway may notice or not; the change is sent once at most.
    for _ in 0..20 {
        let close = Act::AnswerAndClose(answer("200 OK", "Content-Type: text/plain\r\n", "a-1"));
        let trouble = before(close).await;
        for sent in 1..=3 {
            let outcome = trouble.call("PUT", CHANGE).await;
            let heads = trouble.heads().len();
            assert!(heads <= sent, "{heads} requests for {sent} changes");
            assert!(matches!(outcome.outcome(), (200, None) | UNKNOWN), "{}", outcome.text());
        }
    }
}

#[tokio::test]
async fn what_follows_an_answer_is_never_the_next_answer() {
    let surplus = format!("{}{}", answer("200 OK", XML, "<mine/>"), answer("200 OK", XML, &format!("<{MARKER}/>")));
    let trouble = before(Act::Answer(surplus)).await;
    for _ in 0..5 {
        let answer = trouble.call("GET", READ).await;
        assert_eq!((answer.outcome(), answer.text().as_str()), ((200, None), "<mine/>"));
    }
    let connections = trouble.connections();
    assert_eq!(connections, trouble.heads().len(), "a connection with surplus bytes was used again");
}

#[tokio::test]
async fn a_caller_that_hangs_up_causes_no_second_sending() {
    use crate::support::wire::Connection;
    let upstream = Upstream::start(Certificate::Good, |_| Act::AnswerAndHold(String::new())).await;
    let written = upstream.write(&Setup::acme().upstream("connect_timeout = \"5s\"\nresponse_timeout = \"1s\""));
    let gateway = crate::support::scene::start_gateway(&written).await;
    let mut connection = Connection::open(crate::support::scene::address_of(&gateway), &written.secrets).await;
    let key = &written.keys["app"];
    connection.send(format!("PUT {CHANGE} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n")).await;
    upstream.arrival().await;
    drop(connection);
    // Draining waits for every request: after it nothing of the first is left that could send again.
    assert!(gateway.drain(std::time::Duration::from_mins(1)).await);
    assert_eq!(upstream.heads().len(), 1);
}
