//! The commands that change one key: what they print, what they write, and what they refuse.

use std::fs;
use std::process::Command;

use clickbank_gateway::domain::secret::KeyDigest;
use jiff::{SignedDuration, Timestamp};

use super::shell::{Done, Shell};
use crate::golden::assert_golden;

/// The transcripts of some commands, each of which has to end with this exit code.
fn transcripts(shell: &Shell, commands: &[(&[&str], i32)]) -> String {
    let mut text = String::new();
    for (arguments, code) in commands {
        let transcript = shell.transcript(arguments);
        assert!(transcript.ends_with(&format!("= {code}\n\n")), "{transcript}");
        text.push_str(&transcript);
    }
    text
}

/// The tables of one key, as they stand in the file.
fn tables(shell: &Shell, name: &str) -> String {
    let text = shell.read("config/keys.toml");
    let (_, tables) = text.split_once(&format!("[keys.{name}]")).unwrap_or_else(|| panic!("{name} is not in {text}"));
    let end = tables
        .match_indices("\n[keys.")
        .map(|(at, _)| at)
        .find(|at| !tables[at + 1..].starts_with(&format!("[keys.{name}.")))
        .unwrap_or(tables.len());
    tables[..end].to_owned()
}

#[test]
fn a_key_is_created_with_all_that_it_can_have() {
    let shell = Shell::with_example();
    let text = transcripts(
        &shell,
        &[
            (&["key", "create", "app", "--grant", "orders_read=acme,acmeaff", "--grant", "analytics=all"], 0),
            (&["key", "create", "later", "--expires", "2099-11-22", "--note", "Marta's, ticket 17", "--inactive"], 0),
            (&["key", "create", "json", "--grant", "products=acme", "--output", "json"], 0),
            (&["key", "create", "moved", "--digest", MOVED, "--grant", "products=acme"], 0),
            (&["key", "create", "again", "--digest", MOVED], 2),
            (&["key", "list"], 0),
        ],
    );
    // The days on which they were made.
    let today = Timestamp::now().to_string();
    assert_golden("cli_key_create", &text.replace(&today[..10], "<today...>"));
    assert!(tables(&shell, "later").contains("note = \"Marta's, ticket 17\"\n"));
    assert!(tables(&shell, "later").contains("status = \"inactive\"\n"));
    assert!(tables(&shell, "moved").contains(MOVED));
}

const MOVED: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";

#[test]
fn all_about_a_key_is_shown() {
    let shell = Shell::with_example();
    let keys = shell.read("config/keys.toml").replacen(
        "status = \"active\"",
        "status = \"active\"\nnote = \"Marta's\"\nregenerated = 2026-11-01T00:00:00Z\nexpires = 2099-01-01T00:00:00Z\n\
         previous = { digest = \"sha256:0000000000000000000000000000000000000000000000000000000000000007\", \
         until = 2098-12-31T00:00:00Z }",
        1,
    );
    fs::write(shell.path("config/keys.toml"), keys).unwrap();
    let text = transcripts(
        &shell,
        &[
            (&["key", "show", "billing-dashboard"], 0),
            (&["key", "show", "key_7q2mx4c0v9k3n8b5t1z6", "--output", "json"], 0),
            (&["key", "show", "old-importer"], 0),
            (&["key", "show", "old-importer", "--output", "json"], 0),
            (&["key", "show", "contractor"], 0),
            (&["key", "show", "storefornt"], 2),
            (&["key", "show"], 2),
            (&["key", "show", "storefront", "--output", "markdown"], 2),
        ],
    );
    assert_golden("cli_key_show", &text);
}

#[test]
fn what_a_key_may_change_is_bounded_and_shown() {
    let shell = Shell::with_example();
    let create = ["--grant", "orders_write=acme", "--cap", "changes_per_hour=200", "--cap", "refunds_per_hour=1"];
    let key = ["key", "create", "support", "--digest", MOVED];
    assert_eq!(shell.run(&[&key[..], &create].concat()).code, 0);
    let gateway = shell.read("config/gateway.toml").replace("\n# [caps.acme]\n# ", "\n[caps.acme]\n");
    let gateway = gateway.replacen("orders_read = [\"acme\"]\n", "orders_write = [\"acme\"]\n", 1);
    fs::write(shell.path("config/gateway.toml"), gateway).unwrap();
    let refund = "/rest/1.3/tickets/ABCD1234?type=rfnd&reason=ticket.type.refund.7";
    let text = transcripts(
        &shell,
        &[
            (&["key", "edit", "support", "--cap", "refunded_usd_per_hour=0.5", "--no-cap", "changes_per_hour"], 0),
            (&["key", "show", "support"], 0),
            (&["key", "show", "support", "--output", "json"], 0),
            (&["can-i", "support", "POST", refund], 0),
            (&["can-i", "billing-dashboard", "GET", "/rest/1.3/orders2/ABCD1234"], 0),
            (&["key", "edit", "support", "--cap", "refunded_usd_per_hour=0.50"], 0),
        ],
    );
    let tables = tables(&shell, "support");
    let (_, tables) = tables.split_once("digest").unwrap();
    assert_golden("cli_caps", &format!("{text}\n{tables}"));
}

