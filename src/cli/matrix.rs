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
use super::unused;

/// Arguments of `matrix`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  clickbank-gateway matrix\n  clickbank-gateway matrix --key billing\n  \
                        clickbank-gateway matrix --nickname acme --permission orders_write   # who can refund on acme?\n  \
                        clickbank-gateway matrix --unused 30d   # what could be taken away?\n  \
                        clickbank-gateway matrix --output csv > matrix.csv\n\n\
                        Exit codes: 0 there is something to show, 1 there is nothing, 2 could not answer.")]
pub(crate) struct MatrixCommand {
    /// Only this key, by name or id
    #[arg(long)]
    key: Option<String>,
    /// Only this nickname
    #[arg(long)]
    nickname: Option<String>,
    /// Only keys and nicknames with this permission; together with --nickname, who has it there
    #[arg(long, value_name = "PERMISSION")]
    permission: Option<String>,
    /// Only what has not been used for so long, such as 30d, and the commands that take it away
    #[arg(long, value_name = "DURATION")]
    unused: Option<String>,
    /// In place of that, the edit of the key file, for `patch -p0` or `git apply -p0`
    #[arg(long, requires = "unused")]
    edit: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    key: &'a str,
    key_id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlap_until: Option<String>,
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
        let config = context.load(Secrets::Skip)?.0;
        let snapshot = &config.snapshot;
        let filter = Filter::new(&self, snapshot)?;
        if let Some(period) = &self.unused {
            anyhow::ensure!(
                !self.edit || context.output == OutputFormat::Text,
                "the edit is text; leave --output out, or --edit: --output json tells the edits, too"
            );
            return unused::run(context, &config, &filter, period, self.edit);
        }
        let lines = filter.lines(snapshot);
        let some = !lines.is_empty();
        match (context.output, filter.nickname, filter.permission) {
            (OutputFormat::Json, ..) => output::print_json(&lines)?,
            (OutputFormat::Csv, ..) => output::print(&spreadsheet(&lines).csv())?,
            (OutputFormat::Markdown, ..) => output::print(&table(&lines).markdown())?,
            (OutputFormat::Text, Some(nickname), Some(permission)) => {
                let nickname = snapshot.policy.nicknames.name(nickname);
                output::print(&answer(&lines, nickname, permission, self.key.as_deref()))?;
            }
            (OutputFormat::Text, ..) if some => output::print(&table(&lines).render(output::colour()))?,
            (OutputFormat::Text, ..) => output::complain(&match &self {
                Self { key: Some(key), nickname: None, permission: None, .. } => format!("`{key}` is granted nothing"),
                _ => "no key is granted that".to_owned(),
            }),
        }
        Ok(some)
    }
}

