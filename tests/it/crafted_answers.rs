//! Answers that nobody expects of ClickBank, to calls behind a wide credential and to what is asked before them: whatever
//! they hold, nothing of others passes, and what is ours passes byte for byte.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::known::KEPT_FOR;
use clickbank_gateway::simulator::{SimulatorConfig, World};

use crate::support::in_process::{Answered, Configured, Running, Seen, Twist, runtime};

const KEY: &str = "cbgw_crafted";
const WIDE: &str = "orders_read = [\"acme\", \"zenith\", \"acmeaff\"]";
const OWN: &str = "orders_read = [\"acme\"]";
const NOT_YOURS: (u16, Option<&str>) = (403, Some("not-yours-or-unknown"));
const LOOK_UP_FAILED: (u16, Option<&str>) = (502, Some("look-up-failed"));
const UNREADABLE: (u16, Option<&str>) = (502, Some("answer-unreadable"));
const REFUSED: (u16, Option<&str>) = (502, Some("credential-refused"));
const CONFINED: (u16, Option<&str>) = (403, Some("confined-credential-required"));

/// The key of the simulator with this reach, behind it a caller with these grants, and ClickBank answering as `answer`
/// has it, by the target without its prefix.
fn start(reach: &str, grants: &str, answer: impl Fn(&str) -> (u16, &'static str, String) + Send + 'static) -> Running {
    let gateway = format!(
        "[upstream]\nurl = \"https://clickbank.test\"\n[limits]\nper_second = 1000\n\
         [nicknames]\nacme = \"seller\"\nzenith = \"seller\"\nacmeaff = \"affiliate\"\norbit = \"both\"\n\
         [credentials.all]\napi_key = {{ file = \"all\" }}\n[credentials.all.reach]\n{reach}\n"
    );
    let keys = format!(
        "[keys.app]\nid = \"key_app\"\nstatus = \"active\"\ndigest = \"{}\"\n[keys.app.grants]\n{grants}\n",
        KeyDigest::of(KEY.as_bytes())
    );
    let SimulatorConfig { settings, spec, .. } = SimulatorConfig::default();
    let world = World::new(settings, spec);
    let configured = Configured::load(&gateway, &keys, ["all"].into_iter(), &world);
    let twist: Twist = Box::new(move |_, request, _| {
        let (status, content_type, body) = answer(request.target.trim_start_matches("/rest/1.3/"));
        Answered { status, content_type: Some(content_type).filter(|_| !body.is_empty()), body: Bytes::from(body) }
    });
    Running::start(&configured, world, Some(twist))
}

/// Outcome, body and what arrived.
fn call(running: &Running, method: &str, rest: &str, accept: &str) -> ((u16, Option<String>), String, Vec<Seen>) {
    let headers = [("authorization", KEY.to_owned()), ("accept", accept.to_owned())];
    let (reply, seen) = running.call(&runtime(), (method, &format!("/rest/1.3/{rest}")), &headers);
    let outcome = (reply.status, reply.refusal().map(str::to_owned));
    (outcome, String::from_utf8(reply.body.to_vec()).unwrap(), seen)
}

const JSON: &str = "application/json";
const XML: &str = "application/xml";

fn row(role: &str, vendor: &str, more: &str) -> String {
    format!(r#"{{"receipt":"ABCD1234","role":"{role}","vendor":"{vendor}"{more}}}"#)
}

fn rows(rows: &[&str]) -> String {
    format!(r#"{{"orderData":[{}]}}"#, rows.join(","))
}

#[test]
fn of_one_object_what_is_certainly_ours_passes_and_nothing_else() {
    let mine = row("VENDOR", "AcMe", r#","a":1.50,"b":"A""#);
    let one = format!(r#"{{"orderData":{mine}}}"#);
    let foreign = row("VENDOR", "zenith", "");
    let twice = format!(r#"{{"orderData":{mine},"orderData":{foreign}}}"#);
    let none = String::new();
    for (status, body, told, passes) in [
        (200, rows(&[&mine, &foreign]), (200, None), &one),
        (200, rows(&[&foreign, &mine]), (200, None), &one),
        (200, rows(&[&mine, &mine, &foreign]), (200, None), &rows(&[&mine, &mine])),
        // What came as one of one stays so.
        (200, rows(&[&mine]), (200, None), &rows(&[&mine])),
        (200, one.clone(), (200, None), &one),
        // A defect of somebody else's drops that row alone.
        (200, rows(&[&mine, &row("VENDOR", "zenith", r#","a":1,"a":2"#)]), (200, None), &one),
        (200, rows(&[&mine, &row("VENDOR", "zenith", r#","Vendor":"orbit""#)]), (200, None), &one),
        (200, rows(&[&foreign]), NOT_YOURS, &none),
        (200, rows(&[&mine, &row("JV_UPSELL", "zenith", "")]), NOT_YOURS, &none),
        (200, rows(&[&mine, &row("vendor", "zenith", "")]), NOT_YOURS, &none),
        (200, rows(&[&mine, r#"{"receipt":"ABCD1234","role":"VENDOR"}"#]), NOT_YOURS, &none),
        (200, rows(&[&row("VENDOR", "acme", r#","vendor":"zenith""#)]), NOT_YOURS, &none),
        (200, rows(&[&row("VENDOR", "acme", r#","VENDOR":"zenith""#)]), NOT_YOURS, &none),
        (200, rows(&[&row("VENDOR", "acme", r#","\u0056endor":"zenith""#)]), NOT_YOURS, &none),
        (200, rows(&[&row("VENDOR", " acme", "")]), NOT_YOURS, &none),
        (200, rows(&[&row("VENDOR", "acme%", "")]), NOT_YOURS, &none),
        (200, rows(&[&row("VENDOR", "acme", r#","more":{"orderData":[{"vendor":"zenith"}]}"#)]), NOT_YOURS, &none),
        // A sale that acme brought would be shown to a key of acme's alone as its affiliate's.
        (200, rows(&[&mine, &row("VENDOR", "zenith", r#","affiliate":"acme""#)]), NOT_YOURS, &none),
        // The other way round, and the seller is in reach as well, who may be shown more.
        (200, rows(&[&row("AFFILIATE", "zenith", r#","affiliate":"acme""#)]), NOT_YOURS, &none),
        (200, "null".to_owned(), NOT_YOURS, &none),
        (200, none.clone(), NOT_YOURS, &none),
        (204, none.clone(), NOT_YOURS, &none),
        (200, "{}".to_owned(), NOT_YOURS, &none),
        (403, "The user does not have access".to_owned(), NOT_YOURS, &none),
        (404, one.clone(), NOT_YOURS, &none),
        (400, "null".to_owned(), NOT_YOURS, &none),
        (206, rows(&[&mine, &foreign]), NOT_YOURS, &none),
        (200, twice, NOT_YOURS, &none),
        (200, r#"{"orderData":[],"more":{"vendor":"zenith"}}"#.to_owned(), NOT_YOURS, &none),
        (200, format!("[{mine}]"), NOT_YOURS, &none),
        (200, format!(r#"{{"orderData":[[{mine}]]}}"#), NOT_YOURS, &none),
        (200, r#"{"orderData":["acme"]}"#.to_owned(), NOT_YOURS, &none),
        (200, "12".to_owned(), NOT_YOURS, &none),
        (500, one.clone(), (500, None), &none),
        (503, rows(&[&foreign]), (503, None), &none),
    ] {
        let sent = body.clone();
        let running = start(WIDE, OWN, move |_| (status, JSON, sent.clone()));
        let (outcome, got, seen) = call(&running, "GET", "orders2/ABCD1234", JSON);
        assert_eq!((outcome.0, outcome.1.as_deref()), told, "{status} {body}");
        if told.1.is_none() {
            assert_eq!(&got, passes, "{status} {body}");
        }
        assert!(!got.contains("zenith") && !got.contains("orbit"), "{got}");
        // What ClickBank cannot answer now is asked again, whosever it is.
        assert_eq!(seen.len(), if status == 503 { 3 } else { 1 });
    }
}

#[test]
fn in_xml_it_is_the_same() {
    let row = |role: &str, vendor: &str| {
        format!("<orderData><receipt>ABCD1234</receipt><role>{role}</role>{vendor}</orderData>")
    };
    let mine = row("VENDOR", "<vendor>&#65;CME</vendor>");
    let list = |rows: &str| format!("<?xml version=\"1.0\"?><anything xmlns:xsi=\"x\">{rows}</anything>");
    for (body, told, passes) in [
        (list(&(mine.clone() + &row("VENDOR", "<vendor>zenith</vendor>"))), (200, None), list(&mine)),
        (list(&mine), (200, None), list(&mine)),
        (list(&row("VENDOR", "<vendor>zenith</vendor>")), NOT_YOURS, String::new()),
        (list(&row("VENDOR", "<vendor>acme</vendor><vendor>zenith</vendor>")), NOT_YOURS, String::new()),
        (list(&row("VENDOR", "<vendor>ac<!-- -->me</vendor>")), NOT_YOURS, String::new()),
        (
            list(&row("VENDOR", "<vendor>acme</vendor><x:vendor xmlns:x='y'>zenith</x:vendor>")),
            NOT_YOURS,
            String::new(),
        ),
        (list(&row("VENDOR", "<vendor xsi:nil=\"true\">acme</vendor>")), NOT_YOURS, String::new()),
        (list(&(mine.clone() + "<x>zenith</x>")), NOT_YOURS, String::new()),
        (list(&(mine.clone() + "zenith")), NOT_YOURS, String::new()),
        (list(&(mine + "<!-- zenith -->")), NOT_YOURS, String::new()),
    ] {
        let sent = body.clone();
        let running = start(WIDE, OWN, move |_| (200, XML, sent.clone()));
        let (outcome, got, _) = call(&running, "GET", "orders2/ABCD1234", XML);
        assert_eq!((outcome.0, outcome.1.as_deref()), told, "{body}");
        if told.1.is_none() {
            assert_eq!(got, passes, "{body}");
        }
        assert!(!got.contains("zenith"), "{got}");
    }
}

#[test]
fn of_a_list_that_was_confined_foreign_rows_go_and_a_row_that_could_be_anybodys_withholds_it() {
    let (mine, foreign) = (row("VENDOR", "acme", ""), row("VENDOR", "zenith", r#","affiliate":"acme""#));
    for (rest, status, media, body, told, passes) in [
        ("orders2/list", 206, JSON, rows(&[&mine, &foreign]), (206, None), format!(r#"{{"orderData":{mine}}}"#)),
        ("orders2/list", 200, JSON, rows(&[&foreign, &foreign]), (200, None), "null".to_owned()),
        ("orders2/list", 200, JSON, "null".to_owned(), (200, None), "null".to_owned()),
        ("orders2/list", 200, JSON, String::new(), (200, None), String::new()),
        ("orders2/list", 200, JSON, rows(&[&mine, &row("JV_TRADITIONAL", "zenith", "")]), UNREADABLE, String::new()),
        ("orders2/list", 200, JSON, format!(r#"{{"orderData":{mine},"total":"57"}}"#), UNREADABLE, String::new()),
        ("orders2/list", 200, "text/plain", "57".to_owned(), UNREADABLE, String::new()),
        // ClickBank explains itself in plain text, and in nothing that could have rows.
        ("orders2/list", 400, "text/plain", "no such date".to_owned(), (400, None), "no such date".to_owned()),
        ("orders2/list", 400, JSON, rows(&[&foreign]), (400, None), String::new()),
        ("orders2/count", 200, "text/plain", "57".to_owned(), (200, None), "57".to_owned()),
        ("orders2/count", 200, "text/plain", "57 of zenith".to_owned(), UNREADABLE, String::new()),
        (
            "quickstats/list",
            200,
            JSON,
            r#"{"accountData":[{"nickName":"zenith"},{"nickName":"acme","quickStats":{}}]}"#.to_owned(),
            (200, None),
            r#"{"accountData":{"nickName":"acme","quickStats":{}}}"#.to_owned(),
        ),
        (
            "quickstats/accounts",
            200,
            JSON,
            r#"{"accountData":[ {"nickName":"zenith"}, {"nickName":"acme"} ]}"#.to_owned(),
            (200, None),
            r#"{"accountData": {"nickName":"acme"} }"#.to_owned(),
        ),
        (
            "quickstats/accounts",
            206,
            JSON,
            r#"{"accountData":{"nickName":"acme"}}"#.to_owned(),
            UNREADABLE,
            String::new(),
        ),
        (
            "quickstats/accounts",
            200,
            JSON,
            r#"{"accountData":{"nickname":"acme"}}"#.to_owned(),
            UNREADABLE,
            String::new(),
        ),
    ] {
        let sent = body.clone();
        let running = start(WIDE, OWN, move |_| (status, media, sent.clone()));
        let (outcome, got, _) = call(&running, "GET", rest, if rest.ends_with("count") { "text/plain" } else { JSON });
        assert_eq!((outcome.0, outcome.1.as_deref()), told, "{rest} {body}");
        if told.1.is_none() {
            assert_eq!(got, passes, "{rest} {body}");
        }
        assert!(!got.contains("zenith"), "{got}");
    }
}

#[test]
fn an_order_is_the_callers_only_where_all_of_its_sellers_certainly_are() {
    let mine = row("VENDOR", "ACME", "");
    let brought = row("AFFILIATE", "acme", r#","affiliate":"acmeaff""#);
    let elsewhere = row("AFFILIATE", "stranger", r#","affiliate":"acmeaff""#);
    let other_receipt = mine.replace("ABCD1234", "ABCD1235");
    for (status, order, owned, active) in [
        (200, rows(&[&mine]), true, true),
        (200, format!(r#"{{"orderData":{mine}}}"#), true, true),
        // Rows of affiliates neither grant nor veto; but whether something is active is told of all sales together.
        (200, rows(&[&mine, &brought]), true, true),
        (200, rows(&[&mine, &elsewhere]), true, false),
        (200, rows(&[&brought]), false, false),
        (200, rows(&[&elsewhere]), false, false),
        (200, rows(&[&mine, &row("VENDOR", "zenith", "")]), false, false),
        (200, rows(&[&mine, &row("VENDOR", "stranger", "")]), false, false),
        (200, rows(&[&mine, &row("JV_UPSELL", "zenith", "")]), false, false),
        (200, rows(&[&mine, r#"{"receipt":"ABCD1234","role":{"@nil":"true"},"vendor":"acme"}"#]), false, false),
        (200, rows(&[&row("VENDOR", "acme", r#","vendor":"acme""#)]), false, false),
        (200, rows(&[&row("VENDOR", "acme", r#","x":{"a":1,"a":2}"#)]), false, false),
        (200, rows(&[&other_receipt]), false, false),
        (200, rows(&[&mine, &other_receipt]), false, false),
        (200, rows(&[&mine.replace("ABCD1234", "abcd1234")]), false, false),
        (200, rows(&[r#"{"role":"VENDOR","vendor":"acme"}"#]), false, false),
        (200, "null".to_owned(), false, false),
        (200, String::new(), false, false),
        (200, r#"{"orderData":[],"x":1}"#.to_owned(), false, false),
        (206, rows(&[&mine]), false, false),
        (403, rows(&[&mine]), false, false),
    ] {
        for (method, rest, passes) in [
            ("GET", "shipping2/shipnotice/ABCD1234", owned),
            ("GET", "tickets/refundAmounts/ABCD1234?refundType=FULL&refundAmount=1", owned),
            ("GET", "shipping2/list?receipt=ABCD1234", owned),
            ("GET", "tickets/list?receipt=ABCD1234", owned),
            ("GET", "tickets/4711", owned),
            ("HEAD", "orders2/ABCD1234", active),
        ] {
            let order = order.clone();
            let (told, described) = (order.clone(), format!("{method} {rest} {status} {order}"));
            let asked = Mutex::new(0);
            let running = start(WIDE, OWN, move |target| {
                let mut asked = asked.lock().unwrap();
                *asked += 1;
                match target {
                    // To HEAD the look-up comes first, and then the call itself.
                    "orders2/ABCD1234" if method == "HEAD" && *asked == 2 => (204, JSON, String::new()),
                    "orders2/ABCD1234" => (status, JSON, told.clone()),
                    "tickets/4711" => (200, JSON, r#"{"ticketid":"4711","receipt":"ABCD1234"}"#.to_owned()),
                    _ => (200, JSON, "null".to_owned()),
                }
            });
            let (outcome, _, seen) = call(&running, method, rest, JSON);
            assert_eq!(outcome.1.as_deref(), (!passes).then_some("not-yours-or-unknown"), "{described}");
            // Nothing is sent that is not proven.
            let last = seen.last().unwrap();
            assert_eq!(last.target.contains(rest) && (method == "GET" || last.method == "HEAD"), passes, "{described}");
        }
    }
}

#[test]
fn an_answer_about_another_receipt_than_the_proven_one_is_withheld() {
    for (rest, body, told) in [
        ("tickets/4711", r#"{"ticketid":"4711","receipt":"ABCD9999"}"#, UNREADABLE),
        ("tickets/4711", r#"{"ticketid":"4711"}"#, UNREADABLE),
        (
            "tickets/list?receipt=ABCD1234",
            r#"{"ticketData":[{"receipt":"ABCD1234"},{"receipt":"ABCD1234-B002"}]}"#,
            (200, None),
        ),
        (
            "tickets/list?receipt=ABCD1234",
            r#"{"ticketData":[{"receipt":"ABCD1234"},{"receipt":"ABCD9999"}]}"#,
            UNREADABLE,
        ),
        ("tickets/list?receipt=ABCD1234", r#"{"ticketData":{"receipt":"ABCD12345"}}"#, UNREADABLE),
        ("shipping2/shipnotice/ABCD1234", r#"{"shippingNoticeData":{"receipt":"ABCD9999"}}"#, UNREADABLE),
        ("shipping2/shipnotice/ABCD1234", r#"{"shippingNoticeData":{"receipt":"ABCD1234"}}"#, (200, None)),
        ("shipping2/list?receipt=ABCD1234", r#"{"orderShipData":{"receipt":"ABCD1234"}}"#, UNREADABLE),
    ] {
        let asked = Mutex::new(0);
        let running = start(WIDE, OWN, move |target| {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            match target {
                "orders2/ABCD1234" => (200, JSON, rows(&[&row("VENDOR", "acme", "")])),
                // The look-up, and then the call itself.
                "tickets/4711" if *asked == 1 => (200, JSON, r#"{"receipt":"ABCD1234"}"#.to_owned()),
                _ => (200, JSON, body.to_owned()),
            }
        });
        let (outcome, ..) = call(&running, "GET", rest, JSON);
        assert_eq!((outcome.0, outcome.1.as_deref()), told, "{rest} {body}");
    }
}

#[test]
fn a_reach_counts_as_seen_only_where_it_certainly_was() {
    for (status, accounts, told) in [
        (200, r#"{"accountData":{"nickName":"ACME"}}"#, (200, None)),
        // Nobody is no answer to how far a key reaches that is said to reach somebody.
        (200, "null", LOOK_UP_FAILED),
        (200, "", LOOK_UP_FAILED),
        (200, r#"{"accountData":[{"nickName":"acme"},{"nickName":"zenith"}]}"#, CONFINED),
        (200, r#"{"accountData":[{"nickName":"acme"},{"nickName":"nobodyknows"}]}"#, CONFINED),
        (200, r#"{"accountData":[{"nickName":"acme"},{}]}"#, UNREADABLE),
        (200, r#"{"accountData":{"nickName":"acme","nickName":"acme"}}"#, UNREADABLE),
        (200, r#"{"accountData":"acme"}"#, UNREADABLE),
        (200, "acme", UNREADABLE),
        (206, r#"{"accountData":{"nickName":"acme"}}"#, LOOK_UP_FAILED),
        (204, "", LOOK_UP_FAILED),
        (403, r#"{"accountData":{"nickName":"acme"}}"#, REFUSED),
        (500, r#"{"accountData":{"nickName":"acme"}}"#, LOOK_UP_FAILED),
    ] {
        let running = start(OWN, OWN, move |target| match target {
            "quickstats/accounts" => (status, JSON, accounts.to_owned()),
            _ => (200, JSON, "5".to_owned()),
        });
        for again in [false, true] {
            let (outcome, _, seen) = call(&running, "GET", "tickets/count", JSON);
            assert_eq!((outcome.0, outcome.1.as_deref()), told, "{status} {accounts}");
            // What was seen is not asked for again, and what failed is.
            let asked = seen.iter().filter(|seen| seen.target.contains("accounts")).count();
            let settled = told.0 == 200 || told == CONFINED;
            assert_eq!(asked, usize::from(!again || !settled), "{status} {accounts}");
        }
    }
}

#[test]
fn what_was_looked_up_is_asked_for_anew_in_time() {
    let running = start(WIDE, OWN, |target| match target {
        "orders2/ABCD1234" => (200, JSON, rows(&[&row("VENDOR", "acme", "")])),
        _ => (200, JSON, "null".to_owned()),
    });
    let runtime = runtime();
    let headers = [("authorization", KEY.to_owned())];
    let ask = || running.call(&runtime, ("GET", "/rest/1.3/shipping2/shipnotice/ABCD1234"), &headers).1.len();
    assert_eq!([ask(), ask()], [2, 1]);
    runtime.block_on(tokio::time::advance(KEPT_FOR.saturating_sub(Duration::from_secs(1))));
    assert_eq!(ask(), 1);
    runtime.block_on(tokio::time::advance(Duration::from_secs(1)));
    assert_eq!([ask(), ask()], [2, 1]);
}
