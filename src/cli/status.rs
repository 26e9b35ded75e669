//! `status` and `reload`: ask a running gateway over its admin listener.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use crate::config::{ListenAddress, Secrets, admin_address};
use crate::roster::Roster;

use super::Context;
use super::output::{self, OutputFormat, Style, styled};

const TIMEOUT: Duration = Duration::from_secs(3);
/// Reading 100,000 keys takes a second.
const RELOAD_TIMEOUT: Duration = Duration::from_mins(1);

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  clickbank-gateway status\n  clickbank-gateway status --output json\n\n\
                        It needs `[admin]` in the configuration. Over TCP, --token-file names the file with the token.")]
pub(crate) struct StatusCommand {
    /// The file with the admin token, for an admin listener on TCP
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Arguments of `reload`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  clickbank-gateway reload\n  clickbank-gateway reload --output json\n\n\
                        A running gateway reads changed files by itself. This reads them now, and says what came of it:\n\
                        when it is done, the next request is decided by what the files say.\n\n\
                        It needs `[admin]` in the configuration. Over TCP, --token-file names the file with the token.")]
pub(crate) struct ReloadCommand {
    /// The file with the admin token, for an admin listener on TCP
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Arguments of `changes`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  clickbank-gateway changes stop    # no refund, no cancellation, nothing\n  \
                        clickbank-gateway changes allow\n\n\
                        When it says that changes are stopped, none goes out any more, also none that waits for its turn.\n\
                        `[changes] allowed = false` in the configuration does the same.\n\n\
                        It needs `[admin]` in the configuration. Over TCP, --token-file names the file with the token.")]
pub(crate) struct ChangesCommand {
    /// What to do with changes from now on
    #[arg(value_enum, value_name = "SWITCH")]
    switch: Switch,
    /// The file with the admin token, for an admin listener on TCP
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// What to do with changes.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    /// Let none out, for anybody
    Stop,
    /// Let them out again
    Allow,
}

impl ChangesCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let (question, done) = match self.switch {
            Switch::Stop => (STOP_CHANGES, "changes are stopped; reads go on"),
            Switch::Allow => (ALLOW_CHANGES, "changes go out again, where the configuration allows them"),
        };
        let switched = ask(&admin_of(context)?, self.token_file.as_deref(), question)?;
        if context.output == OutputFormat::Json {
            output::print_json(&switched)?;
            return Ok(true);
        }
        let lasts = switched.get("outlives_restart").and_then(Value::as_bool).unwrap_or(false);
        output::print(&format!(
            "{done}{}\n",
            if lasts { ", also after a restart" } else { ", until the gateway is restarted" }
        ))?;
        if let Some(problem) = switched.get("problem").and_then(Value::as_str) {
            output::complain(&format!("it could not be written to the state directory: {problem}"));
        }
        Ok(true)
    }
}

impl StatusCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let status = ask(&admin_of(context)?, self.token_file.as_deref(), STATUS)?;
        if context.output == OutputFormat::Json {
            output::print_json(&status)?;
        } else {
            print_fields(&status, "")?;
        }
        Ok(true)
    }
}

impl ReloadCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let outcome = ask(&admin_of(context)?, self.token_file.as_deref(), RELOAD)?;
        let applied = outcome.get("applied").and_then(Value::as_bool).unwrap_or(false);
        if context.output == OutputFormat::Json {
            output::print_json(&outcome)?;
            return Ok(applied);
        }
        let generation = outcome.get("generation").map_or_else(String::new, Value::to_string);
        if applied {
            output::print(&format!("the files are in force, as generation {generation}\n"))?;
        } else {
            output::print(&format!("nothing was changed; generation {generation} goes on serving\n"))?;
        }
        for problem in list(&outcome, "problems") {
            output::print(&format!("\n{}\n", problem_of(problem)))?;
        }
        for option in list(&outcome, "needs_restart") {
            let option = option.as_str().unwrap_or_default();
            output::print(&format!("{option} was changed, but stays as it is until the gateway is restarted\n"))?;
        }
        Ok(applied)
    }
}

/// What is asked of a running gateway.
#[derive(Clone, Copy)]
struct Question {
    line: &'static str,
    patience: Duration,
    /// The most bytes of an answer.
    most: u64,
}

const STATUS: Question = Question { line: "GET /status", patience: TIMEOUT, most: 4 << 20 };
const RELOAD: Question = Question { line: "POST /reload", patience: RELOAD_TIMEOUT, most: 4 << 20 };
const STOP_CHANGES: Question = Question { line: "POST /changes/stop", patience: RELOAD_TIMEOUT, most: 4 << 20 };
const ALLOW_CHANGES: Question = Question { line: "POST /changes/allow", patience: RELOAD_TIMEOUT, most: 4 << 20 };
/// Of 100,000 callers there are 30 MB to tell.
const CALLERS: Question = Question { line: "GET /callers", patience: RELOAD_TIMEOUT, most: 1 << 30 };

