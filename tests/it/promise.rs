//! The promise, as a property: whatever a caller asks, the gateway answers as ClickBank would answer a key with exactly the
//! caller's grants, or refuses; and a refusal tells no more than such a key could find out.
//!
//! Scenes are made up from seeds: nicknames, ClickBank keys, callers' grants, sales of everybody through everybody. In
//! each, callers send requests of all kinds to the gateway over two worlds that such a key could not tell apart. It is a
//! failure when answers differ between these, are not what that key would get, or show what it would not see.
//!
//! | module | what it holds |
//! |---|---|
//! | `scene`, `records` | who takes part, and what ClickBank keeps |
//! | `alike` | the other world |
//! | `request`, `values` | what callers ask |
//! | `ideal` | what the ideal key would get |
//! | `planted`, `safety` | what must not show, change, or be sent, and the search for it |
//! | `hostile`, `forgery` | answers of a ClickBank that has gone wrong |
//! | `check`, `coverage` | a case, and what was tried in all of them |
//! | `changes` | sequences of changes |
//! | `sockets` | some scenes through the real server |
//!
//! `CBGW_TEST_PROMISES=100000 cargo test --test it promise` tries more cases than every run does. `CBGW_TEST_SEED` is the
//! first scene's seed: with the one that a failure names and `CBGW_TEST_PROMISES=1`, that scene is tried alone.

mod alike;
mod changes;
mod check;
mod coverage;
mod forgery;
mod hostile;
mod ideal;
mod planted;
mod random;
mod records;
mod request;
mod safety;
mod scene;
mod sockets;
mod values;

use std::time::Instant;

use tokio::runtime::Runtime;

use crate::support::in_process;

use self::changes::{Made, Sequence};
use self::check::{Broken, Case};
use self::coverage::Coverage;
use self::scene::Scene;

/// How many cases are tried, unless the environment says otherwise.
const CASES: u64 = 2_400;
const CASES_OF_A_SCENE: usize = 6;
const FIRST_SEED: u64 = 20_261_120;

#[test]
fn whatever_a_caller_asks_it_gets_what_a_key_of_its_grants_would_or_a_refusal() {
    let coverage = try_scenes(false);
    assert!(coverage.discarded * 50 <= coverage.cases, "worlds that should be alike often are not: {coverage}");
    if coverage.cases >= CASES {
        let gaps = coverage.gaps();
        assert!(gaps.is_empty(), "{coverage}\n{gaps:#?}");
    }
}

#[test]
fn whatever_clickbank_answers_nothing_foreign_shows_or_changes() {
    let coverage = try_scenes(true);
    let untried = coverage.untried_forms();
    assert!(coverage.cases < CASES / 2 || untried.is_empty(), "never tried: {untried:?}");
}

#[test]
#[expect(clippy::print_stdout, reason = "how much was tried is worth knowing")]
fn whatever_a_caller_changes_is_its_own_and_what_its_key_would_have_changed() {
    let _silence = tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::default());
    let runtime = in_process::runtime();
    let (mut coverage, mut made) = (Coverage::default(), Made::default());
    let (began, first) = (Instant::now(), from_environment("CBGW_TEST_SEED", FIRST_SEED));
    let cases = from_environment("CBGW_TEST_PROMISES", CASES).div_ceil(2);
    for seed in first.. {
        if coverage.cases >= cases {
            break;
        }
        let mut scene = Scene::of(seed);
        scene.trusts_clickbank = seed % 2 == 0;
        let world = scene.world(scene.records.clone());
        let configured = scene.configure(&world);
        for number in 0..CASES_OF_A_SCENE {
            coverage.cases += 1;
            let mut sequence = Sequence::make(&scene, &configured, &world, number);
            if let Err(what) = sequence.run(&runtime, &mut coverage, &mut made) {
                panic!("{what}");
            }
        }
    }
    println!("{made}{coverage}; {:.1?}", began.elapsed());
    let gaps = made.gaps();
    assert!(coverage.cases < CASES / 2 || gaps.is_empty(), "{made}{gaps:#?}");
}

/// Tries as many cases as the environment says, or half of them with answers that are mangled now and then.
#[expect(clippy::print_stdout, reason = "how much was tried is worth knowing")]
fn try_scenes(mangled: bool) -> Coverage {
    // What other tests listen to is none of what happens here, and would be long.
    let _silence = tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::default());
    let runtime = in_process::runtime();
    let mut coverage = Coverage::default();
    let (began, first) = (Instant::now(), from_environment("CBGW_TEST_SEED", FIRST_SEED));
    let cases = from_environment("CBGW_TEST_PROMISES", CASES).div_ceil(if mangled { 2 } else { 1 });
    for seed in first.. {
        if coverage.cases >= cases {
            break;
        }
        try_scene(&Scene::of(seed), mangled, &runtime, &mut coverage);
    }
    println!("{coverage}; {:.1?}", began.elapsed());
    coverage
}

fn try_scene(scene: &Scene, mangled: bool, runtime: &Runtime, coverage: &mut Coverage) {
    let world = scene.world(scene.records.clone());
    let configured = scene.configure(&world);
    for number in 0..CASES_OF_A_SCENE {
        let mut case = Case::make(scene, &configured, &world, number);
        case.mangled = mangled.then_some(number as u64);
        coverage.cases += 1;
        if !mangled && !case.is_alike() {
            coverage.discarded += 1;
            continue;
        }
        if let Err(broken) = case.run(runtime, coverage) {
            panic!("{}", told(case, broken, runtime));
        }
    }
}

/// Tells of a failure, with the fewest requests that still show it.
fn told(mut case: Case<'_>, broken: Broken, runtime: &Runtime) -> String {
    let mut broken = broken;
    case.asks.truncate(broken.at + 1);
    let mut place = 0;
    while place + 1 < case.asks.len() {
        let left_out = case.asks.remove(place);
        if let Err(still) = case.run(runtime, &mut Coverage::default()) {
            case.asks.truncate(still.at + 1);
            broken = still;
        } else {
            case.asks.insert(place, left_out);
            place += 1;
        }
    }
    let scene = case.scene;
    let asks: Vec<String> = case.asks.iter().map(|ask| format!("  {ask}")).collect();
    let (caller, _) = &scene.callers[case.caller];
    format!(
        "scene {}, caller {caller}\n{}\n{}\n{:?}, {:?}\n{}\n{}",
        scene.seed,
        scene.gateway_toml(),
        scene.keys_toml(),
        scene.settings.shared_sale,
        scene.settings.empty_list,
        asks.join("\n"),
        broken.what
    )
}

#[expect(clippy::disallowed_methods, reason = "a longer run is asked for in the environment, as proptest does")]
fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
