//! Whoever has no key that counts learns nothing from the answer: it is the same for all, and there is no near miss.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::scene::Scene;
use crate::support::secrets::base64;
use crate::support::setup::{Setup, everything_on, new_key};
use crate::support::wire::Answer;
use crate::support::within;

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

/// Every byte of an answer, but those of its date.
async fn bytes_of_answer(scene: &Scene, authorization: &[u8]) -> Vec<u8> {
    let head = format!("GET {TARGET} HTTP/1.1\r\nHost: gateway\r\nX-Request-Id: same-for-all\r\nConnection: close\r\n");
    let mut stream = TcpStream::connect(scene.address()).await.unwrap();
    stream.write_all(&[head.as_bytes(), authorization, b"\r\n"].concat()).await.unwrap();
    let mut answer = Vec::new();
    within("an answer", stream.read_to_end(&mut answer)).await.unwrap();
    let found = |word: &[u8]| answer.windows(word.len()).position(|window| window == word);
    let date = found(b"date: ").expect("an answer without a date");
    answer.drain(date..date + "date: Thu, 01 Jan 1970 00:00:00 GMT".len());
    answer
}

#[tokio::test]
async fn the_answer_is_the_same_byte_for_byte() {
    let superseded = new_key();
    let scene = Scene::start(&setup(&superseded, &new_key())).await;
    let key = scene.key("app");
    let last = if key.ends_with('x') { "y" } else { "x" };
    let checksum = format!("{}{last}", &key[..key.len() - 1]);
    let line = |value: &str| format!("Authorization: {value}\r\n").into_bytes();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("none", Vec::new()),
        ("empty", line("")),
        ("two", [line(key), line(key)].concat()),
        ("a good one and another", [line(key), line(&new_key())].concat()),
        ("unknown", line(&new_key())),
        ("wrong checksum", line(&checksum)),
        ("a character too many", line(&format!("{key}0"))),
        ("a character missing", line(&key[..key.len() - 1])),
        ("wrong character", line(&key.replace("cbgw_", "cbgw_-"))),
        ("not ASCII", [b"Authorization: cbgw_\xe9", &key.as_bytes()[6..], b"\r\n"].concat()),
        ("other case", line(&key.to_ascii_uppercase())),
        ("other prefix", line(&key.replace("cbgw_", "cbgx_"))),
        ("very long", line(&"cbgw_".repeat(2_000))),
        ("ClickBank's own", line(scene.credential("acme"))),
        ("ClickBank's pair", line(&format!("DEV-0123456789ABCDEF:{}", scene.credential("acme")))),
        ("ClickBank's pair of the wrong way round", line(&format!("{key}:DEV-0123456789ABCDEF"))),
        ("two in one", line(&format!("{key}:{key}"))),
        ("two, by a comma", line(&format!("{key}, {key}"))),
        ("twice Bearer", line(&format!("Bearer Bearer {key}"))),
        ("Basic", line(&format!("Basic {}", base64(format!("{key}:").as_bytes())))),
        ("its digest", line(&clickbank_gateway::domain::secret::KeyDigest::of(key.as_bytes()).to_string())),
        ("its name", line("app")),
        ("its id", line("key_app")),
        ("inactive", line(scene.key("inactive"))),
        ("expired", line(scene.key("expired"))),
        ("inactive and expired", line(scene.key("both"))),
        ("replaced", line(&superseded)),
        ("Bearer, expired", line(&format!("Bearer {}", scene.key("expired")))),
        ("a pair, inactive", line(&format!("DEV-0123456789ABCDEF:{}", scene.key("inactive")))),
    ];
    let expected = bytes_of_answer(&scene, &cases[0].1).await;
    assert!(expected.starts_with(b"HTTP/1.1 401 "), "{}", String::from_utf8_lossy(&expected));
    for (name, authorization) in cases {
        let answer = bytes_of_answer(&scene, &authorization).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(answer == expected, "{name}: {text}");
    }
    assert_eq!(scene.received(), []);
    assert!(bytes_of_answer(&scene, &line(key)).await.starts_with(b"HTTP/1.1 200 "));
}

#[tokio::test]
async fn no_key_that_differs_by_one_byte_counts() {
    let scene = Scene::start(&Setup::acme()).await;
    let key = scene.key("app").as_bytes().to_vec();
    let mut connection = scene.connect().await;
    let mut expected = None;
    let mut presented = Vec::new();
    for place in 0..=key.len() {
        for byte in *b"0aZ_-+/=: ,;\"\t\x80\xe9\xff" {
            let mut inserted = key.clone();
            inserted.insert(place, byte);
            presented.push(inserted);
        }
        if place < key.len() {
            let mut deleted = key.clone();
            deleted.remove(place);
            presented.push(deleted);
            for byte in (b' '..=b'~').chain([b'\t', 0x80, 0xff]).filter(|byte| *byte != key[place]) {
                let mut changed = key.clone();
                changed[place] = byte;
                presented.push(changed);
            }
        }
    }
    let tried = presented.len();
    for value in presented {
        // White space around a field's value is no part of it, and what stands before a colon is free.
        if matches!(&value[..], [b' ' | b'\t' | b':', rest @ ..] | [rest @ .., b' ' | b'\t'] if rest == key) {
            continue;
        }
        let head = format!("GET {TARGET} HTTP/1.1\r\nHost: gateway\r\nAuthorization: ");
        connection.send([head.as_bytes(), &value, b"\r\n\r\n"].concat()).await;
        let answer = connection.answer().await.without_id();
        let text = String::from_utf8_lossy(&value);
        assert_eq!(&answer, expected.get_or_insert_with(|| answer.clone()), "{text}");
        assert_eq!(answer.status, 401, "{text}");
    }
    assert!(tried > 4_000, "{tried}");
    assert_eq!(scene.received(), []);
    assert_eq!(scene.get("app", TARGET).await.status, 200);
}
