//! Reads behind a ClickBank key that reaches more than the caller may see: what is asked before, what arrives, what is
//! released, and what everybody is told who asks for something else.

use std::time::Duration;

use clickbank_gateway::simulator::{Fault, FaultRule};
use http::StatusCode;

use crate::support::emissions;
use crate::support::scene::{Scene, sees_reach};
use crate::support::setup::Setup;
use crate::support::wire::Answer;

const JSON: (&str, &str) = ("Accept", "application/json");
const NOT_YOURS: (u16, Option<&str>) = (403, Some("not-yours-or-unknown"));

/// `app` may read what acme has, `pair` what acme and acmeaff have; the only ClickBank key reaches all four nicknames.
fn setup() -> Setup {
    Setup::new()
        .credential("all", "orders_read = [\"acme\", \"acmeaff\", \"zenith\", \"orbit\"]")
        .caller("app", "orders_read = [\"acme\"]")
        .caller("pair", "orders_read = [\"acme\", \"acmeaff\"]")
}

/// What the demo world has.
struct World {
    /// Receipts of acme's alone, with a ship notice, with a ticket.
    own: String,
    shipped: String,
    with_ticket: String,
    ticket: String,
    /// The same of zenith's.
    foreign: String,
    foreign_ticket: String,
    /// A receipt on which acme and zenith sold.
    mixed: String,
    /// One of rivalco's sales, which acmeaff brought.
    brought: String,
}

impl World {
    fn of(scene: &Scene) -> Self {
        let world = scene.world();
        let records = world.records();
        let sellers = |receipt: &str| {
            let mut sellers: Vec<String> = records.orders_of(receipt).map(|order| order.seller.to_string()).collect();
            sellers.sort();
            sellers.dedup();
            sellers
        };
        let plain = |receipt: &str| {
            records.orders_of(receipt).all(|order| order.joint_ventures.is_empty() && order.affiliate.is_none())
        };
        let first = |wanted: &dyn Fn(&str) -> bool| {
            let mut receipts = records.orders.iter().map(|order| order.receipt.as_str());
            receipts.find(|receipt| wanted(receipt)).unwrap().to_owned()
        };
        let ticket_of = |seller: &str| {
            let mut tickets = records.tickets.iter();
            tickets.find(|ticket| sellers(&ticket.receipt) == [seller] && !ticket.receipt.contains('-')).unwrap()
        };
        let notice = records.ship_notices.iter().find(|notice| sellers(&notice.receipt) == ["acme"]).unwrap();
        Self {
            own: first(&|receipt| sellers(receipt) == ["acme"] && plain(receipt)),
            shipped: notice.receipt.clone(),
            with_ticket: ticket_of("acme").receipt.clone(),
            ticket: ticket_of("acme").id.to_string(),
            foreign: first(&|receipt| sellers(receipt) == ["zenith"] && plain(receipt)),
            foreign_ticket: ticket_of("zenith").id.to_string(),
            mixed: first(&|receipt| sellers(receipt) == ["acme", "zenith"]),
            brought: first(&|receipt| {
                sellers(receipt) == ["rivalco"]
                    && records.orders_of(receipt).all(|order| {
                        order.affiliate.as_ref().is_some_and(|affiliate| affiliate.as_str() == "acmeaff")
                            && order.joint_ventures.is_empty()
                    })
            }),
        }
    }
}

/// The targets that have arrived since there were `before`, without the prefix that all have.
fn arrived(scene: &Scene, before: usize) -> Vec<String> {
    let since = scene.simulator.received().split_off(before);
    since.iter().map(|received| received.target.trim_start_matches("/rest/1.3/").to_owned()).collect()
}

/// All headers but the date.
fn headers(answer: &Answer) -> Vec<(String, String)> {
    answer.headers.iter().filter(|(name, _)| name != "date").cloned().collect()
}

async fn get(scene: &Scene, caller: &str, rest: &str) -> Answer {
    scene.call(caller, "GET", &format!("/rest/1.3/{rest}"), &[JSON]).await
}

