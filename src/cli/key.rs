//! `key`: creates and lists keys.

use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::config::{self, Secrets};
use crate::domain::nickname::{NicknameKind, Nicknames};
use crate::domain::permission::Permission;
use crate::domain::secret::without_secrets;
use crate::keys::store::{GrantedTo, KeyFile, NewKey, StoreError};
use crate::keys::{Key, KeyName, issue};

use super::find;
use super::matrix::status;
use super::output::{self, OutputFormat, Style, Table, styled};
use super::{Context, explain};

/// `key create` and `key list`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key and show it, once
    Create(Create),
    /// List the keys
    List,
}

/// Arguments of `key create`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  clickbank-gateway key create billing --grant orders_read=acme,acmeaff --grant analytics=all\n  \
                        clickbank-gateway key create importer --grant products=acme --expires-in 365d\n\n\
                        Permissions: analytics, products, orders_read, orders_write (includes orders_read), subscription_modification.\n\
                        The key is shown once; only its digest is stored."
)]
pub(crate) struct Create {
    /// What to call it: letters, digits, `.`, `-` and `_`
    name: String,
    /// What it may do, on which nicknames: PERMISSION=NICKNAME[,NICKNAME…] or PERMISSION=all
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<String>,
    /// From when on it counts no more: a date (midnight UTC) or a date-time such as 2027-11-22T13:00:00Z
    #[arg(long, value_name = "WHEN", conflicts_with = "expires_in")]
    expires: Option<String>,
    /// For how long it counts, such as 90d or 24h
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<String>,
}

impl KeyCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        match self {
            Self::Create(create) => create.run(context),
            Self::List => list(context),
        }
    }
}

#[derive(Serialize)]
struct Created<'a> {
    name: &'a str,
    id: &'a str,
    key: &'a str,
    keys_file: PathBuf,
}

impl Create {
    fn run(self, context: &Context) -> anyhow::Result<bool> {
        let now = Timestamp::now();
        let name = KeyName::parse(&self.name)
            .with_context(|| format!("`{}` was not created", without_secrets(&self.name).escape_debug()))?;
        let grants = parse_grants(&self.grants)?;
        let expires = self.expiry(now)?;
        let (loaded, _) = context.load(Secrets::Skip)?;
        check_grants(&grants, &loaded.snapshot.policy.nicknames)?;
        let mut file = KeyFile::open(&loaded.keys_file).map_err(with_mend)?;
        let (key, id) = (issue::new_key()?, issue::new_id()?);
        file.add(&NewKey { id: &id, name: &name, created: now, expires, digest: key.digest(), grants: &grants })?;
        config::check_keys(&loaded.keys_file, &file.text(), &loaded.snapshot.policy.nicknames).map_err(|findings| {
            anyhow::anyhow!("the key was not created\n{}", explain(&loaded.keys_file, &findings))
        })?;
        file.save().map_err(with_mend)?;
        let lost =
            || format!("{name} was created, but its key could not be shown; remove [keys.{name}] and create another");
        if context.output == OutputFormat::Json {
            let created =
                Created { name: name.as_str(), id: &id, key: key.expose_once(), keys_file: loaded.keys_file.clone() };
            output::print_json_whole(&created).with_context(lost)?;
        } else {
            let colour = output::colour();
            output::print_whole(&format!(
                "created {name} ({id}) in {file}\n\n    {key}\n\n\
             This is the only time that the key is shown. A running gateway knows it after a restart.\n",
                name = styled(name.as_str(), Style::Bold, colour),
                file = loaded.keys_file.display(),
                key = styled(key.expose_once(), Style::Good, colour),
            ))
            .with_context(lost)?;
        }
        if grants.is_empty() {
            output::complain("note: it may do nothing yet, since no --grant was given");
        }
        Ok(true)
    }

    fn expiry(&self, now: Timestamp) -> anyhow::Result<Option<Timestamp>> {
        let expires = match (&self.expires, &self.expires_in) {
            (Some(text), _) => {
                let midnight = |date: Date| date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
                let parsed = text.parse::<Timestamp>().ok().or_else(|| text.parse::<Date>().ok().and_then(midnight));
                parsed.with_context(|| {
                    format!("`{}` is no date; write 2027-11-22 or 2027-11-22T13:00:00Z", text.escape_debug())
                })?
            }
            (None, Some(text)) => {
                let duration = config::parse_duration(text).with_context(|| {
                    format!(
                        "`{}` is no duration; write a whole number and a unit, such as 90d or 24h",
                        text.escape_debug()
                    )
                })?;
                now.checked_add(duration).context("the key would expire too far in the future")?
            }
            (None, None) => return Ok(None),
        };
        anyhow::ensure!(expires > now, "the key would have expired already; give a time in the future");
        Ok(Some(expires))
    }
}