/// Quick View: a line for each key and nickname, a column for each API.
fn table(lines: &[Line<'_>]) -> Table {
    let [analytics, products, read, write, subscriptions] = Permission::ALL.map(Permission::clickbank_name);
    let mut table = Table::new(["KEY", "STATUS", "NICKNAME", analytics, products, read, write, subscriptions]);
    for line in lines {
        let [analytics, products, read, write, subscriptions] = cells(line, "-");
        let (key, nickname) = (line.key.to_owned(), line.nickname.to_owned());
        table.row([key, line.state(), nickname, analytics, products, read, write, subscriptions]);
    }
    table
}

/// The same for a spreadsheet: a fact for each column, and empty cells where there is none.
fn spreadsheet(lines: &[Line<'_>]) -> Table {
    let [analytics, products, read, write, subscriptions] = Permission::ALL.map(Permission::clickbank_name);
    let mut table = Table::new([
        "Key",
        "Key id",
        "Status",
        "Expires",
        "Overlap until",
        "Nickname",
        analytics,
        products,
        read,
        write,
        subscriptions,
    ]);
    for line in lines {
        let [analytics, products, read, write, subscriptions] = cells(line, "");
        table.row([
            line.key.to_owned(),
            line.key_id.to_owned(),
            line.status.to_owned(),
            line.expires.clone().unwrap_or_default(),
            line.overlap_until.clone().unwrap_or_default(),
            line.nickname.to_owned(),
            analytics,
            products,
            read,
            write,
            subscriptions,
        ]);
    }
    table
}

fn cells(line: &Line<'_>, none: &str) -> [String; Permission::COUNT] {
    Permission::ALL.map(|permission| match line.cell(permission) {
        None => none.to_owned(),
        Some(cell) if cell.all_accounts => "All Accounts".to_owned(),
        Some(_) => "yes".to_owned(),
    })
}

/// Who has one permission on one nickname, in sentences.
fn answer(lines: &[Line<'_>], nickname: &str, permission: Permission, key: Option<&str>) -> String {
    let (api, covers) = (permission.clickbank_name(), covers(permission));
    let who = match (lines.len(), key) {
        (0, Some(key)) => format!("{key} does not have"),
        (0, None) => "no key has".to_owned(),
        (1, _) => "1 key has".to_owned(),
        (count, _) => format!("{count} keys have"),
    };
    let mut text = format!("On {nickname}, {who} {api} ({covers}).\n");
    if lines.is_empty() {
        return text;
    }
    let working = lines.iter().filter(|line| line.status == ACTIVE).count();
    if working < lines.len() {
        let can = match working {
            0 if lines.len() == 1 => "It does not count now.".to_owned(),
            0 => "None of them counts now.".to_owned(),
            1 => "1 of them counts now.".to_owned(),
            working => format!("{working} of them count now."),
        };
        text.push_str(&format!("{can}\n"));
    }
    let mut table = Table::new(["  KEY", "STATUS", "GRANTED ON"]);
    for line in lines {
        let all = line.cell(permission).is_some_and(|cell| cell.all_accounts);
        let granted_on = if all { "All Accounts" } else { nickname };
        table.row([format!("  {}", line.key), line.state(), granted_on.to_owned()]);
    }
    text.push_str(&format!("\n{}", table.render(output::colour())));
    text
}

/// What a permission is good for, in the words of somebody who runs a business with it.
const fn covers(permission: Permission) -> &'static str {
    match permission {
        Permission::Analytics => "reads sales statistics and subscription figures",
        Permission::Products => "reads, changes and deletes products",
        Permission::OrdersRead => "reads orders, customers, tickets, shipping and revenue figures",
        Permission::OrdersWrite => {
            "refunds, cancels, changes tickets, products and addresses of orders, sends ship notices"
        }
        Permission::SubscriptionModification => "pauses, extends, reinstates and changes subscriptions",
    }
}

impl Line<'_> {
    fn cell(&self, permission: Permission) -> Option<&Cell> {
        self.permissions.iter().find(|cell| cell.permission == permission.as_str())
    }

    /// The status, with what will change about it.
    fn state(&self) -> String {
        let day = |time: &Option<String>| time.as_deref().and_then(|time| time.get(..10)).map(str::to_owned);
        let mut text = self.status.to_owned();
        if self.status == ACTIVE {
            let expires = day(&self.expires).map(|day| format!(" until {day}"));
            let overlap = day(&self.overlap_until).map(|day| format!(", overlap until {day}"));
            text.extend(expires.into_iter().chain(overlap));
        }
        text
    }
}

pub(super) struct Filter {
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

    /// Whether it is about this key.
    pub(super) fn takes_key(&self, caller: CallerId) -> bool {
        self.key.is_none_or(|key| key == caller)
    }

    /// Whether it is about this cell; of All Accounts, there is no nickname to be asked about.
    pub(super) fn takes_cell(&self, permission: Permission, nickname: Option<NicknameId>) -> bool {
        self.permission.is_none_or(|only| only == permission) && self.nickname.is_none_or(|only| Some(only) == nickname)
    }

    fn lines<'a>(&self, snapshot: &'a Snapshot) -> Vec<Line<'a>> {
        let (policy, now) = (&snapshot.policy, Timestamp::now());
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
                    key_id: key.id.as_str(),
                    status: status(&key, now),
                    expires: key.expires.map(|time| time.to_string()),
                    overlap_until: key.overlap(now).map(|time| time.to_string()),
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

const ACTIVE: &str = "Active";

/// *Active* or *Inactive*, as ClickBank says it, or *Expired*, which ClickBank does not know.
pub(super) fn status(key: &Key<'_>, now: Timestamp) -> &'static str {
    match key.status {
        Status::Inactive => "Inactive",
        Status::Active if key.is_expired(now) => "Expired",
        Status::Active => ACTIVE,
    }
}