/// What the simulator answers to a key of its own that reaches acme alone.
fn ideal(scene: &Scene, rest: &str) -> (u16, String) {
    let secret = scene.simulator.keys().iter().find(|key| key.name() == "acme").unwrap().secret().expose().to_owned();
    let request = clickbank_gateway::simulator::Request::get(&format!("/rest/1.3/{rest}"))
        .with_header("authorization", &secret)
        .with_header("accept", "application/json");
    let answer = scene.world().answer(&request);
    (answer.status.as_u16(), answer.text())
}

#[tokio::test]
async fn what_is_the_callers_is_answered_as_to_a_key_of_its_own() {
    let scene = Scene::start(&setup()).await;
    let world = World::of(&scene);
    for (rest, canonical) in [
        ("orders2/list".to_owned(), "orders2/list?vendor=acme&role=VENDOR".to_owned()),
        ("orders/list?vendor=ACME".to_owned(), "orders/list?vendor=ACME&role=VENDOR".to_owned()),
        ("orders2/count?role=VENDOR".to_owned(), "orders2/count?role=VENDOR&vendor=acme".to_owned()),
        ("quickstats/list".to_owned(), "quickstats/list?account=acme".to_owned()),
        ("quickstats/count?account=acme".to_owned(), "quickstats/count?account=acme".to_owned()),
        ("quickstats/accounts".to_owned(), "quickstats/accounts".to_owned()),
        (format!("orders2/{}", world.own), format!("orders2/{}", world.own)),
        (format!("orders/{}", world.own), format!("orders/{}", world.own)),
        (format!("shipping2/shipnotice/{}", world.shipped), format!("shipping2/shipnotice/{}", world.shipped)),
        (format!("shipping3/list?receipt={}", world.shipped), format!("shipping3/list?receipt={}", world.shipped)),
        (format!("tickets/list?receipt={}", world.with_ticket), format!("tickets/list?receipt={}", world.with_ticket)),
        (format!("tickets/{}", world.ticket), format!("tickets/{}", world.ticket)),
        (
            format!("tickets/refundAmounts/{}?refundType=PARTIAL_PERCENT&refundAmount=50", world.own),
            format!("tickets/refundAmounts/{}?refundType=PARTIAL_PERCENT&refundAmount=50", world.own),
        ),
    ] {
        let before = scene.simulator.received().len();
        let answer = get(&scene, "app", &rest).await;
        let (status, body) = ideal(&scene, &canonical);
        assert_eq!((answer.outcome(), answer.text()), ((status, None), body), "{rest}");
        assert!(matches!(status, 200 | 206), "{rest}: equality says little of {status}");
        // What is sent comes last, and is what was asked for and what confines it.
        assert_eq!(arrived(&scene, before).last().unwrap(), &canonical);
    }
    let head = scene.call("app", "HEAD", &format!("/rest/1.3/orders2/{}", world.own), &[]).await;
    assert_eq!(head.outcome(), (204, None));
}

