//! The golden table of decisions: every key of a fixed configuration against every endpoint of the catalogue, with
//! decision, reason and credential. The configuration and the tables are in `tests/data/decisions/`; a change of a table
//! is reviewed like a change of code.

use std::collections::BTreeSet;

use clickbank_gateway::config::{self, Config};
use clickbank_gateway::rejection::Rejection;

use crate::ask;

/// The plainest request to each endpoint, about `acme` where it has to be about somebody.
const CASES: &[(&str, &str, &str)] = &[
    ("analytics.status", "GET", "/analytics/status"),
    ("analytics.subscription.details", "GET", "/analytics/VENDOR/subscription/details?account=acme"),
    (
        "analytics.subscription.details.compthirty",
        "GET",
        "/analytics/VENDOR/subscription/details/compthirty?account=acme",
    ),
    (
        "analytics.subscription.details.compsixty",
        "GET",
        "/analytics/VENDOR/subscription/details/compsixty?account=acme",
    ),
    (
        "analytics.subscription.details.cancelthirty",
        "GET",
        "/analytics/VENDOR/subscription/details/cancelthirty?account=acme",
    ),
    (
        "analytics.subscription.details.cancelsixty",
        "GET",
        "/analytics/VENDOR/subscription/details/cancelsixty?account=acme",
    ),
    (
        "analytics.subscription.details.startdate",
        "GET",
        "/analytics/VENDOR/subscription/details/startdate?account=acme&startDate=2026-01-01&endDate=2026-01-31",
    ),
    (
        "analytics.subscription.details.canceldate",
        "GET",
        "/analytics/VENDOR/subscription/details/canceldate?account=acme&startDate=2026-01-01&endDate=2026-01-31",
    ),
    (
        "analytics.subscription.details.nextpmtdate",
        "GET",
        "/analytics/VENDOR/subscription/details/nextpmtdate?account=acme&startDate=2026-01-01&endDate=2026-01-31",
    ),
    (
        "analytics.subscription.details.status",
        "GET",
        "/analytics/VENDOR/subscription/details/status?account=acme&status=ACTIVE",
    ),
    (
        "analytics.subscription.trends",
        "GET",
        "/analytics/VENDOR/subscription/trends?account=acme&startDate=2026-01-01&endDate=2026-01-31",
    ),
    ("analytics.dimension", "GET", "/analytics/VENDOR/TRACKING_ID?account=acme"),
    (
        "analytics.dimension.summary",
        "GET",
        "/analytics/VENDOR/TRACKING_ID/summary?account=acme&summaryType=VENDOR_ONLY",
    ),
    ("analytics.schema.AnalyticsResult", "GET", "/analytics/schema/AnalyticsResult"),
    ("analytics.schema.AnalyticsStatus", "GET", "/analytics/schema/AnalyticsStatus"),
    ("analytics.schema.SubscriptionDetailResult", "GET", "/analytics/schema/SubscriptionDetailResult"),
    ("analytics.schema.SubscriptionDetailResultRow", "GET", "/analytics/schema/SubscriptionDetailResultRow"),
    ("analytics.schema.SubscriptionTrendsData", "GET", "/analytics/schema/SubscriptionTrendsData"),
    ("images.list", "GET", "/images/list?site=acme"),
    ("images.schema", "GET", "/images/schema"),
    ("orders.reinstate", "POST", "/orders/ABCD1234/reinstate"),
    ("orders.pause", "POST", "/orders/ABCD1234/pause?restartDate=2026-03-01"),
    ("orders.extend", "POST", "/orders/ABCD1234/extend?numPeriods=1"),
    ("orders.changeProduct", "POST", "/orders/ABCD1234/changeProduct?oldSku=1&newSku=2&applyProratedRefund=true"),
    ("orders.changeAddress", "POST", "/orders/ABCD1234/changeAddress?address1=a&city=b&countryCode=US"),
    ("orders.count", "GET", "/orders/count"),
    ("orders.list", "GET", "/orders/list"),
    ("orders.status", "HEAD", "/orders/ABCD1234"),
    ("orders.get", "GET", "/orders/ABCD1234"),
    ("orders.upsells", "GET", "/orders/ABCD1234/upsells"),
    ("orders.schema", "GET", "/orders/schema"),
    ("orders2.reinstate", "POST", "/orders2/ABCD1234/reinstate"),
    ("orders2.pause", "POST", "/orders2/ABCD1234/pause?restartDate=2026-03-01"),
    ("orders2.extend", "POST", "/orders2/ABCD1234/extend?numPeriods=1"),
    ("orders2.changeProduct", "POST", "/orders2/ABCD1234/changeProduct?oldSku=1&newSku=2&applyProratedRefund=true"),
    ("orders2.changeAddress", "POST", "/orders2/ABCD1234/changeAddress?address1=a&city=b&countryCode=US"),
    ("orders2.changeDate", "POST", "/orders2/ABCD1234/changeDate?changeDate=2026-03-01"),
    ("orders2.count", "GET", "/orders2/count"),
    ("orders2.list", "GET", "/orders2/list"),
    ("orders2.status", "HEAD", "/orders2/ABCD1234"),
    ("orders2.get", "GET", "/orders2/ABCD1234"),
    ("orders2.upsells", "GET", "/orders2/ABCD1234/upsells"),
    ("orders2.schema", "GET", "/orders2/schema"),
    ("products.list", "GET", "/products/list?site=acme"),
    ("products.get", "GET", "/products/item-1?site=acme"),
    ("products.put", "PUT", "/products/item-1?site=acme&currency=USD&price=9.99&language=EN&title=A"),
    ("products.delete", "DELETE", "/products/item-1?site=acme"),
    ("products.schema", "GET", "/products/schema"),
    ("quickstats.list", "GET", "/quickstats/list"),
    ("quickstats.count", "GET", "/quickstats/count"),
    ("quickstats.accounts", "GET", "/quickstats/accounts"),
    ("quickstats.schema", "GET", "/quickstats/schema"),
    ("shipping.count", "GET", "/shipping/count"),
    ("shipping.list", "GET", "/shipping/list"),
    ("shipping.schema", "GET", "/shipping/schema"),
    ("shipping.shipnotice.get", "GET", "/shipping/shipnotice/ABCD1234"),
    ("shipping.shipnotice.post", "POST", "/shipping/shipnotice/ABCD1234?date=2026-01-02&carrier=UPS"),
    ("shipping.shipnotice.schema", "GET", "/shipping/shipnotice/schema"),
    ("shipping2.count", "GET", "/shipping2/count"),
    ("shipping2.list", "GET", "/shipping2/list"),
    ("shipping2.schema", "GET", "/shipping2/schema"),
    ("shipping2.shipnotice.get", "GET", "/shipping2/shipnotice/ABCD1234"),
    ("shipping2.shipnotice.post", "POST", "/shipping2/shipnotice/ABCD1234?date=2026-01-02&carrier=UPS"),
    ("shipping2.shipnotice.schema", "GET", "/shipping2/shipnotice/schema"),
    ("shipping3.count", "GET", "/shipping3/count"),
    ("shipping3.list", "GET", "/shipping3/list"),
    ("shipping3.schema", "GET", "/shipping3/schema"),
    ("shipping3.shipnotice.get", "GET", "/shipping3/shipnotice/ABCD1234"),
    ("shipping3.shipnotice.post", "POST", "/shipping3/shipnotice/ABCD1234?date=2026-01-02&carrier=UPS"),
    ("shipping3.shipnotice.schema", "GET", "/shipping3/shipnotice/schema"),
    ("tickets.refundAmounts", "GET", "/tickets/refundAmounts/ABCD1234?refundType=FULL&refundAmount=1"),
    ("tickets.get", "GET", "/tickets/4711"),
    ("tickets.update", "PUT", "/tickets/4711?action=close"),
    ("tickets.returned", "POST", "/tickets/4711/returned"),
    ("tickets.list", "GET", "/tickets/list"),
    ("tickets.count", "GET", "/tickets/count"),
    ("tickets.create", "POST", "/tickets/ABCD1234?type=rfnd&reason=ticket.type.refund.7&refundType=FULL"),
    ("tickets.partialRefundDataSchema", "GET", "/tickets/partialRefundDataSchema"),
    ("tickets.schema", "GET", "/tickets/schema"),
    ("debug", "GET", "/debug"),
];

