//! A whole request, from its head to what would go to ClickBank: nothing that the grammar does not allow, nothing of the
//! caller's own headers, no key, and nothing that the caller is not granted.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use clickbank_gateway::domain::credential::CredentialId;
use clickbank_gateway::domain::endpoint::{Endpoint, Owner};
use clickbank_gateway::domain::permission::Permission;
use clickbank_gateway::pipeline::Shared;
use clickbank_gateway::rejection::Rejection;
use clickbank_gateway::stage::arrive::arrive;
use clickbank_gateway::stage::authorize::Authorize;
use clickbank_gateway::stage::classify::Classify;
use clickbank_gateway::stage::forward::Forward;
use clickbank_gateway::stage::guard::Guard;
use clickbank_gateway::stage::identify::Identify;
use clickbank_gateway::stage::inject::{Inject, Outbound};
use clickbank_gateway::stage::prove::Prove;
use clickbank_gateway::stage::resolve::Resolve;
use clickbank_gateway::stage::shape::Shape;
use clickbank_gateway::stage::{Check as _, Step as _};
use clickbank_gateway::trail::Trail;
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body_util::Empty;
use tokio::runtime::{Builder, Runtime};

use super::grammar::{self, Sent};
use super::presented_keys;
use super::request_heads;
use super::setup::{CALLERS, CLICKBANK_KEY, Caller, EXTENDED, PLAIN, Setup};

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_time().build().expect("a runtime"));
}

/// A request's head. What the HTTP library takes is tried even where the gateway's own screen would have refused it.
pub(crate) fn check(bytes: &[u8]) {
    let Some(request) = as_the_library_reads(bytes) else { return };
    for setup in [&*PLAIN, &*EXTENDED] {
        if let Ok((outbound, caller, credential)) = pass(setup, request.clone()) {
            let sent = check_outbound(setup, &request, &outbound);
            if let Some((head, _)) = request_heads::naive(bytes) {
                let method = outbound.method().as_str().as_bytes();
                assert_eq!(head.first.split(|byte| *byte == b' ').next(), Some(method));
            }
            check_grant(setup, &request, &sent, caller, credential);
        }
    }
}

fn as_the_library_reads(bytes: &[u8]) -> Option<Request<Empty<Bytes>>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut fields);
    parsed.parse(bytes).ok()?.is_complete().then_some(())?;
    let uri = Uri::try_from(parsed.path?).ok()?;
    let version = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let mut request = Request::builder().method(parsed.method?).uri(uri).version(version);
    for field in parsed.headers.iter() {
        request = request.header(field.name, field.value);
    }
    request.body(Empty::new()).ok()
}

/// Every stage up to the wire, as `pipeline` puts them together.
fn pass(
    setup: &Setup,
    request: Request<Empty<Bytes>>,
) -> Result<(Outbound, &'static Caller, Option<CredentialId>), Rejection> {
    let arrived = arrive(request, Arc::clone(&setup.snapshot), Trail::default())?;
    let classified = Classify.check(Identify.check(arrived)?)?;
    let permitted = Authorize.check(Resolve.check(classified)?)?;
    let (caller, credential) = (permitted.permit().caller(), permitted.permit().credential());
    let shape = Shape::new(&Shared::new(Arc::clone(&setup.snapshot)));
    let inject = Inject::new(setup.upstream.authority.clone());
    let forward = Arc::new(Forward::in_process(&setup.upstream, shape.clone(), Box::new(look_up)));
    let guard = Guard::new(&setup.upstream);
    let prove = Prove::new(&setup.upstream, shape.clone(), inject.clone(), forward, guard);
    let shaped = async { shape.step(prove.step(permitted).await?).await };
    let shaped = RUNTIME.with_borrow(|runtime| runtime.block_on(shaped))?;
    let outbound = inject.check(shaped)?;
    Ok((outbound, &CALLERS[caller.index()], credential))
}

/// What the gateway is told that asks first: the credential reaches what is declared, and no order is the caller's.
fn look_up(request: &Request<Empty<Bytes>>) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from_static(b"Access is denied"));
    if request.uri().path() == "/rest/1.3/quickstats/accounts" {
        *answer.body_mut() = Bytes::from_static(br#"{"accountData":{"nickName":"acme"}}"#);
        answer.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    } else {
        *answer.status_mut() = StatusCode::FORBIDDEN;
        answer.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
    }
    answer
}

