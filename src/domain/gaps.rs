//! What a configuration grants and cannot give, and what its credentials could give and nobody is granted. For `check`.

use std::collections::HashMap;
use std::sync::Arc;

use super::call::Call;
use super::caps::Caps;
use super::credential::CredentialId;
use super::decision::{Decision, Denial, Kind};
use super::endpoint::{Endpoint, EndpointId, Owner, PathValue, Segment};
use super::matrix::{CallerId, Named, Policy};
use super::nickname::{NicknameId, NicknameSet, Scope};
use super::permission::Permission;
use super::target::{API_PREFIX, write_pair};

/// Cells of the matrix that are granted, and that no credential reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// For what.
    pub permission: Permission,
    /// On whom.
    pub nicknames: NicknameSet,
    /// To whom it is granted.
    pub callers: Vec<CallerId>,
}

/// How an endpoint passes for a caller, if it is plainly asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passes {
    /// Which one.
    pub endpoint: EndpointId,
    /// About which nicknames, where one of them is named.
    pub named: NicknameSet,
    /// Whether also where none is named.
    pub unnamed: bool,
}

/// The endpoints that pass for a caller.
pub type Passing = Vec<Passes>;

/// Endpoints that callers are granted, and that are refused as they are plainly asked for, or need something more said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hampered {
    /// Which ones.
    pub endpoints: Vec<EndpointId>,
    /// About whom.
    pub nicknames: NicknameSet,
    /// For whom.
    pub callers: Vec<CallerId>,
}

/// What is wrong with endpoints that callers are granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hindrances {
    /// Refused about these nicknames, also where they are named, for want of a confined credential.
    pub refused: Vec<Hampered>,
    /// Passing only where one of these nicknames is named.
    pub unnamed: Vec<Hampered>,
}

/// What a credential reaches and no caller is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// Which credential.
    pub credential: CredentialId,
    /// For what, and on whom; *All Accounts* where nobody is granted all.
    pub reach: Vec<(Permission, Scope)>,
    /// Where *Read/Write* is more than anybody is granted, and *Read* is not.
    pub read_is_enough: NicknameSet,
}

impl Policy {
    /// The cells granted to `callers` that no credential reaches. *Read* stands there only where it is not for want of
    /// *Read/Write*.
    #[must_use]
    pub fn unreached(&self, callers: impl IntoIterator<Item = CallerId>) -> Vec<Unreached> {
        let reached = Permission::ALL.map(|permission| {
            let reaches = self.credentials.iter().map(|(_, _, reach)| *reach.of(permission).declared());
            (permission, reaches.fold(NicknameSet::default(), |all, reach| all.union(&reach)))
        });
        let mut found: Vec<Unreached> = Vec::new();
        for caller in callers {
            let missing = reached.map(|(permission, reached)| {
                (permission, self.matrix.grant(caller, permission).declared().difference(&reached))
            });
            let of = |wanted| missing.iter().find(|(permission, _)| *permission == wanted).map(|(_, missing)| *missing);
            for (permission, mut nicknames) in missing {
                if permission == Permission::OrdersRead {
                    nicknames = nicknames.difference(&of(Permission::OrdersWrite).unwrap_or_default());
                }
                if nicknames.is_empty() {
                    continue;
                }
                match found.iter_mut().find(|other| other.permission == permission && other.nicknames == nicknames) {
                    Some(other) => other.callers.push(caller),
                    None => found.push(Unreached { permission, nicknames, callers: vec![caller] }),
                }
            }
        }
        found
    }

