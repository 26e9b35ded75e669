//! `matrix`: who may do what, as ClickBank's Quick View shows it for its own keys, in ClickBank's own words.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::config::Secrets;
use crate::domain::matrix::CallerId;
use crate::domain::nickname::NicknameId;
use crate::domain::permission::Permission;
use crate::keys::{Key, Status};
use crate::snapshot::Snapshot;

use super::Context;
use super::find;
use super::output::{self, OutputFormat, Table};

/// Arguments of `matrix`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  clickbank-gateway matrix\n  clickbank-gateway matrix --key billing\n  \
                        clickbank-gateway matrix --nickname acme --permission orders_write   # who can refund on acme?")]
pub(crate) struct MatrixCommand {
    /// Only this key
    #[arg(long)]
    key: Option<String>,
    /// Only this nickname
    #[arg(long)]
    nickname: Option<String>,
    /// Only keys and nicknames with this permission
    #[arg(long, value_name = "PERMISSION")]
    permission: Option<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    key: &'a str,
    key_id: &'a str,
    status: &'static str,
    nickname: &'a str,
    permissions: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    permission: &'static str,
    api: &'static str,
    all_accounts: bool,
}

impl MatrixCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let snapshot = context.load(Secrets::Skip)?.0.snapshot;
        let filter = Filter::new(&self, &snapshot)?;
        let lines = filter.lines(&snapshot);
        if context.output == OutputFormat::Json {
            output::print_json(&lines)?;
            return Ok(!lines.is_empty());
        }
        if lines.is_empty() {
            output::complain(&match &self {
                Self { key: Some(key), nickname: None, permission: None } => format!("`{key}` is granted nothing"),
                _ => "no key is granted that".to_owned(),
            });
            return Ok(false);
        }
        let names = Permission::ALL.map(Permission::clickbank_name);
        let [analytics, products, read, write, subscriptions] = names;
        let mut table = Table::new(["KEY", "STATUS", "NICKNAME", analytics, products, read, write, subscriptions]);
        for line in &lines {
            let [analytics, products, read, write, subscriptions] = Permission::ALL.map(|permission| {
                match line.permissions.iter().find(|cell| cell.permission == permission.as_str()) {
                    None => "-".to_owned(),
                    Some(cell) if cell.all_accounts => "All Accounts".to_owned(),
                    Some(_) => "yes".to_owned(),
                }
            });
            let (key, status, nickname) = (line.key.to_owned(), line.status.to_owned(), line.nickname.to_owned());
            table.row([key, status, nickname, analytics, products, read, write, subscriptions]);
        }
        output::print(&table.render(output::colour()))?;
        Ok(true)
    }
}

struct Filter {
    key: Option<CallerId>,
    nickname: Option<NicknameId>,
    permission: Option<Permission>,
}

impl Filter {
    fn new(command: &MatrixCommand, snapshot: &Snapshot) -> anyhow::Result<Self> {
        let key = command.key.as_ref().map(|name| find::key(&snapshot.keys, name).map(|(caller, _)| caller));
        let nickname = command.nickname.as_ref().map(|name| find::nickname(&snapshot.policy.nicknames, name));
        let permission = command.permission.as_ref().map(|name| find::permission(name));
        Ok(Self { key: key.transpose()?, nickname: nickname.transpose()?, permission: permission.transpose()? })
    }

    fn lines<'a>(&self, snapshot: &'a Snapshot) -> Vec<Line<'a>> {
        let policy = &snapshot.policy;
        let keys = snapshot.keys.iter().filter(|(caller, _)| self.key.is_none_or(|key| key == *caller));
        let mut lines = Vec::new();
        for (caller, key) in keys {
            let nicknames = policy.nicknames.iter().filter(|(id, ..)| self.nickname.is_none_or(|only| only == *id));
            for (id, nickname, _) in nicknames {
                let granted = Permission::ALL.into_iter().filter_map(|permission| {
                    let scope = policy.matrix.grant(caller, permission);
                    scope.declared().contains(id).then(|| (permission, scope.is_all()))
                });
                let granted: Vec<_> = granted.collect();
                let wanted =
                    self.permission.is_none_or(|only| granted.iter().any(|(permission, _)| *permission == only));
                if granted.is_empty() || !wanted {
                    continue;
                }
                lines.push(Line {
                    key: key.name.as_str(),
                    key_id: &key.id,
                    status: status(key, Timestamp::now()),
                    nickname: nickname.as_str(),
                    permissions: granted
                        .into_iter()
                        .map(|(permission, all_accounts)| Cell {
                            permission: permission.as_str(),
                            api: permission.clickbank_name(),
                            all_accounts,
                        })
                        .collect(),
                });
            }
        }
        lines
    }
}

/// *Active* or *Inactive*, as ClickBank says it, or *Expired*, which ClickBank does not know.
pub(super) fn status(key: &Key, now: Timestamp) -> &'static str {
    match key.status {
        Status::Inactive => "Inactive",
        Status::Active if key.expires.is_some_and(|expires| expires <= now) => "Expired",
        Status::Active => "Active",
    }
}
