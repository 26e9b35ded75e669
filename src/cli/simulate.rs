//! `simulate`: a stand-in for ClickBank, for users' own tests.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use jiff::civil::Date;

use crate::simulator::{Permission, Simulator, SimulatorConfig, SimulatorKey};

use super::output;
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
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.simulate())
    }

    async fn simulate(self) -> anyhow::Result<bool> {
        let mut signals = Signals::install()?;
        let mut config = SimulatorConfig::demo(self.seed, self.today.unwrap_or_else(today));
        config.address = self.listen;
        config.settings.page_size = self.page_size;
        let simulator =
            Simulator::start(config).await.with_context(|| format!("cannot simulate at {}", self.listen))?;
        let mut text = format!("a stand-in for ClickBank (not ClickBank itself) serves at {}\n", simulator.url());
        match &self.ca_file {
            Some(file) => {
                std::fs::write(file, simulator.ca_pem()).with_context(|| format!("cannot write {}", file.display()))?;
                text.push_str(&format!("the certificate of its authority is in {}\n", file.display()));
            }
            None => text.push_str(&format!("\nthe certificate of its authority:\n{}", simulator.ca_pem())),
        }
        text.push_str("\nits keys, and what each reaches:\n");
        text.push_str(&keys(simulator.keys()));
        text.push_str("\nstop it with Ctrl-C\n");
        output::print(&text)?;
        signals.next().await;
        simulator.stop().await;
        Ok(true)
    }
}

pub(super) fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn keys(keys: &[SimulatorKey]) -> String {
    let mut table = output::Table::new(["NAME", "KEY", "ACTIVE", "REACH"]);
    for key in keys {
        let active = if key.is_active() { "yes" } else { "no" };
        let reach = Permission::ALL.into_iter().filter_map(|permission| {
            let nicknames: Vec<&str> =
                key.nicknames(permission).iter().map(crate::simulator::Nickname::as_str).collect();
            (!nicknames.is_empty()).then(|| format!("{}={}", permission.name(), nicknames.join(",")))
        });
        let reach = reach.collect::<Vec<_>>().join(" ");
        table.row([key.name().to_owned(), key.secret().expose().to_owned(), active.to_owned(), reach]);
    }
    table.render(output::colour())
}
