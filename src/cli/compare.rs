//! What one configuration gives callers that another does not: for `check --against`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::Serialize;

use crate::roster::{Caller, Endpoints, Roster};

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
    grants_gained: BTreeMap<String, BTreeSet<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    grants_lost: BTreeMap<String, BTreeSet<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    endpoints_gained: BTreeMap<String, BTreeSet<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    endpoints_lost: BTreeMap<String, BTreeSet<String>>,
    /// Where no nickname is named.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    unnamed_gained: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    unnamed_lost: BTreeSet<String>,
}

/// What becomes of each caller who is not left as it is, when `after` takes the place of `before`.
pub(super) fn changes(before: &Roster, after: &Roster) -> Vec<Change> {
    let mut gone: BTreeMap<&str, &Caller> = before.callers.iter().map(|caller| (caller.id.as_str(), caller)).collect();
    let side = |roster: &'_ Roster, caller: Option<&Caller>| {
        caller.and_then(|caller| roster.passing(caller)).cloned().unwrap_or_default()
    };
    let mut changes = Vec::new();
    // Most callers get what others do, too, before and after.
    let mut known: HashMap<(Option<usize>, Option<usize>), Difference> = HashMap::new();
    let mut note = |was: Option<&Caller>, is: Option<&Caller>| {
        let pair = (was.and_then(|caller| caller.passing), is.and_then(|caller| caller.passing));
        let difference = known.entry(pair).or_insert_with(|| difference(&side(before, was), &side(after, is)));
        changes.extend(change(was, is, difference));
    };
    for caller in &after.callers {
        note(gone.remove(caller.id.as_str()), Some(caller));
    }
    for caller in gone.into_values() {
        note(Some(caller), None);
    }
    changes.sort_by(|one, other| one.key.cmp(&other.key));
    changes
}

/// What passes after and did not before, and the other way about.
#[derive(Clone, Default)]
struct Difference {
    gained: Endpoints,
    lost: Endpoints,
}

fn difference(before: &Endpoints, after: &Endpoints) -> Difference {
    Difference { gained: without(after, before), lost: without(before, after) }
}

fn without(endpoints: &Endpoints, others: &Endpoints) -> Endpoints {
    Endpoints {
        named: not_in(&endpoints.named, &others.named),
        unnamed: endpoints.unnamed.difference(&others.unnamed).cloned().collect(),
    }
}

fn change(before: Option<&Caller>, after: Option<&Caller>, difference: &Difference) -> Option<Change> {
    let Caller { id, name, .. } = after.or(before)?;
    let notes = match (before, after) {
        (None, _) => vec!["is new".to_owned()],
        (_, None) => vec!["is gone".to_owned()],
        (Some(before), Some(after)) => notes(before, after),
    };
    let none = BTreeMap::new();
    let grants = |caller: Option<&'_ Caller>| caller.map_or(&none, |caller| &caller.grants).clone();
    let (was, is) = (grants(before), grants(after));
    let Difference { gained, lost } = difference.clone();
    let change = Change {
        key: name.clone(),
        id: id.clone(),
        notes,
        grants_gained: not_in(&is, &was),
        grants_lost: not_in(&was, &is),
        endpoints_gained: gained.named,
        endpoints_lost: lost.named,
        unnamed_gained: gained.unnamed,
        unnamed_lost: lost.unnamed,
    };
    (!change.is_none()).then_some(change)
}

type Names = BTreeMap<String, BTreeSet<String>>;

fn not_in(these: &Names, those: &Names) -> Names {
    let left = these.iter().map(|(name, of_name)| {
        let others = those.get(name);
        let left = of_name.iter().filter(|one| !others.is_some_and(|others| others.contains(*one)));
        (name.clone(), left.cloned().collect::<BTreeSet<String>>())
    });
    left.filter(|(_, names)| !names.is_empty()).collect()
}

fn notes(before: &Caller, after: &Caller) -> Vec<String> {
    let mut notes = Vec::new();
    if before.name != after.name {
        notes.push(format!("was called {}", before.name));
    }
    if before.status != after.status {
        notes.push(format!("was {}, is {}", before.status, after.status));
    }
    if before.expires != after.expires {
        let shown = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
        notes.push(format!("expired {}, expires {}", shown(before.expires), shown(after.expires)));
    }
    let kinds: BTreeSet<&String> = before.caps.keys().chain(after.caps.keys()).collect();
    for kind in kinds {
        let [was, is] = [before, after].map(|caller| caller.caps.get(kind));
        if was != is {
            let shown = |limit: Option<&String>| limit.map_or("without limit", String::as_str).to_owned();
            notes.push(format!("{kind} was {}, is {}", shown(was), shown(is)));
        }
    }
    if before.mark != after.mark {
        notes.push("has another key".to_owned());
    }
    notes
}

impl Change {
    fn is_none(&self) -> bool {
        let maps = [&self.grants_gained, &self.grants_lost, &self.endpoints_gained, &self.endpoints_lost];
        let unnamed = [&self.unnamed_gained, &self.unnamed_lost];
        self.notes.is_empty() && maps.iter().all(|map| map.is_empty()) && unnamed.iter().all(|names| names.is_empty())
    }

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
        for (word, unnamed, named) in [
            ("passes", &self.unnamed_gained, &self.endpoints_gained),
            ("no longer passes", &self.unnamed_lost, &self.endpoints_lost),
        ] {
            // What is told of some nickname is not told again.
            let is_told = |name: &&String| named.values().any(|names| names.contains(*name));
            let names: BTreeSet<String> = unnamed.iter().filter(|name| !is_told(name)).cloned().collect();
            if !names.is_empty() {
                text.push_str(&format!("  {word}, with no nickname named: {}\n", listed(&names)));
            }
        }
        text
    }
}

pub(super) fn listed(names: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
