//! What is a call, what is none, and how a call is written for ClickBank: from what was understood, never from the
//! caller's own bytes.

use std::sync::LazyLock;

use clickbank_gateway::domain::call::{CallError, Expected};
use clickbank_gateway::domain::endpoint::{Endpoint, Method, Owner, PathValue, Segment};
use clickbank_gateway::domain::matrix::Policy;
use clickbank_gateway::domain::target::{MAX_TARGET_LENGTH, TargetError};
use proptest::prelude::*;

use crate::ask;

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let gateway = r#"
keys = "keys.toml"

[nicknames]
acme = "seller"

[credentials.acme]
api_key = { env = "NOT_READ" }
reach = { orders_read = ["acme"] }

[[endpoint]]
id = "ledger.entry"
method = "POST"
path = "/rest/1.3/ledger/{book}/{receipt}"
permissions = ["orders_write"]
parameters = ["amount", { name = "note", prose = true }, { name = "tag", repeats = true }]

[extra_parameters]
trace = "forward"
cachebuster = "drop"
"orders2.list" = { trace = "drop", account = "forward" }
"#;
    ask::load(gateway, "").snapshot.policy
});

/// The target that goes to ClickBank.
fn written(method: &str, target: &str) -> Result<String, CallError> {
    let call = ask::read(&POLICY, method, target)?;
    Ok(call.target(endpoint_of(method, target)))
}

fn endpoint_of(method: &str, target: &str) -> &'static Endpoint {
    let call = ask::read(&POLICY, method, target).expect("it is a call");
    POLICY.catalogue.endpoint(call.endpoint()).expect("the call was read with this catalogue")
}

#[test]
fn a_call_is_written_as_it_was_understood() {
    for (method, target, expected) in [
        // Path.
        ("GET", "/rest/1.3/orders2/list", "/rest/1.3/orders2/list"),
        ("GET", "/rest/1.3/orders2/list/", "/rest/1.3/orders2/list"),
        ("GET", "/rest/1.3/orders2/list?", "/rest/1.3/orders2/list"),
        ("GET", "/@Acme/rest/1.3/orders2/list", "/rest/1.3/orders2/list"),
        ("HEAD", "/rest/1.3/orders2/abcd1234-B002", "/rest/1.3/orders2/abcd1234-B002"),
        (
            "GET",
            "/rest/1.3/analytics/vendor/tracking_id?account=acme",
            "/rest/1.3/analytics/VENDOR/TRACKING_ID?account=acme",
        ),
        // A number is a ticket for GET and PUT, and a receipt for POST.
        ("GET", "/rest/1.3/tickets/12345678", "/rest/1.3/tickets/12345678"),
        ("POST", "/rest/1.3/tickets/12345678?type=rfnd&reason=x", "/rest/1.3/tickets/12345678?type=rfnd&reason=x"),
        // Query: order stays; each value is decoded once and encoded once.
        (
            "GET",
            "/rest/1.3/orders2/list?type=SALE&startDate=2026-01-01",
            "/rest/1.3/orders2/list?type=SALE&startDate=2026-01-01",
        ),
        ("GET", "/rest/1.3/orders2/list?lastName=O'Neil+Jr", "/rest/1.3/orders2/list?lastName=O%27Neil%20Jr"),
        ("GET", "/rest/1.3/orders2/list?lastName=O%27Neil%20Jr", "/rest/1.3/orders2/list?lastName=O%27Neil%20Jr"),
        ("GET", "/rest/1.3/orders2/list?email=a%2Bb@x.io", "/rest/1.3/orders2/list?email=a%2Bb%40x.io"),
        ("GET", "/rest/1.3/orders2/list?vendor=acme%25", "/rest/1.3/orders2/list?vendor=acme%25"),
        ("GET", "/rest/1.3/orders2/list?vendor=%2525", "/rest/1.3/orders2/list?vendor=%2525"),
        ("GET", "/rest/1.3/orders2/list?tid=a%26vendor=b", "/rest/1.3/orders2/list?tid=a%26vendor%3Db"),
        ("GET", "/rest/1.3/orders2/list?tid=", "/rest/1.3/orders2/list?tid="),
        ("GET", "/rest/1.3/orders2/list?lastName=%e5%b1%b1", "/rest/1.3/orders2/list?lastName=%E5%B1%B1"),
        // Repeated where the catalogue says so.
        (
            "GET",
            "/rest/1.3/analytics/VENDOR/TRACKING_ID?select=HOP_COUNT&account=acme&select=SALE_COUNT",
            "/rest/1.3/analytics/VENDOR/TRACKING_ID?select=HOP_COUNT&account=acme&select=SALE_COUNT",
        ),
        // Undocumented parameters that the configuration knows of.
        ("GET", "/rest/1.3/orders/list?cachebuster=1&cachebuster=%00&type=SALE", "/rest/1.3/orders/list?type=SALE"),
        ("GET", "/rest/1.3/orders/list?trace=a+b&type=SALE", "/rest/1.3/orders/list?type=SALE&trace=a%20b"),
        ("GET", "/rest/1.3/orders2/list?trace=1&account=acme", "/rest/1.3/orders2/list?account=acme"),
        ("GET", "/rest/1.3/orders2/schema?cachebuster=1", "/rest/1.3/orders2/schema"),
        // An endpoint that the configuration adds.
        (
            "POST",
            "/@acme/rest/1.3/ledger/main-2026/ABCD1234/?tag=a&tag=b&note=x%0Ay&amount=1",
            "/rest/1.3/ledger/main-2026/ABCD1234?tag=a&tag=b&note=x%0Ay&amount=1",
        ),
    ] {
        assert_eq!(written(method, target).as_deref(), Ok(expected), "{method} {target}");
    }
}

