//! Faults on demand: what goes wrong, and on which requests.
//!
//! A [`FaultRule`] says both. It is made in Rust, or read from the fields of a JSON object or a TOML table, the same
//! in both (`read`). `Rules` holds those in force and picks the one that acts on a request; what it then does on the
//! wire is the server's.

mod file;
mod read;
mod rules;

pub use file::{FileProblem, read_file};
pub use read::RuleError;
pub(super) use read::{Scalar, read_rule};
pub use rules::ActiveFault;
pub(super) use rules::{Rules, Seen};

use std::num::NonZeroU64;
use std::time::Duration;

use http::{Method, StatusCode};

/// Something that goes wrong with an answer. Where the request is executed, the world has changed (or was read) before
/// the fault shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The answer begins late. Executed.
    DelayHead(Duration),
    /// The body comes late, after the head. Executed.
    DelayBody(Duration),
    /// The body comes in pieces of `bytes` bytes, with a pause before each. Executed.
    DripBody {
        /// The size of a piece.
        bytes: usize,
        /// The pause before each.
        pause: Duration,
    },
    /// No answer comes, and the connection stays open.
    Hang {
        /// Whether the request is executed.
        executed: bool,
    },
    /// After so many bytes of the answer nothing more comes, and the connection stays open. Executed.
    HangAfter(usize),
    /// The connection is reset in place of an answer.
    Reset {
        /// Whether the request is executed.
        executed: bool,
    },
    /// The connection is reset after so many bytes of the answer. Executed.
    ResetAfter(usize),
    /// The connection is closed in place of an answer.
    Close {
        /// Whether the request is executed.
        executed: bool,
    },
    /// The connection is closed after so many bytes of the body, and before its end. Executed.
    Truncate(usize),
    /// Another status, with a text.
    Status {
        /// The status.
        status: StatusCode,
        /// The body, as plain text.
        text: String,
        /// Whether the request is executed.
        executed: bool,
    },
    /// A redirection. Not executed.
    Redirect {
        /// The status.
        status: StatusCode,
        /// The value of `Location`.
        location: String,
    },
    /// Bytes that are no HTTP, then the end of the connection. Not executed.
    Garbage,
    /// Lines of the head end in LF alone. Executed.
    BareLf,
    /// A header is folded onto a second line. Executed.
    ObsFold,
    /// Two different `Content-Length`, then the end of the connection. Executed.
    TwoLengths,
    /// The same `Content-Length` twice. Executed.
    SameLengthTwice,
    /// `Content-Length` beside `Transfer-Encoding: chunked`; the body is chunked. Executed.
    LengthAndChunked,
    /// A header of so many bytes. Executed.
    LargeHead(usize),
    /// So many headers more. Executed.
    ManyHeaders(usize),
    /// Interim answers before the real one. Executed.
    Interim {
        /// The status of each.
        status: StatusCode,
        /// How many.
        count: usize,
    },
    /// A second complete answer after the real one, which nobody asked for. Executed.
    Surplus,
    /// Another `Content-Type`. Executed.
    ContentType(String),
    /// The real `Content-Type` with this charset; the body stays UTF-8. Executed.
    Charset(String),
    /// `Content-Encoding: gzip`. Executed.
    Gzip {
        /// Whether the body is really gzip, or as ever.
        compressed: bool,
    },
    /// A body of blanks without end: the connection is closed after so many bytes of it. Executed.
    EndlessBody(u64),
    /// A body of arrays (or elements, where the answer is XML) in one another, so many deep. Executed.
    DeepNesting(usize),
    /// The request's `Authorization` in the header `X-Echo`. Executed.
    EchoHeader(EchoForm),
    /// The request's `Authorization` as the body, with the status and the type of the real answer. Executed.
    EchoBody(EchoForm),
}

/// How `Authorization` is written in an echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EchoForm {
    /// As it came.
    Plain,
    /// Each byte as `%41`.
    Percent,
    /// Base64.
    Base64,
    /// Each character as `\u0041`.
    Json,
    /// Each character as `&#x41;`.
    Xml,
}

