//! Exactly one `Authorization` field with exactly one key that counts, for this request only.

use super::table::{
    COUNT, Got, KEY, MALFORMED, PARAMETER, PERMISSION, Row, behind, get, get_as, passing, refusals, several, text,
    with, without_key, xml,
};

fn value(value: &str) -> String {
    without_key(&format!("Authorization: {value}\r\n"))
}

pub(super) fn rows() -> Vec<Row> {
    [none_that_counts(), in_another_place(), in_each_form(), for_one_request()].concat()
}

fn none_that_counts() -> Vec<Row> {
    refusals([
        ("no key", without_key(""), KEY),
        ("an empty one", value(""), KEY),
        ("two, the same", with("Authorization: {app}\r\n"), KEY),
        ("two, another first", without_key("Authorization: x\r\nAuthorization: {app}\r\n"), KEY),
        ("two, the second empty", with("Authorization:\r\n"), KEY),
        ("two, in two spellings of the name", with("AUTHORIZATION: {app}\r\n"), KEY),
        ("two, far apart", with(&format!("{}authorization: {{reader}}\r\n", "X: y\r\n".repeat(40))), KEY),
        ("a list", value("{app}, {app}"), KEY),
        ("a list without a space", value("{app},{app}"), KEY),
        ("a list of one", value("{app},"), KEY),
        ("a list of schemes", value("Bearer {app}, Bearer {reader}"), KEY),
        ("a list before the colon", value("x,y:{app}"), KEY),
        ("two around a colon", value("{reader}:{app}"), KEY),
        ("the same around a colon", value("{app}:{app}"), KEY),
        ("a key before the colon", value("{app}:"), KEY),
        ("a key before the colon, and more", value("{app}:x"), KEY),
        ("another scheme", value("Basic {app}"), KEY),
        ("Basic, with the key as its password", value("Basic OmNiZ3dfMDAwMA=="), KEY),
        ("Digest", value("Digest username=\"{app}\""), KEY),
        ("Token", value("Token {app}"), KEY),
        ("an unknown scheme", value("ApiKey {app}"), KEY),
        ("a scheme with =", value("key={app}"), KEY),
        ("two spaces", value("Bearer  {app}"), KEY),
        ("a tab", value("Bearer\t{app}"), KEY),
        ("no space", value("Bearer{app}"), KEY),
        ("a colon and a space", value("DEV: {app}"), KEY),
        ("a scheme and a colon", value("Bearer DEV:{app}"), KEY),
        ("a scheme alone", value("Bearer"), KEY),
        ("a colon alone", value(":"), KEY),
        ("the prefix alone", value("cbgw_"), KEY),
        ("a key and more", value("{app} x"), KEY),
        ("a key and a comment", value("{app};x"), KEY),
        ("a key with a letter more", value("{app}a"), KEY),
        ("a key with a byte more", value("{app}\u{e9}"), KEY),
        ("a key with a no-break space before it", value("\u{a0}{app}"), KEY),
        ("a key with a byte order mark before it", value("\u{ef}\u{bb}\u{bf}{app}"), KEY),
        ("in upper case", value("CBGW_{app}"), KEY),
        ("in quotes", value("\"{app}\""), KEY),
        ("in angle brackets", value("<{app}>"), KEY),
        ("percent-encoded", value("%63bgw_{app}"), KEY),
        ("a wildcard", value("*"), KEY),
        ("nothing's name", value("null"), KEY),
        ("a key's id", value("key_app"), KEY),
        ("a caller's name", value("app"), KEY),
        ("a query of a database", value("cbgw_' OR '1'='1"), KEY),
        ("a path", value("cbgw_/../../keys.toml"), KEY),
        ("a token of another system", value("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhcHAifQ."), KEY),
        ("ClickBank's own", value("{clickbank acme}"), KEY),
        ("ClickBank's own, Bearer", value("Bearer {clickbank acme}"), KEY),
        ("ClickBank's own behind a developer key", value("DEV-0123456789:{clickbank acme}"), KEY),
        ("ClickBank's own behind ours", value("{app}:{clickbank acme}"), KEY),
        ("a developer key", value("DEV-0123456789ABCDEF"), KEY),
        ("inactive", get_as("inactive", COUNT), KEY),
        ("expired", get_as("expired", COUNT), KEY),
        ("expired, behind a colon", value("x:{expired}"), KEY),
        ("with a zero byte", value("{app}\0"), MALFORMED),
        ("with a vertical tab", value("\u{b}{app}"), MALFORMED),
        ("with a carriage return", value("{app}\rX: y"), MALFORMED),
        ("folded", value("Bearer\r\n {app}"), MALFORMED),
        ("folded, before the value", value("\r\n\t{app}"), MALFORMED),
        ("with a space before the colon", without_key("Authorization : {app}\r\n"), MALFORMED),
        ("that has no grants", get_as("nothing", COUNT), PERMISSION),
    ])
}

