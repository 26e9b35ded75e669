//! ClickBank is asked only for answers that can be judged: whole ones, as they are, of a type that the endpoint has.

use super::table::{ACCEPT, COUNT, LIST, MALFORMED, Row, get, json, line, passing, refusals, text, with, without, xml};

const PRODUCTS: &str = "/rest/1.3/products/list?site=acme";

pub(super) fn rows() -> Vec<Row> {
    [types(), refused_types(), codings(), parts()].concat()
}

fn products(lines: &str) -> String {
    with(lines).replace(COUNT, PRODUCTS)
}

fn types() -> Vec<Row> {
    let as_xml = |name, accept: &str| (name, products(&format!("Accept: {accept}\r\n")), 200, xml(PRODUCTS));
    let as_json = |name, accept: &str| (name, products(&format!("Accept: {accept}\r\n")), 200, json(PRODUCTS));
    let count = |name, accept: &str| (name, with(&format!("Accept: {accept}\r\n")), 200, text(COUNT));
    passing([
        ("no Accept", get(PRODUCTS), 200, xml(PRODUCTS)),
        as_xml("an empty Accept", ""),
        as_xml("anything", "*/*"),
        as_xml("XML", "application/xml"),
        as_xml("XML under its other name", "text/xml"),
        as_xml("XML with a character set", "application/xml; charset=utf-16"),
        as_xml("Java's Accept", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"),
        as_xml("a browser's Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        as_json("JSON", "application/json"),
        as_json("JSON in capitals", "APPLICATION/JSON"),
        as_json("JSON with a character set", "application/json;charset=utf-8"),
        as_json("a script's Accept", "application/json, text/plain, */*"),
        as_json("JSON rather than XML", "application/xml;q=0.5, application/json;q=0.6"),
        as_json("all but XML", "application/*;q=0.1, application/xml;q=0"),
        as_json("empty items", ", ,application/json,,"),
        ("two Accepts", products("Accept: text/csv\r\nAccept: application/json\r\n"), 200, json(PRODUCTS)),
        (
            "an Accept that a connection nominates",
            products("Connection: accept\r\nAccept: application/json\r\n"),
            200,
            json(PRODUCTS),
        ),
        count("text, of a count", "text/plain"),
        count("JSON, of a count", "application/json"),
        count("anything, of a count", "*/*"),
        (
            "HEAD, which has no type",
            line("HEAD /rest/1.3/orders2/{receipt} HTTP/1.1").replace("\r\n\r\n", "\r\nAccept: text/csv\r\n\r\n"),
            204,
            without("accept", &json("/rest/1.3/orders2/{receipt}").replace("GET", "HEAD")),
        ),
    ])
}

fn refused_types() -> Vec<Row> {
    let accept = |accept: &str| products(&format!("Accept: {accept}\r\n"));
    refusals([
        ("a type that the endpoint does not have", accept("text/csv"), ACCEPT),
        ("another type", accept("image/png"), ACCEPT),
        ("another type of the same group", accept("application/octet-stream"), ACCEPT),
        ("another group", accept("text/*"), ACCEPT),
        ("neither of both", accept("application/xml;q=0, application/json;q=0"), ACCEPT),
        ("nothing at all", accept("*/*;q=0"), ACCEPT),
        ("XML, of a count", with("Accept: application/xml\r\n"), ACCEPT),
        (
            "spreadsheets of analytics",
            get("/rest/1.3/analytics/status").replace("Host", "Accept: text/csv\r\nHost"),
            ACCEPT,
        ),
        ("a quality beyond one", accept("application/json;q=2"), MALFORMED),
        ("a negative quality", accept("application/json;q=-1"), MALFORMED),
        ("a quality with too many digits", accept("application/json;q=0.0001"), MALFORMED),
        ("an empty quality", accept("application/json;q="), MALFORMED),
        ("a quality in words", accept("application/json;q=high"), MALFORMED),
    ])
}

fn codings() -> Vec<Row> {
    let row = |name, lines: &str| (name, with(&format!("{lines}\r\n")), 200, text(COUNT));
    passing([
        row("gzip", "Accept-Encoding: gzip, deflate, br, zstd"),
        row("gzip and nothing else", "Accept-Encoding: gzip, identity;q=0"),
        row("no coding", "Accept-Encoding: identity"),
        row("any coding", "Accept-Encoding: *"),
        row("codings twice", "Accept-Encoding: gzip\r\nAccept-Encoding: br"),
        row("a character set", "Accept-Charset: utf-16"),
        row("a language", "Accept-Language: de"),
        row("a time", "Accept-Datetime: Thu, 31 May 2007 20:35:00 GMT"),
        row("a digest", "Want-Digest: sha-256"),
        row("a preference", "Prefer: return=minimal"),
    ])
}

/// Parts of answers, and answers that depend on what the caller has, could be judged by nobody.
fn parts() -> Vec<Row> {
    let target = format!("{LIST}?tid=nobodys");
    let row = |name, lines: &str| (name, with(&format!("{lines}\r\n")).replace(COUNT, &target), 200, xml(&target));
    passing([
        row("a part", "Range: bytes=0-1"),
        row("a part of another unit", "Range: rows=0-1"),
        row("a part if nothing changed", "Range: bytes=0-1\r\nIf-Range: \"x\""),
        row("if nothing is the same", "If-None-Match: *"),
        row("if another is the same", "If-None-Match: \"x\", W/\"y\""),
        row("if it is the same", "If-Match: \"x\""),
        row("if it was changed since", "If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT"),
        row("if it was not changed since", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"),
        row("from a cache alone", "Cache-Control: only-if-cached, max-stale"),
    ])
}
