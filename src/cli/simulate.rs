//! `simulate`: a stand-in for ClickBank, for users' own tests.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use clap::Args;
use jiff::civil::Date;
use serde::Serialize;

use crate::simulator::fault::read_file;
use crate::simulator::{FaultRule, KeySpec, Limits, Permission, Simulator, SimulatorConfig, SimulatorKey};

use super::Context;
use super::output::{self, OutputFormat};
use super::shutdown::Signals;
use super::values;

/// Arguments of `simulate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  clickbank-gateway simulate --ca-file /tmp/simulator-ca.pem\n  \
                        curl --cacert /tmp/simulator-ca.pem -H 'Authorization: API-…' -H 'Accept: application/json' \\\n       \
                        https://127.0.0.1:7399/rest/1.3/orders2/list\n\n\
                        It is not ClickBank: its data is made up from the seed, and the same for the same seed and date.\n\n\
                        It has ClickBank's limits; `--per-second off --per-day off` lifts them.")]
pub(crate) struct Simulate {
    /// Where to listen; loopback only
    #[arg(long, default_value = "127.0.0.1:7399", value_parser = values::loopback, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// What the data and keys are made from
    #[arg(long, default_value_t = 1, value_parser = values::seed, allow_hyphen_values = true, value_name = "NUMBER")]
    seed: u64,
    /// The day that it takes for today [default: today, in UTC]
    #[arg(long, value_parser = values::date, value_name = "DATE")]
    today: Option<Date>,
    /// Rows on a page
    #[arg(long, default_value_t = NonZeroUsize::MIN.saturating_add(99), value_parser = values::rows, value_name = "ROWS")]
    page_size: NonZeroUsize,
    /// Write the certificate of its authority to this file, for clients to trust
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Requests a second from one client address, or `off`; one more is answered with 403
    #[arg(long, default_value_t = Limit(Limits::CLICKBANK.per_second), value_name = "REQUESTS")]
    per_second: Limit,
    /// Requests of an account's keys until it ends or is reset, or `off`
    #[arg(long, default_value_t = Limit(Limits::CLICKBANK.per_day), value_name = "REQUESTS")]
    per_day: Limit,
    /// Do what the rules in this file say on the requests they name; docs/simulator.md lists the faults
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Where to listen for what controls it (faults, what arrived, reset), over HTTP; loopback only
    #[arg(long, value_parser = values::loopback, value_name = "ADDRESS")]
    control: Option<SocketAddr>,
}

/// The largest file of rules that is read.
const MOST_FILE_BYTES: u64 = 4 << 20;

/// A limit as an argument.
#[derive(Clone, Copy, Debug)]
struct Limit(Option<NonZeroU32>);

impl FromStr for Limit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse().map(|most| Self(Some(most))).map_err(|_| "write a whole number from 1, or `off` for no limit")
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(most) => write!(formatter, "{most}"),
            None => formatter.write_str("off"),
        }
    }
}

