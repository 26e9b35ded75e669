//! What holds for any input: the oracles, tried on inputs made up for each run and on the whole corpus of the fuzz
//! targets, which share them.
//!
//! `PROPTEST_CASES=100000 cargo test --test it properties` tries more than the 256 of every run. What a fuzz target
//! finds becomes a file of its corpus, and so a test of every run.

mod legal_values;
mod mutation;
pub(crate) mod oracles;
mod over_the_wire;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use self::mutation::mutated;

fn fuzz(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(path)
}

/// The names in a folder, without their extensions.
fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// The corpus of one oracle, in the order of the names.
fn corpus(oracle: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(fuzz("corpus").join(oracle)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(&file).unwrap())).collect()
}

fn seeds(oracle: &str) -> Vec<Vec<u8>> {
    corpus(oracle).into_iter().map(|(_, bytes)| bytes).collect()
}

/// As many cases as the environment says, which is proptest's own number where it is silent.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// Fails when some input that a strategy makes up does not hold.
fn every<S: Strategy>(strategy: S, holds: impl Fn(S::Value)) {
    let tried = |value| {
        holds(value);
        Ok(())
    };
    if let Err(failure) = TestRunner::new(config()).run(&strategy, tried) {
        panic!("{failure}");
    }
}

#[test]
fn every_oracle_has_a_fuzz_target_and_a_corpus_and_there_are_no_others() {
    let oracles: BTreeSet<String> = oracles::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names_in(&fuzz("targets")), oracles);
    assert_eq!(names_in(&fuzz("corpus")), oracles);
    let manifest = fs::read_to_string(fuzz("Cargo.toml")).unwrap();
    for oracle in &oracles {
        assert!(manifest.contains(&format!("path = \"targets/{oracle}.rs\"")), "{oracle}");
        let target = fs::read_to_string(fuzz(&format!("targets/{oracle}.rs"))).unwrap();
        assert!(target.contains(&format!("\"{oracle}\"")), "{oracle} tries another oracle");
    }
}

#[test]
fn the_corpus_holds() {
    for (oracle, check) in oracles::ALL {
        for (file, bytes) in corpus(oracle) {
            let held = std::panic::catch_unwind(|| check(&bytes));
            assert!(held.is_ok(), "{}", file.display());
        }
    }
}

#[test]
fn any_bytes_hold() {
    every(prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from), |bytes| {
        for (_, check) in oracles::ALL {
            check(&bytes);
        }
    });
}

/// Tries one oracle on what its corpus becomes by a few slips and tricks.
fn holds_for_mutations(oracle: &str) {
    let (_, check) = oracles::ALL.into_iter().find(|(name, _)| *name == oracle).unwrap();
    every(mutated(seeds(oracle)), |bytes| check(&bytes));
}

#[test]
fn answer_bodies_are_what_they_say() {
    holds_for_mutations("answer_bodies_are_what_they_say");
}

#[test]
fn answer_heads_read_one_way() {
    holds_for_mutations("answer_heads_read_one_way");
}

#[test]
fn call_targets_are_canonical() {
    holds_for_mutations("call_targets_are_canonical");
}

#[test]
fn forwarded_requests_obey_the_grammar() {
    holds_for_mutations("forwarded_requests_obey_the_grammar");
}

#[test]
fn gateway_files_tell_no_secret() {
    holds_for_mutations("gateway_files_tell_no_secret");
}

#[test]
fn json_rows_are_cut_cleanly() {
    holds_for_mutations("json_rows_are_cut_cleanly");
}

#[test]
fn key_files_tell_no_secret() {
    holds_for_mutations("key_files_tell_no_secret");
}

#[test]
fn no_key_survives_masking() {
    holds_for_mutations("no_key_survives_masking");
}

#[test]
fn only_whole_keys_identify() {
    holds_for_mutations("only_whole_keys_identify");
}

#[test]
fn request_heads_read_one_way() {
    holds_for_mutations("request_heads_read_one_way");
}

#[test]
fn the_simulator_reads_anything() {
    holds_for_mutations("the_simulator_reads_anything");
}

#[test]
fn xml_rows_are_cut_cleanly() {
    holds_for_mutations("xml_rows_are_cut_cleanly");
}

#[test]
fn no_key_with_a_byte_changed_left_out_or_added_identifies_anybody() {
    let app = setup_key();
    for at in 0..=app.len() {
        for byte in 0..=u8::MAX {
            let (head, tail) = app.split_at(at);
            let rest = tail.get(1..).unwrap_or_default();
            for edited in [[head, &[byte], rest].concat(), [head, &[byte], tail].concat(), [head, rest].concat()] {
                // A colon before the key makes a developer key of what stands before it, here of nothing.
                let same = edited == app || edited == [b":", &app[..]].concat();
                for form in ["", "Bearer ", "DEV-OLD:"] {
                    let value = [form.as_bytes(), &edited].concat();
                    let expected = (same && !(form == "Bearer " && edited != app)).then_some("app");
                    let identified = oracles::presented_keys::ask(&[&value]).ok().flatten();
                    assert_eq!(identified, expected, "{}", value.escape_ascii());
                }
            }
        }
    }
}

fn setup_key() -> Vec<u8> {
    oracles::setup::CALLERS[0].key().into_bytes()
}
