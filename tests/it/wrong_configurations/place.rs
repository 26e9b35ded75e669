//! A directory with a good configuration in it, and what is said of it after an edit.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clickbank_gateway::config::{self, Config, Findings, Problem, Secrets};

use crate::golden::assert_golden;

pub(crate) const GATEWAY: &str = r#"keys = "keys.toml"

[listen]
address = "127.0.0.1:7310"

[health]
address = "127.0.0.1:7311"

[upstream]
url = "https://api.clickbank.com"
ca_file = "ca.pem"

[limits]
per_second = 10

[nicknames]
acme = "seller"
shop = "both"
acmeaff = "affiliate"

[credentials.acme]
api_key = { file = "acme.key" }
[credentials.acme.reach]
products = ["acme"]
orders_read = ["acme", "acmeaff"]
"#;

const KEYS: &str = r#"[keys.app]
id = "key_app"
status = "active"
created = 2026-11-22T13:00:00Z
expires = 2027-11-22T13:00:00Z
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001"
previous = { digest = "sha256:0000000000000000000000000000000000000000000000000000000000000002", until = 2026-12-01T00:00:00Z }

[keys.app.grants]
orders_read = ["acme", "acmeaff"]

[keys.other]
id = "key_other"
status = "active"
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000003"
"#;

/// Secrets that stand in the wrong places of some cases. No message may repeat what comes after the prefix.
const PLANTED: [&str; 4] = ["PLANTEDCLICKBANKKEY", "PLANTEDDEVELOPERKEY", "PLANTEDGATEWAYKEY", "PLANTEDPASSWORD"];

/// A directory with a good configuration in it.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("gateway.toml", GATEWAY);
        place.write("keys.toml", KEYS);
        place.write("acme.key", "API-0123456789ABCDEFGHIJ\n");
        place.write("short.token", "PLANTEDPASSWORD\n");
        place.write("spare.key", "API-9876543210ABCDEFGHIJ\n");
        let certificate = rcgen::generate_simple_self_signed(vec!["gateway.test".to_owned()]).unwrap();
        place.write("ca.pem", certificate.cert.pem());
        fs::create_dir(place.path().join("a-directory")).unwrap();
        place.write("tls.crt", certificate.cert.pem());
        place.write("tls.key", certificate.signing_key.serialize_pem());
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        self.set_mode(name, 0o600);
    }

    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Replaces the one occurrence of `from` in a file; nothing means its end.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path().join(name)).unwrap();
        let edited = if from.is_empty() {
            format!("{text}{to}")
        } else {
            assert_eq!(text.matches(from).count(), 1, "`{from}` in {name}");
            text.replacen(from, to, 1)
        };
        self.write(name, edited);
    }

    pub(crate) fn load(&self) -> Result<(Config, Vec<Problem>), Findings> {
        config::load(&self.path().join("gateway.toml"), Secrets::Read)
    }

    /// Errors and warnings as `check` prints them, the directory's name replaced, and what is wrong with them: whatever
    /// has to be true of every message is looked at here.
    pub(crate) fn messages(&self) -> (Vec<String>, Vec<String>) {
        let (errors, warnings) = match self.load() {
            Ok((_, warnings)) => (Vec::new(), warnings),
            Err(Findings { errors, warnings, .. }) => (errors, warnings),
        };
        let errors = errors.iter().map(|problem| ("error", problem));
        let mut complaints = Vec::new();
        let mut messages = Vec::new();
        for (severity, problem) in errors.chain(warnings.iter().map(|problem| ("warning", problem))) {
            let shown = problem.to_string();
            let mut expect = |held: bool, what: &str| {
                if !held {
                    complaints.push(format!("{what}: {shown}"));
                }
            };
            let json = serde_json::to_string(problem).unwrap();
            let quiet = |text: &str| PLANTED.iter().all(|secret| !text.contains(secret));
            expect(quiet(&shown) && quiet(&json), "it repeats a secret");
            expect(!problem.message.is_empty() && !problem.mend.is_empty(), "it lacks a message or mend");
            expect(!problem.message.ends_with('.') && !problem.mend.ends_with('.'), "it ends with a full stop");
            expect(shown.lines().count() == 2, "it is not one line and a line for the mend");
            let whole_file = problem.key.is_none() || problem.message == "is missing";
            expect(problem.line.is_some() || whole_file, "it names no line");
            messages.push(format!("{severity}: {}\n", shown.replace(self.path().to_str().unwrap(), "DIR")));
        }
        (messages, complaints)
    }
}

/// Cases with their edits and messages, as they stand in a golden file.
#[derive(Default)]
pub(crate) struct Cases {
    text: String,
    wrong: Vec<String>,
}

impl Cases {
    /// A case of one mistake, which has to lead to one message.
    pub(crate) fn mistake(&mut self, name: &str, edit: Option<(&str, &str)>, place: &Place) {
        let count = self.case(name, edit, place);
        if count != 1 {
            self.wrong.push(format!("{name}: one mistake, but {count} messages"));
        }
    }

    /// A case, and how many messages it leads to.
    pub(crate) fn case(&mut self, name: &str, edit: Option<(&str, &str)>, place: &Place) -> usize {
        let (messages, complaints) = place.messages();
        self.wrong.extend(complaints.into_iter().map(|complaint| format!("{name}: {complaint}")));
        writeln!(self.text, "# {name}\n").unwrap();
        if let Some((file, written)) = edit {
            for line in written.lines().filter(|line| !line.is_empty()) {
                writeln!(self.text, "  {file} | {line}").unwrap();
            }
            self.text.push('\n');
        }
        self.text.extend(messages.iter().map(String::as_str));
        self.text.push('\n');
        messages.len()
    }

    /// Compares all cases with the golden file.
    pub(crate) fn finish(self, golden: &str) {
        assert!(self.wrong.is_empty(), "{}\n\n{}", self.wrong.join("\n"), self.text);
        assert_golden(golden, &self.text);
    }
}

/// Cases of one mistake each: name, file, what stands there, what stands there instead.
pub(crate) fn single_mistakes(golden: &str, mistakes: &[(&str, &str, &str, &str)]) {
    let mut cases = Cases::default();
    for (name, file, from, to) in mistakes {
        let place = Place::new();
        place.edit(file, from, to);
        cases.mistake(name, Some((file, to)), &place);
    }
    cases.finish(golden);
}
