//! Where log lines go and how they look: text on a terminal, JSON otherwise, always to standard error.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::audit;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl Format {
    /// Text on a terminal, JSON otherwise.
    #[must_use]
    pub fn of_standard_error() -> Self {
        if std::io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Sends log lines to standard error from now on. Only the gateway's own lines are written: libraries' may hold what
/// callers or ClickBank sent.
pub fn init(format: Format, level: LevelFilter) {
    let ours = env!("CARGO_CRATE_NAME");
    let targets = Targets::new()
        .with_target(ours, level)
        // The record of each request is written whatever else is not.
        .with_target(audit::TARGET, level.max(LevelFilter::INFO));
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let registry = tracing_subscriber::registry().with(targets);
    // A second call, as in tests, changes nothing.
    let _ = match format {
        Format::Text => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init(),
        Format::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
}