    /// What `callers` meet who ask plainly for what they are granted. What no credential reaches at all is left out.
    #[must_use]
    pub fn hindrances(&self, callers: impl IntoIterator<Item = CallerId>) -> Hindrances {
        // Most callers are granted what others are, too.
        let mut alike: Vec<Vec<CallerId>> = Vec::new();
        let mut known: HashMap<([Scope; Permission::COUNT], Caps), usize> = HashMap::new();
        for caller in callers {
            let grants = Permission::ALL.map(|permission| self.matrix.grant(caller, permission));
            let group = *known.entry((grants, self.caps.of_key(caller))).or_insert(alike.len());
            match alike.get_mut(group) {
                Some(group) => group.push(caller),
                None => alike.push(vec![caller]),
            }
        }
        let kinds = self.kinds();
        let mut found = Hindrances::default();
        for callers in alike {
            let Some(first) = callers.first() else { continue };
            let (mut refused, mut unnamed) = (Vec::new(), Vec::new());
            for (kind, endpoints) in &kinds {
                let (about, named) = self.hindrance(*first, kind);
                note(&mut refused, endpoints, about, &callers);
                note(&mut unnamed, endpoints, named, &callers);
            }
            merge(&mut found.refused, refused);
            merge(&mut found.unnamed, unnamed);
        }
        found
    }

    /// The endpoints by what decides about their plainest request, each with one that stands for all of its kind.
    fn kinds(&self) -> Vec<(&Endpoint, Vec<EndpointId>)> {
        let mut kinds: Vec<(&Endpoint, Vec<EndpointId>)> = Vec::new();
        for (id, endpoint) in self.catalogue.iter() {
            match kinds.iter_mut().find(|(other, _)| Kind::of(other) == Kind::of(endpoint)) {
                Some((_, endpoints)) => endpoints.push(id),
                None => kinds.push((endpoint, vec![id])),
            }
        }
        kinds
    }

    /// For each caller, which endpoints pass, and how.
    #[must_use]
    pub fn passing(&self, callers: impl IntoIterator<Item = CallerId>) -> HashMap<CallerId, Arc<Passing>> {
        let kinds = self.kinds();
        // Most callers are granted what others are, too.
        let mut known: HashMap<([Scope; Permission::COUNT], Caps), Arc<Passing>> = HashMap::new();
        let of = |caller: CallerId| {
            let grants = Permission::ALL.map(|permission| self.matrix.grant(caller, permission));
            let passing = known.entry((grants, self.caps.of_key(caller))).or_insert_with(|| {
                let of_kinds = kinds.iter().flat_map(|(kind, endpoints)| {
                    let named = self.passes_about(caller, kind);
                    let unnamed = !matches!(kind.owner, Owner::Parameter(_))
                        && !self.matrix.allowed(caller, kind.permissions).is_empty()
                        && self.ask_plainly(caller, kind, "").is_none();
                    endpoints.iter().map(move |endpoint| Passes { endpoint: *endpoint, named, unnamed })
                });
                Arc::new(of_kinds.filter(|passes| passes.unnamed || !passes.named.is_empty()).collect())
            });
            (caller, Arc::clone(passing))
        };
        callers.into_iter().map(of).collect()
    }

    /// About which nicknames the plainest request passes where it names one.
    fn passes_about(&self, caller: CallerId, endpoint: &Endpoint) -> NicknameSet {
        let allowed = *self.matrix.allowed(caller, endpoint.permissions).declared();
        let passes = |id: &NicknameId| {
            let target = plain_target(endpoint, self.nicknames.name(*id));
            let Ok(call) = Call::read(&self.catalogue, endpoint.method.as_str(), &target) else { return false };
            let resolution = self.resolve(caller, endpoint, &call, Named::Nickname(*id));
            !matches!(self.decide(caller, endpoint, &call, &resolution), Decision::Deny(_))
        };
        allowed.iter().filter(passes).collect()
    }

