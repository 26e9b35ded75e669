//! A parameter counts once, under its exact name, with a value that decodes to one thing; all are written anew.

use super::table::{COUNT, LIST, MALFORMED, NICKNAME, PARAMETER, Row, get, passing, refusals, text, xml};

pub(super) fn rows() -> Vec<Row> {
    [names(), pairs(), values(), owners(), rewritten()].concat()
}

fn count(query: &str) -> String {
    get(&format!("{COUNT}?{query}"))
}

fn names() -> Vec<Row> {
    refusals([
        ("unknown", count("all=true"), PARAMETER),
        ("unknown, after known ones", count("role=VENDOR&tid=a&all=true"), PARAMETER),
        ("in another case", count("Role=VENDOR"), PARAMETER),
        ("in capitals", count("ROLE=VENDOR"), PARAMETER),
        ("in two cases", count("role=VENDOR&Role=AFFILIATE"), PARAMETER),
        ("encoded name", count("%72ole=VENDOR"), PARAMETER),
        ("encoded name beside its plain one", count("role=VENDOR&%72ole=AFFILIATE"), PARAMETER),
        ("with brackets", count("role[]=VENDOR"), MALFORMED),
        ("with an index", count("role[0]=VENDOR"), MALFORMED),
        ("with encoded brackets", count("role%5B%5D=VENDOR"), PARAMETER),
        ("with a dot", count("vendor.x=acme"), PARAMETER),
        ("with a dash", count("start-date=2026-11-01"), PARAMETER),
        ("with an underscore", count("start_date=2026-11-01"), PARAMETER),
        ("with a space behind", count("vendor+=acme"), PARAMETER),
        ("with a space before", count("+vendor=acme"), PARAMETER),
        ("with an encoded space", count("vendor%20=acme"), PARAMETER),
        ("with a zero byte", count("vendor%00=acme"), PARAMETER),
        ("with a zero byte and more", count("vendor%00x=acme"), PARAMETER),
        ("with a line break", count("vendor%0d%0a=acme"), PARAMETER),
        ("with a byte order mark", count("%EF%BB%BFvendor=acme"), PARAMETER),
        ("with a letter that looks alike", count("vend%D0%BEr=acme"), PARAMETER),
        ("with an encoded equals sign", count("role%3DVENDOR=x"), PARAMETER),
        ("with an encoded ampersand", count("tid%26role=VENDOR"), PARAMETER),
        ("of another endpoint", count("site=acme"), PARAMETER),
        ("of a header's", count("Page=2"), PARAMETER),
        ("of our header's", count("Gateway-Nickname=acme"), PARAMETER),
        ("of a path's variable", get("/rest/1.3/orders2/{receipt}?receipt=ABCD1234"), PARAMETER),
        ("that overrides the method", count("_method=DELETE"), PARAMETER),
        ("that overrides the type", count("format=json"), PARAMETER),
        ("that wraps the answer", count("callback=x"), PARAMETER),
        ("of a document", get("/rest/1.3/orders2/schema?x=1"), PARAMETER),
        ("of an endpoint without any", get("/rest/1.3/quickstats/accounts?account=acme"), PARAMETER),
    ])
}

fn pairs() -> Vec<Row> {
    refusals([
        ("twice", count("vendor=acme&vendor=acme"), MALFORMED),
        ("twice, different", count("role=VENDOR&vendor=acme&vendor=zenith"), MALFORMED),
        ("twice, far apart", count("tid=a&role=VENDOR&email=b&tid=a"), MALFORMED),
        ("twice, one empty", count("tid=&tid=a"), MALFORMED),
        ("twice, one encoded", count("tid=a&tid=%61"), MALFORMED),
        ("three times", count("tid=a&tid=b&tid=c"), MALFORMED),
        ("without a value", count("role"), MALFORMED),
        ("without a name", count("=VENDOR"), MALFORMED),
        ("without either", count("="), MALFORMED),
        ("nothing but a separator", count("&"), MALFORMED),
        ("nothing before", count("&role=VENDOR"), MALFORMED),
        ("nothing between", count("role=VENDOR&&tid=a"), MALFORMED),
        ("nothing after", count("role=VENDOR&"), MALFORMED),
        ("a semicolon", count("role=VENDOR;vendor=acme"), MALFORMED),
        ("a semicolon at the end", count("role=VENDOR;"), MALFORMED),
        ("a semicolon in a free text", count("tid=a;b"), MALFORMED),
        ("an ampersand as HTML has it", count("role=VENDOR&amp;tid=a"), MALFORMED),
        ("an encoded ampersand between", count("role=VENDOR%26tid=a"), MALFORMED),
        ("two question marks", count("?role=VENDOR"), PARAMETER),
        ("a slash before", count("/role=VENDOR"), PARAMETER),
        ("a pipe", count("role=VENDOR|tid=a"), MALFORMED),
        ("a backslash", count("tid=a\\b"), MALFORMED),
        ("a caret", count("tid=a^b"), MALFORMED),
        ("curly brackets", count("tid={id}"), MALFORMED),
        ("square brackets in a value", count("tid=[a]"), MALFORMED),
        ("a fragment", count("tid=a#b"), MALFORMED),
        ("a space", count("tid=a b"), MALFORMED),
        ("a tab", count("tid=a\tb"), MALFORMED),
    ])
}

