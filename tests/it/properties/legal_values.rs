//! Every legal receipt, item number, ticket number and date survives byte for byte: as a call is written, and as it
//! arrives at ClickBank.

use clickbank_gateway::domain::call::Call;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::oracles::call_targets;
use super::oracles::setup::EXTENDED;
use super::{config, every};
use crate::support::scene::Scene;
use crate::support::setup::Setup;

fn receipt() -> impl Strategy<Value = String> {
    "[A-Z0-9]{8}(-B[0-9]{3,4})?"
}

fn sku() -> impl Strategy<Value = String> {
    // Those that a route of its own has would be another call.
    "[A-Za-z0-9-]{1,64}".prop_filter("a literal of the catalogue", |sku| !["list", "schema"].contains(&&**sku))
}

fn date() -> impl Strategy<Value = String> {
    (1_900..2_200, 1..=12, 1..=31).prop_map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}"))
}

fn ticket() -> impl Strategy<Value = String> {
    "[1-9][0-9]{0,17}"
}

/// A call with such values wherever one can stand.
fn calls() -> impl Strategy<Value = (&'static str, String)> {
    let get = |target: String| ("GET", target);
    prop_oneof![
        receipt().prop_map(move |receipt| get(format!("/rest/1.3/orders2/{receipt}"))),
        receipt().prop_map(|receipt| ("HEAD", format!("/rest/1.3/orders/{receipt}"))),
        receipt().prop_map(move |receipt| get(format!("/rest/1.3/orders2/{receipt}/upsells"))),
        receipt().prop_map(move |receipt| get(format!("/rest/1.3/shipping2/shipnotice/{receipt}"))),
        receipt().prop_map(move |receipt| get(format!("/rest/1.3/shipping/list?receipt={receipt}"))),
        (receipt(), date()).prop_map(move |(receipt, date)| {
            get(format!("/rest/1.3/orders2/list?startDate={date}&endDate={date}&tid={receipt}"))
        }),
        sku().prop_map(move |sku| get(format!("/rest/1.3/products/{sku}?site=acme"))),
        (sku(), date())
            .prop_map(move |(sku, date)| { get(format!("/rest/1.3/orders2/list?item={sku}&startDate={date}")) }),
        ticket().prop_map(move |ticket| get(format!("/rest/1.3/tickets/{ticket}"))),
        (date(), date()).prop_map(move |(from, to)| {
            get(format!("/rest/1.3/analytics/VENDOR/TRACKING_ID?account=acme&startDate={from}&endDate={to}"))
        }),
        (date(), date())
            .prop_map(move |(from, to)| { get(format!("/rest/1.3/quickstats/count?startDate={from}&endDate={to}")) }),
    ]
}

/// The target that goes to ClickBank.
fn written(method: &str, target: &str) -> Option<String> {
    let catalogue = &EXTENDED.snapshot.policy.catalogue;
    let call = Call::read(catalogue, method, target).ok()?;
    Some(call.target(catalogue.endpoint(call.endpoint())?))
}

#[test]
fn a_call_with_them_is_written_byte_for_byte_as_it_came() {
    every(prop::collection::vec(calls(), 16), |calls| {
        for (method, target) in calls {
            assert_eq!(written(method, &target).as_deref(), Some(&*target));
            call_targets::check(format!("{method} {target}").as_bytes());
        }
    });
}

#[test]
fn a_change_with_them_is_written_byte_for_byte_as_it_came() {
    let changes = (receipt(), sku(), sku(), date()).prop_map(|(receipt, sku, other, date)| {
        [
            (
                "POST",
                format!(
                    "/rest/1.3/orders2/{receipt}/changeProduct?oldSku={sku}&newSku={other}&applyProratedRefund=false"
                ),
            ),
            ("POST", format!("/rest/1.3/orders2/{receipt}/pause?sku={sku}&restartDate={date}")),
            ("POST", format!("/rest/1.3/shipping2/shipnotice/{receipt}?date={date}&carrier={sku}")),
            ("POST", format!("/rest/1.3/tickets/{receipt}?type=rfnd&reason={sku}")),
            ("PUT", format!("/rest/1.3/products/{sku}?site=acme&title={other}")),
            ("DELETE", format!("/rest/1.3/products/{sku}?site=acme")),
        ]
    });
    every(changes, |changes| {
        for (method, target) in changes {
            assert_eq!(written(method, &target).as_deref(), Some(&*target));
        }
    });
}

#[tokio::test]
async fn a_call_with_them_arrives_byte_for_byte_as_it_was_sent() {
    let scene = Scene::start(&Setup::acme()).await;
    let mut runner = TestRunner::new(config());
    let mut connection = scene.connect().await;
    for _ in 0..100 {
        let (method, target) = calls().new_tree(&mut runner).unwrap().current();
        let before = scene.received().len();
        connection
            .send(format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {}\r\n\r\n", scene.key("app")))
            .await;
        let answer = if method == "HEAD" { connection.answer_to_head().await } else { connection.answer().await };
        let received = scene.received().split_off(before);
        let arrived: Vec<_> = received.iter().map(|received| (&*received.method, &*received.target)).collect();
        assert_eq!(arrived, [(method, &*target)], "{:?}", answer.outcome());
    }
}
