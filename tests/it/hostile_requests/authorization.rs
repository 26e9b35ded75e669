//! What a key is not granted, in whatever way it is asked for.

use super::table::{
    BLOCKED, COUNT, KEY, LIST, MALFORMED, METHOD, NICKNAME, PERMISSION, Row, behind, get, get_as, json, line, passing,
    refusals, refused, text, with, without, xml,
};

pub(super) fn rows() -> Vec<Row> {
    [not_granted(), never_granted(), granted(), behind_a_wider_key()].concat()
}

fn not_granted() -> Vec<Row> {
    let required = refused(400, "nickname-required");
    let confined = refused(403, "confined-credential-required");
    let products = "/rest/1.3/products/list";
    let post = |caller: &str, target: &str| {
        line(&format!("POST {target} HTTP/1.1")).replace("{app}", &format!("{{{caller}}}"))
    };
    let put =
        |caller: &str, site: &str| post(caller, &format!("/rest/1.3/products/x-1?site={site}")).replace("POST", "PUT");
    let named = |caller: &str, nickname: &str| {
        with(&format!("Gateway-Nickname: {nickname}\r\n")).replace("{app}", &format!("{{{caller}}}"))
    };
    refusals([
        ("no permission", get_as("reader", &format!("{products}?site=acme")), PERMISSION),
        ("no permission, any nickname", get_as("reader", &format!("{products}?site=zenith")), PERMISSION),
        ("no permission, nobody's nickname", get_as("reader", &format!("{products}?site=nobody")), PERMISSION),
        ("no permission at all", get_as("nothing", "/rest/1.3/analytics/status"), PERMISSION),
        ("no permission, the nickname named", named("nothing", "acme"), PERMISSION),
        ("analytics without the permission", get_as("shop", "/rest/1.3/analytics/status"), PERMISSION),
        ("another's nickname in the path", get_as("reader", &format!("/@zenith{COUNT}")), NICKNAME),
        ("nobody's nickname in the path", get_as("reader", &format!("/@nobody{COUNT}")), NICKNAME),
        ("all nicknames in the path", get_as("reader", &format!("/@all{COUNT}")), NICKNAME),
        ("another's nickname in the header", named("reader", "zenith"), NICKNAME),
        ("nobody's nickname in the header", named("reader", "nobody"), NICKNAME),
        ("all nicknames in the header", named("reader", "all"), NICKNAME),
        ("a sister's nickname", named("reader", "acmeaff"), NICKNAME),
        ("an empty nickname", named("app", ""), NICKNAME),
        ("a list of nicknames", named("two", "acme, zenith"), NICKNAME),
        ("a list of one's own", named("two", "acme,acme"), NICKNAME),
        ("a wildcard for a nickname", named("app", "acm%"), NICKNAME),
        ("another wildcard", named("app", "*"), NICKNAME),
        ("a nickname in quotes", named("app", "\"acme\""), NICKNAME),
        ("a nickname with an @", named("app", "@acme"), NICKNAME),
        ("a nickname, percent-encoded", named("app", "%61cme"), NICKNAME),
        ("a nickname with a tab inside", named("app", "ac\tme"), NICKNAME),
        ("a nickname and another path", named("app", "acme").replace("/rest", "/@zenith/rest"), MALFORMED),
        ("a path and another nickname", named("app", "zenith").replace("/rest", "/@acme/rest"), MALFORMED),
        ("a nickname and an empty one", named("app", "").replace("/rest", "/@acme/rest"), MALFORMED),
        ("a nickname twice", with("Gateway-Nickname: acme\r\nGateway-Nickname: acme\r\n"), MALFORMED),
        ("two nicknames", with("Gateway-Nickname: acme\r\ngateway-nickname: zenith\r\n"), MALFORMED),
        ("one's own nickname, another's owner", get(&format!("/@acme{products}?site=zenith")), NICKNAME),
        ("a foreign owner", get(&format!("{products}?site=zenith")), NICKNAME),
        ("a foreign owner in capitals", get(&format!("{products}?site=ZENITH")), NICKNAME),
        ("a foreign owner, percent-encoded", get(&format!("{products}?site=%7aenith")), NICKNAME),
        ("an unknown owner", get(&format!("{products}?site=nobody")), NICKNAME),
        ("a foreign product", get("/rest/1.3/products/guide-1?site=zenith"), NICKNAME),
        ("a foreign image", get("/rest/1.3/images/list?site=zenith"), NICKNAME),
        ("a foreign filter", get("/rest/1.3/quickstats/list?account=zenith"), NICKNAME),
        ("a foreign account", get("/rest/1.3/analytics/VENDOR/AFFILIATE?account=zenith"), NICKNAME),
        (
            "a foreign account of subscriptions",
            get("/rest/1.3/analytics/VENDOR/subscription/details?account=zenith"),
            NICKNAME,
        ),
        ("a change of a foreign product", put("app", "zenith"), NICKNAME),
        ("a change of a product of nobody's", put("app", "nobody"), NICKNAME),
        ("a change of a product without the permission", put("reader", "acme"), PERMISSION),
        ("a deletion of a foreign product", put("app", "zenith").replace("PUT", "DELETE"), NICKNAME),
        ("a bare count of two", get_as("two", "/rest/1.3/tickets/count"), required),
        ("a list of two", get_as("two", "/rest/1.3/shipping2/list"), required),
        ("a wider key's bare count", get_as("orbit", "/rest/1.3/tickets/count"), confined),
        ("a wider key's list", get_as("orbit", "/rest/1.3/tickets/list"), confined),
        ("a wider key's notices", get_as("orbit", "/rest/1.3/shipping2/list"), confined),
        ("as an affiliate behind a wider key", get_as("orbit", &format!("{LIST}?role=AFFILIATE")), confined),
        ("orders of whom nobody says whether it sold or promoted", get_as("orbit", LIST), confined),
        (
            "another's orders behind a wider key",
            get_as("orbit", &format!("{LIST}?role=VENDOR&vendor=zenith")),
            confined,
        ),
        ("everybody's orders behind a wider key", get_as("orbit", &format!("{LIST}?role=VENDOR&vendor=%25")), confined),
        (
            "a refund without the permission",
            post("reader", "/rest/1.3/tickets/{receipt}?type=rfnd&reason=x"),
            PERMISSION,
        ),
        (
            "a foreign refund without the permission",
            post("reader", "/rest/1.3/tickets/{foreign receipt}?type=rfnd&reason=x"),
            PERMISSION,
        ),
        (
            "a ship notice without the permission",
            post("reader", "/rest/1.3/shipping2/shipnotice/{receipt}?date=2026-11-20&carrier=x&tracking=y&item=z"),
            PERMISSION,
        ),
        (
            "two permissions on different nicknames",
            post("split", "/rest/1.3/orders2/{receipt}/changeProduct?oldSku=a&newSku=b&applyProratedRefund=false"),
            PERMISSION,
        ),
    ])
}