    /// About which nicknames the plainest request is refused, and for which it passes only where they are named.
    fn hindrance(&self, caller: CallerId, endpoint: &Endpoint) -> (NicknameSet, NicknameSet) {
        let allowed = *self.matrix.allowed(caller, endpoint.permissions).declared();
        let nothing = NicknameSet::default();
        if let Owner::Parameter(_) = endpoint.owner {
            let is_refused = |id: &NicknameId| {
                let denial = self.ask_plainly(caller, endpoint, self.nicknames.name(*id));
                matches!(denial, Some(Denial::ConfinedCredentialRequired(_))) && self.is_reached(endpoint, *id)
            };
            return (allowed.iter().filter(is_refused).collect(), nothing);
        }
        let (refused, unnamed) = match self.ask_plainly(caller, endpoint, "") {
            Some(Denial::ConfinedCredentialRequired(_)) => (allowed, nothing),
            Some(Denial::NicknameRequired(passing)) => (allowed.difference(&passing), *passing),
            _ => (nothing, nothing),
        };
        (refused.iter().filter(|id| self.is_reached(endpoint, *id)).collect(), unnamed)
    }

    /// Whether credentials reach the nickname for all that the endpoint needs, be it not one for all.
    fn is_reached(&self, endpoint: &Endpoint, nickname: NicknameId) -> bool {
        endpoint.permissions.iter().all(|permission| {
            self.credentials.iter().any(|(_, _, reach)| reach.of(permission).declared().contains(nickname))
        })
    }

    /// What is said against the plainest request, about `nickname` where a parameter has to name one.
    fn ask_plainly(&self, caller: CallerId, endpoint: &Endpoint, nickname: &str) -> Option<Denial> {
        let target = plain_target(endpoint, nickname);
        let call = Call::read(&self.catalogue, endpoint.method.as_str(), &target).ok()?;
        let resolution = self.resolve(caller, endpoint, &call, Named::Nothing);
        match self.decide(caller, endpoint, &call, &resolution) {
            Decision::Deny(denial) => Some(denial),
            Decision::Allow(_) | Decision::AllowIfOwned(_) => None,
        }
    }

    /// What credentials reach and none of `callers` is granted.
    #[must_use]
    pub fn excesses(&self, callers: impl IntoIterator<Item = CallerId>) -> Vec<Excess> {
        let mut granted = Permission::ALL.map(|permission| (permission, Scope::default()));
        for caller in callers {
            for (permission, scope) in &mut granted {
                *scope = scope.union(&self.matrix.grant(caller, *permission));
            }
        }
        let mut found = Vec::new();
        for (credential, _, declared) in self.credentials.iter() {
            let granted = |permission: Permission| {
                let granted = granted.iter().find(|(other, _)| *other == permission);
                granted.map(|(_, scope)| *scope).unwrap_or_default()
            };
            let beyond = |permission: Permission| declared.of(permission).difference(&granted(permission));
            let mut reach: Vec<(Permission, Scope)> = Vec::new();
            for permission in Permission::ALL {
                let mut scope = beyond(permission);
                if permission == Permission::OrdersRead {
                    scope = scope.difference(&beyond(Permission::OrdersWrite));
                }
                if scope.is_all() || !scope.is_empty() {
                    reach.push((permission, scope));
                }
            }
            if !reach.is_empty() {
                let unwritten = beyond(Permission::OrdersWrite);
                let read_is_enough = unwritten.declared().intersection(granted(Permission::OrdersRead).declared());
                found.push(Excess { credential, reach, read_is_enough });
            }
        }
        found
    }
}

/// Adds endpoints to those of the same nicknames.
fn note(found: &mut Vec<Hampered>, endpoints: &[EndpointId], nicknames: NicknameSet, callers: &[CallerId]) {
    if nicknames.is_empty() {
        return;
    }
    match found.iter_mut().find(|other| other.nicknames == nicknames) {
        Some(other) => {
            other.endpoints.extend(endpoints);
            other.endpoints.sort_unstable();
        }
        None => found.push(Hampered { endpoints: endpoints.to_vec(), nicknames, callers: callers.to_vec() }),
    }
}

