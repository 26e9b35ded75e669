//! The simulator answers as the community's specification of ClickBank's API says, in JSON and in XML, except where more
//! is known than the specification has.

mod calls;
mod exceptions;
mod image;
mod judge;
mod specification;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use clickbank_gateway::simulator::{Request, Simulator, SimulatorConfig, World};
use http::Method;
use http_body_util::{BodyExt as _, Empty};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use calls::{Call, calls};
use exceptions::{EXCEPTIONS, Exceptions, Ledger, NEVER_SEEN, REASONS};
use image::image;
use judge::{Difference, Found, differences, undone};
use specification::{BASE, Kind, Operation, Schema, operations, security};

use crate::facts::FACTS;
use crate::support::within;

const JSON: &str = "application/json";
const XML: &str = "application/xml";
const TEXT: &str = "text/plain";

#[tokio::test]
async fn every_operation_answers_as_specified_in_json_and_in_xml() {
    let mut trial = Trial::default();
    let in_json = trial.run(JSON).await;
    let in_xml = trial.run(XML).await;
    for ((call, json), (_, xml)) in in_json.iter().zip(&in_xml) {
        assert_eq!(json, xml, "{call}: JSON and XML say different things");
    }
    assert_eq!(in_json.len(), in_xml.len());

    trial.compare_all("", security_found());
    for operation in operations() {
        trial.compare_operation(operation);
    }
    trial.compare_endpoints();

    assert_eq!(trial.left, BTreeSet::new(), "the simulator differs from the specification");
    assert_eq!(trial.ledger.unused(), Vec::<String>::new(), "these exceptions are needed no more");
    trial.check_coverage();
}

#[test]
fn every_reason_for_an_exception_is_documented_and_needed() {
    let reasons: BTreeSet<usize> = EXCEPTIONS.iter().map(|exception| exception.reason).collect();
    assert_eq!(reasons, (1..=REASONS.len()).collect());
    let document = include_str!("../../docs/simulator.md");
    for (place, reason) in REASONS.iter().enumerate() {
        let line = format!("{}. {reason}", place + 1);
        assert!(document.lines().any(|other| other == line), "docs/simulator.md does not have: {line}");
    }
}

