//! What ten thousand connections that drip their heads cost the gateway, and callers that behave.
//!
//! ```text
//! cargo bench --bench slow_and_many
//! ```
//!
//! Each slow connection sends a byte a second of a head that never ends, and is made again when it is closed, for a minute
//! in all. A caller that behaves asks all the while, over a connection that it keeps and over fresh ones in turn. Takes
//! 20,000 open files for itself (`ulimit -n`).

#![expect(
    clippy::indexing_slicing,
    clippy::unchecked_time_subtraction,
    reason = "a benchmark that fails should fail loudly"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clickbank_gateway::keys::issue;
use clickbank_gateway::simulator::{Simulator, SimulatorConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

mod support;

use support::{Error, Gateway, TARGET, configure, microseconds, percentile};

const SLOW: usize = 10_000;
const SILENT: usize = 2_000;
const LASTING: Duration = Duration::from_mins(1);
const BEFORE: Duration = Duration::from_secs(10);

/// How slow connections fared.
#[derive(Default)]
struct Fates {
    made: AtomicUsize,
    refused: AtomicUsize,
}

/// Drips until `end`, over as many connections as it takes.
async fn drip(address: SocketAddr, end: Instant, fates: Arc<Fates>) {
    while Instant::now() < end {
        let Ok(Ok(mut stream)) = timeout(Duration::from_secs(5), TcpStream::connect(address)).await else {
            fates.refused.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(200)).await;
            continue;
        };
        fates.made.fetch_add(1, Ordering::Relaxed);
        let mut head = b"GET /rest/1.3/orders2/list HTTP/1.1\r\nX: ".iter().copied().chain(std::iter::repeat(b'x'));
        let mut answer = [0; 64];
        while Instant::now() < end && stream.write_all(&[head.next().unwrap_or(b'x')]).await.is_ok() {
            // Whatever comes, or the end, is the end of this one.
            if timeout(Duration::from_secs(1), stream.read(&mut answer)).await.is_ok() {
                break;
            }
        }
    }
}

/// One call; over `kept`, if there is one, which is then kept again.
async fn call(address: SocketAddr, key: &str, kept: &mut Option<TcpStream>) -> Result<(), Error> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(address).await?,
    };
    stream.write_all(format!("GET {TARGET} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err("the connection ended".into());
        }
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.parse()? {
                if !head.starts_with("HTTP/1.1 200") {
                    return Err(head.lines().next().unwrap_or_default().to_owned().into());
                }
                break;
            }
        }
    }
    *kept = Some(stream);
    Ok(())
}

/// Times over kept connections, over fresh ones, and how many calls failed.
type Behaved = (Vec<Duration>, Vec<Duration>, usize);

/// Asks until `end`: over a kept connection and over fresh ones, in turn.
async fn behave(address: SocketAddr, key: &str, end: Instant) -> Behaved {
    let (mut kept, mut reused, mut fresh, mut failed) = (None, Vec::new(), Vec::new(), 0);
    while Instant::now() < end {
        for reuse in [true, false] {
            let mut none = None;
            let connection = if reuse { &mut kept } else { &mut none };
            let first = connection.is_none();
            let began = Instant::now();
            match timeout(Duration::from_secs(30), call(address, key, connection)).await {
                Ok(Ok(())) if first => fresh.push(began.elapsed()),
                Ok(Ok(())) => reused.push(began.elapsed()),
                _ => failed += 1,
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
    (reused, fresh, failed)
}

#[expect(clippy::print_stdout, reason = "a benchmark reports there")]
fn report(when: &str, (mut reused, mut fresh, failed): Behaved) {
    for (what, times) in [("kept ", &mut reused), ("fresh", &mut fresh)] {
        println!(
            "{when} {what} connection  p50 {:8.0} µs   p99 {:8.0} µs   most {:8.0} µs   ({} calls)",
            microseconds(percentile(times, 0.5)),
            microseconds(percentile(times, 0.99)),
            microseconds(percentile(times, 1.0)),
            times.len()
        );
    }
    println!("{when} calls that failed     {failed}");
}

/// All slow connections, on a thread of their own.
fn dripping(address: SocketAddr, end: Instant, fates: &Arc<Fates>) -> std::thread::JoinHandle<Result<(), Error>> {
    let fates = Arc::clone(fates);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut slow = JoinSet::new();
            for number in 0..SLOW {
                let fates = Arc::clone(&fates);
                slow.spawn(async move {
                    // Not all at the same moment, as they would not come.
                    sleep(Duration::from_micros(300 * number as u64)).await;
                    drip(address, end, fates).await;
                });
            }
            slow.join_all().await;
        });
        Ok(())
    })
}

