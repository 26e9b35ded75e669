//! The matrix key × permission → nicknames, and whom a call is about.

use std::collections::HashMap;

use super::call::Call;
use super::caps::CapTable;
use super::catalogue::Catalogue;
use super::credential::{Choice, Credentials, ScopeByPermission};
use super::decision::ChangeRules;
use super::endpoint::{Endpoint, Owner, Party};
use super::nickname::{NicknameId, NicknameSet, Nicknames, Scope};
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

/// A matrix to which callers are added one by one.
#[derive(Debug, Default)]
pub struct MatrixBuilder {
    matrix: Matrix,
    known: HashMap<Scope, u32>,
}

impl MatrixBuilder {
    /// Adds the next caller with its grants.
    pub fn push(&mut self, row: &ScopeByPermission) -> CallerId {
        let scopes = &mut self.matrix.scopes;
        let cells = Permission::ALL.map(|permission| {
            let scope = row.of(permission);
            *self.known.entry(scope).or_insert_with(|| {
                scopes.push(scope);
                u32::try_from(scopes.len() - 1).unwrap_or(u32::MAX)
            })
        });
        self.matrix.callers.push(cells);
        CallerId(u32::try_from(self.matrix.callers.len() - 1).unwrap_or(u32::MAX))
    }

    /// The matrix of all that were added.
    #[must_use]
    pub fn build(mut self) -> Matrix {
        self.matrix.callers.shrink_to_fit();
        self.matrix
    }
}

impl Matrix {
    /// The matrix whose rows are `grants`, in the order of the callers.
    #[must_use]
    pub fn new(grants: impl IntoIterator<Item = ScopeByPermission>) -> Self {
        let mut matrix = MatrixBuilder::default();
        for row in grants {
            matrix.push(&row);
        }
        matrix.build()
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
    /// What holds for calls that change something.
    pub changes: ChangeRules,
    /// How much may be changed.
    pub caps: CapTable,
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
                let confining = match call.value_at(role).and_then(Party::parse) {
                    Some(Party::Vendor) => allowed_at(vendor),
                    Some(Party::Affiliate) => allowed_at(affiliate),
                    None => None,
                };
                confining.map_or(NamedByRequest::Nothing, NamedByRequest::Allowed)
            }
            _ => NamedByRequest::Nothing,
        }
    }
}

enum NamedByRequest {
    Nothing,
    Allowed(NicknameId),
    Outside,
}
