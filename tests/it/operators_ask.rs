//! What operators ask of a running gateway: `status` and `reload` over its admin listener, and SIGHUP.

use std::path::Path;
use std::process::Command;

use clickbank_gateway::server::Gateway;

use crate::support::process::{PROGRAM, Serving};
use crate::support::scene::{Scene, demo_simulator, start_gateway, write_for};
use crate::support::setup::{Setup, Written, new_key};
use crate::support::within;

const TOKEN: &str = "0123456789abcdef0123456789";

/// Exit code, standard output and standard error of a command.
async fn run(file: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(PROGRAM);
    command.arg("--config").arg(file).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = within("a command", output).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

async fn gateway(admin: &str) -> (Written, Gateway) {
    let simulator = demo_simulator().await;
    let written = write_for(&Setup::acme(), &simulator);
    written.file_for_owner("admin-token", TOKEN);
    written.edit("gateway.toml", |text| text + "\n[admin]\n" + admin + "\n");
    let gateway = start_gateway(&written).await;
    (written, gateway)
}

#[tokio::test]
async fn reload_says_what_came_of_it_and_status_how_things_stand() {
    let (written, gateway) = gateway("address = \"unix:admin.sock\"").await;
    let file = written.file.clone();
    let (code, out, err) = run(&file, &["status"]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("\nstate                  ready\n"), "{out}");
    assert!(out.contains("\n  generation           1\n"), "{out}");
    assert_eq!(
        run(&file, &["reload"]).await,
        (Some(0), "the files are in force, as generation 2\n".to_owned(), String::new())
    );

    written.edit("keys.toml", |text| text + "\n[keys.Other]\nid = \"key_other\"\n");
    let (code, out, _) = run(&file, &["reload"]).await;
    assert_eq!(code, Some(1));
    let place = format!("\n{}:", written.path().join("keys.toml").display());
    assert!(out.starts_with("nothing was changed; generation 2 goes on serving\n"), "{out}");
    assert!(out.contains(&place) && out.contains(": keys.Other.status: is missing\n    say "), "{out}");
    let (code, out, _) = run(&file, &["status"]).await;
    assert_eq!(code, Some(0));
    assert!(
        out.contains("\nstate                  degraded\n") && out.contains("keys.Other.status: is missing"),
        "{out}"
    );
    let (_, json, _) = run(&file, &["status", "--output", "json"]).await;
    let status: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(status["configuration"]["degraded"][0]["key"], "keys.Other.status");

    // Whoever broke the other file can still ask.
    written.edit("gateway.toml", |text| text.replace("max_connections", "x").replace("[limits]", "[limit]"));
    let (code, out, _) = run(&file, &["reload", "--output", "json"]).await;
    let outcome: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &outcome["applied"]), (Some(1), &false.into()));
    assert_eq!(outcome["problems"][0]["key"], "limit");
    written.edit("gateway.toml", |text| text.replace("[limit]", "[limits]").replacen("127.0.0.1:0", "127.0.0.1:1", 1));
    written.edit("keys.toml", |text| text[..text.find("[keys.Other]").unwrap()].to_owned());
    let (code, out, _) = run(&file, &["reload"]).await;
    assert_eq!(code, Some(0));
    assert!(out.contains("[listen] address was changed, but stays as it is until the gateway is restarted\n"), "{out}");
    drop(gateway);
}