/// Behaves on a thread of its own, so that what is measured is the gateway and not the slow connections' side.
fn behaving(address: SocketAddr, key: &str, time: Duration) -> std::thread::JoinHandle<Result<Behaved, Error>> {
    let (key, end) = (key.to_owned(), Instant::now() + time);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(behave(address, &key, end)))
    })
}

#[expect(clippy::print_stdout, reason = "a benchmark reports there")]
async fn measure(most: usize) -> Result<(), Error> {
    println!("max_connections = {most}, {SLOW} slow connections");
    let simulator = Simulator::start(SimulatorConfig::default()).await?;
    let directory = tempfile::tempdir()?;
    let key = issue::new_key()?;
    configure(directory.path(), &simulator, &key, &format!("max_connections = {most}"))?;
    let gateway = Gateway::start(&directory.path().join("gateway.toml"))?;
    let (address, key) = (gateway.address, key.expose_once());
    let behave = async |time| -> Result<Behaved, Error> {
        let behaving = behaving(address, key, time);
        while !behaving.is_finished() {
            sleep(Duration::from_millis(10)).await;
        }
        behaving.join().map_err(|_| "a caller that behaves panicked")?
    };

    report("before", behave(BEFORE).await?);
    let memory = gateway.resident_kibibytes()?;
    println!("before memory {memory} KiB");

    let (fates, end) = (Arc::new(Fates::default()), Instant::now() + LASTING);
    let slow = dripping(address, end, &fates);
    let before = gateway.processor_time()?;
    let peak = async {
        let (mut memory, mut connections) = (0, 0);
        while Instant::now() < end {
            memory = memory.max(gateway.resident_kibibytes()?);
            connections = connections.max(gateway.connections()?);
            sleep(Duration::from_secs(1)).await;
        }
        Ok::<_, Error>((memory, connections))
    };
    let (during, peak) = tokio::join!(behave(LASTING), peak);
    let spent = gateway.processor_time()? - before;
    report("during", during?);
    let (most_memory, connections) = peak?;
    println!(
        "during memory {most_memory} KiB at most, {connections} connections at most: {:.1} KiB for each",
        f64::from(u32::try_from(most_memory - memory)?) / f64::from(u32::try_from(connections)?)
    );
    println!(
        "during {} slow connections made, {} not let in; processor time of the gateway {:.1} s",
        fates.made.load(Ordering::Relaxed),
        fates.refused.load(Ordering::Relaxed),
        spent.as_secs_f64()
    );
    slow.join().map_err(|_| "a slow connection panicked")??;

    // These stay, and say nothing.
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(TcpStream::connect(address).await?);
    }
    let began = Instant::now();
    while gateway.connections()? > 0 {
        if began.elapsed() > Duration::from_mins(1) {
            return Err(format!("{} connections are still open", gateway.connections()?).into());
        }
        sleep(Duration::from_millis(100)).await;
    }
    println!("after  {} silent connections are gone after {:.1} s", silent.len(), began.elapsed().as_secs_f64());
    report("after ", behave(BEFORE).await?);
    println!("after  memory {} KiB\n", gateway.resident_kibibytes()?);
    simulator.stop().await;
    Ok(())
}

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Room for all of them, and the default, with which each newcomer has one go.
    runtime.block_on(measure(12_000))?;
    runtime.block_on(measure(4_096))
}
