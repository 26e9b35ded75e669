//! `matrix --unused`: what is granted and has not been used for a while, and the edit that takes it away.
//!
//! A grant that is not used itself can still be what lets a used one pass: ClickBank may offer no credential that reaches
//! just what stays. Where taking it away would have a used cell refused, it is named and left out of the edit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;

use crate::config::{self, Config};
use crate::domain::credential::ScopeByPermission;
use crate::domain::matrix::{CallerId, MatrixBuilder, Policy};
use crate::domain::nickname::{NicknameId, NicknameSet, Nicknames, Scope};
use crate::domain::permission::Permission;
use crate::domain::secret::without_secrets;
use crate::keys::store::{Change, GrantedTo, KeyTexts};
use crate::keys::{Key, KeyName};
use crate::last_use::{KeyUse, LastUse};

use super::compare::listed;
use super::key::unified;
use super::matrix::Filter;
use super::output::{self, OutputFormat, Table};
use super::{Context, shell_word};

/// When keys were last used, as a gateway left it in its state directory. It is at most a minute behind.
pub(super) fn last_use(config: &Config) -> anyhow::Result<LastUse> {
    let state = config.state.as_deref().context(
        "the configuration has no `state`, where that is kept\n  name a directory there, and restart the gateway",
    )?;
    let place = || format!("cannot read it from {}", state.display());
    LastUse::load(state)
        .with_context(place)?
        .with_context(|| format!("no gateway has run yet with {} as its state", state.display()))
}

/// As it is shown to people: the day.
pub(super) fn day(time: Option<SystemTime>) -> String {
    let day = timestamp(time).map(|time| time.to_string());
    day.and_then(|time| time.get(..10).map(str::to_owned)).unwrap_or_else(|| "never".to_owned())
}

pub(super) fn timestamp(time: Option<SystemTime>) -> Option<Timestamp> {
    time.and_then(|time| Timestamp::try_from(time).ok())
}

/// What one grant gives and nobody takes.
#[derive(Serialize)]
struct Unused<'a> {
    key: &'a str,
    key_id: &'a str,
    permission: &'static str,
    api: &'static str,
    /// None for All Accounts, of which only some are used, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    nickname: Option<String>,
    /// Of All Accounts, those that are used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    used_on: Vec<String>,
    last_used: Option<Timestamp>,
}

/// A key whose grants can be cut down to what it uses.
#[derive(Serialize)]
struct Edit<'a> {
    key: &'a str,
    key_id: &'a str,
    command: String,
    #[serde(skip)]
    changes: Vec<Change<'a>>,
}

/// A key of which used cells would be refused without the unused ones.
#[derive(Serialize)]
struct Needed<'a> {
    key: &'a str,
    key_id: &'a str,
    /// Nickname, and what would be refused about it.
    refused: BTreeMap<String, BTreeSet<String>>,
    /// What would be refused where no nickname is named.
    refused_unnamed: BTreeSet<String>,
}

#[derive(Serialize)]
struct Report<'a> {
    unused_for: String,
    known_since: Option<Timestamp>,
    unused: Vec<Unused<'a>>,
    edits: Vec<Edit<'a>>,
    needed: Vec<Needed<'a>>,
    /// Keys that have not been there for so long.
    too_young: Vec<&'a str>,
}

/// What is written as granted to a key, and what would be.
struct Cut {
    before: Vec<(Permission, GrantedTo)>,
    after: Vec<(Permission, GrantedTo)>,
}

