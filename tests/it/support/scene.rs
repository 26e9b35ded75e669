//! A simulator and a gateway in this process, each behind a socket of its own.

use std::net::SocketAddr;
use std::sync::MutexGuard;
use std::time::Duration;

use clickbank_gateway::config::{self, ListenAddress, Secrets as Read};
use clickbank_gateway::server::Gateway;
use clickbank_gateway::simulator::{Received, Simulator, SimulatorConfig, World};

use super::setup::{Setup, Written};
use super::wire::{Answer, Connection};

/// Everything at work.
pub(crate) struct Scene {
    pub(crate) simulator: Simulator,
    pub(crate) gateway: Gateway,
    pub(crate) written: Written,
}

/// Starts a gateway from what is written.
pub(crate) async fn start_gateway(written: &Written) -> Gateway {
    let (config, _) = config::load(&written.file, Read::Read).unwrap_or_else(|findings| panic!("{findings:?}"));
    Gateway::start(config).await.unwrap()
}

/// Where a gateway that listens on TCP does so.
pub(crate) fn address_of(gateway: &Gateway) -> SocketAddr {
    match gateway.address() {
        ListenAddress::Tcp(address) => *address,
        ListenAddress::Unix(path) => panic!("listens on {}", path.display()),
    }
}

/// Writes a setup for a simulator. All of the simulator's keys are planted, used or not.
pub(crate) fn write_for(setup: &Setup, simulator: &Simulator) -> Written {
    let secret_of = |name: &str| {
        let key = simulator.keys().iter().find(|key| key.name() == name);
        key.unwrap_or_else(|| panic!("the simulator has no key {name}")).secret().expose().to_owned()
    };
    let mut written = setup.write(&simulator.url(), simulator.ca_pem(), secret_of);
    for key in simulator.keys() {
        written.secrets.plant(&format!("the simulator's key {}", key.name()), key.secret().expose(), 12);
    }
    written
}

/// Whether it is the question how far a credential reaches. A caller's own looks the same where it asks for JSON.
pub(crate) fn sees_reach(received: &Received) -> bool {
    received.target == "/rest/1.3/quickstats/accounts" && received.header_values("accept") == ["application/json"]
}

/// The demo world on a fixed day, with pages small enough to have several.
pub(crate) async fn demo_simulator() -> Simulator {
    let mut config = SimulatorConfig::default();
    config.settings.page_size = 10.try_into().unwrap();
    Simulator::start(config).await.unwrap()
}

impl Scene {
    pub(crate) async fn start(setup: &Setup) -> Self {
        let simulator = demo_simulator().await;
        let written = write_for(setup, &simulator);
        let gateway = start_gateway(&written).await;
        Self { simulator, gateway, written }
    }

    /// Ends the gateway as a signal would, and starts another from the same files.
    pub(crate) async fn restart(self) -> Self {
        let Self { simulator, gateway, written } = self;
        assert!(gateway.drain(Duration::from_mins(1)).await);
        let gateway = start_gateway(&written).await;
        Self { simulator, gateway, written }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        address_of(&self.gateway)
    }

    /// A caller's key.
    pub(crate) fn key(&self, caller: &str) -> &str {
        &self.written.keys[caller]
    }

    /// A credential's ClickBank key.
    pub(crate) fn credential(&self, name: &str) -> &str {
        &self.written.credentials[name]
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address(), &self.written.secrets).await
    }

    /// One request with the caller's key, on a connection of its own.
    pub(crate) async fn call(&self, caller: &str, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let mut head =
            format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {}\r\n", self.key(caller));
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut connection = self.connect().await;
        connection.send(head + "\r\n").await;
        if method == "HEAD" { connection.answer_to_head().await } else { connection.answer().await }
    }

    pub(crate) async fn get(&self, caller: &str, target: &str) -> Answer {
        self.call(caller, "GET", target, &[]).await
    }

    /// What has arrived at the simulator so far, but for the one question for each credential that sees how far it
    /// reaches. It is asked when the credential is first trusted, whoever's call that is.
    pub(crate) fn received(&self) -> Vec<Received> {
        let mut received = self.simulator.received();
        received.retain(|received| !sees_reach(received));
        received
    }

    /// The simulator's world; never held across an await.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.simulator.world()
    }
}
