//! `simulate`: a stand-in for ClickBank, for users' own tests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use jiff::civil::Date;
use serde::Serialize;

use crate::simulator::{Permission, Simulator, SimulatorConfig, SimulatorKey};

use super::Context;
use super::output::{self, OutputFormat};
use super::shutdown::Signals;

/// Arguments of `simulate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  clickbank-gateway simulate --ca-file /tmp/simulator-ca.pem\n  \
                        curl --cacert /tmp/simulator-ca.pem -H 'Authorization: API-…' -H 'Accept: application/json' \\\n       \
                        https://127.0.0.1:7399/rest/1.3/orders2/list\n\n\
                        It is not ClickBank: its data is made up from the seed, and the same for the same seed and date.")]
pub(crate) struct Simulate {
    /// Where to listen; loopback only
    #[arg(long, default_value = "127.0.0.1:7399", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// What the data and keys are made from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The day that it takes for today [default: today, in UTC]
    #[arg(long, value_name = "DATE")]
    today: Option<Date>,
    /// Rows on a page
    #[arg(long, default_value_t = NonZeroUsize::MIN.saturating_add(99), value_name = "ROWS")]
    page_size: NonZeroUsize,
    /// Write the certificate of its authority to this file, for clients to trust
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
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
        let simulator =
            Simulator::start(config).await.with_context(|| format!("cannot simulate at {}", self.listen))?;
        if let Some(file) = &self.ca_file {
            std::fs::write(file, simulator.ca_pem()).with_context(|| format!("cannot write {}", file.display()))?;
        }
        match format {
            OutputFormat::Json => output::print_json(&Shown::of(&simulator))?,
            OutputFormat::Text => output::print(&self.describe(&simulator))?,
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

/// What `--output json` prints once it serves.
#[derive(Serialize)]
struct Shown<'a> {
    url: String,
    ca_pem: &'a str,
    keys: Vec<ShownKey<'a>>,
}

#[derive(Serialize)]
struct ShownKey<'a> {
    name: &'a str,
    key: &'a str,
    active: bool,
    reach: BTreeMap<&'static str, Vec<&'a str>>,
}

impl<'a> Shown<'a> {
    fn of(simulator: &'a Simulator) -> Self {
        let keys = simulator.keys().iter().map(|key| ShownKey {
            name: key.name(),
            key: key.secret().expose(),
            active: key.is_active(),
            reach: reach(key),
        });
        Self { url: simulator.url(), ca_pem: simulator.ca_pem(), keys: keys.collect() }
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