/// Other ways to ask, mostly for whom.
const VARIANTS: &[(&str, &str, &[&str])] = &[
    (
        "naming-by-base-path",
        "a nickname in the base path shrinks what is allowed; undeclared and foreign ones are refused alike",
        &[
            "GET /@acme/rest/1.3/orders2/list",
            "GET /@ACME/rest/1.3/orders2/list",
            "GET /@zenith/rest/1.3/orders2/list",
            "GET /@promo/rest/1.3/orders2/list",
            "GET /@duo/rest/1.3/orders2/list",
            "GET /@lone/rest/1.3/orders2/list",
            "GET /@lone/rest/1.3/orders2/list?role=VENDOR",
            "GET /@stranger/rest/1.3/orders2/list",
            "GET /@acme/rest/1.3/analytics/status",
            "GET /@stranger/rest/1.3/analytics/status",
            "GET /@stranger/rest/1.3/orders2/schema",
            "POST /@acme/rest/1.3/orders2/ABCD1234/changeProduct?oldSku=1&newSku=2&applyProratedRefund=true",
        ],
    ),
    (
        "naming-by-owner-parameter",
        "a required parameter names one declared nickname that is allowed; a base path beside it has to agree",
        &[
            "GET /rest/1.3/analytics/VENDOR/TRACKING_ID?account=ACME",
            "GET /rest/1.3/analytics/VENDOR/TRACKING_ID?account=zenith",
            "GET /rest/1.3/analytics/VENDOR/TRACKING_ID?account=promo",
            "GET /rest/1.3/analytics/VENDOR/TRACKING_ID?account=stranger",
            "GET /@acme/rest/1.3/analytics/VENDOR/TRACKING_ID?account=acme",
            "GET /@acme/rest/1.3/analytics/VENDOR/TRACKING_ID?account=promo",
            "DELETE /rest/1.3/products/item-1?site=zenith",
            "DELETE /rest/1.3/products/item-1?site=promo",
            "DELETE /rest/1.3/products/item-1?site=stranger",
            "DELETE /rest/1.3/products/item-1",
            "DELETE /rest/1.3/products/item-1?site=acme%25",
            "DELETE /rest/1.3/products/item-1?site=none",
        ],
    ),
    (
        "naming-by-filters",
        "filters say whose orders only together with the role; without it, or with a wildcard, they name nobody of ours",
        &[
            "GET /rest/1.3/orders2/list?vendor=acme&role=VENDOR",
            "GET /rest/1.3/orders2/list?vendor=Acme&role=VENDOR",
            "GET /rest/1.3/orders2/list?vendor=acme",
            "GET /rest/1.3/orders2/list?vendor=acme%25&role=VENDOR",
            "GET /rest/1.3/orders2/list?vendor=zenith&role=VENDOR",
            "GET /rest/1.3/orders2/list?vendor=stranger&role=VENDOR",
            "GET /rest/1.3/orders2/list?vendor=duo&role=VENDOR",
            "GET /rest/1.3/orders2/list?affiliate=promo&role=AFFILIATE",
            "GET /rest/1.3/orders2/list?affiliate=duo&role=AFFILIATE",
            "GET /rest/1.3/orders2/list?affiliate=none&role=AFFILIATE",
            "GET /rest/1.3/orders2/list?vendor=acme&affiliate=promo&role=AFFILIATE",
            "GET /rest/1.3/orders2/list?role=AFFILIATE",
            "GET /@acme/rest/1.3/orders2/list?vendor=promo&role=VENDOR",
            "GET /@zenith/rest/1.3/orders2/list?role=AFFILIATE",
            "GET /rest/1.3/quickstats/list?account=acme",
            "GET /rest/1.3/quickstats/list?account=zenith",
            "GET /rest/1.3/quickstats/list?account=stranger",
            "GET /@promo/rest/1.3/quickstats/list?account=acme",
        ],
    ),
    (
        "exact-receipts",
        "an exact receipt makes a list a matter for a look-up; a pattern does not, and a count stays a bare number",
        &[
            "GET /rest/1.3/shipping2/list?receipt=ABCD1234",
            "GET /rest/1.3/shipping2/list?receipt=ABCD1234-B002",
            "GET /rest/1.3/shipping2/list?receipt=ABCD%25",
            "GET /rest/1.3/tickets/list?receipt=ABCD1234",
            "GET /rest/1.3/tickets/list?receipt=ABCD1234%25",
            "GET /rest/1.3/tickets/count?receipt=ABCD1234",
        ],
    ),
    (
        "extra-parameters",
        "what is forwarded without being known needs a confined credential; what is dropped decides nothing",
        &[
            "GET /rest/1.3/orders2/list?trace=1",
            "GET /rest/1.3/orders2/list?campaign=1",
            "GET /rest/1.3/products/list?site=zenith&trace=1",
            "GET /rest/1.3/products/list?site=zenith&campaign=1",
            "GET /rest/1.3/analytics/status?trace=1",
            "GET /rest/1.3/orders2/ABCD1234?trace=1",
            "GET /rest/1.3/orders2/schema?trace=1",
        ],
    ),
    (
        "no-calls",
        "what is no call is refused to every key alike",
        &[
            "GET /rest/1.3/debug",
            "GET /rest/1.3/DEBUG/x",
            "GET /rest/1.3/orders2",
            "PATCH /rest/1.3/products/item-1?site=acme",
            "GET /rest/1.3/orders2/list?account=acme",
            "GET /rest/1.3/orders2/list?vendor=acme&vendor=zenith",
        ],
    ),
];

