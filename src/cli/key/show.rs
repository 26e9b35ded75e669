//! `key show`: all about one key.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::config::Secrets;
use crate::domain::nickname::{Nicknames, Scope};
use crate::domain::permission::Permission;
use crate::keys::Note;

use super::super::Context;
use super::super::find;
use super::super::matrix::status;
use super::super::output::{self, OutputFormat, Style, Table, styled};

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
    grants: BTreeMap<&'static str, Granted<'a>>,
}

#[derive(Serialize)]
struct Granted<'a> {
    all_accounts: bool,
    nicknames: Vec<&'a str>,
}

impl Show {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let snapshot = context.load(Secrets::Skip)?.0.snapshot;
        let (policy, now) = (&snapshot.policy, Timestamp::now());
        let (caller, key) = find::key(&snapshot.keys, &self.name)?;
        let scopes = Permission::ALL.map(|permission| (permission, policy.matrix.grant(caller, permission)));
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
            grants: scopes
                .iter()
                .filter(|(_, scope)| !scope.is_empty())
                .map(|(permission, scope)| {
                    let nicknames = policy.nicknames.names(scope.declared());
                    (permission.as_str(), Granted { all_accounts: scope.is_all(), nicknames })
                })
                .collect(),
        };
        if context.output == OutputFormat::Json {
            output::print_json(&shown)?;
            return Ok(true);
        }
        let colour = output::colour();
        let mut facts = Table::without_heading();
        for (label, value) in [
            ("id", Some(shown.id.to_owned())),
            ("status", Some(shown.status.to_owned())),
            ("note", shown.note.map(str::to_owned)),
            ("created", shown.created),
            ("regenerated", shown.regenerated),
            ("overlap", shown.overlap_until.map(|until| format!("the text before counts until {until}"))),
            ("expires", Some(shown.expires.unwrap_or_else(|| "never".to_owned()))),
        ] {
            if let Some(value) = value {
                facts.row([format!("  {label}"), value]);
            }
        }
        let mut text = format!("{}\n{}\n", styled(shown.name, Style::Bold, colour), facts.render(false));
        let mut grants = Table::new(["  API", "NICKNAMES"]);
        for (permission, scope) in scopes.iter().filter(|(_, scope)| !scope.is_empty()) {
            grants.row([format!("  {}", permission.clickbank_name()), granted(scope, &policy.nicknames)]);
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
