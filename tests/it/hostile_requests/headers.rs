//! No header of a caller's reaches ClickBank but those that are understood, and those are written anew.

use super::table::{COUNT, LIST, MALFORMED, Row, get, page, passing, refusals, text, with, xml};

pub(super) fn rows() -> Vec<Row> {
    [hosts(), misread(), dropped(), kept()].concat()
}

fn host(lines: &str) -> String {
    get(COUNT).replace("Host: gateway\r\n", lines)
}

fn hosts() -> Vec<Row> {
    let refused = refusals([
        ("no Host", host(""), MALFORMED),
        ("an empty Host", host("Host:\r\n"), MALFORMED),
        ("a Host of spaces", host("Host:   \r\n"), MALFORMED),
        ("two Hosts", host("Host: a\r\nHost: b\r\n"), MALFORMED),
        ("two equal Hosts", host("Host: a\r\nHost: a\r\n"), MALFORMED),
        ("two Hosts in two spellings", host("Host: a\r\nX: y\r\nhost: api.clickbank.com\r\n"), MALFORMED),
        ("a list of Hosts", host("Host: a, b\r\n"), MALFORMED),
        ("a Host with a path", host("Host: gateway/#@evil\r\n"), MALFORMED),
        ("a Host with a query", host("Host: gateway?x\r\n"), MALFORMED),
        ("a Host with a scheme", host("Host: https://api.clickbank.com\r\n"), MALFORMED),
        ("a Host with a user", host("Host: user@gateway\r\n"), MALFORMED),
        ("a Host with a space", host("Host: gateway evil\r\n"), MALFORMED),
        ("a Host with a backslash", host("Host: gateway\\evil\r\n"), MALFORMED),
        ("a Host with an encoding", host("Host: gate%77ay\r\n"), MALFORMED),
        ("a Host with a broken port", host("Host: gateway:port\r\n"), MALFORMED),
        ("a Host with an empty port", host("Host: gateway:\r\n"), MALFORMED),
        ("a Host with two ports", host("Host: gateway:1:2\r\n"), MALFORMED),
        ("a Host with a port beyond all ports", host("Host: gateway:65536\r\n"), MALFORMED),
        ("a Host with a port alone", host("Host: :80\r\n"), MALFORMED),
        ("a Host with half a bracket", host("Host: [::1\r\n"), MALFORMED),
        ("a Host with a name in brackets", host("Host: [gateway]\r\n"), MALFORMED),
    ]);
    let passed = passing(
        [
            ("a Host with a port", "Host: gateway:7310\r\n"),
            ("a Host with an address", "Host: 127.0.0.1\r\n"),
            ("a Host with an address in brackets", "Host: [::1]:7310\r\n"),
            ("a Host with an underscore", "Host: my_gateway\r\n"),
            ("a Host in capitals", "HOST: GATEWAY.INTERNAL\r\n"),
            ("a Host with a dot behind", "Host: gateway.internal.\r\n"),
            ("another Host", "Host: evil.example\r\n"),
        ]
        .map(|(name, lines)| (name, host(lines), 200, text(COUNT))),
    );
    [refused, passed].concat()
}

fn misread() -> Vec<Row> {
    let list = |lines: &str| with(lines).replace(COUNT, LIST);
    refusals([
        ("a request id with _", with("X_Request_Id: x\r\n"), MALFORMED),
        ("a request id with .", with("X.Request-Id: x\r\n"), MALFORMED),
        ("several aliases", with("Ho.st: x\r\nHost_: y\r\nX_Request.Id: z\r\n"), MALFORMED),
        ("our header with _", with("Gateway_Nickname: acme\r\n"), MALFORMED),
        ("our header with .", with("gateway.nickname: acme\r\n"), MALFORMED),
        ("our header with _, besides", with("Gateway-Nickname: acme\r\nGATEWAY_NICKNAME: zenith\r\n"), MALFORMED),
        ("any name of ours with _", with("Gateway_Anything: x\r\n"), MALFORMED),
        ("any name of ours with .", with("Gateway.Error: x\r\n"), MALFORMED),
        ("an idempotency key with _", with("Idempotency_Key: 1\r\n"), MALFORMED),
        ("an idempotency key with .", with("Idempotency.Key: 1\r\n"), MALFORMED),
        ("two pages", list("Page: 1\r\nPage: 2\r\n"), MALFORMED),
        ("two pages in two spellings", list("Page: 1\r\nPAGE: 1\r\n"), MALFORMED),
        ("two pages where there are none", with("Page: 1\r\nPage: 2\r\n"), MALFORMED),
        ("page nought", list("Page: 0\r\n"), MALFORMED),
        ("an empty page", list("Page:\r\n"), MALFORMED),
        ("a page with a sign", list("Page: +1\r\n"), MALFORMED),
        ("a negative page", list("Page: -1\r\n"), MALFORMED),
        ("a page with noughts before it", list("Page: 01\r\n"), MALFORMED),
        ("a list of pages", list("Page: 1, 2\r\n"), MALFORMED),
        ("a page and a half", list("Page: 1.5\r\n"), MALFORMED),
        ("a hexadecimal page", list("Page: 0x1\r\n"), MALFORMED),
        ("a page in words", list("Page: next\r\n"), MALFORMED),
        ("a page with a tab inside", list("Page: 1\t2\r\n"), MALFORMED),
        ("a page beyond all pages", list("Page: 4294967296\r\n"), MALFORMED),
    ])
}

