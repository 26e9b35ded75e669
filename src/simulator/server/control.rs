//! The control endpoint: JSON over plain HTTP, on a loopback listener of its own.
//!
//! It has no password, for there is nothing to guard: the data is made up, and no key is shown. It keeps web pages out,
//! though, which a browser on the same machine lets send requests to loopback: whoever names another host (a rebound
//! DNS name) or sends `Origin` is refused.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::received::{Outcome, Received};
use super::{ACCEPT_PAUSE, Shared, lock};
use crate::simulator::fault::{ActiveFault, RuleError, Scalar, read_rule};
use crate::simulator::world::{Executed, TicketKind};

/// The largest body: a rule is a few hundred bytes.
const MOST_BODY_BYTES: usize = 64 * 1024;
/// Connections at one time; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 64;
/// How long a connection may send nothing.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Serves whoever controls the simulator, until it stops.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>, tasks: TaskTracker) {
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = shared.stopping.cancelled() => return,
            accepted = accepted => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let _slot = slot;
            let stopping = shared.stopping.clone();
            stopping.run_until_cancelled(serve(stream, shared)).await;
        });
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&shared, request).await.unwrap_or_else(Response::from)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service);
    // Whoever hangs up, or breaks HTTP, sees that without our help.
    let _ = connection.await;
}