/// Adds what is found for some callers to what was found for others.
fn merge(all: &mut Vec<Hampered>, more: Vec<Hampered>) {
    for hampered in more {
        let same =
            |other: &&mut Hampered| other.nicknames == hampered.nicknames && other.endpoints == hampered.endpoints;
        match all.iter_mut().find(same) {
            Some(other) => other.callers.extend(hampered.callers),
            None => all.push(hampered),
        }
    }
}

/// The shortest target that means this endpoint.
fn plain_target(endpoint: &Endpoint, nickname: &str) -> String {
    let mut target = API_PREFIX.to_owned();
    for segment in endpoint.path.segments() {
        target.push('/');
        target.push_str(match segment {
            Segment::Literal(text) => text,
            Segment::Variable { value, .. } => match value {
                PathValue::Receipt => "ABCD1234",
                PathValue::TicketId | PathValue::Sku | PathValue::Word => "1",
                PathValue::Role => "VENDOR",
                PathValue::Dimension => "AFFILIATE",
            },
        });
    }
    for (position, parameter) in endpoint.parameters.iter().enumerate().filter(|(_, parameter)| parameter.required) {
        let value = if endpoint.owner_parameter() == Some(position) {
            nickname
        } else {
            parameter.values.first().map_or("1", String::as_str)
        };
        write_pair(&mut target, &parameter.name, value);
    }
    target
}

#[cfg(test)]
mod tests {
    use super::super::caps::CapTable;
    use super::super::catalogue::Catalogue;
    use super::super::credential::{Credentials, ScopeByPermission};
    use super::super::decision::ChangeRules;
    use super::super::endpoint::Changes;
    use super::super::matrix::Matrix;
    use super::super::nickname::{Nickname, NicknameKind, Nicknames};
    use super::super::permission::PermissionSet;
    use super::*;
    use crate::config::built_in_endpoints;
    use Permission::{Analytics, OrdersRead, OrdersWrite, Products};

