//! What `check` advises: grants that cannot be met, credentials that reach more than anybody needs, and the ClickBank keys
//! worth creating, in the words of ClickBank's API Management page.

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::gaps::Hampered;
use crate::domain::matrix::CallerId;
use crate::domain::nickname::{NicknameSet, Scope};
use crate::domain::permission::Permission;
use crate::keys::{Key, Status};
use crate::snapshot::Snapshot;

/// The most names, and the most findings of one kind, that a person gets to see.
const SHOWN: usize = 12;

/// Everything that is worth saying about a valid configuration.
#[derive(Debug, Default, Serialize)]
pub(super) struct Advice {
    unreached: Vec<Unreached>,
    refused_for_want_of_a_confined_credential: Vec<Hindrance>,
    nickname_has_to_be_named: Vec<Hindrance>,
    wider_than_all_callers: Vec<Excess>,
    keys_to_create: Vec<KeyToCreate>,
}

/// Granted cells that no credential reaches.
#[derive(Debug, Serialize)]
struct Unreached {
    permission: &'static str,
    nicknames: Vec<String>,
    #[serde(rename = "for")]
    callers: Vec<String>,
}

/// Endpoints that callers cannot simply ask for although they are granted.
#[derive(Debug, Serialize)]
struct Hindrance {
    endpoints: Vec<String>,
    nicknames: Vec<String>,
    #[serde(rename = "for")]
    callers: Vec<String>,
}