/// The endpoint that would show the credential, however it is asked for.
fn never_granted() -> Vec<Row> {
    refusals([
        ("debug", get("/rest/1.3/debug"), BLOCKED),
        ("debug with a slash", get("/rest/1.3/debug/"), BLOCKED),
        ("debug in capitals", get("/rest/1.3/DEBUG"), BLOCKED),
        ("debug in both", get("/rest/1.3/Debug"), BLOCKED),
        ("debug with a parameter", get("/rest/1.3/debug?x=1"), BLOCKED),
        ("debug with an empty query", get("/rest/1.3/debug?"), BLOCKED),
        ("debug below a nickname", get("/@acme/rest/1.3/debug"), BLOCKED),
        ("debug below a foreign nickname", get("/@zenith/rest/1.3/debug"), BLOCKED),
        ("debug with a nickname", with("Gateway-Nickname: acme\r\n").replace("orders2/count", "debug"), BLOCKED),
        ("debug encoded", get("/rest/1.3/%64ebug"), MALFORMED),
        ("debug by dots", get("/rest/1.3/orders2/../debug"), MALFORMED),
        ("debug by encoded dots", get("/rest/1.3/orders2/%2e%2e/debug"), MALFORMED),
        ("debug with a path parameter", get("/rest/1.3/debug;x"), MALFORMED),
        ("debug with a path parameter before it", get("/rest/1.3;x/debug"), MALFORMED),
        ("debug with two slashes", get("/rest/1.3//debug"), MALFORMED),
        ("debug with a zero byte", get("/rest/1.3/debug%00"), MALFORMED),
        ("debug by another method", line("POST /rest/1.3/debug HTTP/1.1"), BLOCKED),
        ("debug by HEAD", line("HEAD /rest/1.3/debug HTTP/1.1"), BLOCKED),
        ("debug by OPTIONS", line("OPTIONS /rest/1.3/debug HTTP/1.1"), BLOCKED),
        ("debug by TRACE", line("TRACE /rest/1.3/debug HTTP/1.1"), BLOCKED),
        ("below debug", get("/rest/1.3/debug/x"), BLOCKED),
        ("debug without a key", get_as("none", "/rest/1.3/debug"), KEY),
        ("debug without a grant", get_as("nothing", "/rest/1.3/debug"), BLOCKED),
        ("TRACE, which would echo the head", line(&format!("TRACE {COUNT} HTTP/1.1")), METHOD),
    ])
}

