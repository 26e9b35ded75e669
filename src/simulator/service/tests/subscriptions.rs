//! Subscriptions that sellers pause, move, extend, change and reinstate.

use super::*;

/// One field of the analytics row of `receipt`.
fn detail(world: &mut World, receipt: &str, field: &str) -> String {
    let details = json(world, "acme", "/analytics/VENDOR/subscription/details?account=acme");
    let rows = details["data"]["row"].as_array().unwrap();
    let row = rows.iter().find(|row| row["receipt"] == receipt).unwrap();
    row[field].as_str().unwrap_or("nil").to_owned()
}

/// One field of the line of `receipt`.
fn line(world: &mut World, receipt: &str, field: &str) -> String {
    let order = json(world, "acme", &format!("/orders2/{receipt}"));
    let rows = &order["orderData"];
    let row = rows.as_array().map_or(rows, |rows| &rows[0]);
    row["lineItemData"][field].as_str().unwrap_or("nil").to_owned()
}

fn is_active(world: &mut World, receipt: &str) -> bool {
    send(world, "acme", Method::HEAD, &format!("/orders2/{receipt}"), "").status == 204
}

#[test]
fn a_pause_and_a_new_date_move_what_is_billed_next() {
    // CLUB0001 is next billed on 20 December; SUBS0001-B002 is a later payment of another one.
    for (path, moved) in [
        ("/orders/CLUB0001/pause?restartDate=2026-12-20", Some("2026-12-20")),
        ("/orders2/CLUB0001/pause?restartDate=2027-01-19&sku=club-1", Some("2027-01-19")),
        ("/orders2/CLUB0001/pause?restartDate=2027-01-20", None),
        ("/orders2/CLUB0001/pause?restartDate=2026-12-19", None),
        ("/orders2/CLUB0001/pause?restartDate=soon", None),
        ("/orders2/CLUB0001/pause", None),
        ("/orders2/CLUB0001/changeDate?changeDate=2026-11-21", Some("2026-11-21")),
        ("/orders2/CLUB0001/changeDate?changeDate=2028-01-31", Some("2028-01-31")),
        ("/orders2/CLUB0001/changeDate?changeDate=2026-11-20", None),
        ("/orders2/CLUB0001/changeDate", None),
    ] {
        let mut world = world_with_clubs();
        let answer = post(&mut world, "acme", path);
        assert_eq!(answer.status.as_u16(), if moved.is_some() { 204 } else { 400 }, "{path}: {}", answer.text());
        let expected = format!("{}T00:00:00-08:00", moved.unwrap_or("2026-12-20"));
        assert_eq!(line(&mut world, "CLUB0001", "nextPaymentDate"), expected, "{path}");
        assert_eq!(detail(&mut world, "CLUB0001", "nextPaymentDate"), expected, "{path}");
        assert!(is_active(&mut world, "CLUB0001"));
        assert_eq!(world.executed().len(), usize::from(moved.is_some()));
    }
}

#[test]
fn the_last_payment_moves_with_the_next_one() {
    let mut world = world_with_clubs();
    assert_eq!(detail(&mut world, "CLUB0001", "subEndDate"), "2027-10-20T00:00:00-08:00");
    post(&mut world, "acme", "/orders2/CLUB0001/pause?restartDate=2027-01-05");
    assert_eq!(detail(&mut world, "CLUB0001", "subEndDate"), "2027-11-05T00:00:00-08:00");
}

#[test]
fn every_extension_adds_payments() {
    let mut world = world_with_clubs();
    for (path, payments, ends) in [
        ("/orders2/CLUB0001/extend?numPeriods=1", "13", "2027-11-20"),
        ("/orders2/CLUB0001/extend?numPeriods=1", "14", "2027-12-20"),
        ("/orders/CLUB0001/extend?numPeriods=12&sku=club-1", "26", "2028-12-20"),
    ] {
        assert_eq!(post(&mut world, "acme", path).status, 204, "{path}");
        assert_eq!(detail(&mut world, "CLUB0001", "duration"), payments);
        assert_eq!(detail(&mut world, "CLUB0001", "subEndDate"), format!("{ends}T00:00:00-08:00"));
    }
    assert_eq!(line(&mut world, "CLUB0001", "futurePayments"), "25");
    for periods in ["0", "-1", "1.5", "1001", "", "many"] {
        let path = format!("/orders2/CLUB0001/extend?numPeriods={periods}");
        assert_eq!(post(&mut world, "acme", &path).status, 400, "{periods}");
    }
    assert_eq!(world.executed().len(), 3);
}