#[test]
fn a_key_is_edited_in_one_writing() {
    let shell = Shell::with_example();
    let before = shell.read("config/keys.toml");
    let text = transcripts(
        &shell,
        &[
            (
                &[
                    "key",
                    "edit",
                    "storefront",
                    "--name",
                    "shop",
                    "--grant",
                    "orders_write=acme",
                    "--grant",
                    "analytics=all",
                    "--expires",
                    "2099-11-22",
                    "--note",
                    "Marta's",
                ],
                0,
            ),
            (&["key", "show", "shop"], 0),
            (&["key", "edit", "shop", "--grant", "orders_write=acme,acmeaff", "--revoke", "products=acme"], 0),
            (&["key", "edit", "shop", "--revoke", "analytics", "--grant", "analytics=acme", "--no-note"], 0),
            (&["key", "edit", "shop", "--revoke", "orders_write", "--no-expiry", "--output", "json"], 0),
            (&["key", "edit", "shop", "--grant", "analytics=acme", "--no-expiry", "--name", "shop"], 0),
            (&["key", "edit", "shop", "--no-note", "--output", "json"], 0),
            (&["key", "edit", "contractor", "--no-expiry"], 0),
            (&["key", "edit", "old-importer", "--grant", "products=acme"], 0),
        ],
    );
    assert_golden("cli_key_edit", &text);
    let after = shell.read("config/keys.toml");
    assert!(tables(&shell, "shop").starts_with("\nid = \"key_2h8w5r1p0s4d7f9g3j6k\""), "the id stays: {after}");
    let others = |text: &str| text[..text.find("[keys.storefront]").or(text.find("[keys.shop]")).unwrap()].to_owned();
    assert_eq!(others(&before), others(&after));
}

#[test]
fn an_edit_that_is_wrong_in_one_point_changes_nothing() {
    let shell = Shell::with_example();
    let before = shell.read("config/keys.toml");
    let text = transcripts(
        &shell,
        &[
            (&["key", "edit", "storefront"], 2),
            (&["key", "edit", "storefornt", "--note", "x"], 2),
            (&["key", "edit", "storefront", "--note", "x", "--name", "contractor"], 2),
            (&["key", "edit", "storefront", "--name", "a b"], 2),
            (&["key", "edit", "storefront", "--note", "x", "--revoke", "analytics"], 2),
            (&["key", "edit", "storefront", "--note", "x", "--revoke", "products=acmee"], 2),
            (&["key", "edit", "storefront", "--revoke", "products=zenith"], 2),
            (&["key", "edit", "storefront", "--revoke", "products=all"], 2),
            (&["key", "edit", "storefront", "--revoke", "products", "--revoke", "products=acme"], 2),
            (&["key", "edit", "storefront", "--revoke", "product"], 2),
            (&["key", "edit", "storefront", "--revoke", "products="], 2),
            (&["key", "edit", "billing-dashboard", "--revoke", "analytics=acme"], 2),
            (&["key", "edit", "billing-dashboard", "--grant", "analytics=acme"], 2),
            (&["key", "edit", "storefront", "--note", "x", "--grant", "products=acmeaff"], 2),
            (&["key", "edit", "storefront", "--note", "x", "--grant", "products=acmee"], 2),
            (&["key", "edit", "storefront", "--note", "x", "--expires", "2020-01-01"], 2),
            (&["key", "edit", "storefront", "--expires", "2099-01-01", "--no-expiry"], 2),
            (&["key", "edit", "storefront", "--note", "x", "--no-note"], 2),
            (&["key", "edit", "storefront", "--note", "cbgw_0123456789ABCDEFGHIJ0123456789ABCDEF"], 2),
            (&["key", "edit", "storefront", "--cap", "refunds_per_hour"], 2),
            (&["key", "edit", "storefront", "--cap", "refunds_per_hour=many"], 2),
            (&["key", "edit", "storefront", "--cap", "refunded_usd_per_hour=5,00"], 2),
            (&["key", "edit", "storefront", "--cap", "refund_per_hour=1"], 2),
            (&["key", "edit", "storefront", "--cap", "refunds_per_hour=1", "--cap", "refunds_per_hour=2"], 2),
            (&["key", "edit", "storefront", "--cap", "refunds_per_hour=1", "--no-cap", "refunds_per_hour"], 2),
            (&["key", "edit", "storefront", "--no-cap", "refunds_per_hour"], 2),
        ],
    );
    assert_golden("cli_key_edit_refuses", &text);
    assert_eq!(shell.read("config/keys.toml"), before);
    let granted = shell.run(&["key", "edit", "old-importer", "--grant", "orders_write=acme"]);
    assert_eq!(granted.code, 0, "{granted:?}");
    let included = shell.run(&["key", "edit", "old-importer", "--revoke", "orders_read"]);
    assert!(included.code == 2 && included.err.contains("comes with orders_write"), "{included:?}");
}

