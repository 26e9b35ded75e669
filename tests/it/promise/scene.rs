//! A scene: nicknames, ClickBank keys, callers, and what ClickBank keeps. Order is that of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroUsize;

use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::simulator::world::{Account, AccountKind, Records};
use clickbank_gateway::simulator::{
    EmptyList, KeySpec, Nicknames, Permission, Reach, Settings, SharedSale, World, WorldSpec,
};
use jiff::civil::{Date, date};

use crate::support::in_process::Configured;

use super::random::Random;
use super::records::{Garden, People};

/// The nicknames that a scene may declare. None is part of another, or of a word in an answer.
const POOL: [&str; 5] = ["acmeq", "bluez", "coralx", "deltav", "echojq"];
/// A sister of theirs that no scene declares, and one that exists in one of two alike worlds.
pub(super) const SISTER: &str = "ghostyq";
pub(super) const LATER_SISTER: &str = "hiddenx";
/// Those of another primary account.
pub(super) const STRANGERS: [(&str, AccountKind); 3] =
    [("rivalq", AccountKind::Seller), ("otherz", AccountKind::Affiliate), ("nomadx", AccountKind::Both)];
/// A nickname that nobody has.
pub(super) const NOBODY: &str = "nobodyq";
/// Every nickname that can show.
pub(super) const EVERYBODY: [&str; 10] =
    ["acmeq", "bluez", "coralx", "deltav", "echojq", SISTER, LATER_SISTER, "rivalq", "otherz", "nomadx"];

const PRIMARY: &str = "primary";
const OTHER_PRIMARY: &str = "elsewhere";
pub(super) const TODAY: Date = date(2026, 11, 20);

pub(super) type Names = BTreeSet<&'static str>;

/// What stands behind a permission, in a grant or in a reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    All,
    These(Names),
}

/// Permissions, and what stands behind them.
pub(super) type Table = BTreeMap<&'static str, Listed>;

pub(super) struct Scene {
    pub(super) seed: u64,
    pub(super) settings: Settings,
    pub(super) declared: Vec<(&'static str, AccountKind)>,
    pub(super) has_sister: bool,
    /// Whether ClickBank is trusted to refuse the receipts of others, where it confines a credential.
    pub(super) trusts_clickbank: bool,
    pub(super) credentials: Vec<(String, Table)>,
    pub(super) callers: Vec<(String, Table)>,
    pub(super) records: Records,
}

impl Scene {
    /// The scene of this seed.
    pub(super) fn of(seed: u64) -> Self {
        let mut random = Random::of(&["scene", &seed.to_string()]);
        let mut names = POOL.to_vec();
        let count = 2 + random.below(4);
        let mut declared = Vec::new();
        for place in 0..count {
            let name = names.remove(random.below(names.len()));
            // At least one sells: All Accounts has to reach somebody with every permission.
            let kinds = [AccountKind::Seller, AccountKind::Both, AccountKind::Affiliate];
            declared.push((name, kinds[random.below(if place == 0 { 2 } else { 3 })]));
        }
        let settings = Settings {
            page_size: NonZeroUsize::new(3).unwrap(),
            empty_list: *random.pick(&[EmptyList::Null, EmptyList::EmptyBody]),
            shared_sale: *random.pick(&[SharedSale::SellerRow, SharedSale::BothRows]),
            ..Settings::new(seed, TODAY)
        };
        let mut scene = Self {
            seed,
            settings,
            declared,
            has_sister: random.percent(50),
            trusts_clickbank: false,
            credentials: Vec::new(),
            callers: Vec::new(),
            records: Records::default(),
        };
        scene.callers = (0..3).map(|number| (format!("caller{number}"), scene.grants(number, &mut random))).collect();
        scene.credentials = scene.make_credentials(&mut random);
        scene.records = scene.grow(&mut random);
        scene
    }

    /// Grants of the first caller are on one nickname, of the second on some, of the third on all of some permissions.
    fn grants(&self, number: usize, random: &mut Random) -> Table {
        let one = Names::from([random.pick(&self.declared).0]);
        match number {
            0 => self.uniform(&Listed::These(one)),
            1 => {
                let some: Names = self.declared.iter().map(|(name, _)| *name).filter(|_| random.percent(60)).collect();
                self.uniform(&Listed::These(if some.is_empty() { one } else { some }))
            }
            _ if random.percent(30) => self.uniform(&Listed::All),
            _ => self.mixed(random),
        }
    }

    fn uniform(&self, listed: &Listed) -> Table {
        let mut table = Table::new();
        for permission in Permission::ALL.map(Permission::name) {
            self.list(&mut table, permission, listed);
        }
        table
    }

    fn mixed(&self, random: &mut Random) -> Table {
        let mut table = Table::new();
        for permission in Permission::ALL.map(Permission::name) {
            let some: Names = self.declared.iter().map(|(name, _)| *name).filter(|_| random.percent(50)).collect();
            match random.below(6) {
                0 | 1 => {}
                2 => self.list(&mut table, permission, &Listed::All),
                _ => self.list(&mut table, permission, &Listed::These(some)),
            }
        }
        table
    }

