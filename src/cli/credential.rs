//! `credential check`: asks ClickBank how far each credential reaches, and compares that with what is declared.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;
use tokio::time::sleep;

use crate::config::Secrets;
use crate::domain::credential::CredentialId;
use crate::domain::nickname::{Nickname, NicknameId, NicknameKind, NicknameSet, Scope};
use crate::domain::permission::{Permission, PermissionSet};
use crate::pipeline::{self, Shared};
use crate::snapshot::Snapshot;
use crate::stage::prove::{Certainty, Probe, Probed, Prove, Shown};

use super::output::{self, OutputFormat, Style, Table, styled};
use super::{Context, find};

/// Between two questions, which leaves half of what ClickBank accepts in a second to a gateway that serves meanwhile.
const PAUSE: Duration = Duration::from_millis(200);
/// A refusal that should not be can mean too many requests in one second, so it is asked for again after more than one.
const CONFIRM_AFTER: Duration = Duration::from_millis(1_500);
/// How long a question may wait for its turn. Nobody is kept waiting by it.
const PATIENCE: Duration = Duration::from_mins(1);

/// What can be done about credentials.
#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// Try each credential at ClickBank, and compare its reach with what is declared
    Check(CredentialCheck),
}

/// Arguments of `credential check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  clickbank-gateway credential check\n  clickbank-gateway credential check acme acme-2 --output json\n\n\
                        It asks with reads that change nothing, at most five a second: one for orders, and one for\n\
                        each declared nickname for analytics and products. ClickBank counts them like any other.\n\
                        No read shows whether a key may change orders or subscriptions.\n\n\
                        Exit codes: 0 all is as declared, 1 something is not, 2 it could not be told."
)]
pub(crate) struct CredentialCheck {
    /// Their names in the configuration [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// What was found out about one credential.
#[derive(Debug, Serialize)]
struct Checked {
    name: String,
    /// `as-declared`, `different`, `dead` or `unclear`.
    state: &'static str,
    permissions: Vec<Line>,
    differences: Vec<Difference>,
    /// Nicknames that *All Accounts* includes and the configuration does not declare.
    undeclared: Vec<String>,
    /// How many requests it took.
    requests: u32,
}

/// One permission of a credential, as it is declared and as ClickBank shows it.
#[derive(Debug, Serialize)]
struct Line {
    permission: &'static str,
    all_accounts: bool,
    declared: Vec<String>,
    /// Nothing where ClickBank does not show it, or could not be understood.
    found: Option<Vec<String>>,
    /// `seen`, `unclear` or `not-shown`.
    outcome: &'static str,
}

/// Something that is otherwise than declared.
#[derive(Debug, Serialize)]
struct Difference {
    /// `dead`, `wider`, `narrower` or `undeclared`.
    kind: &'static str,
    permission: Option<&'static str>,
    nicknames: Vec<String>,
    message: String,
    mend: String,
}

impl CredentialCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        match self {
            Self::Check(check) => check.run(context),
        }
    }
}

impl CredentialCheck {
    fn run(self, context: &Context) -> anyhow::Result<bool> {
        let (config, _) = context.load(Secrets::Read)?;
        let mut snapshot = config.snapshot;
        snapshot.limits.max_wait = PATIENCE;
        let chosen = self.choose(&snapshot)?;
        let shared = Shared::new(Arc::new(snapshot));
        let way = pipeline::probing(&shared, &config.upstream);
        let snapshot = shared.current.load_full();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let checked = runtime.block_on(async {
            let mut checked = Vec::new();
            for id in chosen {
                checked.push(Trial::new(&way, &snapshot, id).run().await);
            }
            checked
        });
        if context.output == OutputFormat::Json {
            output::print_json(&serde_json::json!({ "credentials": checked }))?;
        } else {
            output::print(&describe(&checked))?;
        }
        let differs = checked.iter().any(|credential| !credential.differences.is_empty());
        let unclear = checked.iter().filter(|credential| credential.is_unclear()).map(|it| it.name.as_str());
        let unclear: Vec<&str> = unclear.collect();
        anyhow::ensure!(
            differs || unclear.is_empty(),
            "it could not be told of {}: ClickBank did not answer, or with something else\n  try again in a while",
            unclear.join(", ")
        );
        Ok(!differs)
    }

    /// The credentials that are meant.
    fn choose(&self, snapshot: &Snapshot) -> anyhow::Result<Vec<CredentialId>> {
        let credentials = &snapshot.policy.credentials;
        if self.names.is_empty() {
            return Ok(credentials.iter().map(|(id, ..)| id).collect());
        }
        self.names.iter().map(|name| find::credential(credentials, name)).collect()
    }
}

/// What one question was answered with.
enum Said {
    Yes(Option<Shown>),
    No,
    Nothing,
}

/// One credential that is being tried.
struct Trial<'a> {
    way: &'a Prove,
    snapshot: &'a Arc<Snapshot>,
    id: CredentialId,
    requests: u32,
    answered: bool,
    /// Whether something was refused that should not be.
    refused: bool,
    /// Whether the key itself was refused, so that nothing else need be asked.
    is_dead: bool,
    unclear: bool,
}

