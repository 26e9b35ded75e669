//! The command line: one file per command. Errors are `anyhow` here and nowhere else.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{self, Config, Findings, Problem, Secrets};
use crate::domain::secret::{has_secret, without_secrets};

mod advice;
mod can_i;
mod check;
mod compare;
mod credential;
mod demo;
mod endpoints;
mod find;
mod health;
mod init;
mod key;
mod matrix;
mod output;
mod serve;
mod shutdown;
mod simulate;
mod status;
mod unused;
mod values;

use output::{OutputFormat, complain};

const EXAMPLES: &str = "\
Examples:
  clickbank-gateway demo      everything on loopback, with a stand-in for ClickBank
  clickbank-gateway init      write a commented configuration to ./config
  clickbank-gateway key create billing --grant orders_read=acme
  clickbank-gateway can-i billing GET /rest/1.3/orders2/list
  clickbank-gateway serve

Exit codes: 0 yes or done, 1 no, 2 could not answer.";

/// Set apart, so that a command's own options stand together.
const COMMON: &str = "Options of every command";

/// Lends internal apps exactly the part of a ClickBank API key that they may use.
#[derive(Debug, Parser)]
#[command(name = "clickbank-gateway", version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    /// The configuration [default: ./config/gateway.toml, else /etc/clickbank-gateway/gateway.toml]
    #[arg(
        long,
        global = true,
        help_heading = COMMON,
        value_name = "FILE",
        env = "CLICKBANK_GATEWAY_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,

    /// How to print data
    #[arg(long, global = true, help_heading = COMMON, value_enum, default_value_t, value_name = "FORMAT")]
    output: OutputFormat,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented starting configuration
    Init(init::Init),
    /// Serve callers
    Serve(serve::Serve),
    /// Say whether the configuration can be served, and all that is wrong or missing
    Check(check::Check),
    /// Ask a running gateway whether it is ready
    Health(health::HealthCommand),
    /// Ask a running gateway what it is doing
    Status(status::StatusCommand),
    /// Have a running gateway read its configuration now
    Reload(status::ReloadCommand),
    /// Stop all changes of a running gateway at once, or let them out again
    Changes(status::ChangesCommand),
    /// Run everything on loopback, with a stand-in for ClickBank, and make a few calls
    Demo(demo::Demo),
    /// Run a stand-in for ClickBank, for tests
    Simulate(simulate::Simulate),
    /// Create, list, change and delete keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Try the credentials at ClickBank
    #[command(subcommand)]
    Credential(credential::CredentialCommand),
    /// Show who may do what: ClickBank's Quick View, for all keys
    Matrix(matrix::MatrixCommand),
    /// Say whether a key may make a call, why, and what would mend it
    CanI(can_i::CanI),
    /// List the endpoints, or show one
    Endpoints(endpoints::Endpoints),
}

/// Runs the command that the arguments name, and returns the exit code: 0 yes or done, 1 no, 2 could not answer.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap repeats what it does not understand, and that may be a key in the wrong place.
            let text = error.to_string();
            if has_secret(&text) {
                complain(without_secrets(&text).trim_end());
            } else {
                // clap prints help to standard output and errors to standard error.
                let _ = error.print();
            }
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match arguments.run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            complain(&without_secrets(&format!("error: {error:#}")));
            ExitCode::from(2)
        }
    }
}

impl Arguments {
    /// Reads the arguments. A configuration named for a command that reads none is a mistake, and not passed over; one
    /// that the environment names is meant for other commands.
    fn read() -> clap::error::Result<Self> {
        let matches = Self::command().try_get_matches()?;
        let arguments = Self::from_arg_matches(&matches)?;
        let named = matches.value_source("config") == Some(ValueSource::CommandLine);
        match arguments.command {
            Command::Init(_) | Command::Demo(_) | Command::Simulate(_) if named => {
                let message = "this command reads no configuration; leave --config out";
                Err(Self::command().error(ErrorKind::ArgumentConflict, message))
            }
            ref command if arguments.output.is_of_a_table() && !matches!(command, Command::Matrix(_)) => {
                let message = "only `matrix` prints csv and markdown; use --output text or json";
                Err(Self::command().error(ErrorKind::ArgumentConflict, message))
            }
            _ => Ok(arguments),
        }
    }

    fn run(self) -> anyhow::Result<bool> {
        let context = Context { config: self.config, output: self.output };
        match self.command {
            Command::Init(init) => init.run(),
            Command::Serve(serve) => serve.run(&context),
            Command::Check(check) => check.run(&context),
            Command::Health(health) => health.run(&context),
            Command::Status(status) => status.run(&context),
            Command::Reload(reload) => reload.run(&context),
            Command::Changes(changes) => changes.run(&context),
            Command::Demo(demo) => demo.run(),
            Command::Simulate(simulate) => simulate.run(&context),
            Command::Key(key) => key.run(&context),
            Command::Credential(credential) => credential.run(&context),
            Command::Matrix(matrix) => matrix.run(&context),
            Command::CanI(can_i) => can_i.run(&context),
            Command::Endpoints(endpoints) => endpoints.run(&context),
        }
    }
}

/// What all commands are given.
#[derive(Debug)]
struct Context {
    config: Option<PathBuf>,
    output: OutputFormat,
}

impl Context {
    /// The configuration file that was named, or the first of the usual ones.
    fn config_file(&self) -> anyhow::Result<PathBuf> {
        if let Some(file) = &self.config {
            anyhow::ensure!(file.exists(), "there is no file {}", file.display());
            return Ok(file.clone());
        }
        let usual = ["config/gateway.toml", "/etc/clickbank-gateway/gateway.toml"];
        usual.iter().map(PathBuf::from).find(|file| file.exists()).ok_or_else(|| {
            anyhow::anyhow!(
                "there is no configuration: neither {} nor {} exists\n  \
                 `clickbank-gateway init` writes one, --config FILE names another",
                usual[0],
                usual[1]
            )
        })
    }

    /// The configuration, or every problem with it.
    fn load(&self, secrets: Secrets) -> anyhow::Result<(Config, Vec<Problem>)> {
        let file = self.config_file()?;
        config::load(&file, secrets).map_err(|findings| anyhow::anyhow!(explain(&file, &findings)))
    }
}

/// A word of a command line, as a shell takes it for one.
fn shell_word(text: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "_-./,=:@".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// All problems, as a person reads them.
fn explain(file: &Path, findings: &Findings) -> String {
    let count = findings.errors.len();
    let problems = if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") };
    let mut text = format!("{} cannot be used: {problems}", file.display());
    for problem in &findings.errors {
        text.push_str(&format!("\n\n{problem}"));
    }
    text
}
