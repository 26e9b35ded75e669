//! What 10, 10,000 and 100,000 keys cost: reading the key file, keeping what was read, letting go of it, and changing one
//! key in it.
//!
//! ```text
//! cargo bench --bench keys
//! ```
//!
//! What is kept of `loading` is its `alloc` and `grow` less its `dealloc` and `shrink`; names, ids and grants are part of
//! it.

#![expect(clippy::expect_used, reason = "a benchmark that fails should fail loudly")]

use std::path::{Path, PathBuf};

use clickbank_gateway::config::{self, Config, Secrets};
use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::keys::store::{Change, KeyFile};
use clickbank_gateway::keys::{KeyName, Status};
use divan::{AllocProfiler, Bencher};
use tempfile::TempDir;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const NICKNAMES: usize = 20;

/// A configuration with so many keys, as the program writes them: each granted three permissions on one of 20 nicknames.
fn configuration(keys: usize) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut gateway = String::from("[nicknames]\n");
    for nickname in 0..NICKNAMES {
        gateway.push_str(&format!("shop{nickname} = \"seller\"\n"));
    }
    gateway.push_str(
        "[credentials.all]\napi_key = { file = \"none\" }\n[credentials.all.reach]\norders_write = \"all\"\n",
    );
    let mut text = String::new();
    for number in 0..keys {
        let nickname = number % NICKNAMES;
        text.push_str(&format!(
            "[keys.app-{number:06}]\nid = \"key_{number:020}\"\nstatus = \"active\"\ncreated = 2026-11-22T13:00:00Z\n\
             expires = 2099-11-22T13:00:00Z\ndigest = \"{}\"\n\n[keys.app-{number:06}.grants]\n\
             analytics = \"all\"\nproducts = [\"shop{nickname}\"]\norders_read = [\"shop{nickname}\", \"shop{}\"]\n\n",
            KeyDigest::of(&number.to_be_bytes()),
            (nickname + 1) % NICKNAMES
        ));
    }
    let file = directory.path().join("gateway.toml");
    std::fs::write(&file, gateway).expect("gateway.toml");
    std::fs::write(directory.path().join("keys.toml"), text).expect("keys.toml");
    (directory, file)
}

fn load(file: &Path) -> Config {
    config::load(file, Secrets::Skip).expect("a valid configuration").0
}

#[divan::bench(args = [10, 10_000, 100_000], sample_count = 10, sample_size = 1)]
fn loading(bencher: Bencher<'_, '_>, keys: usize) {
    let (_directory, file) = configuration(keys);
    bencher.bench_local(|| load(&file));
}

#[divan::bench(args = [10, 10_000, 100_000], sample_count = 10, sample_size = 1)]
fn letting_go(bencher: Bencher<'_, '_>, keys: usize) {
    let (_directory, file) = configuration(keys);
    bencher.with_inputs(|| load(&file).snapshot.keys).bench_local_values(drop);
}

/// As a command does it: the key file locked, both files read and checked, one key changed, all checked again and written.
#[divan::bench(args = [10, 10_000, 100_000], sample_count = 10, sample_size = 1)]
fn changing_one(bencher: Bencher<'_, '_>, keys: usize) {
    let (_directory, file) = configuration(keys);
    let name = format!("app-{:06}", keys / 2);
    let name = KeyName::parse(&name).expect("a name");
    let mut active = true;
    bencher.bench_local(|| {
        let keys_file = config::keys_file(&file).expect("the key file's name");
        let mut keys = KeyFile::open(&keys_file).expect("a key file");
        let config = load(&file);
        let nicknames = &config.snapshot.policy.nicknames;
        active = !active;
        let status = if active { Status::Active } else { Status::Inactive };
        keys.edit(name, &[Change::Status(status)]).expect("a key");
        config::check_keys(&keys_file, keys.text(), nicknames).expect("a valid key file");
        keys.save().expect("a file that can be written");
    });
}

fn main() {
    divan::main();
}
