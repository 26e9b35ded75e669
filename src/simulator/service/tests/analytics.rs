//! Analytics: of one account, from one side.

use http::StatusCode;

use super::*;

const DETAILS: &str = "/subscription/details";

#[test]
fn subscriptions_show_to_seller_and_affiliate_and_the_customer_to_the_seller() {
    let mut world = world();
    let seller = json(&mut world, "acme", &format!("/analytics/VENDOR{DETAILS}?account=acme"));
    assert_eq!(seller["totalCount"], "1");
    let row = &seller["data"]["row"];
    assert_eq!(row["pubNickName"], "acme");
    assert_eq!(row["affNickName"], "otheraff");
    assert_eq!(row["email"], "buyer.subs0001@example.net");
    assert_eq!(row["rebillSaleCount"], "1");
    assert_eq!((&row["refundCount"], &row["txnType"]), (&"0".into(), &"".into()));

    let affiliate = json(&mut world, "rival", &format!("/analytics/affiliate{DETAILS}?account=otheraff"));
    let row = &affiliate["data"]["row"];
    assert_eq!(row["receipt"], "SUBS0001");
    assert_eq!(row["email"]["@nil"], "true");

    let other_side = json(&mut world, "acme", &format!("/analytics/AFFILIATE{DETAILS}?account=acme"));
    assert_eq!(other_side["totalCount"], "0");
    assert!(other_side["data"].is_null());
}

#[test]
fn subscriptions_are_selected_by_path() {
    let mut world = world();
    for (key, path, expected) in [
        ("acme", "/status?status=ACTIVE", "1"),
        ("acme", "/status?status=canceled", "0"),
        ("zenith", "/status?status=canceled", "1"),
        ("zenith", "/cancelthirty?", "1"),
        ("acme", "/cancelsixty?", "0"),
        ("acme", "/compthirty?", "0"),
        ("acme", "/startdate?startDate=2026-11-20&endDate=2026-11-20", "1"),
        ("acme", "/nextpmtdate?startDate=2027-01-01&endDate=2027-02-01", "1"),
        ("zenith", "/canceldate?startDate=2026-11-21&endDate=2026-11-22", "0"),
    ] {
        let path = format!("/analytics/VENDOR{DETAILS}{path}&account={key}");
        assert_eq!(json(&mut world, key, &path)["totalCount"], expected, "{path}");
    }
    let path = format!("/analytics/VENDOR{DETAILS}/startdate?account=acme&startDate=2026-11-20");
    assert_eq!(get(&mut world, "acme", &path, JSON).status, StatusCode::BAD_REQUEST);
}

#[test]
fn subscriptions_are_sorted_as_asked() {
    let mut spec = spec();
    for (receipt, amount) in [("SUBS0003", 10_000), ("SUBS0004", 900)] {
        let order = Order::sale(receipt, "acme", TODAY)
            .of(vec![Line::recurring("club-1", Cents(amount))])
            .subscribing(Subscription::monthly("club-1", TODAY, 1));
        spec.records.orders.push(order);
    }
    let mut world = World::new(settings(), spec);
    for (direction, expected) in
        [("ASC", ["SUBS0004", "SUBS0001", "SUBS0003"]), ("DESC", ["SUBS0003", "SUBS0001", "SUBS0004"])]
    {
        let path =
            format!("/analytics/VENDOR{DETAILS}?account=acme&orderBy=INITIAL_SALE_AMOUNT&sortDirection={direction}");
        let answer = json(&mut world, "acme", &path);
        let rows = answer["data"]["row"].as_array().unwrap();
        let order: Vec<&str> = rows.iter().filter_map(|row| row["receipt"].as_str()).collect();
        assert_eq!(order, expected);
    }
}

#[test]
fn a_dimension_groups_the_rows_of_the_account() {
    let mut world = world();
    let path = "/analytics/VENDOR/AFFILIATE?account=acme&select=SALE_COUNT&select=REFUND_COUNT,SALE_AMOUNT";
    let answer = json(&mut world, "acme", path);
    let rows = answer["rows"]["row"].as_array().unwrap();
    let summary: Vec<(String, String, usize)> = rows
        .iter()
        .map(|row| {
            assert_eq!(row["accountNickName"], "acme");
            let data = row["data"].as_array().unwrap();
            let value = row["dimensionValue"].as_str().unwrap().to_owned();
            let sales = data[0]["value"]["$"].as_str().unwrap().to_owned();
            (value, sales, data.len())
        })
        .collect();
    let row = |value: &str, sales: &str| (value.to_owned(), sales.to_owned(), 3);
    assert_eq!(summary, [row("acmeaff", "1"), row("none", "2"), row("otheraff", "2")]);
    assert_eq!(answer["totals"]["total"].as_array().unwrap().len(), 3);
}

#[test]
fn dimensions_can_be_filtered_ordered_and_summed_without_the_account() {
    let mut world = world();
    let values = |answer: &serde_json::Value| -> Vec<String> {
        let rows = answer["rows"]["row"].as_array().cloned().unwrap_or_default();
        let value = |row: &serde_json::Value| row["dimensionValue"].as_str().unwrap().to_owned();
        rows.iter().map(value).collect()
    };
    let ordered = json(&mut world, "acme", "/analytics/VENDOR/AFFILIATE?account=acme&orderBy=DIMENSION_VALUE");
    assert_eq!(values(&ordered), ["otheraff", "none", "acmeaff"]);
    let filtered = json(&mut world, "acme", "/analytics/VENDOR/AFFILIATE?account=acme&dimensionFilter=none");
    assert_eq!(filtered["rows"]["row"]["dimensionValue"], "none");
    let others =
        json(&mut world, "acme", "/analytics/VENDOR/AFFILIATE/summary?account=acme&summaryType=AFFILIATE_ONLY");
    assert_eq!(values(&others), ["acmeaff", "otheraff"]);
    for path in [
        "/analytics/VENDOR/AFFILIATE/summary?account=acme",
        "/analytics/VENDOR/VENDOR_PRODUCT_SKU?account=acme",
        "/analytics/AFFILIATE/PRODUCT_SKU?account=acme",
    ] {
        assert_eq!(get(&mut world, "acme", path, JSON).status, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[test]
fn trends_are_by_product_and_by_day_if_asked() {
    let mut world = world();
    let path = "/analytics/VENDOR/subscription/trends?account=acme&startDate=2026-11-01&endDate=2026-11-30";
    let answer = json(&mut world, "acme", path);
    let row = &answer["data"]["row"];
    assert_eq!((&row["nickname"], &row["totalSalesCnt"]), (&"acme".into(), &"2".into()));
    assert_eq!(row["businessDate"]["@nil"], "true");
    let id = row["productId"].as_str().unwrap();
    for (query, expected) in [
        ("&groupBy=DATE".to_owned(), "1"),
        (format!("&productId=1&productId={id}"), "1"),
        ("&productId=1".to_owned(), "0"),
    ] {
        let answer = json(&mut world, "acme", &format!("{path}{query}"));
        assert_eq!(answer["totalCount"], expected, "{query}");
    }
}
