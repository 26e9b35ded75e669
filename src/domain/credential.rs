//! What acts at ClickBank: real keys with their reach, and which of them acts for a call.

use super::nickname::{NicknameSet, Scope};
use super::permission::{Permission, PermissionSet};

/// Position of a credential in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId(u16);

impl CredentialId {
    /// The position, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What ClickBank gives a key, per permission. *Read/Write* includes *Read*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ScopeByPermission([Scope; Permission::COUNT]);

impl ScopeByPermission {
    /// Adds nicknames to a permission, and to what that permission includes.
    pub fn add(&mut self, permission: Permission, scope: &Scope) {
        for included in Permission::ALL {
            let includes =
                included == permission || (permission == Permission::OrdersWrite && included == Permission::OrdersRead);
            if includes && let Some(mine) = self.0.get_mut(included.index()) {
                *mine = mine.union(scope);
            }
        }
    }

    /// The nicknames of one permission.
    #[must_use]
    pub fn of(&self, permission: Permission) -> Scope {
        self.0.get(permission.index()).copied().unwrap_or_default()
    }

    /// The nicknames that have every one of these permissions; none when no permission is asked for.
    #[must_use]
    pub fn over(&self, permissions: PermissionSet) -> Scope {
        permissions
            .iter()
            .map(|permission| self.of(permission))
            .reduce(|all, scope| all.intersection(&scope))
            .unwrap_or_default()
    }
}

/// All credentials, with their reach worked out for every set of permissions that an endpoint can need.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    names: Vec<String>,
    reaches: Vec<ScopeByPermission>,
    /// By [`PermissionSet::index`], then by credential.
    over: Vec<Vec<Scope>>,
}

/// The credential proposed for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which one.
    pub credential: CredentialId,
    /// Whether ClickBank gives it nothing that the caller may not see, so that ClickBank itself confines the call.
    pub confined: bool,
}

impl Credentials {
    /// The most credentials that can be declared.
    pub const MAX: usize = 4_096;

    /// Takes over names and reaches, in the order of the configuration, of which only the first [`Credentials::MAX`]
    /// count.
    #[must_use]
    pub fn new(declared: impl IntoIterator<Item = (String, ScopeByPermission)>) -> Self {
        let (names, reaches): (Vec<_>, Vec<_>) = declared.into_iter().take(Self::MAX).unzip();
        let over = PermissionSet::all()
            .map(|permissions| reaches.iter().map(|reach: &ScopeByPermission| reach.over(permissions)).collect())
            .collect();
        Self { names, reaches, over }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name of a credential.
    #[must_use]
    pub fn name(&self, id: CredentialId) -> &str {
        self.names.get(id.index()).map_or("", String::as_str)
    }

    /// Names and reaches, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = (CredentialId, &str, &ScopeByPermission)> {
        let named = self.names.iter().zip(&self.reaches);
        (0_u16..).map(CredentialId).zip(named).map(|(id, (name, reach))| (id, name.as_str(), reach))
    }

    /// What a credential reaches over all of `permissions`.
    #[must_use]
    pub fn reach(&self, id: CredentialId, permissions: PermissionSet) -> Scope {
        self.over.get(permissions.index()).and_then(|scopes| scopes.get(id.index())).copied().unwrap_or_default()
    }

    /// The credential for a call that needs `permissions`, by a caller who may see `allowed`, about `effective`:
    /// one that reaches exactly what is allowed; else a confined one that reaches what the call is about; else the
    /// narrowest that does. Among equals the first in the file.
    #[must_use]
    pub fn choose(&self, permissions: PermissionSet, allowed: &Scope, effective: &NicknameSet) -> Option<Choice> {
        let reaches = self.over.get(permissions.index())?;
        if effective.is_subset(allowed.declared())
            && let Some((credential, _)) =
                (0_u16..).zip(reaches).find(|(_, reach)| *reach == allowed && !reach.is_empty())
        {
            return Some(Choice { credential: CredentialId(credential), confined: true });
        }
        let covering = (0_u16..)
            .map(CredentialId)
            .zip(reaches)
            .filter(|(_, reach)| !reach.is_empty() && effective.is_subset(reach.declared()));
        covering
            .map(|(credential, reach)| {
                let choice = Choice { credential, confined: reach.is_within(allowed) };
                ((!choice.confined, reach.breadth(), credential), choice)
            })
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, choice)| choice)
    }
}