/// What is not this key's although the credential reaches it: one answer, and nothing arrives but what has to be asked.
fn behind_a_wider_key() -> Vec<Row> {
    let order = |receipt: &str| format!("/rest/1.3/orders2/{{{receipt}}}");
    let row = |name, sent: String, arrives: String| Row {
        name,
        sent: sent.replace("{app}", "{orbit}"),
        ends: false,
        got: vec![(403, Some("not-yours-or-unknown"))],
        closes: false,
        arrives: vec![behind("all", &arrives)],
    };
    let looked_up = json(&order("foreign receipt"));
    let unknown = "/rest/1.3/orders2/ZZZZ9999";
    vec![
        row("another's order", get(&order("foreign receipt")), xml(&order("foreign receipt"))),
        row("nobody's order", get(unknown), xml(unknown)),
        row(
            "another's upsells",
            get(&(order("foreign receipt") + "/upsells")),
            xml(&(order("foreign receipt") + "/upsells")),
        ),
        row(
            "whether another's order is active",
            get(&order("foreign receipt")).replace("GET", "HEAD"),
            looked_up.clone(),
        ),
        row("whether nobody's order is active", get(unknown).replace("GET", "HEAD"), json(unknown)),
        row("another's ship notices", get("/rest/1.3/shipping2/shipnotice/{foreign receipt}"), looked_up.clone()),
        row(
            "what another could pay back",
            get("/rest/1.3/tickets/refundAmounts/{foreign receipt}?refundType=FULL&refundAmount=1"),
            looked_up.clone(),
        ),
        row("another's tickets", get("/rest/1.3/tickets/list?receipt={foreign receipt}"), looked_up.clone()),
        row("another's shipping", get("/rest/1.3/shipping2/list?receipt={foreign receipt}"), looked_up),
        row("nobody's ticket", get("/rest/1.3/tickets/4711"), json("/rest/1.3/tickets/4711")),
    ]
    .into_iter()
    .chain(passing([(
        "one's own orders behind a wider key",
        get_as("orbit", &format!("{LIST}?role=VENDOR")),
        206,
        behind("all", &xml(&format!("{LIST}?role=VENDOR&vendor=orbit"))),
    )]))
    .collect()
}

fn granted() -> Vec<Row> {
    let named = |caller: &str, nickname: &str| {
        with(&format!("Gateway-Nickname: {nickname}\r\n")).replace("{app}", &format!("{{{caller}}}"))
    };
    passing([
        ("of two, one named in the header", named("two", "acme"), 200, text(COUNT)),
        ("of two, the other", named("two", "zenith"), 200, behind("zenith", &text(COUNT))),
        ("of two, one named in capitals", named("two", "ZeniTH"), 200, behind("zenith", &text(COUNT))),
        (
            "of two, one named by the path",
            get_as("two", &format!("/@zenith{COUNT}")),
            200,
            behind("zenith", &text(COUNT)),
        ),
        ("the only one, named twice alike", named("app", "ACME").replace("/rest", "/@acme/rest"), 200, text(COUNT)),
        (
            "another key's own owner",
            get_as("shop", "/rest/1.3/products/list?site=zenith"),
            200,
            behind("zenith", &xml("/rest/1.3/products/list?site=zenith")),
        ),
        (
            "a counterparty in a filter",
            get(&format!("{COUNT}?affiliate=zenith")),
            200,
            text(&format!("{COUNT}?affiliate=zenith")),
        ),
        (
            "a document, without a credential",
            get_as("nothing", "/rest/1.3/orders2/schema"),
            200,
            without("authorization", &xml("/rest/1.3/orders2/schema")),
        ),
        ("an order", get("/rest/1.3/orders2/{receipt}"), 200, xml("/rest/1.3/orders2/{receipt}")),
        (
            "a foreign order, which a confined credential does not reach",
            get("/rest/1.3/orders2/{foreign receipt}"),
            403,
            xml("/rest/1.3/orders2/{foreign receipt}"),
        ),
        (
            "an order's status",
            line("HEAD /rest/1.3/orders2/{receipt} HTTP/1.1"),
            204,
            without("accept", &json("/rest/1.3/orders2/{receipt}").replace("GET", "HEAD")),
        ),
    ])
}
