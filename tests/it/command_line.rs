//! The program as people and scripts meet it: what it prints, where, and with which exit code.
//!
//! Whatever is true of every command (exit codes, no secret shown, JSON alone on standard output, errors on standard
//! error) is checked by [`shell::Done`] on each of them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use clickbank_gateway::domain::secret::KeyDigest;

use crate::golden::assert_golden;

mod keys;
pub(crate) mod shell;
mod transcripts;

use shell::{Done, PLANTED, Shell};

const COMMANDS: [&[&str]; 23] = [
    &["init"],
    &["serve"],
    &["check"],
    &["health"],
    &["status"],
    &["reload"],
    &["changes"],
    &["demo"],
    &["simulate"],
    &["key"],
    &["key", "create"],
    &["key", "list"],
    &["key", "show"],
    &["key", "edit"],
    &["key", "regenerate"],
    &["key", "activate"],
    &["key", "deactivate"],
    &["key", "delete"],
    &["credential"],
    &["credential", "check"],
    &["matrix"],
    &["can-i"],
    &["endpoints"],
];

#[test]
fn every_command_has_help() {
    let shell = Shell::empty();
    let overview = shell.run(&["--help"]);
    assert_eq!(overview.code, 0);
    assert_golden("cli_help", &overview.out);
    for command in COMMANDS {
        assert!(overview.out.contains(&format!("\n  {} ", command[0])), "{command:?} stands in the overview");
        let help = shell.run(&[command, &["--help"]].concat());
        assert_eq!((help.code, help.err.as_str()), (0, ""), "{command:?}");
        assert_golden(&format!("cli_help_{}", command.join("_")), &help.out);
    }
    let listed =
        overview.out.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.trim().is_empty());
    for line in listed {
        let name = line.split_whitespace().next().unwrap();
        assert!(name == "help" || COMMANDS.iter().any(|command| command[0] == name), "`{name}` is not tested");
    }
}

#[test]
fn what_is_no_command_is_answered_with_2_and_a_hint() {
    let shell = Shell::empty();
    for (arguments, hint) in [
        (&["chek"][..], "'check'"),
        (&["check", "--without-secret"], "'--without-secrets'"),
        (&["check", "--output", "yaml"], "json"),
        (&["check", "--output", "csv"], "only `matrix` prints csv and markdown"),
        (&["key", "list", "--output", "markdown"], "only `matrix` prints csv and markdown"),
        (&["key", "edit", "storefront"], "nothing is to be changed; give --name"),
        (&["key", "regenerate", "storefront", "--now", "--overlap", "1h"], "cannot be used with"),
        (&["can-i", "billing"], "<METHOD>"),
        (&["key"], "create"),
        (&["demo", "--config", "x"], "reads no configuration"),
        (&["--config", "x", "init"], "reads no configuration"),
        (&["simulate", "--config=x"], "reads no configuration"),
        (&["demo", "--listen", "0.0.0.0:7310"], "loopback only"),
        (&["simulate", "--today", "yesterday"], "a date, such as 2026-"),
        (&["simulate", "--listen", "0.0.0.0:0"], "loopback only"),
        (&["health", "--address", "localhost"], "an IP address and a port"),
        (&["serve", "--drain-timeout", "3601"], "from 0 to 3600"),
        (&[], "Usage:"),
    ] {
        let done = shell.run(arguments);
        assert_eq!(done.code, 2, "{arguments:?}");
        assert!(done.err.contains(hint), "{arguments:?}: {}", done.err);
    }
}

