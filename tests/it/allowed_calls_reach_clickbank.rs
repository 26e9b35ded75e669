//! What a caller may do reaches ClickBank in the gateway's own words, and ClickBank's answer comes back as it is.

use std::collections::BTreeSet;

use clickbank_gateway::config::{self, Secrets};
use clickbank_gateway::domain::call::Call;
use clickbank_gateway::domain::endpoint::{Changes, Owner};
use clickbank_gateway::simulator::{Received, Request};
use http::Method;

use crate::support::scene::{Scene, sees_reach};
use crate::support::setup::Setup;

/// What the simulator's demo world has for acme.
struct Acme {
    receipt: String,
    with_upsells: String,
    with_notice: String,
    ticket: u32,
}

impl Acme {
    fn find(scene: &Scene) -> Self {
        let world = scene.world();
        let records = world.records();
        let of_acme = |receipt: &str| records.orders_of(receipt).all(|order| order.seller == "acme".into());
        let mut upsells = records.orders.iter().filter_map(|order| order.upsell_of.clone());
        let mut notices = records.ship_notices.iter().map(|notice| notice.receipt.clone());
        Self {
            receipt: records.orders.iter().find(|order| of_acme(&order.receipt)).unwrap().receipt.clone(),
            with_upsells: upsells.find(|receipt| of_acme(receipt)).unwrap(),
            with_notice: notices.find(|receipt| of_acme(receipt)).unwrap(),
            ticket: records.tickets.iter().find(|ticket| of_acme(&ticket.receipt)).unwrap().id,
        }
    }

    /// Every way to read, once at least.
    fn reads(&self) -> Vec<(&'static str, String)> {
        let Self { receipt, with_upsells, with_notice, ticket } = self;
        let dates = "startDate=2026-10-01&endDate=2026-11-20";
        let mut reads = vec![("GET", "/rest/1.3/analytics/status".to_owned())];
        for role in ["VENDOR", "AFFILIATE"] {
            let details = format!("/rest/1.3/analytics/{role}/subscription/details");
            for selection in ["", "/compthirty", "/compsixty", "/cancelthirty", "/cancelsixty"] {
                reads.push(("GET", format!("{details}{selection}?account=acme")));
            }
            for selection in ["startdate", "canceldate", "nextpmtdate"] {
                reads.push(("GET", format!("{details}/{selection}?account=acme&{dates}")));
            }
            reads.push(("GET", format!("{details}/status?account=acme&status=ACTIVE&orderBy=receipt")));
            reads.push(("GET", format!("/rest/1.3/analytics/{role}/subscription/trends?account=acme&{dates}")));
            reads.push(("GET", format!("/rest/1.3/analytics/{role}/AFFILIATE?account=acme&{dates}&select=HOP_COUNT")));
            reads.push(("GET", format!("/rest/1.3/analytics/{role}/TRACKING_ID?account=acme&{dates}")));
        }
        let fixed = [
            "images/list?site=acme&type=BANNER",
            "analytics/VENDOR/PRODUCT_SKU/summary?account=acme&summaryType=VENDOR_ONLY",
            "orders/count?startDate=2026-10-01",
            "orders/list?startDate=2026-10-01&endDate=2026-11-20",
            "orders/schema",
            "orders2/count",
            "orders2/list?email=jane.roe%40example.com&role=VENDOR&vendor=acme",
            "orders2/list?startDate=2026-10-01&endDate=2026-11-20",
            "orders2/list?lastName=O%27Neill+%26%20Sons",
            "orders2/schema",
            "products/list?site=acme",
            "products/guide-1?site=ACME",
            "products/schema",
            "images/schema",
            "quickstats/list?account=acme",
            "quickstats/count?startDate=2026-10-01&endDate=2026-11-20",
            "quickstats/accounts",
            "quickstats/schema",
            "tickets/list?status=open",
            "tickets/count?type=rfnd",
            "tickets/schema",
            "tickets/partialRefundDataSchema",
            "analytics/schema/AnalyticsResult",
            "analytics/schema/AnalyticsStatus",
            "analytics/schema/SubscriptionDetailResult",
            "analytics/schema/SubscriptionDetailResultRow",
            "analytics/schema/SubscriptionTrendsData",
        ];
        reads.extend(fixed.map(|rest| ("GET", format!("/rest/1.3/{rest}"))));
        for orders in ["orders", "orders2"] {
            reads.push(("HEAD", format!("/rest/1.3/{orders}/{receipt}")));
            reads.push(("GET", format!("/rest/1.3/{orders}/{receipt}")));
            reads.push(("GET", format!("/rest/1.3/{orders}/{with_upsells}/upsells")));
        }
        for shipping in ["shipping", "shipping2", "shipping3"] {
            reads.push(("GET", format!("/rest/1.3/{shipping}/count?status=shipped&days=30")));
            reads.push(("GET", format!("/rest/1.3/{shipping}/list?receipt={with_notice}")));
            reads.push(("GET", format!("/rest/1.3/{shipping}/schema")));
            reads.push(("GET", format!("/rest/1.3/{shipping}/shipnotice/{with_notice}")));
            reads.push(("GET", format!("/rest/1.3/{shipping}/shipnotice/schema")));
        }
        reads.push(("GET", format!("/rest/1.3/tickets/{ticket}")));
        reads.push((
            "GET",
            format!("/rest/1.3/tickets/refundAmounts/{receipt}?refundType=PARTIAL_PERCENT&refundAmount=50"),
        ));
        reads
    }
}

