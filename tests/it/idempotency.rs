//! A change that comes with an `Idempotency-Key` is made at most once, whoever hangs up, breaks or starts anew in between,
//! and everybody who asks with the key gets what came of it.

use clickbank_gateway::simulator::world::{Ticket, TicketKind};
use clickbank_gateway::simulator::{Fault, FaultRule};
use http::Method;

use crate::support::process::Serving;
use crate::support::scene::{Scene, demo_simulator, write_for};
use crate::support::setup::Setup;
use crate::support::wire::{Answer, Connection};
use crate::support::within;

const JSON: (&str, &str) = ("Accept", "application/json");
const UNKNOWN: (u16, Option<&str>) = (502, Some("outcome-unknown"));

fn setup() -> Setup {
    Setup::acme().top("state = \"state\"").upstream("connect_timeout = \"1s\"\nresponse_timeout = \"500ms\"")
}

/// A ticket opened on the first plain receipt of acme's. Asked twice, ClickBank opens two.
fn ticket(scene: &Scene) -> String {
    ticket_of(&scene.world().clone())
}

fn ticket_of(world: &clickbank_gateway::simulator::World) -> String {
    let records = world.records();
    let is_acmes = |receipt: &str| records.orders_of(receipt).all(|order| order.seller.to_string() == "acme");
    let receipt = records.orders.iter().map(|order| order.receipt.as_str()).find(|receipt| is_acmes(receipt)).unwrap();
    format!("/rest/1.3/tickets/{receipt}?type=tech&reason=ticket.type.tech_support.1")
}

async fn post(scene: &Scene, caller: &str, target: &str, key: &str) -> Answer {
    scene.call(caller, "POST", target, &[JSON, ("Idempotency-Key", key)]).await
}

fn executed(scene: &Scene) -> usize {
    scene.world().executed().len()
}

fn on_changes(fault: Fault) -> FaultRule {
    FaultRule::new(fault).method(Method::POST).once()
}

#[tokio::test]
async fn the_same_key_and_request_are_sent_once_and_get_one_answer() {
    let scene = Scene::start(&setup().caller("other", "orders_write = [\"acme\"]")).await;
    let target = ticket(&scene);
    let first = post(&scene, "app", &target, "order-1").await;
    assert_eq!((first.outcome(), first.header("gateway-replayed")), ((200, None), None), "{}", first.text());
    for key in ["order-1", "\"order-1\""] {
        let again = post(&scene, "app", &target, key).await;
        assert_eq!((again.outcome(), again.text()), ((200, None), first.text()));
        assert_eq!(again.header("gateway-replayed"), Some("true"));
        assert_eq!(again.header("content-type"), first.header("content-type"));
    }
    assert_eq!(executed(&scene), 1);

    let another = target.replace("support.1", "support.2");
    assert_eq!(post(&scene, "app", &another, "order-1").await.outcome(), (422, Some("idempotency-mismatch")));
    assert_eq!(executed(&scene), 1);
    // Keys are each caller's own.
    assert_eq!(post(&scene, "other", &another, "order-1").await.outcome(), (200, None));
    assert_eq!(executed(&scene), 2);

    let scene = scene.restart().await;
    let again = post(&scene, "app", &target, "order-1").await;
    assert_eq!((again.outcome(), again.text()), ((200, None), first.text()));
    assert_eq!(executed(&scene), 2);
    // What the disk has tells nothing of it.
    let state = scene.written.path().join("state");
    for file in ["ledger.redb", "ledger.key"] {
        let bytes = std::fs::read(state.join(file)).unwrap();
        for secret in ["order-1", "ticket", target.as_str()] {
            assert!(memchr::memmem::find(&bytes, secret.as_bytes()).is_none(), "{file} shows {secret}");
        }
    }
}

#[tokio::test]
async fn of_many_at_once_one_is_sent() {
    let scene = Scene::start(&setup()).await;
    let target = ticket(&scene);
    let mut answers = Vec::new();
    for answer in futures_of(20, || post(&scene, "app", &target, "at-once")).await {
        match answer.outcome() {
            (200, None) => answers.push(answer.text()),
            (409, Some("idempotency-in-flight")) => assert_eq!(answer.header("retry-after"), Some("1")),
            other => panic!("{other:?}: {}", answer.text()),
        }
    }
    answers.push(post(&scene, "app", &target, "at-once").await.text());
    answers.dedup();
    assert_eq!((answers.len(), executed(&scene)), (1, 1));
}

