//! What people read when a configuration is wrong.
//!
//! Each case is a good configuration with one edit. Its messages stand in a golden file together with the edit, so that
//! a reviewer reads them as a user would: does this say where it is, what it is, and how to mend it?

use std::fs;

use clickbank_gateway::domain::nickname::Nicknames;

use crate::golden::assert_golden;

mod place;

use place::{Cases, GATEWAY, Place, single_mistakes};

const G: &str = "gateway.toml";
const K: &str = "keys.toml";

#[test]
fn the_configuration_that_every_case_starts_from_is_good() {
    let (messages, _) = Place::new().messages();
    assert!(messages.is_empty(), "{messages:#?}");
}

#[test]
fn where_callers_connect() {
    single_mistakes(
        "wrong_listen",
        &[
            ("a host name", G, "\"127.0.0.1:7310\"", "\"localhost:7310\""),
            ("no port", G, "\"127.0.0.1:7310\"", "\"127.0.0.1\""),
            ("no address", G, "\"127.0.0.1:7310\"", "\"\""),
            ("a port as a number", G, "\"127.0.0.1:7310\"", "7310"),
            ("no path to the socket", G, "\"127.0.0.1:7310\"", "\"unix:\""),
            ("plaintext beyond this machine", G, "\"127.0.0.1:7310\"", "\"0.0.0.0:7310\""),
            ("plaintext beyond this machine, over IPv6", G, "\"127.0.0.1:7310\"", "\"[::]:7310\""),
            ("the same address for both listeners", G, "\"127.0.0.1:7311\"", "\"127.0.0.1:7310\""),
            (
                "the other listener's default",
                G,
                "\"127.0.0.1:7310\"\n\n[health]\naddress = \"127.0.0.1:7311\"",
                "\"127.0.0.1:7311\"",
            ),
            ("both listeners on one port of every address", G, "\"127.0.0.1:7311\"", "\"0.0.0.0:7310\""),
            ("yes as a word", G, "[listen]", "[listen]\nallow_plaintext = \"yes\""),
            ("a certificate without its key", G, "[listen]", "[listen]\ntls = { cert_file = \"tls.crt\" }"),
            ("TLS as a switch", G, "[listen]", "[listen]\ntls = true"),
            (
                "a certificate that is not there",
                G,
                "[listen]",
                "[listen]\ntls = { cert_file = \"none.crt\", key_file = \"tls.key\" }",
            ),
            (
                "certificate and key swapped",
                G,
                "[listen]",
                "[listen]\ntls = { cert_file = \"tls.key\", key_file = \"tls.key\" }",
            ),
            (
                "a key that holds a certificate",
                G,
                "[listen]",
                "[listen]\ntls = { cert_file = \"tls.crt\", key_file = \"tls.crt\" }",
            ),
            (
                "a key in the file itself",
                G,
                "[listen]",
                "[listen]\ntls = { cert_file = \"tls.crt\", key_file = \"-----BEGIN PRIVATE KEY-----PLANTEDPASSWORD\" }",
            ),
            ("health by a host name", G, "\"127.0.0.1:7311\"", "\"gateway:7311\""),
            ("health on a socket", G, "\"127.0.0.1:7311\"", "\"unix:/run/health.sock\""),
            ("an option of another section", G, "[health]", "[health]\nallow_plaintext = true"),
        ],
    );
}

#[test]
fn where_operators_ask() {
    let section = |lines: &str| format!("\n[admin]\n{lines}\n");
    let tcp = "address = \"127.0.0.1:7312\"";
    let cases = [
        ("no address", section("")),
        ("a path without its scheme", section("address = \"/run/clickbank-gateway/admin.sock\"")),
        ("an address beyond this machine", section("address = \"0.0.0.0:7312\"\ntoken = { file = \"token\" }")),
        ("no token over TCP", section(tcp)),
        ("the token itself", section(&format!("{tcp}\ntoken = \"PLANTEDPASSWORD\""))),
        ("a token that is too short", section(&format!("{tcp}\ntoken = {{ file = \"short.token\" }}"))),
        ("a token that is not there", section(&format!("{tcp}\ntoken = {{ file = \"none.token\" }}"))),
        (
            "a slip in the token's name",
            section(&format!("{tcp}\ntokn = {{ file = \"acme.key\" }}\ntoken = {{ file = \"acme.key\" }}")),
        ),
        ("a port that is taken", section("address = \"127.0.0.1:7311\"\ntoken = { file = \"acme.key\" }")),
    ];
    let cases: Vec<_> = cases.iter().map(|(name, text)| (*name, G, "", text.as_str())).collect();
    single_mistakes("wrong_admin", &cases);
}

