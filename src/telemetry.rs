//! Where log lines go and how they look: text on a terminal, JSON otherwise, always to standard error.

use std::io::IsTerminal as _;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;

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
///
/// `level` is for everything but the records of requests, which have a level of their own.
pub fn init(format: Format, level: LevelFilter, records: LevelFilter) {
    let colour = format == Format::Text && std::io::stderr().is_terminal();
    // A second call, as in tests, changes nothing.
    let _ = tracing::subscriber::set_global_default(subscriber(format, level, records, colour, std::io::stderr));
}

/// What [`init`] installs, for lines that go anywhere.
pub fn subscriber<W>(
    format: Format,
    level: LevelFilter,
    records: LevelFilter,
    colour: bool,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let ours = env!("CARGO_CRATE_NAME");
    let targets = Targets::new().with_target(ours, level).with_target(audit::TARGET, records);
    let lines = fmt::layer().with_writer(writer).with_target(false);
    let registry = tracing_subscriber::registry().with(targets);
    match format {
        Format::Text => Box::new(registry.with(lines.with_ansi(colour))),
        Format::Json => Box::new(registry.with(lines.json().flatten_event(true))),
    }
}