/// So many at the same time.
async fn futures_of<F: Future>(count: usize, make: impl Fn() -> F) -> Vec<F::Output> {
    let mut futures: Vec<_> = (0..count).map(|_| Box::pin(make())).collect();
    let mut outputs = Vec::new();
    std::future::poll_fn(|context| {
        futures.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => {
                outputs.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outputs
}

#[tokio::test]
async fn without_a_place_to_keep_it_a_key_is_refused_and_not_passed_over() {
    let scene = Scene::start(&Setup::acme()).await;
    let answer = post(&scene, "app", &ticket(&scene), "k").await;
    assert_eq!(answer.outcome(), (501, Some("idempotency-not-offered")));
    assert!(scene.received().is_empty());
    let read = scene.call("app", "GET", "/rest/1.3/orders2/list", &[("Idempotency-Key", "k")]).await;
    assert_eq!(read.outcome().1, None, "{}", read.text());
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let scene = Scene::start(&setup()).await;
    let target = ticket(&scene);
    for key in ["", "\"\"", "\"open", "two words", &"x".repeat(256)] {
        let answer = post(&scene, "app", &target, key).await;
        assert_eq!(answer.outcome(), (400, Some("malformed-request")), "{key}");
    }
    let two = [JSON, ("Idempotency-Key", "a"), ("Idempotency-Key", "a")];
    assert_eq!(scene.call("app", "POST", &target, &two).await.outcome(), (400, Some("malformed-request")));
    assert!(scene.received().is_empty());
}

#[tokio::test]
async fn what_was_not_sent_or_turned_away_can_be_asked_for_again() {
    let scene = Scene::start(&setup()).await;
    let target = ticket(&scene);
    let fault = FaultRule::new(Fault::Reset { executed: false }).method(Method::GET);
    scene.simulator.add_fault(fault).unwrap();
    assert_eq!(post(&scene, "app", &target, "k").await.outcome().0, 502);
    scene.simulator.clear_faults();
    let busy = Fault::Status { status: http::StatusCode::FORBIDDEN, text: "Busy".to_owned(), executed: false };
    scene.simulator.add_fault(on_changes(busy)).unwrap();
    assert_eq!(post(&scene, "app", &target, "k").await.outcome(), (403, None));
    assert_eq!(executed(&scene), 0);
    assert_eq!(post(&scene, "app", &target, "k").await.outcome(), (200, None));
    assert_eq!(executed(&scene), 1);
}

#[tokio::test]
async fn a_change_that_was_made_is_found_by_the_ticket_that_it_opened() {
    let scene = Scene::start(&setup()).await;
    let target = ticket(&scene);
    scene.simulator.add_fault(on_changes(Fault::Reset { executed: true })).unwrap();
    let unknown = post(&scene, "app", &target, "k").await;
    assert_eq!(
        (unknown.outcome(), &unknown.json()["read"]),
        (UNKNOWN, &"GET /rest/1.3/tickets/list?receipt={receipt}".into())
    );
    assert_eq!(executed(&scene), 1);
    let found = post(&scene, "app", &target, "k").await;
    assert_eq!(found.outcome(), (502, Some("executed-answer-withheld")));
    let again = post(&scene, "app", &target, "k").await;
    assert_eq!(again.outcome(), found.outcome());
    assert_eq!(executed(&scene), 1);
}

#[tokio::test]
async fn somebody_elses_ticket_of_another_type_is_not_taken_for_ones_own() {
    let scene = Scene::start(&setup()).await;
    let target = ticket(&scene);
    let refund =
        target.split('?').next().unwrap().to_owned() + "?type=rfnd&refundType=FULL&reason=ticket.type.refund.8";
    scene.simulator.add_fault(on_changes(Fault::Reset { executed: false })).unwrap();
    assert_eq!(post(&scene, "app", &refund, "refund").await.outcome(), UNKNOWN);
    // A customer asks for help meanwhile.
    assert_eq!(post(&scene, "app", &target, "help").await.outcome(), (200, None));
    let told = post(&scene, "app", &refund, "refund").await;
    assert_eq!(told.outcome(), UNKNOWN, "{}", told.text());
    assert_eq!(executed(&scene), 1);
}

#[tokio::test]
async fn a_kept_answer_is_not_shown_to_who_has_lost_a_grant_that_it_rested_on() {
    let both = "orders_write = [\"acme\", \"zenith\"]";
    let setup = Setup::new()
        .top("state = \"state\"")
        .credential("all", "orders_write = [\"acme\", \"zenith\", \"orbit\"]")
        .caller("app", both);
    let scene = Scene::start(&setup).await;
    let target = ticket(&scene);
    let first = post(&scene, "app", &target, "k").await;
    assert_eq!(first.outcome(), (200, None), "{}", first.text());
    let grant = |from: &str, to: &str| {
        let text = |nicknames: &str| format!("[keys.app.grants]\norders_write = [{nicknames}]");
        scene.written.edit("keys.toml", |keys| keys.replace(&text(from), &text(to)));
        let reload = std::sync::Arc::clone(scene.gateway.reload());
        async move { assert!(tokio::task::spawn_blocking(move || reload.now()).await.unwrap().applied) }
    };
    grant("\"acme\", \"zenith\"", "\"zenith\"").await;
    let lost = post(&scene, "app", &target, "k").await;
    assert_eq!(lost.outcome(), (403, Some("not-yours-or-unknown")), "{}", lost.text());
    grant("\"zenith\"", "\"acme\", \"zenith\", \"orbit\"").await;
    let again = post(&scene, "app", &target, "k").await;
    assert_eq!((again.outcome(), again.text()), ((200, None), first.text()));
    assert_eq!((again.header("gateway-nickname"), executed(&scene)), (None, 1));
}

#[tokio::test]
async fn a_change_that_was_not_made_is_called_so_once_nothing_can_be_under_way() {
    let scene = Scene::start(&setup()).await;
    let target = ticket(&scene);
    scene.simulator.add_fault(on_changes(Fault::Reset { executed: false })).unwrap();
    assert_eq!(post(&scene, "app", &target, "k").await.outcome(), UNKNOWN);
    let mut tries = 0;
    let told = async {
        loop {
            tries += 1;
            let answer = post(&scene, "app", &target, "k").await;
            if answer.outcome() != UNKNOWN {
                return answer;
            }
        }
    };
    let answer = within("what became of the change", told).await;
    assert_eq!(answer.outcome(), (409, Some("change-not-executed")), "{}", answer.text());
    assert!(tries > 1, "it was called so at once");
    assert_eq!(executed(&scene), 0);
    assert_eq!(post(&scene, "app", &target, "k").await.outcome(), (200, None));
    assert_eq!(executed(&scene), 1);
}

/// Asks with a key until it is no longer unknown what became of the change.
async fn until_known(scene: &Scene, target: &str, key: &str) -> Answer {
    let told = async {
        loop {
            let answer = post(scene, "app", target, key).await;
            if answer.outcome() != UNKNOWN {
                return answer;
            }
        }
    };
    within("what became of the change", told).await
}

#[tokio::test]
async fn one_new_ticket_is_not_taken_for_two_changes() {
    let scene = Scene::start(&setup()).await;
    let target = ticket(&scene);
    for (key, executed) in [("made", true), ("not made", false)] {
        scene.simulator.add_fault(on_changes(Fault::Reset { executed })).unwrap();
        let key = format!("\"{key}\"");
        assert_eq!(post(&scene, "app", &target, &key).await.outcome(), UNKNOWN);
    }
    for key in ["\"made\"", "\"not made\""] {
        let told = post(&scene, "app", &target, key).await;
        assert_eq!(told.outcome(), UNKNOWN, "{key}: nobody can tell whose it is: {}", told.text());
    }
    assert_eq!(executed(&scene), 1);
}

#[tokio::test]
async fn two_new_tickets_are_one_for_each_of_two_changes() {
    let scene = Scene::start(&setup()).await;
    let target = ticket(&scene);
    for key in ["one", "two"] {
        scene.simulator.add_fault(on_changes(Fault::Reset { executed: true })).unwrap();
        assert_eq!(post(&scene, "app", &target, key).await.outcome(), UNKNOWN);
    }
    for key in ["one", "two", "one", "two"] {
        assert_eq!(post(&scene, "app", &target, key).await.outcome(), (502, Some("executed-answer-withheld")), "{key}");
    }
    assert_eq!(executed(&scene), 2);
}

#[tokio::test]
async fn a_ticket_that_another_change_was_answered_with_is_not_taken_for_ones_own() {
    for key in [Some("other"), None] {
        for accept in ["application/json", "application/xml"] {
            let scene = Scene::start(&setup()).await;
            let target = ticket(&scene);
            scene.simulator.add_fault(on_changes(Fault::Reset { executed: false })).unwrap();
            assert_eq!(post(&scene, "app", &target, "k").await.outcome(), UNKNOWN);
            let mut headers = vec![("Accept", accept)];
            headers.extend(key.map(|key| ("Idempotency-Key", key)));
            assert_eq!(scene.call("app", "POST", &target, &headers).await.outcome(), (200, None));
            let told = until_known(&scene, &target, "k").await;
            assert_eq!(told.outcome(), (409, Some("change-not-executed")), "beside {key:?}, {accept}");
            assert_eq!(executed(&scene), 1);
        }
    }
}

#[tokio::test]
async fn of_a_change_without_a_key_that_may_have_been_made_nobody_takes_the_ticket() {
    let scene = Scene::start(&setup()).await;
    let target = ticket(&scene);
    scene.simulator.add_fault(on_changes(Fault::Reset { executed: false })).unwrap();
    assert_eq!(post(&scene, "app", &target, "k").await.outcome(), UNKNOWN);
    scene.simulator.add_fault(on_changes(Fault::Reset { executed: true })).unwrap();
    assert_eq!(scene.call("app", "POST", &target, &[JSON]).await.outcome(), UNKNOWN);
    let scene = scene.restart().await;
    assert_eq!(post(&scene, "app", &target, "k").await.outcome(), UNKNOWN);
    assert_eq!(executed(&scene), 1);
}

#[tokio::test]
async fn a_ticket_that_a_customer_opened_is_not_taken_for_ones_own() {
    let scene = Scene::start(&setup()).await;
    let target = ticket(&scene);
    scene.simulator.add_fault(on_changes(Fault::Reset { executed: false })).unwrap();
    assert_eq!(post(&scene, "app", &target, "k").await.outcome(), UNKNOWN);
    let receipt = target.split(['/', '?']).nth(4).unwrap().to_owned();
    {
        let mut world = scene.world();
        let (today, records) = (world.settings().today, world.records_mut());
        let item = records.orders_of(&receipt).next().unwrap().lines[0].item_no.clone();
        records.tickets.push(Ticket::open(&receipt, 9, &item, TicketKind::TechSupport, today));
    }
    let told = post(&scene, "app", &target, "k").await;
    assert_eq!(told.outcome(), UNKNOWN, "{}", told.text());
    assert_eq!(executed(&scene), 0);
}

#[tokio::test]
async fn of_ship_notices_and_products_it_is_told_that_they_were_not_made_and_never_guessed_that_they_were() {
    let scene = Scene::start(&setup()).await;
    let (receipt, skus) = {
        let world = scene.world();
        let records = world.records();
        let is_acmes = |receipt: &str| records.orders_of(receipt).all(|order| order.seller.to_string() == "acme");
        let mut sent = records.orders.iter().filter(|order| order.lines.len() == 1 && order.lines[0].shippable);
        let receipt = sent.find(|order| is_acmes(&order.receipt)).unwrap().receipt.clone();
        let products = records.products.iter().filter(|product| product.site.to_string() == "acme");
        (receipt, products.map(|product| product.sku.clone()).collect::<Vec<_>>())
    };
    let today = scene.world().settings().today;
    let notice = |api: &str| format!("/rest/1.3/{api}/shipnotice/{receipt}?date={today}&carrier=UPS&tracking=1Z");
    let product = |sku: &str, price: &str| {
        format!("/rest/1.3/products/{sku}?site=acme&currency=USD&price={price}&language=EN&title=New")
    };
    let deleted = format!("/rest/1.3/products/{}?site=acme", skus[1]);
    let ask = async |method: &str, target: &str, key: &str| {
        scene.call("app", method, target, &[JSON, ("Idempotency-Key", key)]).await
    };
    let break_next = |method: &str, executed| {
        let rule = FaultRule::new(Fault::Reset { executed }).method(method.parse().unwrap()).once();
        scene.simulator.add_fault(rule).unwrap();
    };

    // Made, and changed back by somebody else.
    assert_eq!(ask("PUT", &product("back", "1.00"), "first").await.status, 200);
    break_next("PUT", true);
    assert_eq!(ask("PUT", &product("back", "2.00"), "changed").await.outcome(), UNKNOWN);
    assert_eq!(ask("PUT", &product("back", "1.00"), "changed-back").await.status, 200);
    let made = [
        ("POST", notice("shipping2"), "notice-made"),
        ("PUT", product("made", "1.00"), "product-made"),
        ("DELETE", "/rest/1.3/products/back?site=acme".to_owned(), "product-deleted"),
    ];
    let not_made = [
        ("PUT", product("not-made", "1.00"), "new-product"),
        ("PUT", product(&skus[0], "9.00"), "product"),
        ("DELETE", deleted, "deletion"),
    ];
    for (is_made, changes) in [(true, &made[..]), (false, &not_made[..])] {
        for (method, target, key) in changes {
            break_next(method, is_made);
            assert_eq!(ask(method, target, key).await.outcome(), UNKNOWN, "{key}");
        }
    }
    for (method, target, key) in &not_made {
        let told = async {
            loop {
                let answer = ask(method, target, key).await;
                if answer.outcome() != UNKNOWN {
                    return answer;
                }
            }
        };
        let told = within("what became of it", told).await;
        assert_eq!(told.outcome(), (409, Some("change-not-executed")), "{key}");
    }
    // By now, what was sent before these would be told of as well.
    for (method, target, key) in &made {
        assert_eq!(ask(method, target, key).await.outcome(), UNKNOWN, "{key}");
    }
    assert_eq!(ask("PUT", &product("back", "2.00"), "changed").await.outcome(), UNKNOWN);
    let made_so_far = executed(&scene);
    for (method, target, key) in &not_made {
        let answer = ask(method, target, key).await;
        assert!(answer.status < 300, "{key}: {}", answer.text());
    }
    assert_eq!(executed(&scene), made_so_far + not_made.len());

    // A notice that is sent twice stands there twice, so it has one of its own to be asked about.
    for api in ["shipping", "shipping2", "shipping3"] {
        break_next("POST", false);
        assert_eq!(ask("POST", &notice(api), api).await.outcome(), UNKNOWN, "{api}");
    }
    for api in ["shipping", "shipping2", "shipping3"] {
        assert_eq!(until_known(&scene, &notice(api), api).await.outcome(), (409, Some("change-not-executed")), "{api}");
    }
}

#[tokio::test]
async fn what_was_sent_when_the_gateway_was_killed_is_not_sent_again() {
    let simulator = demo_simulator().await;
    let written = write_for(&setup(), &simulator);
    let target = ticket_of(&simulator.world().clone());
    let key = &written.keys["app"];
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\nAccept: application/json\r\n\
         Idempotency-Key: killed\r\n\r\n"
    );
    simulator.add_fault(on_changes(Fault::Hang { executed: true })).unwrap();
    let serving = Serving::start(&written.file, &[]).await;
    let mut connection = Connection::open(serving.address(), &written.secrets).await;
    connection.send(request.clone()).await;
    let made = async {
        while simulator.world().executed().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    within("the change", made).await;
    drop(serving);

    let serving = Serving::start(&written.file, &[]).await;
    for _ in 0..2 {
        let mut connection = Connection::open(serving.address(), &written.secrets).await;
        connection.send(request.clone()).await;
        assert_eq!(connection.answer().await.outcome(), (502, Some("executed-answer-withheld")));
    }
    assert_eq!(simulator.world().executed().len(), 1);
}
