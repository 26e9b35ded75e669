//! What the gateway adds to a call, beside a direct call in the same run.
//!
//! ```text
//! cargo bench --bench end_to_end
//! ```
//!
//! The gateway is the real binary in a process of its own, so that its processor time and memory can be told apart; the
//! stand-in for ClickBank and the client share this one. Calls go one after another over kept-alive connections, direct
//! and through the gateway in turn, so that a machine whose speed drifts drifts for both.

#![expect(
    clippy::indexing_slicing,
    clippy::unchecked_time_subtraction,
    reason = "a benchmark that fails should fail loudly"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use clickbank_gateway::keys::issue;
use clickbank_gateway::simulator::{Simulator, SimulatorConfig};
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;

mod support;

use support::{Error, Gateway, TARGET, configure, microseconds, percentile};

const ROUNDS: usize = 3_000;
const STARTS: usize = 15;

async fn call<C>(client: &Client<C, Empty<Bytes>>, base: &str, key: &str) -> Result<Duration, Error>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let request = Request::get(format!("{base}{TARGET}"))
        .header("authorization", key)
        .header("accept", "application/json")
        .body(Empty::new())?;
    let began = Instant::now();
    let response = client.request(request).await?;
    let status = response.status();
    response.into_body().collect().await?;
    if status != 200 {
        return Err(format!("status {status}").into());
    }
    Ok(began.elapsed())
}

#[expect(clippy::print_stdout, reason = "a benchmark reports there")]
async fn measure() -> Result<(), Error> {
    let simulator = Simulator::start(SimulatorConfig::default()).await?;
    let directory = tempfile::tempdir()?;
    let key = issue::new_key()?;
    configure(directory.path(), &simulator, &key, "")?;
    let config = directory.path().join("gateway.toml");

    let plain = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(HttpConnector::new());
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let began = Instant::now();
        let gateway = Gateway::start(&config)?;
        call(&plain, &format!("http://{}", gateway.address), key.expose_once()).await?;
        starts.push(began.elapsed());
    }
    println!("from start to first answer   p50 {:8.1} ms", microseconds(percentile(&mut starts, 0.5)) / 1_000.0);

    let gateway = Gateway::start(&config)?;
    println!("memory, idle                     {:8} KiB", gateway.resident_kibibytes()?);
    let base = format!("http://{}", gateway.address);
    let tls = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(clickbank_gateway::tls::client_config(clickbank_gateway::tls::certificates(
            simulator.ca_pem().as_bytes(),
        )?)?)
        .https_only()
        .enable_http1()
        .build();
    let secure = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(tls);
    let real = std::fs::read_to_string(directory.path().join("secret"))?;

    let (mut direct, mut through) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        call(&secure, &simulator.url(), &real).await?;
        call(&plain, &base, key.expose_once()).await?;
    }
    let before = gateway.processor_time()?;
    for _ in 0..ROUNDS {
        direct.push(call(&secure, &simulator.url(), &real).await?);
        through.push(call(&plain, &base, key.expose_once()).await?);
    }
    let spent = gateway.processor_time()? - before;
    for part in [0.5, 0.99] {
        let (direct, through) = (percentile(&mut direct, part), percentile(&mut through, part));
        println!(
            "p{:<2.0}  direct {:8.1} µs   through the gateway {:8.1} µs   added {:8.1} µs   ratio {:.2}",
            part * 100.0,
            microseconds(direct),
            microseconds(through),
            microseconds(through) - microseconds(direct),
            microseconds(through) / microseconds(direct),
        );
    }
    println!(
        "processor time of the gateway    {:8.1} µs a request",
        microseconds(spent) / f64::from(u32::try_from(ROUNDS)?)
    );
    println!("memory, after {ROUNDS} requests      {:8} KiB", gateway.resident_kibibytes()?);
    simulator.stop().await;
    Ok(())
}

fn main() -> Result<(), Error> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(measure())
}
