//! `Resolved` → [`Permitted`]: whether the caller may. The only maker of a [`Permit`], and of a [`LookupPermit`].

use std::num::NonZeroU32;

use crate::domain::call::Call;
use crate::domain::credential::{CredentialId, Witness};
use crate::domain::decision::{Allowance, Decision, Proof, Safeguard};
use crate::domain::endpoint::{Endpoint, Owner, Party};
use crate::domain::matrix::{CallerId, Named, Policy};
use crate::domain::nickname::NicknameSet;
use crate::domain::target::{API_PREFIX, write_pair};
use crate::rejection::Rejection;

use super::classify::{AnswerType, Classified};
use super::resolve::{Resolve, Resolved};
use super::spend::Refund;
use super::{Check, Passage};

/// Proof that a call may go on: for which nicknames, with which credential, and under which safeguard. It cannot be
/// made, copied or changed outside this file.
#[derive(Debug)]
pub struct Permit {
    caller: CallerId,
    nicknames: NicknameSet,
    credential: Option<CredentialId>,
    safeguard: Safeguard,
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

    /// What makes it true that the caller gets its own alone.
    #[must_use]
    pub const fn safeguard(&self) -> Safeguard {
        self.safeguard
    }

    /// The permit to look up whose the order is that the call is about, if that has to be known before it goes on.
    #[must_use]
    pub const fn to_look_up(&self) -> Option<LookupPermit> {
        match self.safeguard.proof() {
            Some(Proof { with: Witness { credential, .. }, .. }) => {
                Some(LookupPermit { caller: Some(self.caller), credential, scope: LookupScope::Owners })
            }
            None => None,
        }
    }

    /// The permit to ask what shows whether a change was made. Nothing of what is answered goes to the caller.
    #[must_use]
    pub fn to_see_effects(&self, policy: &Policy, endpoint: &Endpoint) -> Option<LookupPermit> {
        let credential = match (endpoint.owner, self.safeguard.proof()) {
            // What changes products reads them, too.
            (Owner::Parameter(_), _) => self.credential?,
            (_, Some(Proof { with, .. })) => with.credential,
            // One that might see less than the change is about could miss it.
            (_, None) => {
                let acting = self.credential?;
                policy.credentials.looking_up(acting, endpoint.permissions).filter(|with| !with.verify)?.credential
            }
        };
        Some(LookupPermit { caller: Some(self.caller), credential, scope: LookupScope::Effects })
    }

    /// The permit to ask how far a credential reaches, if the call trusts it where nothing else would show it.
    #[must_use]
    pub fn to_see_reach(&self) -> Option<LookupPermit> {
        let asked = match self.safeguard.proof() {
            Some(Proof { with, .. }) => Some(with.credential).filter(|_| with.verify),
            None => self.credential.filter(|_| matches!(self.safeguard, Safeguard::Confined { verify: true, .. })),
        };
        asked.map(|credential| LookupPermit { caller: Some(self.caller), credential, scope: LookupScope::Reach })
    }
}

