//! No more is changed in an hour than the caps of key and nickname say, however many ask at once and whatever restarts in
//! between; and an operator who stops changes stops those that wait as well.

use std::collections::BTreeMap;
use std::process::Command;

use clickbank_gateway::simulator::world::{Line, Order, Subscription, Ticket, TicketKind, ticket_id};
use clickbank_gateway::simulator::{Cents, Fault, FaultRule, Simulator};
use http::{Method, StatusCode};
use jiff::civil::{Date, date};
use tokio::task::JoinSet;

use crate::support::changes::{secret_of, setup, simulator_for};
use crate::support::process::PROGRAM;
use crate::support::scene::{Scene, start_gateway};
use crate::support::setup::{Setup, everything_on, new_key};
use crate::support::wire::{Answer, Connection};
use crate::support::within;

const TODAY: Date = date(2026, 11, 20);
const REACHED: (u16, Option<&str>) = (403, Some("cap-reached"));
const DONE: (u16, Option<&str>) = (200, None);
/// `[limits]` of a setup, to add `[caps.…]` to.
const LIMITS: &str = "per_second = 1000\nper_day = 1000000\n";

/// Two sellers' callers, and for acme a second one, `capped`, with these caps.
fn with_caps(caps: &str) -> Setup {
    setup().caller_with(
        "capped",
        &new_key(),
        &format!("status = \"active\"\ncaps = {{ {caps} }}"),
        &everything_on("[\"acme\"]"),
    )
}

async fn start(setup: &Setup) -> Scene {
    let simulator = simulator_for(&[]).await;
    let written = setup.write(&simulator.url(), simulator.ca_pem(), |name| secret_of(&simulator, name));
    let gateway = start_gateway(&written).await;
    Scene { simulator, gateway, written }
}

/// Sells so much with a receipt of its own.
fn sell(simulator: &Simulator, seller: &str, cents: i64) -> String {
    let mut world = simulator.world();
    let records = world.records_mut();
    let receipt = format!("D{:07}", records.orders.len());
    records.orders.push(Order::sale(&receipt, seller, TODAY).of(vec![Line::physical("book-1", Cents(cents))]));
    receipt
}

fn refund_of(receipt: &str) -> String {
    format!("/rest/1.3/tickets/{receipt}?type=rfnd&reason=ticket.type.refund.7&refundType=FULL")
}

fn support_for(receipt: &str) -> String {
    format!("/rest/1.3/tickets/{receipt}?type=tech&reason=ticket.type.tech_support.1")
}

/// A refund of something that was just sold.
async fn refund(scene: &Scene, caller: &str, seller: &str) -> Answer {
    let receipt = sell(&scene.simulator, seller, 2000);
    scene.call(caller, "POST", &refund_of(&receipt), &[]).await
}

fn executed(scene: &Scene) -> usize {
    scene.world().executed().len()
}

/// How often ClickBank was asked anything.
fn asked(scene: &Scene) -> usize {
    scene.received().len()
}

#[tokio::test]
async fn beyond_a_cap_nothing_is_sent_and_the_refusal_says_whose_it_is_and_when_it_frees() {
    let scene = start(&with_caps("refunds_per_hour = 2")).await;
    for _ in 0..2 {
        assert_eq!(refund(&scene, "capped", "acme").await.outcome(), DONE);
    }
    let before = asked(&scene);
    let answer = refund(&scene, "capped", "acme").await;
    assert_eq!(answer.outcome(), REACHED);
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((3_500..=3_660).contains(&seconds), "{seconds}");
    assert_eq!(
        answer.json()["detail"],
        "There may be at most 2 refunds an hour with this key, and it would be more with this one. It was not sent. Try again \
         after the time in Retry-After, or have the operator raise refunds_per_hour, with `clickbank-gateway key edit NAME \
         --cap refunds_per_hour=…`."
    );
    assert_eq!((asked(&scene), executed(&scene)), (before, 2), "ClickBank is not even asked whose it is");
    // Others, and what is no refund, go on.
    assert_eq!(refund(&scene, "acme", "acme").await.outcome(), DONE);
    let receipt = sell(&scene.simulator, "acme", 2000);
    assert_eq!(scene.call("capped", "POST", &support_for(&receipt), &[]).await.outcome(), DONE);
    assert_eq!(scene.get("capped", &format!("/rest/1.3/orders2/{receipt}")).await.outcome(), DONE);
    let ticket = scene.world().executed().last().and_then(|executed| executed.ticket).unwrap();
    // Money that goes back in another way is a refund, too.
    for (method, path) in [
        ("PUT", format!("/rest/1.3/tickets/{ticket}?action=change&type=rfnd")),
        ("PUT", format!("/rest/1.3/tickets/{ticket}?action=reopen")),
        ("POST", format!("/rest/1.3/tickets/{ticket}/returned")),
        ("POST", format!("/rest/1.3/orders2/{receipt}/changeProduct?oldSku=a&newSku=b&applyProratedRefund=true")),
    ] {
        assert_eq!(scene.call("capped", method, &path, &[]).await.outcome(), REACHED, "{path}");
    }
    let comment = format!("/rest/1.3/tickets/{ticket}?comment=x");
    assert_eq!(scene.call("capped", "PUT", &comment, &[]).await.outcome(), DONE);
    assert_eq!(executed(&scene), 5);
}