#[tokio::test]
async fn everybody_elses_and_nobodys_are_answered_alike_to_the_byte() {
    let scene = Scene::start(&setup()).await;
    let world = World::of(&scene);
    let World { foreign, mixed, brought, foreign_ticket, .. } = &world;
    let unknown = "ZZZZ9999";
    let id = ("X-Request-Id", "the-same");
    let mut answers = Vec::new();
    for rest in [
        format!("orders2/{foreign}"),
        format!("orders2/{unknown}"),
        format!("orders/{foreign}/upsells"),
        // acme's own order has no upsells, which ClickBank says in other words.
        format!("orders2/{}/upsells", world.own),
        format!("shipping2/shipnotice/{foreign}"),
        format!("shipping/shipnotice/{unknown}"),
        format!("shipping/list?receipt={foreign}"),
        format!("shipping/list?receipt={unknown}"),
        format!("tickets/list?receipt={foreign}"),
        format!("tickets/list?receipt={unknown}"),
        format!("tickets/refundAmounts/{foreign}?refundType=FULL&refundAmount=1"),
        // What belongs to a receipt as a whole belongs to nobody if several sold.
        format!("tickets/refundAmounts/{mixed}?refundType=FULL&refundAmount=1"),
        format!("shipping2/shipnotice/{mixed}"),
        // The affiliate of a sale does not own it.
        format!("tickets/refundAmounts/{brought}?refundType=FULL&refundAmount=1"),
        format!("tickets/{foreign_ticket}"),
        "tickets/1".to_owned(),
        // No ticket has such an id, and ClickBank says so in other words.
        "tickets/999999999999999999".to_owned(),
    ] {
        for accept in ["application/json", "application/xml"] {
            let answer = scene.call("pair", "GET", &format!("/rest/1.3/{rest}"), &[("Accept", accept), id]).await;
            assert_eq!(answer.outcome(), NOT_YOURS, "{rest}");
            answers.push((headers(&answer), answer.body.clone()));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let mut heads = Vec::new();
    for receipt in [foreign.as_str(), unknown, mixed, brought] {
        let answer = scene.call("pair", "HEAD", &format!("/rest/1.3/orders2/{receipt}"), &[id]).await;
        assert_eq!(answer.status, 403, "{receipt}");
        heads.push(headers(&answer));
    }
    heads.dedup();
    assert_eq!(heads, [answers[0].0.clone()], "as to a GET, but for the body");
}

#[tokio::test]
async fn of_a_receipt_on_which_others_sold_only_ones_own_rows_pass() {
    let scene = Scene::start(&setup()).await;
    let World { mixed, brought, .. } = World::of(&scene);
    let before = scene.simulator.received().len();
    let answer = get(&scene, "app", &format!("orders2/{mixed}")).await;
    assert_eq!(answer.outcome(), (200, None));
    let order: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    // One row is an object, as from ClickBank.
    assert_eq!(order["orderData"]["vendor"], "acme");
    assert!(!answer.text().contains("zenith"), "{}", answer.text());
    assert_eq!(arrived(&scene, before), [format!("orders2/{mixed}")]);
    let xml = scene.call("app", "GET", &format!("/rest/1.3/orders2/{mixed}"), &[]).await;
    assert_eq!((xml.outcome(), xml.text().matches("<orderData>").count()), ((200, None), 1));
    assert!(!xml.text().contains("zenith"), "{}", xml.text());

    // Of a stranger's sale the affiliate sees its own row.
    let answer = get(&scene, "pair", &format!("orders2/{brought}")).await;
    let order: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &order["orderData"]["role"]), (200, &"AFFILIATE".into()));
    assert_eq!(get(&scene, "app", &format!("orders2/{brought}")).await.outcome(), NOT_YOURS);
}

#[tokio::test]
async fn an_owner_is_looked_up_once_a_minute_for_each_caller_and_what_is_anothers_every_time() {
    let scene = Scene::start(&setup().caller("other", "orders_read = [\"acme\"]")).await;
    let World { own, foreign, ticket, with_ticket, .. } = World::of(&scene);
    let looked_up = format!("orders2/{own}");
    let notices = format!("shipping2/shipnotice/{own}");
    let amounts = format!("tickets/refundAmounts/{own}?refundType=FULL&refundAmount=1");
    for (caller, rest, expected) in [
        ("app", &notices, vec![&looked_up, &notices]),
        ("app", &notices, vec![&notices]),
        ("app", &amounts, vec![&amounts]),
        // Nothing of what one caller does can be felt by another.
        ("other", &amounts, vec![&looked_up, &amounts]),
        ("other", &notices, vec![&notices]),
    ] {
        let before = scene.simulator.received().len();
        get(&scene, caller, rest).await;
        assert_eq!(
            arrived(&scene, before),
            expected.into_iter().map(String::as_str).collect::<Vec<_>>(),
            "{caller} {rest}"
        );
    }
    let before = scene.simulator.received().len();
    for _ in 0..2 {
        assert_eq!(get(&scene, "app", &format!("shipping2/shipnotice/{foreign}")).await.outcome(), NOT_YOURS);
    }
    assert_eq!(arrived(&scene, before), [format!("orders2/{foreign}"), format!("orders2/{foreign}")]);
    let before = scene.simulator.received().len();
    for _ in 0..2 {
        assert_eq!(get(&scene, "app", &format!("tickets/{ticket}")).await.outcome(), (200, None));
    }
    let asked = format!("tickets/{ticket}");
    assert_eq!(arrived(&scene, before), [asked.clone(), format!("orders2/{with_ticket}"), asked.clone(), asked]);
}