/// What a credential reaches and no active key is granted.
#[derive(Debug, Serialize)]
struct Excess {
    credential: String,
    reach: Vec<Reach>,
    /// Instead of Read/Write.
    read_is_enough_on: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Reach {
    permission: &'static str,
    all_accounts: bool,
    nicknames: Vec<String>,
}

/// A ClickBank key that would let ClickBank itself confine some callers.
#[derive(Debug, Serialize)]
struct KeyToCreate {
    all_accounts: bool,
    nicknames: Vec<String>,
    permissions: Vec<&'static str>,
    #[serde(rename = "for")]
    callers: Vec<String>,
}

/// What there is to say, as far as active keys are concerned.
pub(super) fn advice(snapshot: &Snapshot) -> Advice {
    let policy = &snapshot.policy;
    let now = Timestamp::now();
    let counts = |key: &Key<'_>| key.status == Status::Active && !key.is_expired(now);
    let active = || snapshot.keys.iter().filter(|(_, key)| counts(key)).map(|(caller, _)| caller);
    let names = |set: &NicknameSet| -> Vec<String> {
        let names = policy.nicknames.names(set);
        names.into_iter().map(str::to_owned).collect()
    };
    let keys = |callers: &[CallerId]| -> Vec<String> {
        let keys = callers.iter().filter_map(|caller| snapshot.keys.of(*caller));
        keys.map(|key| key.name.to_string()).collect()
    };
    let hindrance = |found: &Hampered| {
        let endpoints = found.endpoints.iter().filter_map(|id| policy.catalogue.endpoint(*id));
        Hindrance {
            endpoints: endpoints.map(|endpoint| endpoint.name.clone()).collect(),
            nicknames: names(&found.nicknames),
            callers: keys(&found.callers),
        }
    };
    let reach = |(permission, scope): &(Permission, Scope)| Reach {
        permission: permission.as_str(),
        all_accounts: scope.is_all(),
        nicknames: names(scope.declared()),
    };
    let (unreached, hindrances) = (policy.unreached(active()), policy.hindrances(active()));
    // Before the first key is made, everything is more than anybody needs.
    let excesses = active().next().map(|_| policy.excesses(active())).unwrap_or_default();
    let missing = policy.missing_credentials(active());
    let unreached = unreached.iter().map(|found| Unreached {
        permission: found.permission.as_str(),
        nicknames: names(&found.nicknames),
        callers: keys(&found.callers),
    });
    let excesses = excesses.iter().map(|found| Excess {
        credential: policy.credentials.name(found.credential).to_owned(),
        reach: found.reach.iter().map(reach).collect(),
        read_is_enough_on: names(&found.read_is_enough),
    });
    let missing = missing.iter().map(|missing| KeyToCreate {
        all_accounts: missing.scope.is_all(),
        nicknames: names(missing.scope.declared()),
        permissions: missing.permissions.iter().map(Permission::as_str).collect(),
        callers: keys(&missing.callers),
    });
    Advice {
        unreached: unreached.collect(),
        refused_for_want_of_a_confined_credential: hindrances.refused.iter().map(hindrance).collect(),
        nickname_has_to_be_named: hindrances.unnamed.iter().map(hindrance).collect(),
        wider_than_all_callers: excesses.collect(),
        keys_to_create: missing.collect(),
    }
}

impl Advice {
    /// The same, for people.
    pub(super) fn describe(&self) -> String {
        let mut text = String::new();
        let hindrance = |found: &Hindrance| {
            lines(&[("calls", &found.endpoints), ("nicknames", &found.nicknames), ("for", &found.callers)])
        };
        section(
            &mut text,
            "These are granted, and no credential reaches them, so every such call is refused.\n\
             Tick them for a ClickBank key (Settings > API Management) and add them to its reach, or revoke them:",
            self.unreached.iter().map(|found| {
                let permission = boxes([found.permission]);
                lines(&[("permission", &permission), ("nicknames", &found.nicknames), ("for", &found.callers)])
            }),
        );
        section(
            &mut text,
            "These are granted, and refused as they are plainly asked for: no credential is confined to what the key may see.\n\
             Some pass with `role=VENDOR` or an exact `receipt`. With a credential of exactly the key's reach all pass:",
            self.refused_for_want_of_a_confined_credential.iter().map(hindrance),
        );
        section(
            &mut text,
            "These pass only where one nickname is named (Gateway-Nickname, or /@NAME before the path):",
            self.nickname_has_to_be_named.iter().map(hindrance),
        );
        section(
            &mut text,
            "These credentials reach what no active key is granted. Whoever gets hold of one gets hold of that, too.\n\
             Narrow them at ClickBank (Settings > API Management), and in their reach:",
            self.wider_than_all_callers.iter().map(|found| {
                let beyond: Vec<String> = found.reach.iter().map(Reach::describe).collect();
                let text = lines(&[("credential", std::slice::from_ref(&found.credential)), ("beyond", &beyond)]);
                if found.read_is_enough_on.is_empty() {
                    return text;
                }
                text + &lines(&[("Read will do", &found.read_is_enough_on)])
            }),
        );
        section(
            &mut text,
            "For these there is no ClickBank key of exactly that reach. Some of their calls are refused, or need the nickname \
             named.\nCreate each at ClickBank (Settings > API Management) and declare it under [credentials]:",
            self.keys_to_create.iter().map(|key| {
                let all = [String::from("All Accounts")];
                let nicknames = if key.all_accounts { &all[..] } else { &key.nicknames };
                let permissions = boxes(key.permissions.iter().copied());
                lines(&[("nicknames", nicknames), ("permissions", &permissions), ("for", &key.callers)])
            }),
        );
        text
    }
}

impl Reach {
    fn describe(&self) -> String {
        let whom = if self.all_accounts { "All Accounts".to_owned() } else { some_of(&self.nicknames) };
        format!("{} on {whom}", boxes([self.permission]).concat())
    }
}

/// A heading and what stands below it, if anything does.
fn section(text: &mut String, heading: &str, blocks: impl Iterator<Item = String>) {
    let blocks: Vec<String> = blocks.collect();
    let shown: Vec<&str> = blocks.iter().take(SHOWN).map(String::as_str).collect();
    if !shown.is_empty() {
        text.push_str(&format!("\n{heading}\n\n{}", shown.join("\n")));
    }
    if blocks.len() > SHOWN {
        text.push_str(&format!("\n  and {} more of this kind; --output json lists all\n", blocks.len() - SHOWN));
    }
}

fn lines(lines: &[(&str, &[String])]) -> String {
    let lines: Vec<String> =
        lines.iter().map(|(label, values)| format!("  {label:12} {}\n", some_of(values))).collect();
    lines.concat()
}

/// All of them, or the first and how many more there are.
fn some_of(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Permissions as ClickBank calls them.
fn boxes(names: impl IntoIterator<Item = &'static str>) -> Vec<String> {
    let permissions = names.into_iter().filter_map(Permission::parse);
    permissions.map(|permission| permission.clickbank_name().to_owned()).collect()
}
