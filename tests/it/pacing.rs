//! ClickBank's limits, where sockets, callers and restarts meet them. When turns come is tested beside the code.

use clickbank_gateway::config::{self, Secrets};
use clickbank_gateway::server::{Gateway, StartError};

use crate::support::scene::{Scene, demo_simulator, write_for};
use crate::support::setup::{Setup, everything_on};

/// Its answer shows whose orders they are, so nothing else has to be asked before.
const READ: &str = "/rest/1.3/products/list?site=acme";

/// One turn in about a quarter of an hour, which is longer than any test, and no waiting.
const ONE_TURN: &str = "per_second = 1\nper_day = 1000000\nshare = \"1/1000\"\nmax_wait = \"0s\"";

/// `app` and a second caller that may do the same.
fn two_callers() -> Setup {
    Setup::acme().caller("other", &everything_on("[\"acme\"]"))
}

#[tokio::test]
async fn once_the_turns_are_taken_all_callers_are_told_when_to_come_back() {
    let scene = Scene::start(&two_callers().limits(ONE_TURN)).await;
    // What is refused takes no turn.
    for target in
        ["/rest/1.3/products/list?site=zenith", "/rest/1.3/debug", "/rest/1.3/nothing", "/rest/1.3/orders2/list?x=1"]
    {
        assert!(scene.get("app", target).await.code().is_some());
    }
    let answer = scene.get("app", READ).await;
    assert_eq!(answer.outcome(), (200, None));
    assert_eq!(answer.header("retry-after"), None);
    for caller in ["app", "other", "app"] {
        let answer = scene.get(caller, READ).await;
        assert_eq!(answer.outcome(), (429, Some("limit-per-second")), "{caller}");
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=1_025).contains(&seconds), "{seconds}");
        assert_eq!(answer.header("connection"), None);
    }
    // The refusals that need no turn are given as before.
    assert_eq!(scene.get("app", "/rest/1.3/nothing").await.outcome(), (404, Some("unknown-endpoint")));
    assert_eq!(scene.received().len(), 1);
}

#[tokio::test]
async fn a_request_waits_for_its_turn_and_then_passes() {
    let limits = "per_second = 2\nper_day = 1000000\nmax_wait = \"60s\"";
    let scene = Scene::start(&two_callers().limits(limits)).await;
    let calls = ["app", "other", "app", "app"].map(|caller| scene.get(caller, READ));
    let [one, two, three, four] = calls;
    let answers = tokio::join!(one, two, three, four);
    for answer in [answers.0, answers.1, answers.2, answers.3] {
        assert_eq!(answer.outcome(), (200, None));
    }
    assert_eq!(scene.received().len(), 4);
}

#[tokio::test]
async fn a_day_s_requests_are_counted_across_callers_and_restarts() {
    let limits = "per_second = 1000\nper_day = 3";
    for (top, kept) in [("state = \"state\"", true), ("", false)] {
        let scene = Scene::start(&two_callers().limits(limits).top(top)).await;
        for caller in ["app", "other", "app"] {
            assert_eq!(scene.get(caller, READ).await.outcome(), (200, None));
        }
        let spent = (429, Some("limit-per-day"));
        for caller in ["other", "app"] {
            let answer = scene.get(caller, READ).await;
            assert_eq!(answer.outcome(), spent);
            let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=25 * 3_600).contains(&seconds), "{seconds}");
        }
        let scene = scene.restart().await;
        let outcome = if kept { spent } else { (200, None) };
        assert_eq!(scene.get("app", READ).await.outcome(), outcome, "{top}");
        assert_eq!(scene.received().len(), if kept { 3 } else { 4 }, "{top}");
    }
}

#[tokio::test]
async fn a_count_that_cannot_be_read_stops_the_start() {
    let simulator = demo_simulator().await;
    let written = write_for(&Setup::acme().top("state = \"state\""), &simulator);
    std::fs::create_dir(written.path().join("state")).unwrap();
    written.file_for_owner("state/requests-by-hour", "no count\n");
    let (config, _) = config::load(&written.file, Secrets::Read).unwrap();
    let error = Gateway::start(config).await.unwrap_err();
    assert!(matches!(error, StartError::State { .. }), "{error}");
    let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(why.contains("requests-by-hour"), "{why}");
}