#[test]
fn what_could_be_read_in_another_way_is_no_call() {
    let unknown = |name: &str, meant: Option<&str>| CallError::UnknownParameter {
        name: Some(name.to_owned()),
        meant: meant.map(str::to_owned),
    };
    let unnamed = CallError::UnknownParameter { name: None, meant: None };
    let repeated = |name: &str| CallError::RepeatedParameter(name.to_owned());
    for (method, target, expected) in [
        // Path.
        ("GET", "rest/1.3/orders2/list", CallError::Target(TargetError::NotOriginForm)),
        ("GET", "https://api.clickbank.com/rest/1.3/orders2/list", CallError::Target(TargetError::NotOriginForm)),
        ("GET", "/rest/1.3/orders2//list", CallError::Target(TargetError::EmptySegment)),
        ("GET", "/rest/1.3/orders2/list//", CallError::Target(TargetError::EmptySegment)),
        ("GET", "/rest/1.3/tickets/../orders2/list", CallError::Target(TargetError::DotSegment)),
        ("GET", "/rest/1.3/orders2/lis%74", CallError::Target(TargetError::PathCharacter)),
        ("GET", "/rest/1.3/orders2/list;vendor=zenith", CallError::Target(TargetError::PathCharacter)),
        ("GET", "/@ac%6de/rest/1.3/orders2/list", CallError::Target(TargetError::BaseNickname)),
        ("GET", "/@acme/@acme/rest/1.3/orders2/list", CallError::Target(TargetError::PathCharacter)),
        ("GET", "/rest/1.3/Orders2/list", CallError::UnknownEndpoint),
        ("GET", "/rest/1.3/orders2/LIST", CallError::UnknownEndpoint),
        ("GET", "/rest/1.3/orders2", CallError::UnknownEndpoint),
        ("GET", "/rest/1.3", CallError::UnknownEndpoint),
        ("GET", "/rest/1.2/orders2/list", CallError::UnknownEndpoint),
        ("GET", "/rest/1.3/orders2/ABCD123", CallError::UnknownEndpoint),
        ("GET", "/rest/1.3/orders2/ABCD1234-b002", CallError::UnknownEndpoint),
        ("GET", "/rest/1.3/tickets/0", CallError::UnknownEndpoint),
        ("GET", "/rest/1.3/analytics/Vendor/TRACKING_ID?account=acme", CallError::UnknownEndpoint),
        ("GET", "/rest/1.3/analytics/JV/TRACKING_ID?account=acme", CallError::UnknownEndpoint),
        ("POST", "/rest/1.3/ledger/a.b/ABCD1234", CallError::UnknownEndpoint),
        ("POST", "/rest/1.3/ledger/main/ABCD", CallError::UnknownEndpoint),
        // Method.
        ("POST", "/rest/1.3/orders2/list", CallError::Method(vec![Method::Get])),
        ("get", "/rest/1.3/orders2/list", CallError::Method(vec![Method::Get])),
        ("PATCH", "/rest/1.3/products/a?site=acme", CallError::Method(vec![Method::Get, Method::Put, Method::Delete])),
        ("DELETE", "/rest/1.3/orders2/ABCD1234", CallError::Method(vec![Method::Get, Method::Head])),
        ("GET", "/rest/1.3/tickets/ABCD1234", CallError::Method(vec![Method::Post])),
        // The endpoint that would reveal the credential.
        ("GET", "/rest/1.3/debug", CallError::Credential),
        ("POST", "/rest/1.3/DeBug/anything?x=1", CallError::Credential),
        // Query.
        ("GET", "/rest/1.3/orders2/list?vendor", CallError::Target(TargetError::QueryPair)),
        ("GET", "/rest/1.3/orders2/list?type=SALE&", CallError::Target(TargetError::QueryPair)),
        ("GET", "/rest/1.3/orders2/list?type=SALE;vendor=a", CallError::Target(TargetError::QueryCharacter)),
        ("GET", "/rest/1.3/orders2/list?type=SALE#x", CallError::Target(TargetError::QueryCharacter)),
        ("GET", "/rest/1.3/orders2/list?type=%zz", CallError::Target(TargetError::QueryEncoding)),
        ("GET", "/rest/1.3/orders2/list?type=%ff", CallError::Target(TargetError::QueryEncoding)),
        ("GET", "/rest/1.3/orders2/list?site=acme", unknown("site", None)),
        ("GET", "/rest/1.3/orders2/list?Vendor=acme", unknown("Vendor", Some("vendor"))),
        ("GET", "/rest/1.3/orders2/list?%76endor=acme", unnamed.clone()),
        ("GET", "/rest/1.3/orders2/list?vendor%00=acme", unnamed),
        ("GET", "/rest/1.3/orders2/list?vendor=a&vendor=a", repeated("vendor")),
        ("GET", "/rest/1.3/products/list?site=acme&site=zenith", repeated("site")),
        ("GET", "/rest/1.3/orders2/list?account=a&account=b", repeated("account")),
        ("GET", "/rest/1.3/orders/list?trace=a&trace=b", repeated("trace")),
        ("GET", "/rest/1.3/orders/list?Trace=a", unknown("Trace", None)),
        ("GET", "/rest/1.3/orders2/schema?type=SALE", unknown("type", None)),
        ("GET", "/rest/1.3/products/list", CallError::MissingParameter("site".to_owned())),
        (
            "GET",
            "/rest/1.3/orders/list?trace=%0A",
            CallError::Value { name: "trace".to_owned(), expected: Expected::Text },
        ),
        (
            "GET",
            "/rest/1.3/orders2/list?role=vendor",
            CallError::Value {
                name: "role".to_owned(),
                expected: Expected::OneOf(vec!["VENDOR".to_owned(), "AFFILIATE".to_owned()]),
            },
        ),
    ] {
        assert_eq!(written(method, target), Err(expected), "{method} {target}");
    }
}

