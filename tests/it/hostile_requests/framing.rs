//! One message is at most one request, and whatever could end in two places closes the connection.
//!
//! Most rows carry a second request where a careless reader would find one. It would fetch acme's products.

use super::table::{
    BLOCKED, BODY, COUNT, Got, HUNG_UP, KEY, MALFORMED, METHOD, PARAMETER, PERMISSION, Refusal, Row, UNKNOWN, ended,
    get, get_as, line, passing, passing_last, refusals, several, text, with, without_key, xml,
};

/// Stands for the second request; `{smuggled length}` and `{smuggled size}` for its bytes in decimal and in hexadecimal.
const SMUGGLED: &str = "{smuggled}";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

pub(super) fn rows() -> Vec<Row> {
    [
        bodies(),
        bodies_of_the_refused(),
        codings(),
        lengths(),
        chunks(),
        lines(),
        versions(),
        upgrades(),
        other_protocols(),
        broken_off(),
        beyond_doubt(),
        one_after_another(),
        none_after_the_last(),
        after_a_good_one(),
    ]
    .concat()
}

/// A body with bytes in it, smuggled ones at best.
fn bodies() -> Vec<Row> {
    let chunk = format!("{{smuggled size}}\r\n{SMUGGLED}\r\n0\r\n\r\n");
    let method = |method: &str, lines: &str| with(lines).replace("GET", method);
    refusals([
        ("a body on GET", with("Content-Length: 5\r\n") + "hello" + SMUGGLED, BODY),
        ("a request for a body", with("Content-Length: {smuggled length}\r\n") + SMUGGLED, BODY),
        ("a body of one byte", with("Content-Length: 1\r\n") + "x" + SMUGGLED, BODY),
        ("a body of a length with noughts before it", with("Content-Length: 005\r\n") + "hello" + SMUGGLED, BODY),
        (
            "a form",
            method("POST", "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 11\r\n")
                + "role=VENDOR"
                + SMUGGLED,
            BODY,
        ),
        ("JSON", method("POST", "Content-Type: application/json\r\nContent-Length: 2\r\n") + "{}" + SMUGGLED, BODY),
        ("a body that is announced", method("PUT", "Content-Length: 5\r\nExpect: 100-continue\r\n") + SMUGGLED, BODY),
        ("a large body that never comes", with("Content-Length: 1000000000\r\n"), BODY),
        ("a body in chunks", with(CHUNKED) + &chunk + SMUGGLED, BODY),
        ("a byte in a chunk", with(CHUNKED) + "1\r\nx\r\n0\r\n\r\n" + SMUGGLED, BODY),
        ("a byte in a second chunk", with(CHUNKED) + "1\r\nx\r\n1\r\ny\r\n0\r\n\r\n" + SMUGGLED, BODY),
        ("a body of one without a key", with("Content-Length: 5\r\n").replace("{app}", "x") + "hello" + SMUGGLED, BODY),
        ("a body of HTTP/1.0", with("Content-Length: 1\r\n").replace("/1.1", "/1.0") + "x", BODY),
        (
            "a body of HTTP/1.0 that is kept alive",
            with("Content-Length: 1\r\nConnection: keep-alive\r\n").replace("/1.1", "/1.0") + "x" + SMUGGLED,
            BODY,
        ),
    ])
}

/// The smuggled request stands in the body of the first, and once more behind it.
fn bodies_of_the_refused() -> Vec<Row> {
    let chunk = format!("{{smuggled size}}\r\n{SMUGGLED}\r\n0\r\n\r\n{SMUGGLED}");
    let coded = with(CHUNKED) + &chunk;
    refusals([
        ("chunks of one with nobody's key", coded.replacen("{app}", "cbgw_nobodys", 1), KEY.last()),
        ("chunks of one without grants", coded.replacen("{app}", "{nothing}", 1), PERMISSION.last()),
        ("chunks of one for no endpoint", coded.replacen("orders2/count", "nothing", 1), UNKNOWN.last()),
        ("chunks of one for what is never granted", coded.replacen("orders2/count", "debug", 1), BLOCKED.last()),
        ("chunks of one with another method", coded.replacen("GET /", "PATCH /", 1), METHOD.last()),
        ("chunks of one with an unknown parameter", coded.replacen("count ", "count?x=y ", 1), PARAMETER.last()),
    ])
}