    /// Puts `listed` behind a permission. Products is for those who sell.
    fn list(&self, table: &mut Table, permission: &'static str, listed: &Listed) {
        let possible = |name: &str| permission != "products" || self.kind(name) != Some(AccountKind::Affiliate);
        match listed {
            Listed::All => drop(table.insert(permission, Listed::All)),
            Listed::These(names) => {
                let names: Names = names.iter().copied().filter(|name| possible(name)).collect();
                if !names.is_empty() {
                    table.insert(permission, Listed::These(names));
                }
            }
        }
    }

    fn make_credentials(&self, random: &mut Random) -> Vec<(String, Table)> {
        let all_declared: Names = self.declared.iter().map(|(name, _)| *name).collect();
        let wide = self.uniform(&if random.percent(60) { Listed::All } else { Listed::These(all_declared) });
        let single = |(name, _): &(&'static str, AccountKind)| self.uniform(&Listed::These(Names::from([*name])));
        let mut tables: Vec<Table> = match random.below(7) {
            0 => self.declared.iter().map(single).collect(),
            1 | 2 => vec![wide],
            3 => self.declared.iter().map(single).chain([wide]).collect(),
            4 => self.callers.iter().map(|(_, table)| table.clone()).collect(),
            5 => {
                let own = self.callers.iter().map(|(_, table)| table.clone());
                own.filter(|_| random.percent(50)).collect::<Vec<_>>().into_iter().chain([wide]).collect()
            }
            _ => (0..=random.below(4)).map(|_| self.mixed(random)).collect(),
        };
        tables.retain(|table| !table.is_empty());
        if tables.is_empty() {
            tables.push(single(&self.declared[0]));
        }
        let last = tables.len() - 1;
        tables.swap(0, random.below(last + 1));
        // Names that sort the other way round than they stand in the file.
        tables.into_iter().enumerate().map(|(number, table)| (format!("credential{}", 9 - number), table)).collect()
    }

    fn grow(&self, random: &mut Random) -> Records {
        let mut records = Records::default();
        for (name, kind) in self.sisters() {
            let partial_refunds = random.percent(50);
            records.accounts.push(Account { partial_refunds, ..Account::new(name, PRIMARY, kind) });
        }
        for (name, kind) in STRANGERS {
            records.accounts.push(Account::new(name, OTHER_PRIMARY, kind));
        }
        let people: People = self.sisters().chain(STRANGERS).collect();
        let mut garden = Garden { seed: self.seed, salt: "", people, random: random.clone(), records };
        garden.grow_catalogue();
        for place in 0..14 + random.below(8) {
            garden.grow_family(place, &[]);
        }
        garden.records
    }

    /// The accounts of the primary account, declared or not.
    pub(super) fn sisters(&self) -> impl Iterator<Item = (&'static str, AccountKind)> {
        let sister = self.has_sister.then_some((SISTER, AccountKind::Both));
        self.declared.iter().copied().chain(sister)
    }

    /// What a declared nickname does.
    pub(super) fn kind(&self, name: &str) -> Option<AccountKind> {
        self.declared.iter().find(|(other, _)| *other == name).map(|(_, kind)| *kind)
    }

    /// The declared nickname that is written so.
    pub(super) fn find(&self, text: &str) -> Option<&'static str> {
        self.declared.iter().map(|(name, _)| *name).find(|name| name.eq_ignore_ascii_case(text))
    }

    /// The nicknames that `table` has all of `permissions` for, undeclared sisters included; with `*` where it means
    /// All Accounts. Read/Write includes Read.
    pub(super) fn scope(&self, table: &Table, permissions: &[String]) -> Names {
        let of = |permission: &str| {
            let mut names = Names::new();
            for (listed_for, listed) in table {
                if *listed_for != permission && (*listed_for, permission) != ("orders_write", "orders_read") {
                    continue;
                }
                match listed {
                    Listed::These(these) => names.extend(these),
                    Listed::All => names.extend(self.sisters().map(|(name, _)| name).chain([LATER_SISTER, "*"])),
                }
            }
            names
        };
        let scopes = permissions.iter().map(|permission| of(permission));
        scopes.reduce(|one, other| one.intersection(&other).copied().collect()).unwrap_or_default()
    }

    /// The nicknames that `table` has any permission for.
    pub(super) fn anywhere(&self, table: &Table) -> Names {
        Permission::ALL.iter().flat_map(|permission| self.scope(table, &[permission.name().to_owned()])).collect()
    }

    /// A world of these records.
    pub(super) fn world(&self, records: Records) -> World {
        World::new(self.settings.clone(), self.spec(records))
    }

