//! An answer of ClickBank's that repeats the credential is kept back, wherever and however it does: the caller sees no
//! trace of it, and the operators get an alarm that does not repeat it.

use std::fmt::Write as _;

use crate::support::process::Serving;
use crate::support::secrets::base64;
use crate::support::setup::Setup;
use crate::support::upstream::{API_KEY, Act, Certificate, Upstream, answer};
use crate::support::wire::Connection;

const READ: &str = "/rest/1.3/orders2/list";
const CHANGE: &str = "/rest/1.3/products/a-1?site=acme&currency=USD&price=1&language=EN&title=t";
const DEVELOPER_KEY: &str = "DEV-4H7PLANTEDDEVELOPERKEY2M";

const XML: &str = "Content-Type: application/xml\r\n";
const TEXT: &str = "Content-Type: text/plain\r\n";

/// What comes of an answer: what the caller is told of a read, and of a change.
type Told = [&'static str; 2];

const ECHOED: Told = ["credential-echoed", "credential-echoed"];
const DONE: Told = ["credential-echoed", "executed-answer-withheld"];
const UNKNOWN: Told = ["credential-echoed", "outcome-unknown"];
const REFUSED: Told = ["credential-refused", "credential-refused"];

/// Each byte in one spelling.
fn each(text: &str, spell: impl Fn(u8) -> String) -> String {
    text.bytes().map(spell).collect()
}

/// The key in every spelling in which a body could repeat it.
fn spellings() -> Vec<(&'static str, String)> {
    let random = API_KEY.strip_prefix("API-").unwrap();
    let percent = each(API_KEY, |byte| format!("%{byte:02X}"));
    let pair = format!("{DEVELOPER_KEY}:{API_KEY}");
    let in_lines = |line_end: &str| {
        base64(pair.as_bytes()).as_bytes().chunks(16).fold(String::new(), |mut text, line| {
            write!(text, "{}{line_end}", std::str::from_utf8(line).unwrap()).unwrap();
            text
        })
    };
    vec![
        ("as it is", API_KEY.to_owned()),
        ("behind the developer key", pair.clone()),
        ("the developer key alone", DEVELOPER_KEY.to_owned()),
        ("without its prefix", random.to_owned()),
        ("in lower case", API_KEY.to_lowercase()),
        ("percent-encoded", percent.clone()),
        ("percent-encoded in part", random.replace('K', "%4b")),
        ("percent-encoded twice", percent.replace('%', "%25")),
        ("escaped as in JSON", each(random, |byte| format!("\\u{byte:04x}"))),
        ("escaped as in JSON in part", random.replace('P', "\\u0050")),
        ("in decimal references", each(random, |byte| format!("&#{byte};"))),
        ("in hexadecimal references", each(random, |byte| format!("&#x00{byte:X};"))),
        ("in references escaped", each(random, |byte| format!("&amp;#{byte};"))),
        ("in sections", format!("{}<![CDATA[{}]]>", &random[..9], &random[9..])),
        ("around a comment", format!("{}<!-- x -->{}", &random[..9], &random[9..])),
        ("in base64", base64(API_KEY.as_bytes())),
        ("in base64 as a pair", base64(pair.as_bytes())),
        ("in base64 with more before", base64(format!("k={pair}\n").as_bytes())),
        ("in base64 with still more before", base64(format!("ky={API_KEY}").as_bytes())),
        ("in base64 in lines", in_lines("\r\n")),
        ("in base64 in lines of JSON", in_lines("\\n")),
        ("in base64, percent-encoded", base64(API_KEY.as_bytes()).replace('=', "%3D")),
        ("in hexadecimal", each(API_KEY, |byte| format!("{byte:02x}"))),
    ]
}

/// Answers that repeat the key, and what comes of each.
fn cases() -> Vec<(String, Act, Told)> {
    let full = |status: &str, lines: &str, body: &str| Act::Answer(answer(status, lines, body));
    let mut cases: Vec<(String, Act, Told)> = Vec::new();
    for (spelling, text) in spellings() {
        cases.push((format!("{spelling} in text"), full("200 OK", TEXT, &format!("k={text}.")), DONE));
        cases.push((format!("{spelling} in XML"), full("200 OK", XML, &format!("<a>{text}</a>")), DONE));
        cases.push((format!("{spelling} in a refusal"), full("403 Forbidden", TEXT, &text), ECHOED));
        if !text.contains('\n') {
            let lines = format!("{XML}X-Echo: k={text};\r\n");
            cases.push((format!("{spelling} in a field"), full("200 OK", &lines, "<a/>"), DONE));
        }
    }
    let chunked = |status: &str, chunks: &str, trailers: &str| {
        Act::Answer(format!("HTTP/1.1 {status}\r\n{XML}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n{trailers}\r\n"))
    };
    let split =
        format!("8\r\n<a>{}\r\n", &API_KEY[..5]) + &format!("{:x}\r\n{}</a>\r\n", API_KEY.len() - 1, &API_KEY[5..]);
    let cookie = format!("{XML}Set-Cookie: k={API_KEY}\r\nSet-Cookie: l=m\r\n");
    let large = format!("<a>{}{API_KEY}{}</a>", "x".repeat(600_000), "y".repeat(70_000));
    let more: Vec<(&str, Act, Told)> = vec![
        ("in a cookie", full("200 OK", &cookie, "<a/>"), DONE),
        ("in the name of a field", full("200 OK", &format!("{XML}X-{API_KEY}: y\r\n"), "<a/>"), DONE),
        ("in the type", full("200 OK", &format!("Content-Type: text/plain; k={API_KEY}\r\n"), "x"), DONE),
        ("in the reason", full(&format!("200 {API_KEY}"), XML, "<a/>"), DONE),
        ("in the reason of a refusal", full(&format!("400 no such key as {API_KEY}"), TEXT, ""), ECHOED),
        ("in chunks", chunked("200 OK", &split, ""), DONE),
        ("in a trailer", chunked("200 OK", "4\r\n<a/>\r\n", &format!("X-Echo: {API_KEY}\r\n")), DONE),
        ("far within", full("200 OK", XML, &large), DONE),
        ("in an answer without a body", Act::Answer(format!("HTTP/1.1 204 No Content\r\nX: {API_KEY}\r\n\r\n")), DONE),
        ("in a page of several", full("206 Partial Content", XML, &format!("<a b='{API_KEY}'/>")), DONE),
        // What would be withheld for another reason as well.
        ("in a page for people", full("200 OK", "Content-Type: text/html\r\n", API_KEY), DONE),
        ("in what is not well-formed", full("200 OK", XML, API_KEY), DONE),
        ("in an unusual success", full("202 Accepted", XML, API_KEY), DONE),
        ("in where it redirects to", full("302 Found", &format!("Location: https://x/?{API_KEY}\r\n"), ""), UNKNOWN),
        ("in the words of a redirect", full("307 Temporary Redirect", TEXT, API_KEY), UNKNOWN),
        (
            "in what breaks off",
            Act::AnswerAndClose(format!("HTTP/1.1 200 OK\r\n{XML}Content-Length: 900\r\n\r\n<a>{API_KEY}")),
            DONE,
        ),
        ("in a page of a refusal", full("404 Not Found", "Content-Type: text/html\r\n", API_KEY), ECHOED),
        ("in a failure", full("500 Internal Server Error", TEXT, API_KEY), UNKNOWN),
        ("in a field of a failure", full("503 Service Unavailable", &format!("X: {API_KEY}\r\n"), ""), UNKNOWN),
        // It does not accept the key: that is what the operators have to mend.
        ("in the words for not accepting it", full("401 Unauthorized", TEXT, &format!("{API_KEY}?")), REFUSED),
    ];
    cases.extend(more.into_iter().map(|(name, act, told)| (name.to_owned(), act, told)));
    cases
}

async fn call(
    serving: &Serving,
    written: &crate::support::setup::Written,
    method: &str,
) -> crate::support::wire::Answer {
    let target = if method == "GET" { READ } else { CHANGE };
    let key = &written.keys["app"];
    let mut connection = Connection::open(serving.address(), &written.secrets).await;
    connection.send(format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n")).await;
    connection.answer().await
}

#[tokio::test]
async fn an_answer_that_repeats_the_credential_is_kept_back_with_an_alarm() {
    let cases = cases();
    let acts: Vec<Act> = cases.iter().flat_map(|(_, act, _)| [act.clone(), act.clone()]).collect();
    let upstream = Upstream::start(Certificate::Good, move |number| acts[number].clone()).await;
    // Each answer is told of, and not the last of several.
    let mut written = upstream.write(&Setup::acme().upstream("retries = 0"));
    // Everybody knows the prefixes: what must not show begins after them.
    written.secrets.plant("the API key", API_KEY.strip_prefix("API-").unwrap(), 8);
    written.secrets.plant("the developer key", DEVELOPER_KEY.strip_prefix("DEV-").unwrap(), 8);
    written.file_for_owner("developer", DEVELOPER_KEY);
    let text = std::fs::read_to_string(&written.file).unwrap();
    let with_developer = "[credentials.acme]\ndeveloper_key = { file = \"developer\" }\n";
    written.file_for_owner("gateway.toml", &text.replace("[credentials.acme]\n", with_developer));

    let serving = Serving::start_logging(&written.file, "json").await;
    for (name, _, told) in &cases {
        for (method, told) in ["GET", "PUT"].into_iter().zip(told) {
            let answer = call(&serving, &written, method).await;
            assert_eq!(answer.outcome(), (502, Some(*told)), "{method} {name}: {}", answer.text());
        }
    }
    let heads = upstream.heads();
    assert_eq!(heads.len(), 2 * cases.len());
    assert!(heads[0].contains(&format!("authorization: {DEVELOPER_KEY}:{API_KEY}\r\n")), "{}", heads[0]);

    serving.process.signal("TERM");
    let ended = serving.process.end().await;
    ended.sweep(&written.secrets);
    let lines = ended.lines.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let records: Vec<serde_json::Value> = lines.filter(|line| line["message"] == "request").collect();
    assert_eq!(records.len(), 2 * cases.len());
    let told = cases.iter().flat_map(|(name, _, told)| told.map(|told| (name, told)));
    for (record, (name, told)) in records.iter().zip(told) {
        assert_eq!(record["level"], "WARN", "{name}: {record}");
        assert_eq!(record["error"], told, "{name}: {record}");
        assert_eq!(record["upstream_fault"], "credential-echoed", "{name}: {record}");
        assert_eq!(record["credential"], "acme", "{name}: {record}");
    }
}

#[tokio::test]
async fn the_answer_says_what_became_of_a_change_that_was_refused() {
    let act = Act::plain("403 Forbidden", API_KEY);
    let trouble = Upstream::start(Certificate::Good, move |_| act.clone()).await.behind(&Setup::acme()).await;
    let details = [trouble.call("GET", READ).await, trouble.call("PUT", CHANGE).await]
        .map(|answer| answer.json()["detail"].as_str().unwrap().to_owned());
    assert!(details[0].contains("Nothing was changed"), "{}", details[0]);
    assert!(details[1].contains("ClickBank refused the change"), "{}", details[1]);
}

#[tokio::test]
async fn what_is_like_the_credential_but_is_not_passes() {
    let random = API_KEY.strip_prefix("API-").unwrap();
    let public = "DEV-123456789012345678901234567890123456";
    for text in ["API-", public, "API-7K3PLANTEDQ8X2CLICKBANKKEY8X", &random[..10], "100% &amp; %41%50%49-"] {
        let text = text.to_owned();
        let body = format!("<a>{text}</a>");
        let act = Act::Answer(answer("200 OK", &format!("{XML}X-Like: {text}\r\n"), &body));
        let upstream = Upstream::start(Certificate::Good, move |_| act.clone()).await;
        let written = upstream.write(&Setup::acme());
        written.file_for_owner("developer", public);
        let file = std::fs::read_to_string(&written.file).unwrap();
        let with_developer = "[credentials.acme]\ndeveloper_key = { file = \"developer\" }\n";
        written.file_for_owner("gateway.toml", &file.replace("[credentials.acme]\n", with_developer));
        let trouble = upstream.behind_written(written).await;
        let mut connection = Connection::open(trouble.address(), &crate::support::secrets::Secrets::default()).await;
        let key = &trouble.written.keys["app"];
        connection.send(format!("GET {READ} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n")).await;
        let answer = connection.answer().await;
        assert_eq!((answer.outcome(), answer.text()), ((200, None), body), "{text}");
    }
}

#[tokio::test]
async fn an_open_document_fetched_without_a_credential_is_not_searched() {
    let act = Act::Answer(answer("200 OK", XML, "<schema/>"));
    let trouble = Upstream::start(Certificate::Good, move |_| act.clone()).await.behind(&Setup::acme()).await;
    let answer = trouble.call("GET", "/rest/1.3/orders2/schema").await;
    assert_eq!((answer.outcome(), answer.text().as_str()), ((200, None), "<schema/>"));
    assert!(!trouble.heads()[0].contains("authorization"), "{:?}", trouble.heads());
}
