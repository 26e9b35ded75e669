//! Whoever has no key that counts learns nothing from the answer: it is the same for all, and there is no near miss.

use crate::support::scene::Scene;
use crate::support::setup::{Setup, everything_on, new_key};
use crate::support::wire::Answer;

const TARGET: &str = "/rest/1.3/orders2/count";

async fn present(scene: &Scene, authorization: Option<&str>, target: &str) -> Answer {
    let mut connection = scene.connect().await;
    let header = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
    connection.send(format!("GET {target} HTTP/1.1\r\nHost: gateway\r\n{header}\r\n")).await;
    connection.answer().await
}

/// `good`, and keys that no longer or do not yet count, all with the grants of `good`.
fn setup(superseded: &str, overlapping: &str) -> Setup {
    use clickbank_gateway::domain::secret::KeyDigest;
    let acme = everything_on("[\"acme\"]");
    let previous = |key: &str, until: &str| {
        let digest = KeyDigest::of(key.as_bytes());
        format!("status = \"active\"\nprevious = {{ digest = \"{digest}\", until = {until} }}")
    };
    Setup::acme()
        .caller_with("inactive", &new_key(), "status = \"inactive\"", &acme)
        .caller_with("expired", &new_key(), "status = \"active\"\nexpires = 2020-01-01T00:00:00Z", &acme)
        .caller_with("both", &new_key(), "status = \"inactive\"\nexpires = 2020-01-01T00:00:00Z", &acme)
        .caller_with("regenerated", &new_key(), &previous(superseded, "2020-01-01T00:00:00Z"), &acme)
        .caller_with("regenerating", &new_key(), &previous(overlapping, "9999-01-01T00:00:00Z"), &acme)
        .caller("bare", "")
}

#[tokio::test]
async fn all_keys_that_do_not_count_get_the_same_answer() {
    let (superseded, overlapping, unknown) = (new_key(), new_key(), new_key());
    let scene = Scene::start(&setup(&superseded, &overlapping)).await;
    let short = &scene.key("app")[..20];
    let long = "cbgw_".to_owned() + &"x".repeat(5_000);
    let clickbank = scene.credential("acme");
    let other_case = scene.key("app").to_ascii_uppercase();
    for target in [TARGET, "/rest/1.3/nothing", "/rest/1.3/debug", "/@zenith/rest/1.3/products/list"] {
        let expected = present(&scene, None, target).await;
        assert_eq!(expected.outcome(), (401, Some("key-refused")));
        assert_eq!(expected.header("www-authenticate"), Some("Bearer realm=\"clickbank-gateway\""));
        assert!(expected.json()["detail"].as_str().unwrap().contains("API-… keys do not work here"));
        let expected = expected.without_id();
        for presented in [
            &unknown,
            scene.key("inactive"),
            scene.key("expired"),
            scene.key("both"),
            &superseded,
            &format!("Bearer {superseded}"),
            &format!("x:{}", scene.key("expired")),
            short,
            &long,
            "",
            "cbgw_",
            "Basic eDp5",
            "Bearer",
            "{}' OR 1=1 --",
            clickbank,
            &format!("Bearer {clickbank}"),
            &format!("{}:{clickbank}", scene.key("app")),
            &other_case,
        ] {
            let answer = present(&scene, Some(presented), target).await;
            assert_eq!(answer.without_id(), expected, "{presented} for {target}");
        }
    }
    assert_eq!(scene.received(), []);

    // The others count, so the sameness above is not of everything.
    for good in [scene.key("app"), scene.key("regenerated"), scene.key("regenerating"), &overlapping] {
        assert_eq!(present(&scene, Some(good), TARGET).await.outcome(), (200, None));
    }
    assert_eq!(present(&scene, Some(scene.key("bare")), TARGET).await.outcome(), (403, Some("permission-missing")));
}

#[tokio::test]
async fn no_key_that_differs_by_one_byte_counts() {
    let scene = Scene::start(&Setup::acme()).await;
    let key = scene.key("app").as_bytes().to_vec();
    let mut connection = scene.connect().await;
    let mut expected = None;
    let mut presented = Vec::new();
    for place in 0..=key.len() {
        for byte in *b"0aZ_-: ," {
            let mut inserted = key.clone();
            inserted.insert(place, byte);
            presented.push(inserted);
        }
        if place < key.len() {
            let mut deleted = key.clone();
            deleted.remove(place);
            presented.push(deleted);
            for flip in [1, 2, 4, 32] {
                let mut changed = key.clone();
                changed[place] ^= flip;
                presented.push(changed);
            }
        }
    }
    let tried = presented.len();
    for value in presented {
        // White space around a field's value is no part of it, and what stands before a colon is free.
        if matches!(&value[..], [b' ' | b':', rest @ ..] | [rest @ .., b' '] if rest == key) {
            continue;
        }
        let printable = value.iter().all(|byte| (b' '..=b'~').contains(byte));
        if !printable {
            continue;
        }
        let value = String::from_utf8(value).unwrap();
        connection.send(format!("GET {TARGET} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {value}\r\n\r\n")).await;
        let answer = connection.answer().await.without_id();
        assert_eq!(&answer, expected.get_or_insert_with(|| answer.clone()), "{value}");
        assert_eq!(answer.status, 401, "{value}");
    }
    assert!(tried > 500, "{tried}");
    assert_eq!(scene.received(), []);
    assert_eq!(scene.get("app", TARGET).await.status, 200);
}
