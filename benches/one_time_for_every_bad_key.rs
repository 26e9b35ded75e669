//! Whether the time of a look-up tells why a key was refused: unknown, malformed, expired, inactive and replaced keys
//! against each other, by Welch's t-test.
//!
//! ```text
//! cargo bench --bench one_time_for_every_bad_key
//! ```
//!
//! Keys of all kinds, equally long, come in random order, each measured alone on its way through `identify`. Of each
//! pair of kinds the means are compared, once of all measurements and once for each of several croppings: interrupts
//! make a few measurements very slow, and without these small differences show better. The largest |t| counts. Below
//! 4.5 nothing can be told apart. Two sets of unknown keys show what remains when there is nothing to tell, and keys
//! that count show that a difference would be seen. The method is dudect's (Reparaz, Balasch, Verbauwhede: "Dude, is my
//! code constant time?", 2017).
//!
//! A longer text takes longer to read and to digest. That tells only what the caller itself sent.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark that fails should fail loudly, and prints what it found"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use clickbank_gateway::config::{self, Secrets};
use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::keys::issue::new_key;
use clickbank_gateway::snapshot::Snapshot;
use clickbank_gateway::stage::Check as _;
use clickbank_gateway::stage::arrive::{Arrived, arrive};
use clickbank_gateway::stage::identify::Identify;
use clickbank_gateway::trail::Trail;
use http::Request;
use http_body_util::Empty;

/// Keys of each kind at a time; few, so that all stay in the nearest cache. With 250 of each, keys that are on file take
/// 0.2 nanoseconds longer than others, because where a search for these ends has been looked at lately more often.
const KEYS: usize = 4;
/// How often all keys are made anew, so that nothing hangs on where a few of them happen to be in memory.
const ROUNDS: usize = 400;
/// Measurements of each kind in a round.
const MEASUREMENTS: usize = 1_000;
/// Above this, two kinds can be told apart.
const THRESHOLD: f64 = 4.5;
/// How much of the measurements is kept, slow ones left out.
const KEPT: [f64; 6] = [1.0, 0.999, 0.99, 0.95, 0.8, 0.5];

/// What the key file says of a key.
type Lines = fn(&str) -> String;

struct Kind {
    name: &'static str,
    texts: Vec<String>,
    /// In the key file, with these lines.
    lines: Option<Lines>,
}

fn texts(make: impl Fn(String) -> String) -> Vec<String> {
    let key = || new_key().expect("random bytes").expose_once().to_owned();
    (0..KEYS).map(|_| make(key())).collect()
}

fn digest(key: &str) -> KeyDigest {
    KeyDigest::of(key.as_bytes())
}

fn kinds() -> Vec<Kind> {
    let unchanged = || texts(|key| key);
    let other_character = |key: String| {
        let place = 5 + usize::from(key.as_bytes()[20]) % 36;
        format!("{}!{}", &key[..place], &key[place + 1..])
    };
    let listed: [(_, Lines); 4] = [
        ("inactive", |key| format!("status = \"inactive\"\ndigest = \"{}\"", digest(key))),
        ("expired", |key| format!("status = \"active\"\nexpires = 2020-01-01T00:00:00Z\ndigest = \"{}\"", digest(key))),
        ("replaced", |key| {
            let now = new_key().expect("random bytes").digest();
            let before = digest(key);
            format!(
                "status = \"active\"\ndigest = \"{now}\"\nprevious = {{ digest = \"{before}\", until = 2020-01-01T00:00:00Z }}"
            )
        }),
        ("counts", |key| format!("status = \"active\"\ndigest = \"{}\"", digest(key))),
    ];
    let mut kinds = vec![
        Kind { name: "unknown", texts: unchanged(), lines: None },
        Kind { name: "unknown, others", texts: unchanged(), lines: None },
        Kind { name: "other character", texts: texts(other_character), lines: None },
        Kind { name: "other prefix", texts: texts(|key| key.replace("cbgw_", "cbgx_")), lines: None },
        Kind { name: "ClickBank's form", texts: texts(|key| key.replace("cbgw_", "API-0")), lines: None },
    ];
    kinds.extend(listed.map(|(name, lines)| Kind { name, texts: unchanged(), lines: Some(lines) }));
    kinds
}

fn snapshot(kinds: &[Kind]) -> Arc<Snapshot> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let gateway = "[nicknames]\nacme = \"seller\"\n[credentials.acme]\napi_key = { file = \"none\" }\n\
                   [credentials.acme.reach]\nproducts = [\"acme\"]\n";
    let listed = kinds.iter().filter_map(|kind| kind.lines.map(|lines| (&kind.texts, lines)));
    let listed = listed.flat_map(|(texts, lines)| texts.iter().map(move |key| lines(key)));
    let keys =
        listed.enumerate().map(|(number, lines)| format!("[keys.app{number}]\nid = \"key_{number}\"\n{lines}\n"));
    std::fs::write(directory.path().join("gateway.toml"), gateway).expect("gateway.toml");
    std::fs::write(directory.path().join("keys.toml"), keys.collect::<String>()).expect("keys.toml");
    let (config, _) =
        config::load(&directory.path().join("gateway.toml"), Secrets::Skip).unwrap_or_else(|error| panic!("{error:?}"));
    Arc::new(config.snapshot)
}

