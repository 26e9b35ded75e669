//! A process that is killed at any moment while it uses the ledger: what it acknowledged is there afterwards, and the file
//! opens.
//!
//! 50 kills in an ordinary run; `CBGW_TEST_KILLS=1000` tries more.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

use clickbank_gateway::domain::caps::CapKind;
use clickbank_gateway::ledger::{CapKey, Charge, Claimed, Fingerprint, IdempotencyKey, Ledger, Moment, StoredAnswer};

const DIRECTORY: &str = "CBGW_TEST_LEDGER";
const SEED: &str = "CBGW_TEST_LEDGER_SEED";
/// At the same time in each process, so that no record expires and no cap is freed.
const NOW: u64 = 1_800_000_000;
/// Tasks that use the ledger at once.
const TASKS: u64 = 4;
/// More than all rounds together reach.
const LIMIT: u64 = 1_000_000_000;

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn now() -> Moment {
    Moment { wall: UNIX_EPOCH + Duration::from_secs(NOW), steady: Instant::now() }
}

fn open(directory: &Path) -> Ledger {
    Ledger::open(directory, 100_000).unwrap()
}

async fn claim(ledger: &Ledger, name: &str) -> Claimed {
    let key = IdempotencyKey::parse(name.as_bytes()).unwrap();
    ledger.claim("key_a", &key, Fingerprint::of([name]), now()).await.unwrap()
}

/// Its length depends on its name, and reaches over many pages of the file.
fn answer(name: &str) -> StoredAnswer {
    let times = name.bytes().map(usize::from).sum::<usize>() % 500;
    let body = format!("answer {name} ").repeat(times).into();
    StoredAnswer { status: 200.try_into().unwrap(), content_type: None, headers: Vec::new(), body }
}

fn charges() -> [Charge; 2] {
    let charge = |kind, scope: &str| Charge { cap: CapKey::new(kind, scope), amount: 1, limit: LIMIT };
    [charge(CapKind::Refunds, "key:key_a"), charge(CapKind::Changes, "nickname:acme")]
}

