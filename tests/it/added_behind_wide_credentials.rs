//! Behind a ClickBank key that reaches more than the caller may see, with endpoints that a configuration added and with
//! answers that the simulator never gives: nothing of others' is released, changed, or told apart from what is unknown.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use clickbank_gateway::config::{self, Secrets};
use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::pipeline::{Pipeline, Shared, pipeline_over};
use clickbank_gateway::stage::forward::Forward;
use clickbank_gateway::stage::shape::Shape;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use tower::ServiceExt as _;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

/// Status, type and body of an answer of ClickBank's.
type Answer = (u16, &'static str, String);

const WIDE: &str = r#"
[credentials.wide]
api_key = { file = "clickbank" }
[credentials.wide.reach]
orders_write = ["acme", "acmeaff", "zenith"]
"#;

const CONFINED: &str = r#"
[credentials.acme]
api_key = { file = "clickbank" }
[credentials.acme.reach]
orders_write = ["acme"]
"#;

struct Gateway {
    pipeline: Pipeline<Empty<Bytes>>,
    seen: Arc<Mutex<Vec<String>>>,
    shared: Shared,
}

impl Gateway {
    /// One that lets `app` read and change orders of acme's. `answer` is given what was asked, without the prefix that
    /// all targets have.
    fn new(
        upstream: &str,
        credentials: &str,
        added: &str,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write(
            "gateway.toml",
            &format!(
                "[upstream]\nurl = \"https://clickbank.test\"\n{upstream}\n[limits]\nper_second = 10\n[nicknames]\n\
                 acme = \"seller\"\nacmeaff = \"affiliate\"\nzenith = \"seller\"\n{credentials}\n{added}"
            ),
        );
        let digest = KeyDigest::of(b"cbgw_app");
        write(
            "keys.toml",
            &format!(
                "[keys.app]\nid = \"key_app\"\nstatus = \"active\"\ndigest = \"{digest}\"\n[keys.app.grants]\n\
                 orders_write = [\"acme\"]\nproducts = [\"acme\"]\n"
            ),
        );
        write("clickbank", "API-PLANTED0PLANTED0PLANTED0PLANTED0PLNT");
        write("clickbank-reads", "API-PLANTED1PLANTED1PLANTED1PLANTED1PLNT");
        let loaded = config::load(&directory.path().join("gateway.toml"), Secrets::Read);
        let (config, _) = loaded.unwrap_or_else(|findings| panic!("{:#?}", findings.errors));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::clone(&seen);
        let answer = move |request: &Request<Empty<Bytes>>| {
            let target = request.uri().path_and_query().unwrap().as_str().trim_start_matches("/rest/1.3/").to_owned();
            asked.lock().unwrap().push(format!("{} {target}", request.method()));
            let (status, media, body) = answer(&target);
            Response::builder().status(status).header("content-type", media).body(Bytes::from(body)).unwrap()
        };
        let shared = Shared::new(Arc::new(config.snapshot));
        let forward = Forward::in_process(&config.upstream, Shape::new(&shared), Box::new(answer));
        Self { pipeline: pipeline_over(&shared, &config.upstream, forward), seen, shared }
    }

    async fn send(
        &self,
        method: &str,
        target: &str,
    ) -> Response<impl http_body::Body<Data = Bytes, Error: std::fmt::Debug>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/rest/1.3/{target}"))
            .header("host", "gateway")
            .header("x-request-id", "the-same")
            .header("authorization", "cbgw_app")
            .header("accept", "application/json, text/plain;q=0.5");
        let Ok(response) = self.pipeline.clone().oneshot(Ok(request.body(Empty::new()).unwrap())).await;
        response
    }

    /// Status, the gateway's word if it refuses, and body.
    async fn call(&self, method: &str, target: &str) -> (u16, Option<String>, String) {
        let (head, body) = self.send(method, target).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let word = head.headers.get("gateway-error").map(|word| word.to_str().unwrap().to_owned());
        (head.status.as_u16(), word, String::from_utf8(body.to_vec()).unwrap())
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn order(receipt: &str, seller: &str) -> String {
    format!(r#"{{"orderData":{{"receipt":"{receipt}","role":"VENDOR","vendor":"{seller}","affiliate":null}}}}"#)
}

fn added(id: &str, method: &str, path: &str, rest: &str) -> String {
    format!(
        "[[endpoint]]\nid = \"{id}\"\nmethod = \"{method}\"\npath = \"/rest/1.3/{path}\"\npermissions = [\"orders_read\"]\n{rest}\n"
    )
}

#[tokio::test]
async fn of_what_is_looked_up_rows_that_name_others_are_not_released() {
    let endpoints = added(
        "x.receipt",
        "GET",
        "orders3/{receipt}/shares",
        "changes = \"nothing\"\nowner = { receipt = \"receipt\" }\nrows = { at = \"row\", owner = \"nickName\" }",
    ) + &added(
        "x.ticket",
        "GET",
        "orders3/notes/{id}",
        "changes = \"nothing\"\nowner = { ticket = \"id\" }\nrows = { at = \"row\", owner = \"nickName\", receipt = \"receipt\" }",
    ) + &added(
        "x.tickets",
        "GET",
        "orders3/list",
        "changes = \"nothing\"\nowner = { tickets = \"receipt\" }\nparameters = [\"receipt\"]\nrows = { at = \"row\", owner = \"nickName\", receipt = \"receipt\" }",
    );
    let gateway = Gateway::new("", WIDE, &endpoints, |target| {
        match target {
        "orders2/ABCD1234" => (200, JSON, order("ABCD1234", "acme")),
        "tickets/7" => (200, JSON, r#"{"receipt":"ABCD1234"}"#.to_owned()),
        _ => (
            200,
            JSON,
            r#"{"row":[{"receipt":"ABCD1234","nickName":"acme"},{"receipt":"ABCD1234","nickName":"zenith","secret":"1"}]}"#
                .to_owned(),
        ),
    }
    });
    for target in ["orders3/ABCD1234/shares", "orders3/notes/7", "orders3/list?receipt=ABCD1234"] {
        let told = gateway.call("GET", target).await;
        assert!(!told.2.contains("secret"), "{target}: {told:?}");
    }
}

#[tokio::test]
async fn a_list_of_tickets_that_nobody_can_read_needs_a_confined_credential() {
    let endpoint = added(
        "x.tickets",
        "GET",
        "orders3/list",
        "changes = \"nothing\"\nowner = { tickets = \"receipt\" }\nparameters = [\"receipt\"]",
    );
    let gateway = Gateway::new("", WIDE, &endpoint, |target| match target {
        "orders2/ABCD1234" => (200, JSON, order("ABCD1234", "acme")),
        _ => (200, JSON, r#"[{"receipt":"ZZZZ9999","secret":"1"}]"#.to_owned()),
    });
    let told = gateway.call("GET", "orders3/list?receipt=ABCD1234").await;
    assert_eq!(told.1.as_deref(), Some("confined-credential-required"), "{told:?}");
}

#[tokio::test]
async fn a_ticket_that_names_its_receipt_in_two_ways_proves_nothing() {
    for (ticket, passes) in [
        (r#"{"ticketid":7,"receipt":"ABCD1234"}"#, true),
        (r#"{"ticketid":7,"receipt":"ABCD1234","Receipt":"ZZZZ9999"}"#, false),
        (r#"{"ticketid":7,"Receipt":"ZZZZ9999","receipt":"ABCD1234"}"#, false),
        (r#"{"ticketid":7,"receipt":["ABCD1234"]}"#, false),
    ] {
        let gateway = Gateway::new("", WIDE, "", move |target| match target {
            "orders2/ABCD1234" => (200, JSON, order("ABCD1234", "acme")),
            _ => (200, JSON, ticket.to_owned()),
        });
        let told = gateway.call("GET", "tickets/7").await;
        assert_eq!(told.0 == 200, passes, "{ticket} {told:?}");
        assert_eq!(gateway.seen().contains(&"GET orders2/ABCD1234".to_owned()), passes, "{ticket}");
    }
}

#[tokio::test]
async fn a_part_of_an_order_proves_nothing() {
    for status in [201, 206] {
        let gateway = Gateway::new("", WIDE, "", move |target| match target {
            "orders2/ABCD1234" => (status, JSON, order("ABCD1234", "acme")),
            _ => (200, JSON, "{}".to_owned()),
        });
        let told = gateway.call("GET", "tickets/refundAmounts/ABCD1234?refundType=FULL&refundAmount=1").await;
        assert_eq!(told.1.as_deref(), Some("not-yours-or-unknown"), "{status} {told:?}");
        assert_eq!(gateway.seen(), ["GET orders2/ABCD1234"]);
    }
}

#[tokio::test]
async fn only_a_whole_list_of_what_is_declared_verifies_a_credential() {
    let both = r#"{"accountData":[{"nickName":"acme"},{"nickName":"zenith"}]}"#;
    let acme = r#"{"accountData":{"nickName":"acme"}}"#;
    for (answer, trusted) in [
        ((200, JSON, acme), true),
        ((200, JSON, both), false),
        ((206, JSON, acme), false),
        ((200, JSON, "null"), false),
        ((200, JSON, "{}"), false),
        ((200, JSON, ""), false),
        ((204, JSON, ""), false),
        ((200, JSON, r#"{"accountData":null}"#), false),
        ((200, JSON, r#"{"accountData":{}}"#), false),
        ((200, JSON, "12"), false),
        ((200, TEXT, "12"), false),
    ] {
        let gateway = Gateway::new("", CONFINED, "", move |target| match target {
            "quickstats/accounts" => (answer.0, answer.1, answer.2.to_owned()),
            _ => (200, JSON, "{\"count\":12}".to_owned()),
        });
        let told = gateway.call("GET", "tickets/count").await;
        assert_eq!(told.0 == 200, trusted, "{answer:?} {told:?}");
    }
}

#[tokio::test]
async fn before_a_change_a_confined_credential_is_verified_also_where_the_answer_would_show_the_owner() {
    for owner in ["{ answer = \"rows\" }", "{ filter = \"account\" }"] {
        let endpoint = added(
            "x.void",
            "POST",
            "orders3/{receipt}/void",
            &format!(
                "changes = \"money\"\nowner = {owner}\nrows = {{ at = \"row\", owner = \"nickName\" }}\nparameters = [\"account\"]"
            ),
        );
        let gateway = Gateway::new("", CONFINED, &endpoint, |target| match target {
            "quickstats/accounts" => {
                (200, JSON, r#"{"accountData":[{"nickName":"acme"},{"nickName":"zenith"}]}"#.to_owned())
            }
            _ => (200, JSON, r#"{"row":{"nickName":"zenith"}}"#.to_owned()),
        });
        let told = gateway.call("POST", "orders3/ZZZZ9999/void").await;
        assert_eq!(
            (told.1.as_deref(), gateway.seen()),
            (Some("confined-credential-required"), vec!["GET quickstats/accounts".to_owned()]),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn counts_beside_rows_that_are_cut_out_go_with_them() {
    let endpoint = added(
        "x.list",
        "GET",
        "orders3/list",
        "changes = \"nothing\"\nowner = { answer = \"list\", receipt = \"receipt\" }\nparameters = [\"receipt\"]\n\
         rows = { at = \"row\", owner = \"nickName\", totals = [\"total\"] }",
    );
    let gateway = Gateway::new("", WIDE, &endpoint, |target| match target {
        "orders2/ABCD1234" => (200, JSON, order("ABCD1234", "acme")),
        _ => (200, JSON, r#"{"row":[{"nickName":"acme"},{"nickName":"zenith"}],"total":2}"#.to_owned()),
    });
    let told = gateway.call("GET", "orders3/list?receipt=ABCD1234").await;
    assert_eq!((told.0, told.2.as_str()), (200, r#"{"row":{"nickName":"acme"}}"#));
}

#[tokio::test]
async fn what_is_no_count_is_not_released_as_one() {
    let gateway = Gateway::new("", WIDE, "", |_| (200, TEXT, "receipt,vendor\nZZZZ9999,zenith\n".to_owned()));
    let told = gateway.call("GET", "orders2/count").await;
    assert!(!told.2.contains("zenith"), "{told:?}");
}

#[tokio::test]
async fn a_filter_without_rows_lets_nothing_but_a_count_through() {
    let endpoint = added(
        "x.list",
        "GET",
        "orders3/list",
        "changes = \"nothing\"\nowner = { filter = \"account\" }\nparameters = [\"account\"]",
    );
    let gateway = Gateway::new("", WIDE, &endpoint, |_| (200, JSON, r#"[{"vendor":"zenith"}]"#.to_owned()));
    let told = gateway.call("GET", "orders3/list").await;
    assert!(!told.2.contains("zenith"), "{told:?}");
}

#[tokio::test]
async fn a_role_of_an_added_endpoint_is_spelled_as_clickbank_spells_it() {
    let endpoint = added(
        "x.list",
        "GET",
        "orders3/list",
        "changes = \"nothing\"\nowner = { filter = \"orders\" }\nparameters = [\"vendor\", \"affiliate\", \"role\"]\n\
         rows = { at = \"row\", role = \"role\", owner = { VENDOR = \"vendor\", AFFILIATE = \"affiliate\" } }",
    );
    let gateway = Gateway::new("", WIDE, &endpoint, |_| (200, JSON, "null".to_owned()));
    for role in ["vendor", "", "VENDOR%20", "*"] {
        let told = gateway.call("GET", &format!("orders3/list?role={role}")).await;
        assert_ne!(told.0, 200, "{role}: {told:?} {:?}", gateway.seen());
    }
    assert_eq!(gateway.call("GET", "orders3/list?role=VENDOR").await.0, 200);
}

#[tokio::test]
async fn an_answer_that_cannot_be_released_does_not_tell_that_somebody_elses_order_is_there() {
    let large = order("ZZZZ9999", &"z".repeat(9_000));
    let answers: Vec<(&'static str, Answer)> = vec![
        ("unknown", (403, TEXT, "Access is denied".to_owned())),
        ("plain", (200, JSON, order("ZZZZ9999", "zenith"))),
        ("large", (200, JSON, large)),
        ("malformed", (200, JSON, order("ZZZZ9999", "zenith\u{1}"))),
        ("member", (200, JSON, order("ZZZZ9999", "zenith").replacen('{', "{\"more\":1,", 1))),
        ("type", (200, "text/html", order("ZZZZ9999", "zenith"))),
        ("text", (200, TEXT, "zenith".to_owned())),
        ("array", (200, JSON, format!("[{}]", order("ZZZZ9999", "zenith")))),
    ];
    let upstream = "max_answer = \"8 KiB\"";
    for target in ["orders2/ZZZZ9999", "shipping2/shipnotice/ZZZZ9999", "tickets/list?receipt=ZZZZ9999"] {
        let mut different = Vec::new();
        for (what, answer) in answers.clone() {
            let gateway = Gateway::new(upstream, WIDE, "", move |_| answer.clone());
            let told = gateway.call("GET", target).await;
            if told.1.as_deref() != Some("not-yours-or-unknown") {
                different.push((what, told.0, told.1));
            }
        }
        assert!(different.is_empty(), "{target}: {different:?}");
    }
}

#[tokio::test]
async fn room_that_a_caller_has_filled_does_not_tell_that_somebody_elses_order_is_there() {
    let own = format!(r#"{{"accountData":{{"nickName":"acme","note":"{}"}}}}"#, "x".repeat(8_000));
    for target in ["orders2/ZZZZ9999", "shipping2/shipnotice/ZZZZ9999"] {
        let mut told = Vec::new();
        for answer in [(403, TEXT, "Access is denied".to_owned()), (200, JSON, order("ZZZZ9999", "zenith"))] {
            let own = own.clone();
            let gateway = Gateway::new("max_answer = \"8 KiB\"\nanswer_memory = \"16 KiB\"", WIDE, "", move |target| {
                if target.starts_with("quickstats/list") { (200, JSON, own.clone()) } else { answer.clone() }
            });
            // An answer of the caller's own that it does not take.
            let held = gateway.send("GET", "quickstats/list").await;
            assert_eq!(held.status(), 200);
            told.push(gateway.call("GET", target).await);
            drop(held);
        }
        assert_eq!(told[0], told[1], "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_found_out_of_a_credential_while_a_call_waits_counts_for_it() {
    let gateway = Gateway::new("", CONFINED, "", |target| match target {
        "quickstats/accounts" => (200, JSON, r#"{"accountData":{"nickName":"acme"}}"#.to_owned()),
        "orders2/ZZZZ9999" => (200, JSON, order("ZZZZ9999", "zenith")),
        _ => (200, JSON, "12".to_owned()),
    });
    assert_eq!(gateway.call("GET", "tickets/count").await.0, 200);
    // With these the turns of the first second are taken.
    for _ in 0..8 {
        gateway.call("GET", "tickets/count").await;
    }
    gateway.seen();
    let (order, count) =
        tokio::join!(biased; gateway.call("GET", "orders2/ZZZZ9999"), gateway.call("GET", "tickets/count"));
    assert_eq!(order.1.as_deref(), Some("answer-unreadable"));
    let refused = Some("confined-credential-required");
    assert_eq!((count.1.as_deref(), gateway.seen()), (refused, vec!["GET orders2/ZZZZ9999".to_owned()]));
    assert_eq!(gateway.call("GET", "tickets/count").await.1.as_deref(), refused);
}

#[tokio::test]
async fn pages_of_rows_that_are_cut_out_need_a_confined_credential() {
    for answer in ["rows", "accounts"] {
        let endpoint = added(
            "x.paged",
            "GET",
            "orders3/{receipt}/rows",
            &format!(
                "changes = \"nothing\"\nowner = {{ answer = \"{answer}\" }}\npaged = true\nrows = {{ at = \"row\", owner = \
                 \"nickName\" }}"
            ),
        );
        let gateway = Gateway::new("", WIDE, &endpoint, |_| {
            (206, JSON, r#"{"row":[{"nickName":"acme"},{"nickName":"zenith"}]}"#.to_owned())
        });
        let told = gateway.call("GET", "orders3/ABCD1234/rows").await;
        assert_eq!(told.1.as_deref(), Some("confined-credential-required"), "{told:?}");
    }
}

#[tokio::test]
async fn what_is_answered_to_a_receipt_holds_no_row_that_a_reader_could_take_for_another_receipts() {
    for notices in [
        // The last of two keys counts to most readers, the first to some.
        r#"{"shippingNoticeData":{"receipt":"ABCD1234","receipt":"ZZZZ9999","tracking":"secret"}}"#,
        r#"{"shippingNoticeData":{"receipt":"ZZZZ9999","receipt":"ABCD1234","tracking":"secret"}}"#,
        // Where case does not count, these are two as well.
        r#"{"shippingNoticeData":{"receipt":"ABCD1234","Receipt":"ZZZZ9999","tracking":"secret"}}"#,
        r#"{"shippingNoticeData":{"receipt":"ABCD1234","more":{"shippingNoticeData":{"receipt":"ZZZZ9999","tracking":"secret"}}}}"#,
        // Rows where none are known to stand.
        r#"{"shippingNoticeData":{"receipt":"ABCD1234"},"more":{"shippingNoticeData":{"receipt":"ZZZZ9999","tracking":"secret"}}}"#,
        r#"{"shippingNoticeData":{"receipt":"ABCD1234"},"ShippingNoticeData":{"receipt":"ZZZZ9999","tracking":"secret"}}"#,
        r#"{"shippingNoticeDataList":{"shippingNoticeData":{"receipt":"ZZZZ9999","tracking":"secret"}}}"#,
        // A row of which nobody knows the receipt.
        r#"{"shippingNoticeData":[{"receipt":"ABCD1234"},{"tracking":"secret"}]}"#,
    ] {
        let gateway = Gateway::new("", WIDE, "", move |target| match target {
            "orders2/ABCD1234" => (200, JSON, order("ABCD1234", "acme")),
            _ => (200, JSON, notices.to_owned()),
        });
        let told = gateway.call("GET", "shipping2/shipnotice/ABCD1234").await;
        assert!(!told.2.contains("secret"), "{notices}: {told:?}");
    }
}

#[tokio::test]
async fn a_ticket_holds_no_other_below_it() {
    for ticket in [
        r#"{"receipt":"ABCD1234","ticketData":{"receipt":"ZZZZ9999","note":"secret"}}"#,
        r#"{"receipt":"ABCD1234","more":[{"Receipt":"ZZZZ9999","note":"secret"}]}"#,
    ] {
        let gateway = Gateway::new("", WIDE, "", move |target| match target {
            "orders2/ABCD1234" => (200, JSON, order("ABCD1234", "acme")),
            "tickets/7" => (200, JSON, ticket.to_owned()),
            _ => (200, JSON, format!(r#"{{"ticketData":{ticket}}}"#)),
        });
        for target in ["tickets/7", "tickets/list?receipt=ABCD1234"] {
            let told = gateway.call("GET", target).await;
            assert!(!told.2.contains("secret"), "{target} {ticket}: {told:?}");
        }
    }
}

#[tokio::test]
async fn a_credential_is_verified_before_it_is_trusted_with_a_parameter_that_nobody_knows() {
    let endpoint = added(
        "x.images",
        "GET",
        "orders3/images",
        "changes = \"nothing\"\nowner = { parameter = \"site\" }\nparameters = [{ name = \"site\", required = true }]",
    ) + "[extra_parameters]\nSite = \"forward\"\n";
    let gateway = Gateway::new("", CONFINED, &endpoint, |target| match target {
        "quickstats/accounts" => {
            (200, JSON, r#"{"accountData":[{"nickName":"acme"},{"nickName":"zenith"}]}"#.to_owned())
        }
        _ => (200, JSON, r#"{"images":"secret of zenith's"}"#.to_owned()),
    });
    let told = gateway.call("GET", "orders3/images?site=acme&Site=zenith").await;
    assert_eq!(told.1.as_deref(), Some("confined-credential-required"), "{told:?} {:?}", gateway.seen());
}

#[tokio::test]
async fn an_attribute_that_a_reader_could_take_for_the_owner_makes_it_unclear() {
    // Jackson and others read attributes and elements as members of one object.
    for row in [
        r#"<orderData vendor="zenith"><receipt>ABCD1234</receipt><role>VENDOR</role><vendor>acme</vendor><x>secret</x></orderData>"#,
        r#"<orderData role="AFFILIATE"><receipt>ABCD1234</receipt><role>VENDOR</role><vendor>acme</vendor><affiliate>zenith</affiliate><x>secret</x></orderData>"#,
    ] {
        let gateway =
            Gateway::new("", WIDE, "", move |_| (200, "application/xml", format!("<orderList>{row}</orderList>")));
        let request = Request::builder()
            .uri("/rest/1.3/orders2/ABCD1234")
            .header("host", "gateway")
            .header("authorization", "cbgw_app")
            .header("accept", "application/xml");
        let Ok(response) = gateway.pipeline.clone().oneshot(Ok(request.body(Empty::new()).unwrap())).await;
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&body);
        assert!(!body.contains("secret"), "{body}");
    }
}

const CHANGES_ONLY: &str = r#"
[credentials.acting]
api_key = { file = "clickbank" }
[credentials.acting.reach]
products = ["acme", "zenith"]
[credentials.reads]
api_key = { file = "clickbank-reads" }
[credentials.reads.reach]
orders_read = ["acme", "zenith"]
"#;

#[tokio::test]
async fn a_look_up_with_another_credential_waits_until_that_was_seen_to_show_every_seller() {
    let endpoint =
        added("x.files", "GET", "orders3/{receipt}/files", "changes = \"nothing\"\nowner = { receipt = \"receipt\" }")
            .replace("orders_read", "products");
    for (shown, expected) in [
        (r#"[{"nickName":"acme"},{"nickName":"zenith"}]"#, (200, None)),
        (r#"[{"nickName":"acme"},{"nickName":"zenith"},{"nickName":"stranger"}]"#, (200, None)),
        // Of an order of acme's and zenith's it would show acme's part.
        (r#"{"nickName":"acme"}"#, (403, Some("confined-credential-required"))),
        (r#"[{"nickName":"acme"},{"nickName":"stranger"}]"#, (403, Some("confined-credential-required"))),
    ] {
        let gateway = Gateway::new("", CHANGES_ONLY, &endpoint, move |target| match target {
            "quickstats/accounts" => (200, JSON, format!(r#"{{"accountData":{shown}}}"#)),
            "orders2/ABCD1234" => (200, JSON, order("ABCD1234", "acme")),
            _ => (200, JSON, r#"{"file":"secret"}"#.to_owned()),
        });
        for again in [false, true] {
            let (status, word, _) = gateway.call("GET", "orders3/ABCD1234/files").await;
            assert_eq!((status, word.as_deref()), expected, "{shown}");
            let mut asked = gateway.seen();
            if !again {
                assert_eq!(asked.remove(0), "GET quickstats/accounts", "{shown}");
            }
            assert_eq!(asked.is_empty(), status == 403, "{shown}: {asked:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_may_be_as_large_as_is_configured_and_not_a_byte_larger() {
    // Room for one answer, of which a part is set aside before anything is read of an order that nobody has proven yet.
    let upstream = "max_answer = \"8 KiB\"\nanswer_memory = \"8 KiB\"";
    for (credentials, refused) in [(CONFINED, "answer-too-large"), (WIDE, "not-yours-or-unknown")] {
        for (length, expected) in [(8 << 10, (200, None)), ((8 << 10) + 1, (0, Some(refused)))] {
            let gateway = Gateway::new(upstream, credentials, "", move |_| {
                let order = order("ABCD1234", "acme");
                (200, JSON, order.clone() + &" ".repeat(length - order.len()))
            });
            for _ in 0..3 {
                let (status, word, body) = gateway.call("GET", "orders2/ABCD1234").await;
                assert_eq!(word.as_deref(), expected.1, "{length} {credentials}");
                assert!(expected.1.is_some() || (status, body.len()) == (200, length), "{status} {}", body.len());
            }
        }
    }
}

#[tokio::test]
async fn a_share_in_somebody_elses_upsell_does_not_keep_ones_own_from_being_shown() {
    let row = |receipt: &str, role: &str, seller: &str| {
        format!(r#"{{"receipt":"{receipt}","role":"{role}","vendor":"{seller}","affiliate":null}}"#)
    };
    let mine = row("ABCD1234", "VENDOR", "acme");
    // Whose it is cannot be told of a share, so under one's own receipt it is another matter.
    for (receipt, expected) in [("ZZZZ9999", Ok(format!(r#"{{"orderData":{mine}}}"#))), ("ABCD1234", Err(()))] {
        let rows = format!(r#"{{"orderData":[{mine},{}]}}"#, row(receipt, "JV_TRADITIONAL", "zenith"));
        let gateway = Gateway::new("", WIDE, "", move |_| (200, JSON, rows.clone()));
        let (status, word, body) = gateway.call("GET", "orders2/ABCD1234/upsells").await;
        let told = if status == 200 { Ok(body) } else { Err(()) };
        assert_eq!(told, expected, "{receipt} {word:?}");
    }
}

#[tokio::test]
async fn an_answer_that_shows_nobody_is_withheld_if_its_credential_was_found_too_wide_meanwhile() {
    let gateway: Arc<std::sync::OnceLock<Gateway>> = Arc::default();
    let answering = Arc::clone(&gateway);
    let made = Gateway::new("", CONFINED, "", move |target| {
        if target == "quickstats/accounts" {
            return (200, JSON, r#"{"accountData":{"nickName":"acme"}}"#.to_owned());
        }
        // While ClickBank answers, another call finds it out.
        let snapshot = answering.get().unwrap().shared.current.load_full();
        let credentials = &snapshot.policy.credentials;
        for (id, ..) in credentials.iter() {
            credentials.doubt(id);
        }
        (200, TEXT, "12".to_owned())
    });
    let gateway = gateway.get_or_init(|| made);
    let (status, word, body) = gateway.call("GET", "tickets/count").await;
    assert!(status == 502 && word.is_some() && !body.contains("12"), "{status} {word:?} {body}");
}
