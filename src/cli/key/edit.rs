//! `key edit`: changes a key's name, grants, caps, end and note, all in one writing.

use clap::Args;
use jiff::Timestamp;

use crate::config::did_you_mean;
use crate::domain::caps::{Cap, CapKind};
use crate::domain::permission::Permission;
use crate::domain::secret::without_secrets;
use crate::keys::store::{Change, GrantedTo};
use crate::keys::{Key, KeyName, Previous};

use super::super::Context;
use super::super::find;
use super::arguments::{self, Expiry, to_second};
use super::change::{Done, Field, Opened, nothing_to_do};

/// Arguments of `key edit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  clickbank-gateway key edit billing --grant orders_read=zenith    # beside what it has\n  \
                        clickbank-gateway key edit billing --revoke orders_read=acme\n  \
                        clickbank-gateway key edit billing --revoke analytics --grant analytics=acme    # narrower\n  \
                        clickbank-gateway key edit billing --name billing-eu --expires-in 90d\n  \
                        clickbank-gateway key edit support --cap refunds_per_hour=20 --no-cap changes_per_hour\n\n\
                        What is revoked goes before what is granted comes. All changes are made together, or none."
)]
pub(crate) struct Edit {
    /// The key's name or id
    name: String,
    /// Another name; the id stays
    #[arg(long = "name", value_name = "NAME")]
    new_name: Option<String>,
    /// What it may do besides: PERMISSION=NICKNAME[,NICKNAME…] or PERMISSION=all
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<String>,
    /// What it may do no more: PERMISSION, or PERMISSION=NICKNAME[,NICKNAME…]
    #[arg(long = "revoke", value_name = "GRANT")]
    revocations: Vec<String>,
    #[arg(
        long = "cap",
        value_name = "CAP",
        help = "How much may be changed with it in any hour: CAP=LIMIT, such as refunds_per_hour=10"
    )]
    caps: Vec<String>,
    #[arg(long = "no-cap", value_name = "CAP", help = "A cap that it has no more, such as refunds_per_hour")]
    lifted: Vec<String>,
    #[command(flatten)]
    expiry: Expiry,
    /// It counts until it is deleted
    #[arg(long, conflicts_with_all = ["expires", "expires_in"])]
    no_expiry: bool,
    /// A line about it, such as whose it is
    #[arg(long, value_name = "TEXT", conflicts_with = "no_note")]
    note: Option<String>,
    /// Remove the line about it
    #[arg(long)]
    no_note: bool,
}

impl Edit {
    fn asks_for_something(&self) -> bool {
        let named = [&self.new_name, &self.note].into_iter().any(Option::is_some);
        named
            || self.expiry.is_given()
            || self.no_expiry
            || self.no_note
            || !self.grants.is_empty()
            || !self.revocations.is_empty()
            || !self.caps.is_empty()
            || !self.lifted.is_empty()
    }
}

type Grants = Vec<(Permission, GrantedTo)>;

impl Edit {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<bool> {
        anyhow::ensure!(
            self.asks_for_something(),
            "nothing is to be changed; give --name, --grant, --revoke, --cap, --no-cap, --expires, --expires-in, --no-expiry, \
             --note or --no-note"
        );
        let now = to_second(Timestamp::now());
        let new_name = self.new_name.as_deref().map(|name| arguments::name(name, "taken as a name")).transpose()?;
        let granted = arguments::grants(&self.grants)?;
        let revoked = arguments::revocations(&self.revocations)?;
        let caps = arguments::caps(&self.caps)?;
        let lifted = arguments::lifted(&self.lifted, &caps)?;
        let expires = self.expiry.read(now)?;
        let note = self.note.as_deref().map(arguments::note).transpose()?;
        let Opened { config, mut file } = Opened::new(context)?;
        let keys = &config.snapshot.keys;
        let (caller, key) = find::key(keys, &self.name)?;
        arguments::check_grants(&granted, &config.snapshot.policy.nicknames)?;

