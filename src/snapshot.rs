//! One generation of everything that decides about a request.
//!
//! A snapshot never changes. A request is decided wholly by one: when another one comes while it waits, it is decided
//! again, wholly by that one.

use crate::domain::credential::{CredentialId, ScopeByPermission};
use crate::domain::matrix::Policy;
use crate::domain::permission::Permission;
use crate::domain::secret::CredentialSecret;
use crate::keys::Keys;
use crate::known::Known;
use crate::last_use::Used;
use crate::limit::Limits;
use crate::probe::Probes;

/// Policy, keys, secrets and limits, as one configuration gave them.
#[derive(Debug)]
pub struct Snapshot {
    /// Endpoints, nicknames, reaches, grants.
    pub policy: Policy,
    /// Who has which key.
    pub keys: Keys,
    /// What shapes traffic.
    pub limits: Limits,
    /// When credentials are probed.
    pub probes: Probes,
    /// What was learned of ClickBank under it.
    pub known: Known,
    /// Which keys and grants were used under it.
    pub used: Used,
    secrets: Vec<CredentialSecret>,
    generation: u64,
}

impl Snapshot {
    /// Puts the parts of a first snapshot together. `secrets` are those of the policy's credentials, in order; empty where
    /// they were not read.
    #[must_use]
    pub fn new(policy: Policy, keys: Keys, limits: Limits, secrets: Vec<CredentialSecret>) -> Self {
        let (probes, known, used) = (Probes::default(), Known::default(), Used::default());
        Self { policy, keys, limits, probes, known, used, secrets, generation: 1 }
    }

    /// This one, with credentials probed as these say.
    #[must_use]
    pub fn probing(self, probes: Probes) -> Self {
        Self { probes, ..self }
    }

    /// This one, as what comes after `before`: a credential that stayed as it was keeps what was found out about it.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        self.generation = before.generation + 1;
        let stayed: Vec<_> = self
            .policy
            .credentials
            .iter()
            .filter_map(|(id, _, reach)| {
                let secret = self.secret(id)?;
                let same = before
                    .policy
                    .credentials
                    .iter()
                    .find(|(other, ..)| before.secret(*other).is_some_and(|other| other.is_same_as(secret)));
                same.filter(|(_, _, other)| self.names(reach) == before.names(other)).map(|(other, ..)| (id, other))
            })
            .collect();
        for (id, other) in stayed {
            self.policy.credentials.share_findings(id, &before.policy.credentials, other);
        }
        self
    }

    /// Which in the row of snapshots since the start it is, from 1.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The secret of a credential.
    #[must_use]
    pub fn secret(&self, credential: CredentialId) -> Option<&CredentialSecret> {
        self.secrets.get(credential.index())
    }

    /// A reach in names, which mean the same in every snapshot.
    fn names(&self, reach: &ScopeByPermission) -> [(bool, Vec<&str>); Permission::COUNT] {
        Permission::ALL.map(|permission| {
            let scope = reach.of(permission);
            let mut names = self.policy.nicknames.names(scope.declared());
            names.sort_unstable();
            (scope.is_all(), names)
        })
    }
}
