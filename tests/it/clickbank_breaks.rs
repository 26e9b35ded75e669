//! The simulator breaks, and the gateway stands before it: the caller is told what it can rely on, a change is sent once,
//! and the next call is served as if nothing had been.

use std::time::Duration;

use clickbank_gateway::simulator::{EchoForm, Fault, FaultRule};
use http::StatusCode;

use crate::support::scene::Scene;
use crate::support::setup::Setup;

const READ: &str = "/rest/1.3/orders2/list";
const CHANGE: &str = "/rest/1.3/products/broken-1?site=acme&currency=USD&price=1&language=EN&title=t";

/// What a caller is told.
type Told = (u16, Option<&'static str>);

const PASSES: Told = (200, None);
/// A page of the list, and not the last.
const PAGE: Told = (206, None);
const UNREADABLE: Told = (502, Some("answer-unreadable"));
const TOO_LARGE: Told = (502, Some("answer-too-large"));
const TIMEOUT: Told = (504, Some("upstream-timeout"));
const UNKNOWN: Told = (502, Some("outcome-unknown"));
const ECHOED: Told = (502, Some("credential-echoed"));
const WITHHELD: Told = (502, Some("executed-answer-withheld"));

async fn scene() -> Scene {
    // Long enough on a machine that has other things to do; the two times add up.
    let upstream = "connect_timeout = \"2s\"\nresponse_timeout = \"2s\"\nmax_answer = \"1 MiB\"";
    Scene::start(&Setup::acme().upstream(upstream)).await
}

/// Calls with the fault, once for a read and once for a change, and again without it.
async fn tell(scene: &Scene, fault: Fault, read: Told, change: Told) {
    for (method, target, told, healthy) in [("GET", READ, read, PAGE), ("PUT", CHANGE, change, PASSES)] {
        scene.simulator.clear_received();
        scene.simulator.add_fault(FaultRule::new(fault.clone()).once()).unwrap();
        let answer = scene.call("app", method, target, &[]).await;
        assert_eq!(answer.outcome(), told, "{method} {fault:?}: {}", answer.text());
        let received = scene.received();
        // A read is sent once more if nothing came of it, or no more than that ClickBank cannot answer now.
        let again =
            method == "GET" && matches!(fault, Fault::Reset { .. } | Fault::Close { .. } | Fault::Status { .. });
        assert_eq!(received.len(), 1 + usize::from(again), "{method} {fault:?}: {received:?}");
        assert_eq!(scene.call("app", method, target, &[]).await.outcome(), healthy, "{method} after {fault:?}");
    }
}

#[tokio::test]
async fn whatever_comes_of_it_is_told_and_done_with() {
    let scene = scene().await;
    let status = |executed| Fault::Status { status: StatusCode::BAD_GATEWAY, text: "no".to_owned(), executed };
    let redirect = Fault::Redirect { status: StatusCode::FOUND, location: "https://127.0.0.1/".to_owned() };
    for (fault, read, change) in [
        (Fault::DelayHead(Duration::from_millis(1)), PAGE, PASSES),
        (Fault::DelayBody(Duration::from_millis(1)), PAGE, PASSES),
        (Fault::DripBody { bytes: 1024, pause: Duration::from_millis(1) }, PAGE, PASSES),
        (Fault::Reset { executed: false }, PAGE, UNKNOWN),
        (Fault::Reset { executed: true }, PAGE, UNKNOWN),
        (Fault::Close { executed: false }, PAGE, UNKNOWN),
        (Fault::ResetAfter(20), UNREADABLE, UNKNOWN),
        (Fault::Truncate(3), UNREADABLE, WITHHELD),
        (status(false), PAGE, UNKNOWN),
        (status(true), PAGE, UNKNOWN),
        (redirect, UNREADABLE, UNKNOWN),
        (Fault::Garbage, UNREADABLE, UNKNOWN),
        (Fault::ObsFold, UNREADABLE, UNKNOWN),
        (Fault::TwoLengths, UNREADABLE, UNKNOWN),
        (Fault::LargeHead(1 << 20), UNREADABLE, UNKNOWN),
        (Fault::ManyHeaders(1000), UNREADABLE, UNKNOWN),
        (Fault::Interim { status: StatusCode::CONTINUE, count: 3 }, PAGE, PASSES),
        (Fault::ContentType("text/html".to_owned()), UNREADABLE, WITHHELD),
        (Fault::Charset("utf-16".to_owned()), UNREADABLE, WITHHELD),
        (Fault::Gzip { compressed: true }, UNREADABLE, WITHHELD),
        (Fault::EndlessBody(64 << 20), TOO_LARGE, WITHHELD),
        (Fault::Surplus, PAGE, PASSES),
        (Fault::BareLf, UNREADABLE, UNKNOWN),
        (Fault::SameLengthTwice, UNREADABLE, UNKNOWN),
        (Fault::LengthAndChunked, UNREADABLE, UNKNOWN),
    ] {
        tell(&scene, fault, read, change).await;
    }
    for form in [EchoForm::Plain, EchoForm::Percent, EchoForm::Base64, EchoForm::Json, EchoForm::Xml] {
        for fault in [Fault::EchoHeader(form), Fault::EchoBody(form)] {
            tell(&scene, fault, ECHOED, WITHHELD).await;
        }
    }
}

#[tokio::test]
async fn what_does_not_come_is_given_up() {
    let mut running = tokio::task::JoinSet::new();
    for (fault, change) in [
        (Fault::Hang { executed: false }, UNKNOWN),
        (Fault::Hang { executed: true }, UNKNOWN),
        (Fault::HangAfter(20), UNKNOWN),
        (Fault::DelayBody(Duration::from_hours(1)), WITHHELD),
    ] {
        running.spawn(async move { tell(&scene().await, fault, TIMEOUT, change).await });
    }
    running.join_all().await;
}
