//! The matrix key × permission → nicknames, and the decision on a call.
//!
//! [`Policy::decide`] is the only place where "may this caller do this?" is answered: `stage::authorize` asks it for a
//! live request, `can-i` for a question.

use std::collections::HashMap;

use super::call::Call;
use super::catalogue::Catalogue;
use super::credential::{Choice, CredentialId, Credentials, ScopeByPermission};
use super::endpoint::{Changes, Endpoint, Owner};
use super::nickname::{NicknameId, NicknameKind, NicknameSet, Nicknames, Scope};
use super::permission::{Permission, PermissionSet};

/// A caller: position of its key in the key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallerId(u32);

impl CallerId {
    /// The position, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// All grants. Scopes that several grants share are held once, since most keys look alike.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    scopes: Vec<Scope>,
    callers: Vec<[u32; Permission::COUNT]>,
}

impl Matrix {
    /// The matrix whose rows are `grants`, in the order of the callers.
    #[must_use]
    pub fn new(grants: impl IntoIterator<Item = ScopeByPermission>) -> Self {
        let mut matrix = Self::default();
        let mut known: HashMap<Scope, u32> = HashMap::new();
        for row in grants {
            let cells = Permission::ALL.map(|permission| {
                let scope = row.of(permission);
                *known.entry(scope).or_insert_with(|| {
                    matrix.scopes.push(scope);
                    u32::try_from(matrix.scopes.len() - 1).unwrap_or(u32::MAX)
                })
            });
            matrix.callers.push(cells);
        }
        matrix
    }

    /// The callers, in order.
    pub fn callers(&self) -> impl Iterator<Item = CallerId> + use<> {
        (0..u32::try_from(self.callers.len()).unwrap_or(u32::MAX)).map(CallerId)
    }

    /// What one caller is granted for one permission. A caller that does not exist is granted nothing.
    #[must_use]
    pub fn grant(&self, caller: CallerId, permission: Permission) -> Scope {
        let cell = self.callers.get(caller.index()).and_then(|row| row.get(permission.index()));
        cell.and_then(|scope| self.scopes.get(*scope as usize)).copied().unwrap_or_default()
    }

    /// The nicknames on which the caller has all of `permissions`; none when no permission is asked for.
    #[must_use]
    pub fn allowed(&self, caller: CallerId, permissions: PermissionSet) -> Scope {
        permissions
            .iter()
            .map(|permission| self.grant(caller, permission))
            .reduce(|all, scope| all.intersection(&scope))
            .unwrap_or_default()
    }
}

/// Everything that a decision depends on besides the call.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The endpoints.
    pub catalogue: Catalogue,
    /// The declared nicknames.
    pub nicknames: Nicknames,
    /// The credentials' reaches.
    pub credentials: Credentials,
    /// The grants.
    pub matrix: Matrix,
}

/// The nickname that a caller names for a call, by header or base path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// None: the call is about whatever it is about.
    Nothing,
    /// This one.
    Nickname(NicknameId),
    /// One that the configuration does not declare. It is treated exactly as one that is not granted.
    Undeclared,
}

/// Which nicknames a call is about, and which credential would act for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// What the caller may touch with this endpoint, shrunk to the nickname that it named.
    pub allowed: Scope,
    /// What the call is about.
    pub effective: NicknameSet,
    /// Whether the request names a nickname that is not allowed.
    pub outside: bool,
    /// The credential proposed.
    pub choice: Option<Choice>,
}

/// The answer to "may this caller do this?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The call goes on.
    Allow(Allowance),
    /// It does not.
    Deny(Denial),
}

/// What a call is allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Why.
    pub reason: Reason,
    /// The nicknames that it is about.
    pub nicknames: NicknameSet,
    /// The credential that acts; none for an open document.
    pub credential: Option<CredentialId>,
}

/// Why a call is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// ClickBank itself confines the credential to what the caller may see.
    Confined,
    /// The request names its owner, who is granted.
    OwnerNamed,
    /// The answer is about no account.
    NobodysData,
    /// An open document, fetched without a credential.
    Document,
}

impl Reason {
    /// The word in logs and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confined => "confined",
            Self::OwnerNamed => "owner-named",
            Self::NobodysData => "nobodys-data",
            Self::Document => "document",
        }
    }

    /// In a sentence.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Confined => "ClickBank itself confines the credential to nicknames that this key may see",
            Self::OwnerNamed => "the request names its nickname, which is granted",
            Self::NobodysData => "the answer is about no account",
            Self::Document => "an open document without data, fetched without a credential",
        }
    }
}

