//! What each key sees: exactly its reach.

use http::StatusCode;

use super::*;
use crate::simulator::config::SharedSale;
use crate::simulator::world::ticket_id;

/// `(key, receipts)` for each kind of list.
const ORDERS: [(&str, &str); 6] = [
    ("acme", "ACME0001 ACME0002 ACME0003 ACME0004 MIXD0001 SUBS0001 SUBS0001-B002 ZENI0001"),
    ("acmeaff", "ACME0002 RIVA0001 ZENI0001"),
    ("zenith", "SUBS0002 ZENI0001"),
    ("both", "ACME0001 ACME0002 ACME0003 ACME0004 MIXD0001 RIVA0001 SUBS0001 SUBS0001-B002 ZENI0001"),
    ("all", "ACME0001 ACME0002 ACME0003 ACME0004 MIXD0001 RIVA0001 SUBS0001 SUBS0001-B002 SUBS0002 ZENI0001"),
    ("rival", "ACME0003 MIXD0001 RIVA0001 SUBS0001 SUBS0001-B002"),
];
const SHIPPING: [(&str, &str); 6] = [
    ("acme", "ACME0001 ACME0002"),
    ("acmeaff", ""),
    ("zenith", ""),
    ("both", "ACME0001 ACME0002"),
    ("all", "ACME0001 ACME0002"),
    ("rival", "MIXD0001 RIVA0001"),
];
const TICKETS: [(&str, &str); 6] = [
    ("acme", "ACME0001 SUBS0001-B002"),
    ("acmeaff", ""),
    ("zenith", "SUBS0002"),
    ("both", "ACME0001 SUBS0001-B002"),
    ("all", "ACME0001 SUBS0001-B002 SUBS0002"),
    ("rival", "MIXD0001 RIVA0001"),
];

#[test]
fn lists_hold_the_rows_in_reach_and_no_others() {
    let lists = [
        ("/orders/list", ORDERS),
        ("/orders2/list", ORDERS),
        ("/shipping/list", SHIPPING),
        ("/shipping2/list", SHIPPING),
        ("/shipping3/list", SHIPPING),
        ("/tickets/list", TICKETS),
    ];
    let mut world = world();
    for (path, expected) in lists {
        for (key, receipts) in expected {
            for accept in [JSON, XML] {
                let answer = get(&mut world, key, path, accept);
                assert_eq!(answer.status, StatusCode::OK);
                assert_eq!(shown(&answer), receipts, "{path} with {key} as {accept}");
            }
        }
    }
}

#[test]
fn counts_count_the_rows_of_the_list() {
    let mut world = world();
    for (service, element) in [
        ("orders", "orderData"),
        ("orders2", "orderData"),
        ("shipping", "orderShipData"),
        ("shipping2", "orderShipData"),
        ("shipping3", "orderShipData2"),
        ("tickets", "ticketData"),
    ] {
        for (key, _) in ORDERS {
            let list = get(&mut world, key, &format!("/{service}/list"), XML).text();
            let rows = list.matches(&format!("<{element}>")).count().to_string();
            for accept in [JSON, XML] {
                let count = get(&mut world, key, &format!("/{service}/count"), accept);
                assert_eq!(count.text(), rows, "{service} with {key}");
            }
        }
    }
}

#[test]
fn a_row_says_the_role_of_the_nickname_in_reach() {
    let mut world = world();
    for (key, receipt, roles) in [
        ("acme", "ACME0002", vec!["VENDOR"]),
        ("acmeaff", "ACME0002", vec!["AFFILIATE"]),
        ("both", "ACME0002", vec!["VENDOR"]),
        ("acme", "ZENI0001", vec!["JV_TRADITIONAL"]),
        ("both", "ZENI0001", vec!["AFFILIATE"]),
        ("acme", "ACME0003", vec!["VENDOR", "VENDOR"]),
        ("rival", "ACME0003", vec!["AFFILIATE", "AFFILIATE"]),
    ] {
        for api in ["orders", "orders2"] {
            let answer = json(&mut world, key, &format!("/{api}/{receipt}"));
            assert_eq!(row_roles(&answer), roles, "{api} {receipt} with {key}");
        }
    }
}

