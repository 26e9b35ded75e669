//! `check`: says whether the configuration can be served. It runs what `serve` runs.

use clap::Args;
use serde::Serialize;

use crate::config::{self, Findings, Problem, Secrets};

use super::advice::{self, Advice};
use super::output::{self, OutputFormat, Style, styled};
use super::{Context, explain};

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  clickbank-gateway check\n  clickbank-gateway check --without-secrets --output json   # in CI\n\n\
                        Exit codes: 0 it can be served, 1 it cannot, 2 there is no such file."
)]
pub(crate) struct Check {
    /// Leave secrets alone, for checking files where the secrets are not
    #[arg(long)]
    without_secrets: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    valid: bool,
    errors: &'a [Problem],
    warnings: &'a [Problem],
    #[serde(flatten)]
    advice: &'a Advice,
}

impl Check {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let file = context.config_file()?;
        let secrets = if self.without_secrets { Secrets::Skip } else { Secrets::Read };
        let mut advice = Advice::default();
        let (found, summary) = match config::load(&file, secrets) {
            Ok((config, warnings)) => {
                advice = advice::advice(&config.snapshot);
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
            output::print_json(&Report { valid, errors: &found.errors, warnings: &found.warnings, advice: &advice })?;
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
        Ok(valid)
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