fn request(snapshot: &Arc<Snapshot>, key: &str) -> Arrived {
    let request = Request::get("/rest/1.3/products/list?site=acme")
        .header("host", "127.0.0.1:7310")
        .header("authorization", key)
        .body(Empty::<Bytes>::new())
        .expect("a request");
    arrive(request, Arc::clone(snapshot), Trail::default()).unwrap_or_else(|_| panic!("an unambiguous message"))
}

/// Which kind and which key comes next (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }
}

/// Adds a round to the nanoseconds of each look-up, by kind.
fn measure(kinds: &[Kind], measurements: usize, random: &mut Random, taken: &mut [Vec<f64>]) {
    let snapshot = snapshot(kinds);
    let warm_up = measurements / 10 * kinds.len();
    for number in 0..warm_up + measurements * kinds.len() {
        let kind = random.below(kinds.len());
        let arrived = request(&snapshot, &kinds[kind].texts[random.below(KEYS)]);
        let start = Instant::now();
        let found = black_box(Identify.check(black_box(arrived)));
        let time = start.elapsed();
        assert_eq!(found.is_ok(), kinds[kind].name == "counts");
        if number >= warm_up {
            taken[kind].push(time.as_secs_f64() * 1e9);
        }
    }
}

/// Welch's t of two samples.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let describe = |sample: &[f64]| {
        let count = f64::from(u32::try_from(sample.len()).expect("fewer"));
        let mean = sample.iter().sum::<f64>() / count;
        let variance = sample.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((mean, error), (other_mean, other_error)) = (describe(one), describe(other));
    (mean - other_mean) / (error + other_error).sqrt()
}

/// The t with the largest |t| of all croppings of a pair. Both are cropped at the same time.
fn largest_t(one: &[f64], other: &[f64], limits: &[f64]) -> f64 {
    let cropped =
        |sample: &[f64], limit: f64| -> Vec<f64> { sample.iter().copied().filter(|time| *time <= limit).collect() };
    let all = limits.iter().map(|limit| welch(&cropped(one, *limit), &cropped(other, *limit)));
    all.fold(0.0, |largest: f64, t| if t.abs() > largest.abs() { t } else { largest })
}

/// The values below which so many of a sorted sample lie.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a position"
    )]
    let position = (part * (sorted.len() - 1) as f64) as usize;
    sorted[position]
}

fn main() {
    // Without `--bench`, as `cargo test --benches` runs it, it only shows that it works.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut taken = vec![Vec::new(); kinds().len()];
    for _ in 0..rounds {
        measure(&kinds(), MEASUREMENTS, &mut random, &mut taken);
    }
    let kinds = kinds();
    let mut all: Vec<f64> = taken.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let limits = KEPT.map(|part| quantile(&all, part));

    println!("{:<18} {:>10} {:>10}", "nanoseconds", "median", "mean of 95%");
    for (kind, times) in kinds.iter().zip(&taken) {
        let mut sorted = times.clone();
        sorted.sort_by(f64::total_cmp);
        let kept: Vec<f64> = sorted.iter().copied().filter(|time| *time <= limits[3]).collect();
        let mean = kept.iter().sum::<f64>() / f64::from(u32::try_from(kept.len()).expect("fewer"));
        println!("{:<18} {:>10.0} {mean:>10.1}", kind.name, quantile(&sorted, 0.5));
    }
    let control = largest_t(&taken[0], &taken[1], &limits);
    let threshold = THRESHOLD.max(2.0 * control.abs());
    println!("\nnothing to tell, so noise: t = {control:.2}");
    let mut told_apart = 0;
    for one in 0..kinds.len() {
        for other in one + 1..kinds.len() {
            let t = largest_t(&taken[one], &taken[other], &limits);
            let counts = kinds[other].name == "counts";
            let apart = t.abs() > threshold;
            told_apart += usize::from(apart && !counts);
            let verdict = match (apart, counts) {
                (false, false) => "same",
                (true, false) => "DIFFERENT",
                (true, true) => "different, as it may be",
                (false, true) => "same, as it need not be",
            };
            println!("{:<18} {:<18} t = {t:>9.2}  {verdict}", kinds[one].name, kinds[other].name);
        }
    }
    println!("\n{told_apart} pairs of bad keys can be told apart (|t| > {threshold:.1})");
}