impl EchoForm {
    const ALL: [Self; 5] = [Self::Plain, Self::Percent, Self::Base64, Self::Json, Self::Xml];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Percent => "percent",
            Self::Base64 => "base64",
            Self::Json => "json",
            Self::Xml => "xml",
        }
    }
}

impl Fault {
    /// Every fault by its name, with the names of its own fields.
    pub const KINDS: [(&'static str, &'static [&'static str]); 28] = [
        ("delay-head", &["milliseconds"]),
        ("delay-body", &["milliseconds"]),
        ("drip-body", &["bytes", "milliseconds"]),
        ("hang", &["executed"]),
        ("hang-after", &["bytes"]),
        ("reset", &["executed"]),
        ("reset-after", &["bytes"]),
        ("close", &["executed"]),
        ("truncate", &["bytes"]),
        ("status", &["status", "text", "executed"]),
        ("redirect", &["status", "location"]),
        ("garbage", &[]),
        ("bare-lf", &[]),
        ("obs-fold", &[]),
        ("two-lengths", &[]),
        ("same-length-twice", &[]),
        ("length-and-chunked", &[]),
        ("large-head", &["bytes"]),
        ("many-headers", &["count"]),
        ("interim", &["status", "count"]),
        ("surplus", &[]),
        ("content-type", &["value"]),
        ("charset", &["value"]),
        ("gzip", &["compressed"]),
        ("endless-body", &["bytes"]),
        ("deep-nesting", &["depth"]),
        ("echo-header", &["form"]),
        ("echo-body", &["form"]),
    ];

    /// Its name, as rules have it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::DelayHead(_) => "delay-head",
            Self::DelayBody(_) => "delay-body",
            Self::DripBody { .. } => "drip-body",
            Self::Hang { .. } => "hang",
            Self::HangAfter(_) => "hang-after",
            Self::Reset { .. } => "reset",
            Self::ResetAfter(_) => "reset-after",
            Self::Close { .. } => "close",
            Self::Truncate(_) => "truncate",
            Self::Status { .. } => "status",
            Self::Redirect { .. } => "redirect",
            Self::Garbage => "garbage",
            Self::BareLf => "bare-lf",
            Self::ObsFold => "obs-fold",
            Self::TwoLengths => "two-lengths",
            Self::SameLengthTwice => "same-length-twice",
            Self::LengthAndChunked => "length-and-chunked",
            Self::LargeHead(_) => "large-head",
            Self::ManyHeaders(_) => "many-headers",
            Self::Interim { .. } => "interim",
            Self::Surplus => "surplus",
            Self::ContentType(_) => "content-type",
            Self::Charset(_) => "charset",
            Self::Gzip { .. } => "gzip",
            Self::EndlessBody(_) => "endless-body",
            Self::DeepNesting(_) => "deep-nesting",
            Self::EchoHeader(_) => "echo-header",
            Self::EchoBody(_) => "echo-body",
        }
    }

