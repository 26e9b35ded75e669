//! Requests made by chance: none breaks the world, and none shows what is out of reach.

use super::*;
use crate::simulator::random::Random;

/// Beginnings of paths. `/debug` is left out, since it repeats the target.
const STARTS: [&str; 16] = [
    "/orders2/list",
    "/orders/list",
    "/orders2/count",
    "/orders2/",
    "/orders/",
    "/shipping/list",
    "/shipping3/list",
    "/shipping2/shipnotice/",
    "/tickets/list",
    "/tickets/refundAmounts/",
    "/products/list",
    "/products/",
    "/images/list",
    "/quickstats/list",
    "/analytics/VENDOR/subscription/details",
    "/analytics/affiliate/vendor",
];
/// What may follow, sensible and not.
const PIECES: [&str; 30] = [
    "RIVA0001",
    "MIXD0001",
    "ACME0001",
    "SUBS0002",
    "guide-1",
    "/upsells",
    "/summary",
    "/..",
    "//",
    ";x=1",
    "%",
    "%2e",
    "&",
    "&vendor=rivalco",
    "&vendor=%25",
    "&vendor=acme",
    "&affiliate=acmeaff",
    "&affiliate=%25",
    "&account=acme",
    "&account=rivalco",
    "&site=acme",
    "&site=rivalco",
    "&receipt=RIVA0001",
    "&receipt=RIVA%25",
    "&role=VENDOR",
    "&role=AFFILIATE",
    "&refundType=FULL",
    "&startDate=2020-01-01&endDate=2030-01-01",
    "&approvedOnly=false",
    "?",
];

#[test]
fn no_request_shows_what_is_out_of_reach() {
    let mut world = world();
    let mut random = Random::from_names(&["chance"]);
    let mut answered = 0;
    for _ in 0..20_000 {
        let mut path = random.pick(&STARTS).to_owned();
        if path.ends_with('/') || random.below(4) == 0 {
            path.push_str(random.pick(&PIECES));
        }
        path.push('?');
        for _ in 0..random.below(5) {
            path.push_str(random.pick(&PIECES));
        }
        let accept = random.pick(&[JSON, XML]);
        let method = random.pick(&["GET", "GET", "HEAD", "PUT", "DELETE", "POST"]);
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = send(&mut world, "acme", method, &path, accept);
        answered += u32::from(answer.status.is_success());
        let text = answer.text();
        for foreign in ["RIVA0001", "SUBS0002", "rivalco cover", "rivalco.example.net"] {
            assert!(!text.contains(foreign), "{path} shows {foreign}");
        }
    }
    assert!(answered > 2_000, "only {answered} requests made sense");
}
