//! The decision, thought out a second time from the design's words and from what is known of ClickBank, with sets of
//! strings and no regard to speed, and held against the gateway's on whole configurations: every key, every endpoint,
//! every request of a finite grid.
//!
//! The evaluator knows nothing of the gateway's catalogue, matrix or credentials. It decides for this release, which
//! changes nothing on a receipt or ticket.
//!
//! `CBGW_TEST_CONFIGURATIONS=3000 cargo test --test it naive` compares more configurations than every run does.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clickbank_gateway::config::Config;
use clickbank_gateway::domain::call::Call;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use self::request::Request;
use self::world::{World, worlds};
use crate::ask;

mod evaluate;
mod request;
mod world;

/// How many configurations are made up, unless the environment says otherwise.
const CONFIGURATIONS: u32 = 64;

#[test]
fn the_gateway_decides_as_the_design_does_in_configurations_of_all_kinds() {
    let grid = read_grid(&ask::load(&World::smallest().gateway_toml(), &World::smallest().keys_toml()));
    let config = ProptestConfig { cases: configurations(), failure_persistence: None, ..ProptestConfig::default() };
    let compared = |world| compare(&world, &grid).map_err(TestCaseError::fail);
    if let Err(failure) = TestRunner::new(config).run(&worlds(), compared) {
        panic!("{failure}");
    }
}

/// What is compared has to be worth comparing.
#[test]
fn every_kind_of_decision_occurs_in_the_configurations_that_are_made_up() {
    let mut runner = TestRunner::deterministic();
    let grid = request::grid();
    let mut kinds = BTreeSet::new();
    for _ in 0..CONFIGURATIONS / 2 {
        let world = worlds().new_tree(&mut runner).unwrap().current();
        for (_, grants) in &world.keys {
            kinds.extend(grid.iter().map(|request| kind(&world.judge(grants, request, request.named))));
        }
    }
    let expected = [
        "Allow confined",
        "Allow confined, seen",
        "Allow document",
        "Allow nobodys-data",
        "Allow nobodys-data (wide)",
        "Allow owner-named (wide)",
        "Allow request-confined (wide)",
        "AllowIfOwned confined",
        "AllowIfOwned confined, seen",
        "AllowIfOwned looked-up (wide)",
        "AllowIfOwned looked-up (wide), seen",
        "AllowIfOwned rows-judged (wide)",
        "Deny confined-credential-required affiliate-role",
        "Deny confined-credential-required forwarded",
        "Deny confined-credential-required no-credential",
        "Deny confined-credential-required no-look-up",
        "Deny confined-credential-required other-filter",
        "Deny confined-credential-required role-missing",
        "Deny confined-credential-required several",
        "Deny confined-credential-required unjudgeable",
        "Deny nickname-not-granted",
        "Deny nickname-required",
        "Deny permission-missing",
        "Deny permission-missing together",
    ];
    assert_eq!(kinds, expected.map(str::to_owned).into());
}

/// A decision without the names in it.
fn kind(decision: &str) -> String {
    match decision.split_once(" by ") {
        Some((what, by)) => {
            let wide = if by.contains("(wide)") { " (wide)" } else { "" };
            format!("{what}{wide}{}", if by.contains(" after how far") { ", seen" } else { "" })
        }
        None if decision.starts_with("Deny nickname-required") => "Deny nickname-required".to_owned(),
        None if decision.starts_with("Deny permission-missing") && !decision.ends_with("together") => {
            "Deny permission-missing".to_owned()
        }
        None => decision.to_owned(),
    }
}

/// Reads the grid once for all configurations: they share one catalogue.
fn read_grid(config: &Config) -> Vec<(Request, String, Call)> {
    let read = |mut request: Request| {
        let required = request::required(&request.fact);
        request.parameters.extend(required);
        let target = request.target();
        match ask::read(&config.snapshot.policy, &request.fact.method, &target) {
            Ok(call) => (request, target, call),
            Err(error) => panic!("{} {target}: {error:?}", request.fact.method),
        }
    };
    request::grid().into_iter().map(read).collect()
}

/// Asks both about everything. Says where they differ, if they do.
fn compare(world: &World, grid: &[(Request, String, Call)]) -> Result<(), String> {
    let (gateway, keys) = (world.gateway_toml(), world.keys_toml());
    let config = ask::load(&gateway, &keys);
    let policy = &config.snapshot.policy;
    for (name, grants) in &world.keys {
        let (caller, _) = config.snapshot.keys.find(name).expect("the key is in the file");
        for (request, target, call) in grid {
            let expected = world.judge(grants, request, request.named);
            let (words, about) = ask::decide_about(policy, caller, call);
            let mut decided = settled(&words, request, about);
            if let Some(first) = ask::asked_first(policy, caller, call) {
                let _ = write!(decided, " after {first}");
            }
            if decided != expected {
                let what = format!("{} {target} with {name}", request.fact.method);
                return Err(format!("{what}\n  gateway:   {decided}\n  evaluator: {expected}\n\n{gateway}\n{keys}"));
            }
        }
    }
    Ok(())
}

/// The gateway's decision in the evaluator's words. Left out is what the design does not settle: which of two reasons is
/// named where either makes a list unjudgeable, and whom a call is about whose answer is nobody's data.
fn settled(words: &str, request: &Request, mut about: Vec<&str>) -> String {
    let code = "Deny confined-credential-required";
    if words == format!("{code} owner-nowhere") || words == format!("{code} list") {
        return format!("{code} unjudgeable");
    }
    if about.is_empty() || request.fact.source == "global" {
        return words.to_owned();
    }
    about.sort_unstable();
    format!("{words} for {}", about.join(", "))
}

#[expect(clippy::disallowed_methods, reason = "a longer run is asked for in the environment, as proptest does")]
fn configurations() -> u32 {
    std::env::var("CBGW_TEST_CONFIGURATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(CONFIGURATIONS)
}