#[test]
fn how_clickbank_is_reached() {
    single_mistakes(
        "wrong_upstream",
        &[
            ("plaintext", G, "\"https://api.clickbank.com\"", "\"http://api.clickbank.com\""),
            ("no scheme", G, "\"https://api.clickbank.com\"", "\"api.clickbank.com\""),
            ("no host", G, "\"https://api.clickbank.com\"", "\"https://\""),
            ("not a URL", G, "\"https://api.clickbank.com\"", "\"https://api clickbank com\""),
            ("a password", G, "\"https://api.clickbank.com\"", "\"https://user:PLANTEDPASSWORD@api.clickbank.com\""),
            (
                "a password that makes it no URL",
                G,
                "\"https://api.clickbank.com\"",
                "\"https://user:PLANTED PASSWORD PLANTEDPASSWORD@api.clickbank.com\"",
            ),
            ("a path", G, "\"https://api.clickbank.com\"", "\"https://api.clickbank.com/rest/1.3\""),
            (
                "a query",
                G,
                "\"https://api.clickbank.com\"",
                "\"https://api.clickbank.com/?key=API-PLANTEDCLICKBANKKEY\"",
            ),
            ("a URL that is no text", G, "\"https://api.clickbank.com\"", "443"),
            ("no such authorities", G, "\"ca.pem\"", "\"none.pem\""),
            ("authorities that are no PEM", G, "\"ca.pem\"", "\"keys.toml\""),
            ("authorities in a directory", G, "\"ca.pem\"", "\"a-directory\""),
            ("verification cannot be turned off", G, "[upstream]", "[upstream]\ninsecure_skip_verify = true"),
            ("a timeout without a unit", G, "[upstream]", "[upstream]\nconnect_timeout = \"5\""),
            ("a timeout as a number", G, "[upstream]", "[upstream]\nconnect_timeout = 5"),
            ("a timeout too long", G, "[upstream]", "[upstream]\nconnect_timeout = \"61s\""),
            ("a timeout of nothing", G, "[upstream]", "[upstream]\nresponse_timeout = \"0s\""),
            ("a slip in a timeout's name", G, "[upstream]", "[upstream]\nresponce_timeout = \"60s\""),
            ("too many retries", G, "[upstream]", "[upstream]\nretries = 6"),
            ("retries without end", G, "[upstream]", "[upstream]\nretries = true"),
            ("a size with a unit of ten", G, "[upstream]", "[upstream]\nmax_answer = \"16 MB\""),
            ("a size as a number", G, "[upstream]", "[upstream]\nmax_answer = 16777216"),
            ("a size too small", G, "[upstream]", "[upstream]\nmax_answer = \"1 KB\""),
            ("a size out of bounds", G, "[upstream]", "[upstream]\nmax_answer = \"2 GiB\""),
            ("no room for one answer", G, "[upstream]", "[upstream]\nmax_answer = \"512 MiB\""),
            (
                "no room for one answer, both said",
                G,
                "[upstream]",
                "[upstream]\nmax_answer = \"8 MiB\"\nanswer_memory = \"4 MiB\"",
            ),
        ],
    );
}

#[test]
fn limits() {
    single_mistakes(
        "wrong_limits",
        &[
            ("none a second", G, "per_second = 10", "per_second = 0"),
            ("fewer than none", G, "per_second = 10", "per_second = -1"),
            ("far too many", G, "per_second = 10", "per_second = 99999999999999999999"),
            ("not whole", G, "per_second = 10", "per_second = 0.5"),
            ("a number as text", G, "per_second = 10", "per_second = \"10\""),
            ("a slip in the name", G, "per_second = 10", "per_secnod = 10"),
            ("a name from elsewhere", G, "per_second = 10", "burst = 10"),
            ("a share of more than all", G, "per_second = 10", "share = \"2/1\""),
            ("a share in percent", G, "per_second = 10", "share = \"10%\""),
            ("a share of nothing", G, "per_second = 10", "share = \"1/0\""),
            ("a share as a number", G, "per_second = 10", "share = 30"),
            ("a wait of an hour", G, "per_second = 10", "max_wait = \"1h\""),
            ("a wait with a point", G, "per_second = 10", "max_wait = \"1.5s\""),
            ("limits as a number", G, "[limits]\nper_second = 10", "[[limits]]\nper_second = 10"),
        ],
    );
}

#[test]
fn probes() {
    single_mistakes(
        "wrong_probes",
        &[
            ("seldom", G, "", "\n[probes]\nevery = \"8d\"\n"),
            ("without a pause", G, "", "\n[probes]\nevery = \"30s\"\n"),
            ("a number of hours", G, "", "\n[probes]\nevery = 6\n"),
            ("a word for yes", G, "", "\n[probes]\nat_start = \"yes\"\n"),
            ("a slip", G, "", "\n[probes]\nat_begin = true\n"),
        ],
    );
}

