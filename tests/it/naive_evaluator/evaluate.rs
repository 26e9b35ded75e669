//! The decision in the simplest way that gives it.

use std::collections::BTreeSet;

use super::request::Request;
use super::world::{Kind, Listed, PERMISSIONS, Table, World};

/// Stands for the accounts that *All Accounts* includes and the configuration does not declare.
const UNDECLARED: &str = "*";

type Names = BTreeSet<&'static str>;

impl World {
    /// *Named* is the nickname in header or base path.
    pub(super) fn judge(&self, grants: &Table, request: &Request, named: Option<&str>) -> String {
        let known = &request.fact;
        if known.source == "not_applicable" {
            return "Allow document".to_owned();
        }
        let mut allowed = self.over(grants, &known.permissions);
        if self.declared(&allowed).is_empty() {
            let mut missing = known.permissions.clone();
            missing.retain(|permission| self.declared(&self.scope(grants, permission)).is_empty());
            missing.sort_by_key(|permission| PERMISSIONS.iter().position(|other| other == permission));
            let missing = if missing.is_empty() { "together".to_owned() } else { missing.join(", ") };
            return format!("Deny permission-missing {missing}");
        }
        if let Some(name) = named {
            if !self.declared(&allowed).contains(name) {
                return "Deny nickname-not-granted".to_owned();
            }
            allowed.retain(|other| *other == name);
        }
        let mut effective = self.declared(&allowed);
        if let Some(own) = request.own_nickname() {
            let granted = effective.contains(own.as_str());
            // An order filter is a confining one only with a nickname that is allowed: whoever filters by somebody else
            // is shown, as by ClickBank, none of that one's orders.
            if granted {
                effective.retain(|other| *other == own);
            } else if known.owner_parameter != "vendor" {
                return "Deny nickname-not-granted".to_owned();
            }
        }
        let lookup = matches!(known.source, "lookup_order" | "lookup_ticket_order");
        let reaches_enough = |reach: &Names| {
            if known.source == "global" { !self.declared(reach).is_empty() } else { reach.is_superset(&effective) }
        };
        let candidates: Vec<(&str, Names)> = self
            .credentials
            .iter()
            .map(|(name, reach)| (name.as_str(), self.over(reach, &known.permissions)))
            .filter(|(_, reach)| reaches_enough(reach))
            .collect();
        let confined: Vec<_> = candidates.iter().filter(|(_, reach)| reach.is_subset(&allowed)).cloned().collect();
        let exact = candidates.iter().find(|(_, reach)| *reach == allowed);
        let chosen = exact.or_else(|| narrowest(&confined));
        // Which sales show in the role of affiliate depends on who else is in reach, so a key between what the call is about
        // and what is allowed would show neither.
        let as_affiliate =
            known.owner_parameter == "vendor" && request.parameter("role").is_some_and(|role| role != "VENDOR");
        let between = |reach: &Names| ![self.declared(&allowed), effective.clone()].contains(&self.declared(reach));
        let uneven = chosen.is_some_and(|(_, reach)| as_affiliate && between(reach));
        let proven = known.moves_money && lookup;
        if let Some((name, reach)) = chosen.filter(|_| !uneven && proven)
            && let Some(first) = self.first_whose_order(request, name, reach)
        {
            return format!("AllowIfOwned confined by {name} for {} after {first}", joined(&effective));
        }
        if let Some((name, _)) = chosen.filter(|_| !uneven && !proven) {
            if known.source == "global" {
                return format!("Allow nobodys-data by {name}");
            }
            let first =
                if self.has_to_be_seen(request, name) { format!(" after how far, with {name}") } else { String::new() };
            return format!("Allow confined by {name} for {}{first}", joined(&effective));
        }
        let verdict = match narrowest(&candidates) {
            _ if proven && chosen.is_some() => "Deny confined-credential-required no-look-up".to_owned(),
            _ if uneven => "Deny confined-credential-required affiliate-role".to_owned(),
            None => "Deny confined-credential-required no-credential".to_owned(),
            Some((name, reach)) => self.behind_a_wide_one(request, &effective, name, reach),
        };
        if verdict.starts_with("Deny") && named.is_none() {
            let declared = self.nicknames.iter().map(|(name, _)| *name).filter(|name| allowed.contains(name));
            let passing: Vec<&str> =
                declared.filter(|name| self.judge(grants, request, Some(name)).starts_with("Allow")).collect();
            if !passing.is_empty() {
                return format!("Deny nickname-required {}", passing.join(", "));
            }
        }
        verdict
    }

    /// Whether a confined credential's reach has to be seen before it is trusted. Of products and the like the request
    /// names the nickname, so that nothing hangs on it; and All Accounts cannot be more than is declared.
    fn has_to_be_seen(&self, request: &Request, credential: &str) -> bool {
        let (_, reach) = self.credentials.iter().find(|(name, _)| name == credential).expect("it was chosen");
        let reads = self.scope(reach, "orders_read");
        // A forwarded parameter could name somebody else.
        let named = request.fact.source == "request" && request.parameter("trace").is_none();
        let shows = named || request.fact.answer_names_owner;
        !shows && !self.declared(&reads).is_empty() && !reads.contains(UNDECLARED)
    }

