//! Where log lines go and how they look: text on a terminal, JSON otherwise, always to standard error.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;

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
    let builder = fmt().with_max_level(level).with_writer(std::io::stderr);
    // A second call, as in tests, changes nothing.
    let _ = match format {
        Format::Text => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => builder.json().flatten_event(true).with_target(false).try_init(),
    };
}