#[test]
fn targets_are_bounded_as_they_come_and_as_they_are_written() {
    let target = |length: usize| format!("/rest/1.3/orders2/list?tid={}", "a".repeat(length - 27));
    assert_eq!(target(MAX_TARGET_LENGTH).len(), MAX_TARGET_LENGTH);
    assert!(written("GET", &target(MAX_TARGET_LENGTH)).is_ok());
    let too_long = Err(CallError::Target(TargetError::TooLong));
    assert_eq!(written("GET", &target(MAX_TARGET_LENGTH + 1)), too_long);
    // An apostrophe is three characters once it is written.
    assert_eq!(written("GET", &format!("/rest/1.3/orders2/list?tid={}", "'".repeat(700))), too_long);
    // The base path and what is dropped do not count.
    let base = format!("/@acme{}", target(MAX_TARGET_LENGTH - 6));
    assert_eq!(written("GET", &base).map(|target| target.len()), Ok(MAX_TARGET_LENGTH - 6));
}

/// A call of this endpoint with nothing but what it cannot do without.
fn plainest(endpoint: &Endpoint) -> (String, Vec<(String, String)>) {
    let segments = endpoint.path.segments().iter().map(|segment| match segment {
        Segment::Literal(text) => text.clone(),
        Segment::Variable { value, .. } => match value {
            PathValue::Receipt => "ABCD1234",
            PathValue::TicketId => "4711",
            PathValue::Sku | PathValue::Word => "item-1",
            PathValue::Role => "VENDOR",
            PathValue::Dimension => "TRACKING_ID",
        }
        .to_owned(),
    });
    let path = format!("/rest/1.3/{}", segments.collect::<Vec<_>>().join("/"));
    let parameters = endpoint.parameters.iter().enumerate().filter_map(|(position, parameter)| {
        let owner = endpoint.owner == Owner::Parameter(position);
        let value = if owner { Some("acme") } else { parameter.values.first().map(String::as_str) };
        (owner || parameter.explicit).then(|| (parameter.name.clone(), value.unwrap_or("1").to_owned()))
    });
    (path, parameters.collect())
}

