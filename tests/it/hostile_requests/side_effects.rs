//! What changes something arrives once for each time that it was asked for, as it was asked for, or not at all.

use super::table::{
    BODY, COUNT, HUNG_UP, KEY, MALFORMED, METHOD, NICKNAME, PARAMETER, PERMISSION, Row, UNKNOWN, change, ended, get,
    head, line, passing, passing_last, refusals, several, text, without_key, xml,
};

const PRODUCT: &str =
    "/rest/1.3/products/new-1?site=acme&currency=USD&price=37.00&language=EN&title=Guide&digital=true&categories=EBOOK";

pub(super) fn rows() -> Vec<Row> {
    [refused(), once(), one_after_another()].concat()
}

fn put(lines: &str) -> String {
    line(&format!("PUT {PRODUCT} HTTP/1.1")).replace("\r\n\r\n", &format!("\r\n{lines}\r\n"))
}

fn refused() -> Vec<Row> {
    let whole = put("");
    let by = |method: &str, target: &str| line(&format!("{method} {target} HTTP/1.1"));
    let product = "/rest/1.3/products/new-1";
    let refused = refusals([
        ("a change without a key", whole.replace("{app}", "x"), KEY),
        ("a change with an expired key", whole.replace("{app}", "{expired}"), KEY),
        ("a change without the permission", whole.replace("{app}", "{reader}"), PERMISSION),
        ("a change without an owner", by("PUT", product), MALFORMED),
        ("a change of two owners", whole.replace("site=acme", "site=acme&site=zenith"), MALFORMED),
        ("a change of a foreign owner", whole.replace("site=acme", "site=zenith"), NICKNAME),
        ("a change below a foreign nickname", whole.replace("/rest", "/@zenith/rest"), NICKNAME),
        ("a change of a wildcard", whole.replace("site=acme", "site=%25"), MALFORMED),
        ("a change with an unknown parameter", whole.replace("&price", "&commission=100&price"), PARAMETER),
        ("a change with a parameter twice", whole.replace("&price", "&price=1.00&price"), MALFORMED),
        ("a change with an escape in its title", whole.replace("title=Guide", "title=%1b"), MALFORMED),
        ("a change of a path that could be two", whole.replace("new-1", "x/../new-1"), MALFORMED),
        ("a change of a product with an encoded name", whole.replace("new-1", "new%2d1"), MALFORMED),
        ("a change of all products", whole.replace("new-1", "list"), METHOD),
        ("a change with a body", put("Content-Length: 5\r\n") + "hello", BODY),
        ("a change with a body that is announced", put("Content-Length: 5\r\nExpect: 100-continue\r\n"), BODY),
        ("a change with chunks", put("Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n", BODY),
        ("a change with trailers", put("Transfer-Encoding: chunked\r\n") + "0\r\nX: y\r\n\r\n", MALFORMED),
        ("a change with two lengths", put("Content-Length: 0\r\nContent-Length: 0\r\n"), MALFORMED),
        ("a change with an upgrade", put("Connection: upgrade\r\nUpgrade: h2c\r\n"), MALFORMED),
        ("a change in lower case", whole.replace("PUT", "put"), METHOD),
        ("a patch", whole.replace("PUT", "PATCH"), METHOD),
        ("a change by POST", whole.replace("PUT", "POST"), METHOD),
        (
            "a change by POST with an override",
            put("X-HTTP-Method-Override: PUT\r\n").replace("PUT /", "POST /"),
            METHOD,
        ),
        ("a copy", whole.replace("PUT", "COPY"), METHOD),
        ("a look at a product's head", by("HEAD", &format!("{product}?site=acme")), METHOD),
        ("a deletion of all products", by("DELETE", "/rest/1.3/products/list?site=acme"), METHOD),
        ("a deletion of no product", by("DELETE", "/rest/1.3/products?site=acme"), UNKNOWN),
        ("a deletion of no product, with a slash", by("DELETE", "/rest/1.3/products/?site=acme"), UNKNOWN),
        ("a deletion with a body", by("DELETE", PRODUCT).replace("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\n{}"), BODY),
        ("a deletion with parameters of a change", by("DELETE", PRODUCT), PARAMETER),
        ("a refund by GET", get("/rest/1.3/tickets/{receipt}?type=rfnd&reason=x"), METHOD),
        ("a refund by PUT", by("PUT", "/rest/1.3/tickets/{receipt}?type=rfnd&reason=x"), METHOD),
        ("a refund of a list", by("POST", "/rest/1.3/tickets/ABCD1234,ABCD1235?type=rfnd&reason=x"), MALFORMED),
        ("a refund of a wildcard", by("POST", "/rest/1.3/tickets/%25?type=rfnd&reason=x"), MALFORMED),
        (
            "a refund without a key",
            by("POST", "/rest/1.3/tickets/{receipt}?type=rfnd&reason=x").replace("{app}", ""),
            KEY,
        ),
        (
            "a refund with a body",
            by("POST", "/rest/1.3/tickets/{receipt}").replace("\r\n\r\n", "\r\nContent-Length: 9\r\n\r\ntype=rfnd"),
            BODY,
        ),
        ("a refund of two types", by("POST", "/rest/1.3/tickets/{receipt}?type=tech&type=rfnd&reason=x"), MALFORMED),
        ("a pause by GET", get("/rest/1.3/orders2/{receipt}/pause?restartDate=2026-12-01"), METHOD),
        ("a pause below a path parameter", by("POST", "/rest/1.3/orders2/{receipt};x/pause"), MALFORMED),
    ]);
    let broken = ended(refusals([
        ("a change that breaks off in its target", whole[..60].to_owned(), HUNG_UP),
        ("a change that breaks off before its end", whole[..whole.len() - 1].to_owned(), HUNG_UP),
        ("a change that breaks off before its chunks", put("Transfer-Encoding: chunked\r\n"), MALFORMED),
        ("a change that breaks off in its chunks", put("Transfer-Encoding: chunked\r\n") + "0\r\n", MALFORMED),
    ]));
    [refused, broken].concat()
}

fn once() -> Vec<Row> {
    let changed = || change(&format!("PUT {PRODUCT}"));
    let passes = |name, sent| (name, sent, 200, changed());
    let rewritten = |name, from: &str, sent: &str, arrives: &str| {
        let arriving = change(&format!("PUT {}", PRODUCT.replace(from, arrives)));
        (name, put("").replace(from, sent), 200, arriving)
    };
    let read = |name, lines: &str| {
        let target = "/rest/1.3/products/guide-1?site=acme";
        (name, get(target).replace("Host", &format!("{lines}\r\nHost")), 200, xml(target))
    };
    let open = passing([
        passes("a change", put("")),
        passes("a change with a length of nought", put("Content-Length: 0\r\n")),
        passes("a change with an expectation", put("Expect: 100-continue\r\nContent-Length: 0\r\n")),
        passes("a change with a type of nothing", put("Content-Type: application/x-www-form-urlencoded\r\n")),
        passes("a change with another override", put("X-HTTP-Method-Override: DELETE\r\n")),
        passes("a change on a condition, which ClickBank knows nothing of", put("If-None-Match: *\r\n")),
        passes("a change below a nickname", put("").replace("/rest", "/@acme/rest")),
        rewritten(
            "two of what there may be several",
            "&categories=EBOOK",
            "&categories=EBOOK&categories=VIDEO",
            "&categories=EBOOK&categories=VIDEO",
        ),
        rewritten(
            "lines in prose",
            "&title=Guide",
            "&title=Guide&description=a%0Ab%09c",
            "&title=Guide&description=a%0Ab%09c",
        ),
        rewritten("signs in a title", "title=Guide", "title=Guide+%26+Map", "title=Guide%20%26%20Map"),
        read("a look with an override", "X-HTTP-Method-Override: DELETE"),
        read("a look with overrides in other words", "X-HTTP-Method: PUT\r\nX-Method-Override: DELETE"),
    ]);
    let last = passing_last([
        passes("a change with an empty body of chunks", put("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n"),
        passes("a change that is the last", put("Connection: close\r\n")),
        passes("a change by HTTP/1.0", put("").replace(" HTTP/1.1", " HTTP/1.0")),
    ]);
    [open, last].concat()
}

/// Sent all at once, without waiting for an answer.
fn one_after_another() -> Vec<Row> {
    let changed = change(&format!("PUT {PRODUCT}"));
    let delete = line("DELETE /rest/1.3/products/new-1?site=acme HTTP/1.1");
    let deleted = head("DELETE /rest/1.3/products/new-1?site=acme", "application/xml");
    let malformed = (400, Some("malformed-request"));
    vec![
        several("two changes", put("").repeat(2), &[(200, None); 2], false, &[&changed, &changed]),
        several(
            "a change and its undoing",
            put("") + &delete,
            &[(200, None), (204, None)],
            false,
            &[&changed, &deleted],
        ),
        several(
            "a change behind a refused one",
            without_key("") + &put(""),
            &[(401, Some("key-refused")), (200, None)],
            false,
            &[&changed],
        ),
        several("a change behind one in doubt", get(&format!("{COUNT};")) + &put(""), &[malformed], true, &[]),
        several(
            "a change in the body of another",
            put("Content-Length: 200\r\n") + &put(""),
            &[(400, Some("body-not-allowed"))],
            true,
            &[],
        ),
        several("a change and garbage", put("") + "\0\r\n" + &put(""), &[(200, None), malformed], true, &[&changed]),
        several(
            "a change between two looks",
            get(COUNT) + &put("") + &get(COUNT),
            &[(200, None); 3],
            false,
            &[&text(COUNT), &changed, &text(COUNT)],
        ),
    ]
}
