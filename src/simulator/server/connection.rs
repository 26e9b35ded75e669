//! One connection: TLS, then requests one after the other.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, SERVER, TRANSFER_ENCODING};
use http::{HeaderValue, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ProtocolVersion;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::received::Received;
use super::tap::{Heard, Tap};
use super::{DRAIN_TIME, Shared, lock};
use crate::simulator::wire::{Answer, Request};

const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
const HEAD_TIME: Duration = Duration::from_secs(30);
/// The largest body that is read. It is thrown away: ClickBank ignores bodies.
const MOST_BODY_BYTES: usize = 1024 * 1024;

/// Serves a connection until it closes or the simulator stops. Whatever goes wrong with it ends it, and nothing else.
pub(super) async fn serve(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>, connection: u64) {
    let handshake = tokio::time::timeout(HANDSHAKE_TIME, acceptor.accept(stream));
    let stream = tokio::select! {
        () = shared.stopping.cancelled() => return,
        done = handshake => match done {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) | Err(_) => return,
        },
    };
    let tls_version = version_name(stream.get_ref().1.protocol_version());
    let heard = Heard::default();
    let io = TokioIo::new(Tap::new(stream, heard.clone()));
    let service = service_fn(|request| {
        let (shared, heard) = (Arc::clone(&shared), heard.clone());
        async move {
            let answer = answer(&shared, &heard, connection, tls_version, request).await;
            Ok::<_, Infallible>(respond(answer))
        }
    });
    let serving =
        http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).serve_connection(io, service);
    let mut serving = pin!(serving);
    tokio::select! {
        _ = serving.as_mut() => return,
        () = shared.stopping.cancelled() => serving.as_mut().graceful_shutdown(),
    }
    // What is not done by then is cut off.
    let _drained_in_time = tokio::time::timeout(DRAIN_TIME, serving).await;
}

/// Records a request and has the world answer it. This is where a request waits before it is answered.
async fn answer(
    shared: &Shared,
    heard: &Heard,
    connection: u64,
    tls_version: &'static str,
    request: http::Request<Incoming>,
) -> Answer {
    let request_head = heard.take_head();
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MOST_BODY_BYTES).collect().await;
    let body_bytes = body.map_or(0, |body| body.to_bytes().len());
    heard.forget_body(body_bytes, parts.headers.contains_key(TRANSFER_ENCODING));

    let received = Received::read(connection, tls_version, &request_head, body_bytes);
    let target = parts.uri.path_and_query().map_or_else(|| parts.uri.to_string(), ToString::to_string);
    let mut request = Request::new(parts.method, &target);
    request.headers.clone_from(&received.headers);
    lock(&shared.log).push(received);
    lock(&shared.world).answer(&request)
}

fn respond(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("clickbank-simulator"));
    if let Some(content_type) = answer.content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if let Some(allow) = answer.allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    response
}

fn version_name(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "unknown",
    }
}