fn in_another_place() -> Vec<Row> {
    refusals([
        ("in another header", without_key("X-Api-Key: {app}\r\n"), KEY),
        ("in a header that ends alike", without_key("X-Authorization: {app}\r\n"), KEY),
        ("in a header that begins alike", without_key("Authorization-Token: {app}\r\n"), KEY),
        ("for a proxy", without_key("Proxy-Authorization: {app}\r\n"), KEY),
        ("forwarded", without_key("X-Forwarded-Authorization: {app}\r\n"), KEY),
        ("in a cookie", without_key("Cookie: Authorization={app}\r\n"), KEY),
        ("as an identity that another proxy vouches for", without_key("X-Remote-User: app\r\n"), KEY),
        ("in the nickname's header", without_key("Gateway-Nickname: {app}\r\n"), KEY),
        ("in the query", format!("GET {COUNT}?apiKey={{app}} HTTP/1.1\r\nHost: x\r\n\r\n"), KEY),
        ("in the query, as OAuth had it", format!("GET {COUNT}?access_token={{app}} HTTP/1.1\r\nHost: x\r\n\r\n"), KEY),
        ("in the query, besides", get(&format!("{COUNT}?Authorization={{app}}")), PARAMETER),
        ("in the value of a parameter", get(&format!("{COUNT}?tid={{app}}")), MALFORMED),
        ("inside the value of a parameter", get(&format!("{COUNT}?email=a+{{app}}+b")), MALFORMED),
        ("in an alias with _", without_key("Authorization_: {app}\r\n"), KEY),
        ("before the target", format!("GET http://{{app}}@gateway{COUNT} HTTP/1.1\r\nHost: x\r\n\r\n"), MALFORMED),
        ("before the host", without_key("").replace("Host: gateway", "Host: {app}@gateway"), MALFORMED),
        ("nominated away", with("Connection: authorization\r\n").replace("{app}", "cbgw_nobodys"), KEY),
    ])
}

fn in_each_form() -> Vec<Row> {
    let passes = |name, sent| (name, sent, 200, text(COUNT));
    passing([
        passes("bare", value("{app}")),
        passes("Bearer", value("Bearer {app}")),
        passes("Bearer in lower case", value("bearer {app}")),
        passes("Bearer in upper case", value("BEARER {app}")),
        passes("behind a developer key", value("DEV-0123456789ABCDEF:{app}")),
        passes("behind nothing and a colon", value(":{app}")),
        passes("behind another key of ClickBank's form", value("API-0123456789ABCDEF:{app}")),
        passes("behind two colons", value("a:b:{app}")),
        passes("with white space around", value(" \t {app} \t ")),
        passes("without white space", without_key("Authorization:{app}\r\n")),
        passes("its name in lower case", without_key("authorization: {app}\r\n")),
        passes("its name in upper case", without_key("AUTHORIZATION: {app}\r\n")),
        passes("its name in both", without_key("aUTHORIZATIOn: {app}\r\n")),
        passes("before Host", format!("GET {COUNT} HTTP/1.1\r\nauthorization: {{app}}\r\nhost: x\r\n\r\n")),
        passes("beside one for a proxy", with("Proxy-Authorization: Basic eDp5\r\n")),
        passes("beside one of another name", with("X-Api-Key: {reader}\r\n")),
        passes("beside a cookie", with("Cookie: key={reader}\r\n")),
        passes("nominated as a header of this connection", with("Connection: authorization, close-not\r\n")),
    ])
}

/// Several requests on one connection, sent all at once.
fn for_one_request() -> Vec<Row> {
    let row = |name, requests: &[&String], got: &[Got], arrives: &[&String]| {
        several(name, requests.iter().map(|request| request.as_str()).collect(), got, false, arrives)
    };
    let (good, none, count) = (get(COUNT), without_key(""), text(COUNT));
    let product = |caller, site| get_as(caller, &format!("/rest/1.3/products/guide-1?site={site}"));
    let arriving = |site| xml(&format!("/rest/1.3/products/guide-1?site={site}"));
    let (acme, zenith) = (arriving("acme"), behind("zenith", &arriving("zenith")));
    let (key, nickname) = ((401, Some("key-refused")), (403, Some("nickname-not-granted")));
    vec![
        row("none after one", &[&good, &none], &[(200, None), key], &[&count]),
        row("one after none", &[&none, &good], &[key, (200, None)], &[&count]),
        row("none between two", &[&good, &none, &good], &[(200, None), key, (200, None)], &[&count, &count]),
        row(
            "an inactive one after an active one",
            &[&good, &get_as("inactive", COUNT)],
            &[(200, None), key],
            &[&count],
        ),
        row(
            "one without grants after one with",
            &[&good, &get_as("nothing", COUNT)],
            &[(200, None), (403, Some("permission-missing"))],
            &[&count],
        ),
        row(
            "two callers in turn, each with its own",
            &[&product("app", "acme"), &product("shop", "zenith"), &product("app", "acme")],
            &[(200, None); 3],
            &[&acme, &zenith, &acme],
        ),
        row(
            "two callers in turn, each after the other's",
            &[&product("app", "acme"), &product("shop", "acme"), &product("shop", "zenith"), &product("app", "zenith")],
            &[(200, None), nickname, (200, None), nickname],
            &[&acme, &zenith],
        ),
    ]
}