/// Prints what was not used; whether there is anything.
pub(super) fn run(
    context: &Context,
    config: &Config,
    filter: &Filter,
    period: &str,
    edit: bool,
) -> anyhow::Result<bool> {
    let duration = config::parse_duration(period).filter(|duration| !duration.is_zero()).with_context(|| {
        format!("`{}` is no duration; write a whole number and a unit, such as 30d", period.escape_debug())
    })?;
    let used = last_use(config).context("what was used is not known")?;
    let now = SystemTime::now();
    let before = now.checked_sub(duration).unwrap_or(SystemTime::UNIX_EPOCH);
    if used.since() > before {
        let known_for = now.duration_since(used.since()).unwrap_or_default();
        anyhow::bail!(
            "what was used is known only since {}, so nothing can be said about the last {period}\n  ask for at most --unused {}",
            day(Some(used.since())),
            whole(known_for)
        );
    }
    // Comments are people's, and they put keys where none belong.
    let text = std::fs::read_to_string(&config.keys_file)
        .with_context(|| format!("cannot read {}", config.keys_file.display()))?;
    let keys = KeyTexts::new(&text);
    let report = report(context, config, filter, &used, (before, period), &keys)?;
    let some = !report.unused.is_empty();
    match context.output {
        _ if edit => {
            let edits =
                report.edits.iter().map(|Edit { key, changes, .. }| Ok((KeyName::parse(key)?, changes.as_slice())));
            let after = keys.edited(edits.collect::<anyhow::Result<Vec<_>>>()?)?;
            config::check_keys(&config.keys_file, &after, &config.snapshot.policy.nicknames)
                .map_err(|findings| anyhow::anyhow!(super::explain(&config.keys_file, &findings)))?;
            output::print_whole(&without_secrets(&unified(&config.keys_file.display().to_string(), &text, &after)))?;
            return Ok(!report.edits.is_empty());
        }
        OutputFormat::Json => output::print_json(&report)?,
        OutputFormat::Csv => output::print(&table(&report, "").csv())?,
        OutputFormat::Markdown => output::print(&table(&report, "").markdown())?,
        OutputFormat::Text => output::print(&report.describe())?,
    }
    Ok(some)
}

/// In whole days, or whole seconds where it is less than one.
fn whole(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds >= 86_400 => format!("{}d", seconds / 86_400),
        seconds => format!("{seconds}s"),
    }
}

fn report<'a>(
    context: &Context,
    config: &'a Config,
    filter: &Filter,
    used: &LastUse,
    (before, period): (SystemTime, &str),
    texts: &KeyTexts<'_>,
) -> anyhow::Result<Report<'a>> {
    let snapshot = &config.snapshot;
    let nicknames = &snapshot.policy.nicknames;
    let mut report = Report {
        unused_for: period.to_owned(),
        known_since: timestamp(Some(used.since())),
        unused: Vec::new(),
        edits: Vec::new(),
        needed: Vec::new(),
        too_young: Vec::new(),
    };
    let mut cuts: Vec<(CallerId, Key<'_>, KeyUse, Cut)> = Vec::new();
    for (caller, key) in snapshot.keys.iter().filter(|(caller, _)| filter.takes_key(*caller)) {
        let is_granted =
            Permission::ALL.iter().any(|permission| !snapshot.policy.matrix.grant(caller, *permission).is_empty());
        if !is_granted {
            continue;
        }
        if key.created.is_some_and(|created| SystemTime::from(created) > before) {
            report.too_young.push(key.name.as_str());
            continue;
        }
        let key_use = used.of(key.id.as_str());
        let recent = Recent { key_use: &key_use, before };
        // What is used of everything that it has: then its tables need not be read.
        let cells = Permission::ALL.iter().all(|permission| {
            let scope = snapshot.policy.matrix.grant(caller, *permission);
            scope.declared().iter().all(|id| recent.is_used(*permission, Some(nicknames.name(id))))
        });
        if cells {
            continue;
        }
        let granted = texts.grants(key.name)?;
        let (unused, cut) = cut(&key, granted, &recent, nicknames, filter);
        if !unused.is_empty() {
            report.unused.extend(unused);
            cuts.push((caller, key, key_use, cut));
        }
    }
    let policy = &snapshot.policy;
    let after = cut_down(policy, &cuts);
    let (passing, left) = {
        let callers = || cuts.iter().map(|(caller, ..)| *caller);
        (policy.passing(callers()), after.passing(callers()))
    };
    for (caller, key, key_use, cut) in cuts {
        let (name, id) = (key.name.as_str(), key.id.as_str());
        let recent = Recent { key_use: &key_use, before };
        let mut refused: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut refused_unnamed: BTreeSet<String> = BTreeSet::new();
        for passes in passing.get(&caller).into_iter().flat_map(|passing| passing.iter()) {
            let still = left.get(&caller).and_then(|left| left.iter().find(|other| other.endpoint == passes.endpoint));
            let Some(endpoint) = policy.catalogue.endpoint(passes.endpoint) else { continue };
            let is_used = |id: &NicknameId| {
                endpoint.permissions.iter().all(|permission| recent.is_used(permission, Some(nicknames.name(*id))))
            };
            let lost = passes.named.difference(&still.map(|still| still.named).unwrap_or_default());
            for nickname in lost.iter().filter(is_used).map(|id| nicknames.name(id)) {
                refused.entry(nickname.to_owned()).or_default().insert(endpoint.name.as_str().to_owned());
            }
            let allowed = policy.matrix.allowed(caller, endpoint.permissions);
            if passes.unnamed
                && !still.is_some_and(|still| still.unnamed)
                && allowed.declared().iter().any(|id| is_used(&id))
            {
                refused_unnamed.insert(endpoint.name.as_str().to_owned());
            }
        }
        if refused.is_empty() && refused_unnamed.is_empty() {
            let changes = cut.changes();
            let command = format!("clickbank-gateway{} key edit {name}{}", config_option(context), cut.arguments());
            report.edits.push(Edit { key: name, key_id: id, command, changes });
        } else {
            report.needed.push(Needed { key: name, key_id: id, refused, refused_unnamed });
        }
    }
    Ok(report)
}