impl<'a> Trial<'a> {
    const fn new(way: &'a Prove, snapshot: &'a Arc<Snapshot>, id: CredentialId) -> Self {
        Self { way, snapshot, id, requests: 0, answered: false, refused: false, is_dead: false, unclear: false }
    }

    fn declared(&self, permission: Permission) -> Scope {
        self.snapshot.policy.credentials.reach(self.id, PermissionSet::default().with(permission))
    }

    fn names(&self, set: &NicknameSet) -> Vec<String> {
        self.snapshot.policy.nicknames.names(set).into_iter().map(str::to_owned).collect()
    }

    async fn ask(&mut self, probe: Probe, expected: bool) -> Said {
        if self.is_dead {
            return Said::No;
        }
        let mut probed = self.send(probe).await;
        if let (Probed::Refused(Certainty::Likely), true) = (&probed, expected) {
            sleep(CONFIRM_AFTER).await;
            probed = self.send(probe).await;
        }
        match probed {
            Probed::Answered(shown) => {
                self.answered = true;
                Said::Yes(shown)
            }
            Probed::Refused(certainty) => {
                self.is_dead |= certainty == Certainty::Certain;
                self.refused |= expected;
                Said::No
            }
            Probed::Unclear => {
                self.unclear = true;
                Said::Nothing
            }
        }
    }

    async fn send(&mut self, probe: Probe) -> Probed {
        if self.requests > 0 {
            sleep(PAUSE).await;
        }
        self.requests += 1;
        self.way.probe(self.snapshot, self.id, probe).await
    }

    async fn run(mut self) -> Checked {
        let (orders, mut undeclared) = self.orders().await;
        let analytics = self.analytics().await;
        let sells = |id: NicknameId| self.snapshot.policy.nicknames.kind(id).is_some_and(NicknameKind::sells);
        let sellers: Vec<NicknameId> =
            self.snapshot.policy.nicknames.iter().map(|(id, ..)| id).filter(|id| sells(*id)).collect();
        let products = self.each(Permission::Products, sellers, Probe::Products).await;

        let dead = self.is_dead || (self.refused && !self.answered && !self.unclear);
        let mut differences = Vec::new();
        if dead {
            differences.push(Difference {
                kind: "dead",
                permission: None,
                nicknames: Vec::new(),
                message: "ClickBank refuses the key".to_owned(),
                mend:
                    "see in API Management that it is there and Active, put its current text where api_key points, and \
                       compare its permissions"
                        .to_owned(),
            });
            undeclared.clear();
        } else {
            for (permission, found) in [
                (Permission::Analytics, &analytics),
                (Permission::Products, &products),
                (Permission::OrdersRead, &orders),
            ] {
                if let Some(found) = found {
                    self.compare(permission, found, &mut differences);
                }
            }
            if !undeclared.is_empty() && !self.declared(Permission::OrdersRead).is_all() {
                let nicknames = std::mem::take(&mut undeclared);
                differences.push(Difference {
                    kind: "undeclared",
                    permission: Some(Permission::OrdersRead.as_str()),
                    message: format!("ClickBank also gives {}, not declared under [nicknames]", quoted(&nicknames)),
                    mend: "give ClickBank's key fewer nicknames, or declare them there and in the reach".to_owned(),
                    nicknames,
                });
            }
        }
        let state = match (dead, differences.is_empty(), self.unclear) {
            (true, ..) => "dead",
            (_, false, _) => "different",
            (_, _, true) => "unclear",
            _ => "as-declared",
        };
        let permissions = Permission::ALL
            .into_iter()
            .filter_map(|permission| {
                let found = match permission {
                    Permission::Analytics => analytics,
                    Permission::Products => products,
                    Permission::OrdersRead => orders,
                    Permission::OrdersWrite | Permission::SubscriptionModification => None,
                };
                self.line(permission, found.filter(|_| !dead))
            })
            .collect();
        let name = self.snapshot.policy.credentials.name(self.id).to_owned();
        Checked { name, state, permissions, differences, undeclared, requests: self.requests }
    }

    /// Whose orders it reads, and what those are called that the configuration does not declare.
    async fn orders(&mut self) -> (Option<NicknameSet>, Vec<String>) {
        let expected = !self.declared(Permission::OrdersRead).is_empty();
        match self.ask(Probe::Accounts, expected).await {
            Said::Yes(Some(Shown { declared, undeclared })) => {
                // What is no nickname is not ClickBank's word for one.
                (Some(declared), undeclared.into_iter().filter(|name| Nickname::check(name).is_ok()).collect())
            }
            Said::No => (Some(NicknameSet::default()), Vec::new()),
            Said::Yes(None) | Said::Nothing => (None, Vec::new()),
        }
    }