#[test]
fn what_a_schema_does_not_accept_is_a_difference() {
    let ledger = Ledger::default();
    let found = |schema, text: &str| {
        let schema = Schema::named(schema);
        let value = undone(schema, &serde_json::from_str(text).unwrap(), &ledger.on("test"));
        differences(schema, &value, "answer", &mut BTreeSet::new())
    };
    for (schema, text, expected) in [
        ("OrderList", "null", None),
        ("OrderList", r#"{"orderData":{"vendor":"acme","declinedConsent":"true"}}"#, None),
        ("OrderList", r#"{"orderData":{"vendor":{"@nil":"true"}}}"#, None),
        ("OrderList", r#"{"orderData":[]}"#, None),
        ("OrderList", r#"{"rows":[]}"#, Some(("OrderList.rows", Difference::Unlisted))),
        ("OrderList", "[]", Some(("answer", Difference::NotA(Kind::Object)))),
        ("OrderList", r#"{"orderData":"acme"}"#, Some(("OrderList.orderData", Difference::NotA(Kind::Object)))),
        ("OrderData", r#"{"vendor":["acme"]}"#, Some(("OrderData.vendor", Difference::NotA(Kind::String)))),
        (
            "OrderData",
            r#"{"declinedConsent":"yes"}"#,
            Some(("OrderData.declinedConsent", Difference::NotA(Kind::Boolean))),
        ),
        ("OrderData", r#"{"declinedConsent":{"@nil":"true"}}"#, Some(("OrderData.declinedConsent", Difference::Null))),
        (
            "OrderData",
            r#"{"totalTaxAmount":"much"}"#,
            Some(("OrderData.totalTaxAmount", Difference::NotA(Kind::Number))),
        ),
        (
            "OrderData",
            r#"{"transactionTime":"yesterday"}"#,
            Some(("OrderData.transactionTime", Difference::Misformatted)),
        ),
        (
            "OrderData",
            r#"{"transactionTime":"2026-11-20T01:02:03-08:00"}"#,
            Some(("OrderData.transactionTime", Difference::Unmatched)),
        ),
        ("OrderData", r#"{"transactionTime":"2026-11-20T01:02:03Z"}"#, None),
        ("LineItemData", r#"{"quantity":"1.5"}"#, Some(("LineItemData.quantity", Difference::NotA(Kind::Integer)))),
        ("LineItemData", r#"{"quantity":"3000000000"}"#, Some(("LineItemData.quantity", Difference::Misformatted))),
        ("TicketData", r#"{"refundType":{"@nil":"true"}}"#, None),
        ("TicketData", r#"{"status":"SLEEPING"}"#, Some(("TicketData.status", Difference::NotAmong))),
        ("Product", r#"{"@sku":"guide-1"}"#, None),
        ("Pricing", r#"{"@colour":"red"}"#, Some(("Pricing.@colour", Difference::Unlisted))),
    ] {
        let expected = expected.map(|(place, difference)| (place.to_owned(), difference));
        assert_eq!(found(schema, text), expected.into_iter().collect::<Found>(), "{schema}: {text}");
    }
}

/// The simulator's world: the demo, on pages so small that most lists have several.
fn config() -> SimulatorConfig {
    let mut config = SimulatorConfig::default();
    config.settings.page_size = 2.try_into().unwrap();
    config
}

/// What differs in how a call authenticates: the pair that is specified works, and so does the bare key, which is not.
fn security_found() -> Found {
    assert_eq!(security(), "&lt;Developer API Key&gt;:&lt;Clerk API Key&gt;");
    let mut world = World::new(config().settings, config().spec);
    let key = world.key("acme").unwrap().secret().expose().to_owned();
    let pair = format!("DEV-123456789012345678901234567890123456:{key}");
    let counted = |world: &mut World, value: &str| {
        let answer = world.answer(&Request::get("/rest/1.3/orders2/count").with_header("authorization", value));
        (answer.status.as_u16(), answer.text())
    };
    let of_pair = counted(&mut world, &pair);
    assert_eq!(of_pair.0, 200);
    let is_bare_key_taken = counted(&mut world, &key) == of_pair;
    is_bare_key_taken.then(|| ("security".to_owned(), Difference::Described)).into_iter().collect()
}

/// Everything that was found so far.
#[derive(Default)]
struct Trial {
    ledger: Ledger,
    /// Differences that nothing excepts.
    left: BTreeSet<String>,
    /// `Schema.property` of every property that some answer had, by operation.
    seen: BTreeMap<String, BTreeSet<String>>,
    /// The operations that were called, each with the parameters that it was given.
    called: BTreeMap<String, BTreeSet<String>>,
}

impl Trial {
    fn compare_all(&mut self, operation: &str, found: Found) {
        let left = self.ledger.on(operation).left_of(found);
        self.left.extend(left);
    }

    /// Makes every call of a new simulator, with this media type. Gives what was answered, with what it answers to.
    async fn run(&mut self, media: &'static str) -> Vec<(String, Value)> {
        let simulator = Simulator::start(config()).await.unwrap();
        let client = TlsClient::of(&simulator);
        let calls = calls(&simulator.world());
        let mut answers = Vec::new();
        for mut call in calls {
            let operation = operation_of(&call);
            self.compare_parameters(operation, &call, &simulator.world());
            loop {
                let accept = accept_of(operation, media);
                let answer = client.send(&call, accept).await;
                let value = self.compare_answer(operation, &call, accept, &answer);
                if accept == media {
                    answers.push((format!("{} page {}", call.target(), call.page), value));
                }
                if answer.status != 206 {
                    break;
                }
                call.page += 1;
                self.compare_page(operation);
            }
        }
        simulator.stop().await;
        answers
    }

    /// Compares an answer with what is specified for it; gives it without the quirks.
    fn compare_answer(&mut self, operation: Operation, call: &Call, accept: &str, answer: &Answer) -> Value {
        let Answer { status, media, body } = answer;
        let about = format!("{} {}: {status} {body}", call.method, call.target());
        let is_as_hoped = if call.is_refused { *status == 400 } else { (200..300).contains(status) };
        assert!(is_as_hoped, "{about}");
        let exceptions = self.ledger.on(&operation.name());
        let mut found = Found::new();
        let mut add = |place: &str, difference| {
            found.insert((place.to_owned(), difference));
        };

        let mut value = Value::Null;
        match operation.answers(*status) {
            None => add("answer", Difference::Status(*status)),
            Some(listed) if listed.is_empty() => {
                if !body.is_empty() {
                    add("answer", Difference::Body);
                }
            }
            Some(listed) => {
                let listed = listed.into_iter().find(|(media, _)| *media == accept);
                let schema = match (Exceptions::instead(operation), listed) {
                    (None, None) => panic!("{about}: {accept} is not listed"),
                    (None, Some((_, schema))) => schema,
                    (Some(schema), None) => {
                        exceptions.needs_instead();
                        schema
                    }
                    (Some(schema), Some((_, listed))) => {
                        let as_listed = undone(listed, &read(body, accept, listed), &exceptions);
                        if !differences(listed, &as_listed, "answer", &mut BTreeSet::new()).is_empty() {
                            exceptions.needs_instead();
                        }
                        schema
                    }
                };
                if media.as_deref() != Some(accept) {
                    add("answer", Difference::Media);
                }
                value = undone(schema, &read(body, accept, schema), &exceptions);
                found.extend(differences(schema, &value, "answer", self.seen.entry(operation.name()).or_default()));
            }
        }
        let left = exceptions.left_of(found);
        self.left.extend(left.into_iter().map(|line| format!("{line} in {about:.300}")));
        value
    }

    /// Compares the parameters of a call with those that are specified, and tries which of them can be left out.
    fn compare_parameters(&mut self, operation: Operation, call: &Call, world: &World) {
        let parameters = operation.parameters();
        let mut found = Found::new();
        let mut given: BTreeSet<String> = call.query.iter().map(|(name, _)| name.clone()).collect();
        for name in &given {
            let place = format!("query {name}");
            let Some(parameter) = parameters.iter().find(|known| known.place == "query" && known.name == name) else {
                found.insert((place, Difference::Displaced));
                continue;
            };
            let values = call.values(name);
            let many = parameter.schema.kind() == Kind::Array;
            if values.len() > 1 && !many {
                found.insert((place.clone(), Difference::Repeated));
            }
            let schema = if many { parameter.schema.items() } else { parameter.schema };
            let exceptions = self.ledger.on("");
            for value in values {
                let value = undone(schema, &Value::from(value), &exceptions);
                found.extend(differences(schema, &value, &place, &mut BTreeSet::new()));
            }
            if !call.is_refused && !parameter.required && !is_answered(world, &call.without(name)) {
                found.insert((place, Difference::Required));
            }
        }
        given.extend(self.called.remove(&operation.name()).unwrap_or_default());
        self.called.insert(operation.name(), given);
        self.compare_all(&operation.name(), found);
    }

    /// Compares the header of a page with what is specified.
    fn compare_page(&mut self, operation: Operation) {
        let is_page = |place: &str, name: &str| place == "header" && name.eq_ignore_ascii_case("page");
        let parameters = operation.parameters();
        let page = parameters.iter().find(|known| is_page(known.place, known.name));
        let found = match page {
            None => Found::from([("header Page".to_owned(), Difference::Displaced)]),
            Some(page) => {
                assert_eq!(page.schema.kind(), Kind::Integer);
                Found::new()
            }
        };
        self.compare_all(&operation.name(), found);
        self.called.entry(operation.name()).or_default().insert("page".to_owned());
    }

    /// Compares what is specified of an operation as a whole, and of refusals.
    fn compare_operation(&mut self, operation: Operation) {
        let name = operation.name();
        let mut found = Found::new();
        let mut add = |place: &str, difference| {
            found.insert((place.to_owned(), difference));
        };
        assert!(self.called.contains_key(&name), "nothing calls {name}");
        if operation.is_obsolete() {
            add("operation", Difference::Obsolete);
        }
        let mut world = World::new(config().settings, config().spec);
        let request = |authorization: &str| {
            let path = operation.path.replace("{role}", "VENDOR").replace("{dimension}", "VENDOR");
            let request = Request::new(operation.method.parse().unwrap(), &format!("{BASE}{path}"));
            request.with_header("accept", accept_of(operation, JSON)).with_header("authorization", authorization)
        };
        for (place, authorization) in [("answer without a key", ""), ("answer to Bearer", "Bearer API-0123456789")] {
            let answer = world.answer(&request(authorization));
            match operation.answers(answer.status.as_u16()) {
                None => add(place, Difference::Status(answer.status.as_u16())),
                Some(listed) => {
                    let is_listed = listed.iter().any(|(media, _)| Some(*media) == answer.content_type);
                    if !is_listed && operation.method != "HEAD" {
                        add(place, Difference::Media);
                    }
                }
            }
        }
        self.compare_all(&name, found);
    }

    /// Compares which endpoints there are.
    fn compare_endpoints(&mut self) {
        let mut world = World::new(config().settings, config().spec);
        let specified: BTreeSet<String> = operations().iter().map(Operation::name).collect();
        let mut known = BTreeSet::new();
        for fact in FACTS.iter() {
            let name = format!("{} {}", fact.method, fact.path.strip_prefix(BASE).unwrap());
            if !specified.contains(&name) {
                assert_eq!(world.answer(&Request::get(&fact.path)).status, 200, "{name}");
                self.compare_all(&name, Found::from([("operation".to_owned(), Difference::Missing)]));
            }
            known.insert(name);
        }
        let unknown: Vec<_> = specified.difference(&known).collect();
        assert_eq!(unknown, Vec::<&String>::new(), "operations that nobody else knows");
    }

    /// Fails unless every parameter was given and every property came. An operation alone has to bring a quarter of
    /// its schema, which one without rows does not: accounts without figures and legacy rows have no more.
    fn check_coverage(&self) {
        let mut missed = Vec::new();
        let (mut properties, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for operation in operations() {
            let name = operation.name();
            for parameter in operation.parameters() {
                let is_given = self.called[&name].contains(parameter.name);
                // Where it is wrong about pages is an exception, and not all that it calls pages has pages.
                if parameter.place != "path" && parameter.name != "page" && !is_given {
                    missed.push(format!("{name}: parameter {}", parameter.name));
                }
            }
            let mut own = BTreeSet::new();
            for (_, schema) in operation.answers(200).unwrap_or_default() {
                collect(Exceptions::instead(operation).unwrap_or(schema), &mut own);
            }
            let came = self.seen.get(&name).cloned().unwrap_or_default();
            // An operation that may answer without a body may never answer with one.
            let is_silent = came.is_empty() && operation.answers(204).is_some();
            if !is_silent && came.len() * 4 < own.len() {
                missed.push(format!("{name}: {} of {} properties", came.len(), own.len()));
            }
            properties.extend(own);
            seen.extend(came);
        }
        let never: BTreeSet<String> = NEVER_SEEN.iter().map(|(property, _)| (*property).to_owned()).collect();
        let unseen: BTreeSet<String> = properties.difference(&seen).cloned().collect();
        assert_eq!(missed, Vec::<String>::new(), "parameters that no call gives, and answers with too little in them");
        assert_eq!(unseen, never, "properties that no answer has, and those that are known for it");
    }
}

/// `Schema.property` of everything that the schema holds.
fn collect(schema: Schema, properties: &mut BTreeSet<String>) {
    match schema.kind() {
        Kind::Array => collect(schema.items(), properties),
        Kind::Object => {
            for name in schema.properties() {
                let is_new = properties.insert(format!("{}.{name}", schema.name.unwrap_or_default()));
                if is_new {
                    collect(schema.property(name).unwrap(), properties);
                }
            }
        }
        Kind::Boolean | Kind::Integer | Kind::Number | Kind::String => {}
    }
}

fn operation_of(call: &Call) -> Operation {
    let operation = operations().into_iter().find(|operation| operation.name() == call.name());
    operation.unwrap_or_else(|| panic!("{} is not specified", call.name()))
}

/// The media type to ask an operation for: `media`, unless it has only text.
fn accept_of(operation: Operation, media: &'static str) -> &'static str {
    let listed = operation.answers(200).unwrap_or_default();
    let is_text = listed.iter().any(|(media, _)| *media == TEXT) && Exceptions::instead(operation).is_none();
    if is_text { TEXT } else { media }
}

/// What a body says. No body is null, and what is neither JSON nor XML is text.
fn read(body: &str, media: &str, schema: Schema) -> Value {
    let is_tree = matches!(schema.kind(), Kind::Object | Kind::Array);
    match media {
        _ if body.is_empty() => Value::Null,
        XML if is_tree => image(body),
        JSON if is_tree => serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}")),
        _ => Value::from(body),
    }
}

/// Whether the call would succeed.
fn is_answered(world: &World, call: &Call) -> bool {
    let key = world.key(call.key).unwrap().secret().expose().to_owned();
    let request = Request::new(call.method.parse().unwrap(), &call.target()).with_header("authorization", &key);
    world.clone().answer(&request).status.is_success()
}

/// A client over TLS, with the keys of the simulator.
struct TlsClient {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    base: String,
    keys: BTreeMap<String, String>,
}

struct Answer {
    status: u16,
    media: Option<String>,
    body: String,
}

impl TlsClient {
    fn of(simulator: &Simulator) -> Self {
        let authority = clickbank_gateway::tls::certificates(simulator.ca_pem().as_bytes()).unwrap();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(clickbank_gateway::tls::client_config(authority).unwrap())
            .https_only()
            .enable_http1()
            .build();
        let keys = simulator.keys().iter().map(|key| (key.name().to_owned(), key.secret().expose().to_owned()));
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base: simulator.url(),
            keys: keys.collect(),
        }
    }

    async fn send(&self, call: &Call, accept: &str) -> Answer {
        let request = http::Request::builder()
            .method(call.method.parse::<Method>().unwrap())
            .uri(format!("{}{}", self.base, call.target()))
            .header("Authorization", &self.keys[call.key])
            .header("Accept", accept);
        let request = if call.page > 1 { request.header("Page", call.page) } else { request };
        let response = within("an answer", self.client.request(request.body(Empty::new()).unwrap())).await.unwrap();
        let (head, body) = response.into_parts();
        let body = within("a body", body.collect()).await.unwrap().to_bytes();
        let media = head.headers.get("content-type").map(|value| value.to_str().unwrap().to_owned());
        Answer { status: head.status.as_u16(), media, body: String::from_utf8(body.to_vec()).unwrap() }
    }
}
