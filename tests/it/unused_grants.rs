//! What is granted and not used is shown, and the edit that takes it away takes nothing that is used.

use std::fs;
use std::process::Command;

use jiff::Timestamp;

use crate::command_line::shell::Shell;
use crate::golden::assert_golden;

const KEYS: [(&str, &str); 8] = [
    ("billing", "orders_read = [\"acme\", \"acmeaff\"]"),
    ("shop", "products = [\"acme\"]"),
    // Reads only, and needs no more.
    ("reader", "orders_write = [\"acme\"]"),
    ("stats", "analytics = \"all\""),
    // Asks only how old the statistics are, which is about nobody.
    ("clock", "analytics = [\"acme\", \"acmeaff\"]"),
    // What it uses passes by what it does not use: there is no credential for orbit alone.
    ("pair", "orders_read = [\"acmeaff\", \"orbit\"]"),
    ("whole", "orders_write = [\"acme\"]\norders_read = [\"acme\"]"),
    ("idle", "analytics = \"all\"\norders_read = [\"acme\"]"),
];

/// A configuration in which much is granted that nobody has used lately; and the day on which the rest was used.
fn shell() -> (Shell, String) {
    let shell = Shell::with_example();
    let gateway = shell.read("config/gateway.toml");
    let gateway = gateway
        .replace("keys = \"keys.toml\"", "keys = \"keys.toml\"\nstate = \"state\"")
        .replace("acmeaff = \"affiliate\"", "acmeaff = \"affiliate\"\norbit = \"both\"");
    let pair = "\n[credentials.pair]\napi_key = { env = \"NOT_READ\" }\n[credentials.pair.reach]\n\
                orders_read = [\"acmeaff\", \"orbit\"]\n";
    fs::write(shell.path("config/gateway.toml"), gateway + pair).unwrap();
    let key = |name: &str, number: usize, created: &str, grants: &str| {
        format!(
            "# of {name}\n[keys.{name}]\nid = \"key_{name}\"\nstatus = \"active\"\ncreated = {created}\n\
             digest = \"sha256:{number:064}\"\n\n[keys.{name}.grants]\n{grants}\n\n"
        )
    };
    let mut keys = String::new();
    for (number, (name, grants)) in KEYS.iter().enumerate() {
        keys.push_str(&key(name, number, "2025-01-01T00:00:00Z", grants));
    }
    let now = Timestamp::now();
    keys.push_str(&key(
        "young",
        99,
        &Timestamp::from_second(now.as_second()).unwrap().to_string(),
        "products = [\"acme\"]",
    ));
    fs::write(shell.path("config/keys.toml"), keys).unwrap();
    let (now, long_ago) = (now.as_second(), 1_750_000_000);
    let mut used = String::from("since 1740000000\n");
    for (line, time) in [
        ("key_billing", now),
        ("key_billing orders_read acme", now),
        ("key_billing orders_read acmeaff", long_ago),
        ("key_shop", long_ago),
        ("key_reader orders_read acme", now),
        ("key_stats", now),
        ("key_stats analytics acme", now),
        ("key_clock", now),
        ("key_clock analytics -", now),
        ("key_pair orders_read orbit", now),
        ("key_whole orders_write acme", now),
    ] {
        used.push_str(&format!("{line} {time}\n"));
    }
    fs::create_dir(shell.path("config/state")).unwrap();
    fs::write(shell.path("config/state/last-use"), used).unwrap();
    let day = Timestamp::from_second(now).unwrap().to_string()[..10].to_owned();
    (shell, day)
}

#[test]
fn what_is_not_used_is_shown_with_the_commands_that_take_it_away() {
    let (shell, day) = shell();
    let mut text = String::new();
    for arguments in [
        &["matrix", "--unused", "30d"][..],
        &["matrix", "--unused", "30d", "--output", "json"],
        &["matrix", "--unused", "30d", "--output", "csv"],
        &["matrix", "--unused", "30d", "--edit"],
        &["--config", "config/gateway.toml", "matrix", "--unused", "30d", "--nickname", "acmeaff"],
        &["matrix", "--unused", "30d", "--key", "stats", "--permission", "analytics"],
        &["matrix", "--unused", "30d", "--key", "whole"],
        &["matrix", "--unused", "30d", "--key", "whole", "--edit"],
    ] {
        text.push_str(&shell.transcript(arguments));
    }
    assert_golden("cli_matrix_unused", &text.replace(&day, "<today...>"));
}

