//! Ship notices that sellers add.

use super::*;

/// The notices of `receipt`: item and carrier of each.
fn notices(world: &mut World, key: &str, receipt: &str) -> Vec<String> {
    let answer = get(world, key, &format!("/shipping2/shipnotice/{receipt}"), XML).text();
    let field = |notice: &str, name: &str| {
        let rest = notice.split(&format!("<{name}>")).nth(1).unwrap_or_default().to_owned();
        rest.split('<').next().unwrap_or_default().to_owned()
    };
    let all = answer.split("<shippingNoticeData>").skip(1);
    all.map(|notice| format!("{} {}", field(notice, "itemNo"), field(notice, "carrier"))).collect()
}

#[test]
fn every_call_adds_a_notice() {
    let mut world = world();
    for (count, api) in ["shipping", "shipping2", "shipping3"].into_iter().enumerate() {
        let path = format!("/{api}/shipnotice/ACME0002?date=2026-11-20&carrier=UPS&tracking=1Z%2F9&comments=a+b");
        let notice = value(&post(&mut world, "acme", &path));
        for (field, expected) in [
            ("receipt", "ACME0002"),
            ("itemNo", "book-1"),
            ("carrier", "UPS"),
            ("trackingId", "1Z/9"),
            ("comments", "a b"),
            ("shipDate", "2026-11-20T00:00:00-08:00"),
        ] {
            assert_eq!(notice[field], expected, "{field}");
        }
        assert!(notice["shippedTo"].is_string());
        assert_eq!(notices(&mut world, "acme", "ACME0002").len(), count + 1);
    }
    assert_eq!(executed(&world), ["AddShipNotice ACME0002 acme 0.00"; 3]);
    let sent = get(&mut world, "acme", "/shipping2/list?status=shipped", JSON);
    assert_eq!(shown(&sent), "ACME0001 ACME0002");
}

/// An order of two physical items and a download, with a physical upsell and somebody else's.
fn world_with_a_parcel() -> World {
    let mut spec = spec();
    let placed = date(2026, 11, 18);
    let lines = vec![
        Line::physical("book-1", Cents(2000)),
        Line::physical("map-1", Cents(500)),
        Line::digital("guide-1", Cents(3700)),
    ];
    let upsell = |receipt, seller| {
        let lines = vec![Line::physical("mug-1", Cents(900)).as_upsell()];
        Order::sale(receipt, seller, placed).of(lines).upsell_of("PARC0001")
    };
    spec.records.orders.extend([
        Order::sale("PARC0001", "acme", placed).of(lines),
        upsell("PARC0002", "acme"),
        upsell("PARC0003", "rivalco"),
        upsell("PARC0001", "rivalco"),
    ]);
    World::new(settings(), spec)
}

#[test]
fn the_rest_of_an_order_is_filled_in_where_that_is_known() {
    for (api, fill, expected) in [
        ("shipping2", "&fillOrder=true", ["book-1 UPS,map-1 UPS", "mug-1 UPS"]),
        ("shipping3", "&fillOrder=true", ["book-1 UPS,map-1 UPS", "mug-1 UPS"]),
        ("shipping3", "&fillOrder=false", ["book-1 UPS", ""]),
        ("shipping3", "", ["book-1 UPS", ""]),
        ("shipping", "&fillOrder=true", ["book-1 UPS", ""]),
    ] {
        let mut world = world_with_a_parcel();
        let path = format!("/{api}/shipnotice/PARC0001?date=2026-11-19&carrier=UPS&item=book-1{fill}");
        assert_eq!(value(&post(&mut world, "acme", &path))["itemNo"], "book-1");
        assert_eq!(notices(&mut world, "acme", "PARC0001").join(","), expected[0], "{api} {fill}");
        assert_eq!(notices(&mut world, "acme", "PARC0002").join(","), expected[1], "{api} {fill}");
        for receipt in ["PARC0001", "PARC0003"] {
            assert_eq!(notices(&mut world, "rival", receipt).join(","), "", "{receipt}");
        }
        assert_eq!(executed(&world), ["AddShipNotice PARC0001 acme 0.00"]);
    }
    // Filling twice repeats only what was named.
    let mut world = world_with_a_parcel();
    for _ in 0..2 {
        post(
            &mut world,
            "acme",
            "/shipping2/shipnotice/PARC0001?date=2026-11-19&carrier=UPS&item=book-1&fillOrder=true",
        );
    }
    assert_eq!(notices(&mut world, "acme", "PARC0001"), ["book-1 UPS", "book-1 UPS", "map-1 UPS"]);
}

#[test]
fn a_notice_needs_a_day_a_carrier_and_an_item() {
    let mut world = world_with_a_parcel();
    for (query, expected) in [
        ("date=2026-11-18&carrier=UPS&item=map-1", 200),
        ("date=2026-11-20&carrier=UPS&item=map-1", 200),
        ("date=2026-11-17&carrier=UPS&item=map-1", 400),
        ("date=2026-11-21&carrier=UPS&item=map-1", 400),
        ("date=yesterday&carrier=UPS&item=map-1", 400),
        ("carrier=UPS&item=map-1", 400),
        ("date=2026-11-20&item=map-1", 400),
        ("date=2026-11-20&carrier=UPS", 400),
        ("date=2026-11-20&carrier=UPS&item=guide-1", 400),
        ("date=2026-11-20&carrier=UPS&item=mug-1", 400),
    ] {
        let answer = post(&mut world, "acme", &format!("/shipping3/shipnotice/PARC0001?{query}"));
        assert_eq!(answer.status.as_u16(), expected, "{query}: {}", answer.text());
    }
    assert_eq!(world.executed().len(), 2);
}

#[test]
fn a_notice_belongs_to_the_seller_who_made_it_even_where_others_sold_the_same_item() {
    let mut spec = spec();
    for seller in ["acme", "rivalco"] {
        let lines = vec![Line::physical("book-1", Cents(2000))];
        spec.records.orders.push(Order::sale("BOTH0001", seller, TODAY).of(lines));
    }
    let mut world = World::new(settings(), spec);
    let path = "/shipping2/shipnotice/BOTH0001?date=2026-11-20&carrier=UPS";
    assert_eq!(post(&mut world, "acme", path).status, 200);
    assert_eq!(notices(&mut world, "acme", "BOTH0001"), ["book-1 UPS"]);
    assert!(notices(&mut world, "rival", "BOTH0001").is_empty());
    for (key, status) in [("acme", "shipped"), ("rival", "notshipped")] {
        let list = get(&mut world, key, &format!("/shipping2/list?status={status}"), JSON);
        assert!(receipts(&list).contains("BOTH0001"), "{key}");
    }
}