    /// Who looks up: whoever acts, if it reads orders of at least what it reaches; else the narrowest that does.
    fn who_looks_up(&self, acting: &str, reach: &Names) -> Option<String> {
        let reads = |table| self.scope(table, "orders_read");
        let able = self.credentials.iter().map(|(name, table)| (name.as_str(), reads(table)));
        let able: Vec<(&str, Names)> =
            able.filter(|(_, reads)| !self.declared(reads).is_empty() && reads.is_superset(reach)).collect();
        able.iter().find(|(name, _)| *name == acting).or_else(|| narrowest(&able)).map(|(name, _)| (*name).to_owned())
    }

    /// What is asked before a call on an order or ticket, and with which credential.
    fn first_whose_order(&self, request: &Request, acting: &str, reach: &Names) -> Option<String> {
        let with = self.who_looks_up(acting, reach)?;
        // Of other permissions than those for orders ClickBank does not say how far they reach.
        let seen = with == acting && request.fact.permissions.iter().all(|it| it.starts_with("orders_"));
        Some(format!("{}whose order, with {with}", if seen { "" } else { "how far, and " }))
    }

    fn behind_a_wide_one(&self, request: &Request, effective: &Names, credential: &str, reach: &Names) -> String {
        let known = &request.fact;
        let allowed = |how: &str| format!("{how} by {credential} (wide) for {}", joined(effective));
        let looked_up = || match self.first_whose_order(request, credential, reach) {
            Some(first) => format!("{} after {first}", allowed("AllowIfOwned looked-up")),
            None => "Deny confined-credential-required no-look-up".to_owned(),
        };
        match known.source {
            _ if request.parameter("trace").is_some() => "Deny confined-credential-required forwarded".to_owned(),
            "request" => allowed("Allow owner-named"),
            "global" => format!("Allow nobodys-data by {credential} (wide)"),
            "request_optional" => match self.why_not_confined(request, effective) {
                Some(why) => format!("Deny confined-credential-required {why}"),
                None => allowed("Allow request-confined"),
            },
            "response" if known.path.contains('{') || known.path.ends_with("/accounts") => {
                allowed("AllowIfOwned rows-judged")
            }
            "response" | "lookup_order_per_row" if request.has_exact_receipt() => looked_up(),
            "response" | "lookup_order_per_row" | "unavailable" => {
                "Deny confined-credential-required unjudgeable".to_owned()
            }
            "lookup_order" | "lookup_ticket_order" => looked_up(),
            other => panic!("no rule for `{other}`"),
        }
    }

    /// Why a request with optional filters cannot be confined to one nickname as a seller.
    fn why_not_confined(&self, request: &Request, effective: &Names) -> Option<&'static str> {
        let orders = request.fact.owner_parameter == "vendor";
        let role = request.parameter("role");
        if orders && role == Some("AFFILIATE") {
            return Some("affiliate-role");
        }
        let [only] = effective.iter().copied().collect::<Vec<_>>()[..] else { return Some("several") };
        let (_, kind) = self.nicknames.iter().find(|(name, _)| *name == only).expect("it is declared");
        // What is missing is added by the nickname's kind.
        match (orders && role.is_none(), kind) {
            (true, Kind::Affiliate) => return Some("affiliate-role"),
            (true, Kind::Both) => return Some("role-missing"),
            _ => {}
        }
        let vendor = request.parameter("vendor").filter(|_| orders);
        vendor.filter(|vendor| vendor.to_lowercase() != only).map(|_| "other-filter")
    }

    /// The nicknames that have every one of these permissions.
    fn over(&self, table: &Table, permissions: &[&str]) -> Names {
        let scopes = permissions.iter().map(|permission| self.scope(table, permission));
        scopes.reduce(|one, other| one.intersection(&other).copied().collect()).unwrap_or_default()
    }

    /// The nicknames that have one permission. Read/Write includes Read.
    fn scope(&self, table: &Table, permission: &str) -> Names {
        let mut names = Names::new();
        for (listed_for, listed) in table {
            if *listed_for != permission && (*listed_for, permission) != ("orders_write", "orders_read") {
                continue;
            }
            match listed {
                Listed::These(these) => names.extend(these),
                Listed::All => {
                    names.insert(UNDECLARED);
                    let possible = |kind| permission != "products" || kind != Kind::Affiliate;
                    names.extend(self.nicknames.iter().filter(|(_, kind)| possible(*kind)).map(|(name, _)| *name));
                }
            }
        }
        names
    }

    fn declared(&self, names: &Names) -> Names {
        names.iter().copied().filter(|name| self.nicknames.iter().any(|(declared, _)| declared == name)).collect()
    }
}

fn joined(names: &Names) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

/// The one with the fewest nicknames; All Accounts is the widest there is; among equals the first.
fn narrowest<'a>(candidates: &'a [(&'a str, Names)]) -> Option<&'a (&'a str, Names)> {
    candidates.iter().min_by_key(|(_, reach)| (reach.contains(UNDECLARED), reach.len()))
}
