//! A ClickBank key that is rotated while callers go on, and one that dies without notice.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clickbank_gateway::simulator::{Fault, FaultRule, KeySpec, Nicknames, Reach, Simulator, SimulatorConfig};
use http::StatusCode;
use tokio_util::sync::CancellationToken;

use crate::support::emissions;
use crate::support::process::PROGRAM;
use crate::support::scene::{Scene, sees_reach, start_gateway, write_for};
use crate::support::setup::{Setup, everything_on};
use crate::support::within;

const COUNT: &str = "/rest/1.3/orders2/count";
const TICKETS: &str = "/rest/1.3/tickets/count";
const PRODUCTS: &str = "/rest/1.3/products/list?site=acme";
const OK: (u16, Option<&str>) = (200, None);

/// A scene whose simulator has these keys, too, each of everything on these nicknames. Keys have names of their own in
/// each test, so that what is said of them is said in this test.
async fn scene(setup: &Setup, keys: &[(&str, &[&str])]) -> Scene {
    let mut config = SimulatorConfig::default();
    for (name, nicknames) in keys {
        let reach = Reach::every_permission(&Nicknames::only(nicknames.iter().copied()));
        config.spec.keys.push(KeySpec::new(name, "acmeco", reach));
    }
    let simulator = Simulator::start(config).await.unwrap();
    let written = write_for(&setup.clone().listen("address = \"127.0.0.1:0\""), &simulator);
    written.edit("gateway.toml", |text| text + "\n[admin]\naddress = \"unix:admin.sock\"\n");
    let gateway = start_gateway(&written).await;
    Scene { simulator, gateway, written }
}

/// Has ClickBank refuse a key from now on, whatever it is used for. Gives what ends that.
fn kill(scene: &Scene, key: &str, status: StatusCode) -> u64 {
    let fault = Fault::Status { status, text: "Access is denied".to_owned(), executed: false };
    scene.simulator.add_fault(FaultRule::new(fault).key(key)).unwrap()
}

async fn reload(scene: &Scene) {
    let reload = Arc::clone(scene.gateway.reload());
    let outcome = tokio::task::spawn_blocking(move || reload.now()).await.unwrap();
    assert!(outcome.applied, "{:?}", outcome.problems);
}

/// What a command says.
async fn run(file: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(PROGRAM);
    command.arg("--config").arg(file).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = within("a command", output).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

async fn status(scene: &Scene) -> String {
    let (code, out, err) = run(&scene.written.file, &["status"]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""));
    out
}

