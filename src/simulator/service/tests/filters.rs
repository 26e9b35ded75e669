//! The filters of lists.

use http::StatusCode;

use super::*;

/// Asserts which receipts a key sees at each path.
fn assert_receipts(key: &str, table: &[(&str, &str)]) {
    let mut world = world();
    for (path, expected) in table {
        let answer = get(&mut world, key, path, JSON);
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        assert_eq!(shown(&answer), *expected, "{path}");
    }
}

#[test]
fn orders_are_filtered_by_the_parties_of_the_sale() {
    const OWN: &str = "ACME0001 ACME0002 ACME0003 ACME0004 MIXD0001 SUBS0001 SUBS0001-B002";
    assert_receipts(
        "both",
        &[
            ("/orders2/list?vendor=acme", OWN),
            ("/orders/list?vendor=ACM%25", OWN),
            ("/orders2/list?vendor=rivalco", "RIVA0001"),
            ("/orders2/list?affiliate=acmeaff", "ACME0002 RIVA0001 ZENI0001"),
            ("/orders2/list?affiliate=%25aff", "ACME0002 ACME0003 RIVA0001 SUBS0001 SUBS0001-B002 ZENI0001"),
            ("/orders2/list?affiliate=none", "ACME0001 ACME0004 MIXD0001"),
            ("/orders2/list?affiliate=acmeaff&role=AFFILIATE", "RIVA0001 ZENI0001"),
            ("/orders2/list?affiliate=acmeaff&role=VENDOR", "ACME0002"),
            (
                "/orders2/list?account=rivalco&vendor=",
                "ACME0001 ACME0002 ACME0003 ACME0004 MIXD0001 RIVA0001 SUBS0001 SUBS0001-B002 ZENI0001",
            ),
            ("/orders2/list?type=RFND", "ACME0003"),
            ("/orders2/list?type=BILL", "SUBS0001-B002"),
            ("/orders2/list?type=UNHEARD_OF", ""),
            ("/orders2/list?email=BUYER.acme0001%25", "ACME0001"),
            ("/orders2/list?item=club-1", "SUBS0001 SUBS0001-B002"),
            ("/orders2/list?amount=20", "ACME0001 ACME0002 RIVA0001"),
            ("/orders2/list?amount=twenty", ""),
        ],
    );
}

#[test]
fn orders_are_those_of_yesterday_and_today_unless_both_dates_are_given() {
    let mut spec = spec();
    for (receipt, day) in [("OLDD0001", 19), ("OLDD0002", 18), ("OLDD0003", 1)] {
        let order = Order::sale(receipt, "zenith", date(2026, 11, day));
        spec.records.orders.push(order);
    }
    let mut world = World::new(settings(), spec);
    for (query, expected) in [
        ("", "OLDD0001 SUBS0002 ZENI0001"),
        ("?startDate=2026-11-01", "OLDD0001 SUBS0002 ZENI0001"),
        ("?startDate=2026-11-18&endDate=2026-11-19", "OLDD0001 OLDD0002"),
        ("?startDate=2026-11-01&endDate=2026-11-01", "OLDD0003"),
        ("?startDate=2026-11-02&endDate=2026-11-01", ""),
        ("?startDate=soon&endDate=2026-11-01", "OLDD0001 SUBS0002 ZENI0001"),
    ] {
        let answer = get(&mut world, "zenith", &format!("/orders2/list{query}"), JSON);
        assert_eq!(shown(&answer), expected, "{query}");
    }
}

#[test]
fn counts_ignore_the_parameters_that_they_do_not_know() {
    let mut world = world();
    for (path, expected) in [
        ("/orders2/count", "9"),
        ("/orders2/count?item=club-1", "2"),
        ("/orders2/count?amount=20", "9"),
        ("/orders/count?item=club-1", "9"),
        ("/orders/count?vendor=acme&role=VENDOR", "8"),
        ("/tickets/count?createDateFrom=2020-01-01&createDateTo=2020-01-02", "2"),
    ] {
        assert_eq!(get(&mut world, "acme", path, JSON).text(), expected, "{path}");
    }
}