impl Simulate {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.simulate(context.output))
    }

    async fn simulate(self, format: OutputFormat) -> anyhow::Result<bool> {
        let mut signals = Signals::install()?;
        let mut config = SimulatorConfig::demo(self.seed, self.today.unwrap_or_else(today));
        config.address = self.listen;
        config.settings.page_size = self.page_size;
        config.limits = Limits { per_second: self.per_second.0, per_day: self.per_day.0 };
        config.control = self.control;
        if let Some(file) = &self.faults {
            config.faults = read_faults(file, &config.spec.keys)?;
        }
        let started = Simulator::start(config).await;
        let simulator = started
            .map_err(|error| anyhow::anyhow!("cannot simulate: {error}{}", values::mend_of_address(error.kind())))?;
        if let Some(file) = &self.ca_file {
            std::fs::write(file, simulator.ca_pem()).with_context(|| format!("cannot write {}", file.display()))?;
        }
        match format {
            OutputFormat::Json => output::print_json(&Shown::of(&simulator, self.per_second, self.per_day))?,
            _ => output::print(&self.describe(&simulator))?,
        }
        signals.next().await;
        simulator.stop().await;
        Ok(true)
    }

    fn describe(&self, simulator: &Simulator) -> String {
        let mut text = format!("a stand-in for ClickBank (not ClickBank itself) serves at {}\n", simulator.url());
        match &self.ca_file {
            Some(file) => text.push_str(&format!("the certificate of its authority is in {}\n", file.display())),
            None => text.push_str(&format!("\nthe certificate of its authority:\n{}", simulator.ca_pem())),
        }
        let limits = [(self.per_second, "second"), (self.per_day, "day")];
        let limits: Vec<_> =
            limits.into_iter().filter_map(|(Limit(most), time)| most.map(|most| format!("{most} a {time}"))).collect();
        let limits = if limits.is_empty() { "none".to_owned() } else { limits.join(", ") };
        text.push_str(&format!("limits: {limits}\n"));
        if let Some(file) = &self.faults {
            let count = simulator.faults().len();
            text.push_str(&format!("rules of faults from {}: {count}\n", file.display()));
        }
        if let Some(url) = control_url(simulator) {
            text.push_str(&format!("control endpoint at {url}\n"));
        }
        let mut table = output::Table::new(["NAME", "KEY", "ACTIVE", "REACH"]);
        for key in simulator.keys() {
            let active = if key.is_active() { "yes" } else { "no" };
            let reach = reach(key).into_iter().map(|(permission, names)| format!("{permission}={}", names.join(",")));
            let reach = reach.collect::<Vec<_>>().join(" ");
            table.row([key.name().to_owned(), key.secret().expose().to_owned(), active.to_owned(), reach]);
        }
        text.push_str("\nits keys, and what each reaches:\n");
        text.push_str(&table.render(output::colour()));
        text.push_str("\nstop it with Ctrl-C\n");
        text
    }
}

/// The rules in `file`, or all that is wrong with it.
fn read_faults(file: &Path, keys: &[KeySpec]) -> anyhow::Result<Vec<FaultRule>> {
    let read = || {
        let mut text = String::new();
        File::open(file)?.take(MOST_FILE_BYTES + 1).read_to_string(&mut text).map(|_| text)
    };
    let text = read().with_context(|| format!("cannot read {}", file.display()))?;
    let is_whole = u64::try_from(text.len()).is_ok_and(|bytes| bytes <= MOST_FILE_BYTES);
    anyhow::ensure!(is_whole, "{} is larger than 4 MiB; keep the rules you need", file.display());
    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    read_file(&text, &names).map_err(|problems| {
        let count = if problems.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", problems.len()) };
        let mut message = format!("{} cannot be used: {count}", file.display());
        for problem in problems {
            message.push_str(&format!("\n\n{}:{problem}", file.display()));
        }
        anyhow::anyhow!(message)
    })
}

/// Where the control endpoint is, if there is one.
fn control_url(simulator: &Simulator) -> Option<String> {
    simulator.control_address().map(|address| format!("http://{address}"))
}

/// What `--output json` prints once it serves.
#[derive(Serialize)]
struct Shown<'a> {
    url: String,
    control_url: Option<String>,
    limits: ShownLimits,
    faults: usize,
    ca_pem: &'a str,
    keys: Vec<ShownKey<'a>>,
}

/// `null` is no limit.
#[derive(Serialize)]
struct ShownLimits {
    per_second: Option<NonZeroU32>,
    per_day: Option<NonZeroU32>,
}

#[derive(Serialize)]
struct ShownKey<'a> {
    name: &'a str,
    key: &'a str,
    active: bool,
    reach: BTreeMap<&'static str, Vec<&'a str>>,
}

impl<'a> Shown<'a> {
    fn of(simulator: &'a Simulator, Limit(per_second): Limit, Limit(per_day): Limit) -> Self {
        let keys = simulator.keys().iter().map(|key| ShownKey {
            name: key.name(),
            key: key.secret().expose(),
            active: key.is_active(),
            reach: reach(key),
        });
        Self {
            url: simulator.url(),
            control_url: control_url(simulator),
            limits: ShownLimits { per_second, per_day },
            faults: simulator.faults().len(),
            ca_pem: simulator.ca_pem(),
            keys: keys.collect(),
        }
    }
}

fn reach(key: &SimulatorKey) -> BTreeMap<&'static str, Vec<&str>> {
    let reached = Permission::ALL.into_iter().map(|permission| {
        let nicknames = key.nicknames(permission).iter().map(crate::simulator::Nickname::as_str);
        (permission.name(), nicknames.collect::<Vec<_>>())
    });
    reached.filter(|(_, nicknames)| !nicknames.is_empty()).collect()
}

/// Today, in UTC.
pub(super) fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}
