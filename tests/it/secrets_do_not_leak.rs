//! Secrets and customers' data planted in every place that a caller or ClickBank can put them show nowhere else: not in
//! the program's output at its most talkative, not in answers, not in what the system shows of the process.

use std::fs;

use crate::support::process::Serving;
use crate::support::scene::{demo_simulator, write_for};
use crate::support::secrets::{Secrets, base64};
use crate::support::setup::{Setup, new_key};
use crate::support::upstream::{API_KEY, Act, Certificate, Upstream, answer};
use crate::support::wire::Connection;

const EMAIL: &str = "jane.roe.canary@example.com";
const NAME: &str = "Canary-Roe O'Neill";
/// What a customer's row holds in an answer.
const STREET: &str = "14 Planted Canary Street";

/// What the callers' side plants: keys in wrong places, customers in queries.
fn requests(key: &str, inactive: &str) -> Vec<String> {
    let with = |target: &str, lines: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n{lines}\r\n")
    };
    let without = |lines: &str| format!("GET /rest/1.3/orders2/list HTTP/1.1\r\nHost: gateway\r\n{lines}\r\n");
    let list = "/rest/1.3/orders2/list";
    let (email, name) = (EMAIL.replace('@', "%40"), NAME.replace(' ', "+"));
    vec![
        with(list, ""),
        with(&format!("{list}?email={email}&lastName={name}"), ""),
        with(&format!("{list}?email={EMAIL}"), ""),
        with(&format!("{list}?{email}=1"), ""),
        with(&format!("{list}?email={email}&email={email}"), ""),
        with(&format!("{list}?email={EMAIL}%zz"), ""),
        with(&format!("{list}?role={email}"), ""),
        with(&format!("/rest/1.3/products/list?site={email}"), ""),
        with(&format!("/rest/1.3/{}", EMAIL.replace('@', ".")), ""),
        with(&format!("/@{}/rest/1.3/orders2/list", "janeroecanary"), ""),
        with(&format!("{list}?key={key}"), ""),
        with(&format!("{list}?tid={key}"), ""),
        with(&format!("{list}?{key}=1"), ""),
        with(&format!("{list}?{API_KEY}=1"), ""),
        with(&format!("/rest/1.3/{key}"), ""),
        with(&format!("/rest/1.3/products/{API_KEY}?site=acme"), ""),
        with(list, &format!("X-Request-Id: {key}\r\n")),
        with(list, &format!("X-Request-Id: {API_KEY}\r\n")),
        with(list, &format!("X-Request-Id: {}\r\n", API_KEY.to_ascii_lowercase())),
        with(list, &format!("X-Request-Id: {EMAIL}\r\n")),
        with(list, &format!("Gateway-Nickname: {key}\r\n")),
        with(list, &format!("Gateway-Nickname: {API_KEY}\r\n")),
        with(list, &format!("Accept: {key}/{API_KEY}\r\n")),
        with(list, &format!("Accept: application/json;q={API_KEY}\r\n")),
        with(list, &format!("Page: {API_KEY}\r\n")),
        with(list, &format!("User-Agent: {key}\r\nReferer: http://x/?{key}\r\nX-Email: {EMAIL}\r\n")),
        with(list, &format!("X_{key}: x\r\nGateway_Nickname: {key}\r\n")),
        with(list, &format!("Transfer-Encoding: {API_KEY}\r\n")),
        with(list, &format!("Cookie: {key}\r\n")).replace("GET", &key.replace('_', "-")),
        without(&format!("Authorization: Basic {}\r\n", base64(format!("{key}:x").as_bytes()))),
        without(&format!("Authorization: {inactive}\r\n")),
        without(&format!("Authorization: {key}x\r\n")),
        without(&format!("Authorization: {API_KEY}\r\n")),
        without(&format!("Authorization: {key}:{API_KEY}\r\n")),
        without(&format!("Authorization: {key}\r\nAuthorization: {key}\r\n")),
        without(&format!("X-Api-Key: {key}\r\nProxy-Authorization: {API_KEY}\r\n")),
        without(&format!("Host: {key}@x\r\n")),
        format!("GET http://{key}@gateway/{API_KEY} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /{key}<{API_KEY}> HTTP/9.9\r\n{EMAIL}\r\n\r\n"),
        with(list, "Content-Length: 60\r\n").replace("GET", "POST") + &format!("{key}&{API_KEY}&{EMAIL}"),
    ]
}

/// What the secrets of the run are called. Prefixes are known to everybody, so the search begins with what is random:
/// eight characters of it are enough to tell.
fn plant(secrets: &mut Secrets, keys: &[(&str, &str)]) {
    for (name, secret) in keys {
        let random = secret.split_once(['-', '_']).unwrap().1;
        secrets.plant(name, random, 8);
    }
    for (name, text) in [("an e-mail address", EMAIL), ("a customer's name", NAME), ("an address", STREET)] {
        secrets.plant(name, text, text.len());
    }
}