#[test]
fn an_end_that_moves_up_ends_the_overlap_too() {
    let shell = Shell::with_example();
    assert_eq!(shell.run(&["key", "regenerate", "storefront", "--overlap", "30d"]).code, 0);
    let done = shell.run(&["key", "edit", "storefront", "--expires-in", "1d"]);
    assert_eq!(done.code, 0, "{done:?}");
    let shown = shell.run(&["key", "show", "storefront", "--output", "json"]).json();
    assert_eq!(shown["overlap_until"], shown["expires"]);
    let (_, until) = tables(&shell, "storefront").split_once("until = ").map(|(a, b)| (a.len(), b.to_owned())).unwrap();
    assert!(until.starts_with(shown["expires"].as_str().unwrap()), "{until}");
}

/// Whether a key's text counts, as far as the file says.
fn counts(shell: &Shell, key: &str, at: Timestamp) -> bool {
    let file = shell.path("config/gateway.toml");
    let (config, _) = clickbank_gateway::config::load(&file, clickbank_gateway::config::Secrets::Skip).unwrap();
    config.snapshot.keys.identify(&KeyDigest::of(key.as_bytes()), at).is_ok()
}

#[test]
fn a_regenerated_key_and_the_one_before_count_side_by_side_for_a_while() {
    let shell = Shell::with_example();
    let made = |arguments: &[&str]| {
        let done = shell.run(arguments);
        assert_eq!(done.code, 0, "{done:?}");
        done.out.trim_end().to_owned()
    };
    let now = Timestamp::now();
    let later = |hours: i64| now + SignedDuration::from_hours(hours);
    let first = made(&["key", "create", "app", "--grant", "products=acme", "--expires-in", "10d"]);
    let second = made(&["key", "regenerate", "app"]);
    for (key, hours, expected) in
        [(&first, 0, true), (&first, 23, true), (&first, 25, false), (&second, 25, true), (&second, 24 * 10 + 1, false)]
    {
        assert_eq!(counts(&shell, key, later(hours)), expected, "in {hours} hours");
    }
    // A second time during the overlap: the one before the last stops at once.
    let third = made(&["key", "regenerate", "app", "--overlap", "2h"]);
    assert!(!counts(&shell, &first, now));
    assert!(counts(&shell, &second, later(1)) && !counts(&shell, &second, later(3)));
    assert!(counts(&shell, &third, later(3)));
    // Never beyond the key's own end.
    let fourth = made(&["key", "regenerate", "app", "--overlap", "30d"]);
    let shown = shell.run(&["key", "show", "app", "--output", "json"]).json();
    assert_eq!(shown["overlap_until"], shown["expires"]);
    // All but the new one stop at once.
    let fifth = made(&["key", "regenerate", "app", "--now"]);
    assert!(!counts(&shell, &third, now) && !counts(&shell, &fourth, now) && counts(&shell, &fifth, now));
    assert!(!tables(&shell, "app").contains("previous"));
    // Switched off, both stop; and what was switched off comes back only if somebody says so.
    let sixth = made(&["key", "regenerate", "app"]);
    made(&["key", "deactivate", "app"]);
    assert!(!counts(&shell, &fifth, now) && !counts(&shell, &sixth, now));
    let seventh = made(&["key", "regenerate", "app"]);
    made(&["key", "activate", "app"]);
    assert!(!counts(&shell, &sixth, now) && counts(&shell, &seventh, now));
    made(&["key", "deactivate", "app"]);
    made(&["key", "regenerate", "app", "--overlap", "1h"]);
    made(&["key", "activate", "app"]);
    assert!(counts(&shell, &seventh, now));
    assert_eq!(shell.run(&["check", "--without-secrets"]).code, 0);
}