#[tokio::test]
async fn a_candidate_is_compared_with_what_runs_and_not_with_its_files() {
    let (written, gateway) = gateway("address = \"unix:admin.sock\"").await;
    let file = written.file.clone();
    let against = ["check", "--without-secrets", "--against"];
    let (code, out, err) = run(&file, &[&against[..], &["running"]].concat()).await;
    let admin = format!("unix:{}", written.path().join("admin.sock").display());
    let same = format!("against the gateway at {admin}, generation 1: callers gain and lose nothing\n");
    assert!(code == Some(0) && out.ends_with(&same), "{out}{err}");

    // The files change, and what runs does not know yet.
    let reload = std::sync::Arc::clone(gateway.reload());
    written.edit("keys.toml", |text| text.replacen("status = \"active\"", "status = \"nonsense\"", 1));
    assert!(!tokio::task::spawn_blocking(move || reload.now()).await.unwrap().applied);
    let candidate = tempfile::tempdir().unwrap();
    for name in ["gateway.toml", "keys.toml"] {
        let text = std::fs::read_to_string(written.path().join(name)).unwrap();
        let text = text.replace("\"nonsense\"", "\"inactive\"").replace("unix:admin.sock", &admin);
        let text = text.replace("_file = \"", &format!("_file = \"{}/", written.path().display()));
        std::fs::write(candidate.path().join(name), text).unwrap();
    }
    let file = candidate.path().join("gateway.toml");
    for against in ["running", &admin] {
        let (code, out, err) = run(&file, &["check", "--without-secrets", "--against", against]).await;
        assert!(out.contains("generation 1: callers gain and lose this\n"), "{out}{err}");
        assert!(code == Some(0) && out.contains(": was active, is inactive\n"), "{out}{err}");
        assert!(out.contains("  no longer passes, about acme: "), "{out}");
    }
    let (code, out, err) = run(&file, &["check", "--without-secrets", "--against", "unix:/nobody/admin.sock"]).await;
    let nobody = "error: there is nothing to compare with: no gateway answers at unix:/nobody/admin.sock: ";
    assert!(code == Some(2) && out.is_empty() && err.starts_with(nobody), "{out}{err}");
}

#[tokio::test]
async fn a_gateway_on_tcp_is_compared_with_by_whoever_has_its_token() {
    let (written, gateway) = gateway("address = \"127.0.0.1:0\"\ntoken = { file = \"admin-token\" }").await;
    let admin = gateway.admin_address().unwrap().to_string();
    let file = written.file.clone();
    let against = ["check", "--without-secrets", "--against", &admin];
    let (code, _, err) = run(&file, &against).await;
    assert!(code == Some(2) && err.contains("send Authorization: Bearer with the admin token"), "{err}");
    let token = written.path().join("admin-token");
    let (code, out, err) = run(&file, &[&against[..], &["--token-file", token.to_str().unwrap()]].concat()).await;
    assert!(code == Some(0) && out.ends_with("generation 1: callers gain and lose nothing\n"), "{out}{err}");
}

#[tokio::test]
async fn status_tells_what_metrics_tell() {
    let simulator = demo_simulator().await;
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 9);
    let analytics = "analytics = [\"acme\"]";
    let setup = Setup::acme()
        .caller_with("short", &new_key(), &format!("status = \"active\"\nexpires = {expires}"), analytics)
        .caller_with("off", &new_key(), "status = \"inactive\"", analytics);
    let written = write_for(&setup, &simulator);
    written.edit("gateway.toml", |text| text + "\n[admin]\naddress = \"unix:admin.sock\"\n");
    let scene = Scene { gateway: start_gateway(&written).await, simulator, written };
    // The first is trusted where its answer shows no owner, so it is asked once how far it reaches.
    assert_eq!(scene.get("app", "/rest/1.3/tickets/count").await.outcome(), (200, None));
    assert_eq!(scene.get("off", "/rest/1.3/tickets/count").await.outcome(), (401, Some("key-refused")));
    let (code, out, _) = run(&scene.written.file, &["status", "--output", "json"]).await;
    let status: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &status["keys"], &status["credentials"]), (Some(0), &3.into(), &1.into()));
    let keys = &status["key_states"];
    let counts = ["active", "inactive", "expired", "expiring_in_7_days", "expiring_in_30_days"];
    assert_eq!(counts.map(|name| keys[name].as_u64().unwrap()), [2, 1, 0, 0, 1]);
    assert_eq!(
        keys["next_expiry"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second(),
        expires.as_second()
    );
    assert_eq!(status["credential_states"][0]["reach"], "as declared");
    let counts = &status["since_start"];
    let names = ["answered", "refused", "caller_gone", "alarms", "look_ups"];
    assert_eq!(names.map(|name| counts[name].as_u64().unwrap()), [1, 1, 0, 0, 1]);
    assert_eq!((&status["in_flight"], &status["requests_in_24_hours"]), (&0.into(), &2.into()));
    let (_, text, _) = run(&scene.written.file, &["status"]).await;
    assert!(text.contains("\nsince start           \n") && text.contains("\n  expiring in 30 days  1\n"), "{text}");
}