/// Proof that the gateway may ask ClickBank a question of its own: whose order it is, what shows whether a change was made,
/// how far a credential reaches, or whether it is accepted at all. It is good for nothing else.
#[derive(Debug)]
pub struct LookupPermit {
    /// None where the gateway asks on nobody's behalf.
    caller: Option<CallerId>,
    credential: CredentialId,
    scope: LookupScope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LookupScope {
    Owners,
    Effects,
    Reach,
    Probe,
}

/// A question of the gateway's own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question<'a> {
    /// Who sold what has this receipt?
    Order(&'a str),
    /// How much would this refund on this receipt give back?
    RefundAmount(&'a str, Refund<'a>),
    /// Which tickets are there about this receipt?
    TicketsAbout(&'a str),
    /// Which receipt is the ticket with this id about?
    Ticket(&'a str),
    /// Which ship notices are there about this receipt?
    ShipNotices(&'a str),
    /// What is the product with this number, of this nickname?
    Product(&'a str, &'a str),
    /// Which nicknames does the credential reach?
    Accounts,
    /// Is the credential accepted for analytics?
    AnalyticsStatus,
    /// Is it accepted for the analytics of this nickname, in this role?
    Analytics(&'a str, Party),
    /// Is it accepted for the products of this nickname, and which are there?
    Products(&'a str),
}

/// A question that may be asked, as a call.
pub(super) struct LookUp {
    pub(super) call: Call,
    caller: Option<CallerId>,
    credential: CredentialId,
}

impl LookUp {
    pub(super) const fn caller(&self) -> Option<CallerId> {
        self.caller
    }

    pub(super) const fn credential(&self) -> CredentialId {
        self.credential
    }
}

impl LookupPermit {
    /// The permit to ask whether a credential is accepted and how far it reaches, on nobody's behalf. What is answered goes
    /// to no caller, so no caller has to be allowed anything.
    pub(super) const fn to_probe(credential: CredentialId) -> Self {
        Self { caller: None, credential, scope: LookupScope::Probe }
    }

    /// The only credential that may ask.
    pub(super) const fn credential(&self) -> CredentialId {
        self.credential
    }

    /// On whose behalf; none where it is nobody's.
    pub(super) const fn caller(&self) -> Option<CallerId> {
        self.caller
    }

    /// The call that asks the question; none if the permit is not good for it, or the question is none.
    pub(super) fn ask(&self, passage: &Passage, question: Question<'_>) -> Option<LookUp> {
        use LookupScope::{Effects, Owners, Probe, Reach};
        let (scopes, path) = match question {
            Question::Order(receipt) => (&[Owners, Effects][..], format!("{API_PREFIX}/orders2/{receipt}")),
            Question::TicketsAbout(receipt) => (&[Effects][..], format!("{API_PREFIX}/tickets/list?receipt={receipt}")),
            Question::Ticket(id) => (&[Owners, Effects][..], format!("{API_PREFIX}/tickets/{id}")),
            Question::ShipNotices(receipt) => (&[Effects][..], format!("{API_PREFIX}/shipping2/shipnotice/{receipt}")),
            Question::Product(sku, site) => (&[Effects][..], format!("{API_PREFIX}/products/{sku}?site={site}")),
            Question::RefundAmount(receipt, Refund { kind, amount, sku }) => {
                let mut target = format!("{API_PREFIX}/tickets/refundAmounts/{receipt}");
                let pairs = [("refundType", Some(kind)), ("refundAmount", Some(amount)), ("sku", sku)];
                for (name, value) in pairs {
                    value.inspect(|value| write_pair(&mut target, name, value));
                }
                (&[Owners][..], target)
            }
            Question::Accounts => (&[Reach, Probe][..], format!("{API_PREFIX}/quickstats/accounts")),
            Question::AnalyticsStatus => (&[Probe][..], format!("{API_PREFIX}/analytics/status")),
            // Of all that ClickBank tells of a nickname's analytics, this takes no dates and has the fewest rows.
            Question::Analytics(nickname, party) => {
                let role = if party == Party::Vendor { "vendor" } else { "affiliate" };
                let selection = "subscription/details/cancelthirty";
                (&[Probe][..], format!("{API_PREFIX}/analytics/{role}/{selection}?account={nickname}"))
            }
            Question::Products(nickname) => {
                (&[Probe, Effects][..], format!("{API_PREFIX}/products/list?site={nickname}"))
            }
        };
        let is_permitted = scopes.contains(&self.scope);
        let call = Call::read(&passage.snapshot.policy.catalogue, "GET", &path).ok().filter(|_| is_permitted)?;
        Some(LookUp { call, caller: self.caller, credential: self.credential })
    }
}

/// A call that may go on.
pub struct Permitted {
    pub(super) passage: Passage,
    pub(super) call: Call,
    pub(super) answer: Option<AnswerType>,
    pub(super) page: Option<NonZeroU32>,
    pub(super) permit: Permit,
    named: Named,
}

impl Permitted {
    /// The proof.
    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The nickname that the request names, apart from what the call itself says.
    pub(super) const fn named(&self) -> Named {
        self.named
    }

    /// Has the call decided again, from the beginning, on what is known by now.
    pub(super) fn again(self) -> Result<Self, Rejection> {
        let Self { passage, call, answer, page, permit, named } = self;
        // What was added to confine the call is decided about like what the caller asked for, and decided alike.
        let classified = Classified { passage, caller: permit.caller, call, named, answer, page };
        Authorize.check(Resolve.check(classified)?)
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
        let Classified { passage, caller, mut call, named, answer, page } = classified;
        let policy = &passage.snapshot.policy;
        let endpoint = policy.catalogue.endpoint(call.endpoint()).ok_or(Rejection::UnknownEndpoint)?;
        match policy.decide(caller, endpoint, &call, &resolution) {
            Decision::Allow(allowance) | Decision::AllowIfOwned(allowance) => {
                let Allowance { nicknames, credential, safeguard } = allowance;
                if let Safeguard::RequestConfined(nickname) = safeguard {
                    call.confine(endpoint, policy.nicknames.name(nickname))?;
                }
                {
                    let mut facts = passage.trail.facts();
                    facts.allowed_because = Some(safeguard.as_str());
                    facts.credential = credential;
                    facts.nicknames = nicknames;
                }
                let permit = Permit { caller, nicknames, credential, safeguard };
                Ok(Permitted { passage, call, answer, page, permit, named })
            }
            Decision::Deny(denial) => {
                {
                    let mut facts = passage.trail.facts();
                    facts.allowed_because = None;
                    facts.nicknames = NicknameSet::default();
                }
                let about = resolution.effective.union(resolution.allowed.declared());
                let nicknames = policy.nicknames.names(&about).into_iter().map(str::to_owned).collect();
                Err(Rejection::from_denial(&denial, policy, endpoint.permissions, nicknames))
            }
        }
    }
}
