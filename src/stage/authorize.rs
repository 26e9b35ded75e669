//! `Resolved` → [`Permitted`]: whether the caller may. The only maker of a [`Permit`].

use std::num::NonZeroU32;

use crate::domain::call::Call;
use crate::domain::credential::CredentialId;
use crate::domain::matrix::{Allowance, CallerId, Decision};
use crate::domain::nickname::NicknameSet;
use crate::rejection::Rejection;

use super::classify::{AnswerType, Classified};
use super::resolve::Resolved;
use super::{Check, Passage};

/// Proof that a call may go on: for which nicknames, and with which credential. It cannot be made, copied or changed
/// outside this file.
#[derive(Debug)]
pub struct Permit {
    caller: CallerId,
    nicknames: NicknameSet,
    credential: Option<CredentialId>,
}

impl Permit {
    /// Whose call it is.
    #[must_use]
    pub const fn caller(&self) -> CallerId {
        self.caller
    }

    /// The nicknames that the call is about.
    #[must_use]
    pub const fn nicknames(&self) -> &NicknameSet {
        &self.nicknames
    }

    /// The only credential that may act; none for an open document.
    #[must_use]
    pub const fn credential(&self) -> Option<CredentialId> {
        self.credential
    }
}

/// A call that may go on.
pub struct Permitted {
    pub(super) passage: Passage,
    pub(super) call: Call,
    pub(super) answer: Option<AnswerType>,
    pub(super) page: Option<NonZeroU32>,
    pub(super) permit: Permit,
}

impl Permitted {
    /// The proof.
    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }
}

/// The stage.
#[derive(Clone, Copy, Debug, Default)]
pub struct Authorize;

impl Check for Authorize {
    type In = Resolved;
    type Out = Permitted;

    fn check(&self, resolved: Resolved) -> Result<Permitted, Rejection> {
        let Resolved { classified, resolution } = resolved;
        let Classified { passage, caller, call, named, answer, page } = classified;
        let policy = &passage.snapshot.policy;
        let endpoint = policy.catalogue.endpoint(call.endpoint()).ok_or(Rejection::UnknownEndpoint)?;
        match policy.decide(caller, endpoint, &call, named, &resolution) {
            Decision::Allow(Allowance { reason, nicknames, credential }) => {
                {
                    let mut facts = passage.trail.facts();
                    facts.allowed_because = Some(reason.as_str());
                    facts.credential = credential;
                }
                Ok(Permitted { passage, call, answer, page, permit: Permit { caller, nicknames, credential } })
            }
            Decision::Deny(denial) => {
                let about = resolution.effective.union(resolution.allowed.declared());
                let nicknames = policy.nicknames.names(&about).into_iter().map(str::to_owned).collect();
                Err(Rejection::from_denial(&denial, policy, endpoint.permissions, nicknames))
            }
        }
    }
}