/// Waits for a line that has all of these words. Gives all such lines by then.
async fn said(heard: usize, words: &[&str]) -> Vec<String> {
    within("a line", async {
        loop {
            let said = String::from_utf8(emissions::since(heard)).unwrap();
            let lines = said.lines().filter(|line| words.iter().all(|word| line.contains(word)));
            let lines: Vec<String> = lines.map(str::to_owned).collect();
            if !lines.is_empty() {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

/// How many requests with each key have arrived for a path since so many.
fn keys_of(scene: &Scene, path: &str, since: usize) -> BTreeMap<String, usize> {
    let mut keys = BTreeMap::new();
    for received in scene.simulator.received().iter().skip(since).filter(|received| received.target.starts_with(path)) {
        *keys.entry(received.key.clone().unwrap_or_default()).or_default() += 1;
    }
    keys
}

/// Callers that read and change without a pause, and take every answer but the expected one for a failure.
struct Load {
    stop: CancellationToken,
    answered: Vec<Arc<AtomicUsize>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    async fn start(scene: &Scene) -> Self {
        let mut load = Self { stop: CancellationToken::new(), answered: Vec::new(), tasks: Vec::new() };
        for (caller, method, target) in [
            ("app", "GET", COUNT),
            ("app", "GET", TICKETS),
            ("app", "GET", PRODUCTS),
            ("pair", "GET", "/rest/1.3/orders2/list?vendor=acme&role=VENDOR"),
            ("app", "PUT", "/rest/1.3/products/"),
        ] {
            let (mut connection, key, stop) = (scene.connect().await, scene.key(caller).to_owned(), load.stop.clone());
            let answered = Arc::new(AtomicUsize::new(0));
            load.answered.push(Arc::clone(&answered));
            load.tasks.push(tokio::spawn(async move {
                while !stop.is_cancelled() {
                    let target = match method {
                        "PUT" => {
                            let sku = answered.load(Ordering::SeqCst);
                            format!("{target}r-{sku}?site=acme&currency=USD&price=1&language=EN&title=t")
                        }
                        _ => target.to_owned(),
                    };
                    let head = format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n");
                    connection.send(head).await;
                    let answer = connection.answer().await;
                    assert!(
                        matches!(answer.status, 200 | 206) && answer.code().is_none(),
                        "{method} {target}: {answer:?}"
                    );
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            }));
        }
        load
    }

    /// Waits until each has been answered so many times more.
    async fn go_on(&self, times: usize) {
        let goals: Vec<usize> = self.answered.iter().map(|it| it.load(Ordering::SeqCst) + times).collect();
        within("the load to go on", async {
            loop {
                let mut all = self.answered.iter().zip(&goals);
                if all.all(|(answered, goal)| answered.load(Ordering::SeqCst) >= *goal) {
                    return;
                }
                assert!(self.tasks.iter().all(|task| !task.is_finished()), "a caller has noticed");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// Ends it. Gives how many changes were made.
    async fn stop(self) -> usize {
        self.stop.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
        self.answered.last().unwrap().load(Ordering::SeqCst)
    }
}

fn credential(name: &str) -> String {
    format!(
        "[credentials.{name}]\napi_key = {{ file = \"clickbank-{name}\" }}\n[credentials.{name}.reach]\n{}",
        everything_on("[\"acme\"]")
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_procedure_callers_notice_nothing_and_no_change_is_made_twice() {
    // The wide credential serves `pair`, so that look-ups and judged rows are part of the load.
    let setup = Setup::new()
        .limits("per_second = 100000\nper_day = 100000000")
        .credential("rotated-old", &everything_on("[\"acme\"]"))
        .credential("all-read", "orders_read = [\"acme\", \"acmeaff\", \"zenith\", \"orbit\"]")
        .caller("app", &everything_on("[\"acme\"]"))
        .caller("pair", "orders_read = [\"acme\", \"acmeaff\"]");
    let scene = scene(&setup, &[("rotated-old", &["acme"]), ("rotated-new", &["acme"])]).await;
    let load = Load::start(&scene).await;
    load.go_on(10).await;

    // Make the second key in API Management, put it where the gateway finds it, and declare it with the same reach.
    let new = scene.simulator.keys().iter().find(|key| key.name() == "rotated-new").unwrap();
    scene.written.file_for_owner("clickbank-rotated-new", new.secret().expose());
    scene.written.edit("gateway.toml", |text| text + "\n" + &credential("rotated-new"));
    reload(&scene).await;
    load.go_on(10).await;
    assert!(!keys_of(&scene, "/rest/1.3/orders2/count", 0).contains_key("rotated-new"), "the first in the file acts");

    // Remove the first one.
    scene.written.edit("gateway.toml", |text| text.replacen(&credential("rotated-old"), "", 1));
    reload(&scene).await;
    // What began before is done once each caller has been answered twice.
    load.go_on(2).await;
    let removed = scene.simulator.received().len();
    load.go_on(10).await;
    // Regenerate or delete it in API Management.
    kill(&scene, "rotated-old", StatusCode::FORBIDDEN);
    load.go_on(20).await;
    let changes = load.stop().await;

    for path in [COUNT, TICKETS, "/rest/1.3/products"] {
        let keys: Vec<String> = keys_of(&scene, path, removed).into_keys().collect();
        assert_eq!(keys, ["rotated-new"], "{path}");
    }
    let executed = scene.world().executed().iter().map(|executed| executed.about.clone()).collect::<Vec<_>>();
    let expected: Vec<String> = (0..changes).map(|sku| format!("r-{sku}")).collect();
    assert_eq!(executed, expected, "each change once, in order");
}

#[tokio::test]
async fn one_that_dies_without_notice_is_found_and_an_equal_one_takes_over_until_it_is_back() {
    for (name, status_told) in [("killed-403", StatusCode::FORBIDDEN), ("killed-401", StatusCode::UNAUTHORIZED)] {
        let spare = format!("{name}-spare");
        let setup = Setup::new()
            .credential(name, &everything_on("[\"acme\"]"))
            .credential(&spare, &everything_on("[\"acme\"]"))
            .caller("app", &everything_on("[\"acme\"]"));
        let scene = scene(&setup, &[(name, &["acme"]), (&spare, &["acme"])]).await;
        let heard = emissions::listen();
        assert_eq!(scene.get("app", TICKETS).await.outcome(), OK);
        assert!(status(&scene).await.contains(&format!(" {name}: unknown; reach as declared\n")));

        let fault = kill(&scene, name, status_told);
        // Refused until the probe has found out why, and not a moment longer.
        let refused = scene.get("app", TICKETS).await;
        assert_eq!(refused.status, if status_told == StatusCode::FORBIDDEN { 403 } else { 502 });
        let alarm = said(heard, &["ClickBank refuses a credential", &format!("\"credential\":\"{name}\"")]).await;
        assert!(alarm[0].contains("\"ERROR\"") && alarm[0].contains(&format!("\"instead\":\"{spare}\"")), "{alarm:?}");
        for target in [TICKETS, COUNT, PRODUCTS] {
            let before = scene.simulator.received().len();
            assert_eq!(scene.get("app", target).await.outcome(), OK, "{target}");
            let keys: Vec<String> = keys_of(&scene, target.split('?').next().unwrap(), before).into_keys().collect();
            assert_eq!(keys, std::slice::from_ref(&spare), "{target}");
        }
        let out = status(&scene).await;
        assert!(out.contains(&format!(" {name}: dead, {spare} in its place; reach as declared\n")), "{out}");

        assert!(scene.simulator.remove_fault(fault));
        reload(&scene).await;
        let back = said(heard, &["accepts a credential again", name]).await;
        assert!(back[0].contains("\"WARN\""), "{back:?}");
        let before = scene.simulator.received().len();
        assert_eq!(scene.get("app", COUNT).await.outcome(), OK);
        assert_eq!(keys_of(&scene, COUNT, before).into_keys().collect::<Vec<_>>(), [name]);
        assert!(status(&scene).await.contains(&format!(" {name}: alive; reach as declared\n")));
        let alarms = said(heard, &["ClickBank refuses a credential", name]).await;
        assert_eq!(alarms.len(), 1, "said once: {alarms:?}");
    }
}

#[tokio::test]
async fn what_a_caller_is_refused_proves_nothing_however_often() {
    let setup = Setup::new()
        .credential("hammered", &everything_on("[\"acme\"]"))
        .credential("hammered-spare", &everything_on("[\"acme\"]"))
        .caller("app", &everything_on("[\"acme\"]"));
    let scene = scene(&setup, &[("hammered", &["acme"]), ("hammered-spare", &["acme"])]).await;
    let foreign = {
        let world = scene.world();
        let records = world.records();
        let is_foreign = |receipt: &str| {
            records.orders_of(receipt).all(|order| {
                order.seller.as_str() == "zenith" && order.affiliate.is_none() && order.joint_ventures.is_empty()
            })
        };
        records.orders.iter().find(|order| is_foreign(&order.receipt)).unwrap().receipt.clone()
    };
    let heard = emissions::listen();
    for _ in 0..40 {
        let answer = scene.get("app", &format!("/rest/1.3/orders2/{foreign}")).await;
        assert_eq!(answer.status, 403);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    said(heard, &["a credential was probed", "\"credential\":\"hammered\""]).await;
    let probes = scene.simulator.received().iter().filter(|received| sees_reach(received)).count();
    assert_eq!(probes, 1, "it is asked once, not for each");
    assert!(status(&scene).await.contains(" hammered: alive; reach as declared\n"));
    assert_eq!(keys_of(&scene, "/rest/1.3/orders2", 0).into_keys().collect::<Vec<_>>(), ["hammered"]);
}

#[tokio::test]
async fn without_an_equal_one_nothing_is_widened() {
    let read = |nicknames: &str| format!("orders_read = [{nicknames}]");
    let setup = Setup::new()
        .credential("lonely", &read("\"acme\""))
        .credential("lonely-wide", &read("\"acme\", \"zenith\""))
        .caller("app", &read("\"acme\""));
    let scene = scene(&setup, &[("lonely", &["acme"]), ("lonely-wide", &["acme", "zenith"])]).await;
    let heard = emissions::listen();
    assert_eq!(scene.get("app", COUNT).await.outcome(), OK);
    kill(&scene, "lonely", StatusCode::FORBIDDEN);
    let before = scene.simulator.received().len();
    assert_eq!(scene.get("app", COUNT).await.status, 403);
    let alarm = said(heard, &["there is none of equal reach", "\"lonely\""]).await;
    assert!(alarm[0].contains("\"ERROR\"") && !alarm[0].contains("instead"), "{alarm:?}");
    for target in [COUNT, TICKETS, "/rest/1.3/orders2/list", "/rest/1.3/quickstats/accounts"] {
        assert!(matches!(scene.get("app", target).await.status, 403 | 502), "{target}");
    }
    assert_eq!(keys_of(&scene, "/", before).into_keys().collect::<Vec<_>>(), ["lonely"]);
    let out = status(&scene).await;
    assert!(out.contains(" lonely: dead, and none of equal reach is in its place; reach as declared\n"), "{out}");
}

#[tokio::test]
async fn credential_check_compares_what_clickbank_gives_with_what_is_declared() {
    let setup = Setup::new()
        .credential("checked-right", &everything_on("[\"acme\"]"))
        .credential("checked-wide", "orders_read = [\"acme\"]\nproducts = [\"acme\"]")
        .credential("checked-narrow", "orders_read = [\"acme\", \"zenith\"]\nanalytics = [\"acme\", \"acmeaff\"]")
        .credential("checked-all", "orders_read = \"all\"\nproducts = \"all\"\nanalytics = \"all\"")
        .credential("checked-mute", "subscription_modification = [\"acme\"]")
        .caller("app", &everything_on("[\"acme\"]"));
    let keys: [(&str, &[&str]); 5] = [
        ("checked-right", &["acme"]),
        ("checked-wide", &["acme", "zenith"]),
        ("checked-narrow", &["acme"]),
        ("checked-all", &["acme", "acmeaff", "zenith", "orbit"]),
        ("checked-mute", &["acme"]),
    ];
    let scene = scene(&setup, &keys).await;
    let file = &scene.written.file;
    let check = async |names: &[&str]| run(file, &[&["credential", "check"], names].concat()).await;

    let (code, out, err) = check(&["checked-right", "checked-all"]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    for line in [
        "CREDENTIAL     PERMISSION                 DECLARED      FOUND",
        "checked-right  products                   acme          acme",
        "checked-right  orders_write               acme          no read shows it",
        "checked-all    orders_read                All Accounts  acme, acmeaff, zenith, orbit",
        "2 of 2 as declared; ",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }

    let (code, out, err) = check(&["checked-wide", "checked-narrow"]).await;
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    for line in [
        "checked-wide: orders_read: reach found wider: ClickBank also gives `zenith`\n    add it to orders_read in \
         [credentials.checked-wide.reach], or give ClickBank's key fewer nicknames\n",
        "checked-wide: products: reach found wider: ClickBank also gives `zenith`\n",
        "checked-wide: analytics: reach found wider: ClickBank also gives `acme`, `zenith`\n",
        "checked-narrow: orders_read: reach found narrower: ClickBank does not give `zenith`\n    tick it for \
         ClickBank's key, or remove it from orders_read in [credentials.checked-narrow.reach]\n",
        "checked-narrow: analytics: reach found narrower: ClickBank does not give `acmeaff`\n",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }

    // What is dead is said to be, and nothing else of it.
    for status in [StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED] {
        let fault = kill(&scene, "checked-right", status);
        let (code, out, _) = check(&["checked-right", "--output", "json"]).await;
        let told: serde_json::Value = serde_json::from_str(&out).unwrap();
        let credential = &told["credentials"][0];
        assert_eq!((code, &credential["state"]), (Some(1), &"dead".into()), "{out}");
        assert_eq!(credential["differences"].as_array().unwrap().len(), 1, "{out}");
        assert!(scene.simulator.remove_fault(fault));
    }
    // Nor is anything made of what says nothing.
    let fault = kill(&scene, "checked-right", StatusCode::BAD_GATEWAY);
    let (code, out, err) = check(&["checked-right"]).await;
    assert_eq!(code, Some(2), "{out}");
    assert!(err.contains("it could not be told of checked-right") && out.contains("could not be told"), "{out}{err}");
    assert!(scene.simulator.remove_fault(fault));

    let (code, out, _) = check(&["checked-mute"]).await;
    assert_eq!(code, Some(1), "ClickBank gives it more: {out}");
    assert!(out.contains("subscription_modification  acme      no read shows it"), "{out}");
    let (code, _, err) = check(&["checked-rihgt"]).await;
    assert!(code == Some(2) && err.contains("did you mean `checked-right`?"), "{err}");
}

#[tokio::test]
async fn where_it_is_asked_for_all_are_probed_at_the_start_and_what_a_changed_file_brings() {
    let setup = Setup::new()
        .credential("asked-old", &everything_on("[\"acme\"]"))
        .credential("asked-new", "products = [\"acme\"]\nsubscription_modification = [\"acme\"]")
        .credential("asked-none", "subscription_modification = [\"acme\"]")
        .caller("app", &everything_on("[\"acme\"]"));
    let keys: [(&str, &[&str]); 4] = [
        ("asked-old", &["acme"]),
        ("asked-new", &["acme"]),
        ("asked-none", &["acme"]),
        ("asked-wide", &["acme", "orbit"]),
    ];
    let scene = scene(&setup, &keys).await;
    // Off, unless it is asked for.
    assert!(scene.simulator.received().is_empty());
    let heard = emissions::listen();
    scene.written.edit("gateway.toml", |text| text + "\n[probes]\nat_start = true\nevery = \"6h\"\n");
    let scene = scene.restart().await;
    for name in ["asked-old", "asked-new"] {
        let line = said(heard, &["a credential was probed", &format!("\"credential\":\"{name}\"")]).await;
        assert!(line[0].contains("\"outcome\":\"answered\""), "{line:?}");
    }
    let targets: Vec<String> = scene.simulator.received().iter().map(|received| received.target.clone()).collect();
    assert_eq!(targets, ["/rest/1.3/quickstats/accounts", PRODUCTS]);
    let out = status(&scene).await;
    assert!(out.contains(" asked-none: unknown (no read would show it); reach not seen\n"), "{out}");

    let wide = scene.simulator.keys().iter().find(|key| key.name() == "asked-wide").unwrap().secret().expose();
    scene.written.file_for_owner("clickbank-asked-wide", wide);
    scene.written.edit("gateway.toml", |text| text + "\n" + &credential("asked-wide"));
    reload(&scene).await;
    let line = said(heard, &["more nicknames than are declared", "\"asked-wide\""]).await;
    assert!(line[0].contains("\"WARN\""), "{line:?}");
    assert_eq!(scene.simulator.received().len(), 3, "what stayed is not asked again");
    let out = status(&scene).await;
    assert!(out.contains(" asked-wide: alive; reach wider than declared\n"), "{out}");
}