#[tokio::test]
async fn a_cap_of_a_nickname_counts_all_keys_together_behind_any_credential() {
    let caps = "[caps.zenith]\nrefunds_per_hour = 2\n[caps.orbit]\nchanges_per_hour = 1\n";
    for owner_check in ["always", "trust-clickbank"] {
        let changes = format!("[changes]\nowner_check = \"{owner_check}\"\n");
        counts_for_the_seller(&(LIMITS.to_owned() + caps + &changes)).await;
    }
}

async fn counts_for_the_seller(limits: &str) {
    let setup = setup()
        .limits(limits)
        .caller("both", &everything_on("[\"zenith\", \"orbit\"]"))
        .caller("second", &everything_on("[\"zenith\"]"));
    let scene = start(&setup).await;
    assert_eq!(refund(&scene, "zenith", "zenith").await.outcome(), DONE);
    // It could be either nickname's; what counts is whose it turns out to be.
    assert_eq!(refund(&scene, "both", "zenith").await.outcome(), DONE);
    let answer = refund(&scene, "second", "zenith").await;
    assert_eq!(answer.outcome(), REACHED);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("There may be at most 2 refunds an hour on `zenith`,"), "{detail}");
    assert!(detail.contains("under [caps.zenith] in gateway.toml"), "{detail}");
    assert_eq!(refund(&scene, "both", "zenith").await.outcome(), REACHED);
    assert_eq!(refund(&scene, "both", "orbit").await.outcome(), DONE);
    let receipt = sell(&scene.simulator, "orbit", 2000);
    assert_eq!(scene.call("both", "POST", &support_for(&receipt), &[]).await.outcome(), REACHED);
    let receipt = sell(&scene.simulator, "zenith", 2000);
    assert_eq!(scene.call("both", "POST", &support_for(&receipt), &[]).await.outcome(), DONE);
    assert_eq!(executed(&scene), 4);
}

#[tokio::test]
async fn of_many_at_once_as_many_are_made_as_the_cap_says_and_a_restart_frees_nothing() {
    let caps = "[caps.acme]\nrefunds_per_hour = 17\n";
    let setup = with_caps("refunds_per_hour = 6, changes_per_hour = 9").limits(&(LIMITS.to_owned() + caps));
    let mut scene = start(&setup.top("state = \"state\"")).await;
    for round in 0..2 {
        let mut asking = JoinSet::new();
        for number in 0..60 {
            let receipt = sell(&scene.simulator, "acme", 2000);
            let caller = if number % 2 == 0 { "capped" } else { "acme" };
            let (address, secrets, key) =
                (scene.address(), scene.written.secrets.clone(), scene.key(caller).to_owned());
            asking.spawn(async move {
                let mut connection = Connection::open(address, &secrets).await;
                let target = refund_of(&receipt);
                connection
                    .send(format!("POST {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n"))
                    .await;
                (caller, connection.answer().await)
            });
        }
        let mut made: BTreeMap<&str, usize> = BTreeMap::new();
        while let Some(answered) = asking.join_next().await {
            let (caller, answer) = answered.unwrap();
            match answer.outcome() {
                DONE => *made.entry(caller).or_default() += 1,
                other => assert_eq!(other, REACHED, "{}", answer.text()),
            }
        }
        if round == 0 {
            assert!(made["capped"] <= 6, "{made:?}");
            assert_eq!(made.values().sum::<usize>(), 17, "{made:?}");
        } else {
            assert!(made.is_empty(), "{made:?}");
        }
        assert_eq!(executed(&scene), 17);
        scene = scene.restart().await;
    }
    // Without a place to keep it, a restart begins anew, and the log says so at the start.
    let mut scene = start(&with_caps("changes_per_hour = 1")).await;
    for made in 1..=2 {
        assert_eq!(refund(&scene, "capped", "acme").await.outcome(), DONE);
        assert_eq!(refund(&scene, "capped", "acme").await.outcome(), REACHED);
        assert_eq!(executed(&scene), made);
        scene = scene.restart().await;
    }
}