fn fixture() -> Config {
    ask::load(include_str!("../data/decisions/gateway.toml"), include_str!("../data/decisions/keys.toml"))
}

/// What each key gets for this request, as a block: a line for each decision, with the keys that it is taken for.
fn block(config: &Config, title: &str, method: &str, target: &str) -> String {
    let policy = &config.snapshot.policy;
    let call = ask::read(policy, method, target);
    let mut decisions: Vec<(String, Vec<String>)> = Vec::new();
    for (caller, key) in policy.matrix.callers().map(|caller| (caller, config.snapshot.keys.of(caller))) {
        let decision = match &call {
            Ok(call) => ask::decide(policy, caller, call),
            Err(error) => ask::refusal(&Rejection::from(error.clone())),
        };
        let name = key.expect("every caller has a key").name.to_string();
        match decisions.iter_mut().find(|(other, _)| *other == decision) {
            Some((_, names)) => names.push(name),
            None => decisions.push((decision, vec![name])),
        }
    }
    decisions.sort();
    let mut text = format!("{title}\n");
    for (decision, names) in decisions {
        let whom =
            if names.len() == policy.matrix.callers().count() { "every key".to_owned() } else { names.join(", ") };
        text.push_str(&format!("    {decision:64}  {whom}\n"));
    }
    text
}

