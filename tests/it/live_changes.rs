//! Files that change while the gateway runs: what is in force when, what stays, and what is said of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use clickbank_gateway::config::{self, Secrets as Read};
use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::reload::Outcome;
use clickbank_gateway::server::Gateway;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::scene::{Scene, demo_simulator, sees_reach, start_gateway, write_for};
use crate::support::secrets::Secrets;
use crate::support::setup::{Setup, everything_on, new_key};
use crate::support::upstream::{Certificate, Identity};
use crate::support::wire::Connection;
use crate::support::within;

const READ: &str = "/rest/1.3/orders2/count";
const OK: (u16, Option<&str>) = (200, None);
const REFUSED: (u16, Option<&str>) = (401, Some("key-refused"));

/// Has the files read now.
async fn reload(gateway: &Gateway) -> Outcome {
    let reload = Arc::clone(gateway.reload());
    tokio::task::spawn_blocking(move || reload.now()).await.unwrap()
}

/// Does something to the files, and waits until the gateway has read them by itself.
async fn noticed(gateway: &Gateway, change: impl AsyncFnOnce()) {
    let mut readings = gateway.reload().readings();
    readings.mark_unchanged();
    change().await;
    within("the gateway to notice a change", readings.changed()).await.unwrap();
}

async fn ready(gateway: &Gateway) -> (u16, String) {
    let mut connection = Connection::open(gateway.health_address(), &Secrets::default()).await;
    connection.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let answer = connection.answer().await;
    (answer.status, answer.text())
}

#[tokio::test]
async fn what_the_key_file_says_is_in_force_for_the_next_request() {
    let scene = Scene::start(&Setup::acme()).await;
    let mut connection = scene.connect().await;
    let mut ask = async |key: &str| {
        connection.send(format!("GET {READ} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n")).await;
        let answer = connection.answer().await;
        (answer.status, answer.code().map(str::to_owned))
    };
    let (app, other) = (scene.key("app").to_owned(), new_key());
    let refused = (401, Some("key-refused".to_owned()));
    assert_eq!((ask(&app).await, ask(&other).await), ((200, None), refused.clone()));

    let digest = KeyDigest::of(other.as_bytes());
    scene.written.edit("keys.toml", |text| {
        text.replace("status = \"active\"", "status = \"inactive\"")
            + &format!(
                "[keys.other]\nid = \"key_other\"\nstatus = \"active\"\ndigest = \"{digest}\"\n[keys.other.grants]\n\
                 orders_read = [\"acme\"]\n"
            )
    });
    let outcome = reload(&scene.gateway).await;
    assert!(outcome.applied && outcome.problems.is_empty());
    assert_eq!((ask(&app).await, ask(&other).await), (refused.clone(), (200, None)));

    // Grants, and a nickname.
    scene.written.edit("keys.toml", |text| text.replace("orders_read = [\"acme\"]", "orders_read = [\"nova\"]"));
    scene
        .written
        .edit("gateway.toml", |text| text.replace("acme = \"seller\"", "nova = \"seller\"\nacme = \"seller\""));
    assert!(reload(&scene.gateway).await.generation > outcome.generation);
    assert_eq!(ask(&other).await, (403, Some("confined-credential-required".to_owned())));
    scene.written.edit("keys.toml", |text| text[..text.find("[keys.other]").unwrap()].to_owned());
    reload(&scene.gateway).await;
    assert_eq!(ask(&other).await, refused);
}