#[test]
fn a_joint_venture_without_a_role_has_a_nil_one() {
    let mut spec = spec();
    spec.records.orders.push(Order::sale("RIVA0009", "rivalco", TODAY).shared_with("acme", JointVentureKind::Unnamed));
    let mut world = World::new(settings(), spec);
    let row = &json(&mut world, "acme", "/orders2/RIVA0009")["orderData"];
    assert_eq!(row["role"]["@nil"], "true");
    assert_eq!(row["lineItemData"]["role"]["@nil"], "true");
    assert_eq!((&row["vendor"], &row["email"]["@nil"]), (&"rivalco".into(), &"true".into()));
    let xml = get(&mut world, "acme", "/orders/RIVA0009", XML).text();
    assert!(xml.contains("<role xsi:nil=\"true\"/>"));
    for role in ["", "VENDOR", "AFFILIATE", "JV_TRADITIONAL"] {
        let found = get(&mut world, "acme", &format!("/orders2/list?vendor=rivalco&role={role}"), JSON);
        assert_eq!(shown(&found), if role.is_empty() { "RIVA0009" } else { "" }, "{role}");
    }
}

#[test]
fn a_shared_sale_can_show_in_every_role() {
    let settings = Settings { shared_sale: SharedSale::BothRows, ..settings() };
    let mut world = World::new(settings, spec());
    let answer = json(&mut world, "both", "/orders2/ACME0002");
    assert_eq!(row_roles(&answer), ["VENDOR", "AFFILIATE"]);
}

/// The roles of the rows, from one row or several.
fn row_roles(answer: &serde_json::Value) -> Vec<String> {
    let rows = &answer["orderData"];
    let one = std::slice::from_ref(rows);
    let rows = rows.as_array().map_or(one, Vec::as_slice);
    let role = |row: &serde_json::Value| row["role"].as_str().unwrap().to_owned();
    rows.iter().map(role).collect()
}

#[test]
fn only_the_seller_sees_the_customer() {
    let mut world = world();
    for (key, receipt, sees) in [
        ("acme", "ACME0002", true),
        ("acmeaff", "ACME0002", false),
        ("acme", "ZENI0001", false),
        ("zenith", "ZENI0001", true),
    ] {
        for api in ["orders", "orders2"] {
            let answer = get(&mut world, key, &format!("/{api}/{receipt}"), XML);
            let email = format!("buyer.{}@", receipt.to_lowercase());
            assert_eq!(answer.text().contains(&email), sees, "{api} {receipt} with {key}");
        }
    }
}

#[test]
fn objects_outside_the_reach_look_like_objects_that_are_not() {
    let mut world = world();
    let foreign_ticket = format!("/tickets/{}", ticket_id("RIVA0001", 1));
    for (mine, foreign, unknown) in [
        ("/orders/ACME0001", "/orders/SUBS0002", "/orders/XXXX0000"),
        ("/orders2/ACME0001", "/orders2/RIVA0001", "/orders2/XXXX0000"),
        ("/orders2/ACME0003/upsells", "/orders2/RIVA0001/upsells", "/orders2/XXXX0000/upsells"),
        ("/shipping/shipnotice/ACME0001", "/shipping/shipnotice/RIVA0001", "/shipping/shipnotice/XXXX0000"),
        ("/shipping3/shipnotice/ACME0002", "/shipping3/shipnotice/ZENI0001", "/shipping3/shipnotice/XXXX0000"),
        (&format!("/tickets/{}", ticket_id("ACME0001", 1)), &foreign_ticket, "/tickets/1"),
        (
            "/tickets/refundAmounts/ACME0001?refundType=FULL",
            "/tickets/refundAmounts/RIVA0001?refundType=FULL",
            "/tickets/refundAmounts/XXXX0000?refundType=FULL",
        ),
        ("/products/guide-1?site=acme", "/products/guide-1?site=rivalco", "/products/nothing?site=acme"),
        ("/products/list?site=acme", "/products/list?site=rivalco", "/products/list?site=nobody"),
        ("/images/list?site=acme", "/images/list?site=zenith", "/images/list"),
        ("/quickstats/list?account=acme", "/quickstats/list?account=zenith", "/quickstats/list?account=%25"),
        ("/quickstats/count?account=ACME", "/quickstats/count?account=rivalco", "/quickstats/count?account=nobody"),
        (
            "/analytics/VENDOR/AFFILIATE?account=acme",
            "/analytics/VENDOR/AFFILIATE?account=zenith",
            "/analytics/VENDOR/AFFILIATE",
        ),
        (
            "/analytics/vendor/subscription/details?account=acme",
            "/analytics/vendor/subscription/details?account=zenith",
            "/analytics/vendor/subscription/details?account=ac%25",
        ),
    ] {
        for accept in [JSON, XML] {
            let answer = get(&mut world, "acme", mine, accept);
            assert_eq!(answer.status, StatusCode::OK, "{mine}: {}", answer.text());
            let foreign_answer = get(&mut world, "acme", foreign, accept);
            assert_eq!(foreign_answer.status, StatusCode::FORBIDDEN, "{foreign}");
            assert_eq!(foreign_answer.content_type, Some("text/plain"));
            let unknown_answer = get(&mut world, "acme", unknown, accept);
            assert_eq!(unknown_answer, foreign_answer, "{unknown}");
        }
    }
}