    type Grants<'a> = &'a [(Permission, &'a str)];

    /// `a` and `b` sell, `c` promotes, `d` does both.
    fn policy(credentials: &[Grants<'_>], callers: &[Grants<'_>]) -> Policy {
        let mut nicknames = Nicknames::default();
        for (name, kind) in [
            ("a", NicknameKind::Seller),
            ("b", NicknameKind::Seller),
            ("c", NicknameKind::Affiliate),
            ("d", NicknameKind::Both),
        ] {
            nicknames.declare(Nickname::parse(name).unwrap(), kind).unwrap();
        }
        let scopes = |grants: Grants<'_>| {
            let mut scopes = ScopeByPermission::default();
            for (permission, names) in grants {
                let all = || nicknames.iter().map(|(id, ..)| id);
                let scope = match *names {
                    "all" => Scope::all(all().collect()),
                    _ => Scope::only(names.split_whitespace().map(|name| nicknames.find(name).unwrap()).collect()),
                };
                scopes.add(*permission, &scope);
            }
            scopes
        };
        let matrix = Matrix::new(callers.iter().map(|grants| scopes(grants)));
        let credentials =
            Credentials::new(credentials.iter().enumerate().map(|(number, reach)| (number.to_string(), scopes(reach))));
        Policy {
            catalogue: Catalogue::new(built_in_endpoints().unwrap()),
            nicknames,
            credentials,
            matrix,
            changes: ChangeRules::default(),
            caps: CapTable::default(),
        }
    }

    /// Every endpoint that takes Read alone.
    fn reads() -> String {
        let reads = PermissionSet::default().with(OrdersRead);
        let endpoints = built_in_endpoints().unwrap();
        let names = endpoints.iter().filter(|endpoint| endpoint.permissions == reads).map(|endpoint| &*endpoint.name);
        names.collect::<Vec<_>>().join(", ")
    }

    fn numbers(callers: &[CallerId]) -> String {
        callers.iter().map(|caller| caller.index().to_string()).collect()
    }

    #[test]
    fn an_endpoint_stands_for_no_other_about_which_something_else_is_decided() {
        type Change = fn(&mut Endpoint);
        for (owner, change) in [
            (Owner::AnswerRows, (|endpoint| endpoint.paged = true) as Change),
            (Owner::AnswerRows, |endpoint| endpoint.rows.as_mut().unwrap().owner = None),
            (Owner::AnswerRows, |endpoint| endpoint.changes = Changes::Money),
        ] {
            let mut endpoints = built_in_endpoints().unwrap();
            endpoints.retain(|endpoint| endpoint.owner == owner && endpoint.changes == Changes::Nothing);
            let last = endpoints.last_mut().unwrap();
            change(last);
            let name = last.name.clone();
            let mut policy = policy(&[&[(OrdersRead, "a b")]], &[&[(OrdersRead, "a")]]);
            policy.catalogue = Catalogue::new(endpoints);
            let found = policy.hindrances(policy.matrix.callers());
            let [refused] = &found.refused[..] else { panic!("{found:?}") };
            let names = refused.endpoints.iter().map(|id| policy.catalogue.endpoint(*id).unwrap().name.clone());
            assert_eq!(names.collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn a_cell_that_no_credential_reaches_is_told_once_for_all_who_hold_it() {
        for (credentials, callers, expected) in [
            (&[&[(OrdersRead, "a")][..]][..], &[&[(OrdersRead, "a")][..]][..], &[][..]),
            (&[&[(OrdersRead, "a")]], &[&[(OrdersRead, "a b")]], &["orders_read on b for 0"]),
            // Several keys reach together.
            (&[&[(OrdersRead, "a")], &[(OrdersRead, "b")]], &[&[(OrdersRead, "a b")]], &[]),
            (&[&[(OrdersWrite, "a")]], &[&[(OrdersRead, "a")]], &[]),
            (&[&[(OrdersRead, "a")]], &[&[(OrdersWrite, "a")]], &["orders_write on a for 0"]),
            // Not Read as well, where it is wanted for Read/Write.
            (
                &[],
                &[&[(OrdersWrite, "a"), (OrdersRead, "a b")]],
                &["orders_read on b for 0", "orders_write on a for 0"],
            ),
            (
                &[&[(Analytics, "a")]],
                &[&[(Products, "a")], &[], &[(Products, "a"), (Analytics, "all")]],
                &["products on a for 02", "analytics on b c d for 2"],
            ),
        ] {
            let policy = policy(credentials, callers);
            let found = policy.unreached(policy.matrix.callers());
            let words = found.iter().map(|found| {
                let names = policy.nicknames.names(&found.nicknames).join(" ");
                format!("{} on {names} for {}", found.permission, numbers(&found.callers))
            });
            assert_eq!(words.collect::<Vec<_>>(), expected, "{credentials:?} {callers:?}");
        }
    }

    #[test]
    fn what_callers_are_granted_and_refused_is_told_for_all_who_are_alike() {
        let orders = "orders.count, orders.list, orders2.count, orders2.list";
        let lists = "shipping.count, shipping.list, shipping2.count, shipping2.list, shipping3.count, shipping3.list, \
                     tickets.list, tickets.count";
        let (quick, both) = ("quickstats.list, quickstats.count", format!("{orders}, {lists}"));
        let every = reads();
        let wide: &[Grants<'_>] = &[&[(OrdersRead, "a b c d")]];
        let exact: &[Grants<'_>] = &[&[(OrdersRead, "a b")]];
        for (credentials, callers, refused, unnamed) in [
            (exact, &[&[(OrdersRead, "a b")][..]][..], vec![], vec![]),
            (wide, &[&[(OrdersRead, "a")], &[(OrdersRead, "a")]], vec![format!("{lists} about a for 01")], vec![]),
            (wide, &[&[(OrdersRead, "c")]], vec![format!("{both} about c for 0")], vec![]),
            // Whoever sells and promotes has to say which is meant.
            (wide, &[&[(OrdersRead, "d")]], vec![format!("{both} about d for 0")], vec![]),
            (
                wide,
                &[&[(OrdersRead, "a c")]],
                vec![format!("{orders} about c for 0"), format!("{lists} about a c for 0")],
                vec![format!("{orders} about a for 0"), format!("{quick} about a c for 0")],
            ),
            // What nobody reaches is told elsewhere.
            (&[], &[&[(OrdersRead, "a")]], vec![], vec![]),
            (&[&[(OrdersRead, "a")]], &[&[(OrdersRead, "a b")]], vec![], vec![format!("{every} about a for 0")]),
        ] {
            let policy = policy(credentials, callers);
            let found = policy.hindrances(policy.matrix.callers());
            let words = |found: &[Hampered]| {
                let words = found.iter().map(|found| {
                    let endpoint = |id: &EndpointId| policy.catalogue.endpoint(*id).unwrap().name.clone();
                    let endpoints: Vec<String> = found.endpoints.iter().map(endpoint).collect();
                    let names = policy.nicknames.names(&found.nicknames).join(" ");
                    format!("{} about {names} for {}", endpoints.join(", "), numbers(&found.callers))
                });
                words.collect::<Vec<_>>()
            };
            assert_eq!(
                (words(&found.refused), words(&found.unnamed)),
                (refused, unnamed),
                "{credentials:?} {callers:?}"
            );
        }
    }

    #[test]
    fn with_a_key_for_each_nickname_alone_every_call_has_to_name_one() {
        let policy = policy(&[&[(OrdersRead, "a")], &[(OrdersRead, "b")]], &[&[(OrdersRead, "a b")]]);
        let found = policy.hindrances(policy.matrix.callers());
        let [unnamed] = &found.unnamed[..] else { panic!("{found:?}") };
        assert_eq!((policy.nicknames.names(&unnamed.nicknames), found.refused), (vec!["a", "b"], vec![]));
        let reads = PermissionSet::default().with(OrdersRead);
        let all = policy.catalogue.iter().filter(|(_, endpoint)| endpoint.permissions == reads).map(|(id, _)| id);
        assert_eq!(unnamed.endpoints, all.collect::<Vec<_>>());
    }

    #[test]
    fn what_credentials_reach_and_nobody_is_granted_is_told() {
        for (credentials, callers, expected) in [
            (&[&[(OrdersRead, "a")][..]][..], &[&[(OrdersRead, "a")][..]][..], &[][..]),
            (&[&[(OrdersRead, "a b")]], &[&[(OrdersRead, "a")], &[(OrdersRead, "b")]], &[]),
            (&[&[(OrdersRead, "a b c")]], &[&[(OrdersRead, "a")]], &["0: orders_read on b c"]),
            (&[&[(OrdersWrite, "a")]], &[&[(OrdersRead, "a")]], &["0: orders_write on a"]),
            (&[&[(OrdersWrite, "a b")]], &[&[(OrdersRead, "a")]], &["0: orders_write on a b"]),
            (&[&[(Analytics, "all")]], &[&[(Analytics, "a b c d")]], &["0: analytics on all of "]),
            (&[&[(Analytics, "all")]], &[&[(Analytics, "all")]], &[]),
            (
                &[&[(Analytics, "a")], &[(Analytics, "a"), (Products, "a")]],
                &[],
                &["0: analytics on a", "1: analytics on a, products on a"],
            ),
        ] {
            let policy = policy(credentials, callers);
            let found = policy.excesses(policy.matrix.callers());
            let words = found.iter().map(|found| {
                let reach = found.reach.iter().map(|(permission, scope)| {
                    let all = if scope.is_all() { "all of " } else { "" };
                    format!("{permission} on {all}{}", policy.nicknames.names(scope.declared()).join(" "))
                });
                format!("{}: {}", policy.credentials.name(found.credential), reach.collect::<Vec<_>>().join(", "))
            });
            assert_eq!(words.collect::<Vec<_>>(), expected, "{credentials:?} {callers:?}");
        }
    }
}
