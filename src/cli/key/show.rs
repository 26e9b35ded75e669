//! `key show`: all about one key.

use std::collections::BTreeMap;
use std::time::SystemTime;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::config::Secrets;
use crate::domain::nickname::{Nicknames, Scope};
use crate::domain::permission::Permission;
use crate::keys::Note;
use crate::last_use::LastUse;

use super::super::Context;
use super::super::find;
use super::super::matrix::status;
use super::super::output::{self, OutputFormat, Style, Table, styled};
use super::super::unused::{self, day, timestamp};

/// Arguments of `key show`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  clickbank-gateway key show billing\n  clickbank-gateway key show billing --output json"
)]
pub(crate) struct Show {
    /// The key's name or id
    name: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regenerated: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlap_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// None where it was never used, as far as is known.
    last_used: Option<Timestamp>,
    /// From when on it is known what was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    use_known_since: Option<Timestamp>,
    grants: BTreeMap<&'static str, Granted<'a>>,
    /// How much may be changed with it in any hour.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    caps: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Granted<'a> {
    all_accounts: bool,
    nicknames: Vec<&'a str>,
    /// When each was last used, of those that ever were.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<BTreeMap<&'a str, Timestamp>>,
    /// When it was last used about nobody's data.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_about_nobody: Option<Timestamp>,
}

impl Show {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let config = context.load(Secrets::Skip)?.0;
        let snapshot = &config.snapshot;
        let last_use = unused::last_use(&config);
        let (policy, now) = (&snapshot.policy, Timestamp::now());
        let (caller, key) = find::key(&snapshot.keys, &self.name)?;
        let used = last_use.as_ref().ok().map(|last_use| last_use.of(key.id.as_str()));
        let cell = |permission, nickname| timestamp(used.as_ref().and_then(|used| used.of(permission, nickname)));
        let scopes = Permission::ALL.map(|permission| (permission, policy.matrix.grant(caller, permission)));
        let caps = policy.caps.of_key(caller);
        let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let shown = Shown {
            name: key.name.as_str(),
            id: key.id.as_str(),
            status: status(&key, now),
            note: key.note.map(Note::as_str),
            created: text(key.created),
            regenerated: text(key.regenerated),
            overlap_until: text(key.overlap(now)),
            expires: text(key.expires),
            last_used: timestamp(used.as_ref().and_then(|used| used.last)),
            use_known_since: timestamp(last_use.as_ref().ok().map(LastUse::since)),
            caps: caps.iter().map(|cap| (cap.kind.as_str(), cap.limit_text())).collect(),
            grants: scopes
                .iter()
                .filter(|(_, scope)| !scope.is_empty())
                .map(|(permission, scope)| {
                    let nicknames = policy.nicknames.names(scope.declared());
                    let last_used = nicknames.iter().filter_map(|name| Some((*name, cell(*permission, Some(*name))?)));
                    let granted = Granted {
                        all_accounts: scope.is_all(),
                        last_used: used.is_some().then(|| last_used.collect()),
                        last_used_about_nobody: cell(*permission, None),
                        nicknames,
                    };
                    (permission.as_str(), granted)
                })
                .collect(),
        };
        if context.output == OutputFormat::Json {
            output::print_json(&shown)?;
            return Ok(true);
        }
        let colour = output::colour();
        let last_used = match (&last_use, shown.last_used) {
            (_, Some(time)) => time.to_string(),
            (Ok(last_use), None) => format!("never, as far as is known since {}", day(Some(last_use.since()))),
            (Err(error), None) => {
                let reason = format!("{error:#}");
                format!("not known: {}", reason.lines().next().unwrap_or_default())
            }
        };
        let mut facts = Table::without_heading();
        for (label, value) in [
            ("id", Some(shown.id.to_owned())),
            ("status", Some(shown.status.to_owned())),
            ("note", shown.note.map(str::to_owned)),
            ("created", shown.created),
            ("regenerated", shown.regenerated),
            ("overlap", shown.overlap_until.map(|until| format!("the text before counts until {until}"))),
            ("expires", Some(shown.expires.unwrap_or_else(|| "never".to_owned()))),
            ("last used", Some(last_used)),
        ] {
            if let Some(value) = value {
                facts.row([format!("  {label}"), value]);
            }
        }
        for (number, cap) in caps.iter().enumerate() {
            facts.row([if number == 0 { "  caps" } else { "" }.to_owned(), cap.to_string()]);
        }
        let mut text = format!("{}\n{}\n", styled(shown.name, Style::Bold, colour), facts.render(false));
        let mut grants = Table::new(["  API", "NICKNAME", if used.is_some() { "LAST USED" } else { "" }]);
        for (permission, scope) in scopes.iter().filter(|(_, scope)| !scope.is_empty()) {
            let last = |name| cell(*permission, name).map(SystemTime::from);
            let shown = |time| if used.is_some() { day(time) } else { String::new() };
            let names = policy.nicknames.names(scope.declared());
            let mut rows: Vec<(String, Option<SystemTime>)> = Vec::new();
            if scope.is_all() {
                let ever = names.iter().map(|name| last(Some(*name))).chain([last(None)]).max().flatten();
                rows.push(("All Accounts".to_owned(), ever));
                rows.extend(names.iter().filter_map(|name| Some((format!("  {name}"), Some(last(Some(*name))?)))));
            } else {
                rows.extend(names.iter().map(|name| ((*name).to_owned(), last(Some(*name)))));
                rows.extend(last(None).map(|time| ("(nobody's data)".to_owned(), Some(time))));
            }
            for (number, (nickname, time)) in rows.into_iter().enumerate() {
                let api = if number == 0 { format!("  {}", permission.clickbank_name()) } else { String::new() };
                grants.row([api, nickname, shown(time)]);
            }
        }
        if shown.grants.is_empty() {
            text.push_str("  It is granted nothing.\n");
        } else {
            text.push_str(&grants.render(colour));
        }
        output::print(&text)?;
        Ok(true)
    }
}

/// A grant, as people read it.
pub(super) fn granted(scope: &Scope, nicknames: &Nicknames) -> String {
    if scope.is_all() { "All Accounts".to_owned() } else { nicknames.names(scope.declared()).join(", ") }
}