    async fn analytics(&mut self) -> Option<NicknameSet> {
        if self.declared(Permission::Analytics).is_empty() {
            // Whoever has none at all is refused this, too.
            match self.ask(Probe::AnalyticsStatus, false).await {
                Said::Yes(_) => {}
                Said::No => return Some(NicknameSet::default()),
                Said::Nothing => return None,
            }
        }
        let all = self.snapshot.policy.nicknames.iter().map(|(id, ..)| id).collect();
        self.each(Permission::Analytics, all, Probe::Analytics).await
    }

    /// Asks for each nickname; none if it could not be told of one.
    async fn each(
        &mut self,
        permission: Permission,
        nicknames: Vec<NicknameId>,
        probe: impl Fn(NicknameId) -> Probe,
    ) -> Option<NicknameSet> {
        let declared = self.declared(permission);
        let (mut found, mut clear) = (NicknameSet::default(), true);
        for nickname in nicknames {
            match self.ask(probe(nickname), declared.declared().contains(nickname)).await {
                Said::Yes(_) => found.insert(nickname),
                Said::No => {}
                Said::Nothing => clear = false,
            }
        }
        Some(found).filter(|_| clear)
    }

    fn compare(&self, permission: Permission, found: &NicknameSet, differences: &mut Vec<Difference>) {
        let declared = self.declared(permission);
        let name = self.snapshot.policy.credentials.name(self.id);
        let (wider, narrower) = (found.difference(declared.declared()), declared.declared().difference(found));
        let word = permission.as_str();
        if !wider.is_empty() && !declared.is_all() {
            let nicknames = self.names(&wider);
            differences.push(Difference {
                kind: "wider",
                permission: Some(word),
                message: format!("reach found wider: ClickBank also gives {}", quoted(&nicknames)),
                mend: format!(
                    "add {} to {word} in [credentials.{name}.reach], or give ClickBank's key fewer nicknames",
                    if nicknames.len() == 1 { "it" } else { "them" }
                ),
                nicknames,
            });
        }
        if !narrower.is_empty() {
            let nicknames = self.names(&narrower);
            differences.push(Difference {
                kind: "narrower",
                permission: Some(word),
                message: format!("reach found narrower: ClickBank does not give {}", quoted(&nicknames)),
                mend: format!(
                    "tick {} for ClickBank's key, or remove {0} from {word} in [credentials.{name}.reach]",
                    if nicknames.len() == 1 { "it" } else { "them" }
                ),
                nicknames,
            });
        }
    }

    /// A line of the table; none where nothing is declared and nothing was found.
    fn line(&self, permission: Permission, found: Option<NicknameSet>) -> Option<Line> {
        let declared = self.declared(permission);
        if declared.is_empty() && found.is_none_or(|found| found.is_empty()) {
            return None;
        }
        let outcome = match permission {
            Permission::OrdersWrite | Permission::SubscriptionModification => "not-shown",
            _ if found.is_none() => "unclear",
            _ => "seen",
        };
        Some(Line {
            permission: permission.as_str(),
            all_accounts: declared.is_all(),
            declared: self.names(declared.declared()),
            found: found.map(|found| self.names(&found)),
            outcome,
        })
    }
}

impl Checked {
    fn is_unclear(&self) -> bool {
        self.state == "unclear"
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A table of what is declared and what was found, and a line for each difference.
fn describe(checked: &[Checked]) -> String {
    let colour = output::colour();
    let mut table = Table::new(["CREDENTIAL", "PERMISSION", "DECLARED", "FOUND"]);
    for credential in checked {
        for found in &credential.permissions {
            let listed = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let declared = if found.all_accounts { "All Accounts".to_owned() } else { listed(&found.declared) };
            let seen = match (&found.found, found.outcome, credential.state) {
                (Some(names), ..) => listed(names),
                (None, "not-shown", _) => "no read shows it".to_owned(),
                (None, _, "dead") => "refused".to_owned(),
                (None, ..) => "could not be told".to_owned(),
            };
            table.row([credential.name.clone(), found.permission.to_owned(), declared, seen]);
        }
    }
    let mut text = table.render(colour) + "\n";
    for credential in checked {
        let name = &credential.name;
        for Difference { permission, message, mend, .. } in &credential.differences {
            let place = permission.map_or_else(|| name.clone(), |permission| format!("{name}: {permission}"));
            text.push_str(&format!("{}\n    {mend}\n", styled(&format!("{place}: {message}"), Style::Bad, colour)));
        }
        if !credential.undeclared.is_empty() {
            let names = quoted(&credential.undeclared);
            text.push_str(&format!("{name}: All Accounts includes {names}, not declared under [nicknames]\n"));
        }
        if credential.is_unclear() {
            text.push_str(&format!("{name}: it could not be told\n"));
        }
    }
    let requests: u32 = checked.iter().map(|credential| credential.requests).sum();
    let as_declared = checked.iter().filter(|credential| credential.state == "as-declared").count();
    let style = if as_declared == checked.len() { Style::Good } else { Style::Bad };
    let summary = format!("{as_declared} of {} as declared", checked.len());
    text.push_str(&format!("{}; {requests} requests were sent\n", styled(&summary, style, colour)));
    text
}
