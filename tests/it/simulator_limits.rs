//! The simulator's limits, over sockets: on for whoever starts `simulate`, off for whoever starts it from Rust and does
//! not ask for them.

use std::num::NonZeroU32;
use std::time::Duration;

use clickbank_gateway::simulator::{Limits, Outcome, Simulator, SimulatorConfig};

use crate::support::raw_tls::RawTls;

async fn simulator(per_second: u32, per_day: u32) -> Simulator {
    let limits = Limits { per_second: NonZeroU32::new(per_second), per_day: NonZeroU32::new(per_day) };
    Simulator::start(SimulatorConfig { limits, ..SimulatorConfig::default() }).await.unwrap()
}

/// The status line and the body of the answer to the key of this name.
async fn count(client: &mut RawTls, simulator: &Simulator, name: &str) -> (String, String) {
    let key = simulator.keys().iter().find(|key| key.name() == name).unwrap().secret().expose();
    client.send(format!("GET /rest/1.3/tickets/count HTTP/1.1\r\nHost: s\r\nAuthorization: {key}\r\n\r\n")).await;
    let answer = client.answer().await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(!head.contains("retry-after") && (head.contains(" 200 ") || head.contains("content-type: text/plain")));
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn one_request_too_many_in_a_second_is_403_until_the_second_is_over() {
    let simulator = simulator(2, 0).await;
    let mut clients = [RawTls::connect(&simulator).await, RawTls::connect(&simulator).await];
    // Time stands still, and does not run ahead either while the only task waits for a socket.
    tokio::time::pause();
    let busy = tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    let mut statuses = Vec::new();
    for (client, advance) in [(0, 0), (1, 0), (0, 0), (1, 999), (0, 1), (1, 0), (0, 0)] {
        tokio::time::advance(Duration::from_millis(advance)).await;
        let (status, body) = count(&mut clients[client], &simulator, "acme").await;
        assert!(status.contains("200") || body == "Too many requests per second", "{status} {body}");
        statuses.push(status[9..12].to_owned());
    }
    busy.abort();
    assert_eq!(statuses, ["200", "200", "403", "403", "200", "200", "403"]);
    let outcomes: Vec<Outcome> = simulator.received().iter().map(|received| received.outcome).collect();
    assert_eq!(outcomes[1..4], [Outcome::Answered, Outcome::Limited, Outcome::Limited]);
}

#[tokio::test]
async fn a_day_is_an_accounts_and_lasts_until_a_reset() {
    let simulator = simulator(0, 2).await;
    let mut client = RawTls::connect(&simulator).await;
    let mut statuses = Vec::new();
    for name in ["acme", "zenith", "all", "acme-both", "rival", "sleeping"] {
        let (status, body) = count(&mut client, &simulator, name).await;
        let limited = body == "Too many requests per day";
        statuses.push((status[9..12].to_owned(), limited));
    }
    let expected = [("200", false), ("200", false), ("403", true), ("403", true), ("200", false), ("403", false)];
    assert_eq!(statuses, expected.map(|(status, limited)| (status.to_owned(), limited)));
    simulator.reset();
    assert!(count(&mut client, &simulator, "acme").await.0.contains("200"));
}

#[tokio::test]
async fn from_rust_there_is_no_limit_unless_it_is_asked_for() {
    assert_eq!(SimulatorConfig::default().limits, Limits::NONE);
    let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
    let mut client = RawTls::connect(&simulator).await;
    for _ in 0..30 {
        assert!(count(&mut client, &simulator, "acme").await.0.contains("200"));
    }
}