#[test]
fn a_key_in_the_wrong_place_is_not_repeated() {
    let shell = Shell::with_example();
    for secret in ["cbgw_0123456789ABCDEFGHIJ0123456789ABCDEF", "API-0123456789ABCDEFGHIJ"] {
        let (cap, limit) = (format!("{secret}=1"), format!("refunds_per_hour={secret}"));
        let wrong: [&[&str]; 14] = [
            &[secret],
            &["can-i", secret, "GET", "/rest/1.3/orders2/list"],
            &["can-i", "storefront", secret, "/rest/1.3/orders2/list"],
            &["can-i", "storefront", "GET", secret],
            &["can-i", "storefront", "GET", "/rest/1.3/orders2/list", "--nickname", secret],
            &["matrix", "--key", secret],
            &["matrix", "--nickname", secret],
            &["key", "create", secret],
            &["key", "create", "app", "--grant", secret],
            &["key", "create", "app", "--cap", secret],
            &["key", "create", "app", "--cap", &cap],
            &["key", "create", "app", "--cap", &limit],
            &["key", "edit", "storefront", "--no-cap", secret],
            &["--config", secret, "check"],
        ];
        for arguments in wrong {
            let done = shell.run(arguments);
            assert_ne!(done.code, 0, "{arguments:?}");
            let shown = format!("{}{}", done.out, done.err);
            assert!(!shown.contains("0123456789"), "{arguments:?}: {shown}");
            assert!(!shown.is_empty());
        }
    }
    assert!(!shell.read("config/keys.toml").contains("0123456789ABCDEFGHIJ"));
}

