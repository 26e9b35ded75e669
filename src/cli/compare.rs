//! What one configuration gives callers that another does not: for `check --against`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::endpoint::EndpointId;
use crate::domain::gaps::Passing;
use crate::domain::matrix::CallerId;
use crate::domain::nickname::NicknameSet;
use crate::domain::permission::Permission;
use crate::keys::{Key, Status};
use crate::snapshot::Snapshot;

/// So many names stand in a line for people; all are in JSON.
const SHOWN: usize = 8;

/// What becomes of one caller.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    key: String,
    id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    grants_gained: BTreeMap<&'static str, BTreeSet<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    grants_lost: BTreeMap<&'static str, BTreeSet<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    endpoints_gained: BTreeMap<String, BTreeSet<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    endpoints_lost: BTreeMap<String, BTreeSet<String>>,
}

/// One caller under one configuration, in words that mean the same under another.
struct Side<'s> {
    key: Key<'s>,
    /// Permission and nickname.
    grants: BTreeSet<(Permission, String)>,
    endpoints: Rc<Endpoints>,
}

/// Nickname and endpoint.
type Endpoints = BTreeSet<(String, String)>;

/// What becomes of each caller who is not left as it is, when `after` takes the place of `before`.
pub(super) fn changes(before: &Snapshot, after: &Snapshot, now: Timestamp) -> Vec<Change> {
    let (mut before, after) = (sides(before, now), sides(after, now));
    let mut changes = Vec::new();
    for (id, after) in after {
        changes.push(change(id, before.remove(id), Some(after)));
    }
    changes.extend(before.into_iter().map(|(id, before)| change(id, Some(before), None)));
    let mut changes: Vec<Change> = changes.into_iter().flatten().collect();
    changes.sort_by(|one, other| one.key.cmp(&other.key));
    changes
}

fn sides<'s>(snapshot: &'s Snapshot, now: Timestamp) -> BTreeMap<&'s str, Side<'s>> {
    let policy = &snapshot.policy;
    let passing = policy.passing(snapshot.keys.iter().map(|(caller, _)| caller));
    let names =
        |set: &NicknameSet| -> Vec<String> { policy.nicknames.names(set).into_iter().map(str::to_owned).collect() };
    // Most callers are granted what others are, too.
    let mut known: HashMap<*const Passing, Rc<Endpoints>> = HashMap::new();
    let side = |(caller, key): (CallerId, Key<'s>)| {
        let mut grants = BTreeSet::new();
        for permission in Permission::ALL {
            let scope = policy.matrix.grant(caller, permission);
            let names = if scope.is_all() { vec!["All Accounts".to_owned()] } else { names(scope.declared()) };
            grants.extend(names.into_iter().map(|name| (permission, name)));
        }
        // A key that does not count passes nowhere.
        let counts = key.status == Status::Active && !key.is_expired(now);
        let endpoints = passing.get(&caller).filter(|_| counts).map(|passing| {
            let known = known.entry(Arc::as_ptr(passing)).or_insert_with(|| {
                let of_endpoint = |(id, about): &(EndpointId, NicknameSet)| {
                    let endpoint = policy.catalogue.endpoint(*id).map_or("", |endpoint| endpoint.name.as_str());
                    names(about).into_iter().map(|name| (name, endpoint.to_owned())).collect::<Vec<_>>()
                };
                Rc::new(passing.iter().flat_map(of_endpoint).collect())
            });
            Rc::clone(known)
        });
        (key.id.as_str(), Side { key, grants, endpoints: endpoints.unwrap_or_default() })
    };
    snapshot.keys.iter().map(side).collect()
}

fn change(id: &str, before: Option<Side<'_>>, after: Option<Side<'_>>) -> Option<Change> {
    let key = after.as_ref().or(before.as_ref())?.key;
    let mut change = Change {
        key: key.name.as_str().to_owned(),
        id: id.to_owned(),
        notes: Vec::new(),
        grants_gained: BTreeMap::new(),
        grants_lost: BTreeMap::new(),
        endpoints_gained: BTreeMap::new(),
        endpoints_lost: BTreeMap::new(),
    };
    match (&before, &after) {
        (None, _) => change.notes.push("is new".to_owned()),
        (_, None) => change.notes.push("is gone".to_owned()),
        (Some(before), Some(after)) => change.notes = notes(&before.key, &after.key),
    }
    let nothing = (BTreeSet::new(), Rc::default());
    let parts = |side: Option<Side<'_>>| side.map(|side| (side.grants, side.endpoints));
    let (before, after) = (parts(before).unwrap_or(nothing.clone()), parts(after).unwrap_or(nothing));
    for (to, from, other) in
        [(&mut change.grants_gained, &after.0, &before.0), (&mut change.grants_lost, &before.0, &after.0)]
    {
        for (permission, name) in from.difference(other) {
            to.entry(permission.as_str()).or_default().insert(name.clone());
        }
    }
    for (to, from, other) in
        [(&mut change.endpoints_gained, &after.1, &before.1), (&mut change.endpoints_lost, &before.1, &after.1)]
    {
        for (nickname, endpoint) in from.difference(other) {
            to.entry(nickname.clone()).or_default().insert(endpoint.clone());
        }
    }
    let grants = [&change.grants_gained, &change.grants_lost].iter().all(|grants| grants.is_empty());
    let endpoints = [&change.endpoints_gained, &change.endpoints_lost].iter().all(|endpoints| endpoints.is_empty());
    (!(change.notes.is_empty() && grants && endpoints)).then_some(change)
}

fn notes(before: &Key<'_>, after: &Key<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if before.name != after.name {
        notes.push(format!("was called {}", before.name));
    }
    if before.status != after.status {
        notes.push(format!("was {}, is {}", before.status.as_str(), after.status.as_str()));
    }
    if before.expires != after.expires {
        let shown = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
        notes.push(format!("expired {}, expires {}", shown(before.expires), shown(after.expires)));
    }
    if before.digest != after.digest {
        notes.push("has another key".to_owned());
    }
    notes
}

impl Change {
    /// For people.
    pub(super) fn describe(&self) -> String {
        let mut text = format!("{} ({})", self.key, self.id);
        if !self.notes.is_empty() {
            text.push_str(&format!(": {}", self.notes.join("; ")));
        }
        text.push('\n');
        for (word, grants) in [("granted", &self.grants_gained), ("no longer granted", &self.grants_lost)] {
            for (permission, names) in grants {
                text.push_str(&format!("  {word}: {permission} on {}\n", listed(names)));
            }
        }
        for (word, endpoints) in [("passes", &self.endpoints_gained), ("no longer passes", &self.endpoints_lost)] {
            // Most pass about the same nicknames.
            let mut alike: BTreeMap<&BTreeSet<String>, BTreeSet<String>> = BTreeMap::new();
            for (nickname, names) in endpoints {
                alike.entry(names).or_default().insert(nickname.clone());
            }
            for (names, nicknames) in alike {
                text.push_str(&format!("  {word}, about {}: {}\n", listed(&nicknames), listed(names)));
            }
        }
        text
    }
}

fn listed(names: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
