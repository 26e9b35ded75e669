//! `/livez`, `/readyz` and `/metrics`, on a listener of their own: read-only, without a key, and without any detail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::brief::{self, Bounds};
use crate::listen::Listener;
use crate::metrics::exposition::{Exposition, MEDIA_TYPE};

/// What probes need is one short request; more than this is not served.
const BOUNDS: Bounds = Bounds { connections: 256, time: Duration::from_secs(2) };

/// Whether the gateway can take requests.
#[derive(Debug, Default)]
pub struct Health {
    state: AtomicU8,
    /// Whether the files are not in force.
    degraded: AtomicBool,
}

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

impl Health {
    pub(crate) fn set_ready(&self) {
        self.state.store(READY, Ordering::Release);
    }

    pub(crate) fn set_draining(&self) {
        self.state.store(DRAINING, Ordering::Release);
    }

    /// Notes whether the configuration's files are wrong, so that the one before them serves.
    pub(crate) fn set_degraded(&self, degraded: bool) {
        self.degraded.store(degraded, Ordering::Release);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.state.load(Ordering::Acquire) == READY
    }

    /// In one word, for operators.
    pub(crate) fn word(&self) -> &'static str {
        match self.state.load(Ordering::Acquire) {
            STARTING => "starting",
            READY if self.degraded.load(Ordering::Acquire) => "degraded",
            READY => "ready",
            _ => "draining",
        }
    }

    /// The status and text for one request, but for metrics.
    fn answer(&self, method: &Method, path: &str) -> (StatusCode, &'static str) {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return (StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
        }
        match path {
            "/livez" => (StatusCode::OK, "alive\n"),
            "/readyz" => match self.state.load(Ordering::Acquire) {
                STARTING => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
                // What served a moment ago serves still, so no probe need take it out of service.
                READY if self.degraded.load(Ordering::Acquire) => (StatusCode::OK, "ready, degraded\n"),
                READY => (StatusCode::OK, "ready\n"),
                _ => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            },
            _ => (StatusCode::NOT_FOUND, "there is /livez, /readyz and /metrics\n"),
        }
    }
}

/// Answers probes and whoever collects metrics, until told to stop.
pub(crate) async fn serve_health(
    listener: Listener,
    health: Arc<Health>,
    exposition: Exposition,
    stop: CancellationToken,
) {
    // One at a time, so that nobody who asks all the time takes more than one processor.
    let exposition = Arc::new(Mutex::new(exposition));
    let answer = move |request: Request<Incoming>| {
        let (health, exposition) = (Arc::clone(&health), Arc::clone(&exposition));
        async move {
            let (method, path) = (request.method(), request.uri().path());
            if path == "/metrics" && matches!(*method, Method::GET | Method::HEAD) {
                return metrics(exposition).await;
            }
            let (status, text) = health.answer(method, path);
            brief::answer(status, "text/plain", text)
        }
    };
    brief::serve(listener, BOUNDS, answer, stop).await;
}

async fn metrics(exposition: Arc<Mutex<Exposition>>) -> Response<Full<Bytes>> {
    let exposition = exposition.lock_owned().await;
    // It reads files of the system's.
    match tokio::task::spawn_blocking(move || exposition.text()).await {
        Ok(Ok(text)) => brief::answer(StatusCode::OK, MEDIA_TYPE, text),
        _ => brief::answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "it failed\n"),
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
        health.set_degraded(true);
        assert_eq!(health.answer(&Method::GET, "/readyz"), (StatusCode::OK, "ready, degraded\n"));
        health.set_draining();
        assert_eq!((ask(&health, "/livez"), ask(&health, "/readyz")), (200, 503));
        assert_eq!(ask(&health, "/metric"), 404);
        assert_eq!(health.answer(&Method::POST, "/readyz").0.as_u16(), 405);
    }
}