/// Says one thing at once, so that whatever the parent reads was said.
fn say(what: &str, name: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("ledger {what} {name}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// What is killed: nothing but a test of its own process, so it does nothing in an ordinary run.
#[test]
#[expect(clippy::disallowed_methods, reason = "this is how the child is told what to do")]
fn child() {
    let (Ok(directory), Ok(seed)) = (std::env::var(DIRECTORY), std::env::var(SEED)) else { return };
    let seed: u64 = seed.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let ledger = open(Path::new(&directory));
        let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(work(ledger.clone(), seed, task))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

async fn work(ledger: Ledger, seed: u64, task: u64) {
    let mut random = Random(seed.wrapping_mul(TASKS).wrapping_add(task));
    for number in 0.. {
        let name = format!("{seed}-{task}-{number}");
        if random.below(3) == 0 {
            say("reserving", &name);
            let reservation = ledger.caps().reserve(&charges(), now()).await.unwrap().unwrap();
            say("reserved", &name);
            if random.below(4) == 0 {
                say("giving-back", &name);
                reservation.give_back().await.unwrap();
                say("given-back", &name);
            }
            continue;
        }
        let Claimed::First(claim) = claim(&ledger, &name).await else { panic!("{name} is new") };
        let sending = claim.sending(name.as_bytes(), now()).await.unwrap();
        say("sending", &name);
        match random.below(5) {
            0 => {
                say("freeing", &name);
                sending.not_sent().await.unwrap();
                say("freed", &name);
            }
            1 => sending.unknown(),
            _ => {
                sending.answered(&answer(&name)).await.unwrap();
                say("answered", &name);
            }
        }
    }
}

/// How far each record has certainly come, and how often each thing was said of reservations.
#[derive(Default)]
struct Said {
    records: BTreeMap<String, String>,
    reservations: BTreeMap<String, u64>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        // The harness says something, too, and its line may be the beginning of ours.
        let Some((_, said)) = line.split_once("ledger ") else { return };
        let (what, name) = said.split_once(' ').unwrap();
        if ["sending", "freeing", "freed", "answered"].contains(&what) {
            self.records.insert(name.to_owned(), what.to_owned());
        } else {
            *self.reservations.entry(what.to_owned()).or_default() += 1;
        }
    }

    fn times(&self, what: &str) -> u64 {
        self.reservations.get(what).copied().unwrap_or(0)
    }
}

/// Runs a child until it has said so much, and then a moment longer.
fn run_and_kill(directory: &Path, seed: u64, random: &mut Random, said: &mut Said) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["ledger_survives_kills::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Some are killed before they say anything, while they open the ledger.
    let until = random.below(60);
    for line in lines.by_ref().take(usize::try_from(until).unwrap()) {
        said.hear(&line.unwrap());
    }
    let patience = Duration::from_micros(random.below(3_000));
    let killer = std::thread::spawn(move || {
        std::thread::sleep(patience);
        child.kill().unwrap();
        child.wait().unwrap()
    });
    for line in lines {
        said.hear(&line.unwrap());
    }
    assert_eq!(killer.join().unwrap().code(), None, "nothing but the kill ends it");
}

async fn check(directory: &Path, said: &Said, seed: u64) -> u64 {
    let ledger = open(directory);
    let mut between = 0;
    for (name, what) in &said.records {
        let about = format!("seed {seed}, {name} was {what}");
        match (what.as_str(), claim(&ledger, name).await) {
            ("sending" | "answered", Claimed::Answered(found)) => {
                assert!(found == answer(name), "{about}");
                between += u64::from(what == "sending");
            }
            ("sending" | "freeing", Claimed::Unknown(unknown)) => {
                assert_eq!(unknown.notes(), name.as_bytes(), "{about}");
            }
            ("freeing" | "freed", Claimed::First(_)) => between += u64::from(what == "freeing"),
            (_, found) => panic!("{about}: {found:?}"),
        }
    }
    // What was begun may have been done.
    let least = said.times("reserved") - said.times("giving-back");
    let most = said.times("reserving") - said.times("given-back");
    for charge in charges() {
        let spent = ledger.caps().spent(&charge.cap, now()).await.unwrap();
        assert!((least..=most).contains(&spent), "seed {seed}: {least}..={most} are spent, and not {spent}");
    }
    between
}

#[expect(clippy::print_stderr, reason = "for who asked for more kills than usual")]
fn tell(text: &str) {
    eprintln!("{text}");
}

#[tokio::test]
async fn no_kill_makes_the_ledger_forget_what_it_acknowledged() {
    #[expect(clippy::disallowed_methods, reason = "says how much to try")]
    let kills: u64 = std::env::var("CBGW_TEST_KILLS").map_or(50, |text| text.parse().unwrap());
    let seed = RandomState::new().hash_one(0) >> 16;
    let mut random = Random(seed);
    let mut directory = tempfile::tempdir().unwrap();
    let mut said = Said::default();
    let (mut records, mut reservations, mut between) = (0, 0, 0);
    for kill in 0..kills {
        // Now and then, anew: so that it is killed while it makes the files, too, and to check what is not too much.
        if random.below(10) == 0 {
            directory = tempfile::tempdir().unwrap();
            records += said.records.len();
            reservations += said.times("reserved");
            said = Said::default();
        }
        run_and_kill(directory.path(), seed.wrapping_add(kill), &mut random, &mut said);
        between += check(directory.path(), &said, seed).await;
    }
    records += said.records.len();
    reservations += said.times("reserved");
    assert!(records > 0 && reservations > 0, "some was acknowledged");
    tell(&format!(
        "{kills} kills, {records} records, {reservations} reservations; {between} readings of what was not acknowledged, and done"
    ));
}
