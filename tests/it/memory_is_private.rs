//! The secrets of a running program are in its memory and perhaps in its environment, and stay there: they get into no
//! core dump, and other programs of the same user cannot look.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::process::PROGRAM;
use crate::support::setup::Setup;
use crate::support::upstream::{Act, Certificate, Upstream};

/// Soft and hard limit, as they stand in `/proc`.
fn limits(id: u32, name: &str) -> (String, String) {
    let text = fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

/// The program, begun with a low soft limit of open files, and with core dumps as far as they are allowed.
fn limited(arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let script = "ulimit -S -c \"$(ulimit -H -c)\"; ulimit -S -n 200; exec \"$0\" \"$@\"";
    command.args(["-c", script, PROGRAM]).args(arguments);
    command
}

#[tokio::test]
async fn no_command_leaves_a_core_dump_and_serve_takes_the_files_it_may() {
    let upstream = Upstream::start(Certificate::Good, |_| Act::plain("200 OK", "")).await;
    let written = upstream.write(&Setup::acme());
    let serve = limited(&["--config", written.file.to_str().unwrap(), "serve", "--log", "json"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut serve = Ended(serve);
    read_line_with(serve.0.stderr.take().unwrap(), "\"serving\"");
    assert_eq!(limits(serve.0.id(), "Max core file size"), ("0".to_owned(), "0".to_owned()));
    let (soft, hard) = limits(serve.0.id(), "Max open files");
    assert_eq!(soft, hard);
    assert_ne!(soft, "200");

    let mut simulate =
        limited(&["simulate", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().map(Ended).unwrap();
    read_line_with(simulate.0.stdout.take().unwrap(), "https://");
    assert_eq!(limits(simulate.0.id(), "Max core file size"), ("0".to_owned(), "0".to_owned()));
}

/// A program that is ended when this is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads lines until one has these words. What follows is read and dropped, so that the program never has to wait.
fn read_line_with(output: impl std::io::Read + Send + 'static, words: &str) {
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(words)), "no line with {words}");
    std::thread::spawn(move || lines.for_each(drop));
}

/// Who is neither root nor anybody else.
const NOBODY: u32 = 65_534;

/// Has a program run as an ordinary user: the one who runs the tests, or nobody if that is root.
fn ordinary(command: &mut Command) -> &mut Command {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if root { command.uid(NOBODY).gid(NOBODY) } else { command }
}

/// Whether a program of the same user can read this.
fn readable(path: &str) -> bool {
    let mut cat = Command::new("head");
    let status = ordinary(cat.args(["-c", "1", path])).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.unwrap().success()
}

#[tokio::test]
async fn programs_of_the_same_user_cannot_look_in() {
    // Where every user may run it.
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("gateway");
    fs::copy(PROGRAM, &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();

    let start = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).env("PLANTED", "API-7K3PLANTEDQ9X2").current_dir("/");
        ordinary(&mut command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map(Ended).unwrap()
    };
    let mut simulate = start(&program, &["simulate", "--listen", "127.0.0.1:0"]);
    read_line_with(simulate.0.stdout.take().unwrap(), "https://");
    // A program that waits for its input, and does nothing against being looked into.
    let mut open = start(Path::new("/bin/sh"), &["-c", "echo ready; read line"]);
    read_line_with(open.0.stdout.take().unwrap(), "ready");

    for (program, expected) in [(&open, true), (&simulate, false)] {
        let id = program.0.id();
        for file in ["environ", "maps", "auxv"] {
            assert_eq!(readable(&format!("/proc/{id}/{file}")), expected, "{file}");
        }
    }
}