#[tokio::test]
async fn files_that_are_wrong_change_nothing_and_are_told_with_their_place() {
    let scene = Scene::start(&Setup::acme()).await;
    let before = scene.gateway.reload().standing();
    assert_eq!((before.generation, before.degraded.len()), (1, 0));
    for (file, wrong, key) in [
        ("gateway.toml", "\n[nonsense]\n", "nonsense"),
        ("keys.toml", "\n[keys.other]\nid = \"key_other\"\n", "keys.other.status"),
        ("clickbank-acme", "no key", "credentials.acme.api_key.file"),
    ] {
        let right = fs::read_to_string(scene.written.path().join(file)).unwrap();
        let keys = fs::read_to_string(scene.written.path().join("keys.toml")).unwrap();
        scene.written.edit(file, |text| text + wrong);
        // Half of the change is right, and not in force either.
        scene.written.edit("keys.toml", |text| text.replace("\"active\"", "\"inactive\""));
        let outcome = reload(&scene.gateway).await;
        assert!(!outcome.applied, "{file}");
        assert_eq!(scene.get("app", READ).await.outcome(), OK, "{file}");
        let standing = scene.gateway.reload().standing();
        assert_eq!(standing.generation, outcome.generation, "{file}");
        let problem = &standing.degraded[0];
        assert_eq!(problem.key.as_deref(), Some(key), "{problem}");
        assert!(problem.line.is_some() && !problem.mend.is_empty(), "{problem}");
        assert_eq!(ready(&scene.gateway).await, (200, "ready, degraded\n".to_owned()));

        fs::write(scene.written.path().join("keys.toml"), &keys).unwrap();
        fs::write(scene.written.path().join(file), &right).unwrap();
        assert!(reload(&scene.gateway).await.applied, "{file}");
        assert_eq!(ready(&scene.gateway).await, (200, "ready\n".to_owned()));
        assert!(scene.gateway.reload().standing().degraded.is_empty(), "{file}");
    }
}

#[tokio::test]
async fn a_change_of_any_file_is_noticed_however_it_is_made() {
    let scene = Scene::start(&Setup::acme()).await;
    let path = scene.written.path();
    let keys = fs::read_to_string(path.join("keys.toml")).unwrap();
    let with_note = |number: u32| format!("{keys}# {number}\n");
    let write: &dyn Fn(u32) = &|number| fs::write(path.join("keys.toml"), with_note(number)).unwrap();
    let rename = |number| {
        scene.written.file_for_owner("keys.new", &with_note(number));
        fs::rename(path.join("keys.new"), path.join("keys.toml")).unwrap();
    };
    let same_length = |_| {
        let text = fs::read_to_string(path.join("keys.toml")).unwrap();
        fs::write(path.join("keys.toml"), text.replace("\"active\"", "'active'")).unwrap();
    };
    // As Kubernetes mounts a secret: the file is a link to one in a folder that a link names, which is replaced.
    let folder = |number: u32| {
        let folder = path.join(format!("..{number}"));
        fs::create_dir(&folder).unwrap();
        scene.written.file_for_owner(&format!("..{number}/keys.toml"), &with_note(number));
        let link = path.join("..new");
        symlink(format!("..{number}"), &link).unwrap();
        fs::rename(link, path.join("..data")).unwrap();
    };
    let link = |number| {
        folder(number);
        symlink("..data/keys.toml", path.join("keys.new")).unwrap();
        fs::rename(path.join("keys.new"), path.join("keys.toml")).unwrap();
    };
    let secret = |_| {
        let secret = fs::read_to_string(path.join("clickbank-acme")).unwrap();
        scene.written.file_for_owner("clickbank-acme", &(secret + "\n"));
    };
    let gateway = |_| {
        let text = fs::read_to_string(path.join("gateway.toml")).unwrap();
        scene.written.file_for_owner("gateway.toml", &(text + "\n"));
    };
    let authority = |_| {
        let text = fs::read_to_string(path.join("upstream-ca.pem")).unwrap();
        scene.written.file_for_owner("upstream-ca.pem", &(text + "\n"));
    };
    let changes: [(&str, &dyn Fn(u32)); 9] = [
        ("written", write),
        ("written again", write),
        ("renamed", &rename),
        ("of the same length", &same_length),
        ("a link", &link),
        ("behind a link", &folder),
        ("a secret", &secret),
        ("the other file", &gateway),
        ("an authority", &authority),
    ];
    for (number, (what, change)) in (0..).zip(changes) {
        noticed(&scene.gateway, async || change(number)).await;
        let standing = scene.gateway.reload().standing();
        assert!(standing.degraded.is_empty(), "{what}: {:?}", standing.degraded);
        assert_eq!(scene.get("app", READ).await.outcome(), OK, "{what}");
    }
    // A file that is gone, and comes back.
    let moved = path.join("keys.away");
    noticed(&scene.gateway, async || fs::rename(path.join("keys.toml"), &moved).unwrap()).await;
    assert_eq!(scene.gateway.reload().standing().degraded[0].key.as_deref(), None);
    assert_eq!(scene.get("app", READ).await.outcome(), OK);
    noticed(&scene.gateway, async || fs::rename(&moved, path.join("keys.toml")).unwrap()).await;
    assert!(scene.gateway.reload().standing().degraded.is_empty());
}

