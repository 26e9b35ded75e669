//! How requests are read: leniently, as a JAX-RS application does.

use http::StatusCode;

use super::*;

#[test]
fn spellings_of_a_target_that_mean_the_same_get_the_same_answer() {
    let mut world = world();
    for (plain, spellings) in [
        (
            "/orders2/list?vendor=acme",
            vec![
                "/orders2/list/?vendor=acme",
                "/orders2/list;a=b?vendor=acme",
                "/orders2;x/list?vendor=%61cme",
                "/orders2/list?vendor=acme&vendor=rivalco",
                "/orders2/list?vendor=acme&account=rivalco&Vendor=zenith",
                "//orders2//list?vendor=ACME",
            ],
        ),
        ("/orders2/ACME0001", vec!["/orders2/%41CME0001", "/orders2/ACME0001;vendor=zenith/"]),
        ("/analytics/VENDOR/AFFILIATE?account=acme", vec!["/analytics/vendor/affiliate?account=ACME"]),
    ] {
        let expected = get(&mut world, "all", plain, JSON);
        assert_eq!(expected.status, StatusCode::OK);
        for spelling in spellings {
            let answer = get(&mut world, "all", spelling, JSON);
            assert_eq!(answer, expected, "{spelling}");
        }
    }
}

#[test]
fn a_key_is_taken_from_the_forms_that_clients_send() {
    let mut world = world();
    let key = secret(&world, "acme");
    let sleeping = secret(&world, "sleeping");
    for (value, expected) in [
        (key.clone(), StatusCode::OK),
        (format!("DEV-123456789012345678901234567890123456:{key}"), StatusCode::OK),
        (format!("anything:{key}"), StatusCode::OK),
        (format!(":{key}"), StatusCode::OK),
        (format!("Bearer {key}"), StatusCode::UNAUTHORIZED),
        (format!("basic {key}"), StatusCode::UNAUTHORIZED),
        (format!("{key}:"), StatusCode::FORBIDDEN),
        (key.to_lowercase(), StatusCode::FORBIDDEN),
        (format!("{key}X"), StatusCode::FORBIDDEN),
        ("API-".to_owned(), StatusCode::FORBIDDEN),
        (String::new(), StatusCode::FORBIDDEN),
        (sleeping, StatusCode::FORBIDDEN),
    ] {
        let request = Request::get("/rest/1.3/orders2/count").with_header("authorization", &value);
        let answer = world.answer(&request);
        assert_eq!(answer.status, expected, "{value}");
        if expected == StatusCode::UNAUTHORIZED {
            assert_eq!(answer.text(), "Invalid API key");
        }
    }
    let without = world.answer(&Request::get("/rest/1.3/orders2/count"));
    assert_eq!(without.status, StatusCode::FORBIDDEN);
}

#[test]
fn methods_and_paths_that_are_not_get_the_usual_statuses() {
    let mut world = world();
    for (method, path, expected) in [
        ("HEAD", "/tickets/list", 200),
        ("HEAD", "/orders2/RIVA0001/upsells", 403),
        ("POST", "/orders2/list", 405),
        ("DELETE", "/orders2/ACME0001", 405),
        ("GET", "/orders2/ACME0001/pause", 405),
        ("PATCH", "/products/guide-1?site=acme", 405),
        ("OPTIONS", "/orders2/list", 200),
        ("GET", "/orders2/LIST", 403),
        ("GET", "/Orders2/list", 404),
        ("GET", "/marketplace", 404),
        ("GET", "/orders2/ACME0001/nothing", 404),
        ("GET", "/tickets/ACME0001", 404),
    ] {
        let method_value = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = send(&mut world, "acme", method_value, path, "");
        assert_eq!(answer.status.as_u16(), expected, "{method} {path}");
        assert_eq!(answer.allow.is_some(), expected == 405 || method == "OPTIONS");
        if method == "HEAD" {
            assert!(answer.body.is_empty());
        }
    }
}

#[test]
fn representations_are_those_that_the_endpoint_has() {
    let mut world = world();
    for (path, accept, expected) in [
        ("/orders2/list", "", Some("application/xml")),
        ("/orders2/list", "text/csv", None),
        ("/orders/list", "text/csv", Some("text/csv")),
        ("/orders/ACME0001", "text/csv", Some("text/csv")),
        ("/analytics/status", "text/csv", Some("text/csv")),
        ("/orders2/count", "", Some("text/plain")),
        ("/orders2/count", JSON, Some("text/plain")),
        ("/orders/count", "text/plain", Some("text/plain")),
        ("/shipping2/count", "text/plain", None),
        ("/shipping2/count", JSON, Some("application/json")),
        ("/tickets/count", "", Some("application/xml")),
        ("/tickets/schema", JSON, None),
        ("/debug", "", Some("text/plain")),
    ] {
        let answer = get(&mut world, "acme", path, accept);
        match expected {
            Some(_) => assert_eq!(answer.content_type, expected, "{path} {accept}"),
            None => assert_eq!(answer.status, StatusCode::NOT_ACCEPTABLE, "{path} {accept}"),
        }
    }
}

#[test]
fn debug_repeats_the_key() {
    let mut world = world();
    let text = get(&mut world, "read", "/debug", "").text();
    assert!(text.contains(&secret(&world, "read")));
    assert!(text.contains("api_order_read: acme"));
    assert!(!text.contains("api_order_write"));
}