fn check_outbound(setup: &Setup, request: &Request<Empty<Bytes>>, outbound: &Outbound) -> Sent {
    let uri = outbound.uri();
    assert_eq!((uri.scheme_str(), uri.authority()), (Some("https"), Some(&setup.upstream.authority)));
    let target = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    let sent = grammar::check_sent(&setup.snapshot.policy.catalogue, outbound.method().as_str(), target);
    let mut names = Vec::new();
    let mut everything = uri.to_string();
    for (name, value) in outbound.headers() {
        let value = value.to_str().expect("a header in plain characters");
        match name.as_str() {
            "user-agent" => assert!(value.starts_with("clickbank-gateway/"), "{value}"),
            "accept-encoding" => assert_eq!(value, "identity"),
            "accept" => assert!(["application/json", "application/xml", "text/plain"].contains(&value), "{value}"),
            "content-length" => assert_eq!(value, "0"),
            "page" => {
                assert!(value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0'), "{value}");
                assert_eq!(request.headers().get_all("page").iter().collect::<Vec<_>>(), [value]);
            }
            other => panic!("{other}: {value}"),
        }
        names.push(name.as_str());
        everything.push_str(value);
    }
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len(), "{names:?}");
    assert!(!everything.contains("cbgw_") && !everything.contains(CLICKBANK_KEY), "{everything}");
    sent
}

/// That the caller is the one whose key was presented, has every permission that the endpoint needs, and that the
/// credential reaches no more than the caller may see, unless the call itself says whose data it is about.
fn check_grant(
    setup: &Setup,
    request: &Request<Empty<Bytes>>,
    sent: &Sent,
    caller: &Caller,
    credential: Option<CredentialId>,
) {
    let values: Vec<&[u8]> = request.headers().get_all("authorization").iter().map(HeaderValue::as_bytes).collect();
    assert_eq!(presented_keys::naive(&values), Some(caller.name));
    let policy = &setup.snapshot.policy;
    let endpoint: &Endpoint = policy.catalogue.endpoint(sent.endpoint).expect("an endpoint of this catalogue");
    let needed: Vec<&str> = endpoint.permissions.iter().map(Permission::as_str).collect();
    let granted = |permission: &&str| {
        // Whoever may change orders may read them.
        caller.permissions.contains(permission)
            || (*permission == "orders_read" && caller.permissions.contains(&"orders_write"))
    };
    assert!(needed.iter().all(granted), "{} lacks one of {needed:?}", caller.name);
    let Some(credential) = credential.map(|credential| policy.credentials.name(credential)) else {
        assert_eq!(endpoint.owner, Owner::Document);
        return;
    };
    let all = caller.nicknames.is_empty();
    let confined = all || (credential == "acme" && caller.nicknames.contains(&"acme"));
    let own = |name: &str| all || caller.nicknames.contains(&&*name.to_ascii_lowercase());
    let named = match endpoint.owner {
        Owner::Parameter(position) | Owner::AccountFilter(position) => {
            let parameter = &endpoint.parameters[position].name;
            sent.pairs.iter().find(|(name, _)| name == parameter).map(|(_, value)| own(value))
        }
        Owner::OrderFilters { .. } => {
            let value = |wanted: &str| sent.pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
            let seller = value("vendor").filter(|_| value("role").is_some_and(|role| role == "VENDOR"));
            seller.map(|seller| confined || own(seller))
        }
        // In the answer it shows whose rows it has. Where it does not, a look-up comes first, and nobody is told yes here.
        Owner::Nobody | Owner::AnswerRows | Owner::AnswerAccounts => Some(true),
        _ => None,
    };
    assert!(named != Some(false), "{} asks for {:?}", caller.name, sent.pairs);
    assert!(confined || named == Some(true), "{} through {credential}: {}", caller.name, endpoint.name);
    let extra = sent.pairs.iter().any(|(name, _)| endpoint.parameters.iter().all(|parameter| parameter.name != *name));
    assert!(confined || !extra, "{} through {credential}: {:?}", caller.name, sent.pairs);
}