#[test]
fn caps() {
    let of_key = |caps: &str| format!("id = \"key_app\"\ncaps = {caps}");
    let keys = [
        ("a slip in a key's cap", "{ refunds_per_day = 1 }"),
        ("a key's cap below zero", "{ refunds_per_hour = -1 }"),
        ("a key's cap in words", "{ refunds_per_hour = \"ten\" }"),
        ("a key's cap on money as a number", "{ refunded_usd_per_hour = 500.5 }"),
        ("a key's cap on money in another currency", "{ refunded_usd_per_hour = \"500 EUR\" }"),
        ("a key's caps as a number", "10"),
        ("a key's cap beyond all bounds", "{ changes_per_hour = 100000000001 }"),
        ("a key without any of its caps", "{}"),
    ]
    .map(|(name, caps)| (name, of_key(caps)));
    let nicknames = [
        ("a cap of nobody", "[caps]\nrefunds_per_hour = 1"),
        ("a cap of an undeclared nickname", "[caps.acmee]\nrefunds_per_hour = 1"),
        ("caps of one nickname twice", "[caps.acme]\nrefunds_per_hour = 1\n[caps.ACME]\nchanges_per_hour = 1"),
        ("caps as a list", "[[caps]]\nrefunds_per_hour = 1"),
    ]
    .map(|(name, lines)| (name, format!("\n{lines}\n")));
    let of_keys = keys.iter().map(|(name, lines)| (*name, K, "id = \"key_app\"", lines.as_str()));
    let of_nicknames = nicknames.iter().map(|(name, lines)| (*name, G, "", lines.as_str()));
    single_mistakes("wrong_caps", &of_keys.chain(of_nicknames).collect::<Vec<_>>());
}

#[test]
fn the_file_as_a_whole() {
    single_mistakes(
        "wrong_file",
        &[
            ("a section that does not exist", G, "", "\n[loging]\nlevel = \"debug\"\n"),
            ("a slip in a section's name", G, "[limits]", "[limit]"),
            (
                "an option outside its section",
                G,
                "keys = \"keys.toml\"",
                "keys = \"keys.toml\"\naddress = \"127.0.0.1:7310\"",
            ),
            ("state nowhere", G, "keys = \"keys.toml\"", "keys = \"keys.toml\"\nstate = \"\""),
            ("the key file as a table", G, "keys = \"keys.toml\"", "keys = { file = \"keys.toml\" }"),
            ("the key file is not there", G, "keys = \"keys.toml\"", "keys = \"none.toml\""),
            ("the key file has no name", G, "keys = \"keys.toml\"", "keys = \"\""),
            ("the key file is a directory", G, "keys = \"keys.toml\"", "keys = \"a-directory\""),
            ("no quotes", G, "\"127.0.0.1:7310\"", "127.0.0.1:7310"),
            ("a quote left open", G, "\"127.0.0.1:7310\"", "\"127.0.0.1:7310"),
            ("a bracket left open", G, "[upstream]", "[upstream"),
            ("the same section twice", G, "", "\n[listen]\naddress = \"127.0.0.1:7312\"\n"),
            ("the same option twice", G, "per_second = 10", "per_second = 10\nper_second = 20"),
            ("a colon for an equals sign", G, "per_second = 10", "per_second: 10"),
            ("a secret in a line that is no TOML", G, "{ file = \"acme.key\" }", "API-PLANTEDCLICKBANKKEY"),
            ("a secret in the name of an option", G, "per_second = 10", "API-PLANTEDCLICKBANKKEY = 10"),
            ("another program's file", G, GATEWAY, "server { listen 80; }\n"),
        ],
    );
}

#[test]
fn nicknames() {
    single_mistakes(
        "wrong_nicknames",
        &[
            ("a kind in ClickBank's older word", G, "shop = \"both\"", "shop = \"vendor\""),
            ("a slip in the kind", G, "shop = \"both\"", "shop = \"selller\""),
            ("a kind that is no text", G, "shop = \"both\"", "shop = true"),
            ("a list of kinds", G, "shop = \"both\"", "shop = [\"seller\", \"affiliate\"]"),
            ("the same in another case", G, "shop = \"both\"", "ACME = \"seller\""),
            ("a reserved word", G, "shop = \"both\"", "none = \"affiliate\""),
            ("All Accounts is no nickname", G, "shop = \"both\"", "all = \"both\""),
            ("a dash", G, "shop = \"both\"", "acme-shop = \"seller\""),
            ("a wildcard", G, "shop = \"both\"", "\"acme*\" = \"seller\""),
            ("no name", G, "shop = \"both\"", "\"\" = \"seller\""),
            ("far too long", G, "shop = \"both\"", "abcdefghijklmnopqrstuvwxyz0123456789 = \"seller\""),
            ("another alphabet", G, "shop = \"both\"", "\"\u{430}cme\" = \"seller\""),
            (
                "a list of names",
                G,
                "[nicknames]\nacme = \"seller\"\nshop = \"both\"\nacmeaff = \"affiliate\"",
                "[[nicknames]]\nname = \"acme\"",
            ),
            (
                "none at all",
                G,
                "[nicknames]\nacme = \"seller\"\nshop = \"both\"\nacmeaff = \"affiliate\"",
                "[nicknames]",
            ),
            ("no section", G, "[nicknames]\nacme = \"seller\"\nshop = \"both\"\nacmeaff = \"affiliate\"\n", ""),
        ],
    );
}

