//! Made-up configurations, and their text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

/// All nicknames that occur in requests. No configuration declares all of them.
pub(super) const POOL: [&str; 5] = ["delta", "acme", "echoes", "blue", "coral"];

pub(super) const PERMISSIONS: [&str; 5] =
    ["analytics", "products", "orders_read", "orders_write", "subscription_modification"];

/// What every configuration adds to the catalogue, and what is to be known of it.
const ADDED: &str = r#"
[[endpoint]]
id = "orders2.notes"
method = "POST"
path = "/rest/1.3/orders2/{receipt}/notes"
permissions = ["orders_write"]

[[endpoint]]
id = "orders2.memo"
method = "POST"
path = "/rest/1.3/orders2/{receipt}/memo"
permissions = ["orders_write"]
owner = { receipt = "receipt" }

[[endpoint]]
id = "ledger.list"
method = "GET"
path = "/rest/1.3/ledger/list"
permissions = ["analytics", "orders_read"]
changes = "nothing"
owner = { parameter = "account" }
parameters = [{ name = "account", required = true }]

[[endpoint]]
id = "ledger.entry"
method = "GET"
path = "/rest/1.3/ledger/{receipt}"
permissions = ["analytics"]
changes = "nothing"
owner = { receipt = "receipt" }

[extra_parameters]
trace = "forward"
campaign = "drop"
"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Seller,
    Affiliate,
    Both,
}

/// What stands behind a permission, in a grant or in a reach.
#[derive(Clone, Debug)]
pub(super) enum Listed {
    All,
    These(Vec<&'static str>),
}

/// Permissions and what stands behind them.
pub(super) type Table = BTreeMap<&'static str, Listed>;

/// A configuration. Order is that of the files.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) nicknames: Vec<(&'static str, Kind)>,
    pub(super) credentials: Vec<(String, Table)>,
    pub(super) keys: Vec<(String, Table)>,
}

impl World {
    /// One that is just complete enough to be loaded.
    pub(super) fn smallest() -> Self {
        Self {
            nicknames: vec![("acme", Kind::Seller)],
            credentials: vec![("one".to_owned(), Table::from([("orders_read", Listed::All)]))],
            keys: vec![("app".to_owned(), Table::new())],
        }
    }

    pub(super) fn gateway_toml(&self) -> String {
        let mut text = format!("keys = \"keys.toml\"\n{ADDED}\n[nicknames]\n");
        for (name, kind) in &self.nicknames {
            let kind = match kind {
                Kind::Seller => "seller",
                Kind::Affiliate => "affiliate",
                Kind::Both => "both",
            };
            let _ = writeln!(text, "{name} = \"{kind}\"");
        }
        for (name, reach) in &self.credentials {
            let _ = writeln!(
                text,
                "[credentials.{name}]\napi_key = {{ env = \"NOT_READ_{name}\" }}\n[credentials.{name}.reach]"
            );
            write_table(&mut text, reach);
        }
        text
    }

    pub(super) fn keys_toml(&self) -> String {
        let mut text = String::new();
        for (number, (name, grants)) in self.keys.iter().enumerate() {
            let _ = writeln!(text, "[keys.{name}]\nid = \"key_{number}\"\nstatus = \"active\"");
            let _ = writeln!(text, "digest = \"sha256:{number:064x}\"\n[keys.{name}.grants]");
            write_table(&mut text, grants);
        }
        text
    }
}

fn write_table(text: &mut String, table: &Table) {
    for (permission, listed) in table {
        let _ = match listed {
            Listed::All => writeln!(text, "{permission} = \"all\""),
            Listed::These(names) => writeln!(text, "{permission} = {names:?}"),
        };
    }
}

/// Configurations in which grants and reaches are often, but not always, the same few sets.
pub(super) fn worlds() -> impl Strategy<Value = World> {
    let kinds = prop::collection::vec(prop::sample::select(vec![Kind::Seller, Kind::Affiliate, Kind::Both]), 4);
    let nicknames = (Just(POOL).prop_shuffle(), 1..=4_usize, kinds)
        .prop_map(|(names, count, kinds)| names.into_iter().zip(kinds).take(count).collect::<Vec<_>>());
    // All Accounts, every declared nickname by name, and some of them.
    let some = prop::collection::vec(any::<bool>(), 4).prop_map(Some);
    let scope = prop_oneof![1 => Just(None), 1 => Just(Some(vec![true; 4])), 3 => some];
    let scopes = prop::collection::vec(scope, 1..=4);
    let table = prop::array::uniform5(prop::option::weighted(0.6, any::<prop::sample::Index>()));
    let credentials = prop::collection::vec(table.clone(), 1..=6);
    let keys = prop::collection::vec(table, 1..=4);
    (nicknames, scopes, credentials, keys).prop_map(|(nicknames, scopes, credentials, keys)| {
        let table = |choices: &[Option<prop::sample::Index>; 5]| -> Table {
            let chosen = PERMISSIONS.into_iter().zip(choices);
            chosen
                .filter_map(|(permission, choice)| Some((permission, choice.as_ref()?.get(&scopes))))
                .map(|(permission, scope)| (permission, listed(permission, scope.as_deref(), &nicknames)))
                .collect()
        };
        // Names that sort the other way round than they stand in the file.
        let credentials = credentials.iter().enumerate();
        let credentials = credentials.map(|(number, choices)| {
            let mut reach = table(choices);
            if !reaches_something(&reach, &nicknames) {
                reach.insert("orders_read", Listed::These(vec![nicknames[0].0]));
            }
            (format!("credential{}", 9 - number), reach)
        });
        let credentials = credentials.collect();
        let keys = keys.iter().enumerate().map(|(number, choices)| (format!("key{}", 9 - number), table(choices)));
        let keys = keys.collect();
        World { nicknames, credentials, keys }
    })
}

fn listed(permission: &str, scope: Option<&[bool]>, nicknames: &[(&'static str, Kind)]) -> Listed {
    let Some(members) = scope else { return Listed::All };
    let possible = |kind: Kind| permission != "products" || kind != Kind::Affiliate;
    let names = nicknames.iter().zip(members).filter(|((_, kind), member)| **member && possible(*kind));
    Listed::These(names.map(|((name, _), _)| *name).collect())
}

/// A credential that reaches no declared nickname is an error in a configuration.
fn reaches_something(reach: &Table, nicknames: &[(&'static str, Kind)]) -> bool {
    reach.iter().any(|(permission, listed)| match listed {
        Listed::These(names) => !names.is_empty(),
        Listed::All => nicknames.iter().any(|(_, kind)| *permission != "products" || *kind != Kind::Affiliate),
    })
}