/// The option that has a command read the same configuration.
fn config_option(context: &Context) -> String {
    let word = |file: &Path| format!(" --config {}", shell_word(&file.display().to_string()));
    context.config.as_deref().map(word).unwrap_or_default()
}

/// What of a key was used lately.
struct Recent<'a> {
    key_use: &'a KeyUse,
    before: SystemTime,
}

impl Recent<'_> {
    /// Whoever writes reads, too.
    fn is_used(&self, permission: Permission, nickname: Option<&str>) -> bool {
        let is_used = |permission| self.key_use.of(permission, nickname).is_some_and(|time| time >= self.before);
        is_used(permission) || (permission == Permission::OrdersRead && is_used(Permission::OrdersWrite))
    }

    /// On nobody's data.
    fn is_used_on_nobody(&self, permission: Permission) -> bool {
        self.is_used(permission, None)
    }
}

/// What of a key's grants is not used, and what is left without it.
fn cut<'a>(
    key: &Key<'a>,
    granted: Vec<(Permission, GrantedTo)>,
    recent: &Recent<'_>,
    nicknames: &Nicknames,
    filter: &Filter,
) -> (Vec<Unused<'a>>, Cut) {
    let (mut unused, mut after) = (Vec::new(), Vec::new());
    for (permission, to) in &granted {
        let permission = *permission;
        let line = |nickname: Option<String>, used_on: Vec<String>, last: Option<SystemTime>| Unused {
            key: key.name.as_str(),
            key_id: key.id.as_str(),
            permission: permission.as_str(),
            api: permission.clickbank_name(),
            nickname,
            used_on,
            last_used: timestamp(last),
        };
        let is_asked =
            |nickname: Option<&str>| filter.takes_cell(permission, nickname.and_then(|name| nicknames.find(name)));
        match to {
            GrantedTo::Nicknames(names) => {
                let is_idle = |name: &&String| !recent.is_used(permission, Some(name)) && is_asked(Some(name));
                let mut idle: Vec<&String> = names.iter().filter(is_idle).collect();
                // Whoever asks for nobody's data needs the permission, wherever it is granted.
                if idle.len() == names.len() && recent.is_used_on_nobody(permission) {
                    idle.clear();
                }
                let left: Vec<String> = names.iter().filter(|name| !idle.contains(name)).cloned().collect();
                unused.extend(
                    idle.into_iter()
                        .map(|name| line(Some(name.clone()), Vec::new(), recent.key_use.of(permission, Some(name)))),
                );
                if !left.is_empty() {
                    after.push((permission, GrantedTo::Nicknames(left)));
                }
            }
            GrantedTo::All => {
                let declared = nicknames.iter().map(|(_, nickname, _)| nickname.as_str());
                let (used, idle): (Vec<&str>, Vec<&str>) =
                    declared.partition(|name| recent.is_used(permission, Some(name)));
                let stays =
                    idle.is_empty() || !is_asked(None) || (used.is_empty() && recent.is_used_on_nobody(permission));
                let used: Vec<String> = used.into_iter().map(str::to_owned).collect();
                if stays {
                    after.push((permission, GrantedTo::All));
                } else {
                    let last = idle.iter().filter_map(|name| recent.key_use.of(permission, Some(name))).max();
                    unused.push(line(None, used.clone(), last));
                    if !used.is_empty() {
                        after.push((permission, GrantedTo::Nicknames(used)));
                    }
                }
            }
        }
    }
    keep_reading(&granted, &mut after, recent, nicknames);
    (unused, Cut { before: granted, after })
}