        let (mut changes, mut fields, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(new) = new_name.filter(|new| *new != key.name) {
            changes.push(Change::Name(new));
            fields.push(Field::new("name", Some(key.name), Some(new), ""));
        }
        if (expires.is_some() || self.no_expiry) && expires != key.expires {
            changes.push(Change::Expires(expires));
            fields.push(Field::new("expires", key.expires, expires, "never"));
            if key.is_expired(now) {
                notes.push("it had expired, and counts again if it is Active".to_owned());
            }
            if let (Some(previous), Some(expires)) =
                (key.previous.filter(|previous| Some(previous.until) > expires), expires)
            {
                changes.push(Change::Previous(Some(Previous { until: expires, ..previous })));
                fields.push(Field::new("previous.until", Some(previous.until), Some(expires), ""));
            }
        }
        if (note.is_some() || self.no_note) && note != key.note {
            let text = |note: Option<crate::keys::Note<'_>>| note.map(|note| note.as_str().to_owned());
            changes.push(Change::Note(note));
            fields.push(Field::new("note", text(key.note), text(note), "none"));
        }
        if !granted.is_empty() || !revoked.is_empty() {
            let before = file.grants(key.name)?;
            let after = regrant(&key, &before, &revoked, &granted)?;
            for permission in Permission::ALL {
                let (old, new) = (of(&before, permission), of(&after, permission));
                if old != new {
                    changes.push(Change::Grant(permission, new.cloned()));
                    fields.push(Field::new(permission.as_str(), old, new, "nothing"));
                }
            }
        }
        let before = config.snapshot.policy.caps.of_key(caller);
        for kind in CapKind::ALL {
            let (old, cap) = (before.limit(kind), caps.iter().find(|cap| cap.kind == kind));
            let new = if lifted.contains(&kind) { None } else { cap.map(|cap| cap.limit).or(old) };
            if lifted.contains(&kind) && old.is_none() {
                anyhow::bail!(
                    "`{}` has no cap {kind}; `clickbank-gateway key show {}` shows what it has",
                    key.name,
                    key.name
                );
            }
            if old != new {
                changes.push(Change::Cap(kind, new));
                let text = |limit: Option<u64>| limit.map(|limit| Cap { kind, limit }.limit_text());
                fields.push(Field::new(kind.as_str(), text(old), text(new), "no cap"));
            }
        }
        if changes.is_empty() {
            return nothing_to_do(key.name.as_str(), key.id.as_str(), &config, "has all that", context.output);
        }
        file.edit(key.name, &changes)?;
        let name = new_name.map_or(key.name.as_str(), KeyName::as_str);
        Done { verb: "changed", name, id: key.id.as_str(), is_new: false, fields, key: None, notes }.write(
            &config,
            &file,
            context.output,
        )
    }
}

fn of(grants: &[(Permission, GrantedTo)], permission: Permission) -> Option<&GrantedTo> {
    grants.iter().find(|(other, _)| *other == permission).map(|(_, to)| to)
}

/// What is granted after these revocations and grants.
fn regrant(
    key: &Key<'_>,
    before: &[(Permission, GrantedTo)],
    revoked: &[(Permission, Option<GrantedTo>)],
    granted: &[(Permission, GrantedTo)],
) -> anyhow::Result<Grants> {
    let mut grants = before.to_vec();
    for (permission, what) in revoked {
        let left = left_over(key, &grants, *permission, what.as_ref())?;
        grants.retain(|(other, _)| other != permission);
        grants.extend(left.map(|left| (*permission, left)));
    }
    for (permission, new) in granted {
        let together = match (of(&grants, *permission), new) {
            (Some(GrantedTo::All), GrantedTo::Nicknames(_)) => anyhow::bail!(
                "{permission} is granted to `{}` on All Accounts already, which includes {new}\n  to narrow it, revoke it in \
                 the same command: --revoke {permission} --grant {permission}={}",
                key.name,
                new.to_string().replace(", ", ",")
            ),
            (Some(GrantedTo::Nicknames(old)), GrantedTo::Nicknames(new)) => {
                let added = new.iter().filter(|name| !old.contains(name));
                GrantedTo::Nicknames(old.iter().chain(added).cloned().collect())
            }
            _ => new.clone(),
        };
        grants.retain(|(other, _)| other != permission);
        grants.push((*permission, together));
    }
    Ok(grants)
}

/// What is left of a permission after a revocation. What is not granted cannot be revoked: it would pass for done.
fn left_over(
    key: &Key<'_>,
    grants: &[(Permission, GrantedTo)],
    permission: Permission,
    what: Option<&GrantedTo>,
) -> anyhow::Result<Option<GrantedTo>> {
    let name = key.name;
    match (of(grants, permission), what) {
        (None, _) if permission == Permission::OrdersRead && of(grants, Permission::OrdersWrite).is_some() => {
            anyhow::bail!("orders_read is not granted to `{name}` by itself: it comes with orders_write; revoke that")
        }
        (None, _) => {
            anyhow::bail!("{permission} is not granted to `{name}`; `clickbank-gateway key show {name}` shows what is")
        }
        (Some(_), None) | (Some(GrantedTo::All), Some(GrantedTo::All)) => Ok(None),
        (Some(GrantedTo::All), Some(GrantedTo::Nicknames(_))) => anyhow::bail!(
            "{permission} is granted to `{name}` on All Accounts, and of those none can be left out\n  to narrow it, say what \
             stays: --revoke {permission} --grant {permission}=NICKNAME,…"
        ),
        (Some(old @ GrantedTo::Nicknames(_)), Some(GrantedTo::All)) => anyhow::bail!(
            "{permission} is granted to `{name}` on {old}, and not on All Accounts; to revoke it there, write --revoke \
             {permission}"
        ),
        (Some(GrantedTo::Nicknames(old)), Some(GrantedTo::Nicknames(gone))) => {
            if let Some(stranger) = gone.iter().find(|nickname| !old.contains(nickname)) {
                let mend = did_you_mean(stranger, old.iter().map(String::as_str))
                    .map_or_else(|| format!("only on {}", old.join(", ")), |meant| format!("did you mean `{meant}`?"));
                anyhow::bail!(
                    "{permission} is not granted to `{name}` on `{}`; {mend}",
                    without_secrets(stranger).escape_debug()
                );
            }
            let left: Vec<String> = old.iter().filter(|nickname| !gone.contains(nickname)).cloned().collect();
            Ok(Some(left).filter(|left| !left.is_empty()).map(GrantedTo::Nicknames))
        }
    }
}