/// What arrives at ClickBank, all of it. hyper sends the header names in lower case.
fn expected_headers(scene: &Scene, accept: Option<&str>, page: Option<&str>, key: bool) -> Vec<(String, String)> {
    let version = concat!("clickbank-gateway/", env!("CARGO_PKG_VERSION"));
    let authority = scene.simulator.address().to_string();
    let headers = [
        ("user-agent", Some(version)),
        ("accept-encoding", Some("identity")),
        ("accept", accept),
        ("page", page),
        ("authorization", key.then(|| scene.credential("acme"))),
        ("host", Some(authority.as_str())),
    ];
    let there = headers.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    there.collect()
}

/// The one request that has arrived since there were `before`.
fn only_since(scene: &Scene, before: usize, about: &str) -> Received {
    let mut since = scene.simulator.received().split_off(before);
    if since.len() == 2 && sees_reach(&since[0]) {
        since.remove(0);
    }
    assert_eq!(since.len(), 1, "{about}: {since:?}");
    since.remove(0)
}

/// The value in the other way of writing a query, which the gateway uses for all of it.
fn rebuilt(target: &str) -> String {
    target.replace('+', "%20")
}

#[tokio::test]
async fn every_read_passes_unchanged_behind_a_confined_credential() {
    let scene = Scene::start(&Setup::acme()).await;
    let acme = Acme::find(&scene);
    let (config, _) = config::load(&scene.written.file, Secrets::Skip).unwrap();
    let catalogue = &config.snapshot.policy.catalogue;
    let mut covered = BTreeSet::new();
    for (method, target) in acme.reads() {
        let call = Call::read(catalogue, method, &target).unwrap_or_else(|error| panic!("{target}: {error:?}"));
        let endpoint = catalogue.endpoint(call.endpoint()).unwrap();
        covered.insert(endpoint.name.clone());
        let types = [
            (endpoint.answers.json, "application/json"),
            (endpoint.answers.xml, "application/xml"),
            (endpoint.answers.text, "text/plain"),
        ];
        let mut accepts: Vec<Option<&str>> =
            types.iter().filter(|(made, _)| *made).map(|(_, name)| Some(*name)).collect();
        if method == "HEAD" {
            accepts = vec![None];
        }
        for accept in accepts {
            let about = format!("{method} {target} as {accept:?}");
            let document = endpoint.owner == Owner::Document;
            let before = scene.simulator.received().len();
            let headers: Vec<_> = accept.iter().map(|accept| ("Accept", *accept)).collect();
            let answer = scene.call("app", method, &target, &headers).await;

            let arrived = only_since(&scene, before, &about);
            assert_eq!((arrived.method.as_str(), arrived.target.as_str()), (method, &*rebuilt(&target)), "{about}");
            assert_eq!(arrived.headers, expected_headers(&scene, accept, None, !document), "{about}");
            assert_eq!(arrived.body_bytes, 0, "{about}");

            let mut direct = Request::new(method.parse::<Method>().unwrap(), &target);
            if !document {
                direct = direct.with_header("authorization", scene.credential("acme"));
            }
            let direct = accept.into_iter().fold(direct, |direct, accept| direct.with_header("accept", accept));
            let direct = scene.world().answer(&direct);
            assert_eq!(answer.outcome(), (direct.status.as_u16(), None), "{about}");
            assert!(answer.body == direct.body, "{about}: {} instead of {}", answer.text(), direct.text());
            let media = |text: &str| text.split(';').next().unwrap_or_default().to_owned();
            assert_eq!(answer.header("content-type").map(media), direct.content_type.map(media), "{about}");
            assert_eq!(answer.header("cache-control"), Some("private, no-store"), "{about}");
            let data = matches!(direct.status.as_u16(), 200 | 204 | 206);
            assert!(data, "{about}: equality says little of {} {}", direct.status, direct.text());
        }
    }
    let reads = catalogue.iter().map(|(_, endpoint)| endpoint).filter(|endpoint| endpoint.changes == Changes::Nothing);
    let reads: BTreeSet<String> =
        reads.filter(|endpoint| endpoint.owner != Owner::Credential).map(|endpoint| endpoint.name.clone()).collect();
    assert_eq!(covered, reads, "an endpoint without a case, or a case that is no read");
}