fn codings() -> Vec<Row> {
    let coded = |lines: &str| with(lines) + "0\r\n\r\n" + SMUGGLED;
    let value = |value: &str| coded(&format!("Transfer-Encoding: {value}\r\n"));
    refusals([
        ("a length of nought before a coding", coded(&format!("Content-Length: 0\r\n{CHUNKED}")), MALFORMED),
        ("a length before a coding", coded(&format!("Content-Length: 5\r\n{CHUNKED}")), MALFORMED),
        ("a length after a coding", coded(&format!("{CHUNKED}Content-Length: 200\r\n")), MALFORMED),
        ("a length of nought after a coding", coded(&format!("{CHUNKED}Content-Length: 0\r\n")), MALFORMED),
        ("a length around a coding", coded(&format!("Content-Length: 5\r\nX: y\r\n{CHUNKED}")), MALFORMED),
        ("another coding first", value("gzip, chunked"), MALFORMED),
        ("identity first", value("identity, chunked"), MALFORMED),
        ("identity alone", value("identity"), MALFORMED),
        ("chunked twice", value("chunked, chunked"), MALFORMED),
        ("two codings", coded("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), MALFORMED),
        ("two equal codings", coded(&CHUNKED.repeat(2)), MALFORMED),
        (
            "two codings, one in another spelling",
            coded(&format!("{CHUNKED}transfer-encoding: identity\r\n")),
            MALFORMED,
        ),
        ("chunked not last", value("chunked, gzip"), MALFORMED),
        ("chunked and a comma", value("chunked,"), MALFORMED),
        ("a comma and chunked", value(",chunked"), MALFORMED),
        ("another coding", value("gzip"), MALFORMED),
        ("almost chunked", value("xchunked"), MALFORMED),
        ("chunked and more", value("chunkedx"), MALFORMED),
        ("chunked with a parameter", value("chunked;q=1"), MALFORMED),
        ("chunked in quotes", value("\"chunked\""), MALFORMED),
        ("chunked in single quotes", value("'chunked'"), MALFORMED),
        ("an empty coding", coded("Transfer-Encoding:\r\n"), MALFORMED),
        ("a coding after a vertical tab", value("\u{b}chunked"), MALFORMED),
        ("a coding after a form feed", value("\u{c}chunked"), MALFORMED),
        ("a coding after a zero byte", value("\0chunked"), MALFORMED),
        ("a coding before a zero byte", value("chunked\0"), MALFORMED),
        ("a coding after a no-break space", value("\u{a0}chunked"), MALFORMED),
        ("a coding on the next line", value("\r\n chunked"), MALFORMED),
        ("a coding after a bare carriage return", coded("X: y\rTransfer-Encoding: chunked\r\n"), MALFORMED),
        ("a coding after a bare line feed", coded("X: y\nTransfer-Encoding: chunked\r\n"), MALFORMED),
        ("a coding with a space before the colon", coded("Transfer-Encoding : chunked\r\n"), MALFORMED),
        ("a coding with a tab before the colon", coded("Transfer-Encoding\t: chunked\r\n"), MALFORMED),
        ("a coding with a space before its name", coded(" Transfer-Encoding: chunked\r\n"), MALFORMED),
        ("a coding by alias with _", coded("Transfer_Encoding: chunked\r\n"), MALFORMED),
        ("a coding by alias with .", coded("Transfer.Encoding: chunked\r\n"), MALFORMED),
        ("a coding on HTTP/1.0", value("chunked").replacen("/1.1", "/1.0", 1), MALFORMED),
    ])
}

fn lengths() -> Vec<Row> {
    let value = |value: &str| with(&format!("Content-Length: {value}\r\n")) + SMUGGLED;
    refusals([
        ("two lengths", with("Content-Length: 0\r\nContent-Length: 5\r\n") + "hello" + SMUGGLED, MALFORMED),
        (
            "two lengths, nought last",
            with("Content-Length: 5\r\nContent-Length: 0\r\n") + "hello" + SMUGGLED,
            MALFORMED,
        ),
        ("two equal lengths", with(&"Content-Length: 0\r\n".repeat(2)) + SMUGGLED, MALFORMED),
        (
            "two equal lengths, far apart",
            with("Content-Length: 0\r\nX: y\r\ncontent-length: 0\r\n") + SMUGGLED,
            MALFORMED,
        ),
        ("a list of lengths", value("0, 0"), MALFORMED),
        ("a list of two lengths", value("0, 5"), MALFORMED),
        ("a length and a comma", value("0,"), MALFORMED),
        ("a length with a sign", value("+0"), MALFORMED),
        ("a negative length", value("-1"), MALFORMED),
        ("a negative length of nought", value("-0"), MALFORMED),
        ("a hexadecimal length", value("0x0"), MALFORMED),
        ("a length with a point", value("0.0"), MALFORMED),
        ("a length with an exponent", value("0e0"), MALFORMED),
        ("a length with a space inside", value("0 0"), MALFORMED),
        ("a length with an underscore", value("0_0"), MALFORMED),
        ("a length in quotes", value("\"0\""), MALFORMED),
        ("a length in words", value("none"), MALFORMED),
        ("a length and a unit", value("0b"), MALFORMED),
        ("a length in other digits", value("\u{d9}\u{a0}"), MALFORMED),
        ("a length with a zero byte", value("0\0"), MALFORMED),
        ("a length with a vertical tab", value("\u{b}0"), MALFORMED),
        ("an empty length", with("Content-Length:\r\n") + SMUGGLED, MALFORMED),
        ("a length beyond all numbers", value("18446744073709551616"), MALFORMED),
        ("noughts beyond all numbers", value("00000000000000000000"), MALFORMED),
        ("a length by alias with _", with("Content_Length: 5\r\n") + SMUGGLED, MALFORMED),
        ("a length by alias with .", with("Content.Length: 5\r\n") + SMUGGLED, MALFORMED),
        ("a length with a space before the colon", with("Content-Length : 0\r\n") + SMUGGLED, MALFORMED),
        ("a length that is folded", with("Content-Length:\r\n 0\r\n") + SMUGGLED, MALFORMED),
    ])
}

fn chunks() -> Vec<Row> {
    let chunked = |body: &str| with(CHUNKED) + body + SMUGGLED;
    let name = |name: &'static str, body: &str| (name, chunked(body), MALFORMED);
    refusals([
        name("a chunk size in another notation", "0x0\r\n\r\n"),
        name("a chunk size with a sign", "-1\r\n\r\n"),
        name("a chunk size with a plus", "+0\r\n\r\n"),
        name("a chunk size in other letters", "g\r\n\r\n"),
        name("a chunk size in quotes", "\"0\"\r\n\r\n"),
        name("a chunk size after a space", " 0\r\n\r\n"),
        name("a chunk size beyond all numbers", "fffffffffffffffff\r\n\r\n"),
        name("no chunk size", "\r\n\r\n"),
        name("an extension without a size", ";x=y\r\n\r\n"),
        name("a chunk that ends elsewhere", "0\r\nxx"),
        name("a chunk size with a bare line feed", "0\n\n"),
        name("a chunk size with a bare carriage return", "0\rx\r\n\r\n"),
        name("an extension with a bare line feed", "0;x\n\r\n\r\n"),
        name("a last line with a bare line feed", "0\r\n\n"),
        name("trailers", "0\r\nX: y\r\n\r\n"),
        name("trailers with a key", "0\r\nAuthorization: {app}\r\n\r\n"),
        name("trailers with a length", "0\r\nContent-Length: 5\r\n\r\n"),
        name("a request in place of the last line", "0\r\n"),
    ])
}

fn lines() -> Vec<Row> {
    let good = with("");
    refusals([
        ("bare line feeds", good.replace("\r\n", "\n") + SMUGGLED, MALFORMED),
        ("a bare line feed after the first line", good.replacen("\r\n", "\n", 1), MALFORMED),
        ("a bare line feed after a field", with("X: y\nZ: a\r\n"), MALFORMED),
        ("a bare line feed at the head's end", good.replace("\r\n\r\n", "\r\n\n") + SMUGGLED, MALFORMED),
        ("two bare line feeds inside", with(&format!("X: y\n\n{SMUGGLED}")), MALFORMED),
        ("bare carriage returns", good.replace("\r\n", "\r") + "\n", MALFORMED),
        ("a bare carriage return in a value", with("X: y\rZ: a\r\n"), MALFORMED),
        ("a bare carriage return in a name", with("X\rY: a\r\n"), MALFORMED),
        ("two carriage returns", good.replacen("\r\n", "\r\r\n", 1), MALFORMED),
        ("a line feed before the request", format!("\n{good}"), MALFORMED),
        ("two empty lines before the request", format!("\r\n\r\n{good}"), MALFORMED),
        ("a space before the request", format!(" {good}"), MALFORMED),
        ("a space in an empty line before the request", format!(" \r\n{good}"), MALFORMED),
        ("a zero byte before the request", format!("\0{good}"), MALFORMED),
        ("a byte order mark before the request", format!("\u{ef}\u{bb}\u{bf}{good}"), MALFORMED),
        ("a line that is folded", with("X: y\r\n z\r\n"), MALFORMED),
        ("a line that is folded by a tab", with("X: y\r\n\tz\r\n"), MALFORMED),
        ("a line that is folded to nothing", with("X: y\r\n \r\n"), MALFORMED),
        ("a first line that is folded", good.replace("Host", " Host"), MALFORMED),
        ("a line without a colon", with("X\r\n"), MALFORMED),
        ("a line of spaces", with("   \r\n"), MALFORMED),
        ("an empty name", with(": x\r\n"), MALFORMED),
        ("a second request line", with("GET / HTTP/1.1\r\n"), MALFORMED),
        ("a name with a space", with("Gateway-Nickname : acme\r\n"), MALFORMED),
        ("a name with a space inside", with("X Y: z\r\n"), MALFORMED),
        ("a name with a zero byte", with("X\0: y\r\n"), MALFORMED),
        ("a name with a control character", with("X\u{1}: y\r\n"), MALFORMED),
        ("a name with a letter beyond ASCII", with("X\u{e9}: y\r\n"), MALFORMED),
        ("a name in parentheses", with("(X): y\r\n"), MALFORMED),
        ("a name with a slash", with("X/Y: z\r\n"), MALFORMED),
        ("a name in quotes", with("\"X\": y\r\n"), MALFORMED),
        ("a name with an @", with("X@Y: z\r\n"), MALFORMED),
        ("a value with a zero byte", with("X: y\0\r\n"), MALFORMED),
        ("a value with a control character", with("X: y\u{1f}\r\n"), MALFORMED),
        ("a value with the last control character", with("X: \u{7f}\r\n"), MALFORMED),
        ("a value with an escape", with("User-Agent: \u{1b}[2J\r\n"), MALFORMED),
        ("a value beyond ASCII", with("X: caf\u{e9}\r\n"), MALFORMED),
        ("a value in UTF-8", with("X: caf\u{c3}\u{a9}\r\n"), MALFORMED),
    ])
}

fn versions() -> Vec<Row> {
    let by = |line: &str| with("").replace(&format!("GET {COUNT} HTTP/1.1"), line);
    let version = |version: &str| by(&format!("GET {COUNT} {version}"));
    refusals([
        ("no version", format!("GET {COUNT}\r\n\r\n"), MALFORMED),
        ("no version, but headers", by(&format!("GET {COUNT}")), MALFORMED),
        ("another version", version("HTTP/1.2"), MALFORMED),
        ("a version that is older than headers", version("HTTP/0.9"), MALFORMED),
        ("version 2", version("HTTP/2.0"), MALFORMED),
        ("version 2 without a point", version("HTTP/2"), MALFORMED),
        ("version 3", version("HTTP/3"), MALFORMED),
        ("a version in lower case", version("http/1.1"), MALFORMED),
        ("a version with noughts before it", version("HTTP/01.1"), MALFORMED),
        ("a version with a digit more", version("HTTP/1.10"), MALFORMED),
        ("a version with a digit less", version("HTTP/1"), MALFORMED),
        ("a version and more", version("HTTP/1.1x"), MALFORMED),
        ("a version with a space inside", version("HTTP /1.1"), MALFORMED),
        ("a version of another protocol", version("RTSP/1.0"), MALFORMED),
        ("a space after the version", version("HTTP/1.1 "), MALFORMED),
        ("two spaces after the method", by(&format!("GET  {COUNT} HTTP/1.1")), MALFORMED),
        ("two spaces before the version", by(&format!("GET {COUNT}  HTTP/1.1")), MALFORMED),
        ("tabs for spaces", by(&format!("GET\t{COUNT}\tHTTP/1.1")), MALFORMED),
        ("a no-break space", by(&format!("GET\u{a0}{COUNT} HTTP/1.1")), MALFORMED),
        ("HTTP/1.0 without a host", format!("GET {COUNT} HTTP/1.0\r\nAuthorization: {{app}}\r\n\r\n"), MALFORMED),
    ])
}

fn upgrades() -> Vec<Row> {
    let settings = "HTTP2-Settings: AAMAAABk\r\n";
    refusals([
        (
            "an upgrade",
            with("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n") + SMUGGLED,
            MALFORMED,
        ),
        ("an upgrade that no connection nominates", with("Upgrade: websocket\r\n"), MALFORMED),
        (
            "an upgrade to h2c",
            with(&format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n{settings}")) + SMUGGLED,
            MALFORMED,
        ),
        ("an upgrade to TLS", with("Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n"), MALFORMED),
        ("an upgrade to nothing", with("Upgrade:\r\n"), MALFORMED),
        ("settings alone", with(settings), MALFORMED),
        ("a trailer announced", with("Trailer: Authorization\r\n"), MALFORMED),
        (
            "a trailer announced, with chunks",
            with(&format!("{CHUNKED}Trailer: X\r\n")) + "0\r\nX: y\r\n\r\n",
            MALFORMED,
        ),
        ("a tunnel, and a request in it", line("CONNECT api.clickbank.com:443 HTTP/1.1") + SMUGGLED, MALFORMED),
        ("a tunnel to a path, and a request behind it", get("/x").replace("GET", "CONNECT"), UNKNOWN),
        ("an expectation that nobody knows", with("Expect: 200-ok\r\n"), MALFORMED),
        ("an expectation and more", with("Expect: 100-continue, x\r\n"), MALFORMED),
        ("two expectations", with(&"Expect: 100-continue\r\n".repeat(2)), MALFORMED),
        ("an empty expectation", with("Expect:\r\n"), MALFORMED),
    ])
}

/// What other programs say first when they take the port for their own.
fn other_protocols() -> Vec<Row> {
    let row = |name: &'static str, sent: &str, refusal: Refusal| (name, sent.to_owned(), refusal);
    let lines = refusals([
        row("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0", HUNG_UP),
        row("HTTP/2's first line", "PRI * HTTP/2.0\r\nHost: x\r\n\r\n", HUNG_UP),
        row("HTTP/2's method with a path", "PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n", MALFORMED),
        row("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}", HUNG_UP),
        row("TLS 1.0", "\u{16}\u{3}\0\0\u{2e}\u{1}\0\0\u{2a}\u{3}\0", HUNG_UP),
        row("SSH", "SSH-2.0-OpenSSH_9.6\r\n", MALFORMED),
        row("SMTP", "EHLO mail.example.com\r\n", MALFORMED),
        row("SMTP's commands after it", "EHLO x y\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<a@b.c>\r\nDATA\r\n", MALFORMED),
        row("FTP", "USER anonymous\r\n", MALFORMED),
        row("POP3", "CAPA\r\n", MALFORMED),
        row("IMAP", "a1 LOGIN user password\r\n", MALFORMED),
        row("Redis", "*1\r\n$4\r\nPING\r\n", MALFORMED),
        row("memcached", "get key\r\n", MALFORMED),
        row("NATS", "CONNECT {}\r\n", MALFORMED),
        row("STOMP", "CONNECT\naccept-version:1.2\n\n\0", MALFORMED),
        row("RTSP", "OPTIONS rtsp://gateway/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", MALFORMED),
        row("SIP", "OPTIONS sip:a@b.c SIP/2.0\r\nCSeq: 1\r\n\r\n", MALFORMED),
        row("an answer of HTTP", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", MALFORMED),
        row("HTTP/0.9", "GET /\r\n", MALFORMED),
        row("zero bytes", "\0\0\0\0\0\0\0\0\r\n\r\n", MALFORMED),
        row("empty lines", "\r\n\r\n\r\n\r\n", MALFORMED),
        row("XML", "<?xml version=\"1.0\"?>\r\n<a/>\r\n", MALFORMED),
        row("a line of JSON", "{\"method\": \"GET\"}\r\n", MALFORMED),
        ("a proxy's line", format!("PROXY TCP4 10.0.0.1 10.0.0.2 4000 7310\r\n{}", get(COUNT)), MALFORMED),
        ("a proxy's line of nobody", format!("PROXY UNKNOWN\r\n{}", get(COUNT)), MALFORMED),
        (
            "a proxy's bytes",
            format!(
                "\r\n\r\n\0\r\nQUIT\n!\u{11}\0\u{c}\u{a}\0\0\u{1}\u{a}\0\0\u{2}\u{f}\u{a0}\u{1c}\u{8e}{}",
                get(COUNT)
            ),
            MALFORMED,
        ),
    ]);
    let without_lines = ended(refusals([
        row("SSL 2", "\u{80}\u{2e}\u{1}\0\u{2}\0\u{15}\0\0\0\u{10}", HUNG_UP),
        row("PostgreSQL", "\0\0\0\u{8}\u{4}\u{d2}\u{16}\u{2f}", HUNG_UP),
        row("MQTT", "\u{10}\u{c}\0\u{4}MQTT\u{4}\u{2}\0\u{3c}\0\0", HUNG_UP),
        row("a WebSocket's frame", "\u{81}\u{85}abcdhello", HUNG_UP),
        row("an HTTP/2 frame", "\0\0\u{12}\u{4}\0\0\0\0\0", HUNG_UP),
        row("the beginning of TLS", "\u{16}", HUNG_UP),
        row("nothing", "", HUNG_UP),
    ]));
    [lines, without_lines].concat()
}

/// A message that breaks off is no request.
fn broken_off() -> Vec<Row> {
    let good = with("");
    let kept = |name, length: usize| (name, good[..length].to_owned(), HUNG_UP);
    let whole = good.len();
    ended(refusals([
        kept("after a byte", 1),
        kept("in the method", 3),
        kept("in the target", 20),
        kept("before the first line's end", format!("GET {COUNT} HTTP/1.1\r").len()),
        kept("after the first line", format!("GET {COUNT} HTTP/1.1\r\n").len()),
        kept("in the key", whole - 6),
        kept("before the last line's end", whole - 3),
        kept("before the empty line", whole - 2),
        kept("in the empty line", whole - 1),
        ("before the chunks", with(CHUNKED), MALFORMED),
        ("after the chunk's size", with(CHUNKED) + "0", MALFORMED),
        ("before the chunks' last line", with(CHUNKED) + "0\r\n", MALFORMED),
        ("in the chunks' last line", with(CHUNKED) + "0\r\n\r", MALFORMED),
        ("in a body", with("Content-Length: 5\r\n") + "he", BODY),
    ]))
}

/// What real clients send, and reads the same to everybody.
fn beyond_doubt() -> Vec<Row> {
    let passes = |name, sent| (name, sent, 200, text(COUNT));
    let chunked = |lines: &str, body: &str| with(lines) + body + SMUGGLED;
    [
        passing([
            passes("a length of nought", with("Content-Length: 0\r\n")),
            passes("a length of several noughts", with("Content-Length: 000\r\n")),
            passes("a length of as many noughts as fit", with("Content-Length: 0000000000000000000\r\n")),
            passes("a length with white space around", with("Content-Length: \t 0 \t \r\n")),
            passes("a length in lower case", with("content-length:0\r\n")),
            passes("a type without a body", with("Content-Type: application/json\r\n")),
            passes("an expectation without a body", with("Expect: 100-continue\r\nContent-Length: 0\r\n")),
            passes("an expectation in capitals", with("Expect: 100-CONTINUE\r\n")),
            passes("an empty line before the request", format!("\r\n{}", with(""))),
            passes("values with spaces and tabs inside", with("X: a \t b\r\n")),
            passes("empty values", with("X:\r\nY: \r\nZ:\t\r\n")),
            passes("names of all characters that there are", with("!#$%&'*+-.^_`|~09azAZ: y\r\n")),
            passes("kept alive in words", with("Connection: keep-alive\r\nKeep-Alive: timeout=5, max=100\r\n")),
        ]),
        passing_last([
            passes("chunked", chunked(CHUNKED, "0\r\n\r\n")),
            passes("chunked in capitals", chunked("TRANSFER-ENCODING: CHUNKED\r\n", "0\r\n\r\n")),
            passes("chunked with white space around", chunked("Transfer-Encoding: \tchunked \r\n", "0\r\n\r\n")),
            passes("chunked with many noughts", chunked(CHUNKED, "0000\r\n\r\n")),
            passes("chunked with an extension", chunked(CHUNKED, "0;x=y\r\n\r\n")),
            passes("the last in its own words", with("Connection: close\r\n") + SMUGGLED),
            passes("the last in capitals", with("Connection: CLOSE\r\n") + SMUGGLED),
            passes("the last, among others", with("Connection: x, close\r\n") + SMUGGLED),
            passes("HTTP/1.0", with("").replace("/1.1", "/1.0")),
            passes("HTTP/1.0 with another behind it", with("").replace("/1.1", "/1.0") + SMUGGLED),
        ]),
    ]
    .concat()
}

const PASSED: Got = (200, None);
const IN_DOUBT: Got = (400, Some("malformed-request"));

/// Several requests on one connection, sent all at once: in order, each with its own outcome.
fn one_after_another() -> Vec<Row> {
    let (good, other) = (get(COUNT), get("/rest/1.3/products/guide-1?site=acme"));
    let (count, product) = (text(COUNT), xml("/rest/1.3/products/guide-1?site=acme"));
    let unknown = get("/rest/1.3/nothing");
    vec![
        several(
            "chunks that are waited for",
            with(&format!("{CHUNKED}Expect: 100-continue\r\n")) + "0\r\n\r\n" + SMUGGLED,
            &[(100, None), PASSED],
            true,
            &[&count],
        ),
        several("two", good.clone() + &other, &[PASSED; 2], false, &[&count, &product]),
        several("eight", good.repeat(8), &[PASSED; 8], false, &[&count; 8]),
        several("an empty line between", format!("{good}\r\n{other}"), &[PASSED; 2], false, &[&count, &product]),
        several("two empty lines between", format!("{good}\r\n\r\n{other}"), &[PASSED, IN_DOUBT], true, &[&count]),
        several(
            "a refused one between",
            good.clone() + &unknown + &other,
            &[PASSED, (404, Some("unknown-endpoint")), PASSED],
            false,
            &[&count, &product],
        ),
        several(
            "refused ones of every kind that leaves no doubt",
            get_as("nothing", COUNT)
                + &without_key("")
                + &get(&format!("{COUNT}?x=y"))
                + &get("/@zenith/rest/1.3/orders2/count")
                + &get("/rest/1.3/debug")
                + &line(&format!("POST {COUNT} HTTP/1.1"))
                + &other,
            &[
                (403, Some("permission-missing")),
                (401, Some("key-refused")),
                (400, Some("unknown-parameter")),
                (403, Some("nickname-not-granted")),
                (403, Some("endpoint-blocked")),
                (405, Some("method-not-allowed")),
                PASSED,
            ],
            false,
            &[&product],
        ),
    ]
}

/// Several requests, of which one is the last, whatever stands behind it.
fn none_after_the_last() -> Vec<Row> {
    let (good, other, count) = (get(COUNT), get("/rest/1.3/products/guide-1?site=acme"), text(COUNT));
    let behind_unread = |lines: &str, body: &str| good.clone() + &with(lines) + body + &good + SMUGGLED;
    vec![
        several(
            "one in doubt between",
            good.clone() + &get("/rest//1.3/orders2/count") + &other,
            &[PASSED, IN_DOUBT],
            true,
            &[&count],
        ),
        several(
            "one with two hosts between",
            behind_unread("Host: gateway\r\n", ""),
            &[PASSED, IN_DOUBT],
            true,
            &[&count],
        ),
        several(
            "one with length and coding between",
            behind_unread("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            &[PASSED, IN_DOUBT],
            true,
            &[&count],
        ),
        several(
            "one with a body between",
            behind_unread("Content-Length: 5\r\n", "hello"),
            &[PASSED, (400, Some("body-not-allowed"))],
            true,
            &[&count],
        ),
        several(
            "one with chunks between",
            behind_unread(CHUNKED, "5\r\nhello\r\n0\r\n\r\n"),
            &[PASSED, (400, Some("body-not-allowed"))],
            true,
            &[&count],
        ),
        several(
            "one with an empty body of chunks between",
            behind_unread(CHUNKED, "0\r\n\r\n"),
            &[PASSED; 2],
            true,
            &[&count, &count],
        ),
        several(
            "one that is the last between",
            good.clone() + &with("Connection: close\r\n") + &other,
            &[PASSED; 2],
            true,
            &[&count, &count],
        ),
        several(
            "bytes that no length announced",
            with("Content-Length: 0\r\n") + "hello\r\n" + &other,
            &[PASSED, IN_DOUBT],
            true,
            &[&count],
        ),
        several(
            "chunks that no coding announced",
            good.clone() + "0\r\n\r\n" + &other,
            &[PASSED, IN_DOUBT],
            true,
            &[&count],
        ),
    ]
}

/// Another protocol on a connection that was HTTP's so far.
fn after_a_good_one() -> Vec<Row> {
    let row = |name, bytes: &str| (name, get(COUNT) + bytes, 200, text(COUNT));
    ended(passing_last([
        row("HTTP/2 behind", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        row("TLS behind", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0"),
        row("half a request behind", &get(COUNT)[..30]),
    ]))
}