#[test]
fn more_nicknames_than_a_gateway_serves() {
    let place = Place::new();
    let many: Vec<String> = (0..Nicknames::MAX).map(|number| format!("n{number} = \"seller\"\n")).collect();
    place.edit(G, "shop = \"both\"\n", &many.concat());
    let (messages, complaints) = place.messages();
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert_golden("wrong_too_many_nicknames", &messages.concat());
}

const SECTION: &str = "[credentials.acme]\napi_key = { file = \"acme.key\" }\n[credentials.acme.reach]\n\
                       products = [\"acme\"]\norders_read = [\"acme\", \"acmeaff\"]\n";

#[test]
fn credentials() {
    let file = "{ file = \"acme.key\" }";
    single_mistakes(
        "wrong_credentials",
        &[
            ("no section", G, SECTION, ""),
            ("an empty section", G, SECTION, "[credentials]\n"),
            ("a field where a name belongs", G, SECTION, "[credentials]\napi_key = { file = \"acme.key\" }\n"),
            ("no key", G, "api_key = { file = \"acme.key\" }\n", ""),
            (
                "no reach",
                G,
                "[credentials.acme.reach]\nproducts = [\"acme\"]\norders_read = [\"acme\", \"acmeaff\"]\n",
                "",
            ),
            ("an empty reach", G, "products = [\"acme\"]\norders_read = [\"acme\", \"acmeaff\"]\n", ""),
            (
                "a reach of nobody",
                G,
                "products = [\"acme\"]\norders_read = [\"acme\", \"acmeaff\"]\n",
                "products = []\n",
            ),
            ("a reach of nobody beside another", G, "products = [\"acme\"]", "products = []"),
            ("the key itself", G, file, "\"API-PLANTEDCLICKBANKKEY\""),
            ("the key itself as a file", G, file, "{ file = \"API-PLANTEDCLICKBANKKEY\" }"),
            ("the key itself as a variable", G, file, "{ env = \"API-PLANTEDCLICKBANKKEY\" }"),
            ("the key itself in a field of its own", G, file, "{ value = \"API-PLANTEDCLICKBANKKEY\" }"),
            ("the key itself as a field", G, file, "{ API-PLANTEDCLICKBANKKEY = true }"),
            ("the key itself in a list", G, file, "[\"API-PLANTEDCLICKBANKKEY\"]"),
            (
                "the developer key itself",
                G,
                file,
                "{ file = \"acme.key\" }\ndeveloper_key = { file = \"DEV-PLANTEDDEVELOPERKEY\" }",
            ),
            (
                "the key as the name of the credential",
                G,
                SECTION,
                "[credentials.API-PLANTEDCLICKBANKKEY]\napi_key = { file = \"acme.key\" }\n\
                 reach = { products = [\"acme\"] }\n",
            ),
            ("two places", G, file, "{ file = \"acme.key\", env = \"ACME\" }"),
            ("no place", G, file, "{}"),
            ("a file that is not there", G, file, "{ file = \"/nonexistent/clickbank-acme\" }"),
            ("no file name", G, file, "{ file = \"\" }"),
            ("a directory", G, file, "{ file = \"a-directory\" }"),
            ("a variable that is not set", G, file, "{ env = \"CLICKBANK_GATEWAY_TEST_UNSET\" }"),
            ("a variable with something else in it", G, file, "{ env = \"CARGO_MANIFEST_DIR\" }"),
            ("no variable's name", G, file, "{ env = \"\" }"),
            ("a dollar sign", G, file, "{ env = \"$CLICKBANK_KEY\" }"),
            ("the developer key misspelt", G, file, "{ file = \"acme.key\" }\ndevelopper_key = { file = \"dev.key\" }"),
            ("an unknown permission", G, "products = [\"acme\"]", "orders = [\"acme\"]"),
            ("a permission in ClickBank's words", G, "products = [\"acme\"]", "\"Products API\" = [\"acme\"]"),
            ("an undeclared nickname", G, "products = [\"acme\"]", "products = [\"acmee\"]"),
            ("products of an affiliate", G, "products = [\"acme\"]", "products = [\"acme\", \"acmeaff\"]"),
            ("All Accounts in a list", G, "products = [\"acme\"]", "products = [\"all\"]"),
            ("one nickname without brackets", G, "products = [\"acme\"]", "products = \"acme\""),
            ("All Accounts in capitals", G, "products = [\"acme\"]", "products = \"All\""),
            ("a star", G, "products = [\"acme\"]", "products = \"*\""),
            ("a permission switched on", G, "products = [\"acme\"]", "products = true"),
            ("a nickname twice", G, "products = [\"acme\"]", "products = [\"acme\", \"Acme\"]"),
            ("a number among nicknames", G, "products = [\"acme\"]", "products = [\"acme\", 1]"),
            (
                "two credentials, one key",
                G,
                "",
                "\n[credentials.copy]\napi_key = { file = \"acme.key\" }\nreach = { analytics = [\"acme\"] }\n",
            ),
            (
                "a credential's name with a slash",
                G,
                "",
                "\n[credentials.\"a/b\"]\napi_key = { file = \"spare.key\" }\nreach = { analytics = [\"acme\"] }\n",
            ),
        ],
    );
}