#[tokio::test]
async fn pages_are_asked_for_by_header_and_told_by_status() {
    let scene = Scene::start(&Setup::acme()).await;
    let target = "/rest/1.3/orders2/list?startDate=2026-09-01&endDate=2026-11-20";
    let mut pages = Vec::new();
    for page in ["1", "2", "3", "99"] {
        let before = scene.simulator.received().len();
        let answer = scene.call("app", "GET", target, &[("Accept", "application/json"), ("Page", page)]).await;
        let arrived = only_since(&scene, before, page);
        assert_eq!(arrived.headers, expected_headers(&scene, Some("application/json"), Some(page), true));
        let direct = Request::get(target)
            .with_header("authorization", scene.credential("acme"))
            .with_header("accept", "application/json")
            .with_header("page", page);
        let direct = scene.world().answer(&direct);
        assert_eq!((answer.status, &answer.body[..]), (direct.status.as_u16(), &direct.body[..]), "page {page}");
        pages.push((answer.status, answer.body));
    }
    assert_eq!((pages[0].0, pages[1].0), (206, 206));
    assert!(pages[0].1 != pages[1].1 && pages[1].1 != pages[2].1);

    // An endpoint without pages does not get the header.
    scene.call("app", "GET", "/rest/1.3/orders2/count", &[("Page", "2")]).await;
    assert_eq!(scene.received().last().unwrap().header("page"), None);
}

#[tokio::test]
async fn what_arrives_is_written_anew() {
    let scene = Scene::start(&Setup::acme()).await;
    for (sent, arrived) in [
        ("/rest/1.3/orders2/list/", "/rest/1.3/orders2/list"),
        ("/rest/1.3/orders2/list?", "/rest/1.3/orders2/list"),
        ("/@acme/rest/1.3/orders2/list", "/rest/1.3/orders2/list"),
        ("/@ACME/rest/1.3/orders2/list/", "/rest/1.3/orders2/list"),
        ("/rest/1.3/analytics/vendor/tracking_id?account=acme", "/rest/1.3/analytics/VENDOR/TRACKING_ID?account=acme"),
        ("/rest/1.3/orders2/list?email=a%40b.c", "/rest/1.3/orders2/list?email=a%40b.c"),
        ("/rest/1.3/orders2/list?email=a@b.c", "/rest/1.3/orders2/list?email=a%40b.c"),
        ("/rest/1.3/orders2/list?email=%61+b%2bc", "/rest/1.3/orders2/list?email=a%20b%2Bc"),
        ("/rest/1.3/orders2/list?tid=%2525", "/rest/1.3/orders2/list?tid=%2525"),
        ("/rest/1.3/orders2/list?tid=a=b/?c", "/rest/1.3/orders2/list?tid=a%3Db%2F%3Fc"),
        ("/rest/1.3/orders2/list?tid=x%26account%3Dzenith", "/rest/1.3/orders2/list?tid=x%26account%3Dzenith"),
        ("/rest/1.3/orders2/list?lastName=%e5%b1%b1", "/rest/1.3/orders2/list?lastName=%E5%B1%B1"),
        ("/rest/1.3/orders2/list?tid=", "/rest/1.3/orders2/list?tid="),
        ("/rest/1.3/orders2/list?type=SALE&tid=b&email=a", "/rest/1.3/orders2/list?type=SALE&tid=b&email=a"),
    ] {
        let before = scene.simulator.received().len();
        scene.get("app", sent).await;
        assert_eq!(only_since(&scene, before, sent).target, arrived, "{sent}");
    }
}