#[test]
fn regenerating_says_what_becomes_of_both() {
    let shell = Shell::with_example();
    let text = transcripts(
        &shell,
        &[
            (&["key", "regenerate", "storefront"], 0),
            (&["key", "regenerate", "storefront", "--overlap", "7d"], 0),
            (&["key", "regenerate", "key_2h8w5r1p0s4d7f9g3j6k", "--now", "--output", "json"], 0),
            (&["key", "regenerate", "storefront", "--overlap", "0s"], 0),
            (&["key", "regenerate", "old-importer"], 0),
            (&["key", "regenerate", "old-importer", "--overlap", "1h"], 0),
            (&["key", "regenerate", "contractor"], 0),
            (&["key", "regenerate", "storefornt"], 2),
            (&["key", "regenerate", "storefront", "--overlap", "a day"], 2),
            (&["key", "regenerate", "storefront", "--overlap", "99999999999d"], 2),
            (&["key", "regenerate", "storefront", "--overlap", "1h", "--now"], 2),
        ],
    );
    assert_golden("cli_key_regenerate", &text);
}

#[test]
fn a_key_is_switched_off_and_on_and_only_if_it_was_not() {
    let shell = Shell::with_example();
    let before = shell.read("config/keys.toml");
    let mut text = transcripts(
        &shell,
        &[
            (&["key", "activate", "storefront"], 0),
            (&["key", "deactivate", "old-importer", "--output", "json"], 0),
            (&["key", "activate", "storefornt"], 2),
            (&["key", "deactivate", "storefornt"], 2),
            (&["key", "activate"], 2),
        ],
    );
    assert_eq!(shell.read("config/keys.toml"), before);
    text.push_str(&transcripts(
        &shell,
        &[
            (&["key", "deactivate", "storefront"], 0),
            (&["key", "activate", "storefront", "--output", "json"], 0),
            (&["key", "deactivate", "contractor"], 0),
            (&["key", "activate", "contractor"], 0),
        ],
    ));
    assert_eq!(shell.read("config/keys.toml"), before, "back and forth leaves no trace");
    assert_eq!(shell.run(&["key", "regenerate", "storefront"]).code, 0);
    text.push_str(&transcripts(
        &shell,
        &[(&["key", "deactivate", "storefront"], 0), (&["key", "activate", "storefront"], 0)],
    ));
    assert_golden("cli_key_switch", &text);
}

#[test]
fn a_key_is_deleted_for_good() {
    let shell = Shell::with_example();
    let before = shell.read("config/keys.toml");
    let mut text = transcripts(
        &shell,
        &[
            (&["key", "delete", "storefront"], 2),
            (&["key", "delete", "storefornt", "--yes"], 2),
            (&["key", "delete", "storefornt"], 2),
            (&["key", "delete", "--yes"], 2),
        ],
    );
    assert_eq!(shell.read("config/keys.toml"), before);
    text.push_str(&transcripts(
        &shell,
        &[
            (&["key", "delete", "storefront", "--yes"], 0),
            (&["key", "delete", "key_7q2mx4c0v9k3n8b5t1z6", "--yes", "--output", "json"], 0),
            (&["key", "show", "storefront"], 2),
            (&["key", "list"], 0),
        ],
    ));
    assert_golden("cli_key_delete", &text);
    assert!(shell.read("config/keys.toml").starts_with("# Keys of this gateway"), "the file's own comment stays");
}

/// What `key delete storefront` says on a terminal when this is typed, and its exit code.
fn typed(shell: &Shell, answer: &str) -> (String, i32) {
    let script = "import os, pty, sys\n\
                  pid, terminal = pty.fork()\n\
                  if pid == 0: os.execv(sys.argv[1], [sys.argv[1], 'key', 'delete', 'storefront'])\n\
                  said = b''\n\
                  while b'confirm: ' not in said: said += os.read(terminal, 1024)\n\
                  os.write(terminal, sys.argv[2].encode() + b'\\n')\n\
                  try:\n\
                  \twhile True:\n\
                  \t\tmore = os.read(terminal, 1024)\n\
                  \t\tif not more: break\n\
                  \t\tsaid += more\n\
                  except OSError: pass\n\
                  sys.stdout.write(said.decode())\n\
                  sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let mut python = Command::new("python3");
    python.args(["-c", script, env!("CARGO_BIN_EXE_clickbank-gateway"), answer]).current_dir(shell.path(""));
    let output = python.env_remove("CLICKBANK_GATEWAY_CONFIG").env("NO_COLOR", "1").output().unwrap();
    (String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n"), output.status.code().unwrap())
}

#[test]
fn a_deletion_is_confirmed_with_the_name() {
    let shell = Shell::with_example();
    let before = shell.read("config/keys.toml");
    for wrong in ["y", "", "storefron", "key_2h8w5r1p0s4d7f9g3j6k"] {
        let (said, code) = typed(&shell, wrong);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("nothing was deleted"), "{said}");
    }
    assert_eq!(shell.read("config/keys.toml"), before);
    let (said, code) = typed(&shell, "storefront");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("for good") && said.contains("deleted storefront"), "{said}");
    assert!(!shell.read("config/keys.toml").contains("storefront"));
}

