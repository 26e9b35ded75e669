//! What the health listener tells in numbers: each request moves its own series and no other, whatever callers send
//! makes no series, and what is told stands in `docs/metrics.md`.

#![expect(clippy::float_cmp, reason = "counts are whole numbers, which are exact")]

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clickbank_gateway::config::built_in_endpoints;
use clickbank_gateway::rejection::Code;
use clickbank_gateway::reload::Outcome;
use clickbank_gateway::server::Gateway;

use crate::support::openmetrics::{Page, Series};
use crate::support::process::Serving;
use crate::support::scene::{Scene, demo_simulator, start_gateway, write_for};
use crate::support::secrets::Secrets;
use crate::support::setup::{Setup, everything_on, new_key};
use crate::support::upstream::{Act, Certificate, Trouble, Upstream, answer};
use crate::support::wire::{Answer, Connection};
use crate::support::within;

const READ: &str = "/rest/1.3/products/list?site=acme";

async fn ask(address: SocketAddr, secrets: &Secrets, method: &str) -> Answer {
    let mut connection = Connection::open(address, secrets).await;
    connection.send(format!("{method} /metrics HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    if method == "HEAD" { connection.answer_to_head().await } else { connection.answer().await }
}

/// What is exposed now. Whatever was planted is searched for in it.
async fn scrape(gateway: &Gateway, secrets: &Secrets) -> Page {
    let answer = ask(gateway.health_address(), secrets, "GET").await;
    assert_eq!(answer.status, 200);
    Page::read(&answer.text())
}

impl Scene {
    async fn metrics(&self) -> Page {
        scrape(&self.gateway, &self.written.secrets).await
    }
}

impl Trouble {
    async fn metrics(&self) -> Page {
        scrape(&self.gateway, &self.written.secrets).await
    }
}

async fn reload(gateway: &Gateway) -> Outcome {
    let reload = Arc::clone(gateway.reload());
    tokio::task::spawn_blocking(move || reload.now()).await.unwrap()
}

/// What a request moves that ended in an answer: besides these, its own.
fn moved(endpoint: &str, outcome: &str, (decision, reason): (&str, &str), status: u16, more: &[&str]) -> Vec<String> {
    let mut moved = vec![
        "connections_total +1".to_owned(),
        format!("decisions_total{{decision={decision},reason={reason}}} +1"),
        "own_duration_seconds_count +1".to_owned(),
        format!("request_duration_seconds_count{{endpoint={endpoint}}} +1"),
        format!("requests_total{{endpoint={endpoint},outcome={outcome}}} +1"),
        format!("responses_total{{status={status}}} +1"),
    ];
    moved.extend(more.iter().map(|&more| format!("{more} +1")));
    moved.sort();
    moved
}

#[tokio::test]
async fn it_is_open_metrics_for_whoever_reads() {
    let scene = Scene::start(&Setup::acme()).await;
    let secrets = &scene.written.secrets;
    let whole = ask(scene.gateway.health_address(), secrets, "GET").await;
    let media = Some("application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!((whole.status, whole.header("content-type")), (200, media));
    assert_eq!(whole.header("cache-control"), Some("no-store"));
    let head = ask(scene.gateway.health_address(), secrets, "HEAD").await;
    assert_eq!((head.status, head.header("content-type"), head.body.len()), (200, media, 0));
    assert!(head.header("content-length").is_some_and(|length| length.len() == whole.body.len().to_string().len()));
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(ask(scene.gateway.health_address(), secrets, method).await.status, 405, "{method}");
    }
    let page = Page::read(&whole.text());
    let version = format!("build_info{{version={}}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (page.value(&version), page.value("ready"), page.value("config_degraded")),
        (Some(1.0), Some(1.0), Some(0.0))
    );
    assert!(page.families["clickbank_gateway_requests"].help.contains("Requests"));
}

#[tokio::test]
async fn each_request_moves_its_own_series_and_no_other() {
    let analytics = "analytics = [\"acme\"]\n";
    let setup =
        Setup::acme().caller("weak", analytics).caller_with("off", &new_key(), "status = \"inactive\"", analytics);
    let scene = Scene::start(&setup).await;
    let request = |caller: &str, method: &str, target: &str, lines: &str| {
        let key = scene.key(caller);
        format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n{lines}\r\n")
    };
    let upstream = ["upstream_duration_seconds_count{endpoint=products.list}", "wait_duration_seconds_count"];
    let none = "(none)";
    for (sent, expected) in [
        (request("app", "GET", READ, ""), moved("products.list", "answered", ("allow", "confined"), 200, &upstream)),
        (
            request("app", "GET", "/rest/1.3/products/no-such-product?site=acme", ""),
            moved(
                "products.get",
                "answered",
                ("allow", "confined"),
                403,
                &["upstream_duration_seconds_count{endpoint=products.get}", "wait_duration_seconds_count"],
            ),
        ),
        (
            request("app", "GET", READ, "").replace("Authorization", "X-Nothing"),
            moved(none, "key-refused", ("deny", "not-one-authorization"), 401, &[]),
        ),
        (request("off", "GET", READ, ""), moved(none, "key-refused", ("deny", "inactive"), 401, &[])),
        (
            request("app", "GET", READ, "").replace(scene.key("app"), "API-0123456789ABCDEFGHIJKLMNOPQRSTUVWX"),
            moved(none, "key-refused", ("deny", "clickbank-key"), 401, &["alarms_total"]),
        ),
        (
            request("app", "GET", "/rest/1.3/nothing", ""),
            moved(none, "unknown-endpoint", ("deny", "unknown-endpoint"), 404, &[]),
        ),
        (
            request("app", "PATCH", READ, ""),
            moved(none, "method-not-allowed", ("deny", "method-not-allowed"), 405, &[]),
        ),
        (
            request("weak", "GET", READ, ""),
            moved("products.list", "permission-missing", ("deny", "permission-missing"), 403, &[]),
        ),
        (
            request("app", "GET", READ, "").replace("acme", "zenith"),
            moved("products.list", "nickname-not-granted", ("deny", "nickname-not-granted"), 403, &[]),
        ),
        (
            request("app", "GET", READ, "Host: twice\r\n"),
            moved(none, "malformed-request", ("deny", "malformed-request"), 400, &[]),
        ),
    ] {
        let before = scene.metrics().await;
        let mut connection = scene.connect().await;
        connection.send(&sent).await;
        connection.answer().await;
        assert_eq!(scene.metrics().await.grown_since(&before), expected, "{sent}");
    }
    // What is no request.
    let before = scene.metrics().await;
    let mut connection = scene.connect().await;
    connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(connection.closed_without_http().await);
    let after = within("the connection to be counted", async {
        loop {
            let page = scene.metrics().await;
            if page.grown_since(&before).len() > 1 {
                return page;
            }
        }
    });
    let cut = ["connections_cut_total{reason=http2-preface} +1", "connections_total +1"];
    assert_eq!(after.await.grown_since(&before), cut);
}

#[tokio::test]
async fn what_a_limit_refuses_is_counted_as_allowed_and_refused() {
    let scene = Scene::start(&Setup::acme().limits("per_second = 1000\nper_day = 1")).await;
    assert_eq!(scene.get("app", READ).await.outcome(), (200, None));
    let before = scene.metrics().await;
    assert_eq!(scene.get("app", READ).await.outcome(), (429, Some("limit-per-day")));
    let after = scene.metrics().await;
    assert_eq!(after.grown_since(&before), moved("products.list", "limit-per-day", ("allow", "confined"), 429, &[]));
    assert_eq!((after.value("day_requests"), after.value("day_requests_limit")), (Some(1.0), Some(1.0)));
}

#[tokio::test]
async fn look_ups_owners_that_are_known_and_rows_of_others_are_counted() {
    let setup = Setup::new()
        .credential("all", "orders_read = [\"acme\", \"acmeaff\", \"zenith\", \"orbit\"]")
        .caller("app", "orders_read = [\"acme\"]");
    let scene = Scene::start(&setup).await;
    let (ticket, mixed) = {
        let world = scene.world();
        let records = world.records();
        let sellers = |receipt: &str| -> BTreeSet<String> {
            records.orders_of(receipt).map(|order| order.seller.to_string()).collect()
        };
        let acme = BTreeSet::from(["acme".to_owned()]);
        let pair = BTreeSet::from(["acme".to_owned(), "zenith".to_owned()]);
        let mut tickets = records.tickets.iter();
        let ticket = tickets.find(|it| sellers(&it.receipt) == acme && !it.receipt.contains('-')).unwrap();
        let mixed = records.orders.iter().find(|order| sellers(&order.receipt) == pair).unwrap();
        (ticket.id.to_string(), mixed.receipt.clone())
    };
    let expect = |page: &Page, look_ups, owners_known, owners_unknown, rows_dropped| {
        let found = ["look_ups_total", "owner_queries_total{result=known}", "owner_queries_total{result=unknown}"];
        assert_eq!(found.map(|name| page.value(name).unwrap()), [look_ups, owners_known, owners_unknown]);
        let dropped = page.value("rows_dropped_total").unwrap();
        assert!((dropped > 0.0) == rows_dropped, "{dropped}");
    };
    let target = format!("/rest/1.3/tickets/{ticket}");
    assert_eq!(scene.get("app", &target).await.outcome(), (200, None));
    let page = scene.metrics().await;
    expect(&page, 2.0, 0.0, 2.0, false);
    assert_eq!(page.value("owners_kept"), Some(2.0));
    assert_eq!(scene.get("app", &target).await.outcome(), (200, None));
    expect(&scene.metrics().await, 2.0, 1.0, 2.0, false);
    assert_eq!(scene.get("app", &format!("/rest/1.3/orders2/{mixed}")).await.outcome(), (200, None));
    expect(&scene.metrics().await, 2.0, 1.0, 2.0, true);
}

#[tokio::test]
async fn faults_at_clickbanks_end_are_told_apart_and_some_are_alarms() {
    for (act, outcome, status, fault, alarms) in [
        (Act::AnswerAndClose("nonsense\r\n\r\n".to_owned()), "answer-unreadable", 502, "malformed-answer", false),
        (
            Act::Answer(answer("302 Found", "Location: /x\r\n", "")),
            "answer-unreadable",
            502,
            "unexpected-status",
            false,
        ),
        (Act::plain("401 Unauthorized", "no"), "credential-refused", 502, "credential-refused", true),
    ] {
        let trouble = Upstream::start(Certificate::Good, move |_| act.clone()).await.behind(&Setup::acme()).await;
        let before = trouble.metrics().await;
        assert_eq!(trouble.call("GET", READ).await.outcome(), (status, Some(outcome)));
        let fault = format!("upstream_faults_total{{fault={fault}}}");
        let upstream = "upstream_duration_seconds_count{endpoint=products.list}";
        let mut more = vec![fault.as_str(), upstream, "wait_duration_seconds_count"];
        more.extend(alarms.then_some("alarms_total"));
        let expected = moved("products.list", outcome, ("allow", "confined"), status, &more);
        assert_eq!(trouble.metrics().await.grown_since(&before), expected);
    }
}

#[tokio::test]
async fn reads_that_were_sent_again_are_counted_by_why() {
    for (first, reason, fault) in [
        (Act::AnswerAndClose(String::new()), "closed-before-answer", Some("closed-before-answer")),
        (Act::plain("502 Bad Gateway", "no"), "status-502", None),
        (Act::plain("503 Service Unavailable", "no"), "status-503", None),
        (Act::plain("504 Gateway Timeout", "no"), "status-504", None),
    ] {
        let act = move |number| if number == 0 { first.clone() } else { Act::plain("200 OK", "1") };
        let trouble = Upstream::start(Certificate::Good, act).await.behind(&Setup::acme()).await;
        let before = trouble.metrics().await;
        assert_eq!(trouble.call("GET", READ).await.outcome(), (200, None));
        let again = format!("upstream_retries_total{{reason={reason}}}");
        let fault = fault.map(|fault| format!("upstream_faults_total{{fault={fault}}}"));
        let upstream = "upstream_duration_seconds_count{endpoint=products.list}";
        let mut more = vec![again.as_str(), upstream, "wait_duration_seconds_count"];
        more.extend(fault.as_deref());
        let expected = moved("products.list", "answered", ("allow", "confined"), 200, &more);
        assert_eq!(trouble.metrics().await.grown_since(&before), expected, "{reason}");
    }
    // A connection that was dead is none of ClickBank's faults.
    let act = |number| if number == 1 { Act::AnswerAndClose(String::new()) } else { Act::plain("200 OK", "1") };
    let trouble = Upstream::start(Certificate::Good, act).await.behind(&Setup::acme()).await;
    assert_eq!(trouble.call("GET", READ).await.outcome(), (200, None));
    let before = trouble.metrics().await;
    assert_eq!(trouble.call("GET", READ).await.outcome(), (200, None));
    let more = [
        "upstream_duration_seconds_count{endpoint=products.list}",
        "upstream_retries_total{reason=stale-connection}",
        "wait_duration_seconds_count",
    ];
    let expected = moved("products.list", "answered", ("allow", "confined"), 200, &more);
    assert_eq!(trouble.metrics().await.grown_since(&before), expected);
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_counted_once_and_is_in_flight_until_then() {
    let act = Act::AnswerWhenTold(answer("200 OK", "Content-Type: application/xml\r\n", "<late/>"));
    let trouble = Upstream::start(Certificate::Good, move |_| act.clone()).await.behind(&Setup::acme()).await;
    let before = trouble.metrics().await;
    let mut connection = Connection::open(trouble.address(), &trouble.written.secrets).await;
    let key = &trouble.written.keys["app"];
    connection.send(format!("GET {READ} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n")).await;
    within("a request at the upstream", async {
        while trouble.heads().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let during = trouble.metrics().await;
    let states = ["requests_in_flight", "connections_open", "requests_waiting"];
    assert_eq!(states.map(|name| during.value(name).unwrap()), [1.0, 1.0, 0.0]);
    assert_eq!(during.grown_since(&before), ["connections_total +1"], "it is not over");
    drop(connection);
    let after = within("the request to be given up", async {
        loop {
            let page = trouble.metrics().await;
            if page.value("connections_open") == Some(0.0) {
                return page;
            }
        }
    });
    let after = after.await;
    let expected = [
        "connections_total +1",
        "decisions_total{decision=allow,reason=confined} +1",
        "request_duration_seconds_count{endpoint=products.list} +1",
        "requests_total{endpoint=products.list,outcome=caller-gone} +1",
        "wait_duration_seconds_count +1",
    ];
    assert_eq!(after.grown_since(&before), expected);
    assert_eq!(states.map(|name| after.value(name).unwrap()), [0.0; 3]);
}

#[tokio::test]
async fn who_waits_for_a_turn_is_seen_waiting() {
    let limits = "per_second = 1\nper_day = 1000000\nmax_wait = \"60s\"";
    let scene = Scene::start(&Setup::acme().limits(limits)).await;
    let [one, two, three] = [(); 3].map(|()| scene.get("app", READ));
    let seen = async {
        loop {
            let page = scene.metrics().await;
            if page.value("requests_waiting") == Some(2.0) {
                return page;
            }
        }
    };
    let (seen, ..) = tokio::join!(within("two to wait", seen), one, two, three);
    assert!(seen.value("requests_in_flight") >= Some(2.0));
    let sum = scene.metrics().await.value("wait_duration_seconds_sum").unwrap();
    assert!(sum > 2.5, "the second waited a second, the third two: {sum}");
}

#[tokio::test]
async fn the_gateways_own_time_is_what_is_left_of_the_whole() {
    let act = Act::AnswerWhenTold(answer("200 OK", "Content-Type: application/xml\r\n", "<late/>"));
    let trouble = Upstream::start(Certificate::Good, move |_| act.clone()).await;
    let trouble = trouble.behind(&Setup::acme()).await;
    let pause = Duration::from_millis(300);
    let late = async {
        tokio::time::sleep(pause).await;
        trouble.tell();
    };
    let (answer, ()) = tokio::join!(trouble.call("GET", READ), late);
    assert_eq!(answer.status, 200);
    let page = trouble.metrics().await;
    let sum = |name: &str| page.value(name).unwrap();
    let total = sum("request_duration_seconds_sum{endpoint=products.list}");
    let upstream = sum("upstream_duration_seconds_sum{endpoint=products.list}");
    let (waiting, own) = (sum("wait_duration_seconds_sum"), sum("own_duration_seconds_sum"));
    assert!(upstream > 0.2 && total >= upstream + waiting, "{total} {upstream} {waiting}");
    assert!((total - upstream - waiting - own).abs() < 1e-6, "{total} {upstream} {waiting} {own}");
}

/// Every label of the gateway's own, with what it may say.
fn may_say(label: &str, value: &str) -> bool {
    let words = |words: &[&str]| words.contains(&value);
    let code = |value: &str| Code::ALL.iter().any(|code| code.as_str() == value);
    match label {
        "endpoint" => value == "(none)" || built_in_endpoints().unwrap().iter().any(|endpoint| endpoint.name == value),
        "outcome" => words(&["answered", "caller-gone"]) || code(value),
        "decision" => words(&["allow", "deny", "none"]),
        "reason" | "fault" => code(value) || documented("docs/logging.md").contains(value) || value == "caller-gone",
        "status" => value.parse().is_ok_and(|status: u16| (100..600).contains(&status)),
        "result" => words(&["known", "unknown", "applied", "refused"]),
        "state" => words(&["active", "expired", "inactive", "unknown", "alive", "dead"]),
        "reach" => words(&["unseen", "verified", "wider", "narrower"]),
        "within" => words(&["7d", "30d"]),
        "credential" => value == "acme",
        "version" => value == env!("CARGO_PKG_VERSION"),
        "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
        _ => false,
    }
}

/// The texts between backticks in the first cells of a document's tables, and in its lists.
fn documented(file: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[tokio::test]
async fn nothing_that_callers_send_makes_a_series() {
    let scene = Scene::start(&Setup::acme()).await;
    let canary = "CANARYcanary0123456789";
    assert_eq!(scene.get("app", READ).await.outcome(), (200, None));
    let key = scene.key("app").to_owned();
    let send = async |request: String| {
        let mut connection = Connection::open(scene.address(), &Secrets::default()).await;
        connection.send(request).await;
        let _ = connection.next_answer().await;
    };
    let mut sizes = Vec::new();
    for round in 0..3 {
        for number in 0..20 {
            let own = format!("{canary}{round}x{number}");
            let with = |method: &str, target: &str, key: &str, lines: &str| {
                format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n{lines}\r\n")
            };
            let method = format!(
                "CANARY{}",
                own.to_ascii_uppercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "")
            );
            send(with(&method, READ, &key, "")).await;
            send(with("GET", &format!("/rest/1.3/{own}/list"), &key, "")).await;
            send(with("GET", &format!("/rest/1.3/products/{own}?site=acme"), &key, "")).await;
            send(with("GET", &format!("/rest/1.3/products/list?site={own}"), &key, "")).await;
            send(with("GET", &format!("{READ}&{own}=1"), &key, "")).await;
            send(with("GET", &format!("/@{own}{READ}"), &key, "")).await;
            send(with("GET", READ, &own, "")).await;
            send(with("GET", READ, &format!("cbgw_{own}"), "")).await;
            send(with("GET", READ, &key, &format!("Gateway-Nickname: {own}\r\n"))).await;
            send(with("GET", READ, &key, &format!("X-Request-Id: {own}\r\nX-{own}: x\r\n"))).await;
            send(with("GET", READ, &key, &format!("Accept: {own}/x\r\n"))).await;
            send(format!("{own} {own} {own}\r\n{own}\r\n\r\n")).await;
        }
        sizes.push(scene.metrics().await.samples.len());
    }
    assert!(sizes[1] == sizes[0] && sizes[2] == sizes[0], "it grows: {sizes:?}");
    let page = scene.metrics().await;
    for series in page.samples.keys().filter(|series| series.name.starts_with("clickbank_gateway_")) {
        for (label, value) in &series.labels {
            let cut = series.name == "clickbank_gateway_connections_cut_total";
            assert!(cut || may_say(label, value), "{series}");
        }
    }
    let refused = page.value("requests_total{endpoint=(none),outcome=key-refused}");
    assert_eq!(refused, Some(120.0), "they were all seen");
}

#[tokio::test]
async fn what_was_counted_outlives_a_reload() {
    let scene = Scene::start(&Setup::acme()).await;
    assert_eq!(scene.get("app", READ).await.outcome(), (200, None));
    let before = scene.metrics().await;
    assert_eq!((before.value("config_generation"), before.value("config_degraded")), (Some(1.0), Some(0.0)));
    scene.written.edit("gateway.toml", |text| {
        text + "\n[[endpoint]]\nid = \"a.new\"\nmethod = \"GET\"\npath = \"/rest/1.3/news/list\"\npermissions = [\"analytics\"]\n"
    });
    assert!(reload(&scene.gateway).await.applied);
    let after = scene.metrics().await;
    assert_eq!(after.grown_since(&before), ["config_reloads_total{result=applied} +1"]);
    assert_eq!(after.value("config_generation"), Some(2.0));
    assert!(after.value("config_loaded_timestamp_seconds") >= before.value("config_loaded_timestamp_seconds"));
    assert_eq!(scene.get("app", READ).await.outcome(), (200, None));
    let counted = "requests_total{endpoint=products.list,outcome=answered}";
    assert_eq!(scene.metrics().await.value(counted), Some(2.0));
    // Another endpoint with the number of one that is gone is counted as itself.
    for (endpoint, other) in [("a.new", "b.new"), ("b.new", "c.new")] {
        let before = scene.metrics().await;
        scene.get("app", "/rest/1.3/news/list").await;
        let moved = scene.metrics().await.grown_since(&before);
        let timed = format!("request_duration_seconds_count{{endpoint={endpoint}}} +1");
        assert!(moved.contains(&timed), "{moved:?}");
        scene.written.edit("gateway.toml", |text| text.replace(endpoint, other));
        assert!(reload(&scene.gateway).await.applied);
    }

    let keys = fs::read_to_string(scene.written.path().join("keys.toml")).unwrap();
    scene.written.edit("keys.toml", |text| text + "\n[keys.other]\nid = \"key_other\"\n");
    assert!(!reload(&scene.gateway).await.applied);
    let page = scene.metrics().await;
    let states = ["config_degraded", "config_generation", "config_reloads_total{result=refused}", "ready"];
    assert_eq!(states.map(|name| page.value(name).unwrap()), [1.0, 4.0, 1.0, 1.0]);
    fs::write(scene.written.path().join("keys.toml"), keys).unwrap();
    scene.written.edit("gateway.toml", |text| text.replacen("127.0.0.1:0", "127.0.0.1:1", 1));
    assert!(reload(&scene.gateway).await.applied);
    let page = scene.metrics().await;
    assert_eq!((page.value("config_degraded"), page.value("config_needs_restart")), (Some(0.0), Some(1.0)));
}

/// A time so many hours from now, as files have it.
fn hours_from_now(hours: i64) -> String {
    (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours)).to_string()
}

#[tokio::test]
async fn keys_that_are_about_to_expire_are_told_ahead() {
    let with = |status: &str, hours: Option<i64>| {
        let expires = hours.map(|hours| format!("\nexpires = {}", hours_from_now(hours))).unwrap_or_default();
        format!("status = \"{status}\"{expires}")
    };
    let mut setup = Setup::acme();
    for (number, (status, hours)) in [
        ("active", Some(-1)),
        ("active", Some(2)),
        ("active", Some(24 * 8)),
        ("active", Some(24 * 31)),
        ("inactive", Some(1)),
        ("inactive", Some(-1)),
        ("inactive", None),
    ]
    .into_iter()
    .enumerate()
    {
        setup = setup.caller_with(&format!("k{number}"), &new_key(), &with(status, hours), "analytics = [\"acme\"]");
    }
    let page = Scene::start(&setup).await.metrics().await;
    let found = [
        "keys{state=active}",
        "keys{state=expired}",
        "keys{state=inactive}",
        "keys_expiring{within=7d}",
        "keys_expiring{within=30d}",
    ];
    assert_eq!(found.map(|name| page.value(name).unwrap()), [4.0, 1.0, 3.0, 1.0, 2.0]);
    let next = page.value("key_next_expiry_timestamp_seconds").unwrap();
    let now = jiff::Timestamp::now().as_duration().as_secs_f64();
    assert!((3_600.0..7_300.0).contains(&(next - now)), "the inactive one counts for nothing: {next}");
    let none = Scene::start(&Setup::acme()).await.metrics().await;
    assert_eq!(none.value("key_next_expiry_timestamp_seconds"), None);
}

#[tokio::test]
async fn what_was_found_out_about_a_credential_is_told() {
    // The simulator's key `all` reaches everything, `acme` acme alone.
    let setup = Setup::new()
        .credential("all", "orders_read = [\"acme\"]")
        .credential("acme", "orders_read = [\"acme\", \"zenith\"]")
        .caller("app", "orders_read = [\"acme\"]")
        .caller("pair", "orders_read = [\"acme\", \"zenith\"]");
    let scene = Scene::start(&setup).await;
    let state = |page: &Page, credential: &str| {
        ["unseen", "verified", "wider", "narrower"]
            .map(|reach| page.value(&format!("credential_reach{{credential={credential},reach={reach}}}")).unwrap())
    };
    let page = scene.metrics().await;
    assert_eq!((state(&page, "all"), state(&page, "acme")), ([1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]));
    scene.get("app", "/rest/1.3/tickets/count").await;
    scene.get("pair", "/rest/1.3/tickets/count").await;
    let page = scene.metrics().await;
    assert_eq!((state(&page, "all"), state(&page, "acme")), ([0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]));
    let scene = Scene::start(&Setup::acme()).await;
    assert_eq!(scene.get("app", "/rest/1.3/tickets/count").await.status, 200);
    assert_eq!(state(&scene.metrics().await, "acme"), [0.0, 1.0, 0.0, 0.0]);
}

#[tokio::test]
async fn whether_clickbank_accepts_a_credential_is_told_apart_from_how_far_it_reaches() {
    let simulator = demo_simulator().await;
    let written = write_for(&Setup::acme(), &simulator);
    written.edit("gateway.toml", |text| text + "\n[probes]\nat_start = true\n");
    let scene = Scene { gateway: start_gateway(&written).await, simulator, written };
    let told = within("a probe", async {
        loop {
            let page = scene.metrics().await;
            if page.value("credential_state{credential=acme,state=alive}") == Some(1.0) {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let page = told.await;
    let told =
        |name: &str, label: &str, word: &str| page.value(&format!("{name}{{credential=acme,{label}={word}}}")).unwrap();
    assert_eq!(["unknown", "dead"].map(|state| told("credential_state", "state", state)), [0.0, 0.0]);
    // The probe is the question that shows how far it reaches, too.
    let reaches = ["unseen", "verified", "wider", "narrower"].map(|reach| told("credential_reach", "reach", reach));
    assert_eq!(reaches, [0.0, 1.0, 0.0, 0.0]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_that_is_shut_in_still_tells_of_itself() {
    let simulator = demo_simulator().await;
    let written = write_for(&Setup::acme(), &simulator);
    let serving = Serving::start(&written.file, &[]).await;
    let page = Page::read(&ask(serving.health, &written.secrets, "GET").await.text());
    for (name, least, most) in [
        ("process_resident_memory_bytes", 1e6, 1e9),
        ("process_cpu_seconds_total", 0.001, 1e3),
        ("process_open_fds", 6.0, 1e3),
        ("process_max_fds", 256.0, 1e19),
        ("process_threads", 2.0, 1e3),
    ] {
        let value = page.value(name).unwrap_or_else(|| panic!("{name}"));
        assert!((least..most).contains(&value), "{name} {value}");
    }
    let started = page.value("process_start_time_seconds").unwrap();
    let ago = jiff::Timestamp::now().as_duration().as_secs_f64() - started;
    assert!((0.0..60.0).contains(&ago), "{ago}");
}

/// The rows of `docs/metrics.md`: name, type, labels.
fn rows() -> BTreeSet<(String, String, String)> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let named = rows.filter(|row| row.starts_with("clickbank_gateway_") || row.starts_with("process_"));
    named
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let labels: Vec<&str> = cells[2].split('`').skip(1).step_by(2).collect();
            (cells[0].trim_end_matches('`').to_owned(), cells[1].to_owned(), labels.join(","))
        })
        .collect()
}

#[tokio::test]
async fn every_metric_stands_in_its_document_and_every_row_is_a_metric() {
    let setup = Setup::acme().caller_with(
        "short",
        &new_key(),
        &format!("status = \"active\"\nexpires = {}", hours_from_now(1)),
        &everything_on("[\"acme\"]"),
    );
    let scene = Scene::start(&setup).await;
    assert_eq!(scene.get("app", READ).await.outcome(), (200, None));
    let page = scene.metrics().await;
    let mut exposed = BTreeSet::new();
    for Series { name, labels } in page.samples.keys() {
        let family = page.families.iter().filter(|(family, _)| name.starts_with(family.as_str()));
        let (family, about) = family.max_by_key(|(family, _)| family.len()).unwrap();
        let shown = if about.kind == "histogram" { family } else { name };
        let labels: Vec<&str> = labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
        exposed.insert((shown.clone(), about.kind.clone(), labels.join(",")));
    }
    assert!(exposed.len() > 30);
    let rows = rows();
    assert_eq!(
        exposed.difference(&rows).collect::<Vec<_>>(),
        [] as [&(String, String, String); 0],
        "not in the document"
    );
    assert_eq!(rows.difference(&exposed).collect::<Vec<_>>(), [] as [&(String, String, String); 0], "not exposed");
    // Words of the log and of the metrics are the same.
    let logged = documented("docs/logging.md");
    for series in page.samples.keys() {
        for label in ["reason", "fault", "outcome"] {
            let value = series.labels.get(label).map(String::as_str);
            let is_told = value.is_none_or(|word| {
                logged.contains(word) || Code::ALL.iter().any(|code| code.as_str() == word) || word == "answered"
            });
            assert!(is_told, "{series} is not in docs/logging.md");
        }
    }
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/logging.md")).unwrap();
    let faults = text.split("`upstream_fault`:").nth(1).unwrap().split("## ").next().unwrap();
    let rows = faults.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| row.split(" | ").next().unwrap());
    let words: BTreeSet<String> =
        rows.flat_map(|cell| cell.split("`, `")).map(|word| word.trim_matches('`').to_owned()).collect();
    let counted: BTreeSet<String> =
        page.samples.keys().filter_map(|series| series.labels.get("fault").cloned()).collect();
    assert_eq!(counted, words);
}
