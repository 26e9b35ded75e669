//! A caller of several nicknames says which it means by a header or by the base path; both say the same thing.

use crate::support::scene::Scene;
use crate::support::setup::Setup;
use crate::support::wire::Answer;

/// `two` has orders of acme and zenith, each behind a credential of its own; `one` has acme's only.
fn setup() -> Setup {
    Setup::new()
        .credential("acme", "orders_read = [\"acme\"]")
        .credential("zenith", "orders_read = [\"zenith\"]")
        .credential("all", "analytics = \"all\"")
        .caller("two", "orders_read = [\"acme\", \"zenith\"]")
        .caller("one", "orders_read = [\"acme\"]\nanalytics = \"all\"")
}

/// The request's outcome, and the credential that arrived for it.
async fn call(scene: &Scene, caller: &str, base: &str, named: &[&str]) -> (Answer, Option<String>) {
    let before = scene.received().len();
    let headers: Vec<_> = named.iter().map(|name| ("gateway-nickname", *name)).collect();
    let target = format!("{base}/rest/1.3/tickets/count");
    let answer = scene.call(caller, "GET", &target, &headers).await;
    let arrived = scene.received().split_off(before);
    assert!(arrived.iter().all(|arrived| arrived.target == "/rest/1.3/tickets/count"), "{arrived:?}");
    assert!(arrived.len() <= 1, "{arrived:?}");
    let key = arrived.first().map(|arrived| arrived.header_values("authorization").join("+"));
    let name = key.map(|key| {
        let found = scene.written.credentials.iter().find(|(_, secret)| **secret == key);
        found.unwrap_or_else(|| panic!("no credential is {key}")).0.clone()
    });
    (answer, name)
}

#[tokio::test]
async fn header_and_base_path_choose_the_credential_alike() {
    let scene = Scene::start(&setup()).await;
    for (base, named, credential) in [
        ("", &["acme"][..], "acme"),
        ("", &["zenith"], "zenith"),
        ("/@acme", &[], "acme"),
        ("/@zenith", &[], "zenith"),
        ("/@ZeniTH", &[], "zenith"),
        ("", &["ZENITH"], "zenith"),
        ("/@zenith", &["zenith"], "zenith"),
        ("/@zenith", &["Zenith"], "zenith"),
    ] {
        let (answer, used) = call(&scene, "two", base, named).await;
        assert_eq!((answer.outcome(), used.as_deref()), ((200, None), Some(credential)), "{base} {named:?}");
    }
}

#[tokio::test]
async fn naming_none_or_two_is_refused() {
    let scene = Scene::start(&setup()).await;
    for (base, named, outcome) in [
        ("", &[][..], (400, Some("nickname-required"))),
        ("/@acme", &["zenith"], (400, Some("malformed-request"))),
        ("/@zenith", &["acme"], (400, Some("malformed-request"))),
        ("", &["acme", "zenith"], (400, Some("malformed-request"))),
        ("", &["acme", "acme"], (400, Some("malformed-request"))),
        ("/@acme", &["acme", "acme"], (400, Some("malformed-request"))),
        ("/@acme", &[""], (400, Some("malformed-request"))),
        ("", &["acme,zenith"], (403, Some("nickname-not-granted"))),
        ("", &[" "], (403, Some("nickname-not-granted"))),
        ("", &["@acme"], (403, Some("nickname-not-granted"))),
        ("", &["all"], (403, Some("nickname-not-granted"))),
        ("", &["acme\u{e9}"], (400, Some("malformed-request"))),
    ] {
        let (answer, used) = call(&scene, "two", base, named).await;
        assert_eq!((answer.outcome(), used), (outcome, None), "{base} {named:?}");
    }
    // The mend names those that would do, which are all the caller's own.
    let (answer, _) = call(&scene, "two", "", &[]).await;
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("acme") && detail.contains("zenith") && !detail.contains("orbit"), "{detail}");
}

#[tokio::test]
async fn a_nickname_that_is_not_declared_is_told_from_one_that_is_not_granted_by_nothing() {
    let scene = Scene::start(&setup()).await;
    let mut answers = Vec::new();
    for name in ["zenith", "acmeaff", "nobody", "rivalco", "x"] {
        for (base, named) in [("", vec![name]), (&*format!("/@{name}"), vec![])] {
            let (answer, used) = call(&scene, "one", base, &named).await;
            assert_eq!((answer.outcome(), used), ((403, Some("nickname-not-granted")), None), "{name}");
            answers.push(answer.without_id());
        }
        // The same in the parameter that names the owner, and as a filter.
        for target in [format!("quickstats/list?account={name}"), format!("analytics/VENDOR/AFFILIATE?account={name}")]
        {
            let answer = scene.get("one", &format!("/rest/1.3/{target}")).await;
            if target.starts_with("quickstats") {
                answers.push(answer.without_id());
            } else if !matches!(name, "zenith" | "acmeaff") {
                assert_eq!(answer.outcome(), (403, Some("nickname-not-granted")), "{name}");
            }
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!(answers[0].header("gateway-accepted-permissions"), Some("orders_read"));
}

#[tokio::test]
async fn naming_does_not_widen_what_one_nickname_has() {
    let scene = Scene::start(&setup()).await;
    let (with, without) = (call(&scene, "one", "/@acme", &[]).await, call(&scene, "one", "", &[]).await);
    assert_eq!((with.0.without_id(), with.1), (without.0.without_id(), without.1));
    for target in ["/@acme/rest/1.3/products/list?site=acme", "/@zenith/rest/1.3/debug", "/@acme/rest/1.3/nothing"] {
        let answer = scene.get("one", target).await;
        assert!(
            matches!(answer.code(), Some("permission-missing" | "endpoint-blocked" | "unknown-endpoint")),
            "{target}"
        );
    }
    // A nickname that the request names twice, differently, is no nickname.
    let answer = scene.call("one", "GET", "/@acme/rest/1.3/analytics/VENDOR/AFFILIATE?account=zenith", &[]).await;
    assert_eq!(answer.outcome(), (403, Some("nickname-not-granted")));
}