#[tokio::test]
async fn what_was_certainly_not_done_does_not_count_and_what_perhaps_was_does() {
    let setup = with_caps("changes_per_hour = 1").top("state = \"state\"");
    let scene = start(&setup.upstream("connect_timeout = \"1s\"\nresponse_timeout = \"500ms\"")).await;
    let on_post = |fault| FaultRule::new(fault).method(Method::POST).once();
    // ClickBank refuses it.
    let receipt = sell(&scene.simulator, "acme", 2000);
    let wrong = format!("/rest/1.3/tickets/{receipt}?type=rfnd&reason=none");
    assert_eq!(scene.call("capped", "POST", &wrong, &[]).await.outcome(), (400, None));
    let busy = Fault::Status { status: StatusCode::FORBIDDEN, text: "Busy".to_owned(), executed: false };
    scene.simulator.add_fault(on_post(busy)).unwrap();
    assert_eq!(refund(&scene, "capped", "acme").await.outcome(), (403, None));
    // Somebody else's.
    let foreign = sell(&scene.simulator, "zenith", 2000);
    let answer = scene.call("capped", "POST", &refund_of(&foreign), &[]).await;
    assert_eq!(answer.outcome(), (403, Some("not-yours-or-unknown")));
    // It is made, and asked for again under its key.
    let receipt = sell(&scene.simulator, "acme", 2000);
    let headers = [("Idempotency-Key", "once")];
    for _ in 0..3 {
        assert_eq!(scene.call("capped", "POST", &refund_of(&receipt), &headers).await.outcome(), DONE);
    }
    assert_eq!(refund(&scene, "capped", "acme").await.outcome(), REACHED);
    assert_eq!(executed(&scene), 1);
    // Nobody knows whether this one was.
    let scene = start(&with_caps("changes_per_hour = 1")).await;
    scene.simulator.add_fault(on_post(Fault::Reset { executed: false })).unwrap();
    assert_eq!(refund(&scene, "capped", "acme").await.outcome(), (502, Some("outcome-unknown")));
    assert_eq!(refund(&scene, "capped", "acme").await.outcome(), REACHED);
}

#[tokio::test]
async fn what_could_not_be_sent_does_not_count() {
    let Scene { simulator, gateway, written } = start(&with_caps("changes_per_hour = 1")).await;
    drop(gateway);
    // Somebody who hangs up on everybody.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, nobody) = (simulator.url(), format!("https://{}", listener.local_addr().unwrap()));
    std::thread::spawn(move || listener.incoming().for_each(drop));
    written.edit("gateway.toml", |text| text.replace(&url, &nobody));
    let scene = Scene { gateway: start_gateway(&written).await, simulator, written };
    let target = "/rest/1.3/products/new-1?site=acme&currency=USD&price=1&language=EN&title=t";
    for _ in 0..3 {
        let answer = scene.call("capped", "PUT", target, &[]).await;
        assert_eq!(answer.outcome(), (502, Some("upstream-unreachable")));
    }
}

#[tokio::test]
async fn refunded_money_counts_by_what_clickbank_says_it_is() {
    let scene = start(&with_caps("refunded_usd_per_hour = \"50.00\"")).await;
    for receipt in [sell(&scene.simulator, "acme", 2000), sell(&scene.simulator, "acme", 2500)] {
        assert_eq!(scene.call("capped", "POST", &refund_of(&receipt), &[]).await.outcome(), DONE);
    }
    let dear = sell(&scene.simulator, "acme", 501);
    let answer = scene.call("capped", "POST", &refund_of(&dear), &[]).await;
    assert_eq!(answer.outcome(), REACHED);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("There may be at most $50.00 of refunds an hour with this key,"), "{detail}");
    // A part of it fits.
    let part = format!(
        "/rest/1.3/tickets/{dear}?type=rfnd&reason=ticket.type.refund.7&refundType=PARTIAL_AMOUNT&refundAmount=5.00"
    );
    scene.world().records_mut().accounts.iter_mut().for_each(|account| account.partial_refunds = true);
    assert_eq!(scene.call("capped", "POST", &part, &[]).await.outcome(), DONE);
    assert_eq!(executed(&scene), 3);
    // A ticket that becomes one for a refund is one of the whole.
    let receipt = sell(&scene.simulator, "acme", 1);
    scene.world().records_mut().tickets.push(Ticket::open(&receipt, 1, "book-1", TicketKind::TechSupport, TODAY));
    let ticket = format!("/rest/1.3/tickets/{}?action=change&type=rfnd", ticket_id(&receipt, 1));
    assert_eq!(scene.call("capped", "PUT", &ticket, &[]).await.outcome(), REACHED);
    // Of what is refunded with another change ClickBank does not tell how much it is.
    let receipt = sell(&scene.simulator, "acme", 1900);
    {
        let mut world = scene.world();
        let order = world.records_mut().orders.last_mut().unwrap();
        order.lines = vec![Line::recurring("club-1", Cents(1900))];
        order.subscription = Some(Subscription::monthly("club-1", TODAY, 1));
    }
    let change = |prorated| {
        format!("/rest/1.3/orders2/{receipt}/changeProduct?oldSku=club-1&newSku=vip-1&applyProratedRefund={prorated}")
    };
    let answer = scene.call("capped", "POST", &change("true"), &[]).await;
    assert_eq!(answer.outcome(), (403, Some("refund-amount-unknown")));
    assert_eq!(scene.call("capped", "POST", &change("false"), &[]).await.outcome(), (204, None));
    // ClickBank does not say.
    let amounts = FaultRule::new(Fault::Status { status: StatusCode::FORBIDDEN, text: String::new(), executed: false })
        .path_prefix("/rest/1.3/tickets/refundAmounts/");
    scene.simulator.add_fault(amounts).unwrap();
    let answer = refund(&scene, "capped", "acme").await;
    assert_eq!(answer.outcome(), (403, Some("refund-amount-unknown")));
    assert_eq!(executed(&scene), 4);
}