#[test]
fn init_writes_a_configuration_that_checks_and_never_overwrites() {
    let shell = Shell::empty();
    let mut text = shell.transcript(&["init"]);
    let gateway = shell.read("config/gateway.toml");
    let mode = fs::metadata(shell.path("config/keys.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o022, 0, "nobody else may write it");
    text.push_str(&shell.transcript(&["check", "--without-secrets"]));
    text.push_str(&shell.transcript(&["check"]));
    fs::write(shell.path("config/keys.toml"), "# mine\n").unwrap();
    text.push_str(&shell.transcript(&["init"]));
    fs::remove_file(shell.path("config/gateway.toml")).unwrap();
    text.push_str(&shell.transcript(&["init"]));
    assert!(!shell.path("config/gateway.toml").exists(), "half a pair is not written either");
    assert_eq!(shell.read("config/keys.toml"), "# mine\n");
    // Not through a link that leads nowhere yet, either.
    fs::remove_file(shell.path("config/keys.toml")).unwrap();
    std::os::unix::fs::symlink(shell.path("target.toml"), shell.path("config/keys.toml")).unwrap();
    text.push_str(&shell.transcript(&["init"]));
    assert!(!shell.path("target.toml").exists());
    text.push_str(&shell.transcript(&["init", "elsewhere/deep"]));
    assert_eq!(shell.read("elsewhere/deep/gateway.toml"), gateway);
    fs::write(shell.path("file"), "").unwrap();
    text.push_str(&shell.transcript(&["init", "file"]));
    assert_golden("cli_init", &text);
}

#[test]
fn the_configuration_is_found_where_it_is_named() {
    let shell = Shell::with_example();
    fs::rename(shell.path("config"), shell.path("other")).unwrap();
    let mut text = shell.transcript(&["check"]);
    text.push_str(&shell.transcript(&["--config", "other/gateway.toml", "check"]));
    text.push_str(&shell.transcript(&["check", "--config", "none.toml"]));
    text.push_str(&shell.transcript(&["--config", "other", "check"]));
    assert_golden("cli_config", &text);
    let mut command = shell.command(&["check"]);
    assert_eq!(Done::of(command.env("CLICKBANK_GATEWAY_CONFIG", "other/gateway.toml")).code, 0);
    let mut command = shell.command(&["check"]);
    assert_eq!(Done::of(command.env("CLICKBANK_GATEWAY_CONFIG", "none.toml")).code, 2);
}

#[test]
fn check_says_yes_or_everything_that_is_wrong_and_which_clickbank_keys_are_missing() {
    let shell = Shell::with_example();
    let mut text = shell.transcript(&["check"]);
    text.push_str(&shell.transcript(&["check", "--output", "json"]));

    fs::set_permissions(shell.path("config/secrets/clickbank-acme"), fs::Permissions::from_mode(0o644)).unwrap();
    let keys = shell.read("config/keys.toml");
    let wider =
        keys.replacen("products = [\"acme\"]", "products = [\"acme\"]\nsubscription_modification = [\"acme\"]", 1);
    fs::write(shell.path("config/keys.toml"), wider).unwrap();
    text.push_str(&shell.transcript(&["check"]));
    text.push_str(&shell.transcript(&["check", "--output", "json"]));

    let gateway = shell.read("config/gateway.toml");
    let broken = gateway.replacen("127.0.0.1:7310", "0.0.0.0:7310", 1).replacen("acmeaff = \"affiliate\"", "", 1);
    fs::write(shell.path("config/gateway.toml"), broken).unwrap();
    text.push_str(&shell.transcript(&["check"]));
    text.push_str(&shell.transcript(&["check", "--without-secrets", "--output", "json"]));
    // Other commands refuse to answer from it.
    text.push_str(&shell.transcript(&["matrix"]));
    assert_golden("cli_check", &text);
}

#[test]
fn check_tells_what_callers_gain_and_lose_against_another_configuration() {
    let shell = Shell::with_example();
    fs::create_dir(shell.path("new")).unwrap();
    let (gateway, keys) = (shell.read("config/gateway.toml"), shell.read("config/keys.toml"));
    fs::write(shell.path("new/gateway.toml"), &gateway).unwrap();
    fs::write(shell.path("new/keys.toml"), &keys).unwrap();
    let against = ["--config", "new/gateway.toml", "check", "--without-secrets", "--against", "config/gateway.toml"];
    let mut text = shell.transcript(&against);
    // Another name, a grant more, a grant less, a key that is switched off, one that is gone and one that is new; and a
    // credential less, which takes away what is granted still.
    let names: Vec<&str> = keys
        .lines()
        .filter_map(|line| line.strip_prefix("[keys.")?.strip_suffix(']'))
        .filter(|it| !it.contains('.'))
        .collect();
    let mut changed = keys.replacen(&format!("[keys.{}", names[0]), "[keys.renamed", 2);
    changed =
        changed.replacen("products = [\"acme\"]\n", "", 1).replacen("status = \"active\"", "status = \"inactive\"", 1);
    changed = changed.replacen("[keys.renamed]\n", "[keys.renamed]\ncaps = { refunds_per_hour = 1 }\n", 1);
    let gone = changed.find("[keys.contractor]").unwrap();
    changed.truncate(gone);
    changed.push_str(
        "[keys.exporter]\nid = \"key_exporter\"\nstatus = \"active\"\n\
         digest = \"sha256:0000000000000000000000000000000000000000000000000000000000000010\"\n\n\
         [keys.exporter.grants]\nanalytics = \"all\"\norders_read = [\"acme\", \"acmeaff\"]\n",
    );
    fs::write(shell.path("new/keys.toml"), changed).unwrap();
    let acme_and_acmeaff = gateway.find("[credentials.acme-and-acmeaff]").unwrap();
    fs::write(shell.path("new/gateway.toml"), &gateway[..acme_and_acmeaff]).unwrap();
    text.push_str(&shell.transcript(&against));
    text.push_str(&shell.transcript(&[&against[..], &["--output", "json"]].concat()));
    fs::write(shell.path("config/keys.toml"), "x").unwrap();
    text.push_str(&shell.transcript(&against));
    assert_golden("cli_check_against", &text);
}

#[test]
fn behind_a_wide_credential_check_tells_what_is_in_the_way_and_can_i_what_is_done() {
    let shell = Shell::with_a_wide_credential();
    let mut text = shell.transcript(&["check", "--without-secrets"]);
    text.push_str(&shell.transcript(&["check", "--without-secrets", "--output", "json"]));
    let questions: [(&[&str], i32); 12] = [
        (&["billing", "GET", "/rest/1.3/orders2/list?startDate=2026-11-01&endDate=2026-11-20"], 0),
        (&["billing", "GET", "/rest/1.3/quickstats/list", "--output", "json"], 0),
        (&["billing", "GET", "/rest/1.3/orders2/ABCD1234"], 0),
        (&["billing", "HEAD", "/rest/1.3/orders2/ABCD1234"], 0),
        (&["billing", "GET", "/rest/1.3/tickets/4711", "--output", "json"], 0),
        (&["billing", "GET", "/rest/1.3/shipping2/list?receipt=ABCD1234"], 0),
        (&["zenith", "GET", "/rest/1.3/tickets/count"], 0),
        (&["billing", "GET", "/rest/1.3/tickets/count"], 1),
        (&["billing", "GET", "/rest/1.3/orders2/list?vendor=acme%25&role=VENDOR"], 1),
        (&["promo", "GET", "/rest/1.3/orders2/list"], 1),
        (&["both", "GET", "/rest/1.3/orders2/list"], 1),
        (&["both", "GET", "/rest/1.3/orders2/list", "--nickname", "zenith"], 0),
    ];
    for (arguments, code) in questions {
        let transcript = shell.transcript(&[&["can-i"], arguments].concat());
        assert!(transcript.ends_with(&format!("= {code}\n\n")), "{transcript}");
        text.push_str(&transcript);
    }
    assert_golden("cli_wide", &text);
}

#[test]
fn a_created_key_is_shown_once_and_only_its_digest_is_stored() {
    let shell = Shell::with_example();
    let before = shell.read("config/keys.toml");
    let done = shell.run(&["key", "create", "app", "--grant", "orders_read=Acme,acmeaff", "--grant", "analytics=all"]);
    assert_eq!(done.code, 0, "{done:?}");
    let key = done.out.trim_end();
    assert_eq!(done.out, format!("{key}\n"), "nothing but the key");
    assert!(key.len() == 41 && !done.err.contains(key), "{done:?}");
    let after = shell.read("config/keys.toml");
    let added = after.strip_prefix(&before).expect("what was there stays as it was");
    assert!(added.contains(&KeyDigest::of(key.as_bytes()).to_string()), "its digest is stored");
    assert!(!after.contains(key), "the key itself is not");
    assert!(added.contains("orders_read = [\"acme\", \"acmeaff\"]\nanalytics = \"all\"\n"), "{added}");

    let done = shell.run(&["key", "create", "second", "--output", "json"]);
    let json = done.json();
    assert_eq!(json["name"], "second");
    let key = json["key"].as_str().unwrap();
    assert!(shell.read("config/keys.toml").contains(&KeyDigest::of(key.as_bytes()).to_string()));
    assert!(json["id"].as_str().unwrap().starts_with("key_"));
    assert_eq!(json["keys_file"], "config/keys.toml");
    assert!(done.err.contains("it may do nothing yet"), "{}", done.err);
    assert_eq!(shell.run(&["can-i", "app", "GET", "/rest/1.3/orders2/list"]).code, 0);
    assert_eq!(shell.run(&["check"]).code, 0);
}

/// The digest that the example has for `storefront`.
const STOREFRONTS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000002";

#[test]
fn key_create_refuses_what_is_wrong_and_changes_nothing() {
    let shell = Shell::with_example();
    let before = shell.read("config/keys.toml");
    let mut text = shell.transcript(&["key", "create", "storefront", "--grant", "products=acme"]);
    let wrong: [&[&str]; 24] = [
        &["key", "create", "app", "--note", ""],
        &["key", "create", "app", "--note", "two\nlines"],
        &["key", "create", "app", "--note", "API-0123456789ABCDEFGHIJ"],
        &["key", "create", "app", "--digest", "cbgw_0123456789ABCDEFGHIJ0123456789ABCDEF"],
        &["key", "create", "app", "--digest", "sha256:00"],
        &["key", "create", "app", "--digest", STOREFRONTS],
        &["key", "create", "app", "--output", "csv"],
        &["key", "create", "bad name"],
        &["key", "create", "app", "--grant", "orders_read"],
        &["key", "create", "app", "--grant", "orders_read="],
        &["key", "create", "app", "--grant", "orders_read=acme,,acmeaff"],
        &["key", "create", "app", "--grant", "order_read=acme"],
        &["key", "create", "app", "--grant", "refunds=acme"],
        &["key", "create", "app", "--grant", "orders_read=acme", "--grant", "orders_read=acmeaff"],
        &["key", "create", "app", "--grant", "orders_read=acmee"],
        &["key", "create", "app", "--grant", "orders_read=acme,ACME"],
        &["key", "create", "app", "--grant", "orders_read=acme,all"],
        &["key", "create", "app", "--grant", "products=acmeaff"],
        &["key", "create", "app", "--expires", "tomorrow"],
        &["key", "create", "app", "--expires", "2020-01-01"],
        &["key", "create", "app", "--expires", "2099-02-30"],
        &["key", "create", "app", "--expires-in", "3 weeks"],
        &["key", "create", "app", "--expires-in", "0d"],
        &["key", "create", "app", "--expires", "2099-01-01", "--expires-in", "1d"],
    ];
    for arguments in wrong {
        let transcript = shell.transcript(arguments);
        assert!(transcript.ends_with("= 2\n\n"), "{transcript}");
        text.push_str(&transcript);
    }
    assert_eq!(shell.read("config/keys.toml"), before);
    assert_golden("cli_key_create_refuses", &text);
}

#[test]
fn an_expiry_is_a_date_a_time_or_a_duration() {
    let shell = Shell::with_example();
    for (name, arguments, stored) in [
        ("a", ["--expires", "2099-11-22"], Some("expires = 2099-11-22T00:00:00Z")),
        ("b", ["--expires", "2099-11-22T13:00:00Z"], Some("expires = 2099-11-22T13:00:00Z")),
        ("c", ["--expires", "2099-11-22T13:00:00+02:00"], Some("expires = 2099-11-22T11:00:00Z")),
        ("d", ["--expires-in", "90d"], None),
        ("e", ["--expires-in", "24h"], None),
    ] {
        let done = shell.run(&[&["key", "create", name], &arguments[..]].concat());
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.err);
        let text = shell.read("config/keys.toml");
        let (_, table) = text.split_once(&format!("[keys.{name}]")).unwrap();
        assert!(table.contains(stored.unwrap_or("expires = ")), "{table}");
    }
    let listed = shell.run(&["key", "list", "--output", "json"]).json();
    let expiring = listed.as_array().unwrap().iter().filter(|key| key["expires"].is_string());
    assert_eq!(expiring.count(), 6);
}

#[test]
fn a_key_file_that_cannot_be_written_stays_as_it_was() {
    let shell = Shell::with_example();
    let before = shell.read("config/keys.toml");
    // A disk that is full, as far as the program can tell; the superuser's writes fail too.
    let mut command = Command::new("/bin/sh");
    command.args([
        "-c",
        "trap '' XFSZ; ulimit -f 0; exec \"$0\" key create app",
        env!("CARGO_BIN_EXE_clickbank-gateway"),
    ]);
    command.current_dir(shell.path("")).env_clear();
    let output = command.output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("keys.toml was not changed"), "{err}");
    assert!(output.stdout.is_empty(), "no key is shown that does not work");
    assert_eq!(shell.read("config/keys.toml"), before);
    assert_eq!(fs::read_dir(shell.path("config")).unwrap().count(), 3, "no temporary file is left");
}

