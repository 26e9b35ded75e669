//! The requests that every key makes in every configuration.

use std::fmt::Write as _;

use super::world::POOL;
use crate::facts::{FACTS, Fact, Place};

/// A request of the grid, before anybody has read it.
pub(super) struct Request {
    pub(super) fact: Known,
    pub(super) named: Option<&'static str>,
    pub(super) parameters: Vec<(&'static str, &'static str)>,
}

/// What the evaluator takes for granted about an endpoint.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) permissions: Vec<&'static str>,
    pub(super) moves_money: bool,
    pub(super) source: &'static str,
    pub(super) owner_parameter: &'static str,
    pub(super) answer_names_owner: bool,
}

impl Request {
    pub(super) fn parameter(&self, name: &str) -> Option<&'static str> {
        self.parameters.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    /// The nickname that the request's own parameters say it is about.
    pub(super) fn own_nickname(&self) -> Option<String> {
        let name = match (self.fact.owner_parameter, self.parameter("role")) {
            ("vendor", Some("VENDOR")) => self.parameter("vendor"),
            ("vendor", Some("AFFILIATE")) => self.parameter("affiliate"),
            ("" | "vendor", _) => None,
            (parameter, _) => self.parameter(parameter),
        };
        let name = name.filter(|name| !name.contains('%') && *name != "none");
        name.map(str::to_lowercase)
    }

    pub(super) fn has_exact_receipt(&self) -> bool {
        self.parameter("receipt").is_some_and(|receipt| matches!(receipt, "ABCD1234" | "ABCD1234-B002"))
    }

    pub(super) fn target(&self) -> String {
        let path = self.fact.path.replace("{role}", "VENDOR").replace("{dimension}", "TRACKING_ID");
        let path = path.replace("{receipt}", "ABCD1234").replace("{id}", "4711").replace("{sku}", "item-1");
        let base = self.named.map(|name| format!("/@{name}")).unwrap_or_default();
        let mut target = format!("{base}{path}");
        for (position, (name, value)) in self.parameters.iter().enumerate() {
            let separator = if position == 0 { '?' } else { '&' };
            let _ = write!(target, "{separator}{name}={}", value.replace('%', "%25"));
        }
        target
    }
}

impl Known {
    fn of(fact: &'static Fact) -> Self {
        Self {
            id: fact.id.clone(),
            method: fact.method.clone(),
            path: fact.path.clone(),
            permissions: fact.permission_all.iter().map(String::as_str).collect(),
            moves_money: fact.moves_money,
            source: &fact.owner_source,
            owner_parameter: fact.nickname_params.first().map_or("", String::as_str),
            answer_names_owner: !fact.nickname_in_response.is_empty(),
        }
    }

    fn added() -> Vec<Self> {
        let known = |id: &str, method: &str, path: &str, source, permissions: &[&'static str]| Self {
            id: id.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            permissions: permissions.to_vec(),
            moves_money: false,
            source,
            owner_parameter: if source == "request" { "account" } else { "" },
            answer_names_owner: false,
        };
        vec![
            known("orders2.notes", "POST", "/rest/1.3/orders2/{receipt}/notes", "unavailable", &["orders_write"]),
            known("orders2.memo", "POST", "/rest/1.3/orders2/{receipt}/memo", "lookup_order", &["orders_write"]),
            known("ledger.list", "GET", "/rest/1.3/ledger/list", "request", &["analytics", "orders_read"]),
            // Where whoever acts need not be able to look up.
            known("ledger.entry", "GET", "/rest/1.3/ledger/{receipt}", "lookup_order", &["analytics"]),
        ]
    }
}

/// Every request that every key makes in every configuration.
pub(super) fn grid() -> Vec<Request> {
    // The one that repeats the credential is no call at all; other tests see to it.
    let built_in = FACTS.iter().filter(|fact| fact.owner_source != "credential_echo").map(Known::of);
    let mut requests = Vec::new();
    for known in built_in.chain(Known::added()) {
        for parameters in parameter_sets(&known) {
            let mut traced = parameters.clone();
            traced.push(("campaign", "spring"));
            traced.push(("trace", "on"));
            // An open document is fetched without any credential, whatever goes along.
            let document = known.source == "not_applicable";
            for parameters in [Some(parameters), (!document).then_some(traced)].into_iter().flatten() {
                for named in std::iter::once(None).chain(POOL.map(Some)) {
                    requests.push(Request { fact: known.clone(), named, parameters: parameters.clone() });
                }
            }
        }
    }
    requests
}

fn parameter_sets(known: &Known) -> Vec<Vec<(&'static str, &'static str)>> {
    let has_receipt = FACTS
        .iter()
        .any(|fact| fact.id == known.id && fact.params_in(Place::Query).any(|param| param.name == "receipt"));
    match (known.source, known.owner_parameter) {
        ("request", parameter) => POOL.iter().chain(["ACME"].iter()).map(|name| vec![(parameter, *name)]).collect(),
        ("request_optional", "vendor") => order_filters(),
        ("request_optional", parameter) => {
            std::iter::once(Vec::new()).chain(POOL.map(|name| vec![(parameter, name)])).collect()
        }
        _ if has_receipt => {
            let receipts = ["ABCD1234", "ABCD1234-B002", "ABCD", "ABCD1234%", "ABCD1234-B0"];
            std::iter::once(Vec::new()).chain(receipts.map(|receipt| vec![("receipt", receipt)])).collect()
        }
        _ => vec![Vec::new()],
    }
}

fn order_filters() -> Vec<Vec<(&'static str, &'static str)>> {
    let one = |filter: &'static str| POOL.map(|name| vec![(filter, name)]);
    let mut parties: Vec<Vec<(&'static str, &'static str)>> = vec![
        vec![],
        vec![("vendor", "ACME")],
        vec![("vendor", "acme%")],
        vec![("affiliate", "none")],
        vec![("affiliate", "%")],
        vec![("vendor", "acme"), ("affiliate", "blue")],
        vec![("affiliate", "acme"), ("vendor", "blue")],
    ];
    parties.extend(one("vendor").into_iter().chain(one("affiliate")));
    let roles = [None, Some("VENDOR"), Some("AFFILIATE")];
    parties
        .into_iter()
        .flat_map(|party| {
            roles.map(|role| party.iter().copied().chain(role.map(|role| ("role", role))).collect::<Vec<_>>())
        })
        .collect()
}

pub(super) fn required(known: &Known) -> Vec<(&'static str, &'static str)> {
    let Some(fact) = FACTS.iter().find(|fact| fact.id == known.id) else { return Vec::new() };
    fact.params_in(Place::Query)
        .filter(|param| param.has_to_be_said() && param.name != known.owner_parameter)
        .map(|param| {
            let otherwise = if param.name == "applyProratedRefund" { "true" } else { "1" };
            (param.name.as_str(), param.values.first().map_or(otherwise, String::as_str))
        })
        .collect()
}
