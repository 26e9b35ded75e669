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

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clickbank_gateway::domain::secret::IssuedKey;
use clickbank_gateway::keys::issue;
use clickbank_gateway::simulator::{Simulator, SimulatorConfig};
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;

const ROUNDS: usize = 3_000;
const STARTS: usize = 15;
const TARGET: &str = "/rest/1.3/quickstats/list?account=acme";

type Error = Box<dyn std::error::Error>;

/// A gateway in a process of its own; killed when dropped.
struct Gateway {
    child: Child,
    address: SocketAddr,
}

impl Gateway {
    fn start(config: &Path) -> Result<Self, Error> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_clickbank-gateway"))
            .args(["--config".as_ref(), config.as_os_str(), "serve".as_ref(), "--log".as_ref(), "json".as_ref()])
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().ok_or("no standard error")?).lines();
        let address = loop {
            let line = lines.next().ok_or("the gateway did not start")??;
            let event: serde_json::Value = serde_json::from_str(&line)?;
            if event["message"] == "serving" {
                break event["address"].as_str().ok_or("no address")?.parse()?;
            }
        };
        // Its log is read to the end, so that it never waits for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address })
    }

    /// Processor time so far, user and system.
    fn processor_time(&self) -> Result<Duration, Error> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().ok_or("no fields")?.split_whitespace().collect();
        // Fields 14 and 15 of proc(5), in hundredths of a second.
        Ok(Duration::from_millis(10 * (fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)))
    }

    fn resident_kibibytes(&self) -> Result<u64, Error> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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

fn configure(directory: &Path, simulator: &Simulator, key: &IssuedKey) -> Result<(), Error> {
    let secret = simulator.keys().iter().find(|key| key.name() == "acme").ok_or("no key")?.secret().expose().to_owned();
    std::fs::write(directory.join("secret"), secret)?;
    std::fs::write(directory.join("ca.pem"), simulator.ca_pem())?;
    std::fs::write(
        directory.join("gateway.toml"),
        format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n[health]\naddress = \"127.0.0.1:0\"\n\
             [upstream]\nurl = \"{}\"\nca_file = \"ca.pem\"\n\
             [limits]\nper_second = 100000\nper_day = 100000000\n[nicknames]\nacme = \"seller\"\n\
             [credentials.acme]\napi_key = {{ file = \"secret\" }}\n[credentials.acme.reach]\norders_read = [\"acme\"]\n",
            simulator.url()
        ),
    )?;
    std::fs::write(
        directory.join("keys.toml"),
        format!(
            "[keys.bench]\nid = \"key_bench\"\nstatus = \"active\"\ndigest = \"{}\"\n[keys.bench.grants]\norders_read = [\"acme\"]\n",
            key.digest()
        ),
    )?;
    Ok(())
}

fn percentile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = ((times.len() - 1) as f64 * part) as usize;
    times[index]
}

fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000_000.0
}

#[expect(clippy::print_stdout, reason = "a benchmark reports there")]
async fn measure() -> Result<(), Error> {
    let simulator = Simulator::start(SimulatorConfig::default()).await?;
    let directory = tempfile::tempdir()?;
    let key = issue::new_key()?;
    configure(directory.path(), &simulator, &key)?;
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