#[tokio::test]
async fn many_at_once_for_one_receipt_cost_one_look_up() {
    let scene = Scene::start(&setup()).await;
    let World { own, .. } = World::of(&scene);
    let rest = format!("shipping2/shipnotice/{own}");
    // The first one is held up until all others wait for it.
    scene.simulator.add_fault(FaultRule::new(Fault::DelayHead(Duration::from_millis(300))).once()).unwrap();
    let calls: Vec<_> = (0..20).map(|_| get(&scene, "app", &rest)).collect();
    for answer in futures_all(calls).await {
        assert_eq!(answer.outcome(), (200, None));
    }
    let looked_up = arrived(&scene, 0).iter().filter(|target| **target == format!("orders2/{own}")).count();
    assert_eq!(looked_up, 1);
}

/// Waits for all at once.
async fn futures_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.into_iter().map(|future| (Some(Box::pin(future)), None)).collect();
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for (future, output) in &mut pending {
            if let Some(running) = future {
                match running.as_mut().poll(context) {
                    std::task::Poll::Ready(done) => (*future, *output) = (None, Some(done)),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    pending.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test]
async fn a_look_up_that_fails_is_told_by_its_own_code_and_nothing_more_is_sent() {
    let upstream = "connect_timeout = \"2s\"\nresponse_timeout = \"1s\"";
    let scene = Scene::start(&setup().upstream(upstream)).await;
    let World { own, .. } = World::of(&scene);
    let status = |code: u16| Fault::Status {
        status: StatusCode::from_u16(code).unwrap(),
        text: "words of ClickBank's".to_owned(),
        executed: false,
    };
    for (fault, told) in [
        (status(500), (502, Some("look-up-failed"))),
        (status(503), (502, Some("look-up-failed"))),
        (status(401), (502, Some("credential-refused"))),
        (status(400), NOT_YOURS),
        (status(404), NOT_YOURS),
        (Fault::Truncate(3), (502, Some("answer-unreadable"))),
        // It came whole, so there is something to the receipt, which is not to be told.
        (Fault::ContentType("text/html".to_owned()), NOT_YOURS),
        (Fault::Hang { executed: false }, (504, Some("upstream-timeout"))),
    ] {
        scene.simulator.clear_received();
        for rest in [format!("shipping2/shipnotice/{own}"), format!("tickets/list?receipt={own}")] {
            scene.simulator.clear_faults();
            scene.simulator.add_fault(FaultRule::new(fault.clone()).path(&format!("/rest/1.3/orders2/{own}"))).unwrap();
            let answer = get(&scene, "app", &rest).await;
            assert_eq!(answer.outcome(), told, "{rest} {fault:?}");
            assert!(!answer.text().contains("words"), "{}", answer.text());
        }
        let arrived = arrived(&scene, 0);
        assert!(arrived.iter().all(|target| *target == format!("orders2/{own}")), "{fault:?}: {arrived:?}");
    }
}

#[tokio::test]
async fn a_call_with_look_ups_takes_no_longer_than_one_without() {
    // Each look-up alone would be in time.
    let upstream = "connect_timeout = \"1s\"\nresponse_timeout = \"1s\"";
    let scene =
        Scene::start(&setup().upstream(upstream).limits("per_second = 1000\nper_day = 1000000\nmax_wait = \"0s\""))
            .await;
    let World { ticket, .. } = World::of(&scene);
    scene.simulator.add_fault(FaultRule::new(Fault::DelayHead(Duration::from_millis(900)))).unwrap();
    let answer = get(&scene, "app", &format!("tickets/{ticket}")).await;
    assert_eq!(answer.outcome(), (504, Some("upstream-timeout")));
}

#[tokio::test]
async fn a_change_has_its_whole_time_however_long_the_look_up_took() {
    let upstream = "connect_timeout = \"1s\"\nresponse_timeout = \"1s\"";
    let added =
        "[[endpoint]]\nid = \"x\"\nmethod = \"POST\"\npath = \"/rest/1.3/x/y\"\npermissions = [\"orders_write\"]\n";
    let limits = format!("per_second = 1000\nper_day = 1000000\nmax_wait = \"0s\"\n{added}");
    let scene = Scene::start(&Setup::acme().upstream(upstream).limits(&limits)).await;
    scene.simulator.add_fault(FaultRule::new(Fault::DelayHead(Duration::from_millis(1_300)))).unwrap();
    let answer = scene.call("app", "POST", "/rest/1.3/x/y", &[]).await;
    assert_eq!(arrived(&scene, 0), ["quickstats/accounts", "x/y"]);
    assert_ne!(answer.outcome().1, Some("outcome-unknown"), "{}", answer.text());
}

#[tokio::test]
async fn look_ups_count_against_the_day() {
    let limits = "per_second = 1000\nper_day = 3";
    let scene = Scene::start(&setup().limits(limits)).await;
    let World { own, ticket, .. } = World::of(&scene);
    assert_eq!(get(&scene, "app", &format!("orders2/{own}")).await.outcome(), (200, None));
    assert_eq!(get(&scene, "app", &format!("tickets/{ticket}")).await.outcome(), (429, Some("limit-per-day")));
    assert_eq!(scene.simulator.received().len(), 3);
}

#[tokio::test]
async fn a_credential_that_reaches_more_than_declared_is_found_out_and_trusted_with_nothing() {
    // The simulator's key reaches everything.
    let setup = Setup::new()
        .credential("all", "orders_read = [\"acme\"]")
        .caller("first-to-find-out", "orders_read = [\"acme\"]")
        .caller("next-to-find-out", "orders_read = [\"acme\"]");
    let scene = Scene::start(&setup).await;
    let World { own, foreign, .. } = World::of(&scene);
    let heard = emissions::listen();
    for caller in ["first-to-find-out", "next-to-find-out", "first-to-find-out"] {
        let answer = get(&scene, caller, "tickets/count").await;
        assert_eq!(answer.outcome(), (403, Some("confined-credential-required")), "{caller}");
    }
    assert_eq!(arrived(&scene, 0), ["quickstats/accounts"], "once, and nothing else");
    assert!(sees_reach(&scene.simulator.received()[0]));
    let said = String::from_utf8(emissions::since(heard)).unwrap();
    let alarms = said.lines().filter(|line| line.contains("reach-wider-than-declared") && line.contains("to-find-out"));
    assert_eq!(alarms.filter(|line| line.contains("\"WARN\"")).count(), 1, "{said}");
    // What a wide credential is good for goes on, judged.
    assert_eq!(get(&scene, "first-to-find-out", &format!("orders2/{own}")).await.outcome(), (200, None));
    assert_eq!(get(&scene, "first-to-find-out", &format!("orders2/{foreign}")).await.outcome(), NOT_YOURS);
    let before = scene.simulator.received().len();
    assert_eq!(get(&scene, "first-to-find-out", "orders2/list").await.status, 206);
    assert_eq!(arrived(&scene, before), ["orders2/list?vendor=acme&role=VENDOR"]);
}

#[tokio::test]
async fn a_confined_credentials_answer_that_names_somebody_else_is_withheld_with_an_alarm() {
    let setup = Setup::new()
        .credential("all", "orders_read = [\"acme\"]")
        .caller("not-to-see", "orders_read = [\"acme\"]")
        .caller("app", "orders_read = [\"acme\"]");
    let scene = Scene::start(&setup).await;
    let World { foreign, .. } = World::of(&scene);
    let heard = emissions::listen();
    for accept in ["application/json", "application/xml"] {
        let answer =
            scene.call("not-to-see", "GET", &format!("/rest/1.3/orders2/{foreign}"), &[("Accept", accept)]).await;
        // From then on it counts as wide, and its answers are judged as such.
        let told = if accept == "application/json" { (502, Some("answer-unreadable")) } else { NOT_YOURS };
        assert_eq!(answer.outcome(), told);
        assert!(!answer.text().contains("zenith"));
    }
    let said = String::from_utf8(emissions::since(heard)).unwrap();
    let alarms = said.lines().filter(|line| line.contains("foreign-owner") && line.contains("not-to-see"));
    assert_eq!(alarms.filter(|line| line.contains("\"WARN\"")).count(), 1, "{said}");
}
