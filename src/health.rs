//! `/livez` and `/readyz`, on a listener of their own: read-only, without a key, and without any detail.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// What probes need is one short request; more than this is not served.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_CONNECTIONS: usize = 256;

/// Whether the gateway can take requests.
#[derive(Debug, Default)]
pub struct Health(AtomicU8);

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

impl Health {
    pub(crate) fn set_ready(&self) {
        self.0.store(READY, Ordering::Release);
    }

    pub(crate) fn set_draining(&self) {
        self.0.store(DRAINING, Ordering::Release);
    }

    /// In one word, for operators.
    pub(crate) fn word(&self) -> &'static str {
        match self.0.load(Ordering::Acquire) {
            STARTING => "starting",
            READY => "ready",
            _ => "draining",
        }
    }

    /// The status and text for one request.
    fn answer(&self, method: &Method, path: &str) -> (StatusCode, &'static str) {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return (StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
        }
        match path {
            "/livez" => (StatusCode::OK, "alive\n"),
            "/readyz" => match self.0.load(Ordering::Acquire) {
                STARTING => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
                READY => (StatusCode::OK, "ready\n"),
                _ => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            },
            _ => (StatusCode::NOT_FOUND, "there is /livez and /readyz\n"),
        }
    }
}

/// Answers probes until told to stop.
pub(crate) async fn serve_health(listener: TcpListener, health: Arc<Health>, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accepted => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let health = Arc::clone(&health);
        tokio::spawn(async move {
            let _slot = slot;
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let (status, text) = health.answer(request.method(), request.uri().path());
                let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
                *response.status_mut() = status;
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                std::future::ready(Ok::<_, Infallible>(response))
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // A probe that hangs up or breaks HTTP is the prober's affair.
            let _ = timeout(CONNECTION_TIMEOUT, connection).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_follows_the_gateway_and_liveness_does_not() {
        let health = Health::default();
        let ask = |health: &Health, path| health.answer(&Method::GET, path).0.as_u16();
        assert_eq!((ask(&health, "/livez"), ask(&health, "/readyz")), (200, 503));
        health.set_ready();
        assert_eq!((ask(&health, "/livez"), ask(&health, "/readyz")), (200, 200));
        health.set_draining();
        assert_eq!((ask(&health, "/livez"), ask(&health, "/readyz")), (200, 503));
        assert_eq!(ask(&health, "/metrics"), 404);
        assert_eq!(health.answer(&Method::POST, "/readyz").0.as_u16(), 405);
    }
}