#[test]
fn where_the_file_cannot_be_written_the_edit_is_shown() {
    let shell = Shell::with_example();
    let before = shell.read("config/keys.toml");
    let mut text = String::new();
    let commands: [&[&str]; 7] = [
        &["key", "create", "app", "--grant", "products=acme"],
        &["key", "regenerate", "storefront"],
        &["key", "edit", "billing-dashboard", "--revoke", "orders_read=acmeaff"],
        &["key", "edit", "storefront", "--note", "x", "--output", "json"],
        &["key", "deactivate", "storefront"],
        &["key", "delete", "old-importer", "--yes"],
        &["key", "activate", "storefront"],
    ];
    for arguments in commands {
        text.push_str(&shell.transcript_of(&mut shell.command_without_writing(arguments)));
        assert_eq!(shell.read("config/keys.toml"), before);
    }
    // The digests of new keys.
    let mut steady = String::new();
    for part in text.split_inclusive(char::is_whitespace) {
        let new = part.starts_with("\"sha256:") && !part.starts_with("\"sha256:00000000");
        steady.push_str(&if new {
            part.replace(part.trim_end().trim_matches([',', '"']), "sha256:NEW")
        } else {
            part.to_owned()
        });
    }
    assert_golden("cli_key_read_only", &steady);

    // What is shown is an edit that `patch` and `git apply` can make, and the key with it counts afterwards.
    let done = Done::of(&mut shell.command_without_writing(&["key", "create", "app", "--grant", "products=acme"]));
    fs::set_permissions(shell.path("config"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(shell.path("edit"), &done.out).unwrap();
    let applied = Command::new("git").args(["apply", "-p0", "edit"]).current_dir(shell.path("")).output();
    if let Ok(output) = applied {
        assert!(output.status.success(), "{output:?}\n{}", done.out);
        assert!(counts(&shell, done.out.lines().next().unwrap(), Timestamp::now()));
    }
}

#[test]
fn a_secret_in_a_comment_is_not_shown_with_the_edit() {
    let shell = Shell::with_example();
    let keys = shell.read("config/keys.toml").replace("\n[keys.storefront]", "\n# cbgw_0123456789\n[keys.storefront]");
    fs::write(shell.path("config/keys.toml"), keys).unwrap();
    let done = Done::of(&mut shell.command_without_writing(&["key", "deactivate", "storefront"]));
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.out.contains("# cbgw_***"), "{done:?}");
    fs::set_permissions(shell.path("config"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_key_in_the_place_of_a_name_is_not_repeated_by_any_command() {
    let shell = Shell::with_example();
    for secret in ["cbgw_0123456789ABCDEFGHIJ0123456789ABCDEF", "API-0123456789ABCDEFGHIJ"] {
        let wrong: [&[&str]; 11] = [
            &["key", "show", secret],
            &["key", "edit", secret, "--no-note"],
            &["key", "edit", "storefront", "--name", secret],
            &["key", "edit", "storefront", "--grant", secret],
            &["key", "edit", "storefront", "--revoke", secret],
            &["key", "edit", "storefront", "--revoke", &format!("products={secret}")],
            &["key", "edit", "storefront", "--note", secret],
            &["key", "regenerate", secret],
            &["key", "activate", secret],
            &["key", "delete", secret, "--yes"],
            &["key", "create", "app", "--digest", secret],
        ];
        for arguments in wrong {
            let done = shell.run(arguments);
            assert_eq!(done.code, 2, "{arguments:?}");
            let shown = format!("{}{}", done.out, done.err);
            assert!(!shown.contains("0123456789"), "{arguments:?}: {shown}");
        }
    }
}
