//! One generation of everything that decides about a request.
//!
//! A snapshot never changes. A request keeps the one it began with, so it is decided wholly by one generation.

use crate::domain::credential::CredentialId;
use crate::domain::matrix::Policy;
use crate::domain::secret::CredentialSecret;
use crate::keys::Keys;
use crate::known::Known;
use crate::limit::Limits;

/// Policy, keys, secrets and limits, as one configuration gave them.
#[derive(Debug)]
pub struct Snapshot {
    /// Endpoints, nicknames, reaches, grants.
    pub policy: Policy,
    /// Who has which key.
    pub keys: Keys,
    /// What shapes traffic.
    pub limits: Limits,
    /// What was learned of ClickBank under it.
    pub known: Known,
    secrets: Vec<CredentialSecret>,
}

impl Snapshot {
    /// Puts the parts together. `secrets` are those of the policy's credentials, in order; empty where they were not
    /// read.
    #[must_use]
    pub fn new(policy: Policy, keys: Keys, limits: Limits, secrets: Vec<CredentialSecret>) -> Self {
        Self { policy, keys, limits, known: Known::default(), secrets }
    }

    /// The secret of a credential.
    #[must_use]
    pub fn secret(&self, credential: CredentialId) -> Option<&CredentialSecret> {
        self.secrets.get(credential.index())
    }
}
