//! A caller's connection, from its first byte to its last.
//!
//! The HTTP library frames and parses; what it is too lenient about, and what it leaves unbounded, is seen to around it:
//! [`screen`] hands on whole heads that [`crate::http1`] has read strictly, one at a time and in time; [`slots`] says
//! which connection goes when there are too many.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::audit::{self, Recognised};
use crate::http1::request::{MAX_FIELDS, MAX_HEAD};
use crate::listen::Peer;
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;

mod screen;
mod slots;

pub(crate) use slots::{Slot, Slots};

use screen::{Screen, Times};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What all connections of callers share.
pub(crate) struct Reception {
    pub(crate) tls: Option<Arc<ArcSwap<rustls::ServerConfig>>>,
    pub(crate) pipeline: Pipeline<Incoming>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) stop: CancellationToken,
}

/// Serves a connection until it ends, has to make room, or everything stops; then the request in flight is finished.
pub(crate) async fn serve<S>((stream, peer): (S, Peer), mut slot: Slot, reception: Arc<Reception>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    slot.wait();
    let spared = slot.end().clone();
    let served = async {
        match &reception.tls {
            None => wait(Screen::new(stream, slot, Times::default()), peer, &reception).await,
            Some(tls) => {
                // On the heap, as whatever takes up much: most connections wait most of the time.
                let acceptor = TlsAcceptor::from(tls.load_full());
                let handshake = Box::pin(timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)));
                match reception.stop.run_until_cancelled(handshake).await {
                    Some(Ok(Ok(stream))) => {
                        Box::pin(wait(Screen::new(stream, slot, Times::default()), peer, &reception)).await;
                    }
                    // Something was said that is no TLS, or not ours. Who says nothing, or hangs up, is a probe.
                    Some(Ok(Err(error))) if error.kind() == io::ErrorKind::InvalidData => {
                        audit::record_cut("handshake-failed", &reception.metrics);
                    }
                    _ => {}
                }
            }
        }
    };
    spared.run_until_cancelled(served).await;
}

/// Waits for the first request.
async fn wait<S>(mut screen: Screen<S>, peer: Peer, reception: &Reception)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let notes = screen.notes();
    if reception.stop.run_until_cancelled(screen.request()).await == Some(true) {
        Box::pin(serve_http(screen, peer, reception)).await;
    }
    if let Some(reason) = notes.cut() {
        audit::record_cut(reason, &reception.metrics);
    }
}

async fn serve_http<S>(screen: Screen<S>, peer: Peer, reception: &Reception)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let notes = screen.notes();
    let asked = Arc::clone(&notes);
    let pipeline = reception.pipeline.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let (notes, mut pipeline) = (Arc::clone(&asked), pipeline.clone());
        async move {
            let message = notes.refused().map_or(Ok(request), Err);
            let answer = pipeline.call(message).await;
            notes.answer(answer.as_ref().is_ok_and(|answer| answer.extensions().get::<Recognised>().is_some()));
            answer
        }
    });
    let connection = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .half_close(false)
        .serve_connection(TokioIo::new(screen), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = reception.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended
        && notes.cut().is_none()
    {
        audit::record_unparsed(&error, &reception.metrics);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::Response;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Instant, sleep};
    use tokio_util::task::TaskTracker;
    use tower::service_fn;
    use tower::util::BoxCloneSyncService;

    use super::*;
    use crate::rejection::Rejection;
    use crate::stage::arrive::Message;
    use crate::stage::respond::{ReplyBody, refuse};

    /// Answers each request after so long.
    fn reception(after: Duration) -> Arc<Reception> {
        let service = service_fn(move |_: Message<Incoming>| async move {
            if !after.is_zero() {
                sleep(after).await;
            }
            Ok::<Response<ReplyBody>, Infallible>(refuse(&Rejection::UnknownEndpoint, "id", None))
        });
        Arc::new(Reception {
            tls: None,
            pipeline: Pipeline::new(BoxCloneSyncService::new(service), TaskTracker::new()),
            metrics: Arc::default(),
            stop: CancellationToken::new(),
        })
    }

    const PEER: Peer = Peer::Unix { user: None, process: None };
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// Reads an answer with a body that ends in `}`.
    async fn answer(caller: &mut (impl AsyncRead + Unpin)) {
        let mut read = Vec::new();
        while read.last() != Some(&b'}') {
            read.push(caller.read_u8().await.unwrap());
        }
    }

    // What the library is woken by between requests is in none of its promises, so it is tried with the library itself.
    #[tokio::test(start_paused = true)]
    async fn a_kept_connection_takes_the_next_request_and_ends_in_time() {
        for after in [0, 1, 70] {
            let after = Duration::from_secs(after);
            let slots = Slots::new(1);
            let (mut caller, stream) = duplex(4_096);
            let serving = tokio::spawn(serve((stream, PEER), slots.take().await, reception(after)));
            for pause in [0, 1, 50] {
                sleep(Duration::from_secs(pause)).await;
                caller.write_all(REQUEST).await.unwrap();
                answer(&mut caller).await;
            }
            // Two at once, the second in two pieces.
            caller.write_all(&[REQUEST, &REQUEST[..9]].concat()).await.unwrap();
            answer(&mut caller).await;
            caller.write_all(&REQUEST[9..]).await.unwrap();
            answer(&mut caller).await;
            let began = Instant::now();
            assert_eq!(caller.read(&mut [0]).await.unwrap(), 0);
            assert_eq!(began.elapsed().as_secs(), 60, "{after:?}");
            serving.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_kept_connection_can_be_spared_as_soon_as_it_has_its_answer() {
        for after in [0, 1] {
            let slots = Slots::new(1);
            let (mut caller, stream) = duplex(4_096);
            let _serving =
                tokio::spawn(serve((stream, PEER), slots.take().await, reception(Duration::from_secs(after))));
            caller.write_all(REQUEST).await.unwrap();
            answer(&mut caller).await;
            let newcomer = tokio::time::timeout(Duration::from_secs(5), slots.take()).await;
            assert!(newcomer.is_ok(), "{after}");
        }
    }
}
