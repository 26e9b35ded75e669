//! The same over sockets and TLS: some scenes, asked through the real server and the real simulator.

use std::fs;

use clickbank_gateway::config::{self, Secrets as Read};
use clickbank_gateway::server::Gateway;
use clickbank_gateway::simulator::{Simulator, SimulatorConfig};

use crate::support::in_process::{Reply, Seen};
use crate::support::scene::address_of;
use crate::support::secrets::Secrets;
use crate::support::wire::Connection;

use super::check::Case;
use super::coverage::Coverage;
use super::scene::Scene;
use super::{CASES_OF_A_SCENE, FIRST_SEED, safety};

const SCENES: u64 = 8;

#[tokio::test]
async fn over_sockets_callers_get_the_same() {
    let mut coverage = Coverage::default();
    for seed in FIRST_SEED..FIRST_SEED + SCENES {
        try_scene(&Scene::of(seed), &mut coverage).await;
    }
    // The simulator and the gateway are started for each scene; how much is asked there is settled by the seeds.
    assert!(coverage.requests >= 100, "{coverage}");
}

async fn try_scene(scene: &Scene, coverage: &mut Coverage) {
    let spec = scene.spec(scene.records.clone());
    let simulator = Simulator::start(SimulatorConfig::new(scene.settings.clone(), spec)).await.unwrap();
    let gateway = start(scene, &simulator).await;
    let world = simulator.world().clone();
    let configured = scene.configure(&world);
    // Callers of one scene share its world.
    let mut told = String::new();
    for number in 0..CASES_OF_A_SCENE {
        let case = Case::make(scene, &configured, &world, number);
        for ask in &case.asks {
            let done = simulator.world().executed().len();
            let mut before = simulator.world().clone();
            let earlier = simulator.received().len();
            let reply = call(&case, ask, &gateway).await;
            let received = simulator.received();
            let seen: Vec<Seen> = received[earlier..].iter().map(Seen::of).collect();
            coverage.requests += 1;
            let judged = safety::judge(&case, ask, &reply, &seen, &simulator.world(), (done, &[], &told))
                .and_then(|()| case.judge_ideal(ask, &reply, &seen, &mut before, coverage));
            if ask.fact.mutates {
                told.push_str(&ask.sent());
            }
            judged.unwrap_or_else(|what| panic!("scene {}, {ask}\n{what}\n{}", scene.seed, reply.shown()));
        }
    }
    simulator.stop().await;
}

/// A gateway of the scene's configuration that listens on a free port and asks this simulator.
async fn start(scene: &Scene, simulator: &Simulator) -> Gateway {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let upstream = format!("url = \"{}\"\nca_file = \"ca.pem\"", simulator.url());
    let listen = "[listen]\naddress = \"127.0.0.1:0\"\n[health]\naddress = \"127.0.0.1:0\"";
    let text = scene.gateway_toml().replace("url = \"https://clickbank.test\"", &upstream);
    write("gateway.toml", &format!("{listen}\n{text}"));
    write("keys.toml", &scene.keys_toml());
    write("ca.pem", simulator.ca_pem());
    for (name, _) in &scene.credentials {
        let key = simulator.keys().iter().find(|key| key.name() == name).unwrap();
        write(name, key.secret().expose());
    }
    let loaded = config::load(&directory.path().join("gateway.toml"), Read::Read);
    Gateway::start(loaded.unwrap_or_else(|findings| panic!("{findings:?}")).0).await.unwrap()
}

async fn call(case: &Case<'_>, ask: &super::request::Ask, gateway: &Gateway) -> Reply {
    let mut head = format!("{} {} HTTP/1.1\r\nHost: gateway\r\n", ask.fact.method, ask.target());
    for (name, value) in case.headers(ask) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut connection = Connection::open(address_of(gateway), &Secrets::default()).await;
    connection.send(head + "\r\n").await;
    let is_head = ask.fact.method == "HEAD";
    if is_head { connection.answer_to_head().await } else { connection.answer().await }.into()
}
