//! Every size and count has a bound. What is just within passes whole; what is beyond is refused, never cut short.

use super::table::{
    COUNT, HEAD_TOO_LARGE, LIST, MALFORMED, METHOD, PARAMETER, Row, TOO_LONG, UNKNOWN, change, get, line, passing,
    passing_last, refusals, text, with, xml,
};

/// Most bytes of a head, most header fields, most characters of a target, and of a method.
const HEAD: usize = 16 << 10;
const FIELDS: usize = 64;
const TARGET: usize = 2_000;
const METHOD_LENGTH: usize = 32;

pub(super) fn rows() -> Vec<Row> {
    [targets(), heads(), bodies()].concat()
}

/// A target of so many characters.
fn target(length: usize) -> String {
    let start = format!("{LIST}?tid=");
    format!("{start}{}", "x".repeat(length - start.len()))
}

/// A target that is sent with so many signs that become three characters each, and how it arrives.
fn encoded(signs: usize, length: usize) -> (String, String) {
    let start = format!("{LIST}?tid=");
    let letters = "x".repeat(length - start.len() - 3 * signs);
    (format!("{start}{letters}{}", "@".repeat(signs)), format!("{start}{letters}{}", "%40".repeat(signs)))
}

fn targets() -> Vec<Row> {
    let within = target(TARGET);
    let (sent, arrives) = encoded(600, TARGET);
    let (sent_beyond, _) = encoded(600, TARGET + 1);
    let many = "&categories=EBOOK".repeat(100);
    let product = "/rest/1.3/products/new-2?site=acme&currency=USD&price=37.00&language=EN&title=Guide&digital=true";
    [
        passing([
            ("a target of 2,000 characters", get(&within), 200, xml(&within)),
            ("a target of 2,000 characters once encoded", get(&sent), 200, xml(&arrives)),
            (
                "a hundred of what there may be several",
                line(&format!("PUT {product}{many} HTTP/1.1")),
                200,
                change(&format!("PUT {product}{many}")),
            ),
        ]),
        refusals([
            ("a target of 2,001 characters", get(&target(TARGET + 1)), TOO_LONG.last()),
            ("a target of 2,001 characters once encoded", get(&sent_beyond), TOO_LONG),
            ("a target of 10,000 characters", get(&target(10 * 1_000)), TOO_LONG.last()),
            ("a target that never ends", format!("GET {}", target(3_000)), TOO_LONG.last()),
            ("a long path", get(&format!("/{}", "a".repeat(TARGET))), TOO_LONG.last()),
            ("many segments", get(&format!("/rest/1.3{}", "/a".repeat(990))), UNKNOWN),
            ("many parameters", get(&format!("{LIST}?{}z=", "z=&".repeat(600))), PARAMETER),
            ("many of one parameter", get(&format!("{LIST}?{}tid=", "tid=&".repeat(300))), MALFORMED),
            ("many separators", get(&format!("{LIST}?{}", "&".repeat(1_900))), MALFORMED),
            ("a method of 32 letters", line(&format!("{} {COUNT} HTTP/1.1", "M".repeat(METHOD_LENGTH))), METHOD),
            ("a method of 33 letters", line(&format!("{} {COUNT} HTTP/1.1", "M".repeat(METHOD_LENGTH + 1))), MALFORMED),
            ("a method that never ends", "M".repeat(4_000), TOO_LONG.last()),
        ]),
    ]
    .concat()
}

/// A head of so many bytes.
fn sized(length: usize) -> String {
    with(&format!("X: {{padding to {length}}}\r\n"))
}

/// A head of so many fields.
fn counted(fields: usize) -> String {
    with(&"X: y\r\n".repeat(fields - 2))
}

fn heads() -> Vec<Row> {
    let passes = |name, sent| (name, sent, 200, text(COUNT));
    [
        passing([
            passes("a head of 16 KiB", sized(HEAD)),
            passes("a head of a byte less", sized(HEAD - 1)),
            passes("64 header fields", counted(FIELDS)),
            passes(
                "64 header fields of all names",
                with(&(2..FIELDS).fold(String::new(), |lines, n| format!("{lines}X-{n}: y\r\n"))),
            ),
            passes("a long name", with(&format!("{}: y\r\n", "X".repeat(10_000)))),
            passes("a long cookie", with(&format!("Cookie: {}\r\n", "x".repeat(12_000)))),
            passes("many items of a list", with(&format!("Connection: {}\r\n", "x,".repeat(4_000)))),
        ]),
        refusals([
            ("a head of a byte more than 16 KiB", sized(HEAD + 1), HEAD_TOO_LARGE),
            ("a head of 20 KiB", sized(20 << 10), HEAD_TOO_LARGE),
            ("65 header fields", counted(FIELDS + 1), HEAD_TOO_LARGE),
            ("1,000 header fields", counted(1_000), HEAD_TOO_LARGE),
            ("a header that never ends", format!("GET {COUNT} HTTP/1.1\r\nX: {}", "y".repeat(HEAD)), HEAD_TOO_LARGE),
            ("a name that never ends", format!("GET {COUNT} HTTP/1.1\r\n{}", "X".repeat(HEAD)), HEAD_TOO_LARGE),
        ]),
    ]
    .concat()
}

fn bodies() -> Vec<Row> {
    let chunked = |body: &str| with("Transfer-Encoding: chunked\r\n") + body;
    [
        passing_last([(
            "an extension of 1,000 bytes",
            chunked(&format!("0;{}\r\n\r\n", "x".repeat(1_000))),
            200,
            text(COUNT),
        )]),
        refusals([
            ("an extension of 20,000 bytes", chunked(&format!("0;{}\r\n\r\n", "x".repeat(20_000))), MALFORMED),
            ("trailers of 20,000 bytes", chunked(&format!("0\r\nX: {}\r\n\r\n", "x".repeat(20_000))), MALFORMED),
            ("2,000 trailers", chunked(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(2_000))), MALFORMED),
        ]),
    ]
    .concat()
}
