//! A caller's connection, from its first byte to its last.
//!
//! The HTTP library frames and parses; what it is too lenient about, and what it leaves unbounded, is seen to around it:
//! [`screen`] hands on whole heads that [`crate::http1`] has read strictly, one at a time and in time; [`slots`] says
//! which connection goes when there are too many.

use std::sync::Arc;
use std::time::Duration;

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
use crate::pipeline::Pipeline;

mod screen;
mod slots;

pub(crate) use slots::{Slot, Slots};

use screen::{Screen, Times};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves a connection until it ends, has to make room, or everything stops; then the request in flight is finished.
pub(crate) async fn serve<S>(
    stream: S,
    mut slot: Slot,
    tls: Option<TlsAcceptor>,
    pipeline: Pipeline<Incoming>,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    slot.wait();
    let spared = slot.end().clone();
    let served = async {
        match tls {
            None => serve_http(Screen::new(stream, slot, Times::default()), pipeline, stop).await,
            Some(tls) => {
                let handshake = stop.run_until_cancelled(timeout(HANDSHAKE_TIMEOUT, tls.accept(stream))).await;
                // A handshake that fails is no request; there is nobody to answer.
                if let Some(Ok(Ok(stream))) = handshake {
                    serve_http(Screen::new(stream, slot, Times::default()), pipeline, stop).await;
                }
            }
        }
    };
    spared.run_until_cancelled(served).await;
}

async fn serve_http<S>(mut screen: Screen<S>, pipeline: Pipeline<Incoming>, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let notes = screen.notes();
    if stop.run_until_cancelled(screen.request()).await == Some(true) {
        let asked = Arc::clone(&notes);
        let service = service_fn(move |request: Request<Incoming>| {
            let (notes, mut pipeline) = (Arc::clone(&asked), pipeline.clone());
            async move {
                let message = notes.refused().map_or(Ok(request), Err);
                let answer = pipeline.call(message).await;
                notes.answer(answer.as_ref().is_ok_and(|answer| answer.extensions().get::<Recognised>().is_some()));
                answer
            }
        });
        // On the heap, and only now: most of a connection's memory is this.
        let mut connection = Box::pin(
            http1::Builder::new()
                .max_buf_size(MAX_HEAD)
                .max_headers(MAX_FIELDS)
                .half_close(false)
                .serve_connection(TokioIo::new(screen), service),
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended
            && notes.cut().is_none()
        {
            audit::record_unparsed(&error);
        }
    }
    if let Some(reason) = notes.cut() {
        audit::record_cut(reason);
    }
}
