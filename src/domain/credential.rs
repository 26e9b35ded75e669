//! What acts at ClickBank: real keys with their reach, and which of them acts for a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

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
    /// What has been found out about each reach since it was declared.
    found: Vec<Arc<AtomicU8>>,
}

// What was found out about a reach. From that there is no way back but a new configuration.

/// ClickBank was asked.
const SEEN: u8 = 1;
/// ClickBank shows more than is declared.
const WIDER: u8 = 2;
/// ClickBank shows less than is declared.
const NARROWER: u8 = 4;

// What was found out about whether ClickBank accepts the credential. Each probe says it anew.

/// A probe was answered, the last one that said anything.
const ALIVE: u8 = 8;
/// A probe was refused, the last one that said anything.
const DEAD: u8 = 16;
/// A call was refused since the last answer, which may have many reasons.
const SUSPECTED: u8 = 32;

/// Whether ClickBank accepts a credential, as far as probes have told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// No probe has told.
    Unknown,
    /// It does.
    Alive,
    /// It does not.
    Dead,
}

impl Life {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Unknown, Self::Alive, Self::Dead];

    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Alive => "alive",
            Self::Dead => "dead",
        }
    }
}

/// What is being found out about one credential, wherever it is shared.
#[derive(Clone, Debug)]
pub struct Findings(Arc<AtomicU8>);

impl Findings {
    /// Whether they are the same findings, and so of the same key of ClickBank's.
    #[must_use]
    pub fn are_those_of(&self, credentials: &Credentials, id: CredentialId) -> bool {
        credentials.found.get(id.index()).is_some_and(|found| Arc::ptr_eq(&self.0, found))
    }
}

/// How the reach that ClickBank shows compares with the one that is declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// It holds a nickname that is not declared.
    pub wider: bool,
    /// It lacks a nickname that is declared.
    pub narrower: bool,
}

/// What is known of how the reach of a credential that ClickBank shows compares with the one that is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// ClickBank has not been asked yet.
    Unseen,
    /// They are the same.
    Verified,
    /// It holds a nickname that is not declared.
    Wider,
    /// It lacks a nickname that is declared. It may be wider all the same.
    Narrower,
}

impl Finding {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Unseen, Self::Verified, Self::Wider, Self::Narrower];

    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unseen => "unseen",
            Self::Verified => "verified",
            Self::Wider => "wider",
            Self::Narrower => "narrower",
        }
    }
}

/// The credential proposed for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which one.
    pub credential: CredentialId,
    /// Whether ClickBank gives it nothing that the caller may not see, so that ClickBank itself confines the call.
    pub confined: bool,
}

