//! Commands that are killed at any moment, with others writing at the same time: the key file is always whole, is the old
//! one or the new one, and what a command said it did is there.
//!
//! 60 writes in an ordinary run; `CBGW_TEST_KEY_WRITES=1000` tries more.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clickbank_gateway::config;
use clickbank_gateway::domain::nickname::{Nickname, NicknameKind, Nicknames};

const WRITERS: usize = 3;

/// A key as far as the commands here change it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    active: bool,
    note: Option<String>,
}

type Keys = BTreeMap<String, Seen>;

/// What stands in the file, which has to be a valid one.
fn read(file: &Path) -> Keys {
    let text = fs::read_to_string(file).unwrap();
    let mut nicknames = Nicknames::default();
    nicknames.declare(Nickname::parse("acme").unwrap(), NicknameKind::Seller).unwrap();
    let (keys, _) =
        config::check_keys(file, &text, &nicknames).unwrap_or_else(|findings| panic!("{findings:?}\n{text}"));
    let seen = |key: &clickbank_gateway::keys::Key<'_>| Seen {
        active: key.status == clickbank_gateway::keys::Status::Active,
        note: key.note.map(|note| note.as_str().to_owned()),
    };
    keys.iter().map(|(_, key)| (key.name.to_string(), seen(&key))).collect()
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// One change of a writer's own keys: the arguments, and the keys after it.
fn change(random: &mut Random, writer: usize, number: usize, keys: &Keys) -> (Vec<String>, Keys) {
    let mut after = keys.clone();
    let name = keys.keys().nth(usize::try_from(random.below(8)).unwrap() % keys.len().max(1)).cloned();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let Some(name) = name.filter(|_| keys.len() > 5 || random.below(3) > 0) else {
        let name = format!("w{writer}-{number}");
        after.insert(name.clone(), Seen { active: true, note: None });
        return (words(&["create", &name, "--grant", "orders_read=acme"]), after);
    };
    let key = after.get_mut(&name).unwrap();
    let arguments = match random.below(5) {
        0 => {
            after.remove(&name);
            words(&["delete", &name, "--yes"])
        }
        1 => {
            key.active = !key.active;
            words(&[if key.active { "activate" } else { "deactivate" }, &name])
        }
        2 => words(&["regenerate", &name]),
        3 => {
            let new = format!("w{writer}-{number}-renamed");
            let key = after.remove(&name).unwrap();
            after.insert(new.clone(), key);
            words(&["edit", &name, "--name", &new])
        }
        _ => {
            key.note = Some(format!("note {number}"));
            words(&["edit", &name, "--note", &format!("note {number}")])
        }
    };
    (arguments, after)
}

fn spawn(directory: &Path, arguments: &[String]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clickbank-gateway"));
    command.arg("key").args(arguments).current_dir(directory).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[expect(clippy::print_stderr, reason = "for who asked for more writes than usual")]
fn tell(text: &str) {
    eprintln!("{text}");
}

#[test]
fn no_kill_breaks_the_key_file_and_nothing_that_was_acknowledged_is_lost() {
    #[expect(clippy::disallowed_methods, reason = "says how much to try")]
    let writes: usize = std::env::var("CBGW_TEST_KEY_WRITES").map_or(60, |text| text.parse().unwrap());
    let seed = RandomState::new().hash_one(0);
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    fs::create_dir(&config).unwrap();
    let file = config.join("keys.toml");
    fs::write(
        config.join("gateway.toml"),
        "[nicknames]\nacme = \"seller\"\n[credentials.acme]\napi_key = { file = \"none\" }\nreach = { orders_write = [\"acme\"] }\n",
    )
    .unwrap();
    fs::write(&file, "# ours\n").unwrap();
    // How long a command takes when nobody else writes; with others, it waits for them.
    let started = Instant::now();
    assert!(spawn(directory.path(), &["list".to_owned()]).wait().unwrap().success());
    let usual = started.elapsed().max(Duration::from_millis(5));

    let (done, killed, took_hold) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let (directory, file) = (directory.path(), file.as_path());
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (killed, took_hold) = (&killed, &took_hold);
                scope.spawn(move || {
                    let mut random = Random(seed.wrapping_add(writer as u64));
                    let mut keys = Keys::new();
                    for number in 0..writes / WRITERS {
                        let (arguments, after) = change(&mut random, writer, number, &keys);
                        let mut child = spawn(directory, &arguments);
                        let patience = usual.mul_f64(f64::from(u32::try_from(random.below(600)).unwrap()) / 100.0);
                        let deadline = Instant::now() + patience;
                        let mut status = child.try_wait().unwrap();
                        while status.is_none() && Instant::now() < deadline {
                            std::thread::sleep(Duration::from_micros(200));
                            status = child.try_wait().unwrap();
                        }
                        child.kill().unwrap();
                        let status = status.unwrap_or_else(|| child.wait().unwrap());
                        let own = |mut keys: Keys| {
                            keys.retain(|name, _| name.starts_with(&format!("w{writer}-")));
                            keys
                        };
                        let now = own(read(file));
                        let about = format!("seed {seed}, writer {writer}, {arguments:?}, {status}");
                        if status.success() {
                            assert_eq!(now, after, "what was acknowledged is there: {about}");
                        } else {
                            assert_eq!(status.code(), None, "nothing but a kill stops it: {about}");
                            assert!(now == keys || now == after, "neither old nor new: {about}\n{now:?}");
                            killed.fetch_add(1, Ordering::Relaxed);
                            took_hold.fetch_add(usize::from(now == after && now != keys), Ordering::Relaxed);
                        }
                        keys = now;
                    }
                    keys
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            let mut reads = 0_usize;
            while !done.load(Ordering::Relaxed) {
                read(file);
                reads += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            reads
        });
        let expected: Keys = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        let reads = reader.join().unwrap();
        assert_eq!(read(file), expected, "seed {seed}: every writer's keys are there in the end");
        let (killed, took_hold) = (killed.load(Ordering::Relaxed), took_hold.load(Ordering::Relaxed));
        tell(&format!(
            "{writes} writes, {killed} killed, {took_hold} of those after they took hold; read {reads} times"
        ));
    });
    assert!(killed.load(Ordering::Relaxed) > 0, "some were killed");
    let last = spawn(directory, &["create".to_owned(), "last".to_owned()]).wait().unwrap();
    assert!(last.success());
    let left: Vec<_> =
        fs::read_dir(directory.join("config")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "what the killed ones left is gone: {left:?}");
    assert!(fs::read_to_string(file).unwrap().starts_with("# ours\n"), "comments survive, too");
}
