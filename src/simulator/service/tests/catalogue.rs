//! Every endpoint of the API, and the permission that each needs.

use http::StatusCode;

use super::*;
use crate::simulator::world::ticket_id;

/// Method, path, status with all permissions, and a permission without which it is refused (none for documents, which
/// need no key, and for `/debug`, which needs any).
const ENDPOINTS: [(&str, &str, u16, Option<Permission>); 80] = {
    use Permission::{Analytics as A, OrdersRead as R, OrdersWrite as W, Products as P, SubscriptionModification as S};
    [
        ("GET", "/analytics/status", 200, Some(A)),
        ("GET", "/analytics/VENDOR/subscription/details?account=acme", 200, Some(A)),
        ("GET", "/analytics/VENDOR/subscription/details/compthirty?account=acme", 200, Some(A)),
        ("GET", "/analytics/VENDOR/subscription/details/compsixty?account=acme", 200, Some(A)),
        ("GET", "/analytics/VENDOR/subscription/details/cancelthirty?account=acme", 200, Some(A)),
        ("GET", "/analytics/VENDOR/subscription/details/cancelsixty?account=acme", 200, Some(A)),
        (
            "GET",
            "/analytics/VENDOR/subscription/details/startdate?account=acme&startDate=2026-01-01&endDate=2026-12-31",
            200,
            Some(A),
        ),
        (
            "GET",
            "/analytics/VENDOR/subscription/details/canceldate?account=acme&startDate=2026-01-01&endDate=2026-12-31",
            200,
            Some(A),
        ),
        (
            "GET",
            "/analytics/VENDOR/subscription/details/nextpmtdate?account=acme&startDate=2026-01-01&endDate=2026-12-31",
            200,
            Some(A),
        ),
        ("GET", "/analytics/VENDOR/subscription/details/status?account=acme&status=ACTIVE", 200, Some(A)),
        (
            "GET",
            "/analytics/VENDOR/subscription/trends?account=acme&startDate=2026-01-01&endDate=2026-12-31",
            200,
            Some(A),
        ),
        ("GET", "/analytics/VENDOR/AFFILIATE?account=acme", 200, Some(A)),
        ("GET", "/analytics/VENDOR/AFFILIATE/summary?account=acme&summaryType=VENDOR_ONLY", 200, Some(A)),
        ("GET", "/analytics/schema/AnalyticsResult", 200, None),
        ("GET", "/analytics/schema/AnalyticsStatus", 200, None),
        ("GET", "/analytics/schema/SubscriptionDetailResult", 200, None),
        ("GET", "/analytics/schema/SubscriptionDetailResultRow", 200, None),
        ("GET", "/analytics/schema/SubscriptionTrendsData", 200, None),
        ("GET", "/images/list?site=acme", 200, Some(P)),
        ("GET", "/images/schema", 200, None),
        ("POST", "/orders/CLUB0002/reinstate", 204, Some(S)),
        ("POST", "/orders/CLUB0001/pause?restartDate=2026-12-31", 204, Some(S)),
        ("POST", "/orders/CLUB0001/extend?numPeriods=2", 204, Some(S)),
        ("POST", "/orders/CLUB0001/changeProduct?oldSku=club-1&newSku=vip-1", 204, Some(S)),
        ("POST", "/orders/ACME0001/changeAddress?address1=a&city=b&countryCode=US", 204, Some(W)),
        ("GET", "/orders/count", 200, Some(R)),
        ("GET", "/orders/list", 200, Some(R)),
        ("HEAD", "/orders/ACME0001", 204, Some(R)),
        ("GET", "/orders/ACME0001", 200, Some(R)),
        ("GET", "/orders/ACME0003/upsells", 200, Some(R)),
        ("GET", "/orders/schema", 200, None),
        ("POST", "/orders2/CLUB0002/reinstate", 204, Some(S)),
        ("POST", "/orders2/CLUB0001/pause?restartDate=2026-12-31", 204, Some(S)),
        ("POST", "/orders2/CLUB0001/extend?numPeriods=2", 204, Some(S)),
        ("POST", "/orders2/CLUB0001/changeProduct?oldSku=club-1&newSku=vip-1", 204, Some(W)),
        ("POST", "/orders2/ACME0001/changeAddress?address1=a&city=b&countryCode=US", 204, Some(W)),
        ("POST", "/orders2/CLUB0001/changeDate?changeDate=2027-03-01", 204, Some(S)),
        ("GET", "/orders2/count", 200, Some(R)),
        ("GET", "/orders2/list", 200, Some(R)),
        ("HEAD", "/orders2/ACME0001", 204, Some(R)),
        ("GET", "/orders2/ACME0001", 200, Some(R)),
        ("GET", "/orders2/ACME0003/upsells", 200, Some(R)),
        ("GET", "/orders2/schema", 200, None),
        ("GET", "/products/list?site=acme", 200, Some(P)),
        ("GET", "/products/guide-1?site=acme", 200, Some(P)),
        ("PUT", "/products/new-1?site=acme&currency=USD&price=9.90&language=EN&title=New", 200, Some(P)),
        ("DELETE", "/products/book-1?site=acme", 204, Some(P)),
        ("GET", "/products/schema", 200, None),
        ("GET", "/quickstats/list", 200, Some(R)),
        ("GET", "/quickstats/count", 200, Some(R)),
        ("GET", "/quickstats/accounts", 200, Some(R)),
        ("GET", "/quickstats/schema", 200, None),
        ("GET", "/shipping/count", 200, Some(R)),
        ("GET", "/shipping/list", 200, Some(R)),
        ("GET", "/shipping/schema", 200, None),
        ("GET", "/shipping/shipnotice/ACME0001", 200, Some(R)),
        ("POST", "/shipping/shipnotice/ACME0001?date=2026-11-20&carrier=UPS", 200, Some(W)),
        ("GET", "/shipping/shipnotice/schema", 200, None),
        ("GET", "/shipping2/count", 200, Some(R)),
        ("GET", "/shipping2/list", 200, Some(R)),
        ("GET", "/shipping2/schema", 200, None),
        ("GET", "/shipping2/shipnotice/ACME0001", 200, Some(R)),
        ("POST", "/shipping2/shipnotice/ACME0001?date=2026-11-20&carrier=UPS", 200, Some(W)),
        ("GET", "/shipping2/shipnotice/schema", 200, None),
        ("GET", "/shipping3/count", 200, Some(R)),
        ("GET", "/shipping3/list", 200, Some(R)),
        ("GET", "/shipping3/schema", 200, None),
        ("GET", "/shipping3/shipnotice/ACME0001", 200, Some(R)),
        ("POST", "/shipping3/shipnotice/ACME0001?date=2026-11-20&carrier=UPS", 200, Some(W)),
        ("GET", "/shipping3/shipnotice/schema", 200, None),
        ("GET", "/tickets/refundAmounts/ACME0001?refundType=FULL", 200, Some(R)),
        ("GET", "/tickets/TICKET", 200, Some(R)),
        ("PUT", "/tickets/TICKET?comment=x", 200, Some(W)),
        ("POST", "/tickets/TICKET/returned", 204, Some(W)),
        ("GET", "/tickets/list", 200, Some(R)),
        ("GET", "/tickets/count", 200, Some(R)),
        ("POST", "/tickets/ACME0001?type=tech&reason=ticket.type.tech_support.9", 200, Some(W)),
        ("GET", "/tickets/partialRefundDataSchema", 200, None),
        ("GET", "/tickets/schema", 200, None),
        ("GET", "/debug", 200, None),
    ]
};

