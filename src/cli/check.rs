//! `check`: says whether the configuration can be served. It runs what `serve` runs.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::config::{self, Config, Findings, Problem, Secrets};

use super::advice::{self, Advice};
use super::compare::{self, Change};
use super::output::{self, OutputFormat, Style, styled};
use super::{Context, explain};

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  clickbank-gateway check\n  clickbank-gateway check --without-secrets --output json   # in CI\n  \
                        clickbank-gateway --config new/gateway.toml check --against /etc/clickbank-gateway/gateway.toml\n\n\
                        Exit codes: 0 it can be served, 1 it cannot, 2 there is no such file."
)]
pub(crate) struct Check {
    /// Leave secrets alone, for checking files where the secrets are not
    #[arg(long)]
    without_secrets: bool,
    /// Another gateway.toml, such as the one in force, to say which grants and endpoints callers would gain or lose
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
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
        let before = self.against.as_deref().map(|other| {
            let (config, _) = config::load(other, Secrets::Skip).map_err(|findings| {
                anyhow::anyhow!("there is nothing to compare with\n{}", explain(other, &findings))
            })?;
            anyhow::Ok((other, config))
        });
        let before = before.transpose()?;
        let mut changes = None;
        let (found, summary) = match config::load(&file, secrets) {
            Ok((config, warnings)) => {
                advice = advice::advice(&config.snapshot);
                let compare = |before: &Config| compare::changes(&before.snapshot, &config.snapshot, Timestamp::now());
                changes = before.as_ref().map(|(_, before)| compare(before));
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
            output::print(&format!(
                "\n{}\n",
                styled(&format!("against {}: {same}", other.display()), Style::Bold, colour)
            ))?;
            for change in changes {
                output::print(&format!("\n{}", change.describe()))?;
            }
        }
        Ok(valid)
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