#[test]
fn a_key_that_nobody_saw_is_reported() {
    let shell = Shell::with_example();
    for format in ["text", "json"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let name = format!("lost-{format}");
        let mut command = shell.command(&["key", "create", &name, "--output", format]);
        let output = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains("its key could not be shown; delete it") && !err.contains("cbgw_"), "{err}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let shell = Shell::with_example();
    let commands: [&[&str]; 8] = [
        &["endpoints"],
        &["endpoints", "--output", "json"],
        &["matrix"],
        &["matrix", "--output", "csv"],
        &["key", "list"],
        &["key", "show", "storefront"],
        &["check"],
        &["--help"],
    ];
    for arguments in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = shell.command(arguments);
        let output = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments:?}");
    }
}

#[test]
fn keys_are_listed_with_their_state() {
    let shell = Shell::with_example();
    let mut text = shell.transcript(&["key", "list"]);
    text.push_str(&shell.transcript(&["key", "list", "--output", "json"]));
    fs::write(shell.path("config/keys.toml"), "").unwrap();
    text.push_str(&shell.transcript(&["key", "list"]));
    text.push_str(&shell.transcript(&["key", "list", "--output", "json"]));
    assert_golden("cli_key_list", &text);
}

#[test]
fn the_matrix_is_shown_whole_and_filtered() {
    let shell = Shell::with_example();
    let mut text = String::new();
    let keys = shell.read("config/keys.toml");
    let ends = "digest = \"sha256:0000000000000000000000000000000000000000000000000000000000000002\"";
    let previous = "previous = { digest = \"sha256:0000000000000000000000000000000000000000000000000000000000000008\", \
                    until = 2098-01-02T03:04:05Z }";
    let keys = keys.replacen(ends, &format!("expires = 2099-11-22T00:00:00Z\n{ends}\n{previous}"), 1);
    fs::write(shell.path("config/keys.toml"), keys).unwrap();
    let questions: [&[&str]; 22] = [
        &["matrix", "--output", "csv"],
        &["matrix", "--output", "markdown"],
        &["matrix", "--nickname", "acme", "--permission", "products"],
        &["matrix", "--nickname", "acme", "--permission", "orders_read"],
        &["matrix", "--nickname", "acme", "--permission", "orders_read", "--key", "contractor"],
        &["matrix", "--nickname", "acme", "--permission", "orders_write"],
        &["matrix", "--nickname", "acme", "--permission", "orders_write", "--key", "storefront"],
        &["matrix", "--nickname", "acme", "--permission", "orders_write", "--output", "csv"],
        &["matrix", "--nickname", "acme", "--permission", "orders_write", "--output", "markdown"],
        &["matrix", "--nickname", "acme", "--permission", "orders_write", "--output", "json"],
        &["matrix"],
        &["matrix", "--key", "storefront"],
        &["matrix", "--key", "key_2h8w5r1p0s4d7f9g3j6k"],
        &["matrix", "--nickname", "AcmeAff"],
        &["matrix", "--permission", "orders_read"],
        &["matrix", "--key", "billing-dashboard", "--nickname", "acme", "--permission", "analytics"],
        &["matrix", "--key", "storefront", "--output", "json"],
        &["matrix", "--key", "old-importer"],
        &["matrix", "--key", "old-importer", "--output", "json"],
        &["matrix", "--key", "storefornt"],
        &["matrix", "--nickname", "acmeafff"],
        &["matrix", "--permission", "products_read"],
    ];
    for arguments in questions {
        text.push_str(&shell.transcript(arguments));
    }
    assert_golden("cli_matrix", &text);
}