fn values() -> Vec<Row> {
    refusals([
        ("not of the values", count("role=vendor"), MALFORMED),
        ("of the values and more", count("role=VENDOR+"), MALFORMED),
        ("a list of the values", count("role=VENDOR,AFFILIATE"), MALFORMED),
        ("a wildcard for one of the values", count("role=%25"), MALFORMED),
        ("empty, where values are closed", count("role="), MALFORMED),
        ("a broken encoding", count("tid=%4"), MALFORMED),
        ("an encoding without digits", count("tid=%"), MALFORMED),
        ("an encoding of other digits", count("tid=%g1"), MALFORMED),
        ("an encoding of another standard", count("tid=%u0041"), MALFORMED),
        ("an encoding with a plus", count("tid=%+1"), MALFORMED),
        ("no UTF-8", count("tid=%ff"), MALFORMED),
        ("another character set", count("lastName=M%FCller"), MALFORMED),
        ("UTF-8 that breaks off", count("tid=%c3"), MALFORMED),
        ("overlong UTF-8", count("tid=%c0%af"), MALFORMED),
        ("overlong UTF-8 of a zero byte", count("tid=%c0%80"), MALFORMED),
        ("a half of a pair", count("tid=%ed%a0%80"), MALFORMED),
        ("beyond Unicode", count("tid=%f4%90%80%80"), MALFORMED),
        ("a zero byte", count("tid=a%00"), MALFORMED),
        ("a line break", count("tid=a%0d%0aX:+y"), MALFORMED),
        ("a line feed", count("tid=a%0ab"), MALFORMED),
        ("a carriage return", count("tid=a%0db"), MALFORMED),
        ("a tab, encoded", count("tid=a%09b"), MALFORMED),
        ("an escape", count("tid=%1b[2J"), MALFORMED),
        ("an encoded escape", count("tid=%1b%5b2J"), MALFORMED),
        ("a control character beyond ASCII", count("tid=%c2%85"), MALFORMED),
        ("raw UTF-8", count("tid=caf\u{c3}\u{a9}"), MALFORMED),
        ("a raw byte", count("tid=caf\u{e9}"), MALFORMED),
        ("a raw control character", count("tid=a\u{1}b"), MALFORMED),
        ("a quote", count("tid=a\"b"), MALFORMED),
        ("angle brackets", count("tid=<a>"), MALFORMED),
        (
            "a zero byte in prose",
            get("/rest/1.3/products/x-1?site=acme&description=a%00").replace("GET", "PUT"),
            MALFORMED,
        ),
    ])
}

