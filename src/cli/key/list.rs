//! `key list`.

use jiff::Timestamp;
use serde::Serialize;

use crate::config::Secrets;
use crate::domain::permission::Permission;
use crate::keys::{Note, expiry};

use super::super::Context;
use super::super::matrix::status;
use super::super::output::{self, OutputFormat, Table};

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    overlapping: bool,
    /// Within a week.
    expiring: bool,
    permissions: Vec<&'static str>,
}

pub(super) fn list(context: &Context) -> anyhow::Result<bool> {
    let snapshot = context.load(Secrets::Skip)?.0.snapshot;
    let now = Timestamp::now();
    let listed: Vec<Listed<'_>> = snapshot
        .keys
        .iter()
        .map(|(caller, key)| Listed {
            name: key.name.as_str(),
            id: key.id.as_str(),
            status: status(&key, now),
            note: key.note.map(Note::as_str),
            created: key.created.map(|time| time.to_string()),
            expires: key.expires.map(|time| time.to_string()),
            overlapping: key.overlap(now).is_some(),
            expiring: expiry::is_near(&key, now),
            permissions: Permission::ALL
                .into_iter()
                .filter(|permission| !snapshot.policy.matrix.grant(caller, *permission).is_empty())
                .map(Permission::as_str)
                .collect(),
        })
        .collect();
    if context.output == OutputFormat::Json {
        output::print_json(&listed)?;
        return Ok(true);
    }
    if listed.is_empty() {
        output::complain("there are no keys; `clickbank-gateway key create NAME --grant …` makes one");
        return Ok(true);
    }
    let mut table = Table::new(["NAME", "ID", "STATUS", "CREATED", "EXPIRES", "PERMISSIONS"]);
    for key in &listed {
        let day = |time: &Option<String>| time.as_deref().and_then(|time| time.get(..10)).unwrap_or("-").to_owned();
        let permissions = if key.permissions.is_empty() { "-".to_owned() } else { key.permissions.join(" ") };
        let more: Vec<&str> = [(key.overlapping, "overlap"), (key.expiring, "expiring")]
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, word)| *word)
            .collect();
        let status =
            if more.is_empty() { key.status.to_owned() } else { format!("{} ({})", key.status, more.join(", ")) };
        let name = key.name.to_owned();
        table.row([name, key.id.to_owned(), status, day(&key.created), day(&key.expires), permissions]);
    }
    output::print(&table.render(output::colour()))?;
    Ok(true)
}