#[test]
fn a_receipt_makes_shipping_ignore_its_other_filters() {
    assert_receipts(
        "acme",
        &[
            ("/shipping2/list?status=shipped", "ACME0001"),
            ("/shipping2/list?status=notshipped", "ACME0002"),
            ("/shipping/list?status=all", "ACME0001 ACME0002"),
            ("/shipping2/list?status=notshipped&receipt=ACME0001", "ACME0001"),
            ("/shipping2/list?receipt=RIVA0001", ""),
            ("/shipping2/list?receipt=ACME%25", ""),
            ("/shipping2/list?startDate=2020-01-01&endDate=2020-02-01", ""),
            ("/shipping2/list?days=5&startDate=2020-01-01", "ACME0001 ACME0002"),
            ("/shipping2/list?days=99999999999999999999", "ACME0001 ACME0002"),
        ],
    );
}

#[test]
fn a_receipt_of_tickets_covers_rebills_and_takes_a_wildcard() {
    assert_receipts(
        "all",
        &[
            ("/tickets/list?receipt=SUBS0001", "SUBS0001-B002"),
            ("/tickets/list?receipt=SUBS0001-B002", "SUBS0001-B002"),
            ("/tickets/list?receipt=SUBS%25", "SUBS0001-B002 SUBS0002"),
            ("/tickets/list?receipt=RIVA0001", ""),
            ("/tickets/list?status=closed", "SUBS0002"),
            ("/tickets/list?status=open&type=rfnd", "ACME0001 SUBS0001-B002"),
            ("/tickets/list?type=tech", ""),
            ("/tickets/list?closeDateFrom=2026-11-14&closeDateTo=2026-11-20", "SUBS0002"),
            ("/tickets/list?createDateFrom=2026-11-01&createDateTo=2026-11-02", ""),
            ("/tickets/list?createDateFrom=2026-11-01", "ACME0001 SUBS0001-B002 SUBS0002"),
        ],
    );
}

#[test]
fn filters_that_the_tickets_article_forbids_are_bad_requests() {
    let mut world = world();
    for query in ["receipt=SUB%25", "receipt=%25", "receipt=ABC", "createDateFrom=2026-11-01&createDateTo=2026-11-09"] {
        let answer = get(&mut world, "all", &format!("/tickets/list?{query}"), JSON);
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.content_type, Some("text/plain"));
    }
}

#[test]
fn refund_amounts_depend_on_the_kind_of_refund() {
    let mut world = world();
    for (key, query, expected) in [
        ("acme", "ACME0001?refundType=FULL&refundAmount=0", "20.00"),
        ("acme", "ACME0003?refundType=FULL", "0.00"),
        ("acme", "ACME0001?refundType=PARTIAL_PERCENT&refundAmount=50.00", "10.00"),
        ("acme", "ACME0001?refundType=PARTIAL_AMOUNT&refundAmount=7.5", "7.50"),
    ] {
        let path = format!("/tickets/refundAmounts/{query}");
        assert_eq!(json(&mut world, key, &path)["customerAmount"], expected, "{path}");
    }
    for (key, query, expected) in [
        ("acme", "ACME0001?refundType=full", StatusCode::BAD_REQUEST),
        ("acme", "ACME0001?refundType=PARTIAL_PERCENT&refundAmount=81", StatusCode::BAD_REQUEST),
        ("acme", "ACME0001?refundType=PARTIAL_AMOUNT", StatusCode::BAD_REQUEST),
        ("zenith", "ZENI0001?refundType=PARTIAL_AMOUNT&refundAmount=1", StatusCode::FORBIDDEN),
        ("acmeaff", "ACME0002?refundType=FULL", StatusCode::FORBIDDEN),
    ] {
        let path = format!("/tickets/refundAmounts/{query}");
        assert_eq!(get(&mut world, key, &path, JSON).status, expected, "{path}");
    }
}
