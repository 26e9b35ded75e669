//! Leaving out any part of a configuration never widens what anybody may do: what is absent means nothing, or the
//! configuration is refused.

use std::collections::{BTreeSet, HashSet};
use std::fs;

use clickbank_gateway::config::{self, Config, ListenAddress, Secrets};
use clickbank_gateway::domain::call::{Call, CallError};
use clickbank_gateway::domain::decision::{Allowance, Decision, Denial, Safeguard};
use clickbank_gateway::domain::endpoint::Method;
use clickbank_gateway::domain::matrix::{CallerId, Named};
use clickbank_gateway::domain::nickname::NicknameSet;
use clickbank_gateway::domain::permission::Permission;
use clickbank_gateway::domain::secret::KeyDigest;
use toml_edit::{DocumentMut, Item, Value};

use super::{examples, plain_request};

/// Every option that there is, with values that are not the default, so that leaving one out changes something.
const GATEWAY: &str = r#"
keys = "callers.toml"
state = "state"
[listen]
address = "0.0.0.0:8443"
allow_plaintext = false
tls = { cert_file = "tls.crt", key_file = "tls.key" }
max_connections = 16
[health]
address = "0.0.0.0:8444"
[admin]
address = "127.0.0.1:8446"
token = { file = "admin.token" }
[upstream]
url = "https://clickbank.test:8445"
ca_file = "ca.pem"
connect_timeout = "1s"
response_timeout = "2s"
retries = 1
max_answer = "1 MiB"
answer_memory = "2 MiB"
[limits]
per_second = 1
per_day = 100
share = "1/2"
max_wait = "1s"
[changes]
allowed = true
owner_check = "trust-clickbank"

[probes]
at_start = true
every = "1h"
[caps.acme]
refunds_per_hour = 1
refunded_usd_per_hour = "1.00"
cancellations_per_hour = 1
changes_per_hour = 1
[nicknames]
acme = "seller"
shop = "both"
acmeaff = "affiliate"
[credentials.both]
api_key = { file = "both.key" }
developer_key = { env = "DEVELOPER_KEY" }
[credentials.both.reach]
analytics = ["acme", "shop"]
products = ["acme", "shop"]
orders_read = ["acme", "shop"]
orders_write = ["acme"]
subscription_modification = ["acme"]
[credentials.everything]
api_key = { file = "everything.key" }
reach = { analytics = "all", orders_read = "all" }
[[endpoint]]
id = "orders2.notes"
method = "GET"
path = "/rest/1.3/orders2/{receipt}/notes"
permissions = ["orders_read", "subscription_modification"]
changes = "nothing"
owner = { receipt = "receipt" }
answers = ["json"]
rows = { at = "notes", owner = "site", role = "role", receipt = "receipt", counterparty = ["affi"], totals = ["count"] }
paged = true
parameters = [{ name = "startDate", required = false, repeats = true, searches = true, prose = true }, "endDate"]
[[endpoint]]
id = "swap"
method = "POST"
path = "/rest/1.3/swap/{receipt}"
permissions = ["orders_write"]
changes = "money"
owner = { receipt = "receipt" }
parameters = [{ name = "part", values = ["all", "half"] }]
refunds = ["part=all"]
cancels = false
[[endpoint]]
id = "news"
method = "GET"
path = "/rest/1.3/news"
permissions = ["analytics"]
changes = "nothing"
owner = "nobody"
[[endpoint]]
id = "balance"
method = "GET"
path = "/rest/1.3/balance"
permissions = ["analytics"]
changes = "nothing"
owner = { parameter = "account" }
parameters = [{ name = "account", required = true }]
[extra_parameters]
cachebuster = "drop"
"orders2.list" = { cachebuster = "forward", sort = "forward" }
"#;

const KEYS: &str = r#"
[keys.active]
id = "key_active"
status = "active"
created = 2026-01-01T00:00:00Z
regenerated = 2026-01-02T00:00:00Z
note = "the first"
expires = 2027-01-01T00:00:00Z
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001"
previous = { digest = "sha256:0000000000000000000000000000000000000000000000000000000000000002", until = 2026-06-01T00:00:00Z }
caps = { refunds_per_hour = 1, refunded_usd_per_hour = "1.00", cancellations_per_hour = 1, changes_per_hour = 1 }
[keys.active.grants]
analytics = ["acme", "shop"]
products = ["acme"]
orders_read = ["acme", "shop"]
orders_write = ["acme"]
subscription_modification = ["acme"]
[keys.inactive]
id = "key_inactive"
status = "inactive"
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000003"
[keys.inactive.grants]
orders_read = "all"
[keys.nothing]
id = "key_nothing"
status = "active"
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000004"
grants = {}
"#;