/// The credential proposed for looking up whose an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Which one.
    pub credential: CredentialId,
    /// Whether ClickBank has to be asked first if it shows all that is declared: a seller whom the credential does not
    /// reach would stay hidden.
    pub verify: bool,
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
        let found = names.iter().map(|_| Arc::default()).collect();
        Self { names, reaches, over, found }
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

    /// Has this credential and one of `others` share what is found out about their reach from now on. They have to be the
    /// same key of ClickBank's, of which the same is declared.
    pub fn share_findings(&mut self, id: CredentialId, others: &Self, other: CredentialId) {
        if let (Some(mine), Some(theirs)) = (self.found.get_mut(id.index()), others.found.get(other.index())) {
            *mine = Arc::clone(theirs);
        }
    }

    /// Whether ClickBank was asked how far the credential reaches.
    #[must_use]
    pub fn is_seen(&self, id: CredentialId) -> bool {
        self.found(id) & SEEN != 0
    }

    /// Whether ClickBank was asked, and gives the credential nothing else than is declared.
    #[must_use]
    pub fn is_verified(&self, id: CredentialId) -> bool {
        self.found(id) & (SEEN | WIDER) == SEEN
    }

    /// Whether ClickBank was found to give the credential more than is declared. It is confined for nobody then.
    #[must_use]
    pub fn is_doubted(&self, id: CredentialId) -> bool {
        self.found(id) & WIDER != 0
    }

    /// Whether ClickBank was found to give the credential less than is declared. What it does not show proves nothing
    /// then.
    #[must_use]
    pub fn is_narrower(&self, id: CredentialId) -> bool {
        self.found(id) & NARROWER != 0
    }

    /// What is being found out about a credential.
    #[must_use]
    pub fn findings(&self, id: CredentialId) -> Option<Findings> {
        self.found.get(id.index()).map(|found| Findings(Arc::clone(found)))
    }

    /// Whether ClickBank accepts the credential.
    #[must_use]
    pub fn life(&self, id: CredentialId) -> Life {
        match self.found(id) & (ALIVE | DEAD) {
            ALIVE => Life::Alive,
            DEAD => Life::Dead,
            _ => Life::Unknown,
        }
    }

    /// Whether a probe has proven that ClickBank does not accept the credential.
    #[must_use]
    pub fn is_dead(&self, id: CredentialId) -> bool {
        self.life(id) == Life::Dead
    }

    /// Whether a call was refused since the last answer.
    #[must_use]
    pub fn is_suspected(&self, id: CredentialId) -> bool {
        self.found(id) & SUSPECTED != 0
    }

    /// Notes that a call was refused. That proves nothing: ClickBank refuses alike what a key may not see.
    pub fn suspect(&self, id: CredentialId) {
        self.replace(id, 0, SUSPECTED);
    }

    /// Notes that a call was answered, so that what was refused before was refused for another reason.
    pub fn trust_again(&self, id: CredentialId) {
        if self.is_suspected(id) {
            self.replace(id, SUSPECTED, 0);
        }
    }

    /// Notes that a probe was answered.
    pub fn revive(&self, id: CredentialId) {
        self.replace(id, DEAD | SUSPECTED, ALIVE);
    }

    /// Notes that a probe was refused, which proves that ClickBank does not accept the credential.
    pub fn bury(&self, id: CredentialId) {
        self.replace(id, ALIVE | SUSPECTED, DEAD);
    }

    /// Which credential acts in place of a dead one for what needs `permissions`: the first in the file of those that
    /// are not dead and reach exactly the same with them. Of one that was found to reach more than is declared nobody
    /// knows what it reaches, so it stands in for none but another such one.
    #[must_use]
    pub fn in_place_of(&self, dead: CredentialId, permissions: PermissionSet) -> Option<CredentialId> {
        let reach = self.reach(dead, permissions);
        let reaches = self.over.get(permissions.index()).filter(|_| !reach.is_empty())?;
        (0_u16..)
            .map(CredentialId)
            .zip(reaches)
            .filter(|(id, other)| **other == reach && !self.is_dead(*id))
            .find(|(id, _)| !self.is_doubted(*id) || self.is_doubted(dead))
            .map(|(id, _)| id)
    }

    /// This credential, or whichever acts in its place if it is dead and there is one. Nothing else about the choice
    /// changes: both reach the same.
    fn alive(&self, id: CredentialId, permissions: PermissionSet) -> CredentialId {
        if self.is_dead(id) { self.in_place_of(id, permissions).unwrap_or(id) } else { id }
    }

    /// Whether this was found out about a credential.
    #[must_use]
    pub fn is_found(&self, id: CredentialId, finding: Finding) -> bool {
        // Whether ClickBank accepts the credential is another question.
        let found = self.found(id) & (SEEN | WIDER | NARROWER);
        match finding {
            Finding::Unseen => found == 0,
            Finding::Verified => found == SEEN,
            Finding::Wider => found & WIDER != 0,
            Finding::Narrower => found & NARROWER != 0,
        }
    }

    fn found(&self, id: CredentialId) -> u8 {
        self.found.get(id.index()).map_or(0, |found| found.load(Ordering::Acquire))
    }

    fn note(&self, id: CredentialId, what: u8) {
        self.replace(id, 0, what);
    }

    fn replace(&self, id: CredentialId, no_longer: u8, but: u8) {
        if let Some(found) = self.found.get(id.index()) {
            found.update(Ordering::AcqRel, Ordering::Acquire, |found| (found & !no_longer) | but);
        }
    }

    /// Notes what ClickBank said when it was asked how far the credential reaches. Of two findings the worse one stays.
    pub fn see(&self, id: CredentialId, seen: Seen) {
        let wider = if seen.wider { WIDER } else { 0 };
        let narrower = if seen.narrower { NARROWER } else { 0 };
        self.note(id, SEEN | wider | narrower);
    }

    /// Notes that ClickBank gives the credential more than is declared.
    pub fn doubt(&self, id: CredentialId) {
        self.note(id, WIDER);
    }

    /// The credential for a call that needs `permissions`, by a caller who may see `allowed`, about `effective`:
    /// one that reaches exactly what is allowed; else a confined one that reaches what the call is about; else the
    /// narrowest that does. Among equals the first in the file that is not dead, or the first if all are. One that was
    /// found to reach more than is declared is wider than all others.
    #[must_use]
    pub fn choose(&self, permissions: PermissionSet, allowed: &Scope, effective: &NicknameSet) -> Option<Choice> {
        let chosen = self.choose_by_reach(permissions, allowed, effective)?;
        Some(Choice { credential: self.alive(chosen.credential, permissions), ..chosen })
    }

    fn choose_by_reach(&self, permissions: PermissionSet, allowed: &Scope, effective: &NicknameSet) -> Option<Choice> {
        let reaches = self.over.get(permissions.index())?;
        if effective.is_subset(allowed.declared())
            && let Some((credential, _)) = (0_u16..)
                .map(CredentialId)
                .zip(reaches)
                .find(|(credential, reach)| *reach == allowed && !reach.is_empty() && !self.is_doubted(*credential))
        {
            return Some(Choice { credential, confined: true });
        }
        let covering = (0_u16..)
            .map(CredentialId)
            .zip(reaches)
            .filter(|(_, reach)| !reach.is_empty() && effective.is_subset(reach.declared()));
        covering
            .map(|(credential, reach)| {
                let doubted = self.is_doubted(credential);
                let choice = Choice { credential, confined: !doubted && reach.is_within(allowed) };
                ((!choice.confined, doubted, reach.breadth(), credential), choice)
            })
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, choice)| choice)
    }

    /// The credential for looking up whose order it is that a call by `acting` is about: one that can read orders and
    /// sees at least what `acting` reaches with `permissions`, so that no seller stays hidden. `acting` itself if it
    /// does; else the narrowest, or one of equal reach in place of a dead one.
    #[must_use]
    pub fn looking_up(&self, acting: CredentialId, permissions: PermissionSet) -> Option<Witness> {
        let reads = PermissionSet::default().with(Permission::OrdersRead);
        let needed = self.reach(acting, permissions);
        // What reads or changes an order can read it, whatever is declared.
        let orders_alone = permissions.iter().all(|it| matches!(it, Permission::OrdersRead | Permission::OrdersWrite));
        let is_own = |id| id == acting && orders_alone;
        let seeing = (0_u16..).map(CredentialId).take(self.len()).filter(|id| {
            let reach = self.reach(*id, reads);
            !reach.is_empty() && needed.is_within(&reach) && (is_own(*id) || !self.is_narrower(*id))
        });
        let chosen = if seeing.clone().any(|id| id == acting) {
            Some(acting)
        } else if self.is_doubted(acting) {
            // How far it really reaches is not known, so no other is known to see as much.
            None
        } else {
            let narrowest = seeing.clone().min_by_key(|id| (self.reach(*id, reads).breadth(), *id));
            narrowest.map(|dead| {
                let same = |id: &CredentialId| self.reach(*id, reads) == self.reach(dead, reads);
                seeing.clone().filter(|id| !self.is_dead(*id)).find(same).unwrap_or(dead)
            })
        };
        chosen.map(|credential| Witness { credential, verify: !is_own(credential) })
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
    fn a_doubted_credential_is_confined_for_nobody_and_stays_doubted() {
        let Fixture { nicknames, credentials } = fixture(&[("exact", "a"), ("part", "a b"), ("all", "all")]);
        let reads = PermissionSet::default().with(Permission::OrdersRead);
        let choose = || {
            let chosen = credentials.choose(reads, &scope(&nicknames, "a"), &set(&nicknames, "a")).unwrap();
            (credentials.name(chosen.credential).to_owned(), chosen.confined)
        };
        let (exact, ..) = credentials.iter().next().unwrap();
        assert_eq!(choose(), ("exact".to_owned(), true));
        assert_eq!((credentials.len(), credentials.is_empty(), Credentials::default().is_empty()), (3, false, true));
        assert!(!credentials.is_seen(exact) && !credentials.is_verified(exact));
        credentials.see(exact, Seen::default());
        assert!(credentials.is_verified(exact) && !credentials.is_narrower(exact));
        credentials.doubt(exact);
        credentials.see(exact, Seen { narrower: true, wider: false });
        assert!(credentials.is_doubted(exact) && credentials.is_narrower(exact) && !credentials.is_verified(exact));
        // Even All Accounts says how far it reaches.
        assert_eq!(choose(), ("part".to_owned(), false));
    }

    #[test]
    fn a_dead_credential_is_passed_over_for_one_of_equal_reach_and_for_no_other() {
        // (reaches, the dead ones, the doubted ones) for a caller of `a`, about `a`.
        for (reaches, dead, doubted, expected) in [
            (&[("old", "a"), ("new", "a")][..], &[0][..], &[][..], Some(("new", true))),
            (&[("old", "a"), ("new", "a")], &[1], &[], Some(("old", true))),
            // If all are, nothing changes.
            (&[("old", "a"), ("new", "a")], &[0, 1], &[], Some(("old", true))),
            // None is widened: neither is a wide one chosen in place of a confined one, ...
            (&[("exact", "a"), ("wide", "a b")], &[0], &[], Some(("exact", true))),
            (&[("exact", "a"), ("all", "all")], &[0], &[], Some(("exact", true))),
            // ... nor one of which it is not known how far it reaches, ...
            (&[("old", "a"), ("new", "a")], &[0], &[1], Some(("old", true))),
            // ... nor a wider one in place of a wide one.
            (&[("two", "a b"), ("three", "a b c")], &[0], &[], Some(("two", false))),
            (&[("two", "a b"), ("three", "a b c"), ("other", "a b")], &[0], &[], Some(("other", false))),
            // As wide, but of others, is not equal.
            (&[("two", "a b"), ("other", "a c")], &[0], &[], Some(("two", false))),
            // A list of all that is declared is not All Accounts.
            (&[("three", "a b c"), ("all", "all")], &[0], &[], Some(("three", false))),
            // Of those that are doubted one is as good as another.
            (&[("old", "a"), ("new", "a")], &[0], &[0, 1], Some(("new", false))),
            (&[("wide", "a b"), ("old", "a"), ("new", "a")], &[1], &[1, 2], Some(("wide", false))),
        ] {
            let Fixture { nicknames, credentials } = fixture(reaches);
            for position in dead {
                credentials.bury(CredentialId(*position));
            }
            for position in doubted {
                credentials.doubt(CredentialId(*position));
            }
            let reads = PermissionSet::default().with(Permission::OrdersRead);
            let choose = || {
                let chosen = credentials.choose(reads, &scope(&nicknames, "a"), &set(&nicknames, "a"));
                chosen.map(|choice| (credentials.name(choice.credential).to_owned(), choice.confined))
            };
            let expected = expected.map(|(name, confined)| (name.to_owned(), confined));
            assert_eq!(choose(), expected, "{reaches:?}, {dead:?} dead, {doubted:?} doubted");
            // There is a way back, and then it is as if nothing had happened.
            for position in dead {
                credentials.revive(CredentialId(*position));
            }
            let fresh = fixture(reaches).credentials;
            for position in doubted {
                fresh.doubt(CredentialId(*position));
            }
            let before = fresh.choose(reads, &scope(&nicknames, "a"), &set(&nicknames, "a")).unwrap();
            assert_eq!(choose(), Some((fresh.name(before.credential).to_owned(), before.confined)), "{reaches:?}");
        }
    }

    #[test]
    fn equal_is_what_reaches_the_same_with_all_permissions_of_the_call() {
        use Permission::{OrdersRead, OrdersWrite, Products};
        let Fixture { nicknames, .. } = fixture(&[]);
        let credentials = declare(
            &nicknames,
            &[&[(OrdersWrite, "a"), (Products, "a")], &[(OrdersRead, "a"), (Products, "a b")], &[(OrdersWrite, "a")]],
        );
        credentials.bury(CredentialId(0));
        let instead = |permission| credentials.in_place_of(CredentialId(0), PermissionSet::default().with(permission));
        assert_eq!(instead(OrdersRead), Some(CredentialId(1)));
        assert_eq!(instead(OrdersWrite), Some(CredentialId(2)));
        assert_eq!(instead(Products), None);
        assert_eq!(instead(Permission::Analytics), None, "nothing stands in for nothing");
    }

    #[test]
    fn only_a_probe_says_that_a_credential_is_dead_or_alive() {
        let Fixture { credentials, .. } = fixture(&[("old", "a")]);
        let (id, ..) = credentials.iter().next().unwrap();
        assert_eq!((credentials.life(id), credentials.is_suspected(id)), (Life::Unknown, false));
        credentials.suspect(id);
        credentials.see(id, Seen::default());
        assert_eq!((credentials.life(id), credentials.is_suspected(id)), (Life::Unknown, true));
        credentials.trust_again(id);
        assert_eq!((credentials.life(id), credentials.is_suspected(id)), (Life::Unknown, false));
        credentials.suspect(id);
        credentials.bury(id);
        assert_eq!((credentials.life(id), credentials.is_suspected(id)), (Life::Dead, false));
        credentials.trust_again(id);
        assert!(credentials.is_dead(id) && credentials.is_verified(id));
        credentials.suspect(id);
        credentials.revive(id);
        assert_eq!((credentials.life(id), credentials.is_suspected(id)), (Life::Alive, false));
        assert!(credentials.is_verified(id), "what was found out about its reach stays");
        assert!(credentials.is_found(id, Finding::Verified) && !credentials.is_found(id, Finding::Unseen));
    }

    #[test]
    fn a_dead_credential_looks_up_only_where_none_of_equal_reach_does() {
        use Permission::{OrdersRead, SubscriptionModification};
        let Fixture { nicknames, .. } = fixture(&[]);
        let changes = PermissionSet::default().with(SubscriptionModification);
        let acts = [(SubscriptionModification, "a")];
        for (readers, dead, narrower, expected) in [
            (&["a", "a"][..], &[1][..], &[][..], 2),
            (&["a", "a"], &[1, 2], &[], 1),
            (&["a", "a b"], &[1], &[], 1),
            (&["a", "a", "a"], &[1], &[2], 3),
        ] {
            let readers: Vec<[(Permission, &str); 1]> = readers.iter().map(|names| [(OrdersRead, *names)]).collect();
            let all: Vec<&[(Permission, &str)]> =
                std::iter::once(&acts[..]).chain(readers.iter().map(|it| &it[..])).collect();
            let declared = declare(&nicknames, &all);
            for position in dead {
                declared.bury(CredentialId(*position));
            }
            let seen = Seen { narrower: true, wider: false };
            for position in narrower {
                declared.see(CredentialId(*position), seen);
            }
            let expected = Some(Witness { credential: CredentialId(expected), verify: true });
            assert_eq!(declared.looking_up(CredentialId(0), changes), expected, "{readers:?} {dead:?}");
        }
    }

    #[test]
    fn whoever_looks_up_sees_at_least_what_the_acting_credential_reaches() {
        use Permission::{OrdersRead, OrdersWrite, SubscriptionModification};
        let Fixture { nicknames, .. } = fixture(&[]);
        let changes = PermissionSet::default().with(SubscriptionModification);
        let narrower = |credentials: &Credentials, position| {
            credentials.see(CredentialId(position), Seen { narrower: true, wider: false });
        };
        let as_declared = |_: &Credentials| {};
        for (credentials, found, expected) in [
            // The acting one stands first. Itself, where it can read as much as it can change.
            (
                &[&[(SubscriptionModification, "a b"), (OrdersRead, "a b c")][..]][..],
                &as_declared as &dyn Fn(&_),
                Some(0),
            ),
            (
                &[&[(SubscriptionModification, "a b"), (OrdersWrite, "a b")]],
                &|found: &Credentials| found.doubt(CredentialId(0)),
                Some(0),
            ),
            (&[&[(SubscriptionModification, "a b"), (OrdersRead, "a")]], &as_declared, None),
            // Else the narrowest that sees enough.
            (
                &[
                    &[(SubscriptionModification, "a b")],
                    &[(OrdersRead, "a")],
                    &[(OrdersRead, "all")],
                    &[(OrdersRead, "a b")],
                ],
                &as_declared,
                Some(3),
            ),
            (
                &[&[(SubscriptionModification, "all")], &[(OrdersRead, "a b c")], &[(OrdersRead, "all")]],
                &as_declared,
                Some(2),
            ),
            (
                &[&[(SubscriptionModification, "a")], &[(OrdersRead, "all")]],
                &|found: &Credentials| found.doubt(CredentialId(0)),
                None,
            ),
            (&[&[(SubscriptionModification, "a")]], &as_declared, None),
            // To one that was found to reach less than is declared a seller may be hidden, ...
            (
                &[&[(SubscriptionModification, "a")], &[(OrdersRead, "a")], &[(OrdersRead, "a b")]],
                &|found: &Credentials| narrower(found, 1),
                Some(2),
            ),
            (&[&[(SubscriptionModification, "a"), (OrdersRead, "a")]], &|found: &Credentials| narrower(found, 0), None),
            // ... but not to one that was found to reach more.
            (
                &[&[(SubscriptionModification, "a")], &[(OrdersRead, "a")]],
                &|found: &Credentials| found.doubt(CredentialId(1)),
                Some(1),
            ),
        ] {
            let declared = declare(&nicknames, credentials);
            found(&declared);
            // ClickBank does not say what else than reading orders it lets a key do.
            let expected = expected.map(|position| Witness { credential: CredentialId(position), verify: true });
            assert_eq!(declared.looking_up(CredentialId(0), changes), expected, "{credentials:?}");
        }
    }

    #[test]
    fn what_acts_on_orders_sees_whatever_it_acts_on() {
        use Permission::{OrdersRead, OrdersWrite, SubscriptionModification};
        let Fixture { nicknames, .. } = fixture(&[]);
        let reads = PermissionSet::default().with(OrdersRead);
        let declared =
            declare(&nicknames, &[&[(OrdersWrite, "a"), (SubscriptionModification, "a")], &[(OrdersRead, "a b")]]);
        let acting = CredentialId(0);
        let itself = |verify| Some(Witness { credential: acting, verify });
        declared.see(acting, Seen { narrower: true, wider: true });
        for permissions in [reads, reads.with(OrdersWrite)] {
            assert_eq!(declared.looking_up(acting, permissions), itself(false), "{permissions:?}");
        }
        // How far it changes subscriptions nobody was shown.
        assert_eq!(declared.looking_up(acting, reads.with(SubscriptionModification)), None);
    }

    fn declare(nicknames: &Nicknames, credentials: &[&[(Permission, &str)]]) -> Credentials {
        Credentials::new(credentials.iter().map(|grants| {
            let mut reach = ScopeByPermission::default();
            for (permission, names) in *grants {
                reach.add(*permission, &scope(nicknames, names));
            }
            (String::new(), reach)
        }))
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