/// Why a call is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The endpoint is never granted.
    EndpointBlocked,
    /// The caller lacks a permission, or has them on different nicknames only.
    PermissionMissing {
        /// What the endpoint needs.
        needed: PermissionSet,
        /// What the caller has nowhere. Empty when it has all, but no two on the same nickname.
        missing: PermissionSet,
    },
    /// The request names a nickname that is not granted for this endpoint, or not declared.
    NicknameNotGranted,
    /// The call would pass for one of these alone.
    NicknameRequired(Box<NicknameSet>),
    /// No credential is confined to what the caller may see, and without one the call cannot be judged.
    ConfinedCredentialRequired(Unconfined),
    /// It needs something that this release does not do yet.
    NotSupported(Unsupported),
}

/// Why a confined credential is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unconfined {
    /// No credential reaches what the call is about.
    NoCredential,
    /// The only ones that do reach more than the caller may see, and nothing in request or answer tells whose data it
    /// is.
    OwnerNowhere,
    /// A list whose page structure and counts would tell of others' rows.
    List,
    /// Orders seen as an affiliate.
    AffiliateRole,
    /// A parameter that the configuration lets through without knowing what it does.
    ForwardedParameter,
}

/// What this release does not do yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// A change on a receipt or ticket.
    Change,
    /// Looking up whose order it is, behind a credential that reaches more than the caller may see.
    LookUp,
    /// Confining the request or filtering the answer behind such a credential.
    Filter,
}

impl Policy {
    /// Which nicknames a call is about, and which credential would act.
    #[must_use]
    pub fn resolve(&self, caller: CallerId, endpoint: &Endpoint, call: &Call, named: Named) -> Resolution {
        let granted = self.matrix.allowed(caller, endpoint.permissions);
        let mut outside = false;
        let allowed = match named {
            Named::Nothing => granted,
            Named::Nickname(id) if granted.declared().contains(id) => Scope::only(NicknameSet::single(id)),
            Named::Nickname(_) | Named::Undeclared => {
                outside = true;
                Scope::default()
            }
        };
        let effective = match self.named_by_request(endpoint, call, &allowed) {
            NamedByRequest::Nothing if endpoint.owner == Owner::Nobody => NicknameSet::default(),
            NamedByRequest::Nothing => *allowed.declared(),
            NamedByRequest::Allowed(id) => NicknameSet::single(id),
            NamedByRequest::Outside => {
                outside = true;
                NicknameSet::default()
            }
        };
        let choice = if outside || allowed.is_empty() {
            None
        } else {
            self.credentials.choose(endpoint.permissions, &allowed, &effective)
        };
        Resolution { allowed, effective, outside, choice }
    }

    fn named_by_request(&self, endpoint: &Endpoint, call: &Call, allowed: &Scope) -> NamedByRequest {
        let allowed_at = |position| {
            let id = call.value_at(position).and_then(|value| self.nicknames.find(value));
            id.filter(|id| allowed.declared().contains(*id))
        };
        match endpoint.owner {
            Owner::Parameter(position) | Owner::AccountFilter(position) => match call.value_at(position) {
                None => NamedByRequest::Nothing,
                Some(_) => allowed_at(position).map_or(NamedByRequest::Outside, NamedByRequest::Allowed),
            },
            Owner::OrderFilters { vendor, affiliate, role } => {
                // Naming a counterparty is no touch: only together with the role does a filter say whose orders.
                let confining = match call.value_at(role) {
                    Some("VENDOR") => allowed_at(vendor),
                    Some("AFFILIATE") => allowed_at(affiliate),
                    _ => None,
                };
                confining.map_or(NamedByRequest::Nothing, NamedByRequest::Allowed)
            }
            _ => NamedByRequest::Nothing,
        }
    }

    /// Whether the caller may make this call, why, and with which credential. `resolution` is what
    /// [`Policy::resolve`] said of the same caller, call and name.
    #[must_use]
    pub fn decide(
        &self,
        caller: CallerId,
        endpoint: &Endpoint,
        call: &Call,
        named: Named,
        resolution: &Resolution,
    ) -> Decision {
        match self.judge(caller, endpoint, call, resolution) {
            Err(
                denial @ (Denial::ConfinedCredentialRequired(_)
                | Denial::NotSupported(Unsupported::LookUp | Unsupported::Filter)),
            ) if named == Named::Nothing => {
                let alone = self.passing_alone(caller, endpoint, call, &resolution.allowed);
                Decision::Deny(if alone.is_empty() { denial } else { Denial::NicknameRequired(Box::new(alone)) })
            }
            Err(denial) => Decision::Deny(denial),
            Ok(allowance) => Decision::Allow(allowance),
        }
    }