#[test]
fn can_i_answers_yes_no_or_not_at_all() {
    let shell = Shell::with_example();
    let mut text = String::new();
    let questions: [(&[&str], i32); 19] = [
        (&["billing-dashboard", "GET", "/rest/1.3/orders2/list"], 0),
        (&["key_7q2mx4c0v9k3n8b5t1z6", "GET", "/rest/1.3/orders2/count?vendor=acme"], 0),
        (&["storefront", "GET", "/rest/1.3/products/list?site=acme"], 0),
        (&["storefront", "GET", "/@acme/rest/1.3/products/list?site=acme"], 0),
        (&["storefront", "GET", "/rest/1.3/orders2/schema"], 0),
        (&["billing-dashboard", "GET", "/rest/1.3/orders2/list", "--output", "json"], 0),
        (&["storefront", "GET", "/rest/1.3/orders2/list"], 1),
        (&["storefront", "GET", "/rest/1.3/orders2/list", "--output", "json"], 1),
        (&["storefront", "GET", "/rest/1.3/products/list?site=acmeaff"], 1),
        (&["storefront", "GET", "/rest/1.3/products/list"], 1),
        (&["storefront", "GET", "/rest/1.3/products/list?site=acme", "--nickname", "acmee"], 1),
        (&["storefront", "POST", "/rest/1.3/products/list?site=acme"], 1),
        (&["storefront", "GET", "/rest/1.3/product/list"], 1),
        (&["storefront", "GET", "https://api.clickbank.com/rest/1.3/products/list?site=acme"], 1),
        (&["storefront", "GET", "/rest/1.3/debug"], 1),
        (&["old-importer", "GET", "/rest/1.3/products/list?site=acme"], 1),
        (&["contractor", "GET", "/rest/1.3/orders2/list"], 1),
        (&["storefornt", "GET", "/rest/1.3/products/list?site=acme"], 2),
        (&["nobody-like-it", "GET", "/rest/1.3/products/list?site=acme", "--output", "json"], 2),
    ];
    for (arguments, code) in questions {
        let transcript = shell.transcript(&[&["can-i"], arguments].concat());
        assert!(transcript.ends_with(&format!("= {code}\n\n")), "{transcript}");
        text.push_str(&transcript);
    }
    assert_golden("cli_can_i", &text);
}