#[test]
fn any_receipt_of_a_subscription_names_it() {
    let mut world = world();
    assert_eq!(post(&mut world, "acme", "/orders2/SUBS0001-B002/extend?numPeriods=2").status, 204);
    assert_eq!(line(&mut world, "SUBS0001", "futurePayments"), "12");
    assert_eq!(executed(&world), ["Extend SUBS0001-B002 acme 0.00"]);
}

#[test]
fn a_cancelled_subscription_comes_back_within_sixty_days() {
    for (days, expected) in [(0, 204), (60, 204), (61, 403)] {
        let mut spec = spec_with_clubs();
        let order = spec.records.orders.iter_mut().find(|order| order.receipt == "CLUB0002").unwrap();
        let cancelled = TODAY.saturating_sub(jiff::ToSpan::days(days));
        order.subscription = Some(Subscription::monthly("club-1", date(2026, 8, 5), 3).cancelled(cancelled));
        let mut world = World::new(settings(), spec);
        assert!(!is_active(&mut world, "CLUB0002"));
        let answer = post(&mut world, "acme", "/orders2/CLUB0002/reinstate");
        assert_eq!(answer.status.as_u16(), expected, "{days}: {}", answer.text());
        assert_eq!(is_active(&mut world, "CLUB0002"), expected == 204);
        if expected == 204 {
            // The payment of 5 November is past.
            assert_eq!(detail(&mut world, "CLUB0002", "nextPaymentDate"), "2026-11-21T00:00:00-08:00");
            assert_eq!(detail(&mut world, "CLUB0002", "subCancelDate"), "nil");
            assert_eq!(post(&mut world, "acme", "/orders/CLUB0002/reinstate").status, 403);
        }
        assert_eq!(world.executed().len(), usize::from(expected == 204));
    }
}

#[test]
fn a_reinstated_subscription_can_be_cancelled_again() {
    let mut world = world_with_clubs();
    let cancel = "/tickets/CLUB0001?type=cncl&reason=ticket.type.cancel.1";
    for path in [cancel, "/orders2/CLUB0001/reinstate", cancel] {
        assert!(post(&mut world, "acme", path).status.is_success(), "{path}");
    }
    assert_eq!(detail(&mut world, "CLUB0001", "status"), "CANCELED");
    assert_eq!(world.executed().len(), 3);
}

