//! The built-in catalogue says of every endpoint what is known of ClickBank's API, and has no endpoint more.
//!
//! Both sides are written down as the same sheet of plain text, field by field, so that a difference reads as one line.
//! Where the catalogue differs on purpose, [`DEVIATIONS`] says so and why.

use std::collections::{BTreeMap, BTreeSet};

use clickbank_gateway::config;
use clickbank_gateway::domain::endpoint::{
    AnswerTypes, Changes, Endpoint, Owner, OwnerField, Parameter, PathValue, Segment,
};
use clickbank_gateway::domain::permission::Permission;
use clickbank_gateway::domain::target::API_PREFIX;

use crate::facts::{FACTS, Fact, Place};

/// Where the catalogue differs from what is known: endpoint, field, known, ours, why.
const DEVIATIONS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "orders.changeProduct",
        "parameters",
        "applyProratedRefund carryAffiliate newSku! nextRebillDate oldSku!",
        "applyProratedRefund! carryAffiliate newSku! nextRebillDate oldSku!",
        "left out, it refunds, so callers have to say it",
    ),
    (
        "orders2.changeProduct",
        "parameters",
        "applyProratedRefund carryAffiliate newSku! nextRebillDate oldSku!",
        "applyProratedRefund! carryAffiliate newSku! nextRebillDate oldSku!",
        "left out, it refunds, so callers have to say it",
    ),
    (
        "products.put",
        "answers",
        "application/json application/xml",
        "application/json application/xml text/plain",
        "the help page lists JSON and XML, but describes the answer as the SKU, as text",
    ),
    ("debug", "permissions", "unknown", "", "it is never granted, so it needs no permission that could be"),
];

/// Parameters whose values the catalogue closes although no list of them is documented: name, values, why.
const CLOSED_BY_US: &[(&str, [&str; 2], &str)] = &[(
    "applyProratedRefund",
    ["true", "false"],
    "a boolean that refunds: what else it might accept is not to be found out",
)];

/// Fields beside the rows of an answer, or in them, that name somebody else than the owner. Clients read contracts as
/// `contacts`; ClickBank's schema calls them `contract`.
const COUNTERPARTIES: &[(&str, &[&str])] = &[
    ("analytics.dimension", &["dimensionValue"]),
    ("analytics.dimension.summary", &["dimensionValue"]),
    ("products.get", CONTRACTS),
    ("products.list", CONTRACTS),
];

const CONTRACTS: &[&str] = &[
    "contracts.contract.owner",
    "contracts.contract.partner",
    "contracts.contacts.owner",
    "contracts.contacts.partner",
];

/// Parameters that find customers by who they are.
const SEARCHES: [&str; 3] = ["lastName", "email", "postalCode"];

type Sheet = BTreeMap<&'static str, String>;

fn catalogue() -> Vec<Endpoint> {
    config::built_in_endpoints().expect("the built-in catalogue can be read")
}

#[test]
fn the_catalogue_has_the_known_endpoints_and_no_other() {
    let known: BTreeSet<&str> = FACTS.iter().map(|fact| fact.id.as_str()).collect();
    let catalogue = catalogue();
    let ours: BTreeSet<&str> = catalogue.iter().map(|endpoint| endpoint.name.as_str()).collect();
    assert_eq!(ours, known);
    assert_eq!((FACTS.len(), catalogue.len()), (80, 80), "an endpoint stands twice");
}

#[test]
fn the_catalogue_says_of_each_endpoint_what_is_known() {
    let mut differences = Vec::new();
    for endpoint in catalogue() {
        let Some(fact) = FACTS.iter().find(|fact| fact.id == endpoint.name) else { continue };
        let (known, ours) = (sheet_of_fact(fact), sheet_of_endpoint(&endpoint));
        assert!(known.keys().eq(ours.keys()));
        for (field, known) in known {
            if ours[field] != known {
                differences.push((endpoint.name.clone(), field, known, ours[field].clone()));
            }
        }
    }
    let expected: Vec<_> = DEVIATIONS
        .iter()
        .map(|(id, field, known, ours, _)| ((*id).to_owned(), *field, (*known).to_owned(), (*ours).to_owned()))
        .collect();
    assert_eq!(differences, expected, "endpoint, field, known, ours");
}

