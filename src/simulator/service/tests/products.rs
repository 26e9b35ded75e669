//! Products that sellers make, replace and delete.

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
    let done = ["PutProduct new-1 acme 0.00", "PutProduct new-1 acme 0.00", "DeleteProduct new-1 acme 0.00"];
    assert_eq!(executed(&world), done);
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
    assert!(world.executed().is_empty());
}

#[test]
fn everything_that_a_product_is_given_shows() {
    let mut world = world();
    let image = world.records().images.iter().find(|image| image.site == "acme".into()).unwrap().id();
    let path = format!(
        "/products/box-1?site=acme&{NEW}&digitalRecurring=true&physicalRecurring=true&categories=GAMES&rebillPrice=5.50\
         &rebillCommission=12.5&trialPeriod=3&frequency=WEEKLY&duration=6&shippingProfile=EU&purchaseCommission=60\
         &description=d&image={image}&pitchPage=https%3A%2F%2Fp&mobilePitchPage=https%3A%2F%2Fmp\
         &thankYouPage=https%3A%2F%2Ft&mobileThankYouPage=https%3A%2F%2Fmt&saleRefundDaysLimit=30\
         &rebillRefundDaysLimit=14&deliveryMethod=POST&deliverySpeed=FAST&preRebillNotificationOverride=true\
         &preRebillNotificationLeadTime=7&skipConfirmationPage=true"
    );
    assert_eq!(put(&mut world, "acme", &path).text(), "box-1");
    let product = json(&mut world, "acme", "/products/box-1?site=acme");
    for (pointer, expected) in [
        ("/@sku", "box-1"),
        ("/digitalRecurring", "true"),
        ("/physicalRecurring", "true"),
        ("/physical", "false"),
        ("/language", "EN"),
        ("/title", "New & shiny"),
        ("/description", "d"),
        ("/image/title", "acme cover"),
        ("/thank_you_pages/desktop", "https://t"),
        ("/thank_you_pages/mobile", "https://mt"),
        ("/admin_mobile_download_url", "https://mt"),
        ("/pitch_pages/desktop", "https://p"),
        ("/pitch_pages/mobile", "https://mp"),
        ("/commission/purchase", "60.00"),
        ("/commission/rebill", "12.50"),
        ("/categories/category", "GAMES"),
        ("/pricings/pricing/@currency", "USD"),
        ("/pricings/pricing/standard/price/usd", "9.90"),
        ("/pricings/pricing/physical/shipping_profile", "EU"),
        ("/pricings/pricing/recurring/price/usd", "5.50"),
        ("/pricings/pricing/recurring/frequency", "WEEKLY"),
        ("/pricings/pricing/recurring/duration", "6"),
        ("/pricings/pricing/recurring/trial_days", "3"),
        ("/pricings/pricing/recurring/pre_rebill_override", "true"),
        ("/pricings/pricing/recurring/pre_rebill_leadtime", "7"),
        ("/sale_refund_days_limit", "30"),
        ("/rebill_refund_days_limit", "14"),
        ("/deliveryMethod", "POST"),
        ("/deliverySpeed", "FAST"),
        // It takes a role that no key here has.
        ("/skip_confirmation_page", "false"),
    ] {
        assert_eq!(product.pointer(pointer).and_then(|value| value.as_str()), Some(expected), "{pointer}");
    }
    assert_eq!(executed(&world), ["PutProduct box-1 acme 0.00"]);
}

#[test]
fn an_image_of_another_seller_is_none() {
    let mut world = world();
    let image = world.records().images.iter().find(|image| image.site == "rivalco".into()).unwrap().id();
    put(&mut world, "acme", &format!("/products/box-1?site=acme&{NEW}&image={image}"));
    let product = json(&mut world, "acme", "/products/box-1?site=acme");
    assert_eq!((&product["@sku"], product.get("image")), (&"box-1".into(), None));
}

#[test]
fn values_that_the_help_page_does_not_list_are_refused() {
    let mut world = world();
    for wrong in [
        "language=NL",
        "price=1,50",
        "categories=HATS",
        "frequency=DAILY&digitalRecurring=true",
        "trialPeriod=2",
        "trialPeriod=32",
        "rebillPrice=x",
        "rebillCommission=x",
        "duration=-1",
        "purchaseCommission=all",
        "image=cover",
        "saleRefundDaysLimit=x",
        "rebillRefundDaysLimit=x",
        "preRebillNotificationLeadTime=x",
    ] {
        // The first value of a parameter counts.
        let path = format!("/products/guide-1?site=acme&{wrong}&{NEW}");
        assert_eq!(put(&mut world, "acme", &path).status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert!(world.executed().is_empty());
}