#[test]
fn another_product_is_billed_and_the_unused_part_of_the_last_payment_goes_back() {
    let mut spec = spec_with_clubs();
    // Paid 15 days ago, due in 15: half of 19.00 is unused.
    let started = date(2026, 11, 5);
    let half = Order::sale("CLUB0003", "acme", started)
        .of(vec![Line::recurring("club-1", Cents(1900))])
        .through("otheraff")
        .subscribing(Subscription::monthly("club-1", started, 1));
    spec.records.orders.push(half);
    for (query, refunded, next, affiliate) in [
        ("", "9.50", "2026-11-21", "nil"),
        ("&applyProratedRefund=true&carryAffiliate=true", "9.50", "2026-11-21", "otheraff"),
        ("&applyProratedRefund=false&nextRebillDate=2027-02-01", "0.00", "2027-02-01", "nil"),
    ] {
        let mut world = World::new(settings(), spec.clone());
        let path = format!("/orders2/CLUB0003/changeProduct?oldSku=club-1&newSku=vip-1{query}");
        let answer = post(&mut world, "acme", &path);
        assert_eq!(told(&answer), (204, String::new()), "{query}");
        assert_eq!(executed(&world), [format!("ChangeProduct CLUB0003 acme {refunded}")]);
        assert_eq!(detail(&mut world, "CLUB0003", "itemNo"), "vip-1");
        assert_eq!(detail(&mut world, "CLUB0003", "affNickName"), affiliate);
        assert_eq!(detail(&mut world, "CLUB0003", "nextPaymentDate"), format!("{next}T00:00:00-08:00"));
        assert_eq!(line(&mut world, "CLUB0003", "itemNo"), "club-1");
        assert_eq!(line(&mut world, "CLUB0003", "rebillAmount"), "49.00");
        assert_eq!(line(&mut world, "CLUB0003", "futurePayments"), "12");
        let refunds = order_rows(&mut world, "acme", "CLUB0003").len() - 1;
        assert_eq!(refunds, usize::from(refunded != "0.00"));
        let theirs = get(&mut world, "rival", "/analytics/AFFILIATE/subscription/details?account=otheraff", JSON);
        assert_eq!(receipts(&theirs).contains("CLUB0003"), affiliate == "otheraff");
        // From now on the old product is the one that is billed; the line keeps its item.
        assert_eq!(post(&mut world, "acme", &path).status, 400);
        assert_eq!(post(&mut world, "acme", "/orders2/CLUB0003/extend?numPeriods=1&sku=club-1").status, 204);
        assert_eq!(send(&mut world, "acme", Method::HEAD, "/orders2/CLUB0003?sku=vip-1", "").status, 204);
    }
}

#[test]
fn a_new_product_has_to_be_a_subscription_of_the_same_seller() {
    let mut world = world_with_clubs();
    for query in [
        "newSku=vip-1",
        "oldSku=club-1",
        "oldSku=guide-1&newSku=vip-1",
        "oldSku=club-1&newSku=guide-1",
        "oldSku=club-1&newSku=vip-2",
        "oldSku=club-1&newSku=nothing",
        "oldSku=club-1&newSku=vip-1&nextRebillDate=2026-11-20",
        "oldSku=club-1&newSku=vip-1&nextRebillDate=x",
    ] {
        let answer = post(&mut world, "acme", &format!("/orders2/CLUB0001/changeProduct?{query}"));
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
    assert!(world.executed().is_empty());
}

#[test]
fn what_is_no_active_subscription_is_not_changed() {
    let mut world = world_with_clubs();
    for path in [
        "/orders2/ACME0001/pause?restartDate=2026-12-31",
        "/orders2/ACME0001/extend?numPeriods=1",
        "/orders2/ACME0001/reinstate",
        "/orders2/CLUB0001/reinstate",
        "/orders2/CLUB0001/extend?numPeriods=1&sku=vip-1",
        "/orders2/CLUB0002/pause?restartDate=2026-12-31",
        "/orders2/CLUB0002/changeDate?changeDate=2026-12-31",
        "/orders2/CLUB0002/extend?numPeriods=1",
        "/orders2/CLUB0002/changeProduct?oldSku=club-1&newSku=vip-1",
    ] {
        assert_eq!(post(&mut world, "acme", path).status, 403, "{path}");
    }
    assert!(world.executed().is_empty());
}

#[test]
fn two_sellers_subscriptions_under_one_receipt_are_two() {
    let mut spec = spec();
    for seller in ["rivalco", "acme"] {
        let lines = vec![Line::recurring("club-1", Cents(1900))];
        let sale = Order::sale("BOTH0001", seller, TODAY).of(lines);
        spec.records.orders.push(sale.subscribing(Subscription::monthly("club-1", TODAY, 1)));
    }
    let mut world = World::new(settings(), spec);
    let before = get(&mut world, "rival", "/orders2/BOTH0001", JSON);
    for path in [
        "/orders2/BOTH0001/pause?restartDate=2027-01-01",
        "/orders2/BOTH0001/extend?numPeriods=1",
        "/tickets/BOTH0001?type=cncl&reason=ticket.type.cancel.1",
    ] {
        assert!(post(&mut world, "acme", path).status.is_success(), "{path}");
    }
    assert!(!is_active(&mut world, "BOTH0001"));
    assert_eq!(get(&mut world, "rival", "/orders2/BOTH0001", JSON), before);
}
