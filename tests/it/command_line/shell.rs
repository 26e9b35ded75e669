//! A directory with a configuration, and the real program run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Secrets that stand where the configuration says they are. No command may show any of them.
pub(crate) const PLANTED: [&str; 2] = ["PLANTEDSELLERKEY0000", "PLANTEDAFFILIATEKEY0"];

pub(crate) struct Shell(tempfile::TempDir);

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Shell {
    /// An empty directory.
    pub(crate) fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A directory with the first example in `config/`, its secrets in place, an expired key, and a key whose place in
    /// the key file is known.
    pub(crate) fn with_example() -> Self {
        let shell = Self::empty();
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        fs::create_dir_all(shell.path("config/secrets")).unwrap();
        let gateway = fs::read_to_string(examples.join("gateway.toml")).unwrap();
        fs::write(shell.path("config/gateway.toml"), gateway.replace("/run/secrets/", "secrets/")).unwrap();
        let keys = fs::read_to_string(examples.join("keys.toml")).unwrap();
        let expired = "\n[keys.contractor]\nid = \"key_0c1o2n3t4r5a6c7t8o9r\"\nstatus = \"active\"\n\
                       created = 2025-01-01T00:00:00Z\nexpires = 2025-06-30T00:00:00Z\n\
                       digest = \"sha256:0000000000000000000000000000000000000000000000000000000000000009\"\n\n\
                       [keys.contractor.grants]\norders_read = [\"acme\"]\n";
        fs::write(shell.path("config/keys.toml"), keys + expired).unwrap();
        for (name, secret) in [("acme", PLANTED[0]), ("acmeaff", PLANTED[1]), ("acme-and-acmeaff", "PLANTEDBOTH")] {
            let file = shell.path("config/secrets").join(format!("clickbank-{name}"));
            fs::write(&file, format!("API-{secret}\n")).unwrap();
            fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
        shell
    }

    /// A directory with a configuration whose only credential for orders reaches more than any caller holds.
    pub(crate) fn with_a_wide_credential() -> Self {
        let shell = Self::empty();
        fs::create_dir_all(shell.path("config")).unwrap();
        let gateway = r#"
[nicknames]
acme = "seller"
zenith = "seller"
acmeaff = "affiliate"
orbit = "both"

[credentials.wide]
api_key = { env = "NOT_READ" }
[credentials.wide.reach]
orders_write = ["acme", "zenith", "acmeaff", "orbit"]

[credentials.shop]
api_key = { env = "NOT_READ_EITHER" }
[credentials.shop.reach]
products = "all"
orders_read = ["zenith"]
"#;
        fs::write(shell.path("config/gateway.toml"), gateway).unwrap();
        let mut keys = String::new();
        for (number, (name, grants)) in [
            ("billing", "orders_read = [\"acme\"]"),
            ("reports", "orders_read = [\"acme\"]"),
            ("both", "orders_read = [\"acme\", \"zenith\"]"),
            ("zenith", "orders_read = [\"zenith\"]\nproducts = [\"zenith\"]"),
            ("promo", "orders_read = [\"acmeaff\"]\nanalytics = [\"acmeaff\"]"),
        ]
        .into_iter()
        .enumerate()
        {
            keys.push_str(&format!(
                "[keys.{name}]\nid = \"key_{name}\"\nstatus = \"active\"\ndigest = \"sha256:{number:064}\"\n[keys.{name}.grants]\n{grants}\n"
            ));
        }
        fs::write(shell.path("config/keys.toml"), keys).unwrap();
        shell
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program, in this directory, with nothing of the surrounding environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clickbank-gateway"));
        command.args(arguments).current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        Done::of(&mut self.command(arguments))
    }

    /// The program as somebody who may read this directory and not write it.
    pub(crate) fn command_without_writing(&self, arguments: &[&str]) -> Command {
        let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(self.0.path(), mode(0o755)).unwrap();
        fs::set_permissions(self.path("config"), mode(0o555)).unwrap();
        let mut command = self.command(arguments);
        if fs::write(self.path("config/written"), "").is_ok() {
            // The superuser may write everywhere, so somebody else runs it.
            fs::remove_file(self.path("config/written")).unwrap();
            std::os::unix::process::CommandExt::uid(&mut command, 65534);
            std::os::unix::process::CommandExt::gid(&mut command, 65534);
        }
        command
    }

    /// Runs and says what it looked like: command line, output, errors, exit code; ids, keys and times replaced.
    pub(crate) fn transcript(&self, arguments: &[&str]) -> String {
        self.transcript_of(&mut self.command(arguments))
    }

    /// The same of a command that was prepared.
    pub(crate) fn transcript_of(&self, command: &mut Command) -> String {
        let done = Done::of(command);
        let arguments: Vec<String> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let quoted =
            arguments.iter().map(|word| if word.contains([' ', '?']) { format!("'{word}'") } else { word.clone() });
        let mut text = format!("$ clickbank-gateway {}\n", quoted.collect::<Vec<_>>().join(" "));
        text.push_str(&done.out);
        for line in done.err.lines() {
            text.push_str(&format!("stderr: {line}\n").replace("stderr: \n", "stderr:\n"));
        }
        text.push_str(&format!("= {}\n\n", done.code));
        self.steady(&text)
    }

    /// The text without what differs from run to run.
    pub(crate) fn steady(&self, text: &str) -> String {
        let text = text.replace(self.0.path().to_str().unwrap(), "DIR");
        let mut words = Vec::new();
        for word in
            text.split_inclusive(|character: char| !(character.is_ascii_alphanumeric() || "_:-".contains(character)))
        {
            let (body, end) = match word.char_indices().next_back() {
                Some((at, last)) if !(last.is_ascii_alphanumeric() || "_:-".contains(last)) => word.split_at(at),
                _ => (word, ""),
            };
            let steady = if body.starts_with("cbgw_") && body.len() == 41 {
                "cbgw_KEY"
            } else if body.starts_with("key_") && body.len() == 24 && !text_is_of_the_example(body) {
                "key_ID"
            } else if is_of_today(body) {
                "<time to the second>"
            } else {
                body
            };
            words.push(format!("{steady}{end}"));
        }
        words.concat()
    }
}

/// Whether it is a time that a command of just now wrote: now, or in the days to come.
fn is_of_today(text: &str) -> bool {
    let now = jiff::Timestamp::now().as_second();
    text.len() == 20
        && text
            .parse::<jiff::Timestamp>()
            .is_ok_and(|time| (now - 3_600..now + 40 * 86_400).contains(&time.as_second()))
}

fn text_is_of_the_example(id: &str) -> bool {
    ["key_7q2mx4c0v9k3n8b5t1z6", "key_2h8w5r1p0s4d7f9g3j6k", "key_9x1c5v3b7n2m4q8w6e0r", "key_0c1o2n3t4r5a6c7t8o9r"]
        .contains(&id)
}

impl Done {
    /// Runs to the end, and checks what has to be true of every command.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let arguments: Vec<String> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let done = Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) };
        assert!((0..=2).contains(&done.code), "{arguments:?}: {done:?}");
        for secret in PLANTED {
            assert!(!done.out.contains(secret) && !done.err.contains(secret), "{arguments:?} shows a secret: {done:?}");
        }
        // Only commands that make a key show one of ours, once, on standard output.
        let keys = |text: &str| {
            let long = |rest: &str| rest.bytes().take_while(u8::is_ascii_alphanumeric).count() >= 8;
            text.match_indices("cbgw_").filter(|(at, prefix)| long(&text[at + prefix.len()..])).count()
        };
        let edit_to_make = done.code == 2 && done.err.contains("make the edit on standard output");
        let makes = arguments.iter().any(|word| word == "create" || word == "regenerate")
            && !arguments.iter().any(|word| word == "--digest");
        let made = makes && (done.code == 0 || edit_to_make) && !done.out.contains("Usage:");
        assert_eq!(keys(&done.out), usize::from(made), "{arguments:?}: {done:?}");
        assert_eq!(keys(&done.err), 0, "{arguments:?}: {done:?}");
        assert!(
            !done.out.contains('\u{1b}') && !done.err.contains('\u{1b}'),
            "colour where there is no terminal: {done:?}"
        );
        let json = arguments.windows(2).any(|pair| pair == ["--output", "json"]);
        if json && !done.out.is_empty() {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(&done.out);
            assert!(parsed.is_ok(), "{arguments:?} prints more than JSON: {}", done.out);
        }
        if done.code == 2 {
            assert!(
                done.out.is_empty() != edit_to_make && !done.err.is_empty(),
                "an error goes to standard error: {arguments:?} {done:?}"
            );
        }
        done
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap()
    }
}