#[tokio::test]
async fn a_cap_is_raised_and_lowered_while_the_gateway_runs() {
    let scene = start(&with_caps("refunds_per_hour = 1")).await;
    assert_eq!(refund(&scene, "capped", "acme").await.outcome(), DONE);
    assert_eq!(refund(&scene, "capped", "acme").await.outcome(), REACHED);
    scene.written.edit("keys.toml", |text| text.replace("refunds_per_hour = 1", "refunds_per_hour = 2"));
    assert!(scene.gateway.reload().now().applied);
    assert_eq!(refund(&scene, "capped", "acme").await.outcome(), DONE);
    scene.written.edit("keys.toml", |text| text.replace("refunds_per_hour = 2", "refunds_per_hour = 0"));
    assert!(scene.gateway.reload().now().applied);
    let answer = refund(&scene, "capped", "acme").await;
    assert_eq!((answer.outcome(), answer.header("retry-after")), (REACHED, None));
    assert!(answer.json()["detail"].as_str().unwrap().contains("so there can be none"), "{}", answer.text());
    assert_eq!(executed(&scene), 2);
}

#[tokio::test]
async fn a_refund_that_goes_with_another_change_has_to_be_said_or_denied() {
    let scene = start(&setup()).await;
    let receipt = sell(&scene.simulator, "acme", 1900);
    for service in ["orders", "orders2"] {
        let target = format!("/rest/1.3/{service}/{receipt}/changeProduct?oldSku=club-1&newSku=vip-1");
        let answer = scene.call("acme", "POST", &target, &[]).await;
        assert_eq!(answer.outcome(), (400, Some("explicit-parameter-required")));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        let said = "Say `applyProratedRefund=true` or `applyProratedRefund=false`.";
        assert!(detail.ends_with(said), "{detail}");
    }
    assert!(scene.received().is_empty());
}

#[tokio::test]
async fn changes_that_wait_are_stopped_with_all_others() {
    let setup = setup().limits("per_second = 2\nper_day = 1000\nmax_wait = \"30s\"\n");
    let scene = start(&setup).await;
    scene.written.edit("gateway.toml", |text| text + "\n[admin]\naddress = \"unix:admin.sock\"\n");
    let Scene { simulator, gateway, written } = scene;
    drop(gateway);
    let scene = Scene { gateway: start_gateway(&written).await, simulator, written };
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let target = format!("/rest/1.3/products/{}?site=acme&currency=USD&price=1&language=EN&title=t", waiting.len());
        let mut connection = scene.connect().await;
        let key = scene.key("acme");
        connection.send(format!("PUT {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n")).await;
        waiting.push(connection);
    }
    // The first ones are made, and the rest waits behind them.
    assert_eq!(waiting.remove(0).answer().await.outcome(), DONE);
    let mut command = Command::new(PROGRAM);
    command.arg("--config").arg(&scene.written.file).args(["changes", "stop"]);
    let stopped = tokio::task::spawn_blocking(move || command.status().unwrap());
    assert!(within("the command", stopped).await.unwrap().success());
    let made = executed(&scene);
    let mut refused = 0;
    for mut connection in waiting {
        match connection.answer().await.outcome() {
            DONE => {}
            other => {
                assert_eq!(other, (403, Some("changes-switched-off")));
                refused += 1;
            }
        }
    }
    assert_eq!((executed(&scene), made + refused), (made, 20));
    assert!(refused > 0);
}