/// Says what the whole file's check would say too, but about the arguments and not about lines that nobody has written.
fn check_grants(grants: &[(Permission, GrantedTo)], nicknames: &Nicknames) -> anyhow::Result<()> {
    for (permission, granted_to) in grants {
        let GrantedTo::Nicknames(names) = granted_to else { continue };
        for (position, name) in names.iter().enumerate() {
            anyhow::ensure!(name != "all", "`all` stands alone: for All Accounts, write {permission}=all");
            let id = find::nickname(nicknames, name)?;
            anyhow::ensure!(
                *permission != Permission::Products || nicknames.kind(id).is_some_and(NicknameKind::sells),
                "`{name}` is an affiliate, and {permission} is for sellers only"
            );
            anyhow::ensure!(
                !names.iter().take(position).any(|other| other == name),
                "{permission} names `{name}` twice"
            );
        }
    }
    Ok(())
}

/// What to do about a key file that cannot be written.
fn with_mend(error: StoreError) -> anyhow::Error {
    let read_only = matches!(
        &error,
        StoreError::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
    );
    let error = anyhow::Error::new(error);
    if read_only {
        anyhow::anyhow!(
            "{error:#}\n  run this where the key file is kept, such as a checkout, and deploy it from there"
        )
    } else {
        error
    }
}

/// Reads `--grant` arguments.
fn parse_grants(arguments: &[String]) -> anyhow::Result<Vec<(Permission, GrantedTo)>> {
    let mut grants: Vec<(Permission, GrantedTo)> = Vec::new();
    for argument in arguments {
        let form = "write PERMISSION=NICKNAME,NICKNAME or PERMISSION=all, such as orders_read=acme";
        let (permission, nicknames) =
            argument.split_once('=').with_context(|| format!("`{}` is no grant; {form}", argument.escape_debug()))?;
        let permission = find::permission(permission)?;
        anyhow::ensure!(
            grants.iter().all(|(other, _)| *other != permission),
            "{permission} is granted twice; name all its nicknames in one --grant"
        );
        let granted_to = match nicknames {
            "all" => GrantedTo::All,
            _ => GrantedTo::Nicknames(nicknames.split(',').map(|name| name.trim().to_ascii_lowercase()).collect()),
        };
        let empty = matches!(&granted_to, GrantedTo::Nicknames(names) if names.iter().any(String::is_empty));
        anyhow::ensure!(!empty, "`{}` names no nickname; {form}", argument.escape_debug());
        grants.push((permission, granted_to));
    }
    Ok(grants)
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    overlapping: bool,
    permissions: Vec<&'static str>,
}

fn list(context: &Context) -> anyhow::Result<bool> {
    let snapshot = context.load(Secrets::Skip)?.0.snapshot;
    let now = Timestamp::now();
    let listed: Vec<Listed<'_>> = snapshot
        .keys
        .iter()
        .map(|(caller, key): (_, &Key)| Listed {
            name: key.name.as_str(),
            id: &key.id,
            status: status(key, now),
            created: key.created.map(|time| time.to_string()),
            expires: key.expires.map(|time| time.to_string()),
            overlapping: key.previous.as_ref().is_some_and(|previous| previous.until > now),
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
        let status = if key.overlapping { format!("{} (overlap)", key.status) } else { key.status.to_owned() };
        let name = key.name.to_owned();
        table.row([name, key.id.to_owned(), status, day(&key.created), day(&key.expires), permissions]);
    }
    output::print(&table.render(output::colour()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_read_as_they_are_written_and_slips_are_told() {
        let parse =
            |arguments: &[&str]| parse_grants(&arguments.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            parse(&["analytics=all", "orders_read=Acme, acmeaff"]).unwrap(),
            [
                (Permission::Analytics, GrantedTo::All),
                (Permission::OrdersRead, GrantedTo::Nicknames(vec!["acme".into(), "acmeaff".into()])),
            ]
        );
        for wrong in [
            &["analytics"][..],
            &["analytics="],
            &["analytics=a,,b"],
            &["orders=acme"],
            &["analytics=a", "analytics=b"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
