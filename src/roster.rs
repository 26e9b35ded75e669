//! What each caller is granted and gets, in words that mean the same to another configuration: to compare the two.
//!
//! It holds no key and no digest of one. Whether a key has been replaced shows in its mark.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::gaps::Passing;
use crate::domain::nickname::NicknameSet;
use crate::domain::permission::Permission;
use crate::domain::secret::KeyDigest;
use crate::keys::Status;
use crate::snapshot::Snapshot;

/// In the place of nicknames.
const ALL_ACCOUNTS: &str = "All Accounts";

/// All callers of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// Which of the row of snapshots it was made of.
    pub generation: u64,
    /// The callers, in the order of the file.
    pub callers: Vec<Caller>,
    /// What passes for callers; most are granted what others are, too.
    pub passing: Vec<Endpoints>,
}

/// One caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The id of its key.
    pub id: String,
    /// The name of its key.
    pub name: String,
    /// `active` or `inactive`.
    pub status: String,
    /// From when on its key counts no more.
    pub expires: Option<Timestamp>,
    /// Another one when its key has been replaced.
    pub mark: String,
    /// How much may be changed with its key.
    #[serde(default)]
    pub caps: BTreeMap<String, String>,
    /// Permissions, each with nicknames or *All Accounts*.
    pub grants: BTreeMap<String, BTreeSet<String>>,
    /// Which of [`Roster::passing`]; none of it for a key that does not count.
    pub passing: Option<usize>,
}

/// Endpoints that pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// By the nickname that is named.
    pub named: BTreeMap<String, BTreeSet<String>>,
    /// Also where none is.
    pub unnamed: BTreeSet<String>,
}

impl Roster {
    /// That of a snapshot, at this time.
    #[must_use]
    pub fn of(snapshot: &Snapshot, now: Timestamp) -> Self {
        let policy = &snapshot.policy;
        let names = |set: &NicknameSet| policy.nicknames.names(set).into_iter().map(str::to_owned).collect();
        let found = policy.passing(snapshot.keys.iter().map(|(caller, _)| caller));
        let mut passing: Vec<Endpoints> = Vec::new();
        let mut known: HashMap<*const Passing, usize> = HashMap::new();
        let mut callers = Vec::with_capacity(snapshot.keys.len());
        for (caller, key) in snapshot.keys.iter() {
            let grants =
                Permission::ALL.into_iter().map(|permission| (permission, policy.matrix.grant(caller, permission)));
            let grants = grants.filter(|(_, scope)| !scope.is_empty()).map(|(permission, scope)| {
                let names =
                    if scope.is_all() { BTreeSet::from([ALL_ACCOUNTS.to_owned()]) } else { names(scope.declared()) };
                (permission.as_str().to_owned(), names)
            });
            let counts = key.status == Status::Active && !key.is_expired(now);
            let number = found.get(&caller).filter(|_| counts).map(|of_caller| {
                *known.entry(Arc::as_ptr(of_caller)).or_insert_with(|| {
                    passing.push(endpoints(snapshot, of_caller));
                    passing.len() - 1
                })
            });
            callers.push(Caller {
                id: key.id.as_str().to_owned(),
                name: key.name.as_str().to_owned(),
                status: key.status.as_str().to_owned(),
                expires: key.expires,
                mark: mark(&key.digest),
                caps: policy.caps.of_key(caller).iter().map(|cap| (cap.kind.to_string(), cap.limit_text())).collect(),
                grants: grants.collect(),
                passing: number,
            });
        }
        Self { generation: snapshot.generation(), callers, passing }
    }

    /// What passes for a caller.
    #[must_use]
    pub fn passing(&self, caller: &Caller) -> Option<&Endpoints> {
        caller.passing.and_then(|number| self.passing.get(number))
    }
}

fn endpoints(snapshot: &Snapshot, passing: &Passing) -> Endpoints {
    let policy = &snapshot.policy;
    let mut endpoints = Endpoints::default();
    for passes in passing {
        let name = policy.catalogue.endpoint(passes.endpoint).map_or("", |endpoint| endpoint.name.as_str());
        for nickname in policy.nicknames.names(&passes.named) {
            endpoints.named.entry(nickname.to_owned()).or_default().insert(name.to_owned());
        }
        if passes.unnamed {
            endpoints.unnamed.insert(name.to_owned());
        }
    }
    endpoints
}

/// A few bits of a digest's own digest: the digest itself stays where it is.
fn mark(digest: &KeyDigest) -> String {
    let bits = KeyDigest::of(digest.bytes()).bytes().iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    format!("{bits:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_tells_keys_apart_and_shows_nothing_of_their_digests() {
        let [one, other] = [b"one", b"two"].map(|text| KeyDigest::of(text));
        assert_eq!(mark(&one), mark(&one));
        assert_ne!(mark(&one), mark(&other));
        assert!(!one.to_string().contains(&mark(&one)));
    }
}