/// Where the gateway of this configuration can be asked.
pub(super) fn admin_of(context: &Context) -> anyhow::Result<ListenAddress> {
    let file = context.config_file()?;
    // What else is wrong with the file by now does not matter: the gateway may be asked just because of that.
    match admin_address(&file) {
        Some(admin) => Ok(admin),
        None => context.load(Secrets::Skip)?.0.admin.map(|admin| admin.address).context(
            "the configuration has no [admin] section, so there is nobody to ask\n  \
             add one with an `address`, and restart the gateway",
        ),
    }
}

/// What each caller of a running gateway gets.
pub(super) fn roster(admin: &ListenAddress, token_file: Option<&Path>) -> anyhow::Result<Roster> {
    let answer = ask(admin, token_file, CALLERS)?;
    serde_json::from_value(Value::Object(answer))
        .with_context(|| format!("the gateway at {admin} is of another release, and cannot be compared with"))
}

/// Has a running gateway answer.
fn ask(admin: &ListenAddress, token_file: Option<&Path>, question: Question) -> anyhow::Result<Map<String, Value>> {
    let Question { line, patience, most } = question;
    let token = token_file.map(|file| {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        anyhow::Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    });
    let request = format!(
        "{line} HTTP/1.1\r\nHost: admin\r\n{}Content-Length: 0\r\nConnection: close\r\n\r\n",
        token.transpose()?.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default()
    );
    let asked = match admin {
        ListenAddress::Tcp(address) => TcpStream::connect_timeout(address, TIMEOUT).and_then(|stream| {
            stream.set_read_timeout(Some(patience))?;
            exchange(stream, &request, most)
        }),
        ListenAddress::Unix(path) => UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(patience))?;
            exchange(stream, &request, most)
        }),
    };
    let answer = asked.with_context(|| format!("no gateway answers at {admin}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let answer: Map<String, Value> =
        serde_json::from_str(body).with_context(|| format!("what answers at {admin} is no gateway"))?;
    anyhow::ensure!(
        head.starts_with("HTTP/1.1 200 "),
        "the gateway did not answer: {}",
        answer.get("error").and_then(Value::as_str).unwrap_or("it gave no reason")
    );
    Ok(answer)
}

fn exchange(mut stream: impl Read + Write, request: &str, most: u64) -> std::io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(most).read_to_string(&mut answer)?;
    Ok(answer)
}

/// A line for each field; what is within one stands below it, as the problems do.
fn print_fields(fields: &Map<String, Value>, indent: &str) -> anyhow::Result<()> {
    let colour = output::colour();
    for (name, value) in fields {
        let named = |text: &str| styled(&format!("{:22}", format!("{indent}{text}")), Style::Dim, colour);
        let name = name.replace('_', " ");
        match value {
            Value::Object(within) => {
                output::print(&format!("{}\n", named(&name)))?;
                print_fields(within, &format!("{indent}  "))?;
            }
            Value::Array(items) => {
                for item in items {
                    let text = match item.as_str() {
                        Some(text) => text.to_owned(),
                        None if item.get("message").is_some() => problem_of(item),
                        None => credential_of(item),
                    };
                    output::print(&format!("{} {text}\n", named(&name)))?;
                }
            }
            Value::String(text) => output::print(&format!("{} {text}\n", named(&name)))?,
            _ => output::print(&format!("{} {value}\n", named(&name)))?,
        }
    }
    Ok(())
}

fn list<'v>(object: &'v Map<String, Value>, name: &str) -> &'v [Value] {
    object.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What is known of a credential, in one line.
fn credential_of(credential: &Value) -> String {
    let text = |name: &str| credential.get(name).and_then(Value::as_str).unwrap_or_default();
    let is = |name: &str| credential.get(name).and_then(Value::as_bool).unwrap_or_default();
    let instead: Vec<&str> =
        credential.get("instead").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut line = format!("{}: {}", text("name"), text("state"));
    if !is("is_probed") {
        line.push_str(" (no read would show it)");
    }
    if !instead.is_empty() {
        let but = if is("lacking") { ", but not for all its permissions" } else { "" };
        line.push_str(&format!(", {} in its place{but}", instead.join(", ")));
    } else if is("lacking") {
        line.push_str(", and none of equal reach is in its place");
    }
    line.push_str(&format!("; reach {}", text("reach")));
    line
}

/// A problem as `check` prints it.
fn problem_of(problem: &Value) -> String {
    let text = |name: &str| problem.get(name).and_then(Value::as_str);
    let line = problem.get("line").and_then(Value::as_u64).map(|line| format!(":{line}")).unwrap_or_default();
    let key = text("key").map(|key| format!("{key}: ")).unwrap_or_default();
    let words = |name| text(name).unwrap_or_default();
    format!("{}{line}: {key}{}\n    {}", words("file"), words("message"), words("mend"))
}