    /// The nicknames for which the call would pass if the caller named one of them.
    fn passing_alone(&self, caller: CallerId, endpoint: &Endpoint, call: &Call, allowed: &Scope) -> NicknameSet {
        let passes = |id: &NicknameId| {
            let resolution = self.resolve(caller, endpoint, call, Named::Nickname(*id));
            self.judge(caller, endpoint, call, &resolution).is_ok()
        };
        allowed.declared().iter().filter(passes).collect()
    }

    fn judge(
        &self,
        caller: CallerId,
        endpoint: &Endpoint,
        call: &Call,
        resolution: &Resolution,
    ) -> Result<Allowance, Denial> {
        match endpoint.owner {
            Owner::Credential => return Err(Denial::EndpointBlocked),
            Owner::Document => {
                return Ok(Allowance { reason: Reason::Document, nicknames: NicknameSet::default(), credential: None });
            }
            _ => {}
        }
        self.check_grants(caller, endpoint, resolution)?;
        check_supported(endpoint)?;
        let choice = resolution.choice.ok_or(Denial::ConfinedCredentialRequired(Unconfined::NoCredential))?;
        if call.has_forwarded() && !choice.confined {
            return Err(Denial::ConfinedCredentialRequired(Unconfined::ForwardedParameter));
        }
        let reason = if endpoint.owner == Owner::Nobody {
            Reason::NobodysData
        } else if choice.confined {
            Reason::Confined
        } else {
            let kind = resolution.effective.only().and_then(|id| self.nicknames.kind(id));
            judge_wide(endpoint, call, kind)?
        };
        Ok(Allowance { reason, nicknames: resolution.effective, credential: Some(choice.credential) })
    }

    fn check_grants(&self, caller: CallerId, endpoint: &Endpoint, resolution: &Resolution) -> Result<(), Denial> {
        let needed = endpoint.permissions;
        let missing: PermissionSet =
            needed.iter().filter(|permission| self.matrix.grant(caller, *permission).is_empty()).collect();
        if !missing.is_empty() || self.matrix.allowed(caller, needed).is_empty() {
            return Err(Denial::PermissionMissing { needed, missing });
        }
        if resolution.outside { Err(Denial::NicknameNotGranted) } else { Ok(()) }
    }
}

/// A change on a receipt or ticket needs its owner proven first.
fn check_supported(endpoint: &Endpoint) -> Result<(), Denial> {
    match endpoint.owner {
        Owner::Receipt(_) | Owner::Ticket(_) if endpoint.changes != Changes::Nothing => {
            Err(Denial::NotSupported(Unsupported::Change))
        }
        _ => Ok(()),
    }
}

/// What it takes behind a credential that reaches more than the caller may see. `kind` is that of the only nickname that
/// the call is about; none when there are several.
fn judge_wide(endpoint: &Endpoint, call: &Call, kind: Option<NicknameKind>) -> Result<Reason, Denial> {
    match endpoint.owner {
        Owner::Parameter(_) => Ok(Reason::OwnerNamed),
        Owner::Nobody => Ok(Reason::NobodysData),
        // An affiliate's orders are seen in no other role, so leaving it out asks for the same.
        Owner::OrderFilters { role, .. }
            if call.value_at(role).map_or(kind == Some(NicknameKind::Affiliate), |role| role == "AFFILIATE") =>
        {
            Err(Denial::ConfinedCredentialRequired(Unconfined::AffiliateRole))
        }
        Owner::AccountFilter(_) | Owner::OrderFilters { .. } | Owner::AnswerRows | Owner::AnswerAccounts => {
            Err(Denial::NotSupported(Unsupported::Filter))
        }
        Owner::Receipt(_) | Owner::Ticket(_) => Err(Denial::NotSupported(Unsupported::LookUp)),
        Owner::AnswerList(receipt) | Owner::Tickets(receipt) => Err(if call.has_receipt_at(receipt) {
            Denial::NotSupported(Unsupported::LookUp)
        } else {
            Denial::ConfinedCredentialRequired(Unconfined::List)
        }),
        Owner::Nowhere => Err(Denial::ConfinedCredentialRequired(Unconfined::OwnerNowhere)),
        Owner::Document | Owner::Credential => Err(Denial::EndpointBlocked),
    }
}

enum NamedByRequest {
    Nothing,
    Allowed(NicknameId),
    Outside,
}