/// A world whose key `some` has every permission for `acme` but `missing`.
fn world_without(missing: Option<Permission>) -> World {
    let lacks = |permission| match missing {
        // Write includes read, so a key that lacks read lacks both.
        Some(Permission::OrdersRead) => {
            matches!(permission, Permission::OrdersRead | Permission::OrdersWrite)
        }
        missing => missing == Some(permission),
    };
    let reach = Permission::ALL
        .into_iter()
        .filter(|permission| !lacks(*permission))
        .fold(Reach::nothing(), |reach, permission| reach.with(permission, Nicknames::only(["acme"])));
    let mut spec = spec_with_clubs();
    spec.keys = vec![KeySpec::new("some", "acmeco", reach)];
    World::new(settings(), spec)
}

fn call(world: &mut World, method: &str, path: &str) -> Answer {
    let path = path.replace("TICKET", &ticket_id("ACME0001", 1).to_string());
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    send(world, "some", method, &path, "")
}

#[test]
fn every_endpoint_answers_and_asks_for_its_permission() {
    for (method, path, status, permission) in ENDPOINTS {
        let answer = call(&mut world_without(None), method, path);
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {}", answer.text());
        let Some(permission) = permission else {
            continue;
        };
        let refused = call(&mut world_without(Some(permission)), method, path);
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{method} {path}");
        if method != "HEAD" {
            assert_eq!(refused.content_type, Some("text/plain"));
            assert!(refused.text().contains("permission"), "{method} {path}");
        }
    }
}

#[test]
fn documents_need_no_key_and_everything_else_does() {
    for (method, path, status, permission) in ENDPOINTS {
        let path = path.replace("TICKET", "17");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = world().answer(&Request::new(method, &format!("/rest/1.3{path}")));
        let open = permission.is_none() && path != "/debug";
        let expected = if open { status } else { 403 };
        assert_eq!(answer.status.as_u16(), expected, "{path}");
    }
    for service in ["analytics", "orders2", "shipping3/shipnotice", "tickets"] {
        let answer = world().answer(&Request::get(&format!("/rest/1.3/{service}")));
        assert_eq!(answer.content_type, Some("text/html"), "{service}");
    }
}