/// Each alone, so that none hides behind another.
fn dropped() -> Vec<Row> {
    let headers = [
        ("a cookie", "Cookie: session=internal"),
        ("two cookies", "Cookie: a=b\r\nCookie: c=d"),
        ("a cookie of RFC 2965", "Cookie2: $Version=1"),
        ("who it was forwarded for", "X-Forwarded-For: 10.1.2.3"),
        ("which host it was forwarded for", "X-Forwarded-Host: evil.example"),
        ("how it was forwarded", "X-Forwarded-Proto: http"),
        ("which port it was forwarded from", "X-Forwarded-Port: 1"),
        ("what it was forwarded below", "X-Forwarded-Prefix: /@zenith"),
        ("who it was forwarded for, with _", "X_Forwarded_For: 10.1.2.3"),
        ("Forwarded", "Forwarded: for=10.1.2.3;host=evil.example;proto=http"),
        ("Via", "Via: 1.1 proxy.internal"),
        ("a client's address", "X-Real-IP: 10.1.2.3"),
        ("a client's address of another proxy", "True-Client-IP: 10.1.2.3"),
        ("a cluster's client", "X-Cluster-Client-IP: 10.1.2.3"),
        ("an overridden method", "X-HTTP-Method-Override: DELETE"),
        ("an overridden method in other words", "X-Method-Override: DELETE\r\nX-HTTP-Method: PUT"),
        ("an overridden target", "X-Original-URL: /rest/1.3/debug"),
        ("a rewritten target", "X-Rewrite-URL: /rest/1.3/debug"),
        ("an original target", "X-Original-URI: /@zenith/rest/1.3/orders2/count"),
        ("an overridden host", "X-Host: evil.example\r\nX-Original-Host: evil.example"),
        ("a trace", "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nTracestate: a=b"),
        ("a trace's baggage", "Baggage: user=jane.roe"),
        ("a trace of another system", "X-B3-TraceId: 80f198ee56343ba864fe8b2a57d3eff7"),
        ("a request id", "X-Request-Id: job-17"),
        ("a correlation id", "X-Correlation-Id: job-17"),
        ("a key for a proxy", "Proxy-Authorization: Basic aW50ZXJuYWw6c2VjcmV0"),
        ("a proxy's connection", "Proxy-Connection: close"),
        ("a proxy's doubt", "Proxy-Authenticate: Basic"),
        ("what a connection may carry", "TE: trailers, deflate"),
        ("how long a connection is kept", "Keep-Alive: timeout=600"),
        ("a connection that nominates the key", "Connection: Authorization"),
        ("a connection that nominates the host", "Connection: Host"),
        ("a connection that nominates what is set last", "Connection: authorization, host, user-agent, accept"),
        ("a connection that nominates our header", "Connection: Gateway-Nickname\r\nGateway-Nickname: acme"),
        ("two connections", "Connection: x\r\nConnection: y"),
        ("a program's name", "User-Agent: billing-dashboard/7"),
        ("two programs' names", "User-Agent: a\r\nUser-Agent: b"),
        ("where it was linked from", "Referer: https://internal.example/orders"),
        ("where it was sent from", "Origin: https://internal.example"),
        ("how a browser sent it", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors"),
        ("who sent it", "From: jane.roe@example.com"),
        ("an internal token", "X-Api-Key: internal\r\nX-Auth-Token: internal\r\nX-CSRF-Token: internal"),
        ("a cloud's token", "X-Amz-Security-Token: internal"),
        ("how often it may be forwarded", "Max-Forwards: 0"),
        ("a priority", "Priority: u=0"),
        ("a pragma", "Pragma: no-cache\r\nCache-Control: no-store"),
        ("where to answer", "Destination: /rest/1.3/debug\r\nOverwrite: T"),
        ("a body's type", "Content-Type: application/json; charset=utf-8"),
        ("a body's place", "Content-Location: /rest/1.3/debug\r\nContent-Range: bytes 0-1/2"),
        ("a page where there are none", "Page: 2"),
        ("our own error", "Gateway-Error: x\r\nGateway-Accepted-Permissions: products"),
        ("an encoded line break", "X: %0d%0aAuthorization:%20x"),
        ("a name like the key's", "Authorization2: x\r\nX-Authorization: y"),
        ("a name like the page's", "Pages: 2\r\nX-Page: 2"),
    ];
    passing(headers.map(|(name, lines)| (name, with(&format!("{lines}\r\n")), 200, text(COUNT))))
}

fn kept() -> Vec<Row> {
    let target = format!("{LIST}?startDate=2026-09-01&endDate=2026-11-20");
    let list = |lines: &str| with(lines).replace(COUNT, &target);
    let paged = |name, lines: &str, number| (name, list(lines), 206, page(number, &xml(&target)));
    passing([
        paged("a page", "Page: 2\r\n", "2"),
        paged("a page in another spelling", "pAgE:\t2 \r\n", "2"),
        paged("a page that the connection nominates", "Connection: page\r\nPage: 2\r\n", "2"),
        paged("a page beside what looks like one", "X-Page: 1\r\nPage: 2\r\nPages: 3\r\n", "2"),
        ("no page", list(""), 206, xml(&target)),
        ("the last page that there can be", list("Page: 4294967295\r\n"), 200, page("4294967295", &xml(&target))),
        ("a nickname, which is not sent on", list("Gateway-Nickname: acme\r\n"), 206, xml(&target)),
    ])
}