#[test]
fn what_is_in_the_secret_files() {
    let mut cases = Cases::default();
    for (name, content) in [
        ("nothing", &b""[..]),
        ("a line break", b"\n"),
        ("a key of this gateway", b"cbgw_PLANTEDGATEWAYKEY\n"),
        ("a developer key", b"DEV-PLANTEDDEVELOPERKEY\n"),
        ("both keys in one", b"DEV-PLANTEDDEVELOPERKEY:API-PLANTEDCLICKBANKKEY\n"),
        ("a key that broke off", b"API-PLANTED\xc3"),
        ("a key and what was copied with it", b"ClickBank key: API-PLANTEDCLICKBANKKEY\n"),
        ("a key in quotes", b"\"API-PLANTEDCLICKBANKKEY\"\n"),
        ("two lines", b"API-PLANTEDCLICKBANKKEY\nAPI-PLANTEDCLICKBANKKEY\n"),
        ("a name and a value", b"CLICKBANK_KEY=API-PLANTEDCLICKBANKKEY\n"),
        ("too short", b"API-123\n"),
        ("a file of 64 KiB and more", &[b'A'].repeat((64 << 10) + 1)),
    ] {
        let place = Place::new();
        place.write("acme.key", content);
        cases.mistake(name, None, &place);
    }
    let place = Place::new();
    place.write("dev.key", "API-PLANTEDCLICKBANKKEY\n");
    place.edit(G, "{ file = \"acme.key\" }", "{ file = \"acme.key\" }\ndeveloper_key = { file = \"dev.key\" }");
    cases.mistake("an API key in the developer key's file", None, &place);
    cases.finish("wrong_secret_files");
}

#[test]
fn who_else_can_read_and_write_the_files() {
    let mut cases = Cases::default();
    for (name, file, mode) in [
        ("gateway.toml can be written by everybody", G, 0o666),
        ("keys.toml can be written by everybody", K, 0o602),
        ("the secret can be written by everybody", "acme.key", 0o602),
        ("the secret can be read by everybody", "acme.key", 0o604),
        ("the authorities can be written by everybody", "ca.pem", 0o622),
    ] {
        let place = Place::new();
        place.set_mode(file, mode);
        cases.mistake(name, None, &place);
    }
    let place = Place::new();
    place.set_mode("", 0o777);
    cases.mistake("the directory can be written by everybody", None, &place);

    let place = Place::new();
    std::os::unix::fs::symlink(place.path().join("loop"), place.path().join("loop")).unwrap();
    place.edit(G, "acme.key", "loop");
    cases.mistake("a link that leads nowhere", None, &place);
    cases.finish("wrong_modes");
}

#[test]
fn a_file_that_the_gateway_may_not_read() {
    let place = Place::new();
    place.set_mode(K, 0o000);
    if fs::File::open(place.path().join(K)).is_ok() {
        return; // The superuser may read everything.
    }
    let (messages, complaints) = place.messages();
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains("permission denied") && messages[0].contains("keys.toml"), "{}", messages[0]);
}

const ENDPOINT: &str = "id = \"orders2.notes\"\nmethod = \"GET\"\npath = \"/rest/1.3/orders2/{receipt}/notes\"\n\
                        permissions = [\"orders_read\"]\nchanges = \"nothing\"\nparameters = [\"startDate\"]\n";