/// *Read/Write* includes *Read*. Where only the latter is used, it is what stays.
fn keep_reading(
    before: &[(Permission, GrantedTo)],
    after: &mut Vec<(Permission, GrantedTo)>,
    recent: &Recent<'_>,
    nicknames: &Nicknames,
) {
    const READ: Permission = Permission::OrdersRead;
    let names = |grants: &[(Permission, GrantedTo)], permission: Permission| match of(grants, permission) {
        Some(GrantedTo::All) => nicknames.iter().map(|(_, name, _)| name.as_str().to_owned()).collect(),
        Some(GrantedTo::Nicknames(names)) => names.clone(),
        None => Vec::new(),
    };
    let gone = names(before, Permission::OrdersWrite);
    let has = [names(after, Permission::OrdersWrite), names(after, READ)].concat();
    let read: Vec<String> =
        gone.into_iter().filter(|name| !has.contains(name) && recent.is_used(READ, Some(name))).collect();
    if read.is_empty() {
        return;
    }
    let mut together = match of(after, READ) {
        Some(GrantedTo::Nicknames(names)) => names.clone(),
        _ => Vec::new(),
    };
    together.extend(read);
    after.retain(|(permission, _)| *permission != READ);
    after.push((READ, GrantedTo::Nicknames(together)));
}

fn of(grants: &[(Permission, GrantedTo)], permission: Permission) -> Option<&GrantedTo> {
    grants.iter().find(|(other, _)| *other == permission).map(|(_, to)| to)
}