#[cfg(test)]
mod tests {
    use super::super::nickname::{Nickname, NicknameKind, Nicknames};
    use super::*;

    struct Fixture {
        nicknames: Nicknames,
        credentials: Credentials,
    }

    fn set(nicknames: &Nicknames, names: &str) -> NicknameSet {
        names.split_whitespace().map(|name| nicknames.find(name).unwrap()).collect()
    }

    fn scope(nicknames: &Nicknames, names: &str) -> Scope {
        match names {
            "all" => Scope::all(nicknames.iter().map(|(id, ..)| id).collect()),
            _ => Scope::only(set(nicknames, names)),
        }
    }

    fn fixture(reaches: &[(&str, &str)]) -> Fixture {
        let mut nicknames = Nicknames::default();
        for name in ["a", "b", "c"] {
            nicknames.declare(Nickname::parse(name).unwrap(), NicknameKind::Seller).unwrap();
        }
        let credentials = Credentials::new(reaches.iter().map(|(name, names)| {
            let mut reach = ScopeByPermission::default();
            reach.add(Permission::OrdersRead, &scope(&nicknames, names));
            ((*name).to_owned(), reach)
        }));
        Fixture { nicknames, credentials }
    }

    #[test]
    fn the_credential_is_chosen_by_reach() {
        for (reaches, allowed, effective, expected) in [
            // Exactly what is allowed wins, wherever it stands.
            (&[("wide", "a b"), ("exact", "a")][..], "a", "a", Some(("exact", true))),
            (&[("narrow", "a"), ("exact", "a b")], "a b", "a", Some(("exact", true))),
            // Equal reach: the first in the file.
            (&[("old", "a"), ("new", "a")], "a", "a", Some(("old", true))),
            // Else a confined one that covers what the call is about.
            (&[("wide", "a b c"), ("part", "a")], "a b", "a", Some(("part", true))),
            // Else the narrowest that covers it.
            (&[("all", "all"), ("three", "a b c"), ("two", "a b")], "a", "a", Some(("two", false))),
            (&[("part", "a")], "a b", "a b", None),
            // All Accounts may hold more than what is declared, so it is wide for a list of all that is declared, ...
            (&[("all", "all")], "a b c", "a", Some(("all", false))),
            // ... and confined for All Accounts, ...
            (&[("all", "all")], "all", "a b c", Some(("all", true))),
            // ... for which a list of all that is declared is enough.
            (&[("three", "a b c")], "all", "a b c", Some(("three", true))),
            // No reach at all covers nothing, not even nothing.
            (&[("none", "")], "a", "", None),
            (&[("some", "b")], "a", "", Some(("some", false))),
        ] {
            let Fixture { nicknames, credentials } = fixture(reaches);
            let permissions = PermissionSet::default().with(Permission::OrdersRead);
            let chosen = credentials.choose(permissions, &scope(&nicknames, allowed), &set(&nicknames, effective));
            let chosen = chosen.map(|choice| (credentials.name(choice.credential), choice.confined));
            assert_eq!(chosen, expected, "{reaches:?} for {allowed:?} about {effective:?}");
        }
    }

    #[test]
    fn read_write_includes_read_and_two_permissions_meet_on_the_same_nickname() {
        let Fixture { nicknames, .. } = fixture(&[]);
        let mut reach = ScopeByPermission::default();
        reach.add(Permission::OrdersWrite, &scope(&nicknames, "a b"));
        reach.add(Permission::SubscriptionModification, &scope(&nicknames, "b c"));
        assert_eq!(reach.of(Permission::OrdersRead), scope(&nicknames, "a b"));
        let both = PermissionSet::default().with(Permission::OrdersWrite).with(Permission::SubscriptionModification);
        assert_eq!(reach.over(both), scope(&nicknames, "b"));
        assert_eq!(reach.over(PermissionSet::default()), Scope::default());
        assert!(reach.of(Permission::Analytics).is_empty());
    }
}