#[tokio::test]
async fn changes_are_stopped_for_all_at_once_and_stay_so_over_a_restart() {
    let simulator = demo_simulator().await;
    let written = write_for(&Setup::acme().top("state = \"state\""), &simulator);
    written.edit("gateway.toml", |text| text + "\n[admin]\naddress = \"unix:admin.sock\"\n");
    let scene = Scene { gateway: start_gateway(&written).await, simulator, written };
    let change = "/rest/1.3/products/new-1?site=acme&currency=USD&price=1&language=EN&title=t";
    assert_eq!(scene.call("app", "PUT", change, &[]).await.outcome(), (200, None));
    let said = "changes are stopped; reads go on, also after a restart\n".to_owned();
    assert_eq!(run(&scene.written.file, &["changes", "stop"]).await, (Some(0), said, String::new()));
    let scene = scene.restart().await;
    assert_eq!(scene.call("app", "PUT", change, &[]).await.outcome(), (403, Some("changes-switched-off")));
    assert_eq!(scene.get("app", "/rest/1.3/products/list?site=acme").await.outcome(), (200, None));
    let (_, text, _) = run(&scene.written.file, &["status"]).await;
    assert!(text.contains("\nchanges                stopped\n"), "{text}");

    let (code, out, _) = run(&scene.written.file, &["changes", "allow", "--output", "json"]).await;
    let switched: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &switched["changes"], &switched["outlives_restart"]), (Some(0), &"allowed".into(), &true.into()));
    assert_eq!(scene.call("app", "PUT", change, &[]).await.outcome(), (200, None));
    // What the configuration says holds as well.
    scene.written.edit("gateway.toml", |text| text + "\n[changes]\nallowed = false\n");
    assert_eq!(run(&scene.written.file, &["reload"]).await.0, Some(0));
    assert_eq!(scene.call("app", "PUT", change, &[]).await.outcome(), (403, Some("changes-switched-off")));
    assert_eq!(scene.world().executed().len(), 2);
    let (code, _, err) = run(&scene.written.file, &["changes", "halt"]).await;
    assert!(code == Some(2) && err.contains("stop, allow"), "{err}");
}

#[tokio::test]
async fn over_tcp_it_takes_the_token() {
    let (written, gateway) = gateway("address = \"127.0.0.1:0\"\ntoken = { file = \"admin-token\" }").await;
    let address = gateway.admin_address().unwrap().to_string();
    let asking = written.path().join("asking.toml");
    written.file_for_owner("asking.toml", &format!("[admin]\naddress = \"{address}\"\n"));
    let token = written.path().join("admin-token");
    let token = token.to_str().unwrap();
    for command in ["status", "reload"] {
        let (code, out, err) = run(&asking, &[command]).await;
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(err.contains("send Authorization: Bearer with the admin token"), "{err}");
        let (code, ..) = run(&asking, &[command, "--token-file", token]).await;
        assert_eq!(code, Some(0), "{command}");
    }
}

#[tokio::test]
async fn without_a_gateway_it_is_said_that_nobody_answers() {
    let simulator = demo_simulator().await;
    let written = write_for(&Setup::acme(), &simulator);
    for command in ["status", "reload"] {
        let (code, _, err) = run(&written.file, &[command]).await;
        assert!(code == Some(2) && err.contains("has no [admin] section"), "{err}");
    }
    written.edit("gateway.toml", |text| text + "\n[admin]\naddress = \"unix:admin.sock\"\n");
    for command in ["status", "reload"] {
        let (code, _, err) = run(&written.file, &[command]).await;
        assert!(code == Some(2) && err.contains("no gateway answers at unix:"), "{err}");
    }
}

#[tokio::test]
async fn on_sighup_the_files_are_read() {
    let simulator = demo_simulator().await;
    let written = write_for(&Setup::acme(), &simulator);
    let mut serving = Serving::start(&written.file, &[]).await;
    for generation in ["\"generation\":2", "\"generation\":3"] {
        serving.process.signal("HUP");
        let found = |line: &str| line.contains("read again and is in force").then(|| line.to_owned());
        let line = serving.process.line("line about the files", found).await;
        assert!(line.contains(generation), "{line}");
    }
}