/// What is not an option but a list of demands, or means "without end" when it is absent, as people expect and as the
/// documentation says. Nothing else may widen anything.
fn is_expected_to_widen(path: &[Step]) -> bool {
    let names: Vec<&str> = path.iter().map(|step| if let Step::Name(name) = step { name } else { "" }).collect();
    matches!(
        names[..],
        ["keys", _, "expires"] | ["endpoint", _, "permissions", _] | ["caps", ..] | ["keys", _, "caps", ..]
    )
}

#[derive(Clone, Debug)]
enum Step {
    Name(String),
    Position(usize),
}

/// Every part of a document, however deep.
fn parts(item: &Item, path: &[Step], found: &mut Vec<Vec<Step>>) {
    let mut add = |step: Step, child: &Item| {
        let path = [path, &[step]].concat();
        found.push(path.clone());
        parts(child, &path, found);
    };
    if let Some(table) = item.as_table_like() {
        table.iter().for_each(|(name, child)| add(Step::Name(name.to_owned()), child));
    } else if let Some(tables) = item.as_array_of_tables() {
        tables.iter().enumerate().for_each(|(at, table)| add(Step::Position(at), &Item::Table(table.clone())));
    } else if let Some(array) = item.as_array() {
        array.iter().enumerate().for_each(|(at, value)| add(Step::Position(at), &Item::Value(value.clone())));
    }
}

/// Takes one part out.
fn leave_out(item: &mut Item, path: &[Step]) {
    match path {
        [Step::Name(name)] => drop(item.as_table_like_mut().unwrap().remove(name).unwrap()),
        [Step::Name(name), rest @ ..] => leave_out(item.as_table_like_mut().unwrap().get_mut(name).unwrap(), rest),
        [Step::Position(at)] => match item {
            Item::ArrayOfTables(tables) => drop(tables.remove(*at)),
            _ => drop(item.as_array_mut().unwrap().remove(*at)),
        },
        [Step::Position(at), rest @ ..] => {
            if let Item::ArrayOfTables(tables) = item {
                let table = tables.get_mut(*at).unwrap();
                let mut inner = Item::Table(std::mem::take(table));
                leave_out(&mut inner, rest);
                *table = inner.into_table().unwrap();
            } else {
                let value = item.as_array_mut().unwrap().get_mut(*at).unwrap();
                let mut inner = Item::Value(std::mem::replace(value, Value::from(0)));
                leave_out(&mut inner, rest);
                *value = inner.into_value().unwrap();
            }
        }
        [] => {}
    }
}

/// What comes of a request.
#[derive(Debug)]
enum Outcome {
    /// It is allowed: the nicknames that it is about, all that the caller is granted there, and whether ClickBank itself
    /// sees to it that the answer holds nothing else.
    Allowed { about: BTreeSet<String>, granted: BTreeSet<String>, confined: bool },
    /// The caller is granted all that it takes, but no credential is narrow enough for the question as it was put.
    Unconfined { granted: BTreeSet<String> },
    /// A parameter that decides whose data is meant has a value that it cannot have.
    Unreadable,
    /// The caller is not granted what it takes, or there is no such request.
    Refused,
}

const UNDECLARED: &str = "undeclared";

fn ask(config: &Config, caller: CallerId, (method, target, named): &(Method, String, String)) -> Outcome {
    let policy = &config.snapshot.policy;
    let call = match Call::read(&policy.catalogue, method.as_str(), target) {
        Ok(call) => call,
        Err(CallError::Value { .. } | CallError::MissingParameter(_)) => return Outcome::Unreadable,
        Err(_) => return Outcome::Refused,
    };
    let endpoint = policy.catalogue.endpoint(call.endpoint()).unwrap();
    let named = match named.as_str() {
        "" => Named::Nothing,
        _ => policy.nicknames.find(named).map_or(Named::Undeclared, Named::Nickname),
    };
    let names = |set: &NicknameSet| policy.nicknames.names(set).into_iter().map(str::to_owned).collect();
    let granted = names(policy.matrix.allowed(caller, endpoint.permissions).declared());
    match policy.decide(caller, endpoint, &call, &policy.resolve(caller, endpoint, &call, named)) {
        Decision::Allow(allowance) | Decision::AllowIfOwned(allowance) => {
            let Allowance { safeguard, nicknames, .. } = allowance;
            let confined = matches!(safeguard, Safeguard::Confined { .. });
            Outcome::Allowed { about: names(&nicknames), granted, confined }
        }
        Decision::Deny(Denial::NicknameRequired(_) | Denial::ConfinedCredentialRequired(_)) => {
            Outcome::Unconfined { granted }
        }
        Decision::Deny(_) => Outcome::Refused,
    }
}

