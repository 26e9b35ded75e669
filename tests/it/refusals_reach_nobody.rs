//! What must not pass is refused with its own code, and nothing of it arrives at ClickBank.
//!
//! Each case is bytes on a connection of its own. After the answer the connection either closes, or is still in step: a
//! last request is answered under its own id, so no part of the refused one was taken for another request.

use crate::support::scene::Scene;
use crate::support::setup::Setup;

/// What has to come back.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// The gateway's answer.
    Refused(u16, &'static str),
    /// No answer, just the end of the connection.
    HungUp,
}

use Expected::{HungUp, Refused};

const MALFORMED: Expected = Refused(400, "malformed-request");
const KEY: Expected = Refused(401, "key-refused");
const PARAMETER: Expected = Refused(400, "unknown-parameter");
const UNKNOWN: Expected = Refused(404, "unknown-endpoint");
const METHOD: Expected = Refused(405, "method-not-allowed");
const BLOCKED: Expected = Refused(403, "endpoint-blocked");
const BODY: Expected = Refused(400, "body-not-allowed");

/// Stands for the key of the caller that may do everything on acme.
const APP: &str = "{app}";

/// A request for an endpoint that the caller may use, with more lines in its head.
fn with(lines: &str) -> String {
    format!("GET /rest/1.3/orders2/count HTTP/1.1\r\nHost: gateway\r\nAuthorization: {APP}\r\n{lines}\r\n")
}

/// The same without a key of its own.
fn without_key(lines: &str) -> String {
    format!("GET /rest/1.3/orders2/count HTTP/1.1\r\nHost: gateway\r\n{lines}\r\n")
}

fn line(request_line: &str) -> String {
    format!("{request_line}\r\nHost: gateway\r\nAuthorization: {APP}\r\n\r\n")
}

fn get(target: &str) -> String {
    line(&format!("GET {target} HTTP/1.1"))
}

fn get_as(caller: &str, target: &str) -> String {
    get(target).replace(APP, &format!("{{{caller}}}"))
}

/// Callers of every kind of refusal. `orbit` is reached by one credential only, which reaches zenith as well.
fn setup() -> Setup {
    Setup::acme()
        .credential("zenith", "orders_read = [\"zenith\"]")
        .credential("acmeaff", "orders_read = [\"acmeaff\"]")
        .credential("all", "orders_read = \"all\"\nanalytics = \"all\"")
        .caller("reader", "orders_read = [\"acme\"]")
        .caller("two", "orders_read = [\"acme\", \"zenith\"]")
        .caller("orbit", "orders_read = [\"orbit\"]")
        .caller("split", "orders_write = [\"acme\"]\nsubscription_modification = [\"zenith\"]")
        .caller("nothing", "")
}

