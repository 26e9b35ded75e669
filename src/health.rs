//! `/livez` and `/readyz`, on a listener of their own: read-only, without a key, and without any detail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use crate::brief::{self, Bounds};
use crate::listen::Listener;

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

    /// In one word, for operators.
    pub(crate) fn word(&self) -> &'static str {
        match self.state.load(Ordering::Acquire) {
            STARTING => "starting",
            READY if self.degraded.load(Ordering::Acquire) => "degraded",
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
            "/readyz" => match self.state.load(Ordering::Acquire) {
                STARTING => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
                // What served a moment ago serves still, so no probe need take it out of service.
                READY if self.degraded.load(Ordering::Acquire) => (StatusCode::OK, "ready, degraded\n"),
                READY => (StatusCode::OK, "ready\n"),
                _ => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            },
            _ => (StatusCode::NOT_FOUND, "there is /livez and /readyz\n"),
        }
    }
}

/// Answers probes until told to stop.
pub(crate) async fn serve_health(listener: Listener, health: Arc<Health>, stop: CancellationToken) {
    let answer = move |request: Request<Incoming>| {
        let (status, text) = health.answer(request.method(), request.uri().path());
        std::future::ready(brief::answer(status, "text/plain", text))
    };
    brief::serve(listener, BOUNDS, answer, stop).await;
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
        assert_eq!(ask(&health, "/metrics"), 404);
        assert_eq!(health.answer(&Method::POST, "/readyz").0.as_u16(), 405);
    }
}