/// Requests of each kind that is decided about differently, with and without a nickname.
fn requests(config: &Config) -> Vec<(Method, String, String)> {
    let policy = &config.snapshot.policy;
    let mut seen = HashSet::new();
    let mut requests = Vec::new();
    // More than two would repeat what these show, and take minutes where there are many.
    let all: Vec<&str> = policy.nicknames.iter().map(|(_, nickname, _)| nickname.as_str()).collect();
    let nicknames: BTreeSet<&str> = all.first().into_iter().chain(all.last()).copied().collect();
    for (_, endpoint) in policy.catalogue.iter() {
        if !endpoint.added && !seen.insert((endpoint.owner, endpoint.permissions, endpoint.changes)) {
            continue;
        }
        for nickname in nicknames.iter().copied().chain([UNDECLARED]) {
            let plain = plain_request(endpoint, nickname);
            let separator = if plain.contains('?') { '&' } else { '?' };
            let mut add = |target: String, named: &str| requests.push((endpoint.method, target, named.to_owned()));
            add(format!("{plain}{separator}cachebuster=1"), "");
            add(format!("{plain}{separator}sort=1"), "");
            add(plain.clone(), nickname);
            add(plain, "");
        }
    }
    requests
}

/// Whose key each text is, and when it counts.
fn identified(config: &Config) -> BTreeSet<String> {
    let keys = &config.snapshot.keys;
    let mut identified = BTreeSet::new();
    for number in 0..0x30 {
        let digest = KeyDigest::parse(&format!("sha256:{number:064x}")).unwrap();
        for year in [2025, 2026, 2028] {
            if let Ok(caller) = keys.identify(&digest, format!("{year}-02-01T00:00:00Z").parse().unwrap()) {
                identified.insert(format!("{number} is {} in {year}", keys.of(caller).unwrap().name));
            }
        }
    }
    identified
}

fn granted(config: &Config) -> BTreeSet<String> {
    let policy = &config.snapshot.policy;
    let mut granted = BTreeSet::new();
    for (caller, key) in config.snapshot.keys.iter() {
        for permission in Permission::ALL {
            let scope = policy.matrix.grant(caller, permission);
            let all = scope.is_all().then_some("All Accounts");
            for name in policy.nicknames.names(scope.declared()).into_iter().chain(all) {
                granted.insert(format!("{} {permission} {name}", key.name));
            }
        }
    }
    granted
}

/// What `after` allows that `before` did not.
fn widened(before: &Config, after: &Config) -> Vec<String> {
    let mut widened: Vec<String> = identified(after).difference(&identified(before)).cloned().collect();
    widened.extend(granted(after).difference(&granted(before)).cloned());
    let requests = requests(after);
    for (caller, key) in after.snapshot.keys.iter() {
        let earlier = before.snapshot.keys.find(key.name.as_str()).map(|(caller, _)| caller);
        for request in &requests {
            let outcome = ask(after, caller, request);
            let Outcome::Allowed { about, confined, .. } = &outcome else { continue };
            match earlier.map(|caller| ask(before, caller, request)) {
                // With less granted, a narrower credential may do, and then the answer is about less.
                Some(Outcome::Allowed { granted, .. } | Outcome::Unconfined { granted })
                    if about.is_subset(&granted) => {}
                // Where no parameter is said to name the owner, none is looked at, and ClickBank has to see to it.
                Some(Outcome::Unreadable) if *confined => {}
                other => widened.push(format!("{} {request:?} was {other:?} and is {outcome:?}", key.name)),
            }
        }
    }
    widened
}

struct Pair {
    directory: tempfile::TempDir,
    keys: &'static str,
}