    /// Its own fields, as rules have them.
    fn fields(&self) -> Vec<(&'static str, Scalar)> {
        let number = |name, value: usize| vec![(name, Scalar::from_count(value))];
        let delay = |delay: &Duration| ("milliseconds", Scalar::from_delay(*delay));
        let executed = |executed: &bool| ("executed", Scalar::Flag(*executed));
        let text = |name, value: &str| (name, Scalar::Text(value.to_owned()));
        let code = |status: &StatusCode| ("status", Scalar::Number(i64::from(status.as_u16())));
        match self {
            Self::DelayHead(time) | Self::DelayBody(time) => vec![delay(time)],
            Self::DripBody { bytes, pause } => vec![("bytes", Scalar::from_count(*bytes)), delay(pause)],
            Self::Hang { executed: done } | Self::Reset { executed: done } | Self::Close { executed: done } => {
                vec![executed(done)]
            }
            Self::HangAfter(bytes) | Self::ResetAfter(bytes) | Self::Truncate(bytes) | Self::LargeHead(bytes) => {
                number("bytes", *bytes)
            }
            Self::Status { status, text: body, executed: done } => {
                vec![code(status), text("text", body), executed(done)]
            }
            Self::Redirect { status, location } => vec![code(status), text("location", location)],
            Self::ManyHeaders(count) => number("count", *count),
            Self::Interim { status, count } => vec![code(status), ("count", Scalar::from_count(*count))],
            Self::ContentType(value) | Self::Charset(value) => vec![text("value", value)],
            Self::Gzip { compressed } => vec![("compressed", Scalar::Flag(*compressed))],
            Self::EndlessBody(bytes) => vec![("bytes", Scalar::Number(i64::try_from(*bytes).unwrap_or(i64::MAX)))],
            Self::DeepNesting(depth) => number("depth", *depth),
            Self::EchoHeader(form) | Self::EchoBody(form) => vec![text("form", form.name())],
            Self::Garbage
            | Self::BareLf
            | Self::ObsFold
            | Self::TwoLengths
            | Self::SameLengthTwice
            | Self::LengthAndChunked
            | Self::Surplus => Vec::new(),
        }
    }
}

/// A fault, and the requests on which it acts: those that match all that is said, but the first `skip` of them, and of
/// the rest the first `times`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRule {
    /// What goes wrong.
    pub fault: Fault,
    /// The method of the request.
    pub method: Option<Method>,
    /// The path of the request.
    pub path: Option<FaultPath>,
    /// The name of the key that the request carries.
    pub key: Option<String>,
    /// How many matching requests pass first.
    pub skip: u64,
    /// How many matching requests it acts on; without it, on all.
    pub times: Option<NonZeroU64>,
}

/// A path, compared with the target as it was sent, up to its `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultPath {
    /// This path.
    Is(String),
    /// What begins so.
    StartsWith(String),
}

impl FaultRule {
    /// A rule that acts on every request.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self { fault, method: None, path: None, key: None, skip: 0, times: None }
    }

    /// The same for one method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// The same for one path, without its query.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = Some(FaultPath::Is(path.to_owned()));
        self
    }

    /// The same for paths that begin so.
    #[must_use]
    pub fn path_prefix(mut self, prefix: &str) -> Self {
        self.path = Some(FaultPath::StartsWith(prefix.to_owned()));
        self
    }

    /// The same for one key, by its name.
    #[must_use]
    pub fn key(mut self, name: &str) -> Self {
        self.key = Some(name.to_owned());
        self
    }

    /// The same after the first `requests` that match.
    #[must_use]
    pub fn skip(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// The same for the next request only.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(NonZeroU64::MIN)
    }

    /// The same for the next `requests` only.
    #[must_use]
    pub fn times(mut self, requests: NonZeroU64) -> Self {
        self.times = Some(requests);
        self
    }

    /// The rule as fields, as it would be written.
    pub(super) fn fields(&self) -> Vec<(&'static str, Scalar)> {
        let text = |value: &str| Scalar::Text(value.to_owned());
        let count = |value: u64| Scalar::Number(i64::try_from(value).unwrap_or(i64::MAX));
        let mut fields = vec![("fault", text(self.fault.name()))];
        fields.extend(self.fault.fields());
        fields.extend(self.method.as_ref().map(|method| ("method", text(method.as_str()))));
        fields.extend(self.path.as_ref().map(|path| match path {
            FaultPath::Is(path) => ("path", text(path)),
            FaultPath::StartsWith(prefix) => ("path_prefix", text(prefix)),
        }));
        fields.extend(self.key.as_ref().map(|key| ("key", text(key))));
        fields.extend((self.skip > 0).then(|| ("skip", count(self.skip))));
        fields.extend(self.times.map(|times| ("times", count(times.get()))));
        fields
    }
}