/// What decides whose data it is.
fn owners() -> Vec<Row> {
    let products = |query: &str| get(&format!("/rest/1.3/products/list?{query}"));
    let account = |query: &str| get(&format!("/rest/1.3/quickstats/list?{query}"));
    refusals([
        ("no owner", products("type=digital"), MALFORMED),
        ("no owner and no query", get("/rest/1.3/products/list"), MALFORMED),
        ("an empty owner", products("site="), MALFORMED),
        ("an owner twice", products("site=acme&site=acme"), MALFORMED),
        ("two owners", products("site=acme&site=zenith"), MALFORMED),
        ("two owners, the foreign one first", products("site=zenith&site=acme"), MALFORMED),
        ("an owner and an empty one", products("site=acme&site="), MALFORMED),
        ("an owner in another case of the name", products("Site=acme"), PARAMETER),
        ("an owner in two cases of the name", products("site=acme&SITE=zenith"), PARAMETER),
        ("an owner under an encoded name, too", products("site=acme&%73ite=zenith"), PARAMETER),
        ("an owner in brackets, too", products("site=acme&site%5B%5D=zenith"), PARAMETER),
        ("an owner under another endpoint's name, too", products("site=acme&account=zenith"), PARAMETER),
        ("an owner behind a semicolon, too", products("site=acme;site=zenith"), MALFORMED),
        ("a wildcard for an owner", products("site=acm%25"), MALFORMED),
        ("another wildcard", products("site=acm*"), MALFORMED),
        ("a wildcard of one letter", products("site=acm_"), MALFORMED),
        ("a wildcard alone", products("site=%25"), MALFORMED),
        ("a list of owners", products("site=acme,zenith"), MALFORMED),
        ("an encoded list of owners", products("site=acme%2Czenith"), MALFORMED),
        ("an encoded second owner", products("site=acme%26site=zenith"), MALFORMED),
        ("an owner and a space", products("site=acme+"), MALFORMED),
        ("a space and an owner", products("site=%20acme"), MALFORMED),
        ("an owner and a zero byte", products("site=acme%00"), MALFORMED),
        ("an owner, a zero byte and more", products("site=acme%00zenith"), MALFORMED),
        ("an owner and a line break", products("site=acme%0a"), MALFORMED),
        ("an owner and a soft hyphen", products("site=ac%C2%ADme"), MALFORMED),
        ("an owner in full width letters", products("site=%EF%BD%81cme"), MALFORMED),
        ("an owner with a letter that looks alike", products("site=%D0%B0cme"), MALFORMED),
        ("an owner with a letter that folds to one of its own", products("site=%E2%84%AAacme"), MALFORMED),
        ("an owner encoded twice", products("site=%2561cme"), MALFORMED),
        ("an owner in quotes", products("site=%22acme%22"), MALFORMED),
        ("an owner with an @", products("site=@acme"), MALFORMED),
        ("an owner as a path", products("site=acme/../zenith"), MALFORMED),
        ("nobody, in ClickBank's word", products("site=none"), MALFORMED),
        ("all, which is nobody's nickname", products("site=all"), NICKNAME),
        ("an empty filter", account("account="), MALFORMED),
        ("a wildcard for a filter", account("account=%25"), MALFORMED),
        ("a list for a filter", account("account=acme,zenith"), MALFORMED),
        ("a filter twice", account("account=acme&account=zenith"), MALFORMED),
        ("a filter in another case", account("Account=zenith"), PARAMETER),
        ("an owner of 33 letters", products(&format!("site={}", "a".repeat(33))), MALFORMED),
        ("an owner of 32 letters", products(&format!("site={}", "a".repeat(32))), NICKNAME),
    ])
}

fn rewritten() -> Vec<Row> {
    let list = |name, sent: &str, arrives: &str| {
        (name, get(&format!("{LIST}?{sent}")), 200, xml(&format!("{LIST}?{arrives}")))
    };
    let counted = |name, sent: &str, arrives: &str| (name, count(sent), 200, text(&format!("{COUNT}?{arrives}")));
    let products = |name, sent: &str, arrives: &str| {
        (name, get(&format!("/rest/1.3/products/list?{sent}")), 200, xml(&format!("/rest/1.3/products/list?{arrives}")))
    };
    passing([
        counted("a plus", "lastName=a+b", "lastName=a%20b"),
        counted("an encoded space", "lastName=a%20b", "lastName=a%20b"),
        counted("an encoded plus", "lastName=a%2bb", "lastName=a%2Bb"),
        counted("an encoded letter", "tid=%61bc", "tid=abc"),
        counted("a value of the closed ones, encoded", "role=%56ENDOR", "role=VENDOR"),
        counted("digits in lower case", "lastName=%e5%b1%b1", "lastName=%E5%B1%B1"),
        counted("an @", "email=a@b.c", "email=a%40b.c"),
        counted("an encoded @", "email=a%40b.c", "email=a%40b.c"),
        counted("an encoded percent sign", "tid=%25", "tid=%25"),
        counted("encoded twice, which is decoded once", "tid=%2541", "tid=%2541"),
        counted("signs that others take for separators", "tid=a=b/?c:d,e", "tid=a%3Db%2F%3Fc%3Ad%2Ce"),
        counted("an encoded second parameter", "tid=x%26vendor%3Dzenith", "tid=x%26vendor%3Dzenith"),
        counted("an encoded semicolon", "tid=x%3Bvendor%3Dzenith", "tid=x%3Bvendor%3Dzenith"),
        counted("an encoded fragment", "tid=x%23y", "tid=x%23y"),
        counted("signs of a query of a database", "lastName=O'Neill%22+--", "lastName=O%27Neill%22%20--"),
        counted("an empty free text", "tid=", "tid="),
        counted("the order of the request", "type=SALE&tid=b&email=a", "type=SALE&tid=b&email=a"),
        counted("another order", "email=a&type=SALE&tid=b", "email=a&type=SALE&tid=b"),
        counted("a wildcard in a filter that confines nothing", "email=%25@example.com", "email=%25%40example.com"),
        list("a line separator", "tid=%E2%80%A8", "tid=%E2%80%A8"),
        list("signs that need no encoding", "tid=a-b.c_d~e", "tid=a-b.c_d~e"),
        list("encoded signs that need none", "tid=%2D%2e%5F%7E", "tid=-._~"),
        products("an owner", "site=acme", "site=acme"),
        products("an owner in capitals", "site=ACME", "site=ACME"),
        products("an owner with an encoded letter", "site=%61cme", "site=acme"),
        products("an owner last", "type=STANDARD&site=acme", "type=STANDARD&site=acme"),
    ])
}