/// What ClickBank's side plants: customers' rows, and its own key in faults.
fn act(number: usize) -> Act {
    let xml = "Content-Type: application/xml\r\n";
    match number % 6 {
        0 => Act::Answer(answer("200 OK", "Content-Type: text/html\r\n", &format!("{STREET} {API_KEY}"))),
        1 => Act::Answer(answer("302 Found", &format!("Location: https://x/?{API_KEY}\r\nX: {STREET}\r\n"), "")),
        2 => Act::AnswerAndClose(format!("HTTP/1.1 {API_KEY}\r\n{STREET}\r\n\r\n")),
        3 => Act::AnswerAndClose(format!("HTTP/1.1 200 OK\r\n{xml}Content-Length: 900\r\n\r\n{STREET}{API_KEY}")),
        4 => {
            Act::Answer(answer("401 Unauthorized", "Content-Type: text/plain\r\n", &format!("no such key: {API_KEY}")))
        }
        _ => Act::Answer(answer("200 OK", &format!("{xml}Set-Cookie: k={API_KEY}\r\nX-Echo: {API_KEY}\r\n"), "<a/>")),
    }
}

/// Everything that the system shows of a process to others who may look.
fn shown_by_the_system(process: u32) -> Vec<u8> {
    let mut shown = Vec::new();
    for file in ["cmdline", "environ", "comm", "status", "maps", "mountinfo"] {
        shown.extend(fs::read(format!("/proc/{process}/{file}")).unwrap_or_default());
    }
    for thread in fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        shown.extend(fs::read(thread.unwrap().path().join("comm")).unwrap_or_default());
    }
    assert!(!shown.is_empty());
    shown
}

#[tokio::test]
async fn no_output_shows_a_secret_or_a_customer() {
    let upstream = Upstream::start(Certificate::Good, act).await;
    let inactive = new_key();
    let state = "state = \"state\"";
    let setup = Setup::acme().top(state).caller_with("off", &inactive, "status = \"inactive\"", "");
    let mut written = upstream.write(&setup);
    let key = written.keys["app"].clone();
    plant(&mut written.secrets, &[("our key", &key), ("our inactive key", &inactive), ("ClickBank's key", API_KEY)]);
    let requests = requests(&key, &inactive);

    for format in ["json", "text"] {
        let serving = Serving::start_logging(&written.file, format).await;
        let mut answers = 0;
        for request in &requests {
            let mut connection = Connection::open(serving.address(), &written.secrets).await;
            connection.send(request).await;
            // Each answer is swept as it is read.
            answers += usize::from(connection.next_answer().await.is_some());
        }
        assert_eq!(answers, requests.len());
        written.secrets.sweep("what the system shows", &shown_by_the_system(serving.process.id()));
        let mut health = Connection::open(serving.health, &written.secrets).await;
        health.send(format!("GET /readyz?{key} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n")).await;
        assert_eq!(health.answer().await.status, 200);
        let mut metrics = Connection::open(serving.health, &written.secrets).await;
        metrics.send(format!("GET /metrics?{key} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n")).await;
        let told = metrics.answer().await;
        assert!(told.status == 200 && told.text().contains("key-refused"), "{}", told.text());
        // A second gateway that fails to start for the first one's sake says nothing either.
        serving.process.signal("TERM");
        let ended = serving.process.end().await;
        assert_eq!(ended.code, Some(0));
        // One line a request, at least: the sweep is not of silence.
        assert!(ended.lines.len() >= requests.len(), "{:#?}", ended.lines);
        ended.sweep(&written.secrets);
    }
    let arrived = upstream.heads();
    assert!(arrived.len() > 10, "{}", arrived.len());
    assert!(arrived.iter().all(|head| head.contains(&format!("authorization: {API_KEY}\r\n"))));
    // What is kept on disk holds neither: counts, digests, grants.
    let mut kept = Vec::new();
    for file in fs::read_dir(written.path().join("state")).unwrap() {
        kept.extend(fs::read(file.unwrap().path()).unwrap());
    }
    assert!(!kept.is_empty());
    kept.extend(fs::read(written.path().join("keys.toml")).unwrap());
    kept.extend(fs::read(&written.file).unwrap());
    written.secrets.sweep("a file that is kept", &kept);
}

#[tokio::test]
async fn what_a_start_that_fails_says_shows_no_secret() {
    let simulator = demo_simulator().await;
    for (file, text) in [
        ("clickbank-acme", format!("{API_KEY} and more")),
        ("clickbank-acme", format!("DEV-1:{API_KEY}")),
        ("clickbank-acme", "cbgw_PLANTEDKEYOFOURS0123456789".to_owned()),
        ("keys.toml", format!("[keys.app]\nid = \"a\"\nstatus = \"active\"\ndigest = \"{API_KEY}\"\n")),
        ("keys.toml", format!("[keys.app]\nid = \"a\"\nstatus = \"active\"\ndigest = \"{API_KEY}\n")),
        (
            "keys.toml",
            "[keys.app]\nid = \"a\"\nstatus = \"active\"\ndigest = \"cbgw_PLANTEDKEYOFOURS0123456789\"\n".to_owned(),
        ),
    ] {
        let mut written = write_for(&Setup::acme(), &simulator);
        let ours = "cbgw_PLANTEDKEYOFOURS0123456789";
        plant(&mut written.secrets, &[("our key", ours), ("ClickBank's key", API_KEY)]);
        written.file_for_owner(file, &text);
        for command in ["serve", "check"] {
            use crate::support::process::{Lines, Process};
            let arguments = ["--config", written.file.to_str().unwrap(), command];
            let ended = Process::start(&arguments, Lines::Stderr).end().await;
            assert!(matches!(ended.code, Some(1 | 2)), "{command} {file}: {:?}", ended.lines);
            ended.sweep(&written.secrets);
        }
    }
}
