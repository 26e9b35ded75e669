//! Configurations to ask, loaded as `serve` loads them.

use std::fs;
use std::sync::{Arc, LazyLock};

use clickbank_gateway::config::{self, Secrets, Upstream};
use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::snapshot::Snapshot;

/// A configuration in use.
pub(crate) struct Setup {
    /// What decides.
    pub(crate) snapshot: Arc<Snapshot>,
    /// Where requests go.
    pub(crate) upstream: Upstream,
}

/// The ClickBank key behind every credential here.
pub(crate) const CLICKBANK_KEY: &str = "API-PLANTED0PLANTED0PLANTED0PLANTED0PLNT";

/// Whether a caller's key counts, the permissions that it is granted, and on which nicknames.
pub(crate) struct Caller {
    /// The name, and the key after its prefix.
    pub(crate) name: &'static str,
    /// Whether the key is switched on.
    pub(crate) active: bool,
    /// The permissions.
    pub(crate) permissions: &'static [&'static str],
    /// The nicknames; none listed means All Accounts.
    pub(crate) nicknames: &'static [&'static str],
}

const EVERY: &[&str] = &["analytics", "products", "orders_read", "orders_write", "subscription_modification"];

/// The callers of both configurations.
pub(crate) const CALLERS: [Caller; 5] = [
    Caller { name: "app", active: true, permissions: EVERY, nicknames: &["acme"] },
    Caller { name: "reader", active: true, permissions: &["orders_read", "analytics"], nicknames: &["acme", "coral"] },
    Caller { name: "all", active: true, permissions: EVERY, nicknames: &[] },
    Caller { name: "idle", active: true, permissions: &[], nicknames: &[] },
    Caller { name: "off", active: false, permissions: EVERY, nicknames: &[] },
];

impl Caller {
    /// The key's text.
    pub(crate) fn key(&self) -> String {
        format!("cbgw_{}", self.name)
    }
}

const GATEWAY: &str = r#"
[upstream]
url = "https://clickbank.test:8443"

[nicknames]
acme = "seller"
blue = "affiliate"
coral = "both"

[credentials.acme]
api_key = { file = "clickbank" }
[credentials.acme.reach]
analytics = ["acme"]
products = ["acme"]
orders_write = ["acme"]
subscription_modification = ["acme"]

[credentials.wide]
api_key = { file = "./clickbank" }
[credentials.wide.reach]
analytics = "all"
products = "all"
orders_write = "all"
subscription_modification = "all"
"#;

const ADDED: &str = r#"
[[endpoint]]
id = "ledger.entry"
method = "POST"
path = "/rest/1.3/ledger/{book}/{receipt}"
permissions = ["orders_write"]
parameters = ["amount", { name = "note", prose = true }, { name = "tag", repeats = true }]

[[endpoint]]
id = "ledger.page"
method = "POST"
path = "/rest/1.3/ledger/{book}/page/{id}"
permissions = ["orders_write", "analytics"]
owner = { parameter = "account" }
parameters = [{ name = "account", required = true }]

[extra_parameters]
trace = "forward"
cachebuster = "drop"
"orders2.list" = { trace = "drop", account = "forward" }
"#;

/// The built-in catalogue.
pub(crate) static PLAIN: LazyLock<Setup> = LazyLock::new(|| load(GATEWAY));

/// The built-in catalogue and what a configuration can add to it.
pub(crate) static EXTENDED: LazyLock<Setup> = LazyLock::new(|| load(&format!("{GATEWAY}{ADDED}")));

fn load(gateway: &str) -> Setup {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("gateway.toml");
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).expect("a file can be written");
    write("gateway.toml", gateway);
    write("keys.toml", &keys_toml());
    write("clickbank", CLICKBANK_KEY);
    let (config, _) = config::load(&file, Secrets::Read).unwrap_or_else(|findings| panic!("{findings:#?}"));
    Setup { snapshot: Arc::new(config.snapshot), upstream: config.upstream }
}

/// The key file of both configurations.
pub(crate) fn keys_toml() -> String {
    let keys = CALLERS.iter().map(|caller| {
        let Caller { name, permissions, nicknames, .. } = caller;
        let status = if caller.active { "active" } else { "inactive" };
        let digest = KeyDigest::of(caller.key().as_bytes());
        let scope = if nicknames.is_empty() { "\"all\"".to_owned() } else { format!("{nicknames:?}") };
        let grants: Vec<String> = permissions.iter().map(|permission| format!("{permission} = {scope}\n")).collect();
        format!(
            "[keys.{name}]\nid = \"key_{name}\"\nstatus = \"{status}\"\ndigest = \"{digest}\"\n[keys.{name}.grants]\n{}",
            grants.concat()
        )
    });
    keys.collect()
}
