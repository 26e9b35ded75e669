//! Addresses that sellers change.

use super::*;

const MOVED: &str = "address1=1+High+Street&city=Leeds&countryCode=GB&province=LDS&postalCode=LS1&county=Yorks";

#[test]
fn what_is_sent_goes_to_the_new_address() {
    let mut world = world();
    for api in ["orders", "orders2"] {
        let path = format!("/{api}/ACME0001/changeAddress?{MOVED}&firstName=Zo%C3%AB&address2=Flat+9");
        assert_eq!(told(&post(&mut world, "acme", &path)), (204, String::new()));
    }
    let shipping = json(&mut world, "acme", "/shipping2/list?receipt=ACME0001");
    for (field, expected) in [
        ("firstName", "Zoë"),
        ("address1", "1 High Street"),
        ("address2", "Flat 9"),
        ("city", "Leeds"),
        ("state", "LDS"),
        ("country", "GB"),
        ("postalCode", "LS1"),
    ] {
        assert_eq!(shipping["orderShipData"][field], expected, "{field}");
    }
    let order = json(&mut world, "acme", "/orders2/ACME0001");
    assert_eq!(order["orderData"]["customerContactInfo"][1]["value"], "Flat 9");
    // Without a second line there is none any more; the name stays.
    post(&mut world, "acme", &format!("/orders2/ACME0001/changeAddress?{MOVED}"));
    let shipping = json(&mut world, "acme", "/shipping3/list?receipt=ACME0001");
    assert_eq!(shipping["orderShipData2"]["address2"]["@nil"], "true");
    assert_eq!(shipping["orderShipData2"]["firstName"], "Zoë");
    assert_eq!(executed(&world), ["ChangeAddress ACME0001 acme 0.00"; 3]);
}

#[test]
fn the_address_that_another_seller_knows_stays() {
    let mut world = world();
    let before = get(&mut world, "rival", "/shipping2/list?receipt=MIXD0001", JSON);
    assert_eq!(post(&mut world, "acme", &format!("/orders2/MIXD0001/changeAddress?{MOVED}")).status, 204);
    assert_eq!(get(&mut world, "rival", "/shipping2/list?receipt=MIXD0001", JSON), before);
    assert_eq!(json(&mut world, "acme", "/orders2/MIXD0001")["orderData"]["country"], "GB");
}

#[test]
fn street_city_and_country_have_to_be_given() {
    let mut world = world();
    for query in
        ["city=a&countryCode=US", "address1=a&countryCode=US", "address1=a&city=b", "address1=&city=b&countryCode=US"]
    {
        assert_eq!(
            post(&mut world, "acme", &format!("/orders2/ACME0001/changeAddress?{query}")).status,
            400,
            "{query}"
        );
    }
    assert!(world.executed().is_empty());
}