    /// Records, and the keys of the credentials, the ideal ones of every caller, and one of everybody's.
    pub(super) fn spec(&self, records: Records) -> WorldSpec {
        let mut keys: Vec<KeySpec> =
            self.credentials.iter().map(|(name, table)| KeySpec::new(name, PRIMARY, reach(table))).collect();
        for (caller, table) in &self.callers {
            let mut ideal = |shrink: Shrink| {
                keys.push(KeySpec::new(&shrink.key_of(caller), PRIMARY, reach(&self.shrunk(table, shrink))));
            };
            ideal(Shrink::Whole);
            ideal(Shrink::Declared);
            self.declared.iter().for_each(|(name, _)| ideal(Shrink::To(name)));
        }
        let sisters = self.sisters().map(|(name, _)| (name, PRIMARY));
        for (name, primary) in sisters.chain(STRANGERS.map(|(name, _)| (name, OTHER_PRIMARY))) {
            let everything = Reach::every_permission(&Nicknames::only([name]));
            keys.push(KeySpec::new(&format!("foe {name}"), primary, everything));
        }
        WorldSpec { records, keys }
    }

    /// `table`, on fewer nicknames.
    fn shrunk(&self, table: &Table, shrink: Shrink) -> Table {
        let keeps = |name: &&'static str| match shrink {
            Shrink::Whole => true,
            Shrink::Declared => self.find(name).is_some(),
            Shrink::To(only) => **name == *only,
        };
        let mut shrunk = Table::new();
        for (permission, listed) in table {
            let listed = match listed {
                Listed::All if shrink == Shrink::Whole => Listed::All,
                Listed::All => Listed::These(self.declared.iter().map(|(name, _)| *name).filter(keeps).collect()),
                Listed::These(names) => Listed::These(names.iter().copied().filter(keeps).collect()),
            };
            shrunk.insert(permission, listed);
        }
        shrunk
    }

    /// Loads the scene's configuration. Credentials are the keys of the same names.
    pub(super) fn configure(&self, world: &World) -> Configured {
        let names = self.credentials.iter().map(|(name, _)| name.as_str());
        Configured::load(&self.gateway_toml(), &self.keys_toml(), names, world)
    }

    pub(super) fn gateway_toml(&self) -> String {
        let mut text = "[upstream]\nurl = \"https://clickbank.test\"\n[limits]\nper_second = 100000\nper_day = \
                        100000000\n[nicknames]\n"
            .to_owned();
        if self.trusts_clickbank {
            text.insert_str(0, "changes = { owner_check = \"trust-clickbank\" }\n");
        }
        for (name, kind) in &self.declared {
            let kind = match kind {
                AccountKind::Seller => "seller",
                AccountKind::Affiliate => "affiliate",
                AccountKind::Both => "both",
            };
            let _ = writeln!(text, "{name} = \"{kind}\"");
        }
        for (name, reach) in &self.credentials {
            let _ = writeln!(
                text,
                "[credentials.{name}]\napi_key = {{ file = \"{name}\" }}\n[credentials.{name}.reach]\n{}",
                lines(reach)
            );
        }
        text
    }

    pub(super) fn keys_toml(&self) -> String {
        self.callers.iter().fold(String::new(), |text, (name, grants)| {
            let digest = KeyDigest::of(key_of(name).as_bytes());
            format!(
                "{text}[keys.{name}]\nid = \"key_{name}\"\nstatus = \"active\"\ndigest = \"{digest}\"\n\
                 [keys.{name}.grants]\n{}",
                lines(grants)
            )
        })
    }
}

/// What is left of a caller's reach for the key that ClickBank would ideally have issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shrink {
    /// All of it.
    Whole,
    /// The declared nicknames, of All Accounts.
    Declared,
    /// One nickname.
    To(&'static str),
}

impl Shrink {
    /// The name of that key in the simulator.
    pub(super) fn key_of(self, caller: &str) -> String {
        match self {
            Self::Whole => format!("ideal {caller}"),
            Self::Declared => format!("ideal {caller} declared"),
            Self::To(name) => format!("ideal {caller} {name}"),
        }
    }
}

/// A caller's key.
pub(super) fn key_of(caller: &str) -> String {
    format!("cbgw_promise{caller}")
}

/// A table as it stands below `reach` and `grants`.
fn lines(table: &Table) -> String {
    table.iter().fold(String::new(), |text, (permission, listed)| match listed {
        Listed::All => format!("{text}{permission} = \"all\"\n"),
        Listed::These(names) => format!("{text}{permission} = {:?}\n", names.iter().collect::<Vec<_>>()),
    })
}

fn reach(table: &Table) -> Reach {
    Permission::ALL.into_iter().fold(Reach::nothing(), |reach, permission| match table.get(permission.name()) {
        None => reach,
        Some(Listed::All) => reach.with(permission, Nicknames::All),
        Some(Listed::These(names)) => reach.with(permission, Nicknames::only(names.iter().copied())),
    })
}
