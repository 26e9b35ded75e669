//! One connection: TLS, then requests one after the other.
//!
//! hyper reads every request and writes every healthy answer. For a faulty one the connection is taken from it, the
//! script of the fault is played on the TLS stream, and, where the connection outlives that, hyper gets it back.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, SERVER, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ProtocolVersion;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::received::Received;
use super::script::{Asked, End, Script, Step};
use super::tap::{Heard, Tap};
use super::{DRAIN_TIME, Decision, Shared, lock};
use crate::simulator::limit::Over;
use crate::simulator::wire::{Answer, Format, Request};

const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
const HEAD_TIME: Duration = Duration::from_secs(30);
/// The largest body that is read. It is thrown away: ClickBank ignores bodies.
const MOST_BODY_BYTES: usize = 1024 * 1024;

/// Whose connection it is.
#[derive(Clone, Copy)]
pub(super) struct Peer {
    /// Counted from 1.
    pub(super) number: u64,
    pub(super) address: IpAddr,
}

/// Serves a connection until it closes or the simulator stops. Whatever goes wrong with it ends it, and nothing else.
pub(super) async fn serve(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>, from: Peer) {
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
    let mut tap = Tap::new(stream, heard.clone());
    loop {
        let Some((script, mut taken)) = serve_until_fault(tap, &shared, &heard, from, tls_version).await else {
            return;
        };
        // A fault takes as long as it likes, so it is no reason to wait when the simulator stops.
        let played = shared.stopping.run_until_cancelled(play(script, &mut taken)).await;
        match played {
            Some(Ok(true)) => tap = taken,
            Some(Ok(false) | Err(_)) | None => return,
        }
    }
}

/// Serves requests up to the first with a fault; `None` when the connection is done before.
async fn serve_until_fault(
    tap: Tap<TlsStream<TcpStream>>,
    shared: &Arc<Shared>,
    heard: &Heard,
    from: Peer,
    tls_version: &'static str,
) -> Option<(Script, Tap<TlsStream<TcpStream>>)> {
    let (sender, mut scripts) = mpsc::channel(1);
    let service = service_fn(|request| {
        let (shared, heard, sender) = (Arc::clone(shared), heard.clone(), sender.clone());
        async move {
            match answer(&shared, &heard, from, tls_version, request).await {
                Reaction::Answer(answer) => Ok::<_, Infallible>(respond(answer)),
                Reaction::Play(script) => {
                    // The receiver lives as long as this future does.
                    let _ = sender.send(script).await;
                    pending().await
                }
            }
        }
    });
    let mut serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(tap), service);
    let script = tokio::select! {
        biased;
        script = scripts.recv() => script?,
        _ = &mut serving => return None,
        () = shared.stopping.cancelled() => {
            std::pin::Pin::new(&mut serving).graceful_shutdown();
            // What is not done by then is cut off, and a fault at once.
            let drained = async {
                tokio::select! {
                    _ = &mut serving => {}
                    _ = scripts.recv() => {}
                }
            };
            let _in_time = tokio::time::timeout(DRAIN_TIME, drained).await;
            return None;
        }
    };
    let parts = serving.into_parts();
    let mut tap = parts.io.into_inner();
    tap.give_back(parts.read_buf);
    Some((script, tap))
}

/// What comes of a request.
enum Reaction {
    Answer(Answer),
    Play(Script),
}

/// Reads a request whole, and does with it what was decided. This is where a request waits before it is answered.
async fn answer(
    shared: &Shared,
    heard: &Heard,
    from: Peer,
    tls_version: &'static str,
    request: http::Request<Incoming>,
) -> Reaction {
    let request_head = heard.take_head();
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MOST_BODY_BYTES).collect().await;
    let is_whole = body.is_ok();
    let body_bytes = body.map_or(0, |body| body.to_bytes().len());
    heard.forget_body(body_bytes, parts.headers.contains_key(TRANSFER_ENCODING));

    let received = Received::read(from.number, tls_version, request_head, body_bytes);
    let target = parts.uri.path_and_query().map_or_else(|| parts.uri.to_string(), ToString::to_string);
    let stays = is_whole && parts.version == Version::HTTP_11 && !asks_to_close(&parts.headers);
    let mut request = Request::new(parts.method, &target);
    request.headers.clone_from(&received.headers);
    let execute = || lock(&shared.world).answer(&request);
    match shared.decide(received, from.address) {
        Decision::Answer => Reaction::Answer(execute()),
        Decision::Refuse(over) => Reaction::Answer(over_limit(over)),
        Decision::Fault(fault) => {
            let authorization = request.header("authorization").unwrap_or_default();
            let asked = Asked { head_only: request.method == Method::HEAD, authorization };
            let mut script = Script::of(&fault, asked, execute);
            if script.end == End::Open && !stays {
                script.end = End::Close;
            }
            Reaction::Play(script)
        }
    }
}

fn asks_to_close(headers: &http::HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// ClickBank's answer to one request too many. The wording is a guess.
fn over_limit(over: Over) -> Answer {
    let text = match over {
        Over::Second => "Too many requests per second",
        Over::Day => "Too many requests per day",
    };
    Answer::body(StatusCode::FORBIDDEN, Format::Text, text)
}

/// Plays a script; says whether the next request can be served.
async fn play(script: Script, tap: &mut Tap<TlsStream<TcpStream>>) -> io::Result<bool> {
    for step in script.steps {
        match step {
            Step::Send(bytes) => {
                tap.write_all(&bytes).await?;
                tap.flush().await?;
            }
            Step::Wait(time) => tokio::time::sleep(time).await,
            Step::Repeat(bytes, times) => {
                for _ in 0..times {
                    tap.write_all(&bytes).await?;
                }
                tap.flush().await?;
            }
        }
    }
    match script.end {
        End::Open => return Ok(true),
        End::Close => tap.shutdown().await?,
        End::Reset => tap.stream().get_ref().0.set_zero_linger()?,
        End::Hang => {
            let mut ignored = [0; 1024];
            while tap.read(&mut ignored).await? > 0 {}
        }
    }
    Ok(false)
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
