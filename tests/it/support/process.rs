//! The real program as a child, its output captured as it comes.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::secrets::Secrets;
use super::within;

/// The program's path.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_clickbank-gateway");

/// A running program. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    lines: UnboundedReceiver<String>,
    heard: Vec<String>,
    other: Arc<Mutex<Vec<u8>>>,
    other_done: tokio::sync::oneshot::Receiver<()>,
}

/// Which of the two outputs is read line by line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    Stdout,
    Stderr,
}

/// How a program ended, and all it said.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// The output that was read line by line.
    pub(crate) lines: Vec<String>,
    /// The other one.
    pub(crate) other: String,
}

impl Process {
    /// Starts it with these arguments.
    pub(crate) fn start(arguments: &[&str], lines: Lines) -> Self {
        Self::start_in(Command::new(PROGRAM).args(arguments), lines)
    }

    pub(crate) fn start_in(command: &mut Command, lines: Lines) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
        let stdout: Box<dyn Read + Send> = Box::new(child.stdout.take().unwrap());
        let stderr: Box<dyn Read + Send> = Box::new(child.stderr.take().unwrap());
        let (by_line, mut whole) = if lines == Lines::Stdout { (stdout, stderr) } else { (stderr, stdout) };
        let (sender, receiver) = unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(by_line).lines().map_while(Result::ok) {
                // Nobody listens any more once the test is over.
                let _ = sender.send(line);
            }
        });
        let other = Arc::new(Mutex::new(Vec::new()));
        let (done, other_done) = tokio::sync::oneshot::channel();
        let kept = Arc::clone(&other);
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = whole.read(&mut piece) {
                kept.lock().unwrap().extend_from_slice(&piece[..length]);
            }
            let _ = done.send(());
        });
        Self { child, lines: receiver, heard: Vec::new(), other, other_done }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line for which `wanted` finds something. Fails when the output ends before.
    pub(crate) async fn line<T>(&mut self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        loop {
            let Some(line) = within(what, self.lines.recv()).await else {
                let other = self.other.lock().unwrap().clone();
                panic!("no {what} in {:#?}\n{}", self.heard, String::from_utf8_lossy(&other));
            };
            let found = wanted(&line);
            self.heard.push(line);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// All lines so far.
    pub(crate) fn heard(&self) -> &[String] {
        &self.heard
    }

    /// Sends a signal, such as `TERM`, to this program alone.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.id())]).status();
        assert!(sent.unwrap().success(), "the program is gone already");
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(mut self) -> Ended {
        while let Some(line) = within("the program to end", self.lines.recv()).await {
            self.heard.push(line);
        }
        let _ = within("the program to end", &mut self.other_done).await;
        // Both outputs have closed, so it has ended, or is about to.
        let code = self.child.wait().unwrap().code();
        let other = String::from_utf8_lossy(&self.other.lock().unwrap()).into_owned();
        Ended { code, lines: std::mem::take(&mut self.heard), other }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, whose temporary files go where the configuration is, and are searched with everything there.
fn program_beside(file: &std::path::Path, arguments: &[&str]) -> Command {
    let temporary = file.parent().unwrap().join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env("TMPDIR", temporary);
    command
}

/// The program serving, as its own log line says.
pub(crate) struct Serving {
    pub(crate) process: Process,
    /// Where callers connect, as it stands in the log.
    pub(crate) listen: String,
    pub(crate) health: SocketAddr,
}

impl Serving {
    /// Runs `serve` and waits until it says that it does.
    pub(crate) async fn start(file: &std::path::Path, more: &[&str]) -> Self {
        let arguments = [&["--config", file.to_str().unwrap(), "serve"], more].concat();
        let mut process = Process::start_in(&mut program_beside(file, &arguments), Lines::Stderr);
        let (listen, health) = process
            .line("line that says where it serves", |line| {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                let text = |field: &str| line[field].as_str().map(str::to_owned);
                (text("message")? == "serving").then_some((text("address")?, text("health")?))
            })
            .await;
        Self { process, listen, health: health.parse().unwrap() }
    }

    /// Runs `serve` at its most talkative, with log lines in this format.
    pub(crate) async fn start_logging(file: &std::path::Path, format: &str) -> Self {
        if format == "json" {
            return Self::start(file, &["--log-level", "trace", "--log", format]).await;
        }
        let arguments = ["--config", file.to_str().unwrap(), "serve", "--log-level", "trace", "--log", format];
        let mut process = Process::start_in(&mut program_beside(file, &arguments), Lines::Stderr);
        let (listen, health) = process
            .line("line that says where it serves", |line| {
                let fields = line.split_once(" serving ")?.1;
                let value =
                    |name: &str| fields.split(' ').find_map(|field| field.strip_prefix(name)).map(str::to_owned);
                Some((value("address=")?, value("health=")?))
            })
            .await;
        Self { process, listen, health: health.parse().unwrap() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listen.parse().unwrap()
    }
}

impl Ended {
    /// Fails if a planted secret shows in what was said.
    pub(crate) fn sweep(&self, secrets: &Secrets) {
        secrets.sweep("the program's lines", self.lines.join("\n").as_bytes());
        secrets.sweep("the program's other output", self.other.as_bytes());
    }
}