/// Why a request is refused.
enum Refusal {
    ForeignHost,
    WebPage,
    NoSuchPath,
    OtherMethod(&'static str),
    BodyTooLarge,
    BodyTooSlow,
    NoJson,
    NoSuchFault,
    BadRule(Vec<RuleError>),
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Refusal> {
    let (parts, body) = request.into_parts();
    keep_web_pages_out(&parts.headers)?;
    let path = parts.uri.path();
    let other = |allow| Err(Refusal::OtherMethod(allow));
    match path {
        "/requests" => match parts.method {
            Method::GET => {
                let entries = lock(&shared.desk).log.entries();
                let requests: Vec<Value> = entries.iter().map(show_request).collect();
                Ok(respond(StatusCode::OK, Some(&json!({ "requests": requests }))))
            }
            Method::DELETE => {
                lock(&shared.desk).log.clear();
                Ok(respond(StatusCode::NO_CONTENT, None))
            }
            _ => other("GET, DELETE"),
        },
        "/faults" => match parts.method {
            Method::GET => {
                let faults: Vec<Value> = lock(&shared.desk).rules.all().iter().map(show_fault).collect();
                Ok(respond(StatusCode::OK, Some(&json!({ "faults": faults }))))
            }
            Method::POST => {
                let rule = read_rule(fields(&read(body).await?)?).map_err(Refusal::BadRule)?;
                let id = shared.add_fault(rule).map_err(|error| Refusal::BadRule(vec![error]))?;
                Ok(respond(StatusCode::CREATED, Some(&json!({ "id": id }))))
            }
            Method::DELETE => {
                lock(&shared.desk).rules.clear();
                Ok(respond(StatusCode::NO_CONTENT, None))
            }
            _ => other("GET, POST, DELETE"),
        },
        "/executed" => match parts.method {
            Method::GET => {
                let executed: Vec<Value> = lock(&shared.world).executed().iter().map(show_executed).collect();
                Ok(respond(StatusCode::OK, Some(&json!({ "executed": executed }))))
            }
            _ => other("GET"),
        },
        "/reset" => match parts.method {
            Method::POST => {
                shared.reset();
                Ok(respond(StatusCode::NO_CONTENT, None))
            }
            _ => other("POST"),
        },
        _ => {
            let id = path.strip_prefix("/faults/").ok_or(Refusal::NoSuchPath)?;
            if parts.method != Method::DELETE {
                return other("DELETE");
            }
            let removed = id.parse().is_ok_and(|id| lock(&shared.desk).rules.remove(id));
            if removed { Ok(respond(StatusCode::NO_CONTENT, None)) } else { Err(Refusal::NoSuchFault) }
        }
    }
}

/// Refuses what a page in a browser may have sent.
fn keep_web_pages_out(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(ORIGIN) {
        return Err(Refusal::WebPage);
    }
    let mut hosts = headers.get_all(HOST).into_iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).filter(|_| hosts.next().is_none());
    if host.is_some_and(is_loopback) { Ok(()) } else { Err(Refusal::ForeignHost) }
}

/// Whether the value of a `Host` header, with a port or without, means this machine.
fn is_loopback(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_number);
        return is_port && address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    }
    let name = match host.split_once(':') {
        Some((name, port)) if is_number(port) => name,
        Some(_) => return false,
        None => host,
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_number(port: &str) -> bool {
    port.parse::<u16>().is_ok()
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    let body = Limited::new(body, MOST_BODY_BYTES).collect();
    let body = tokio::time::timeout(BODY_TIME, body).await.map_err(|_| Refusal::BodyTooSlow)?;
    body.map(http_body_util::Collected::to_bytes).map_err(|_| Refusal::BodyTooLarge)
}

/// The fields of a JSON object.
fn fields(body: &[u8]) -> Result<BTreeMap<String, Scalar>, Refusal> {
    let object: Map<String, Value> = serde_json::from_slice(body).map_err(|_| Refusal::NoJson)?;
    let scalar = |value| match value {
        Value::String(text) => Scalar::Text(text),
        Value::Bool(flag) => Scalar::Flag(flag),
        Value::Number(number) => number.as_i64().map_or(Scalar::Other, Scalar::Number),
        Value::Null | Value::Array(_) | Value::Object(_) => Scalar::Other,
    };
    Ok(object.into_iter().map(|(name, value)| (name, scalar(value))).collect())
}

/// A request as it is shown: of its headers the names, of its key the name.
fn show_request(received: &Received) -> Value {
    let names: Vec<&str> = received.headers.iter().map(|(name, _)| name.as_str()).collect();
    let (outcome, fault) = match received.outcome {
        Outcome::Answered => ("answered", None),
        Outcome::Limited => ("limited", None),
        Outcome::Faulted(id) => ("faulted", Some(id)),
    };
    json!({
        "connection": received.connection,
        "tls": received.tls_version,
        "method": received.method,
        "target": received.target,
        "headers": names,
        "key": received.key,
        "body_bytes": received.body_bytes,
        "outcome": outcome,
        "fault": fault,
    })
}

/// A change that was done.
fn show_executed(executed: &Executed) -> Value {
    json!({
        "change": executed.kind.name(),
        "ticket_type": executed.kind.ticket_kind().map(TicketKind::code),
        "about": executed.about,
        "ticket": executed.ticket,
        "seller": executed.seller.as_str(),
        "refunded": executed.refunded.to_string(),
    })
}

/// A rule as it would be written, with its number and its counts.
fn show_fault(active: &ActiveFault) -> Value {
    let mut shown = Map::new();
    shown.insert("id".to_owned(), active.id.into());
    let rule: Map<String, Value> =
        active.rule.fields().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    shown.insert("rule".to_owned(), rule.into());
    shown.insert("matched".to_owned(), active.matched.into());
    shown.insert("acted".to_owned(), active.acted.into());
    shown.insert("expired".to_owned(), active.has_expired().into());
    shown.into()
}

impl From<Refusal> for Response<Full<Bytes>> {
    fn from(refusal: Refusal) -> Self {
        let error = |field: &str, message: &str, mend: &str| {
            vec![RuleError { field: field.to_owned(), message: message.to_owned(), mend: mend.to_owned() }]
        };
        let mut allowed = None;
        let (status, errors) = match refusal {
            Refusal::ForeignHost => (
                StatusCode::FORBIDDEN,
                error("Host", "is not this machine", "ask `localhost`, `127.0.0.1` or `[::1]` by name"),
            ),
            Refusal::WebPage => (
                StatusCode::FORBIDDEN,
                error("Origin", "is sent by web pages, which have no business here", "leave it out"),
            ),
            Refusal::NoSuchPath => (
                StatusCode::NOT_FOUND,
                error("path", "there is nothing here", "there is /requests, /executed, /faults, /faults/ID and /reset"),
            ),
            Refusal::OtherMethod(allow) => {
                allowed = Some(allow);
                let mend = format!("use one of {allow}");
                (StatusCode::METHOD_NOT_ALLOWED, error("method", "does nothing here", &mend))
            }
            Refusal::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                error("body", "is larger than 64 KiB, or broke off", "send one rule at a time"),
            ),
            Refusal::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, error("body", "took too long", "send it at once")),
            Refusal::NoJson => (
                StatusCode::BAD_REQUEST,
                error("body", "is no JSON object", "send a rule, such as {\"fault\": \"reset\", \"times\": 1}"),
            ),
            Refusal::NoSuchFault => {
                (StatusCode::NOT_FOUND, error("id", "no rule has this number", "`GET /faults` lists them"))
            }
            Refusal::BadRule(errors) => (StatusCode::BAD_REQUEST, errors),
        };
        let mut response = respond(status, Some(&json!({ "errors": errors })));
        if let Some(allow) = allowed {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

fn respond(status: StatusCode, body: Option<&Value>) -> Response<Full<Bytes>> {
    // A line end, for whoever looks at it in a terminal.
    let text = body.map(|body| format!("{body}\n")).unwrap_or_default();
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_taken_for_it() {
        for host in ["localhost", "LocalHost:7398", "127.0.0.1", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:7398"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "localhost.",
            "localhost:",
            "localhost:x",
            "localhost:99999",
            "localhost.evil.example",
            "evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "::1",
            "user@localhost",
            "127.1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