impl Pair {
    fn new(keys: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = rcgen::generate_simple_self_signed(vec!["ca.test".to_owned()]).unwrap();
        fs::write(directory.path().join("ca.pem"), authority.cert.pem()).unwrap();
        Self { directory, keys }
    }

    fn load(&self, gateway: &str, keys: &str) -> Option<Config> {
        fs::write(self.directory.path().join(self.keys), keys).unwrap();
        let file = self.directory.path().join("gateway.toml");
        fs::write(&file, gateway).unwrap();
        config::load(&file, Secrets::Skip).ok().map(|(config, _)| config)
    }
}

/// Leaves out every part of both files, one at a time. Says how many were tried and how many still made a configuration.
fn walk(pair: &Pair, gateway: &str, keys: &str) -> (usize, usize) {
    let before = pair.load(gateway, keys).expect("the whole pair loads");
    let (mut tried, mut loaded) = (0, 0);
    for (text, is_gateway) in [(gateway, true), (keys, false)] {
        let document: DocumentMut = text.parse().unwrap();
        let mut found = Vec::new();
        parts(document.as_item(), &[], &mut found);
        for path in found {
            let mut edited = document.clone();
            leave_out(edited.as_item_mut(), &path);
            let edited = edited.to_string();
            tried += 1;
            let after = if is_gateway { pair.load(&edited, keys) } else { pair.load(gateway, &edited) };
            let Some(after) = after else { continue };
            loaded += 1;
            if !is_expected_to_widen(&path) {
                let widened = widened(&before, &after);
                assert!(widened.is_empty(), "without {path:?}: {widened:#?}");
            }
            let authority = after.upstream.authority.as_str();
            assert!(authority == before.upstream.authority || authority == "api.clickbank.com", "without {path:?}");
            if after.admin.is_some_and(|admin| admin.address.tcp().is_some()) && is_gateway {
                assert!(edited.contains("token = "), "operators need no token without {path:?}");
            }
            if let ListenAddress::Tcp(address) = &after.listen.address {
                let protected = edited.contains("tls = ") || !is_gateway;
                assert!(address.ip().is_loopback() || protected, "plaintext off loopback without {path:?}");
            }
        }
    }
    (tried, loaded)
}

#[test]
fn leaving_out_any_part_of_a_configuration_with_every_option_never_widens_access() {
    let pair = Pair::new("callers.toml");
    let (tried, loaded) = walk(&pair, GATEWAY, KEYS);
    assert!(tried > 120 && loaded > 50, "{loaded} of {tried}");
}

#[test]
fn leaving_out_any_part_of_an_example_never_widens_access() {
    for path in examples() {
        let pair = Pair::new("keys.toml");
        let gateway = fs::read_to_string(&path).unwrap();
        let keys = fs::read_to_string(path.with_file_name("keys.toml")).unwrap();
        let (tried, loaded) = walk(&pair, &gateway, &keys);
        assert!(tried > 30 && loaded > 10, "{loaded} of {tried} in {}", path.display());
    }
}

#[test]
fn a_file_that_broke_off_anywhere_never_widens_access() {
    let pair = Pair::new("callers.toml");
    let whole = pair.load(GATEWAY, KEYS).expect("the whole pair loads");
    let mut loaded = 0;
    for (text, is_gateway) in [(GATEWAY, true), (KEYS, false)] {
        // After a line, and in the middle of the next.
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        let cuts = starts.flat_map(|start| [start, start + text[start..].find('\n').unwrap_or_default() / 2]);
        for cut in cuts {
            let broken = &text[..cut];
            let after = if is_gateway { pair.load(broken, KEYS) } else { pair.load(GATEWAY, broken) };
            let Some(after) = after else { continue };
            loaded += 1;
            let widened = widened(&whole, &after);
            assert!(widened.is_empty(), "broken off after {broken:?}: {widened:#?}");
        }
    }
    assert!(loaded > 20, "{loaded} of them load");
}