fn assert_golden(name: &str, description: &str, table: &str) {
    insta::with_settings!({
        snapshot_path => "../data/decisions",
        prepend_module_to_snapshot => false,
        omit_expression => true,
        description => description,
    }, {
        insta::assert_snapshot!(name, table);
    });
}

#[test]
fn every_endpoint_of_the_catalogue_has_a_case_that_calls_it() {
    let endpoints = config::built_in_endpoints().expect("the built-in catalogue can be read");
    let endpoints: BTreeSet<&str> = endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
    let cases: BTreeSet<&str> = CASES.iter().map(|(id, ..)| *id).collect();
    assert_eq!(cases, endpoints);
    assert_eq!(CASES.len(), cases.len(), "an endpoint has two cases");
    let config = fixture();
    let policy = &config.snapshot.policy;
    for (id, method, path) in CASES.iter().filter(|(id, ..)| *id != "debug") {
        let call = ask::read(policy, method, &format!("/rest/1.3{path}")).expect("the case is a call");
        let called = policy.catalogue.endpoint(call.endpoint()).map(|endpoint| endpoint.name.as_str());
        assert_eq!(called, Some(*id), "{path}");
    }
}

#[test]
fn every_key_gets_for_every_endpoint_what_the_golden_table_says() {
    let config = fixture();
    let service = |path: &'static str| path.split('/').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
    let services: BTreeSet<&str> = CASES.iter().map(|(_, _, path)| service(path)).collect();
    for name in services {
        let cases = CASES.iter().filter(|(_, _, path)| service(path) == name);
        let blocks: Vec<String> = cases
            .map(|(id, method, path)| {
                block(&config, &format!("{id}: {method} {path}"), method, &format!("/rest/1.3{path}"))
            })
            .collect();
        assert_golden(name, "the plainest request to each endpoint, for every key", &blocks.join("\n"));
    }
}

#[test]
fn every_key_gets_for_every_other_way_to_ask_what_the_golden_table_says() {
    let config = fixture();
    for (name, description, requests) in VARIANTS {
        let blocks: Vec<String> = requests
            .iter()
            .map(|request| {
                let (method, target) = request.split_once(' ').expect("a method and a target");
                block(&config, request, method, target)
            })
            .collect();
        assert_golden(name, description, &blocks.join("\n"));
    }
}