#[test]
fn a_mixed_receipt_shows_each_seller_its_own_part() {
    let mut world = world();
    let vendor = |answer: serde_json::Value| answer["orderData"]["vendor"].clone();
    let acme = json(&mut world, "acme", "/orders2/MIXD0001");
    assert_eq!(vendor(acme), "acme");
    let rival = json(&mut world, "rival", "/orders2/MIXD0001");
    assert_eq!(vendor(rival), "rivalco");
    // The ticket is about the stranger's item.
    let ticket = format!("/tickets/{}", ticket_id("MIXD0001", 1));
    assert_eq!(get(&mut world, "acme", &ticket, JSON).status, StatusCode::FORBIDDEN);
    assert_eq!(get(&mut world, "rival", &ticket, JSON).status, StatusCode::OK);
}

#[test]
fn ship_notices_of_a_mixed_receipt_are_the_sellers_of_the_item() {
    let mut world = world();
    for (key, expected) in [("acme", ""), ("all", ""), ("rival", "MIXD0001")] {
        let answer = get(&mut world, key, "/shipping2/shipnotice/MIXD0001", JSON);
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(shown(&answer), expected, "{key}");
    }
}

#[test]
fn quickstats_are_the_shares_of_the_account_asked_for() {
    let mut world = world();
    // acme has 90 % of 20 + 37 + 37, half of 20 + 37 + 19 + 19 with affiliates, and 5 % of 37 of zenith's.
    for (query, sale, refund) in
        [("acme", "133.95", "18.50"), ("zenith", "35.60", "0.00"), ("acmeaff", "30.80", "0.00")]
    {
        for path in ["list", "count"] {
            let answer = json(&mut world, "all", &format!("/quickstats/{path}?account={query}"));
            let account = &answer["accountData"];
            assert_eq!(account["nickName"], query);
            assert_eq!(account["quickStats"]["sale"], sale, "{query}");
            assert_eq!(account["quickStats"]["refund"], refund, "{query}");
            assert_eq!(account["quickStats"]["quickStatDate"].is_string(), path == "list");
        }
    }
    let long_ago = json(&mut world, "all", "/quickstats/list?account=acme&endDate=2026-11-19");
    assert!(long_ago["accountData"]["quickStats"].is_null());
}

#[test]
fn accounts_are_those_that_the_key_may_read_orders_of() {
    let mut world = world();
    for (key, expected) in [
        ("acme", vec!["acme"]),
        ("read", vec!["acme"]),
        ("write", vec!["acme"]),
        ("all", vec!["acme", "acmeaff", "zenith"]),
    ] {
        for path in ["/quickstats/accounts", "/quickstats/list", "/quickstats/count"] {
            let text = get(&mut world, key, path, XML).text();
            let names: Vec<&str> = text.split("<nickName>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
            assert_eq!(names, expected, "{path} with {key}");
        }
    }
}

#[test]
fn whether_an_order_is_active_is_told_to_its_parties_only() {
    let mut world = world();
    for (key, receipt, expected) in [
        ("acme", "SUBS0001", StatusCode::NO_CONTENT),
        ("acme", "SUBS0001-B002", StatusCode::NO_CONTENT),
        ("zenith", "SUBS0002", StatusCode::FORBIDDEN),
        ("acme", "ACME0001", StatusCode::NO_CONTENT),
        ("acme", "ACME0003", StatusCode::FORBIDDEN),
        ("acme", "RIVA0001", StatusCode::FORBIDDEN),
        ("acme", "XXXX0000", StatusCode::FORBIDDEN),
        ("acme", "ACME0001?sku=nothing", StatusCode::FORBIDDEN),
    ] {
        for api in ["orders", "orders2"] {
            let path = format!("/{api}/{receipt}");
            let answer = send(&mut world, key, Method::HEAD, &path, "");
            assert_eq!(answer.status, expected, "{path} with {key}");
            assert!(answer.body.is_empty());
        }
    }
}

#[test]
fn another_sellers_subscription_on_the_receipt_says_nothing_about_ones_own_sale() {
    let mut spec = spec();
    let theirs = Subscription::monthly("club-1", TODAY, 1).cancelled(TODAY);
    let theirs = Order::sale("MIXD0001", "rivalco", TODAY).subscribing(theirs);
    spec.records.orders.insert(0, theirs);
    let mut world = World::new(settings(), spec);
    let answer = send(&mut world, "acme", Method::HEAD, "/orders2/MIXD0001", "");
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
}