#[test]
fn endpoints_are_listed_with_and_without_a_configuration() {
    let shell = Shell::empty();
    let list = shell.run(&["endpoints"]);
    let json = shell.run(&["endpoints", "--output", "json"]).json();
    let names: Vec<&str> = json.as_array().unwrap().iter().map(|endpoint| endpoint["id"].as_str().unwrap()).collect();
    assert_eq!(list.out.lines().count(), names.len() + 1, "a heading and a line each");
    for (line, name) in list.out.lines().skip(1).zip(&names) {
        assert!(line.starts_with(&format!("{name} ")), "{line}");
    }
    assert!(list.out.lines().all(|line| line == line.trim_end()));
    let mut text = shell.transcript(&["endpoints", "products.list"]);
    text.push_str(&shell.transcript(&["endpoints", "orders2.status"]));
    text.push_str(&shell.transcript(&["endpoints", "products.list", "--output", "json"]));
    text.push_str(&shell.transcript(&["endpoints", "orders2.lits"]));
    text.push_str(&shell.transcript(&["endpoints", "refunds"]));
    text.push_str(&shell.transcript(&["--config", "none.toml", "endpoints"]));

    let shell = Shell::with_example();
    let gateway = shell.read("config/gateway.toml");
    let added = "\n[[endpoint]]\nid = \"orders2.notes\"\nmethod = \"GET\"\npath = \"/rest/1.3/orders2/{receipt}/notes\"\n\
                 permissions = [\"orders_read\"]\n";
    fs::write(shell.path("config/gateway.toml"), gateway + added).unwrap();
    text.push_str(&shell.transcript(&["endpoints", "orders2.notes"]));
    assert_eq!(shell.run(&["endpoints"]).out.lines().count(), names.len() + 2);
    assert_golden("cli_endpoints", &text);
}