#[test]
fn added_endpoints() {
    let mut cases = Cases::default();
    for (name, from, to) in [
        ("a slip in a field", "changes =", "change ="),
        ("no id", "id = \"orders2.notes\"\n", ""),
        ("no method", "method = \"GET\"\n", ""),
        ("no path", "path = \"/rest/1.3/orders2/{receipt}/notes\"\n", ""),
        ("no permissions", "permissions = [\"orders_read\"]\n", ""),
        ("permissions that anybody has", "[\"orders_read\"]", "[]"),
        ("an unknown permission", "[\"orders_read\"]", "[\"orders_raed\"]"),
        ("a permission without brackets", "[\"orders_read\"]", "\"orders_read\""),
        ("a method in small letters", "\"GET\"", "\"get\""),
        ("a method that ClickBank has not", "\"GET\"", "\"PATCH\""),
        ("an unknown kind of change", "\"nothing\"", "\"none\""),
        ("a path without its slash", "\"/rest/1.3/orders2/{receipt}/notes\"", "\"orders2/notes\""),
        (
            "a path that is a URL",
            "\"/rest/1.3/orders2/{receipt}/notes\"",
            "\"https://api.clickbank.com/rest/1.3/notes\"",
        ),
        ("a path of another version", "/rest/1.3/", "/rest/2.0/"),
        ("a path that begins with a variable", "/rest/1.3/orders2/{receipt}/notes", "/rest/1.3/{service}/list"),
        ("a path with a query", "/notes\"", "/notes?type=all\""),
        ("a path of everything", "/orders2/{receipt}/notes", "/*"),
        ("a name with a space", "\"orders2.notes\"", "\"orders2 notes\""),
        ("a built-in endpoint again", "/rest/1.3/orders2/{receipt}/notes", "/rest/1.3/orders2/list"),
        ("a variable where built-in words stand", "/rest/1.3/orders2/{receipt}/notes", "/rest/1.3/orders2/{word}"),
        ("a built-in endpoint's id", "\"orders2.notes\"", "\"orders2.list\""),
        ("what repeats the credential", "/rest/1.3/orders2/{receipt}/notes", "/rest/1.3/Debug/all"),
        ("an owner that is no word", "changes =", "owner = \"caller\"\nchanges ="),
        ("an owner without a form", "changes =", "owner = {}\nchanges ="),
        (
            "an owner in two forms",
            "changes =",
            "owner = { parameter = \"startDate\", receipt = \"receipt\" }\nchanges =",
        ),
        ("an owner in an unknown form", "changes =", "owner = { header = \"X-Account\" }\nchanges ="),
        ("an owner in a parameter that is not there", "changes =", "owner = { parameter = \"account\" }\nchanges ="),
        ("an owner by a variable that is not there", "changes =", "owner = { ticket = \"id\" }\nchanges ="),
        ("an owner by a filter that is not there", "changes =", "owner = { filter = \"account\" }\nchanges ="),
        ("an owner in an answer of unknown kind", "changes =", "owner = { answer = \"list\" }\nchanges ="),
        ("an open document with permissions", "changes =", "owner = \"document\"\nchanges ="),
        (
            "an open document that changes something",
            "permissions = [\"orders_read\"]\nchanges = \"nothing\"",
            "permissions = []\nowner = \"document\"",
        ),
        ("a parameter twice", "[\"startDate\"]", "[\"startDate\", \"StartDate\"]"),
        ("a parameter with a space", "[\"startDate\"]", "[\"start date\"]"),
        ("a parameter without a name", "[\"startDate\"]", "[{ required = true }]"),
        ("a parameter with an unknown field", "[\"startDate\"]", "[{ name = \"startDate\", mandatory = true }]"),
        ("a type that no answer has", "changes =", "answers = [\"html\"]\nchanges ="),
        ("no type of answer", "changes =", "answers = []\nchanges ="),
        ("money back from what changes nothing", "changes =", "refunds = true\nchanges ="),
        (
            "money back by a value that is not there",
            "changes = \"nothing\"",
            "refunds = [\"type=rfnd\"]\nchanges = \"money\"",
        ),
        ("money back by a word", "changes = \"nothing\"", "refunds = \"always\"\nchanges = \"money\""),
        ("rows nowhere", "changes =", "rows = { owner = \"site\" }\nchanges ="),
    ] {
        let place = Place::new();
        assert_eq!(ENDPOINT.matches(from).count(), 1, "{from}");
        let endpoint = ENDPOINT.replacen(from, to, 1);
        place.edit(G, "", &format!("\n[[endpoint]]\n{endpoint}"));
        cases.mistake(name, Some((G, to)), &place);
    }
    let place = Place::new();
    place.edit(G, "", "\n[[endpoint]]\nchanges = \"nothing\"\n");
    cases.case("nothing of what is required", None, &place);
    let place = Place::new();
    place.edit(G, "", &format!("\n[[endpoint]]\n{ENDPOINT}\n[[endpoint]]\n{ENDPOINT}"));
    cases.mistake("the same twice", None, &place);
    let place = Place::new();
    place.edit(G, "", &format!("\n[endpoint]\n{ENDPOINT}"));
    cases.mistake("one pair of brackets", None, &place);
    cases.finish("wrong_endpoints");
}

#[test]
fn extra_parameters() {
    let section = |line: &'static str| ("", line);
    let cases = [
        ("an unknown action", section("\n[extra_parameters]\ncachebuster = \"ignore\"\n")),
        ("an action that is no text", section("\n[extra_parameters]\ncachebuster = false\n")),
        ("an unknown endpoint", section("\n[extra_parameters]\n\"orders2.lst\" = { cachebuster = \"drop\" }\n")),
        ("an endpoint without quotes", section("\n[extra_parameters]\norders2.list = { cachebuster = \"drop\" }\n")),
        (
            "a parameter that the endpoint has",
            section("\n[extra_parameters]\n\"orders2.list\" = { role = \"drop\" }\n"),
        ),
        (
            "one that it has, in another case",
            section("\n[extra_parameters]\n\"orders2.list\" = { Role = \"forward\" }\n"),
        ),
        ("a name with a bracket", section("\n[extra_parameters]\n\"ids[]\" = \"drop\"\n")),
        ("a list of names", section("\n[[extra_parameters]]\nname = \"cachebuster\"\n")),
    ];
    let cases: Vec<_> = cases.iter().map(|(name, (from, to))| (*name, G, *from, *to)).collect();
    single_mistakes("wrong_extra_parameters", &cases);
}

