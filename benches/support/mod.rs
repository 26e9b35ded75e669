//! What benchmarks of the whole share: the real program in a process of its own, before the simulator.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clickbank_gateway::domain::secret::IssuedKey;
use clickbank_gateway::simulator::Simulator;

/// A call that the caller of [`configure`] may make.
pub(crate) const TARGET: &str = "/rest/1.3/quickstats/list?account=acme";

/// Whatever goes wrong ends the benchmark.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// A gateway in a process of its own; killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    /// Where callers connect.
    pub(crate) address: SocketAddr,
}

impl Gateway {
    /// Starts it and waits until it serves.
    pub(crate) fn start(config: &Path) -> Result<Self, Error> {
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
    #[allow(dead_code, reason = "not every benchmark asks")]
    pub(crate) fn processor_time(&self) -> Result<Duration, Error> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().ok_or("no fields")?.split_whitespace().collect();
        // Fields 14 and 15 of proc(5), in hundredths of a second.
        Ok(Duration::from_millis(10 * (fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)))
    }

    /// Connections of callers that are open.
    #[allow(dead_code, reason = "not every benchmark asks")]
    pub(crate) fn connections(&self) -> Result<usize, Error> {
        let port = format!(":{:04X}", self.address.port());
        let table = std::fs::read_to_string("/proc/net/tcp")?;
        let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        // Local address, remote address, and 01 for an established connection.
        Ok(fields.filter(|fields| fields[1].ends_with(&port) && fields[3] == "01").count())
    }

    /// Memory in use.
    pub(crate) fn resident_kibibytes(&self) -> Result<u64, Error> {
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

/// Writes a configuration with one key, which may read acme's orders.
pub(crate) fn configure(directory: &Path, simulator: &Simulator, key: &IssuedKey, listen: &str) -> Result<(), Error> {
    let secret = simulator.keys().iter().find(|key| key.name() == "acme").ok_or("no key")?.secret().expose().to_owned();
    std::fs::write(directory.join("secret"), secret)?;
    std::fs::write(directory.join("ca.pem"), simulator.ca_pem())?;
    std::fs::write(
        directory.join("gateway.toml"),
        format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n{listen}\n[health]\naddress = \"127.0.0.1:0\"\n\
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

/// The value below which so large a part of them lies.
pub(crate) fn percentile(times: &mut [Duration], part: f64) -> Duration {
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

/// As a number.
pub(crate) fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000_000.0
}
