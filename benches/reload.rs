//! What reading 100,000 keys again costs a gateway that serves: how long it takes, and what callers notice of it.
//!
//! ```text
//! cargo bench --bench reload
//! ```
//!
//! Callers ask steadily, a few hundred times a second, over connections that they keep: for a while with nothing else
//! going on, then with one reload right after the other, in turn. The gateway is a process of its own; callers, their
//! stand-in for ClickBank and whoever asks for reloads share this one.

#![expect(clippy::indexing_slicing, reason = "a benchmark that fails should fail loudly")]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::keys::issue;
use clickbank_gateway::simulator::{Simulator, SimulatorConfig};
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

mod support;

use support::{Error, Gateway, TARGET, configure, microseconds, percentile};

const KEYS: usize = 100_000;
const CALLERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(10);
const PHASE: Duration = Duration::from_secs(10);
const ROUNDS: usize = 3;

type Http = Client<HttpConnector, Empty<Bytes>>;

/// Asks once every so often until `end`. A call that begins late for the one before counts from when it should have
/// begun.
async fn ask(client: Http, target: String, key: String, end: Instant) -> Result<Vec<Duration>, Error> {
    let mut times = Vec::new();
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while Instant::now() < end {
        let due = ticks.tick().await.into_std();
        let request = Request::get(&target).header("authorization", &key).body(Empty::new())?;
        let response = client.request(request).await?;
        let status = response.status();
        response.into_body().collect().await?;
        if status != 200 {
            return Err(format!("status {status}").into());
        }
        times.push(due.elapsed());
    }
    Ok(times)
}

async fn under_load(client: &Http, base: &str, key: &str) -> Result<Vec<Duration>, Error> {
    let end = Instant::now() + PHASE;
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(ask(client.clone(), format!("{base}{TARGET}"), key.to_owned(), end));
    }
    let mut times = Vec::new();
    while let Some(of_caller) = callers.join_next().await {
        times.extend(of_caller??);
    }
    Ok(times)
}

/// Has the gateway read its files, and says how long it took.
fn reload(admin: &Path) -> Result<Duration, Error> {
    let began = Instant::now();
    let mut stream = UnixStream::connect(admin)?;
    stream.write_all(b"POST /reload HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.contains("\"applied\":true") { Ok(began.elapsed()) } else { Err(answer.into()) }
}

#[expect(clippy::print_stdout, reason = "a benchmark reports there")]
fn report(when: &str, times: &mut [Duration]) {
    println!(
        "{when:16}  p50 {:7.0} µs   p99 {:7.0} µs   p99.9 {:7.0} µs   most {:7.0} µs   ({} calls)",
        microseconds(percentile(times, 0.5)),
        microseconds(percentile(times, 0.99)),
        microseconds(percentile(times, 0.999)),
        microseconds(percentile(times, 1.0)),
        times.len()
    );
}

#[expect(clippy::print_stdout, reason = "a benchmark reports there")]
async fn measure() -> Result<(), Error> {
    let simulator = Simulator::start(SimulatorConfig::default()).await?;
    let directory = tempfile::tempdir()?;
    let key = issue::new_key()?;
    configure(directory.path(), &simulator, &key, "")?;
    let config = directory.path().join("gateway.toml");
    let admin = directory.path().join("admin.sock");
    let text = std::fs::read_to_string(&config)? + "\n[admin]\naddress = \"unix:admin.sock\"\n";
    std::fs::write(&config, text)?;
    let few = {
        let gateway = Gateway::start(&config)?;
        gateway.resident_kibibytes()?
    };

    let mut keys = std::fs::read_to_string(directory.path().join("keys.toml"))?;
    for number in 1..KEYS {
        write!(
            keys,
            "\n[keys.app-{number:06}]\nid = \"key_{number:020}\"\nstatus = \"active\"\ncreated = 2026-11-22T13:00:00Z\n\
             digest = \"{}\"\n\n[keys.app-{number:06}.grants]\nanalytics = \"all\"\norders_read = [\"acme\"]\n",
            KeyDigest::of(&number.to_be_bytes())
        )?;
    }
    std::fs::write(directory.path().join("keys.toml"), &keys)?;
    let began = Instant::now();
    let gateway = Gateway::start(&config)?;
    println!("start with {KEYS} keys      {:6.0} ms", microseconds(began.elapsed()) / 1_000.0);
    println!("memory with 1 key            {few:6} KiB");
    println!("memory with {KEYS} keys     {:6} KiB", gateway.resident_kibibytes()?);

    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let base = format!("http://{}", gateway.address);
    under_load(&client, &base, key.expose_once()).await?;
    let (mut quiet, mut reloading, mut reloads) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        quiet.extend(under_load(&client, &base, key.expose_once()).await?);
        let end = Instant::now() + PHASE;
        let admin = admin.clone();
        let reloader = tokio::task::spawn_blocking(move || {
            let mut took = Vec::new();
            while Instant::now() < end {
                took.push(reload(&admin)?);
            }
            Ok::<_, Error>(took)
        });
        reloading.extend(under_load(&client, &base, key.expose_once()).await?);
        reloads.extend(reloader.await??);
    }
    report("nothing else", &mut quiet);
    report("while reloading", &mut reloading);
    println!(
        "a reload under load  p50 {:6.0} ms   most {:6.0} ms   ({} reloads)",
        microseconds(percentile(&mut reloads, 0.5)) / 1_000.0,
        microseconds(percentile(&mut reloads, 1.0)) / 1_000.0,
        reloads.len()
    );
    println!("memory after that            {:6} KiB", gateway.resident_kibibytes()?);
    simulator.stop().await;
    Ok(())
}

fn main() -> Result<(), Error> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(measure())
}