#[test]
fn commands_and_edit_do_the_same_and_leave_all_that_is_used() {
    let (shell, _) = shell();
    let before = shell.read("config/keys.toml");
    let patch = shell.run(&["matrix", "--unused", "30d", "--edit"]).out;
    let report = shell.run(&["matrix", "--unused", "30d", "--output", "json"]).json();
    for edit in report["edits"].as_array().unwrap() {
        let words: Vec<&str> = edit["command"].as_str().unwrap().split(' ').skip(1).collect();
        let done = shell.run(&words);
        assert_eq!(done.code, 0, "{done:?}");
    }
    let after = shell.read("config/keys.toml");
    for (name, grants) in [
        ("billing", "orders_read = [\"acme\"]\n"),
        ("shop", ""),
        ("reader", "orders_read = [\"acme\"]\n"),
        ("stats", "analytics = [\"acme\"]\n"),
        ("clock", "analytics = [\"acme\", \"acmeaff\"]\n"),
        ("pair", "orders_read = [\"acmeaff\", \"orbit\"]\n"),
        ("whole", "orders_read = [\"acme\"]\norders_write = [\"acme\"]\n"),
        ("idle", ""),
    ] {
        let (_, written) = after.split_once(&format!("[keys.{name}.grants]\n")).unwrap();
        let mut written: Vec<&str> = written.lines().take_while(|line| line.contains('=')).collect();
        written.sort_unstable();
        assert_eq!(written, grants.lines().collect::<Vec<_>>(), "{name}");
    }
    // Nothing is left to do but what had to stay.
    let left = shell.run(&["matrix", "--unused", "30d", "--output", "json"]).json();
    assert!(left["edits"].as_array().unwrap().is_empty(), "{left}");
    let needed: Vec<&str> = left["needed"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(needed, ["pair"]);

    fs::write(shell.path("config/keys.toml"), before).unwrap();
    fs::write(shell.path("unused.patch"), patch).unwrap();
    let mut git = Command::new("git");
    git.args(["apply", "-p0", "unused.patch"]).current_dir(shell.path(""));
    let done = git.output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(shell.read("config/keys.toml"), after);
}

#[test]
fn what_is_not_known_is_not_claimed() {
    let (shell, _) = shell();
    let mut text = String::new();
    for arguments in [
        &["matrix", "--unused", "30"][..],
        &["matrix", "--unused", "0d"],
        &["matrix", "--edit"],
        &["matrix", "--unused", "30d", "--edit", "--output", "json"],
    ] {
        text.push_str(&shell.transcript(arguments));
    }
    let three_days_ago = Timestamp::now().as_second() - 3 * 86_400 - 60;
    fs::write(shell.path("config/state/last-use"), format!("since {three_days_ago}\n")).unwrap();
    let since = Timestamp::from_second(three_days_ago).unwrap().to_string();
    text.push_str(&shell.transcript(&["matrix", "--unused", "30d"]).replace(&since[..10], "<three days ago...>"));
    let done = shell.run(&["matrix", "--unused", "3d", "--key", "billing"]);
    assert!(done.code == 0 && done.out.contains("never"), "{done:?}");
    fs::write(shell.path("config/state/last-use"), "once\n").unwrap();
    text.push_str(&shell.transcript(&["matrix", "--unused", "30d"]));
    text.push_str(&shell.transcript(&["key", "show", "billing"]));
    fs::remove_file(shell.path("config/state/last-use")).unwrap();
    text.push_str(&shell.transcript(&["matrix", "--unused", "30d"]));
    text.push_str(&shell.transcript(&["key", "show", "billing"]));
    let gateway = shell.read("config/gateway.toml").replace("state = \"state\"\n", "");
    fs::write(shell.path("config/gateway.toml"), gateway).unwrap();
    text.push_str(&shell.transcript(&["matrix", "--unused", "30d"]));
    text.push_str(&shell.transcript(&["key", "show", "billing", "--output", "json"]));
    assert_golden("cli_matrix_unused_unknown", &text);
}

#[test]
fn a_key_is_shown_with_when_it_and_its_cells_were_last_used() {
    let (shell, day) = shell();
    let mut text = String::new();
    for arguments in [
        &["key", "show", "billing"][..],
        &["key", "show", "billing", "--output", "json"],
        &["key", "show", "stats"],
        &["key", "show", "clock"],
        &["key", "show", "clock", "--output", "json"],
        &["key", "show", "idle"],
    ] {
        text.push_str(&shell.transcript(arguments));
    }
    assert_golden("cli_key_show_last_used", &text.replace(&day, "<today...>"));
}