#[test]
fn keys_and_grants() {
    let digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001";
    let grant = "orders_read = [\"acme\", \"acmeaff\"]";
    single_mistakes(
        "wrong_keys",
        &[
            ("a slip in the section", K, "[keys.other]\n", "[key.other]\n"),
            ("an option outside every key", K, "[keys.app]\n", "version = 1\n\n[keys.app]\n"),
            ("a key that is no table", K, "", "\n[keys]\nthird = \"active\"\n"),
            ("a name with a space", K, "[keys.other]", "[keys.\"the other\"]"),
            ("no name", K, "[keys.other]", "[keys.\"\"]"),
            ("a key as a key's name", K, "[keys.other]", "[keys.cbgw_PLANTEDGATEWAYKEY]"),
            ("the same name twice", K, "[keys.other]", "[keys.app]"),
            ("no id", K, "id = \"key_app\"\n", ""),
            ("an id that another key has", K, "\"key_other\"", "\"key_app\""),
            ("an id with a space", K, "\"key_other\"", "\"key other\""),
            ("a key as an id", K, "\"key_other\"", "\"cbgw_PLANTEDGATEWAYKEY\""),
            ("no status", K, "id = \"key_app\"\nstatus = \"active\"", "id = \"key_app\""),
            ("a slip in the status", K, "\"key_app\"\nstatus = \"active\"", "\"key_app\"\nstatus = \"activ\""),
            ("another status", K, "\"key_app\"\nstatus = \"active\"", "\"key_app\"\nstatus = \"revoked\""),
            ("a status of true", K, "\"key_app\"\nstatus = \"active\"", "\"key_app\"\nstatus = true"),
            (
                "no digest",
                K,
                "digest = \"sha256:0000000000000000000000000000000000000000000000000000000000000003\"\n",
                "",
            ),
            ("a digest that broke off", K, digest, "sha256:00000000000000000000000000000001"),
            ("a digest of another kind", K, digest, "md5:d41d8cd98f00b204e9800998ecf8427e"),
            (
                "a digest in capitals",
                K,
                digest,
                "SHA256:00000000000000000000000000000000000000000000000000000000000000AA",
            ),
            ("a key in place of its digest", K, digest, "cbgw_PLANTEDGATEWAYKEY"),
            ("ClickBank's key in place of a digest", K, digest, "API-PLANTEDCLICKBANKKEY"),
            (
                "a key beside its digest",
                K,
                "id = \"key_other\"",
                "id = \"key_other\"\nkey = \"cbgw_PLANTEDGATEWAYKEY\"",
            ),
            (
                "another key's digest",
                K,
                "0000000000000000000000000000000000000000000000000000000000000003",
                "0000000000000000000000000000000000000000000000000000000000000001",
            ),
            (
                "another key's previous digest",
                K,
                "0000000000000000000000000000000000000000000000000000000000000003",
                "0000000000000000000000000000000000000000000000000000000000000002",
            ),
            (
                "its own digest as the previous one",
                K,
                "0000000000000000000000000000000000000000000000000000000000000002",
                "0000000000000000000000000000000000000000000000000000000000000001",
            ),
            ("a previous digest for ever", K, ", until = 2026-12-01T00:00:00Z", ""),
            ("a previous digest until a day", K, "until = 2026-12-01T00:00:00Z", "until = 2026-12-01"),
            ("an expiry without an offset", K, "expires = 2027-11-22T13:00:00Z", "expires = 2027-11-22T13:00:00"),
            ("an expiry on a day", K, "expires = 2027-11-22T13:00:00Z", "expires = 2027-11-22"),
            ("an expiry as text", K, "expires = 2027-11-22T13:00:00Z", "expires = \"2027-11-22T13:00:00Z\""),
            ("an expiry in so many days", K, "expires = 2027-11-22T13:00:00Z", "expires = \"365d\""),
            ("never, as a word", K, "expires = 2027-11-22T13:00:00Z", "expires = \"never\""),
            ("a day that does not exist", K, "expires = 2027-11-22T13:00:00Z", "expires = 2027-02-30T13:00:00Z"),
            ("a slip in the expiry's name", K, "expires = 2027-11-22T13:00:00Z", "expire = 2027-11-22T13:00:00Z"),
            (
                "grants as a list",
                K,
                "[keys.app.grants]\norders_read = [\"acme\", \"acmeaff\"]",
                "grants = [\"orders_read\"]",
            ),
            ("grants of everything", K, "[keys.app.grants]\norders_read = [\"acme\", \"acmeaff\"]", "grants = \"all\""),
            ("an unknown permission", K, grant, "orders = [\"acme\"]"),
            ("an undeclared nickname", K, grant, "orders_read = [\"acmeafff\"]"),
            ("a nickname of nothing like it", K, grant, "orders_read = [\"zebra\"]"),
            ("products of an affiliate", K, grant, "products = [\"acmeaff\"]"),
            ("All Accounts in a list", K, grant, "orders_read = [\"acme\", \"all\"]"),
            ("one nickname without brackets", K, grant, "orders_read = \"acme\""),
            ("a grant to nobody", K, grant, "orders_read = []"),
            ("a wildcard", K, grant, "orders_read = [\"acme*\"]"),
            (
                "a file that broke off in a word",
                K,
                "[keys.other]\nid = \"key_other\"\nstatus = \"active\"\n\
                 digest = \"sha256:0000000000000000000000000000000000000000000000000000000000000003\"\n",
                "[keys.other]\nid = \"key_ot",
            ),
            (
                "a file that broke off in a table",
                K,
                "status = \"active\"\ndigest = \"sha256:0000000000000000000000000000000000000000000000000000000000000003\"\n",
                "status = \"active\"",
            ),
        ],
    );
}