/// Answers one request with these bytes, then is gone.
fn answer_once(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        assert!(request.starts_with(b"GET /readyz HTTP/1.1\r\n"));
        stream.write_all(answer.as_bytes()).unwrap();
    });
    address
}

#[test]
fn health_is_0_when_ready_and_1_when_not_or_when_nobody_is_there() {
    let shell = Shell::with_example();
    for (answer, code, said) in [
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nready", 0, "ready"),
        ("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\ndraining", 1, "draining"),
        ("HTTP/1.1 2000 OK\r\n\r\n", 1, "not a gateway"),
        ("\u{1b}[31mSMTP ready\r\n", 1, "not a gateway"),
        ("", 1, "not a gateway"),
    ] {
        let done = shell.run(&["health", "--address", &answer_once(answer)]);
        assert_eq!(done.code, code, "{answer:?}: {done:?}");
        assert!(done.out.contains(said), "{answer:?}: {done:?}");
    }
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let done = shell.run(&["health", "--address", &address]);
    assert_eq!((done.code, done.out.as_str()), (1, ""));
    assert!(done.err.contains(&format!("no gateway answers at {address}")), "{}", done.err);
    // The address of the configuration.
    let gateway = shell.read("config/gateway.toml").replace("127.0.0.1:7311", &address);
    fs::write(shell.path("config/gateway.toml"), gateway).unwrap();
    let done = shell.run(&["health"]);
    assert!(done.code == 1 && done.err.contains(&address), "{done:?}");
    assert_eq!(shell.run(&["health", "--address", "localhost:7311"]).code, 2);
}

#[test]
fn the_checks_of_every_command_can_fail() {
    let shell = Shell::with_example();
    let secret = shell.read("config/secrets/clickbank-acme");
    assert!(secret.contains(PLANTED[0]), "the planted secret is there to be shown");
    assert_eq!(shell.run(&["check"]).code, 0, "and it is read");
}