#[tokio::test]
async fn what_cannot_change_is_said_and_kept_and_the_rest_is_in_force() {
    let scene = Scene::start(&Setup::acme().caller("other", &everything_on("[\"acme\"]"))).await;
    scene.written.edit("gateway.toml", |text| {
        text.replacen("address = \"127.0.0.1:0\"", "address = \"127.0.0.1:9\"\nmax_connections = 99", 1)
            .replace("[limits]", "max_answer = \"2 MiB\"\n[limits]")
            + "\n[admin]\naddress = \"unix:admin.sock\"\n"
    });
    scene.written.edit("keys.toml", |text| text.replacen("\"active\"", "\"inactive\"", 1));
    let outcome = reload(&scene.gateway).await;
    assert!(outcome.applied);
    let names =
        ["[listen] address", "[listen] max_connections", "[admin]", "[upstream] max_answer, answer_memory"].as_slice();
    assert_eq!((outcome.needs_restart.as_slice(), &*scene.gateway.reload().standing().needs_restart), (names, names));
    assert_eq!((scene.get("app", READ).await.outcome(), scene.get("other", READ).await.outcome()), (REFUSED, OK));
}

#[tokio::test]
async fn whoever_waits_for_a_turn_meanwhile_is_decided_again() {
    let limits = "per_second = 1\nper_day = 1000000\nmax_wait = \"60s\"";
    let read = "/rest/1.3/products/list?site=acme";
    let scene = Scene::start(&Setup::acme().caller("other", &everything_on("[\"acme\"]")).limits(limits)).await;
    assert_eq!(scene.get("app", read).await.outcome(), OK);
    let mut waiting = Vec::new();
    for caller in ["app", "other"] {
        let mut connection = scene.connect().await;
        let key = scene.key(caller);
        connection.send(format!("GET {read} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n")).await;
        waiting.push(connection);
    }
    within("both to wait", async {
        while scene.gateway.waiting() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    scene.written.edit("keys.toml", |text| text.replacen("\"active\"", "\"inactive\"", 1));
    assert!(reload(&scene.gateway).await.applied);
    assert_eq!(waiting[0].answer().await.outcome(), REFUSED);
    assert_eq!(waiting[1].answer().await.outcome(), OK);
    assert_eq!(scene.received().len(), 2);
}

#[tokio::test]
async fn what_was_found_out_about_a_credential_holds_for_as_long_as_it_and_its_reach_stay() {
    let scene = Scene::start(&Setup::acme()).await;
    let asked = || scene.simulator.received().iter().filter(|received| sees_reach(received)).count();
    let count = "/rest/1.3/tickets/count";
    assert_eq!((scene.get("app", count).await.outcome(), asked()), (OK, 1));
    scene.written.edit("keys.toml", |text| text + "\n");
    reload(&scene.gateway).await;
    assert_eq!((scene.get("app", count).await.outcome(), asked()), (OK, 1));
    // Under another name, in another place and among others, it is the same.
    scene.written.edit("gateway.toml", |text| {
        text.replace("acme = \"seller\"", "zulu = \"seller\"\nacme = \"seller\"")
            .replace("[credentials.acme", "[credentials.a")
    });
    reload(&scene.gateway).await;
    assert_eq!((scene.get("app", count).await.outcome(), asked()), (OK, 1));
    scene
        .written
        .edit("gateway.toml", |text| text.replace("analytics = [\"acme\"]", "analytics = [\"acme\", \"zulu\"]"));
    reload(&scene.gateway).await;
    assert_eq!((scene.get("app", count).await.outcome(), asked()), (OK, 2));
}

#[tokio::test]
async fn a_new_certificate_serves_from_the_next_connection_on() {
    let simulator = demo_simulator().await;
    let setup = Setup::acme()
        .listen("address = \"127.0.0.1:0\"\ntls = { cert_file = \"gateway.pem\", key_file = \"gateway.key\" }");
    let written = write_for(&setup, &simulator);
    let identities = [(); 2].map(|()| Identity::make(Certificate::Good));
    let present = |identity: &Identity| {
        written.file_for_owner("gateway.pem", &identity.certificate);
        written.file_for_owner("gateway.key", &identity.key);
    };
    present(&identities[0]);
    let gateway = start_gateway(&written).await;
    let address = gateway.address().tcp().unwrap();
    let shakes = async |identity: &Identity| {
        let authority = clickbank_gateway::tls::certificates(identity.authority.as_bytes()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(authority);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        TlsConnector::from(Arc::new(config)).connect("127.0.0.1".try_into().unwrap(), stream).await
    };
    let _kept = shakes(&identities[0]).await.unwrap();
    assert!(shakes(&identities[1]).await.is_err());
    // The certificate of one and the key of the other are told as a mistake, and the pair before goes on.
    written.file_for_owner("gateway.pem", &identities[1].certificate);
    assert!(!reload(&gateway).await.applied);
    assert!(shakes(&identities[0]).await.is_ok());
    present(&identities[1]);
    assert!(reload(&gateway).await.applied);
    assert!(shakes(&identities[0]).await.is_err() && shakes(&identities[1]).await.is_ok());
}

#[tokio::test]
async fn a_configuration_that_changes_between_reading_and_serving_is_noticed() {
    let simulator = demo_simulator().await;
    let written = write_for(&Setup::acme(), &simulator);
    let (config, _) = config::load(&written.file, Read::Read).unwrap();
    written.edit("keys.toml", |text| text.replacen("\"active\"", "\"inactive\"", 1));
    let gateway = Gateway::start(config).await.unwrap();
    let mut readings = gateway.reload().readings();
    within("the gateway to notice a change", readings.wait_for(|readings| *readings > 0)).await.unwrap();
    assert!(Path::new(&written.file).exists() && gateway.reload().standing().generation == 2);
}

/// How many reloads the load test makes; `CBGW_TEST_RELOADS` asks for more.
#[expect(clippy::disallowed_methods, reason = "a longer run is asked for in the environment, as proptest does")]
fn reloads() -> usize {
    std::env::var("CBGW_TEST_RELOADS").map_or(40, |text| text.parse().expect("CBGW_TEST_RELOADS is a number"))
}

/// Both files, anew for each round: numbers of nicknames, credentials and callers change places, so a request that took
/// some of them from one configuration and some from another would act for somebody else.
struct Round {
    gateway: String,
    credentials: [String; 2],
    steady: [String; 2],
    /// Keys that come, are edited and regenerated, and go, by name.
    passing: Vec<(String, String, &'static str)>,
}

impl Round {
    fn write(&self, scene: &Scene, number: usize) {
        let order =
            |parts: &[String; 2]| if number.is_multiple_of(2) { parts.concat() } else { parts[1].clone() + &parts[0] };
        let nicknames = order(&["acme = \"seller\"\n".to_owned(), "zenith = \"seller\"\n".to_owned()]);
        let gateway = format!("{}[nicknames]\n{nicknames}{}", self.gateway, order(&self.credentials));
        let mut keys: Vec<String> =
            self.passing.iter().map(|(name, key, nickname)| key_table(name, key, nickname)).collect();
        keys.insert(number % (keys.len() + 1), order(&self.steady));
        for (name, text) in [("gateway.toml", gateway), ("keys.toml", keys.concat())] {
            scene.written.file_for_owner(&format!("{name}.new"), &text);
            fs::rename(scene.written.path().join(format!("{name}.new")), scene.written.path().join(name)).unwrap();
        }
    }
}

fn key_table(name: &str, key: &str, nickname: &str) -> String {
    let digest = KeyDigest::of(key.as_bytes());
    format!(
        "[keys.{name}]\nid = \"key_{name}\"\nstatus = \"active\"\ndigest = \"{digest}\"\n[keys.{name}.grants]\n\
         orders_read = [\"{nickname}\"]\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_request_fails_or_is_decided_by_two_configurations_at_once() {
    let read = |nickname| format!("orders_read = [\"{nickname}\"]");
    let setup = Setup::new()
        .limits("per_second = 100000\nper_day = 100000000")
        .credential("acme", &read("acme"))
        .credential("zenith", &read("zenith"))
        .caller("acme", &read("acme"))
        .caller("zenith", &read("zenith"));
    let scene = Scene::start(&setup).await;
    let gateway = fs::read_to_string(&scene.written.file).unwrap();
    let credential = |name: &str| {
        format!(
            "[credentials.{name}]\napi_key = {{ file = \"clickbank-{name}\" }}\n[credentials.{name}.reach]\n\
             orders_read = [\"{name}\"]\n"
        )
    };
    let steady = |name: &str| key_table(name, scene.key(name), name);
    let mut round = Round {
        gateway: gateway[..gateway.find("[nicknames]").unwrap()].to_owned(),
        credentials: [credential("acme"), credential("zenith")],
        steady: [steady("acme"), steady("zenith")],
        passing: Vec::new(),
    };
    let counts = [scene.get("acme", READ).await.text(), scene.get("zenith", READ).await.text()];
    assert_ne!(counts[0], counts[1]);

    let stop = tokio_util::sync::CancellationToken::new();
    let mut load = Vec::new();
    for (name, count) in ["acme", "zenith", "acme", "zenith"].into_iter().zip(counts.iter().cycle().cloned()) {
        let head = format!("GET {READ} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {}\r\n\r\n", scene.key(name));
        let (mut connection, stop) = (scene.connect().await, stop.clone());
        load.push(tokio::spawn(async move {
            let mut answered = 0_usize;
            while !stop.is_cancelled() {
                connection.send(&head).await;
                let answer = connection.answer().await;
                assert_eq!((answer.outcome(), answer.text()), (OK, count.clone()), "{name}");
                answered += 1;
            }
            answered
        }));
    }
    let ask = async |key: &str| {
        let mut connection = scene.connect().await;
        connection.send(format!("GET {READ} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n")).await;
        let answer = connection.answer().await;
        (answer.status, answer.text())
    };
    for number in 0..reloads() {
        // The newest is added, the one before edited, the one before that regenerated, and an older one deleted.
        let mut gone = Vec::new();
        if let Some((.., nickname)) = round.passing.last_mut() {
            *nickname = "zenith";
        }
        if let Some((_, key, _)) = round.passing.iter_mut().rev().nth(1) {
            gone.push(std::mem::replace(key, new_key()));
        }
        if round.passing.len() > 3 {
            gone.push(round.passing.remove(0).1);
        }
        round.passing.push((format!("app{number}"), new_key(), "acme"));
        round.write(&scene, number);
        let outcome = reload(&scene.gateway).await;
        assert!(outcome.applied, "{:?}", outcome.problems);
        for key in gone {
            assert_eq!(ask(&key).await.0, 401, "a key that was replaced or deleted in round {number}");
        }
        for (name, key, nickname) in round.passing.iter().rev().take(3) {
            let count = &counts[usize::from(*nickname == "zenith")];
            assert_eq!(ask(key).await, (200, count.clone()), "{name} in round {number}");
        }
    }
    stop.cancel();
    for load in load {
        let answered = load.await.unwrap();
        assert!(answered >= reloads(), "{answered} requests are no load");
    }
}
