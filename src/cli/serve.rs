//! `serve`: the gateway itself.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

use crate::config::Secrets;
use crate::process;
use crate::reload;
use crate::server::{Gateway, StartError};
use crate::telemetry::{self, Format};

use super::shutdown::Signals;
use super::{Context, values};

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  clickbank-gateway serve\n  clickbank-gateway --config /etc/clickbank-gateway/gateway.toml serve --log json\n\n\
                        Changed files are read again by themselves, and on SIGHUP.\n\
                        SIGTERM and Ctrl-C let requests in flight finish; a second one stops at once."
)]
pub(crate) struct Serve {
    /// How log lines look [default: text on a terminal, json otherwise]
    #[arg(long, value_enum, value_name = "FORMAT")]
    log: Option<LogFormat>,
    /// How much is logged besides one line for each request
    #[arg(long, value_enum, default_value_t = LogLevel::Info, value_name = "LEVEL")]
    log_level: LogLevel,
    /// How long requests in flight may take to finish, in seconds
    #[arg(long, default_value_t = 25, value_parser = values::seconds, value_name = "SECONDS")]
    drain_timeout: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Serve {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        process::raise_open_files();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let finished = runtime.block_on(self.serve(context));
        // Whatever was given up on does not hold the process back.
        runtime.shutdown_background();
        finished
    }

    async fn serve(self, context: &Context) -> anyhow::Result<bool> {
        let mut signals = Signals::install()?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let format = match self.log {
            Some(LogFormat::Text) => Format::Text,
            Some(LogFormat::Json) => Format::Json,
            None => Format::of_standard_error(),
        };
        telemetry::init(
            format,
            match self.log_level {
                LogLevel::Error => LevelFilter::ERROR,
                LogLevel::Warn => LevelFilter::WARN,
                LogLevel::Info => LevelFilter::INFO,
                LogLevel::Debug => LevelFilter::DEBUG,
                LogLevel::Trace => LevelFilter::TRACE,
            },
            // Whatever else is not logged: the record of each request is.
            LevelFilter::INFO,
        );
        let (config, warnings) = context.load(Secrets::Read)?;
        for warning in warnings {
            reload::warn(&warning);
        }
        if config.state.is_none() {
            tracing::info!(
                "the day's requests and what caps count are kept in memory only, since no `state` directory is configured"
            );
        }
        let upstream = config.upstream.authority.to_string();
        let (keys, file) = (config.snapshot.keys.len(), config.file.clone());
        let gateway = Gateway::start(config).await.map_err(with_mend)?;
        tracing::info!(
            address = %gateway.address(),
            health = %gateway.health_address(),
            admin = gateway.admin_address().map(tracing::field::display),
            upstream,
            keys,
            config = %file.display(),
            version = env!("CARGO_PKG_VERSION"),
            "serving"
        );
        loop {
            tokio::select! {
                () = signals.next() => break,
                _ = hang_up.recv() => {
                    let reload = Arc::clone(gateway.reload());
                    // What comes of it is logged. Signals that come meanwhile are one.
                    let _ = tokio::task::spawn_blocking(move || reload.now()).await;
                }
            }
        }
        tracing::info!(seconds = self.drain_timeout, "finishing requests in flight; a second signal stops at once");
        let finished = tokio::select! {
            finished = gateway.drain(Duration::from_secs(self.drain_timeout)) => finished,
            () = signals.next() => false,
        };
        if finished {
            tracing::info!("stopped");
        } else {
            tracing::warn!("stopped before all requests in flight were finished");
        }
        Ok(finished)
    }
}

/// Why the gateway does not start, and what would mend it where that is known.
pub(super) fn with_mend(error: StartError) -> anyhow::Error {
    let mend = match &error {
        StartError::Listen { source, .. } => values::mend_of_address(source.kind()),
        StartError::State { .. } | StartError::Ledger(_) => "",
    };
    let error = anyhow::Error::new(error);
    if mend.is_empty() { error } else { anyhow::anyhow!("{error:#}{mend}") }
}
