//! The two changes that there are.

use http::StatusCode;

use super::*;

const NEW: &str = "currency=USD&price=9.90&language=EN&title=New%20%26+shiny";

#[test]
fn a_product_is_created_replaced_and_deleted() {
    let mut world = world();
    let path = format!(
        "/products/new-1?site=ACME&{NEW}&digitalRecurring=true&rebillPrice=5&categories=EBOOK&categories=VIDEO"
    );
    let answer = send(&mut world, "acme", Method::PUT, &path, JSON);
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "new-1"));
    assert_eq!(answer.content_type, Some("text/plain"));

    let product = json(&mut world, "acme", "/products/new-1?site=acme");
    assert_eq!(product["title"], "New & shiny");
    assert_eq!(product["site"], "acme");
    assert_eq!(product["categories"]["category"].as_array().unwrap().len(), 2);
    assert_eq!(product["pricings"]["pricing"]["recurring"]["price"]["usd"], "5.00");

    let path = "/products/new-1?site=acme&currency=USD&price=1&language=EN&title=Newer";
    send(&mut world, "acme", Method::PUT, path, JSON);
    assert_eq!(json(&mut world, "acme", "/products/new-1?site=acme")["title"], "Newer");
    assert_eq!(json(&mut world, "acme", "/products/list?site=acme")["total_record_count"], "3");

    let gone = send(&mut world, "acme", Method::DELETE, "/products/new-1?site=acme", "");
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let again = send(&mut world, "acme", Method::DELETE, "/products/new-1?site=acme", "");
    assert_eq!(again.status, StatusCode::FORBIDDEN);
}

#[test]
fn a_change_outside_the_reach_changes_nothing() {
    let mut world = world();
    let before = format!("{:?}", world.records().products);
    for (key, method, path) in [
        ("acme", Method::PUT, format!("/products/guide-1?site=rivalco&{NEW}")),
        ("acme", Method::PUT, format!("/products/guide-1?{NEW}")),
        ("acme", Method::PUT, format!("/products/guide-1?site=zenith&site=acme&{NEW}")),
        ("acmeaff", Method::PUT, format!("/products/guide-1?site=acmeaff&{NEW}")),
        ("read", Method::PUT, format!("/products/guide-1?site=acme&{NEW}")),
        ("acme", Method::DELETE, "/products/guide-1?site=rivalco".to_owned()),
        ("acme", Method::DELETE, "/products/nothing?site=acme".to_owned()),
        ("sleeping", Method::DELETE, "/products/guide-1?site=acme".to_owned()),
    ] {
        let answer = send(&mut world, key, method, &path, "");
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} with {key}");
    }
    for missing in ["title=x", "price=1", "currency=USD&language=EN&title=x&price=one"] {
        let path = format!("/products/guide-1?site=acme&{missing}");
        let answer = send(&mut world, "acme", Method::PUT, &path, "");
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{missing}");
    }
    assert_eq!(format!("{:?}", world.records().products), before);
}
