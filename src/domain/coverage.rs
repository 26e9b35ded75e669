//! Which ClickBank keys would let ClickBank itself confine every caller, and are not declared.
//!
//! Behind a credential that reaches exactly what a caller may see, a call is answered as if ClickBank had given that
//! caller a key of its own: lists, pages and counts included. `check` lists what is missing for that.

use super::endpoint::{Endpoint, Owner};
use super::matrix::{CallerId, Policy};
use super::nickname::Scope;
use super::permission::{Permission, PermissionSet};

/// A ClickBank key that somebody would have to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingCredential {
    /// The nicknames that it has to reach, no more and no less.
    pub scope: Scope,
    /// The permissions that it needs on them. *Read/Write* stands for *Read* too.
    pub permissions: PermissionSet,
    /// The callers that it is for.
    pub callers: Vec<CallerId>,
}

impl Policy {
    /// The keys that `callers` lack, one for each set of nicknames, in the order of the callers.
    #[must_use]
    pub fn missing_credentials(&self, callers: impl IntoIterator<Item = CallerId>) -> Vec<MissingCredential> {
        let needed = self.permissions_of_owned_data();
        let mut missing: Vec<MissingCredential> = Vec::new();
        for caller in callers {
            for permissions in &needed {
                let scope = self.matrix.allowed(caller, *permissions);
                if scope.is_empty()
                    || self.credentials.iter().any(|(id, ..)| self.credentials.reach(id, *permissions) == scope)
                {
                    continue;
                }
                let position = missing.iter().position(|other| other.scope == scope).unwrap_or_else(|| {
                    missing.push(MissingCredential {
                        scope,
                        permissions: PermissionSet::default(),
                        callers: Vec::new(),
                    });
                    missing.len() - 1
                });
                if let Some(entry) = missing.get_mut(position) {
                    entry.permissions = entry.permissions.iter().chain(permissions.iter()).collect();
                    if entry.callers.last() != Some(&caller) {
                        entry.callers.push(caller);
                    }
                }
            }
        }
        for entry in &mut missing {
            let read = |permission: &Permission| *permission == Permission::OrdersRead;
            if entry.permissions.contains(Permission::OrdersWrite) {
                entry.permissions = entry.permissions.iter().filter(|permission| !read(permission)).collect();
            }
        }
        missing
    }

    /// Every set of permissions that some endpoint with an account's data asks for.
    fn permissions_of_owned_data(&self) -> Vec<PermissionSet> {
        let owned =
            |endpoint: &Endpoint| !matches!(endpoint.owner, Owner::Nobody | Owner::Document | Owner::Credential);
        PermissionSet::all()
            .filter(|set| self.catalogue.iter().any(|(_, endpoint)| owned(endpoint) && endpoint.permissions == *set))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::caps::CapTable;
    use super::super::catalogue::Catalogue;
    use super::super::credential::{Credentials, ScopeByPermission};
    use super::super::decision::ChangeRules;
    use super::super::matrix::Matrix;
    use super::super::nickname::{Nickname, NicknameKind, Nicknames};
    use super::*;
    use crate::config::built_in_endpoints;

    type Grants<'a> = &'a [(Permission, &'a str)];

    fn scopes(nicknames: &Nicknames, grants: Grants<'_>) -> ScopeByPermission {
        let mut scopes = ScopeByPermission::default();
        for (permission, names) in grants {
            let scope = match *names {
                "all" => Scope::all(nicknames.iter().map(|(id, ..)| id).collect()),
                _ => Scope::only(names.split_whitespace().map(|name| nicknames.find(name).unwrap()).collect()),
            };
            scopes.add(*permission, &scope);
        }
        scopes
    }

    /// What is missing for these callers with these credentials, in words.
    fn missing(credentials: &[Grants<'_>], callers: &[Grants<'_>]) -> Vec<String> {
        let mut nicknames = Nicknames::default();
        for name in ["a", "b", "c"] {
            nicknames.declare(Nickname::parse(name).unwrap(), NicknameKind::Both).unwrap();
        }
        let reaches = credentials.iter().map(|grants| (String::new(), scopes(&nicknames, grants)));
        let policy = Policy {
            catalogue: Catalogue::new(built_in_endpoints().unwrap()),
            credentials: Credentials::new(reaches),
            matrix: Matrix::new(callers.iter().map(|grants| scopes(&nicknames, grants))),
            nicknames,
            changes: ChangeRules::default(),
            caps: CapTable::default(),
        };
        let missing = policy.missing_credentials(policy.matrix.callers());
        let in_words = missing.iter().map(|missing| {
            let names = policy.nicknames.names(missing.scope.declared()).join(" ");
            let all = if missing.scope.is_all() { "all of " } else { "" };
            let callers: Vec<usize> = missing.callers.iter().map(|caller| caller.index()).collect();
            format!("{all}{names}: {} for {callers:?}", missing.permissions)
        });
        in_words.collect()
    }

    #[test]
    fn an_exact_reach_is_enough_and_any_other_is_not() {
        use Permission::{Analytics, OrdersRead, OrdersWrite, SubscriptionModification};
        for (credentials, callers, expected) in [
            (&[][..], &[][..], &[][..]),
            (&[], &[&[][..]], &[]),
            (&[&[(OrdersRead, "a")][..]], &[&[(OrdersRead, "a")]], &[]),
            (&[&[(OrdersRead, "a b")]], &[&[(OrdersRead, "a")]], &["a: orders_read for [0]"]),
            (&[&[(OrdersRead, "a")]], &[&[(OrdersRead, "a b")]], &["a b: orders_read for [0]"]),
            (&[&[(OrdersRead, "a b c")]], &[&[(OrdersRead, "all")]], &["all of a b c: orders_read for [0]"]),
            (&[&[(OrdersWrite, "a")]], &[&[(OrdersRead, "a")]], &[]),
            (&[], &[&[(OrdersWrite, "a")]], &["a: orders_write for [0]"]),
            (
                &[&[(Analytics, "a b")]],
                &[&[(OrdersRead, "a")], &[(Analytics, "a")], &[(Analytics, "a b")], &[(OrdersRead, "b")]],
                &["a: analytics, orders_read for [0, 1]", "b: orders_read for [3]"],
            ),
            // Two permissions on different nicknames meet on what they share.
            (
                &[&[(OrdersWrite, "a b")], &[(SubscriptionModification, "b c")]],
                &[&[(OrdersWrite, "a b"), (SubscriptionModification, "b c")]],
                &["b: orders_write, subscription_modification for [0]"],
            ),
        ] {
            assert_eq!(missing(credentials, callers), expected, "{credentials:?} {callers:?}");
        }
    }
}