fn sheet_of_fact(fact: &Fact) -> Sheet {
    let parameters = fact
        .params_in(Place::Query)
        .map(|param| parameter(&param.name, param.required, param.repeated))
        .collect::<BTreeSet<_>>();
    let paged = fact.params_in(Place::Header).any(|param| param.name == "Page");
    assert_eq!(paged, fact.pagination != "none", "{}: the facts contradict each other", fact.id);
    assert_eq!(fact.nickname_param_required, fact.owner_source == "request", "{}", fact.id);
    BTreeMap::from([
        ("method", fact.method.clone()),
        ("path", fact.path.clone()),
        ("variables", words(fact.params_in(Place::Path).map(|param| param.name.as_str()))),
        ("permissions", words(fact.permission_all.iter().map(String::as_str).collect::<BTreeSet<_>>())),
        ("changes", changes_of(fact).as_str().to_owned()),
        ("owner", owner_of(fact)),
        ("owner in the answer", words(fact.nickname_in_response.iter().map(String::as_str))),
        ("paged", paged.to_string()),
        ("answers", words(fact.produces.iter().map(String::as_str).collect::<BTreeSet<_>>())),
        ("parameters", words(parameters.iter().map(String::as_str))),
    ])
}

fn sheet_of_endpoint(endpoint: &Endpoint) -> Sheet {
    let parameters: BTreeSet<String> = endpoint
        .parameters
        .iter()
        .map(|Parameter { name, required, repeats, .. }| parameter(name, *required, *repeats))
        .collect();
    let permissions: BTreeSet<&str> = endpoint.permissions.iter().map(Permission::as_str).collect();
    BTreeMap::from([
        ("method", endpoint.method.to_string()),
        ("path", format!("{API_PREFIX}{}", endpoint.path)),
        ("variables", words(endpoint.path.variables().map(|(name, _)| name))),
        ("permissions", words(permissions)),
        ("changes", endpoint.changes.as_str().to_owned()),
        ("owner", owner_in_words(endpoint)),
        ("owner in the answer", words(owner_fields(endpoint).iter().map(String::as_str))),
        ("paged", endpoint.paged.to_string()),
        ("answers", words(media_types(endpoint.answers))),
        ("parameters", words(parameters.iter().map(String::as_str))),
    ])
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(" ")
}

fn parameter(name: &str, required: bool, repeats: bool) -> String {
    format!("{name}{}{}", if required { "!" } else { "" }, if repeats { "*" } else { "" })
}

fn changes_of(fact: &Fact) -> Changes {
    match (fact.mutates, fact.moves_money) {
        (false, false) => Changes::Nothing,
        (true, false) => Changes::Something,
        (true, true) => Changes::Money,
        (false, true) => panic!("{} moves money without changing anything", fact.id),
    }
}

/// What the owner rule has to be. `response` covers three kinds of answers, which the path tells apart.
fn owner_of(fact: &Fact) -> String {
    let named = fact.nickname_params.join("+");
    match fact.owner_source.as_str() {
        "request" => format!("parameter {named}"),
        "request_optional" => format!("filter {named}"),
        "response" if fact.path.contains("{receipt}") => "answer rows".to_owned(),
        "response" if fact.path.ends_with("/accounts") => "answer accounts".to_owned(),
        "response" => "answer list receipt".to_owned(),
        "lookup_order" => "receipt receipt".to_owned(),
        "lookup_ticket_order" => "ticket id".to_owned(),
        "lookup_order_per_row" => "tickets receipt".to_owned(),
        "unavailable" => "nowhere".to_owned(),
        "global" => "nobody".to_owned(),
        "credential_echo" => "credential".to_owned(),
        "not_applicable" => "document".to_owned(),
        other => panic!("{}: `{other}` is not a known source", fact.id),
    }
}

fn owner_in_words(endpoint: &Endpoint) -> String {
    let parameter = |position: usize| endpoint.parameters[position].name.as_str();
    let variable = |position: usize| endpoint.path.variables().nth(position).expect("the variable exists").0;
    match endpoint.owner {
        Owner::Parameter(position) => format!("parameter {}", parameter(position)),
        Owner::AccountFilter(position) => format!("filter {}", parameter(position)),
        Owner::OrderFilters { vendor, affiliate, role } => {
            assert_eq!(parameter(role), "role", "{}", endpoint.name);
            format!("filter {}+{}", parameter(vendor), parameter(affiliate))
        }
        Owner::AnswerRows => "answer rows".to_owned(),
        Owner::AnswerAccounts => "answer accounts".to_owned(),
        Owner::AnswerList(position) => format!("answer list {}", parameter(position)),
        Owner::Receipt(position) => format!("receipt {}", variable(position)),
        Owner::Ticket(position) => format!("ticket {}", variable(position)),
        Owner::Tickets(position) => format!("tickets {}", parameter(position)),
        Owner::Nowhere => "nowhere".to_owned(),
        Owner::Nobody => "nobody".to_owned(),
        Owner::Document => "document".to_owned(),
        Owner::Credential => "credential".to_owned(),
    }
}

