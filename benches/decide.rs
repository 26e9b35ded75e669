//! What a decision costs: `identify`, `classify`, `resolve` and `authorize`, with 10, 10,000 and 100,000 keys; what a
//! look-up costs whose answer is known; and what reading a head strictly costs before it.
//!
//! Nanoseconds and allocations:
//!
//! ```text
//! cargo bench --bench decide
//! ```
//!
//! Instructions, counted by valgrind over 1,000 decisions with so many keys:
//!
//! ```text
//! cargo bench --bench decide --no-run
//! valgrind --tool=callgrind --toggle-collect='*decide_once*' target/release/deps/decide-… --once 100000
//! ```

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that fails should fail loudly")]

use std::sync::Arc;

use bytes::Bytes;
use clickbank_gateway::config::{self, Secrets};
use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::http1::request::HeadReader;
use clickbank_gateway::known::{Owned, Question, Subject};
use clickbank_gateway::snapshot::Snapshot;
use clickbank_gateway::stage::Check as _;
use clickbank_gateway::stage::arrive::{Arrived, arrive};
use clickbank_gateway::stage::authorize::{Authorize, Permitted};
use clickbank_gateway::stage::classify::Classify;
use clickbank_gateway::stage::identify::Identify;
use clickbank_gateway::stage::resolve::Resolve;
use clickbank_gateway::trail::Trail;
use divan::{AllocProfiler, Bencher, black_box};
use http::Request;
use http_body_util::Empty;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const NICKNAMES: usize = 20;

/// A key's text, as long as a real one.
fn key(number: usize) -> String {
    format!("cbgw_{number:036}")
}

/// A configuration with so many keys, each granted three permissions on one or two of 20 nicknames.
fn snapshot(keys: usize) -> Arc<Snapshot> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut gateway = String::from("[nicknames]\n");
    for nickname in 0..NICKNAMES {
        gateway.push_str(&format!("shop{nickname} = \"seller\"\n"));
    }
    for nickname in 0..NICKNAMES {
        gateway.push_str(&format!(
            "[credentials.shop{nickname}]\napi_key = {{ file = \"none-{nickname}\" }}\n[credentials.shop{nickname}.reach]\n\
             orders_write = [\"shop{nickname}\"]\nanalytics = [\"shop{nickname}\"]\nproducts = [\"shop{nickname}\"]\n"
        ));
    }
    let mut text = String::new();
    for number in 0..keys {
        let nickname = number % NICKNAMES;
        text.push_str(&format!(
            "[keys.app{number}]\nid = \"key_{number}\"\nstatus = \"active\"\ndigest = \"{}\"\n[keys.app{number}.grants]\n\
             orders_read = [\"shop{nickname}\"]\nanalytics = [\"shop{nickname}\"]\nproducts = [\"shop{nickname}\"]\n",
            KeyDigest::of(key(number).as_bytes())
        ));
    }
    std::fs::write(directory.path().join("gateway.toml"), gateway).expect("gateway.toml");
    std::fs::write(directory.path().join("keys.toml"), text).expect("keys.toml");
    let (config, _) =
        config::load(&directory.path().join("gateway.toml"), Secrets::Skip).expect("a valid configuration");
    Arc::new(config.snapshot)
}

fn request(snapshot: &Arc<Snapshot>, number: usize, target: &str) -> Arrived {
    let request = Request::get(target)
        .header("host", "127.0.0.1:7310")
        .header("authorization", key(number))
        .header("accept", "application/json")
        .body(Empty::<Bytes>::new())
        .expect("a request");
    arrive(request, Arc::clone(snapshot), Trail::default()).unwrap_or_else(|_| panic!("an unambiguous message"))
}

fn list(number: usize) -> String {
    format!(
        "/rest/1.3/orders2/list?startDate=2026-01-01&endDate=2026-01-31&vendor=shop{}&role=VENDOR",
        number % NICKNAMES
    )
}

fn product(number: usize) -> String {
    format!("/rest/1.3/products/item-1?site=shop{}", number % NICKNAMES)
}

#[inline(never)]
fn decide_once(arrived: Arrived) -> Permitted {
    let decided = Identify
        .check(arrived)
        .and_then(|identified| Classify.check(identified))
        .and_then(|classified| Resolve.check(classified))
        .and_then(|resolved| Authorize.check(resolved));
    decided.unwrap_or_else(|rejection| panic!("{rejection:?}"))
}

#[divan::bench(args = [10, 10_000, 100_000])]
fn orders_list_with_four_parameters(bencher: Bencher<'_, '_>, keys: usize) {
    let snapshot = snapshot(keys);
    let caller = keys / 2;
    bencher
        .with_inputs(|| request(&snapshot, caller, &list(caller)))
        .bench_values(|arrived| black_box(decide_once(arrived)));
}

#[divan::bench(args = [10, 10_000, 100_000])]
fn product_by_sku(bencher: Bencher<'_, '_>, keys: usize) {
    let snapshot = snapshot(keys);
    let caller = keys / 2;
    bencher
        .with_inputs(|| request(&snapshot, caller, &product(caller)))
        .bench_values(|arrived| black_box(decide_once(arrived)));
}

#[divan::bench]
fn digest_of_a_key_alone(bencher: Bencher<'_, '_>) {
    let key = key(1);
    bencher.bench(|| KeyDigest::of(black_box(key.as_bytes())));
}

/// Whose order it is, found among as many as are kept.
#[divan::bench]
fn cached_look_up(bencher: Bencher<'_, '_>) {
    let snapshot = snapshot(10);
    let question = |number: usize| Question {
        caller: Some(snapshot.policy.matrix.callers().next().expect("a caller")),
        credential: snapshot.policy.credentials.iter().next().expect("a credential").0,
        subject: Subject::Order(format!("R{number:07}").into()),
    };
    for number in 0..8_000 {
        let receipt = format!("R{number:07}").into();
        snapshot.known.keep(question(number), Owned { receipt, sellers: Arc::default() });
    }
    let asked = question(4_711);
    bencher.bench(|| snapshot.known.owned(black_box(&asked)).expect("it is known"));
}

/// A head as a client's library writes it.
const HEAD: &[u8] = b"GET /rest/1.3/orders2/list?startDate=2026-11-01&endDate=2026-11-20&role=VENDOR HTTP/1.1\r\n\
    Host: 127.0.0.1:7310\r\nAuthorization: cbgw_000000000000000000000000000000000000\r\n\
    User-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\nAccept: application/json\r\n\
    Connection: keep-alive\r\n\r\n";

#[divan::bench]
fn a_head() {
    let read = HeadReader::default().read(black_box(HEAD));
    assert!(read.is_ok_and(|head| head.is_some()));
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--once").skip(1);
    match arguments.next().and_then(|keys| keys.parse::<usize>().ok()) {
        Some(keys) => {
            let snapshot = snapshot(keys);
            for _ in 0..1_000 {
                black_box(decide_once(request(&snapshot, keys / 2, &list(keys / 2))));
            }
        }
        None => divan::main(),
    }
}