#[tokio::test]
async fn nothing_of_a_callers_headers_reaches_clickbank() {
    let scene = Scene::start(&Setup::acme()).await;
    let sent = [
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, br"),
        ("Accept-Language", "de"),
        ("Cache-Control", "no-cache"),
        ("Connection", "keep-alive, authorization, host, x-request-id"),
        ("Content-Type", "application/json"),
        ("Content-Length", "0"),
        ("Cookie", "session=internal"),
        ("Expect", "100-continue"),
        ("Forwarded", "for=10.1.2.3;host=evil"),
        ("Gateway-Nickname", "acme"),
        ("If-None-Match", "*"),
        ("Keep-Alive", "timeout=5"),
        ("Origin", "https://internal.example"),
        ("Proxy-Authorization", "Basic aW50ZXJuYWw6c2VjcmV0"),
        ("Range", "bytes=0-1"),
        ("Referer", "https://internal.example/orders"),
        ("TE", "trailers"),
        ("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("User-Agent", "billing-dashboard/7"),
        ("Via", "1.1 proxy.internal"),
        ("X-Api-Key", "internal"),
        ("X-Forwarded-For", "10.1.2.3"),
        ("X-Forwarded-Host", "evil"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Original-URL", "/rest/1.3/debug"),
        ("X-Request-Id", "job-17"),
        ("X-Rewrite-URL", "/rest/1.3/debug"),
    ];
    let answer = scene.call("app", "GET", "/rest/1.3/quickstats/accounts", &sent).await;
    assert_eq!(answer.outcome(), (200, None));
    assert_eq!(answer.header("x-request-id"), Some("job-17"));
    let arrived = only_since(&scene, 0, "the call");
    assert_eq!(arrived.headers, expected_headers(&scene, Some("application/json"), None, true));
    assert_eq!((arrived.method.as_str(), arrived.target.as_str()), ("GET", "/rest/1.3/quickstats/accounts"));
    assert!(arrived.tls_version.starts_with("TLS 1."));
}

#[tokio::test]
async fn a_key_is_taken_in_every_form_that_clickbanks_clients_send() {
    let scene = Scene::start(&Setup::acme()).await;
    let key = scene.key("app").to_owned();
    for value in [key.clone(), format!("Bearer {key}"), format!("DEV-OLD:{key}"), format!("  {key}  ")] {
        let mut connection = scene.connect().await;
        let head = format!("GET /rest/1.3/orders2/count HTTP/1.1\r\nhost: x\r\nauthorization: {value}\r\n\r\n");
        connection.send(head).await;
        assert_eq!(connection.answer().await.outcome(), (200, None));
        assert_eq!(scene.received().last().unwrap().header_values("authorization"), [scene.credential("acme")]);
    }
}

#[tokio::test]
async fn many_requests_share_a_connection_each_with_its_own_caller() {
    let zenith = "products = [\"zenith\"]";
    let setup = Setup::acme().credential("zenith", zenith).caller("shop", zenith);
    let scene = Scene::start(&setup).await;
    let mut connection = scene.connect().await;
    let request = |caller: &str, target: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\r\n", scene.key(caller))
    };
    // Sent all at once: each is answered in turn, and none lends its identity to the next.
    connection
        .send(
            request("app", "/rest/1.3/products/guide-1?site=acme")
                + &request("shop", "/rest/1.3/products/guide-1?site=zenith")
                + &request("shop", "/rest/1.3/products/guide-1?site=acme")
                + "GET /rest/1.3/products/guide-1?site=acme HTTP/1.1\r\nHost: x\r\n\r\n"
                + &request("app", "/rest/1.3/orders2/count"),
        )
        .await;
    let expected =
        [(200, None), (200, None), (403, Some("nickname-not-granted")), (401, Some("key-refused")), (200, None)];
    for (place, outcome) in expected.into_iter().enumerate() {
        assert_eq!(connection.answer().await.outcome(), outcome, "request {place}");
    }
    let keys: Vec<String> =
        scene.received().iter().map(|arrived| arrived.header_values("authorization").join("+")).collect();
    let (acme, zenith) = (scene.credential("acme"), scene.credential("zenith"));
    assert_eq!(keys, [acme, zenith, acme]);
}

#[tokio::test]
async fn products_are_changed_once_and_as_asked() {
    let scene = Scene::start(&Setup::acme()).await;
    let put = "/rest/1.3/products/new-1?site=acme&currency=USD&price=37.00&language=EN&title=Guide+%26+Map\
               &digital=true&categories=EBOOK&categories=VIDEO&description=two%0Alines";
    let answer = scene.call("app", "PUT", put, &[("Content-Length", "0")]).await;
    assert_eq!((answer.status, answer.code(), answer.text().as_str()), (200, None, "new-1"));
    let arrived = only_since(&scene, 0, "the change");
    assert_eq!((arrived.method.as_str(), arrived.target), ("PUT", rebuilt(put)));
    let mut expected = expected_headers(&scene, Some("application/xml"), None, true);
    let before_host = expected.len() - 1;
    expected.insert(before_host, ("content-length".to_owned(), "0".to_owned()));
    assert_eq!(arrived.headers, expected);
    let title = scene.world().records().product(&"acme".into(), "new-1").map(|product| product.title.clone());
    assert_eq!(title.as_deref(), Some("Guide & Map"));

    let answer = scene.call("app", "DELETE", "/rest/1.3/products/new-1?site=acme", &[]).await;
    assert_eq!((answer.status, answer.code(), answer.text().as_str()), (204, None, ""));
    assert_eq!(scene.received().len(), 2);
    assert!(scene.world().records().product(&"acme".into(), "new-1").is_none());
}
