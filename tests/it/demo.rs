//! The demo is what people see first: it does what it prints, what it prints can be pasted, and it leaves nothing behind.

use std::path::Path;
use std::process::Command;

use crate::support::process::{Lines, PROGRAM, Process};
use crate::support::within;

/// Outcomes of the demo's calls, in order.
const OUTCOMES: [&str; 20] = [
    "200",
    "200",
    "200",
    "403 nickname-not-granted",
    "200",
    "200",
    "403 nickname-not-granted",
    "403 permission-missing",
    "400 nickname-required",
    "200",
    "200",
    "200",
    "200",
    "200",
    "200",
    "200",
    "403 not-yours-or-unknown",
    "403 not-yours-or-unknown",
    "403 endpoint-blocked",
    "401 key-refused",
];

/// A demo whose temporary files go to `directory`.
fn start(directory: &Path, more: &[&str]) -> Process {
    let mut command = Command::new(PROGRAM);
    command.arg("demo").args(more).env("TMPDIR", directory);
    Process::start_in(&mut command, Lines::Stdout)
}

/// Everything that it prints until it waits.
async fn printed(demo: &mut Process) -> Vec<String> {
    demo.line("last line", |line| line.contains("stays up until Ctrl-C").then_some(())).await;
    demo.heard().to_vec()
}

fn temporary() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("clickbank-gateway-test-").tempdir().unwrap()
}

fn left_in(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

/// Runs a line as a shell does, and returns its exit code and what it printed.
async fn shell(line: &str) -> (Option<i32>, String) {
    let line = line.to_owned();
    let run = move || Command::new("sh").args(["-c", &line]).env("no_proxy", "*").output();
    let output = within("a line of the demo", tokio::task::spawn_blocking(run)).await.unwrap().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn it_does_what_it_prints_and_leaves_nothing_behind() {
    let directory = temporary();
    let mut demo = start(directory.path(), &["--listen", "127.0.0.1:0"]);
    let printed = printed(&mut demo).await;
    assert_eq!(left_in(directory.path()), 1);

    // A call is three lines: a numbered title, method and target, outcome.
    let starts = (0..printed.len()).filter(|place| printed[*place].get(2..4) == Some(". "));
    let outcomes: Vec<&str> = starts.map(|place| printed[place + 2].trim_start()).collect();
    let outcomes: Vec<&str> = outcomes.iter().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(outcomes, OUTCOMES);
    let text = printed.join("\n");
    // How far two credentials reach is asked, the own order is looked up before its amounts and before its refund, and its
    // tickets, too; the foreign order is looked up, and arrives where it is asked for itself. What is asked again does not.
    let passed = OUTCOMES.iter().filter(|outcome| **outcome == "200").count() + 2 + 3 + 2 - 1;
    assert!(text.contains(&format!("received {passed} requests for these {} calls", OUTCOMES.len())), "{text}");
    let leaks = "Keys of the gateway that reached it: 0. Keys of ClickBank in the answers above: 0.";
    assert!(text.contains(leaks), "{text}");
    assert!(text.contains("rows, of acme and acmeaff") && text.contains("rows, of zenith"), "{text}");
    assert!(!text.contains('\u{1b}'), "colours in a pipe");
    let shows_key = text.split("API-").skip(1).any(|rest| rest.starts_with(|next: char| next.is_ascii_alphanumeric()));
    assert!(!shows_key, "a key of ClickBank's in {text}");

    let lines: Vec<&str> = printed.iter().map(|line| line.trim_start()).collect();
    let curls: Vec<&&str> = lines.iter().filter(|line| line.starts_with("curl ")).collect();
    let [list, refused, count] = curls[..] else { panic!("{curls:?}") };
    let (code, said) = shell(list).await;
    assert_eq!(code, Some(0));
    let orders: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(orders["orderData"].as_array().is_some_and(|rows| rows.len() > 10), "{said}");
    let (_, said) = shell(refused).await;
    assert!(said.starts_with("HTTP/1.1 403") && said.contains("nickname-not-granted"), "{said}");
    let (_, said) = shell(count).await;
    assert!(said.parse::<u32>().is_ok(), "{said}");
    let commands: Vec<&&str> = lines.iter().filter(|line| line.contains(" --config ")).collect();
    let [matrix, can_i] = commands[..] else { panic!("{commands:?}") };
    let (code, said) = shell(matrix).await;
    assert!(code == Some(0) && said.contains("dashboard") && said.contains("zenith"), "{said}");
    let (code, said) = shell(can_i).await;
    assert!(code == Some(1) && said.contains("nickname-required"), "{code:?} {said}");

    demo.signal("INT");
    let ended = demo.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.other);
    assert_eq!(ended.other, "", "a person who looks at the demo sees the demo");
    assert_eq!(left_in(directory.path()), 0);
}

#[tokio::test]
async fn it_takes_a_free_port_where_the_usual_one_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:7310");
    let directory = temporary();
    let mut demo = start(directory.path(), &[]);
    let text = printed(&mut demo).await.join("\n");
    let (told, usual) = (text.contains("127.0.0.1:7310 is taken"), text.contains("http://127.0.0.1:7310"));
    // Where somebody else has it, they may let go of it meanwhile.
    assert!(told || taken.is_err(), "{text}");
    assert!(told != usual && text.contains("The gateway serves at http://127.0.0.1:"), "{text}");
    demo.signal("TERM");
    assert_eq!(demo.end().await.code, Some(0));
    assert_eq!(left_in(directory.path()), 0);
}

#[tokio::test]
async fn a_port_that_was_asked_for_and_is_taken_ends_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = temporary();
    let ended = start(directory.path(), &["--listen", &address]).end().await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.other.contains(&address), "{}", ended.other);
    assert_eq!(left_in(directory.path()), 0);
}
