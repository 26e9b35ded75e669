//! Requests that are almost right, over real sockets: whatever arrives at ClickBank obeys the grammar, and no key of ours
//! is in it.

use std::collections::BTreeSet;

use bytes::Bytes;
use clickbank_gateway::config::{self, Secrets};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::mutation::mutated;
use super::oracles::grammar;
use super::{config as cases, seeds};
use crate::support::scene::Scene;
use crate::support::setup::Setup;

/// The simulator remembers about as many arrivals as come of so many requests.
const MOST: u32 = 10_000;

/// What a request to ClickBank may have.
const HEADERS: [&str; 7] =
    ["accept", "accept-encoding", "authorization", "content-length", "host", "page", "user-agent"];

#[tokio::test]
async fn whatever_arrives_at_clickbank_obeys_the_grammar() {
    let scene = Scene::start(&Setup::acme()).await;
    let (config, _) = config::load(&scene.written.file, Secrets::Skip).unwrap();
    let catalogue = &config.snapshot.policy.catalogue;
    let key = scene.key("app");
    let seeds: Vec<Vec<u8>> = seeds("forwarded_requests_obey_the_grammar");
    let mutated = mutated(seeds.clone());
    let mut runner = TestRunner::new(cases());
    let made_up = (0..cases().cases.min(MOST)).map(|_| mutated.new_tree(&mut runner).unwrap().current());
    let mut outcomes = BTreeSet::new();
    let mut arrived = 0_usize;
    for bytes in seeds.into_iter().map(Bytes::from).chain(made_up) {
        // The corpus has the keys of another configuration.
        let theirs = ["cbgw_app", "cbgw_all", "cbgw_reader", "cbgw_idle"].iter();
        let bytes = theirs.fold(bytes.to_vec(), |bytes, theirs| replaced(&bytes, theirs.as_bytes(), key.as_bytes()));
        let mut connection = scene.connect().await;
        connection.send(&bytes).await;
        let whole = grammar::find(&bytes, b"\r\n\r\n").is_some();
        let head = bytes.strip_prefix(b"\r\n").unwrap_or(&bytes).starts_with(b"HEAD ");
        // The gateway waits a while for the end of a head, or of a body without a length; here nothing follows.
        let ended = !whole || grammar::find(&bytes.to_ascii_lowercase(), b"chunked").is_some();
        if ended {
            connection.end().await;
        }
        if !head {
            if let Some(answer) = connection.next_answer().await {
                outcomes.insert((answer.status, answer.code().map(str::to_owned)));
            }
        } else if !ended {
            connection.answer_to_head().await;
        }
        for received in scene.received().split_off(arrived) {
            arrived += 1;
            grammar::check_sent(catalogue, &received.method, &received.target);
            let names: BTreeSet<&str> = received.headers.iter().map(|(name, _)| &**name).collect();
            assert_eq!(names.len(), received.headers.len(), "{names:?}");
            assert!(names.iter().all(|name| HEADERS.contains(name)), "{names:?}");
            assert!(names.contains("host") && received.body_bytes == 0, "{received:?}");
            let values = received.headers.iter().map(|(_, value)| &**value);
            let everything = values.chain([&*received.target]).collect::<Vec<_>>().join("\n");
            assert!(!everything.contains("cbgw_"), "{}", bytes.escape_ascii());
        }
    }
    // It is worth something only if much gets through and much does not, as is so of the corpus itself.
    assert!(arrived >= 12 && outcomes.len() >= 8, "{arrived} arrived, with {outcomes:?}");
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    match grammar::find(bytes, old) {
        Some(at) => [&bytes[..at], new, &replaced(&bytes[at + old.len()..], old, new)].concat(),
        None => bytes.to_vec(),
    }
}