#[test]
fn notes_and_times_of_keys() {
    let long_note = format!("id = \"key_other\"\nnote = \"{}\"", "x".repeat(201));
    single_mistakes(
        "wrong_key_notes",
        &[
            ("a regeneration on a day", K, "id = \"key_other\"", "id = \"key_other\"\nregenerated = 2026-11-22"),
            ("an empty note", K, "id = \"key_other\"", "id = \"key_other\"\nnote = \" \""),
            ("a note of two lines", K, "id = \"key_other\"", "id = \"key_other\"\nnote = \"one\\ntwo\""),
            ("a note of 201 characters", K, "id = \"key_other\"", &long_note),
            ("a note that is a number", K, "id = \"key_other\"", "id = \"key_other\"\nnote = 17"),
            ("a key in a note", K, "id = \"key_other\"", "id = \"key_other\"\nnote = \"it is cbgw_PLANTEDGATEWAYKEY\""),
        ],
    );
}

#[test]
fn files_of_another_kind() {
    let mut cases = Cases::default();
    for (name, file, content) in [
        ("gateway.toml is empty", G, &b""[..]),
        ("gateway.toml is no text", G, b"\xff\xfe\x00k\x00e\x00y"),
        ("keys.toml is JSON", K, b"{\"keys\": []}"),
        ("keys.toml is no text", K, b"\x80"),
    ] {
        let place = Place::new();
        place.write(file, content);
        cases.case(name, None, &place);
    }
    let place = Place::new();
    fs::remove_file(place.path().join(G)).unwrap();
    cases.mistake("gateway.toml is not there", None, &place);
    cases.finish("wrong_kinds_of_file");
}

#[test]
fn an_empty_key_file_is_nobody_and_not_everybody() {
    let place = Place::new();
    place.write(K, "");
    let (config, warnings) = place.load().unwrap();
    assert!(config.snapshot.keys.is_empty());
    assert!(warnings.is_empty());
}

#[test]
fn all_problems_are_reported_in_one_run() {
    let place = Place::new();
    place.edit(G, "\"127.0.0.1:7310\"", "\"localhost\"");
    place.edit(G, "[listen]", "[listen]\ntls = { cert_file = \"none.crt\", key_file = \"none.key\" }");
    place.edit(G, "https://api", "http://api");
    place.edit(G, "\"ca.pem\"", "\"none.pem\"");
    place.edit(G, "per_second = 10", "per_second = 0\nmax_wait = 5");
    place.edit(G, "shop = \"both\"", "shop = \"vendor\"");
    place.edit(G, "{ file = \"acme.key\" }", "{ file = \"none.key\" }\ndeveloper_key = { env = \"NONE_SUCH\" }");
    place.edit(G, "products = [\"acme\"]", "products = [\"acmeaff\"]");
    place.edit(G, "", "\n[[endpoint]]\nid = \"x\"\nmethod = \"POKE\"\n\n[extra_parameters]\nx = \"y\"\n\n[admin]\n");
    place.edit(K, "id = \"key_app\"\nstatus = \"active\"", "id = \"key_app\"\nstatus = \"on\"");
    place.edit(K, "orders_read = [\"acme\", \"acmeaff\"]", "orders_read = [\"nobody\", \"acme\", \"all\"]");
    place.edit(K, "id = \"key_other\"\n", "");
    let (messages, complaints) = place.messages();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_golden("wrong_all_at_once", &messages.concat());
}

#[test]
fn a_syntax_error_in_one_file_does_not_make_the_other_look_wrong() {
    for line in ["[nicknames\nacme = \"seller\"", "[nicknames]\nacme = \"seller", "[nicknames]\n= \"seller\""] {
        let place = Place::new();
        place.edit(G, "[nicknames]\nacme = \"seller\"", line);
        let (messages, _) = place.messages();
        assert!(messages.iter().all(|message| message.contains("gateway.toml")), "{messages:#?}");
        place.edit(K, "id = \"key_other\"\n", "");
        let (messages, _) = place.messages();
        assert!(messages.iter().any(|message| message.contains("keys.toml")), "its own problems still show");
    }
}
