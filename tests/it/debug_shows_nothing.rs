//! What `Debug` shows of a public type ends up in logs and panics sooner or later. So none of it is a secret, a customer's,
//! or a caller's own text.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use clickbank_gateway::config::{self, Secrets as Read, built_in_endpoints};
use clickbank_gateway::domain::call::Call;
use clickbank_gateway::domain::catalogue::Catalogue;
use clickbank_gateway::domain::secret::{AdminToken, CredentialSecret, KeyDigest, SecretText};
use clickbank_gateway::domain::target::read_path;
use clickbank_gateway::http1::request::HeadReader;
use clickbank_gateway::keys::issue;
use clickbank_gateway::keys::store::KeyFile;
use clickbank_gateway::pipeline::{Shared, pipeline};
use clickbank_gateway::rejection::Rejection;
use clickbank_gateway::simulator;
use http::Request;
use http_body_util::Empty;
use tower::ServiceExt as _;

use crate::golden::assert_golden;
use crate::support::scene::Scene;
use crate::support::setup::Setup;

/// Planted where a caller may write.
const CANARY: &str = "CANARY0123456789CANARY";

/// Both ways in which a value can be debugged.
fn shown(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

#[tokio::test]
async fn nothing_of_what_a_gateway_holds() {
    let scene = Scene::start(&Setup::acme()).await;
    let sweep = |name: &str, value: &dyn Debug| scene.written.secrets.sweep(name, shown(&value).as_bytes());
    let (config, _) = config::load(&scene.written.file, Read::Read).unwrap();
    sweep("the configuration", &config);
    sweep("the gateway", &scene.gateway);

    let shared = Shared::new(Arc::new(config.snapshot));
    let service = pipeline(&shared, &config.upstream);
    sweep("what requests share", &shared);
    sweep("the upstream", &config.upstream);
    let request = Request::get("/rest/1.3/orders2/list")
        .header("host", "gateway")
        .header("authorization", scene.key("app"))
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = service.oneshot(Ok(request)).await.unwrap();
    assert_eq!(answer.status(), 206);
    let shown = shown(&answer);
    scene.written.secrets.sweep("an answer", shown.as_bytes());
    for customers in ["@example.net", "Elm & Oak", "orderData"] {
        assert!(!shown.contains(customers), "{shown}");
    }

    let key = scene.key("app");
    let issued = issue::new_key().unwrap();
    sweep("a digest", &KeyDigest::of(key.as_bytes()));
    sweep("a secret", &CredentialSecret::parse(scene.credential("acme"), None).unwrap());
    sweep("a text", &SecretText::from_bytes(key.as_bytes().to_vec()).unwrap());
    sweep("a token", &AdminToken::new(key).unwrap());
    assert_eq!(format!("{issued:?}"), "IssuedKey(***)");
    // People put keys where none belong.
    let keys = scene.written.path().join("keys.toml");
    fs::write(&keys, format!("# {key}\n[keys.app]\ndigest = \"{key}\"\n")).unwrap();
    sweep("what is wrong", &config::load(&scene.written.file, Read::Read).unwrap_err());
    sweep("the key file", &KeyFile::open(&keys).unwrap());
}

#[test]
fn nothing_of_what_a_caller_wrote() {
    let catalogue = Catalogue::new(built_in_endpoints().unwrap());
    let mut wrong = Vec::new();
    for target in [
        format!("/rest/1.3/orders2/list?email={CANARY}&tid={CANARY}"),
        // A name that could be a parameter's is repeated to its caller; a key is not.
        format!("/rest/1.3/orders2/list?API-{CANARY}=1"),
        format!("/rest/1.3/orders2/list?cbgw_{CANARY}=1"),
        format!("/rest/1.3/orders2/list?role={CANARY}"),
        format!("/rest/1.3/orders2/list?email={CANARY}&email={CANARY}"),
        format!("/rest/1.3/orders2/list?email={CANARY}%zz"),
        format!("/rest/1.3/products/list?site={CANARY}!"),
        format!("/rest/1.3/products/{CANARY}?site=acme"),
        format!("/rest/1.3/{CANARY}/list"),
        format!("/@{CANARY}/rest/1.3/orders2/list"),
        format!("/rest/1.3/orders2/{CANARY}%41"),
    ] {
        let call = Call::read(&catalogue, "GET", &target);
        let path = target.split('?').next().unwrap();
        let all = [shown(&call), shown(&call.map_err(Rejection::from)), shown(&read_path(path))].concat();
        if all.contains("CANARY") {
            wrong.push(format!("{target}: {all}"));
        }
    }
    for head in [
        format!("GET /{CANARY} HTTP/1.1\r\nAuthorization: {CANARY}\r\n\r\n"),
        format!("GET /{CANARY}# HTTP/1.1\r\n"),
        format!("{CANARY}\r\n"),
    ] {
        let mut reader = HeadReader::default();
        let all = [shown(&reader.read(head.as_bytes())), shown(&reader)].concat();
        if all.contains("CANARY") {
            wrong.push(format!("{head}: {all}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn no_key_of_the_simulators() {
    let scene = Scene::start(&Setup::acme()).await;
    scene.get("app", "/rest/1.3/orders2/count").await;
    let sweep = |name: &str, value: &dyn Debug| scene.written.secrets.sweep(name, shown(&value).as_bytes());
    let received = scene.received();
    assert!(received[0].header("authorization").is_some());
    sweep("what arrived", &received);
    sweep("the simulator", &scene.simulator);
    sweep("its world", &*scene.world());
    sweep("its keys", &scene.simulator.keys());
    let request = simulator::Request::get("/rest/1.3/debug").with_header("Authorization", scene.credential("acme"));
    sweep("its request", &request);
}

/// The public types below a folder that can be debugged, with their files.
fn debugged(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            debugged(&path, root, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let mut attributes = String::new();
        for line in code.lines() {
            let rest = ["pub ", "pub(crate) ", "pub(super) "].iter().find_map(|prefix| line.strip_prefix(prefix));
            let name = rest.and_then(|rest| rest.strip_prefix("struct ").or_else(|| rest.strip_prefix("enum ")));
            if let Some(name) = name {
                let name: String = name.chars().take_while(char::is_ascii_alphanumeric).collect();
                let by_hand = code.contains(&format!("Debug for {name}"));
                if by_hand || attributes.contains("Debug") {
                    let file = path.strip_prefix(root).unwrap().display();
                    found.insert(format!("{file} {name}{}", if by_hand { " (by hand)" } else { "" }));
                }
            }
            if line.starts_with("#[") {
                attributes.push_str(line);
            } else if !line.starts_with("//") {
                attributes.clear();
            }
        }
    }
}

/// A type that is not in the golden file is new: whoever adds it says there, by the review of that line, that it holds
/// nothing that must not be shown, or gives it a `Debug` of its own.
#[test]
fn every_type_that_can_be_debugged_has_been_looked_at() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    debugged(&root, &root, &mut found);
    assert!(found.len() > 150, "the source was found");
    assert_golden("debugged_types", &found.into_iter().collect::<Vec<_>>().join("\n"));
}