async fn run(cases: Vec<(&'static str, String, Expected)>) {
    let scene = Scene::start(&setup()).await;
    let mut wrong = Vec::new();
    for (name, template, expected) in cases {
        let mut request = template.replace("{api}", scene.credential("acme"));
        for (caller, key) in &scene.written.keys {
            request = request.replace(&format!("{{{caller}}}"), key);
        }
        let before = scene.received().len();
        let outcome = outcome(&scene, &request).await;
        let arrived = scene.received().split_off(before);
        let as_expected = match (&outcome, expected) {
            (Some((status, code)), Refused(s, c)) => *status == s && code.as_deref() == Some(c),
            (outcome, HungUp) => outcome.is_none(),
            (None, _) => false,
        };
        if !as_expected || !arrived.is_empty() {
            wrong.push(format!("{name}: {expected:?}, but {outcome:?}; arrived: {arrived:?}\n{template}"));
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
    // The gateway still works, and what arrives now is the first that does.
    assert_eq!(scene.get("app", "/rest/1.3/orders2/count").await.outcome(), (200, None));
    assert_eq!(scene.received().len(), 1);
}

/// Status and code, once it is certain that nothing else came of the request.
async fn outcome(scene: &Scene, request: &str) -> Option<(u16, Option<String>)> {
    let mut connection = scene.connect().await;
    connection.send(request).await;
    let answer =
        if request.starts_with("HEAD ") { connection.answer_to_head().await } else { connection.next_answer().await? };
    let closes = answer.header("connection") == Some("close") || request.contains(" HTTP/1.0\r\n");
    if closes {
        connection.expect_close(request).await;
    } else {
        connection.send("GET /last HTTP/1.1\r\nHost: gateway\r\nX-Request-Id: last-of-all\r\n\r\n").await;
        let last = connection.answer().await;
        assert_eq!((last.status, last.header("x-request-id")), (401, Some("last-of-all")), "{request}");
    }
    let must_close = answer.status == 400 && !matches!(answer.code(), Some("unknown-parameter" | "nickname-required"));
    assert!(closes || !must_close, "the connection stays open after {} of {request}", answer.text());
    Some((answer.status, answer.code().map(str::to_owned)))
}

#[tokio::test]
async fn without_exactly_one_key() {
    let value = |value: &str| without_key(&format!("Authorization: {value}\r\n"));
    run(vec![
        ("no key", without_key(""), KEY),
        ("an empty one", value(""), KEY),
        ("two, the same", with("Authorization: {app}\r\n"), KEY),
        ("two, another first", without_key("Authorization: x\r\nAuthorization: {app}\r\n"), KEY),
        ("two, the second empty", with("Authorization:\r\n"), KEY),
        ("a list", value("{app}, {app}"), KEY),
        ("a list of schemes", value("Bearer {app}, Bearer {reader}"), KEY),
        ("two around a colon", value("{reader}:{app}"), KEY),
        ("another scheme", value("Basic {app}"), KEY),
        ("two spaces", value("Bearer  {app}"), KEY),
        ("a tab", value("Bearer\t{app}"), KEY),
        ("no space", value("Bearer{app}"), KEY),
        ("a key and more", value("{app} x"), KEY),
        ("a key with a byte more", value("{app}\u{e9}"), KEY),
        ("in upper case", value("CBGW_{app}"), KEY),
        ("in quotes", value("\"{app}\""), KEY),
        ("ClickBank's own", value("{api}"), KEY),
        ("ClickBank's own behind ours", value("{app}:{api}"), KEY),
        ("in another header", without_key("X-Api-Key: {app}\r\n"), KEY),
        ("for a proxy", without_key("Proxy-Authorization: {app}\r\n"), KEY),
        ("in a cookie", without_key("Cookie: Authorization={app}\r\n"), KEY),
        ("in the query", "GET /rest/1.3/orders2/count?apiKey={app} HTTP/1.1\r\nHost: x\r\n\r\n".into(), KEY),
        ("in the query, besides", get("/rest/1.3/orders2/count?Authorization={app}"), PARAMETER),
        ("in an alias with _", without_key("Authorization_: {app}\r\n"), KEY),
        (
            "before the target",
            "GET http://{app}@gateway/rest/1.3/orders2/count HTTP/1.1\r\nHost: x\r\n\r\n".into(),
            MALFORMED,
        ),
        ("before the host", without_key("").replace("Host: gateway", "Host: {app}@gateway"), MALFORMED),
        ("that has no grants", get_as("nothing", "/rest/1.3/orders2/count"), Refused(403, "permission-missing")),
    ])
    .await;
}

#[tokio::test]
async fn with_a_target_that_could_be_misread() {
    let ours = "/rest/1.3/orders2/count";
    run(vec![
        ("absolute-form", get(&format!("http://gateway{ours}")), MALFORMED),
        ("absolute-form, https", get(&format!("https://api.clickbank.com{ours}")), MALFORMED),
        ("authority-form", get("api.clickbank.com:443"), MALFORMED),
        ("no slash", get("rest/1.3/orders2/count"), MALFORMED),
        ("asterisk-form", get("*"), MALFORMED),
        ("two slashes first", get("//rest/1.3/orders2/count"), MALFORMED),
        ("a host first", get("//api.clickbank.com/rest/1.3/orders2/count"), MALFORMED),
        ("two slashes inside", get("/rest/1.3//orders2/count"), MALFORMED),
        ("two slashes at the end", get("/rest/1.3/orders2/count//"), MALFORMED),
        ("a dot segment", get("/rest/1.3/./orders2/count"), MALFORMED),
        ("a dot segment at the end", get("/rest/1.3/orders2/count/."), MALFORMED),
        ("two dots", get("/rest/1.3/x/../orders2/count"), MALFORMED),
        ("two dots at the end", get("/rest/1.3/orders2/count/.."), MALFORMED),
        ("encoded dots", get("/rest/1.3/%2e%2e/1.3/debug"), MALFORMED),
        ("half encoded dots", get("/rest/1.3/.%2E/1.3/debug"), MALFORMED),
        ("an encoded slash", get("/rest/1.3/orders2%2fcount"), MALFORMED),
        ("an encoded backslash", get("/rest/1.3/orders2%5ccount"), MALFORMED),
        ("an encoded zero byte", get("/rest/1.3/orders2/count%00"), MALFORMED),
        ("an encoded letter", get("/rest/1.3/orders2/%63ount"), MALFORMED),
        ("encoded twice", get("/rest/1.3/orders2/%2563ount"), MALFORMED),
        ("an encoded line break", get("/rest/1.3/orders2/count%0d%0aX:%20y"), MALFORMED),
        ("an encoded question mark", get("/rest/1.3/orders2/count%3frole=VENDOR"), MALFORMED),
        ("a broken encoding", get("/rest/1.3/orders2/count%zz"), MALFORMED),
        ("a backslash", get("/rest/1.3\\orders2\\count"), MALFORMED),
        ("a path parameter", get("/rest/1.3/orders2;a=b/count"), MALFORMED),
        ("a path parameter at the end", get("/rest/1.3/orders2/count;jsessionid=1"), MALFORMED),
        ("a path parameter in dots", get("/rest/1.3/..;/debug"), MALFORMED),
        ("a colon", get("/rest/1.3/orders2:count"), MALFORMED),
        ("raw UTF-8", get("/rest/1.3/orders2/caf\u{e9}"), MALFORMED),
        ("a fragment", get("/rest/1.3/orders2/count#/rest"), MALFORMED),
        ("a fragment in the query", get("/rest/1.3/orders2/count?role=VENDOR#x"), MALFORMED),
        ("curly brackets", get("/rest/1.3/orders2/{receipt}"), MALFORMED),
        ("a pipe", get("/rest/1.3/orders2/a|b"), MALFORMED),
        ("a caret", get("/rest/1.3/orders2/a^b"), MALFORMED),
        ("a quote", get("/rest/1.3/orders2/a\"b"), MALFORMED),
        ("a space", get("/rest/1.3/orders2/count x"), MALFORMED),
        ("a tab", get("/rest/1.3/orders2/count\tx"), MALFORMED),
        ("no target", get(""), MALFORMED),
        ("a base path that is no nickname", get("/@ac-me/rest/1.3/orders2/count"), MALFORMED),
        ("an empty base path", get("/@/rest/1.3/orders2/count"), MALFORMED),
        ("two base paths", get("/@acme/@acme/rest/1.3/orders2/count"), MALFORMED),
        ("a nickname inside", get("/rest/1.3/@acme/orders2/count"), MALFORMED),
        ("too long", get(&format!("{ours}?tid={}", "x".repeat(2_000))), Refused(414, "target-too-long")),
        ("too long once encoded", get(&format!("{ours}?tid={}", "@".repeat(700))), Refused(414, "target-too-long")),
    ])
    .await;
}

#[tokio::test]
async fn for_what_is_no_endpoint_of_anybodys() {
    run(vec![
        ("the root", get("/"), UNKNOWN),
        ("another path", get("/orders2/count"), UNKNOWN),
        ("another version", get("/rest/1.2/orders2/count"), UNKNOWN),
        ("another case", get("/rest/1.3/Orders2/count"), UNKNOWN),
        ("a prefix in another case", get("/REST/1.3/orders2/count"), UNKNOWN),
        ("a mixed role", get("/rest/1.3/analytics/Vendor/affiliate?account=acme"), UNKNOWN),
        ("one segment more", get("/rest/1.3/orders2/count/all"), UNKNOWN),
        ("a wildcard for a receipt", get("/rest/1.3/orders2/AAAA000*"), MALFORMED),
        ("a short receipt", get("/rest/1.3/orders2/AAAA000"), UNKNOWN),
        ("an id with a sign", get("/rest/1.3/tickets/+1"), MALFORMED),
        ("a file name", get("/rest/1.3/orders2/list.json"), UNKNOWN),
        ("the description of the service", get("/rest/application.wadl"), UNKNOWN),
        ("the help page", get("/rest/1.3/orders2"), UNKNOWN),
        ("health, which has a listener of its own", get("/readyz"), UNKNOWN),
        ("debug", get("/rest/1.3/debug"), BLOCKED),
        ("debug with a slash", get("/rest/1.3/debug/"), BLOCKED),
        ("debug in capitals", get("/rest/1.3/DEBUG"), BLOCKED),
        ("debug in both", get("/rest/1.3/Debug"), BLOCKED),
        ("debug with a parameter", get("/rest/1.3/debug?x=1"), BLOCKED),
        ("debug below a nickname", get("/@acme/rest/1.3/debug"), BLOCKED),
        ("debug encoded", get("/rest/1.3/%64ebug"), MALFORMED),
        ("debug by dots", get("/rest/1.3/orders2/../debug"), MALFORMED),
        ("debug with a path parameter", get("/rest/1.3/debug;x"), MALFORMED),
        ("debug with two slashes", get("/rest/1.3//debug"), MALFORMED),
        ("debug by another method", line("POST /rest/1.3/debug HTTP/1.1"), BLOCKED),
        ("debug by HEAD", line("HEAD /rest/1.3/debug HTTP/1.1"), BLOCKED),
        ("debug by OPTIONS", line("OPTIONS /rest/1.3/debug HTTP/1.1"), BLOCKED),
        ("below debug", get("/rest/1.3/debug/x"), BLOCKED),
        ("debug without a key", get_as("none", "/rest/1.3/debug"), KEY),
    ])
    .await;
}

#[tokio::test]
async fn with_a_parameter_that_could_be_misread() {
    let count = |query: &str| get(&format!("/rest/1.3/orders2/count?{query}"));
    let products = |query: &str| get(&format!("/rest/1.3/products/list?{query}"));
    run(vec![
        ("unknown", count("all=true"), PARAMETER),
        ("in another case", count("Role=VENDOR"), PARAMETER),
        ("encoded name", count("%72ole=VENDOR"), PARAMETER),
        ("with brackets", count("role[]=VENDOR"), MALFORMED),
        ("with a dot", count("vendor.x=acme"), PARAMETER),
        ("with a space", count("vendor+=acme"), PARAMETER),
        ("of another endpoint", count("site=acme"), PARAMETER),
        ("twice", count("vendor=acme&vendor=acme"), MALFORMED),
        ("twice, different", count("role=VENDOR&vendor=acme&vendor=zenith"), MALFORMED),
        ("not of the values", count("role=vendor"), MALFORMED),
        ("empty, where values are closed", count("role="), MALFORMED),
        ("without a value", count("role"), MALFORMED),
        ("without a name", count("=VENDOR"), MALFORMED),
        ("nothing before", count("&role=VENDOR"), MALFORMED),
        ("nothing between", count("role=VENDOR&&tid=a"), MALFORMED),
        ("nothing after", count("role=VENDOR&"), MALFORMED),
        ("a semicolon", count("role=VENDOR;vendor=acme"), MALFORMED),
        ("two question marks", count("?role=VENDOR"), PARAMETER),
        ("a broken encoding", count("tid=%4"), MALFORMED),
        ("no UTF-8", count("tid=%ff"), MALFORMED),
        ("overlong UTF-8", count("tid=%c0%af"), MALFORMED),
        ("a zero byte", count("tid=a%00"), MALFORMED),
        ("a line break", count("tid=a%0d%0aX:+y"), MALFORMED),
        ("raw UTF-8", count("tid=caf\u{e9}"), MALFORMED),
        ("a quote", count("tid=a\"b"), MALFORMED),
        ("no owner", products("type=digital"), MALFORMED),
        ("an empty owner", products("site="), MALFORMED),
        ("an owner twice", products("site=acme&site=acme"), MALFORMED),
        ("two owners", products("site=acme&site=zenith"), MALFORMED),
        ("an owner in another case of the name", products("Site=acme"), PARAMETER),
        ("a wildcard for an owner", products("site=acm%25"), MALFORMED),
        ("a list of owners", products("site=acme,zenith"), MALFORMED),
        ("an owner and a space", products("site=acme+"), MALFORMED),
        ("an owner and a zero byte", products("site=acme%00"), MALFORMED),
        ("an owner in full width letters", products("site=%EF%BD%81cme"), MALFORMED),
        ("a foreign owner", products("site=zenith"), Refused(403, "nickname-not-granted")),
        ("an unknown owner", products("site=nobody"), Refused(403, "nickname-not-granted")),
        ("a foreign filter", get("/rest/1.3/quickstats/list?account=zenith"), Refused(403, "nickname-not-granted")),
        ("an empty filter", get("/rest/1.3/quickstats/list?account="), MALFORMED),
        ("a parameter of a document", get("/rest/1.3/orders2/schema?x=1"), PARAMETER),
    ])
    .await;
}

#[tokio::test]
async fn with_headers_that_could_be_misread() {
    let no_host = |lines: &str| format!("GET /rest/1.3/orders2/count HTTP/1.1\r\n{lines}Authorization: {APP}\r\n\r\n");
    run(vec![
        ("no Host", no_host(""), MALFORMED),
        ("an empty Host", no_host("Host:\r\n"), MALFORMED),
        ("two Hosts", no_host("Host: a\r\nHost: b\r\n"), MALFORMED),
        ("two equal Hosts", no_host("Host: a\r\nHost: a\r\n"), MALFORMED),
        ("a list of Hosts", no_host("Host: a, b\r\n"), MALFORMED),
        ("a Host with a path", no_host("Host: gateway/#@evil\r\n"), MALFORMED),
        ("a Host with a user", no_host("Host: user@gateway\r\n"), MALFORMED),
        ("a Host with a broken port", no_host("Host: gateway:port\r\n"), MALFORMED),
        ("a Host by alias", with("Ho.st: x\r\nHost_: y\r\nX_Request.Id: z\r\n"), MALFORMED),
        ("our header with _", with("Gateway_Nickname: acme\r\n"), MALFORMED),
        ("our header with .", with("gateway.nickname: acme\r\n"), MALFORMED),
        ("a length with _", with("Content_Length: 5\r\n"), MALFORMED),
        ("a coding with _", with("Transfer_Encoding: chunked\r\n"), MALFORMED),
        ("a coding with .", with("Transfer.Encoding: chunked\r\n"), MALFORMED),
        ("any name of ours with _", with("Gateway_Anything: x\r\n"), MALFORMED),
        ("an expectation that nobody knows", with("Expect: 200-ok\r\n"), MALFORMED),
        ("two expectations", with("Expect: 100-continue\r\nExpect: 100-continue\r\n"), MALFORMED),
        ("an idempotency key with _", with("Idempotency_Key: 1\r\n"), MALFORMED),
        ("two nicknames", with("Gateway-Nickname: acme\r\nGateway-Nickname: acme\r\n"), MALFORMED),
        (
            "a nickname and another path",
            with("Gateway-Nickname: acme\r\n").replace("/rest", "/@zenith/rest"),
            MALFORMED,
        ),
        ("an empty nickname", with("Gateway-Nickname:\r\n"), Refused(403, "nickname-not-granted")),
        ("a list of nicknames", with("Gateway-Nickname: acme, zenith\r\n"), Refused(403, "nickname-not-granted")),
        ("a wildcard for a nickname", with("Gateway-Nickname: acm%\r\n"), Refused(403, "nickname-not-granted")),
        ("two pages", with("Page: 1\r\nPage: 2\r\n").replace("count", "list"), MALFORMED),
        ("page nought", with("Page: 0\r\n").replace("count", "list"), MALFORMED),
        ("a page with a sign", with("Page: +1\r\n").replace("count", "list"), MALFORMED),
        ("a list of pages", with("Page: 1, 2\r\n").replace("count", "list"), MALFORMED),
        ("an upgrade", with("Connection: Upgrade\r\nUpgrade: websocket\r\n"), MALFORMED),
        (
            "an upgrade to h2c",
            with("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
            MALFORMED,
        ),
        ("settings alone", with("HTTP2-Settings: AAMAAABk\r\n"), MALFORMED),
        ("a trailer announced", with("Trailer: Authorization\r\n"), MALFORMED),
        ("an Accept that is none", with("Accept: application/json;q=2\r\n").replace("count", "list"), MALFORMED),
        (
            "an Accept without a type of ours",
            with("Accept: text/csv\r\n").replace("count", "list"),
            Refused(406, "not-acceptable"),
        ),
        ("a name with a space", with("Gateway-Nickname : acme\r\n"), MALFORMED),
        ("a name with a zero byte", with("X\0: y\r\n"), MALFORMED),
        ("a value with a zero byte", with("X: y\0\r\n"), MALFORMED),
        ("a value with a carriage return", with("X: y\rZ: a\r\n"), MALFORMED),
        ("a line that is folded", with("X: y\r\n z\r\n"), MALFORMED),
        ("a first line that is folded", with("").replace("Host", " Host"), MALFORMED),
        ("a line without a colon", with("X\r\n"), MALFORMED),
        ("an empty name", with(": x\r\n"), MALFORMED),
        ("too many", with(&"X: y\r\n".repeat(80)), Refused(431, "head-too-large")),
        ("too much", with(&format!("X: {}\r\n", "y".repeat(20_000))), Refused(431, "head-too-large")),
    ])
    .await;
}

#[tokio::test]
async fn with_another_method_or_protocol() {
    let path = "/rest/1.3/orders2/count";
    run(vec![
        ("HEAD", line(&format!("HEAD {path} HTTP/1.1")), METHOD),
        ("POST", line(&format!("POST {path} HTTP/1.1")), METHOD),
        ("PUT", line(&format!("PUT {path} HTTP/1.1")), METHOD),
        ("DELETE", line(&format!("DELETE {path} HTTP/1.1")), METHOD),
        ("PATCH", line(&format!("PATCH {path} HTTP/1.1")), METHOD),
        ("TRACE", line(&format!("TRACE {path} HTTP/1.1")), METHOD),
        ("OPTIONS", line(&format!("OPTIONS {path} HTTP/1.1")), METHOD),
        ("OPTIONS for all", line("OPTIONS * HTTP/1.1"), MALFORMED),
        ("CONNECT", line("CONNECT api.clickbank.com:443 HTTP/1.1"), MALFORMED),
        ("CONNECT to a path", line(&format!("CONNECT {path} HTTP/1.1")), METHOD),
        ("a method of its own", line(&format!("REFUND {path} HTTP/1.1")), METHOD),
        ("a method in lower case", line(&format!("get {path} HTTP/1.1")), METHOD),
        (
            "an override",
            line(&format!("POST {path} HTTP/1.1")).replace("Host", "X-HTTP-Method-Override: GET\r\nHost"),
            METHOD,
        ),
        ("a method that is no token", line(&format!("GE(T {path} HTTP/1.1")), MALFORMED),
        ("no method", line(&format!(" {path} HTTP/1.1")), MALFORMED),
        ("no version", format!("GET {path}\r\n\r\n"), MALFORMED),
        ("another version", line(&format!("GET {path} HTTP/1.2")), MALFORMED),
        ("version 2", line(&format!("GET {path} HTTP/2.0")), MALFORMED),
        ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0".into(), HungUp),
        ("the first bytes of TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".into(), HungUp),
        ("HTTP/1.0 without a host", format!("GET {path} HTTP/1.0\r\nAuthorization: {APP}\r\n\r\n"), MALFORMED),
        (
            "HTTP/1.0 with a coding",
            line(&format!("GET {path} HTTP/1.0")).replace("Host", "Transfer-Encoding: chunked\r\nHost"),
            MALFORMED,
        ),
        (
            "HTTP/1.0 with a body",
            line(&format!("POST {path} HTTP/1.0")).replace("Host", "Content-Length: 1\r\nHost") + "x",
            BODY,
        ),
    ])
    .await;
}

#[tokio::test]
async fn without_the_grant() {
    let denied = |caller: &str, target: &str, status, code| (get_as(caller, target), Refused(status, code));
    let cases = [
        ("no permission", denied("reader", "/rest/1.3/products/list?site=acme", 403, "permission-missing")),
        (
            "no permission, any nickname",
            denied("reader", "/rest/1.3/products/list?site=zenith", 403, "permission-missing"),
        ),
        ("another's nickname", denied("reader", "/@zenith/rest/1.3/orders2/count", 403, "nickname-not-granted")),
        ("nobody's nickname", denied("reader", "/@nobody/rest/1.3/orders2/count", 403, "nickname-not-granted")),
        ("a bare count of two", denied("two", "/rest/1.3/tickets/count", 400, "nickname-required")),
        ("a list of two", denied("two", "/rest/1.3/shipping2/list", 400, "nickname-required")),
        ("a wider key's bare count", denied("orbit", "/rest/1.3/tickets/count", 403, "confined-credential-required")),
        ("a wider key's list", denied("orbit", "/rest/1.3/tickets/list", 403, "confined-credential-required")),
        (
            "as an affiliate behind a wider key",
            denied("orbit", "/rest/1.3/orders2/list?role=AFFILIATE", 403, "confined-credential-required"),
        ),
        ("orders behind a wider key", denied("orbit", "/rest/1.3/orders2/list", 501, "not-supported")),
    ];
    let mut cases: Vec<_> = cases.into_iter().map(|(name, (request, expected))| (name, request, expected)).collect();
    let post =
        |caller: &str, target: &str| line(&format!("POST {target} HTTP/1.1")).replace(APP, &format!("{{{caller}}}"));
    let change = "/rest/1.3/orders2/ABCD1234/changeProduct?oldSku=a&newSku=b";
    cases.extend([
        (
            "a change without the permission",
            post("reader", "/rest/1.3/tickets/ABCD1234?type=rfnd&reason=x"),
            Refused(403, "permission-missing"),
        ),
        ("two permissions on different nicknames", post("split", change), Refused(403, "permission-missing")),
        (
            "a change on a receipt",
            post("app", "/rest/1.3/tickets/ABCD1234?type=rfnd&reason=x"),
            Refused(501, "not-supported"),
        ),
    ]);
    run(cases).await;
}