/// The fields that name owners, written as the facts write them: `orderData[].vendor`.
fn owner_fields(endpoint: &Endpoint) -> Vec<String> {
    let Some(rows) = &endpoint.rows else { return Vec::new() };
    let fields = match &rows.owner {
        None => Vec::new(),
        Some(OwnerField::Field(field)) => vec![field],
        Some(OwnerField::ByRole { vendor, affiliate }) => vec![vendor, affiliate],
    };
    let prefix = if rows.at.is_empty() { String::new() } else { format!("{}[].", rows.at) };
    fields.into_iter().map(|field| format!("{prefix}{field}")).collect()
}

fn media_types(answers: AnswerTypes) -> impl Iterator<Item = &'static str> {
    let AnswerTypes { json, xml, text, csv } = answers;
    [(json, "application/json"), (xml, "application/xml"), (csv, "text/csv"), (text, "text/plain")]
        .into_iter()
        .filter_map(|(produced, name)| produced.then_some(name))
}

#[test]
fn path_variables_accept_their_documented_values_in_one_case_and_no_other_word() {
    let every_word: BTreeSet<&str> =
        FACTS.iter().flat_map(|fact| &fact.params).flat_map(|param| &param.values).map(String::as_str).collect();
    let mut closed = BTreeSet::new();
    for fact in FACTS.iter() {
        for param in fact.params_in(Place::Path) {
            let value = PathValue::named(&param.name);
            assert_ne!(value, PathValue::Word, "{}: `{}` is no known kind of value", fact.id, param.name);
            if param.values.is_empty() {
                continue;
            }
            closed.insert(param.name.as_str());
            for word in &param.values {
                let spellings = [word.clone(), word.to_lowercase()];
                for spelling in &spellings {
                    assert_eq!(value.canonical(spelling), Some(word.as_str()), "{} {spelling}", fact.id);
                }
                let mixed = word[..1].to_owned() + &word[1..].to_lowercase();
                assert_eq!(value.canonical(&mixed), None, "{} {mixed}", fact.id);
            }
            for word in every_word.iter().filter(|word| !param.values.iter().any(|value| value == *word)) {
                assert_eq!(value.canonical(word), None, "{} {word}", fact.id);
            }
        }
    }
    assert_eq!(closed, BTreeSet::from(["dimension", "role"]));
}

#[test]
fn every_variable_of_a_template_is_one_of_a_known_kind() {
    for endpoint in catalogue() {
        for segment in endpoint.path.segments() {
            if let Segment::Variable { name, value } = segment {
                assert_eq!(*value, PathValue::named(name), "{}", endpoint.name);
                assert_ne!(*value, PathValue::Word, "{} {name}", endpoint.name);
            }
        }
    }
}

#[test]
fn closed_parameters_have_the_documented_values_and_those_that_say_who_is_asked_about_are_closed() {
    for endpoint in catalogue() {
        let fact = crate::facts::fact(&endpoint.name);
        for parameter in &endpoint.parameters {
            let documented = fact.params_in(Place::Query).find(|param| param.name == parameter.name);
            let documented = documented.map(|param| param.values.as_slice()).unwrap_or_default();
            if parameter.values.is_empty() {
                let decides = matches!(parameter.name.as_str(), "role" | "summaryType" | "action" | "refundType");
                assert!(!decides, "{} leaves `{}` open", endpoint.name, parameter.name);
            } else {
                match CLOSED_BY_US.iter().find(|(name, ..)| *name == parameter.name) {
                    Some((_, values, _)) => assert_eq!(parameter.values, values, "{}", endpoint.name),
                    None => assert_eq!(parameter.values, documented, "{} {}", endpoint.name, parameter.name),
                }
            }
        }
    }
}

#[test]
fn parameters_that_find_customers_by_who_they_are_are_marked_and_no_others() {
    let mut found = BTreeSet::new();
    for endpoint in catalogue() {
        let lists_orders = matches!(endpoint.owner, Owner::OrderFilters { .. });
        for parameter in &endpoint.parameters {
            let expected = lists_orders && SEARCHES.contains(&parameter.name.as_str());
            assert_eq!(parameter.searches, expected, "{} {}", endpoint.name, parameter.name);
            if parameter.searches {
                found.insert(parameter.name.clone());
            }
        }
    }
    assert!(found.iter().map(String::as_str).eq(SEARCHES.into_iter().collect::<BTreeSet<_>>()));
}

#[test]
fn fields_that_name_other_parties_are_told_apart_from_those_that_name_owners() {
    for endpoint in catalogue() {
        let expected = COUNTERPARTIES.iter().find(|(id, _)| *id == endpoint.name).map_or(&[][..], |(_, fields)| fields);
        let counterparty = endpoint.rows.as_ref().map(|rows| rows.counterparty.as_slice()).unwrap_or_default();
        assert_eq!(counterparty, expected, "{}", endpoint.name);
        for owner in owner_fields(&endpoint) {
            let field = owner.rsplit("[].").next().expect("a split has a first part");
            assert!(!counterparty.iter().any(|other| other == field), "{} {field}", endpoint.name);
        }
    }
}