#[test]
fn what_is_absent_or_empty_is_nobody_and_never_all() {
    let pair = Pair::new("callers.toml");
    for (from, to, refused) in [
        // A key without a status, an empty one, a key that is no table.
        ("status = \"active\"\ncreated", "created", true),
        ("status = \"active\"\ncreated", "status = \"\"\ncreated", true),
        // No grants, empty grants, grants to no nickname.
        ("grants = {}", "", false),
        ("orders_read = \"all\"\n", "", false),
        ("orders_read = \"all\"\n", "orders_read = []\n", false),
        ("orders_read = \"all\"\n", "orders_read = \"\"\n", true),
        ("orders_read = \"all\"\n", "orders_read = [\"\"]\n", true),
    ] {
        assert_eq!(KEYS.matches(from).count(), 1, "{from}");
        let keys = KEYS.replacen(from, to, 1);
        let Some(config) = pair.load(GATEWAY, &keys) else {
            assert!(refused, "`{to}` in place of `{from}` is refused");
            continue;
        };
        assert!(!refused, "`{to}` in place of `{from}` is accepted");
        let changed = if to.is_empty() && from.starts_with("grants") { "nothing" } else { "inactive" };
        let (caller, _) = config.snapshot.keys.find(changed).unwrap();
        let none = Permission::ALL.iter().all(|permission| {
            let scope = config.snapshot.policy.matrix.grant(caller, *permission);
            scope.is_empty() && !scope.is_all()
        });
        assert!(none, "`{to}` in place of `{from}` grants something");
    }
}

#[test]
fn the_walk_knows_every_option_that_there_is() {
    let pair = Pair::new("callers.toml");
    for (text, is_gateway) in [(GATEWAY, true), (KEYS, false)] {
        let document: DocumentMut = text.parse().unwrap();
        let mut found = Vec::new();
        parts(document.as_item(), &[], &mut found);
        found.push(Vec::new());
        for path in found {
            let mut edited = document.clone();
            let Some(table) = table_at(edited.as_item_mut(), &path) else { continue };
            let there: BTreeSet<String> = table.iter().map(|(name, _)| name.to_owned()).collect();
            table.insert("zzzzzzzz", toml_edit::value(1));
            let (gateway, keys) = if is_gateway {
                (edited.to_string(), KEYS.to_owned())
            } else {
                (GATEWAY.to_owned(), edited.to_string())
            };
            fs::write(pair.directory.path().join("callers.toml"), keys).unwrap();
            let file = pair.directory.path().join("gateway.toml");
            fs::write(&file, gateway).unwrap();
            let findings = config::load(&file, Secrets::Skip).unwrap_err();
            let unknown = findings.errors.iter().find(|problem| problem.message == "is not an option here");
            // Tables whose names people choose have no such error.
            let Some(unknown) = unknown else { continue };
            for option in unknown.mend.split('`').skip(1).step_by(2) {
                let one_of_several = [
                    "file",
                    "env",
                    "parameter",
                    "filter",
                    "answer",
                    "receipt",
                    "ticket",
                    "tickets",
                    "values",
                    "refunds",
                    "cancels",
                ];
                let known = there.contains(option) || one_of_several.contains(&option) || path_is_partial(&path);
                assert!(known, "`{option}` is an option at {path:?}, but nothing here leaves it out");
            }
        }
    }
}

/// Tables of which each configuration uses only a part.
fn path_is_partial(path: &[Step]) -> bool {
    let text = format!("{path:?}");
    ["reach", "grants", "endpoint", "owner", "inactive", "nothing", "everything"].iter().any(|word| text.contains(word))
        && !text.ends_with("Name(\"endpoint\"), Position(0)]")
        && !text.ends_with("Name(\"active\"), Name(\"grants\")]")
}

fn table_at<'a>(item: &'a mut Item, path: &[Step]) -> Option<&'a mut dyn toml_edit::TableLike> {
    let Some((step, rest)) = path.split_first() else { return item.as_table_like_mut() };
    match (step, item) {
        (Step::Position(at), Item::ArrayOfTables(tables)) => {
            let table = tables.get_mut(*at)?;
            if rest.is_empty() { Some(table) } else { None }
        }
        (Step::Name(name), item) => table_at(item.as_table_like_mut()?.get_mut(name)?, rest),
        _ => None,
    }
}

#[test]
fn leaving_out_works_on_a_path_as_it_is_written() {
    let mut document: DocumentMut = "a = 1\n[[b]]\nc = [1, 2]\n".parse().unwrap();
    let mut found = Vec::new();
    parts(document.as_item(), &[], &mut found);
    assert_eq!(found.len(), 6, "{found:?}");
    leave_out(document.as_item_mut(), found.last().unwrap());
    assert_eq!(document.to_string(), "a = 1\n[[b]]\nc = [1]\n");
}
