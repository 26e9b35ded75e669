//! A gateway's configuration, as a test wants it, written to a temporary directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::keys::issue;
use tempfile::TempDir;

use super::emissions;
use super::secrets::Secrets;

/// What to write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    nicknames: Vec<(String, String)>,
    credentials: Vec<(String, String)>,
    callers: Vec<Caller>,
    top: String,
    listen: String,
    upstream: String,
    limits: String,
}

#[derive(Clone, Debug)]
struct Caller {
    name: String,
    key: String,
    /// Lines of the key's own table.
    lines: String,
    grants: String,
}

/// Permissions on nicknames, as they stand below `reach` and `grants`.
pub(crate) fn everything_on(nicknames: &str) -> String {
    ["analytics", "products", "orders_write", "subscription_modification"]
        .iter()
        .fold(String::new(), |lines, permission| lines + permission + " = " + nicknames + "\n")
}

pub(crate) fn new_key() -> String {
    issue::new_key().unwrap().expose_once().to_owned()
}

impl Setup {
    /// The nicknames of the simulator's demo, and limits that no test meets by accident.
    pub(crate) fn new() -> Self {
        let mut setup = Self::default();
        for (nickname, kind) in [("acme", "seller"), ("acmeaff", "affiliate"), ("zenith", "seller"), ("orbit", "both")]
        {
            setup.nicknames.push((nickname.to_owned(), kind.to_owned()));
        }
        setup.limits("per_second = 1000\nper_day = 1000000\n")
    }

    /// One caller, `app`, that may do everything on acme behind a credential confined to acme.
    pub(crate) fn acme() -> Self {
        let acme = everything_on("[\"acme\"]");
        Self::new().credential("acme", &acme).caller("app", &acme)
    }

    /// A credential: the simulator's key of that name, with this reach.
    pub(crate) fn credential(mut self, name: &str, reach: &str) -> Self {
        self.credentials.push((name.to_owned(), reach.to_owned()));
        self
    }

    /// A caller with an active key and these grants.
    pub(crate) fn caller(self, name: &str, grants: &str) -> Self {
        self.caller_with(name, &new_key(), "status = \"active\"", grants)
    }

    /// A caller with this key. `lines` begin with its status; what they say of digests can name other keys.
    pub(crate) fn caller_with(mut self, name: &str, key: &str, lines: &str, grants: &str) -> Self {
        self.callers.push(Caller {
            name: name.to_owned(),
            key: key.to_owned(),
            lines: lines.to_owned(),
            grants: grants.to_owned(),
        });
        self
    }

    /// Lines before the first table.
    pub(crate) fn top(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.top);
        self
    }

    /// Lines of `[listen]`, in place of a free port of loopback.
    pub(crate) fn listen(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.listen);
        self
    }

    /// More lines of `[upstream]`.
    pub(crate) fn upstream(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.upstream);
        self
    }

    /// Lines of `[limits]`.
    pub(crate) fn limits(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.limits);
        self
    }

    /// Writes everything. `secret_of` gives the ClickBank key of a credential.
    pub(crate) fn write(&self, url: &str, ca_pem: &str, secret_of: impl Fn(&str) -> String) -> Written {
        let directory = tempfile::Builder::new().prefix("clickbank-gateway-test-").tempdir().unwrap();
        let mut written = Written {
            heard_from: emissions::listen(),
            planned: Mutex::default(),
            file: directory.path().join("gateway.toml"),
            directory,
            keys: BTreeMap::new(),
            credentials: BTreeMap::new(),
            secrets: Secrets::default(),
        };
        let listen = if self.listen.is_empty() { "address = \"127.0.0.1:0\"" } else { &self.listen };
        let mut gateway = format!(
            "{}\n[listen]\n{listen}\n[health]\naddress = \"127.0.0.1:0\"\n[upstream]\nurl = \"{url}\"\nca_file = \
             \"upstream-ca.pem\"\n{}\n[limits]\n{}\n[nicknames]\n",
            self.top, self.upstream, self.limits
        );
        for (nickname, kind) in &self.nicknames {
            writeln!(gateway, "{nickname} = \"{kind}\"").unwrap();
        }
        for (name, reach) in &self.credentials {
            let secret = secret_of(name);
            written.file_for_owner(&format!("clickbank-{name}"), &secret);
            write!(
                gateway,
                "[credentials.{name}]\napi_key = {{ file = \"clickbank-{name}\" }}\n[credentials.{name}.reach]\n{reach}\n"
            )
            .unwrap();
            written.secrets.plant(&format!("the ClickBank key {name}"), &secret, 12);
            written.credentials.insert(name.clone(), secret);
        }
        let mut keys = String::new();
        for Caller { name, key, lines, grants } in &self.callers {
            let digest = KeyDigest::of(key.as_bytes());
            write!(
                keys,
                "[keys.{name}]\nid = \"key_{name}\"\ndigest = \"{digest}\"\n{lines}\n[keys.{name}.grants]\n{grants}\n"
            )
            .unwrap();
            written.secrets.plant(&format!("the key of {name}"), key, 13);
            written.keys.insert(name.clone(), key.clone());
        }
        written.file_for_owner("upstream-ca.pem", ca_pem);
        written.file_for_owner("keys.toml", &keys);
        written.file_for_owner("gateway.toml", &gateway);
        written
    }
}

/// A configuration on disk.
#[derive(Debug)]
pub(crate) struct Written {
    directory: TempDir,
    /// From where on what this process says is searched.
    heard_from: usize,
    /// The files that tests have written.
    planned: Mutex<BTreeSet<String>>,
    /// `gateway.toml`.
    pub(crate) file: PathBuf,
    /// The callers' keys, by name.
    pub(crate) keys: BTreeMap<String, String>,
    /// The ClickBank keys, by credential.
    pub(crate) credentials: BTreeMap<String, String>,
    /// All of these.
    pub(crate) secrets: Secrets,
}

impl Written {
    /// The directory of all files.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Changes a file as an editor would that writes in place.
    pub(crate) fn edit(&self, name: &str, change: impl Fn(String) -> String) {
        let path = self.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        let changed = change(text.clone());
        assert_ne!(changed, text, "nothing of {name} was changed");
        fs::write(path, changed).unwrap();
    }

    /// Writes a file that only its owner can read.
    pub(crate) fn file_for_owner(&self, name: &str, text: &str) {
        let file = Path::new(name).file_name().unwrap().to_string_lossy().into_owned();
        self.planned.lock().unwrap().insert(file);
        let (path, new) = (self.path().join(name), self.path().join(format!("{name}.new")));
        // A gateway that reads its files meanwhile finds the whole of one or of the other.
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, path).unwrap();
    }
}

/// Words that stand in every customer of the simulator, and nowhere else.
const CUSTOMERS: [&str; 3] = ["@example.net", "Elm & Oak Street", "+1208555"];

impl Drop for Written {
    /// Whatever a test was about: nothing of what it planted shows in what was said meanwhile, or in a file that the
    /// gateway wrote.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for word in CUSTOMERS {
            self.secrets.plant("a customer", word, word.len());
        }
        self.secrets.sweep("what this process said", &emissions::since(self.heard_from));
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if entry.file_type().unwrap().is_file() && !self.planned.lock().unwrap().contains(&name) {
                    self.secrets.sweep(&name, &fs::read(entry.path()).unwrap());
                }
            }
        }
    }
}