/// The policy with these keys cut down.
fn cut_down(policy: &Policy, cuts: &[(CallerId, Key<'_>, KeyUse, Cut)]) -> Policy {
    let mut matrix = MatrixBuilder::default();
    let mut cuts = cuts.iter().peekable();
    for caller in policy.matrix.callers() {
        let mut row = ScopeByPermission::default();
        match cuts.next_if(|(other, ..)| *other == caller) {
            Some((.., cut)) => {
                for (permission, to) in &cut.after {
                    row.add(*permission, &scope(to, &policy.nicknames));
                }
            }
            None => {
                for permission in Permission::ALL {
                    row.add(permission, &policy.matrix.grant(caller, permission));
                }
            }
        }
        matrix.push(&row);
    }
    Policy { matrix: matrix.build(), ..policy.clone() }
}

fn scope(to: &GrantedTo, nicknames: &Nicknames) -> Scope {
    match to {
        GrantedTo::All => Scope::all(nicknames.iter().map(|(id, ..)| id).collect()),
        GrantedTo::Nicknames(names) => {
            let ids: Vec<NicknameId> = names.iter().filter_map(|name| nicknames.find(name)).collect();
            Scope::only(ids.into_iter().collect::<NicknameSet>())
        }
    }
}

impl Cut {
    fn changes(&self) -> Vec<Change<'static>> {
        let pairs =
            Permission::ALL.map(|permission| (permission, of(&self.before, permission), of(&self.after, permission)));
        let changed = pairs.into_iter().filter(|(_, before, after)| before != after);
        changed.map(|(permission, _, after)| Change::Grant(permission, after.cloned())).collect()
    }

    /// The same as arguments of `key edit`.
    fn arguments(&self) -> String {
        let (mut revoked, mut granted) = (String::new(), String::new());
        for permission in Permission::ALL {
            match (of(&self.before, permission), of(&self.after, permission)) {
                (before, after) if before == after => {}
                (Some(_), None) => revoked.push_str(&format!(" --revoke {permission}")),
                (Some(GrantedTo::Nicknames(before)), Some(GrantedTo::Nicknames(after))) => {
                    let gone = left_out(before, after);
                    if !gone.is_empty() {
                        revoked.push_str(&format!(" --revoke {permission}={gone}"));
                    }
                    let new = left_out(after, before);
                    if !new.is_empty() {
                        granted.push_str(&format!(" --grant {permission}={new}"));
                    }
                }
                (before, Some(after)) => {
                    if before.is_some() {
                        revoked.push_str(&format!(" --revoke {permission}"));
                    }
                    granted.push_str(&format!(" --grant {permission}={}", after.to_string().replace(", ", ",")));
                }
                (None, None) => {}
            }
        }
        revoked + &granted
    }
}

/// Those of the first that are not of the second.
fn left_out(names: &[String], without: &[String]) -> String {
    let names: Vec<&str> = names.iter().filter(|name| !without.contains(name)).map(String::as_str).collect();
    names.join(",")
}

fn table(report: &Report<'_>, indent: &str) -> Table {
    let mut table = Table::new([&format!("{indent}KEY"), "NICKNAME", "API", "LAST USED"]);
    for unused in &report.unused {
        let nickname = match (&unused.nickname, unused.used_on.is_empty()) {
            (Some(nickname), _) => nickname.clone(),
            (None, true) => "All Accounts".to_owned(),
            (None, false) => format!("All Accounts but {}", unused.used_on.join(", ")),
        };
        let last = unused.last_used.map(SystemTime::from);
        table.row([format!("{indent}{}", unused.key), nickname, unused.api.to_owned(), day(last)]);
    }
    table
}

impl Report<'_> {
    fn describe(&self) -> String {
        let since = day(self.known_since.map(SystemTime::from));
        let period = &self.unused_for;
        let mut text = if self.unused.is_empty() {
            format!("all that is granted was used within {period}\n")
        } else {
            format!(
                "granted, and not used for {period} (known since {since}):\n\n{}",
                table(self, "  ").render(output::colour())
            )
        };
        if !self.edits.is_empty() {
            text.push_str("\nto take it away, where a grant is not newer than that:\n\n");
            for edit in &self.edits {
                text.push_str(&format!("  {}\n", edit.command));
            }
        }
        for Needed { key, refused, refused_unnamed, .. } in &self.needed {
            text.push_str(&format!(
                "\n{key} still needs it, since no credential reaches just what it uses. These would be refused:\n"
            ));
            for (nickname, endpoints) in refused {
                text.push_str(&format!("  about {nickname}: {}\n", listed(endpoints)));
            }
            if !refused_unnamed.is_empty() {
                text.push_str(&format!("  with no nickname named: {}\n", listed(refused_unnamed)));
            }
        }
        if !self.too_young.is_empty() {
            text.push_str(&format!("\nmade within {period}, and left out: {}\n", self.too_young.join(", ")));
        }
        text
    }
}
