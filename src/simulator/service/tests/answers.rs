//! The shape of answers: pages, quirks, and that they depend on nothing but what they should.

use http::StatusCode;

use super::*;
use crate::simulator::config::EmptyList;

#[test]
fn pages_cut_a_list_and_the_last_one_says_so() {
    let whole = get(&mut world(), "all", "/orders2/list", XML);
    let rows = whole.text().matches("<orderData>").count();
    let mut world = paged_world(4);
    let mut seen = 0;
    for page in 1..=rows.div_ceil(4) {
        let request = Request::get("/rest/1.3/orders2/list?page=7")
            .with_header("Authorization", &secret(&world, "all"))
            .with_header("Page", &page.to_string());
        let answer = world.answer(&request);
        let here = answer.text().matches("<orderData>").count();
        seen += here;
        let last = seen == rows;
        let expected = if last { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
        assert_eq!(answer.status, expected, "page {page}");
        assert!(last || here == 4);
    }
    assert_eq!(seen, rows);
}

#[test]
fn a_page_that_cannot_be_is_the_first_and_one_beyond_the_end_is_empty() {
    let mut world = paged_world(3);
    let mut ask = |page: &str| {
        let request = Request::get("/rest/1.3/tickets/list")
            .with_header("Authorization", &secret(&world, "all"))
            .with_header("Accept", JSON)
            .with_header("Page", page);
        world.answer(&request)
    };
    let first = ask("1");
    for page in ["0", "-1", "x", "", "1.5"] {
        assert_eq!(ask(page), first, "{page}");
    }
    let beyond = ask("99");
    assert_eq!((beyond.status, beyond.text().as_str()), (StatusCode::OK, "null"));
}

#[test]
fn totals_count_every_page() {
    let mut world = paged_world(1);
    let answer = get(&mut world, "acme", "/products/list?site=acme", JSON);
    assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
    let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(value["total_record_count"], "2");
    assert_eq!(value["products"]["product"]["@sku"], "book-1");
    let answer = get(&mut world, "acme", "/images/list?site=acme", JSON);
    assert_eq!(answer.status, StatusCode::OK);
}

#[test]
fn lists_without_rows_are_null_or_nothing() {
    let path = "/orders2/list?vendor=nobody";
    let mut with_null = world();
    assert_eq!(get(&mut with_null, "acme", path, JSON).text(), "null");
    assert!(get(&mut with_null, "acme", path, XML).text().ends_with("/>"));
    let settings = Settings { empty_list: EmptyList::EmptyBody, ..settings() };
    let mut with_nothing = World::new(settings, spec());
    let answer = get(&mut with_nothing, "acme", path, JSON);
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, ""));
}

#[test]
fn one_row_is_an_object_and_several_are_an_array() {
    let mut world = world();
    let several = json(&mut world, "acme", "/orders2/ACME0003");
    assert!(several["orderData"].is_array());
    let one = json(&mut world, "acme", "/orders2/ACME0001");
    let row = &one["orderData"];
    assert_eq!(row["paytmentMethod"].as_str().map(str::is_empty), Some(false));
    assert_eq!(row["affiliate"]["@nil"], "true");
    assert_eq!(row["totalOrderAmount"], "20.00");
    assert_eq!(row["lineItemData"]["shippable"], "true");
    let legacy = json(&mut world, "acme", "/orders/ACME0002");
    assert_eq!(legacy["orderData"]["site"], "acme");
    assert_eq!(legacy["orderData"]["affi"], "acmeaff");
    let ticket = json(&mut world, "acme", "/tickets/list?receipt=ACME0001");
    assert!(ticket["ticketData"]["ticketid"].is_string());
    assert!(ticket["ticketData"]["comments"].is_object());
    let ticket = json(&mut world, "zenith", "/tickets/list");
    assert!(ticket["ticketData"]["comments"].is_array());
    let shipping = json(&mut world, "rival", "/shipping3/list?receipt=RIVA0001");
    assert!(shipping["orderShipData2"]["phoneNumber"].is_string());
    let analytics = json(&mut world, "acme", "/analytics/VENDOR/VENDOR?account=acme&select=SALE_COUNT");
    assert_eq!(analytics["rows"]["row"]["data"]["value"]["@type"], "xs:long");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let demo = |seed| World::new(Settings::new(seed, TODAY), WorldSpec::demo(seed, TODAY));
    let (mut one, mut two, mut other) = (demo(7), demo(7), demo(8));
    for path in ["/orders2/list", "/tickets/list", "/shipping2/list", "/debug"] {
        let answer = get(&mut one, "all", path, JSON);
        assert!(answer.status.is_success());
        assert_eq!(get(&mut two, "all", path, JSON), answer, "{path}");
        assert_ne!(get(&mut other, "all", path, JSON), answer, "{path}");
    }
}

#[test]
fn the_place_of_a_record_in_the_world_does_not_show() {
    let mut forwards = paged_world(2);
    let mut backwards = paged_world(2);
    let records = backwards.records_mut();
    records.accounts.reverse();
    records.orders.reverse();
    records.tickets.reverse();
    records.ship_notices.reverse();
    records.products.reverse();
    for path in [
        "/orders2/list",
        "/orders/MIXD0001",
        "/tickets/list",
        "/shipping2/list",
        "/products/list?site=acme",
        "/quickstats/list",
        "/analytics/VENDOR/PRODUCT_SKU?account=acme",
        "/analytics/VENDOR/subscription/details?account=acme",
    ] {
        let expected = get(&mut forwards, "all", path, JSON);
        assert_eq!(get(&mut backwards, "all", path, JSON), expected, "{path}");
    }
}

#[test]
fn strangers_do_not_change_what_a_key_sees() {
    let mut with = world();
    let mut without = world();
    let records = without.records_mut();
    let is_own = |order: &Order| order.seller != "rivalco".into();
    records.orders.retain(is_own);
    records.tickets.retain(|ticket| ticket.receipt != "RIVA0001" && ticket.item_no != "addon-1");
    for path in [
        "/orders2/list",
        "/orders2/count",
        "/orders2/MIXD0001",
        "/tickets/list",
        "/tickets/count",
        "/shipping2/list",
        "/shipping2/count",
        "/quickstats/list",
        "/tickets/refundAmounts/MIXD0001?refundType=FULL",
    ] {
        let expected = get(&mut with, "acme", path, JSON);
        assert_eq!(get(&mut without, "acme", path, JSON), expected, "{path}");
    }
}
