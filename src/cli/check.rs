//! `check`: says whether the configuration can be served. It runs what `serve` runs.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::config::{self, Findings, ListenAddress, Problem, Secrets};
use crate::roster::Roster;

use super::advice::{self, Advice};
use super::compare::{self, Change};
use super::output::{self, OutputFormat, Style, styled};
use super::{Context, explain, status};

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  clickbank-gateway check\n  clickbank-gateway check --without-secrets --output json   # in CI\n  \
                        clickbank-gateway --config new/gateway.toml check --against running\n  \
                        clickbank-gateway --config new/gateway.toml check --against unix:/run/clickbank-gateway/admin.sock\n  \
                        clickbank-gateway --config new/gateway.toml check --against config/gateway.toml\n\n\
                        Exit codes: 0 it can be served, 1 it cannot, 2 there is no such file."
)]
pub(crate) struct Check {
    /// Leave secrets alone, for checking files where the secrets are not
    #[arg(long)]
    without_secrets: bool,
    /// What to say which grants and endpoints callers would gain or lose against: `running`, the gateway whose admin
    /// listener the configuration names; the admin address of another one; or another gateway.toml
    #[arg(long, value_name = "RUNNING")]
    against: Option<String>,
    /// The file with the admin token, for an admin listener on TCP
    #[arg(long, value_name = "FILE", requires = "against")]
    token_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report<'a> {
    valid: bool,
    errors: &'a [Problem],
    warnings: &'a [Problem],
    #[serde(flatten)]
    advice: &'a Advice,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<&'a [Change]>,
}

impl Check {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let file = context.config_file()?;
        let secrets = if self.without_secrets { Secrets::Skip } else { Secrets::Read };
        let mut advice = Advice::default();
        let before = self.against.as_deref().map(|against| other(context, against, self.token_file.as_deref()));
        let before = before.transpose()?;
        let mut changes = None;
        let (found, summary) = match config::load(&file, secrets) {
            Ok((config, warnings)) => {
                advice = advice::advice(&config.snapshot);
                let after = || Roster::of(&config.snapshot, Timestamp::now());
                changes = before.as_ref().map(|(_, before)| compare::changes(before, &after()));
                let policy = &config.snapshot.policy;
                let summary = format!(
                    "{} can be served: {}, {}, {}, {}",
                    file.display(),
                    count(config.snapshot.keys.len(), "key"),
                    count(policy.nicknames.len(), "nickname"),
                    count(policy.credentials.len(), "credential"),
                    count(policy.catalogue.iter().count(), "endpoint"),
                );
                (Findings { warnings, ..Findings::default() }, summary)
            }
            Err(findings) => {
                let summary = explain(&file, &findings);
                (findings, summary)
            }
        };
        let valid = found.errors.is_empty();
        if context.output == OutputFormat::Json {
            output::print_json(&Report {
                valid,
                errors: &found.errors,
                warnings: &found.warnings,
                advice: &advice,
                changes: changes.as_deref(),
            })?;
            return Ok(valid);
        }
        let colour = output::colour();
        for warning in &found.warnings {
            output::print(&format!("{} {warning}\n\n", styled("warning:", Style::Bold, colour)))?;
        }
        let style = if valid { Style::Good } else { Style::Bad };
        let (first, rest) = summary.split_once('\n').unwrap_or((&summary, ""));
        output::print(&format!("{}\n{rest}{}", styled(first, style, colour), if rest.is_empty() { "" } else { "\n" }))?;
        output::print(&advice.describe())?;
        if let (Some(changes), Some((other, _))) = (changes, before) {
            let same = if changes.is_empty() { "callers gain and lose nothing" } else { "callers gain and lose this" };
            output::print(&format!("\n{}\n", styled(&format!("against {other}: {same}"), Style::Bold, colour)))?;
            for change in changes {
                output::print(&format!("\n{}", change.describe()))?;
            }
        }
        Ok(valid)
    }
}

/// What to compare with, and how it is called.
fn other(context: &Context, against: &str, token_file: Option<&Path>) -> anyhow::Result<(String, Roster)> {
    let running = |admin: ListenAddress| {
        let roster = status::roster(&admin, token_file).context("there is nothing to compare with")?;
        anyhow::Ok((format!("the gateway at {admin}, generation {}", roster.generation), roster))
    };
    if against.eq_ignore_ascii_case("running") {
        return running(status::admin_of(context)?);
    }
    if let Some(path) = against.strip_prefix("unix:") {
        return running(ListenAddress::Unix(path.into()));
    }
    if let Ok(address) = against.parse() {
        return running(ListenAddress::Tcp(address));
    }
    anyhow::ensure!(token_file.is_none(), "a file needs no token; leave --token-file out");
    let file = Path::new(against);
    let (config, _) = config::load(file, Secrets::Skip)
        .map_err(|findings| anyhow::anyhow!("there is nothing to compare with\n{}", explain(file, &findings)))?;
    Ok((file.display().to_string(), Roster::of(&config.snapshot, Timestamp::now())))
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