fn target_of(path: &str, pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// Every endpoint but the one that is no call, and each of its parameters with a value that it can have.
fn parameters() -> impl Iterator<Item = (&'static Endpoint, usize, String)> {
    POLICY.catalogue.iter().flat_map(|(_, endpoint)| {
        endpoint.parameters.iter().enumerate().map(move |(position, parameter)| {
            let nickname = endpoint.owner_parameter() == Some(position);
            let value = parameter.values.first().map_or(if nickname { "acme" } else { "1" }, String::as_str);
            (endpoint, position, value.to_owned())
        })
    })
}

#[test]
fn a_parameter_stands_once_unless_the_catalogue_says_otherwise() {
    for (endpoint, position, value) in parameters() {
        let parameter = &endpoint.parameters[position];
        let (path, mut pairs) = plainest(endpoint);
        pairs.retain(|(name, _)| *name != parameter.name);
        pairs.push((parameter.name.clone(), value.clone()));
        let once = target_of(&path, &pairs);
        assert_eq!(written(endpoint.method.as_str(), &once).as_deref(), Ok(once.as_str()), "{}", endpoint.name);
        pairs.push((parameter.name.clone(), value));
        let twice = target_of(&path, &pairs);
        let expected = if parameter.repeats {
            Ok(twice.clone())
        } else {
            Err(CallError::RepeatedParameter(parameter.name.clone()))
        };
        assert_eq!(written(endpoint.method.as_str(), &twice), expected, "{}", endpoint.name);
    }
}

#[test]
fn names_that_only_look_like_a_parameter_are_unknown() {
    for (endpoint, position, value) in parameters() {
        let name = &endpoint.parameters[position].name;
        let (path, pairs) = plainest(endpoint);
        let first = name.as_bytes()[0];
        for other in [
            name.to_uppercase(),
            name.to_lowercase(),
            name[..1].to_uppercase() + &name[1..],
            format!("%{first:02x}{}", &name[1..]),
            format!("{name}%20"),
            format!("{name}+"),
            format!("{name}%00"),
            format!("{name}_"),
            format!("{name}*"),
            format!("%EF%BB%BF{name}"),
            name.replace('a', "%D0%B0"),
        ] {
            if endpoint.parameters.iter().any(|parameter| parameter.name == other) {
                continue;
            }
            let mut pairs = pairs.clone();
            pairs.push((other.clone(), value.clone()));
            let target = target_of(&path, &pairs);
            let error = written(endpoint.method.as_str(), &target).expect_err(&target);
            assert!(matches!(error, CallError::UnknownParameter { .. }), "{target}: {error:?}");
        }
    }
}

#[test]
fn a_parameter_that_names_the_owner_is_exactly_one_nickname() {
    for (endpoint, position, _) in
        parameters().filter(|(endpoint, position, _)| endpoint.owner_parameter() == Some(*position))
    {
        let name = &endpoint.parameters[position].name;
        let (path, mut pairs) = plainest(endpoint);
        pairs.retain(|(other, _)| other != name);
        for (value, accepted) in [
            ("acme", true),
            ("ACME", true),
            ("stranger", true),
            ("%61cme", true),
            ("", false),
            ("%25", false),
            ("acme%25", false),
            ("%2525", false),
            ("acm*", false),
            ("acme,zenith", false),
            ("acme+zenith", false),
            ("acme%20", false),
            ("acme%0A", false),
            ("acme%00", false),
            ("acm%D0%B5", false),
            ("%EF%BD%81cme", false),
            ("none", false),
            ("NONE", false),
        ] {
            let mut pairs = pairs.clone();
            pairs.push((name.clone(), value.to_owned()));
            let target = target_of(&path, &pairs);
            let read = written(endpoint.method.as_str(), &target);
            if accepted {
                assert!(read.is_ok(), "{target}: {read:?}");
            } else {
                assert_eq!(
                    read,
                    Err(CallError::Value { name: name.clone(), expected: Expected::Nickname }),
                    "{target}"
                );
            }
        }
    }
}

#[test]
fn a_key_of_ours_does_not_leave_in_a_parameter() {
    for target in ["/rest/1.3/orders2/list?tid=cbgw_abc", "/rest/1.3/orders2/list?email=x%20cbgw%5Fabc"] {
        assert!(matches!(written("GET", target), Err(CallError::Value { expected: Expected::NoKey, .. })), "{target}");
    }
}

#[test]
fn line_breaks_stand_in_prose_only_and_other_control_characters_nowhere() {
    for (endpoint, position, _) in parameters() {
        let parameter = &endpoint.parameters[position];
        if !parameter.values.is_empty() || endpoint.owner_parameter() == Some(position) {
            continue;
        }
        let (path, pairs) = plainest(endpoint);
        for (value, accepted) in [
            ("a%20b%C2%A0c", true),
            ("%E2%80%AE", true),
            ("a%0Ab", parameter.prose),
            ("a%0D%0Ab", parameter.prose),
            ("a%09b", parameter.prose),
            ("a%00b", false),
            ("a%0Bb", false),
            ("a%1Bb", false),
            ("a%7Fb", false),
            ("a%C2%85b", false),
        ] {
            let mut pairs = pairs.clone();
            pairs.push((parameter.name.clone(), value.to_owned()));
            let target = target_of(&path, &pairs);
            let expected = CallError::Value { name: parameter.name.clone(), expected: Expected::Text };
            assert_eq!(
                written(endpoint.method.as_str(), &target),
                if accepted { Ok(target.clone()) } else { Err(expected) }
            );
        }
    }
}

#[test]
fn closed_parameters_have_no_other_values_than_those_listed() {
    for (endpoint, position, value) in parameters() {
        let parameter = &endpoint.parameters[position];
        let (path, mut pairs) = plainest(endpoint);
        if parameter.values.is_empty() {
            continue;
        }
        pairs.retain(|(name, _)| *name != parameter.name);
        for other in
            [value.to_lowercase(), value.to_uppercase(), format!("{value}%20"), format!("{value},"), String::new()]
        {
            if parameter.values.contains(&other) {
                continue;
            }
            let mut pairs = pairs.clone();
            pairs.push((parameter.name.clone(), other));
            let target = target_of(&path, &pairs);
            let expected = Expected::OneOf(parameter.values.clone());
            let expected = CallError::Value { name: parameter.name.clone(), expected };
            assert_eq!(written(endpoint.method.as_str(), &target), Err(expected), "{target}");
        }
    }
}

/// Some way to write a character in a query.
fn encoded(text: &str, ways: &[u8]) -> String {
    let mut query = String::new();
    for (position, byte) in text.bytes().enumerate() {
        let way = ways.get(position % ways.len().max(1)).copied().unwrap_or_default();
        match (byte, way % 3) {
            (b' ', 0) => query.push('+'),
            (byte, 0 | 1) if byte.is_ascii_alphanumeric() => query.push(char::from(byte)),
            (byte, 2) => query.push_str(&format!("%{byte:02x}")),
            (byte, _) => query.push_str(&format!("%{byte:02X}")),
        }
    }
    query
}

/// A request that is a call: some endpoint, some of its parameters, some way to write each value.
fn calls() -> impl Strategy<Value = (&'static str, String)> {
    let value = prop_oneof!["[A-Za-z0-9 .,%+&=;#/?@*'-]{0,12}", "\\PC{0,6}"];
    let values = prop::collection::vec((any::<prop::sample::Index>(), value), 0..4);
    (any::<prop::sample::Index>(), values, prop::collection::vec(any::<u8>(), 1..8), any::<[bool; 2]>())
        .prop_filter_map("too long, or no call", |(endpoint, values, ways, [based, slash])| {
            let endpoints: Vec<&'static Endpoint> = POLICY
                .catalogue
                .iter()
                .map(|(_, endpoint)| endpoint)
                .filter(|endpoint| endpoint.owner != Owner::Credential)
                .collect();
            let endpoint = *endpoint.get(&endpoints);
            let (path, mut pairs) = plainest(endpoint);
            for (position, value) in values {
                let Some(parameter) = (!endpoint.parameters.is_empty()).then(|| position.get(&endpoint.parameters))
                else {
                    break;
                };
                if pairs.iter().any(|(name, _)| *name == parameter.name) && !parameter.repeats {
                    continue;
                }
                let owns =
                    endpoint.owner_parameter().is_some_and(|owner| endpoint.parameters[owner].name == parameter.name);
                let value = if owns { "Acme".to_owned() } else { parameter.values.first().cloned().unwrap_or(value) };
                pairs.push((parameter.name.clone(), encoded(&value, &ways)));
            }
            let path = format!("{}{path}{}", if based { "/@acme" } else { "" }, if slash { "/" } else { "" });
            let target = target_of(&path, &pairs);
            (target.len() < 600).then_some((endpoint.method.as_str(), target))
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_reads_as_the_same_call((method, target) in calls()) {
        let once = written(method, &target).map_err(|error| TestCaseError::fail(format!("{target}: {error:?}")))?;
        prop_assert_eq!(written(method, &once), Ok(once.clone()), "from {}", target);
        prop_assert_eq!(&endpoint_of(method, &target).name, &endpoint_of(method, &once).name);
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/?=&%".contains(&byte);
        prop_assert!(once.bytes().all(safe), "{once}");
        prop_assert!(once.starts_with("/rest/1.3/"), "{once}");
    }

    #[test]
    fn receipts_arrive_byte_for_byte(receipt in "[A-Za-z0-9]{8}(-B[0-9]{3,4})?") {
        for (method, target) in [
            ("GET", format!("/rest/1.3/orders2/{receipt}")),
            ("HEAD", format!("/rest/1.3/orders/{receipt}")),
            ("POST", format!("/rest/1.3/orders2/{receipt}/pause?restartDate=2026-03-01")),
            ("GET", format!("/rest/1.3/tickets/refundAmounts/{receipt}?refundType=FULL")),
            ("POST", format!("/rest/1.3/tickets/{receipt}?type=cncl")),
            ("GET", format!("/rest/1.3/shipping2/list?receipt={receipt}")),
        ] {
            prop_assert_eq!(written(method, &target), Ok(target.clone()));
        }
    }

    #[test]
    fn skus_ticket_numbers_and_dates_arrive_byte_for_byte(
        sku in "[A-Za-z0-9-]{1,64}", id in "[1-9][0-9]{0,17}", date in "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
    ) {
        prop_assume!(sku != "list" && sku != "schema");
        for (method, target) in [
            ("DELETE", format!("/rest/1.3/products/{sku}?site=acme")),
            ("POST", format!("/rest/1.3/orders2/ABCD1234/reinstate?sku={sku}")),
            ("GET", format!("/rest/1.3/tickets/{id}")),
            ("POST", format!("/rest/1.3/tickets/{id}/returned")),
            ("GET", format!("/rest/1.3/orders2/list?startDate={date}&endDate={date}")),
        ] {
            prop_assert_eq!(written(method, &target), Ok(target.clone()));
        }
    }

    #[test]
    fn every_text_arrives_as_it_was_meant(text in "\\PC{0,40}", ways in prop::collection::vec(any::<u8>(), 1..8)) {
        let [one, other] = [&ways[..], &[1]].map(|ways| format!("/rest/1.3/orders2/list?lastName={}", encoded(&text, ways)));
        prop_assert_eq!(written("GET", &one), written("GET", &other));
        let call = ask::read(&POLICY, "GET", &one).unwrap();
        let (position, _) = endpoint_of("GET", &one).parameter("lastName").unwrap();
        prop_assert_eq!(call.value_at(position), Some(text.as_str()));
    }

    #[test]
    fn no_input_makes_the_reader_panic_or_write_what_it_would_not_read(
        method in "GET|POST|PUT|DELETE|HEAD|\\PC{0,5}",
        target in "/rest/1\\.3/(orders2|tickets|products|ledger|debug)/(list|[A-Z0-9%;.-]{0,10})(/|\\?[a-zA-Z]{1,8}=\\PC{0,10}|&|\\PC{0,8}){0,4}",
    ) {
        if let Ok(once) = written(&method, &target) {
            prop_assert_eq!(written(&method, &once), Ok(once.clone()));
        }
    }
}
